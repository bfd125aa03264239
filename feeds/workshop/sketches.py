"""A first look at a file that no contract describes: its format, its tables and their cells as text.

What belongs here: finding out how a sample is laid out, for `drafting`. Reading deliveries belongs in `readers`, which
guesses nothing that a contract does not say.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import polars as pl

from warehouse.site import SiteError

SAMPLE = 32 * 2**20  # bytes that are looked at
ROWS = 20_000
DELIMITERS = ",;|\t~^"
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# what no column is called: numbers of five digits and more, days, electronic addresses, postcodes
VALUE = re.compile(
    r"\d{5}|\S@\S|^\d{1,4}([-/. ])(\d\d?|[A-Za-z]{3})\1\d{2,4}\b|^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$|^(\d ?){9}",
    re.IGNORECASE,
)
BOOKS = (".xlsx", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True)
class Sketch:
    """One table of a sample.

    Attributes:
        name: an identifier made of the file's, sheet's or record's name.
        physical: record path in XML or JSON, else empty.
        custom: what a contract would say of the table: sheet, headerRow, file.
        frame: cells as text, by header (path below the record in XML and JSON); empty cells are null.
        positions: of each column in a fixed-width file, from and to, counted from 1.
    """

    name: str
    frame: pl.DataFrame
    physical: str = ""
    custom: Mapping[str, Any] = field(default_factory=dict)
    positions: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A file as sketched: the contract's format, what the server block would say, and its tables."""

    format: str
    server: Mapping[str, Any]
    tables: tuple[Sketch, ...]


def sketch(path: Path) -> Sample:
    """Look at a sample.

    Raises:
        SiteError: it is empty, encrypted, or in no format that is known here; with what to do.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SAMPLE)
    except OSError:
        raise SiteError([f"{path.name}: it cannot be read. Check the path and its permissions."]) from None
    return _sketched(path.name, data)


def identifier(text: str) -> str:
    """A name as the dialect wants it: lower case, digits and underscores, never beginning with either."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", text)
    plain = re.sub(r"\W+", "_", spaced.lower(), flags=re.ASCII).strip("_")
    return plain if plain[:1].isalpha() else f"column_{plain}".rstrip("_")


def _sketched(name: str, data: bytes) -> Sample:
    ending = PurePath(name).suffix.lower()
    if not data.strip():
        raise SiteError([f"{name}: it is empty. Ask for a sample with some rows."])
    if data.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(data)) as file:
            return _sketched(name.removesuffix(PurePath(name).suffix), file.read(SAMPLE))
    if data.startswith(b"PAR1"):
        table = Sketch(identifier(PurePath(name).stem), _text(pl.read_parquet(io.BytesIO(data)).head(ROWS)))
        return Sample("parquet", {}, (table,))
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) and ending in BOOKS:
        return Sample({".xls": "xls", ".ods": "ods"}.get(ending, "xlsx"), {}, tuple(_sheets(name, data)))
    if data.startswith(b"PK\x03\x04"):
        return _archive(name, data)
    if data.startswith((b"-----BEGIN PGP", b"\x85", b"\xc1")):
        raise SiteError([f"{name}: it is encrypted. Draft from a sample that you can read."])
    text, server = _decoded(data)
    start = text.lstrip()[:1]
    if start == "<":
        return Sample("xml", {}, tuple(_trees("", _xml(name, data))))
    if start in ("{", "["):
        return _json(name, text)
    return _lines(name, text, server)


def _text(frame: pl.DataFrame) -> pl.DataFrame:
    text = frame.select(pl.all().cast(pl.String, strict=False).str.strip_chars())
    return text.select(pl.when(pl.all().str.len_bytes() > 0).then(pl.all()))


def _decoded(data: bytes) -> tuple[str, dict[str, Any]]:
    """The sample's text, and what a contract would say of its encoding; a character cut in two at its end is left."""
    mark = next((name for bom, name in MARKS if data.startswith(bom)), None)
    if mark:
        return data.decode(mark, errors="ignore").removeprefix("\ufeff"), {"encoding": mark} if mark != "utf-8" else {}
    try:
        return data.decode("utf-8"), {}
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4:
            return data[: error.start].decode("utf-8"), {}
    return data.decode("windows-1252", errors="replace"), {"encoding": "windows-1252"}


# -- rows of cells ---------------------------------------------------------------------------------------------------


def _lines(name: str, text: str, server: dict[str, Any]) -> Sample:
    """Delimited text, or fixed width where no delimiter parts the lines alike."""
    stem = identifier(re.sub(r"^[\d_-]+|[\d_-]{6,}", "", PurePath(name).stem) or "rows")
    found = max((_parted(text, delimiter) for delimiter in DELIMITERS), key=lambda f: f[0])
    if found[0] <= 0:
        return Sample("fixed", server, (_fixed(stem, text),))
    _, delimiter, rows = found
    at = _header(rows)
    said = server | ({"delimiter": delimiter} if delimiter != "," else {})
    custom = {} if at == 0 else {"headerRow": 0 if at is None else at + 1}
    return Sample("csv", said, (Sketch(stem, _cells(rows, at), custom=custom),))


def _parted(text: str, delimiter: str) -> tuple[float, str, list[list[str]]]:
    """How well a delimiter parts the lines (cells of the usual row, times the share of rows that have as many)."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            rows.append(row)
            if len(rows) > ROWS:
                break
    except csv.Error:
        return 0, delimiter, []
    widths = Counter(len(row) for row in rows if any(cell.strip() for cell in row))
    width, times = widths.most_common(1)[0] if widths else (0, 0)
    share = times / max(1, sum(widths.values()))
    return (width * share if width > 1 and share > 0.6 else 0), delimiter, rows


def _header(rows: Sequence[Sequence[str]]) -> int | None:
    """Which row names the columns: the first that is as full as the fullest, its cells distinct and no figures.

    None where the first full row is of values as those below it: names of columns go into a contract, values must not.
    """
    fullest = max((sum(bool(c.strip()) for c in row) for row in rows[:200]), default=0)
    full = [i for i, row in enumerate(rows[:50]) if sum(bool(c.strip()) for c in row) >= max(1, 0.7 * fullest)]
    for before, i in zip([None, *full], full, strict=False):
        cells = [c.strip() for c in rows[i] if c.strip()]
        if _told(rows, i):
            return before
        if len(set(cells)) == len(cells) and all(re.search(r"[^\W\d]", c) for c in cells):
            return i
    return full[0] if full else 0


def _told(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a row holds values: figures alone, what looks like a date or a number of somebody, what others hold."""
    cells = [c.strip() for c in rows[at]]
    given = [c for c in cells if c]
    if any(VALUE.search(c) for c in given) or 2 * sum(bool(re.search(r"[^\W\d]", c)) for c in given) < len(given):
        return True
    below = [row for row in rows[at + 1 :] if [c.strip() for c in row] != cells]
    return any(cell and any(i < len(row) and row[i].strip() == cell for row in below) for i, cell in enumerate(cells))


def _cells(rows: Sequence[Sequence[str]], at: int | None) -> pl.DataFrame:
    """Rows below a header as columns by its cells, or by number; what stands beyond the header is left out."""
    width = max(map(len, rows))
    header = [f"column_{i + 1}" for i in range(width)] if at is None else [c.strip() for c in rows[at]]
    below = [row for row in rows[0 if at is None else at + 1 :] if any(c.strip() for c in row)]
    columns = {
        name: pl.Series([row[i] if i < len(row) else None for row in below], dtype=pl.String)
        for i, name in enumerate(header)
        if name and header.index(name) == i
    }
    return _text(pl.DataFrame(columns))


def _fixed(stem: str, text: str) -> Sketch:
    """Columns where all lines begin anew after a blank, or go from a figure to a letter."""
    lines = [line for line in text.splitlines()[:2_000] if line.strip()]
    width = max(len(line) for line in lines)
    padded = [line.ljust(width) for line in lines]
    blank = [all(line[i] == " " for line in padded) for i in range(width)]
    turn = [i > 0 and all(line[i - 1].isdigit() and line[i].isalpha() for line in padded) for i in range(width)]
    starts = [i for i in range(width) if turn[i] or (not blank[i] and (i == 0 or blank[i - 1]))]
    ends = [*(b for b in starts[1:]), width]
    named = {f"column_{n}": (a + 1, b) for n, (a, b) in enumerate(zip(starts, ends, strict=True), 1)}
    frame = pl.DataFrame({name: [line[a - 1 : b] for line in padded] for name, (a, b) in named.items()})
    return Sketch(stem, _text(frame), positions=named)


def _sheets(name: str, data: bytes) -> Iterator[Sketch]:
    import fastexcel

    try:
        book = fastexcel.read_excel(data)
    except Exception:  # noqa: BLE001 - whatever the reader makes of a damaged or locked workbook
        raise SiteError([f"{name}: the workbook does not open. Save it again without a password."]) from None
    for sheet in book.sheet_names:
        frame = book.load_sheet(sheet, header_row=None, dtypes="string", n_rows=ROWS).to_polars()
        rows = [[cell or "" for cell in row] for row in frame.rows()]
        if rows:
            at = _header(rows)
            yield Sketch(
                identifier(sheet), _cells(rows, at), custom={"sheet": sheet, "headerRow": 0 if at is None else at + 1}
            )


def _archive(name: str, data: bytes) -> Sample:
    """An archive's members, which are of one format, as tables of one feed."""
    parts: list[tuple[str, Sample]] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in sorted(archive.namelist()):
                if not member.endswith("/"):
                    with archive.open(member) as file:
                        parts.append((member, _sketched(PurePath(member).name, file.read(SAMPLE))))
    except (zipfile.BadZipFile, RuntimeError, OSError):
        raise SiteError([f"{name}: the archive does not open. Make it again without a password."]) from None
    if len({part.format for _, part in parts}) != 1:
        raise SiteError([f"{name}: its files are of several formats. Draft a contract from each of them."])
    tables = [
        Sketch(t.name, t.frame, t.physical, {**t.custom, "file": PurePath(member).name}, t.positions)
        for member, part in parts
        for t in part.tables
    ]
    return Sample(parts[0][1].format, parts[0][1].server, tuple(tables))


# -- nested records --------------------------------------------------------------------------------------------------


def _xml(name: str, data: bytes) -> dict[str, Any]:
    """A document as nested dictionaries; what stands several times under one parent anywhere is a list everywhere."""
    from lxml import etree

    try:
        root = etree.fromstring(
            data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
        )
    except etree.XMLSyntaxError as error:
        line = error.lineno or 1
        raise SiteError([f"{name}: it is not whole, well-formed XML at line {line}. Ask for it again."]) from None

    def local(tag: Any) -> str:
        return str(tag).rpartition("}")[2]

    several: set[str] = set()

    def count(element: Any, path: str) -> None:
        tags = Counter(local(c.tag) for c in element if isinstance(c.tag, str))
        for tag, times in tags.items():
            holder = len(tags) == 1 and any(len(c) for c in element)  # holds records of one kind, here only one
            if times > 1 or holder:
                several.add(f"{path}/{tag}")
        for child in element:
            if isinstance(child.tag, str):
                count(child, f"{path}/{local(child.tag)}")

    def plain(element: Any, path: str) -> Any:
        made: dict[str, Any] = {f"@{local(k)}": str(v) for k, v in element.attrib.items()}
        for child in (c for c in element if isinstance(c.tag, str)):
            below, tag = f"{path}/{local(child.tag)}", local(child.tag)
            value = plain(child, below)
            if below in several:
                made.setdefault(tag, []).append(value)
            else:
                made[tag] = value
        text = (element.text or "").strip()
        if not made:
            return text or None
        return made

    count(root, local(root.tag))
    return {local(root.tag): plain(root, local(root.tag))}


def _json(name: str, text: str) -> Sample:
    try:
        whole = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        messages = []
        for line in text.splitlines()[:ROWS]:
            try:
                messages.append(json.loads(line, parse_float=str, parse_int=str))
            except ValueError:
                continue
        if not messages:
            raise SiteError([f"{name}: it is neither JSON nor JSON lines. Ask for it again."]) from None
        return Sample("jsonl", {}, tuple(_trees("", messages)))
    if isinstance(whole, dict) and "\n{" in text:
        return Sample("jsonl", {}, tuple(_trees("", [whole])))
    return Sample("json", {}, tuple(_trees("", whole)))


def _trees(path: str, value: Any) -> Iterator[Sketch]:
    """Tables of a tree: each list of records is one, and what a record holds once is its columns."""
    if isinstance(value, list):
        yield from _records(path, value)
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _trees(f"{path}/{key}".lstrip("/"), below)


def _records(path: str, records: list[Any]) -> Iterator[Sketch]:
    rows: list[dict[str, str]] = []
    nested: dict[str, list[Any]] = {}

    def flatten(value: Any, at: str, row: dict[str, str]) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                flatten(below, f"{at}/{key}".lstrip("/"), row)
        elif isinstance(value, list):
            nested.setdefault(at, []).extend(value)
        elif value is not None:
            row[at or "."] = str(value).lower() if isinstance(value, bool) else str(value)

    for record in records[:ROWS]:
        row: dict[str, str] = {}
        flatten(record, "", row)
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame({name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names})
    name = identifier(path.rpartition("/")[2] or "message")
    if names:
        yield Sketch(name, _text(frame), physical=path or ".")
    for below, values in nested.items():
        yield from _records(f"{path}/{below}".lstrip("/"), values)
