from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from village import KEY, START, finish, village

from linkage.evaluation import scores
from linkage.model import Model
from linkage.night import Linked, link
from linkage.settings import Extra, Settings
from warehouse.tables import MATCH_EDGE, PERSON_LINEAGE, PERSON_LINK


def churn(records: pl.DataFrame, seed: int, share: float = 0.02) -> pl.DataFrame:
    """Another night: records gone, new, with another's address and telephone, with a corrected name or NHS number."""
    rng = np.random.default_rng(seed)
    fate = pl.Series(rng.random(records.height))
    other = records[rng.permutation(records.height)]
    rows = records.with_columns(
        pl.when(fate < share).then(other[name]).otherwise(pl.col(name)).alias(name)
        for name in ("uprn", "address", "postcode", "phone")
    )
    corrected = pl.when(fate.is_between(share, 2 * share))
    renumbered = pl.when(fate.is_between(share, 1.5 * share))
    rows = rows.with_columns(
        corrected.then(pl.col("surname") + "E").otherwise("surname").alias("surname"),
        renumbered.then(other["nhs_number"]).otherwise("nhs_number").alias("nhs_number"),
    ).filter(~fate.is_between(3 * share, 4 * share))
    new = village(40, seed=seed + 1000)[0].with_columns((pl.col("record_id") + f"-{seed}").alias("record_id"))
    return finish(pl.concat([rows, new])).sample(fraction=1.0, shuffle=True, seed=seed)


def test_what_comes_out_has_the_columns_of_the_canonical_tables(linked: Linked, records: pl.DataFrame) -> None:
    assert linked.edges.schema == MATCH_EDGE.schema
    assert linked.links.schema == PERSON_LINK.schema
    assert linked.lineage.schema == PERSON_LINEAGE.schema
    assert linked.links["record_id"].sort().equals(records["record_id"].sort())
    assert (linked.edges["record_l"] < linked.edges["record_r"]).all()
    assert linked.edges.select("record_l", "record_r").is_unique().all()


def test_most_records_of_a_person_come_together_and_few_others(linked: Linked, truth: pl.DataFrame) -> None:
    found = scores(linked.links, truth)
    assert found["pair_precision"] > 0.98
    assert found["bcubed_f1"] > 0.93


def test_twins_and_same_named_parents_stay_apart(linked: Linked, truth: pl.DataFrame) -> None:
    rows = linked.links.join(truth, on="record_id")
    wrong = rows.filter(pl.col("role").is_in(["twin", "junior"])).join(rows, on="person_id", suffix="_r")
    wrong = wrong.filter((pl.col("person") != pl.col("person_r")) & (pl.col("household") == pl.col("household_r")))
    assert (
        wrong["person"].n_unique() <= 0.02 * rows.filter(pl.col("role").is_in(["twin", "junior"]))["person"].n_unique()
    )


def test_the_order_of_the_rows_changes_nothing(linked: Linked, records: pl.DataFrame, model: Model) -> None:
    shuffled = records.sample(fraction=1.0, shuffle=True, seed=3)
    again = link(shuffled, None, model, START, KEY)
    assert again.edges.equals(linked.edges)
    assert again.links.equals(linked.links)
    assert again.lineage.equals(linked.lineage)


def test_an_incremental_night_equals_a_full_one_edge_for_edge_and_link_for_link(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    rows, before = records, linked
    for step in range(1, 4):
        rows = churn(rows, seed=step)
        on = START + timedelta(days=step)
        quick = link(rows, before, model, on, KEY)
        whole = link(rows, before, model, on, KEY, full=True)
        assert quick.edges.equals(whole.edges)
        assert quick.links.equals(whole.links)
        assert quick.lineage.equals(whole.lineage)
        assert quick.state.equals(whole.state)
        before = quick


def test_a_night_run_again_gives_the_same(linked: Linked, records: pl.DataFrame, model: Model) -> None:
    rows = churn(records, seed=9)
    first = link(rows, linked, model, START + timedelta(days=1), KEY)
    second = link(rows, linked, model, START + timedelta(days=1), KEY)
    assert first.links.equals(second.links) and first.lineage.equals(second.lineage)


def test_unchanged_people_keep_their_id_and_every_change_of_id_is_told(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    after = link(churn(records, seed=5), linked, model, START + timedelta(days=1), KEY)
    both = linked.links.join(after.links, on="record_id", suffix="_now")
    assert (both["person_id"] == both["person_id_now"]).mean() > 0.98
    ended = set(linked.links["person_id"]) - set(after.links["person_id"])
    begun = set(after.links["person_id"]) - set(linked.links["person_id"])
    told = after.lineage.filter(pl.col("night") == START + timedelta(days=1))
    assert ended == set(told.filter(pl.col("change").is_in(["merged_into", "retired"]))["person_id"])
    assert begun == set(told.filter(pl.col("change").is_in(["founded", "split_from"]))["person_id"])


def test_a_person_whose_records_all_change_feed_keeps_the_id(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    one = linked.links.filter(pl.len().over("person_id") > 2)
    who = one["person_id"][0]
    own = records.join(one.filter(pl.col("person_id") == who), on="record_id", how="semi")
    copies = own.with_columns((pl.col("record_id") + "-new").alias("record_id"), pl.lit("other").alias("feed"))
    second = link(pl.concat([records, copies]), linked, model, START + timedelta(days=1), KEY)
    left = pl.concat([records.join(own, on="record_id", how="anti"), copies])
    third = link(left, second, model, START + timedelta(days=2), KEY)
    assert third.links.join(copies, on="record_id", how="semi")["person_id"].unique().to_list() == [who]


def test_a_night_whose_state_is_gone_is_linked_anew_and_keeps_its_ids(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    rows, on = churn(records, seed=4), START + timedelta(days=1)
    bare = Linked(linked.edges, linked.links, linked.lineage, pl.DataFrame(), pl.DataFrame())
    anew, usual = link(rows, bare, model, on, KEY), link(rows, linked, model, on, KEY)
    assert anew.edges.equals(usual.edges)
    assert anew.links.equals(usual.links)
    why = ("cause", "because")  # what changed since is not known
    assert anew.lineage.drop(why).equals(usual.lineage.drop(why))


def test_values_that_too_many_share_are_told_once_and_only_by_their_number(
    records: pl.DataFrame, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    rows = records.head(400).with_columns(pl.lit("07000000000").alias("phone"))
    found = link(rows, None, model, START, KEY)
    assert found.shared["phone"] == 1
    told = [record.getMessage() for record in caplog.records if "phone" in record.getMessage()]
    assert len(told) == 1 and "07000000000" not in told[0]


def test_nothing_that_older_code_kept_is_built_upon(linked: Linked, records: pl.DataFrame, model: Model) -> None:
    wrong = linked.edges.with_columns(pl.lit(1.5).alias("match_weight"))
    older = linked.state.with_columns(pl.lit("older").alias("code"))
    on = START + timedelta(days=1)
    kept = link(records, replace(linked, edges=wrong), model, on, KEY)
    assert (kept.edges["match_weight"] == 1.5).all()
    anew = link(records, replace(linked, edges=wrong, state=older), model, on, KEY)
    assert anew.edges.equals(linked.edges) and anew.state.equals(linked.state)


def test_a_night_heeds_the_further_columns_and_the_caps_that_its_model_was_trained_with(
    records: pl.DataFrame, truth: pl.DataFrame, model: Model
) -> None:
    settings = Settings(extra=(Extra(name="own key", column="source_key", kind="code"),), caps={"telephone": 3})
    known = replace(
        model,
        m={**model.m, "own key": (0.9, 0.1)},
        u={**model.u, "own key": (0.001, 0.999)},
        settings=settings,
        frequencies={
            **model.frequencies,
            "x_source_key": pl.DataFrame({"x_source_key": ["?"], "tf_x_source_key": 0.001}),
        },
    )
    rows = records.head(1500).drop("source_key").join(truth.select("record_id", source_key="person"), on="record_id")
    rows = finish(rows.with_columns(pl.col("source_key").cast(pl.String)))
    first = link(rows, None, known, START, KEY)
    plain = link(rows, None, model, START, KEY)
    assert first.blocked and first.blocked.rules["telephone"].most == 3
    assert scores(first.links, truth)["pair_recall"] > scores(plain.links, truth)["pair_recall"]
    other = pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("another")).otherwise("source_key").alias("source_key")
    changed, on = rows.with_columns(other), START + timedelta(days=1)
    quick, whole = (link(changed, first, known, on, KEY, full=full) for full in (False, True))
    assert quick.edges.equals(whole.edges) and quick.state.equals(whole.state)
    assert not quick.edges.equals(first.edges)


def test_another_model_scores_everything_again(linked: Linked, records: pl.DataFrame, model: Model) -> None:
    other = replace(model, prior=model.prior / 2)
    after = link(records, linked, other, START + timedelta(days=1), KEY)
    assert after.edges["model_id"].unique().to_list() == [other.model_id]


@pytest.mark.parametrize("placeholder", ["9999999999"])
def test_an_id_that_too_many_records_share_does_not_bridge(
    records: pl.DataFrame, model: Model, placeholder: str
) -> None:
    rows = records.head(400).with_columns(pl.lit(placeholder).alias("nhs_number"))
    assert link(rows, None, model, START, KEY).edges.filter(pl.col("by") == "bridge").is_empty() or (
        rows["upn"].is_not_null().any()
    )
    found = link(rows.with_columns(pl.lit(None, pl.String).alias("upn")), None, model, START, KEY)
    assert found.edges.filter(pl.col("by") == "bridge").is_empty()
