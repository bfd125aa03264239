"""A landed delivery becomes a load: read, judged, split, mapped, and kept in one atomic write with its ledger.

What belongs here: the order of those steps. Each step's own knowledge is in the module of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feeds import readers
from feeds.contracts import Contract, Table
from feeds.deliveries import Landed, day_of, opened
from feeds.ledger import (
    ACCEPTED,
    QUARANTINE,
    TERMS,
    Load,
    RuleCount,
    Turned,
    entry,
    latest_accepted,
    outcome,
    previous_rows,
    standing,
    terms_of,
)
from feeds.mapping import mapped
from feeds.parsing import matches, parsed
from feeds.repeats import BEFORE, places, remapped, terms
from feeds.rules import COUNTED, judge
from feeds.state import Split, after
from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.store import Store
from warehouse.tables import TABLES, Zone


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
    kept = standing(store, contract, landed)
    if kept:
        return kept
    frames: dict[str, pl.DataFrame] = {}
    counts = pl.DataFrame(schema=COUNTED)
    fate, gone = dict[str, str | None](), 0
    said = terms(contract, ring)
    splits: dict[str, Split] = {}
    try:
        for file in landed.files:
            if file.folder:
                raise readers.Rejected(file.path, "a file should stand here, and a folder does", "Send the file itself")
        tables = readers.read(contract, landed.names, lambda path: opened(landed, path, vault))
        before = latest_accepted(store, contract.id, before=landed.delivery)
        previous = previous_rows(contract, store, before)
        as_before = before is not None and terms_of(store, contract.id, before) == said
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
        fate = outcome(contract, store, landed, before, {n: s.accepted.height for n, s in splits.items()})
        if fate["status"] == "rejected":
            raise Turned(fate["reason"])
        if fate["status"] == "accepted":
            state, gone = after(contract, splits, previous, day_of(landed.delivery))
            if before and previous and as_before:
                made, cleaned = _remapped(contract, landed.delivery, state, previous, before, store, ring)
            else:
                made, cleaned = mapped(contract, landed.delivery, state, ring)
            counts = pl.concat([counts, cleaned])
            if "source_record" in made and before:
                made["source_record"] = _first_told(made["source_record"], store, contract.id, before)
            frames = {f"{ACCEPTED}{name}": frame.drop(BEFORE) for name, frame in state.items()} | made
    except (readers.Rejected, Turned) as refusal:
        fate |= {"status": "rejected", "reason": str(refusal)}
        everything = {n: _aside(s) for n, s in splits.items()}
        splits = {n: Split(f.clear(), f, f.clear()) for n, f in everything.items()}
    frames |= {f"{QUARANTINE}{name}": split.quarantined for name, split in splits.items()}
    load = Load(
        feed=contract.id,
        delivery=landed.delivery,
        received=sum(part.height for split in splits.values() for part in split),
        accepted=sum(split.accepted.height for split in splits.values()),
        quarantined=sum(split.quarantined.height for split in splits.values()),
        withdrawn=sum(split.withdrawing.height for split in splits.values()),
        gone=gone,
        rules=tuple(RuleCount(*row) for row in counts.rows()),
        tables={name: split.accepted.height for name, split in splits.items()},
        **fate,  # type: ignore[arg-type]
    )
    recorded = entry(contract, landed, load, now, store)
    store.put(Zone.VAULT, folder, frames | recorded | {TERMS: pl.DataFrame({TERMS: [said]})})
    return load


# -- the steps ------------------------------------------------------------------------------------------------------


def _split(
    contract: Contract, tables: Mapping[str, pl.DataFrame], accepted_before: Mapping[str, pl.DataFrame] | None
) -> tuple[dict[str, Split], pl.DataFrame, tuple[str, ...]]:
    """Judge each table, parents before what is nested in them, and part its rows.

    Args:
        accepted_before: what the snapshot before had accepted by the same rules; a row like one of these keeps every
            rule that looks at one row alone.
    """
    splits: dict[str, Split] = {}
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
        splits[table.name] = Split(accepted, quarantined, withdrawing)
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


def _aside(split: Split) -> pl.DataFrame:
    """All rows of a table of a rejected delivery, as quarantined; those that broke no rule of their own name none."""
    none = pl.lit([], pl.List(pl.String)).alias("failed_rules")
    rest = [part.with_columns(none) for part in (split.accepted.drop(BEFORE), split.withdrawing)]
    return pl.concat([split.quarantined, *rest]).sort("_file", "_row")


def _commonest(counts: pl.DataFrame) -> str:
    worst = counts.filter(pl.col("severity") == "quarantine").sort("rows", "rule", descending=[True, False]).head(1)
    return f"Most rows break the rule: {worst['rule'].item()}" if worst.height else "Compare it with the contract"


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
