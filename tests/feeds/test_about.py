"""What a feed's own rows hold of one person, beside what the canonical tables take."""

from __future__ import annotations

import polars as pl
from feedhouse import House, Make

from feeds.about import aside, beside
from warehouse.tables import SOURCE_RECORD

ROWS = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: forename, logicalType: string}
      - {name: surname, logicalType: string}
      - {name: dob, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: since, logicalType: date, required: true}
      - {name: dash, logicalType: string, description: grade of the assessment, classification: sensitive}
      - {name: caller, logicalType: string, classification: identity}
    customProperties:
      - property: person
        value: {key: ref, forename: forename, surname: surname, birth_date: dob}
      - property: yields
        value: [{event: offence, start: since}]
"""
MINE = {"ref": "1", "forename": "Amelia", "surname": "O'Brien", "dob": "03/09/2014", "since": "x", "dash": "High"}


def frame(*rows: dict[str, str], **more: list[str]) -> pl.DataFrame:
    full = [dict.fromkeys(("caller",), "Mrs Gallagher next door") | row for row in rows]
    return pl.DataFrame(full).with_columns(pl.lit(pl.Series([value])).first().alias(n) for n, value in more.items())


def records() -> pl.DataFrame:
    row = {"record_id": "r", "feed": "one", "source_key": "1", "forename": "AMELIA", "surname": "O'BRIEN"}
    made = pl.DataFrame([{name: row.get(name) for name in SOURCE_RECORD.schema}], schema=SOURCE_RECORD.schema)
    return made.with_columns(birth_date=pl.date(2014, 9, 3))


def test_what_else_stands_in_somebodys_rows_is_told_and_nothing_of_a_row_of_anybody_else(make: Make) -> None:
    told = beside(make(ROWS), {"person": frame(MINE, MINE | {"ref": "2", "dash": "Medium"})}, records())
    assert told.rows() == [("one", "Grade of the assessment", "High")], "nor who rang, whose identity is another's"


def test_a_row_that_was_set_aside_is_found_by_key_and_one_of_a_namesake_tells_nothing_but_that_it_is_there(
    make: Make, house: House
) -> None:
    other = MINE | {"ref": "7", "forename": "Zoe"}
    rows = frame(MINE, MINE | {"ref": "2"}, other, failed_rules=["since is a date"])
    told = aside(make(ROWS), "2026-11-19", {"quarantine__person": rows}, records(), house.ring)
    assert told.height == 2 and set(told["rules"].explode()) == {"since is a date"}
    assert told.drop_nulls("source_key")["forename"].to_list() == ["AMELIA"]
    assert told.filter(pl.col("source_key").is_null()).select("forename", "surname", "birth_date").row(0) == (None,) * 3
