"""The council as `sites/<council>/site.yaml` describes it: parties, services, teams, and the words agreements may use.

What belongs here: who there is and what things are called. Who may see what is said by `governance.agreements`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, PlainSerializer

from warehouse.site import Config, SiteError, read_config, read_yaml

COUNCIL = "council"  # the party that every team belongs to, and that signs for its own departments
OWN_CATEGORIES = {
    "identity": "Name, date of birth and address",
    "profile": "Age band, sex and deprivation, in exports alone",
    "household": "Household",
    "involvement": "Services and workers involved",
    "voice": "What the child or family said",
    "risk_flag": "Risk flags",
    "row_faults": "Which of its own rows broke which rule",
    "row_values": "What stood in its own rows, and the keys of its own records",
}
RETURNED = ("row_faults", "row_values")  # what was wrong with a partner's rows goes back to that partner alone
OF_DEPARTMENTS = ("involvement", "voice")  # what the council shares of these includes what its departments told


@dataclass(frozen=True)
class Length:
    """A length of time as agreements write it: `30d`, `6m`, `2y`."""

    count: int
    unit: str

    def before(self, day: date) -> date:
        """The day that lies this long before `day`."""
        return self._moved(day, -self.count)

    def after(self, day: date) -> date:
        """The day that lies this long after `day`."""
        return self._moved(day, self.count)

    def _moved(self, day: date, count: int) -> date:
        if self.unit == "d":
            return day + timedelta(days=count)
        months = day.year * 12 + day.month - 1 + count * (12 if self.unit == "y" else 1)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


def _length(value: Any) -> Any:
    found = re.fullmatch(r"(\d{1,4})([dmy])", value) if isinstance(value, str) else None
    if isinstance(value, Length):
        return value
    if found is None:
        raise ValueError("a length of time is written as a number of days, months or years, such as 30d, 6m or 2y")
    return Length(int(found[1]), found[2])


Period = Annotated[Length, BeforeValidator(_length), PlainSerializer(str, when_used="json")]


class Party(Config):
    """Somebody who may sign an agreement, or a department that another party signs for (`part_of`)."""

    id: str
    name: str
    part_of: str | None = None


class Team(Config):
    """A team that receives files.

    Attributes:
        name: as a person would say it.
        service: the service whose involvement makes a case the team's own; none for a team without cases.
        party: the partner whose own people they are, and who read what was wrong with its deliveries.
        roles: who is in it; the first is the role that nightly summaries are written for.
        reason: why its nightly files are released.
        keep_summaries: how long a summary may lie in its folder, if shorter than the agreement says.
        unix_group: the group of the machine that may read the team's folder; none: its owner alone, who hands it on.
    """

    name: str
    service: str | None = None
    party: str | None = None
    roles: tuple[str, ...] = Field(min_length=1)
    reason: str
    keep_summaries: Period | None = None
    unix_group: str | None = None


class Post(Config):
    """A team, and the roles in it that somebody has."""

    team: str
    roles: tuple[str, ...] = Field(min_length=1)


class Sensitive(Config):
    """Which categories of record the law guards more.

    Attributes:
        special: special category data (UK GDPR Article 9), such as health and ethnicity, and what reveals them.
        offences: data about offences and those suspected of them (Article 10).
    """

    special: tuple[str, ...] = ()
    offences: tuple[str, ...] = ()


class Officers(Config):
    """Who answers for the system, by name or post; what is not told here the papers leave open, to be completed.

    Attributes:
        senior_information_risk_owner, data_protection_officer, caldicott_guardian: whom law or guidance asks for.
        risk_owner: who owns the risks that are left.
        system_owner: who answers for how it is run.
        contact: how the public reaches the council about its data.
        transparency: where the notice to the public stands.
        policy: where the appropriate policy document stands (DPA 2018 Schedule 1 Part 4).
    """

    senior_information_risk_owner: str | None = None
    data_protection_officer: str | None = None
    caldicott_guardian: str | None = None
    risk_owner: str | None = None
    system_owner: str | None = None
    contact: str | None = None
    transparency: str | None = None
    policy: str | None = None


class Organisation(Config):
    """One council: its parties, services and teams, and the plain names of categories and reasons.

    Attributes:
        marts_for: the team that queries the marts; what its agreements do not share is not in them.
        quality_for: the team that reads how good every delivery was.
        sensitive: which categories need more than a condition of Article 6; None where the site does not say.
        officers: who answers for what, as the papers name them.
        staff: by user of the machine, the posts for which they may ask to see who somebody is. Where it is left out,
            whoever may run Kinfold may name any team, and the audit log has who did.
    """

    council: str
    timezone: str
    parties: tuple[Party, ...]
    services: dict[str, str]
    teams: dict[str, Team]
    marts_for: str
    quality_for: str
    reasons: dict[str, str]
    categories: dict[str, str]
    sensitive: Sensitive | None = None
    officers: Officers = Officers()
    staff: dict[str, tuple[Post, ...]] | None = None

    def serves(self, login: str | None, team: str, role: str) -> bool:
        """Whether a user of the machine may ask in a role of a team."""
        if self.staff is None:
            return True
        return any(post.team == team and role in post.roles for post in self.staff.get(login or "", ()))

    def party(self, name: str) -> Party:
        """The party of that id; KeyError if there is none."""
        return {p.id: p for p in self.parties}[name]

    def signs_for(self, name: str) -> str:
        """The party whose signature binds `name`: itself, or the one that it is part of."""
        return self.party(name).part_of or name

    def outside(self, team: str) -> str | None:
        """The party outside the council whose own people a team is; None for a team of the council."""
        party = self.teams[team].party if team in self.teams else None
        return None if party is None or self.signs_for(party) == COUNCIL else party

    def readers(self, partner: str) -> dict[str, Team]:
        """The teams that read what was wrong with a partner's own deliveries, by name."""
        return {name: team for name, team in self.teams.items() if team.party == partner}

    @property
    def departments(self) -> tuple[str, ...]:
        """Ids of the parties that are part of the council."""
        return tuple(p.id for p in self.parties if p.part_of == COUNCIL)

    def category(self, name: str) -> str:
        """The plain name of a category of data; KeyError if there is none."""
        return (OWN_CATEGORIES | self.categories)[name]

    @property
    def known_categories(self) -> frozenset[str]:
        """Every category that an agreement may name: the kinds of event, and what Kinfold makes itself."""
        return frozenset(OWN_CATEGORIES | self.categories)


def load_organisation(site: Path) -> Organisation:
    """Read `site.yaml` of a council's folder.

    Raises:
        SiteError: every mistake, each with file, line and remedy.
    """
    path = site / "site.yaml"
    if not path.is_file():
        raise SiteError(
            [f"{site.name}/site.yaml is not there. Copy one from another folder under sites/ and adapt it."]
        )
    made = read_config(path, Organisation)
    document = read_yaml(path)
    parties = [p.id for p in made.parties]
    wrong: list[str] = []

    def check(where: tuple[str | int, ...], kind: str, name: str | None, known: Iterable[str]) -> None:
        if name is not None and name not in known:
            wrong.append(document.mistake(where, unknown(kind, name, known)))

    if COUNCIL not in parties:
        wrong.append(document.mistake(("parties",), f"no party has the id {COUNCIL!r}. Add the council itself."))
    for position, party in enumerate(made.parties):
        check(("parties", position, "part_of"), "party", party.part_of, parties)
        if party.id in parties[:position]:
            wrong.append(document.mistake(("parties", position), f"party {party.id!r} stands here twice. Remove one."))
    for name, team in made.teams.items():
        check(("teams", name, "service"), "service", team.service, made.services)
        check(("teams", name, "reason"), "reason", team.reason, made.reasons)
        check(("teams", name, "party"), "party", team.party, parties)
    for login, posts in (made.staff or {}).items():
        for position, post in enumerate(posts):
            check(("staff", login, position, "team"), "team", post.team, made.teams)
            for place, role in enumerate(post.roles if post.team in made.teams else ()):
                check(("staff", login, position, "roles", place), "role", role, made.teams[post.team].roles)
    kinds: dict[str, Iterable[str]] = {
        "parties": parties, "teams": made.teams, "services": made.services, "reasons": made.reasons,
        "categories": made.categories,
    }  # fmt: skip
    for part, names in kinds.items():
        wrong += [document.mistake(where, what) for where, what in _look_alikes(part, list(names))]
    for kind in ("special", "offences"):
        for n, category in enumerate(getattr(made.sensitive, kind, ())):
            check(("sensitive", kind, n), "category", category, made.known_categories)
    check(("marts_for",), "team", made.marts_for, made.teams)
    check(("quality_for",), "team", made.quality_for, made.teams)
    try:
        ZoneInfo(made.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        wrong.append(document.mistake(("timezone",), f"{made.timezone!r} is no time zone, such as Europe/London."))
    if wrong:
        raise SiteError(wrong)
    return made


def _look_alikes(part: str, names: list[str]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Names that a reader of an agreement could take for others, and where in the file they stand."""
    read: dict[str, str] = {}
    for position, name in enumerate(names):
        where = (part, position if part == "parties" else name)
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            yield where, f"{name!a} may hold a-z, 0-9, - and _ alone, so that it cannot look like another name."
        alike = read.setdefault(re.sub("[-_]", "", name).replace("1", "l").replace("0", "o").replace("rn", "m"), name)
        if alike != name:
            yield where, f"{name!r} reads like {alike!r}, which stands here too. Choose a name that nobody can mistake."


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, and which known name is nearest to it."""
    known = sorted(known)
    if not name.isascii():
        odd = f"there is no {kind} {name!a}: it holds other letters than a-z, which may only look like them."
        return f"{odd} Known: {', '.join(known)}."
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    meant = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
    return f"there is no {kind} {name!r}. {meant}"
