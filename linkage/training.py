"""How a model is trained: m from pairs that are one person, u from pairs drawn at random, the cut from both.

What belongs here: estimation, the cut, and the checks that refuse a poor model. What is estimated stands in
`linkage.model`. No truth is needed: ids that two records share say who is one person, valid ids that differ say who is
not, and where there are none, expectation and maximisation over the blocked pairs do what they can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from linkage.blocking import blocks
from linkage.comparisons import Comparison
from linkage.conform import conform, prepare
from linkage.model import (
    AGE,
    BEARERS,
    BRIDGES,
    CONTRADICTS,
    GROWN,
    IDS,
    PLACE_OF,
    Model,
    TrainingError,
    bits,
    compare,
    feed_codes,
    full_name,
    met_of,
    weigh,
)
from linkage.settings import Settings

DRAWN = 2_000_000  # random pairs for u
DRAWN_EACH = 200  # of them a record, where there are few
LABELLED = 300_000  # pairs with a shared id for m
BELIEF = 20.0  # how many pairs the assumed m is worth
ROUNDS = 4  # of expectation and maximisation
FEWEST = 1_000  # records below which nothing can be said of strangers
NAMESAKE = 0.02  # namesakes that a full name known of one person may still have
ENOUGH = 500  # pairs of either kind from which ids tell how far weights can be trusted
SAMPLE = 2_000  # pairs on which a model must prove itself
RARELY = 0.25  # share of children, against that of all, below which a feed knows adults only
GREY = (0.1, 0.9)  # probability of a pair that a person should look at
WIDEST = 6.0  # bits from the cut to either end of the grey band
MET = 6.0  # bits that no two feeds exceed
MEANT = 1.5  # bits by which groups may be joined below what serves single pairs best: no one pair lifts a mean alone
STEP = 0.1  # bits
CUTS = np.arange(-4.0, 8.01, STEP)
CONTACTS = {"telephone": "phone", "email": "email"}
_CODES = {**CONTACTS, **IDS}


def train(
    records: pl.DataFrame,
    seed: int,
    folder: Path | None = None,
    drawn: int = DRAWN,
    settings: Settings | None = None,
    decisions: pl.DataFrame | None = None,
) -> Model:
    """Train a model on `source_record` rows; see `fit`."""
    extra = [one.column for one in settings.extra] if settings else []
    if absent := [name for name in extra if name not in records.columns]:
        raise TrainingError(_absent(absent[0]))
    return fit(conform(prepare(records, extra)[0]), seed, folder, drawn, settings, decisions)


def fit(
    people: pl.DataFrame,
    seed: int,
    folder: Path | None = None,
    drawn: int = DRAWN,
    settings: Settings | None = None,
    decisions: pl.DataFrame | None = None,
) -> Model:
    """Train a model.

    Args:
        people: conformed records; columns of the settings' further comparisons beside them.
        seed: of the random pairs; the same records, settings and seed give the same model.
        folder: where DuckDB may spill; None forbids it.
        drawn: how many pairs to draw at random.
        settings: what the council chose.
        decisions: `record_l`, `record_r`, `verdict`: what reviewers said. A pair judged is believed: it counts as the
            one person or the two that it was said to be, in m, in the prior and where the cut is chosen. It counts
            once, for reviewers see the doubtful pairs only, and more would bend m towards these.

    Raises:
        TrainingError: too few records; a comparison in which no match ever agrees; weights that depend on which
            record comes first, or that a model loaded again does not give.
    """
    settings = settings or Settings()
    if people.height < FEWEST:
        raise TrainingError(
            f"{people.height} records are too few to train on: {FEWEST} are needed. Use a model trained elsewhere."
        )
    model = _start(people, settings)
    labelled = _labelled(people, seed)
    alike = compare(people, labelled.select("uid_l", "uid_r").unique().sort("uid_l", "uid_r"), model, -math.inf, folder)
    alike = alike.filter(~CONTRADICTS).join(labelled, on=["uid_l", "uid_r"])
    strangers = compare(people, _drawn(people.height, seed, drawn), model, -math.inf, folder)
    random = [_counts(strangers[f"g{n}"], len(c.levels)) for n, c in enumerate(settings.comparisons)]
    told = [_by_others(alike, n, c) for n, c in enumerate(settings.comparisons)]
    model = replace(model, prior=_prior_guess(people))
    model = _estimated(model, people, told, random)[0]
    model = replace(model, together=_together(people), frequencies=_frequencies(people, settings))

    pairs = blocks(people, caps=settings.caps).pairs()
    scored = compare(people, pairs, model, -math.inf, folder)
    apart = scored["weight"].to_numpy() - bits(scored, model)  # what names' frequencies add: the same in each round
    said = _said(people, scored, decisions)
    every = people.height * (people.height - 1) / 2
    merged: list[str] = []
    for _ in range(ROUNDS):
        scored = scored.with_columns(met_of(people, scored, model))
        chance = _chance(_weighed(scored, model, apart), said)
        matches = [_counts(scored[f"g{n}"], len(c.levels), chance) for n, c in enumerate(settings.comparisons)]
        model, merged = _estimated(model, people, matches, random)
        model = replace(model, prior=float(f"{max(chance.sum(), 1.0) / every:.6g}"))
        model = replace(model, feeds=_feeds(people, scored, chance, model.prior))
    scored = scored.with_columns(met_of(people, scored, model))
    _observed(model, matches, random)

    weighed = _weighed(scored, model, apart)
    proof = _proof(people, scored, model, apart, said)
    cut, grey, evaluation = _cut(scored, weighed, said, proof)
    model = replace(
        model,
        cut=cut if settings.cut == "auto" else settings.cut,
        grey=grey if settings.grey == "auto" else settings.grey,
    )
    facts = {
        "records": people.height,
        "pairs_sharing_an_id": alike.height,
        "pairs_drawn": strangers.height,
        "pairs_blocked": scored.height,
        "pairs_reviewed": int((said >= 0).sum()),
        "levels_merged": merged,
        "never_comparable": [c.name for c, seen in zip(settings.comparisons, random, strict=True) if not seen.sum()],
        "seed": seed,
        "columns": _columns(people),
        "versions": _versions(),
        "evaluation": evaluation,
    }
    model = replace(model, facts=facts)
    _prove(people, scored, model, folder)
    return model


# -- m and u ---------------------------------------------------------------------------------------------------------


def _start(people: pl.DataFrame, settings: Settings) -> Model:
    """The model before any pair is seen.

    Raises:
        TrainingError: a column of a further comparison is not there.
    """
    for extra in settings.extra:
        if extra.conformed not in people.columns:
            raise TrainingError(_absent(extra.column))
    return Model(
        1e-4,
        {c.name: tuple(level.m for level in c.levels) for c in settings.comparisons},
        {c.name: tuple(1 / len(c.levels) for _ in c.levels) for c in settings.comparisons},
        0.0,
        0.0,
        settings=settings,
        adults=_adults(people),
    )


def _absent(column: str) -> str:
    return f"linkage.yaml compares the column {column!r}, which the records do not have. Correct it there."


def _by_others(alike: pl.DataFrame, number: int, comparison: Comparison) -> np.ndarray:
    """How often pairs that share an id reach each level; for an id, those that share another."""
    told = alike.filter(pl.col("by") != IDS[comparison.name]) if comparison.name in IDS else alike
    told = told.unique(["uid_l", "uid_r"], keep="first", maintain_order=True)
    return _counts(told[f"g{number}"], len(comparison.levels))


def _estimated(
    model: Model, people: pl.DataFrame, matches: list[np.ndarray], random: list[np.ndarray]
) -> tuple[Model, list[str]]:
    """The model with m and u from counts, and the levels that neither matches nor strangers ever reached.

    Such a level is worth what the next less alike one is: it has no evidence of its own, and no weight must come of
    none.
    """
    m: dict[str, tuple[float, ...]] = {}
    u: dict[str, tuple[float, ...]] = {}
    merged = []
    for comparison, among, seen in zip(model.comparisons, matches, random, strict=True):
        many = len(comparison.levels)
        believed = np.array([level.m for level in comparison.levels])
        m_of = (among + BELIEF * believed / believed.sum()) / (among.sum() + BELIEF)
        u_of = (seen + 0.5) / (seen.sum() + 0.5 * many) if seen.sum() else np.full(many, 1 / many)
        exact = _exact(people, comparison.name)
        if not seen.sum():
            m_of = u_of  # nothing is ever compared: nothing is said
        elif exact is not None:
            u_of[: len(exact)] = exact
        else:
            u_of = np.maximum(u_of - model.prior * m_of, u_of / 4)
        for level in range(many - 2, -1, -1):
            if among[level] < 0.5 and seen[level] == 0 and exact is None:
                m_of[level] = u_of[level] * m_of[level + 1] / u_of[level + 1]
                merged.append(f"{comparison.name}: {comparison.levels[level].label}")
        m[comparison.name] = tuple(float(f"{value:.6g}") for value in m_of)
        u[comparison.name] = tuple(float(f"{value:.6g}") for value in u_of / max(u_of.sum(), 1.0))
    return replace(model, m=m, u=u), merged


def _observed(model: Model, matches: list[np.ndarray], random: list[np.ndarray]) -> None:
    """Refuse a comparison in which records of one person never agree, though often compared.

    Raises:
        TrainingError: says which, and what to do.
    """
    for comparison, among, seen in zip(model.comparisons, matches, random, strict=True):
        if among.sum() >= FEWEST and seen.sum() and among[0] < 0.5:
            raise TrainingError(
                f"{comparison.name}: of {among.sum():.0f} pairs that are one person none reaches the level "
                f"{comparison.levels[0].label!r}. Its column is not what it is taken for: correct the contract, or "
                f"write {comparison.name!r} under leave_out in linkage.yaml."
            )


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
    most = height * min(DRAWN_EACH, (height - 1) // 2)
    draw = np.random.default_rng(seed).integers(0, height, size=(2, min(many, most)))
    left, right = draw.min(axis=0), draw.max(axis=0)
    pairs = pl.DataFrame({"uid_l": left, "uid_r": right}).filter(pl.col("uid_l") < pl.col("uid_r"))
    return pairs.unique().sort("uid_l", "uid_r")


def _counts(levels: pl.Series, many: int, weights: np.ndarray | None = None) -> np.ndarray:
    """How often each level was reached, most alike first; what is missing is left out."""
    reached = levels.to_numpy()
    known = reached >= 0
    told = None if weights is None else weights[known]
    return np.bincount(reached[known], weights=told, minlength=many)[::-1].astype(float)


def _exact(people: pl.DataFrame, comparison: str) -> np.ndarray | None:
    """Of ids and contacts: the probability, counted, that two records at random reach each of the levels of agreement.

    For a contact the first level is of values that one person gives, the second of those that a family shares.
    """
    column = _CODES.get(comparison)
    if column is None:
        return None
    shared = pl.col(f"{column}_shared") if comparison in CONTACTS else pl.lit(False)
    sizes = (
        people.drop_nulls(column).group_by(column).agg(pl.len().cast(pl.Float64).alias("n"), shared.first().alias("s"))
    )
    every = max(float(sizes["n"].sum()) * (float(sizes["n"].sum()) - 1), 1e6)
    kinds = (False, True) if comparison in CONTACTS else (False,)
    same = [sizes.filter(pl.col("s") == kind).select((pl.col("n") * (pl.col("n") - 1)).sum()).item() for kind in kinds]
    return np.maximum(same, 1.0) / every


def _frequencies(people: pl.DataFrame, settings: Settings) -> dict[str, pl.DataFrame]:
    """How frequent each value of each column is that counts for more where it is rare, and each full name."""
    counted = {level.frequency_of for c in settings.comparisons for level in c.levels if level.frequency_of}
    found = {name: _frequency(people, name) for name in sorted(counted)}
    return found | {BEARERS: _bearers(people, found, _together(people))}


def _frequency(people: pl.DataFrame, name: str) -> pl.DataFrame:
    known = people.select(name).drop_nulls()
    counted = known.group_by(name).len(f"tf_{name}").sort(name)
    return counted.with_columns((pl.col(f"tf_{name}") / known.height).alias(f"tf_{name}"))


def _bearers(people: pl.DataFrame, frequencies: Mapping[str, pl.DataFrame], together: float) -> pl.DataFrame:
    """Of each full name, the chance that a stranger bears it: other people known to, and those whom no record knows.

    People are told apart by birth date. Those whom one record alone knows say how many are known by none: I. J. Good,
    The population frequencies of species (1953).
    """
    told = people.select(full_name().alias(BEARERS), "born").drop_nulls()
    persons = told.group_by(BEARERS, "born").len()
    every, unknown = max(persons.height, FEWEST), (persons["len"] == 1).sum() / max(told.height, 1)
    known = people.select("forename", "surname", full_name().alias(BEARERS)).drop_nulls().unique(BEARERS)
    for name in ("forename", "surname"):
        known = known.join(frequencies[name], on=name)
    known = known.join(persons.group_by(BEARERS).len("n"), on=BEARERS, how="left")
    likely = pl.col("tf_forename") * pl.col("tf_surname") * 2.0**together * (unknown if persons.height else 1.0)
    others = (pl.col("n").fill_null(1) - 1 + NAMESAKE) / every + likely
    return known.select(BEARERS, others.alias(f"tf_{BEARERS}")).sort(BEARERS)


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


# -- expectation -----------------------------------------------------------------------------------------------------


def _weighed(scored: pl.DataFrame, model: Model, apart: np.ndarray) -> pl.DataFrame:
    return weigh(scored.with_columns(pl.Series("weight", bits(scored, model) + apart)), model)


def _chance(weighed: pl.DataFrame, said: np.ndarray) -> np.ndarray:
    """The probability that each pair is one person; what a reviewer said is certain."""
    likely = 1 / (1 + 2.0 ** -np.clip(weighed["weight"].to_numpy(), -50, 50))
    likely = np.where(weighed["never"].to_numpy(), 0.0, likely)
    return np.where(said >= 0, said, likely)


def _feeds(people: pl.DataFrame, scored: pl.DataFrame, chance: np.ndarray, prior: float) -> dict[str, float]:
    """Of every two feeds, by how many bits the pairs that are one person are more than two records at random say."""
    feeds, code = feed_codes(people)
    many = len(feeds)
    one, other = code[scored["uid_l"].to_numpy()], code[scored["uid_r"].to_numpy()]
    cell = np.minimum(one, other) * many + np.maximum(one, other)
    found = np.bincount(cell, weights=chance, minlength=many * many).reshape(many, many)
    size = np.bincount(code, minlength=many).astype(float)
    pairs = np.where(np.eye(many, dtype=bool), size * (size - 1) / 2, np.outer(size, size))
    worth = np.clip(np.log2((found + BELIEF) / (pairs * prior + BELIEF)), -MET, MET)
    return {
        f"{a}|{b}": round(float(worth[x, y]), 3) for x, a in enumerate(feeds) for y, b in enumerate(feeds) if x <= y
    }


def _said(people: pl.DataFrame, scored: pl.DataFrame, decisions: pl.DataFrame | None) -> np.ndarray:
    """What reviewers said of each pair: 1 the same, 0 different, -1 nothing."""
    none = np.full(scored.height, -1.0)
    if decisions is None or decisions.is_empty():
        return none
    uid = people.select("record_id", pl.col("uid").alias("uid_l"), pl.col("uid").alias("uid_r"))
    judged = decisions.filter(pl.col("verdict").is_in(["same", "different"]))
    for end in ("l", "r"):
        judged = judged.join(uid.select(pl.col("record_id").alias(f"record_{end}"), f"uid_{end}"), on=f"record_{end}")
    judged = judged.select(
        pl.min_horizontal("uid_l", "uid_r").alias("uid_l"),
        pl.max_horizontal("uid_l", "uid_r").alias("uid_r"),
        (pl.col("verdict") == "same").cast(pl.Float64).alias("said"),
    ).unique(["uid_l", "uid_r"], keep="last", maintain_order=True)
    both = scored.select("uid_l", "uid_r").join(judged, on=["uid_l", "uid_r"], how="left", maintain_order="left")
    return both["said"].fill_null(-1.0).to_numpy()


def _adults(people: pl.DataFrame) -> tuple[str, ...]:
    """Feeds that tell no birth dates and whose people, where others tell theirs, are hardly ever children.

    Who bears the same full name at the same door is taken for the same person, which few but fathers and sons belie.
    """
    silent = people.group_by("feed").agg(pl.col("year").is_null().all()).filter("year").select("feed")
    child = (pl.col("year") > pl.col("seen") - GROWN).mean()
    usual = people.drop_nulls(["year", "seen"]).select(child).item()
    key = ["forename", "surname", "door"]
    dated = people.select(*key, "year").drop_nulls()
    told = people.join(silent, on="feed").select(*key, "feed", "seen").drop_nulls().join(dated, on=key)
    found = told.group_by("feed").agg(child, pl.len()).filter(pl.col("len") >= FEWEST // 10)
    return tuple(found.filter(pl.col("year") < RARELY * (usual or 0.0))["feed"].sort())


# -- the cut ---------------------------------------------------------------------------------------------------------


def _proof(
    people: pl.DataFrame, scored: pl.DataFrame, model: Model, apart: np.ndarray, said: np.ndarray
) -> pl.DataFrame:
    """Pairs of which ids or reviewers tell whether they are one person, weighed as though nothing had told.

    Both must carry a valid NHS number, or both a UPN. Only pairs that other keys than ids bring together are taken, and
    each is weighed twice: as it stands, and without birth date, as records of feeds that tell none would be.

    Returns:
        `weight`, `never`, `one` (bool), `dated` (bool).
    """
    level = {name: pl.col(f"g{PLACE_OF[name]}") for name in IDS}
    shared = pl.any_horizontal(*(level[name] == 2 for name in ("NHS number", "UPN")))
    other = pl.any_horizontal(*(level[name] == 0 for name in ("NHS number", "UPN")))
    judged = pl.Series(said >= 0)
    known = scored.with_columns(
        pl.when(judged).then(pl.Series(said) == 1).when(shared & ~other).then(True).when(other & ~shared).then(False)
        .alias("one"),
        pl.Series("apart", apart),
    ).drop_nulls("one")  # fmt: skip
    ids = [pl.lit(None, pl.String).alias(column) for column in IDS.values()]
    undated = [pl.lit(None, people.schema[c]).alias(c) for c in ("born", "year")]
    found = []
    for dated, gone in ((True, ids), (False, [*ids, *undated])):
        met = known
        if known.height:
            uids = pl.concat([known["uid_l"], known["uid_r"]]).unique()
            rest = people.filter(pl.col("uid").is_in(uids.implode())).with_columns(gone)
            met = known.join(
                blocks(rest, caps=model.settings.caps).pairs(), on=["uid_l", "uid_r"], how="semi", maintain_order="left"
            )
        mute = [*IDS] if dated else [*IDS, "birth date", AGE]
        met = met.with_columns(pl.lit(-1, pl.Int8).alias(f"g{PLACE_OF[name]}") for name in mute)
        told = _weighed(met, model, met["apart"].to_numpy()).select("weight", "never", "one")
        found.append(told.with_columns(pl.lit(dated).alias("dated")))
    return pl.concat(found)


def _trust(proof: pl.DataFrame) -> tuple[float, float]:
    """How far weights can be trusted: the chance of a pair is one in 1 + 2^-(a + b weight). (0, 1) where too few tell.

    Logistic regression by Newton's method, as J. C. Platt does for scores (1999).
    """
    told = proof.filter(~pl.col("never"))
    one = told["one"].to_numpy().astype(float)
    if min(one.sum(), len(one) - one.sum()) < ENOUGH:
        return 0.0, 1.0
    x = np.column_stack([np.ones(len(one)), np.clip(told["weight"].to_numpy(), -20, 20)])
    beta = np.array([0.0, math.log(2)])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        slope = x.T @ (x * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        beta += np.clip(np.linalg.solve(slope, x.T @ (one - p)), -0.5, 0.5)
    a, b = beta / math.log(2)
    return (float(a), float(b)) if b > 0.1 else (0.0, 1.0)


def _cut(
    scored: pl.DataFrame, weighed: pl.DataFrame, said: np.ndarray, proof: pl.DataFrame
) -> tuple[float, tuple[float, float], dict[str, Any]]:
    """The weight from which joining is expected to serve F1 best, the grey band around it, and what is expected of it.

    It is `MEANT` below the weight that would serve best if pairs stood alone, for clusters are joined by means. Each
    pair's chance is that of its weight, corrected by what ids told of pairs with, or without, birth date.
    """
    weight = weighed["weight"].to_numpy()
    dated = scored[f"g{PLACE_OF['birth date']}"].to_numpy() >= 0
    trust = {flag: _trust(proof.filter(pl.col("dated") == flag)) for flag in (True, False)}
    chance = np.zeros(len(weight))
    for flag, (a, b) in trust.items():
        here = dated == flag
        chance[here] = 1 / (1 + 2.0 ** -np.clip(a + b * weight[here], -50, 50))
    chance[weighed["bridge"].to_numpy()] = 1.0
    chance[weighed["never"].to_numpy()] = 0.0
    chance = np.where(said >= 0, said, chance)
    allowed = ~weighed["never"].to_numpy()
    order = np.argsort(-weight[allowed], kind="stable")
    falling, likely = -weight[allowed][order], np.cumsum(chance[allowed][order])
    total, place = chance.sum(), np.searchsorted(falling, -CUTS, side="right")
    right = np.r_[0.0, likely][place]
    f1 = 2 * right / np.maximum(place + total, 1.0)
    best = max(int(f1.argmax()) - round(MEANT / STEP), 0)
    at, of = np.unique(np.floor(weight[allowed] * 2) / 2, return_inverse=True)
    mean = np.bincount(of, weights=chance[allowed]) / np.maximum(np.bincount(of), 1)
    cut = round(float(CUTS[best]), 1)
    low = min(max(float(at[mean >= GREY[0]].min(initial=cut)), cut - WIDEST), cut)
    high = max(min(float(at[mean < GREY[1]].max(initial=cut)) + 0.5, cut + WIDEST), cut)
    joined = proof.filter(~pl.col("never") & (pl.col("weight") >= cut))
    seen: dict[str, Any] = {}
    for flag in (True, False):
        told, on = proof.filter(pl.col("dated") == flag), joined.filter(pl.col("dated") == flag)
        seen["with_birth_date" if flag else "without_birth_date"] = {
            "pairs": told.height,
            "one_person": int(told["one"].sum()),
            "precision": round(int(on["one"].sum()) / max(on.height, 1), 4),
            "recall": round(int(on["one"].sum()) / max(int(told["one"].sum()), 1), 4),
            "trust": [round(value, 3) for value in trust[flag]],
        }
    evaluation = {
        "expected_precision": round(float(right[best] / max(place[best], 1)), 4),
        "expected_recall": round(float(right[best] / max(total, 1.0)), 4),
        "expected_f1": round(float(f1[best]), 4),
        "told_by_ids": seen,
    }
    return cut, (low, high), evaluation


# -- facts and proof -------------------------------------------------------------------------------------------------


def _columns(people: pl.DataFrame) -> dict[str, Any]:
    """How complete each column is, and how many values it has."""
    plain = [c for c, kind in people.schema.items() if c not in ("uid", "record_id", "fingerprint") and kind != pl.List]
    return {
        c: {
            "complete": round(1 - people[c].null_count() / people.height, 4),
            "values": people[c].drop_nulls().n_unique(),
        }
        for c in plain
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("kinfold", "splink", "duckdb", "polars")}


def _prove(people: pl.DataFrame, scored: pl.DataFrame, model: Model, folder: Path | None) -> None:
    """Refuse a model whose weights depend on which record comes first, or that is another once it was written and read.

    Raises:
        TrainingError: says which comparison.
    """
    rows = np.arange(0, scored.height, max(1, scored.height // SAMPLE))[:SAMPLE]
    if not len(rows):
        return
    straight = compare(people, scored[rows].select("uid_l", "uid_r"), model, -math.inf, folder)
    frequent = straight["weight"].to_numpy() - bits(straight, model)
    again = Model.parse(model.text(), model.frequencies)
    read = straight.with_columns(pl.Series("weight", bits(straight, again) + frequent))
    _same(straight, read, model, "is another once the model was written and read")
    last = int(people["uid"].max())  # type: ignore[arg-type]
    turned = people.with_columns((last - pl.col("uid")).alias("uid")).sort("uid")
    swapped = straight.select((last - pl.col("uid_r")).alias("uid_l"), (last - pl.col("uid_l")).alias("uid_r"))
    back = compare(turned, swapped.sort("uid_l", "uid_r"), model, -math.inf, folder)
    back = back.with_columns((last - pl.col("uid_r")).alias("uid_l"), (last - pl.col("uid_l")).alias("uid_r"))
    _same(straight, back.sort("uid_l", "uid_r"), model, "depends on which record comes first")


def _same(one: pl.DataFrame, other: pl.DataFrame, model: Model, what: str) -> None:
    for number, comparison in enumerate(model.comparisons):
        if not one[f"g{number}"].equals(other[f"g{number}"]):
            raise TrainingError(f"{comparison.name}: its level {what}. Write its rule so that it does not.")
    if not np.allclose(one["weight"].to_numpy(), other["weight"].to_numpy(), atol=1e-9):
        raise TrainingError(f"A weight {what}. Use one version of Splink and DuckDB to train and to score.")
