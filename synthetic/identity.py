"""What people are called over time, and the numbers and contacts that identify them.

Families' names follow families: who took whose name, what a divorce, an adoption or a deed changed. The lists that
names are drawn from stand in `synthetic.names`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from synthetic import names, numbers
from synthetic import people as p
from synthetic.frames import NAME_CHANGES, PEOPLE, part
from synthetic.names import ETHNICITY, ORIGINS

_KEEP_OWN = [ORIGINS.index(o) for o in ("somali", "arabic", "chinese", "pakistani", "bangladeshi", "sikh")]


def identify(
    folk: p.Folk, seed: int, start: int, until: int, known_children: np.ndarray
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frames `people` and `name_changes`. `known_children`: who was ever known to children's services."""
    rng = part(seed, "names")
    n = folk.count
    year = 1970 + folk.birth / p.YEAR
    forename = names.forenames(rng, folk.origin, folk.female.astype(np.int64), year)
    middle = names.forenames(rng, folk.origin, folk.female.astype(np.int64), year)
    second = names.forenames(rng, folk.origin, folk.female.astype(np.int64), year)
    extra = rng.random(n)

    # sons with their father's forename; twins with different ones
    sons = np.flatnonzero(~folk.female & (folk.father != p.NOBODY))
    eldest = sons[np.unique(folk.father[sons][::-1], return_index=True)[1] * -1 + len(sons) - 1]
    eldest = eldest[rng.random(len(eldest)) < 0.055]
    forename = forename.clone().scatter(eldest, forename.gather(folk.father[eldest]))
    for _ in range(3):
        forename = _unlike_siblings(rng, folk, forename, year)

    surname, birth_surname, took_from = _surnames(rng, folk)
    changes, forename, surname, birth_surname = _changes(
        rng, folk, forename, surname, birth_surname, took_from, start, until
    )

    nick = names.nicknames(rng, forename)
    known_as = pl.select(pl.when(pl.Series(rng.random(n) < 0.3)).then(nick)).to_series()
    sex = pl.select(pl.when(pl.Series(folk.female)).then(pl.lit("F")).otherwise(pl.lit("M"))).to_series()
    age = (until - folk.birth) / p.YEAR
    pupil = (folk.birth > start - 18.6 * p.YEAR) & (folk.birth < until - 3.0 * p.YEAR)
    adult = (folk.birth < until - 15.75 * p.YEAR) & (rng.random(n) < 0.97)

    frame = pl.DataFrame(
        {
            "person": pl.Series(np.arange(n), dtype=pl.Int64),
            "forename": forename,
            "middle_names": pl.select(
                pl.when(pl.Series(extra < 0.12))
                .then(middle + " " + second)
                .when(pl.Series(extra < 0.68) & (middle != forename))
                .then(middle)
            ).to_series(),
            "surname": surname,
            "birth_surname": birth_surname,
            "known_as": known_as,
            "origin": pl.Series(ORIGINS).gather(folk.origin),
            "sex": sex,
            "birth_date": _date(folk.birth),
            "death_date": _date(folk.death),
            "ethnicity": _ethnicity(rng, folk),
            "nhs_number": numbers.nhs_numbers(rng, n),
            "upn": _placed(n, pupil, numbers.upns(4000 + folk.unit[pupil] % 60, year[pupil].astype(np.int64) + 4)),
            "ni_number": _placed(n, adult, numbers.ni_numbers(rng, int(adult.sum()))),
            "la_child_id": _placed(n, known_children, numbers.serials(rng, int(known_children.sum()), 7)),
            **_contacts(rng, folk, forename, surname, age),
            "mother": _pointer(folk.mother),
            "father": _pointer(folk.father),
            "twin_of": _pointer(folk.twin),
        }
    )
    return frame.select(pl.col(c).cast(t) for c, t in PEOPLE.items()), changes


def _unlike_siblings(rng: np.random.Generator, folk: p.Folk, forename: pl.Series, year: np.ndarray) -> pl.Series:
    """Children of one home with the same forename get another."""
    frame = pl.DataFrame(
        {"unit": folk.unit, "forename": forename, "child": folk.role == p.CHILD, "person": np.arange(folk.count)}
    )
    again = frame.filter("child").filter(pl.struct("unit", "forename").is_first_distinct().not_())["person"].to_numpy()
    if not len(again):
        return forename
    return forename.clone().scatter(
        again, names.forenames(rng, folk.origin[again], folk.female[again].astype(np.int64), year[again])
    )


def _surnames(rng: np.random.Generator, folk: p.Folk) -> tuple[pl.Series, pl.Series, np.ndarray]:
    """Surnames now and at birth, and whose name each person took (a partner's number, or NOBODY)."""
    n = folk.count
    own = names.surnames(rng, folk.origin)
    couple = folk.married | (rng.random(n) < 0.6)
    source = np.arange(n)
    mother, father = folk.mother, folk.father
    both = (father != p.NOBODY) & (mother != p.NOBODY)
    fathers = (father != p.NOBODY) & (~both | couple[np.maximum(mother, 0)] | np.isin(folk.origin, _KEEP_OWN))
    mothers = (mother != p.NOBODY) & ~fathers
    source[fathers] = father[fathers]
    source[mothers] = mother[mothers]
    # the children of a lone mother whose father is unknown may carry his name; siblings the same one
    apart = mothers & (father == p.NOBODY) & (folk.role == p.CHILD) & (rng.random(folk.units())[folk.unit] < 0.45)
    first_child = np.full(folk.units(), n)
    np.minimum.at(first_child, folk.unit[apart], np.flatnonzero(apart))
    source[apart] = first_child[folk.unit[apart]]
    for _ in range(6):
        source = source[source]
    base = own.gather(source)
    # a double-barrelled name of both parents
    double = (folk.role == p.CHILD) & both & (rng.random(folk.units())[folk.unit] < 0.04)
    joined = pl.select(
        pl.when(pl.Series(double) & (own.gather(source[np.maximum(mother, 0)]) != base))
        .then(own.gather(source[np.maximum(mother, 0)]) + "-" + base)
        .otherwise(base)
    ).to_series()
    womens = names.womens_surnames(rng, folk.origin)
    share = np.zeros(len(ORIGINS))
    for origin, value in names.WOMENS_SHARE.items():
        share[ORIGINS.index(origin)] = value
    apart_name = folk.female & (rng.random(n) < share[folk.origin])
    female = pl.Series(folk.female)
    polish = pl.Series(folk.origin == ORIGINS.index("polish"))
    frame = pl.DataFrame({"base": joined, "womens": womens, "apart": apart_name, "gendered": female & polish})

    def shown(column: str) -> pl.Expr:
        return (
            pl.when(pl.col("apart") & pl.col("womens").is_not_null())
            .then("womens")
            .when("gendered")
            .then(names.feminine(pl.col(column)))
            .otherwise(column)
        )

    birth = frame.select(shown("base")).to_series()
    husband = folk.partner
    takes = (
        folk.female
        & folk.married
        & (husband != p.NOBODY)
        & ~folk.female[np.maximum(husband, 0)]
        & ~np.isin(folk.origin, _KEEP_OWN)
        & (rng.random(n) < 0.8)
    )
    took = np.where(takes, husband, p.NOBODY)
    frame = frame.with_columns(
        taken=pl.select(
            pl.when(pl.Series(takes)).then(joined.gather(np.maximum(took, 0))).otherwise(joined)
        ).to_series()
    )
    barrelled = pl.Series(takes & (rng.random(n) < 0.06))
    frame = frame.with_columns(
        taken=pl.when(barrelled & (pl.col("taken") != pl.col("base")))
        .then(pl.col("base") + "-" + pl.col("taken"))
        .otherwise("taken")
    )
    now = frame.select(pl.when(pl.Series(takes)).then(shown("taken")).otherwise(birth)).to_series()
    return now, birth, took


def _changes(
    rng: np.random.Generator,
    folk: p.Folk,
    forename: pl.Series,
    surname: pl.Series,
    birth_surname: pl.Series,
    took: np.ndarray,
    start: int,
    until: int,
) -> tuple[pl.DataFrame, pl.Series, pl.Series, pl.Series]:
    n = folk.count
    rows: list[pl.DataFrame] = []

    def add(
        who: np.ndarray, on: np.ndarray, kind: str, new: tuple[pl.Series, pl.Series], old: tuple[pl.Series, pl.Series]
    ) -> None:
        rows.append(
            pl.DataFrame(
                {
                    "person": who.astype(np.int64),
                    "on": _date(on),
                    "kind": [kind] * len(who),
                    "forename": new[0].gather(who),
                    "surname": new[1].gather(who),
                    "was_forename": old[0].gather(who),
                    "was_surname": old[1].gather(who),
                },
                schema=NAME_CHANGES,
            )
        )

    differs = (surname != birth_surname).to_numpy()
    wed = np.flatnonzero((took != p.NOBODY) & differs)
    lived = folk.partner_to[wed] - folk.partner_from[wed]
    on = folk.partner_from[wed] + np.minimum(rng.integers(100, 2200, len(wed)), np.maximum(lived // 2, 30))
    on = np.maximum(on, folk.birth[wed] + int(18.1 * p.YEAR))
    ok = (on < np.minimum(until + 30, folk.death[wed])) & (on < folk.partner_to[wed])
    unwed = wed[~ok]
    surname = surname.clone().scatter(unwed, birth_surname.gather(unwed))
    wed, on = wed[ok], on[ok]
    add(wed, on, "marriage", (forename, surname), (forename, birth_surname))

    apart = wed[(folk.partner_to[wed] < until - 60)]
    apart = apart[rng.random(len(apart)) < 0.45]
    after = folk.partner_to[apart] + rng.integers(60, 700, len(apart))
    ok = after < np.minimum(until + 30, folk.death[apart])
    apart, after = apart[ok], after[ok]
    add(apart, after, "divorce", (forename, birth_surname), (forename, surname))
    surname = surname.clone().scatter(apart, birth_surname.gather(apart))

    # children who were adopted: now called after those who adopted them, four in ten with a new forename
    kid = np.flatnonzero(folk.adopted_by != p.NOBODY)
    parents = folk.adopted_by[kid]
    mates = np.where(folk.partner[parents] != p.NOBODY, folk.partner[parents], parents)
    fathers = np.where(folk.female[parents], mates, parents)
    new_surname = surname.clone().scatter(kid, birth_surname.gather(fathers))
    renamed = kid[rng.random(len(kid)) < 0.4]
    new_forename = forename.clone().scatter(
        renamed,
        names.forenames(
            rng,
            folk.origin[fathers[np.isin(kid, renamed)]],
            folk.female[renamed].astype(np.int64),
            1970 + folk.birth[renamed] / p.YEAR,
        ),
    )
    add(kid, folk.adopted_on[kid], "adoption", (new_forename, new_surname), (forename, surname))
    forename, surname = new_forename, new_surname

    deed = np.flatnonzero((folk.birth < start - 18 * p.YEAR) & (took == p.NOBODY) & (rng.random(n) < 0.002))
    when = start + rng.integers(30, until - start, len(deed))
    ok = when < folk.death[deed]
    deed, when = deed[ok], when[ok]
    another = surname.clone().scatter(deed, names.surnames(rng, folk.origin[deed]))
    add(deed, when, "deed", (forename, another), (forename, surname))
    surname = another
    changes = pl.concat(rows).filter(
        (pl.col("surname") != pl.col("was_surname")) | (pl.col("forename") != pl.col("was_forename"))
    )
    return changes.sort("person", "on"), forename, surname, birth_surname


def _contacts(
    rng: np.random.Generator, folk: p.Folk, forename: pl.Series, surname: pl.Series, age: np.ndarray
) -> dict[str, pl.Series]:
    n = folk.count
    mobile = numbers.telephones(rng, n, "09997")
    has_mobile = rng.random(n) < np.select([age < 16, age > 75], [0.0, 0.55], 0.94)
    line = numbers.telephones(rng, folk.units(), "09992").gather(folk.unit)
    has_line = (rng.random(folk.units()) < 0.45)[folk.unit] | (age > 70)
    plain = pl.DataFrame(
        {"f": forename, "s": surname, "k": rng.integers(1, 999, n), "style": rng.random(n)}
    ).with_columns(pl.col("f", "s").str.normalize("NFKD").str.replace_all(r"[^A-Za-z]", "").str.to_lowercase())
    address = plain.select(
        pl.when(pl.col("style") < 0.4)
        .then(pl.col("f") + "." + pl.col("s") + pl.col("k").cast(pl.String))
        .when(pl.col("style") < 0.8)
        .then(pl.col("f").str.slice(0, 1) + pl.col("s") + pl.col("k").cast(pl.String))
        .otherwise(pl.col("f") + pl.col("k").cast(pl.String))
        + pl.when(pl.col("k") % 3 == 0).then(pl.lit("@example.com")).otherwise(pl.lit("@example.org"))
    ).to_series()
    has_email = rng.random(n) < np.select([age < 16, age > 75], [0.0, 0.35], 0.85)
    guardian = np.where(
        folk.adopted_by != p.NOBODY, folk.adopted_by, np.where(folk.mother != p.NOBODY, folk.mother, folk.father)
    )
    child = (age < 16) & (guardian != p.NOBODY)
    holder = np.where(child, guardian, np.arange(n))
    with_phone = has_mobile[holder] & (~child | (rng.random(n) < 0.9))
    with_email = has_email[holder] & (~child | (rng.random(n) < 0.8))
    return {
        "email": pl.select(pl.when(pl.Series(with_email)).then(address.gather(holder))).to_series(),
        "phone": pl.select(pl.when(pl.Series(with_phone)).then(mobile.gather(holder))).to_series(),
        "landline": pl.select(
            pl.when(pl.Series(has_line & ~np.isin(folk.unit_kind, (p.HMO, p.STUDENTS))[folk.unit])).then(line)
        ).to_series(),
    }


def _ethnicity(rng: np.random.Generator, folk: p.Folk) -> pl.Series:
    codes: list[str] = []
    index = np.zeros(folk.count, dtype=np.int64)
    draw = rng.random(folk.count)
    for i, origin in enumerate(ORIGINS):
        rows = np.flatnonzero(folk.origin == i)
        shares = np.cumsum([share for _, share in ETHNICITY[origin]])
        index[rows] = len(codes) + np.minimum(np.searchsorted(shares, draw[rows]), len(shares) - 1)
        codes += [code for code, _ in ETHNICITY[origin]]
    return pl.Series(codes).gather(index)


def _date(days: np.ndarray) -> pl.Series:
    return (
        pl.Series(np.where(days < p.NEVER, days, 0), dtype=pl.Int64)
        .cast(pl.Int32)
        .cast(pl.Date)
        .set(pl.Series(days >= p.NEVER), None)
    )


def _placed(count: int, where: np.ndarray, values: pl.Series) -> pl.Series:
    index = np.where(where, np.cumsum(where) - 1, 0)
    if not len(values):
        return pl.Series([None] * count, dtype=pl.String)
    return pl.select(pl.when(pl.Series(where)).then(values.gather(index))).to_series()


def _pointer(of: np.ndarray) -> pl.Series:
    return pl.select(pl.when(pl.Series(of) >= 0).then(pl.Series(of))).to_series()
