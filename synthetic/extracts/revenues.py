"""What the revenues service sends: council tax, one name string and no birth date, and housing benefit claims."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import Habits, View, card, copied, housed, ranked
from synthetic.extracts.files import Extract, Text, keyed, tested
from synthetic.extracts.noise import Dice, serial, spoilt

TAX = Habits(
    upper=True,
    typo=0.055,
    nickname=0.077,
    former=0.5,
    reversed=0.008,
    stale=0.0,
    cut=25,
    period=100,
    missing={"phone": 0.45, "email": 0.45, "uprn": 0.03, "middle_names": 0.6, "postcode": 0.02, "sex": 0.05},
)
BENEFIT = Habits(
    upper=True,
    typo=0.055,
    nickname=0.077,
    former=0.5,
    wrong_birth=0.05,
    stale=0.0,
    period=100,
    missing={"phone": 0.4, "ni_number": 0.15, "uprn": 0.1, "middle_names": 0.6, "birth_date": 0.08, "sex": 0.03},
)
ON_DWELLING = ("person", "copy", "row", "captured", "dwelling")
PACKED = "%Y%m%d"
ISO = "%Y-%m-%d"


def _one_name(frame: pl.DataFrame, dice: Dice) -> pl.Series:
    """One string a person: MR J SMITH, JANE SMITH, SMITH, JANE, MRS JANE A SMITH."""
    title = (
        pl.when(pl.col("sex") == "M")
        .then(pl.lit("MR"))
        .when(pl.col("sex") == "F")
        .then(
            pl.when(dice.unit("title") < 0.4)
            .then(pl.lit("MRS"))
            .when(dice.unit("title") < 0.7)
            .then(pl.lit("MISS"))
            .otherwise(pl.lit("MS"))
        )
    )
    initial = pl.col("forename").str.slice(0, 1)
    middle = pl.col("middle_names").str.slice(0, 1)
    form = dice.unit("form")
    parts = (
        pl.when(form < 0.38)
        .then(pl.concat_str(title, "forename", "surname", separator=" ", ignore_nulls=True))
        .when(form < 0.52)
        .then(pl.concat_str(title, initial, "surname", separator=" ", ignore_nulls=True))
        .when(form < 0.78)
        .then(pl.concat_str("forename", "surname", separator=" ", ignore_nulls=True))
        .when(form < 0.9)
        .then(pl.concat_str(title, "forename", middle, "surname", separator=" ", ignore_nulls=True))
        .otherwise(pl.concat_str("surname", pl.lit(", "), "forename"))
    )
    return frame.select(pl.when(parts == "").then(None).otherwise(parts)).to_series()


def council_tax(view: View) -> Extract:
    """A row for each person liable at a dwelling, and the months in which an account was in arrears."""
    rows = housed(view, view.kept(view.of("council_tax_liability"), years=1)).with_columns(
        captured=pl.col("start").dt.date()
    )
    rows = rows.sort("happening").unique(["group", "person"], keep="first", maintain_order=True)
    rows = copied(view, "council-tax", rows, TAX).with_columns(row=pl.col("happening") * 2 + pl.col("copy"))
    cards = card(view, "council-tax", rows.select(ON_DWELLING), TAX).drop(ON_DWELLING)
    rows = rows.hstack(cards).with_columns(
        account_ref="5" + serial(rows["group"], view.seed, "council-tax", 8),
        liab_pos=pl.col("value").fill_null(1).cast(pl.Int64) + 5 * pl.col("copy"),
    )
    dice = view.dice("council-tax", rows["row"]).aged(view.ordinal, TAX.period)
    name = _one_name(rows, dice)
    dead = rows["death_date"].is_not_null() & dice.chance("executors", 0.6)
    executors = (
        pl.lit("EXECUTORS OF ")
        + pl.when(rows["sex"] == "M").then(pl.lit("MR ")).otherwise(pl.lit("MRS "))
        + pl.concat_str(pl.col("forename").str.slice(0, 1), "surname", separator=" ", ignore_nulls=True)
    )
    discounts = (
        view.of("single_person_discount")
        .sort("start", "happening")
        .unique(["person", "group"], keep="last", maintain_order=True)
    )
    discounts = discounts.select("person", "group", spd_from="start", spd_to="end")
    rows = rows.with_columns(liab_name=pl.when(dead).then(executors).otherwise(name)).join(
        discounts, on=["person", "group"], how="left", maintain_order="left"
    )
    rows = rows.unique(["account_ref", "liab_pos"], keep="first", maintain_order=True)
    student = view.dice("students", rows["row"]).chance("student", 0.01)
    spd = pl.col("spd_from").is_not_null() & (pl.col("copy") == 0)
    frame = rows.select(
        "row",
        "account_ref",
        pl.col("liab_pos").cast(pl.String),
        "liab_name",
        liab_code="code",
        uprn="uprn",
        addr1="line",
        addr2=pl.lit(None, dtype=pl.String),
        postcode="postcode",
        telephone="phone",
        email=pl.col("email").str.to_lowercase(),
        occupation_date=pl.col("start").dt.strftime(PACKED),
        vacation_date=pl.col("end").dt.strftime(PACKED),
        discount=pl.when(spd).then(pl.lit("SPD")).when(student).then(pl.lit("STU")),
        discount_from=pl.when(spd)
        .then(pl.col("spd_from").dt.strftime(PACKED))
        .when(student)
        .then(pl.col("start").dt.strftime(PACKED)),
        discount_to=pl.when(spd).then(pl.col("spd_to").dt.strftime(PACKED)),
    ).sort("account_ref", "liab_pos")
    frame = spoilt(
        frame,
        view.dice("council-tax", frame["row"]),
        TAX.broken,
        occupation_date="20241345",
        liab_code="99",
        vacation_date="19000101",
    )
    frame = _landlords(frame, view).drop("row")
    frame = tested(frame, 2, account_ref="50000000{n}", liab_name="MR TEST ACCOUNT", telephone=None, email=None)
    positions = rows.filter(pl.col("copy") == 0).select("person", "group", "account_ref", "liab_pos")
    owed = view.of("council_tax_arrears").join(positions, on=["person", "group"], how="inner", maintain_order="left")
    arrears = (
        owed.select(
            "account_ref",
            "liab_pos",
            balance_date=pl.col("start").dt.strftime(PACKED),
            balance=pl.col("value").round(2),
        )
        .unique(["account_ref", "liab_pos", "balance_date"], keep="first", maintain_order=True)
        .sort("account_ref", "liab_pos", "balance_date")
    )
    return Extract(
        {"revenues/ctax_{day}.txt": Text(frame, "|"), "revenues/ctaxarrears_{day}.txt": Text(arrears, "|")},
        keyed(rows, "account_ref", "liab_pos"),
    )


def _landlords(frame: pl.DataFrame, view: View) -> pl.DataFrame:
    """One account in a hundred and fifty more, in the name of a landlord company or of nobody."""
    firms = pl.Series(
        ["HARROWMERE LETTINGS LTD", "BECKSIDE HOMES LIMITED", "THE OCCUPIER", "HARROWMERE HOUSING ASSOCIATION"]
    )
    some = frame.filter(view.dice("landlords", frame["row"]).chance("let", 1 / 150))
    dice = view.dice("landlords", some["row"])
    return pl.concat(
        [
            frame,
            some.with_columns(
                account_ref="9" + pl.col("account_ref"),
                liab_name=firms.gather(dice.pick("firm", 4)),
                telephone=None,
                email=None,
                discount=None,
                discount_from=None,
                discount_to=None,
            ),
        ]
    )


def housing_benefit(view: View) -> Extract:
    """A row for each member of a claimant's household; a birth date nobody knew is 1 January 1900."""
    claims = view.of("housing_benefit_claim").unique(["group", "person"], keep="first", maintain_order=True)
    claims = view.kept(claims.with_columns(member_id=ranked(claims, "claimant")), years=2)
    leads = housed(view, claims.filter(pl.col("code") == "claimant")).unique("group", keep="first", maintain_order=True)
    claims = claims.join(leads.select("group", "dwelling"), on="group", how="left", maintain_order="left")
    rows = copied(view, "housing-benefit", claims.with_columns(captured=pl.col("start").dt.date()), BENEFIT)
    rows = rows.with_columns(row=pl.col("happening") * 2 + pl.col("copy"))
    cards = card(view, "housing-benefit", rows.select(ON_DWELLING), BENEFIT).drop(ON_DWELLING)
    rows = rows.hstack(cards).with_columns(
        claim_id="HB" + serial(rows["group"], view.seed, "housing-benefit", 8),
        house_id=pl.col("copy") + 1,
    )
    dice = view.dice("housing-benefit", rows["row"]).aged(view.ordinal, BENEFIT.period)
    grown = pl.col("code") != "dependant"
    frame = (
        rows.with_columns(name=_one_name(rows, dice))
        .select(
            "row",
            "claim_id",
            pl.col("house_id").cast(pl.String),
            pl.col("member_id").cast(pl.String),
            type_ind=pl.col("code").replace_strict({"claimant": "C", "partner": "P", "dependant": "D"}, default="D"),
            name="name",
            birth_date=pl.col("birth_date").dt.strftime(ISO).fill_null("1900-01-01"),
            gender=pl.col("sex").replace_strict({"M": "1", "F": "2"}, default=None),
            nino=pl.when(grown).then("ni_number"),
            telephone=pl.when(grown).then("phone"),
            uprn="uprn",
            addr1="line",
            addr2=pl.lit(None, dtype=pl.String),
            post_code="postcode",
            from_date=pl.col("start").dt.strftime(ISO),
            to_date=pl.col("end").dt.strftime(ISO),
            model_amt=pl.col("value").round(2).cast(pl.String),
        )
        .sort("claim_id", "house_id", "member_id")
    )
    frame = spoilt(
        frame,
        view.dice("housing-benefit", frame["row"]),
        BENEFIT.broken,
        birth_date="1987-02-31",
        gender="3",
        from_date="31-12-2024",
        member_id=None,
    ).drop("row")
    frame = tested(frame, 2, claim_id="HB0000000{n}", name="MR TEST CLAIMANT", nino=None, telephone=None)
    return Extract({"revenues/hb_claims_{day}.csv": Text(frame)}, keyed(rows, "claim_id", "house_id", "member_id"))
