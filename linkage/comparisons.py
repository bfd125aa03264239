"""What is compared of two records: names, addresses, dates, contacts, ids, and what a council adds.

What belongs here: comparisons and their levels. What reaching a level is worth belongs in `linkage.model`, and how that
is learned in `linkage.training`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """One outcome of a comparison: its label, the SQL that recognises it, and m assumed before any pair was seen."""

    label: str
    sql: str
    m: float
    frequency_of: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Levels from most to least alike, the last for everything else; `missing` recognises what cannot be compared."""

    name: str
    missing: str
    levels: tuple[Level, ...]


def _missing(*columns: str) -> str:
    return " or ".join(f"{c}_l is null or {c}_r is null" for c in columns)


def _one_apart(name: str) -> str:
    """Whether one letter was changed, left out, put in or turned round; the cheaper test rules most pairs out."""
    told = f"({name}_l, {name}_r)"
    return f"(levenshtein{told} <= 2 and damerau_levenshtein{told} <= 1)"


def _id(name: str, column: str) -> Comparison:
    return Comparison(
        name,
        _missing(column),
        (
            Level("the same", f"{column}_l = {column}_r", 0.985),
            Level("one character apart", _one_apart(column), 0.005),
            Level("different", "", 0.01),
        ),
    )


_TWO_OF_THREE = "(year_l = year_r)::int + (month_l = month_r)::int + (day_l = day_r)::int = 2"
_TURNED = (  # one of the two may be misspelt, or both a little
    "starts_with(surname_r, initial_l) and starts_with(surname_l, initial_r) and "
    "(forename_l = surname_r or forename_r = surname_l or "
    "(jaro_winkler_similarity(forename_l, surname_r) >= 0.85 and "
    "jaro_winkler_similarity(forename_r, surname_l) >= 0.85))"
)
_TURNED_INITIAL = (
    "(surname_l = forename_r and starts_with(surname_r, initial_l)) or "
    "(surname_r = forename_l and starts_with(surname_l, initial_r))"
)
ASKED = {  # what several levels ask of a pair, worked out once: their SQL has the names
    "surname_like": (  # 2 the same or turned round with the forename, 1 alike
        f"case when surname_l = surname_r or ({_TURNED}) or {_TURNED_INITIAL} then 2 "
        "when jaro_winkler_similarity(surname_l, surname_r) >= 0.9 or list_has_any(surnames_l, surnames_r) "
        f"or surname_sound_l = surname_sound_r or {_one_apart('surname')} then 1 else 0 end"
    ),
    "place_like": (  # 2 both live there now, 1 they do or did
        "case when uprn_l = uprn_r or door_l = door_r then 2 when list_has_any(places_l, places_r) then 1 else 0 end"
    ),
}
_NOWHERE = "(places_l is null or places_r is null)"


def written_out(sql: str) -> str:
    """The SQL of a level with what `ASKED` names in place of the names."""
    for name, asked in ASKED.items():
        sql = re.sub(rf"\b{name}\b", f"({asked})", sql)
    return sql


COMPARISONS = (
    Comparison(
        "forename",
        _missing("forename"),
        (
            Level("the same", "forename_l = forename_r", 0.80, "forename"),
            Level("forename and surname turned round", _TURNED, 0.01),
            Level("a name also used, or short for it", "list_has_any(forenames_l, forenames_r)", 0.06),
            Level("alike", "jaro_winkler_similarity(forename_l, forename_r) >= 0.9", 0.06),
            Level("one letter apart", _one_apart("forename"), 0.02),
            Level(
                "sounds alike",  # WILLOW and ISLA have one code
                "forename_sound_l = forename_sound_r and jaro_winkler_similarity(forename_l, forename_r) >= 0.7",
                0.01,
            ),
            Level(
                "a middle name", "list_has_any(forenames_l, middles_r) or list_has_any(middles_l, forenames_r)", 0.01
            ),
            Level("somewhat alike", "jaro_winkler_similarity(forename_l, forename_r) >= 0.78", 0.01),
            Level("different", "", 0.02),
        ),
    ),
    Comparison(
        "initial",
        f"{_missing('initial')} or (forename_l is not null and forename_r is not null)",
        (
            Level("the same", "initial_l = initial_r", 0.95),
            Level("forename and surname turned round", _TURNED_INITIAL, 0.01),
            Level("different", "", 0.04),
        ),
    ),
    Comparison(
        "middle name",
        _missing("middle_name"),
        (
            Level("the same", "middle_name_l = middle_name_r", 0.70),
            Level("initial agrees", "middle_name_l[1] = middle_name_r[1]", 0.22),
            Level("different", "", 0.08),
        ),
    ),
    Comparison(
        "surname and address",
        f"(surname_l is null or surname_r is null) and {_NOWHERE}",
        (
            Level("surname and door", "surname_like = 2 and place_like = 2", 0.50),
            Level("surname and a former door", "surname_like = 2 and place_like = 1", 0.08),
            Level("surname and postcode", "surname_like = 2 and postcode_l = postcode_r", 0.02),
            Level("like surname and door", "surname_like = 1 and place_like = 2", 0.06),
            Level("like surname and a former door", "surname_like = 1 and place_like = 1", 0.01),
            Level("door, no surname", "(surname_l is null or surname_r is null) and place_like >= 1", 0.02),
            Level("door, other surname", "place_like >= 1", 0.02),
            Level("surname, no address", f"surname_l = surname_r and {_NOWHERE}", 0.08, "surname"),
            Level("surname and neighbourhood", "surname_l = surname_r and sector_l = sector_r", 0.05, "surname"),
            Level("surname, other address", "surname_l = surname_r", 0.12, "surname"),
            Level("like surname and postcode", "surname_like >= 1 and postcode_l = postcode_r", 0.01),
            Level("like surname", "surname_like >= 1", 0.03),
            Level("postcode alone", "postcode_l = postcode_r", 0.01),
            Level("nothing agrees", "", 0.02),
        ),
    ),
    Comparison(
        "birth date",
        _missing("born"),
        (
            Level("the same", "born_l = born_r", 0.93),
            Level("day and month turned round", "year_l = year_r and month_l = day_r and day_l = month_r", 0.01),
            Level(
                "year agrees, one is 1 January",
                "year_l = year_r and (born_l[5:] = '0101' or born_r[5:] = '0101')",
                0.01,
            ),
            Level("one character apart", f"{_TWO_OF_THREE} and {_one_apart('born')}", 0.03),
            Level("two parts of three", f"{_TWO_OF_THREE} and abs(year_l - year_r) < 13", 0.008),
            Level("a year or less apart", "abs(year_l - year_r) <= 1", 0.004),
            Level("different", "abs(year_l - year_r) < 13", 0.004),
            Level("a generation apart", "", 0.004),
        ),
    ),
    Comparison(
        "age for the feed",
        "(grown_l is null or year_r is null) and (grown_r is null or year_l is null)",
        (
            Level("old enough", "coalesce(year_r <= grown_l, true) and coalesce(year_l <= grown_r, true)", 0.998),
            Level("a child, where the feed knows adults", "", 0.002),
        ),
    ),
    Comparison("sex", _missing("sex"), (Level("the same", "sex_l = sex_r", 0.985), Level("different", "", 0.015))),
    Comparison(
        "telephone",
        _missing("phone"),
        (
            Level("the same", "phone_l = phone_r and not phone_shared_l", 0.5),
            Level("the same, which a family shares", "phone_l = phone_r", 0.1),
            Level("different", "", 0.4),
        ),
    ),
    Comparison(
        "email",
        _missing("email"),
        (
            Level("the same", "email_l = email_r and not email_shared_l", 0.65),
            Level("the same, which a family shares", "email_l = email_r", 0.1),
            Level("different", "", 0.25),
        ),
    ),
    _id("NHS number", "nhs_number"),
    _id("UPN", "upn"),
    _id("child id", "la_child_id"),
    _id("National Insurance number", "ni_number"),
)


def extra(name: str, column: str, kind: str) -> Comparison:
    """A comparison of a column that a council adds, with the levels that its kind has.

    Args:
        name: as it is told to people.
        column: of the conformed records (`x_...`).
        kind: `text` or `code` (the column holds text), `number` (a number) or `date` (a date).
    """
    one, other = f"{column}_l", f"{column}_r"
    same = f"{one} = {other}"
    levels = {
        "text": (
            Level("the same", same, 0.85, column),
            Level("alike", f"jaro_winkler_similarity({one}, {other}) >= 0.92", 0.09),
            Level("different", "", 0.06),
        ),
        "code": (Level("the same", same, 0.95, column), Level("different", "", 0.05)),
        "number": (
            Level("the same", same, 0.85),
            Level("within a twentieth", f"abs({one} - {other}) <= 0.05 * greatest(abs({one}), abs({other}))", 0.09),
            Level("different", "", 0.06),
        ),
        "date": (
            Level("the same", same, 0.90),
            Level("within a month", f"abs(date_diff('day', {one}, {other})) <= 31", 0.05),
            Level("different", "", 0.05),
        ),
    }
    return Comparison(name, _missing(column), levels[kind])
