"""The matrix and the papers say what the agreements and the night's facts say, and leave open what only people can."""

import re
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path

from feeds.dialect import load_contracts
from governance.agreements import Agreements, Question, Subject, load_agreements
from governance.organisation import Officers
from governance.retention import load_retention
from governance.rights import load_rights
from summaries import agreed, matrix, papers
from summaries.papers import Council, Facts, Model

SITE = Path(__file__).parents[2] / "sites/harrowmere"
NIGHT = date(2026, 11, 20)
FACTS = Facts(
    night=NIGHT, people=5918, under_18=1319, households=2276, records=21570, events=73089,
    records_of={"cin-census": 192}, links={"shared id": 12}, recalls={"summary": (9, 4)}, counted_on=None,
    models=(Model("escalation", "A child comes into need", "MASH", 10, "no flags: too few", False, 0),),
    released={}, withheld=0, audit={"release": 433, "refuse": 2}, rights={},
)  # fmt: skip


@cache
def agreements() -> Agreements:
    return load_agreements(SITE)


@cache
def council() -> Council:
    organisation = agreements().council
    kept = load_retention(SITE, organisation, (), {a.agreement for a in agreements()})
    return Council(organisation, load_contracts(SITE), agreements(), kept, load_rights(SITE))


@cache
def written() -> dict[str, str]:
    return papers.write(council(), FACTS)


@cache
def built(day: date = NIGHT) -> matrix.Matrix:
    return matrix.build(agreements(), day, "a" * 64)


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<body>") :]).split())


def test_the_matrix_shows_every_yes_of_the_agreements_and_no_other():
    organisation = agreements().council
    subject = Subject(age=9, open_to=frozenset(organisation.services))
    shown = {
        (row["team"], role, reason, row["partner"], row["category"])
        for row in built().rights.iter_rows(named=True)
        for role, reason in product(row["roles"], row["reasons"])
    }
    for team in ("mash", "adult-social-care", "analysts", "police-data", "gis-data"):
        known = organisation.teams[team]
        for role, party, category in product(known.roles, organisation.parties, organisation.known_categories):
            asked = Question(team, role, known.reason, party.id, category, NIGHT, subject=subject)
            right = (team, role, known.reason, party.id, category)
            assert agreements().permits(asked).allowed == (right in shown), asked


def test_the_matrix_is_a_page_to_sign_that_opens_offline_and_names_the_files_it_was_made_from():
    page = matrix.html(built())
    said = text(page)
    for told in ("Harrowmere Constabulary", "Missing episodes", "2 years", "Signature", "shares[0]", built().digest):
        assert told in said
    for agreement in agreements():
        assert agreements().standing(agreement.name).sha256 in said
    assert not re.search(r"""(src|href)=["'](?!#)""", page)


def test_another_file_or_another_site_gives_another_digest():
    assert matrix.build(agreements(), NIGHT, "b" * 64).digest != built().digest
    assert matrix.build(agreements(), date(2026, 11, 21), "a" * 64).digest == built().digest


def test_on_a_day_without_agreements_the_matrix_shows_that_nobody_may_see_anything():
    late = built(date(2030, 1, 1))
    assert late.rights.is_empty()
    assert "No team may see anything on this day" in text(matrix.html(late))
    assert "expired on 31 March 2027" in text(matrix.html(late))
    assert "missing" not in matrix.text(late).lower()


def test_the_matrix_in_a_terminal_says_the_same_at_a_glance():
    lines = matrix.text(built(), ["mash", "early-help"]).splitlines()
    (row,) = [line for line in lines if "Missing episodes" in line]
    assert row.split("  ")[0] == "Harrowmere Constabulary"
    assert row.endswith("2 years  1 year")


def test_an_agreement_is_explained_in_plain_words():
    safeguarding = next(a for a in agreements() if a.agreement == "multi-agency-safeguarding")
    said = "\n".join(agreed.explained(safeguarding, agreements(), NIGHT))
    for told in ("people under 18, and whoever lives with them", "No further back than 2 years", "a public task",
                 "Caldicott Guardian, on 12 March 2026", "Nothing of it may be passed on"):  # fmt: skip
        assert told in said


def test_there_is_a_paper_of_each_kind_and_a_five_safes_page_for_each_agreement():
    assert set(written()) == {
        "dpia", "threats", "record", *(f"five-safes {a.agreement}" for a in agreements())
    }  # fmt: skip
    assert papers.title("five-safes adult-support") == "Five Safes: adult-support"


def test_the_impact_assessment_tells_the_nights_figures_and_every_purpose_with_its_basis():
    said = text(written()["dpia"])
    for told in ("5,918 people in 2,276 households; 1,319", "21,570 records", "Article 35", "missed its gate"):
        assert told in said
    for agreement in agreements():
        assert agreement.purpose.replace("'", "’") in said.replace("&#39;", "’")
        assert agreement.lawful_basis.short in said


def test_the_record_holds_what_article_30_asks_for_of_each_agreement():
    said = text(written()["record"]).replace("&#39;", "'")
    for told in (
        "Controller",
        "Data subjects",
        "Recipients",
        "Transfers outside the United Kingdom",
        "Security measures",
    ):
        assert told in said
    for agreement in agreements():
        assert agreement.name in said and agreement.purpose in said
    assert "75 years after the person's birth" in said


def test_what_only_people_can_say_is_left_open_and_never_made_up():
    bare = replace(council(), organisation=council().organisation.model_copy(update={"officers": Officers()}))
    of_all = papers.write(bare, FACTS)
    assert of_all["dpia"].count("to be completed") >= len(papers.OFFICERS) + 4
    assert "Director of Resources" in written()["dpia"] and "Director of Resources" not in of_all["dpia"]
    assert "to be judged" in of_all["threats"] and "to be completed" in of_all["five-safes adult-support"]


def test_the_threat_model_tells_how_the_system_stands_good_or_bad():
    said = text(written()["threats"])
    assert "a rewrite of the whole log would not show" in said
    assert "9 outputs recalled so far, 4 still open" in said
    better = text(
        papers.write(council(), replace(FACTS, copied=True, encrypted=["mash"], minimum=7, base=5))["threats"]
    )
    assert "also kept outside" in better and "counts of 7 or fewer" in better.lower()
    assert "a rewrite of the whole log would not show" not in better


def test_a_register_put_back_is_told_in_the_papers():
    wrong = replace(FACTS, amiss=("the acceptance of adult-support v2 is in the audit log and not in the register",))
    assert "not in the register" in text(papers.write(council(), wrong)["threats"])


def test_no_paper_loads_anything_or_runs_a_script():
    for name, page in written().items():
        assert "<script" not in page and not re.search(r"""(src|href)=["'](?!#)""", page), name
        assert "Content-Security-Policy" in page


def test_an_attacker_cannot_plant_markup_in_a_paper_by_the_words_of_an_agreement():
    planted = [a.model_copy(update={"purpose": "<script>alert(1)</script>"}) for a in agreements()]
    hostile = replace(council(), agreements=Agreements(planted, agreements().council))
    for page in papers.write(hostile, FACTS).values():
        assert "<script" not in page
