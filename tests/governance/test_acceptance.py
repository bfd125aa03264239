"""A changed agreement opens nothing until somebody accepted it; what it closes is closed at once."""

import json
import shutil
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from governance import acceptance
from governance.acceptance import AcceptanceProblem, accept, accepted, both, compared, counted, register_file
from governance.agreements import Agreements, Question, Subject, load_agreements
from governance.keys import KeyRing
from governance.organisation import load_organisation
from governance.terms import Agreement
from warehouse.site import SiteError

HARROWMERE = Path(__file__).parents[2] / "sites/harrowmere"
FILE = HARROWMERE / "agreements/multi-agency-safeguarding.agreement.yaml"
NIGHT, NOW = date(2026, 11, 20), datetime(2026, 11, 19, 9)
NAME = "multi-agency-safeguarding v3"
RING = KeyRing(b"k" * 32)
CHILD = Subject(age=9)
ASKED = Question("mash", "social_worker", "new_contact", "police", "missing_episode", NIGHT, subject=CHILD)
EARLY = replace(ASKED, team="early-help", role="early_help_worker")
POLICE = "{party: police, role: Head of Information Management, on: 2026-03-20}"


class World:
    """A council's folder and data folder; what is accepted, and what counts."""

    def __init__(self, folder: Path) -> None:
        self.site, self.home, self.log = folder / "sites/copy", folder / "home", []
        (self.site / "agreements").mkdir(parents=True)
        shutil.copy(HARROWMERE / "site.yaml", self.site)
        shutil.copy(FILE, self.site / "agreements")
        self.file = self.site / "agreements" / FILE.name

    def accept(self, *names: str) -> list[str]:
        written = load_agreements(self.site)
        wanted = names or [a.name for a in written]
        return accept(self.home, RING, written, wanted, "I. Governance", NOW, self.log.append)

    def counted(self) -> Agreements:
        return counted(load_agreements(self.site), accepted(self.home, RING))

    def edit(self, *changes: tuple[str, str], file: Path | None = None) -> None:
        path = file or self.file
        text = path.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.accept()
    return made


def test_what_was_accepted_counts_and_the_audit_log_has_it_first(world):
    assert world.counted().permits(ASKED).allowed
    assert "I. Governance on 2026-11-19" in world.counted().standing(NAME).accepted
    assert len(world.log) == 1 and world.log[0].startswith(f"{NAME} sha256:")
    assert world.accept() == [], "nothing was changed"


def test_what_was_accepted_gives_what_the_file_says_and_of_the_councils_departments_too(world):
    written, given = load_agreements(world.site), world.counted()
    for name, team in written.council.teams.items():
        for role in team.roles:
            for reason in written.council.reasons:
                asked = (name, role, reason, NIGHT)
                assert given.sections(*asked).equals(written.sections(*asked)), asked
    told = given.sections("mash", "social_worker", "new_contact", NIGHT)
    of = told.filter(category="involvement")["partner"]
    assert set(written.council.departments) <= set(of) and written.council.departments


def test_an_agreement_that_nobody_accepted_gives_nothing_and_says_what_to_run(tmp_path):
    world = World(tmp_path)
    answer = world.counted().permits(ASKED)
    assert not answer.allowed
    assert "was never accepted" in answer.why
    assert "kinfold agreements accept multi-agency-safeguarding" in answer.why
    assert world.counted().sections("mash", "social_worker", "new_contact", NIGHT).is_empty()


def test_a_change_that_only_closes_counts_at_once(world):
    world.edit(
        ("missing_episode, incident_victim", "incident_victim"),
        ("look_back: 2y, to: [mash]}", "look_back: 1y, to: [mash]}"),
    )
    made = world.counted()
    assert not made.permits(ASKED).allowed
    assert made.standing(NAME).pending == ""
    assert made.permits(replace(ASKED, category="incident_victim")).clause == "shares[0]"
    assert not made.permits(replace(ASKED, category="incident_victim", happened=date(2025, 11, 19))).allowed


def test_a_change_is_shown_as_what_it_opens_and_closes(world):
    before = accepted(world.home, RING)[0].read()
    world.edit(
        ("missing_episode, incident_victim", "missing_episode, offence"),
        ("fields: [start, code], look_back: 1y", "fields: [start, code, value], look_back: 6m"),
        ("until: 2027-03-31", "until: 2028-03-31"),
        ("[social_worker, mash_manager]", "[social_worker]"),
        ("age_under: 18", "age_under: 21"),
        ("summary: 30d", "summary: 90d"),
    )
    after = next(iter(load_agreements(world.site)))
    changes = compared(before, after, load_organisation(world.site))
    opens = " | ".join(c.what for c in changes if c.opens)
    closes = " | ".join(c.what for c in changes if not c.opens)
    for told in ("offences of police", "start, code, value, 6m back", "until 2028-03-31", "under 21", "90d"):
        assert told in opens
    for told in ("victim in an incident of police", "mash manager of Multi-Agency Safeguarding Hub"):
        assert told in closes


def test_an_edited_agreement_cannot_be_accepted_for_a_partner_who_did_not_sign_it_again(world):
    world.edit(("missing_episode, incident_victim", "missing_episode, incident_suspect, incident_victim"))
    with pytest.raises(AcceptanceProblem, match=r"opens more of what 'police' gives.*signed again"):
        world.accept()
    world.edit((POLICE, POLICE.replace("2026-03-20", "2026-11-18")))
    assert world.accept() == [NAME]
    assert world.counted().permits(replace(ASKED, category="incident_suspect")).allowed


def test_a_new_version_without_a_change_counts_and_a_withdrawn_one_lets_no_older_one_speak(world):
    world.edit(("version: 3", "version: 4"))
    assert world.counted().permits(ASKED).agreement == "multi-agency-safeguarding v4"
    world.accept()
    world.edit(("version: 4", "version: 3"))
    answer = world.counted().permits(ASKED)
    assert (answer.allowed, answer.agreement) == (False, "multi-agency-safeguarding v4")
    assert "is gone" in answer.why
    assert world.accept() == [NAME], "accepting the older version anew brings it back"
    assert world.counted().permits(ASKED).allowed


# -- attacks --------------------------------------------------------------------------------------------------------


def test_an_attacker_cannot_widen_an_agreement_by_editing_a_date(world):
    later = date(2027, 4, 1)
    world.edit(("until: 2027-03-31", "until: 2029-03-31"))
    answer = world.counted().permits(replace(ASKED, on=later))
    assert not answer.allowed
    assert "expired on 2027-03-31" in answer.why and "until it is accepted" in answer.why
    assert world.counted().permits(ASKED).allowed, "what was accepted still counts"


def test_an_attacker_cannot_backdate_a_signature(world):
    world.edit((POLICE, POLICE.replace("2026-03-20", "2026-04-20")))
    world.edit((POLICE.replace("2026-03-20", "2026-04-20"), POLICE.replace("2026-03-20", "2026-01-01")))
    assert not world.counted().permits(replace(ASKED, on=date(2026, 3, 15))).allowed


def test_an_attacker_cannot_add_a_team(world):
    world.edit(
        ("  - {team: early-help,", "  - {team: analysts, roles: [analyst]}\n  - {team: early-help,"),
        ("look_back: 2y, to: [mash]}", "look_back: 2y, to: [mash, analysts]}"),
    )
    answer = world.counted().permits(replace(ASKED, team="analysts", role="analyst"))
    assert not answer.allowed
    assert "does not name the team 'analysts'" in answer.why


@pytest.mark.parametrize(
    ("name", "told"),
    [("m\u0430sh", "other letters than a-z"), ("rnash", "Did you mean"), ("early_help", "Did you mean")],
)
def test_an_attacker_cannot_use_a_team_whose_name_looks_like_another(world, name, told):
    world.edit(("{team: mash,", f"{{team: {name},"))
    with pytest.raises(SiteError, match=rf"agreement.yaml:\d+: there is no team .*{told}"):
        world.counted()


@pytest.mark.parametrize("name", ["m\u0430sh", "rnash", "early_help", "ear1y-help", "MASH"])
def test_an_attacker_cannot_bring_a_look_alike_into_the_council(world, name):
    world.edit(
        (
            "  analysts:\n",
            f"  {name}:\n    name: Hub\n    roles: [social_worker]\n    reason: open_case\n  analysts:\n",
        ),
        file=world.site / "site.yaml",
    )
    with pytest.raises(SiteError, match=r"site.yaml:\d+: .*(look like another|reads like)"):
        world.counted()


def test_an_attacker_cannot_speak_for_a_party_that_has_not_signed(world):
    world.edit((f"  - {POLICE}\n", ""))
    answer = world.counted().permits(ASKED)
    assert not answer.allowed and "not signed by 'police'" in answer.why
    world.edit(("signed:\n", "signed:\n  - {party: police, role: Head, on: 2026-03-01}\n"))
    early = world.counted().permits(replace(ASKED, on=date(2026, 4, 1)))
    assert early.allowed, "the party had signed what was accepted"
    assert not world.counted().permits(replace(ASKED, category="offence")).allowed


def test_an_attacker_cannot_hide_a_second_word_behind_the_first(world):
    world.edit(("onward_sharing: none", "onward_sharing: none\nreasons: [open_case, subject_access]"))
    with pytest.raises(SiteError, match=r"agreement.yaml:\d+: 'reasons' stands here twice, first on line \d+"):
        world.counted()


def test_an_attacker_cannot_raise_the_version_to_open_more_under_old_signatures(world):
    text = FILE.read_text().replace("version: 3", "version: 4")
    wider = text.replace("missing_episode, incident_victim", "missing_episode, incident_suspect, incident_victim")
    (world.site / "agreements/newer.agreement.yaml").write_text(wider)
    suspect = replace(ASKED, category="incident_suspect")
    answer = world.counted().permits(suspect)
    assert (answer.allowed, answer.agreement) == (False, "multi-agency-safeguarding v4")
    with pytest.raises(AcceptanceProblem, match="bears the signature of the agreement as it was accepted"):
        world.accept()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("recipients:\n", "recipients: &who\n"),
        ("retention: {summary: 30d", "retention: &r {summary: 30d"),
    ],
)
def test_an_attacker_cannot_say_in_one_place_what_counts_in_another(world, old, new):
    world.edit((old, new))
    world.counted()  # an anchor alone says nothing
    alias = "*who" if "who" in new else "*r"
    world.edit(("onward_sharing: none", f"onward_sharing: {alias}"))
    with pytest.raises(SiteError, match=r"agreement.yaml:\d+: an alias stands for something written elsewhere"):
        world.counted()


def test_an_attacker_cannot_merge_another_block_in(world):
    world.edit(
        ("people: {open_to", "people: &p {open_to"),
        ("onward_sharing: none", "onward_sharing: none\nextra:\n  <<: *p"),
    )
    with pytest.raises(SiteError, match=r"agreement.yaml:\d+: .*Write it out in this place"):
        world.counted()


def test_an_attacker_cannot_bring_an_agreement_in_from_another_folder(world, tmp_path):
    elsewhere = tmp_path / "elsewhere.agreement.yaml"
    elsewhere.write_text(FILE.read_text().replace("multi-agency-safeguarding", "mine"))
    (world.site / "agreements/mine.agreement.yaml").symlink_to(elsewhere)
    with pytest.raises(SiteError, match=r"mine\.agreement\.yaml:1: this is a link to a file elsewhere"):
        world.counted()
    (world.site / "agreements/mine.agreement.yaml").unlink()
    (world.site / "mine.agreement.yaml").write_text(elsewhere.read_text())
    (world.site / "agreements/deeper").mkdir()
    (world.site / "agreements/deeper/mine.agreement.yaml").write_text(elsewhere.read_text())
    assert [a.name for a in world.counted()] == [NAME]


def test_an_attacker_cannot_link_the_whole_folder_of_agreements(world, tmp_path):
    (world.site / "agreements").rename(tmp_path / "moved")
    (world.site / "agreements").symlink_to(tmp_path / "moved")
    with pytest.raises(SiteError, match="this is a link to a file elsewhere"):
        world.counted()


@pytest.mark.parametrize(
    "forge",
    [
        lambda kept: kept["accepted"][0]["terms"]["valid"].update(until="2099-03-31"),
        lambda kept: kept["accepted"][0].update(sha256="0" * 64),
        lambda kept: kept["accepted"][0].update(who="The Caldicott Guardian"),
        lambda kept: kept.update(seal="0" * 64),
        lambda kept: kept.update(generation=2),
        lambda kept: kept["accepted"].append(kept["accepted"][0]),
        lambda kept: kept["accepted"].clear(),
        lambda kept: kept.pop("seal"),
    ],
)
def test_an_attacker_cannot_forge_what_was_accepted(world, forge):
    path = register_file(world.home)
    kept = json.loads(path.read_text())
    forge(kept)
    path.write_text(json.dumps(kept))
    with pytest.raises(AcceptanceProblem, match="changed by hand, or sealed under another key"):
        world.counted()


def test_an_attacker_cannot_seal_a_register_with_a_key_of_their_own(world):
    theirs = KeyRing(b"x" * 32)
    register_file(world.home).unlink()
    accept(world.home, theirs, load_agreements(world.site), [NAME], "I. Governance", NOW, lambda said: None)
    with pytest.raises(AcceptanceProblem, match="sealed under another key"):
        world.counted()


def test_an_attacker_cannot_put_an_older_register_back_unseen(world):
    old = register_file(world.home).read_bytes()
    world.edit(("missing_episode, incident_victim", "incident_victim"))
    world.accept()
    register_file(world.home).write_bytes(old)
    wrong = acceptance.amiss(accepted(world.home, RING), world.log)
    assert len(wrong) == 1 and "an older register was put in its place" in wrong[0]


def test_an_attacker_cannot_accept_past_the_audit_log(world):
    assert acceptance.amiss(accepted(world.home, RING), world.log) == []
    assert "has nothing of the acceptance" in acceptance.amiss(accepted(world.home, RING), [])[0]


def test_an_attacker_cannot_bring_a_closed_reading_back_by_going_to_an_older_file(world):
    old = world.file.read_text()
    world.edit(("missing_episode, incident_victim", "incident_victim"))
    world.accept()
    world.file.write_text(old)
    answer = world.counted().permits(ASKED)
    assert not answer.allowed and "until it is accepted" in answer.why


@pytest.mark.parametrize("day", [date(2026, 3, 31), date(2027, 4, 1), date(1970, 1, 1), date(9999, 12, 30)])
def test_an_attacker_cannot_ask_on_a_day_before_or_after(world, day):
    assert not world.counted().permits(replace(ASKED, on=day)).allowed
    assert world.counted().sections("mash", "social_worker", "new_contact", day).is_empty()


def test_an_attacker_cannot_borrow_the_role_of_another_team(world):
    answer = world.counted().permits(replace(ASKED, role="early_help_worker"))
    assert not answer.allowed and "does not name the role 'early_help_worker' of the team 'mash'" in answer.why
    assert not world.counted().permits(replace(EARLY, role="social_worker")).allowed


def test_an_attacker_cannot_share_a_category_that_does_not_exist(world):
    world.edit(("[missing_episode, incident_victim", "[missing_episode, everything"))
    with pytest.raises(SiteError, match=r"agreement.yaml:\d+: there is no category 'everything'"):
        world.counted()


def test_an_attacker_cannot_make_a_partner_a_department_so_that_the_council_signs_for_it(world):
    world.edit(
        (
            "{id: police, name: Harrowmere Constabulary}",
            "{id: police, name: Harrowmere Constabulary, part_of: council}",
        ),
        file=world.site / "site.yaml",
    )
    made = world.counted()
    assert not made.permits(ASKED).allowed
    assert not made.permits(replace(ASKED, category="involvement")).allowed
    assert made.permits(replace(ASKED, partner="schools", category="exclusion")).allowed


def test_an_attacker_cannot_turn_a_partners_team_into_the_councils(tmp_path):
    world = World(tmp_path)
    shutil.copy(HARROWMERE / "agreements/data-quality.agreement.yaml", world.site / "agreements")
    world.accept()
    asked = Question("police-data", "data_owner", "data_quality", "police", "row_values", NIGHT)
    assert world.counted().permits(asked).allowed
    world.edit(
        ("    name: Harrowmere schools, data quality\n    party: schools", "    name: Schools\n    party: police"),
        file=world.site / "site.yaml",
    )
    world.edit(
        ("{from: police, categories: [row_faults, row_values], to: [police-data]}",
         "{from: police, categories: [row_faults, row_values], to: [police-data, schools-data]}"),
        ("{from: schools, categories: [row_faults, row_values], to: [schools-data]}",
         "{from: fire-service, categories: [row_faults, row_values], to: [fire-service-data]}"),
        file=world.site / "agreements/data-quality.agreement.yaml",
    )  # fmt: skip
    assert not world.counted().permits(replace(asked, team="schools-data")).allowed


def test_an_attacker_cannot_put_another_partys_people_behind_the_name_of_a_team(world):
    world.edit(
        ("    name: Multi-Agency Safeguarding Hub\n", "    name: Multi-Agency Safeguarding Hub\n    party: housing\n"),
        file=world.site / "site.yaml",
    )
    answer = world.counted().permits(ASKED)
    assert not answer.allowed and "until it is accepted" in answer.why
    assert world.counted().permits(EARLY).allowed, "the other team is as it was"


# -- what both give is never more than either -----------------------------------------------------------------------

CATEGORIES = ["missing_episode", "incident_victim", "offence"]
TEAMS = {"mash": "social_worker", "early-help": "early_help_worker"}
some = lambda names, least=1: st.lists(st.sampled_from(names), min_size=least, unique=True)  # noqa: E731
SHARE = st.fixed_dictionaries(
    {"from": st.sampled_from(["police", "youth-justice"]), "categories": some(CATEGORIES), "to": some(list(TEAMS))},
    optional={"fields": some(["start", "code", "value"]), "look_back": st.sampled_from(["30d", "1y", "2y"])},
)
WHOM = st.fixed_dictionaries(
    {"open_to": some(["early_help", "youth_justice"], 0), "and_household": st.booleans()},
    optional={
        "or": st.fixed_dictionaries(
            {}, optional={"age_under": st.sampled_from([12, 18]), "age_from": st.sampled_from([65, 80]),
                          "meets": some(["later-life-support", "exclusion"])},
        )
    },
)  # fmt: skip
WRITTEN = st.fixed_dictionaries(
    {
        "shares": st.lists(SHARE, min_size=1, max_size=3),
        "recipients": st.just([{"team": team, "roles": [role]} for team, role in TEAMS.items()]),
        "reasons": some(["open_case", "new_contact"]),
        "signed": some(["council", "police"]).map(
            lambda parties: [{"party": p, "role": "Head", "on": "2026-03-01"} for p in parties]
        ),
        "valid": st.sampled_from([("2026-04-01", "2027-03-31"), ("2026-11-20", "2026-11-20")]).map(
            lambda days: {"from": days[0], "until": days[1]}
        ),
        "people": st.none() | WHOM,
    }
)


@cache
def council():
    return load_organisation(HARROWMERE)


def agreement(said: dict) -> Agreement:
    fixed = {
        "agreement": "made", "version": 1, "purpose": "p", "lawful_basis": {"article_6": ["e"]},
        "retention": {"audit": "7y"}, "onward_sharing": "none",
    }  # fmt: skip
    return Agreement.model_validate(fixed | said)


SUBJECTS = [
    Subject(9), Subject(15, household_covered=True), Subject(70), Subject(40, frozenset({"early_help"})),
    Subject(None, meets=frozenset({"exclusion"})), Subject(),
]  # fmt: skip


def questions():
    for team, reason, partner, category, fld, happened, subject in product(
        TEAMS, ["open_case", "new_contact"], ["police", "youth-justice"], CATEGORIES, [None, "value"],
        [None, date(2025, 6, 1)], SUBJECTS,
    ):  # fmt: skip
        yield Question(team, TEAMS[team], reason, partner, category, NIGHT, fld, happened, subject)


@examples(max_examples=15)
@given(was=WRITTEN, now=WRITTEN)
def test_what_two_readings_both_give_is_never_more_than_either_and_the_diff_names_what_opens(was, now):
    first, second = agreement(was), agreement(now)
    held, _ = both(first, second)
    before, after, meet = (Agreements([a], council()) for a in (first, second, held))
    opened = False
    for question in questions():
        old, new = before.permits(question).allowed, after.permits(question).allowed
        opened |= new and not old
        if meet.permits(question).allowed:
            assert old and new, question
    assert not opened or any(change.opens for change in compared(first, second, council()))


@examples(max_examples=15)
@given(said=WRITTEN)
def test_sections_and_covering_say_field_by_field_and_day_by_day_what_permits_says(said):
    made = Agreements([agreement(said)], council())
    for team, reason in product(TEAMS, ["open_case", "new_contact"]):
        rows = made.sections(team, TEAMS[team], reason, NIGHT).rows(named=True)
        for question in (q for q in questions() if (q.team, q.reason) == (team, reason)):
            expected = made.covers("made v1", question.subject) and any(
                (row["partner"], row["category"]) == (question.partner, question.category)
                and (question.field is None or row["fields"] is None or question.field in row["fields"])
                and (question.happened is None or row["since"] is None or question.happened >= row["since"])
                for row in rows
            )
            assert made.permits(question).allowed == expected, question


@given(said=WRITTEN)
def test_an_agreement_against_itself_opens_and_closes_nothing_and_is_read_again_as_it_was(said):
    made = agreement(said)
    assert compared(made, made, council()) == []
    assert Agreement.model_validate(made.model_dump(mode="json", by_alias=True)) == made


def test_of_keeping_encrypting_exports_and_passing_on_both_give_the_narrower():
    export = {"name": "e", "to": "analysts", "reason": "open_case", "categories": ["offence", "missing_episode"]}
    said = {
        "recipients": [{"team": "mash", "roles": ["social_worker", "mash_manager"]}],
        "reasons": ["open_case"],
        "signed": [{"party": "council", "role": "Head", "on": "2026-03-01"}],
        "valid": {"from": "2026-04-01", "until": "2027-03-31"},
        "shares": [{"from": "police", "categories": ["offence"], "to": ["mash"], "fields": ["start", "code"]}],
        "exports": [export | {"geography": "lsoa", "dates": "day", "fields": ["start", "code"]}],
        "retention": {"summary": "30d", "export": "90d", "audit": "7y"},
    }  # fmt: skip
    passing = {"to": "schools", "from": ["police"], "categories": ["offence"], "condition": "somebody agrees"}
    was = agreement(said | {"onward_sharing": [passing]})
    now = agreement(
        said
        | {
            "recipients": [{"team": "mash", "roles": ["mash_manager"], "encrypt": True}],
            "retention": {"summary": "1y", "export": "7d", "audit": "7y"},
            "exports": [
                export | {"geography": "none", "dates": "month", "categories": ["offence"], "encrypt": True,
                          "people": {"or": {"age_under": 18}}},
                export | {"name": "f"},
            ],
            "onward_sharing": [passing | {"condition": "nobody minds"}],
        }
    )  # fmt: skip
    for first, second in ((was, now), (now, was)):
        held, _ = both(first, second)
        assert (held.recipients[0].roles, held.recipients[0].encrypt) == (("mash_manager",), True)
        assert (str(held.retention.summary), str(held.retention.export)) == ("30d", "7d")
        (made,) = held.exports
        assert (made.name, made.geography, made.dates, made.encrypt) == ("e", "none", "month", True)
        assert made.categories == ("offence",) and made.fields == ("start", "code") and made.people.or_.age_under == 18
        assert held.onward_sharing == ()
        assert held.purpose == first.purpose and held.lawful_basis == first.lawful_basis
    assert both(was, was)[0].onward_sharing == was.onward_sharing
    apart = agreement(said | {"onward_sharing": "none", "shares": [said["shares"][0] | {"fields": ["value"]}]})
    assert both(was, apart)[0].shares == (), "no column that both give, so nothing is given"
    other = agreement(said | {"onward_sharing": "none", "exports": [said["exports"][0] | {"reason": "new_contact"}]})
    assert both(was, other)[0].exports == ()
