"""A contract tried on a file: what would become of each row, with nothing loaded and nobody named.

What belongs here: a delivery taken through the real intake in a house of its own, under a key that is thrown away, and
what came of it with identity masked. The house is removed whatever happens.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import polars as pl

from feeds.contracts import Contract
from feeds.deliveries import File, Found, land
from feeds.intake import check
from feeds.ledger import QUARANTINE, Load
from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.site import SiteError, short
from warehouse.store import Store
from warehouse.tables import TABLES, Table, Zone

ROWS = 5
LONGEST = 6 * 3600  # seconds that a trial may take
HIDDEN = ("record_id", "other_record_id", "row_hash", "delivery", "feed", "partner")


@dataclass(frozen=True)
class Trial:
    """What became of the files.

    Attributes:
        load: as the ledger would have it.
        quarantined: table, rule, how many rows broke it, and the first of their numbers.
        made: the first rows of each canonical table, values that identify people masked.
    """

    load: Load
    quarantined: pl.DataFrame
    made: dict[str, pl.DataFrame]


def attempt(contract: Contract, files: Sequence[Path], protected: Path, now: datetime, rows: int = ROWS) -> Trial:
    """Take files through a contract as if they had been delivered together, and load nothing.

    Args:
        files: in the layout of the contract; a name that fits none of its patterns is given one where it has but one.
        protected: a folder on the disk that may hold personal data; what is kept meanwhile is sealed all the same.
        now: UTC, naive.
        rows: how many rows of each table are shown.

    Raises:
        SiteError: a file is not there, or it is not clear which table it holds.
        RuleError: a rule of the contract cannot be run.
    """
    protected.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in protected.glob("trial-*"):  # of a trial that was killed
        if left.stat().st_mtime < now.replace(tzinfo=UTC).timestamp() - LONGEST:
            shutil.rmtree(left, ignore_errors=True)
    home = Path(tempfile.mkdtemp(prefix="trial-", dir=protected))
    try:
        ring = KeyRing(secrets.token_bytes(32))
        vault = Vault(ring)
        store = Store(home, vault)
        landed = land(_found(contract, files, home / "drop", now.date()), store, vault)
        load = check(contract, landed, store, vault, ring, now)
        return Trial(load, _broken(store, contract, load), _made(store, load, rows))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _found(contract: Contract, files: Sequence[Path], drop: Path, day: date) -> Found:
    """The files as a delivery in the drop folder: links, which landing takes away."""
    listed = []
    for number, file in enumerate(files):
        if not file.is_file():
            raise SiteError([f"{short(file)}: there is no such file. Check the path."])
        name = _name(contract, file, day, number)
        link = drop / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
        with file.open("rb") as content:
            listed.append(File(name, file.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()))
    digest = hashlib.sha256("\n".join(f.sha256 for f in listed).encode()).hexdigest()
    return Found(contract.id, str(day), tuple(listed), digest)


def _name(contract: Contract, file: Path, day: date, number: int) -> str:
    """The name under which the contract expects a file, by the last part of its patterns."""
    fitting = [g for g in contract.globs if fnmatchcase(file.name, PurePosixPath(g).name)]
    if fitting:
        return str(PurePosixPath(max(fitting, key=len)).with_name(file.name))
    if len(contract.globs) > 1:
        names = ", ".join(PurePosixPath(g).name for g in contract.globs)
        raise SiteError([f"{file.name}: which table does it hold? Call it like one of {names}."])
    pattern = contract.globs[0]
    ending = file.suffix if PurePosixPath(pattern).suffix in ("", ".*") else ""
    return re.sub(r"\[.*?\]|[*?]+", f"{day}-{number}" if number else str(day), pattern) + ending


def _broken(store: Store, contract: Contract, load: Load) -> pl.DataFrame:
    """Quarantined rows by table and rule, with where the first of them stand."""
    folder = f"feed/{load.feed}/{load.delivery}"
    parts = [
        pl.DataFrame(schema={"table": pl.String, "rule": pl.String, "rows": pl.UInt32, "first": pl.List(pl.Int64)})
    ]
    for table in contract.tables:
        name = f"{QUARANTINE}{table.name}"
        if name in store.names(Zone.VAULT, folder):
            frame = store.get(Zone.VAULT, folder, name).select("_row", rule="failed_rules").collect()
            broken = frame.explode("rule").drop_nulls("rule").group_by("rule", maintain_order=True)
            some = broken.agg(rows=pl.len(), first=pl.col("_row").sort().head(10))
            parts.append(some.select(pl.lit(table.name).alias("table"), "rule", "rows", "first"))
    return pl.concat(parts).sort("table", "rows", "rule", descending=[False, True, False])


def _made(store: Store, load: Load, rows: int) -> dict[str, pl.DataFrame]:
    folder = f"feed/{load.feed}/{load.delivery}"
    names = [n for n in store.names(Zone.VAULT, folder) if n in TABLES and TABLES[n].zone is not Zone.LEDGER]
    return {name: masked(TABLES[name], store.get(Zone.VAULT, folder, name).head(rows).collect()) for name in names}


def masked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without Kinfold's own ids, what identifies people masked: Ann as A**, 2010-02-01 as 2010."""
    hidden = {"words", *(c.name for c in table.columns if c.identity)}
    kept = [c for c in frame.columns if c not in HIDDEN and c != table.key[0]]
    return frame.select(_mask(c, frame.schema[c]) if c in hidden else pl.col(c) for c in kept)


def told(trial: Trial) -> str:
    """What a trial came to, in words and counts, with the first rows that would be made."""
    load = trial.load
    lines = [
        f"{load.status.upper()}: {load.received:,} rows = {load.accepted:,} accepted + {load.quarantined:,} "
        f"quarantined + {load.withdrawn:,} withdrawn. Nothing was loaded.",
    ]
    lines += [load.reason] if load.reason else []
    for table, rule, rows, first in trial.quarantined.rows():
        more = " ..." if rows > len(first) else ""
        lines.append(f"  set aside  {rows:>7,}  {table}: {rule} (rows {', '.join(map(str, first))}{more})")
    for one in load.rules:
        if one.severity == "warn" and one.rows:
            lines.append(f"  reported   {one.rows:>7,}  {one.table}: {one.rule}")
    for name, frame in trial.made.items():
        lines += ["", f"{name}, the first {frame.height}:" if frame.height else f"{name}: none"]
        for row in frame.iter_rows(named=True):
            lines.append("  " + "; ".join(f"{k} {v}" for k, v in row.items() if v is not None))
    return "\n".join(lines)


def _mask(name: str, kind: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if kind == pl.String:
        return pl.concat_str(value.str.head(1), pl.lit("**")).alias(name)
    if kind.is_temporal():
        return value.dt.strftime("%Y")
    if kind == pl.List:
        return pl.when(value.list.len() > 0).then(pl.concat_str(value.list.len(), pl.lit(" more"))).alias(name)
    return pl.when(value.is_not_null()).then(pl.lit("*")).alias(name)
