"""What was recalled, for those who answer for information governance: `kinfold recall`.

The command reads its arguments, asks the ledger and says what it holds: ids, dates, kinds, recipients and causes.
"""

from datetime import datetime

import click
import polars as pl


@click.command()
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Recalls of this night and later.")
@click.option("--team", help="Only those that this team received.")
@click.option("--person", help="Only those of this person_id: its own, or with something of it in them.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, with every column of the table recall.")
def recall(since: datetime, team: str | None, person: str | None, as_csv: bool) -> None:
    """List what was let out and used a link that was undone since: to whom it went, when, and why it was recalled."""
    from assets.context import Council
    from assets.sharing import note_read
    from governance import inert
    from summaries.recall import CAUSES, OPEN
    from warehouse.tables import RECALL

    council = Council.open()
    if team and team not in council.organisation.teams:
        raise click.BadParameter(f"{team!r} is no team here. Teams: {', '.join(sorted(council.organisation.teams))}.")
    night = council.store.published()
    if night is None or str(night) not in council.store.folders(RECALL.zone, RECALL.name):
        raise click.ClickException("No night has looked for recalls yet. Run one with `kinfold night`.")
    mine = [pl.col("night") >= since.date()]
    mine += [pl.col("team") == team] if team else []
    mine += [(pl.col("person_id") == person).fill_null(False) | pl.col("about").list.contains(person)] if person else []
    rows = council.store.scan(RECALL, night).filter(mine).sort("night", "because", "team", "kind", "first", "recall_id")
    found = rows.collect()
    note_read(council, None, [person])
    if as_csv:
        click.echo(inert.csv(found), nl=False)
        return
    if found.is_empty():
        click.echo(f"Nothing was recalled from {since.date()} to {night}.")
        return
    for (when, because), part in found.group_by("night", "because", maintain_order=True):
        click.secho(f"\n{when}: {CAUSES[str(because)]}", bold=True)
        for row in part.iter_rows(named=True):
            span = str(row["first"]) if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
            gone = f", copies gone by {row['expires_on']}" if row["expires_on"] else ""
            click.echo(f"  {row['kind']:<8} {row['output_id']}  {span}  to {row['team']}  ({row['state']}{gone})")
    still = found.filter(pl.col("state") == OPEN).height
    click.echo(f"\n{found.height} recalled for {found['team'].n_unique()} recipients; copies of {still} may be about.")
