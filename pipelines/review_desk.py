"""A data steward's desk: which pairs are asked about, what may be shown of them, and what is decided.

What belongs here: asking the agreements, writing the audit log, opening the vault in memory, keeping decisions. How it
looks belongs in `pipelines.review_page`; which pairs are worth asking about, in `linkage.review`.
"""

from __future__ import annotations

import fcntl
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from assets.context import Council
from assets.people import MODEL, load_model
from assets.sharing import audit_log, hidden_people, protected_people
from assets.summaries import released
from governance.audit import Entry
from governance.inert import line as inert
from governance.pseudonyms import record_ids
from governance.reveal import Asker, ask
from linkage import decisions, review
from linkage.conform import READ
from linkage.model import Model
from summaries.words import say
from warehouse.tables import LINK_DECISION, MATCH_EDGE, PERSON_LINK, RISK_FLAG, SOURCE_RECORD, Zone

TEAM = "data-stewards"
SEEN = "register/seen"  # in the vault: what a record said when it was decided on, as a keyed hash
SAMPLES = "review/sample"
LONGEST_NOTE = 1000  # characters
PAIR = review.PAIR
_RECORD = re.compile(r"[0-9a-f]{32}")

IDS = {
    "nhs_number": "NHS number",
    "upn": "Unique pupil number",
    "ni_number": "National Insurance number",
    "la_child_id": "Council’s child id",
}
WORDS = {"same": "the same person", "different": "different people", "never": "never link", "unsure": "unsure"}


class ReviewRefused(Exception):
    """What was asked for is not permitted or cannot be done; says why and what to do, and quotes no value."""


def now() -> datetime:
    """The time, UTC and naive."""
    return datetime.now(UTC).replace(tzinfo=None)


NAMED = "a name or user id of at most 80 characters, which begins with none of = + - @"


def named(who: str) -> bool:
    """Whether this can name somebody, in a log and in a spreadsheet alike."""
    return bool(who.strip()) and len(who) <= 80 and who.isprintable() and who.strip()[0] not in "=+-@"


@dataclass(frozen=True)
class Shown:
    """One pair as it may be shown: plain words and values, none of which is kept anywhere."""

    pair: tuple[str, str]
    together: bool
    asked: str
    rows: list[dict[str, str]] = field(repr=False)
    feeds: tuple[str, str]
    others: list[dict[str, str]] = field(repr=False)
    known: list[dict[str, str]] = field(repr=False)
    withheld: list[str]
    evidence: list[dict[str, Any]]
    total: str
    if_same: str
    if_different: str
    so_far: list[dict[str, str]] = field(repr=False)


class Desk:
    """What one reviewer works on: the published night, as the agreements allow."""

    def __init__(
        self,
        council: Council,
        who: str,
        reason: str,
        team: str = TEAM,
        role: str | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """Ask the agreements which partners' records this reviewer may see.

        Raises:
            ReviewRefused: no agreement gives this team and reason anybody's identity, or nobody is named. The audit
                log has it.
        """
        if not named(who):
            raise ReviewRefused(f"say who reviews with --who: {NAMED}.")
        known = council.organisation.teams.get(team)
        role = role or (known.roles[0] if known else "")
        self.council, self.clock = council, clock
        self.reviewer = Asker(who.strip(), team, role, reason)
        self._records: dict[str, dict[str, Any]] = {}
        self._asked_on: date | None = None
        self.cited: dict[str, str] = {}
        self._ask()

    def _ask(self) -> None:
        """Ask the agreements, anew on each day: one may end while the page is open."""
        council, by = self.council, self.reviewer
        today = self.clock().replace(tzinfo=UTC).astimezone(ZoneInfo(council.organisation.timezone)).date()
        if today == self._asked_on:
            return
        self._asked_on = today
        team, reason = by.team, by.reason
        partners = {contract.partner for contract in council.contracts.values()}
        asked = ask(council.agreements, by, partners, today)
        self.cited, whys = dict(asked.cited), list(asked.refused.values())
        if not self.cited:
            self.note_in_audit("refuse")
            raise ReviewRefused(
                f"no agreement lets the team {team!r} see whose records these are for the reason {reason!r}: "
                f"{whys[0] if whys else 'there is no feed'}. An agreement under sites/<council>/agreements shares the "
                "category identity of a partner with a team."
            )

    # -- what there is to do -----------------------------------------------------------------------------------------

    @cached_property
    def model(self) -> Model:
        """The linkage model in force.

        Raises:
            ReviewRefused: it was taken out of force, and no night has trained another yet.
        """
        if not self.council.store.has(Zone.VAULT, MODEL):
            raise ReviewRefused(
                "the linkage model is out of force. Run the next night, which trains one, and come back."
            )
        return load_model(self.council)

    @cached_property
    def edges(self) -> pl.DataFrame:
        """The pairs that the published night scored."""
        return self.council.store.read(MATCH_EDGE)

    @cached_property
    def links(self) -> pl.DataFrame:
        """`record_id`, `person_id` of the published night."""
        return self.council.store.scan(PERSON_LINK).select("record_id", "person_id").collect()

    @cached_property
    def feeds(self) -> pl.DataFrame:
        """`record_id`, `feed` of every record."""
        return self.council.store.scan(SOURCE_RECORD).select("record_id", "feed").collect()

    @cached_property
    def outputs(self) -> Mapping[str, dict[str, int]]:
        """Of each person on whom something rests: how many case summaries and risk flags."""
        store = self.council.store
        night = store.published()
        found: dict[str, dict[str, int]] = {}
        flags = store.scan(RISK_FLAG).select("person_id").collect()
        written = released(self.council, night).select("person_id") if night else flags.clear()
        for what, people in (("case summary", written), ("risk flag", flags)):
            for person, many in people.drop_nulls().group_by("person_id").len().iter_rows():
                found.setdefault(person, {})[what] = many
        return found

    def queue(self) -> pl.DataFrame:
        """The pairs to ask this reviewer about, the most telling first; only of partners that share identity."""
        said = decisions.read(self.council.store)
        resting = pl.DataFrame(
            [(person, sum(what.values())) for person, what in self.outputs.items()],
            schema={"person_id": pl.String, "outputs": pl.Int64},
            orient="row",
        )
        found = review.queue(self.edges, self.links, self.model, said, resting, self.reviewer.who, self._changed(said))
        return self._permitted(self._open(found))

    def drawn(self) -> pl.DataFrame:
        """The latest random sample, in the order in which it was drawn, less what this reviewer has decided.

        Raises:
            ReviewRefused: none has been drawn.
        """
        store = self.council.store
        kept = store.folders(Zone.FACTS, SAMPLES)
        if not kept:
            raise ReviewRefused("no sample has been drawn. Draw one with `kinfold review sample`.")
        sample = store.get(Zone.FACTS, f"{SAMPLES}/{kept[-1]}", "sample").collect()
        words = review.last_words(decisions.read(store))
        mine = words.filter(pl.col("who") == self.reviewer.who).select(PAIR)
        sample = self._open(sample.join(mine, on=PAIR, how="anti"))
        return self._permitted(sample.with_columns(pl.lit("sample").alias("kind")))

    def draw(self, per_stratum: int, seed: int) -> pl.DataFrame:
        """Draw a random sample of the published night and keep it, in place of one drawn of the same night."""
        store = self.council.store
        sample = review.sample(self.edges, self.links, self.model, per_stratum, seed)
        store.put(Zone.FACTS, f"{SAMPLES}/{store.published()}", {"sample": sample})
        return sample

    def disputes(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The pairs about which reviewers disagree: who says what and since when, as `decisions.conflicts` has it."""
        found = self._permitted(decisions.conflicts(decisions.read(self.council.store)))
        return {(row["record_l"], row["record_r"]): row for row in found.iter_rows(named=True)}

    def here(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these pairs those that can be shown: both records are in the published night, and permitted."""
        schema = dict.fromkeys(PAIR, pl.String)
        return self._permitted(pl.DataFrame(list(pairs), schema=schema, orient="row")).rows()

    def mine(self) -> pl.DataFrame:
        """This reviewer's decisions, withdrawn ones too, the newest first."""
        said = decisions.read(self.council.store).filter(pl.col("who") == self.reviewer.who)
        return said.sort("decided_at", "decision_id", descending=True)

    def _permitted(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Of the pairs those of which both records are of partners that share identity with the reviewer."""
        allowed = [feed for feed, contract in self.council.contracts.items() if contract.partner in self.cited]
        known = self.feeds.filter(pl.col("feed").is_in(allowed))
        for end in PAIR:
            pairs = pairs.join(known, left_on=end, right_on="record_id", how="semi", maintain_order="left")
        return pairs

    def _open(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Of the pairs those that are not on the do-not-link register: nobody is asked about an adoption again."""
        said = decisions.in_force(decisions.read(self.council.store))
        never = said.filter(pl.col("verdict") == decisions.NEVER)
        return pairs.join(never, on=PAIR, how="anti", maintain_order="left")

    def _changed(self, said: pl.DataFrame) -> pl.DataFrame:
        """The pairs decided of which a record says something else than when they were last decided."""
        store = self.council.store
        if not store.has(Zone.VAULT, SEEN):
            return pl.DataFrame(schema=dict.fromkeys(PAIR, pl.String))
        last = said.filter(pl.col("withdrawn_at").is_null()).sort("decided_at", "decision_id")
        last = last.unique(PAIR, keep="last", maintain_order=True)
        seen = store.get(Zone.VAULT, SEEN, "seen").collect().join(last, on="decision_id")
        stamps = self._stamps(seen["record_id"].unique().to_list())
        other = seen.join(stamps, on="record_id", suffix="_now").filter(pl.col("stamp") != pl.col("stamp_now"))
        return other.select(PAIR).unique().sort(PAIR)

    # -- showing -----------------------------------------------------------------------------------------------------

    def show(self, pair: tuple[str, str], kind: str | None = None, ahead: Iterable[tuple[str, str]] = ()) -> Shown:
        """Say in the audit log that a pair is shown, and then open it.

        Args:
            pair: two records of the published night.
            kind: why it is asked about, as `review.KINDS` has it.
            ahead: pairs that come next, whose records are read from the vault in one go with this one's.

        Raises:
            ReviewRefused: a record is not there, or its partner does not share identity with this reviewer.
            AuditError: the log cannot be trusted or written; nothing is shown.
        """
        self._ask()
        people = self._people([pair])
        missing = self._unpermitted([pair])
        if missing:
            self.note_in_audit("refuse", people)
            raise ReviewRefused(missing)
        stands = self._members(people)
        wanted = list(stands)
        records = self._opened(wanted, ahead)
        allowed = {r: row for r, row in records.items() if self._partner(row["feed"]) in self.cited}
        cited = ", ".join(sorted({self.cited[self._partner(row["feed"])] for row in allowed.values()}))
        audit_log(self.council).append([self._entry("reveal", person, cited) for person in people])

        left, right = (allowed[record] for record in pair)
        hidden = self._hidden(people)
        rest = [self._compact(allowed[r], stands[r] in hidden) for r in wanted if r in allowed and r not in pair]
        side = {person: "AB"[place] for place, person in enumerate(people)} if len(people) > 1 else {}
        others = [{"of": side.get(stands[row["record_id"]], ""), **row} for row in rest]
        others.sort(key=lambda row: (row["of"], row["feed"], row["name"], row["record_id"]))
        kept_back = sorted({self._party(records[r]["feed"]) for r in wanted if r not in allowed})
        edge = self.edges.filter((pl.col("record_l") == pair[0]) & (pl.col("record_r") == pair[1]))
        evidence, total = self._evidence(edge)
        sizes = [sum(person == one for person in stands.values()) for one in people]
        same, different = self._consequences(people, sizes)
        return Shown(
            pair=pair,
            together=len(people) == 1,
            asked=review.KINDS[kind] if kind else "",
            rows=_side_by_side(left, right, *(stands[record] in hidden for record in pair)),
            feeds=(self._name(left["feed"]), self._name(right["feed"])),
            others=others,
            known=_known(others),
            withheld=kept_back,
            evidence=evidence,
            total=total,
            if_same=same,
            if_different=different,
            so_far=self._so_far(pair),
        )

    def _person_of(self, records: Iterable[str]) -> dict[str, str]:
        """The person that each record stands with, in the order given; a record that is not there is left out."""
        wanted = list(dict.fromkeys(records))
        found = dict(self.links.filter(pl.col("record_id").is_in(wanted)).iter_rows())
        return {record: found[record] for record in wanted if record in found}

    def _people(self, pairs: Iterable[Sequence[str]]) -> list[str]:
        return list(dict.fromkeys(self._person_of(record for pair in pairs for record in pair).values()))

    def _members(self, people: Sequence[str]) -> dict[str, str]:
        """The records of some people, each with its person."""
        return dict(self.links.filter(pl.col("person_id").is_in(people)).sort("record_id").iter_rows())

    def _unpermitted(self, pairs: Iterable[Sequence[str]]) -> str | None:
        """Why a pair may not be shown; None where it may."""
        wanted = {record for pair in pairs for record in pair}
        here = self.feeds.filter(pl.col("record_id").is_in(list(wanted)))
        if here.height < len(wanted):
            return "one of the records is not in the published night."
        for feed in here["feed"]:
            if self._partner(feed) not in self.cited:
                return f"no agreement shares the identity of the records of {self._party(feed)} for this reason."
        return None

    def _partner(self, feed: str) -> str:
        contract = self.council.contracts.get(feed)
        return contract.partner if contract else ""

    def _party(self, feed: str) -> str:
        partner = self._partner(feed)
        return self.council.organisation.party(partner).name if partner else feed

    def _name(self, feed: str) -> str:
        contract = self.council.contracts.get(feed)
        return contract.name if contract else feed

    def _opened(self, wanted: Sequence[str], ahead: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
        """Records by id, in memory alone; those of the pairs that come next are fetched with them."""
        if any(record not in self._records for record in wanted):
            ids = {*wanted, *self._members(self._people(ahead))}
            frame = self.council.store.scan(SOURCE_RECORD).filter(pl.col("record_id").is_in(list(ids))).collect()
            self._records = {row["record_id"]: row for row in frame.iter_rows(named=True)}
        return {record: self._records[record] for record in wanted if record in self._records}

    @cached_property
    def _protected(self) -> frozenset[str]:
        """The people of the published night whose address nothing may show."""
        return frozenset(protected_people(self.council))

    def _hidden(self, people: Sequence[str]) -> set[str]:
        """Which of these people no address is shown of; whoever came on the register in this sitting is among them."""
        return hidden_people(self.council, people, self._protected)

    def _compact(self, row: Mapping[str, Any], hidden: bool) -> dict[str, str]:
        return {
            "record_id": row["record_id"],
            "feed": self._name(row["feed"]),
            "name": _name(row),
            "born": _day(row["birth_date"]),
            "address": PROTECTED if hidden else _address(row),
            "ids": "; ".join(f"{label} {inert(row[column])}" for column, label in IDS.items() if row[column]),
            "seen": _day(row["seen_on"]),
        }

    def _evidence(self, edge: pl.DataFrame) -> tuple[list[dict[str, Any]], str]:
        """What the model says of the pair: each comparison with its bits, and the whole against the cut."""
        if not edge.height:
            return [], "These two records have not been compared: they share no key under which records are sought."
        row = edge.row(0, named=True)
        told = self.model.told(row["levels"])
        found = [_told(name, label, bits) for name, label, bits in sorted(told, key=lambda t: -abs(t[2]))]
        start = _prior(self.model)
        rest = row["match_weight"] - start - sum(bits for *_, bits in told)
        if abs(rest) >= 0.5:
            found.append(_told("rarity and relatives", "how rare the names are, and rules about relatives", rest))
        above = row["match_weight"] - self.model.cut
        over = "above" if above >= 0 else "below"
        total = (
            f"All in all {abs(above):.1f} bits {over} the line from which two records are joined; each bit doubles the "
            f"odds. It starts {abs(start):.1f} bits against, as two records at random are hardly ever one person."
        )
        return found, total

    def _consequences(self, people: Sequence[str], sizes: Sequence[int]) -> tuple[str, str]:
        """What follows in words if the two are the same, and if they are not."""
        rests = [self._resting(person) for person in people]
        if len(people) == 1:
            size = _many(sizes[0], "record")
            return (
                f"They stay one person, of {size}{rests[0]}.",
                f"The person of {size}{rests[0]} is parted: each other record goes with the one that it matches best.",
            )
        a, b = (f"{_many(size, 'record')}{rest}" for size, rest in zip(sizes, rests, strict=True))
        return (
            f"The two records come together. Where no other record speaks against it, two people become one: that of "
            f"A, of {a}, and that of B, of {b}.",
            f"They stay two people: that of A, of {a}, and that of B, of {b}.",
        )

    def _resting(self, person: str) -> str:
        told = [_many(many, what) for what, many in self.outputs.get(person, {}).items()]
        return f" with {' and '.join(told)}" if told else ""

    def _so_far(self, pair: tuple[str, str]) -> list[dict[str, str]]:
        """What was decided of a pair before and stands, by whom, with their notes."""
        said = decisions.read(self.council.store)
        mine = (pl.col("record_l") == pair[0]) & (pl.col("record_r") == pair[1])
        return [
            {
                "who": inert(row["who"]),
                "verdict": WORDS[row["verdict"]],
                "at": f"{say(row['decided_at'].date())}, {row['decided_at']:%H:%M}",
                "note": inert(row["note"]),
            }
            for row in review.last_words(said.filter(mine)).iter_rows(named=True)
        ]

    # -- deciding ----------------------------------------------------------------------------------------------------

    def decide(self, told: Sequence[Mapping[str, Any]]) -> list[str]:
        """Keep decisions, after the audit log has them; they take effect the next night.

        Args:
            told: of each `record_l`, `record_r`, `verdict`; and where there are any `note`, `who`, `decided_at`.

        Returns:
            The decisions' ids, in the order of the rows.

        Raises:
            ReviewRefused: a `never` has no note, or a note is too long.
            StoreError: a row is not one that can be kept; none is kept.
        """
        given = ("record_l", "record_r", "verdict", "note", "who", "decided_at")
        rows = pl.DataFrame(list(told), schema={name: LINK_DECISION.schema[name] for name in given})
        rows = rows.with_columns(
            pl.col("who").fill_null(self.reviewer.who), pl.col("decided_at").fill_null(self.clock())
        )
        one, other = pl.min_horizontal(PAIR), pl.max_horizontal(PAIR)
        rows = rows.with_columns(one.alias("record_l"), other.alias("record_r"))
        note = pl.col("note").str.strip_chars()
        if rows.filter((pl.col("verdict") == "never") & (note.fill_null("") == "")).height:
            raise ReviewRefused("Say in the note why the two are never to be linked: others will want to know.")
        if rows.filter(note.str.len_chars() > LONGEST_NOTE).height:
            raise ReviewRefused(f"A note has at most {LONGEST_NOTE:,} characters. Shorten it.")
        people = self._people(rows.select(PAIR).iter_rows())
        self.note_in_audit("decide", people)
        decisions.decide(self.council.store, rows)
        kept = decisions.read(self.council.store)
        said = [*PAIR, "verdict", "who", "decided_at"]
        same = kept.select("decision_id", *said).unique(said, keep="first", maintain_order=True)
        ids = rows.select(said).join(same, on=said, how="left", maintain_order="left")
        self._remember(ids)
        return ids["decision_id"].to_list()

    def withdraw(self, decision_ids: Sequence[str]) -> None:
        """Take decisions back, after the audit log has it; they stay on record.

        Raises:
            StoreError: one of them is not known.
        """
        said = decisions.read(self.council.store).filter(pl.col("decision_id").is_in(list(decision_ids)))
        people = self._people(said.select(PAIR).iter_rows())
        self.note_in_audit("withdraw", people)
        decisions.withdraw(self.council.store, decision_ids, self.reviewer.who, self.clock())

    def protect(self, records: Sequence[str], places: Sequence[str | None], note: str | None) -> None:
        """Put addresses on the register, after the audit log has it: of the people of these records, else as refuges.

        Args:
            records: of whom; none: of whoever lives there.
            places: UPRNs; None among them: every address of these people.
        """
        self.note_in_audit("protect", self._people([records]) if records else ())
        whom = pl.DataFrame({"record_id": [*records] if records else [None]}, schema={"record_id": pl.String})
        rows = whom.join(pl.DataFrame({"place": [*places]}, schema={"place": pl.String}), how="cross").with_columns(
            pl.lit(self.reviewer.who).alias("who"),
            pl.lit(self.clock()).alias("decided_at"),
            pl.lit(note, pl.String).alias("note"),
        )
        decisions.protect(self.council.store, rows)

    def unprotect(self, veto_ids: Sequence[str]) -> None:
        """Take addresses off the register, after the audit log has it; they stay on record."""
        kept = decisions.protections(self.council.store)
        records = kept.filter(pl.col("veto_id").is_in(list(veto_ids)))["record_id"].drop_nulls().to_list()
        self.note_in_audit("unprotect", self._people([records]) if records else ())
        decisions.unprotect(self.council.store, veto_ids, self.reviewer.who, self.clock())

    def note_in_audit(self, action: str, people: Sequence[str] = ()) -> None:
        """Say in the audit log that something was done, about each of these people, or about nobody in particular."""
        about: Sequence[str | None] = people or [None]
        audit_log(self.council).append([self._entry(action, person, None) for person in about])

    def record(self, told: str, unknown: bool = False) -> str:
        """The id of a record, given as it is or as `feed:key`.

        Raises:
            ReviewRefused: it is neither, or no record of the published night has it and `unknown` is not set.
        """
        if _RECORD.fullmatch(told):
            found = told
        else:
            feed, colon, key = told.partition(":")
            contract = self.council.contracts.get(feed)
            if not colon or not key or not contract:
                raise ReviewRefused(
                    "a record is named by its id (32 characters of 0-9 and a-f) or by feed:key, such as "
                    f"council-tax:1234. Feeds: {', '.join(sorted(self.council.contracts))}."
                )
            found = str(record_ids(contract.keys_of, pl.Series([key]), self.council.ring).item())
        if not unknown and not self._person_of([found]):
            raise ReviewRefused(
                "the published night has no such record. Check the id or key; --unknown accepts one yet to come."
            )
        return found

    def _entry(self, action: str, person: str | None, cited: str | None) -> Entry:
        return self.reviewer.entry(action, person, cited, self.clock())

    def _stamps(self, ids: Sequence[str]) -> pl.DataFrame:
        records = self.council.store.scan(SOURCE_RECORD).filter(pl.col("record_id").is_in(list(ids)))
        return review.stamps(records.select(READ).collect(), self.council.ring.key("review"))

    def _remember(self, made: pl.DataFrame) -> None:
        """Keep what the records of these decisions say now, so that a change since can be told."""
        store = self.council.store
        ends = pl.concat([made.select("decision_id", pl.col(end).alias("record_id")) for end in PAIR]).drop_nulls()
        fresh = ends.join(self._stamps(ends["record_id"].unique().to_list()), on="record_id")
        with (store.home / Zone.VAULT.value / "register" / ".seen.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = [store.get(Zone.VAULT, SEEN, "seen").collect()] if store.has(Zone.VAULT, SEEN) else []
            both = pl.concat([*kept, fresh.select("decision_id", "record_id", "stamp")])
            both = both.unique(["decision_id", "record_id"], keep="first", maintain_order=True)
            store.put(Zone.VAULT, SEEN, {"seen": both})


# -- in words --------------------------------------------------------------------------------------------------------

PROTECTED = "Protected: not shown"
SEX = {"M": "Male", "F": "Female"}


def _day(value: Any) -> str:
    return say(value) if value else ""


def _many(count: int, what: str) -> str:
    plural = what[:-1] + "ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def _name(row: Mapping[str, Any]) -> str:
    parts = (row["forename"], row["middle_names"], row["surname"])
    return " ".join(inert(part) for part in parts if part)


def _names(row: Mapping[str, Any]) -> str:
    told = (
        f"{' '.join(inert(other[part]) for part in ('forename', 'middle_names', 'surname') if other[part])}"
        f"{' (' + inert(other['kind']) + ')' if other['kind'] else ''}"
        for other in row["other_names"] or ()
    )
    return "; ".join(told)


def _address(row: Mapping[str, Any]) -> str:
    text, postcode = inert(row["address"]), inert(row["postcode"])
    return ", ".join(part for part in (text, "" if postcode and text.endswith(postcode) else postcode) if part)


def _span(since: Any, until: Any) -> str:
    return " ".join(
        part for part in (f"from {say(since)}" if since else "", f"to {say(until)}" if until else "") if part
    )


def _former(row: Mapping[str, Any]) -> str:
    told = []
    for other in row["other_addresses"] or ():
        text = _address({"address": other["text"], "postcode": other["postcode"]})
        span = _span(other["from"], other["to"])
        told.append(f"{text} ({span})" if span else text)
    return "; ".join(told)


def values(row: Mapping[str, Any], hidden: bool) -> dict[str, str]:
    """What a record says, by label, in plain words; nothing of an address where that is hidden."""
    place = (
        {"Address": PROTECTED, "There": "", "Other addresses": PROTECTED, "Property reference": PROTECTED}
        if hidden
        else {
            "Address": _address(row),
            "There": _span(row["address_from"], row["address_to"]),
            "Other addresses": _former(row),
            "Property reference": inert(row["uprn"]),
        }
    )
    return {
        "Forename": inert(row["forename"]),
        "Middle names": inert(row["middle_names"]),
        "Surname": inert(row["surname"]),
        "Other names": _names(row),
        "Date of birth": _day(row["birth_date"]),
        "Date of death": _day(row["death_date"]),
        "Sex": SEX.get(row["sex"], inert(row["sex"])),
        **place,
        "Telephone": inert(row["phone"]),
        "Email": inert(row["email"]),
        **{label: inert(row[column]) for column, label in IDS.items()},
        "Last contact": _day(row["seen_on"]),
        "Key in the feed": inert(row["source_key"]),
    }


def _known(others: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """What the other records of either person say most: a row for names and one for birth dates; none of one person."""
    rows = []
    for what, column in (("names", "name"), ("dates of birth", "born")):
        a, b = (_counted(row[column] for row in others if row["of"] == side) for side in "AB")
        if a or b:
            rows.append({"what": f"Other records’ {what}", "a": a, "b": b})
    return rows


_UNCOMPARED = {"There", "Last contact", "Key in the feed"}


def _side_by_side(left: Mapping[str, Any], right: Mapping[str, Any], *hidden: bool) -> list[dict[str, str]]:
    """What either record holds, a row an attribute, and whether the two say the same."""
    one, other = (values(row, hide) for row, hide in zip((left, right), hidden, strict=True))
    rows = []
    for what in one:
        a, b = one[what], other[what]
        if not a and not b:
            continue
        mark = "" if what in _UNCOMPARED or PROTECTED in (a, b) else _mark(a, b)
        rows.append({"what": what, "a": a, "b": b, "mark": mark})
    return rows


def _mark(a: str, b: str) -> str:
    """Whether two values are the same, one is part of the other (an initial, a half of a double name), or differ."""
    if not a or not b:
        return "one"
    one, other = (re.sub(r"[^\w]+", " ", text.upper()).split() for text in (a, b))
    if one == other:
        return "same"
    short, long = sorted((one, other), key=lambda words: len(" ".join(words)))
    inside = set(short) <= set(long) or " ".join(long).startswith(" ".join(short))
    return "part" if inside else "differs"


def _counted(values: Iterable[str]) -> str:
    """Values with how often each is found, the most frequent first."""
    found = Counter(value for value in values if value)
    return "; ".join(
        f"{value} ({many})" if many > 1 else value
        for value, many in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    )


def _prior(model: Model) -> float:
    return math.log2(model.prior / (1 - model.prior))


def _told(name: str, label: str, bits: float) -> dict[str, Any]:
    strength = (
        "hardly" if abs(bits) < 1 else "somewhat" if abs(bits) < 4 else "clearly" if abs(bits) < 8 else "strongly"
    )
    side = "for one person" if bits >= 0 else "for two people"
    return {"name": name, "label": label, "bits": bits, "words": f"{strength} {side}"}
