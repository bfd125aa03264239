"""From scored pairs to people: components, parted where what holds them together is thin or forbidden.

What belongs here: components and their refinement. Lasting ids belong in `linkage.identity`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from linkage.decisions import SETTLED

UNSCORED = -2.0  # the weight of a pair in a component too large to compare every pair of it
LARGEST = 200  # records in a component whose every pair is compared
FLOOR, CEILING = -12.0, 20.0  # one pair, however strong, must not drown many


def components(height: int, edges: pl.DataFrame, cut: float) -> np.ndarray:
    """The smallest uid of each record's component over the edges that weigh at least `cut`.

    Args:
        height: how many records; uids are 0 to height - 1.
        edges: `uid_l`, `uid_r`, `weight`, `never`.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    strong = edges.filter((pl.col("weight") >= cut) & ~pl.col("never"))
    left, right = strong["uid_l"].to_numpy(), strong["uid_r"].to_numpy()
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(height, height))
    _, label = connected_components(graph, directed=False)
    first = np.full(label.max() + 1 if height else 0, height, dtype=np.int64)
    np.minimum.at(first, label, np.arange(height))
    return first[label]


def refine(
    component: np.ndarray,
    edges: pl.DataFrame,
    cut: float,
    only: np.ndarray,
    score: Callable[[pl.DataFrame], pl.DataFrame],
) -> np.ndarray:
    """Part components by average linkage: groups join while the mean weight between them stays above the cut.

    Components whose every pair is strong and allowed stay whole; in the others, pairs that no key brought together are
    compared too, so that the outcome rests on the records alone and not on the keys that they happen to share.

    Args:
        component: smallest uid of each record's component.
        edges: `uid_l`, `uid_r`, `weight`, `never`, `silent`, weaker ones included.
        cut: the mean weight that groups need to join.
        only: for each record, whether its component is to be looked at.
        score: scores pairs (`uid_l`, `uid_r`), returning them with `weight`, `never` and `silent`.

    Returns:
        The smallest uid of each record's group; records outside `only` are a group by component.
    """
    result = component.copy()
    left, right = edges["uid_l"].to_numpy(), edges["uid_r"].to_numpy()
    inside = edges.filter(pl.Series((component[left] == component[right]) & only[left]))
    size = np.bincount(component, minlength=len(component))
    firm = inside.filter((pl.col("weight") >= cut) & ~pl.col("never"))
    firm_pairs = np.bincount(component[firm["uid_l"].to_numpy()], minlength=len(component))
    doubtful = (firm_pairs < size * (size - 1) // 2) & (size > 1)
    members = np.flatnonzero(doubtful[component] & only)
    if not len(members):
        return result
    inside = inside.filter(pl.Series(doubtful[component[inside["uid_l"].to_numpy()]]))
    near = pl.DataFrame({"uid": members, "home": component[members]}).filter(
        pl.Series(size[component[members]] <= LARGEST)
    )
    pairs = near.join(near, on="home", suffix="_r").filter(pl.col("uid") < pl.col("uid_r"))
    pairs = pairs.select(pl.col("uid").alias("uid_l"), "uid_r").join(inside, on=["uid_l", "uid_r"], how="anti")
    told = ["uid_l", "uid_r", "weight", "never", "silent"]
    inside = pl.concat([inside.select(told), score(pairs.sort("uid_l", "uid_r")).select(told)])
    settled = pl.col("weight") >= SETTLED / 2  # somebody decided it, and no mean is to drown that
    inside = inside.with_columns(
        pl.when(settled).then("weight").otherwise(pl.col("weight").clip(FLOOR, CEILING)).alias("weight"),
        pl.col("silent") & (pl.col("weight") < cut) & ~pl.col("never"),
    )
    home = component[members]
    order = np.lexsort((members, home))
    members, home = members[order], home[order]
    starts = np.flatnonzero(np.r_[True, home[1:] != home[:-1]])
    sizes = np.diff(np.r_[starts, len(members)])
    place = np.zeros(len(component), dtype=np.int64)
    place[members] = np.arange(len(members)) - np.repeat(starts, sizes)
    rank = np.zeros(len(component), dtype=np.int64)
    left, right = inside["uid_l"].to_numpy(), inside["uid_r"].to_numpy()
    weight, never = inside["weight"].to_numpy(), inside["never"].to_numpy()
    silent = inside["silent"].to_numpy()
    for many in np.unique(sizes):
        group = starts[sizes == many]
        # a batch holds at most a few million cells
        for batch in np.array_split(group, max(1, len(group) * int(many) ** 2 // 4_000_000)):
            heads = home[batch]
            rank[heads] = np.arange(len(heads))
            here = np.isin(component[left], heads)
            spot = rank[component[left[here]]]
            a, b = place[left[here]], place[right[here]]
            bits = np.full((len(heads), many, many), UNSCORED)
            veto = np.zeros((len(heads), many, many), dtype=bool)
            many_told = np.ones((len(heads), many, many))
            for x, y in ((a, b), (b, a)):
                bits[spot, x, y] = np.where(silent[here], 0.0, weight[here])
                veto[spot, x, y] = never[here]
                many_told[spot, x, y] = ~silent[here]
            label = _average(bits, many_told, veto, cut)
            uids = members[batch[:, None] + np.arange(many)[None, :]]
            result[uids] = np.take_along_axis(uids, label, axis=1)
    return result


def _average(bits: np.ndarray, told: np.ndarray, veto: np.ndarray, cut: float) -> np.ndarray:
    """Join the two groups of highest mean weight, in every component at once, until none reaches the cut.

    Args:
        bits: components x records x records, weight of each pair; summed in place.
        told: the same shape, 1 where the pair says anything and 0 where it is silent; summed in place.
        veto: the same shape, pairs that may not be together.

    Returns:
        components x records: the place of the first record of each record's group.
    """
    many, size, _ = bits.shape
    label = np.tile(np.arange(size), (many, 1))
    upper = np.triu(np.ones((size, size), dtype=bool), 1)
    active = np.arange(many)
    while len(active):
        mean = bits[active] / np.maximum(told[active], 1.0)
        mean[veto[active] | ~upper] = -np.inf
        gone = label[active] != np.arange(size)
        mean[gone] = -np.inf
        mean.swapaxes(1, 2)[gone] = -np.inf
        best = mean.reshape(len(active), -1).argmax(axis=1)
        a, b = best // size, best % size
        on = mean[np.arange(len(active)), a, b] >= cut
        active, a, b = active[on], a[on], b[on]
        if not len(active):
            break
        for sums, join in ((bits, np.add), (told, np.add), (veto, np.logical_or)):
            sums[active, a, :] = join(sums[active, a, :], sums[active, b, :])
            sums[active, :, a] = sums[active, a, :]
        label[active] = np.where(label[active] == b[:, None], a[:, None], label[active])
    return label
