"""An error that nobody foresaw says where it was, and nothing of what it quotes is written anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.guard import StepFailed, guarded
from warehouse.site import PROJECT
from warehouse.store import StoreError

CANARY = "QUIXOTE-8675309"
CODE = f"""
import sys
import dagster as dg
from assets.context import Council
from pipelines import definitions, run
import assets.feeds

def broken(*_, **__):
    name = "{CANARY[:7]}" + "{CANARY[7:]}"
    try:
        raise KeyError(name)
    except KeyError as error:
        raise ValueError(f"cannot read {{name}}") from error

assets.feeds.settle = broken
council = Council.open()
defs, where = definitions.build(council), run.instance()
where.add_dynamic_partitions("deliveries_police-missing", ["2026-11-20"])
result = defs.resolve_job_def("ingest_police_missing").execute_in_process(
    instance=where, partition_key="2026-11-20", raise_on_error=False)
(failure,) = [event for event in result.all_events if event.is_step_failure]
print(failure.step_failure_data.error.to_string())
"""


def test_the_event_log_and_the_console_hold_nothing_of_what_an_error_quotes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {
        **os.environ, "KINFOLD_HOME": str(home), "KINFOLD_STATE": str(tmp_path / "dagster"),
        "DAGSTER_HOME": str(PROJECT), "KINFOLD_SITE": "harrowmere",
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "pipelines.cli", "keys", "init"], cwd=PROJECT, env=environment, check=True)
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=PROJECT, env=environment)
    assert done.returncode == 0, done.stderr
    assert "take_in_police_missing stopped on ValueError at assets/feeds.py:" in done.stdout
    assert CANARY not in done.stdout + done.stderr
    searched = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in searched)
    assert not [path for path in searched if CANARY.encode() in path.read_bytes()]


def test_errors_of_our_own_keep_their_words_and_lose_what_they_came_of() -> None:
    def refuse() -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise StoreError("say what to do") from error

    with pytest.raises(StoreError, match="say what to do") as told:
        guarded("a step", refuse)()
    assert told.value.__cause__ is None and told.value.__context__ is None
    with pytest.raises(dg.Failure):
        guarded("a step", lambda: (_ for _ in ()).throw(dg.Failure("no")))()


def test_a_step_that_yields_is_guarded_while_it_yields() -> None:
    def step() -> object:
        yield 1
        raise ValueError(CANARY)

    made = guarded("a step", step)()
    assert next(made) == 1
    with pytest.raises(StepFailed, match=r"a step stopped on ValueError at tests/pipelines/test_guard\.py") as told:
        next(made)
    assert CANARY not in str(told.value)
