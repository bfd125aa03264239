"""What the housing service sends: the tenancy workbook, and a message for each change of a homelessness case."""

from __future__ import annotations

from datetime import datetime, time

import polars as pl

from synthetic.extracts.card import Habits, View, card, copied, housed, ranked
from synthetic.extracts.files import Extract, Lines, Workbook, keyed, tested
from synthetic.extracts.noise import serial, spoilt

TENANCY = Habits(
    typo=0.06,
    nickname=0.087,
    former=0.5,
    wrong_birth=0.055,
    stale=0.0,
    cut=18,
    period=100,
    missing={
        "birth_date": 0.12,
        "phone": 0.3,
        "email": 0.45,
        "ni_number": 0.4,
        "uprn": 0.08,
        "sex": 0.03,
        "postcode": 0.02,
    },
)
HOMELESS = Habits(
    typo=0.06,
    nickname=0.092,
    former=0.4,
    wrong_birth=0.05,
    stale=0.5,
    nhs=0.2,
    period=100,
    missing={
        "birth_date": 0.06,
        "phone": 0.15,
        "email": 0.4,
        "ni_number": 0.35,
        "known_as": 0.5,
        "address": 0.2,
        "sex": 0.02,
    },
)
SLASHED = "%d/%m/%Y"
ISO = "%Y-%m-%d"
STAMP = "%Y-%m-%dT%H:%M:%S"


def social_housing(view: View) -> Extract:
    """Sheets of tenancies, a row for each member, and of the months in which the rent was in arrears."""
    rows = view.of("tenancy").unique(["group", "person"], keep="first", maintain_order=True)
    rows = view.kept(rows.with_columns(place=ranked(rows, "tenant")), years=3)
    leads = housed(view, rows.filter(pl.col("code") == "tenant")).unique("group", keep="first", maintain_order=True)
    rows = rows.join(leads.select("group", "dwelling"), on="group", how="left", maintain_order="left")
    rows = copied(view, "social-housing", rows.with_columns(captured=pl.col("start").dt.date()), TENANCY)
    rows = rows.with_columns(row=pl.col("happening") * 2 + pl.col("copy"))
    on = ("person", "copy", "row", "captured", "dwelling")
    rows = rows.hstack(card(view, "social-housing", rows.select(on), TENANCY).drop(on)).with_columns(
        tenancycode="T" + serial(rows["group"], view.seed, "social-housing", 7),
        person_no=pl.col("place") + 20 * pl.col("copy"),
    )
    dice = view.dice("social-housing", rows["row"])
    grown = pl.col("code") != "occupant"
    title = pl.when(pl.col("sex") == "M").then(pl.lit("Mr")).when(pl.col("sex") == "F").then(pl.lit("Ms"))
    frame = rows.select(
        "row",
        tenancycode="tenancycode",
        person_no="person_no",
        relat=pl.col("code").replace_strict(
            {"tenant": "Tenant", "joint": "Joint tenant", "occupant": "Occupant"}, default="Occupant"
        ),
        title=pl.when(grown & dice.chance("title", 0.8)).then(title),
        forename="forename",
        surname="surname",
        dob=pl.col("birth_date").dt.strftime(SLASHED),
        sex=pl.col("sex").fill_null("R"),
        nino=pl.when(grown).then("ni_number"),
        telephone=pl.when(grown).then("phone"),
        email=pl.when(grown).then("email"),
        uprn="uprn",
        address="line",
        postcode="postcode",
        started=pl.col("start").dt.strftime(SLASHED),
        ended=pl.col("end").dt.strftime(SLASHED),
        rent=pl.col("value").round(2),
    ).sort("tenancycode", "person_no")
    frame = spoilt(
        frame, view.dice("social-housing", frame["row"]), TENANCY.broken, dob="31/04/1990", sex="Q", started=None
    ).drop("row")
    frame = tested(
        frame,
        2,
        tenancycode="T000000{n}",
        person_no=1,
        forename="Test",
        surname="Tenant",
        nino=None,
        telephone=None,
        email=None,
    )
    tenancies = frame.rename(
        {
            "tenancycode": "Tenancy code",
            "person_no": "Person no",
            "relat": "Relationship",
            "title": "Title",
            "forename": "Forename",
            "surname": "Surname",
            "dob": "Date of birth",
            "sex": "Sex",
            "nino": "NI number",
            "telephone": "Telephone",
            "email": "Email",
            "uprn": "UPRN",
            "address": "Address line 1",
            "postcode": "Postcode",
            "started": "Start date",
            "ended": "End date",
            "rent": "Weekly rent",
        }
    )
    members = rows.filter(pl.col("copy") == 0).select("person", "group", "tenancycode", "person_no")
    owed = view.of("rent_arrears").join(members, on=["person", "group"], how="inner", maintain_order="left")
    arrears = (
        owed.sort("tenancycode", "person_no", "start")
        .select(
            pl.col("tenancycode").alias("Tenancy code"),
            pl.col("person_no").alias("Person no"),
            pl.col("start").dt.strftime(SLASHED).alias("Balance date"),
            pl.col("value").round(2).alias("Balance"),
        )
        .unique(["Tenancy code", "Person no", "Balance date"], keep="first", maintain_order=True)
    )
    book = Workbook(
        {"Tenancies": tenancies, "Arrears": arrears}, f"Harrowmere homes, drawn {view.day:%d/%m/%Y}", view.day
    )
    return Extract({"housing/tenancies_{day}.xlsx": book}, keyed(rows, "tenancycode", "person_no"))


def homelessness(view: View) -> Extract:
    """A message for each change of a case since it was opened: its people and duties as they then were, or a purge."""
    rows = view.of("homelessness_duty")
    rows = rows.with_columns(place=ranked(rows.with_columns(code=pl.col("other").is_null().cast(pl.String)), "true"))
    people = rows.sort("recorded_at", "happening").unique(["group", "person"], keep="first", maintain_order=True)
    people = people.with_columns(captured=pl.col("start").dt.date(), case_from="recorded_at")
    people = copied(view, "homelessness", people.sort("happening"), HOMELESS)
    people = people.with_columns(row=pl.col("happening") * 2 + pl.col("copy"))
    on = ("person", "copy", "row", "captured")
    people = people.hstack(card(view, "homelessness", people.select(on), HOMELESS).drop(on)).with_columns(
        person_no=pl.col("place") + 20 * pl.col("copy"),
        case_ref="HL" + serial(people["group"], view.seed, "homelessness", 7),
    )
    lead = pl.col("place") == 1
    person = people.select(
        "group",
        "case_ref",
        "case_from",
        person=pl.struct(
            person_no="person_no",
            forename="forename",
            surname="surname",
            known_as="known_as",
            dob=pl.col("birth_date").dt.strftime(ISO),
            sex=pl.col("sex").replace_strict({"M": "Male", "F": "Female"}, default="Not known"),
            ni_number="ni_number",
            nhs_number="nhs_number",
            mobile=pl.when(lead).then("phone"),
            email=pl.when(lead).then("email"),
            last_settled_address="line",
            last_settled_postcode="postcode",
        ),
    ).sort("group", pl.col("person").struct.field("person_no"))
    changes = _changes(view, rows)
    who = changes.join(person, on="group", how="inner").filter(pl.col("case_from") <= pl.col("at"))
    cases = (
        who.sort("group", "at", pl.col("person").struct.field("person_no"))
        .group_by("group", "at", maintain_order=True)
        .agg(case_ref=pl.col("case_ref").first(), people="person")
    )
    places = people.filter(pl.col("copy") == 0).select("group", "person", "person_no")
    stages = rows.join(places, on=["group", "person"], how="inner")
    held = changes.join(
        stages.select("group", "person_no", "code", "start", "end", "recorded_at"), on="group", how="inner"
    )
    held = held.filter(pl.col("recorded_at") <= pl.col("at")).select(
        "group",
        "at",
        "person_no",
        "start",
        duty=pl.struct(
            person_no="person_no",
            stage="code",
            started=pl.col("start").dt.strftime(ISO),
            ended=pl.when(pl.col("end") <= pl.col("at")).then("end").dt.strftime(ISO),
            recorded=pl.col("recorded_at").dt.strftime(STAMP),
        ),
    )
    held = held.unique(["group", "at", "duty"], keep="first", maintain_order=True)
    held = held.sort("group", "at", "start", "person_no")
    duties = held.group_by("group", "at", maintain_order=True).agg(duties="duty")
    messages = cases.join(duties, on=["group", "at"], how="inner", maintain_order="left").sort("at", "case_ref")
    frame = messages.select(
        "case_ref",
        updated_at=pl.col("at").dt.strftime(STAMP),
        purge=pl.lit(False),
        household_composition=pl.when(pl.col("people").list.len() == 1)
        .then(pl.lit("single person"))
        .otherwise(pl.lit("household of several")),
        people="people",
        duties="duties",
    )
    return Extract(
        {"housing/homelessness_{day}.jsonl": Lines(_purged(view, frame))}, keyed(people, "case_ref", "person_no")
    )


def _changes(view: View, rows: pl.DataFrame) -> pl.DataFrame:
    """group and at: when a case was recorded, changed, ended, or had its people's details put right."""
    midnight = datetime.combine(view.day, time())
    told = pl.concat(
        [rows.select("group", at="recorded_at"), rows.select("group", at=pl.max_horizontal("end", "recorded_at"))]
    )
    groups = rows.select("group").unique().sort("group")
    cycle = HOMELESS.period
    phase = view.dice("homelessness", groups["group"]).pick("phase", cycle)
    back = (phase + view.ordinal) % cycle
    put_right = groups.with_columns(
        at=pl.lit(midnight).cast(pl.Datetime("us")) - pl.duration(days=pl.lit(back) + 1) + pl.duration(hours=9)
    )
    first = told.group_by("group").agg(first=pl.col("at").min())
    put_right = put_right.join(first, on="group").filter(pl.col("at") > pl.col("first")).drop("first")
    return pl.concat([told, put_right]).drop_nulls().filter(pl.col("at") < midnight).unique().sort("group", "at")


def _purged(view: View, frame: pl.DataFrame) -> pl.DataFrame:
    """The messages, and for one case in two hundred the word that it was withdrawn a month after its last change."""
    last = frame.group_by("case_ref", maintain_order=True).agg(at=pl.col("updated_at").max()).sort("case_ref")
    dice = view.dice("homelessness-purge", last["case_ref"].str.strip_prefix("HL").cast(pl.Int64))
    gone = last.filter(dice.chance("purge", 0.008)).select(
        "case_ref", updated_at=(pl.col("at").str.to_datetime(STAMP) + pl.duration(days=30)), purge=pl.lit(True)
    )
    gone = gone.filter(pl.col("updated_at") < datetime.combine(view.day, time()))
    gone = gone.with_columns(pl.col("updated_at").dt.strftime(STAMP))
    return pl.concat([frame, gone], how="diagonal").sort("updated_at", "case_ref", maintain_order=True)
