"""What the mapping team sends: the gazetteer of properties, and the postcode directory. Nobody's data."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import View
from synthetic.extracts.files import Extract, Text
from synthetic.places import TOWN

NOBODY = pl.DataFrame(schema={"source_key": pl.String, "person": pl.Int64})
# a refuge is a dwelling like any other on paper
CLASSES = {"home": "RD", "refuge": "RD", "hmo": "RH01", "institution": "RI01", "hostel": "RI02"}


def gazetteer(view: View) -> Extract:
    """A row for each property."""
    frame = view.borough.dwellings.select(
        "uprn",
        address=(pl.col("line") + f", {TOWN}").str.to_uppercase(),
        postcode="postcode",
        blpu_class=pl.col("kind").replace_strict(CLASSES),
    ).sort("uprn")
    return Extract({"reference/llpg_{day}.csv": Text(frame)}, NOBODY)


def postcode_directory(view: View) -> Extract:
    """A row for each postcode."""
    frame = view.borough.places.select(pcds="postcode", lsoa11="lsoa11", lsoa21="lsoa21", imd="imd_decile").sort("pcds")
    return Extract({"reference/postcodes_{day}.csv": Text(frame)}, NOBODY)
