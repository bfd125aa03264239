"""The price of governance: identities in the vault beside plain Parquet, and keyed hashes of ids.

What belongs here: the measurement. `python -m benchmarks.governance [ROWS]` prints it; `make bench` runs it too.

Ours and the rival write the same frame of invented identities at the same compression, synced, and read it back: whole,
and the few columns that a join needs. What is read has to be proved genuine first, so the vault is opened anew for
every reading. Rounds take turns, each beginning with another, as whoever reads first after a write pays for memory that
was given back; and the least of each counts, as the machine does other things too.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.linkage import Bar, show

ROWS, ROUNDS, READS = 1_000_000, 7, 20
OVER, SECONDS = 0.30, 2.0  # share of time that the vault may take over plain Parquet; of hashing a million ids
FEW = ["record_id", "birth_date", "postcode"]


def identities(rows: int, seed: int = 7) -> pl.DataFrame:
    """Invented people in the shape of what the vault holds: ids, names, dates, contacts and addresses, some nested."""
    random = np.random.default_rng(seed)
    starts, ends = ("An", "Be", "Cor", "Da", "El", "Fi", "Gra", "Ho"), ("na", "ton", "ley", "r", "m")
    syllables = [a + b for a in starts for b in ends]

    def word(parts: int) -> pl.Series:
        made = pl.Series(np.array(syllables)[random.integers(0, len(syllables), rows)])
        for _ in range(parts - 1):
            made = made + pl.Series(np.array(syllables)[random.integers(0, len(syllables), rows)]).str.to_lowercase()
        return made

    def digits(first: int, last: int) -> pl.Series:
        return pl.Series(random.integers(first, last, rows)).cast(pl.String)

    raw = random.bytes(16 * rows).hex()
    frame = pl.DataFrame(
        {
            "record_id": [raw[i : i + 32] for i in range(0, 32 * rows, 32)],
            "feed": pl.Series(np.array(["council-tax", "gp-register", "case-system"])[random.integers(0, 3, rows)]),
            "source_key": "P" + pl.Series(np.arange(rows)).cast(pl.String),
            "forename": word(2),
            "surname": word(3),
            "birth_date": pl.Series(random.integers(-15_000, 20_000, rows)).cast(pl.Int32).cast(pl.Date),
            "sex": pl.Series(np.array(["M", "F"])[random.integers(0, 2, rows)]),
            "nhs_number": digits(9_000_000_000, 9_999_999_999),
            "phone": "07" + digits(100_000_000, 999_999_999),
            "email": "p" + digits(0, 1 << 40) + "@example.org",
            "address": digits(1, 200) + " " + word(2) + " Street, Harrowmere",
            "postcode": "HM" + digits(1, 90) + " " + digits(0, 9) + "AB",
            "uprn": digits(100_000_000, 999_999_999),
        }
    )
    other = pl.concat_list(pl.struct(pl.lit("alias").alias("kind"), pl.col("forename"), pl.col("surname")))
    return frame.with_columns(pl.when(pl.int_range(pl.len()) % 10 == 0).then(other).alias("other_names"))


def least(works: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """The least seconds and the least CPU seconds of each, in rounds that take turns and begin each with another."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    names = list(works)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            clock, cpu = time.perf_counter(), time.process_time()
            works[name]()
            found[name].append((time.perf_counter() - clock, time.process_time() - cpu))
    return {name: (min(s for s, _ in times), min(c for _, c in times)) for name, times in found.items()}


def measure(rows: int, folder: Path) -> Iterator[Bar]:
    """The vault beside plain Parquet, and hashing."""
    from governance.keys import KeyRing
    from governance.pseudonyms import record_ids
    from governance.vault import Vault

    ring, frame = KeyRing(secrets.token_bytes(32)), identities(rows)
    name, kept, plain = "vault/source_record/2026-11-20/part", folder / "kept.parquet", folder / "plain.parquet"

    def write_plain() -> None:
        frame.write_parquet(plain, compression_level=1, statistics=False)
        with plain.open("rb") as file:
            os.fsync(file.fileno())

    def read(path: Path, columns: list[str] | None) -> pl.DataFrame:
        lazy = Vault(ring).scan(path, name) if path == kept else pl.scan_parquet(path, glob=False)
        return (lazy.select(columns) if columns else lazy).collect()

    found = least({"write": lambda: Vault(ring).write(frame, kept, name), "write, plain": write_plain})
    found |= least({"read": lambda: read(kept, None), "read, plain": lambda: read(plain, None)}, READS)
    few, rival = "read three columns", "read three columns, plain"
    found |= least({few: lambda: read(kept, FEW), rival: lambda: read(plain, FEW)}, READS)
    if not read(kept, None).equals(frame):
        raise SystemExit("What was read from the vault is not what was written.")
    yield from _beside(f"write {rows:,}", found["write"], found["write, plain"], f"<= {1 + OVER:.2f}")
    yield from _beside(f"read {rows:,}", found["read"], found["read, plain"], f"<= {1 + OVER:.2f}")
    yield from _beside(
        "read three columns of them", found["read three columns"], found["read three columns, plain"], ""
    )
    yield Bar("bytes on the disk: times plain", f"{kept.stat().st_size / plain.stat().st_size:.3f}")
    keys = frame["source_key"]
    seconds, cpu = least({"hash": lambda: record_ids("council-tax", keys, ring)}, 3)["hash"]
    yield Bar(f"HMAC-SHA-256 of {rows:,} ids: seconds", f"{seconds:.2f}", f"<= {SECONDS * rows / ROWS:.1f}")
    yield Bar(f"HMAC-SHA-256 of {rows:,} ids: CPU seconds", f"{cpu:.2f}")


def _beside(what: str, ours: tuple[float, float], plain: tuple[float, float], limit: str) -> Iterator[Bar]:
    yield Bar(f"{what}: seconds", f"{ours[0]:.3f}", "", f"{plain[0]:.3f}")
    yield Bar(f"{what}: times plain", f"{ours[0] / plain[0]:.2f}", limit)
    yield Bar(f"{what}: CPU seconds, times plain", f"{ours[1] / plain[1]:.2f}")


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory(prefix="kinfold-bench-") as made:
        show(f"Keys and vault at {rows:,} identities, beside plain Parquet", measure(rows, Path(made)))


if __name__ == "__main__":
    main()
