"""A small data folder as Kinfold made it before there was a key store, and a way to kill what works on one."""

from __future__ import annotations

import base64
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from feeds.sealed import sealed
from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.store import Store
from warehouse.tables import Zone

MASTER = bytes(range(32))
BEFORE = Path(__file__).parent / "data" / "home-before-the-key-store.tar.gz"
PEOPLE = pl.DataFrame({"record_id": [f"{n:032x}" for n in range(20)], "surname": [f"PLANTED{n}" for n in range(20)]})
LANDED = b"ref,surname\n1,PLANTED1\n" * 40
VISITS, MODEL = "feed/visits/2026-11-20", "model/linkage"
CHANGES = {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate"}


def written(path: Path, key: bytes = MASTER) -> Path:
    """Write a key file as an operator would."""
    path.write_bytes(base64.b64encode(key))
    path.chmod(0o600)
    return path


def unpacked(folder: Path) -> Path:
    """The data folder of before, with its master key beside it."""
    with tarfile.open(BEFORE) as packed:
        packed.extractall(folder, filter="data")
    written(folder / "home.key")
    return folder / "home"


def copied(home: Path, folder: Path) -> Path:
    """A copy of a data folder and of what lies beside it."""
    shutil.copytree(home.parent, folder, symlinks=True)
    return folder / home.name


def opened(home: Path) -> tuple[Vault, Store]:
    """The vault and the store of a data folder, as a new process would open them."""
    vault = Vault(KeyRing.load(home))
    return vault, Store(home, vault)


def files(store: Store) -> list[tuple[Path, str]]:
    """Everything that is under the vault's key."""
    return [*store.files(Zone.VAULT), *sealed(store)]


def whole(home: Path) -> bool:
    """Whether everything in the folder reads as what was written."""
    vault, store = opened(home)
    people = store.get(Zone.VAULT, VISITS, "person").collect()
    few = store.get(Zone.VAULT, VISITS, "counts").collect()
    names = store.get(Zone.VAULT, MODEL, "surname").collect()
    landed = [vault.unseal(path, name) for path, name in sealed(store)]
    return (
        people.equals(PEOPLE)
        and few.equals(PEOPLE.head(3))
        and names.equals(PEOPLE.select("surname"))
        and landed == [LANDED]
    )


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class _Disk:
    """Counts changes to the disk, and refuses all after the one at which the process is killed."""

    left: int | None = None

    def see(self, event: str, args: tuple[object, ...]) -> None:
        if self.left is None:
            return
        changes = event in CHANGES
        if event == "open" and len(args) > 2 and isinstance(args[2], int):
            changes = bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        if changes:
            if self.left <= 0:
                raise Killed
            self.left -= 1


_DISK = _Disk()
sys.addaudithook(_DISK.see)


@contextmanager
def killed_after(changes: int) -> Iterator[list[bool]]:
    """Kill what the block does before its next change to the disk, once it has made so many; says whether it was."""
    was = [False]
    _DISK.left = changes
    try:
        yield was
    except Killed:
        was[0] = True
    finally:
        _DISK.left = None
