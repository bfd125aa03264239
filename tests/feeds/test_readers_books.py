"""Workbooks as people fill them: headers anywhere, merged cells, errors, dates as numbers, spoilt identifiers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime

import polars as pl
import pytest
import xlsxwriter
from feedhouse import Make

from feeds.contracts import Contract
from feeds.readers import Rejected, faults, read

LETS = """\
  - name: let
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: began, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: rent, logicalType: number}
"""
DETECT = "{property: headerRow, value: detect}"
ERROR = "no cell holds a spreadsheet error such as #N/A"
CUT = "no identifier was cut short by a spreadsheet, such as 1.23E+09"
Sheet = xlsxwriter.worksheet.Worksheet


def workbook(*fills: Callable[[Sheet, xlsxwriter.Workbook], None], **options: bool) -> bytes:
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True, **options})
    for i, fill in enumerate(fills):
        fill(book.add_worksheet(f"Sheet {i + 1}"), book)
    book.close()
    return data.getvalue()


def plain(*rows: list[object], at: int = 0, left: int = 0) -> Callable[[Sheet, xlsxwriter.Workbook], None]:
    def fill(sheet: Sheet, book: xlsxwriter.Workbook) -> None:
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(at + i, left + j, cell, day)
                elif isinstance(cell, str) and cell.startswith("="):
                    formula, _, value = cell.partition("|")
                    sheet.write_formula(at + i, left + j, formula, None, value)
                elif isinstance(cell, str):
                    sheet.write_string(at + i, left + j, cell)
                elif cell is not None:
                    sheet.write(at + i, left + j, cell)

    return fill


HEADER: list[object] = ["ref", "began", "rent"]


def rows(contract: Contract, data: bytes, notes: dict[str, str] | None = None) -> pl.DataFrame:
    return next(iter(read(contract, ["in/a"], lambda _: io.BytesIO(data), notes).values()))


def refusal(contract: Contract, data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        rows(contract, data)
    return str(caught.value)


def test_the_header_is_found_on_whichever_sheet_and_row_it_stands(make: Make) -> None:
    notes: dict[str, str] = {}
    data = workbook(plain(["Read me"]), plain(HEADER, ["1", datetime(2020, 5, 4), 12.5], at=6, left=2))
    found = rows(make(LETS, "xlsx", server=DETECT), data, notes)
    assert found.select("_row", "ref", "began", "rent").rows() == [(8, "1", "04/05/2020", "12.5")]
    assert notes["in/a"] == "sheet 2, header in row 7"
    assert "should name the column" in refusal(make(LETS, "xlsx", server=DETECT), workbook(plain(["Read me"])))


def test_dates_come_as_the_contract_writes_them_also_from_bare_numbers(make: Make) -> None:
    cells: list[list[object]] = [["1", 43955, 1], ["2", "04/05/2020", 2], ["3", "2020-05-04", 3], ["4", 2020, 4]]
    data = workbook(plain(HEADER, *cells))
    assert rows(make(LETS, "xlsx"), data)["began"].to_list() == ["04/05/2020"] * 3 + ["2020"]
    early = workbook(plain(HEADER, ["1", 42493, 1]), date_1904=True)
    assert rows(make(LETS, "xlsx"), early)["began"].to_list() == ["04/05/2020"]


def test_error_cells_and_spoilt_identifiers_set_their_row_aside(make: Make) -> None:
    cells: list[list[object]] = [
        ["1", None, "=1+1|2"], ["2", None, "=NA()|#N/A"], ["3", None, "#REF!"], ["1.23E+09", None, 1],
        [1.23457e18, None, 1], ["1234567890123456", None, 1], [100012345678, None, 1], [7, None, 1.5],
    ]  # fmt: skip
    contract = make(LETS, "xlsx")
    found = rows(contract, workbook(plain(HEADER, *cells, at=0)))
    assert found["_fault"].to_list() == [None, ERROR, ERROR, CUT, CUT, CUT, None, None]
    assert found["_where"].to_list()[1:4] == ["column rent", "column rent", "column ref"]
    assert found["ref"].to_list()[-2:] == ["100012345678", "7"]
    assert found["rent"].to_list()[0] == "2"
    assert {ERROR, CUT} == {sentence for sentence, _ in faults(contract)}


def test_long_identifiers_that_are_text_are_whole(make: Make) -> None:
    found = rows(make(LETS, "xlsx"), workbook(plain(HEADER, ["12345678901234560", None, 1])))
    assert found.select("ref", "_fault").row(0) == ("12345678901234560", None)


def test_a_merged_key_stands_in_its_first_row_alone(make: Make) -> None:
    def fill(sheet: Sheet, _: xlsxwriter.Workbook) -> None:
        sheet.write_row(0, 0, HEADER)
        sheet.merge_range(1, 0, 2, 0, "A")
        sheet.write(1, 2, 5)
        sheet.write(2, 2, 6)

    assert rows(make(LETS, "xlsx"), workbook(fill)).select("ref", "rent").rows() == [("A", "5"), (None, "6")]


def test_headers_in_a_place_where_nobody_looks_and_columns_without_one_are_refused(make: Make) -> None:
    contract = make(LETS, "xlsx")
    assert "row 1 should name the column" in refusal(contract, workbook(plain(HEADER, ["1", None, 1], at=2)))
    assert "it has more, in position 4" in refusal(contract, workbook(plain(HEADER, ["1", None, 1, "more"])))
    assert "should stand once" in refusal(contract, workbook(plain([*HEADER, "ref"], ["1", None, 1])))
    assert "row 1" in refusal(contract, workbook(lambda *_: None))


def test_a_cell_far_away_or_texts_beyond_all_measure_are_refused(make: Make) -> None:
    def far(sheet: Sheet, _: xlsxwriter.Workbook) -> None:
        sheet.write_row(0, 0, HEADER)
        sheet.write(1_048_575, 16_383, "x")

    assert "million cells" in refusal(make(LETS, "xlsx"), workbook(far))
    good = workbook(plain(HEADER, *[[f"k{i % 2}", None, 1] for i in range(2000)]))
    swollen = changed(
        good, "xl/sharedStrings.xml", lambda xml: xml.replace(b"<t>k1</t>", b"<t>" + b"x" * 2_000_000 + b"</t>")
    )
    assert "1 GB of text" in refusal(make(LETS, "xlsx"), swollen)


def changed(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = old.read(info.filename)
            new.writestr(info.filename, change(content) if info.filename == name else content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2]),
        ("xl/worksheets/sheet1.xml", lambda _: b""),
        ("xl/workbook.xml", lambda _: b"<workbook/>"),
        ("xl/workbook.xml", lambda xml: b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + xml[:100]),
        ("[Content_Types].xml", lambda _: b"\xff"),
        ("xl/sharedStrings.xml", lambda _: b"<sst/>"),
    ],
)
def test_a_damaged_workbook_is_refused_or_read_and_never_crashes(
    make: Make, name: str, change: Callable[[bytes], bytes]
) -> None:
    data = changed(workbook(plain(HEADER, ["1", None, 1])), name, change)
    try:
        rows(make(LETS, "xlsx"), data)
    except Rejected as refused:
        assert str(refused).startswith("in/a: ")


def ods(body: str) -> bytes:
    head = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body>'
        '<office:spreadsheet><table:table table:name="One">'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr(
            "content.xml", head + body + "</table:table></office:spreadsheet></office:body></office:document-content>"
        )
    return out.getvalue()


def line(*values: str, repeat: str = "") -> str:
    cells = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>' for value in values
    )
    return f"<table:table-row {repeat}>{cells}</table:table-row>"


def test_open_document_sheets_are_read_and_repeated_cells_beyond_all_measure_refused(make: Make) -> None:
    contract = make(LETS, "ods")
    found = rows(contract, ods(line("ref", "began", "rent") + line("1", "2020-05-04", "5")))
    assert found.select("_row", "ref", "began", "rent").rows() == [(2, "1", "04/05/2020", "5")]
    many = 'table:number-rows-repeated="1048576"'
    wide = line("x").replace("<table:table-cell ", '<table:table-cell table:number-columns-repeated="16384" ')
    assert "million cells" in refusal(contract, ods(wide + line("1", repeat=many)))
    assert "OpenDocument" in refusal(contract, b"ref,began,rent\n")


def test_the_old_format_is_told_from_the_new(make: Make) -> None:
    assert "Excel 97 workbook" in refusal(make(LETS, "xls"), workbook(plain(HEADER)))
    assert "should open" in refusal(make(LETS, "xls"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000)
