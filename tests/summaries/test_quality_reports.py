"""What a partner is told of a delivery: the truth in counts, and of its own rows what it may have, made inert."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta

import polars as pl
import pytest
from caseload import NIGHT, frame
from hypothesis import given, settings
from hypothesis import strategies as st
from qualityhouse import FEED, FEEDS, TRACED, broken, load, loads, report

from summaries import quality, reports
from summaries.reports import Shown
from warehouse.tables import LOAD

HOSTILE = "=+-@＝;,|\"' \t\n\r\x00\u202eaA1"
FORMULA = re.compile(r"(^|[,;|\"\s])[=+\-@＝＋－＠]")


def text(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def aside() -> dict[str, pl.DataFrame]:
    """Three rows of the feed that were set aside; the last broke two rules."""
    rows = [
        ("m.csv", 2, "P1", "2026-10-02", "2026-10-01", [TRACED]),
        ("m.csv", 9, None, "2026-10-02", "2026-10-03", ["id is given"]),
        ("m.csv", 7, None, "=HYPERLINK(1)", "-", ["id is given", TRACED]),
        ("m.csv", 8, "P9", "2026-10-02", "2026-10-03", []),
    ]
    return {
        "episode": pl.DataFrame(
            rows, schema=["_file", "_row", "id", "gone", "traced", "failed_rules"], orient="row", strict=False
        ).cast({"failed_rules": pl.List(pl.String)})
    }


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_each_row_is_listed_with_each_rule_that_it_broke_in_the_files_own_words() -> None:
    lines = reports.set_aside(FEED, aside(), values=False)
    assert lines.columns == ["file", "row", "where", "table", "columns", "reason", "what_follows", "owner"]
    assert lines.select("row", "reason", "columns", "owner").rows() == [
        (2, TRACED, "Went missing, Traced", "Missing desk"),
        (7, "id is given", "Person ID", "Force sharing unit"),
        (7, TRACED, "Went missing, Traced", "Missing desk"),
        (9, "id is given", "Person ID", "Force sharing unit"),
    ]
    assert set(lines["what_follows"]) == {"row set aside"}


def test_without_leave_no_spreadsheet_holds_a_value_and_with_it_only_those_that_the_rule_looks_at() -> None:
    bare = reports.spreadsheet(reports.set_aside(FEED, aside(), values=False)).decode()
    assert not [word for word in ("P1", "2026-10", "HYPERLINK") if word in bare]
    told = read(reports.spreadsheet(reports.set_aside(FEED, aside(), values=True)))
    assert told[0]["values"] == "Went missing: 2026-10-02; Traced: 2026-10-01"
    assert told[1]["values"] == "Person ID: (empty)"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(alphabet=st.sampled_from("=+-@＝;,|\"' \t\n\r\x00\u202eaA1"), max_size=12), min_size=1, max_size=4)
)
def test_no_cell_runs_in_a_spreadsheet_however_the_file_is_taken_apart(cells: list[str]) -> None:
    content = reports.spreadsheet(pl.DataFrame({"a": cells, "b": cells}))
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) == len(cells) + 1
    for row in rows[1:]:
        assert len(row) == 2
        for cell in row:
            assert not FORMULA.search(cell)
            assert not re.search(r"[\x00-\x1f\x7f\u202a-\u202e\u2028]", cell)


def test_a_spreadsheet_ends_before_it_is_too_large_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "LINES", 3)
    assert len(read(reports.spreadsheet(pl.DataFrame({"a": range(10)})))) == 3


def test_a_report_says_which_rules_were_broken_where_by_how_many_and_who_owns_them() -> None:
    said = text(report())
    assert f"{TRACED} episode: Went missing, Traced row set aside Missing desk 30 2" in said
    assert "7.50" in said and "0.50" in said and "On time" in said
    assert "13 Nov: 0.5%, 20 Nov: 7.5%" in said, "the chart has its figures in words"


def test_a_rejected_delivery_says_why_what_to_do_and_which_delivery_stands() -> None:
    said = text(report(status="rejected", reason="The file is empty. Ask for it again."))
    assert "was rejected: none of it is in use. The file is empty." in said
    assert "send the whole delivery again. Until then the delivery of 13 November 2026 stays in use." in said


def test_a_held_delivery_names_who_can_release_it() -> None:
    said = text(report(status="held", reason="It shrank by half."))
    assert "held until a person decides. It shrank by half." in said and "tell Information Governance" in said


def test_a_late_feed_is_told_by_how_much() -> None:
    said = text(report(night=NIGHT + timedelta(days=10)))
    assert "3 days late. It was due on 27 November 2026." in said


def test_a_report_leads_to_the_spreadsheets_and_says_by_which_clause_it_may() -> None:
    page = report(shown=Shown(True, True, "data-quality v1, shares[0]"))
    assert 'href="r.csv"' in page and 'href="k.csv"' in page
    assert "by data-quality v1, shares[0]." in text(page)
    bare = report()
    assert ".csv" not in bare and "Counts alone." in text(bare)


def test_what_no_night_has_compared_is_not_said_to_be_well() -> None:
    assert "the report after it tells" in text(report(found=None))
    said = text(report())
    assert "4 records of this feed seem to be about 2 people, as records were matched by probability" in said
    assert "1 of the records are new" in said
    assert "Another source gives a different sex Check it 3 3 2" in said


def test_a_rule_that_would_reject_is_not_said_to_have_done_so_where_the_delivery_was_accepted() -> None:
    rules = broken().with_columns(severity=pl.lit("reject"))
    about = reports.About.of(FEED, "Harrowmere Constabulary", "Information Governance")
    assert "Missing desk 30" in text(reports.report(loads(), rules, about, NIGHT))
    assert "kept: no more than the rule allows" in text(reports.report(loads(), rules, about, NIGHT))
    assert "delivery rejected Missing desk" in text(reports.report(loads(status="rejected"), rules, about, NIGHT))


def test_a_feed_is_late_a_day_after_its_interval_and_says_since_when() -> None:
    some = frame(LOAD, [load("2026-11-12", 0)])
    for day, late in ((20, 0), (21, 2)):
        row = quality.freshness(some, FEEDS, date(2026, 11, day)).row(1, named=True)
        assert (row["due"], row["days_late"], row["late"]) == (date(2026, 11, 19), late, late > 0)
    never = quality.freshness(some, FEEDS, NIGHT).row(0, named=True)
    assert never["late"] and never["due"] is None, "the feed that never came is late from the start"


def test_the_latest_of_a_days_deliveries_is_the_one_with_the_highest_number() -> None:
    some = frame(LOAD, [load(f"2026-11-20{n}", i) for i, n in enumerate(("", ".10", ".2", ".9"))])
    assert quality.states(some, FEEDS, NIGHT).row(1, named=True)["delivery"] == "2026-11-20.10"


def test_a_rejected_or_held_delivery_is_the_feeds_state_and_the_last_good_one_its_freshness() -> None:
    for status in ("rejected", "held"):
        state = quality.states(loads(status=status, reason="because"), FEEDS, NIGHT).row(1, named=True)
        assert (state["status"], state["delivered"], state["reason"]) == (status, date(2026, 11, 13), "because")
