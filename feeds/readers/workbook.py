"""Excel and OpenDocument workbooks: sheets into rows of text.

What belongs here: what a spreadsheet does to values. A merged cell's value stands in its first cell, and the others
are blank: a key that is merged over several rows leaves rows without a key, which the rule that it is given sets aside.
Of a formula the value counts that was last worked out. A number is read in full, however the sheet shows it; one of
more than 15 digits has lost the rest, and as an identifier is refused, not guessed.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from feeds.contracts import Column, Contract, Table, strptime
from feeds.readers import compound, frames
from feeds.readers.archives import SMALL, SPREAD, Source, whole
from feeds.readers.frames import CELL_ERROR, CUT_ID, HEADER_WITHIN, Rejected

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP = b"PK\x03\x04"
LARGEST = 256 << 20  # bytes of a workbook
UNFOLDED = 2 << 30
CELLS = 40_000_000  # from the first to the last one of a sheet
STRINGS = 1 << 30  # bytes of text in all cells
SERIAL = r"^[1-9]\d{4}(?:\.\d+)?$"  # a day as Excel counts it: 1927 to 2173
ISO = r"^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d+)?)?$"
LONG = r"^\d{16,}$"


def read(
    contract: Contract, tables: Sequence[Table], source: Source, notes: dict[str, str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each table's sheet; `_row` is the sheet's.

    Yields:
        At least one frame a table whose sheet is there, and it may have no rows.

    Raises:
        Rejected: it is no workbook of the contract's format, damaged, or larger than can be held; or a sheet is missing
            or has not its header.
    """
    data = whole(source, LARGEST, "Send the rows as CSV, or in several workbooks")
    _well(contract.format, data, source.name)
    book = _opened(data, source.name)
    sheets = {name.strip().casefold(): name for name in book.sheet_names}
    places = {name: f"sheet {number}" for number, name in enumerate(book.sheet_names, 1)}  # a name may be a person's
    early = contract.format != "xls" and _counts_from_1904(data)
    said: list[str] = []
    for table in tables:
        names = [sheets.get(table.sheet.strip().casefold())] if table.sheet else list(book.sheet_names)
        if names == [None] or not names:
            if table.optional:
                continue
            raise Rejected(
                source.name, f"the workbook should have a sheet {table.sheet!r}", "Send it with all its sheets"
            )
        if table.header_row is not None:
            names = names[:1]
        called = {name: f"sheet {table.sheet!r}" if table.sheet else places[name] for name in names if name is not None}
        loaded = [(name, *_loaded(book, name, called[name], source.name)) for name in called]
        sheet, frame, errors = max(loaded, key=lambda one: _best(table, one[1])[1])
        row = _best(table, frame)[0] if table.header_row is None else table.header_row
        _, found = _header(contract, table, frame, row, called[sheet], source.name)
        said.append(f"{called[sheet]}, " + (f"header in row {row}" if row else "no header"))
        columns = {c.name: c for c in table.columns}
        body = frame.slice(row).select(frame.columns[i] for i in found.values())
        body.columns = list(found)
        tidy = frames.tidied(body, found)
        tidy = tidy.with_columns(
            _dated(columns[name], early) for name in found if columns[name].type in ("date", "timestamp")
        )
        wrong = {name: [r - row for r, c in errors if c == i and r >= row] for name, i in found.items()}
        lost = {n: _lost(book, sheet, i, row, tidy[n]) for n, i in found.items() if frames.is_identifier(columns[n])}
        marked = _marked(table, tidy, wrong, lost)
        placed = frames.placed(marked, source.name, table, row + 1, pl.col("_fault"), pl.col("_at"))
        yield table.name, frames.empty(table)
        for part in frames.parts(placed):
            yield table.name, part
    notes[source.name] = "; ".join(said)


def _opened(data: bytes, file: str) -> Any:
    import fastexcel

    try:
        return fastexcel.read_excel(data)
    except BaseException as error:  # noqa: BLE001 - a damaged file may make the reader panic; the file is refused
        raise _unless_ours(
            error, Rejected(file, "the workbook should open", "Open it in Excel, save it again, and send it")
        ) from None


def _unless_ours(error: BaseException, refusal: Rejected) -> BaseException:
    return error if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError) else refusal


def _loaded(book: Any, sheet: str, called: str, file: str) -> tuple[pl.DataFrame, list[tuple[int, int]]]:
    """A sheet as text from its first row, and the row and column of each cell that holds an error, from 0.

    Args:
        called: what the sheet is called to whoever has to be told.
    """
    try:
        loaded = book.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string")
        if not loaded.height:
            return pl.DataFrame(), []
        batch, errors = loaded.to_arrow_with_errors()
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        return frame, [error.position for error in errors.errors] if errors else []
    except BaseException as error:  # noqa: BLE001 - as above
        raise _unless_ours(
            error, Rejected(file, f"{called} should open", "Open it in Excel, save it again, and send it")
        ) from None


def _best(table: Table, frame: pl.DataFrame) -> tuple[int, int]:
    """The row, from 1, that holds most of the table's headers, and how many."""
    rows = frame.head(HEADER_WITHIN).rows()
    fits = [frames.fits(table, row) for row in rows] or [0]
    best = max(range(len(fits)), key=lambda i: (fits[i], -i))
    return best + 1, fits[best]


def _header(
    contract: Contract, table: Table, frame: pl.DataFrame, row: int, called: str, file: str
) -> tuple[list[str], dict[str, int]]:
    if not row:
        return [], frames.in_order(table, frame.width, file)
    if row > frame.height:
        raise Rejected(file, f"{called} should have its header in row {row}", "Check the sheet and send it again")
    header = [cell or "" for cell in frame.row(row - 1)]
    body = frame.slice(row)
    for i, cell in enumerate(header):
        if not cell.strip() and body.to_series(i).null_count() < body.height:
            header[i] = f"column {i + 1}"  # nobody's, and something stands under it
    place = f"row {row}" if len(contract.tables) == 1 else f"row {row} of {called}"
    return header, frames.columns(contract, table, header, file, place)


def _marked(
    table: Table, rows: pl.DataFrame, wrong: dict[str, list[int]], lost: dict[str, pl.Series | None]
) -> pl.DataFrame:
    """The rows with `_fault` and `_at`: an error in a cell, or an identifier that has lost digits."""
    fault, at = frames.sheet_marks(table)
    faults, wheres = [fault], [at]
    for column in table.columns:
        for mask, sentence in ((_at(wrong[column.name], rows.height), CELL_ERROR), (lost.get(column.name), CUT_ID)):
            if mask is not None:
                faults.append(pl.when(pl.lit(mask)).then(pl.lit(sentence)))
                wheres.append(pl.when(pl.lit(mask)).then(pl.lit(f"column {column.physical}")))
    return rows.with_columns(pl.coalesce(faults).alias("_fault"), pl.coalesce(wheres).alias("_at"))


def _at(rows: list[int], height: int) -> pl.Series | None:
    return pl.int_range(height, eager=True).is_in(rows) if rows else None


def _lost(book: Any, sheet: str, column: int, row: int, text: pl.Series) -> pl.Series | None:
    """Which identifiers are numbers of more than 15 digits; text of as many digits is whole."""
    long = text.str.contains(LONG).fill_null(False)
    if not long.any():
        return None
    try:
        guessed = book.load_sheet(
            sheet, header_row=row - 1 if row else None, use_columns=[column], schema_sample_rows=None,
            dtype_coercion="strict",
        )  # fmt: skip
        if str(guessed.to_polars().dtypes[0]) == "String":
            return None
    except Exception:  # noqa: BLE001, S110 - numbers and text mixed: which is which is not told
        pass
    return long


def _dated(column: Column, early: bool) -> pl.Expr:
    """Days that stand as numbers, and dates that the contract writes in another way, as it writes them."""
    text = pl.col(column.name)
    form = strptime(column.format) if column.format else ("%Y-%m-%d" if column.type == "date" else "%Y-%m-%d %H:%M:%S")
    seconds = (text.cast(pl.Float64, strict=False) * 86_400).round().cast(pl.Int64, strict=False)
    start = pl.lit("1904-01-01" if early else "1899-12-30").str.to_datetime("%Y-%m-%d")
    value = pl.when(text.str.contains(SERIAL)).then(start + pl.duration(seconds=seconds)).dt.strftime(form)
    if column.format:
        whole = text.str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
        day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
        iso = pl.when(text.str.contains(ISO)).then(pl.coalesce(whole, day)).dt.strftime(form)
        return pl.coalesce(value, iso, text).alias(column.name)
    return pl.coalesce(value, text).alias(column.name)


# -- before it is opened --------------------------------------------------------------------------------------------


def _well(form: str, data: bytes, file: str) -> None:
    """Refuse what is no workbook of the format, or would unfold to more than can be held.

    Raises:
        Rejected: as said.
    """
    if not data:
        raise Rejected(file, "the file should hold rows and is empty", "Send it again")
    if form == "xls":
        if not data.startswith(OLE):
            raise Rejected(file, "the file should be an Excel 97 workbook (.xls)", "Save it as .xls and send it again")
        if not compound.ends(data):
            raise Rejected(file, "the workbook should open", "Open it in Excel, save it again, and send it")
        return
    kind = "an Excel workbook (.xlsx)" if form == "xlsx" else "an OpenDocument spreadsheet (.ods)"
    if data.startswith(OLE):
        raise Rejected(
            file, f"the workbook should open without a password, as .{form}", f"Remove the password, save as .{form}"
        )
    if not data.startswith(ZIP):
        raise Rejected(file, f"the file should be {kind}", f"Save it as .{form} and send it again")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            unfolded = sum(info.file_size for info in infos)
            if unfolded > UNFOLDED or (unfolded > SMALL and unfolded > SPREAD * len(data)):
                raise _too_large(file)
            if form == "xlsx":
                _sheets_of_excel(archive, file)
            else:
                _sheets_of_opendocument(archive, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, KeyError, OSError):
        raise Rejected(file, "the workbook should open", "Open it in Excel, save it again, and send it") from None


def _too_large(file: str) -> Rejected:
    return Rejected(
        file,
        f"a sheet should have at most {CELLS // 1_000_000} million cells from its first to its last, and 1 GB of text",
        "Delete what stands far from the rows, or send them as CSV",
    )


def _sheets_of_excel(archive: zipfile.ZipFile, file: str) -> None:
    """Refuse a sheet whose last cell is so far out, or whose texts are so long, that it could not be held."""
    lengths: list[int] = []
    for name in archive.namelist():
        if name.casefold().endswith("sharedstrings.xml"):
            lengths = [len(part) for part in archive.read(name).split(b"</si>")]
    longest = max(lengths, default=0)
    for name in archive.namelist():
        if "worksheets/" not in name or not name.endswith(".xml"):
            continue
        xml = archive.read(name)
        rows = max((int(n) for n in re.findall(rb'<(?:\w+:)?row\b[^>]{0,200}?\br="(\d{1,9})"', xml)), default=0)
        rows = (
            max(rows, *(int(n) for n in re.findall(rb'\br="[A-Z]{1,3}(\d{5,9})"', xml)), 0) if rows < 1 << 14 else rows
        )
        wide = max(re.findall(rb'\br="([A-Z]{2,3})\d', xml), key=lambda c: (len(c), c), default=b"Z")
        columns = 0
        for letter in wide:
            columns = columns * 26 + letter - 64
        if rows * columns > CELLS:
            raise _too_large(file)
        if longest * xml.count(b't="s"') > STRINGS:
            used = re.findall(rb't="s"[^>]*>\s*<(?:\w+:)?v>(\d{1,9})<', xml)
            if sum(lengths[int(n)] for n in used if int(n) < len(lengths)) > STRINGS:
                raise _too_large(file)


def _sheets_of_opendocument(archive: zipfile.ZipFile, file: str) -> None:
    """Refuse a sheet of repeated cells and rows that could not be held."""
    from lxml import etree

    cells, rows, filled, size = 0, 0, 0, 0
    with archive.open("content.xml") as content:
        steps = etree.iterparse(content, events=("end",), resolve_entities=False, no_network=True, load_dtd=False)
        try:
            for _, element in steps:
                kind = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
                if kind == "table":
                    rows = filled = 0
                elif kind == "table-row":
                    width, last = 0, 0
                    for cell in element:
                        width += _repeats(cell, "columns")
                        if len(cell) or any(str(k).endswith("}value-type") for k in cell.attrib):
                            last = width
                            size += (
                                _repeats(cell, "columns") * _repeats(element, "rows") * len("".join(cell.itertext()))
                            )
                    rows += _repeats(element, "rows")
                    if last:
                        filled, cells = rows, max(cells, last)
                    if filled * cells > CELLS or size > STRINGS:
                        raise _too_large(file)
                    element.clear()
        except etree.XMLSyntaxError:
            raise ValueError("not well-formed") from None


def _repeats(element: Any, what: str) -> int:
    said = next((v for k, v in element.attrib.items() if str(k).endswith(f"}}number-{what}-repeated")), "1")
    return int(said) if str(said).isdigit() else 1


def _counts_from_1904(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            book = archive.read("xl/workbook.xml") if "xl/workbook.xml" in archive.namelist() else b""
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError):
        return False
    return re.search(rb'date1904="(?:1|true)"', book) is not None
