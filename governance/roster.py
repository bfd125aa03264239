"""Which generation of each folder of the vault is the live one, so that yesterday's, put back, is told from today's.

What belongs here: an append-only list that nobody can change without the key. Files say by themselves which folder and
generation they belong to; only this says whether that one is still in force. Whoever puts this list back together with
the vault is found out by the audit log, which has each night how many lines it had; whoever puts that back too, by the
log's checkpoint, which is kept elsewhere.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from warehouse.store import StoreError, live
from warehouse.tables import Zone

START = "0" * 64
ROOM, TIMES = 1000, 8  # lines beside which, and times the folders at which, the list is written anew
Generation = str | None  # None: there is no such folder


class Roster:
    """A line for each change: first that a generation is to take a folder's place, then that it has.

    Between the two, as after a kill, either is in force. Each line is authenticated together with the one before it
    (HMAC-SHA-256), so that none can be changed, moved or left out; without the last ones, what they changed is refused.
    """

    def __init__(self, home: Path, key: Callable[[], bytes]) -> None:
        self.path = home / "ledger" / "vault.log"
        self._home, self._key = home, key
        self._forget()

    def __repr__(self) -> str:
        return "Roster(...)"

    def holds(self, folder: str, generation: Generation) -> bool:
        """Whether a generation of a folder is in force; None, whether there may be none.

        Raises:
            StoreError: the list is missing, or not what Kinfold wrote.
        """
        self._catch_up()
        return generation in self._live.get(folder, (None,))

    def folders(self) -> list[str]:
        """The folders that there must be.

        Raises:
            StoreError: the list is missing, or not what Kinfold wrote.
        """
        self._catch_up()
        return sorted(folder for folder, either in self._live.items() if None not in either)

    def changes(self) -> int:
        """How many lines were ever written: it never falls, so that an older list is told from a newer one.

        Raises:
            StoreError: the list is missing, or not what Kinfold wrote.
        """
        self._catch_up()
        return self._changes

    def promise(self, folder: str, generation: Generation) -> None:
        """Say, before it is done, that a generation is to take the place of a folder's present one."""
        with self._locked():
            self._append(folder, (*self._live.get(folder, (None,)), generation))

    def settle(self, folder: str, generation: Generation) -> None:
        """Say that it has."""
        with self._locked():
            self._append(folder, (generation,))
            if self._lines > ROOM + TIMES * len(self._live):
                self._write_anew(self._live)

    def adopt(self, found: Mapping[str, str]) -> None:
        """Take what there is as what there should be: when a data folder gets its first list."""
        with self._held():
            self._write_anew({folder: (generation,) for folder, generation in found.items()})

    # -- inside --------------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._file, self._read, self._lines, self._mac, self._changes = 0, 0, 0, START, 0
        self._live: dict[str, tuple[Generation, ...]] = {}

    def _catch_up(self) -> None:
        """Read what was added since the last look; all of it, where the list was written anew."""
        try:
            with self.path.open("rb") as file:
                seen = os.fstat(file.fileno())
                if seen.st_ino != self._file or seen.st_size < self._read:
                    self._forget()
                    self._file = seen.st_ino
                file.seek(self._read)
                added = file.read()
        except FileNotFoundError:
            self._forget()
            if live(self._home, Zone.VAULT):
                raise StoreError(
                    "ledger/vault.log is missing, which says what the vault should hold. Restore vault/ and ledger/ "
                    "from the same backup."
                ) from None
            return
        added = added[: added.rfind(b"\n") + 1]  # a half line, of a killed append, says nothing
        for line in added.splitlines():
            self._take(line)
        self._read += len(added)

    def _take(self, line: bytes) -> None:
        self._lines += 1
        try:
            said = json.loads(line)
            mac = said.pop("mac")
            folder, either, number = said["folder"], tuple(said["live"]), said.get("n", self._changes + 1)
            good = hmac.compare_digest(mac, self._seal(said)) and number > self._changes
        except (ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good:
            at = self._lines
            self._forget()
            raise StoreError(
                f"ledger/vault.log:{at} is not what Kinfold wrote there, or under another key. Restore vault/ and "
                "ledger/ from the same backup."
            )
        self._mac, self._changes = mac, number
        self._live[folder] = either
        if either == (None,):
            del self._live[folder]

    def _line(self, folder: str, either: tuple[Generation, ...]) -> bytes:
        """The next line, as it will be read."""
        said = {"folder": folder, "live": list(dict.fromkeys(either)), "n": self._changes + 1}
        return json.dumps({**said, "mac": self._seal(said)}, sort_keys=True).encode() + b"\n"

    def _seal(self, said: Mapping[str, object]) -> str:
        body = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._key(), f"{self._mac}{body}".encode(), "sha256").hex()

    def _append(self, folder: str, either: tuple[Generation, ...]) -> None:
        line = self._line(folder, either)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.truncate(self._read)
            file.seek(self._read)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self._file = os.fstat(file.fileno()).st_ino
        self._take(line)
        self._read += len(line)

    def _write_anew(self, found: Mapping[str, tuple[Generation, ...]]) -> None:
        """Write the list with one line a folder, beside the old one, and put it in its place by one rename."""
        found, before = dict(found), self._changes
        self._forget()
        self._changes = before
        fresh = self.path.with_name(f".{self.path.name}~{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for folder, either in sorted(found.items()):
                line = self._line(folder, either)
                file.write(line)
                self._take(line)
                self._read += len(line)
            file.flush()
            os.fsync(file.fileno())
            self._file = os.fstat(file.fileno()).st_ino
        fresh.replace(self.path)
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.path.with_name(".vault.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in self.path.parent.glob(f".{self.path.name}~*"):
                left.unlink()
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone, and up to date."""
        with self._held():
            self._catch_up()
            yield
