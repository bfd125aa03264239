"""Checkpoints of the audit log: how far it had come, signed, so that whoever keeps one can tell what was changed since.

What belongs here: sealing, signing and keeping them. What is held against one is walked through in `audit`.

One that is kept elsewhere is a file of two lines: what it says, as JSON, and an Ed25519 signature of that line
(RFC 8032) in base64. Somebody with Kinfold's public key and OpenSSL alone can check that it is genuine.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

START = "0" * 64
ENDING = ".checkpoint"
_LARGEST = 4096  # bytes of a checkpoint
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class CheckpointError(Exception):
    """A checkpoint, or the folder that keeps them, is missing, was changed, or is another log's."""


def outside(home: Path) -> Path | None:
    """The folder that `KINFOLD_AUDIT_COPY` names, where signed checkpoints are kept; None where it names none.

    Raises:
        CheckpointError: it is not there, or lies inside the data, where whoever changes the log could change it too.
    """
    named = os.environ.get("KINFOLD_AUDIT_COPY")
    if not named:
        return None
    folder = Path(named).resolve()
    if not folder.is_dir():
        raise CheckpointError(f"KINFOLD_AUDIT_COPY names no folder that is there: {folder}. Make it, or mount it.")
    if folder.is_relative_to(home.resolve()):
        raise CheckpointError("KINFOLD_AUDIT_COPY names a folder inside the data. Name one on another disk or machine.")
    return folder


@dataclass(frozen=True)
class Head:
    """How far the log has come: entries, bytes, and the code of the last entry."""

    entries: int = 0
    size: int = 0
    mac: str = START


def canonical(value: Any) -> bytes:
    """The one way of writing a value as JSON: sorted keys, no spaces, UTF-8."""
    return _JSON.encode(value).encode()


def sealed(said: dict[str, Any], key: bytes, use: bytes) -> bytes:
    """A line of JSON with a seal that nobody without the key can make, nor take from another use."""
    return canonical({**said, "seal": _seal(said, key, use)}) + b"\n"


def unsealed(path: Path, key: bytes, use: bytes) -> dict[str, Any]:
    """What a sealed file says.

    Raises:
        CheckpointError: it is missing, was changed, or was sealed with another key or for another use.
    """
    try:
        said = json.loads(_read(path))
        seal = str(said.pop("seal")).encode()
        if hmac.compare_digest(seal, _seal(said, key, use).encode()):
            return dict(said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise CheckpointError(path.name)


def public_key(key: bytes) -> str:
    """What others check checkpoints with, as PEM; it tells nothing of the log's key."""
    public = _signer(key).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def keep(folder: Path, head: Head, at: datetime, key: bytes) -> Path:
    """Put a signed checkpoint into a folder outside, as a new file that anybody may read and nobody is to write again.

    Args:
        folder: is there already: where something else is mounted, an empty mount point must not do in its place.
        at: when, naive UTC; with the entries it names the file.

    Raises:
        OSError: it cannot be written there.
    """
    path = folder / f"kinfold-audit-{at:%Y%m%dT%H%M%SZ}-{head.entries:09}{ENDING}"
    said = canonical({**asdict(head), "at": at.isoformat(timespec="seconds"), "of": "kinfold audit log"})
    content = said + b"\n" + base64.b64encode(_signer(key).sign(said)) + b"\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444)
    except FileExistsError:
        if _read(path) == content:  # the same, kept within the same second
            return path
        raise
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
    return path


def kept(places: Iterable[Path]) -> list[Path]:
    """Files of kept checkpoints, the oldest first: each file named, and of each folder those in it."""
    return [
        file for place in places for file in (sorted(place.glob(f"*{ENDING}")) if place.is_dir() else [place])
    ]  # fmt: skip


def opened(path: Path, key: bytes) -> tuple[Head, str] | None:
    """What a kept checkpoint says, and when it was made; None for a file that a killed attempt left empty.

    A copy of the log's own checkpoint will do as well.

    Raises:
        CheckpointError: it is missing, was changed, or is another log's.
    """
    try:
        content = _read(path)
    except OSError:
        raise CheckpointError(path.name) from None
    if not content:
        return None
    if content.count(b"\n") == 1:
        return Head(**unsealed(path, key, b"checkpoint")), "of which this is a copy"
    said, _, signature = content.partition(b"\n")
    try:
        _signer(key).public_key().verify(base64.b64decode(signature.strip(), validate=True), said)
        told = json.loads(said)
        return Head(told["entries"], told["size"], told["mac"]), f"of {told['at'].replace('T', ' ')} UTC"
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(path.name) from None


def _signer(key: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(key, b"checkpoints are signed", "sha256"))


def _seal(said: dict[str, Any], key: bytes, use: bytes) -> str:
    return hmac.digest(key, use + canonical(said), "sha256").hex()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)
