"""Starts commands of Kinfold as children of one process that has imported once what is slow to import.

It reads one JSON line a command and answers with one. What computes is not imported before the fork, as the threads of
a library do not live on in a child.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import Any

import dagster  # noqa: F401
import dagster_postgres  # noqa: F401
import duckdb  # noqa: F401
import great_expectations  # noqa: F401
import lightgbm  # noqa: F401
import splink  # noqa: F401

import assets.context  # noqa: F401
import linkage.model
import linkage.night
import models.risk  # noqa: F401
from linkage.comparisons import COMPARISONS


def read_levels() -> None:
    """Have Splink read each level of what is compared by how rare it is, which takes it seconds and threads none."""
    even = {c.name: tuple(1 / len(c.levels) for _ in c.levels) for c in COMPARISONS}
    model = linkage.model.Model(0.25, even, even, 0.0, 3.0)
    linkage.model._read_levels_once()
    made = linkage.model.splink_settings(model).get_settings("duckdb")
    for comparison, told in zip(made.comparisons, COMPARISONS, strict=True):
        if any(level.frequency_of for level in told.levels):
            for level in comparison.comparison_levels:
                _ = level._is_exact_match


def command(words: list[str]) -> None:
    """What `kinfold WORDS` does."""
    from pipelines.cli import main

    main(words)


def fail(canary: str) -> None:
    """Run each step by itself on a store that fails with an error that quotes a value, and say how it ended."""
    from dataclasses import replace
    from datetime import date

    from assets.context import NIGHT, Council
    from pipelines import definitions, run
    from warehouse.store import Store

    class Broken(Store):
        """A store on a disk that is broken in a talkative way."""

        def _no(self, *_: object, **__: object) -> Any:
            try:
                raise KeyError(canary)
            except KeyError as error:
                raise ValueError(f"cannot read {canary}") from error

        read = scan = as_of = get = parts = put = write = written = folders = has = published = _no

    council = Council.open()
    defs = definitions.build(replace(council, store=Broken(council.home, council.vault)))
    feed, night = "police-missing", council.store.published() or date.today()
    jobs = {name: defs.resolve_job_def(name) for name in ("nightly", "reconciliation", "ingest_police_missing")}
    where = run.instance()
    where.add_dynamic_partitions(f"deliveries_{feed}", [str(night)])
    for name, job in jobs.items():
        more: dict[str, Any] = {"partition_key": str(night)} if name.startswith("ingest") else {}
        for node in job.nodes_in_topological_order:
            result = job.execute_in_process(
                instance=where, op_selection=[node.name], tags={NIGHT: str(night)}, raise_on_error=False, **more
            )
            told = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
            kinds = sorted({error.cls_name if not error.cause else error.cause.cls_name for error in told})
            print("succeeded" if result.success else "failed", node.name, *kinds, flush=True)


def child(asked: dict[str, Any]) -> int:
    """Run what is asked for, with all that it says in a file."""
    os.environ.update(asked["environment"])
    said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        {"command": command, "fail": fail}[asked["what"]](asked["given"])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 - what it says is searched, too
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Answer until nothing more is asked."""
    read_levels()
    for line in sys.stdin:
        asked = json.loads(line)
        began, process = time.perf_counter(), os.fork()
        if not process:
            code = child(asked)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        if asked["kill"] is not None:
            time.sleep(asked["kill"])
            os.kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        print(json.dumps({"code": code, "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
