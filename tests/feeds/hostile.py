"""Files that go wrong in every way that we know, each with the contract that it claims to meet.

What belongs here: making the files, and how many rows each holds. That every row is accounted for is in `test_hostile`.
Each cell that could hold a person's data holds CANARY, so that a message that quotes one is noticed.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

import polars as pl

CANARY = "Quetzalqx"
DAY = "2026-11-20"
HEADER = "ref,forename,surname,dob,sex,since"
COLUMNS = HEADER.split(",")
ROWS = 6
Make = Callable[[], bytes]
Text = str | bytes | Callable[[], str] | Callable[[], bytes]

PEOPLE = """
  - name: person{path}
    properties:
      - {{name: ref, logicalType: string, primaryKey: true{0}}}
      - {{name: forename, logicalType: string{1}}}
      - {{name: surname, logicalType: string, required: true{2}}}
      - {{name: dob, logicalType: date, logicalTypeOptions: {{format: {form}}}{3}}}
      - {{name: sex, logicalType: string, enum: [{{value: M}}, {{value: F}}]{4}}}
      - {{name: since, logicalType: date, required: true{5}}}
    customProperties:
{messages}      - property: person
        value: {{key: ref, forename: forename, surname: surname, birth_date: dob, sex: sex}}
      - property: yields
        value: [{{event: offence, start: since, code: sex}}]
"""
VISITS = """
  - name: visit
    physicalName: {path}
    properties:
      - {{name: day, physicalName: {on}, logicalType: date}}
      - {{name: words, physicalName: {words}, logicalType: string}}
"""
WIDTHS = ((1, 6), (7, 21), (22, 36), (37, 46), (47, 47), (48, 57))


def _bytes(data: Text) -> bytes:
    made = data() if callable(data) else data
    return made.encode("utf-8", "surrogatepass") if isinstance(made, str) else made


def _people(form: str = "dd/MM/yyyy", path: str = "", messages: str = "", **more: Any) -> str:
    extra = more.get("extra", [""] * len(COLUMNS))
    return PEOPLE.format(*extra, form=form, path=path, messages=messages)


def _paths(*names: str) -> list[str]:
    return [f", physicalName: {name}" for name in names]


def contracts() -> dict[str, tuple[str, str, str, str]]:
    """By name: format, server properties, schema and kind of delivery."""
    at = [f", customProperties: [{{property: position, value: [{a}, {b}]}}]" for a, b in WIDTHS]
    below = _paths("'@id'", "Name/Given", "Name/Family", "Born", "Sex", "Since")
    keys = _paths("ref", "name/forename", "name/surname", "dob", "sex", "since")
    purge = "      - {property: messages, value: {key: ref, purge: purge}}\n"
    message = _people("yyyy-MM-dd", "\n    physicalName: .", purge, extra=keys).replace(
        "    customProperties:\n", "      - {name: purge, logicalType: boolean}\n    customProperties:\n", 1
    )
    detect = ", ".join(f"{{property: {p}, value: detect}}" for p in ("delimiter", "encoding", "headerRow"))
    below_ssl = VISITS.format(path="People/Person/Visit", on="'@on'", words="'.'")
    return {
        "csv": ("csv", "", _people(), "snapshot"),
        "detect": ("csv", detect, _people(), "snapshot"),
        "utf16": ("csv", "{property: encoding, value: utf-16}", _people(), "snapshot"),
        "cp1252": ("csv", "{property: encoding, value: windows-1252}", _people(), "snapshot"),
        "fixed": ("fixed", "", _people(extra=at), "snapshot"),
        "xlsx": ("xlsx", "", _people("yyyy-MM-dd"), "snapshot"),
        "xls": ("xls", "", _people("yyyy-MM-dd"), "snapshot"),
        "ods": ("ods", "", _people("yyyy-MM-dd"), "snapshot"),
        "xml": (
            "xml", "", _people("yyyy-MM-dd", "\n    physicalName: People/Person", extra=below) + below_ssl, "snapshot"
        ),
        "json": (
            "json", "",
            _people("yyyy-MM-dd", "\n    physicalName: people", extra=keys)
            + VISITS.format(path="people/visits", on="on", words="words"),
            "snapshot",
        ),
        "jsonl": ("jsonl", "", message + VISITS.format(path="visits", on="on", words="words"), "messages"),
        "parquet": ("parquet", "", _people("yyyy-MM-dd"), "snapshot"),
    }  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A hostile delivery.

    Attributes:
        files: name below `in/`, and what makes its bytes.
        fate: what must become of it, where only one thing is right.
        rows: how many rows it holds, of all tables, blank ones and headers left out; checked where rows are counted.
        good: how many of them keep the contract.
    """

    name: str
    contract: str
    files: dict[str, Make]
    fate: str | None = None
    rows: int | None = None
    good: int | None = None

    def __str__(self) -> str:
        return f"{self.contract}: {self.name}"


def row(number: int, **cells: str) -> list[str]:
    """One person's cells, good unless said otherwise."""
    good = [f"R{number:04}", CANARY, f"{CANARY}son", "31/12/1990", "F", "2026-01-05"]
    return [cells.get(name, cell) for name, cell in zip(COLUMNS, good, strict=True)]


def table(*rows: list[str], header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *(",".join(cells) for cells in rows)]) + end


def people(count: int = ROWS) -> list[list[str]]:
    return [row(n) for n in range(count)]


GOOD = table(*people())


def _one(**cells: str) -> str:
    """The good rows, and one with these cells instead of good ones, as CSV."""
    return table(*people(ROWS - 1), row(ROWS, **cells))


# -- CSV ------------------------------------------------------------------------------------------------------------


def _csv() -> Iterator[Case]:
    def case(
        name: str, data: Text, fate: str | None = None, rows: int | None = None, good: int | None = None,
        contract: str = "csv", file: str = f"a_{DAY}.csv",
    ) -> Case:  # fmt: skip
        return Case(name, contract, {file: partial(_bytes, data)}, fate, rows, good)

    ok, no = "accepted", "rejected"
    yield case("a good one", GOOD, ok, ROWS, ROWS)
    # -- encodings
    yield case("byte order mark", b"\xef\xbb\xbf" + GOOD.encode(), ok, ROWS, ROWS)
    yield case("two byte order marks", b"\xef\xbb\xbf" * 2 + GOOD.encode())
    yield case("nothing but a byte order mark", b"\xef\xbb\xbf", no)
    yield case("byte order mark within", GOOD.replace("R0003", "\ufeffR0003"))
    yield case("UTF-16 with its mark where UTF-8 was agreed", GOOD.encode("utf-16"), no)
    yield case("UTF-16 without a mark where UTF-8 was agreed", GOOD.encode("utf-16-le"), no)
    yield case("UTF-16 as agreed", GOOD.encode("utf-16"), ok, ROWS, ROWS, "utf16")
    yield case("UTF-16 big endian as agreed", b"\xfe\xff" + GOOD.encode("utf-16-be"), ok, ROWS, ROWS, "utf16")
    yield case("UTF-16 cut in a character", GOOD.encode("utf-16")[:-1], no, contract="utf16")
    yield case("UTF-16 cut in a pair", (GOOD + "\U0001f600").encode("utf-16")[:-2], no, contract="utf16")
    yield case("UTF-8 where UTF-16 was agreed", GOOD, no, contract="utf16")
    yield case("UTF-32", GOOD.encode("utf-32"), no)
    yield case("UTF-7", GOOD.replace("R0003", "+AGE-").encode())
    yield case("Windows-1252 as agreed", GOOD.replace("qx", "\u0153").encode("cp1252"), ok, ROWS, ROWS, "cp1252")
    yield case(
        "Windows-1252 with a byte that it has not", GOOD.encode() + b"R9,\x81,B,,M,2026-01-01\n", contract="cp1252"
    )
    yield case("Windows-1252 bytes in a UTF-8 file", GOOD.replace("qx", "\u0153").encode("cp1252"), no)
    yield case("UTF-8 read as Windows-1252 once already", GOOD.replace("qx", "Ã©"), ok, ROWS, ROWS)
    yield case("UTF-8 cut in a character", (GOOD + "R9,\u0153").encode()[:-1], no)
    yield case("an overlong character", GOOD.encode() + b"R9,\xc0\x80,B,,M,2026-01-01\n", no)
    yield case("half of a surrogate pair", GOOD.encode() + b"R9,\xed\xa0\x80,B,,M,2026-01-01\n", no)
    yield case("beyond Unicode", GOOD.encode() + b"R9,\xf5\x80\x80\x80,B,,M,2026-01-01\n", no)
    yield case("EBCDIC", GOOD.encode("cp500"), no)
    yield case("Shift JIS", GOOD.replace("qx", "\u65e5\u672c").encode("shift_jis"), no)
    yield case("random bytes", bytes((n * 7919 + n * n) % 256 for n in range(5000)), no)
    yield case("nothing but NULs", bytes(4096), no)
    yield case("a NUL in a cell", GOOD.replace("R0003", "R00\x0003"), None, ROWS)
    yield case("NULs behind its end", GOOD.encode() + bytes(512))
    # -- nothing
    yield case("empty", b"", no)
    yield case("a header alone", HEADER + "\n", no)
    yield case("a header alone, no line end", HEADER, no)
    yield case("white space alone", " \t \r\n  \n", no)
    yield case("line ends alone", "\n" * 1000, no)
    yield case("a header and blank lines", HEADER + "\n" + "\n  \n,,,,,\n" * 50, no)
    yield case("delimiters alone", ",,,,,\n" * 50, no)
    # -- shape
    yield case("a row with more cells", GOOD + "R9,A,B,,M,2026-01-01,more,and more\n", ok, ROWS + 1, ROWS)
    yield case("a row with fewer cells", GOOD + "R9,A,B\n", ok, ROWS + 1, ROWS)
    yield case("a row of one cell", GOOD + "R9\n", ok, ROWS + 1, ROWS)
    yield case("all rows with more cells", table(*([*r, "x"] for r in people())), no)
    yield case("a delimiter behind each row", GOOD.replace("\n", ",\n"), ok, ROWS, ROWS)
    yield case("a delimiter behind the header alone", GOOD.replace("since\n", "since,\n"))
    yield case("a delimiter behind the rows alone", table(*([*r, ""] for r in people())), ok, ROWS, ROWS)
    yield case("the header twice", GOOD + HEADER + "\n", ok, ROWS + 1, ROWS)
    yield case("no header", GOOD.partition("\n")[2], no)
    yield case("no header, one row", ",".join(row(1)), no)
    yield case("a column missing", re.sub(r",[^,]*$", "", GOOD, flags=re.M), no)
    yield case("a column twice", GOOD.replace("sex", "ref"), no)
    yield case("a column more", "\n".join(f"{line},{CANARY}" for line in GOOD.splitlines()), no)
    yield case("a column renamed", GOOD.replace("surname", f"{CANARY}name"), no)
    yield case(
        "columns in another order", "\n".join(",".join(x.split(",")[::-1]) for x in GOOD.split()), ok, ROWS, ROWS
    )
    yield case("headers swapped", GOOD.replace("dob", "?").replace("since", "dob").replace("?", "since"), no, None)
    yield case(
        "headers in capitals and spaces", GOOD.replace(HEADER, HEADER.upper().replace(",", " , ")), ok, ROWS, ROWS
    )
    yield case("headers quoted", GOOD.replace(HEADER, '"' + HEADER.replace(",", '","') + '"'), ok, ROWS, ROWS)
    yield case("a header with a line end within", GOOD.replace("forename", '"fore\nname"'), no)
    yield case("a header of nothing", GOOD.replace("dob", ""), no)
    yield case("a title above the header", f"Extract for {CANARY}\n\n" + GOOD, no)
    yield case(
        "a title above the header, to be detected", f"Extract for {CANARY}\n\n" + GOOD, None, ROWS, contract="detect"
    )
    yield case("a total below", GOOD + f"Total for {CANARY}: 6\n", ok, ROWS + 1, ROWS)
    yield case("Excel's line on separators", "sep=,\n" + GOOD)
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), ("\x1f", "unit separators")):
        yield case(f"{word} between cells", GOOD.replace(",", mark), no)
        fate = None if mark == "\x1f" else ok
        yield case(f"{word} to be detected", GOOD.replace(",", mark), fate, ROWS, contract="detect")
    yield case("Windows-1252 and semicolons, to be detected", GOOD.replace(",", ";").replace("qx", "\u0153").encode("cp1252"),  # noqa: E501
               None, ROWS, contract="detect")  # fmt: skip
    yield case("nothing to detect", f"{CANARY}\n" * 5, no, contract="detect")
    yield case("UTF-16 to be detected", GOOD.encode("utf-16"), ok, ROWS, ROWS, "detect")
    # -- line ends
    yield case("carriage returns alone", GOOD.replace("\n", "\r"), None, ROWS)
    yield case("Windows line ends", GOOD.replace("\n", "\r\n"), ok, ROWS, ROWS)
    yield case("mixed line ends", GOOD.replace("\n", "\r\n", 3), ok, ROWS, ROWS)
    yield case("two carriage returns a line", GOOD.replace("\n", "\r\r\n"), None, ROWS)
    yield case("no end of the last line", GOOD.rstrip(), ok, ROWS, ROWS)
    yield case("the end mark of DOS", GOOD + "\x1a")
    yield case("blank lines between", GOOD.replace("\n", "\n\n"), ok, ROWS, ROWS)
    yield case("a hundred thousand blank lines", GOOD + "\n" * 100_000, ok, ROWS, ROWS)
    # -- quotation marks
    yield case("a line end in a quoted cell", _one(forename=f'"{CANARY}\n{CANARY}"'), ok, ROWS, ROWS)
    yield case("many line ends in a quoted cell", _one(forename='"' + "\r\n" * 500 + CANARY + '"'), ok, ROWS, ROWS)
    yield case("a doubled quotation mark", _one(forename=f'"{CANARY} ""Q"" {CANARY}"'), ok, ROWS, ROWS)
    yield case("a delimiter in a quoted cell", _one(forename=f'"{CANARY}, {CANARY}"'), ok, ROWS, ROWS)
    yield case("a quotation mark never closed", _one(forename=f'"{CANARY}'), None, ROWS)
    yield case("a quotation mark never closed, in the first row", table(row(0, forename=f'"{CANARY}'), *people()), None)
    yield case("a quotation mark never closed, in the header", GOOD.replace("forename", '"forename'), no)
    yield case("a quotation mark within", _one(forename=f'{CANARY} "Q" {CANARY}'), None, ROWS)
    yield case("a quotation mark behind", _one(forename=f'{CANARY}"'), None, ROWS)
    yield case("characters behind a closing mark", _one(forename=f'"{CANARY}" {CANARY}'), None, ROWS)
    yield case("a quotation mark with a backslash", _one(forename=f'"{CANARY} \\" {CANARY}"'))
    yield case("single quotation marks", _one(forename=f"'{CANARY}, {CANARY}'"), ok, ROWS, ROWS - 1)
    yield case("curly quotation marks", _one(forename=f"\u201c{CANARY}\u201d"), ok, ROWS, ROWS)
    yield case("each row quoted whole", "\n".join(f'"{line}"' for line in GOOD.split()), no)
    yield case("nothing but quotation marks", '"' * 4001, no)
    # -- size
    yield case("a cell of five million characters", lambda: _one(forename="x" * 5_000_000), ok, ROWS)
    yield case(
        "a quoted cell of five million characters", lambda: _one(forename='"' + "x," * 2_500_000 + '"'), ok, ROWS
    )
    yield case(
        "a header of a hundred thousand columns", lambda: ",".join(f"c{n}" for n in range(100_000)) + "\n1\n", no
    )
    yield case("a hundred thousand columns more", lambda: HEADER + "," * 100_000 + "\n" + GOOD.partition("\n")[2], no)
    yield case("a row of a hundred thousand cells", lambda: GOOD + "R9" + ",x" * 100_000 + "\n", ok, ROWS + 1, ROWS)
    yield case("a line of half a million commas", lambda: GOOD + "," * 500_000, None)
    yield case("twenty thousand rows", lambda: table(*people(9_999), row(3)), ok, 10_000, 9_999)
    # -- values
    odd = [
        "=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\u202e" + CANARY, "\u200b" + CANARY,
        "e" + "\u0301" * 9000, "\U0001f469\u200d\U0001f467", "\x01\x02\x7f", "<script>alert(1)</script>",
        "%s%n{0}${HOME}`id`", "'; DROP TABLE person; --", "../../etc/passwd", "\uffff\ufdd0", "\U0010ffff", "null", "NaN",  # noqa: E501
        "None", "#N/A", "\ufffd", f"{CANARY}\x0b\x0c\x1c", f"{CANARY}\x85\u2028{CANARY}",
    ]  # fmt: skip
    yield case(
        "names that do harm elsewhere", table(*(row(n, forename=w) for n, w in enumerate(odd))), ok, 24, 23
    )  # all but #N/A
    yield case("a surname of hard spaces", _one(surname="\u00a0\u2003"), None, ROWS)
    never = [
        "31/02/2020", "00/00/0000", "29/02/1900", "01/01/0000", "01/01/20025", "12/31/1990", "1990-12-31", "31/12/90",
        "31/12/1990 10:00", "44197", "1.23E+09", "next Tuesday", "\u0663\u0661/12/1990", "31/12/-1990", "1e400", "9" * 5000,  # noqa: E501
        "31\u204412\u20441990", "31/12/1990x",
    ]  # fmt: skip
    wrong = [row(100 + n, dob=word) for n, word in enumerate(never)]
    yield case("days that never were", table(*people(), *wrong), ok, ROWS + 18, ROWS)
    yield case("born in 9999", _one(dob="31/12/9999"), ok, ROWS)
    yield case("born tomorrow", _one(dob="21/11/2026"), ok, ROWS)
    yield case("a code that is none", _one(sex="X"), ok, ROWS, ROWS - 1)
    yield case("a key twice", GOOD + GOOD.splitlines()[-1] + "\n", ok, ROWS + 1, ROWS)
    yield case("all keys the same", table(*([row(1)] * 6)), ok, 6, 1)
    yield case("a key of nothing", _one(ref=""), ok, ROWS, ROWS - 1)
    yield case("a key of the separator", _one(ref="|"), ok, ROWS, ROWS)
    yield case("a key that Excel shortened", _one(ref="1.23E+09"), ok, ROWS)
    yield case("a key of 5,000 digits", _one(ref="7" * 5000), ok, ROWS, ROWS)
    yield case("keys that differ in case and spaces", _one(ref=" r0001 "), ok, ROWS, ROWS)
    yield case("every row wrong", table(*(row(n, since="never") for n in range(6))), no, 6)
    # -- other things under this name
    for what, data in {
        "a workbook": lambda: workbook(), "a zip": lambda: archive({"x.txt": b"x"}), "a Parquet file": lambda: parquet(),  # noqa: E501
        "a page": lambda: f"<html><body>{CANARY}</body></html>".encode(), "XML": lambda: XML.encode(),
        "JSON": lambda: JSON.encode(), "a PDF": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a program": lambda: b"MZ\x90\x00" * 99,  # noqa: E501
        "a picture": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "an old workbook": lambda: OLE + bytes(3000),
    }.items():  # fmt: skip
        yield case(f"{what} under its name", data, no)


# -- packed ---------------------------------------------------------------------------------------------------------


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as pack:
        for name, data in members.items():
            pack.writestr(name, data)
    return out.getvalue()


@cache
def _gzip_bomb() -> bytes:
    """Two gigabytes in two megabytes, as members of one file."""
    return gzip.compress(bytes(64 << 20), 9, mtime=0) * 32


@cache
def _deflate_bomb() -> bytes:
    return archive({f"a_{DAY}.csv": bytes(256 << 20)})


def _patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def _flagged() -> bytes:
    """An archive that says that its member is encrypted."""
    data = bytearray(archive({f"a_{DAY}.csv": GOOD.encode()}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        info = zipfile.ZipInfo(f"a_{DAY}.csv")
        info.external_attr = 0o120777 << 16
        pack.writestr(info, "/etc/passwd")
    return out.getvalue()


def _overlapping() -> bytes:
    """An archive of which many entries of the directory name the same bytes."""
    data = archive({f"a_{DAY}.csv": GOOD.encode()})
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, count = data[start:end], 300
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, start, 0)
    return data[:start] + entry * count + tail


def _packed() -> Iterator[Case]:
    good, inner = GOOD.encode(), f"a_{DAY}.csv"
    squeezed = gzip.compress(good, mtime=0)
    ok, no = "accepted", "rejected"

    def gz(name: str, make: Make, fate: str | None = None, rows: int | None = None) -> Case:
        return Case(f"gzip, {name}", "csv", {f"{inner}.gz": make}, fate, rows, rows)

    yield gz("good", lambda: squeezed, ok, ROWS)
    yield gz("two members", lambda: gzip.compress(good[:60]) + gzip.compress(good[60:]), ok, ROWS)
    yield gz("cut", lambda: squeezed[:-9], no)
    yield gz("cut in its header", lambda: squeezed[:7], no)
    yield gz("a wrong checksum", lambda: squeezed[:-8] + b"\0\0\0\0" + squeezed[-4:], no)
    yield gz("a bit changed", lambda: squeezed[:40] + bytes([squeezed[40] ^ 4]) + squeezed[41:], no)
    yield gz("behind it something else", lambda: squeezed + b"something else")
    yield gz("behind it NULs", lambda: squeezed + bytes(512))
    yield gz("of nothing", lambda: gzip.compress(b""), no)
    yield gz("empty", lambda: b"", no)
    yield gz("in gzip", lambda: gzip.compress(squeezed), no)
    yield gz("not packed at all", lambda: good)
    yield gz("a bomb", _gzip_bomb, no)
    yield gz("a tar", lambda: gzip.compress(bytes(10240)), no)

    def zp(name: str, make: Make, fate: str | None = None, rows: int | None = None, file: str = f"{inner}.zip") -> Case:
        return Case(f"zip, {name}", "csv", {file: make}, fate, rows, rows)

    plain = archive({inner: good})
    yield zp("good", lambda: plain, ok, ROWS)
    yield zp("good, under the archive's own name", lambda: plain, ok, ROWS, f"a_{DAY}.zip")
    yield zp("stored", lambda: archive({inner: good}, zipfile.ZIP_STORED), ok, ROWS)
    yield zp("in folders", lambda: archive({f"x/y/{inner}": good}), ok, ROWS)
    yield zp(
        "two members", lambda: archive({inner: good, f"b_{DAY}.csv": GOOD.replace("R0", "S0").encode()}), ok, 2 * ROWS
    )
    yield zp("a member of another kind", lambda: archive({inner: good, "notes.docx": b"x"}))
    yield zp(
        "what a Mac adds", lambda: archive({inner: good, f"__MACOSX/._{inner}": b"\0\5\x16\7", ".DS_Store": b"\0"})
    )
    yield zp("out of its folder", lambda: archive({f"../../../{inner}": good}), no)
    yield zp("an absolute name", lambda: archive({f"/etc/{inner}": good}), no)
    yield zp("a Windows name", lambda: archive({f"..\\..\\{inner}": good}))
    yield zp("a link", _link, no)
    yield zp("with a password", _flagged, no)
    yield zp("in zip", lambda: archive({f"{inner}.zip": plain}), no)
    yield zp("gzip within", lambda: archive({f"{inner}.gz": squeezed}))
    yield zp("a bomb", _deflate_bomb, no)
    yield zp("overlapping members", _overlapping, no)
    yield zp("five thousand members", lambda: archive({f"f{n}/x": b"" for n in range(5000)}, 0), no)
    yield zp("a member without a name", lambda: archive({"QQQ": GOOD.encode()}).replace(b"QQQ", b"\0QQ"), no)
    yield zp("without members", lambda: archive({}), no)
    yield zp("folders alone", lambda: archive({"x/": b""}), no)
    yield zp("cut", lambda: plain[:-10], no)
    yield zp("half", lambda: plain[: len(plain) // 2], no)
    yield zp("a wrong checksum", lambda: _patched(archive({inner: good}, 0), b"R0003", b"R0004"), no)
    yield zp(
        "another name in its directory",
        lambda: plain[::-1].replace(inner.encode()[::-1], f"b_{DAY}.csv".encode()[::-1], 1)[::-1],
        no,
    )
    yield zp("an unknown method", lambda: _method(plain, 98), no)
    yield zp("LZMA", lambda: archive({inner: good}, zipfile.ZIP_LZMA))
    yield zp("a size that lies", lambda: _lying(plain), no)
    yield zp("a comment", lambda: plain[:-2] + b"\5\0hello", ok, ROWS)
    yield zp("behind something else", lambda: b"MZ" + bytes(100) + plain)
    yield zp("empty", lambda: b"", no)
    yield zp("not packed at all", lambda: good)
    yield zp("the same name twice", _twice)


def _method(data: bytes, method: int) -> bytes:
    changed = bytearray(data)
    changed[8] = method
    changed[changed.rindex(b"PK\x01\x02") + 10] = method
    return bytes(changed)


def _lying(data: bytes) -> bytes:
    changed = bytearray(data)
    at = changed.rindex(b"PK\x01\x02")
    changed[22:26] = changed[at + 24 : at + 28] = struct.pack("<L", 5)
    return bytes(changed)


def _twice() -> bytes:
    """An archive with two members of one name."""
    both = archive({f"a_{DAY}.csv": GOOD.encode(), f"b_{DAY}.csv": GOOD.encode()})
    return both.replace(f"b_{DAY}.csv".encode(), f"a_{DAY}.csv".encode())


# -- workbooks ------------------------------------------------------------------------------------------------------

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SHEET = "xl/worksheets/sheet1.xml"


def sheet_rows(count: int = ROWS) -> list[list[Any]]:
    return [[f"R{n:04}", CANARY, f"{CANARY}son", "1990-12-31", "F", "2026-01-05"] for n in range(count)]


def workbook(
    rows: list[list[Any]] | None = None, fill: Callable[..., object] | None = None, header: Any = COLUMNS
) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet("People")
        for r, cells in enumerate([list(header), *(sheet_rows() if rows is None else rows)]):
            for c, cell in enumerate(cells):
                sheet.write(r, c, cell)
        if fill:
            fill(book, sheet)
    return out.getvalue()


def rezipped(data: bytes, change: dict[str, Callable[[bytes], bytes] | None]) -> bytes:
    """A workbook with some of its parts changed, or left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        members = {name: pack.read(name) for name in pack.namelist()}
    for name, by in change.items():
        old = members.pop(name, b"")
        if by:
            members[name] = by(old)
    return archive(members)


def _laughs(root: str, before: bytes = b"") -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY l0 "ha">{entities}]>'.encode() + before


def _workbooks() -> Iterator[Case]:
    ok, no = "accepted", "rejected"

    def case(
        name: str, make: Make, fate: str | None = None, rows: int | None = None, good: int | None = None,
        contract: str = "xlsx", ending: str = "",
    ) -> Case:  # fmt: skip
        return Case(name, contract, {f"a_{DAY}.{ending or contract}": make}, fate, rows, good)

    yield case("good", workbook, ok, ROWS, ROWS)
    yield case("a header alone", lambda: workbook([]), no)
    yield case("an empty sheet", lambda: workbook([], header=[]), no)
    yield case("a column missing", lambda: workbook([r[:-1] for r in sheet_rows()], header=COLUMNS[:-1]), no)
    yield case("a column twice", lambda: workbook(header=[*COLUMNS[:4], "ref", "since"]), no)
    yield case("a column more", lambda: workbook([[*r, CANARY] for r in sheet_rows()], header=[*COLUMNS, CANARY]), no)
    yield case("a title above", lambda: workbook([COLUMNS, *sheet_rows()], header=[f"For {CANARY}"]), no)
    yield case("no header", lambda: workbook(sheet_rows()[1:], header=sheet_rows()[0]), no)
    yield case("blank rows between", lambda: workbook([x for r in sheet_rows() for x in (r, [])]), ok, ROWS, ROWS)
    yield case("cells below without a header", lambda: workbook([*sheet_rows(), [""] * 8 + [CANARY]]), None)
    yield case(
        "formulas never worked out",
        lambda: workbook(fill=lambda _, s: s.write_formula(1, 1, "=A1&B1", None, "")),
        ok,
        ROWS,
    )
    for word in ("#N/A", "#REF!", "#DIV/0!"):
        yield case(f"{word} in a cell", partial(_broken, word), ok, ROWS)
    yield case(
        "numbers as keys", lambda: workbook([[1000 + n, *r[1:]] for n, r in enumerate(sheet_rows())]), ok, ROWS, ROWS
    )
    yield case("keys that Excel shortened", lambda: workbook([["1.23E+09", *r[1:]] for r in sheet_rows()]), None, ROWS)
    yield case(
        "keys beyond Excel's digits",
        lambda: workbook([[1.2345678901234567e19 + n, *r[1:]] for n, r in enumerate(sheet_rows())]),
        None,
        ROWS,
    )
    yield case("dates", lambda: workbook(fill=_dates), ok, ROWS, ROWS)
    yield case("dates as numbers", lambda: workbook([[*r[:5], 46027] for r in sheet_rows()]), None, ROWS)
    yield case(
        "a date before Excel's time",
        lambda: workbook([*sheet_rows(5), ["R9", "A", "B", -5, "F", "2026-01-01"]]),
        ok,
        ROWS,
        5,
    )
    yield case(
        "truth values", lambda: workbook([*sheet_rows(5), ["R9", True, "B", None, True, "2026-01-01"]]), ok, ROWS, 5
    )
    yield case(
        "a cell merged over rows", lambda: workbook(fill=lambda _, s: s.merge_range(2, 1, 4, 1, CANARY)), ok, ROWS
    )
    yield case("a cell of 32,767 characters", lambda: workbook(fill=lambda _, s: s.write(1, 1, "x" * 32767)), ok, ROWS)
    yield case(
        "a hidden sheet first",
        lambda: workbook(fill=lambda b, s: (b.add_worksheet("x").activate(), s.hide())),
        ok,
        ROWS,
    )
    yield case("sixteen thousand columns", lambda: workbook(header=[*COLUMNS, *("" for _ in range(16000)), CANARY]), no)
    yield case(
        "a size that lies",
        lambda: rezipped(workbook(), {SHEET: lambda x: re.sub(rb'ref="A1:[A-Z0-9]+"', b'ref="A1:XFD1048576"', x)}),
        None,
        ROWS,
    )
    yield case(
        "a row that lies far below",
        lambda: rezipped(
            workbook(), {SHEET: lambda x: x.replace(b'r="7"', b'r="1048576"').replace(b'7"', b'1048576"')}
        ),
        None,
        ROWS,
    )
    yield case(
        "a cell that lies far out",
        lambda: rezipped(workbook(), {SHEET: lambda x: x.replace(b'r="F7"', b'r="XFD7"')}),
        None,
    )
    yield case("no sheet part", lambda: rezipped(workbook(), {SHEET: None}), no)
    yield case("no strings part", lambda: rezipped(workbook(), {"xl/sharedStrings.xml": None}), None)
    yield case(
        "a sheet without a name",
        lambda: rezipped(workbook(), {"xl/workbook.xml": lambda x: x.replace(b'name="People"', b'name=""')}),
    )
    yield case("no workbook part", lambda: rezipped(workbook(), {"xl/workbook.xml": None}), no)
    yield case(
        "strings that are not there",
        lambda: rezipped(workbook(), {SHEET: lambda x: x.replace(b"<v>3</v>", b"<v>999999</v>")}),
        None,
    )
    yield case("a sheet cut", lambda: rezipped(workbook(), {SHEET: lambda x: x[: len(x) // 2]}), no)
    yield case("a sheet that is no XML", lambda: rezipped(workbook(), {SHEET: lambda _: b"<<<>>"}), no)
    yield case(
        "a billion laughs",
        lambda: rezipped(
            workbook(),
            {SHEET: lambda x: _laughs("worksheet", x.partition(b"?>")[2].replace(b"<v>3</v>", b"<v>&l9;</v>"))},
        ),
    )
    yield case(
        "an entity from outside",
        lambda: rezipped(
            workbook(),
            {
                "xl/sharedStrings.xml": lambda x: (
                    b'<!DOCTYPE sst [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                    + x.partition(b"?>")[2].replace(CANARY.encode(), b"&e;")
                )
            },
        ),
    )
    yield case(
        "a bomb",
        lambda: rezipped(
            workbook(), {SHEET: lambda x: x.replace(b"</sheetData>", b" " * (100 << 20) + b"</sheetData>")}
        ),
    )
    yield case("cut", lambda: workbook()[:-200], no)
    yield case("half", lambda: workbook()[:2000], no)
    yield case("a bit changed", lambda: _flip(workbook(), 400))
    yield case("with a password", lambda: OLE + bytes(2000) + "EncryptedPackage".encode("utf-16-le") + bytes(4000), no)
    yield case("text under its name", lambda: GOOD.encode(), no)
    yield case("a page under its name", lambda: b"<html><table><tr><td>ref</td></tr></table></html>", no)
    yield case("an archive of something else", lambda: archive({"x.txt": b"x"}), no)
    yield case("empty", lambda: b"", no)
    yield case("packed again", lambda: gzip.compress(workbook()), ok, ROWS, ROWS, ending="xlsx.gz")
    yield case(
        "packed in an archive", lambda: archive({f"a_{DAY}.xlsx": workbook()}), ok, ROWS, ROWS, ending="xlsx.zip"
    )
    for name, make in {
        "a header of old workbooks and NULs": lambda: OLE + bytes(5000), "cut": lambda: OLE, "text": lambda: GOOD.encode(),  # noqa: E501
        "a page": lambda: b"<html><table></table></html>", "random": lambda: OLE + bytes(n * n % 251 for n in range(20000)),  # noqa: E501
        "sectors in a circle": lambda: _circle(), "empty": lambda: b"",
    }.items():  # fmt: skip
        yield case(f"old workbook: {name}", make, no, contract="xls")
    yield case("a new workbook under an old one's name", workbook, None, ROWS, contract="xls")
    yield case("good", lambda: ods(), ok, ROWS, ROWS, "ods")
    yield case("rows said to repeat", lambda: ods(row='table:number-rows-repeated="50000"'), None, contract="ods")
    yield case(
        "cells said to repeat", lambda: ods(cell='table:number-columns-repeated="1000000000"'), None, contract="ods"
    )
    yield case(
        "rows and cells said to repeat",
        lambda: ods('table:number-rows-repeated="1048576"', 'table:number-columns-repeated="16384"'),
        None,
        contract="ods",
    )
    yield case(
        "a billion laughs",
        lambda: ods(before=_laughs("x").decode().partition("?>")[2], word="&l9;"),
        None,
        contract="ods",
    )
    yield case("cut", lambda: ods()[:300], no, contract="ods")
    yield case(
        "no content",
        lambda: archive({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}),
        no,
        contract="ods",
    )
    yield case("a header alone", lambda: ods(count=0), no, contract="ods")
    yield case("text under its name", lambda: GOOD.encode(), no, contract="ods")


def _broken(word: str) -> bytes:
    return workbook(fill=lambda _, sheet: sheet.write_formula(2, 2, "=X", None, word))


def _dates(book: Any, sheet: Any) -> None:
    form = book.add_format({"num_format": "dd/mm/yyyy"})
    for r in range(1, ROWS + 1):
        sheet.write_datetime(r, 5, datetime(2026, 1, 5), form)


def _circle() -> bytes:
    """An old workbook whose chain of sectors never ends."""
    head = bytearray(OLE + bytes(504))
    head[24:34] = struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<LLLLLLLLLL", head, 40, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
    struct.pack_into("<109L", head, 76, *([0] + [0xFFFFFFFF] * 108))
    return bytes(head) + struct.pack("<128L", *([1] * 128)) + bytes(512 * 4)


def ods(row: str = "", cell: str = "", before: str = "", word: str = CANARY, count: int = ROWS) -> bytes:
    def line(cells: list[str]) -> str:
        inside = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>' for c in cells
        )
        return f"<table:table-row>{inside}</table:table-row>"

    rows = [line(COLUMNS), *(line([r[0], word, *r[2:]]) for r in sheet_rows(count))]
    if row or cell:
        rows.append(f'<table:table-row {row}><table:table-cell {cell} office:value-type="string"><text:p>x</text:p>'
                    "</table:table-cell></table:table-row>")  # fmt: skip
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<office:document-content xmlns:office="{space}office:1.0" '
        f'xmlns:table="{space}table:1.0" xmlns:text="{space}text:1.0" office:version="1.2"><office:body>'
        f'<office:spreadsheet><table:table table:name="People">{"".join(rows)}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    return archive(
        {"mimetype": kind.encode(), "content.xml": content.encode(), "META-INF/manifest.xml": manifest.encode()}
    )


# -- XML ------------------------------------------------------------------------------------------------------------


def person(number: int, inside: str = "", **cells: str) -> str:
    _, forename, surname, _, sex, since = row(number)
    made = {"forename": forename, "surname": surname, "dob": "1990-12-31", "sex": sex, "since": since} | cells
    return (
        f'<Person id="R{number:04}"><Name><Given>{made["forename"]}</Given><Family>{made["surname"]}</Family></Name>'
        f"<Born>{made['dob']}</Born><Sex>{made['sex']}</Sex><Since>{made['since']}</Since>"
        f'<Visit on="2026-02-01">{CANARY}</Visit>{inside}</Person>'
    )


def document(*persons: str, before: str = "", root: str = "People", attributes: str = "") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{before}<{root}{attributes}>{"".join(persons)}</{root}>'


XML = document(*(person(n) for n in range(ROWS)))
BOTH = 2 * ROWS  # rows of the two tables


def _xml() -> Iterator[Case]:
    ok, no = "accepted", "rejected"
    some = [person(n) for n in range(ROWS - 1)]

    def case(name: str, data: Text, fate: str | None = None, rows: int | None = None, good: int | None = None) -> Case:
        return Case(name, "xml", {f"a_{DAY}.xml": partial(_bytes, data)}, fate, rows, good)

    yield case("good", XML, ok, BOTH, BOTH)
    yield case("empty", b"", no)
    yield case("white space", "  \n ", no)
    yield case("a declaration alone", '<?xml version="1.0"?>', no)
    yield case("an empty root", document(), no)
    yield case("another root", document(*some, root="Others"), no)
    yield case("a root in another case", document(*some, root="people"), None)
    yield case("cut", XML[:-20], no)
    yield case("cut in a tag", XML[: XML.rindex("<Visit") + 3], no)
    yield case("two roots", XML + XML.partition("?>")[2], no)
    yield case("text behind it", XML + CANARY, no)
    yield case("tags that do not match", XML.replace("</Born>", "</Borm>", 1), no)
    yield case("a bare ampersand", document(*some, person(9, forename=f"{CANARY} & {CANARY}")), no)
    yield case("a bare angle", document(*some, person(9, forename=f"{CANARY} < {CANARY}")), no)
    yield case("an unknown entity", document(*some, person(9, forename=f"&{CANARY};")), no)
    yield case("an attribute twice", XML.replace('id="R0001"', f'id="R0001" id="{CANARY}"'), no)
    yield case("a control character", document(*some, person(9, forename="\x01")), no)
    yield case("a reference to NUL", document(*some, person(9, forename="&#0;")), no)
    yield case("NULs", XML.encode() + bytes(100))
    doctype = '<!DOCTYPE People [<!ENTITY e "x">]>'
    yield case("a document type", document(*some, before="<!DOCTYPE People>"), no)
    yield case("an entity of its own", document(*some, person(9, forename="&e;"), before=doctype), no)
    yield case(
        "a billion laughs",
        document(*some, person(9, forename="&l9;"), before=_laughs("People").decode().partition("?>")[2]),
        no,
    )
    yield case(
        "one long entity often",
        lambda: document(
            *some, person(9, forename="&e;" * 50_000), before=doctype.replace('"x"', '"' + "x" * 50_000 + '"')
        ),
        no,
    )
    yield case(
        "entities in a circle",
        document(person(9, forename="&a;"), before='<!DOCTYPE People [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'),
        no,
    )
    yield case(
        "an entity in a file",
        document(person(9, forename="&e;"), before='<!DOCTYPE People [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
        no,
    )
    yield case(
        "an entity on a network",
        document(person(9, forename="&e;"), before='<!DOCTYPE People [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]>'),
        no,
    )
    yield case(
        "a document type from outside",
        document(*some, before='<!DOCTYPE People SYSTEM "http://127.0.0.1:9/x.dtd">'),
        no,
    )
    yield case(
        "parameter entities",
        document(*some, before='<!DOCTYPE People [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>'),
        no,
    )
    yield case(
        "an inclusion",
        document(
            *some,
            person(
                9, '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
            ),
        ),
        ok,
        BOTH,
    )
    yield case(
        "a schema from outside",
        document(
            *some,
            attributes=' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://127.0.0.1:9/x.xsd"',
        ),
        ok,
        2 * (ROWS - 1),
    )
    yield case("a style sheet", XML.replace("?>", '?><?xml-stylesheet href="file:///etc/passwd"?>', 1), ok, BOTH, BOTH)
    yield case("a name space", XML.replace("<People", '<People xmlns="urn:x"'), ok, BOTH, BOTH)
    yield case(
        "name spaces with prefixes",
        re.sub(r"<(/?)([A-Z])", r"<\1p:\2", XML).replace("<p:People", '<p:People xmlns:p="urn:x"'),
        ok,
        BOTH,
        BOTH,
    )
    yield case("a prefix that is not declared", re.sub(r"<(/?)([A-Z])", r"<\1p:\2", XML))
    yield case("unknown elements", document(*some, person(9, f"<More><And>{CANARY}</And></More>")), ok, BOTH, BOTH)
    yield case("raw text sections", document(*some, person(9, forename=f"<![CDATA[{CANARY} & <b>]]>")), ok, BOTH, BOTH)
    yield case(
        "comments within values", document(*some, person(9, forename=f"{CANARY}<!-- {CANARY} -->{CANARY}")), ok, BOTH
    )
    yield case("instructions within values", document(*some, person(9, forename=f"{CANARY}<?x y?>{CANARY}")), ok, BOTH)
    yield case("elements within values", document(*some, person(9, forename=f"{CANARY}<b>{CANARY}</b>")), ok, BOTH)
    yield case("a value twice", document(*some, person(9, "<Born>1991-01-01</Born>")), ok, BOTH)
    yield case("a person within a person", document(*some, person(9, person(10))), None)
    yield case("no key", XML.replace(' id="R0003"', ""), ok, BOTH, BOTH - 2)
    yield case("a key twice", XML.replace("R0003", "R0002"), ok, BOTH)
    yield case("a wrong date", document(*some, person(9, dob="31/02/1990")), ok, BOTH, BOTH - 2)
    yield case("fifty thousand levels", lambda: document(*some, "<a>" * 50_000 + "</a>" * 50_000), None)
    yield case("three hundred levels", lambda: document(*some, "<a>" * 300 + "</a>" * 300), None)
    yield case("ten million levels, never closed", lambda: document(*some)[:-9] + "<a>" * 3_000_000, no)
    yield case(
        "fifty thousand attributes",
        lambda: document(*some, "<a " + " ".join(f'b{n}=""' for n in range(50_000)) + "/>"),
        None,
    )
    yield case(
        "a value of twenty million characters", lambda: document(*some, person(9, forename="x" * 20_000_000)), None
    )
    yield case(
        "an attribute of twelve million characters", lambda: document(*some, f'<a b="{"x" * 12_000_000}"/>'), None
    )
    yield case("a tag of a hundred thousand characters", lambda: document(*some, f"<{'a' * 100_000}/>"), None)
    yield case("fifty thousand visits", lambda: document(*some, person(9, '<Visit on="2026-02-01"/>' * 50_000)), ok)
    yield case("a byte order mark", b"\xef\xbb\xbf" + XML.encode(), ok, BOTH, BOTH)
    yield case("UTF-16", XML.replace("UTF-8", "UTF-16").encode("utf-16"), None, BOTH)
    yield case("UTF-16 that says UTF-8", XML.encode("utf-16"), None)
    yield case("Windows-1252 that says UTF-8", XML.replace("qx", "\u0153").encode("cp1252"), no)
    yield case(
        "Windows-1252 that says so",
        XML.replace("UTF-8", "windows-1252").replace("qx", "\u0153").encode("cp1252"),
        None,
        BOTH,
    )
    yield case("UTF-7", XML.replace("UTF-8", "UTF-7"))
    yield case("an unknown encoding", XML.replace("UTF-8", CANARY), no)
    yield case("a version to come", XML.replace('"1.0"', '"9.9"'))
    yield case("JSON", JSON, no)
    yield case("a page", f"<!DOCTYPE html><html><p>{CANARY}</html>", no)
    yield Case("packed", "xml", {f"a_{DAY}.xml.gz": lambda: gzip.compress(XML.encode())}, ok, BOTH, BOTH)
    yield Case(
        "packed in an archive", "xml", {f"a_{DAY}.zip": lambda: archive({f"a_{DAY}.xml": XML.encode()})}, ok, BOTH, BOTH
    )
    yield Case("packed and cut", "xml", {f"a_{DAY}.xml.gz": lambda: gzip.compress(XML.encode())[:-30]}, no)


# -- JSON -----------------------------------------------------------------------------------------------------------


def message(number: int, **more: Any) -> dict[str, Any]:
    ref, forename, surname, _, sex, since = row(number)
    said = {
        "ref": ref, "name": {"forename": forename, "surname": surname}, "dob": "1990-12-31", "sex": sex, "since": since,
        "visits": [{"on": "2026-02-01", "words": CANARY}],
    }  # fmt: skip
    return said | more


MESSAGES = [message(n) for n in range(ROWS)]
JSON = json.dumps({"people": MESSAGES})
LINES = "".join(json.dumps(m) + "\n" for m in MESSAGES)


def _json() -> Iterator[Case]:
    ok, no = "accepted", "rejected"

    def both(
        name: str, change: Callable[[str], str], fate: str | None = None, rows: int | None = None, good: int | None = None  # noqa: E501
    ) -> Iterator[Case]:  # fmt: skip
        """A change to one of six messages, in a document and in lines."""
        last = json.dumps(message(9))
        for contract, whole in (
            ("json", '{"people": [' + ", ".join([*map(json.dumps, MESSAGES[:-1]), change(last)]) + "]}"),
            ("jsonl", "".join(json.dumps(m) + "\n" for m in MESSAGES[:-1]) + change(last) + "\n"),
        ):
            fated = fate if contract == "jsonl" or fate != "line" else no
            counted = (rows, good)
            if fate == "line":
                fated, counted = (ok, (2 * ROWS - 1, 2 * ROWS - 2)) if contract == "jsonl" else (no, (None, None))
            yield Case(
                name,
                contract,
                {f"a_{DAY}.{contract}": partial(_bytes, whole)},
                fated,
                *counted,
            )

    def swapped(old: str, new: str) -> Callable[[str], str]:
        def change(text: str) -> str:
            assert old in text
            return text.replace(old, new, 1)

        return change

    yield from both("good", str, ok, BOTH, BOTH)
    for name, new in {
        "NaN": "NaN", "infinity": "-Infinity", "1e400": "1e400", "5,000 digits": "9" * 5000, "a number": "1.0",
        "a truth value": "true", "nothing": "null", "a list": "[]", "a list of lists": "[[[]]]", "an object": '{"a": {"b": 1}}',  # noqa: E501
    }.items():  # fmt: skip
        both_of_them = tuple(both(f"{name} for a date", swapped('"1990-12-31"', new), ok, BOTH))
        yield both_of_them[len(name) % 2]
    yield from both("5,000 digits for a key", swapped('"R0009"', "7" * 5000), ok, BOTH)
    yield from both("a number for a key", swapped('"R0009"', "9.50"), ok, BOTH)
    yield from both("nothing for a key", swapped('"R0009"', "null"), ok, BOTH)
    yield from both("an object for a key", swapped('"R0009"', '{"a": 1}'), None)
    yield from both("a list for a name", swapped(f'"{CANARY}son"', f'["{CANARY}", "{CANARY}"]'), None)
    yield from both("a text for an object", swapped('{"forename"', f'"{CANARY}", "x": {{"forename"'), None)
    yield from both("a text for a list", swapped('[{"on"', f'"{CANARY}", "x": [{{"on"'), None)
    yield from both("nothing for a list", swapped('[{"on"', 'null, "x": [{"on"'), ok, BOTH - 1)
    yield from both("an object for a list", lambda t: t.replace("[{", "{").replace("}]", "}"), ok, BOTH)
    yield from both("nulls in a list", swapped('[{"on"', '[null, null, {"on"'), None)
    yield from both("a key twice", swapped('{"ref": ', f'{{"ref": "{CANARY}", "ref": '), None)
    yield from both("half of a surrogate pair", swapped(f'"{CANARY}"', '"\\ud800"'), None)
    yield from both("a NUL", swapped(f'"{CANARY}"', '"a\\u0000b"'), None, BOTH)
    yield from both("a raw surrogate", swapped(f'"{CANARY}"', '"\ud800"'), None)
    yield from both("a raw line end in a text", swapped(f'"{CANARY}"', f'"{CANARY}\x0b"'), "line")
    yield from both("U+2028 in a text", swapped(f'"{CANARY}"', '"\u2028\u0085"'), ok, BOTH, BOTH)
    yield from both("a comma too many", swapped('"sex": "F"', '"sex": "F",,'), "line")
    yield from both("a comma at its end", lambda t: t[:-1] + ",}", "line")
    yield from both("a comment", lambda t: t + f" // {CANARY}", "line")
    yield from both("single quotation marks", lambda t: t.replace('"', "'"), "line")
    yield from both("a word", lambda t: CANARY, "line")
    yield from both("cut", lambda t: t[:40], "line")
    yield from both("a bad escape", swapped(f'"{CANARY}"', '"\\q"'), "line")
    yield from both("a hundred thousand lists", lambda t: "[" * 100_000 + "]" * 100_000, None)
    yield from both("a hundred thousand lists never closed", lambda t: "[" * 100_000, "line")
    yield from both("a hundred thousand objects", lambda t: '{"a":' * 100_000 + "1" + "}" * 100_000, None)
    yield from both(
        "fifty thousand keys", lambda t: t[:-1] + "".join(f', "k{n}": 1' for n in range(50_000)) + "}", ok, BOTH, BOTH
    )
    yield from both("a text of five million characters", swapped(f'"{CANARY}"', '"' + "x" * 5_000_000 + '"'), ok, BOTH)
    yield from both(
        "twenty thousand visits",
        swapped('[{"on"', "[" + '{"on": "2026-02-01"}, ' * 20_000 + '{"on"'),
        ok,
        BOTH + 20_000,
    )
    yield from both("a wrong date", swapped('"1990-12-31"', '"1990-02-31"'), ok, BOTH, BOTH - 2)
    yield from both("a purge of a text", lambda t: t[:-1] + ', "purge": "maybe"}', None)

    def whole(name: str, contract: str, data: str | bytes, fate: str | None = None, rows: int | None = None) -> Case:
        raw = data.encode() if isinstance(data, str) else data
        return Case(name, contract, {f"a_{DAY}.{contract}": lambda: raw}, fate, rows)

    for contract, good in (("json", JSON), ("jsonl", LINES)):
        none = ok if contract == "jsonl" else no  # of messages, a day may bring none
        yield whole("empty", contract, "", none, 0)
        yield whole("white space", contract, " \n\n ", none, 0)
        yield whole("a byte order mark", contract, b"\xef\xbb\xbf" + good.encode(), None, BOTH)
        yield whole("UTF-16", contract, good.encode("utf-16"), no)
        yield whole("Windows-1252", contract, good.replace("qx", "\u0153").encode("cp1252"), no)
        yield whole("NULs behind it", contract, good.encode() + bytes(64))
        yield whole("a scalar", contract, "5", no)
        yield whole("a text", contract, f'"{CANARY}"', no)
        yield whole("null", contract, "null", no)
        yield whole("CSV", contract, GOOD, no)
    yield whole("an empty object", "json", "{}", no)
    yield whole("an empty list", "json", "[]", no)
    yield whole("an empty list of people", "json", '{"people": []}', no)
    yield whole("people that are a text", "json", f'{{"people": "{CANARY}"}}', None)
    yield whole("people that are texts", "json", f'{{"people": ["{CANARY}", "{CANARY}"]}}', None)
    yield whole("two documents", "json", JSON + JSON, no)
    yield whole("lines under a document's name", "json", LINES, no)
    yield whole("a document under lines' name", "jsonl", json.dumps({"people": MESSAGES}, indent=1), no)
    yield whole("a list in one line", "jsonl", json.dumps(MESSAGES), no)
    yield whole("Windows line ends", "jsonl", LINES.replace("\n", "\r\n"), ok, BOTH)
    yield whole("blank lines", "jsonl", LINES.replace("\n", "\n\n  \n"), ok, BOTH)
    yield whole("carriage returns alone", "jsonl", LINES.replace("\n", "\r"), None)
    yield whole("the last line cut", "jsonl", LINES[:-20], ok, BOTH - 1)
    yield whole("a purge", "jsonl", LINES + '{"ref": "R0001", "purge": true}\n', ok, BOTH + 1)
    yield whole("a purge of nobody", "jsonl", LINES + '{"purge": true}\n', ok, BOTH + 1)
    yield whole("empty messages", "jsonl", LINES + "{}\n{}\n", ok, BOTH + 2)
    yield whole("all lines wrong", "jsonl", f"{CANARY}\n" * 6, no)


# -- fixed width and Parquet ----------------------------------------------------------------------------------------


def line(cells: list[str]) -> str:
    return "".join(cell.ljust(b - a + 1)[: b - a + 1] for cell, (a, b) in zip(cells, WIDTHS, strict=True))


FIXED = "".join(line(cells) + "\n" for cells in people())


def _fixed() -> Iterator[Case]:
    ok, no = "accepted", "rejected"

    def case(
        name: str, data: str | bytes, fate: str | None = None, rows: int | None = None, good: int | None = None
    ) -> Case:
        raw = data.encode() if isinstance(data, str) else data
        return Case(name, "fixed", {f"a_{DAY}.txt": lambda: raw}, fate, rows, good)

    yield case("good", FIXED, ok, ROWS, ROWS)
    yield case("empty", "", no)
    yield case("white space", "   \n  \n", no)
    yield case("Windows line ends", FIXED.replace("\n", "\r\n"), ok, ROWS, ROWS)
    yield case("carriage returns alone", FIXED.replace("\n", "\r"), None, ROWS)
    yield case("no line ends", FIXED.replace("\n", ""), None)
    yield case("a line too short", FIXED + line(row(9))[:30] + "\n", ok, ROWS + 1, ROWS)
    yield case("a line too long", FIXED + line(row(9)) + CANARY + "\n", None, ROWS + 1)
    yield case("a line of spaces", FIXED + " " * 57 + "\n", ok, ROWS, ROWS)
    yield case("a byte order mark", b"\xef\xbb\xbf" + FIXED.encode(), ok, ROWS, ROWS)
    yield case("a letter of two bytes", FIXED.replace(CANARY + " ", "Qu\u00e9tzalqx "), ok, ROWS, ROWS)
    yield case("tabs", FIXED.replace("  ", "\t"), None, ROWS)
    yield case("a header", HEADER + "\n" + FIXED, ok, ROWS + 1, ROWS)
    yield case("a NUL", FIXED.replace("R0003", "R00\x003"), None, ROWS)
    yield case("EBCDIC", FIXED.encode("cp500"), no)
    yield case("UTF-16", FIXED.encode("utf-16"), no)
    yield case("the end mark of DOS", FIXED + "\x1a")
    yield case("quotation marks", FIXED.replace("F2026", '"2026'), None, ROWS)
    yield case("shifted by one", "".join(f" {x}\n" for x in FIXED.splitlines()), no)
    yield case("CSV", GOOD, no)
    yield case("one line of three million characters", "x" * 3_000_000, no)
    yield case("a line of three million characters", FIXED + "x" * 3_000_000 + "\n", None, ROWS + 1)


def frame(count: int = ROWS) -> pl.DataFrame:
    return pl.DataFrame(sheet_rows(count), schema=COLUMNS, orient="row")


def parquet(made: pl.DataFrame | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    (frame() if made is None else made).write_parquet(out, **options)
    return out.getvalue()


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def _parquet() -> Iterator[Case]:
    ok, no = "accepted", "rejected"

    def case(name: str, make: Make, fate: str | None = None, rows: int | None = None, good: int | None = None) -> Case:
        return Case(name, "parquet", {f"a_{DAY}.parquet": make}, fate, rows, good)

    def changed(*columns: Any) -> Make:
        return lambda: parquet(frame().with_columns(*columns))

    yield case("good", parquet, ok, ROWS, ROWS)
    yield case("empty", lambda: b"", no)
    yield case("its marks alone", lambda: b"PAR1PAR1", no)
    yield case("marks and a length that lies", lambda: b"PAR1" + b"\xff\xff\xff\x7fPAR1", no)
    yield case("cut", lambda: parquet()[:-5], no)
    yield case("half", lambda: parquet()[: len(parquet()) // 2], no)
    yield case("its end alone", lambda: parquet()[100:], no)
    yield case("a bit changed in its data", lambda: _flip(parquet(compression="uncompressed", statistics=False), 30))
    yield case("a bit changed in its footer", lambda: _flip(parquet(), len(parquet()) - 60))
    yield case("packed data damaged", lambda: _flip(parquet(frame(5000), compression="zstd"), 200))
    yield case("encrypted", lambda: b"PARE" + parquet()[4:-4] + b"PARE", no)
    yield case("no rows", lambda: parquet(frame(0)), no)
    yield case("no columns", lambda: parquet(pl.DataFrame()), no)
    yield case("a column missing", lambda: parquet(frame().drop("since")), no)
    yield case("a column more", changed(pl.lit(CANARY).alias(CANARY)), no)
    yield case("dates", changed(pl.col("dob", "since").str.to_date()), ok, ROWS, ROWS)
    yield case("times", changed(pl.col("since").str.to_datetime(time_unit="ns")), ok, ROWS)
    yield case(
        "times with a zone",
        changed(pl.col("since").str.to_datetime().dt.replace_time_zone("Europe/London")),
        None,
        ROWS,
    )
    yield case("numbers as keys", changed(pl.int_range(pl.len()).alias("ref")), ok, ROWS, ROWS)
    yield case("fractions as keys", changed((pl.int_range(pl.len()) + 0.5).alias("ref")), None, ROWS)
    yield case("decimals as keys", changed(pl.Series("ref", [Decimal(n) for n in range(ROWS)])), None, ROWS)
    yield case("not a number", changed(pl.lit(float("nan")).alias("dob")), None, ROWS)
    yield case("truth values", changed(pl.lit(True).alias("sex")), None, ROWS)
    yield case("bytes", changed(pl.col("forename").cast(pl.Binary)), None, ROWS)
    yield case("bytes that are no text", changed(pl.lit(b"\xff\xfe").alias("forename")), None, ROWS)
    yield case("lists", changed(pl.concat_list("forename", "surname").alias("forename")), None)
    yield case("objects", changed(pl.struct("forename", "surname").alias("forename")), None)
    yield case("nothing at all", changed(pl.lit(None).alias("forename")), ok, ROWS, ROWS)
    yield case("categories", changed(pl.col("sex").cast(pl.Categorical)), ok, ROWS, ROWS)
    yield case("durations", changed(pl.duration(days=1).alias("dob")), None, ROWS)
    yield case("a date long ago", changed(pl.lit(date(1, 1, 1)).alias("dob")), None, ROWS)
    yield case("a time beyond years", changed(pl.lit(2**62).cast(pl.Datetime("us")).alias("dob")), None)
    yield case("headers in capitals", lambda: parquet(frame().rename(str.upper)), None, ROWS)
    yield case(
        "repeating fifty thousand times",
        lambda: parquet(pl.concat([frame(1)] * 50_000), statistics=False),
        ok,
        50_000,
        1,
    )
    yield case("CSV", lambda: GOOD.encode(), no)
    yield case("a workbook", workbook, no)


# -- several files --------------------------------------------------------------------------------------------------


def _several() -> Iterator[Case]:
    good, more = GOOD.encode(), GOOD.replace("R0", "S0").encode()
    a, b = f"a_{DAY}.csv", f"b_{DAY}.csv"
    yield Case("two good", "csv", {a: lambda: good, b: lambda: more}, "accepted", 2 * ROWS, 2 * ROWS)
    yield Case("the same twice", "csv", {a: lambda: good, b: lambda: good}, "accepted", 2 * ROWS, ROWS)
    yield Case("one good, one empty", "csv", {a: lambda: good, b: lambda: b""}, "rejected")
    yield Case("one good, one cut", "csv", {a: lambda: good, b: lambda: more[:30]}, "rejected")
    yield Case(
        "one good, one of a header alone", "csv", {a: lambda: good, b: lambda: HEADER.encode()}, "accepted", ROWS, ROWS
    )
    yield Case(
        "one plain, one packed", "csv", {a: lambda: good, f"{b}.gz": lambda: gzip.compress(more)}, "accepted", 2 * ROWS
    )
    yield Case(
        "one good, one packed and cut",
        "csv",
        {a: lambda: good, f"{b}.gz": lambda: gzip.compress(more)[:-9]},
        "rejected",
    )
    yield Case("under a name of signs", "csv", {f"a;`rm` $HOME '{DAY}'.CSV": lambda: good}, "accepted", ROWS, ROWS)


def cases() -> list[Case]:
    """All of them; their names with their contracts are unique."""
    made = [*_csv(), *_packed(), *_workbooks(), *_xml(), *_json(), *_fixed(), *_parquet(), *_several()]
    assert len({str(case) for case in made}) == len(made)
    return made
