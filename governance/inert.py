"""What partners sent, made harmless for whatever opens it: a spreadsheet, a page, a terminal.

What belongs here: text in, text that runs nothing out; and the one way in which a spreadsheet is written. What stands
in it is chosen by the rooms above.
"""

from __future__ import annotations

import re
import unicodedata

import polars as pl

_KEPT = "\n\t"  # of a text of several lines
_INVISIBLE = r"[\p{Cc}\p{Cf}\u{2028}\u{2029}]+"
# what a spreadsheet would take for a formula at the start of a cell, also where another separator takes the file apart
_RUNS = r"(^|[,;|\"\s])([=+\-@＝＋－＠])"


def shown(text: str) -> str:
    """Text for a page: lines stay; control and direction characters, which make text read otherwise, do not."""
    return text if text.isprintable() else "".join(c if c in _KEPT else _bare(c) for c in text)


def line(value: object) -> str:
    """A value as one line for a page or a terminal, without control and direction characters; empty for None."""
    text = "" if value is None else str(value)
    return (text if text.isprintable() else "".join(map(_bare, text))).strip()


def cell(column: str) -> pl.Expr:
    """Text that a spreadsheet shows and never runs, with control characters made visible as spaces.

    An apostrophe is set before whatever begins a formula in a cell of its own, however the file is taken apart.
    (OWASP, CSV injection.)
    """
    return pl.col(column).str.replace_all(_INVISIBLE, " ").str.replace_all(_RUNS, "${1}'${2}").alias(column)


def csv(frame: pl.DataFrame, lines: int | None = None) -> str:
    """A frame as CSV: every text inert, lists joined by spaces; at most so many lines.

    Numbers, dates and truths are written as they are: nothing but a text can begin a formula.
    """
    return _harmless(frame, lines).write_csv()


def spreadsheet(frame: pl.DataFrame, lines: int | None = None) -> bytes:
    """The same for whoever opens it in Excel: its mark of UTF-8, every cell quoted, its ends of lines."""
    text = _harmless(frame, lines).write_csv(include_bom=True, quote_style="always", line_terminator="\r\n")
    return text.encode()


def _harmless(frame: pl.DataFrame, lines: int | None) -> pl.DataFrame:
    texts = (frame if lines is None else frame.head(lines)).with_columns(pl.col(pl.List(pl.String)).list.join(" "))
    made = texts.with_columns(cell(name) for name, kind in texts.schema.items() if kind == pl.String)
    return made.rename({name: _heading(name) for name in made.columns})


def _heading(name: str) -> str:
    return re.sub(_RUNS, r"\1'\2", line(name))


def _bare(character: str) -> str:
    return " " if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") else character
