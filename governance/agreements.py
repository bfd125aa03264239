"""Sharing agreements: the only way to a yes.

What belongs here: reading a council's agreements and answering whether a team may see something. Nothing is permitted
that no agreement in force names; carrying an answer out belongs in `governance.release` and the rooms above.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, model_validator

from governance.organisation import COUNCIL, OF_DEPARTMENTS, RETURNED, Organisation, Period, load_organisation, unknown
from warehouse.site import Config, Document, SiteError, read_config, read_yaml
from warehouse.tables import EVENT, INVOLVEMENT, RELATIONSHIP, VOICE

_LIMITED = ("end", "code", "value", "recorded_at", "team", "worker_role")  # what a clause's `fields` may leave out
FIELDS = frozenset(c.name for t in (EVENT, INVOLVEMENT, RELATIONSHIP, VOICE) for c in t.columns)
SECTIONS = pl.Schema(
    [
        ("team", pl.String()),
        ("partner", pl.String()),
        ("category", pl.String()),
        ("fields", pl.List(pl.String)),  # only these columns; null is all
        ("look_back", pl.String()),  # 30d, 6m, 2y; null is no limit
        ("since", pl.Date()),  # the first day that the look-back reaches; null is no limit
        ("open_to", pl.List(pl.String)),  # it covers people open to one of these services, or ...
        ("age_under", pl.Int32()),  # ... younger than this; both null: everyone
        ("household", pl.Boolean()),  # and whoever lives with a person who is covered
        ("agreement", pl.String()),
        ("clause", pl.String()),
    ]
)


class _Valid(Config):
    """From which day until which, both included, and when it is to be looked at again."""

    from_: date = Field(alias="from")
    until: date
    review: date | None = None


class _Signature(Config):
    """Which party signed, by whom, when."""

    party: str
    role: str
    on: date

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, data: Any) -> Any:
        """YAML 1.1 reads the bare key `on` as true."""
        return {"on" if key is True else key: value for key, value in data.items()} if isinstance(data, dict) else data


class _Recipient(Config):
    """A team, the roles in it that may receive, and whether its files leave encrypted to the team's public key."""

    team: str
    roles: tuple[str, ...]
    encrypt: bool = False


class _Or(Config):
    """Whom an agreement covers besides those open to a service."""

    age_under: int | None = None


@dataclass(frozen=True)
class Subject:
    """What an agreement asks of the person that data is about.

    Attributes:
        age: whole years; None where it is not known.
        open_to: the services that work with the person now.
        household_covered: whether somebody in the same household is covered by themselves.
    """

    age: int | None = None
    open_to: frozenset[str] = frozenset()
    household_covered: bool = False


class People(Config):
    """Whom an agreement covers: people open to a service, or by age, and their households if it says so."""

    open_to: tuple[str, ...] = ()
    or_: _Or = Field(default=_Or(), alias="or")
    and_household: bool = False

    def covers(self, subject: Subject) -> bool:
        """Whether a person is covered; nobody is for want of knowledge."""
        young = self.or_.age_under is not None and subject.age is not None and subject.age < self.or_.age_under
        return young or bool(subject.open_to & set(self.open_to)) or (self.and_household and subject.household_covered)

    def expression(self) -> pl.Expr:
        """`covers` over the columns `age` (years), `open_to` (list of services), `household_covered` (Boolean)."""
        terms = [pl.col("open_to").list.set_intersection(list(self.open_to)).list.len() > 0]
        if self.or_.age_under is not None:
            terms.append(pl.col("age") < self.or_.age_under)
        if self.and_household:
            terms.append(pl.col("household_covered"))
        return functools.reduce(operator.or_, (term.fill_null(False) for term in terms))


class _Share(Config):
    """One clause: what one party gives to which teams."""

    from_: str = Field(alias="from")
    categories: tuple[str, ...] = Field(min_length=1)
    fields: tuple[str, ...] | None = None
    look_back: Period | None = None
    to: tuple[str, ...] = Field(min_length=1)


class _Retention(Config):
    """How long each kind of file may be kept; a kind without a length may not be made."""

    summary: Period | None = None
    export: Period | None = None
    audit: Period


class Agreement(Config):
    """One sharing agreement in one version."""

    agreement: str
    version: int
    purpose: str
    lawful_basis: tuple[str, ...] = Field(min_length=1)
    valid: _Valid
    signed: tuple[_Signature, ...]
    recipients: tuple[_Recipient, ...] = Field(min_length=1)
    reasons: tuple[str, ...] = Field(min_length=1)
    people: People | None = None
    shares: tuple[_Share, ...]
    retention: _Retention
    onward_sharing: str

    @property
    def name(self) -> str:
        """Agreement and version, as answers and the audit log cite it."""
        return f"{self.agreement} v{self.version}"

    def in_force(self, on: date) -> bool:
        """Whether the day lies within its dates."""
        return self.valid.from_ <= on <= self.valid.until

    def signed_by(self, party: str, on: date) -> bool:
        """Whether a party had signed by that day."""
        return any(s.party == party and s.on <= on for s in self.signed)


@dataclass(frozen=True)
class Question:
    """May this role of this team, for this reason, see this of that partner's, about such a person, on that day?

    Attributes:
        field: a single column of it; None asks for the category as a whole, with the columns the clause names.
        happened: the day on which what is asked for happened; None leaves the look-back to the asker.
        subject: about whom; None for what is about nobody in particular, which an agreement about people refuses.
    """

    team: str
    role: str
    reason: str
    partner: str
    category: str
    on: date
    field: str | None = None
    happened: date | None = None
    subject: Subject | None = None


@dataclass(frozen=True)
class Answer:
    """Yes by an agreement and clause, or no and why: the nearest that any agreement came to a yes."""

    allowed: bool
    agreement: str | None
    clause: str | None
    why: str


class Agreements:
    """All agreements of one council. What they do not name is withheld."""

    def __init__(self, agreements: Iterable[Agreement], council: Organisation) -> None:
        self._council = council
        self._all = sorted(agreements, key=lambda a: (a.agreement, -a.version))

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Agreement]:
        return iter(self._all)

    def permits(self, question: Question) -> Answer:
        """Answer one question; the first agreement by name, newest version first, that says yes is cited."""
        refusals: list[tuple[int, Answer]] = []
        for agreement in self._current(question.on):
            answer, reached = self._asked(agreement, question)
            if answer.allowed:
                return answer
            refusals.append((reached, answer))
        if not refusals:
            return Answer(False, None, None, "there is no agreement")
        return max(refusals, key=operator.itemgetter(0))[1]

    def sections(self, team: str, role: str, reason: str, on: date) -> pl.DataFrame:
        """Everything that a role of a team may see for a reason, as the frame `SECTIONS`, in a fixed order.

        One row an agreement, partner and category: the clause with the most columns and then the longest look-back.
        Whom it covers is another question: `covering`.
        """
        rows: list[dict[str, Any]] = []
        for agreement in self._current(on):
            if self._refusal(agreement, team, role, reason, on):
                continue
            best: dict[tuple[str, str], tuple[tuple[Any, ...], str, _Share]] = {}
            for position, share in enumerate(agreement.shares):
                if team not in share.to or not agreement.signed_by(self._council.signs_for(share.from_), on):
                    continue
                reach = share.look_back.before(on) if share.look_back else date.min
                width = (share.fields is None, len(share.fields or ()), -reach.toordinal())
                for category in share.categories:
                    for partner in self._givers(share, category):
                        pair = (partner, category)
                        if pair not in best or width > best[pair][0]:
                            best[pair] = (width, f"shares[{position}]", share)
            people = agreement.people
            rows += [
                {
                    "team": team,
                    "partner": partner,
                    "category": category,
                    "fields": list(share.fields) if share.fields is not None else None,
                    "look_back": str(share.look_back) if share.look_back else None,
                    "since": share.look_back.before(on) if share.look_back else None,
                    "open_to": list(people.open_to) if people else None,
                    "age_under": people.or_.age_under if people else None,
                    "household": people is None or people.and_household,
                    "agreement": agreement.name,
                    "clause": clause,
                }
                for (partner, category), (_, clause, share) in best.items()
            ]
        return pl.DataFrame(rows, schema=SECTIONS).sort("agreement", "partner", "category")

    def covering(self, agreement: str) -> pl.Expr:
        """Whether an agreement, named as in `sections`, covers a person.

        Reads the columns `age` (years), `open_to` (list of services) and `household_covered` (Boolean).
        """
        people = self._named(agreement).people
        return people.expression() if people else pl.lit(True)

    def covers(self, agreement: str, subject: Subject | None) -> bool:
        """`covering` for one person; about nobody in particular only where an agreement is not about people."""
        people = self._named(agreement).people
        return people is None or (subject is not None and people.covers(subject))

    def expires(self, agreement: str, kind: str, on: date, team: str | None = None) -> date | None:
        """The day on which a file released under an agreement must be gone; None if that kind may not be made.

        `kind` is summary, or else counts as an export. A team may keep its summaries for less than agreed, never more.
        """
        retention = self._named(agreement).retention
        agreed = retention.summary if kind == "summary" else retention.export
        if agreed is None:
            return None
        ends = [agreed.after(on)]
        known = self._council.teams.get(team) if team and kind == "summary" else None
        if known and known.keep_summaries:
            ends.append(known.keep_summaries.after(on))
        return min(ends)

    @property
    def council(self) -> Organisation:
        """The council whose agreements they are."""
        return self._council

    def purpose(self, agreement: str) -> str:
        """What an agreement, named as in `sections`, is for."""
        return self._named(agreement).purpose

    def encrypts(self, agreement: str, team: str) -> bool:
        """Whether files that an agreement lets go to a team leave encrypted to the team's public key."""
        return any(r.team == team and r.encrypt for r in self._named(agreement).recipients)

    # -- inside --------------------------------------------------------------------------------------------------

    def _named(self, name: str) -> Agreement:
        found = [a for a in self._all if a.name == name]
        if not found:
            raise KeyError(f"there is no agreement {name!r}")
        return found[0]

    def _current(self, on: date) -> list[Agreement]:
        """Of each agreement the newest version in force, or else the newest there is, which then says why not."""
        newest: dict[str, Agreement] = {}
        for agreement in self._all:
            if agreement.agreement not in newest or (
                agreement.in_force(on) and not newest[agreement.agreement].in_force(on)
            ):
                newest[agreement.agreement] = agreement
        return list(newest.values())

    def _givers(self, share: _Share, category: str) -> tuple[str, ...]:
        """The partners whose data a clause gives: the one it names; for some categories its departments too."""
        whole = share.from_ == COUNCIL and category in OF_DEPARTMENTS
        return (share.from_, *(self._council.departments if whole else ()))

    def _refusal(self, agreement: Agreement, team: str, role: str, reason: str, on: date) -> tuple[int, str] | None:
        """Why an agreement gives this team, role and reason nothing at all on a day, and how near it came."""
        roles = {r.team: r.roles for r in agreement.recipients}
        if team not in self._council.teams:
            return 0, unknown("team", team, self._council.teams)
        if team not in roles:
            return 0, f"{agreement.name} does not name the team {team!r}"
        if role not in roles[team]:
            return 1, f"{agreement.name} does not name the role {role!r} of the team {team!r}"
        if reason not in agreement.reasons:
            return 2, f"{agreement.name} does not name the reason {reason!r}"
        if on < agreement.valid.from_:
            return 3, f"{agreement.name} is not valid before {agreement.valid.from_}"
        if on > agreement.valid.until:
            return 3, f"{agreement.name} expired on {agreement.valid.until}"
        if not agreement.signed_by(COUNCIL, on):
            return 4, f"{agreement.name} is not signed by {COUNCIL!r}, whose team {team!r} is"
        return None

    def _asked(self, agreement: Agreement, q: Question) -> tuple[Answer, int]:
        def no(why: str, clause: str | None = None) -> Answer:
            return Answer(False, agreement.name, clause, why)

        refusal = self._refusal(agreement, q.team, q.role, q.reason, q.on)
        if refusal:
            return no(refusal[1]), refusal[0]
        best = no(f"{agreement.name} shares no {q.category!r} of {q.partner!r} with the team {q.team!r}"), 5
        for position, share in enumerate(agreement.shares):
            if q.team not in share.to or q.category not in share.categories:
                continue
            if q.partner not in self._givers(share, q.category):
                continue
            clause = f"shares[{position}]"
            signer = self._council.signs_for(share.from_)
            if not agreement.signed_by(signer, q.on):
                best = max(best, (no(f"{agreement.name} is not signed by {signer!r}", clause), 6), key=_reach)
            elif q.field is not None and share.fields is not None and q.field not in share.fields:
                best = max(best, (no(f"{clause} does not name the field {q.field!r}", clause), 7), key=_reach)
            elif share.look_back and q.happened and q.happened < share.look_back.before(q.on):
                best = max(best, (no(f"{clause} looks back {share.look_back}, no further", clause), 8), key=_reach)
            elif not self.covers(agreement.name, q.subject):
                best = max(best, (no(f"{agreement.name} does not cover this person", clause), 9), key=_reach)
            else:
                return Answer(True, agreement.name, clause, agreement.purpose), 10
        return best


def _reach(refused: tuple[Answer, int]) -> int:
    return refused[1]


def limited(rows: pl.LazyFrame, sections: pl.DataFrame, category: pl.Expr) -> pl.LazyFrame:
    """Of what partners told, what the sections share: other rows are left out, fields that no clause names are null.

    Args:
        rows: with `partner` and `start`; facts about start, end, code, value, team and role may stand beside.
        sections: of one team, role and reason (`Agreements.sections`).
        category: the category of a row.
    """
    shared = (
        sections.lazy()
        .sort("agreement")
        .unique(["partner", "category"], keep="first", maintain_order=True)
        .select("partner", pl.col("category").alias("_category"), "since", "fields")
    )
    columns = rows.collect_schema().names()
    named = [c for c in _LIMITED if c in columns]
    reached = pl.col("since").is_null() | (pl.col("start").dt.date() >= pl.col("since"))
    return (
        rows.with_columns(category.alias("_category"))
        .join(shared, on=["partner", "_category"])
        .filter(reached)
        .with_columns(
            pl.when(pl.col("fields").is_null() | pl.col("fields").list.contains(c)).then(pl.col(c)).alias(c)
            for c in named
        )
        .select(columns)
    )


def subjects(people: pl.DataFrame, involvements: pl.DataFrame, on: date) -> pl.DataFrame:
    """What agreements ask of each person: `person_id`, `age` in years on the day, `open_to` services.

    Args:
        people: columns person_id, birth_date.
        involvements: columns person_id, service, start, end; only rows that stand on the day.
        on: the day; an involvement that ends on it is no longer open.
    """
    open_now = involvements.filter(pl.col("end").is_null() | (pl.col("end").dt.date() > on))
    services = open_now.group_by("person_id").agg(pl.col("service").unique().sort().alias("open_to"))
    born = pl.col("birth_date")
    before = (born.dt.month() > on.month) | ((born.dt.month() == on.month) & (born.dt.day() > on.day))
    age = (on.year - born.dt.year() - before.cast(pl.Int32)).alias("age")
    return people.select("person_id", age).join(services, on="person_id", how="left", maintain_order="left")


def load_agreements(site: Path, categories: Iterable[str] | None = None) -> Agreements:
    """Read `site.yaml` and every `agreements/*.agreement.yaml` of a council's folder.

    Args:
        site: the council's folder.
        categories: what agreements may share; those that `site.yaml` names when not given.

    Raises:
        SiteError: every mistake in every file, each with its line and the nearest known name.
    """
    council = load_organisation(site)
    known = frozenset(categories) if categories is not None else council.known_categories
    made: list[Agreement] = []
    wrong: list[str] = []
    for path in sorted((site / "agreements").glob("*.agreement.yaml")):
        try:
            agreement = read_config(path, Agreement)
        except SiteError as error:
            wrong += error.mistakes
            continue
        document = read_yaml(path)
        wrong += _mistakes(agreement, document, council, known)
        if any(a.name == agreement.name for a in made):
            wrong.append(document.mistake(("version",), f"{agreement.name} stands in two files. Raise the version."))
        made.append(agreement)
    if wrong:
        raise SiteError(wrong)
    return Agreements(made, council)


def _mistakes(
    agreement: Agreement, document: Document, council: Organisation, categories: frozenset[str]
) -> Iterator[str]:
    """Names in an agreement that nothing else knows, and dates that cannot be."""
    parties = [p.id for p in council.parties]
    named: list[tuple[tuple[str | int, ...], str, str, Iterable[str]]] = []
    for n, signature in enumerate(agreement.signed):
        named.append((("signed", n, "party"), "party", signature.party, parties))
    for n, recipient in enumerate(agreement.recipients):
        named.append((("recipients", n, "team"), "team", recipient.team, council.teams))
        if recipient.team in council.teams:
            roles = council.teams[recipient.team].roles
            named += [(("recipients", n, "roles", m), "role", r, roles) for m, r in enumerate(recipient.roles)]
    named += [(("reasons", n), "reason", r, council.reasons) for n, r in enumerate(agreement.reasons)]
    open_to = agreement.people.open_to if agreement.people else ()
    named += [(("people", "open_to", n), "service", s, council.services) for n, s in enumerate(open_to)]
    recipients = [r.team for r in agreement.recipients]
    for n, share in enumerate(agreement.shares):
        named.append((("shares", n, "from"), "partner", share.from_, parties))
        named += [(("shares", n, "categories", m), "category", c, categories) for m, c in enumerate(share.categories)]
        named += [(("shares", n, "fields", m), "field", f, FIELDS) for m, f in enumerate(share.fields or ())]
        named += [(("shares", n, "to", m), "recipient", t, recipients) for m, t in enumerate(share.to)]
    for where, kind, name, known in named:
        if name not in known:
            yield document.mistake(where, unknown(kind, name, known))
    for n, share in enumerate(agreement.shares):
        for m, team in enumerate(share.to):
            own = team in council.readers(share.from_) or team not in council.teams
            if not own and set(share.categories) & set(RETURNED):
                yield document.mistake(
                    ("shares", n, "to", m),
                    f"{' and '.join(RETURNED)} of {share.from_!r} go back to its own people alone. "
                    f"Name a team whose `party` is {share.from_!r}.",
                )
    if agreement.valid.until < agreement.valid.from_:
        yield document.mistake(("valid", "until"), "it ends before it begins. Correct one of the dates.")
