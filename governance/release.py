"""The one gate through which files leave: asked of the agreements, written to the audit log, then put in the outbox.

What belongs here: whether and where a finished file may go, and when it must be gone. What is in it is made by the
rooms above, from what `Agreements.sections` permits; the gate checks what they say they have shown.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from governance.agreements import Agreements
from governance.audit import AuditLog, Entry
from governance.keys import KeyRing
from governance.pseudonyms import hashed, joined
from warehouse.tables import RELEASE

BATCH = 2000  # files to one append of the audit log
INDEX = "index.html"
RECALL = "recall"
FEW = 64  # files that are synced one by one rather than with all that the machine holds
_UNTIL = re.compile(r"([0-9a-f]{32})(?:_until_(\d{4}-\d{2}-\d{2}))?\.\w+")
_TEAM = re.compile(r"[a-z0-9][a-z0-9-]*")


class ReleaseRefused(Exception):
    """Something was to leave that no agreement permits; nothing of its batch has left, and the audit log says so."""


@dataclass(frozen=True, slots=True)
class Item:
    """One finished file that asks to leave.

    Attributes:
        kind: summary, export, share_back, report or recall.
        team, role, reason: for whom, and why.
        person_id: about whom; None for a file about nobody in particular.
        content: the file, or how to make it from its release id and the day on which it must be gone.
        shared: `partner: category` of everything that it shows. A report or recall about no person may show none.
        withheld: `partner: category` of what it says was not permitted.
        name: tells files about nobody in particular apart; not shown anywhere.
        suffix: the file's ending.
        until: the day on which a recall must be gone; whoever was given something wrong is told of it whatever the
            agreement says by now (UK GDPR, Article 19), so that no agreement sets it.
    """

    kind: str
    team: str
    role: str
    reason: str
    person_id: str | None
    content: bytes | Callable[[str, date | None], bytes] = field(repr=False)
    shared: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    name: str = ""
    suffix: str = ".html"
    until: date | None = None


@dataclass(frozen=True)
class _Yes:
    """What permits a file: agreements, the clauses cited, and the day on which it must be gone."""

    agreements: tuple[str, ...]
    cited: str | None
    expires_on: date | None


class Releaser:
    """Lets files out into `outbox/<team>/`, named by a keyed hash and the day on which they must be gone.

    The audit log has its entry before a file is there. A night that is run again writes the same names, so a killed
    attempt leaves no second copy; `logged` keeps it from being told twice.
    """

    def __init__(
        self, outbox: Path, agreements: Agreements, log: AuditLog, ring: KeyRing, actor: str = "kinfold night"
    ) -> None:
        self._outbox = Path(outbox)
        self._agreements = agreements
        self._log = log
        self._key = ring.key("release")
        self._actor = actor

    def release_many(
        self,
        items: Iterable[Item],
        night: date,
        now: datetime,
        subjects: pl.DataFrame | None = None,
        logged: Collection[str] = (),
    ) -> pl.DataFrame:
        """Let files out, in batches, and return their rows of the table `release`, in the order of the items.

        Args:
            items: the files; may be a generator, so that they need not all be in memory.
            night: the day on which agreements are asked and from which files expire.
            now: naive UTC, for the log.
            subjects: as `agreements.subjects` makes them, for every person that an item is about; `household_covered`
                may stand beside. Whoever is not there is covered by no agreement about people.
            logged: releases that an attempt at this night, which did not come to its end, has in the log already.

        Raises:
            ReleaseRefused: an item shows what no agreement permits; its batch and all after it stay inside.
            AuditError: the log cannot be trusted or written; nothing leaves.
        """
        gate = _Gate(self._agreements, night, subjects)
        folders: dict[str, dict[str, list[Path]]] = {}
        rows: list[dict[str, Any]] = []
        waiting = iter(items)
        while batch := list(islice(waiting, BATCH)):
            rows += self._let_out(batch, gate, night, now, folders, logged)
        if len(rows) > FEW:
            os.sync()
        else:
            for row in rows:
                _sync(self._outbox / row["file"])
            for folder in {row["team"] for row in rows}:
                _sync(self._outbox / folder)
        return pl.DataFrame(rows, schema=RELEASE.schema)

    def release(self, item: Item, night: date, now: datetime, subjects: pl.DataFrame | None = None) -> pl.DataFrame:
        """Let one file out: `release_many` of one."""
        return self.release_many([item], night, now, subjects)

    def index(self, team: str, content: bytes) -> None:
        """Put a list of the files just let out to a team beside them, in place of the last night's.

        Raises:
            ReleaseRefused: nothing has been let out to the team, so that there is nothing to list.
        """
        folder = self._outbox / team
        if not _TEAM.fullmatch(team) or not folder.is_dir():
            raise ReleaseRefused(f"team {team}: no file has been released to it, so there is nothing to list.")
        _write(folder / INDEX, content)

    def retire(self, files: Iterable[str]) -> None:
        """Remove released files before their day, because newer ones stand in their place.

        Args:
            files: as the table `release` has them, below the outbox; one that is gone already is passed over.
        """
        for file in files:
            team, _, name = file.partition("/")
            if _TEAM.fullmatch(team) and _UNTIL.fullmatch(name):
                (self._outbox / team / name).unlink(missing_ok=True)

    def recall(
        self, rows: pl.DataFrame, notice: Callable[[dict[str, Any]], bytes], now: datetime, logged: Collection[str] = ()
    ) -> int:
        """Put notices in the place of released files that were wrong, where they still are; return how many there were.

        The audit log has its entry before a notice is there. What is gone stays gone.

        Args:
            rows: RELEASE columns `release_id`, `team`, `person_id`, `reason`, `file`; others may stand beside.
            notice: the content for a row; nothing of what the file showed.
            logged: releases whose recall is in the log already.

        Raises:
            AuditError: the log cannot be trusted or written; every file stands as it was.
        """
        there = []
        for row in rows.iter_rows(named=True):
            team, _, name = row["file"].partition("/")
            if _TEAM.fullmatch(team) and _UNTIL.fullmatch(name) and (self._outbox / team / name).is_file():
                there.append((row, self._outbox / team / name))
        self._log.append(
            [
                Entry(
                    now,
                    self._actor,
                    None,
                    RECALL,
                    row["team"],
                    row["person_id"],
                    row["reason"],
                    None,
                    row["release_id"],
                )
                for row, _ in there
                if row["release_id"] not in logged
            ]
        )
        for row, path in there:
            _write(path, notice(row))
        return len(there)

    def sweep(self, on: date) -> int:
        """Remove every file whose day has come, and what killed attempts left; return how many files went."""
        gone = 0
        for path in self._outbox.glob("*/*"):
            found = _UNTIL.fullmatch(path.name)
            expired = bool(found and found[2] and date.fromisoformat(found[2]) <= on)
            if expired or _left(path):
                path.unlink(missing_ok=True)
                gone += expired
        return gone

    # -- inside --------------------------------------------------------------------------------------------------

    def _let_out(
        self,
        batch: list[Item],
        gate: _Gate,
        night: date,
        now: datetime,
        folders: dict[str, dict[str, list[Path]]],
        logged: Collection[str],
    ) -> list[dict[str, Any]]:
        ids = self._ids(batch, night)
        answers = [gate.ask(item) for item in batch]
        refused = [(item, no) for item, no in zip(batch, answers, strict=True) if isinstance(no, str)]
        if refused:
            self._log.append([self._entry(item, "refuse", now, None, None) for item, _ in refused])
            whys = sorted({f"team {item.team}, {item.kind}: {no}" for item, no in refused})
            raise ReleaseRefused(
                f"{len(refused)} of {len(batch)} files may not leave: {'; '.join(whys[:5])}. "
                "Correct the agreement, or take the section out of what the team is shown."
            )
        permitted = [(i, item, yes) for i, item, yes in zip(ids, batch, answers, strict=True) if isinstance(yes, _Yes)]
        new = [(i, item, yes) for i, item, yes in permitted if i not in logged]
        self._log.append([self._entry(item, "release", now, yes.cited, i) for i, item, yes in new])
        rows = []
        for release_id, item, yes in permitted:
            if item.team not in folders:
                folders[item.team] = self._folder(item.team)
            until = f"_until_{yes.expires_on}" if yes.expires_on else ""
            path = self._outbox / item.team / f"{release_id}{until}{item.suffix}"
            content = item.content if isinstance(item.content, bytes) else item.content(release_id, yes.expires_on)
            _write(path, content)
            for older in folders[item.team].pop(release_id, []):
                if older != path:
                    older.unlink(missing_ok=True)
            rows.append(
                {
                    "release_id": release_id,
                    "kind": item.kind,
                    "team": item.team,
                    "person_id": item.person_id,
                    "reason": item.reason,
                    "agreement": ", ".join(yes.agreements) or None,
                    "file": f"{item.team}/{path.name}",
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "shared": list(item.shared),
                    "withheld": list(item.withheld),
                    "released_at": now,
                    "expires_on": yes.expires_on,
                }
            )
        return rows

    def _ids(self, batch: list[Item], night: date) -> list[str]:
        keys = pl.DataFrame(
            [(i.kind, i.team, i.person_id, i.name) for i in batch],
            schema={"kind": pl.String, "team": pl.String, "person_id": pl.String, "name": pl.String},
            orient="row",
        )
        return hashed(keys.select(joined(str(night), *map(pl.col, keys.columns))).to_series(), self._key).to_list()

    def _folder(self, team: str) -> dict[str, list[Path]]:
        """Make a team's folder; clear what a killed attempt left; return its files by release."""
        folder = self._outbox / team
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files: dict[str, list[Path]] = {}
        for path in folder.iterdir():
            if _left(path):
                path.unlink(missing_ok=True)
            elif found := _UNTIL.fullmatch(path.name):
                files.setdefault(found[1], []).append(path)
        return files

    def _entry(self, item: Item, action: str, now: datetime, cited: str | None, release_id: str | None) -> Entry:
        return Entry(
            at=now,
            actor=self._actor,
            role=item.role,
            action=action,
            team=item.team,
            person_id=item.person_id,
            reason=item.reason,
            agreement=cited,
            release_id=release_id,
        )


class _Gate:
    """Asks the agreements once for each kind of item, and once for whom they cover."""

    def __init__(self, agreements: Agreements, night: date, subjects: pl.DataFrame | None) -> None:
        self._agreements = agreements
        self._night = night
        self._subjects = subjects
        self._sections: dict[tuple[str, str, str], dict[str, list[tuple[str, str]]]] = {}
        self._covered: dict[str, frozenset[str]] = {}
        self._answers: dict[tuple[Any, ...], _Yes | str] = {}

    def ask(self, item: Item) -> _Yes | str:
        """What permits the item, or why nothing does, in words without a personal value."""
        if not _TEAM.fullmatch(item.team) or not re.fullmatch(r"\.\w+", item.suffix):
            return "the team or the ending cannot be part of a file name"
        if not item.shared:
            about_nobody = item.kind in ("report", RECALL) and item.person_id is None
            until = item.until if item.kind == RECALL else None
            return _Yes((), None, until) if about_nobody else "it does not say what it shows"
        covering = tuple(a for a in self._asking(item) if self._covers(a, item.person_id))
        kind = (item.kind, item.team, item.role, item.reason, item.shared, covering)
        if kind not in self._answers:
            self._answers[kind] = self._answer(item, covering)
        return self._answers[kind]

    def _asking(self, item: Item) -> Iterator[str]:
        """The agreements that give this team, role and reason anything, in order."""
        who = (item.team, item.role, item.reason)
        if who not in self._sections:
            clauses: dict[str, list[tuple[str, str]]] = {}
            for row in self._agreements.sections(*who, self._night).iter_rows(named=True):
                pair = f"{row['partner']}: {row['category']}"
                clauses.setdefault(pair, []).append((row["agreement"], row["clause"]))
            self._sections[who] = clauses
        yield from sorted({agreement for given in self._sections[who].values() for agreement, _ in given})

    def _covers(self, agreement: str, person_id: str | None) -> bool:
        if self._agreements.covers(agreement, None):
            return True
        if agreement not in self._covered:
            frame = self._subjects
            if frame is not None and "household_covered" not in frame.columns:
                frame = frame.with_columns(household_covered=pl.lit(False))
            covered = [] if frame is None else frame.filter(self._agreements.covering(agreement))["person_id"].to_list()
            self._covered[agreement] = frozenset(covered)
        return person_id in self._covered[agreement]

    def _answer(self, item: Item, covering: tuple[str, ...]) -> _Yes | str:
        clauses = self._sections[item.team, item.role, item.reason]
        cited: dict[str, set[str]] = {}
        for pair in item.shared:
            given = [(a, clause) for a, clause in clauses.get(pair, ()) if a in covering]
            if not given:
                return f"{pair} is not shared about this person" if pair in clauses else f"no agreement shares {pair}"
            cited.setdefault(given[0][0], set()).add(given[0][1])
        ends = [self._agreements.expires(a, item.kind, self._night, item.team) for a in cited]
        if None in ends:
            return f"an agreement allows no {item.kind} to be kept"
        text = "; ".join(f"{a} {', '.join(sorted(c, key=_natural))}" for a, c in sorted(cited.items()))
        return _Yes(tuple(sorted(cited)), text, min(e for e in ends if e))


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


def _natural(clause: str) -> tuple[int, str]:
    return len(clause), clause


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, under another name first, and put it in place by one rename."""
    fresh = path.with_name(f".{path.name}~{os.getpid()}-{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
