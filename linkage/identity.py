"""Ids that last: each night's groups take the ids that their records had, and what became of every id is written down.

What belongs here: assignment and lineage, for people and for households alike. How groups come about belongs in
`linkage.cluster` and `linkage.households`, whose records are gone or back in `linkage.night`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date

import polars as pl

from warehouse.tables import PERSON_LINEAGE

# what may have changed on a night, the weightiest first, and how the sentence goes on
BECAUSE = {
    "model": "under a new linkage model or a new version of Kinfold",
    "register": "as the do-not-link register says",
    "review": "as a reviewer decided",
    "council": "as the council's own matching says",
    "withdrawal": "since others of its records are gone",
    "correction": "since a record was changed",
    "evidence": "by the evidence of new records",
}
BIT = {name: 1 << place for place, name in enumerate(BECAUSE)}  # of several, the least is the weightiest


@dataclass(frozen=True)
class Assigned:
    """`ids`: group, id, founded (bool). `moves`: what the members of each old id now belong to: old, id, members."""

    ids: pl.DataFrame
    moves: pl.DataFrame


def assign(now: pl.DataFrame, before: pl.DataFrame, founded_on: pl.DataFrame, night: date, key: bytes) -> Assigned:
    """Give each group the id that most of its members had; ties go to the oldest id, then to the smallest.

    Members that stood with an id until last night come before all that once did (`live` false in `before`).

    Args:
        now: `member`, `group`; a group's smallest member founds it.
        before: `member`, `id`, of the night before; and, where some stood with it earlier only, `live`.
        founded_on: `id`, `founded` (date) of every id in `before`.
        night: names the night; part of a new id, so that none is ever used twice.
        key: secret of new ids.
    """
    if "live" not in before.columns:
        before = before.with_columns(pl.lit(True).alias("live"))
    shared = now.join(before, on="member").group_by("group", "id").agg(pl.col("live").sum(), pl.len().alias("n"))
    shared = shared.join(founded_on, on="id", how="left", maintain_order="left")
    order = ["live", "n", "founded", "id", "group"]
    open_ = shared.sort(order, descending=[True, True, False, False, False], nulls_last=True)
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


def heirs(assigned: Assigned) -> pl.DataFrame:
    """`old`, `id`, `members`: of each id that ended this night and whose members live on, where most of them went."""
    lasting = assigned.ids.filter(~pl.col("founded"))["id"]
    ended = assigned.moves.filter(~pl.col("old").is_in(lasting.implode()) & pl.col("id").is_not_null())
    most = ended.sort("members", "id", descending=[True, False])
    return most.unique("old", keep="first", maintain_order=True)


def lineage(
    assigned: Assigned,
    sizes: pl.DataFrame,
    night: date,
    because: pl.DataFrame | None = None,
    resumed: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """What became of ids this night, as `person_lineage` rows, in the order of the ids.

    Every member whose id is another than the night before is told of: by the id that it founded a part of, by the end
    of its own, or as given away; of several that were given to, the one that took most is named.

    Args:
        assigned: as `assign` returns it.
        sizes: `id`, `records`: how many records each id holds now.
        night: names the night.
        because: `id`, `bits` (UInt8, as `BIT` has them): what changed around an id, where anything did.
        resumed: `id`, `change` (returned or carried_over), `records`: ids taken up again.
    """
    ids, moves = assigned.ids, assigned.moves
    new = ids.filter("founded").join(sizes, on="id")
    moved = moves.filter(pl.col("id").is_not_null() & (pl.col("old") != pl.col("id")))
    lasting = ids.filter(~pl.col("founded"))["id"]
    heir = heirs(assigned)
    ended = moves.filter(~pl.col("old").is_in(lasting.implode()))
    gone = ended.join(heir, on="old", how="anti").group_by("old").agg(pl.col("members").sum())
    origin = (
        moved.join(new.select("id"), on="id")
        .sort("members", "old", descending=[True, False])
        .unique("id", keep="first", maintain_order=True)
    )
    none = pl.lit(None, pl.String)
    known = pl.DataFrame(schema={"id": pl.String, "bits": pl.UInt8}) if because is None else because
    change = pl.DataFrame(schema={"id": pl.String, "change": pl.String, "records": pl.Int32})
    change = change if resumed is None else resumed
    split = _explained(origin, known, 0)
    merged = _explained(heir, known, BIT["withdrawal"])  # what is gone joins nothing
    told = pl.concat([origin.select("old", "id"), heir.select("old", "id")])
    rest = moved.join(told, on=["old", "id"], how="anti").sort("members", "id", descending=[True, False])
    given = rest.group_by("old", maintain_order=True).agg(pl.col("id").first(), pl.col("members").sum())
    gave = _explained(given, known, BIT["withdrawal"])
    again = {
        "returned": "records that stood with it are back",
        "carried_over": "all its records are gone, and new ones that match them have come",
    }
    rows = [
        new.join(origin, on="id", how="anti").select(
            pl.col("id").alias("person_id"), pl.lit("founded").alias("change"), none.alias("other_person_id"),
            pl.col("records").cast(pl.Int32), pl.lit("records that no one known matched").alias("cause"),
            pl.lit("evidence").alias("because"),
        ),
        split.select(
            pl.col("id").alias("person_id"), pl.lit("split_from").alias("change"),
            pl.col("old").alias("other_person_id"), pl.col("members").alias("records"),
            pl.format("its records no longer match the others of the person they stood with, {}", "why").alias("cause"),
            "because",
        ),
        merged.select(
            pl.col("old").alias("person_id"), pl.lit("merged_into").alias("change"),
            pl.col("id").alias("other_person_id"), pl.col("members").alias("records"),
            pl.format("its records now match those of the other person, {}", "why").alias("cause"), "because",
        ),
        gave.select(
            pl.col("old").alias("person_id"), pl.lit("gave").alias("change"),
            pl.col("id").alias("other_person_id"), pl.col("members").alias("records"),
            pl.format("they now match those of the other person, {}", "why").alias("cause"), "because",
        ),
        gone.select(
            pl.col("old").alias("person_id"), pl.lit("retired").alias("change"), none.alias("other_person_id"),
            pl.col("members").alias("records"), pl.lit("no feed holds its records any longer").alias("cause"),
            pl.lit("withdrawal").alias("because"),
        ),
        change.select(
            pl.col("id").alias("person_id"), "change", none.alias("other_person_id"), pl.col("records").cast(pl.Int32),
            pl.col("change").replace_strict(again, return_dtype=pl.String).alias("cause"),
            pl.lit("evidence").alias("because"),
        ),
    ]  # fmt: skip
    every = pl.concat(rows).with_columns(pl.lit(night).alias("night"))
    return every.select(pl.col(c.name).cast(c.type) for c in PERSON_LINEAGE.columns).sort(PERSON_LINEAGE.key)


def _explained(moves: pl.DataFrame, known: pl.DataFrame, without: int) -> pl.DataFrame:
    """Moves of members between two ids (`id`, `old`) with the weightiest change around either, and how to say it."""
    for side in ("id", "old"):
        moves = moves.join(
            known.select(pl.col("id").alias(side), pl.col("bits").alias(f"{side}_bits")), on=side, how="left"
        )
    either = pl.col("id_bits").fill_null(0) | pl.col("old_bits").fill_null(0)
    told = moves.with_columns((either & (255 - without)).alias("bits"))
    because = pl.lit("evidence")
    for name, bit in reversed(BIT.items()):
        because = pl.when(pl.col("bits") & bit > 0).then(pl.lit(name)).otherwise(because)
    told = told.with_columns(because.alias("because"))
    return told.with_columns(pl.col("because").replace_strict(BECAUSE, return_dtype=pl.String).alias("why"))


def history(lineage: pl.DataFrame, person_id: str) -> pl.DataFrame:
    """All that happened to an id, and to every id that it merged with or split from, in turn.

    Args:
        lineage: `person_lineage` rows of every night.

    Returns:
        `person_lineage` rows, oldest first; none where the id is not known.
    """
    pairs = lineage.select("person_id", "other_person_id").drop_nulls()
    every = pl.concat([pairs, pairs.select(person_id="other_person_id", other_person_id="person_id")])
    known = pl.DataFrame({"person_id": [person_id]})
    while (
        wider := pl.concat([known, every.join(known, on="person_id").select(person_id="other_person_id")]).unique()
    ).height > known.height:
        known = wider
    return lineage.join(known, on="person_id", how="semi").sort("night", "person_id", "change")
