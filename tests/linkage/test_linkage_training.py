import polars as pl
import pytest

from linkage.conform import conform, prepare
from linkage.model import Model, TrainingError, level_of
from linkage.settings import Extra, Settings
from linkage.training import fit, train

DRAWN = 50_000


@pytest.fixture(scope="module")
def pairs(truth: pl.DataFrame) -> pl.DataFrame:
    """What reviewers said of fifty pairs that are one person and fifty that are not."""
    rows = truth.select("record_id", "person", "household")
    both = rows.join(rows, on="household", suffix="_r").filter(pl.col("record_id") < pl.col("record_id_r"))
    both = both.sort("record_id", "record_id_r")
    one = both["person"] == both["person_r"]
    judged = pl.concat([both.filter(one).head(50), both.filter(~one).head(50)])
    same = pl.col("person") == pl.col("person_r")
    return judged.select(
        pl.col("record_id").alias("record_l"), pl.col("record_id_r").alias("record_r"),
        pl.when(same).then(pl.lit("same")).otherwise(pl.lit("different")).alias("verdict"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def chosen(records: pl.DataFrame, pairs: pl.DataFrame) -> Model:
    """A model for a council that chose much, with a column of its own and reviewers' decisions."""
    extra = (Extra(name="street", column="street", kind="text"),)
    settings = Settings(cut=3.0, leave_out=("sex",), extra=extra)
    rows = records.with_columns(pl.col("address").str.extract(r"(STREET [0-9]+)").alias("street"))
    return train(rows, seed=1, drawn=DRAWN, settings=settings, decisions=pairs)


def test_the_cut_lies_in_its_grey_band_and_says_what_it_is_expected_to_give(model: Model) -> None:
    told = model.facts["evaluation"]
    assert model.grey[0] <= model.cut <= model.grey[1]
    assert 0.85 < told["expected_precision"] <= 1 and 0.85 < told["expected_recall"] <= 1
    assert told["told_by_ids"]["with_birth_date"]["pairs"] > 100


def test_a_model_says_what_it_was_trained_on_and_with(model: Model, records: pl.DataFrame) -> None:
    assert model.facts["records"] == records.height
    assert 0 < model.facts["columns"]["nhs_number"]["complete"] < 1
    assert set(model.facts["versions"]) == {"kinfold", "splink", "duckdb", "polars"}


def test_a_feed_that_tells_no_birth_dates_and_knows_no_children_is_found(model: Model) -> None:
    assert model.adults == ("council-tax",)


def test_what_a_council_chose_is_in_its_model(chosen: Model) -> None:
    assert chosen.cut == 3.0 and chosen.settings.leave_out == ("sex",)
    assert chosen.m["sex"] == chosen.u["sex"]
    assert chosen.m["street"][0] > chosen.u["street"][0]
    assert {"x_street", "forename", "surname"} < set(chosen.frequencies)


def test_pairs_that_reviewers_judged_are_counted(chosen: Model) -> None:
    assert 50 <= chosen.facts["pairs_reviewed"] <= 100


def test_a_model_tells_the_levels_of_a_pair_in_words_and_leaves_out_what_is_missing(chosen: Model) -> None:
    levels = [-1] * len(chosen.comparisons)
    levels[0], levels[-1] = level_of("forename", "the same"), len(chosen.comparisons[-1].levels) - 1
    told = chosen.told(levels)
    assert [row[:2] for row in told] == [("forename", "the same"), ("street", "the same")]
    assert all(bits > 0 for *_, bits in told)


def test_a_column_in_which_one_person_never_agrees_is_refused_by_name(records: pl.DataFrame) -> None:
    rows = records.with_columns(("row" + pl.int_range(pl.len()).cast(pl.String) + "@example.org").alias("email"))
    with pytest.raises(TrainingError, match=r"email: of [0-9]+ pairs .* leave_out in linkage\.yaml"):
        train(rows, seed=1, drawn=DRAWN)


def test_a_column_that_the_records_do_not_have_is_refused_by_name(records: pl.DataFrame) -> None:
    settings = Settings(extra=(Extra(name="shoe", column="shoe_size", kind="number"),))
    with pytest.raises(TrainingError, match="compares the column 'shoe_size'"):
        train(records, seed=1, settings=settings)
    with pytest.raises(TrainingError, match="compares the column 'shoe_size'"):
        fit(conform(prepare(records)[0]), seed=1, settings=settings)


def test_a_feed_that_lists_each_person_once_makes_two_of_its_records_less_likely_one(model: Model) -> None:
    twice = {name: bits for name, bits in model.feeds.items() if len(set(name.split("|"))) == 1}
    assert twice
    assert min(twice.values()) < 0
