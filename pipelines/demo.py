"""The demonstration: an invented borough's deliveries through ingestion and the night, and what came out of it.

The one place in the pipeline that knows the borough and its truth; nothing that it runs does.
"""

import gzip
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import polars as pl

from assets.agreements import accept
from assets.context import Council
from governance.acceptance import register_file
from governance.keys import create, create_delivery_key, delivery_certificate, delivery_key_file, key_file
from governance.pseudonyms import record_ids
from linkage.evaluation import scores
from pipelines import run
from pipelines.definitions import build
from pipelines.progress import Stage
from pipelines.review_desk import TEAM, Desk
from warehouse import site as sites
from warehouse.tables import LOAD, PERSON_LINK

FIRST = date(2026, 11, 20)  # the first night; extracts are drawn as a day begins, the night runs at two
LATE, BAD, SHORT = ("police-missing",), ("school-census",), ("parking-permits",)  # on every later night
PACKED, ENCRYPTED = "revenues/ctax_*.txt", "health/attendances_*.csv"  # as some partners send theirs


@dataclass
class Demonstration:
    """What the borough's folder remembers from one demonstration to the next."""

    people: int
    seed: int
    nights: list[str] = field(default_factory=list)

    @property
    def next(self) -> date:
        """The night to come."""
        return FIRST + timedelta(days=len(self.nights))


def borough_folder() -> Path:
    """Where the invented borough's own memory and truth lie: beside the data, never in it."""
    home = sites.home()
    return home.parent / f"{home.name}-borough"


def invent(people: int, seed: int, day: date, drop: Path, truth: Path, first: bool = True) -> dict[str, int]:
    """Write the extracts of a day, and the truth behind them apart; returns rows by file."""
    from synthetic import borough, extracts
    from synthetic import truth as known

    world = borough.make(people, seed, FIRST)
    written = extracts.write(
        world,
        drop,
        day,
        seed,
        since=None if first else day - timedelta(days=1),
        late=() if first else LATE,
        bad=() if first else BAD,
        short=() if first else SHORT,
    )
    known.write(world, written.records, truth)
    return dict(written.rows)


def demonstrate(people: int, seed: int) -> bool:
    """Run the next night of the demonstration and print what came of it; True where the night was published."""
    began = time.perf_counter()
    demo = _remembered(people, seed)
    first, night = not demo.nights, demo.next
    home = sites.home()
    if not key_file(home).exists():
        create(key_file(home))
        click.echo(f"Made a key for the demonstration: {key_file(home)}")
    if not register_file(home).exists():
        taken = accept(sites.site(), home, "demonstration")
        click.echo(
            f"Accepted the {len(taken)} sharing agreements of the invented council, for the demonstration. A real "
            "council reads first: `kinfold agreements diff`, then `kinfold agreements accept AGREEMENT --who NAME`."
        )
    council = Council.open()
    _heading(f"{council.organisation.council}, invented, {people:,} people: the night of {night}")

    written = invent(people, seed, night, home / "drop", borough_folder() / "truth", first)
    _sent(home)
    if first:
        _refuges(council)
    click.echo(f"{sum(written.values()):,} rows in {len(written)} files, in {time.perf_counter() - began:.0f} s")
    _heading("Ingestion, a run for each delivery")
    defs, instance = build(council), run.instance()
    found = run.waiting(council, early=None)  # the borough's days are its own
    run.ingest(defs, instance, found, lambda o: _line(o.seconds, o.what, "" if o.succeeded else o.status.upper()))

    _heading("The night")
    stages: list[Stage] = []

    def show(stage: Stage) -> None:
        stages.append(stage)
        _line(stage.seconds, stage.name, f"{stage.rows:,} rows")

    outcome = run.night(defs, instance, night, show)
    if not outcome.succeeded:
        click.echo("The night stopped; what was published before stands. `make serve` shows the step and why.")
        return False
    demo.nights.append(night.isoformat())
    (borough_folder() / "borough.json").write_text(json.dumps(demo.__dict__))
    _report(council, night, [one.feed for one in found])
    click.echo(f"\nAll of it in {time.perf_counter() - began:.0f} s.")
    return True


def _refuges(council: Council) -> None:
    """Put the borough's refuges on the register, as those who run them would ask: no gazetteer says what they are."""
    lived = pl.read_parquet(borough_folder() / "truth" / "household.parquet")
    uprns = lived.filter(pl.col("kind") == "refuge")["uprn"].unique().sort().to_list()
    if uprns:
        Desk(council, "demonstration", council.organisation.teams[TEAM].reason).protect([], uprns, None)


def _sent(home: Path) -> None:
    """Pack one partner's extract, and encrypt another's to the council's key, as they would before they send it."""
    import pysequoia

    if not delivery_key_file(home).exists():
        create_delivery_key(home)
    council = pysequoia.Cert.from_bytes(delivery_certificate(home).encode())
    for path in (home / "drop").glob(ENCRYPTED):
        path.with_name(f"{path.name}.pgp").write_bytes(pysequoia.encrypt(path.read_bytes(), recipients=[council]))
        path.unlink()
    for path in (home / "drop").glob(PACKED):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def _remembered(people: int, seed: int) -> Demonstration:
    memory = borough_folder() / "borough.json"
    if memory.exists():
        demo = Demonstration(**json.loads(memory.read_text()))
        if (demo.people, demo.seed) == (people, seed):
            return demo
        click.echo(f"The borough here has {demo.people:,} people (seed {demo.seed}); starting another in its place.")
        for folder in (sites.home(), borough_folder()):
            shutil.rmtree(folder)
    elif any(sites.home().glob("ledger/*")):
        raise click.ClickException(
            f"{sites.home()} holds data that no demonstration made. Name another folder by KINFOLD_HOME."
        )
    borough_folder().mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps(Demonstration(people, seed).__dict__))
    return Demonstration(people, seed)


def _report(council: Council, night: date, delivered: Sequence[str]) -> None:
    facts = council.store.manifest(night)
    loads = council.store.read(LOAD, night)
    tonight = loads.filter(pl.col("delivery").str.starts_with(str(night)))
    _heading("What was delivered")
    _table(
        ["feed", "delivery", "", "rows in", "accepted", "quarantined", "withdrawn"],
        [
            [
                r["feed"],
                r["delivery"],
                r["status"],
                *(f"{r[c] or 0:,}" for c in ("received", "accepted", "quarantined", "withdrawn")),
            ]
            for r in tonight.sort("feed").iter_rows(named=True)
        ]
        + [["all", "", "", *(f"{tonight[c].sum():,}" for c in ("received", "accepted", "quarantined", "withdrawn"))]],
    )
    for r in tonight.filter(pl.col("status") != "accepted").iter_rows(named=True):
        click.echo(f"  {r['status']}: {r['feed']}: {r['reason']}")
    for feed in sorted(set(council.contracts) - set(delivered)):
        why = "late" if feed in LATE else "nothing new"
        click.echo(f"  {why}: {feed}: nothing came; the night used its delivery of {facts['deliveries'].get(feed)}.")
    _heading("What came of it")
    for name, value in outcome_lines(council, night, facts):
        click.echo(f"  {name:<34} {value}")
    _heading("What to open")
    home = council.home
    for what, path in (
        ("marts, in DuckDB", home / "marts" / "current.duckdb"),
        ("case summaries", home / "outbox"),
        ("runs, checks, freshness", "make serve, then http://127.0.0.1:3000"),
        ("eleven questions to ask", "docs/questions.md"),
    ):
        click.echo(f"  {what:<34} {path}")


def outcome_lines(council: Council, night: date, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a night made, in words, with linkage held against the borough's truth."""
    against = linkage_scores(council, night)
    return [
        ("people, from records", f"{facts['rows']['person']:,} from {facts['rows']['source_record']:,}"),
        ("households", f"{facts['rows']['household']:,}"),
        ("events", f"{facts['rows']['event']:,}"),
        ("linkage precision, recall (pairs)", f"{against['pair_precision']:.4f}, {against['pair_recall']:.4f}"),
        ("linkage B-cubed F1", f"{against['bcubed_f1']:.4f}"),
        *((f"risk: {outcome}", gate) for outcome, gate in facts["risk"].items()),
        ("flags", f"{facts['rows']['risk_flag']:,}"),
        ("case summaries", f"{facts['summaries']:,}"),
    ]


def linkage_scores(council: Council, night: date) -> dict[str, float]:
    """Precision, recall and F1 of the night's links against the truth, over all pairs."""
    return scores(council.store.read(PERSON_LINK, night), truth_of_records(council))


def truth_of_records(council: Council, folder: Path | None = None) -> pl.DataFrame:
    """Who stands behind each record, by the borough's truth or another folder's: record_id, person."""
    known = pl.read_parquet((folder or borough_folder() / "truth") / "record.parquet").drop_nulls("person")
    ids = pl.concat(
        part.select(record_ids(feed, part["source_key"], council.ring).alias("record_id"), "person")
        for (feed,), part in known.partition_by("feed", as_dict=True).items()
    )
    return ids.unique("record_id", keep="first", maintain_order=True)


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _line(seconds: float, what: str, more: str) -> None:
    click.echo(f"  {seconds:6.1f} s  {what:<32} {more}")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        click.echo("  " + "  ".join(cells).rstrip())
