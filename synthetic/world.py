"""What the modules of happenings share: the calendar, people's latent need by month, and the log of what happened.

What belongs here: nothing about any one service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic.frames import HAPPENINGS, part
from synthetic.homes import Homes

_DAY = 86_400_000_000
_MINUTE = 60_000_000
EPOCH = date(1970, 1, 1)


@dataclass
class Log:
    """Happenings as they are made; frames of one type each."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    groups: int = 0

    def new_groups(self, count: int) -> np.ndarray:
        """`count` numbers of cases, incidents or claims that nothing else has."""
        first = self.groups + 1
        self.groups += count
        return np.arange(first, first + count)

    def add(
        self,
        kind: str,
        person: np.ndarray,
        start: np.ndarray,
        *,
        end: np.ndarray | None = None,
        code: pl.Series | str | None = None,
        value: np.ndarray | float | None = None,
        lag: np.ndarray | int = 0,
        known_after: np.ndarray | None = None,
        other: np.ndarray | None = None,
        group: np.ndarray | None = None,
        minute: np.ndarray | int = 0,
    ) -> None:
        """Adds happenings of one type.

        Args:
            start, end: days since 1970; an end of NEVER is none.
            lag: days from the start (or from the day `known_after`) until a service writes it down.
            minute: minutes after midnight of the start.
            other, group: -1 is none.
        """
        count = len(person)
        if not count:
            return
        begin = start.astype(np.int64) * _DAY + np.broadcast_to(minute, count).astype(np.int64) * _MINUTE
        after = np.maximum(start if known_after is None else known_after, start).astype(np.int64)
        written = (after + np.broadcast_to(lag, count).astype(np.int64)) * _DAY + 17 * 60 * _MINUTE
        written = np.maximum(written, begin + 30 * _MINUTE)
        nothing = pl.lit(None)
        self.frames.append(
            pl.DataFrame(
                {
                    "person": pl.Series(person, dtype=pl.Int64),
                    "start": pl.Series(begin),
                    "end": pl.Series(
                        np.full(count, -1)
                        if end is None
                        else np.where(end < p.NEVER, np.maximum(end * _DAY, begin), -1)
                    ),
                    "recorded_at": pl.Series(written),
                    "other": pl.Series(np.full(count, -1) if other is None else other, dtype=pl.Int64),
                    "group": pl.Series(np.full(count, -1) if group is None else group, dtype=pl.Int64),
                    "spell": pl.Series(np.full(count, end is not None)),
                }
            ).select(
                pl.lit(0, dtype=pl.Int64).alias("happening"),
                "person",
                pl.lit(kind).alias("type"),
                pl.col("start").cast(pl.Datetime("us")),
                pl.when(pl.col("end") >= 0).then(pl.col("end")).cast(pl.Datetime("us")).alias("end"),
                (code.alias("code") if isinstance(code, pl.Series) else pl.lit(code, dtype=pl.String).alias("code")),
                (
                    nothing
                    if value is None
                    else pl.lit(value)
                    if isinstance(value, float)
                    else pl.Series(value, nan_to_null=True)
                )
                .cast(pl.Float64)
                .alias("value"),
                pl.col("recorded_at").cast(pl.Datetime("us")),
                pl.when(pl.col("other") >= 0).then("other").alias("other"),
                pl.when(pl.col("group") >= 0).then("group").alias("group"),
                "spell",
            )
        )

    def frame(self, last: date, gone: np.ndarray) -> pl.DataFrame:
        """Everything that happened up to `last` in order of time; ends after it stay open. `gone`: days of death."""
        end = pl.lit(last + timedelta(days=1)).cast(pl.Datetime("us"))
        death = pl.Series(np.where(gone < p.NEVER, (gone + 1) * _DAY, np.iinfo(np.int64).max // 2)).cast(
            pl.Datetime("us")
        )
        every = pl.concat(self.frames).filter(pl.col("start") < end)
        every = every.with_columns(died=death.gather(every["person"]))
        return (
            every.filter(pl.col("start") < pl.col("died"))
            .with_columns(end=pl.when(pl.col("end") < end).then("end"))
            .with_columns(closed=pl.min_horizontal("end", "died"))
            .with_columns(
                end=pl.when(pl.col("spell") & (pl.col("closed") < end)).then(pl.max_horizontal("closed", "start"))
            )
            .sort("start", "type", "person", "group", "code", maintain_order=True)
            .with_columns(happening=pl.int_range(pl.len(), dtype=pl.Int64))
            .select(pl.col(c).cast(t) for c, t in HAPPENINGS.items())
        )


@dataclass
class World:
    """Everything that a module of happenings reads, and the log that it writes to."""

    folk: p.Folk
    homes: Homes
    seed: int
    first: date
    last: date
    months: np.ndarray  # first day of each month, and of the month after the last
    need: np.ndarray  # people x months, float32
    unit_need: np.ndarray  # units x months, float32
    substance: np.ndarray  # people: misuse of drugs or alcohol
    since: np.ndarray  # people: first day in the borough
    gone: np.ndarray  # people: first day no longer in the borough
    log: Log
    # what other modules need to know: counts by person or unit and month
    marks: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many months there are."""
        return len(self.months) - 1

    @property
    def end(self) -> int:
        """The day after the last."""
        return (self.last - EPOCH).days + 1

    def rng(self, name: str) -> np.random.Generator:
        """A generator of its own for a part of the world."""
        return part(self.seed, name)

    def month_of(self, day: np.ndarray) -> np.ndarray:
        """The month that a day lies in; -1 before the first."""
        return np.searchsorted(self.months, day, side="right") - 1

    def age(self, who: np.ndarray) -> np.ndarray:
        """Ages in years at each month's start; len(who) x months, float32."""
        return ((self.months[None, :-1] - self.folk.birth[who, None]) / p.YEAR).astype(np.float32)

    def here(self, who: np.ndarray) -> np.ndarray:
        """Whether people live in the borough in each month; len(who) x months."""
        start = self.months[None, :-1]
        return (start + 15 >= self.since[who, None]) & (start < self.gone[who, None])

    def occur(
        self, rng: np.random.Generator, who: np.ndarray, rate: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Events from monthly rates (len(who) x months): the row of `who`, the month and the day of each."""
        if not len(who):
            empty = np.empty(0, np.int64)
            return empty, empty, empty
        cumulative = np.cumsum(rate.ravel(), dtype=np.float64)
        count = rng.poisson(cumulative[-1])
        cell = np.searchsorted(cumulative, np.sort(rng.random(count)) * cumulative[-1])
        row, month = np.divmod(np.minimum(cell, len(cumulative) - 1), self.size)
        day = self.months[month] + (rng.random(count) * (self.months[month + 1] - self.months[month])).astype(np.int64)
        ok = (day >= self.since[who[row]]) & (day < self.gone[who[row]]) & (day < self.end)
        return row[ok], month[ok], day[ok]

    def mark(self, name: str, row: np.ndarray, month: np.ndarray, rows: int, value: np.ndarray | float = 1.0) -> None:
        """Counts events by row (person or unit) and month under a name."""
        table = self.marks.setdefault(name, np.zeros((rows, self.size), dtype=np.float32))
        ok = (month >= 0) & (month < self.size)
        np.add.at(table, (row[ok], month[ok]), value if isinstance(value, float) else value[ok])


def begin(folk: p.Folk, homes: Homes, seed: int, first: date, last: date) -> World:
    """The world before anything has happened in it: calendar, residence and latent need."""
    starts: list[int] = []
    index = first.year * 12 + first.month - 1
    while True:
        day = (date(index // 12, index % 12 + 1, 1) - EPOCH).days
        starts.append(day)
        if day > (last - EPOCH).days:
            break
        index += 1
    months = np.array(starts)
    size = len(months) - 1
    bounds = homes.stays.group_by("person").agg(pl.col("from").min(), pl.col("to").max())
    since = np.full(folk.count, p.NEVER)
    gone = np.zeros(folk.count, dtype=np.int64)
    since[bounds["person"].to_numpy()] = bounds["from"].to_numpy()
    gone[bounds["person"].to_numpy()] = bounds["to"].to_numpy()

    rng = part(seed, "need")
    units = folk.units()
    area = homes.town.area[np.maximum(homes.first, 0)]
    by_kind = np.zeros(15)
    by_kind[[p.LONE, p.STEP, p.HMO, p.HOSTEL, p.PENSIONER, p.OLD_COUPLE, p.COUPLE, p.THREE, p.SINGLE]] = (
        0.3,
        0.2,
        0.4,
        1.2,
        -0.3,
        -0.5,
        -0.25,
        0.05,
        0.1,
    )
    fixed = 0.42 * homes.town.deprivation[area] + 0.6 * folk.frailty + by_kind[folk.unit_kind]
    unit_need = np.empty((units, size), dtype=np.float32)
    drift = rng.standard_normal(units) * 0.6
    shock = np.zeros(units)
    for month in range(size):
        drift = 0.94 * drift + np.sqrt(1 - 0.94**2) * 0.6 * rng.standard_normal(units)
        struck = rng.random(units) < 0.007 * np.exp(0.35 * np.clip(fixed, -2, 2))
        shock = 0.88 * shock + struck * rng.gamma(3.0, 0.55, units)
        unit_need[:, month] = fixed + drift + shock
    need = unit_need[folk.unit]
    own = (0.4 * rng.standard_normal(folk.count)).astype(np.float32)
    sway = np.zeros(folk.count, dtype=np.float32)
    for month in range(size):
        sway = np.float32(0.9) * sway + np.float32(0.16) * rng.standard_normal(folk.count, dtype=np.float32)
        need[:, month] += own + sway
    adult = (months[-1] - folk.birth) / p.YEAR > 16
    misuse = 1 / (1 + np.exp(3.3 - 1.0 * need.mean(axis=1) - 0.5 * ~folk.female))
    substance = adult & (rng.random(folk.count) < misuse)
    return World(folk, homes, seed, first, last, months, need, unit_need, substance, since, gone, Log())


def choose(rng: np.random.Generator, labels: Sequence[str], shares: Sequence[float], count: int) -> pl.Series:
    """`count` labels drawn by their shares."""
    cumulative = np.cumsum(shares) / np.sum(shares)
    return pl.Series(list(labels), dtype=pl.String).gather(
        np.minimum(np.searchsorted(cumulative, rng.random(count)), len(labels) - 1)
    )


def lag(rng: np.random.Generator, count: int, usual: float, late: float = 0.05) -> np.ndarray:
    """Days until something is written down: about `usual`, and for a share `late` of it weeks more."""
    return (rng.exponential(usual, count) + (rng.random(count) < late) * rng.exponential(30, count)).astype(np.int64)


def runs(state: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of true in each row: row, first column, column after the last."""
    padded = np.zeros((state.shape[0], state.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = state
    edge = np.diff(padded, axis=1)
    row, first = np.nonzero(edge == 1)
    _, after = np.nonzero(edge == -1)
    return row, first, after


def recent(counts: np.ndarray, keep: float) -> np.ndarray:
    """Counts by month carried on into the following months, a share `keep` of them each month."""
    out = np.empty_like(counts, dtype=np.float32)
    carry = np.zeros(counts.shape[0], dtype=np.float32)
    for month in range(counts.shape[1]):
        carry = np.float32(keep) * carry + counts[:, month]
        out[:, month] = carry
    return out


def children_of(w: World) -> tuple[np.ndarray, np.ndarray]:
    """Children of each unit, in order of unit: their numbers, and where each unit's children begin (units + 1)."""
    kids = np.flatnonzero(w.folk.role == p.CHILD)
    order = kids[np.argsort(w.folk.unit[kids], kind="stable")]
    return order, np.searchsorted(w.folk.unit[order], np.arange(w.folk.units() + 1))


def fan_out(starts: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each event of a unit, one row a member: the position in the members' order, and the event's number."""
    count = starts[unit + 1] - starts[unit]
    event = np.repeat(np.arange(len(unit)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return starts[unit[event]] + within, event
