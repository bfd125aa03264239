"""The frames that an invented borough is made of: columns and types, once.

What belongs here: the shape of the world. How the world comes about stands in the other modules.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

MOMENT = pl.Datetime("us")

PEOPLE = pl.Schema(
    {
        "person": pl.Int64,
        "forename": pl.String,
        "middle_names": pl.String,
        "surname": pl.String,
        "birth_surname": pl.String,
        "known_as": pl.String,
        "origin": pl.String,
        "sex": pl.String,
        "birth_date": pl.Date,
        "death_date": pl.Date,
        "ethnicity": pl.String,
        "nhs_number": pl.String,
        "upn": pl.String,
        "ni_number": pl.String,
        "la_child_id": pl.String,
        "email": pl.String,
        "phone": pl.String,
        "landline": pl.String,
        "mother": pl.Int64,
        "father": pl.Int64,
        "twin_of": pl.Int64,
    }
)
NAME_CHANGES = pl.Schema(
    {
        "person": pl.Int64,
        "on": pl.Date,
        "kind": pl.String,
        "forename": pl.String,
        "surname": pl.String,
        "was_forename": pl.String,
        "was_surname": pl.String,
    }
)
DWELLINGS = pl.Schema(
    {
        "dwelling": pl.Int64,
        "uprn": pl.String,
        "number": pl.String,
        "street": pl.String,
        "line": pl.String,
        "postcode": pl.String,
        "kind": pl.String,
        "tenure": pl.String,
        "lsoa21": pl.String,
    }
)
PLACES = pl.Schema({"postcode": pl.String, "lsoa11": pl.String, "lsoa21": pl.String, "imd_decile": pl.Int8})
STAYS = pl.Schema({"person": pl.Int64, "dwelling": pl.Int64, "household": pl.Int64, "from": pl.Date, "to": pl.Date})
RELATIONSHIPS = pl.Schema({"person": pl.Int64, "other": pl.Int64, "kind": pl.String, "from": pl.Date, "to": pl.Date})
_HAPPENINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "happening": pl.Int64,
    "person": pl.Int64,
    "type": pl.String,
    "start": MOMENT,
    "end": MOMENT,
    "code": pl.String,
    "value": pl.Float64,
    "recorded_at": MOMENT,
    "other": pl.Int64,
    "group": pl.Int64,
}
HAPPENINGS = pl.Schema(_HAPPENINGS)
LATENT = pl.Schema(
    {
        "person": pl.Int64,
        "month": pl.Date,
        "need": pl.Float64,
        "hazard": pl.Float64,
        "within_9_months": pl.Float64,
        "open": pl.Boolean,
        "escalated": pl.Boolean,
    }
)


@dataclass(frozen=True)
class Borough:
    """An invented borough and everything that happens in it from `start` to 35 days after `until`.

    Attributes:
        people: everyone who ever lives there, the dead, departed and not yet born among them.
        name_changes: what a person was called before and after a day.
        dwellings, places: addresses, and the small areas that their postcodes lie in.
        stays: who lives where with whom; a person lives in at most one dwelling at a time.
        relationships: `person` is `kind` of `other`.
        happenings: what happens to people; `recorded_at` is when a service wrote it down.
        latent: a child's true need and hazard by month; never shown to anyone.
    """

    people: pl.DataFrame
    name_changes: pl.DataFrame
    dwellings: pl.DataFrame
    places: pl.DataFrame
    stays: pl.DataFrame
    relationships: pl.DataFrame
    happenings: pl.DataFrame
    latent: pl.DataFrame
    start: date
    until: date
    seed: int


def part(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for a part of the world, so that a change in one part leaves the others as they are."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
