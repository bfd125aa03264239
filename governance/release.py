"""The one gate through which files leave: asked of the agreements, written to the audit log, then put in the outbox.

What belongs here: whether and where a finished file may go, and when it must be gone. What is in it is made by the
rooms above, from what `Agreements.sections` permits; the gate checks what they say they have shown. What is shown on a
screen and never becomes a file goes through `reveal`; what lies in the outbox afterwards is looked after in `outbox`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from governance import outbox
from governance.agreements import Agreements, Outgoing
from governance.audit import AuditLog, Entry
from governance.keys import KeyRing
from governance.outbox import INDEX, NAMED, Swept
from governance.pseudonyms import hashed, joined
from governance.sealing import ENDING, SealingError, TeamKeys
from governance.stamp import BESIDE, Stamp
from warehouse.tables import RELEASE

BATCH = 2000  # files to one append of the audit log
RECALL, EXPORT = "recall", "export"
SUBJECT, SUBJECT_ACCESS = "subject", "subject_access"  # a kind of file and the reason for it: a person's own data
UNKNOWN = "unknown"
BY_LAW = "UK GDPR Article 15"
FEW = 64  # files that are synced one by one rather than with all that the machine holds
PAGE = ".html"
_TEAM = re.compile(r"[a-z0-9][a-z0-9-]*")
_LISTED = re.compile(rb"[0-9a-f]{32}_until_(\d{4}-\d{2}-\d{2})\.([\w.]+)")


class ReleaseRefused(Exception):
    """Something was to leave that no agreement permits; nothing of its batch has left, and the audit log says so."""


@dataclass(frozen=True, slots=True)
class Item:
    """One finished file that asks to leave.

    Attributes:
        kind: summary, export, share_back, report, recall or subject: a person's own data, for that person.
        team, role, reason: for whom, and why.
        person_id: about whom; None for a file about nobody in particular.
        content: the file, or how to make it from its release id and the day on which it must be gone. A page gets its
            stamp at its foot; beside any other file lies one that holds it.
        shared: `partner: category` of everything that it shows. A report or recall about no person may show none.
        withheld: `partner: category` of what it says was not permitted.
        name: tells files about nobody in particular apart; not shown anywhere.
        suffix: the file's ending.
        until: the day on which a recall or a person's own data must be gone; whoever was given something wrong is told
            of it, and whoever asks for their own data has it, whatever the agreements say by now (UK GDPR, Articles 19
            and 15), so that no agreement sets it.
        export: which export of an agreement it is; an export is let out under no other right.
        people: everybody of whom an export tells; each of them stands in the audit log.
        about: what the stamp beside a file that is no page says more of it, such as its columns; never a value.
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
    suffix: str = PAGE
    until: date | None = None
    about: Mapping[str, Any] | None = None
    export: Outgoing | None = None
    people: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Yes:
    """What permits a file: agreements, the clauses cited, the day on which it must be gone, and if it is encrypted."""

    agreements: tuple[str, ...]
    cited: str | None
    expires_on: date | None
    encrypted: bool = False


class Releaser:
    """Lets files out into `outbox/<team>/`, named by a keyed hash and the day on which they must be gone.

    The audit log has its entry before a file is there. A night that is run again writes the same names, so a killed
    attempt leaves no second copy; `logged` keeps it from being told twice. A team's folder is its owner's alone, or may
    be read by the unix group that the site names; where an agreement says so, files in it are encrypted to the team.
    """

    def __init__(
        self,
        outbox: Path,
        agreements: Agreements,
        log: AuditLog,
        ring: KeyRing,
        actor: str = "kinfold night",
        keys: Path | None = None,
    ) -> None:
        """Where files go, what is asked, and who acts; `keys` is the folder of the teams' public keys."""
        self._outbox = Path(outbox)
        self._agreements = agreements
        self._log = log
        self._key = ring.key("release")
        self._actor = actor
        self._keys = TeamKeys(keys)

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
            ReleaseRefused: an item shows what no agreement permits, two claim one release, a team's key or folder
                cannot be used; its batch and all after it stay inside.
            AuditError: the log cannot be trusted or written; nothing leaves.
        """
        gate = _Gate(self._agreements, night, subjects)
        folders: dict[str, dict[str, list[Path]]] = {}
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        waiting = iter(items)
        while batch := list(islice(waiting, BATCH)):
            rows += self._let_out(batch, gate, night, now, folders, logged, seen)
        if len(rows) > FEW:
            os.sync()
        else:
            for row in rows:
                outbox.sync(self._outbox / row["file"])
            for folder in {row["team"] for row in rows}:
                outbox.sync(self._outbox / folder)
        return pl.DataFrame(rows, schema=RELEASE.schema)

    def release(self, item: Item, night: date, now: datetime, subjects: pl.DataFrame | None = None) -> pl.DataFrame:
        """Let one file out: `release_many` of one."""
        return self.release_many([item], night, now, subjects)

    def index(self, team: str, content: bytes) -> None:
        """Put a list of the files just let out to a team beside them, in place of the last night's.

        What it lists is in the audit log. It goes on the day on which the last of them must be gone, and where the
        team's files are encrypted, so is the list.

        Raises:
            ReleaseRefused: nothing has been let out to the team, so that there is nothing to list; or its key or folder
                cannot be used.
        """
        folder, known = self._outbox / team, self._agreements.council.teams.get(team)
        if known is None or not _TEAM.fullmatch(team) or not folder.is_dir():
            raise ReleaseRefused(f"team {team}: no file has been released to it, so there is nothing to list.")
        mode = self._access(team)
        listed = [(date.fromisoformat(day.decode()), b"." + ends) for day, ends in _LISTED.findall(content)]
        reason = self._agreements.council.reasons[known.reason]
        listing = Stamp(None, "list", known.name, reason, (), None, max((day for day, _ in listed), default=None))
        content = listing.on_page(content)
        plain, sealed = folder / INDEX, folder / f"{INDEX}{ENDING}"
        if any(ends.endswith(ENDING.encode()) for _, ends in listed):
            outbox.write(folder / f"{sealed.name}{BESIDE}", listing.beside(), mode)
            outbox.write(sealed, self._seal(team, content, datetime.now(UTC).replace(tzinfo=None)), mode)
            plain.unlink(missing_ok=True)
        else:
            outbox.write(plain, content, mode)
            for left in (sealed, folder / f"{sealed.name}{BESIDE}"):
                left.unlink(missing_ok=True)

    def retire(self, files: Iterable[str]) -> None:
        """Remove released files before their day, because newer ones stand in their place.

        Args:
            files: as the table `release` has them, below the outbox; one that is gone already is passed over.
        """
        for file in files:
            team, _, name = file.partition("/")
            if _TEAM.fullmatch(team) and NAMED.fullmatch(name):
                for each in (name, name + BESIDE):
                    (self._outbox / team / each).unlink(missing_ok=True)

    def recall(
        self, rows: pl.DataFrame, notice: Callable[[dict[str, Any]], bytes], now: datetime, logged: Collection[str] = ()
    ) -> int:
        """Put notices in the place of released files that were wrong, where they still are; return how many there were.

        The audit log has its entry before a notice is there. What is gone stays gone; what was renamed in the team's
        folder is found by its digest. In the place of an encrypted file stands a notice that anybody may read, under
        the file's name without the ending.

        Args:
            rows: RELEASE columns `release_id`, `team`, `person_id`, `reason`, `file`; others may stand beside, `sha256`
                among them.
            notice: the content for a row; nothing of what the file showed.
            logged: releases whose recall is in the log already.

        Raises:
            AuditError: the log cannot be trusted or written; every file stands as it was.
        """
        there = []
        for row in rows.iter_rows(named=True):
            team, _, name = row["file"].partition("/")
            if _TEAM.fullmatch(team) and NAMED.fullmatch(name):
                found = outbox.find(self._outbox / team, name, row.get("sha256"))
                there += [(row, self._outbox / team / name, found)] if found else []
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
                for row, *_ in there
                if row["release_id"] not in logged
            ]
        )
        for row, path, found in there:
            place = path.with_name(path.name.removesuffix(ENDING))
            outbox.write(place, notice(row | {"file": f"{row['team']}/{place.name}"}), self._access(row["team"]))
            if found != place:
                found.unlink(missing_ok=True)
        return len(there)

    def sweep(self, on: date, released: pl.DataFrame | None = None, recalled: Collection[str] = ()) -> Swept:
        """Remove every file whose day has come, and what killed attempts left, and say what else is there.

        Args:
            on: the day.
            released: RELEASE rows of all that was ever let out. With them a file is known by what it holds, so that
                neither a new name nor another folder keeps it; without them by its name alone.
            recalled: releases in whose place a notice may stand.
        """
        return outbox.sweep(self._outbox, on, released, recalled)

    # -- inside --------------------------------------------------------------------------------------------------

    def _let_out(
        self,
        batch: list[Item],
        gate: _Gate,
        night: date,
        now: datetime,
        folders: dict[str, dict[str, list[Path]]],
        logged: Collection[str],
        seen: set[str],
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
        again = []
        for release_id, item in zip(ids, batch, strict=True):
            again += [item] if release_id in seen else []
            seen.add(release_id)
        if again:
            self._log.append([self._entry(item, "refuse", now, None, None) for item in again])
            raise ReleaseRefused("two files claim one release: give each of them a name of its own.")
        permitted = [(i, item, yes) for i, item, yes in zip(ids, batch, answers, strict=True) if isinstance(yes, _Yes)]
        modes = {team: self._access(team) for team in dict.fromkeys(item.team for _, item, _ in permitted)}
        for team in dict.fromkeys(item.team for _, item, yes in permitted if yes.encrypted):
            self._seal(team, b"", now)
        new = [(i, item, yes) for i, item, yes in permitted if i not in logged]
        self._log.append([entry for i, item, yes in new for entry in self._entries(item, now, yes.cited, i)])
        rows = []
        for release_id, item, yes in permitted:
            if item.team not in folders:
                folders[item.team] = outbox.by_release(self._outbox / item.team)
            until = f"_until_{yes.expires_on}" if yes.expires_on else ""
            name = f"{release_id}{until}{item.suffix}{ENDING if yes.encrypted else ''}"
            path, stamp = self._outbox / item.team / name, self._stamp(release_id, item, yes)
            content = item.content if isinstance(item.content, bytes) else item.content(release_id, yes.expires_on)
            if item.suffix == PAGE:
                content = stamp.on_page(content)
            else:
                outbox.write(path.with_name(name + BESIDE), stamp.beside(item.about), modes[item.team])
            if yes.encrypted:
                content = self._seal(item.team, content, now)
            outbox.write(path, content, modes[item.team])
            for older in folders[item.team].pop(release_id, []):
                if older.name not in (name, name + BESIDE):
                    older.unlink(missing_ok=True)
            rows.append(
                {
                    "release_id": release_id,
                    "kind": item.kind,
                    "team": item.team,
                    "person_id": item.person_id,
                    "reason": item.reason,
                    "agreement": ", ".join(yes.agreements) or yes.cited,
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

    def _access(self, team: str) -> int:
        """Make a team's folder, or close it again; return the mode of the files in it."""
        try:
            return outbox.folder(self._outbox, team, self._agreements.council.teams[team].unix_group)
        except outbox.OutboxError as error:
            raise ReleaseRefused(str(error)) from None

    def _seal(self, team: str, content: bytes, now: datetime) -> bytes:
        try:
            return self._keys.sealed(team, content, now)
        except SealingError as error:
            raise ReleaseRefused(str(error)) from None

    def _stamp(self, release_id: str, item: Item, yes: _Yes) -> Stamp:
        council = self._agreements.council
        return Stamp(
            release_id,
            item.kind,
            council.teams[item.team].name,
            council.reasons.get(item.reason, item.reason),
            tuple(dict.fromkeys(map(self._agreements.purpose, yes.agreements))),
            yes.cited,
            yes.expires_on,
            len(item.withheld),
        )

    def _entries(self, item: Item, now: datetime, cited: str | None, release_id: str) -> list[Entry]:
        """A release's entries: one, and of an export one more for everybody of whom it tells."""
        made = self._entry(item, "release", now, cited, release_id)
        return [made, *(replace(made, person_id=person) for person in item.people)]

    def _entry(self, item: Item, action: str, now: datetime, cited: str | None, release_id: str | None) -> Entry:
        """An entry about an item; what the council does not know, and might be a name, is no word of the log."""
        council = self._agreements.council
        team = council.teams.get(item.team)
        return Entry(
            at=now,
            actor=self._actor,
            role=item.role if team and item.role in team.roles else UNKNOWN,
            action=action,
            team=item.team if team else UNKNOWN,
            person_id=item.person_id,
            reason=item.reason if item.reason in council.reasons else UNKNOWN,
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
        if item.team not in self._agreements.council.teams:
            return "the council has no such team"
        if item.kind == SUBJECT:
            return self._to_the_person(item)
        if item.kind == EXPORT:
            return self._by_export(item)
        if not item.shared:
            if item.kind not in ("report", RECALL) or item.person_id is not None:
                return "it does not say what it shows"
            if item.role not in self._agreements.council.teams[item.team].roles:
                return "the team has no such role"
            return _Yes((), None, item.until if item.kind == RECALL else None)
        covering = tuple(a for a in self._asking(item) if self._covers(a, item.person_id))
        kind = (item.kind, item.team, item.role, item.reason, item.shared, covering)
        if kind not in self._answers:
            self._answers[kind] = self._answer(item, covering)
        return self._answers[kind]

    def _to_the_person(self, item: Item) -> _Yes | str:
        """What a person is told of their own data goes to the team that answers such requests, and to no other."""
        team = self._agreements.council.teams[item.team]
        if not SUBJECT_ACCESS == item.reason == team.reason or team.party or item.role not in team.roles:
            return f"a person's own data goes to a team of the council alone whose reason is {SUBJECT_ACCESS}"
        if item.person_id is None or item.until is None or not item.shared:
            return "it does not say whose own data it is, what it shows, or until when it may be kept"
        return _Yes((), BY_LAW, item.until)

    def _by_export(self, item: Item) -> _Yes | str:
        """What permits an export: the agreement's own word for it, clause by clause and person by person."""
        export, item_team = item.export, (item.team, item.reason)
        if export is None or export not in self._agreements.exports(self._night):
            return "no agreement in force has such an export"
        if item_team != (export.team, export.terms.reason) or not item.shared:
            return (
                f"{export.agreement} {export.clause} is not for this team and reason, or it does not say what it shows"
            )
        clauses: dict[str, set[str]] = {}
        for row in self._agreements.export_sections(export, item.role, self._night).iter_rows(named=True):
            clauses.setdefault(f"{row['partner']}: {row['category']}", set()).add(row["clause"])
        if missing := sorted(set(item.shared) - clauses.keys()):
            return f"{export.agreement} {export.clause} does not share {missing[0]}"
        frame = self._known()
        terms = export.terms.people.expression() if export.terms.people else pl.lit(True)
        covered = set(frame.filter(self._agreements.covering(export.agreement) & terms)["person_id"])
        if not covered.issuperset(item.people):
            return f"{export.agreement} {export.clause} does not cover everybody of whom it tells"
        expires = self._agreements.expires(export.agreement, EXPORT, self._night, item.team)
        if expires is None:
            return f"{export.agreement} allows no export to be kept"
        cited = sorted({c for pair in item.shared for c in clauses[pair]}, key=_natural)
        encrypted = export.terms.encrypt or self._agreements.encrypts(export.agreement, item.team)
        text = f"{export.agreement} {export.clause}, {', '.join(cited)}"
        return _Yes((export.agreement,), text, expires, encrypted)

    def _known(self) -> pl.DataFrame:
        """The subjects as agreements ask of them; nobody where none were given."""
        frame = self._subjects
        if frame is None:
            lists = pl.List(pl.String)
            frame = pl.DataFrame(schema={"person_id": pl.String, "age": pl.Int32, "open_to": lists, "meets": lists})
        if "household_covered" not in frame.columns:
            frame = frame.with_columns(household_covered=pl.lit(False))
        return frame

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
            covered = self._known().filter(self._agreements.covering(agreement))["person_id"]
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
        encrypted = any(self._agreements.encrypts(a, item.team) for a in cited)
        return _Yes(tuple(sorted(cited)), text, min(e for e in ends if e), encrypted)


def _natural(clause: str) -> tuple[int, str]:
    return len(clause), clause
