"""Rules that look beside the row: at other tables, at the delivery before, at files of codes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from feedhouse import House, Make

from feeds.contracts import CodeList, Rule, Table
from feeds.ledger import current
from feeds.rules import Beside, RuleError, judge

FAMILY = """\
  - name: visit
    file: "in/visit*"
    properties:
      - {name: id, logicalType: string, primaryKey: true}
      - {name: child, logicalType: string}
    quality:
      - name: the child of a visit is among the children
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_exist_in, column: child, table: child, to: ref}
        severity: quarantine
    customProperties: [{property: file, value: "in/visit*"}]
  - name: child
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: surname, logicalType: string, required: true}
      - {name: dob, logicalType: date}
    quality:
      - name: a date of birth is what it was last time
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_be_as_before, column: dob}
        severity: quarantine
        customProperties: [{property: owner, value: the children's team}]
    customProperties:
      - {property: file, value: "in/child*"}
      - {property: person, value: {key: ref, surname: surname, birth_date: dob}}
""".replace('    file: "in/visit*"\n    properties', "    properties")


def send(house: House, make: Make, day: str, visits: str, children: str) -> dict[str, list[str]]:
    house.put(f"in/visit_{day}.csv", "id,child\n" + visits)
    house.put(f"in/child_{day}.csv", "ref,surname,dob\n" + children)
    load = house.load_all(make(FAMILY))[-1]
    assert load.status == "accepted", load.reason
    found = {}
    for name in ("visit", "child"):
        aside = current(house.store, "one", f"quarantine__{name}", load.delivery)
        found |= dict(
            zip(
                aside.to_series(aside.columns.index("id" if name == "visit" else "ref")),
                aside["failed_rules"].to_list(),
                strict=True,
            )
        )
    return found


def test_a_child_without_its_parent_is_set_aside_with_the_sentence_and_so_is_one_whose_parent_was(
    make: Make, house: House
) -> None:
    aside = send(house, make, "2026-11-20", "v1,a\nv2,b\nv3,zz\nv4,\n", "a,Ash,2010-01-01\nb,,2010-01-01\n")
    orphan = ["the child of a visit is among the children"]
    assert aside == {"v2": orphan, "v3": orphan, "b": ["surname is given"]}


def test_a_value_that_changed_since_the_delivery_before_is_set_aside_and_what_is_new_or_left_out_is_not(
    make: Make, house: House
) -> None:
    before = "a,Ash,2010-01-01\nb,Oak,2010-01-01\nc,Elm,\nd,Fir,2010-01-01\n"
    assert send(house, make, "2026-11-20", "v1,a\n", before) == {}
    now = "a,Ash,2010-01-02\nb,Oak,\nc,Elm,2011-01-01\nd,Fir,2010-01-01\ne,Yew,2012-01-01\n"
    assert send(house, make, "2026-11-27", "v1,b\n", now) == {"a": ["a date of birth is what it was last time"]}


def test_a_rule_has_an_owner(make: Make) -> None:
    assert make(FAMILY).table("child").rules[-1].owner == "the children's team"


def listed(tmp_path: Path, codes: str, cells: list[tuple[str | None, str | None]], at: str | None = "day") -> list[int]:
    """Positions of the rows whose code is not in force."""
    file = tmp_path / "codes.csv"
    file.write_text(codes, encoding="utf-8")
    of = CodeList.model_validate(
        {"file": file, "digest": codes, "code": "code", "from": "since", "to": "until", "at": at}
    )
    table = Table.model_validate(
        {
            "name": "t",
            "columns": [{"name": "code", "physical": "code"}, {"name": "day", "physical": "day", "type": "date"}],
            "rules": [Rule(name="listed", kind="listed_in", expect="", columns=("code",), code_list=of)],
        }
    )
    contract = CONTRACT.model_copy(update={"tables": (table,)})
    rows = pl.DataFrame(cells, schema={"code": pl.String, "day": pl.String}, orient="row")
    rows = rows.with_columns(pl.lit(None, pl.String).alias("_fault"))
    return judge(contract, table, rows).failed["index"].sort().to_list()


CODES = "code,since,until\nA,2010-01-01,2014-12-31\nA,2020-01-01,\nB,,2015-06-30\nC,,\n"


@pytest.fixture(autouse=True)
def _contract(make: Make) -> None:
    global CONTRACT
    CONTRACT = make().model_copy(update={"format": "xlsx"})


def test_a_code_counts_on_the_days_on_which_the_list_has_it_in_force(tmp_path: Path) -> None:
    cells: list[tuple[str | None, str | None]] = [
        ("A", "2010-01-01"), ("A", "2014-12-31"), ("A", "2015-01-01"), ("A", "2026-01-01"), ("B", "1990-01-01"),
        ("B", "2015-07-01"), ("C", "2026-01-01"), ("Z", "2026-01-01"), (None, "2026-01-01"), ("B", None), ("Z", None),
    ]  # fmt: skip
    assert listed(tmp_path, CODES, cells) == [2, 5, 7, 10]
    assert listed(tmp_path, CODES, cells, at=None) == [7, 10]


def test_a_code_list_that_is_not_as_the_contract_says_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"code list codes\.csv cannot be read"):
        listed(tmp_path, "kode\nA\n", [("A", "2026-01-01")])


def test_what_is_looked_up_passes_where_a_row_names_nobody_and_where_nothing_stood_before(make: Make) -> None:
    contract = make(FAMILY)
    rows = pl.DataFrame({"id": ["1", "2"], "child": [None, "x"], "_fault": [None, None]})
    rows = rows.with_columns(pl.col("_fault").cast(pl.String))
    none = pl.DataFrame(schema={"_file": pl.String, "_row": pl.Int64, "ref": pl.String})
    verdict = judge(contract, contract.table("visit"), rows, beside=Beside(date(2026, 11, 20), {"child": none}))
    assert verdict.failed["index"].to_list() == [1]
