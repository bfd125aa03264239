"""What a team may read in each of its cases: sections of agreements, whom they cover, and the rows they let through.

What belongs here: applying answers of `governance.agreements` to whole tables. No permission is decided here, and no
row is said in words.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from governance.agreements import Agreements
from governance.organisation import COUNCIL
from summaries.wording import Wording
from warehouse.tables import ID, TIMESTAMP

KEY = ["team", "case"]  # `case` is the person_id of the person whom a summary is about
HOMES = ("home", "unknown")  # kinds of dwelling whose residents are one household; elsewhere they are strangers
CROWD = 15  # a dwelling with more people than this is not shown as one household
_COLUMNS: dict[str, Any] = {
    "fact_id": ID, "person_id": ID, "partner": pl.String, "feed": pl.String, "category": pl.String, "start": TIMESTAMP,
    "end": TIMESTAMP, "code": pl.String, "value": pl.Float64, "version": pl.String, "title": pl.String,
    "team_name": pl.String, "worker_role": pl.String, "words": pl.String,
}  # fmt: skip


def open_now(involvements: pl.DataFrame, night: date) -> pl.DataFrame:
    """Involvements that have not ended by the night."""
    return involvements.filter(pl.col("end").is_null() | (pl.col("end").dt.date() > night))


def sections_of(agreements: Agreements, wording: Wording, night: date) -> pl.DataFrame:
    """The sections of every team with cases, for its first role and its nightly reason: team, number, and theirs."""
    teams = [agreements.sections(name, team.roles[0], team.reason, night) for name, team in wording.teams.items()]
    return pl.concat(teams).sort("team", "partner", "category", "agreement", "clause").with_row_index("section")


def housemates(cases: pl.DataFrame, households: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Who lives with each case's person, the person included: team, case, household_id, about, from, certainty, crowd.

    Where a dwelling is no home of one household (`crowd`), its other residents are left out.
    """
    crowd = ~pl.col("kind").is_in(HOMES) | (pl.col("people") > CROWD)
    return (
        cases.select(KEY)
        .join(members.select("household_id", pl.col("person_id").alias("case")), on="case")
        .join(households.select("household_id", crowd.fill_null(True).alias("crowd")), on="household_id")
        .join(members.rename({"person_id": "about"}), on="household_id")
        .filter((pl.col("about") == pl.col("case")) | ~pl.col("crowd"))
        .select(*KEY, "household_id", "about", "from", "certainty", "crowd")
    )


def grants(
    cases: pl.DataFrame,
    home: pl.DataFrame,
    people: pl.DataFrame,
    involvements: pl.DataFrame,
    sections: pl.DataFrame,
    agreements: Agreements,
    night: date,
) -> pl.DataFrame:
    """Each section of a team with each person whom a case may tell of, and whether its agreement covers the person.

    Persons are the case's own and its housemates, unless only weak evidence places them there. A row: team, case,
    about, own, met, and the section's columns.
    """
    scope = pl.concat(
        [
            cases.select(*KEY, pl.col("case").alias("about"), pl.lit(True).alias("own")),
            home.filter((pl.col("about") != pl.col("case")) & (pl.col("certainty") != "weak"))
            .select(*KEY, "about", pl.lit(False).alias("own"))
            .unique(),
        ]
    )
    services = open_now(involvements, night).group_by(pl.col("person_id").alias("about")).agg(open_to="service")
    facts = scope.join(
        people.select(pl.col("person_id").alias("about"), years("birth_date", night).alias("age")),
        on="about",
        how="left",
    ).join(services, on="about", how="left")
    covered = [
        facts.with_columns(household_covered=pl.lit(False))
        .with_columns(household_covered=agreements.covering(name).any().over(KEY))
        .select(*KEY, "about", pl.lit(name).alias("agreement"), agreements.covering(name).alias("met"))
        for name in sections["agreement"].unique().sort()
    ]
    empty = scope.clear().select(*KEY, "about", agreement=pl.lit(""), met=pl.lit(False))
    return scope.join(sections, on="team").join(pl.concat([empty, *covered]), on=[*KEY, "about", "agreement"])


def may(given: pl.DataFrame, category: str) -> pl.DataFrame:
    """The cases whose team may see what the council itself holds of a category about the case's person."""
    council = given.filter("met", "own", pl.col("partner") == COUNCIL, pl.col("category") == category)
    return council.select(KEY).unique()


def all_rows(events: pl.DataFrame, involvements: pl.DataFrame, voice: pl.DataFrame) -> pl.DataFrame:
    """Events, involvements and voice as rows of one shape; `version` tells a row from its correction."""

    def shaped(frame: pl.DataFrame, fact_id: str, **more: pl.Expr) -> pl.DataFrame:
        frame = frame.with_columns(fact_id=pl.col(fact_id), version=pl.col("known_from").dt.to_string("iso"), **more)
        return frame.select(name for name in _COLUMNS if name in frame.columns)

    service, topic = pl.col("service"), pl.col("topic")
    parts = [
        shaped(events, "event_id", category=pl.col("type")),
        shaped(involvements, "involvement_id", category=pl.lit("involvement"), title=service, team_name=pl.col("team")),
        shaped(voice, "voice_id", category=pl.lit("voice"), title=topic, code=pl.col("said_by")),
    ]
    return pl.concat([pl.DataFrame(schema=_COLUMNS), *parts], how="diagonal")


def let_through(rows: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """The rows that a section permits, once a case, with only the fields that it permits.

    A row is within a look-back if it had not ended before its first day; an open involvement always is. `open` says
    that a row has no end, where the end may be known.
    """
    fields = {
        "start": ["start"], "end": ["end"], "code": ["code", "said_by"], "value": ["value"], "words": ["words"],
        "title": ["service", "topic"], "team_name": ["team"], "worker_role": ["worker_role"],
    }  # fmt: skip

    def allowed(names: list[str]) -> pl.Expr:
        return pl.col("fields").is_null() | (pl.col("fields").list.set_intersection(names).list.len() > 0)

    met = given.filter("met").select(*KEY, "about", "own", "partner", "category", "since", "fields")
    return (
        rows.join(met, left_on=["person_id", "partner", "category"], right_on=["about", "partner", "category"])
        .filter(
            pl.col("since").is_null()
            | (pl.max_horizontal("start", "end").dt.date() >= pl.col("since"))
            | ((pl.col("category") == "involvement") & pl.col("end").is_null())
        )
        .with_columns(
            *(pl.when(allowed(names)).then(pl.col(column)).alias(column) for column, names in fields.items()),
            open=pl.col("end").is_null() & allowed(["end"]),
        )
        .drop("since", "fields")
        .group_by([*KEY, "person_id", "fact_id"])  # two agreements may each permit some fields of one row
        .agg(pl.col("open").any(), pl.all().exclude("open").drop_nulls().first())
    )


def years(column: str, night: date) -> pl.Expr:
    """Whole years from a date to the night."""
    born = pl.col(column)
    to_come = (born.dt.month().cast(pl.Int32) * 100 + born.dt.day()) > night.month * 100 + night.day
    return (night.year - born.dt.year() - to_come.cast(pl.Int32)).cast(pl.Int32)
