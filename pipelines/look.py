"""One person re-identified on a screen, for a named user, role, reason and case: what `kinfold reveal` shows.

What belongs here: opening the vault in memory, once the log has it. Who may see what is asked in `governance.reveal`;
whose address nothing may show is said by `linkage.protection`. Nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from assets.context import Council
from assets.history import standing
from assets.sharing import audit_log, hidden_people, note_shown
from governance.agreements import Subject
from governance.inert import line
from governance.organisation import COUNCIL
from governance.reveal import REFUSE, Asker, Revealed, RevealRefused, about, known, reveal
from pipelines.review_desk import PROTECTED, SEX, now, values
from summaries.permitted import housemates
from summaries.words import say
from warehouse.tables import HOUSEHOLD, HOUSEHOLD_MEMBER, INVOLVEMENT, PERSON, PERSON_LINK, SOURCE_RECORD

NOT_HERE = "no person of the published night has this id"


@dataclass(frozen=True)
class Look:
    """What may be shown: a heading each with labels and values; and which partners' records may not be."""

    night: str
    parts: list[tuple[str, dict[str, str]]] = field(repr=False)
    withheld: list[tuple[str, str]]
    revealed: Revealed


def look(council: Council, asker: Asker, person_id: str, clock: Callable[[], datetime] = now) -> Look:
    """Ask, write the log, and then open what is permitted of one person of the published night.

    Raises:
        RevealRefused: nothing may be shown; the audit log has the refusal.
        AuditError: the log cannot be trusted or written; nothing was opened.
    """
    store, log, at = council.store, audit_log(council), clock()
    night = store.published()
    golden = store.scan(PERSON).filter(pl.col("person_id") == person_id).collect() if night else None
    if night is None or golden is None or golden.is_empty():
        log.append([known(asker, council.organisation).entry(REFUSE, None, None, at)])
        raise RevealRefused(f"{NOT_HERE}. `kinfold person history` says what became of an id.")
    on = at.replace(tzinfo=UTC).astimezone(ZoneInfo(council.organisation.timezone)).date()
    subject, beside = _subjects(council, person_id, on)
    partners = {COUNCIL, *(contract.partner for contract in council.contracts.values())}
    revealed = reveal(council.agreements, log, asker, person_id, partners, at, on, subject, beside)
    note_shown(council, asker, person_id, night, at)
    cited, names = revealed.asked.cited, {p.id: p.name for p in council.organisation.parties}
    hidden = bool(hidden_people(council, [person_id]))
    parts = [(f"{names[COUNCIL]}, best supported values", _golden(golden.row(0, named=True), hidden))]
    parts = parts if COUNCIL in cited else []
    parts += [(f"{names[p]}, {feed}", values(row, hidden)) for p, feed, row in _records(council, person_id, set(cited))]
    withheld = [(names[partner], why) for partner, why in revealed.asked.refused.items()]
    return Look(str(night), parts, withheld, revealed)


def lines(seen: Look, asker: Asker) -> Iterator[str]:
    """What is printed, line by line; every value on one line, with nothing in it that a terminal would obey."""
    for title, told in seen.parts:
        yield ""
        yield title
        yield from (f"  {label:<26} {line(value)}" for label, value in told.items() if value)
    if not seen.parts:
        yield "No record of the partners that share identity with you stands with this person."
    yield ""
    yield f"Shown to {asker.who} for the case {asker.case}, by {seen.revealed.asked.citation}."
    yield f"It is as of the night of {seen.night}. The audit log has that you looked."
    if seen.withheld:
        yield "Withheld, whether or not they hold anything about this person:"
        yield from (f"  {name}: {why}" for name, why in seen.withheld)


# -- inside ---------------------------------------------------------------------------------------------------------


def _subjects(council: Council, person_id: str, on: date) -> tuple[Subject | None, list[Subject]]:
    store, night = council.store, council.store.published()
    case = pl.DataFrame({"team": ["-"], "case": [person_id]})
    home = housemates(case, store.read(HOUSEHOLD), store.read(HOUSEHOLD_MEMBER)).filter(pl.col("certainty") != "weak")
    there = home.filter(pl.col("about") != person_id)["about"].unique().to_list()
    people = store.scan(PERSON).filter(pl.col("person_id").is_in([person_id, *there]))
    involvements = standing(council, INVOLVEMENT, night) if night else INVOLVEMENT.empty()
    return about(person_id, people.select("person_id", "birth_date").collect(), involvements, there, on)


def _records(council: Council, person_id: str, partners: set[str]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    store = council.store
    links = store.scan(PERSON_LINK).filter(pl.col("person_id") == person_id).select("record_id")
    feeds = {feed: contract for feed, contract in council.contracts.items() if contract.partner in partners}
    rows = store.scan(SOURCE_RECORD).join(links, on="record_id").filter(pl.col("feed").is_in(list(feeds))).collect()
    for row in rows.sort("feed", "record_id").iter_rows(named=True):
        yield feeds[row["feed"]].partner, feeds[row["feed"]].name, row


def _golden(row: Mapping[str, Any], hidden: bool) -> dict[str, str]:
    """What case summaries show of the person whom they are about."""
    return {
        "Name": " ".join(line(row[part]) for part in ("forename", "middle_names", "surname") if row[part]),
        "Date of birth": say(row["birth_date"]) if row["birth_date"] else "",
        "Recorded as died on": say(row["death_date"]) if row["death_date"] else "",
        "Sex": SEX.get(row["sex"], line(row["sex"])),
        "Address": PROTECTED if hidden else ", ".join(line(row[p]) for p in ("address", "postcode") if row[p]),
        "Child id": line(row["la_child_id"]),
    }
