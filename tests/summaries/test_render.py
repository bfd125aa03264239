"""How pages look: inert, offline, accessible, and saying nothing that the facts do not hold."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict
from datetime import date
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from caseload import NIGHT, SITE
from hypothesis import given, settings
from hypothesis import strategies as st
from qualityhouse import quality_pages

from summaries import wording, words
from summaries.render import TEMPLATES, Renderer
from warehouse.site import SiteError

RELEASE = "3fa9c1d20b7e4a55"
EXPIRES = date(2026, 12, 4)


class Page(HTMLParser):
    """What a page holds: tags with attributes, text outside style, and how tables are headed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def pages(world: SimpleNamespace) -> dict[str, str]:
    renderer = Renderer(world.given["wording"])
    made = {"/".join(key): renderer.summary(case, RELEASE, EXPIRES) for key, case in world.facts.items()}
    rows = [{"facts": case, "file": f"{n}.html"} for n, case in enumerate(world.facts.values())]
    return made | {
        "index": renderer.index("mash", rows, NIGHT),
        **quality_pages(),
    }


def test_every_page_is_self_contained_and_runs_nothing(world: SimpleNamespace) -> None:
    for name, text in pages(world).items():
        page = Page(text)
        assert "default-src 'none'; style-src 'unsafe-inline'" in text, name
        assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "form", "use", "base"}
        assert not [a for _, a in page.tags for key in a if key.startswith("on") or key == "src"]
        links = [a["href"] or "" for a in page.all("a")]
        assert all(link.startswith("#") or re.fullmatch(r"[\w.-]+\.(html|csv)", link) for link in links)
        assert not re.search(r"https?:|url\(|@import", text)


def test_every_page_can_be_read_with_a_screen_reader(world: SimpleNamespace) -> None:
    for name, text in pages(world).items():
        page = Page(text)
        assert page.all("html") == [{"lang": "en-GB"}]
        assert len(page.all("h1")) == 1 and len(page.all("main")) == 1, name
        assert len(page.all("caption")) == len(page.all("table")), name
        assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
        assert {a["href"] for a in page.all("a") if (a["href"] or "").startswith("#")} <= {f"#{each}" for each in ids}
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), name


def test_hostile_text_is_shown_and_does_nothing(world: SimpleNamespace) -> None:
    text = pages(world)["early-help/jo"]
    assert "&lt;Script&gt;" in text and "&lt;img src=x" in text
    assert "<b>" not in text.lower() and "\x07" not in text and "\u202e" not in text
    cells = re.findall(r"<t[dh][^>]*>([^<]*)", text)
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_no_source_text_keeps_a_control_character_or_begins_a_formula(text: str) -> None:
    said = pl.DataFrame({"a": [text]}).select(words.tidy("a")).item()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", said)
    assert not said.startswith(("=", "+", "-", "@"))


def test_a_release_id_that_is_no_id_is_refused(world: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        Renderer(world.given["wording"]).summary(world.facts["mash", "amelia"], 'x"}</style>', EXPIRES)


def test_every_number_and_date_of_a_summary_stands_in_its_facts(world: SimpleNamespace) -> None:
    renderer = Renderer(world.given["wording"])
    for case in world.facts.values():
        team = world.given["wording"].teams[case.team]
        reason = world.given["wording"].council.reasons[team.reason]
        held = set(re.findall(r"\d+(?:,\d{3})*", " ".join([repr(asdict(case)), reason, RELEASE, words.say(EXPIRES)])))
        shown = set(re.findall(r"\d+(?:,\d{3})*", Page(renderer.summary(case, RELEASE, EXPIRES)).text))
        assert shown <= held


def test_every_fact_of_a_case_is_shown(world: SimpleNamespace) -> None:
    def leaves(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        if isinstance(value, dict):
            return [leaf for each in value.values() for leaf in leaves(each)]
        return [leaf for each in value for leaf in leaves(each)] if isinstance(value, (list, tuple)) else []

    case = world.facts["mash", "amelia"]
    kept = {
        n: v for n, v in asdict(case).items() if n not in ("team", "person_id", "shared", "withheld", "household_note")
    }
    text = " ".join(Page(Renderer(world.given["wording"]).summary(case, RELEASE, EXPIRES)).text.split())
    assert [leaf for leaf in leaves(kept) if " ".join(leaf.split()) not in text] == []


def test_no_wording_of_ours_judges_or_advises() -> None:
    for template in TEMPLATES.glob("*.html"):
        assert wording.lint(template.read_text(encoding="utf-8")) == [], template.name
    wording.load(SITE)


@pytest.mark.parametrize("word", ["at risk", "vulnerable", "should", "recommended", "chaotic", "urgently"])
def test_a_site_whose_wording_judges_is_refused_with_its_line(word: str, tmp_path: Any) -> None:
    import shutil

    shutil.copytree(SITE, tmp_path / "sites" / "x")
    teams = tmp_path / "sites" / "x" / "summaries" / "teams.yaml"
    teams.write_text(teams.read_text(encoding="utf-8").replace("early help has", f"{word} early help has"), "utf-8")
    with pytest.raises(SiteError, match=rf"sites/x/summaries/teams.yaml:4: '{word}' judges or advises"):
        wording.load(tmp_path / "sites" / "x")


def test_terms_quoted_from_a_source_are_not_judged() -> None:
    assert wording.lint("recorded as “high risk” by the police") == []
    assert wording.lint("a\nthe child is at risk") == [(2, "at risk")]


def test_an_index_lists_the_cases_of_a_team_by_name_with_links(world: SimpleNamespace) -> None:
    page = Page(pages(world)["index"])
    assert [a["href"] for a in page.all("a")][1:] == ["2.html", "3.html", "0.html", "1.html"]
    assert "First summary" in page.text
