"""Whose address nothing may show: people in refuges, and those whom the register of addresses protects.

What belongs here: finding them, and taking their address out of what is made of them. What the register holds is kept
by `linkage.decisions`. Whenever it is not plain that an address may be told, it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from linkage.dwellings import REFUGE, named

ADDRESS = ("uprn", "address", "postcode")  # of a golden record


@dataclass(frozen=True)
class Protected:
    """`people` (person_id) of whose homes nothing is told, and `dwellings` of which nobody is said to live there."""

    people: pl.Series
    dwellings: pl.Series

    @classmethod
    def nobody(cls) -> Protected:
        """No one is protected."""
        return cls(pl.Series("person_id", [], dtype=pl.String), pl.Series("dwelling", [], dtype=pl.String))


def find(records: pl.DataFrame, links: pl.DataFrame, gazetteer: pl.DataFrame, register: pl.DataFrame) -> Protected:
    """Who and what is protected.

    Everyone in the register is, whichever of their addresses it names; so are its addresses (where it names none,
    all that any record gives of that person), every refuge, and all whom a record places at one of these now.

    Args:
        records: `source_record` rows: `record_id`, `uprn`, `address`, `postcode`, `other_addresses`.
        links: `person_link` rows.
        gazetteer: `dwelling` rows.
        register: `record_id`, `place` (a UPRN, null: every address), as `decisions.protected` gives it.
    """
    refuges = gazetteer.filter(pl.col("kind") == REFUGE)["uprn"]
    if register.is_empty() and refuges.is_empty():
        return Protected.nobody()
    own = records.select("record_id", *ADDRESS)
    more = records.filter(pl.col("other_addresses").list.len() > 0).select("record_id", "other_addresses")
    more = more.explode("other_addresses").unnest("other_addresses")
    more = more.select("record_id", "uprn", pl.col("text").alias("address"), "postcode")
    told = pl.concat([own, more])
    told = told.hstack([named(told, gazetteer)]).drop_nulls("dwelling").select("record_id", "dwelling")
    held = links.select("record_id", "person_id")
    of_people = register.join(held, on="record_id")
    everywhere = of_people.filter(pl.col("place").is_null()).select("person_id").unique()
    theirs = told.join(held, on="record_id").join(everywhere, on="person_id", how="semi")["dwelling"]
    # a record that stands with nobody tonight is still protected
    orphan = register.join(held, on="record_id", how="anti").filter(pl.col("place").is_null())
    theirs = pl.concat([theirs, told.join(orphan, on="record_id", how="semi")["dwelling"]])
    dwellings = pl.concat([refuges.rename("dwelling"), register["place"].drop_nulls().rename("dwelling"), theirs])
    dwellings = dwellings.unique().sort()
    there = told.filter(pl.col("dwelling").is_in(dwellings.implode())).join(held, on="record_id")["person_id"]
    people = pl.concat([of_people["person_id"], there]).unique().sort()
    return Protected(people, dwellings)


def withhold(people: pl.DataFrame, protected: Protected) -> pl.DataFrame:
    """Golden records without any address, or word of one, of those who are protected.

    Args:
        people: `person` rows.
    """
    if protected.people.is_empty():
        return people
    theirs = pl.col("person_id").is_in(protected.people.implode())

    def without(column: str, is_address: pl.Expr) -> pl.Expr:
        return pl.when(theirs).then(pl.col(column).list.filter(~is_address)).otherwise(column).alias(column)

    of_address = pl.element().struct.field("attribute").is_in(["address", *ADDRESS])
    told = pl.element().str.to_lowercase().str.contains("address|postcode|uprn")
    nothing = [pl.when(~theirs).then(pl.col(name)).otherwise(pl.lit(None)).alias(name) for name in ADDRESS]
    lists: Iterable[pl.Expr] = [
        without("provenance", of_address), without("disagreements", of_address),
        without("conflicts", told), without("conflicting", told),
        pl.when(~theirs).then("addresses").otherwise(pl.lit([], people.schema["addresses"])).alias("addresses"),
    ]  # fmt: skip
    return people.with_columns(*nothing, *lists).cast(people.schema)
