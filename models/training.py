"""How a risk model is trained, chosen, calibrated and tested, so that its measures can be believed.

What belongs here: which months and households teach, calibrate and test, and the choice between candidates. The fits
themselves are in `models.fitting`, the measures and the gate in `models.metrics`, the artefact in `models.risk`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from models import features, fitting, metrics, outcomes, rules
from models.features import FEATURES, NAMES, Feature
from models.fitting import Beta, Floats, Logistic
from models.metrics import Ranking, Tested
from models.outcomes import Outcome
from models.risk import Kind, Trained
from models.views import History, OutcomeView, View, shifted

FOLDS = 5
WARM_UP = "6mo"  # from the beginning of history to the first month that teaches
CORES = 2  # fits at once
NEGATIVES = 20  # people without the outcome for each with it, in training
CALIBRATION_MONTHS = 3
TEST_MONTHS = 5
CONTACTS = ("concerns_12m",)  # what the simplest rule adds up


class TooLittleHistory(Exception):
    """There is not enough history to train on; the rules go on alone. The message says what is missing."""


@dataclass(frozen=True)
class Months:
    """Which days' snapshots teach, calibrate and test. Between two of them lies a gap as long as the horizon."""

    train: tuple[date, ...]
    calibrate: tuple[date, ...]
    test: tuple[date, ...]


def months(outcome: Outcome, first_month: date, data_until: date) -> Months:
    """Share out the month starts from `first_month` on whose outcome windows have closed by `data_until`.

    Raises:
        TooLittleHistory: no month is left to train on.
    """
    starts = pl.date_range(first_month, data_until, "1mo", eager=True).to_list()

    def closed_by(day: date, settles_in: str = "0d") -> list[date]:
        return [start for start in starts if shifted(shifted(start, outcome.horizon), settles_in) <= day]

    test = closed_by(data_until, outcome.settles_in)[-TEST_MONTHS:]
    calibrate = closed_by(test[0])[-CALIBRATION_MONTHS:] if test else []
    train = closed_by(calibrate[0]) if calibrate else []
    if not train:
        raise TooLittleHistory(
            f"{outcome.outcome}: history from {first_month} to {data_until} leaves no month to train on, as training, "
            f"calibration and test are kept {outcome.horizon} apart. Wait, or deliver more of the past."
        )
    return Months(tuple(train), tuple(calibrate), tuple(test))


def first_month(outcome: Outcome, history: History, data_until: date) -> date:
    """The first month start from which features have half a year of history to read.

    History begins with the first month that has at least half of the usual number of the outcome's events; single
    spells that opened long before, and are still told, do not count as history.

    Raises:
        TooLittleHistory: the outcome was never recorded.
    """
    started = history.at(data_until).events.filter(pl.col("type").is_in(outcome.happens.event))
    monthly = (
        started.group_by(pl.col("start").dt.truncate("1mo").dt.date().alias("month")).len().sort("month").collect()
    )
    if monthly.is_empty():
        raise TooLittleHistory(f"{outcome.outcome}: it was never recorded; the rules go on alone.")
    usual = monthly.filter(pl.col("len") >= pl.col("len").max() / 4)["len"].median()
    begins: date = monthly.filter(pl.col("len") >= pl.lit(usual) / 2)["month"][0]
    return shifted(begins, WARM_UP)


def train(
    outcome: Outcome,
    history: History,
    first_month: date,
    data_until: date,
    seed: int,
    rule: rules.Cohort | None = None,
) -> Trained:
    """Train, calibrate and test on month starts, and judge by the gate.

    Households are shared out over folds. Each candidate is fitted once a fold, on the training months of the other
    folds; calibration and test use for each person the fit that saw nothing of their household. What is deployed is
    the mean of the folds' fits, so that the same facts always give the same score.

    Args:
        outcome: what is looked for, and the gate.
        history: as-of readers and people.
        first_month: the first month start from which history is complete enough; features look back further.
        data_until: the day up to which facts are known.
        seed: of every draw.
        rule: a cohort whose count of needs is one of the simple rules to beat.

    Raises:
        TooLittleHistory: there are no months to train on, or nobody with the outcome in them.
    """
    split = months(outcome, first_month, data_until)
    folds = _groups(history.members)
    known = history.at(data_until).events.filter(pl.col("type").is_in(outcome.happens.event)).collect().lazy()

    def labelled(days: Sequence[date]) -> list[tuple[View, pl.DataFrame]]:
        return [_labelled(outcome, history.at(day), known, data_until, folds) for day in days]

    taught = labelled(split.train)
    cases = sum(int(rows["happened"].sum()) for _, rows in taught)
    controls = sum(rows.height for _, rows in taught) - cases
    if cases < FOLDS or not controls:
        raise TooLittleHistory(f"{outcome.outcome}: {cases} outcomes in the training months; the rules go on alone.")
    kept = min(1.0, NEGATIVES * cases / controls)
    training = _snapshots([(view, _sampled(view.day, rows, kept, seed)) for view, rows in taught])
    calibration = _snapshots(labelled(split.calibrate))
    later = labelled(split.test)
    testing = _snapshots(later)
    signs = [sign(feature, outcome.increasing) for feature in FEATURES]
    fits = _fit(training, signs, seed)
    raw: dict[Kind, list[Floats]] = {
        kind: [_out_of_fold(models, rows) + np.log(kept) for rows in (training, calibration, testing)]
        for kind, models in fits.items()
    }
    stands_for = np.where(training.happened == 1, 1.0, 1 / kept)
    parts = [(training, stands_for), (calibration, np.ones(len(calibration.happened)))]
    seen = {kind: np.concatenate(scores[:2]) for kind, scores in raw.items()}
    chosen, choice = _choice(parts, seen, outcome.capacity.length, seed)
    beta = fitting.calibrate(raw[chosen][1], calibration.happened)
    scores: dict[str, Floats] = {"model": raw[chosen][2], **{str(kind): at[2] for kind, at in raw.items()}}
    scores["rule: contacts"] = testing.frame.select(pl.sum_horizontal(CONTACTS)).to_series().to_numpy().astype(float)
    if rule is not None:
        scores[f"rule: {rule.cohort}"] = _needs(later, rule)
    measures = metrics.measure(_tested(testing, scores, beta, history, outcome), seed)
    taught_people = pl.concat([rows.filter("happened")["person_id"] for _, rows in taught]).n_unique()
    measures["training_people_with_outcome"] = taught_people
    measures["best_single_feature"] = _best_single(testing)
    measures["model: auc, homes unchanged"] = _unmoved(testing, raw[chosen][2], history)
    about = _card(outcome, split, data_until, seed, kept, chosen, measures, training, beta)
    about["choice"] = choice
    about["gate"] = [asdict(line) for line in metrics.gate(outcome, measures)]
    return Trained(
        outcome.outcome, chosen, NAMES, tuple(m for m in fits[chosen] if isinstance(m, str)),
        tuple(m for m in fits[chosen] if isinstance(m, Logistic)), kept, beta, about,
    )  # fmt: skip


def sign(feature: Feature, increasing: Sequence[str]) -> int:
    """+1 where one more of the increasing events can only raise the feature, -1 where it can only lower it, else 0."""
    if not set(feature.events) & set(increasing):
        return 0
    return -1 if feature.how == "recency" else 1


# -- people, months, folds ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Rows of features and what happened, in order of month and person.

    Attributes:
        frame: FEATURE_SNAPSHOT with `happened`, `lead_days`, `fold`.
        values: the same features as numbers without gaps.
        happened: 0 or 1.
    """

    frame: pl.DataFrame
    values: Floats
    happened: Floats

    @property
    def fold(self) -> Floats:
        """The fold of each row's household."""
        return self.frame["fold"].to_numpy()


def _groups(members: pl.DataFrame) -> pl.DataFrame:
    """The household of each person, for folds: households that share a person are one. person_id, group."""
    lots = members.select("household_id", "person_id", pl.col("household_id").alias("group"))
    for _ in range(8):
        joined = lots.with_columns(pl.col("group").min().over("person_id")).with_columns(
            pl.col("group").min().over("household_id")
        )
        if joined["group"].equals(lots["group"]):
            break
        lots = joined
    return lots.group_by("person_id").agg(pl.col("group").min())


def _labelled(
    outcome: Outcome, view: View, known: pl.LazyFrame, data_until: date, groups: pl.DataFrame
) -> tuple[View, pl.DataFrame]:
    """A day's population with what became of it: person_id, happened, lead_days, fold."""
    people = outcomes.population(view, outcome)
    looked = OutcomeView(known, view.day, outcome.horizon, data_until, outcome.settles_in)
    rows = outcomes.labels(looked, outcome, people).filter(pl.col("happened").is_not_null())
    group = pl.coalesce("group", "person_id").hash(7).mod(FOLDS).cast(pl.Int8)
    return view, rows.join(groups, on="person_id", how="left", maintain_order="left").with_columns(fold=group).drop(
        "group"
    )


def _sampled(day: date, rows: pl.DataFrame, kept: float, seed: int) -> pl.DataFrame:
    """Everyone with the outcome, and a share of the others drawn by hash."""
    draw = pl.concat_str("person_id", pl.lit(f"\x1f{day}")).hash(seed) % 1_000_003
    return rows.filter(pl.col("happened") | (draw < int(kept * 1_000_003)))


def _snapshots(days: Sequence[tuple[View, pl.DataFrame]]) -> Rows:
    frame = pl.concat(
        [
            features.build(view, rows["person_id"]).join(rows, on="person_id", maintain_order="left")
            for view, rows in days
        ]
    )
    values = features.matrix(frame).to_numpy()
    return Rows(frame, np.ascontiguousarray(values), frame["happened"].cast(pl.Float64).to_numpy())


# -- fits, choice, measures --------------------------------------------------------------------------------------


def _fit(training: Rows, signs: Sequence[int], seed: int) -> dict[Kind, list[str | Logistic]]:
    """Each candidate, once a fold, on the rows of the other folds."""
    from threadpoolctl import threadpool_limits

    def one(fold: int) -> tuple[str, Logistic]:
        rest = training.fold != fold
        values, happened = training.values[rest], training.happened[rest]
        return fitting.grow(values, happened, signs, NAMES, seed + fold), fitting.regress(values, happened, signs)

    with threadpool_limits(1), ThreadPoolExecutor(CORES) as pool:
        trees, logistic = zip(*pool.map(one, range(FOLDS)), strict=True)
    return {"trees": list(trees), "logistic": list(logistic)}


def _out_of_fold(models: Sequence[str | Logistic], rows: Rows) -> Floats:
    """Log odds of each row by the fit that saw nothing of its household."""
    result = np.zeros(len(rows.happened))
    for fold, model in enumerate(models):
        mine = rows.fold == fold
        scorer = fitting.tree_scorer(model) if isinstance(model, str) else model.log_odds
        if mine.any():
            result[mine] = scorer(rows.values[mine])
    return result


def _choice(
    parts: Sequence[tuple[Rows, Floats]], scores: Mapping[Kind, Floats], length: int, seed: int
) -> tuple[Kind, dict[str, float]]:
    """Trees where, at the team's capacity, they are right more often by over a standard error; else the simpler.

    Judged on training and calibration months, each row by the fits that saw nothing of its household; the test months
    take no part. Training rows that stand for several are weighted so.

    Args:
        parts: rows, and how many each stands for.
        scores: by candidate, in the order of the parts' rows.
        length: people on the list.
        seed: of the draws.

    Returns:
        The choice, and the precision of each with the standard error of the difference.
    """
    rng = np.random.default_rng(seed)
    frame = pl.concat([rows.frame.select("person_id", "as_of") for rows, _ in parts])
    happened = np.concatenate([rows.happened for rows, _ in parts])
    stands_for = np.concatenate([weight for _, weight in parts])
    person, month = _numbers(frame, "person_id"), _numbers(frame, "as_of")
    tie = rng.permutation(len(person))
    ranks = {kind: Ranking(score, month, tie) for kind, score in scores.items()}
    people = int(person.max()) + 1

    def precision(weight: Floats) -> dict[Kind, float]:
        taken = {kind: rank.listed(weight * stands_for, length) for kind, rank in ranks.items()}
        return {kind: float((on * happened).sum() / on.sum()) for kind, on in taken.items()}

    whole = precision(np.ones(len(person)))
    draws = [
        precision(rng.multinomial(people, np.full(people, 1 / people))[person].astype(float))
        for _ in range(metrics.DRAWS // 2)
    ]
    error = float(np.std([draw["trees"] - draw["logistic"] for draw in draws]))
    found = {**{str(kind): round(value, 4) for kind, value in whole.items()}, "standard_error": round(error, 4)}
    return ("trees" if whole["trees"] - whole["logistic"] > error else "logistic"), found


def _numbers(frame: pl.DataFrame, column: str) -> Any:
    return frame[column].rank("dense").cast(pl.Int64).to_numpy() - 1


def _needs(days: Sequence[tuple[View, pl.DataFrame]], rule: rules.Cohort) -> Floats:
    """How many of a cohort's needs each row's household had, in the rows' order."""
    counts = [
        rows.select("person_id").join(
            rules.needs_of_people(view, rule), on="person_id", how="left", maintain_order="left"
        )
        for view, rows in days
    ]
    return pl.concat(counts)["needs"].fill_null(0).to_numpy().astype(float)


def _tested(rows: Rows, scores: Mapping[str, Floats], beta: Beta, history: History, outcome: Outcome) -> Tested:
    people = rows.frame.select("person_id", "age_months").join(
        history.people.select("person_id", "sex", "ethnicity", "imd_decile"), on="person_id", maintain_order="left"
    )
    named = metrics.groups_of(people)
    return Tested(
        person=_numbers(rows.frame, "person_id"),
        month=_numbers(rows.frame, "as_of"),
        happened=rows.happened,
        lead=rows.frame["lead_days"].fill_null(-1).to_numpy(),
        scores=scores,
        log_odds=beta(scores["model"]),
        groups={kind: named[kind].to_numpy().astype(str) for kind in outcomes.GROUPS},
        length=outcome.capacity.length,
    )


def _best_single(rows: Rows) -> dict[str, Any]:
    """The feature that tells the outcome best by itself, in either direction."""
    weight = np.ones(len(rows.happened))
    areas = []
    for column in rows.values.T:
        score = column.astype(np.float64)
        area = metrics.area(np.argsort(score, kind="stable"), rows.happened, weight, score)
        areas.append(max(area, 1 - area))
    best = int(np.argmax(areas))
    return {"name": NAMES[best], "auc": round(areas[best], 4)}


def _unmoved(rows: Rows, score: Floats, history: History) -> dict[str, float | None]:
    """AUC among those whose household was theirs already on the day: today's households cannot have told on them."""
    since = history.members.group_by("person_id").agg(pl.col("from").max())
    told = rows.frame.select("person_id", "as_of").join(since, on="person_id", how="left", maintain_order="left")
    stayed = (told["from"] <= told["as_of"]).fill_null(True).to_numpy()
    happened, kept = rows.happened[stayed], score[stayed]
    area = metrics.area(np.argsort(kept, kind="stable"), happened, np.ones(len(kept)), kept)
    return {"value": round(area, 4) if np.isfinite(area) else None, "share_of_rows": round(float(stayed.mean()), 4)}


def _card(
    outcome: Outcome, split: Months, data_until: date, seed: int, kept: float, chosen: Kind,
    measures: dict[str, Any], training: Rows, beta: Beta,
) -> dict[str, Any]:  # fmt: skip
    def span(days: Sequence[date]) -> dict[str, Any]:
        return {"first": str(days[0]), "last": str(days[-1]), "months": len(days)}

    return {
        "outcome": outcome.model_dump(mode="json"),
        "deployed": chosen,
        "data_until": str(data_until),
        "months": {"train": span(split.train), "calibrate": span(split.calibrate), "test": span(split.test)},
        "training": {"rows": training.frame.height, "share_of_rows_without_outcome_kept": round(kept, 6),
                     "digest": f"{int(training.frame.hash_rows(seed).sum()):016x}", "seed": seed, "folds": FOLDS},
        "trees": {**fitting.TREES, "rounds": fitting.ROUNDS},
        "calibration": asdict(beta),
        "features": features.dictionary().to_dicts(),
        "measures": measures,
        "libraries": {name: version(name) for name in ("lightgbm", "numpy", "polars", "scipy")},
    }  # fmt: skip
