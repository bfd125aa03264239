"""Erasing a person, the proof, and retention: `kinfold subject erase`, `subject proof`, `kinfold retention`.

Each command reads its arguments, calls one function and says what came of it: counts and places, never a value.
"""

from datetime import UTC, datetime

import click
import polars as pl


@click.command("erase")
@click.argument("person_or_record")
@click.option("--who", required=True, help="Who carries it out: a name or user id; the audit log keeps it.")
@click.option("--reason", required=True, help="Why, such as the reference of the request; the audit log keeps it.")
@click.option("--preview", is_flag=True, help="Say what it would reach and what stands against it; change nothing.")
def erase(person_or_record: str, who: str, reason: str, preview: bool) -> None:
    """Erase a person, or one record, from everything that Kinfold holds, for good; and prove what is left.

    A person_id stands for every record that is theirs. What a source sends of them again is kept out.
    """
    from assets import erasure
    from assets.context import Council

    council, now = Council.open(), datetime.now(UTC).replace(tzinfo=None)
    case = erasure.asked_for(council, person_or_record, who, reason, now)
    if preview:
        show(erasure.prove(council, case), "It would reach")
        return
    for place, count in erasure.erase(council, case).items():
        click.echo(f"{count:>8,}  {place}")
    _prove(council, case)


@click.command("proof")
def proof() -> None:
    """Look through the whole data folder for what is left of those who were erased, and write the page that says so."""
    from assets import erasure
    from assets.context import Council

    council = Council.open()
    cases = erasure.kept(council)
    for case in cases:
        _prove(council, case)
    if not cases:
        click.echo("Nobody is being erased, and nothing waits for its proof.")


def _prove(council, case) -> None:  # type: ignore[no-untyped-def]
    from assets import erasure

    show(erasure.prove(council, case), "Left")


def show(left: pl.DataFrame, title: str) -> None:
    """Print what was found, by place."""
    click.secho(title, bold=True)
    for row in left.iter_rows(named=True):
        stays = "  (may stay)" if row["kept"] else ""
        click.echo(f"{row['found']:>8,}  {row['place']}: {row['what']}{stays}")
