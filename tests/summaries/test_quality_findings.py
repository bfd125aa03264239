"""What comparing sources finds: which records, never a value, never whose other record it was."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from caseload import NIGHT, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from summaries import findings, quality
from warehouse.tables import (
    DWELLING,
    EVENT,
    FEED_QUALITY,
    INVOLVEMENT,
    LOAD,
    LOAD_RULE,
    PERSON,
    PERSON_LINK,
    PLACE,
    QUALITY_ISSUE,
    SOURCE_RECORD,
)

BORN, DIED = date(1950, 3, 1), date(2026, 1, 10)
PARTNERS = {"gp": "health-trust", "tax": "revenues", "police": "police"}


def record(name: str, feed: str, **more: Any) -> dict[str, Any]:
    return {"record_id": name, "feed": feed, "source_key": f"K-{name}", "birth_date": BORN, **more}


def found(
    people: dict[str, list[dict[str, Any]]],
    events: list[dict[str, Any]] = [],  # noqa: B006 - read alone
    involvements: list[dict[str, Any]] = [],  # noqa: B006
    before: pl.DataFrame | None = None,
    seed: int = 0,
    apart: pl.Series | None = None,
    **golden: Any,
) -> pl.DataFrame:
    """The issues of some people's records, with a gazetteer and a directory of one street."""
    records = frame(SOURCE_RECORD, [r for mine in people.values() for r in mine]).sample(
        fraction=1.0, shuffle=True, seed=seed
    )
    links = [{"record_id": r["record_id"], "person_id": person} for person, mine in people.items() for r in mine]
    return findings.find(
        records,
        frame(PERSON_LINK, links),
        frame(PERSON, [{"person_id": person, "birth_date": BORN, **golden} for person in people]),
        frame(EVENT, events).lazy(),
        frame(INVOLVEMENT, involvements).lazy(),
        frame(DWELLING, [{"uprn": "1", "postcode": "ZZ1 1AA"}, {"uprn": "2", "postcode": "ZZ1 1AB"}]),
        frame(PLACE, [{"postcode": "ZZ1 1AA"}, {"postcode": "ZZ1 1AB"}]),
        PARTNERS,
        before,
        NIGHT,
        apart,
    )


def rules(issues: pl.DataFrame) -> dict[str, str]:
    return dict(issues.select("record_id", "rule").rows())


def test_a_feed_that_holds_a_person_twice_is_told_of_both_records_and_others_of_none() -> None:
    issues = found({"p": [record("a", "gp"), record("b", "gp"), record("c", "tax")]})
    assert rules(issues) == {"a": "twice", "b": "twice"}
    assert set(issues["partner"]) == {"health-trust"}


def test_the_owner_of_a_birth_date_that_lost_is_told_and_the_owner_of_the_one_that_won_is_not() -> None:
    assert rules(found({"p": [record("a", "gp"), record("b", "tax", birth_date=date(1950, 1, 3))]})) == {
        "b": "birth_date_differs"
    }


def test_the_owner_of_a_date_that_cannot_be_is_told_and_it_speaks_against_no_other_record() -> None:
    unborn = record("a", "gp", death_date=date(1949, 1, 1))
    living = record("b", "police", seen_on=date(2026, 9, 1))
    assert rules(found({"p": [unborn, living]})) == {"a": "death_date_impossible"}
    assert rules(found({"p": [record("a", "gp", birth_date=date(1890, 1, 1))]}, birth_date=None)) == {
        "a": "birth_date_impossible"
    }


def test_a_date_of_death_that_contact_contradicts_goes_to_its_owner_and_the_dead_contradict_nobody() -> None:
    dead = record("a", "gp", death_date=DIED, seen_on=DIED)
    assert rules(found({"p": [dead, record("b", "police", seen_on=date(2026, 9, 1))]}))["a"] == "alive_elsewhere"
    closing = record("b", "police", death_date=DIED, seen_on=date(2026, 9, 1))
    assert rules(found({"p": [dead, closing]})) == {}


def test_a_value_that_is_not_given_differs_from_nothing() -> None:
    assert found({"p": [record("a", "gp", sex="F"), record("b", "tax", birth_date=None)]}, sex="F").is_empty()


def test_one_nhs_number_on_different_people_is_told_to_each_owner() -> None:
    issues = found({"p": [record("a", "gp", nhs_number="1")], "q": [record("b", "police", nhs_number="1")]})
    assert rules(issues) == {"a": "nhs_number_shared", "b": "nhs_number_shared"}
    assert found({"p": [record("a", "gp", nhs_number="1"), record("b", "police", nhs_number="1")]}).is_empty()


def test_of_an_id_that_lives_kept_apart_by_the_register_share_no_owner_is_told() -> None:
    lives = {
        "p": [record("a", "gp", nhs_number="1"), record("c", "tax", nhs_number="1")],
        "q": [record("b", "police", nhs_number="1")],
        "r": [record("d", "gp", nhs_number="2")],
        "s": [record("e", "tax", nhs_number="2")],
    }
    assert set(rules(found(lives, apart=pl.Series(["b", "c"])))) == {"d", "e"}


@pytest.mark.parametrize(
    ("seen", "happened", "open_since", "told"),
    [
        (date(2026, 2, 1), None, None, False),
        (date(2026, 6, 1), None, None, True),
        (None, datetime(2026, 6, 1), None, True),
        (None, datetime(2025, 6, 1), None, False),
        (None, None, datetime(2025, 6, 1), True),
    ],
)
def test_who_is_dead_in_one_source_and_active_in_another_is_told_to_the_other(
    seen: date | None, happened: datetime | None, open_since: datetime | None, told: bool
) -> None:
    issues = found(
        {"p": [record("a", "gp", death_date=DIED), record("b", "tax", seen_on=seen)]},
        [{"event_id": "e", "record_id": "b", "start": happened}] if happened else [],
        [{"involvement_id": "i", "record_id": "b", "start": open_since}] if open_since else [],
    )
    assert (rules(issues).get("b") == "dead_elsewhere") is told


def test_a_date_of_death_that_later_contact_belies_is_told_to_its_owner() -> None:
    people = {"p": [record("a", "gp", death_date=DIED), record("b", "tax", seen_on=date(2026, 6, 1))]}
    assert rules(found(people))["a"] == "alive_elsewhere"


@pytest.mark.parametrize(
    ("uprn", "postcode", "rule"),
    [
        ("1", "ZZ1 1AA", None),
        ("9", "ZZ1 1AA", "property_unknown"),
        ("9", "AB1 2CD", None),
        ("1", "ZZ1 1AB", "property_elsewhere"),
        (None, "ZZ1 9XX", "postcode_unknown"),
        (None, "AB1 2CD", None),
    ],
)
def test_an_address_is_held_against_the_gazetteer_where_the_gazetteer_reaches(
    uprn: str | None, postcode: str, rule: str | None
) -> None:
    assert rules(found({"p": [record("a", "gp", uprn=uprn, postcode=postcode)]})).get("a") == rule


def test_an_issue_keeps_the_night_on_which_it_was_first_found() -> None:
    before = frame(QUALITY_ISSUE, [{"record_id": "a", "rule": "twice", "since": date(2026, 11, 1)}])
    issues = found({"p": [record("a", "gp"), record("b", "gp")]}, before=before)
    assert dict(issues.select("record_id", "since").rows()) == {"a": date(2026, 11, 1), "b": NIGHT}
    links = frame(PERSON_LINK, [{"record_id": r, "person_id": "p"} for r in "ab"])
    assert findings.counted(issues, links, NIGHT).select("records", "people", "new").rows() == [(2, 1, 1)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("pqr"),
            st.sampled_from(sorted(PARTNERS)),
            st.sampled_from([BORN, date(1951, 1, 1), None]),
            st.sampled_from(["1", "2", None]),
            st.sampled_from([DIED, None]),
        ),
        max_size=8,
    ),
    st.integers(0, 99),
)
def test_findings_are_the_same_in_any_order_and_hold_no_value(rows: list[tuple[Any, ...]], seed: int) -> None:
    people: dict[str, list[dict[str, Any]]] = {}
    for n, (person, feed, born, number, died) in enumerate(rows):
        one = record(f"r{n}", feed, birth_date=born, nhs_number=number, death_date=died)
        people.setdefault(person, []).append(one)
    if not people:
        return
    issues = found(people, seed=0)
    assert issues.equals(found(people, seed=seed))
    assert issues.schema == QUALITY_ISSUE.schema
    assert not issues.select("record_id", "rule").is_duplicated().any()


def test_the_list_for_its_owner_has_the_feeds_own_keys_and_no_other_feeds() -> None:
    people = {"p": [record("a", "gp"), record("b", "gp"), record("c", "tax", birth_date=date(1951, 1, 1))]}
    records = frame(SOURCE_RECORD, people["p"])
    links = frame(PERSON_LINK, [{"record_id": r, "person_id": "p"} for r in "abc"])
    issues = found(people)
    mine = findings.listed(issues.filter(feed="gp"), records.filter(feed="gp"), links)
    assert mine.select("key", "same_person_as").rows() == [("K-a", "K-b"), ("K-b", "K-a")]
    theirs = findings.listed(issues.filter(feed="tax"), records.filter(feed="tax"), links)
    assert theirs.select("key", "same_person_as").rows() == [("K-c", None)]
    assert "gp" not in str(theirs.rows()) and "1950" not in str(theirs.rows())


def test_quality_by_day_counts_what_a_delivery_broke_and_what_each_night_found_and_forgets_neither() -> None:
    loads = frame(LOAD, [{"feed": "gp", "delivery": "2026-11-18", "partner": "health-trust", "received": 9}])
    broken = frame(
        LOAD_RULE,
        [{"feed": "gp", "delivery": "2026-11-18", "table": "t", "rule": "r", "severity": "warn", "rows": 2}],
    )
    in_use = pl.DataFrame({"feed": ["gp"], "delivery": ["2026-11-18"], "of": [7]})
    partners = pl.DataFrame({"feed": ["gp"], "partner": ["health-trust"]})
    links = frame(PERSON_LINK, [{"record_id": r, "person_id": "p"} for r in "ab"])
    counted = findings.counted(found({"p": [record("a", "gp"), record("b", "gp")]}), links, NIGHT)
    first = quality.by_day(loads, broken, counted, in_use, partners, None, NIGHT)
    later = quality.by_day(loads, broken, counted.clear(), in_use, partners, first, date(2026, 11, 21))
    assert later.schema == FEED_QUALITY.schema and not later.select(FEED_QUALITY.key).is_duplicated().any()
    twice = later.filter(rule=findings.TWICE.sentence).select("day", "rows", "of").rows()
    assert twice == [(NIGHT, 2, 7), (date(2026, 11, 21), 0, 7)]
    assert later.filter(rule="r").select("day", "found", "rows", "of").rows() == [
        (date(2026, 11, 18), "in the delivery", 2, 9)
    ]
    again = quality.by_day(loads, broken, counted.clear(), in_use, partners, later, date(2026, 11, 21))
    assert again.equals(later), "the same night again changes nothing"
