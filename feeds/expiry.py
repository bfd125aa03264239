"""What has run out, taken out of a load: the facts, and the cells and rows by which the feed goes on telling them.

What belongs here: which cells tell which fact, and how a load does without them. For which facts their period has run
out is said by `governance.retention`.

A row goes if all that it tells has run out, it describes nobody, and nothing that stays is nested in it or refers to
it. Of a row that stays, the cells that say nothing else are emptied; if all that it tells has run out, so are those of
which the contract says nothing. What says who somebody is stays with its row: where that is also when something
happened, as with the day from which somebody lives somewhere, the row goes on telling it, and history leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import polars as pl

from feeds.contracts import Contract, Table, Yield, constant
from feeds.erasing import recounted
from feeds.ledger import ACCEPTED
from feeds.mapping import AT, FACTS, facts_of, source_key
from feeds.parsing import matches
from feeds.people import words
from governance.keys import KeyRing
from warehouse.tables import Table as Canonical

Expired = Callable[[Canonical, pl.DataFrame], pl.Series]


def cut(
    contract: Contract, frames: Mapping[str, pl.DataFrame], expired: Expired, ring: KeyRing
) -> dict[str, pl.DataFrame]:
    """A load's frames without what has run out; the very same frames where nothing has.

    How many rows were accepted stays as the ledger has it.

    Args:
        expired: which rows of a frame of facts have run out.
    """
    after = dict(frames)
    for canonical in FACTS.values():
        facts = frames.get(canonical.name)
        if facts is not None and (hit := expired(canonical, facts)).any():
            after[canonical.name] = facts.filter(~hit)
    for table in reversed(contract.tables):  # what is nested before what it is nested in
        if table.yields and f"{ACCEPTED}{table.name}" in frames:
            after[f"{ACCEPTED}{table.name}"] = _less(contract, table, after, expired, ring)
    after["load_rule"] = recounted(contract, frames, after)
    return after


def _less(
    contract: Contract, table: Table, frames: Mapping[str, pl.DataFrame], expired: Expired, ring: KeyRing
) -> pl.DataFrame:
    """A table's accepted rows without what has run out; the very same where nothing has."""
    rows = frames[f"{ACCEPTED}{table.name}"]
    told: list[tuple[Yield, pl.Series, pl.Series]] = []  # what the row stands for still, and what it did
    for entry, canonical, facts in facts_of(contract, table, rows, ring):
        hit = expired(canonical, facts)
        told.append((entry, _at(rows, facts.filter(~hit)), _at(rows, facts.filter(hit))))
    over = _any(rows, [gone for _, _, gone in told])
    if not over.any():
        return rows
    done = over & ~_any(rows, [stays for _, stays, _ in told])
    drop = done & ~_somebody(table, rows) & ~_held(contract, table, rows, frames)
    described = words([person.model_dump(exclude={"seen_on"}) for person in table.person])
    said = [(words(entry.model_dump()), stays, gone) for entry, stays, gone in told]
    empty: dict[str, pl.Series] = {}
    for column in {c.name for c in table.all_columns} - _links(contract, table) - described:
        needed = _any(rows, [stays for named, stays, _ in said if column in named])
        mine = _any(rows, [gone for named, _, gone in said if column in named])
        where = (done | mine) & ~needed & rows[column].is_not_null()
        if where.any():
            empty[column] = where
    if not empty and not drop.any():
        return rows
    cells = [pl.when(where).then(None).otherwise(pl.col(column)).alias(column) for column, where in empty.items()]
    return rows.with_columns(cells).filter(~drop)


def _at(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.Series:
    """Which rows these facts are told by."""
    return pl.int_range(rows.height, dtype=pl.UInt32, eager=True).is_in(facts[AT].cast(pl.UInt32).implode())


def _any(rows: pl.DataFrame, masks: list[pl.Series]) -> pl.Series:
    found = pl.Series([False]).new_from_index(0, rows.height)
    for mask in masks:
        found = found | mask
    return found


def _somebody(table: Table, rows: pl.DataFrame) -> pl.Series:
    """Which rows say who somebody is."""
    found = [(matches(person.when) & source_key(person.key).is_not_null()) for person in table.person]
    return rows.select(pl.any_horizontal(pl.lit(False), *found).alias("x"))["x"] if found else _any(rows, [])


def _held(contract: Contract, table: Table, rows: pl.DataFrame, frames: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Which rows have others nested in them, or that a rule has refer to them."""
    marks: list[tuple[list[str], pl.DataFrame]] = []
    for other in contract.tables:
        rest = frames.get(f"{ACCEPTED}{other.name}")
        if rest is None or other is table:
            continue
        if other.parent == table.name:
            keys = [c.name for c in other.inherited if c.name in rows.columns]
            marks.append((["_file", "_row", *keys], rest.select("_file", pl.col("_parent").alias("_row"), *keys)))
        for rule in other.rules:
            if rule.kind == "member" and rule.args["table"] == table.name:
                to = list(rule.args["to"])
                marks.append((to, rest.select(pl.col(c).alias(t) for c, t in zip(rule.columns, to, strict=True))))
    found = _any(rows, [])
    for on, mark in marks:
        hit = mark.unique().with_columns(_hit=pl.lit(True))
        found = found | rows.select(on).join(hit, on=on, how="left", maintain_order="left")["_hit"].fill_null(False)
    return found


def _links(contract: Contract, table: Table) -> Set[str]:
    """The columns that are never emptied: keys, what others refer to, and what tells something by being empty."""
    refers = [
        r.args["to"] for t in contract.tables for r in t.rules if r.kind == "member" and r.args["table"] == table.name
    ]
    keys = [part for person in table.person for part in person.key if constant(part) is None]
    blocks = [*table.person, *table.yields]
    absent = [column for block in blocks for column, values in block.when.items() if values == ("absent",)]
    message = [table.messages.key] if table.messages else []
    return {*table.key, *(c.name for c in table.inherited), *keys, *absent, *message, *(c for to in refers for c in to)}
