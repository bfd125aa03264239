"""A delivery that repeats much of the one before comes to what it would have come to alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from feedhouse import House, Make
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds import intake
from feeds.contracts import Contract
from feeds.repeats import BEFORE, places
from governance.keys import KeyRing
from warehouse.tables import Zone

SCHEMA = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, required: true}
      - {name: line, logicalType: string, unique: true}
      - {name: name, logicalType: string, required: true}
      - {name: dob, logicalType: date}
      - {name: sex, logicalType: string, enum: [{value: M}, {value: F}]}
      - {name: other, logicalType: string}
      - {name: began, logicalType: date}
      - {name: nhs, logicalType: string}
    quality:
      - name: began after birth
        type: custom
        engine: greatExpectations
        implementation: {expect: column_pair_values_a_to_be_greater_than_b, column_A: began, column_B: dob}
        severity: quarantine
      - name: few lack a sex
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_not_be_null, column: sex, mostly: 0.2}
        severity: reject
      - name: a name has two letters
        type: custom
        engine: greatExpectations
        implementation: {expect: column_value_lengths_to_be_between, column: name, min_value: 2}
        severity: warn
      - name: no two have one NHS number
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_be_unique, column: nhs}
        severity: quarantine
    customProperties:
      - property: person
        value: {key: ref, full_name: {column: name, clean: [split_name, drop_executors]}, birth_date: dob, sex: sex,
                nhs_number: nhs, alias: other, household: other}
      - property: yields
        value:
          - {event: offence, start: began, code: sex}
          - {relationship: sibling, other: other, start: began}
          - {involvement: early_help, start: began, team: name}
"""
HEADER = "ref,line,name,dob,sex,other,began,nhs\n"
CELLS = (
    st.sampled_from(["a", "b", "c", "d", ""]),
    st.sampled_from([*"12345678", ""]),
    st.sampled_from(["Ann Bo", "Cy", "X", "Executors of Di Ek", "Test Test", ""]),
    st.sampled_from(["2010-02-01", "1900-01-01", "soon", ""]),
    st.sampled_from(["M", "F", "Q", ""]),
    st.sampled_from(["a", "b", "Flo"]),
    st.sampled_from(["2020-01-01", "2021-01-01", "2009-01-01", ""]),
    st.sampled_from(["9990000018", "9990000026", "1", "", "", ""]),
)
ROW = st.tuples(*CELLS).map(",".join)
ROWS = st.lists(ROW, min_size=1, max_size=7)
CHANGES = st.lists(st.tuples(st.sampled_from(["drop", "again", "new", "first"]), st.integers(0, 9), ROW), max_size=4)


def changed(rows: list[str], changes: list[tuple[str, int, str]]) -> list[str]:
    """The rows after some are left out, repeated, replaced or brought to the front."""
    rows = list(rows)
    for how, place, row in changes:
        i = place % len(rows) if rows else 0
        if how == "drop":
            rows[i : i + 1] = []
        elif how == "again":
            rows += rows[i : i + 1]
        elif how == "first":
            rows = [*rows[i : i + 1], *rows[:i], *rows[i + 1 :]]
        else:
            rows[i : i + 1] = [row]
    return rows


def kept(house: House, delivery: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything that a load left behind."""
    folder = f"feed/one/{delivery}"
    return {
        name: house.store.get(Zone.VAULT, folder, name).collect().rows()
        for name in house.store.names(Zone.VAULT, folder)
    }


def loads(contracts: list[Contract], sent: list[list[str]], alone: bool) -> list[dict[str, list[tuple[object, ...]]]]:
    """What comes of deliveries one after another; `alone`, of each without what was made of those before."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if alone:
            patch.setattr(intake, "terms_of", lambda *_: None)
        house = House(Path(folder) / "home", KeyRing(b"k" * 32))
        days = [f"2026-11-{20 + i}" for i in range(len(sent))]
        for contract, day, rows in zip(contracts, days, sent, strict=True):
            house.load(contract, f"in/a_{day}.csv", HEADER + "".join(row + "\n" for row in rows))
        return [kept(house, day) for day in days]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, changes=st.tuples(CHANGES, CHANGES))
@example(["a,1,Ann Bo,,M,b,2020-01-01,1", "a,2,Cy,,F,b,2020-01-01,"], ([("first", 1, "")], [("again", 0, "")]))
@example(["a,1,Ann Bo,,M,b,2020-01-01,1", "b,,Cy,,Q,b,2020-01-01,"], ([("new", 1, "b,1,Cy,,F,a,,")], []))
def test_a_delivery_after_another_comes_to_what_it_comes_to_alone(
    make: Make, rows: list[str], changes: tuple[list[tuple[str, int, str]], ...]
) -> None:
    contract = make(SCHEMA)
    sent = [rows]
    for change in changes:
        sent.append(changed(sent[-1], change))
    assert loads([contract] * 3, sent, alone=False) == loads([contract] * 3, sent, alone=True)


def test_rows_accepted_under_another_contract_are_judged_anew(make: Make) -> None:
    before, after = make(SCHEMA), make(SCHEMA.replace("{value: M}, ", ""))
    rows = ["a,1,Ann Bo,,M,b,2020-01-01,1", "b,2,Cy,,F,b,2020-01-01,"]
    first, second = loads([before, after], [rows, rows], alone=False)
    assert len(first["quarantine__person"]) == 0
    assert len(second["quarantine__person"]) == 1


def test_a_row_is_found_once_for_each_time_that_it_stood_before() -> None:
    before, now = (pl.DataFrame({"a": list(text), "b": [None] * len(text)}) for text in ("xyx", "yxxxz"))
    assert places(now, before, ["a", "b"]).rename(BEFORE).to_list() == [1, 0, 2, None, None]
