"""Rules that a council writes down: vulnerability indicators of people, cohorts of people or households.

What belongs here: reading the rules, and finding whom they fit, with the rows that show it. A rule counts recorded
facts as they were known on a day; it predicts nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import polars as pl
from pydantic import BeforeValidator, Field, model_validator

from models.declared import Span, check_types, read
from models.features import LARGEST_HOME
from models.views import View, midnight, shifted
from models.vocabulary import WORDS
from warehouse.site import Config, Document
from warehouse.tables import COHORT_MEMBER, INDICATOR

T = TypeVar("T")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Listed = Annotated[list[T], BeforeValidator(_listed), Field(min_length=1)]


class Who(Config):
    """People by age in whole years on the day; both ends of `age` are included."""

    age: tuple[int, int] | None = None
    age_under: int | None = None

    def fits(self) -> pl.Expr:
        """Whether `age_months` fits; an unknown age fits nothing."""
        tests = []
        if self.age is not None:
            tests.append(pl.col("age_months").is_between(self.age[0] * 12, self.age[1] * 12 + 11))
        if self.age_under is not None:
            tests.append(pl.col("age_months") < self.age_under * 12)
        return pl.all_horizontal(tests).fill_null(False) if tests else pl.lit(True)


class Condition(Config):
    """Rows that must be there.

    Attributes:
        event: one type of event or several.
        code: only with one of these codes.
        over: how far back from the day; without it, ever.
        at_least: how many rows.
        value_above, value_below: what each row's value must be.
        total_above: what the rows' values must come to.
        open: only what has not ended.
        members: only rows of people of this age.
        of: the person's own rows, or those of anyone in the household (a cohort of households reads all members).
    """

    event: Listed[str]
    code: Listed[str] | None = None
    over: Span | None = None
    at_least: int = Field(default=1, ge=1)
    value_above: float | None = None
    value_below: float | None = None
    total_above: float | None = None
    open: bool = False
    members: Who | None = None
    of: Literal["person", "household"] = "person"

    def rows(self, day: pl.Expr | None, events: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
        """The rows it reads: person_id, event_id, start, value."""
        tests = [pl.col("type").is_in(self.event)]
        tests += [pl.col("code").is_in(self.code)] if self.code else []
        tests += [pl.col("start") >= day] if day is not None else []
        tests += [pl.col("value") > self.value_above] if self.value_above is not None else []
        tests += [pl.col("value") < self.value_below] if self.value_below is not None else []
        tests += [pl.col("end").is_null()] if self.open else []
        found = events.filter(*tests).select("person_id", "event_id", "start", "value")
        if self.members is None:
            return found
        return found.join(people.filter(self.members.fits()).select("person_id"), on="person_id", how="semi")


class Need(Config):
    """Conditions of which one is enough."""

    any: list[Condition] = Field(min_length=1)


class Indicator(Config):
    """A vulnerability indicator of a person: any of some conditions, or all of them."""

    plain_words: str
    who: Who | None = None
    any: list[Condition] = Field(default=[])
    all: list[Condition] = Field(default=[])

    @model_validator(mode="after")
    def _one_of_them(self) -> Indicator:
        if bool(self.any) == bool(self.all):
            raise ValueError("say either `any` or `all`, with at least one condition")
        return self

    @property
    def conditions(self) -> list[Condition]:
        """The conditions, whichever way they are joined."""
        return self.any or self.all

    @property
    def needed(self) -> int:
        """How many of the conditions must hold."""
        return len(self.all) or 1


class Indicators(Config):
    """The file `indicators.yaml`."""

    indicators: dict[str, Indicator]


class Requires(Config):
    """What must hold of a household besides its needs; in a cohort of people, of the person."""

    any_member: Who


class Cohort(Config):
    """A file `cohorts/<name>.cohort.yaml`: people or households with several needs at once."""

    cohort: str
    plain_words: str
    unit: Literal["person", "household"]
    requires: Requires | None = None
    needs_at_least: int = Field(ge=1)
    needs: dict[str, Need]
    evidence: Literal["rows"] = "rows"

    @model_validator(mode="after")
    def _enough_needs(self) -> Cohort:
        if self.needs_at_least > len(self.needs):
            raise ValueError(f"needs_at_least is {self.needs_at_least}, and {len(self.needs)} needs are named")
        return self


def read_indicators(site: Path, types: Collection[str] = tuple(WORDS)) -> Mapping[str, Indicator]:
    """The indicators of a site, by name, out of `indicators.yaml`.

    Args:
        site: the council's folder.
        types: the types of events that its feeds yield.

    Raises:
        SiteError: each mistake with file, line and the nearest right spelling.
    """
    rules, document = read(site / "indicators.yaml", Indicators)
    check_types(document, _types_used(document), types)
    return rules.indicators


def read_cohorts(site: Path, types: Collection[str] = tuple(WORDS)) -> tuple[Cohort, ...]:
    """The cohorts of a site, in order of their files' names, out of `cohorts/*.cohort.yaml`; errors as above."""
    cohorts = []
    for path in sorted((site / "cohorts").glob("*.cohort.yaml")):
        cohort, document = read(path, Cohort)
        check_types(document, _types_used(document), types)
        cohorts.append(cohort)
    return tuple(cohorts)


def indicators(view: View, rules: Mapping[str, Indicator]) -> pl.DataFrame:
    """Whom the indicators fit on the day of the view: INDICATOR, by person and indicator."""
    conditions = [
        (name, condition, "home" if condition.of == "household" else "person")
        for name, rule in rules.items()
        for condition in rule.conditions
    ]
    shown = _shown(view, conditions)
    rule_of = pl.DataFrame(
        {"rule": list(rules), "needed": [rule.needed for rule in rules.values()]},
        schema={"rule": pl.String, "needed": pl.UInt32},
    )
    allowed = pl.concat(
        [view.people.filter(rule.who.fits() if rule.who else True).select(pl.lit(name).alias("rule"), "person_id")
         for name, rule in rules.items()]
    )  # fmt: skip
    return (
        shown.join(rule_of, on="rule")
        .filter(pl.col("condition").n_unique().over("rule", "unit_id") >= pl.col("needed"))
        .join(allowed, left_on=["rule", "unit_id"], right_on=["rule", "person_id"], how="semi")
        .group_by(pl.col("unit_id").alias("person_id"), pl.col("rule").alias("indicator"))
        .agg(
            pl.col("start").min().cast(pl.Date).alias("since"),
            pl.col("start").max().cast(pl.Date).alias("latest"),
            pl.col("event_id").n_unique().cast(pl.Int32).alias("times"),
            pl.col("event_id").unique().sort().alias("evidence"),
        )
        .select(INDICATOR.schema.names())
        .cast(INDICATOR.schema)
        .sort(INDICATOR.key)
    )


def members(view: View, cohort: Cohort) -> pl.DataFrame:
    """Whom a cohort's rule fits on the day of the view: COHORT_MEMBER, by unit."""
    met = _needs_met(view, cohort)
    if cohort.requires is not None:
        fit = view.people.filter(cohort.requires.any_member.fits()).select("person_id")
        units = _homes(view).join(fit, on="person_id", how="semi").select(unit_id="household_id")
        fit = fit.select(unit_id="person_id") if cohort.unit == "person" else units
        met = met.join(fit, on="unit_id", how="semi")
    return (
        met.group_by("unit_id")
        .agg(pl.col("rule").unique().sort().alias("needs"), pl.col("event_id").unique().sort().alias("evidence"))
        .filter(pl.col("needs").list.len() >= cohort.needs_at_least)
        .with_columns(cohort=pl.lit(cohort.cohort), unit=pl.lit(cohort.unit))
        .select(COHORT_MEMBER.schema.names())
        .cast(COHORT_MEMBER.schema)
        .sort(COHORT_MEMBER.key)
    )


def needs_of_people(view: View, cohort: Cohort) -> pl.DataFrame:
    """How many of a cohort's needs each person's household (or the person) has: person_id, needs; those with any."""
    met = _needs_met(view, cohort).select("unit_id", "rule").unique()
    if cohort.unit == "household":
        met = met.join(_homes(view), left_on="unit_id", right_on="household_id")
    else:
        met = met.rename({"unit_id": "person_id"})
    return met.group_by("person_id").agg(pl.col("rule").n_unique().cast(pl.Int32).alias("needs")).sort("person_id")


def _needs_met(view: View, cohort: Cohort) -> pl.DataFrame:
    unit = cohort.unit
    conditions = [(name, condition, unit) for name, need in cohort.needs.items() for condition in need.any]
    return _shown(view, conditions)


def _shown(view: View, conditions: Sequence[tuple[str, Condition, str]]) -> pl.DataFrame:
    """Rows that show a condition, where there are enough of them: rule, condition, unit_id, event_id, start.

    A unit is a person, a household, or (home) everyone in the household of the person whose row it is.
    """
    types = sorted({kind for _, condition, _ in conditions for kind in condition.event})
    events = (
        view.events.filter(pl.col("type").is_in(types))
        .select("person_id", "event_id", "type", "code", "start", "end", "value")
        .collect()
    )
    homes = _homes(view)
    units = {
        "person": None,
        "household": homes.select("person_id", unit_id="household_id"),
        "home": homes.join(homes.rename({"person_id": "unit_id"}), on="household_id").select("person_id", "unit_id"),
    }
    found = []
    for number, (rule, condition, unit) in enumerate(conditions):
        since = pl.lit(midnight(shifted(view.day, f"-{condition.over}"))) if condition.over else None
        rows = condition.rows(since, events, view.people)
        told = units[unit]
        rows = rows.with_columns(unit_id=pl.col("person_id")) if told is None else rows.join(told, on="person_id")
        rows = rows.unique(["unit_id", "event_id"]).filter(pl.len().over("unit_id") >= condition.at_least)
        if condition.total_above is not None:
            rows = rows.filter(pl.col("value").sum().over("unit_id") > condition.total_above)
        said = [pl.lit(rule).alias("rule"), pl.lit(number, pl.Int32).alias("condition")]
        found.append(rows.select(*said, "unit_id", "event_id", "start"))
    return pl.concat(found)


def _homes(view: View) -> pl.DataFrame:
    return view.members.filter(pl.len().over("household_id") <= LARGEST_HOME)


def _types_used(document: Document) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every place of the file that names a type of event."""

    def walk(node: Any, spot: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "event":
                    yield from (((*spot, key), kind) for kind in _listed(value))
                else:
                    yield from walk(value, (*spot, key))
        elif isinstance(node, list):
            for position, value in enumerate(node):
                yield from walk(value, (*spot, position))

    yield from walk(document.data, ())
