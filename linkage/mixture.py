"""Weights learned from pairs without any label: a mixture of matches, relatives and strangers.

What belongs here: the levels that pairs reach, the expectation and maximisation over them, and the score. What is
compared is the caller's (`linkage.anyfile`). Splink's own estimation knows two classes; the third is for what goes with
a family or a firm (surname, address, telephone) while what is a person's own (forename, birth date, ids) goes its own
way, so that two of a household are not taken for one person, in data that has households, and nothing is lost where it
has none. After Winkler (1993), "Improved decision rules in the Fellegi-Sunter model of record linkage": latent classes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from linkage.comparisons import Comparison
from linkage.model import engine

DRAWN = 400_000  # pairs drawn at random, of which most are strangers
CHUNK = 2_000_000  # pairs of which the levels are worked out at once
BELIEF = 20.0  # how many pairs the assumed share of a level among matches is worth
ROUNDS = 60
SEED = 1
TWINS = 0.02  # of relatives, how many agree in what is a person's own: twins, a child named after a parent
FAMILIES = 0.05  # relatives a match below which the file is taken to hold no families


@dataclass(frozen=True)
class Mixture:
    """What was learned.

    Attributes:
        comparisons: what was compared.
        own: names of those of what is a person's own, in which relatives agree as often as strangers.
        shares: of pairs drawn from all: matches and relatives; the rest are strangers.
        among: three rows (matches, relatives, strangers) a comparison: the probability of each level, most alike first.
        frequency: of columns in which agreement on a rare value counts for more: value and its share.
    """

    comparisons: tuple[Comparison, ...]
    own: frozenset[str]
    shares: tuple[float, float]
    among: tuple[np.ndarray, ...]
    frequency: dict[str, pl.DataFrame]

    def score(self, people: pl.DataFrame, pairs: pl.DataFrame, folder: Path | None = None) -> pl.DataFrame:
        """Score pairs.

        Returns:
            `uid_l`, `uid_r`, `weight` (bits: log odds that they are one), `never` and `silent` (both false).
        """
        levels = reached(people, pairs, self.comparisons, folder)
        odds = _odds(levels, self.shares, self.among) + self._rare(people, pairs, levels)
        rest = np.logaddexp(odds[:, 1], odds[:, 2])
        return pairs.select("uid_l", "uid_r").with_columns(
            pl.Series("weight", (odds[:, 0] - rest) / np.log(2)), never=pl.lit(False), silent=pl.lit(False)
        )

    def _rare(self, people: pl.DataFrame, pairs: pl.DataFrame, levels: np.ndarray) -> np.ndarray:
        """What agreement on a value says beyond agreement as such, by how rare the value is, in each class."""
        more = np.zeros((len(levels), 3))
        for n, comparison in enumerate(self.comparisons):
            column = comparison.levels[0].frequency_of
            if column is None:
                continue
            table = self.frequency[column]
            shares = people.select(column).join(table, on=column, how="left", maintain_order="left")["share"]
            expected = float((table["share"] ** 2).sum())
            rare = np.log(shares.fill_null(1.0).to_numpy()[pairs["uid_l"].to_numpy()] / expected)
            rare = np.where(levels[:, n] == 0, np.clip(rare, -7.0, 7.0), 0.0)
            more[:, 2] += rare
            if comparison.name in self.own:
                more[:, 1] += rare
        return more


def reached(
    people: pl.DataFrame, pairs: pl.DataFrame, comparisons: Sequence[Comparison], folder: Path | None = None
) -> np.ndarray:
    """The level that each pair reaches: pairs x comparisons, 0 for the most alike, -1 where nothing can be compared."""
    cases = []
    for n, comparison in enumerate(comparisons):
        tests = "".join(f" when {level.sql} then {k}" for k, level in enumerate(comparison.levels) if level.sql)
        cases.append(
            f"(case when {comparison.missing} then -1{tests} else {len(comparison.levels) - 1} end)::tinyint g{n}"
        )
    both = ", ".join(f'{end}."{name}" as {name}_{end}' for name in people.columns if name != "uid" for end in "lr")
    found = [np.zeros((0, len(comparisons)), dtype=np.int8)]
    with engine(folder) as con:
        con.register("people_frame", people.to_arrow())
        con.execute("create table people as from people_frame")
        for at in range(0, pairs.height, CHUNK):
            con.register("pairs_frame", pairs[at : at + CHUNK].select("uid_l", "uid_r").with_row_index("n").to_arrow())
            frame = con.sql(
                f"select n, {', '.join(cases)} from (select p.n, {both} from pairs_frame p "
                "join people l on p.uid_l = l.uid join people r on p.uid_r = r.uid)"
            ).pl()
            found.append(frame.sort("n").drop("n").to_numpy())
            con.unregister("pairs_frame")
    return np.concatenate(found)


def learn(
    people: pl.DataFrame,
    pairs: pl.DataFrame,
    comparisons: tuple[Comparison, ...],
    own: Collection[str],
    folder: Path | None = None,
) -> Mixture:
    """Learn from the pairs that meet and from pairs drawn at random; the same records give the same answer.

    Args:
        people: `uid` (0, 1, ...) and what the comparisons name.
        pairs: `uid_l` < `uid_r` of all pairs that are to be looked at.
        comparisons: at least two.
        own: names of those of what is a person's own: forename, birth date, ids.
        folder: where DuckDB may spill; None forbids it.
    """
    height = people.height
    every = height * (height - 1) / 2
    draw = np.random.default_rng(SEED).integers(0, height, size=(2, int(min(DRAWN, every))))
    random = pl.DataFrame({"uid_l": draw.min(axis=0), "uid_r": draw.max(axis=0)}).filter(
        pl.col("uid_l") < pl.col("uid_r")
    )
    met, met_many = _patterns(reached(people, pairs, comparisons, folder))
    seen, seen_many = _patterns(reached(people, random.unique().sort("uid_l", "uid_r"), comparisons, folder))

    among = []
    for n, comparison in enumerate(comparisons):
        m = np.array([level.m for level in comparison.levels])
        u = _counted(seen[:, n], seen_many, len(m)) + 0.5
        m, u = m / m.sum(), u / u.sum()
        among.append(np.vstack([m, _akin(u) if comparison.name in own else m, u]))

    def fitted(relatives: float) -> tuple[tuple[float, float], tuple[np.ndarray, ...]]:
        shares = 0.1 * height / every, relatives * height / every
        return _fit(met, met_many, seen, seen_many, [c.name in own for c in comparisons], tuple(among), shares, every)

    shares, tables = fitted(0.1)
    if shares[1] < FAMILIES * shares[0]:
        shares, tables = fitted(0.0)
    frequency = {}
    for comparison in comparisons:
        column = comparison.levels[0].frequency_of
        if column is not None:
            counted = people.select(column).drop_nulls().group_by(column).len("share").sort(column)
            frequency[column] = counted.with_columns(pl.col("share") / pl.col("share").sum())
    return Mixture(comparisons, frozenset(own), shares, tables, frequency)


def _fit(
    met: np.ndarray,
    met_many: np.ndarray,
    seen: np.ndarray,
    seen_many: np.ndarray,
    own: Sequence[bool],
    among: tuple[np.ndarray, ...],
    shares: tuple[float, float],
    every: float,
) -> tuple[tuple[float, float], tuple[np.ndarray, ...]]:
    """Shares and probabilities after some rounds; without relatives where their share is none.

    Matches and relatives are learned from the pairs that meet, strangers from those drawn at random.
    """
    believed = [table[0] for table in among]
    for _ in range(ROUNDS):
        part, drawn = (_share(_odds(levels, shares, among)) for levels in (met, seen))
        matches, relatives, strangers = part[:, 0] * met_many, part[:, 1] * met_many, drawn[:, 2] * seen_many
        shares = ((float(matches.sum()) + 1) / every, float(relatives.sum()) / every)
        tables = []
        for n, mine in enumerate(own):
            size = len(believed[n])
            u = _counted(seen[:, n], strangers, size) + 0.5
            m = _counted(met[:, n], matches, size) + BELIEF * believed[n]
            r = _akin(u) if mine else _counted(met[:, n], relatives, size) + BELIEF * believed[n]
            tables.append(np.vstack([m / m.sum(), r / r.sum(), u / u.sum()]))
        among = tuple(tables)
    return shares, among


def _akin(strangers: np.ndarray) -> np.ndarray:
    """How relatives agree in what is a person's own: as strangers do, but for twins, namesakes and ids mixed up."""
    share = strangers / strangers.sum() * (1 - TWINS)
    share[0] += TWINS
    return share


def _patterns(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows and how often each comes."""
    frame = pl.DataFrame(levels, schema=[f"g{n}" for n in range(levels.shape[1])])
    counted = frame.group_by(pl.all()).len().sort(pl.all())
    return counted.drop("len").to_numpy(), counted["len"].to_numpy().astype(float)


def _counted(levels: np.ndarray, many: np.ndarray, size: int) -> np.ndarray:
    known = levels >= 0
    return np.bincount(levels[known], weights=many[known], minlength=size)


def _odds(levels: np.ndarray, shares: tuple[float, float], among: tuple[np.ndarray, ...]) -> np.ndarray:
    """Natural logarithm of each class's share times the probability of what was reached: pairs x 3."""
    with np.errstate(divide="ignore"):
        odds = np.tile(np.log([*shares, 1 - sum(shares)]), (len(levels), 1))
    for n, table in enumerate(among):
        known = np.hstack([np.log(table), np.zeros((3, 1))])  # a level of -1 is the last column
        odds += known[:, levels[:, n]].T
    return odds


def _share(odds: np.ndarray) -> np.ndarray:
    likely = np.exp(odds - odds.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)
