"""Whom the council has erased: the register that keeps them from coming back, and what an erasure takes out of a frame.

What belongs here: ids and frames. Where rows lie, and in which order they go, is said by the rooms above. The law:
UK GDPR, Article 17; what may be kept of an erasure itself, Article 17(3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from governance.keys import KeyRing
from governance.pseudonyms import hashed
from warehouse.store import Store
from warehouse.tables import TIMESTAMP, Zone

REGISTER = "register/erased"  # in the vault
CASES = "erasure"  # in the vault: what is being erased, until it is proven gone
REGISTERED: dict[str, pl.DataType | type[pl.DataType]] = {
    "record_id": pl.String,
    "keys_of": pl.String,
    "erasure_id": pl.String,
    "erased_at": TIMESTAMP,
}
RECORDS = ("record_id", "other_record_id", "record_l", "record_r")
PEOPLE = ("person_id", "about", "unit_id")
TOLD = ("event_id", "involvement_id", "relationship_id", "voice_id")
OTHER = "other_person_id"
BY_RECORD = ("person_link", "link_past", "person_lineage")  # of these, rows of somebody's other records stay


class ErasureRefused(Exception):
    """An erasure may not go ahead, or did not come to its end; the message says which rule or step, and what to do."""


def _ids() -> pl.Series:
    return pl.Series([], dtype=pl.String)


@dataclass(frozen=True)
class Whom:
    """What an erasure is about, as ids.

    Attributes:
        records: `record_id` of every record erased.
        people: lasting ids of whom nothing is left.
        touched: lasting ids of whom other records stay: what was made of all of them together goes, and is made anew.
        told: ids of events, involvements, relationships and voice that the records told.
        homes: households in which nobody else lives.
    """

    records: pl.Series = field(default_factory=_ids)
    people: pl.Series = field(default_factory=_ids)
    touched: pl.Series = field(default_factory=_ids)
    told: pl.Series = field(default_factory=_ids)
    homes: pl.Series = field(default_factory=_ids)

    @property
    def derived(self) -> pl.Series:
        """Lasting ids of whom everything that was made of several records goes."""
        return pl.concat([self.people, self.touched]).unique()

    def bears(self, name: str, schema: pl.Schema) -> pl.Expr:
        """Whether a row is about them: it bears one of their ids, or lists one among its evidence.

        Args:
            name: of the frame; it tells what was made of records one by one from what was made of several together.
            schema: its columns.
        """
        people = self.people if name in BY_RECORD else self.derived
        wanted = {
            **dict.fromkeys(RECORDS, self.records),
            **dict.fromkeys(PEOPLE, people),
            **dict.fromkeys(TOLD, self.told),
            "household_id": self.homes,
        }
        lists = pl.concat([self.records, people, self.told]).unique()
        tests = [pl.lit(False)]
        for column, kind in schema.items():
            if kind == pl.String and column in wanted and wanted[column].len():
                tests.append(pl.col(column).is_in(wanted[column].implode()))
            elif kind == pl.List(pl.String) and lists.len():
                tests.append(pl.col(column).list.eval(pl.element().is_in(lists.implode())).list.any())
        return pl.any_horizontal(*(test.fill_null(False) for test in tests))

    def names(self, name: str, schema: pl.Schema) -> pl.Expr:
        """Whether a row about somebody else names one of them, as lineage does of whom somebody was split from."""
        people = self.people if name in BY_RECORD else self.derived
        if OTHER not in schema or people.is_empty():
            return pl.lit(False)
        return pl.col(OTHER).is_in(people.implode()).fill_null(False)

    def without(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame without its rows about them, and their ids in others' rows; the very same where it has none."""
        bears, named = frame.select(
            self.bears(name, frame.schema).alias("bears"), self.names(name, frame.schema).alias("names")
        )
        if named.any():
            frame = frame.with_columns(pl.when(named).then(None).otherwise(pl.col(OTHER)).alias(OTHER))
        return frame.filter(~bears) if bears.any() else frame


# -- the register ------------------------------------------------------------------------------------------------------


def erased(store: Store) -> pl.DataFrame:
    """Every record that was erased for good: record_id, keys_of (whose keys it is a hash of), erasure_id, erased_at.

    A `record_id` is a keyed hash of the feed and the source's own key: the register knows a row when it comes again,
    and says to nobody without the key whose it was.
    """
    if not store.has(Zone.VAULT, REGISTER):
        return pl.DataFrame(schema=REGISTERED)
    return store.get(Zone.VAULT, REGISTER, "erased").collect()


def erased_of(store: Store, keys_of: str) -> pl.Series:
    """`record_id` of the erased records that a feed's keys stand for."""
    return erased(store).filter(pl.col("keys_of") == keys_of)["record_id"]


def erased_in(store: Store, feeds: Iterable[str]) -> pl.DataFrame:
    """`feed`, `record_id`: every erased record, as one that each of these feeds has taken back."""
    gone = erased(store).select("record_id")
    return pl.DataFrame({"feed": sorted(feeds)}, schema={"feed": pl.String}).join(gone, how="cross")


def without_erased(store: Store, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as feeds tell them, but for those of erased records, on either side of a relationship."""
    gone = erased(store)["record_id"]
    for column in [name for name in RECORDS if name in frame.columns] if gone.len() else []:
        frame = frame.filter(~pl.col(column).is_in(gone.implode()).fill_null(False))
    return frame


def register(store: Store, records: pl.DataFrame, erasure_id: str, at: datetime) -> None:
    """Keep records out for good; those that are registered already stay as they are.

    Args:
        records: `record_id`, `keys_of`.
        at: UTC, naive.
    """
    with store.alone(Zone.VAULT, "register"):
        kept = erased(store)
        fresh = records.select("record_id", "keys_of").unique().join(kept, on="record_id", how="anti")
        if fresh.height:
            rows = fresh.with_columns(erasure_id=pl.lit(erasure_id), erased_at=pl.lit(at, TIMESTAMP))
            whole = pl.concat([kept, rows.select(list(REGISTERED))]).sort("erased_at", "record_id")
            store.put(Zone.VAULT, REGISTER, {"erased": whole})


def erasure_of(records: Iterable[str], ring: KeyRing) -> str:
    """The id of the erasure of these records: a keyed hash, the same however often it is asked for."""
    told = pl.Series(["\x1f".join(sorted(records))])
    made: str = hashed(told, ring.key("erasure")).item()
    return made


def mark(store: Store) -> str:
    """What the register has come to: another text for another register."""
    held = erased(store)
    last = "" if held.is_empty() else str(held["erased_at"].max())
    return f"{held.height} {last}"
