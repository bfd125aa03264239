"""What a delivery only repeats: rows and people that stand as the delivery before it left them.

What belongs here: telling those apart, so that rules and mapping see the rest alone and come to the same result. What
the rules and the mapping do belongs in `rules` and `mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import polars as pl

from feeds.contracts import Contract, Table
from feeds.mapping import cleaning_counts, key_columns, mapped, source_key
from governance.keys import KeyRing
from governance.pseudonyms import hashed, record_ids
from warehouse.tables import TABLES

BEFORE = "_before"  # where the state before has the row; null where it has not


def terms(contract: Contract, ring: KeyRing) -> str:
    """What a load was made by: contract, keys, code and what that rests on, as one digest.

    Only what was made on the same terms may be taken over.
    """
    beside = sorted(contract.xsd.parent.rglob("*.xsd")) if contract.xsd else []  # a schema may include its neighbours
    schemas = [f"{path.name}\n{path.read_text(encoding='utf-8', errors='replace')}" for path in beside]
    named = contract.xsd.name if contract.xsd else ""
    text = "\n".join([contract.model_dump_json(exclude={"xsd"}), pl.__version__, named, *schemas, _code()])
    return str(hashed(pl.Series([text]), ring.key("terms")).item())


@cache
def _code() -> str:
    """Everything in this room."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.rglob("*.py")))


def places(rows: pl.DataFrame, before: pl.DataFrame, columns: Iterable[str]) -> pl.Series:
    """For each row its own place among the rows before with the same cells; null where there is none left for it.

    Found by hash, and then compared cell by cell: rows that only share a hash are not the same.
    """
    columns = list(columns)
    nth = pl.col("hash").rank("ordinal") - pl.col("hash").rank("min")
    told, stood = (
        pl.DataFrame({"hash": frame.select(columns).hash_rows()}).with_columns(nth.alias("nth"))
        for frame in (rows, before)
    )
    stood = stood.with_row_index("place")
    found = told.join(stood, on=["hash", "nth"], how="left", maintain_order="left")["place"]
    same = pl.DataFrame([rows[name].eq_missing(before[name].gather(found)) for name in columns])
    kept = same.select(pl.all_horizontal(pl.all()).alias("kept"))["kept"]
    return pl.select(pl.when(kept).then(found).alias(BEFORE)).to_series()


def remapped(
    contract: Contract,
    delivery: str,
    state: Mapping[str, pl.DataFrame],
    previous: Mapping[str, pl.DataFrame],
    made: Mapping[str, pl.DataFrame],
    counted: pl.DataFrame,
    ring: KeyRing,
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """What `mapped` makes of a state, where most of it is as it was: only people with a changed row are mapped anew.

    All that is made of rows is made person by person: nothing told of one depends on the rows of another.

    Args:
        state: rows by table, with `BEFORE`.
        previous: the state before.
        made: what `mapped` made of it, on the same terms.
        counted: what it counted.
    """
    if any(table.reference for table in contract.tables):
        return mapped(contract, delivery, state, ring)
    changed = {name: _changed(frame) for name, frame in state.items()}
    ended = {name: ~frame[BEFORE].is_in(state[name][BEFORE].drop_nulls().implode()) for name, frame in previous.items()}
    keys = [
        frame.filter(mask).select(source_key(columns).alias("key"))
        for frames, masks in ((state, changed), (previous, ended))
        for table in contract.tables
        for frame, mask in ((frames[table.name], masks[table.name]),)
        for columns in key_columns(table)
    ]
    touched = pl.concat([pl.DataFrame(schema={"key": pl.String}), *keys])["key"].drop_nulls().unique()
    now = {t.name: _of(state[t.name], t, touched, changed[t.name]) for t in contract.tables}
    then = {t.name: _of(previous[t.name], t, touched, ended[t.name]) for t in contract.tables}
    anew, counts = mapped(contract, delivery, now, ring)
    rows = counted["rows"].tail(counts.height) - cleaning_counts(contract, then)["rows"] + counts["rows"]
    ids = record_ids(contract.keys_of, touched, ring).implode()
    theirs = pl.col("record_id").is_in(ids)
    frames = {
        name: pl.concat([made[name].filter(~theirs).with_columns(delivery=pl.lit(delivery)), frame.filter(theirs)])
        .sort(TABLES[name].key[0])
        for name, frame in anew.items()
    }  # fmt: skip
    return frames, counts.with_columns(rows)


def _changed(rows: pl.DataFrame) -> pl.Series:
    """Rows that are new, or stand after one that they stood before: the last of a person's rows counts."""
    place = pl.col(BEFORE)
    return rows.select((place.is_null() | (place < place.cum_max())).fill_null(True).alias("changed"))["changed"]


def _of(rows: pl.DataFrame, table: Table, touched: pl.Series, changed: pl.Series) -> pl.DataFrame:
    """The changed rows, and all others of the people touched."""
    theirs = [source_key(columns).is_in(touched.implode()) for columns in key_columns(table)]
    return rows.filter(pl.any_horizontal(pl.lit(changed), *theirs))
