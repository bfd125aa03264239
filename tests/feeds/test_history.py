from __future__ import annotations

import time
from datetime import datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.history import merge
from feeds.mapping import shape
from warehouse.tables import EVENT

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 20)


def events(rows: list[tuple[str, str, str]], delivery: str = "d") -> pl.DataFrame:
    """Rows of (id, feed, code)."""
    frame = pl.DataFrame(rows, schema=["event_id", "feed", "code"], orient="row", schema_overrides={"code": pl.String})
    blank = [pl.lit(None, kind).alias(name) for name, kind in shape(EVENT).items() if name not in frame.columns]
    start = pl.lit(datetime(2026, 1, 1)).alias("start")
    return frame.with_columns(blank).with_columns(start, delivery=pl.lit(delivery)).select(
        pl.col(name).cast(kind) for name, kind in shape(EVENT).items()
    )  # fmt: skip


def at(table: pl.DataFrame, moment: datetime) -> set[tuple[str, str, str]]:
    known = table.filter(
        (pl.col("known_from") <= moment) & (pl.col("known_to").is_null() | (pl.col("known_to") > moment))
    )
    return set(known.select("event_id", "feed", "code").rows())


SNAPSHOT = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["x", "y", None]), max_size=6)
NIGHT = st.dictionaries(st.sampled_from(["police", "schools"]), SNAPSHOT, max_size=2)


@settings(max_examples=50, deadline=None)
@given(nights=st.lists(NIGHT, min_size=1, max_size=6))
def test_as_of_each_night_since_their_first_the_table_holds_what_feeds_told_then(
    nights: list[dict[str, dict[str, str]]],
) -> None:
    table, stands, told = None, {}, []
    held: set[str] = set()
    for n, night in enumerate(nights):
        now = FIRST + n * DAY
        for feed, snapshot in night.items():
            stands[feed] = {(f"{feed}-{i}", feed, code) for i, code in snapshot.items()}
        rows = sorted((row for feed in night for row in stands[feed]), key=str)
        table = merge(EVENT, table, events(rows), set(night), now, {"police": 3}, held)
        held |= set(night)
        told.append((now, set(stands), set().union(*stands.values())))
    assert table is not None
    for now, feeds, expected in told:  # what a feed tells first is dated back, so it is compared from then on
        assert {row for row in at(table, now) if row[1] in feeds} == expected
    assert table.select("event_id", "known_from").is_unique().all()
    assert table.filter(pl.col("known_to") <= pl.col("known_from")).is_empty()


@settings(max_examples=30, deadline=None)
@given(first=SNAPSHOT, second=SNAPSHOT, seed=st.integers(0, 99))
def test_the_order_of_rows_makes_no_difference(first: dict[str, str], second: dict[str, str], seed: int) -> None:
    def night(shuffled: bool) -> pl.DataFrame:
        table = None
        for n, snapshot in enumerate((first, second)):
            rows = events([(i, "police", code) for i, code in snapshot.items()])
            rows = rows.sample(fraction=1, shuffle=True, seed=seed) if shuffled else rows
            if shuffled and table is not None:
                table = table.sample(fraction=1, shuffle=True, seed=seed)
            table = merge(EVENT, table, rows, {"police"}, FIRST + n * DAY, {})
        assert table is not None
        return table

    assert night(True).equals(night(False))


def test_an_unchanged_fact_keeps_its_version_and_the_delivery_that_told_it_first() -> None:
    one = merge(EVENT, None, events([("a", "police", "x")], "d1"), {"police"}, FIRST, {})
    two = merge(EVENT, one, events([("a", "police", "x")], "d2"), {"police"}, FIRST + DAY, {})
    assert two.equals(one)
    assert two["delivery"].to_list() == ["d1"]


def test_history_before_a_feeds_first_delivery_is_dated_by_its_record_else_its_lag() -> None:
    rows = events([("a", "police", "x"), ("b", "police", "x"), ("c", "police", "x")]).with_columns(
        recorded_at=pl.Series([datetime(2026, 1, 9), None, None]),
        start=pl.Series([datetime(2026, 1, 1), datetime(2026, 1, 1), FIRST - DAY]),
    )
    table = merge(EVENT, None, rows, {"police"}, FIRST, {"police": 5})
    assert table["known_from"].to_list() == [datetime(2026, 1, 9), datetime(2026, 1, 6), FIRST]
    late = events([("d", "police", "x")])
    assert merge(EVENT, table, pl.concat([rows, late]), {"police"}, FIRST + DAY, {"police": 5}).filter(
        pl.col("event_id") == "d"
    )["known_from"].to_list() == [FIRST + DAY]


def test_feeds_without_a_new_delivery_are_left_as_they_are() -> None:
    both = events([("a", "police", "x"), ("b", "schools", "x")])
    table = merge(EVENT, None, both, {"police", "schools"}, FIRST, {})
    after = merge(EVENT, table, events([]), {"police"}, FIRST + DAY, {})
    assert at(after, FIRST + DAY) == {("b", "schools", "x")}


def test_running_a_night_again_on_the_night_before_gives_the_same_table() -> None:
    before = merge(EVENT, None, events([("a", "police", "x")]), {"police"}, FIRST, {})
    now = events([("a", "police", "y"), ("b", "police", "x")])
    once = merge(EVENT, before, now, {"police"}, FIRST + DAY, {})
    assert merge(EVENT, before, now, {"police"}, FIRST + DAY, {}).equals(once)


def test_a_quarter_million_facts_are_carried_forward_in_a_second() -> None:
    n = 250_000
    ids = pl.int_range(n, eager=True).cast(pl.String)
    rows = (
        events([("a", "police", "x")]).select(pl.exclude("event_id")).join(pl.DataFrame({"event_id": ids}), how="cross")
    )
    table = merge(EVENT, None, rows, {"police"}, FIRST, {})
    changed = rows.with_columns(code=pl.when(pl.col("event_id").str.ends_with("7")).then(pl.lit("y")).otherwise("code"))
    began = time.process_time()
    after = merge(EVENT, table, changed, {"police"}, FIRST + DAY, {})
    assert time.process_time() - began < 3
    assert after.height == n + n // 10
