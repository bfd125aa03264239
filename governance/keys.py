"""The council's master key and the keys made from it, one a purpose.

What belongs here: finding, checking and making the key. What a key is used for belongs with its user.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from functools import cache
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST = 32  # bytes


class KeyProblem(Exception):
    """There is no usable key; the message says how to get one and never shows any part of it."""


class KeyRing:
    """Keys derived from one master key. It never shows itself and cannot be pickled."""

    def __init__(self, master: bytes) -> None:
        if len(master) < SHORTEST:
            raise KeyProblem(
                f"the key has {len(master)} bytes, at least {SHORTEST} are needed. Make one with `kinfold keys init`."
            )

        @cache
        def derive(purpose: str) -> bytes:
            info = f"kinfold/v1/{purpose}".encode()
            return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)

        self._derive = derive

    def key(self, purpose: str) -> bytes:
        """Derive the 32-byte key of one purpose (HKDF-SHA256, RFC 5869): the same every time, of no use for another."""
        return self._derive(purpose)

    @classmethod
    def load(cls, home: Path) -> KeyRing:
        """Read the key: `KINFOLD_KEY` (base64), else the file that `KINFOLD_KEY_FILE` names, else `<home>.key`.

        Raises:
            KeyProblem: none is there, it is too short, not base64, or others than its owner may read the file.
        """
        given = os.environ.get("KINFOLD_KEY")
        if given:
            return cls(_decoded(given, "the variable KINFOLD_KEY"))
        path = key_file(home)
        if not path.is_file():
            raise KeyProblem(
                f"no key: KINFOLD_KEY is not set and {path.name} is not there. Make one with `kinfold keys init`, "
                "or name an existing one by KINFOLD_KEY_FILE."
            )
        if path.stat().st_mode & 0o077:
            raise KeyProblem(f"others may read the key file {path.name}. Close it with `chmod 600 {path.name}`.")
        return cls(_decoded(path.read_text(encoding="ascii", errors="replace"), f"the key file {path.name}"))

    def __repr__(self) -> str:
        return "KeyRing(...)"

    def __reduce__(self) -> NoReturn:
        raise KeyProblem("a key ring is not to be pickled. Load it again with KeyRing.load where it is needed.")


def key_file(home: Path) -> Path:
    """Where the key file of a data folder lies: beside it, never inside, so that a copy of the data has no key."""
    named = os.environ.get("KINFOLD_KEY_FILE")
    return Path(named) if named else home.parent / f"{home.name}.key"


def create(path: Path) -> None:
    """Write a new random key to `path`, readable by its owner alone.

    Raises:
        KeyProblem: a file is there already; nothing is ever overwritten, for what it protects would be lost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyProblem(
            f"{path.name} is there already and is kept: what it protects cannot be read with another key."
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(SHORTEST)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyProblem(f"{where} is not base64. Make a key with `kinfold keys init`.") from None
