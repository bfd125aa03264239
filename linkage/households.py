"""Who lives together: households in dwellings, with what shows it and since when, and who lives alone.

What belongs here: households of golden people. Who lives where is settled in `linkage.occupancy`; ids that last come
from `linkage.identity`; groups of people who need not live together belong in `linkage.groups`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from linkage.identity import assign, lineage
from warehouse.tables import HOUSEHOLD, HOUSEHOLD_LINEAGE, HOUSEHOLD_MEMBER

DISCOUNT = "single_person_discount"
_CAUSES = {
    "founded": "people who were in no household, or came from several",
    "split_from": "its people left the household that they lived with",
    "merged_into": "its people now live with the other household",
    "retired": "nobody is known to live there as one household any longer",
}


@dataclass(frozen=True)
class Households:
    """`household`, `household_member` and `household_lineage` rows."""

    household: pl.DataFrame
    member: pl.DataFrame
    lineage: pl.DataFrame


def households(
    people: pl.DataFrame,
    stays: pl.DataFrame,
    discounts: pl.DataFrame,
    place: pl.DataFrame,
    previous: tuple[pl.DataFrame, pl.DataFrame] | None,
    night: date,
    key: bytes,
) -> Households:
    """Group people by the dwelling that they live in now.

    A house of many tenants, an institution or a hostel is told apart by its kind: people there live at one address, not
    as one family. A child of two homes is a member of both.

    Args:
        people: `person` rows; `person_id` and `birth_date` suffice.
        stays: of `occupancy.Found`.
        discounts: `person_id`, `feed`, `since` of those who have a council tax discount as the only adult now.
        place: `place` rows.
        previous: last night's `household` and `household_member`, None on the first.
        night: names the night and judges who is of age.
        key: secret of new household ids.
    """
    now = stays.filter(pl.col("state").is_in(["main", "second"]))
    before = pl.DataFrame(schema={"member": pl.String, "id": pl.String})
    founded = pl.DataFrame(schema={"id": pl.String, "founded": pl.Date})
    if previous is not None:
        main = pl.col("state").fill_null("main") == "main" if "state" in previous[1].columns else pl.lit(True)
        before = (
            previous[1].filter(main).select(pl.col("person_id").alias("member"), pl.col("household_id").alias("id"))
        )
        founded = previous[0].select(pl.col("household_id").alias("id"), "founded")
    # whose home a dwelling mainly is decides its id: a child who comes for weekends takes none along
    grouped = now.filter(pl.col("state") == "main").select(
        pl.col("person_id").alias("member"), pl.col("dwelling").alias("group")
    )
    assigned = assign(grouped, before, founded, night, key)
    ids = assigned.ids.join(founded, on="id", how="left").select(
        pl.col("group").alias("dwelling"), pl.col("id").alias("household_id"),
        pl.col("founded_right").fill_null(night).alias("founded"),
    )  # fmt: skip
    now = now.join(ids, on="dwelling")
    member = now.select(pl.col(c.name).cast(c.type) for c in HOUSEHOLD_MEMBER.columns).sort(HOUSEHOLD_MEMBER.key)
    sizes = now.group_by(pl.col("household_id").alias("id")).agg(pl.len().alias("records"))
    became = lineage(assigned, sizes, night).rename(
        {"person_id": "household_id", "other_person_id": "other_household_id", "records": "people"}
    )
    became = became.filter(pl.col("change") != "gave")  # who moves from one home to another is told by occupancy
    became = became.with_columns(pl.col("change").replace_strict(_CAUSES, default="").alias("cause"))
    return Households(
        _households(now, _alone(now, stays, people, discounts, night), people, place, night),
        member,
        became.select(pl.col(c.name).cast(c.type) for c in HOUSEHOLD_LINEAGE.columns).sort(HOUSEHOLD_LINEAGE.key),
    )


def discounted(events: pl.LazyFrame, links: pl.DataFrame, night: date) -> pl.DataFrame:
    """`person_id`, `feed`, `since`: those who have a discount as the only adult at their address now.

    Args:
        events: `event` rows that stand.
        links: `person_link` rows.
        night: what ends later is open.
    """
    lasts = pl.col("end").is_null() | (pl.col("end").dt.date() > night)
    rows = events.filter((pl.col("type") == DISCOUNT) & lasts).select("record_id", "feed", "start")
    held = rows.collect().join(links.select("record_id", "person_id"), on="record_id")
    return held.group_by("person_id", "feed").agg(pl.col("start").max().dt.date().alias("since"))


def _of_age(night: date) -> pl.Expr:
    return (pl.col("birth_date") <= pl.lit(night).dt.offset_by("-18y")).fill_null(True)


def _alone(
    now: pl.DataFrame, stays: pl.DataFrame, people: pl.DataFrame, discounts: pl.DataFrame, night: date
) -> pl.DataFrame:
    """`household_id`, `lives_alone`, its evidence and date, of every home where one adult is known and no one else.

    For: each feed that places the person there, and a council tax discount. Against: whoever else some feed still has
    there and who is not well known to live elsewhere. Strong takes two feeds, or a discount, and nothing against.
    """
    born = people.select("person_id", "birth_date")
    one = now.filter((pl.len().over("household_id") == 1) & (pl.col("kind") == "home"))
    one = one.join(born, on="person_id", how="left").filter(_of_age(night))
    settled = stays.filter((pl.col("state") == "main") & (pl.col("certainty") == "strong")).select("person_id")
    there = stays.filter("open").join(settled, on="person_id", how="anti").join(born, on="person_id", how="left")
    there = there.select(
        "dwelling", pl.col("person_id").alias("other"), "evidence", "seen", _of_age(night).alias("adult")
    )
    against = one.select("household_id", "person_id", "dwelling").join(there, on="dwelling")
    against = against.filter(pl.col("other") != pl.col("person_id")).explode("evidence")
    who = pl.when("adult").then(pl.lit("another adult")).otherwise(pl.lit("a child"))
    said = pl.format("{} is known at this address to {}", who, "evidence")
    seen = pl.format("{}, {}", said, pl.col("seen").dt.to_string("%Y-%m-%d"))
    against = against.group_by("household_id").agg(
        pl.coalesce(seen, said).unique().sort().alias("against"), pl.col("seen").max().alias("against_on")
    )
    claim = discounts.group_by("person_id").agg(
        pl.format("{}: single person discount since {}", "feed", pl.col("since").dt.to_string("%Y-%m-%d"))
        .sort().alias("claims"),
        pl.col("since").max().alias("claimed_on"),
    )  # fmt: skip
    one = one.join(against, on="household_id", how="left").join(claim, on="person_id", how="left")
    clear, claims = pl.col("against").is_null(), pl.col("claims").is_not_null()
    known = (pl.col("evidence").list.len() > 1) & (pl.col("certainty") == "strong")
    strong = clear & (known | (claims & (pl.col("certainty") != "weak")))
    some = (clear & (pl.col("certainty") != "weak")) | (claims & (pl.col("certainty") == "strong"))
    grade = pl.when(strong).then(pl.lit("strong")).when(some).then(pl.lit("some")).otherwise(pl.lit("none"))
    feeds = pl.concat_str(pl.lit("known at this address to "), pl.col("evidence").list.join(", "))
    last = pl.concat_str(pl.lit(", last on "), pl.col("seen").dt.to_string("%Y-%m-%d")).fill_null("")
    nothing = pl.lit([], pl.List(pl.String))
    nobody = pl.when(clear).then(pl.lit(["no feed places anyone else here now"])).otherwise(nothing)
    told = pl.when(pl.col("evidence").list.len() > 0).then(pl.concat_list(feeds + last)).otherwise(nothing)
    return one.select(
        "household_id",
        grade.alias("lives_alone"),
        pl.concat_list(told, pl.col("claims").fill_null([]), nobody, pl.col("against").fill_null([])).alias(
            "lives_alone_evidence"
        ),
        pl.max_horizontal("seen", "claimed_on", "against_on").alias("lives_alone_on"),
    )


def _households(
    now: pl.DataFrame, alone: pl.DataFrame, people: pl.DataFrame, place: pl.DataFrame, night: date
) -> pl.DataFrame:
    """`household` rows."""
    adult = _of_age(night)
    rows = now.join(people.select("person_id", "birth_date"), on="person_id", how="left")
    one = (
        rows.sort("household_id", "person_id")
        .group_by("household_id", maintain_order=True)
        .agg(
            pl.col("kind").first(),
            pl.col("postcode").drop_nulls().first(),
            pl.len().alias("people"),
            adult.sum().alias("adults"),
            (~adult).sum().alias("children"),
            pl.col("founded").first(),
        )
    )
    one = one.join(alone, on="household_id", how="left").with_columns(
        pl.col("lives_alone").fill_null("none"), pl.col("lives_alone_evidence").fill_null([])
    )
    one = one.join(place.select("postcode", "lsoa21", "imd_decile").unique("postcode"), on="postcode", how="left")
    return one.select(pl.col(c.name).cast(c.type) for c in HOUSEHOLD.columns).sort("household_id")
