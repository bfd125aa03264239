"""`make bench`: the vault beside plain Parquet, intake beside polars, many feeds at once, two nights of an invented
borough, linkage beside Splink's; and households of those nights against the truth.

Everything happens in a folder of its own that is removed at the end. PEOPLE in the environment sets the size.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.linkage import Bar, show
from pipelines.progress import Stage

if TYPE_CHECKING:
    from assets.context import Council

PEOPLE = int(os.environ.get("PEOPLE", "100000"))
LIVES = {("lives with, today", "residents", "f1"): 0.95, ("lives alone", "strong", "precision"): 0.95}


def main() -> None:
    """Measure and print."""
    for module in (
        "benchmarks.governance",
        "benchmarks.intake",
        "benchmarks.feeds35",
        "benchmarks.linkage",
        "benchmarks.release",
        "benchmarks.audit",
    ):  # each in processes of its own
        subprocess.run([sys.executable, "-m", module], check=True)
        print()
    folder = Path(tempfile.mkdtemp(prefix="kinfold-bench-"))
    os.environ |= {"KINFOLD_HOME": str(folder / "home"), "KINFOLD_STATE": str(folder / "dagster")}
    try:
        _measure(folder)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path) -> None:
    from assets.agreements import accept
    from assets.context import Council
    from governance.keys import create, key_file
    from pipelines import run
    from pipelines.definitions import build
    from pipelines.demo import FIRST, borough_folder, invent
    from pipelines.progress import Progress, progress
    from warehouse.site import site

    print(f"{PEOPLE:,} people on {os.cpu_count()} cores, one run\n")
    _imports()
    home = folder / "home"
    create(key_file(home))
    accept(site(), home, "benchmark")
    council = Council.open()
    defs, instance = build(council), run.instance()

    def timed(stage: str, work: Callable[[], int]) -> Stage:
        watch = Progress()
        watch.start()
        return watch.stop(stage, work())

    def extracts(night: date, first: bool) -> int:
        return sum(invent(PEOPLE, 1, night, home / "drop", borough_folder() / "truth", first).values())

    totals = []
    for number, night in enumerate((FIRST, FIRST + timedelta(days=1))):
        table: list[Stage] = []
        written = timed("generate", partial(extracts, night, number == 0))
        progress.stages.clear()
        found = run.waiting(council, early=None)
        run.ingest(defs, instance, found)
        table.append(_total("ingest, all feeds", progress.stages))
        progress.stages.clear()
        outcome = run.night(defs, instance, night)
        if not outcome.succeeded:
            sys.exit(f"The night of {night} stopped.")
        table += progress.stages
        totals.append(_total("the night, ingestion included", table))
        _print(f"Night {number + 1} ({night})", [written, *table, totals[-1]])
    first, second = totals
    print(f"\nFirst night {first.seconds:.0f} s (limit 360), peak {first.peak_mb:,} MB (limit 6,144).")
    share, cpu = second.seconds / first.seconds, second.cpu / first.cpu
    print(f"Second night: {share:.2f} of the first (limit 0.25); in CPU seconds {cpu:.2f}.")
    show(f"Households on {night}, beside people who share the text of an address", _homes(council, night))
    show("FEBRL 1 to 4, without social security numbers and with nothing set, beside Splink's own example", _febrl())


def _homes(council: Council, night: date) -> Iterator[Bar]:
    """Who lives with whom and who lives alone, as bars."""
    from benchmarks.households import measure
    from pipelines.demo import borough_folder, truth_of_records
    from warehouse.tables import HOUSEHOLD, HOUSEHOLD_MEMBER, PERSON, PERSON_LINK

    tables = {t.name: council.store.read(t, night) for t in (PERSON, PERSON_LINK, HOUSEHOLD, HOUSEHOLD_MEMBER)}
    household = pl.read_parquet(borough_folder() / "truth" / "household.parquet")
    found = measure(tables, {"record": truth_of_records(council), "household": household})
    for row in found.iter_rows(named=True):
        what = f"{row['measure']}, {row['of']}"
        alone = row["measure"] == "lives alone"
        for name in ("precision", "recall", "f1"):
            limit = LIVES.get((row["measure"], row["of"], name))
            rival = "" if alone else f"{row[f'rival_{name}']:.4f}"
            yield Bar(f"{what}: {name}", f"{row[name]:.4f}", f">= {limit}" if limit else "", rival)


def _febrl() -> Iterator[Bar]:
    from benchmarks.febrl import BAR, measure

    found = measure()
    for ours, theirs in zip(found[::2], found[1::2], strict=True):
        yield Bar(f"FEBRL {ours['set']}: pair F1", f"{ours['pair_f1']:.4f}", f">= {BAR}", f"{theirs['pair_f1']:.4f}")


def _imports() -> None:
    code = "import time; t=time.perf_counter(); import pipelines.definitions; print(time.perf_counter()-t)"
    seconds = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    print(f"Importing the definitions: {seconds:.2f} s (limit 2.5)")


def _total(stage: str, rows: Iterable[Stage]) -> Stage:
    parts = list(rows)
    seconds, cpu = sum(r.seconds for r in parts), sum(r.cpu for r in parts)
    return Stage(stage, seconds, cpu, max(r.peak_mb for r in parts), sum(r.rows for r in parts))


def _print(title: str, rows: Iterable[Stage]) -> None:
    print(f"\n{title}\n  {'stage':<32}{'seconds':>9}{'CPU s':>9}{'peak MB':>9}{'rows':>13}{'rows a s':>13}")
    for r in rows:
        rate = r.rows / r.seconds if r.seconds else 0
        print(f"  {r.name:<32}{r.seconds:>9.1f}{r.cpu:>9.1f}{r.peak_mb:>9,}{r.rows:>13,}{rate:>13,.0f}")


if __name__ == "__main__":
    main()
