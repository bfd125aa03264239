"""What people say outweighs the model: never before all, then reviewers, then the council, then ids and probability."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_linkage_night import churn
from village import KEY, START

from linkage.cluster import LARGEST, components, refine
from linkage.decisions import SETTLED, Told, enforce, rule, said
from linkage.model import Model
from linkage.night import Linked, link

NAMED = ("record_id", "council_id")
NEXT = START + timedelta(days=1)
FORCE = {"record_l": pl.String, "record_r": pl.String, "verdict": pl.String, "by": pl.String, "strength": pl.Float64}


def told(*rows: tuple[str, str, str], by: str = "reviewer", strength: float | None = None) -> pl.DataFrame:
    """Decisions in force, given as (record, record, verdict)."""
    worth = {"same": SETTLED if strength is None else strength}
    made = [(min(a, b), max(a, b), v, "register" if v == "never" else by, worth.get(v, -SETTLED)) for a, b, v in rows]
    return pl.DataFrame(made, schema=FORCE, orient="row").sort("record_l", "record_r")


def matched(**ids: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"record_id": list(ids), "council_id": list(ids.values())}, schema=dict.fromkeys(NAMED, pl.String)
    )


def who(linked: Linked) -> dict[str, str]:
    return dict(linked.links.select("record_id", "person_id").rows())


@pytest.fixture(scope="module")
def few(linked: Linked) -> list[list[str]]:
    """Records of people of three and more records, largest first."""
    people = linked.links.group_by("person_id").agg(pl.col("record_id").sort()).sort("person_id")
    return [rows for rows in people["record_id"].to_list() if len(rows) >= 3]


def equal(one: Linked, other: Linked) -> bool:
    frames = ("edges", "links", "lineage", "state", "ends", "absent")
    return all(getattr(one, name).equals(getattr(other, name)) for name in frames)


def test_same_by_a_reviewer_joins_records_that_nothing_else_would(
    linked: Linked, records: pl.DataFrame, model: Model, few: list[list[str]]
) -> None:
    (one, *_), (other, *_) = few[0], few[1]
    say = Told(told((one, other, "same")))
    after = link(records, linked, model, NEXT, KEY, told=say)
    people = who(after)
    assert {people[r] for r in (*few[0], *few[1])} == {people[one]}
    edge = after.edges.filter(pl.col("record_l") == min(one, other), pl.col("record_r") == max(one, other))
    assert edge["by"].to_list() == ["reviewer"] and edge["match_weight"].item() < model.cut
    assert after.links.filter(record_id=one).select("by", "probability").row(0) == ("reviewer", 1.0)
    moved = after.lineage.filter(night=NEXT)
    assert moved.select("change", "because").rows() == [("merged_into", "review")]
    assert link(records, after, model, NEXT + timedelta(days=1), KEY).links["person_id"].n_unique() == (
        linked.links["person_id"].n_unique()
    )


def test_a_record_that_goes_from_one_lasting_person_to_another_is_told_in_the_lineage(
    linked: Linked, records: pl.DataFrame, model: Model, few: list[list[str]]
) -> None:
    (one, *_), (between, *_), (last, *_) = sorted(few, key=len, reverse=True)[:3]
    say = Told(told((one, between, "same"), (between, last, "same"), (one, last, "never")))
    after = link(records, linked, model, NEXT, KEY, told=say)
    was, now = who(linked), who(after)
    moved = {(was[r], now[r]) for r in was if was[r] != now[r]}
    tonight = after.lineage.filter(night=NEXT)
    gave = tonight.filter(change="gave")
    assert gave.height and set(gave["because"]) == {"register"}, "the weightiest of what was said around them"
    pairs = {tuple(sorted(pair)) for pair in tonight.select("person_id", "other_person_id").rows()}
    assert {tuple(sorted(pair)) for pair in moved} == pairs


def test_different_by_a_reviewer_parts_what_a_shared_id_joins(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    ends = pl.concat([linked.edges["record_l"], linked.edges["record_r"].rename("record_l")])
    busy = ends.filter(ends.is_duplicated())  # parted, they might join somebody else
    bridge = linked.edges.filter(
        pl.col("by") == "bridge", ~pl.col("record_l").is_in(busy.implode()), ~pl.col("record_r").is_in(busy.implode())
    )
    one, other = bridge.select("record_l", "record_r").row(0)
    after = link(records, linked, model, NEXT, KEY, told=Told(told((one, other, "different"))))
    assert who(after)[one] != who(after)[other]
    change = after.lineage.filter(night=NEXT)
    assert change.select("change", "because").rows() == [("split_from", "review")]
    assert "reviewer decided" in change["cause"].item()
    again = link(records, after, model, NEXT + timedelta(days=1), KEY)
    assert who(again) == who(linked), "withdrawn, the decision leaves no trace in the links"
    merged = again.lineage.filter(night=NEXT + timedelta(days=1))
    assert merged.select("change", "because").rows() == [("merged_into", "review")]


def test_never_keeps_two_records_apart_however_many_stand_between(
    linked: Linked, records: pl.DataFrame, model: Model, few: list[list[str]]
) -> None:
    one, *between, last = max(few, key=len)
    chain = [one, *between, last]
    joined = told(*((a, b, "same") for a, b in pairwise(chain)), (one, last, "never"))
    council = matched(**dict.fromkeys(chain, "C1"))
    for say in (Told(joined), Told(joined, council, master=True)):
        after = link(records, linked, model, NEXT, KEY, told=say)
        assert who(after)[one] != who(after)[last]
        assert equal(after, link(records, linked, model, NEXT, KEY, told=say, full=True))


def test_the_councils_master_wins_over_ids_and_probability_and_a_reviewer_over_it(
    linked: Linked, records: pl.DataFrame, model: Model, few: list[list[str]]
) -> None:
    (a, b, *rest), (c, d, *more) = few[0], few[1]
    council = matched(**{a: "C1", c: "C1", b: "C2"})
    after = who(link(records, linked, model, NEXT, KEY, told=Told(council=council, master=True)))
    assert after[a] == after[c] and after[a] != after[b]
    assert all(after[r] in (after[a], after[b]) for r in (*rest, d, *more)), "ours fill in the rest"
    say = Told(told((a, b, "same"), (a, c, "different")), council, master=True)
    after = who(link(records, linked, model, NEXT, KEY, told=say))
    assert after[a] == after[b] and after[a] != after[c]


def test_the_councils_matching_as_evidence_adds_its_strength_and_no_more(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    short = linked.edges.filter(pl.col("match_weight").is_between(model.cut - 4, model.cut - 1), by="probability")
    lonely = linked.links.filter(pl.len().over("person_id") == 1)
    for end in ("record_l", "record_r"):
        short = short.join(lonely, left_on=end, right_on="record_id", how="semi")
    one, other = short.select("record_l", "record_r").row(0)
    council = matched(**{one: "C1", other: "C1"})
    weak = link(records, linked, model, NEXT, KEY, told=Told(council=council, strength=0.5))
    strong = link(records, linked, model, NEXT, KEY, told=Told(council=council, strength=5.0))
    assert who(weak)[one] != who(weak)[other] and who(strong)[one] == who(strong)[other]
    assert strong.links.filter(record_id=one)["by"].item() == "council"
    assert strong.lineage.filter(night=NEXT)["because"].to_list() == ["council"]


def test_an_id_of_the_council_that_a_crowd_shares_is_no_evidence(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    crowd = matched(**dict.fromkeys(records["record_id"].head(80), "C1"))
    after = link(records, linked, model, NEXT, KEY, told=Told(council=crowd, strength=30.0))
    assert after.shared["council_id"] == 1 and who(after) == who(linked)


def test_a_decision_waits_while_its_record_is_gone_and_counts_again_when_it_returns(
    linked: Linked, records: pl.DataFrame, model: Model, few: list[list[str]]
) -> None:
    one, other = few[0][0], few[0][1]
    say = Told(told((one, other, "different")))
    first = link(records, linked, model, NEXT, KEY, told=say)
    gone = link(records.filter(pl.col("record_id") != other), first, model, NEXT + timedelta(days=1), KEY, told=say)
    back = link(records, gone, model, NEXT + timedelta(days=2), KEY, told=say)
    assert who(back) == who(first)


def test_adding_changing_and_withdrawing_decisions_equals_a_full_run_each_night(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    rng, rows, before = np.random.default_rng(3), records, linked
    for step in range(1, 3):
        rows, on = churn(rows, seed=20 + step), START + timedelta(days=step)
        ids = before.links["record_id"].gather(rng.integers(0, before.links.height, 60))
        near = before.edges.select("record_l", "record_r").sample(40, seed=step)
        pairs = [*zip(ids[:30], ids[30:], strict=True), *near.rows()]
        verdicts = rng.choice(["same", "different", "never"], len(pairs))
        say = told(*((a, b, str(v)) for (a, b), v in zip(pairs, verdicts, strict=True) if a != b))
        council = rows.sample(400, seed=step).select("record_id", council_id=pl.col("surname").fill_null("?").hash(2))
        council = council.with_columns(pl.col("council_id").cast(pl.String))
        everything = Told(say.unique(["record_l", "record_r"], maintain_order=True), council, master=step % 2 == 0)
        quick = link(rows, before, model, on, KEY, told=everything)
        assert equal(quick, link(rows, before, model, on, KEY, told=everything, full=True))
        held = quick.links.join(everything.pairs, left_on="record_id", right_on="record_l").join(
            quick.links, left_on="record_r", right_on="record_id", suffix="_r"
        )
        apart = held.filter(pl.col("verdict") != "same")
        assert apart.height and (apart["person_id"] != apart["person_id_r"]).all()
        before = quick


def test_only_components_that_a_decision_touches_are_clustered_again(
    linked: Linked, records: pl.DataFrame, model: Model, few: list[list[str]]
) -> None:
    one, other = few[0][0], few[1][0]
    after = link(records, linked, model, NEXT, KEY, told=Told(told((one, other, "never"))))
    moved = (after.state["fingerprint"] != linked.state["fingerprint"]).sum()
    assert moved == 2 and after.links.equals(linked.links)


@settings(max_examples=25)
@given(st.data())
def test_no_clustering_whatever_its_size_leaves_together_what_may_never_be(data: st.DataObject) -> None:
    many = data.draw(st.sampled_from([3, 5, 8, LARGEST + 3]))
    uid = st.integers(0, many - 1)
    pair = st.tuples(uid, uid).filter(lambda p: p[0] < p[1])
    weights = {(n, n + 1): 20.0 for n in range(many - 1)} | data.draw(
        st.dictionaries(pair, st.sampled_from([-9.0, 5.0, 20.0]), max_size=8)
    )
    ids = pl.Series([f"r{n:04d}" for n in range(many)])
    verdicts = data.draw(st.dictionaries(pair, st.sampled_from(["same", "different", "never"]), min_size=1, max_size=8))
    codes = data.draw(st.lists(st.sampled_from(["", "C1", "C2"]), min_size=min(many, 8), max_size=min(many, 8)))
    council = matched(**{str(r): c for r, c in zip(ids, codes, strict=False) if c})
    say = Told(told(*((ids[a], ids[b], v) for (a, b), v in verdicts.items())), council, data.draw(st.booleans()))
    words = said(ids, say)
    every = weights | {p: -4.0 for p in words.pairs.select("uid_l", "uid_r").rows() if p not in weights}
    rows = [(a, b, w, False, False) for (a, b), w in sorted(every.items())]
    names = {"uid_l": pl.Int64, "uid_r": pl.Int64, "weight": pl.Float64, "never": pl.Boolean, "silent": pl.Boolean}
    edges = rule(pl.DataFrame(rows, schema=names, orient="row"), words)

    def score(pairs: pl.DataFrame) -> pl.DataFrame:
        plain = pairs.with_columns(weight=pl.lit(-4.0), never=pl.lit(False), silent=pl.lit(False))
        return rule(plain, words)

    component = components(many, edges, 2.0)
    group = enforce(refine(component, edges, 2.0, np.ones(many, dtype=bool), score), words)
    assert (group[group] == group).all() and (group <= np.arange(many)).all()
    for (a, b), verdict in verdicts.items():
        assert verdict == "same" or group[a] != group[b]
    if words.held is not None and not any(v == "same" for v in verdicts.values()):
        kinds = pl.DataFrame({"group": group, "held": words.held}).filter(pl.col("held") >= 0).unique()
        assert kinds["group"].is_unique().all()


def test_a_new_model_is_named_as_the_cause_of_what_it_changes(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    after = link(records, linked, replace(model, cut=model.cut + 6), NEXT, KEY)
    change = after.lineage.filter(night=NEXT)
    assert change.height and change["because"].unique().to_list() == ["model"]
