"""What the tests of `models` share: the site's own files, and one training on a small world."""

from __future__ import annotations

from datetime import date

import pytest
import small_world as world
from small_world import SITE

from models.outcomes import Outcome, read_outcomes
from models.risk import Trained
from models.rules import read_cohorts
from models.training import train
from models.views import History


@pytest.fixture(scope="session")
def outcome() -> Outcome:
    """The site's outcome, with a gate that a small world can reach."""
    own = read_outcomes(SITE)[0].model_dump()
    own["capacity"] = {"a_week": 5, "weeks": 4}
    own["gate"] |= {
        "positives_at_least": 50,
        "test_positives_at_least": 20,
        "beats_rule_at_capacity_by": {"at_least": 0.5},
        "calibration_slope": {"band": [0.5, 2.0], "judged_on": "interval"},
        "observed_over_expected": {"band": [0.5, 2.0], "judged_on": "interval"},
    }
    return Outcome.model_validate(own)


@pytest.fixture(scope="session")
def lives() -> History:
    """A small world's history."""
    return world.make(600, seed=3)[0]


@pytest.fixture(scope="session")
def trained(outcome: Outcome, lives: History) -> Trained:
    """A model of the small world."""
    return train(outcome, lives, date(2022, 11, 1), world.UNTIL, 5, read_cohorts(SITE)[1])
