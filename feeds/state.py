"""A feed's rows after a delivery: what was told before, and what this delivery adds, changes and takes back.

What belongs here: what a snapshot, a delta and messages mean for the rows that stand. What rows are worth is judged in
`rules`; how they are kept, in `ledger`; who has to be forgotten, in `purges`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import polars as pl

from feeds.contracts import Contract, Event, Involvement, LookBack, Relationship, Table, Voice, Yield
from feeds.mapping import key_columns, source_key
from feeds.parsing import dated
from feeds.repeats import BEFORE, places

Frames = Mapping[str, pl.DataFrame]
PLACE = ["_file", "_row"]


class Split(NamedTuple):
    """One table of a delivery: rows that go on (with `BEFORE`), rows set aside, rows that withdraw a case or a row."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    withdrawing: pl.DataFrame


def after(
    contract: Contract, splits: Mapping[str, Split], previous: Frames | None, day: date | None = None
) -> tuple[dict[str, pl.DataFrame], int]:
    """The feed's accepted rows after this delivery, and how many of those before are gone: no longer stand at all.

    A snapshot is all that stands; where the contract looks back, what is older than its window and missing stands as
    last told. A delta replaces and withdraws rows by their key. The last message of a case is the case.

    Args:
        previous: rows by table before it, with `BEFORE`; None for the first delivery.
        day: of the delivery; a contract that looks back counts from it.
    """
    if contract.delivery == "messages":
        state = _after_messages(contract, splits, previous)
    elif contract.delivery == "delta":
        state = _after_delta(contract, splits, previous)
    else:
        state = {table.name: splits[table.name].accepted for table in contract.tables}
        if previous is not None and contract.look_back and day:
            stood = _older(contract, state, previous, contract.look_back, day)
            state = {name: pl.concat([stood[name], rows]) for name, rows in state.items()}
    if previous is None:
        return state, 0
    return state, sum(_missing(t, previous[t.name], state[t.name]).height for t in contract.tables)


def family(contract: Contract, top: Table) -> list[Table]:
    """A table and all that are nested in it."""
    found = [top]
    for table in contract.tables:
        if table.parent in {t.name for t in found}:
            found.append(table)
    return found


def _missing(table: Table, before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Rows before of which no row now has the key; in a table without one, that no row now repeats, one for one."""
    if table.key:
        return before.join(now, on=_key(table), how="anti", nulls_equal=True, maintain_order="left")
    found = places(now, before, [c.name for c in table.all_columns])
    return before.filter(~before[BEFORE].is_in(found.drop_nulls().implode()))


def _key(table: Table) -> list[str]:
    return [*(c.name for c in table.inherited), *table.key]


# -- snapshots that look back ------------------------------------------------------------------------------------------


def _older(contract: Contract, rows: Frames, previous: Frames, back: LookBack, day: date) -> dict[str, pl.DataFrame]:
    """Rows that the snapshot no longer holds and, by their dates, need not.

    A row's date is the latest that its yields use: their end, else their start. A row that tells nothing dated, such as
    who somebody is, stands while something told of the same person does.
    """
    missing = {t.name: _missing(t, previous[t.name], rows[t.name]) for t in contract.tables}
    stands: dict[str, pl.DataFrame] = {}
    of = [pl.DataFrame(schema={"key": pl.String})]
    for table in contract.tables:
        latest = _latest(table)
        old = pl.lit(False) if latest is None else (latest < pl.lit(back.start(day))).fill_null(False)
        stands[table.name] = missing[table.name].filter(old)
        of += [stands[table.name].select(source_key(key).alias("key")) for key in key_columns(table)]
    people = pl.concat(of)["key"].drop_nulls().unique().implode()
    for table in (t for t in contract.tables if _latest(t) is None):
        theirs = [source_key(key).is_in(people) for key in key_columns(table)]
        stands[table.name] = missing[table.name].filter(pl.any_horizontal(pl.lit(False), *theirs))
    return stands


def _latest(table: Table) -> pl.Expr | None:
    """The latest date that a row's yields use; None where they use none."""
    columns = {c.name: c for c in table.all_columns}
    dates = []
    for entry in table.yields:
        told = [dated(columns[name]) for name in _dates(entry) if name in columns]
        if told:
            dates.append(pl.coalesce(told))
    return pl.max_horizontal(dates) if dates else None


def _dates(entry: Yield) -> list[str]:
    """The columns of a yield that date it, the first that is filled counting."""
    match entry:
        case Event() | Involvement() | Relationship():
            return [name for name in (entry.end, entry.start) if name]
        case Voice():
            return [entry.voice.start]


# -- deltas and messages -----------------------------------------------------------------------------------------------


def _after_delta(contract: Contract, splits: Mapping[str, Split], previous: Frames | None) -> dict[str, pl.DataFrame]:
    """Rows by key: told now, else as they stood; without those withdrawn, and what is nested in them."""
    state: dict[str, pl.DataFrame] = {}
    stand: dict[str, pl.DataFrame] = {}  # of the rows told now
    withdrawn: dict[str, pl.DataFrame] = {}
    for table in contract.tables:
        rows, key = splits[table.name].accepted, _key(table)
        withdrawn[table.name] = splits[table.name].withdrawing.select(*key, *PLACE)
        both = rows.select(*key, *PLACE).join(withdrawn[table.name], on=key, nulls_equal=True, suffix="_then")
        same_file, after_it = pl.col("_file_then") == pl.col("_file"), pl.col("_row_then") > pl.col("_row")
        later = both.filter((pl.col("_file_then") > pl.col("_file")) | (same_file & after_it))
        told = rows.join(later, on=PLACE, how="anti", maintain_order="left")
        if table.parent:  # what it stood in may be withdrawn further on
            above_it = stand[table.parent].select("_file", pl.col("_row").alias("_parent"))
            told = told.join(above_it, on=["_file", "_parent"], how="semi", maintain_order="left")
        state[table.name] = stand[table.name] = told
        if previous is None:
            continue
        anew = pl.concat([rows.select(key), withdrawn[table.name].select(key)])
        stays = previous[table.name].join(anew, on=key, how="anti", nulls_equal=True, maintain_order="left")
        above = table.parent
        while above:
            parent = contract.table(above)
            stays = stays.join(withdrawn[above], on=_key(parent), how="anti", nulls_equal=True, maintain_order="left")
            above = parent.parent
        state[table.name] = pl.concat([stays, state[table.name]])
    return state


def _after_messages(
    contract: Contract, splits: Mapping[str, Split], previous: Frames | None
) -> dict[str, pl.DataFrame]:
    """Each case as its last message has it; a case whose last message withdraws it is gone, with all its parts."""
    state: dict[str, pl.DataFrame] = {}
    for top in (t for t in contract.tables if not t.parent):
        assert top.messages is not None
        case = top.messages.key
        told = pl.concat(
            [splits[top.name].accepted.select(case, *PLACE), splits[top.name].withdrawing.select(case, *PLACE)]
        )
        last = told.sort(PLACE).unique(case, keep="last", maintain_order=True)
        standing = last.join(splits[top.name].withdrawing, on=PLACE, how="anti")
        latest = standing.select("_file", pl.col("_row").alias("_message"))
        for table in family(contract, top):
            rows = splits[table.name].accepted.join(latest, on=["_file", "_message"], how="semi", maintain_order="left")
            state[table.name] = rows
            if previous is not None:
                stays = previous[table.name].join(last, on=case, how="anti", nulls_equal=True, maintain_order="left")
                state[table.name] = pl.concat([stays, rows])
    return state
