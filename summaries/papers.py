"""Papers for a committee, drawn from a council's configuration and a night's facts.

They are a data protection impact assessment, a threat model, the record of processing activities, and a Five Safes page
for each agreement.

What belongs here: what the papers say, and filling them. What only people can say is shown as to be completed, never
made up; no paper holds anything about a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from feeds.contracts import Contract, Event
from governance.acceptance import told_of, whom
from governance.agreements import Agreements
from governance.organisation import COUNCIL, Organisation
from governance.retention import Retention
from governance.rights import Rights
from governance.terms import Agreement
from summaries import agreed
from summaries.render import page
from summaries.words import say

Row = dict[str, Any]
OFFICERS = {
    "senior_information_risk_owner": "Senior Information Risk Owner",
    "data_protection_officer": "Data Protection Officer",
    "caldicott_guardian": "Caldicott Guardian",
    "risk_owner": "Owner of the risks that are left",
    "system_owner": "Owner of the system",
    "contact": "How the public reaches the council about its data",
    "transparency": "Where the notice to the public stands",
    "policy": "Appropriate policy document (DPA 2018 Schedule 1 Part 4)",
}
TITLES = {
    "matrix": "Who may see what",
    "dpia": "Data protection impact assessment",
    "threats": "Threat model",
    "record": "Record of processing activities",
}


@dataclass(frozen=True)
class Model:
    """A risk model as its outcome declares it: what for, for which team, and whether it may raise a flag tonight."""

    outcome: str
    about: str
    team: str
    capacity: int
    gate: str
    in_force: bool
    flags: int


@dataclass(frozen=True)
class Facts:
    """What a night knows that papers tell: counts alone.

    Attributes:
        people, under_18, households, records, events: how many there are.
        records_of: records by feed.
        links: by what records were joined to their persons, and how many.
        models: the risk models.
        recalls: recalled outputs by kind, and how many of them are still open.
        counted_on: the last night whose files are all known; None before there is one.
        released: files let out on that night, by kind and team.
        withheld: kinds of record that these files say were withheld, summed.
        audit: entries of the audit log by action.
        rights: objections, corrections and withholdings that stand.
        encrypted: teams whose files leave encrypted.
        copied: whether checkpoints of the audit log are kept outside.
        amiss: where the register of acceptances and the audit log do not agree.
        minimum: counts of so many or fewer are hidden in tables that leave; None where no table does.
        base: what the other counts are rounded to.
        staffed: whether site.yaml says which user may ask to see who somebody is.
    """

    night: date
    people: int
    under_18: int
    households: int
    records: int
    events: int
    records_of: Mapping[str, int]
    links: Mapping[str, int]
    models: Sequence[Model]
    recalls: Mapping[str, tuple[int, int]]
    counted_on: date | None
    released: Mapping[tuple[str, str], int]
    withheld: int
    audit: Mapping[str, int]
    rights: Mapping[str, int]
    encrypted: Sequence[str] = ()
    copied: bool = False
    amiss: Sequence[str] = ()
    minimum: int | None = None
    base: int | None = None
    staffed: bool = False

    @property
    def refused(self) -> int:
        """Refusals in the audit log."""
        return self.audit.get("refuse", 0)


@dataclass(frozen=True)
class Council:
    """A council's configuration, as the papers read it."""

    organisation: Organisation
    contracts: Mapping[str, Contract]
    agreements: Agreements
    retention: Retention | None
    rights: Rights = field(default_factory=Rights)

    @property
    def live(self) -> list[Agreement]:
        """Agreements that give something: whatever else there is, is named and marked."""
        return [a for a in self.agreements if not self.agreements.standing(a.name).closed]


def write(council: Council, facts: Facts) -> dict[str, str]:
    """Every paper as a page, by a name that stays from night to night; the matrix is made by `summaries.matrix`."""
    shared: Row = {
        "council": council.organisation.council,
        "night": say(facts.night),
        "facts": facts,
        "officers": _officers(council.organisation),
        "open": [title for title, value in _officers(council.organisation) if not value],
    }
    made = {
        "dpia": page("dpia.html", **shared, **_dpia(council, facts)),
        "threats": page("threats.html", **shared, threats=_threats(council, facts), settings=_settings(council, facts)),
        "record": page("record.html", **shared, **_record(council, facts)),
    }
    for agreement in council.agreements:
        made[f"five-safes {agreement.agreement}"] = page(
            "five-safes.html", **shared, **_five(agreement, council, facts)
        )
    return made


def title(name: str) -> str:
    """What a paper is called."""
    kind, _, of = name.partition(" ")
    return f"Five Safes: {of}" if of else TITLES[kind]


# -- shared ---------------------------------------------------------------------------------------------------------


def _officers(council: Organisation) -> list[tuple[str, str | None]]:
    return [(title, getattr(council.officers, name)) for name, title in OFFICERS.items()]


def _names(council: Organisation, categories: Sequence[str]) -> list[str]:
    return [council.category(c) if c in council.known_categories else c for c in categories]


def _shared(agreement: Agreement) -> list[str]:
    return list(dict.fromkeys(c for share in agreement.shares for c in share.categories))


def _guarded(agreement: Agreement, council: Organisation) -> tuple[list[str], list[str]]:
    """Special categories and data about offences that an agreement shares, in words."""
    shared, marked = _shared(agreement), council.sensitive
    if marked is None:
        return [], []
    return (
        _names(council, [c for c in shared if c in marked.special]),
        _names(council, [c for c in shared if c in marked.offences]),
    )


def _teams(agreement: Agreement, council: Organisation) -> list[str]:
    return [council.teams[r.team].name for r in agreement.recipients if r.team in council.teams]


def _givers(agreement: Agreement, council: Organisation) -> list[str]:
    return [agreed.partner(p, council) for p in dict.fromkeys(s.from_ for s in agreement.shares)]


# -- the record of processing activities ----------------------------------------------------------------------------


def _record(council: Council, facts: Facts) -> Row:
    organisation = council.organisation
    activities = []
    for agreement in council.agreements:
        special, offences = _guarded(agreement, organisation)
        outside = [organisation.outside(r.team) for r in agreement.recipients]
        activities.append(
            {
                "name": agreement.name,
                "state": agreed.state(agreement, council.agreements, facts.night),
                "purpose": agreement.purpose,
                "basis": list(agreement.lawful_basis.lines()),
                "subjects": whom(agreement.people, organisation.services),
                "data": _names(organisation, _shared(agreement)),
                "special": special,
                "offences": offences,
                "givers": _givers(agreement, organisation),
                "recipients": _teams(agreement, organisation),
                "outside": [agreed.partner(p, organisation) for p in dict.fromkeys(outside) if p],
                "onward": list(agreed.onward(agreement, organisation)),
                "kept": f"summaries {agreed.length(agreement.retention.summary, 'not at all')}; other files "
                f"{agreed.length(agreement.retention.export, 'not at all')}; the audit log "
                f"{agreed.length(agreement.retention.audit)}",
            }
        )
    return {
        "activities": activities,
        "joint": [p.name for p in organisation.parties if p.part_of is None and p.id != COUNCIL],
        "rules": _rules(council.retention),
        "security": _settings(council, facts),
    }


def _rules(retention: Retention | None) -> list[Row]:
    if retention is None:
        return []
    after = {"end": "its end", "birth": "the person's birth", "last": "the last thing told of the person"}
    rows = [
        {
            "what": rule.name.replace("-", " "),
            "keep": f"{agreed.length(rule.keep)} after {after[rule.after]}",
            "source": rule.source + (" (asked by law)" if rule.statutory else ""),
        }
        for rule in retention.rules
    ]
    rest = retention.otherwise
    return [
        *rows,
        {"what": "everything else", "keep": f"{agreed.length(rest.keep)} after its end", "source": rest.source},
    ]


# -- the impact assessment ------------------------------------------------------------------------------------------


def _dpia(council: Council, facts: Facts) -> Row:
    organisation = council.organisation
    feeds: dict[str, Row] = {}
    for contract in sorted(council.contracts.values(), key=lambda c: (c.partner, c.name)):
        told = [e.event for table in contract.tables for e in table.yields if isinstance(e, Event)]
        name = agreed.partner(contract.partner, organisation)
        of = feeds.setdefault(contract.partner, {"partner": name, "feeds": [], "tells": [], "records": 0})
        of["feeds"].append(contract.name)
        of["tells"] += _names(organisation, [c for c in told if c in organisation.known_categories])
        of["records"] += facts.records_of.get(contract.id, 0)
    purposes = [
        {
            "name": a.name,
            "purpose": a.purpose,
            "basis": a.lawful_basis.short,
            "teams": _teams(a, organisation),
            "whom": whom(a.people, organisation.services),
        }
        for a in council.live
    ]
    shared = {category for agreement in council.live for category in _shared(agreement)}
    marked = organisation.sensitive
    unshared = sorted(set(organisation.categories) - shared)
    return {
        "partners": [of | {"tells": list(dict.fromkeys(of["tells"]))} for of in feeds.values()],
        "feeds": len(council.contracts),
        "purposes": purposes,
        "closed": [a.name for a in council.agreements if council.agreements.standing(a.name).closed],
        "special": _names(organisation, [c for c in marked.special if c in shared]) if marked else [],
        "offences": _names(organisation, [c for c in marked.offences if c in shared]) if marked else [],
        "marked": marked is not None,
        "unshared": _names(organisation, unshared),
        "risks": [t for t in _threats(council, facts) if t["dpia"]],
        "needs": _needs(council, facts.night),
        "optouts": [optout.name for optout in council.rights.opt_outs],
        "consent": [agreed.partner(p, organisation) for p in council.rights.by_consent],
        "ruled": council.retention is not None,
    }


def _needs(council: Council, night: date) -> list[str]:
    """What needs somebody, each thing once, with the agreements that it is about."""
    told: dict[str, list[str]] = {}
    for agreement in council.agreements:
        for remark in agreed.remarks(agreement, council.agreements, night):
            told.setdefault(remark.replace("`", ""), []).append(agreement.name)
    return [f"{', '.join(names)}: {remark}" for remark, names in told.items()]


# -- the threat model -----------------------------------------------------------------------------------------------


def _settings(council: Council, facts: Facts) -> list[tuple[str, str]]:
    """How the system stands, in facts that weigh for a threat."""
    organisation, agreements = council.organisation, council.agreements
    pending = [a.name for a in agreements if agreements.standing(a.name).pending or agreements.standing(a.name).closed]
    accepted = f"{len(list(agreements)) - len(pending)} of {len(agreements)} agreements count as their files say them"
    return [
        (
            "Identities",
            f"{facts.records:,} records of {facts.people:,} people, encrypted at rest under a key kept outside",
        ),
        ("Agreements", accepted + (f"; not, or not wholly: {', '.join(pending)}" if pending else "")),
        ("Register of acceptances", "; ".join(facts.amiss) or "agrees with the audit log"),
        (
            "Files encrypted to a team's own key",
            ", ".join(organisation.teams[t].name for t in facts.encrypted) or "none: the agreements ask for none",
        ),
        (
            "Checkpoints of the audit log",
            "also kept outside" if facts.copied else "kept beside it alone: a rewrite of the whole log would not show",
        ),
        (
            "Who may be shown who somebody is",
            "named by user in site.yaml"
            if facts.staffed
            else "not named by user in site.yaml; the audit log has who did",
        ),
        (
            "Tables of counts",
            f"counts of {facts.minimum} or fewer hidden, the rest rounded to {facts.base}"
            if facts.minimum
            else "none are made",
        ),
        (
            "Retention",
            "rules in retention.yaml" if council.retention else "no rules are set: nothing is removed by age",
        ),
        (
            "Risk models",
            "; ".join(f"{m.outcome}: {'may raise flags' if m.in_force else 'raises no flag'}" for m in facts.models)
            or "none",
        ),
    ]


def _threats(council: Council, facts: Facts) -> list[Row]:
    """What somebody may want, what stands against it, how to see that it does, and what is left."""
    agreements = council.agreements
    recalled = sum(count for count, _ in facts.recalls.values())
    open_recalls = sum(still for _, still in facts.recalls.values())
    releases = sum(facts.released.values())
    counted_on = f"on the night of {say(facts.counted_on)}" if facts.counted_on else "on earlier nights"
    flagging = [m.outcome for m in facts.models if m.in_force]

    def row(wants: str, against: str, check: str, now: str, left: str, dpia: bool = True) -> Row:
        return {"wants": wants, "against": against, "check": check, "now": now, "left": left, "dpia": dpia}

    return [
        row(
            "A worker looks up somebody they know",
            "A summary is made for a team's own open cases alone. Showing who somebody is needs a role, a reason and a "
            "case, and is written down first.",
            "kinfold audit what-did USER",
            f"{facts.audit.get('reveal', 0):,} times identity was shown, {facts.refused:,} refusals in the log",
            "Who may open a case may read its summary. Somebody has to read the log.",
        ),
        row(
            "A wrong link shows one person's history as another's",
            "Links have to be earned, and can be undone; what used one is recalled, and each recipient is told.",
            "kinfold linkage report; kinfold recall",
            f"{recalled:,} outputs recalled so far, {open_recalls:,} still open",
            "Some links are wrong on any night. A summary says that it is built from matching.",
        ),
        row(
            "An agreement is stretched, by an edited date, a team or a partner that did not sign",
            "What a changed file opens counts for nothing until somebody accepted it, under a signature newer than the "
            "change. The register is sealed and the audit log has each acceptance.",
            "kinfold agreements check; kinfold agreements diff",
            f"{len(agreements)} agreements; " + ("; ".join(facts.amiss) or "register and audit log agree"),
            "Whoever holds the master key and the log can accept in another's name. Sign the matrix on paper.",
        ),
        row(
            "A team is shown more than is needed",
            "Each section of a file is asked for; what no agreement shares is withheld, and the file says so.",
            "kinfold agreements matrix",
            f"{releases:,} files {counted_on}; {facts.withheld:,} times a kind of record was withheld",
            "An agreement may itself be too wide. That is for its review.",
        ),
        row(
            "A risk flag is taken for a decision, or falls harder on some groups",
            "No flag without a gate that was set before training; ethnicity, religion, nationality and disability are "
            "never features; a flag states facts and prescribes nothing.",
            "the model card of each outcome",
            f"flags from: {', '.join(flagging)}"
            if flagging
            else "no model raises flags; rules that anybody can read do",
            "People lean on lists. Outcomes stand for what services did, not for need.",
        ),
        row(
            "Somebody is worked out from pseudonymous data or from a table of counts",
            "Pseudonyms are keyed, and differ for each recipient; exports tell places and dates no finer than agreed; "
            "small counts are hidden, and what would tell of them.",
            "kinfold agreements explain AGREEMENT",
            f"counts of {facts.minimum} or fewer are hidden" if facts.minimum else "no table of counts is made",
            "Pseudonymous data is personal data. Whoever knows a rare history may know whose it is.",
        ),
        row(
            "Somebody in hiding, or adopted, is found through the system",
            "The register of addresses and of records never to be linked goes before everything else, and is told to "
            "neither recipients nor analysts.",
            "kinfold register",
            "its size is told to nobody",
            "It protects those who are on it. Somebody has to put them there.",
        ),
        row(
            "A file is kept, copied or passed on beyond its day",
            "Every file names its recipient, purpose and last day, and is swept away on that day; a team's folder is "
            "its own" + (", and some are encrypted to their team." if facts.encrypted else "."),
            "the night's step release counts what was swept",
            f"{len(facts.encrypted)} teams' files leave encrypted",
            "A copy outside the folder, a photograph or a print is beyond any code.",
        ),
        row(
            "A look is hidden",
            "The log is written before anything is shown, each entry sealed with the one before it.",
            "kinfold audit verify",
            f"{sum(facts.audit.values()):,} entries; checkpoints "
            + ("also kept outside" if facts.copied else "not kept outside"),
            "With no checkpoint kept outside, whoever holds the key could write the whole log anew."
            if not facts.copied
            else "What is shouted across a room is in no log.",
        ),
        row(
            "The disk or a backup is stolen",
            "Identity is encrypted, chunk by chunk; the master key lies outside the data.",
            "kinfold keys status",
            f"{facts.records:,} records of identity",
            "Facts without names lie under pseudonyms, not encrypted: keep the disk encrypted. A copy of key and data "
            "together is open.",
            dpia=True,
        ),
        row(
            "A person is denied their rights over their data",
            "A pack of all that is held, objections, corrections and erasure are commands, and opt-out registers are "
            "read before data is used.",
            "kinfold subject --help",
            "; ".join(f"{count:,} {what}" for what, count in facts.rights.items()) or "none are on record",
            "People have to know that they can ask. The notice to the public is the council's to write.",
        ),
        row(
            "A partner's file is poisoned, repeated or forged",
            "Each file is held against its contract; a strange size is held for a person; formulas, markup and control "
            "characters are made harmless; partners may encrypt to the council's key.",
            "kinfold check; the feed board",
            f"{len(council.contracts)} feeds",
            "A well-formed lie is taken for a fact of that partner, and shown as theirs.",
            dpia=False,
        ),
        row(
            "Data leaves by a log, an error or a temporary file",
            "Errors are told by kind and place; the events of each run hold counts; spill files go at the end.",
            "the tests search a whole run for planted people",
            "no personal value is written outside the vault and released files",
            "Whoever runs the machine can read its memory. Keep them few.",
            dpia=False,
        ),
        row(
            "The web page for data engineers is opened by others",
            "It holds counts, no data of people; it listens on this machine alone unless told otherwise.",
            "the README, Run it for real",
            "it has no sign-in of its own",
            "Put it behind the council's single sign-on.",
            dpia=False,
        ),
    ]


# -- five safes -----------------------------------------------------------------------------------------------------


def _five(agreement: Agreement, council: Council, facts: Facts) -> Row:
    organisation, agreements = council.organisation, council.agreements
    special, offences = _guarded(agreement, organisation)
    return {
        "agreement": agreement,
        "state": agreed.state(agreement, agreements, facts.night),
        "basis": list(agreement.lawful_basis.lines()),
        "valid": f"{say(agreement.valid.from_)} to {say(agreement.valid.until)}",
        "review": say(agreement.valid.review) if agreement.valid.review else None,
        "accepted": agreements.standing(agreement.name).accepted,
        "reasons": [organisation.reasons.get(r, r) for r in agreement.reasons],
        "recipients": [
            {
                "team": organisation.teams[r.team].name if r.team in organisation.teams else r.team,
                "roles": ", ".join(role.replace("_", " ") for role in r.roles),
                "encrypt": r.encrypt,
                "files": sum(n for (_, team), n in facts.released.items() if team == r.team),
            }
            for r in agreement.recipients
        ],
        "signed": [f"{agreed.partner(s.party, organisation)}: {s.role}, {say(s.on)}" for s in agreement.signed],
        "whom": whom(agreement.people, organisation.services),
        "clauses": [agreed.clause(n, share, organisation) for n, share in enumerate(agreement.shares)],
        "special": special,
        "offences": offences,
        "settings": [s for s in _settings(council, facts) if s[0] not in ("Agreements", "Risk models")],
        "exports": [f"{e.name}: {told_of(e, organisation)}" for e in agreement.exports],
        "counted_on": say(facts.counted_on) if facts.counted_on else None,
        "summary": agreed.length(agreement.retention.summary, "none may be made"),
        "export": agreed.length(agreement.retention.export, "none may be made"),
        "onward": list(agreed.onward(agreement, organisation)),
        "needs": [n.replace("`", "") for n in agreed.remarks(agreement, agreements, facts.night)],
    }
