"""Great Expectations is imported once for all of these: four seconds."""

from __future__ import annotations

import io

import polars as pl
import pytest
from feedhouse import HEADER, PEOPLE, House, Make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.contracts import Contract
from feeds.readers import read
from feeds.rules import RuleError, Verdict, judge

RULES = """\
    quality:
      - name: born before it began
        type: custom
        engine: greatExpectations
        implementation: {expect: column_pair_values_a_to_be_greater_than_b, column_A: since, column_B: dob}
        severity: quarantine
      - name: most have a forename
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_not_be_null, column: forename, mostly: 0.5}
        severity: reject
      - name: a surname has two letters
        type: custom
        engine: greatExpectations
        implementation: {expect: column_value_lengths_to_be_between, column: surname, min_value: 2}
        severity: warn
    customProperties:
"""


@pytest.fixture
def contract(make: Make) -> Contract:
    return make(PEOPLE.replace("    customProperties:\n", RULES, 1))


def verdict(contract: Contract, body: str) -> Verdict:
    rows = read(contract, ["in/a"], lambda _: io.BytesIO((HEADER + body).encode()))["person"]
    return judge(contract, contract.tables[0], rows)


def broken(contract: Contract, body: str) -> dict[int, list[str]]:
    failed = verdict(contract, body).failed.group_by("index").agg(pl.col("rule").sort()).sort("index")
    return dict(failed.rows())


def test_a_row_with_a_bad_date_is_quarantined_with_its_rule(contract: Contract) -> None:
    rows = "1,Ann,Bo,31/02/2010,F,2026-01-01\n2,Ann,Bo,01/02/2010,F,2026-01-01\n3,Ann,Bo,2010-02-01,F,2026-01-01\n"
    sentence = ["dob is a date written dd/MM/yyyy"]
    assert broken(contract, rows) == {0: sentence, 2: sentence}


def test_a_row_names_every_rule_that_it_broke(contract: Contract) -> None:
    assert broken(contract, "1,Ann,,,X,\n2,Ann,Bo,,,2026-01-01\n") == {
        0: ["sex is one of M, F", "since is given", "surname is given"]
    }


def test_of_rows_with_one_key_all_but_the_first_are_quarantined(contract: Contract) -> None:
    rows = "".join(f"{ref},Ann,Bo,,,2026-01-01\n" for ref in "12112")
    assert broken(contract, rows) == {i: ["ref is given once"] for i in (2, 3, 4)}


def test_a_pair_rule_looks_at_rows_that_have_both(contract: Contract) -> None:
    rows = "1,Ann,Bo,01/01/2020,,2019-01-01\n2,Ann,Bo,,,2019-01-01\n3,Ann,Bo,01/01/2018,,2019-01-01\n"
    assert broken(contract, rows) == {0: ["born before it began"]}


def test_a_row_with_more_cells_than_the_header_is_quarantined(contract: Contract) -> None:
    rows = "1,Ann,Bo,,,2026-01-01,surprise\n2,Ann,Bo,,,2026-01-01,,,\n"
    assert broken(contract, rows) == {0: ["the row has no more cells than its header"]}


def test_a_warning_is_counted_and_sets_no_row_aside(contract: Contract) -> None:
    told = verdict(contract, "1,Ann,B,,,2026-01-01\n2,Ann,Bo,,,2026-01-01\n")
    assert told.failed.is_empty() and told.refused == ()
    counts = dict(told.counts.select("rule", "rows").rows())
    assert counts["a surname has two letters"] == 1
    assert counts["ref is given once"] == 0


def test_a_reject_rule_refuses_the_whole_when_its_share_is_missed(contract: Contract) -> None:
    rows = "1,Ann,Bo,,,2026-01-01\n2,,Bo,,,2026-01-01\n"
    assert verdict(contract, rows).refused == ()
    assert verdict(contract, rows + "3,,Bo,,,2026-01-01\n").refused == ("most have a forename",)


def test_years_that_no_person_lives_in_do_not_parse_and_9999_does(contract: Contract) -> None:
    rows = "1,Ann,Bo,01/02/0010,,2026-01-01\n2,Ann,Bo,01/02/10,,2026-01-01\n3,Ann,Bo,,,9999-12-31\n"
    assert set(broken(contract, rows)) == {0, 1}


def test_numbers_truth_values_and_patterns_are_judged_as_written(make: Make) -> None:
    contract = make(
        """\
  - name: t
    properties:
      - {name: n, logicalType: integer, logicalTypeOptions: {minimum: 1, maximum: 9}}
      - {name: x, logicalType: number, enum: [{value: 1}, {value: "2.5"}]}
      - {name: b, logicalType: boolean}
      - {name: p, logicalType: string, logicalTypeOptions: {pattern: "[A-Z]{2}"}}
"""
    )
    rows = read(
        contract, ["in/a"], lambda _: io.BytesIO(b"n,x,b,p\n1,1,yes,AB\n1.0,nan,maybe,AB3\n10,1.0,,ab\n5,2.5,0,\n")
    )["t"]
    failed = judge(contract, contract.tables[0], rows).failed
    assert failed.group_by("index").len().sort("index").rows() == [(1, 5), (2, 3)]


def test_a_rule_that_cannot_be_run_is_told_by_contract_table_and_rule(make: Make) -> None:
    wrong = RULES.replace("min_value: 2}", "min_value: two}")
    contract = make(PEOPLE.replace("    customProperties:\n", wrong, 1))
    with pytest.raises(RuleError, match="contract one, table person, rule 'a surname has two letters'"):
        verdict(contract, "1,Ann,Bo,,,2026-01-01\n")


CELL = st.sampled_from(["", "1", "2", "M", "F", "X", "01/02/2010", "31/02/2010", "2026-01-01", "a b", '"q"', "é", "'"])
ROWS = st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_whatever_comes_every_row_is_accounted_for(make: Make, house: House, rows: list[list[str]]) -> None:
    contract = make(PEOPLE.replace("    customProperties:\n", RULES, 1))
    file = "in/a_2026-11-20.csv"
    body = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    load = house.load(contract, file, HEADER + body)
    filled = sum(any(cell for cell in row) for row in rows)
    assert load.received == load.accepted + load.quarantined + load.withdrawn
    assert load.received == filled
    if load.status == "rejected":
        assert load.accepted == 0 and load.reason
