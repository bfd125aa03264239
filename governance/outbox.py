"""What lies in the outbox: a folder a team, files that go on their day, and whatever else somebody put there.

What belongs here: names, folders and modes, and telling a released file from any other. What may lie there is decided
in `release`.
"""

from __future__ import annotations

import grp
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from governance.sealing import ENDING
from governance.stamp import BESIDE, until

INDEX = "index.html"
NAMED = re.compile(r"([0-9a-f]{32})(?:_until_(\d{4}-\d{2}-\d{2}))?(?:\.\w+)+")
_DAY = re.compile(r'"expires_on": "(\d{4}-\d{2}-\d{2})"')


class OutboxError(Exception):
    """A team's folder is not one that files can be put into; says why and what to do."""


@dataclass(frozen=True)
class Swept:
    """What a sweep did.

    Attributes:
        gone: files that went because their day had come.
        misplaced: files of one team that lay in another's folder; they went too.
        strange: what nobody let out, or was changed since, as path below the outbox and why; it stays.
    """

    gone: int
    misplaced: int = 0
    strange: tuple[tuple[str, str], ...] = ()


def folder(place: Path, team: str, group: str | None) -> int:
    """Make a team's folder, or close it again, for its owner alone or for a unix group to read.

    Returns:
        The mode of the files in it.

    Raises:
        OutboxError: something else stands there, or the group is not to be had.
    """
    made = place / team
    if made.is_symlink() or (made.exists() and not made.is_dir()):
        raise OutboxError(f"outbox/{team} is a link or a file, and no folder: nothing is put there. Take it away.")
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    if group is None:
        _close(made, 0o700)
        return 0o600
    try:
        number = grp.getgrnam(group).gr_gid
        os.chown(made, -1, number)
        _close(made, 0o2750)  # files in it are of its group
        _close(place, 0o711)
    except KeyError:
        raise OutboxError(f"team {team}: this machine has no group {group!r}. Make it, or correct site.yaml.") from None
    except PermissionError:
        raise OutboxError(
            f"team {team}: the user who runs Kinfold is not in the group {group!r}, and cannot give files to it. Put "
            "the user into the group, or correct unix_group in site.yaml."
        ) from None
    return 0o640


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file under another name first, and put it in place by one rename; a link there is replaced."""
    fresh = path.with_name(f".{path.name}~{os.getpid()}-{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if mode != 0o600:
                os.fchmod(handle, mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Return when a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def by_release(place: Path) -> dict[str, list[Path]]:
    """A team's files by release; what a killed attempt left is cleared away."""
    files: dict[str, list[Path]] = {}
    for path in place.iterdir():
        if _left(path):
            path.unlink(missing_ok=True)
        elif found := NAMED.fullmatch(path.name):
            files.setdefault(found[1], []).append(path)
    return files


def find(place: Path, name: str, sha256: str | None) -> Path | None:
    """A released file in a team's folder, by its name or else by what it holds; None where it is gone."""
    path = place / name
    if path.is_file() and not path.is_symlink():
        return path
    if sha256 is None or not place.is_dir() or place.is_symlink():
        return None
    others = (p for p in sorted(place.iterdir()) if not p.is_symlink() and p.is_file())
    return next((p for p in others if _digest(p) == sha256), None)


def sweep(place: Path, on: date, released: pl.DataFrame | None = None, recalled: Collection[str] = ()) -> Swept:
    """Remove every file whose day has come, and what killed attempts left, and say what else is there.

    Args:
        place: the outbox.
        on: the day.
        released: RELEASE rows of all that was ever let out: a file is then known by what it holds.
        recalled: releases in whose place a notice may stand.
    """
    known = _Ledger(released, recalled) if released is not None else None
    gone, misplaced, strange = 0, 0, []
    for path in _files(place):
        if _left(path):
            path.unlink(missing_ok=True)
            continue
        day, why = _judged(path, place, known)
        if day is not None and day <= on:
            path.unlink(missing_ok=True)
            gone += not path.name.endswith(BESIDE)
        elif why == _MISPLACED:
            path.unlink(missing_ok=True)
            misplaced += 1
        elif why:
            strange.append((str(path.relative_to(place)), why))
    return Swept(gone, misplaced, tuple(strange))


# -- inside ---------------------------------------------------------------------------------------------------------

_MISPLACED, _COPY = "another team's file", "a copy of a released file"


class _Ledger:
    """What was let out, by release and by digest, and what was recalled since."""

    def __init__(self, released: pl.DataFrame, recalled: Collection[str]) -> None:
        rows = released.select("release_id", "team", "file", "sha256", "expires_on").rows(named=True)
        self.by_id: dict[str, dict[str, Any]] = {row["release_id"]: row for row in rows}
        self.by_digest: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            self.by_digest.setdefault(row["sha256"], []).append(row)
        self.recalled = frozenset(recalled)

    def judged(self, file: str, digest: str) -> tuple[date | None, str]:
        """The day on which a file, as path below the outbox, must be gone, and why it is strange, if it is."""
        team, name = file.partition("/")[0], file.rpartition("/")[2]
        same = self.by_digest.get(digest, [])
        if same:
            own = [row for row in same if row["file"] == file] or [row for row in same if row["team"] == team]
            day = min((row["expires_on"] for row in own or same if row["expires_on"]), default=None)
            return day, "" if any(r["file"] == file for r in own) else _COPY if own else _MISPLACED
        found = NAMED.fullmatch(name)
        row = self.by_id.get(found[1]) if found else None
        if row is None:
            return _named(name), "nobody let it out"
        day = min((d for d in (_named(name), row["expires_on"]) if d), default=None)
        beside = f"{row['file']}{BESIDE}" == file
        notice = row["release_id"] in self.recalled and row["file"].removesuffix(ENDING) == file
        return day, "" if beside or notice else "not what was let out"


def _files(place: Path) -> Iterator[Path]:
    """Everything below the outbox that is no folder; no link is followed."""
    for at, folders, names in os.walk(place, followlinks=False):
        folders.sort()
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        yield from (Path(at) / name for name in sorted([*names, *links]))


def _judged(path: Path, place: Path, known: _Ledger | None) -> tuple[date | None, str]:
    """The day on which a file must be gone, and why it is strange; None and nothing where neither is so."""
    if path.is_symlink():
        return None, "a link, which is not followed"
    if not path.is_file():
        return None, "no file"
    file, name = str(path.relative_to(place)), path.name
    if name in (INDEX, f"{INDEX}{ENDING}", f"{INDEX}{ENDING}{BESIDE}"):
        return _day_of_list(path), ""
    return known.judged(file, _digest(path)) if known else (_named(name), "")


def _named(name: str) -> date | None:
    """The day in a file's name."""
    found = NAMED.fullmatch(name)
    try:
        return date.fromisoformat(found[2]) if found and found[2] else None
    except ValueError:
        return None


def _day_of_list(path: Path) -> date | None:
    if path.name == INDEX:
        return until(path.read_bytes())
    beside = path if path.name.endswith(BESIDE) else path.with_name(path.name + BESIDE)
    found = _DAY.search(beside.read_text(encoding="utf-8")) if beside.is_file() else None
    return date.fromisoformat(found[1]) if found else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _left(path: Path) -> bool:
    """Whether a file is half of one that a killed attempt left: ingestion and the night may write at one time."""
    if not path.name.startswith("."):
        return False
    writer = re.search(r"~(\d+)-", path.name)
    try:
        if writer:
            os.kill(int(writer[1]), 0)  # asks whether it lives, and does nothing to it
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return writer is None


def _close(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)
