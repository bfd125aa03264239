"""The commands that ask about linkage: `kinfold linkage report`, `kinfold linkage evaluate`, `kinfold why`.

Each command reads its arguments, calls one function and says what came of it: counts and ids, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import polars as pl

    from assets.context import Council
    from linkage.report import Night, Section
    from linkage.why import Held, Link, Why

TRUTH = "record.parquet"


@click.group()
def linkage() -> None:
    """How right linkage is, and whom it fails."""


@linkage.command()
@click.option(
    "--truth", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder with record.parquet."
)
@click.option("--release", is_flag=True, help="Let it out to the readers of quality reports too, through the gate.")
def report(truth: Path | None, release: bool) -> None:
    """Write one page on the published night's linkage: figures, groups, the model and Splink's charts.

    It opens offline and holds nobody's name, date or id. Reviewers' decisions on the latest random sample are in it
    (`kinfold review sample`), and the truth where there is one: beside a demonstration it is found by itself.
    """
    from assets.people import FOLDER
    from linkage.report import sections

    council = _council()
    night = _night(council, truth)
    content = _page(
        "How right the links between records are",
        f"The night of {night.night.day} {night.night:%B %Y}, model {night.model.model_id}",
        sections(night),
    )
    path = council.home / FOLDER / night.model.model_id / "report.html"
    _write(path, content)
    click.echo(f"Wrote {path}")
    if release:
        from assets.sharing import let_out
        from governance.audit import login
        from governance.release import Item

        readers = council.organisation.quality_for
        team = council.organisation.teams[readers]
        item = Item("report", readers, team.roles[0], team.reason, None, content.encode(), name="linkage report")
        rows = let_out(council, [item], night.night, login())
        click.echo(f"Let out to {readers}: {council.home / 'outbox' / rows['file'].item()}")


@linkage.command()
@click.option(
    "--truth", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder with record.parquet."
)
def evaluate(truth: Path | None) -> None:
    """Compare the published night's links with the truth: for all, by group of people and by pair of feeds.

    The truth is a folder with record.parquet (feed, source_key, person). Beside a demonstration it is found by itself.
    """
    from linkage.evaluation import scores
    from linkage.report import by_truth, lines

    council = _council()
    night = _night(council, truth)
    if night.truth is None:
        raise click.ClickException(
            "there is no truth beside this data. Give one with --truth FOLDER, or estimate without: `kinfold review "
            "sample`, `kinfold review serve --sample`, then `kinfold linkage report`."
        )
    found = scores(night.links, night.truth)
    click.echo(f"The night of {night.night}, model {night.model.model_id}")
    click.echo(
        f"  pairs: precision {found['pair_precision']:.4f}, recall {found['pair_recall']:.4f}, "
        f"F1 {found['pair_f1']:.4f}"
    )
    click.echo(
        f"  B-cubed: precision {found['bcubed_precision']:.4f}, recall {found['bcubed_recall']:.4f}, "
        f"F1 {found['bcubed_f1']:.4f}"
    )
    for line in lines(by_truth(night)):
        click.echo(line)


@click.command()
@click.argument("who", nargs=-1, required=True)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write Splink's waterfall chart here.")
def why(who: tuple[str, ...], html: Path | None) -> None:
    """Say why two RECORDs are one person tonight or are not, or what holds a PERSON together.

    A record is named by its id or as FEED:KEY, by the feed's own key. No value is shown, neither here nor in the chart:
    only what was compared, how far it agrees, and how many bits that is worth. The audit log has who asked about whom.
    """
    from assets.sharing import note_read
    from linkage import decisions as register
    from linkage.why import held, sentences, table, waterfall
    from linkage.why import why as explain
    from warehouse.tables import MATCH_EDGE, PERSON_LINK

    if len(who) > 2:
        raise click.UsageError("name two records, or one person.")
    council = _council()
    named = [_record(name, council) for name in who]
    store, (model, rows) = council.store, _model_and_rows(council)
    edges, links = store.read(MATCH_EDGE), store.read(PERSON_LINK)
    feeds = dict(rows.select("record_id", "feed").iter_rows())
    people = {_person(name, links) for name in named} & set(links["person_id"])
    note_read(council, None, sorted(people) or [None])
    if len(named) == 1:
        try:
            _tell_person(held(_person(named[0], links), links, edges, model), feeds)
        except KeyError:
            raise click.ClickException(
                "nobody has this id tonight. `kinfold person history` says what became of it."
            ) from None
        return
    try:
        told = explain(rows, model, edges, links, register.in_force(register.read(store)), *named)
    except KeyError as error:
        which = "first" if error.args[0] == named[0] else "second"
        raise click.ClickException(f"the published night has no such record as the {which} that you name.") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    for line in sentences(told):
        click.echo(line)
    click.echo()
    _steps(table(told))
    if told.together and told.path and len(told.path) > 1:
        click.echo("\nThe strongest way from one to the other:")
        _links(told.path, feeds)
    if html is not None:
        _write(html, _waterfall(told, waterfall(told)))
        click.echo(f"\nWrote {html}, readable by you alone.")


# -- inside --------------------------------------------------------------------------------------------------------


def _council() -> Council:
    from assets.context import Council

    council = Council.open()
    if council.store.published() is None:
        raise click.ClickException("no night is published yet. Run one with `kinfold night`.")
    return council


def _model_and_rows(council: Council) -> tuple[Any, pl.DataFrame]:
    from assets.linking import MODEL, load_model, rows_of
    from linkage.conform import prepare
    from warehouse.tables import Zone

    if not council.store.has(Zone.VAULT, MODEL):
        raise click.ClickException("the linkage model is out of force. The next night trains one; ask again then.")
    model = load_model(council)
    return model, prepare(rows_of(council, None, model.settings), model.settings.further)[0]


def _night(council: Council, truth: Path | None) -> Night:
    import polars as pl

    from linkage import evaluation, golden
    from linkage.report import Night
    from warehouse.tables import MATCH_EDGE, PERSON, PERSON_LINK, PERSON_PROFILE, PLACE, SOURCE_RECORD

    store = council.store
    night = store.published() or date.min
    model, rows = _model_and_rows(council)
    edges, links = store.read(MATCH_EDGE), store.read(PERSON_LINK)
    names = store.scan(PERSON).select("person_id", "forename", "surname").collect()
    known = _truth(council, truth)
    groups = None
    if known is not None:
        known = known.join(links, on="record_id", how="semi")
        trust = {feed: contract.trust for feed, contract in council.contracts.items()}
        records = store.scan(SOURCE_RECORD).select(golden.READ).collect()
        groups = evaluation.true_groups(records, known, store.read(PLACE), trust, night)
    return Night(
        night=night,
        model=model,
        edges=edges,
        links=links,
        feeds=rows.select("record_id", pl.col("feed").cast(pl.String)),
        rows=rows,
        groups=evaluation.groups_of(names, store.read(PERSON_PROFILE)),
        clerical=_clerical(council),
        truth=known,
        true_groups=groups,
    )


def _clerical(council: Council) -> Any:
    """What reviewers' decisions on the latest sample say; None where there are none yet."""
    from linkage import decisions
    from linkage.evaluation import clerical
    from pipelines.review_desk import SAMPLES
    from warehouse.tables import Zone

    store = council.store
    kept = store.folders(Zone.FACTS, SAMPLES)
    if not kept:
        return None
    sample = store.get(Zone.FACTS, f"{SAMPLES}/{kept[-1]}", "sample").collect()
    said = decisions.in_force(decisions.read(store))
    if not sample.filter("linked").join(said, on=["record_l", "record_r"], how="semi").height:
        return None
    return clerical(sample, said)


def _truth(council: Council, folder: Path | None) -> pl.DataFrame | None:
    """`record_id`, `person`: of the folder given, else of the demonstration whose data these are."""
    import polars as pl

    from pipelines.demo import borough_folder, truth_of_records

    folder, given = folder or borough_folder() / "truth", folder is not None
    if not (folder / TRUTH).is_file():
        if given:
            raise click.ClickException(f"there is no {TRUTH} (feed, source_key, person) in that folder.")
        return None
    if missing := sorted({"feed", "source_key", "person"} - set(pl.scan_parquet(folder / TRUTH).collect_schema())):
        raise click.ClickException(f"{TRUTH} lacks {', '.join(missing)}.")
    return truth_of_records(council, folder)


def _record(name: str, council: Council) -> str:
    """A record's id, of itself or of FEED:KEY."""
    import polars as pl

    from governance.pseudonyms import record_ids

    feed, colon, key = name.partition(":")
    if not colon:
        return name
    if feed not in council.contracts:
        known = ", ".join(sorted(council.contracts))
        raise click.ClickException(f"there is no feed {feed!r}. There are: {known}")
    return str(record_ids(council.contracts[feed].keys_of, pl.Series("key", [key]), council.ring).item())


def _person(name: str, links: pl.DataFrame) -> str:
    """The id of a person: of itself, or of the person with whom a record stands."""
    import polars as pl

    record = links.filter(pl.col("record_id") == name)
    return str(record["person_id"].item()) if record.height else name


def _steps(rows: Sequence[tuple[str, str, float, float]]) -> None:
    wide = max(len(what) for what, *_ in rows), max(len(level) for _, level, *_ in rows)
    click.echo(f"  {'what':<{wide[0]}}  {'how far it agrees':<{wide[1]}}    bits     sum")
    for what, level, bits, so_far in rows:
        click.echo(f"  {what:<{wide[0]}}  {level:<{wide[1]}}  {bits:+6.1f}  {so_far:+6.1f}")


def _links(path: Sequence[Link], feeds: Mapping[str, str]) -> None:
    from linkage.why import short

    for link in path:
        click.echo(f"  {short(link, feeds)}")


def _tell_person(told: Held, feeds: Mapping[str, str]) -> None:
    known = sorted({feeds[record] for record in told.members if record in feeds})
    click.echo(f"{told.records} records of {len(known)} feeds: {', '.join(known)}.")
    if told.records == 1:
        click.echo("One record stands alone: nothing has to hold it together.")
        return
    if told.halves is not None:
        weakest = told.tree[0]
        click.echo(
            f"The weakest link that holds them together weighs {weakest.weight:+.1f} bits; without it the person falls "
            f"into {told.halves[0]} and {told.halves[1]} records."
        )
    if told.loose:
        click.echo(f"{told.loose} of the joints are no scored link: a decision or the council's own id holds them.")
    click.echo("\nWhat holds them together, the weakest first:")
    _links(told.tree, feeds)


def _page(title: str, over: str, parts: Sequence[Section], intro: str = "") -> str:
    from markupsafe import Markup
    from splink.internals.html_utils import json_for_html, load_chart_libraries

    from summaries.render import page

    def spec(chart: dict[str, Any]) -> Markup:
        return Markup(json_for_html(chart))  # noqa: S704 - escaped for a script element

    libraries = [Markup(text) for text in load_chart_libraries().values()]  # noqa: S704 - Splink's own files
    return page("linkage.html", title=title, over=over, sections=parts, libraries=libraries, spec=spec, intro=intro)


def _waterfall(told: Why, chart: dict[str, Any]) -> str:
    from linkage.report import Chart, Section, Table
    from linkage.why import sentences, table

    rows = [(what, level, f"{bits:+.1f}", f"{so_far:+.1f}") for what, level, bits, so_far in table(told)]
    evidence = Table("The evidence", ("What", "How far it agrees", "Bits", "Sum"), rows, words=2)
    says = "Each bar is what one comparison adds or takes away, in bits; the last is the sum."
    part = Section(
        "The evidence", sentences(told), (), (evidence,), (Chart("From the prior to the weight", says, chart),)
    )
    return _page("Why two records are one person, or are not", f"Records {told.pair[0]} and {told.pair[1]}", [part])


def _write(path: Path, content: str) -> None:
    """Write a file that its owner alone may read."""
    from pipelines.linkage_commands import write_private

    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, content)
