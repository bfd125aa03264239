"""How a score is fitted: boosted trees, a logistic regression that keeps its signs, and beta calibration.

What belongs here: numbers in, numbers out. Which people, months and features are used is said in `models.risk`.
Everything is the same on every run: one thread a fit (LightGBM's threads wait for each other more than they work where
cores are busy), LightGBM's deterministic mode, sorted rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

TREES = {
    "objective": "binary", "num_leaves": 7, "learning_rate": 0.05, "min_data_in_leaf": 40, "feature_fraction": 0.4,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5.0, "max_bin": 63, "num_threads": 1,
    "deterministic": True, "force_row_wise": True, "monotone_constraints_method": "basic", "verbosity": -1,
}  # fmt: skip
ROUNDS = 150
SMALLEST = 1e-9


def log_odds(probability: Floats) -> Floats:
    """log(p / (1 - p)), kept finite."""
    kept = np.clip(probability, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(kept / (1 - kept)))


def probability(log_odds: Floats) -> Floats:
    """The inverse of `log_odds`."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -40, 40))))


def grow(values: Floats, happened: Floats, signs: Sequence[int], names: Sequence[str], seed: int) -> str:
    """Boosted trees as LightGBM's text model.

    Args:
        values: rows by features, float32.
        happened: 0 or 1 a row.
        signs: +1 where more never lowers the score, -1 the reverse, 0 free; one a feature.
        names: names of the features.
        seed: of the draws of rows and features.
    """
    import lightgbm

    rows = lightgbm.Dataset(
        values, happened, feature_name=list(names), params={"max_bin": TREES["max_bin"], "verbosity": -1}
    )
    booster = lightgbm.train({**TREES, "seed": seed, "monotone_constraints": list(signs)}, rows, ROUNDS)
    return str(booster.model_to_string())


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on log(1 + x), standardised; the constant is the last coefficient."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    coefficients: tuple[float, ...]

    def parts(self, values: Floats) -> Floats:
        """Contributions to the log odds: rows by features, and the constant last."""
        scaled = (np.log1p(values.astype(np.float64)) - self.mean) / self.spread
        return np.column_stack([scaled * self.coefficients[:-1], np.full(len(values), self.coefficients[-1])])

    def log_odds(self, values: Floats) -> Floats:
        """Log odds of rows of features."""
        return np.asarray(self.parts(values).sum(axis=1))


def tree_scorer(text: str) -> Callable[[Floats], Floats]:
    """A text model as a function from rows of features to log odds."""
    booster = _booster(text)
    return lambda values: np.asarray(booster.predict(values, raw_score=True, num_threads=1))


def tree_parts(text: str, values: Floats) -> Floats:
    """Contributions to the log odds (SHAP values of trees; Lundberg 2020): rows by features, and the constant last."""
    return np.asarray(_booster(text).predict(values, pred_contrib=True, num_threads=1))


def _booster(text: str) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=text)


def regress(values: Floats, happened: Floats, signs: Sequence[int], ridge: float = 20.0) -> Logistic:
    """Ridge logistic regression on log(1 + x); a feature with a sign keeps it, so that the promise holds here too.

    Args:
        values: rows by features, none negative.
        happened: 0 or 1 a row.
        signs: as in `grow`.
        ridge: how strongly coefficients (not the constant) are drawn to 0, in units of half a squared coefficient.
    """
    logged = np.log1p(values.astype(np.float64))
    mean, spread = logged.mean(axis=0), logged.std(axis=0)
    spread[spread < 1e-6] = 1.0
    bounds = [{1: (0, None), -1: (None, 0)}.get(sign, (None, None)) for sign in signs]
    fitted = _bounded((logged - mean) / spread, happened, [*bounds, (None, None)], ridge, 0.0)
    return Logistic(_rounded(mean), _rounded(spread), _rounded(fitted))


@dataclass(frozen=True)
class Beta:
    """Beta calibration (Kull, Silva Filho and Flach 2017): log odds = a log p - b log(1 - p) + c, with a and b >= 0."""

    a: float
    b: float
    c: float

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log odds; the order never changes."""
        return np.asarray(self.a * -np.logaddexp(0, -log_odds) + self.b * np.logaddexp(0, log_odds) + self.c)


def calibrate(log_odds: Floats, happened: Floats) -> Beta:
    """Fit beta calibration to log odds and what happened. A little ridge draws a and b to 1, where little is known."""
    columns = np.column_stack([-np.logaddexp(0, -log_odds), np.logaddexp(0, log_odds)])
    a, b, c = _rounded(_bounded(columns, happened, [(0, None), (0, None), (None, None)], 4.0, 1.0))
    return Beta(a, b, c)


def _bounded(columns: Floats, happened: Floats, bounds: list[Any], ridge: float, centre: float) -> Floats:
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    design = np.column_stack([columns, np.ones(len(columns))])
    toward = np.append(np.full(columns.shape[1], centre), 0.0)
    weight = np.append(np.full(columns.shape[1], ridge), 0.0)

    def loss(at: Floats) -> tuple[float, Floats]:
        score = design @ at
        away = at - toward
        value = np.logaddexp(0, score).sum() - happened @ score + 0.5 * weight @ away**2
        return float(value), design.T @ (probability(score) - happened) + weight * away

    rate = float(np.clip(happened.mean(), 1e-6, 1 - 1e-6))
    start = np.append(np.full(columns.shape[1], centre), 0.0 if centre else np.log(rate / (1 - rate)))
    with threadpool_limits(1):
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300})
    return np.asarray(found.x)


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
