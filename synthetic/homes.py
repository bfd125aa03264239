"""Who lives where: units take dwellings, move, and leave them; people's stays follow from the units they belong to.

What belongs here: dwellings over time. Why people part, join or go away is settled in `synthetic.people`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic import places
from synthetic.frames import STAYS, part
from synthetic.places import Town

MONTH = 30.4375
_MOVES = np.array([0.035, 0.2, 0.06])  # moves a year by tenure: owner, private, social


@dataclass(frozen=True)
class Homes:
    """The town, which unit occupies which dwelling when, and which person lives where when (days; NEVER = still)."""

    town: Town
    occupancy: pl.DataFrame  # unit, dwelling, from, to
    stays: pl.DataFrame  # person, dwelling, household, from, to
    first: np.ndarray  # the first dwelling of each unit, -1 where it never had one


def settle(folk: p.Folk, seed: int, start: int, end: int) -> Homes:
    """Dwellings for every unit from day `start` to day `end`, and everyone's stays."""
    rng = part(seed, "homes")
    spells = _spells(folk)
    units = folk.units()
    begin = np.full(units, p.NEVER)
    finish = np.full(units, -p.NEVER)
    u = spells["unit"].to_numpy()
    np.minimum.at(begin, u, spells["from"].to_numpy())
    np.maximum.at(finish, u, spells["to"].to_numpy())
    begin = np.maximum(begin, start - 1)
    kind = folk.unit_kind
    home = ~np.isin(kind, (p.HMO, p.STUDENTS, p.CARE, p.HOSTEL, p.REFUGE))
    lived = home & (begin < finish) & (finish > start - 1) & (begin < end)
    counts = [int(np.isin(kind, k).sum()) for k in ((p.HMO, p.STUDENTS), (p.CARE,), (p.HOSTEL,), (p.REFUGE,))]
    months = int(np.ceil((end - start) / MONTH)) + 1
    month_in = np.maximum(np.floor((begin - start) / MONTH), -1).astype(np.int64)
    month_out = np.minimum(np.ceil((finish - start) / MONTH), months).astype(np.int64)
    crowd = (
        np.bincount(month_in[lived] + 1, minlength=months + 3).cumsum()
        - np.bincount(np.minimum(month_out[lived] + 2, months + 2), minlength=months + 3).cumsum()
    )
    homes = int(crowd.max() * 1.06) + 40
    town = places.build(part(seed, "town"), homes, *counts)

    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    dwelling = np.full(units, -1)
    first = np.full(units, -1)
    for code, of in enumerate(((p.HMO, p.STUDENTS), (p.CARE,), (p.HOSTEL,), (p.REFUGE,)), start=1):
        those = np.flatnonzero(np.isin(kind, of))
        dwelling[those] = first[those] = np.flatnonzero(town.kind == code)
        parts.append((those, dwelling[those], np.full(len(those), -p.NEVER), np.full(len(those), p.NEVER)))

    standing = _standing(folk, rng)
    vacant = np.flatnonzero(town.kind == 0)
    since = np.where(begin <= start, start - (rng.exponential(7, units) * 365).astype(np.int64) - 30, begin)
    moves_rate = 1 - np.exp(-_MOVES / 12)
    released: np.ndarray = np.empty(0, np.int64)
    at_home = np.zeros(units, dtype=bool)
    starting = np.argsort(np.where(lived, month_in, months + 9), kind="stable")
    start_month = month_in[starting]
    for month in range(-1, months):
        vacant = np.concatenate([vacant, released])
        low, high = np.searchsorted(np.where(lived[starting], start_month, months + 9), [month, month + 1])
        new = starting[low:high]
        if month >= 0:
            gone = np.flatnonzero(at_home & (finish <= start + MONTH * (month + 1)))
            gone = gone[finish[gone] < p.NEVER]
            parts.append((gone, dwelling[gone], since[gone], finish[gone]))
            released = dwelling[gone]
            at_home[gone] = False
            settled = np.flatnonzero(at_home)
            mover = settled[rng.random(len(settled)) < moves_rate[town.tenure[dwelling[settled]]]]
            day = start + (MONTH * month).__int__() + rng.integers(0, 28, len(mover))
            ok = (day > since[mover] + 60) & (day < finish[mover] - 5) & (day < end)
            mover, day = mover[ok], day[ok]
        else:
            mover, day = np.empty(0, np.int64), np.empty(0, np.int64)
        takers = np.concatenate([new, mover])
        if not len(takers):
            continue
        drawn = rng.permutation(len(vacant))
        chosen = vacant[drawn] if month < 0 else vacant[drawn[: len(takers)]]
        if month < 0:  # the first families find homes by standing; the rest stands empty
            chosen = rng.permutation(vacant)[: len(takers)]
        vacant = np.setdiff1d(vacant, chosen, assume_unique=True)
        want = takers[np.argsort(standing[takers] + 0.35 * rng.standard_normal(len(takers)), kind="stable")]
        have = chosen[np.argsort(town.quality[chosen], kind="stable")]
        taken = np.empty(units, dtype=np.int64)
        taken[want] = have
        parts.append((mover, dwelling[mover], since[mover], day))
        released = np.concatenate([released, dwelling[mover]]) if month >= 0 else released
        since[mover] = day
        dwelling[takers] = taken[takers]
        first[new] = taken[new]
        at_home[new] = True
    rest = np.flatnonzero(at_home)
    parts.append((rest, dwelling[rest], since[rest], finish[rest]))
    occupancy = pl.DataFrame(
        {name: np.concatenate([row[i] for row in parts]) for i, name in enumerate(("unit", "dwelling", "from", "to"))}
    ).filter(pl.col("from") < pl.col("to"))
    stays = (
        spells.join(occupancy, on="unit", suffix="_home")
        .with_columns(
            pl.max_horizontal("from", "from_home").alias("from"), pl.min_horizontal("to", "to_home").alias("to")
        )
        .filter(pl.col("from") < pl.col("to"), pl.col("from") < end)
        .select("person", "dwelling", pl.col("unit").alias("household"), "from", "to")
    )
    for who, where, since_day, until_day in folk.gaps:
        stays = interrupt(stays, who, where, np.where(where >= 0, dwelling[where], -1), since_day, until_day)
    return Homes(town, occupancy, stays.sort("person", "from"), first)


def interrupt(
    stays: pl.DataFrame, who: np.ndarray, unit: np.ndarray, dwelling: np.ndarray, since: np.ndarray, until: np.ndarray
) -> pl.DataFrame:
    """`stays` with people (each once) away from `since` to `until`: in a dwelling, or without one where it is -1."""
    away = pl.DataFrame({"person": who, "unit": unit, "away": dwelling, "since": since, "until": until})
    hit = stays.join(away, on="person", how="inner")
    bounds = hit.group_by("person").agg(pl.col("from").min().alias("born"), pl.col("to").max().alias("gone"))
    kept = stays.join(away, on="person", how="anti")
    before = hit.with_columns(pl.min_horizontal("to", "since").alias("to"))
    after = hit.with_columns(pl.max_horizontal("from", "until").alias("from"))
    there = (
        away.filter(pl.col("away") >= 0)
        .join(bounds, on="person")
        .select(
            "person",
            pl.col("away").alias("dwelling"),
            pl.col("unit").alias("household"),
            pl.max_horizontal("since", "born").alias("from"),
            pl.min_horizontal("until", "gone").alias("to"),
        )
    )
    pieces = [kept, before.select(kept.columns), after.select(kept.columns), there.select(kept.columns)]
    return pl.concat(pieces).filter(pl.col("from") < pl.col("to")).sort("person", "from")


def frame(stays: pl.DataFrame) -> pl.DataFrame:
    """Stays with dates instead of days; null where a stay has no end."""
    return stays.select(
        "person",
        "dwelling",
        "household",
        pl.col("from").cast(pl.Int32).cast(pl.Date),
        pl.when(pl.col("to") < p.NEVER).then(pl.col("to").cast(pl.Int32)).cast(pl.Date).alias("to"),
    ).select(pl.col(c).cast(t) for c, t in STAYS.items())


def _spells(folk: p.Folk) -> pl.DataFrame:
    columns = [np.concatenate([row[i] for row in folk.spells]) for i in range(4)]
    person, unit, since, until = columns
    since = np.maximum(np.maximum(since, folk.birth[person]), folk.unit_start[unit])
    until = np.minimum(np.minimum(until, folk.death[person]), folk.unit_end[unit])
    ok = since < until
    return pl.DataFrame({"person": person[ok], "unit": unit[ok], "from": since[ok], "to": until[ok]})


def _standing(folk: p.Folk, rng: np.random.Generator) -> np.ndarray:
    """How well off a unit is: by kind, origin, the age of who leads it, and its frailty."""
    units = folk.units()
    by_kind = np.zeros(15)
    by_kind[[p.SINGLE, p.PENSIONER, p.COUPLE, p.OLD_COUPLE, p.FAMILY, p.STEP, p.LONE, p.GROWN, p.THREE, p.FORMER]] = (
        -0.25,
        0.15,
        0.35,
        0.8,
        0.35,
        -0.25,
        -1.0,
        0.4,
        -0.1,
        -0.2,
    )
    by_origin = np.array([0.1, 0.1, 0.1, -0.35, -0.6, 0.25, 0.5, -0.2, -0.4, -0.5, -0.35, -0.9, -0.4, 0.3])
    leader = np.zeros(units, dtype=np.int64)
    for person, unit, _, _ in folk.spells[::-1]:
        leader[unit[::-1]] = person[::-1]
    heads = np.flatnonzero(folk.role == p.HEAD)
    leader[folk.unit[heads]] = heads
    return (
        by_kind[folk.unit_kind]
        + by_origin[folk.origin[leader]]
        - 0.55 * folk.frailty
        + 0.75 * rng.standard_normal(units)
    )
