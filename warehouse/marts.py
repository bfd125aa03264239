"""Marts: what analysts query, as immutable releases behind one pointer.

What belongs here: building a release, checking it, pointing at it, dropping old ones. What stands in which table is
said by the caller; nothing that identifies a person is let in.

    marts/releases/<stamp>/marts.duckdb, <table>.parquet   built beside the live release, never written again
    marts/current -> releases/<stamp>                      swapped by one rename
    marts/current.duckdb -> current/marts.duckdb
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.store import identity_columns
from warehouse.tables import Column, Table, Zone

STORAGE_VERSION = "v1.4.0"  # the oldest DuckDB that may open a release
DATABASE = "marts.duckdb"
SUMMARY = "release.json"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_STAMP = re.compile(r"[0-9][0-9A-Za-z.-]*")


class MartError(Exception):
    """A mart cannot be built or published; the message says which, why, and what to do."""


@dataclass(frozen=True)
class MartTable:
    """One table of the marts.

    Attributes:
        name: lower case, as analysts write it.
        meaning: what a row is.
        frame: its rows; a LazyFrame is collected when its turn comes.
        columns: every column of the frame, with its meaning.
        key: the columns that no two rows share and that are never null.
        order_by: the columns it is sorted by; its key if none are given.
    """

    name: str
    meaning: str
    frame: pl.LazyFrame | pl.DataFrame
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order_by: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        table: Table,
        frame: pl.LazyFrame | pl.DataFrame,
        name: str | None = None,
        more: Sequence[Column] = (),
        order_by: tuple[str, ...] = (),
    ) -> MartTable:
        """A canonical table as a mart: the columns that the frame has, with their meanings and those of `more`.

        Raises:
            MartError: the table is of the vault, or the frame has a column that neither explains.
        """
        if table.zone is Zone.VAULT:
            raise MartError(f"table {table.name} is of the vault and cannot be a mart.")
        meanings = {c.name: c for c in (*table.columns, *more)}
        names = frame.lazy().collect_schema().names()
        strange = [n for n in names if n not in meanings]
        if strange:
            raise MartError(f"mart {name or table.name}: say what {', '.join(strange)} means, by `more`.")
        return cls(
            name or table.name,
            table.meaning,
            frame,
            tuple(meanings[n] for n in names),
            table.key,
            order_by or table.key,
        )


def build_release(folder: Path, stamp: str, tables: Sequence[MartTable], facts: Mapping[str, Any]) -> dict[str, int]:
    """Build a release beside the live one and return the rows of each table.

    The release of the same stamp, if there is one, stands until `publish`. What a killed build left is cleared first.

    Args:
        folder: the marts folder.
        stamp: names the release: the night, such as 2026-11-20.
        tables: the marts, each sorted by its `order_by`.
        facts: what the release was made from; kept in the table `about` as text. Nothing here may say the time of
            the build, or a rerun would not give the same tables.

    Raises:
        MartError: a table or column cannot be published.
    """
    if not _STAMP.fullmatch(stamp):
        raise MartError(f"{stamp!r} cannot name a release: digits first, then letters, digits, dots and dashes.")
    for table in tables:
        _check(table)
    names = [t.name for t in tables]
    if len(set(names)) < len(names) or "about" in names:
        raise MartError("two marts have the same name, or one is named 'about'. Rename one.")
    releases = folder / "releases"
    releases.mkdir(parents=True, exist_ok=True)
    _sweep(releases, stamp)
    made = releases / f".{stamp}~{secrets.token_hex(4)}"
    made.mkdir()
    rows = {table.name: _parquet(made, table) for table in tables}
    about = {"stamp": stamp, **facts, **{f"rows in {name}": count for name, count in rows.items()}}
    _database(made, tables, about)
    summary = {"stamp": stamp, "rows": rows, "keys": {t.name: list(t.key) for t in tables}}
    _finish(made, json.dumps(summary, indent=1))
    return rows


def verify(folder: Path, stamp: str) -> list[str]:
    """What is wrong with a built release, in words: missing rows, keys that repeat or are null, loose files.

    Raises:
        MartError: no release of that stamp was built to its end.
    """
    import duckdb

    made = _built(folder, stamp)
    summary = json.loads((made / SUMMARY).read_text())
    path = made / DATABASE
    wrong = [f"{left.name} is left beside the database" for left in made.glob("*.wal")]
    if path.stat().st_mode & 0o222:
        wrong.append(f"{DATABASE} can be written to")
    with duckdb.connect(str(path), read_only=True) as con:
        for name, expected in summary["rows"].items():
            key = ", ".join(f'"{c}"' for c in summary["keys"][name])
            nulls = " OR ".join(f'"{c}" IS NULL' for c in summary["keys"][name])
            query = f"""
                SELECT (SELECT count(*) FROM "{name}"),
                       (SELECT count(*) FROM (SELECT DISTINCT {key} FROM "{name}")),
                       (SELECT count(*) FROM "{name}" WHERE {nulls}),
                       (SELECT count(*) FROM read_parquet(?))
            """
            found, distinct, null, beside = con.execute(query, [str(made / f"{name}.parquet")]).fetchall()[0]
            if found != expected or beside != expected:
                wrong.append(f"mart {name} has {found} rows in DuckDB and {beside} in Parquet, expected {expected}")
            if distinct != found:
                wrong.append(f"mart {name}: {found - distinct} rows repeat the key {key} of another")
            if null:
                wrong.append(f"mart {name}: the key {key} is null in {null} rows")
    return wrong


def publish(folder: Path, stamp: str) -> Path:
    """Point `current` at a built release by one rename and return the database that analysts open.

    Raises:
        MartError: no release of that stamp was built to its end.
    """
    made = _built(folder, stamp)
    releases = folder / "releases"
    _point(releases / stamp, made.name)
    _point(folder / "current", f"releases/{stamp}")
    if not (folder / "current.duckdb").is_symlink():
        _point(folder / "current.duckdb", f"current/{DATABASE}")
    _sweep(releases, stamp)
    return folder / "current.duckdb"


def releases(folder: Path) -> list[str]:
    """The stamps of the releases that are kept, oldest first."""
    place = folder / "releases"
    if not place.is_dir():
        return []
    return sorted(p.name for p in place.iterdir() if p.is_symlink() and not p.name.startswith("."))


def drop(folder: Path, stamp: str) -> int:
    """Drop a release that is not the live one; return how many went: none, if it is the live one."""
    current = folder / "current"
    if current.is_symlink() and current.readlink().name == stamp:
        return 0
    (folder / "releases" / stamp).unlink(missing_ok=True)
    _sweep(folder / "releases", stamp)
    return 1


def tables_of(folder: Path, stamp: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Every table of a kept release, in Parquet and again as the database has it."""
    import duckdb

    made = folder / "releases" / (folder / "releases" / stamp).readlink()
    names = list(json.loads((made / SUMMARY).read_text())["rows"])
    yield from ((name, pl.read_parquet(made / f"{name}.parquet")) for name in names)
    with duckdb.connect(str(made / DATABASE), read_only=True) as con:
        yield from ((name, con.sql(f'SELECT * FROM "{name}"').pl()) for name in names)


def amend(folder: Path, stamp: str, change: Callable[[str, pl.DataFrame], pl.DataFrame]) -> int:
    """Make a kept release anew with changed tables, and swap it in by one rename; return how many rows went.

    For erasure and retention alone. Whoever has the release open keeps the old one until they close it; `current` is
    never without a release. A release of the stamp that was built and not published is dropped.

    Args:
        change: is given a table's name and rows; it returns the very same frame where nothing is to change.

    Raises:
        MartError: no release of that stamp is kept.
    """
    import duckdb

    place = folder / "releases"
    if not (place / stamp).is_symlink():
        raise MartError(f"no release {stamp} is kept.")
    live = place / (place / stamp).readlink()
    summary = json.loads((live / SUMMARY).read_text())
    before = {name: pl.read_parquet(live / f"{name}.parquet") for name in summary["rows"]}
    after = {name: change(name, frame) for name, frame in before.items()}
    if all(after[name] is before[name] for name in before):
        _sweep(place, stamp)
        return 0
    with duckdb.connect(str(live / DATABASE), read_only=True) as con:
        meanings = dict(con.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        told = con.execute("SELECT table_name, column_name, comment FROM duckdb_columns()").fetchall()
        about = dict(con.execute("SELECT item, value FROM about").fetchall())
    said = {(table, column): comment or "" for table, column, comment in told}
    rows = {name: frame.height for name, frame in after.items()}
    made = place / f".{stamp}~{secrets.token_hex(4)}"
    made.mkdir()
    tables = []
    for name, frame in after.items():
        frame.write_parquet(made / f"{name}.parquet")
        (made / f"{name}.parquet").chmod(0o444)
        columns = tuple(Column(c, kind, said.get((name, c), "")) for c, kind in frame.schema.items())
        tables.append(MartTable(name, meanings.get(name) or "", frame, columns, tuple(summary["keys"][name])))
    _database(made, tables, about | {f"rows in {name}": str(count) for name, count in rows.items()})
    _finish(made, json.dumps(summary | {"rows": rows}, indent=1))
    _point(place / stamp, made.name)
    _sweep(place, stamp)
    return sum(frame.height for frame in before.values()) - sum(rows.values())


def prune(folder: Path, keep: int) -> list[str]:
    """Drop the oldest releases beyond the newest `keep` and return their stamps; the live one always stays."""
    releases = folder / "releases"
    if not releases.is_dir():
        return []
    current = folder / "current"
    live = current.readlink().name if current.is_symlink() else None
    stamps = sorted(p.name for p in releases.iterdir() if p.is_symlink() and not p.name.startswith("."))
    gone = [s for s in stamps[: max(len(stamps) - keep, 0)] if s != live]
    for stamp in gone:
        (releases / stamp).unlink()
        _sweep(releases, stamp)
    return gone


def _check(table: MartTable) -> None:
    """Refuse a mart that would publish identity, or whose columns nobody explained."""
    names = table.frame.lazy().collect_schema().names()
    told = [c.name for c in table.columns]
    if not _NAME.fullmatch(table.name):
        raise MartError(f"{table.name!r} cannot name a mart: lower case letters, digits and _ alone.")
    leaks = sorted((identity_columns() & set(names)) | {c.name for c in table.columns if c.identity})
    if leaks:
        raise MartError(f"mart {table.name}: column {', '.join(leaks)} identifies people. Leave it out.")
    if names != told:
        strange = sorted(set(names) ^ set(told)) or names
        raise MartError(f"mart {table.name}: its frame and its description differ in {', '.join(strange)}.")
    missing = sorted({*table.key, *table.order_by} - set(names))
    if missing or not table.key:
        raise MartError(f"mart {table.name}: a key is needed, and {', '.join(missing) or 'it'} is not a column.")


def _parquet(made: Path, table: MartTable) -> int:
    frame = table.frame.lazy().sort(table.order_by or table.key, nulls_last=True, maintain_order=True).collect()
    path = made / f"{table.name}.parquet"
    frame.write_parquet(path)
    path.chmod(0o444)
    return frame.height


def _database(made: Path, tables: Sequence[MartTable], about: Mapping[str, Any]) -> None:
    """Load the Parquet files into one DuckDB file, with a comment on every table and column."""
    import duckdb

    path, spill = made / DATABASE, made / "spill"
    with duckdb.connect(config={"temp_directory": str(spill)}) as con:
        con.execute(f"ATTACH {_quoted(str(path))} AS marts (STORAGE_VERSION '{STORAGE_VERSION}')")
        con.execute("USE marts")
        con.execute("BEGIN")
        for table in tables:
            source = _quoted(str(made / f"{table.name}.parquet"))
            con.execute(f'CREATE TABLE "{table.name}" AS SELECT * FROM read_parquet({source})')
            con.execute(f'COMMENT ON TABLE "{table.name}" IS {_quoted(table.meaning)}')
            for column in table.columns:
                con.execute(f'COMMENT ON COLUMN "{table.name}"."{column.name}" IS {_quoted(column.meaning)}')
        con.execute("CREATE TABLE about (item VARCHAR, value VARCHAR)")
        con.execute("COMMENT ON TABLE about IS 'What this release was made from.'")
        con.execute("COMMENT ON COLUMN about.item IS 'what is told'")
        con.execute("COMMENT ON COLUMN about.value IS 'what it is'")
        told = [(k, v if isinstance(v, str) else json.dumps(v, default=str)) for k, v in about.items()]
        con.executemany("INSERT INTO about VALUES (?, ?)", told)
        con.execute("COMMIT")
        con.execute("CHECKPOINT marts")
        con.execute("USE memory")
        con.execute("DETACH marts")
    shutil.rmtree(spill, ignore_errors=True)
    path.chmod(0o444)


def _finish(made: Path, summary: str) -> None:
    """Sync every file, and write the summary last: a release without it was not built to its end."""
    for path in made.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    with (made / SUMMARY).open("w") as out:
        out.write(summary)
        out.flush()
        os.fsync(out.fileno())
    (made / SUMMARY).chmod(0o444)


def _built(folder: Path, stamp: str) -> Path:
    """The newly built release of a stamp, else the published one."""
    releases = folder / "releases"
    link = releases / stamp
    live = link.readlink().name if link.is_symlink() else None
    fresh = [p for p in releases.glob(f".{stamp}~*") if p.name != live and (p / SUMMARY).is_file()]
    if fresh:
        return fresh[0]
    if live is None:
        raise MartError(f"no release {stamp} has been built. Run the night that builds it.")
    return releases / live


def _point(link: Path, target: str) -> None:
    fresh = link.parent / f".{link.name}~{secrets.token_hex(4)}.link"
    fresh.symlink_to(target)
    fresh.replace(link)


def _sweep(releases: Path, stamp: str) -> None:
    """Remove every build of a stamp that it does not point at."""
    link = releases / stamp
    live = link.readlink().name if link.is_symlink() else None
    for left in releases.glob(f".{stamp}~*"):
        if left.is_symlink():
            left.unlink()
        elif left.name != live:
            shutil.rmtree(left)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
