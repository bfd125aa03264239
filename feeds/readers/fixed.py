"""Fixed-width files: lines cut at the contract's positions, counted in characters.

What belongs here: lines and positions. Encodings are those of `text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from feeds.contracts import Contract, Table
from feeds.readers import frames
from feeds.readers.archives import Source
from feeds.readers.frames import CHUNK, WIDTH, Rejected
from feeds.readers.text import LONGEST, READ, Text

NEVER = bytes((*range(1, 9), *range(14, 32)))  # control characters that part nothing in a text file
ALONE = " \t\r\x0b\x0c\x1a\xa0"  # what a blank line may hold


def read(
    contract: Contract, tables: Sequence[Table], source: Source, notes: dict[str, str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """A fixed-width file's rows; `_row` is the line.

    Yields:
        At least one frame, and it may have no rows.

    Raises:
        Rejected: see `text.Text`.
    """
    table = tables[0]
    text = Text(source.open(), contract.encoding, source.name)
    if not text.head().strip():
        raise Rejected(source.name, "the file should hold rows, and is empty", "Send it again")
    yield table.name, frames.empty(table)
    first = 1 - (table.header_row or 0)
    for block in _blocks(text):
        lines = _lines(block, source.name)
        mine = lines.slice(max(1 - first, 0))
        for part in frames.parts(_cut(contract, table, mine, source.name, max(first, 1) + (table.header_row or 0))):
            yield table.name, part
        first += lines.height
    notes[source.name] = f"{text.words}; fixed width" + (
        f"; header in row {table.header_row}" if table.header_row else ""
    )


def _blocks(text: Text) -> Iterator[bytes]:
    """The text in blocks of whole lines, at most about CHUNK of them."""
    rest, size = b"", READ
    while True:
        new = text.take(size)
        data = rest + new
        if not data:
            return
        cut = data.rfind(b"\n") + 1 if new else len(data)
        if not cut:
            if len(data) > LONGEST:
                raise Rejected(
                    text.file, f"a line should have at most {LONGEST >> 20} MB", "Check the extract and send it again"
                )
            rest = data
            continue
        encoding = text.encoding
        block = text.checked(data[:cut])
        rest = text.converted(data[cut:], encoding)
        yield block
        size = min(max(len(block) // max(block.count(b"\n"), 1) * CHUNK, READ), 16 * READ)


def _lines(block: bytes, file: str) -> pl.DataFrame:
    """One row a line; `_line` is null where it is empty."""
    apart = next((c for c in NEVER if c not in block), None)
    if apart is None:
        raise Rejected(file, "the file should be text, and holds control characters", "Save it as plain text")
    return pl.read_csv(
        block, has_header=False, separator=chr(apart), quote_char=None, schema={"_line": pl.String},
    )  # fmt: skip


def _cut(contract: Contract, table: Table, lines: pl.DataFrame, file: str, first: int) -> pl.DataFrame:
    places = {c.name: c.position or (1, 1) for c in table.columns}
    needed = max(last for _, last in places.values())
    line = pl.col("_line").str.strip_chars_end("\r")
    blank = line.str.strip_chars(ALONE).str.len_bytes().fill_null(0) == 0
    wrong = pl.lit(False)
    if contract.short_rows == "fault":
        wrong = wrong | (line.str.len_chars() < needed)
    if contract.extra_columns == "reject":
        wrong = wrong | (line.str.strip_chars_end(ALONE).str.len_chars() > needed)
    names = list(places)
    cut = lines.select(
        *(line.str.slice(start - 1, last - start + 1).alias(name) for name, (start, last) in places.items()),
        pl.when(wrong & ~blank).then(pl.lit(WIDTH)).alias("_fault"),
    )
    tidy = frames.tidied(cut, names)
    return frames.placed(tidy, file, table, first, pl.col("_fault"))
