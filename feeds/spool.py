"""Rows set down while a delivery is worked on: in memory as long as they fit, else encrypted in the store's tmp folder.

What belongs here: keeping frames, and leaving none behind. What is done with the rows belongs in `sifting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import polars as pl

from warehouse.scratch import claimed, released, sweep
from warehouse.store import Cipher

CELL = 20  # bytes that a cell of text takes in memory, about: what polars itself estimates leaves much out
BUDGET = 600 << 20  # bytes of rows that one delivery may have in memory
PIECE = 112 << 20  # bytes of rows that are worked on at once, of a delivery that has more
SMALL = 20_000  # rows of a frame that is not worth a step of its own


class Spool:
    """Piles of frames. Where all of them together pass `budget` they are set down on the disk, piece by piece.

    Used as a context: its folder goes when the block ends, however it ends. What a killed run left behind goes when the
    next one begins: a folder whose lock nobody holds is nobody's.
    """

    def __init__(self, home: Path, cipher: Cipher, budget: int = BUDGET, piece: int = PIECE) -> None:
        self.budget, self.piece, self.full = budget, piece, False
        self._tmp, self._cipher = home / "tmp", cipher
        self._piles: list[Pile] = []
        self._folder: Path | None = None
        self._held, self._files, self._open = 0, 0, True

    def __enter__(self) -> Spool:
        sweep(self._tmp)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._piles.clear()
        if self._folder:
            released(self._folder, self._lock)

    def pile(self, piece: int | None = None) -> Pile:
        """A new, empty pile; its pieces on the disk are of about `piece` bytes."""
        self._piles.append(Pile(self, piece or self.piece))
        return self._piles[-1]

    def piles(self, names: Iterable[str], piece: int | None = None) -> dict[str, Pile]:
        """A new pile for each name."""
        return {name: self.pile(piece) for name in names}

    def gathered(self) -> None:
        """Nothing more comes from outside: what fits in memory now stays there."""
        self._open = False

    def grown(self, size: int) -> None:
        """Take note that piles hold so many bytes more in memory; set them down where that is too many."""
        self._held += size
        if self._open and not self.full and self._held > self.budget:
            self.full = True
            for pile in self._piles:
                pile.settle(0)

    def write(self, frame: pl.DataFrame) -> str:
        """Set a frame down encrypted; gives the name that it is kept under."""
        if self._folder is None:
            self._folder, self._lock = claimed(self._tmp, "spool")
        self._files += 1
        name = f"{self._files}.parquet"
        self._cipher.write(frame, self._folder / name, f"tmp/{self._folder.name}/{name}")
        return name

    def read(self, name: str) -> pl.DataFrame:
        """A frame that was set down."""
        assert self._folder is not None
        return self._cipher.scan(self._folder / name, f"tmp/{self._folder.name}/{name}").collect()

    def drop(self, name: str) -> None:
        """Remove a frame that was set down."""
        assert self._folder is not None
        for path in self._folder.glob(f"{name}*"):
            path.unlink()


class Pile:
    """Frames of one shape, in the order in which they were added; the first, which may be empty, says the shape."""

    def __init__(self, spool: Spool, piece: int) -> None:
        self.height, self.shape = 0, pl.DataFrame()
        self._spool, self._piece = spool, piece
        self._set_down: list[str] = []
        self._frames: list[pl.DataFrame] = []
        self._size = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Put a frame at the end."""
        if self.shape.width == 0:
            self.shape = frame.clear()
        if frame.is_empty():
            return
        self.height += frame.height
        self._frames.append(frame)
        size = self._of(frame)
        self._size += size
        self._spool.grown(size)
        if self._spool.full:
            self.settle(self._piece)

    def settle(self, most: int) -> None:
        """Set down what is in memory, if that is more than `most` bytes, in pieces of their size."""
        if not self._frames or self._size <= most:
            return
        self._spool.grown(-self._size)
        piece: list[pl.DataFrame] = []
        size = 0
        for frame in self._frames:
            if piece and size + self._of(frame) > self._piece:
                self._set_down.append(self._spool.write(pl.concat(piece)))
                piece, size = [], 0
            piece.append(frame)
            size += self._of(frame)
        self._set_down.append(self._spool.write(pl.concat(piece)))
        self._frames, self._size = [], 0

    @staticmethod
    def _of(frame: pl.DataFrame) -> int:
        return frame.height * frame.width * CELL

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The frames as pieces: one, unless they were set down; none where there are no rows."""
        for name in self._set_down:
            yield self._spool.read(name)
        if self._frames:
            yield pl.concat(self._frames)

    def drained(self) -> Iterator[pl.DataFrame]:
        """The frames as they were added (small ones put together) or set down, none kept once given; not cleared."""
        for name in self._set_down:
            yield self._spool.read(name)
            self._spool.drop(name)
        while self._frames:
            some = [self._frames.pop(0)]
            while self._frames and sum(frame.height for frame in some) < SMALL:
                some.append(self._frames.pop(0))
            yield pl.concat(some, rechunk=True) if some[1:] else some[0]

    def whole(self) -> pl.DataFrame:
        """All of it as one frame."""
        return pl.concat([self.shape, *self])

    def clear(self) -> None:
        """Take everything away, from the disk too."""
        for name in self._set_down:
            self._spool.drop(name)
        self._spool.grown(-self._size)
        self._set_down, self._frames, self._size, self.height = [], [], 0, 0
