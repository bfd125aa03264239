"""Accepted rows into the canonical tables, as the contract's `person`, `yields` and `reference` blocks say.

What belongs here: which column means what, and the ids that stand for people and events. How a value is cleaned
belongs in `cleaning`; which of several records is whose in linkage; what was known when in `history`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from feeds import cleaning
from feeds.cleaning import cleaned
from feeds.contracts import Area, Column, Contract, Event, Involvement, Relationship, Table, Value, Voice, Yield
from feeds.parsing import dated, matches, parsed
from feeds.people import People, people, records, words
from feeds.people import source_key as source_key
from feeds.rules import COUNTED
from governance.keys import KeyRing
from governance.pseudonyms import hashed, joined, record_ids
from warehouse.tables import (
    AREA,
    DWELLING,
    EVENT,
    INVOLVEMENT,
    PLACE,
    RELATIONSHIP,
    SOURCE_RECORD,
    VOICE,
)
from warehouse.tables import Table as Canonical

HISTORY = ("known_from", "known_to")  # set by `history.merge`, not here
HASH_SEED = 20
NO_TIMES = pl.Series(cleaning.NO_DATES).cast(pl.Datetime("us")).implode()
AREAS = ("lsoa21", "lsoa11")
FACTS: dict[type, Canonical] = {Event: EVENT, Involvement: INVOLVEMENT, Relationship: RELATIONSHIP, Voice: VOICE}
AT = "_at"  # where a row stands among its table's, where that is asked for


def shape(table: Canonical) -> pl.Schema:
    """A canonical table's columns as a delivery gives them: all but those that history sets."""
    return pl.Schema({name: kind for name, kind in table.schema.items() if name not in HISTORY})


def mapped(
    contract: Contract, delivery: str, accepted: Mapping[str, pl.DataFrame], ring: KeyRing
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Map a feed's accepted rows (text, as `readers` made it) to canonical frames, by table name.

    Only tables that the contract speaks of are among them. `delivery` is this one throughout; whoever compares with
    earlier states keeps the first.

    Returns:
        The frames, sorted by key; and how often a value was set aside as a placeholder or as invalid, in the shape
        of the ledger's rule counts, severity `warn`.
    """
    found = people(contract, accepted)
    ids = _Ids(contract, ring)
    frames: dict[str, pl.DataFrame] = {}
    if any(t.person for t in contract.tables) and contract.keys_of == contract.id:
        frames["source_record"] = _source_records(contract, delivery, found, ids)
    told: dict[type, list[pl.DataFrame]] = {}
    counts = [found.counts]
    for table in contract.tables:
        timed = _timed(table, accepted[table.name])
        counts.append(_set_aside(table, timed))
        for key in _owners(table) if table.yields else ():
            rows = timed.with_columns(source_key(key).alias("_key"))
            if found.nobody.height:
                rows = rows.join(found.nobody, left_on="_key", right_on="key", how="anti", maintain_order="left")
            for entry in table.yields:
                if (entry.person_ref or _owner(table)) == key:
                    told.setdefault(type(entry), []).append(_told(contract, table, entry, rows))
    makers: dict[type, Callable[..., pl.DataFrame]] = {
        Event: _events, Involvement: _involvements, Relationship: _relationships, Voice: _voices
    }  # fmt: skip
    for kind, make in makers.items():
        if kind in told:
            rows = pl.concat(told[kind])
            alike = {"feed": contract.id, "partner": contract.partner, "delivery": delivery}
            frames[FACTS[kind].name] = _shaped(make(rows, ids), FACTS[kind], alike)
    for table in contract.tables:
        for name, frame in _reference(table, accepted[table.name]).items():
            frames[name] = frame
    return frames, pl.concat(counts)


def cleaning_counts(contract: Contract, accepted: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """What `mapped` counts, alone: a sum over rows."""
    told = [_set_aside(table, _timed(table, accepted[table.name])) for table in contract.tables]
    return pl.concat([people(contract, accepted).counts, *told])


def key_columns(table: Table) -> list[tuple[str, ...]]:
    """The columns of each key of a person that a table's rows have: of whom they describe, and of whom they tell."""
    keys = [*(person.key for person in table.person), *_owners(table)]
    return list(dict.fromkeys(keys))


def facts_of(
    contract: Contract, table: Table, rows: pl.DataFrame, ring: KeyRing
) -> Iterator[tuple[Yield, Canonical, pl.DataFrame]]:
    """What each entry of a table's `yields` makes of its rows, fact by fact, before any of them is given an id.

    Yields:
        The entry, the canonical table, and a frame of `AT` (the place of the row), `feed`, `partner`, `record_id` and
        what the entry says of it.
    """
    ids, timed = _Ids(contract, ring), _timed(table, rows).with_row_index(AT)
    for entry in table.yields:
        told = _told(
            contract, table, entry, timed.with_columns(source_key(entry.person_ref or _owner(table)).alias("_key"))
        )
        alike = [pl.lit(contract.id).alias("feed"), pl.lit(contract.partner).alias("partner")]
        yield entry, FACTS[type(entry)], ids.records(told, "_key", "record_id").with_columns(alike)


def read_columns(table: Table) -> list[str]:
    """The columns of a table that `mapped` looks at: those that its blocks name, and those that have transforms."""
    blocks = [*table.person, *table.yields, *([table.reference] if table.reference else [])]
    said = words([table.person_ref, *(block.model_dump() for block in blocks)])
    return [column.name for column in table.all_columns if column.clean or column.name in said]


def _shaped(frame: pl.DataFrame, table: Canonical, alike: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The frame in the canonical order of columns and rows, one row a key; `alike` is the same in every row."""
    key = [name for name in table.key if name not in HISTORY]
    same, schema = alike or {}, shape(table)
    rows = frame.lazy().select(pl.col(name).cast(kind) for name, kind in schema.items() if name not in same)
    order = [pl.col(name) for name in key]
    if key[0].endswith("_id"):  # 32 digits to the base of 16: as a number it stands in the same order, and sorts faster
        order[0] = order[0].str.decode("hex").bin.reinterpret(dtype=pl.UInt128, endianness="big")
    rows = rows.sort(order, nulls_last=True).with_columns(pl.lit(v).alias(n) for n, v in same.items() if n in schema)
    return rows.select(list(schema)).collect()


def _timed(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, with the dates and times that entries tell read once, each as the column that `_time` names."""
    read = [dated(column).alias(_time(column.name)) for column in table.all_columns if column.name in _times(table)]
    return rows.lazy().with_columns(read).collect() if read else rows


def _time(name: str) -> str:
    return f"_when {name}"


def _times(table: Table) -> set[str | None]:
    """The columns that say when something happened."""
    named = [entry.voice if isinstance(entry, Voice) else entry for entry in table.yields]
    return {getattr(entry, at, None) for entry in named for at in ("start", "end", "recorded")} - {None}


def _set_aside(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """How many texts a column's transforms leave nothing of, and how many dates that rows tell stand for none.

    The dates of people are counted where they are read.
    """
    asked: dict[str, pl.Expr] = {}
    for column in (c for c in table.all_columns if c.clean):
        text = pl.col(column.name)
        lost = text.is_not_null() & cleaned(text, column.clean).is_null()
        asked[f"{column.name} holds a value that its transforms ({', '.join(column.clean)}) understand"] = lost
    of_people: set[str | None] = set()
    for person in table.person:
        of_people |= {a.column for a in (person.birth_date, person.death_date, person.seen_on) if a}
        of_people |= {person.address.from_, person.address.to} if person.address else set()
    for column in (c for c in table.all_columns if c.name in _times(table) - of_people):
        placeholder = pl.col(_time(column.name)).is_in(NO_TIMES)
        asked[f"{column.name} is no placeholder such as 1900-01-01"] = placeholder
    if not asked:
        return pl.DataFrame(schema=COUNTED)
    sums = rows.lazy().select(e.sum().alias(sentence) for sentence, e in asked.items()).collect().row(0)
    counted = [(table.name, sentence, "warn", int(n)) for sentence, n in zip(asked, sums, strict=True)]
    return pl.DataFrame(counted, schema=COUNTED, orient="row")


def _owner(table: Table) -> tuple[str, ...]:
    return table.person_ref or (table.person[0].key if table.person else ())


def _owners(table: Table) -> list[tuple[str, ...]]:
    """The keys of those of whom a table's rows tell; several where a row holds several people."""
    return list(dict.fromkeys(entry.person_ref or _owner(table) for entry in table.yields))


def _source_records(contract: Contract, delivery: str, found: People, ids: _Ids) -> pl.DataFrame:
    made = records(found)
    made = ids.records(made, "key", "record_id").rename({"key": "source_key"})
    read = [n for n in SOURCE_RECORD.schema if n not in ("record_id", "feed", "source_key", "row_hash", "delivery")]
    made = made.with_columns(pl.struct(read).hash(HASH_SEED).alias("row_hash"))
    return _shaped(made, SOURCE_RECORD, {"feed": contract.id, "delivery": delivery})


# -- what rows tell -------------------------------------------------------------------------------------------------


class _Ids:
    """Makes keyed ids: of records in the namespace of the feed whose keys these are, of all else by content."""

    def __init__(self, contract: Contract, ring: KeyRing) -> None:
        self.contract, self.ring = contract, ring
        self.known = pl.DataFrame(schema={"key": pl.String, "id": pl.String})

    def records(self, rows: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
        """The rows with the `record_id` of a source key; each distinct key is hashed once."""
        told = rows.join(
            self.known.select(pl.col("key").alias(column), pl.col("id").alias(name)), on=column, how="left"
        )
        fresh = told.filter(pl.col(name).is_null()).select(pl.col(column).alias("key")).drop_nulls().unique()
        if fresh.is_empty():
            return told
        made = fresh.with_columns(record_ids(self.contract.keys_of, fresh["key"], self.ring).alias("id"))
        self.known = pl.concat([self.known, made])
        return self.records(rows, column, name)

    def told(self, rows: pl.DataFrame, name: str, purpose: str, parts: list[str]) -> pl.DataFrame:
        """The rows with an id made of feed and parts; rows wholly alike are one, others that share it are numbered."""
        text = joined(pl.lit(self.contract.id), *(_plain(rows, p) for p in parts))
        rows = rows.with_columns(text.alias("_base"))
        if rows["_base"].hash().n_unique() < rows.height:  # far sooner told, and where no hash is twice no text is
            twice = rows["_base"].is_duplicated()
            rest = [c for c in rows.columns if c not in (*parts, "_base")]
            number = pl.int_range(pl.len()).over("_base")
            shared = rows.filter(twice).unique().sort("_base", *rest, nulls_last=True)
            numbered = pl.when(number > 0).then(joined(pl.col("_base"), number)).otherwise("_base")
            rows = pl.concat([rows.filter(~twice), shared.with_columns(numbered.alias("_base"))])
        base, rows = rows["_base"], rows.drop("_base")
        return rows.with_columns(hashed(base, self.ring.key(purpose)).alias(name))


def _plain(rows: pl.DataFrame, name: str) -> pl.Expr:
    """A part of an id as text; times as microseconds, which is quick and exact."""
    return pl.col(name).to_physical().cast(pl.String) if rows.schema[name].is_temporal() else pl.col(name)


def _coded(table: Table, name: str | None) -> pl.Expr:
    """A column's text after its transforms, its codes put into the contract's vocabulary; null without a column."""
    if name is None:
        return pl.lit(None, pl.String)
    codes, text = table.codes.get(name), cleaned(pl.col(name), _column(table, name).clean)
    return text.replace(codes) if codes else text


def _from(table: Table, value: Value | None) -> pl.Expr:
    if value is None:
        return pl.lit(None, pl.String)
    return pl.lit(value.const, pl.String) if value.const is not None else _coded(table, value.column)


def _column(table: Table, name: str) -> Column:
    return next(c for c in table.all_columns if c.name == name)


def _when(name: str | None) -> pl.Expr:
    """A column of dates or times; null without one, and where it stands for none."""
    if name is None:
        return pl.lit(None, pl.Datetime("us"))
    value = pl.col(_time(name))
    return pl.when(~value.is_in(NO_TIMES)).then(value)


def _number(table: Table, name: str | None, kind: pl.DataType | type[pl.DataType] = pl.Float64) -> pl.Expr:
    """A column's number, whatever its logical type; null without one."""
    if name is None:
        return pl.lit(None, kind)
    column = _column(table, name)
    value = cleaned(pl.col(name), column.clean) if column.type == "string" else parsed(column)
    return value.cast(pl.Float64, strict=False).cast(kind, strict=False)


def _told(contract: Contract, table: Table, entry: Yield, rows: pl.DataFrame) -> pl.DataFrame:
    """What one entry of `yields` makes of a table's rows, keys still the source's own."""
    at = pl.col(f"^{AT}$")  # there only where it is asked for
    some = rows.lazy().filter(matches(entry.when) & pl.col("_key").is_not_null())
    if isinstance(entry, Event):
        return (
            some.select(
                at,
                "_key",
                domain=pl.lit(entry.domain or contract.domain),
                type=pl.lit(entry.event),
                ref=source_key(entry.key) if entry.key else pl.lit(None, pl.String),
                start=_when(entry.start),
                end=_when(entry.end),
                code=_from(table, entry.code),
                value=_number(table, entry.value),
                recorded_at=_when(entry.recorded),
            )
            .filter(pl.col("start").is_not_null())
            .collect()
        )
    if isinstance(entry, Involvement):
        return (
            some.select(
                at,
                "_key",
                service=pl.lit(entry.involvement),
                team=_from(table, entry.team),
                worker_role=_from(table, entry.role),
                start=_when(entry.start),
                end=_when(entry.end),
            )
            .filter(pl.col("start").is_not_null())
            .collect()
        )
    if isinstance(entry, Relationship):
        return (
            some.select(
                at,
                "_key",
                other=source_key(entry.other),
                kind=_from(table, entry.relationship),
                start=_when(entry.start),
                end=_when(entry.end),
            )
            .filter(pl.all_horizontal(pl.col("other", "kind").is_not_null()) & (pl.col("other") != pl.col("_key")))
            .collect()
        )
    said = entry.voice
    return (
        some.select(
            at,
            "_key",
            said_by=_from(table, said.said_by),
            start=_when(said.start),
            topic=_from(table, said.topic),
            words=_coded(table, said.words),
        )
        .filter(pl.all_horizontal(pl.col("start", "words").is_not_null()))
        .collect()
    )


def _events(rows: pl.DataFrame, ids: _Ids) -> pl.DataFrame:
    start = pl.col("start").to_physical().cast(pl.String)
    rows = rows.with_columns(
        ref=pl.when(pl.col("ref").is_not_null())
        .then(joined("key", pl.col("ref")))
        .otherwise(joined("start", start, pl.col("code")))
    )
    rows = ids.records(rows, "_key", "record_id").drop("_key")
    return ids.told(rows, "event_id", "event", ["record_id", "type", "ref"])


def _involvements(rows: pl.DataFrame, ids: _Ids) -> pl.DataFrame:
    rows = ids.records(rows, "_key", "record_id").drop("_key")
    return ids.told(rows, "involvement_id", "involvement", ["record_id", "service", "start"])


def _relationships(rows: pl.DataFrame, ids: _Ids) -> pl.DataFrame:
    rows = ids.records(rows, "_key", "record_id")
    rows = ids.records(rows, "other", "other_record_id").drop("_key", "other")
    return ids.told(rows, "relationship_id", "relationship", ["record_id", "other_record_id", "kind"])


def _voices(rows: pl.DataFrame, ids: _Ids) -> pl.DataFrame:
    rows = ids.records(rows, "_key", "record_id").drop("_key")
    return ids.told(rows, "voice_id", "voice", ["record_id", "topic", "start"])


# -- reference data -------------------------------------------------------------------------------------------------


def _reference(table: Table, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    made: dict[str, pl.DataFrame] = {}
    if table.reference and table.reference.place:
        at = table.reference.place
        places = rows.select(
            postcode=cleaning.postcode(_coded(table, at.postcode)),
            lsoa11=_coded(table, at.lsoa11),
            lsoa21=_coded(table, at.lsoa21),
            imd_decile=_number(table, at.imd_decile, pl.Int8),
            imd_index=pl.lit(None, pl.String),
        )
        made["place"] = _shaped(places.filter(pl.col("postcode").is_not_null()).unique("postcode", keep="last"), PLACE)
    if table.reference and table.reference.dwelling:
        of = table.reference.dwelling
        lines = [_coded(table, name) for name in of.address]
        address = pl.concat_str(lines, separator=", ", ignore_nulls=True) if lines else None
        dwellings = rows.select(
            uprn=cleaning.uprn(_coded(table, of.uprn)),
            address=cleaning.address(address) if address is not None else pl.lit(None, pl.String),
            postcode=cleaning.postcode(_coded(table, of.postcode)),
            kind=_coded(table, of.kind),
        )
        made["dwelling"] = _shaped(dwellings.filter(pl.col("uprn").is_not_null()).unique("uprn", keep="last"), DWELLING)
    if table.reference and table.reference.area:
        made["area"] = _areas(table, table.reference.area, rows)
    return made


def _areas(table: Table, of: Area, rows: pl.DataFrame) -> pl.DataFrame:
    """Small areas by one index each. A decile that is not given follows from the rank, else from the score.

    Rank 1, decile 1 and the greatest score are the most deprived, as in the English and the Welsh index.
    """
    geography = next(name for name in AREAS if getattr(of, name))
    areas = rows.select(
        area=_coded(table, getattr(of, geography)).str.strip_chars(),
        geography=pl.lit(geography),
        index=_from(table, of.index).fill_null("not named"),
        name=_coded(table, of.name),
        rank=_number(table, of.rank, pl.Int32),
        decile=_number(table, of.decile, pl.Int8),
        score=_number(table, of.score),
    ).drop_nulls("area")
    areas = areas.unique(["area", "index"], keep="last", maintain_order=True)
    place = pl.coalesce("rank", pl.col("score").rank("min", descending=True)).over("index")
    tenth = (place * 10 / pl.len().over("index")).ceil().clip(1, 10).cast(pl.Int8)
    return _shaped(areas.with_columns(pl.coalesce("decile", tenth).alias("decile")), AREA)
