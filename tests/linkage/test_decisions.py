"""What people decide is kept for ever, says what is in force, and comes to nothing by halves."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.keys import KeyRing
from governance.pseudonyms import record_ids
from governance.vault import Vault
from linkage import decisions
from warehouse.store import Store, StoreError
from warehouse.tables import ADDRESS_VETO, LINK_DECISION

RING = KeyRing(b"k" * 32)
NOON = datetime(2026, 11, 20, 12)


def rows(*told: tuple[str, str, str, str, int]) -> pl.DataFrame:
    """Decisions given as (record, record, verdict, who, hours after noon)."""
    made = pl.DataFrame(told, schema=["record_l", "record_r", "verdict", "who", "hours"], orient="row")
    return made.with_columns(decided_at=pl.lit(NOON) + pl.duration(hours="hours")).drop("hours")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", Vault(RING))


def force(store: Store) -> list[tuple[str, str, str, str]]:
    return decisions.in_force(decisions.read(store)).select("record_l", "record_r", "verdict", "by").rows()


def test_a_decision_is_kept_either_way_round_and_the_same_one_once(store: Store) -> None:
    decisions.decide(store, rows(("b", "a", "same", "ann", 0)))
    decisions.decide(store, rows(("a", "b", "same", "ann", 0), ("c", "d", "never", "dpo", 0)))
    kept = decisions.read(store)
    assert kept.schema == LINK_DECISION.schema and kept.height == 2
    assert force(store) == [("a", "b", "same", "reviewer"), ("c", "d", "never", "register")]


def test_the_last_word_of_a_reviewer_counts_and_all_words_stay(store: Store) -> None:
    for hour, verdict in enumerate(("same", "different", "unsure")):
        decisions.decide(store, rows(("a", "b", verdict, "ann", hour)))
        expected = [] if verdict == "unsure" else [("a", "b", verdict, "reviewer")]
        assert force(store) == expected
    assert decisions.read(store).height == 3


def test_reviewers_who_disagree_are_shown_and_keep_the_pair_apart(store: Store) -> None:
    decisions.decide(store, rows(("a", "b", "same", "bob", 1), ("a", "b", "different", "ann", 0)))
    assert force(store) == [("a", "b", "different", "reviewer")]
    (conflict,) = decisions.conflicts(decisions.read(store)).rows(named=True)
    assert (conflict["same"], conflict["different"]) == (["bob"], ["ann"])
    decisions.decide(store, rows(("a", "b", "same", "ann", 2)))
    assert force(store) == [("a", "b", "same", "reviewer")]
    assert decisions.conflicts(decisions.read(store)).is_empty()


def test_a_withdrawal_is_recorded_and_what_it_covered_counts_again(store: Store) -> None:
    decisions.decide(store, rows(("a", "b", "same", "ann", 0), ("a", "b", "never", "dpo", 1)))
    assert force(store) == [("a", "b", "never", "register")]
    never = decisions.read(store).filter(verdict="never")["decision_id"].to_list()
    decisions.withdraw(store, never, "dpo", NOON + timedelta(days=1))
    assert force(store) == [("a", "b", "same", "reviewer")]
    gone = decisions.read(store).filter(pl.col("withdrawn_at").is_not_null())
    assert gone.select("decision_id", "withdrawn_by").rows() == [(never[0], "dpo")]
    with pytest.raises(StoreError, match="not known"):
        decisions.withdraw(store, ["nonesuch"], "dpo", NOON)


@pytest.mark.parametrize(
    "bad", [("a", "a", "same", "ann", 0), ("a", "b", "maybe", "ann", 0), ("a", "b", "same", " ", 0)]
)
def test_of_rows_with_one_bad_decision_none_is_kept(store: Store, bad: tuple[str, str, str, str, int]) -> None:
    with pytest.raises(StoreError, match="None is kept"):
        decisions.decide(store, rows(("c", "d", "same", "ann", 0), bad))
    assert decisions.read(store).is_empty()


word = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from("cd"),
    st.sampled_from(decisions.VERDICTS),
    st.sampled_from("xyz"),
)


@given(st.lists(word, min_size=1, max_size=12))
def test_never_stands_whatever_else_is_said_and_one_caution_outweighs_any_number(
    said: list[tuple[str, str, str, str]],
) -> None:
    told = rows(*((*one, hour) for hour, one in enumerate(said)))
    by = pl.when(pl.col("verdict") == "never").then(pl.lit("register")).otherwise(pl.lit("reviewer"))
    told = told.with_columns(
        by.alias("by"),
        pl.col("decided_at").cast(pl.String).alias("decision_id"),
        pl.lit(None, pl.Datetime("us")).alias("withdrawn_at"),
    )
    found = {(a, b): verdict for a, b, verdict in decisions.in_force(told)[:, :3].rows()}
    for pair in {(a, b) for a, b, _, _ in said}:
        here = [(verdict, who) for a, b, verdict, who in said if (a, b) == pair]
        last = {who: verdict for verdict, who in here if verdict != "never"}
        never = any(verdict == "never" for verdict, _ in here)
        expected = "never" if never else next((v for v in ("different", "same") if v in last.values()), None)
        assert found.get(pair) == expected


def test_an_address_is_protected_until_that_is_withdrawn(store: Store) -> None:
    asked = pl.DataFrame({"record_id": ["a", "b"], "place": ["100", None], "who": "dpo", "decided_at": NOON})
    decisions.protect(store, asked)
    assert decisions.protections(store).schema == ADDRESS_VETO.schema
    assert decisions.protected(store).rows() == [("a", "100"), ("b", None)]
    first = decisions.protections(store).filter(record_id="a")["veto_id"].to_list()
    decisions.unprotect(store, first, "dpo", NOON)
    assert decisions.protected(store).rows() == [("b", None)] and decisions.protections(store).height == 2


def test_a_protection_names_a_record_or_a_place(store: Store) -> None:
    refuge = pl.DataFrame({"record_id": [None], "place": ["100"], "who": "dpo", "decided_at": NOON})
    decisions.protect(store, refuge)
    assert decisions.protected(store).rows() == [(None, "100")]
    with pytest.raises(StoreError, match="names neither a record nor a place"):
        decisions.protect(store, refuge.with_columns(pl.lit(None, pl.String).alias("place")))


def test_the_councils_matching_is_kept_by_keyed_hashes_and_the_latest_is_in_force(store: Store) -> None:
    frame = pl.DataFrame({"feed": ["gp", "tax"], "source_key": ["1", "2"], "council_id": ["C-77", "C-77"]})
    assert decisions.import_matching(store, frame, RING, NOON) == 2
    decisions.import_matching(store, frame.head(1), RING, NOON + timedelta(days=1))
    kept = decisions.matching(store)
    assert kept["record_id"].to_list() == record_ids("gp", pl.Series(["1"]), RING).to_list()
    assert "C-77" not in kept["council_id"].to_list()
    with pytest.raises(StoreError, match="more than one id"):
        decisions.import_matching(store, pl.concat([frame, frame.with_columns(council_id=pl.lit("X"))]), RING, NOON)
    with pytest.raises(StoreError, match="no column council_id"):
        decisions.import_matching(store, frame.drop("council_id"), RING, NOON)
