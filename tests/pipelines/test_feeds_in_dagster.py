"""What Dagster shows of deliveries: counts, why one is held, and the job that decides on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.context import Council
from assets.monitoring import USED
from benchmarks.feeds35 import HEADER, deliver, site
from governance.keys import create, key_file
from pipelines import run
from pipelines.definitions import build
from warehouse.store import StoreError
from warehouse.tables import Zone

FEED = "feed-00"


@pytest.fixture
def council(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Council:
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = site(tmp_path, 1)
    contract = folder / "feeds" / f"{FEED}.odcs.yaml"
    band = "customProperties:\n  - {property: volumeBand, value: 0.2}\n"
    contract.write_text(contract.read_text().replace("customProperties:\n", band, 1))
    create(key_file(tmp_path / "home"))
    return Council.open(folder, tmp_path / "home")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def put(council: Council, day: int, rows: int) -> None:
    lines = "".join(f"{n},Ann,Bo,01/02/2010,F,2026-01-01\n" for n in range(rows))
    path = council.home / "drop" / FEED / f"x_2026-11-{day:02}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + lines)


def test_a_run_takes_in_all_that_waits_of_a_feed_and_shows_each_delivery(
    council: Council, instance: dg.DagsterInstance
) -> None:
    deliver(council.home / "drop", 1, 3, 10)
    outcomes = run.ingest(build(council), instance, run.waiting(council, early=None))
    assert [(one.what, one.status, one.anew) for one in outcomes] == [
        (f"{FEED} 2026-11-0{day}", "accepted", False) for day in (1, 2, 3)
    ]
    made = instance.get_materialized_partitions(dg.AssetKey([FEED, "accepted"]))
    assert made == {"2026-11-01", "2026-11-02", "2026-11-03"}
    assert instance.get_runs_count() == 1
    newest = instance.get_latest_materialization_event(dg.AssetKey([FEED, "accepted"]))
    assert newest and newest.asset_materialization
    assert newest.asset_materialization.metadata["received"].value == 10


def test_a_late_delivery_tells_of_those_that_were_checked_anew(council: Council, instance: dg.DagsterInstance) -> None:
    defs = build(council)
    put(council, 3, 10)
    run.ingest(defs, instance, run.waiting(council, early=None))
    put(council, 1, 10)
    outcomes = run.ingest(defs, instance, run.waiting(council, early=None))
    assert [(one.what, one.anew) for one in outcomes] == [(f"{FEED} 2026-11-01", False), (f"{FEED} 2026-11-03", True)]


def test_a_held_delivery_fails_a_blocking_check_and_the_job_decides_on_it(
    council: Council, instance: dg.DagsterInstance
) -> None:
    defs = build(council)
    put(council, 1, 10)
    put(council, 2, 20)
    first, second = run.ingest(defs, instance, run.waiting(council, early=None))
    assert first.succeeded and second.status == "held" and not second.succeeded
    assert "had 10 accepted rows in 2026-11-01 and has 20 now (+100%)" in second.reason
    events = instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))
    checks = [e.event_log_entry.dagster_event.asset_check_evaluation_data for e in events]  # type: ignore[union-attr]
    (failed,) = [check for check in checks if not check.passed]
    assert failed.blocking and failed.metadata["status"].value == "held"
    assert f"kinfold delivery release {FEED} 2026-11-02" in str(failed.metadata["what to do"].value)

    said = {"feed": FEED, "delivery": "2026-11-02", "verdict": "release", "by": "J. Bell", "why": "a merger"}
    config = {"ops": {"decide_and_check": {"config": said}}}
    job = defs.resolve_job_def("decide_delivery")
    assert job.execute_in_process(instance=instance, run_config=config).success
    assert "2026-11-02" in instance.get_materialized_partitions(dg.AssetKey([FEED, "accepted"]))
    said["delivery"] = "2026-11-01"
    with pytest.raises(StoreError, match="not held: it is accepted"):
        job.execute_in_process(instance=instance, run_config=config)


def test_no_night_is_run_before_one_that_is_published(council: Council, instance: dg.DagsterInstance) -> None:
    council.store.publish(date(2026, 11, 20), {})
    outcome = run.night(build(council), instance, date(2026, 11, 19))
    assert not outcome.succeeded and "The night of 2026-11-20 is published" in outcome.reason
    assert council.store.folders(Zone.LEDGER, USED) == []
