"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # workers share the processors; threads that wait burn them
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
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
    *("test_night", "test_erasure", "test_reconciliation", "test_ingestion_kills", "test_delivery_order", "test_told"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that both workers end together."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
