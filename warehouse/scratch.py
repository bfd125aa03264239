"""Folders for what must lie on the disk for a while: in `tmp/` of the data, gone with the process that made them.

What belongs here: making them, and removing what a killed process left. What is put into them is its user's affair.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"
STRAY = "duckdb_temp_*"  # what DuckDB spilled straight into the folder, before it had one of its own


@contextmanager
def scratch(tmp: Path, kind: str) -> Iterator[Path]:
    """A new folder below `tmp`, for its owner alone, which goes when the block ends, however it ends."""
    folder, lock = claimed(tmp, kind)
    try:
        yield folder
    finally:
        released(folder, lock)


def claimed(tmp: Path, kind: str) -> tuple[Path, int]:
    """A new folder, and the lock beside it that this process holds for as long as it lives."""
    tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        folder = tmp / f"{kind}-{secrets.token_hex(6)}"
        lock = os.open(folder.with_suffix(LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:  # else it was swept before it was locked
            folder.mkdir(mode=0o700)
            return folder, lock
        os.close(lock)


def released(folder: Path, lock: int) -> None:
    """Remove a folder that `claimed` gave, and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(LOCK).unlink(missing_ok=True)
    os.close(lock)


def sweep(tmp: Path) -> None:
    """Remove what killed processes left: every folder whose lock nobody holds."""
    for left in tmp.glob(f"*{LOCK}"):
        try:
            with left.open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left.with_suffix(""), ignore_errors=True)
                left.unlink(missing_ok=True)
        except (FileNotFoundError, BlockingIOError):
            continue
    for stray in tmp.glob(STRAY):
        stray.unlink(missing_ok=True)
