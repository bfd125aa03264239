"""The one place that assembles Kinfold for Dagster: assets, jobs, the schedule, the sensor.

What runs is decided here; what an asset does, in `assets`.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from assets import (
    aggregates,
    audit,
    feeds,
    history,
    marts,
    monitoring,
    papers,
    people,
    recall,
    risk,
    sharing,
    summaries,
)
from assets.context import NIGHT, Council
from assets.linking import linkage_reconciliation
from feeds.deliveries import Found, delivery_order, find_deliveries, strangers
from pipelines.guard import guard_all, guarded
from pipelines.progress import progress_logger
from pipelines.retention import run_retention
from pipelines.sweeping import sweep_outbox

STAGES = (people, recall, history, risk, summaries, aggregates, papers, sharing, audit, marts, monitoring)
EXCLUSIVE = {"kinfold/exclusive": "night"}  # two nights never run at once
QUIET = timedelta(seconds=60)  # a file this young may still be on its way


def build(council: Council) -> dg.Definitions:
    """Everything that Dagster knows of one council."""
    ingestion = [asset for contract in council.contracts.values() for asset in feeds.ingestion(contract)]
    accepted = [feeds.accepted(feed) for feed in council.contracts]
    night = [asset for stage in STAGES for asset in stage.assets(accepted)]
    jobs = [
        dg.define_asset_job(
            feeds.job_name(feed),
            selection=dg.AssetSelection.assets([feed, "landed"], [feed, "accepted"], [feed, "quarantined"]),
            description=f"Ingest one delivery of {contract.name}.",
            partitions_def=feeds.partitions(feed),
            tags={"kinfold/feed": feed},
        )
        for feed, contract in council.contracts.items()
    ]
    nightly = dg.define_asset_job(
        "nightly",
        selection=dg.AssetSelection.assets(*night),
        description="From the latest accepted delivery of every feed to published marts and case summaries.",
        tags=EXCLUSIVE,
    )

    reconciliation = dg.define_asset_job(
        "reconciliation",
        selection=dg.AssetSelection.assets(linkage_reconciliation),
        description="Prove that linking only what changed gave what linking everything gives, edge by edge.",
        tags=EXCLUSIVE,
    )

    @dg.schedule(job=nightly, cron_schedule="0 2 * * *", execution_timezone=council.organisation.timezone)
    def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=day, tags={NIGHT: day})

    @dg.sensor(jobs=jobs, minimum_interval_seconds=60, description="Looks for deliveries in the drop folder.")
    @partial(guarded, "drop_folder")
    def drop_folder() -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC).replace(tzinfo=None)
        found = find_deliveries(council.home / "drop", council.contracts, council.store, now, quiet=QUIET)
        if not found:
            unknown = strangers(council.home / "drop", council.contracts, now, QUIET)
            return dg.SkipReason(" ".join(["No delivery is waiting in the drop folder.", *unknown]))
        by_feed: dict[str, list[Found]] = {}
        for one in found:
            by_feed.setdefault(one.feed, []).append(one)
        return dg.SensorResult(
            run_requests=[_request(feed, waiting) for feed, waiting in by_feed.items()],
            dynamic_partitions_requests=[
                feeds.partitions(feed).build_add_request([one.delivery for one in waiting])
                for feed, waiting in by_feed.items()
            ],
        )

    guard_all([*ingestion, *night, linkage_reconciliation], [feeds.decide_delivery, run_retention, sweep_outbox])
    return dg.Definitions(
        assets=[*ingestion, *night, linkage_reconciliation],
        jobs=[*jobs, nightly, reconciliation, feeds.decide_delivery, run_retention, sweep_outbox],
        schedules=[
            every_night,
            dg.ScheduleDefinition(
                job=reconciliation, cron_schedule="0 12 * * 6", execution_timezone=council.organisation.timezone
            ),
            dg.ScheduleDefinition(job=run_retention, cron_schedule="30 5 * * 0"),
            dg.ScheduleDefinition(
                job=sweep_outbox, cron_schedule="0 6 * * *", execution_timezone=council.organisation.timezone
            ),
        ],
        sensors=[drop_folder],
        resources={"council": council},
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )


def _request(feed: str, waiting: Sequence[Found]) -> dg.RunRequest:
    """One run for all that waits of a feed, under its newest delivery."""
    ordered = sorted(waiting, key=lambda one: delivery_order(one.delivery))
    digests = ",".join(one.digest for one in ordered)
    arrival = ordered[0].digest if len(ordered) == 1 else hashlib.sha256(digests.encode()).hexdigest()
    last = ordered[-1].delivery
    return dg.RunRequest(
        run_key=f"{feed}:{last}:{arrival[:12]}",
        job_name=feeds.job_name(feed),
        partition_key=last,
        tags={feeds.BATCH: ",".join(one.delivery for one in ordered)},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the council and data that the environment names; read when Dagster loads them."""
    return build(Council.open())
