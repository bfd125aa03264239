"""Runs jobs in this process through a real Dagster instance, as the `kinfold` command does.

Schedules and sensors run the same jobs from the daemon; nothing here does more than they would.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from assets.context import NIGHT, Council
from assets.feeds import job_name, partitions
from feeds.deliveries import Found, find_deliveries
from pipelines.progress import Stage, progress, silent
from warehouse.site import PROJECT

QUIET: dict[str, Any] = {"loggers": {"progress": {}}}


@dataclass(frozen=True)
class Outcome:
    """How one run ended: its feed and delivery, or its night; where it failed, why, if Kinfold itself said so."""

    what: str
    succeeded: bool
    seconds: float
    reason: str = ""


def instance() -> dg.DagsterInstance:
    """The instance that dagster.yaml describes: `DAGSTER_HOME`, else the project's own."""
    os.environ.setdefault("DAGSTER_HOME", str(PROJECT))
    return dg.DagsterInstance.get()


def waiting(council: Council, feeds: Iterable[str] | None = None) -> list[Found]:
    """Deliveries in the drop folder that have not landed, whatever their age, for the named feeds or all."""
    chosen = set(feeds) if feeds else set(council.contracts)
    now = datetime.now(UTC).replace(tzinfo=None)
    found = find_deliveries(council.home / "drop", council.contracts, council.store, now, quiet=timedelta(0))
    return [one for one in found if one.feed in chosen]


def ingest(
    defs: dg.Definitions,
    where: dg.DagsterInstance,
    found: Iterable[Found],
    tell: Callable[[Outcome], None] = silent,
) -> list[Outcome]:
    """Ingest deliveries, one run each; a bad one fails its own run and no other."""
    outcomes = []
    for one in found:
        where.add_dynamic_partitions(str(partitions(one.feed).name), [one.delivery])
        outcomes.append(_run(defs, where, job_name(one.feed), f"{one.feed} {one.delivery}", partition=one.delivery))
        tell(outcomes[-1])
    return outcomes


def night(
    defs: dg.Definitions,
    where: dg.DagsterInstance,
    day: date,
    show: Callable[[Stage], None] = silent,
    job: str = "nightly",
) -> Outcome:
    """Run the nightly job for one night."""
    progress.show = show
    try:
        return _run(defs, where, job, str(day), tags={NIGHT: day.isoformat()})
    finally:
        progress.show = silent


def _run(
    defs: dg.Definitions,
    where: dg.DagsterInstance,
    job: str,
    what: str,
    partition: str | None = None,
    tags: dict[str, str] | None = None,
) -> Outcome:
    began = datetime.now(UTC)
    result = defs.resolve_job_def(job).execute_in_process(
        instance=where, partition_key=partition, tags=tags, raise_on_error=False, run_config=QUIET
    )
    told = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    reason = "; ".join(failure.description or "" for failure in told if failure)
    return Outcome(what, result.success, (datetime.now(UTC) - began).total_seconds(), reason)
