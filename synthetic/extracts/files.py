"""The files that an extract is made of, and how each is written, whole or spoilt.

What belongs here: formats. What stands in a file is said in the module of the partner that sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Text:
    """Rows of text with a header: commas, pipes or tabs, in any encoding."""

    frame: pl.DataFrame
    separator: str = ","
    encoding: str = "utf-8"

    @property
    def rows(self) -> int:
        return len(self.frame)

    def write(self, path: Path) -> None:
        if self.encoding == "utf-8":
            self.frame.write_csv(path, separator=self.separator)
            return
        text = self.frame.write_csv(separator=self.separator)
        path.write_bytes(text.encode(self.encoding, errors="replace"))

    def spoilt(self) -> Text:
        """Columns that are not those of the contract: the first has another name, the last is gone."""
        frame = self.frame.rename({self.frame.columns[0]: "column1"})
        return Text(frame.drop(frame.columns[-1]), self.separator, self.encoding)


@dataclass(frozen=True)
class Fixed:
    """Lines of cells filled up to a width each, without a header."""

    frame: pl.DataFrame
    widths: Mapping[str, int]

    @property
    def rows(self) -> int:
        return len(self.frame)

    def write(self, path: Path) -> None:
        cells = [pl.col(n).fill_null("").str.slice(0, w).str.pad_end(w) for n, w in self.widths.items()]
        lines = self.frame.select(pl.concat_str(cells)).to_series()
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@dataclass(frozen=True)
class Workbook:
    """Sheets of an Excel workbook, each with a title above its header in row 3."""

    sheets: Mapping[str, pl.DataFrame]
    title: str
    drawn: date

    @property
    def rows(self) -> int:
        return sum(len(frame) for frame in self.sheets.values())

    def write(self, path: Path) -> None:
        import xlsxwriter

        with xlsxwriter.Workbook(path, {"constant_memory": True, "default_date_format": "dd/mm/yyyy"}) as book:
            book.set_properties({"title": self.title, "created": datetime.combine(self.drawn, time())})
            for name, frame in self.sheets.items():
                sheet = book.add_worksheet(name)
                sheet.write_string(0, 0, self.title)
                sheet.write_row(2, 0, frame.columns)
                for row, values in enumerate(frame.iter_rows(), start=3):
                    for column, value in enumerate(values):
                        if value is None:
                            continue
                        if isinstance(value, str):
                            sheet.write_string(row, column, value)
                        else:
                            sheet.write_number(row, column, value)


@dataclass(frozen=True)
class Lines:
    """One JSON message a line."""

    frame: pl.DataFrame

    @property
    def rows(self) -> int:
        return len(self.frame)

    def write(self, path: Path) -> None:
        self.frame.write_ndjson(path)


@dataclass(frozen=True)
class Document:
    """One XML document: records between a head and a tail."""

    head: str
    records: pl.Series
    tail: str

    @property
    def rows(self) -> int:
        return len(self.records)

    def write(self, path: Path) -> None:
        path.write_text(self.head + "\n".join(self.records) + self.tail, encoding="utf-8")


File = Text | Fixed | Workbook | Lines | Document


@dataclass(frozen=True)
class Extract:
    """What a feed sends on a day.

    Attributes:
        files: by path below the drop folder, with `{day}` for the day.
        records: source_key and person, for each key that stands for a person.
    """

    files: Mapping[str, File]
    records: pl.DataFrame


def save(file: File, path: Path, bad: bool = False) -> int:
    """Write one file and return its rows; a bad one has wrong columns, or is cut off where it has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if bad and isinstance(file, Text):
        file.spoilt().write(path)
    else:
        file.write(path)
        if bad:
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) * 3 // 5])
    return file.rows


def keyed(ids: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """source_key (the key columns joined by |) and person of these rows, each once, in the order of the keys."""
    key = pl.concat_str([pl.col(c).cast(pl.String) for c in columns], separator="|")
    return ids.select(source_key=key, person="person").drop_nulls().unique().sort("source_key", "person")


def element(tag: str, value: pl.Expr) -> pl.Expr:
    """An XML element with this text, escaped; nothing where the text is null."""
    safe = value.str.replace_all("&", "&amp;", literal=True).str.replace_all("<", "&lt;", literal=True)
    return (
        pl.when(value.is_not_null())
        .then(pl.concat_str(pl.lit(f"<{tag}>"), safe, pl.lit(f"</{tag}>")))
        .otherwise(pl.lit(""))
    )


def tested(frame: pl.DataFrame, rows: int, **values: Any) -> pl.DataFrame:
    """The frame with some test records: copies of its first rows with these values; `{n}` is the row's number."""
    some = frame.head(rows)
    fill = [
        pl.Series(
            name, [v.format(n=i + 1) if isinstance(v, str) else v for i in range(len(some))], dtype=frame[name].dtype
        )
        for name, v in values.items()
    ]
    return pl.concat([frame, some.with_columns(fill)])
