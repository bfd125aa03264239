"""What tells of one person and of nobody else, and looking for it in frames and texts: how an erasure is proven.

What belongs here: which values count as left behind, and finding them. Where is looked is said by the rooms above.

Counted as left: an id (NHS number, UPN, National Insurance number, the council's child id, email, telephone) that no
other record has; a forename beside a surname where nobody else is called so; otherwise the two together with the date
of birth. An address, a surname or a date of birth alone is not: households share them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

IDS = ("nhs_number", "upn", "ni_number", "la_child_id", "email", "phone")
SHORTEST = 5  # characters of an id that is looked for: a shorter one is found by chance
FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y%m%d", "%d%m%Y", "%d/%m/%y", "%-d %B %Y", "%-d %b %Y")
_FRAME = {"kind": pl.String, "one": pl.String, "other": pl.String, "birth_date": pl.Date}


@dataclass(frozen=True)
class Name:
    """A forename and surname in capitals, the dates of birth they go with, and whether nobody else is called so."""

    forename: str
    surname: str
    births: tuple[date, ...]
    alone: bool


@dataclass(frozen=True)
class Traces:
    """What tells of one person and of nobody else. It never shows itself."""

    ids: tuple[str, ...] = ()
    names: tuple[Name, ...] = ()

    def __repr__(self) -> str:
        return f"Traces({len(self.ids)} ids, {len(self.names)} names)"

    def frame(self) -> pl.DataFrame:
        """As rows, to be kept in the vault until the proof; `of` reads them back."""
        rows: list[tuple[str, str, str | None, date | None]] = [("id", value, None, None) for value in self.ids]
        for name in self.names:
            kind = "alone" if name.alone else "name"
            rows += [(kind, name.forename, name.surname, birth) for birth in name.births or (None,)]
        return pl.DataFrame(rows, schema=_FRAME, orient="row")

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Traces:
        """Traces as `frame` put them down."""
        names: dict[tuple[str, str, str], list[date]] = {}
        for kind, one, other, birth in frame.filter(pl.col("kind") != "id").iter_rows():
            names.setdefault((one, other, kind), []).extend([birth] if birth else [])
        return cls(
            tuple(frame.filter(pl.col("kind") == "id")["one"]),
            tuple(Name(one, other, tuple(births), kind == "alone") for (one, other, kind), births in names.items()),
        )

    def in_text(self, text: str) -> bool:
        """Whether a text, or what a page of HTML shows, holds any of them."""
        shown = html.unescape(re.sub(r"<[^>]*>", " ", text)).upper()
        return any(all(re.search(part, shown) for part in pattern) for pattern in self._patterns())

    def in_frame(self, frame: pl.DataFrame) -> int:
        """How many rows of a frame hold any of them, whatever the columns are called."""
        patterns = self._patterns()
        if frame.is_empty() or not patterns:
            return 0
        text = pl.concat_str([_text(pl.col(c), kind) for c, kind in frame.schema.items()], separator=" | ")
        shown = frame.select(text.str.to_uppercase().alias("text"))
        found = [pl.all_horizontal(pl.col("text").str.contains(part) for part in pattern) for pattern in patterns]
        return shown.select(pl.any_horizontal(found).sum()).item()

    def _patterns(self) -> list[tuple[str, ...]]:
        """Regular expressions: of each tuple all have to be found."""
        made: list[tuple[str, ...]] = []
        if self.ids:
            spaced = [r"\s?".join(re.escape(c) for c in value) for value in self.ids]
            made.append((r"\b(?:" + "|".join(spaced) + r")\b",))
        for name in self.names:
            one, other = re.escape(name.forename), re.escape(name.surname)
            if name.alone:
                made.append((rf"\b(?:{one}\W+{other}|{other}\W+{one})\b",))
            if name.births:
                days = {re.escape(day.strftime(form).upper()) for day in name.births for form in FORMS}
                made.append((rf"\b{one}\b", rf"\b{other}\b", rf"\b(?:{'|'.join(sorted(days))})\b"))
        return made


def traces_of(mine: pl.DataFrame, known: pl.DataFrame) -> Traces:
    """What tells of the person of some records and of nobody else.

    Args:
        mine: SOURCE_RECORD rows of the records.
        known: SOURCE_RECORD rows of all.
    """
    others = known.join(mine, on="record_id", how="anti")
    ids: list[str] = []
    for column in IDS:
        values = mine[column].drop_nulls().unique()
        alone = values.filter(~values.is_in(others[column].drop_nulls().implode()))
        ids += [value.upper() for value in alone.sort() if len(value) >= SHORTEST]
    theirs, rest = _names(mine), _names(others)
    births = tuple(mine["birth_date"].drop_nulls().unique().sort())
    names = []
    for forename, surname in theirs.select("forename", "surname").unique().sort("forename", "surname").iter_rows():
        same = rest.filter(pl.col("forename") == forename, pl.col("surname") == surname)
        own = tuple(day for day in births if not (same["birth_date"] == day).any())
        if own or same.is_empty():
            names.append(Name(forename, surname, own, same.is_empty()))
    return Traces(tuple(dict.fromkeys(ids)), tuple(names))


def holding(frame: pl.DataFrame, ids: Iterable[str]) -> int:
    """How many rows of a frame bear one of some ids in any column of text, or in a list."""
    wanted = pl.Series(list(ids), dtype=pl.String).implode()
    tests = []
    for column, kind in frame.schema.items():
        if kind == pl.String:
            tests.append(pl.col(column).is_in(wanted))
        elif kind == pl.List(pl.String):
            tests.append(pl.col(column).list.eval(pl.element().is_in(wanted)).list.any())
    if not tests or frame.is_empty():
        return 0
    return frame.select(pl.any_horizontal(*(test.fill_null(False) for test in tests)).sum()).item()


def _names(records: pl.DataFrame) -> pl.DataFrame:
    """Every forename and surname that records have together, in capitals, with the date of birth."""
    first = records.select("forename", "surname", "birth_date")
    more = (
        records.select("other_names", "birth_date")
        .explode("other_names", empty_as_null=True, keep_nulls=True)
        .select(
            pl.col("other_names").struct.field("forename"), pl.col("other_names").struct.field("surname"), "birth_date"
        )
    )
    return pl.concat([first, more]).drop_nulls(["forename", "surname"]).with_columns(
        pl.col("forename", "surname").str.to_uppercase()
    )  # fmt: skip


def _text(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    match kind:
        case pl.List(inner=pl.Struct()):
            told = column.list.eval(pl.element().struct.json_encode()).list.join(" ", ignore_nulls=True)
        case pl.List(inner=pl.String()):
            told = column.list.join(" ", ignore_nulls=True)
        case pl.List():
            told = column.list.eval(pl.element().cast(pl.String)).list.join(" ", ignore_nulls=True)
        case pl.Struct():
            told = column.struct.json_encode()
        case _:
            told = column.cast(pl.String)
    return told.fill_null("")
