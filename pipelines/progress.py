"""What a run on the command line shows while it works, and what a benchmark reads of it afterwards."""

import logging
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg


@dataclass(frozen=True)
class Stage:
    """One step as it ran: wall and CPU seconds, peak memory in MB, rows made."""

    name: str
    seconds: float
    cpu: float
    peak_mb: int
    rows: int


def silent(_: object) -> None:
    """Show nothing."""


@dataclass
class Progress:
    """Collects the stages of runs in this process; `show` is told each as it ends."""

    show: Callable[[Stage], None] = silent
    stages: list[Stage] = field(default_factory=list)
    _began: tuple[float, float] = (0.0, 0.0)
    _rows: int = 0

    def handle(self, event: dg.DagsterEvent) -> None:
        """Take note of one event of a run."""
        kind = event.event_type_value
        if kind == "STEP_START":
            self.start()
        elif kind == "ASSET_MATERIALIZATION":
            count = event.materialization.metadata.get("dagster/row_count")
            self._rows += int(count.value) if count else 0  # type: ignore[arg-type]
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE"):
            self.stages.append(self.stop(event.step_key or "", self._rows))
            self.show(self.stages[-1])

    def start(self) -> None:
        """A stage begins."""
        _forget_peak()
        self._began, self._rows = (time.perf_counter(), time.process_time()), 0

    def stop(self, name: str, rows: int) -> Stage:
        """The stage that began last, now that it is over."""
        wall, cpu = self._began
        return Stage(name, time.perf_counter() - wall, time.process_time() - cpu, _peak_mb(), rows)


progress = Progress()


@dg.logger
def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """Feeds every event of a run in this process to `progress`."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event = getattr(record, "dagster_meta", {}).get("dagster_event")
            if event is not None:
                progress.handle(event)

    log = logging.Logger("kinfold.progress", logging.DEBUG)
    log.addHandler(Handler())
    return log


def _forget_peak() -> None:
    with suppress(OSError):  # Linux alone keeps a high-water mark that can be reset
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> int:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
