"""Identity at rest: Parquet files and landed files, encrypted and bound to their place.

What belongs here: bytes in, bytes out. Which tables are kept encrypted is said by their zone; who may read them, by
the agreements. Everything that rests on polars' unstable encryption interface is in this module.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from governance.keys import KeyProblem, KeyRing
from governance.keystore import ROSTER, SEAL, WRAP
from governance.roster import Roster

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK = 1 << 20
PART = 8 << 20  # bytes of a Parquet file to one tag
MAGIC, FORMER = b"KINFOLD2", b"KINFOLD1"
NUMBER = 4  # bytes of a generation's number
WRAPPED = 40  # bytes of a 32-byte key wrapped by AES-KW (RFC 3394)
TAG = 16  # bytes that AES-GCM adds
NONCE = 12  # bytes that it takes
DAMAGED = "it is damaged, cut, swapped or under another key"


class VaultError(Exception):
    """A vault file is missing, damaged, swapped, older than it should be, or under another key."""


@dataclass(frozen=True)
class _Told:
    """What a sidecar says of a Parquet file: the generation of the vault's keys, the wrapped data key, the tag."""

    form: int
    generation: int
    wrapped: bytes
    tag: bytes
    seal: bytes


class Vault:
    """Encrypts every file under a key of its own, which the vault's key wraps, which the council's master key wraps.

    A Parquet file is encrypted whole (every column, nested ones too, and the footer). Its sidecar `<file>.key` holds
    the wrapped key and authenticates the file's tag and name, so that a flipped bit, a cut, a swap or an older copy
    is refused before a row is read.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._checked: dict[Path, tuple[tuple[int, ...], bytes]] = {}

    def __repr__(self) -> str:
        return "Vault(...)"

    def roster(self, home: Path) -> Roster:
        """What says which generations of a data folder's vault are in force."""
        return Roster(home, lambda: self._ring.key(ROSTER))

    def write(self, frame: pl.DataFrame, path: Path, name: str) -> None:
        """Write `frame` encrypted to `path`, bound to `name`, and its sidecar beside it; both synced, mode 0600."""
        key = secrets.token_bytes(32)
        tag = _write(frame, path, key, name)
        _put_sidecar(_sidecar(path), [self._said(key, tag, name)])

    def scan(self, path: Path, name: str) -> pl.LazyFrame:
        """Open an encrypted Parquet file lazily, once it and its name have been proved genuine.

        Raises:
            VaultError: the file or its sidecar is not the one that was written under this name and key.
        """
        key, _ = self._opened(path, _sidecar(path), name)
        return _scan(path, key, name)

    def rewrap(self, path: Path, name: str) -> None:
        """Put a Parquet file's key under the newest generation of the vault's; the file itself is not touched.

        The new sidecar is written beside the old one, proved to open the file, and put in its place by one rename.

        Raises:
            VaultError: the file is not the one that was written here; all stays as it was.
        """
        key, told = self._opened(path, _sidecar(path), name)
        tag = told.tag if told.form == 2 else _tag(path, key)
        self._replace_sidecar(path, name, [self._said(key, tag, name)])

    def encrypt_anew(self, path: Path, name: str) -> None:
        """Encrypt a Parquet file anew, under a new key of its own and the newest generation of the vault's.

        The new file is written beside the old one and proved to hold the same rows. Then the sidecar tells of both, the
        new file takes the place of the old, and the sidecar forgets the old one: three renames, after each of which the
        file opens.

        Raises:
            VaultError: the file is not the one that was written here; it stays as it was.
        """
        for left in path.parent.glob(f".{path.name}~*"):
            left.unlink()
        fresh = path.with_name(f".{path.name}~{secrets.token_hex(4)}")
        try:
            key, old = self._opened(path, _sidecar(path), name)
            rows = _scan(path, key, name).collect()
            other = secrets.token_bytes(32)
            made = _write(rows, fresh, other, name)
            if not _scan(fresh, other, name).collect().equals(rows):
                raise VaultError(_refusal(path, "what was written of it anew does not hold the same rows"))
            new = self._said(other, made, name)
            self._replace_sidecar(path, name, [old, new])
            fresh.replace(path)
            sync(path.parent)
            self._replace_sidecar(path, name, [new])
        finally:
            fresh.unlink(missing_ok=True)

    def generation(self, path: Path) -> int:
        """The generation of the vault's keys that a Parquet file or an envelope is under, by what it says itself.

        Raises:
            VaultError: it does not say.
        """
        if path.suffix == ".parquet":
            return min(told.generation for told in _read_sidecar(_sidecar(path), path))
        try:
            with path.open("rb") as file:
                return _read_header(file, path)[0]
        except OSError:
            raise VaultError(_refusal(path, "it cannot be read")) from None

    def seal(self, source: Path, target: Path, name: str) -> str:
        """Encrypt any file into an envelope bound to `name`: AES-256-GCM in chunks of 1 MiB, under a key of its own.

        Each chunk's nonce holds its number and whether it is the last one, so chunks cannot be moved or dropped.

        Returns:
            The SHA-256, in hex, of what was sealed, so that a file that changed meanwhile is noticed.
        """
        with source.open("rb") as file:
            return self._envelope(file, target, name)

    def reseal(self, path: Path, name: str) -> None:
        """Encrypt an envelope anew, under a new key of its own and the newest generation of the vault's.

        It is written beside the old one, proved to open to the same bytes, and put in its place by one rename.

        Raises:
            VaultError: it is not the one that was written here; it stays as it was.
        """
        for left in path.parent.glob(f".{path.name}~*"):
            left.unlink()
        with self.opened(path, name) as file:
            self._envelope(file, path, name)

    def unseal(self, path: Path, name: str) -> bytes:
        """Decrypt an envelope written by `seal` under the same name.

        Raises:
            VaultError: it is missing, damaged, cut, swapped or under another key; nothing of it is given out.
        """
        with self.opened(path, name) as file:
            return file.read()

    def opened(self, path: Path, name: str) -> BinaryIO:
        """Open an envelope written by `seal` under the same name, to be read once, a chunk in memory at a time.

        What has been read is what was sealed there, but only the end of the stream says that nothing was cut off: keep
        nothing of it before it has been read to its end without an error.

        Raises:
            VaultError: here or while reading: it is missing, damaged, cut, swapped or under another key.
        """
        try:
            file = path.open("rb")
        except OSError:
            raise VaultError(_refusal(path, "it cannot be read")) from None
        try:
            generation, header = _read_header(file, path)
            cipher = AESGCM(
                aes_key_unwrap(self._key(WRAP, generation, path, header.startswith(FORMER)), header[-WRAPPED:])
            )
            return io.BufferedReader(_Envelope(file, path, cipher, header + name.encode()), CHUNK)
        except (InvalidUnwrap, ValueError):
            file.close()
            raise VaultError(_refusal(path, DAMAGED)) from None
        except BaseException:
            file.close()
            raise

    def _envelope(self, source: BinaryIO, target: Path, name: str) -> str:
        """Write an envelope beside `target`, prove that it opens, and rename it; gives the digest of what is in it."""
        key, generation = secrets.token_bytes(32), self._ring.newest(WRAP)
        wrapped = aes_key_wrap(self._ring.key(WRAP, generation), key)
        header = MAGIC + generation.to_bytes(NUMBER, "big") + wrapped
        cipher, bound = AESGCM(key), header + name.encode()
        fresh = target.with_name(f".{target.name}~{secrets.token_hex(4)}")
        digest, proof = hashlib.sha256(), hashlib.sha256()
        _touch(fresh)
        try:
            with fresh.open("wb") as out:
                out.write(header)
                chunk, number, last = source.read(CHUNK), 0, False
                while not last:
                    digest.update(chunk)
                    ahead = source.read(CHUNK)
                    last = not ahead
                    out.write(cipher.encrypt(_nonce(number, last), chunk, bound))
                    chunk, number = ahead, number + 1
                out.flush()
                os.fsync(out.fileno())
            with self.opened(fresh, name) as back:
                while chunk := back.read(CHUNK):
                    proof.update(chunk)
            if proof.digest() != digest.digest():
                raise VaultError(_refusal(target, "what was written of it is not what it was to hold"))
            fresh.replace(target)
            sync(target.parent)
        finally:
            fresh.unlink(missing_ok=True)
        return digest.hexdigest()

    def _said(self, key: bytes, tag: bytes, name: str) -> _Told:
        """What a sidecar says of a file, under the newest generation of the vault's keys."""
        generation = self._ring.newest(WRAP)
        wrapped = aes_key_wrap(self._ring.key(WRAP, generation), key)
        seal = _seal(self._ring.key(SEAL, generation), 2, generation, tag, wrapped, name)
        return _Told(2, generation, wrapped, tag, seal)

    def _replace_sidecar(self, path: Path, name: str, told: Sequence[_Told]) -> None:
        """Write a file's sidecar beside the old one, prove that it opens the file, and put it in its place."""
        beside = _sidecar(path)
        for left in beside.parent.glob(f".{beside.name}~*"):
            left.unlink()
        fresh = beside.with_name(f".{beside.name}~{secrets.token_hex(4)}")
        _put_sidecar(fresh, told)
        self._opened(path, fresh, name)
        fresh.replace(beside)
        sync(beside.parent)

    def _opened(self, path: Path, beside: Path, name: str) -> tuple[bytes, _Told]:
        """The data key of a Parquet file and what is told of it, once it has been proved to be what was written here.

        Raises:
            VaultError: it is not.
        """
        told = _read_sidecar(beside, path)
        for one in told:
            ours = self._key(SEAL, one.generation, path, one.form == 1)
            if not hmac.compare_digest(one.seal, _seal(ours, one.form, one.generation, one.tag, one.wrapped, name)):
                raise VaultError(_refusal(path, "its sidecar was made for another file or under another key"))
        for one in told:
            try:
                key = aes_key_unwrap(self._key(WRAP, one.generation, path, False), one.wrapped)
            except (InvalidUnwrap, ValueError):
                raise VaultError(_refusal(path, "its data key does not open")) from None
            if self._genuine(path, key, one):
                return key, one
        raise VaultError(_refusal(path, "it is damaged, cut, or not the file that was written here"))

    def _key(self, purpose: str, generation: int, path: Path, before: bool) -> bytes:
        """One generation of the vault's keys; a file of the form before there was a key store has a derived one."""
        try:
            if before and not self._ring.derived(purpose, generation):
                raise VaultError(_refusal(path, "it is of a form that is no longer written here"))
            return self._ring.key(purpose, generation)
        except KeyProblem:
            raise VaultError(
                _refusal(path, f"generation {generation} of the vault's keys is not in the store")
            ) from None

    def _genuine(self, path: Path, key: bytes, told: _Told) -> bool:
        """Whether a file is the one with this tag; looked at once for as long as it stays the same file on the disk."""
        try:
            seen = path.stat()
            stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
            if self._checked.get(path) == (stamp, told.tag):
                return True
            found = _tag(path, key) if told.form == 2 else _digest(path)
        except OSError:
            raise VaultError(_refusal(path, "it cannot be read")) from None
        if not hmac.compare_digest(found, told.tag):
            return False
        self._checked[path] = (stamp, told.tag)
        return True


class _Envelope(io.RawIOBase):
    """The plaintext of a sealed file, chunk by chunk; a chunk that is not what was sealed there ends it."""

    def __init__(self, file: BinaryIO, path: Path, cipher: AESGCM, bound: bytes) -> None:
        self._file, self._path, self._cipher, self._bound = file, path, cipher, bound
        self._ahead = file.read(CHUNK + TAG)
        self._plain = memoryview(b"")
        self._number, self._last = 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        room = memoryview(buffer).cast("B")
        if not self._plain and not self._last:
            self._plain = memoryview(self._next())
        taken = min(len(room), len(self._plain))
        room[:taken] = self._plain[:taken]
        self._plain = self._plain[taken:]
        return taken

    def close(self) -> None:
        self._file.close()
        super().close()

    def _next(self) -> bytes:
        """The next chunk; only the last one may be empty."""
        try:
            chunk, self._ahead = self._ahead, self._file.read(CHUNK + TAG)
            self._last = not self._ahead
            plain = self._cipher.decrypt(_nonce(self._number, self._last), chunk, self._bound)
        except (InvalidTag, ValueError, OSError):
            self._ahead, self._last = b"", False  # whoever reads on is refused again
            raise VaultError(_refusal(self._path, DAMAGED)) from None
        self._number += 1
        return plain


def _refusal(path: Path, why: str) -> str:
    place = "/".join(path.parts[-4:])
    return f"vault file {place} is refused: {why}. Restore it from a backup, or run the night again to make it anew."


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".key")


def _put_sidecar(path: Path, told: Sequence[_Told]) -> None:
    """Write a sidecar; of two versions of a file, the second stands under `next`."""
    said = [
        {
            "format": one.form,
            "generation": one.generation,
            "wrapped_key": base64.b64encode(one.wrapped).decode(),
            "tag" if one.form == 2 else "sha256": one.tag.hex(),
            "seal": one.seal.hex(),
        }
        for one in told
    ]
    _touch(path)
    with path.open("w") as out:
        json.dump({**said[0], "next": said[1]} if len(said) > 1 else said[0], out, indent=1)
        out.flush()
        os.fsync(out.fileno())


def _read_sidecar(beside: Path, path: Path) -> list[_Told]:
    """What a sidecar says: of one version of its file, or of two, while it is being encrypted anew."""
    try:
        said = json.loads(beside.read_bytes())
        return [_told(one, path) for one in (said, said.get("next")) if one is not None]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise VaultError(_refusal(path, "its sidecar .key file is missing or damaged")) from None


def _told(said: dict[str, Any], path: Path) -> _Told:
    form, generation = said["format"], said.get("generation", 1)
    wrapped = base64.b64decode(said["wrapped_key"], validate=True)
    tag, seal = bytes.fromhex(said["sha256" if form == 1 else "tag"]), bytes.fromhex(said["seal"])
    good = form in (1, 2) and type(generation) is int and 0 < generation < 1 << 32
    if not good or (form == 1 and generation != 1) or len(wrapped) != WRAPPED or len(tag) != 32:
        raise VaultError(_refusal(path, "its sidecar .key file is not of a form that Kinfold writes"))
    return _Told(form, generation, wrapped, tag, seal)


def _write(frame: pl.DataFrame, path: Path, key: bytes, name: str) -> bytes:
    """Write a frame as encrypted Parquet, synced, for its owner alone; gives the file's tag."""
    _touch(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # polars calls its encryption unstable
        properties = pl.ParquetEncryptionProperties(footer_key=key, aad_prefix=name.encode())
        # the lightest level takes no more room, for most of what is kept here are ids and names
        # and least and greatest values, of hashed ids and of names, let no reader skip anything
        frame.write_parquet(path, compression_level=1, statistics=False, encryption=properties)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return _tag(path, key)


def _tag(path: Path, key: bytes) -> bytes:
    """Authenticates a whole file under its own key: GMAC (NIST SP 800-38D) of each 8 MiB by its number, then SHA-256.

    Several times as fast as a digest. The key makes tags for one file alone, so that no number is used twice.
    """
    cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kinfold/v2/tag").derive(key))
    whole, number = hashlib.sha256(), 0
    part = memoryview(bytearray(min(PART, path.stat().st_size) or 1))  # to clear 8 MiB takes longer than a small file
    with path.open("rb", buffering=0) as file:
        while read := _filled(file, part):
            whole.update(cipher.encrypt(number.to_bytes(NONCE, "big"), b"", part[:read]))
            number += 1
    return whole.digest()


def _filled(file: FileIO, part: memoryview) -> int:
    """Read until the part is full or the file ends; gives how many bytes."""
    got = 0
    while got < len(part) and (more := file.readinto(part[got:])):
        got += more
    return got


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _scan(path: Path, key: bytes, name: str) -> pl.LazyFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        properties = pl.ParquetDecryptionProperties(footer_key=key, aad_prefix=name.encode())
        return pl.scan_parquet(path, decryption=properties, glob=False, hive_partitioning=False)


def _seal(key: bytes, form: int, generation: int, tag: bytes, wrapped: bytes, name: str) -> bytes:
    """Authenticates what a sidecar says, its form included."""
    said = b"" if form == 1 else b"kinfold sidecar 2" + generation.to_bytes(NUMBER, "big")
    return hmac.digest(key, said + tag + wrapped + name.encode(), "sha256")


def _read_header(file: BinaryIO, path: Path) -> tuple[int, bytes]:
    """The generation and the whole header of an envelope."""
    header = file.read(len(MAGIC))
    if header == FORMER:
        return 1, header + file.read(WRAPPED)
    if header != MAGIC:
        raise VaultError(_refusal(path, "it is not a sealed file"))
    header += file.read(NUMBER + WRAPPED)
    return int.from_bytes(header[len(MAGIC) : len(MAGIC) + NUMBER], "big"), header


def _touch(path: Path) -> None:
    """Make an empty file that its owner alone may read, before anything is written to it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def sync(folder: Path) -> None:
    """Have a folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
