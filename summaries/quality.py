"""How good and how fresh each feed is: frames made from the load ledger and from what comparing sources found.

What belongs here: counts, days and states; no cell of a delivery. The pages made of them are in `reports` and `board`;
how a load is decided belongs in `feeds`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from summaries.findings import BY_NAME
from warehouse.tables import FEED_FRESHNESS, FEED_QUALITY

GRACE = 1  # days after the interval before a feed is called late
COMPARED = "source_record"  # stands for the contract's table where records were compared with other sources


def freshness(loads: pl.DataFrame, feeds: pl.DataFrame, night: date) -> pl.DataFrame:
    """When each feed last delivered something that was accepted, and whether that is late.

    Args:
        loads: LOAD.
        feeds: a row a feed: feed, partner, every (days between deliveries, or null), and name, if it has one.
        night: the night.

    Returns:
        feed, partner, name, delivered (date, null: never), every (days), due (date), late (bool), days_late (0 while
        it is not late), sorted by feed.
    """
    last = (
        loads.filter(pl.col("status") == "accepted")
        .with_columns(day=delivered())
        .filter(pl.col("day") <= night)
        .group_by("feed")
        .agg(pl.col("day").max().alias("delivered"))
    )
    if "name" not in feeds.columns:
        feeds = feeds.with_columns(name=pl.lit(None, pl.String))
    over = (pl.lit(night) - pl.col("due")).dt.total_days()
    return (
        feeds.select("feed", "partner", "name", pl.col("every").cast(pl.Int64))
        .join(last, on="feed", how="left")
        .with_columns(due=pl.col("delivered") + pl.duration(days="every"))
        .with_columns(late=pl.col("delivered").is_null() | (over > GRACE).fill_null(False))
        .with_columns(days_late=pl.when("late").then(over).fill_null(0).cast(pl.Int32))
        .select("feed", "partner", "name", "delivered", "every", "due", "late", "days_late")
        .sort("feed")
    )


def states(loads: pl.DataFrame, feeds: pl.DataFrame, night: date) -> pl.DataFrame:
    """What each feed's latest delivery came to: the rows of the feed board.

    Args:
        loads: LOAD.
        feeds: as for `freshness`, with `name`.
        night: the night.

    Returns:
        feed, partner, name, status (accepted, rejected, held, late or none), delivery (the latest, whatever became of
        it), delivered (date of the last accepted), due, days_late, received, accepted, quarantined, withdrawn,
        reason; sorted by feed.
    """
    latest = until(loads, night).group_by("feed", maintain_order=True)
    counts = ("status", "delivery", "received", "accepted", "quarantined", "withdrawn", "reason")
    late = (pl.col("status") == "accepted") & pl.col("late")
    return (
        freshness(loads, feeds, night)
        .join(latest.agg(pl.col(counts).last()), on="feed", how="left")
        .with_columns(status=pl.when(late).then(pl.lit("late")).otherwise(pl.col("status").fill_null("none")))
        .select("feed", "partner", "name", "status", "delivery", "delivered", "due", "days_late", *counts[2:])
        .sort("feed")
    )


def until(loads: pl.DataFrame, night: date) -> pl.DataFrame:
    """Loads of deliveries up to a night, oldest first, with `day` and `share` (per cent of rows set aside)."""
    share = pl.col("quarantined") / pl.col("received").clip(1) * 100
    number = pl.col("delivery").str.extract(r"\.(\d+)$").cast(pl.Int64).fill_null(1)
    return (
        loads.with_columns(day=delivered(), share=share.fill_null(0.0))
        .filter(pl.col("day") <= night)
        .sort("feed", "day", number, "loaded_at")
    )


def delivered() -> pl.Expr:
    """The day of a delivery: its key begins with it; else when it was loaded."""
    return (
        pl.col("delivery").str.head(10).str.to_date("%Y-%m-%d", strict=False).fill_null(pl.col("loaded_at").dt.date())
    )


# -- the marts ------------------------------------------------------------------------------------------------------


def by_day(
    loads: pl.DataFrame,
    load_rules: pl.DataFrame,
    found: pl.DataFrame,
    records: pl.DataFrame,
    partners: pl.DataFrame,
    before: pl.DataFrame | None,
    night: date,
) -> pl.DataFrame:
    """Every rule of every delivery, and of every night that compared sources, with how many broke it.

    Args:
        loads, load_rules: LOAD and LOAD_RULE, whole.
        found: of tonight, from `findings.counted`: feed, rule, records.
        records: of tonight: feed, delivery (the one in use), of (records that the feed has).
        partners: feed, partner.
        before: FEED_QUALITY as the night before left it; what was found on earlier nights is kept from it.
        night: the night.

    Returns:
        `feed_quality` rows, sorted by its key.
    """
    of_load = loads.select("feed", "delivery", "partner", delivered().alias("day"), pl.col("received").alias("of"))
    intake = load_rules.join(of_load, on=["feed", "delivery"]).with_columns(found=pl.lit("in the delivery"))
    rules = pl.DataFrame({"rule": list(BY_NAME), "said": [f.sentence for f in BY_NAME.values()]})
    compared = (
        records.join(partners, on="feed")
        .join(rules, how="cross")
        .join(found.select("feed", "rule", rows="records"), on=["feed", "rule"], how="left")
        .with_columns(
            pl.col("said").alias("rule"),
            pl.col("rows").fill_null(0),
            day=pl.lit(night),
            found=pl.lit("beside other sources"),
            table=pl.lit(COMPARED),
            severity=pl.lit("told"),
        )
    )
    earlier = before if before is not None else FEED_QUALITY.empty()
    kept = earlier.filter((pl.col("table") == COMPARED) & (pl.col("severity") == "told") & (pl.col("day") < night))
    parts = (_as(FEED_QUALITY.schema, frame) for frame in (intake, compared, kept))
    return pl.concat(parts).unique(FEED_QUALITY.key, keep="first", maintain_order=True).sort(FEED_QUALITY.key)


def by_night(states: pl.DataFrame, before: pl.DataFrame | None, night: date) -> pl.DataFrame:
    """How fresh each feed was on every night so far: `feed_freshness` rows, sorted by its key.

    Args:
        states: of tonight, from `states`.
        before: FEED_FRESHNESS as the night before left it.
        night: the night.
    """
    earlier = (before if before is not None else FEED_FRESHNESS.empty()).filter(pl.col("night") < night)
    tonight = _as(FEED_FRESHNESS.schema, states.with_columns(night=pl.lit(night)))
    return pl.concat([earlier, tonight]).sort(FEED_FRESHNESS.key)


def _as(schema: pl.Schema, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
