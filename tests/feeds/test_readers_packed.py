"""Fixed width, Parquet, gzip and zip: what is read, and what is refused with a remedy."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest
from feedhouse import HEADER, Make

from feeds.contracts import Contract
from feeds.readers import Rejected, archives, faults, read

PERMITS = """\
  - name: permit
    properties:
      - {name: ref, logicalType: string, primaryKey: true, customProperties: [{property: position, value: [1, 4]}]}
      - {name: holder, logicalType: string, customProperties: [{property: position, value: [5, 12]}]}
      - {name: ends, logicalType: date, customProperties: [{property: position, value: [13, 22]}]}
"""
TYPED = """\
  - name: typed
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: born, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: seen, logicalType: timestamp}
      - {name: count, logicalType: integer}
      - {name: rent, logicalType: number}
      - {name: live, logicalType: boolean}
"""
ROW = b"1,Ann,Bo,,,2026-01-01\n"
SHEET = HEADER.encode() + ROW


class Pipe(io.RawIOBase):
    """A stream that cannot be sought in, and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self.inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.inner.read(min(size, 1000) if size > 0 else size)


def tables(contract: Contract, sent: dict[str, bytes], pipe: bool = False) -> dict[str, pl.DataFrame]:
    return read(contract, list(sent), lambda n: Pipe(sent[n]) if pipe else io.BytesIO(sent[n]))  # type: ignore[arg-type,return-value]


def rows(contract: Contract, data: bytes, name: str = "in/a", pipe: bool = False) -> pl.DataFrame:
    return next(iter(tables(contract, {name: data}, pipe).values()))


def refusal(contract: Contract, data: bytes, name: str = "in/a") -> str:
    with pytest.raises(Rejected) as caught:
        rows(contract, data, name)
    return str(caught.value)


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


# -- fixed width


def test_fixed_width_lines_are_cut_by_characters_and_blank_lines_skipped(make: Make) -> None:
    data = "0001Zoë Ångs2026-01-01\r\n\r\n    \n0002Bo      2026-02-01   \n0003short\n0004Bo      2026-02-01xx\n"
    contract = make(PERMITS, "fixed")
    found = rows(contract, data.encode())
    bad = "the line is as long as the contract's positions"
    assert found.select("_row", "ref", "holder", "ends", "_fault").rows() == [
        (1, "0001", "Zoë Ångs", "2026-01-01", None),
        (4, "0002", "Bo", "2026-02-01", None),
        (5, "0003", "short", None, bad),
        (6, "0004", "Bo", "2026-02-01", bad),
    ]
    assert (bad, "quarantine") in faults(contract)


def test_fixed_width_may_have_a_header_another_encoding_and_short_lines(make: Make) -> None:
    server = ", ".join(
        f"{{property: {k}, value: {v}}}"
        for k, v in {"headerRow": 2, "encoding": "windows-1252", "shortRows": "fill"}.items()
    )
    found = rows(make(PERMITS, "fixed", server=server), "Permits\nREF\n0001Zoë\n".encode("windows-1252"))
    assert found.select("_row", "ref", "holder", "_fault").rows() == [(3, "0001", "Zoë", None)]


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xff\xfe\xfd", b"0001\0"])
def test_a_fixed_width_file_that_is_no_text_is_refused(make: Make, data: bytes) -> None:
    refusal(make(PERMITS, "fixed"), data)


# -- Parquet


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


FRAME = pl.DataFrame(
    {
        "live": [True, None],
        "REF": [100012345678.0, 2.0**60],
        "born": [date(2010, 2, 1), None],
        "seen": [datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 2)],
        "count": [7, 8],
        "rent": [Decimal("12.50"), None],
    }
)


@pytest.mark.parametrize("pipe", [True, False])
def test_parquet_values_become_the_text_that_the_contract_reads(make: Make, pipe: bool) -> None:
    found = rows(make(TYPED, "parquet"), parquet(FRAME), pipe=pipe)
    assert found.row(0)[6:] == ("100012345678", "01/02/2010", "2026-01-02 03:04:05", "7", "12.50", "true")
    assert found["_row"].to_list() == [1, 2]
    assert found["_fault"].to_list() == [None, "no identifier was cut short by a spreadsheet, such as 1.23E+09"]


def test_parquet_that_is_damaged_or_holds_lists_or_other_columns_is_refused(make: Make) -> None:
    contract, good = make(TYPED, "parquet"), parquet(FRAME)
    for data in (
        b"",
        b"PAR1",
        good[:200],
        good[:-9],
        b"PARE" + good[4:],
        b"a,b\n1,2\n",
        good[:60] + b"\xff" * 40 + good[100:],
    ):
        refusal(contract, data)
    assert "the file should name the column rent" in refusal(contract, parquet(FRAME.drop("rent")))
    assert "it has more" in refusal(contract, parquet(FRAME.with_columns(more=1)))
    lists = FRAME.with_columns(count=pl.Series([[1], [2]]))
    assert "plain values" in refusal(contract, parquet(lists))


# -- gzip


@pytest.mark.parametrize("pipe", [True, False])
def test_gzip_is_read_in_all_its_members(make: Make, pipe: bool) -> None:
    data = gzip.compress(HEADER.encode()) + gzip.compress(ROW) + gzip.compress(ROW.replace(b"1,A", b"2,A"))
    assert rows(make(), data, "in/a_2026-11-20.csv.gz", pipe)["ref"].to_list() == ["1", "2"]


def test_gzip_that_is_cut_damaged_or_packed_twice_is_refused(make: Make) -> None:
    good = gzip.compress(SHEET * 1 + ROW * 500)
    for data in (good[:-5], good[:40], good[:30] + b"\0\0\0\0" + good[34:], b"no gzip", good + b"rubbish"):
        assert "breaks off or is damaged" in refusal(make(), data, "in/a.csv.gz")
    assert "packed twice" in refusal(make(), gzip.compress(good), "in/a.csv.gz")


def test_bombs_are_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SMALL", 1 << 20)
    bomb = HEADER.encode() + b"1,Ann,Bo,,,2026-01-01\n" * 200_000
    assert "unfold to at most" in refusal(make(), gzip.compress(bomb, 9), "in/a.csv.gz")
    assert "unfold to at most" in refusal(make(), packed(("a.csv", bomb)), "in/a.zip")


# -- zip


@pytest.mark.parametrize("pipe", [True, False])
def test_a_zip_may_hold_a_file_a_table_and_several_files_of_one(make: Make, pipe: bool) -> None:
    two = "".join(
        f"  - name: {name}\n    properties: [{{name: ref, logicalType: string}}]\n"
        f"    customProperties: [{{property: file, value: 'in/{name}_*.csv'}}]\n"
        for name in ("header", "episodes")
    )
    data = packed(
        ("out/header_1.csv", b"ref\n1\n"), ("episodes_1.csv", b"ref\n2\n"), ("episodes_2.csv", b"ref\n3\n"),
        ("__MACOSX/._episodes_1.csv", b"junk"),
    )  # fmt: skip
    found = tables(make(two), {"in/header_2026-11-20.zip": data}, pipe)
    assert found["header"]["ref"].to_list() == ["1"]
    assert found["episodes"].select("_file", "ref").rows() == [
        ("in/header_2026-11-20.zip/episodes_1.csv", "2"),
        ("in/header_2026-11-20.zip/episodes_2.csv", "3"),
    ]
    with pytest.raises(Rejected, match=r"in/episodes_\*.csv: the delivery should hold"):
        tables(make(two), {"in/header_2026-11-20.zip": packed(("header_1.csv", b"ref\n1\n"))})


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.csv")
    info.external_attr = 0o120777 << 16
    return info


def locked() -> bytes:
    data = bytearray(packed(("a.csv", SHEET)))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + at
        data[place : place + 2] = struct.pack("<H", struct.unpack("<H", data[place : place + 2])[0] | 1)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (packed(("../a.csv", SHEET)), "stays within the archive"),
        (packed(("/etc/a.csv", SHEET)), "stays within the archive"),
        (packed(("c:/a.csv", SHEET)), "stays within the archive"),
        (packed((link(), b"/etc/passwd")), "is a link or a device"),
        (packed(("b.zip", packed(("a.csv", SHEET)))), "not be an archive itself"),
        (packed(("b.csv.gz", gzip.compress(SHEET))), "not be an archive itself"),
        (packed(("a.csv", SHEET), ("A.CSV", SHEET)), "each name should stand once"),
        (packed(*((f"{i}.csv", SHEET) for i in range(1001))), "at most 1000 files"),
        (locked(), "should not have a password"),
        (packed(("a.csv", SHEET))[:-30], "does not open"),
        (packed(("a.csv", SHEET)).replace(b"a.csv", b"a.cs\n"), "plain name"),
        (packed(("empty/", b"")), "and is empty"),
        (b"PK\x03\x04", "does not open"),
        (b"", "does not open"),
    ],
)  # fmt: skip
def test_a_zip_that_is_a_trap_or_damaged_is_refused(make: Make, data: bytes, said: str) -> None:
    assert said in refusal(make(), data, "in/a.zip")


def test_a_member_that_was_damaged_is_refused(make: Make) -> None:
    data = bytearray(packed(("a.csv", SHEET + ROW * 100)))
    data[60] ^= 0xFF
    assert "breaks off or is damaged" in refusal(make(), bytes(data), "in/a.zip")
