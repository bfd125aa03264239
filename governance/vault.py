"""Identity at rest: Parquet files and landed files, encrypted and bound to their place.

What belongs here: bytes in, bytes out. Which tables are kept encrypted is said by their zone; who may read them, by
the agreements. Everything that rests on polars' unstable encryption interface is in this module.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import warnings
from pathlib import Path
from typing import BinaryIO

import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from governance.keys import KeyRing

CHUNK = 1 << 20
MAGIC = b"KINFOLD1"
WRAPPED = 40  # bytes of a 32-byte key wrapped by AES-KW (RFC 3394)
TAG = 16  # bytes that AES-GCM adds


class VaultError(Exception):
    """A vault file is missing, damaged, swapped, older than it should be, or under another key."""


class Vault:
    """Encrypts every file under a key of its own, which the council's master key wraps.

    A Parquet file is encrypted whole (every column, nested ones too, and the footer). Its sidecar `<file>.key` holds
    the wrapped key and authenticates the file's digest and name, so that a flipped bit, a cut, a swap or an older copy
    is refused before a row is read.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._checked: dict[Path, tuple[int, ...]] = {}

    def __repr__(self) -> str:
        return "Vault(...)"

    def write(self, frame: pl.DataFrame, path: Path, name: str) -> None:
        """Write `frame` encrypted to `path`, bound to `name`, and its sidecar beside it; both synced, mode 0600."""
        key = secrets.token_bytes(32)
        _touch(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # polars calls its encryption unstable
            properties = pl.ParquetEncryptionProperties(footer_key=key, aad_prefix=name.encode())
            frame.write_parquet(path, encryption=properties)
        wrapped = aes_key_wrap(self._ring.key("vault/wrap"), key)
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").digest()
        sidecar = {
            "format": 1,
            "wrapped_key": base64.b64encode(wrapped).decode(),
            "sha256": digest.hex(),
            "seal": self._seal(name, digest, wrapped).hex(),
        }
        beside = _sidecar(path)
        _touch(beside)
        with beside.open("w") as out:
            json.dump(sidecar, out, indent=1)
            out.flush()
            os.fsync(out.fileno())

    def scan(self, path: Path, name: str) -> pl.LazyFrame:
        """Open an encrypted Parquet file lazily, once its digest and name have been checked.

        Raises:
            VaultError: the file or its sidecar is not the one that was written under this name and key.
        """
        try:
            sidecar = json.loads(_sidecar(path).read_bytes())
            wrapped = base64.b64decode(sidecar["wrapped_key"], validate=True)
            digest = bytes.fromhex(sidecar["sha256"])
            seal = bytes.fromhex(sidecar["seal"])
        except (OSError, ValueError, KeyError, TypeError):
            raise VaultError(_refusal(path, "its sidecar .key file is missing or damaged")) from None
        if not hmac.compare_digest(seal, self._seal(name, digest, wrapped)):
            raise VaultError(_refusal(path, "its sidecar was made for another file or under another key"))
        self._check(path, digest)
        try:
            key = aes_key_unwrap(self._ring.key("vault/wrap"), wrapped)
        except (InvalidUnwrap, ValueError):
            raise VaultError(_refusal(path, "its data key does not open")) from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            properties = pl.ParquetDecryptionProperties(footer_key=key, aad_prefix=name.encode())
            return pl.scan_parquet(path, decryption=properties, glob=False, hive_partitioning=False)

    def seal(self, source: Path, target: Path, name: str) -> None:
        """Encrypt any file into an envelope bound to `name`: AES-256-GCM in chunks of 1 MiB, under a key of its own.

        Each chunk's nonce holds its number and whether it is the last one, so chunks cannot be moved or dropped.
        """
        key = secrets.token_bytes(32)
        header = MAGIC + aes_key_wrap(self._ring.key("vault/wrap"), key)
        cipher, bound = AESGCM(key), header + name.encode()
        fresh = target.with_name(f".{target.name}~{secrets.token_hex(4)}")
        _touch(fresh)
        try:
            with source.open("rb") as file, fresh.open("wb") as out:
                out.write(header)
                chunk, number, last = file.read(CHUNK), 0, False
                while not last:
                    ahead = file.read(CHUNK)
                    last = not ahead
                    out.write(cipher.encrypt(_nonce(number, last), chunk, bound))
                    chunk, number = ahead, number + 1
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)

    def unseal(self, path: Path, name: str) -> bytes:
        """Decrypt an envelope written by `seal` under the same name.

        Raises:
            VaultError: it is missing, damaged, cut, swapped or under another key; nothing of it is given out.
        """
        try:
            with path.open("rb") as file:
                return self._opened(file, path, name)
        except OSError:
            raise VaultError(_refusal(path, "it cannot be read")) from None

    def _opened(self, file: BinaryIO, path: Path, name: str) -> bytes:
        header = file.read(len(MAGIC) + WRAPPED)
        if not header.startswith(MAGIC):
            raise VaultError(_refusal(path, "it is not a sealed file"))
        plain: list[bytes] = []
        try:
            cipher, bound = (
                AESGCM(aes_key_unwrap(self._ring.key("vault/wrap"), header[len(MAGIC) :])),
                header + name.encode(),
            )
            chunk, last = file.read(CHUNK + TAG), False
            while not last:
                ahead = file.read(CHUNK + TAG)
                last = not ahead
                plain.append(cipher.decrypt(_nonce(len(plain), last), chunk, bound))
                chunk = ahead
        except (InvalidTag, InvalidUnwrap, ValueError):
            raise VaultError(_refusal(path, "it is damaged, cut, swapped or under another key")) from None
        return b"".join(plain)

    def _seal(self, name: str, digest: bytes, wrapped: bytes) -> bytes:
        return hmac.digest(self._ring.key("vault/seal"), digest + wrapped + name.encode(), "sha256")

    def _check(self, path: Path, digest: bytes) -> None:
        """Compare the file with its digest, once for as long as it stays the same file on the disk."""
        try:
            seen = path.stat()
            stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
            if self._checked.get(path) == stamp:
                return
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            raise VaultError(_refusal(path, "it cannot be read")) from None
        if not hmac.compare_digest(found, digest):
            raise VaultError(_refusal(path, "it is damaged, cut, or not the file that was written here"))
        self._checked[path] = stamp


def _refusal(path: Path, why: str) -> str:
    place = "/".join(path.parts[-4:])
    return f"vault file {place} is refused: {why}. Restore it from a backup, or run the night again to make it anew."


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".key")


def _touch(path: Path) -> None:
    """Make an empty file that its owner alone may read, before anything is written to it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
