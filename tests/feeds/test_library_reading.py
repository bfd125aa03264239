"""Layouts of the library whose reading needs more than a header in the first row: titles above it, and other names."""

from __future__ import annotations

import io
from pathlib import Path

import xlsxwriter
from feedhouse import House
from library_shelf import broken, extended, taken

from feeds.ledger import current

# -- the inspection workbook ------------------------------------------------------------------------------------------


def workbook(rows: dict[int, list[dict[str, str]]]) -> bytes:
    """Annex A with a title above each header, and the rows that are given by list."""
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content)
    for number, table in enumerate(taken("annex-a").tables, 1):
        sheet = book.add_worksheet(f"List {number}")
        sheet.write(0, 0, f"List {number} of eleven")
        headers = [c.physical for c in table.columns]
        sheet.write_row(2, 0, headers)
        for at, row in enumerate(rows.get(number, ()), 3):
            assert set(row) <= set(headers)
            sheet.write_row(at, 0, [row.get(h, "") for h in headers])
    book.close()
    return content.getvalue()


def test_the_inspection_workbook_is_read_below_its_titles_and_told_in_the_words_of_the_returns(house: House) -> None:
    child = {"Child Unique ID": "C1", "Gender": "b) Female", "Ethnicity": "a) White", "Date of Birth": "2012-03-04"}
    start, end = "Child Protection Plan Start Date", "Child Protection Plan End Date"
    plan = {**child, "Latest Category of Abuse": "a) Neglect", start: "2026-09-01"}
    rows = {
        1: [{**child, "Date of Contact": "2026-10-01", "Contact Source": "g) Police"},
            {**child, "Child Unique ID": "C2", "Date of Contact": "", "Contact Source": "g) Police"}],
        6: [{**child, "CIN Start Date": "2026-08-01", "Primary Need Code": "a) Abuse or neglect", "Gender": "female"}],
        7: [{**plan}, {**plan, end: "2026-08-01"}],
        8: [{**child, "Date Started to be Looked After": "2026-10-05", "Child's Legal Status": "b) Full care orders",
             "Placement postcode": "LS1 4AP", "Start Date of Most Recent Placement": "2026-10-05"}],
    }  # fmt: skip
    contract = taken("annex-a")
    load = house.load(contract, "childrens/annex_a_2026-11-20.xlsx", workbook(rows))
    assert (load.status, load.received, load.accepted, load.quarantined) == ("accepted", 6, 4, 2)
    assert broken(load, "quarantine") == {
        "contact: contact_date is given": 1, "protection_plan: a plan ends on or after it starts": 1
    }  # fmt: skip
    assert list(broken(load, "warn").values()) == [1]  # a sex in other words than the workbook's
    events = current(house.store, contract.id, "event").sort("type")
    assert events.select("type", "code").rows() == [
        ("child_in_need", "N1"), ("child_protection_plan", "NEG"), ("contact", "g) Police"), ("looked_after", "C2"),
        ("placement", None),
    ]  # fmt: skip
    people = current(house.store, contract.id, "source_record")
    assert people.select("source_key", "sex", "postcode").rows() == [("C1", "F", "LS1 4AP")]


# -- the postcode directory -------------------------------------------------------------------------------------------


def test_a_trimmed_postcode_directory_loads_by_a_contract_that_leaves_columns_out(
    shared: Path, house: House, tmp_path: Path
) -> None:
    rest = """\
  - {property: without, value: [postcode.doterm, postcode.lsoa21, postcode.nearly every postcode has its area]}
schema:
  - name: postcode
    customProperties:
      - {property: reference, value: {place: {lsoa21: null}}}
"""
    contract = extended(tmp_path, "onspd", rest)
    path = shared / "reference/postcodes/postcode_lsoa11_subset.csv"
    load = house.load(contract, "reference/onspd_2025-11-01.csv", path.read_bytes())
    assert (load.status, load.accepted, load.quarantined) == ("accepted", 39_994, 0)
    places = current(house.store, contract.id, "place")
    # two spaces within are no fault; a postcode of old Newport, NPT, has no form of today
    assert broken(load, "warn") == {"postcode: pcds holds a value that its transforms (postcode) understand": 1}
    assert places.height == 39_993
    assert places.filter(postcode="L1 0AA").select("lsoa11", "lsoa21").row(0) == ("E01006515", None)
