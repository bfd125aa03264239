"""What partners sent runs nowhere: not in a spreadsheet, not on a page, not in a terminal."""

import csv
import io
import re

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance import inert
from warehouse.site import PROJECT

HOSTILE = (
    "=cmd|'/c calc'!A1", "+1+1", "-1+1|x", "@SUM(A1)", "\t=1", "\r=1", "\n@x", "＝1+1", "＋1", "a,=1", 'a"=1', "a;@x",
    " =1", "\u202e=1", "\ufeff=1", "\x00=1", "x\u2028=1", "\x1b[2J=1", "|=1",
)  # fmt: skip
FORMULA = re.compile(r"(?:^|[,;|\"\s])[=+\-@＝＋－＠]")
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


@settings(max_examples=30)
@given(st.text(max_size=40))
@example("=1")
@example(" \t@x")
def test_an_attacker_cannot_plant_a_formula_in_a_spreadsheet(text: str) -> None:
    frame = pl.DataFrame({"a": [text], "n": [-5.5], "l": [[text, "=2"]]})
    for made in (inert.csv(frame), inert.spreadsheet(frame).decode("utf-8-sig")):
        a, n, *rest = cells(made)[3:]
        assert not FORMULA.search(a) and not UNSEEN.search(a)
        assert n == "-5.5"  # a number is no text, and stays one
        assert not any(FORMULA.search(cell) for cell in rest)


@pytest.mark.parametrize("text", HOSTILE)
def test_an_attacker_cannot_plant_a_formula_by_another_character_or_in_a_heading(text: str) -> None:
    frame = pl.DataFrame({text: [text]})
    for made in (inert.csv(frame), inert.spreadsheet(frame).decode("utf-8-sig")):
        assert not any(FORMULA.match(cell) or UNSEEN.search(cell) for cell in cells(made))


@given(st.text(max_size=40))
def test_an_attacker_cannot_turn_text_round_or_drive_a_terminal(text: str) -> None:
    assert not UNSEEN.search(inert.line(text)) and "\n" not in inert.line(text)
    assert not re.search(UNSEEN, inert.shown(text).replace("\n", "").replace("\t", ""))


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("Zoë O’Brien-Łukasz", "12 Linden Terrace, Harrowmere", "£1,250.50", "محمد", "2026-11-20", "a\nb"):
        assert inert.shown(text) == text
    assert inert.line(None) == "" and inert.line(7) == "7"
    assert inert.csv(pl.DataFrame({"a": ["2026-11-20", "Zoë"]})) == "a\n2026-11-20\nZoë\n"


def test_no_spreadsheet_for_people_is_written_by_another_way() -> None:
    rooms = ("pipelines", "assets", "summaries", "models", "linkage", "feeds", "governance", "warehouse")
    writers = re.compile(r"\.write_csv\(|csv\.writer\(|\.DictWriter\(|\.to_csv\(|write_excel|xlsxwriter|openpyxl")
    found = {
        str(path.relative_to(PROJECT))
        for room in rooms
        for path in (PROJECT / room).rglob("*.py")
        if writers.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"governance/inert.py"}


def test_no_template_leaves_a_value_unescaped_or_an_attribute_unquoted() -> None:
    for path in (PROJECT / "summaries" / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape", text), path.name
        assert not re.search(r"\s[\w-]+\s*=\s*\{\{", text), path.name
        assert not re.search(r"\bon\w+\s*=", text, re.IGNORECASE), path.name
        assert not re.search(r"<(?:a|img|link|form)\b[^>]*(?:href|src|action)\s*=\s*\"\s*javascript:", text), path.name
