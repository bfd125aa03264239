"""The drop folder: which files have arrived whole, to which feed they belong, and their way into the landing zone.

What belongs here: names, times and digests of files. What is in them belongs in `readers`; what became of them in
`intake`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from feeds.contracts import Contract
from governance.keys import KeyRing, delivery_keys
from governance.vault import Vault
from warehouse.store import Store, StoreError

MANIFEST = "delivery.json"
ROWS, NOTHING = "rows", "nothing"  # what may be kept of a landed delivery in the place of its files
PASSING = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".upload", ".incomplete", "~")
ENCRYPTED = (".pgp", ".gpg", ".asc")
WRAPPED = (*ENCRYPTED, ".gz", ".zip")
PLAIN = re.compile(r"(?:[0-9_. |()-]|(?<![A-Za-z])[A-Za-z](?![A-Za-z]))*")
ENDING = re.compile(r"\.(csv|tsv|txt|dat|xml|json|jsonl|xlsx|xls|ods|parquet)$", re.IGNORECASE)
FIGURES = 6  # beside a date, a name may hold a time or a number of the file; an NHS number has ten
AHEAD = timedelta(days=1)  # a file that says it will change later than this has had its time set by its sender
PATIENCE = timedelta(hours=12)  # so long after its newest file a delivery waits for those that it lacks
EARLY = timedelta(days=7)  # a delivery that its name dates later than this waits: it would outrank all until then
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
    """A delivery in the landing zone, sealed.

    Attributes:
        kept: None while its files are kept as they came; else what is kept in their place (see `keep_instead`).
    """

    feed: str
    delivery: str
    files: tuple[File, ...]
    digest: str
    folder: Path
    kept: Mapping[str, Any] | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing of its rows is kept any more, so that it cannot be checked anew."""
        return self.kept is not None and self.kept["as"] == NOTHING

    @property
    def names(self) -> tuple[str, ...]:
        """The files' paths below the drop folder, as they came."""
        return tuple(file.path for file in self.files)

    @property
    def bytes(self) -> int:
        """Their size together."""
        return sum(file.size for file in self.files)


def opened(landed: Landed, path: str, vault: Vault, ring: KeyRing | None = None) -> BinaryIO:
    """One file of a landed delivery as it was before it was encrypted, to be read once from beginning to end.

    It comes as a stream and is never written to a disk. That it is whole is known at its end: keep nothing of it before
    it has been read to its end without an error.

    Raises:
        Rejected: here or while reading: it is encrypted, and not as it should be.
        VaultError: here or while reading: what landed is not what lies there now.
        KeyProblem: the delivery keys do not open.
    """
    file = landed.files[landed.names.index(path)]
    stream = vault.opened(landed.folder / f"{landed.names.index(path):03}.sealed", _bound(landed, path))
    inner, size = path, file.size
    while inner.casefold().endswith(ENCRYPTED):
        from feeds.envelopes import decrypted

        keys = delivery_keys(landed.folder.parents[2], ring)
        stream, inner = decrypted(path, stream, size, keys), inner.rpartition(".")[0]
    return stream


def plain_name(path: str) -> str:
    """A file's name before it was packed or encrypted, its ending in small letters: `in/x.CSV.gz.pgp` is `in/x.csv`."""
    while path.casefold().endswith(WRAPPED):
        path = path.rpartition(".")[0]
    return _small_ending(path)


def fits(path: str, pattern: str) -> bool:
    """Whether a file's name is what a pattern says: as it is, or as it was before it was packed or encrypted.

    The case of its ending does not matter. An archive may have the ending of the archive alone: `x.zip` for `x*.csv`.
    """
    if path.count("/") != pattern.count("/"):
        return False
    wanted = _small_ending(pattern)
    return any(fnmatchcase(name, wanted) for name in _stages(path, wanted))


def _stages(path: str, wanted: str) -> set[str]:
    """What a file is called as it is, and before each time that it was packed or encrypted."""
    plain, stages = plain_name(path), [path]
    while stages[-1].casefold().endswith(WRAPPED):
        stages.append(stages[-1].rpartition(".")[0])
    packed = {plain + PurePosixPath(wanted).suffix} if len(stages) > 1 else set()
    return {_small_ending(stage) for stage in stages} | {plain} | packed


def foreseen(path: str, pattern: str) -> bool:
    """Whether a pattern says all that a file's name says, but for dates, a few figures and letters that stand alone.

    What else a sender puts into a name may be that of a person, and is not repeated to anybody.
    """
    wanted = _small_ending(pattern)
    form = "(.*?)".join(map(re.escape, re.split(r"\[[^]]*\]|[*?]+", wanted)))
    for name in _stages(path, wanted):
        found = re.fullmatch(form, name, re.DOTALL)
        own = DATE.sub("", ENDING.sub("", "|".join(found.groups()))) if found else "?"
        if PLAIN.fullmatch(own) and sum(c.isdigit() for c in own) <= FIGURES:
            return True
    return False


def called(path: str, contract: Contract) -> str:
    """What a file is called in what is said of it: by its name where that is `foreseen`, else by its pattern."""
    fitting = [pattern for pattern in contract.globs if fits(path, pattern)]
    if not fitting or any(foreseen(path, pattern) for pattern in fitting):
        return path if fitting else contract.globs[0]
    return max(fitting, key=len)


def _small_ending(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}.{ending.casefold()}" if dot and "/" not in ending else path


def delivery_order(delivery: str) -> tuple[str, int]:
    """Sorts delivery keys by date, then by number: 2026-11-20, 2026-11-20.2, 2026-11-20.10."""
    day, _, number = delivery.partition(".")
    return day, int(number or 1)


def day_of(delivery: str) -> date:
    """The day of a delivery, by its key."""
    return date.fromisoformat(delivery_order(delivery)[0])


def find_deliveries(
    drop: Path,
    contracts: Mapping[str, Contract],
    store: Store,
    now: datetime,
    quiet: timedelta,
    early: timedelta | None = EARLY,
) -> list[Found]:
    """Find the deliveries that lie whole in the drop folder, oldest first.

    Files of one feed with one date in their names are one delivery. It is left alone while any of its files is
    younger than `quiet` or still being sent (`.part` and the like), and for a while where a file that its contract
    asks for has not come. What has landed already under the same date is marked as a repeat: the whole of a delivery
    again, or what a killed landing left behind.

    Args:
        drop: the folder that partners write to.
        contracts: by id.
        store: where deliveries have landed.
        now: UTC, naive.
        quiet: how long a file must have stood unchanged; none, where a person asks for what is there: nothing waits.
        early: how far ahead of `now` a name may date its delivery; one dated later waits, and `strangers` tells of it.
            None: whatever its date.
    """
    young, ahead = ((now + by).replace(tzinfo=UTC).timestamp() for by in (-quiet, AHEAD))
    groups: dict[tuple[date, str], list[Path]] = {}
    waiting: set[tuple[date, str]] = set()
    changed: dict[tuple[date, str], list[float]] = {}
    for entry in _entries(drop, contracts):
        passing = _passing(entry.name)
        feed = _feed(entry.name[: len(entry.name) - len(passing)], contracts)
        if feed is None or entry.kind not in ("file", "folder", "closed"):
            continue
        try:
            group = (_day(entry.path, now), feed)
            times = [p.stat().st_mtime for p in (entry.path, *_within(entry.path))]
        except FileNotFoundError:  # renamed or taken back this moment
            continue
        if early is not None and group[0] > (now + early).date():
            continue
        if passing or entry.kind == "closed" or (quiet and any(young < time < ahead for time in times)):
            waiting.add(group)
        else:
            groups.setdefault(group, []).append(entry.path)
            changed.setdefault(group, []).extend(times)
    whole: list[Found] = []
    for (day, feed), paths in sorted(groups.items()):
        names = [_below(drop, path) for path in paths]
        lacks = bool(quiet and _awaited(contracts[feed], names, changed.get((day, feed), ()), now))
        known = any(delivery_order(key)[0] == str(day) for key in deliveries(feed, store))
        if (day, feed) in waiting or (lacks and not known):
            continue
        with suppress(OSError):  # one was renamed, taken back or closed this moment: the next look sees it anew
            found = _found(drop, feed, day, paths, store)
            if found.repeats or not lacks:
                whole.append(found)
    return whole


def _awaited(contract: Contract, names: Iterable[str], changed: Iterable[float], now: datetime) -> list[str]:
    """The patterns of files that a delivery lacks and waits for; none once it has waited long enough.

    An archive that is not named as one extract is taken to hold them all.

    Args:
        changed: when its files were changed last.
    """
    until, ahead = ((now + by).replace(tzinfo=UTC).timestamp() for by in (-PATIENCE, AHEAD))
    needed = [t.file for t in contract.tables if t.file and not t.optional]
    names = list(names)
    if not needed or any(map(_archive, names)) or not any(until < time < ahead for time in changed):
        return []
    return sorted({pattern for pattern in needed if not any(fits(name, pattern) for name in names)})


def _archive(name: str) -> bool:
    """Whether a file may hold several extracts: `x.zip`, but not `x.csv.zip`."""
    while name.casefold().endswith(ENCRYPTED):
        name = name.rpartition(".")[0]
    return name.casefold().endswith(".zip") and not ENDING.search(plain_name(name))


def _found(drop: Path, feed: str, day: date, paths: list[Path], store: Store) -> Found:
    files = tuple(_file(drop, path) for path in sorted(paths))
    digest = hashlib.sha256("\n".join([str(day), *sorted(f.sha256 for f in files)]).encode()).hexdigest()
    before = [delivered(feed, key, store) for key in deliveries(feed, store) if delivery_order(key)[0] == str(day)]
    for landed in (one for one in before if not one.gone):
        if landed.digest == digest or set(files) <= set(landed.files):
            arrival = "\n".join([digest, *(str((drop / f.path).lstat().st_mtime_ns) for f in files)])
            return Found(feed, landed.delivery, files, hashlib.sha256(arrival.encode()).hexdigest(), repeats=True)
    number = max((delivery_order(landed.delivery)[1] for landed in before), default=0) + 1
    return Found(feed, str(day) if number == 1 else f"{day}.{number}", files, digest)


def strangers(
    drop: Path, contracts: Mapping[str, Contract], now: datetime | None = None, quiet: timedelta = timedelta(0)
) -> list[str]:
    """What lies in the drop folder and cannot be taken in, in words; names of files are not repeated.

    Args:
        now: UTC, naive; with it also what waits because its name dates it too far ahead.
        quiet: as `find_deliveries` has it; with it also which deliveries wait for further files.
    """
    seen: Counter[tuple[str, str]] = Counter()
    groups: dict[tuple[str, date], list[tuple[str, float]]] = {}
    for entry in _entries(drop, contracts):
        folder = entry.name.rpartition("/")[0]
        plain = entry.name[: len(entry.name) - len(_passing(entry.name))]
        known = _feed(plain, contracts) is not None
        if entry.kind in ADVICE:
            seen[folder, entry.kind] += 1
        elif not known:
            seen[folder, ""] += 1
        elif now and _named_day(entry.path.name, date.min) > (now + EARLY).date():
            seen[folder, "ahead"] += 1
        elif not os.access(entry.path.parent, os.W_OK | os.X_OK):
            seen[folder, "stuck"] += 1
        elif now and quiet and (feed := _feed(plain, contracts)):
            with suppress(OSError):
                group = groups.setdefault((feed, _day(entry.path, now)), [])
                group.append((plain, entry.path.stat().st_mtime))
    told = []
    for (folder, kind), count in sorted(seen.items()):
        what, advice = ADVICE.get(kind, ADVICE[""])
        told.append(f"drop/{_shown(folder)}: {count} {what.replace('(s)', 's' * (count > 1))}. {advice}.")
    for (feed, day), files in sorted(groups.items()):
        names, changed = zip(*files, strict=True)
        if now and (lacking := _awaited(contracts[feed], names, changed, now)):
            told.append(
                f"feed {feed}, delivery {day}: waiting for {', '.join(lacking)}. {PATIENCE.total_seconds() / 3600:.0f} "
                "hours after the last of its files, or by `kinfold ingest`, it is taken as it is."
            )
    return told


def land(found: Found, store: Store, vault: Vault) -> Landed:
    """Seal a delivery's files into `landing/<feed>/<delivery>/`, then take them out of the drop folder.

    The folder appears by one rename once every file is sealed. Killed at any point and run again, it does the same.
    A folder where a file should be is sealed file by file, so that nothing that came is lost. What was encrypted stays
    encrypted within its seal.

    Raises:
        StoreError: a file went, changed or closed since it was found; nothing has landed.
    """
    drop, folder = store.home / "drop", _folder(found.feed, found.delivery, store)
    if not folder.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{found.delivery}~*"):
            shutil.rmtree(left)
        fresh = folder.with_name(f".{found.delivery}~{secrets.token_hex(4)}")
        fresh.mkdir(mode=0o700)
        try:
            for number, file in enumerate(found.files):
                _seal(found, number, file, drop, fresh, vault)
        except OSError:
            raise StoreError(_unsteady(found, "went, or may not be read")) from None
        _write(fresh / MANIFEST, {"digest": found.digest, "files": [vars(file) for file in found.files]})
        fresh.replace(folder)
    for file in found.files:
        with suppress(OSError):  # it went, or may not be taken away: `strangers` tells of that
            if _file(drop, drop / file.path) == file:  # and not another that came meanwhile
                _take_away(drop / file.path)
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
    files = tuple(File(**file) for file in said["files"])
    return Landed(feed, delivery, files, said["digest"], folder, said.get("kept"))


def keep_instead(landed: Landed, kept: Mapping[str, Any]) -> None:
    """Keep something else in the place of a landed delivery's files, which go: its manifest is the commit point.

    Its name and digest stay, so that the files are known if they are sent again. Killed before the manifest is put
    down it is as it was; killed after, `tidy` does the rest.

    Args:
        kept: `as`: ROWS, or NOTHING; `parts`: pairs of a table and a file of its rows, written beside; `read_as`: how
            each file was read, in words; `gone`, `purging`: rows that are not among them, by table, and those of them
            that withdrew something.
    """
    said = {"digest": landed.digest, "files": [vars(file) for file in landed.files], "kept": dict(kept)}
    fresh = landed.folder / f".{MANIFEST}~{secrets.token_hex(4)}"
    _write(fresh, said)
    fresh.replace(landed.folder / MANIFEST)
    handle = os.open(landed.folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    tidy(replace(landed, kept=kept))


def tidy(landed: Landed) -> None:
    """Remove what a landed delivery no longer rests on, and what a killed attempt to keep something else left."""
    parts = [] if landed.kept is None else [file for _, file in landed.kept["parts"]]
    stays = {MANIFEST, *parts, *(f"{file}.key" for file in parts)}
    for path in landed.folder.iterdir():
        if path.name not in stays and not (landed.kept is None and path.name.endswith(".sealed")):
            path.unlink()


def kept_name(landed: Landed, file: str) -> str:
    """The name that a file of rows kept in the place of a delivery is bound to."""
    return f"landing/{landed.feed}/{landed.delivery}/{file}"


def deliveries(feed: str, store: Store) -> list[str]:
    """The keys of a feed's landed deliveries, oldest first."""
    folder = store.home / "landing" / feed
    if not folder.is_dir():
        return []
    return sorted((p.name for p in folder.iterdir() if not p.name.startswith(".")), key=delivery_order)


def _folder(feed: str, delivery: str, store: Store) -> Path:
    return store.home / "landing" / feed / delivery


@dataclass(frozen=True)
class _Entry:
    """What stands in the drop folder: its name below it, and whether it is a file, or what else (see ADVICE)."""

    path: Path
    name: str
    kind: str


ADVICE = {
    "": ("file(s) that no contract expects", "Compare the names with the contracts' patterns, or take them away"),
    "link": ("link(s)", "Links are not followed: send the file itself"),
    "special": ("pipe(s), socket(s) or device(s)", "Send a plain file"),
    "odd": ("file(s) with a name of control characters or not in UTF-8", "Rename and send again"),
    "closed": ("file(s) or folder(s) that may not be read", "Give Kinfold's group the right to read: see the guide"),
    "ahead": (
        f"file(s) whose name gives a date more than {EARLY.days} days ahead",
        "They wait until then; if the date is wrong, send them with the right one",
    ),
    "stuck": ("file(s) that may not be taken away", "Give Kinfold's group the right to write to the folder"),
}


def _entries(drop: Path, contracts: Mapping[str, Contract]) -> list[_Entry]:
    """Files below the drop folder, folders that stand where a contract expects a file, and all that is neither."""
    found: list[_Entry] = []
    folders = [drop] if drop.is_dir() else []
    while folders:
        folder = folders.pop()
        try:
            inside = sorted(folder.iterdir())
        except OSError:
            found.append(_Entry(folder, f"{_below(drop, folder)}/", "closed"))
            continue
        for path in inside:
            if path.name.startswith("."):
                continue
            name = _below(drop, path)
            kind = _kind(path, name)
            if kind == "folder" and _feed(name, contracts) is None:
                folders.append(path)
                continue
            if kind == "folder" and not all(os.access(p, os.R_OK) for p in (path, *path.rglob("*"))):
                kind = "closed"
            if kind:
                found.append(_Entry(path, name, kind))
    return found


def _kind(path: Path, name: str) -> str:
    """What stands there: file, folder, or a word of ADVICE; nothing, if it went this moment."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return "link"
    if not name.isprintable():  # control characters, and bytes that are no UTF-8
        return "odd"
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        return "special"
    return "file" if os.access(path, os.R_OK) else "closed"


def _below(drop: Path, path: Path) -> str:
    return path.relative_to(drop).as_posix() if path != drop else ""


def _shown(folder: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in folder)


def _passing(name: str) -> str:
    """The ending by which tools mark a file that they are still sending, if it has one."""
    return next((name[-len(p) :] for p in PASSING if name.casefold().endswith(p)), "")


def _feed(name: str, contracts: Mapping[str, Contract]) -> str | None:
    """The feed that expects a file of this name: that with the longest pattern, where several do."""
    fitting = [
        (len(pattern), contract.id)
        for contract in contracts.values()
        for pattern in contract.globs
        if fits(name, pattern)
    ]
    return max(fitting)[1] if fitting else None


def _day(path: Path, now: datetime) -> date:
    """The date in a file's name, else that of its last change, which senders may have set to a day to come."""
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    return _named_day(path.name, min(changed, now).date())


def _named_day(name: str, other: date) -> date:
    """The first date in a name, else the other."""
    for year, month, day in DATE.findall(name):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return other


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


def _seal(found: Found, number: int, file: File, drop: Path, fresh: Path, vault: Vault) -> None:
    if not file.folder:
        digest = vault.seal(drop / file.path, fresh / f"{number:03}.sealed", _bound(found, file.path))
        if digest != file.sha256:
            raise StoreError(_unsteady(found, "changed"))
    for i, inner in enumerate(_within(drop / file.path)):
        vault.seal(inner, fresh / f"{number:03}.{i}.sealed", _bound(found, f"{file.path}/{i}"))


def _unsteady(found: Found, what: str) -> str:
    return (
        f"delivery {found.delivery} of feed {found.feed} has not landed: one of its files {what} since it was found. "
        "Nothing is lost; the next look at the drop folder takes what is there then."
    )


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bound(of: Found | Landed, path: str) -> str:
    """The name that a sealed file is bound to."""
    return f"landing/{of.feed}/{of.delivery}/{path}"


def _write(path: Path, said: Mapping[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(said, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
