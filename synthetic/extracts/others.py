"""What three smaller senders have, each in a layout of its own: parking permits, fire safety visits, food vouchers.

What belongs here: extracts that no statutory return prescribes. They are drawn from who lives where alone, so that
they change nothing in the rest of the borough.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from synthetic.extracts.card import Habits, View, card, copied, number
from synthetic.extracts.files import Document, Extract, Fixed, Workbook, element, keyed
from synthetic.extracts.noise import serial, spoilt

PARKING = Habits(upper=True, typo=0.05, stale=0.0, cut=34, missing={"phone": 0.3, "postcode": 0.02})
FIRE = Habits(typo=0.06, stale=0.0, wrong_birth=0.05, missing={"birth_date": 0.1, "phone": 0.4, "uprn": 0.05})
FOOD = Habits(typo=0.07, stale=0.0, wrong_birth=0.06, missing={"birth_date": 0.2, "postcode": 0.05})
AT_TABLE = 6  # people on one voucher
ISO = "%Y-%m-%d"
SLASHED = "%d/%m/%Y"


def parking_permits(view: View) -> Extract:
    """Fixed width, no header: a permit a line, the holder as one string, dates as ddMMyyyy."""
    grown = view.people.filter(pl.col("birth_date") < pl.lit(view.borough.start) - timedelta(days=18 * 365))
    dice = view.dice("parking-permits", grown["person"])
    asked = grown.select("person", day=_days_back(view, dice.pick("from", 1_000))).filter(dice.chance("permit", 0.12))
    rows = copied(view, "parking-permits", _living(view, asked, "person").with_columns(captured="day"), PARKING)
    rows = rows.with_columns(row=number(rows))
    rows = rows.hstack(card(view, "parking-permits", rows.select(_ON), PARKING).drop(_ON))
    dice = view.dice("parking-permits", rows["row"])
    letters = pl.Series(list("ABCDEFGH"))
    frame = rows.select(
        "row",
        permit="P" + serial(rows["row"], view.seed, "parking-permits", 7),
        holder=pl.concat_str("surname", "forename", separator=" ", ignore_nulls=True),
        address="line",
        postcode="postcode",
        phone="phone",
        zone="Z" + letters.gather(dice.pick("zone", 8)),
        begins=pl.col("day").dt.strftime("%d%m%Y"),
        ends=(pl.col("day") + timedelta(days=364)).dt.strftime("%d%m%Y"),
    ).sort("permit")
    frame = spoilt(frame, view.dice("parking-permits", frame["row"]), PARKING.broken, begins="31022026", zone="ZQ")
    fixed = Fixed(
        frame.drop("row"),
        {"permit": 8, "holder": 36, "address": 40, "postcode": 8, "phone": 14, "zone": 2, "begins": 8, "ends": 8},
    )
    return Extract(
        {"parking/permits_{day}.dat": fixed},
        keyed(rows.with_columns(code="P" + serial(rows["row"], view.seed, "parking-permits", 7)), "code"),
    )


def fire_visits(view: View) -> Extract:
    """XML: a visit to a home, its property, and the people found living there."""
    rows = _at_homes(view, "fire-visits", 0.07, 1_400)
    rows = rows.hstack(card(view, "fire-visits", rows.select(_ON), FIRE).drop(_ON))
    dice = view.dice("fire-visits", rows["row"])
    rows = rows.with_columns(visit="HFSV" + serial(rows["dwelling"], view.seed, "fire-visits", 6))
    smokes = pl.when(dice.chance("smoker", 0.15)).then(pl.lit("true")).otherwise(pl.lit("false"))
    wrong = dice.chance("broken", FIRE.broken)
    born = pl.when(wrong).then(pl.lit("about 70")).otherwise(pl.col("birth_date").dt.strftime(ISO))
    people = rows.with_columns(
        xml=pl.concat_str(
            pl.concat_str(pl.lit('<Person no="'), pl.col("place").cast(pl.String), pl.lit('">')),
            element("Given", pl.col("forename")),
            element("Family", pl.col("surname")),
            element("Born", born),
            element("Telephone", pl.col("phone")),
            element("Smokes", smokes),
            pl.lit("</Person>"),
        )
    )
    visits = people.group_by("visit", "dwelling", "day", maintain_order=True).agg(
        pl.col("xml").str.join(""), pl.col("uprn", "line", "postcode").drop_nulls().first()
    )
    dice = view.dice("fire-visits", visits["dwelling"])
    risk = pl.Series(["Low", "Medium", "High", "Very high"]).gather((dice.unit("risk") ** 2 * 4).cast(pl.Int64))
    records = visits.sort("visit").select(
        pl.concat_str(
            pl.concat_str(pl.lit('<Visit ref="'), "visit", pl.lit('" risk="'), pl.Series("risk", risk), pl.lit('">')),
            element("Made", pl.col("day").dt.strftime(ISO)),
            pl.lit("<Property>"),
            element("UPRN", pl.col("uprn")),
            element("Line", pl.col("line")),
            element("Postcode", pl.col("postcode")),
            pl.lit("</Property><People>"),
            "xml",
            pl.lit("</People></Visit>"),
        )
    )
    head = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<HomeSafety xmlns="urn:fire:visits" drawn="{view.day}">\n<Visits>\n'
    )
    document = Document(head, records.to_series(), "\n</Visits></HomeSafety>\n")
    return Extract({"fire/visits_{day}.xml": document}, keyed(rows, "visit", "place"))


def food_vouchers(view: View) -> Extract:
    """A workbook with a voucher a row, and up to six people beside each other in it."""
    rows = _at_homes(view, "food-vouchers", 0.04, 700).filter(pl.col("place") <= AT_TABLE)
    rows = rows.hstack(card(view, "food-vouchers", rows.select(_ON), FOOD).drop(_ON))
    rows = rows.with_columns(voucher="FB-" + serial(rows["dwelling"], view.seed, "food-vouchers", 6))
    name = pl.concat_str("forename", "surname", separator=" ", ignore_nulls=True)
    wide = rows.group_by("voucher", "dwelling", "day", maintain_order=True).agg(
        pl.col("line", "postcode").drop_nulls().first(),
        *(name.filter(pl.col("place") == n).first().alias(f"Person {n} name") for n in range(1, AT_TABLE + 1)),
        *(
            pl.col("birth_date").dt.strftime(SLASHED).filter(pl.col("place") == n).first().alias(f"Person {n} born")
            for n in range(1, AT_TABLE + 1)
        ),
    )
    dice = view.dice("food-vouchers", wide["dwelling"])
    reasons = pl.Series(["Low income", "Benefit delay", "Debt", "Sudden illness", "Other"])
    people = [f"Person {n} {what}" for n in range(1, AT_TABLE + 1) for what in ("name", "born")]
    frame = wide.select(
        pl.col("voucher").alias("Voucher"),
        pl.col("day").dt.strftime(SLASHED).alias("Issued"),
        pl.Series("Reason", reasons.gather(dice.pick("reason", 5))),
        pl.col("line").alias("Address"),
        pl.col("postcode").alias("Postcode"),
        *people,
    ).sort("Voucher")
    book = Workbook({"Vouchers": frame}, "Harrowmere Food Bank: vouchers issued", view.day)
    return Extract({"foodbank/vouchers_{day}.xlsx": book}, keyed(rows, "voucher", "place"))


_ON = ["person", "copy", "captured", "row", "dwelling"]


def _days_back(view: View, days: pl.Series) -> pl.Expr:
    """A day so long before the last that the borough lives through."""
    return pl.lit(view.borough.until + timedelta(days=35)) - pl.duration(days=pl.lit(days))


def _living(view: View, asked: pl.DataFrame, by: str) -> pl.DataFrame:
    """Who lives where on the days asked about, as far as the day has come: person, dwelling and day."""
    there = (pl.col("from") <= pl.col("day")) & (pl.col("to").is_null() | (pl.col("to") > pl.col("day")))
    stays = view.borough.stays.select("person", "dwelling", "from", "to")
    past = asked.with_columns(pl.col("day").cast(pl.Date)).filter(pl.col("day") < view.day)
    known = view.people.select("person", "birth_date")
    return (
        past.join(stays, on=by)
        .filter(there)
        .join(known, on="person")
        .filter(pl.col("birth_date") < pl.col("day"))
        .select("person", "dwelling", "day")
        .sort("dwelling", "person")
    )


def _at_homes(view: View, feed: str, share: float, days: int) -> pl.DataFrame:
    """Everyone in a share of homes on a day of each home's own, numbered within it."""
    homes = view.borough.dwellings.filter(pl.col("kind") == "home").select("dwelling")
    dice = view.dice(feed, homes["dwelling"])
    asked = homes.select("dwelling", day=_days_back(view, dice.pick("day", days))).filter(dice.chance("visited", share))
    rows = _living(view, asked, "dwelling")
    return rows.with_columns(
        copy=pl.lit(0, pl.Int64),
        captured="day",
        row=pl.col("dwelling") * 64 + pl.int_range(pl.len()).over("dwelling"),
        place=pl.int_range(1, pl.len() + 1).over("dwelling"),
    )
