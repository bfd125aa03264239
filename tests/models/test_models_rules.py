"""Indicators and cohorts: whom they fit, with which evidence, and how a mistake is told."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
import small_world as world
from small_world import SITE

from models import rules
from models.rules import Cohort, Indicator
from models.views import View
from warehouse.site import SiteError
from warehouse.tables import COHORT_MEMBER, INDICATOR

DAY = date(2026, 3, 1)
PROFILE = world.people([("child", "F", date(2012, 5, 1)), ("baby", "M", date(2024, 6, 1)),
                        ("parent", "F", date(1984, 1, 1)), ("old", "F", date(1944, 1, 1))])  # fmt: skip
HOMES = world.homes([("h", "child"), ("h", "baby"), ("h", "parent"), ("g", "old")])


def seen(*told: dict[str, object]) -> View:
    return world.history(list(told), PROFILE, HOMES).at(DAY)


def fits(view: View, **rule: object) -> list[tuple[object, ...]]:
    found = rules.indicators(view, {"x": Indicator.model_validate({"plain_words": "x", **rule})})
    assert found.schema == INDICATOR.schema
    return found.drop("indicator").rows()


def test_an_indicator_names_its_rows_their_number_and_their_first_and_latest_day() -> None:
    days = [date(2025, 1, 1), date(2025, 11, 2), date(2026, 2, 3)]
    view = seen(*(world.happened("child", "missing_episode", day) for day in days))
    rule = {"any": [{"event": "missing_episode", "over": "6mo", "at_least": 2}]}
    evidence = [f"child-missing_episode-{day}" for day in days[1:]]
    assert fits(view, **rule) == [("child", days[1], days[2], 2, evidence)]


def test_too_few_rows_or_the_wrong_age_do_not_fit() -> None:
    view = seen(world.happened("parent", "exclusion", date(2026, 2, 3)))
    assert fits(view, any=[{"event": "exclusion", "at_least": 2}]) == []
    assert fits(view, any=[{"event": "exclusion"}], who={"age": [5, 17]}) == []
    assert fits(view, any=[{"event": "exclusion"}], who={"age": [18, 99]}) != []


def test_a_household_indicator_shows_for_everyone_in_the_home_and_no_one_else() -> None:
    view = seen(world.happened("parent", "domestic_abuse", date(2026, 2, 3)))
    found = fits(view, any=[{"event": "domestic_abuse", "over": "12mo", "of": "household"}])
    assert [row[0] for row in found] == ["baby", "child", "parent"]


def test_values_codes_and_what_is_still_open_can_be_asked_for() -> None:
    view = seen(
        world.happened("parent", "rent_arrears", date(2026, 2, 3), value=900.0),
        world.happened("old", "rent_arrears", date(2026, 2, 3), value=1200.0),
        world.happened("old", "single_person_discount", date(2020, 2, 3), end=datetime(2021, 1, 1)),
        world.happened("parent", "single_person_discount", date(2020, 2, 3)),
        world.happened("child", "hospital_attendance", date(2026, 2, 3), code="F00-F99"),
        world.happened("baby", "hospital_attendance", date(2026, 2, 3), code="J00-J99"),
    )
    assert [r[0] for r in fits(view, any=[{"event": "rent_arrears", "value_above": 1000}])] == ["old"]
    assert [r[0] for r in fits(view, any=[{"event": "rent_arrears", "value_below": 1000}])] == ["parent"]
    assert [r[0] for r in fits(view, any=[{"event": "rent_arrears", "total_above": 1000}])] == ["old"]
    assert [r[0] for r in fits(view, any=[{"event": "single_person_discount", "open": True}])] == ["parent"]
    assert [r[0] for r in fits(view, any=[{"event": "hospital_attendance", "code": "F00-F99"}])] == ["child"]


def test_all_means_every_condition() -> None:
    both = [{"event": "contact"}, {"event": "exclusion"}]
    one = seen(world.happened("child", "contact", date(2026, 2, 3)))
    two = seen(*(world.happened("child", kind, date(2026, 2, 3)) for kind in ("contact", "exclusion")))
    assert (fits(one, all=both), [row[0] for row in fits(two, all=both)]) == ([], ["child"])


FAMILY = {
    "cohort": "c", "plain_words": "c", "unit": "household", "requires": {"any_member": {"age_under": 18}},
    "needs_at_least": 2,
    "needs": {"school": {"any": [{"event": "exclusion", "over": "12mo"}]},
              "crime": {"any": [{"event": "offence", "over": "12mo"}]},
              "money": {"any": [{"event": "rent_arrears", "value_above": 1000}]}},
}  # fmt: skip


def test_a_household_belongs_to_a_cohort_by_the_needs_of_its_members_together() -> None:
    view = seen(
        world.happened("child", "exclusion", date(2026, 2, 3)),
        world.happened("parent", "rent_arrears", date(2026, 2, 3), value=1500.0),
        world.happened("old", "rent_arrears", date(2026, 2, 3), value=1500.0),
    )
    cohort = Cohort.model_validate(FAMILY)
    found = rules.members(view, cohort)
    assert found.schema == COHORT_MEMBER.schema
    evidence = ["child-exclusion-2026-02-03", "parent-rent_arrears-2026-02-03"]
    assert found.rows() == [("c", "household", "h", ["money", "school"], evidence)]
    counts = rules.needs_of_people(view, cohort).rows()
    assert counts == [("baby", 2), ("child", 2), ("old", 1), ("parent", 2)]


def test_a_cohort_of_people_counts_each_persons_own_needs() -> None:
    cohort = Cohort.model_validate({**FAMILY, "unit": "person", "requires": {"any_member": {"age": [75, 120]}}})
    told = [
        world.happened("old", "exclusion", DAY.replace(month=2)),
        world.happened("old", "offence", DAY.replace(month=2)),
    ]
    assert rules.members(seen(*told), cohort)["unit_id"].to_list() == ["old"]


def test_a_household_without_a_child_is_not_of_a_cohort_that_requires_one() -> None:
    told = [
        world.happened("old", "exclusion", DAY.replace(month=2)),
        world.happened("old", "offence", DAY.replace(month=2)),
    ]
    assert rules.members(seen(*told), Cohort.model_validate(FAMILY)).is_empty()


def test_the_site_has_a_dozen_indicators_and_the_ten_needs() -> None:
    assert len(rules.read_indicators(SITE)) >= 12
    cohorts = {cohort.cohort: cohort for cohort in rules.read_cohorts(SITE)}
    families = cohorts["supporting-families-2022"]
    assert (len(families.needs), families.needs_at_least) == (10, 3)
    view = seen(world.happened("child", "missing_episode", DAY.replace(month=2)))
    assert rules.indicators(view, rules.read_indicators(SITE)).is_empty()
    assert all(rules.members(view, cohort).is_empty() for cohort in cohorts.values())


@pytest.mark.parametrize(
    ("wrong", "right", "line", "told"),
    [
        ("event: exclusion", "event: exclusoin", 4, "no feed tells of an event 'exclusoin'. Did you mean 'exclusion'"),
        ("over: 12mo", "ovr: 12mo", 4, "'ovr' is not an attribute here. Did you mean 'over'?"),
        ("over: 12mo", "over: a year", 4, "'a year' is no length of time. Write 14d, 6w, 9mo or 2y."),
        ("any: [", "x: [", 4, "'x' is not an attribute here."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_and_the_nearest_right_spelling(
    tmp_path: Path, wrong: str, right: str, line: int, told: str
) -> None:
    text = "indicators:\n  out-of-school:\n    plain_words: Out of school\n    any: [{event: exclusion, over: 12mo}]\n"
    (tmp_path / "indicators.yaml").write_text(text.replace(wrong, right))
    with pytest.raises(SiteError) as error:
        rules.read_indicators(tmp_path)
    assert f"indicators.yaml:{line}: " in str(error.value) and told in str(error.value)


def test_a_site_without_indicators_is_told_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"indicators\.yaml: no such file"):
        rules.read_indicators(tmp_path)
