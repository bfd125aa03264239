"""What became of every delivery, and which of them is in force.

What belongs here: loads as they are kept in the vault and read back. How a load comes about belongs in `intake`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from feeds import readers
from feeds.contracts import Contract
from feeds.deliveries import Landed, delivery_order
from feeds.mapping import HISTORY, shape
from feeds.repeats import BEFORE
from warehouse.store import Store
from warehouse.tables import LOAD, LOAD_RULE, SOURCE_RECORD, TABLES, Zone
from warehouse.tables import Table as Canonical

ACCEPTED, QUARANTINE = "accepted__", "quarantine__"
TERMS = "terms"


class RuleCount(NamedTuple):
    """How many rows of a table broke a rule."""

    table: str
    rule: str
    severity: str
    rows: int


@dataclass(frozen=True)
class Load:
    """What became of a delivery: received = accepted + quarantined + withdrawn."""

    feed: str
    delivery: str
    status: str
    received: int
    accepted: int
    quarantined: int
    withdrawn: int
    gone: int
    reason: str | None
    rules: tuple[RuleCount, ...]


def entry(contract: Contract, landed: Landed, load: Load, now: datetime) -> dict[str, pl.DataFrame]:
    row = {
        "feed": load.feed,
        "delivery": load.delivery,
        "partner": contract.partner,
        "status": load.status,
        "files": len(landed.files),
        "bytes": landed.bytes,
        "sha256": landed.digest,
        "received": load.received,
        "accepted": load.accepted,
        "quarantined": load.quarantined,
        "withdrawn": load.withdrawn,
        "gone": load.gone,
        "reason": load.reason,
        "loaded_at": now,
    }
    rules = [(load.feed, load.delivery, *rule) for rule in load.rules]
    return {
        "load": pl.DataFrame([row], schema=LOAD.schema),
        "load_rule": pl.DataFrame(rules, schema=LOAD_RULE.schema, orient="row"),
    }


def loaded(store: Store, feed: str) -> list[str]:
    """The deliveries of a feed that have a load, oldest first."""
    return sorted(store.folders(Zone.VAULT, f"feed/{feed}"), key=delivery_order)


def loads(store: Store, feeds: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The ledger of these feeds: every load, and every rule of every load."""
    parts = [(LOAD.empty(), LOAD_RULE.empty())]
    for feed in sorted(feeds):
        for delivery in loaded(store, feed):
            folder = f"feed/{feed}/{delivery}"
            parts.append(
                (
                    store.get(Zone.VAULT, folder, "load").collect(),
                    store.get(Zone.VAULT, folder, "load_rule").collect(),
                )
            )
    return pl.concat([p[0] for p in parts]), pl.concat([p[1] for p in parts])


def latest_accepted(store: Store, feed: str, before: str | None = None) -> str | None:
    """The newest accepted delivery of a feed, by its date and number; with `before`, the newest earlier than that."""
    for delivery in reversed(loaded(store, feed)):
        if before and delivery_order(delivery) >= delivery_order(before):
            continue
        if _status(store, feed, delivery) == "accepted":
            return delivery
    return None


def deliveries_in_force(store: Store, feeds: Iterable[str]) -> dict[str, str]:
    """The latest accepted delivery of each feed that has one."""
    found = {feed: latest_accepted(store, feed) for feed in sorted(feeds)}
    return {feed: delivery for feed, delivery in found.items() if delivery}


def changed_since(store: Store, used: Mapping[str, str], night: date | None) -> set[str]:
    """Feeds of which a published night used another delivery than `used`; without a night, all."""
    before: Mapping[str, str] = store.manifest(night).get("deliveries", {}) if night else {}
    return {feed for feed, delivery in used.items() if before.get(feed) != delivery}


def current(store: Store, feed: str, name: str, delivery: str | None = None) -> pl.DataFrame:
    """One frame of a feed, such as `event` or `accepted__episode`, after a delivery; else after the latest accepted.

    A canonical table that the feed does not speak of is empty.

    Raises:
        StoreError: the feed has no accepted delivery, or no frame of that name.
    """
    folder = f"feed/{feed}/{delivery or latest_accepted(store, feed) or 'none'}"
    if name in TABLES and name not in store.names(Zone.VAULT, folder):
        return pl.DataFrame(schema=shape(TABLES[name]))
    return store.get(Zone.VAULT, folder, name).collect()


def current_all(
    store: Store, used: Mapping[str, str], table: Canonical, only: Collection[str] | None = None
) -> pl.DataFrame:
    """What feeds (or `only` some) tell of a canonical table after the delivery that is used of each.

    Sorted by key, but for tables with a history, which `history.merge` sorts. Where feeds of reference data overlap,
    the first by name wins. Columns that history sets are not among them.
    """
    chosen = [feed for feed in sorted(used) if only is None or feed in only]
    frames = [pl.DataFrame(schema=shape(table)), *(current(store, feed, table.name, used[feed]) for feed in chosen)]
    key = [name for name in table.key if name not in HISTORY]
    everything = pl.concat(frames)
    if table is not SOURCE_RECORD and "feed" not in table.schema:
        everything = everything.unique(key, keep="first", maintain_order=True)
    return everything if "known_from" in table.schema else everything.sort(key)


def _status(store: Store, feed: str, delivery: str) -> str:
    status: str = store.get(Zone.VAULT, f"feed/{feed}/{delivery}", "load").select("status").collect().item()
    return status


def standing(store: Store, contract: Contract, landed: Landed) -> Load | None:
    """The load that a delivery has already, if it still holds; None where the delivery is to be checked."""
    folder = f"feed/{contract.id}/{landed.delivery}"
    if not store.has(Zone.VAULT, folder):
        return None
    same = store.get(Zone.VAULT, folder, "load").collect()["sha256"].item() == landed.digest
    return load_of(store, contract.id, landed.delivery) if same else None


def load_of(store: Store, feed: str, delivery: str) -> Load:
    folder = f"feed/{feed}/{delivery}"
    row = store.get(Zone.VAULT, folder, "load").collect().row(0, named=True)
    rules = store.get(Zone.VAULT, folder, "load_rule").select("table", "rule", "severity", "rows").collect()
    return Load(
        **{name: row[name] for name in Load.__dataclass_fields__ if name != "rules"},
        rules=tuple(RuleCount(*rule) for rule in rules.rows()),
    )


def previous_rows(contract: Contract, store: Store, delivery: str | None) -> dict[str, pl.DataFrame] | None:
    """The feed's accepted rows after an earlier delivery, with `BEFORE`; a table or column that came since is empty."""
    if delivery is None:
        return None
    folder = f"feed/{contract.id}/{delivery}"
    names = store.names(Zone.VAULT, folder)
    previous: dict[str, pl.DataFrame] = {}
    for table in contract.tables:
        columns = [*readers.PLACE, *(c.name for c in table.all_columns)]
        schema = pl.Schema({c: readers.PLACE.get(c, pl.String) for c in columns})
        name = f"{ACCEPTED}{table.name}"
        kept = store.get(Zone.VAULT, folder, name).collect() if name in names else pl.DataFrame(schema=schema)
        absent = [pl.lit(None, schema[c]).alias(c) for c in columns if c not in kept.columns]
        place = pl.int_range(pl.len(), dtype=pl.UInt32).alias(BEFORE)
        previous[table.name] = kept.with_columns(absent).select(*columns, place)
    return previous


def terms_of(store: Store, feed: str, delivery: str) -> str | None:
    """On what terms a load was made; None where it does not say."""
    folder = f"feed/{feed}/{delivery}"
    return store.get(Zone.VAULT, folder, TERMS).collect().item() if TERMS in store.names(Zone.VAULT, folder) else None
