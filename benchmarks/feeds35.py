"""Ingestion of many small deliveries: 35 feeds of 10 each in one `kinfold ingest`, beside the sum of their own work.

Own work is landing and checking each delivery, with no Dagster around it, in the same process and on the same files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

FIRST = date(2026, 11, 1)
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {id}
name: Feed {id}
version: 1.0.0
status: active
domain: housing
servers: [{{server: drop, type: local, path: "{id}/*.csv", format: csv}}]
customProperties:
  - {{property: partner, value: housing}}
  - {{property: delivery, value: {kind}}}
schema:
  - name: person
    properties:
      - {{name: ref, logicalType: string, primaryKey: true}}
      - {{name: forename, logicalType: string}}
      - {{name: surname, logicalType: string, required: true}}
      - {{name: dob, logicalType: date, logicalTypeOptions: {{format: dd/MM/yyyy}}}}
      - {{name: sex, logicalType: string, enum: [{{value: M}}, {{value: F}}]}}
      - {{name: since, logicalType: date, required: true}}
    customProperties:
      - property: person
        value: {{key: ref, forename: forename, surname: surname, birth_date: dob, sex: sex}}
      - property: yields
        value: [{{event: tenancy, start: since, code: sex}}]
"""
HEADER = "ref,forename,surname,dob,sex,since\n"


def site(folder: Path, feeds: int) -> Path:
    """A council of that many feeds, its other files those of the invented one."""
    from warehouse.site import PROJECT

    made = folder / "sites" / "many"
    shutil.copytree(PROJECT / "sites" / "harrowmere", made, ignore=shutil.ignore_patterns("*.odcs.yaml"))
    (made / "feeds").mkdir(exist_ok=True)
    for i in range(feeds):
        id, kind = f"feed-{i:02}", "delta" if i % 3 == 2 else "snapshot"
        (made / "feeds" / f"{id}.odcs.yaml").write_text(CONTRACT.format(id=id, kind=kind), encoding="utf-8")
    return made


def deliver(drop: Path, feeds: int, deliveries: int, rows: int) -> None:
    """Files of every feed and day: of each day a few rows changed."""
    for i in range(feeds):
        folder = drop / f"feed-{i:02}"
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(deliveries):
            lines = [
                f"{r},Ann{r % 7},Bo{(r + n * (r % 50 == 0)) % 11},{r % 28 + 1:02}/02/2010,F,2026-01-{r % 28 + 1:02}"
                for r in range(rows)
            ]
            path = folder / f"x_{FIRST + timedelta(days=n)}.csv"
            path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
            os.utime(path, (time.time() - 3600,) * 2)


def own_work(home: Path, folder: Path) -> float:
    """Seconds to land and check everything, and nothing else."""
    from feeds.deliveries import find_deliveries, land
    from feeds.intake import check

    council = _council(folder, home)
    now = datetime.now(UTC).replace(tzinfo=None)
    found = find_deliveries(home / "drop", council.contracts, council.store, now, timedelta(0))
    began = time.perf_counter()
    for one in found:
        landed = land(one, council.store, council.vault)
        check(council.contracts[one.feed], landed, council.store, council.vault, council.ring, now)
    return time.perf_counter() - began


def ingestion(home: Path, folder: Path) -> float:
    """Seconds of what `kinfold ingest` does, from the drop folder on."""
    from pipelines import run
    from pipelines.definitions import build

    council = _council(folder, home)
    defs, where = build(council), run.instance()
    began = time.perf_counter()
    outcomes = run.ingest(defs, where, run.waiting(council, early=None))
    seconds = time.perf_counter() - began
    bad = [one for one in outcomes if not one.succeeded]
    if bad:
        raise SystemExit(f"{len(bad)} of {len(outcomes)} deliveries were not accepted: {bad[0].what} {bad[0].reason}")
    return seconds


def importing(home: Path, folder: Path) -> float:
    """Seconds that a process takes to import and make the definitions."""
    from warehouse.site import PROJECT

    code = (
        "import time; t = time.perf_counter(); import pipelines.definitions as d; d.defs(); "
        "print(time.perf_counter() - t)"
    )
    environment = {**os.environ, "KINFOLD_HOME": str(home), "KINFOLD_SITE": str(folder)}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, check=True, capture_output=True, text=True
    )
    return float(told.stdout.splitlines()[-1])


def _council(folder: Path, home: Path):  # type: ignore[no-untyped-def]
    from assets.context import Council

    return Council.open(folder, home)


def measure(feeds: int = 35, deliveries: int = 10, rows: int = 200) -> dict[str, float]:
    """Own work, ingestion and their ratio, and the loading of the definitions, in seconds."""
    import great_expectations  # noqa: F401 - neither side pays for importing it

    from governance.keys import create, key_file

    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        folder = site(root, feeds)
        os.environ["KINFOLD_STATE"] = str(root / "dagster")
        homes = [root / "own", root / "ingest", root / "warm"]
        for home in homes:
            create(key_file(home))
        deliver(homes[2] / "drop", 1, 2, rows)
        own_work(homes[2], folder)
        for home in homes[:2]:
            deliver(home / "drop", feeds, deliveries, rows)
        own, whole = own_work(homes[0], folder), ingestion(homes[1], folder)
        return {"own work": own, "ingest": whole, "ratio": whole / own, "definitions": importing(homes[1], folder)}


if __name__ == "__main__":
    sizes = list(map(int, sys.argv[1:])) or [35, 10, 200]
    print("{} feeds with {} deliveries of {} rows each in one ingestion, seconds".format(*sizes))
    for what, value in measure(*sizes).items():
        limit = {"ratio": " (limit 1.5)", "definitions": " (limit 2.5)"}.get(what, "")
        print(f"  {what:12} {value:8.2f}{limit}")
