"""Who lives with whom today, and who lives alone, against what is true of an invented borough.

What belongs here: measures of households. What a night costs belongs in `benchmarks.linkage`.

A golden person stands for the true person whom most of its records are about. Only true people count of whom some feed
has at least one record. Those who have died or left live nowhere by the truth: measures of `residents` leave them
out, measures of `everyone` count it as a mistake if someone is said to live with them.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

PAIR = ("person", "other")


def measure(tables: Mapping[str, pl.DataFrame], truth: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Compare households with the truth, beside people who share the very text of a golden address.

    Args:
        tables: `person`, `person_link`, `household`, `household_member` of one night.
        truth: `record` (record_id, person) and `household` (person, household, kind) on the day of that night.

    Returns:
        A row a measure: `measure` (what), `of` (whom it is about), `found`, `true`, `right` (pairs, or people),
        `precision`, `recall`, `f1`; for pairs also `rival_precision`, `rival_recall`, `rival_f1`.
    """
    who = _who(tables["person_link"], truth["record"])
    lives = truth["household"].join(who.select("person").unique(), on="person", how="semi")
    member = tables["household_member"].join(tables["household"], on="household_id").join(who, on="person_id")
    golden = tables["person"].filter(pl.col("death_date").is_null()).join(who, on="person_id")
    golden = golden.with_columns(pl.concat_str("address", "postcode", separator="|").alias("text"))
    found, rival = _pairs(member, "household_id"), _pairs(golden, "text")
    rows = []
    for of, kinds in (("residents", None), ("residents of homes", ("home",)), ("residents of hmos", ("hmo",))):
        there = lives if kinds is None else lives.filter(pl.col("kind").is_in(kinds))
        true = _pairs(there, "household")
        rows.append(_row("lives with, today", of, _among(found, there), true, _among(rival, there)))
    rows.append(_row("lives with, today", "everyone", found, _pairs(lives, "household"), rival))
    return pl.concat([pl.DataFrame(rows), _alone(member, truth["household"], lives)], how="diagonal")


def _who(links: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """`person_id`, `person`: the true person of most of each golden person's records."""
    both = links.select("record_id", "person_id").join(records.drop_nulls("person"), on="record_id")
    most = both.group_by("person_id", "person").len().sort("len", "person", descending=[True, False])
    return most.unique("person_id", keep="first", maintain_order=True).select("person_id", "person")


def _pairs(rows: pl.DataFrame, group: str) -> pl.DataFrame:
    """Each two people of one group, once, the smaller first."""
    rows = rows.select("person", group).drop_nulls().unique()
    both = rows.join(rows.rename({"person": "other"}), on=group).filter(pl.col("person") < pl.col("other"))
    return both.select(PAIR).unique()


def _among(pairs: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    there = people.select("person").unique()
    return pairs.join(there, on="person", how="semi").join(there, left_on="other", right_on="person", how="semi")


def _scores(found: pl.DataFrame, true: pl.DataFrame) -> tuple[int, float, float, float]:
    right = found.join(true, on=PAIR, how="semi").height
    precision, recall = right / max(found.height, 1), right / max(true.height, 1)
    return right, precision, recall, 2 * right / max(found.height + true.height, 1)


def _row(measure: str, of: str, found: pl.DataFrame, true: pl.DataFrame, rival: pl.DataFrame) -> dict[str, object]:
    right, precision, recall, f1 = _scores(found, true)
    _, rival_precision, rival_recall, rival_f1 = _scores(rival, true)
    return {
        "measure": measure, "of": of, "found": found.height, "true": true.height, "right": right,
        "precision": precision, "recall": recall, "f1": f1,
        "rival_precision": rival_precision, "rival_recall": rival_recall, "rival_f1": rival_f1,
    }  # fmt: skip


def _alone(member: pl.DataFrame, everyone: pl.DataFrame, lives: pl.DataFrame) -> pl.DataFrame:
    """For each grade of living alone: how many of those said to live alone do, and how many of those who do are found.

    Someone said to live alone who lives nowhere by the truth, or in a house of many tenants, is a mistake.
    """
    one = (pl.len().over("household") == 1) & (pl.col("kind") == "home")
    alone = everyone.filter(one).join(lives, on="person", how="semi").select("person")
    rows = []
    for grades in (("strong",), ("some",), ("strong", "some")):
        said = member.filter(pl.col("lives_alone").is_in(grades)).select("person").unique()
        right = said.join(alone, on="person", how="semi").height
        rows.append(
            {
                "measure": "lives alone", "of": " or ".join(grades), "found": said.height, "true": alone.height,
                "right": right, "precision": right / max(said.height, 1), "recall": right / max(alone.height, 1),
                "f1": 2 * right / max(said.height + alone.height, 1),
            }
        )  # fmt: skip
    return pl.DataFrame(rows)
