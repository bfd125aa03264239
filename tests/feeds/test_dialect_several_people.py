"""Several people in one row."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from feedhouse import House, Make
from library_shelf import extended, taken

from feeds.ledger import current
from governance.pseudonyms import record_ids
from warehouse.site import SiteError

WIDE = """\
  - name: visit
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: name1, logicalType: string}
      - {name: name2, logicalType: string}
      - {name: relat2, logicalType: string, enum: [{value: P}, {value: C}]}
      - {name: on_day, logicalType: timestamp, required: true, logicalTypeOptions: {format: "yyyy-MM-dd'T'HH:mm:ssXXX"}}
    customProperties:
      - {property: codes, value: {relat2: {P: partner, C: child}}}
      - property: person
        value:
          - {key: [ref, {const: 1}], surname: name1, household: ref}
          - {key: [ref, {const: 2}], surname: name2, household: ref, when: {name2: present}}
      - property: yields
        value:
          - {event: visit, start: on_day}
          - {event: met, start: on_day, person_ref: [ref, {const: 2}], when: {name2: present}}
          - {relationship: relat2, person_ref: [ref, {const: 2}], other: [ref, {const: 1}], when: {relat2: present}}
"""


def test_each_person_of_a_row_is_a_record_with_events_and_ties_of_their_own(house: House, make: Make) -> None:
    contract = make(WIDE)
    rows = "ref,name1,name2,relat2,on_day\nA,Oak,Elm,C,2026-04-03T00:00:00+01:00\nB,Ash,,,2026-01-03T00:00:00Z\n"
    load = house.load(contract, "in/v.csv", rows)
    assert (load.accepted, load.quarantined) == (2, 0)
    people = current(house.store, "one", "source_record")
    assert sorted(people["source_key"]) == ["A|1", "A|2", "B|1"]
    ids = dict(people.select("source_key", "record_id").rows())
    events = current(house.store, "one", "event")
    assert sorted(events.select("type", "record_id").rows()) == sorted(
        [("visit", ids["A|1"]), ("visit", ids["B|1"]), ("met", ids["A|2"])]
    )
    assert set(events["start"].dt.date().cast(pl.String)) == {"2026-04-03", "2026-01-03"}, "as on the local clock"
    tie = current(house.store, "one", "relationship")
    assert tie.select("record_id", "kind", "other_record_id").rows() == [(ids["A|2"], "child", ids["A|1"])]


def test_a_key_of_constants_alone_is_refused(tmp_path: Path, make: Make) -> None:
    with pytest.raises(SiteError, match="a key needs a column"):
        make(WIDE.replace("key: [ref, {const: 1}]", "key: [{const: 1}]"))


LOG = """<forms><form><formid>9</formid><tenancycode>T1</tenancycode><startdate>2025-04-03T00:00:00+01:00</startdate>
<hhmemb>3</hhmemb><age1>35</age1><sex1>F</sex1><age2>32</age2><sex2>M</sex2><relat2>P</relat2><age3>4</age3>
<sex3>F</sex3><relat3>C</relat3><homeless>11</homeless><reason>49</reason></form></forms>"""


def test_the_people_of_a_lettings_log_are_those_of_the_tenancy(house: House) -> None:
    contract = taken("core-lettings")
    assert house.load(contract, "housing/core_2026-11-20.xml", LOG).accepted == 1
    ids = record_ids("social-housing", pl.Series(["T1|1", "T1|2", "T1|3"]), house.ring).to_list()
    ties = current(house.store, contract.id, "relationship").select("record_id", "kind", "other_record_id").rows()
    assert sorted(ties) == sorted([(ids[1], "partner", ids[0]), (ids[2], "child", ids[0])])
    events = current(house.store, contract.id, "event").select("type", "record_id").rows()
    assert sorted(events) == sorted(
        [*(("social_letting", person) for person in ids), ("homelessness_before_letting", ids[0])]
    )
    assert current(house.store, contract.id, "source_record").is_empty()


def test_a_council_without_a_tenancy_feed_takes_the_people_from_the_log_itself(house: House, tmp_path: Path) -> None:
    contract = extended(tmp_path, "core-lettings", "  - {property: keysOf, value: null}\n")
    house.load(contract, "housing/core_2026-11-20.xml", LOG)
    people = current(house.store, contract.id, "source_record").sort("source_key")
    assert people.select("source_key", "sex", "household_key").rows() == [
        ("T1|1", "F", "T1"), ("T1|2", "M", "T1"), ("T1|3", "F", "T1")
    ]  # fmt: skip
