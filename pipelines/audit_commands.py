"""The commands of whoever answers for information governance: `kinfold audit`.

Each command reads its arguments, calls one function and says what came of it. Each question is in the log itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    import polars as pl

    from assets.context import Council
    from summaries.audit import Report

DAY = click.DateTime(["%Y-%m-%d"])
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def _asked(command: Command) -> Command:
    """Give a command the options that say who asks, and how the answer is to be given."""
    for option in (
        click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to print here."),
        click.option("--csv", "as_csv", is_flag=True, help="As CSV."),
        click.option("--who", help="Who asks; the log keeps it [default: the user of this machine]."),
    ):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """Who saw what, and why."""


@audit.command()
@click.option(
    "--kept",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A checkpoint that was kept elsewhere, or a folder of them; may be given several times "
    "[default: the folder that KINFOLD_AUDIT_COPY names].",
)
def verify(kept: tuple[Path, ...]) -> None:
    """Prove that no entry of the audit log was changed, removed, moved, put in or cut off.

    A log that was put back to an earlier day, or written anew by somebody with the key, is found by a kept checkpoint
    alone. Ends with exit code 1 where anything is wrong.
    """
    from assets.audit import vault_held
    from assets.context import Council
    from assets.sharing import audit_log
    from summaries.audit import state

    council = Council.open()
    log = audit_log(council)
    places = kept or ((log.copies,) if log.copies else ())
    verdict = vault_held(council, log.examine(places))
    for problem in verdict.problems:
        click.echo(problem)
    if verdict.more:
        click.echo(f"... and {verdict.more:,} more.")
    click.echo(state(verdict))
    if verdict.problems:
        click.echo(
            "Release nothing, change nothing, and tell the Data Protection Officer. Keep a copy of ledger/audit."
        )
    elif verdict.against < 2:
        where = f"in {', '.join(map(str, places))} there is none" if places else "see `kinfold audit checkpoint`"
        click.echo(f"It was held against no checkpoint that is kept elsewhere: {where}.")
    sys.exit(1 if verdict.problems else 0)


@audit.command()
@click.option("--to", "folder", type=FOLDER, help="The folder [default: the one that KINFOLD_AUDIT_COPY names].")
def checkpoint(folder: Path | None) -> None:
    """Write a signed checkpoint of the log into a folder outside of the data, as a new file.

    It holds how many entries there are and the code of the last, and nothing of any entry. Give it to somebody who
    cannot write to this machine; `kinfold audit public-key` prints what they check the signature with.
    """
    from assets.context import Council
    from assets.sharing import audit_log

    council = Council.open()
    log = audit_log(council)
    chosen = folder or log.copies
    if chosen is None:
        raise click.UsageError("say where with --to, or name a folder in KINFOLD_AUDIT_COPY.")
    if chosen.resolve().is_relative_to(council.home.resolve()):
        raise click.UsageError("that folder lies inside the data, where whoever changes the log could change it too.")
    click.echo(log.keep_copy(chosen))


@audit.command("public-key")
def public_key() -> None:
    """Print the key with which anybody can check that a checkpoint is genuine, without Kinfold.

    \b
    head -n 1 FILE | tr -d '\\n' > said; tail -n 1 FILE | base64 -d > signature
    openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in said -sigfile signature
    """
    from assets.context import Council
    from assets.sharing import audit_log

    click.echo(audit_log(Council.open()).public_key, nl=False)


@audit.command("who-saw")
@click.argument("told", metavar="PERSON")
@_asked
def who_saw(told: str, who: str | None, as_csv: bool, html: Path | None) -> None:
    """List everybody who was shown anything of a PERSON: when, who, what, why, and by which agreement.

    PERSON is a person's id, today's or an earlier one, a record's id, or feed:key by the feed's own key. Looks under
    earlier ids are found, and files about others, such as a sister's summary, that told of the person.
    """
    from assets import audit as stage
    from assets.context import Council
    from assets.sharing import audit_log
    from governance import audit_reading as reading

    council = Council.open()
    if council.store.published() is None:
        raise click.ClickException("no night is published yet, so that nobody was ever shown. Run `kinfold night`.")
    found = stage.ids_of(council, told)
    if found is None:
        raise click.ClickException(
            "no person and no record has this id. Ids have 32 characters of 0-9 and a-f; a feed's own key is given as "
            "feed:key, such as council-tax:1234."
        )
    now, ids = found
    stage.note(council, who, now)
    log = audit_log(council).frame()
    rows = reading.who_saw(log, now, ids, stage.used(council, ids["person_id"]), council.organisation.timezone)
    notes = ["A file in a team’s folder may have been opened by anybody in the team."]
    if ids.height > 1:
        notes.append(f"The person has had {ids.height} ids. Looks under the earlier ones are listed too.")
    if told != now:
        notes.append(f"You asked for {told}; the person’s id is now {now}.")
    _answer(council, "Who saw this person", now, rows, who, as_csv, html, notes)


@audit.command("what-did")
@click.argument("user")
@click.option("--since", type=DAY, help="The first day.")
@click.option("--until", type=DAY, help="The last day.")
@_asked
def what_did(
    user: str, since: datetime | None, until: datetime | None, who: str | None, as_csv: bool, html: Path | None
) -> None:
    """List everything that a USER did: by the name that they gave, or by their account on this machine."""
    from difflib import get_close_matches

    from assets import audit as stage
    from assets.context import Council
    from assets.sharing import audit_log
    from governance import audit_reading as reading
    from governance.inert import line

    council = Council.open()
    stage.note(council, who, None)
    log = audit_log(council).frame()
    days = [day.date() if day else None for day in (since, until)]
    rows = reading.what_did(log, user, council.organisation.timezone, *days)
    notes = []
    if rows.is_empty() and (near := get_close_matches(user, reading.users(log), n=5, cutoff=0.6)):
        notes.append(f"Did you mean {', '.join(near)}?")
    if any(days):
        notes.append(f"From {days[0] or 'the first entry'} to {days[1] or date.today()}, both included.")
    _answer(council, f"What {line(user)} did", "", rows, who, as_csv, html, notes, people=True)


@audit.command()
@click.argument("page", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--since", type=DAY, help="The first day [default: four weeks ago].")
@click.option("--until", type=DAY, help="The last day [default: today].")
@click.option("--who", help="Who asks; the log keeps it [default: the user of this machine].")
def report(page: Path, since: datetime | None, until: datetime | None, who: str | None) -> None:
    """Write a PAGE of what was done with people's data: what is out of the ordinary, what was refused, all counted."""
    from assets import audit as stage
    from assets.context import Council
    from assets.sharing import audit_log
    from governance import outbox
    from governance.checkpoints import kept
    from summaries import audit as words

    council = Council.open()
    stage.note(council, who, None)
    log = audit_log(council)
    last = until.date() if until else _now(council).date()
    first = since.date() if since else last - timedelta(days=27)
    outside = kept([log.copies]) if log.copies else []
    verdict = log.examine([log.copies] if log.copies else ())
    told = (
        f"The last checkpoint kept outside is {outside[-1].name}." if outside else "No checkpoint is kept outside yet."
    )
    told = told if log.copies else stage.NO_COPY
    text = words.overview(log.frame(), verdict, council.organisation, first, last, _by(council, who), told)
    outbox.write(page, text.encode())
    click.echo(f"Wrote {page}, readable by you alone. {words.state(verdict)}")


# -- inside --------------------------------------------------------------------------------------------------------


def _answer(
    council: Council,
    title: str,
    about: str,
    rows: pl.DataFrame,
    who: str | None,
    as_csv: bool,
    html: Path | None,
    notes: list[str],
    people: bool = False,
) -> None:
    """Put entries into words, and give them as they are wanted."""
    from assets.sharing import audit_log, ever_released
    from governance import inert, outbox
    from summaries import audit as words

    released = ever_released(council).select("release_id", "shared").unique("release_id")
    wanted = released.join(rows, on="release_id", how="semi")
    asked = _by(council, who)
    verdict = audit_log(council).examine()
    shared = dict(wanted.iter_rows())
    told = words.report(title, about, asked, rows, verdict, council.organisation, shared, notes, people)
    if html is not None:
        outbox.write(html, told.html().encode())
        click.echo(f"Wrote {html}, readable by you alone: {len(told.rows):,} entries. {told.state}")
    elif as_csv:
        click.echo(inert.csv(told.frame()), nl=False)
        click.echo(told.state, err=True)
    else:
        _print(told)


def _now(council: Council) -> datetime:
    return datetime.now(UTC).astimezone(ZoneInfo(council.organisation.timezone))


def _by(council: Council, who: str | None) -> str:
    from governance.audit import login
    from summaries.audit import moment

    return f"Asked by {who or login()} on {moment(_now(council))}"


def _print(told: Report) -> None:
    from governance.inert import line

    click.secho(line(f"{told.title}: {told.about}" if told.about else told.title), bold=True)
    click.echo(told.state)
    for note in told.notes:
        click.echo(line(note))
    for when, who, account, team, what, why, agreement, release in told.rows:
        click.echo(f"\n{when}  {line(who)} [{line(account)}]" + (f", {line(team)}" if team else ""))
        click.echo(f"  {line(what)}")
        click.echo(f"  why: {line(why)}")
        click.echo(f"  by:  {line(agreement)}" + (f"; release {release}" if release else ""))
    click.echo(f"\n{len(told.rows):,} entries." if told.rows else "\nThe log has no such entry.")
