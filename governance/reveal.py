"""What is shown on a screen and never becomes a file: asked of the agreements, written to the audit log, then shown.

What belongs here: who asks, what they may see of whom, and the entry that stands in the log before they see it. The
values themselves are opened by the rooms above, after that, and kept nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from governance.agreements import Agreements, Answer, Question, Subject, subjects
from governance.audit import AuditLog, Entry, account
from governance.organisation import Organisation

IDENTITY = "identity"
REVEAL, REFUSE, MANY = "reveal", "refuse", "many"  # actions in the audit log
LIMIT = 20  # people whom one user reveals within a day before it is marked
DAY = timedelta(days=1)
_CASE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9/._-]{0,39}")


class RevealRefused(Exception):
    """What was asked for is not permitted, or was asked for wrongly; says why, and quotes no value."""


@dataclass(frozen=True)
class Asker:
    """Who asks, in which team and role, for which of the site's reasons and, where there is one, for which case.

    `login` is who signed in to the machine, where that is known: a name can be claimed, and the log keeps both.
    """

    who: str
    team: str
    role: str
    reason: str
    case: str | None = None
    login: str | None = None

    def entry(self, action: str, person_id: str | None, cited: str | None, at: datetime) -> Entry:
        """An entry of the audit log about what they did; `at` is naive UTC."""
        return Entry(at, self.who, self.role or None, action, self.team, person_id, self.reason, cited, case=self.case)


@dataclass(frozen=True)
class Asked:
    """What the agreements answered: agreement and clause by partner, and why not by the other partners."""

    cited: Mapping[str, str]
    refused: Mapping[str, str]

    @property
    def citation(self) -> str:
        """The agreements with their clauses, each once."""
        clauses: dict[str, list[str]] = {}
        for one in sorted(set(self.cited.values()), key=lambda text: (len(text), text)):
            agreement, _, clause = one.rpartition(" ")
            clauses.setdefault(agreement, []).append(clause)
        return "; ".join(f"{agreement} {', '.join(found)}" for agreement, found in sorted(clauses.items()))


@dataclass(frozen=True)
class Revealed:
    """A look that is in the log: what may be shown, what not, and how many people this user has seen within a day."""

    asked: Asked
    people: int

    @property
    def many(self) -> bool:
        """Whether that is more than is usual, which the log has marked."""
        return self.people > LIMIT


def ask(
    agreements: Agreements,
    asker: Asker,
    partners: Iterable[str],
    on: date,
    subject: Subject | None = None,
    housemates: Sequence[Subject] = (),
) -> Asked:
    """Ask for somebody's identity, partner by partner.

    Args:
        agreements: of the council.
        asker: who asks.
        partners: whose record is asked for.
        on: the day.
        subject: what agreements ask of the person; None about nobody in particular.
        housemates: the same of those who live with the person: an agreement may cover whoever lives with one it covers.
    """
    cited, refused = {}, {}
    for partner in sorted(set(partners)):
        answer = _answer(agreements, asker, partner, on, subject, housemates)
        if answer.allowed:
            cited[partner] = f"{answer.agreement} {answer.clause}"
        else:
            refused[partner] = answer.why
    return Asked(cited, refused)


def reveal(
    agreements: Agreements,
    log: AuditLog,
    asker: Asker,
    person_id: str,
    partners: Iterable[str],
    at: datetime,
    on: date,
    subject: Subject | None,
    housemates: Sequence[Subject] = (),
) -> Revealed:
    """Ask whether one person may be re-identified, and write the answer to the audit log, whichever it is.

    Args:
        agreements: of the council.
        log: the audit log.
        asker: who asks; a case is needed.
        person_id: about whom.
        partners: all partners that could hold something; who does is nobody's business who may not see it.
        at: when, naive UTC.
        on: the day where the council is.
        subject, housemates: as in `ask`.

    Returns:
        What may be shown. By then the log has it.

    Raises:
        RevealRefused: nothing may be shown; the log has the refusal.
        AuditError: the log cannot be trusted or written, so that nothing may be shown.
    """
    wrong = _badly_asked(asker, agreements.council)
    asked = ask(agreements, asker, partners, on, subject, housemates) if not wrong else Asked({}, {})
    if not asked.cited:
        log.append([known(asker, agreements.council).entry(REFUSE, person_id, None, at)])
        why = wrong or next(iter(dict.fromkeys(asked.refused.values())), "there is no feed")
        raise RevealRefused(f"not shown: {why}. The audit log has that it was asked for.")
    seen = _seen(log, at) | {person_id}
    entries = [asker.entry(REVEAL, person_id, asked.citation, at)]
    if len(seen) > LIMIT:
        entries.append(asker.entry(MANY, person_id, None, at))
    log.append(entries)
    return Revealed(asked, len(seen))


def about(
    person_id: str, people: pl.DataFrame, involvements: pl.DataFrame, home: Collection[str], on: date
) -> tuple[Subject | None, list[Subject]]:
    """What agreements ask of a person and of those in the same home; None for somebody who is not known.

    Args:
        person_id: the person.
        people: person_id, birth_date of these people.
        involvements: as `agreements.subjects` takes them.
        home: ids of those who live with the person.
        on: the day.
    """
    wanted = people.filter(pl.col("person_id").is_in([person_id, *home]))
    rows = subjects(wanted, involvements, on)
    found = {row["person_id"]: Subject(row["age"], frozenset(row["open_to"] or ())) for row in rows.to_dicts()}
    return found.get(person_id), [one for other, one in found.items() if other != person_id]


def known(asker: Asker, council: Organisation) -> Asker:
    """The same without what the council does not know, and might be a name: the log holds none."""
    return replace(
        asker,
        team=asker.team if asker.team in council.teams else "unknown",
        role=asker.role if any(asker.role in team.roles for team in council.teams.values()) else "unknown",
        reason=asker.reason if asker.reason in council.reasons else "unknown",
        case=asker.case if asker.case and _CASE.fullmatch(asker.case) else None,
    )


# -- inside ---------------------------------------------------------------------------------------------------------


def _answer(
    agreements: Agreements, asker: Asker, partner: str, on: date, subject: Subject | None, housemates: Sequence[Subject]
) -> Answer:
    def permits(about: Subject | None) -> Answer:
        return agreements.permits(Question(asker.team, asker.role, asker.reason, partner, IDENTITY, on, subject=about))

    alone = permits(subject)
    if alone.allowed or subject is None or not housemates:
        return alone
    beside = permits(Subject(subject.age, subject.open_to, household_covered=True))
    covered = beside.agreement and any(agreements.covers(beside.agreement, one) for one in housemates)
    return beside if beside.allowed and covered else alone


def _badly_asked(asker: Asker, council: Organisation) -> str:
    """What is wrong with how it was asked; empty where nothing is."""
    if asker.case is None or not _CASE.fullmatch(asker.case):
        return (
            "the case is to be its reference in your own system: letters, digits and / . _ - with a digit among them, "
            "at most 40 characters, and never a name"
        )
    if asker.reason not in council.reasons:
        return f"the council knows no such reason. Reasons: {', '.join(sorted(council.reasons))}"
    if asker.team not in council.teams:
        return f"the council has no such team. Teams: {', '.join(sorted(council.teams))}"
    if asker.role not in council.teams[asker.team].roles:
        return f"the team has no such role. Its roles: {', '.join(council.teams[asker.team].roles)}"
    if not council.serves(asker.login, asker.team, asker.role):
        return "the list of staff in site.yaml does not have this account of the machine in that team and role"
    return ""


def _seen(log: AuditLog, at: datetime) -> set[str]:
    """The people whom the same account of the machine saw in the last day, whatever name was given."""
    frame = log.frame().filter(pl.col("action") == REVEAL, pl.col("at") > at - DAY)
    return set(frame.filter(pl.col("account") == account())["person_id"].drop_nulls())
