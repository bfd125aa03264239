"""Whom a partner takes back altogether: a message that purges a case.

What belongs here: which people's records were ever told of a case, so that a purge reaches all of them, and which kept
rows are about a purged case. When history and older states forget them is decided in `history` and `arrivals`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from feeds.contracts import Contract, Table
from feeds.mapping import key_columns, source_key
from feeds.state import Frames, Split, family
from governance.keys import KeyRing
from governance.pseudonyms import hashed, record_ids

CASES, PURGED = "cases", "purged"
OF_CASE = {"case": pl.String, "record_id": pl.String}


def told_of(
    contract: Contract, splits: Mapping[str, Split], state: Frames, before: pl.DataFrame | None, ring: KeyRing
) -> dict[str, pl.DataFrame]:
    """For a feed of messages, `CASES`: whose records each case that stands has ever told of; `PURGED`: of each purged.

    Both are pairs of keyed hashes, so that what is kept of a purged case names nobody.

    Args:
        before: the `CASES` after the delivery before; None for the first.
    """
    if contract.delivery != "messages":
        return {}
    accepted = {name: split.accepted for name, split in splits.items()}
    ever = pl.concat([*([before] if before is not None else []), _pairs(contract, accepted, ring)])
    gone = {
        top.name: splits[top.name].withdrawing.select(pl.col(_case(top)).alias("case"))
        for top in contract.tables
        if top.messages
    }
    purged = pl.concat([_hashed(contract, name, frame, ring) for name, frame in gone.items()]).unique()
    purged = purged.join(ever, on="case", how="left")
    stands = pl.concat([ever.join(purged, on="case", how="anti"), _pairs(contract, state, ring)])
    return {CASES: stands.unique().sort("case", "record_id"), PURGED: purged.unique().sort("case", "record_id")}


def about(contract: Contract, table: Table, rows: pl.DataFrame, cases: Collection[str], ring: KeyRing) -> pl.Series:
    """Which rows of a table are about one of these cases (keyed hashes, as in `PURGED`)."""
    for top in (t for t in contract.tables if t.messages):
        if table in family(contract, top) and _case(top) in rows.columns:
            of = _hashed(contract, top.name, rows.select(pl.col(_case(top)).alias("case")), ring)
            return of["case"].is_in(list(cases)).fill_null(False)
    return pl.Series([False]).new_from_index(0, rows.height)


def _pairs(contract: Contract, frames: Frames, ring: KeyRing) -> pl.DataFrame:
    found = [pl.DataFrame(schema=OF_CASE)]
    for top in (t for t in contract.tables if t.messages):
        for table in family(contract, top):
            for key in key_columns(table):
                rows = frames[table.name].select(pl.col(_case(top)).alias("case"), source_key(key).alias("key"))
                rows = rows.drop_nulls().unique()
                ids = record_ids(contract.keys_of, rows["key"], ring).alias("record_id")
                found.append(_hashed(contract, top.name, rows, ring).with_columns(ids).select(list(OF_CASE)))
    return pl.concat(found).unique()


def _hashed(contract: Contract, top: str, rows: pl.DataFrame, ring: KeyRing) -> pl.DataFrame:
    spoken = contract.id + "\x1f" + top + "\x1f" + rows["case"]
    return rows.with_columns(hashed(spoken, ring.key("case")).alias("case"))


def _case(top: Table) -> str:
    assert top.messages is not None
    return top.messages.key
