"""Homes and money: council tax, its discounts and arrears, benefit claims, tenancies, rent arrears, homelessness."""

from __future__ import annotations

import numpy as np
import polars as pl

from synthetic import people as p
from synthetic.world import World, lag, recent, runs

_NOT_A_HOME = (p.HMO, p.STUDENTS, p.CARE, p.HOSTEL, p.REFUGE)


def bills(w: World) -> None:
    """Everything that revenues and housing write down."""
    members = _members(w)
    _council_tax(w, members)
    _tenancies(w, members)
    _benefit(w)
    _homelessness(w)


def _members(w: World) -> pl.DataFrame:
    """Who was in which home: household, dwelling, person, role, from, to, adult_from (days)."""
    home = ~np.isin(w.folk.unit_kind, _NOT_A_HOME)
    frame = w.homes.stays.filter(pl.Series(home[w.homes.stays["household"].to_numpy()]))
    person = frame["person"].to_numpy()
    role = w.folk.role[person]
    elsewhere = w.folk.unit[person] != frame["household"].to_numpy()  # a former member
    role = np.where(elsewhere & np.isin(role, (p.HEAD, p.PARTNER)), p.PARTNER, role)
    solo = elsewhere & (w.folk.unit_kind[frame["household"].to_numpy()] == p.FORMER)
    role = np.where(solo, p.HEAD, role)
    left_home = (
        elsewhere
        & ~solo
        & (w.folk.birth[person] > w.months[0] - 25 * p.YEAR)
        & np.isin(w.folk.mother[person], np.flatnonzero(w.folk.role == p.HEAD))
    )
    role = np.where(left_home, p.ADULT_CHILD, role)
    return frame.with_columns(
        role=pl.Series(role),
        adult=pl.Series(w.folk.birth[person] + int(18 * p.YEAR)),
        birth=pl.Series(w.folk.birth[person]),
    ).with_columns(adult_from=pl.max_horizontal("from", "adult"))


def _council_tax(w: World, members: pl.DataFrame) -> None:
    rng = w.rng("council tax")
    liable = (
        members.filter(pl.col("role").is_in([p.HEAD, p.PARTNER]), pl.col("adult_from") < pl.col("to"))
        .sort("household", "dwelling", "role", "person", "from")
        .unique(["household", "dwelling", "person"], keep="first", maintain_order=True)
        .with_columns(position=pl.int_range(pl.len()).over("household", "dwelling") + 1)
        .filter(pl.col("position") <= 3)
    )
    accounts = (
        liable.select("household", "dwelling")
        .unique(maintain_order=True)
        .with_columns(account=pl.Series(w.log.new_groups(liable.select("household", "dwelling").n_unique())))
    )
    liable = liable.join(accounts, on=["household", "dwelling"], maintain_order="left")
    to = liable["to"].to_numpy()
    n = len(to)
    w.log.add(
        "council_tax_liability",
        liable["person"].to_numpy(),
        liable["adult_from"].to_numpy(),
        end=np.where(to < w.end, to, p.NEVER),
        code="12",
        value=liable["position"].to_numpy().astype(float),
        lag=lag(rng, n, 12, 0.1),
        group=liable["account"].to_numpy(),
    )
    # one adult: before and after the others' time
    adults = members.filter(pl.col("adult_from") < pl.col("to")).join(accounts, on=["household", "dwelling"])
    first = liable.filter(pl.col("position") == 1).select("account", "person", a="adult_from", b="to")
    others = (
        adults.join(first.select("account", payer="person"), on="account")
        .filter(pl.col("person") != pl.col("payer"))
        .group_by("account")
        .agg(c=pl.col("adult_from").min(), d=pl.col("to").max())
    )
    first = first.join(others, on="account", how="left").sort("account")
    a, b = first["a"].to_numpy(), first["b"].to_numpy()
    c, d = first["c"].fill_null(p.NEVER).to_numpy(), first["d"].fill_null(-p.NEVER).to_numpy()
    alone = first["c"].is_null().to_numpy()
    payer, account = first["person"].to_numpy(), first["account"].to_numpy()
    draw = rng.random(len(a))
    claims = rng.random(len(a)) < 0.9
    before = ~alone & (np.minimum(c, b) - a > 90) & claims
    after = ~alone & (b - np.maximum(d, a) > 60) & (d < b) & claims
    careless = draw < 0.08  # goes on after another adult came
    false = ~alone & ~before & ~after & (b > w.months[0]) & (draw < 0.035)
    wait = rng.integers(0, 60, len(a))
    rows = [
        (alone & claims, a + wait, b, "genuine"),
        (before & ~careless, a + wait, np.minimum(c, b), "genuine"),
        (before & careless, a + wait, b, "false"),
        (after, np.maximum(d, a) + wait, b, "genuine"),
        (false, np.maximum(a, w.months[0]) + wait * 9, b, "false"),
    ]
    for which, start, end, code in rows:
        ok = which & (start < end)
        finish = end[ok]
        m = int(ok.sum())
        w.log.add(
            "single_person_discount",
            payer[ok],
            start[ok],
            end=np.where(finish < w.end, finish, p.NEVER),
            code=code,
            value=25.0,
            lag=lag(rng, m, 10),
            group=account[ok],
        )
    debt = _debt(w, rng, 120.0, 1.75)
    w.marks["council_tax_debt"] = debt
    unit, month = np.nonzero(debt > 150)
    _balances(w, rng, "council_tax_arrears", unit, month, debt, liable, 9)


def _debt(w: World, rng: np.random.Generator, bill: float, bar: float) -> np.ndarray:
    """Pounds owed by each unit at each month's end: missed bills add up in hard times and are paid off in others."""
    units = w.folk.units()
    owed = np.zeros((units, w.size), dtype=np.float32)
    thrift = (0.7 * rng.standard_normal(units)).astype(np.float32)
    carry = np.where(w.unit_need[:, 0] + thrift > bar + 0.3, rng.exponential(250, units), 0.0).astype(np.float32)
    for month in range(w.size):
        strain = w.unit_need[:, month] + thrift + 0.4 * rng.standard_normal(units, dtype=np.float32)
        carry = np.where(strain > bar, carry + np.float32(bill), carry * np.float32(0.72) - np.float32(25))
        carry = np.clip(carry, 0, 4000)
        owed[:, month] = carry
    return owed.round(2)


def _balances(
    w: World,
    rng: np.random.Generator,
    kind: str,
    unit: np.ndarray,
    month: np.ndarray,
    owed: np.ndarray,
    holders: pl.DataFrame,
    day: int,
) -> None:
    """A row a month for who holds the account or tenancy (position 1) in which something is owed."""
    at = np.minimum(w.months[month + 1] - 1, w.end - 1) - day
    table = pl.DataFrame({"household": unit, "at": at, "owed": owed[unit, month]})
    held = holders.filter(pl.col("position") == 1).select("household", "person", "account", a="adult_from", b="to")
    rows = table.join(held, on="household").filter(pl.col("a") <= pl.col("at"), pl.col("at") < pl.col("b"))
    rows = rows.sort("at", "household", "account")
    n = len(rows)
    w.log.add(
        kind,
        rows["person"].to_numpy(),
        rows["at"].to_numpy(),
        value=rows["owed"].to_numpy().astype(float),
        lag=rng.integers(1, 8, n),
        group=rows["account"].to_numpy(),
    )


def _tenancies(w: World, members: pl.DataFrame) -> None:
    rng = w.rng("tenancies")
    social = w.homes.town.tenure == 2
    frame = (
        members.filter(pl.Series(social[members["dwelling"].to_numpy()]))
        .sort("household", "dwelling", "role", "person", "from")
        .unique(["household", "dwelling", "person"], keep="first", maintain_order=True)
        .with_columns(position=pl.int_range(pl.len()).over("household", "dwelling") + 1)
    )
    if not len(frame):
        return
    groups = frame.select("household", "dwelling").unique(maintain_order=True)
    groups = groups.with_columns(
        account=pl.Series(w.log.new_groups(len(groups))),
        rent=pl.Series(rng.normal(104, 13, len(groups)).round(2)),
        shared=pl.Series(rng.random(len(groups)) < 0.7),
    )
    frame = frame.join(groups, on=["household", "dwelling"], maintain_order="left")
    tenant = frame.filter(pl.col("position") == 1).select("account", tenant="person")
    frame = frame.join(tenant, on="account", maintain_order="left").with_columns(
        code=pl.when(pl.col("position") == 1)
        .then(pl.lit("tenant"))
        .when((pl.col("role") == p.PARTNER) & pl.col("shared"))
        .then(pl.lit("joint"))
        .otherwise(pl.lit("occupant"))
    )
    to = frame["to"].to_numpy()
    n = len(frame)
    first = (frame["position"] == 1).to_numpy()
    w.log.add(
        "tenancy",
        frame["person"].to_numpy(),
        frame["from"].to_numpy(),
        end=np.where(to < w.end, to, p.NEVER),
        code=frame["code"],
        value=np.where(first, frame["rent"].to_numpy(), np.nan),
        lag=lag(rng, n, 4),
        other=np.where(first, -1, frame["tenant"].to_numpy()),
        group=frame["account"].to_numpy(),
    )
    debt = _debt(w, rng, 190.0, 1.55)
    unit, month = np.nonzero(debt > 100)
    _balances(w, rng, "rent_arrears", unit, month, debt, frame, 2)


def _benefit(w: World) -> None:
    rng = w.rng("housing benefit")
    f = w.folk
    tenure = np.where(w.homes.first >= 0, w.homes.town.tenure[np.maximum(w.homes.first, 0)], 0)
    home = ~np.isin(f.unit_kind, (*_NOT_A_HOME, p.FORMER)) & (w.homes.first >= 0)
    luck = 0.6 * rng.standard_normal(f.units())
    level = (
        w.unit_need
        + (luck + np.array([-2.5, -0.55, -0.1])[tenure] + 0.5 * np.isin(f.unit_kind, (p.PENSIONER, p.LONE)))[:, None]
    )
    quarters = np.arange(0, w.size, 3)
    mean = np.stack([level[:, q : q + 3].mean(axis=1) for q in quarters], axis=1)
    unit, begin, after = runs((mean > 0.52) & home[:, None])
    keep = (after - begin > 1) | (after >= len(quarters))
    unit, begin, after = unit[keep], begin[keep], after[keep]
    start = w.months[quarters[begin]] + rng.integers(0, 80, len(unit))
    start = np.where(begin == 0, w.months[0] - rng.integers(20, 2500, len(unit)), start)
    stop = np.where(after >= len(quarters), p.NEVER, w.months[np.minimum(after * 3, w.size)])
    claims = pl.DataFrame(
        {
            "unit": unit,
            "a": start,
            "b": stop,
            "claim": w.log.new_groups(len(unit)),
            "weekly": rng.normal(96, 22, len(unit)).clip(20).round(2),
        }
    )
    who = np.flatnonzero(w.since < p.NEVER)
    role = f.role[who]
    everyone = pl.DataFrame(
        {
            "person": who,
            "unit": f.unit[who],
            "role": role,
            "birth": f.birth[who],
            "since": w.since[who],
            "gone": w.gone[who],
        }
    )
    rows = (
        claims.join(everyone, on="unit")
        .filter(pl.col("role").is_in([p.HEAD, p.PARTNER, p.CHILD]))
        .with_columns(
            a=pl.max_horizontal(
                "a",
                "since",
                pl.when(pl.col("role") == p.CHILD).then("birth").otherwise(pl.col("birth") + int(17.9 * p.YEAR)),
            ),
            b=pl.min_horizontal(
                "b",
                "gone",
                pl.when(pl.col("role") == p.CHILD).then(pl.col("birth") + int(19.5 * p.YEAR)).otherwise(p.NEVER),
            ),
        )
        .filter(pl.col("a") < pl.col("b"), pl.col("a") < w.end, pl.col("b") > w.months[0])
        .sort("claim", "role", "person")
    )
    claimant = rows.filter(pl.col("role") == p.HEAD).select("claim", claimant="person", ca="a", cb="b")
    rows = (
        rows.join(claimant, on="claim")
        .with_columns(a=pl.max_horizontal("a", "ca"), b=pl.min_horizontal("b", "cb"))
        .filter(pl.col("a") < pl.col("b"))
        .sort("claim", "role", "person")
    )
    b = rows["b"].to_numpy()
    head = (rows["role"] == p.HEAD).to_numpy()
    n = len(rows)
    labels = pl.Series(["claimant", "partner", "dependant"])
    w.log.add(
        "housing_benefit_claim",
        rows["person"].to_numpy(),
        rows["a"].to_numpy(),
        end=np.where(b < w.end, b, p.NEVER),
        code=labels.gather(rows["role"].to_numpy()),
        value=np.where(head, rows["weekly"].to_numpy(), np.nan),
        lag=lag(rng, n, 14),
        other=np.where(head, -1, rows["claimant"].to_numpy()),
        group=rows["claim"].to_numpy(),
    )


def _homelessness(w: World) -> None:
    rng = w.rng("homelessness")
    f = w.folk
    tenure = np.where(w.homes.first >= 0, w.homes.town.tenure[np.maximum(w.homes.first, 0)], 1)
    heads = np.flatnonzero((f.role == p.HEAD) & (w.since < p.NEVER) & ~np.isin(f.unit_kind[f.unit], (p.CARE, p.REFUGE)))
    unit = f.unit[heads]
    lagged = np.concatenate([w.unit_need[:, :1].repeat(3, axis=1), w.unit_need[:, :-3]], axis=1)
    x = 0.5 * lagged[unit] + 0.5 * w.unit_need[unit]
    parting = np.abs(w.months[None, :-1] - f.partner_to[heads, None]) < 120
    debt = recent(w.marks["council_tax_debt"][unit] > 500, 0.5) > 0
    abused = recent(w.marks["abuse"][unit], 0.75)
    age = w.age(heads)
    rate = np.exp(
        -8.3
        + 0.85 * x
        + np.array([-0.7, 0.9, 0.1])[tenure[unit]][:, None]
        + 1.3 * parting
        + 0.7 * debt
        + 0.8 * np.minimum(abused, 2)
        - 0.02 * (age - 35)
    )
    rate *= w.here(heads) & (age >= 17)
    row, _, day = w.occur(rng, heads, np.minimum(rate, 0.3))
    lost = [(who, since) for who, _, since, _ in f.gaps[1:]]
    who = np.concatenate([heads[row], *[g[0] for g in lost]])
    day = np.concatenate([day, *[g[1] - rng.integers(0, 40, len(g[1])) for g in lost]])
    rough = np.arange(len(who)) >= len(row)
    ok = ~rough | (rng.random(len(who)) < 0.8)
    who, day, rough = who[ok], day[ok], rough[ok]
    n = len(who)
    case = w.log.new_groups(n)
    w.mark("homeless", f.unit[who], w.month_of(day), f.units())
    prevented = ~rough & (rng.random(n) < 0.6)
    saved = prevented & (rng.random(n) < 0.5)
    relief = ~saved
    main = relief & ~rough & (rng.random(n) < 0.4)
    d1 = day + np.where(prevented, rng.integers(20, 75, n), 0)
    d2 = d1 + rng.integers(20, 80, n)
    d3 = d2 + rng.integers(60, 400, n)
    late = lag(rng, n, 3)
    units = f.unit[who]
    everyone = np.flatnonzero(np.isin(f.role, (p.PARTNER, p.CHILD)) & (w.since < p.NEVER))
    order = everyone[np.argsort(f.unit[everyone], kind="stable")]
    starts = np.searchsorted(f.unit[order], np.arange(f.units() + 1))
    for stage, which, begin, finish in (
        ("prevention", prevented, day, d1),
        ("relief", relief, d1, d2),
        ("main", main, d2, d3),
    ):
        rows = np.flatnonzero(which & (begin < w.end))
        end = np.where(finish[rows] < w.end, finish[rows], p.NEVER)
        w.log.add("homelessness_duty", who[rows], begin[rows], end=end, code=stage, lag=late[rows], group=case[rows])
        family = rows[~rough[rows] & np.isin(f.role[who[rows]], (p.HEAD,))]
        count = starts[units[family] + 1] - starts[units[family]]
        event = np.repeat(family, count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        member = order[starts[units[event]] + within]
        there = (w.since[member] <= begin[event]) & (begin[event] < w.gone[member]) & (f.birth[member] <= begin[event])
        member, event = member[there], event[there]
        w.log.add(
            "homelessness_duty",
            member,
            begin[event],
            end=np.where(finish[event] < w.end, finish[event], p.NEVER),
            code=stage,
            lag=late[event],
            other=who[event],
            group=case[event],
        )
