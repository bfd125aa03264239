"""Families: who there is, who is whose parent, partner or twin, and when homes came together or apart.

Households are drawn as they stand at the end; what happened before (a separation, a new partner, a child who left home)
is laid behind them, so that everyone's history leads to where they are. Days are whole numbers since 1970; NEVER is a
day after all others. Where people live is settled in `synthetic.homes`, what they are called in `synthetic.identity`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from synthetic.frames import part
from synthetic.names import ORIGIN_SHARE, ORIGINS

NEVER = 10_000_000
NOBODY = -1
YEAR = 365.25

# kinds of unit: people who live and move together
SINGLE, PENSIONER, COUPLE, OLD_COUPLE, FAMILY, STEP, LONE, GROWN, THREE, HMO, STUDENTS, CARE, HOSTEL, REFUGE, FORMER = (
    range(15)
)
_SHARE = {
    SINGLE: 0.175,
    PENSIONER: 0.14,
    COUPLE: 0.165,
    OLD_COUPLE: 0.1,
    FAMILY: 0.19,
    STEP: 0.03,
    LONE: 0.08,
    GROWN: 0.08,
    THREE: 0.022,
    HMO: 0.018,
    STUDENTS: 0.01,
}
# roles within a unit
HEAD, PARTNER, CHILD, ADULT_CHILD, GRANDPARENT, OTHER = range(6)


@dataclass
class Folk:
    """People and units as arrays; a person's number is their position.

    `spells` are (person, unit, from, to): which unit a person belongs to and when; `gaps` are times away from it
    (person, unit or NOBODY for no fixed address, from, to).
    """

    unit: np.ndarray
    role: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    female: np.ndarray
    origin: np.ndarray
    mother: np.ndarray
    father: np.ndarray
    partner: np.ndarray
    partner_from: np.ndarray
    partner_to: np.ndarray
    step: np.ndarray  # step-parent of a child
    step_from: np.ndarray
    twin: np.ndarray
    married: np.ndarray
    adopted_on: np.ndarray
    adopted_by: np.ndarray  # a parent who adopted the child; their partner is the other
    unit_kind: np.ndarray
    unit_start: np.ndarray
    unit_end: np.ndarray
    frailty: np.ndarray  # of a unit, standard normal
    spells: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    gaps: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    separations: tuple[np.ndarray, np.ndarray, np.ndarray] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    )  # who stayed, who left, when

    @property
    def count(self) -> int:
        return len(self.birth)

    def units(self) -> int:
        return len(self.unit_kind)


def build(people: int, seed: int, start: int, until: int) -> Folk:
    """`people` people in units, with histories from day `start`. Ages are drawn as at day `until`."""
    rng = part(seed, "families")
    kind, head_age, youngest, size, has_partner, kids, grown, grand = _units(rng, people)
    unit = np.repeat(np.arange(len(kind)), size)[:people]
    kinds = kind[: unit[-1] + 1]
    first = np.concatenate([[0], np.cumsum(size)])[: len(kinds)]
    pos = np.arange(len(unit)) - first[unit]
    role = _roles(pos, has_partner[unit], kids[unit], grown[unit], grand[unit])
    count = len(unit)
    k = kind[unit]

    age = np.empty(count)
    head = role == HEAD
    age[head] = head_age[unit[head]]
    female = rng.random(count) < 0.5
    old = (k == PENSIONER) | (k == CARE)
    female[old] = rng.random(old.sum()) < 0.66
    female[head & (k == LONE)] = rng.random((head & (k == LONE)).sum()) < 0.88
    female[head & np.isin(k, (FAMILY, STEP, GROWN, THREE, COUPLE, OLD_COUPLE))] = True
    female[head & (k == HOSTEL)] = rng.random((head & (k == HOSTEL)).sum()) < 0.25

    # children: the youngest's age and gaps between births; no gap is a twin
    child = role == CHILD
    rank = pos - 1 - has_partner[unit]  # 0 is the youngest
    gap = np.where(rng.random(count) < 0.042, 0.0, 1.1 + rng.gamma(2.0, 0.9, count))
    gap[~child | (rank == 0)] = 0.0
    total = np.cumsum(gap)
    base = np.zeros(len(kinds))
    has_kids = np.flatnonzero(kids[: len(kinds)] > 0)
    at = np.minimum(first[has_kids] + 1 + has_partner[has_kids], count - 1)
    base[has_kids] = total[at]
    age[child] = youngest[unit[child]] + total[child] - base[unit[child]]
    twin = np.full(count, NOBODY)
    pair = np.flatnonzero(child & (rank > 0) & (gap == 0.0))
    twin[pair] = pair - 1
    same = rng.random(len(pair)) < 0.65
    female[pair[same]] = female[pair[same] - 1]

    # parents: old enough for the eldest child
    eldest = np.zeros(len(kinds))
    np.maximum.at(eldest, unit[child], age[child])
    mum = head & np.isin(k, (FAMILY, STEP, LONE, THREE))
    age[mum] = eldest[unit[mum]] + np.clip(rng.normal(26.5, 5.2, mum.sum()), 16.5, 43)
    mate = role == PARTNER
    age[mate] = np.clip(age[first[unit[mate]]] + rng.normal(2.3, 3.8, mate.sum()), 18.5, 100)
    age[mate] = np.maximum(age[mate], eldest[unit[mate]] + 17)
    female[mate] = ~female[first[unit[mate]]]
    same_sex = mate & np.isin(k, (COUPLE, OLD_COUPLE)) & (rng.random(count) < 0.025)
    female[same_sex] = female[first[unit[same_sex]]]
    adult_child = role == ADULT_CHILD
    age[adult_child] = np.clip(
        age[first[unit[adult_child]]] - rng.uniform(19, 36, adult_child.sum()),
        18.1,
        age[first[unit[adult_child]]] - 16.5,
    )
    np.maximum.at(eldest, unit[adult_child], age[adult_child])
    age[mate] = np.maximum(age[mate], eldest[unit[mate]] + 17)
    elder = role == GRANDPARENT
    age[elder] = age[first[unit[elder]]] + rng.uniform(19, 36, elder.sum())
    female[elder] = rng.random(elder.sum()) < 0.6
    other = role == OTHER
    o = k[other]
    age[other] = np.select(
        [o == STUDENTS, o == CARE, o == HOSTEL],
        [rng.uniform(18.2, 23, len(o)), np.clip(rng.normal(85, 7, len(o)), 66, 103), rng.uniform(18.5, 62, len(o))],
        18.5 + rng.gamma(2.2, 7.5, len(o)),
    )
    birth = (until - np.round(age * YEAR)).astype(np.int64)
    birth[pair] = birth[pair - 1]
    for _ in range(3):  # triplets take their birthday from the same sibling
        birth[pair] = birth[pair - 1]

    origin_of_unit = rng.choice(len(ORIGINS), len(kinds), p=ORIGIN_SHARE / ORIGIN_SHARE.sum())
    many = np.isin(kinds, (FAMILY, THREE)) & (rng.random(len(kinds)) < 0.05)
    origin_of_unit[many] = rng.choice([3, 4, 11], many.sum(), p=[0.55, 0.3, 0.15])
    three = (kinds == THREE) & (rng.random(len(kinds)) < 0.55)
    origin_of_unit[three] = rng.choice([3, 4, 5, 6], three.sum())
    origin = origin_of_unit[unit]
    lone_wolves = (other & np.isin(k, (HMO, HOSTEL, CARE, STUDENTS))) | (mate & (rng.random(count) < 0.08))
    origin[lone_wolves] = rng.choice(len(ORIGINS), lone_wolves.sum(), p=ORIGIN_SHARE / ORIGIN_SHARE.sum())

    mother = np.full(count, NOBODY)
    father = np.full(count, NOBODY)
    partner = np.full(count, NOBODY)
    partner[mate] = first[unit[mate]]
    partner[first[unit[mate]]] = np.flatnonzero(mate)
    born_here = child | adult_child
    heads = first[unit]
    _set_parent(mother, father, female, born_here, heads)
    two = born_here & (partner[heads] != NOBODY) & (k != STEP)
    _set_parent(mother, father, female, two, partner[heads])
    # grandparents: of the partner (60%) or of the head
    of_mate = rng.random(count) < 0.6
    kid = np.where(of_mate & (partner[heads] != NOBODY), partner[heads], heads)
    kid = kid[first[unit]]  # grandparents of one unit are a couple
    fits = elder & (birth + 17 * YEAR < birth[kid])
    mother[kid[fits & female]] = np.flatnonzero(fits & female)
    father[kid[fits & ~female]] = np.flatnonzero(fits & ~female)

    folk = Folk(
        unit=unit,
        role=role,
        birth=birth,
        death=np.full(count, NEVER),
        female=female,
        origin=origin,
        mother=mother,
        father=father,
        partner=partner,
        partner_from=np.full(count, NEVER),
        partner_to=np.full(count, NEVER),
        step=np.full(count, NOBODY),
        step_from=np.full(count, NEVER),
        twin=twin,
        married=np.zeros(count, dtype=bool),
        adopted_on=np.full(count, NEVER),
        adopted_by=np.full(count, NOBODY),
        unit_kind=kinds.copy(),
        unit_start=np.full(len(kinds), -NEVER),
        unit_end=np.full(len(kinds), NEVER),
        frailty=rng.standard_normal(len(kinds)),
    )
    _histories(folk, part(seed, "histories"), start, until)
    return folk


def _units(rng: np.random.Generator, people: int) -> tuple[np.ndarray, ...]:
    count = people // 2 + 50
    kind = rng.choice(list(_SHARE), count, p=np.array(list(_SHARE.values())) / sum(_SHARE.values()))
    care, hostels, _ = institutions(people)
    kind = np.concatenate([np.full(care, CARE), np.full(hostels, HOSTEL), kind])
    n = len(kind)

    def pick(of: int, values: np.ndarray) -> np.ndarray:
        return np.where(kind == of, values, 0)

    head_age = np.select(
        [
            kind == PENSIONER,
            kind == OLD_COUPLE,
            kind == GROWN,
            kind == STUDENTS,
            kind == CARE,
            kind == HOSTEL,
            kind == SINGLE,
        ],
        [
            65 + rng.gamma(2.2, 6.6, n).clip(0, 36),
            64 + rng.gamma(1.9, 5.5, n).clip(0, 32),
            rng.uniform(44, 74, n),
            rng.uniform(18.2, 23, n),
            rng.normal(85, 7, n).clip(66, 103),
            rng.uniform(18.5, 62, n),
            19 + 46 * rng.beta(1.2, 1.1, n),
        ],
        20 + 44 * rng.beta(1.5, 1.1, n),
    )
    with_kids = np.isin(kind, (FAMILY, STEP, LONE, THREE))
    kids = np.where(with_kids, 1 + rng.binomial(5, np.where(kind == LONE, 0.14, 0.185)), 0)
    kids = np.where(np.isin(kind, (GROWN,)) & (rng.random(n) < 0.12), 0, kids)
    youngest = np.clip(rng.uniform(-0.1, 16.0, n), -0.09, 17)
    grown = pick(GROWN, 1 + (rng.random(n) < 0.25))
    grand = pick(THREE, 1 + (rng.random(n) < 0.4))
    has_partner = np.isin(kind, (COUPLE, OLD_COUPLE, FAMILY, STEP)) | (
        np.isin(kind, (GROWN, THREE)) & (rng.random(n) < 0.75)
    )
    others = pick(HMO, rng.integers(2, 6, n)) + pick(STUDENTS, rng.integers(2, 6, n))
    others += pick(CARE, rng.integers(18, 42, n)) + pick(HOSTEL, rng.integers(6, 16, n))
    size = 1 + has_partner + kids + grown + grand + others
    return kind, head_age, youngest, size, has_partner.astype(np.int64), kids, grown, grand


def institutions(people: int) -> tuple[int, int, int]:
    """Care homes, hostels and refuges in a borough of so many people."""
    return max(1, round(people / 8_000)), max(1, round(people / 20_000)), max(1, round(people / 60_000))


def _roles(pos: np.ndarray, mate: np.ndarray, kids: np.ndarray, grown: np.ndarray, grand: np.ndarray) -> np.ndarray:
    after = pos - 1 - mate
    return np.select(
        [pos == 0, (pos == 1) & (mate == 1), after < kids, after < kids + grown, after < kids + grown + grand],
        [HEAD, PARTNER, CHILD, ADULT_CHILD, GRANDPARENT],
        OTHER,
    )


def _set_parent(
    mother: np.ndarray, father: np.ndarray, female: np.ndarray, who: np.ndarray, parent: np.ndarray
) -> None:
    f = who & female[parent]
    mother[f] = parent[f]
    m = who & ~female[parent]
    father[m] = parent[m]


def _append_units(folk: Folk, kind: int, of: np.ndarray, start: np.ndarray | int) -> np.ndarray:
    """New units, as frail as those they come from; their numbers."""
    new = folk.units() + np.arange(len(of))
    folk.unit_kind = np.concatenate([folk.unit_kind, np.full(len(of), kind)])
    folk.unit_start = np.concatenate([folk.unit_start, np.broadcast_to(start, len(of))])
    folk.unit_end = np.concatenate([folk.unit_end, np.full(len(of), NEVER)])
    folk.frailty = np.concatenate([folk.frailty, folk.frailty[folk.unit[of]]])
    return new


def _histories(folk: Folk, rng: np.random.Generator, start: int, until: int) -> None:
    n = folk.count
    age = (until - folk.birth) / YEAR
    kind = folk.unit_kind[folk.unit]
    joined = np.full(n, -NEVER)  # since when in the unit they end in
    free = (kind == SINGLE) & (folk.role == HEAD)
    window = until - start

    _partnerships(folk, rng, until, age)
    _part_ways(folk, rng, start, until, age, free, joined)
    _step_families(folk, rng, start, until, age, free, joined)
    _leave_home(folk, rng, start, until, age, joined)

    # people who came to care homes, shared houses and hostels, and where they lived before
    kind = folk.unit_kind[folk.unit]
    stays_long = {CARE: 2.2, HMO: 1.6, STUDENTS: 1.2, HOSTEL: 0.6}
    mean = np.select([kind == c for c in stays_long], list(stays_long.values()), 0.0)
    came = np.flatnonzero((mean > 0) & (joined == -NEVER))
    since = until - (rng.exponential(mean[came]) * YEAR).astype(np.int64) - 5
    inside = since > start
    came, since = came[inside], since[inside]
    joined[came] = since
    before = rng.random(len(came)) < np.where(kind[came] == CARE, 0.9, 0.5)
    who, when = came[before], since[before]
    unit = _append_units(folk, FORMER, who, -NEVER)
    folk.spells.append((who, unit, np.full(len(who), -NEVER), when))

    # families that moved into the borough, and out of it
    units = folk.units()
    solo = ~np.isin(folk.unit_kind, (HMO, CARE, HOSTEL, STUDENTS, REFUGE, FORMER))
    linked = np.zeros(units, dtype=bool)
    for person, unit_of, _, _ in folk.spells:
        linked[unit_of] = True
        linked[folk.unit[person]] = True
        mine = folk.unit[person]  # who left another's home begins the unit that they lead, on that day
        lead = (folk.role[person] == HEAD) & np.isin(folk.unit_kind[mine], (SINGLE, COUPLE)) & (joined[person] > start)
        folk.unit_start[mine[lead]] = joined[person][lead]
    arrived = np.flatnonzero(solo & ~linked & (rng.random(units) < 0.14))
    folk.unit_start[arrived] = start + rng.integers(0, window, len(arrived))
    leaving = np.flatnonzero(solo & ~linked & (folk.unit_start < start) & (rng.random(units) < 0.1))
    folk.unit_end[leaving] = start + rng.integers(30, window + 30, len(leaving))

    folk.death = _deaths(folk, rng, start, until)
    folk.spells.append((np.arange(n), folk.unit, np.maximum(joined, folk.birth), np.full(n, NEVER)))
    _adoptions(folk, rng, start, until, age)
    _away(folk, rng, start, until)


def _partnerships(folk: Folk, rng: np.random.Generator, until: int, age: np.ndarray) -> None:
    """When couples formed and whether they married."""
    lead = np.flatnonzero((folk.partner != NOBODY) & (folk.role == HEAD))
    mate = folk.partner[lead]
    eldest = np.full(folk.count, NEVER)
    kids = np.flatnonzero((folk.mother != NOBODY) & (folk.role == CHILD))
    np.minimum.at(eldest, folk.mother[kids], folk.birth[kids])
    young = np.minimum(age[lead], age[mate])
    formed = until - (YEAR * (young - 18) * rng.beta(2.5, 1.4, len(lead))).astype(np.int64)
    formed = np.minimum(formed, np.minimum(eldest[lead], eldest[mate]) - rng.integers(200, 1500, len(lead)))
    formed = np.maximum(formed, np.maximum(folk.birth[lead], folk.birth[mate]) + int(16.5 * YEAR))
    folk.partner_from[lead] = folk.partner_from[mate] = formed
    married = rng.random(len(lead)) < np.clip(
        0.25 + young / 100 + np.isin(folk.origin[lead], (3, 4, 5, 6)) * 0.3, 0, 0.95
    )
    folk.married[lead] = folk.married[mate] = married


def _part_ways(
    folk: Folk,
    rng: np.random.Generator,
    start: int,
    until: int,
    age: np.ndarray,
    free: np.ndarray,
    joined: np.ndarray,
) -> None:
    """Lone parents whose other parent lives elsewhere in the borough, alone; half of them parted within the window."""
    lone = np.flatnonzero((folk.unit_kind[folk.unit] == LONE) & (folk.role == HEAD) & folk.female)
    men = np.flatnonzero(free & ~folk.female)
    lone = rng.permutation(lone)[: int(0.6 * len(lone))]
    men = rng.permutation(men)[: len(lone)]
    lone = lone[: len(men)]
    lone = lone[np.argsort(age[lone], kind="stable")]
    men = men[np.argsort(age[men], kind="stable")]
    eldest = np.zeros(folk.units())
    kids = np.flatnonzero(folk.role == CHILD)
    np.maximum.at(eldest, folk.unit[kids], age[kids])
    fits = (age[men] > eldest[folk.unit[lone]] + 16.5) & (np.abs(age[men] - age[lone]) < 12)
    lone, men = lone[fits], men[fits]
    same = rng.random(len(lone)) < 0.9
    folk.origin[men[same]] = folk.origin[lone[same]]
    of = np.full(folk.units(), NOBODY)
    of[folk.unit[lone]] = men
    folk.father[kids] = np.where(of[folk.unit[kids]] != NOBODY, of[folk.unit[kids]], folk.father[kids])
    free[men] = False
    when = np.where(
        rng.random(len(lone)) < 0.55,
        rng.integers(start + 20, until - 10, len(lone)),
        start - rng.integers(30, 2500, len(lone)),
    )
    formed = until - (YEAR * (eldest[folk.unit[lone]] + rng.uniform(0.8, 4, len(lone)))).astype(np.int64)
    when = np.maximum(when, formed + 200)
    folk.partner_from[lone] = folk.partner_from[men] = formed
    folk.partner_to[lone] = folk.partner_to[men] = when
    married = rng.random(len(lone)) < 0.45
    folk.married[lone] = folk.married[men] = married
    folk.partner[lone], folk.partner[men] = men, lone
    folk.separations = (lone, men, when)
    now = (when > start) & (when < until)
    lone, men, when = lone[now], men[now], when[now]
    folk.spells.append((men, folk.unit[lone], np.full(len(men), -NEVER), when))
    joined[men] = when
    folk.unit_start[folk.unit[men]] = when


def _step_families(
    folk: Folk,
    rng: np.random.Generator,
    start: int,
    until: int,
    age: np.ndarray,
    free: np.ndarray,
    joined: np.ndarray,
) -> None:
    """New partners who joined a parent and children; the other parent may live elsewhere in the borough."""
    mate = np.flatnonzero((folk.unit_kind[folk.unit] == STEP) & (folk.role == PARTNER))
    lead = folk.partner[mate]
    when = until - (rng.exponential(4.0, len(mate)) * YEAR).astype(np.int64) - 40
    when = np.maximum(when, np.maximum(folk.birth[mate], folk.birth[lead]) + int(18.2 * YEAR))
    folk.partner_from[mate] = folk.partner_from[lead] = when
    folk.married[mate] = folk.married[lead] = rng.random(len(mate)) < 0.4
    kids = np.flatnonzero((folk.unit_kind[folk.unit] == STEP) & (folk.role == CHILD))
    by_unit = np.full(folk.units(), NOBODY)
    by_unit[folk.unit[mate]] = mate
    theirs = by_unit[folk.unit[kids]]
    kids, theirs = kids[theirs != NOBODY], theirs[theirs != NOBODY]
    own = folk.birth[kids] > folk.partner_from[theirs] + 250
    folk.father[kids[own & ~folk.female[theirs]]] = theirs[own & ~folk.female[theirs]]
    stepped = ~own
    folk.step[kids[stepped]] = theirs[stepped]
    folk.step_from[kids[stepped]] = np.maximum(folk.partner_from[theirs[stepped]], folk.birth[kids[stepped]])
    # the other parent
    men = rng.permutation(np.flatnonzero(free & ~folk.female))[: int(0.4 * len(lead))]
    with_kids = lead[: len(men)]
    men = men[np.argsort(age[men], kind="stable")]
    with_kids = with_kids[np.argsort(age[with_kids], kind="stable")]
    eldest = np.zeros(folk.units())
    np.maximum.at(eldest, folk.unit[kids], age[kids])
    fits = (age[men] > eldest[folk.unit[with_kids]] + 16.5) & (np.abs(age[men] - age[with_kids]) < 14)
    men, with_kids = men[fits], with_kids[fits]
    of = np.full(folk.units(), NOBODY)
    of[folk.unit[with_kids]] = men
    absent = (folk.father[kids] == NOBODY) & (of[folk.unit[kids]] != NOBODY)
    folk.father[kids[absent]] = of[folk.unit[kids[absent]]]
    free[men] = False
    now = (when > start) & (when < until)
    who, at = mate[now], when[now]
    unit = _append_units(folk, FORMER, who, -NEVER)
    folk.spells.append((who, unit, np.full(len(who), -NEVER), at))
    joined[who] = at


def _leave_home(
    folk: Folk,
    rng: np.random.Generator,
    start: int,
    until: int,
    age: np.ndarray,
    joined: np.ndarray,
) -> None:
    """Young adults whose parents live in the borough; some left home within the window."""
    kind = folk.unit_kind[folk.unit]
    young = np.flatnonzero(
        (age > 18.5)
        & (age < 29)
        & np.isin(kind, (SINGLE, COUPLE, HMO, STUDENTS))
        & (folk.role != PARTNER)
        & (folk.mother == NOBODY)
        & (folk.father == NOBODY)
        & (joined == -NEVER)
        & (folk.partner_to == NEVER)
        & (rng.random(folk.count) < 0.5)
    )
    homes = np.flatnonzero(
        (folk.role == HEAD)
        & np.isin(kind, (COUPLE, FAMILY, LONE, GROWN, SINGLE))
        & (age > 38)
        & (age < 68)
        & folk.female
    )
    if not len(young) or not len(homes):
        return
    homes = homes[np.lexsort((age[homes], folk.origin[homes]))]
    key = folk.origin[homes] * 1000 + age[homes]
    wanted = folk.origin[young] * 1000 + age[young] + rng.uniform(20, 36, len(young))
    parent = homes[np.minimum(np.searchsorted(key, wanted), len(homes) - 1)]
    apart = age[parent] - age[young]
    fits = (
        (folk.origin[parent] == folk.origin[young])
        & (apart > 17)
        & (apart < 43)
        & (folk.unit[parent] != folk.unit[young])
    )
    young, parent = young[fits], parent[fits]
    folk.mother[young] = parent
    mate = folk.partner[parent]
    ok = (
        (mate != NOBODY)
        & ~folk.female[mate]
        & (age[np.maximum(mate, 0)] - age[young] > 17)
        & (folk.partner_to[parent] == NEVER)
    )
    folk.father[young[ok]] = mate[ok]
    when = folk.birth[young] + (YEAR * rng.uniform(18.2, 24, len(young))).astype(np.int64)
    now = (when > start) & (when < until - 10)
    young, parent, when = young[now], parent[now], when[now]
    mates = folk.partner[young]
    with_mate = mates != NOBODY  # who left home for a first home together: their partner lived elsewhere till then
    mates = mates[with_mate]
    when[with_mate] = np.maximum(when[with_mate], folk.birth[mates] + int(18.2 * YEAR))
    joined[young], joined[mates] = when, when[with_mate]
    for pair in (young[with_mate], mates):
        folk.partner_from[pair] = np.minimum(folk.partner_from[pair], when[with_mate])
    folk.spells.append((young, folk.unit[parent], np.full(len(young), -NEVER), when))
    former = _append_units(folk, FORMER, mates, -NEVER)
    folk.spells.append((mates, former, np.full(len(mates), -NEVER), when[with_mate]))


def _deaths(folk: Folk, rng: np.random.Generator, start: int, until: int) -> np.ndarray:
    """Deaths within the window by Gompertz's law; twice as likely each year in a care home."""
    horizon = (until + 40 - start) / YEAR
    age = np.maximum((start - folk.birth) / YEAR, 0.0)
    b = 0.094
    a = np.where(folk.female, 2.3e-5, 3.2e-5) * np.exp(0.25 * folk.frailty[folk.unit])
    a = a * np.where(folk.unit_kind[folk.unit] == CARE, 2.0, 1.0)
    u = -np.log(rng.random(folk.count))
    years = np.log1p(u * b / (a * np.exp(b * age))) / b
    day = start + (years * YEAR).astype(np.int64)
    infant = (folk.birth > start) & (rng.random(folk.count) < 0.003)
    day[infant] = folk.birth[infant] + rng.integers(0, 60, infant.sum())
    # a parent of a child born within the window lives to see the birth
    for parent in (folk.mother, folk.father):
        known = np.flatnonzero(parent != NOBODY)
        last = np.full(folk.count, -NEVER)
        np.maximum.at(last, parent[known], folk.birth[known])
        day = np.where(day <= last, NEVER, day)
    return np.where((years < horizon) | infant, np.maximum(day, folk.birth), NEVER)


def _adoptions(folk: Folk, rng: np.random.Generator, start: int, until: int, age: np.ndarray) -> None:
    """A few children of couples were adopted within the window and lived with their birth mother before."""
    kid = np.flatnonzero(
        (folk.unit_kind[folk.unit] == FAMILY) & (folk.role == CHILD) & (age > 2.2) & (age < 9) & (folk.twin == NOBODY)
    )
    is_twin = np.isin(kid, folk.twin)
    kid = kid[~is_twin & (rng.random(len(kid)) < 0.008)]
    lone = np.flatnonzero(
        (folk.role == HEAD) & np.isin(folk.unit_kind[folk.unit], (LONE, SINGLE)) & folk.female & (age > 24) & (age < 46)
    )
    lone = lone[
        (folk.unit_start[folk.unit[lone]] < start)
        & (folk.unit_end[folk.unit[lone]] == NEVER)
        & (folk.death[lone] == NEVER)
    ]
    if not len(kid) or not len(lone):
        return
    birth_mother = rng.choice(lone, len(kid))
    fits = (age[birth_mother] - age[kid] > 16) & (age[birth_mother] - age[kid] < 44)
    kid, birth_mother = kid[fits], birth_mother[fits]
    on = np.maximum(folk.birth[kid] + 420, start + 60) + rng.integers(0, 200, len(kid))
    ok = (on < until - 20) & (folk.unit_start[folk.unit[kid]] < start)
    kid, birth_mother, on = kid[ok], birth_mother[ok], on[ok]
    folk.adopted_by[kid] = np.where(folk.mother[kid] != NOBODY, folk.mother[kid], folk.father[kid])
    folk.adopted_on[kid] = on
    folk.mother[kid], folk.father[kid] = birth_mother, NOBODY
    folk.origin[kid] = folk.origin[birth_mother]
    placed = on - rng.integers(120, 330, len(kid))
    who, unit, since, to = folk.spells[-1]
    since = since.copy()
    since[kid] = np.maximum(placed, folk.birth[kid] + 30)
    folk.spells[-1] = (who, unit, since, to)
    folk.spells.append((kid, folk.unit[birth_mother], folk.birth[kid], since[kid]))


def _away(folk: Folk, rng: np.random.Generator, start: int, until: int) -> None:
    """Times away from home: a refuge after a separation, no fixed address, a hostel."""
    units = folk.units()
    refuge = units + np.arange(institutions(folk.count)[2])
    folk.unit_kind = np.concatenate([folk.unit_kind, np.full(len(refuge), REFUGE)])
    folk.unit_start = np.concatenate([folk.unit_start, np.full(len(refuge), -NEVER)])
    folk.unit_end = np.concatenate([folk.unit_end, np.full(len(refuge), NEVER)])
    folk.frailty = np.concatenate([folk.frailty, np.zeros(len(refuge))])
    stayed, _, when = folk.separations
    now = (when > start) & (when < until - 60)
    chosen = np.flatnonzero(now & ((rng.random(len(stayed)) < 0.06) | (np.cumsum(now) <= 2)))
    into = np.full(units, -1)
    until_day = np.zeros(units, dtype=np.int64)
    since_day = np.zeros(units, dtype=np.int64)
    u = folk.unit[stayed[chosen]]
    into[u] = rng.choice(refuge, len(u))
    since_day[u] = when[chosen]
    until_day[u] = when[chosen] + rng.integers(40, 240, len(u))
    who = np.flatnonzero((into[folk.unit] >= 0) & (folk.birth < since_day[folk.unit]) & (folk.adopted_on == NEVER))
    folk.gaps.append((who, into[folk.unit[who]], since_day[folk.unit[who]], until_day[folk.unit[who]]))

    busy = np.zeros(folk.count, dtype=bool)
    busy[who] = True
    for person, _, _, _ in folk.spells[:-1]:
        if len(person) < folk.count:
            busy[person] = True
    hostels = np.flatnonzero(folk.unit_kind == HOSTEL)
    kind = folk.unit_kind[folk.unit]
    adults = (
        np.isin(kind, (SINGLE, HMO)) & (folk.birth < start - 18 * YEAR) & ~busy & (folk.unit_end[folk.unit] == NEVER)
    )
    lost = np.flatnonzero(adults & (rng.random(folk.count) < 0.045 * np.exp(0.7 * folk.frailty[folk.unit])))
    at = rng.integers(start + 10, until - 20, len(lost))
    lasts = 30 + (rng.exponential(120, len(lost))).astype(np.int64)
    where = np.where(rng.random(len(lost)) < 0.4, rng.choice(hostels, len(lost)), NOBODY)
    folk.gaps.append((lost, where, at, at + lasts))
