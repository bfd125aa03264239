"""Accepted rows into the canonical tables, as the contract's `person`, `yields` and `reference` blocks say.

What belongs here: which column means what, and the ids that stand for people and events. How a value is cleaned
belongs in `cleaning`; which of several records is whose in linkage; what was known when in `history`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import polars as pl

from feeds import cleaning
from feeds.contracts import (
    SEPARATOR,
    Attribute,
    Contract,
    Event,
    Involvement,
    Person,
    Relationship,
    Table,
    Value,
    Voice,
    Yield,
)
from feeds.parsing import dated, matches, parsed
from feeds.rules import COUNTED
from governance.keys import KeyRing
from governance.pseudonyms import hashed, joined, record_ids
from warehouse.tables import (
    ADDRESS,
    DWELLING,
    EVENT,
    INVOLVEMENT,
    NAME,
    PLACE,
    RELATIONSHIP,
    SOURCE_RECORD,
    VOICE,
)
from warehouse.tables import Table as Canonical

HISTORY = ("known_from", "known_to")  # set by `history.merge`, not here
TEXTS = ("forename", "middle_names", "surname", "sex", "ethnicity", "nhs_number", "upn", "ni_number", "la_child_id",
         "email", "phone", "household_key")  # fmt: skip
DATES = ("birth_date", "death_date", "seen_on")
ATTRIBUTES = (*TEXTS, *DATES)
OTHER_NAMES = pl.Schema(
    {"key": pl.String, "kind": pl.String, "forename": pl.String, "middle_names": pl.String, "surname": pl.String}
)
ADDRESSES = pl.Schema(
    {
        "key": pl.String, "uprn": pl.String, "text": pl.String, "postcode": pl.String, "from": pl.Date, "to": pl.Date,
        "seen_on": pl.Date, "position": pl.UInt32,
    }
)  # fmt: skip
HASH_SEED = 20


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
    people, nobody, counts = _people(contract, accepted)
    ids = _Ids(contract, ring)
    frames: dict[str, pl.DataFrame] = {}
    if any(t.person for t in contract.tables) and contract.keys_of == contract.id:
        frames["source_record"] = _source_records(contract, delivery, people, ids)
    told: dict[type, list[pl.DataFrame]] = {}
    for table in (t for t in contract.tables if t.yields):
        rows = accepted[table.name].with_columns(source_key(_owner(table)).alias("_key"))
        if nobody.height:
            rows = rows.join(nobody, left_on="_key", right_on="key", how="anti", maintain_order="left")
        for entry in table.yields:
            told.setdefault(type(entry), []).append(_told(contract, table, entry, rows))
    makers: dict[type, tuple[Canonical, Callable[..., pl.DataFrame]]] = {
        Event: (EVENT, _events),
        Involvement: (INVOLVEMENT, _involvements),
        Relationship: (RELATIONSHIP, _relationships),
        Voice: (VOICE, _voices),
    }
    for kind, (canonical, make) in makers.items():
        if kind in told:
            rows = pl.concat(told[kind])
            made = make(rows, ids).with_columns(
                feed=pl.lit(contract.id), partner=pl.lit(contract.partner), delivery=pl.lit(delivery)
            )
            frames[canonical.name] = _shaped(made, canonical)
    for table in contract.tables:
        for name, frame in _reference(table, accepted[table.name]).items():
            frames[name] = frame
    return frames, counts


def cleaning_counts(contract: Contract, accepted: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """What `mapped` counts, alone: a sum over rows."""
    return _people(contract, accepted)[2]


def key_columns(table: Table) -> list[tuple[str, ...]]:
    """The columns of each key of a person that a table's rows have: of whom they describe, and of whom they tell."""
    keys = [*(person.key for person in table.person), *([_owner(table)] if table.yields else [])]
    return list(dict.fromkeys(keys))


def _shaped(frame: pl.DataFrame, table: Canonical) -> pl.DataFrame:
    """The frame in the canonical order of columns and rows, one row a key."""
    key = [name for name in table.key if name not in HISTORY]
    schema = shape(table)
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(key, nulls_last=True)


# -- people ---------------------------------------------------------------------------------------------------------


def _people(
    contract: Contract, accepted: Mapping[str, pl.DataFrame]
) -> tuple[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], pl.DataFrame, pl.DataFrame]:
    """Attributes (one row a key), other names and addresses of everyone; the keys that are nobody; and the counts."""
    attributes: list[pl.DataFrame] = []
    names, addresses = [pl.DataFrame(schema=OTHER_NAMES)], [pl.DataFrame(schema=ADDRESSES)]
    nobody = [pl.DataFrame(schema={"key": pl.String})]
    counts = [pl.DataFrame(schema=COUNTED)]
    for table in contract.tables:
        for person in table.person:
            rows, counted = _cleaned(table, person, accepted[table.name])
            counts.append(counted)
            nobody.append(rows.filter("_nobody").select("key"))
            rows = rows.filter(~pl.col("_nobody") & pl.col("key").is_not_null())
            one = _one_a_key(rows)
            attributes.append(one)
            names += [_other_names(rows), _earlier_names(rows, one)]
            if person.address:
                at = [pl.col(n) for n in ("key", "uprn", "text", "postcode", "from", "to", "seen_on", "position")]
                somewhere = pl.any_horizontal(pl.col("uprn", "text", "postcode").is_not_null())
                addresses.append(rows.filter(somewhere).select(at))
    together = attributes[0] if attributes else pl.DataFrame(schema={"key": pl.String})
    for other in attributes[1:]:
        shared = [c for c in other.columns if c in together.columns and c != "key"]
        together = together.join(other, on="key", how="full", coalesce=True, suffix="_other")
        together = together.with_columns(pl.coalesce(c, f"{c}_other").alias(c) for c in shared).drop(
            f"{c}_other" for c in shared
        )
    gone = pl.concat(nobody).unique().join(together.select("key"), on="key", how="anti")
    return (together, pl.concat(names), pl.concat(addresses)), gone, pl.concat(counts)


def source_key(columns: Iterable[str]) -> pl.Expr:
    """The person's key as the source has it; null where any part of it is."""
    return pl.concat_str(list(columns), separator=SEPARATOR)


def _owner(table: Table) -> tuple[str, ...]:
    return table.person_ref or (table.person[0].key if table.person else ())


def _text(attribute: Attribute | None) -> pl.Expr | None:
    """An attribute's text, in the rows that hold it."""
    if attribute is None:
        return None
    text = pl.col(attribute.column)
    return pl.when(matches(attribute.when)).then(text) if attribute.when else text


class _Cleaner:
    """Columns being cleaned, and the questions that count what was set aside, each a sentence for the partner.

    What is used more than once is worked out once, as a column of `rows`: see `step`.
    """

    def __init__(self, table: Table, rows: pl.DataFrame) -> None:
        self.rows = rows
        self.columns = {c.name: c for c in table.all_columns}
        self.made: dict[str, pl.Expr] = {}
        self.asked: dict[str, pl.Expr] = {}

    def step(self, value: pl.Expr) -> pl.Expr:
        """Work a value out now and give the column that holds it."""
        name = f"_step{len(self.rows.columns)}"
        self.rows = self.rows.with_columns(value.alias(name))
        return pl.col(name)

    def ask(self, sentence: str, broken: pl.Expr) -> None:
        self.asked[sentence] = broken.fill_null(False) | self.asked.get(sentence, pl.lit(False))

    def invalid(self, name: str, attribute: Attribute | None, clean: Callable[[pl.Expr], pl.Expr], what: str) -> None:
        """A value that its cleaning refuses is set aside, and counted."""
        text = _text(attribute)
        if attribute and text is not None:
            self.made[name] = self.step(clean(text))
            self.ask(f"{attribute.column} {what}", text.is_not_null() & self.made[name].is_null())

    def date(self, name: str, attribute: Attribute | None) -> None:
        if attribute is None:
            return
        column = self.columns[attribute.column]
        value = self.step(dated(column, pl.Date))
        if attribute.when:
            value = pl.when(matches(attribute.when)).then(value)
        if name == "birth_date":
            placeholder = value.is_in(cleaning.NO_DATES)
            self.ask(f"{attribute.column} is no placeholder such as 1900-01-01", placeholder)
            value = pl.when(~placeholder).then(value)
        self.made[name] = value

    def name(self, attribute: Attribute | None, none: tuple[str, ...]) -> pl.Expr | None:
        """A name column, cleaned."""
        text = _text(attribute)
        if attribute is None or text is None:
            return None
        clean = self.step(cleaning.name(text))
        return self.known(attribute.column, clean, none)

    def known(self, column: str, clean: pl.Expr, none: tuple[str, ...]) -> pl.Expr:
        """A cleaned name; words that stand for no name are set aside, and counted."""
        placeholder = clean.is_in(none)
        if none is cleaning.NO_FORENAME:
            placeholder = placeholder | clean.str.starts_with("BABY OF ")
        example = "BABY" if none is cleaning.NO_FORENAME else "UNKNOWN"
        self.ask(f"{column} is no placeholder such as {example}", placeholder)
        return self.step(pl.when(~placeholder).then(clean))


def _cleaned(table: Table, person: Person, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A table's rows as people: every attribute cleaned, other names beside, `_nobody` where the row is no person."""
    it = _Cleaner(table, rows)
    nobody = _names(it, person)
    it.date("birth_date", person.birth_date)
    it.date("death_date", person.death_date)
    it.date("seen_on", person.seen_on)
    if person.sex:
        codes = table.codes.get(person.sex.column)
        text = _text(person.sex)
        assert text is not None
        it.made["sex"] = cleaning.sex(text.replace(codes) if codes else text)
    for name, attribute in (("ethnicity", person.ethnicity), ("la_child_id", person.la_child_id)):
        text = _text(attribute)
        if text is not None:
            it.made[name] = text
    it.invalid("nhs_number", person.nhs_number, cleaning.nhs_number, "has a valid check digit")
    it.invalid("upn", person.upn, cleaning.upn, "has a valid check letter")
    it.invalid("ni_number", person.ni_number, cleaning.ni_number, "has the form of a National Insurance number")
    it.invalid("email", person.email, cleaning.email, "has the form of an email address")
    it.invalid("phone", person.phone, cleaning.phone, "is a telephone number and no placeholder such as 07000000000")
    if person.household:
        it.made["household_key"] = source_key(person.household)
    if person.address:
        _address(it, person)
    out = it.rows.select(
        source_key(person.key).alias("key"),
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("position"),
        nobody.alias("_nobody"),
        *(e.alias(name) for name, e in it.made.items()),
        *(e.alias(f"?{sentence}") for sentence, e in it.asked.items()),
    )
    sums = out.select(pl.sum(f"?{s}") for s in it.asked).row(0) if it.asked and rows.height else [0] * len(it.asked)
    counts = [(table.name, sentence, "warn", int(n)) for sentence, n in zip(it.asked, sums, strict=True)]
    missing = [pl.lit(None, pl.Date).alias(n) for n in ("seen_on", "from", "to") if n not in it.made]
    missing += [pl.lit(None, pl.String).alias(n) for n in ("uprn", "text", "postcode") if n not in it.made]
    return (
        out.drop(f"?{s}" for s in it.asked).with_columns(missing),
        pl.DataFrame(counts, schema=COUNTED, orient="row"),
    )


def _names(it: _Cleaner, person: Person) -> pl.Expr:
    """Put the names among the cleaned columns; say which rows are no person: tests, estates, organisations."""
    nobody = pl.lit(False)
    surname = it.name(person.surname, cleaning.NO_NAME)
    forename = it.name(person.forename, cleaning.NO_FORENAME)
    middle = it.name(person.middle_names, cleaning.NO_NAME)
    if person.forenames:
        both = it.name(person.forenames, cleaning.NO_FORENAME)
        assert both is not None
        forename, middle = cleaning.first_word(both), cleaning.later_words(both)
    if person.full_name:
        text = _text(person.full_name)
        assert text is not None
        clean, column = person.full_name.clean, person.full_name.column
        upper = it.step(text.str.to_uppercase())
        if "drop_executors" in clean:
            estate = it.step(upper.str.contains(cleaning.EXECUTORS).fill_null(False))
            it.ask(f"{column} is a person, not an estate", estate)
            nobody = nobody | estate
        if "drop_organisations" in clean:
            organisation = upper.str.contains(cleaning.ORGANISATIONS).fill_null(False) & ~nobody
            it.ask(f"{column} is a person, not an organisation", organisation)
            nobody = nobody | organisation
        if "split_name" in clean:
            it.ask(f"{column} is the name of one person", cleaning.is_joint(text) & ~nobody)
            whole = it.rows.select(text.alias("text"))["text"]
            split = cleaning.split_names(whole, person.full_name.order == "surname_first")
            forename, middle, surname = (it.step(pl.lit(split[part])) for part in split.columns)
            surname = it.known(column, surname, cleaning.NO_NAME)
            forename = it.known(column, forename, cleaning.NO_FORENAME)
        else:
            surname = cleaning.name(text)
    if forename is not None or surname is not None:
        nothing = pl.lit(None, pl.String)
        first = forename if forename is not None else nothing
        last = surname if surname is not None else nothing
        test = it.step(cleaning.is_test(first, last))
        it.ask("the record is of a person, not a test", test & ~nobody)
        nobody = nobody | test
        it.made |= {"forename": first, "surname": last}
        it.made["middle_names"] = middle if middle is not None else nothing
    for kind in ("alias", "former_forename", "former_surname", "preferred_forename", "preferred_surname"):
        text = _text(getattr(person, kind))
        if text is not None:
            it.made[f"_{kind}"] = cleaning.name(text)
    return nobody


def _address(it: _Cleaner, person: Person) -> None:
    where = person.address
    assert where is not None
    columns = [where.text] if where.text else list(where.line)
    if columns:
        written = pl.concat_str(columns, separator=", ", ignore_nulls=True)
        it.made["text"] = it.step(cleaning.address(written))
        it.ask(f"{columns[0]} is an address", cleaning.given(written).is_not_null() & it.made["text"].is_null())
    if where.uprn:
        it.invalid("uprn", Attribute(column=where.uprn), cleaning.uprn, "is a property reference number")
    if where.postcode:
        text = pl.col(where.postcode)
        it.made["postcode"] = it.step(cleaning.postcode(text))
        placeholder = it.step(cleaning.no_postcode(text))
        it.ask(f"{where.postcode} is no placeholder such as ZZ99 3VZ", placeholder)
        formed = it.made["postcode"].is_not_null() | placeholder
        it.ask(f"{where.postcode} has the form of a postcode", text.is_not_null() & ~formed)
    elif columns:
        it.made["postcode"] = cleaning.postcode_within(pl.col(columns[-1]))
    for name, column in (("from", where.from_), ("to", where.to)):
        it.made[name] = dated(it.columns[column], pl.Date) if column else pl.lit(None, pl.Date)


def _one_a_key(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a key: of each attribute the last value, by the date it was seen where the feed says, else as filed."""
    present = [c for c in ATTRIBUTES if c in rows.columns]
    rows = rows.select("key", *present, "position")
    several = rows["key"].is_duplicated()
    alone, shared = rows.filter(~several).drop("position"), rows.filter(several)
    if shared.is_empty():
        return alone
    latest = shared.sort("seen_on", "position", descending=True, nulls_last=True)
    one = latest.group_by("key").agg(pl.col(c).drop_nulls().first() for c in present)
    return pl.concat([alone, one])


def _other_names(rows: pl.DataFrame) -> pl.DataFrame:
    """Names that rows give beside the main one, in long form."""
    made: list[pl.DataFrame] = [pl.DataFrame(schema=OTHER_NAMES)]
    columns = set(rows.columns)

    def part(name: str) -> pl.Expr:
        return pl.col(name) if name in columns else pl.lit(None, pl.String)

    for kind in ("former", "preferred"):
        first, last = f"_{kind}_forename", f"_{kind}_surname"
        if {first, last} & columns:
            some = rows.filter(pl.any_horizontal(pl.col(c).is_not_null() for c in (first, last) if c in columns))
            made.append(
                some.select(
                    "key",
                    kind=pl.lit(kind),
                    forename=pl.coalesce(part(first), part("forename")),
                    middle_names=pl.lit(None, pl.String),
                    surname=pl.coalesce(part(last), part("surname")),
                )
            )
    if "_alias" in columns:
        whole = pl.col("_alias").str.contains(" ")
        tail = pl.col("_alias").str.extract(rf"((?:^| ){cleaning.PARTICLES}\S+)$").str.strip_chars()
        made.append(
            rows.filter(pl.col("_alias").is_not_null()).select(
                "key",
                kind=pl.lit("alias"),
                forename=cleaning.first_word(pl.col("_alias")),
                middle_names=pl.lit(None, pl.String),
                surname=pl.when(whole).then(tail).otherwise(part("surname")),
            )
        )
    return pl.concat(made)


def _earlier_names(rows: pl.DataFrame, one: pl.DataFrame) -> pl.DataFrame:
    """Names that earlier rows of a key gave, in long form, as aliases."""
    if "surname" not in rows.columns:
        return pl.DataFrame(schema=OTHER_NAMES)
    names = ["forename", "middle_names", "surname"]
    shared = rows.filter(rows["key"].is_duplicated()).filter(pl.any_horizontal(pl.col(names).is_not_null()))
    earlier = shared.select("key", *names).join(
        one.select("key", *names), on=["key", *names], how="anti", nulls_equal=True
    )
    return earlier.select("key", pl.lit("alias").alias("kind"), *names)


def _source_records(
    contract: Contract, delivery: str, people: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], ids: _Ids
) -> pl.DataFrame:
    one, names, addresses = people
    missing = [pl.lit(None, pl.String).alias(n) for n in TEXTS if n not in one.columns]
    missing += [pl.lit(None, pl.Date).alias(n) for n in DATES if n not in one.columns]
    one = one.with_columns(missing)
    now, others = _current_addresses(addresses)
    same = pl.all_horizontal(pl.col(n).eq_missing(pl.col(f"{n}_main")) for n in ("forename", "surname"))
    other_names = (
        names.join(one.select("key", "forename", "surname"), on="key", suffix="_main")
        .filter(~same)
        .select("key", pl.struct("kind", "forename", "middle_names", "surname").cast(NAME).alias("name"))
        .unique()
        .sort("key", "name")
        .group_by("key")
        .agg(pl.col("name").alias("other_names"))
    )
    records = (
        one.join(now, on="key", how="left")
        .join(others, on="key", how="left")
        .join(other_names, on="key", how="left")
        .with_columns(
            pl.col("other_names").fill_null(pl.lit([], pl.List(NAME))),
            pl.col("other_addresses").fill_null(pl.lit([], pl.List(ADDRESS))),
            pl.lit(contract.id).alias("feed"),
            pl.lit(delivery).alias("delivery"),
        )
        .pipe(ids.records, "key", "record_id")
        .rename({"key": "source_key"})
    )
    read = [n for n in SOURCE_RECORD.schema if n not in ("record_id", "feed", "source_key", "row_hash", "delivery")]
    return _shaped(records.with_columns(pl.struct(read).hash(HASH_SEED).alias("row_hash")), SOURCE_RECORD)


def _current_addresses(addresses: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each key's current address, and a list of its others."""
    ranked = addresses.with_columns(pl.col("to").is_not_null().alias("left")).sort(
        "key", "left", "from", "seen_on", "position",
        descending=[False, False, True, True, True], nulls_last=True, maintain_order=True,
    )  # fmt: skip
    ranked = ranked.unique(["key", "uprn", "text", "postcode"], keep="first", maintain_order=True)
    first = pl.col("key").is_first_distinct()
    now = ranked.filter(first).select(
        "key", "uprn", "postcode",
        address=pl.col("text"), address_from=pl.col("from"), address_to=pl.col("to"),
    )  # fmt: skip
    others = (
        ranked.filter(~first)
        .select("key", pl.struct("uprn", "text", "postcode", "from", "to").cast(ADDRESS).alias("other_addresses"))
        .group_by("key", maintain_order=True)
        .agg("other_addresses")
    )
    return now, others


# -- what rows tell -------------------------------------------------------------------------------------------------


class _Ids:
    """Makes keyed ids: of records in the namespace of the feed whose keys these are, of all else by content."""

    def __init__(self, contract: Contract, ring: KeyRing) -> None:
        self.contract, self.ring = contract, ring
        self.known = pl.DataFrame(schema={"key": pl.String, "id": pl.String})

    def records(self, rows: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
        """The rows with the `record_id` of a source key; each distinct key is hashed once."""
        fresh = rows.select(pl.col(column).alias("key")).unique().join(self.known, on="key", how="anti")
        made = fresh.with_columns(record_ids(self.contract.keys_of, fresh["key"], self.ring).alias("id"))
        self.known = pl.concat([self.known, made])
        return rows.join(
            self.known.select(pl.col("key").alias(column), pl.col("id").alias(name)), on=column, how="left"
        )

    def told(self, rows: pl.DataFrame, name: str, purpose: str, parts: list[str]) -> pl.DataFrame:
        """The rows with an id made of feed and parts; rows wholly alike are one, others that share it are numbered."""
        text = joined(pl.lit(self.contract.id), *(_plain(rows, p) for p in parts))
        rows = rows.with_columns(text.alias("_base"))
        twice = rows["_base"].is_duplicated()
        if twice.any():
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
    """A column's text, its codes put into the contract's vocabulary; null without a column."""
    if name is None:
        return pl.lit(None, pl.String)
    codes = table.codes.get(name)
    return pl.col(name).replace(codes) if codes else pl.col(name)


def _from(table: Table, value: Value | None) -> pl.Expr:
    if value is None:
        return pl.lit(None, pl.String)
    return pl.lit(value.const, pl.String) if value.const is not None else _coded(table, value.column)


def _when(table: Table, name: str | None) -> pl.Expr:
    """A column of dates or times; null without one."""
    if name is None:
        return pl.lit(None, pl.Datetime("us"))
    return dated(next(c for c in table.all_columns if c.name == name))


def _told(contract: Contract, table: Table, entry: Yield, rows: pl.DataFrame) -> pl.DataFrame:
    """What one entry of `yields` makes of a table's rows, keys still the source's own."""
    some = rows.filter(matches(entry.when) & pl.col("_key").is_not_null())
    if isinstance(entry, Event):
        size = next((c for c in table.all_columns if c.name == entry.value), None)
        value = parsed(size).cast(pl.Float64, strict=False) if size else pl.lit(None, pl.Float64)
        return some.select(
            "_key",
            domain=pl.lit(entry.domain or contract.domain),
            type=pl.lit(entry.event),
            ref=source_key(entry.key) if entry.key else pl.lit(None, pl.String),
            start=_when(table, entry.start),
            end=_when(table, entry.end),
            code=_from(table, entry.code),
            value=value,
            recorded_at=_when(table, entry.recorded),
        ).filter(pl.col("start").is_not_null())
    if isinstance(entry, Involvement):
        return some.select(
            "_key",
            service=pl.lit(entry.involvement),
            team=_from(table, entry.team),
            worker_role=_from(table, entry.role),
            start=_when(table, entry.start),
            end=_when(table, entry.end),
        ).filter(pl.col("start").is_not_null())
    if isinstance(entry, Relationship):
        return some.select(
            "_key",
            other=source_key(entry.other),
            kind=_from(table, entry.relationship),
            start=_when(table, entry.start),
            end=_when(table, entry.end),
        ).filter(pl.all_horizontal(pl.col("other", "kind").is_not_null()) & (pl.col("other") != pl.col("_key")))
    said = entry.voice
    return some.select(
        "_key",
        said_by=_from(table, said.said_by),
        start=_when(table, said.start),
        topic=_from(table, said.topic),
        words=pl.col(said.words),
    ).filter(pl.all_horizontal(pl.col("start", "words").is_not_null()))


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
        decile = next((c for c in table.all_columns if c.name == at.imd_decile), None)
        places = rows.select(
            postcode=cleaning.postcode(pl.col(at.postcode)),
            lsoa11=_coded(table, at.lsoa11),
            lsoa21=_coded(table, at.lsoa21),
            imd_decile=parsed(decile).cast(pl.Int8, strict=False) if decile else pl.lit(None, pl.Int8),
        )
        made["place"] = _shaped(places.filter(pl.col("postcode").is_not_null()).unique("postcode", keep="last"), PLACE)
    if table.reference and table.reference.dwelling:
        of = table.reference.dwelling
        address = pl.concat_str(list(of.address), separator=", ", ignore_nulls=True) if of.address else None
        dwellings = rows.select(
            uprn=cleaning.uprn(pl.col(of.uprn)),
            address=cleaning.address(address) if address is not None else pl.lit(None, pl.String),
            postcode=cleaning.postcode(pl.col(of.postcode)) if of.postcode else pl.lit(None, pl.String),
            kind=_coded(table, of.kind),
        )
        made["dwelling"] = _shaped(dwellings.filter(pl.col("uprn").is_not_null()).unique("uprn", keep="last"), DWELLING)
    return made
