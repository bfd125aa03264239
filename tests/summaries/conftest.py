"""What the tests of summaries share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from caseload import borough

from summaries import facts


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """The borough, and the facts of its cases by team and person."""
    given = borough()
    gathered = facts.gather(**given)
    return SimpleNamespace(given=given, gathered=gathered, facts={(f.team, f.person_id): f for f in gathered})
