import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from village import START

from linkage import conform, evaluation, review
from linkage.evaluation import by_feed_pair, by_group, clerical, differences, expected, held_out, scores, wilson
from linkage.model import Model
from linkage.night import Linked
from linkage.origins import origins
from warehouse.tables import PLACE


def assigned(*people: int) -> pl.DataFrame:
    return pl.DataFrame({"record_id": [f"r{n}" for n in range(len(people))], "person_id": [str(p) for p in people]})


def known(*people: int) -> pl.DataFrame:
    return pl.DataFrame({"record_id": [f"r{n}" for n in range(len(people))], "person": list(people)})


def test_all_right_scores_one() -> None:
    found = scores(assigned(7, 7, 8), known(1, 1, 2))
    assert (found["pair_f1"], found["bcubed_f1"], found["largest"]) == (1.0, 1.0, 2.0)


def test_a_pair_that_was_missed_and_one_that_was_wrong_count() -> None:
    found = scores(assigned(1, 2, 2, 2), known(1, 1, 2, 2))
    assert (found["pair_precision"], found["pair_recall"]) == (1 / 3, 1 / 2)
    assert found["bcubed_precision"] == pytest.approx((1 + 1 / 3 + 2 / 3 + 2 / 3) / 4)
    assert found["bcubed_recall"] == pytest.approx((1 / 2 + 1 / 2 + 1 + 1) / 4)


_WHO = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)
@given(_WHO)
def test_pairs_by_feed_and_by_group_are_the_pairs_counted_one_by_one(told: list[tuple[int, int, int]]) -> None:
    links, truth = assigned(*(a for a, _, _ in told)), known(*(b for _, b, _ in told))
    feeds = links.select("record_id", pl.Series("feed", [f"f{c}" for _, _, c in told]))
    both = [(told[i], told[j]) for i in range(len(told)) for j in range(i)]
    true, found = sum(a[1] == b[1] for a, b in both), sum(a[0] == b[0] for a, b in both)
    right = sum(a[:2] == b[:2] for a, b in both)
    table = by_feed_pair(links, truth, feeds)
    assert table.select(pl.col("true", "found", "right").sum()).row(0) == (true, found, right)
    groups = truth.select("person").unique().with_columns(pl.lit("x").alias("all"))
    row = by_group(links, truth, groups).row(0, named=True)
    assert (row["true"], row["right"]) == (true, right)
    whole = scores(links, truth)
    assert row["bcubed_f1"] == pytest.approx(whole["bcubed_f1"])
    assert not true or row["recall"] == pytest.approx(whole["pair_recall"])
    assert not found or row["precision"] == pytest.approx(whole["pair_precision"])


def test_wilson_gives_the_textbook_interval_and_admits_that_nothing_shows_nothing() -> None:
    low, high = wilson(pl.lit(0.9), pl.lit(100))
    assert pl.select(low, high=high).row(0) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    low, high = wilson(pl.lit(0.0), pl.lit(0))
    assert pl.select(low, high=high).row(0) == (0.0, 1.0)


def test_a_group_that_is_linked_worse_is_named_and_one_that_chance_explains_is_not() -> None:
    """Two records each of 4,000 people; one in twenty of the left-handed is missed, one in a hundred of the rest."""
    rng = np.random.default_rng(1)
    hand, eyes = rng.random(4000) < 0.2, rng.random(4000) < 0.5
    missed = rng.random(4000) < np.where(hand, 0.05, 0.01)
    truth = known(*np.repeat(np.arange(4000), 2).tolist())
    second = np.where(missed, np.arange(4000) + 10_000, np.arange(4000))
    links = assigned(*np.column_stack([np.arange(4000), second]).ravel().tolist())
    groups = pl.DataFrame(
        {"person": np.arange(4000), "hand": np.where(hand, "left", "right"), "eyes": np.where(eyes, "blue", "brown")}
    )
    said = differences(by_group(links, truth, groups))
    assert len(said) == 1
    assert said[0].startswith("hand, left: ")
    assert "of the pairs that are one person are missed" in said[0]


def test_pairs_of_one_person_that_are_missed_together_are_worth_one() -> None:
    """Two hundred people of five records each, twenty of whom are found in five pieces: 2,000 pairs, 200 failures."""
    person = np.repeat(np.arange(200), 5)
    found = np.where(person < 20, 1000 + np.arange(1000), person)
    groups = pl.DataFrame({"person": np.arange(200), "all": ["x"] * 200})
    row = by_group(assigned(*found.tolist()), known(*person.tolist()), groups).row(0, named=True)
    assert (row["true"], row["recall"]) == (2000, 0.9)
    assert row["recall_worth"] == pytest.approx(200, rel=0.02)
    assert (row["recall_low"], row["recall_high"]) == pytest.approx((0.851, 0.934), abs=0.002)


def test_reviewers_decisions_on_a_sample_give_intervals_that_hold_the_truth_as_often_as_they_say(
    linked: Linked, truth: pl.DataFrame, model: Model
) -> None:
    every = review.sample(linked.edges, linked.links, model, 10**9, 1)
    of = truth.select("record_id", "person")
    judged = every.join(of.rename({"record_id": "record_l", "person": "one"}), on="record_l").join(
        of.rename({"record_id": "record_r", "person": "other"}), on="record_r"
    )
    same = pl.when(pl.col("one") == pl.col("other")).then(pl.lit("same")).otherwise(pl.lit("different"))
    decided = judged.select("record_l", "record_r", same.alias("verdict"))
    exact = clerical(every, decided)
    for each in (exact.precision, exact.recall):
        assert each.low == each.value == each.high  # all was decided: nothing is left to doubt
    assert exact.precision.value == pytest.approx(scores(linked.links, truth)["pair_precision"])
    held = {"precision": 0, "recall": 0}
    wide = 0.0
    for seed in range(40):
        told = clerical(review.sample(linked.edges, linked.links, model, 40, seed), decided)
        for name in held:
            estimate, true = getattr(told, name), getattr(exact, name).value
            held[name] += estimate.low <= true <= estimate.high
            wide = max(wide, estimate.high - estimate.low)
    assert min(held.values()) >= 35  # of 40, for 95%
    assert wide < 0.2


def test_undecided_pairs_are_counted_and_a_sample_without_decisions_says_what_to_do(
    linked: Linked, model: Model
) -> None:
    drawn = review.sample(linked.edges, linked.links, model, 20, 3)
    none = pl.DataFrame(schema={"record_l": pl.String, "record_r": pl.String, "verdict": pl.String})
    with pytest.raises(ValueError, match="kinfold review"):
        clerical(drawn, none)
    some = drawn.filter("linked").head(5).select("record_l", "record_r", pl.lit("same").alias("verdict"))
    told = clerical(drawn, some)
    assert told.unsure == drawn.height - 5
    all_of_it = clerical(drawn, drawn.select("record_l", "record_r", pl.lit("same").alias("verdict")))
    exactness = all_of_it.precision.high - all_of_it.precision.low
    assert told.precision.high - told.precision.low > exactness


def test_what_the_model_expects_of_a_group_adds_up_to_what_it_expects_of_all(linked: Linked) -> None:
    people = linked.links.select(pl.col("person_id").alias("person")).unique().sort("person")
    half = people.with_columns((pl.int_range(pl.len()) % 2).alias("half"))
    table = expected(linked.edges, linked.links, half)
    whole, parts = table.row(0, named=True), table[1:]
    assert whole["group"] == "everyone"
    assert 0.5 < whole["recall"] <= 1
    assert 0.5 < whole["precision"] <= 1
    assert abs(parts["linked"].sum() - whole["linked"]) <= 1


def test_pairs_that_share_an_id_are_mostly_found_without_it(
    records: pl.DataFrame, linked: Linked, model: Model
) -> None:
    table = held_out(conform.prepare(records)[0], model, linked.links)
    row = table.row(0, named=True)
    assert row["pairs"] > 30
    assert row["recall_low"] < row["recall"] < row["recall_high"]
    assert row["recall"] > 0.6


def test_ids_that_agree_apart_and_ids_that_differ_together_are_counted(model: Model) -> None:
    at = [c.name for c in model.comparisons].index("NHS number")
    levels = [[-1] * at + [level] for level in (2, 2, 0, 1, -1)]
    ends = {"record_l": ["r0", "r0", "r0", "r1", "r2"], "record_r": ["r1", "r2", "r3", "r3", "r3"]}
    edges = pl.DataFrame({**ends, "levels": pl.Series(levels, dtype=pl.List(pl.Int8))})
    row = evaluation.by_ids(edges, assigned(1, 1, 2, 1), model).row(0, named=True)
    assert (row["same"], row["same_apart"], row["different"], row["different_together"]) == (2, 1, 2, 2)


def test_the_groups_of_a_person_come_from_all_that_is_truly_theirs(records: pl.DataFrame, truth: pl.DataFrame) -> None:
    groups = evaluation.true_groups(records, truth, PLACE.empty(), {}, START)
    assert groups["person"].n_unique() == groups.height == truth["person"].n_unique()
    assert set(groups.columns) == {"person", *evaluation.GROUPS}
    assert set(groups["sex"].drop_nulls()) == {"female", "male"}


def test_the_origin_of_a_name_is_guessed_by_surname_then_ending_then_forename() -> None:
    told = pl.DataFrame(
        {
            "forename": ["ANN", "ANN", "PIOTR", "ANN", None, "ANN"],
            "surname": ["KHAN", "WIŚNIEWSKA", "SMITH", "O'BRIEN", None, "SMITH"],
        }
    )
    assert origins(told).to_list() == [
        "Muslim (South Asian, Arabic, Somali)",
        "Eastern European",
        "Eastern European",
        "Irish or Scottish",
        None,
        "British or other",
    ]


def test_a_night_tells_numbers_about_itself_and_nothing_else(linked: Linked) -> None:
    told = evaluation.estimates(linked.edges, linked.links)
    assert told["largest person"] >= 1
    assert all(isinstance(value, int | float) for value in told.values())
