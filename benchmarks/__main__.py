"""`make bench`: intake beside polars, many feeds at once, two nights of an invented borough, linkage beside Splink's.

Everything happens in a folder of its own that is removed at the end. PEOPLE in the environment sets the size.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from pipelines.progress import Stage

PEOPLE = int(os.environ.get("PEOPLE", "100000"))


def main() -> None:
    """Measure and print."""
    for module in ("benchmarks.intake", "benchmarks.feeds35"):  # each in processes of its own
        subprocess.run([sys.executable, "-m", module], check=True)
        print()
    folder = Path(tempfile.mkdtemp(prefix="kinfold-bench-"))
    os.environ |= {"KINFOLD_HOME": str(folder / "home"), "KINFOLD_STATE": str(folder / "dagster")}
    try:
        _measure(folder)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path) -> None:
    from assets.context import Council
    from benchmarks.linkage import SHOWN, measure
    from governance.keys import create, key_file
    from pipelines import run
    from pipelines.definitions import build
    from pipelines.demo import FIRST, borough_folder, invent, truth_of_records
    from pipelines.progress import Progress, progress
    from warehouse.tables import SOURCE_RECORD

    print(f"{PEOPLE:,} people on {os.cpu_count()} cores, one run\n")
    _imports()
    home = folder / "home"
    create(key_file(home))
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

    records = council.store.read(SOURCE_RECORD, FIRST)
    print(f"\nLinkage of {records.height:,} records, CPU seconds (limit for score, cluster and ids: 12 at 233,000)")
    for row in measure(records, truth_of_records(council), home / "tmp"):
        told = "  ".join(f"{name} {row[name]:.4f}" for name in SHOWN[:-1])
        print(f"  {row['model']:<15}{told}  train {row['train_cpu']:.1f}  link {row['link_cpu']:.1f}")


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
