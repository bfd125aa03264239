"""The feed board: what needs somebody comes first, every figure is in words too, and gaps are named."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import polars as pl
from caseload import NIGHT, SITE, frame
from qualityhouse import FEED, feed_board, load, loads

from governance.organisation import load_organisation
from summaries import board
from warehouse.tables import LOAD


def text(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_what_is_held_says_how_to_decide_and_what_the_night_used() -> None:
    said = text(feed_board(loads(status="held", reason="It grew by half.")))
    assert "Missing person episodes: held. It grew by half. The night used the delivery of 13 November 2026." in said
    assert "kinfold delivery release police-missing 2026-11-20" in said
    assert "kinfold delivery reject police-missing 2026-11-20" in said


def test_what_is_late_says_by_how_much_and_whom_to_ask() -> None:
    said = text(feed_board(loads(), NIGHT + timedelta(days=10)))
    assert "late. It was due on 27 November 2026, 3 days ago. Ask Harrowmere Constabulary for it." in said


def test_a_feed_that_never_came_is_there_and_trouble_comes_first() -> None:
    said = text(feed_board(loads(status="rejected", reason="Empty.")))
    assert "Hospital: nothing has come yet. Ask Harrowmere Community Health NHS Trust for the first delivery." in said
    assert said.index("Missing person episodes: rejected") < said.index("Hospital: nothing")


def test_every_square_says_in_words_what_it_shows() -> None:
    some = frame(LOAD, [load("2026-11-13", 2), load("2026-11-19", 9, status="rejected"), load("2026-11-20", 30)])
    page = feed_board(some)
    squares = re.findall(r'<li class="(\w+)" title="([^"]+)"><span aria-hidden="true">(\w)</span>', page)
    assert squares == [
        ("accepted", "13 Nov: accepted, 0.5% set aside", "A"),
        ("rejected", "19 Nov: rejected", "R"),
        ("accepted", "20 Nov: accepted, 7.5% set aside", "A"),
    ]
    assert "7.5%, more than before (0.5%)" in text(page)
    assert "20 Nov: 7.5%. The table has the same figures." in page


def test_gaps_name_what_nobody_tells_and_what_hardly_anybody_has() -> None:
    organisation = load_organisation(SITE)
    latest = pl.DataFrame([("missing_episode", datetime(2026, 1, 1))], schema=board.LATEST, orient="row")
    found = board.gaps(organisation, {FEED.id: FEED}, {"nhs_number": 0.004, "uprn": 0.5}, latest, NIGHT)
    told = {(gap.kind, gap.what): gap.how for gap in found}
    assert told["Kinds of record", "School attendance"] == "agreements name it, and no feed tells of it"
    assert ("Kinds of record", "Missing episodes") not in told
    assert told["Services", "Early help"] == "no feed says with whom it works"
    assert told["Partners", "Harrowmere schools"] == "sends no feed" and ("Partners", "Housing") in told
    assert ("Partners", "Harrowmere Constabulary") not in told and ("Partners", organisation.council) not in told
    assert told["About people", "NHS number"] == "known of less than 1% of people; brought by Missing person episodes"
    assert told["About people", "Date of death"] == "no feed brings it" and ("About people", "UPRN") not in told
    assert told["Silence", "Missing episodes"].startswith("the newest is of 1 January 2026")


def test_a_kind_of_event_of_which_no_row_ever_came_is_a_silence_and_a_recent_one_is_none() -> None:
    organisation = load_organisation(SITE)
    for start, told in ((None, True), (datetime(2026, 11, 1), False)):
        rows = [("missing_episode", start)] if start else []
        latest = pl.DataFrame(rows, schema=board.LATEST, orient="row")
        found = board.gaps(organisation, {FEED.id: FEED}, {}, latest, NIGHT)
        assert any(gap.kind == "Silence" for gap in found) is told


def test_a_partner_that_nobody_tells_of_its_quality_is_a_gap() -> None:
    organisation = load_organisation(SITE)
    mute = organisation.model_copy(
        update={"teams": {name: team for name, team in organisation.teams.items() if team.party != "police"}}
    )
    found = board.gaps(mute, {FEED.id: FEED}, {}, pl.DataFrame(schema=board.LATEST), date(2026, 11, 20))
    assert ("Partners", "Harrowmere Constabulary") in {(gap.kind, gap.what) for gap in found}
