"""The audit log: who saw what and why, in a file that shows every change made to it.

What belongs here: writing entries and checking the file. What is worth an entry is decided by `governance.release`,
what is asked of the entries in `audit_reading`, and how checkpoints are signed and kept in `checkpoints`.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import pwd
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from governance import checkpoints
from governance.checkpoints import CheckpointError, Head, canonical
from warehouse.store import sync
from warehouse.tables import ACCESS_LOG

EVERY = 10_000  # entries from one checkpoint outside to the next, beside the nightly one
WEEK = timedelta(days=7)  # from one look at the whole log to the next
TOLD = 20  # problems that are told one by one
LONGEST = 32_768  # bytes of a line; `_LENGTHS` allow less
_LENGTHS = {"actor": 120, "role": 80, "action": 40, "team": 80, "reason": 200, "agreement": 2000, "case": 80}
_IDS = ("person_id", "release_id")
_ID = re.compile(r"[0-9a-f]{32}")
_MARK = b',"mac":"'
_ENDING = len(_MARK) + 64 + len(b'"}\n')
_BEYOND = "Tell the Data Protection Officer; `kinfold audit verify` lists what is wrong."
_NOBODY = 0xFFFFFFFF  # what the kernel says where nobody signed in
_OWN = "its own checkpoint"
_CHECKPOINT, _VERIFIED = b"checkpoint", b"verified"


class AuditError(Exception):
    """The audit log cannot be trusted or written; nothing may be released until it is looked into."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done with someone's data: who, in which role, what, for whom, about whom, why, by what right.

    `at` is naive UTC; `person_id` is the lasting id, never a name; `case` is a reference of the asker's own system,
    never a name either; the rest is as `ACCESS_LOG` says. The log adds the account of the machine that wrote it.
    """

    at: datetime
    actor: str
    role: str | None
    action: str
    team: str | None
    person_id: str | None
    reason: str | None
    agreement: str | None
    release_id: str | None = None
    case: str | None = None


_FIELDS = tuple(field.name for field in fields(Entry))
_LATER = ("account", "case")  # which the oldest entries do not have


def _line() -> re.Pattern[bytes]:
    """The one way of writing an entry: every field once, in order, and nothing written otherwise than it need be."""
    plain = rb'[^"\\\x00-\x1f]*+'
    text = rb'(?:null|"%s(?:\\["\\]%s)*+")' % (plain, plain)
    kinds = dict.fromkeys((*_FIELDS, "account"), text) | {"sequence": rb"([1-9]\d{0,14})"}
    parts = [b'"%s":%s,' % (name.encode(), kind) for name, kind in sorted(kinds.items())]
    parts = [b"(?:%s)?" % p if p[1:-1].startswith(tuple(n.encode() for n in _LATER)) else p for p in parts]
    return re.compile(rb'\{%s"mac":"[0-9a-f]{64}"\}\n' % b"".join(parts))


_LINE = _line()


@dataclass(frozen=True)
class Verdict:
    """What a look at the log found.

    Attributes:
        entries: that stand in it.
        checked: of these, how many were looked at; the others were, earlier.
        against: checkpoints that they were held against, its own and those kept elsewhere.
        problems: in words, each with its line; the first that there are. Empty: every entry stands as it was written.
        more: problems beyond those.
    """

    entries: int
    checked: int
    against: int
    problems: tuple[str, ...] = ()
    more: int = 0


class AuditLog:
    """An append-only file of JSON lines, each authenticated together with the one before it (HMAC-SHA-256).

    After every append a sealed checkpoint says how far the log had come, so that a cut tail shows too. Signed ones go
    to a folder where its keepers can change nothing: with one, even a rewrite by somebody who has the key shows.
    """

    def __init__(self, folder: Path, key: bytes, checkpoint: Path | None = None, copies: Path | None = None) -> None:
        """The log lies in `folder`, its checkpoint too unless another path is given; `copies` keeps signed ones."""
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = self.folder / "log.jsonl"
        self.checkpoint = checkpoint or self.folder / "checkpoint.json"
        self.copies = copies
        self._key = key

    def __repr__(self) -> str:
        return f"AuditLog({self.folder.name})"

    @property
    def public_key(self) -> str:
        """What others check kept checkpoints with, as PEM."""
        return checkpoints.public_key(self._key)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries in one go and return when they are on the disk; one process at a time.

        A half line left by a killed append is dropped first: what it was to say never happened.

        Raises:
            AuditError: the log has been cut or changed since the last append, cannot be written, or an entry is not one
                that it takes. Then what was to be logged must not happen.
        """
        if not entries:
            return
        by = {"account": account()}
        said = [_said(entry) | by for entry in entries]
        with self._locked():
            before = self._recovered()
            lines = bytearray()
            mac = before.mac
            for sequence, one in enumerate(said, before.entries + 1):
                body = canonical({"sequence": sequence, **one})
                mac = self._mac(mac.encode(), body)
                lines += body[:-1] + _MARK + mac.encode() + b'"}\n'
            fresh = not self.path.exists()
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(lines)
                file.flush()
                os.fsync(handle)
            if fresh:
                sync(self.folder)
            head = Head(before.entries + len(said), before.size + len(lines), mac)
            self._keep(head)
        if self.copies and head.entries // EVERY > before.entries // EVERY:
            self.keep_copy(self.copies)

    def keep_copy(self, folder: Path, at: datetime | None = None) -> Path:
        """Put a signed checkpoint into a folder outside, for good.

        Args:
            folder: outside of the data, and there already.
            at: when, naive UTC; now if not given.

        Raises:
            AuditError: the log is not in order, or nothing can be written there.
        """
        with self._locked():
            head = self._recovered()
        moment = at or datetime.now(UTC).replace(tzinfo=None)
        with self._written(f"a checkpoint in the folder {folder.name}"):
            return checkpoints.keep(folder, head, moment, self._key)

    def verify(self, *kept: Path) -> list[str]:
        """`examine` for whoever wants to know what is wrong alone; empty when every entry stands as it was written."""
        return list(self.examine(kept).problems)

    def look(self, on: date) -> Verdict:
        """The daily look: at all that came since the last one, and once a week at everything.

        Args:
            on: the day.
        """
        seen = self.folder / "verified.json"
        since, whole = Head(), on
        with suppress(CheckpointError, KeyError, TypeError, ValueError):
            said = checkpoints.unsealed(seen, self._key, _VERIFIED)
            last = date.fromisoformat(said.pop("whole"))
            if timedelta() <= on - last < WEEK:
                since, whole = Head(**said), last
        verdict, head = self._examined([self.copies] if self.copies else [], since)
        if not verdict.problems:
            said = asdict(head) | {"whole": str(whole)}
            with self._written("what was looked at"):
                _write(seen, checkpoints.sealed(said, self._key, _VERIFIED))
        return verdict

    def examine(self, kept: Iterable[Path] = ()) -> Verdict:
        """Check the whole log against its own checkpoint and those kept elsewhere; writers go on meanwhile.

        Args:
            kept: files of kept checkpoints, or folders of them.
        """
        return self._examined(kept, Head())[0]

    def frame(self) -> pl.DataFrame:
        """The log as the table `access_log`; a half line at the end is left out."""
        content = self.path.read_bytes() if self.path.exists() else b""
        content = content[: content.rfind(b"\n") + 1]
        if not content:
            return ACCESS_LOG.empty()
        read = pl.read_ndjson(content, schema=pl.Schema(ACCESS_LOG.schema | {"at": pl.String()}))
        return read.with_columns(pl.col("at").str.to_datetime(time_unit="us")).select(ACCESS_LOG.schema.names())

    # -- inside --------------------------------------------------------------------------------------------------

    def _mac(self, before: bytes, body: bytes) -> str:
        return hmac.digest(self._key, before + body, "sha256").hex()

    def _examined(self, kept: Iterable[Path], since: Head) -> tuple[Verdict, Head]:
        with self._locked():  # for as long as it takes to see how far the log has come
            problems, heads = self._heads(kept)
            size = self.path.stat().st_size if self.path.exists() else 0
        if size < since.size:
            problems.append(f"{self.path.name}: it is shorter than when it was last looked at: its end was cut off.")
            since = Head()
        walk = _Walk(self._key, self.path.name, since, [h for h in heads if h[1].entries >= since.entries])
        if size:
            with self.path.open("rb") as file:
                file.seek(since.size)
                walk.through(file, size)
        walk.ended()
        every = problems + walk.problems
        verdict = Verdict(
            walk.head.entries,
            walk.head.entries - since.entries,
            len(heads),
            tuple(every),
            walk.found - len(walk.problems),
        )
        return verdict, walk.head

    def _heads(self, kept: Iterable[Path]) -> tuple[list[str], list[tuple[str, Head]]]:
        """What every checkpoint says, and what is wrong with those that cannot be relied on."""
        problems: list[str] = []
        heads: list[tuple[str, Head]] = []
        if self.path.exists() or self.checkpoint.exists():
            try:
                heads.append((_OWN, self._head()))
            except AuditError as error:
                problems.append(str(error))
        for path in checkpoints.kept(kept):
            try:
                if found := checkpoints.opened(path, self._key):
                    heads.append((f"the checkpoint {found[1]} ({path.name})", found[0]))
            except (CheckpointError, TypeError):
                problems.append(
                    f"{path.name}: this checkpoint is missing, was changed, or was not made by this log. {_BEYOND}"
                )
        return problems, heads

    def _recovered(self) -> Head:
        """Where to go on writing: whole entries beyond the checkpoint count, a half line is dropped."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if not size and not self.checkpoint.exists():
            self._keep(Head())  # before the first entry of all, so that a log without a checkpoint is never in order
        head = self._head()
        if size < head.size:
            raise AuditError(_alarm(self.path, "its end was cut"))
        if size == head.size:
            return head
        walk = _Walk(self._key, self.path.name, head, [])
        with self.path.open("rb+") as file:
            file.seek(head.size)
            walk.through(file, size)
            if walk.problems:
                raise AuditError(_alarm(self.path, walk.problems[0]))
            file.truncate(walk.head.size)
        return walk.head

    def _keep(self, head: Head) -> None:
        _write(self.checkpoint, checkpoints.sealed(asdict(head), self._key, _CHECKPOINT))

    def _head(self) -> Head:
        with suppress(CheckpointError, TypeError):
            return Head(**checkpoints.unsealed(self.checkpoint, self._key, _CHECKPOINT))
        raise AuditError(
            _alarm(self.checkpoint, "the checkpoint is missing, was changed, or was made under another key")
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._written("an entry"):
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)

    @contextmanager
    def _written(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditError(
                f"audit log: {what} could not be written ({error.strerror}), so that nothing may be shown or released. "
                "Look at the disk and who may write to it, then do it again."
            ) from None


class _Walk:
    """Goes through the lines of a log from a known point on and holds each against the one before and checkpoints."""

    def __init__(self, key: bytes, name: str, since: Head, heads: list[tuple[str, Head]]) -> None:
        self._key, self._name = key, name
        self.head = since
        self.problems: list[str] = []
        self.found = 0
        self._waiting = sorted(heads, key=lambda h: h[1].entries)
        self._agreed = 0  # how far one that was kept elsewhere has said that all is as it was

    def through(self, file: BinaryIO, size: int) -> None:
        """Read on to `size` bytes, a line at a time."""
        keyed, match = hmac.new(self._key, digestmod="sha256").copy, _LINE.fullmatch
        number, at, mac, expected = self.head.entries, self.head.size, self.head.mac.encode(), self.head.entries + 1
        self._compare(self.head)
        due = self._due()
        for line, length in _lines(file, size - at):
            at += length
            number += 1
            found = match(line)
            said = int(found[1]) if found else _number(line)
            own = line[-67:-3]
            code = keyed()
            code.update(mac + line[:-_ENDING] + b"}")
            if found is None or said != expected or code.hexdigest().encode() != own:
                self._tell(number, said, expected)
            expected, mac = (expected if said is None else said) + 1, own
            if number == due:
                self._compare(Head(number, at, mac.decode("ascii", "replace")))
                due = self._due()
        self.head = Head(number, at, mac.decode("ascii", "replace"))

    def ended(self) -> None:
        """Say what checkpoints count and the log has no more."""
        for name, head in self._waiting:
            self._add(
                f"{self._name}: {name} counts {head.entries:,} entries, and {self.head.entries:,} are left: the end "
                "was cut off."
            )

    def _due(self) -> int:
        return self._waiting[0][1].entries if self._waiting else -1

    def _compare(self, here: Head) -> None:
        while self._waiting and self._waiting[0][1].entries == here.entries:
            name, head = self._waiting.pop(0)
            if head == here:
                self._agreed = self._agreed if name == _OWN else here.entries
                continue
            self._add(
                f"{self._name}:{here.entries}: entry {here.entries:,} is not the one that {name} saw: the log was "
                f"rewritten, somewhere from entry {self._agreed + 1:,} to entry {here.entries:,}."
            )

    def _tell(self, number: int, said: int | None, expected: int) -> None:
        if said is None:
            what = "this is no entry of the log: it was changed or put in by hand"
        elif said > expected:
            what = (
                f"entry {said:,} stands where entry {expected:,} belongs: {said - expected:,} before it were taken "
                "out, or the order was changed"
            )
        elif said < expected:
            what = (
                f"entry {said:,} stands where entry {expected:,} belongs: it was put in again, or the order was changed"
            )
        else:
            what = f"entry {said:,} is not as it was written: it was changed, or put in by somebody without the key"
        self._add(f"{self._name}:{number}: {what}.")

    def _add(self, problem: str) -> None:
        self.found += 1
        if len(self.problems) < TOLD:
            self.problems.append(problem)


def _lines(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Each whole line of the next `size` bytes, with its length; of one that is too long, a mark and its end."""
    while size > 0:
        line = file.readline(min(LONGEST, size))
        length = len(line)
        while not line.endswith(b"\n"):
            if not (more := file.readline(min(LONGEST, size - length))):
                return  # half a line, left by a killed append
            length += len(more)
            line = b"~" + more
        size -= length
        yield line, length


def login() -> str:
    """Who signed in to the machine, as the kernel has it, else whoever the process runs as; no variable claims another.

    Where the kernel was not told, as in a container, root is asked for whom it acts by sudo: root could say anything.
    """
    with suppress(OSError, ValueError):
        signed_in = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
        if signed_in != _NOBODY:
            return _user(signed_in)
    by_sudo = os.environ.get("SUDO_UID", "")
    return _user(int(by_sudo) if os.getuid() == 0 and by_sudo.isdigit() else os.getuid())


def account() -> str:
    """The account of the machine that acts: who signed in, and as whom where they became another, as with sudo."""
    by, runs_as = login(), _user(os.getuid())
    return by if by == runs_as else f"{by} as {runs_as}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _said(entry: Entry) -> dict[str, Any]:
    """An entry's fields, texts in one Unicode form.

    Raises:
        AuditError: a text is too long or has characters that are not to be seen, or an id is none.
    """
    said = {name: getattr(entry, name) for name in _FIELDS} | {"at": entry.at.isoformat()}
    for name, longest in _LENGTHS.items():
        if said[name] is not None:
            said[name] = unicodedata.normalize("NFC", said[name])
            if len(said[name]) > longest or not said[name].isprintable():
                raise AuditError(
                    f"audit log: the {name} of an entry has more than {longest} characters, or some that cannot be "
                    "seen, such as ends of lines. Nothing was shown or released. Say it in one short line."
                )
    for name in _IDS:
        if said[name] is not None and not _ID.fullmatch(said[name]):
            raise AuditError(
                f"audit log: the {name} of an entry is no id (32 characters of 0-9 and a-f). Nothing was shown or "
                "released. Name people by their ids, never by name."
            )
    return said


def _number(line: bytes) -> int | None:
    """The number that a line which is no entry seems to have; None for what is nothing like one."""
    found = re.search(rb'"sequence":(\d{1,15}),', line)
    return int(found[1]) if found else None


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}~")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
    fresh.replace(path)


def _alarm(path: Path, what: str) -> str:
    return f"audit log {path.name}: {what.rstrip('.')}. {_BEYOND}"
