"""A feed's rows after a delivery: what was told before, and what this delivery adds, changes and takes back.

What belongs here: what a snapshot, a delta and messages mean for the rows that stand. What rows are worth is judged in
`rules`; how they are kept, in `ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import polars as pl

from feeds.contracts import Contract, Table


class Split(NamedTuple):
    """One table of a delivery: rows that go on (with `BEFORE`), rows set aside, rows that withdraw a case or a row."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    withdrawing: pl.DataFrame


def after(
    contract: Contract,
    splits: Mapping[str, Split],
    previous: Mapping[str, pl.DataFrame] | None,
    day: date | None = None,
) -> tuple[dict[str, pl.DataFrame], int]:
    """The feed's accepted rows after this delivery, and how many of those before are gone.

    Args:
        day: of the delivery; a contract that looks back counts from it.
    """
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
    contract: Contract, splits: Mapping[str, Split], previous: Mapping[str, pl.DataFrame] | None
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
