"""Taking people's rows out of what a feed delivered: as they come in, out of the landing zone, and out of loads.

What belongs here: which cells of a row are whose, and how a landed delivery and its load do without them. Whom it is
about is said by `governance.erasure`.

A row goes if everybody whom it describes, or of whom it tells, is erased; where it tells of others too, the cells that
are the erased person's alone are emptied. What is nested in a row that goes, goes with it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import polars as pl

from feeds import readers
from feeds.contracts import Contract, Relationship, Table
from feeds.deliveries import NOTHING, ROWS, Landed, keep_instead, kept_name, opened, tidy
from feeds.ledger import ACCEPTED, COUNTS, QUARANTINE, RuleCount
from feeds.mapping import cleaning_counts, source_key
from feeds.parsing import matches
from feeds.people import words
from feeds.purges import about
from feeds.sifting import purging
from governance.erasure import RECORDS
from governance.keys import KeyRing
from governance.pseudonyms import record_ids
from governance.vault import Vault
from warehouse.store import Store
from warehouse.tables import LOAD_RULE, Zone

WITHDRAWN = "nothing is told of who was erased or taken back for good"  # the rule under which rows are withdrawn
Chunks = Iterable[tuple[str, pl.DataFrame]]


class Taken:
    """Counts what was taken out of a delivery's rows, by table.

    Attributes:
        rows: rows that went; `purging`: further ones, that withdrew something themselves.
        changed: whether anything went, cells too.
    """

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.purging: Counter[str] = Counter()
        self.changed = False


def gone_from(landed: Landed, taken: Taken) -> tuple[Counter[str], int]:
    """The rows that a delivery does without, by table: out of the landing zone already, and now; and purging ones."""
    kept = landed.kept or {"gone": {}, "purging": {}}
    return Counter(kept["gone"]) + taken.rows, (Counter(kept["purging"]) + taken.purging).total()


def rules(gone: Mapping[str, int]) -> tuple[RuleCount, ...]:
    """How the ledger says that rows were withdrawn because they were erased people's."""
    return tuple(RuleCount(table, WITHDRAWN, "withdraw", rows) for table, rows in sorted(gone.items()) if rows)


def without(
    contract: Contract, chunks: Chunks, erased: pl.Series, ring: KeyRing, taken: Taken
) -> Iterator[tuple[str, pl.DataFrame]]:
    """A delivery's rows as they are read, but for those of erased records.

    Args:
        chunks: a table's name and some of its rows; parents before what is nested in them.
        erased: `record_id`.
        taken: is told what went.
    """
    gone: dict[str, list[pl.DataFrame]] = {table.name: [] for table in contract.tables}
    for name, rows in chunks:
        table = contract.table(name)
        whole, drop = emptied(contract, table, rows, erased, ring)
        if table.parent and gone[table.parent]:
            drop = drop | _within(rows, pl.concat(gone[table.parent]))
        kept = whole.filter(~drop) if drop.any() else whole
        if drop.any():
            lost = rows.filter(drop)
            gone[name].append(lost.select("_file", "_row").unique())
            withdrew = int(purging(contract, table, lost).sum())
            taken.rows[name] += lost.height - withdrew
            taken.purging[name] += withdrew
        taken.changed |= kept is not rows
        if kept.height:
            yield name, kept


def _within(rows: pl.DataFrame, above: pl.DataFrame) -> pl.Series:
    """Which rows are nested in one of those (`_file`, `_row`, and whatever else both have)."""
    above = above.rename({"_row": "_parent"})
    both = [name for name in above.columns if name in rows.columns]
    mark = above.select(both).unique().with_columns(_hit=pl.lit(True))
    return (
        rows.select(both)
        .join(mark, on=both, how="left", nulls_equal=True, maintain_order="left")["_hit"]
        .fill_null(False)
    )


def emptied(
    contract: Contract, table: Table, rows: pl.DataFrame, erased: pl.Series, ring: KeyRing
) -> tuple[pl.DataFrame, pl.Series]:
    """A table's rows with erased people's cells emptied (the very same where there are none), and which are to go."""
    none = pl.Series("drop", [False]).new_from_index(0, rows.height)
    blocks = _blocks(table)
    if rows.is_empty() or not blocks or erased.is_empty():
        return rows, none
    hits = {key: _of_erased(contract, rows, key, erased, ring) for key in blocks}
    if not any(hit.any() for hit in hits.values()):
        return rows, none
    there = {key: _present(rows, key, block) for key, block in blocks.items()}
    theirs, others = none, none
    for key, block in blocks.items():
        if block.tells:
            theirs, others = theirs | (hits[key] & there[key]), others | (~hits[key] & there[key])
    named = Counter(column for block in blocks.values() for column in block.columns)
    fixed = {*table.key, *(c.name for c in table.above), *([table.messages.key] if table.messages else [])}
    drop = theirs & ~others
    empty: dict[str, pl.Series] = {}
    for key, block in blocks.items():
        mine = hits[key] & there[key] & ~drop
        if not mine.any():
            continue
        own = {column for column in block.columns if named[column] == 1}
        if set(key) & own & fixed or (not block.tells and set(key) & fixed):
            drop = drop | mine
        for column in own - fixed:
            empty[column] = empty.get(column, none) | mine
    cells = [pl.when(where).then(None).otherwise(pl.col(column)).alias(column) for column, where in empty.items()]
    return rows.with_columns(cells) if cells else rows, drop.alias("drop")


class _Block:
    """What a table says by one key of a person.

    Attributes:
        columns: of the table, that it names; `whens`: when a row holds it; `tells`: not only whom somebody is to.
    """

    def __init__(self) -> None:
        self.columns: set[str] = set()
        self.whens: list[Mapping[str, tuple[str, ...]]] = []
        self.tells = False


def _blocks(table: Table) -> dict[tuple[str, ...], _Block]:
    """What a table says, by the key of whom it says it."""
    names = {column.name for column in table.all_columns}
    owner = table.person_ref or (table.person[0].key if table.person else ())
    found: dict[tuple[str, ...], _Block] = {}

    def add(key: tuple[str, ...], said: object, when: Mapping[str, tuple[str, ...]], tells: bool = True) -> None:
        block = found.setdefault(key, _Block())
        block.columns |= words(said) & names
        block.whens.append(when)
        block.tells |= tells

    for person in table.person:
        add(person.key, person.model_dump(), person.when)
    for entry in table.yields:
        key = entry.person_ref or owner
        if key:
            add(key, entry.model_dump(exclude={"other"}), entry.when)
        if isinstance(entry, Relationship):
            add(entry.other, list(entry.other), entry.when, tells=False)
    return found


def _present(rows: pl.DataFrame, key: tuple[str, ...], block: _Block) -> pl.Series:
    held = pl.any_horizontal(*(matches(when) for when in block.whens)).fill_null(False)
    return rows.select((held & source_key(key).is_not_null()).alias("there"))["there"]


def _of_erased(
    contract: Contract, rows: pl.DataFrame, key: tuple[str, ...], erased: pl.Series, ring: KeyRing
) -> pl.Series:
    told = rows.select(source_key(key).alias("key"))
    keys = told["key"].drop_nulls().unique()
    ids = record_ids(contract.keys_of, keys, ring)
    hit = keys.filter(ids.is_in(erased.implode()))
    return told["key"].is_in(hit.implode()).fill_null(False)


# -- the landing zone --------------------------------------------------------------------------------------------------


def rows_of(
    contract: Contract, landed: Landed, vault: Vault, ring: KeyRing, notes: readers.Notes
) -> Iterator[tuple[str, pl.DataFrame]]:
    """A landed delivery's rows as they were read: from its files, or from what is kept in their place."""
    if landed.kept is None:
        yield from readers.stream(contract, landed.names, lambda path: opened(landed, path, vault, ring), notes)
        return
    notes.update(landed.kept["read_as"])
    for name, file in landed.kept["parts"]:
        if any(table.name == name for table in contract.tables):
            columns = {**readers.PLACE, **{c.name: pl.String for c in contract.table(name).all_columns}}
            part = vault.scan(landed.folder / file, kept_name(landed, file))
            there = part.collect_schema().names()
            yield (
                name,
                part.select(
                    pl.col(c) if c in there else pl.lit(None, kind).alias(c) for c, kind in columns.items()
                ).collect(),
            )


def from_landing(contract: Contract, landed: Landed, erased: pl.Series, vault: Vault, ring: KeyRing) -> bool:
    """Take erased records' rows out of a landed delivery; return whether it held any.

    A partner's file cannot be rewritten in its own format, whatever that is. So the rows as they were read, without
    theirs, are kept in its place, encrypted: what is checked anew later comes out as if they had never been sent. A
    delivery that cannot be read, so that nobody can say what it holds, is dropped; it told nothing. Killed at any
    point and run again, it does the same.
    """

    def less(rows: Chunks, taken: Taken) -> Iterator[tuple[str, pl.DataFrame]]:
        return without(contract, rows, erased, ring, taken)

    try:
        return _kept_less(contract, landed, less, vault, ring)
    except readers.Rejected:
        keep_instead(landed, {"as": NOTHING, "parts": [], "read_as": {}, "gone": {}, "purging": {}})
        return True


def purge_landing(contract: Contract, landed: Landed, cases: Collection[str], vault: Vault, ring: KeyRing) -> bool:
    """Take what is about purged cases out of a landed delivery; return whether it held anything of them.

    Args:
        cases: keyed hashes, as `purges.PURGED` has them; the messages that purge them stay.
    """

    def less(chunks: Chunks, taken: Taken) -> Iterator[tuple[str, pl.DataFrame]]:
        for name, rows in chunks:
            table = contract.table(name)
            drop = about(contract, table, rows, cases, ring) & ~purging(contract, table, rows)
            taken.rows[name] += int(drop.sum())
            taken.changed |= bool(drop.any())
            kept = rows.filter(~drop) if drop.any() else rows
            if kept.height:
                yield name, kept

    try:
        return _kept_less(contract, landed, less, vault, ring)
    except readers.Rejected:
        return False


def _kept_less(
    contract: Contract,
    landed: Landed,
    less: Callable[[Chunks, Taken], Iterator[tuple[str, pl.DataFrame]]],
    vault: Vault,
    ring: KeyRing,
) -> bool:
    """Keep a landed delivery's rows as `less` leaves them in the place of its files, if it takes any away."""
    tidy(landed)
    if landed.gone:
        return False
    taken = Taken()
    for _ in less(rows_of(contract, landed, vault, ring, {}), taken):
        pass
    if not taken.changed:
        return False
    parts: list[tuple[str, str]] = []
    notes: readers.Notes = {}
    again, prefix = Taken(), f"rows-{secrets.token_hex(4)}"
    for name, rows in less(rows_of(contract, landed, vault, ring, notes), again):
        file = f"{prefix}.{len(parts):04}.parquet"
        vault.write(rows, landed.folder / file, kept_name(landed, file))
        parts.append((name, file))
    before = landed.kept or {"gone": {}, "purging": {}}
    gone = {
        name: dict(Counter(before[name]) + more) for name, more in (("gone", again.rows), ("purging", again.purging))
    }
    keep_instead(landed, {"as": ROWS, "parts": parts, "read_as": notes, **gone})
    return True


# -- loads -------------------------------------------------------------------------------------------------------------


def from_load(contract: Contract, store: Store, landed: Landed, erased: pl.Series, ring: KeyRing) -> bool:
    """Take erased records out of a delivery's load, by one rename; return whether it held any.

    Rows that were accepted or set aside count as withdrawn from then on, so that what was received is still accounted
    for; what a check of the delivery without those rows would keep is what stays.
    """
    folder = f"feed/{contract.id}/{landed.delivery}"
    names = store.names(Zone.VAULT, folder)
    if "load" not in names:
        return False
    frames = {name: store.get(Zone.VAULT, folder, name).collect() for name in names}
    after, lost = dict(frames), Counter[str]()
    gone: dict[str, list[pl.DataFrame]] = {table.name: [] for table in contract.tables}
    for table in contract.tables:  # parents before what is nested in them
        for name in (f"{ACCEPTED}{table.name}", f"{QUARANTINE}{table.name}"):
            if name not in frames:
                continue
            whole, drop = emptied(contract, table, frames[name], erased, ring)
            if table.parent and gone[table.parent]:
                drop = drop | _within(whole, pl.concat(gone[table.parent], how="diagonal"))
            if drop.any():
                keys = [*(c.name for c in table.inherited), *table.key]
                gone[table.name].append(frames[name].filter(drop).select("_file", "_row", *keys).unique())
                lost[name] += int(drop.sum())
            after[name] = whole.filter(~drop) if drop.any() else whole
    for name in names:
        for column in (c for c in RECORDS if c in frames[name].columns):
            hit = after[name][column].is_in(erased.implode()).fill_null(False)
            after[name] = after[name].filter(~hit) if hit.any() else after[name]
    after |= _counted(contract, landed, frames, lost)
    after["load_rule"] = recounted(contract, frames, after)
    if all(after[name] is frames[name] for name in frames):
        return False
    store.put(Zone.VAULT, folder, after)
    return True


def _counted(
    contract: Contract, landed: Landed, frames: Mapping[str, pl.DataFrame], lost: Mapping[str, int]
) -> dict[str, pl.DataFrame]:
    """`load`, `load_rule` and `counts` with what went counted as withdrawn; none of them where nothing went."""
    rules_before = frames["load_rule"]
    already = dict(rules_before.filter(pl.col("rule") == WITHDRAWN).select("table", "rows").rows())
    kept = landed.kept if landed.kept and landed.kept["as"] == ROWS else None
    accepted: Counter[str] = Counter()
    told: Counter[str] = Counter()
    aside = sum(count for name, count in lost.items() if name.startswith(QUARANTINE))
    for table in contract.tables:
        mine = lost.get(f"{QUARANTINE}{table.name}", 0)
        stood = lost.get(f"{ACCEPTED}{table.name}", 0) if contract.delivery == "snapshot" else 0
        new = mine + stood if kept is None else kept["gone"].get(table.name, 0) - already.get(table.name, 0)
        told[table.name], accepted[table.name] = max(new, 0), max(new - mine, 0)
    withdrawn = told.total()
    if not withdrawn and not aside:
        return {}
    load = frames["load"]
    was_accepted = load["status"].item() == "accepted"
    off = accepted.total() if was_accepted else 0
    load = load.with_columns(pl.col("accepted") - off, pl.col("quarantined") - aside, pl.col("withdrawn") + aside + off)
    counts = [
        (*load.row(0)[:2], *rule) for rule in rules({name: rows + already.get(name, 0) for name, rows in told.items()})
    ]
    fresh = pl.DataFrame(counts, schema=LOAD_RULE.schema, orient="row")
    stays = rules_before.join(fresh, on=["table", "rule"], how="anti", maintain_order="left")
    told_of = {"load": load, "load_rule": pl.concat([fresh, stays.select(fresh.columns)])}
    if COUNTS in frames and was_accepted:
        less = pl.col("table").replace_strict(dict(accepted), default=0, return_dtype=pl.Int64)
        told_of[COUNTS] = frames[COUNTS].with_columns(pl.col("accepted") - less)
    return told_of


def recounted(
    contract: Contract, before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """The rules of a load, those that count over all rows that stand counted without the rows that went."""
    rules = after["load_rule"]
    names = {t.name: f"{ACCEPTED}{t.name}" for t in contract.tables}
    if not all(name in before for name in names.values()) or all(after[n] is before[n] for n in names.values()):
        return rules
    hashes = {n: (before[n].hash_rows(), after[n].hash_rows()) for n in names.values()}
    changed = [
        {t: f[n].filter(~hashes[n][i].is_in(hashes[n][1 - i].implode())) for t, n in names.items()}
        for i, f in enumerate((before, after))
    ]  # what both have counts alike
    then, now = (cleaning_counts(contract, rows)["rows"] for rows in changed)
    if not len(then) or (then == now).all():
        return rules
    tail = rules.tail(len(then)).with_columns(pl.col("rows") - (then - now).cast(pl.Int64))
    return pl.concat([rules.head(rules.height - len(then)), tail])
