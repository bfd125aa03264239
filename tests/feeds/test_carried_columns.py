"""A nested row may take columns of the rows above it along."""

from __future__ import annotations

import pytest
from feedhouse import House, Make

from feeds.ledger import current
from warehouse.site import SiteError

VISITS = """\
  - name: visit
    physicalName: Visits/Visit
    properties:
      - {name: ref, physicalName: "@ref", logicalType: string, primaryKey: true}
      - {name: made, physicalName: Made, logicalType: date, required: true}
      - {name: postcode, physicalName: Home/Postcode, logicalType: string}
  - name: person
    physicalName: Visits/Visit/People/Person
    properties:
      - {name: number, physicalName: "@no", logicalType: string, primaryKey: true}
      - {name: family, physicalName: Family, logicalType: string}
    customProperties:
      - {property: inherits, value: [made, postcode]}
      - property: person
        value: {key: [ref, number], surname: family, address: {postcode: postcode}}
      - property: yields
        value: [{event: visited, start: made}]
"""
XML = (
    "<Visits><Visit ref='A'><People><Person no='1'><Family>Oak</Family></Person><Person no='2'><Family>Elm</Family>"
    "</Person></People><Made>2026-01-02</Made><Home><Postcode>QH1 1AA</Postcode></Home></Visit></Visits>"
)


def test_a_nested_person_has_the_date_and_address_of_what_they_stand_in(house: House, make: Make) -> None:
    load = house.load(make(VISITS, format="xml"), "in/v_2026-11-20.xml", XML)
    assert (load.accepted, load.quarantined) == (3, 0)
    people = current(house.store, "one", "source_record").sort("source_key")
    assert people.select("source_key", "surname", "postcode").rows() == [
        ("A|1", "OAK", "QH1 1AA"),
        ("A|2", "ELM", "QH1 1AA"),
    ]
    assert [str(d.date()) for d in current(house.store, "one", "event")["start"]] == ["2026-01-02"] * 2


def test_a_column_that_no_table_above_has_is_told(make: Make) -> None:
    with pytest.raises(SiteError, match="no table above has a column 'maid': did you mean 'made'"):
        make(VISITS.replace("[made, postcode]}", "[maid, postcode]}"), format="xml")
