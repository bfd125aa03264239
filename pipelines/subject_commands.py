"""What people ask about their own data: `kinfold subject`.

Each command reads its arguments, calls one function and says what came of it. Names, dates of birth and what people say
are asked for, and never stand on a command line, which others can read.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pipelines.subject_desk import SubjectDesk

TOMORROW = "It takes effect the next night (`kinfold night`)."
DAY = click.DateTime(["%Y-%m-%d", "%d/%m/%Y"])
Command = TypeVar("Command", bound=Callable[..., Any])


def by_whom(command: Command) -> Command:
    """Give a command the options that say who acts, and for which request."""
    for option in (
        click.option(
            "--case", help="The request's reference in your own register, never a name; the audit log keeps it."
        ),
        click.option("--who", required=True, help="Who acts: a name or user id; the audit log keeps it."),
    ):
        command = option(command)
    return command


def _desk(who: str, case: str | None) -> "SubjectDesk":
    from assets.context import Council
    from pipelines.subject_desk import SubjectDesk

    return SubjectDesk(Council.open(), who, case)


def _on(desk: "SubjectDesk", day: datetime | None) -> Any:
    return day.date() if day else desk.today


@click.group()
def subject() -> None:
    """People's rights: what is held of them, what they object to, and what they say is not right.

    PERSON is a person's id, a record's id, or a source's own key as feed:key. Everything asked is in the audit log.
    """


@subject.command()
@click.argument("person", required=False)
@by_whom
def find(person: str | None, who: str, case: str | None) -> None:
    """Find a person: by PERSON, or by a name and a date of birth that are asked for.

    The search is in the audit log whether it finds anybody or not, and every match before it is shown.
    """
    from governance.inert import line

    desk = _desk(who, case)
    if person is not None:
        found = desk.person(person)
        desk.note("find", found)
        click.echo(found)
        return
    forename, surname = click.prompt("First name"), click.prompt("Surname")
    born = click.prompt("Date of birth (yyyy-mm-dd)", type=DAY)
    matches = desk.find(forename, surname, born.date())
    for match in matches:
        told = f"{match.name}, born {match.born}, {match.postcode or 'no postcode'}, known to {match.feeds} feeds"
        click.echo(f"{match.person_id}  {line(told)}")
    click.echo(f"{len(matches)} found. Make sure who asks before anything is shown to them.")


@subject.command()
@click.argument("person")
@by_whom
@click.option("--language", type=click.Choice(["en", "cy"]), default="en", show_default=True, help="English or Welsh.")
@click.option("--withhold", multiple=True, metavar="ITEM", help="Leave this out, and say that something is left out.")
@click.option("--withhold-unsaid", multiple=True, metavar="ITEM", help="Leave this out, and do not even say so.")
def pack(
    person: str, who: str, case: str | None, language: str, withhold: tuple[str, ...], withhold_unsaid: tuple[str, ...]
) -> None:
    """Make the document that tells PERSON all that is held of them; --case is needed.

    ITEM is the reference that stands beside a line of it. What is withheld stays so in later documents until it is
    taken back with `withdraw`; whose opinion it rests on is asked for (Data Protection Act 2018, Schedule 3). To say
    that something is left out is the rule; not to say it is for what even that would harm.
    """
    desk = _desk(who, case)
    found = desk.person(person)
    if withhold or withhold_unsaid:
        opinion = click.prompt("Whose opinion (a health, social work or education professional), and why")
        for items, unsaid in ((withhold, False), (withhold_unsaid, True)):
            if items:
                desk.withhold(found, items, unsaid, opinion)
    row = desk.pack(found, language).row(0, named=True)
    click.echo(f"Written: {desk.council.home / 'outbox' / row['file']}")
    click.echo(f"Release {row['release_id']}, to be gone by {row['expires_on']}.")
    click.echo("Read it before you hand it on: others, whom no record ties to the person, may stand in what was said.")


@subject.command("object")
@click.argument("person")
@by_whom
@click.option(
    "--use",
    "uses",
    multiple=True,
    required=True,
    type=click.Choice(["profiling", "marts", "exports", "sharing", "safeguarding"]),
    help="What they object to: flags and other profiling, planning by analysts, research, sharing of what a partner "
    "told, or sharing to keep people safe. May be given several times.",
)
@click.option("--partner", help="Of sharing: whose data, as site.yaml names the partner.")
@click.option("--decision", type=click.Choice(["upheld", "refused"]), default="upheld", show_default=True)
@click.option("--on", "day", type=DAY, help="The day on which they objected [default: today].")
def object_to(
    person: str, who: str, case: str | None, uses: tuple[str, ...], partner: str | None, decision: str,
    day: datetime | None,
) -> None:  # fmt: skip
    """Keep that PERSON objects to a use of their data (UK GDPR, Article 21), and what was decided.

    Upheld, it blocks the use from the next night on, whatever becomes of the person's id. Refused, it goes on, and
    summaries say that the person objected, what was decided, by whom and why.
    """
    desk = _desk(who, case)
    found = desk.person(person)
    words = click.prompt("What they said")
    why = click.prompt("Why it was decided so", default="", show_default=False)
    for made in desk.object_to(found, uses, partner, words, _on(desk, day), decision, why):
        click.echo(f"Kept as {made}.")
    click.echo(TOMORROW)


@subject.command()
@click.argument("person")
@by_whom
@click.option("--item", required=True, help="An attribute, such as birth_date, or the reference beside a line.")
@click.option("--feed", help="Of an attribute: only this feed's record [default: all that hold what is used].")
@click.option("--on", "day", type=DAY, help="The day on which they said so [default: today].")
def correct(person: str, who: str, case: str | None, item: str, feed: str | None, day: datetime | None) -> None:
    """Keep what PERSON says is not right (UK GDPR, Article 16): it is marked, and goes to whoever recorded it.

    Nothing that a source recorded is changed: that is for the source, whose next delivery brings it.
    """
    desk = _desk(who, case)
    found = desk.person(person)
    words = click.prompt("What they say is right")
    made, feeds = desk.correct(found, item, words, _on(desk, day), feed)
    click.echo(f"Kept as {made}. It goes to whoever answers for {', '.join(feeds)}. {TOMORROW}")


@subject.command()
@click.argument("correction")
@by_whom
@click.argument("status", type=click.Choice(["accepted", "refused", "open"]))
def answer(correction: str, who: str, case: str | None, status: str) -> None:
    """Keep what the owner of a record answered to a CORRECTION; a refused one stays on summaries, as such."""
    desk = _desk(who, case)
    desk.answer(correction, status, click.prompt("What they answered, and why"))
    click.echo(f"Kept. {TOMORROW}")


@subject.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@by_whom
def withdraw(ids: tuple[str, ...], who: str, case: str | None) -> None:
    """Take objections, or what is withheld, back by their ids; they stay on record."""
    _desk(who, case).withdraw(ids)
    click.echo(f"Taken back: {len(ids):,}. {TOMORROW}")


@subject.command("list")
@click.argument("person")
@by_whom
def listed(person: str, who: str, case: str | None) -> None:
    """List what is kept of PERSON's objections, corrections and withholdings, by ids alone: nobody's words."""
    desk = _desk(who, case)
    for name, rows in desk.kept(desk.person(person)).items():
        for row in rows.iter_rows(named=True):
            what = row.get("use") or row.get("item")
            how = row.get("decision") or row.get("status") or ("unsaid" if row["unsaid"] else "said")
            click.echo(
                f"{row[f'{name}_id']}  {name:<11} {what}, {how}, by {row['who']} on {row['decided_at']:%Y-%m-%d}"
            )
