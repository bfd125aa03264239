"""CSV and its kin: bytes into text, text into blocks of whole rows, blocks into frames by polars.

What belongs here: encodings, delimiters, quotation marks, header rows. Blocks are cut and checked in bytes and columns;
Python goes row by row only from where a file's quotation marks leave no other way.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import numpy as np
import polars as pl

from feeds.contracts import Contract, Table
from feeds.readers import frames
from feeds.readers.archives import Source
from feeds.readers.frames import BAD_QUOTES, CHUNK, HEADER_WITHIN, LONG_ROW, SHORT_ROW, Rejected

MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
HEAD = 1 << 20  # bytes from the top in which the layout is looked for
LARGEST_BLOCK = 48 << 20
LONGEST = 16 << 20  # bytes of one row
READ = 1 << 20
STEP = 1 << 17
EXTRA = 64  # cells beyond the header that are looked at
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
NEWLINE, RETURN = 10, 13
ODD_SPACES = (b"\t", b"\x0b", b"\x0c", b"\xc2\xa0", b"\xc2\x85", b"\xe2\x80", b"\xe3\x80\x80", b"\xe1\x9a\x80")


class Text:
    """A file's text as UTF-8, read a piece at a time, with what was found out about its encoding.

    Raises:
        Rejected: here or while reading: it is not text in that encoding.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None, file: str) -> None:
        self.stream, self.file = stream, file
        self.lines = 0  # that have been handed out
        self.buffer = self._more(READ)
        bom = next((mark for mark in MARKS if self.buffer.startswith(mark)), b"")
        self.detect = encoding is None
        asked = _plain(encoding) if encoding else ""
        if bom and asked and not _agree(asked, MARKS[bom]):
            raise Rejected(
                file,
                f"the file should be in {encoding}, and its first bytes say {MARKS[bom]}",
                f"Save it as {encoding}, or agree {MARKS[bom]} in the contract",
            )
        self.encoding = MARKS[bom] if bom else (asked or _guessed(self.buffer))
        if self.encoding == "utf-16":
            self.encoding = _guessed(self.buffer) if _guessed(self.buffer) != "utf-8" else "utf-16-le"
        self.mark = bool(bom)
        self.buffer = self.buffer[len(bom) :]
        self.ascii_so_far = True
        self.decoder = None if self.encoding == "utf-8" else codecs.getincrementaldecoder(self.encoding)()
        if self.decoder:
            self.buffer = self._as_utf8(self.buffer)
        self.returns = b"\r" in self.buffer and b"\n" not in self.buffer

    @property
    def words(self) -> str:
        """The encoding, for the notes."""
        return self.encoding + (" with byte order mark" if self.mark else "")

    def peek(self, size: int) -> bytes:
        """The next bytes, without taking them."""
        while len(self.buffer) < size and (more := self._next(size - len(self.buffer))):
            self.buffer += more
        return self._ends(self.buffer[:size])

    def take(self, size: int) -> bytes:
        """The next bytes, fewer only at the end; not checked, for a character may be cut."""
        if not self.buffer:
            return self._ends(self._next(size))
        if len(self.buffer) >= size:
            taken, self.buffer = self.buffer[:size], self.buffer[size:]
            return self._ends(taken)
        taken, self.buffer = self.buffer, b""
        return self._ends(taken + self._next(size - len(taken)))

    def head(self) -> bytes:
        """What stands at the top, looked at first, so that what is wrong with its bytes is said before all else."""
        head = self.peek(HEAD)
        self.checked(head[: head.rfind(b"\n") + 1] if len(head) >= HEAD else head)
        self.lines = 0
        return self.peek(HEAD)

    def converted(self, data: bytes, before: str) -> bytes:
        """What was read while the encoding was taken for another."""
        return self._as_utf8(data) if self.encoding != before else data

    def checked(self, block: bytes) -> bytes:
        """A block of whole lines, once it is text for certain.

        Raises:
            Rejected: it holds NUL characters or bytes that mean nothing in the encoding.
        """
        if not self.decoder and not block.isascii():
            block = self._utf8(block)
        if b"\0" in block:
            raise Rejected(
                self.file,
                f"the file should be text in {self.encoding} and holds NUL characters, first in line "
                f"{self._line(block, block.index(0))}",
                "Save it as plain text",
            )
        self.lines += _count(block, NEWLINE)
        return block

    def _utf8(self, block: bytes) -> bytes:
        try:
            block.decode()
        except UnicodeDecodeError as error:
            plain = self.ascii_so_far and block[: error.start].isascii()
            if not (self.detect and plain and not self.mark):
                raise self._undecodable(self._line(block, error.start)) from None
            self.encoding = "windows-1252"
            self.decoder = codecs.getincrementaldecoder(self.encoding)()
            self.buffer = self._as_utf8(self.buffer)
            return self._as_utf8(block)
        self.ascii_so_far = False
        return block

    def _line(self, block: bytes, position: int) -> int:
        return self.lines + block.count(b"\n", 0, position) + 1

    def _undecodable(self, line: int) -> Rejected:
        return Rejected(
            self.file,
            f"the file should be in {self.encoding}; line {line} is not",
            f"Save it as {self.encoding}, or agree another encoding in the contract",
        )

    def _as_utf8(self, data: bytes, final: bool = False) -> bytes:
        assert self.decoder
        try:
            return self.decoder.decode(data, final).encode()
        except UnicodeError as error:
            before = data[: getattr(error, "start", 0) or 0]
            width = 2 if self.encoding.startswith("utf-16") else 1
            raise self._undecodable(self.lines + before.count(b"\n") // width + 1) from None

    def _next(self, size: int) -> bytes:
        data = self._more(size)
        return self._as_utf8(data, final=len(data) < size) if self.decoder else data

    def _more(self, size: int) -> bytes:
        pieces = [piece := self.stream.read(size)]
        left = size - len(piece)
        while piece and left > 0:
            pieces.append(piece := self.stream.read(left))
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _ends(self, data: bytes) -> bytes:
        """Old Mac files end their lines with a carriage return alone."""
        return data.replace(b"\r", b"\n") if self.returns else data


def _plain(encoding: str) -> str:
    name = codecs.lookup(encoding).name.removesuffix("-sig")
    return {"cp1252": "windows-1252"}.get(name, name)


def _agree(asked: str, found: str) -> bool:
    return asked == found or (asked == "utf-16" and found.startswith("utf-16"))


def _guessed(head: bytes) -> str:
    """UTF-16 without its mark has a zero beside each plain letter; all else begins as UTF-8."""
    some = head[:4096]
    zeros = some[0::2].count(0), some[1::2].count(0)
    if len(some) >= 2 and max(zeros) * 4 > len(some) and min(zeros) * 8 < max(zeros):
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    return "utf-8"


# -- the layout -----------------------------------------------------------------------------------------------------


def read(
    contract: Contract, tables: Sequence[Table], source: Source, notes: dict[str, str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """A CSV file's rows.

    Args:
        tables: those that the file may belong to by its name; the first that its header fits has it.

    Yields:
        At least one frame, and it may have no rows.

    Raises:
        Rejected: see `Text`, and `frames.columns`; or a quotation mark is left open.
    """
    text = Text(source.open(), contract.encoding, source.name)
    head = text.head()
    if not head.strip():
        raise Rejected(source.name, "the file should hold a header and rows, and is empty", "Send it again")
    lines = head.decode("utf-8", errors="replace").split("\n")
    layouts = [_layout(contract, table, lines) for table in tables]
    best = max(layouts, key=lambda one: one.fit / len(one.table.columns))
    table = best.table
    if best.row is None:
        raise Rejected(
            source.name,
            f"one of the first {HEADER_WITHIN} rows should name the columns "
            + ", ".join(c.physical for c in table.columns[:6]),
            "Send the extract with its header, or agree the change in the contract",
        )
    if best.row > len(lines):
        raise Rejected(source.name, f"the header should stand in row {best.row}", "Send it with its header")
    if best.row:
        found = frames.columns(contract, table, best.header, source.name, f"row {best.row}", best.delimiter)
    else:
        found = frames.in_order(table, len(best.header), source.name)
        best.header = [""] * (len(best.header) if contract.extra_columns == "ignore" else len(found))
    text.take(best.skip)
    text.lines = best.skipped
    layout = f"{DELIMITERS.get(best.delimiter, best.delimiter)}; " + (
        f"header in row {best.row}" if best.row else "no header"
    )
    quote = "" if best.quote == '"' else f"; quotation mark {best.quote}"
    rows = _Rows(contract, table, source.name, found, best.header, best.delimiter, best.quote)
    yield table.name, frames.empty(table)
    number = best.row + 1
    for frame in rows.frames(text):
        numbered = rows.placed(frame, number)
        number += frame.height
        for part in frames.parts(numbered):
            yield table.name, part
    notes[source.name] = f"{text.words}; {layout}{quote}"


class _Layout:
    """How a file is laid out for a table: where its header stands, and what parts its cells."""

    def __init__(self, table: Table, row: int, delimiter: str, quote: str, lines: Sequence[str]) -> None:
        self.table, self.delimiter, self.quote = table, delimiter, quote
        self.row: int | None = row
        self.header, taken = _record(lines, max(row, 1) - 1, delimiter, quote)
        self.skipped = row - 1 + taken if row else 0
        self.skip = sum(len(line.encode()) + 1 for line in lines[: self.skipped])
        self.fit = frames.fits(table, self.header) if row else int(len(self.header) == len(table.columns))


def _layout(contract: Contract, table: Table, lines: list[str]) -> _Layout:
    quotes = [contract.quote] if contract.quote else _quotes(lines)
    delimiters = [contract.delimiter] if contract.delimiter else list(DELIMITERS)
    rows = range(1, min(HEADER_WITHIN, len(lines)) + 1) if table.header_row is None else [table.header_row]
    tried = [
        _Layout(table, row, delimiter, quote, lines) for quote in quotes for delimiter in delimiters for row in rows
    ]
    best = max(tried, key=lambda one: (one.fit, -(one.row or 0)))
    if table.header_row is None and not best.fit:
        best.row = None
    return best


def _quotes(lines: Sequence[str]) -> list[str]:
    some = "".join(lines[:HEADER_WITHIN])
    return ["'", '"'] if '"' not in some and some.count("'") > 1 else ['"']


def _record(lines: Sequence[str], at: int, delimiter: str, quote: str) -> tuple[list[str], int]:
    """The cells of the row that begins at a line, and how many lines it takes."""
    for some in (lines[at : at + HEADER_WITHIN], lines[at : at + 1]):
        reader = csv.reader((f"{line.removesuffix(chr(13))}\n" for line in some), delimiter=delimiter, quotechar=quote)
        try:
            cells = next(reader, [])
        except csv.Error:
            continue
        if reader.line_num < HEADER_WITHIN or len(some) == 1:
            return cells, max(1, reader.line_num)
    return (list(lines[at : at + 1])), 1


# -- the rows -------------------------------------------------------------------------------------------------------


class _Rows:
    """A table's rows, a block at a time."""

    def __init__(
        self, contract: Contract, table: Table, file: str, found: dict[str, int], header: Sequence[str],
        delimiter: str, quote: str,
    ) -> None:  # fmt: skip
        self.contract, self.table, self.file, self.found = contract, table, file, found
        self.delimiter, self.quote = delimiter, quote
        self.width = len(header)
        self.names = [f"_{i}" for i in range(self.width)]
        named = [i for i, cell in enumerate(header) if cell.strip()] or list(range(self.width))
        # a header cell that is empty is nobody's: what stands under it must be nothing
        self.nameless = [] if not any(c.strip() for c in header) else sorted({*range(self.width)} - {*named})
        self.needed = named[-1] + 1
        self.simple = all(len(c.encode()) == 1 for c in (delimiter, quote))

    def frames(self, text: Text) -> Iterator[pl.DataFrame]:
        """The text as frames of the table's columns and `_fault`: as many rows as it has records.

        Raises:
            Rejected: a quotation mark is left open at the end.
        """
        rest, size = b"", READ
        while True:
            new = text.take(max(size - len(rest), READ))
            data = rest + new if rest else new
            if not data:
                return
            last = not new or not text.peek(1)
            cut = (len(data) if self._closed(data) else 0) if last else self._cut(data)
            if not self.simple or (not cut and (last or len(data) > LONGEST)):
                yield from self._carefully(data, text)
                return
            if not cut:
                rest = data
                size = max(size, len(rest) + READ)
                continue
            encoding = text.encoding
            block = text.checked(data if cut == len(data) else data[:cut])
            rest = text.converted(b"" if cut == len(data) else data[cut:], encoding)
            marks = self._marks(block)
            if marks is False:
                yield from self._carefully(block, text, rest)
                return
            for piece in self._pieces(block):
                yield self._parsed(piece)
            lines = max(_count(block, NEWLINE), 1)
            size = min(max(len(block) // lines * CHUNK, READ), LARGEST_BLOCK)

    def placed(self, frame: pl.DataFrame, first: int) -> pl.DataFrame:
        """A frame's rows with their places."""
        fault, where = pl.col("_fault"), pl.lit(None, pl.String)
        if "_sheet" in frame.columns:
            fault, where = pl.coalesce("_fault", "_sheet"), pl.when(pl.col("_fault").is_null()).then(pl.col("_at"))
        return frames.placed(frame, self.file, self.table, first, fault, where)

    # blocks

    def _cut(self, data: bytes) -> int:
        """Where the last whole row of the data ends; 0 where none does."""
        quote = self.quote.encode()
        end = data.rfind(b"\n")
        odd = _count(memoryview(data)[: end + 1], ord(self.quote)) % 2 if quote in data else 0
        while end >= 0 and odd:  # a line end within quotation marks: before the quotation mark before it
            back = data.rfind(quote, 0, end)
            if end - back > LONGEST or back < 0:
                return 0
            between = data.rfind(b"\n", 0, back)
            odd = (odd + data.count(quote, between + 1, end)) % 2
            end = between
        return end + 1

    def _closed(self, data: bytes) -> bool:
        return self.quote.encode() not in data or _count(data, ord(self.quote)) % 2 == 0

    def _marks(self, block: bytes) -> bool | None:
        """Whether every quotation mark begins or ends a value; None where there is none."""
        quote = ord(self.quote)
        if self.quote.encode() not in block:
            return None
        raw = np.frombuffer(block, np.uint8)
        at = np.flatnonzero(raw == quote)
        if at.size % 2:
            return False
        edge = np.zeros(256, bool)
        edge[[ord(self.delimiter), NEWLINE, quote]] = True
        opening, closing = at[0::2], at[1::2]
        before = raw[opening[opening > 0] - 1]
        after = raw[closing[closing < raw.size - 1] + 1]
        edge_after = edge.copy()
        edge_after[RETURN] = True
        return bool(edge[before].all() and edge_after[after].all())

    def _pieces(self, block: bytes) -> Iterator[bytes]:
        """The block in pieces of not much more than CHUNK lines, for a line may be as short as its end."""
        lines = _count(block, NEWLINE)
        if lines <= CHUNK * 5 // 4:
            yield block
            return
        cut = self._cut(block[: max(len(block) * CHUNK // lines, 1)])
        if not cut:
            yield block
            return
        yield from self._pieces(block[:cut])
        while cut < len(block):
            lines = _count(memoryview(block)[cut:], NEWLINE)
            size = max((len(block) - cut) * CHUNK // max(lines, 1), 1)
            piece = block[cut:] if lines <= CHUNK * 5 // 4 else block[cut : cut + self._cut(block[cut : cut + size])]
            if not piece:
                piece = block[cut:]
            cut += len(piece)
            if _count(piece, NEWLINE) > 2 * CHUNK and len(piece) < len(block) // 2:
                yield from self._pieces(piece)
            else:
                yield piece

    def _parsed(self, block: bytes) -> pl.DataFrame:
        """A block whose quotation marks are in order: by polars at once, or counting its rows' cells first."""
        whole: pl.DataFrame | None = None
        if not self.nameless:
            try:
                whole = self._polars(block, dict.fromkeys(self.names, pl.String))
            except (pl.exceptions.PolarsError, ValueError):  # a row is too long
                whole = None
        if whole is not None and self._delimiters(block) == whole.height * (self.width - 1):  # and none too short
            none = pl.lit(None, pl.String).alias("_fault")
            mine = whole.select(*(pl.col(self.names[i]).alias(name) for name, i in self.found.items()), none)
            return self._tidy(mine, block)
        return self._counted(block)

    def _delimiters(self, block: bytes) -> int:
        """How many delimiters stand outside quotation marks."""
        delimiter, quote = ord(self.delimiter), ord(self.quote)
        if self.quote.encode() not in block:
            return _count(block, delimiter)
        raw = np.frombuffer(block, np.uint8)
        is_quote = raw == quote
        marks = np.flatnonzero(is_quote)
        if int((marks[1::2] - marks[0::2]).max()) == 1:  # nothing but empty values are quoted
            return _count(block, delimiter)
        kind = raw[np.flatnonzero(is_quote | (raw == delimiter))] == quote
        outside = np.bitwise_xor.accumulate(kind.view(np.uint8)) == 0
        return int(np.count_nonzero(outside & ~kind))

    def _polars(self, block: bytes, schema: dict[str, type[pl.String]], ragged: bool = False) -> pl.DataFrame:
        return pl.read_csv(
            block,
            has_header=False,
            separator=self.delimiter,
            quote_char=self.quote,
            schema=schema,
            missing_columns="insert",
            truncate_ragged_lines=True if ragged else None,
        ).rechunk()  # it comes in scraps, which each later step would put together for itself

    def _counted(self, block: bytes) -> pl.DataFrame:
        """A block with rows that are longer or shorter than the header, or blank."""
        cells, blank = self._cells(block)
        beyond = max(min(int(cells.max(initial=0)) - self.width, EXTRA), 0)
        extra = [f"_beyond{i}" for i in range(beyond)]
        try:
            frame = self._polars(block, dict.fromkeys((*self.names, *extra), pl.String), ragged=True)
        except (pl.exceptions.PolarsError, ValueError):
            return self._by_hand(block)
        if frame.height != len(cells):  # polars and the count see different rows: nothing is to be lost
            return self._by_hand(block)
        frame = frame.with_columns(_cells=pl.Series(cells), _blank=pl.Series(blank))
        odd = [*extra, *(self.names[i] for i in self.nameless)]
        long = pl.any_horizontal(pl.lit(False), *(pl.col(n).str.strip_chars().str.len_bytes() > 0 for n in odd))
        long = long.fill_null(False) | (pl.col("_cells") > self.width + EXTRA)
        return self._tidy(self._faulty(frame, long), block)

    def _faulty(self, frame: pl.DataFrame, long: pl.Expr) -> pl.DataFrame:
        short = (pl.col("_cells") < self.needed) & ~pl.col("_blank")
        if self.contract.short_rows == "fill":
            short = pl.lit(False)
        fault = pl.when(long).then(pl.lit(LONG_ROW)).when(short).then(pl.lit(SHORT_ROW))
        return frame.select(
            *(pl.col(self.names[i]).alias(name) for name, i in self.found.items()),
            fault.alias("_fault"),
        )

    def _cells(self, block: bytes) -> tuple[np.ndarray, np.ndarray]:
        """For each row of a block, how many cells it has, and whether its line is blank."""
        raw = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", np.uint8)
        is_quote = raw == ord(self.quote)
        at = np.flatnonzero(is_quote | (raw == ord(self.delimiter)) | (raw == NEWLINE))
        kind = raw[at]
        outside = np.bitwise_xor.accumulate((kind == ord(self.quote)).view(np.uint8)) == 0
        kept = at[outside & (kind != ord(self.quote))]
        ends = np.flatnonzero(raw[kept] == NEWLINE)
        cells = np.diff(ends, prepend=-1)
        starts = np.concatenate(([0], kept[ends][:-1] + 1))
        length = kept[ends] - starts
        returned = (length == 1) & (raw[starts] == RETURN)
        blank = (length == 0) | returned
        lone = np.flatnonzero((cells == 1) & ~blank)  # a line of spaces is blank too
        if lone.size and self.width > 1:
            stop = kept[ends]
            blank[lone] = [not block[starts[i] : stop[i]].strip() for i in lone.tolist()]
        return cells, blank

    def _tidy(self, frame: pl.DataFrame, block: bytes | None) -> pl.DataFrame:
        """Values without spaces around them, null where empty, in one Unicode form, and what a spreadsheet did to them.

        Args:
            block: what the frame was read from, which shows what need not be looked for; None to look for all.
        """
        names = list(self.found)
        if block is None or not block.isascii():
            frame = frames.composed(frame, names)
        if block is None or _spaced(block, self.delimiter, self.quote, frame.height):
            frame = frames.emptied(frames.trimmed(frame, names), names)
        elif self.quote.encode() in block:
            frame = frames.emptied(frame, names)
        errors = block is None or b"#" in block
        ids = block is None or (b"+" in block and (b"E+" in block or b"e+" in block))
        if errors or ids:
            fault, where = frames.sheet_marks(self.table, errors, ids)
            frame = frame.with_columns(fault.alias("_sheet"), where.alias("_at"))
        return frame

    # quotation marks out of order

    def _carefully(self, data: bytes, text: Text, rest: bytes = b"") -> Iterator[pl.DataFrame]:
        """From here on row by row: a row whose quotation marks are wrong is set aside, and the next line is a new row.

        Args:
            data: from the beginning of a row; `rest` what follows it.
        """
        if not rest:
            data, rest = b"", data
        lines = lines_of(data, rest, text)
        records = _records(lines, self.delimiter, self.quote, self.file)
        while some := list(islice(records, CHUNK // 4 or 1)):
            yield self._framed(some)

    def _by_hand(self, block: bytes) -> pl.DataFrame:
        lines = iter(block.decode().removesuffix("\n").split("\n"))
        return self._framed(list(_records(lines, self.delimiter, self.quote, self.file)))

    def _framed(self, records: list[list[str] | None]) -> pl.DataFrame:
        cells = [len(r) if r else 1 for r in records]
        width = min(max(max(cells), self.width), self.width + EXTRA)
        filled = [(*(r or ())[:width], *[None] * (width - len(r or ()))) for r in records]
        columns = [*self.names, *(f"_beyond{i}" for i in range(width - self.width))]
        frame = pl.DataFrame(
            {
                name: pl.Series(values, dtype=pl.String)
                for name, values in zip(columns, zip(*filled, strict=True), strict=True)
            }
        )
        blank = [r is not None and not any(cell.strip() for cell in r) and len(r) <= 1 for r in records]
        frame = frame.with_columns(_cells=pl.Series(cells), _blank=pl.Series(blank))
        odd = [*columns[self.width :], *(self.names[i] for i in self.nameless)]
        long = pl.any_horizontal(pl.lit(False), *(pl.col(n).str.strip_chars().str.len_bytes() > 0 for n in odd))
        made = self._faulty(frame, long.fill_null(False) | (pl.col("_cells") > self.width + EXTRA))
        bad = pl.Series([r is None for r in records])
        made = made.with_columns(_fault=pl.when(bad).then(pl.lit(BAD_QUOTES)).otherwise("_fault"))
        return self._tidy(made, None)


def _count(data: bytes | memoryview, byte: int) -> int:
    """How often a byte stands in the data: where it is common, far faster than `bytes.count`."""
    raw = np.frombuffer(data, np.uint8)
    steps = range(0, raw.size, STEP)  # small enough for the processor's cache
    return sum(int(np.count_nonzero(raw[start : start + STEP] == byte)) for start in steps)


def _spaced(block: bytes, delimiter: str, quote: str, rows: int) -> bool:
    """Whether some value may begin or end with a space, or a line end within quotation marks."""
    raw = np.frombuffer(block, np.uint8)
    if rows < _count(block, NEWLINE) + (not block.endswith(b"\n")):
        return True
    if b"\r" in block and np.count_nonzero((raw[:-1] == RETURN) & (raw[1:] == NEWLINE)) != _count(block, RETURN):
        return True
    plain = block.isascii()
    if any(space in block for space in ODD_SPACES if space != delimiter.encode() and (space.isascii() or not plain)):
        return True
    if b" " not in block:
        return False
    if block.startswith(b" ") or block.endswith(b" "):
        return True
    edges = [byte for byte in (ord(delimiter), ord(quote), NEWLINE, RETURN) if byte in block]
    for start in range(0, raw.size, STEP):
        some = raw[start : start + STEP + 1]
        space, edge = some == 32, np.logical_or.reduce([some == byte for byte in edges])
        if (space[:-1] & edge[1:]).any() or (edge[:-1] & space[1:]).any():
            return True
    return False


def lines_of(data: bytes, rest: bytes, text: Text) -> Iterator[str]:
    """Lines of what is left: of what was checked, then of what was not."""
    yield from data.decode().removesuffix("\n").split("\n") if data else ()
    while True:
        new = text.take(READ)
        block = rest + new
        if not block:
            return
        cut, encoding = block.rfind(b"\n") + 1 if new else len(block), text.encoding
        if not cut:
            if len(block) > LONGEST:
                raise Rejected(
                    text.file, f"a line should have at most {LONGEST >> 20} MB", "Check the extract and send it again"
                )
            rest = block
            continue
        yield from text.checked(block[:cut]).decode().removesuffix("\n").split("\n")
        rest = text.converted(block[cut:], encoding)


def _records(lines: Iterator[str], delimiter: str, quote: str, file: str) -> Iterator[list[str] | None]:
    """Rows of text; None for a line that is none, after which the next line is looked at afresh.

    Raises:
        Rejected: the last line leaves a quotation mark open.
    """
    pending: deque[str] = deque()
    taken: list[str] = []
    ended = False

    def feed() -> Iterator[str]:
        nonlocal ended
        while True:
            line = pending.popleft() if pending else next(lines, None)
            if line is None:
                ended = True
                return
            taken.append(line)
            yield line.removesuffix("\r") + "\n"

    reader = csv.reader(feed(), delimiter=delimiter, quotechar=quote, strict=True)
    while True:
        taken.clear()
        ended = False
        try:
            record = next(reader, None)
        except csv.Error:
            if ended and len(taken) == 1:
                raise Rejected(
                    file,
                    "each quotation mark should be closed within its value",
                    "Look for a quotation mark within a value or a file that was cut, and send it again",
                ) from None
            pending.extendleft(reversed(taken[1:]))
            reader = csv.reader(feed(), delimiter=delimiter, quotechar=quote, strict=True)
            yield None
            continue
        if record is None:
            return
        yield record
