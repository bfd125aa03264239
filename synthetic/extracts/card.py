"""What a source has on its card of a person: the person as they were when it was written, with that source's mistakes.

What belongs here: the view of the borough on a day, and how often each kind of mistake happens. How one value goes
wrong stands in `synthetic.extracts.noise`; what each partner sends, in its own module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property

import polars as pl

from synthetic.extracts import noise
from synthetic.extracts.noise import Dice
from synthetic.frames import Borough
from synthetic.places import TOWN

FAMILY_FIRST = ["chinese", "west_african", "somali", "pakistani", "bangladeshi", "sikh", "hindu"]


@dataclass(frozen=True)
class Habits:
    """How a source writes, as shares of its rows.

    Attributes:
        upper: whether it writes in capitals.
        typo: typing errors a name.
        nickname: rows under a nickname, as far as people have one.
        former: records opened before a change of name that keep the old one.
        reversed: rows with forename and surname the wrong way round (five times as often for names that put the
            family first).
        wrong_birth: wrong birth dates.
        stale: records of people who have moved that hold an old address.
        nhs: rows that carry an NHS number, of those that may.
        wrong_nhs: NHS numbers that are somebody else's or nobody's.
        duplicates: people who stand there twice.
        cut: letters that a name may have.
        missing: share missing, by attribute.
        period: days after which a record is written anew, each on a day of its own.
        broken: rows that break a rule of the contract.
    """

    upper: bool = False
    typo: float = 0.055
    nickname: float = 0.08
    former: float = 0.5
    reversed: float = 0.012
    wrong_birth: float = 0.048
    stale: float = 0.38
    nhs: float = 0.0
    wrong_nhs: float = 0.003
    duplicates: float = 0.05
    cut: int = 0
    missing: Mapping[str, float] = field(default_factory=dict)
    period: int = 100
    broken: float = 0.003


@dataclass(frozen=True)
class View:
    """The borough as services know it when a day begins."""

    borough: Borough
    day: date
    seed: int

    @property
    def ordinal(self) -> int:
        """The day as days since 1970-01-01."""
        return (self.day - date(1970, 1, 1)).days

    @cached_property
    def people(self) -> pl.DataFrame:
        """Everyone born by the day; deaths after it are not known."""
        known = pl.when(pl.col("death_date") < self.day).then("death_date")
        return self.borough.people.filter(pl.col("birth_date") < self.day).with_columns(death_date=known)

    @cached_property
    def seen(self) -> pl.DataFrame:
        """Happenings recorded before the day; an end that has not come is null."""
        midnight = datetime.combine(self.day, time())
        return self.borough.happenings.filter(
            (pl.col("recorded_at") < midnight) & pl.col("person").is_in(self.people["person"].implode())
        ).with_columns(end=pl.when(pl.col("end") < midnight).then("end"))

    def of(self, *types: str) -> pl.DataFrame:
        """Happenings of these types, in the order of their ids."""
        return self.seen.filter(pl.col("type").is_in(types)).sort("happening")

    def kept(self, events: pl.DataFrame, years: int) -> pl.DataFrame:
        """Events that are open or ended within the last years: what a source has not archived."""
        return events.filter(pl.col("end").is_null() | (pl.col("end") >= self.day - timedelta(days=365 * years)))

    @cached_property
    def homes(self) -> pl.DataFrame:
        """person, dwelling, household, since, left and the dwelling before: where each was last known to live."""
        stays = self.borough.stays.filter(pl.col("from") < self.day).sort("person", "from")
        return (
            stays.with_columns(previous=pl.col("dwelling").shift(1).over("person"))
            .group_by("person", maintain_order=True)
            .last()
            .with_columns(left=pl.when(pl.col("to") < self.day).then("to"))
            .select("person", "dwelling", "household", pl.col("from").alias("since"), "left", "previous")
        )

    def dice(self, feed: str, keys: pl.Series) -> Dice:
        """Dice for integer keys within a feed; the same on every day."""
        return Dice.of(keys, self.seed, feed)

    def names(self, people: pl.Series, on: pl.Series) -> pl.DataFrame:
        """forename, surname and the surname before (former), as each person was called on a day."""
        asked = pl.DataFrame({"row": range(len(people)), "person": people, "on": on.cast(pl.Date)}).sort("on")
        changes = self.borough.name_changes.sort("on")
        later = changes.select("person", "was_forename", "was_surname", changed="on")
        earlier = changes.select("person", "on", former="was_surname")
        called = asked.join_asof(
            later,
            left_on="on",
            right_on="changed",
            by="person",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        ).join_asof(earlier, on="on", by="person", strategy="backward", check_sortedness=False)
        latest = self.borough.people.select("person", "forename", "surname")
        return (
            called.join(latest, on="person", how="left")
            .sort("row")
            .select(
                forename=pl.coalesce("was_forename", "forename"),
                surname=pl.coalesce("was_surname", "surname"),
                former="former",
            )
            .with_columns(former=pl.when(pl.col("former") != pl.col("surname")).then("former"))
        )


def number(ids: pl.DataFrame) -> pl.Series:
    """One integer for a person and copy."""
    return ids.select(pl.col("person") * 2 + pl.col("copy").cast(pl.Int64)).to_series()


def copied(view: View, feed: str, people: pl.DataFrame, habits: Habits) -> pl.DataFrame:
    """Rows of people, with those who stand in the feed twice given again; adds `copy` (0 or 1)."""
    twice = view.dice(feed, people["person"]).chance("twice", habits.duplicates)
    return pl.concat(
        [
            people.with_columns(copy=pl.lit(0, dtype=pl.Int64)),
            people.filter(twice).with_columns(copy=pl.lit(1, dtype=pl.Int64)),
        ]
    )


def dealt(view: View, feed: str, events: pl.DataFrame, habits: Habits, by: str = "happening") -> pl.DataFrame:
    """Events dealt between the records of people who stand in the feed twice; their first event stands under both.

    Adds `copy` (0 or 1) and `row`, an integer of its own for each row.
    """
    twice = view.dice(feed, events["person"]).chance("twice", habits.duplicates)
    side = view.dice(feed, events[by].fill_null(0)).pick("side", 2)
    events = events.with_columns(copy=pl.select(pl.when(twice).then(side).otherwise(0)).to_series().cast(pl.Int64))
    again = events.filter(twice).group_by("person", maintain_order=True).first()
    events = pl.concat([events, again.select(events.columns).with_columns(copy=1 - pl.col("copy"))])
    return events.with_columns(row=pl.col("happening") * 2 + pl.col("copy"))


def card(view: View, feed: str, ids: pl.DataFrame, habits: Habits) -> pl.DataFrame:
    """What the feed has on each of these people.

    Args:
        ids: person, copy, captured (the day on which the record was opened); where people may stand in the feed more
            than twice, row (an integer of its own for each record); where the record is about a dwelling, dwelling.

    Returns:
        ids with `forename, middle_names, surname, former, known_as, birth_date, death_date, sex, ethnicity,
        nhs_number, upn, ni_number, la_child_id, email, phone, uprn, line, postcode, since` beside them, one row an
        id, in the order of ids.
    """
    people = view.people.select(
        "person",
        "middle_names",
        "known_as",
        "origin",
        "birth_date",
        "death_date",
        "sex",
        "ethnicity",
        "nhs_number",
        "upn",
        "ni_number",
        "la_child_id",
        "email",
        "phone",
        "landline",
    )
    lasting = view.dice(feed, ids["row"] if "row" in ids.columns else number(ids))
    dice = lasting.aged(view.ordinal, habits.period)
    today = pl.repeat(view.day, len(ids), eager=True)
    old = lasting.chance("former", habits.former)
    frame = ids.join(people, on="person", how="left", maintain_order="left").hstack(
        view.names(ids["person"], noise.sometimes(today, ids["captured"], old))
    )
    frame = _named(frame, dice, habits)
    frame = frame.with_columns(
        noise.missing(
            noise.misdated(frame["birth_date"], dice, habits.wrong_birth, view.ordinal),
            dice,
            "birth_date",
            habits.missing.get("birth_date", 0),
        ),
        pl.when(dice.unit("sexwrong") < 0.004)
        .then(pl.col("sex").replace({"M": "F", "F": "M"}))
        .otherwise("sex")
        .alias("sex"),
        pl.when(dice.chance("ethnicitynot", 0.06)).then(pl.lit("NOBT")).otherwise("ethnicity").alias("ethnicity"),
        pl.when(dice.chance("nhs", habits.nhs))
        .then(noise.misnumbered(frame["nhs_number"], dice, habits.wrong_nhs))
        .alias("nhs_number"),
        pl.when((dice.unit("landline") < 0.35) | pl.col("phone").is_null())
        .then("landline")
        .otherwise("phone")
        .alias("phone"),
    )
    frame = _housed(view, frame, dice, habits)
    absent = ("middle_names", "sex", "ethnicity", "upn", "ni_number", "email", "phone", "former", "known_as")
    return frame.with_columns(
        noise.missing(frame[name], dice, name, habits.missing.get(name, 0.0)).alias(name) for name in absent
    )


def _named(frame: pl.DataFrame, dice: Dice, habits: Habits) -> pl.DataFrame:
    known = max(1 - frame["known_as"].null_count() / max(len(frame), 1), 0.05)
    short = dice.chance("nickname", min(0.9, habits.nickname / known)) & frame["known_as"].is_not_null()
    forename = noise.misspelt(
        noise.sometimes(frame["forename"], frame["known_as"], short), dice, "forename", habits.typo
    )
    surname = noise.misspelt(frame["surname"], dice, "surname", habits.typo)
    family_first = frame["origin"].is_in(FAMILY_FIRST).fill_null(False)
    share = pl.select(pl.when(family_first).then(5.0).otherwise(1.0) * habits.reversed).to_series()
    swapped = dice.unit("reversed") < share
    first = noise.missing(
        noise.sometimes(forename, surname, swapped), dice, "forename", habits.missing.get("forename", 0)
    )
    last = noise.missing(noise.sometimes(surname, forename, swapped), dice, "surname", habits.missing.get("surname", 0))
    frame = frame.with_columns(first.alias("forename"), last.alias("surname"))
    names = ("forename", "surname", "middle_names", "former", "known_as")
    if habits.cut:
        frame = frame.with_columns(pl.col(name).str.slice(0, habits.cut) for name in names)
    if habits.upper:
        frame = frame.with_columns(pl.col(name).str.to_uppercase() for name in names)
    return frame


def _housed(view: View, frame: pl.DataFrame, dice: Dice, habits: Habits) -> pl.DataFrame:
    """Addresses: the last known one, for some movers the one before, for some of those with none a placeholder."""
    dwellings = view.borough.dwellings.select("dwelling", "uprn", "line", "postcode")
    if "dwelling" not in frame.columns:
        homes = view.homes.select("person", "dwelling", "since", "left", "previous")
        frame = frame.join(homes, on="person", how="left", maintain_order="left")
        old = dice.chance("stale", habits.stale) & frame["previous"].is_not_null()
        gone = frame["left"].is_not_null() & frame["death_date"].is_null() & dice.chance("nofixed", 0.3)
        frame = frame.with_columns(
            dwelling=noise.sometimes(frame["dwelling"], frame["previous"], old),
            since=pl.when(~old).then("since"),
            nowhere=gone,
        )
    else:
        frame = frame.with_columns(nowhere=pl.lit(False))
    frame = frame.join(dwellings, on="dwelling", how="left", maintain_order="left")
    line = noise.rewritten(frame["line"], dice, TOWN, 0.03)
    uprn = noise.missing(frame["uprn"], dice, "uprn", habits.missing.get("uprn", 0.1))
    somebodys = view.borough.dwellings["uprn"].gather(dice.pick("uprnother", len(view.borough.dwellings)))
    uprn = noise.sometimes(uprn, somebodys, dice.chance("uprnwrong", 0.006) & uprn.is_not_null())
    none = dice.chance("addressmissing", habits.missing.get("address", 0.0))
    frame = frame.with_columns(
        uprn=pl.when(~none & ~pl.col("nowhere")).then(uprn),
        line=pl.when(none).then(None).when("nowhere").then(pl.lit("No fixed abode")).otherwise(line),
        postcode=pl.when(none)
        .then(None)
        .when("nowhere")
        .then(pl.lit("ZZ99 3VZ"))
        .otherwise(
            noise.missing(noise.posted(frame["postcode"], dice), dice, "postcode", habits.missing.get("postcode", 0.04))
        ),
    )
    return frame.with_columns(pl.col("line").str.to_uppercase()) if habits.upper else frame


def housed(view: View, events: pl.DataFrame) -> pl.DataFrame:
    """Events with the dwelling in which the person lived at the event's start; those who lived nowhere keep none."""
    stays = view.borough.stays.select("person", "dwelling", stayed="from").sort("stayed")
    on = events.with_columns(stayed=pl.col("start").dt.date()).sort("stayed")
    return on.join_asof(stays, on="stayed", by="person", strategy="backward", check_sortedness=False).drop("stayed")


def opened(events: pl.DataFrame) -> pl.DataFrame:
    """person, copy and the day on which the feed first wrote about them (captured)."""
    return events.group_by("person", "copy").agg(captured=pl.col("start").min().dt.date()).sort("person", "copy")


def ranked(events: pl.DataFrame, first: str) -> pl.Series:
    """A number from 1 for each person of a group: who has the code `first` is first, then in the order of recording.

    A member who is recorded later never takes an earlier member's number.
    """
    members = events.sort(pl.col("code") != first, "recorded_at", "happening").unique(
        ["group", "person"], keep="first", maintain_order=True
    )
    members = members.select("group", "person", place=pl.int_range(1, pl.len() + 1).over("group"))
    return events.join(members, on=["group", "person"], how="left", maintain_order="left")["place"]
