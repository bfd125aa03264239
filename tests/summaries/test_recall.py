"""Whatever used a link while it stood is recalled once when the link is undone; what did not is left alone."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import caseload
import polars as pl
import pytest
from caseload import NIGHT
from hypothesis import given, settings
from hypothesis import strategies as st

from summaries import facts, recall
from summaries.render import Renderer
from warehouse.tables import LINK_PAST, OUTPUT_USE, PERSON_LINEAGE, PERSON_LINK, RECALL

FIRST = date(2026, 3, 1)
NOBODY = pl.Series([], dtype=pl.String)


def night(number: int) -> date:
    return FIRST + timedelta(days=number)


def frame(schema: pl.Schema, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


@dataclass
class Nights:
    """Nights one after the other, as the assets run them: who stands with whom, and what is let out."""

    links: pl.DataFrame = field(default_factory=PERSON_LINK.empty)
    past: pl.DataFrame = field(default_factory=LINK_PAST.empty)
    recalls: pl.DataFrame = field(default_factory=RECALL.empty)
    used: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=recall.USED))
    nights: list[date] = field(default_factory=list)
    every: pl.DataFrame = field(default_factory=LINK_PAST.empty)
    undone: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=recall.UNDONE))

    def run(
        self,
        stands: dict[str, str],
        homes: Sequence[Set[str]] = (),
        withdrawn: Set[str] = frozenset(),
        because: str = "review",
    ) -> pl.DataFrame:
        """One night: `stands` says which record stands with which id; gives the night's own recalls."""
        tonight = night(len(self.nights))
        was = {record: (person, since) for record, person, since in self.links.select(
            "record_id", "person_id", "linked_from").iter_rows()}  # fmt: skip
        rows = [
            {"record_id": r, "person_id": p, "linked_from": was[r][1] if r in was and was[r][0] == p else tonight}
            for r, p in sorted(stands.items())
        ]
        now, taken = frame(PERSON_LINK.schema, rows), pl.Series(sorted(withdrawn), dtype=pl.String)
        self.past, self.every = recall.past(self.past, self.links, now, tonight, taken)
        self.undone = recall.undone(self.every, self.links, now, tonight, taken)
        links = self.undone.with_columns(because=pl.lit(because))
        used = pl.concat([self.used, recall.in_marts(links, self.nights, "analysts")])
        new = recall.entries(
            recall.covered(used, links), self.recalls, self.nights, tonight, lambda *_: None, lambda texts: texts
        )
        self.recalls, self.links = pl.concat([self.recalls, new]), now
        let_out = []
        for person in sorted(set(stands.values())):
            with_them = {person}.union(*(home for home in homes if person in home)) & set(stands.values())
            about = {"team": "mash", "person_id": person}
            let_out += [
                {**about, "kind": "summary", "output_id": f"{tonight} {person}", "about": a, "night": tonight,
                 "file": f"mash/{tonight}{person}.html"} for a in with_them
            ]  # fmt: skip
            let_out.append({**about, "kind": "flag", "output_id": f"any/{person}", "about": person, "night": tonight})
        self.used = pl.concat([self.used, frame(recall.USED, let_out)])
        self.nights.append(tonight)
        return new


def outputs(new: pl.DataFrame, kind: str = "summary") -> set[str]:
    return set(new.filter(kind=kind)["output_id"])


def test_a_record_that_joins_a_person_undoes_nothing() -> None:
    nights = Nights()
    assert nights.run({"a": "p", "b": "q"}).is_empty()
    assert nights.run({"a": "p", "b": "p", "c": "p"}).is_empty()
    assert nights.undone.is_empty()


def test_a_record_that_a_snapshot_no_longer_lists_undoes_nothing_and_one_that_was_taken_back_does() -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "p"})
    assert nights.run({"a": "p"}).is_empty()
    assert nights.past.height == 1
    assert outputs(nights.run({"a": "p"}, withdrawn={"b"})) == {f"{night(0)} p"}
    assert nights.past.is_empty(), "of a record that was taken back nothing is kept"


def test_a_merge_that_is_split_months_later_recalls_every_night_between_under_every_id_that_it_had() -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "q", "z": "s"})
    for _ in range(40):
        nights.run({"a": "p", "b": "p", "z": "s"})
    for _ in range(40):
        nights.run({"a": "s", "b": "s", "z": "s"})
    new = nights.run({"a": "s", "b": "t", "z": "s"}, because="register")
    both = {f"{night(n)} p" for n in range(1, 41)} | {f"{night(n)} s" for n in range(41, 81)}
    assert outputs(new) == both
    marts = new.filter(kind="marts").select("output_id", "first", "last", "because").sort("first").rows()
    assert marts == [("p", night(1), night(40), "register"), ("s", night(41), night(80), "register")]
    assert nights.run({"a": "s", "b": "t", "z": "s"}).is_empty()


def test_a_record_that_comes_back_to_somebody_else_undoes_what_it_stood_with_before() -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "p"})
    assert nights.run({"a": "p"}).is_empty()
    assert outputs(nights.run({"a": "p", "b": "q"})) == {f"{night(0)} p"}


def test_a_summary_of_somebody_else_in_the_household_is_recalled_and_one_outside_is_not() -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "p", "m": "mother", "x": "stranger"}, homes=[{"p", "mother"}])
    new = nights.run({"a": "p", "b": "q", "m": "mother", "x": "stranger"})
    assert outputs(new) == {f"{night(0)} p", f"{night(0)} mother"}
    assert new.filter(person_id="mother")["about"].to_list() == [["p"]]
    assert outputs(new, "flag") == {"any/p"}


RECORDS = ("a", "b", "c", "d", "e")
WHERE = st.sampled_from(["p", "q", "r", "s", None])
A_NIGHT = st.tuples(
    st.tuples(*[WHERE] * len(RECORDS)),
    st.sets(st.sampled_from(RECORDS)),
    st.sets(st.sampled_from("pqrs"), min_size=2, max_size=2),
)


@settings(max_examples=60)
@given(st.lists(A_NIGHT, min_size=2, max_size=7))
def test_whatever_used_a_link_while_it_stood_is_recalled_once_and_nothing_else_is(history: list[Any]) -> None:
    nights = Nights()
    stood = [{r: p for r, p in zip(RECORDS, where, strict=True) if p} for where, _, _ in history]
    for stands, (_, withdrawn, home) in zip(stood, history, strict=True):
        nights.run(stands, [home], withdrawn)

    def wrong(of: set[str], since: int) -> int | None:
        """The first night after `since` on which records that stood as one are found apart, or one is taken back."""
        for n in range(since + 1, len(stood)):
            if len({stood[n][r] for r in of if r in stood[n]}) > 1:
                return n
            if any(r in history[n][1] and r not in stood[n] for r in of):
                return n
        return None

    expected: dict[str, date] = {}
    by_person: set[tuple[str, date, date]] = set()
    for n, stands in enumerate(stood):
        people = {p: {r for r, q in stands.items() if q == p} for p in stands.values()}
        found = {p: wrong(of, n) for p, of in people.items()}
        for person in people:
            about = {person} | (history[n][2] if person in history[n][2] else set())
            whens = [w for p in about & people.keys() if (w := found[p]) is not None]
            if whens:
                expected[f"{night(n)} {person}"] = night(min(whens))
            if found[person] is not None:
                by_person.add((person, night(n), night(found[person] or 0)))
    summaries = nights.recalls.filter(kind="summary")
    assert sorted(summaries.select("output_id", "night").rows()) == sorted(expected.items())
    for kind in ("marts", "flag"):
        told = [
            (row["person_id"], day, row["night"])
            for row in nights.recalls.filter(kind=kind).iter_rows(named=True)
            for day in nights.nights
            if row["first"] <= day <= row["last"]
        ]
        assert sorted(told) == sorted(by_person), kind
    assert nights.recalls["recall_id"].is_unique().all()


@pytest.mark.parametrize(
    ("decided", "lineage", "corrected", "model", "because"),
    [
        (("different", "reviewer"), None, [], False, "review"),
        (("never", "register"), "model", ["a"], True, "register"),
        (("different", "council"), None, [], False, "council"),
        (("same", "reviewer"), None, [], False, "evidence"),
        (None, "withdrawal", ["a"], True, "withdrawal"),
        (None, "evidence", ["a"], False, "correction"),
        (None, None, [], True, "model"),
        (None, None, ["z"], False, "evidence"),
    ],
)
def test_a_recall_says_why_the_link_was_undone(
    decided: tuple[str, str] | None, lineage: str | None, corrected: list[str], model: bool, because: str
) -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "p", "z": "z"})
    nights.run({"a": "p", "b": "q", "z": "z"})
    pair = [{"record_l": "a", "record_r": "b", "verdict": decided[0], "by": decided[1]}] if decided else []
    schema = pl.Schema(dict.fromkeys(("record_l", "record_r", "verdict", "by"), pl.String()))
    told = [{"person_id": "q", "night": night(1), "change": "split_from", "because": lineage}] if lineage else []
    links = recall.caused(
        nights.undone, nights.links, frame(schema, pair), frame(PERSON_LINEAGE.schema, told),
        pl.Series(corrected, dtype=pl.String), model,
    )  # fmt: skip
    assert set(links["because"]) == {because}


def test_a_record_that_a_reviewer_gave_to_another_person_is_recalled_for_that_and_for_no_correction_beside_it() -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "p", "z": "z"})
    nights.run({"a": "p", "b": "z", "z": "z"})
    none = frame(pl.Schema(dict.fromkeys(("record_l", "record_r", "verdict", "by"), pl.String())), [])
    gave = {"person_id": "p", "night": night(1), "change": "gave", "other_person_id": "z", "because": "review"}
    links = recall.caused(
        nights.undone, nights.links, none, frame(PERSON_LINEAGE.schema, [gave]), pl.Series(["z"]), False
    )
    assert set(links["because"]) == {"review"}


def test_an_address_that_is_protected_recalls_summaries_alone() -> None:
    nights = Nights()
    nights.run({"a": "p", "m": "mother"}, homes=[{"p", "mother"}])
    now = nights.links
    links = recall.hidden(nights.every, now, night(1), pl.Series(["a"]))
    found = recall.covered(nights.used, links)
    assert sorted(found["output_id"]) == [f"{night(0)} mother", f"{night(0)} p"]
    assert recall.in_marts(links, nights.nights, "analysts").is_empty()


def test_a_release_that_nothing_recalled_and_a_recall_of_no_release_are_both_found_out() -> None:
    links = frame(pl.Schema({**recall.UNDONE}), [{"person_id": "p", "from": night(0), "to": night(2), "here": "p"}])
    released = pl.DataFrame({"release_id": ["r0", "r2"], "person_id": ["p", "p"], "night": [night(0), night(2)]})
    of = RECALL.schema
    none, right = (
        RECALL.empty(),
        frame(of, [{"recall_id": "1", "night": night(2), "kind": "summary", "output_id": "r0"}]),
    )
    ledger = released.select("release_id")
    assert recall.unaccounted(none, night(2), links, released, ledger) == [
        "1 releases that used an undone link have no recall"
    ]
    assert recall.unaccounted(right, night(2), links, released, ledger) == []
    strange = recall.unaccounted(right, night(2), links, released, ledger.clear())
    assert strange == ["1 recalls name a release that the ledger does not know"]


def test_a_case_is_told_of_wherever_its_records_stand_now() -> None:
    nights = Nights()
    nights.run({"a": "p", "b": "p", "m": "mother"}, homes=[{"p", "mother"}])
    new = nights.run({"a": "p", "b": "q", "m": "mother"})
    notes = recall.notes(new, nights.every, nights.links, night(1))
    assert notes.select("team", "case").rows() == [("mash", "mother"), ("mash", "p"), ("mash", "q")]
    told = dict(notes.select("case", "recalled").rows())
    assert told["p"] == told["q"] and "An earlier summary of this case was recalled on 2 March 2026" in told["p"][0]
    assert "as one member of the household" in told["mother"][0]
    assert set(notes["whose"].to_list()[0]) == {"p"}


def test_the_next_summary_says_what_was_recalled_and_does_not_name_again_what_was_not_the_persons_own() -> None:
    given = caseload.borough()
    before = facts.gather(**given).shown
    events = given["events"].filter(pl.col("event_id") != "e008")
    tonight = given | {"events": events, "previous": before, "night": NIGHT + timedelta(days=1)}

    def amelia(**more: Any) -> facts.CaseFacts:
        gathered = facts.gather(**tonight, **more)
        return next(case for case in gathered if (case.team, case.person_id) == ("mash", "amelia"))

    def gone(case: facts.CaseFacts) -> list[str]:
        return [row["what"] for row in case.changes if row["kind"] == "No longer held"]

    assert gone(amelia()) == ["Domestic abuse incident"] and amelia().recalled == []
    note = pl.DataFrame(
        {"team": ["mash"], "case": ["amelia"], "recalled": [["It was recalled."]], "whose": [["niamh"]]}
    )
    case = amelia(recalled=note)
    assert gone(case) == [] and case.recalled == ["It was recalled."]
    page = Renderer(given["wording"]).summary(case, "r", None)
    assert page.index("What changed since the last summary</h2>") < page.index("It was recalled.")
    index = Renderer(given["wording"]).index("mash", [{"facts": case, "file": "f"}], NIGHT, [(NIGHT, "recall-file")])
    assert 'href="recall-file">the recall of 20 November 2026' in index


def test_what_is_recalled_is_closed_on_the_day_by_which_every_copy_must_be_gone() -> None:
    rows = frame(RECALL.schema, [{"recall_id": i, "expires_on": day} for i, day in [("1", night(3)), ("2", None)]])
    assert recall.standing(rows, night(2))["state"].to_list() == ["open", "open"]
    assert recall.standing(rows, night(3))["state"].to_list() == ["closed", "open"]
    assert recall.kept_until(rows) is None and recall.kept_until(rows.head(1)) == night(3)


def test_flags_and_summaries_with_a_flag_use_the_events_of_the_whole_household() -> None:
    members = pl.DataFrame({"household_id": ["h"] * 2 + ["hostel"] * 20, "person_id": ["s", "m", *map(str, range(20))]})
    flags = pl.DataFrame({"person_id": ["s", "7"], "team": ["mash"] * 2, "outcome": ["escalation"] * 2})
    alerts = pl.DataFrame({"person_id": ["s"], "team": ["mash"], "alert_id": ["x"]})
    used = recall.used_by_flags(flags, alerts, members)
    assert used.select("kind", "output_id", "about").rows() == [
        ("alert", "x", "m"), ("alert", "x", "s"), ("flag", "escalation/7", "7"),
        ("flag", "escalation/s", "m"), ("flag", "escalation/s", "s"),
    ]  # fmt: skip
    assert used.schema == OUTPUT_USE.schema
    released = pl.DataFrame({"release_id": ["r"], "team": ["mash"], "person_id": ["s"]})
    shown = pl.DataFrame({"team": ["mash"], "person_id": ["s"], "about": ["s"], "category": ["risk_flag"]})
    assert recall.used_by_summaries(released, shown, members)["about"].to_list() == ["m", "s"]
