"""Whether a value can be what its column says it is: British ids, contacts and places, and dates that can be true.

What belongs here: the answer for each row of a column. Which column is asked, and what happens to the row, is said by
the contract; how a value is put in order belongs in `cleaning`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

import polars as pl

from feeds import cleaning
from feeds.contracts import Column
from feeds.parsing import dated, parsed

PREFIX = "column_values_to_be_"
# HMRC, National Insurance Manual NIM39110: letters and prefixes that are never used
NI_FORM = r"^[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]$"
NI_NEVER = ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
# GOV.UK, Bulk Data Transfer: additional validation, section 3.1; anchored as a whole and indifferent to the space
POSTCODE = (
    r"^(?:GIR ?0AA|(?:[A-Z][0-9]{1,2}|[A-Z][A-HJ-Y][0-9]{1,2}|[A-Z][0-9][A-Z]|[A-Z][A-HJ-Y][0-9]?[A-Z])"
    r" ?[0-9][A-Z]{2})$"
)
KINDS_OF_NUMBER = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip


def mark(
    name: str, rows: pl.DataFrame, column: Column, args: Mapping[str, Any], day: date | None = None
) -> pl.Series | pl.Expr:
    """Whether each row's value is well; a row that has none is.

    Text is looked at after the column's transforms, or as it is written where these leave nothing of it.

    Args:
        name: the expectation, such as `column_values_to_be_nhs_number`.
        rows: text, as read.
        args: of a plausible birth date `oldest`, in years (120); of a plausible date `earliest` (1900-01-01) and
            `days_ahead` (0).
        day: of the delivery; without it nothing is too late or too old.

    Raises:
        KeyError: there is no check of this name.
    """
    check = name.removeprefix(PREFIX)
    if check == "plausible_birth_date":
        return _born(column, int(args.get("oldest", 120)), day)
    if check == "plausible_date":
        return _happened(column, _day(args.get("earliest", "1900-01-01")), int(args.get("days_ahead", 0)), day)
    text = pl.col(column.name)
    if column.clean:
        text = pl.coalesce(cleaning.cleaned(text, column.clean), text)
    written = rows.select(text.alias("text"))["text"]
    return (written.is_null() | cleaning.each(written, VALID[check])).alias(column.name)


# -- values that are right by themselves ----------------------------------------------------------------------------


def nhs_number(text: pl.Expr) -> pl.Expr:
    """Ten digits with their check digit, spaces and hyphens between or not; not one digit ten times over."""
    return text.str.contains(r"^[0-9 -]*$") & cleaning.nhs_number(text).is_not_null()


def upn(text: pl.Expr) -> pl.Expr:
    """A unique pupil number with its check letter."""
    return cleaning.upn(text).is_not_null()


def ni_number(text: pl.Expr) -> pl.Expr:
    """A National Insurance number that can have been issued."""
    tight = text.str.replace_all(" ", "").str.to_uppercase()
    return tight.str.contains(NI_FORM) & ~tight.str.head(2).is_in(NI_NEVER)


def uk_postcode(text: pl.Expr) -> pl.Expr:
    """A postcode of a form that Royal Mail uses; whether there is such a one, the postcode directory knows."""
    return text.str.strip_chars(" ").str.to_uppercase().str.contains(POSTCODE)


def uprn(text: pl.Expr) -> pl.Expr:
    """A property reference: one to twelve digits, not all noughts."""
    return text.str.contains(r"^0*[1-9][0-9]*$") & (text.str.len_bytes() <= 12)


def uk_telephone(text: pl.Expr) -> pl.Expr:
    """A telephone number in use in the United Kingdom, the Channel Islands or the Isle of Man, by `phonenumbers`.

    Placeholders that have the form of one, such as 07000000000, are none. The library's patterns are asked here in one
    go: it takes 25 microseconds a number by itself. A test holds the answers to its own.
    """
    bare = (
        text.str.to_lowercase().str.replace(r"\s*(?:x|ext\.?|#)\s*[0-9]{1,7}$", "").str.replace_all(r"[\s().\-/]", "")
    )
    national = bare.str.replace(r"^(?:\+44|0044)", "").str.replace(r"^0", "")
    return national.str.contains(_in_use()) & ~cleaning.no_phone(text)


VALID: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "nhs_number": nhs_number,
    "upn": upn,
    "ni_number": ni_number,
    "uk_postcode": uk_postcode,
    "uprn": uprn,
    "uk_telephone": uk_telephone,
}


@cache
def _in_use() -> str:
    """A pattern of the national numbers, without their 0, that the library says are in use."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    found: list[str] = []
    for region in COUNTRY_CODE_TO_REGION_CODE[44]:
        of = PhoneMetadata.metadata_for_region(region)
        kinds = [getattr(of, kind) for kind in KINDS_OF_NUMBER]
        found += [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    return f"^(?:{'|'.join(sorted(set(found)))})$"


# -- dates that can be true -----------------------------------------------------------------------------------------


def _born(column: Column, oldest: int, day: date | None) -> pl.Expr:
    value = parsed(column).cast(pl.Date) if column.type != "string" else _iso(column)
    if day is None:
        return pl.lit(True) | value.is_null()
    first = pl.lit(day).dt.offset_by(f"-{oldest}y")
    return value.is_null() | value.is_between(first, pl.lit(day))


def _happened(column: Column, earliest: date, days_ahead: int, day: date | None) -> pl.Expr:
    value = dated(column, pl.Date) if column.type != "string" else _iso(column)
    well = value >= pl.lit(earliest)
    if day is not None:
        well = well & (value <= pl.lit(day + timedelta(days=days_ahead)))
    return value.is_null() | well


def _iso(column: Column) -> pl.Expr:
    return pl.col(column.name).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))
