"""The drop folder: which files have arrived whole, to which feed they belong, and their way into the landing zone.

What belongs here: names, times and digests of files. What is in them belongs in `readers`; what became of them in
`intake`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from feeds.contracts import Contract
from governance.vault import Vault
from warehouse.store import Store, StoreError

MANIFEST = "delivery.json"
PASSING = (".part", ".partial", ".tmp", ".filepart", ".crdownload", "~")
DATE = re.compile(r"(?<!\d)(20\d\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True)
class File:
    """One file of a delivery: its path below the drop folder, size and digest; a folder where a file should be, too."""

    path: str
    size: int
    sha256: str
    folder: bool = False


@dataclass(frozen=True)
class Found:
    """A delivery that lies whole in the drop folder.

    Attributes:
        delivery: its key: the date in its name (else of its last change), with `.2`, `.3` for further ones.
        digest: of its date and contents; of this arrival, where it only repeats what has landed.
        repeats: whether a landed delivery holds it already, so that its files only need to go.
    """

    feed: str
    delivery: str
    files: tuple[File, ...]
    digest: str
    repeats: bool = False


@dataclass(frozen=True)
class Landed:
    """A delivery in the landing zone, sealed."""

    feed: str
    delivery: str
    files: tuple[File, ...]
    digest: str
    folder: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The files' paths below the drop folder, as they came."""
        return tuple(file.path for file in self.files)

    @property
    def bytes(self) -> int:
        """Their size together."""
        return sum(file.size for file in self.files)


def opened(landed: Landed, path: str, vault: Vault) -> BinaryIO:
    """One file of a landed delivery, to be read from its beginning to its end; never as plaintext on a disk."""
    return io.BytesIO(vault.unseal(landed.folder / f"{landed.names.index(path):03}.sealed", _bound(landed, path)))


def delivery_order(delivery: str) -> tuple[str, int]:
    """Sorts delivery keys by date, then by number: 2026-11-20, 2026-11-20.2, 2026-11-20.10."""
    day, _, number = delivery.partition(".")
    return day, int(number or 1)


def find_deliveries(
    drop: Path, contracts: Mapping[str, Contract], store: Store, now: datetime, quiet: timedelta
) -> list[Found]:
    """Find the deliveries that lie whole in the drop folder, oldest first.

    Files of one feed with one date in their names are one delivery. It is left alone while any of its files is
    younger than `quiet` or still being sent (`.part` and the like). What has landed already under the same date is
    marked as a repeat: the whole of a delivery again, or what a killed landing left behind.

    Args:
        drop: the folder that partners write to.
        contracts: by id.
        store: where deliveries have landed.
        now: UTC, naive.
        quiet: how long a file must have stood unchanged.
    """
    young = (now - quiet).replace(tzinfo=UTC).timestamp()
    groups: dict[tuple[date, str], list[Path]] = {}
    waiting: set[tuple[date, str]] = set()
    for path in _entries(drop, contracts):
        name = path.relative_to(drop).as_posix()
        passing = next((p for p in PASSING if name.endswith(p)), "")
        feed = _feed(name.removesuffix(passing), contracts)
        if feed is None or path.is_symlink():
            continue
        group = (_day(path), feed)
        if passing or (quiet and any(p.stat().st_mtime > young for p in (path, *_within(path)))):
            waiting.add(group)
        else:
            groups.setdefault(group, []).append(path)
    return [
        _found(drop, feed, day, paths, store)
        for (day, feed), paths in sorted(groups.items())
        if (day, feed) not in waiting
    ]


def _found(drop: Path, feed: str, day: date, paths: list[Path], store: Store) -> Found:
    files = tuple(_file(drop, path) for path in sorted(paths))
    digest = hashlib.sha256("\n".join([str(day), *sorted(f.sha256 for f in files)]).encode()).hexdigest()
    before = [delivered(feed, key, store) for key in deliveries(feed, store) if delivery_order(key)[0] == str(day)]
    for landed in before:
        if landed.digest == digest or set(files) <= set(landed.files):
            arrival = "\n".join([digest, *(str((drop / f.path).lstat().st_mtime_ns) for f in files)])
            return Found(feed, landed.delivery, files, hashlib.sha256(arrival.encode()).hexdigest(), repeats=True)
    number = max((delivery_order(landed.delivery)[1] for landed in before), default=0) + 1
    return Found(feed, str(day) if number == 1 else f"{day}.{number}", files, digest)


def strangers(drop: Path, contracts: Mapping[str, Contract]) -> list[str]:
    """What lies in the drop folder and no contract expects, in words; names of files are not repeated."""
    seen: Counter[tuple[str, str]] = Counter()
    for path in _entries(drop, contracts):
        name = path.relative_to(drop).as_posix()
        if path.is_symlink():
            seen[path.parent.relative_to(drop).as_posix(), "link"] += 1
        elif _feed(name, contracts) is None and not name.endswith(PASSING):
            seen[path.parent.relative_to(drop).as_posix(), f"{path.suffix or 'nameless'} file"] += 1
    return [
        f"drop/{'' if folder == '.' else folder}: {count} {kind}{'s' * (count > 1)} that no contract expects. "
        "Compare the names with the contracts' patterns, or take them away."
        for (folder, kind), count in sorted(seen.items())
    ]


def land(found: Found, store: Store, vault: Vault) -> Landed:
    """Seal a delivery's files into `landing/<feed>/<delivery>/`, then take them out of the drop folder.

    The folder appears by one rename once every file is sealed. Killed at any point and run again, it does the same.
    A folder where a file should be is sealed file by file, so that nothing that came is lost.
    """
    drop, folder = store.home / "drop", _folder(found.feed, found.delivery, store)
    if not folder.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{found.delivery}~*"):
            shutil.rmtree(left)
        fresh = folder.with_name(f".{found.delivery}~{secrets.token_hex(4)}")
        fresh.mkdir(mode=0o700)
        for number, file in enumerate(found.files):
            if not file.folder:
                vault.seal(drop / file.path, fresh / f"{number:03}.sealed", _bound(found, file.path))
            for i, inner in enumerate(_within(drop / file.path)):
                vault.seal(inner, fresh / f"{number:03}.{i}.sealed", _bound(found, f"{file.path}/{i}"))
        _write(fresh / MANIFEST, found)
        fresh.replace(folder)
    for file in found.files:
        path = drop / file.path
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return delivered(found.feed, found.delivery, store)


def delivered(feed: str, delivery: str, store: Store) -> Landed:
    """A landed delivery, by feed and key.

    Raises:
        StoreError: there is none.
    """
    folder = _folder(feed, delivery, store)
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        raise StoreError(
            f"feed {feed} has no landed delivery {delivery}. Put its files into the drop folder."
        ) from None
    return Landed(feed, delivery, tuple(File(**file) for file in said["files"]), said["digest"], folder)


def deliveries(feed: str, store: Store) -> list[str]:
    """The keys of a feed's landed deliveries, oldest first."""
    folder = store.home / "landing" / feed
    if not folder.is_dir():
        return []
    return sorted((p.name for p in folder.iterdir() if not p.name.startswith(".")), key=delivery_order)


def _folder(feed: str, delivery: str, store: Store) -> Path:
    return store.home / "landing" / feed / delivery


def _entries(drop: Path, contracts: Mapping[str, Contract]) -> list[Path]:
    """Files below the drop folder, and folders that stand where a contract expects a file."""
    found: list[Path] = []
    folders = [drop] if drop.is_dir() else []
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir() and not path.is_symlink():
                misplaced = _feed(path.relative_to(drop).as_posix(), contracts)
                (found if misplaced else folders).append(path)
            else:
                found.append(path)
    return found


def _feed(name: str, contracts: Mapping[str, Contract]) -> str | None:
    """The feed that expects a file of this name: that with the longest pattern, where several do."""
    fitting = [
        (len(pattern), contract.id)
        for contract in contracts.values()
        for pattern in contract.globs
        if fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")
    ]
    return max(fitting)[1] if fitting else None


def _day(path: Path) -> date:
    for year, month, day in DATE.findall(path.name):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()


def _within(path: Path) -> list[Path]:
    """The files in a folder that stands where a file should."""
    if path.is_symlink() or not path.is_dir():
        return []
    return sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())


def _file(drop: Path, path: Path) -> File:
    name = path.relative_to(drop).as_posix()
    if not path.is_dir():
        with path.open("rb") as file:
            return File(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    whole = hashlib.sha256()
    inner = _within(path)
    for part in inner:
        whole.update(part.read_bytes())
    return File(name, sum(p.stat().st_size for p in inner), whole.hexdigest(), folder=True)


def _bound(of: Found | Landed, path: str) -> str:
    """The name that a sealed file is bound to."""
    return f"landing/{of.feed}/{of.delivery}/{path}"


def _write(path: Path, found: Found) -> None:
    said = {"digest": found.digest, "files": [vars(file) for file in found.files]}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(said, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
