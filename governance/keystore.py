"""The store of data keys: one a purpose, each wrapped by the council's master key, in `keys/store.json` of the data.

What belongs here: the file, and what may be done to it. Where the master key comes from belongs in `master`; what a key
is used for, with its user.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from governance import master as masters
from governance.master import KeyProblem
from governance.roster import Roster
from warehouse.store import live, sync
from warehouse.tables import Zone

FORMAT = 1
LENGTH = 32  # bytes of a data key
WRAP, SEAL, ROSTER = "vault/wrap", "vault/seal", "vault/roster"
VAULT = (WRAP, SEAL)  # purposes whose keys are replaced together, a generation at a time
DELIVERY = "delivery/wrap"
FORMER = (
    "alert", "audit", "case", "council", "event", "household", "involvement", "person", "recall", "record",
    "relationship", "release", "review", "terms", "voice", DELIVERY, *VAULT,
)  # fmt: skip
"""The purposes that keys were derived for before there was a store; a new store has a random key for each."""

Found = tuple[int, bytes, bool]  # generation, key, and whether it was derived from a master key
Find = Callable[[str, int | None], Found]


@dataclass(frozen=True)
class Entry:
    """One data key under wrap.

    Attributes:
        made: UTC, to the second, ISO 8601.
        derived: whether it was derived from the master key of its day, before there was a store; else it is random.
        anew: for the vault: whether files are to be encrypted anew for it, rather than their keys wrapped anew.
    """

    purpose: str
    generation: int
    made: str
    wrapped: str
    derived: bool = False
    anew: bool = False


@dataclass(frozen=True)
class Retired:
    """A data key that was destroyed, because nothing was left under it."""

    purpose: str
    generation: int
    made: str
    retired: str


@dataclass(frozen=True)
class Book:
    """What the store says; of no use without the master key. `serial` counts its changes."""

    serial: int = 0
    keys: tuple[Entry, ...] = ()
    retired: tuple[Retired, ...] = ()

    def newest(self, purpose: str) -> Entry | None:
        """The key of a purpose that is used for what is new."""
        return max((e for e in self.keys if e.purpose == purpose), key=lambda e: e.generation, default=None)

    def get(self, purpose: str, generation: int) -> Entry | None:
        """One generation of a purpose's key."""
        return next((e for e in self.keys if (e.purpose, e.generation) == (purpose, generation)), None)


def store_file(home: Path) -> Path:
    """Where the wrapped data keys lie."""
    return home / "keys" / "store.json"


def derived(secret: bytes, info: str) -> bytes:
    """A 32-byte key of one purpose out of a secret: HKDF-SHA256 (RFC 5869), without salt."""
    return HKDF(algorithm=SHA256(), length=LENGTH, salt=None, info=info.encode()).derive(secret)


def former(master: bytes, purpose: str) -> bytes:
    """A purpose's key as it was derived before there was a store, and is where there is none."""
    return derived(master, f"kinfold/v1/{purpose}")


def from_bytes(master: bytes) -> Find:
    """Keys derived from a secret alone, without a store; there is one generation of each."""
    masters.long_enough(master)
    known: dict[str, bytes] = {}

    def find(purpose: str, generation: int | None) -> Found:
        if generation not in (None, 1):
            raise _unknown(purpose, generation)
        if purpose not in known:
            known[purpose] = former(master, purpose)
        return 1, known[purpose], True

    return find


def from_store(home: Path) -> Find:
    """Keys out of the store of a data folder, which is made where there is none; one that is lacking is made and kept.

    What another process changes there is seen at the next look.

    Raises:
        KeyProblem: there is no usable master key, or it is not the one of this store, or the store is damaged.
    """
    key = fitting(home)
    book, stamp = begun(home, key), _stamp(home)
    known: dict[tuple[str, int], bytes] = {}
    turn = threading.Lock()

    def find(purpose: str, generation: int | None) -> Found:
        nonlocal key, book, stamp
        with turn:
            if (now := _stamp(home)) != stamp:
                key = fitting(home)
                book, stamp = read(home, key), now
                known.clear()
            entry = book.newest(purpose) if generation is None else book.get(purpose, generation)
            if entry is None and generation is None:
                book = added(home, key, (purpose,))
                stamp, entry = _stamp(home), book.newest(purpose)
            if entry is None:
                raise _unknown(purpose, generation)
            at = (purpose, entry.generation)
            if at not in known:
                known[at] = unwrapped(key, entry)
            return entry.generation, known[at], entry.derived

    return find


def fitting(home: Path) -> bytes:
    """The master key of a data folder; the next one, where a rotation was killed just before it took its place.

    Raises:
        KeyProblem: there is no usable key. Whether it is the right one is said by `read`.
    """
    source = masters.source(home)
    following = masters.successor(source.path) if source.path else None
    if source.path and following and following.exists() and store_file(home).exists():
        with suppress(KeyProblem):  # a next key that is not fit to be used is none
            if _same(_check(masters.read_file(following, home)), _said(home).get("check")):
                masters.succeed(source.path, datetime.now(UTC).date())
    return masters.read(home)


def begun(home: Path, master: bytes) -> Book:
    """The store; made where there is none yet: empty for an empty data folder, else with the keys derived so far.

    Raises:
        KeyProblem: the store is missing although there was one; or the master key is not that of the data.
    """
    if store_file(home).exists() and (book := read(home, master)).newest(ROSTER):
        return book
    with locked(home):
        now = moment()
        if store_file(home).exists():
            book = read(home, master)
        else:
            was = _was_derived(home, master)
            made = {purpose: former(master, purpose) if was else secrets.token_bytes(LENGTH) for purpose in FORMER}
            book = Book(keys=tuple(Entry(p, 1, now, wrapped(master, p, 1, k), derived=was) for p, k in made.items()))
        if book.newest(ROSTER):
            return book
        key = secrets.token_bytes(LENGTH)
        Roster(home, lambda: key).adopt(live(home, Zone.VAULT))
        return kept(
            home, master, replace(book, keys=(*book.keys, Entry(ROSTER, 1, now, wrapped(master, ROSTER, 1, key))))
        )


def read(home: Path, master: bytes) -> Book:
    """The store, once it has been proved to be what was written under this master key.

    Raises:
        KeyProblem: it is not.
    """
    said = _said(home)
    if not _same(_check(master), said.get("check")):
        raise KeyProblem(
            f"{masters.source(home).name} is not the master key of this data folder. Nothing was changed. Use the key "
            "that `kinfold keys status` worked with last; if it was rotated since, use the new one, and for an older "
            "backup the key of its day."
        )
    seal = said.pop("seal", None)
    if not _same(_sealed(master, said), seal):
        raise KeyProblem(_DAMAGED)
    try:
        entries = tuple(Entry(**entry) for entry in said["keys"])
        return Book(said["serial"], entries, tuple(Retired(**entry) for entry in said["retired"]))
    except (KeyError, TypeError):
        raise KeyProblem(_DAMAGED) from None


def kept(home: Path, master: bytes, book: Book) -> Book:
    """Write the store: beside the old one first, then proved to open to the last key, then put in its place.

    Returns:
        The book as kept, its serial one higher.
    """
    book = replace(book, serial=book.serial + 1)
    path = store_file(home)
    said: dict[str, Any] = {
        "format": FORMAT,
        "check": _check(master),
        "serial": book.serial,
        "keys": [asdict(e) for e in book.keys],
        "retired": [asdict(e) for e in book.retired],
    }
    text = json.dumps({**said, "seal": _sealed(master, said)}, indent=1)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}~*"):
        left.unlink()
    fresh = path.with_name(f".{path.name}~{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+", encoding="ascii") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
        out.seek(0)
        if out.read() != text:
            raise KeyProblem("the key store could not be written as it should be. Check the disk; the old one stands.")
    for entry in book.keys:
        unwrapped(master, entry)
    fresh.replace(path)
    sync(path.parent)
    return book


def added(home: Path, master: bytes, purposes: tuple[str, ...], anew: bool = False, more: bool = False) -> Book:
    """Make a random key for each purpose that has none; with `more`, a further generation for each that has.

    Args:
        anew: see `Entry`.
    """
    with locked(home):
        book, now = read(home, master), moment()
        made = []
        for purpose in purposes:
            newest = book.newest(purpose)
            if newest and not more:
                continue
            gone = [r.generation for r in book.retired if r.purpose == purpose]
            number = max([newest.generation if newest else 0, *gone]) + 1
            key = secrets.token_bytes(LENGTH)
            made.append(Entry(purpose, number, now, wrapped(master, purpose, number, key), anew=anew))
        return kept(home, master, replace(book, keys=(*book.keys, *made))) if made else book


def rewrapped(home: Path, old: bytes, new: bytes) -> Book:
    """Put every data key under another master key, by one rename. What lies under the data keys is not touched."""
    with locked(home):
        book = read(home, old)
        keys = [replace(e, wrapped=wrapped(new, e.purpose, e.generation, unwrapped(old, e))) for e in book.keys]
        return kept(home, new, replace(book, keys=tuple(keys)))


def without(home: Path, master: bytes, purposes: tuple[str, ...], generation: int) -> Book:
    """Destroy one generation of some purposes' keys. Prove first that nothing is left under it."""
    with locked(home):
        book, now = read(home, master), moment()
        going = [e for e in book.keys if e.purpose in purposes and e.generation == generation]
        staying = tuple(e for e in book.keys if e not in going)
        gone = (*book.retired, *(Retired(e.purpose, e.generation, e.made, now) for e in going))
        return kept(home, master, replace(book, keys=staying, retired=gone))


def wrapped(master: bytes, purpose: str, generation: int, key: bytes) -> str:
    """A data key under AES-KW (RFC 3394), by a key that the master key yields for this purpose and generation alone."""
    return aes_key_wrap(derived(master, f"kinfold/v2/wrap/{generation}/{purpose}"), key).hex()


def unwrapped(master: bytes, entry: Entry) -> bytes:
    """The data key of an entry.

    Raises:
        KeyProblem: it does not open.
    """
    try:
        wrap = derived(master, f"kinfold/v2/wrap/{entry.generation}/{entry.purpose}")
        return aes_key_unwrap(wrap, bytes.fromhex(entry.wrapped))
    except (InvalidUnwrap, ValueError):
        raise KeyProblem(_DAMAGED) from None


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Keep every other process from changing the store meanwhile."""
    folder = store_file(home).parent
    for made in (home, folder):  # what mkdir makes on the way to a folder has not its mode
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def moment() -> str:
    """Now, UTC, to the second."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


_DAMAGED = (
    "the key store keys/store.json is damaged, cut, or not what Kinfold wrote. Nothing was changed. Restore the file "
    "from a backup, together with its master key."
)
_MISSING = (
    "the key store keys/store.json is missing, and without it the data cannot be read. Nothing was changed. Restore "
    "the file from a backup of the data folder, together with its master key."
)


def _unknown(purpose: str, generation: int | None) -> KeyProblem:
    return KeyProblem(
        f"there is no key for {purpose}, generation {generation}: it was retired, or the key store is older than the "
        "data. Restore keys/ and the data from the same backup."
    )


def _said(home: Path) -> dict[str, Any]:
    try:
        said = json.loads(store_file(home).read_bytes())
    except FileNotFoundError:
        raise KeyProblem(_MISSING) from None
    except (OSError, ValueError):
        raise KeyProblem(_DAMAGED) from None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise KeyProblem(_DAMAGED)
    return said


def _check(master: bytes) -> str:
    """Tells one master key from another, and nothing about it."""
    return derived(master, "kinfold/v2/check").hex()


def _sealed(master: bytes, said: dict[str, Any]) -> str:
    body = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(derived(master, "kinfold/v2/seal"), body, "sha256").hex()


def _same(ours: str, theirs: object) -> bool:
    return isinstance(theirs, str) and hmac.compare_digest(ours.encode(), theirs.encode())


def _stamp(home: Path) -> tuple[int, ...] | None:
    try:
        seen = store_file(home).stat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _was_derived(home: Path, master: bytes) -> bool:
    """Whether the folder holds data under keys that were derived from this master key, before there was a store.

    Raises:
        KeyProblem: it holds data under a store's keys, so that there was one; or under another master key.
    """
    opens = []
    for path in (home / "vault").rglob("*.key"):
        try:
            said = json.loads(path.read_bytes())
            if said["format"] != 1:
                raise KeyProblem(_MISSING)
            opens.append(_opens(master, base64.b64decode(said["wrapped_key"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # half written, or damaged: the vault says which when it is read
    for path in (home / "landing").rglob("*.sealed"):
        with path.open("rb") as file:
            head = file.read(48)
        if head[:8] != b"KINFOLD1":
            raise KeyProblem(_MISSING)
        opens.append(_opens(master, head[8:]))
    if opens and not any(opens):
        raise KeyProblem(
            f"{masters.source(home).name} is not the master key of this data folder, or its key store keys/store.json "
            "is missing. Nothing was changed. Use the key that the data were made with, or restore the file."
        )
    return (
        bool(opens) or (home / "keys" / "delivery.json").exists() or (home / "ledger" / "audit" / "log.jsonl").exists()
    )


def _opens(master: bytes, key: bytes) -> bool:
    try:
        aes_key_unwrap(former(master, WRAP), key)
    except (InvalidUnwrap, ValueError):
        return False
    return True
