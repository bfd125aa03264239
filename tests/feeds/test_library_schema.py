"""The census samples against the schema of their year: each record that breaks it, by line, and what becomes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from feedhouse import House
from library_shelf import OWN, SHELF, broken

from feeds.contracts import Contract
from feeds.dialect import load_contract
from feeds.ledger import current

CODE = "a code that is not in the schema's list"


def with_schema(shared: Path, folder: Path, year: int, severity: str) -> Contract:
    """A council's contract beside which the department's schema lies."""
    schema = f"CIN_schema_{year}.xsd"
    (folder / schema).write_bytes((shared / "reference/cin_census_xsd" / schema).read_bytes())
    rest = f"  - {{property: xsd, value: {schema}}}\n  - {{property: xsdSeverity, value: {severity}}}\n"
    base = os.path.relpath(SHELF / f"cin-census-{year}.odcs.yaml", folder)
    path = folder / "census.odcs.yaml"
    path.write_text(OWN.format(id="census", base=base, rest=rest), encoding="utf-8")
    return load_contract(path, strict=True)


def test_a_record_that_breaks_the_schema_is_set_aside_with_its_line_and_what_stands_in_it_too(
    shared: Path, house: House, tmp_path: Path
) -> None:
    contract = with_schema(shared, tmp_path, 2022, "quarantine")
    sample = (shared / "samples/cin_census/BAR_cin_2022.xml").read_bytes()
    load = house.load(contract, "childrens/cin_2026-11-20.xml", sample)
    assert (load.status, load.received, load.accepted, load.quarantined) == ("accepted", 9, 1, 8)
    valid = "the record is valid against CIN_schema_2022.xsd"
    assert {k: n for k, n in broken(load, "quarantine").items() if valid in k} == {
        f"need: {valid}": 1, f"section_47: {valid}": 1
    }  # fmt: skip
    need = current(house.store, contract.id, "quarantine__need")
    assert need.select("_where").row(0) == (f"line 62, ReferralNFA: {CODE}",)
    enquiry = current(house.store, contract.id, "quarantine__section_47")
    assert enquiry.select("_where").row(0) == (f"line 60, ICPCnotRequired: {CODE}",)


@pytest.mark.parametrize("year", [2024, 2026])
def test_a_schema_that_warns_says_how_many_records_break_it_and_loses_none_for_it(
    shared: Path, house: House, tmp_path: Path, year: int
) -> None:
    contract = with_schema(shared, tmp_path, year, "warn")
    sample = (shared / f"samples/cin_census/CIN_Census_{year}.xml").read_bytes()
    load = house.load(contract, "childrens/cin_2026-11-20.xml", sample)
    assert (load.status, load.quarantined) == ("accepted", 4)  # as without a schema: an assessment and its factors
    valid = f"the record is valid against CIN_schema_{year}.xsd"
    told = {k.partition(":")[0]: n for k, n in broken(load, "warn").items() if valid in k}
    both = {"assessment": 1, "assessment_factor": 1, "need": 1, "section_47": 1}
    assert told == {**both, **({"child": 2} if year == 2024 else {"child": 1, "pre_proceedings": 1})}
