"""Retention as it is carried out: what has run out is left out of history, and taken away from everywhere else.

What belongs here: which places hold what has run out. For which rows it has is said by `governance.retention`.

History leaves it out each night, as if it had never been known, whatever a source goes on telling. Loads, landed files
and rows set aside are cleared once a night is published; earlier nights and releases, once a month.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from assets import erasure
from assets.context import Council
from feeds import arrivals
from feeds.contracts import Event
from feeds.deliveries import day_of, delivered, deliveries
from feeds.ledger import QUARANTINE, current_all, latest_accepted, loaded, loaded_as
from governance.erasure import Whom
from governance.retention import BIRTHS, LASTING, TABLES, Standing, month_of, overdue, until
from governance.retention import against as standing_against
from warehouse import marts
from warehouse.tables import EVENT, PERSON, PERSON_LINK, SOURCE_RECORD, Table, Zone

SHARED = {"agreement": pl.String, "partner": pl.String, "category": pl.String}
DUE = pl.Schema({"zone": pl.String, "category": pl.String, "rule": pl.String, "rows": pl.Int64})


def kept(council: Council, table: Table, frame: pl.DataFrame, births: pl.DataFrame, night: date) -> pl.DataFrame:
    """History without what has run out by a night; the very same rows where nothing has, or no rule is set."""
    if council.retention is None or frame.is_empty():
        return frame
    gone = overdue(_until(council, table, frame, births), night)
    return frame.filter(~gone) if gone.any() else frame


def births(council: Council, used: Mapping[str, str] | None, before: date | None) -> pl.DataFrame:
    """`record_id`, `birth_date`: of the record itself, else of the person whom it belonged to on the last night.

    Args:
        used: the delivery of each feed that tells it; None: as the last night has it.
        before: the last published night.
    """
    store = council.store
    if council.retention is None or not any(rule.after == "birth" for rule in council.retention.rules):
        return pl.DataFrame(schema=BIRTHS)
    parts = [pl.DataFrame(schema=BIRTHS)]
    if used is not None:
        parts.append(current_all(store, used, SOURCE_RECORD).select(list(BIRTHS)))
    if before is not None:
        links = store.scan(PERSON_LINK, before).select("record_id", "person_id")
        people = store.scan(PERSON, before).select("person_id", "birth_date")
        parts.append(store.scan(SOURCE_RECORD, before).select(list(BIRTHS)).collect())
        parts.append(links.join(people, on="person_id").select(list(BIRTHS)).collect())
    return pl.concat(parts).drop_nulls().unique("record_id", keep="first", maintain_order=True)


def _until(council: Council, table: Table, frame: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    assert council.retention is not None
    lasting = {
        (contract.id, entry.event)
        for contract in council.contracts.values()
        for each in contract.tables
        for entry in each.yields
        if isinstance(entry, Event) and entry.end
    }
    pairs = {
        (agreement.agreement, share.from_, category)
        for agreement in council.agreements
        for share in agreement.shares
        for category in share.categories
    }
    return until(
        council.retention,
        table,
        frame,
        known,
        pl.DataFrame(sorted(lasting), schema=LASTING, orient="row"),
        pl.DataFrame(sorted(pairs), schema=SHARED, orient="row"),
    )


# -- what goes ---------------------------------------------------------------------------------------------------------


def preview(council: Council, month: date) -> pl.DataFrame:
    """What the first night of a month removes, as things stand: schema `DUE`, counted by zone, category and rule.

    Args:
        month: any day of it.
    """
    store, night = council.store, council.store.published()
    if council.retention is None or night is None:
        return pl.DataFrame(schema=DUE)
    known, first, parts = births(council, None, night), month_of(month), [pl.DataFrame(schema=DUE)]
    for table in TABLES:
        frame = store.read(table, night)
        ends = _until(council, table, frame, known)
        category = frame["type"] if "type" in frame.columns else pl.Series([table.name]).new_from_index(0, frame.height)
        due = ends.with_columns(category=category).filter(overdue(ends, first))
        counted = due.group_by("category", "rule").agg(pl.len().cast(pl.Int64).alias("rows"))
        parts.append(counted.select(zone=pl.lit(table.zone.value), category="category", rule="rule", rows="rows"))
    for zone, name, count in _beside(council, first):
        beside = [(zone, name, "zones", count)]
        parts.append(pl.DataFrame(beside, schema=DUE, orient="row"))
    return pl.concat(parts).filter(pl.col("rows") > 0).sort("zone", "category", "rule")


def _beside(council: Council, night: date) -> Iterator[tuple[str, str, int]]:
    for feed in sorted(council.contracts):
        yield "landing", feed, len(_landed(council, feed, night))
        yield "quarantine", feed, sum(rows for _, rows in _aside(council, feed, night))
    yield "marts", "older releases", len(_releases(council, night))


def run(council: Council, night: date, all_nights: bool = True) -> dict[str, int]:
    """Take away what has run out by a night from all that lies beside its history; how much went, by place.

    Killed at any point and run again, it comes to the same. The ledger and the audit log stay.

    Args:
        all_nights: whether to look through earlier nights, releases and loads too: needed once a month.
    """
    gone = {"landing": 0, "quarantine": 0, "marts": 0, "vault": 0, "facts": 0, "loads": 0}
    if council.retention is None:
        return gone
    for feed in sorted(council.contracts):
        gone["landing"] += arrivals.drop(council.store, feed, _landed(council, feed, night))
        gone["quarantine"] += arrivals.clear(council.store, feed, [key for key, _ in _aside(council, feed, night)])
    for stamp in _releases(council, night):
        gone["marts"] += marts.drop(council.home / "marts", stamp)
    facts = _Facts(council, night, all_nights)
    said = f"{month_of(night)} {hashlib.blake2b(repr(council.retention).encode(), digest_size=8).hexdigest()}"
    for contract in council.contracts.values():
        gone["loads"] += arrivals.expire(council.store, contract, said, facts.expired, council.ring)
    if all_nights and (ids := facts.ids()).len():
        whom = Whom(told=ids)
        for place, count in erasure.tables(council, whom).items():
            gone[place] += count
        gone["marts"] += erasure.releases(council, whom)
    return gone


class _Facts:
    """What is told anywhere, the newest version of each fact, and what of it has run out by a night.

    Args:
        all_nights: whether earlier nights are looked at too.
    """

    def __init__(self, council: Council, night: date, all_nights: bool) -> None:
        self.council, self.night, self.all_nights = council, night, all_nights
        self._known: dict[str, pl.DataFrame] = {}
        self._there: dict[str, dict[tuple[object, ...], pl.DataFrame]] = {}

    @cached_property
    def births(self) -> pl.DataFrame:
        return births(self.council, None, self.council.store.published())

    def known(self, table: Table) -> pl.DataFrame:
        """The newest version of each fact: as the last night has it, else a load, else the nights before it."""
        if table.name not in self._known:
            store, live = self.council.store, str(self.council.store.published())
            days = sorted(store.folders(table.zone, table.name), key=lambda day: (day == live, day), reverse=True)
            nights = [store.read(table, date.fromisoformat(day)) for day in days if self.all_nights or day == live]
            nights = [frame.sort("known_to", descending=True, nulls_last=False) for frame in nights]
            told = (f.select(table.schema.names()) for f in arrivals.told(store, self.council.contracts, table))
            every = pl.concat([table.empty(), *nights[:1], *told, *nights[1:]])
            self._known[table.name] = every.unique(table.key[0], keep="first", maintain_order=True)
        return self._known[table.name]

    def expired(self, table: Table, frame: pl.DataFrame) -> pl.Series:
        """Which of these facts have run out, in the light of all that is known of the same people."""
        key, retention = table.key[0], self.council.retention
        assert retention is not None
        maybe = pl.repeat(True, frame.height, eager=True)
        if frame.height and key in frame.columns and not self.all_nights:  # a night just made leaves out what has
            there = [self._live(table).get((feed,), frame.clear())[key] for feed in frame["feed"].unique()]
            maybe = ~frame[key].is_in(pl.concat(there).implode())
        some = every = frame.filter(maybe)
        lasts = {name for rule in retention.rules if rule.after == "last" for name in rule.categories}
        if some.height and lasts & ({*some["type"].unique()} if table is EVENT else {table.name}):
            beside = self.known(table).join(some.select("record_id").unique(), on="record_id", how="semi")
            every = pl.concat([some, beside.select(set(frame.columns) & set(beside.columns))], how="diagonal_relaxed")
        gone = overdue(_until(self.council, table, every, self.births), self.night).head(some.height)
        return pl.Series(range(frame.height), dtype=pl.UInt32).is_in(maybe.arg_true().filter(gone).implode())

    def _live(self, table: Table) -> dict[tuple[object, ...], pl.DataFrame]:
        """The ids of what the published night has, by feed."""
        if table.name not in self._there:
            night = self.council.store.published()
            told = table.empty().lazy() if night is None else self.council.store.scan(table, night)
            ids = told.select("feed", table.key[0]).collect()
            self._there[table.name] = ids.partition_by("feed", as_dict=True)
        return self._there[table.name]

    def ids(self) -> pl.Series:
        """Ids of what has run out and some night still tells; loads do without it by then."""
        store, found = self.council.store, []
        for table in TABLES:
            days = [date.fromisoformat(day) for day in store.folders(table.zone, table.name)]
            told = pl.concat([table.empty().lazy(), *(store.scan(table, day) for day in days)]).select(table.key[0])
            known = self.known(table).lazy().join(told.unique(), on=table.key[0], how="semi").collect()
            found.append(known.filter(self.expired(table, known))[table.key[0]].rename(""))
        return pl.concat(found).unique().sort()


def _landed(council: Council, feed: str, night: date) -> list[str]:
    """Landed deliveries whose files have run out, and which are not the feed's newest accepted one."""
    assert council.retention is not None
    last = latest_accepted(council.store, feed)
    return [
        key
        for key in deliveries(feed, council.store)
        if key != last
        and council.retention.zones.landing.after(day_of(key)) < night
        and not delivered(feed, key, council.store).gone
        and loaded_as(council.store, feed, key) in ("accepted", "rejected")
    ]


def _aside(council: Council, feed: str, night: date) -> Iterator[tuple[str, int]]:
    """Loads whose rows that were set aside have run out, and how many those are."""
    assert council.retention is not None
    store = council.store
    for key in loaded(store, feed):
        if council.retention.zones.quarantine.after(day_of(key)) >= night:
            continue
        folder = f"feed/{feed}/{key}"
        names = [name for name in store.names(Zone.VAULT, folder) if name.startswith(QUARANTINE)]
        rows = sum(store.get(Zone.VAULT, folder, name).select(pl.len()).collect().item() for name in names)
        if rows:
            yield key, rows


def _releases(council: Council, night: date) -> list[str]:
    """Releases of the marts that are older than they may be, but for the live one."""
    assert council.retention is not None
    kept_for = council.retention.zones.marts
    live = str(council.store.published())
    stamps = marts.releases(council.home / "marts")
    return [s for s in stamps if s != live and kept_for.after(date.fromisoformat(s[:10])) < night]


def against(council: Council, case: erasure.Case, today: date) -> list[Standing]:
    """What stands against an erasure: an open case, or a period for which the law has the council keep something."""
    store, night = council.store, council.store.published()
    if council.retention is None or night is None:
        return []
    known, told = births(council, None, night), []
    for table in TABLES:
        mine = pl.col("record_id").is_in(case.whom.records.implode()) & pl.col("known_to").is_null()
        rows = store.scan(table, night).filter(mine).collect()
        told.append((table, rows, _until(council, table, rows, known)))
    return standing_against(council.retention, told, today)


def next_month(night: date) -> date:
    """The first day of the month after a night's."""
    return month_of(month_of(night) + timedelta(days=32))
