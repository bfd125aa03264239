"""What the health trust sends: changes of the general practice register, and emergency attendances."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import Habits, View, card, copied, dealt, number, opened
from synthetic.extracts.files import Extract, Text, keyed, tested
from synthetic.extracts.noise import serial, spoilt

REGISTER = Habits(
    upper=True,
    typo=0.05,
    nickname=0.072,
    former=0.4,
    wrong_birth=0.045,
    stale=0.37,
    nhs=0.58,
    cut=35,
    period=100,
    missing={"middle_names": 0.3, "former": 0.4, "phone": 0.25, "address": 0.02, "postcode": 0.03, "birth_date": 0.045},
)
DEPARTMENT = Habits(
    upper=True,
    typo=0.06,
    nickname=0.087,
    former=0.35,
    wrong_birth=0.05,
    stale=0.42,
    nhs=0.52,
    period=100,
    missing={"phone": 0.35, "address": 0.06, "postcode": 0.06, "birth_date": 0.045, "sex": 0.02, "forename": 0.01},
)
PACKED = "%Y%m%d"
STAMP = "%Y-%m-%d %H:%M:%S"
SEX = {"M": "1", "F": "2"}


def gp_register(view: View) -> Extract:
    """A row for each registration with a practice."""
    rows = view.kept(view.of("gp_registration"), years=1).with_columns(captured=pl.col("start").dt.date())
    rows = rows.filter(view.dice("gp-register", rows["person"]).chance("registered", 0.95))
    rows = copied(view, "gp-register", rows, REGISTER).with_columns(row=pl.col("happening") * 2 + pl.col("copy"))
    on = ("person", "copy", "row", "captured")
    rows = rows.hstack(card(view, "gp-register", rows.select(on), REGISTER).drop(on))
    rows = rows.with_columns(registration_id="R" + serial(rows["row"], view.seed, "gp-register", 9))
    frame = rows.select(
        "row",
        "registration_id",
        "nhs_number",
        "surname",
        "forename",
        other_forenames="middle_names",
        previous_surname="former",
        date_of_birth=pl.col("birth_date").dt.strftime(PACKED),
        sex=pl.col("sex").replace_strict(SEX, default="9"),
        address="line",
        postcode="postcode",
        telephone="phone",
        practice="code",
        registered=pl.col("start").dt.strftime(PACKED),
        deregistered=pl.col("end").dt.strftime(PACKED),
        date_of_death=pl.col("death_date").dt.strftime(PACKED),
    ).sort("registration_id")
    frame = spoilt(
        frame,
        view.dice("gp-register", frame["row"]),
        REGISTER.broken,
        date_of_birth="19870231",
        sex="7",
        registered=None,
    ).drop("row")
    frame = tested(
        frame, 3, registration_id="R00000000{n}", forename="TEST", surname="PATIENT", nhs_number=None, telephone=None
    )
    return Extract({"health/gp_{day}.csv": Text(frame)}, keyed(rows, "registration_id"))


def hospital(view: View) -> Extract:
    """A row for each emergency attendance."""
    rows = dealt(view, "hospital", view.of("hospital_attendance"), DEPARTMENT)
    ids = opened(rows)
    cards = card(view, "hospital", ids, DEPARTMENT)
    cards = cards.with_columns(local_patient_id="H" + serial(number(ids), view.seed, "hospital", 8))
    rows = rows.join(cards.drop("captured"), on=["person", "copy"], how="left", maintain_order="left")
    dice = view.dice("attendance", rows["row"])
    frame = rows.select(
        "row",
        attendance_id="AE" + serial(rows["row"], view.seed, "attendance", 9),
        local_patient_id="local_patient_id",
        nhs_number="nhs_number",
        surname="surname",
        forename="forename",
        dob=pl.col("birth_date").dt.strftime("%Y-%m-%d"),
        sex=pl.col("sex").replace_strict(SEX, default="9"),
        address="line",
        postcode="postcode",
        telephone="phone",
        arrivaldate=pl.col("start").dt.strftime(STAMP),
        departdate=pl.col("end").dt.strftime(STAMP),
        aeattendcat=pl.when(dice.chance("followup", 0.06)).then(pl.lit("3")).otherwise(pl.lit("1")),
        diag_chapter="code",
        admitted=pl.col("value").cast(pl.Int64).cast(pl.String),
        recorded=pl.col("recorded_at").dt.strftime(STAMP),
    ).sort("attendance_id")
    frame = spoilt(
        frame, view.dice("hospital", frame["row"]), DEPARTMENT.broken, dob="1987-02-31", sex="5", arrivaldate="unknown"
    ).drop("row")
    frame = tested(
        frame,
        2,
        attendance_id="AE00000000{n}",
        local_patient_id="H0000000{n}",
        forename="ZZTEST",
        surname="PATIENT",
        nhs_number=None,
        telephone=None,
    )
    return Extract({"health/attendances_{day}.csv": Text(frame)}, keyed(rows, "local_patient_id"))
