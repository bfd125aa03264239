"""Files as they come and files within files: zip and gzip, opened as streams, and refused where they are a trap.

What belongs here: names, sizes and bytes. What the bytes say belongs to the reader of their format.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from feeds.contracts import Contract, Table
from feeds.deliveries import ENCRYPTED, foreseen, plain_name
from feeds.deliveries import fits as named
from feeds.readers.frames import Rejected

GZIP = b"\x1f\x8b"
PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst")
JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
MEMBERS = 1_000
SPREAD = 250  # a packed file may unfold to so many times its size, once it is larger than SMALL
SMALL = 64 << 20
LARGEST = 64 << 30  # bytes of one file, unfolded
IN_MEMORY = 1 << 30  # bytes of a file that can only be read by seeking, where its stream cannot seek
BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """One file, or one member of an archive.

    Attributes:
        name: for what is said of it, and `_file`.
        path: the file's path in the drop folder; `member` its name within the archive, if it is in one.
        open: opens its bytes, unfolded.
        size: how many bytes it has, where known.
    """

    name: str
    path: str
    member: str | None
    open: Callable[[], BinaryIO]


def sources(contract: Contract, files: Sequence[str], content: Callable[[str], BinaryIO]) -> Iterator[Source]:
    """The delivery's files and the members of its archives, tables in the contract's order, then by name.

    Raises:
        Rejected: an archive is damaged, encrypted, a bomb, or holds what it should not.
    """
    found: list[Source] = []
    patterns = {PurePosixPath(p).name for p in (*contract.globs, *(t.file for t in contract.tables if t.file))}
    for path in sorted(files):
        inner = path
        while inner.casefold().endswith(ENCRYPTED):
            inner = inner.rpartition(".")[0]
        if inner.casefold().endswith(".zip"):
            found += _members(path, content, patterns)
        elif inner.casefold().endswith(".gz"):
            found.append(Source(path, path, None, _gunzip(path, content)))
        else:
            found.append(Source(path, path, None, _plain(path, content)))

    def order(source: Source) -> tuple[int, str]:
        places = [i for i, table in enumerate(contract.tables) if holds(source, table, contract)]
        return (places[0] if places else len(contract.tables)), source.name

    yield from sorted(found, key=order)


def holds(source: Source, table: Table, contract: Contract) -> bool:
    """Whether a file's name is that of the table's files."""
    pattern = table.file or contract.globs[0]
    if source.member is None:
        return named(source.path, pattern)
    last = PurePosixPath(source.member).name
    wanted = PurePosixPath(pattern).name
    if fnmatchcase(plain_name(last), plain_name(wanted)):
        return True
    if len(contract.tables) == 1 or not table.file:
        return True
    others = [t for t in contract.tables if t.file and fnmatchcase(plain_name(last), PurePosixPath(t.file).name)]
    return (
        not others
        and named(source.path, pattern)
        and sum(named(source.path, t.file or "") for t in contract.tables) == 1
    )


def whole(source: Source, limit: int, remedy: str) -> bytes:
    """All of a file.

    Raises:
        Rejected: it is larger than the limit.
    """
    stream = source.open()
    pieces: list[bytes] = []
    size = 0
    while piece := stream.read(BLOCK):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise Rejected(source.name, f"the file should have at most {limit >> 20} MB", remedy)
    return b"".join(pieces)


def _plain(path: str, content: Callable[[str], BinaryIO]) -> Callable[[], BinaryIO]:
    return lambda: content(path)


def _gunzip(path: str, content: Callable[[str], BinaryIO]) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        import gzip

        counted = _Counted(content(path))
        unfolded = gzip.GzipFile(fileobj=io.BufferedReader(counted, BLOCK))
        return io.BufferedReader(_Unfolding(path, unfolded, lambda: counted.count), BLOCK)

    return opened


def _members(path: str, content: Callable[[str], BinaryIO], patterns: Collection[str]) -> list[Source]:
    """The members of a zip that hold data, once nothing is wrong with any of them.

    A member is called by its own name only where the contract foresees it: else it may be that of a person.
    """
    plain = Source(path, path, None, _plain(path, content))
    remedy = "Send the files as they are, or packed with gzip"
    stream = plain.open()
    if not stream.seekable():
        stream = io.BytesIO(whole(Source(path, path, None, lambda: stream), IN_MEMORY, remedy))
    try:
        archive = zipfile.ZipFile(stream)
        infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, EOFError, UnicodeError):
        raise Rejected(
            path, "the file should be a whole zip archive, and it does not open", "Pack it again and send it whole"
        ) from None
    if len(infos) > MEMBERS:
        raise Rejected(path, f"the archive should hold at most {MEMBERS} files; it holds {len(infos)}", remedy)
    data = [info for info in infos if not info.filename.endswith("/") and not _junk(info.filename)]
    for number, info in enumerate(data, 1):
        _well(path, number, info)
    names = [info.filename.casefold() for info in data]
    if len(set(names)) < len(names):
        raise Rejected(path, "each name should stand once in the archive", "Pack each file once and send it again")
    if not data:
        raise Rejected(path, "the archive should hold the files of the delivery, and is empty", "Pack it again")
    unfolded, packed = sum(i.file_size for i in data), min(sum(i.compress_size for i in data), stream.seek(0, 2))
    if unfolded > LARGEST or (unfolded > SMALL and unfolded > SPREAD * packed):
        raise _bomb(path)
    called = {
        i.filename: i.filename if any(foreseen(i.filename, p) for p in patterns) else f"file {number}"
        for number, i in enumerate(data, 1)
    }
    return [
        Source(f"{path}/{called[info.filename]}", path, info.filename, _member(path, archive, info))
        for info in sorted(data, key=lambda i: i.filename)
    ]


def _member(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        try:
            unfolded = archive.open(info)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, OSError):
            raise _damaged(path) from None
        return io.BufferedReader(_Unfolding(path, unfolded, lambda: info.compress_size), BLOCK)

    return opened


def _junk(name: str) -> bool:
    return name.startswith(JUNK[0]) or PurePosixPath(name).name in JUNK


def _well(path: str, number: int, info: zipfile.ZipInfo) -> None:
    name = info.filename
    steps = name.replace("\\", "/").split("/")
    place = f"file {number} of the archive"
    mode = info.external_attr >> 16
    if (
        not name
        or name.startswith(("/", "\\"))
        or ".." in steps
        or ":" in steps[0]
        or not name.isprintable()
        or "\\" in name
    ):
        raise Rejected(path, f"{place} should have a plain name that stays within the archive", "Pack it again")
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Rejected(path, f"{place} should be a plain file, and is a link or a device", "Pack the file itself")
    if info.flag_bits & 0x1:
        raise Rejected(
            path, f"{place} should not have a password", "Pack it without, and encrypt the whole as the guide says"
        )
    if name.casefold().endswith(PACKED):
        raise Rejected(path, f"{place} should not be an archive itself", "Pack the files themselves, once")


class _Counted(io.RawIOBase):
    """A stream that says how many bytes were read from it."""

    def __init__(self, inner: BinaryIO) -> None:
        self.inner, self.count = inner, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.inner.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Unfolding(io.RawIOBase):
    """A packed file being read: refused when it unfolds to more than it should, or is damaged or cut."""

    def __init__(self, path: str, inner: IO[bytes] | io.BufferedIOBase, packed: Callable[[], int]) -> None:
        self.path, self.inner, self.packed, self.count = path, inner, packed, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self.inner.read(len(buffer))
        except (EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError):
            raise _damaged(self.path) from None
        except OSError as error:
            if type(error).__name__ == "BadGzipFile":
                raise _damaged(self.path) from None
            raise
        if not self.count and data.startswith(GZIP):
            raise Rejected(self.path, "a packed file should not be packed twice", "Pack the files themselves, once")
        self.count += len(data)
        if self.count > LARGEST or (self.count > SMALL and self.count > SPREAD * max(self.packed(), 1)):
            raise _bomb(self.path)
        buffer[: len(data)] = data
        return len(data)


def _damaged(path: str) -> Rejected:
    return Rejected(
        path, "the packed file should be whole, and it breaks off or is damaged", "Pack it again and send it whole"
    )


def _bomb(path: str) -> Rejected:
    return Rejected(
        path,
        f"the packed file should unfold to at most {SPREAD} times its size and {LARGEST >> 30} GB",
        "Check what was packed, and send it unpacked or in parts",
    )
