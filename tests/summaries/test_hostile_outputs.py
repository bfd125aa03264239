"""Hostile text from partners goes through every page and spreadsheet, and does nothing in any of them."""

import csv
import io
import re
from datetime import date

import pytest
from caseload import NIGHT, frame
from qualityhouse import FEED, FEEDS, FOUND, broken, loads
from test_render import Page

from governance.stamp import Stamp
from summaries import board, recall, reports
from summaries.reports import About
from warehouse.tables import RECALL

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)> {{7*7}} \u202e\x1b[2J\x07<!-- stamp -->"
BLOCK = {"wrong": HOSTILE, "why": HOSTILE, "from": HOSTILE, "to": HOSTILE}
OUTPUT = dict.fromkeys(("kind", "name", "when", "opened", "gone", "recall"), HOSTILE)
RUNS = re.compile(r"(?:^|[,;|\"\s])[=+\-@]")
STATE = {
    "name": HOSTILE, "delivery": HOSTILE, "status": "late", "reason": HOSTILE, "delivered": NIGHT, "due": NIGHT,
    "days_late": 3, "received": 1, "quarantined": 0, "files": [(HOSTILE, "a.html")],
}  # fmt: skip


def pages() -> dict[str, str]:
    table = FEED.tables[0].model_copy(update={"name": HOSTILE})
    feed = FEED.model_copy(update={"name": HOSTILE, "owner": HOSTILE, "version": HOSTILE, "tables": (table,)})
    about = About.of(feed, HOSTILE, HOSTILE)
    held = loads(status="held", reason=HOSTILE, read_as=HOSTILE)
    found = FOUND.with_columns(sentence=FOUND["sentence"] + HOSTILE, remedy=FOUND["remedy"] + HOSTILE)
    feeds = FEEDS.with_columns(name=FEEDS["name"] + HOSTILE)
    blocks = [BLOCK | {"outputs": [OUTPUT]}]
    row = {"night": NIGHT, "kind": "summary", "team": HOSTILE, "because": "review", "state": "open", "about": ["x"]}
    rows = frame(RECALL, [row])
    stamp = Stamp("a" * 32, "report", HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, date(2026, 12, 4), 3)
    made = {
        "report": reports.report(held, broken(), about, NIGHT, found),
        "returned": reports.index(HOSTILE, [STATE], NIGHT),
        "board": board.board(
            held, feeds, found, [], NIGHT, {"police-missing": "p.html"}, {"police": HOSTILE}, {HOSTILE: 1}
        ),
        "recall": recall.team_page(HOSTILE, blocks, NIGHT, HOSTILE, "a.csv"),
        "notice": recall.notice(HOSTILE, NIGHT, NIGHT, HOSTILE, HOSTILE, "a.html"),
        "register": recall.register(rows, NIGHT, {HOSTILE: HOSTILE}, {"review": 1}),
    }
    return {name: stamp.on_page(text.encode()).decode() for name, text in made.items()}


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_an_attacker_cannot_plant_a_script_in_any_page(made: dict[str, str]) -> None:
    clean = {"html", "head", "meta", "title", "style", "body", "a", "header", "main", "footer"}
    for name, text in made.items():
        read = Page(text)
        tags = {tag for tag, _ in read.tags}
        assert not tags & {"script", "img", "iframe", "object", "form", "base", "link"}, name
        assert not [key for _, attrs in read.tags for key in attrs if key.startswith("on")], name
        assert "&lt;script&gt;" in text and "{{7*7}}" in text, name
        assert not re.search("[\u202e\x1b\x07]", text), name
        assert clean <= tags


def test_an_attacker_cannot_move_or_forge_the_stamp_of_any_page(made: dict[str, str]) -> None:
    for name, text in made.items():
        assert text.count('<footer class="wide stamp"') == 1, name
        assert "<!-- stamp -->" not in text and text.index("</main>") < text.index('class="wide stamp"'), name


def test_an_attacker_cannot_plant_a_formula_in_any_spreadsheet() -> None:
    formula = "=HYPERLINK(1)\t@x"
    block = dict.fromkeys(BLOCK, formula) | {"outputs": [dict.fromkeys(OUTPUT, formula)]}
    rows = frame(RECALL, [{"team": formula, "output_id": formula, "about": [formula]}])
    sheets = [
        recall.team_sheet([block]),
        recall.notice_sheet(NIGHT, formula, formula),
        recall.register_sheet(rows),
    ]
    for sheet in sheets:
        lines = list(csv.reader(io.StringIO(sheet.decode("utf-8-sig"), newline="")))
        assert any("HYPERLINK" in cell for line in lines for cell in line)
        assert not [cell for line in lines for cell in line if RUNS.search(cell)]
