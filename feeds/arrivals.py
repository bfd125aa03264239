"""Deliveries as they come in, in whatever order: landed, checked, and what rests on them checked anew.

What belongs here: which deliveries of a feed are to be checked and in which order, and what is dropped once no night
needs it. What checking is belongs in `intake`; what a load rests on, in `ledger`.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import polars as pl

from feeds import ledger
from feeds.contracts import Contract
from feeds.deliveries import NOTHING, Found, Landed, delivered, deliveries, delivery_order, keep_instead, land
from feeds.erasing import from_landing, from_load, purge_landing
from feeds.expiry import Expired, cut
from feeds.intake import check, refuse
from feeds.ledger import QUARANTINE, Load
from feeds.mapping import FACTS, HISTORY
from feeds.purges import about
from feeds.repeats import terms
from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.store import Store
from warehouse.tables import TABLES, Zone
from warehouse.tables import Table as Canonical

PURGES = "purged"  # in the ledger, by feed: up to what its landing zone does without purged cases
EXPIRED = "expired"  # in the ledger, by feed: which loads do without what had run out by which month
TOO_LATE = (
    "It is dated before deliveries whose files are no longer kept, so that what stands cannot be made anew upon it. "
    "Send what it tells again under a later date."
)


def settle(
    contract: Contract, store: Store, vault: Vault, ring: KeyRing, now: datetime, found: Iterable[Found] = ()
) -> Iterator[Load]:
    """Land what was found of a feed, then check whatever of it has no load or one that no longer holds, oldest first.

    So a late delivery has the later ones checked anew, what a kill left half done is done, and a decision on a held
    delivery is carried out; and one that was rejected is judged again when it is sent again after its contract was put
    right. Loads come out the same whatever the order in which deliveries arrive. One process at a
    time settles a feed; another waits.

    Args:
        found: deliveries that lie in the drop folder.
        now: UTC, naive.

    Yields:
        Each load that was made.
    """
    with _alone(store, contract.id):
        for one in sorted(found, key=lambda one: delivery_order(one.delivery)):
            if one.repeats:
                ledger.reconsider(store, delivered(contract.id, one.delivery, store), terms(contract, ring))
            land(one, store, vault)
        for delivery in _due(store, contract.id):
            landed = delivered(contract.id, delivery, store)
            known = ledger.loaded_as(store, contract.id, delivery) is not None
            if not landed.gone and not _rests_on_dropped(store, landed):
                yield check(contract, landed, store, vault, ring, now)
            elif known:
                ledger.resettle(store, contract.id, delivery)
            else:
                yield refuse(contract, landed, store, now, TOO_LATE, ring)


def unsettled(store: Store, feed: str) -> list[str]:
    """The landed deliveries of a feed that have no load, or one that no longer holds, oldest first."""
    landed = deliveries(feed, store)
    sound = len(landed)
    while sound and not ledger.sound(store, feed, landed[sound - 1]):
        sound -= 1
    return landed[sound:]


def forget(
    store: Store,
    contracts: Mapping[str, Contract],
    used: Mapping[str, str],
    ring: KeyRing,
    vault: Vault | None = None,
) -> int:
    """Drop what no night needs any more, once one that used these deliveries is published; how many loads it touched.

    Of deliveries before the one used, the rows; their place in the ledger, and what they set aside, stay. What is about
    a purged case goes from what was set aside up to its purge. A delivery that was dropped too early by that, because
    an earlier one arrives late, is made anew from the landing zone; with `vault`, that does without purged cases too.
    """
    touched = 0
    for feed, last in sorted(used.items()):
        with _alone(store, feed):
            purged: set[str] = set()
            up_to = [d for d in ledger.loaded(store, feed) if delivery_order(d) <= delivery_order(last)]
            for delivery in reversed(up_to):
                purged |= set(ledger.purged_of(store, feed, delivery)["case"].drop_nulls())
                aside = ledger.quarantined(store, feed, delivery) if purged else {}
                rid = {}
                for name, rows in aside.items():
                    table = next((t for t in contracts[feed].tables if t.name == name.removeprefix(QUARANTINE)), None)
                    keep = rows if table is None else rows.filter(~about(contracts[feed], table, rows, purged, ring))
                    if keep.height < rows.height:
                        rid[name] = keep
                drop = delivery != last and ledger.whole(store, feed, delivery)
                if drop or rid:
                    aside = aside or ledger.quarantined(store, feed, delivery)
                    ledger.thin(store, feed, delivery, aside | rid, keep_state=not drop)
                    touched += 1
            if purged and vault:
                _purge_landed(contracts[feed], store, up_to, vault, ring)
    return touched


def _purge_landed(contract: Contract, store: Store, up_to: list[str], vault: Vault, ring: KeyRing) -> None:
    """Take purged cases out of what landed up to their purge; nothing is read where that is done already."""
    feed, purged, done = contract.id, set[str](), f"{PURGES}/{contract.id}"
    told = "\n".join([*up_to, *(str(ledger.purged_of(store, feed, d).hash_rows().sum()) for d in up_to)])
    mark = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
    if store.has(Zone.LEDGER, done) and store.get(Zone.LEDGER, done, "mark").collect().item() == mark:
        return
    for delivery in sorted(up_to, key=delivery_order, reverse=True):
        stands = ledger.cases_of(store, feed, delivery)
        purged |= set(ledger.purged_of(store, feed, delivery)["case"].drop_nulls())
        gone = purged - (set(stands["case"]) if stands is not None else set())
        if gone:
            purge_landing(contract, delivered(feed, delivery, store), gone, vault, ring)
    store.put(Zone.LEDGER, done, {"mark": pl.DataFrame({"mark": [mark]})})


def _rests_on_dropped(store: Store, landed: Landed) -> bool:
    """Whether a delivery cannot be checked as if all had come in order: rows that it or a later one needs are dropped.

    It needs those that stood after the accepted delivery before it; and where it has no load yet, later ones whose
    files are dropped would have to be checked anew upon it.
    """
    feed, key = landed.feed, delivery_order(landed.delivery)
    before = ledger.latest_accepted(store, feed, before=landed.delivery)
    if before and not ledger.whole(store, feed, before):
        return True
    if ledger.loaded_as(store, feed, landed.delivery) is not None:
        return False
    later = [d for d in deliveries(feed, store) if delivery_order(d) > key]
    return any(delivered(feed, d, store).gone and ledger.loaded_as(store, feed, d) == "accepted" for d in later)


def _due(store: Store, feed: str) -> list[str]:
    """The deliveries to be checked, oldest first.

    A sound load rests on sound ones, so they are those after the newest sound one; and, where the rows that the first
    of them builds on were dropped, as many before as it takes to have them again.
    """
    stale = unsettled(store, feed)
    landed = [delivery for delivery in deliveries(feed, store) if delivery not in stale] if stale else []
    again: list[str] = []
    accepted = [delivery for delivery in landed if ledger.loaded_as(store, feed, delivery) == "accepted"]
    while accepted and not ledger.whole(store, feed, accepted[-1]):
        again.insert(0, accepted.pop())
    if any(delivered(feed, delivery, store).gone for delivery in again):
        again = []  # what stands cannot be made anew: `settle` lets it stand, and refuses what comes too late for it
    for delivery in again:
        ledger.unsettle(store, feed, delivery)
    return [*again, *stale]


def erase(contract: Contract, erased: pl.Series, store: Store, vault: Vault, ring: KeyRing) -> dict[str, int]:
    """Take erased records out of all that a feed delivered; how many landed deliveries and loads held any.

    Killed at any point and run again, it comes to the same.

    Args:
        erased: `record_id`.
    """
    found = {"landing": 0, "loads": 0}
    with _alone(store, contract.id):
        for delivery in deliveries(contract.id, store):
            found["landing"] += from_landing(contract, delivered(contract.id, delivery, store), erased, vault, ring)
            found["loads"] += from_load(contract, store, delivered(contract.id, delivery, store), erased, ring)
    return found


def drop(store: Store, feed: str, due: Iterable[str]) -> int:
    """Drop the files of landed deliveries that have their loads; what they hold cannot be checked anew from then on.

    The loads stand. Before files go, what the next delivery after them builds on is whole, or nothing builds on it.
    """
    gone = 0
    with _alone(store, feed):
        for delivery in due:
            landed = delivered(feed, delivery, store)
            if not landed.gone:
                keep_instead(landed, {"as": NOTHING, "parts": [], "read_as": {}, "gone": {}, "purging": {}})
                gone += 1
    return gone


def clear(store: Store, feed: str, due: Iterable[str]) -> int:
    """Drop the rows that loads set aside; how many there were stays in the ledger. Return how many loads it touched."""
    touched = 0
    with _alone(store, feed):
        for delivery in due:
            folder = f"feed/{feed}/{delivery}"
            aside = ledger.quarantined(store, feed, delivery)
            kept = {name: store.get(Zone.VAULT, folder, name).collect() for name in store.names(Zone.VAULT, folder)}
            store.put(Zone.VAULT, folder, kept | {name: rows.clear() for name, rows in aside.items()})
            touched += 1
    return touched


def told(store: Store, contracts: Iterable[str], table: Canonical) -> Iterator[pl.DataFrame]:
    """What each kept load tells of a table of facts, the newest of a feed first, with the columns of its history.

    All of it is known and standing.
    """
    for feed in sorted(contracts):
        for delivery in reversed(ledger.loaded(store, feed)):
            if table.name in store.names(Zone.VAULT, f"feed/{feed}/{delivery}"):
                frame = ledger.current(store, feed, table.name, delivery)
                yield frame.with_columns(pl.lit(None, table.schema[c]).alias(c) for c in HISTORY)


def expire(store: Store, contract: Contract, said: str, expired: Expired, ring: KeyRing) -> int:
    """Take what has run out out of a feed's kept loads; how many loads held any.

    Args:
        said: what is asked of them; a load that was asked the same before is not read again.
        expired: which rows of a frame of facts have run out.
    """
    gone, mark = 0, f"{EXPIRED}/{contract.id}"
    with _alone(store, contract.id):
        whole = [d for d in ledger.loaded(store, contract.id) if ledger.whole(store, contract.id, d)]
        marks = {d: f"{said} {_made(store, contract.id, d)}" for d in whole}
        known = dict(store.get(Zone.LEDGER, mark, "mark").collect().rows()) if store.has(Zone.LEDGER, mark) else {}
        for delivery in (d for d in whole if known.get(d) != marks[d]):
            folder = f"feed/{contract.id}/{delivery}"
            names = store.names(Zone.VAULT, folder)
            told = [table.name for table in FACTS.values() if table.name in names]
            facts = {n: store.get(Zone.VAULT, folder, n).collect() for n in told}
            if not any(expired(TABLES[n], frame).any() for n, frame in facts.items()):
                continue
            frames = {n: facts[n] if n in facts else store.get(Zone.VAULT, folder, n).collect() for n in names}
            after = cut(contract, frames, expired, ring)
            if any(after[name] is not frames[name] for name in frames):
                store.put(Zone.VAULT, folder, after)
                gone += 1
        if known != marks:
            rows = pl.DataFrame(list(marks.items()), schema={"delivery": pl.String, "mark": pl.String}, orient="row")
            store.put(Zone.LEDGER, mark, {"mark": rows})
    return gone


def _made(store: Store, feed: str, delivery: str) -> str:
    """When a load was made."""
    return str(store.get(Zone.VAULT, f"feed/{feed}/{delivery}", "load").select("loaded_at").collect().item())


@contextmanager
def _alone(store: Store, feed: str) -> Iterator[None]:
    """Hold the one lock of a feed; the system lets it go when the process ends, however it does."""
    folder = store.home / "landing" / feed
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
