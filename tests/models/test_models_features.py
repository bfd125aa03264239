"""Features: what they count, and that they cannot see the future."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import small_world as world
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import models.features
from models.features import FEATURES, Feature, build, dictionary, matrix, schema
from models.outcomes import NEVER_FEATURES
from models.views import History, midnight, reader, shifted

DAY = date(2026, 3, 1)
PROFILE = world.people([("a", "F", date(2014, 5, 1)), ("b", "M", date(2016, 6, 1)), ("c", "F", date(1984, 1, 1))])
HOMES = world.homes([("h", "a"), ("h", "b"), ("h", "c")])
KINDS = sorted({kind for feature in FEATURES for kind in feature.events})

events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(KINDS),
        st.integers(-40, 2200),
        st.sampled_from([None, "O", "F00-F99"]),
        st.sampled_from([None, 0.25, 3.0]),
        st.integers(0, 60),
    ),
    max_size=40,
)


def by_hand(feature: Feature, rows: list[dict[str, object]], others: set[str]) -> float | None:
    """A feature of person a, one row after another."""
    who = {"a"} if feature.whose == "own" else others
    since = midnight(shifted(DAY, f"-{feature.months}mo"))
    mine = [
        row
        for row in rows
        if row["person_id"] in who
        and row["type"] in feature.events
        and since <= row["start"] < midnight(DAY)  # type: ignore[operator]
        and row["known_from"] < midnight(DAY)  # type: ignore[operator]
        and feature.code in (None, row["code"])
    ]
    whole = [row for row in rows if row["person_id"] in who and row["known_from"] < midnight(DAY)]  # type: ignore[operator]
    last = [
        float(row["value"] or 0)  # type: ignore[arg-type]
        for row in mine
        if row["start"] == max(r["start"] for r in whole if r["type"] == row["type"] and r["start"] < midnight(DAY))  # type: ignore
    ]
    values = [float(row["value"]) for row in mine if row["value"] is not None]  # type: ignore[arg-type]
    return {
        "count": len(mine),
        "sum": sum(values),
        "latest": sum(last),
        "highest": max(values, default=0.0),
        "kinds": len({row["type"] for row in mine}),
        "recency": min([(midnight(DAY) - row["start"]).days for row in mine], default=None),  # type: ignore[operator]
    }[feature.how]


@given(events)
@settings(max_examples=25, deadline=None)
def test_every_feature_is_what_its_declaration_says(told: list[tuple[str, str, int, str, float, int]]) -> None:
    rows = [
        world.happened(person, kind, start := DAY - timedelta(days=ago), event_id=str(number), code=code, value=value,
                       known_from=midnight(start) + timedelta(days=lag))
        for number, (person, kind, ago, code, value, lag) in enumerate(told)
    ]  # fmt: skip
    found = build(world.history(rows, PROFILE, HOMES).at(DAY), pl.Series(["a"])).row(0, named=True)
    for feature in FEATURES:
        if feature.events:
            assert found[feature.name] == pytest.approx(by_hand(feature, rows, {"b", "c"})), feature.name


def test_age_area_and_household_are_facts_of_the_day() -> None:
    found = build(world.history([], PROFILE, HOMES).at(DAY), pl.Series(["a"])).row(0, named=True)
    assert (found["age_months"], found["imd_decile"], found["home_people"], found["home_children"]) == (142, 3, 3, 2)
    alone = build(world.history([], PROFILE, world.homes([])).at(DAY), pl.Series(["a"])).row(0, named=True)
    assert (alone["home_people"], alone["home_children"]) == (1, 1)


def test_a_house_of_many_is_not_taken_for_a_household() -> None:
    many = [("h", "a")] + [("h", f"x{n}") for n in range(12)]
    profile = pl.concat([PROFILE, world.people([(f"x{n}", "M", date(1990, 1, 1)) for n in range(12)])])
    told = [world.happened("x1", "domestic_abuse", date(2026, 2, 1))]
    found = build(world.history(told, profile, world.homes(many)).at(DAY), pl.Series(["a"])).row(0, named=True)
    assert (found["home_people"], found["home_domestic_abuse_12m"]) == (1, 0)


def test_counts_of_nothing_are_zero_and_recency_is_empty_where_never() -> None:
    found = build(world.history([], PROFILE, HOMES).at(DAY), pl.Series(["a"])).row(0, named=True)
    assert found["contact_12m"] == 0 and found["absence_12m"] == 0
    assert found["days_since_contact"] is None


def test_columns_and_types_are_as_declared_also_for_nobody() -> None:
    view = world.history([], PROFILE, HOMES).at(DAY)
    assert build(view, pl.Series(["a", "b"])).schema == schema()
    assert build(view, pl.Series([], dtype=pl.String)).schema == schema()
    assert not any(count for count in matrix(build(view, pl.Series(["a"]))).null_count().row(0))


def test_the_dictionary_has_a_row_a_feature_and_each_says_what_it_means() -> None:
    told = dictionary()
    assert told["name"].to_list() == [f.name for f in FEATURES]
    assert told["name"].is_unique().all() and (told["meaning"].str.len_chars() > 10).all()


def test_no_feature_is_or_stands_for_a_protected_characteristic() -> None:
    refused = {*NEVER_FEATURES, "sex", "sen_support", "asc_service", "asc_assessment", "asc_request"}
    assert not {word for f in FEATURES for word in (f.name, *f.events)} & refused


def test_the_module_of_features_opens_nothing_and_knows_no_outcome_and_no_today() -> None:
    tree = ast.parse(Path(models.features.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "collections.abc", "dataclasses", "functools", "typing", "models.views",
                        "warehouse.tables"}  # fmt: skip
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {name for name in called if name.startswith(("scan_", "read_"))} | called & {"today", "now"}


@pytest.fixture(scope="module")
def frames(lives: History) -> tuple[pl.DataFrame, pl.Series]:
    everything = lives.events(date(2027, 1, 1)).collect()
    return everything, lives.at(DAY).people["person_id"]


def snapshot(lives: History, rows: pl.DataFrame, people: pl.Series) -> pl.DataFrame:
    return build(replace(lives, events=reader(rows)).at(DAY), people)


def test_deleting_all_that_was_learnt_later_changes_no_feature(
    lives: History, frames: tuple[pl.DataFrame, pl.Series]
) -> None:
    rows, people = frames
    past = rows.filter(pl.col("known_from") < midnight(DAY))
    assert 0 < past.height < rows.height
    assert_frame_equal(snapshot(lives, rows, people), snapshot(lives, past, people))


def test_poisoning_all_that_was_learnt_later_changes_no_feature(
    lives: History, frames: tuple[pl.DataFrame, pl.Series]
) -> None:
    rows, people = frames
    later = pl.col("known_from") >= midnight(DAY)
    lie = {"type": pl.lit("missing_episode"), "value": pl.lit(1e9), "start": pl.lit(datetime(2026, 2, 1)),
           "end": pl.lit(datetime(2026, 2, 2))}  # fmt: skip
    poisoned = rows.with_columns(
        pl.when(later).then(value).otherwise(pl.col(name)).alias(name) for name, value in lie.items()
    )
    assert_frame_equal(snapshot(lives, rows, people), snapshot(lives, poisoned, people))


def test_the_order_of_rows_changes_no_feature(lives: History, frames: tuple[pl.DataFrame, pl.Series]) -> None:
    rows, people = frames
    assert_frame_equal(
        snapshot(lives, rows, people), snapshot(lives, rows.sample(fraction=1, shuffle=True, seed=1), people)
    )
