"""Where a name seems to come from: a crude guess, for auditing links alone.

What belongs here: the guess, from a table of common names and endings. It is wrong for many a person: names are
inherited, married into and chosen. It is good enough to see that links of a kind of name are missed more often, and for
nothing else; it is kept nowhere.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import polars as pl

TABLE = Path(__file__).parent / "name_origins.csv"
OTHER = "British or other"


@cache
def _known() -> tuple[dict[str, str], dict[str, str], list[tuple[str, str]]]:
    """Forenames and surnames with their origin, and endings of surnames (longest first) with theirs."""
    forenames: dict[str, str] = {}
    surnames: dict[str, str] = {}
    endings: list[tuple[str, str]] = []
    with TABLE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            forenames |= dict.fromkeys(row["forenames"].split(), row["origin"])
            surnames |= dict.fromkeys(row["surnames"].split(), row["origin"])
            endings += [(ending, row["origin"]) for ending in row["endings"].split()]
    return forenames, surnames, sorted(endings, key=lambda pair: (-len(pair[0]), pair[0]))


def origins(people: pl.DataFrame) -> pl.Series:
    """The origin that each person's names seem to have, null where there is no name.

    A surname that is known decides, then its ending, then the forename; a name that says nothing is "British or other".

    Args:
        people: `forename`, `surname`, upper case.
    """
    forenames, surnames, endings = _known()

    def plain(name: str) -> pl.Expr:
        text = pl.col(name).str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.replace_all("Ł", "L")
        return text.str.replace_all(r"['’ -]", "")

    told = people.select(plain("forename").alias("forename"), plain("surname").alias("surname"))
    ending = pl.lit(None, pl.String)
    for text, origin in reversed(endings):
        long = pl.col("surname").str.len_chars() > len(text) + 1
        starts = pl.col("surname").str.starts_with(text[:-1]) if text.endswith("-") else None
        fits = starts if starts is not None else pl.col("surname").str.ends_with(text)
        ending = pl.when(fits & long).then(pl.lit(origin)).otherwise(ending)
    by_surname = pl.col("surname").replace_strict(surnames, default=None, return_dtype=pl.String)
    by_forename = pl.col("forename").replace_strict(forenames, default=None, return_dtype=pl.String)
    named = pl.any_horizontal(pl.col("forename", "surname").is_not_null())
    return told.select(
        pl.when(named).then(pl.coalesce(by_surname, ending, by_forename, pl.lit(OTHER))).alias("origin")
    ).to_series()
