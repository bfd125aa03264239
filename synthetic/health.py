"""Health and adult care: registrations with a practice, hospital attendances, adult social care, carers."""

from __future__ import annotations

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic.world import World, choose, lag

CHAPTERS = (
    "S00-T98",
    "R00-R99",
    "J00-J99",
    "I00-I99",
    "K00-K93",
    "F00-F99",
    "M00-M99",
    "A00-B99",
    "O00-O99",
    "X60-X84",
)


def wellbeing(w: World) -> None:
    """Everything that the health trust and adult services write down."""
    _registrations(w)
    _hospital(w)
    _adult_care(w)


def _registrations(w: World) -> None:
    rng = w.rng("registrations")
    stays = w.homes.stays.sort("person", "from")
    person = stays["person"].to_numpy()
    area = w.homes.town.area[stays["dwelling"].to_numpy()]
    first = np.ones(len(person), dtype=bool)
    first[1:] = person[1:] != person[:-1]
    joins = first | (rng.random(len(person)) < 0.35)  # most who move keep their practice
    registered = first & (rng.random(len(person)) < 0.97)
    keeps = np.isin(person, person[registered])
    rows = np.flatnonzero(joins & keeps)
    who = person[rows]
    start = stays["from"].to_numpy()[rows]
    next_ = np.full(len(rows), p.NEVER)
    same = np.flatnonzero(who[1:] == who[:-1])
    next_[same] = start[same + 1]
    gone = w.gone[who]
    died = w.folk.death[who] <= gone
    left = np.where(died | (rng.random(len(who)) < 0.75), gone, p.NEVER)  # some who leave stay on the register
    end = np.minimum(next_, left)
    practice = 90001 + area[rows] // 5
    w.log.add(
        "gp_registration",
        who,
        start,
        end=np.where(end < w.end, end, p.NEVER),
        code=pl.Series("Q" + pl.Series(practice).cast(pl.String)),
        lag=lag(rng, len(rows), 15, 0.1),
    )


def _hospital(w: World) -> None:
    rng = w.rng("hospital")
    f = w.folk
    who = np.flatnonzero(w.since < p.NEVER)
    age, need = w.age(who), w.need[who]
    prone = rng.gamma(0.75, 1 / 0.75, len(who)).astype(np.float32)
    by_age = np.interp(
        age, [0, 2, 6, 14, 20, 50, 70, 80, 90, 110], [1.9, 1.7, 0.8, 0.75, 0.95, 0.85, 1.3, 2.3, 3.4, 3.6]
    ).astype(np.float32)
    winter = 1 + 0.1 * np.cos(
        2 * np.pi * (pl.Series(w.months[:-1].astype(np.int32)).cast(pl.Date).dt.month().to_numpy() - 1) / 12
    )
    rate = 0.0172 * by_age * np.exp(0.3 * need + 0.5 * w.substance[who, None]) * prone[:, None] * winter[None, :]
    rate *= w.here(who)
    row, month, day = w.occur(rng, who, np.minimum(rate, 3.0))
    person = who[row]
    n = len(row)
    years = (day - f.birth[person]) / p.YEAR
    shares = np.array([30, 22, 11, 7, 9, 4, 8, 6, 0.0, 0.7])
    weights = np.broadcast_to(shares, (n, len(CHAPTERS))).copy()
    weights[:, 2] *= np.where((years < 5) | (years > 75), 2.2, 1)
    weights[:, 3] *= np.interp(years, [0, 30, 60, 90], [0.02, 0.3, 1.5, 3])
    distress = np.exp(0.6 * np.clip(need[row, month], -1, 3)) * (years > 11)
    weights[:, 5] *= distress * (1 + 2 * w.substance[person])
    weights[:, 9] *= distress**1.4
    weights[:, 8] = np.where(f.female[person] & (years > 17) & (years < 43), 12, 0)
    cumulative = np.cumsum(weights, axis=1)
    chapter = np.minimum((cumulative < (rng.random(n) * cumulative[:, -1])[:, None]).sum(axis=1), len(CHAPTERS) - 1)
    admitted = rng.random(n) < np.interp(years, [0, 10, 60, 90], [0.12, 0.1, 0.25, 0.55])
    stay = np.where(admitted, 1 + rng.geometric(0.3, n), 0)
    minute = (rng.beta(2.2, 1.6, n) * 1439).astype(np.int64)
    w.log.add(
        "hospital_attendance",
        person,
        day,
        end=day + np.maximum(stay, 1),
        code=pl.Series(CHAPTERS).gather(chapter),
        value=admitted.astype(float),
        lag=1 + lag(rng, n, 5),
        group=w.log.new_groups(n),
        minute=minute,
    )
    harm = chapter == 9
    w.mark("self_harm", person[harm], month[harm], f.count)


def _adult_care(w: World) -> None:
    rng = w.rng("adult care")
    f = w.folk
    who = np.flatnonzero((f.birth < w.end - 18 * p.YEAR) & (w.since < p.NEVER))
    age, need = w.age(who), w.need[who]
    disabled = rng.random(len(who)) < 0.03
    rate = (
        np.exp(-7.0 + 0.105 * np.maximum(age - 66, -4) + 0.35 * need + 2.0 * disabled[:, None])
        * (age >= 18)
        * w.here(who)
    )
    row, _, day = w.occur(rng, who, np.minimum(rate, 0.4))
    homes = np.flatnonzero((f.unit_kind[f.unit] == p.CARE) & (w.since < p.NEVER))
    move_in = np.maximum(
        w.homes.stays.filter(pl.col("household").is_in(np.unique(f.unit[homes])))
        .group_by("person")
        .agg(pl.col("from").max())
        .sort("person")["from"]
        .to_numpy(),
        0,
    )
    residents = (
        w.homes.stays.filter(pl.col("household").is_in(np.unique(f.unit[homes])))["person"].unique().sort().to_numpy()
    )
    person = np.concatenate([who[row], residents])
    n, r = len(person), len(residents)
    start = np.concatenate([day, move_in - rng.integers(10, 60, r)])
    resident = np.arange(n) >= n - r
    case = w.log.new_groups(n)
    assessed = resident | (rng.random(n) < 0.6)
    served = resident | (assessed & (rng.random(n) < 0.62))
    years = (start - f.birth[person]) / p.YEAR
    late = lag(rng, n, 4)
    w.log.add(
        "asc_request",
        person,
        start,
        code=choose(rng, ("hospital", "community", "self", "family", "police"), (25, 24, 20, 26, 5), n),
        value=assessed.astype(float),
        lag=late,
        group=case,
    )
    begin = start + rng.integers(3, 40, n)
    done = begin + rng.integers(1, 35, n)
    reasons = ("physical", "memory", "learning", "mental_health", "social", "sensory")
    old, young = (0.58, 0.25, 0.01, 0.05, 0.06, 0.05), (0.3, 0.02, 0.28, 0.3, 0.07, 0.03)
    index = np.where(years > 65, _pick(rng, old, n), _pick(rng, young, n))
    a = np.flatnonzero(assessed & (begin < w.gone[person]))
    w.log.add(
        "asc_assessment",
        person[a],
        begin[a],
        end=done[a],
        code=pl.Series(reasons).gather(index[a]),
        lag=late[a],
        known_after=done[a],
        group=case[a],
    )
    s = np.flatnonzero(served & (done < w.gone[person]))
    first = np.where(resident[s], np.maximum(start[s] + 60, done[s]), done[s] + rng.integers(0, 25, len(s)))
    kinds = ("nursing", "residential", "home_care", "direct_payment", "equipment", "reablement", "day_care")
    kind = np.where(resident[s], _pick(rng, (0.4, 0.6), len(s)), 2 + _pick(rng, (0.42, 0.12, 0.22, 0.18, 0.06), len(s)))
    length = np.where(kind == 5, 42, np.where(kind == 4, 30, (rng.exponential(900, len(s))).astype(np.int64) + 60))
    stop = np.where(resident[s], w.gone[person[s]], np.minimum(first + length, w.gone[person[s]]))
    ok = first < stop
    s, first, stop, kind = s[ok], first[ok], stop[ok], kind[ok]
    w.log.add(
        "asc_service",
        person[s],
        first,
        end=np.where(stop < w.end, stop, p.NEVER),
        code=pl.Series(kinds).gather(kind),
        lag=late[s],
        group=case[s],
    )
    mate = f.partner[person[s]]
    cared = (mate != p.NOBODY) & ~resident[s] & (rng.random(len(s)) < 0.35)
    cared &= (
        (w.gone[np.maximum(mate, 0)] > first)
        & (w.since[np.maximum(mate, 0)] < first)
        & (f.partner_to[person[s]] > first)
    )
    s, first, stop, mate = s[cared], first[cared], stop[cared], mate[cared]
    w.log.add(
        "carer",
        mate,
        first,
        end=np.where(stop < w.end, stop, p.NEVER),
        value=rng.choice([10.0, 20.0, 35.0, 50.0], len(s)),
        lag=late[s],
        other=person[s],
        group=case[s],
    )
    w.marks["carers"] = np.stack([mate, person[s], first, stop], axis=1) if len(s) else np.empty((0, 4), np.int64)


def _pick(rng: np.random.Generator, shares: tuple[float, ...], count: int) -> np.ndarray:
    return np.minimum(np.searchsorted(np.cumsum(shares) / sum(shares), rng.random(count)), len(shares) - 1)
