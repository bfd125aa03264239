"""The keys that Kinfold works with, one a purpose, and the delivery key that partners encrypt to.

What belongs here: giving out keys. Where the master key comes from belongs in `master`, how data keys are kept under it
in `keystore`, what a key is used for with its user.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import secrets
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance import keystore
from governance.master import KeyProblem, create, key_file

__all__ = [
    "KeyProblem",
    "KeyRing",
    "create",
    "create_delivery_key",
    "delivery_certificate",
    "delivery_key_file",
    "delivery_keys",
    "key_file",
]
DAMAGED = (
    "the delivery keys in keys/delivery.json are damaged or were kept under another master key. Restore the file from "
    "a backup, together with its master key."
)
NONCE = 12  # bytes that AES-GCM takes


class KeyRing:
    """The key of each purpose. It never shows itself and cannot be pickled.

    Made of bytes alone, its keys are derived from them, as they were before there was a key store; for tests, trials
    and benchmarks. A data folder's is made by `load`.
    """

    def __init__(self, master: bytes) -> None:
        self._find = keystore.from_bytes(master)

    def key(self, purpose: str, generation: int | None = None) -> bytes:
        """The 32-byte key of one purpose: the same every time, of no use for another.

        Args:
            generation: which, where a purpose has had several; without it, the one that is used for what is new.

        Raises:
            KeyProblem: there is no such generation, or the store was put under another master key meanwhile.
        """
        return self._find(purpose, generation)[1]

    def newest(self, purpose: str) -> int:
        """The generation that is used for what is new."""
        return self._find(purpose, None)[0]

    def derived(self, purpose: str, generation: int) -> bool:
        """Whether a key was derived from a master key, before there was a key store."""
        return self._find(purpose, generation)[2]

    @classmethod
    def load(cls, home: Path) -> KeyRing:
        """Open the key store of a data folder with the master key; a store is made where there is none yet.

        The master key is that of `KINFOLD_KEY` (base64), of the command that `KINFOLD_KEY_COMMAND` names, of the file
        that `KINFOLD_KEY_FILE` names, or of `<home>.key`. From here on the process leaves no image of its memory on the
        disk when it crashes.

        Raises:
            KeyProblem: no key is there, it is not fit to be used, or it is not the one of this data folder.
        """
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        ring = cls.__new__(cls)
        ring._find = keystore.from_store(home)
        return ring

    def __repr__(self) -> str:
        return "KeyRing(...)"

    def __reduce__(self) -> NoReturn:
        raise KeyProblem("a key ring is not to be pickled. Load it again with KeyRing.load where it is needed.")


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
