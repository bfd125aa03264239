"""The command of whoever has files and no council: `kinfold link`, which finds the rows that are about one person.

The command reads its arguments, calls one function and says what came of it; values stay in the files.
"""

import os
from pathlib import Path

import click

COUNTS = ("largest", "records", "people", "true_people")


def _meaning(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    told = [one.rpartition("=") for one in given]
    if not all(column and what for column, _, what in told):
        raise click.BadParameter("write COLUMN=MEANING, as in --as born=birth_date.")
    return {column: what for column, _, what in told}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("linked.csv"),
    show_default=True,
    help="CSV to write: file, row, id (with --id), group and probability. Only its owner may read it.",
)
@click.option("--id", "id_", metavar="COLUMN", help="The column by which the output names a row [default: none].")
@click.option(
    "--as",
    "meanings",
    metavar="COLUMN=MEANING",
    multiple=True,
    callback=_meaning,
    help="What a column is, where its header does not say: forename, surname, full_name, birth_date, address, "
    "town, postcode, phone, identifier ..., or text, code, number or date. Repeat for several.",
)
@click.option("--ignore", metavar="COLUMN", multiple=True, help="A column not to look at. Repeat for several.")
@click.option(
    "--truth", metavar="COLUMN", help="A column that says who is who: never looked at, and scores are printed."
)
@click.option("--replace", is_flag=True, help="Write over an output that is there.")
def link(
    files: tuple[Path, ...],
    output: Path,
    id_: str | None,
    meanings: dict[str, str],
    ignore: tuple[str, ...],
    truth: str | None,
    replace: bool,
) -> None:
    """Find the rows of FILES (CSV or Parquet) that are about one person.

    Columns are known by their headers and by what they hold; what agreement is worth is learned from the files
    themselves. Nothing is loaded and no council is needed.
    """
    from governance import inert
    from linkage import anyfile

    if output.exists() and not replace:
        raise click.ClickException(f"{output} is there already. Choose another --output, or say --replace.")
    try:
        rows = anyfile.read(files)
        found = anyfile.link(rows, anyfile.Asked(meanings, ignore, id_, truth))
    except anyfile.FileProblem as problem:
        raise click.ClickException(str(problem)) from None
    write_private(output, inert.csv(found.rows))
    wide = max(len(column) for column in found.meanings)
    for column, what in found.meanings.items():
        click.echo(f"  {column:<{wide}}  {what.removeprefix('- ').replace('_', ' ')}")
    groups = found.rows["group"].n_unique()
    click.echo(
        f"{found.rows.height:,} rows are {groups:,} groups; {found.pairs:,} pairs were compared. Wrote {output}."
    )
    if truth:
        for name, value in anyfile.judged(found, rows[truth]).items():
            click.echo(f"  {name:<18} {value:,.0f}" if name in COUNTS else f"  {name:<18} {value:.4f}")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    part.replace(path)
