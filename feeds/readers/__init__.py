"""Files into tables of text, as a contract describes them: from bytes to frames of strings, or a refusal in words.

What belongs here: which files hold which table, and which reader reads them. Each format is in its own module; what the
text means belongs in `parsing` and `mapping`.

Every frame has, beside the contract's columns, `_file`, `_row` (as a person would count it: the row of a sheet, the
line of JSON lines and fixed width, else the how-manyth record), `_parent` (the row of the record that it is nested
in), `_message` (the row of the message that it came in), `_fault` (the sentence of `faults` that does not hold, where
the row could not be read as one) and `_where` (where in the row, never what).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import polars as pl

from feeds.contracts import NESTED, WORKBOOKS, Contract, Table
from feeds.deliveries import called
from feeds.readers import archives, fixed, nested, parquet, text, workbook
from feeds.readers.frames import (
    BAD_LINE,
    BAD_QUOTES,
    CELL_ERROR,
    CHUNK,
    CUT_ID,
    LONG_ROW,
    NO_JSON,
    PLACE,
    SHORT_ROW,
    TWICE,
    WIDTH,
    Rejected,
    empty,
)
from feeds.readers.schema import valid

__all__ = [
    "BAD_LINE", "CHUNK", "LONG_ROW", "PLACE", "Content", "Notes", "Rejected", "empty", "faults", "read", "shown",
    "stream",
]  # fmt: skip

Content = Callable[[str], BinaryIO]
Notes = dict[str, str]  # what a file is called -> how it was read, in words: "utf-8; comma; header in row 3"


def stream(
    contract: Contract, files: Sequence[str], content: Content, notes: Notes | None = None
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Read a delivery's files into frames of text, parents before what is nested in them.

    Memory is bounded whatever the size of CSV, fixed width, XML, JSON lines and arrays of JSON messages, also packed
    with gzip or zip. Workbooks, other JSON documents and Parquet files that cannot be sought in are held whole, up to
    a limit.

    Args:
        contract: what the files should hold.
        files: their paths below the drop folder, as the contract's patterns know them.
        content: opens a file, to be read once from its beginning to its end.
        notes: is filled with what was found out about each file.

    Yields:
        A table's name and at most CHUNK of its rows. A table without rows may yield nothing.

    Raises:
        Rejected: at any time: a file is not what the contract says. Nothing that came before stands then.
    """
    names, mine = shown(contract, files), {} if notes is None else notes
    found: Notes = {}
    rows: Counter[str] = Counter()
    try:
        for table, frame in _frames(contract, sorted(files), content, found):
            rows[table] += frame.height
            if frame.height:
                yield table, frame
    except Rejected as refusal:
        raise Rejected(_shown(refusal.file, names), refusal.expectation, refusal.remedy) from None
    finally:
        mine.update({_shown(file, names): words for file, words in found.items()})
    if contract.delivery == "snapshot" and not rows.total():
        raise Rejected(
            names[min(files)] if files else contract.globs[0],
            "a snapshot should hold rows, and this one would withdraw everything",
            "Check the extract and send it again",
        )


def read(
    contract: Contract, files: Sequence[str], content: Content, notes: Notes | None = None
) -> dict[str, pl.DataFrame]:
    """Read a delivery's files into one frame of text a table of the contract: `stream`, put together.

    Raises:
        Rejected: a file is not what the contract says.
    """
    frames: dict[str, list[pl.DataFrame]] = {table.name: [empty(table)] for table in contract.tables}
    for table, frame in stream(contract, files, content, notes):
        frames[table].append(frame)
    return {name: pl.concat(some) for name, some in frames.items()}


def faults(contract: Contract) -> tuple[tuple[str, str], ...]:
    """The sentences that may stand in `_fault` of this contract's rows, each with what is done with such a row."""
    aside = "quarantine"
    said: dict[str, tuple[str, ...]] = {
        "csv": (LONG_ROW, SHORT_ROW, BAD_QUOTES, CELL_ERROR, CUT_ID),
        "fixed": (WIDTH,),
        "json": (TWICE, NO_JSON),
        "jsonl": (BAD_LINE, TWICE, NO_JSON),
        "parquet": (CUT_ID,),
        **dict.fromkeys(WORKBOOKS, (CELL_ERROR, CUT_ID)),
    }
    sentences = [(sentence, aside) for sentence in said.get(contract.format, ())]
    if contract.format == "csv" and contract.short_rows == "fill":
        sentences.remove((SHORT_ROW, aside))
    if contract.format == "xml" and contract.xsd:
        sentences.append((valid(contract.xsd), contract.xsd_severity))
    return tuple(sentences)


def shown(contract: Contract, files: Sequence[str]) -> dict[str, str]:
    """What each of a delivery's files is called in reasons and notes: see `deliveries.called`.

    Where several are called alike, each with its place among all, by name.
    """
    words = {file: called(file, contract) for file in sorted(files)}
    times = Counter(words.values())
    return {
        file: word if times[word] == 1 else f"{word} (file {number} of {len(words)})"
        for number, (file, word) in enumerate(words.items(), 1)
    }


def _shown(file: str, names: dict[str, str]) -> str:
    """The same of a file or a member of one."""
    whose = max((name for name in names if f"{file}/".startswith(f"{name}/")), key=len, default=None)
    return file if whose is None else names[whose] + file[len(whose) :]


def _frames(
    contract: Contract, files: Sequence[str], content: Content, notes: Notes
) -> Iterator[tuple[str, pl.DataFrame]]:
    if contract.format in NESTED:
        for source in archives.sources(contract, files, content):
            yield from nested.READERS[contract.format](contract, source, notes)
    elif contract.format in WORKBOOKS:
        yield from _by_file(contract, files, content, notes)
    else:
        yield from _by_table(contract, files, content, notes)


def _by_table(
    contract: Contract, files: Sequence[str], content: Content, notes: Notes
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Formats of which one file holds rows of one table."""
    reader = {"csv": text.read, "fixed": fixed.read, "parquet": parquet.read}[contract.format]
    told: set[str] = set()
    for source in archives.sources(contract, files, content):
        mine = [t for t in contract.tables if archives.holds(source, t, contract)]
        if not mine:
            raise Rejected(
                source.name,
                "each file of the delivery should belong to a table of the contract, by its name",
                "Leave it out, or name it as the contract says",
            )
        for table, frame in reader(contract, mine, source, notes):
            told.add(table)
            yield table, frame
    _missing(contract, contract.tables, told)


def _by_file(
    contract: Contract, files: Sequence[str], content: Content, notes: Notes
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Workbooks, of which one holds several tables."""
    told: set[str] = set()
    for source in archives.sources(contract, files, content):
        mine = [t for t in contract.tables if not t.file or archives.holds(source, t, contract)]
        for table, frame in workbook.read(contract, mine, source, notes):
            told.add(table)
            yield table, frame
    _missing(contract, [t for t in contract.tables if t.file], told)


def _missing(contract: Contract, tables: Sequence[Table], told: set[str]) -> None:
    for table in tables:
        if table.name not in told and not table.optional:
            raise Rejected(
                table.file or contract.globs[0],
                f"the delivery should hold a file of this name, for {table.name}",
                "Send all files of the delivery together, named with one date",
            )
