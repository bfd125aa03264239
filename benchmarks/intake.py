"""Intake against plain polars: one file of 20 columns with 20 rules, each measured in a process of its own.

What belongs here: the measurement. `python -m benchmarks.intake [ROWS]` prints it; `measure` is for
`make bench`.

Ours is all of `intake.check`: unsealing, reading, judging by Great Expectations, splitting, cleaning into the canonical
tables, and writing rows, people, events and ledger encrypted. The rival reads the same file with `polars.read_csv`,
applies the same 20 rules as plain expressions and writes the rows that keep them and the rest as plain Parquet.
Libraries are imported before either clock starts.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

NOW = datetime(2026, 11, 20, 2)
DAY = "2026-11-20"
POSTCODE = "[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}"
EMAIL = "[^@ ]+@[^@ ]+[.][a-z]+"
ETHNICITIES = ("WBRI", "WIRI", "WOTH", "MWBC", "AIND", "APKN", "BCRB", "BAFR", "CHNE", "NOBT")
STATES = ("open", "closed", "paused")
SERVICES = ("housing", "early help", "adult care", "debt advice")
SHOWN = ("rows", "who", "seconds", "cpu", "peak_mb", "ratio")
CONTRACT = f"""\
apiVersion: v3.1.0
kind: DataContract
id: bench
name: Cases of a service
version: 1.0.0
status: active
domain: housing
servers: [{{server: drop, type: local, path: "bench/*.csv", format: csv}}]
customProperties: [{{property: partner, value: bench}}]
schema:
  - name: case
    properties:
      - {{name: ref, logicalType: string, primaryKey: true}}
      - {{name: person, logicalType: string, required: true}}
      - {{name: forename, logicalType: string}}
      - {{name: surname, logicalType: string, required: true}}
      - {{name: dob, logicalType: date, logicalTypeOptions: {{format: dd/MM/yyyy}}}}
      - {{name: sex, logicalType: string, enum: [{{value: M}}, {{value: F}}]}}
      - {{name: ethnicity, logicalType: string, enum: [{", ".join(f"{{value: {e}}}" for e in ETHNICITIES)}]}}
      - {{name: nhs, logicalType: string, logicalTypeOptions: {{pattern: "[0-9]{{10}}"}}}}
      - {{name: street, logicalType: string}}
      - {{name: town, logicalType: string}}
      - {{name: postcode, logicalType: string, logicalTypeOptions: {{pattern: "{POSTCODE}"}}}}
      - {{name: phone, logicalType: string}}
      - {{name: email, logicalType: string, logicalTypeOptions: {{pattern: "{EMAIL}"}}}}
      - {{name: service, logicalType: string, enum: [{", ".join(f"{{value: {s}}}" for s in SERVICES)}]}}
      - {{name: opened, logicalType: date, required: true}}
      - {{name: closed, logicalType: date}}
      - {{name: visits, logicalType: integer, logicalTypeOptions: {{minimum: 0, maximum: 400}}}}
      - {{name: arrears, logicalType: number}}
      - {{name: status, logicalType: string, enum: [{", ".join(f"{{value: {s}}}" for s in STATES)}]}}
      - {{name: active, logicalType: boolean}}
    quality:
      - name: a case is closed on or after the day it was opened
        type: custom
        engine: greatExpectations
        implementation:
          {{expect: column_pair_values_a_to_be_greater_than_b, column_A: closed, column_B: opened, or_equal: true}}
    customProperties:
      - property: person
        value: {{key: person, forename: forename, surname: surname, birth_date: dob, sex: sex, ethnicity: ethnicity,
                nhs_number: nhs, email: email, phone: phone, address: {{line: [street, town], postcode: postcode}}}}
      - property: yields
        value: [{{event: tenancy_action, key: ref, start: opened, end: closed, code: service, value: arrears}}]
"""


def write_file(path: Path, rows: int, seed: int = 7, at_once: int = 500_000) -> None:
    """Write a file of invented cases: about two to a person, one row in a hundred with one bad cell."""
    random = np.random.default_rng(seed)
    syllables = np.array(
        [a + b for a in ("An", "Be", "Cor", "Da", "El", "Fi", "Gra") for b in ("na", "ton", "ley", "r")]
    )

    def text(numbers: Any) -> pl.Series:
        return pl.Series(numbers).cast(pl.String)

    def day(numbers: Any) -> pl.Series:
        return pl.Series(numbers).cast(pl.Int32).cast(pl.Date)

    def one_of(choice: Any, which: Any) -> pl.Series:
        return pl.Series(np.array(list(choice))[which % len(choice)])

    with path.open("wb") as out:
        for start in range(0, rows, at_once):
            n = min(at_once, rows - start)
            ref = np.arange(start, start + n)
            who = ref // 2
            opened = 18_000 + random.integers(0, 2_500, n)
            unit = one_of("ABDEFGHJLN", who // 10) + one_of("PQRSTUWXYZ", who // 100)
            frame = pl.DataFrame(
                {
                    "ref": text(ref + 10_000_000),
                    "person": "P" + text(who + 1_000_000),
                    "forename": one_of(syllables, who),
                    "surname": one_of(syllables, who // 28) + one_of(syllables, who // 784).str.to_lowercase(),
                    "dob": day(who % 27_000 - 5_000).dt.strftime("%d/%m/%Y"),
                    "sex": one_of("MF", who),
                    "ethnicity": one_of(ETHNICITIES, who),
                    "nhs": text(who * 7_919 % 900_000_000 + 9_000_000_000),
                    "street": text(who % 200 + 1) + " " + one_of(syllables, who // 200) + " Street",
                    "town": one_of(("Harrow", "Mere", "Long Marsh"), who),
                    "postcode": "HM" + text(who % 90 + 1) + " " + text(who % 10) + unit,
                    "phone": "07" + text(who * 31 % 900_000_000 + 100_000_000),
                    "email": "p" + text(who) + "@example.org",
                    "service": one_of(SERVICES, random.integers(0, 4, n)),
                    "opened": day(opened).cast(pl.String),
                    "closed": day(opened + random.integers(0, 300, n)).cast(pl.String),
                    "visits": text(random.integers(0, 60, n)),
                    "arrears": text(random.integers(0, 500_000, n) / 100),
                    "status": one_of(STATES, random.integers(0, 3, n)),
                    "active": one_of(("yes", "no"), random.integers(0, 2, n)),
                }
            )
            bad = {"sex": "Q", "dob": "31/02/2010", "postcode": "nowhere", "visits": "9999", "closed": "1999-01-01",
                   "status": "?", "arrears": "much", "nhs": "12", "surname": None, "email": "none"}  # fmt: skip
            hit = pl.Series(np.where(random.random(n) < 0.01, random.integers(0, len(bad), n), -1))
            frame = frame.with_columns(
                pl.when(hit == i).then(pl.lit(value)).otherwise(name).alias(name)
                for i, (name, value) in enumerate(bad.items())
            )
            out.write(frame.write_csv(include_header=start == 0).encode())


def rival(file: Path, folder: Path) -> dict[str, Any]:
    """Polars alone: read, 20 rules as expressions, two Parquet files."""
    clock, cpu = time.perf_counter(), time.process_time()
    rows = pl.read_csv(file, infer_schema=False)

    def day(name: str, form: str) -> pl.Expr:
        value = pl.col(name).str.to_date(form, strict=False)
        return pl.when(value.dt.year().is_between(1800, 2200)).then(value)

    def reads(name: str, value: pl.Expr) -> pl.Expr:
        return pl.col(name).is_null() | value.is_not_null()

    def is_or_null(name: str, well: pl.Expr) -> pl.Expr:
        return pl.col(name).is_null() | well

    visits, arrears = pl.col("visits").cast(pl.Int64, strict=False), pl.col("arrears").cast(pl.Float64, strict=False)
    opened, closed = day("opened", "%Y-%m-%d"), day("closed", "%Y-%m-%d")
    rules = [
        pl.col("ref").is_not_null(),
        pl.col("ref").is_first_distinct(),
        pl.col("person").is_not_null(),
        pl.col("surname").is_not_null(),
        pl.col("opened").is_not_null(),
        reads("dob", day("dob", "%d/%m/%Y")),
        reads("opened", opened),
        reads("closed", closed),
        reads("visits", visits),
        reads("arrears", arrears),
        reads("active", pl.col("active").str.to_lowercase().is_in(["yes", "no", "y", "n", "true", "false", "1", "0"])),
        is_or_null("sex", pl.col("sex").is_in(["M", "F"])),
        is_or_null("ethnicity", pl.col("ethnicity").is_in(ETHNICITIES)),
        is_or_null("service", pl.col("service").is_in(SERVICES)),
        is_or_null("status", pl.col("status").is_in(STATES)),
        is_or_null("nhs", pl.col("nhs").str.contains("^[0-9]{10}$")),
        is_or_null("postcode", pl.col("postcode").str.contains(f"^{POSTCODE}$")),
        is_or_null("email", pl.col("email").str.contains(f"^{EMAIL}$")),
        is_or_null("visits", visits.is_between(0, 400)),
        pl.any_horizontal(closed.is_null(), opened.is_null(), closed >= opened),
    ]
    well = rows.select(pl.all_horizontal(r.fill_null(False) for r in rules).alias("well"))["well"]
    judged = time.perf_counter() - clock
    rows.filter(well).write_parquet(folder / "well.parquet")
    rows.filter(~well).write_parquet(folder / "aside.parquet")
    return {"seconds": time.perf_counter() - clock, "cpu": time.process_time() - cpu, "judged": judged,
            "accepted": int(well.sum())}  # fmt: skip


def ours(file: Path, folder: Path) -> dict[str, Any]:
    """The file landed, then checked."""
    import great_expectations  # noqa: F401 - imported before the clock starts

    from feeds.deliveries import find_deliveries, land
    from feeds.dialect import load_contract
    from feeds.intake import check
    from governance import keys
    from governance.vault import Vault
    from warehouse.store import Store

    home = folder / "home"
    keys.create(keys.key_file(home))
    ring = keys.KeyRing.load(home)
    vault = Vault(ring)
    store = Store(home, vault)
    place = folder / "site" / "bench.odcs.yaml"
    place.parent.mkdir()
    place.write_text(CONTRACT, encoding="utf-8")
    contract = load_contract(place)
    name = f"bench/cases_{DAY}.csv"
    (home / "drop" / "bench").mkdir(parents=True)
    os.link(file, home / "drop" / name)
    clock = time.perf_counter()
    (found,) = find_deliveries(home / "drop", {"bench": contract}, store, NOW, timedelta(0))
    landed = land(found, store, vault)
    landing = time.perf_counter() - clock
    before = {thread.ident for thread in threading.enumerate()}
    clock, cpu = time.perf_counter(), time.process_time()
    load = check(contract, landed, store, vault, ring, NOW)
    seconds = time.perf_counter() - clock
    if load.status != "accepted":
        raise SystemExit(load.reason)
    left = [t.name for t in threading.enumerate() if t.ident not in before]
    return {"seconds": seconds, "cpu": time.process_time() - cpu, "landing": landing, "accepted": load.accepted,
            "received": load.received, "rules": len(contract.table("case").rules), "left": left}  # fmt: skip


def measure(rows: int, folder: Path) -> list[dict[str, Any]]:
    """Both, one after the other, on one file made in `folder`: seconds, CPU seconds and peak memory of each.

    Raises:
        RuntimeError: they do not accept the same number of rows.
    """
    file = folder / "cases.csv"
    write_file(file, rows)
    table: list[dict[str, Any]] = []
    for who in ("polars", "ours"):
        place = folder / who
        place.mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.intake", "--one", who, str(file), str(place)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{who}: {done.stderr[-3000:]}")
        table.append({"rows": rows, "who": who, **json.loads(done.stdout.splitlines()[-1])})
    if table[0]["accepted"] != table[1]["accepted"]:
        raise RuntimeError(f"polars accepts {table[0]['accepted']} rows and we {table[1]['accepted']}")
    return [row | {"ratio": row["seconds"] / table[0]["seconds"]} for row in table]


def main() -> None:
    """Measure and print; `--one WHO FILE FOLDER` is one side in this process."""
    if sys.argv[1:2] == ["--one"]:
        who, file, folder = sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
        told = {"polars": rival, "ours": ours}[who](file, folder)
        print(json.dumps(told | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
        return
    rows = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    with tempfile.TemporaryDirectory(prefix="kinfold-intake-") as name:
        table = measure(rows, Path(name))
        size = (Path(name) / "cases.csv").stat().st_size >> 20
    print(f"{rows:,} rows of 20 columns ({size} MB), {table[1]['rules']} rules, {os.cpu_count()} cores, {date.today()}")
    print(f"  {'':<8}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'ratio':>7}")
    for row in table:
        print(f"  {row['who']:<8}{row['seconds']:>9.1f}{row['cpu']:>8.1f}{row['peak_mb']:>9,}{row['ratio']:>7.2f}")
    told, all_of_it = table[0]["judged"], table[1]["seconds"]
    print(f"  without writing, polars takes {told:.1f} s, of which all of ours is {all_of_it / told:.2f} times")
    print(f"  landing the file sealed takes {table[1]['landing']:.1f} s more")


if __name__ == "__main__":
    main()
