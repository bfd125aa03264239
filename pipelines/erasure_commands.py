"""Erasing a person, the proof, and retention: `kinfold subject erase`, `subject proof`, `kinfold retention`.

Each command reads its arguments, calls one function and says what came of it: counts and places, never a value.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click
import polars as pl

if TYPE_CHECKING:
    from assets.context import Council
    from assets.erasure import Case

MONTH = click.DateTime(["%Y-%m"])


@click.command("erase")
@click.argument("person_or_record")
@click.option("--who", required=True, help="Who carries it out: a name or user id; the audit log keeps it.")
@click.option("--reason", required=True, help="Why, such as the reference of the request; the audit log keeps it.")
@click.option("--preview", is_flag=True, help="Say what it would reach and what stands against it; change nothing.")
@click.option("--override-by", help="Who decides that it goes ahead although something stands against it.")
@click.option("--override-reason", help="Why they do; the audit log keeps both.")
def erase(
    person_or_record: str, who: str, reason: str, preview: bool, override_by: str | None, override_reason: str | None
) -> None:
    """Erase a person, or one record, from everything that Kinfold holds, for good; and prove what is left.

    A person_id stands for every record that is theirs. What a source sends of them again is kept out. An open case, or
    a period for which the law has the council keep something, refuses it (UK GDPR, Article 17(3)).
    """
    from assets import erasure, retention
    from assets.context import Council
    from assets.sharing import note_read

    council, now = Council.open(), datetime.now(UTC).replace(tzinfo=None)
    if not who.strip() or not reason.strip():
        raise click.ClickException("an erasure says who carries it out and why. Give both.")
    if bool((override_by or "").strip()) != bool((override_reason or "").strip()):
        raise click.ClickException("an override says who decides and why. Give --override-by and --override-reason.")
    pending = [case for case in erasure.kept(council) if person_or_record in erasure.ids_of(case)]
    if pending and not preview:
        erasure.resume(council)
        erasure.again(council, pending[0])
        sys.exit(_prove(council, pending[0]))
    try:
        case = erasure.asked_for(council, person_or_record, who.strip(), reason.strip(), now)
    except erasure.ErasureRefused as refusal:
        raise click.ClickException(str(refusal)) from None
    standing = retention.against(council, case, now.date())
    for each in standing:
        click.echo(f"{each.name}: {each.why}. {each.source}.")
    if waiting := erasure.unpublished(council):
        click.echo(f"{', '.join(waiting)}: a delivery has come since the last night. Run a night first: it may be new.")
    if preview:
        note_read(council, who.strip(), [*case.whom.derived])
        show(erasure.prove(council, case), "It would reach")
        return
    by, why = (override_by or "").strip(), (override_reason or "").strip()
    if standing and not by:
        raise click.ClickException(
            f"{', '.join(each.name for each in standing)} stands against it; nothing was erased. Where somebody may "
            "decide otherwise, name them and why: --override-by, --override-reason."
        )
    if standing:
        case = replace(case, override_by=by, override_reason=why)
    for place, count in erasure.erase(council, case).items():
        click.echo(f"{count:>8,}  {place}")
    sys.exit(_prove(council, case))


@click.command("proof")
def proof() -> None:
    """Look through the whole data folder for what is left of those who were erased, and write the page that says so."""
    from assets import erasure
    from assets.context import Council

    council = Council.open()
    erasure.resume(council)
    cases = erasure.kept(council)
    if not cases:
        click.echo("Nothing waits for its proof.")
    sys.exit(max((_prove(council, case) for case in cases), default=0))


def _prove(council: Council, case: Case) -> int:
    """Look for what is left, show it, let the page out; 1 if something is."""
    from assets import erasure

    left = erasure.prove(council, case)
    if _found(left):
        click.echo(f"{_found(left):,} were left or have come back since, as from a backup. They are erased now.")
        erasure.again(council, case)
        left = erasure.prove(council, case)
    show(left, f"Erasure {case.erasure_id}: what is left")
    found = _found(left)
    done = not found and erasure.proven(council, case)
    file = erasure.page(council, case, left, done)
    click.echo(f"The page: {file}")
    if found:
        click.echo(f"{found:,} are left after two attempts. Look into them by hand: the page says where they lie.")
    elif not done:
        click.echo("Nothing is left. Prove it once more after the next night: `kinfold subject proof`.")
    else:
        click.echo("Nothing is left, also after a night. What was kept for this proof is gone, too.")
    return 1 if found else 0


def _found(left: pl.DataFrame) -> int:
    return int(left.filter(~pl.col("kept"))["found"].sum())


def show(left: pl.DataFrame, title: str) -> None:
    """Print what was found, by place."""
    click.secho(title, bold=True)
    for row in left.iter_rows(named=True):
        stays = "  (may stay)" if row["kept"] else ""
        click.echo(f"{row['found']:>8,}  {row['place']}: {row['what']}{stays}")


@click.group()
def retention() -> None:
    """How long what is kept is kept: sites/<council>/retention.yaml."""


@retention.command("preview")
@click.option("--month", type=MONTH, help="Which month, as 2026-12 [default: the one after the last night's].")
def retention_preview(month: datetime | None) -> None:
    """Show what the first night of a month takes away, by zone, category and rule."""
    from assets import retention as work

    council, night = _council()
    first = month.date() if month else work.next_month(night)
    rows = work.preview(council, first)
    for row in rows.iter_rows(named=True):
        click.echo(f"{row['rows']:>9,}  {row['zone']:<11} {row['category']:<26} {row['rule']}")
    click.echo(f"{rows['rows'].sum():>9,}  go with the first night of {first:%B %Y}, as things stand.")


@retention.command("run")
def retention_run() -> None:
    """Take away now what has run out by the last night, from every zone; the night does the same by itself."""
    from assets import retention as work

    council, night = _council()
    for place, count in work.run(council, night).items():
        click.echo(f"{count:>9,}  {place}")


def _council() -> tuple[Council, date]:
    from assets.context import Council
    from governance.retention import FILE

    council = Council.open()
    night = council.store.published()
    if council.retention is None:
        raise click.ClickException(f"{council.site.name}/{FILE} is not there, so nothing is taken away. Write one.")
    if night is None:
        raise click.ClickException("No night has been published yet, so nothing is kept. Run one with `kinfold night`.")
    return council, night
