"""Runs jobs in this process through a real Dagster instance, as the `kinfold` command does.

Schedules and sensors run the same jobs from the daemon; nothing here does more than they would.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from assets.context import NIGHT, Council
from assets.feeds import AS_CONTRACTED, BATCH, job_name, partitions
from feeds.arrivals import unsettled
from feeds.deliveries import EARLY, Found, delivery_order, find_deliveries
from pipelines.progress import Stage, progress, silent
from warehouse.site import PROJECT

QUIET: dict[str, Any] = {"loggers": {"progress": {}}}


@dataclass(frozen=True)
class Outcome:
    """How a delivery or a night ended.

    Attributes:
        what: its feed and delivery, or its night.
        reason: where it did not succeed, why, if Kinfold itself said so.
        status: of a delivery: accepted, rejected, held, or failed where it could not be checked.
        anew: whether it had a load already and was checked anew, as what that rested on has changed.
    """

    what: str
    succeeded: bool
    seconds: float
    reason: str = ""
    status: str = ""
    anew: bool = False


def instance() -> dg.DagsterInstance:
    """The instance that dagster.yaml describes: `DAGSTER_HOME`, else the project's own."""
    os.environ.setdefault("DAGSTER_HOME", str(PROJECT))
    return dg.DagsterInstance.get()


def waiting(council: Council, feeds: Iterable[str] | None = None, early: timedelta | None = EARLY) -> list[Found]:
    """Deliveries in the drop folder that have not landed, whatever their age, for the named feeds or all.

    Args:
        early: how far ahead of today a name may date its delivery; None: whatever its date, as of an invented borough.
    """
    chosen = set(feeds) if feeds else set(council.contracts)
    now = datetime.now(UTC).replace(tzinfo=None)
    found = find_deliveries(council.home / "drop", council.contracts, council.store, now, timedelta(0), early)
    return [one for one in found if one.feed in chosen]


def unfinished(council: Council) -> dict[str, list[str]]:
    """By feed, the landed deliveries that have no load yet, or one that no longer holds."""
    found = {feed: unsettled(council.store, feed) for feed in council.contracts}
    return {feed: stale for feed, stale in found.items() if stale}


def ingest(
    defs: dg.Definitions,
    where: dg.DagsterInstance,
    found: Iterable[Found],
    tell: Callable[[Outcome], None] = silent,
) -> list[Outcome]:
    """Ingest deliveries, one run a feed, oldest first; a bad one keeps no other back.

    What a kill left half done of any feed, and loads whose ground has changed, are made good on the way: feeds with
    such are run though nothing waits for them.
    """
    council: Council = defs.resources["council"]  # type: ignore[index]
    waiting: dict[str, list[str]] = {}
    for one in found:
        waiting.setdefault(one.feed, []).append(one.delivery)
    waiting = unfinished(council) | waiting
    outcomes = []
    for feed, deliveries in sorted(waiting.items()):
        keys = sorted(deliveries, key=delivery_order)
        where.add_dynamic_partitions(str(partitions(feed).name), keys)
        began = time.perf_counter()
        result = _execute(defs, where, job_name(feed), partition=keys[-1], tags={BATCH: ",".join(keys)})
        for outcome in _outcomes(feed, keys, result, time.perf_counter() - began):
            outcomes.append(outcome)
            tell(outcome)
    return outcomes


def _outcomes(feed: str, keys: list[str], result: dg.ExecuteInProcessResult, seconds: float) -> list[Outcome]:
    """How each delivery of a run ended, by what the run told Dagster of it."""
    told: dict[str, dict[str, Any]] = {}
    for event in result.all_events:
        if event.is_step_materialization:
            made = event.step_materialization_data.materialization
            if "status" in made.metadata:
                told[str(made.partition)] = {"status": str(made.metadata["status"].value)}
    for check in result.get_asset_check_evaluations():
        if check.check_name == AS_CONTRACTED:
            said = {name: value.value for name, value in check.metadata.items()}
            told[str(said["delivery"])] = said
    reason = _why(result)
    every = sorted({*keys, *told}, key=delivery_order)
    return [
        Outcome(
            f"{feed} {key}",
            said.get("status") == "accepted",
            seconds / len(every),
            str(said.get("reason") or "") if said else reason,
            str(said.get("status", "failed")),
            key not in keys,
        )
        for key in every
        for said in (told.get(key, {}),)
    ]


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
    defs: dg.Definitions, where: dg.DagsterInstance, job: str, what: str, tags: dict[str, str] | None = None
) -> Outcome:
    began = time.perf_counter()
    result = _execute(defs, where, job, tags=tags)
    return Outcome(what, result.success, time.perf_counter() - began, _why(result))


def _execute(
    defs: dg.Definitions,
    where: dg.DagsterInstance,
    job: str,
    partition: str | None = None,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=where, partition_key=partition, tags=tags, raise_on_error=False, run_config=QUIET
    )


def _why(result: dg.ExecuteInProcessResult) -> str:
    """Why steps failed and which checks held the night up, as the guard lets it be said: never with a value."""
    told = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            error = data.error.cause or data.error if data.error else None
            told.append(said or (error.message.partition(": ")[2].strip() if error else f"{event.step_key} stopped"))
    held = [
        f"the check {check.check_name} of {check.asset_key.to_user_string()} did not pass"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.blocking
    ]
    return "; ".join(dict.fromkeys([*held, *told]))
