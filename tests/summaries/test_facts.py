"""What a team may read, what it may not, and how it is said."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from caseload import NIGHT, sections

from summaries import facts

Rows = list[dict[str, Any]]


def history(case: facts.CaseFacts) -> Rows:
    return [row for year in case.years for row in year["rows"]]


def told(case: facts.CaseFacts) -> str:
    return repr(asdict(case))


def changed(world: SimpleNamespace, **tables: pl.DataFrame) -> facts.CaseFacts:
    """Amelia's facts on the next night, when tables have become these."""
    given = world.given | tables | {"night": NIGHT + timedelta(days=1), "previous": world.gathered.shown}
    return next(case for case in facts.gather(**given) if case.person_id == "amelia")


def test_a_case_is_an_open_involvement_of_a_service_of_a_team(world: SimpleNamespace) -> None:
    assert sorted(world.facts) == [
        ("adult-social-care", "edwin"),
        ("adult-social-care", "niamh"),
        ("early-help", "jo"),
        ("mash", "amelia"),
    ]


def test_what_no_section_permits_is_absent_from_the_facts(world: SimpleNamespace) -> None:
    amelia = told(world.facts["mash", "amelia"])
    assert "SECRETTHEFT" not in amelia, "the team gets no incidents as suspect"
    assert "WBRI" not in amelia, "ethnicity is read only to audit"
    assert "9990001234" not in amelia, "numbers of other services stay in the vault"
    assert not world.facts["adult-social-care", "niamh"].flags
    assert world.facts["early-help", "jo"].flags, "the team for which the flag was raised sees it"


def test_a_field_that_a_section_does_not_name_is_absent(world: SimpleNamespace) -> None:
    hospital = [row for row in history(world.facts["mash", "amelia"]) if row["what"] == "Hospital attendance"]
    assert [row["when"] for row in hospital] == ["15 August 2026"], "the end is not shared"
    assert "7777" not in told(world.facts["mash", "amelia"]), "the value is not shared"
    assert hospital[0]["detail"] == "diagnosis chapter: injury and poisoning"


def test_what_feeds_cannot_all_be_right_about_is_named_and_a_value_that_only_lost_is_not(
    world: SimpleNamespace,
) -> None:
    assert world.facts["mash", "amelia"].disagreements == ["date of birth"], "she has no death in question"
    assert world.facts["early-help", "jo"].disagreements == ["date of death"]
    assert world.facts["adult-social-care", "edwin"].disagreements == []


def test_a_row_older_than_the_look_back_is_absent(world: SimpleNamespace) -> None:
    missing = [row["when"] for row in history(world.facts["mash", "amelia"]) if row["what"] == "Reported missing"]
    assert missing == ["11 to 12 October 2026"]


def test_household_members_stand_in_a_summary_only_where_their_agreement_covers_them(world: SimpleNamespace) -> None:
    assert "Niamh (parent)" in {row["about_name"] for row in history(world.facts["mash", "amelia"])}
    assert {row["about_name"] for row in history(world.facts["adult-social-care", "niamh"])} == {"Niamh"}


def test_nothing_is_told_of_somebody_whom_weak_evidence_places_in_the_household(world: SimpleNamespace) -> None:
    amelia = world.facts["mash", "amelia"]
    assert "LODGERSECRET" not in told(amelia)
    assert "One old source" in {row["certainty"] for row in amelia.household}


def test_residents_of_an_institution_are_not_a_household(world: SimpleNamespace) -> None:
    edwin = world.facts["adult-social-care", "edwin"]
    assert edwin.household == []
    assert "not one household" in edwin.household_note
    assert "RESIDENTSECRET" not in told(edwin) and "Dorothy" not in told(edwin)


def test_an_empty_household_says_why_and_never_that_the_person_lives_alone(world: SimpleNamespace) -> None:
    assert world.facts["early-help", "jo"].household_note == "No household is known for this person."
    one = world.given["members"].filter(pl.col("person_id") == "amelia")
    alone = next(case for case in facts.gather(**world.given | {"members": one}) if case.person_id == "amelia")
    assert alone.household_note.endswith("That does not show that the person lives alone.")


def test_an_expired_agreement_leaves_a_summary_that_holds_no_facts(world: SimpleNamespace) -> None:
    given = world.given | {"night": date(2027, 6, 1), "sections": sections(date(2027, 6, 1))}
    for case in facts.gather(**given):
        assert (case.subject, case.household, case.involved, case.years, case.voice, case.flags) == (
            [],
            [],
            [],
            [],
            [],
            [],
        )
        assert case.shared == [] and case.agreements == []
        assert "Name not shared" in case.name
        assert "Amelia" not in told(case) and "LINDEN" not in told(case).upper()


def test_a_person_whom_the_agreement_does_not_cover_has_no_facts(world: SimpleNamespace) -> None:
    """An adult case of a team whose agreement is about children: the age is known, and no service covers them."""
    stray = pl.DataFrame(
        {"team": ["early-help"], "person_id": ["edwin"], "since": [date(2026, 1, 1)]},
        schema=world.given["cases"].schema,
    )
    case = next(iter(facts.gather(**world.given | {"cases": stray})))
    assert case.subject == [] and case.years == []
    assert {row["why"] for row in case.refused} >= {"This person does not meet the agreement’s condition."}


def test_no_record_is_never_said_as_no_risk_and_a_late_agency_is_named(world: SimpleNamespace) -> None:
    states = {row["feed"].split(": ")[1]: row["state"] for row in world.facts["mash", "amelia"].agencies}
    assert states["hospital"] == "Out of date: expected every 7 days. What happened since is not here."
    assert states["homelessness"].startswith("Nothing received yet")
    jo = {row["feed"].split(": ")[1]: row["state"] for row in world.facts["early-help", "jo"].agencies}
    assert jo["police-missing"] == "No record shown. That does not mean that nothing happened."
    assert "hospital" not in jo, "a feed that could not be shown anyway is not listed"


def test_what_is_withheld_does_not_tell_whether_this_person_has_any(world: SimpleNamespace) -> None:
    given = world.given
    without = given["events"].filter(~((pl.col("person_id") == "amelia") & (pl.col("type") == "incident_suspect")))
    other = given["events"].filter(pl.col("type") == "incident_suspect").with_columns(person_id=pl.lit("resident"))
    again = facts.gather(**given | {"events": pl.concat([without, other])})
    amelia = next(case for case in again if case.person_id == "amelia")
    assert amelia.refused == world.facts["mash", "amelia"].refused
    assert "police: incident_suspect" in amelia.withheld


def test_a_flag_shows_only_the_reasons_whose_every_row_the_team_is_shown(world: SimpleNamespace) -> None:
    (flag,) = world.facts["mash", "amelia"].flags
    assert flag["reasons"] == ["1 missing episode in 12 months, latest 11 October 2026"]
    assert flag["hidden"]
    assert "suspect in" not in repr(flag)


@pytest.mark.parametrize(
    ("reason", "kind", "own"),
    [
        ("3 missing episodes in 12 months, latest 2026-10-11", "missing_episode", True),
        ("others in the household: 1 offence in 2 years, latest 2025-01-01", "offence", False),
        ("18% of sessions missed over 2 school terms in 12 months, latest term from 2026-04-20", "attendance", True),
        ("something else altogether", "", True),
    ],
)
def test_a_reason_is_traced_to_the_type_of_its_rows(reason: str, kind: str, own: bool) -> None:
    assert facts.rests_on(reason) == (kind, own)


def test_codes_numbers_and_dates_are_said_in_words(world: SimpleNamespace) -> None:
    rows = {row["what"]: (row["when"], row["detail"]) for row in history(world.facts["mash", "amelia"])}
    assert rows["Child in need"] == ("Since 2 March 2026", "main need recorded: abuse, neglect and exploitation")
    assert rows["Rent arrears"] == ("1 November 2026", "£1,244 owed")
    assert rows["School attendance"][1].startswith("18% of sessions missed in the term")
    assert dict(world.facts["mash", "amelia"].subject)["Name"] == "Amelia Rose O'Brien"


def test_a_code_that_the_site_does_not_name_is_quoted_as_the_source_has_it(world: SimpleNamespace) -> None:
    assert "reason: code “<img src=x onerror=alert(1)>”" in history(world.facts["early-help", "jo"])[0]["detail"]


def test_what_two_feeds_of_one_partner_tell_alike_is_shown_once(world: SimpleNamespace) -> None:
    twice = world.given["involvements"].filter(pl.col("involvement_id") == "i1")
    twice = twice.with_columns(involvement_id=pl.lit("i9"), feed=pl.lit("cin-census"), team=None, worker_role=None)
    given = world.given | {"involvements": pl.concat([twice, world.given["involvements"]], how="diagonal_relaxed")}
    amelia = next(case for case in facts.gather(**given) if case.person_id == "amelia")
    assert amelia.involved == world.facts["mash", "amelia"].involved


def test_the_chronology_is_newest_first_and_grouped_by_year(world: SimpleNamespace) -> None:
    years = world.facts["mash", "amelia"].years
    assert [year["year"] for year in years] == ["2026", "2025"]
    assert [row["what"] for row in years[0]["rows"]][:2] == ["Rent arrears", "Reported missing"]


def test_a_first_summary_says_so_and_an_unchanged_one_has_no_changes(world: SimpleNamespace) -> None:
    assert world.facts["mash", "amelia"].previous is None
    again = changed(world)
    assert (again.previous, again.changes) == ("20 November 2026", [])


def test_new_corrected_and_withdrawn_rows_are_told_as_changes(world: SimpleNamespace) -> None:
    events = world.given["events"]
    later = datetime(2026, 11, 21, 6)
    new = events.filter(pl.col("event_id") == "e005").with_columns(
        event_id=pl.lit("e900"), start=pl.lit(datetime(2026, 11, 20)), known_from=pl.lit(later)
    )
    corrected = events.filter(pl.col("event_id") == "e001").with_columns(code=pl.lit("N4"), known_from=pl.lit(later))
    kept = events.filter(~pl.col("event_id").is_in(["e001", "e002"]))
    said = {(row["kind"], row["what"]) for row in changed(world, events=pl.concat([kept, new, corrected])).changes}
    assert said == {
        ("New", "Suspension or exclusion"),
        ("Updated", "Child in need"),
        ("No longer held", "Reported missing"),
    }


def test_somebody_who_joins_or_leaves_the_household_is_a_change(world: SimpleNamespace) -> None:
    gone = world.given["members"].filter(pl.col("person_id") != "kofi")
    assert [(row["kind"], row["what"], row["about_name"]) for row in changed(world, members=gone).changes] == [
        ("No longer held", "Member of the household", "Kofi")
    ]


def test_what_an_agreement_ceases_to_share_is_not_told_as_a_change(world: SimpleNamespace) -> None:
    given = world.given | {
        "night": date(2027, 6, 1),
        "sections": sections(date(2027, 6, 1)),
        "previous": world.gathered.shown,
    }
    amelia = next(case for case in facts.gather(**given) if case.person_id == "amelia")
    assert amelia.changes == []


def test_what_is_kept_for_the_next_night_holds_ids_and_no_words(world: SimpleNamespace) -> None:
    shown = world.gathered.shown
    assert shown.columns[:5] == ["team", "person_id", "about", "fact_id", "version"]
    kept = repr(shown.to_dicts()).upper()
    assert not any(word in kept for word in ("AMELIA ROSE", "O'BRIEN", "LINDEN", "BEDROOM", "HM10442"))


def test_the_same_tables_in_another_order_give_the_same_facts(world: SimpleNamespace) -> None:
    tables = {n: v.reverse() for n, v in world.given.items() if isinstance(v, pl.DataFrame)}
    again = facts.gather(**world.given | tables)
    assert [asdict(case) for case in again] == [asdict(case) for case in world.gathered]
    assert again.shown.equals(world.gathered.shown)
