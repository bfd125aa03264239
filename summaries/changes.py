"""What a summary showed, and how the next one differs.

What belongs here: comparing two nights' facts of a case by id and version. The facts themselves come from
`summaries.facts`.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from governance.organisation import COUNCIL
from summaries.permitted import KEY
from summaries.wording import Wording
from summaries.words import called, day
from warehouse.tables import ID, TIMESTAMP

SHOWN: dict[str, Any] = {
    "team": pl.String,
    "person_id": ID,  # whose summary
    "about": ID,  # whose fact
    "fact_id": ID,
    "version": pl.String,
    "partner": pl.String,
    "category": pl.String,
    "start": TIMESTAMP,
    "night": pl.Date,
}


def shown(
    cases: pl.DataFrame,
    rows: pl.DataFrame,
    home: pl.DataFrame,
    at_home: pl.DataFrame,
    flagged: pl.DataFrame,
    night: date,
) -> pl.DataFrame:
    """Which facts each summary shows: schema `SHOWN`. No names, no words; a case with no facts has one row."""
    council, subject = pl.lit(COUNCIL), pl.col("case")
    homes = home.join(at_home.select(KEY).unique(), on=KEY, how="semi").filter(pl.col("about") == pl.col("case"))
    parts = [
        cases.select(*KEY, about=subject, fact_id=pl.lit("summary"), category=pl.lit("summary")),
        rows.select(*KEY, "fact_id", "version", "partner", "category", "start", about="person_id"),
        at_home.select(*KEY, "about", partner=council, fact_id=pl.lit("member"), category=pl.lit("household")),
        homes.group_by(KEY)
        .agg(version=pl.col("household_id").unique().sort().str.join(" "))
        .with_columns(partner=council, about=subject, fact_id=pl.lit("household"), category=pl.lit("household")),
        flagged.select(
            *KEY, fact_id=_flag(), version="band", partner=council, about=subject, category=pl.lit("risk_flag")
        ),
    ]
    return (
        pl.concat(parts, how="diagonal")
        .rename({"case": "person_id"})
        .with_columns(night=pl.lit(night))
        .select(pl.col(name).cast(kind) for name, kind in SHOWN.items())
        .sort("team", "person_id", "about", "fact_id")
    )


def last_nights(previous: pl.DataFrame | None) -> pl.DataFrame:
    """The night of each case's last summary: team, case, previous (in words)."""
    frame = pl.DataFrame(schema=SHOWN) if previous is None else previous
    last = frame.group_by("team", pl.col("person_id").alias("case")).agg(pl.col("night").max())
    return last.select(*KEY, day("night").alias("previous"))


def changes(
    now: pl.DataFrame,
    previous: pl.DataFrame | None,
    rows: pl.DataFrame,
    at_home: pl.DataFrame,
    flagged: pl.DataFrame,
    faces: pl.DataFrame,
    given: pl.DataFrame,
    wording: Wording,
) -> pl.DataFrame:
    """What is new, corrected or no longer held since each case's last summary; nothing for a first summary.

    What is gone because no section permits it any more, or because it is now too old, is not news.
    """
    before = (pl.DataFrame(schema=SHOWN) if previous is None else previous).drop("night")
    fact = ["team", "person_id", "about", "fact_id"]
    was = pl.col("category_before")
    both = (
        now.drop("night")
        .join(before, on=fact, how="full", coalesce=True, suffix="_before")
        .join(before.select("team", "person_id").unique(), on=["team", "person_id"], how="semi")
        .filter(pl.col("fact_id") != "summary")
        .with_columns(
            kind=pl.when(pl.col("category").is_null()).then(pl.lit("No longer held"))
            .when(was.is_null()).then(pl.lit("New"))
            .when(pl.col("version").ne_missing(pl.col("version_before"))).then(pl.lit("Updated"))
        )
        .drop_nulls("kind")
        .rename({"person_id": "case"})
    )  # fmt: skip
    said = pl.concat(
        [
            rows.select(*KEY, "fact_id", "when", "what", "detail", "about_name", "source", about="person_id"),
            at_home.select(*KEY, "about", fact_id=pl.lit("member"), about_name="name"),
            flagged.select(
                *KEY, when="as_of", what=pl.format("Flag: {}", "outcome"), detail=pl.format("band: {}", "band"),
                about=pl.col("case"), fact_id=_flag(),
            ),
        ],
        how="diagonal",
    )  # fmt: skip
    here = both.filter(pl.col("category").is_not_null()).join(said, on=[*KEY, "about", "fact_id"], how="left")
    permitted = given.filter("met").select(
        *KEY, "about", partner_before="partner", category_before="category", since="since"
    )
    council = given.filter("met", "own", pl.col("partner") == COUNCIL).select(*KEY, category_before="category").unique()
    names = {key: category.name for key, category in wording.vocabulary.categories.items()}
    gone = both.filter(pl.col("category").is_null())
    gone = (
        pl.concat(
            [
                gone.join(permitted, on=[*KEY, "about", "partner_before", "category_before"]).filter(
                    (pl.col("start_before").dt.date() >= pl.col("since")).fill_null(True)
                ),
                gone.filter(pl.col("partner_before") == COUNCIL).join(council, on=[*KEY, "category_before"]),
            ],
            how="diagonal",
        )
        .unique([*KEY, "about", "fact_id"])
        .join(faces.select("about", "forename"), on="about", how="left")
        .with_columns(
            what=pl.when(was == "risk_flag").then(pl.lit("Flag")).otherwise(called("category_before", names)),
            when=day("start_before"),
            about_name=pl.col("forename"),
            source=called("partner_before", wording.partners),
        )
    )
    return (
        pl.concat([here, gone], how="diagonal")
        .with_columns(
            pl.col("when").fill_null(""),
            what=pl.when(pl.col("fact_id") == "member").then(pl.lit("Member of the household"))
            .when(pl.col("fact_id") == "household").then(pl.lit("Which household the person lives in"))
            .otherwise("what"),
            detail=pl.col("detail").fill_null(""),
            about_name=pl.col("about_name").fill_null("This person"),
            source=pl.col("source").fill_null(wording.partners[COUNCIL]),
            on=pl.coalesce("start", "start_before"),
        )
        .sort(*KEY, "on", "what", "fact_id", "about", descending=[False, False, True, False, False, False])
    )  # fmt: skip


def _flag() -> pl.Expr:
    return pl.format("flag {}", "outcome_id")
