"""Deletes old runs from Dagster's own history, which it never does by itself; Kinfold's ledger keeps what matters."""

from datetime import UTC, datetime, timedelta

import dagster as dg

KEEP = timedelta(days=90)


def purge_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete finished runs created before a moment; returns how many. An asset's latest event stays."""
    done = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    old = instance.get_runs(filters=dg.RunsFilter(statuses=done, created_before=before))
    for run in old:
        instance.delete_run(run.run_id)
    return len(old)


@dg.op
def delete_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete runs older than ninety days."""
    context.log.info(f"Deleted {purge_runs(context.instance, datetime.now(UTC) - KEEP)} runs.")


@dg.job(description="Delete the history of runs older than ninety days.")
def run_retention() -> None:
    """One step."""
    delete_old_runs()
