"""Ids that last: each night's groups take the ids that their records had, and what became of every id is written down.

What belongs here: assignment and lineage, for people and for households alike. How groups come about belongs in
`linkage.cluster` and `linkage.households`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date

import polars as pl

from warehouse.tables import PERSON_LINEAGE


@dataclass(frozen=True)
class Assigned:
    """`ids`: group, id, founded (bool). `moves`: what the members of each old id now belong to: old, id, members."""

    ids: pl.DataFrame
    moves: pl.DataFrame


def assign(now: pl.DataFrame, before: pl.DataFrame, founded_on: pl.DataFrame, night: date, key: bytes) -> Assigned:
    """Give each group the id that most of its members had; ties go to the oldest id, then to the smallest.

    Args:
        now: `member`, `group`; a group's smallest member founds it.
        before: `member`, `id`, of the night before.
        founded_on: `id`, `founded` (date) of every id in `before`.
        night: names the night; part of a new id, so that none is ever used twice.
        key: secret of new ids.
    """
    shared = now.join(before, on="member").group_by("group", "id").agg(pl.len().alias("n"))
    shared = shared.join(founded_on, on="id", how="left", maintain_order="left")
    open_ = shared.sort("n", "founded", "id", "group", descending=[True, False, False, False], nulls_last=True)
    taken: list[pl.DataFrame] = []
    while open_.height:
        # in this order the first of its group and of its id at once is a choice that nobody contests
        ranked = open_.with_row_index("rank")
        best = ranked.filter(
            (pl.col("rank") == pl.col("rank").min().over("group")) & (pl.col("rank") == pl.col("rank").min().over("id"))
        )
        taken.append(best.select("group", "id"))
        open_ = open_.join(best, on="group", how="anti", maintain_order="left")
        open_ = open_.join(best, on="id", how="anti", maintain_order="left")
    kept = pl.concat(taken) if taken else pl.DataFrame(schema={"group": now.schema["group"], "id": pl.String})
    founders = now.group_by("group").agg(pl.col("member").min())
    fresh = founders.join(kept, on="group", how="anti").sort("member")
    stamp = f"\x1f{night.isoformat()}"
    new = [hmac.digest(key, f"{member}{stamp}".encode(), "sha256").hex()[:32] for member in fresh["member"].to_list()]
    founded = fresh.select("group", pl.Series("id", new, dtype=pl.String), pl.lit(True).alias("founded"))
    ids = pl.concat([kept.with_columns(pl.lit(False).alias("founded")), founded]).sort("id")
    moves = (
        before.rename({"id": "old"})
        .join(now, on="member", how="left")
        .join(ids.select("group", "id"), on="group", how="left")
        .group_by("old", "id")
        .agg(pl.len().cast(pl.Int32).alias("members"))
        .sort("old", "id")
    )
    return Assigned(ids, moves)


def lineage(assigned: Assigned, sizes: pl.DataFrame, night: date) -> pl.DataFrame:
    """What became of ids this night, as `person_lineage` rows.

    Args:
        assigned: as `assign` returns it.
        sizes: `id`, `records`: how many records each id holds now.
        night: names the night.
    """
    ids, moves = assigned.ids, assigned.moves
    new = ids.filter("founded").join(sizes, on="id")
    moved = moves.filter(pl.col("id").is_not_null() & (pl.col("old") != pl.col("id")))
    lasting = ids.filter(~pl.col("founded"))["id"]
    ended = moves.filter(~pl.col("old").is_in(lasting.implode()))
    heir = (
        ended.filter(pl.col("id").is_not_null())
        .sort("members", "id", descending=[True, False])
        .unique("old", keep="first", maintain_order=True)
    )
    gone = ended.join(heir, on="old", how="anti").group_by("old").agg(pl.col("members").sum())
    origin = (
        moved.join(new.select("id"), on="id")
        .sort("members", "old", descending=[True, False])
        .unique("id", keep="first", maintain_order=True)
    )
    none = pl.lit(None, pl.String)
    rows = [
        new.join(origin, on="id", how="anti").select(
            pl.col("id").alias("person_id"), pl.lit("founded").alias("change"), none.alias("other_person_id"),
            pl.col("records").cast(pl.Int32), pl.lit("records that no one known matched").alias("cause"),
        ),
        origin.select(
            pl.col("id").alias("person_id"), pl.lit("split_from").alias("change"),
            pl.col("old").alias("other_person_id"), pl.col("members").alias("records"),
            pl.lit("its records no longer match the others of the person they stood with").alias("cause"),
        ),
        heir.select(
            pl.col("old").alias("person_id"), pl.lit("merged_into").alias("change"),
            pl.col("id").alias("other_person_id"), pl.col("members").alias("records"),
            pl.lit("its records now match those of the other person").alias("cause"),
        ),
        gone.select(
            pl.col("old").alias("person_id"), pl.lit("retired").alias("change"), none.alias("other_person_id"),
            pl.col("members").alias("records"), pl.lit("no feed holds its records any longer").alias("cause"),
        ),
    ]  # fmt: skip
    every = pl.concat(rows).with_columns(pl.lit(night).alias("night"), pl.lit("evidence").alias("because"))
    return every.select(pl.col(c.name).cast(c.type) for c in PERSON_LINEAGE.columns).sort(PERSON_LINEAGE.key)
