"""How right the links are: on truth, on what reviewers decided of a random sample, and by the model's own account.

What belongs here: scores and their intervals, for all and by feed and by group. The truth is an argument: nothing here
knows where it lies. How scores are shown belongs in `linkage.report`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np
import polars as pl

from linkage.conform import IDS, conform
from linkage.golden import people as golden_people
from linkage.golden import profiles
from linkage.model import BRIDGES, Model, compare, weigh
from linkage.model import IDS as COLUMN_OF
from linkage.origins import origins

SURE = 0.95  # of every interval
FEWEST = 30  # people below whom nothing is said of a group
DRAWS = 4_000  # from the beliefs about each stratum
HELD_OUT = 20_000  # pairs that share an id, scored without it
PAIR = ["record_l", "record_r"]
UNKNOWN = "not known"
GROUPS = {
    "sex": "Sex",
    "ethnicity": "Ethnicity",
    "origin": "Origin of the name",
    "age_band": "Age",
    "deprivation": "Deprivation",
}
LEAST_DIFFERENCE = 0.002  # a smaller gap is no news, however sure
SEXES = {"F": "female", "M": "male"}


def scores(links: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """Compare links with the truth.

    B-cubed: A. Bagga and B. Baldwin, Entity-based cross-document coreferencing using the vector space model, 1998.

    Args:
        links: `record_id`, `person_id`; records without truth are left out.
        truth: `record_id`, `person`.

    Returns:
        `pair_precision`, `pair_recall` (against all true pairs), `pair_f1`, `bcubed_precision`, `bcubed_recall`,
        `bcubed_f1`, `largest` (records in the largest person), `records`, `people`, `true_people`.
    """
    cell = _cells(links, truth)
    found = cell.group_by("person_id").agg(pl.col("n").sum())["n"]
    true = cell.group_by("person").agg(pl.col("n").sum())["n"]
    right = float((cell["n"] * (cell["n"] - 1)).sum())
    precision = right / max(float((found * (found - 1)).sum()), 1.0)
    recall = right / max(float((true * (true - 1)).sum()), 1.0)
    total = max(float(cell["n"].sum()), 1.0)
    b_precision = float((cell["n"] ** 2 / cell["found"]).sum()) / total
    b_recall = float((cell["n"] ** 2 / cell["true"]).sum()) / total
    return {
        "pair_precision": precision,
        "pair_recall": recall,
        "pair_f1": f1(precision, recall),
        "bcubed_precision": b_precision,
        "bcubed_recall": b_recall,
        "bcubed_f1": f1(b_precision, b_recall),
        "largest": float(found.max() or 0),  # type: ignore[arg-type]
        "records": total,
        "people": float(found.len()),
        "true_people": float(true.len()),
    }


def f1(precision: float, recall: float) -> float:
    """The harmonic mean of both, 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def wilson(share: pl.Expr, of: pl.Expr, sure: float = SURE) -> tuple[pl.Expr, pl.Expr]:
    """The interval of a share of so many (E. B. Wilson, Probable inference, 1927): low, high; of none, 0 and 1."""
    z2 = NormalDist().inv_cdf(0.5 + sure / 2) ** 2
    half = (share * (1 - share) / of + z2 / (4 * of**2)).sqrt() * math.sqrt(z2)
    middle, scale = share + z2 / (2 * of), 1 + z2 / of
    none = (of <= 0) | of.is_null() | share.is_nan()
    low = pl.when(none).then(0.0).otherwise(((middle - half) / scale).clip(0, 1))
    return low, pl.when(none).then(1.0).otherwise(((middle + half) / scale).clip(0, 1))


def _cells(links: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """`person_id`, `person`, `n`: records found with the one that are of the other; `found` and `true` of each."""
    both = links.select("record_id", "person_id").join(truth.select("record_id", "person"), on="record_id")
    cell = both.group_by("person_id", "person").len("n").with_columns(pl.col("n").cast(pl.Float64))
    return cell.with_columns(
        pl.col("n").sum().over("person_id").alias("found"), pl.col("n").sum().over("person").alias("true")
    )


# -- by feed and by group --------------------------------------------------------------------------------------------


def by_feed_pair(links: pl.DataFrame, truth: pl.DataFrame, feeds: pl.DataFrame) -> pl.DataFrame:
    """How right the links between any two feeds are.

    Args:
        links: `record_id`, `person_id`.
        truth: `record_id`, `person`.
        feeds: `record_id`, `feed`.

    Returns:
        `feed_l`, `feed_r` (in order of the alphabet), `true` (pairs that are one person), `found` (pairs that stand
        together), `right` (both), `precision` and `recall`, each with `_low` and `_high`; most missed first.
    """
    told = links.select("record_id", "person_id").join(truth.select("record_id", "person"), on="record_id")
    told = told.join(feeds.select("record_id", "feed"), on="record_id")

    def pairs(name: str, *by: str) -> pl.DataFrame:
        held = told.group_by(*by, "feed").len("n").cast({"n": pl.Int64})
        both = held.join(held, on=by, suffix="_r").filter(pl.col("feed") <= pl.col("feed_r"))
        many = pl.when(pl.col("feed") == pl.col("feed_r")).then(pl.col("n") * (pl.col("n") - 1) // 2)
        counted = both.group_by(pl.col("feed").alias("feed_l"), "feed_r").agg(
            many.otherwise(pl.col("n") * pl.col("n_r")).sum().alias(name)
        )
        return counted

    whole = pairs("true", "person")
    for name, by in (("found", ("person_id",)), ("right", ("person_id", "person"))):
        whole = whole.join(pairs(name, *by), on=["feed_l", "feed_r"], how="full", coalesce=True)
    whole = whole.with_columns(pl.col("true", "found", "right").fill_null(0)).filter(
        (pl.col("true") > 0) | (pl.col("found") > 0)
    )
    for name, of in (("precision", "found"), ("recall", "true")):
        whole = whole.with_columns(pl.when(pl.col(of) > 0).then(pl.col("right") / pl.col(of)).alias(name))
        low, high = wilson(pl.col(name), pl.col(of))
        whole = whole.with_columns(low.alias(f"{name}_low"), high.alias(f"{name}_high"))
    missed = pl.col("true") - pl.col("right")
    return whole.sort(missed, "feed_l", "feed_r", descending=[True, False, False])


def by_group(links: pl.DataFrame, truth: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """How right the links of each group of people are.

    A pair that is one person counts for that person's groups, a pair found counts half for each end. Intervals are
    Wilson's, of as many pairs as they are worth: pairs of one person are found or missed together (E. L. Korn and B. I.
    Graubard, Confidence intervals for proportions with small expected number of positive counts, 1998).

    Args:
        links: `record_id`, `person_id`.
        truth: `record_id`, `person`.
        groups: `person` and a column a characteristic, such as `groups_of` returns them.

    Returns:
        `characteristic`, `group`, `people`, `records`, `true` (pairs), `right`, `precision` and `recall` (pairs),
        each with `_low`, `_high` and `_worth` (how many independent pairs they are worth), `f1`,
        `bcubed_precision`, `bcubed_recall` and `bcubed_f1`.
    """
    n, found, true = pl.col("n"), pl.col("found"), pl.col("true")
    each = (
        _cells(links, truth)
        .group_by("person")
        .agg(
            n.sum().alias("records"),
            (n * (n - 1)).sum().alias("right"),
            (n * (found - 1)).sum().alias("pairs_found"),
            (n * (true - 1)).sum().alias("pairs_true"),
            (n**2 / found).sum().alias("b_precision"),
            (n**2 / true).sum().alias("b_recall"),
        )
    )
    names = [c for c in groups.columns if c != "person"]
    told = groups.select("person", pl.col(names).cast(pl.String).fill_null(UNKNOWN))
    long = each.join(told, on="person").unpivot(
        names, index=[c for c in each.columns if c != "person"], variable_name="characteristic", value_name="group"
    )
    shares = {"precision": "pairs_found", "recall": "pairs_true"}
    squares = [
        expression
        for name, of in shares.items()
        for expression in (
            (pl.col("right") ** 2).sum().alias(f"{name}_yy"),
            (pl.col("right") * pl.col(of)).sum().alias(f"{name}_xy"),
            (pl.col(of) ** 2).sum().alias(f"{name}_xx"),
            (pl.col(of) > 0).sum().alias(f"{name}_clusters"),
        )
    ]
    sums = pl.col("records", "right", "pairs_found", "pairs_true", "b_precision", "b_recall").sum()
    table = long.group_by("characteristic", "group").agg(pl.len().alias("people"), sums, *squares)
    for name, of in shares.items():
        share, clusters = pl.col("right") / pl.col(of), pl.col(f"{name}_clusters")
        spread = pl.col(f"{name}_yy") - 2 * share * pl.col(f"{name}_xy") + share**2 * pl.col(f"{name}_xx")
        variance = spread * clusters / (clusters - 1) / pl.col(of) ** 2
        certain = (variance <= 1e-15) | (clusters < 2)
        worth = pl.when(certain).then(clusters.cast(pl.Float64)).otherwise(share * (1 - share) / variance)
        table = table.with_columns(
            share.alias(name), pl.min_horizontal(worth, pl.col(of) / 2).alias(f"{name}_worth")
        ).with_columns(pl.col(name).fill_nan(None))
        low, high = wilson(pl.col(name), pl.col(f"{name}_worth"))
        table = table.with_columns(low.alias(f"{name}_low"), high.alias(f"{name}_high"))
    table = table.with_columns(
        (pl.col("b_precision") / pl.col("records")).alias("bcubed_precision"),
        (pl.col("b_recall") / pl.col("records")).alias("bcubed_recall"),
    ).with_columns(_f1("precision", "recall").alias("f1"), _f1("bcubed_precision", "bcubed_recall").alias("bcubed_f1"))
    halves = [(pl.col(c) / 2).cast(pl.Int64).alias(name) for c, name in (("pairs_true", "true"), ("right", "right"))]
    measured = [f"{name}{end}" for name in shares for end in ("", "_low", "_high", "_worth")]
    return table.select(
        *("characteristic", "group", "people", pl.col("records").cast(pl.Int64)), *halves, *measured, "f1",
        "bcubed_precision", "bcubed_recall", "bcubed_f1",
    ).sort(pl.col("characteristic").replace_strict({c: i for i, c in enumerate(names)}), _in_order)  # fmt: skip


def _f1(precision: str, recall: str) -> pl.Expr:
    both = pl.col(precision) + pl.col(recall)
    return 2 * pl.col(precision) * pl.col(recall) / pl.when(both > 0).then(both).otherwise(1.0)


# numbers before words, what is not known last
_in_order = pl.struct(
    pl.col("group").str.extract(r"^(\d+)").cast(pl.Int32).fill_null(1000).alias("number"),
    (pl.col("group") == UNKNOWN).alias("unknown"),
    pl.col("group").alias("name"),
)


def differences(table: pl.DataFrame) -> list[str]:
    """Say in words which groups are linked worse or better than everyone else, where chance does not explain it.

    Two shares are compared by the score test, each at the number of independent pairs that it is worth, and the whole
    table is allowed one false word in twenty (Bonferroni). Groups of fewer than 30 people and what is not known are
    left out, as are gaps of less than a fifth of a percentage point. Of two groups the worse off is told alone.

    Args:
        table: from `by_group`.
    """
    known = table.filter((pl.col("group") != UNKNOWN) & (pl.col("people") >= FEWEST))
    told = []
    tests = max(1, known.height * 2)
    limit = NormalDist().inv_cdf(1 - (1 - SURE) / 2 / tests)
    words = {
        "recall": "of the pairs that are one person are missed",
        "precision": "of the pairs that stand together are not one person",
    }
    for row in known.iter_rows(named=True):
        rest = known.filter((pl.col("characteristic") == row["characteristic"]) & (pl.col("group") != row["group"]))
        for measure, said in words.items():
            others = rest.filter(pl.col(f"{measure}_worth") > 0)
            worth = float(others[f"{measure}_worth"].sum())
            mine = row[f"{measure}_worth"] or 0.0
            if mine <= 0 or worth <= 0:
                continue
            weights = others["true"].cast(pl.Float64)
            if not float(weights.sum()):
                continue
            share = float((others[measure] * weights).sum()) / float(weights.sum())
            pooled = (share * worth + row[measure] * mine) / (worth + mine)
            spread = pooled * (1 - pooled) * (1 / worth + 1 / mine)
            gap = row[measure] - share
            if gap > 0 and rest.height == 1:
                continue
            if abs(gap) < LEAST_DIFFERENCE or spread <= 0 or abs(gap) / math.sqrt(spread) < limit:
                continue
            low, high = 1 - row[f"{measure}_high"], 1 - row[f"{measure}_low"]
            label = f"{GROUPS.get(row['characteristic'], row['characteristic'])}, {row['group']}"
            told.append(
                (
                    gap,
                    f"{label}: {1 - row[measure]:.2%} {said} ({low:.2%} to {high:.2%}), against {1 - share:.2%} "
                    f"among everyone else.",
                )
            )
    return [text for _, text in sorted(told)]


def groups_of(people: pl.DataFrame, profile: pl.DataFrame) -> pl.DataFrame:
    """The groups by which links are judged: `person` and a column for each of `GROUPS`, null where not known.

    Args:
        people: `person_id`, `forename`, `surname`.
        profile: `person_profile` rows.
    """
    told = people.select("person_id", pl.Series("origin", origins(people)))
    whole = profile.join(told, on="person_id", how="left")
    decile = pl.col("imd_decile")
    fifth = pl.when(decile <= 2).then(pl.lit("1 (most deprived fifth)")).when(decile >= 9).then(
        pl.lit("5 (least deprived fifth)")
    )  # fmt: skip
    return whole.select(
        pl.col("person_id").alias("person"),
        pl.col("sex").replace(SEXES),
        "ethnicity",
        "origin",
        pl.when(pl.col("age_band") != "unknown").then("age_band").alias("age_band"),
        pl.when(decile.is_not_null()).then(fifth.otherwise(((decile + 1) // 2).cast(pl.String))).alias("deprivation"),
    )


def true_groups(
    records: pl.DataFrame,
    truth: pl.DataFrame,
    places: pl.DataFrame,
    trust: Mapping[str, Mapping[str, float]],
    night: date,
) -> pl.DataFrame:
    """The groups of each true person, from all records that are truly theirs: as `groups_of` returns them.

    Args:
        records: `source_record` rows; the columns `golden.READ` suffice.
        truth: `record_id`, `person`.
        places: `place` rows.
        trust: for each feed, what its contract says.
        night: the night.
    """
    links = truth.select("record_id", pl.col("person").cast(pl.String).alias("person_id"))
    people = golden_people(records, links, trust, night)
    return groups_of(people, profiles(people, places, night)).with_columns(
        pl.col("person").cast(truth.schema["person"])
    )


# -- by what reviewers decided ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A share estimated, with the interval in which it lies as surely as `SURE` says."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Clerical:
    """What decisions on a random sample say of all pairs that were compared.

    Attributes:
        precision: of the pairs that stand together, how many are one person.
        recall: of the pairs compared that are one person, how many stand together.
        strata: `stratum`, `linked`, `size`, `drawn`, `decided`, `same`, `share`, `low`, `high`.
        unsure: how many pairs of the sample have no decision in force.
    """

    precision: Estimate
    recall: Estimate
    strata: pl.DataFrame
    unsure: int


def clerical(sample: pl.DataFrame, decisions: pl.DataFrame, seed: int = 1) -> Clerical:
    """Estimate precision and recall from what reviewers decided of a sample drawn at random within strata.

    The share of each stratum is weighed by its size (W. G. Cochran, Sampling Techniques, 1977, chapter 5). The
    intervals take of each stratum what Jeffreys' prior believes after the decisions (L. D. Brown, T. T. Cai and
    A. DasGupta, Interval estimation for a binomial proportion, 2001), and of its pairs that were not decided only
    those: where a stratum is decided whole, nothing about it is left to doubt.

    Args:
        sample: as `review.sample` returns it, of the night that is judged.
        decisions: as `decisions.in_force` returns it; `never` counts as different.
        seed: of the draws.

    Raises:
        ValueError: no pair that stands together was decided yet.
    """
    told = sample.join(decisions.select(*PAIR, "verdict"), on=PAIR, how="left", maintain_order="left")
    strata = (
        told.group_by("stratum", "linked")
        .agg(
            pl.col("size").first(),
            pl.len().cast(pl.Int64).alias("drawn"),
            pl.col("verdict").is_not_null().sum().cast(pl.Int64).alias("decided"),
            (pl.col("verdict") == "same").sum().cast(pl.Int64).alias("same"),
        )
        .sort("linked", "stratum", descending=[True, False])
        .with_columns(pl.when(pl.col("decided") > 0).then(pl.col("same") / pl.col("decided")).alias("share"))
    )
    low, high = wilson(pl.col("share").fill_null(0), pl.col("decided"))
    strata = strata.with_columns(low.alias("low"), high.alias("high"))
    linked = strata["linked"].to_numpy()
    if not int(strata.filter("linked")["decided"].sum()):
        raise ValueError(
            "No pair of the sample that stands together was decided yet. Decide some with `kinfold review`."
        )
    size, decided, same = (strata[name].to_numpy() for name in ("size", "decided", "same"))
    rng = np.random.default_rng(seed)
    belief = rng.beta(same + 0.5, decided - same + 0.5, size=(DRAWS, len(size)))
    drawn = same + rng.binomial(size - decided, belief)
    # a stratum of which nothing was decided is told by its neighbours' interval alone, not by a point
    shares = np.where(decided > 0, same / np.maximum(decided, 1), belief.mean(axis=0))
    point = shares * size

    def measured(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        right = counts[..., linked].sum(axis=-1)
        return right / max(size[linked].sum(), 1), right / np.maximum(counts.sum(axis=-1), 1e-9)

    values = measured(point)
    spreads = measured(drawn)
    tail = (1 - SURE) / 2
    precision, recall = (
        Estimate(float(value), *(float(v) for v in np.quantile(spread, [tail, 1 - tail])))
        for value, spread in zip(values, spreads, strict=True)
    )
    return Clerical(precision, recall, strata, int(sample.height - decided.sum()))


# -- by the model's own account --------------------------------------------------------------------------------------


def _ends(edges: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Edges with `linked`, each once for the person at either end (`person`), so that sums count a pair twice."""
    stands = links.select("record_id", "person_id")
    for end in ("l", "r"):
        edges = edges.join(
            stands.rename({"record_id": f"record_{end}", "person_id": f"person_{end}"}), on=f"record_{end}"
        )
    edges = edges.with_columns((pl.col("person_l") == pl.col("person_r")).alias("linked"))
    rest = pl.exclude("person_l", "person_r", *PAIR)
    return pl.concat([edges.select(rest, pl.col(f"person_{end}").alias("person")) for end in ("l", "r")])


def _by(ends: pl.DataFrame, groups: pl.DataFrame | None, *sums: pl.Expr) -> pl.DataFrame:
    """Sums over all, and by group: `characteristic` (null for all), `group`, and the sums."""
    whole = ends.select(pl.lit(None, pl.String).alias("characteristic"), pl.lit("everyone").alias("group"), *sums)
    if groups is None:
        return whole
    parts = [whole]
    for name in (c for c in groups.columns if c != "person"):
        told = groups.select("person", pl.col(name).cast(pl.String).fill_null(UNKNOWN).alias("group"))
        part = ends.join(told, on="person").group_by("group").agg(*sums).sort(_in_order)
        parts.append(part.select(pl.lit(name).alias("characteristic"), *whole.columns[1:]))
    return pl.concat(parts)


def expected(edges: pl.DataFrame, links: pl.DataFrame, groups: pl.DataFrame | None = None) -> pl.DataFrame:
    """What the model itself expects: the sum of its probabilities over the pairs that it compared.

    It is as right as the model is; it knows nothing of pairs that no key brought together.

    Args:
        edges: `record_l`, `record_r`, `match_probability`.
        links: `record_id`, `person_id`.
        groups: `person` (a person_id) and a column a characteristic; None for everyone alone.

    Returns:
        `characteristic` (null for everyone), `group`, `linked` (pairs), `precision`, `recall`.
    """
    ends = _ends(edges.select(*PAIR, "match_probability"), links)
    likely = pl.col("match_probability")
    table = _by(
        ends,
        groups,
        (pl.col("linked").sum() / 2).alias("linked"),
        likely.filter("linked").sum().alias("right"),
        likely.sum().alias("every"),
    )
    return table.select(
        *("characteristic", "group", pl.col("linked").cast(pl.Int64)),
        (pl.col("right") / (2 * pl.col("linked"))).fill_nan(None).alias("precision"),
        (pl.col("right") / pl.col("every")).fill_nan(None).alias("recall"),
    )


def by_ids(
    edges: pl.DataFrame, links: pl.DataFrame, model: Model, groups: pl.DataFrame | None = None, of: str = "NHS number"
) -> pl.DataFrame:
    """Links against an id that both records hold: the same id apart, different ids together.

    The id itself is evidence of the model, so that this shows how often other evidence overrules it; what the rest
    achieves without ids is what `held_out` shows.

    Returns:
        `characteristic`, `group`, `same`, `same_apart`, `different`, `different_together` (pairs of two ids, one
        character apart included).
    """
    place = [c.name for c in model.comparisons].index(of)
    top = len(model.comparisons[place].levels) - 1
    told = edges.select(*PAIR, pl.col("levels").list.get(place).alias("level")).filter(pl.col("level") >= 0)
    same, linked = pl.col("level") == top, pl.col("linked")
    table = _by(
        _ends(told, links),
        groups,
        same.sum().alias("same"),
        (same & ~linked).sum().alias("same_apart"),
        (~same).sum().alias("different"),
        (~same & linked).sum().alias("different_together"),
    )
    return table.with_columns((pl.exclude("characteristic", "group") / 2).round().cast(pl.Int64))


def held_out(
    rows: pl.DataFrame, model: Model, links: pl.DataFrame, groups: pl.DataFrame | None = None, seed: int = 1
) -> pl.DataFrame:
    """How many pairs of records that share a valid id would be joined by everything but ids.

    A check that needs no truth and no reviewer: the id says that the two are one person, and the rest must find it by
    itself. Records without a forename and a surname are left out: ids are all that they can be joined by. People who
    have such ids in two records are not like others.

    Args:
        rows: all of what `conform.prepare` returns.
        model: the model in force.
        links: `record_id`, `person_id`.
        groups: as `expected` takes them.
        seed: of the draw of 20,000 pairs.

    Returns:
        `characteristic`, `group`, `pairs`, `joined`, `recall`, `recall_low`, `recall_high` (Wilson).
    """
    found = []
    named = rows.filter(pl.col("forename").is_not_null() & pl.col("surname").is_not_null())
    for name in BRIDGES:
        held = named.select("uid", COLUMN_OF[name]).drop_nulls()
        both = held.join(held, on=COLUMN_OF[name], suffix="_r").filter(pl.col("uid") < pl.col("uid_r"))
        found.append(both.select(pl.col("uid").alias("uid_l"), "uid_r"))
    pairs = pl.concat(found).unique().sort("uid_l", "uid_r")
    if pairs.height > HELD_OUT:
        pairs = pairs.sample(HELD_OUT, seed=seed).sort("uid_l", "uid_r")
    needed = np.zeros(rows.height, dtype=bool)
    needed[pairs["uid_l"].to_numpy()] = needed[pairs["uid_r"].to_numpy()] = True
    bare = rows.filter(pl.Series(needed)).with_columns(pl.lit(None, pl.String).alias(name) for name in IDS)
    scored = weigh(compare(conform(bare), pairs, model, -math.inf, None), model)
    told = scored.select(
        *(rows["record_id"].gather(scored[f"uid_{end}"]).alias(f"record_{end}") for end in ("l", "r")),
        ((pl.col("weight") >= model.cut) & ~pl.col("never")).alias("joined"),
    )
    table = _by(
        _ends(told, links), groups, (pl.len() / 2).alias("pairs"), (pl.col("joined").sum() / 2).alias("joined")
    ).with_columns((pl.col("joined") / pl.col("pairs")).fill_nan(None).alias("recall"))
    low, high = wilson(pl.col("recall").fill_null(0), pl.col("pairs"))
    return table.with_columns(
        low.alias("recall_low"), high.alias("recall_high"), pl.col("pairs", "joined").round().cast(pl.Int64)
    )


def estimates(edges: pl.DataFrame, links: pl.DataFrame) -> dict[str, float]:
    """A night's own account of its links, for its metadata: numbers alone, from `expected` and the sizes of people."""
    row = expected(edges, links).row(0, named=True)
    sizes: Sequence[int] = links["person_id"].value_counts()["count"].to_list()
    return {
        "expected precision": round(row["precision"] or 0.0, 5),
        "expected recall of pairs compared": round(row["recall"] or 0.0, 5),
        "largest person": max(sizes, default=0),
    }
