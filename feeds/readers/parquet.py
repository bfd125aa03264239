"""Parquet files: typed columns written as the text that the contract's types expect.

What belongs here: Parquet's types. What a column is called is found as in any other file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from feeds.contracts import Column, Contract, Table, strptime
from feeds.readers import frames
from feeds.readers.archives import IN_MEMORY, Source, whole
from feeds.readers.frames import CHUNK, CUT_ID, Rejected

WHOLE = 2.0**53  # a larger float has lost digits
FOLD = 1_000  # rows to a byte of the file, at most, where there are many
MANY = 10_000_000


def read(
    contract: Contract, tables: Sequence[Table], source: Source, notes: dict[str, str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """A Parquet file's rows; `_row` is the how-manyth.

    Yields:
        At least one frame, and it may have no rows.

    Raises:
        Rejected: it is damaged or encrypted, or holds columns of bytes, lists or records.
    """
    import pyarrow.parquet as pq

    stream = source.open()
    if not stream.seekable():
        stream = io.BytesIO(whole(source, IN_MEMORY, "Send it in parts, or as CSV packed with gzip"))
    start = stream.read(4)
    stream.seek(0)
    if start == b"PARE":
        raise Rejected(
            source.name, "the file should not be encrypted within", "Encrypt the whole file as the guide says"
        )
    try:
        file = pq.ParquetFile(stream)
        header, rows = list(file.schema_arrow.names), file.metadata.num_rows
        size = stream.seek(0, 2)
    except Rejected:
        raise
    except Exception:  # noqa: BLE001 - whatever the reader makes of a damaged file, the file is refused
        raise _damaged(source) from None
    table = max(tables, key=lambda t: frames.fits(t, header) / len(t.columns))
    found = frames.columns(contract, table, header, source.name, "the file")
    if rows > MANY and rows > FOLD * size:
        raise Rejected(
            source.name, f"a file of its size should not unfold to {rows} rows", "Check the extract, or send it as CSV"
        )
    notes[source.name] = "Parquet"
    yield table.name, frames.empty(table)
    first = 1
    for frame in _batches(file, source, [header[i] for i in found.values()]):
        text = frame.select(
            _text(frame.schema[header[i]], next(c for c in table.columns if c.name == name), header[i], source.name)
            for name, i in found.items()
        )
        wrong = [
            (pl.col(header[i]).abs() >= WHOLE).alias(name)
            for name, i in found.items()
            if frame.schema[header[i]].is_float() and frames.is_identifier(_column(table, name))
        ]
        cut = frame.select(pl.any_horizontal(pl.lit(False), *wrong).fill_null(False).alias("cut")).to_series()
        cut = cut.new_from_index(0, frame.height) if cut.len() != frame.height else cut
        fault = pl.when(pl.lit(cut)).then(pl.lit(CUT_ID))
        tidy = frames.tidied(text, found)
        for part in frames.parts(frames.placed(tidy, source.name, table, first, fault)):
            yield table.name, part
        first += frame.height


def _column(table: Table, name: str) -> Column:
    return next(c for c in table.columns if c.name == name)


def _batches(file: Any, source: Source, names: list[str]) -> Iterator[pl.DataFrame]:
    try:
        for batch in file.iter_batches(batch_size=CHUNK):
            frame = pl.from_arrow(batch.select(names))
            assert isinstance(frame, pl.DataFrame)
            yield frame
    except Rejected:
        raise
    except Exception:  # noqa: BLE001 - as above
        raise _damaged(source) from None


def _damaged(source: Source) -> Rejected:
    return Rejected(
        source.name,
        "the file should be a whole Parquet file that opens without a key",
        "Make the extract again and check that it was sent whole",
    )


def _text(dtype: pl.DataType, column: Column, header: str, file: str) -> pl.Expr:
    """A typed column as the text that the contract's column is read from."""
    value = pl.col(header)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration):
        raise Rejected(
            file,
            f"column {column.physical} should hold plain values, and holds lists, records, spans of time or bytes",
            "Send its values as text, numbers or dates",
        )
    text = value.cast(pl.String)
    if dtype == pl.Boolean:
        text = pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false")).otherwise(None)
    elif dtype.is_float():
        number = value.fill_nan(None)
        plain = (number == number.floor()) & (number.abs() < WHOLE)
        whole_number = number.cast(pl.Int64, strict=False).cast(pl.String)
        text = pl.when(plain).then(whole_number).otherwise(number.cast(pl.String))
    elif dtype == pl.Date:
        text = value.dt.strftime(strptime(column.format) if column.format else "%Y-%m-%d")
    elif isinstance(dtype, pl.Datetime):
        form = strptime(column.format) if column.format else "%Y-%m-%d %H:%M:%S%.f"
        text = value.dt.replace_time_zone(None).dt.strftime(form)
    return text.alias(column.name)
