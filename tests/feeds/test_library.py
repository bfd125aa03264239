"""The library of contracts says what the published layouts say, and no more than it needs."""

from __future__ import annotations

import csv
import json
import os
import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from library_shelf import SHELF, taken

from feeds.contracts import Contract, Event
from feeds.dialect import load_contract
from models.vocabulary import WORDS

BASES = (
    "annex-a", "cin-census-2026", "dfe-csc-api", "imd-2019", "imd-2025", "lsoa-2011-to-2021", "onspd", "school-census",
    "ssd", "ssd-voice", "ssda903", "wimd-2019",
)  # fmt: skip
VARIANTS = ("cin-census-2022", "cin-census-2024", "school-census-autumn", "school-census-dated")


@pytest.fixture(scope="module")
def shelf() -> dict[str, Contract]:
    return {name: taken(name) for name in (*BASES, *VARIANTS)}


def test_every_contract_says_what_it_is_for_what_it_cannot_say_whose_it_is_and_when_it_comes(
    shelf: dict[str, Contract],
) -> None:
    for name, contract in shelf.items():
        assert contract.id == name
        assert contract.purpose and contract.limitations and contract.owner and contract.partner
        assert contract.interval.days
        assert contract.volume_band or contract.delivery == "messages" or name == "ssd-voice"  # few, and of no size


def test_every_rule_is_a_sentence_with_an_owner_and_no_two_of_a_table_are_alike(shelf: dict[str, Contract]) -> None:
    for contract in shelf.values():
        for table in contract.tables:
            sentences = [rule.name for rule in table.rules]
            assert len(set(sentences)) == len(sentences)
            assert all(rule.owner and " " in rule.name and not rule.name.endswith(".") for rule in table.rules)


def test_every_event_of_the_library_has_words(shelf: dict[str, Contract]) -> None:
    entries = [y for contract in shelf.values() for table in contract.tables for y in table.yields]
    kinds = {entry.event for entry in entries if isinstance(entry, Event)}
    assert len(kinds) > 25
    assert kinds - set(WORDS) == set()


def test_a_variant_is_a_difference_and_not_a_copy() -> None:
    for name in VARIANTS:
        text = (SHELF / f"{name}.odcs.yaml").read_text(encoding="utf-8")
        assert "property: extends" in text
        assert len(text.splitlines()) < 45


def test_the_example_of_the_library_s_page_is_a_contract(tmp_path: Path) -> None:
    page = (SHELF.parent / "README.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "ssda903.odcs.yaml"
    path.write_text(example.replace("../../library/feeds", os.path.relpath(SHELF, tmp_path)), encoding="utf-8")
    contract = load_contract(path, strict=True)
    assert [t.name for t in contract.tables] == ["header", "episodes", "reviews", "missing"]
    assert contract.owner == "Performance and insight" and contract.lag == 7
    assert all(glob.startswith("ours/903_") for glob in contract.globs)


def test_the_page_names_every_contract_on_the_shelf() -> None:
    page = (SHELF.parent / "README.md").read_text(encoding="utf-8")
    short = {"cin-census-2024": "`-2024`", "cin-census-2022": "`-2022`", "school-census-autumn": "`-autumn`",
             "school-census-dated": "`-dated`"}  # fmt: skip
    names = [path.name.removesuffix(".odcs.yaml") for path in SHELF.glob("*.odcs.yaml")]
    assert [name for name in names if short.get(name, f"`{name}`") not in page] == []


def test_the_census_of_a_year_has_the_elements_of_that_year(shelf: dict[str, Contract]) -> None:
    columns = {name: {c.name for c in shelf[name].table("child").columns} for name in shelf if "cin" in name}
    assert "gender" not in columns["cin-census-2026"] and "sex" in columns["cin-census-2026"]
    assert {"gender", "sex"} <= columns["cin-census-2024"]
    assert "gender" in columns["cin-census-2022"] and "sex" not in columns["cin-census-2022"]
    tables = {name: {t.name for t in shelf[name].tables} for name in columns}
    assert tables["cin-census-2026"] - tables["cin-census-2024"] == {"pre_proceedings"}
    assert tables["cin-census-2024"] == tables["cin-census-2022"]


def test_each_code_of_a_list_is_in_force_once_at_a_time() -> None:
    lists = [path for kind in ("903-*", "cin-*", "ethnicity") for path in sorted((SHELF / "codes").glob(f"{kind}.csv"))]
    assert len(lists) == 10
    for path in lists:
        spells: dict[str, list[tuple[date, date]]] = {}
        for row in csv.DictReader(path.open(encoding="utf-8")):
            assert row["code"] and row["label"], path.name
            since, until = (
                date.fromisoformat(row["from"] or "0001-01-01"),
                date.fromisoformat(row["to"] or "9999-12-31"),
            )
            assert since < until
            spells.setdefault(row["code"], []).append((since, until))
        assert all(len(several) == 1 for several in spells.values()), path.name


# -- as published -----------------------------------------------------------------------------------------------------


def _xsd(path: Path) -> tuple[dict[str, set[str]], set[str]]:
    """The values of each enumeration of a schema, and the names of its elements."""
    ns = {"xs": "http://www.w3.org/2001/XMLSchema"}
    root = ElementTree.parse(path).getroot()
    values = {
        str(kind.get("name")): {str(v.get("value")) for v in kind.iterfind(".//xs:enumeration", ns)}
        for kind in root.iterfind("xs:simpleType", ns)
    }
    return values, {str(e.get("name")) for e in root.iterfind(".//xs:element", ns)}


@pytest.mark.parametrize("year", [2022, 2024, 2026])
def test_the_census_contract_speaks_of_the_elements_and_codes_of_its_schema(shared: Path, year: int) -> None:
    contract = taken(f"cin-census-{year}")
    values, elements = _xsd(shared / f"reference/cin_census_xsd/CIN_schema_{year}.xsd")
    later = {"pre_proceedings"}  # newer than the schemas that are at hand
    used = {
        step
        for table in contract.tables
        if table.name not in later
        for path in (table.path, *(c.physical for c in table.columns))
        for step in path.split("/")
    }
    header = {"Header", "CollectionDetails", "Collection", "Year", "ReferenceDate", "Source", "SourceLevel", "LEA",
              "SoftwareCode", "Release", "SerialNo", "DateTime"}  # fmt: skip
    assert elements - used - header == set()
    assert used - elements - {".", ""} <= ({"Sex"} if year == 2024 else set())
    child = {c.name: set(c.values) for c in contract.table("child").columns}
    assert child["upn_unknown"] == values["unknownupntype"]
    assert child["sex" if year == 2026 else "gender"] == values["sextype" if year == 2026 else "gendertype"]
    assert (
        set(next(c.values for c in contract.table("need").columns if c.name == "primary_need"))
        == (values["primaryneedcodetype"])
    )
    lists = {"referralsourcetype": "cin-referral-source", "reasonforclosuretype": "cin-closure-reason",
             "assessmentfactorstype": "cin-assessment-factor", "ethnicitytype": "ethnicity"}  # fmt: skip
    day = f"{year - 1}-04-01"
    for kind, name in lists.items():
        rows = csv.DictReader((SHELF / f"codes/{name}.csv").open(encoding="utf-8"))
        assert {r["code"] for r in rows if r["from"] <= day} == values[kind], kind


def test_the_looked_after_return_knows_every_code_of_2017(shared: Path) -> None:
    contract = taken("ssda903")
    known: dict[tuple[str, str], set[str]] = {}
    for table in contract.tables:
        for column in table.columns:
            codes = set(column.values)
            if column.code_list:
                codes |= {r["code"] for r in csv.DictReader(column.code_list.file.open(encoding="utf-8"))}
            known[table.name, column.name] = codes
    wanted = csv.DictReader((shared / "reference/codes/ssda903_codes_2017base.csv").open(encoding="utf-8"))
    unknown = {(r["table"], r["column"], r["code"]) for r in wanted if r["code"] not in known[r["table"], r["column"]]}
    assert unknown == set()


def test_the_safeguarding_dataset_has_the_fields_of_its_specification(shared: Path) -> None:
    fields: dict[str, set[str]] = {}
    for row in csv.DictReader((shared / "reference/ssd/ssd_fields.csv").open(encoding="utf-8")):
        fields.setdefault(row["table"], set()).add(row["field"])
    for table in taken("ssd").tables:
        assert {c.name for c in table.columns} == fields[table.name]


def test_the_inspection_workbook_has_the_columns_of_the_eleven_lists(shared: Path) -> None:
    lists = json.loads((shared / "reference/annex_a/annex_a_columns.json").read_text(encoding="utf-8"))
    tables = taken("annex-a").tables
    assert [{c.physical for c in t.columns} for t in tables] == [set(columns) for columns in lists.values()]


def test_the_messages_have_the_parts_of_their_structure(shared: Path) -> None:
    text = (shared / "reference/dfe_csc_api/structure_v0.7.jsonc").read_text(encoding="utf-8")
    whole = json.loads(text.replace("Integer e.g. 20", "20"))

    def leaves(value: object, path: str) -> set[str]:
        if isinstance(value, dict):
            return {leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}/{key}".lstrip("/"))}
        return leaves(value[0], path) if isinstance(value, list) else {path}

    ours = {f"{t.path}/{c.physical}".removesuffix("/.") for t in taken("dfe-csc-api").tables for c in t.columns}
    assert ours <= leaves(whole, "")
    unread = {"la_code", "Children/child_details/purge", "Children/health_and_wellbeing/purge"}
    assert {leaf for leaf in leaves(whole, "") - ours if not re.search("_id$", leaf)} == unread
