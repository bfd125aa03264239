"""Whom the tables count: people, households and events, each with the attributes that tables may be by.

What belongs here: populations made of the canonical tables. Nothing here is protected yet, and none of it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from governance.disclosure.declared import NONE, UNKNOWN, Aggregate
from governance.disclosure.tables import Population

AGES = ("0-4", "5-10", "11-15", "16-17", "18-24", "25-44", "45-64", "65-84", "85+", UNKNOWN)
YES, NO = "yes", "no"
TENTHS = (*map(str, range(1, 11)), UNKNOWN)
LATER = 4  # months that are looked at beside a table's own, so that what was shown of them is still understood


def people(
    profiles: pl.DataFrame, places: pl.DataFrame, several: Mapping[str, tuple[pl.DataFrame, Sequence[str]]]
) -> Population:
    """Everybody, by what may be told of them.

    Args:
        profiles: PERSON_PROFILE.
        places: PLACE, for the areas that there are.
        several: for each attribute of which a person may have several values, the pairs (`person_id`, that column),
            and the values there are.
    """
    domains = _person_domains(places)
    rows = profiles.select("person_id", *_person(domains))
    for name, (pairs, values) in several.items():
        rows = _with_lists(rows, "person_id", pairs.select("person_id", name), values)
        domains[name] = (*values, NONE)
    return Population(rows.drop("person_id"), domains)


def households(homes: pl.DataFrame, places: pl.DataFrame, cohorts: pl.DataFrame, known: Sequence[str]) -> Population:
    """Every household.

    Args:
        homes: HOUSEHOLD.
        places: PLACE, for the areas that there are.
        cohorts: COHORT_MEMBER of households.
        known: the cohorts of households that there are.
    """
    domains: dict[str, tuple[str, ...]] = {
        "kind": ("home", "hmo", "institution", "hostel", UNKNOWN),
        "lsoa21": _areas(places, "lsoa21"),
        "imd_decile": TENTHS,
        "lives_alone": ("strong", "some", NONE),
        "children": (YES, NO),
    }
    children = pl.when(pl.col("children") > 0).then(pl.lit(YES)).otherwise(pl.lit(NO)).alias("children")
    rows = homes.select(
        "household_id", *(_of(a, domains) for a in ("kind", "lsoa21", "imd_decile")), "lives_alone", children
    )
    rows = _with_lists(rows, "household_id", cohorts.select(household_id="unit_id", cohort="cohort"), known)
    domains["cohort"] = (*known, NONE)
    return Population(rows.drop("household_id"), domains)


def events(
    told: pl.DataFrame,
    profiles: pl.DataFrame,
    members: pl.DataFrame,
    places: pl.DataFrame,
    tables: Sequence[Aggregate],
    night: date,
) -> Population:
    """Events of one type in whole months before the night's own, by month and by the person whom they happened to.

    Args:
        told: `person_id`, `start`: what the audience may have of the events that stand.
        profiles, members, places: PERSON_PROFILE, HOUSEHOLD_MEMBER, PLACE.
        tables: those that count them.
        night: tonight.
    """
    spanned = months_before(night, max(t.months for t in tables) + LATER)
    domains = {"month": spanned, **_person_domains(places)}
    homes = (
        members.filter(pl.col("state") == "main").select("person_id", "household_id").unique("person_id", keep="first")
    )
    rows = (
        told.with_columns(month=pl.col("start").dt.strftime("%Y-%m"))
        .filter(pl.col("month").is_in(spanned))
        .join(profiles.select("person_id", *_person(domains)), on="person_id")
        .join(homes, on="person_id", how="left")
        .with_columns(house=pl.coalesce("household_id", "person_id"))
    )
    return Population(rows.drop("start", "household_id"), domains, "person_id")


def windowed(table: Aggregate, night: date) -> Aggregate:
    """A table of events over its whole months alone; any other as it is."""
    if table.count != "events":
        return table
    return table.model_copy(update={"where": {**table.where, "month": months_before(night, table.months)}})


def months_before(night: date, count: int) -> tuple[str, ...]:
    """The whole months before the night's own, the latest first, such as 2026-10."""
    last = night.year * 12 + night.month - 1
    return tuple(f"{m // 12}-{m % 12 + 1:02}" for m in range(last - 1, last - 1 - count, -1))


def _person_domains(places: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    return {
        "age_band": AGES,
        "sex": ("F", "M", UNKNOWN),
        "lsoa11": _areas(places, "lsoa11"),
        "lsoa21": _areas(places, "lsoa21"),
        "imd_decile": TENTHS,
        "deceased": (YES, NO),
    }


def _person(domains: Mapping[str, tuple[str, ...]]) -> list[pl.Expr]:
    deceased = pl.when("deceased").then(pl.lit(YES)).otherwise(pl.lit(NO)).alias("deceased")
    return [*(_of(a, domains) for a in ("age_band", "sex", "lsoa11", "lsoa21", "imd_decile")), deceased]


def _of(attribute: str, domains: Mapping[str, tuple[str, ...]]) -> pl.Expr:
    """An attribute as text; whatever is not among its values, or null, is unknown."""
    value = pl.col(attribute).cast(pl.String)
    return pl.when(value.is_in(domains[attribute])).then(value).otherwise(pl.lit(UNKNOWN)).alias(attribute)


def _areas(places: pl.DataFrame, column: str) -> tuple[str, ...]:
    return (*places[column].drop_nulls().unique().sort(), UNKNOWN)


def _with_lists(rows: pl.DataFrame, of: str, pairs: pl.DataFrame, values: Sequence[str]) -> pl.DataFrame:
    """The rows with a column of lists beside: the values that each has, sorted; `none` where it has none."""
    name = next(c for c in pairs.columns if c != of)
    lists = pairs.filter(pl.col(name).is_in(list(values))).group_by(of).agg(pl.col(name).unique().sort())
    nothing = pl.lit(pl.Series([[NONE]], dtype=pl.List(pl.String))).first()
    return rows.join(lists, on=of, how="left", maintain_order="left").with_columns(pl.col(name).fill_null(nothing))
