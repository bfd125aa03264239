"""Published tables of counts, for those who want one on a terminal: `kinfold aggregate`.

The command reads its arguments and prints what left; nothing that was hidden is known here.
"""

import click


@click.command()
@click.argument("name", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
def aggregate(name: str | None, as_csv: bool) -> None:
    """Print a table of counts as it was published last; without NAME, list them."""
    import polars as pl

    from assets.aggregates import tables
    from assets.context import Council
    from governance import inert

    council = Council.open()
    declared = {t.name: t for t in council.aggregates.aggregates}
    night = council.store.published()
    found = tables(council.store, night) if night else {}
    if not found:
        raise click.ClickException("No night has published tables of counts yet. Run one with `kinfold night`.")
    if name is None:
        for one, frame in sorted(found.items()):
            hidden = int(frame["suppressed"].sum())
            words = declared[one].plain_words if one in declared else "is no longer made"
            click.echo(f"{one:<32} {frame.height:>6,} cells, {hidden:>6,} suppressed  {words}")
        return
    if name not in found:
        raise click.BadParameter(f"{name!r} is no table here. Tables: {', '.join(sorted(found))}.")
    if as_csv:
        click.echo(inert.csv(found[name]), nl=False)
        return
    words = f"{declared[name].plain_words}, " if name in declared else ""
    click.secho(f"{words}{night}", bold=True)
    shown = (
        found[name]
        .with_columns(count=pl.when("suppressed").then(pl.lit("suppressed")).otherwise(pl.col("count").cast(pl.String)))
        .drop("suppressed", "why")
    )
    with pl.Config(tbl_rows=-1, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_width_chars=110):
        click.echo(str(shown))
