import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from village import finish

from linkage.blocking import blocks
from linkage.comparisons import written_out
from linkage.conform import conform, prepare
from linkage.model import (
    COMPARISONS,
    VERSION,
    Model,
    Outdated,
    TrainingError,
    compare,
    engine,
    for_comparison,
    frequent,
    level_of,
    splink_settings,
)  # fmt: skip
from linkage.training import train


def test_a_model_saved_and_loaded_is_the_same_and_holds_no_name(
    model: Model, records: pl.DataFrame, tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = Model.load(tmp_path, model.frequencies)
    assert again.model_id == model.model_id
    text = (tmp_path / "model.json").read_text()
    assert not any(f'"{name}"' in text for name in records["surname"].drop_nulls().unique())
    people = conform(prepare(records.head(1500))[0])
    pairs = blocks(people).pairs()
    assert compare(people, pairs, again, -30.0, None).equals(compare(people, pairs, model, -30.0, None))


def test_a_model_with_other_frequencies_is_refused(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    with pytest.raises(TrainingError, match="frequencies"):
        Model.load(tmp_path, {name: frame.head(3) for name, frame in model.frequencies.items()})


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (f'"version": {VERSION}', '"version": 1'),
        ('"engine": "duckdb"', '"engine": "abacus"'),
        ('"day and month', '"month and day'),
    ],
)
def test_a_model_of_an_older_kinfold_is_refused_with_what_to_do(model: Model, was: str, now: str) -> None:
    text = model.text()
    assert was in text
    with pytest.raises(Outdated, match=r"`kinfold retrain linkage`, then run the next night"):
        Model.parse(text.replace(was, now), model.frequencies)


def test_every_level_of_a_model_has_a_weight(model: Model) -> None:
    for comparison in COMPARISONS:
        assert len(model.m[comparison.name]) == len(model.u[comparison.name]) == len(comparison.levels)
        assert all(0 < p < 1 for p in (*model.m[comparison.name], *model.u[comparison.name]))


def test_training_again_gives_the_same_model(model: Model, records: pl.DataFrame) -> None:
    assert train(records.sample(fraction=1.0, shuffle=True, seed=8), seed=1, drawn=300_000).model_id == model.model_id


def test_too_few_records_to_train_on_are_refused(records: pl.DataFrame) -> None:
    with pytest.raises(TrainingError, match="too few"):
        train(records.head(10), seed=1)


def test_a_pair_weighs_the_same_whichever_record_comes_first(model: Model, records: pl.DataFrame) -> None:
    people = conform(prepare(records.head(1200))[0])
    pairs = blocks(people).pairs()
    last = people.height - 1
    turned = people.with_columns((last - pl.col("uid")).alias("uid")).sort("uid")
    swapped = pairs.select((last - pl.col("uid_r")).alias("uid_l"), (last - pl.col("uid_l")).alias("uid_r"))
    back = compare(turned, swapped, model, -40.0, None)
    back = back.with_columns((last - pl.col("uid_r")).alias("uid_l"), (last - pl.col("uid_l")).alias("uid_r"))
    assert back.sort("uid_l", "uid_r").equals(compare(people, pairs, model, -40.0, None))


@pytest.mark.parametrize(
    ("one", "other", "label"),
    [
        (("MOHAMMED", "KHAN"), ("MUHAMMAD", "KHAN"), "a name also used, or short for it"),
        (("LIVVY", "HILL"), ("OLIVIA", "HILL"), "a name also used, or short for it"),
        (("AMY", "HILL"), ("AY", "HILL"), "one letter apart"),
        (("DIYA", "PPATEL"), ("PATEL", "DIAY"), "forename and surname turned round"),
        (("SEAN", "HILL"), ("SHAUN", "HILL"), "a name also used, or short for it"),
        (("ISLA", "HILL"), ("WILLOW", "HILL"), "different"),  # twins, who sound alike to double metaphone
    ],
)
def test_what_two_forenames_at_one_door_have_in_common_is_told(
    model: Model, one: tuple[str, str], other: tuple[str, str], label: str
) -> None:
    rows = finish(
        pl.DataFrame([one, other], schema=["forename", "surname"], orient="row").with_columns(
            record_id=pl.Series(["a", "b"]), feed=pl.Series(["x", "y"]), postcode=pl.lit("ZZ1 1AA"), uprn=pl.lit("1"),
            birth_date=date(1990, 5, 6),
        )
    )  # fmt: skip
    people = conform(prepare(rows)[0])
    scored = compare(people, blocks(people).pairs(), replace(model, prior=1e-3), -math.inf, None)
    assert scored["g0"].to_list() == [level_of("forename", label)]


def test_pairs_in_any_number_of_parts_are_scored_alike(
    model: Model, records: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = conform(prepare(records.head(1200))[0])
    pairs = blocks(people).pairs()
    whole = compare(people, pairs, model, -10.0, None)
    monkeypatch.setattr("linkage.model.TOGETHER", pairs.height // 3)
    assert compare(people, pairs, model, -10.0, None).equals(whole)


def test_a_pair_weighs_what_splink_itself_would_say(model: Model, records: pl.DataFrame) -> None:
    from splink import DuckDBAPI, Linker

    people = conform(prepare(records)[0])
    pairs, used = blocks(people).pairs(), frequent(for_comparison(people, model).drop("rarity"), model)
    with engine() as con:
        api = DuckDBAPI(con)
        con.register("people", used.drop("tf_forename", "tf_surname").to_arrow())
        con.register("met", pairs.select(join_key_l="uid_l", join_key_r="uid_r", match_key=pl.lit("0")).to_arrow())
        linker = Linker(api.register("people"), splink_settings(model, written_out), log_level="ERROR")
        linker.table_management.register_blocked_pairs_for_predict(api.register("met"))
        for name in ("forename", "surname"):
            con.register(f"tf_{name}", used.select(name, f"tf_{name}").drop_nulls().unique().to_arrow())
            linker.table_management.register_term_frequency_lookup(api.register(f"tf_{name}"), name)
        told = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().pl()
    both = compare(people, pairs, model, -math.inf, None).join(told, on=["uid_l", "uid_r"])
    assert both.height == pairs.height > 1000
    assert ((both["weight"] - both["match_weight"]).abs() < 1e-9).all()
