"""What tests of several rooms share."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # workers share the processors; threads that wait burn them
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
gc.set_threshold(200_000, 50, 1000)  # what is imported is much, and stays
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 6 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # what is synced there does not wait for a disk
settings.register_profile("kinfold", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("kinfold")
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public reference data and samples that lies beside a developer's checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder of reference data and samples is not beside this checkout")
    return SHARED


# files, the longest first
LONGEST = "night nothing_leaks erasure hostile reconciliation ingestion_kills told churn linkage_night delivery_order"
TOGETHER = {"tests/pipelines/test_nothing_leaks.py": "tests/pipelines/test_night.py"}  # reads the nights of the other


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that both workers end together."""
    turn = {f"test_{name}": place for place, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: turn.get(item.path.stem, len(turn)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give each worker whole files, and what reads the same nights to one."""
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        """Files as they are, but for those that belong together."""

        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return TOGETHER.get(file, file)

    return Files(config, log)
