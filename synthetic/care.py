"""Children's social care: the true hazard of becoming a child in need, and what follows; early help; what children say.

The hazard depends on need now and in the six months before, and on what other services have seen: absence,
exclusions, missing episodes, abuse at home, drugs, debts, homelessness, self-harm; some count only together. It is
kept month by month, so that a model can be compared with the best possible one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic.frames import LATENT
from synthetic.homes import interrupt
from synthetic.world import World, children_of, choose, fan_out, lag, recent

HORIZON = 9  # months
_YEARLY = 0.051  # children of school age who become a child in need by themselves, a year; siblings add some
_SPREAD = 1.53  # standard deviation of the log hazard among them
PLACEMENTS = {1: "U1", 2: "U4", 3: "K2", 4: "P1", 5: "H5"}
SOURCES = (
    "1A",
    "1B",
    "1C",
    "1D",
    "2A",
    "2B",
    "3A",
    "3B",
    "3C",
    "3D",
    "3E",
    "3F",
    "4",
    "5A",
    "5B",
    "5C",
    "5D",
    "6",
    "7",
    "8",
    "9",
    "10",
)
VOICE: dict[str, tuple[tuple[str, str], ...]] = {
    "worries": (
        ("child", "I get scared when there is shouting at night."),
        ("child", "I worry about Mum when I am at school."),
        ("child", "I don't like it when new people come to the house."),
        ("family", "He has been very quiet since we moved."),
        ("child", "Nobody asks me what I want."),
        ("child", "I am worried that I will have to change school again."),
    ),
    "story": (
        ("child", "My worker listened to all of it and wrote it down with me."),
        ("child", "I had to tell it again to somebody new."),
        ("practitioner", "She drew her family and put herself at the edge of the page."),
        ("child", "I didn't want to talk about that today."),
    ),
    "worker": (
        ("child", "She comes when she says she will."),
        ("child", "I have had three workers this year."),
        ("child", "I would like to see him without my brother there."),
        ("family", "We know who to ring now."),
    ),
    "plan": (
        ("child", "I know what the plan is and I think it keeps me safe."),
        ("child", "I wasn't at the meeting."),
        ("child", "I want to see my dad on Saturdays."),
        ("practitioner", "He asked for the plan to be read to him twice."),
        ("child", "It would help if Nan could come too."),
    ),
    "help": (
        ("child", "The breakfast club is good."),
        ("child", "Things are a bit better at home."),
        ("child", "I sleep better now."),
        ("family", "The parenting group helped more than I thought it would."),
        ("child", "Nothing is different yet."),
    ),
}
_TOPICS = tuple(VOICE)


@dataclass(frozen=True)
class Care:
    """Who children's services ever knew, everyone's stays once children were placed, and the truth about risk."""

    known: np.ndarray
    stays: pl.DataFrame
    fostered: np.ndarray  # child, carer, from, to
    latent: pl.DataFrame


def protect(w: World) -> Care:
    """Children's social care and early help over the months; see `Care`."""
    f = w.folk
    kids = np.flatnonzero((f.birth > w.months[0] - 18 * p.YEAR) & (f.birth < w.end) & (w.since < p.NEVER))
    age = w.age(kids)
    child = w.here(kids) & (age > -0.05) & (w.months[None, :-1] - f.birth[kids, None] < 18 * p.YEAR - 30)
    seen = _seen(w, kids)
    log_hazard = _log_hazard(w, kids, age, seen)
    hazard, opened, open_state, spells = _open_and_close(w, kids, age, child, log_hazard)
    known = np.zeros(f.count, dtype=bool)
    _contacts(w, kids, child, seen)
    stays, fostered = _casework(w, kids, spells)
    _early_help(w)
    for frame in w.log.frames:
        kind = frame["type"][0] if len(frame) else ""
        if kind in ("contact", "child_in_need", "early_help_episode"):
            known[frame["person"].to_numpy()] = True
    known[f.birth < w.months[0] - 18 * p.YEAR] = False
    return Care(known, stays, fostered, _latent(w, kids, child, hazard, opened, open_state))


def _seen(w: World, kids: np.ndarray) -> dict[str, np.ndarray]:
    """What other services saw of each child in the six months or so up to each month (children x months)."""
    f, size = w.folk, w.size

    def of(name: str, index: np.ndarray, rows: int, keep: float) -> np.ndarray:
        counts = w.marks.get(name)
        if counts is None:
            counts = np.zeros((rows, size), dtype=np.float32)
        before = np.concatenate([np.zeros((len(index), 1), np.float32), counts[index][:, :-1]], axis=1)
        return recent(before, keep)

    unit = f.unit[kids]
    debt = w.marks["council_tax_debt"][unit]
    absence = w.marks["absence"][kids]
    known_absence = np.zeros_like(absence)
    last = np.zeros(len(kids), dtype=np.float32)
    reported = np.any(w.marks["absence"] > 0, axis=0).tolist()
    for month in range(size):  # the last known term's unauthorised absence
        known_absence[:, month] = last
        if reported[month]:
            last = absence[:, month]
    return {
        "missing": of("missing", kids, f.count, 0.8),
        "exclusion": of("exclusion", kids, f.count, 0.8),
        "offence": of("offence", kids, f.count, 0.8),
        "self_harm": of("self_harm", kids, f.count, 0.8),
        "abuse": of("abuse", unit, f.units(), 0.8),
        "drugs": of("drugs", unit, f.units(), 0.85),
        "homeless": of("homeless", unit, f.units(), 0.85),
        "absence": known_absence,
        "debt": debt,
    }


def _log_hazard(w: World, kids: np.ndarray, age: np.ndarray, seen: dict[str, np.ndarray]) -> np.ndarray:
    need = w.need[kids]
    mean = need.copy()
    for back in range(1, 7):
        mean[:, back:] += need[:, :-back]
        mean[:, :back] += need[:, :1]
    mean /= 7
    missing, exclusion = np.minimum(seen["missing"], 2.5), np.minimum(seen["exclusion"], 3)
    abuse, drugs = np.minimum(seen["abuse"], 2.5), np.minimum(seen["drugs"], 2)
    homeless = np.minimum(seen["homeless"], 1)
    truant = seen["absence"] > 0.08
    out = 0.5 * mean + 0.5 * np.maximum(mean - 1.1, 0)
    out += (
        0.75 * missing
        + 0.3 * exclusion
        + 0.45 * np.minimum(seen["offence"], 2)
        + 0.8 * np.minimum(seen["self_harm"], 1.5)
    )
    out += 0.5 * abuse + 0.3 * drugs + 0.5 * homeless + 0.7 * truant + 2.0 * np.minimum(seen["absence"], 0.4)
    out += 1.0 * np.minimum(missing, 1) * np.minimum(exclusion, 1)  # neither alone says as much
    out += 1.4 * np.minimum(abuse, 1) * np.minimum(drugs, 1)
    out += 0.6 * (seen["debt"] > 600) * homeless + 0.35 * (seen["debt"] > 600)
    out += truant * (0.7 * np.minimum(abuse, 1) + 0.8 * (seen["debt"] > 400))
    out += np.interp(age, [0, 1, 4, 8, 12, 15, 18], [0.7, 0.35, 0.0, -0.1, 0.1, 0.25, -0.3])
    calendar = pl.Series(w.months[:-1].astype(np.int32)).cast(pl.Date).dt.month().to_numpy()
    out += np.where(np.isin(calendar, (8,)), -0.35, np.where(np.isin(calendar, (3, 6, 10, 11)), 0.1, 0.0))
    return out.astype(np.float32)


def _open_and_close(
    w: World, kids: np.ndarray, age: np.ndarray, child: np.ndarray, log_hazard: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Spells of being a child in need, month by month; siblings' cases often open together.

    Returns: the true hazard, who escalated, who was open at a month's start (children x months), and the spells.
    """
    rng = w.rng("social care")
    f = w.folk
    at_school = child & (age >= 5)
    # one spread of risk in every borough, so that the best possible model is about as good in each
    middle, width = log_hazard[at_school].mean(), log_hazard[at_school].std()
    log_hazard = (log_hazard - middle) * np.float32(_SPREAD / width)
    log_hazard = np.where(log_hazard > 4.5, 4.5 + 0.5 * (log_hazard - 4.5), log_hazard)
    low, high = -14.0, 0.0
    for _ in range(40):  # the level at which children of school age have the rate that the borough has
        level = (low + high) / 2
        rate = np.minimum(np.exp(level + log_hazard[at_school]), 0.25).mean()
        low, high = (level, high) if rate < _YEARLY / 12 else (low, level)
    own = np.minimum(np.exp(level + log_hazard), 0.25) * child
    unit = f.unit[kids]
    units, index = np.unique(unit, return_inverse=True)
    shared = 0.4
    spread = np.zeros((len(units), w.size), dtype=np.float32)
    np.add.at(spread, index, own)
    hazard = np.clip(own + shared * (spread[index] - own), 0, 0.3) * child
    opened = np.zeros_like(child)
    state = np.zeros_like(child)
    until = np.full(len(kids), -1)
    made: list[tuple[np.ndarray, ...]] = []
    times = np.zeros(len(kids), dtype=np.int64)
    starting = rng.random(len(kids)) < np.clip(own[:, 0] * 9, 0, 0.6)  # those whose cases were open already
    for month in range(-1, w.size):
        if month < 0:
            new = np.flatnonzero(starting & child[:, 0])
            day = w.months[0] - rng.integers(5, 400, len(new))
            day = np.maximum(day, f.birth[kids[new]] + 1)
            length = rng.lognormal(5.2, 0.75, len(new)).astype(np.int64) + 20 + (w.months[0] - day)
        else:
            state[:, month] = until > w.months[month]
            closed = until <= w.months[month]
            draw = rng.random(len(kids)) < np.where(closed, own[:, month], 0)
            together = np.zeros(len(units), dtype=bool)
            together[index[draw]] = True
            joins = together[index] & closed & child[:, month] & (rng.random(len(kids)) < shared)
            new = np.flatnonzero(draw | joins)
            days = rng.integers(0, 27, len(units))[index[new]]
            day = np.minimum(w.months[month] + days, w.months[month + 1] - 1)
            alive = (
                (day >= np.maximum(f.birth[kids[new]], w.since[kids[new]])) & (day < w.gone[kids[new]]) & (day < w.end)
            )
            new, day = new[alive], day[alive]
            opened[new, month] = True
            grave = np.clip(w.need[kids[new], month], -1, 3)
            length = (rng.lognormal(4.85 + 0.17 * grave, 0.8, len(new))).astype(np.int64) + 12
        finish = np.minimum(day + length, np.minimum(f.birth[kids[new]] + int(18 * p.YEAR), w.gone[kids[new]]))
        until[new] = finish
        made.append((new, day, finish, times[new].copy()))
        times[new] += 1
    row, day, finish, before = (np.concatenate([m[i] for m in made]) for i in range(4))
    ok = finish > day
    return hazard, opened, state, {"row": row[ok], "start": day[ok], "end": finish[ok], "before": before[ok]}


def _contacts(w: World, kids: np.ndarray, child: np.ndarray, seen: dict[str, np.ndarray]) -> None:
    """Contacts that led to nothing more: worry rises with need, but much depends on who happens to live next door."""
    rng = w.rng("contacts")
    f = w.folk
    watched = rng.gamma(0.8, 1 / 0.8, f.units()).astype(np.float32)[f.unit[kids]]
    rate = np.exp(
        -4.85 + 0.7 * w.need[kids] + 0.5 * np.minimum(seen["abuse"], 2) + 0.3 * np.minimum(seen["missing"], 2)
    )
    row, _, day = w.occur(rng, kids, np.minimum(rate * watched[:, None] * child, 0.8))
    n = len(row)
    shares = (5, 3, 4, 3, 13, 3, 2, 5, 4, 2, 6, 2, 2, 3, 2, 2, 3, 26, 2, 5, 2, 1)
    w.log.add(
        "contact",
        kids[row],
        day,
        code=choose(rng, SOURCES, shares, n),
        value=0.0,
        lag=lag(rng, n, 1.5),
        minute=rng.integers(540, 1020, n),
    )


def _casework(w: World, kids: np.ndarray, spells: dict[str, np.ndarray]) -> tuple[pl.DataFrame, np.ndarray]:
    """Contact, assessment, enquiry, plan and care of each spell; children looked after move to their carers."""
    rng = w.rng("casework")
    f = w.folk
    who, start, end = kids[spells["row"]], spells["start"], spells["end"]
    adopted = np.flatnonzero((f.adopted_on < p.NEVER) & (w.since < p.NEVER))
    removed = np.maximum(f.adopted_on[adopted] - rng.integers(380, 600, len(adopted)), f.birth[adopted] + 2)
    keep = ~np.isin(who, adopted)
    who = np.concatenate([who[keep], adopted])
    start, end = np.concatenate([start[keep], removed]), np.concatenate([end[keep], f.adopted_on[adopted]])
    before = np.concatenate([spells["before"][keep], np.zeros(len(adopted), np.int64)])
    is_adopted = np.arange(len(who)) >= keep.sum()
    n = len(who)
    if not n:
        return w.homes.stays, np.empty((0, 4), np.int64)
    group = w.log.new_groups(n)
    month = np.clip(w.month_of(start), 0, w.size - 1)
    need = w.need[who, month]
    shut = np.where(end < w.end, end, p.NEVER)
    shares = (4, 2, 3, 2, 17, 2, 2, 5, 4, 2, 8, 2, 2, 3, 2, 2, 5, 28, 1, 2, 1, 1)
    w.log.add(
        "contact",
        who,
        np.maximum(start - rng.integers(0, 4, n), f.birth[who]),
        code=choose(rng, SOURCES, shares, n),
        value=1.0,
        lag=lag(rng, n, 1.0, 0.02),
        group=group,
        minute=rng.integers(540, 1020, n),
    )
    planned = is_adopted | (rng.random(n) < 0.55)
    late = lag(rng, n, 3.0)
    abuse = np.minimum(recent(w.marks["abuse"], 0.85)[f.unit[who], month], 1)
    needs = np.where(
        is_adopted | (rng.random(n) < 0.5 + 0.3 * abuse),
        0,
        rng.choice([1, 2, 3, 4, 5, 6, 7, 8], n, p=[0.16, 0.08, 0.18, 0.26, 0.14, 0.03, 0.09, 0.06]),
    )
    w.log.add(
        "child_in_need",
        who,
        start,
        end=shut,
        code=pl.Series([f"N{i}" for i in range(1, 10)]).gather(needs),
        value=planned.astype(float),
        lag=late,
        group=group,
    )
    assessed = np.flatnonzero(is_adopted | (rng.random(n) < 0.92))
    begins = start[assessed] + rng.integers(0, 6, len(assessed))
    days = rng.gamma(9.0, 3.6, len(assessed)).clip(3, 70).round()
    done = begins + (days * 1.4).astype(np.int64)
    factors = (
        "3A|3B",
        "3B",
        "4B",
        "2B|4B",
        "1B|2B|3A",
        "10B",
        "16A|17A",
        "18B",
        "19B",
        "5A|6A",
        "21",
        "22A",
        "3A|4A|4B",
        "8B|9A",
        "20",
        "19C",
        "17A|18B",
    )
    w.log.add(
        "assessment",
        who[assessed],
        begins,
        end=np.where(done < w.end, done, p.NEVER),
        code=choose(rng, factors, range(len(factors), 0, -1), len(assessed)),
        value=days,
        lag=lag(rng, len(assessed), 3.0),
        group=group[assessed],
    )
    serious = is_adopted | (rng.random(n) < 1 / (1 + np.exp(1.35 - 0.55 * need - 0.5 * abuse)))
    s = np.flatnonzero(serious)
    s47 = start[s] + np.where(rng.random(len(s)) < 0.7, rng.integers(0, 12, len(s)), rng.integers(12, 150, len(s)))
    inside = s47 < end[s]
    s, s47 = s[inside], s47[inside]
    conference = is_adopted[s] | (rng.random(len(s)) < 0.42)
    icpc = s47 + rng.integers(8, 21, len(s))
    w.log.add(
        "section_47",
        who[s],
        s47,
        end=np.where(conference & (icpc < w.end), icpc, p.NEVER),
        code=pl.select(pl.when(pl.Series(conference)).then(pl.lit("ICPC")).otherwise(pl.lit("NFA"))).to_series(),
        lag=lag(rng, len(s), 1.5),
        group=group[s],
        minute=600,
    )
    c = conference & (rng.random(len(s)) < 0.85)
    c &= icpc < end[s]
    plan, at = s[c], icpc[c]
    over = np.minimum(end[plan], at + rng.gamma(3.0, 90.0, len(plan)).astype(np.int64) + 60)
    end_of_plan = np.where(over < w.end, over, p.NEVER)
    w.log.add(
        "child_protection_plan",
        who[plan],
        at,
        end=end_of_plan,
        code=choose(rng, ("NEG", "EMO", "PHY", "SAB", "MUL"), (48, 37, 8, 4, 3), len(plan)),
        value=np.minimum(before[plan], 3).astype(float),
        lag=lag(rng, len(plan), 2.0),
        group=group[plan],
    )
    return _looked_after(w, rng, who, start, end, group, serious, need, is_adopted)


def _looked_after(
    w: World,
    rng: np.random.Generator,
    who: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    group: np.ndarray,
    serious: np.ndarray,
    need: np.ndarray,
    is_adopted: np.ndarray,
) -> tuple[pl.DataFrame, np.ndarray]:
    f = w.folk
    taken = is_adopted | (serious & (rng.random(len(who)) < 1 / (1 + np.exp(2.2 - 0.6 * need))))
    rows = np.flatnonzero(taken)
    begins = start[rows] + np.where(is_adopted[rows], 5, rng.integers(2, 120, len(rows)))
    ends = end[rows]
    away = np.flatnonzero((begins < ends - 5) & (begins < w.end))
    rows, begins, ends = rows[away], begins[away], ends[away]
    n = len(rows)
    if not n:
        return w.homes.stays, np.empty((0, 4), np.int64)
    child = who[rows]
    years = (begins - f.birth[child]) / p.YEAR
    place = np.where(
        years > 15.8,
        rng.choice([1, 2, 3, 5], n, p=[0.2, 0.4, 0.2, 0.2]),
        rng.choice([1, 2, 3, 4], n, p=[0.22, 0.55, 0.12, 0.11]),
    )
    place = np.where(is_adopted[rows], 2, place)
    f_units = f.unit_kind[f.unit]
    carers = np.flatnonzero(
        (f.role == p.HEAD)
        & np.isin(f_units, (p.COUPLE, p.GROWN, p.FAMILY))
        & (f.birth < w.months[0] - 32 * p.YEAR)
        & (f.birth > w.months[0] - 62 * p.YEAR)
        & (w.gone == p.NEVER)
        & (w.since < w.months[0])
        & (w.homes.first[f.unit] >= 0)
        & (w.unit_need.mean(axis=1)[f.unit] < 0.2)
    )
    carers = rng.permutation(carers)[: max(3, n // 6)]
    carer = rng.choice(carers, n)
    fostered = np.isin(place, (1, 2)) & (f.unit[carer] != f.unit[child])
    w.log.add(
        "looked_after",
        child,
        begins,
        end=np.where(ends < w.end, ends, p.NEVER),
        code=choose(rng, ("C1", "C2", "E1", "V2", "J1"), (27, 33, 3, 34, 3), n),
        value=place.astype(float),
        lag=lag(rng, n, 2.0),
        other=np.where(fostered, carer, -1),
        group=group[rows],
    )
    first = np.zeros(n, dtype=bool)
    first[np.unique(child, return_index=True)[1]] = True
    moved = first & (place != 4)
    at_end = np.where(ends < w.end, ends, p.NEVER)
    # where the carers live when the child comes
    homes = w.homes.occupancy.select(carer_unit="unit", home="dwelling", a="from", b="to")
    table = pl.DataFrame({"row": np.flatnonzero(moved), "carer_unit": f.unit[carer[moved]], "at": begins[moved]})
    found = (
        table.join(homes, on="carer_unit")
        .filter(pl.col("a") <= pl.col("at"), pl.col("at") < pl.col("b"))
        .unique("row", keep="first", maintain_order=True)
    )
    dwelling = np.full(n, -1)
    dwelling[found["row"].to_numpy()] = found["home"].to_numpy()
    leaves = np.full(n, p.NEVER)
    leaves[found["row"].to_numpy()] = found["b"].to_numpy()
    placed = np.flatnonzero(moved & fostered & (dwelling >= 0))
    outside = np.flatnonzero(moved & ~fostered & (place == 3))
    stays = w.homes.stays
    for those, where in ((placed, dwelling), (outside, np.full(n, -1))):
        stays = interrupt(
            stays,
            child[those],
            f.unit[carer[those]],
            where[those],
            begins[those],
            np.minimum(at_end[those], np.where(where[those] >= 0, leaves[those], p.NEVER)),
        )
    return stays, np.stack([child[placed], carer[placed], begins[placed], at_end[placed]], axis=1)


def _early_help(w: World) -> None:
    """Families helped early: need that is raised but not grave."""
    rng = w.rng("early help")
    f = w.folk
    order, starts = children_of(w)
    families = np.flatnonzero(np.diff(starts) > 0)
    x = w.unit_need[families]
    rate = np.exp(-6.3 + 0.8 * np.clip(x, -2, 1.6) - 0.7 * np.maximum(x - 1.9, 0))
    cumulative = np.cumsum(rate.ravel(), dtype=np.float64)
    count = rng.poisson(cumulative[-1]) if len(cumulative) else 0
    cell = np.searchsorted(cumulative, np.sort(rng.random(count)) * (cumulative[-1] if len(cumulative) else 1))
    row, month = np.divmod(np.minimum(cell, max(len(cumulative) - 1, 0)), w.size)
    unit, day = families[row], w.months[month] + rng.integers(0, 28, count)
    length = rng.lognormal(5.0, 0.5, count).astype(np.int64) + 30
    group = w.log.new_groups(count)
    reason = choose(
        rng,
        (
            "parenting",
            "school_attendance",
            "mental_health",
            "housing",
            "debt",
            "domestic_abuse",
            "substance_use",
            "disability",
            "behaviour",
        ),
        (20, 14, 16, 9, 6, 12, 5, 6, 12),
        count,
    )
    at, event = fan_out(starts, unit)
    member = order[at]
    heads = np.full(f.units(), -1)
    lead = np.flatnonzero(f.role == p.HEAD)
    heads[f.unit[lead]] = lead
    member, event = np.concatenate([member, heads[unit]]), np.concatenate([event, np.arange(count)])
    adult = f.role[member] == p.HEAD
    there = (
        (w.since[member] <= day[event])
        & (w.gone[member] > day[event])
        & (adult | (day[event] < f.birth[member] + int(18 * p.YEAR)))
    )
    there &= adult | (rng.random(len(member)) < 0.85)
    member, event = member[there], event[there]
    finish = day[event] + length[event]
    w.log.add(
        "early_help_episode",
        member,
        day[event],
        end=np.where(finish < w.end, finish, p.NEVER),
        code=reason.gather(event),
        lag=lag(rng, count, 4.0)[event],
        group=group[event],
    )


def listen(w: World) -> None:
    """What children in need, their families and workers said, once or more in a spell."""
    rng = w.rng("voice")
    spells = [frame for frame in w.log.frames if len(frame) and frame["type"][0] == "child_in_need"]
    if not spells:
        return
    frame = pl.concat(spells)
    start = (frame["start"].dt.epoch("d")).to_numpy()
    end = frame["end"].dt.epoch("d").fill_null(w.end).to_numpy()
    person, group = frame["person"].to_numpy(), frame["group"].to_numpy()
    old_enough = (start - w.folk.birth[person]) > 3.5 * p.YEAR
    times = np.where(old_enough, np.minimum(rng.poisson(1.2 + (end - start) / 110), 9), 0)
    row = np.repeat(np.arange(len(frame)), times)
    day = start[row] + 7 + (rng.random(len(row)) * np.maximum(end - start - 7, 1)[row]).astype(np.int64)
    ok = day < np.minimum(end[row], w.end)
    row, day = row[ok], day[ok]
    topic = rng.integers(0, len(_TOPICS), len(row))
    sizes = np.array([len(VOICE[t]) for t in _TOPICS])
    said = (rng.random(len(row)) * sizes[topic]).astype(np.int64)
    w.log.add(
        "voice",
        person[row],
        day,
        code=pl.Series(_TOPICS).gather(topic),
        value=said.astype(float),
        lag=lag(rng, len(row), 3.0),
        group=group[row],
        minute=900,
    )


def _latent(
    w: World, kids: np.ndarray, child: np.ndarray, hazard: np.ndarray, opened: np.ndarray, state: np.ndarray
) -> pl.DataFrame:
    log_safe = np.log1p(-hazard.astype(np.float64))
    total = np.concatenate([np.zeros((len(kids), 1)), np.cumsum(log_safe, axis=1)], axis=1)
    within = np.full(hazard.shape, np.nan)
    last = w.size - HORIZON
    if last >= 0:
        within[:, : last + 1] = 1 - np.exp(total[:, HORIZON:] - total[:, : last + 1])
    row, month = np.nonzero(child)
    return pl.DataFrame(
        {
            "person": kids[row],
            "month": pl.Series(w.months[month].astype(np.int32)).cast(pl.Date),
            "need": w.need[kids[row], month].astype(np.float64).round(4),
            "hazard": hazard[row, month].astype(np.float64),
            "within_9_months": pl.Series(within[row, month], nan_to_null=True),
            "open": state[row, month],
            "escalated": opened[row, month],
        }
    ).select(pl.col(c).cast(t) for c, t in LATENT.items())
