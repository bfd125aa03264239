"""What the police send: incidents with the people in them, and missing person episodes; names as heard."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import Habits, View, card, dealt, number, opened
from synthetic.extracts.files import Extract, Text, keyed, tested
from synthetic.extracts.noise import serial, spoilt

HABITS = Habits(
    upper=True,
    typo=0.07,
    nickname=0.102,
    former=0.45,
    wrong_birth=0.06,
    stale=0.45,
    cut=24,
    period=100,
    missing={
        "birth_date": 0.13,
        "middle_names": 0.45,
        "phone": 0.45,
        "former": 0.6,
        "known_as": 0.7,
        "address": 0.08,
        "postcode": 0.12,
        "forename": 0.012,
        "sex": 0.03,
    },
)
INCIDENTS = ("domestic_abuse", "incident_victim", "incident_suspect", "incident_witness")
MOMENT = "%d/%m/%Y %H:%M"


def _nominal(view: View, rows: pl.DataFrame, feed: str) -> pl.DataFrame:
    ids = opened(rows)
    ids = card(view, feed, ids, HABITS).with_columns(
        ("N" + serial(number(ids), view.seed, "police", 7)).alias("nominal_ref")
    )
    return rows.join(ids.drop("captured"), on=["person", "copy"], how="left", maintain_order="left")


def incidents(view: View) -> Extract:
    """A row for each person in an incident, with their role."""
    rows = _nominal(view, dealt(view, "police", view.of(*INCIDENTS), HABITS), "police-incidents")
    domestic = pl.col("type") == "domestic_abuse"
    role = pl.when(domestic).then("code").otherwise(pl.col("type").str.strip_prefix("incident_"))
    rows = rows.with_columns(
        pl.when(domestic).then(pl.lit("D")).otherwise(pl.lit("C")).alias("series"),
        serial(rows["group"], view.seed, "incident", 8).alias("incident"),
        role.replace({"child": "child present"}).str.to_uppercase().alias("role"),
    ).with_columns(incident_ref=pl.concat_str("series", "incident", pl.col("start").dt.strftime("/%y")))
    frame = rows.unique(["incident_ref", "nominal_ref", "role"], keep="first", maintain_order=True).select(
        "row",
        "incident_ref",
        "nominal_ref",
        "role",
        category=pl.when(domestic).then(pl.lit("violence")).otherwise("code"),
        domestic=pl.when(domestic).then(pl.lit("Y")).otherwise(pl.lit("N")),
        dash_risk=pl.when(domestic).then(
            pl.when(pl.col("value") > 0).then(pl.lit("HIGH")).otherwise(pl.lit("STANDARD"))
        ),
        occurred=pl.col("start").dt.strftime(MOMENT),
        createdon=pl.col("recorded_at").dt.strftime(MOMENT),
        given_name="forename",
        middle_names="middle_names",
        surname="surname",
        maiden_name=pl.when(pl.col("sex") == "F").then("former"),
        aka="known_as",
        dob=pl.col("birth_date").dt.strftime("%d/%m/%Y"),
        gender=pl.col("sex").fill_null("U"),
        ethnic_appearance=pl.col("ethnicity").str.slice(0, 1).replace({"N": None, "R": None}),
        telephone="phone",
        home_address="line",
        postcode="postcode",
    )
    frame = frame.sort("incident_ref", "nominal_ref", "role")
    frame = spoilt(
        frame,
        view.dice("police-incidents", frame["row"]),
        HABITS.broken,
        dob="31/02/1987",
        gender="Q",
        occurred="00/00/0000 00:00",
        domestic=None,
    ).drop("row")
    frame = tested(
        frame,
        3,
        incident_ref="C0000000{n}/00",
        nominal_ref="N000000{n}",
        given_name="TEST",
        surname="NOMINAL",
        telephone=None,
    )
    return Extract({"police/incidents_{day}.csv": Text(frame, encoding="windows-1252")}, keyed(rows, "nominal_ref"))


def missing(view: View) -> Extract:
    """A row for each missing episode."""
    rows = _nominal(view, dealt(view, "police", view.of("missing_episode"), HABITS), "police-missing")
    frame = rows.select(
        "row",
        misperid="M" + serial(rows["row"], view.seed, "misper", 8),
        nominal_ref="nominal_ref",
        forenames=pl.concat_str("forename", "middle_names", separator=" ", ignore_nulls=True),
        surname="surname",
        aka="known_as",
        dob=pl.col("birth_date").dt.strftime("%d/%m/%Y"),
        gender=pl.col("sex").fill_null("U"),
        home_address="line",
        postcode="postcode",
        missing_since=pl.col("start").dt.strftime(MOMENT),
        when_traced=pl.col("end").dt.strftime(MOMENT),
        initial_risk_level=pl.col("code").str.to_titlecase(),
    ).sort("misperid")
    frame = spoilt(
        frame,
        view.dice("police-missing", frame["row"]),
        HABITS.broken,
        dob="30/02/2011",
        initial_risk_level="Very",
        when_traced="01/01/2001 00:00",
    ).drop("row")
    return Extract({"police/missing_{day}.csv": Text(frame, encoding="windows-1252")}, keyed(rows, "nominal_ref"))
