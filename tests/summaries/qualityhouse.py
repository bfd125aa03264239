"""A small feed with a history of deliveries, and the pages made of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
from caseload import KNOWN, NIGHT, SITE, frame

from feeds.contracts import Address, Attribute, Column, Contract, Event, Person, Rule, Table
from governance.organisation import load_organisation
from summaries import board, reports
from summaries.reports import About, Shown
from warehouse.tables import LOAD, LOAD_RULE

TRACED = "traced after going missing"
FEED = Contract(
    id="police-missing",
    name="Missing person episodes",
    version="1.2.0",
    partner="police",
    domain="police",
    owner="Force sharing unit",
    interval=timedelta(days=7),
    keys_of="police-missing",
    format="csv",
    globs=("police/missing_*.csv",),
    tables=(
        Table(
            name="episode",
            columns=(
                Column(name="id", physical="Person ID", key=True),
                Column(name="gone", physical="Went missing"),
                Column(name="traced", physical="Traced"),
            ),
            rules=(
                Rule(name=TRACED, kind="custom", expect="any", columns=("gone", "traced"), owner="Missing desk"),
                Rule(name="id is given", kind="given", expect="any", columns=("id",)),
            ),
            person=(Person(key=("id",), nhs_number=Attribute(column="nhs"), address=Address(uprn="uprn")),),
            yields=(Event(event="missing_episode", start="gone"),),
        ),
    ),
)
FEEDS = pl.DataFrame(
    [("police-missing", "Missing person episodes", "police", 7), ("hospital", "Hospital", "health-trust", 1)],
    schema={"feed": pl.String, "name": pl.String, "partner": pl.String, "every": pl.Int64},
    orient="row",
)
FOUND = pl.DataFrame(
    [
        ("police-missing", "twice", "Two records are about the same person", "Merge them", 4, 2, 1),
        ("police-missing", "sex_differs", "Another source gives a different sex", "Check it", 3, 3, 2),
    ],
    schema=["feed", "rule", "sentence", "remedy", "records", "people", "new"],
    orient="row",
)


def load(delivery: str, quarantined: int, **more: Any) -> dict[str, Any]:
    return {
        "feed": "police-missing", "delivery": delivery, "partner": "police", "status": "accepted", "received": 400,
        "accepted": 400 - quarantined, "quarantined": quarantined, "withdrawn": 0, "gone": 3, "loaded_at": KNOWN,
        **more,
    }  # fmt: skip


def loads(**more: Any) -> pl.DataFrame:
    """Two deliveries a week apart; `more` is said of the second."""
    return frame(LOAD, [load("2026-11-13", 2), load("2026-11-20", 30, **more)])


def broken() -> pl.DataFrame:
    rule = {"feed": "police-missing", "table": "episode", "rule": TRACED, "severity": "quarantine"}
    rows = [{**rule, "delivery": "2026-11-13", "rows": 2}, {**rule, "delivery": "2026-11-20", "rows": 30}]
    return frame(LOAD_RULE, rows)


def report(night: date = NIGHT, shown: Shown | None = None, found: pl.DataFrame | None = FOUND, **more: Any) -> str:
    about = About.of(FEED, "Harrowmere Constabulary", "Information Governance")
    files = {"rows": "r.csv", "records": "k.csv"} if shown else {}
    return reports.report(loads(**more), broken(), about, night, found, shown, files)


def feed_board(every_load: pl.DataFrame, night: date = NIGHT) -> str:
    organisation = load_organisation(SITE)
    gaps = board.gaps(organisation, {FEED.id: FEED}, {"nhs_number": 0.001}, pl.DataFrame(schema=board.LATEST), night)
    partners = {party.id: party.name for party in organisation.parties}
    files = {"police-missing": "p.html"}
    return board.board(every_load, FEEDS, FOUND, gaps, night, files, partners, {"People": 1999})


def quality_pages() -> dict[str, str]:
    """Every kind of page that is about quality."""
    state = {"name": "A", "delivery": "2026-11-20", "status": "late", "reason": None, "delivered": NIGHT, "due": NIGHT}
    counts = {"days_late": 3, "received": 1, "quarantined": 0, "files": [("report", "a.html"), ("rows", "b.csv")]}
    return {
        "quality": report(),
        "quality, all": report(shown=Shown(True, True, "data-quality v1, shares[0]")),
        "quality, rejected": report(status="rejected", reason="The file is empty."),
        "board": feed_board(loads(status="held", reason="It grew by half.")),
        "returned": reports.index("Harrowmere Constabulary", [state | counts], NIGHT),
    }
