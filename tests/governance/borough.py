"""A small borough to count, and what somebody who has its published tables can work out from them.

The attack knows nothing of how tables are protected: only what left, that parts add up to totals, that nobody is
negative, and how values are rounded. It is written apart from `governance.disclosure`, on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import product

import numpy as np
import polars as pl
from scipy.optimize import linprog

from governance.disclosure.declared import Aggregate, Group
from governance.disclosure.profiles import Disclosure
from governance.disclosure.tables import Made, Population, publish

FIRST = date(2026, 11, 20)
SECOND = FIRST + timedelta(days=1)
DOMAINS = {"area": ("A1", "A2", "A3", "A4"), "age": ("child", "adult", "old"), "sex": ("F", "M")}
WARD = Group(of="area", values={"North": ("A1", "A2"), "South": ("A3", "A4")})
Counts = Mapping[tuple[str, ...], int]


def people(counts: Counts, domains: Mapping[str, tuple[str, ...]] = DOMAINS) -> Population:
    """A population of so many people in each combination of attributes."""
    rows = [dict(zip(domains, cell, strict=True)) for cell, count in counts.items() for _ in range(count)]
    return Population(pl.DataFrame(rows, schema=dict.fromkeys(domains, pl.String)), domains)


def spread(values: Sequence[int], domains: Mapping[str, tuple[str, ...]] = DOMAINS) -> dict[tuple[str, ...], int]:
    """Counts of the first combinations, in order."""
    return dict(zip(product(*domains.values()), values, strict=False))


def table(*by: str | tuple[str, ...], name: str = "t", where: dict[str, tuple[str, ...]] | None = None) -> Aggregate:
    """A declared table of people for the analysts."""
    return Aggregate(name=name, plain_words="A test.", count="people", by=by, where=where or {}, audience="analysts")


def release(
    counts: Counts,
    *tables: Aggregate,
    last: pl.DataFrame | None = None,
    night: date = FIRST,
    disclosure: Disclosure | None = None,
) -> tuple[list[Made], pl.DataFrame]:
    """The tables of a night, and what is remembered of them."""
    return publish(tables, {"ward": WARD}, people(counts), disclosure or Disclosure(), night, last)


def holds(cell: tuple[str, ...], row: Mapping[str, object], where: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a combination of attributes is counted in a published row."""
    mine = dict(zip(DOMAINS, cell, strict=True))
    mine["ward"] = next(name for name, areas in WARD.values.items() if mine["area"] in areas)
    asked = all(row[c] in ("all", mine[c]) for c in mine if c in row)
    return asked and all(mine[a] in values for a, values in where.items())


def read(made: Sequence[Made]) -> tuple[np.ndarray, list[int | None]]:
    """What a reader has: which combinations each published row counts, and its value or nothing."""
    cells = list(product(*DOMAINS.values()))
    rows = [(m.aggregate.where, row) for m in made for row in m.frame.iter_rows(named=True)]
    matrix = np.array([[holds(c, row, where) for c in cells] for where, row in rows], dtype=float)
    return matrix, [row["count"] for _, row in rows]


def ranges(
    made: Sequence[Made], before: Sequence[Made] = (), truth: Counts | None = None, few: int = 7, off: int = 2
) -> list[tuple[float, float]]:
    """The least and greatest count that each suppressed row may have, by linear programming, as far as it is narrow.

    Args:
        made: tonight's tables.
        before: last night's, by a reader who takes it that no cell changed by more than `few` since, where that can be.
        truth: the counts themselves, to leave aside a reader whose guess is wrong: nothing true follows from it.
        few, off: the threshold, and how far rounding moves a value.
    """
    matrix, values = read(made)
    old_matrix, old_values = read(before) if before else (matrix[:0], [])
    held = {tuple(r): v for r, v in zip(old_matrix.tolist(), old_values, strict=True) if v is not None}
    lower, upper = [], []
    for row, value in zip(matrix.tolist(), values, strict=True):
        then = held.get(tuple(row))
        wide = off + few if then is not None and (value is None or value == then) else off
        known = value if value is not None else then
        lower.append(max(few + 1 if value is not None else 0, known - wide) if known is not None else 0)
        upper.append(known + wide if known is not None else np.inf)
    gone = [row for row in held if row not in {tuple(r) for r in matrix.tolist()}]
    matrix_ = np.vstack([matrix, np.array(gone).reshape(len(gone), matrix.shape[1])])
    lower += [max(0, held[row] - off - few) for row in gone]
    upper += [held[row] + off + few for row in gone]
    finite = np.isfinite(upper)
    a = np.vstack([-matrix_, matrix_[finite]])
    b = np.concatenate([-np.array(lower, float), np.array(upper, float)[finite]])
    if truth is not None and (a @ [truth[cell] for cell in product(*DOMAINS.values())] > b).any():
        return []
    hidden = matrix[[v is None for v in values]]
    seen = np.vstack([np.full(len(hidden), np.inf), np.full(len(hidden), -np.inf)])
    pulls = np.random.default_rng(0).normal(size=(8, len(hidden))) @ hidden
    asked = [(None, pull) for pull in pulls] + [(n, way * row) for n, row in enumerate(hidden) for way in (1, -1)]
    for n, pull in asked:
        if n is None or seen[1, n] - seen[0, n] < few + 2:  # or what another cell allows is wide enough for it
            answer = linprog(pull, A_ub=a, b_ub=b, bounds=(0, 10_000), method="highs")
            seen[0] = np.minimum(seen[0], hidden @ answer.x)
            seen[1] = np.maximum(seen[1], hidden @ answer.x)
    return [(float(least), float(most)) for least, most in seen.T]


def narrow(found: Sequence[tuple[float, float]], few: int = 7) -> list[tuple[float, float]]:
    """Those of the ranges that tell too much: less than a threshold apart, or surely small."""
    return [(least, most) for least, most in found if most - least < few + 1 - 1e-6 or most < few + 1 - 1e-6]
