"""A council's wording: what its teams, partners, categories and codes are called, read from its site.

What belongs here: the shape of those files, and the lint that keeps opinion and advice out of what people read.
Whether something may be shown belongs in `governance.agreements`, never here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from governance.organisation import Organisation, Team, load_organisation
from warehouse.site import Config, SiteError, read_config, short

# Words that judge a person or tell a worker what to do. Source systems may say them; Kinfold's own wording may not.
BANNED = re.compile(
    r"\b(?:at[- ]risk|(?:high|low|medium|very|extreme(?:ly)?)[- ]risk|risky|dangerous|unsafe|vulnerable"
    r"|troubled|chaotic|neglectful|abusive|hostile|aggressive|manipulative|non-?compliant|hard to reach"
    r"|dysfunctional|problematic|concerning|concerns?|worrying|alarming|serious(?:ly)?|severe(?:ly)?|poor(?:ly)?|bad(?:ly)?"
    r"|likely|unlikely|should|ought|must|recommend\w*|advis\w*|suggest\w*|consider\w*|escalate[ds]?|intervene"
    r"|urgent(?:ly)?|immediately|need(?:s)? to|take action|no risk|low concern)\b",
    re.IGNORECASE,
)

_NOT_WORDING = re.compile(
    r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<style.*?</style>|<meta[^>]*>|“[^”]*”", re.DOTALL
)  # template code, style, and terms quoted from a source


class Category(Config):
    """One category of the agreements (an event type, mostly) in words.

    Attributes:
        name: what happened, as a heading or a cell.
        code: a sentence around an unknown code, `{}` where the code stands; known codes are in `codes`.
        value: a phrase around the value, `{}` where it stands; `unit` says how the number is written.
        spell: whether it lasts, so that an open one reads "since".
    """

    name: str
    codes: dict[str, str] = Field(default_factory=dict)
    code: str = "code “{}”"
    value: str = "{}"
    unit: Literal["number", "pounds", "percent", "none"] = "number"
    spell: bool = False


class Vocabulary(Config):
    """What `site.yaml` does not name: codes, roles, kinships and the like; the rest is shown as its source has it."""

    worker_roles: dict[str, str] = Field(default_factory=dict)
    kinships: dict[str, str]
    said_by: dict[str, str]
    topics: dict[str, str] = Field(default_factory=dict)
    certainty: dict[str, str]
    outcomes: dict[str, str] = Field(default_factory=dict)
    categories: dict[str, Category]


class Introductions(Config):
    """The sentence with which each team's summaries say why it has them."""

    introductions: dict[str, str]


@dataclass(frozen=True)
class Wording:
    """All words of one council: what `site.yaml` calls things, the vocabulary, and the teams' introductions."""

    council: Organisation
    vocabulary: Vocabulary
    introductions: Mapping[str, str]

    @property
    def teams(self) -> dict[str, Team]:
        """The teams that have cases, and so summaries."""
        return {name: team for name, team in self.council.teams.items() if team.service}

    @property
    def partners(self) -> dict[str, str]:
        """What partners are called."""
        return {party.id: party.name for party in self.council.parties}

    @property
    def services(self) -> dict[str, str]:
        """What services are called."""
        return self.council.services

    def category(self, name: str) -> str:
        """What agreements call a category, in plain words."""
        return self.council.category(name) if name in self.council.known_categories else plain(name)


def load(site: Path) -> Wording:
    """Read and lint a site's wording.

    Raises:
        SiteError: a file is missing, has a mistake, or uses a word that judges or advises; each with file and line.
    """
    folder = site / "summaries"
    files = [folder / name for name in ("vocabulary.yaml", "teams.yaml")]
    for path in files:
        if not path.is_file():
            raise SiteError(
                [f"{site.name}/summaries/{path.name} is missing. Copy it from sites/harrowmere, change it."]
            )
    wording = Wording(
        council=load_organisation(site),
        vocabulary=read_config(files[0], Vocabulary),
        introductions=read_config(files[1], Introductions).introductions,
    )
    mistakes = [
        f"{short(path)}:{number}: {word!r} judges or advises. Say what is recorded instead."
        for path in files
        for number, word in lint(path.read_text(encoding="utf-8"))
    ]
    mistakes += [
        f"{short(files[1])}:1: the team {team!r} has cases and no introduction. Write one."
        for team in wording.teams
        if team not in wording.introductions
    ]
    if mistakes:
        raise SiteError(mistakes)
    return wording


def lint(text: str) -> list[tuple[int, str]]:
    """Words in Kinfold's or a site's own wording that judge a person or give advice, with their lines.

    Comments, template code, style, and terms quoted from a source (between “ and ”) are not read.
    """
    quiet = _NOT_WORDING.sub(lambda found: "\n" * found[0].count("\n"), text)
    return [
        (number, found[0])
        for number, line in enumerate(quiet.splitlines(), 1)
        if not line.lstrip().startswith("#")
        for found in BANNED.finditer(line)
    ]


def plain(key: str) -> str:
    """A key as words, for what a vocabulary does not name: `missing_episode` becomes `Missing episode`."""
    words = key.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
