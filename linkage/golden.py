"""One golden record a person: the best value of each attribute, where it came from, and what disagrees.

What belongs here: survivorship. Who is one person is settled before, in `linkage.night`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from linkage.conform import place_key
from warehouse.tables import PERSON, PERSON_PROFILE, RUNNER_UP, SOURCE_OF

USUAL_TRUST = 0.5
ALIVE_AFTER = 60  # days after a date of death beyond which contact makes it a question
# attribute: the contract's trust key, and the days in which what a feed saw halves in worth (None: it does not age)
ATTRIBUTES: dict[str, tuple[str, float | None]] = {
    "forename": ("person.forename", None),
    "middle_names": ("person.middle_names", None),
    "surname": ("person.surname", 5 * 365.0),
    "birth_date": ("person.birth_date", None),
    "sex": ("person.sex", None),
    "ethnicity": ("person.ethnicity", None),
    "nhs_number": ("person.nhs_number", None),
    "upn": ("person.upn", None),
    "ni_number": ("person.ni_number", None),
    "la_child_id": ("person.la_child_id", None),
    "email": ("contact", 365.0),
    "phone": ("contact", 365.0),
    "place": ("address", 5 * 365.0),
}
BANDS = [
    (5, "0-4"),
    (11, "5-10"),
    (16, "11-15"),
    (18, "16-17"),
    (25, "18-24"),
    (45, "25-44"),
    (65, "45-64"),
    (85, "65-84"),
]


def people(
    records: pl.DataFrame, links: pl.DataFrame, trust: Mapping[str, Mapping[str, float]], night: date
) -> pl.DataFrame:
    """Make the golden records.

    A value counts by the trust in each feed that tells it, less the longer ago that feed saw the person where the
    attribute ages; the value that counts most wins, then the one seen last.

    Args:
        records: `source_record` rows.
        links: `person_link` rows.
        trust: for each feed, what its contract says of an attribute, 0 to 1; 0.5 where it is silent.
        night: the day on which ages and recency are judged.

    Returns:
        `person` rows.
    """
    ids = links["person_id"].unique().sort()
    number = pl.DataFrame({"person_id": ids}).with_row_index("number")  # grouping by numbers is twice as fast
    numbered = links.join(number, on="person_id").select("record_id", pl.col("number").alias("person_id"))
    rows = records.join(numbered, on="record_id").with_columns(place_key("uprn", "address", "postcode").alias("place"))
    days = (pl.lit(night) - pl.col("seen_on")).dt.total_days().clip(0).fill_null(730)
    rows = rows.with_columns(days.alias("days"))
    chosen = rows.group_by("person_id").agg(
        pl.len().cast(pl.Int32).alias("records"), pl.col("feed").unique().sort().alias("feeds")
    )
    sources, losers = [], []
    for attribute, (key, half) in ATTRIBUTES.items():
        told = {feed: float(values.get(key, USUAL_TRUST)) for feed, values in trust.items()}
        worth = pl.col("feed").replace_strict(told, default=USUAL_TRUST, return_dtype=pl.Float64)
        if half is not None:
            worth = worth * 0.5 ** (pl.col("days") / half)
        if attribute == "forename":
            worth = worth * pl.when(pl.col("forename").str.len_chars() > 1).then(1.0).otherwise(0.1)
        if attribute == "place":
            left = (pl.col("address_to") < night).fill_null(False)
            worth = worth * pl.when(left).then(0.1).otherwise(1.0)
        best, lost = _survivor(rows, attribute, worth)
        if attribute == "place":
            address = rows.select("record_id", "uprn", "address", "postcode")
            best = best.join(address, on="record_id", how="left", maintain_order="left")
            known = rows.filter(pl.col("uprn").is_not_null()).group_by("person_id", "place").agg(pl.col("uprn").min())
            best = best.join(known, on=["person_id", "place"], how="left", suffix="_known", maintain_order="left")
            best = best.with_columns(pl.coalesce("uprn", "uprn_known").alias("uprn")).drop("uprn_known", "place")
            attribute = "address"
        sources.append(best.select("person_id", pl.lit(attribute).alias("attribute"), "record_id", "feed"))
        losers.append(lost.with_columns(pl.lit(attribute).alias("attribute")))
        chosen = chosen.join(best.drop("record_id", "feed"), on="person_id", how="left")
    chosen = chosen.join(_deaths(rows, chosen, night), on="person_id", how="left")
    origin = pl.concat(sources).sort("person_id", "attribute").group_by("person_id", maintain_order=True)
    provenance = origin.agg(pl.struct("attribute", "record_id", "feed").alias("provenance"))
    disagreed = pl.concat(losers).sort("person_id", "attribute", "value").group_by("person_id", maintain_order=True)
    disagreements = disagreed.agg(pl.struct("attribute", "value", "feeds").alias("disagreements"))
    whole = chosen.join(provenance, on="person_id", how="left").join(disagreements, on="person_id", how="left")
    whole = whole.with_columns(
        ids.gather(whole["person_id"]).alias("person_id"),
        pl.col("provenance").fill_null(pl.lit([], pl.List(SOURCE_OF))),
        pl.col("disagreements").fill_null(pl.lit([], pl.List(RUNNER_UP))),
    )
    return whole.select(pl.col(c.name).cast(c.type) for c in PERSON.columns).sort("person_id")


def _survivor(rows: pl.DataFrame, attribute: str, worth: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The winning value a person with the record that tells it best, and the values that lost with their feeds."""
    told = rows.filter(pl.col(attribute).is_not_null()).select(
        "person_id", attribute, "feed", "record_id", worth.alias("worth"), "days"
    )
    # a feed counts once, however many of its records say the same
    by_feed = (
        told.sort("person_id", attribute, "worth", "record_id", descending=[False, False, True, False])
        .group_by("person_id", attribute, "feed", maintain_order=True)
        .agg(pl.col("worth").first(), pl.col("record_id").first(), pl.col("days").min())
    )
    by_value = by_feed.group_by("person_id", attribute, maintain_order=True).agg(
        pl.col("worth").sum().alias("total"),
        pl.col("record_id").sort_by("worth", "record_id", descending=[True, False]).first(),
        pl.col("feed").sort_by("worth", "record_id", descending=[True, False]).first(),
        pl.col("feed").unique().sort().alias("feeds"),
        pl.col("days").min(),
    )
    ranked = by_value.sort("person_id", "total", "days", attribute, descending=[False, True, False, False])
    first = ranked["person_id"] != ranked["person_id"].shift(1)
    won = first.fill_null(True)
    lost = ranked.filter(~won).select("person_id", pl.col(attribute).cast(pl.String).alias("value"), "feeds")
    return ranked.filter(won).select("person_id", attribute, "record_id", "feed"), lost


def _deaths(rows: pl.DataFrame, chosen: pl.DataFrame, night: date) -> pl.DataFrame:
    """The earliest date of death that is not before birth, not to come, and not contradicted by later contact."""
    contact = rows.group_by("person_id").agg(pl.col("seen_on").max().alias("last_seen"))
    told = rows.filter(pl.col("death_date").is_not_null()).select("person_id", "death_date")
    told = told.join(chosen.select("person_id", "birth_date"), on="person_id").join(contact, on="person_id")
    plausible = told.filter(
        (pl.col("death_date") <= night)
        & (pl.col("birth_date").is_null() | (pl.col("death_date") >= pl.col("birth_date")))
        & (
            pl.col("last_seen").is_null()
            | (pl.col("last_seen") <= pl.col("death_date") + pl.duration(days=ALIVE_AFTER))
        )
    )
    return plausible.group_by("person_id").agg(pl.col("death_date").min())


def profiles(people: pl.DataFrame, place: pl.DataFrame, night: date) -> pl.DataFrame:
    """What analysis may use of each person.

    Args:
        people: `person` rows.
        place: `place` rows.
        night: the day on which age is told.

    Returns:
        `person_profile` rows. Someone who died is as old as on the day of death.
    """
    until = pl.coalesce("death_date", pl.lit(night))
    born = pl.col("birth_date")
    months = (until.dt.year() - born.dt.year()) * 12 + (until.dt.month() - born.dt.month()).cast(pl.Int32)
    months = months - (until.dt.day() < born.dt.day()).cast(pl.Int32)
    rows = people.join(place, on="postcode", how="left").with_columns(months.clip(0).cast(pl.Int32).alias("age_months"))
    band = pl.lit("85+")
    for years, name in reversed(BANDS):
        band = pl.when(pl.col("age_months") < years * 12).then(pl.lit(name)).otherwise(band)
    rows = rows.with_columns(
        born.dt.truncate("1mo").alias("birth_month"),
        pl.when(pl.col("age_months").is_null()).then(pl.lit("unknown")).otherwise(band).alias("age_band"),
        pl.col("death_date").is_not_null().alias("deceased"),
        pl.col("feeds").list.len(),
    )
    return rows.select(pl.col(c.name).cast(c.type) for c in PERSON_PROFILE.columns).sort("person_id")
