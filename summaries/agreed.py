"""A sharing agreement in plain words, and what in it needs somebody, as its signatories and officers would read it.

What belongs here: wording. What an agreement permits is answered by `governance.agreements`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from governance.acceptance import told_of, whom
from governance.agreements import Agreements
from governance.organisation import COUNCIL, RETURNED, Length, Organisation
from governance.terms import Agreement, Share
from summaries.words import say

SOON = timedelta(days=60)
_UNITS = {"d": "day", "m": "month", "y": "year"}
FIELD = {
    "start": "when it began", "end": "when it ended", "code": "what the source calls it", "value": "how much",
    "recorded_at": "when it was written down", "team": "which team", "worker_role": "the worker's role",
}  # fmt: skip


def length(given: Length | str | None, without: str = "no limit") -> str:
    """A length of time in words, such as 2 years."""
    if given is None:
        return without
    text = str(given)
    count, unit = int(text[:-1]), _UNITS[text[-1]]
    return f"{count} {unit}" + ("" if count == 1 else "s")


def fields(names: Iterable[str] | None) -> str:
    """Which columns of a record, in words."""
    return "all" if names is None else ", ".join(FIELD.get(name, name.replace("_", " ")) for name in names)


def partner(name: str, council: Organisation) -> str:
    """What a party is called."""
    return {p.id: p.name for p in council.parties}.get(name, name)


def state(agreement: Agreement, agreements: Agreements, on: date) -> str:
    """Whether an agreement is in force on a day, and if not why, in a few words."""
    standing = agreements.standing(agreement.name)
    if standing.closed:
        return f"gives nothing: {standing.closed}"
    if on < agreement.valid.from_:
        return f"not in force before {say(agreement.valid.from_)}"
    if on > agreement.valid.until:
        return f"expired on {say(agreement.valid.until)}"
    if not agreement.signed_by(COUNCIL, on):
        return "gives nothing: the council has not signed"
    return "in force" + (f"; {standing.pending}" if standing.pending else "")


def explained(agreement: Agreement, agreements: Agreements, on: date) -> Iterator[str]:
    """An agreement in plain words, a sentence or line each; headings end with a colon and have no indent."""
    council, standing = agreements.council, agreements.standing(agreement.name)
    yield f"{agreement.agreement}, version {agreement.version}: {state(agreement, agreements, on)}"
    yield f"It is for this: {agreement.purpose}."
    yield f"It holds from {say(agreement.valid.from_)} to {say(agreement.valid.until)}" + (
        f", and is looked at again by {say(agreement.valid.review)}." if agreement.valid.review else "."
    )
    if standing.accepted:
        yield f"It was accepted {standing.accepted}."
    yield "By what law:"
    yield from (f"  {line}" for line in agreement.lawful_basis.lines())
    yield "Who signed:"
    for signature in agreement.signed:
        by = f"{signature.name}, {signature.role}" if signature.name else signature.role
        yield f"  {partner(signature.party, council)}: {by}, on {say(signature.on)}"
    yield "Who receives:"
    for recipient in agreement.recipients:
        team = council.teams[recipient.team].name if recipient.team in council.teams else recipient.team
        roles = ", ".join(role.replace("_", " ") for role in recipient.roles)
        yield f"  {team}: {roles}" + ("; files leave encrypted to the team's key" if recipient.encrypt else "")
    yield "For which reasons:"
    yield from (f"  {council.reasons.get(reason, reason)}" for reason in agreement.reasons)
    yield f"About whom: {whom(agreement.people, council.services)}."
    yield "What is shared; whatever is not said here is withheld:"
    for number, share in enumerate(agreement.shares):
        yield f"  {clause(number, share, council)}"
    if agreement.exports:
        yield "What may leave as a file for analysis, under pseudonyms:"
        yield from (f"  {export.name}: {told_of(export, council)}" for export in agreement.exports)
    kept = agreement.retention
    yield (
        f"Kept: summaries {length(kept.summary, 'not at all')}, other files {length(kept.export, 'not at all')}, the "
        f"audit log {length(kept.audit)}."
    )
    yield from onward(agreement, council)


def clause(number: int, share: Share, council: Organisation) -> str:
    """One clause as a sentence."""
    teams = ", ".join(council.teams[t].name if t in council.teams else t for t in share.to)
    what = "; ".join(council.category(c) if c in council.known_categories else c for c in share.categories)
    only = "" if share.fields is None else f". Only: {fields(share.fields)}"
    back = "" if share.look_back is None else f". No further back than {length(share.look_back)}"
    return f"shares[{number}]: {partner(share.from_, council)} to {teams}: {what}{only}{back}."


def onward(agreement: Agreement, council: Organisation) -> Iterator[str]:
    """What may be passed on, in sentences."""
    if not agreement.onward_sharing:
        yield "Nothing of it may be passed on to anybody else."
    for each in agreement.onward_sharing:
        givers = ", ".join(partner(p, council) for p in each.from_)
        what = ", ".join(council.category(c).lower() if c in council.known_categories else c for c in each.categories)
        yield f"May be passed on to {partner(each.to, council)}: {what} of {givers}, provided that {each.condition}."


def remarks(agreement: Agreement, agreements: Agreements, on: date) -> Iterator[str]:
    """What in an agreement needs somebody: each a sentence that says what to do."""
    council, standing = agreements.council, agreements.standing(agreement.name)
    if standing.closed or standing.pending:
        yield standing.closed or standing.pending
    if not standing.closed or "never accepted" in standing.closed:
        yield from _of_dates(agreement, on)
        yield from _of_signatures(agreement, council, on)
        yield from _of_law(agreement, council)
        used = {team for share in agreement.shares for team in share.to}
        for team in (r.team for r in agreement.recipients if r.team not in used):
            yield f"the team {team} is a recipient, and no clause gives it anything. Take it out, or add a clause."


def _of_dates(agreement: Agreement, on: date) -> Iterator[str]:
    if on > agreement.valid.until:
        yield f"it expired on {say(agreement.valid.until)} and gives nothing. Agree on a new version, or remove it."
    elif agreement.valid.until - on <= SOON and on >= agreement.valid.from_:
        yield f"it expires on {say(agreement.valid.until)}. Agree on a new version before then."
    if agreement.valid.review and on >= agreement.valid.review:
        yield f"it was to be looked at again by {say(agreement.valid.review)}. Do so, and write the next day."


def _of_signatures(agreement: Agreement, council: Organisation, on: date) -> Iterator[str]:
    givers = {council.signs_for(share.from_) for share in agreement.shares}
    receivers = {party for r in agreement.recipients if (party := council.outside(r.team))}
    for party in sorted({COUNCIL, *givers, *receivers}):
        if not agreement.signed_by(party, on):
            day = min((s.on for s in agreement.signed if s.party == party), default=None)
            when = f"signs on {say(day)}" if day else "has not signed"
            yield f"{partner(party, council)} {when}: until then it gives and receives nothing."


def _of_law(agreement: Agreement, council: Organisation) -> Iterator[str]:
    basis = agreement.lawful_basis
    if {"c", "e"} & set(basis.article_6) and not basis.gateways:
        yield "a public task or legal obligation rests on a law (Article 6(3)), and none is named. Add it to gateways."
    for letter in sorted({"f", "ea"} & set(basis.article_6)):
        yield f"Article 6(1)({letter}) is not open to a public authority in its tasks. Ask the Data Protection Officer."
    shared = {c for share in agreement.shares for c in share.categories} - set(RETURNED)
    if council.sensitive is None and shared:
        yield "site.yaml names no `sensitive` categories, so Articles 9 and 10 are not checked. Name them, or say []."
    if ({1} | set(range(6, 29))) & set(basis.schedule_1) and not council.officers.policy:
        yield "its condition of Schedule 1 needs an appropriate policy document. Name it under `officers` in site.yaml."
