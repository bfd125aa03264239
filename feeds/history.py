"""What was known when: a table of facts carried from one night to the next.

What belongs here: when a fact became known and when it ceased to hold, from nothing but the facts as they stand. What
the facts are belongs in `mapping`; how they are kept, in the store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import polars as pl

from feeds.repeats import places
from warehouse.tables import TIMESTAMP, Table

HISTORY = ("known_from", "known_to")


def merge(
    table: Table,
    previous: pl.DataFrame | None,
    current: pl.DataFrame,
    feeds_changed: Collection[str],
    now: datetime,
    lag: Mapping[str, int],
    held: Collection[str] = (),
    purged: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Carry a table of facts forward: what changed feeds tell now, against what stood before.

    A fact told as before keeps its version. One that changed or is no longer told is closed at `now`; what is new, or
    new in its contents, is known from `now`. In a feed that has not delivered before, history is dated back: a
    fact counts as known from when the source recorded it, else from its start plus the source's usual lag, never
    later than `now`. Feeds that did not change are left as they are. (Snodgrass 1999, transaction time.)

    Args:
        table: one with `known_from` and `known_to`; its first key column is the fact's id.
        previous: the table as the night before left it; None before the first night.
        current: the facts of the changed feeds as they stand, one row an id, without the two columns.
        feeds_changed: which feeds those are.
        now: when this night's deliveries became known (UTC, naive).
        lag: days from event to record, by feed.
        held: feeds that had delivered by the night before, though the table may hold nothing of theirs; those that
            it holds something of are known without.
        purged: `feed` and `record_id` of whom a feed has taken back altogether since: nothing that it told of them
            stays, closed or not, but what it tells now.

    Returns:
        The whole table, sorted by id and `known_from`; the same whatever the order of the rows given.
    """
    fact = table.key[0]
    told = [name for name in table.schema if name not in (*HISTORY, "delivery")]
    before = previous if previous is not None else table.empty()
    current = current.select(*told, "delivery").filter(pl.col("feed").is_in(list(feeds_changed)))
    stands = pl.col("known_to").is_null() & pl.col("feed").is_in(list(feeds_changed))
    settled, standing = before.filter(~stands), before.filter(stands)

    found = places(current, standing, told)
    stays = pl.int_range(standing.height, dtype=pl.UInt32, eager=True).is_in(found.drop_nulls().implode())
    kept = standing.filter(stays)
    closed = standing.filter(~stays).with_columns(pl.lit(now, TIMESTAMP).alias("known_to"))
    closed = closed.filter(pl.col("known_from") < now)  # what this very moment taught and took back was never known

    fresh = current.filter(found.is_null()).with_columns(
        _known_from({*before["feed"].unique(), *held}, now, lag, "recorded_at" in told).alias("known_from"),
        pl.lit(None, TIMESTAMP).alias("known_to"),
    )
    settled, closed = _without(settled, purged), _without(closed, purged)
    whole = pl.concat([part.select(table.schema.names()) for part in (settled, kept, closed, fresh)])
    return whole.sort(fact, "known_from")


def _without(facts: pl.DataFrame, purged: pl.DataFrame | None) -> pl.DataFrame:
    """The facts but for those that a feed told of people it has taken back, on either side of a relationship."""
    if purged is None or purged.is_empty():
        return facts
    for side in ("record_id", "other_record_id"):
        if side in facts.columns:
            facts = facts.join(purged, left_on=["feed", side], right_on=["feed", "record_id"], how="anti")
    return facts


def _known_from(held: set[str], now: datetime, lag: Mapping[str, int], recorded: bool) -> pl.Expr:
    """When a new fact became known: now, or dated back where its feed is new."""
    days = pl.col("feed").replace_strict(dict(lag), default=0, return_dtype=pl.Int64) if lag else pl.lit(0)
    usual = pl.col("start") + pl.duration(days=days)
    written = pl.coalesce("recorded_at", usual) if recorded else usual
    moment = pl.lit(now, TIMESTAMP)
    back = pl.min_horizontal(written.cast(TIMESTAMP), moment).fill_null(moment)
    return pl.when(pl.col("feed").is_in(sorted(held))).then(moment).otherwise(back)
