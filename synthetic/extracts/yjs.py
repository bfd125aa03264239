"""What the youth justice service sends: offences, their outcomes and interventions."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import Habits, View, card, dealt, number, opened
from synthetic.extracts.files import Extract, Text, keyed
from synthetic.extracts.noise import serial, spoilt

HABITS = Habits(
    typo=0.06,
    nickname=0.092,
    former=0.4,
    wrong_birth=0.05,
    stale=0.4,
    period=100,
    missing={"birth_date": 0.045, "phone": 0.35, "address": 0.05, "known_as": 0.4, "sex": 0.03},
)
SLASHED = "%d/%m/%Y"


def youth_justice(view: View) -> Extract:
    """A row for each offence; a case's outcome and intervention stand on its first."""
    events = view.of("offence", "yjs_intervention")
    rows = dealt(view, "youth-justice", events, HABITS, by="group")
    orders = rows.filter(pl.col("type") == "yjs_intervention").unique(
        ["person", "copy", "group"], keep="first", maintain_order=True
    )
    offences = rows.filter(pl.col("type") == "offence").sort("start", "row")
    first = pl.int_range(pl.len()).over("person", "copy", "group") == 0
    offences = offences.with_columns(place=pl.when(first).then(0).otherwise(1))
    orders = orders.select(
        "person", "copy", "group", order_row="row", order="code", order_start="start", order_end="end", place=pl.lit(0)
    )
    cases = offences.join(orders, on=["person", "copy", "group", "place"], how="full", coalesce=True)
    cases = cases.with_columns(
        row=pl.coalesce("row", "order_row"), start=pl.coalesce("start", "order_start"), offence_date="start"
    ).sort("row")
    ids = opened(cases)
    cards = card(view, "youth-justice", ids, HABITS)
    cards = cards.with_columns(yjs_id="Y" + serial(number(ids), view.seed, "youth-justice", 6))
    cases = cases.join(cards.drop("captured"), on=["person", "copy"], how="left", maintain_order="left")
    outcome = pl.max_horizontal(pl.col("order_start") - pl.duration(days=7), "offence_date")
    frame = cases.select(
        "row",
        case_row="O" + serial(cases["row"], view.seed, "offence", 9),
        yjs_id="yjs_id",
        forename="forename",
        surname="surname",
        known_as="known_as",
        dob=pl.col("birth_date").dt.strftime(SLASHED),
        sex=pl.col("sex").replace_strict({"M": "Male", "F": "Female"}, default="Not known"),
        ethnicity="ethnicity",
        telephone="phone",
        address="line",
        postcode="postcode",
        offence_date=pl.col("offence_date").dt.strftime(SLASHED),
        offence_category="code",
        gravity=pl.col("value").cast(pl.Int64).cast(pl.String),
        outcome_date=pl.when(pl.col("order").is_not_null()).then(outcome).dt.strftime(SLASHED),
        outcome_type="order",
        intervention_start=pl.col("order_start").dt.strftime(SLASHED),
        intervention_end=pl.col("order_end").dt.strftime(SLASHED),
    ).sort("case_row")
    frame = spoilt(
        frame, view.dice("youth-justice", frame["row"]), HABITS.broken, dob="31/09/2009", sex="Q", gravity="11"
    ).drop("row")
    return Extract({"yjs/yjs_{day}.csv": Text(frame)}, keyed(cases, "yjs_id"))
