"""The night's part of quality: what comparing sources found reaches the record's owner, and nobody else."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import monitoring
from assets.agreements import accept
from assets.context import NIGHT, Council
from feeds.deliveries import find_deliveries, land
from feeds.intake import check
from feeds.ledger import current_all, loads
from governance.keys import create, key_file
from governance.stamp import BESIDE
from warehouse.site import site
from warehouse.tables import (
    DWELLING,
    EVENT,
    FEED_FRESHNESS,
    FEED_QUALITY,
    INVOLVEMENT,
    LOAD,
    LOAD_RULE,
    PERSON,
    PERSON_LINK,
    PLACE,
    QUALITY_ISSUE,
    RELEASE,
    SOURCE_RECORD,
    Zone,
)

FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)
NOW = datetime(2026, 11, 20, 1)
FEED = "police-missing"
ROWS = (
    "misperid,nominal_ref,forenames,surname,aka,dob,gender,home_address,postcode,missing_since,when_traced,"
    "initial_risk_level\n"
    "M1,N1,Amelia,Canary,,03/09/2014,F,,,11/10/2026 21:40,12/10/2026 06:05,Medium\n"
    "M2,N2,Amelia,Canary,,03/09/2014,F,,,13/10/2026 21:40,14/10/2026 06:05,Medium\n"
    "M3,N3,Jo,Canarybird,,03/09/2014,Q,,,11/10/2026 21:40,12/10/2026 06:05,Medium\n"
)


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Council:
    """A council with one feed, which holds one person twice; two nights have looked at it."""
    home = tmp_path_factory.mktemp("night") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINFOLD_HOME", str(home))
        patch.delenv("KINFOLD_KEY", raising=False)
        create(key_file(home))
        accept(site(), home, "test")
        whole = Council.open()
    council = replace(whole, contracts={FEED: whole.contracts[FEED]})
    path = home / "drop" / "police" / "missing_2026-11-20.csv"
    path.parent.mkdir(parents=True)
    path.write_text(ROWS)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    for one in find_deliveries(home / "drop", council.contracts, council.store, NOW, timedelta(0)):
        files = land(one, council.store, council.vault)
        check(council.contracts[FEED], files, council.store, council.vault, council.ring, NOW)
    for night in (FIRST, SECOND):
        run(council, night)
    return council


def run(council: Council, night: date) -> None:
    """One night's tables as the steps before leave them, and the steps of quality by Dagster itself."""
    store, used = council.store, {FEED: "2026-11-20"}
    records = current_all(store, used, SOURCE_RECORD)
    everyone = records.select("record_id", pl.lit("p").alias("person_id"))
    blank = {name: pl.lit(None, kind).alias(name) for name, kind in PERSON_LINK.schema.items()}
    links = everyone.with_columns(e for name, e in blank.items() if name not in everyone.columns)
    person = pl.DataFrame([{"person_id": "p", "birth_date": date(2014, 9, 3)}], schema=PERSON.schema)
    every_load, rules = loads(store, council.contracts)
    written = {
        SOURCE_RECORD: records, PERSON_LINK: links.select(PERSON_LINK.schema.names()), PERSON: person, LOAD: every_load,
        LOAD_RULE: rules,
    }  # fmt: skip
    for table in (EVENT, INVOLVEMENT, DWELLING, PLACE):
        written[table] = table.empty()
    for table, frame in written.items():
        store.write(table, night, frame)
    in_use = pl.DataFrame({"feed": [FEED], "delivery": ["2026-11-20"]})
    store.put(Zone.LEDGER, f"{monitoring.USED}/{night}", {monitoring.USED: in_use})
    done = dg.materialize(
        [monitoring.quality_tables, monitoring.quality_report],
        resources={"council": council},
        tags={NIGHT: str(night)},
        instance=dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}),
    )
    assert done.success
    store.publish(night, {"deliveries": used})


def folder(council: Council, team: str, ending: str) -> list[Path]:
    return [p for p in (council.home / "outbox" / team).glob(f"*{ending}") if p.name != "index.html"]


def test_a_person_whom_a_feed_holds_twice_is_told_to_its_owner_by_its_own_keys(council: Council) -> None:
    sheets = [p.read_text("utf-8-sig") for p in folder(council, "police-data", ".csv")]
    (told,) = [sheet for sheet in sheets if "same_person_as" in sheet]
    assert [line.split(",")[:2] for line in told.splitlines()[1:]] == [['"N1"', '"N2"'], ['"N2"', '"N1"']]
    pages = [p.read_text() for p in folder(council, "police-data", ".html")]
    assert [page for page in pages if "2 records of this feed seem to be about 1 person" in page]
    assert not [page for page in [*pages, *sheets] if "Canary" in page or "2014" in page]


def test_those_who_answer_for_quality_have_counts_alone(council: Council) -> None:
    assert not folder(council, "information-governance", ".csv")
    (page,) = folder(council, "information-governance", ".html")
    board = (council.home / "outbox" / "information-governance" / "index.html").read_text()
    assert page.name in board and "Counts alone." in page.read_text()
    assert "N1" not in page.read_text() + board and "Missing person episodes: 2" in board
    assert {p.name for p in (council.home / "outbox").iterdir()} == {"information-governance", "police-data"}


def test_a_nights_report_takes_the_place_of_the_night_before_and_that_of_the_delivery_stays(council: Council) -> None:
    store = council.store
    first = store.get(Zone.LEDGER, f"released/{FIRST}/report", "released").collect()
    second = store.get(Zone.LEDGER, f"released/{SECOND}/report", "released").collect()
    assert first.schema == RELEASE.schema
    # the delivery: rows, page; each night: rows, records, page to the police and a page to information governance
    assert (first.height, second.height) == (2 + 4, 4)
    assert not set(first["release_id"]) & set(second["release_id"])
    every = {f"{p.parent.name}/{p.name}" for p in (council.home / "outbox").glob("*/*") if p.name != "index.html"}
    there = {name for name in every if not name.endswith(BESIDE)}
    assert there == {*first["file"].head(2), *second["file"]}


def test_the_marts_count_each_night_and_keep_what_was_first_found_when(council: Council) -> None:
    store = council.store
    fresh = store.read(FEED_FRESHNESS, SECOND)
    assert fresh.select("night", "status", "days_late").rows() == [(FIRST, "accepted", 0), (SECOND, "accepted", 0)]
    issues = store.read(QUALITY_ISSUE, SECOND)
    assert issues.height == 2 and set(issues["since"]) == {FIRST} and set(issues["rule"]) == {"twice"}
    quality = store.read(FEED_QUALITY, SECOND).filter(pl.col("rows") > 0)
    assert quality.filter(found="beside other sources").select("day", "rows", "of").rows() == [
        (FIRST, 2, 2),
        (SECOND, 2, 2),
    ]
    assert quality.filter(found="in the delivery")["rule"].to_list() == ["gender is one of M, F, U"]
