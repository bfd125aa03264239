"""Changing keys without losing data: the master key, the vault's key, and destroying one that nothing is under.

What belongs here: the order of steps, so that a kill between any two leaves everything readable and the next call goes
on. How the store is written belongs in `keystore`, how a file in `vault`.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from governance import keystore, master
from governance.keys import KeyProblem
from governance.keystore import VAULT, WRAP, Book
from governance.vault import Vault, VaultError

Files = Iterable[tuple[Path, str]]
REST = timedelta(days=1)  # after which nobody can still be writing under a generation that has been replaced


@dataclass(frozen=True)
class Moved:
    """What a step of a rotation of the vault's key came to: files moved now, moved before, and refused, in words."""

    generation: int
    moved: int
    before: int
    refused: tuple[str, ...]


def rotate_master(home: Path, on: date, new: bytes | None = None) -> Path | None:
    """Put every data key under a new master key. Ids, the audit log and the vault's files stay as they are.

    Where the master key is a file, the new one is written beside it and read back, the store is put under it by one
    rename, and the new file takes the old one's place; killed anywhere, the next start finds the key that fits. Else
    the caller has supplied the new key, and puts it where the old one comes from.

    Args:
        on: the day, which the old key file is named by.
        new: the new key; a random one where the master key is a file and none is given.

    Returns:
        Where the old key file is kept, for backups made under it; None where the key is no file.

    Raises:
        KeyProblem: the present key does not open the store; or the new one is missing, too short, or the same.
    """
    old, source = keystore.fitting(home), master.source(home)
    keystore.begun(home, old)
    if new is None and not source.path:
        raise KeyProblem(
            f"the master key comes from {source.name}, where Kinfold cannot put a new one. Make it there, and give it "
            "by KINFOLD_NEW_KEY (base64) or --new-key-file."
        )
    if not source.path:
        assert new
        keystore.rewrapped(home, old, _other(new, old))
        return None
    following = master.successor(source.path)
    try:
        following.unlink(missing_ok=True)  # of a rotation that was killed before anything was put under it
        master.create(following, _other(new, old) if new else None)
        keystore.rewrapped(home, old, master.read_file(following, home))
        return master.succeed(source.path, on)
    except OSError:
        raise KeyProblem(
            f"the new key cannot be written beside {source.path.name}. Nothing is lost. Give Kinfold's user the right "
            "to write there for the time of the rotation."
        ) from None


def begin_vault(home: Path, files: Files, vault: Vault, anew: bool) -> Book:
    """Make a further generation of the vault's key, unless a rotation of the kind is unfinished, which then goes on.

    Args:
        anew: whether every file is to be encrypted anew, as where its own key may be known to somebody; else its key is
            wrapped anew, which serves where the vault's key is replaced by plan.
    """
    key = keystore.fitting(home)
    book = keystore.begun(home, key)
    newest = book.newest(WRAP)
    unfinished = newest and newest.generation > 1 and set(under(vault, files)) - {newest.generation}
    if newest and unfinished and (newest.anew or not anew):
        return book
    return keystore.added(home, key, VAULT, anew=anew, more=True)


def move_vault(vault: Vault, files: Files, book: Book, tell: Callable[[int], None] = lambda _: None) -> Moved:
    """Bring every file under the newest generation, one after another; each opens before, during and after its turn.

    What is there already is passed over, so that a killed run goes on where it stopped. What is refused stays as it is.

    Args:
        files: each with the name that it is bound to.
        tell: told the count from time to time.
    """
    newest = book.newest(WRAP)
    assert newest
    moved, before, refused = 0, 0, []
    for path, name in files:
        try:
            if vault.generation(path) == newest.generation:
                before += 1
                continue
            if path.suffix != ".parquet":
                vault.reseal(path, name)
            elif newest.anew:
                vault.encrypt_anew(path, name)
            else:
                vault.rewrap(path, name)
            moved += 1
        except (VaultError, FileNotFoundError) as error:
            if path.exists():  # else it was replaced by a newer one meanwhile
                refused.append(
                    str(error) if isinstance(error, VaultError) else f"{path.name}: something beside it went"
                )
        if moved and moved % 100 == 0:
            tell(moved)
    return Moved(newest.generation, moved, before, tuple(refused))


def under(vault: Vault, files: Files) -> Counter[int]:
    """How many files are under each generation of the vault's key; 0 stands for those that do not say."""
    found: Counter[int] = Counter()
    for path, _ in files:
        try:
            found[vault.generation(path)] += 1
        except VaultError:
            if path.exists():
                found[0] += 1
    return found


def retire(home: Path, generation: int, vault: Vault, files: Files, now: datetime) -> None:
    """Destroy an old generation of the vault's key.

    Args:
        now: naive UTC.

    Raises:
        KeyProblem: it is in use, files are left under it, or somebody might still be writing under it.
    """
    key = keystore.fitting(home)
    book = keystore.begun(home, key)
    newest, old = book.newest(WRAP), book.get(WRAP, generation)
    if not newest or not old:
        raise KeyProblem(f"there is no generation {generation} of the vault's key. `kinfold keys status` lists them.")
    if old == newest:
        raise KeyProblem(
            f"generation {generation} is the one in use. Replace it first with `kinfold keys rotate vault`, and retire "
            "it a day later."
        )
    after = min(e.generation for e in book.keys if e.purpose == WRAP and e.generation > generation)
    since = datetime.fromisoformat(next(e.made for e in book.keys if (e.purpose, e.generation) == (WRAP, after)))
    if now - since < REST:
        raise KeyProblem(
            f"generation {generation} was replaced less than a day ago, and a night that began before may still write "
            f"under it. Retire it after {since + REST:%Y-%m-%d %H:%M} UTC."
        )
    left = under(vault, files)
    if left[generation] or left[0]:
        raise KeyProblem(
            f"{left[generation]} files are under generation {generation} and {left[0]} do not say what they are under; "
            "without the key they would be lost. Run `kinfold keys rotate vault`, which names what it cannot move."
        )
    keystore.without(home, key, VAULT, generation)


def _other(new: bytes, old: bytes) -> bytes:
    if hmac.compare_digest(master.long_enough(new), old):
        raise KeyProblem("the new key is the present one. Make another.")
    return new
