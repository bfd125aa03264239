"""The rows of a delivery parted: those that go on, those set aside, those that withdraw; each person's kept together.

What belongs here: the order in which tables are judged, and how a delivery that does not fit in memory is worked on in
parts, each of which does. What a rule says of a row belongs in `rules`, what stands after a delivery in `state`, and
what is made of rows in `mapping`.

All that is made of rows is made person by person, and what stands after a delivery is decided key by key: so rows are
parted by the hash of their key, then by that of the person, and what comes of the parts is what comes of the whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from math import ceil
from typing import Any, TypeVar

import polars as pl

from feeds import readers
from feeds.contracts import Contract, Rule, Table
from feeds.mapping import cleaning_counts, key_columns, mapped, read_columns, source_key
from feeds.parsing import matches, parsed
from feeds.repeats import BEFORE, places
from feeds.rules import COUNTED, Beside, concluded, evidence, judged_alone, of_one_row, rules_of, skips_known
from feeds.spool import Pile, Spool
from feeds.state import Split, after
from governance.keys import KeyRing
from governance.pseudonyms import record_ids
from warehouse.tables import TABLES

ORDER = "_order"  # where a row of a delivery that is worked on in parts stands among all
APART = 250_000  # rows that are mapped at once
TOGETHER = 400_000  # rows that are judged at once while others are read
AHEAD = 8  # frames that are read while rows are judged: as many rows, where frames are large
OWN = "_own"  # whether it is this part that counts the row, where rows of several people stand in several

Item = TypeVar("Item")
Look = Callable[[str, list[str]], pl.DataFrame | None]


@dataclass
class Sifted:
    """A delivery's rows, by table.

    Attributes:
        accepted: rows that go on, with `BEFORE`; `quarantined` with `failed_rules`.
        counts: every rule, and how many rows broke it; `refused`: the reject rules that were broken.
    """

    accepted: dict[str, Pile]
    quarantined: dict[str, Pile]
    withdrawing: dict[str, Pile]
    counts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COUNTED))
    refused: tuple[str, ...] = ()

    def release(self) -> None:
        """Let go of the rows that went on or withdrew others, once what stands after them is made."""
        for piles in (self.accepted, self.withdrawing):
            for pile in piles.values():
                pile.clear()

    def splits(self) -> dict[str, Split]:
        """The rows as frames, of a delivery that fits in memory."""
        return {
            name: Split(pile.whole(), self.quarantined[name].whole(), self.withdrawing[name].whole())
            for name, pile in self.accepted.items()
        }


@dataclass(frozen=True)
class Gathered:
    """A delivery's rows as they were read, by table.

    Attributes:
        found: what was judged while they were read: for each table and rule the positions of the rows that broke it,
            among those that withdraw nothing.
    """

    piles: dict[str, Pile]
    found: dict[str, dict[int, pl.Series]]


def gathered(
    contract: Contract, chunks: Iterator[tuple[str, pl.DataFrame]], spool: Spool, day: date | None = None
) -> Gathered:
    """Read a delivery's rows, and judge them by the rules that look at nothing else while more are being read.

    Args:
        day: of the delivery; None to judge nothing yet.

    Raises:
        RuleError: a rule cannot be run.
    """
    piles = spool.piles(table.name for table in contract.tables)
    waiting: dict[str, list[pl.DataFrame]] = {table.name: [] for table in contract.tables}
    rules = {t.name: _at_once(contract, t) if day else {} for t in contract.tables}
    found = {name: {i: [pl.Series("index", [], pl.UInt32)] for i in some} for name, some in rules.items()}
    judged = dict.fromkeys(piles, 0)

    def judge(table: Table) -> None:
        rows, start = pl.concat(waiting[table.name]), judged[table.name]
        waiting[table.name].clear()
        withdraws = purging(contract, table, rows)
        rows = rows.filter(~withdraws) if withdraws.any() else rows
        for i, index in judged_alone(contract, table, rules[table.name], rows, None, Beside(day)).items():
            found[table.name][i].append((index + start).cast(pl.UInt32))
        judged[table.name] += rows.height

    for table in contract.tables:
        columns = {c.name: pl.String for c in table.all_columns}
        piles[table.name].add(pl.DataFrame(schema={**readers.PLACE, **columns}))
    for name, chunk in _ahead(chunks):
        piles[name].add(chunk)
        if rules[name]:
            waiting[name].append(chunk)
        if sum(rows.height for rows in waiting[name]) >= TOGETHER:
            judge(contract.table(name))
    for table in contract.tables:
        if waiting[table.name]:
            judge(table)
    spool.gathered()
    return Gathered(piles, {name: {i: pl.concat(parts) for i, parts in some.items()} for name, some in found.items()})


def _at_once(contract: Contract, table: Table) -> dict[int, Rule]:
    """The rules, by number, that need nothing but the row and the day."""
    rest = ("nested", "member", "before")
    return {i: r for i, r in enumerate(rules_of(contract, table)) if of_one_row(r) and r.kind not in rest}


def _ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items, the next ones being made in a thread of their own while one is worked on."""
    end: Any = object()
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, items, end) for _ in range(AHEAD))
        while (item := coming.popleft().result()) is not end:
            coming.append(pool.submit(next, items, end))
            yield item


# -- judging ----------------------------------------------------------------------------------------------------------


def sifted(
    contract: Contract,
    read: Gathered,
    spool: Spool,
    day: date,
    look: Look,
    accepted_before: Mapping[str, pl.DataFrame] | None = None,
) -> Sifted:
    """Judge each table, those that others rest on first, and part its rows; what was read is emptied on the way.

    Args:
        day: of the delivery.
        look: the columns of a table as it stood after the delivery before; None where there was none.
        accepted_before: what the snapshot before had accepted by the same rules, where the delivery fits in memory; a
            row like one of these keeps every rule that looks at one row alone.

    Raises:
        RuleError: a rule cannot be run.
    """
    names, received = [table.name for table in contract.tables], read.piles
    made = Sifted(spool.piles(names), spool.piles(names), spool.piles(names))
    counts: dict[str, pl.DataFrame] = {}
    refused: dict[str, tuple[str, ...]] = {}
    wanted = _looked_up(contract)
    kept: dict[str, pl.DataFrame] = {}
    over: dict[str, pl.DataFrame] = {}
    for table in _in_order(contract):
        for name in wanted[table.name].keys() - kept.keys():  # two tables that look each other up
            told = [received[name].shape, *received[name]]
            kept[name] = pl.concat([rows.select("_file", "_row", *_columns(wanted, name)) for rows in told])
        before = _before(table, look)
        others = {
            name: _looked_at(contract, name, columns, kept[name], received, made, look)
            for name, columns in wanted[table.name].items()
        }
        beside = Beside(day, others, before)
        heard = read.found[table.name]
        alone = {i: r for i, r in enumerate(rules_of(contract, table)) if of_one_row(r) and i not in heard}
        broken: dict[int, list[pl.Series]] = {i: [] for i in alone}
        over[table.name] = _taken_back(contract, table, received[table.name], over)
        seen, stood, start = [], [], 0
        for rows in _told(contract, table, received[table.name]):
            orphans = _orphans(rows, kept[table.parent]) if table.parent else None
            place = pl.Series(BEFORE, [None], pl.UInt32).new_from_index(0, rows.height)
            if accepted_before is not None:
                cells = ["_fault", *(c.name for c in table.all_columns)]
                place = places(rows, accepted_before[table.name], cells)
            found = _alone(contract, table, alone, rows, orphans, place.is_not_null(), beside)
            for i, index in found.items():
                broken[i].append((index + start).cast(pl.UInt32))
            within = {i: index.is_between(start, start + rows.height, "left") for i, index in heard.items()}
            here = {i: index.filter(within[i]) - start for i, index in heard.items()}
            seen.append(evidence(contract, table, rows, found | here, _among(rows, over[table.name])))
            stood.append(place)
            start += rows.height
        whole = heard | {i: pl.concat(parts) for i, parts in broken.items()}
        verdict = concluded(contract, table, whole, pl.concat(seen))
        del seen
        counts[table.name], refused[table.name] = verdict.counts, verdict.refused
        failed = verdict.failed.group_by("index").agg(pl.col("rule").sort().alias("failed_rules"))
        own, start, place = [], 0, pl.concat(stood)
        for rows in _told(contract, table, received[table.name], made.withdrawing[table.name]):
            index = pl.int_range(start, start + rows.height, dtype=pl.UInt32, eager=True).alias("index")
            hit = index.is_in(failed["index"].implode())
            aside = rows.filter(hit).with_columns(index.filter(hit))
            aside = aside.join(failed, on="index", how="left", maintain_order="left").drop("index")
            well = rows.with_columns(place.slice(start, rows.height))
            well = well.filter(~hit) if aside.height else well
            made.quarantined[table.name].add(aside)
            made.accepted[table.name].add(well)
            own.append(well.select("_file", "_row", *_columns(wanted, table.name)))
            start += rows.height
            del rows, aside, well
            if spool.full:  # a few rows kept in memory would keep the texts of their whole piece there
                made.accepted[table.name].settle(0)
                made.quarantined[table.name].settle(0)
                made.withdrawing[table.name].settle(0)
        kept[table.name] = pl.concat(own)
        received[table.name].clear()
    made.counts = pl.concat([made.counts, *(counts[name] for name in names)])
    made.refused = tuple(sentence for name in names for sentence in refused[name])
    return made


def _alone(
    contract: Contract,
    table: Table,
    rules: Mapping[int, Rule],
    rows: pl.DataFrame,
    orphans: pl.Series | None,
    known: pl.Series,
    beside: Beside,
) -> dict[int, pl.Series]:
    """What rules on one row say; of rows that are known, those that depend on more than the row alone."""
    if not known.any():
        return judged_alone(contract, table, rules, rows, orphans, beside)
    fresh = (~known if orphans is None else ~known | orphans).arg_true()
    skipping = {i: rule for i, rule in rules.items() if skips_known(rule)}
    above = None if orphans is None else orphans[fresh]
    found = judged_alone(contract, table, skipping, rows[fresh], above, beside)
    rest = {i: rule for i, rule in rules.items() if i not in skipping}
    return {i: fresh.gather(index) for i, index in found.items()} | judged_alone(
        contract, table, rest, rows, orphans, beside
    )


def _told(contract: Contract, table: Table, received: Pile, withdrawing: Pile | None = None) -> Iterator[pl.DataFrame]:
    """The rows that are judged; those that withdraw a case or a row go to a pile of their own, and all leave theirs."""
    pieces = received if withdrawing is None else received.drained()
    for rows in pieces if received.height else [received.shape]:
        withdraws = purging(contract, table, rows)
        if withdrawing is not None:
            withdrawing.add(rows.filter(withdraws))
        yield rows.filter(~withdraws) if withdraws.any() else rows


def purging(contract: Contract, table: Table, rows: pl.DataFrame) -> pl.Series:
    """Which rows withdraw a case or a row.

    A row that could not be read as one withdraws nothing: what it says, and of whom, may be another column's.
    """
    return rows.select(_withdraws(contract, table).alias("purging"))["purging"]


def _withdraws(contract: Contract, table: Table) -> pl.Expr:
    """Which rows withdraw a case or a row, and say whose."""
    grave = [sentence for sentence, severity in readers.faults(contract) if severity != "warn"]
    sound = pl.col("_fault").is_null() | ~pl.col("_fault").is_in(grave)
    if table.messages and table.messages.purge:
        purge = next(c for c in table.columns if c.name == (table.messages.purge if table.messages else None))
        said = parsed(purge).fill_null(False).cast(pl.Boolean)
        return sound & said & pl.col(table.messages.key).is_not_null()
    if table.withdrawn:
        return sound & matches(table.withdrawn) & pl.all_horizontal(pl.col(k).is_not_null() for k in table.key)
    return pl.repeat(False, pl.len())


def _taken_back(contract: Contract, table: Table, received: Pile, over: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The places of rows of a delta that it withdraws itself further on, and of what is nested in such."""
    found = [received.shape.select("_file", "_row")]
    if contract.delivery == "delta" and table.withdrawn:
        key = [*(c.name for c in table.inherited), *table.key]
        gone = [rows.filter(_withdraws(contract, table)).select(*key, "_file", "_row") for rows in received]
        last = pl.concat(gone or [received.shape.select(*key, "_file", "_row")]).sort("_file", "_row")
        last = last.unique(key, keep="last")
        for rows in received if last.height else ():
            both = rows.select(*key, "_file", "_row").join(last, on=key, nulls_equal=True, suffix="_then")
            further = (pl.col("_file_then") == pl.col("_file")) & (pl.col("_row_then") > pl.col("_row"))
            found.append(both.filter((pl.col("_file_then") > pl.col("_file")) | further).select("_file", "_row"))
    if table.parent and over[table.parent].height:
        above = over[table.parent].rename({"_row": "_parent"})
        found += [rows.join(above, on=["_file", "_parent"], how="semi").select("_file", "_row") for rows in received]
    return pl.concat(found).unique()


def _among(rows: pl.DataFrame, places: pl.DataFrame) -> pl.Series | None:
    """Which rows stand in one of these places; None where there are no places."""
    if places.is_empty():
        return None
    found = rows.select("_file", "_row").with_row_index("_index").join(places, on=["_file", "_row"], how="semi")
    return pl.int_range(rows.height, dtype=pl.UInt32, eager=True).is_in(found["_index"].implode())


def _orphans(rows: pl.DataFrame, parents: pl.DataFrame) -> pl.Series:
    """Whether each row's parent was set aside."""
    above = parents.select("_file", pl.col("_row").alias("_parent"))
    numbered = rows.select("_file", "_parent").with_row_index("_index")
    found = numbered.join(above, on=["_file", "_parent"], how="semi")["_index"]
    return ~pl.int_range(rows.height, dtype=pl.UInt32, eager=True).is_in(found.implode())


def _looked_up(contract: Contract) -> dict[str, dict[str, list[str]]]:
    """For each table the others that its rules look up, and which columns of them."""
    wanted: dict[str, dict[str, list[str]]] = {table.name: {} for table in contract.tables}
    for table in contract.tables:
        for rule in (rule for rule in table.rules if rule.kind == "member"):
            wanted[table.name].setdefault(str(rule.args["table"]), []).extend(rule.args["to"])
    return wanted


def _looked_at(
    contract: Contract,
    name: str,
    columns: list[str],
    told: pl.DataFrame,
    received: Mapping[str, Pile],
    made: Sifted,
    look: Look,
) -> pl.DataFrame:
    """What a rule that looks up a table finds there: what is told now and, of a delta, what stands beside it."""
    columns, table = list(dict.fromkeys(columns)), contract.table(name)
    key = [*(c.name for c in table.inherited), *table.key]
    stood = look(name, list(dict.fromkeys([*key, *columns]))) if contract.delivery == "delta" else None
    if stood is None:
        return told.select(columns)
    for pile in (received[name], made.accepted[name], made.withdrawing[name]):  # told anew, or withdrawn
        for rows in pile:
            stood = stood.join(rows.select(key), on=key, how="anti", nulls_equal=True)
    while table.parent:
        table = contract.table(table.parent)
        above = [*(c.name for c in table.inherited), *table.key]
        for rows in made.withdrawing[table.name]:
            stood = stood.join(rows.select(above), on=above, how="anti", nulls_equal=True)
    return pl.concat([told.select(columns), stood.select(columns)])


def _columns(wanted: Mapping[str, Mapping[str, list[str]]], name: str) -> list[str]:
    """The columns of a table that rules of others look up."""
    return list(dict.fromkeys(c for others in wanted.values() for c in others.get(name, ())))


def _in_order(contract: Contract) -> list[Table]:
    """The tables, each after those that it is nested in or looks up; in a circle, as the contract has them."""
    wanted, left, order = _looked_up(contract), list(contract.tables), list[Table]()
    while left:
        names = {table.name for table in left}
        free = [t for t in left if t.parent not in names and not (wanted[t.name].keys() - {t.name}) & names]
        order.append((free or [t for t in left if t.parent not in names])[0])
        left.remove(order[-1])
    return order


def _before(table: Table, look: Look) -> pl.DataFrame | None:
    """What the rules compare with the delivery before: the columns they are on, and the key."""
    columns = [name for rule in table.rules if rule.kind == "before" for name in rule.columns]
    if not columns:
        return None
    return look(table.name, list(dict.fromkeys([*(c.name for c in table.inherited), *table.key, *columns])))


# -- parts ------------------------------------------------------------------------------------------------------------


@dataclass
class Settled:
    """What comes of the rows of a delivery that is worked on in parts.

    Attributes:
        gone: rows before that no longer stand.
        frames: name and frame, part after part; reference data at the end.
        cleaned: what mapping counted, once the frames are exhausted.
        splits, state: of messages, the keys alone, for `purges`.
    """

    gone: int = 0
    frames: Iterator[tuple[str, pl.DataFrame]] = field(default_factory=lambda: iter(()))
    cleaned: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COUNTED))
    splits: dict[str, Split] = field(default_factory=dict)
    state: dict[str, pl.DataFrame] = field(default_factory=dict)


def settled(
    contract: Contract,
    delivery: str,
    day: date,
    made: Sifted,
    previous: Mapping[str, Previous] | None,
    parts: int,
    spool: Spool,
    ring: KeyRing,
) -> Settled:
    """What stands after a delivery and what is made of it, worked on in parts; what was accepted is emptied on the way.

    Args:
        previous: rows before, by table.
        parts: how many.
    """
    result = Settled()
    stood = previous or {}
    heights = {name: pile.height + (stood[name].height if stood else 0) for name, pile in made.accepted.items()}
    people = {t.name: [spool.pile(spool.piece // 8) for _ in range(parts)] for t in contract.tables}
    keys: list[tuple[dict[str, Split], dict[str, pl.DataFrame]]] = []
    for splits, state, left in _states(contract, day, made, previous, parts, spool):
        result.gone += left
        if contract.delivery == "messages":
            keys.append(_keys_alone(contract, splits, state))
        for table in contract.tables:
            part = by_person(table, state[table.name], parts, heights[table.name])
            for i, pile in enumerate(people[table.name]):
                pile.add(part(i))
    for table in contract.tables if keys else ():
        name = table.name
        result.splits[name] = Split(*(pl.concat(column) for column in zip(*(s[name] for s, _ in keys), strict=True)))
        result.state[name] = pl.concat([state[name] for _, state in keys])
    result.frames = _mapped_parts(contract, delivery, people, parts, ring, result)
    return result


def _keys_alone(
    contract: Contract, splits: Mapping[str, Split], state: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, Split], dict[str, pl.DataFrame]]:
    """Of messages, the case and the people of each row, and nothing else of it."""

    def alone(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        names = [*_state_key(contract, table), *(c for key in key_columns(table) for c in key)]
        return rows.select(list(dict.fromkeys(names))).unique()

    return (
        {t.name: Split(*(alone(t, rows) for rows in splits[t.name])) for t in contract.tables},
        {t.name: alone(t, state[t.name]) for t in contract.tables},
    )


@dataclass(frozen=True)
class Previous:
    """A table's rows after the delivery before: how many, and the pieces to read them by."""

    height: int
    pieces: Callable[[], Iterator[pl.DataFrame]]


def _states(
    contract: Contract,
    day: date,
    made: Sifted,
    previous: Mapping[str, Previous] | None,
    parts: int,
    spool: Spool,
) -> Iterator[tuple[dict[str, Split], dict[str, pl.DataFrame], int]]:
    """Part by part, what was told, what stands then, with `ORDER`, and how many rows before no longer do."""
    names = [table.name for table in contract.tables]
    nothing = {n: made.accepted[n].shape.with_columns(_order(0)) for n in names}
    if previous is None and contract.delivery == "snapshot":
        for name in names:
            start = 0
            for rows in made.accepted[name]:
                yield {}, nothing | {name: rows.with_columns(_order(start))}, 0
                start += rows.height
            made.accepted[name].clear()
        return
    if contract.look_back:
        parts = 1  # whether a row that is not told again stands depends on rows of other keys
    then, now, gone = ({n: [spool.pile(spool.piece // 8) for _ in range(parts)] for n in names} for _ in range(3))
    for table in contract.tables:
        name, key, start = table.name, _state_key(contract, table), 0
        _binned(nothing[name], key, then[name])
        for rows in previous[name].pieces() if previous else ():
            _binned(rows.with_columns(_order(start)).select(nothing[name].columns), key, then[name])
            start += rows.height
        _binned(nothing[name], key, now[name])
        for rows in made.accepted[name]:
            _binned(rows.with_columns(_order(start)), key, now[name])
            start += rows.height
        for rows in (made.withdrawing[name].shape, *made.withdrawing[name]):
            _binned(rows, key, gone[name])
        made.accepted[name].clear()
    for i in range(parts):
        splits = {n: Split(now[n][i].whole(), made.quarantined[n].shape, gone[n][i].whole()) for n in names}
        place = pl.int_range(pl.len(), dtype=pl.UInt32).alias(BEFORE)
        stood = {n: then[n][i].whole().with_columns(place) for n in names} if previous is not None else None
        state, left = after(contract, splits, stood, day)
        yield splits, state, left
        for name in names:
            now[name][i].clear()
            then[name][i].clear()


def _order(start: int) -> pl.Expr:
    return pl.int_range(start, start + pl.len(), dtype=pl.Int64).alias(ORDER)


def _state_key(contract: Contract, table: Table) -> list[str]:
    """Columns of which rows that can take each other's place have the same: of the outermost table's key or case."""
    top = table
    while top.parent:
        top = contract.table(top.parent)
    if contract.delivery == "messages" and top.messages:
        return [top.messages.key]
    return list(top.key) or [c.name for c in table.all_columns]


def _binned(rows: pl.DataFrame, key: list[str], bins: list[Pile]) -> None:
    """Put rows into piles by the hash of their key."""
    place = rows.select((pl.struct(key).hash(3) % len(bins)).alias("bin"))["bin"]
    for i, pile in enumerate(bins):
        pile.add(rows.filter(place == i))


def by_person(table: Table, rows: pl.DataFrame, parts: int, height: int) -> Callable[[int], pl.DataFrame]:
    """A table's rows in parts, each made when it is asked for by its number.

    Each has all rows of its people, in order, and `OWN` where a row holds several people. Rows of nobody, such as
    reference data, of which the last of a key counts, stay in their order from part to part.

    Args:
        rows: with `ORDER`, which is below `height`, where they are nobody's.
    """
    keys = [source_key(columns) for columns in key_columns(table)]
    if table.reference and table.reference.area:  # their deciles are of all areas, of which there are few
        return lambda i: rows.clear() if i else rows
    if not keys:
        place = rows.select(pl.col(ORDER) * parts // max(height, 1)).to_series()
        return lambda i: rows.filter(place == i)
    bins = rows.select((key.hash(3) % parts).alias(str(i)) for i, key in enumerate(keys))
    if len(keys) == 1:
        return lambda i: rows.filter(bins["0"] == i)
    return lambda i: rows.with_columns((bins["0"] == i).alias(OWN)).filter(
        bins.select(pl.any_horizontal(pl.all() == i).alias("x"))["x"]
    )


def _owned(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that a part counts."""
    return rows.filter(OWN).drop(OWN) if OWN in rows.columns else rows


def mapped_part(
    contract: Contract, delivery: str, rows: Mapping[str, pl.DataFrame], number: int, parts: int, ring: KeyRing
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """What `mapped` makes of one part of a state, as `by_person` parted it: frames, and counts of its own rows."""
    plain = {name: frame.drop(OWN, strict=False) for name, frame in rows.items()}
    frames, counts = mapped(contract, delivery, plain, ring)
    if all(len(key_columns(table)) <= 1 for table in contract.tables):
        return frames, counts
    others = {n: f.filter(~pl.col(OWN)) if OWN in f.columns else f.clear() for n, f in rows.items()}
    counts = counts.with_columns(counts["rows"] - cleaning_counts(contract, others)["rows"])
    keys = pl.concat(
        [rows[t.name].select(source_key(columns).alias("key")) for t in contract.tables for columns in key_columns(t)]
    )["key"]
    mine = keys.drop_nulls().unique()
    mine = mine.filter(mine.hash(3) % parts == number)
    ids = record_ids(contract.keys_of, mine, ring).implode()
    return {
        name: frame.filter(pl.col("record_id").is_in(ids)) if "record_id" in frame.columns else frame
        for name, frame in frames.items()
    }, counts


def mapped_apart(
    contract: Contract, delivery: str, state: Mapping[str, pl.DataFrame], ring: KeyRing, pool: Executor
) -> list[Future[tuple[dict[str, pl.DataFrame], pl.DataFrame]]]:
    """What `mapped` is making, in a pool, of a state in memory: at once if it is small, else in parts by person."""
    height = sum(frame.height for frame in state.values())
    if height <= APART or any(table.reference for table in contract.tables):
        return [pool.submit(mapped, contract, delivery, state, ring)]
    parts = ceil(height / APART)
    split: dict[str, Callable[[int], pl.DataFrame]] = {}
    for table in contract.tables:
        rows = state[table.name].select(read_columns(table))
        if not key_columns(table):
            rows = rows.with_columns(_order(0))
        split[table.name] = by_person(table, rows, parts, rows.height)

    def part(i: int) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
        rows = {name: part(i).drop(ORDER, strict=False) for name, part in split.items()}
        return mapped_part(contract, delivery, rows, i, parts, ring)

    return [pool.submit(part, i) for i in range(parts)]


def _mapped_parts(
    contract: Contract,
    delivery: str,
    people: Mapping[str, list[Pile]],
    parts: int,
    ring: KeyRing,
    result: Settled,
) -> Iterator[tuple[str, pl.DataFrame]]:
    reference: dict[str, list[pl.DataFrame]] = {}
    for i in range(parts):
        rows = {name: piles[i].whole().sort(ORDER).drop(ORDER, BEFORE) for name, piles in people.items()}
        for piles in people.values():
            piles[i].clear()
        frames, counts = mapped_part(contract, delivery, rows, i, parts, ring)
        result.cleaned = added([result.cleaned, counts] if i else [counts])
        for name in rows:
            yield f"accepted__{name}", _owned(rows[name])
        del rows
        for name, frame in frames.items():
            if "record_id" in frame.columns:
                yield name, frame
            else:
                reference.setdefault(name, []).append(frame)
    for name, pieces in reference.items():
        key = list(TABLES[name].key)
        yield name, pl.concat(pieces).unique(key, keep="last", maintain_order=True).sort(key)


def added(counts: list[pl.DataFrame]) -> pl.DataFrame:
    """Counts of the same rules over several parts, added up."""
    return counts[0].with_columns(pl.sum_horizontal(*(c["rows"] for c in counts)).alias("rows"))
