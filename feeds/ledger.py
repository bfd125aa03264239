"""What became of every delivery, and which of them is in force.

What belongs here: loads as they are kept in the vault and read back, what each rests on, and what people decided about
those that are held. How a load comes about belongs in `intake`; bringing loads up to date, in `arrivals`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import polars as pl

from feeds import readers
from feeds.contracts import Contract
from feeds.deliveries import Landed, delivered, deliveries, delivery_order
from feeds.mapping import HISTORY, shape
from feeds.purges import CASES, OF_CASE, PURGED
from feeds.repeats import BEFORE
from governance.erasure import without_erased
from warehouse.store import Store, StoreError
from warehouse.tables import LOAD, LOAD_RULE, SOURCE_RECORD, TABLES, TIMESTAMP, Zone
from warehouse.tables import Table as Canonical

ACCEPTED, QUARANTINE = "accepted__", "quarantine__"
TERMS, BASIS, COUNTS = "terms", "basis", "counts"
HELD, RELEASE, REJECT = "held", "release", "reject"
DECISIONS, TOLD, AGAIN = "decision", "told", "again"  # folders of the ledger
DECISION: dict[str, pl.DataType | type[pl.DataType]] = {
    "sha256": pl.String,
    "verdict": pl.String,
    "by": pl.String,
    "why": pl.String,
    "decided_at": TIMESTAMP,
}


class RuleCount(NamedTuple):
    """How many rows of a table broke a rule."""

    table: str
    rule: str
    severity: str
    rows: int


class Turned(Exception):
    """A person rejected a delivery that was held; the message says who and why."""


@dataclass(frozen=True)
class Load:
    """What became of a delivery: received = accepted + quarantined + withdrawn.

    Attributes:
        status: accepted, rejected, or held until a person decides.
        gone: rows known before that no longer stand.
        tables: accepted rows by table.
        read_as: what was detected of its files, in words.
        decided_by: who released or rejected it, if it was held; `decided_reason` why.
    """

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
    tables: Mapping[str, int] = field(default_factory=dict)
    read_as: str | None = None
    decided_by: str | None = None
    decided_reason: str | None = None


def entry(
    contract: Contract, landed: Landed, load: Load, now: datetime, store: Store | None = None
) -> dict[str, pl.DataFrame]:
    """What is kept of a load beside its rows; with `store`, also what it rests on."""
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
        "read_as": load.read_as,
        "decided_by": load.decided_by,
        "decided_reason": load.decided_reason,
        "loaded_at": now,
    }
    rests_on = basis(store, contract, landed.delivery) if store and _unbroken(store, landed) else ""
    rules = [(load.feed, load.delivery, *rule) for rule in load.rules]
    return {
        "load": pl.DataFrame([row], schema=LOAD.schema),
        "load_rule": pl.DataFrame(rules, schema=LOAD_RULE.schema, orient="row"),
        BASIS: pl.DataFrame({BASIS: [rests_on]}),
        COUNTS: pl.DataFrame(
            list(load.tables.items()), schema={"table": pl.String, "accepted": pl.Int64}, orient="row"
        ),
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
    whole = pl.concat([p[0] for p in parts], how="diagonal"), pl.concat([p[1] for p in parts], how="diagonal")
    return whole[0].select(LOAD.schema.names()), whole[1].select(LOAD_RULE.schema.names())


def latest_accepted(store: Store, feed: str, before: str | None = None) -> str | None:
    """The newest accepted delivery of a feed, by its date and number; with `before`, the newest earlier than that."""
    for delivery in reversed(loaded(store, feed)):
        if before and delivery_order(delivery) >= delivery_order(before):
            continue
        if _status(store, feed, delivery) == "accepted":
            return delivery
    return None


def deliveries_in_force(store: Store, feeds: Iterable[str], night: date | None = None) -> dict[str, str]:
    """The latest accepted delivery of each feed that has one; those dated after `night` are not looked at.

    Held and rejected deliveries are passed over, so that the night goes on with what was accepted before them.

    Raises:
        StoreError: a feed's latest rests on what is no longer so, as when an earlier delivery came in late and a kill
            kept the later ones from being checked anew. `arrivals.settle` mends that; ingestion and the night call it.
    """
    found: dict[str, str] = {}
    for feed in sorted(feeds):
        for delivery in reversed(loaded(store, feed)):
            if night and delivery_order(delivery)[0] > str(night):
                continue
            if not sound(store, feed, delivery):
                raise StoreError(
                    f"feed {feed}: delivery {delivery} rests on earlier ones that have changed since it was checked. "
                    "Run `kinfold ingest`: it checks it anew."
                )
            if _status(store, feed, delivery) == "accepted":
                found[feed] = delivery
                break
    return found


def changed_since(store: Store, used: Mapping[str, str], night: date | None) -> set[str]:
    """Feeds of which a published night used another delivery than `used`, or the same one before it was checked anew.

    Without a night, all. A feed that the night used and that nothing is used of any more has changed, too.
    """
    before = _told(store, night)
    if before is None:
        kept: Mapping[str, str] = store.manifest(night).get("deliveries", {}) if night else {}
        return {feed for feed, delivery in used.items() if kept.get(feed) != delivery} | (set(kept) - set(used))
    now = grounds(store, used)
    return {feed for feed in now if before.get(feed) != now[feed]} | (set(before) - set(now))


def purged_since(store: Store, used: Mapping[str, str], night: date | None) -> pl.DataFrame:
    """Whose records feeds have taken back altogether since a published night: feed, record_id.

    Those of the loads after the one that the night used; where that was checked anew since, those of all loads.
    """
    before = _told(store, night) or {}
    found = [pl.DataFrame(schema={"feed": pl.String, "record_id": pl.String})]
    for feed, delivery in sorted(used.items()):
        then, rested_on = before.get(feed, ("", ""))
        since = delivery_order(then) if then and rested_on == _basis(store, feed, then) else ("", 0)
        for load in loaded(store, feed):
            if since < delivery_order(load) <= delivery_order(delivery):
                frame = purged_of(store, feed, load).drop_nulls("record_id")
                found.append(frame.select(pl.lit(feed).alias("feed"), "record_id"))
    return pl.concat(found).unique()


def grounds(store: Store, used: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The delivery that is used of each feed, and what its load rests on."""
    return {feed: (delivery, _basis(store, feed, delivery)) for feed, delivery in sorted(used.items())}


def remember(store: Store, night: date, told: Mapping[str, tuple[str, str]]) -> None:
    """Keep what a night's history was told by (`grounds`), for `changed_since`; nothing, while it is being written."""
    rows = [(feed, *ground) for feed, ground in told.items()]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("feed", "delivery", BASIS), pl.String), orient="row")
    store.put(Zone.LEDGER, f"{TOLD}/{night}", {TOLD: frame})


def _told(store: Store, night: date | None) -> dict[str, tuple[str, str]] | None:
    folder = f"{TOLD}/{night}"
    if night is None or not store.has(Zone.LEDGER, folder):
        return None
    return {
        feed: (delivery, rested) for feed, delivery, rested in store.get(Zone.LEDGER, folder, TOLD).collect().rows()
    }


def current(store: Store, feed: str, name: str, delivery: str | None = None) -> pl.DataFrame:
    """One frame of a feed, such as `event` or `accepted__episode`, after a delivery; else after the latest accepted.

    A canonical table that the feed does not speak of is empty.

    Raises:
        StoreError: the feed has no accepted delivery, its rows are no longer kept, or there is no frame of that name.
    """
    delivery = delivery or latest_accepted(store, feed) or "none"
    folder = f"feed/{feed}/{delivery}"
    names = store.names(Zone.VAULT, folder)
    if names and not whole(store, feed, delivery):
        raise StoreError(
            f"feed {feed}: the rows after delivery {delivery} are no longer kept, as a night that used a later one has "
            "been published. Use a later night."
        )
    if name in TABLES and name not in names:
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
    everything = without_erased(store, pl.concat(frames))
    if table is not SOURCE_RECORD and "feed" not in table.schema:
        everything = everything.unique(key, keep="first", maintain_order=True)
    return everything if "known_from" in table.schema else everything.sort(key)


def _status(store: Store, feed: str, delivery: str) -> str:
    status: str = store.get(Zone.VAULT, f"feed/{feed}/{delivery}", "load").select("status").collect().item()
    return status


# -- what a load rests on ---------------------------------------------------------------------------------------------


def basis(store: Store, contract: Contract | str, delivery: str) -> str:
    """Digest of what a load is made of: every delivery landed up to it, in order of key, and what was decided of them.

    A load is a function of these and of nothing else that may come later, so that it comes out the same whatever the
    order in which they arrive. While the digest is what it was when the load was made, the load stands.
    """
    feed = contract if isinstance(contract, str) else contract.id
    decided = set(store.folders(Zone.LEDGER, f"{DECISIONS}/{feed}"))
    resent = set(store.folders(Zone.LEDGER, f"{AGAIN}/{feed}"))
    told = []
    for key in deliveries(feed, store):
        if delivery_order(key) <= delivery_order(delivery):
            landed = delivered(feed, key, store)
            verdict = decision(store, landed) if key in decided else None
            told.append(f"{key} {landed.digest} {verdict['verdict'] if verdict else ''}")
            if key in resent:
                told.append(store.get(Zone.LEDGER, f"{AGAIN}/{feed}/{key}", AGAIN).collect().item())
    return hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()


def sound(store: Store, feed: str, delivery: str) -> bool:
    """Whether a delivery has a load, and all that it rests on is as it was when it was made."""
    kept = _basis(store, feed, delivery)
    return bool(kept) and kept == basis(store, feed, delivery)


def _basis(store: Store, feed: str, delivery: str) -> str:
    """What a load says that it rests on; nothing where it has to be made anew."""
    folder = f"feed/{feed}/{delivery}"
    if BASIS not in store.names(Zone.VAULT, folder):
        return ""
    kept: str = store.get(Zone.VAULT, folder, BASIS).collect().item()
    return kept


def standing(store: Store, contract: Contract, landed: Landed) -> Load | None:
    """The load that a delivery has already, if it still holds; None where the delivery is to be checked."""
    return load_of(store, contract.id, landed.delivery) if sound(store, contract.id, landed.delivery) else None


def _unbroken(store: Store, landed: Landed) -> bool:
    """Whether the delivery that landed just before this one has been checked on what now lies before it."""
    earlier = [key for key in deliveries(landed.feed, store) if delivery_order(key) < delivery_order(landed.delivery)]
    return not earlier or sound(store, landed.feed, earlier[-1])


def reconsider(store: Store, landed: Landed, said: str) -> None:
    """Have a rejected delivery that was sent again judged again, with all that rests on it, if the terms have changed.

    So a contract that was wrong is put right, and the partner, or whoever has the file, sends it once more. What a
    person rejected stays rejected.

    Args:
        said: the terms on which it would be judged now.
    """
    rejected = loaded_as(store, landed.feed, landed.delivery) == "rejected" and decision(store, landed) is None
    if rejected and terms_of(store, landed.feed, landed.delivery) != said:
        store.put(Zone.LEDGER, f"{AGAIN}/{landed.feed}/{landed.delivery}", {AGAIN: pl.DataFrame({TERMS: [said]})})


def load_of(store: Store, feed: str, delivery: str) -> Load:
    """The load of a delivery, as it was kept."""
    folder = f"feed/{feed}/{delivery}"
    row = store.get(Zone.VAULT, folder, "load").collect().row(0, named=True)
    rules = store.get(Zone.VAULT, folder, "load_rule").select("table", "rule", "severity", "rows").collect()
    fields = [name for name in Load.__dataclass_fields__ if name not in ("rules", "tables")]
    kept: dict[str, Any] = {name: row.get(name) for name in fields}
    return Load(
        **kept,
        rules=tuple(RuleCount(*rule) for rule in rules.rows()),
        tables=_tables(store, folder),
    )


def _tables(store: Store, folder: str) -> dict[str, int]:
    """Rows accepted of a delivery, by table; where they were not counted, the rows that stood after it."""
    names = store.names(Zone.VAULT, folder)
    kept = dict(store.get(Zone.VAULT, folder, COUNTS).collect().rows()) if COUNTS in names else {}
    if kept:
        return kept
    states = [name for name in names if name.startswith(ACCEPTED)]
    return {
        name.removeprefix(ACCEPTED): store.get(Zone.VAULT, folder, name).select(pl.len()).collect().item()
        for name in states
    }


# -- deliveries that are held -----------------------------------------------------------------------------------------


def held(
    contract: Contract,
    store: Store,
    before: str | None,
    counts: Mapping[str, int],
    became: Mapping[str, str] | None = None,
) -> str | None:
    """Why a snapshot is to be held for a person to decide, in words; None where it is not.

    It is where its rows are out of the contract's band, and, band or none, where a table that had rows has none now:
    all that it told would be taken back.

    Args:
        before: the accepted delivery that it is compared with; the first delivery of a feed is never held.
        counts: accepted rows of this delivery, by table.
        became: what became of the rows of tables that have none, in words.
    """
    if before is None or contract.delivery != "snapshot":
        return None
    band, stood = contract.volume_band, _tables(store, f"feed/{contract.id}/{before}")
    told, far = [], False
    for name, rows in sorted(counts.items()):
        had = stood.get(name)
        if had and not rows:
            told.append(
                f"{name} had {had:,} accepted row{'s' * (had > 1)} in {before} and has none now: "
                f"{(became or {}).get(name, 'none is left')}"
            )
        elif had and band is not None and abs(rows - had) > band * had:
            far = True
            told.append(
                f"{name} had {had:,} accepted rows in {before} and has {rows:,} now ({(rows - had) / had:+.0%})"
            )
    if not told:
        return None
    by = f"The contract's band is {band:.0%} either way. " if far else ""
    return (
        f"{'; '.join(told)}. {by}Nothing of it is used until somebody decides: ask the partner, then release it or "
        "reject it."
    )


def decision(store: Store, landed: Landed) -> dict[str, Any] | None:
    """What was decided last about a delivery of this content: verdict, by, why, decided_at; None if nothing was."""
    folder = f"{DECISIONS}/{landed.feed}/{landed.delivery}"
    if not store.has(Zone.LEDGER, folder):
        return None
    said = store.get(Zone.LEDGER, folder, "decision").filter(sha256=landed.digest).collect()
    return said.row(-1, named=True) if said.height else None


def decide(store: Store, feed: str, delivery: str, verdict: str, by: str, why: str, now: datetime) -> None:
    """Keep what a person decides about a held delivery; checking it again (`arrivals.settle`) carries it out.

    A later decision on the same delivery replaces an earlier one; all are kept.

    Args:
        verdict: `release` or `reject`.
        by: who decides; `why` in their words, for the ledger.
        now: UTC, naive.

    Raises:
        StoreError: there is no such delivery, it is not held, or the decision does not say what, who or why.
    """
    landed = delivered(feed, delivery, store)
    if verdict not in (RELEASE, REJECT):
        raise StoreError(f"{verdict!r} is no decision on a delivery: say {RELEASE} or {REJECT}.")
    if not by.strip() or not why.strip():
        raise StoreError(f"a decision on {feed} {delivery} says who made it and why. Give both.")
    folder = f"{DECISIONS}/{feed}/{delivery}"
    earlier = decision(store, landed)
    if not earlier and loaded_as(store, feed, delivery) != HELD:
        status = loaded_as(store, feed, delivery) or "not checked yet"
        raise StoreError(f"delivery {delivery} of {feed} is not held: it is {status}. There is nothing to decide.")
    row = {"sha256": landed.digest, "verdict": verdict, "by": by.strip(), "why": why.strip(), "decided_at": now}
    kept = [store.get(Zone.LEDGER, folder, "decision").collect()] if store.has(Zone.LEDGER, folder) else []
    store.put(Zone.LEDGER, folder, {"decision": pl.concat([*kept, pl.DataFrame([row], schema=DECISION)])})


def outcome(
    contract: Contract,
    store: Store,
    landed: Landed,
    before: str | None,
    counts: Mapping[str, int],
    became: Mapping[str, str] | None = None,
) -> dict[str, str | None]:
    """What becomes of a delivery whose rows were judged: `status`, `reason`, `decided_by`, `decided_reason` of a load.

    What a person decided holds, whatever its size is compared with later; see `held` for the arguments.
    """
    said = decision(store, landed)
    if said is None:
        reason = held(contract, store, before, counts, became)
        return {"status": HELD if reason else "accepted", "reason": reason, "decided_by": None, "decided_reason": None}
    words = f"{said['by']} rejected it: {said['why']}" if said["verdict"] == REJECT else None
    status = "rejected" if words else "accepted"
    return {"status": status, "reason": words, "decided_by": said["by"], "decided_reason": said["why"]}


def loaded_as(store: Store, feed: str, delivery: str) -> str | None:
    """What a delivery was loaded as: accepted, rejected or held; None where it has no load."""
    return _status(store, feed, delivery) if store.has(Zone.VAULT, f"feed/{feed}/{delivery}") else None


# -- what is kept and what is dropped of a load ------------------------------------------------------------------------


def whole(store: Store, feed: str, delivery: str) -> bool:
    """Whether the rows after an accepted delivery are still kept, and not its place in the ledger alone."""
    return any(name.startswith(ACCEPTED) for name in store.names(Zone.VAULT, f"feed/{feed}/{delivery}"))


def thin(store: Store, feed: str, delivery: str, quarantine: Mapping[str, pl.DataFrame], keep_state: bool) -> None:
    """Keep of a load its place in the ledger and what is set aside as given; and its rows, if they are needed still."""
    folder = f"feed/{feed}/{delivery}"
    ledger = ("load", "load_rule", TERMS, BASIS, COUNTS, PURGED)
    names = [n for n in store.names(Zone.VAULT, folder) if n not in quarantine and (keep_state or n in ledger)]
    kept = {name: store.get(Zone.VAULT, folder, name).collect() for name in names}
    store.put(Zone.VAULT, folder, kept | dict(quarantine))


def unsettle(store: Store, feed: str, delivery: str) -> None:
    """Have a load made anew the next time that it is checked."""
    folder = f"feed/{feed}/{delivery}"
    kept = {name: store.get(Zone.VAULT, folder, name).collect() for name in store.names(Zone.VAULT, folder)}
    store.put(Zone.VAULT, folder, kept | {BASIS: pl.DataFrame({BASIS: [""]})})


def resettle(store: Store, feed: str, delivery: str) -> None:
    """Let a load stand on what now lies before it: nothing of its delivery is kept that could be checked anew."""
    folder = f"feed/{feed}/{delivery}"
    kept = {name: store.get(Zone.VAULT, folder, name).collect() for name in store.names(Zone.VAULT, folder)}
    store.put(Zone.VAULT, folder, kept | {BASIS: pl.DataFrame({BASIS: [basis(store, feed, delivery)]})})


def quarantined(store: Store, feed: str, delivery: str) -> dict[str, pl.DataFrame]:
    """The rows that a load set aside, by the name that they are kept under."""
    folder = f"feed/{feed}/{delivery}"
    names = [name for name in store.names(Zone.VAULT, folder) if name.startswith(QUARANTINE)]
    return {name: store.get(Zone.VAULT, folder, name).collect() for name in names}


def purged_of(store: Store, feed: str, delivery: str) -> pl.DataFrame:
    """The cases that a delivery purged, and whose records they told of: case, record_id (null where of nobody's)."""
    folder = f"feed/{feed}/{delivery}"
    if PURGED not in store.names(Zone.VAULT, folder):
        return pl.DataFrame(schema=OF_CASE)
    return store.get(Zone.VAULT, folder, PURGED).collect()


def cases_of(store: Store, feed: str, delivery: str | None) -> pl.DataFrame | None:
    """Whose records each case has told of up to a delivery; None where it is not kept."""
    folder = f"feed/{feed}/{delivery}"
    if delivery is None or CASES not in store.names(Zone.VAULT, folder):
        return None
    return store.get(Zone.VAULT, folder, CASES).collect()


# -- states -----------------------------------------------------------------------------------------------------------


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
