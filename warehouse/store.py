"""The dataset store: folders of Parquet, one version a night, swapped in by one rename.

What belongs here: keeping and finding frames, and the one pointer that publishes a night. Zones and columns are said
by `warehouse.tables`; encryption comes in as a `Cipher`, so that this module holds no key.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from warehouse.scratch import sweep
from warehouse.tables import TABLES, Table, Zone

FOLDERS = ("drop", "landing", "vault", "facts", "ledger", "marts", "outbox", "models", "tmp")
PART = "part"  # the one file of a table that is not kept by month
NIGHTS = "nights"
DIGESTS = "parts.json"
_LEAF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=+-]*")
_LATER = re.compile(r"\.[0-9]+$")  # ends the file names of a frame's second and further parts


class StoreError(Exception):
    """Something is not in the store, or does not belong where it was to go; the message says what to do."""


class Roster(Protocol):
    """Which generation of each folder of the vault is in force; None stands for no folder."""

    def holds(self, folder: str, generation: str | None) -> bool:
        """Whether a generation of a folder is in force."""

    def folders(self) -> list[str]:
        """The folders that there must be."""

    def changes(self) -> int:
        """How many changes were ever made; never fewer."""

    def promise(self, folder: str, generation: str | None) -> None:
        """Say that a generation is about to take the place of the present one."""

    def settle(self, folder: str, generation: str | None) -> None:
        """Say that it has."""


class Cipher(Protocol):
    """How the vault zone's files are written and read; `name` is bound to the content."""

    def roster(self, home: Path) -> Roster:
        """What says which generations of a data folder's vault are in force."""

    def write(self, frame: pl.DataFrame, path: Path, name: str) -> None:
        """Write a frame so that it can only be read under the same name."""

    def scan(self, path: Path, name: str) -> pl.LazyFrame:
        """Open what was written under this name."""


def identity_columns() -> frozenset[str]:
    """Names of columns that identify a person wherever they stand, by the definitions of the vault's tables.

    A name that some pseudonymous table also has in its own right, such as the postcode of a place, is not among them.
    """
    named = {c.name for t in TABLES.values() for c in t.columns if c.identity}
    return frozenset(named - {c.name for t in TABLES.values() if t.zone is not Zone.VAULT for c in t.columns})


class Store:
    """All datasets below one folder. Folders are 0700, files 0600.

    A dataset's folder is a symbolic link to a hidden generation beside it. A write makes a new generation, syncs it,
    and swaps the link by one rename, so a reader sees the old or the new, never half; what a killed attempt left
    behind goes with the next write. Frames keep their row order.
    """

    def __init__(self, home: Path, cipher: Cipher) -> None:
        self.home = Path(home)
        self._cipher, self._roster = cipher, cipher.roster(self.home)
        for name in ("", *FOLDERS):
            (self.home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(self.home / "tmp")

    # -- folders of frames ---------------------------------------------------------------------------------------

    def put(
        self, zone: Zone, folder: str, frames: Mapping[str, pl.DataFrame] | Iterable[tuple[str, pl.DataFrame]]
    ) -> None:
        """Write frames as one folder of a zone, replacing what is there, by one rename.

        Args:
            frames: by name; or pairs of name and frame, each taken once the one before is written. A name that
                comes again is a further part of its frame: `name.parquet`, `name.1.parquet` and so on, read as one.

        Raises:
            StoreError: a name is not usable, or a column that identifies people would stand outside the vault.
        """
        seen: Counter[str] = Counter()
        with self._generation(zone, folder) as made:
            for name, frame in frames.items() if isinstance(frames, Mapping) else frames:
                leaks = sorted(identity_columns() & set(frame.columns)) if zone is not Zone.VAULT else []
                if leaks:
                    raise StoreError(
                        f"{zone.value}/{folder}/{name}: column {', '.join(leaks)} identifies people and may stand in "
                        "the vault alone. Write it to Zone.VAULT, or drop the column."
                    )
                if _LATER.search(name):
                    raise StoreError(f"{name!r} cannot name a frame: what ends in a dot and a number is a part of one.")
                self._write(zone, folder, made, f"{name}.{seen[name]}" if seen[name] else name, frame)
                seen[name] += 1

    def get(self, zone: Zone, folder: str, name: str) -> pl.LazyFrame:
        """Open one frame of a folder, all its parts in order.

        Raises:
            StoreError: it is not there.
        """
        parts = self.parts(zone, folder, name)
        return parts[0] if len(parts) == 1 else pl.concat(parts)

    def parts(self, zone: Zone, folder: str, name: str) -> list[pl.LazyFrame]:
        """Open the parts of one frame of a folder, in order; one part, as a rule.

        Raises:
            StoreError: it is not there.
        """
        generation = self._found(zone, folder)
        if generation is None or not (generation / f"{name}.parquet").is_file():
            raise StoreError(f"{zone.value}/{folder} holds no {name!r}. Check that the step that makes it has run.")
        found = [self._open(zone, folder, generation, name)]
        while (generation / f"{name}.{len(found)}.parquet").is_file():
            found.append(self._open(zone, folder, generation, f"{name}.{len(found)}"))
        return found

    def has(self, zone: Zone, folder: str) -> bool:
        """Whether a folder has been written."""
        return self._found(zone, folder) is not None

    def folders(self, zone: Zone, under: str) -> list[str]:
        """Names of the folders and datasets directly below a folder, sorted; empty where there is none."""
        place = self._path(zone, under)
        found = (
            {p.name for p in place.iterdir() if p.is_dir() and not p.name.startswith(".")} if place.is_dir() else set()
        )
        if zone is Zone.VAULT:
            expected = (f.removeprefix(f"{under}/") for f in self._roster.folders() if f.startswith(f"{under}/"))
            for name in {f.partition("/")[0] for f in expected} - found:
                raise StoreError(_not_in_force(f"{under}/{name}", None))
        return sorted(found)

    def names(self, zone: Zone, folder: str) -> list[str]:
        """Names of the frames in a written folder, sorted; empty where there is none."""
        generation = self._found(zone, folder)
        return sorted({_LATER.sub("", p.stem) for p in generation.glob("*.parquet")}) if generation else []

    def vault_changes(self) -> int:
        """How many changes to the vault its register has; never fewer, unless an older register was put back.

        Raises:
            StoreError: the register is missing, or not what Kinfold wrote.
        """
        return self._roster.changes()

    def written(self, zone: Zone) -> list[str]:
        """Every written folder of a zone, those of canonical tables too, sorted."""
        return list(live(self.home, zone))

    def amend(
        self,
        zone: Zone,
        folder: str,
        change: Callable[[str, pl.DataFrame], pl.DataFrame],
        touches: Callable[[pl.Schema], pl.Expr] | None = None,
    ) -> int:
        """Change the frames of a written folder, of a closed night too, by one rename; return how many rows went.

        For erasure and retention alone: what was kept is never corrected otherwise.

        Args:
            change: is given a frame's name and (a part of) the frame; it returns the very same frame where nothing is
                to change in it, and neither adds columns nor changes their types.
            touches: whether a row is to be changed; a frame without such a row is not read but for what that asks for.

        Raises:
            StoreError: the folder is not there.
        """
        generation = self._found(zone, folder)
        if generation is None:
            raise StoreError(f"{zone.value}/{folder} is not there. Check that the step that makes it has run.")
        names = sorted(p.stem for p in generation.glob("*.parquet"))
        changed: dict[str, pl.DataFrame] = {}
        gone = 0
        for name in names:
            rows = self._open(zone, folder, generation, name)
            if touches and not rows.select(touches(rows.collect_schema()).any()).collect().item():
                continue
            frame = rows.collect()
            after = change(_LATER.sub("", name), frame)
            if after is not frame:
                changed[name] = after
                gone += frame.height - after.height
        if not changed:
            return 0
        with self._generation(zone, folder) as made:
            for name in names:
                if name in changed:
                    self._write(zone, folder, made, name, changed[name])
                elif zone is Zone.VAULT:  # each is bound to its generation
                    self._write(zone, folder, made, name, self._open(zone, folder, generation, name).collect())
                else:
                    os.link(generation / f"{name}.parquet", made / f"{name}.parquet")
            if (generation / DIGESTS).is_file():  # the next night writes the months that are not what they were
                digests: dict[str, str] = json.loads((generation / DIGESTS).read_text())
                kept = {month: digest for month, digest in digests.items() if month not in changed}
                _write_text(made / DIGESTS, json.dumps(kept, indent=1))
        return gone

    def everything(self, zone: Zone) -> Iterator[tuple[str, pl.DataFrame]]:
        """Every frame that lies in a zone, with its folder: what is written, and what a killed attempt left beside it.

        A file that cannot be read, such as half of one, is given as a frame of no rows: nothing can be read from it.
        """
        for path in sorted((self.home / zone.value).rglob("*.parquet")):
            generation = path.parent
            if not generation.name.startswith(".") or generation.is_symlink():
                continue  # seen through the link that points at it
            name = generation.name[1:].rpartition("~")[0]
            folder = (generation.parent / name).relative_to(self.home / zone.value).as_posix()
            try:
                yield folder, self._open(zone, folder, generation, path.stem).collect()
            except pl.exceptions.PolarsError:
                yield folder, pl.DataFrame()

    def remove(self, zone: Zone, folder: str) -> None:
        """Take a written folder away, where it is there; a reader that has it open keeps it."""
        link = self._path(zone, folder)
        if zone is Zone.VAULT and not self._roster.holds(folder, None):
            self._roster.promise(folder, None)
        link.unlink(missing_ok=True)
        if zone is Zone.VAULT and link.parent.is_dir():
            self._roster.settle(folder, None)
        _sweep(link)

    def accept(self, folder: str) -> dict[str, str | None]:
        """Take a folder of the vault, and all below it, as it is now for what it should be, on somebody's word.

        For what was taken away on purpose, or restored from a backup older than the rest.

        Returns:
            Each folder that was not as it should be, and its generation now; None where there is none.
        """
        known = [*self._roster.folders(), *live(self.home, Zone.VAULT)]
        taken: dict[str, str | None] = {}
        for name in sorted({f for f in known if f == folder or f.startswith(f"{folder}/")}):
            generation = _target(self._path(Zone.VAULT, name))
            if not self._roster.holds(name, generation):
                self._roster.settle(name, generation)
                taken[name] = generation
        return taken

    def files(self, zone: Zone) -> Iterator[tuple[Path, str]]:
        """Every live Parquet file of a zone, and the name that its content is bound to where it is encrypted."""
        for folder in self.written(zone):
            if (generation := self._found(zone, folder)) is None:
                continue  # it went this moment
            for path in sorted(generation.glob("*.parquet")):
                yield path, f"{zone.value}/{folder}/{generation.name}/{path.stem}"

    @contextmanager
    def alone(self, zone: Zone, folder: str) -> Iterator[None]:
        """Hold the one lock of a folder; the system lets it go when the process ends, however it does."""
        place = self._path(zone, folder)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (place / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # -- canonical tables ----------------------------------------------------------------------------------------

    def write(self, table: Table, night: date, frame: pl.DataFrame) -> int:
        """Write a canonical table's version of a night and return its rows.

        A table kept by month is split by the month of `known_from`; months that are as they were on the night before
        share their file with it.

        Raises:
            StoreError: columns, types, key or night are not what the definition says.
        """
        published = self.published()
        if published and night < published:
            raise StoreError(
                f"the night {night} is closed: {published} has been published since. Run {published} or a later one."
            )
        frame = _checked(table, frame)
        folder = f"{table.name}/{night}"
        if not table.by_month:
            with self._generation(table.zone, folder) as made:
                self._write(table.zone, folder, made, PART, frame)
            return frame.height
        previous = self._months_before(table, night)
        month = frame["known_from"].dt.date().dt.month_start().alias("_month")
        hashes = pl.DataFrame([month, frame.hash_rows().alias("hash")]).partition_by("_month", as_dict=True)
        digests = {f"{day:%Y-%m}": _digest(part["hash"], frame.schema) for (day,), part in sorted(hashes.items())}
        with self._generation(table.zone, folder) as made:
            stands = []
            for (day,) in hashes:
                name = f"{day:%Y-%m}"
                file = f"{name}.parquet"
                if previous and previous[1].get(name) == digests[name] and (previous[0] / file).is_file():
                    os.link(previous[0] / file, made / file)
                    stands.append(day)
            fresh = frame.with_columns(month).filter(~month.is_in(stands))
            for (day,), part in sorted(fresh.partition_by("_month", as_dict=True, include_key=False).items()):
                self._write(table.zone, folder, made, f"{day:%Y-%m}", part)
            _write_text(made / DIGESTS, json.dumps(digests, indent=1))
        return frame.height

    def scan(self, table: Table, night: date | None = None) -> pl.LazyFrame:
        """Open a canonical table as of a night's version; without a night, the published one.

        Raises:
            StoreError: nothing is published, or that night has no such table.
        """
        return self._parts(table, night, lambda _: True)

    def read(self, table: Table, night: date | None = None) -> pl.DataFrame:
        """Read a canonical table whole: `scan(...).collect()`."""
        return self.scan(table, night).collect()

    def as_of(self, table: Table, night: date, day: date) -> pl.LazyFrame:
        """What was known of a table by the start of `day` (00:00 UTC), out of the version of `night`.

        Only months that may hold rows learnt before `day` are opened: the future is never read. A row counts if it
        was learnt before the day, was not yet known to be over, and began before the day. `known_to` is null in the
        result: on that day nobody knew that the row would be withdrawn.

        Raises:
            StoreError: the table is not kept by month, or that night has no such table.
        """
        if not table.by_month:
            raise StoreError(f"table {table.name} keeps no past: as_of reads tables with known_from alone.")
        start = datetime(day.year, day.month, day.day)
        kept = (pl.col("known_from") < start) & (pl.col("known_to").is_null() | (pl.col("known_to") >= start))
        began = pl.col("start").is_null() | (pl.col("start") < start)
        last = f"{day:%Y-%m}" if day.day > 1 else f"{_month_before(day):%Y-%m}"
        return (
            self._parts(table, night, lambda month: month <= last)
            .filter(kept & began)
            .with_columns(pl.lit(None, table.schema["known_to"]).alias("known_to"))
        )

    # -- nights --------------------------------------------------------------------------------------------------

    def published(self) -> date | None:
        """The last completed night, or None before the first."""
        current = self._nights / "current"
        return date.fromisoformat(current.readlink().stem) if current.is_symlink() else None

    def published_before(self, night: date) -> date | None:
        """The newest completed night earlier than `night`, or None."""
        return max((n for n in self._published() if n < night), default=None)

    def manifest(self, night: date | None = None) -> dict[str, Any]:
        """The facts that a night was published with; without a night, the last one's.

        Raises:
            StoreError: that night was not published.
        """
        night = self._night(night)
        if night not in self._published():
            raise StoreError(f"the night {night} has not been published.")
        facts: dict[str, Any] = json.loads((self._nights / f"{night}.json").read_text())
        return facts

    def publish(self, night: date, facts: Mapping[str, Any]) -> None:
        """Make a night the published one: the one commit point, a rename of `ledger/nights/current`.

        Raises:
            StoreError: a later night has been published.
        """
        published = self.published()
        if published and night < published:
            raise StoreError(f"the night {night} cannot be published: {published} has been published since.")
        folder = self._nights
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob(".*~*"):
            left.unlink()
        name = f"{night}.json"
        fresh = folder / f".{name}~{secrets.token_hex(4)}"
        _write_text(fresh, json.dumps({"night": str(night), **facts}, indent=1, sort_keys=True, default=str))
        fresh.replace(folder / name)
        sync(folder)
        _point(folder / "current", name)

    def prune(self, keep: int) -> list[str]:
        """Drop the table versions of nights older than the newest `keep` published ones; say which.

        The published night always stays; so do the manifests, the ledger, and everything that is not a canonical table.
        """
        kept = self._published()[-max(keep, 1) :]
        if not kept:
            return []
        gone = []
        for table in (t for t in TABLES.values() if t.zone is not Zone.LEDGER):
            for name in self.folders(table.zone, table.name):
                if date.fromisoformat(name) < kept[0]:
                    self.remove(table.zone, f"{table.name}/{name}")
                    gone.append(f"{table.name}/{name}")
        return gone

    # -- inside --------------------------------------------------------------------------------------------------

    @property
    def _nights(self) -> Path:
        return self.home / Zone.LEDGER.value / NIGHTS

    def _published(self) -> list[date]:
        last = self.published()
        if last is None:
            return []
        return sorted(n for p in self._nights.glob("*.json") if (n := date.fromisoformat(p.stem)) <= last)

    def _night(self, night: date | None) -> date:
        night = night or self.published()
        if night is None:
            raise StoreError("no night has been published yet. Run one with `kinfold night`.")
        return night

    def _path(self, zone: Zone, folder: str) -> Path:
        parts = folder.split("/")
        if not all(_LEAF.fullmatch(part) for part in parts):
            raise StoreError(f"{folder!r} cannot name a folder: letters, digits and . _ = + - between slashes alone.")
        return self.home.joinpath(zone.value, *parts)

    def _found(self, zone: Zone, folder: str) -> Path | None:
        link = self._path(zone, folder)
        generation = _target(link)
        if zone is Zone.VAULT and not self._roster.holds(folder, generation):
            generation = _target(link)  # it may have been replaced between the two looks
            if not self._roster.holds(folder, generation):
                raise StoreError(_not_in_force(folder, generation))
        return link.parent / generation if generation else None

    @contextmanager
    def _generation(self, zone: Zone, folder: str) -> Iterator[Path]:
        """A new folder to write into, which becomes `folder` when the block ends well and goes when it does not."""
        link = self._path(zone, folder)
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if link.exists() and not link.is_symlink():
            raise StoreError(f"{zone.value}/{folder} holds other folders and cannot be written as one itself.")
        _sweep(link)
        made = link.parent / f".{link.name}~{secrets.token_hex(4)}"
        made.mkdir(mode=0o700)
        try:
            yield made
            sync(made)
            if zone is Zone.VAULT:
                self._roster.promise(folder, made.name)
            _point(link, made.name)
            if zone is Zone.VAULT:
                self._roster.settle(folder, made.name)
        finally:
            _sweep(link)

    def _write(self, zone: Zone, folder: str, generation: Path, name: str, frame: pl.DataFrame) -> None:
        if not _LEAF.fullmatch(name):
            raise StoreError(f"{name!r} cannot name a frame: letters, digits and . _ = + - alone.")
        path = generation / f"{name}.parquet"
        if zone is Zone.VAULT:
            self._cipher.write(frame, path, f"{zone.value}/{folder}/{generation.name}/{name}")
            return
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        frame.write_parquet(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def _open(self, zone: Zone, folder: str, generation: Path, name: str) -> pl.LazyFrame:
        path = generation / f"{name}.parquet"
        if zone is Zone.VAULT:
            return self._cipher.scan(path, f"{zone.value}/{folder}/{generation.name}/{name}")
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    def _parts(self, table: Table, night: date | None, wanted: Any) -> pl.LazyFrame:
        night = self._night(night)
        folder = f"{table.name}/{night}"
        generation = self._found(table.zone, folder)
        if generation is None:
            raise StoreError(
                f"table {table.name} has no version of the night {night}. Run that night, or name one that was kept."
            )
        names = sorted(p.stem for p in generation.glob("*.parquet"))
        if not table.by_month:
            return self._open(table.zone, folder, generation, PART)
        chosen = [name for name in names if wanted(name)]
        if not chosen:
            return table.empty().lazy()
        if table.zone is Zone.VAULT:
            return pl.concat([self._open(table.zone, folder, generation, name) for name in chosen])
        paths = [generation / f"{name}.parquet" for name in chosen]
        return pl.scan_parquet(paths, glob=False, hive_partitioning=False)

    def _months_before(self, table: Table, night: date) -> tuple[Path, dict[str, str]] | None:
        """The newest earlier version of a table kept by month, with the digest of each month."""
        earlier = [n for n in self.folders(table.zone, table.name) if n < str(night)]
        generation = self._found(table.zone, f"{table.name}/{earlier[-1]}") if earlier else None
        if generation is None or not (generation / DIGESTS).is_file():
            return None
        digests: dict[str, str] = json.loads((generation / DIGESTS).read_text())
        return generation, digests


def live(home: Path, zone: Zone) -> dict[str, str]:
    """Every written folder of a zone, by the generation that it points at."""
    found: dict[str, str] = {}
    for place, folders, _ in os.walk(home / zone.value):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [Path(place) / name for name in folders if (Path(place) / name).is_symlink()]
        found |= {link.relative_to(home / zone.value).as_posix(): link.readlink().name for link in links}
        folders[:] = [name for name in folders if Path(place) / name not in links]
    return dict(sorted(found.items()))


def _target(link: Path) -> str | None:
    """The name of the generation that a link points at."""
    try:
        return str(link.readlink())
    except OSError:
        return None


def _not_in_force(folder: str, generation: str | None) -> str:
    what = "an older version of it was put back" if generation else "it was taken away"
    return (
        f"vault/{folder} is not what was written there last: {what}. Restore vault/ and ledger/ from the same backup. "
        f"If that was done on purpose, say `kinfold keys accept {folder}`."
    )


def _checked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its columns in the definition's order, or a StoreError that says everything wrong with it."""
    schema = table.schema
    wrong = [f"column {name} is missing" for name in schema if name not in frame.columns]
    for name, found in frame.schema.items():
        if name in schema:
            if found != schema[name]:
                wrong.append(f"column {name} is {found}, expected {schema[name]}")
        elif not table.open:
            wrong.append(f"column {name} is not in its definition")
        elif not (found.is_numeric() or found == pl.Boolean):
            wrong.append(f"column {name} is {found}; the declared columns beside the definition are numbers")
        elif name in identity_columns():
            wrong.append(f"column {name} identifies people")
    filled = [*table.key, "known_from"] if table.by_month else list(table.key)
    if not wrong:
        nulls = {name: frame[name].null_count() for name in dict.fromkeys(filled)}
        wrong += [f"column {name} is null in {count} rows" for name, count in nulls.items() if count]
        key = frame.select(table.key)
        twice = 0 if key.is_empty() else key.height - key.n_unique()
        if twice:
            wrong.append(f"{twice} rows repeat the key {', '.join(table.key)} of another")
    if wrong:
        raise StoreError(
            f"table {table.name}: {'; '.join(wrong)}. Make the frame as warehouse.tables.{table.name.upper()} says."
        )
    return frame.select(*schema, *(c for c in frame.columns if c not in schema))


def _digest(hashes: pl.Series, schema: pl.Schema) -> str:
    """What a frame holds, in order, as a digest; another version of polars may give another, and costs one rewrite."""
    return hashlib.blake2b(hashes.to_numpy().tobytes() + str(schema).encode(), digest_size=16).hexdigest()


def _month_before(day: date) -> date:
    return date(day.year - (day.month == 1), (day.month - 2) % 12 + 1, 1)


def _point(link: Path, target: str) -> None:
    """Swap a symbolic link to a sibling by one rename, and sync the folder that holds it."""
    fresh = link.parent / f".{link.name}~{secrets.token_hex(4)}.link"
    fresh.symlink_to(target)
    fresh.replace(link)
    sync(link.parent)


def _sweep(link: Path) -> None:
    """Remove every generation and half-made link beside `link` that it does not point at."""
    live = link.readlink().name if link.is_symlink() else None
    for left in link.parent.glob(f".{link.name}~*"):
        if left.name == live:
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _write_text(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """See to it that what a folder lists is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
