"""The audit log: how long a million entries take to be written, to be looked at from end to end, and on the next day.

What belongs here: the measurement. `python -m benchmarks.audit [ENTRIES]` prints it; `make bench` runs it too, in a
process of its own, so that its memory is its own.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

from benchmarks.linkage import Bar, show
from governance.audit import AuditLog, Entry
from governance.release import BATCH

ENTRIES, DAILY = 1_000_000, 10_000
WHOLE, NEXT = 30.0, 1.0  # seconds
GROWTH = 64  # MB of memory that a look may take beyond what the imports do
DAY = date(2026, 11, 20)


def measure(entries: int = ENTRIES) -> Iterator[Bar]:
    """Write a log as nights write it, batch by batch, and look at it."""
    with tempfile.TemporaryDirectory(prefix="kinfold-audit-") as folder:
        log = AuditLog(Path(folder), b"benchmark" * 4)
        began = time.perf_counter()
        _write(log, 0, entries)
        seconds = time.perf_counter() - began
        yield Bar(f"write {entries:,} entries, {BATCH:,} at a time", f"{seconds:.1f} s")
        yield Bar("microseconds an entry", f"{seconds / entries * 1e6:.0f}")
        before, began = _peak(), time.perf_counter()
        verdict = log.look(DAY)
        seconds = time.perf_counter() - began
        assert verdict.checked == entries and not verdict.problems
        yield Bar(f"look at all {entries:,} entries", f"{seconds:.1f} s", f"< {WHOLE:.0f} s")
        yield Bar("  memory beyond that of the imports", f"{_peak() - before} MB", f"< {GROWTH} MB")
        _write(log, entries, DAILY)
        began = time.perf_counter()
        verdict = log.look(date(2026, 11, 21))
        seconds = time.perf_counter() - began
        assert verdict.checked == DAILY and not verdict.problems
        yield Bar(f"the next day's look, at {DAILY:,} more", f"{seconds:.2f} s", f"< {NEXT:.0f} s")


def _write(log: AuditLog, start: int, many: int) -> None:
    cited = "multi-agency-safeguarding v3 shares[0], shares[1], shares[3]; council-analytics v1 shares[2]"
    at = datetime(2026, 11, 20, 2)
    for first in range(start, start + many, BATCH):
        last = min(first + BATCH, start + many)
        log.append(
            [
                Entry(
                    at,
                    "kinfold night",
                    "social_worker",
                    "release",
                    "mash",
                    f"{n:032x}",
                    "open_case",
                    cited,
                    f"{n:032x}",
                )
                for n in range(first, last)
            ]
        )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Measure and print."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    show(f"The audit log, {entries:,} entries", measure(entries))


if __name__ == "__main__":
    main()
