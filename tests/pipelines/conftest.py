"""A council of an invented borough: its deliveries, its first night and its second, each made once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import polars as pl
import pytest
from townhall import FIRST, SECOND, Place, Planted, Starter, plant

from feeds.ledger import current
from governance.pseudonyms import record_ids
from pipelines.demo import BAD, LATE, SHORT
from synthetic import extracts

OTHERS = ("case-system", "council-tax", "gp-register", "homelessness", "social-housing")  # send on the second day


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE", "KINFOLD_SITE"):
            patch.delenv(name, raising=False)
        started = Starter()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant()


@pytest.fixture(scope="session")
def delivered(starter: Starter, planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The borough's first deliveries, ingested; no night yet. The truth is nowhere on the disk."""
    place = Place(tmp_path_factory.mktemp("council"), starter)
    place.run("keys", "init")
    place.run("agreements", "accept", "--all", "--who", "A. Bell", "--yes")
    extracts.write(planted.borough, place.home / "drop", FIRST, seed=1)
    place.run("ingest")
    return place


@pytest.fixture(scope="session")
def published(delivered: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The first night, published."""
    place = delivered.copy(tmp_path_factory.mktemp("night") / "one")
    place.run("night", "--date", str(FIRST))
    return place


@pytest.fixture(scope="session")
def again(published: Place, planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    """Deliveries of a second day, one late, one bad, one short; and what their ingestion said. No second night yet."""
    place = published.copy(tmp_path_factory.mktemp("night") / "again")
    sent = [*LATE, *BAD, *SHORT, *OTHERS]
    extracts.write(planted.borough, place.home / "drop", SECOND, 1, sent, since=FIRST, late=LATE, bad=BAD, short=SHORT)
    purge(place)
    return place, place.run("ingest", ok=False)


@pytest.fixture(scope="session")
def second(again: tuple[Place, str], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The second night, and beside it how many seconds it took."""
    place = again[0].copy(tmp_path_factory.mktemp("night") / "two")
    began = time.perf_counter()
    place.run("night", "--date", str(SECOND))
    (place.folder / "seconds.txt").write_text(str(time.perf_counter() - began))
    return place


def purge(place: Place) -> None:
    """The housing partner takes one of its cases back, on the second day; whose records it told of is noted."""
    council = place.council
    people = current(council.store, "homelessness", "accepted__person")
    case = people["case_ref"][0]
    keys = people.filter(case_ref=case).select(pl.concat_str("case_ref", "person_no", separator="|").alias("key"))
    ids = record_ids("homelessness", keys["key"], council.ring).to_list()
    (place.folder / "purged.json").write_text(json.dumps(ids))
    with (place.home / "drop" / "housing" / f"homelessness_{SECOND}.jsonl").open("a") as file:
        file.write(json.dumps({"case_ref": case, "purge": True}) + "\n")
