"""A data protection officer's desk: who may answer for people's data, what is opened for it, and what is kept.

What belongs here: asking, writing the audit log first, reading the vault in memory, letting the document out. What the
document says belongs in `summaries.subject`; what is kept of objections and the like, in `governance.rights`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from assets.context import Council
from assets.people import protected_of
from assets.sharing import audit_log, ever_released, let_out
from feeds import about, ledger
from feeds.ledger import ACCEPTED, deliveries_in_force
from governance import rights
from governance.audit import login
from governance.organisation import Team
from governance.pseudonyms import record_ids
from governance.release import BY_LAW, SUBJECT, SUBJECT_ACCESS, Item
from governance.reveal import Asker
from governance.reveal import about as of
from linkage.protection import ADDRESS
from pipelines.review_desk import named, now
from summaries import subject
from summaries.subject import ATTRIBUTES, Held, Site
from summaries.tongues import TONGUES
from warehouse.tables import (
    COHORT_MEMBER,
    CORRECTION,
    DWELLING,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    LINK_PAST,
    OBJECTION,
    OCCUPANCY,
    OUTPUT_USE,
    PERSON,
    PERSON_LINK,
    PERSON_PROFILE,
    RELATIONSHIP,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    VOICE,
    WITHHOLDING,
    Table,
    Zone,
)  # fmt: skip

TOLD = (EVENT, INVOLVEMENT, VOICE, RELATIONSHIP)
REGISTERS = (OBJECTION, CORRECTION, WITHHOLDING)
MOST = 20  # matches of a name that are shown; one that finds more says too little
_ID = re.compile(r"[0-9a-f]{32}")
_CASE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9/._-]{0,39}")
LONGEST = 1000  # characters of what somebody says


class SubjectRefused(Exception):
    """What was asked for may not be done, or cannot; says why and what to do, and quotes no value."""


@dataclass(frozen=True)
class Match:
    """Somebody who may be the person asked for, as far as is needed to tell people apart."""

    person_id: str
    name: str = field(repr=False)
    born: str = field(repr=False)
    postcode: str = field(repr=False)
    feeds: int = 0


class SubjectDesk:
    """What one officer does for people who ask about their own data, on the published night."""

    def __init__(
        self, council: Council, who: str, case: str | None = None, clock: Callable[[], datetime] = now
    ) -> None:
        """Find the team that answers people's requests, and look whether this officer is of it.

        Raises:
            SubjectRefused: nobody is named, no team answers, or the site's list of staff does not have the officer in
                it. The audit log has the refusal.
        """
        if not named(who):
            raise SubjectRefused("say who acts with --who: a name or user id of at most 80 characters.")
        self.council, self.clock = council, clock
        self.team, team = _answers(council)
        self.asker = Asker(
            who.strip(), self.team, team.roles[0], SUBJECT_ACCESS, case if case and _CASE.fullmatch(case) else None,
            login(),
        )  # fmt: skip
        if case and self.asker.case is None:
            raise SubjectRefused(
                "the case is to be the request's reference in your own register: letters, digits and / . _ - with a "
                "digit among them, at most 40 characters, and never a name."
            )
        if not council.organisation.serves(self.asker.login, self.team, self.asker.role):
            self.note("refuse", None)
            raise SubjectRefused(
                f"the list of staff in site.yaml does not have this user of the machine in the team {self.team!r}, "
                "which alone answers people about their own data. The audit log has that it was asked for."
            )
        night = council.store.published()
        if night is None:
            raise SubjectRefused("no night has been published yet. Run one with `kinfold night`.")
        self.night: date = night

    def note(self, action: str, person_id: str | None) -> None:
        """Write to the audit log that something is done about a person, before it is."""
        audit_log(self.council).append([self.asker.entry(action, person_id, BY_LAW, self.clock())])

    @property
    def today(self) -> date:
        """The day where the council is."""
        return self.clock().replace(tzinfo=UTC).astimezone(ZoneInfo(self.council.organisation.timezone)).date()

    # -- whom --------------------------------------------------------------------------------------------------------

    def person(self, told: str) -> str:
        """The person of the published night whom an id, a record's id, or feed:key names.

        Raises:
            SubjectRefused: there is none; the audit log has that it was asked for.
        """
        told = told.strip()
        feed, _, key = told.partition(":")
        if key and feed in self.council.contracts:
            keys_of = self.council.contracts[feed].keys_of
            told = str(record_ids(keys_of, pl.Series([key]), self.council.ring).item())
        if _ID.fullmatch(told):
            asked = pl.any_horizontal(pl.col("person_id", "record_id") == told)
            found = self.council.store.scan(PERSON_LINK, self.night).filter(asked).collect()["person_id"].unique()
            if found.len() == 1:
                return str(found.item())
        self.note("refuse", None)
        raise SubjectRefused(
            "the published night has no such person or record. Name a person's id, a record's id, or feed:key; "
            "`kinfold subject find` asks for a name and a date of birth, `kinfold person history` tells what became of "
            "an id."
        )

    def find(self, forename: str, surname: str, born: date) -> list[Match]:
        """Everybody of this name and date of birth by any record; the audit log has the search, and each match, first.

        Raises:
            SubjectRefused: more people match than can be told apart.
            AuditError: the log cannot be trusted or written; nothing is shown.
        """
        self.note("find", None)
        store = self.council.store
        held = store.scan(SOURCE_RECORD, self.night).filter(pl.col("birth_date") == born)
        rows = held.select("record_id", "forename", "surname", "other_names").collect()
        others = rows.select("record_id", "other_names").explode("other_names").drop_nulls().unnest("other_names")
        every = pl.concat([rows.drop("other_names"), others.select("record_id", "forename", "surname")])
        every = every.join(rows.select("record_id", main="surname"), on="record_id")
        same = (_plain("forename") == _bare(forename)) & (
            pl.coalesce(_plain("surname"), _plain("main")) == _bare(surname)
        )
        records = every.filter(same.fill_null(False)).select("record_id").unique()
        links = store.scan(PERSON_LINK, self.night).select("record_id", "person_id").collect()
        people = links.join(records, on="record_id")["person_id"].unique().sort()
        if people.len() > MOST:
            raise SubjectRefused(f"more than {MOST} people match. Ask for the record by feed:key instead.")
        for person_id in people:
            self.note("find", person_id)
        golden = store.scan(PERSON, self.night).filter(pl.col("person_id").is_in(people.implode())).collect()
        hidden = set(self._protected.people)
        return [
            Match(
                row["person_id"],
                " ".join(part.title() for part in (row["forename"], row["middle_names"], row["surname"]) if part),
                str(row["birth_date"] or ""),
                "protected" if row["person_id"] in hidden else row["postcode"] or "",
                len(row["feeds"] or ()),
            )
            for row in golden.sort("person_id").iter_rows(named=True)
        ]

    def records(self, person_id: str) -> list[str]:
        """The records that stand with a person."""
        mine = self.council.store.scan(PERSON_LINK, self.night).filter(pl.col("person_id") == person_id)
        return mine.select("record_id").sort("record_id").collect()["record_id"].to_list()

    # -- the document ------------------------------------------------------------------------------------------------

    def pack(self, person_id: str, language: str = "en") -> pl.DataFrame:
        """Let out all that is held of a person, for that person: the row of RELEASE.

        The log has the look before anything is opened, and the release before the file is there.

        Raises:
            SubjectRefused: no request is named for which it is made, or the language has no templates.
            ReleaseRefused, AuditError: see `Releaser.release_many`.
        """
        if self.asker.case is None:
            self.note("refuse", person_id)
            raise SubjectRefused(
                "say for which request it is made with --case: its reference in your own register. Nothing was opened; "
                "the audit log has that it was asked for."
            )
        if language not in TONGUES:
            raise SubjectRefused(f"there are no templates in that language. Languages: {', '.join(sorted(TONGUES))}.")
        self.note("reveal", person_id)
        held, until = self.held(person_id), self.council.rights.keep_packs.after(self.today)
        made = subject.document(held, self.site, TONGUES[language], language, self.asker.case, until)
        item = Item(
            SUBJECT, self.team, self.asker.role, SUBJECT_ACCESS, person_id, made, subject.shown(held), name=language,
            until=until,
        )  # fmt: skip
        return let_out(self.council, [item], self.today, self.asker.who)

    # -- what they ask for --------------------------------------------------------------------------------------------

    def object_to(
        self, person_id: str, uses: Sequence[str], partner: str | None, words: str, on: date, decision: str, why: str
    ) -> list[str]:
        """Keep that a person objects to uses of their data and what was decided, after the log has it; the ids.

        Raises:
            SubjectRefused: the words are too long, or the partner is none.
            StoreError: it is not complete, or would block what the law does not let it; nothing is kept then.
        """
        self._short(words, why)
        if partner is not None and partner not in {party.id for party in self.council.organisation.parties}:
            raise SubjectRefused(f"there is no partner {partner!r}. Name one as site.yaml does.")
        row = {"their_words": words, "asked_on": on, "decision": decision, "note": why, "who": self.asker.who}
        at = self.clock()
        rows = [
            row | {"use": use, "partner": partner if use == rights.SHARING else None, "decided_at": at} for use in uses
        ]
        self.note("object", person_id)
        return rights.object_to(self.council.store, self.records(person_id), rows, self.council.rights)

    def correct(
        self, person_id: str, told: str, words: str, on: date, feed: str | None = None
    ) -> tuple[str, list[str]]:
        """Keep what a person says is not right, after the log has it; its id, and the feeds whose records hold it.

        Args:
            person_id: the person.
            told: an attribute's name, or the reference or id of something that was recorded.
            words: what they say is right.
            on: the day on which they said so.
            feed: of an attribute, the one record's; None: of all that hold what is used.

        Raises:
            SubjectRefused: nothing of the person's is called so, or the words are too long.
        """
        self._short(words)
        kind, item, records = self._disputed(person_id, told, feed)
        self.note("correct", person_id)
        row = {"kind": kind, "item": item, "their_words": words, "asked_on": on, "who": self.asker.who,
               "decided_at": self.clock()}  # fmt: skip
        made = rights.correct(self.council.store, records["record_id"].to_list(), row)
        return made, records["feed"].unique().sort().to_list()

    def answer(self, correction_id: str, status: str, why: str) -> None:
        """Keep what the owner of a record answered, after the log has it."""
        self._short(why)
        kept = rights.of_people(self.council.store, CORRECTION, self.night)
        people = kept.filter(pl.col("correction_id") == correction_id)["person_id"].unique().to_list()
        for person_id in people or [None]:
            self.note("correct", person_id)
        rights.answer(self.council.store, correction_id, status, why, self.asker.who, self.clock())

    def withhold(self, person_id: str, items: Sequence[str], unsaid: bool, opinion: str) -> None:
        """Keep that a person is not shown some of their data, from now on, after the log has it.

        Raises:
            SubjectRefused: nothing of the person's is called so.
            StoreError: it does not say whose opinion it was.
        """
        self._short(opinion)
        found = [self._item(person_id, told) for told in items]
        self.note("withhold", person_id)
        pairs = [(item, record) for _, item, record in found]
        rights.withhold(self.council.store, pairs, unsaid, opinion, self.asker.who, self.clock())

    def withdraw(self, ids: Sequence[str]) -> None:
        """Take objections and withholdings back, after the log has it."""
        store = self.council.store
        known = [rights.of_people(store, table, self.night) for table in (OBJECTION, WITHHOLDING)]
        people = [k.filter(pl.col(k.columns[1]).is_in(list(ids)))["person_id"].unique() for k in known]
        for person_id in pl.concat(people).unique().sort().to_list() or [None]:
            self.note("object", person_id)
        rights.withdraw(store, ids, self.asker.who, self.clock())

    def kept(self, person_id: str) -> dict[str, pl.DataFrame]:
        """What is kept of a person's objections, corrections and withholdings, after the log has the look."""
        self.note("subject", person_id)
        return {t.name: self._of(t, person_id).unique(t.key[0], keep="first", maintain_order=True) for t in REGISTERS}

    def _short(self, *words: str) -> None:
        if any(len(text) > LONGEST for text in words):
            raise SubjectRefused(f"what is kept has at most {LONGEST:,} characters. Shorten it.")

    def _item(self, person_id: str, told: str) -> tuple[str, str, str]:
        """The kind, id and record of something that was recorded of a person, by its id or reference."""
        records, found = self.records(person_id), []
        for table in TOLD:
            name = table.key[0]
            rows = self.council.store.scan(table, self.night).filter(pl.col("record_id").is_in(records))
            rows = rows.filter(pl.col(name).str.starts_with(told.strip().lower())).select(name, "record_id").unique()
            found += [(table.name, item, record) for item, record in rows.collect().iter_rows()]
        if len(told.strip()) < 8 or len(found) != 1:
            raise SubjectRefused("nothing, or more than one thing, of this person has that reference. Check it.")
        return found[0]

    def _disputed(self, person_id: str, told: str, feed: str | None) -> tuple[str, str, pl.DataFrame]:
        """What is disputed: its kind, its name or id, and the records that hold it (record_id, feed)."""
        store = self.council.store
        mine = store.scan(SOURCE_RECORD, self.night).filter(pl.col("record_id").is_in(self.records(person_id)))
        if told not in ATTRIBUTES:
            kind, item, record = self._item(person_id, told)
            rows = mine.filter(pl.col("record_id") == record).select("record_id", "feed").collect()
            return kind, item, rows
        golden = store.scan(PERSON, self.night).filter(pl.col("person_id") == person_id).select(told).collect().item()
        held = mine.select("record_id", "feed", told).collect()
        rows = held.filter(pl.col("feed") == feed if feed else (pl.col(told) == golden).fill_null(False))
        rows = rows if rows.height else held.filter(pl.col(told).is_not_null())
        if rows.is_empty():
            raise SubjectRefused("no record of this person holds that, so that there is nothing to correct.")
        return "attribute", told, rows.select("record_id", "feed")

    # -- what is opened ----------------------------------------------------------------------------------------------

    @property
    def site(self) -> Site:
        """What the council's own files say."""
        council = self.council
        return Site(
            council.wording, council.contracts, list(council.agreements), council.indicators, council.cohorts,
            council.rights, council.retention,
        )  # fmt: skip

    def held(self, person_id: str) -> Held:
        """Open all that is held of a person, in memory alone."""
        store, night = self.council.store, self.night
        links = store.scan(PERSON_LINK, night).filter(pl.col("person_id") == person_id).collect()
        ids = links["record_id"].implode()
        records = store.scan(SOURCE_RECORD, night).filter(pl.col("record_id").is_in(ids)).collect()
        golden = store.scan(PERSON, night).filter(pl.col("person_id") == person_id).collect().row(0, named=True)
        told = {t.name: store.scan(t, night).filter(pl.col("record_id").is_in(ids)).collect() for t in TOLD[:3]}
        told[RELATIONSHIP.name] = self._related(ids)
        home = store.scan(HOUSEHOLD_MEMBER, night).filter(pl.col("person_id") == person_id)
        household = home.join(store.scan(HOUSEHOLD, night), on="household_id").collect()
        hidden = person_id in set(self._protected.people)
        names, places = self._others(person_id, told[RELATIONSHIP.name], household["household_id"])
        theirs = pl.col("person_id") == person_id
        units = pl.Series([person_id, *household["household_id"]]).implode()
        profile = store.scan(PERSON_PROFILE, night).filter(theirs).collect()
        barred = rights.wholly_barred(store, night, rights.MARTS, self.council.rights)
        looks, withheld = audit_log(self.council).frame(), self._of(WITHHOLDING, person_id)
        spared = records.filter(~pl.col("feed").is_in(self._feeds(withheld, records).implode()))
        ids_then = self._ids(person_id, links["record_id"])
        return Held(
            person_id=person_id,
            night=night,
            person=golden,
            records=records,
            links=links,
            told=told,
            beside=self._beside(spared),
            aside=self._aside(records),
            homes=store.scan(OCCUPANCY, night).filter(theirs).collect(),
            household=household,
            indicators=store.scan(INDICATOR, night).filter(theirs).collect(),
            cohorts=store.scan(COHORT_MEMBER, night).filter(pl.col("unit_id").is_in(units)).collect(),
            flags=store.scan(RISK_FLAG, night).filter(theirs).collect(),
            flagged=self._flagged(ids_then),
            profile=profile.row(0, named=True) if profile.height else {},
            in_marts=person_id not in set(barred),
            released=self._released(ids_then),
            looks=_then(looks, ids_then, "at"),
            covered=self._covering(person_id, household["household_id"]),
            objections=self._of(OBJECTION, person_id).unique("objection_id", keep="first"),
            corrections=self._corrected(person_id, records),
            withheld=withheld,
            hidden=hidden,
            names=names,
            places=places,
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    @cached_property
    def _protected(self) -> Any:
        store = self.council.store
        records = store.scan(SOURCE_RECORD, self.night).select("record_id", *ADDRESS, "other_addresses").collect()
        links = store.scan(PERSON_LINK, self.night).select("record_id", "person_id").collect()
        return protected_of(self.council, records, links, store.read(DWELLING, self.night))

    def _of(self, table: Table, person_id: str) -> pl.DataFrame:
        return rights.of_people(self.council.store, table, self.night).filter(pl.col("person_id") == person_id)

    def _corrected(self, person_id: str, records: pl.DataFrame) -> pl.DataFrame:
        """The person's corrections, with the feeds of the records that each is about."""
        rows = self._of(CORRECTION, person_id).join(records.select("record_id", "feed"), on="record_id", how="left")
        feeds = rows.group_by("correction_id").agg(pl.col("feed").drop_nulls().unique().sort().alias("feeds"))
        return rows.unique("correction_id", keep="first", maintain_order=True).join(feeds, on="correction_id")

    def _covering(self, person_id: str, homes: pl.Series) -> set[str]:
        """The agreements that cover the person, by themselves or with whom they live."""
        store, agreements = self.council.store, self.council.agreements
        members = store.scan(HOUSEHOLD_MEMBER, self.night).filter(pl.col("household_id").is_in(homes.implode()))
        home = members.select("person_id").collect()["person_id"].to_list()
        people = store.scan(PERSON, self.night).select("person_id", "birth_date").collect()
        links = store.scan(PERSON_LINK, self.night).select("record_id", "person_id")
        links = links.filter(pl.col("person_id").is_in([person_id, *home]))
        open_now = store.as_of(INVOLVEMENT, self.night, self.night).join(links, on="record_id").collect()
        mine, beside = of(person_id, people, open_now, home, self.night)
        housed = [
            name for name in map(attrgetter("name"), agreements) if any(agreements.covers(name, one) for one in beside)
        ]
        whom = {False: mine, True: replace(mine, household_covered=True) if mine else None}
        return {one.name for one in agreements if agreements.covers(one.name, whom[one.name in housed])}

    def _related(self, ids: pl.Series) -> pl.DataFrame:
        """Relationships of the person's records, from either end, with the people at both."""
        store = self.council.store
        either = pl.col("record_id").is_in(ids) | pl.col("other_record_id").is_in(ids)
        links = store.scan(PERSON_LINK, self.night).select("record_id", "person_id")
        others = links.rename({"record_id": "other_record_id", "person_id": "other_person_id"})
        rows = store.scan(RELATIONSHIP, self.night).filter(either)
        return rows.join(links, on="record_id", how="left").join(others, on="other_record_id", how="left").collect()

    def _others(self, person_id: str, related: pl.DataFrame, homes: pl.Series) -> tuple[list[str], list[str]]:
        """Names of those who live with or belong to the person, and every protected address."""
        store = self.council.store
        members = store.scan(HOUSEHOLD_MEMBER, self.night).filter(pl.col("household_id").is_in(homes.implode()))
        beside = [members.select("person_id").collect()["person_id"], related["person_id"], related["other_person_id"]]
        others = pl.concat([one.cast(pl.String) for one in beside]).drop_nulls().unique()
        others = others.filter(others != person_id)
        golden = store.scan(PERSON, self.night).filter(pl.col("person_id").is_in(others.implode())).collect()
        parts = [golden["forename"], golden["surname"], golden["middle_names"].str.split(" ").explode()]
        parts += [golden["names"].explode().struct.field(part) for part in ("forename", "surname")]
        names = pl.concat([part.cast(pl.String) for part in parts]).drop_nulls().unique().sort().to_list()
        protected = self._protected.people  # of anybody: where they live is told to nobody
        if protected.is_empty():
            return names, []
        links = store.scan(PERSON_LINK, self.night).filter(pl.col("person_id").is_in(protected.implode()))
        rows = store.scan(SOURCE_RECORD, self.night).join(links.select("record_id"), on="record_id", how="semi")
        held = rows.select("address", "postcode", "uprn", "other_addresses").collect()
        more = held["other_addresses"].explode().struct
        told = [held["address"], held["postcode"], held["uprn"]]
        told += [more.field(part) for part in ("text", "postcode", "uprn")]
        whole = pl.concat([one.cast(pl.String) for one in told]).drop_nulls()
        doors = whole.str.split(",").list.first().str.strip_chars()
        return names, pl.concat([whole, doors]).unique().sort().to_list()

    def _feeds(self, withheld: pl.DataFrame, records: pl.DataFrame) -> pl.Series:
        """The feeds from whose rows something is withheld: what else stands in these rows could tell of it."""
        return records.join(withheld.select("record_id"), on="record_id", how="semi")["feed"].unique()

    def _beside(self, records: pl.DataFrame) -> pl.DataFrame:
        """What else stands in the person's rows, of every feed whose keys theirs are."""
        store, council = self.council.store, self.council
        feeds, found = set(records["feed"]), [pl.DataFrame(schema=about.BESIDE)]
        used = deliveries_in_force(store, council.contracts, self.night)
        for feed, delivery in used.items():
            contract, folder = council.contracts[feed], f"feed/{feed}/{delivery}"
            if contract.keys_of in feeds:
                kept = {f"{ACCEPTED}{t.name}": t.name for t in contract.tables}
                there = [name for name in store.names(Zone.VAULT, folder) if name in kept]
                rows = {kept[name]: store.get(Zone.VAULT, folder, name).collect() for name in there}
                found.append(about.beside(contract, rows, records))
        return pl.concat(found)

    def _aside(self, records: pl.DataFrame) -> pl.DataFrame:
        """Rows of all deliveries that were set aside and seem to be about the person."""
        store, found = self.council.store, [pl.DataFrame(schema=about.ASIDE)]
        for feed, contract in self.council.contracts.items():
            for delivery in ledger.loaded(store, feed):
                frames = ledger.quarantined(store, feed, delivery)
                if any(frame.height for frame in frames.values()):
                    found.append(about.aside(contract, delivery, frames, records, self.council.ring))
        return pl.concat(found)

    def _ids(self, person_id: str, records: pl.Series) -> pl.DataFrame:
        """The ids under which the person's records ever stood: person_id, from, to (null: still)."""
        store = self.council.store
        past = store.scan(LINK_PAST, self.night).filter(pl.col("record_id").is_in(records.implode())).collect()
        then = past.filter(pl.col("person_id") != person_id).select("person_id", "from", "to").unique()
        now_ = pl.DataFrame({"person_id": [person_id], "from": [None], "to": [None]}, schema=then.schema)
        return pl.concat([now_, then])

    def _flagged(self, ids: pl.DataFrame) -> pl.DataFrame:
        """Since when and until when flags were raised for the person: team, outcome, first, last."""
        used = self._used(ids).filter((pl.col("kind") == "flag") & pl.col("own"))
        outcome = pl.col("output_id").str.split("/").list.first().alias("outcome")
        return used.group_by("team", outcome).agg(
            pl.col("night").min().alias("first"), pl.col("night").max().alias("last")
        )

    def _used(self, ids: pl.DataFrame) -> pl.DataFrame:
        """What was let out on any night and used the person's facts: OUTPUT_USE with `night` and `own`."""
        store = self.council.store
        people = ids["person_id"].unique().implode()
        parts = [OUTPUT_USE.empty().with_columns(night=pl.lit(None, pl.Date)).lazy()]
        for name in store.folders(OUTPUT_USE.zone, OUTPUT_USE.name):
            night = date.fromisoformat(name)
            rows = store.scan(OUTPUT_USE, night).filter(pl.col("about").is_in(people))
            parts.append(rows.with_columns(night=pl.lit(night)))
        used = pl.concat(parts).collect()
        used = used.with_columns(own=pl.col("person_id").eq_missing(pl.col("about")))
        return _then(used.rename({"person_id": "of", "about": "person_id"}), ids, "night")

    def _released(self, ids: pl.DataFrame) -> pl.DataFrame:
        """Files that told of the person: RELEASE with `own`."""
        every = ever_released(self.council)
        mine = _then(every, ids, "released_at").with_columns(own=pl.lit(True))
        beside = self._used(ids).filter(~pl.col("own")).select(release_id="output_id").unique()
        others = every.join(beside, on="release_id", how="semi").join(mine, on="release_id", how="anti")
        return pl.concat([mine, others.with_columns(own=pl.lit(False))]).select(*RELEASE.schema, "own")


def _then(rows: pl.DataFrame, ids: pl.DataFrame, at: str) -> pl.DataFrame:
    """Rows about one of some ids while it stood for the person."""
    day = pl.col(at).cast(pl.Date)
    since, until = pl.col("_from").is_null() | (day >= pl.col("_from")), pl.col("_to").is_null() | (day < pl.col("_to"))
    known = ids.select("person_id", pl.col("from").alias("_from"), pl.col("to").alias("_to"))
    place = rows.with_row_index("_row").join(known, on="person_id").filter(since & until)
    return place.unique("_row", keep="first").sort("_row").drop("_row", "_from", "_to")


def _answers(council: Council) -> tuple[str, Team]:
    """The team of the council that answers people's requests."""
    for name, team in council.organisation.teams.items():
        if team.reason == SUBJECT_ACCESS and team.party is None:
            return name, team
    raise SubjectRefused(
        f"no team of the council has {SUBJECT_ACCESS} as its reason. Add the one that answers people to site.yaml."
    )


def _bare(name: str) -> str:
    return re.sub(r"[^\w]+", "", name).upper()


def _plain(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"[^\w]+", "").str.to_uppercase()
