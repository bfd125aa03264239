"""What every reader has in common: the refusal of a file, the place of a row, where columns stand, text made tidy.

What belongs here: what does not depend on a format. Each format has its own module beside this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from feeds.contracts import Column, Contract, Table

CHUNK = 50_000  # rows of a frame, at most: text of about 10 MB, of which memory is used again and again
PLACE = {
    "_file": pl.String,
    "_row": pl.Int64,
    "_parent": pl.Int64,
    "_message": pl.Int64,
    "_fault": pl.String,
    "_where": pl.String,
}

LONG_ROW = "the row has no more cells than its header"
SHORT_ROW = "the row has no fewer cells than its header"
BAD_QUOTES = "each quotation mark that opens a value is closed at its end"
WIDTH = "the line is as long as the contract's positions"
CELL_ERROR = "no cell holds a spreadsheet error such as #N/A"
CUT_ID = "no identifier was cut short by a spreadsheet, such as 1.23E+09"
BAD_LINE = "the line is one whole JSON message"
TWICE = "no key stands twice in one record"
NO_JSON = "each value is one that JSON knows, and not NaN or Infinity"

SHEET_ERRORS = (
    "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#GETTING_DATA", "#SPILL!", "#CALC!",
)  # fmt: skip
SCIENTIFIC = r"^[+-]?\d(?:[.,]\d+)?[eE]\+?\d+$"
WIDEST = 16_384  # columns of a file, as of a sheet
HEADER_WITHIN = 50  # rows from the top in which a header is looked for


class Rejected(Exception):
    """A whole delivery is refused: which file, what was expected of it, and what to do."""

    def __init__(self, file: str, expectation: str, remedy: str) -> None:
        super().__init__(f"{file}: {expectation}. {remedy}.")
        self.file, self.expectation, self.remedy = file, expectation, remedy


def empty(table: Table) -> pl.DataFrame:
    """A frame of the table without a row."""
    return pl.DataFrame(schema={**PLACE, **{c.name: pl.String for c in table.all_columns}})


def parts(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The frame in slices of at most CHUNK rows, and none of no rows."""
    for first in range(0, frame.height, CHUNK):
        yield frame.slice(first, CHUNK)


def trimmed(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Spaces around a value go."""
    return frame.with_columns(pl.col(list(columns)).str.strip_chars())


def emptied(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Text of no length is null."""
    text = pl.col(list(columns))
    return frame.with_columns(pl.when(text != "").then(text).name.keep())


def composed(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Text in one Unicode form (NFC), for é may be typed as one character or two; columns of ASCII stay untouched."""
    names = list(columns)
    text = pl.col(names).str
    counted = frame.select(text.len_bytes().sum()), frame.select(text.len_chars().sum())
    wide = [name for name in names if counted[0][name].item() != counted[1][name].item()]
    return frame.with_columns(pl.col(wide).str.normalize("NFC")) if wide else frame


def tidied(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Text without spaces around it, null where empty, and in one Unicode form."""
    names = list(columns)
    return emptied(trimmed(composed(frame, names), names), names)


def placed(
    frame: pl.DataFrame, file: str, table: Table, rows: pl.Expr | int, fault: pl.Expr, where: pl.Expr | None = None
) -> pl.DataFrame:
    """Rows of a sheet, CSV or fixed-width file with their places; those that are blank and have no fault are left out.

    Args:
        frame: the table's columns, tidy.
        rows: their numbers, or the number of the first.
        fault: what kept a row from being read as one, else null.
    """
    names = [c.name for c in table.columns]
    number = pl.int_range(rows, rows + pl.len(), dtype=pl.Int64) if isinstance(rows, int) else rows.cast(pl.Int64)
    whole = frame.select(
        pl.lit(file).alias("_file"),
        number.alias("_row"),
        pl.lit(None, pl.Int64).alias("_parent"),
        number.alias("_message"),
        fault.alias("_fault"),
        (pl.lit(None, pl.String) if where is None else where).alias("_where"),
        *names,
    )
    kept = pl.any_horizontal(pl.col("_fault", *names).is_not_null())
    return whole if whole.select(kept.all()).item() else whole.filter(kept)


def cells(header: Iterable[str | None]) -> list[str]:
    """Header cells as they are compared."""
    return [(cell or "").strip().strip("\ufeff").strip().casefold() for cell in header]


def names_of(column: Column) -> list[str]:
    """The headers under which a column may come, as they are compared; its own first."""
    return list(dict.fromkeys(cells([column.physical, *column.aliases])))


def fits(table: Table, header: Sequence[str | None]) -> int:
    """How many of the table's columns the header names."""
    there = set(cells(header))
    return sum(not there.isdisjoint(names_of(c)) for c in table.columns)


def columns(
    contract: Contract, table: Table, header: Sequence[str | None], file: str, place: str, delimiter: str = ""
) -> dict[str, int]:
    """Where each of the contract's columns stands, found by its header or one of its aliases.

    Args:
        place: where the header stands, for what is said.
        delimiter: that of a CSV file.

    Raises:
        Rejected: one is missing, stands twice, or a column came that was not agreed.
    """
    there = cells(header)
    if len(there) > WIDEST:
        raise Rejected(
            file, f"{place} should name at most {WIDEST:,} columns; it has {len(there):,}", "Check how it was extracted"
        )
    wanted = {c.name: names_of(c) for c in table.columns}
    missing = [c.physical for c in table.columns if not set(wanted[c.name]) & set(there)]
    if missing:
        few = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        raise Rejected(
            file,
            f"{place} should name the column{'s' * (len(missing) > 1)} {few}",
            f"Check that values are separated by {delimiter!r}"
            if delimiter and len(there) == 1 < len(wanted)
            else "Send the extract with these columns, or agree the change in the contract",
        )
    for column in table.columns:
        if sum(there.count(name) for name in wanted[column.name]) > 1:
            raise Rejected(
                file, f"column {column.physical} should stand once in the header", "Remove the other and send again"
            )
    known = {name for names in wanted.values() for name in names}
    extra = [i + 1 for i, cell in enumerate(there) if cell and cell not in known]
    if extra and contract.extra_columns == "reject":
        raise Rejected(
            file,
            f"the file should hold the {len(wanted)} columns of the contract and no other; it has more, in position "
            f"{', '.join(map(str, extra[:6]))}",
            "Leave out what was not agreed, or agree it in the contract",
        )
    return {name: next(there.index(n) for n in names if n in there) for name, names in wanted.items()}


def in_order(table: Table, width: int, file: str) -> dict[str, int]:
    """Where each column stands in a file without a header.

    Raises:
        Rejected: the file is narrower.
    """
    if 0 < width < len(table.columns):
        raise Rejected(
            file,
            f"each row should hold {len(table.columns)} cells in the contract's order, without a header",
            "Send the extract with these columns, or agree the change in the contract",
        )
    return {c.name: i for i, c in enumerate(table.columns)}


def sheet_marks(table: Table, errors: bool = True, ids: bool = True) -> tuple[pl.Expr, pl.Expr]:
    """What a spreadsheet did to a row: `_fault` (an error in a cell, an identifier in powers of ten) and `_where`."""
    faults: list[pl.Expr] = []
    wheres: list[pl.Expr] = []
    for column in table.columns:
        text = pl.col(column.name)
        wrongs = [(text.is_in(SHEET_ERRORS), CELL_ERROR)] if errors else []
        if ids and is_identifier(column):
            wrongs.append((text.str.contains(SCIENTIFIC), CUT_ID))
        for wrong, sentence in wrongs:
            faults.append(pl.when(wrong).then(pl.lit(sentence)))
            wheres.append(pl.when(wrong).then(pl.lit(f"column {column.physical}")))
    none = pl.lit(None, pl.String)
    return pl.coalesce(*faults, none), pl.coalesce(*wheres, none)


def is_identifier(column: Column) -> bool:
    """Whether a column's text is of a kind that a spreadsheet would take for a number and spoil."""
    return column.type == "string" and (column.key or column.classification == "identity")
