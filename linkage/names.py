"""What a name may also be: nicknames, spellings across languages, and how it sounds.

What belongs here: knowledge of names, one answer a distinct name. What it counts for belongs in `linkage.model`.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import polars as pl

VARIANTS = Path(__file__).parent / "name_variants.csv"


@cache
def _canonicals() -> dict[str, frozenset[str]]:
    """Every known nickname and spelling, upper case, and the names it may stand for."""
    from nicknames import name_triplets

    found: dict[str, set[str]] = {}
    for triplet in name_triplets():
        found.setdefault(triplet.name2.upper(), set()).add(triplet.name1.upper())
    with VARIANTS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for variant in row["variants"].split():
                found.setdefault(variant, set()).add(row["canonical"])
    return {name: frozenset(canonical) for name, canonical in found.items()}


def canonical_names(names: pl.Series) -> pl.DataFrame:
    """What each distinct forename may stand for: `name`, and `canonical`, a sorted list that holds the name itself."""
    known = _canonicals()
    distinct = names.drop_nulls().unique().sort()
    lists = [sorted({name, *known.get(name, ())}) for name in distinct]
    return pl.DataFrame(
        {"name": distinct, "canonical": lists}, schema={"name": pl.String, "canonical": pl.List(pl.String)}
    )


def sounds(names: pl.Series) -> pl.DataFrame:
    """How each distinct name sounds: `name`, `sound` (double metaphone, first code), null where it has none."""
    from doublemetaphone import doublemetaphone

    distinct = names.drop_nulls().unique().sort()
    codes = [doublemetaphone(name)[0] or None for name in distinct]
    return pl.DataFrame({"name": distinct, "sound": codes}, schema={"name": pl.String, "sound": pl.String})
