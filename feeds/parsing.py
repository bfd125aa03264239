"""Text as files hold it, turned into dates, times, numbers and truth values, a column at a time.

What belongs here: how a contract's logical types are read. Which rows are refused for what does not parse is said by
the rules; what the values mean, by the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feeds.cleaning import cleaned, kept
from feeds.contracts import Column, strptime

YES = ("true", "t", "yes", "y", "1")
NO = ("false", "f", "no", "n", "0")
# first and last moments, for to compare them costs a small part of taking years out of dates
FOREVER = (datetime(9999, 1, 1), datetime.max)  # the year that systems write for "no end"
YEARS = (datetime(1800, 1, 1), datetime(2200, 12, 31, 23, 59, 59, 999999))
TIMESTAMP = pl.Datetime("us")
CLOCK = "(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]"
SECONDS = r"(?:[0-5]?[0-9]|60)(?:\.[0-9]+)?"


def parsed(column: Column) -> pl.Expr:
    """The column's text as its logical type: Datetime, Int64, Float64, Boolean or String; null where it does not parse.

    Dates are datetimes at midnight, so that a date compares with a time. A year outside 1800 to 2200 does not parse,
    but for 9999, which many systems write for "no end" and `dated` turns into null. What is no string is read after the
    column's transforms: they say how its text is written.
    """
    text = pl.col(column.name) if column.type == "string" else cleaned(pl.col(column.name), column.clean)
    if column.type == "integer":
        return text.cast(pl.Int64, strict=False)
    if column.type == "number":
        return kept(text.cast(pl.Float64, strict=False), lambda number: number.is_finite()).alias(column.name)
    if column.type == "boolean":
        word = text.str.to_lowercase()
        return pl.when(word.is_in(YES)).then(True).when(word.is_in(NO)).then(False)
    if column.type in ("date", "timestamp"):
        return _time(text, column)
    return text


def dated(column: Column, type_: pl.DataType | type[pl.DataType] = TIMESTAMP) -> pl.Expr:
    """The column as a datetime (or date), null where it does not parse or says 9999."""
    return kept(parsed(column), lambda value: ~value.is_between(*FOREVER)).cast(type_).alias(column.name)


def matches(when: Mapping[str, tuple[str, ...]]) -> pl.Expr:
    """Whether a row meets every condition: the text is one of those named; `present` and `absent` test for null."""
    terms = [pl.lit(True)]
    for name, values in when.items():
        if values == ("present",):
            terms.append(pl.col(name).is_not_null())
        elif values == ("absent",):
            terms.append(pl.col(name).is_null())
        else:
            terms.append(pl.col(name).is_in(values).fill_null(False))
    return pl.all_horizontal(terms)


def _time(text: pl.Expr, column: Column) -> pl.Expr:
    if column.format:
        form = strptime(column.format)
        if "XXX" in column.format:  # as on the clock where it was written: a day must stay the day that it was
            text = text.str.replace(r"(?:Z|[+-]\d\d:?\d\d)$", "")
        value = _read(text, form, "H" in column.format)
    elif column.type == "date":
        # most texts are just a day; the others alone are searched for one
        day = text.str.len_bytes() == 10
        other = pl.when(~day).then(text).str.extract(rf"^ *([^T ]+)(?:[T ] *{CLOCK}:{SECONDS})?$")
        value = _read(pl.when(day).then(text).otherwise(other), "%Y-%m-%d", False)
    else:
        # brought to one way of writing first, for a text that does not parse costs more than one that does
        plain = text.str.replace("T", " ", literal=True).str.strip_suffix("Z")
        full = plain.str.len_bytes() == 19
        other = pl.when(~full).then(plain).str.replace(r"^ *([^ ]+)$", "$1 00:00")
        other = other.str.replace(rf"^ *([^ ]+ +{CLOCK})$", "$1:00")
        value = _read(pl.when(full).then(plain).otherwise(other), "%F %T%.f", True)
    if column.type == "date" and "H" in (column.format or ""):
        value = value.dt.truncate("1d")
    return kept(value, lambda value: value.is_between(*YEARS) | value.is_between(*FOREVER)).alias(column.name)


def _read(text: pl.Expr, form: str, with_time: bool) -> pl.Expr:
    if with_time:
        return text.str.to_datetime(form, strict=False, time_unit="us")
    return text.str.to_date(form, strict=False).cast(TIMESTAMP)
