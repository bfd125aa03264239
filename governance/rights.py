"""What people may ask of their own data: objections, corrections, opt-outs, and what is withheld from them.

What belongs here: keeping what was asked and decided, and whose data a use is barred from on a night. How a person's
data are shown to them belongs in `summaries.subject`; taking data out for good, in `erasure`.

Everything is kept by record, as decisions about links are: a record's id outlasts any model, night and change of
person. Nothing kept is ever changed: a withdrawal or an answer is one more row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from governance.organisation import Length, Period, load_organisation, unknown
from warehouse.site import Config, SiteError, read_config, read_yaml
from warehouse.store import Store, StoreError
from warehouse.tables import CORRECTION, EVENT, OBJECTION, PERSON_LINK, WITHHOLDING, Table, Zone

PROFILING, MARTS, EXPORTS, SHARING, SAFEGUARDING = "profiling", "marts", "exports", "sharing", "safeguarding"
BLOCKED = (PROFILING, MARTS, EXPORTS, SHARING)  # uses that an objection can block
UPHELD, REFUSED = "upheld", "refused"
OPEN, ACCEPTED = "open", "accepted"  # of a correction, which may also be refused
KEPT, CLOSED = "kept", "closed"  # the two frames of a register
CLOSING: dict[str, tuple[str, ...]] = {
    OBJECTION.name: ("withdrawn_at", "withdrawn_by"),
    CORRECTION.name: ("status", "note", "answered_by", "answered_at"),
    WITHHOLDING.name: ("withdrawn_at", "withdrawn_by"),
}
_BARS: dict[str, Any] = {"person_id": pl.String, "use": pl.String, "partner": pl.String}


# -- what a council says of it ---------------------------------------------------------------------------------------


class Bar(Config):
    """What an opt-out bars: whose data (no partner: everybody's) from which uses."""

    from_: str | None = Field(None, alias="from")
    uses: tuple[Literal["profiling", "marts", "exports"], ...] = Field(min_length=1)


class OptOut(Config):
    """A register of people who opted out, and what follows.

    Attributes:
        feed: the register, a feed like any other; each event that it tells of a person is an opt-out, until its end.
        name: as a person would say it.
        bars: what may not be done with the data of who is on it.
        rows: whether the barred partner's rows about them are kept at all when they are read, or dropped.
    """

    feed: str
    name: str
    bars: tuple[Bar, ...] = Field(min_length=1)
    rows: Literal["kept", "dropped"] = "kept"


class Contact(Config):
    """Whom people can turn to: lines as they stand on a letter, in English and, where there are any, in Welsh."""

    lines: tuple[str, ...] = Field(min_length=1)
    welsh: tuple[str, ...] = ()


class Rights(Config):
    """What a council says about people's rights, in `rights.yaml`.

    Attributes:
        by_consent: partners whose data is shared because families agree to it, so that an objection stops it.
        keep_packs: how long the document with a person's data may lie in the outbox.
        opt_outs: registers of people who opted out of some use.
        contact: whom to ask; `complaints` the supervisory authority.
    """

    by_consent: tuple[str, ...] = ()
    keep_packs: Period = Length(60, "d")
    opt_outs: tuple[OptOut, ...] = ()
    contact: Contact | None = None
    complaints: Contact | None = None


def load_rights(site: Path, tells: Collection[str] | None = None) -> Rights:
    """Read `rights.yaml` of a council's folder; where there is none, nobody has opted out of anything.

    Args:
        site: the council's folder.
        tells: the feeds that tell of events; None where they are not known, and not checked.

    Raises:
        SiteError: every mistake, each with file, line and remedy.
    """
    path = site / "rights.yaml"
    if not path.is_file():
        return Rights()
    made, document = read_config(path, Rights), read_yaml(path)
    parties = [party.id for party in load_organisation(site).parties]
    wrong = [
        document.mistake(("by_consent", n), unknown("partner", name, parties))
        for n, name in enumerate(made.by_consent)
        if name not in parties
    ]
    for n, register in enumerate(made.opt_outs):
        if tells is not None and register.feed not in tells:
            told = unknown("feed that tells of events", register.feed, tells)
            wrong.append(document.mistake(("opt_outs", n, "feed"), told))
        for m, bar in enumerate(register.bars):
            if bar.from_ is not None and bar.from_ not in parties:
                wrong.append(
                    document.mistake(("opt_outs", n, "bars", m, "from"), unknown("partner", bar.from_, parties))
                )
    if wrong:
        raise SiteError(wrong)
    return made


# -- what is kept ----------------------------------------------------------------------------------------------------


def read(store: Store, table: Table) -> pl.DataFrame:
    """All that a register ever kept, what was withdrawn too, oldest first.

    Args:
        store: of the council.
        table: OBJECTION, CORRECTION or WITHHOLDING.
    """
    kept, closed = _frames(store, table)
    last = closed.unique(table.key, keep="last", maintain_order=True)
    whole = kept.join(last, on=table.key, how="left", maintain_order="left")
    if table is CORRECTION:
        whole = whole.with_columns(pl.col("status").fill_null(OPEN))
    return whole.select(table.schema.names())


def standing(store: Store, table: Table) -> pl.DataFrame:
    """What of a register is in force: what was not withdrawn; of corrections all, whatever was answered."""
    rows = read(store, table)
    return rows if table is CORRECTION else rows.filter(pl.col("withdrawn_at").is_null())


def object_to(store: Store, records: Collection[str], rows: Sequence[dict[str, Any]], rights: Rights) -> list[str]:
    """Keep objections to uses of a person's data.

    Args:
        store: of the council.
        records: ids of all records that the person has.
        rows: of each `use`, `partner`, `their_words`, `asked_on`, `decision`, `note`, `who`, `decided_at` (UTC, naive).
        rights: what the council says; of sharing, which partners' an objection stops.

    Returns:
        The objections' ids, in the order of the rows.

    Raises:
        StoreError: one of them is not complete, or would block what the law does not let it; nothing is kept then.
    """
    for row in rows:
        use, partner = row.get("use"), row.get("partner")
        if use not in (*BLOCKED, SAFEGUARDING):
            raise StoreError(f"an objection is to one of {', '.join((*BLOCKED, SAFEGUARDING))}. Name one of them.")
        if row.get("decision") not in (UPHELD, REFUSED):
            raise StoreError(f"an objection is {UPHELD} or {REFUSED}. Say which, and why.")
        if (use == SHARING) != (partner is not None):
            raise StoreError("an objection to sharing names the partner whose data it is about, and no other does.")
        by_consent = use != SHARING or partner in rights.by_consent
        if row["decision"] == UPHELD and (use == SAFEGUARDING or not by_consent):
            raise StoreError(
                "an objection cannot block this: it is shared under a duty, not by consent (rights.yaml, by_consent). "
                "Keep it as refused, with the reason; summaries then show that the person objected."
            )
    return _keep(store, OBJECTION, records, rows, ("their_words", "asked_on", "who", "decided_at"), {REFUSED: "note"})


def correct(store: Store, records: Collection[str], row: dict[str, Any]) -> str:
    """Keep what a person says is wrong: it annotates, and changes nothing that a source recorded.

    Args:
        store: of the council.
        records: ids of the records that hold it.
        row: `kind`, `item`, `their_words`, `asked_on`, `who`, `decided_at` (UTC, naive).

    Raises:
        StoreError: it is not complete; nothing is kept then.
    """
    (made,) = _keep(store, CORRECTION, records, [row], ("kind", "item", "their_words", "asked_on", "who", "decided_at"))
    return made


def withhold(store: Store, items: Sequence[tuple[str, str]], unsaid: bool, note: str, who: str, at: datetime) -> None:
    """Keep that a person is not shown some of their data.

    Args:
        store: of the council.
        items: the id of each, and of the record that holds it.
        unsaid: whether it is not even told that something is left out.
        note: whose opinion it was, and why.
        who: who decided.
        at: when (UTC, naive).

    Raises:
        StoreError: it does not say whose opinion or who; nothing is kept then.
    """
    for item, record in items:
        row = {"item": item, "unsaid": unsaid, "note": note, "who": who, "decided_at": at}
        _keep(store, WITHHOLDING, [record], [row], ("item", "unsaid", "note", "who", "decided_at"))


def withdraw(store: Store, ids: Collection[str], who: str, at: datetime) -> None:
    """Take objections and withholdings back from now on; they stay on record, as does who took them back.

    Raises:
        StoreError: one of them is not known, or nobody is named; nothing is withdrawn then.
    """
    tables = (OBJECTION, WITHHOLDING)
    known = {one for table in tables for one in read(store, table)[table.key[0]]}
    if strange := set(ids) - known:
        raise StoreError(f"{len(strange)} of the ids to withdraw are not known. Nothing is withdrawn.")
    for table in tables:
        _close(store, table, ids, {"withdrawn_at": at, "withdrawn_by": who.strip()}, who)


def answer(store: Store, correction_id: str, status: str, note: str, who: str, at: datetime) -> None:
    """Keep what the owner answered to a correction; a later answer replaces an earlier one, and both are kept.

    Raises:
        StoreError: there is no such correction, or the answer is not complete.
    """
    if status not in (ACCEPTED, REFUSED, OPEN):
        raise StoreError(f"a correction is {ACCEPTED}, {REFUSED} or {OPEN} again. Say which.")
    if correction_id not in set(read(store, CORRECTION)["correction_id"]):
        raise StoreError("there is no correction of this id. `kinfold subject list` shows those that there are.")
    if not note.strip():
        raise StoreError("an answer says why, as the person will ask. Give a note.")
    values = {"status": status, "note": note.strip(), "answered_by": who.strip(), "answered_at": at}
    _close(store, CORRECTION, [correction_id], values, who)


# -- whom it concerns on a night -------------------------------------------------------------------------------------


def of_people(store: Store, table: Table, night: date) -> pl.DataFrame:
    """What of a register is in force, about the people of a night: `person_id` before its columns.

    A record that has come to another person has taken it along; where records have parted, it concerns both.
    """
    rows = standing(store, table)
    links = store.scan(PERSON_LINK, night).select("record_id", "person_id").collect()
    return links.join(rows, on="record_id").select("person_id", *table.schema)


def annotated(people: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Golden records that say among their conflicts what people hold to be wrong of them; no value is changed.

    Args:
        people: PERSON.
        corrections: CORRECTION with `person_id` (`of_people`); those that were refused say nothing here.
    """
    mine = corrections.filter((pl.col("kind") == "attribute") & (pl.col("status") != REFUSED))
    if mine.is_empty():
        return people
    code = pl.format("disputed by the person: {}", "item")
    told = (
        mine.unique(["person_id", "item"], keep="first", maintain_order=True)
        .sort("person_id", "item")
        .group_by("person_id", maintain_order=True)
        .agg(pl.format("{}, on {}", code, "asked_on").alias("_text"), code.alias("_code"))
    )
    joined = people.join(told, on="person_id", how="left", maintain_order="left")
    both = {"conflicts": "_text", "conflicting": "_code"}
    empty = pl.lit([], pl.List(pl.String))
    return joined.with_columns(
        pl.col(name).fill_null(empty).list.concat(pl.col(more).fill_null(empty)) for name, more in both.items()
    ).drop(*both.values())


def bars(store: Store, night: date, rights: Rights) -> pl.DataFrame:
    """Whose data may not be used for what on a night: `person_id`, `use`, `partner` (null: whoever's), each once.

    By the objections that were upheld, and by the registers of opt-outs as they were delivered by then.

    Raises:
        StoreError: the night has no links yet.
    """
    made = [pl.DataFrame(schema=_BARS)]
    if store.has(Zone.VAULT, _folder(OBJECTION)):
        upheld = of_people(store, OBJECTION, night).filter(pl.col("decision") == UPHELD)
        made.append(upheld.select(list(_BARS)))
    if rights.opt_outs:
        out = opted_out(store, night, [register.feed for register in rights.opt_outs])
        says = pl.DataFrame(
            [(r.feed, use, bar.from_) for r in rights.opt_outs for bar in r.bars for use in bar.uses],
            schema={"feed": pl.String, "use": pl.String, "partner": pl.String},
            orient="row",
        )
        made.append(out.join(says, on="feed").select(list(_BARS)))
    return pl.concat(made).unique().sort(list(_BARS), nulls_last=False)


def barred(store: Store, night: date, use: str, rights: Rights, partner: str | None = None) -> pl.Series:
    """Ids of the people whose data may not be put to a use on a night, sorted.

    Args:
        store: of the council.
        night: whose links count.
        use: profiling, marts, exports or sharing.
        rights: what the council says (`load_rights`; `Council.rights`).
        partner: only those whose data of this partner is concerned, or all of whose data is; None: everybody of whom
            anything at all is barred, which is the cautious answer for a use that does not tell partners apart.
    """
    mine = bars(store, night, rights).filter(pl.col("use") == use)
    if partner is not None:
        mine = mine.filter(pl.col("partner").is_null() | (pl.col("partner") == partner))
    return mine["person_id"].unique().sort()


def wholly_barred(store: Store, night: date, use: str, rights: Rights) -> pl.Series:
    """Ids of the people of whose data nothing may be put to a use on a night, whoever told it, sorted."""
    mine = bars(store, night, rights).filter((pl.col("use") == use) & pl.col("partner").is_null())
    return mine["person_id"].unique().sort()


def without(frame: pl.LazyFrame, barred_: pl.DataFrame, resting: pl.Series) -> pl.LazyFrame:
    """A table of a night without what may not be put to a use.

    Rows about people of whom nothing may be go, and so do those that a partner told of whose data may not be, and what
    was made of either; where such a person only stands beside somebody else, their id goes.

    Args:
        frame: any table with `person_id`, or with none.
        barred_: of one use, from `bars`.
        resting: ids of the events that may not be (`kept_out`).
    """
    names = frame.collect_schema().names()
    whole = barred_.filter(pl.col("partner").is_null())["person_id"].unique().implode()
    for column in {"person_id", "unit_id"} & set(names):
        frame = frame.filter(~pl.col(column).is_in(whole).fill_null(False))
    if "other_person_id" in names:
        gone = pl.col("other_person_id").is_in(whole)
        frame = frame.with_columns(pl.when(gone).then(None).otherwise("other_person_id").alias("other_person_id"))
    if "about" in names:
        frame = frame.with_columns(pl.col("about").list.filter(~pl.element().is_in(whole)))
    if {"person_id", "partner"} <= set(names):
        parts = barred_.drop_nulls("partner").select("person_id", "partner").unique().lazy()
        frame = frame.join(parts, on=["person_id", "partner"], how="anti", maintain_order="left")
    if "evidence" in names and resting.len():
        rests = pl.col("evidence").list.eval(pl.element().is_in(resting.implode())).list.any()
        frame = frame.filter(~rests.fill_null(False))
    return frame


def kept_out(store: Store, night: date, barred_: pl.DataFrame) -> pl.Series:
    """Ids of the events that may not be put to a use on a night, by what bars it (`bars` of one use)."""
    if barred_.is_empty():
        return pl.Series([], dtype=pl.String)
    links = store.scan(PERSON_LINK, night).select("record_id", "person_id")
    told = store.scan(EVENT, night).select("event_id", "record_id", "partner").join(links, on="record_id")
    rows = told.join(barred_.lazy().rename({"partner": "whose"}), on="person_id")
    rows = rows.filter(pl.col("whose").is_null() | (pl.col("whose") == pl.col("partner")))
    return rows.select("event_id").unique().sort("event_id").collect()["event_id"]


def opted_out(store: Store, night: date, feeds: Collection[str]) -> pl.DataFrame:
    """Who is on registers of opt-outs on a night: `person_id`, `feed`, each once."""
    told = store.as_of(EVENT, night, night).filter(pl.col("feed").is_in(list(feeds)))
    told = told.filter(pl.col("end").is_null() | (pl.col("end").dt.date() > night))
    links = store.scan(PERSON_LINK, night).select("record_id", "person_id")
    return told.join(links, on="record_id").select("person_id", "feed").unique().sort("person_id", "feed").collect()


# -- inside ----------------------------------------------------------------------------------------------------------


def _folder(table: Table) -> str:
    return f"register/{table.name}"


def _frames(store: Store, table: Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is kept of a register, and what was said of it since: both by record, so that either can be erased."""
    if store.has(Zone.VAULT, _folder(table)):
        kept, closed = (store.get(Zone.VAULT, _folder(table), name).collect() for name in (KEPT, CLOSED))
        return kept, closed
    empty, closing = table.empty(), CLOSING[table.name]
    return empty.drop(closing), empty.select(*table.key, *closing)


def _keep(
    store: Store,
    table: Table,
    records: Collection[str],
    rows: Sequence[dict[str, Any]],
    needed: Sequence[str],
    needed_if: dict[str, str] | None = None,
) -> list[str]:
    """Add to a register what was said of the same records; what is kept already, to the letter, is kept once."""
    if not records:
        raise StoreError("none of this person's records is known. Name a person of the published night.")
    key, ids, made = table.key[0], [], []
    for row in rows:
        told = {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}
        if missing := [name for name in needed if told.get(name) in (None, "")]:
            raise StoreError(f"this does not say its {', '.join(missing)}. Nothing is kept: say it.")
        for decision, name in (needed_if or {}).items():
            if told.get("decision") == decision and not told.get(name):
                raise StoreError(f"what is {decision} says why. Nothing is kept: give a {name}.")
        text = json.dumps([sorted(records), told], sort_keys=True, default=str)
        ids.append(hashlib.sha256(text.encode()).hexdigest()[:32])
        made += [{key: ids[-1], "record_id": record, **told} for record in sorted(set(records))]
    with store.alone(Zone.VAULT, "register"):
        kept, closed = _frames(store, table)
        fresh = pl.DataFrame(
            [{name: row.get(name) for name in kept.columns} for row in made], schema=kept.schema, orient="row"
        ).join(kept, on=table.key, how="anti", maintain_order="left")
        if fresh.height:
            store.put(Zone.VAULT, _folder(table), {KEPT: pl.concat([kept, fresh]), CLOSED: closed})
    return ids


def _close(store: Store, table: Table, ids: Collection[str], values: dict[str, Any], who: str) -> None:
    """Say of some of what a register keeps how it ended."""
    if not who.strip():
        raise StoreError("this says who decides it. Name them.")
    with store.alone(Zone.VAULT, "register"):
        kept, closed = _frames(store, table)
        mine = kept.filter(pl.col(table.key[0]).is_in(list(ids))).select(table.key)
        if table is not CORRECTION:  # what was withdrawn once stays withdrawn since then
            mine = mine.join(closed, on=table.key, how="anti", maintain_order="left")
        fresh = mine.with_columns(pl.lit(value, closed.schema[name]).alias(name) for name, value in values.items())
        if fresh.height:
            store.put(
                Zone.VAULT, _folder(table), {KEPT: kept, CLOSED: pl.concat([closed, fresh.select(closed.columns)])}
            )
