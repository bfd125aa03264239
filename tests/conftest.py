"""What tests of several rooms share."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # workers share the processors; threads that wait burn them
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


LONGEST = (  # files, the longest first
    *("test_night", "test_erasure", "test_hostile", "test_churn", "test_told", "test_linkage_night"),
    *("test_reconciliation", "test_ingestion_kills", "test_delivery_order"),
)
TOGETHER = {"test_nothing_leaks": "test_night"}  # reads the nights that the other has made


@pytest.hookimpl(tryfirst=True)  # before xdist reads which group a test is of
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file, or files that belong together, on one worker; begin with the longest, so that both end together."""
    turn = {name: place for place, name in enumerate(LONGEST)}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: turn.get(_group(item), len(LONGEST)))


def _group(item: pytest.Item) -> str:
    return TOGETHER.get(item.path.stem, item.path.stem)
