"""Files into tables of text: CSV, Excel, XML, JSON and JSON lines, as a contract describes them.

What belongs here: from bytes in memory to one frame of strings a table, or a refusal of the whole file that says what
was expected and what to do, and never a value. What the text means belongs in `parsing` and `mapping`.

Every frame has, beside the contract's columns, `_file`, `_row` (as a person would count it: the row of a sheet, the
line of JSON lines, else the how-manyth record), `_parent` (the row of the record that it is nested in), `_message`
(the row of the message that it came in) and `_fault` (set where the row could not be read as one).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

import polars as pl

from feeds.contracts import Contract, Table

Content = Callable[[str], BinaryIO]

PLACE = {"_file": pl.String, "_row": pl.Int64, "_parent": pl.Int64, "_message": pl.Int64, "_fault": pl.String}
LONG_ROW = "the row has no more cells than its header"
BAD_LINE = "the line is one whole JSON message"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP = b"PK\x03\x04"
MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
DEPTH = 60  # of nested JSON


class Rejected(Exception):
    """A whole delivery is refused: which file, what was expected of it, and what to do."""

    def __init__(self, file: str, expectation: str, remedy: str) -> None:
        super().__init__(f"{file}: {expectation}. {remedy}.")
        self.file, self.expectation, self.remedy = file, expectation, remedy


def read(contract: Contract, files: Sequence[str], content: Content) -> dict[str, pl.DataFrame]:
    """Read a delivery's files into one frame of text a table of the contract.

    Args:
        contract: what the files should hold.
        files: their paths below the drop folder, as the contract's patterns know them.
        content: opens a file's bytes.

    Raises:
        Rejected: a file is not what the contract says.
    """
    parts: dict[str, list[pl.DataFrame]] = {table.name: [] for table in contract.tables}
    if contract.format == "csv":
        for table in contract.tables:
            pattern = table.file or contract.globs[0]
            mine = [f for f in sorted(files) if fnmatchcase(f, pattern)]
            if not mine and not table.optional:
                raise Rejected(
                    pattern,
                    f"the delivery should hold a file of this name, for {table.name}",
                    "Send all files of the delivery together, named with one date",
                )
            parts[table.name] += [_csv(contract, table, file, content(file).read()) for file in mine]
    else:
        reader = {"xlsx": _workbook, "xml": _xml, "json": _json, "jsonl": _json_lines}[contract.format]
        for file in sorted(files):
            data = content(file).read()
            if not data.strip():
                raise Rejected(file, "the file should hold rows and is empty", "Send it again")
            for name, frame in reader(contract, file, data).items():
                parts[name].append(frame)
    tables = {
        table.name: pl.concat(parts[table.name]) if parts[table.name] else _empty(table) for table in contract.tables
    }
    if contract.delivery == "snapshot" and not any(frame.height for frame in tables.values()):
        raise Rejected(
            sorted(files)[0],
            "a snapshot should hold rows, and this one would withdraw everything",
            "Check the extract and send it again",
        )
    return tables


def _empty(table: Table) -> pl.DataFrame:
    return pl.DataFrame(schema={**PLACE, **{c.name: pl.String for c in table.all_columns}})


def _tidy(frame: pl.DataFrame) -> pl.DataFrame:
    """Spaces around a value go, and what is empty then is null."""
    text = pl.col(pl.String).exclude("_file", "_fault").str.strip_chars()
    return frame.with_columns(pl.when(text.str.len_bytes() > 0).then(text).name.keep())


def _placed(frame: pl.DataFrame, file: str, first: int, columns: Iterable[str], fault: pl.Expr) -> pl.DataFrame:
    """A sheet's or CSV file's rows with their places, blank rows left out."""
    columns = list(columns)
    return (
        _tidy(frame)
        .with_row_index("_row", offset=first)
        .filter(pl.any_horizontal(pl.col(columns).is_not_null()) | fault.is_not_null())
        .select(
            pl.lit(file).alias("_file"),
            pl.col("_row").cast(pl.Int64),
            pl.lit(None, pl.Int64).alias("_parent"),
            pl.col("_row").cast(pl.Int64).alias("_message"),
            fault.alias("_fault"),
            *columns,
        )
    )


# -- CSV ------------------------------------------------------------------------------------------------------------


def decoded(data: bytes, encoding: str, file: str) -> str:
    """A file's text in the contract's encoding; a byte order mark is taken off, and refused if it says otherwise.

    Raises:
        Rejected: it is not text in that encoding.
    """
    plain = encoding.lower().replace("_", "-").removesuffix("-sig")
    mark = next((name for bom, name in MARKS.items() if data.startswith(bom)), None)
    if mark and not plain.startswith(mark):
        raise Rejected(
            file,
            f"the file should be in {encoding}, and its first bytes say {mark}",
            f"Save it as {encoding}, or agree {mark} in the contract",
        )
    try:
        text = data.decode("utf-8-sig" if plain == "utf-8" else encoding)
    except UnicodeError as error:
        row = data.count(b"\n", 0, getattr(error, "start", 0) or 0) + 1
        raise Rejected(
            file,
            f"the file should be in {encoding}; line {row} is not",
            f"Save it as {encoding}, or agree another encoding in the contract",
        ) from None
    if "\0" in text:
        raise Rejected(file, f"the file should be text in {encoding} and holds NUL characters", "Save it as plain text")
    return text


def _csv(contract: Contract, table: Table, file: str, data: bytes) -> pl.DataFrame:
    text = decoded(data, contract.encoding, file)
    if not text.strip():
        raise Rejected(file, "the file should hold a header and rows, and is empty", "Send it again")
    lines = text.split("\n", table.header_row)
    if len(lines) < table.header_row:
        raise Rejected(file, f"the header should stand in row {table.header_row}", "Send it with its header")
    line = lines[table.header_row - 1].rstrip("\r")
    body = lines[table.header_row] if len(lines) > table.header_row else ""
    try:
        header = next(csv.reader([line], delimiter=contract.delimiter, quotechar=contract.quote), [])
    except csv.Error:
        header = [line]
    found = _columns(contract, table, header, file)
    names = [f"_{i}" for i in range(len(header))]
    try:
        frame = pl.read_csv(
            body.encode() or b"\n",
            has_header=False,
            separator=contract.delimiter,
            quote_char=contract.quote,
            schema=dict.fromkeys((*names, "_beyond"), pl.String),
            missing_columns="insert",
            truncate_ragged_lines=True,
        )
    except (pl.exceptions.PolarsError, ValueError):
        raise Rejected(  # the parser's own words hold values
            file,
            "each quotation mark should be closed within its value",
            "Look for a quotation mark within a value or a file that was cut, and send it again",
        ) from None
    # a header cell that is empty is nobody's: what stands under it must be nothing
    nameless = [names[i] for i, cell in enumerate(header) if not cell.strip()]
    beyond = pl.any_horizontal(pl.col(["_beyond", *nameless]).str.strip_chars().str.len_bytes() > 0)
    frame = frame.with_columns(pl.when(beyond).then(pl.lit(LONG_ROW)).alias("_fault"))
    frame = frame.select(*(pl.col(names[i]).alias(name) for name, i in found.items()), "_fault")
    return _placed(frame, file, table.header_row + 1, found, pl.col("_fault"))


def _columns(contract: Contract, table: Table, header: Sequence[str], file: str) -> dict[str, int]:
    """Where each of the contract's columns stands.

    Raises:
        Rejected: one is missing, stands twice, or a column came that was not agreed.
    """
    cells = [cell.strip().strip("\ufeff").casefold() for cell in header]
    wanted = {c.name: c.physical.strip().casefold() for c in table.columns}
    missing = [c.physical for c in table.columns if wanted[c.name] not in cells]
    if missing:
        few = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        one = len(cells) == 1 < len(wanted)
        raise Rejected(
            file,
            f"row {table.header_row} should name the column{'s' * (len(missing) > 1)} {few}",
            f"Check that values are separated by {contract.delimiter!r}"
            if one and contract.format == "csv"
            else "Send the extract with these columns, or agree the change in the contract",
        )
    repeated = [c.physical for c in table.columns if cells.count(wanted[c.name]) > 1]
    if repeated:
        raise Rejected(file, f"column {repeated[0]} should stand once in the header", "Remove the other and send again")
    extra = [i + 1 for i, cell in enumerate(cells) if cell and cell not in wanted.values()]
    if extra and contract.extra_columns == "reject":
        where = ", ".join(map(str, extra[:6]))
        raise Rejected(
            file,
            f"the file should hold the {len(wanted)} columns of the contract and no other; it has more, in position "
            f"{where}",
            "Leave out what was not agreed, or agree it in the contract",
        )
    return {name: cells.index(cell) for name, cell in wanted.items()}


# -- Excel ----------------------------------------------------------------------------------------------------------


def _workbook(contract: Contract, file: str, data: bytes) -> dict[str, pl.DataFrame]:
    import fastexcel

    if data.startswith(OLE):
        raise Rejected(
            file, "the workbook should open without a password, as .xlsx", "Remove the password, save as .xlsx"
        )
    if not data.startswith(ZIP):
        raise Rejected(file, "the file should be an Excel workbook (.xlsx)", "Save it as .xlsx and send it again")
    try:
        book = fastexcel.read_excel(data)
        sheets = {name.strip().casefold(): name for name in book.sheet_names}
    except Exception:  # noqa: BLE001 - whatever the reader makes of a damaged file, the file is refused
        raise Rejected(file, "the workbook should open", "Open it in Excel, save it again, and send it") from None
    tables: dict[str, pl.DataFrame] = {}
    for table in contract.tables:
        wanted = (table.sheet or book.sheet_names[0]).strip().casefold()
        if wanted not in sheets:
            if table.optional:
                continue
            raise Rejected(file, f"the workbook should have a sheet {table.sheet!r}", "Send it with all its sheets")
        try:
            loaded = book.load_sheet(sheets[wanted], header_row=table.header_row - 1, dtypes="string")
            frame = loaded.to_polars()
        except Exception:  # noqa: BLE001 - as above
            raise Rejected(
                file,
                f"sheet {sheets[wanted]!r} should have its header in row {table.header_row}",
                "Check the sheet and send it again",
            ) from None
        header = ["" if name.startswith("__UNNAMED__") else name for name in frame.columns]
        blank = [i for i, cell in enumerate(header) if not cell]
        used = [i for i in blank if frame.to_series(i).null_count() < frame.height]
        header = [f"column {i + 1}" if i in used else cell for i, cell in enumerate(header)]
        found = _columns(contract, table, header, file)
        frame = frame.select(pl.col(frame.columns[i]).cast(pl.String).alias(name) for name, i in found.items())
        tables[table.name] = _placed(frame, file, table.header_row + 1, found, pl.lit(None, pl.String))
    return tables


# -- nested records -------------------------------------------------------------------------------------------------


class _Nest:
    """Tables being filled from a tree, walked once: a record opens a row, a leaf fills a cell of the open row."""

    def __init__(self, contract: Contract) -> None:
        self.tables = contract.tables
        self.by_path = {t.path: i for i, t in enumerate(self.tables)}
        self.leaves: dict[str, list[tuple[int, str]]] = {}
        for i, table in enumerate(self.tables):
            for column in table.columns:
                path = f"{table.path}/{column.physical}".lstrip("/") if column.physical != "." else table.path
                self.leaves.setdefault(path, []).append((i, column.name))
        self.cells: list[dict[str, list[str | None]]] = [{c.name: [] for c in t.columns} for t in self.tables]
        self.place: list[dict[str, list[Any]]] = [{"parent": [], "message": [], "line": []} for _ in self.tables]
        index = {t.name: i for i, t in enumerate(self.tables)}
        self.parents = [index[t.parent] if t.parent else None for t in self.tables]
        self.line = 0
        self.faults: list[int] = []

    def open(self, path: str) -> None:
        """Begin a row of the table whose record this path is."""
        i = self.by_path[path]
        parent = self.parents[i]
        for values in self.cells[i].values():
            values.append(None)
        place = self.place[i]
        place["parent"].append(None if parent is None else len(self.place[parent]["line"]) - 1)
        place["line"].append(self.line)
        up = None if parent is None else self.place[parent]["message"]
        place["message"].append((up[-1] if up else None) if parent is not None else len(place["line"]) - 1)

    def fill(self, path: str, text: str) -> None:
        """Set the cell of a leaf in the open row; a repeated leaf keeps all its values."""
        for i, name in self.leaves.get(path, ()):
            values = self.cells[i][name]
            if values:
                values[-1] = text if values[-1] is None else f"{values[-1]}; {text}"

    def frames(self, file: str, lines: bool) -> dict[str, pl.DataFrame]:
        """The tables, each row with its ancestors' keys."""
        made: dict[str, pl.DataFrame] = {}
        for i, table in enumerate(self.tables):
            place = self.place[i]
            own = pl.DataFrame(self.cells[i], schema={c.name: pl.String for c in table.columns})
            row = pl.Series(place["line"], dtype=pl.Int64) if lines and table.parent is None else None
            frame = own.with_columns(
                pl.lit(file).alias("_file"),
                (pl.int_range(1, pl.len() + 1, dtype=pl.Int64) if row is None else row).alias("_row"),
                pl.Series("_parent", place["parent"], pl.Int64),
                pl.Series("_message", place["message"], pl.Int64),
                pl.lit(None, pl.String).alias("_fault"),
            )
            if table.parent:
                above = made[table.parent]
                names = [c.name for c in table.above]
                frame = frame.with_columns(
                    *(above[name].gather(frame["_parent"]).alias(name) for name in names),
                    above["_row"].gather(frame["_parent"]).alias("_parent"),
                    above["_message"].gather(frame["_parent"]).alias("_message"),
                )
            else:
                frame = frame.with_columns(_parent=pl.lit(None, pl.Int64), _message=pl.col("_row"))
                if self.faults and not made:
                    bad = pl.DataFrame({"_row": self.faults}, schema={"_row": pl.Int64}).with_columns(
                        _file=pl.lit(file), _message=pl.col("_row"), _fault=pl.lit(BAD_LINE)
                    )
                    frame = pl.concat([frame, bad], how="diagonal").sort("_row")
            made[table.name] = frame.select(*PLACE, *(c.name for c in table.all_columns))
        return {name: _tidy(frame) for name, frame in made.items()}


def _xml(contract: Contract, file: str, data: bytes) -> dict[str, pl.DataFrame]:
    from lxml import etree

    nest = _Nest(contract)
    tops = {t.path for t in contract.tables if not t.parent}
    attributes = {p.rpartition("/@")[0] for p in nest.leaves if "/@" in p}
    path: list[str] = []
    try:
        steps = etree.iterparse(
            io.BytesIO(data),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        for event, element in steps:
            if event == "start":
                path.append(f"{path[-1]}/{_local(element.tag)}" if path else _local(element.tag))
                here = path[-1]
                if len(path) == 1 and element.getroottree().docinfo.doctype:
                    raise Rejected(file, "the file should have no document type or entities", "Send it without them")
                if here in nest.by_path:
                    nest.open(here)
                if here in attributes:
                    for name, value in element.attrib.items():
                        nest.fill(f"{here}/@{_local(name)}", str(value))
                continue
            here = path.pop()
            if here in nest.leaves and element.text and element.text.strip():
                nest.fill(here, element.text)
            element.clear()
            if here in tops:
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise Rejected(
            file,
            f"the file should be whole, well-formed XML; it breaks off or is wrong at line {error.lineno or 1}",
            "Make the extract again and check that it was sent whole",
        ) from None
    frames = nest.frames(file, lines=False)
    if not any(frames[t.name].height for t in contract.tables if not t.parent):
        raise Rejected(
            file,
            f"the file should hold records at {next(iter(sorted(tops)))}",
            "Check that this is the extract of the contract and send it again",
        )
    return frames


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _walk(nest: _Nest, value: Any, path: str) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(nest, item, path)
        return
    if isinstance(value, dict):
        if path in nest.by_path:
            nest.open(path)
        for key in sorted(value, key=lambda k: isinstance(value[k], dict | list)):  # a record's cells before its parts
            _walk(nest, value[key], f"{path}/{key}" if path else key)
        return
    if value is None:
        return
    if path in nest.by_path:
        nest.open(path)
    nest.fill(path, value if isinstance(value, str) else str(value).lower())


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= DEPTH:
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth


def _loaded(text: str) -> Any:
    """A JSON document with numbers as they are written; ValueError where it is none or too deep."""
    try:
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except RecursionError:
        raise ValueError("too deep") from None
    if _depth(value) > DEPTH:
        raise ValueError("too deep")
    return value


def _json(contract: Contract, file: str, data: bytes) -> dict[str, pl.DataFrame]:
    nest = _Nest(contract)
    try:
        value = _loaded(decoded(data, contract.encoding, file))
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise Rejected(
            file, f"the file should be one whole JSON document; it is not at line {line}", "Send it again"
        ) from None
    _walk(nest, value, "")
    return nest.frames(file, lines=False)


def _json_lines(contract: Contract, file: str, data: bytes) -> dict[str, pl.DataFrame]:
    nest = _Nest(contract)
    messages = 0
    for number, line in enumerate(decoded(data, contract.encoding, file).split("\n"), 1):
        if not line.strip():
            continue
        messages += 1
        nest.line = number
        try:
            value = _loaded(line)
            if not isinstance(value, dict):
                raise ValueError("not a message")
        except ValueError:
            nest.faults.append(number)
            continue
        _walk(nest, value, "")
    if messages == len(nest.faults):
        raise Rejected(
            file, "the file should hold one JSON message a line, and no line is one", "Send it as JSON lines"
        )
    return nest.frames(file, lines=True)
