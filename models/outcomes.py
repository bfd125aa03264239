"""What a model looks ahead for, as a council declares it, and who has it.

What belongs here: the reader of `outcomes/*.outcome.yaml`, its population on a day and its labels. How it is
predicted belongs in `models.risk`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator, Field

from models.declared import Span, check_types, read
from models.rules import Listed
from models.views import OutcomeView, View, midnight, shifted
from models.vocabulary import WORDS
from warehouse.site import Config

NEVER_FEATURES = ("ethnicity", "religion", "nationality", "disability")
GROUPS = ("sex", "ethnicity", "age_band", "deprivation")


def _ordered(band: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= band[0] < band[1]:
        raise ValueError("write the lower end first, and both from 0 up")
    return band


def _names_the_four(names: list[str]) -> list[str]:
    missing = sorted(set(NEVER_FEATURES) - set(names))
    if missing:
        raise ValueError(f"must also name {', '.join(missing)}")
    return names


Band = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Population(Config):
    """Who is looked at.

    Attributes:
        age: in whole years, both ends included.
        not_open_to: services that no one looked at is open to.
        left_when_ended: registrations; whoever had some of these and has none open any more has left the area.
    """

    age: tuple[int, int]
    not_open_to: Listed[str]
    left_when_ended: list[str] = Field(default=[])


class Happens(Config):
    """The types of events that count as the outcome."""

    event: Listed[str]


class Excluded(Config):
    """Who is left out because it has happened already: open to the service within this time."""

    open_within: Span


class Capacity(Config):
    """How many flags the team can take on: so many a week, on a list of so many weeks' work."""

    a_week: int = Field(ge=1)
    weeks: int = Field(default=4, ge=1)

    @property
    def length(self) -> int:
        """People on the list."""
        return self.a_week * self.weeks


class Threshold(Config):
    """A number to reach. Besides the estimate, the lower end of its interval may have to lie above a number."""

    at_least: float
    lower_limit_above: float | None = None


class Within(Config):
    """A band to lie in: by the estimate, or by its interval, which must then reach into the band."""

    band: Band
    judged_on: Literal["estimate", "interval"] = "estimate"


class Between(Within):
    """A band for ratios between groups.

    Attributes:
        groups: between which groups.
        judged_from: groups with fewer different people with the outcome are reported, and not judged.
    """

    groups: tuple[Literal["sex", "ethnicity", "age_band", "deprivation"], ...] = ("sex", "ethnicity")
    judged_from: int = 30


class Gate(Config):
    """Thresholds, written before training. Intervals are of 95%, by drawing people again and again."""

    positives_at_least: int
    test_positives_at_least: int = 0
    beats_rule_at_capacity_by: Threshold
    calibration_slope: Within
    observed_over_expected: Within
    recall_ratio_between_groups: Between
    single_feature_auc_below: float = 0.95


class Outcome(Config):
    """A file `outcomes/<name>.outcome.yaml`.

    Attributes:
        horizon: how far ahead is looked.
        settles_in: how long late recordings of an outcome are waited for.
        proxy_for: what the label stands for, and how it falls short.
        never_features: what must never be a feature; at least the four that Kinfold refuses anyway.
        increasing: more of these events never lowers the score.
        team: who receives the flags.
    """

    outcome: str
    plain_words: str
    population: Population
    happens: Happens
    horizon: Span
    settles_in: Span = "14d"
    excluded: Excluded
    proxy_for: str
    never_features: Annotated[list[str], AfterValidator(_names_the_four)]
    increasing: tuple[str, ...] = ()
    team: str
    capacity: Capacity
    gate: Gate


def read_outcomes(site: Path, types: Collection[str] = tuple(WORDS)) -> tuple[Outcome, ...]:
    """The outcomes of a site, in order of their files' names.

    Args:
        site: the council's folder.
        types: the types of events that its feeds yield.

    Raises:
        SiteError: each mistake with file, line and the nearest right spelling.
    """
    found = []
    for path in sorted((site / "outcomes").glob("*.outcome.yaml")):
        outcome, document = read(path, Outcome)
        used: list[tuple[tuple[str | int, ...], str]] = [(("happens", "event"), kind) for kind in outcome.happens.event]
        left = enumerate(outcome.population.left_when_ended)
        used += [(("population", "left_when_ended", place), kind) for place, kind in left]
        used += [(("increasing", place), kind) for place, kind in enumerate(outcome.increasing)]
        check_types(document, used, types)
        found.append(outcome)
    return tuple(found)


def population(view: View, outcome: Outcome) -> pl.Series:
    """Who may have the outcome: of the age, alive, known and not gone by the day, and not open, now or lately.

    Someone counts as open while an involvement of the service or the outcome itself is under way, by what was known.

    Returns:
        `person_id`, sorted.
    """
    youngest, oldest = outcome.population.age
    since = midnight(shifted(view.day, f"-{outcome.excluded.open_within}"))
    lately = pl.col("end").is_null() | (pl.col("end") >= since)
    services = view.involvements.filter(pl.col("service").is_in(outcome.population.not_open_to) & lately)
    happened = view.events.filter(pl.col("type").is_in(outcome.happens.event) & lately)
    registered = view.events.filter(pl.col("type").is_in(outcome.population.left_when_ended))
    left = registered.group_by("person_id").agg(pl.col("end").is_null().any().alias("open")).filter(~pl.col("open"))
    return (
        view.people.lazy()
        .filter(pl.col("age_months").is_between(youngest * 12, oldest * 12 + 11) & ~pl.col("deceased").fill_null(False))
        .select("person_id")
        .join(view.events.select("person_id"), on="person_id", how="semi")
        .join(left.select("person_id"), on="person_id", how="anti")
        .join(services.select("person_id"), on="person_id", how="anti")
        .join(happened.select("person_id"), on="person_id", how="anti")
        .sort("person_id")
        .collect()["person_id"]
    )


def labels(view: OutcomeView, outcome: Outcome, people: pl.Series) -> pl.DataFrame:
    """Whether the outcome began within the horizon, for a population of the view's day.

    Returns:
        `person_id`; `happened`, null where it was under way on the day and only became known later, so that it is
        neither a case nor a control; `lead_days` from the day to the first event. In the order of `people`.
    """
    first = (
        view.events()
        .filter(pl.col("type").is_in(outcome.happens.event))
        .group_by("person_id")
        .agg(pl.col("start").min())
    )
    began = view.under_way(outcome.happens.event).with_columns(already=pl.lit(True))
    happened = pl.when(pl.col("already").is_null()).then(pl.col("start").is_not_null())
    lead = (pl.col("start") - pl.lit(midnight(view.day))).dt.total_days().cast(pl.Int32)
    return (
        people.rename("person_id")
        .to_frame()
        .lazy()
        .join(first, on="person_id", how="left", maintain_order="left")
        .join(began, on="person_id", how="left", maintain_order="left")
        .select("person_id", happened.alias("happened"), pl.when(happened).then(lead).alias("lead_days"))
        .collect()
    )
