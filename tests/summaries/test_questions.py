"""The questions of docs/questions.md, asked of marts with the canonical columns."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl
import pytest
from caseload import frame

from warehouse.site import PROJECT
from warehouse.tables import (
    COHORT_MEMBER,
    EVENT,
    FEED_FRESHNESS,
    FEED_QUALITY,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INVOLVEMENT,
    LOAD,
    LOAD_RULE,
    PERSON_LINEAGE,
    PERSON_PROFILE,
    RELEASE,
    RISK_FLAG,
)

TEXT = (PROJECT / "docs" / "questions.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^## (\d+)\. .*?```sql\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE))
KNOWN = datetime(2026, 11, 20)


def _events(person: str) -> list[dict[str, Any]]:
    def one(kind: str, start: datetime, value: float | None = None) -> dict[str, Any]:
        return {"event_id": f"{person}{kind}{value}", "person_id": person, "type": kind, "start": start, "value": value,
                "known_from": KNOWN}  # fmt: skip

    return [
        one("attendance", datetime(2026, 9, 1), 0.06),
        one("attendance", datetime(2026, 9, 1), 0.05),
        one("missing_episode", datetime(2026, 5, 1)),
        one("child_in_need", datetime(2026, 9, 5)),
    ]


@pytest.fixture(scope="module")
def marts() -> Any:
    """Eight children in one area and seven in another, alike in every way, and a feed that got worse."""
    children = [f"c{n}" for n in range(15)]
    area = {person: "E01" if n < 8 else "E02" for n, person in enumerate(children)}
    old = [f"o{n}" for n in range(9)]
    of_people = {"person_id": pl.String}
    tables = {
        "people": frame(
            PERSON_PROFILE,
            [{"person_id": p, "age_months": 150, "lsoa21": area[p], "imd_decile": int(area[p][-1]), "deceased": False}
             for p in children]
            + [{"person_id": p, "age_months": 960, "lsoa21": "E01", "imd_decile": 1, "deceased": False} for p in old],
        ),
        "events": frame(EVENT, [row for person in children for row in _events(person)], **of_people),
        "households": frame(
            HOUSEHOLD, [{"household_id": f"h{p}", "imd_decile": 3, "lives_alone": "strong"} for p in [*children, *old]]
        ),
        "household_members": frame(
            HOUSEHOLD_MEMBER, [{"household_id": f"h{p}", "person_id": p} for p in [*children, *old]]
        ),
        "cohort_members": frame(
            COHORT_MEMBER,
            [{"cohort": "x", "unit": "household", "unit_id": f"h{p}", "needs": ["a", "b", "c"]} for p in children],
        ),
        "involvements": frame(
            INVOLVEMENT,
            [{"involvement_id": f"{p}{s}", "person_id": p, "service": s, "known_from": KNOWN}
             for p in children for s in ("early_help", "youth_justice")],
            **of_people,
        ),
        "risk_flags": frame(RISK_FLAG, [{"person_id": p, "outcome": "x", "band": "high"} for p in children[:9]]),
        "feed_loads": frame(
            LOAD,
            [{"feed": "f", "delivery": f"2026-11-{d}", "status": "accepted",
              "received": 100, "quarantined": q}
             for d, q in ((13, 1), (19, 1), (20, 5))],
        ),
        "feed_rules": frame(
            LOAD_RULE, [{"feed": "f", "delivery": "2026-11-20", "table": "t", "rule": "r", "rows": 5}]
        ),
        "feed_quality": frame(
            FEED_QUALITY,
            [{"feed": "f", "day": date(2026, 11, d), "found": "beside other sources", "rule": "r", "rows": n, "of": 50}
             for d, n in ((19, 4), (20, 1))],
        ),
        "feed_freshness": frame(
            FEED_FRESHNESS,
            [{"feed": "f", "night": date(2026, 11, d), "status": s, "days_late": n}
             for d, s, n in ((19, "accepted", 0), (20, "late", 3))],
        ),
        "releases": frame(
            RELEASE,
            [{"release_id": p, "team": "mash", "person_id": p, "agreement": "a",
              "withheld": ["police: x"]}
             for p in children],
        ).drop("file"),
        "person_lineage": frame(
            PERSON_LINEAGE,
            [{"person_id": "c1", "night": date(2026, 11, 20), "change": "merged_into", "cause": "bridge"}],
        ),
    }  # fmt: skip
    with duckdb.connect() as con:
        for name, rows in tables.items():
            con.register("source", rows)
            con.execute(f'CREATE TABLE "{name}" AS FROM source')
        yield con


def ask(marts: Any, number: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = marts.execute(QUESTIONS[str(number)]).fetchall()
    return rows


def test_there_are_eleven_questions_each_with_a_reason() -> None:
    assert list(QUESTIONS) == [str(n) for n in range(1, 12)]
    for block in re.split(r"^## \d+\. ", TEXT, flags=re.MULTILINE)[1:]:
        heading, why = block.split("\n\n")[:2]
        assert heading.endswith("?") and why.endswith("."), heading


@pytest.mark.parametrize("number", range(1, 12))
def test_a_question_has_an_answer(marts: Any, number: int) -> None:
    assert ask(marts, number)


def test_eight_are_counted_to_the_nearest_five_and_seven_are_hidden(marts: Any) -> None:
    assert ask(marts, 1) == [("E01", 10), ("E02", None)]
    assert ask(marts, 6) == [(1, 10, 10, 100.0), (2, None, None, None)]


def test_the_lead_time_is_from_the_first_sign_to_the_need(marts: Any) -> None:
    assert ask(marts, 7) == [("missing_episode", 15, 4)]


def test_a_feed_whose_quarantine_rose_is_named_with_its_earlier_rate(marts: Any) -> None:
    assert ask(marts, 4) == [("f", "2026-11-20", 100, 5.0, 1.0)]


def test_what_other_sources_show_wrong_is_told_with_its_change_and_the_feeds_freshness(marts: Any) -> None:
    assert ask(marts, 11) == [("f", "r", 1, 2.0, -3, "late", 3)]
