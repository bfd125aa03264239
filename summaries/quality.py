"""How good and how fresh each feed is, from the load ledger: frames, and one report a feed that opens offline.

What belongs here: counts, rules broken and lateness. Cell values belong nowhere here. How a load is decided belongs
in `feeds`.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from summaries.render import page
from summaries.words import say

GRACE = 1  # days after the interval before a feed is called late


def freshness(loads: pl.DataFrame, feeds: pl.DataFrame, night: date) -> pl.DataFrame:
    """When each feed last delivered something that was accepted, and whether that is late.

    Args:
        loads: LOAD.
        feeds: a row a feed: feed, partner, every (days between deliveries, or null), and name, if it has one.
        night: the night.

    Returns:
        feed, partner, name, delivered (date, null: never), every (days), late (bool), sorted by feed.
    """
    last = (
        loads.filter(pl.col("status") == "accepted")
        .with_columns(day=_delivered())
        .filter(pl.col("day") <= night)
        .group_by("feed")
        .agg(pl.col("day").max().alias("delivered"))
    )
    if "name" not in feeds.columns:
        feeds = feeds.with_columns(name=pl.lit(None, pl.String))
    age = (pl.lit(night) - pl.col("delivered")).dt.total_days()
    return (
        feeds.select("feed", "partner", "name", pl.col("every").cast(pl.Int64))
        .join(last, on="feed", how="left")
        .with_columns(late=pl.col("delivered").is_null() | (age > pl.col("every") + GRACE).fill_null(False))
        .select("feed", "partner", "name", "delivered", "every", "late")
        .sort("feed")
    )


def states(loads: pl.DataFrame, feeds: pl.DataFrame, night: date) -> pl.DataFrame:
    """What each feed's latest delivery came to: the rows of a night's report.

    Args:
        loads: LOAD.
        feeds: as for `freshness`, with `name`.
        night: the night.

    Returns:
        feed, name, status (accepted, rejected, held, late or none), delivered (date of the last accepted), received,
        accepted, quarantined, withdrawn, reason; sorted by feed.
    """
    latest = loads.with_columns(day=_delivered()).filter(pl.col("day") <= night).sort("day", "loaded_at")
    latest = latest.group_by("feed").agg(
        pl.col("status", "received", "accepted", "quarantined", "withdrawn", "reason").last()
    )
    late = (pl.col("status") == "accepted") & pl.col("late")
    return (
        freshness(loads, feeds, night)
        .join(feeds.select("feed", "name"), on="feed")
        .join(latest, on="feed", how="left")
        .with_columns(status=pl.when(late).then(pl.lit("late")).otherwise(pl.col("status").fill_null("none")))
        .select("feed", "name", "status", "delivered", "received", "accepted", "quarantined", "withdrawn", "reason")
        .sort("feed")
    )


def _delivered() -> pl.Expr:
    """The day of a delivery: its key begins with it; else when it was loaded."""
    return (
        pl.col("delivery").str.head(10).str.to_date("%Y-%m-%d", strict=False).fill_null(pl.col("loaded_at").dt.date())
    )


def report(
    loads: pl.DataFrame, load_rules: pl.DataFrame, feed: dict[str, Any], night: date, deliveries: int = 12
) -> str:
    """One feed's quality report as a self-contained page.

    Args:
        loads, load_rules: LOAD and LOAD_RULE; other feeds' rows are ignored.
        feed: what its contract says: feed, name, partner, owner, every (days or null), version.
        night: the night.
        deliveries: how many earlier deliveries the trend shows.

    Returns:
        HTML that holds counts and rules only, never a value.
    """
    mine = (
        loads.filter((pl.col("feed") == feed["feed"]) & (_delivered() <= night))
        .with_columns(
            day=_delivered(),
            share=(pl.col("quarantined") / pl.col("received").clip(1)).fill_null(0.0) * 100,
        )
        .sort("day", "delivery", "loaded_at")
        .tail(deliveries)
    )
    known = pl.DataFrame({key: [feed[key]] for key in ("feed", "partner", "name", "every")})
    fresh = freshness(mine, known, night).row(0, named=True)
    trend = [row | {"when": say(row["day"]), "share": f"{row['share']:.2f}"} for row in mine.iter_rows(named=True)]
    before = mine["delivery"][-2] if mine.height > 1 else ""
    rules: list[dict[str, Any]] = []
    if trend:
        latest = load_rules.filter((pl.col("feed") == feed["feed"]) & (pl.col("delivery") == trend[-1]["delivery"]))
        earlier = load_rules.filter((pl.col("feed") == feed["feed"]) & (pl.col("delivery") == before))
        rules = (
            latest.join(earlier.select("table", "rule", before="rows"), on=["table", "rule"], how="left")
            .filter(pl.col("rows") > 0)
            .sort("rows", "table", "rule", descending=[True, False, False])
            .to_dicts()
        )
    return page(
        "quality.html",
        feed=feed,
        night=say(night),
        latest=trend[-1] if trend else None,
        trend=trend[::-1],
        rules=rules,
        late=fresh["late"],
        delivered=say(fresh["delivered"]) if fresh["delivered"] else None,
    )
