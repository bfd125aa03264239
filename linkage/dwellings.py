"""Which dwelling an address is: by UPRN, else by what the address says, held against the gazetteer.

What belongs here: one name for one dwelling, however it is written. Who lives in it belongs in `linkage.occupancy`.
"""

from __future__ import annotations

import polars as pl

FAMILY = ("home", "unknown")  # kinds of dwelling whose people are one household; elsewhere they are strangers
REFUGE = "refuge"  # a kind of dwelling of which nothing is shown
SHORT = {
    "STREET": "ST", "ROAD": "RD", "AVENUE": "AVE", "AV": "AVE", "LANE": "LN", "DRIVE": "DR", "CLOSE": "CL",
    "COURT": "CT", "GARDENS": "GDNS", "GARDEN": "GDNS", "PLACE": "PL", "CRESCENT": "CRES", "CRESENT": "CRES",
    "TERRACE": "TER", "TERR": "TER", "GROVE": "GR", "GRV": "GR", "SQUARE": "SQ", "PARK": "PK", "HOUSE": "HSE",
    "SAINT": "ST", "MOUNT": "MT", "WALK": "WK",
    "NORTH": "N", "SOUTH": "S", "EAST": "E", "WEST": "W", "UPPER": "UPR", "LOWER": "LWR",
}  # fmt: skip
_FLAT = r"\b(?:FLAT|APARTMENT|APT|UNIT|ROOM|BEDSIT|STUDIO)\s+(?:NO\.?\s+)?([0-9]+[A-Z]?|[A-Z])\b[\s,]*"
_NUMBER = r"\b[0-9]+[A-Z]?\b"
# no address, whatever the words say: people who live nowhere do not live together
_NOWHERE = r"\bNO (?:FIXED|KNOWN|ABODE)|\bNFA\b|\bHOMELESS\b|\b(?:NOT|UN)\s?KNOWN\b|\bNONE\b"


def named(rows: pl.DataFrame, gazetteer: pl.DataFrame) -> pl.Series:
    """The dwelling of each row: its UPRN, or where no gazetteer tells one, its postcode and door; null where neither.

    Text wins over a UPRN that stands for another door of the gazetteer when postcode, door and street all name the
    one it says: a mistyped UPRN still looks like one, a mistyped address does not look like a neighbour's. The
    address of a whole building of flats names no dwelling: those who give it do not live together.

    Args:
        rows: `uprn`, `address`, `postcode`.
        gazetteer: `dwelling` rows; none at all will do.
    """
    told = rows.select(pl.col("uprn", "address", "postcode").cast(pl.String))
    distinct = told.unique(maintain_order=True)
    nowhere = pl.col("address").str.contains(_NOWHERE) | pl.col("postcode").str.starts_with("ZZ99")
    distinct = distinct.hstack(_parts(distinct)).with_columns(nowhere=nowhere.fill_null(False))
    known = gazetteer.select("uprn", "address", "postcode")
    known = known.hstack(_parts(known))
    # a UPRN that the gazetteer lacks is known by the addresses that records give with it
    new = distinct.filter(pl.col("uprn").is_not_null() & ~pl.col("nowhere")).join(known, on="uprn", how="anti")
    known = pl.concat([known, new.select(known.columns)])
    exact, door, street = ["postcode", "door", "street"], ["postcode", "door"], ["outward", "door", "street"]
    for name, on in (("exact", exact), ("by_door", door), ("by_street", street), ("by_place", ["door", "street"])):
        one = known.select(*on, pl.col("uprn").alias(name)).drop_nulls().unique()
        one = one.filter(pl.struct(on).is_unique())
        distinct = distinct.join(one, on=on, how="left", maintain_order="left")
    building = ["postcode", "number", "street"]
    flats = known.filter(pl.col("flat").is_not_null()).group_by(building).agg((pl.len() > 1).alias("flats"))
    distinct = distinct.join(flats.drop_nulls(), on=building, how="left", maintain_order="left")
    whole = pl.col("flats").fill_null(False) & pl.col("flat").is_null() & pl.col("uprn").is_null()
    listed = pl.when(pl.col("uprn").is_in(known["uprn"].implode())).then("uprn")
    spoken = pl.when(pl.col("postcode").is_null()).then("by_place").otherwise("by_street")
    dwelling = pl.coalesce(
        "exact", listed, "by_door", spoken, "uprn", pl.concat_str("postcode", "door", "street", separator="|")
    )
    somewhere = ~pl.col("nowhere") & ~(whole & pl.col("exact").is_null())
    distinct = distinct.with_columns(pl.when(somewhere).then(dwelling).alias("dwelling"))
    keys = ["uprn", "address", "postcode"]
    return told.join(distinct.select(*keys, "dwelling"), on=keys, how="left", nulls_equal=True, maintain_order="left")[
        "dwelling"
    ]


def _parts(rows: pl.DataFrame) -> pl.DataFrame:
    """`door` (flat and number), its `flat` and `number`, `street` (its words, shortened) and `outward` of each row."""
    told = rows.select("address", "postcode")
    distinct = told.unique(maintain_order=True)
    text = pl.col("address").str.to_uppercase().str.replace(r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}\s*$", "")
    distinct = distinct.with_columns(
        pl.col("postcode").str.extract(r"^(\S+) ").alias("outward"),
        text.str.extract(_FLAT).alias("flat"),
        text.str.replace(_FLAT, "").alias("rest"),
    )
    numbers = pl.col("rest").str.extract_all(_NUMBER)
    name = pl.col("rest").str.extract(r"^\W*([^,]*[^,\s])")  # a house of no number is known by its name
    distinct = distinct.with_columns(
        pl.when(numbers.list.len() > 0).then(numbers.list.last()).alias("number"),
        pl.when(numbers.list.len() > 0)
        .then(pl.concat_str(pl.col("flat"), numbers.list.join("/"), separator="/", ignore_nulls=True))
        .otherwise(pl.concat_str("flat", name, separator="/", ignore_nulls=True))
        .alias("door"),
        # the words after the last number, up to a comma, else after the name
        pl.coalesce(
            pl.col("rest").str.extract(r"[0-9]+[A-Z]?\b[\s,]+([^0-9,]+?)\s*(?:,[^0-9]*)?$"),
            pl.col("rest").str.extract(r"^[^0-9,]+,\s*([^0-9,]+)"),
        ).alias("street"),
    )
    flat = pl.when(numbers.list.len() > 1).then(numbers.list.first())  # misspelt, or only implied
    distinct = distinct.with_columns(pl.coalesce("flat", flat).alias("flat"))
    words = pl.col("street").str.replace_all(r"[^A-Z ]", "").str.strip_chars().str.split(" ")
    short = words.list.eval(pl.element().replace(SHORT)).list.join(" ")
    distinct = distinct.with_columns(pl.when(pl.col("door") != "").then("door").alias("door"), short.alias("street"))
    return told.join(distinct, on=["address", "postcode"], how="left", nulls_equal=True, maintain_order="left").select(
        "door", "flat", "number", "street", "outward"
    )
