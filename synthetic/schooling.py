"""School: rolls, absence by term, exclusions, special needs, free meals."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic.world import EPOCH, World, choose, lag, runs

_REASONS = ("PP", "PA", "VP", "VA", "DB", "DM", "DA", "TH")


def attend(w: World) -> None:
    """Everything that schools write down."""
    _absence(w, *_rolls(w))
    _exclusions(w)
    _support(w)


def school_of(w: World, who: np.ndarray, secondary: np.ndarray) -> np.ndarray:
    """The number of the school that a child of this home goes to."""
    area = w.homes.town.area[np.maximum(w.homes.first[w.folk.unit[who]], 0)]
    return np.where(secondary, 4101 + area // 12, 4001 + area // 3)


def _academic(w: World, who: np.ndarray) -> np.ndarray:
    """The year in whose September a child starts reception."""
    born = pl.Series(w.folk.birth[who].astype(np.int32)).cast(pl.Date)
    return born.dt.year().to_numpy() + 4 + (born.dt.month() >= 9).to_numpy()


def _september(year: np.ndarray, day: int = 2) -> np.ndarray:
    years = np.arange(year.min() - 1, year.max() + 2)
    table = np.array([(date(int(y), 9, day) - EPOCH).days for y in years])
    return table[year - years[0]]


def _rolls(w: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """School spells: pupil, entry, leaving (days). A primary and a secondary spell for each child."""
    rng = w.rng("school rolls")
    start = int(w.months[0])
    who = np.flatnonzero((w.folk.birth > start - 18.5 * p.YEAR) & (w.since < p.NEVER))
    if not len(who):
        return who, who, who
    begins = _academic(w, who)
    sixth = rng.random(len(who)) < 0.45
    out: list[tuple[np.ndarray, ...]] = []
    for secondary in (False, True):
        first = _september(begins + 7 * secondary)
        last = _september(begins + np.where(secondary, np.where(sixth, 14, 12), 7), 1) - 42
        entry = np.maximum(first, w.since[who])
        leaving = np.minimum(last, w.gone[who])
        ok = (entry < leaving) & (leaving > start) & (entry < w.end)
        school = school_of(w, who[ok], np.full(ok.sum(), secondary))
        out.append((who[ok], school, entry[ok], leaving[ok]))
    pupil, school, entry, leaving = (np.concatenate([o[i] for o in out]) for i in range(4))
    # a change of school in the middle of a spell
    span = leaving - entry
    changes = (rng.random(len(pupil)) < 0.1) & (span > 500)
    middle = entry + (span * rng.uniform(0.2, 0.8, len(pupil))).astype(np.int64)
    new = np.where(
        school > 4100,
        4101 + (school - 4100) % (school.max() - 4100 if (school > 4100).any() else 1),
        4001 + (school - 4000) % 40,
    )
    pupil = np.concatenate([pupil, pupil[changes]])
    entry2, school2, leaving2 = middle[changes], new[changes], leaving[changes]
    leaving = np.where(changes, middle, leaving)
    entry, school, leaving = (
        np.concatenate([entry, entry2]),
        np.concatenate([school, school2]),
        np.concatenate([leaving, leaving2]),
    )
    begins = _academic(w, pupil)
    year = (pl.Series(entry.astype(np.int32)).cast(pl.Date).dt.offset_by("-8mo").dt.year()).to_numpy() - begins
    w.log.add(
        "school_roll",
        pupil,
        entry,
        end=np.where(leaving < w.end, leaving, p.NEVER),
        code=pl.Series(school).cast(pl.String),
        value=np.clip(year, 0, 13).astype(float),
        lag=lag(rng, len(pupil), 8),
        group=school,
    )
    return pupil, entry, leaving


def terms(w: World) -> list[tuple[int, int, int, int]]:
    """Terms that end within the window: number yyyyt, first day, last day, sessions."""
    made = []
    for year in range(w.first.year - 1, w.last.year + 1):
        for number, begin, finish, sessions in (
            (1, date(year, 9, 2), date(year, 12, 19), 142),
            (2, date(year + 1, 1, 5), date(year + 1, 3, 27), 112),
            (3, date(year + 1, 4, 13), date(year + 1, 7, 20), 126),
        ):
            first, last = (begin - EPOCH).days, (finish - EPOCH).days
            if first >= w.months[0] and last < w.end:
                made.append((year * 10 + number, first, last, sessions))
    return made


def _absence(w: World, pupil: np.ndarray, entry: np.ndarray, leaving: np.ndarray) -> None:
    """Sessions missed, by reason, a row a pupil, term and reason."""
    rng = w.rng("absence")
    habit = rng.standard_normal(w.folk.count)
    for term, first, last, sessions in terms(w):
        on_roll = (entry < last - 20) & (leaving > first + 20)
        who = pupil[on_roll]
        who = np.unique(who)
        months = [m for m in range(w.size) if first - 31 < w.months[m] <= last]
        need = w.need[who][:, months].mean(axis=1)
        age = (first - w.folk.birth[who]) / p.YEAR
        winter = {1: 0.1, 2: 0.25, 3: -0.1}[term % 10]
        ill = rng.binomial(
            sessions, np.clip(np.exp(-3.55 + 0.16 * need + winter + 0.55 * rng.standard_normal(len(who))), 0, 0.5)
        )
        steep = np.maximum(need - 1.0, 0)
        truant = np.exp(
            -5.3 + 0.5 * need + 0.55 * steep + 0.09 * (age - 9) + 0.6 * habit[who] + 0.4 * rng.standard_normal(len(who))
        )
        away = rng.binomial(sessions, np.clip(truant, 0, 0.75))
        holiday = (rng.random(len(who)) < 0.07) * rng.choice([6, 8, 10, 20], len(who))
        medical = rng.poisson(0.5, len(who))
        lags = rng.integers(18, 36, len(who))
        none = (ill + away + holiday + medical) == 0
        for code, missed in (("I", ill), ("O", away), ("G", holiday), ("M", medical), ("/", none * 1)):
            rows = missed > 0
            n = int(rows.sum())
            w.log.add(
                "attendance",
                who[rows],
                np.full(n, first),
                end=np.full(n, last),
                code=code,
                value=(missed[rows] * (code != "/") / sessions).round(4),
                lag=lags[rows],
                known_after=np.full(n, last),
                group=np.full(n, term),
            )
        known = w.month_of(np.array([last]))[0]
        w.mark("absence", who, np.full(len(who), known), w.folk.count, (away / sessions).astype(np.float32))


def _exclusions(w: World) -> None:
    rng = w.rng("exclusions")
    who = np.flatnonzero(
        (w.folk.birth > w.months[0] - 17 * p.YEAR) & (w.folk.birth < w.months[-1] - 5 * p.YEAR) & (w.since < p.NEVER)
    )
    age = w.age(who)
    calendar = pl.Series(w.months[:-1].astype(np.int32)).cast(pl.Date).dt.month().to_numpy()
    open_ = np.isin(calendar, (7, 8), invert=True) * 1.15 + (calendar == 7) * 0.5
    prone = rng.gamma(0.6, 1 / 0.6, len(who)).astype(np.float32)
    need = w.need[who]
    rate = np.exp(
        -6.75
        + 0.75 * need
        + 0.5 * np.maximum(need - 1.2, 0)
        + 0.16 * (np.clip(age, 5, 15) - 11)
        + 0.6 * ~w.folk.female[who, None]
    )
    rate *= prone[:, None] * open_[None, :] * ((age >= 5) & (age < 16)) * w.here(who)
    row, month, day = w.occur(rng, who, np.minimum(rate, 1.2))
    weekday = (day + 3) % 7  # Monday is 0; what happened at a weekend is dated Monday
    day = np.where(weekday > 4, day + 7 - weekday, day)
    n = len(row)
    w.log.add(
        "exclusion",
        who[row],
        day,
        code=choose(rng, _REASONS, (14, 6, 13, 19, 26, 7, 12, 3), n),
        value=rng.choice([1.0, 2.0, 4.0, 6.0, 10.0, 20.0], n, p=[0.12, 0.34, 0.24, 0.18, 0.1, 0.02]),
        lag=lag(rng, n, 6),
        group=school_of(w, who[row], (day - w.folk.birth[who[row]]) > 11.5 * p.YEAR),
        minute=540,
    )
    w.mark("exclusion", who[row], month, w.folk.count)


def _support(w: World) -> None:
    """Special educational needs and free school meals."""
    rng = w.rng("school support")
    who = np.flatnonzero(
        (w.folk.birth > w.months[0] - 16 * p.YEAR) & (w.folk.birth < w.end - 5 * p.YEAR) & (w.since < p.NEVER)
    )
    level = w.need[who].mean(axis=1)
    chance = 1 / (1 + np.exp(2.0 - 0.5 * level - 0.6 * ~w.folk.female[who]))
    sen = who[rng.random(len(who)) < chance]
    start = np.maximum(w.folk.birth[sen] + (rng.uniform(4.8, 10, len(sen)) * p.YEAR).astype(np.int64), w.since[sen])
    stop = np.minimum(
        np.minimum(w.folk.birth[sen] + int(16.3 * p.YEAR), w.gone[sen]),
        start + (rng.exponential(6, len(sen)) * p.YEAR).astype(np.int64) + 200,
    )
    ok = (start < stop) & (start < w.end) & (stop > w.months[0])
    sen, start, stop = sen[ok], start[ok], stop[ok]
    n = len(sen)
    w.log.add(
        "sen_support",
        sen,
        start,
        end=np.where(stop < w.end, stop, p.NEVER),
        code=choose(rng, ("K", "E"), (0.76, 0.24), n),
        lag=lag(rng, n, 30),
    )

    poor = w.unit_need + 0.9 * w.rng("income").standard_normal(w.folk.units())[:, None].astype(np.float32)
    quarters = np.arange(0, w.size, 3)
    level_q = np.stack([poor[:, q : q + 3].mean(axis=1) for q in quarters], axis=1)
    unit, begin, after = runs(level_q > 0.95)
    kids = np.flatnonzero((w.folk.birth > w.months[0] - 16 * p.YEAR) & (w.folk.role == p.CHILD) & (w.since < p.NEVER))
    spell = pl.DataFrame(
        {
            "unit": unit,
            "a": w.months[quarters[begin]],
            "b": w.months[np.minimum(after * 3, w.size)],
            "last": after >= len(quarters),
        }
    )
    meals = pl.DataFrame(
        {
            "person": kids,
            "unit": w.folk.unit[kids],
            "born": w.folk.birth[kids],
            "since": w.since[kids],
            "gone": w.gone[kids],
        }
    ).join(spell, on="unit")
    meals = (
        meals.with_columns(
            a=pl.max_horizontal("a", "since", pl.col("born") + int(4.7 * p.YEAR)),
            b=pl.min_horizontal(
                pl.when("last").then(p.NEVER).otherwise("b"), "gone", pl.col("born") + int(16.5 * p.YEAR)
            ),
        )
        .filter(pl.col("a") < pl.col("b"), pl.col("a") < w.end)
        .sort("person", "a")
    )
    b = meals["b"].to_numpy()
    w.log.add(
        "free_school_meals",
        meals["person"].to_numpy(),
        meals["a"].to_numpy(),
        end=np.where(b < w.end, b, p.NEVER),
        lag=lag(rng, len(b), 20),
    )
