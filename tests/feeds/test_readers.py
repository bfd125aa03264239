from __future__ import annotations

import io
from collections.abc import Callable

import polars as pl
import pytest
import xlsxwriter
from feedhouse import HEADER, Make

from feeds.contracts import Contract
from feeds.readers import Rejected, read

NESTED = """\
  - name: child
    physicalName: Message/Children/Child
    properties:
      - {name: id, physicalName: Ids/Id, logicalType: string, primaryKey: true}
      - {name: kind, physicalName: "@kind", logicalType: string}
    customProperties: [{property: person, value: {key: id}}]
  - name: need
    physicalName: Message/Children/Child/Need
    properties: [{name: began, physicalName: Start, logicalType: date}]
  - name: disability
    physicalName: Message/Children/Child/Dis/D
    properties: [{name: code, physicalName: ".", logicalType: string}]
"""
XML = (
    b'<Message xmlns="urn:x"><Header/><Children><Child kind="q"><Need><Start>2026-01-01</Start></Need><Ids><Id> 5 </Id>'
    b"</Ids><Dis><D>HEAR</D><D>VIS</D></Dis></Child><Child><Ids><Id>7</Id></Ids></Child></Children></Message>"
)
CASES = """\
  - name: case
    physicalName: .
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: purge, logicalType: boolean}
    customProperties: [{property: messages, value: {key: ref, purge: purge}}]
  - name: person
    physicalName: people
    properties:
      - {name: number, physicalName: detail/number, logicalType: integer, primaryKey: true}
      - {name: surname, logicalType: string}
    customProperties: [{property: person, value: {key: [ref, number], surname: surname}}]
"""


def frames(contract: Contract, data: bytes, name: str = "in/a_2026-11-20") -> dict[str, pl.DataFrame]:
    return read(contract, [name], lambda _: io.BytesIO(data))


def refusal(contract: Contract, data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        frames(contract, data)
    return str(caught.value)


def test_rows_keep_the_number_that_a_person_sees_and_blank_ones_are_left_out(make: Make) -> None:
    data = HEADER + '1,"Ann\nMarie",O\'Neil ,01/02/2010, M,2026-01-01\r\n\r\n,,,,,\r\n2,,Smith,,,2026-01-02'
    rows = frames(make(), data.encode())["person"]
    assert rows["_row"].to_list() == [2, 5]
    assert rows["forename"].to_list() == ["Ann\nMarie", None]
    assert rows["surname"].to_list() == ["O'Neil", "Smith"]
    assert rows["sex"].to_list() == ["M", None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_and_without_its_mark(make: Make, encoding: str) -> None:
    rows = frames(make(), (HEADER + "1,Zoë,Łuk,,,2026-01-01").encode(encoding))["person"]
    assert rows.select("ref", "forename", "surname").row(0) == ("1", "Zoë", "Łuk")


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16"])
def test_other_encodings_and_delimiters_are_read_as_the_contract_says(make: Make, encoding: str) -> None:
    server = f"{{property: encoding, value: {encoding}}}, {{property: delimiter, value: '|'}}"
    data = (HEADER + "1,Zoë,Siân,,,2026-01-01").replace(",", "|").encode(encoding)
    assert frames(make(server=server), data)["person"]["forename"].to_list() == ["Zoë"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n \n", "is empty"),
        (HEADER.encode(), "would withdraw everything"),
        (b"ref,forename,surname,dob,since\n1,a,b,,2026-01-01\n", "should name the column sex"),
        ((HEADER.strip() + ",salary\n1,a,b,,,2026-01-01,5\n").encode(), "no other; it has more, in position 7"),
        ((HEADER.strip() + ",ref\n1,a,b,,,2026-01-01,5\n").encode(), "ref should stand once"),
        (HEADER.replace(",", ";").encode() + b"1;2;3;4;5;6", "Check that values are separated by ','"),
        ((HEADER + "1,Zoë,b,,,2026-01-01").encode("windows-1252"), "should be in utf-8; line 2 is not"),
        ((HEADER + "1,a,b,,,2026-01-01").encode("utf-16"), "first bytes say utf-16"),
        ((HEADER + "1,a\0,b,,,2026-01-01").encode(), "NUL"),
        ((HEADER + '1,"SECRET,b,,,2026-01-01\n').encode(), "quotation mark should be closed"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "should be in utf-8"),
    ],
)
def test_a_file_that_is_not_what_the_contract_says_is_refused_with_a_remedy(make: Make, data: bytes, said: str) -> None:
    message = refusal(make(), data)
    assert said in message
    assert message.startswith("in/a_2026-11-20: ")
    assert "SECRET" not in message


def test_columns_that_were_not_agreed_are_dropped_where_the_contract_says_so(make: Make) -> None:
    contract = make(server="{property: extraColumns, value: ignore}")
    rows = frames(contract, (HEADER.strip() + ",salary\n1,a,b,,,2026-01-01,5\n").encode())["person"]
    assert "salary" not in rows.columns


def workbook(fill: Callable[[xlsxwriter.worksheet.Worksheet, xlsxwriter.Workbook], None], sheet: str = "Home") -> bytes:
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data, {"in_memory": True})
    fill(book.add_worksheet(sheet), book)
    book.close()
    return data.getvalue()


SHEET = """\
  - name: tenancy
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: began, logicalType: date}
      - {name: rent, logicalType: number}
    customProperties: [{property: sheet, value: Home}, {property: headerRow, value: 3}]
"""


def test_a_workbook_is_read_from_its_header_row_with_dates_and_whole_numbers_as_written(make: Make) -> None:
    from datetime import datetime

    def fill(sheet: xlsxwriter.worksheet.Worksheet, book: xlsxwriter.Workbook) -> None:
        sheet.write(0, 0, "Tenancies")
        sheet.write_row(2, 0, ["Ref", "began", "RENT"])
        sheet.write(3, 0, 100012345678)
        sheet.write_datetime(3, 1, datetime(2020, 5, 4), book.add_format({"num_format": "dd/mm/yyyy"}))
        sheet.write_row(5, 0, ["0007", None, 12.5])

    rows = frames(make(SHEET, "xlsx"), workbook(fill))["tenancy"]
    assert rows["ref"].to_list() == ["100012345678", "0007"]
    assert rows["began"].to_list() == ["2020-05-04 00:00:00", None]
    assert rows["_row"].to_list() == [4, 6]


def test_a_workbook_that_cannot_be_opened_or_lacks_its_sheet_is_refused(make: Make) -> None:
    contract = make(SHEET, "xlsx")
    assert "without a password" in refusal(contract, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600)
    assert "should be an Excel workbook" in refusal(contract, b"ref,began\n")
    assert "should open" in refusal(contract, b"PK\x03\x04 and then nothing")
    other = workbook(lambda sheet, _: sheet.write(0, 0, "x"), "Elsewhere")
    assert "a sheet 'Home'" in refusal(contract, other)
    bare = workbook(lambda sheet, _: sheet.write_row(2, 0, ["Ref", "began"]))
    assert "should name the column rent" in refusal(contract, bare)


def test_nested_xml_becomes_tables_that_carry_their_parents_keys(make: Make) -> None:
    tables = frames(make(NESTED, "xml"), XML)
    assert tables["child"].select("id", "kind").rows() == [("5", "q"), ("7", None)]
    assert tables["need"].select("id", "began", "_parent").rows() == [("5", "2026-01-01", 1)]
    assert tables["disability"].select("id", "code").rows() == [("5", "HEAR"), ("5", "VIS")]


@pytest.mark.parametrize("length", [1, 60, 150, len(XML) - 1])
def test_xml_that_breaks_off_anywhere_is_refused(make: Make, length: int) -> None:
    assert "well-formed XML" in refusal(make(NESTED, "xml"), XML[:length])


def test_xml_with_entities_or_without_records_is_refused(make: Make) -> None:
    contract = make(NESTED, "xml")
    entity = b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><Message><Children><Child>&e;</Child></Children></Message>'
    assert "no document type or entities" in refusal(contract, entity)
    bomb = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Message>&b;</Message>'
    assert "no document type or entities" in refusal(contract, bomb)
    assert "should hold records at Message/Children/Child" in refusal(contract, b"<a><b/></a>")


def test_json_lines_become_tables_in_order_and_a_broken_line_is_a_row_of_its_own(make: Make) -> None:
    people = b'{"people":[{"detail":{"number":1},"surname":"A"},{"detail":{"number":2}}],"ref":"K"}'
    data = people + b'\n\n{oops\n{"ref":"L","purge":true}'
    tables = frames(make(CASES, "jsonl", delivery="messages"), data)
    assert tables["case"].select("_row", "ref", "purge").rows() == [(1, "K", None), (3, None, None), (4, "L", "true")]
    assert tables["case"]["_fault"].is_not_null().to_list() == [False, True, False]
    assert tables["person"].select("ref", "number", "surname").rows() == [("K", "1", "A"), ("K", "2", None)]


@pytest.mark.parametrize("data", [b"hello\nworld", b"[" * 100_000, b'{"a":' * 5_000, b"[1]", b"\xff\xfe\x00"])
def test_lines_that_are_no_messages_are_refused(make: Make, data: bytes) -> None:
    refusal(make(CASES, "jsonl", delivery="messages"), data)


def test_a_json_document_is_read_like_its_lines_and_refused_when_cut(make: Make) -> None:
    contract = make(CASES, "json", delivery="messages")
    data = b'[{"ref":"K","people":[{"detail":{"number":1}}]},{"ref":"L"}]'
    assert frames(contract, data)["case"]["ref"].to_list() == ["K", "L"]
    assert "one whole JSON document" in refusal(contract, data[:-4])


def test_a_delivery_without_one_of_its_files_is_refused_by_the_name_that_is_missing(make: Make) -> None:
    two = "".join(
        f"  - name: {name}\n    properties: [{{name: ref, logicalType: string}}]\n"
        f"    customProperties: [{{property: file, value: 'in/{name}_*.csv'}}]\n"
        for name in ("header", "episodes")
    )
    with pytest.raises(Rejected, match=r"in/episodes_\*.csv.*Send all files"):
        read(make(two), ["in/header_2026-11-20.csv"], lambda _: io.BytesIO(b"ref\n1\n"))
