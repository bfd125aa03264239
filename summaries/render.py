"""Facts as pages: self-contained HTML that opens offline, prints well and can be read with a screen reader.

What belongs here: compiling templates once and filling them. No fact is chosen, counted or reworded here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from governance.inert import shown
from summaries.facts import CaseFacts
from summaries.wording import Wording
from summaries.words import say

TEMPLATES = Path(__file__).with_name("templates")
_RELEASE = re.compile(r"[0-9A-Za-z-]{1,64}")


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: shown(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: "" if number is None else f"{number:,}"
    environment.globals["css"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template(name)


def page(name: str, **values: Any) -> str:
    """Fill one template; a value that it needs and lacks is an error."""
    return _template(name).render(values)


class Renderer:
    """Case summaries and team indexes in one council's wording."""

    def __init__(self, wording: Wording) -> None:
        self.wording = wording
        self._summary = _template("summary.html")
        self._fixed: dict[int, tuple[Any, Markup]] = {}
        self._agreement = _template("agreement.html")

    def summary(self, facts: CaseFacts, release_id: str, expires_on: date | None) -> str:
        """One case summary.

        Args:
            facts: from `facts.gather`.
            release_id: the release's id; printed on every page.
            expires_on: when the file is deleted; null where the agreement sets no day.

        Raises:
            ValueError: the release id holds anything but letters, digits and hyphens.
        """
        if not _RELEASE.fullmatch(release_id):
            raise ValueError("a release id holds letters, digits and hyphens only")
        team = self.wording.teams[facts.team]
        return self._summary.render(
            facts=facts,
            team=team,
            introduction=self.wording.introductions[facts.team],
            reason=self.wording.council.reasons[team.reason],
            release_id=release_id,
            expires=say(expires_on) if expires_on else None,
            agreement=self._terms(facts),
        )

    def index(
        self, team: str, rows: Iterable[Mapping[str, Any]], night: date, recalls: Iterable[tuple[date, str]] = ()
    ) -> str:
        """A team's list of cases, by name.

        Args:
            team: the team's id.
            rows: dicts with `facts` (CaseFacts) and `file` (the released file's name, beside the index).
            night: the night.
            recalls: nights whose recalls are open, and the file that tells of each, beside the index.
        """
        cases = sorted(
            (
                {
                    "name": row["facts"].name,
                    "born": next((value for label, value in row["facts"].subject if label == "Date of birth"), ""),
                    "since": row["facts"].since,
                    "changes": len(row["facts"].changes) if row["facts"].previous else None,
                    "flags": ", ".join(flag["band"] for flag in row["facts"].flags),
                    "file": row["file"],
                }
                for row in rows
            ),
            key=lambda case: (case["name"], case["born"], case["file"]),
        )
        open_recalls = [(say(of), file) for of, file in recalls]
        return page("index.html", team=self.wording.teams[team], cases=cases, night=say(night), recalls=open_recalls)

    def _terms(self, facts: CaseFacts) -> Markup:
        """The sections on agreements, which are the same for every like case: filled once."""
        key = id(facts.basis)
        if key not in self._fixed:
            text = Markup(self._agreement.render(basis=facts.basis, refused=facts.refused))  # noqa: S704 - autoescaped
            self._fixed[key] = (facts.basis, text)  # holding the list keeps its id from being used again
        return self._fixed[key][1]
