"""The audit log: who saw what and why, in a file that shows every change made to it.

What belongs here: writing entries and checking the file. What is worth an entry is decided by `governance.release`.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.tables import ACCESS_LOG

_MARK = b',"mac":"'
_ENDING = len(_MARK) + 64 + len(b'"}')
_START = "0" * 64


class AuditError(Exception):
    """The audit log cannot be trusted or written; nothing may be released until it is looked into."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done with someone's data: who, in which role, what, for whom, about whom, why, by what right.

    `at` is naive UTC; `person_id` is the lasting id, never a name; `case` is a reference of the asker's own system,
    never a name either; the rest is as `ACCESS_LOG` says.
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


@dataclass(frozen=True)
class _Head:
    """How far the log has come: entries, bytes, and the code of the last entry."""

    entries: int = 0
    size: int = 0
    mac: str = _START


class AuditLog:
    """An append-only file of JSON lines, each authenticated together with the one before it (HMAC-SHA-256).

    After every append a sealed checkpoint says how far the log had come, so that a cut tail shows too. Keep copies of
    the checkpoint where the log's keepers cannot write: with one, even a rewrite by somebody who has the key shows.
    """

    def __init__(self, folder: Path, key: bytes, checkpoint: Path | None = None) -> None:
        """The log lies in `folder`; its checkpoint there too unless another path is given."""
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = self.folder / "log.jsonl"
        self.checkpoint = checkpoint or self.folder / "checkpoint.json"
        self._key = key

    def __repr__(self) -> str:
        return f"AuditLog({self.folder.name})"

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries in one go and return when they are on the disk; one process at a time.

        A half line left by a killed append is dropped first: what it was to say never happened.

        Raises:
            AuditError: the log has been cut or changed since the last append.
        """
        if not entries:
            return
        with self._locked():
            head = self._recovered()
            lines = bytearray()
            mac = head.mac
            for sequence, entry in enumerate(entries, head.entries + 1):
                body = _canonical(
                    {"sequence": sequence, **{f: getattr(entry, f) for f in _FIELDS}, "at": entry.at.isoformat()}
                )
                mac = self._mac(mac, body)
                lines += body[:-1] + _MARK + mac.encode() + b'"}\n'
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            self._keep(_Head(head.entries + len(entries), head.size + len(lines), mac))

    def verify(self, kept: Path | None = None) -> list[str]:
        """Check the whole log against its checkpoint, and against a copy of an earlier one where `kept` names it.

        Returns:
            What is wrong, in words, each with its line; empty when every entry stands as it was written.
        """
        with self._locked():
            problems: list[str] = []
            heads: list[tuple[str, _Head]] = []
            for name, path in (("the checkpoint", self.checkpoint), ("the kept checkpoint", kept)):
                if path and (path.exists() or path is kept or self.path.exists()):
                    try:
                        heads.append((name, self._read_head(path)))
                    except AuditError as error:
                        problems.append(str(error))
            content = self.path.read_bytes() if self.path.exists() else b""
            found, macs = self._walk(content, _Head())
            problems += found
            for name, head in heads:
                if head.entries > len(macs):
                    problems.append(
                        f"{self.path.name}: {name} counts {head.entries} entries, {len(macs)} are left: the end was cut"
                    )
                elif head.entries and macs[head.entries - 1] != head.mac:
                    problems.append(
                        f"{self.path.name}:{head.entries}: this entry is not the one that {name} saw: "
                        "the log was rewritten"
                    )
            return problems

    def frame(self) -> pl.DataFrame:
        """The log as the table `access_log`; a half line at the end is left out."""
        content = self.path.read_bytes() if self.path.exists() else b""
        content = content[: content.rfind(b"\n") + 1]
        if not content:
            return ACCESS_LOG.empty()
        read = pl.read_ndjson(content, schema=pl.Schema(ACCESS_LOG.schema | {"at": pl.String()}))
        return read.with_columns(pl.col("at").str.to_datetime(time_unit="us")).select(ACCESS_LOG.schema.names())

    # -- inside --------------------------------------------------------------------------------------------------

    def _mac(self, before: str, body: bytes) -> str:
        return hmac.digest(self._key, before.encode() + body, "sha256").hex()

    def _walk(self, content: bytes, head: _Head) -> tuple[list[str], list[str]]:
        """What is wrong with the lines that follow `head`, and the code that each of them carries."""
        problems: list[str] = []
        macs: list[str] = []
        before = head.mac
        for number, line in enumerate(content.split(b"\n")[:-1], head.entries + 1):
            body, mac = line[:-_ENDING] + b"}", line[-66:-2].decode("ascii", "replace")
            whole = line[-_ENDING:].startswith(_MARK) and line.endswith(b'"}')
            if not whole or not hmac.compare_digest(mac.encode(), self._mac(before, body).encode()):
                problems.append(
                    f"{self.path.name}:{number}: this entry, or the one before it, was changed or taken out"
                )
            elif not line.startswith(b"{") or json.loads(body).get("sequence") != number:
                problems.append(f"{self.path.name}:{number}: this entry does not stand where it was written")
            macs.append(mac)
            before = mac
        return problems, macs

    def _recovered(self) -> _Head:
        """Where to go on writing: whole entries beyond the checkpoint count, a half line is dropped."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if not size and not self.checkpoint.exists():
            self._keep(_Head())  # before the first entry of all, so that a log without a checkpoint is never in order
        head = self._read_head(self.checkpoint)
        if size < head.size:
            raise AuditError(_alarm(self.path, "its end was cut"))
        if size == head.size:
            return head
        with self.path.open("rb+") as file:
            file.seek(head.size)
            beyond = file.read()
            beyond = beyond[: beyond.rfind(b"\n") + 1]
            problems, macs = self._walk(beyond, head)
            if problems:
                raise AuditError(_alarm(self.path, problems[0]))
            file.truncate(head.size + len(beyond))
        return _Head(head.entries + len(macs), head.size + len(beyond), macs[-1] if macs else head.mac)

    def _keep(self, head: _Head) -> None:
        body = _canonical(asdict(head))
        sealed = {**asdict(head), "seal": hmac.digest(self._key, b"checkpoint" + body, "sha256").hex()}
        fresh = self.checkpoint.with_name(f".{self.checkpoint.name}~")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_canonical(sealed) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.checkpoint)

    def _read_head(self, path: Path) -> _Head:
        try:
            sealed = json.loads(path.read_bytes())
            seal = str(sealed.pop("seal")).encode()
            expected = hmac.digest(self._key, b"checkpoint" + _canonical(sealed), "sha256").hex().encode()
            if hmac.compare_digest(seal, expected):
                return _Head(**sealed)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        raise AuditError(_alarm(path, "the checkpoint is missing, was changed, or was made under another key"))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _alarm(path: Path, what: str) -> str:
    return (
        f"audit log {path.name}: {what}. Tell the Data Protection Officer; `kinfold audit verify` lists what is wrong."
    )
