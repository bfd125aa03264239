"""What a team may read in each of its cases: sections of agreements, whom they cover, and the rows they let through.

What belongs here: applying answers of `governance.agreements` to whole tables. No permission is decided here, and no
row is said in words.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from governance.agreements import SECTIONS, covered, subjects
from governance.organisation import COUNCIL
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


def numbered(sections: pl.DataFrame) -> pl.DataFrame:
    """Sections of agreements in a fixed order, with a number each: `section`, and the columns of `SECTIONS`."""
    by = ["team", "partner", "category", "agreement", "clause"]
    return sections.select(SECTIONS.names()).sort(by).with_row_index("section")


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
    cases: pl.DataFrame, home: pl.DataFrame, people: pl.DataFrame, involvements: pl.DataFrame, sections: pl.DataFrame,
    night: date,
) -> pl.DataFrame:  # fmt: skip
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
    asked = subjects(people, involvements, night)
    asked = asked.rename({"person_id": "about", "open_to": "services", "meets": "needs"})
    beside = pl.col("household") & pl.col("covered").any().over(*KEY, "section")
    return (
        scope.join(asked, on="about", how="left")
        .join(sections, on="team")
        .with_columns(covered=covered())
        .with_columns(met=pl.col("covered") | beside)
        .drop(
            "services", "age", "needs", "covered", "open_to", "age_under", "age_from", "meets", "household", "look_back"
        )
    )


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
