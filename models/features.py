"""What is said of a person's history in numbers, declared once: the declaration is also the data dictionary.

What belongs here: the declaration, and how it is computed from the view of one day. Nothing here opens a table, knows
an outcome or asks for today's date. Sex, ethnicity, religion, nationality and disability are not features, and no
event that stands for one of them (such as support for special needs) is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import polars as pl

from models.views import View, midnight, shifted
from warehouse.tables import FEATURE_SNAPSHOT

How = Literal["count", "sum", "latest", "highest", "recency", "kinds", "age", "deprivation", "people", "children"]
Whose = Literal["own", "household"]

# No window is longer than two years: a longer one would hold more of the recent past than of the early past, which the
# first deliveries cut off, and a model would take that for a difference between then and now.
LARGEST_HOME = 12  # more people than this at one address are not taken for one household
NEVER = 999  # days since what is not in the window, where a model needs a number


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        name: its column.
        meaning: in words.
        how: count of events; sum or highest of their values; latest, the sum of the values of those that began last
            (a term's absences); recency, days since the latest; kinds, how many different types; or a fact of the
            person or household.
        events: the types of events it reads.
        months: how far it looks back; 0 for a fact.
        code: only events with this code.
        whose: the person's own events, or those of the others in the household.
    """

    name: str
    meaning: str
    how: How
    events: tuple[str, ...] = ()
    months: int = 0
    code: str | None = None
    whose: Whose = "own"

    @property
    def topic(self) -> tuple[Whose, tuple[str, ...]]:
        """What it is about, whatever the window: reasons are told by topic."""
        return self.whose, self.events

    @property
    def type(self) -> pl.DataType:
        """Its column's polars type: whole numbers, but for values and shares."""
        return pl.Float32() if self.how in ("sum", "latest", "highest") else pl.Int32()


SOCIAL_CARE = ("contact", "child_in_need", "assessment", "section_47", "child_protection_plan", "looked_after")
POLICE = ("missing_episode", "domestic_abuse", "incident_victim", "incident_suspect", "offence")
CONCERNS = (*SOCIAL_CARE, "early_help_episode", "exclusion", *POLICE, "yjs_intervention", "homelessness_duty")
MONEY = ("rent_arrears", "council_tax_arrears")
HOUSEHOLD = ("contact", "child_in_need", "early_help_episode", "domestic_abuse", "incident_victim", "incident_suspect",
             "offence", "missing_episode", "exclusion", "homelessness_duty", "hospital_attendance")  # fmt: skip


def _window(months: int) -> str:
    return f"in the last {months} months" if months < 24 else f"in the last {months // 12} years"


def _counts(kind: str, *windows: int, code: str | None = None, whose: Whose = "own") -> Iterator[Feature]:
    title = kind.replace("_", " ") + (f" ({code})" if code else "")
    stem = ("home_" if whose == "household" else "") + kind + (f"_{code.lower()}" if code else "")
    who = " of others in the household" if whose == "household" else ""
    for months in windows:
        told = f"{title}: how many{who} {_window(months)}"
        yield Feature(f"{stem}_{months}m", told, "count", (kind,), months, code, whose)


def _declare() -> Iterator[Feature]:
    yield Feature("age_months", "age in whole months", "age")
    yield Feature("imd_decile", "deprivation decile of the home's area; 1 is the most deprived", "deprivation")
    yield Feature("home_people", "people in the household, the person included", "people")
    yield Feature("home_children", "people under 18 in the household, the person included", "children")

    yield from _counts("contact", 3, 12, 24)
    for kind in SOCIAL_CARE[1:]:
        yield from _counts(kind, 12, 24)
    yield from _counts("early_help_episode", 12, 24)
    for kind in ("missing_episode", "domestic_abuse", "incident_victim", "incident_suspect"):
        yield from _counts(kind, 3, 12, 24)
    for kind in ("offence", "yjs_intervention", "homelessness_duty", "free_school_meals"):
        yield from _counts(kind, 12, 24)
    yield from _counts("exclusion", 3, 12, 24)
    yield from _counts("hospital_attendance", 3, 12)
    for code in ("F00-F99", "X60-X84"):  # mental health; self-harm
        yield from _counts("hospital_attendance", 12, code=code)
    yield from _counts("school_roll", 24)
    yield from _counts("gp_registration", 24)

    yield Feature("sessions_excluded_12m", "school sessions lost to suspension or exclusion", "sum", ("exclusion",), 12)
    for name, only, which in (("absence", None, ""), ("absence_unauthorised", "O", ", unauthorised")):
        of = f"share of sessions missed{which}"
        yield Feature(f"{name}_latest_term", f"{of}, in the latest term known", "latest", ("attendance",), 12, only)
        yield Feature(f"{name}_12m", f"{of}, added up over terms {_window(12)}", "sum", ("attendance",), 12, only)

    singly = {kind: (kind,) for kind in ("contact", "exclusion", "missing_episode", "domestic_abuse")}
    for name, kinds in {"social_care": SOCIAL_CARE, "police": POLICE, "concern": CONCERNS, **singly}.items():
        told = f"days since the latest {name.replace('_', ' ')}; empty if none in two years"
        yield Feature(f"days_since_{name}", told, "recency", kinds, 24)
    for months in (3, 12, 24):
        of = f"of concern {_window(months)}"
        yield Feature(f"concerns_{months}m", f"events {of}", "count", CONCERNS, months)
        yield Feature(f"concern_kinds_{months}m", f"different kinds of events {of}", "kinds", CONCERNS, months)

    for kind in HOUSEHOLD:
        yield from _counts(kind, 12, whose="household")
    yield from _counts("contact", 3, whose="household")
    yield from _counts("domestic_abuse", 3, whose="household")
    yield from _counts("child_in_need", 24, whose="household")
    yield from _counts("incident_suspect", 12, code="drugs", whose="household")
    yield from _counts("hospital_attendance", 12, code="F00-F99", whose="household")
    for kind in (*MONEY, "single_person_discount", "housing_benefit_claim"):
        yield from _counts(kind, 12, whose="household")
    for kind in MONEY:
        for months in (3, 12):
            told = f"highest {kind.replace('_', ' ')} in the household, in pounds, {_window(months)}"
            yield Feature(f"home_{kind}_highest_{months}m", told, "highest", (kind,), months, None, "household")
    of = "of concern of others in the household"
    yield Feature("home_concerns_3m", f"events {of} {_window(3)}", "count", CONCERNS, 3, None, "household")
    yield Feature(
        "home_concern_kinds_12m", f"different kinds {of} {_window(12)}", "kinds", CONCERNS, 12, None, "household"
    )


FEATURES: tuple[Feature, ...] = tuple(_declare())
WINDOWS = tuple(sorted({f.months for f in FEATURES if f.months}))
NAMES = tuple(f.name for f in FEATURES)


def by_name(name: str) -> Feature:
    """The declaration of one feature."""
    return next(f for f in FEATURES if f.name == name)


def dictionary() -> pl.DataFrame:
    """The data dictionary: name, meaning, how, window in months, whose events, events, code; a row a feature."""
    return pl.DataFrame(
        [(f.name, f.meaning, f.how, f.months, f.whose, list(f.events), f.code) for f in FEATURES],
        schema={
            "name": pl.String, "meaning": pl.String, "how": pl.String, "window": pl.Int32, "whose": pl.String,
            "events": pl.List(pl.String), "code": pl.String,
        },
        orient="row",
    )  # fmt: skip


@cache
def _declared() -> pl.DataFrame:
    """A row for each feature and type of event that it reads, with the last band of its window."""
    return pl.DataFrame(
        [
            (f.name, f.how, f.whose, kind, f.code, WINDOWS.index(f.months))
            for f in FEATURES
            for kind in f.events
        ],
        schema={
            "feature": pl.String, "how": pl.String, "whose": pl.String, "type": pl.String, "only": pl.String,
            "reach": pl.Int8,
        },
        orient="row",
    )  # fmt: skip


def build(view: View, population: pl.Series) -> pl.DataFrame:
    """The features of some people on the day of a view.

    Events are grouped once by person, type and band of age (bands end where windows do), so that every window is a
    sum of a few bands; then long becomes wide. Counts of nothing are 0; recency is null where there was nothing.

    Args:
        view: what was known by the day.
        population: ids of the people, in any order.

    Returns:
        FEATURE_SNAPSHOT with a column a feature, in order of person_id.
    """
    wanted = population.unique().sort().rename("person_id").to_frame()
    homes = view.members.filter(pl.len().over("household_id") <= LARGEST_HOME)
    pairs = _co_members(wanted, homes)
    banded = _banded(view, pl.concat([wanted["person_id"], pairs["other"]]).unique())
    own = banded.join(wanted, on="person_id", how="semi").with_columns(whose=pl.lit("own"))
    others = (
        pairs.join(banded.rename({"person_id": "other"}), on="other")
        .drop("other")
        .with_columns(whose=pl.lit("household"))
        .select(own.columns)
    )
    long = _long(pl.concat([own, others]), view)
    wide = long.pivot("feature", index="person_id", values="value")
    counted = [f for f in FEATURES if f.events]
    absent = [pl.lit(None, pl.Float64).alias(f.name) for f in counted if f.name not in wide.columns]
    facts = _facts(view, wanted, homes)
    return (
        facts.join(wide.with_columns(absent), on="person_id", how="left")
        .with_columns(pl.col(f.name).fill_null(0) for f in counted if f.how != "recency")
        .with_columns(pl.lit(view.day).alias("as_of"))
        .select("person_id", "as_of", *(pl.col(f.name).cast(f.type) for f in FEATURES))
        .sort("person_id")
    )


def schema() -> pl.Schema:
    """Columns and types of what `build` gives."""
    return pl.Schema({**FEATURE_SNAPSHOT.schema, **{f.name: f.type for f in FEATURES}})


def matrix(frame: pl.DataFrame, names: Iterable[str] = NAMES) -> pl.DataFrame:
    """Features as numbers without gaps, for models: what never was is `NEVER` days ago, an unknown area average.

    Args:
        frame: FEATURE_SNAPSHOT.
        names: the features wanted, in order.
    """
    fills = {"deprivation": 5, "recency": NEVER, "age": 0}
    return frame.select(pl.col(name).fill_null(fills.get(by_name(name).how, 0)).cast(pl.Float32) for name in names)


def _co_members(wanted: pl.DataFrame, homes: pl.DataFrame) -> pl.DataFrame:
    mine = homes.join(wanted, on="person_id", how="semi")
    return (
        mine.join(homes.rename({"person_id": "other"}), on="household_id")
        .filter(pl.col("person_id") != pl.col("other"))
        .select("person_id", "other")
        .unique()
    )


def _banded(view: View, people: pl.Series) -> pl.DataFrame:
    declared = _declared()
    coded = declared.filter(pl.col("only").is_not_null())["type"].unique().to_list()
    starts = [midnight(shifted(view.day, f"-{months}mo")) for months in WINDOWS]
    latest = declared.filter(pl.col("how") == "latest")["type"].unique().to_list()
    newest = pl.col("start") == pl.col("start").max().over("person_id", "type")
    band = pl.sum_horizontal(pl.col("start") < start for start in starts).cast(pl.Int8)
    return (
        view.events.filter(pl.col("type").is_in(declared["type"].unique().to_list()), pl.col("start") >= starts[-1])
        .select(
            "person_id", "type", pl.when(pl.col("type").is_in(coded)).then(pl.col("code")).alias("code"),
            band.alias("band"), "value", "start",
        )
        .join(people.to_frame("person_id").lazy(), on="person_id", how="semi")
        .with_columns(newest=pl.when(pl.col("type").is_in(latest)).then(newest))
        .group_by("person_id", "type", "code", "band")
        .agg(
            pl.len().alias("times"), pl.col("value").sum().round(6).alias("total"),
            pl.col("value").filter("newest").sum().round(6).alias("newest"), pl.col("value").max().alias("highest"),
            pl.col("start").max().alias("latest"),
        )
        .collect()
    )  # fmt: skip


def _long(banded: pl.DataFrame, view: View) -> pl.DataFrame:
    days = (pl.lit(midnight(view.day)) - pl.col("latest")).dt.total_days()
    value = (
        pl.when(pl.col("how") == "count").then(pl.col("times"))
        .when(pl.col("how") == "sum").then(pl.col("total"))
        .when(pl.col("how") == "latest").then(pl.col("newest"))
        .when(pl.col("how") == "highest").then(pl.col("highest"))
        .when(pl.col("how") == "kinds").then(pl.col("kinds"))
        .otherwise(days)
    )  # fmt: skip
    return (
        banded.lazy()
        .join(_declared().lazy(), on=["whose", "type"])
        .filter(pl.col("band") <= pl.col("reach"), pl.col("only").is_null() | (pl.col("only") == pl.col("code")))
        .sort("person_id", "feature", "type", "code", "band")  # so that sums of values never depend on threads
        .group_by("person_id", "feature", maintain_order=True)
        .agg(
            pl.col("how").first(), pl.col("times").sum(), pl.col("total").sum(), pl.col("newest").sum(),
            pl.col("highest").max(), pl.col("latest").max(), pl.col("type").n_unique().alias("kinds"),
        )
        .select("person_id", "feature", value.cast(pl.Float64).alias("value"))
        .collect()
    )  # fmt: skip


def _facts(view: View, wanted: pl.DataFrame, homes: pl.DataFrame) -> pl.DataFrame:
    ages = view.people.select("person_id", "age_months", pl.col("imd_decile").cast(pl.Int32))
    child = (pl.col("age_months") < 18 * 12).fill_null(False)
    sizes = (
        homes.join(ages, on="person_id", how="left")
        .group_by("household_id")
        .agg(pl.len().alias("home_people"), child.sum().alias("home_children"))
    )
    mine = (
        homes.join(wanted, on="person_id", how="semi")
        .join(sizes, on="household_id")
        .group_by("person_id")
        .agg(pl.col("home_people").max(), pl.col("home_children").max())
    )
    alone = [pl.col("home_people").fill_null(1), pl.col("home_children").fill_null(child.cast(pl.UInt32))]
    return wanted.join(ages, on="person_id", how="left").join(mine, on="person_id", how="left").with_columns(alone)
