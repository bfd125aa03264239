"""A landed delivery becomes a load: read, judged, split, mapped, and kept in one atomic write with its ledger.

What belongs here: the order of those steps. Each step's own knowledge is in the module of its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from math import ceil

import polars as pl

from feeds import erasing, readers
from feeds.contracts import Contract, Table
from feeds.deliveries import Landed, day_of
from feeds.ledger import (
    ACCEPTED,
    QUARANTINE,
    TERMS,
    Load,
    RuleCount,
    Turned,
    cases_of,
    entry,
    latest_accepted,
    outcome,
    previous_rows,
    standing,
    terms_of,
)
from feeds.purges import told_of
from feeds.repeats import BEFORE, remapped, terms
from feeds.rules import COUNTED, RuleError
from feeds.sifting import Previous, Sifted, added, gathered, mapped_apart, settled, sifted
from feeds.spool import BUDGET, CELL, PIECE, Spool
from feeds.state import after
from governance.erasure import erased_of
from governance.keys import KeyProblem, KeyRing
from governance.vault import Vault, VaultError
from warehouse.store import Store, StoreError
from warehouse.tables import TABLES, Zone

WORDED = (RuleError, StoreError, VaultError, KeyProblem)  # their messages hold no values

Frames = Iterable[tuple[str, pl.DataFrame]]


class IntakeError(Exception):
    """Something failed that nobody foresaw. The message says where, and never what the delivery holds."""


def check(
    contract: Contract,
    landed: Landed,
    store: Store,
    vault: Vault,
    ring: KeyRing,
    now: datetime,
    limits: tuple[int, int] = (BUDGET, PIECE),
) -> Load:
    """Turn a landed delivery into a load, once: a delivery that has its load already is not read again.

    Everything is kept in one folder of the vault, `feed/<feed>/<delivery>`, by one rename: `load`, `load_rule` and,
    where anything could be read, `quarantine__<table>`; for an accepted one also `accepted__<table>` (the feed's
    state after it, as text) and the canonical frames. A delivery of more rows than memory is to hold is worked on in
    parts, set down encrypted meanwhile; what comes of it is the same.

    Args:
        now: UTC, naive.
        limits: bytes of rows that may be in memory, and that a part is to have if there are more.

    Raises:
        RuleError: a rule of the contract cannot be run.
        IntakeError: anything else went wrong; nothing of the delivery was kept.
    """
    kept = standing(store, contract, landed)
    if kept:
        return kept
    step = _Step()
    with _worded(contract, landed, step), Spool(store.home, vault, *limits) as spool:
        return _checked(contract, landed, store, vault, ring, now, spool, step)


def _checked(
    contract: Contract,
    landed: Landed,
    store: Store,
    vault: Vault,
    ring: KeyRing,
    now: datetime,
    spool: Spool,
    step: _Step,
) -> Load:
    before = latest_accepted(store, contract.id, before=landed.delivery)
    said, day = terms(contract, ring), day_of(landed.delivery)
    as_before = before is not None and terms_of(store, contract.id, before) == said
    notes: readers.Notes = {}
    erased, taken = erased_of(store, contract.keys_of), erasing.Taken()
    made: Sifted | None = None
    fate: dict[str, str | None]
    work = _Work(contract, landed.delivery, store, ring, before, spool)
    frames: Frames = ()
    try:
        step.name = "reading it"
        names = readers.shown(contract, landed.names)
        for file in landed.files:
            if file.folder:
                raise readers.Rejected(
                    names[file.path], "a file should stand here, and a folder does", "Send the file itself"
                )
        chunks = _chunks(contract, landed, vault, ring, notes)
        chunks = erasing.without(contract, chunks, erased, ring, taken) if erased.len() else chunks
        spool.grown(work.size())
        # rows that stand because they are old may have been judged on other terms
        again = as_before and contract.delivery == "snapshot" and not contract.look_back
        received = gathered(contract, chunks, spool, None if again else day)
        step.name = "judging its rows"
        fits = not spool.full
        previous = previous_rows(contract, store, before) if fits else None
        known = previous if again else None
        made = sifted(contract, received, spool, day, work.look, known)
        _refused(names.values(), made)
        tables = {name: pile.height for name, pile in made.accepted.items()}
        fate = outcome(contract, store, landed, before, tables, _became(made))
        withdrawn = sum(pile.height for pile in made.withdrawing.values())
        if fate["status"] == "rejected":
            raise Turned(fate["reason"])
        if fate["status"] == "accepted":
            step.name = "mapping its rows"
            frames = work.in_memory(made, previous, day, as_before) if fits else work.in_parts(made, day)
    except (readers.Rejected, Turned) as refusal:
        fate = (fate if isinstance(refusal, Turned) else {}) | {"status": "rejected", "reason": str(refusal)}
        tables, withdrawn = dict.fromkeys(made.accepted, 0) if made else {}, 0
    loads: list[Load] = []

    def everything() -> Iterator[tuple[str, pl.DataFrame]]:
        """All that is kept of the delivery, each frame made when the one before has been written; the ledger last."""
        yield from frames
        aside = 0
        for name, pieces in _set_aside(made, fate["status"] == "rejected", spool.full):
            for piece in pieces:
                aside += piece.height
                yield f"{QUARANTINE}{name}", piece
        counts = pl.concat([made.counts, work.cleaned]) if made else work.cleaned
        gone, purging = erasing.gone_from(landed, taken) if made else (Counter[str](), 0)
        loads.append(
            Load(
                feed=contract.id,
                delivery=landed.delivery,
                received=sum(tables.values()) + aside + withdrawn + gone.total() + purging,
                accepted=sum(tables.values()),
                quarantined=aside,
                withdrawn=withdrawn + gone.total() + purging,
                gone=work.gone,
                rules=(*erasing.rules(gone), *(RuleCount(*row) for row in counts.rows())),
                tables=tables,
                read_as="; ".join(f"{file}: {words}" for file, words in sorted(notes.items())) or None,
                **fate,  # type: ignore[arg-type]
            )
        )
        yield from entry(contract, landed, loads[0], now, store).items()
        yield TERMS, pl.DataFrame({TERMS: [said]})

    if taken.changed:
        step.name = "taking out of its files who was erased"
        erasing.from_landing(contract, landed, erased, vault, ring)
    step.name = "keeping what came of it"
    store.put(Zone.VAULT, f"feed/{contract.id}/{landed.delivery}", everything())
    return loads[0]


def refuse(contract: Contract, landed: Landed, store: Store, now: datetime, reason: str, ring: KeyRing) -> Load:
    """Reject a landed delivery unread, for a reason that lies outside it; its file stays in the landing zone."""
    load = Load(contract.id, landed.delivery, "rejected", 0, 0, 0, 0, 0, reason, ())
    said = pl.DataFrame({TERMS: [terms(contract, ring)]})
    store.put(
        Zone.VAULT, f"feed/{contract.id}/{landed.delivery}", {**entry(contract, landed, load, now, store), TERMS: said}
    )
    return load


# -- the steps ------------------------------------------------------------------------------------------------------


class _Step:
    """What is being done, for the words of a failure."""

    name = "opening it"


@contextmanager
def _worded(contract: Contract, landed: Landed, step: _Step) -> Iterator[None]:
    """Turn a failure that nobody foresaw, whose own words may quote a cell, into one that says where and what to do."""
    try:
        yield
    except WORDED:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its message may hold a value and goes no further
        why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        raise IntakeError(
            f"feed {contract.id}, delivery {landed.delivery}: {step.name} stopped on {type(error).__name__}{why}. "
            "Nothing of it was kept, and what it replaces stands. Run `kinfold ingest` again; if it stops again, "
            "try the file with `kinfold feed try` and tell those who maintain Kinfold this sentence."
        ) from None


def _chunks(
    contract: Contract, landed: Landed, vault: Vault, ring: KeyRing, notes: readers.Notes
) -> Iterator[tuple[str, pl.DataFrame]]:
    yield from erasing.rows_of(contract, landed, vault, ring, notes)


def _refused(files: Iterable[str], made: Sifted) -> None:
    """Refuse a delivery that breaks a rule of which one breach is enough, or of which no row is right.

    Args:
        files: what its files are called.

    Raises:
        Rejected: so it is.
    """
    names = ", ".join(files)
    if made.refused:
        raise readers.Rejected(
            names, f"the rule should hold: {'; '.join(made.refused)}", "Correct the extract and resend"
        )
    good = sum(pile.height for piles in (made.accepted, made.withdrawing) for pile in piles.values())
    if not good and any(pile.height for pile in made.quarantined.values()):
        raise readers.Rejected(names, "some row should keep the contract, and none does", _commonest(made.counts))


def _became(made: Sifted) -> dict[str, str]:
    """Of tables of which no row goes on, what became of their rows, in words."""
    told = {}
    for name in (name for name, pile in made.accepted.items() if not pile.height):
        aside, why = made.quarantined[name].height, _commonest(made.counts.filter(pl.col("table") == name))
        told[name] = f"all {aside:,} that came were set aside ({why})" if aside else "none came"
    return told


def _commonest(counts: pl.DataFrame) -> str:
    worst = counts.filter(pl.col("severity") == "quarantine").sort("rows", "rule", descending=[True, False]).head(1)
    return f"Most rows break the rule: {worst['rule'].item()}" if worst.height else "Compare it with the contract"


def _set_aside(made: Sifted | None, rejected: bool, large: bool) -> Iterator[tuple[str, Iterable[pl.DataFrame]]]:
    """Rows set aside, by table; of a rejected delivery all, those that broke no rule of their own naming none."""
    none = pl.lit([], pl.List(pl.String)).alias("failed_rules")
    for name, pile in made.quarantined.items() if made else ():
        if rejected and made:
            for rows in (*made.accepted[name], *made.withdrawing[name]):
                pile.add(rows.select(pl.exclude(BEFORE)).with_columns(none))
        if rejected and not large:
            yield name, [pile.whole().sort("_file", "_row")]
        else:
            yield name, pile if pile.height else [pile.shape]


class _Work:
    """What is made of the rows of an accepted delivery, given what stood before it.

    Attributes:
        gone: rows before that no longer stand; `cleaned`: what mapping counted. Both once the frames are made.
    """

    def __init__(
        self, contract: Contract, delivery: str, store: Store, ring: KeyRing, before: str | None, spool: Spool
    ) -> None:
        self.contract, self.delivery, self.store, self.ring = contract, delivery, store, ring
        self.before, self.spool = before, spool
        self.gone, self.cleaned = 0, pl.DataFrame(schema=COUNTED)

    def look(self, table: str, columns: list[str]) -> pl.DataFrame | None:
        """Columns of a table as it stood after the delivery before."""
        return self._read(table, columns) if self.before else None

    def standing(self) -> dict[str, Previous] | None:
        """What stood before, to be read in pieces."""
        if self.before is None:
            return None
        return {
            table.name: Previous(self._read(table.name, ["_row"]).height, partial(self._pieces, table))
            for table in self.contract.tables
        }  # fmt: skip

    def size(self) -> int:
        """About how many bytes of memory what stood before takes."""
        tables = self.contract.tables if self.before else ()
        return sum(self._read(t.name, ["_row"]).height * len(t.all_columns) * CELL for t in tables)

    def in_memory(
        self, made: Sifted, previous: Mapping[str, pl.DataFrame] | None, day: date, as_before: bool
    ) -> Frames:
        """The frames of a delivery that fits in memory; what stood before on the same terms is not made again."""
        contract, splits = self.contract, made.splits()
        state, self.gone = after(contract, splits, previous, day)
        purged = told_of(contract, splits, state, cases_of(self.store, contract.id, self.before), self.ring)
        yield from purged.items()
        del splits
        made.release()
        if self.before and previous and as_before:
            frames, self.cleaned = self._remapped(state, previous)
            yield from self._first_told(frames.items())
            yield from _accepted(state)
            return
        with ThreadPoolExecutor(2) as pool:
            work = mapped_apart(contract, self.delivery, state, self.ring, pool)
            yield from _accepted(state)  # written while the others are made
            del state
            while work:
                frames, counts = work.pop(0).result()
                self.cleaned = added([self.cleaned, counts]) if self.cleaned.height else counts
                yield from self._first_told(frames.items())

    def in_parts(self, made: Sifted, day: date) -> Frames:
        """The frames of a delivery that does not."""
        rows = sum(pile.height * len(self.contract.table(name).all_columns) for name, pile in made.accepted.items())
        parts = ceil((rows * CELL + self.size()) / self.spool.piece) or 1
        result = settled(self.contract, self.delivery, day, made, self.standing(), parts, self.spool, self.ring)
        self.gone = result.gone
        if result.splits:
            before = cases_of(self.store, self.contract.id, self.before)
            yield from told_of(self.contract, result.splits, result.state, before, self.ring).items()
        yield from self._first_told(result.frames)
        self.cleaned = result.cleaned

    def _read(self, table: str, columns: list[str]) -> pl.DataFrame:
        """Columns of a table's rows before; null where they came since."""
        folder, name = f"feed/{self.contract.id}/{self.before}", f"{ACCEPTED}{table}"
        if name not in self.store.names(Zone.VAULT, folder):
            return pl.DataFrame(schema={c: readers.PLACE.get(c, pl.String) for c in columns})
        return pl.concat([_having(part, columns).collect() for part in self.store.parts(Zone.VAULT, folder, name)])

    def _pieces(self, table: Table) -> Iterator[pl.DataFrame]:
        folder, name = f"feed/{self.contract.id}/{self.before}", f"{ACCEPTED}{table.name}"
        columns = [*readers.PLACE, *(c.name for c in table.all_columns)]
        place = pl.lit(None, pl.UInt32).alias(BEFORE)
        for part in self.store.parts(Zone.VAULT, folder, name) if name in self.store.names(Zone.VAULT, folder) else ():
            yield _having(part, columns).with_columns(place).collect()

    def _remapped(
        self, state: Mapping[str, pl.DataFrame], previous: Mapping[str, pl.DataFrame]
    ) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
        """The state mapped, with what was made of the delivery before on the same terms."""
        folder = f"feed/{self.contract.id}/{self.before}"
        names = self.store.names(Zone.VAULT, folder)
        people = [name for name in names if "record_id" in getattr(TABLES.get(name), "schema", ())]
        made = {name: self.store.get(Zone.VAULT, folder, name).collect() for name in people}
        counted = self.store.get(Zone.VAULT, folder, "load_rule").collect()
        return remapped(self.contract, self.delivery, state, previous, made, counted, self.ring)

    def _first_told(self, frames: Frames) -> Frames:
        """Records that stand as they stood keep the delivery that told them first."""
        folder = f"feed/{self.contract.id}/{self.before}"
        known = self.before is not None and "source_record" in self.store.names(Zone.VAULT, folder)
        for name, frame in frames:
            if name == "source_record" and known:
                key = ["record_id", "row_hash"]
                old = self.store.get(Zone.VAULT, folder, name).select(*key, pl.col("delivery").alias("first"))
                mine = old.join(frame.lazy().select(key), on=key, how="semi").collect()
                told = frame.join(mine, on=key, how="left", maintain_order="left")
                frame = told.with_columns(pl.coalesce("first", "delivery").alias("delivery")).drop("first")
            yield name, frame


def _accepted(state: Mapping[str, pl.DataFrame]) -> Frames:
    """The rows that stand, as they are kept."""
    return ((f"{ACCEPTED}{name}", frame.drop(BEFORE)) for name, frame in state.items())


def _having(rows: pl.LazyFrame, columns: list[str]) -> pl.LazyFrame:
    """These columns of rows kept; null where they came since."""
    there = set(rows.collect_schema().names())
    return rows.select(
        pl.col(c) if c in there else pl.lit(None, readers.PLACE.get(c, pl.String)).alias(c) for c in columns
    )
