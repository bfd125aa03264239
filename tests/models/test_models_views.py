"""What may be looked at."""

from __future__ import annotations

from datetime import date, datetime

import pytest
import small_world as world

from models.views import OutcomeView, WindowOpen, shifted

PROFILE = world.people([("a", "F", date(2014, 5, 1)), ("b", "M", date(2025, 6, 1))])


def test_a_month_end_that_does_not_exist_becomes_the_last_day() -> None:
    assert shifted(date(2026, 3, 31), "-1mo") == date(2026, 2, 28)
    assert shifted(date(2026, 11, 20), "-14d") == date(2026, 11, 6)


def test_what_was_learnt_on_or_after_the_day_is_not_there() -> None:
    late = world.happened("a", "contact", date(2024, 1, 5), known_from=datetime(2024, 3, 1))
    history = world.history([late], PROFILE, world.homes([]))
    assert history.at(date(2024, 3, 1)).events.collect().height == 0
    assert history.at(date(2024, 3, 2)).events.collect().height == 1


def test_an_end_that_lay_ahead_was_not_known() -> None:
    spell = world.happened("a", "child_in_need", date(2024, 1, 5), end=datetime(2024, 6, 1))
    history = world.history([spell], PROFILE, world.homes([]))
    assert history.at(date(2024, 3, 1)).events.collect()["end"].to_list() == [None]
    assert history.at(date(2024, 7, 1)).events.collect()["end"].to_list() == [datetime(2024, 6, 1)]


def test_people_not_yet_born_are_not_there_and_ages_are_those_of_the_day() -> None:
    view = world.history([], PROFILE, world.homes([("h", "a"), ("h", "b")])).at(date(2024, 4, 30))
    assert view.people.select("person_id", "age_months").rows() == [("a", 119)]
    assert view.members["person_id"].to_list() == ["a"]


def test_an_outcome_is_not_told_before_its_window_has_closed_and_settled() -> None:
    known = world.history([], PROFILE, world.homes([])).at(date(2026, 11, 15)).events
    OutcomeView(known, date(2026, 2, 1), "9mo", date(2026, 11, 15), "14d")
    with pytest.raises(WindowOpen, match="closes on 2026-11-15; facts reach 2026-11-14 only"):
        OutcomeView(known, date(2026, 2, 1), "9mo", date(2026, 11, 14), "14d")


def test_the_window_begins_with_the_day_and_ends_before_the_horizon() -> None:
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 9, 30), date(2026, 10, 1)]
    history = world.history([world.happened("a", "contact", d) for d in days], PROFILE, world.homes([]))
    known = history.at(date(2026, 11, 20)).events
    seen = OutcomeView(known, date(2026, 1, 1), "9mo", date(2026, 11, 20)).events().collect()
    assert sorted(seen["start"].dt.date().to_list()) == days[1:3]
