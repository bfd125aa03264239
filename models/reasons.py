"""Why someone is flagged, in recorded facts.

What belongs here: turning contributions of features into sentences that name what is recorded and where it stands.
Age, place and the make-up of a household are never given as reasons: they are no one's doing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from models.features import FEATURES, LARGEST_HOME
from models.views import View, midnight, shifted
from models.vocabulary import counted

MOST = 4  # reasons a flag
SPANS = {12: "12 months", 24: "2 years"}


def tell(people: pl.Series, contributions: pl.DataFrame, view: View) -> pl.DataFrame:
    """The strongest reasons of some people.

    A feature that reads several types of events shares its contribution among those of them that are recorded. What
    lowers the score is no reason. Twelve months are told where they hold a row, else two years.

    Args:
        people: person_id, in the order of the rows of `contributions`.
        contributions: a column a feature, in log odds.
        view: facts as known on the day.

    Returns:
        person_id, reasons (at most `MOST`, the strongest first), evidence (event ids, sorted); people with any.
    """
    facts = _facts(people, view)
    shares = (
        contributions.with_columns(people.rename("person_id"))
        .unpivot(index="person_id", variable_name="feature", value_name="share")
        .join(_read_by(), on="feature")
        .join(facts.select("person_id", "whose", "type"), on=["person_id", "whose", "type"])
        .with_columns(pl.col("share") / pl.len().over("person_id", "feature"))
        .group_by("person_id", "whose", "type")
        .agg(pl.col("share").sum().round(9))
        .filter(pl.col("share") > 0)
    )
    strongest = (
        shares.sort("person_id", "share", "whose", "type", descending=[False, True, True, False])
        .group_by("person_id", maintain_order=True)
        .head(MOST)
        .join(facts, on=["person_id", "whose", "type"], maintain_order="left")
    )
    words = [_sentence(row) for row in strongest.iter_rows(named=True)]
    return (
        strongest.with_columns(reasons=pl.Series(words, dtype=pl.String))
        .group_by("person_id", maintain_order=True)
        .agg(pl.col("reasons"), pl.col("evidence").explode(empty_as_null=False).unique().sort())
    )


@cache
def _read_by() -> pl.DataFrame:
    rows = [(f.name, f.whose, kind) for f in FEATURES for kind in f.events]
    return pl.DataFrame(rows, schema=["feature", "whose", "type"], orient="row")


def _facts(people: pl.Series, view: View) -> pl.DataFrame:
    """A row a person, whose and type: span in months, times, terms, total, highest, latest, evidence."""
    wanted = people.rename("person_id").to_frame()
    homes = view.members.filter(pl.len().over("household_id") <= LARGEST_HOME)
    others = (
        homes.join(wanted, on="person_id", how="semi")
        .join(homes.rename({"person_id": "other"}), on="household_id")
        .filter(pl.col("person_id") != pl.col("other"))
        .select("person_id", "other", whose=pl.lit("household"))
        .unique()
    )
    read = pl.concat([wanted.with_columns(other=pl.col("person_id"), whose=pl.lit("own")), others])
    span = pl.lit(None, pl.Int32)
    for months in sorted(SPANS, reverse=True):
        since = midnight(shifted(view.day, f"-{months}mo"))
        span = pl.when(pl.col("start") >= since).then(pl.lit(months, pl.Int32)).otherwise(span)
    nothing_missed = (pl.col("type") == "attendance") & (pl.col("value").fill_null(0) <= 0)
    return (
        view.events.filter(~nothing_missed)
        .select(pl.col("person_id").alias("other"), "event_id", "type", "start", "value", span.alias("span"))
        .filter(pl.col("span").is_not_null())
        .join(read.lazy(), on="other")
        .join(_read_by().lazy().select("whose", "type").unique(), on=["whose", "type"], how="semi")
        .unique(["person_id", "whose", "type", "event_id"])
        .filter(pl.col("span") == pl.col("span").min().over("person_id", "whose", "type"))
        .group_by("person_id", "whose", "type")
        .agg(
            pl.col("span").first(), pl.len().alias("times"), pl.col("start").n_unique().alias("terms"),
            pl.col("value").sum().alias("total"), pl.col("value").max().alias("highest"),
            pl.col("start").max().cast(pl.Date).alias("latest"), pl.col("event_id").unique().sort().alias("evidence"),
        )
        .collect()
    )  # fmt: skip


def _sentence(fact: dict[str, Any]) -> str:
    span, latest, kind = SPANS[fact["span"]], fact["latest"].isoformat(), fact["type"]
    if kind == "attendance":
        terms = f"{fact['terms']} school term{'' if fact['terms'] == 1 else 's'}"
        said = (
            f"{fact['total'] / fact['terms']:.0%} of sessions missed over {terms} in {span}, latest term from {latest}"
        )
    elif kind.endswith("_arrears"):
        said = f"{counted(kind, fact['times'])} in {span}, highest £{fact['highest']:,.0f}, latest {latest}"
    else:
        said = f"{counted(kind, fact['times'])} in {span}, latest {latest}"
    return said if fact["whose"] == "own" else f"others in the household: {said}"
