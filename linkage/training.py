"""How a model is trained: m from pairs that share a valid id, u from pairs drawn at random, the prior from both.

What belongs here: estimation and the checks that refuse a poor one. What is estimated stands in `linkage.model`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl

from linkage.blocking import blocks
from linkage.comparisons import COMPARISONS
from linkage.conform import conform, prepare
from linkage.model import BRIDGES, CONTRADICTS, IDS, Model, TrainingError, compare, weigh

DRAWN = 2_000_000  # random pairs for u
LABELLED = 300_000  # pairs with a shared id for m
BELIEF = 20.0  # how many pairs the assumed m is worth
CUT = 2.0  # weight from which pairs are joined
FEWEST = 1_000  # records below which nothing can be said of strangers


def train(records: pl.DataFrame, seed: int, folder: Path | None = None, drawn: int = DRAWN) -> Model:
    """Train a model.

    Args:
        records: `source_record` rows; truth is not needed.
        seed: of the random pairs; the same records and seed give the same model.
        folder: where DuckDB may spill; None forbids it.
        drawn: how many pairs to draw at random.

    Raises:
        TrainingError: fewer than 1,000 records.
    """
    people = conform(prepare(records)[0])
    if people.height < FEWEST:
        raise TrainingError(
            f"{people.height} records are too few to train on: {FEWEST} are needed. Use a model trained elsewhere."
        )
    start = Model(
        1e-4,
        {c.name: tuple(level.m for level in c.levels) for c in COMPARISONS},
        {c.name: tuple(1 / len(c.levels) for _ in c.levels) for c in COMPARISONS},
        0.0,
        CUT,
    )
    labelled = _labelled(people, seed)
    alike = compare(people, labelled.select("uid_l", "uid_r").unique().sort("uid_l", "uid_r"), start, -math.inf, folder)
    alike = alike.filter(~CONTRADICTS).join(labelled, on=["uid_l", "uid_r"])
    strangers = compare(people, _drawn(people.height, seed, drawn), start, -math.inf, folder)

    m: dict[str, tuple[float, ...]] = {}
    u: dict[str, tuple[float, ...]] = {}
    prior = _prior_guess(people)
    unseen = []
    for number, comparison in enumerate(COMPARISONS):
        column, levels = f"g{number}", comparison.levels
        told = alike.filter(pl.col("by") != IDS[comparison.name]) if comparison.name in IDS else alike
        told = told.unique(["uid_l", "uid_r"], keep="first", maintain_order=True)
        among = _counts(told[column], len(levels))
        random = _counts(strangers[column], len(levels))
        believed = np.array([level.m for level in levels])
        m_of = (among + BELIEF * believed / believed.sum()) / (among.sum() + BELIEF)
        seen = random.sum()
        u_of = (random + 0.5) / (seen + 0.5 * len(levels)) if seen else np.full(len(levels), 1 / len(levels))
        exact = _exact(people, comparison.name)
        if exact is not None:
            u_of[0] = exact
        else:
            u_of = np.maximum(u_of - prior * m_of, u_of / 4)
        for level in range(len(levels) - 2, -1, -1):
            if among[level] == 0 and random[level] == 0 and exact is None:
                m_of[level] = u_of[level] * m_of[level + 1] / u_of[level + 1]
                unseen.append(f"{comparison.name}: {levels[level].label}")
        m[comparison.name] = tuple(float(f"{value:.6g}") for value in m_of)
        u[comparison.name] = tuple(float(f"{value:.6g}") for value in u_of / max(u_of.sum(), 1.0))

    frequencies = {name: _frequency(people, name) for name in ("forename", "surname")}
    facts = {
        "records": people.height,
        "pairs_sharing_an_id": alike.height,
        "pairs_drawn": strangers.height,
        "levels_merged": unseen,
        "seed": seed,
    }
    model = Model(prior, m, u, _together(people), CUT, facts, frequencies)
    return _with_prior(people, model, folder)


def _labelled(people: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Pairs that share a valid id, `by` which."""
    found = []
    for name in BRIDGES:
        column = IDS[name]
        rows = people.filter(pl.col(column).is_not_null()).select("uid", column)
        pairs = rows.join(rows, on=column, suffix="_r").filter(pl.col("uid") < pl.col("uid_r"))
        found.append(pairs.select(pl.col("uid").alias("uid_l"), "uid_r", pl.lit(column).alias("by")))
    every = pl.concat(found).sort("uid_l", "uid_r", "by")
    if every.height > LABELLED:
        every = every.sample(LABELLED, seed=seed).sort("uid_l", "uid_r", "by")
    return every


def _drawn(height: int, seed: int, many: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed).integers(0, height, size=(2, min(many, height * (height - 1) // 2)))
    left, right = draw.min(axis=0), draw.max(axis=0)
    pairs = pl.DataFrame({"uid_l": left, "uid_r": right}).filter(pl.col("uid_l") < pl.col("uid_r"))
    return pairs.unique().sort("uid_l", "uid_r")


def _counts(levels: pl.Series, many: int) -> np.ndarray:
    """How often each level was reached, most alike first; what is missing is left out."""
    reached = levels.to_numpy()
    return np.bincount(reached[reached >= 0], minlength=many)[::-1].astype(float)


def _exact(people: pl.DataFrame, comparison: str) -> float | None:
    """For ids and contacts: the probability, counted, that two records at random hold the same value."""
    column = {"telephone": "phone", "email": "email", **IDS}.get(comparison)
    if column is None:
        return None
    sizes = people[column].drop_nulls().value_counts()["count"].cast(pl.Float64)
    every = float(sizes.sum())
    same = float((sizes * (sizes - 1)).sum())
    return max(same, 1.0) / max(every * (every - 1), 1e6)


def _frequency(people: pl.DataFrame, name: str) -> pl.DataFrame:
    known = people.select(name).drop_nulls()
    counted = known.group_by(name).len(f"tf_{name}").sort(name)
    return counted.with_columns((pl.col(f"tf_{name}") / known.height).alias(f"tf_{name}"))


def _together(people: pl.DataFrame) -> float:
    """Bits by which full names repeat more than their parts would have it: names run in communities."""
    told = people.select("forename", "surname", "born").drop_nulls().unique()

    def repeated(*columns: str) -> float:
        sizes = told.group_by(columns).len()["len"].cast(pl.Float64)
        return max(float((sizes * (sizes - 1)).sum()), 1.0) / max(told.height * (told.height - 1.0), 1.0)

    both = repeated("forename", "surname")
    return round(max(0.0, math.log2(both / (repeated("forename") * repeated("surname")))), 3)


def _prior_guess(people: pl.DataFrame) -> float:
    """Two records at random are one person as often as two with everything told agree on names and birth date."""
    told = people.select("forename", "surname", "born").drop_nulls()
    same = told.group_by("forename", "surname", "born").len()["len"].cast(pl.Float64)
    return max(float((same * (same - 1)).sum()), 2.0) / max(told.height * (told.height - 1.0), 1e4)


def _with_prior(people: pl.DataFrame, model: Model, folder: Path | None) -> Model:
    """The prior at which the pairs found are expected to hold as many matches as it says there are."""
    scored = compare(people, blocks(people).pairs(), model, -20.0, folder)
    weights = weigh(scored, model)["weight"].to_numpy()
    odds = math.log2(model.prior / (1 - model.prior))
    every = people.height * (people.height - 1) / 2
    prior = model.prior
    for _ in range(20):
        shifted = np.clip(weights - odds + math.log2(prior / (1 - prior)), -50, 50)
        prior = float((1 / (1 + 2.0**-shifted)).sum() / every)
    return Model(float(f"{prior:.6g}"), model.m, model.u, model.together, model.cut, model.facts, model.frequencies)
