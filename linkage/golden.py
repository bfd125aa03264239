"""One golden record a person: the best value of each attribute, where it came from, and what disagrees.

What belongs here: survivorship. Who is one person is settled before, in `linkage.night`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from linkage.conform import place_keys
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
READ = (
    *("record_id", "feed", "seen_on", "death_date", "address_to", "uprn", "address", "postcode"),
    *(attribute for attribute in ATTRIBUTES if attribute != "place"),
)
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
        records: `source_record` rows; the columns `READ` suffice.
        links: `person_link` rows.
        trust: for each feed, what its contract says of an attribute, 0 to 1; 0.5 where it is silent.
        night: the day on which ages and recency are judged.

    Returns:
        `person` rows.
    """
    held = links.select("record_id", "person_id").join(
        records.select("record_id", pl.int_range(pl.len()).alias("at")), on="record_id"
    )
    held = held.sort("person_id", "record_id")  # a person's records stand together, and rows are known by their place
    days = (pl.lit(night) - pl.col("seen_on")).dt.total_days().clip(0).fill_null(730)
    rows, known = records.select(pl.col(READ).gather(held["at"])), records["feed"].unique().sort()
    rows = rows.with_columns(
        held["person_id"].rle_id().alias("number"),
        pl.col("feed").cast(pl.Enum(known)),
        place_keys(rows).alias("place"),
        days.alias("days"),
    )
    number = rows["number"].to_numpy()
    chosen = held.group_by("person_id", maintain_order=True).agg(pl.len().cast(pl.Int32).alias("records"))
    feeds = rows.select("number", "feed").unique().sort("number", "feed").group_by("number", maintain_order=True)
    chosen = chosen.with_row_index("number").hstack([feeds.agg("feed")["feed"].alias("feeds")])
    winners: dict[str, np.ndarray] = {}
    losers = []
    for attribute, (key, half) in ATTRIBUTES.items():
        told = {feed: float(values.get(key, USUAL_TRUST)) for feed, values in trust.items()}
        by_feed = pl.Series([told.get(feed, USUAL_TRUST) for feed in known])
        worth = pl.lit(by_feed.gather(rows["feed"].to_physical()))
        if half is not None:
            worth = worth * 0.5 ** (pl.col("days") / half)
        if attribute == "forename":
            worth = worth * pl.when(pl.col("forename").str.len_chars() > 1).then(1.0).otherwise(0.1)
        if attribute == "place":
            left = (pl.col("address_to") < night).fill_null(False)
            worth = worth * pl.when(left).then(0.1).otherwise(1.0)
        name = "address" if attribute == "place" else attribute
        winners[name], lost = _survivor(rows, number, chosen.height, attribute, worth)
        losers.append(lost.with_columns(pl.lit(name).alias("attribute")))
        best = pl.Series(winners[name], dtype=pl.Int64)
        best = best.set(best < 0, None)
        columns = ("uprn", "address", "postcode") if attribute == "place" else (attribute,)
        chosen = chosen.hstack([rows[column].gather(best) for column in columns])
        if attribute == "place":
            chosen = _with_uprn(chosen.hstack([rows["place"].gather(best)]), rows)
    chosen = chosen.join(_deaths(rows, chosen, night), on="number", how="left", maintain_order="left")
    disagreed = pl.concat(losers).sort("number", "attribute", "value").group_by("number", maintain_order=True)
    disagreements = disagreed.agg(pl.struct("attribute", "value", "feeds").alias("disagreements"))
    whole = chosen.join(_provenance(winners, rows), on="number", how="left", maintain_order="left")
    whole = whole.join(disagreements, on="number", how="left", maintain_order="left").with_columns(
        pl.col("provenance").fill_null(pl.lit([], pl.List(SOURCE_OF))),
        pl.col("disagreements").fill_null(pl.lit([], pl.List(RUNNER_UP))),
    )
    return whole.select(pl.col(c.name).cast(c.type) for c in PERSON.columns)


def _survivor(
    rows: pl.DataFrame, number: np.ndarray, people: int, attribute: str, worth: pl.Expr
) -> tuple[np.ndarray, pl.DataFrame]:
    """The place of the row that tells each person's winning value best, -1 for none, and the values that lost.

    Where all of a person's records that say anything say the same, the one that counts most is the answer; values are
    weighed against each other for the others alone.
    """
    best = np.full(people, -1, dtype=np.int64)
    none = pl.DataFrame(schema={"number": pl.UInt32, "value": pl.String, "feeds": pl.List(rows.schema["feed"])})
    told = rows.select(pl.col(attribute).hash().alias("code"), worth.alias("worth"), pl.col(attribute).is_not_null())
    at = np.flatnonzero(told[attribute].to_numpy())
    if not len(at):
        return best, none
    who, code, count = number[at], told["code"].to_numpy()[at], told["worth"].to_numpy()[at]
    start = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    most = np.flatnonzero(count == np.repeat(np.maximum.reduceat(count, start), np.diff(np.r_[start, len(who)])))
    best[who[most[::-1]]] = at[most[::-1]]  # the first of equals is written last
    split = np.zeros(people, dtype=bool)
    split[who[start]] = np.minimum.reduceat(code, start) != np.maximum.reduceat(code, start)
    at, code, count = at[split[who]], code[split[who]], count[split[who]]
    if not len(at):
        return best, none
    # a feed counts once, however many of its records say the same
    by_feed = (
        rows.select(pl.col("number", "feed", "days", attribute).gather(at))
        .with_columns(pl.Series("at", at), pl.Series("code", code), pl.Series("worth", count))
        .sort("number", "code", "worth", "at", descending=[False, False, True, False])
        .group_by("number", "code", "feed", maintain_order=True)
        .agg(pl.col("worth", "at", attribute).first(), pl.col("days").min())
    )
    by_value = by_feed.group_by("number", "code", maintain_order=True).agg(
        pl.col("worth").sum(), pl.col("at", attribute).first(), pl.col("feed").alias("feeds"), pl.col("days").min()
    )
    ranked = by_value.sort("number", "worth", "days", attribute, descending=[False, True, False, False])
    won = ranked["number"].is_first_distinct()
    first = ranked.filter(won)
    best[first["number"].to_numpy()] = first["at"].to_numpy()
    value = pl.col(attribute).cast(pl.String).alias("value")
    return best, ranked.filter(~won).select("number", value, pl.col("feeds").list.sort())


def _with_uprn(chosen: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The UPRN that another record of the person gives for the address, where the winner gives none."""
    lacking = chosen.filter(pl.col("place").is_not_null() & pl.col("uprn").is_null()).select("number", "place")
    known = rows.select("number", "place", "uprn").drop_nulls().join(lacking, on=["number", "place"])
    known = known.group_by("number").agg(pl.col("uprn").min().alias("known"))
    chosen = chosen.join(known, on="number", how="left", maintain_order="left")
    return chosen.with_columns(pl.coalesce("uprn", "known").alias("uprn")).drop("known", "place")


def _provenance(winners: Mapping[str, np.ndarray], rows: pl.DataFrame) -> pl.DataFrame:
    """`number`, `provenance`: the record that each attribute came from, by the attribute's name."""
    names = sorted(winners)
    places = np.column_stack([winners[name] for name in names])
    number, attribute = np.nonzero(places >= 0)
    at = places[number, attribute]
    origin = pl.DataFrame(
        {
            "number": number.astype(np.uint32),
            "attribute": pl.Series(names).gather(attribute),
            "record_id": rows["record_id"].gather(at),
            "feed": rows["feed"].cast(pl.String).gather(at),
        }
    )
    return origin.group_by("number", maintain_order=True).agg(
        pl.struct("attribute", "record_id", "feed").alias("provenance")
    )


def _deaths(rows: pl.DataFrame, chosen: pl.DataFrame, night: date) -> pl.DataFrame:
    """The earliest date of death that is not before birth, not to come, and not contradicted by later contact."""
    told = rows.filter(pl.col("death_date").is_not_null()).select("number", "death_date")
    contact = (
        rows.join(told, on="number", how="semi").group_by("number").agg(pl.col("seen_on").max().alias("last_seen"))
    )
    told = told.join(chosen.select("number", "birth_date"), on="number").join(contact, on="number")
    plausible = told.filter(
        (pl.col("death_date") <= night)
        & (pl.col("birth_date").is_null() | (pl.col("death_date") >= pl.col("birth_date")))
        & (
            pl.col("last_seen").is_null()
            | (pl.col("last_seen") <= pl.col("death_date") + pl.duration(days=ALIVE_AFTER))
        )
    )
    return plausible.group_by("number").agg(pl.col("death_date").min())


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
