"""The feed board: one page of all feeds, for those who answer for quality and for what may be known.

What belongs here: what arrived, what is late, held or rejected and what to do about it, quality over time, and what no
feed covers. One feed in depth is in `reports`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from feeds.contracts import Contract, Event, Involvement, Person, Voice
from governance.organisation import COUNCIL, Organisation
from summaries.quality import states, until
from summaries.render import page
from summaries.reports import chart, percent, short
from summaries.words import say

SQUARES = 12  # deliveries of a feed
DAYS = 14
FEW = 0.10  # an attribute that fewer people have than this is a gap
SILENT = 180  # days without a row, from which a kind of event is a gap
ATTRIBUTES = {
    "birth_date": "Date of birth",
    "sex": "Sex",
    "ethnicity": "Ethnicity",
    "death_date": "Date of death",
    "nhs_number": "NHS number",
    "upn": "Unique pupil number",
    "ni_number": "National Insurance number",
    "la_child_id": "The council's child id",
    "phone": "Telephone",
    "email": "Email",
    "address": "Address",
    "uprn": "UPRN",
}
LATEST = pl.Schema([("type", pl.String()), ("start", pl.Datetime("us"))])
ORDER = ["rejected", "held", "late", "none", "accepted"]


class Gap(NamedTuple):
    """Something that nobody tells, or hardly anybody: of which kind, what, and how far it goes."""

    kind: str
    what: str
    how: str


def gaps(
    organisation: Organisation,
    contracts: Mapping[str, Contract],
    coverage: Mapping[str, float],
    latest: pl.DataFrame,
    night: date,
) -> list[Gap]:
    """What no feed covers.

    Args:
        organisation: the council's categories, services and partners.
        contracts: by feed.
        coverage: the share of people who have each of `ATTRIBUTES`; an attribute that is not there is not judged.
        latest: of events known so far, the newest of each kind: `LATEST`.
        night: the day from which silence is counted.
    """
    return [
        *_not_told(organisation, contracts),
        *_not_asked(organisation, contracts),
        *_hardly_known(contracts, coverage),
        *_silent(organisation, contracts, latest, night),
    ]


def _yields(contracts: Mapping[str, Contract]) -> Iterator[tuple[str, Any]]:
    for feed, contract in sorted(contracts.items()):
        yield from ((feed, told) for table in contract.tables for told in table.yields)


def _not_told(organisation: Organisation, contracts: Mapping[str, Contract]) -> Iterator[Gap]:
    told = list(_yields(contracts))
    events = {t.event for _, t in told if isinstance(t, Event)}
    services = {t.involvement for _, t in told if isinstance(t, Involvement)}
    for name, words in organisation.categories.items():
        if name not in events:
            yield Gap("Kinds of record", words, "agreements name it, and no feed tells of it")
    for name, words in organisation.services.items():
        if name not in services:
            yield Gap("Services", words, "no feed says with whom it works")
    if not any(isinstance(t, Voice) for _, t in told):
        yield Gap("Kinds of record", organisation.category("voice"), "no feed tells of it")


def _not_asked(organisation: Organisation, contracts: Mapping[str, Contract]) -> Iterator[Gap]:
    senders = {contract.partner for contract in contracts.values()}
    for party in organisation.parties:
        if party.id != COUNCIL and party.id not in senders:
            yield Gap("Partners", party.name, "sends no feed")
        elif party.id in senders and not organisation.readers(party.id):
            yield Gap("Partners", party.name, "sends a feed, and nobody there is told how good it is")


def _hardly_known(contracts: Mapping[str, Contract], coverage: Mapping[str, float]) -> Iterator[Gap]:
    for attribute, words in ATTRIBUTES.items():
        feeds = {f for f, c in contracts.items() for t in c.tables for p in t.person if _brings(p, attribute)}
        share = coverage.get(attribute)
        if not feeds:
            yield Gap("About people", words, "no feed brings it")
        elif share is not None and share < FEW:
            told = "no person" if share == 0 else "less than 1% of people" if share < 0.01 else f"{share:.0%} of people"
            yield Gap("About people", words, f"known of {told}; brought by {_names(contracts, feeds)}")


def _names(contracts: Mapping[str, Contract], feeds: Iterable[str]) -> str:
    return "; ".join(sorted({contracts[feed].name for feed in feeds}))


def _brings(person: Person, attribute: str) -> bool:
    if attribute in ("address", "uprn"):
        home = person.address
        return bool(home and (home.uprn or (attribute == "address" and (home.line or home.text))))
    return getattr(person, attribute) is not None


def _silent(
    organisation: Organisation, contracts: Mapping[str, Contract], latest: pl.DataFrame, night: date
) -> Iterator[Gap]:
    newest = dict(latest.select("type", pl.col("start").dt.date()).rows())
    tellers: dict[str, list[str]] = {}
    for feed, told in _yields(contracts):
        if isinstance(told, Event):
            tellers.setdefault(told.event, []).append(feed)
    for kind, feeds in sorted(tellers.items()):
        words = organisation.category(kind) if kind in organisation.known_categories else kind.replace("_", " ")
        by = _names(contracts, feeds)
        if newest.get(kind) is None:
            yield Gap("Silence", words, f"no row has ever come; expected from {by}")
        elif (night - newest[kind]).days > SILENT:
            yield Gap("Silence", words, f"the newest is of {say(newest[kind])}; expected from {by}")


# -- the page -------------------------------------------------------------------------------------------------------


def board(
    loads: pl.DataFrame,
    feeds: pl.DataFrame,
    found: pl.DataFrame,
    gaps: list[Gap],
    night: date,
    files: Mapping[str, str],
    partners: Mapping[str, str],
    counts: Mapping[str, int] | None = None,
    papers: Iterable[tuple[str, str]] = (),
) -> str:
    """All feeds on one self-contained page.

    Args:
        loads: LOAD.
        feeds: a row a feed: feed, partner, name, every.
        found: what comparing sources found, from `findings.counted`.
        gaps: from `gaps`.
        night: the night.
        files: each feed's own report, beside the page.
        partners: what partners are called.
        counts: further figures of the night, by what they are called.
        papers: what the night's papers for information governance are called, and their files beside the page.
    """
    known = until(loads, night)
    rows = []
    for row in states(loads, feeds, night).iter_rows(named=True):
        mine = known.filter(pl.col("feed") == row["feed"]).tail(SQUARES)
        rows.append(
            row
            | {
                "name": row["name"] or row["feed"],
                "partner": partners.get(row["partner"], row["partner"]),
                "delivered": say(row["delivered"]) if row["delivered"] else "never",
                "due": say(row["due"]) if row["due"] else "",
                "file": files.get(row["feed"], ""),
                "squares": [_square(load) for load in mine.iter_rows(named=True)],
                "trend": _trend(mine),
            }
        )
    rows.sort(key=lambda r: (ORDER.index(r["status"]), r["feed"]))
    days = (
        known.filter(pl.col("status") == "accepted")
        .group_by("day")
        .agg(pl.len().alias("deliveries"), pl.col("received", "quarantined").sum())
        .with_columns(share=pl.col("quarantined") / pl.col("received").clip(1) * 100)
        .sort("day")
        .tail(DAYS)
    ).to_dicts()
    called = dict(feeds.select("feed", pl.col("name").fill_null(pl.col("feed"))).rows())
    tonight = known.filter(pl.col("day") == night)
    totals = {"Deliveries of the day": tonight.height} | {
        f"Rows {label}": int(tonight[name].sum())
        for name, label in (
            ("received", "received"), ("accepted", "accepted"), ("quarantined", "set aside"), ("withdrawn", "withdrawn")
        )
    }  # fmt: skip
    return page(
        "board.html",
        night=say(night),
        feeds=rows,
        troubled=[row for row in rows if row["status"] != "accepted"],
        counts=(totals | dict(counts or {})).items(),
        days=[day | {"when": say(day["day"])} for day in reversed(days)],
        chart=chart([(f"{day['day'].day} {day['day']:%b}", day["share"]) for day in days]),
        found=_by_rule(found, called),
        gaps=gaps,
        papers=list(papers),
    )


def _by_rule(found: pl.DataFrame, called: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was found, a row a rule, worst first: sentence, records, new, and the records of each feed in words."""
    told = pl.format("{}: {}", pl.col("feed").replace(dict(called)), "records")
    return (
        found.sort("records", "feed", descending=[True, False])
        .group_by("rule", "sentence", maintain_order=True)
        .agg(told.str.join("; ").alias("feeds"), pl.col("records", "new").sum())
        .sort("records", "rule", descending=[True, False])
        .to_dicts()
    )


def _square(load: Mapping[str, Any]) -> dict[str, str]:
    told = f"{percent(load['share'])} set aside" if load["status"] == "accepted" else ""
    words = f"{short(load['delivery'])}: {load['status']}" + (f", {told}" if told else "")
    return {"status": load["status"], "letter": load["status"][:1].upper(), "words": words}


def _trend(loads: pl.DataFrame) -> str:
    """How the last accepted delivery compares with those before it, in words; empty where none set anything aside."""
    shares = loads.filter(pl.col("status") == "accepted")["share"]
    if shares.is_empty() or not shares.max():
        return ""
    if shares.len() == 1:
        return percent(shares[-1])
    usual = float(shares[:-1].mean())  # type: ignore[arg-type]
    change = shares[-1] - usual
    word = "as before" if abs(change) < 0.5 else "more than before" if change > 0 else "less than before"
    return f"{percent(shares[-1])}, {word} ({percent(usual)})"
