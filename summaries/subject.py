"""What is held about one person, put together for that person: their own data in words, and nobody else's.

What belongs here: choosing and wording what such a document says, in English or in Welsh. Who may have it made and what
is opened for it belongs in `pipelines.subject_desk`; letting it out, in `governance.release`.

Other people are told of by what they are to the person, never by name (UK GDPR Article 15(4), DPA 2018 Schedule 2
paragraph 16); so are the records of others on which a calculation rests. A protected address is nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from feeds.contracts import Contract
from governance.organisation import COUNCIL, Length
from governance.retention import Retention
from governance.rights import Rights
from governance.terms import Agreement
from models.rules import Cohort, Indicator
from summaries.facts import rests_on
from summaries.permitted import all_rows
from summaries.render import page
from summaries.tongues import Tongue
from summaries.wording import Wording
from summaries.words import rows_in_words
from warehouse.tables import EVENT, INVOLVEMENT, RELATIONSHIP, VOICE

Row = dict[str, Any]
ATTRIBUTES = (
    "forename", "middle_names", "surname", "birth_date", "death_date", "sex", "ethnicity", "nhs_number", "upn",
    "ni_number", "la_child_id", "phone", "email", "address", "postcode", "uprn",
)  # fmt: skip
RECORDED = (*ATTRIBUTES, "seen_on", "household_key", "source_key")
ADDRESSES = ("address", "postcode", "uprn", "other_addresses")
PROPER = ("forename", "middle_names", "surname", "address")
INVERSE = {
    "parent": "child", "mother": "child", "father": "child", "child": "parent", "carer": "cared_for",
    "foster_carer": "fostered", "step_parent": "step_child", "grandparent": "grandchild",
}  # fmt: skip
STEWARDS = ("decide", "withdraw", "protect", "unprotect")
RIGHTS = (
    "find",
    "subject",
    "object",
    "correct",
    "withhold",
    "erase",
    "override",
)  # told as their request, but for find
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_POSTCODE = r"\b[A-Z]{1,2}[0-9][0-9A-Z]?\s*[0-9][A-Z]{2}\b"


@dataclass(frozen=True)
class Held:
    """All that is held about one person on a night, opened and not yet worded.

    Attributes:
        person: the row of PERSON. `records`: SOURCE_RECORD; `links`: PERSON_LINK of them.
        told: EVENT, INVOLVEMENT, VOICE of these records, what was taken back too; RELATIONSHIP of either end, with
            `person_id` and `other_person_id`. All by table name.
        beside: feed, column, value: what else stands in their rows, of nobody else.
        aside: feed, delivery, rules, and the columns of SOURCE_RECORD as far as they can be read: rows set aside.
        homes: OCCUPANCY. `household`: HOUSEHOLD with `certainty` and `from` of the person.
        indicators, cohorts: INDICATOR, COHORT_MEMBER of the person or household; `flags`: RISK_FLAG; `flagged`: team,
            outcome, first, last: since when and until when flags were raised.
        profile: PERSON_PROFILE. `in_marts`: whether analysts can query it.
        released: RELEASE with `own` (it is about the person), `about_others`.
        looks: ACCESS_LOG of the person's ids.
        covered: names of the agreements that cover the person.
        objections, corrections, withheld: the registers, a row each; of corrections, `feeds` whose records hold it.
        hidden: whether the person's address is protected.
        names: of other people, to be taken out of what is told in words. `places`: addresses likewise.
    """

    person_id: str
    night: date
    person: Row = field(repr=False)
    records: pl.DataFrame = field(repr=False)
    links: pl.DataFrame = field(repr=False)
    told: Mapping[str, pl.DataFrame] = field(repr=False)
    beside: pl.DataFrame = field(repr=False)
    aside: pl.DataFrame = field(repr=False)
    homes: pl.DataFrame = field(repr=False)
    household: pl.DataFrame = field(repr=False)
    indicators: pl.DataFrame = field(repr=False)
    cohorts: pl.DataFrame = field(repr=False)
    flags: pl.DataFrame = field(repr=False)
    flagged: pl.DataFrame = field(repr=False)
    profile: Row = field(repr=False)
    in_marts: bool
    released: pl.DataFrame = field(repr=False)
    looks: pl.DataFrame = field(repr=False)
    covered: Collection[str]
    objections: pl.DataFrame = field(repr=False)
    corrections: pl.DataFrame = field(repr=False)
    withheld: pl.DataFrame = field(repr=False)
    hidden: bool
    names: Sequence[str] = field(repr=False)
    places: Sequence[str] = field(repr=False)


@dataclass(frozen=True)
class Site:
    """What a council's own files say, as far as the document quotes it."""

    wording: Wording
    contracts: Mapping[str, Contract]
    agreements: Sequence[Agreement]
    indicators: Mapping[str, Indicator]
    cohorts: Sequence[Cohort]
    rights: Rights
    retention: Retention | None = None

    def feed(self, name: str) -> str:
        """A feed as a person would say it: who sends it, and what it is."""
        contract = self.contracts.get(name)
        return f"{self.wording.partners.get(contract.partner, contract.partner)}: {contract.name}" if contract else name

    def partner(self, name: str) -> str:
        """A partner's name."""
        return self.wording.partners.get(name, name)


def reference(fact_id: str) -> str:
    """What a line is called on paper and on the telephone: enough of its id to find it again."""
    return fact_id[:8].upper()


def shown(held: Held) -> tuple[str, ...]:
    """`partner: category` of all that the document tells, as the ledger of releases keeps it."""
    return tuple(sorted({*_pairs(held, withheld=False), "council: identity"}))


def _pairs(held: Held, withheld: bool) -> set[str]:
    """`partner: category` of what is held, or of what of it is withheld."""
    kinds = ((EVENT, pl.col("type")), (INVOLVEMENT, pl.lit(INVOLVEMENT.name)), (VOICE, pl.lit(VOICE.name)))
    told = [
        held.told[table.name]
        .filter(pl.col(table.key[0]).is_in(held.withheld["item"].implode()) == withheld)
        .select(pl.format("{}: {}", "partner", category))
        .to_series()
        for table, category in kinds
    ]
    return {pair for pairs in told for pair in pairs}


def document(held: Held, site: Site, tongue: Tongue, language: str, case: str, until: date) -> bytes:
    """The document as a page that opens offline, prints, and can be read aloud; `language` names its template."""
    return page(f"subject.{language}.html", **gathered(held, site, tongue), case=case, until=tongue.say(until)).encode()


def gathered(held: Held, site: Site, tongue: Tongue) -> Row:
    """All that the document says, by section, each a list of rows whose values are ready to be shown."""
    gone = set(held.withheld["item"])
    open_, spared = _Blank(held, tongue), held.withheld.filter(~pl.col("unsaid"))
    facts = _facts(held, site, tongue, gone, open_)
    told = {
        "tongue": tongue,
        "council": site.wording.council.council,
        "person": _name(held.person),
        "night": tongue.say(held.night),
        "hidden": held.hidden,
        "golden": _golden(held, site, tongue, open_),
        "sources": _sources(held, site, tongue),
        "homes": _homes(held, site, tongue),
        "household": held.household.to_dicts(),
        "kin": _kin(held, site, tongue, gone),
        "years": facts["years"],
        "involved": facts["involved"],
        "voice": facts["voice"],
        "beside": [
            {"feed": site.feed(feed), "rows": [(label, [open_(value) for value in values]) for label, values in rows]}
            for feed, rows in _by_feed(held.beside)
        ],
        "aside": _aside(held, site, tongue, open_),
        "flags": _flags(held, site, tongue),
        "flagged": _flagged(held, site, tongue),
        "signs": _signs(held, site, tongue),
        "by_others": _by_others(held),
        "profile": held.profile,
        "in_marts": held.in_marts,
        "released": _released(held, site, tongue),
        "looks": _looks(held, site, tongue),
        "agreements": _agreements(held, site, tongue),
        "kept": _kept(held, site, tongue),
        "withheld": spared["item"].n_unique(),
        "objections": _objections(held, site, tongue, open_),
        "corrections": _corrections(held, site, tongue, open_),
        "contact": _lines(site.rights.contact, tongue),
        "complaints": _lines(site.rights.complaints, tongue),
    }
    return told | {"blanked": open_.times > 0}


# -- who they are ----------------------------------------------------------------------------------------------------


def _name(person: Row) -> str:
    parts = (person["forename"], person["middle_names"], person["surname"])
    return " ".join(part.title() for part in parts if part)


def _proper(text: str) -> str:
    """A name or address as people write it; a postcode in it stays in capitals."""
    return re.sub(_POSTCODE, lambda found: found[0].upper(), text.title(), flags=re.IGNORECASE)


def _value(attribute: str, value: Any, tongue: Tongue) -> str:
    if isinstance(value, date):
        return tongue.say(value)
    if attribute == "sex":
        return tongue.name("sex", value) or str(value)
    text = _proper(str(value)) if attribute in PROPER else str(value)
    return _ISO.sub(lambda found: tongue.say(date(*map(int, found.groups()))), text)


def _golden(held: Held, site: Site, tongue: Tongue, blank: _Blank) -> list[Row]:
    """The best value of each attribute, who told it, who tells another, and what the person says of it."""
    source: dict[str, list[str]] = {}
    for row in held.person["provenance"] or ():
        source.setdefault(row["attribute"], []).append(row["feed"])
    others: dict[str, list[tuple[str, list[str]]]] = {}
    for row in held.person["disagreements"] or ():
        others.setdefault(row["attribute"], []).append((_value(row["attribute"], row["value"], tongue), row["feeds"]))
    disputed = _disputed(held, "attribute")
    rows: list[Row] = []
    for attribute in ATTRIBUTES:
        value = held.person.get(attribute)
        if attribute in ADDRESSES and held.hidden:
            continue  # the section on homes says so
        if value is None and attribute not in others and attribute not in disputed:
            continue
        rows.append(
            {
                "label": tongue.name("attribute", attribute),
                "value": _value(attribute, value, tongue) if value is not None else "",
                "feeds": sorted(
                    {
                        site.feed(feed)
                        for feed in source.get(attribute, source.get("address", ()) if attribute in ADDRESSES else ())
                    }
                ),
                "others": [(told, sorted(map(site.feed, feeds))) for told, feeds in others.get(attribute, ())],
                "disputed": [_said(row, tongue, blank) for row in disputed.get(attribute, ())],
            }
        )
    return rows


def _disputed(held: Held, *kinds: str) -> dict[str, list[Row]]:
    """Corrections that the person asked for, by what they are about."""
    found: dict[str, list[Row]] = {}
    for row in held.corrections.filter(pl.col("kind").is_in(kinds)).iter_rows(named=True):
        found.setdefault(row["item"], []).append(row)
    return found


def _said(row: Row, tongue: Tongue, blank: _Blank) -> Row:
    """What the person says is not right; of a protected address not even their own words are printed."""
    return {
        "words": tongue.hidden if blank.hides and row["item"] in ADDRESSES else blank(row["their_words"]),
        "on": tongue.say(row["asked_on"]),
        "status": tongue.name("decision", row["status"]),
        "note": blank(row["note"]),
    }


def _sources(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """Each record of the person, as its source holds it."""
    links = {row["record_id"]: row for row in held.links.iter_rows(named=True)}
    found = []
    for row in held.records.sort("feed", "record_id").iter_rows(named=True):
        link = links[row["record_id"]]
        found.append(
            {
                "feed": site.feed(row["feed"]),
                "values": _values(row, held.hidden, tongue),
                "joined": tongue.name("joined", link["by"]) or tongue.name("joined", "probability"),
                "since": tongue.say(link["linked_from"]),
            }
        )
    return sorted(found, key=lambda one: one["feed"])


def _values(row: Row, hidden: bool, tongue: Tongue) -> list[tuple[str, str]]:
    """What a record says of the person, as label and value."""
    made = []
    for attribute in RECORDED:
        if row.get(attribute) is not None and not (hidden and attribute in ADDRESSES):
            made.append((tongue.name("attribute", attribute) or attribute, _value(attribute, row[attribute], tongue)))
    names = [
        " ".join(part.title() for part in (one["forename"], one["middle_names"], one["surname"]) if part)
        + (f" ({tongue.name('name', one['kind']) or one['kind']})" if one["kind"] else "")
        for one in row.get("other_names") or ()
    ]
    places = [
        f"{_proper(one['text'] or '')} {one['postcode'] or ''} ({tongue.span(one['from'], one['to'])})".strip()
        for one in row.get("other_addresses") or ()
    ]
    for attribute, told in (("other_names", names), ("other_addresses", [] if hidden else places)):
        if told:
            made.append((tongue.name("attribute", attribute) or attribute, "; ".join(told)))
    return made


def _homes(held: Held, site: Site, tongue: Tongue) -> Row:
    """Where records place the person: addresses with their dates, and stays as Kinfold makes them of these."""
    addresses = [
        {
            "address": ", ".join(filter(None, (_proper(row["address"] or ""), row["postcode"]))),
            "when": tongue.span(row["from"], row["to"]),
            "feeds": sorted(map(site.feed, row["feeds"])),
        }
        for row in (() if held.hidden else held.person["addresses"] or ())
    ]
    stays = [
        {
            "what": tongue.name("lived", row["state"]),
            "when": tongue.span(row["from"], row["to"]),
            "feeds": sorted(map(site.feed, row["evidence"])),
        }
        for row in held.homes.sort("state", "from", nulls_last=True).iter_rows(named=True)
    ]
    return {"addresses": addresses, "stays": stays}


def _kin(held: Held, site: Site, tongue: Tongue, gone: Collection[str]) -> list[Row]:
    """Other people, by what they are to the person and who says so; never by name."""
    mine = set(held.records["record_id"])
    rows = held.told[RELATIONSHIP.name].filter(~pl.col("relationship_id").is_in(list(gone)))
    found = []
    for row in rows.sort("start", "relationship_id", nulls_last=True).iter_rows(named=True):
        theirs = row["kind"] if row["other_record_id"] in mine else INVERSE.get(row["kind"], row["kind"])
        found.append(
            {
                "who": tongue.name("kin", theirs) or tongue.name("kin", "other_relative"),
                "when": tongue.span(_day(row["start"]), _day(row["end"])),
                "source": site.partner(row["partner"]),
                "ref": reference(row["relationship_id"]),
                "gone": tongue.say(_day(row["known_to"])),
            }
        )
    return found


def _day(moment: Any) -> date | None:
    return moment.date() if moment else None


# -- what happened ---------------------------------------------------------------------------------------------------


class _Blank:
    """Takes the names of other people, and protected addresses, out of text; counts how often."""

    def __init__(self, held: Held, tongue: Tongue) -> None:
        own = {part.upper() for part in _name(held.person).split()}
        names = sorted({n.upper() for n in held.names if len(n) > 1} - own, key=lambda n: (-len(n), n))
        spelt = "|".join(f"{re.escape(n.title())}|{re.escape(n)}" for n in names)
        self._names = re.compile(rf"\b(?:{spelt})\b") if spelt else None
        parts = [re.escape(place) for place in sorted(held.places, key=len, reverse=True) if len(place) > 5]
        hidden = "|".join([*parts, _POSTCODE] if held.hidden else parts)
        self._places = re.compile(hidden, re.IGNORECASE) if hidden else None
        self._somebody, self._hidden = tongue.somebody, f"[{tongue.hidden.lower()}]"
        self.times, self.hides = 0, held.hidden

    def __call__(self, text: str | None) -> str:
        for pattern, put in ((self._places, self._hidden), (self._names, self._somebody)):
            if pattern is not None and text:
                text, times = pattern.subn(put, text)
                self.times += times
        return text or ""


def _facts(held: Held, site: Site, tongue: Tongue, gone: Collection[str], blank: _Blank) -> dict[str, list[Any]]:
    """Events by year, involvements, and what was said; what was taken back since is marked."""
    tables = (EVENT, INVOLVEMENT, VOICE)
    of = [held.told[t.name].with_columns(person_id=pl.lit(held.person_id)) for t in tables]
    until = pl.concat(
        [f.select(pl.col(t.key[0]).alias("fact_id"), pl.col("known_from").dt.to_string("iso").alias("version"),
                  "known_to", pl.col("start").alias("began"), pl.col("end").alias("ended") if "end" in f.columns
                  else pl.lit(None, pl.Datetime("us")).alias("ended")) for t, f in zip(tables, of, strict=True)]
    )  # fmt: skip
    rows = all_rows(*of).filter(~pl.col("fact_id").is_in(list(gone))).with_columns(open=pl.col("end").is_null())
    rows = rows_in_words(rows, site.wording).join(until, on=["fact_id", "version"], how="left", maintain_order="left")
    rows = rows.sort("began", "fact_id", "version", descending=[True, False, False], nulls_last=True)
    spells = {key for key, category in site.wording.vocabulary.categories.items() if category.spell}
    disputed = _disputed(held, EVENT.name, INVOLVEMENT.name, VOICE.name)
    events: dict[str, list[Row]] = {}
    made: dict[str, list[Any]] = {"years": [], "involved": [], "voice": []}
    for row in rows.iter_rows(named=True):
        kind, began, ended = row["category"], _day(row["began"]), _day(row["ended"])
        lasts = kind == INVOLVEMENT.name or kind in spells or (ended is not None and ended != began)
        told = {
            "when": tongue.span(began, ended) if lasts else tongue.say(began) or tongue.unknown,
            "what": row["what"],
            "detail": blank(row["detail"]),
            "source": row["source"],
            "ref": reference(row["fact_id"]),
            "gone": tongue.say(_day(row["known_to"])),
            "disputed": [_said(one, tongue, blank) for one in disputed.get(row["fact_id"], ())],
        }
        if kind == INVOLVEMENT.name:
            made["involved"].append(told)
        elif kind == VOICE.name:
            spoke = next(iter(held.told[VOICE.name].filter(voice_id=row["fact_id"])["said_by"]), None)
            made["voice"].append(
                told | {"words": blank(row["words"]), "by": tongue.name("said_by", spoke) or row["said_by"] or ""}
            )
        else:
            events.setdefault(str(began.year) if began else tongue.unknown, []).append(told)
    made["years"] = list(events.items())
    return made


def _by_feed(rows: pl.DataFrame) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """What else stands in the person's rows: of each feed the columns, and what they hold."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows.unique().sort("feed", "column", "value").iter_rows(named=True):
        found.setdefault(row["feed"], {}).setdefault(row["column"], []).append(row["value"])
    return [(feed, list(columns.items())) for feed, columns in found.items()]


def _aside(held: Held, site: Site, tongue: Tongue, blank: _Blank) -> list[Row]:
    """Rows that were set aside because they broke a rule, and seem to be about the person; alike ones once."""
    found: dict[str, Row] = {}
    for row in held.aside.sort("feed", "delivery").iter_rows(named=True):
        day = _ISO.sub(lambda found: tongue.say(date(*map(int, found.groups()))), row["delivery"].split(".")[0])
        told = {"feed": site.feed(row["feed"]), "rules": [blank(rule) for rule in row["rules"]],
                "values": _values(row, held.hidden, tongue)}  # fmt: skip
        found.setdefault(str(told), told | {"days": []})["days"].append(day)
    return [row | {"when": "; ".join(dict.fromkeys(row["days"]))} for row in found.values()]


# -- what was made of it ---------------------------------------------------------------------------------------------


def _flags(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """Flags that stand, with the reasons that are about the person; of others' records only that there are some."""
    gone = held.told[EVENT.name].filter(pl.col("event_id").is_in(held.withheld["item"].implode()))
    types = set(gone["type"])
    return [
        {
            "outcome": site.wording.vocabulary.outcomes.get(row["outcome"], row["outcome"]),
            "team": _team(row["team"], site),
            "band": tongue.name("band", row["band"]) or row["band"],
            "as_of": tongue.say(row["as_of"]),
            "reasons": [r for r in row["reasons"] or () if rests_on(r)[1] and rests_on(r)[0] not in types],
            "others": any(not rests_on(r)[1] for r in row["reasons"] or ()),
        }
        for row in held.flags.sort("outcome").iter_rows(named=True)
    ]


def _flagged(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    return [
        {
            "outcome": site.wording.vocabulary.outcomes.get(row["outcome"], row["outcome"]),
            "team": _team(row["team"], site),
            "when": tongue.span(row["first"], row["last"]),
        }
        for row in held.flagged.sort("first", "outcome").iter_rows(named=True)
    ]


def _signs(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """Rules that the person's records meet by themselves; those that rest on others' too are told by `_by_others`."""
    own, gone = set(held.told[EVENT.name]["event_id"]), set(held.withheld["item"])
    found = []
    for row in held.indicators.sort("indicator").iter_rows(named=True):
        known = site.indicators.get(row["indicator"])
        if set(row["evidence"] or ()) <= own - gone:
            words = known.plain_words if known else row["indicator"]
            found.append({"what": words, "when": tongue.span(row["since"], row["latest"])})
    named = {cohort.cohort: cohort.plain_words for cohort in site.cohorts}
    found += [
        {"what": named.get(row["cohort"], row["cohort"]), "when": ""}
        for row in held.cohorts.sort("cohort").iter_rows(named=True)
    ]
    return found


def _by_others(held: Held) -> int:
    """How many rules rest on records of others as well: neither which nor when may be told, as these are theirs."""
    own = set(held.told[EVENT.name]["event_id"])
    return sum(not set(evidence or ()) <= own for evidence in held.indicators["evidence"].to_list())


# -- who has it ------------------------------------------------------------------------------------------------------


def _team(name: str | None, site: Site) -> str:
    team = site.wording.council.teams.get(name or "")
    return team.name if team else name or ""


def _released(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """Who was given files with their data: one row a recipient, kind of file and reason, with what these showed.

    A summary shows others of the household too: only kinds of record are told that the person has some of.
    """
    made = (
        held.released.with_columns(day=pl.col("released_at").dt.date(), shared=pl.when("own").then("shared"))
        .group_by("team", "kind", "reason", "own")
        .agg(
            pl.col("day").min().alias("first"),
            pl.col("day").max().alias("last"),
            pl.len().alias("times"),
            pl.col("expires_on").max(),
            pl.col("shared").explode().drop_nulls().unique().sort(),
        )
        .sort("last", "team", "kind", "own", descending=[True, False, False, True])
    )
    found, theirs = [], _pairs(held, withheld=False)
    for row in made.iter_rows(named=True):
        mine = [pair for pair in row["shared"] if pair in theirs or pair.startswith(f"{COUNCIL}: ")]
        pairs = [pair.split(": ", 1) for pair in mine]
        by: dict[str, list[str]] = {}
        for partner, category in pairs:
            by.setdefault(site.partner(partner), []).append(site.wording.category(category))
        found.append(
            {
                "team": _team(row["team"], site),
                "kind": tongue.name("kind", row["kind"]) or row["kind"],
                "own": row["own"],
                "reason": site.wording.council.reasons.get(row["reason"], row["reason"]),
                "when": tongue.span(row["first"], row["last"]),
                "times": row["times"],
                "gone": tongue.say(row["expires_on"]),
                "showed": [(partner, sorted(categories)) for partner, categories in sorted(by.items())],
            }
        )
    return found


def _looks(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """Who looked, but for files that were let out, which stand above: by team and role, not by the worker's name."""
    looked = held.looks.filter(~pl.col("action").is_in(["release", "many"])).with_columns(
        pl.col("action").replace(dict.fromkeys(RIGHTS[1:], "subject") | dict.fromkeys(STEWARDS, "decide")),
        day=pl.col("at").dt.date(),
    )
    made = looked.group_by("action", "team", "role", "reason").agg(
        pl.col("day").min().alias("first"), pl.col("day").max().alias("last"), pl.len().alias("times")
    )
    return [
        {
            "what": tongue.name("action", row["action"]),
            "plain": row["action"].replace("_", " "),
            "team": _team(row["team"], site),
            "role": (row["role"] or "").replace("_", " "),
            "reason": site.wording.council.reasons.get(row["reason"], row["reason"] or ""),
            "when": tongue.span(row["first"], row["last"]),
            "times": row["times"],
        }
        for row in made.sort("last", "action", "team", descending=[True, False, False]).iter_rows(named=True)
    ]


def _agreements(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """The agreements in force that cover the person: why, by what law, for whom, and how long files may be kept."""
    return [
        {
            "purpose": one.purpose,
            "law": list(one.lawful_basis.lines()),
            "teams": sorted(_team(recipient.team, site) for recipient in one.recipients),
            "summary": length(one.retention.summary, tongue),
            "export": length(one.retention.export, tongue),
            "audit": length(one.retention.audit, tongue),
        }
        for one in site.agreements
        if one.in_force(held.night) and one.name in held.covered
    ]


def _kept(held: Held, site: Site, tongue: Tongue) -> list[Row]:
    """How long what is held of the person is kept, by the rules that name its kinds; the last for all else."""
    if site.retention is None:
        return []
    told = _pairs(held, withheld=False)
    mine = {pair.split(": ", 1)[1] for pair in told}
    found = []
    for rule in site.retention.rules:
        partners = {pair.split(": ", 1)[0] for pair in told if pair.split(": ", 1)[1] in rule.categories}
        if mine & set(rule.categories) and (not rule.partners or partners & set(rule.partners)):
            found.append(
                {
                    "what": sorted(site.wording.category(name) for name in mine & set(rule.categories)),
                    "services": sorted(site.wording.services.get(one, one) for one in rule.services),
                    "long": length(rule.keep, tongue),
                    "after": tongue.name("after", rule.after),
                }
            )
    otherwise = {"long": length(site.retention.otherwise.keep, tongue), "after": tongue.name("after", "end")}
    return [*found, {"what": [], "services": [], **otherwise}]


def length(of: Length | None, tongue: Tongue) -> str:
    """A length of time in words; nothing for none at all.

    Welsh nouns change after numbers: a year is *flynedd* after 2, *blynedd* after 3, 4 and 6, *mlynedd* elsewhere.
    """
    if of is None or not of.count:
        return ""
    n = of.count
    if tongue.english:
        return f"{n} {({'d': 'day', 'm': 'month', 'y': 'year'})[of.unit]}{'' if n == 1 else 's'}"
    years = {1: "flwyddyn", 2: "flynedd", 3: "blynedd", 4: "blynedd", 6: "blynedd"}
    word = {"d": "ddiwrnod" if n == 2 else "diwrnod", "m": "fis" if n == 2 else "mis", "y": years.get(n, "mlynedd")}
    return f"{n} {word[of.unit]}"


# -- what they asked for ---------------------------------------------------------------------------------------------


def _objections(held: Held, site: Site, tongue: Tongue, blank: _Blank) -> list[Row]:
    return [
        {
            "use": tongue.name("use", row["use"]) or row["use"],
            "partner": site.partner(row["partner"]) if row["partner"] else "",
            "on": tongue.say(row["asked_on"]),
            "words": blank(row["their_words"]),
            "decision": tongue.name("decision", row["decision"]),
            "note": blank(row["note"]),
            "ref": reference(row["objection_id"]),
        }
        for row in held.objections.sort("asked_on", "objection_id").iter_rows(named=True)
    ]


def _corrections(held: Held, site: Site, tongue: Tongue, blank: _Blank) -> list[Row]:
    return [
        {
            "item": tongue.name("attribute", row["item"]) or reference(row["item"]),
            "ref": reference(row["correction_id"]),
            "feeds": sorted(map(site.feed, row["feeds"] or ())),
            **_said(row, tongue, blank),
        }
        for row in held.corrections.sort("asked_on", "correction_id").iter_rows(named=True)
    ]


def _lines(contact: Any, tongue: Tongue) -> Row:
    """Lines of an address, and whether they are in English for want of Welsh ones."""
    if contact is None:
        return {"lines": (), "english": False}
    own = tongue.english or contact.welsh
    return {"lines": contact.lines if tongue.english else contact.welsh or contact.lines, "english": not own}
