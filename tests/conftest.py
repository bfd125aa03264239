"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kinfold", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("kinfold")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public reference data and samples that lies beside a developer's checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder of reference data and samples is not beside this checkout")
    return SHARED
