"""Registers of people who opted out, as they are read when feeds come in: whose rows of a partner are not kept at all.

What belongs here: finding these rows by shared valid ids and keys, before anybody is linked. What an opt-out bars from
use is said by `governance.rights`, which finds its people by their links, and so finds those without a number too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from feeds.contracts import Contract
from feeds.ledger import current
from governance.rights import OptOut, Rights
from warehouse.store import Store
from warehouse.tables import EVENT, SOURCE_RECORD

IDS = ("nhs_number", "upn")  # what partners share and can be checked
NOT_KEPT = {"feed": pl.String, "record_id": pl.String}


def not_kept(
    store: Store, used: Mapping[str, str], contracts: Mapping[str, Contract], rights: Rights, night: date
) -> pl.DataFrame:
    """Whose rows of which feeds are dropped on a night: feed, record_id.

    Args:
        store: of the council.
        used: the delivery of each feed that the night uses.
        contracts: of the council.
        rights: what the council says of registers.
        night: an opt-out that has ended by it counts no more.
    """
    found = [pl.DataFrame(schema=NOT_KEPT)]
    for register in _dropping(rights, used):
        told = current(store, register.feed, EVENT.name, used[register.feed])
        listed = told.filter(pl.col("end").is_null() | (pl.col("end").dt.date() > night))["record_id"].unique()
        people = current(store, register.feed, SOURCE_RECORD.name, used[register.feed])
        people = people.filter(pl.col("record_id").is_in(listed.implode()))
        for feed in _concerned(register, contracts, used):
            keyed = contracts[feed].keys_of
            if keyed not in used:
                continue
            records = current(store, keyed, SOURCE_RECORD.name, used[keyed])
            same = [pl.col(name).is_in(people[name].drop_nulls().implode()).fill_null(False) for name in IDS]
            mine = records.filter(pl.any_horizontal(*same))["record_id"]
            gone = pl.concat([mine, listed]).unique()
            found.append(pl.DataFrame({"feed": [feed] * gone.len(), "record_id": gone}, schema=NOT_KEPT))
    return pl.concat(found).unique().sort("feed", "record_id")


def anew(rights: Rights, contracts: Mapping[str, Contract], used: Mapping[str, str], changed: set[str]) -> set[str]:
    """The feeds to be told anew because a register by which rows of theirs are dropped has changed."""
    moved = [register for register in _dropping(rights, used) if register.feed in changed]
    return changed | {feed for register in moved for feed in _concerned(register, contracts, used)}


def without(frame: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    """Rows that feeds tell, but for those about somebody whose rows of that feed are not kept."""
    for side in ("record_id", "other_record_id"):
        if gone.height and side in frame.columns:
            on = {"left_on": ["feed", side], "right_on": ["feed", "record_id"]}
            frame = frame.join(gone, how="anti", maintain_order="left", **on)  # type: ignore[arg-type]
    return frame


def _dropping(rights: Rights, used: Mapping[str, str]) -> list[OptOut]:
    return [register for register in rights.opt_outs if register.rows == "dropped" and register.feed in used]


def _concerned(register: OptOut, contracts: Mapping[str, Contract], used: Mapping[str, str]) -> list[str]:
    """The feeds of the partners whose rows a register has dropped; never the register itself."""
    partners = {bar.from_ for bar in register.bars}
    return [
        feed
        for feed in sorted(used)
        if feed != register.feed and (None in partners or contracts[feed].partner in partners)
    ]
