"""What of a changed agreement counts: an agreement in force is what somebody accepted, after having seen the change.

What belongs here: the sealed register of acceptances, what a change opens and closes, and what both the accepted and
the changed agreement give. A change that only closes counts at once; what it opens counts once it was accepted.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from governance.agreements import Agreements, Standing
from governance.keys import KeyProblem, KeyRing
from governance.organisation import COUNCIL, Length, Organisation
from governance.terms import GEOGRAPHIES, PRECISIONS, Agreement, Export, Onward, Or, People, Share, longer

PURPOSE = "acceptance"  # the key that seals the register
ACCEPT = "accept"  # as the audit log calls it
HOW = "`kinfold agreements accept {} --who NAME`"


class AcceptanceProblem(Exception):
    """The register of acceptances cannot be trusted, or an agreement cannot be accepted; says why and what to do."""


@dataclass(frozen=True)
class Acceptance:
    """One agreement in one version, as somebody accepted it.

    Attributes:
        agreement, version, file, sha256: which, from where, and the digest of the file as it was then.
        who, at: by whom and when (naive UTC, ISO).
        terms: all that it said, as `Agreement` reads it again.
        parties: of what each party was part, for a party that becomes a department is bound by the council's word.
        teams: whose own people each of its teams were.
    """

    agreement: str
    version: int
    file: str
    sha256: str
    who: str
    at: str
    terms: Mapping[str, Any]
    parties: Mapping[str, str | None]
    teams: Mapping[str, str | None]

    @property
    def name(self) -> str:
        """Agreement and version."""
        return f"{self.agreement} v{self.version}"

    def read(self) -> Agreement:
        """What was accepted.

        Raises:
            AcceptanceProblem: it was accepted under rules that are no longer these.
        """
        try:
            return Agreement.model_validate(self.terms)
        except ValidationError:
            again = HOW.format(self.agreement)
            raise AcceptanceProblem(
                f"{self.name} was accepted as it could be written then, and cannot be read any more. Look at its file "
                f"and accept it again: {again}."
            ) from None


@dataclass(frozen=True)
class Change:
    """One thing that a changed agreement opens or closes, in words."""

    opens: bool
    what: str
    partner: str | None = None
    team: str | None = None


# -- the register ---------------------------------------------------------------------------------------------------


def amiss(kept: Sequence[Acceptance], logged: Iterable[str]) -> list[str]:
    """Where the register and the audit log tell different stories of who accepted what; empty where they agree.

    Args:
        kept: the register.
        logged: what entries of the audit log with the action `ACCEPT` say of the agreement, the oldest first.
    """
    waiting = [f"{entry.name} sha256:{entry.sha256}" for entry in kept]
    beyond = []
    for told in logged:
        if waiting and told == waiting[0]:
            waiting.pop(0)
        else:
            beyond.append(told)
    wrong = [f"the audit log has nothing of the acceptance of {told.split(' sha256')[0]}" for told in waiting]
    return wrong + [
        f"the acceptance of {told.split(' sha256')[0]} is in the audit log and not in the register: accepting was "
        "interrupted, or an older register was put in its place. Look at the agreement, and accept it again"
        for told in beyond
    ]


def register_file(home: Path) -> Path:
    """Where the acceptances of a data folder lie."""
    return home / "ledger" / "agreements" / "accepted.json"


def accepted(home: Path, ring: KeyRing) -> tuple[Acceptance, ...]:
    """Every acceptance, the oldest first; none, where nothing was ever accepted.

    Raises:
        AcceptanceProblem: the register was changed by something else than `accept`.
    """
    path = register_file(home)
    if not path.exists():
        return ()
    try:
        kept = json.loads(path.read_bytes())
        seal, entries = str(kept["seal"]), kept["accepted"]
        if hmac.compare_digest(seal.encode(), _seal(entries, ring, int(kept["generation"])).encode()):
            return tuple(Acceptance(**entry) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, KeyProblem):
        pass
    raise AcceptanceProblem(
        f"{path.name}: the register of accepted agreements was changed by hand, or sealed under another key. Nothing "
        "is shared by it. Tell the Data Protection Officer; restore it from a backup, or take it away and accept every "
        "agreement anew with `kinfold agreements accept --all --who NAME`."
    )


def _seal(entries: Any, ring: KeyRing, generation: int) -> str:
    told = json.dumps([generation, entries], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.digest(ring.key(PURPOSE, generation), told.encode(), "sha256").hex()


def accept(
    home: Path,
    ring: KeyRing,
    agreements: Agreements,
    names: Iterable[str],
    who: str,
    now: datetime,
    log: Callable[[str], None],
) -> list[str]:
    """Accept agreements as their files say them now, and return the names of those that were not accepted before.

    Args:
        home: the data folder.
        ring: its keys.
        agreements: as `load_agreements` reads them.
        names: agreement and version of each, such as `adult-support v2`.
        who: who accepts, as the register and the audit log name them.
        now: naive UTC.
        log: writes into the audit log what is accepted, before it counts.

    Raises:
        AcceptanceProblem: one of them lacks a signature that what it opens needs; nothing is accepted.
    """
    kept = accepted(home, ring)
    fresh: list[Acceptance] = []
    by_name = {a.name: a for a in agreements}
    for name in names:
        agreement, standing = by_name[name], agreements.standing(name)
        entry = Acceptance(
            agreement.agreement, agreement.version, standing.file, standing.sha256, who, now.isoformat(),
            agreement.model_dump(mode="json", by_alias=True), *_roles(agreement, agreements.council),
        )  # fmt: skip
        before = base(agreement, kept)
        same = before and replace(entry, who=before.who, at=before.at, file=before.file) == before
        if same and not any(gone.agreement == entry.agreement for gone in _gone(agreements, kept)):
            continue
        if lacking := _unsigned(agreement, before, agreements.council):
            raise AcceptanceProblem(lacking)
        fresh.append(entry)
    for entry in fresh:
        log(f"{entry.name} sha256:{entry.sha256}")
    if fresh:
        _write(register_file(home), [asdict(entry) for entry in (*kept, *fresh)], ring)
    return [entry.name for entry in fresh]


def _write(path: Path, entries: list[dict[str, Any]], ring: KeyRing) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = json.loads(json.dumps(entries))
    generation = ring.newest(PURPOSE)
    sealed = {"accepted": entries, "generation": generation, "seal": _seal(entries, ring, generation)}
    fresh = path.with_name(f".{path.name}~{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            json.dump(sealed, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _roles(agreement: Agreement, council: Organisation) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What an agreement rests on in `site.yaml`: of what each party is part, and whose people its teams are."""
    teams = {r.team: council.teams[r.team].party for r in agreement.recipients if r.team in council.teams}
    return {party.id: party.part_of for party in council.parties}, teams


def base(agreement: Agreement, kept: Sequence[Acceptance]) -> Acceptance | None:
    """What an agreement's file is held against: its own version as last accepted, else the last version accepted."""
    same = [a for a in kept if a.agreement == agreement.agreement]
    own = [a for a in same if a.version == agreement.version]
    found = own or same
    return found[-1] if found else None


def _unsigned(agreement: Agreement, before: Acceptance | None, council: Organisation) -> str:
    """Why an agreement cannot be accepted for want of a signature; empty where it can."""
    if COUNCIL not in {s.party for s in agreement.signed}:
        return f"{agreement.name} is not signed by {COUNCIL!r} yet. Let it be signed, and write that under `signed`."
    if before is None:
        return ""
    was = before.read()
    opening = {c.partner for c in compared(was, agreement, council) if c.opens and c.partner}
    signers = {council.signs_for(partner) for partner in opening if partner in {p.id for p in council.parties}}
    stale = [p for p in sorted(signers) if not _signed_anew(p, was, agreement)]
    if not stale:
        return ""
    return (
        f"{agreement.name} opens more of what {', '.join(map(repr, stale))} gives, and bears the signature of the "
        f"agreement as it was accepted on {before.at[:10]}. Let it be signed again, write the new day under `signed`, "
        "and accept it."
    )


def _signed_anew(party: str, was: Agreement, now: Agreement) -> bool:
    before, after = ([s.on for s in a.signed if s.party == party] for a in (was, now))
    return bool(after) and (not before or max(after) > max(before))


# -- what counts ----------------------------------------------------------------------------------------------------


def counted(agreements: Agreements, kept: Sequence[Acceptance]) -> Agreements:
    """Of agreements as their files are, what was accepted: of a change, what it closes; of a new one, nothing."""
    council = agreements.council
    made: list[Agreement] = []
    standings: dict[str, Standing] = {}
    for agreement in agreements:
        held, standing = _held(agreement, agreements.standing(agreement.name), kept, council)
        made.append(held)
        standings[held.name] = standing
    for gone in _gone(agreements, kept):
        made.append(gone)
        standings[gone.name] = Standing(closed=f"the file of {gone.name}, which was accepted, is gone")
    return Agreements(made, council, standings)


def _held(
    agreement: Agreement, standing: Standing, kept: Sequence[Acceptance], council: Organisation
) -> tuple[Agreement, Standing]:
    """An agreement with what was accepted of it, and where it stands."""
    how = HOW.format(agreement.agreement)
    before = base(agreement, kept)
    if before is None:
        closed = f"{agreement.name} was never accepted, so it gives nothing: look at it, then {how}"
        return agreement, replace(standing, closed=closed)
    try:
        was = before.read()
    except AcceptanceProblem as error:
        return agreement, replace(standing, closed=str(error))
    parties, teams = _roles(agreement, council)
    moved = {p for p, of in parties.items() if p not in before.parties or before.parties[p] != of}
    strangers = {t for t, of in teams.items() if before.teams.get(t, of) != of}
    by = f"by {before.who} on {before.at[:10]}"
    standing = replace(
        standing,
        accepted=by,
        departments=frozenset(p for p, of in before.parties.items() if of == COUNCIL) - moved,
    )
    same = (agreement.version, standing.sha256) == (before.version, before.sha256)
    if same and not strangers and not moved & _givers(agreement):
        return agreement, standing
    held, clauses = both(was, agreement, moved, strangers)
    opened = [c for c in compared(was, agreement, council) if c.opens]
    pending = ""
    if opened or moved & _givers(agreement) or strangers:
        pending = f"what was changed since it was accepted {by} gives nothing new until it is accepted: {how}"
    return held, replace(standing, clauses=clauses, pending=pending)


def _givers(agreement: Agreement) -> set[str]:
    return {share.from_ for share in agreement.shares}


def _gone(agreements: Agreements, kept: Sequence[Acceptance]) -> Iterator[Agreement]:
    """Accepted versions without a file, unless a lower version was accepted after them: they let no older one speak."""
    there = {a.name for a in agreements}
    last = {entry.name: position for position, entry in enumerate(kept)}
    for name, position in last.items():
        entry = kept[position]
        lower = [p for p in last.values() if kept[p].agreement == entry.agreement and kept[p].version < entry.version]
        if name in there or any(p > position for p in lower):
            continue
        try:
            yield entry.read()
        except AcceptanceProblem:
            continue


def both(
    was: Agreement, now: Agreement, moved: Iterable[str] = (), strangers: Iterable[str] = ()
) -> tuple[Agreement, tuple[str, ...]]:
    """What two readings of one agreement both give: never more than either, and a little less where they cross.

    Args:
        was, now: as accepted, and as its file is.
        moved: parties that give nothing, as their standing in `site.yaml` is another.
        strangers: teams that receive nothing, for the same cause.

    Returns:
        The agreement, under the name of `now`; and by what name each of its shares is cited: its place in `now`.
    """
    clauses: list[tuple[str, Share]] = []
    for position, share in enumerate(now.shares):
        for other in was.shares:
            if share.from_ == other.from_ and share.from_ not in moved and (found := _share(other, share)):
                clauses.append((f"shares[{position}]", found))
    before = {r.team: r for r in was.recipients}
    recipients = tuple(
        r.model_copy(
            update={
                "roles": tuple(role for role in r.roles if role in before[r.team].roles),
                "encrypt": r.encrypt or before[r.team].encrypt,
            }
        )
        for r in now.recipients
        if r.team in before and r.team not in strangers
    )
    first = {s.party: min(x.on for x in was.signed if x.party == s.party) for s in was.signed}
    signed = tuple(s.model_copy(update={"on": max(s.on, first[s.party])}) for s in now.signed if s.party in first)
    exports = {e.name: e for e in was.exports}
    held = now.model_copy(
        update={
            "purpose": was.purpose,
            "lawful_basis": was.lawful_basis,
            "valid": now.valid.model_copy(
                update={
                    "from_": max(now.valid.from_, was.valid.from_),
                    "until": min(now.valid.until, was.valid.until),
                }
            ),
            "signed": signed,
            "recipients": recipients,
            "reasons": _kept(now.reasons, was.reasons),
            "people": _people(was.people, now.people),
            "shares": tuple(share for _, share in clauses),
            "exports": tuple(made for e in now.exports if e.name in exports and (made := _export(exports[e.name], e))),
            "retention": now.retention.model_copy(
                update={
                    "summary": _shorter(was.retention.summary, now.retention.summary),
                    "export": _shorter(was.retention.export, now.retention.export),
                }
            ),
            "onward_sharing": tuple(
                passed for o in now.onward_sharing for other in was.onward_sharing if (passed := _onward(other, o))
            ),
        }
    )
    return held, tuple(name for name, _ in clauses)


def _kept(now: Iterable[str], was: Iterable[str]) -> tuple[str, ...]:
    known = set(was)
    return tuple(name for name in now if name in known)


def _fields(was: tuple[str, ...] | None, now: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if was is None or now is None:
        return now if was is None else was
    return _kept(now, was)


def _shorter(was: Length | None, now: Length | None) -> Length | None:
    """The shorter of two lengths of keeping; none, where one of them lets nothing be kept."""
    return None if was is None or now is None else min(was, now, key=longer)


def _share(was: Share, now: Share) -> Share | None:
    fields, categories, to = (
        _fields(was.fields, now.fields),
        _kept(now.categories, was.categories),
        _kept(now.to, was.to),
    )
    if not categories or not to or fields == ():
        return None
    back = [length for length in (was.look_back, now.look_back) if length is not None]
    update = {"categories": categories, "fields": fields, "to": to, "look_back": min(back, key=longer, default=None)}
    return now.model_copy(update=update)


def _people(was: People | None, now: People | None) -> People | None:
    """Whom both cover for the same cause; who is covered by each for a different one is left out."""
    if was is None or now is None:
        return now if was is None else was
    young = [people.or_.age_under for people in (was, now)]
    old = [people.or_.age_from for people in (was, now)]
    by = Or(
        age_under=None if None in young else min(age for age in young if age is not None),
        age_from=None if None in old else max(age for age in old if age is not None),
        meets=_kept(now.or_.meets, was.or_.meets),
    )
    household = was.and_household and now.and_household
    return now.model_copy(update={"open_to": _kept(now.open_to, was.open_to), "or_": by, "and_household": household})


def _export(was: Export, now: Export) -> Export | None:
    categories, fields = _kept(now.categories, was.categories), _fields(was.fields, now.fields)
    if (was.to, was.reason) != (now.to, now.reason) or not categories or fields == ():
        return None
    return now.model_copy(
        update={
            "categories": categories,
            "fields": fields,
            "people": _people(was.people, now.people),
            "geography": max(was.geography, now.geography, key=GEOGRAPHIES.index),
            "dates": max(was.dates, now.dates, key=PRECISIONS.index),
            "encrypt": was.encrypt or now.encrypt,
        }
    )


def _onward(was: Onward, now: Onward) -> Onward | None:
    givers, categories = _kept(now.from_, was.from_), _kept(now.categories, was.categories)
    if (was.to, was.condition) != (now.to, now.condition) or not givers or not categories:
        return None
    return now.model_copy(update={"from_": givers, "categories": categories})


# -- what a change opens and closes ---------------------------------------------------------------------------------


def compared(was: Agreement | None, now: Agreement, council: Organisation) -> list[Change]:
    """What an agreement opens and closes against what it was, what it opens first; all that it gives, if it is new."""
    found = list(_changes(was, now, council)) if was else list(_all(now, council))
    return sorted(found, key=lambda change: not change.opens)


def _all(now: Agreement, council: Organisation) -> Iterator[Change]:
    empty = now.model_copy(update={"shares": (), "exports": (), "onward_sharing": ()})
    for recipient in now.recipients:
        yield Change(
            True, f"{_team(recipient.team, council)} receives, as {_roles_of(recipient.roles)}", None, recipient.team
        )
    yield from _changes(empty, now, council)


def _changes(was: Agreement, now: Agreement, council: Organisation) -> Iterator[Change]:
    yield from _words(was, now)
    yield from _dates(was, now)
    yield from _recipients(was, now, council)
    for name in _new(was.reasons, now.reasons):
        yield Change(True, f"the reason {_called(name, council.reasons)} counts as well")
    for name in _new(now.reasons, was.reasons):
        yield Change(False, f"the reason {_called(name, council.reasons)} counts no longer")
    yield from _of_people(was.people, now.people, "it covers")
    yield from _cells(was, now, council)
    yield from _exports(was, now, council)
    yield from _passing_on(was, now)
    for kind in ("summary", "export", "audit"):
        before, after = getattr(was.retention, kind), getattr(now.retention, kind)
        if before != after:
            opens = after is not None and (before is None or longer(after) > longer(before))
            what = f"{kind} files are kept for {after or 'no time at all'}, before {before or 'no time at all'}"
            yield Change(opens if kind != "audit" else not opens, what)


def _words(was: Agreement, now: Agreement) -> Iterator[Change]:
    if was.purpose != now.purpose:
        yield Change(True, f"another purpose: {now.purpose!r}, before {was.purpose!r}")
    if was.lawful_basis != now.lawful_basis:
        told = "; ".join(now.lawful_basis.lines())
        yield Change(True, f"another lawful basis: {told}")


def _dates(was: Agreement, now: Agreement) -> Iterator[Change]:
    for name, before, after, opens in (
        ("from", was.valid.from_, now.valid.from_, now.valid.from_ < was.valid.from_),
        ("until", was.valid.until, now.valid.until, now.valid.until > was.valid.until),
    ):
        if before != after:
            yield Change(opens, f"it holds {name} {after}, before {name} {before}")
    signed = [{s.party: min(x.on for x in a.signed if x.party == s.party) for s in a.signed} for a in (was, now)]
    for party in dict.fromkeys((*signed[0], *signed[1])):
        before_on, after_on = signed[0].get(party), signed[1].get(party)
        if before_on == after_on:
            continue
        if after_on is None:
            yield Change(False, f"the signature of {party} is gone: it gives nothing more", party)
        elif before_on is None:
            yield Change(True, f"{party} signed on {after_on}: what its clauses say counts from then", party)
        else:
            yield Change(after_on < before_on, f"{party} signed on {after_on}, before {before_on}", party)


def _recipients(was: Agreement, now: Agreement, council: Organisation) -> Iterator[Change]:
    before, after = ({r.team: r for r in a.recipients} for a in (was, now))
    for team in _new(before, after):
        yield Change(True, f"{_team(team, council)} receives, as {_roles_of(after[team].roles)}", None, team)
    for team in _new(after, before):
        yield Change(False, f"{_team(team, council)} receives nothing more", None, team)
    for team in (t for t in after if t in before):
        for role in _new(before[team].roles, after[team].roles):
            yield Change(True, f"{_roles_of([role])} of {_team(team, council)} receives as well", None, team)
        for role in _new(after[team].roles, before[team].roles):
            yield Change(False, f"{_roles_of([role])} of {_team(team, council)} receives nothing more", None, team)
        if before[team].encrypt != after[team].encrypt:
            told = "leave encrypted" if after[team].encrypt else "leave unencrypted"
            yield Change(not after[team].encrypt, f"files for {_team(team, council)} {told}", None, team)


def _of_people(was: People | None, now: People | None, told: str) -> Iterator[Change]:
    if was == now:
        return
    if was is None or now is None:
        yield Change(now is None, f"{told} {whom(now)}, before {whom(was)}")
        return
    for name, before, after in (
        ("whoever is open to", was.open_to, now.open_to),
        ("whoever meets", was.or_.meets, now.or_.meets),
    ):
        for each in _new(before, after):
            yield Change(True, f"{told} {name} {each} as well")
        for each in _new(after, before):
            yield Change(False, f"{told} no longer {name} {each}")
    if was.or_.age_under != now.or_.age_under:
        wider = (now.or_.age_under or 0) > (was.or_.age_under or 0)
        yield Change(wider, f"{told} {whom(now)}, before {whom(was)}")
    if was.or_.age_from != now.or_.age_from:
        wider = (999 if now.or_.age_from is None else now.or_.age_from) < (
            999 if was.or_.age_from is None else was.or_.age_from
        )
        yield Change(wider, f"{told} {whom(now)}, before {whom(was)}")
    if was.and_household != now.and_household:
        told_of = "whoever lives with them" + (" as well" if now.and_household else " no longer")
        yield Change(now.and_household, f"{told} {told_of}")


_Terms = tuple[tuple[str, ...] | None, Length | None]  # fields, look-back


def _grid(agreement: Agreement) -> dict[tuple[str, str, str], list[_Terms]]:
    """What each team is given of each category of each giver: with which fields, how far back."""
    grid: dict[tuple[str, str, str], list[_Terms]] = {}
    for share in agreement.shares:
        for team in share.to:
            for category in share.categories:
                grid.setdefault((team, share.from_, category), []).append((share.fields, share.look_back))
    return grid


def _within(terms: _Terms, other: _Terms) -> bool:
    fields = other[0] is None or (terms[0] is not None and set(terms[0]) <= set(other[0]))
    return fields and (other[1] is None or (terms[1] is not None and longer(terms[1]) <= longer(other[1])))


def _cells(was: Agreement, now: Agreement, council: Organisation) -> Iterator[Change]:
    before, after = _grid(was), _grid(now)
    told: dict[tuple[bool, str, str, str], list[str]] = {}
    for cell in dict.fromkeys((*after, *before)):
        team, partner, category = cell
        old, new = before.get(cell, []), after.get(cell, [])
        more = [t for t in new if not any(_within(t, o) for o in old)]
        less = [o for o in old if not any(_within(o, t) for t in new)]
        name = council.category(category).lower() if category in council.known_categories else category
        for opens, there in ((True, more), (False, less)):
            if there and (opens or not more):
                text = (
                    f"{{}} of {partner}: {_said(new)}" + (f", before {_said(old)}" if old else "")
                    if new
                    else f"{{}} of {partner}: nothing more, before {_said(old)}"
                )
                told.setdefault((opens, team, partner, text), []).append(name)
    for (opens, team, partner, text), names in told.items():
        yield Change(opens, f"{_team(team, council)}, {text.format(', '.join(names))}", partner, team)


def _said(terms: list[_Terms]) -> str:
    def one(fields: tuple[str, ...] | None, back: Length | None) -> str:
        of = "everything" if fields is None else "only " + ", ".join(fields)
        return f"{of}, {'however long ago' if back is None else f'{back} back'}"

    return "; or ".join(dict.fromkeys(one(*t) for t in terms)) or "nothing"


def _exports(was: Agreement, now: Agreement, council: Organisation) -> Iterator[Change]:
    before, after = ({e.name: e for e in a.exports} for a in (was, now))
    for name, export in after.items():
        old = before.get(name)
        if old is None:
            yield Change(True, f"a new export {name!r}: {told_of(export, council)}", None, export.to)
        elif old != export:
            opens = _export(old, export) != export
            yield Change(opens, f"the export {name!r}: {told_of(export, council)}; before: {told_of(old, council)}")
    for name in _new(after, before):
        yield Change(False, f"no export {name!r} any more")


def _passing_on(was: Agreement, now: Agreement) -> Iterator[Change]:
    for onward in now.onward_sharing:
        if onward not in was.onward_sharing:
            givers = ", ".join(onward.from_)
            what = f"{', '.join(onward.categories)} of {givers} may go on to {onward.to}, if {onward.condition}"
            for giver in onward.from_:
                yield Change(True, what, giver)
    for onward in was.onward_sharing:
        if onward not in now.onward_sharing:
            yield Change(False, f"nothing of {', '.join(onward.from_)} goes on to {onward.to} as it was agreed before")


# -- in words -------------------------------------------------------------------------------------------------------


def whom(people: People | None, services: Mapping[str, str] | None = None) -> str:
    """Whom an agreement covers, in words; services under their own names where these are given."""
    if people is None:
        return "everybody"
    by, called = people.or_, {key: name.lower() for key, name in (services or {}).items()}
    told = [f"people open to {_or([called.get(s, s) for s in people.open_to])}"] if people.open_to else []
    told += [f"people under {by.age_under}"] if by.age_under is not None else []
    told += [f"people of {by.age_from} and over"] if by.age_from is not None else []
    told += [f"people who meet {_or(by.meets)}"] if by.meets else []
    return ("; ".join(told) or "nobody") + (", and whoever lives with them" if people.and_household else "")


def told_of(export: Export, council: Organisation) -> str:
    """An export in words."""
    fields = "all fields that the clauses share" if export.fields is None else f"only {', '.join(export.fields)}"
    area = {"none": "no area"}.get(export.geography, f"the area by {export.geography.upper()}")
    people = f", of {whom(export.people)}" if export.people else ""
    names = ", ".join(council.category(c).lower() if c in council.known_categories else c for c in export.categories)
    locked = ", encrypted" if export.encrypt else ""
    return f"to {export.to}, {names}, {fields}{people}, {area}, dates to the {export.dates}{locked}"


def _or(names: Sequence[str]) -> str:
    plain = [name.replace("_", " ") for name in names]
    return " or ".join([", ".join(plain[:-1]), plain[-1]] if len(plain) > 1 else plain)


def _team(team: str, council: Organisation) -> str:
    return council.teams[team].name if team in council.teams else team


def _roles_of(roles: Iterable[str]) -> str:
    return ", ".join(role.replace("_", " ") for role in roles)


def _called(name: str, names: Mapping[str, str]) -> str:
    return repr(names.get(name, name))


def _new(was: Iterable[str], now: Iterable[str]) -> list[str]:
    known = set(was)
    return [name for name in now if name not in known]
