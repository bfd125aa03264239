"""Sharing agreements: the only way to a yes.

What belongs here: reading a council's agreements and answering whether a team may see something. Nothing is permitted
that no agreement in force names; carrying an answer out belongs in `governance.release` and the rooms above.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from governance.organisation import COUNCIL, OF_DEPARTMENTS, RETURNED, Organisation, load_organisation, unknown
from governance.terms import Agreement as Agreement
from governance.terms import Export, People, Share
from governance.terms import Subject as Subject
from warehouse.site import Document, SiteError, configured, read_yaml, short
from warehouse.tables import EVENT, INVOLVEMENT, RELATIONSHIP, VOICE

_LIMITED = ("end", "code", "value", "recorded_at", "team", "worker_role")  # what a clause's `fields` may leave out
PROFILE = ("age_band", "sex", "imd_decile", "ethnicity")  # what an export's category `profile` may tell of a person
FIELDS = frozenset(c.name for t in (EVENT, INVOLVEMENT, RELATIONSHIP, VOICE) for c in t.columns) | set(PROFILE)
SECTIONS = pl.Schema(
    [
        ("team", pl.String()),
        ("partner", pl.String()),
        ("category", pl.String()),
        ("fields", pl.List(pl.String)),  # only these columns; null is all
        ("look_back", pl.String()),  # 30d, 6m, 2y; null is no limit
        ("since", pl.Date()),  # the first day that the look-back reaches; null is no limit
        ("open_to", pl.List(pl.String)),  # it covers people open to one of these services, or ...
        ("age_under", pl.Int32()),  # ... younger than this, or ...
        ("age_from", pl.Int32()),  # ... at least this old, or ...
        ("meets", pl.List(pl.String)),  # ... who meet one of these cohorts and indicators; all four null: everyone
        ("household", pl.Boolean()),  # and whoever lives with a person who is covered
        ("agreement", pl.String()),
        ("clause", pl.String()),
    ]
)


@dataclass(frozen=True)
class Question:
    """May this role of this team, for this reason, see this of that partner's, about such a person, on that day?

    Attributes:
        field: a single column of it; None asks for the category as a whole, with the columns the clause names.
        happened: the day on which what is asked for happened; None leaves the look-back to the asker.
        subject: about whom; None for what is about nobody in particular, which an agreement about people refuses.
        export: in a file that leaves, the agreement's export of that name; None for what is read here.
        onward_to: a party to which the team would pass it on; None for the team alone.
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
    export: str | None = None
    onward_to: str | None = None


@dataclass(frozen=True)
class Answer:
    """Yes by an agreement and clause, or no and why: the nearest that any agreement came to a yes.

    `provided` is a condition that people must see to, of a yes to passing something on.
    """

    allowed: bool
    agreement: str | None
    clause: str | None
    why: str
    provided: str | None = None


@dataclass(frozen=True)
class Outgoing:
    """An export that an agreement in force lets leave: whose, for which team, and its terms."""

    agreement: str
    team: str
    clause: str
    terms: Export


@dataclass(frozen=True)
class Standing:
    """Where an agreement was read, and what of it counts.

    Attributes:
        file, sha256: its file, as a person would name it, and the digest of what was read.
        closed: why it gives nothing at all; empty where it does.
        pending: what to know of a change that was not accepted yet; empty where there is none.
        clauses: what its shares are called, where they are not simply numbered.
        departments: the council's departments when it was accepted; None for those of now.
        accepted: by whom and when, in words; empty where nobody was asked.
    """

    file: str = ""
    sha256: str = ""
    closed: str = ""
    pending: str = ""
    clauses: tuple[str, ...] | None = None
    departments: frozenset[str] | None = None
    accepted: str = ""


@dataclass(frozen=True)
class _Clause:
    """A share under the name by which it is cited, with the partners whose data it gives of a category."""

    name: str
    share: Share
    since: date
    fields: frozenset[str] | None

    def within(self, other: _Clause) -> bool:
        """Whether another clause gives all that this one gives."""
        narrower = other.fields is None or (self.fields is not None and self.fields <= other.fields)
        return narrower and other.since <= self.since


class Agreements:
    """All agreements of one council. What they do not name is withheld."""

    def __init__(
        self, agreements: Iterable[Agreement], council: Organisation, standings: Mapping[str, Standing] | None = None
    ) -> None:
        """The agreements, the council, and by name of an agreement what is known of its file; nothing need be."""
        self._council = council
        self._all = sorted(agreements, key=lambda a: (a.agreement, -a.version))
        self._standings = dict(standings or {})

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

        One row an agreement, partner and category; several where a clause gives more columns and another a longer
        look-back. Whom it covers is another question: `covering`.
        """
        rows: list[dict[str, Any]] = []
        for agreement in self._current(on):
            if self._refusal(agreement, team, role, reason, on):
                continue
            for (partner, category), clauses in self._given(agreement, team, on).items():
                rows += [_row(agreement, team, partner, category, clause) for clause in clauses]
        return pl.DataFrame(rows, schema=SECTIONS).sort("agreement", "partner", "category", maintain_order=True)

    def exports(self, on: date) -> list[Outgoing]:
        """Every export of the agreements in force, by agreement and in the order of its file."""
        made = []
        for agreement in self._current(on):
            for position, terms in enumerate(agreement.exports):
                team = recipient(terms, self._council)
                roles = {r.team: r.roles for r in agreement.recipients}.get(team or "", ())
                if team and roles and not self._refusal(agreement, team, roles[0], terms.reason, on):
                    made.append(Outgoing(agreement.name, team, f"exports[{position}]", terms))
        return made

    def export_sections(self, export: Outgoing, role: str, on: date) -> pl.DataFrame:
        """What one export may hold, as the frame `SECTIONS`: what the clauses share with its team, narrowed by it.

        The people that it covers are those of `covering` and, where it says so, of its own terms as well.
        """
        terms = export.terms
        given = self.sections(export.team, role, terms.reason, on).filter(
            pl.col("agreement") == export.agreement, pl.col("category").is_in(list(terms.categories))
        )
        if terms.fields is None:
            return given
        of_all = pl.lit(list(terms.fields), pl.List(pl.String))
        narrowed = pl.when(pl.col("fields").is_null()).then(of_all).otherwise(
            pl.col("fields").list.set_intersection(list(terms.fields))
        )  # fmt: skip
        return given.with_columns(narrowed.alias("fields")).filter(pl.col("fields").list.len() > 0)

    def covering(self, agreement: str) -> pl.Expr:
        """Whether an agreement, named as in `sections`, covers a person.

        Reads the columns `age` (years), `open_to` (list of services) and `household_covered` (Boolean), and `meets`
        (list of cohorts and indicators) where the agreement asks for a need.
        """
        people = self._named(agreement).people
        return people.expression() if people else pl.lit(True)

    @property
    def needs(self) -> list[tuple[str, str]]:
        """Agreements, and the cohorts and indicators that they or their exports ask whether a person meets."""
        asked = [(a.name, people) for a in self._all for people in (a.people, *(e.people for e in a.exports)) if people]
        return [(name, need) for name, people in asked for need in people.or_.meets]

    @property
    def unsettled(self) -> list[str]:
        """Of each agreement that does not count as its file says it: why, and what to run."""
        there = [(a.name, s) for a in self._all if (s := self.standing(a.name)).file]
        return [s.closed or f"{name}: {s.pending}" for name, s in there if s.closed or s.pending]

    def standing(self, agreement: str) -> Standing:
        """Where an agreement, named as in `sections`, was read, and what of it counts."""
        return self._standings.get(agreement, Standing())

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

    def sealed_teams(self, on: date) -> set[str]:
        """The teams to which an agreement in force lets files go encrypted alone, so that each needs a public key."""
        teams = {r.team for a in self._current(on) if a.in_force(on) for r in a.recipients if r.encrypt}
        return teams | {export.team for export in self.exports(on) if export.terms.encrypt}

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

    def _clauses(self, agreement: Agreement) -> list[tuple[str, Share]]:
        """An agreement's shares, each under the name by which it is cited."""
        names = self.standing(agreement.name).clauses
        return [(names[n] if names else f"shares[{n}]", share) for n, share in enumerate(agreement.shares)]

    def _givers(self, agreement: Agreement, share: Share, category: str) -> tuple[str, ...]:
        """The partners whose data a clause gives: the one it names; for some categories its departments too."""
        whole = share.from_ == COUNCIL and category in OF_DEPARTMENTS
        known = self.standing(agreement.name).departments
        departments = [d for d in self._council.departments if known is None or d in known]
        return (share.from_, *(departments if whole else ()))

    def _given(self, agreement: Agreement, team: str, on: date) -> dict[tuple[str, str], list[_Clause]]:
        """What an agreement's clauses give a team, by partner and category: those that no other gives all of."""
        given: dict[tuple[str, str], list[_Clause]] = {}
        for name, share in self._clauses(agreement):
            if team not in share.to or not agreement.signed_by(self._council.signs_for(share.from_), on):
                continue
            since = share.look_back.before(on) if share.look_back else date.min
            clause = _Clause(name, share, since, None if share.fields is None else frozenset(share.fields))
            for category in share.categories:
                if self._leaves(agreement, team, share.from_, category):
                    continue
                for partner in self._givers(agreement, share, category):
                    kept = given.setdefault((partner, category), [])
                    if not any(clause.within(other) for other in kept):
                        kept[:] = [other for other in kept if not other.within(clause)] + [clause]
        return given

    def _leaves(self, agreement: Agreement, team: str, giver: str, category: str) -> str | None:
        """The party outside the council to which a clause would pass on what another gave, unless that is agreed."""
        party = self._council.outside(team)
        if party is None or self._council.signs_for(giver) in (COUNCIL, party) or giver == party:
            return None
        return None if _onward(agreement, party, giver, category) else party

    def _refusal(self, agreement: Agreement, team: str, role: str, reason: str, on: date) -> tuple[int, str] | None:
        """Why an agreement gives this team, role and reason nothing at all on a day, and how near it came."""
        roles = {r.team: r.roles for r in agreement.recipients}
        if closed := self.standing(agreement.name).closed:
            return 3, closed
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
        party = self._council.outside(team)
        if party and not agreement.signed_by(party, on):
            return 4, f"{agreement.name} is not signed by {party!r}, whose team {team!r} is"
        return None

    def _asked(self, agreement: Agreement, q: Question) -> tuple[Answer, int]:
        pending = self.standing(agreement.name).pending

        def no(why: str, clause: str | None = None) -> Answer:
            return Answer(False, agreement.name, clause, f"{why}; {pending}" if pending else why)

        refusal = self._refusal(agreement, q.team, q.role, q.reason, q.on)
        if refusal:
            return no(refusal[1]), refusal[0]
        best = no(f"{agreement.name} shares no {q.category!r} of {q.partner!r} with the team {q.team!r}"), 5
        leaving = self._leaving(agreement, q)
        for clause, share in self._clauses(agreement):
            if q.team not in share.to or q.category not in share.categories:
                continue
            if q.partner not in self._givers(agreement, share, q.category):
                continue
            signer = self._council.signs_for(share.from_)
            if not agreement.signed_by(signer, q.on):
                best = max(best, (no(f"{agreement.name} is not signed by {signer!r}", clause), 6), key=_reach)
            elif party := self._leaves(agreement, q.team, share.from_, q.category):
                told = f"{agreement.name} lets nothing of {share.from_!r} go on to {party!r}"
                best = max(best, (no(told, clause), 6), key=_reach)
            elif q.field is not None and share.fields is not None and q.field not in share.fields:
                best = max(best, (no(f"{clause} does not name the field {q.field!r}", clause), 7), key=_reach)
            elif share.look_back and q.happened and q.happened < share.look_back.before(q.on):
                best = max(best, (no(f"{clause} looks back {share.look_back}, no further", clause), 8), key=_reach)
            elif not self.covers(agreement.name, q.subject):
                best = max(best, (no(f"{agreement.name} does not cover this person", clause), 9), key=_reach)
            elif isinstance(leaving, str):
                best = max(best, (no(leaving, clause), 9), key=_reach)
            else:
                cited = f"{leaving[0]}, {clause}" if leaving else clause
                return Answer(True, agreement.name, cited, agreement.purpose, leaving and leaving[1]), 10
        return best

    def _leaving(self, agreement: Agreement, q: Question) -> tuple[str, str | None] | str | None:
        """What lets a thing leave by an export or to another party, with its condition; or why nothing does.

        None where it is not to leave.
        """
        cited, provided = [], None
        if q.export is not None:
            made = [(n, e) for n, e in enumerate(agreement.exports) if e.name == q.export]
            if not made:
                return f"{agreement.name} has no export {q.export!r}"
            position, terms = made[0]
            if recipient(terms, self._council) != q.team:
                return f"exports[{position}] does not go to the team {q.team!r}"
            if q.reason != terms.reason:
                return f"exports[{position}] is not for the reason {q.reason!r}"
            if q.category not in terms.categories:
                return f"exports[{position}] does not name the category {q.category!r}"
            if q.field is not None and terms.fields is not None and q.field not in terms.fields:
                return f"exports[{position}] does not name the field {q.field!r}"
            if terms.people is not None and (q.subject is None or not terms.people.covers(q.subject)):
                return f"exports[{position}] does not cover this person"
            cited.append(f"exports[{position}]")
        if q.onward_to is not None:
            found = _onward(agreement, q.onward_to, q.partner, q.category)
            if found is None:
                return f"{agreement.name} lets nobody pass {q.category!r} of {q.partner!r} on to {q.onward_to!r}"
            if not agreement.signed_by(self._council.signs_for(q.onward_to), q.on):
                return f"{agreement.name} is not signed by {q.onward_to!r}"
            cited.append(found[0])
            provided = found[1]
        return (", ".join(cited), provided) if cited else None


def recipient(export: Export, council: Organisation) -> str | None:
    """The team to which an export goes: the one it names, or the one team of the party that it names; else None."""
    if export.to in council.teams:
        return export.to
    teams = list(council.readers(export.to))
    return teams[0] if len(teams) == 1 else None


def _onward(agreement: Agreement, to: str, giver: str, category: str) -> tuple[str, str] | None:
    """What lets a party have on what another gave: its place in the agreement, and the condition."""
    for position, onward in enumerate(agreement.onward_sharing):
        if onward.to == to and giver in onward.from_ and category in onward.categories:
            return f"onward_sharing[{position}]", onward.condition
    return None


def _row(agreement: Agreement, team: str, partner: str, category: str, clause: _Clause) -> dict[str, Any]:
    """One row of `SECTIONS`."""
    share, people = clause.share, agreement.people
    return {
        "team": team,
        "partner": partner,
        "category": category,
        "fields": list(share.fields) if share.fields is not None else None,
        "look_back": str(share.look_back) if share.look_back else None,
        "since": clause.since if share.look_back else None,
        "open_to": list(people.open_to) if people else None,
        "age_under": people.or_.age_under if people else None,
        "age_from": people.or_.age_from if people else None,
        "meets": list(people.or_.meets) if people else None,
        "household": people is None or people.and_household,
        "agreement": agreement.name,
        "clause": clause.name,
    }


def covered() -> pl.Expr:
    """Whether a row of `SECTIONS` covers by themselves the person beside it: `age`, `services` and `needs` (lists).

    Households are another question: who else there is covered.
    """
    by = {"services": "open_to", "needs": "meets"}
    shared = [
        (pl.col(held).list.set_intersection(wanted).list.len() > 0).fill_null(False) for held, wanted in by.items()
    ]
    everyone = pl.all_horizontal(pl.col("open_to", "age_under", "age_from", "meets").is_null())
    young = (pl.col("age") < pl.col("age_under")).fill_null(False)
    old = (pl.col("age") >= pl.col("age_from")).fill_null(False)
    return pl.any_horizontal(everyone, young, old, *shared)


def _reach(refused: tuple[Answer, int]) -> int:
    return refused[1]


def limited(rows: pl.LazyFrame, sections: pl.DataFrame, category: pl.Expr) -> pl.LazyFrame:
    """Of what partners told, what the sections share: other rows are left out, fields that no clause names are null.

    Args:
        rows: with `partner` and `start`; facts about start, end, code, value, team and role may stand beside.
        sections: of one team, role and reason (`Agreements.sections`).
        category: the category of a row.
    """
    shared = sections.lazy().select("partner", pl.col("category").alias("_category"), "since", "fields").unique()
    columns = rows.collect_schema().names()
    named = [c for c in _LIMITED if c in columns]
    reached = pl.col("since").is_null() | (pl.col("start").dt.date() >= pl.col("since"))
    whole = pl.col("fields").is_null().any()
    given = (
        rows.with_row_index("_row")
        .with_columns(category.alias("_category"))
        .join(shared, on=["partner", "_category"])
        .filter(reached)
        .group_by("_row")
        .agg(*((whole | pl.col("fields").list.contains(c).any()).alias(f"_{c}") for c in named))
    )
    return (
        rows.with_row_index("_row")
        .join(given, on="_row", maintain_order="left")
        .with_columns(pl.when(pl.col(f"_{c}")).then(pl.col(c)).alias(c) for c in named)
        .select(columns)
    )


def subjects(people: pl.DataFrame, involvements: pl.DataFrame, on: date) -> pl.DataFrame:
    """What agreements ask of each person: `person_id`, `age` in years on the day, `open_to` services, `meets`.

    Args:
        people: columns person_id, birth_date; `meets`, the cohorts and indicators that each meets, may stand beside:
            without it nobody meets any.
        involvements: columns person_id, service, start, end; only rows that stand on the day.
        on: the day; an involvement that ends on it is no longer open.
    """
    open_now = involvements.filter(pl.col("end").is_null() | (pl.col("end").dt.date() > on))
    services = open_now.group_by("person_id").agg(pl.col("service").unique().sort().alias("open_to"))
    born = pl.col("birth_date")
    before = (born.dt.month() > on.month) | ((born.dt.month() == on.month) & (born.dt.day() > on.day))
    age = (on.year - born.dt.year() - before.cast(pl.Int32)).alias("age")
    meets = pl.col("meets") if "meets" in people.columns else pl.lit(None, pl.List(pl.String)).alias("meets")
    aged = people.select("person_id", age, meets).join(services, on="person_id", how="left", maintain_order="left")
    return aged.select("person_id", "age", "open_to", "meets")


def needs_met(indicators: pl.DataFrame, cohorts: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The cohorts and indicators that each person meets: `person_id`, `meets` (list); whoever meets none is not there.

    Args:
        indicators: columns person_id, indicator.
        cohorts: columns cohort, unit (person or household), unit_id; whoever lives in a household meets its cohorts.
        members: columns household_id, person_id.
    """
    alone = cohorts.filter(pl.col("unit") == "person").select(pl.col("unit_id").alias("person_id"), "cohort")
    together = cohorts.filter(pl.col("unit") == "household").join(members, left_on="unit_id", right_on="household_id")
    parts = [
        indicators.select("person_id", pl.col("indicator").alias("meets")),
        *(part.select("person_id", pl.col("cohort").alias("meets")) for part in (alone, together)),
    ]
    return pl.concat(parts).group_by("person_id").agg(pl.col("meets").unique().sort())


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
    standings: dict[str, Standing] = {}
    wrong: list[str] = []
    for path in sorted((site / "agreements").glob("*.agreement.yaml")):
        if path.is_symlink() or path.parent.is_symlink():
            wrong.append(f"{short(path)}:1: this is a link to a file elsewhere. Put the agreement itself here.")
            continue
        try:
            document = read_yaml(path, plain=True)
            agreement = configured(document, Agreement)
        except SiteError as error:
            wrong += error.mistakes
            continue
        wrong += _mistakes(agreement, document, council, known)
        if any(a.name == agreement.name for a in made):
            wrong.append(document.mistake(("version",), f"{agreement.name} stands in two files. Raise the version."))
        made.append(agreement)
        standings[agreement.name] = Standing(short(path), document.sha256)
    if wrong:
        raise SiteError(wrong)
    return Agreements(made, council, standings)


def _mistakes(
    agreement: Agreement, document: Document, council: Organisation, categories: frozenset[str]
) -> Iterator[str]:
    """Names in an agreement that nothing else knows, dates that cannot be, and what its lawful basis does not bear."""
    for where, kind, name, known in _names(agreement, council, categories):
        if name not in known:
            yield document.mistake(where, unknown(kind, name, known))
    for where, what in (*_clashes(agreement, council), *_unlawful(agreement, council)):
        yield document.mistake(where, what)


_Where = tuple[str | int, ...]


def _names(
    agreement: Agreement, council: Organisation, categories: frozenset[str]
) -> Iterator[tuple[_Where, str, str, Iterable[str]]]:
    """Every name that an agreement uses: where, of what kind, the name, and the names that are known."""

    def several(where: _Where, kind: str, names: Iterable[str] | None, known: Iterable[str]) -> Iterator[Any]:
        for n, name in enumerate(names or ()):
            yield (*where, n), kind, name, known

    def of_people(where: _Where, people: People | None) -> Iterator[Any]:
        if people is not None:
            yield from several((*where, "open_to"), "service", people.open_to, council.services)

    parties = [p.id for p in council.parties]
    teams = [r.team for r in agreement.recipients]
    for n, signature in enumerate(agreement.signed):
        yield ("signed", n, "party"), "party", signature.party, parties
    for n, recipient in enumerate(agreement.recipients):
        yield ("recipients", n, "team"), "team", recipient.team, council.teams
        if recipient.team in council.teams:
            roles = council.teams[recipient.team].roles
            yield from several(("recipients", n, "roles"), "role", recipient.roles, roles)
    yield from several(("reasons",), "reason", agreement.reasons, council.reasons)
    yield from of_people(("people",), agreement.people)
    for n, share in enumerate(agreement.shares):
        yield ("shares", n, "from"), "partner", share.from_, parties
        yield from several(("shares", n, "categories"), "category", share.categories, categories)
        yield from several(("shares", n, "fields"), "field", share.fields, FIELDS)
        yield from several(("shares", n, "to"), "recipient", share.to, teams)
    for n, export in enumerate(agreement.exports):
        yield ("exports", n, "to"), "team or party", export.to, [*council.teams, *parties]
        yield ("exports", n, "reason"), "reason of this agreement", export.reason, agreement.reasons
        yield from several(("exports", n, "categories"), "category", export.categories, categories)
        yield from several(("exports", n, "fields"), "field", export.fields, FIELDS)
        yield from of_people(("exports", n, "people"), export.people)
    for n, onward in enumerate(agreement.onward_sharing):
        yield ("onward_sharing", n, "to"), "party", onward.to, parties
        yield from several(("onward_sharing", n, "from"), "partner", onward.from_, parties)
        yield from several(("onward_sharing", n, "categories"), "category", onward.categories, categories)


def _clashes(agreement: Agreement, council: Organisation) -> Iterator[tuple[_Where, str]]:
    """What an agreement says that something else in it, or in the council, does not let it say."""
    for n, share in enumerate(agreement.shares):
        for m, team in enumerate(share.to):
            own = team in council.readers(share.from_) or team not in council.teams
            if not own and set(share.categories) & set(RETURNED):
                yield (
                    ("shares", n, "to", m),
                    f"{' and '.join(RETURNED)} of {share.from_!r} go back to its own people alone. "
                    f"Name a team whose `party` is {share.from_!r}.",
                )
            party = council.outside(team)
            if party is None or share.from_ in (COUNCIL, party) or share.from_ not in {p.id for p in council.parties}:
                continue
            if council.signs_for(share.from_) == COUNCIL:
                continue
            for category in share.categories:
                if _onward(agreement, party, share.from_, category) is None:
                    yield (
                        ("shares", n, "to", m),
                        f"this passes {category!r} of {share.from_!r} on to {party!r}, which `onward_sharing` does not "
                        "name. Take the team out, or agree on it there, with its condition.",
                    )
    teams = [r.team for r in agreement.recipients]
    for n, team in enumerate(teams):
        if team in teams[:n]:
            yield ("recipients", n), f"the team {team!r} stands here twice. Put its roles together."
    names = [e.name for e in agreement.exports]
    for n, export in enumerate(agreement.exports):
        where = ("exports", n)
        if export.name in names[:n]:
            yield (*where, "name"), f"there are two exports {export.name!r}. Choose another name."
        if {"identity", *RETURNED} & set(export.categories):
            yield (
                (*where, "categories"),
                "an export is under pseudonyms. Leave out identity, row_faults and row_values.",
            )
        goes_to = recipient(export, council)
        if export.to in {p.id for p in council.parties} and goes_to is None:
            yield (*where, "to"), f"{export.to!r} is not one team here. Name a team whose `party` it is."
        elif goes_to in council.teams and goes_to not in teams:
            yield (*where, "to"), f"the team {goes_to!r} is no recipient of this agreement. Add it to `recipients`."
        if agreement.retention.export is None or not agreement.retention.export.count:
            yield (*where, "name"), "`retention` lets no export be kept. Say under `retention` how long, or remove it."
    if agreement.valid.until < agreement.valid.from_:
        yield ("valid", "until"), "it ends before it begins. Correct one of the dates."


def _unlawful(agreement: Agreement, council: Organisation) -> Iterator[tuple[_Where, str]]:
    """What the lawful basis that an agreement cites does not bear."""
    basis, shared = agreement.lawful_basis, {c for share in agreement.shares for c in share.categories}
    for what in basis.unmet():
        yield ("lawful_basis",), what
    if council.sensitive is None:
        return
    special = sorted(shared & set(council.sensitive.special))
    if special and not basis.article_9:
        yield (
            ("lawful_basis",),
            f"{', '.join(special)} are special category data, and no condition of Article 9(2) is cited. Add "
            "article_9, or take them out of `shares`.",
        )
    offences = sorted(shared & set(council.sensitive.offences))
    if offences and not (basis.article_10 and basis.schedule_1):
        yield (
            ("lawful_basis",),
            f"{', '.join(offences)} are data about offences, which need Article 10 with a paragraph of DPA 2018 "
            "Schedule 1. Add `article_10: true` and schedule_1, or take them out of `shares`.",
        )
