"""How long facts are kept: which rule counts, from when, and what a council may not write."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.erasure import Whom
from governance.retention import BIRTHS, LASTING, Retention, against, load_retention, overdue, until
from governance.traces import Traces, traces_of
from warehouse.site import SiteError
from warehouse.tables import EVENT, INVOLVEMENT, PERSON_LINEAGE, PERSON_LINK, SOURCE_RECORD, Table

RULE = "{name: police, categories: [missing_episode], keep: 6y, source: example}"
REST = (
    "otherwise: {keep: 7y, source: example}\nzones: {landing: 90d, quarantine: 1y, marts: 30d}\n"
    "holds: [{name: open-case, services: [childrens_social_care], categories: [child_protection_plan], source: Act}]\n"
)
TYPES = ("missing_episode", "child_protection_plan", "tenancy", "hospital_attendance")
LASTS = pl.DataFrame([("housing", "tenancy"), ("case", "child_protection_plan")], schema=LASTING, orient="row")
SHARED = pl.DataFrame(
    [("sharing", "health-trust", "hospital_attendance")], schema=["agreement", "partner", "category"], orient="row"
)


def read(place: Path, rules: str = RULE, rest: str = REST) -> Retention:
    (place / "retention.yaml").write_text(f"rules:\n  - {rules}\n{rest}")
    made = load_retention(place, types=TYPES, agreements=("sharing",))
    assert made is not None
    return made


def rows(table: Table, *told: dict[str, object]) -> pl.DataFrame:
    made = [{"record_id": "a", "feed": "case", "partner": "police", **one} for one in told]
    return pl.DataFrame([{name: one.get(name) for name in table.schema} for one in made], schema=table.schema)


def ends(
    made: Retention, frame: pl.DataFrame, table: Table = EVENT, born: date | None = None
) -> list[tuple[str, object]]:
    births = pl.DataFrame([("a", born)] if born else [], schema=BIRTHS, orient="row")
    return until(made, table, frame, births, LASTS, SHARED).rows()


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day)


def test_a_period_ends_with_the_month_in_which_it_runs_out(tmp_path: Path) -> None:
    made = read(tmp_path)
    frame = rows(EVENT, {"type": "missing_episode", "start": at(2020, 11, 20)})
    kept = until(made, EVENT, frame, pl.DataFrame(schema=BIRTHS), LASTS, SHARED)
    assert kept.rows() == [("police", date(2026, 11, 20))]
    assert not overdue(kept, date(2026, 11, 30)).item() and overdue(kept, date(2026, 12, 1)).item()


def test_the_first_rule_that_names_a_row_counts_and_the_rest_falls_under_otherwise(tmp_path: Path) -> None:
    rules = RULE.replace("police,", "others, partners: [schools],") + "\n  - " + RULE
    frame = rows(
        EVENT, {"type": "missing_episode", "start": at(2020, 1, 1)}, {"type": "other", "start": at(2020, 1, 1)}
    )
    assert [name for name, _ in ends(read(tmp_path, rules), frame)] == ["police", "otherwise"]


def test_what_is_counted_from_birth_runs_to_that_birthday_and_without_one_from_the_end(tmp_path: Path) -> None:
    made = read(tmp_path, RULE.replace("keep: 6y", "keep: 25y, after: birth"))
    frame = rows(EVENT, {"type": "missing_episode", "start": at(2020, 1, 1)})
    assert ends(made, frame, born=date(2004, 2, 29)) == [("police", date(2029, 2, 28))]
    assert ends(made, frame) == [("police", date(2045, 1, 1))]


def test_what_lasts_is_kept_while_it_lasts_and_from_when_its_source_ceased_to_tell_it(tmp_path: Path) -> None:
    told = {"type": "tenancy", "feed": "housing", "start": at(1990, 1, 1)}
    frame = rows(EVENT, told, told | {"known_to": at(2026, 1, 5)}, told | {"end": at(2001, 2, 3)})
    assert [day for _, day in ends(read(tmp_path), frame)] == [None, date(2033, 1, 5), date(2008, 2, 3)]
    open_ = rows(INVOLVEMENT, {"service": "early_help", "start": at(1990, 1, 1)})
    assert ends(read(tmp_path), open_, INVOLVEMENT) == [("otherwise", None)]


def test_a_case_ends_with_the_last_thing_told_of_it(tmp_path: Path) -> None:
    made = read(tmp_path, "{name: case, categories: [missing_episode, tenancy], keep: 1y, after: last, source: x}")
    old, new = ({"type": "missing_episode", "start": at(year, 1, 1)} for year in (2001, 2020))
    assert [day for _, day in ends(made, rows(EVENT, old, new))] == [date(2021, 1, 1)] * 2
    lasting = {"type": "tenancy", "feed": "housing", "start": at(1990, 1, 1)}
    assert [day for _, day in ends(made, rows(EVENT, old, lasting))] == [None, None]


def test_a_rule_of_an_agreement_counts_for_what_it_shares_alone(tmp_path: Path) -> None:
    made = read(tmp_path, "{name: health, agreement: sharing, categories: [hospital_attendance], keep: 1y, source: x}")
    told = {"type": "hospital_attendance", "start": at(2020, 1, 1)}
    frame = rows(EVENT, told | {"partner": "health-trust"}, told)
    assert [name for name, _ in ends(made, frame)] == ["health", "otherwise"]


@given(days=st.integers(0, 20_000), months=st.integers(1, 999))
def test_nothing_goes_before_its_period_has_run_out_and_nothing_stays_beyond_the_month_after(
    days: int, months: int
) -> None:
    rule = {"name": "r", "categories": ["missing_episode"], "keep": f"{months}m", "source": "x"}
    zones = dict.fromkeys(("landing", "quarantine", "marts"), "1d")
    made = Retention.model_validate({"rules": [rule], "otherwise": {"keep": "1d", "source": "x"}, "zones": zones})
    start = date.fromordinal(date(1970, 1, 1).toordinal() + days)
    frame = rows(EVENT, {"type": "missing_episode", "start": datetime(start.year, start.month, start.day)})
    kept = until(made, EVENT, frame, pl.DataFrame(schema=BIRTHS), LASTS, SHARED)
    last = made.rules[0].keep.after(start)
    assert kept["until"].item() == last and not overdue(kept, last).item()
    assert overdue(
        kept, last.replace(day=1).replace(year=last.year + last.month // 12, month=last.month % 12 + 1)
    ).item()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("keep: 0y", "a period of nothing would remove everything"),
        ("keep: -6y", "a length of time is written as"),
        ("keep: 6", "a length of time is written as"),
        ("keep: forever", "a length of time is written as"),
        ("keep:", "a length of time is written as"),
        ("keep: 6y, until: 2026-01-01", "'rules.0.until' is not an attribute here"),
        ("keep: 6y, after: never", "rules.0.after"),
    ],
)
def test_nobody_can_have_everything_removed_or_kept_by_a_period_that_is_none(
    tmp_path: Path, rule: str, says: str
) -> None:
    with pytest.raises(SiteError, match=r"retention\.yaml:2: ") as refused:
        read(tmp_path, RULE.replace("keep: 6y", rule))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (RULE.replace("missing_episode", "missing_episodes"), "there is no category 'missing_episodes'"),
        (RULE.replace("[missing_episode]", "[]"), "rules.0.categories"),
        (RULE.replace("keep", "agreement: other, keep"), "there is no agreement 'other'"),
        (RULE.replace("keep", "services: [x], keep"), "services are of involvements alone"),
        (RULE.replace("police", "otherwise"), "the name 'otherwise' is taken"),
        (RULE + "\n  - " + RULE, "the name 'police' is taken"),
    ],
)
def test_a_rule_that_would_name_nothing_is_refused_with_its_line(tmp_path: Path, rule: str, says: str) -> None:
    with pytest.raises(SiteError, match=r"retention\.yaml:\d+: ") as refused:
        read(tmp_path, rule)
    assert says in str(refused.value)


def test_a_council_cannot_leave_out_what_no_rule_names(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="'otherwise' is missing"):
        read(tmp_path, rest=REST.partition("\n")[2])
    assert load_retention(tmp_path / "nowhere") is None


def test_an_open_case_and_a_period_by_law_stand_against_an_erasure_and_an_ended_one_does_not(tmp_path: Path) -> None:
    made = read(tmp_path, RULE.replace("keep: 6y", "keep: 6y, statutory: true"))
    event = rows(EVENT, {"type": "missing_episode", "start": at(2024, 1, 1)})
    plan = rows(EVENT, {"type": "child_protection_plan", "start": at(2024, 1, 1)})
    work = rows(INVOLVEMENT, {"service": "childrens_social_care", "start": at(2024, 1, 1)})

    def stands(table: Table, frame: pl.DataFrame, today: date = date(2026, 11, 20)) -> list[str]:
        kept = until(made, table, frame, pl.DataFrame(schema=BIRTHS), LASTS, SHARED)
        return [one.name for one in against(made, [(table, frame, kept)], today)]

    assert stands(EVENT, event) == ["police"] and stands(EVENT, event, date(2031, 1, 1)) == []
    assert stands(EVENT, plan) == ["open-case"] and stands(INVOLVEMENT, work) == ["open-case"]
    assert stands(INVOLVEMENT, work.with_columns(end=pl.lit(at(2025, 1, 1)))) == []


# -- what tells of a person --------------------------------------------------------------------------------------------


def record(key: str, **more: object) -> dict[str, object]:
    return {"record_id": key * 32, "forename": "ANN", "surname": "LEE", "birth_date": date(1980, 5, 6), **more}


def known(*told: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{n: one.get(n) for n in SOURCE_RECORD.schema} for one in told], schema=SOURCE_RECORD.schema)


def traces(*told: dict[str, object]) -> Traces:
    every = known(*told)
    return traces_of(every.head(1), every)


def test_what_another_record_has_too_tells_of_nobody() -> None:
    found = traces(record("1", phone="07700900001", nhs_number="9434765919"), record("2", phone="07700900001"))
    assert found.ids == ("9434765919",) and found.names == ()
    assert repr(found) == "Traces(1 ids, 0 names)"


def test_a_namesake_of_another_age_is_not_taken_for_the_person() -> None:
    found = traces(record("1"), record("2", birth_date=date(1999, 1, 1)))
    assert found.in_text("<b>Ann</b> Lee, born 6 May 1980") and found.in_text("LEE,ANN,06/05/1980")
    assert not found.in_text("Ann Lee, born 1 January 1999") and not found.in_text("Hannah Leeson, 6 May 1980")
    assert traces(record("1")).in_text("Dear Ann Lee")


def test_an_id_is_found_however_it_is_spaced_and_in_any_column() -> None:
    found = traces(record("1", forename=None, nhs_number="9434765919"))
    frame = pl.DataFrame({"a": ["x", "943 476 5919"], "b": [["9434765919"], []], "c": [{"d": 1}, {"d": 2}]})
    assert found.in_frame(frame) == 2 and Traces.of(found.frame()) == found
    assert not found.in_text("19434765919")


def test_rows_go_by_any_id_and_a_link_of_somebody_elses_record_stays() -> None:
    whom = Whom(records=pl.Series(["r"]), touched=pl.Series(["p"]), told=pl.Series(["e"]))
    links = rows(PERSON_LINK, {"record_id": "r", "person_id": "p"}, {"record_id": "s", "person_id": "p"})
    assert whom.without("person_link", links)["record_id"].to_list() == ["s"]
    assert whom.without("person", links).is_empty()
    other = pl.DataFrame({"n": [1, 2], "evidence": [["e", "f"], ["f"]]})
    assert whom.without("indicator", other)["n"].to_list() == [2]
    same = pl.DataFrame({"n": [1], "person_id": [None]}, schema={"n": pl.Int64, "person_id": pl.String})
    assert whom.without("anything", same) is same


def test_lineage_of_others_keeps_its_row_and_loses_the_id() -> None:
    whom = Whom(people=pl.Series(["p"]))
    told = [{"person_id": "q", "other_person_id": "p"}, {"person_id": "p"}, {"person_id": "s", "other_person_id": "t"}]
    kept = whom.without("person_lineage", rows(PERSON_LINEAGE, *told))
    assert kept.select("person_id", "other_person_id").rows() == [("q", None), ("s", "t")]
