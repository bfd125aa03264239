"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session", autouse=True)
def read_levels_once() -> None:
    """Have Splink work out once whether a level is an exact match, instead of anew for every run that it predicts.

    The answer hangs on the level's SQL alone. To normalise that takes some 3 s a run, however few the records are.
    """
    from splink.internals.comparison_level import ComparisonLevel

    for name in ("_is_exact_match", "_exact_match_colnames"):
        work_out, known = vars(ComparisonLevel)[name].fget, {}

        def answer(level: Any, work_out: Any = work_out, known: dict[Any, Any] = known) -> Any:
            asked = (level.sql_condition, level.sqlglot_dialect)
            if asked not in known:
                known[asked] = work_out(level)
            return known[asked]

        setattr(ComparisonLevel, name, property(answer))
