"""A contract drafted from a sample is one that loads, and names nobody."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.contracts import Contract
from feeds.dialect import load_contract
from feeds.workshop.drafting import draft
from feeds.workshop.sketches import Sample, sketch
from warehouse.site import SiteError

NAMES = ["Quillfeather", "Oxenbould", "Tattersquash", "Venables-Ng", "Mbele", "Prout"]
ROWS = [
    {
        "Permit No": f"PK{n:05}",
        "Holder ID": str(4000 + n // 2),
        "Surname": NAMES[n % 6],
        "Date of Birth": f"{1 + n % 28:02}/{1 + n % 12:02}/{1950 + n % 40}",
        "Post Code": f"QX{1 + n % 9} {n % 10}AB",
        "Zone": "ABC"[n % 3],
        "Valid From": f"2026-0{1 + n % 9}-01",
        "Valid To": f"2027-0{1 + n % 9}-{10 + n % 7}",
        "Fee": f"{10 + n}.50",
    }
    for n in range(60)
]


def csv(delimiter: str = ",") -> str:
    lines = [delimiter.join(ROWS[0]), *(delimiter.join(row.values()) for row in ROWS)]
    return "\n".join(lines) + "\n"


def drafted(tmp_path: Path, name: str, content: str | bytes) -> tuple[str, Contract]:
    sample = tmp_path / name
    sample.write_bytes(content.encode() if isinstance(content, str) else content)
    text = draft(sample, "permits", "parking")
    file = tmp_path / "permits.odcs.yaml"
    file.write_text(text, encoding="utf-8")
    return text, load_contract(file, strict=True)


def test_a_draft_has_types_keys_codes_and_the_person_but_no_name(tmp_path: Path) -> None:
    text, contract = drafted(tmp_path, "permits_2026-11-20.csv", csv())
    table = contract.tables[0]
    by_name = {c.name: c for c in table.columns}
    assert contract.globs == ("parking/permits_*.csv",)
    assert table.key == ("permit_no",)
    assert (by_name["date_of_birth"].type, by_name["date_of_birth"].format) == ("date", "dd/MM/yyyy")
    assert (by_name["valid_from"].type, by_name["valid_from"].format) == ("date", None)
    assert by_name["fee"].type == "number"
    assert by_name["zone"].values == ("A", "B", "C")
    person = table.person[0]
    assert person.key == ("holder_id",)
    assert person.surname and person.surname.column == "surname"
    assert person.birth_date and person.birth_date.column == "date_of_birth"
    assert person.address and person.address.postcode == "post_code"
    assert "valid_to is on or after valid_from" in [rule.name for rule in table.rules]
    assert not any(name in text for name in NAMES)
    assert {c.name for c in table.columns if c.classification == "identity"} >= {"surname", "holder_id", "post_code"}


@pytest.mark.parametrize("delimiter", ["|", ";", "\t"])
def test_another_delimiter_is_found_and_said(tmp_path: Path, delimiter: str) -> None:
    _, contract = drafted(tmp_path, "p.txt", csv(delimiter))
    assert contract.delimiter == delimiter
    assert len(contract.tables[0].columns) == 9


def test_windows_1252_and_a_title_above_the_header_are_said(tmp_path: Path) -> None:
    text = "Permits of Harrowmere,,,,,,,,\n,,,,,,,,\n" + csv().replace("Prout", "Proût")
    _, contract = drafted(tmp_path, "p.csv", text.encode("windows-1252"))
    assert contract.encoding == "windows-1252"
    assert contract.tables[0].header_row == 3


def test_compressed_samples_are_looked_into(tmp_path: Path) -> None:
    _, contract = drafted(tmp_path, "permits.csv.gz", gzip.compress(csv().encode()))
    assert contract.format == "csv"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("permits_2026-11-20.csv", csv())
        archive.writestr("visits_2026-11-20.csv", "visit_id,on\n1,2026-01-01\n2,2026-01-02\n3,2026-01-03\n")
    _, contract = drafted(tmp_path, "all_2026-11-20.zip", packed.getvalue())
    assert [t.name for t in contract.tables] == ["permits", "visits"]
    assert [t.file for t in contract.tables] == ["permits_*.csv", "visits_*.csv"]


def test_a_workbook_has_a_table_a_sheet_and_its_header_is_found(tmp_path: Path) -> None:
    data = io.BytesIO()
    with xlsxwriter.Workbook(data, {"in_memory": True}) as book:
        for sheet in ("Permits", "Refunds"):
            page = book.add_worksheet(sheet)
            page.write(0, 0, "A title")
            for r, row in enumerate([list(ROWS[0]), *([*row.values()] for row in ROWS)], 2):
                page.write_row(r, 0, row)
    _, contract = drafted(tmp_path, "p.xlsx", data.getvalue())
    assert [(t.name, t.sheet, t.header_row) for t in contract.tables] == [
        ("permits", "Permits", 3),
        ("refunds", "Refunds", 3),
    ]


def test_fixed_width_columns_are_found_where_all_lines_have_a_blank(tmp_path: Path) -> None:
    lines = [f"{r['Permit No']} {r['Surname']:<14} {r['Valid From']} {r['Zone']}" for r in ROWS]
    sample = sketch_of(tmp_path, "p.dat", "\n".join(lines))
    assert list(sample.tables[0].positions.values()) == [(1, 8), (9, 23), (24, 34), (35, 35)]


def sketch_of(tmp_path: Path, name: str, content: str) -> Sample:
    (tmp_path / name).write_text(content, encoding="utf-8")
    return sketch(tmp_path / name)


def test_nested_records_are_tables_whose_paths_are_found(tmp_path: Path) -> None:
    people = "".join(f"<Person><Surname>{n}</Surname></Person>" for n in NAMES[:2])
    visits = "".join(f"<Visit ref='V{n}'><On>2026-01-0{n}</On><People>{people}</People></Visit>" for n in range(1, 9))
    text, contract = drafted(tmp_path, "fire.xml", f"<Export><Header><Made>x</Made></Header>{visits}</Export>")
    assert [(t.name, t.path, t.parent) for t in contract.tables] == [
        ("visit", "Export/Visit", None),
        ("person", "Export/Visit/People/Person", "visit"),
    ]
    assert [c.physical for c in contract.tables[0].columns] == ["@ref", "On"]
    messages = "\n".join(json.dumps({"case": n, "detail": {"on": "2026-01-01"}, "flags": ["a", "b"]}) for n in range(9))
    _, contract = drafted(tmp_path, "m.jsonl", messages)
    assert contract.format == "jsonl"
    assert [(t.name, t.path) for t in contract.tables] == [("message", ""), ("flags", "flags")]
    assert not any(name in text for name in NAMES)


def test_parquet_is_drafted_from_its_columns(tmp_path: Path) -> None:
    data = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(data)
    _, contract = drafted(tmp_path, "p.parquet", data.getvalue())
    assert contract.format == "parquet"
    assert len(contract.tables[0].columns) == 9


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b" \n"),
        ("cut.xml", b"<a><b>"),
        ("not.json", b"{nonsense"),
        ("locked.zip", b"PK\x03\x04rubbish"),
        ("secret.csv.pgp", b"-----BEGIN PGP MESSAGE-----\n"),
    ],
)
def test_a_sample_that_cannot_be_read_is_refused_with_its_name_and_a_remedy(
    tmp_path: Path, name: str, content: bytes
) -> None:
    with pytest.raises(SiteError) as caught:
        drafted(tmp_path, name, content)
    assert str(caught.value).startswith(name)
    assert str(caught.value).rstrip().endswith(".")


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), max_size=12),
            min_size=2,
            max_size=5,
        ),
        min_size=2,
        max_size=8,
    )
)
def test_whatever_the_cells_a_draft_loads_or_the_sample_is_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("draft")
    try:
        drafted(folder, "a.csv", "\n".join(",".join(row) for row in rows))
    except SiteError as error:
        assert "permits.odcs" not in str(error)


@pytest.mark.parametrize(
    "rows",
    [
        [f"Quillfeather{n % 5},Ann,{1950 + n % 40}-01-0{1 + n % 9},0000424242,ZQ9 {n % 10}ZQ" for n in range(60)],
        [f"Quillfeather{n % 5},Ann {n % 3},Town" for n in range(60)],
    ],
)
def test_the_first_row_of_a_sample_without_a_header_names_no_column(tmp_path: Path, rows: list[str]) -> None:
    text, contract = drafted(tmp_path, "permits.csv", "\n".join(rows))
    assert contract.tables[0].header_row == 0
    assert contract.tables[0].columns[0].name == "column_1"
    assert not any(value in text for value in ("Quillfeather", "Ann", "0000424242", "ZQ9"))


@pytest.mark.parametrize("header", ["tenant", "allocated_to", "keyworker", "school contact", "SURN", "Notes", "who"])
def test_no_list_of_codes_is_made_of_what_people_are_called_or_have_written(tmp_path: Path, header: str) -> None:
    lines = [f"{n},Sam Quillfeather {n % 4},{'AB'[n % 2]}" for n in range(80)]
    text, contract = drafted(tmp_path, "permits.csv", "\n".join([f"ref,{header},zone", *lines]))
    assert "Quillfeather" not in text
    assert contract.tables[0].columns[2].values == ("A", "B")


def test_no_list_of_codes_holds_what_hardly_anybody_shares_or_a_number_of_somebody(tmp_path: Path) -> None:
    lines = [f"{n},{'Quillfeather' if n == 7 else 'Leased'},{'07700900123' if n % 2 else 'none'}" for n in range(80)]
    text, _ = drafted(tmp_path, "permits.csv", "\n".join(["ref,tenure,via", *lines]))
    assert "Quillfeather" not in text
    assert "07700900123" not in text


def test_what_cannot_be_drafted_from_is_told_without_its_values(tmp_path: Path) -> None:
    nested = io.BytesIO()
    pl.DataFrame({"a": [["Quillfeather"]]}).write_parquet(nested)
    for content in (nested.getvalue(), b"PAR1 Quillfeather PAR1", b"\x1f\x8b Quillfeather"):
        with pytest.raises(SiteError) as told:
            drafted(tmp_path, "permits.bin", content)
        assert "Ask for another sample" in str(told.value)
        assert "Quillfeather" not in str(told.value)
        assert told.value.__suppress_context__


def test_a_sample_whose_keys_are_numbers_of_people_is_refused_without_them(tmp_path: Path) -> None:
    keyed = json.dumps([{"people": {"0000424242": {"sex": "F"}}}])
    with pytest.raises(SiteError, match="looks like a number") as told:
        drafted(tmp_path, "permits.json", keyed)
    assert "0000424242" not in str(told.value)
