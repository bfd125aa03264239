"""Encrypted deliveries: OpenPGP messages to the council's delivery key, opened as streams.

What belongs here: the way from ciphertext to plaintext, in memory. The key and the process that holds it belong in
`governance`; which files are encrypted is said by their names, in `deliveries`; what they say belongs in `readers`.
"""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

from feeds.readers import Rejected
from governance import opener

if TYPE_CHECKING:
    from typing_extensions import Buffer

HEAD = 1 << 16  # bytes in which the recipients of a message stand
CHUNK = 1 << 20
FREE, RATIO, MOST = 64 << 20, 200, 32 << 30  # bytes of plaintext that any message may hold; times its size; at most
ARMOUR = re.compile(
    rb"^-----BEGIN PGP (MESSAGE-----[ \t]*\r?\n([A-Za-z]+: .*\n)*[ \t]*\r?\n(?P<body>[A-Za-z0-9+/\r\n]*))?",
    re.MULTILINE,
)
FOR_PEOPLE = (1, 3)  # packets that begin an encrypted message: a session key for a key, or for a password

AGAIN = "Encrypt the file again with the council's public key and send it whole"
OURS = "Import the public key that `kinfold keys delivery` prints, encrypt the file to it, and send it again"
NO_KEY = "Make one with `kinfold keys delivery`, give the partner its public part, and ask for the file again"
MODERN = "Encrypt the file with a current version of the tool, which protects it, and send it again"


def decrypted(path: str, message: BinaryIO, size: int, keys: Sequence[bytes]) -> BinaryIO:
    """The plaintext of a message, to be read once; never on a disk, and only a little of it in memory at a time.

    That the message is whole is known at its end: keep nothing of it before it has been read to its end without an
    error. Who sent it is not asked: the account that could write to the drop folder says that.

    Args:
        path: the file's name, for whoever has to be told.
        message: armoured or binary; closed with the plaintext.
        size: of the message in bytes; says how much plaintext is credible.
        keys: the private keys, the newest first.

    Raises:
        Rejected: here or while reading: it is no encrypted message, is not encrypted to us, is damaged or cut, does
            not protect its integrity, or unpacks to more than is credible.
    """
    if not keys:
        raise Rejected(path, "the file is encrypted, and the council has no key to open it", NO_KEY)
    head = message.read(HEAD)
    packets = _packets(path, head)
    key = next((key for key in keys if any(mark in packets for mark in _marks(key))), keys[0])
    return io.BufferedReader(_Plaintext(path, message, head, size, key), CHUNK)


class _Plaintext(io.RawIOBase):
    """What comes out of the opener while another thread fills it; it is killed once nobody reads any more."""

    def __init__(self, path: str, message: BinaryIO, head: bytes, size: int, key: bytes) -> None:
        self._path, self._message = path, message
        self._left = min(MOST, max(FREE, RATIO * size))
        self._failure: BaseException | None = None
        self._process = _opener(key, seconds=5 + size // (5 << 20))
        self._filling = Thread(target=self._fill, args=(head,), daemon=True)
        self._filling.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        if self._failure:
            raise self._failure
        assert self._process.stdout
        got: int = self._process.stdout.readinto1(buffer)  # type: ignore[attr-defined]
        self._left -= got
        if self._left < 0:
            self._stop(_bomb(self._path))
        if not got:
            self._filling.join()
            code = self._process.wait()
            if self._failure or code:
                self._stop(self._failure or _refusal(self._path, code))
        return got

    def close(self) -> None:
        if not self.closed:
            self._process.kill()
            self._filling.join()
            self._process.wait()
            assert self._process.stdout
            self._process.stdout.close()
            self._message.close()
        super().close()

    def _stop(self, why: BaseException) -> None:
        self._failure = why
        self._process.kill()
        raise why

    def _fill(self, part: bytes) -> None:
        assert self._process.stdin
        try:
            with self._process.stdin as into:
                while part:
                    into.write(part)
                    part = self._message.read(CHUNK)
        except BrokenPipeError:
            pass  # the opener has ended, and its exit code says why
        except BaseException as error:  # noqa: BLE001 - whoever reads has to hear of it
            self._failure = error
            self._process.kill()


def _opener(key: bytes, seconds: int) -> subprocess.Popen[bytes]:
    """A process that opens one message; the key reaches it by a pipe that nothing else inherits."""
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-I", str(Path(opener.__file__).resolve()), str(reading), str(seconds)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        around = {name: value for name, value in os.environ.items() if not name.startswith("KINFOLD")}
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, pass_fds=(reading,), env=around)
    finally:
        os.close(reading)
        with os.fdopen(writing, "wb") as out:
            out.write(key)


def _packets(path: str, head: bytes) -> bytes:
    """The message's first packets, without armour.

    Raises:
        Rejected: they do not begin an encrypted message.
    """
    armour = ARMOUR.search(head)
    if armour:
        coded = b"".join((armour["body"] or b"").split())
        head = base64.b64decode(coded[: len(coded) // 4 * 4])
    tag = 0
    if head and head[0] & 0x80:
        tag = head[0] & 0x3F if head[0] & 0x40 else head[0] >> 2 & 0x0F
    if tag in FOR_PEOPLE:
        return head
    if tag or armour:
        raise Rejected(path, "the file should be encrypted, and is only signed, packed or a key", OURS)
    raise Rejected(path, "the file's name ends like that of an OpenPGP message, and it is none", AGAIN)


def _marks(key: bytes) -> list[bytes]:
    """The ids, as bytes, by which a message names this key or a subkey of it."""
    from pysequoia.packet import PacketPile

    ids = (getattr(packet, "key_id", None) for packet in PacketPile.from_bytes(key))
    return [bytes.fromhex(one) for one in ids if one]


def _refusal(path: str, code: int) -> Rejected:
    if code == opener.NOT_OURS:
        return Rejected(path, "the file should be encrypted to the council's public key, and is not", OURS)
    if code == opener.WEAK:
        return Rejected(path, "the message should protect its integrity, and does not", MODERN)
    if code == opener.DAMAGED:
        return Rejected(path, "the message should be whole, and is damaged or was cut", AGAIN)
    return _bomb(path)


def _bomb(path: str) -> Rejected:
    return Rejected(
        path,
        f"the message should unpack to no more than {RATIO} times its size, and takes more memory or time than that",
        "Check what was packed, and send it in parts",
    )
