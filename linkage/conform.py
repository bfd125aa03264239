"""Records as linkage compares them: sets of names, sounds, parts of dates and addresses; nothing that floods a block.

What belongs here: columns derived from one record, and values set aside because too many records share them. How pairs
are found belongs in `linkage.blocking`, what agreement is worth in `linkage.model`.
"""

from __future__ import annotations

import polars as pl

from linkage.names import canonical_names, sounds

IDS = ("nhs_number", "upn", "la_child_id", "ni_number")
READ = (
    *("record_id", "feed", "forename", "middle_names", "surname", "other_names", "birth_date", "sex", *IDS),
    *("email", "phone", "uprn", "address", "postcode", "other_addresses", "row_hash"),
)
SHARED_ID = 8  # records of one feed that may share an id before it stops proving anything
SHARED_CONTACT = 12  # records of all feeds that may share an email address or a telephone number
SALT = {"name": 1, "place": 2}


def prepare(records: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """What is read of the records, and which ids and contacts count: the part for which all records must be seen.

    Args:
        records: `source_record` rows, in any order; the columns `READ` suffice.

    Returns:
        One row a record, sorted by `record_id`, with `uid` (int64, the row's place) and `row` (uint64: changes with
        anything that `conform` reads); and for each column set aside in part, how many values are shared too often.
    """
    rows = records.select(READ).sort("record_id").with_row_index("uid").cast({"uid": pl.Int64})
    rows, shared = _cap(rows)
    told = pl.struct("row_hash", *IDS, "email", "phone")
    return rows.with_columns(told.hash().alias("row")).drop("row_hash"), shared


def conform(rows: pl.DataFrame) -> pl.DataFrame:
    """Derive what linkage compares, of each record by itself.

    Args:
        rows: all or some of what `prepare` returns, in its order.

    Returns:
        One row a record with `uid`, names, sets of hashed names and places, parts of the birth date, valid ids, and
        `fingerprint` (uint64: changes with anything compared).
    """
    rows = rows.drop("row").with_columns(
        _clean("forename").alias("given"), _clean("middle_names").alias("middle"), _clean("surname").alias("surname")
    )
    rows = rows.with_columns(
        pl.when(pl.col("given").str.len_chars() > 1).then(pl.col("given")).alias("forename"),
        pl.col("given").str.head(1).alias("initial"),
        pl.col("middle").str.extract(r"^(\S+)").alias("middle_name"),
        pl.col("birth_date").dt.strftime("%Y%m%d").alias("born"),
        pl.col("birth_date").dt.year().cast(pl.Int16).alias("year"),
        pl.col("birth_date").dt.month().alias("month"),
        pl.col("birth_date").dt.day().alias("day"),
        pl.col("postcode").str.extract(r"^([A-Z]+[0-9][A-Z0-9]? ?[0-9])").alias("sector"),
    ).drop("birth_date", "given", "middle_names")
    rows = rows.with_columns(_doors(rows).alias("door"))
    rows = rows.hstack([_forenames(rows), _middles(rows), _surnames(rows), _places(rows)])
    rows = rows.with_columns(pl.when(pl.col("door").is_not_null()).then(pl.col("door").hash().reinterpret(signed=True)))
    sounding = sounds(pl.concat([rows["forename"], rows["surname"]]))
    for name in ("forename", "surname"):
        rows = rows.join(
            sounding.rename({"name": name, "sound": f"{name}_sound"}), on=name, how="left", maintain_order="left"
        )
    rows = rows.drop("other_names", "middle", "address", "other_addresses")
    return rows.with_columns(rows.drop("uid").hash_rows(0).alias("fingerprint"))


def _clean(name: str) -> pl.Expr:
    plain = (
        pl.col(name).str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_uppercase().str.replace_all("Ł", "L")
    )
    text = plain.str.replace_all(r"['’]", "").str.replace_all(r"[^\p{L} ]+", " ").str.replace_all(r"\s+", " ")
    return text.str.strip_chars().replace("", None)


def _cap(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Set aside ids and contacts that too many records share: placeholders, switchboards, a landlord's telephone."""
    shared = {}
    for name in (*IDS, "email", "phone"):
        over, most = (["feed", name], SHARED_ID) if name in IDS else ([name], SHARED_CONTACT)
        often = rows.filter(pl.col(name).is_not_null()).group_by(over).len().filter(pl.col("len") > most)
        if often.height:
            shared[name] = often.height
            rows = rows.with_columns(
                pl.when(pl.col(name).is_in(often[name].implode())).then(None).otherwise(pl.col(name)).alias(name)
            )
    return rows, shared


def _sets(pairs: pl.DataFrame, rows: pl.DataFrame, name: str) -> pl.Series:
    """Sorted sets of hashes, one a record, null where there is nothing: an empty list would count as disagreement."""
    sets = pairs.drop_nulls().unique().sort("uid", name).group_by("uid", maintain_order=True).agg(name)
    return rows.select("uid").join(sets, on="uid", how="left", maintain_order="left")[name]


def _other(rows: pl.DataFrame, field: str) -> pl.DataFrame:
    told = rows.filter(pl.col("other_names").list.len() > 0).select("uid", "other_names").explode("other_names")
    return told.select("uid", pl.col("other_names").struct.field(field).alias("name")).with_columns(_clean("name"))


def _hashed(pairs: pl.DataFrame, column: str, name: str, salt: str) -> pl.DataFrame:
    return pairs.select("uid", pl.col(column).hash(SALT[salt]).reinterpret(signed=True).alias(name)).filter(
        pairs[column].is_not_null()
    )


def _forenames(rows: pl.DataFrame) -> pl.Series:
    """Every name the person is called by, and what those are short for."""
    called = pl.concat([rows.select("uid", pl.col("forename").alias("name")), _other(rows, "forename")]).drop_nulls()
    called = called.filter(pl.col("name").str.len_chars() > 1)
    meant = called.join(canonical_names(called["name"]), on="name").explode("canonical")
    return _sets(_hashed(meant, "canonical", "forenames", "name"), rows, "forenames")


def _middles(rows: pl.DataFrame) -> pl.Series:
    middle = rows.select("uid", pl.col("middle").str.split(" ").alias("name")).explode("name").drop_nulls()
    middle = middle.filter(pl.col("name").str.len_chars() > 1)
    return _sets(_hashed(middle, "name", "middles", "name"), rows, "middles")


def _surnames(rows: pl.DataFrame) -> pl.Series:
    """Every family name, whole, and each part of a double one."""
    whole = pl.concat([rows.select("uid", pl.col("surname").alias("name")), _other(rows, "surname")]).drop_nulls()
    part = whole.filter(pl.col("name").str.contains(" ", literal=True)).with_columns(pl.col("name").str.split(" "))
    part = part.explode("name").filter(pl.col("name").str.len_chars() > 2)
    return _sets(_hashed(pl.concat([whole, part]), "name", "surnames", "name"), rows, "surnames")


def place_keys(rows: pl.DataFrame) -> pl.Series:
    """What stands for each row's address: its postcode and door, else its UPRN; null where it has neither.

    Args:
        rows: `uprn`, `address`, `postcode`.
    """
    return rows.select(pl.coalesce(_doors(rows), "uprn")).to_series()


def _doors(rows: pl.DataFrame) -> pl.Series:
    """The postcode and door of each row's address, worked out once a distinct address."""
    told = rows.select("address", "postcode")
    distinct = told.unique().with_columns(_door("address", "postcode").alias("door"))
    return told.join(distinct, on=["address", "postcode"], how="left", nulls_equal=True, maintain_order="left")["door"]


def _door(address: str, postcode: str) -> pl.Expr:
    return pl.concat_str(postcode, _doorway(address), separator="|")


def _doorway(address: str) -> pl.Expr:
    """What tells a door from its neighbours under one postcode: its numbers, else its first two words."""
    text = pl.col(address).str.replace(r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}\s*$", "")
    numbers = text.str.extract_all(r"\b[0-9]+[A-Z]?\b").list.sort().list.join("/")
    words = text.str.extract(r"^\W*(\w+\W+\w+|\w+)").str.replace_all(r"\W+", " ")
    return pl.when(numbers != "").then(numbers).otherwise(words)


def _places(rows: pl.DataFrame) -> pl.Series:
    """Every address the person is known at, now or before: by UPRN, and by postcode and door."""
    past = rows.filter(pl.col("other_addresses").list.len() > 0).select("uid", "other_addresses")
    past = past.explode("other_addresses").unnest("other_addresses")
    known = pl.concat(
        [rows.select("uid", "uprn", "door"), past.select("uid", "uprn", _door("text", "postcode").alias("door"))]
    )
    places = pl.concat([known.select("uid", pl.col(name).alias("place")) for name in ("uprn", "door")])
    return _sets(_hashed(places.drop_nulls(), "place", "places", "place"), rows, "places")
