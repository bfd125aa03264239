"""What schools send: the termly census as extracted, dates like 2020-Apr-25 00:00:00, leavers with a leaving date."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import Habits, View, card, copied
from synthetic.extracts.files import Extract, Text, keyed, tested
from synthetic.extracts.noise import serial, spoilt

HABITS = Habits(
    typo=0.05,
    nickname=0.077,
    former=0.4,
    wrong_birth=0.045,
    stale=0.37,
    period=100,
    missing={
        "upn": 0.05,
        "middle_names": 0.35,
        "former": 0.3,
        "uprn": 0.3,
        "postcode": 0.04,
        "address": 0.03,
        "birth_date": 0.045,
    },
)
STAMP = "%Y-%b-%d 00:00:00"


def _roll(view: View) -> pl.DataFrame:
    """A row for each pupil at each school, some pupils at two at once, with a table id of its own."""
    spells = view.kept(view.of("school_roll"), years=2).with_columns(captured=pl.col("start").dt.date())
    spells = copied(view, "school-census", spells, HABITS)
    now = pl.col("end").is_null() | (pl.col("copy") == 0)
    spells = spells.filter(now)  # a second school keeps only those who are there now
    ids = spells.with_columns(row=pl.col("happening") * 2 + pl.col("copy"))
    cards = card(view, "school-census", ids.select("person", "copy", "row", "captured"), HABITS)
    roll = ids.hstack(cards.drop("person", "copy", "row", "captured"))
    return roll.with_columns(pupilonrolltableid="PR" + serial(roll["row"], view.seed, "school-census", 9))


def school_census(view: View) -> Extract:
    """Pupils on roll with their addresses, sessions missed, exclusions, free meals and special needs."""
    roll = _roll(view)
    dice = view.dice("school-census", roll["row"])
    needs = view.of("sen_support")
    supported = needs.filter(pl.col("end").is_null()).unique("person", keep="last", maintain_order=True)
    roll = roll.join(supported.select("person", provision="code"), on="person", how="left", maintain_order="left")
    second = pl.col("copy") == 1
    years = (
        pl.col("value")
        + (pl.coalesce("end", pl.lit(view.day).cast(pl.Datetime("us"))) - pl.col("start")).dt.total_days() / 365.25
    )
    year = years.floor().cast(pl.Int64).clip(0, 13)
    other = pl.lit("4") + (pl.col("code").str.slice(1).cast(pl.Int64, strict=False).fill_null(1) + 1).cast(
        pl.String
    ).str.zfill(3)
    frame = roll.select(
        "row",
        "pupilonrolltableid",
        NativeId=pl.when(second).then(other).otherwise("code"),
        dob=pl.col("birth_date").dt.strftime(STAMP),
        surname="surname",
        forename="forename",
        middlenames="middle_names",
        preferredsurname=pl.when(dice.chance("preferred", 0.04)).then("former"),
        formersurname="former",
        upn="upn",
        formerupn=pl.lit(None, dtype=pl.String),
        uniquelearnernumber=pl.when(year >= 9).then("9" + serial(roll["person"], view.seed, "uln", 9)),
        sex=pl.col("sex"),
        ethnicity="ethnicity",
        language=pl.when(dice.chance("language", 0.85)).then(pl.lit("ENG")).otherwise(pl.lit("OTB")),
        entrydate=pl.col("start").dt.strftime(STAMP),
        leavingdate=pl.col("end").dt.strftime(STAMP),
        enrolstatus=pl.when(second).then(pl.lit("S")).otherwise(pl.lit("C")),
        senprovision=pl.col("provision").fill_null("N"),
        ncyearactual=pl.when(year == 0).then(pl.lit("R")).otherwise(year.cast(pl.String)),
    ).sort("pupilonrolltableid")
    frame = spoilt(
        frame,
        view.dice("school-census", frame["row"]),
        HABITS.broken,
        dob="2012-Feb-30 00:00:00",
        sex="B",
        NativeId=None,
        enrolstatus="?",
    ).drop("row")
    frame = tested(frame, 2, pupilonrolltableid="PR00000000{n}", forename="Test", surname="Pupil", upn=None)
    main = roll.filter(pl.col("copy") == 0)
    terms = _attached(view.of("attendance"), main)
    possible = (pl.col("group") % 10).replace_strict({1: 140, 2: 116, 3: 124}, default=124)
    sessions = (
        terms.with_columns(
            sessions=(pl.col("value") * possible).round().cast(pl.Int64),
            possible=possible,
        )
        .sort("pupilonrolltableid", "start", "code")
        .select(
            "pupilonrolltableid",
            termstart=pl.col("start").dt.strftime(STAMP),
            termend=pl.col("end").dt.strftime(STAMP),
            termlysessionspossible="possible",
            sessions="sessions",
            attendancereason="code",
            sharemissed=pl.col("value").round(4),
        )
        .unique(["pupilonrolltableid", "termstart", "attendancereason"], keep="first", maintain_order=True)
    )
    exclusions = _attached(view.of("exclusion"), main)
    exclusions = exclusions.select(
        "happening",
        exclusionid="X" + serial(exclusions["happening"], view.seed, "exclusion", 9),
        pupilonrolltableid="pupilonrolltableid",
        startdate=pl.col("start").dt.strftime(STAMP),
        sessions=pl.col("value").cast(pl.Int64),
        category=pl.when(pl.col("value") >= 90).then(pl.lit("PERM")).otherwise(pl.lit("SUSP")),
        reason1="code",
    ).sort("exclusionid")
    exclusions = exclusions.with_columns(sessions=pl.col("sessions").cast(pl.String))
    exclusions = spoilt(
        exclusions,
        view.dice("exclusion", exclusions["happening"]),
        HABITS.broken,
        startdate="2024-Foo-01 00:00:00",
        category="QQQQ",
    ).drop("happening")
    meals = (
        _attached(view.of("free_school_meals"), main)
        .select(
            "pupilonrolltableid",
            fsmstartdate=pl.col("start").dt.strftime(STAMP),
            fsmenddate=pl.col("end").dt.strftime(STAMP),
        )
        .unique()
        .sort("pupilonrolltableid", "fsmstartdate", "fsmenddate")
    )
    special = _attached(needs, main)
    kinds = pl.Series(["SPLD", "MLD", "SEMH", "SLCN", "ASD", "HI"]).gather(
        view.dice("sentype", special["happening"]).pick("sentype", 6)
    )
    special = (
        special.with_columns(sentype=kinds)
        .select(
            "pupilonrolltableid",
            senprovision="code",
            sentype="sentype",
            senstartdate=pl.col("start").dt.strftime(STAMP),
            senenddate=pl.col("end").dt.strftime(STAMP),
        )
        .unique()
        .sort("pupilonrolltableid", "senstartdate", "senprovision", "sentype")
    )
    files = {
        "pupilonroll": frame,
        "addresses": _addresses(view, roll),
        "sessions": sessions,
        "exclusions": exclusions,
        "fsmperiod": meals,
        "senneeds": special,
    }
    return Extract(
        {f"schools/sc_{k}_{{day}}.csv": Text(v) for k, v in files.items()}, keyed(roll, "pupilonrolltableid")
    )


def _attached(events: pl.DataFrame, roll: pl.DataFrame) -> pl.DataFrame:
    """Events with the table id of the school at which the pupil then was; those of none go with their first school."""
    spells = roll.select("person", "pupilonrolltableid", entered="start").sort("entered")
    on = events.sort("start").join_asof(
        spells, left_on="start", right_on="entered", by="person", strategy="backward", check_sortedness=False
    )
    first = spells.unique("person", keep="first", maintain_order=True).select("person", first="pupilonrolltableid")
    on = on.join(first, on="person", how="inner", maintain_order="left")
    return on.with_columns(pupilonrolltableid=pl.coalesce("pupilonrolltableid", "first")).drop("first", "entered")


def _addresses(view: View, roll: pl.DataFrame) -> pl.DataFrame:
    """The address of each pupil, the latest last; some keep the one before it too."""
    dwellings = view.borough.dwellings.select(
        "dwelling", before_uprn="uprn", before_line="line", before_postcode="postcode"
    )
    before = roll.filter(
        view.dice("school-address", roll["row"]).chance("before", 0.25) & pl.col("previous").is_not_null()
    )
    before = before.filter(pl.col("previous") != pl.col("dwelling")).join(
        dwellings, left_on="previous", right_on="dwelling", how="inner"
    )
    former = before.select(
        "pupilonrolltableid",
        order=pl.lit(1),
        uniquepropertyreferencenumber="before_uprn",
        addressline="before_line",
        postcode="before_postcode",
    )
    latest = roll.filter(pl.col("line").is_not_null()).select(
        "pupilonrolltableid",
        order=pl.lit(2),
        uniquepropertyreferencenumber="uprn",
        addressline="line",
        postcode="postcode",
    )
    return pl.concat([former, latest]).sort("pupilonrolltableid", "order").rename({"order": "addressorderseqcolumn"})
