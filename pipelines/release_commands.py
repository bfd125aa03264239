"""What somebody lets out or looks at by hand: `kinfold reveal`, `kinfold export`, `kinfold sweep`.

Each command reads its arguments, calls one function and says what came of it.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import click


@click.command()
@click.argument("person_id", metavar="PERSON")
@click.option(
    "--who", required=True, help="Who asks: a name or user id. The log keeps it, with the account of the machine."
)
@click.option("--team", required=True, help="In which team, as site.yaml names it.")
@click.option("--role", required=True, help="In which role of it.")
@click.option("--reason", required=True, help="Why, by its name in site.yaml.")
@click.option("--case", required=True, help="For which case: its reference in your own system, never a name.")
def reveal(person_id: str, who: str, team: str, role: str, reason: str, case: str) -> None:
    """Show who the PERSON with an id is, as far as the agreements let this user see it, for this reason and case.

    The audit log has it before anything is shown, refusals too. It is shown on a terminal alone and kept nowhere. To
    re-identify people without authority is an offence (Data Protection Act 2018, section 171).
    """
    import sys

    from assets.context import Council
    from governance.audit import login
    from governance.reveal import LIMIT, Asker, RevealRefused
    from pipelines.look import lines, look
    from pipelines.review_desk import NAMED, named

    if not named(who):
        raise click.BadParameter(f"say who asks with --who: {NAMED}.")
    if not sys.stdout.isatty():
        raise click.ClickException(
            "this is shown on a terminal alone, so that nothing of it is kept. Run it there, into no file or pipe."
        )
    asker = Asker(who.strip(), team, role, reason, case, login())
    try:
        seen = look(Council.open(), asker, person_id)
    except RevealRefused as error:
        raise click.ClickException(str(error)) from None
    for told in lines(seen, asker):
        click.echo(told)
    if seen.revealed.many:
        click.secho(
            f"You have looked at {seen.revealed.people} people within a day, and more than {LIMIT} is out of the "
            "ordinary: the audit log is marked, and those who answer for information governance will ask why.",
            bold=True,
        )


@click.command()
def sweep() -> None:
    """Remove from the outbox what must be gone by today, and name what is there that nobody let out.

    The night does so too, and the schedule of the job sweep_outbox each morning. What nobody let out is only named.
    """
    from assets import sharing
    from assets.context import Council
    from governance.inert import line

    council = Council.open()
    swept = sharing.sweep(council, datetime.now(ZoneInfo(council.organisation.timezone)).date())
    click.echo(f"{swept.gone:,} files were removed because their day had come.")
    if swept.misplaced:
        click.echo(f"{swept.misplaced:,} files of one team lay in the folder of another, and were removed.")
    for file, why in swept.strange:
        click.echo(f"  {line(file)}: {why}")
    if swept.strange:
        click.echo(f"{len(swept.strange):,} files are not as they were let out. Find out who put them there.")


@click.command()
@click.argument("agreement")
@click.argument("recipient")
@click.option("--name", help="Which, where the agreement has several exports for this recipient.")
@click.option("--who", help="On whose word; the audit log keeps it [default: the user of this machine].")
def export(agreement: str, recipient: str, name: str | None, who: str | None) -> None:
    """Let an export that the AGREEMENT has for a RECIPIENT, a team or a party, out into its folder of the outbox.

    It holds what the agreement says and no more, of the published night, under pseudonyms that nobody else is given,
    as CSV and Parquet in one archive with the stamp. What too few people share is told more coarsely, or not at all.
    """
    from assets.context import Council
    from assets.exporting import export as made_of
    from governance.audit import login
    from governance.exports import ExportRefused
    from governance.release import ReleaseRefused
    from pipelines.review_desk import NAMED, named

    if who is not None and not named(who):
        raise click.BadParameter(f"say on whose word with --who: {NAMED}.")
    council = Council.open()
    now = datetime.now(ZoneInfo(council.organisation.timezone))
    try:
        rows, made = made_of(council, agreement, recipient, name, who or login(), now.date(), now.isoformat())
    except (ExportRefused, ReleaseRefused) as error:
        raise click.ClickException(str(error)) from None
    row = rows.row(0, named=True)
    for table, frame in made.frames.items():
        click.echo(f"{frame.height:>10,} rows  {table}")
    click.echo(f"{len(made.people):,} people, told of under {row['agreement']}, until {row['expires_on']}.")
    if made.alike is not None:
        click.echo(
            f"At least {made.alike} people are alike in all that is told of them; of {made.coarser:,} something is "
            f"told more coarsely for it, of {made.hidden:,} nothing."
        )
    click.echo(f"Let out: {council.home / 'outbox' / row['file']}")


COMMANDS = (reveal, export, sweep)
