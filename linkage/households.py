"""Who lives together: households in dwellings, with what shows it and since when.

What belongs here: households of golden people. Ids that last come from `linkage.identity`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from linkage.conform import place_keys
from linkage.identity import assign
from warehouse.tables import HOUSEHOLD, HOUSEHOLD_MEMBER

PEOPLE = ("person_id", "birth_date", "death_date", "uprn", "address", "postcode")  # all that is read of a person
RECORDS = ("record_id", "feed", "household_key", "address_from", "seen_on", "uprn", "address", "postcode")
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

    A house of many tenants, an institution or a hostel is told apart by its kind: people there live at one address, not
    as one family. Someone of no known address is placed with those whose household key, in any feed, they share;
    failing that, with their nearest kin.

    Args:
        people, records, links, relationships, dwelling, place: rows of the canonical tables; of the first two, the
            columns `PEOPLE` and `RECORDS` suffice.
        previous: last night's `household` and `household_member`, None on the first.
        night: names the night and judges what is recent.
        key: secret of new household ids.

    Returns:
        `household` and `household_member` rows.
    """
    located = _located(people, records, links, relationships, dwelling)
    if located.is_empty():
        return HOUSEHOLD.empty(), HOUSEHOLD_MEMBER.empty()
    grouped = located.with_columns(pl.col("home").alias("group"))
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


def _located(
    people: pl.DataFrame,
    records: pl.DataFrame,
    links: pl.DataFrame,
    relationships: pl.DataFrame,
    dwelling: pl.DataFrame,
) -> pl.DataFrame:
    """`person_id`, `home` (what stands for the dwelling), `postcode`, `kind`: of the living whose address is known."""
    known = dwelling.select(
        "uprn", pl.col("postcode").alias("dwelling_postcode"), "kind", place_keys(dwelling).alias("door")
    )
    single = known.filter(pl.col("door").is_unique()).select("door", pl.col("uprn").alias("uprn_by_door"))
    alive = people.filter(pl.col("death_date").is_null())
    rows = alive.select("person_id", "uprn", "postcode", place_keys(alive).alias("door"))
    rows = rows.join(single, on="door", how="left")
    known_uprn = pl.when(pl.col("uprn").is_in(known["uprn"].implode())).then("uprn")
    rows = rows.with_columns(pl.coalesce(known_uprn, "uprn_by_door", "uprn").alias("uprn"))
    rows = rows.with_columns(pl.coalesce("uprn", "door").alias("home"))
    placed = rows.filter(pl.col("home").is_not_null()).select("person_id", "uprn", "postcode", "home")
    owner = links.select("record_id", "person_id")
    keyed = records.filter(pl.col("household_key").is_not_null()).select("record_id", "feed", "household_key")
    keyed = keyed.join(owner, on="record_id")
    # a key that a whole hostel shares says nothing of who lives with whom
    keyed = keyed.filter(pl.col("person_id").n_unique().over("feed", "household_key") <= CROWD)
    by_key = keyed.join(keyed, on=["feed", "household_key"], suffix="_with").select("person_id", "person_id_with")
    kin = relationships.filter(pl.col("kind").str.to_lowercase().is_in(KIN) & pl.col("end").is_null())
    kin = kin.join(owner, on="record_id").join(
        owner.rename({"record_id": "other_record_id"}), on="other_record_id", suffix="_with"
    )
    both = pl.concat(
        [kin.select("person_id", "person_id_with"), kin.select(person_id="person_id_with", person_id_with="person_id")]
    )
    for company in (by_key, both):
        homeless = rows.join(placed, on="person_id", how="anti").select("person_id")
        found = homeless.join(company, on="person_id").join(
            placed.rename({"person_id": "person_id_with"}), on="person_id_with"
        )
        found = found.group_by("person_id", "home").agg(
            pl.len().alias("n"), pl.col("uprn").min(), pl.col("postcode").min()
        )
        found = found.sort("n", "home", descending=[True, False]).unique("person_id", keep="first", maintain_order=True)
        placed = pl.concat([placed, found.select("person_id", "uprn", "postcode", "home")])
    rows = placed
    rows = rows.join(known.select("uprn", "kind", "dwelling_postcode"), on="uprn", how="left")
    rows = rows.with_columns(pl.coalesce("dwelling_postcode", "postcode").alias("postcode"))
    crowd = pl.len().over("home") > CROWD
    kind = pl.when(pl.col("kind").is_null()).then(pl.lit("unknown")).otherwise("kind")
    kind = pl.when(kind.is_in(["home", "unknown"]) & crowd).then(pl.lit("hmo")).otherwise(kind)
    return rows.select("person_id", "home", "postcode", kind.alias("kind")).sort("person_id")


def _members(grouped: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame, night: date) -> pl.DataFrame:
    """`household_member` rows: the feeds whose records place each person at the address, and how well."""
    rows = records.select(
        "record_id", "feed", "address_from", "seen_on", "uprn", place_keys(records).alias("door")
    ).join(links.select("record_id", "person_id"), on="record_id")
    doors = rows.select("door", "uprn").drop_nulls().unique().unique("door", keep="none")
    rows = rows.join(doors.rename({"uprn": "uprn_by_door"}), on="door", how="left")
    here = grouped.select("person_id", "home", "household_id")
    fits = pl.coalesce("uprn", "uprn_by_door", "door") == pl.col("home")
    days = (pl.lit(night) - pl.col("seen_on")).dt.total_days()
    told = rows.join(here, on="person_id").filter(fits).group_by("person_id")
    found = told.agg(
        pl.col("address_from").min().alias("from"),
        pl.col("feed").unique().sort().alias("evidence"),
        days.min().alias("days"),
    )
    seen = here.join(found, on="person_id", how="left").with_columns(
        pl.col("evidence").fill_null(pl.lit([], pl.List(pl.String)))
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
