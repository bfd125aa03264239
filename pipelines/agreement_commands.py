"""The commands about sharing agreements: `kinfold agreements check`, `explain`, `matrix`, `diff`, `accept`.

Each command reads its arguments, calls one function and says what came of it.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from governance.inert import line
from warehouse import site as sites

if TYPE_CHECKING:
    from assets.context import Council
    from governance.acceptance import Acceptance, Change
    from governance.agreements import Agreements
    from governance.terms import Agreement

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def agreements() -> None:
    """Who may see what: the sharing agreements under sites/<council>/agreements."""


@agreements.command()
@click.option("--date", "day", type=DAY, help="On which day [default: today].")
def check(day: datetime | None) -> None:
    """Check every agreement: mistakes, dates, signatures, lawful basis, and whether what it says was accepted.

    Ends with 1 where something needs somebody.
    """
    from assets.agreements import amiss
    from summaries.agreed import remarks, state

    council, on, needs = _council(), _day(day), 0
    counted = council.agreements
    for agreement in counted:
        closed = counted.standing(agreement.name).closed
        click.echo(f"{agreement.name}: {'gives nothing' if closed else line(state(agreement, counted, on))}")
        for remark in remarks(agreement, counted, on):
            needs += 1
            click.echo(f"  needs somebody: {line(remark)}")
    if not len(counted):
        needs += 1
        click.echo("There is no agreement, so nobody may see anything. Write one under agreements/.")
    for wrong in amiss(council):
        needs += 1
        click.echo(f"needs somebody: {line(wrong)}.")
    click.echo(f"{len(counted)} agreements, {needs or 'nothing'} to look at.")
    sys.exit(1 if needs else 0)


@agreements.command()
@click.argument("agreement")
@click.option("--date", "day", type=DAY, help="On which day [default: today].")
def explain(agreement: str, day: datetime | None) -> None:
    """Say an AGREEMENT in plain words: who may see what of whom, for which reasons, how long, and by what law."""
    from summaries.agreed import explained

    on, counted = _day(day), _council().agreements
    written = {a.name: a for a in _written()}
    for known in _chosen(agreement, counted):
        shown = written.get(known.name, known)
        for told in explained(shown, counted, on):
            click.echo(_clean(told))


@agreements.command()
@click.option("--date", "day", type=DAY, help="On which day [default: today].")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to sign here.")
@click.option("--team", "teams", multiple=True, help="In the terminal, only this team; may be given several times.")
def matrix(day: datetime | None, html: Path | None, teams: tuple[str, ...]) -> None:
    """Show who could see what from whom for why, on a day: in the terminal, and with --html as a page to sign."""
    import hashlib

    from governance.organisation import unknown
    from summaries import matrix as made

    counted = _council().agreements
    for team in teams:
        if team not in counted.council.teams:
            raise click.BadParameter(unknown("team", team, counted.council.teams))
    digest = hashlib.sha256((sites.site() / "site.yaml").read_bytes()).hexdigest()
    built = made.build(counted, _day(day), digest)
    click.echo(made.text(built, teams))
    if html:
        put(html, made.html(built))
        click.echo(f"Wrote {html}")


@agreements.command()
@click.argument("agreement", required=False)
def diff(agreement: str | None) -> None:
    """Show what a changed AGREEMENT, or each that changed, opens and closes against what was accepted."""
    written, kept = _written(), _kept(_council())
    changed = 0
    for one in _chosen(agreement, written) if agreement else written:
        before, changes = _compared(one, written, kept)
        changed += bool(changes) or before is None
        _tell(one, before, changes)
    if not changed and not agreement:
        click.echo("Every agreement stands as it was accepted.")


@agreements.command()
@click.argument("agreement", required=False)
@click.option("--all", "every", is_flag=True, help="All agreements of the council.")
@click.option("--who", required=True, help="Who accepts, by name; the register and the audit log keep it.")
@click.option("--yes", is_flag=True, help="Do not ask again after the change was shown.")
def accept(agreement: str | None, every: bool, who: str, yes: bool) -> None:
    """Accept an AGREEMENT as its file says it now, after showing what that opens and closes.

    Until then a change gives nothing that it opens; what it closes is closed at once.
    """
    from assets.agreements import accept as take

    if bool(agreement) == every:
        raise click.UsageError("name one agreement, or say --all.")
    if not line(who) or line(who) != who:
        raise click.BadParameter("say in one line who accepts.", param_hint="--who")
    written, kept = _written(), _kept(_council())
    chosen = list(written) if every else _chosen(agreement or "", written)
    for one in chosen:
        before, changes = _compared(one, written, kept)
        _tell(one, before, changes)
    if not yes:
        click.confirm(f"Accept {', '.join(a.name for a in chosen)} in the name of {who}?", abort=True)
    taken = take(sites.site(), sites.home(), who, [a.name for a in chosen])
    if not taken:
        click.echo("They stand as they were accepted before.")
    for name in taken:
        click.echo(f"Accepted {name}. It counts from the next command or night on.")


def _day(day: datetime | None) -> date:
    return day.date() if day else date.today()


def _council() -> Council:
    """The council, with its agreements as they count."""
    from assets.context import Council

    return Council.open()


def _written() -> Agreements:
    """The agreements as their files say them."""
    from governance.agreements import load_agreements

    return load_agreements(sites.site())


def _kept(council: Council) -> tuple[Acceptance, ...]:
    from governance.acceptance import accepted

    return accepted(council.home, council.ring)


def _chosen(name: str, known: Agreements) -> list[Agreement]:
    """The versions of an agreement, by its name with or without a version."""
    from governance.organisation import unknown

    found = [a for a in known if name in (a.agreement, a.name)]
    if not found:
        raise click.BadParameter(unknown("agreement", name, {a.agreement for a in known}))
    return found


def _compared(
    agreement: Agreement, written: Agreements, kept: Sequence[Acceptance]
) -> tuple[Acceptance | None, list[Change]]:
    from governance.acceptance import base, compared

    before = base(agreement, kept)
    return before, compared(before.read() if before else None, agreement, written.council)


def _tell(agreement: Agreement, before: Acceptance | None, changes: Sequence[Change]) -> None:
    if before is None:
        click.echo(f"{agreement.name} was never accepted. It would open:")
    elif not changes:
        click.echo(f"{agreement.name} says what {before.who} accepted on {before.at[:10]} as {before.name}.")
    else:
        click.echo(f"{agreement.name} against {before.name}, accepted by {before.who} on {before.at[:10]}:")
    for change in changes:
        click.echo(f"  {'opens ' if change.opens else 'closes'}  {_clean(change.what)}")


def _clean(told: str) -> str:
    indent = len(told) - len(told.lstrip())
    return " " * indent + line(told)


def put(path: Path, content: str) -> None:
    """Write a page for its owner alone, in place of what was there, by one rename."""
    fresh = path.with_name(f".{path.name}~{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
