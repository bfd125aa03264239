"""Excel 97 workbooks are small file systems; one whose chains run in a circle would never be read to its end.

What belongs here: whether the file system is one that ends (MS-CFB). What is in the workbook belongs in `workbook`.
"""

from __future__ import annotations

import struct

LAST = 0xFFFFFFFA  # numbers from here on are no sectors
ENTRY = 128  # bytes of an entry of the directory


def ends(data: bytes) -> bool:
    """Whether every chain of sectors ends, and nothing claims to be larger than the file."""
    try:
        return _ends(data)
    except struct.error:
        return False


def _ends(data: bytes) -> bool:
    shift = struct.unpack_from("<H", data, 30)[0]
    if shift not in (9, 12):
        return False
    size = 1 << shift
    count = len(data) // size + 1
    fats, directory, small, smalls, more, mores = (
        struct.unpack_from("<I", data, at)[0] for at in (44, 48, 60, 64, 68, 72)
    )
    if max(fats, smalls, mores) > count:
        return False

    def sector(number: int) -> bytes:
        return data[(number + 1) * size : (number + 2) * size].ljust(size, b"\xff")

    tables = [n for n in struct.unpack_from("<109I", data, 76) if n < LAST]
    seen: set[int] = set()
    while more < LAST:
        if more in seen or more > count:
            return False
        seen.add(more)
        *named, more = struct.unpack(f"<{size // 4}I", sector(more))
        tables += [n for n in named if n < LAST]
    if len(tables) > count or len(set(tables)) < len(tables):
        return False
    links = [link for table in tables for link in struct.unpack(f"<{size // 4}I", sector(table))]
    if _circles(links):
        return False
    inner = b"".join(map(sector, _chain(links, small)))
    if _circles(list(struct.unpack(f"<{len(inner) // 4}I", inner))):
        return False
    entries = b"".join(map(sector, _chain(links, directory)))
    return all(
        struct.unpack_from("<Q" if shift == 12 else "<I", entries, at + 120)[0] <= len(data)
        for at in range(0, len(entries), ENTRY)
        if entries[at + 66] in (2, 5)
    )


def _chain(links: list[int], start: int) -> list[int]:
    chain: list[int] = []
    while start < len(links):
        chain.append(start)
        start = links[start]
    return chain


def _circles(links: list[int]) -> bool:
    """Whether one that starts anywhere and goes from link to link may come back to where it was."""
    met = [0] * len(links)  # by which walk
    for walk, start in enumerate(range(len(links)), 1):
        at = start
        while at < len(links) and not met[at]:
            met[at] = walk
            at = links[at]
        if at < len(links) and met[at] == walk:
            return True
    return False
