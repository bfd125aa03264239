"""The council's master key, the keys made from it, one a purpose, and the delivery key that partners encrypt to.

What belongs here: finding, checking and making keys. What a key is used for belongs with its user.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from functools import cache
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST = 32  # bytes
DAMAGED = (
    "the delivery keys in keys/delivery.json are damaged or were kept under another master key. Restore the file from "
    "a backup, together with its master key."
)
NONCE = 12  # bytes that AES-GCM takes


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


def create_delivery_key(home: Path, name: str = "Kinfold deliveries", renew: bool = False) -> None:
    """Make the OpenPGP key that partners encrypt their deliveries to; its private part is kept under the master key.

    RSA of 3072 bits in the form of RFC 4880, which every OpenPGP tool of the last twenty years understands. It does
    not expire: what has landed under it stays encrypted to it.

    Args:
        home: the data folder; the keys are kept in its `keys/`, so that a backup of the data can still be read.
        name: what partners see as the key's owner, such as the council's name.
        renew: make a further key, for partners to use from now on; the older ones still open what was sent to them.

    Raises:
        KeyProblem: there is one already and `renew` is not said; or there is no master key.
    """
    import pysequoia

    ring, path = KeyRing.load(home), delivery_key_file(home)
    if path.exists() and not renew:
        raise KeyProblem("there is a delivery key already and it is kept. Say --renew to make a further one.")
    kept = _wrapped(path) if path.exists() else []
    made = pysequoia.Tsk.generate(name, profile=pysequoia.Profile.RFC4880, cipher_suite=pysequoia.CipherSuite.RSA3k)
    mark = made.extract_certificate().fingerprint
    nonce = secrets.token_bytes(NONCE)
    wrapped = nonce + AESGCM(ring.key("delivery/wrap")).encrypt(nonce, bytes(made), mark.encode())
    said = [*kept, {"fingerprint": mark, "wrapped": base64.b64encode(wrapped).decode()}]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}~{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        json.dump(said, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def delivery_certificate(home: Path) -> str:
    """The public key that partners encrypt to, armoured; made from the private one, so that nobody can swap it.

    Raises:
        KeyProblem: there is none yet, or it does not open under the master key.
    """
    import pysequoia

    kept = delivery_keys(home)
    if not kept:
        raise KeyProblem("there is no delivery key. Make one with `kinfold keys delivery`, and send it to partners.")
    return str(pysequoia.Tsk.from_bytes(kept[0]).extract_certificate())


def delivery_keys(home: Path, ring: KeyRing | None = None) -> tuple[bytes, ...]:
    """The private delivery keys as OpenPGP bytes, the newest first; none, before one is made.

    Give them to nothing but the opener.

    Raises:
        KeyProblem: one does not open under the master key.
    """
    path = delivery_key_file(home)
    if not path.exists():
        return ()
    cipher = AESGCM((ring or KeyRing.load(home)).key("delivery/wrap"))
    opened: list[bytes] = []
    for said in _wrapped(path):
        try:
            wrapped = base64.b64decode(said["wrapped"], validate=True)
            opened.append(cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], said["fingerprint"].encode()))
        except (KeyError, TypeError, ValueError, InvalidTag):
            raise KeyProblem(DAMAGED) from None
    return tuple(reversed(opened))


def delivery_key_file(home: Path) -> Path:
    """Where the wrapped delivery keys lie."""
    return home / "keys" / "delivery.json"


def _wrapped(path: Path) -> list[dict[str, str]]:
    try:
        said = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        said = None
    if not isinstance(said, list) or not said:
        raise KeyProblem(DAMAGED)
    return said


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyProblem(f"{where} is not base64. Make a key with `kinfold keys init`.") from None
