"""The truth about the invented borough, written apart: who each record is, who lives with whom, true hazards.

No step of the pipeline may read what is written here; evaluation alone does.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthetic.frames import Borough


def write(borough: Borough, records: pl.DataFrame, folder: Path) -> None:
    """Writes people, record, household and hazard as Parquet files into `folder`, which is made if it is missing.

    Args:
        records: feed, source_key, person: which person each record of each feed is (person null for records of nobody).
        folder: where to write; existing files of these names are replaced.

    Raises:
        ValueError: `records` has not the columns feed, source_key and person.
    """
    missing = {"feed", "source_key", "person"} - set(records.columns)
    if missing:
        raise ValueError(f"truth: records lack the columns {sorted(missing)}; they need feed, source_key and person")
    folder.mkdir(parents=True, exist_ok=True)
    frames = {
        "people": borough.people,
        "record": records.select("feed", "source_key", pl.col("person").cast(pl.Int64)).sort("feed", "source_key"),
        "household": households(borough),
        "hazard": borough.latent.sort("person", "month"),
    }
    for name, frame in frames.items():
        beside = folder / f"{name}.parquet.part"
        frame.write_parquet(beside)
        beside.replace(folder / f"{name}.parquet")


def households(borough: Borough) -> pl.DataFrame:
    """Who lives where on the day the borough is shown: person, household, dwelling, uprn, kind, from."""
    day = pl.lit(borough.until)
    return (
        borough.stays.filter(pl.col("from") <= day, pl.col("to").is_null() | (pl.col("to") > day))
        .join(borough.dwellings.select("dwelling", "uprn", "kind"), on="dwelling", maintain_order="left")
        .select("person", "household", "dwelling", "uprn", "kind", "from")
        .sort("household", "person")
    )
