"""What may be looked at: history as it was known on one day, and outcomes whose time is over.

What belongs here: the two views, and nothing that computes from them. A feature or a rule is handed a `View` of one
day and so cannot see later; only `OutcomeView` looks past the day, and only once the whole window has closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

AsOf = Callable[[date], pl.LazyFrame]


class WindowOpen(Exception):
    """An outcome was asked for before its window had closed."""


def shifted(day: date, span: str) -> date:
    """The day moved by a span such as `-12mo`, `9mo` or `14d`; a month end that does not exist becomes the last day."""
    moved: date = pl.Series([day]).dt.offset_by(span)[0]
    return moved


def midnight(day: date) -> datetime:
    """The start of a day, naive UTC."""
    return datetime(day.year, day.month, day.day)


@dataclass(frozen=True)
class View:
    """Everything that was known by the start of one day.

    Attributes:
        day: the day; nothing learnt on or after it is here.
        events: EVENT columns and `person_id`; an end that lay ahead is null.
        involvements: INVOLVEMENT columns and `person_id`, likewise.
        people: `person_id`, `birth_month`, `age_months` on the day, `imd_decile`; only those born by then.
        members: `household_id`, `person_id` of people born by then, as households stand now: see `History`.
    """

    day: date
    events: pl.LazyFrame
    involvements: pl.LazyFrame
    people: pl.DataFrame
    members: pl.DataFrame

    def held(self) -> View:
        """The same view with its facts in memory, for those who read them more than once."""
        events, involvements = pl.collect_all([self.events, self.involvements])
        return replace(self, events=events.lazy(), involvements=involvements.lazy())


@dataclass(frozen=True)
class History:
    """What the assets hand over: as-of readers and the people they are about.

    Households are those of today, whatever the day: the past of a household is not kept. People who move mostly move
    together, so that this errs less than leaving out everyone who has moved since; the model card says how the
    measures change among people whose home is the same as it was.

    Attributes:
        events: gives EVENT rows as they were known on a day (`Store.as_of`).
        involvements: gives INVOLVEMENT rows likewise.
        people: PERSON_PROFILE.
        members: HOUSEHOLD_MEMBER.
        links: PERSON_LINK; joined to rows that carry `record_id` but no `person_id`.
    """

    events: AsOf
    involvements: AsOf
    people: pl.DataFrame
    members: pl.DataFrame
    links: pl.DataFrame | None = None

    def at(self, day: date) -> View:
        """The view of one day."""
        age = (day.year - pl.col("birth_month").dt.year()) * 12 + (day.month - pl.col("birth_month").dt.month())
        people = (
            self.people.lazy()
            .filter(pl.col("birth_month").is_null() | (pl.col("birth_month") <= day))
            .select("person_id", "birth_month", age.cast(pl.Int32).alias("age_months"), "imd_decile", "deceased")
            .sort("person_id")
            .collect()
        )
        members = (
            self.members.lazy()
            .select("household_id", "person_id")
            .unique()
            .join(people.lazy().select("person_id"), on="person_id", how="semi")
            .sort("household_id", "person_id")
            .collect()
        )
        return View(day, self._known(self.events, day), self._known(self.involvements, day), people, members)

    def _known(self, source: AsOf, day: date) -> pl.LazyFrame:
        rows = source(day)
        if self.links is not None and "person_id" not in rows.collect_schema():
            rows = rows.join(self.links.lazy().select("record_id", "person_id"), on="record_id")
        ended = pl.col("end") < midnight(day)
        return rows.with_columns(pl.when(ended).then(pl.col("end")).alias("end"))


def reader(rows: pl.DataFrame | pl.LazyFrame) -> AsOf:
    """As-of reading of a frame in memory, by the rule of `Store.as_of`."""

    def known(day: date) -> pl.LazyFrame:
        start = midnight(day)
        learnt = (pl.col("known_from") < start) & (pl.col("known_to").is_null() | (pl.col("known_to") >= start))
        told = rows.lazy().filter(learnt & (pl.col("start").is_null() | (pl.col("start") < start)))
        return told.with_columns(pl.lit(None, pl.Datetime("us")).alias("known_to"))

    return known


@dataclass(frozen=True)
class OutcomeView:
    """Events that began within `horizon` of a day, once the window has closed and `settles_in` has passed.

    Attributes:
        known: EVENT columns and `person_id`, as they are known at `data_until`; those of the outcome suffice.
        day: the first day of the window; the last is the day before `day` + `horizon`.
        horizon: a span such as `9mo`.
        data_until: the day up to which facts are known.
        settles_in: how long after the window late recordings are waited for.
    """

    known: pl.LazyFrame
    day: date
    horizon: str
    data_until: date
    settles_in: str = "0d"

    def __post_init__(self) -> None:
        closes = shifted(shifted(self.day, self.horizon), self.settles_in)
        if closes > self.data_until:
            raise WindowOpen(
                f"the window of {self.horizon} from {self.day} closes on {closes}; facts reach {self.data_until} only."
            )

    def events(self) -> pl.LazyFrame:
        """Events that began in the window, by what is known at `data_until`; EVENT columns and `person_id`."""
        first, last = midnight(self.day), midnight(shifted(self.day, self.horizon))
        return self.known.filter((pl.col("start") >= first) & (pl.col("start") < last))

    def under_way(self, types: list[str]) -> pl.LazyFrame:
        """`person_id` of those for whom one of these was already under way on the day, whenever that became known."""
        first = midnight(self.day)
        going_on = (pl.col("start") < first) & (pl.col("end").is_null() | (pl.col("end") >= first))
        return self.known.filter(pl.col("type").is_in(types) & going_on).select("person_id").unique()
