"""From scored pairs to people: components, parted where what holds them together is thin or forbidden.

What belongs here: components, their refinement, and what is suspicious about the outcome. Lasting ids belong in
`linkage.identity`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from linkage.decisions import SETTLED
from linkage.model import REACH

UNSCORED = -2.0  # the weight of a pair in a component too large to compare every pair of it
LARGEST = 200  # records in a component whose every pair is compared
RUNAWAY = 300  # records in a component beyond which it is parted at higher weights before anything else
STEP = 2.0  # bits by which the weight then rises each time
CERTAIN = -30.0  # bits down to which a forbidden pair may be outvoted
FORBIDDEN = -6.0  # the most that a pair weighs which a rule forbids
OUTVOTED = 0.25  # share of the pairs between two groups that rules may forbid before they must stay apart
FLOOR, CEILING = -12.0, 20.0  # one pair, however strong, must not drown many
MARGIN = 2.0  # bits by which that group must be more likely than any other
MISHEARD = 0.5  # share of the pairs between the two that rules may forbid: names are misspelt too
EITHER = 1.0  # bits within which a record is as much the one's as the other's of two people whom a rule keeps apart
NOTHING = -1e9  # bits of a pair that is not allowed
CELLS = 4_000_000  # pairs of records looked at together


def components(height: int, edges: pl.DataFrame, cut: float) -> np.ndarray:
    """The smallest uid of each record's component over the edges that weigh at least `cut`.

    Args:
        height: how many records; uids are 0 to height - 1.
        edges: `uid_l`, `uid_r`, `weight`, `never`.
    """
    strong = edges.filter((pl.col("weight") >= cut) & ~pl.col("never"))
    return _components(height, strong["uid_l"].to_numpy(), strong["uid_r"].to_numpy())


def _components(height: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

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
    feed: np.ndarray | None = None,
    again: np.ndarray | None = None,
) -> np.ndarray:
    """Part components by average linkage: groups join while the mean weight between them stays above the cut.

    Components whose every pair is strong and allowed stay whole; in the others, pairs that no key brought together are
    compared too, so that the outcome rests on the records alone and not on the keys that they happen to share. A rule
    that forbids pairs keeps groups apart unless the other pairs between them outvote it, for one record may be wrong;
    what people forbid is not put to a vote. A component too large to be one person or a family is parted at rising
    weights first, which also bounds what memory this takes.

    Where feeds are told, two groups that share one need more, for most feeds know a person once; and a record left
    alone joins the group that one of its records speaks for most, up to `REACH` bits below the cut, if no other group
    comes near and its feed is not there yet: a mean over many stale addresses is no evidence against it.

    Args:
        component: smallest uid of each record's component.
        edges: `uid_l`, `uid_r`, `weight`, `never`, `silent`, weaker ones included. What people decided weighs
            `SETTLED` bits, for or against.
        cut: the mean weight that groups need to join.
        only: for each record, whether its component is to be looked at.
        score: scores pairs (`uid_l`, `uid_r`), returning them with `weight`, `never` and `silent`.
        feed: of each record the number of its feed; None: nothing is known of feeds.
        again: of each feed the bits (0 or less) that two of its records are less likely one person than others.

    Returns:
        The smallest uid of each record's group; records outside `only` are a group by component.
    """
    component = _parted(component, edges, cut, only)
    result = component.copy()
    told = ["uid_l", "uid_r", "weight", "never", "silent"]
    left, right = edges["uid_l"].to_numpy(), edges["uid_r"].to_numpy()
    inside = edges.select(told).filter(pl.Series((component[left] == component[right]) & only[left]))
    size = np.bincount(component, minlength=len(component))
    feed = np.full(len(component), -1, dtype=np.int64) if feed is None else feed
    again = np.append(np.zeros(0) if again is None else np.minimum(again, 0.0), 0.0)  # of feed -1: nothing

    def twice(pairs: pl.DataFrame) -> np.ndarray:
        one, other = feed[pairs["uid_l"].to_numpy()], feed[pairs["uid_r"].to_numpy()]
        return np.where(one == other, again[one], 0.0)

    firm = inside.filter((pl.col("weight") + pl.Series(twice(inside)) >= cut) & ~pl.col("never"))
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
    inside = pl.concat([inside, score(pairs.sort("uid_l", "uid_r")).select(told)])
    settled = pl.col("weight").abs() >= SETTLED / 2  # somebody decided it, and no mean is to drown that
    clipped = pl.when(settled).then("weight").otherwise(pl.col("weight").clip(FLOOR, CEILING))
    inside = inside.with_columns(
        (pl.col("never") & (pl.col("weight") <= CERTAIN)).alias("barred"),
        pl.when(~pl.col("never")).then("weight").otherwise(NOTHING).alias("best"),
        pl.when("never").then(pl.min_horizontal(clipped, pl.lit(FORBIDDEN))).otherwise(clipped).alias("weight"),
        pl.col("silent") & (pl.col("weight") < cut) & ~pl.col("never") & ~settled,
    )

    # components in the order of their size, with their records and pairs beside one another
    home = component[members]
    order = np.lexsort((members, home, size[home]))
    members, home = members[order], home[order]
    starts = np.flatnonzero(np.r_[True, home[1:] != home[:-1]])
    sizes = np.diff(np.r_[starts, len(members)])
    rank = np.zeros(len(component), dtype=np.int64)
    rank[home[starts]] = np.arange(len(starts))
    place = np.zeros(len(component), dtype=np.int64)
    place[members] = np.arange(len(members)) - np.repeat(starts, sizes)
    of = rank[component[inside["uid_l"].to_numpy()]]
    by = np.argsort(of, kind="stable")
    of, inside = of[by], inside[by]
    a, b = place[inside["uid_l"].to_numpy()], place[inside["uid_r"].to_numpy()]
    weight, never, silent, certain, alone = (
        inside[name].to_numpy() for name in ("weight", "never", "silent", "barred", "best")
    )
    for many in np.unique(sizes):
        first, last = np.searchsorted(sizes, [many, many + 1])
        step = max(1, CELLS // int(many) ** 2)
        for begin in range(first, last, step):
            end = min(begin + step, last)
            here = slice(*np.searchsorted(of, [begin, end]))
            shape = (end - begin, many, many)
            bits, spoken = np.full(shape, UNSCORED), np.ones(shape, dtype=np.int32)
            forbidden, barred = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=bool)
            best = np.full(shape, NOTHING)
            spot = of[here] - begin
            for x, y in ((a[here], b[here]), (b[here], a[here])):
                bits[spot, x, y] = np.where(silent[here], 0.0, weight[here])
                spoken[spot, x, y] = ~silent[here]
                forbidden[spot, x, y] = never[here]
                barred[spot, x, y] = certain[here]
                best[spot, x, y] = alone[here]
            uids = members[starts[begin:end, None] + np.arange(many)[None, :]]
            feeds = (feed[uids][:, :, None] == np.arange(len(again) - 1)) * np.sqrt(-again[:-1]).astype(np.float32)
            sums = _Sums(bits, spoken, forbidden, barred, -(feeds @ feeds.swapaxes(1, 2)), best, feeds)
            by_pair, kept_apart = best.copy(), forbidden > 0
            label = _average(sums, cut)
            if len(again) > 1:
                of_feed = feed[uids]
                known = of_feed[:, :, None] == of_feed[:, None, :]
                label = _attached(sums, label, known, cut - REACH)
                label = _undecided(by_pair, kept_apart, label)
            result[uids] = np.take_along_axis(uids, label, axis=1)
    return result


def _parted(component: np.ndarray, edges: pl.DataFrame, cut: float, only: np.ndarray) -> np.ndarray:
    """Components of more than `RUNAWAY` records parted at rising weights, until none is as large or none can be."""
    result = component
    while True:
        size = np.bincount(result, minlength=len(result))
        wide = (size[result] > RUNAWAY) & only
        if not wide.any() or cut > CEILING:
            return result
        cut += STEP
        strong = edges.filter((pl.col("weight") >= cut) & ~pl.col("never"))
        left, right = strong["uid_l"].to_numpy(), strong["uid_r"].to_numpy()
        kept = (result[left] == result[right]) & wide[left]
        result = np.where(wide, _components(len(result), left[kept], right[kept]), result)


@dataclass
class _Sums:
    """Of components, records x records, and then groups x groups at the place of each group's first record.

    Attributes:
        bits, spoken: weights summed, and how many pairs say anything.
        forbidden: how many pairs a rule forbids.
        barred: whether people forbid one.
        apart: the bits (0 or less) that the feeds they share cost them, each once.
        best: the highest weight of a pair that is allowed.
        feeds: components x groups x feeds: the root of the bits that a feed costs, where the group has a record of it.
    """

    bits: np.ndarray
    spoken: np.ndarray
    forbidden: np.ndarray
    barred: np.ndarray
    apart: np.ndarray
    best: np.ndarray
    feeds: np.ndarray

    def join(self, at: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
        """Let group `a` of each component `at` hold group `b` too."""
        for sums, join in (
            (self.bits, np.add), (self.spoken, np.add), (self.forbidden, np.add), (self.barred, np.logical_or),
            (self.best, np.maximum),
        ):  # fmt: skip
            sums[at, a, :] = join(sums[at, a, :], sums[at, b, :])
            sums[at, :, a] = sums[at, a, :]
        self.feeds[at, a] = np.maximum(self.feeds[at, a], self.feeds[at, b])
        self.apart[at, a, :] = -np.einsum("if,isf->is", self.feeds[at, a], self.feeds[at])
        self.apart[at, :, a] = self.apart[at, a, :]


def _average(sums: _Sums, cut: float) -> np.ndarray:
    """Join the two groups of highest mean weight, in every component at once, until none reaches the cut.

    Returns:
        components x records: the place of the first record of each record's group.
    """
    many, size, _ = sums.bits.shape
    label = np.tile(np.arange(size), (many, 1))
    upper = np.triu(np.ones((size, size), dtype=bool), 1)
    active = np.arange(many)
    while len(active):
        said = np.maximum(sums.spoken[active], 1)
        mean = sums.bits[active] / said + sums.apart[active]
        mean[(sums.forbidden[active] > OUTVOTED * said) | sums.barred[active] | ~upper] = -np.inf
        gone = label[active] != np.arange(size)
        mean[gone] = -np.inf
        mean.swapaxes(1, 2)[gone] = -np.inf
        best = mean.reshape(len(active), -1).argmax(axis=1)
        a, b = best // size, best % size
        on = mean[np.arange(len(active)), a, b] >= cut
        active, a, b = active[on], a[on], b[on]
        if not len(active):
            break
        sums.join(active, a, b)
        label[active] = np.where(label[active] == b[:, None], a[:, None], label[active])
    return label


def _attached(sums: _Sums, label: np.ndarray, feed: np.ndarray, least: float) -> np.ndarray:
    """Join each record that is alone to the one group that it can belong to, the likeliest first; labels as before.

    Args:
        sums: as `_average` left them.
        label: as `_average` returned it.
        feed: components x records x records: whether two records are of one feed.
        least: the least that the best pair with the group must weigh.
    """
    size = label.shape[1]
    place = np.arange(size)
    count = (label[:, :, None] == place).sum(axis=1)
    shared = feed.copy()  # groups x groups, as the sums are
    for x in place:  # a record's feeds count for its group
        at = np.flatnonzero(label[:, x] != x)
        shared[at, label[at, x], :] |= shared[at, x, :]
        shared[at, :, label[at, x]] |= shared[at, :, x]
    active = np.flatnonzero((count == 1).any(axis=1) & ((count > 0).sum(axis=1) > 1))
    while len(active):
        told = sums.best[active]
        told[:, place, place] = NOTHING
        told[~(count[active] > 0)] = NOTHING
        told.swapaxes(1, 2)[~(count[active] > 0)] = NOTHING
        first = told.argmax(axis=2)
        rows = np.arange(len(active))[:, None]
        high = told[rows, place, first]
        told[rows, place, first] = NOTHING
        clear = (high >= least) & (high - told.max(axis=2) >= MARGIN) & (count[active] == 1)
        pairs = np.maximum(count[active[:, None], first], 1)
        here = (active[:, None], place, first)
        clear &= ~shared[here] & ~sums.barred[here] & (sums.forbidden[here] <= MISHEARD * pairs)
        high = np.where(clear, high, NOTHING)
        x = high.argmax(axis=1)
        on = high[np.arange(len(active)), x] > NOTHING
        y = first[np.arange(len(active)), x][on]
        active, x = active[on], x[on]
        if not len(active):
            break
        a, b = np.minimum(x, y), np.maximum(x, y)
        sums.join(active, a, b)
        shared[active, a, :] |= shared[active, b, :]
        shared[active, :, a] |= shared[active, :, b]
        count[active, a] += count[active, b]
        count[active, b] = 0
        label[active] = np.where(label[active] == b[:, None], a[:, None], label[active])
    return label


def _undecided(best: np.ndarray, forbidden: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Let a record stand alone that is as much the one's as the other's of two people whom a rule keeps apart.

    Args:
        best: components x records x records, weight of each pair that is allowed.
        forbidden: the same shape, whether a rule forbids the pair.
        label: as `_attached` returned it.
    """
    many, size = label.shape
    at = np.arange(many)
    near, never = np.full(best.shape, NOTHING), np.zeros(best.shape, dtype=bool)  # records x groups
    for x in range(size):
        near[at, :, label[:, x]] = np.maximum(near[at, :, label[:, x]], best[:, :, x])
        never[at, :, label[:, x]] |= forbidden[:, :, x]
    apart = np.zeros(best.shape, dtype=bool)  # groups x groups
    for x in range(size):
        apart[at, label[:, x], :] |= never[:, x, :]
    here = (at[:, None], np.arange(size))
    own = near[*here, label]
    rivals = np.where(apart[at[:, None], label] & ~never, near, NOTHING)
    rivals[*here, label] = NOTHING
    torn = (own > NOTHING) & (rivals.max(axis=2) >= own - EITHER) & ~never.any(axis=2)
    if not torn.any():
        return label
    key = np.where(torn, size + np.arange(size), label)
    return (key[:, :, None] == key[:, None, :]).argmax(axis=2)


# -- what is suspicious ----------------------------------------------------------------------------------------------


def bridges(group: np.ndarray, edges: pl.DataFrame, cut: float) -> pl.DataFrame:
    """Pairs without which a person would fall apart, though there are other pairs.

    A pair is one if no walk along other pairs that reach the cut leads from one record to the other. Each pair outside
    a spanning forest gets a number, and each within it the sum (exclusive or) of those that pass it: where the sum is
    nothing, nothing else passes (D. Pritchard, R. Thurimella, Fast computation of small cuts via cycle space sampling,
    2011). People of two records are left out.

    Args:
        group: smallest uid of each record's group.
        edges: `uid_l`, `uid_r`, `weight`, `never`.
        cut: weight from which a pair joins.

    Returns:
        `uid_l`, `uid_r`, `weight` and `moved` (records of the smaller of the two halves), sorted.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    height = len(group)
    size = np.bincount(group, minlength=height)
    strong = edges.filter((pl.col("weight") >= cut) & ~pl.col("never"))
    left, right = strong["uid_l"].to_numpy(), strong["uid_r"].to_numpy()
    strong = strong.filter(pl.Series((group[left] == group[right]) & (size[group[left]] > 2)))
    left, right = strong["uid_l"].to_numpy(), strong["uid_r"].to_numpy()
    if not len(left):
        return strong.select("uid_l", "uid_r", "weight", pl.lit(0, pl.Int64).alias("moved"))
    nodes = np.unique(np.r_[left, right])
    a, b = np.searchsorted(nodes, left), np.searchsorted(nodes, right)
    roots = np.unique(_components(len(nodes), a, b))
    top = len(nodes)  # a node above every tree
    ends = np.r_[a, np.full(len(roots), top)], np.r_[b, roots]
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(top + 1, top + 1)).tocsr()
    order, above = breadth_first_order(graph, top, directed=False)
    tree = (above[a] == b) | (above[b] == a)
    passed = np.zeros(top + 1, dtype=np.uint64)
    token = np.random.default_rng(0).integers(1, 2**63, len(a), dtype=np.uint64)
    for end in (a, b):
        np.bitwise_xor.at(passed, end[~tree], token[~tree])
    below, depth = order[1:], np.zeros(top + 1, dtype=np.int64)
    rising = above[below]
    while (rising != top).any():  # trees are as shallow as people have records
        depth[below] += rising != top
        rising = np.where(rising == top, top, above[rising])
    depth, many = depth[below], np.ones(top + 1, dtype=np.int64)  # records from each on downwards
    for at in range(int(depth.max(initial=0)), 0, -1):
        here = below[depth == at]
        np.bitwise_xor.at(passed, above[here], passed[here])
        np.add.at(many, above[here], many[here])
    child = np.where(above[a] == b, a, b)
    moved = np.minimum(many[child], size[group[left]] - many[child])
    found = strong.with_columns(pl.Series("moved", moved)).filter(pl.Series(tree & (passed[child] == 0)))
    return found.select("uid_l", "uid_r", "weight", "moved").sort("uid_l", "uid_r")
