"""Which cells of the tables of one release may be shown, and what is shown in them.

What belongs here: suppression, rounding, and the proof that what is hidden stays hidden, in arrays. What a cell stands
for is said by `tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from governance.disclosure.profiles import Profile, Whole

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FAR = 1 << 40  # no bound
CLOSE = 1e-6  # as near as the solver comes
SHARE = 0.25  # of the effort left, to settle cells one by one
PATIENCE = 2  # rounds that may settle few
GAIN = 0.9  # what share may be left over, or a round has settled few
Flags = NDArray[np.bool_]

PRIMARY, SECONDARY, DOMINANCE, DIFFERENCING = "primary", "secondary", "dominance", "differencing"
GONE = "gone"  # was shown lately and stands in no table any more: nothing to show, but known
SHOWN = ""
DISCLOSURE = "disclosure"  # all that a reader is told: which cells are small and which protect them would narrow both


@dataclass(frozen=True)
class Cells:
    """Every cell that the tables of one release are to show of one unit, each told once, as sums of base cells.

    Attributes:
        base: the true count of each base cell.
        member: cells x base cells, 1 where a cell holds a base cell; a cell of none has an empty base cell of its own.
        threshold: of each cell, how many are too few.
        risky: of each cell, why it is hidden whatever its count is (`DOMINANCE`, `PRIMARY`), or empty.
        need: of each cell, how far apart two tables must lie in it.
        lines: pairs of cells, as two arrays: a line (a total and its parts in one direction) and a cell in it.
        totals: of each line, the cell that is its total, or -1.
        before: what was last shown in each cell; -1 where nothing was.
        stays: cells that were hidden not long ago.
    """

    base: Whole
    member: csr_array
    threshold: Whole
    risky: NDArray[np.str_]
    need: Whole
    lines: tuple[Whole, Whole]
    totals: Whole
    before: Whole
    stays: Flags

    @property
    def counts(self) -> Whole:
        """The true count of each cell."""
        return np.asarray(self.member @ self.base, dtype=np.int64)


@dataclass(frozen=True)
class Protected:
    """What is shown.

    Attributes:
        shown: what is shown in each cell; -1 where it is hidden.
        cause: why it is hidden, or empty; for the council's own eyes.
        plainly: cells that were protected by hiding all totals above them, because the effort was spent.
    """

    shown: Whole
    cause: NDArray[np.str_]
    plainly: int


def protect(cells: Cells, profile: Profile, effort: float = 3.0) -> Protected:
    """Hide what is small, and as much besides as it takes that nothing hidden can be worked out; round the rest.

    A hidden cell is protected when there is another table of whole numbers that gives the very same release, and that
    differs in it from the true one by at least `need`: who has the release cannot tell the two apart. Such tables are
    looked for by linear programming and then checked in whole numbers, so that nothing rests on the solver being right.
    What has no such table gets a companion hidden beside it (secondary suppression), and so on until all have.

    Args:
        cells: what is to be shown.
        profile: how it is rounded.
        effort: after so much work, what is not yet protected is protected plainly: all that holds a part of it is
            hidden.
    """
    counts = cells.counts
    cause = _primary(cells, counts)
    span = _Span(np.zeros(len(counts)), np.zeros(len(counts)))
    left = _Effort(effort * 1e6)
    plainly = step = 0
    while True:
        _companions(cells, counts, cause)
        bounds = _bounds(cells, profile, counts, cause)
        short = _prove(cells, bounds, cause != SHOWN, span, left, step)
        if not len(short):
            break
        if left.spent or not _hide_beside(cells, counts, cause, short):
            plainly = _plainly(cells, cause, short)
            break
        step += 1
    return Protected(np.where(cause == SHOWN, _shown(cells, profile, counts), -1), cause, plainly)


# -- what is hidden ------------------------------------------------------------------------------------------------


def _primary(cells: Cells, counts: Whole) -> NDArray[np.str_]:
    """Why each cell is hidden by itself: too few, few that give most of it, or nearly all of another cell.

    The last is group disclosure: where 30 of 30 people of an area have something, so has everyone there; and two
    overlapping tables that differ by three people tell of three people.
    """
    cause = np.where(counts <= cells.threshold, PRIMARY, cells.risky).astype("<U16")
    cause[(cause == SHOWN) & cells.stays] = DIFFERENCING
    known = cause == SHOWN
    known |= (cause == GONE) & (counts > 0)
    for of, cell in zip(*_nearly_all(cells, counts, known), strict=True):
        if cause[cell] == SHOWN and cause[of] in (SHOWN, GONE):
            cause[cell] = PRIMARY
        elif cause[cell] == GONE and cause[of] == SHOWN:
            cause[of] = PRIMARY
    return cause


def _nearly_all(cells: Cells, counts: Whole, among: Flags) -> tuple[Whole, Whole]:
    """Pairs of cells of which the second lies within the first and leaves no more than a small count of it."""
    from scipy.sparse import csr_array, diags_array

    rows = np.flatnonzero(among)
    held = csr_array(cells.member[rows])
    common = (held @ diags_array(cells.base, dtype=None) @ held.T).tocoo()
    first, second = rows[common.coords[0]], rows[common.coords[1]]
    left = counts[first] - counts[second]
    few = np.maximum(cells.threshold[first], cells.threshold[second])
    within = (common.data == counts[second]) & (left >= 0) & (left <= few)
    within &= (left > 0) | (first < second)
    within &= first != second
    first, second = first[within], second[within]
    order = np.lexsort((second, first))
    return first[order].astype(np.int64), second[order].astype(np.int64)


def _companions(cells: Cells, counts: Whole, cause: NDArray[np.str_]) -> None:
    """Hide the smallest other part wherever a line of a total and its parts has one hidden cell alone."""
    line, cell = cells.lines
    equation = cells.totals[line] >= 0
    line, cell = line[equation], cell[equation]
    part = cells.totals[line] != cell
    while True:
        hidden = cause != SHOWN
        exposed = np.bincount(line[hidden[cell]], minlength=len(cells.totals)) == 1
        free = exposed[line] & part & ~hidden[cell]
        if not free.any():  # a total with no part to hide beside it is seen to by the proof
            return
        where, which = line[free], cell[free]
        order = np.lexsort((which, counts[which], where))
        _, first = np.unique(where[order], return_index=True)
        cause[which[order][first]] = SECONDARY


def _hide_beside(cells: Cells, counts: Whole, cause: NDArray[np.str_], open_: Whole) -> bool:
    """Hide, for each cell without proof, the smallest that is still shown in a line with it, or else a total."""
    line, cell = cells.lines
    mine = np.isin(cell, open_)
    touched = line[mine]
    beside = np.isin(line, touched) & (cause[cell] == SHOWN)
    if not beside.any():
        return False
    where, which = line[beside], cell[beside]
    total = cells.totals[where] == which
    order = np.lexsort((which, counts[which], total, where))
    found, first = np.unique(where[order], return_index=True)
    best = dict(zip(found.tolist(), which[order][first].tolist(), strict=True))
    done: set[int] = set()
    lines_of: dict[int, list[int]] = {}
    for of, one in zip(touched.tolist(), cell[mine].tolist(), strict=True):
        lines_of.setdefault(one, []).append(of)
    hid = False
    for one in open_.tolist():
        options = [(cells.totals[of] < 0, counts[best[of]], of) for of in lines_of.get(one, ()) if of in best]
        if options and not done & set(lines_of[one]):
            *_, of = min(options)
            cause[best[of]] = SECONDARY
            done.update(lines_of[one])
            hid = True
    return hid


def _plainly(cells: Cells, cause: NDArray[np.str_], open_: Whole) -> int:
    """Protect cells without a solver: hide everything that holds one base cell of each, so that nothing bounds it.

    Then that base cell may be greater by any number, and with it all the cells that hold it.
    """
    member, columns = cells.member, cells.member.tocsc()
    for one in open_.tolist():
        base = member.indices[member.indptr[one] : member.indptr[one + 1]]
        holding = [columns.indices[columns.indptr[b] : columns.indptr[b + 1]] for b in base]
        fewest = min(holding, key=lambda rows: int((cause[rows] == SHOWN).sum()))
        cause[fewest[cause[fewest] == SHOWN]] = SECONDARY
    return len(open_)


# -- what is shown, and what it bounds -----------------------------------------------------------------------------


def _shown(cells: Cells, profile: Profile, counts: Whole) -> Whole:
    """What was shown last, as long as it is near enough; else the count, rounded."""
    stands = (cells.before >= 0) & (np.abs(counts - cells.before) <= profile.keep)
    return np.where(stands, cells.before, profile.shown(counts))


def _bounds(cells: Cells, profile: Profile, counts: Whole, cause: NDArray[np.str_]) -> tuple[Whole, Whole]:
    """How far another table may lie from the true one in each cell, so that the release would be the same.

    A reader who has the last release too, and takes it that no cell has changed by more than the threshold since, is
    allowed for: what was last shown bounds a cell that is hidden tonight. A value that stands from an earlier night is
    taken as if it were tonight's where it might be.
    """
    value = _shown(cells, profile, counts)
    least, most = profile.least(value), profile.most(value)
    loose = (counts < least) | (counts > most)
    least = np.where(loose, np.maximum(value - profile.keep, cells.threshold + 1), least)
    most = np.where(loose, value + profile.keep, most)
    hidden = cause != SHOWN
    known = hidden & (cells.before >= 0) & (np.abs(counts - cells.before) <= profile.keep)
    least = np.where(hidden, np.where(known, np.maximum(cells.before - profile.keep, 0), 0), least)
    most = np.where(hidden, np.where(known, cells.before + profile.keep, FAR + counts), most)
    return least - counts, most - counts


# -- the proof -----------------------------------------------------------------------------------------------------


@dataclass
class _Effort:
    """What the solver may still do."""

    numbers: float

    @property
    def spent(self) -> bool:
        return self.numbers <= 0

    def take(self, numbers: int) -> None:
        """Count one linear program."""
        self.numbers -= numbers


@dataclass(frozen=True)
class _Span:
    """How far each cell is known to move, down and up, while the release stays the same."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def short(self, cells: Cells, hidden: Flags) -> Whole:
        """The hidden cells that are not known to move far enough."""
        return np.flatnonzero(hidden & (self.high - self.low < cells.need - CLOSE))

    def take(self, changed: NDArray[np.float64]) -> None:
        """Note how far one more table moves each cell."""
        np.minimum(self.low, changed, out=self.low)
        np.maximum(self.high, changed, out=self.high)


def _prove(cells: Cells, bounds: tuple[Whole, Whole], hidden: Flags, span: _Span, left: _Effort, seed: int) -> Whole:
    """Look for tables that give the same release, and return the hidden cells for which there are not enough.

    Each linear program pulls all cells that are short at once, each in a direction and with a strength drawn at random:
    a corner of what a reader must think possible is far out in most cells. When that no longer helps, the last few
    cells are pulled one by one, both ways, which settles them.
    """
    rng = np.random.default_rng(seed)
    finest = np.ones(len(hidden), dtype=bool)
    finest[cells.totals[cells.totals >= 0]] = False
    movable = np.unique(cells.member[np.flatnonzero(hidden & finest)].indices)
    idle = 0
    while len(short := span.short(cells, hidden)) and idle < PATIENCE and not left.spent:
        pull = np.zeros(len(hidden))
        pull[short] = rng.choice((-1.0, 1.0), len(short)) * rng.random(len(short))
        _pull(cells, bounds, pull, movable, span, left)
        idle = idle + 1 if len(span.short(cells, hidden)) > GAIN * len(short) else 0
    if len(short) * 2 * cells.member.nnz <= SHARE * left.numbers:
        every = np.arange(len(cells.base))
        for cell in short:
            for way in (1.0, -1.0):
                if not left.spent and span.high[cell] - span.low[cell] < cells.need[cell] - CLOSE:
                    pull = np.zeros(len(hidden))
                    pull[cell] = way
                    _pull(cells, bounds, pull, every, span, left)
    return span.short(cells, hidden)


def _pull(
    cells: Cells, bounds: tuple[Whole, Whole], pull: NDArray[np.float64], movable: Whole, span: _Span, left: _Effort
) -> None:
    """Find the table that lies furthest in the direction of `pull`, and note how far each cell moves in it."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    member = cells.member.astype(float)
    part = member[:, movable]
    limits = (bounds[0] > -cells.counts) | (bounds[1] < FAR)
    rows = np.flatnonzero(limits & (np.diff(part.indptr) > 0))
    left.take(part.nnz)
    answer = milp(
        -(part.T @ pull),
        constraints=LinearConstraint(part[rows], bounds[0][rows], bounds[1][rows]),
        bounds=Bounds(-cells.base[movable].astype(float), np.full(len(movable), float(cells.base.sum() + 1000))),
    )
    if answer.x is None:
        return
    changed = part @ answer.x
    off = np.maximum(bounds[0] - changed, changed - bounds[1])
    if off.max() < CLOSE and (answer.x >= -cells.base[movable] - CLOSE).all():  # the solver is not taken at its word
        span.take(changed)
