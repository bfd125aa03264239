"""Several people in one row."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from feedhouse import House, Make

from feeds.ledger import current
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
