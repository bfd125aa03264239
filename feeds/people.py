"""People as a feed's rows tell of them: each attribute cleaned, what was set aside counted, one row a key.

What belongs here: a contract's `person` blocks, up to the canonical columns. How a value is cleaned belongs in
`cleaning` and `names`; ids, and what else rows tell, in `mapping`; which of several records is whose, in linkage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from feeds import cleaning, names
from feeds.cleaning import cleaned
from feeds.contracts import SEPARATOR, Address, Attribute, Contract, FullName, Person, Table, constant
from feeds.parsing import dated, matches
from feeds.rules import COUNTED
from warehouse.tables import ADDRESS, NAME

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


LAST, TIMES = "_last", "_times"
NAMES = ("surname", "forename", "forenames", "middle_names", "alias", "former_forename", "former_surname",
         "preferred_forename", "preferred_surname")  # fmt: skip
Clean = Callable[[pl.Expr], pl.Expr]


@dataclass(frozen=True)
class People:
    """Everyone whom a feed's rows tell of.

    Attributes:
        attributes: one row a `key`, every attribute that the feed gives.
        names, addresses: others beside the main ones, in long form.
        nobody: the keys that stand for an estate, an organisation or a test.
        counts: how often a value was set aside and why, in the shape of the ledger's rule counts.
    """

    attributes: pl.DataFrame
    names: pl.DataFrame
    addresses: pl.DataFrame
    nobody: pl.DataFrame
    counts: pl.DataFrame


def people(contract: Contract, accepted: Mapping[str, pl.DataFrame]) -> People:
    """Read every `person` block of a contract; where tables overlap, the first that has an attribute gives it."""
    attributes: list[pl.DataFrame] = []
    others, addresses = [pl.DataFrame(schema=OTHER_NAMES)], [pl.DataFrame(schema=ADDRESSES)]
    nobody = [pl.DataFrame(schema={"key": pl.String})]
    counts = [pl.DataFrame(schema=COUNTED)]
    for table in contract.tables:
        for person in table.person:
            rows, counted = _read(table, person, accepted[table.name].filter(matches(person.when)))
            counts.append(counted)
            nobody.append(rows.filter("_nobody").select("key"))
            rows = rows.filter(~pl.col("_nobody") & pl.col("key").is_not_null())
            one = _one_a_key(rows)
            attributes.append(one)
            others += [_other_names(rows), _earlier_names(rows, one)]
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
    once = pl.concat(counts).group_by("table", "rule", "severity", maintain_order=True).agg(pl.col("rows").sum())
    return People(together, pl.concat(others), pl.concat(addresses), gone, once)


def source_key(columns: Iterable[str]) -> pl.Expr:
    """The person's key as the source has it, parts that are constants among them; null where any part of it is."""
    parts = [pl.col(c) if constant(c) is None else pl.lit(constant(c)) for c in columns]
    return pl.concat_str(parts, separator=SEPARATOR)


class _Reader:
    """A table's rows being read as people, and the questions that count what was set aside, each a plain sentence.

    What is worked out stands as a column, so that nothing is worked out twice.
    """

    def __init__(self, table: Table, rows: pl.DataFrame) -> None:
        self.rows = rows
        self.columns = {c.name: c for c in table.all_columns}
        self.made: dict[str, pl.Expr] = {}
        self.asked: dict[str, pl.Expr] = {}
        self.done: list[tuple[Attribute, Clean, pl.Expr]] = []

    def ahead(self, wanted: Iterable[tuple[Attribute | None, Clean]]) -> None:
        """Clean several attributes at once: one expression keeps one core busy, so several keep all of them."""
        pairs = [(attribute, clean) for attribute, clean in wanted if attribute]
        texts = self.rows.lazy().select(self.text(a).alias(f"_clean{i}") for i, (a, _) in enumerate(pairs)).collect()
        with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
            made = list(pool.map(cleaning.each, texts, [clean for _, clean in pairs]))
        self.rows = self.rows.with_columns(made)
        self.done += [(*pair, pl.col(column.name)) for pair, column in zip(pairs, made, strict=True)]

    def clean(self, attribute: Attribute, clean: Clean) -> pl.Expr:
        """An attribute cleaned, ahead or now."""
        found = [made for of, how, made in self.done if how is clean and of == attribute]
        return found[0] if found else self.each(self.text(attribute), clean)

    def step(self, value: pl.Expr | pl.Series) -> pl.Expr:
        """Work a value out now and give the column that holds it."""
        name = f"_step{len(self.rows.columns)}"
        self.rows = self.rows.lazy().with_columns(value.alias(name)).collect()
        return pl.col(name)

    def each(self, text: pl.Expr, clean: Clean) -> pl.Expr:
        """A text cleaned, each distinct value once where values repeat."""
        return self.step(cleaning.each(self.rows.select(text.alias("text"))["text"], clean))

    def ask(self, sentence: str, broken: pl.Expr) -> None:
        self.asked[sentence] = broken.fill_null(False) | self.asked.get(sentence, pl.lit(False))

    def column(self, name: str) -> pl.Expr:
        """A column's text after its own transforms."""
        return cleaned(pl.col(name), self.columns[name].clean)

    def text(self, attribute: Attribute) -> pl.Expr:
        """An attribute's text, in the rows that hold it."""
        text = self.column(attribute.column)
        return pl.when(matches(attribute.when)).then(text) if attribute.when else text

    def valid(
        self,
        name: str,
        attribute: Attribute | None,
        clean: Clean,
        what: str,
        placeholder: tuple[Clean, str] | None = None,
    ) -> None:
        """A value that its cleaning refuses is set aside, and counted: as a placeholder, or as what it is not."""
        if attribute is None:
            return
        text = self.text(attribute)
        if self.columns[attribute.column].clean or attribute.when:
            text = self.step(text)
        self.made[name] = self.clean(attribute, clean)
        refused = text.is_not_null() & self.made[name].is_null()
        if placeholder:
            # few are refused, as a rule, so the question why is put to these alone
            none, example = placeholder
            known = self.step(none(pl.when(refused).then(text)).fill_null(False))
            self.ask(f"{attribute.column} is no placeholder such as {example}", known)
            refused = refused & ~known
        self.ask(f"{attribute.column} {what}", refused)

    def date(self, name: str, attribute: Attribute | None) -> None:
        """A date; one that stands for no date is set aside, and counted."""
        if attribute is None:
            return
        value = self.step(dated(self.columns[attribute.column], pl.Date))
        if attribute.when:
            value = pl.when(matches(attribute.when)).then(value)
        placeholder = value.is_in(cleaning.NO_DATES)
        self.ask(f"{attribute.column} is no placeholder such as 1900-01-01", placeholder)
        self.made[name] = pl.when(~placeholder).then(value)

    def name(self, attribute: Attribute | None, none: tuple[str, ...]) -> pl.Expr | None:
        """A name column, cleaned."""
        return self.known(attribute.column, self.clean(attribute, names.name), none) if attribute else None

    def known(self, column: str, clean: pl.Expr, none: tuple[str, ...]) -> pl.Expr:
        """A cleaned name; words that stand for no name are set aside, and counted."""
        placeholder = clean.is_in(none)
        if none is names.NO_FORENAME:
            placeholder = placeholder | clean.str.starts_with("BABY OF ")
        example = "BABY" if none is names.NO_FORENAME else "UNKNOWN"
        self.ask(f"{column} is no placeholder such as {example}", placeholder)
        return self.step(pl.when(~placeholder).then(clean))


def _once(person: Person, rows: pl.DataFrame) -> pl.DataFrame:
    """What a `person` block reads of rows, those that say the same once: how many they are, and where the last is.

    Rows that tell what happened say who it happened to over and over, and to clean a value is dear.
    """
    told = words(person.model_dump())
    columns = [name for name in rows.columns if name in told]
    some = rows.lazy().select(*columns, pl.int_range(pl.len(), dtype=pl.UInt32).alias(LAST))
    keys = rows.lazy().select(source_key(person.key).approx_n_unique()).collect().item()
    if not columns or keys > rows.height * 0.75:
        return some.with_columns(pl.lit(1, pl.UInt32).alias(TIMES)).collect()
    count = pl.len().cast(pl.UInt32).alias(TIMES)
    return some.group_by(columns, maintain_order=True).agg(pl.col(LAST).last(), count).collect()


def words(said: object) -> set[str]:
    """Every text in nested settings, names of columns among them."""
    if isinstance(said, str):
        return {said}
    within = said.items() if isinstance(said, Mapping) else said if isinstance(said, (list, tuple)) else ()
    return {word for one in within for word in words(one)}


def _read(table: Table, person: Person, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A table's rows as people: every attribute cleaned, other names beside, `_nobody` where the row is no person."""
    it = _Reader(table, _once(person, rows))
    uprn, postcode = (person.address.uprn, person.address.postcode) if person.address else (None, None)
    wanted = [(getattr(person, name), names.name) for name in NAMES] + [
        (person.nhs_number, cleaning.nhs_number),
        (person.upn, cleaning.upn),
        (person.ni_number, cleaning.ni_number),
        (person.email, cleaning.email),
        (person.phone, cleaning.phone),
        (Attribute(column=uprn) if uprn else None, cleaning.uprn),
        (Attribute(column=postcode) if postcode else None, cleaning.postcode),
    ]
    it.ahead(wanted)
    nobody = _names(it, person)
    it.date("birth_date", person.birth_date)
    it.date("death_date", person.death_date)
    it.date("seen_on", person.seen_on)
    if person.sex:
        codes = table.codes.get(person.sex.column)
        text = it.text(person.sex)
        it.made["sex"] = it.each(text.replace(codes) if codes else text, cleaning.sex)
    for name, attribute in (("ethnicity", person.ethnicity), ("la_child_id", person.la_child_id)):
        if attribute:
            it.made[name] = it.text(attribute)
    it.valid("nhs_number", person.nhs_number, cleaning.nhs_number, "has a valid check digit",
             (cleaning.no_nhs_number, "0000000000"))  # fmt: skip
    it.valid("upn", person.upn, cleaning.upn, "has a valid check letter")
    it.valid("ni_number", person.ni_number, cleaning.ni_number, "has the form of a National Insurance number",
             (cleaning.no_ni_number, "TN010101"))  # fmt: skip
    it.valid("email", person.email, cleaning.email, "has the form of an email address",
             (cleaning.no_email, "none@"))  # fmt: skip
    it.valid("phone", person.phone, cleaning.phone, "is a telephone number and no placeholder such as 07000000000")
    if person.household:
        it.made["household_key"] = source_key(person.household)
    if person.address:
        _address(it, person.address)
    out = (
        it.rows.lazy()
        .select(
            source_key(person.key).alias("key"),
            pl.col(LAST).alias("position"),
            nobody.alias("_nobody"),
            *(e.alias(name) for name, e in it.made.items()),
            *((e * pl.col(TIMES)).alias(f"?{sentence}") for sentence, e in it.asked.items()),
        )
        .collect()
    )
    sums = out.select(pl.sum(f"?{s}") for s in it.asked).row(0) if it.asked and rows.height else [0] * len(it.asked)
    counts = [(table.name, sentence, "warn", int(n)) for sentence, n in zip(it.asked, sums, strict=True)]
    missing = [pl.lit(None, pl.Date).alias(n) for n in ("seen_on", "from", "to") if n not in it.made]
    missing += [pl.lit(None, pl.String).alias(n) for n in ("uprn", "text", "postcode") if n not in it.made]
    return (
        out.drop(f"?{s}" for s in it.asked).with_columns(missing),
        pl.DataFrame(counts, schema=COUNTED, orient="row"),
    )


def _names(it: _Reader, person: Person) -> pl.Expr:
    """Put the names among the cleaned columns; say which rows are no person: tests, estates, organisations."""
    nobody = pl.lit(False)
    surname = it.name(person.surname, names.NO_NAME)
    forename = it.name(person.forename, names.NO_FORENAME)
    middle = it.name(person.middle_names, names.NO_NAME)
    if person.forenames:
        both = it.name(person.forenames, names.NO_FORENAME)
        assert both is not None
        forename, middle = it.each(both, names.first_word), it.each(both, names.later_words)
    if person.full_name:
        nobody, forename, middle, surname = _full_name(it, person.full_name)
    if forename is not None or surname is not None:
        nothing = pl.lit(None, pl.String)
        first = forename if forename is not None else nothing
        last = surname if surname is not None else nothing
        given = [part for part in (forename, surname) if part is not None]
        test = it.step(pl.any_horizontal(it.each(part, names.is_test).fill_null(False) for part in given))
        it.ask("the record is of a person, not a test", test & ~nobody)
        nobody = nobody | test
        it.made |= {"forename": first, "surname": last}
        it.made["middle_names"] = middle if middle is not None else nothing
    for kind in ("alias", "former_forename", "former_surname", "preferred_forename", "preferred_surname"):
        attribute = getattr(person, kind)
        if attribute:
            it.made[f"_{kind}"] = it.clean(attribute, names.name)
    return nobody


def _full_name(it: _Reader, full: FullName) -> tuple[pl.Expr, pl.Expr | None, pl.Expr | None, pl.Expr]:
    """Of names that are one string: whether the row is nobody's, forename, middle names and surname."""
    text = it.step(it.text(full))
    nobody = it.each(text, names.is_nobody).fill_null(False)
    it.ask(f"{full.column} is a person, not The Occupier", nobody)
    if "drop_executors" in full.clean:
        estate = it.each(text, names.is_estate).fill_null(False) & ~nobody
        it.ask(f"{full.column} is a person, not an estate", estate)
        nobody = nobody | estate
    if "drop_organisations" in full.clean:
        organisation = it.each(text, names.is_organisation).fill_null(False) & ~nobody
        it.ask(f"{full.column} is a person, not an organisation", organisation)
        nobody = nobody | organisation
    nobody = it.step(nobody)
    if "split_name" not in full.clean:
        return nobody, None, None, it.each(text, names.name)
    # a second person has no key of their own in the feed, and would have to be told apart from delivery to delivery
    # by the order of the names alone: so only the first is taken, and the rest is counted
    it.ask(f"{full.column} is the name of one person", it.each(text, names.is_joint) & ~nobody)
    split = names.split_names(it.rows.select(text.alias("text"))["text"], full.order == "surname_first")
    forename, middle, surname = (it.step(split[part]) for part in split.columns)
    surname = it.known(full.column, surname, names.NO_NAME)
    return nobody, it.known(full.column, forename, names.NO_FORENAME), middle, surname


def _address(it: _Reader, where: Address) -> None:
    columns = [where.text] if where.text else list(where.line)
    if columns:
        written = it.step(pl.concat_str([it.column(c) for c in columns], separator=", ", ignore_nulls=True))
        it.made["text"] = it.each(written, cleaning.address)
        it.ask(f"{columns[0]} is an address", (written.str.len_bytes() > 0) & it.made["text"].is_null())
    if where.uprn:
        it.valid("uprn", Attribute(column=where.uprn), cleaning.uprn, "is a property reference number",
                 (cleaning.no_uprn, "0"))  # fmt: skip
    if where.postcode:
        it.valid("postcode", Attribute(column=where.postcode), cleaning.postcode, "has the form of a postcode",
                 (cleaning.no_postcode, "ZZ99 3VZ"))  # fmt: skip
    elif columns:
        it.made["postcode"] = it.each(it.column(columns[-1]), cleaning.postcode_within)
    for name, column in (("from", where.from_), ("to", where.to)):
        it.date(name, Attribute(column=column) if column else None)


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
        tail = pl.col("_alias").str.extract(rf"((?:^| ){names.PARTICLES}\S+)$").str.strip_chars()
        made.append(
            rows.filter(pl.col("_alias").is_not_null()).select(
                "key",
                kind=pl.lit("alias"),
                forename=names.first_word(pl.col("_alias")),
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


def records(found: People) -> pl.DataFrame:
    """One row a key, with every attribute of `source_record` that is not an id, a feed or a delivery."""
    one = found.attributes
    missing = [pl.lit(None, pl.String).alias(n) for n in TEXTS if n not in one.columns]
    missing += [pl.lit(None, pl.Date).alias(n) for n in DATES if n not in one.columns]
    one = one.with_columns(missing)
    now, others = _current_addresses(found.addresses)
    same = pl.all_horizontal(pl.col(n).eq_missing(pl.col(f"{n}_main")) for n in ("forename", "surname"))
    other_names = (
        found.names.join(one.select("key", "forename", "surname"), on="key", suffix="_main")
        .filter(~same)
        .select("key", pl.struct("kind", "forename", "middle_names", "surname").cast(NAME).alias("name"))
        .unique()
        .sort("key", "name")
        .group_by("key")
        .agg(pl.col("name").alias("other_names"))
    )
    return (
        one.join(now, on="key", how="left")
        .join(others, on="key", how="left")
        .join(other_names, on="key", how="left")
        .with_columns(
            pl.col("other_names").fill_null(pl.lit([], pl.List(NAME))),
            pl.col("other_addresses").fill_null(pl.lit([], pl.List(ADDRESS))),
        )
    )


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
