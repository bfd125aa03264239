"""A landed delivery becomes a load: read, judged, split, mapped, and kept in one atomic write with its ledger.

What belongs here: the order of those steps, the state of a feed after a delivery, and what is in force. Each step's
own knowledge is in the module of its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from feeds import readers
from feeds.contracts import Contract, Table
from feeds.deliveries import Landed, delivery_order, unsealed
from feeds.mapping import HISTORY, mapped, shape
from feeds.parsing import matches, parsed
from feeds.repeats import BEFORE, places, remapped, terms
from feeds.rules import COUNTED, judge
from governance.keys import KeyRing
from governance.vault import Vault
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


class _Split(NamedTuple):
    """One table of a delivery: rows that go on (with `BEFORE`), rows set aside, rows that withdraw a case or a row."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    withdrawing: pl.DataFrame


def check(contract: Contract, landed: Landed, store: Store, vault: Vault, ring: KeyRing, now: datetime) -> Load:
    """Turn a landed delivery into a load, once: a delivery that has its load already is not read again.

    Everything is kept in one folder of the vault, `feed/<feed>/<delivery>`, by one rename: `load`, `load_rule` and,
    where anything could be read, `quarantine__<table>`; for an accepted one also `accepted__<table>` (the feed's
    state after it, as text) and the canonical frames.

    Args:
        now: UTC, naive.

    Raises:
        RuleError: a rule of the contract cannot be run.
    """
    folder = f"feed/{contract.id}/{landed.delivery}"
    if store.has(Zone.VAULT, folder):
        kept = _load_of(store, contract.id, landed.delivery)
        if store.get(Zone.VAULT, folder, "load").collect()["sha256"].item() == landed.digest:
            return kept
    frames: dict[str, pl.DataFrame] = {}
    counts = pl.DataFrame(schema=COUNTED)
    reason, gone = None, 0
    said = terms(contract, ring)
    splits: dict[str, _Split] = {}
    try:
        for file in landed.files:
            if file.folder:
                raise readers.Rejected(file.path, "a file should stand here, and a folder does", "Send the file itself")
        tables = readers.read(contract, landed.names, lambda path: unsealed(landed, path, vault))
        before = latest_accepted(store, contract.id, before=landed.delivery)
        previous = _previous(contract, store, before)
        as_before = before is not None and _terms(store, contract.id, before) == said
        snapshot = contract.delivery == "snapshot"
        splits, counts, refused = _split(contract, tables, previous if as_before and snapshot else None)
        if refused:
            raise readers.Rejected(
                ", ".join(landed.names), f"the rule should hold: {'; '.join(refused)}", "Correct the extract and resend"
            )
        if sum(s.quarantined.height for s in splits.values()) and not sum(
            s.accepted.height + s.withdrawing.height for s in splits.values()
        ):
            raise readers.Rejected(
                ", ".join(landed.names), "some row should keep the contract, and none does", _commonest(counts)
            )
        state, gone = _state(contract, splits, previous)
        if before and previous and as_before:
            made, cleaned = _remapped(contract, landed.delivery, state, previous, before, store, ring)
        else:
            made, cleaned = mapped(contract, landed.delivery, state, ring)
        counts = pl.concat([counts, cleaned])
        if "source_record" in made and before:
            made["source_record"] = _first_told(made["source_record"], store, contract.id, before)
        frames = {f"{ACCEPTED}{name}": frame.drop(BEFORE) for name, frame in state.items()} | made
    except readers.Rejected as refusal:
        reason = str(refusal)
        everything = {n: _aside(s) for n, s in splits.items()}
        splits = {n: _Split(f.clear(), f, f.clear()) for n, f in everything.items()}
    frames |= {f"{QUARANTINE}{name}": split.quarantined for name, split in splits.items()}
    load = Load(
        feed=contract.id,
        delivery=landed.delivery,
        status="rejected" if reason else "accepted",
        received=sum(part.height for split in splits.values() for part in split),
        accepted=sum(split.accepted.height for split in splits.values()),
        quarantined=sum(split.quarantined.height for split in splits.values()),
        withdrawn=sum(split.withdrawing.height for split in splits.values()),
        gone=gone,
        reason=reason,
        rules=tuple(RuleCount(*row) for row in counts.rows()),
    )
    store.put(
        Zone.VAULT, folder, frames | _ledger(contract, landed, load, now) | {TERMS: pl.DataFrame({TERMS: [said]})}
    )
    return load


# -- the steps ------------------------------------------------------------------------------------------------------


def _split(
    contract: Contract, tables: Mapping[str, pl.DataFrame], accepted_before: Mapping[str, pl.DataFrame] | None
) -> tuple[dict[str, _Split], pl.DataFrame, tuple[str, ...]]:
    """Judge each table, parents before what is nested in them, and part its rows.

    Args:
        accepted_before: what the snapshot before had accepted by the same rules; a row like one of these keeps every
            rule that looks at one row alone.
    """
    splits: dict[str, _Split] = {}
    counts = [pl.DataFrame(schema=COUNTED)]
    refused: list[str] = []
    kept: dict[str, pl.DataFrame] = {}
    for table in contract.tables:
        rows = tables[table.name]
        purging = rows.select(_withdraws(table).alias("purging"))["purging"]
        withdrawing, rows = rows.filter(purging), rows.filter(~purging)
        orphans = None
        if table.parent:
            orphans = ~rows.select(
                pl.struct("_file", "_parent").is_in(kept[table.parent].to_struct("parent").implode()).alias("kept")
            )["kept"]
        place = pl.Series(BEFORE, [None], pl.UInt32).new_from_index(0, rows.height)
        if accepted_before is not None:
            place = places(rows, accepted_before[table.name], ["_fault", *(c.name for c in table.all_columns)])
        verdict = judge(contract, table, rows, orphans, place.is_not_null())
        failed = verdict.failed.group_by("index").agg(pl.col("rule").sort().alias("failed_rules"))
        numbered = rows.with_row_index("index")
        quarantined = numbered.join(failed, on="index", how="inner", maintain_order="left").drop("index")
        accepted = (
            numbered.with_columns(place).join(failed, on="index", how="anti", maintain_order="left").drop("index")
        )
        kept[table.name] = accepted.select("_file", pl.col("_row").alias("_parent"))
        splits[table.name] = _Split(accepted, quarantined, withdrawing)
        counts.append(verdict.counts)
        refused += verdict.refused
    return splits, pl.concat(counts), tuple(refused)


def _withdraws(table: Table) -> pl.Expr:
    """Which rows withdraw a case or a row, and say whose."""
    if table.messages and table.messages.purge:
        purge = next(c for c in table.columns if c.name == (table.messages.purge if table.messages else None))
        return parsed(purge).fill_null(False).cast(pl.Boolean) & pl.col(table.messages.key).is_not_null()
    if table.withdrawn:
        return matches(table.withdrawn) & pl.all_horizontal(pl.col(k).is_not_null() for k in table.key)
    return pl.repeat(False, pl.len())


def _aside(split: _Split) -> pl.DataFrame:
    """All rows of a table of a rejected delivery, as quarantined; those that broke no rule of their own name none."""
    none = pl.lit([], pl.List(pl.String)).alias("failed_rules")
    rest = [part.with_columns(none) for part in (split.accepted.drop(BEFORE), split.withdrawing)]
    return pl.concat([split.quarantined, *rest]).sort("_file", "_row")


def _commonest(counts: pl.DataFrame) -> str:
    worst = counts.filter(pl.col("severity") == "quarantine").sort("rows", "rule", descending=[True, False]).head(1)
    return f"Most rows break the rule: {worst['rule'].item()}" if worst.height else "Compare it with the contract"


def _state(
    contract: Contract, splits: Mapping[str, _Split], previous: Mapping[str, pl.DataFrame] | None
) -> tuple[dict[str, pl.DataFrame], int]:
    """The feed's accepted rows after this delivery, and how many of those before are gone."""
    gone = 0
    state: dict[str, pl.DataFrame] = {}
    if contract.delivery == "messages":
        return _after_messages(contract, splits, previous)
    for table in contract.tables:
        rows, withdrawing = splits[table.name].accepted, splits[table.name].withdrawing
        key = [*(c.name for c in table.inherited), *table.key]
        if previous is None:
            state[table.name] = rows
        elif contract.delivery == "snapshot":
            state[table.name] = rows
            compared = key if table.key else [c.name for c in table.all_columns]
            gone += previous[table.name].join(rows, on=compared, how="anti", nulls_equal=True).height
        else:
            told = pl.concat([rows.select(key), withdrawing.select(key)])
            stays = previous[table.name].join(told, on=key, how="anti", nulls_equal=True, maintain_order="left")
            gone += previous[table.name].join(withdrawing, on=key, how="semi", nulls_equal=True).height
            state[table.name] = pl.concat([stays, rows])
    return state, gone


def _after_messages(
    contract: Contract, splits: Mapping[str, _Split], previous: Mapping[str, pl.DataFrame] | None
) -> tuple[dict[str, pl.DataFrame], int]:
    """Each case as its last message has it; a case whose last message withdraws it is gone, with all its parts."""
    state: dict[str, pl.DataFrame] = {}
    gone = 0
    for top in (t for t in contract.tables if not t.parent):
        assert top.messages is not None
        case = top.messages.key
        place = ["_file", "_row"]
        told = pl.concat(
            [splits[top.name].accepted.select(case, *place), splits[top.name].withdrawing.select(case, *place)]
        )
        last = told.sort(place).unique(case, keep="last", maintain_order=True)
        standing = last.join(splits[top.name].withdrawing, on=place, how="anti")
        latest = standing.select("_file", pl.col("_row").alias("_message"))
        for table in _family(contract, top):
            rows = splits[table.name].accepted.join(latest, on=["_file", "_message"], how="semi", maintain_order="left")
            state[table.name] = rows
            if previous is None:
                continue
            stays = previous[table.name].join(last, on=case, how="anti", nulls_equal=True, maintain_order="left")
            withdrawn = last.join(standing, on=case, how="anti")
            gone += previous[table.name].join(withdrawn, on=case, how="semi").height
            state[table.name] = pl.concat([stays, rows])
    return state, gone


def _family(contract: Contract, top: Table) -> list[Table]:
    """A table and all that are nested in it."""
    family = [top]
    for table in contract.tables:
        if table.parent in {t.name for t in family}:
            family.append(table)
    return family


def _previous(contract: Contract, store: Store, delivery: str | None) -> dict[str, pl.DataFrame] | None:
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


def _terms(store: Store, feed: str, delivery: str) -> str | None:
    """On what terms a load was made; None where it does not say."""
    folder = f"feed/{feed}/{delivery}"
    return store.get(Zone.VAULT, folder, TERMS).collect().item() if TERMS in store.names(Zone.VAULT, folder) else None


def _remapped(
    contract: Contract,
    delivery: str,
    state: Mapping[str, pl.DataFrame],
    previous: Mapping[str, pl.DataFrame],
    before: str,
    store: Store,
    ring: KeyRing,
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """The state mapped, with what was made of the delivery before on the same terms."""
    folder = f"feed/{contract.id}/{before}"
    names = [name for name in store.names(Zone.VAULT, folder) if "record_id" in getattr(TABLES.get(name), "schema", ())]
    made = {name: store.get(Zone.VAULT, folder, name).collect() for name in names}
    counted = store.get(Zone.VAULT, folder, "load_rule").collect()
    return remapped(contract, delivery, state, previous, made, counted, ring)


def _first_told(records: pl.DataFrame, store: Store, feed: str, before: str) -> pl.DataFrame:
    """Records that stand as they stood keep the delivery that told them first."""
    old = store.get(Zone.VAULT, f"feed/{feed}/{before}", "source_record").select(
        "record_id", "row_hash", pl.col("delivery").alias("first")
    )
    told = records.join(old.collect(), on=["record_id", "row_hash"], how="left", maintain_order="left")
    return told.with_columns(pl.coalesce("first", "delivery").alias("delivery")).drop("first")


def _ledger(contract: Contract, landed: Landed, load: Load, now: datetime) -> dict[str, pl.DataFrame]:
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


# -- what is in force -----------------------------------------------------------------------------------------------


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


def _load_of(store: Store, feed: str, delivery: str) -> Load:
    folder = f"feed/{feed}/{delivery}"
    row = store.get(Zone.VAULT, folder, "load").collect().row(0, named=True)
    rules = store.get(Zone.VAULT, folder, "load_rule").select("table", "rule", "severity", "rows").collect()
    return Load(
        **{name: row[name] for name in Load.__dataclass_fields__ if name != "rules"},
        rules=tuple(RuleCount(*rule) for rule in rules.rows()),
    )
