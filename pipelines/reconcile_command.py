"""`kinfold reconcile`: prove on demand what the weekly job proves."""

import sys

import click


@click.command()
def reconcile() -> None:
    """Link the last published night's records all anew, and hold the outcome against what stands, edge by edge."""
    from assets.context import Council
    from assets.linking import RECONCILED, STATE
    from pipelines import run
    from pipelines.definitions import build
    from warehouse.tables import Zone

    council = Council.open()
    night = council.store.published()
    if night is None:
        raise click.ClickException("No night has been published yet, so there is nothing to prove.")
    council.store.remove(Zone.LEDGER, f"{RECONCILED}/{night}")
    outcome = run.night(build(council), run.instance(), night, job="reconciliation")
    if not council.store.has(Zone.LEDGER, f"{RECONCILED}/{night}"):
        raise click.ClickException(outcome.reason or "The proof stopped; the Dagster UI (kinfold serve) shows why.")
    found = council.store.get(Zone.LEDGER, f"{RECONCILED}/{night}", "differences").collect()
    for what, count, first in found.rows():
        click.echo(f"{count:>8,}  {what}" + (f": {', '.join(first)}" if count else ""))
    same = found["count"].sum() == 0
    click.echo(
        f"The night of {night}: linking what changed gave what linking everything gives."
        if same
        else f"The night of {night} is not what a full run gives. Remove vault/{STATE}/{night} and say "
        f"`kinfold keys accept {STATE}`, so that the next night links everything anew; and tell those who "
        "maintain Kinfold."
    )
    sys.exit(0 if same else 1)
