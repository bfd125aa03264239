"""Workbooks of the old kind (.xls) are read as the new ones are."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
import pytest
import xlwt
from feedhouse import House, Make

from feeds.ledger import current
from feeds.readers import Rejected, read

LETS = """\
  - name: let
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: began, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: rent, logicalType: number}
      - {name: surname, logicalType: string}
    customProperties:
      - property: person
        value: {key: ref, surname: surname}
      - property: yields
        value: [{event: tenancy, start: began, value: rent}]
"""


def book(*rows: list[object], title: str = "Lettings") -> bytes:
    made = xlwt.Workbook()
    sheet = made.add_sheet("Lets")
    sheet.write(0, 0, title)
    day = xlwt.easyxf(num_format_str="DD/MM/YYYY")
    for i, row in enumerate([["ref", "began", "rent", "surname"], *rows], 2):
        for j, cell in enumerate(row):
            if isinstance(cell, date):
                sheet.write(i, j, cell, day)
            elif cell is not None:
                sheet.write(i, j, cell)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


HEADED = "{property: headerRow, value: 3}"


def test_a_workbook_of_the_old_kind_becomes_people_and_events(house: House, make: Make) -> None:
    data = book([1001, date(2020, 5, 4), 81.5, "Oak"], ["1002", date(2021, 1, 31), 90, "Ødegård"])
    load = house.load(make(LETS, "xls", server=HEADED), "in/a_2026-11-20.xls", data)
    assert (load.status, load.received, load.accepted) == ("accepted", 2, 2)
    people = current(house.store, "one", "source_record").sort("source_key")
    assert people.select("source_key", "surname").rows() == [("1001", "OAK"), ("1002", "ODEGARD")]
    events = current(house.store, "one", "event").sort("start")
    assert events.select(pl.col("start").dt.date(), "value").rows() == [
        (date(2020, 5, 4), 81.5),
        (date(2021, 1, 31), 90.0),
    ]


@pytest.mark.parametrize("kept", [0, 700, 3_000])
def test_one_that_was_cut_is_refused_or_loses_no_row_in_silence(make: Make, kept: int) -> None:
    data = book(*([n, date(2020, 1, 1), n, "Elm"] for n in range(200)))[:kept]
    with pytest.raises(Rejected, match=r"in/a"):
        read(make(LETS, "xls", server=HEADED), ["in/a"], lambda _: io.BytesIO(data))
