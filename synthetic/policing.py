"""Police and youth justice: people missing, domestic abuse, incidents and who was in them, young people's offences."""

from __future__ import annotations

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic.world import World, children_of, choose, fan_out, lag

CATEGORIES = ("violence", "theft", "burglary", "antisocial", "sexual", "hate", "damage", "drugs", "public_order")
_SHARES = (26, 18, 6, 18, 3, 3, 11, 7, 8)


def police(w: World) -> None:
    """Everything that the police and the youth justice team write down."""
    _missing(w)
    _domestic_abuse(w)
    _incidents(w)
    _youth(w)


def _minutes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Minutes after midnight, mostly in the evening."""
    return (rng.beta(2.4, 1.2, count) * 1439).astype(np.int64)


def _missing(w: World) -> None:
    rng = w.rng("missing")
    who = np.flatnonzero(
        (w.folk.birth > w.months[0] - 18 * p.YEAR) & (w.folk.birth < w.end - 8 * p.YEAR) & (w.since < p.NEVER)
    )
    age, need = w.age(who), w.need[who]
    prone = rng.gamma(0.35, 1 / 0.35, len(who)).astype(np.float32)
    rate = (
        np.exp(-8.0 + 0.95 * need + 0.5 * np.maximum(need - 1.3, 0) + 0.28 * (np.clip(age, 8, 16) - 13))
        * prone[:, None]
    )
    rate *= (age >= 8) & (age < 18) & w.here(who)
    row, month, day = w.occur(rng, who, np.minimum(rate, 1.5))
    grown = np.flatnonzero((w.folk.birth < w.months[0] - 20 * p.YEAR) & (w.since < p.NEVER))
    adult = np.exp(-8.6 + 0.8 * w.need[grown] + 1.2 * (w.folk.birth[grown, None] < w.months[0] - 80 * p.YEAR)) * w.here(
        grown
    )
    row2, _, day2 = w.occur(rng, grown, adult)
    w.mark("missing", who[row], month, w.folk.count)
    person, start = np.concatenate([who[row], grown[row2]]), np.concatenate([day, day2])
    n = len(person)
    length = (rng.lognormal(-0.4, 1.1, n)).astype(np.int64)
    w.log.add(
        "missing_episode",
        person,
        start,
        end=start + length + 1,
        code=choose(rng, ("low", "medium", "high"), (0.3, 0.56, 0.14), n),
        lag=lag(rng, n, 1.0),
        group=w.log.new_groups(n),
        minute=_minutes(rng, n),
    )


def _domestic_abuse(w: World) -> None:
    rng = w.rng("domestic abuse")
    f = w.folk
    lead = np.flatnonzero(
        (f.partner != p.NOBODY) & (np.arange(f.count) < np.where(f.partner >= 0, f.partner, 0)) & (w.since < p.NEVER)
    )
    mate = f.partner[lead]
    victim_is_lead = np.where(
        f.female[lead] != f.female[mate], f.female[lead] ^ (rng.random(len(lead)) < 0.18), rng.random(len(lead)) < 0.5
    )
    victim, suspect = np.where(victim_is_lead, lead, mate), np.where(victim_is_lead, mate, lead)
    home = np.where(f.partner_to[lead] < p.NEVER, f.unit[np.where(f.female[lead], lead, mate)], f.unit[lead])
    month = w.months[None, :-1]
    together = (month >= f.partner_from[lead, None]) & (month < f.partner_to[lead, None] + 540)
    parting = np.abs(month - f.partner_to[lead, None]) < 150
    x = w.unit_need[home] * 0.7 + 0.3 * w.need[suspect]
    prone = rng.gamma(0.5, 2.0, len(lead)).astype(np.float32)
    rate = np.exp(-6.9 + 0.75 * x + 0.9 * w.substance[suspect, None] + 1.3 * parting) * prone[:, None] * together
    both = w.here(victim)
    row, when, day = w.occur(rng, victim, np.minimum(rate * both, 1.0))
    n = len(row)
    group = w.log.new_groups(n)
    minute, late = _minutes(rng, n), lag(rng, n, 1.5)
    high = (rng.random(n) < 0.16).astype(float)
    v, s = victim[row], suspect[row]
    order, starts = children_of(w)
    at, event = fan_out(starts, home[row])
    kid = order[at]
    present = (
        (w.since[kid] <= day[event]) & (day[event] < f.birth[kid] + int(18 * p.YEAR)) & (rng.random(len(kid)) < 0.75)
    )
    kid, event = kid[present], event[present]
    for role, person, other, e in (
        ("victim", v, s, np.arange(n)),
        ("suspect", s, v, np.arange(n)),
        ("child", kid, v[event], event),
    ):
        w.log.add(
            "domestic_abuse",
            person,
            day[e],
            code=role,
            value=high[e],
            lag=late[e],
            other=other,
            group=group[e],
            minute=minute[e],
        )
    w.mark("abuse", home[row], when, f.units())


def _incidents(w: World) -> None:
    """Suspects first, then their victims; victims of people unknown; witnesses."""
    rng = w.rng("incidents")
    f = w.folk
    who = np.flatnonzero((f.birth < w.end - 10 * p.YEAR) & (w.since < p.NEVER))
    age, need = w.age(who), w.need[who]
    young = np.exp(-((age - 21) ** 2) / (2 * 11**2)) * 1.6
    prone = rng.gamma(0.4, 2.5, len(who)).astype(np.float32)
    rate = (
        np.exp(-7.5 + 0.7 * need + young + 1.5 * w.substance[who, None] + 0.7 * ~f.female[who, None]) * prone[:, None]
    )
    rate *= (age >= 10) * w.here(who)
    row, month, day = w.occur(rng, who, np.minimum(rate, 2.0))
    n = len(row)
    suspect = who[row]
    group = w.log.new_groups(n)
    index = np.minimum(np.searchsorted(np.cumsum(_SHARES) / sum(_SHARES), rng.random(n)), len(_SHARES) - 1)
    drugs = w.substance[suspect] & (rng.random(n) < 0.35)
    index[drugs] = CATEGORIES.index("drugs")
    minute, late = _minutes(rng, n), lag(rng, n, 2.0)
    labels = pl.Series(CATEGORIES)
    victim = rng.choice(who, n)
    known = (index != CATEGORIES.index("drugs")) & (rng.random(n) < 0.65) & (victim != suspect)
    known &= (w.since[victim] <= day) & (w.gone[victim] > day) & (day - f.birth[victim] > 10 * p.YEAR)
    w.log.add(
        "incident_suspect",
        suspect,
        day,
        code=labels.gather(index),
        lag=late,
        other=np.where(known, victim, -1),
        group=group,
        minute=minute,
    )
    w.log.add(
        "incident_victim",
        victim[known],
        day[known],
        code=labels.gather(index[known]),
        lag=late[known],
        other=suspect[known],
        group=group[known],
        minute=minute[known],
    )
    w.mark(
        "drugs",
        f.unit[suspect[index == CATEGORIES.index("drugs")]],
        month[index == CATEGORIES.index("drugs")],
        f.units(),
    )
    rate = (
        np.exp(-5.45 + 0.4 * need)
        * rng.gamma(0.8, 1.25, len(who)).astype(np.float32)[:, None]
        * (age >= 10)
        * w.here(who)
    )
    row, _, day2 = w.occur(rng, who, np.minimum(rate, 1.0))
    m = len(row)
    group2 = w.log.new_groups(m)
    index2 = np.minimum(np.searchsorted(np.cumsum(_SHARES) / sum(_SHARES), rng.random(m)), len(_SHARES) - 1)
    index2[index2 == CATEGORIES.index("drugs")] = 0
    minute2 = _minutes(rng, m)
    w.log.add(
        "incident_victim",
        who[row],
        day2,
        code=labels.gather(index2),
        lag=lag(rng, m, 2.0),
        group=group2,
        minute=minute2,
    )
    seen = np.flatnonzero(rng.random(m) < 0.3)
    witness = rng.choice(who, len(seen))
    ok = (
        (w.since[witness] <= day2[seen])
        & (w.gone[witness] > day2[seen])
        & (day2[seen] - f.birth[witness] > 12 * p.YEAR)
    )
    seen, witness = seen[ok], witness[ok]
    w.log.add(
        "incident_witness",
        witness,
        day2[seen],
        code=labels.gather(index2[seen]),
        lag=lag(rng, len(seen), 3.0),
        group=group2[seen],
        minute=minute2[seen],
    )


def _youth(w: World) -> None:
    rng = w.rng("youth justice")
    f = w.folk
    who = np.flatnonzero((f.birth > w.months[0] - 18 * p.YEAR) & (f.birth < w.end - 10 * p.YEAR) & (w.since < p.NEVER))
    age, need = w.age(who), w.need[who]
    prone = rng.gamma(0.4, 2.5, len(who)).astype(np.float32)
    rate = np.exp(-7.6 + 0.85 * need + 0.4 * (np.clip(age, 10, 17) - 14) + 0.9 * ~f.female[who, None]) * prone[:, None]
    rate *= (age >= 10) & (age < 17.9) & w.here(who)
    row, month, day = w.occur(rng, who, np.minimum(rate, 1.0))
    ok = day < f.birth[who[row]] + int(18 * p.YEAR)
    row, month, day = row[ok], month[ok], day[ok]
    n = len(row)
    group = w.log.new_groups(n)
    w.log.add(
        "offence",
        who[row],
        day,
        code=choose(rng, CATEGORIES, (30, 18, 5, 14, 2, 1, 14, 10, 6), n),
        value=rng.choice([2.0, 3.0, 4.0, 5.0, 6.0, 7.0], n, p=[0.25, 0.35, 0.2, 0.1, 0.07, 0.03]),
        lag=lag(rng, n, 9.0),
        group=group,
        minute=_minutes(rng, n),
    )
    w.mark("offence", who[row], month, f.count)
    served = np.flatnonzero(rng.random(n) < 0.55)
    start = day[served] + rng.integers(14, 120, len(served))
    w.log.add(
        "yjs_intervention",
        who[row[served]],
        start,
        end=start + rng.integers(60, 330, len(served)),
        code=choose(
            rng,
            ("out_of_court", "referral_order", "youth_rehabilitation_order", "custody"),
            (0.55, 0.3, 0.12, 0.03),
            len(served),
        ),
        lag=lag(rng, len(served), 5.0),
        group=group[served],
    )
