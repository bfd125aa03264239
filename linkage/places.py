"""Which deprivation a postcode's place has, where the postcode directory does not say.

What belongs here: joining places to small areas. Where people live is told in `households` and `golden`.
"""

from __future__ import annotations

import polars as pl

from warehouse.tables import PLACE


def deprived(place: pl.DataFrame, area: pl.DataFrame) -> pl.DataFrame:
    """Places with the decile of their small area, where the directory gives none, and the index that it is of.

    The area of 2021 is asked first, since the English index of 2025 is of these; then that of 2011, of which the
    indices of 2019 are. Of several indices of one area the latest by the year in its name is taken. Each decile
    stands with its index, for those of England and of Wales do not compare.

    Args:
        place, area: rows of the canonical tables.

    Returns:
        `place` rows.
    """
    year = pl.col("index").str.extract(r"(\d{4})").cast(pl.Int32)
    latest = area.drop_nulls("decile").sort(year, "index", descending=True, nulls_last=True)
    latest = latest.unique(["area", "geography"], keep="first", maintain_order=True)
    for geography in ("lsoa21", "lsoa11"):
        of = latest.filter(pl.col("geography") == geography).select(pl.col("area").alias(geography), "decile", "index")
        none = pl.col("imd_decile").is_null()
        place = place.join(of, on=geography, how="left", maintain_order="left").with_columns(
            pl.when(none).then("decile").otherwise("imd_decile").alias("imd_decile"),
            pl.when(none).then("index").otherwise("imd_index").alias("imd_index"),
        )
        place = place.drop("decile", "index")
    return place.select(pl.col(c.name).cast(c.type) for c in PLACE.columns)
