"""What a feed's own rows hold of one person beside what the canonical tables take: other columns, and rows set aside.

What belongs here: finding these rows and columns, for the person who asks for all that is held. How they are told
belongs in `summaries.subject`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from feeds.contracts import Contract, Table
from feeds.ledger import QUARANTINE
from feeds.mapping import key_columns, mapped, read_columns, shape, source_key
from governance.keys import KeyRing
from warehouse.tables import SOURCE_RECORD

IDS = ("nhs_number", "upn", "ni_number", "la_child_id")
BESIDE = {"feed": pl.String, "column": pl.String, "value": pl.String}
ASIDE: dict[str, Any] = {"feed": pl.String, "delivery": pl.String, "rules": pl.List(pl.String)} | {
    name: kind for name, kind in shape(SOURCE_RECORD).items() if name not in ("feed", "delivery")
}


def beside(contract: Contract, accepted: Mapping[str, pl.DataFrame], records: pl.DataFrame) -> pl.DataFrame:
    """What else stands in a person's own rows: the columns that Kinfold takes in and makes nothing of.

    Columns that a contract classes as identity are left out unless they are read, as whose they are is not known; so
    are the numbers of rows, and rows that tell of several people.

    Args:
        contract: of the feed.
        accepted: its rows by table, as they were accepted.
        records: SOURCE_RECORD rows of the person, of every feed.

    Returns:
        feed, column (its description, else its header), value: each once.
    """
    keys = _keys(contract, records)
    found = [pl.DataFrame(schema=BESIDE)]
    for table in contract.tables:
        rows = accepted.get(table.name)
        mine = rows.filter(_of(table, keys)) if rows is not None else None
        if mine is None or mine.is_empty() or len(key_columns(table)) > 1:
            continue
        used = {*read_columns(table), *(name for key in key_columns(table) for name in key)}
        for column in table.all_columns:
            if column.name not in used and not column.key and column.classification != "identity":
                told = mine.select(pl.col(column.name).cast(pl.String).str.strip_chars().alias("value")).unique()
                told = told.filter(pl.col("value").fill_null("") != "")
                label = column.description.capitalize() or column.physical.replace("_", " ")
                found.append(told.select(pl.lit(contract.id).alias("feed"), pl.lit(label).alias("column"), "value"))
    return pl.concat(found).unique().sort("feed", "column", "value")


def aside(
    contract: Contract, delivery: str, frames: Mapping[str, pl.DataFrame], records: pl.DataFrame, ring: KeyRing
) -> pl.DataFrame:
    """Rows of a delivery that were set aside and are, or seem to be, about a person: by key, number, or name and birth.

    Args:
        contract: of the feed.
        delivery: its key.
        frames: what the load set aside, by `quarantine__<table>`.
        records: SOURCE_RECORD rows of the person, of every feed.
        ring: of the council.

    Returns:
        feed, delivery, rules (what they broke, in words), and SOURCE_RECORD as far as it can be read; a row a key. Of a
        row that is known by number or name alone nothing but the rules is told: it could be another person's.
    """
    rows = {
        t.name: frames[f"{QUARANTINE}{t.name}"] if f"{QUARANTINE}{t.name}" in frames else _empty(t)
        for t in contract.tables
    }
    keys = _keys(contract, records)
    canonical, _ = mapped(contract, delivery, rows, ring)
    people = canonical.get(SOURCE_RECORD.name, pl.DataFrame(schema=shape(SOURCE_RECORD)))
    people = people.filter(_alike(records) | pl.col("source_key").is_in(keys.implode()))
    known = pl.concat([keys, people["source_key"]]).unique()
    broken = [pl.DataFrame(schema={"source_key": pl.String, "rules": pl.List(pl.String)})]
    for table, key in _keyed(contract):
        held = rows[table.name].with_columns(source_key(key).alias("source_key"))
        held = (
            held.filter(pl.col("source_key").is_in(known.implode())) if "failed_rules" in held.columns else held.clear()
        )
        if held.height:
            broken.append(held.select("source_key", pl.col("failed_rules").cast(pl.List(pl.String)).alias("rules")))
    told = pl.concat(broken).explode("rules").group_by("source_key").agg(pl.col("rules").drop_nulls().unique().sort())
    certain = people.drop("feed", "delivery").filter(pl.col("source_key").is_in(keys.implode()))
    made = told.join(certain, on="source_key", how="left")
    sure = pl.col("source_key").is_in(keys.implode())
    alike = made.with_columns(pl.when(sure).then("source_key"), feed=pl.lit(contract.id), delivery=pl.lit(delivery))
    return alike.select(pl.col(name).cast(kind) for name, kind in ASIDE.items())


def _keys(contract: Contract, records: pl.DataFrame) -> pl.Series:
    """The person's keys in the feed whose keys this one's are."""
    return records.filter(pl.col("feed") == contract.keys_of)["source_key"].unique()


def _keyed(contract: Contract) -> Iterator[tuple[Table, tuple[str, ...]]]:
    for table in contract.tables:
        for key in key_columns(table):
            yield table, key


def _of(table: Table, keys: pl.Series) -> pl.Expr:
    told = [source_key(key).is_in(keys.implode()).fill_null(False) for key in key_columns(table)]
    return pl.any_horizontal(*told) if told else pl.lit(False)


def _alike(records: pl.DataFrame) -> pl.Expr:
    """Whether a row bears a number of the person's, or their name and date of birth as any record has them."""
    numbers = [
        pl.col(name).is_in(records[name].drop_nulls().implode()).fill_null(False) for name in IDS if name in records
    ]
    whole = records.select("forename", "surname", "birth_date").drop_nulls().unique()
    named = pl.struct("forename", "surname", "birth_date").is_in(whole.to_struct().implode())
    return pl.any_horizontal(*numbers, named.fill_null(False))


def _empty(table: Table) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: pl.String for column in table.all_columns})
