"""Outcomes: who may have one, who has it, and how a mistake in the file is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
import small_world as world
from small_world import SITE

from models.outcomes import Outcome, labels, population, read_outcomes
from models.views import OutcomeView, reader
from warehouse.site import SiteError
from warehouse.tables import INVOLVEMENT

DAY = date(2026, 1, 1)
FILE = SITE / "outcomes" / "escalation.outcome.yaml"


def test_the_population_is_of_the_age_alive_known_not_gone_and_not_open_now_or_lately() -> None:
    same_age = ("in", "open", "lately", "long-ago", "stranger", "case", "dead", "gone", "moved")
    born = [(name, "F", date(2012, 5, 1)) for name in same_age]
    born += [("young", "F", date(2022, 1, 1)), ("old", "F", date(2007, 6, 1))]
    profile = world.people(born).with_columns(deceased=pl.col("person_id") == "dead")
    known = [world.happened(name, "contact", date(2023, 1, 1)) for name in profile["person_id"] if name != "stranger"]
    known.append(world.happened("case", "child_in_need", date(2025, 6, 1), end=datetime(2025, 12, 1)))
    known += [
        world.happened(name, "school_roll", date(2024, 1, 1), end=datetime(2025, 7, 1)) for name in ("gone", "moved")
    ]
    known += [world.happened("moved", "school_roll", date(2025, 9, 1))]
    spells = pl.DataFrame(
        [("open", datetime(2025, 1, 1), None), ("lately", datetime(2025, 1, 1), datetime(2025, 11, 15)),
         ("long-ago", datetime(2024, 1, 1), datetime(2025, 6, 1)), ("in", datetime(2026, 2, 1), None)],
        schema={"person_id": pl.String, "start": pl.Datetime("us"), "end": pl.Datetime("us")}, orient="row",
    ).with_columns(service=pl.lit("childrens_social_care"))  # fmt: skip
    history = world.history(known, profile, world.homes([]))
    history = replace(history, involvements=reader(world.facts(spells, INVOLVEMENT)))
    assert population(history.at(DAY), read_outcomes(SITE)[0]).to_list() == ["in", "long-ago", "moved"]


def test_a_label_says_whether_and_after_how_many_days() -> None:
    profile = world.people([(name, "F", date(2012, 5, 1)) for name in "abcd"])
    told = [
        world.happened("a", "child_in_need", date(2026, 3, 2)),
        world.happened("a", "looked_after", date(2026, 4, 2)),
        world.happened("b", "child_in_need", date(2026, 10, 1)),
        world.happened("c", "child_in_need", date(2025, 12, 30), known_from=datetime(2026, 2, 1)),
    ]
    history = world.history(told, profile, world.homes([]))
    outcome = read_outcomes(SITE)[0]
    looked = OutcomeView(history.at(date(2026, 11, 20)).events, DAY, outcome.horizon, date(2026, 11, 20))
    found = labels(looked, outcome, pl.Series(["a", "b", "c", "d"])).rows()
    assert found == [("a", True, 60), ("b", False, None), ("c", None, None), ("d", False, None)]


def test_the_sites_outcome_is_as_the_brief_says() -> None:
    outcome = read_outcomes(SITE)[0]
    assert (outcome.population.age, outcome.horizon, outcome.capacity.length) == ((5, 17), "9mo", 100)
    assert isinstance(outcome, Outcome)


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("horizon: 9mo", "horizon: nine", "'nine' is no length of time"),
        ("team: early-help", "teem: early-help", "'teem' is not an attribute here. Did you mean 'team'?"),
        ("team: early-help\n", "", "'team' is missing. Add it."),
        ("event: [child_in_need", "event: [child_in_ned", "Did you mean 'child_in_need'?"),
        ("increasing: [missing_episode", "increasing: [mising_episode", "Did you mean 'missing_episode'?"),
        ("[ethnicity, religion, nationality, disability]", "[ethnicity]", "must also name disability"),
        ("band: [0.85, 1.15]", "band: [1.15, 0.85]", "write the lower end first"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, wrong: str, right: str, told: str) -> None:
    (tmp_path / "outcomes").mkdir()
    text = FILE.read_text()
    assert wrong in text
    (tmp_path / "outcomes" / "x.outcome.yaml").write_text(text.replace(wrong, right))
    with pytest.raises(SiteError, match=r"x\.outcome\.yaml:[0-9]+: ") as error:
        read_outcomes(tmp_path)
    assert told in str(error.value)
