"""Which pairs are worth comparing: records that share one of several keys.

What belongs here: the keys, the cap on a key that too many records share, and the pairs of a night's changes. What a
pair is worth belongs in `linkage.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

MOST = 60  # records under one key; beyond it the key finds nothing but floods
RARE = 20  # ... for full names alone, which tell people apart only where they are rare

RULES: dict[str, tuple[tuple[str, ...], int]] = {
    "NHS number": (("nhs_number",), MOST),
    "UPN": (("upn",), MOST),
    "child id": (("la_child_id",), MOST),
    "National Insurance number": (("ni_number",), MOST),
    "email": (("email",), MOST),
    "telephone": (("phone",), MOST),
    "birth date and a name": (("born", "names"), MOST),
    "birth date and initial": (("born", "initial"), MOST),
    "birth date and postcode": (("born", "postcode"), MOST),
    "place and initial": (("places", "initial"), MOST),
    "postcode and forename": (("postcode", "forename"), MOST),
    "names and sector": (("forenames", "surnames", "sector"), MOST),
    "initial, surname and year": (("initial", "surname", "year"), MOST),
    "sounds and year": (("forename_sound", "surname_sound", "year"), MOST),
    "names, either way round": (("turned",), RARE),
}


MOST_OF = pl.Series([most for _, most in RULES.values()])


@dataclass(frozen=True)
class Blocks:
    """Every key of every record: `uid`, `key` (uint64, its last four bits the rule) and `over`: shared by too many."""

    keys: pl.DataFrame

    @property
    def capped(self) -> pl.DataFrame:
        """`uid`, `stamp`: of the keys that count for nothing, of each record that has any."""
        return self.keys.filter("over").group_by("uid").agg(pl.col("key").hash(7).sum().alias("stamp"))

    def pairs(self, changed: pl.Series | None = None) -> pl.DataFrame:
        """Distinct pairs of records that share a key: `uid_l` < `uid_r`, sorted.

        Args:
            changed: uids; only pairs with at least one of them. None asks for every pair.
        """
        keys = self.keys.filter(~pl.col("over")).select("uid", "key")
        if changed is not None:
            touched = keys.filter(pl.col("uid").is_in(changed.implode()))["key"].unique()
            keys = keys.filter(pl.col("key").is_in(touched.implode()))
        keys = keys.sort("key")
        key, uid = keys["key"].to_numpy(), keys["uid"].cast(pl.Int64).to_numpy()
        found, here, step = [np.zeros(0, dtype=np.int64)], np.arange(len(key)), 1
        while len(here):
            # each record with the one so many places further on, for as long as they stand under one key
            here = here[: np.searchsorted(here, len(key) - step)]
            here = here[key[here] == key[here + step]]
            one, other = uid[here], uid[here + step]
            found.append(np.minimum(one, other) << 32 | np.maximum(one, other))
            step += 1
        packed = pl.Series(np.concatenate(found)).sort().to_numpy()
        packed = packed[np.flatnonzero(np.diff(packed, prepend=-1))]
        left, right = packed >> 32, packed & 0xFFFFFFFF
        if changed is not None:
            fresh = np.zeros(int(max(right.max(initial=0), changed.max() or 0)) + 1, dtype=bool)
            fresh[changed.to_numpy()] = True
            kept = fresh[left] | fresh[right]
            left, right = left[kept], right[kept]
        return pl.DataFrame({"uid_l": left, "uid_r": right})


def blocks(people: pl.DataFrame, kept: pl.DataFrame | None = None, left: pl.Series | None = None) -> Blocks:
    """Find the keys under which records meet.

    Args:
        people: conformed records: all, or those that are new or changed.
        kept: `keys` of all other records, as they were the night before.
        left: keys that records held the night before and, gone or changed, may hold no longer.
    """
    keys = _keys(people)
    if kept is None or left is None:
        return Blocks(_over(keys))
    touched = pl.concat([keys["key"], left]).unique().implode()
    stirred = kept["key"].is_in(touched)
    again = pl.concat([kept.filter(stirred).select("uid", "key"), keys])
    return Blocks(pl.concat([kept.filter(~stirred), _over(again)]))


def _over(keys: pl.DataFrame) -> pl.DataFrame:
    """Say of each key whether more records than its rule allows stand under it."""
    most = pl.lit(MOST_OF).gather(pl.col("key") & 15)
    often = keys.group_by("key").len().filter(pl.col("len") > most)["key"]
    return keys.with_columns(pl.col("key").is_in(often.implode()).alias("over"))


def _keys(people: pl.DataFrame) -> pl.DataFrame:
    """`uid`, `key` of each record under each rule."""
    turned = people.select(
        "uid", pl.when(pl.col("forename") < pl.col("surname")).then(pl.concat_str("forename", "surname", separator="|"))
        .otherwise(pl.concat_str("surname", "forename", separator="|")).alias("turned"), "year",
    )  # fmt: skip
    names = pl.concat_list(pl.col("forenames", "surnames").fill_null([]))
    people = people.with_columns(
        turned["turned"], pl.when(names.list.len() > 0).then(names.list.unique()).alias("names")
    )
    found = []
    for number, (columns, _) in enumerate(RULES.values()):
        rows = people.select("uid", *columns).drop_nulls()
        for column in columns:
            if isinstance(rows.schema[column], pl.List):
                rows = rows.explode(column)
        key = pl.struct(*columns).hash(number) & ~pl.lit(15, pl.UInt64) | pl.lit(number, pl.UInt64)
        found.append(rows.select(pl.col("uid").cast(pl.UInt32), key.alias("key")))
    return pl.concat(found)
