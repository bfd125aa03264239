"""The `kinfold` command: what an analyst or a data engineer types.

Each command reads its arguments, calls one function and says what came of it.
"""

import logging
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click

from governance.keys import KeyProblem
from pipelines import (
    aggregate_commands,
    agreement_commands,
    audit_commands,
    erasure_commands,
    evaluation_commands,
    feed_commands,
    key_commands,
    linkage_commands,
    paper_commands,
    recall_commands,
    reconcile_command,
    release_commands,
    steward_commands,
    subject_commands,
)
from warehouse import site as sites
from warehouse.site import PROJECT, SiteError
from warehouse.store import StoreError

DAY = click.DateTime(["%Y-%m-%d"])


class Plain(click.Group):
    """Tells a mistake of configuration, keys or data in its own words, without a trace of the code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (SiteError, KeyProblem, StoreError) as error:
            raise click.ClickException(str(error)) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends quietly where whoever reads has seen enough, as `head` has
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may quote a value
            from pipelines.guard import ours, place

            if ours(error):
                raise click.ClickException(str(error)) from None
            raise click.ClickException(
                f"stopped on {place(error)}. Its message is left out, as it may quote what the data hold. Run it "
                "again; if it stops again, give those who maintain Kinfold this sentence."
            ) from None


@click.group(cls=Plain, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Kinfold: one view of each person and household that a council serves.

    KINFOLD_HOME says where data lives (.kinfold); KINFOLD_SITE which council's folder under sites/ (harrowmere).
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)


main.add_command(aggregate_commands.aggregate)
main.add_command(agreement_commands.agreements)
main.add_command(paper_commands.papers)
main.add_command(audit_commands.audit)
main.add_command(feed_commands.feed)
main.add_command(key_commands.keys)
main.add_command(feed_commands.delivery)
main.add_command(recall_commands.recall)
main.add_command(reconcile_command.reconcile)
main.add_command(subject_commands.subject)
subject_commands.subject.add_command(erasure_commands.erase)
subject_commands.subject.add_command(erasure_commands.proof)
main.add_command(erasure_commands.retention)
main.add_command(evaluation_commands.linkage)
main.add_command(evaluation_commands.why)
main.add_command(linkage_commands.link)
for group in (*steward_commands.GROUPS, *release_commands.COMMANDS):
    main.add_command(group)


@main.command()
@click.option("--people", default=30_000, show_default=True, help="Size of the invented borough.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another borough.")
def demo(people: int, seed: int) -> None:
    """Show Kinfold at work on an invented borough: deliveries, ingestion, the night, marts, summaries.

    Run it again for another night: new deliveries with about 1% changed, one feed late, one file bad, one held.
    """
    from pipelines.demo import demonstrate

    sys.exit(0 if demonstrate(people, seed) else 1)


@main.command()
@click.option("--people", default=30_000, show_default=True, help="How many people live in it.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another borough.")
@click.option(
    "--day", type=DAY, default="2026-11-20", show_default=True, help="The day on which the extracts are made."
)
@click.option("--drop", type=click.Path(path_type=Path), help="Where the extracts go [default: the drop folder].")
@click.option("--truth", type=click.Path(path_type=Path), help="Where the truth goes, apart from the data.")
def generate(people: int, seed: int, day: datetime, drop: Path | None, truth: Path | None) -> None:
    """Invent a borough and write its partners' extracts, in the layouts and with the mistakes of real ones."""
    from pipelines.demo import borough_folder, invent

    written = invent(people, seed, day.date(), drop or sites.home() / "drop", truth or borough_folder() / "truth")
    for name, rows in sorted(written.items()):
        click.echo(f"{rows:>10,}  {name}")


@main.command()
@click.option("--feed", "feeds", multiple=True, help="Only this feed; may be given several times.")
def ingest(feeds: tuple[str, ...]) -> None:
    """Take in what waits in the drop folder: check each delivery against its contract, keep the good rows."""
    from assets.context import Council
    from feeds.deliveries import strangers
    from pipelines import run
    from pipelines.definitions import build

    council = Council.open()
    for feed in feeds:
        if feed not in council.contracts:
            raise click.BadParameter(f"{feed!r} is no feed here. Feeds: {', '.join(sorted(council.contracts))}.")
    found = run.waiting(council, feeds)
    for problem in strangers(council.home / "drop", council.contracts, datetime.now(UTC).replace(tzinfo=None)):
        click.echo(problem)
    if not found and not run.unfinished(council):
        click.echo(f"No delivery is waiting in {council.home / 'drop'}.")
        return

    def tell(outcome: run.Outcome) -> None:
        status = outcome.status if outcome.succeeded else (outcome.status or "failed").upper()
        again = ", checked anew" if outcome.anew else ""
        click.echo(f"{status:<8}  {outcome.what}  {outcome.seconds:.1f} s{again}")
        if outcome.reason:
            click.echo(f"  {outcome.reason}")

    outcomes = run.ingest(build(council), run.instance(), found, tell)
    sys.exit(0 if all(one.succeeded for one in outcomes) else 1)


@main.command()
@click.option("--date", "day", type=DAY, help="Which night [default: today].")
def night(day: datetime | None) -> None:
    """Run the night: who is who, history, flags, summaries, marts; published at the very end, or not at all."""
    from assets.context import Council
    from pipelines import run
    from pipelines.definitions import build

    council = Council.open()
    when = day.date() if day else date.today()
    outcome = run.night(
        build(council),
        run.instance(),
        when,
        lambda stage: click.echo(f"{stage.seconds:7.1f} s {stage.rows:>10,} rows  {stage.name}"),
    )
    if not outcome.succeeded:
        raise click.ClickException(
            f"The night of {when} stopped; what was published before still stands. {outcome.reason}\n"
            "Run it again once that is mended; the Dagster UI (kinfold serve) shows each step."
        )
    click.echo(f"Published the night of {when}: {council.home / 'marts' / 'current.duckdb'}")
    for told in council.agreements.unsettled:
        click.echo(told)


@main.command()
def check() -> None:
    """Check contracts, agreements and every other file of the council's folder, without running anything."""
    from assets.context import Council, read_site
    from assets.linking import not_in_force
    from governance.sealing import TeamKeys

    folder = sites.site()
    read = read_site(folder, strict=True)
    counts = ", ".join(f"{len(read[part])} {part}" for part in ("contracts", "agreements", "outcomes", "cohorts"))
    click.echo(f"{sites.short(folder)}: {counts} hold together.")
    try:
        council = Council.open()
    except KeyProblem:  # then nothing was ever run here
        return
    if waiting := not_in_force(council):
        click.echo(waiting)
    for told in council.agreements.unsettled:
        click.echo(told)
    today = datetime.now(UTC).replace(tzinfo=None)
    for problem in TeamKeys(folder / "keys").problems(council.agreements.sealed_teams(today.date()), today):
        click.echo(problem)


@main.command()
@click.argument("what", type=click.Choice(["linkage", "risk"]))
def retrain(what: str) -> None:
    """Take the linkage model or the risk models out of force; the next night trains anew."""
    from assets import people, risk
    from assets.context import Council
    from warehouse.tables import Zone

    store = Council.open().store
    if what == "linkage":
        store.remove(Zone.VAULT, people.MODEL)
    else:
        store.remove(Zone.FACTS, risk.IN_FORCE)
    click.echo("The next night trains it anew. Until then what was published stands.")


@main.command()
def dictionary() -> None:
    """Print the data dictionary, made from the tables' definitions."""
    from models import features
    from warehouse.dictionary import markdown
    from warehouse.tables import FEATURE_SNAPSHOT, Column

    declared = [Column(f.name, f.type, f.meaning) for f in features.FEATURES]
    click.echo(markdown({FEATURE_SNAPSHOT.name: declared}), nl=False)


@main.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
def serve(port: int, host: str) -> None:
    """Open the Dagster UI, with the daemon that runs the schedule and watches the drop folder."""
    command = [sys.executable, "-m", "dagster", "dev", "--port", str(port), "--host", host]
    sys.exit(subprocess.call(command, cwd=PROJECT, env={**os.environ, "DAGSTER_HOME": str(PROJECT)}))


if __name__ == "__main__":
    main()
