"""Which pairs are worth comparing: records that share one of several keys.

What belongs here: the keys, the cap on a key that too many records share, and the pairs of a night's changes. What a
pair is worth belongs in `linkage.model`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import polars as pl

log = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Blocks:
    """Keys held by at least two records: `keys` (uid, key, rule), and a stamp a record of the keys that were capped."""

    keys: pl.DataFrame
    capped: pl.DataFrame

    def pairs(self, changed: pl.Series | None = None) -> pl.DataFrame:
        """Distinct pairs of records that share a key: `uid_l` < `uid_r`, sorted.

        Args:
            changed: uids; only pairs with at least one of them. None asks for every pair.
        """
        keys = self.keys
        if changed is not None:
            touched = keys.filter(pl.col("uid").is_in(changed.implode()))["key"].unique()
            keys = keys.filter(pl.col("key").is_in(touched.implode()))
        keys = keys.sort("key", "uid")
        key, uid = keys["key"].to_numpy(), keys["uid"].to_numpy()
        found, here, step = [np.zeros(0, dtype=np.int64)], np.arange(len(key)), 1
        while len(here):
            # each record with the one so many places further on, for as long as they stand under one key
            here = here[: np.searchsorted(here, len(key) - step)]
            here = here[key[here] == key[here + step]]
            found.append(uid[here] << 32 | uid[here + step])
            step += 1
        packed = pl.Series(np.concatenate(found)).unique().sort().to_numpy()
        left, right = packed >> 32, packed & 0xFFFFFFFF
        if changed is not None:
            fresh = np.zeros(int(max(right.max(initial=0), changed.max() or 0)) + 1, dtype=bool)
            fresh[changed.to_numpy()] = True
            kept = fresh[left] | fresh[right]
            left, right = left[kept], right[kept]
        return pl.DataFrame({"uid_l": left, "uid_r": right})


def blocks(people: pl.DataFrame) -> Blocks:
    """Find the keys under which records meet.

    Args:
        people: conformed records.
    """
    turned = people.select(
        "uid", pl.when(pl.col("forename") < pl.col("surname")).then(pl.concat_str("forename", "surname", separator="|"))
        .otherwise(pl.concat_str("surname", "forename", separator="|")).alias("turned"), "year",
    )  # fmt: skip
    names = pl.concat_list(pl.col("forenames", "surnames").fill_null([]))
    people = people.with_columns(turned["turned"], pl.when(names.list.len() > 0).then(names).alias("names"))
    found = []
    for number, (rule, (columns, most)) in enumerate(RULES.items()):
        rows = people.select("uid", *columns).drop_nulls()
        for column in columns:
            if isinstance(rows.schema[column], pl.List):
                rows = rows.explode(column)
        keys = rows.select("uid", pl.struct(*columns).hash(number).alias("key")).unique()
        size = keys.group_by("key").len()
        over = size.filter(pl.col("len") > most)
        if over.height:
            log.info("%s: %d keys are shared by more than %d records and find nothing", rule, over.height, most)
        keys = keys.join(size.filter(pl.col("len") > 1), on="key")
        found.append(keys.with_columns((pl.col("len") > most).alias("over")).drop("len"))
    every = pl.concat(found)
    capped = every.filter("over").group_by("uid").agg(pl.col("key").sort().hash(7).implode().list.sum().alias("stamp"))
    return Blocks(every.filter(~pl.col("over")).drop("over"), capped)
