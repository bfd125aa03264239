"""How good a score is, with intervals, and what the gate says of it.

What belongs here: measures over test months, at the team's capacity and by group, and the comparison with thresholds
that were written before. Intervals come from drawing people, not rows, as one person stands in several months.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models.outcomes import GROUPS, Outcome

Array = npt.NDArray[Any]
DRAWS = 200
FEWEST = 10  # groups with fewer people than this are not shown
AGE_BANDS = ("0-4", "5-10", "11-15", "16-17", "18-24", "25-44", "45-64", "65-84", "85+")
AHEAD = 183  # days: six months


@dataclass(frozen=True)
class Tested:
    """Test rows, one a person and month, as arrays of one length.

    Attributes:
        person, month: whole numbers from 0.
        happened: 0 or 1.
        lead: days to the first event; -1 where none.
        scores: by name of the score; higher is more likely. All but log odds of the model are only ranked by.
        log_odds: calibrated log odds of the model that would be deployed.
        groups: by kind of group, the group's name a row.
        length: people on the list.
    """

    person: Array
    month: Array
    happened: Array
    lead: Array
    scores: Mapping[str, Array]
    log_odds: Array
    groups: Mapping[str, Array]
    length: int


@dataclass(frozen=True)
class GateLine:
    """One threshold of the gate: what it is, what was asked, what was found, and whether it passed."""

    threshold: str
    asked: str
    found: str
    passed: bool
    words: str


def area(order: Array, happened: Array, weight: Array, score: Array) -> float:
    """Area under the ROC curve by ranks, weighted; ties count half. `order` sorts `score` upwards."""
    ranked, hits, drawn = score[order], happened[order], weight[order]
    new = np.append(True, ranked[1:] != ranked[:-1])
    tie = np.cumsum(new) - 1
    cases = np.bincount(tie, drawn * hits)
    controls = np.bincount(tie, drawn * (1 - hits))
    below = np.cumsum(controls) - controls
    total = cases.sum() * controls.sum()
    return float((cases * (below + controls / 2)).sum() / total) if total else float("nan")


def average_precision(order: Array, happened: Array, weight: Array) -> float:
    """Average precision, weighted. `order` sorts the score upwards."""
    hits, drawn = happened[order][::-1], weight[order][::-1]
    found = np.cumsum(drawn * hits)
    share = found / np.maximum(np.cumsum(drawn), 1e-12)
    return float((share * drawn * hits).sum() / found[-1]) if found[-1] else float("nan")


def slope(log_odds: Array, happened: Array, weight: Array) -> float:
    """Calibration slope: of what happened on the log odds, by Newton's method (Cox 1958). Below 1 is too sure."""
    constant, gradient = 0.0, 1.0
    for _ in range(12):
        expected = 1 / (1 + np.exp(-(constant + gradient * log_odds)))
        spread = weight * expected * (1 - expected)
        wrong = weight * (happened - expected)
        s0, s1, s2 = spread.sum(), (spread * log_odds).sum(), (spread * log_odds**2).sum()
        g0, g1 = wrong.sum(), (wrong * log_odds).sum()
        determinant = s0 * s2 - s1 * s1
        if not determinant > 1e-12:
            return float("nan")
        constant += (s2 * g0 - s1 * g1) / determinant
        gradient += (s0 * g1 - s1 * g0) / determinant
    return float(gradient)


class Ranking:
    """Rows ranked by one score: over all, and within each month; ties are broken by a fixed draw."""

    def __init__(self, score: Array, month: Array, tie: Array) -> None:
        self.score = score
        self.upwards = np.argsort(score, kind="stable")
        self.by_month = np.lexsort((tie, -score, month))
        self.months = month[self.by_month]
        self.firsts = np.searchsorted(self.months, np.arange(int(month.max()) + 1))

    def listed(self, weight: Array, length: int) -> Array:
        """How much of each row is on its month's list, which holds the first `length` of drawn rows."""
        drawn = weight[self.by_month]
        before = np.cumsum(drawn) - drawn
        taken = np.zeros(len(weight))
        taken[self.by_month] = np.clip(length - (before - before[self.firsts][self.months]), 0, drawn)
        return taken


def measure(tested: Tested, seed: int) -> dict[str, Any]:
    """Every measure of the card, each with its 95% interval: a dictionary that JSON can hold.

    Args:
        tested: the rows; `scores` holds `model`, the simple rules (`rule: ...`) and the other candidates.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    tie = rng.permutation(len(tested.person))
    ranks = {name: Ranking(score, tested.month, tie) for name, score in tested.scores.items()}
    people = int(tested.person.max()) + 1
    whole = _once(tested, np.ones(len(tested.person)), ranks)
    draws = [
        _once(tested, rng.multinomial(people, np.full(people, 1 / people))[tested.person].astype(float), ranks)
        for _ in range(DRAWS)
    ]
    flagged = ranks["model"].listed(np.ones(len(tie)), tested.length) > 0
    measures: dict[str, Any] = {name: _interval(value, [d[name] for d in draws]) for name, value in whole.items()}
    leads = tested.lead[flagged & (tested.happened == 1)]
    measures["lead_days_median"] = float(np.median(leads)) if len(leads) else None
    measures["rows"] = len(tested.person)
    measures["people"] = people
    measures["months"] = int(tested.month.max()) + 1
    measures["list_length"] = tested.length
    measures["people_with_outcome"] = int(np.unique(tested.person[tested.happened == 1]).size)
    measures["groups"] = _by_group(tested, flagged, rng)
    return measures


def _once(tested: Tested, weight: Array, ranks: Mapping[str, Ranking]) -> dict[str, float]:
    happened, hits = tested.happened, weight * tested.happened
    found: dict[str, float] = {}
    rate = hits.sum() / weight.sum()
    for name, rank in ranks.items():
        taken = rank.listed(weight, tested.length)
        found[f"{name}: auc"] = area(rank.upwards, happened, weight, rank.score)
        found[f"{name}: average_precision"] = average_precision(rank.upwards, happened, weight)
        found[f"{name}: precision"] = float((taken * happened).sum() / max(taken.sum(), 1e-12))
    on_list = ranks["model"].listed(weight, tested.length)
    caught = on_list * happened
    rules = [value for name, value in found.items() if name.startswith("rule: ") and name.endswith(": precision")]
    expected = (weight / (1 + np.exp(-tested.log_odds))).sum()
    listed_expected = (on_list / (1 + np.exp(-tested.log_odds))).sum()
    some = max(hits.sum(), 1e-12)
    return {
        **found,
        "rate": float(rate),
        "recall": float(caught.sum() / some),
        "lift": float(found["model: precision"] / max(rate, 1e-12)),
        "gain_over_rule": float(found["model: precision"] / max(*rules, 1e-12)) if rules else float("nan"),
        "calibration_slope": slope(tested.log_odds, happened, weight),
        "observed_over_expected": float(hits.sum() / expected),
        "observed_over_expected_on_list": float(caught.sum() / max(listed_expected, 1e-12)),
        "flagged_six_months_ahead": float((caught * (tested.lead >= AHEAD)).sum() / some),
    }


def _interval(value: float, draws: list[float]) -> dict[str, float | None]:
    kept = np.asarray(draws)[np.isfinite(draws)]
    low, high = np.quantile(kept, [0.025, 0.975]) if len(kept) else (float("nan"), float("nan"))
    return {"value": _plain(value), "low": _plain(low), "high": _plain(high)}


def _plain(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _by_group(tested: Tested, flagged: Array, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Selection, recall, precision and calibration by group; ratio of recall to the group with most outcomes."""
    people = int(tested.person.max()) + 1
    weights = [np.ones(people)] + [rng.multinomial(people, np.full(people, 1 / people)) for _ in range(DRAWS)]
    expected = 1 / (1 + np.exp(-tested.log_odds))
    rows: list[dict[str, Any]] = []
    for kind in GROUPS:
        names = tested.groups[kind]
        sums = {}
        for name in np.unique(names):
            of = names == name
            hits, caught = of * tested.happened, of * tested.happened * flagged
            by_person = [np.bincount(tested.person, column, people) for column in (hits, caught)]
            sums[name] = np.array([[weight @ column for column in by_person] for weight in weights])
            seen = np.unique(tested.person[of]).size
            if seen < FEWEST:
                continue
            rows.append({
                "kind": kind, "group": str(name), "people": seen,
                "people_with_outcome": int(np.unique(tested.person[hits == 1]).size),
                "flagged": _plain(flagged[of].mean()), "recall": _share(caught.sum(), hits.sum()),
                "precision": _share(caught.sum(), flagged[of].sum()),
                "observed_over_expected": _share(hits.sum(), expected[of].sum()),
            })  # fmt: skip
        largest = max(sums, key=lambda name: sums[name][0, 0])
        for row in rows:
            if row["kind"] == kind and row["group"] != largest:
                with np.errstate(divide="ignore", invalid="ignore"):
                    recall = {name: sums[name][:, 1] / sums[name][:, 0] for name in (row["group"], largest)}
                    ratio = recall[row["group"]] / recall[largest]
                row["recall_ratio"] = _interval(ratio[0], list(ratio[1:]))
                row["compared_with"] = str(largest)
    return rows


def _share(part: float, whole: float) -> float | None:
    return _plain(float(part) / float(whole)) if whole else None


def gate(outcome: Outcome, metrics: Mapping[str, Any]) -> list[GateLine]:
    """Compare with the thresholds of the outcome's file. One line missed, and no flag is raised.

    Args:
        outcome: with its `gate`.
        metrics: of `measure`, with `training_people_with_outcome` and `best_single_feature` {name, auc}.
    """
    asked = outcome.gate
    gain, single = metrics["gain_over_rule"], metrics["best_single_feature"]
    enough = asked.beats_rule_at_capacity_by
    beyond = enough.lower_limit_above
    beats = gain["value"] is not None and gain["value"] >= enough.at_least
    lines = [
        _count("positives_at_least", asked.positives_at_least, metrics["training_people_with_outcome"], "training"),
        _count("test_positives_at_least", asked.test_positives_at_least, metrics["people_with_outcome"], "test"),
        GateLine(
            "beats_rule_at_capacity_by",
            f"at least {enough.at_least}" + (f", lower limit above {beyond}" if beyond is not None else ""),
            _shown(gain),
            beats and (beyond is None or (gain["low"] is not None and gain["low"] > beyond)),
            f"How many times as often as the best simple rule it is right, on a list of {metrics['list_length']}.",
        ),
    ]
    for name, words in (
        ("calibration_slope", "1 means that high and low probabilities are as far apart as what happened."),
        ("observed_over_expected", "1 means that as many children had the outcome as the probabilities add up to."),
    ):
        within = getattr(asked, name)
        lines.append(
            GateLine(name, _band(within.band, within.judged_on), _shown(metrics[name]),
                     _inside(metrics[name], within.band, within.judged_on), words)
        )  # fmt: skip
    ratios = asked.recall_ratio_between_groups
    judged = [
        row
        for row in metrics["groups"]
        if row["kind"] in ratios.groups
        and "recall_ratio" in row
        and row["people_with_outcome"] >= ratios.judged_from
        and row["group"] != "not recorded"
    ]
    missed = [row for row in judged if not _inside(row["recall_ratio"], ratios.band, ratios.judged_on)]
    worst = max(judged, key=lambda row: abs(np.log(max(row["recall_ratio"]["value"] or 1e-9, 1e-9))), default=None)
    lines.append(
        GateLine(
            "recall_ratio_between_groups",
            _band(ratios.band, ratios.judged_on),
            f"{worst['group']}: {_shown(worst['recall_ratio'])}" if worst else "no group large enough to judge",
            not missed,
            f"The share found in time, against that of the largest group; {len(judged)} groups by "
            f"{' and '.join(ratios.groups)} had {ratios.judged_from} people with the outcome or more.",
        )
    )
    lines.append(
        GateLine(
            "single_feature_auc_below",
            f"below {asked.single_feature_auc_below}",
            f"{single['auc']} ({single['name']})",
            single["auc"] < asked.single_feature_auc_below,
            "A feature that tells the outcome by itself would be the outcome, not a sign of it.",
        )
    )
    return lines


def _count(name: str, asked: int, found: int, months: str) -> GateLine:
    return GateLine(name, f"at least {asked}", str(found), found >= asked,
                    f"Different people with the outcome in the {months} months.")  # fmt: skip


def _shown(of: Mapping[str, Any]) -> str:
    return f"{of['value']} ({of['low']} to {of['high']})"


def _band(band: tuple[float, float], judged_on: str) -> str:
    return f"{band[0]} to {band[1]}, by the {judged_on}"


def _inside(of: Mapping[str, Any], band: tuple[float, float], judged_on: str) -> bool:
    low, high = (of["low"], of["high"]) if judged_on == "interval" else (of["value"], of["value"])
    return low is not None and high is not None and low <= band[1] and high >= band[0]


def groups_of(people: pl.DataFrame) -> pl.DataFrame:
    """Names of groups for the audit: person_id, sex, ethnicity, age_band, deprivation. Never handed to a model.

    Args:
        people: person_id, sex, ethnicity (a census code such as WBRI), imd_decile, and age_months on the day.
    """
    major = {"W": "White", "M": "Mixed", "A": "Asian", "B": "Black", "C": "Chinese or other", "O": "Chinese or other"}
    decile, years = pl.col("imd_decile"), pl.col("age_months") // 12
    return people.select(
        "person_id",
        pl.col("sex").replace_strict({"M": "male", "F": "female"}, default="not recorded").fill_null("not recorded"),
        pl.col("ethnicity").str.slice(0, 1).replace_strict(major, default="not recorded").fill_null("not recorded"),
        years.cut([4, 10, 15, 17, 24, 44, 64, 84], labels=list(AGE_BANDS)).cast(pl.String).fill_null("not recorded")
        .alias("age_band"),
        pl.when(decile <= 3).then(pl.lit("most deprived three tenths"))
        .when(decile <= 7).then(pl.lit("middle four tenths"))
        .when(decile <= 10).then(pl.lit("least deprived three tenths")).otherwise(pl.lit("not recorded"))
        .alias("deprivation"),
    )  # fmt: skip
