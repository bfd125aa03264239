"""Which pairs a person is asked about, in which order, and the sample from which precision and recall are estimated."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from linkage import review
from linkage.model import Model
from linkage.night import Linked
from linkage.review import PAIR
from warehouse.tables import LINK_DECISION, MATCH_EDGE, PERSON_LINK

MODEL = Model(1e-4, {}, {}, 0.0, 2.0)  # only its cut and its grey band, -2 to 6 bits, are read here
NOON = datetime(2026, 11, 20, 12)
NOBODY = pl.DataFrame(schema={"person_id": pl.String, "outputs": pl.Int64})
CHANGED = pl.DataFrame({"record_l": ["a"], "record_r": ["b"]})


def edges(*rows: tuple[str, str, float] | tuple[str, str, float, list[int]]) -> pl.DataFrame:
    """Scored pairs given as (record, record, bits) and, where it matters, the levels that they reached."""
    made = [(row[0], row[1], row[2], row[3] if len(row) > 3 else [n]) for n, row in enumerate(rows)]
    frame = pl.DataFrame(
        made,
        schema={"record_l": pl.String, "record_r": pl.String, "match_weight": pl.Float64, "levels": pl.List(pl.Int8)},
        orient="row",
    )
    more = [pl.lit(0.5).alias("match_probability"), pl.lit("probability").alias("by"), pl.lit("m").alias("model_id")]
    return frame.with_columns(more).select(MATCH_EDGE.schema.names())


def links(**people: str) -> pl.DataFrame:
    """Who stands with whom: each person with its one-letter records."""
    rows = [(record, person) for person, records in people.items() for record in records]
    frame = pl.DataFrame(rows, schema=["record_id", "person_id"], orient="row")
    none = [pl.lit(None, kind).alias(name) for name, kind in PERSON_LINK.schema.items() if name not in frame.columns]
    return frame.with_columns(none).select(PERSON_LINK.schema.names())


def said(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """Decisions given as (record, record, verdict, who), each an hour after the one before."""
    made = [
        {
            "decision_id": str(n),
            "record_l": left,
            "record_r": right,
            "verdict": verdict,
            "by": "register" if verdict == "never" else "reviewer",
            "who": who,
            "decided_at": NOON + timedelta(hours=n),
        }
        for n, (left, right, verdict, who) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema=LINK_DECISION.schema)


def asked(
    scored: pl.DataFrame,
    stand: pl.DataFrame,
    decided: pl.DataFrame | None = None,
    who: str = "ann",
    concerned: pl.DataFrame = NOBODY,
    changed: pl.DataFrame | None = None,
) -> list[tuple[str, str, str]]:
    decided = said() if decided is None else decided
    found = review.queue(scored, stand, MODEL, decided, concerned, who, changed)
    return found.select("record_l", "record_r", "kind").rows()


def test_of_two_people_only_the_pair_most_alike_is_asked_about() -> None:
    found = asked(edges(("a", "c", 1.0), ("a", "d", 1.9), ("b", "c", -1.0), ("a", "b", 20)), links(p="ab", q="cd"))
    assert found == [("a", "d", "grey")]


def test_pairs_that_the_model_is_sure_of_are_not_asked_about() -> None:
    assert asked(edges(("a", "b", 30.0), ("a", "c", -4.0)), links(p="ab", q="c")) == []


def test_a_strong_pair_that_stands_apart_is_asked_about() -> None:
    assert asked(edges(("a", "b", 15.0)), links(p="a", q="b")) == [("a", "b", "apart")]


def test_what_holds_a_person_together_by_a_grey_pair_alone_is_asked_about_once() -> None:
    scored = edges(("a", "b", 20), ("c", "d", 20), ("a", "c", 3.0), ("b", "d", 2.5), ("a", "d", 1.0))
    assert asked(scored, links(p="abcd")) == [("a", "c", "grey")]
    held = edges(("a", "b", 20), ("c", "d", 20), ("a", "c", 3.0), ("b", "d", 12))
    assert asked(held, links(p="abcd")) == [("b", "d", "bridge")]  # what grey pairs say no longer matters


def test_what_a_decision_settles_is_not_asked_again_by_anybody_until_a_record_changes() -> None:
    scored, apart = edges(("a", "b", 1.0), ("a", "c", 0.5)), links(p="a", q="bc")
    for verdict in ("same", "different", "never"):
        decided = said(("a", "b", verdict, "ann"))
        for who in ("ann", "bob"):
            assert asked(scored, apart, decided, who) == []
            assert asked(scored, apart, decided, who, changed=CHANGED) == [("a", "b", "changed")]


def test_unsure_asks_another_for_a_second_opinion_and_the_same_one_not_again() -> None:
    scored, apart = edges(("a", "b", 1.0)), links(p="a", q="b")
    decided = said(("a", "b", "unsure", "ann"))
    assert asked(scored, apart, decided, "ann") == []
    assert asked(scored, apart, decided, "bob") == [("a", "b", "second")]
    decided = said(("a", "b", "unsure", "ann"), ("a", "b", "different", "bob"))
    assert asked(scored, apart, decided, "cat") == []


def test_a_third_is_asked_where_two_disagree_before_anything_else() -> None:
    decided = said(("a", "b", "same", "ann"), ("a", "b", "different", "bob"))
    scored = edges(("a", "b", 1.0), ("c", "d", 2.0))
    found = asked(scored, links(p="a", q="b", r="c", s="d"), decided, "cat")
    assert found == [("a", "b", "conflict"), ("c", "d", "grey")]


def test_a_withdrawn_decision_counts_for_nothing() -> None:
    decided = said(("a", "b", "different", "ann")).with_columns(withdrawn_at=pl.lit(NOON))
    assert asked(edges(("a", "b", 1.0)), links(p="a", q="b"), decided) == [("a", "b", "grey")]


def test_the_nearer_to_the_cut_and_the_more_rests_on_it_the_sooner() -> None:
    stand = links(p="a", q="b", r="c", s="d", t="e", u="f")
    scored = edges(("a", "b", 1.9), ("c", "d", 5.5), ("e", "f", -1.5))
    assert [pair[0] for pair in asked(scored, stand)] == ["a", "c", "e"]
    flagged = pl.DataFrame({"person_id": ["t"], "outputs": [30]})
    assert [pair[0] for pair in asked(scored, stand, concerned=flagged)] == ["e", "a", "c"]


def test_a_pattern_that_was_decided_often_teaches_little() -> None:
    letters = [chr(n) for n in range(ord("A"), ord("A") + 40)]
    stand = links(**{f"p{record}": record for record in [*letters, "x", "y", "z", "w"]})
    usual = [(one, other, 2.0, [3, 1]) for one, other in zip(letters[::2], letters[1::2], strict=True)]
    scored = edges(*usual, ("w", "x", 2.0, [3, 1]), ("y", "z", 2.0, [2, 2]))
    fresh = review.queue(scored, stand, MODEL, said(), NOBODY, "ann")
    assert fresh.filter(pl.col("record_l") == "w")["waiting"].item() == 21
    decided = said(*[(one, other, "same", "bob") for one, other, *_ in usual])
    later = review.queue(scored, stand, MODEL, decided, NOBODY, "ann")
    assert later["record_l"].to_list() == ["y", "w"]
    assert later["decided"].to_list() == [0, 20]


def test_the_order_of_rows_changes_nothing(linked: Linked, model: Model) -> None:
    found = review.queue(linked.edges, linked.links, model, said(), NOBODY, "ann")
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=5) for frame in (linked.edges, linked.links)]
    assert review.queue(*shuffled, model, said(), NOBODY, "ann").equals(found)
    assert found["value"].is_sorted(descending=True) and found.select(PAIR).is_unique().all()
    both = found.filter(pl.col("person_l") != pl.col("person_r")).select(
        pl.min_horizontal("person_l", "person_r"), pl.max_horizontal("person_l", "person_r").alias("other")
    )
    assert both.height > 20 and both.is_unique().all()


def test_the_pairs_asked_about_are_those_that_the_model_cannot_tell(
    linked: Linked, model: Model, truth: pl.DataFrame
) -> None:
    found = review.queue(linked.edges, linked.links, model, said(), NOBODY, "ann").filter(pl.col("kind") == "grey")
    who = truth.select("record_id", "person")
    told = found.join(who, left_on="record_l", right_on="record_id").join(
        who, left_on="record_r", right_on="record_id", suffix="_true"
    )
    right = told.select((pl.col("person") == pl.col("person_true")).mean()).item()
    assert 0.1 < right < 0.9


def test_a_sample_stands_for_every_pair_and_is_drawn_the_same_again(linked: Linked, model: Model) -> None:
    drawn = review.sample(linked.edges, linked.links, model, 25, seed=3)
    shuffled = linked.edges.sample(fraction=1, shuffle=True, seed=9)
    assert review.sample(shuffled, linked.links, model, 25, seed=3).equals(drawn)
    assert not review.sample(linked.edges, linked.links, model, 25, seed=4).equals(drawn)
    whole = review.sample(linked.edges, linked.links, model, 10**9, seed=3)
    assert whole.select(PAIR).is_unique().all()
    assert (whole["size"] == whole["drawn"]).all()
    stratum = ["stratum", "linked"]
    sizes = whole.group_by(stratum).len().sort(stratum)
    told = drawn.group_by(stratum).agg(pl.col("size").first(), pl.col("drawn").first(), pl.len()).sort(stratum)
    assert told["size"].to_list() == sizes["len"].to_list()
    assert (told["drawn"] == told["len"]).all() and told["len"].max() == 25
    linked_pairs = linked.links.group_by("person_id").len()["len"].cast(pl.Int64)
    assert whole["linked"].sum() == (linked_pairs * (linked_pairs - 1) // 2).sum()


def test_weighing_a_sample_by_its_strata_gives_the_precision_of_all_links(
    linked: Linked, model: Model, truth: pl.DataFrame
) -> None:
    who = dict(truth.select("record_id", "person").iter_rows())

    def right(frame: pl.DataFrame) -> np.ndarray:
        return np.array([who[left] == who[r] for left, r in frame.select(PAIR).iter_rows()], dtype=float)

    whole = review.sample(linked.edges, linked.links, model, 10**9, seed=1).filter("linked")
    true = right(whole).mean()
    estimates = []
    for seed in range(12):
        drawn = review.sample(linked.edges, linked.links, model, 60, seed).filter("linked")
        weight = (drawn["size"] / drawn["drawn"]).to_numpy()
        estimates.append(float((right(drawn) * weight).sum() / weight.sum()))
    assert np.mean(estimates) == pytest.approx(true, abs=0.01)


def test_a_stamp_changes_with_whatever_linkage_reads_and_with_nothing_else(records: pl.DataFrame) -> None:
    key, some = b"s" * 32, records.head(50)
    before = review.stamps(some, key)
    assert before["stamp"].n_unique() == 50
    other = some.with_columns(seen_on=pl.lit(NOON.date()), row_hash=pl.lit(7, pl.UInt64), delivery=pl.lit("later"))
    assert review.stamps(other, key).equals(before)
    name = [{"kind": "alias", "forename": "A", "middle_names": None, "surname": "B"}]
    for change in (
        pl.lit("OTHER").alias("surname"),
        pl.lit("0").alias("phone"),
        pl.lit(pl.Series([name], dtype=records.schema["other_names"])).first().alias("other_names"),
    ):
        after = review.stamps(some.with_columns(change), key)
        assert not (after["stamp"] == before["stamp"]).any()
    assert not (review.stamps(some, b"t" * 32)["stamp"] == before["stamp"]).any()
