"""Records as linkage compares them: sets of names, sounds, parts of dates and addresses; nothing that floods a block.

What belongs here: columns derived from one record, and values set aside because too many records share them. How pairs
are found belongs in `linkage.blocking`, what agreement is worth in `linkage.model`, what a name may be in
`linkage.names`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from feeds.names import folded
from linkage.names import HONORIFICS, canonical_names, family_names, sounds

IDS = ("nhs_number", "upn", "la_child_id", "ni_number")
CONTACTS = ("email", "phone")
READ = (
    *("record_id", "feed", "forename", "middle_names", "surname", "other_names", "birth_date", "sex", *IDS),
    *("email", "phone", "uprn", "address", "postcode", "other_addresses", "household_key", "seen_on", "row_hash"),
)
SHARED_ID = 8  # records of one feed that may share an id before it stops proving anything
SHARED_CONTACT = 12  # records of all feeds that may share an email address or a telephone number
NOWHERE = 2**63 - 1  # no place
STREET = 1  # the bit of a place that says it is a door and a street alone, of which a large town has many
SALT = {"name": 1, "place": 2, "household": 3}


def prepare(records: pl.DataFrame, extra: Sequence[str] = ()) -> tuple[pl.DataFrame, dict[str, int]]:
    """What is read of the records, and which ids and contacts count: the part for which all records must be seen.

    Args:
        records: `source_record` rows, in any order; the columns `READ` suffice. Beside them `birth_text` is read where
            there is one: the birth date as eight digits, year first, where it is told but is no date of the calendar.
        extra: further columns to be compared; conformed records hold them as `x_<column>`.

    Returns:
        One row a record, sorted by `record_id`, with `uid` (int64, the row's place) and `row` (uint64: changes with
        anything that `conform` reads); `email_shared` and `phone_shared`, whether people of several initials give it;
        and for each column set aside in part, how many values are shared too often.
    """
    further = [*(c for c in ("birth_text",) if c in records.columns), *extra]
    rows = records.select(*READ, *further).sort("record_id").with_row_index("uid").cast({"uid": pl.Int64})
    rows = rows.rename({name: f"x_{name}" for name in extra})
    over = {name: flooding(rows, name) for name in (*IDS, *CONTACTS)}
    rows = rows.with_columns(
        pl.when(pl.col(name).is_in(often.implode())).then(None).otherwise(pl.col(name)).alias(name)
        for name, often in over.items()
        if len(often)
    )
    rows = rows.with_columns(_of_several(rows, name) for name in CONTACTS)
    told = pl.struct("row_hash", *IDS, *CONTACTS, *(f"{name}_shared" for name in CONTACTS), pl.col("^x_.*$"))
    return rows.with_columns(told.hash().alias("row")).drop("row_hash"), {n: len(s) for n, s in over.items() if len(s)}


def flooding(records: pl.DataFrame, column: str) -> pl.Series:
    """The values of an id or a contact that too many records share: placeholders, switchboards, a landlord's telephone.

    Args:
        records: `source_record` rows.
        column: one of `IDS` (too many of one feed) or `CONTACTS` (too many of all feeds).
    """
    by, most = (["feed", column], SHARED_ID) if column in IDS else ([column], SHARED_CONTACT)
    known = records.select("feed", column).drop_nulls(column)
    return known.group_by(by).len().filter(pl.col("len") > most)[column].unique().sort()


def _of_several(rows: pl.DataFrame, name: str) -> pl.Series:
    """Whether records with different initials give the same value: a family's contact, weak evidence of one person."""
    told = rows.select(name, pl.col("forename").str.head(1).alias("initial")).drop_nulls()
    family = told.group_by(name).agg(pl.col("initial").n_unique().alias("n")).filter(pl.col("n") > 1)[name]
    return rows.select(pl.col(name).is_in(family.implode()).alias(f"{name}_shared")).to_series()


def conform(rows: pl.DataFrame) -> pl.DataFrame:
    """Derive what linkage compares, of each record by itself.

    Args:
        rows: all or some of what `prepare` returns, in its order.

    Returns:
        One row a record with `uid`, names, sets of hashed names, `places` (a set of hashes too: every address now and
        before, by UPRN, by postcode and door, and by door and street), parts of the birth date (`born` only where all
        three are told), valid ids, `seen` (the year in which the feed saw the person), `honorific` (whether the surname
        is one that goes with sex or faith, and so is no family's), `household` (hash of the feed's own household key)
        and `fingerprint` (uint64: changes with anything compared).
    """
    told = {"given": "forename", "middle": "middle_names", "family": "surname"}
    rows = rows.drop("row").with_columns(cleaned(rows[column]).alias(name) for name, column in told.items())
    rows = (
        rows.hstack(_birth(rows))
        .with_columns(
            pl.when(pl.col("given").str.len_chars() > 1).then(pl.col("given")).alias("forename"),
            pl.col("given").str.head(1).alias("initial"),
            pl.col("middle").str.extract(r"^(\S+)").alias("middle_name"),
            pl.col("family").str.replace_all(r"\b(O|MC|MAC) (\p{L}{3})", "$1$2").alias("surname"),
            pl.col("seen_on").dt.year().cast(pl.Int16).alias("seen"),
            pl.col("postcode").str.extract(r"^([A-Z]+[0-9][A-Z0-9]? ?[0-9])").alias("sector"),
            pl.when(pl.col("household_key").is_not_null())
            .then(pl.struct("feed", "household_key").hash(SALT["household"]).reinterpret(signed=True))
            .alias("household"),
        )
        .drop("birth_date", "seen_on", "birth_text", "given", "middle_names", "household_key", strict=False)
    )
    rows = rows.hstack(_doors(rows)).with_columns(pl.col("surname").is_in(HONORIFICS).alias("honorific"))
    rows = rows.hstack([_forenames(rows), _middles(rows), _surnames(rows), _places(rows)])
    rows = rows.with_columns(pl.when(pl.col("door").is_not_null()).then(pl.col("door").hash().reinterpret(signed=True)))
    sounding = sounds(pl.concat([rows["forename"], rows["surname"]]))
    for name in ("forename", "surname"):
        rows = rows.join(
            sounding.rename({"name": name, "sound": f"{name}_sound"}), on=name, how="left", maintain_order="left"
        )
    rows = rows.drop("other_names", "middle", "family", "street", "address", "other_addresses")
    return rows.with_columns(rows.drop("uid").hash_rows(0).alias("fingerprint"))


def _birth(rows: pl.DataFrame) -> pl.DataFrame:
    """The birth date as text and in parts, each null where it is not told; parts that no calendar has are kept."""
    told = [name for name in ("birth_date", "birth_text") if name in rows.columns]
    dates = rows.select(told).unique().with_columns(pl.col("birth_date").dt.strftime("%Y%m%d").alias("text"))
    text = pl.coalesce("text", *told[1:])
    part = {"year": (0, 4, pl.Int16), "month": (4, 2, pl.Int8), "day": (6, 2, pl.Int8)}
    parts = {name: text.str.slice(at, long).cast(kind, strict=False) for name, (at, long, kind) in part.items()}
    dates = dates.select(
        *told,
        pl.when(text.str.contains(r"^\d{8}$") & ~text.str.contains(r"00(?:\d\d)?$")).then(text).alias("born"),
        *(pl.when(number > 0).then(number).alias(name) for name, number in parts.items()),
    )
    return rows.select(told).join(dates, on=told, how="left", nulls_equal=True, maintain_order="left").drop(told)


def cleaned(names: pl.Series) -> pl.Series:
    """Names in capitals, letters and single spaces alone; worked out once a distinct name."""
    text = folded(pl.col("name").str.to_uppercase()).str.replace_all(r"['’]", "")
    text = text.str.replace_all(r"[^\p{L} ]+", " ").str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
    told = names.alias("name").to_frame()
    return told.join(told.unique().with_columns(text.alias("clean")), on="name", how="left", maintain_order="left")[
        "clean"
    ]


def _sets(pairs: pl.DataFrame, rows: pl.DataFrame, name: str) -> pl.Series:
    """Sorted sets of hashes, one a record, null where there is nothing: an empty list would count as disagreement."""
    sets = pairs.drop_nulls().unique().sort("uid", name).group_by("uid", maintain_order=True).agg(name)
    return rows.select("uid").join(sets, on="uid", how="left", maintain_order="left")[name]


def _widened(sets: pl.Series, rows: pl.DataFrame, more: pl.DataFrame) -> pl.Series:
    """Such sets, with more members for some records: `uid`, and a column called as the sets are."""
    held = pl.DataFrame([rows["uid"], sets])
    few = held.join(more, on="uid", how="semi").explode(sets.name)
    wider = _sets(pl.concat([few, more]), rows, sets.name)
    return held.select(pl.coalesce(wider, sets.name)).to_series()


def _other(rows: pl.DataFrame, field: str) -> pl.DataFrame:
    told = rows.filter(pl.col("other_names").list.len() > 0).select("uid", "other_names").explode("other_names")
    return told.select("uid", cleaned(told["other_names"].struct.field(field)).alias("name"))


def _hashed(pairs: pl.DataFrame, column: str, name: str, salt: str) -> pl.DataFrame:
    return pairs.select("uid", pl.col(column).hash(SALT[salt]).reinterpret(signed=True).alias(name)).filter(
        pairs[column].is_not_null()
    )


def _forenames(rows: pl.DataFrame) -> pl.Series:
    """Every name the person is called by, and what those are short for."""
    others = _other(rows, "forename").filter(pl.col("name").str.len_chars() > 1)
    return _widened(*_meant(rows, "forename", others, canonical_names, "forenames"))


def _meant(
    rows: pl.DataFrame, own: str, others: pl.DataFrame, meaning: Callable[[pl.Series], pl.DataFrame], name: str
) -> tuple[pl.Series, pl.DataFrame, pl.DataFrame]:
    """What each record's name may stand for, as sets; the rows; and what the others (`uid`, `name`) may stand for."""
    told = meaning(pl.concat([rows[own].alias("name"), others["name"]])).explode("canonical")
    told = told.select("name", pl.col("canonical").hash(SALT["name"]).reinterpret(signed=True).alias(name))
    sets = told.sort("name", name).group_by("name", maintain_order=True).agg(name)
    held = rows.select(name=own).join(sets, on="name", how="left", maintain_order="left")[name]
    return held, rows, others.join(told, on="name").select("uid", name)


def _middles(rows: pl.DataFrame) -> pl.Series:
    middle = _middle_words(rows).filter(pl.col("name").str.len_chars() > 1)
    return _sets(_hashed(middle, "name", "middles", "name"), rows, "middles")


def _middle_words(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("uid", pl.col("middle").str.split(" ").alias("name")).explode("name").drop_nulls()


def _surnames(rows: pl.DataFrame) -> pl.Series:
    """Every family name and what else it may be; a KAUR or BEGUM between the names is a surname in other feeds."""
    sets, _, more = _meant(rows, "family", _other(rows, "surname").drop_nulls(), family_names, "surnames")
    between = _middle_words(rows).filter(pl.col("name").is_in(HONORIFICS))
    return _widened(sets, rows, pl.concat([more, _hashed(between, "name", "surnames", "name")]))


def place_keys(rows: pl.DataFrame) -> pl.Series:
    """What stands for each row's address: its postcode and door, else its UPRN; null where it has neither.

    Args:
        rows: `uprn`, `address`, `postcode`.
    """
    return pl.DataFrame([_doors(rows)["door"], rows["uprn"]]).select(pl.coalesce("door", "uprn")).to_series()


def _doors(rows: pl.DataFrame) -> pl.DataFrame:
    """`door` (postcode and doorway) and `street` (doorway and street) of each row's address.

    A doorway is what tells a door from its neighbours under one postcode: its numbers, else its first two words. With
    numbers, the first word of the street and the initial of the second say the same where the postcode is not told, or
    mistyped; STREET and ST, LANE and LN are then one. Worked out once a distinct address, in steps.
    """
    text = rows["address"].unique().drop_nulls().to_frame()
    text = text.with_columns(bare=pl.col("address").str.replace(r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}\s*$", ""))
    text = text.with_columns(
        numbers=pl.col("bare").str.extract_all(r"\b[0-9]+[A-Z]?\b").list.sort().list.join("/").replace("", None),
        words=pl.col("bare").str.extract(r"^\W*(\w+\W+\w+|\w+)").str.replace_all(r"\W+", " "),
        road=pl.col("bare").str.extract(r"[0-9][A-Z]?\W+([A-Z][A-Z']+\W+[A-Z])[^0-9]*$"),
    ).select(
        "address",
        doorway=pl.coalesce("numbers", "words"),
        street=pl.concat_str("numbers", "road", separator="|"),
    )
    told = rows.select("address", "postcode").join(text, on="address", how="left", maintain_order="left")
    return told.select(pl.concat_str("postcode", "doorway", separator="|").alias("door"), "street")


def _places(rows: pl.DataFrame) -> pl.Series:
    """Every address the person is known at, now or before: by UPRN, by postcode and door, and by door and street."""
    past = rows.filter(pl.col("other_addresses").list.len() > 0).select("uid", "other_addresses")
    past = past.explode("other_addresses").unnest("other_addresses").rename({"text": "address"})
    before = past.select("uid", "uprn").hstack(_doors(past)).select("uid", *_hashed_places())
    before = pl.concat([before.select("uid", pl.col(name).alias("places")) for name in before.columns[1:]])
    # of each record's own at most three: sorted in rows, as most records tell of no others
    place = np.sort(rows.select(_hashed_places()).fill_null(NOWHERE).to_numpy(), axis=1)
    told = place != NOWHERE
    told[:, 1:] &= place[:, 1:] != place[:, :-1]
    many = told.sum(axis=1)
    sets = pa.LargeListArray.from_arrays(np.cumsum(np.r_[0, many]), pa.array(place[told]), mask=pa.array(many == 0))
    return _widened(pl.Series("places", sets), rows, before.drop_nulls())


def _hashed_places() -> list[pl.Expr]:
    told = {name: pl.col(name).hash(SALT["place"]).reinterpret(signed=True) & ~STREET for name in ("uprn", "door")}
    told["street"] = pl.col("street").hash(SALT["place"]).reinterpret(signed=True) | STREET
    return [pl.when(pl.col(name).is_not_null()).then(place).alias(name) for name, place in told.items()]
