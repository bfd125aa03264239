"""What no agreement in force names is withheld; every answer cites its clause; every mistake names its line."""

import shutil
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.contracts import Event, Involvement
from feeds.dialect import load_contracts
from governance.agreements import (
    SECTIONS,
    Agreements,
    Question,
    Subject,
    limited,
    load_agreements,
    needs_met,
    recipient,
    subjects,
)
from governance.agreements import covered as section_covers
from governance.organisation import Length, load_organisation
from governance.terms import Recipient
from warehouse.site import SiteError

HARROWMERE = Path(__file__).parents[2] / "sites/harrowmere"
NIGHT = date(2026, 11, 20)
CHILD = Subject(age=9)
ASKED = Question("mash", "social_worker", "new_contact", "police", "missing_episode", NIGHT, subject=CHILD)
NAME = "multi-agency-safeguarding v3"


@cache
def harrowmere() -> Agreements:
    return load_agreements(HARROWMERE)


@pytest.fixture(scope="module")
def agreements() -> Agreements:
    return harrowmere()


@pytest.fixture
def site(tmp_path) -> Path:
    """A copy of the invented council's folder with its safeguarding agreement alone."""
    (tmp_path / "sites/copy/agreements").mkdir(parents=True)
    shutil.copy(HARROWMERE / "site.yaml", tmp_path / "sites/copy")
    shutil.copy(FILE, tmp_path / "sites/copy/agreements")
    return tmp_path / "sites/copy"


FILE = HARROWMERE / "agreements/multi-agency-safeguarding.agreement.yaml"


def edited(site: Path, old: str, new: str, file: str = f"agreements/{FILE.name}") -> Path:
    text = (site / file).read_text()
    assert old in text
    (site / file).write_text(text.replace(old, new, 1))
    return site


def test_a_yes_names_agreement_version_and_clause(agreements):
    answer = agreements.permits(ASKED)
    assert (answer.allowed, answer.agreement, answer.clause) == (True, NAME, "shares[0]")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"team": "mush"}, "Did you mean 'mash'"),
        ({"team": "analysts"}, "does not name the role 'social_worker' of the team 'analysts'"),
        ({"role": "receptionist"}, "does not name the role 'receptionist'"),
        ({"reason": "curiosity"}, "does not name the reason 'curiosity'"),
        ({"partner": "gis"}, "shares no 'missing_episode' of 'gis'"),
        ({"category": "incident_suspect"}, "shares no 'incident_suspect' of 'police'"),
        ({"category": "anything"}, "shares no 'anything'"),
        ({"team": "early-help", "role": "early_help_worker", "category": "domestic_abuse"}, "shares no"),
        ({"partner": "health-trust", "category": "hospital_attendance", "field": "value"}, "field 'value'"),
        ({"happened": date(2024, 11, 19)}, "looks back 2y"),
        ({"on": date(2026, 3, 31)}, "not valid before 2026-04-01"),
        ({"on": date(2027, 4, 1)}, "expired on 2027-03-31"),
        ({"subject": Subject(age=18)}, "does not cover this person"),
        ({"subject": Subject()}, "does not cover this person"),
        ({"subject": None}, "does not cover this person"),
    ],
)
def test_what_is_not_named_is_refused_with_the_nearest_reason(agreements, changes, why):
    answer = agreements.permits(replace(ASKED, **changes))
    assert not answer.allowed
    assert why in answer.why


@pytest.mark.parametrize(
    "changes",
    [
        {"happened": date(2024, 11, 20)},
        {"on": date(2026, 4, 1)},
        {"on": date(2027, 3, 31)},
        {"subject": Subject(age=40, open_to=frozenset({"early_help"}))},
        {"subject": Subject(age=40, household_covered=True)},
        {"field": "value"},
        {"partner": "childrens-services", "category": "involvement"},
        {"partner": "council", "category": "identity"},
    ],
)
def test_what_is_named_is_permitted_to_the_last_day(agreements, changes):
    assert agreements.permits(replace(ASKED, **changes)).allowed


def test_without_agreements_there_is_no_yes():
    none = Agreements([], load_organisation(HARROWMERE))
    assert not none.permits(ASKED).allowed
    assert none.sections("mash", "social_worker", "new_contact", NIGHT).is_empty()


def test_a_partner_that_has_not_signed_shares_nothing_while_others_do(site):
    made = load_agreements(
        edited(site, "  - {party: police, role: Head of Information Management, on: 2026-03-20}\n", "")
    )
    assert "not signed by 'police'" in made.permits(ASKED).why
    assert made.permits(replace(ASKED, partner="schools", category="exclusion")).allowed
    assert "police" not in made.sections("mash", "social_worker", "new_contact", NIGHT)["partner"].to_list()


def test_a_signature_counts_from_its_day(site):
    made = load_agreements(edited(site, "Management, on: 2026-03-20", "Management, on: 2026-11-21"))
    assert not made.permits(ASKED).allowed
    assert made.permits(replace(ASKED, on=date(2026, 11, 21))).allowed


def test_an_agreement_that_the_council_has_not_signed_gives_its_teams_nothing(site):
    made = load_agreements(edited(site, "{party: council, role: Caldicott", "{party: gis, role: Caldicott"))
    assert "not signed by 'council'" in made.permits(ASKED).why


def test_the_newest_version_in_force_replaces_the_older(site):
    text = (site / f"agreements/{FILE.name}").read_text()
    newer = text.replace("version: 3", "version: 4").replace("from: 2026-04-01", "from: 2026-11-21")
    newer = newer.replace("missing_episode, incident_victim", "incident_victim")
    (site / "agreements/newer.agreement.yaml").write_text(newer)
    made = load_agreements(site)
    assert made.permits(ASKED).agreement == NAME
    later = made.permits(replace(ASKED, on=date(2026, 11, 21)))
    assert (later.allowed, later.agreement) == (False, "multi-agency-safeguarding v4")


def test_sections_are_all_the_yeses_and_nothing_else(agreements):
    council = load_organisation(HARROWMERE)
    for team, known in council.teams.items():
        for role in known.roles:
            made = agreements.sections(team, role, known.reason, NIGHT)
            assert made.schema == SECTIONS
            pairs = set(made.select("partner", "category").rows())
            for party in council.parties:
                for category in council.known_categories:
                    subject = Subject(age=9, open_to=frozenset(council.services))
                    question = Question(team, role, known.reason, party.id, category, NIGHT, subject=subject)
                    assert agreements.permits(question).allowed == ((party.id, category) in pairs), question


def test_sections_say_fields_look_back_and_clause(agreements):
    row = agreements.sections("mash", "social_worker", "new_contact", NIGHT).row(
        by_predicate=pl.col("category") == "hospital_attendance", named=True
    )
    assert row == {
        "team": "mash", "partner": "health-trust", "category": "hospital_attendance", "fields": ["start", "code"],
        "look_back": "1y", "since": date(2025, 11, 20), "open_to": ["childrens_social_care", "early_help"],
        "age_under": 18, "age_from": None, "meets": [], "household": True, "agreement": NAME, "clause": "shares[2]",
    }  # fmt: skip


@given(
    age=st.none() | st.integers(0, 100),
    open_to=st.frozensets(st.sampled_from(["childrens_social_care", "early_help", "adult_social_care"])),
    home=st.booleans(),
)
def test_the_expression_covers_whom_the_question_covers(age, open_to, home):
    agreements = harrowmere()
    frame = pl.DataFrame(
        {"age": [age], "open_to": [sorted(open_to) or None], "household_covered": [home]},
        schema={"age": pl.Int32, "open_to": pl.List(pl.String), "household_covered": pl.Boolean},
    )
    for agreement in agreements:
        expected = agreements.covers(agreement.name, Subject(age, open_to, home))
        assert frame.select(agreements.covering(agreement.name)).item() is expected


@given(
    age=st.none() | st.integers(0, 100),
    services=st.frozensets(st.sampled_from(["childrens_social_care", "early_help", "adult_social_care", "housing"])),
    needs=st.frozensets(st.sampled_from(["later-life-support", "exclusion"])),
    asked=st.tuples(
        st.frozensets(st.sampled_from(["childrens_social_care", "early_help"])), st.none() | st.just(18),
        st.none() | st.just(75), st.frozensets(st.just("later-life-support")),
    ),
)  # fmt: skip
def test_a_section_covers_those_of_the_service_the_age_or_the_need_that_it_names_and_nobody_else(
    age, services, needs, asked
):
    open_to, under, from_, meets = asked
    row = {
        "age": [age], "services": [sorted(services)], "needs": [sorted(needs)], "open_to": [sorted(open_to)],
        "age_under": [under], "age_from": [from_], "meets": [sorted(meets)],
    }  # fmt: skip
    lists = {name: pl.List(pl.String) for name in ("services", "needs", "open_to", "meets")}
    frame = pl.DataFrame(row, schema_overrides={**lists, **dict.fromkeys(("age", "age_under", "age_from"), pl.Int32)})
    young, old = age is not None and age < (under or 0), age is not None and age >= (from_ or 999)
    assert frame.select(section_covers()).item() is bool(services & open_to or needs & meets or young or old)
    everyone = [pl.lit(None, frame.schema[name]).alias(name) for name in ("open_to", "age_under", "age_from", "meets")]
    assert frame.with_columns(everyone).select(section_covers()).item() is True


def test_subjects_are_ages_and_open_services_on_the_day():
    people = pl.DataFrame(
        {"person_id": ["a", "b", "c"], "birth_date": [date(2008, 11, 20), date(2008, 11, 21), None]},
    )
    involvements = pl.DataFrame(
        {
            "person_id": ["a", "a", "b"],
            "service": ["early_help", "adult_social_care", "early_help"],
            "start": [datetime(2020, 1, 1)] * 3,
            "end": [None, datetime(2026, 11, 20, 9), datetime(2026, 11, 21)],
        }
    )
    made = subjects(people, involvements, NIGHT)
    assert made.rows() == [("a", 18, ["early_help"], None), ("b", 17, ["early_help"], None), ("c", None, None, None)]


def test_a_file_is_kept_for_the_shorter_of_what_is_agreed_and_what_the_team_keeps(agreements):
    assert agreements.expires(NAME, "summary", NIGHT, "mash") == date(2026, 12, 4)
    assert agreements.expires(NAME, "summary", NIGHT) == date(2026, 12, 20)
    assert agreements.expires(NAME, "export", NIGHT, "mash") == NIGHT
    assert agreements.expires("council-analytics v1", "summary", NIGHT) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("missing_episode", "mising_episode", "no category 'mising_episode'. Did you mean 'missing_episode'?"),
        ("{from: police", "{from: polcie", "no partner 'polcie'. Did you mean 'police'?"),
        ("{party: schools", "{party: school", "no party 'school'. Did you mean 'schools'?"),
        ("{team: mash,", "{team: mahs,", "no team 'mahs'. Did you mean 'mash'?"),
        ("mash_manager", "mash_maneger", "no role 'mash_maneger'. Did you mean 'mash_manager'?"),
        (
            "strategy_discussion",
            "strategy_diskussion",
            "no reason 'strategy_diskussion'. Did you mean 'strategy_discussion'?",
        ),
        ("early_help], or", "early_halp], or", "no service 'early_halp'. Did you mean 'early_help'?"),
        ("fields: [start", "fields: [strat", "no field 'strat'. Did you mean 'start'?"),
        ("look_back: 2y", "look_back: two years", "such as 30d, 6m or 2y"),
        ("look_back: 2y", "lookback: 2y", "is not an attribute here"),
        ("until: 2027", "until: 2025", "ends before it begins"),
        ("purpose: ", "porpoise: ", "'purpose' is missing"),
        ("to: [early-help]}", "to: [analysts]}", "no recipient 'analysts'"),
    ],
)
def test_a_mistake_stops_loading_with_file_line_and_the_nearest_name(site, old, new, expected):
    lines = (edited(site, old, new) / f"agreements/{FILE.name}").read_text().splitlines()
    line = 1 if "is missing" in expected else next(n for n, text in enumerate(lines, 1) if new in text)
    with pytest.raises(SiteError) as caught:
        load_agreements(site)
    assert f"sites/copy/agreements/{FILE.name}:{line}: " in str(caught.value)
    assert expected in str(caught.value)


def test_one_version_in_two_files_is_refused(site):
    shutil.copy(FILE, site / "agreements/again.agreement.yaml")
    with pytest.raises(SiteError, match="stands in two files"):
        load_agreements(site)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("service: early_help", "service: erly_help", "no service 'erly_help'. Did you mean 'early_help'?"),
        ("reason: open_case", "reason: open_csae", "no reason 'open_csae'. Did you mean 'open_case'?"),
        ("part_of: council", "part_of: counsel", "no party 'counsel'. Did you mean 'council'?"),
        ("{id: council,", "{id: the-council,", "no party has the id 'council'"),
        ("Europe/London", "Europe/Harrowmere", "is no time zone"),
        ("{id: gis,", "{id: police,", "stands here twice"),
    ],
)
def test_a_mistake_in_the_councils_description_names_its_line(site, old, new, expected):
    with pytest.raises(SiteError, match=r"site\.yaml:[0-9]+: ") as caught:
        load_organisation(edited(site, old, new, "site.yaml"))
    assert expected in str(caught.value)


def test_a_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(SiteError, match=r"site\.yaml is not there"):
        load_organisation(tmp_path)


def test_lengths_of_time_follow_the_calendar():
    assert Length(1, "m").after(date(2027, 1, 31)) == date(2027, 2, 28)
    assert Length(1, "y").before(date(2028, 2, 29)) == date(2027, 2, 28)
    assert Length(30, "d").after(date(2026, 12, 15)) == date(2027, 1, 14)
    assert Length(14, "m").before(date(2026, 1, 15)) == date(2024, 11, 15)


def test_every_partner_and_kind_of_event_of_the_feeds_can_be_named_by_an_agreement():
    council = load_organisation(HARROWMERE)
    contracts = load_contracts(HARROWMERE).values()
    yields = [told for contract in contracts for table in contract.tables for told in table.yields]
    assert {contract.partner for contract in contracts} <= {p.id for p in council.parties}
    assert {told.event for told in yields if isinstance(told, Event)} <= council.known_categories
    assert {told.involvement for told in yields if isinstance(told, Involvement)} <= set(council.services)


@pytest.mark.parametrize(("partner", "faults", "values"), [("police", 1, 1), ("health-trust", 1, 0), ("gis", 0, 0)])
def test_a_partner_sees_of_its_own_rows_what_the_agreement_says_and_by_default_nothing(
    agreements, partner, faults, values
):
    asked = Question(f"{partner}-data", "data_owner", "data_quality", partner, "row_faults", NIGHT)
    assert agreements.permits(asked).allowed == bool(faults)
    assert agreements.permits(replace(asked, category="row_values")).allowed == bool(values)
    assert not agreements.permits(replace(asked, partner="schools")).allowed


def test_what_was_wrong_with_a_partners_rows_goes_to_no_other_team(site):
    edited(site, "[missing_episode], look_back: 1y", "[row_values]")
    with pytest.raises(SiteError, match=r"agreement.yaml:\d+: .*go back to its own people alone.*`party` is 'police'"):
        load_agreements(site)


# -- lawful basis, needs, exports, onward sharing -------------------------------------------------------------------


def test_a_lawful_basis_in_words_is_read_as_the_conditions_that_it_cites(site):
    text = (site / f"agreements/{FILE.name}").read_text()
    start, end = text.index("lawful_basis:"), text.index("valid:")
    words = (
        "lawful_basis:\n  - UK GDPR Article 6(1)(e); Article 9(2)(g) and 9(2)(j); Article 10; DPA 2018 Schedule 1 "
        "paragraphs 4 and 18\n  - Children Act 2004 section 11\n"
    )
    (site / f"agreements/{FILE.name}").write_text(text[:start] + words + text[end:])
    basis = next(iter(load_agreements(site))).lawful_basis
    assert (basis.article_6, basis.article_9, basis.article_10) == (("e",), ("g", "j"), True)
    assert (basis.schedule_1, basis.gateways) == ((4, 18), ("Children Act 2004 section 11",))
    assert "UK GDPR Article 9(2)(g), substantial public interest" in list(basis.lines())


def test_data_about_offences_need_a_paragraph_of_schedule_1_beside_article_10(site):
    edited(site, "article_9: [g]", "article_9: [c]")
    edited(site, "schedule_1: [18]", "schedule_1: []")
    with pytest.raises(SiteError, match="are data about offences, which need Article 10 with a paragraph of DPA 2018"):
        load_agreements(site)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("article_6: [e]", "article_6: [z]", "Input should be 'a', 'b'"),
        ("article_6: [e]", "article_6: []", "at least 1 item"),
        ("article_9: [g]", "article_9: []", "are special category data, and no condition of Article 9"),
        ("article_9: [g]", "article_9: [h]", r"Article 9\(2\)\(h\) stands with paragraph 2"),
        ("schedule_1: [18]", "schedule_1: [2]", r"Article 9\(2\)\(g\) stands with paragraph 6 to 28"),
        ("article_10: true", "article_10: false", "are data about offences, which need Article 10"),
        ("onward_sharing: none", "onward_sharing: whoever needs it", "write `none`, or a list of parties"),
        ("onward_sharing: none", "onward_sharing: []\nexport: x", "is not an attribute here"),
    ],
)
def test_an_attacker_cannot_share_on_a_lawful_basis_that_does_not_bear_it(site, old, new, told):
    with pytest.raises(SiteError, match=rf"agreement.yaml:\d+: .*{told}"):
        load_agreements(edited(site, old, new))


def test_an_agreement_about_a_need_covers_those_who_meet_it(site):
    people = "people: {open_to: [childrens_social_care, early_help], or: {age_under: 18}, and_household: true}"
    made = load_agreements(edited(site, people, "people: {or: {age_from: 75, meets: [later-life-support]}}"))
    assert made.needs == [(NAME, "later-life-support")]
    for subject, covered in (
        (Subject(80), True), (Subject(74), False), (Subject(50, meets=frozenset({"later-life-support"})), True),
        (Subject(50, meets=frozenset({"exclusion"})), False), (Subject(None), False),
    ):  # fmt: skip
        assert made.permits(replace(ASKED, subject=subject)).allowed is covered
        frame = pl.DataFrame(
            {"age": [subject.age], "open_to": [None], "meets": [sorted(subject.meets)], "household_covered": [False]},
            schema={"age": pl.Int32, "open_to": pl.List(pl.String), "meets": pl.List(pl.String),
                    "household_covered": pl.Boolean},
        )  # fmt: skip
        assert frame.select(made.covering(NAME)).item() is covered


def test_needs_are_met_by_a_person_and_by_all_who_live_in_a_household_that_meets_a_cohort():
    indicators = pl.DataFrame({"person_id": ["a", "a"], "indicator": ["exclusion", "arrears"]})
    cohorts = pl.DataFrame({"cohort": ["later", "families"], "unit": ["person", "household"], "unit_id": ["b", "h"]})
    members = pl.DataFrame({"household_id": ["h", "h"], "person_id": ["a", "c"]})
    met = dict(needs_met(indicators, cohorts, members).iter_rows())
    assert met == {"a": ["arrears", "exclusion", "families"], "b": ["later"], "c": ["families"]}


ANALYST = Question("analysts", "analyst", "service_planning", "childrens-services", "child_in_need", NIGHT)


def test_an_export_gives_no_more_than_the_clauses_and_its_own_terms_do(agreements):
    (found,) = agreements.exports(NIGHT)
    assert (found.agreement, found.team, found.terms.geography) == ("council-analytics v1", "analysts", "lsoa")
    asked = replace(ANALYST, export="early-help-demand", subject=Subject(9))
    answer = agreements.permits(asked)
    assert (answer.allowed, answer.clause) == (True, "exports[0], shares[0]")
    for changes, why in (
        ({"export": "everything"}, "has no export 'everything'"),
        ({"category": "looked_after"}, "does not name the category 'looked_after'"),
        ({"field": "value"}, "does not name the field 'value'"),
        ({"subject": Subject(30)}, "does not cover this person"),
        ({"subject": None}, "does not cover this person"),
        ({"team": "mash", "role": "social_worker"}, "does not name the reason"),
    ):
        refused = agreements.permits(replace(asked, **changes))
        assert not refused.allowed and why in refused.why, refused
    analytics = next(made for made in agreements if made.name == found.agreement)
    others = (*analytics.recipients, Recipient(team="mash", roles=("mash_manager",)))
    shares = tuple(share.model_copy(update={"to": (*share.to, "mash")}) for share in analytics.shares)
    both = analytics.model_copy(update={"recipients": others, "shares": shares})
    two = Agreements([both], agreements.council)
    theirs = replace(asked, team="mash", role="mash_manager")
    assert two.permits(replace(theirs, export=None)).allowed, "the other team may see it, but not have the export"
    assert "does not go to the team 'mash'" in two.permits(theirs).why
    more = analytics.model_copy(update={"reasons": (*analytics.reasons, "data_quality")})
    other = Agreements([more], agreements.council).permits(replace(asked, reason="data_quality"))
    assert not other.allowed and "exports[0] is not for the reason 'data_quality'" in other.why
    to_police = analytics.exports[0].model_copy(update={"to": "police"})
    assert recipient(to_police, agreements.council) == "police-data", "a party with one team is that team"
    rows = agreements.export_sections(found, "analyst", NIGHT)
    assert set(rows["category"]) == set(found.terms.categories)
    assert set(map(tuple, rows["fields"])) == {found.terms.fields}
    assert agreements.exports(date(2030, 1, 1)) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("to: analysts\n", "to: mash\n", "the team 'mash' is no recipient of this agreement"),
        ("to: analysts\n", "to: nobody\n", "no team or party 'nobody'"),
        ("to: analysts\n", "to: council\n", "'council' is not one team here"),
        ("    reason: service_planning", "    reason: open_case", "no reason of this agreement 'open_case'"),
        ("[contact, child_in_need, early", "[identity, child_in_need, early", "an export is under pseudonyms"),
        ("geography: lsoa", "geography: postcode", "Input should be 'lsoa'"),
        ("dates: month", "dates: hour", "Input should be 'day'"),
        ("retention: {export: 90d,", "retention: {", "lets no export be kept"),
        ("name: early-help-demand", "name: ../../etc", "a name here is made of a-z"),
    ],
)
def test_an_attacker_cannot_have_an_export_that_the_agreement_does_not_bear(site, old, new, told):
    file = "council-analytics.agreement.yaml"
    shutil.copy(HARROWMERE / "agreements" / file, site / "agreements")
    with pytest.raises(SiteError, match=rf"{file}:\d+: .*{told}"):
        load_agreements(edited(site, old, new, f"agreements/{file}"))


def test_somebody_of_the_very_age_under_which_a_clause_covers_is_not_covered(agreements):
    row = agreements.sections("mash", "social_worker", "new_contact", NIGHT).filter(age_under=18).head(1)
    ages = pl.DataFrame({"age": [17, 18, None]}, schema={"age": pl.Int32})
    people = ages.with_columns(services=pl.lit([], pl.List(pl.String)), needs=pl.lit([], pl.List(pl.String)))
    assert people.join(row, how="cross").select(section_covers()).to_series().to_list() == [True, False, False]
    grown = row.with_columns(pl.lit(None, pl.Int32).alias("age_under"), pl.lit(18, pl.Int32).alias("age_from"))
    assert people.join(grown, how="cross").select(section_covers()).to_series().to_list() == [False, True, False]


def test_two_clauses_that_give_other_fields_both_stand_among_what_is_given(agreements):
    (made,) = [each for each in agreements if each.name == NAME]
    wide = next(share for share in made.shares if share.from_ == "police" and "missing_episode" in share.categories)
    told = [wide.model_copy(update={"fields": fields}) for fields in (("start",), ("code",), ("start", "end"))]
    few = Agreements([made.model_copy(update={"shares": tuple(told)})], agreements.council)
    rows = few.sections("mash", "social_worker", "new_contact", NIGHT).filter(category="missing_episode")
    assert sorted(map(tuple, rows["fields"])) == [("code",), ("start", "end")], "what another gives too stands once"


ONWARD = (
    "onward_sharing:\n  - {to: schools, from: [police], categories: [missing_episode], "
    "condition: the safeguarding lead agrees}"
)


def test_what_may_be_passed_on_is_answered_with_its_condition_and_nothing_else_is(site, agreements):
    onward = replace(ASKED, onward_to="schools")
    assert "lets nobody pass 'missing_episode' of 'police' on to 'schools'" in agreements.permits(onward).why
    made = load_agreements(edited(site, "onward_sharing: none", ONWARD))
    answer = made.permits(onward)
    assert (answer.allowed, answer.clause) == (True, "onward_sharing[0], shares[0]")
    assert answer.provided == "the safeguarding lead agrees"
    assert made.permits(ASKED).provided is None
    for changes in ({"onward_to": "food-bank"}, {"category": "domestic_abuse"}, {"subject": Subject(40)}):
        assert not made.permits(replace(onward, **changes)).allowed
    (only,) = made
    unsigned = only.model_copy(update={"signed": tuple(one for one in only.signed if one.party != "schools")})
    refused = Agreements([unsigned], made.council).permits(onward)
    assert not refused.allowed and "is not signed by 'schools'" in refused.why


def test_an_attacker_cannot_pass_on_through_a_team_of_another_party_what_nobody_agreed_on(site):
    edited(site, "  - {team: early-help,", "  - {team: schools-data, roles: [data_owner]}\n  - {team: early-help,")
    edited(site, "look_back: 2y, to: [mash]}", "look_back: 2y, to: [mash, schools-data]}")
    with pytest.raises(SiteError, match=r"this passes 'missing_episode' of 'police' on to 'schools'"):
        load_agreements(site)


def test_an_attacker_cannot_have_what_one_party_gave_reach_another_by_an_agreement_that_was_never_checked(site):
    edited(site, "  - {team: early-help,", "  - {team: schools-data, roles: [data_owner]}\n  - {team: early-help,")
    edited(site, "look_back: 1y, to: [early-help]}", "look_back: 1y, to: [early-help, schools-data]}")
    made = load_agreements(edited(site, "onward_sharing: none", ONWARD))
    asked = replace(ASKED, team="schools-data", role="data_owner")
    seen = ("schools-data", "data_owner", "new_contact", NIGHT)
    assert made.permits(asked).allowed and made.sections(*seen)["category"].to_list() == ["missing_episode"]
    bare = Agreements([each.model_copy(update={"onward_sharing": ()}) for each in made], made.council)
    assert "lets nothing of 'police' go on to 'schools'" in bare.permits(asked).why and bare.sections(*seen).is_empty()
    assert bare.permits(ASKED).allowed, "the council's own team is not another party"


def test_a_team_of_a_party_that_has_not_signed_receives_nothing(site):
    file = "data-quality.agreement.yaml"
    shutil.copy(HARROWMERE / "agreements" / file, site / "agreements")
    edited(
        site, "  - {party: schools, role: Chair of the Headteachers' Forum, on: 2026-03-23}\n", "", f"agreements/{file}"
    )
    asked = Question("schools-data", "data_owner", "data_quality", "schools", "row_faults", NIGHT)
    answer = load_agreements(site).permits(asked)
    assert not answer.allowed and "is not signed by 'schools', whose team 'schools-data' is" in answer.why


def test_two_clauses_of_which_neither_gives_all_of_the_other_both_count(site):
    clause = "  - {from: police, categories: [missing_episode], look_back: 1y, to: [early-help]}\n"
    longer = "  - {from: police, categories: [missing_episode], fields: [start], look_back: 5y, to: [early-help]}\n"
    made = load_agreements(edited(site, clause, clause + longer))
    rows = made.sections("early-help", "early_help_worker", "open_case", NIGHT).filter(category="missing_episode")
    assert rows["clause"].to_list() == ["shares[1]", "shares[2]"]
    told = pl.DataFrame(
        {"partner": ["police"] * 3, "start": [datetime(2026, 6, 1), datetime(2023, 6, 1), datetime(2020, 6, 1)],
         "code": ["High", "Low", "Low"]}
    ).lazy()  # fmt: skip
    kept = limited(told, rows, pl.lit("missing_episode")).collect()
    assert kept.rows() == [("police", datetime(2026, 6, 1), "High"), ("police", datetime(2023, 6, 1), None)]
