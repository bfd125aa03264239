"""What people objected to and say is not right stands on the summaries of those who work with them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
from caseload import borough

from summaries import facts
from summaries.asked import asked
from summaries.facts import CaseFacts
from summaries.render import Renderer
from warehouse.tables import CORRECTION, OBJECTION, Table

AT = datetime(2026, 11, 4, 9)
SPOKEN = date(2026, 11, 3)
PARTNERS = {"police": "Harrowmere Constabulary"}


def rows(table: Table, *given: dict[str, Any]) -> pl.DataFrame:
    """Rows of a register about people; what they do not say is null."""
    schema = {"person_id": pl.String, **table.schema}
    known = {"record_id": "r", "asked_on": SPOKEN, "decided_at": AT, "who": "A. Officer"}
    full = [{name: (known | row).get(name) for name in schema} for row in given]
    return pl.DataFrame(full, schema=schema, orient="row")


def objection(**more: Any) -> dict[str, Any]:
    return {"objection_id": "o", "person_id": "amelia", "use": "safeguarding", "decision": "refused",
            "note": "Children Act 2004, section 11"} | more  # fmt: skip


def correction(**more: Any) -> dict[str, Any]:
    return {"correction_id": "c", "person_id": "amelia", "kind": "event", "item": "e002", "status": "open",
            "their_words": "I was at home"} | more  # fmt: skip


def summary(team: str, objections: pl.DataFrame, corrections: pl.DataFrame) -> tuple[CaseFacts, str]:
    given = borough()
    gathered = facts.gather(**given, asked=asked(objections, corrections, PARTNERS))
    case = next(c for c in gathered if c.team == team and c.person_id == "amelia")
    return case, Renderer(given["wording"]).summary(case, "r" * 32, None)


def test_an_objection_that_the_law_does_not_let_block_is_shown_with_decision_reason_and_reviewer() -> None:
    case, page = summary("mash", rows(OBJECTION, objection()), rows(CORRECTION))
    assert case.objections == [
        "On 3 November 2026 objected to sharing to keep people safe. Decision of 4 November 2026: "
        "not agreed, so that it goes on (A. Officer): Children Act 2004, section 11."
    ]
    assert case.objections[0] in page


def test_what_a_person_had_kept_back_of_one_partner_is_in_no_summary_and_the_rest_is() -> None:
    before, _ = summary("mash", rows(OBJECTION), rows(CORRECTION))
    kept = objection(use="sharing", partner="police", decision="upheld", note=None)
    case, page = summary("mash", rows(OBJECTION, kept), rows(CORRECTION))
    mine = [pair for pair in before.shared if pair.startswith("police")]
    assert mine and "Reported missing" not in page
    amelias = [row for year in case.years for row in year["rows"] if row["about_name"] == "Amelia"]
    assert amelias and not [row for row in amelias if row["source"] == "Harrowmere Constabulary"]
    assert "the sharing of what was told by Harrowmere Constabulary" in page


def test_a_dispute_stands_beside_its_line_and_runs_nothing() -> None:
    hostile = correction(their_words="<img src=x onerror=alert(1)> \u202e=1+1")
    case, page = summary("mash", rows(OBJECTION), rows(CORRECTION, hostile))
    (line,) = [row for year in case.years for row in year["rows"] if row["disputed"]]
    assert line["what"] == "Reported missing" and "<img" not in page and "&lt;img" in page and "\u202e" not in page


def test_a_disputed_address_says_that_it_is_and_not_where_somebody_is() -> None:
    born = correction(kind="attribute", item="birth_date", their_words="the 4th", correction_id="d")
    lives = correction(kind="attribute", item="address", their_words="7 Sanctuary Mews")
    case, page = summary("mash", rows(OBJECTION), rows(CORRECTION, born, lives))
    assert [what for what, _ in case.disputed] == ["address", "date of birth"]
    assert "Sanctuary" not in page and "the 4th" in page


def test_of_who_somebody_is_nothing_is_disputed_before_those_who_may_not_know_it() -> None:
    given = borough()
    sections = given["sections"].filter(pl.col("category") != "identity")
    told = asked(rows(OBJECTION), rows(CORRECTION, correction(kind="attribute", item="birth_date")), PARTNERS)
    gathered = facts.gather(**(given | {"sections": sections}), asked=told)
    assert all(not case.disputed for case in gathered)
