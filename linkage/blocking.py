"""Which pairs are worth comparing: records that share one of several keys.

What belongs here: the keys, the cap on a key that too many records share, and the pairs of a night's changes. What a
pair is worth belongs in `linkage.model`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import polars as pl

log = logging.getLogger(__name__)

MOST = 60  # records under one key; beyond it the key finds nothing but floods

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
    "names, either way round": (("turned",), MOST),
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
        if changed is None:
            left = keys
            right = keys
        else:
            left = keys.filter(pl.col("uid").is_in(changed.implode()))
            right = keys.filter(pl.col("key").is_in(left["key"].unique().implode()))
        both = left.select("uid", "key").join(right.select("uid", "key"), on="key", suffix="_r")
        if changed is None:
            both = both.filter(pl.col("uid") < pl.col("uid_r"))
        else:
            both = both.filter(pl.col("uid") != pl.col("uid_r"))
        packed = (pl.min_horizontal("uid", "uid_r") * 2**32 + pl.max_horizontal("uid", "uid_r")).alias("pair")
        return (
            both.select(packed)
            .unique()
            .sort("pair")
            .select((pl.col("pair") // 2**32).alias("uid_l"), (pl.col("pair") % 2**32).alias("uid_r"))
        )


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
