"""Who lives together: households in dwellings, with what shows it and since when.

What belongs here: households of golden people. Ids that last come from `linkage.identity`.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from linkage.cluster import components
from linkage.conform import place_key
from linkage.identity import assign
from warehouse.tables import HOUSEHOLD, HOUSEHOLD_MEMBER

CROWD = 12  # people in a home beyond which it is not one household
FRESH = 365  # days for which a sighting is recent
OLD = 3 * 365  # days after which a sighting is weak
KIN = ("parent", "child", "sibling", "partner", "step_parent", "foster_carer", "carer", "mother", "father", "spouse")


def households(
    people: pl.DataFrame,
    records: pl.DataFrame,
    links: pl.DataFrame,
    relationships: pl.DataFrame,
    dwelling: pl.DataFrame,
    place: pl.DataFrame,
    previous: tuple[pl.DataFrame, pl.DataFrame] | None,
    night: date,
    key: bytes,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Group the living by the dwelling of their golden address.

    In a home they are one household. In a house of many tenants, an institution or a hostel, only those whom a feed's
    own household key or a relationship joins are; all others are households of one there. Someone of no known address
    joins those with whom a feed's household key places them.

    Args:
        people, records, links, relationships, dwelling, place: rows of the canonical tables.
        previous: last night's `household` and `household_member`, None on the first.
        night: names the night and judges what is recent.
        key: secret of new household ids.

    Returns:
        `household` and `household_member` rows.
    """
    located = _located(people, records, links, dwelling)
    if located.is_empty():
        return HOUSEHOLD.empty(), HOUSEHOLD_MEMBER.empty()
    grouped = _grouped(located, records, links, relationships)
    before, founded = pl.DataFrame(schema={"member": pl.String, "id": pl.String}), None
    if previous is not None:
        before = previous[1].select(pl.col("person_id").alias("member"), pl.col("household_id").alias("id"))
        founded = previous[0].select(pl.col("household_id").alias("id"), "founded")
    if founded is None:
        founded = pl.DataFrame(schema={"id": pl.String, "founded": pl.Date})
    now = grouped.select(pl.col("person_id").alias("member"), "group")
    ids = assign(now, before, founded, night, key).ids.join(founded, on="id", how="left")
    ids = ids.select(
        "group", pl.col("id").alias("household_id"), pl.col("founded_right").fill_null(night).alias("since")
    )
    grouped = grouped.join(ids, on="group")
    member = _members(grouped, records, links, night)
    return _households(grouped, member, people, place, night), member


def _located(people: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame, dwelling: pl.DataFrame) -> pl.DataFrame:
    """`person_id`, `home` (what stands for the dwelling), `postcode`, `kind`: of the living whose address is known."""
    known = dwelling.select(
        "uprn", pl.col("postcode").alias("dwelling_postcode"), "kind",
        place_key("uprn", "address", "postcode").alias("door"),
    )  # fmt: skip
    single = known.filter(pl.col("door").is_unique()).select("door", pl.col("uprn").alias("uprn_by_door"))
    alive = people.filter(pl.col("death_date").is_null())
    rows = alive.select("person_id", "uprn", "postcode", place_key("uprn", "address", "postcode").alias("door"))
    rows = rows.join(single, on="door", how="left")
    known_uprn = pl.when(pl.col("uprn").is_in(known["uprn"].implode())).then("uprn")
    rows = rows.with_columns(pl.coalesce(known_uprn, "uprn_by_door", "uprn").alias("uprn"))
    rows = rows.with_columns(pl.coalesce("uprn", "door").alias("home"))
    keyed = (
        records.filter(pl.col("household_key").is_not_null())
        .select("record_id", "feed", "household_key")
        .join(links.select("record_id", "person_id"), on="record_id")
        .join(rows.select("person_id", "uprn", "postcode", "home"), on="person_id")
    )
    homes = keyed.filter(pl.col("home").is_not_null())
    common = homes.group_by("feed", "household_key", "uprn", "postcode", "home").len("n")
    common = common.sort("n", "home", descending=[True, False]).unique(["feed", "household_key"], keep="first")
    placed = (
        keyed.filter(pl.col("home").is_null())
        .select("person_id", "feed", "household_key")
        .join(common, on=["feed", "household_key"])
        .sort("n", "home", descending=[True, False])
        .unique("person_id", keep="first", maintain_order=True)
        .select("person_id", "uprn", "postcode", "home")
    )
    rows = pl.concat(
        [rows.filter(pl.col("home").is_not_null()).select("person_id", "uprn", "postcode", "home"), placed]
    )
    rows = rows.join(known.select("uprn", "kind", "dwelling_postcode"), on="uprn", how="left")
    rows = rows.with_columns(pl.coalesce("dwelling_postcode", "postcode").alias("postcode"))
    crowd = pl.len().over("home") > CROWD
    kind = pl.when(pl.col("kind").is_null()).then(pl.lit("unknown")).otherwise("kind")
    kind = pl.when(kind.is_in(["home", "unknown"]) & crowd).then(pl.lit("hmo")).otherwise(kind)
    return rows.select("person_id", "home", "postcode", kind.alias("kind")).sort("person_id")


def _grouped(
    located: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame, relationships: pl.DataFrame
) -> pl.DataFrame:
    """The same rows with `group`: the place of one member of each household."""
    rows = located.with_row_index("uid").with_columns(pl.col("uid").cast(pl.Int64))
    whole = rows.filter(pl.col("kind").is_in(["home", "unknown"]))
    shared = rows.filter(~pl.col("kind").is_in(["home", "unknown"]))
    number = shared.select("person_id", "uid", "home")
    linked = links.select("record_id", "person_id").join(number, on="person_id")
    keyed = linked.join(
        records.filter(pl.col("household_key").is_not_null()).select("record_id", "feed", "household_key"),
        on="record_id",
    )
    # a key that a whole hostel shares says no more than the address does
    keyed = keyed.filter(pl.col("uid").n_unique().over("feed", "household_key") <= CROWD)
    by_key = keyed.select("uid", pl.col("uid").min().over("feed", "household_key", "home").alias("uid_r"))
    kin = relationships.filter(pl.col("kind").str.to_lowercase().is_in(KIN) & pl.col("end").is_null())
    by_kin = (
        kin.select("record_id", "other_record_id")
        .join(linked.select("record_id", "uid", "home"), on="record_id")
        .join(
            linked.select(pl.col("record_id").alias("other_record_id"), "uid", "home"),
            on="other_record_id",
            suffix="_r",
        )
        .filter(pl.col("home") == pl.col("home_r"))
        .select("uid", "uid_r")
    )
    one = whole.select("uid", pl.col("uid").min().over("home").alias("uid_r"))
    edges = pl.concat([one, by_key, by_kin]).select(
        pl.col("uid").alias("uid_l"), "uid_r", pl.lit(1.0).alias("weight"), pl.lit(False).alias("never")
    )
    return rows.with_columns(pl.Series("group", components(rows.height, edges, 0.0).astype(np.int64)))


def _members(grouped: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame, night: date) -> pl.DataFrame:
    """`household_member` rows: the feeds whose records place each person at the address, and how well."""
    rows = records.select(
        "record_id",
        "feed",
        "address_from",
        "seen_on",
        "postcode",
        place_key("uprn", "address", "postcode").alias("door"),
        "uprn",
    ).join(links.select("record_id", "person_id"), on="record_id")
    here = grouped.select("person_id", "home", "household_id")
    doors = rows.select("door", "uprn").drop_nulls().unique("door", keep="none")
    rows = rows.join(doors.rename({"uprn": "uprn_by_door"}), on="door", how="left")
    rows = rows.with_columns(pl.coalesce("uprn", "uprn_by_door", "door").alias("at"))
    seen = here.join(rows, on="person_id", how="left").with_columns((pl.col("at") == pl.col("home")).alias("fits"))
    days = (pl.lit(night) - pl.col("seen_on")).dt.total_days()
    seen = seen.group_by("household_id", "person_id").agg(
        pl.col("address_from").filter("fits").min().alias("from"),
        pl.col("feed").filter("fits").unique().sort().alias("evidence"),
        days.filter("fits").min().alias("days"),
    )
    certainty = (
        pl.when((pl.col("evidence").list.len() > 1) | (pl.col("days") <= FRESH)).then(pl.lit("strong"))
        .when((pl.col("evidence").list.len() == 1) & (pl.col("days").fill_null(0) <= OLD)).then(pl.lit("some"))
        .otherwise(pl.lit("weak"))
    )  # fmt: skip
    seen = seen.with_columns(certainty.alias("certainty"))
    return seen.select(pl.col(c.name).cast(c.type) for c in HOUSEHOLD_MEMBER.columns).sort("household_id", "person_id")


def _households(
    grouped: pl.DataFrame, member: pl.DataFrame, people: pl.DataFrame, place: pl.DataFrame, night: date
) -> pl.DataFrame:
    """`household` rows. One person alone is graded by how many feeds know the person there and nobody else."""
    born = people.select("person_id", "birth_date")
    rows = grouped.join(born, on="person_id", how="left").join(
        member.select("household_id", "person_id", "evidence", "certainty"), on=["household_id", "person_id"]
    )
    child = (pl.col("birth_date") > pl.lit(night).dt.offset_by("-18y")).fill_null(False)
    rows = rows.with_columns(child.alias("child"))
    one = rows.group_by("household_id").agg(
        pl.col("kind").first(),
        pl.col("postcode").drop_nulls().first(),
        pl.len().alias("people"),
        (~pl.col("child")).sum().alias("adults"),
        pl.col("child").sum().alias("children"),
        pl.col("since").first().alias("founded"),
        pl.col("evidence").first().alias("feeds"),
        pl.col("certainty").first().alias("certainty"),
    )
    alone = (pl.col("people") == 1) & (pl.col("adults") == 1) & (pl.col("kind") == "home")
    strong = alone & (pl.col("certainty") == "strong") & (pl.col("feeds").list.len() > 1)
    told = pl.concat_str(pl.lit("known at this address to "), pl.col("feeds").list.join(", "))
    one = one.with_columns(
        pl.when(strong).then(pl.lit("strong")).when(alone & (pl.col("certainty") != "weak")).then(pl.lit("some"))
        .otherwise(pl.lit("none")).alias("lives_alone")
    ).with_columns(
        pl.when(pl.col("lives_alone") != "none")
        .then(pl.concat_list(told, pl.lit("no feed places anyone else here now")))
        .otherwise(pl.lit([], pl.List(pl.String))).alias("lives_alone_evidence")
    ).join(place.select("postcode", "lsoa21", "imd_decile"), on="postcode", how="left")  # fmt: skip
    return one.select(pl.col(c.name).cast(c.type) for c in HOUSEHOLD.columns).sort("household_id")
