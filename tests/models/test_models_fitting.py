"""Fits and measures, against those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import fitting, metrics
from models.metrics import Ranking


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    values = rng.poisson(rng.gamma(0.5, 2, (3000, 4))).astype(np.float32)
    odds = np.log1p(values) @ np.array([0.9, 0.4, 0.0, -0.5]) - 2.5
    return values, (rng.random(3000) < fitting.probability(odds)).astype(float), rng.poisson(1.0, 3000).astype(float)


def test_areas_and_average_precision_are_those_of_scikit_learn(drawn: tuple[np.ndarray, ...]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    values, happened, weight = drawn
    tied, untied = values[:, 0].astype(float), values @ [0.9, 0.4, 0.01, -0.5] + np.linspace(0, 1e-4, 3000)
    for score in (tied, untied):
        order = np.argsort(score, kind="stable")
        ours = metrics.area(order, happened, weight, score)
        assert ours == pytest.approx(roc_auc_score(happened, score, sample_weight=weight), abs=1e-9)
    ours = metrics.average_precision(np.argsort(untied, kind="stable"), happened, weight)
    assert ours == pytest.approx(average_precision_score(happened, untied, sample_weight=weight), abs=1e-9)


def test_the_regression_without_signs_is_that_of_scikit_learn(drawn: tuple[np.ndarray, ...]) -> None:
    from sklearn.linear_model import LogisticRegression

    values, happened, _ = drawn
    ours = fitting.regress(values, happened, [0, 0, 0, 0], ridge=20.0)
    logged = np.log1p(values.astype(float))
    theirs = LogisticRegression(C=1 / 20, tol=1e-8).fit((logged - ours.mean) / ours.spread, happened)
    assert ours.coefficients == pytest.approx([*theirs.coef_[0], theirs.intercept_[0]], abs=1e-3)


def test_a_feature_with_a_sign_never_goes_the_other_way(drawn: tuple[np.ndarray, ...]) -> None:
    values, happened, _ = drawn
    fitted = fitting.regress(values, happened, [1, -1, 0, 1])
    assert fitted.coefficients[0] > 0 and fitted.coefficients[1] == 0 and fitted.coefficients[3] == 0


def test_calibration_finds_what_was_distorted_and_keeps_the_order(drawn: tuple[np.ndarray, ...]) -> None:
    rng = np.random.default_rng(3)
    true = rng.normal(-3, 1.2, 20_000)
    happened = (rng.random(20_000) < fitting.probability(true)).astype(float)
    beta = fitting.calibrate(1.8 * true + 2, happened)
    back = beta(1.8 * true + 2)
    assert metrics.slope(back, happened, np.ones(20_000)) == pytest.approx(1, abs=0.03)
    assert fitting.probability(back).sum() == pytest.approx(happened.sum(), rel=0.01)
    assert (np.argsort(back, kind="stable") == np.argsort(true, kind="stable")).all()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 3)), min_size=1), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_a_list_holds_as_many_as_fit_and_no_one_below_one_who_is_not_on_it(
    rows: list[tuple[int, int, int]], length: int
) -> None:
    score, month, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    month = np.unique(month, return_inverse=True)[1]
    taken = Ranking(score, month, np.arange(len(rows))).listed(weight, length)
    assert ((taken >= 0) & (taken <= weight)).all()
    for one in range(month.max() + 1):
        of = month == one
        assert taken[of].sum() == min(length, weight[of].sum())
        left_out = score[of][taken[of] < weight[of]]
        on_list = score[of][taken[of] > 0]
        assert not len(left_out) or not len(on_list) or left_out.max() <= on_list.min()
