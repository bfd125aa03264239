"""The facts of each case: all that one summary says about one person, in words, from tables of one night.

What belongs here: putting permitted rows together, a case at a time. What is permitted belongs in
`summaries.permitted`, how things are said in `summaries.words`, how a page looks in `summaries.render`.

Anything that no section permits is absent from the facts, so that no template can show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from governance.agreements import SECTIONS as SECTIONS
from governance.agreements import subjects
from governance.organisation import COUNCIL, Team
from models.vocabulary import WORDS
from summaries import changes as compared
from summaries.asked import ATTRIBUTES, Asked
from summaries.permitted import KEY, all_rows, grants, housemates, let_through, may, numbered, open_now
from summaries.wording import Wording, plain
from summaries.words import called, day, full_name, proper, rows_in_words, say, say_dates, tidy
from warehouse.tables import ID

Row = dict[str, Any]
_HOME = {  # said where no household member is listed, by whether the dwelling is a crowd's; null where none is known
    False: "No source places anyone else at this address. That does not show that the person lives alone.",
    True: "This address houses many people who are not one household, so its other residents are not listed.",
    None: "No household is known for this person.",
    "withheld": "No agreement shares who lives in the household with your team.",
}
_RECALLED: dict[str, Any] = {
    "team": pl.String, "case": pl.String, "recalled": pl.List(pl.String), "whose": pl.List(ID),
}  # fmt: skip
_ATTRIBUTES = {
    "forename": "forename",
    "surname": "surname",
    "birth_date": "date of birth",
    "death_date": "date of death",
    "address": "address",
    "la_child_id": "child id",
}


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """All that one summary says, ready to be shown: words, numbers and dates already as they will be read.

    `subject` is a list of (label, value); lists of `Row` hold one dict a table row. `shared` and `withheld` are
    `partner: category`, as the release ledger keeps them; `agreements` are names as `Agreements.expires` takes them.
    """

    team: str
    person_id: str
    name: str
    night: str
    since: str
    subject: list[tuple[str, str]]
    disagreements: list[str]
    previous: str | None
    recalled: list[str]
    changes: list[Row]
    household: list[Row]
    household_note: str
    involved: list[Row]
    years: list[Row]
    voice: list[Row]
    flags: list[Row]
    agencies: list[Row]
    refused: list[Row]
    basis: list[Row]
    agreements: list[str]
    shared: list[str]
    withheld: list[str]
    objections: list[str] = field(default_factory=list)
    disputed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Gathered:
    """The facts of all cases, made one at a time as they are iterated, in order of team and person.

    Attributes:
        cases: team, case (person_id), since.
        shown: schema `changes.SHOWN`: to be kept, and given as `previous` on the next night, to tell what changed.
    """

    cases: pl.DataFrame
    shown: pl.DataFrame
    _make: Callable[[], Iterator[CaseFacts]]

    def __len__(self) -> int:
        return self.cases.height

    def __iter__(self) -> Iterator[CaseFacts]:
        return self._make()


def open_cases(involvements: pl.DataFrame, teams: Mapping[str, Team], night: date) -> pl.DataFrame:
    """People with an open involvement of a team's service: team, person_id, since (date).

    Args:
        involvements: INVOLVEMENT columns that stand on the night, with `person_id`.
        teams: `wording.load(site).teams`.
        night: an involvement that ends after it is open.
    """
    served = pl.DataFrame(
        {"team": list(teams), "service": [team.service for team in teams.values()]},
        schema={"team": pl.String, "service": pl.String},
    )
    return (
        open_now(involvements, night)
        .select("person_id", "service", "start")
        .join(served, on="service")
        .group_by("team", "person_id")
        .agg(pl.col("start").min().dt.date().alias("since"))
        .sort("team", "person_id")
    )


def gather(
    cases: pl.DataFrame,
    people: pl.DataFrame,
    events: pl.DataFrame,
    involvements: pl.DataFrame,
    relationships: pl.DataFrame,
    households: pl.DataFrame,
    members: pl.DataFrame,
    voice: pl.DataFrame,
    flags: pl.DataFrame,
    freshness: pl.DataFrame,
    sections: pl.DataFrame,
    night: date,
    previous: pl.DataFrame | None,
    wording: Wording,
    recalled: pl.DataFrame | None = None,
    asked: Asked | None = None,
) -> Gathered:
    """Gather what each case's team may read.

    Args:
        cases: from `open_cases`: team, person_id, since.
        people: PERSON.
        events, involvements, voice: their canonical columns and `person_id`; only rows that stand on the night.
        relationships: RELATIONSHIP with `person_id` and `other_person_id`; only rows that stand on the night.
        households, members: HOUSEHOLD, HOUSEHOLD_MEMBER.
        flags: RISK_FLAG.
        freshness: from `quality.freshness`.
        sections: `Agreements.sections` of every team with cases, one below the other: schema `SECTIONS`.
        night: the night that the summaries are for.
        previous: `shown` of each case's last summary; none on a first night.
        wording: `wording.load(site)`.
        recalled: team, case, recalled, whose: what is said of earlier summaries that the night took back, and of
            whom they were wrong (`recall.notes`); what they showed of these is not named again as no longer held.
        asked: what people objected to and say is not right; what they had kept back is not shown.

    Returns:
        Facts a case. A case whose team no agreement serves has facts that say only that.
    """
    cases = cases.select("team", pl.col("person_id").alias("case"), "since").sort(KEY)
    sections = numbered(sections)
    home = housemates(cases, households, members)
    given = grants(cases, home, people, involvements, sections, night)
    faces = _faces(people, involvements, night)
    kin = _kin(cases, relationships, wording)
    about = given.select(pl.col("about").alias("person_id")).unique()
    told = (frame.join(about, on="person_id", how="semi") for frame in (events, involvements, voice))
    asked = asked or Asked()
    rows = all_rows(*told).join(asked.kept_back, on=["person_id", "partner"], how="anti", maintain_order="left")
    rows = let_through(rows, given)
    rows = rows_in_words(rows, wording).join(_called_here(given, faces, kin), on=[*KEY, "person_id"])
    marks = asked.disputes.select("person_id", pl.col("item").alias("fact_id"), pl.col("sentence").alias("disputed"))
    rows = rows.join(marks, on=["person_id", "fact_id"], how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("disputed").fill_null(""))
    kinds = _kinds(events, involvements, voice)
    at_home = _at_home(home, kin, faces, given, wording)
    flagged = _flags(flags, given, rows, events, wording)
    shown = compared.shown(cases, rows, home, at_home, flagged, night)

    def newest(category: str, *first: str) -> pl.DataFrame:
        by = [*first, "start", "what", "detail", "fact_id"]
        falling = [False, False, *([True] * len(first)), True, False, True, False]
        return rows.filter(pl.col("category") == category).sort(*KEY, *by, descending=falling)

    alike = [
        *KEY,
        "person_id",
        "what",
        "when",
        "source",
        "disputed",
    ]  # told by several feeds of one partner: shown once
    history = (
        rows.filter(~pl.col("category").is_in(["involvement", "voice"]))
        .sort(*KEY, "start", "what", "fact_id", descending=[False, False, True, False, False], nulls_last=True)
        .unique([*alike, "detail"], keep="first", maintain_order=True)
    )
    in_years = (
        history.group_by([*KEY, "year"], maintain_order=True)
        .agg(pl.struct("when", "what", "detail", "about_name", "source", "disputed").alias("rows"))
        .group_by(KEY, maintain_order=True)
        .agg(pl.struct("year", "rows").alias("years"))
    )
    involved = newest("involvement", "open", "own").unique(alike, keep="first", maintain_order=True)
    said = newest("voice")
    recalled = pl.DataFrame(schema=_RECALLED) if recalled is None else recalled
    differ = compared.changes(shown, previous, rows, at_home, flagged, faces, given, wording)
    taken_back = recalled.select(*KEY, pl.col("whose").alias("about")).explode("about").with_columns(unnamed=True)
    differ = differ.join(taken_back, on=[*KEY, "about"], how="left", maintain_order="left").filter(
        (pl.col("kind") != "No longer held") | pl.col("unnamed").is_null()
    )
    wide = cases
    for frame in (
        _identity(may(given, "identity"), people, faces),
        home.join(may(given, "household"), on=KEY, how="semi").group_by(KEY).agg(pl.col("crowd").any()),
        compared.last_nights(previous),
        in_years,
        _listed(differ, "changes", "kind", "when", "what", "detail", "about_name", "source"),
        _listed(at_home, "household", "name", "kin", "age", "since", "certainty"),
        _listed(involved, "involved", "about_name", "what", "detail", "when", "source", "disputed"),
        _listed(said, "voice", "when", "what", "about_name", "said_by", "words", "source", "disputed"),
        _listed(flagged, "flags", "outcome", "as_of", "band", "rank", "reasons", "seen"),
        _listed(
            _agencies(given, rows, freshness, kinds, wording),
            "agencies",
            "feed",
            "rows",
            "newest",
            "delivered",
            "state",
        ),
        given.filter("own").group_by(KEY).agg(pl.col("section").filter("met").sort().alias("sections")),
        rows.group_by(KEY).agg(pl.format("{}: {}", "partner", "category").unique().sort().alias("shared")),
        recalled.drop("whose"),
        *_asked(cases, asked, may(given, "identity")),
    ):
        wide = wide.join(frame, on=KEY, how="left", maintain_order="left")
    return Gathered(cases, shown, lambda: _make(wide, sections, kinds, night, wording))


def _asked(cases: pl.DataFrame, asked: Asked, named: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What each case's person objected to, and what of who they are they say is not right where that may be known."""
    mine = cases.join(asked.objections, left_on="case", right_on="person_id", maintain_order="left_right")
    yield mine.group_by(KEY, maintain_order=True).agg(pl.col("sentence").alias("objections"))
    attributes = asked.disputes.filter(pl.col("kind") == "attribute")
    theirs = named.join(attributes, left_on="case", right_on="person_id").sort(*KEY, "item")
    yield theirs.group_by(KEY, maintain_order=True).agg(pl.struct("item", "sentence").alias("disputed"))


def _listed(frame: pl.DataFrame, name: str, *columns: str) -> pl.DataFrame:
    return frame.group_by(KEY, maintain_order=True).agg(pl.struct(columns).alias(name))


def _faces(people: pl.DataFrame, involvements: pl.DataFrame, night: date) -> pl.DataFrame:
    """Names and ages as they are read, of everyone: about, forename, surname, age."""
    born = pl.col("birth_date")
    months = (night.year - born.dt.year()) * 12 + night.month - born.dt.month() - (born.dt.day() > night.day)
    age = pl.col("age")
    ages = subjects(people, involvements, night).select("person_id", "age")
    return people.join(ages, on="person_id", maintain_order="left").select(
        pl.col("person_id").alias("about"),
        proper("forename").alias("forename"),
        proper("surname").alias("surname"),
        pl.when(pl.col("death_date").is_not_null()).then(pl.format("died {}", day("death_date")))
        .when(age < 0).then(pl.lit("not yet born"))
        .when(age < 2).then(pl.format("{} months", months))
        .otherwise(age.cast(pl.String)).alias("age"),
    )  # fmt: skip


def _kin(cases: pl.DataFrame, relationships: pl.DataFrame, wording: Wording) -> pl.DataFrame:
    """What others are to each case's person, in one phrase: case, about, kin."""
    inverse = {"parent": "child", "child": "parent", "mother": "child", "father": "child", "carer": "cared_for"}
    inverse |= {"foster_carer": "fostered", "step_parent": "step_child"}
    forth = relationships.select(pl.col("other_person_id").alias("case"), pl.col("person_id").alias("about"), "kind")
    back = relationships.select(
        pl.col("person_id").alias("case"), pl.col("other_person_id").alias("about"), pl.col("kind").replace(inverse)
    )
    return (
        pl.concat([forth, back])
        .filter(pl.col("case") != pl.col("about"))
        .join(cases.select("case"), on="case", how="semi")
        .group_by("case", "about")
        .agg(called("kind", wording.vocabulary.kinships).unique().sort().str.join(", ").alias("kin"))
    )


def _called_here(given: pl.DataFrame, faces: pl.DataFrame, kin: pl.DataFrame) -> pl.DataFrame:
    """How each person is named in a case: team, case, person_id, about_name."""
    named = may(given, "identity").with_columns(named=True)
    housed = may(given, "household").with_columns(housed=True)
    return (
        given.select(*KEY, "about", "own").unique()
        .join(faces.select("about", "forename"), on="about", how="left")
        .join(kin, on=["case", "about"], how="left")
        .join(named, on=KEY, how="left")
        .join(housed, on=KEY, how="left")
        .select(
            *KEY,
            pl.col("about").alias("person_id"),
            about_name=pl.when("own").then(pl.when("named").then("forename").fill_null("This person"))
            .when("housed").then(pl.format("{} ({})", pl.col("forename").fill_null("Name not known"),
                                           pl.col("kin").str.to_lowercase().fill_null("household")))
            .otherwise(pl.lit("A member of the household")),
        )
    )  # fmt: skip


def _at_home(
    home: pl.DataFrame, kin: pl.DataFrame, faces: pl.DataFrame, given: pl.DataFrame, wording: Wording
) -> pl.DataFrame:
    """The household as it is read, where it may be."""
    others = home.filter(pl.col("about") != pl.col("case")).unique([*KEY, "about"])
    return (
        others.join(may(given, "household"), on=KEY, how="semi")
        .join(kin, on=["case", "about"], how="left")
        .join(faces, on="about", how="left")
        .select(
            *KEY,
            "about",
            full_name().alias("name"),
            pl.col("kin").fill_null("Not recorded"),
            pl.col("age").fill_null("Not known"),
            day("from").fill_null("Not known").alias("since"),
            called("certainty", wording.vocabulary.certainty).alias("certainty"),
        )
        .sort(*KEY, "name", "about")
    )


def _identity(allowed: pl.DataFrame, people: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    """The identity of each case's person, where it may be known; numbers that other services use are left out.

    Of conflicts only what they are about is told. Feeds that date a death differently leave no doubt of it.
    """
    named = pl.col("conflicting").list.eval(pl.element().str.extract("^([^:]+)"))
    return (
        allowed.join(people, left_on="case", right_on="person_id")
        .join(faces.select("about", "age"), left_on="case", right_on="about")
        .select(
            *KEY, "birth_date", "death_date", "age", proper("forename"), proper("middle_names"), proper("surname"),
            proper("address"), tidy("postcode"), tidy("la_child_id"),
            pl.when(pl.col("death") == "question").then(named)
            .otherwise(named.list.filter(pl.element() != "death_date")).alias("disagreements"),
        )
    )  # fmt: skip


def _kinds(events: pl.DataFrame, involvements: pl.DataFrame, voice: pl.DataFrame) -> pl.DataFrame:
    """Every (feed, partner, category) that the whole borough's data hold, whoever they are about."""
    parts = [
        events.select("feed", "partner", pl.col("type").alias("category")).unique(),
        involvements.select("feed", "partner", pl.lit("involvement").alias("category")).unique(),
        voice.select("feed", "partner", pl.lit("voice").alias("category")).unique(),
    ]
    return pl.concat(parts).sort("partner", "category", "feed")


def _flags(
    flags: pl.DataFrame, given: pl.DataFrame, rows: pl.DataFrame, events: pl.DataFrame, wording: Wording
) -> pl.DataFrame:
    """Flags that a team may see. `seen` says of each type of evidence whether every row of it is shown."""
    mine = may(given, "risk_flag").join(flags.drop("team"), left_on="case", right_on="person_id")
    shown = rows.select(*KEY, pl.col("fact_id").alias("event_id"), pl.lit(True).alias("shown")).unique()
    seen = (
        mine.select(*KEY, "outcome", pl.col("evidence").alias("event_id"))
        .explode("event_id")
        .join(events.select("event_id", "type", "person_id"), on="event_id")
        .join(shown, on=[*KEY, "event_id"], how="left")
        .group_by(*KEY, "outcome", "type", own=pl.col("person_id") == pl.col("case"))
        .agg(pl.col("shown").fill_null(False).all())
        .group_by(*KEY, "outcome")
        .agg(pl.struct("type", "own", "shown").alias("seen"))
    )
    return (
        mine.join(seen, on=[*KEY, "outcome"], how="left")
        .select(
            *KEY, pl.col("outcome").alias("outcome_id"), called("outcome", wording.vocabulary.outcomes), day("as_of"),
            "band", pl.col("rank").cast(pl.String), "reasons", "seen",
        )
        .sort(*KEY, "outcome_id")
    )  # fmt: skip


def _agencies(
    given: pl.DataFrame, rows: pl.DataFrame, freshness: pl.DataFrame, kinds: pl.DataFrame, wording: Wording
) -> pl.DataFrame:
    """For each feed that could have fed a summary: how much it shows, how recent, and what an absence means."""
    sends = kinds.group_by("feed").agg(pl.col("category").unique().alias("sends"))
    allowed = given.filter("met").group_by(*KEY, "partner").agg(pl.col("category").unique().alias("allowed"))
    held = rows.group_by(*KEY, "feed").agg(pl.len().alias("rows"), pl.col("start").max().alias("newest"))
    partner = called("partner", wording.partners)
    never, none = pl.col("delivered").is_null(), pl.col("rows") == 0
    state = (
        pl.when(never).then(pl.lit("Nothing received yet. What this agency knows is not here."))
        .when("late").then(pl.format("Out of date: expected every {} days. What happened since is not here.", "every"))
        .when(none).then(pl.lit("No record shown. That does not mean that nothing happened."))
        .otherwise(pl.lit("Up to date."))
    )  # fmt: skip
    return (
        allowed.join(freshness, on="partner")
        .join(sends, on="feed", how="left")
        .filter((pl.col("sends").is_null() & never) | (pl.col("sends").list.set_intersection("allowed").list.len() > 0))
        .join(held, on=[*KEY, "feed"], how="left")
        .with_columns(pl.col("rows").fill_null(0))
        .with_columns(state=state, rank=pl.when(never).then(0).when("late").then(1).when(none).then(2).otherwise(3))
        .sort(*KEY, "rank", "partner", "feed")
        .select(
            *KEY,
            pl.format("{}: {}", partner, tidy("name").fill_null(called("feed", {}))).alias("feed"),
            pl.col("rows").cast(pl.String),
            day("newest").fill_null(""),
            day("delivered").fill_null("Never"),
            "state",
        )
    )


# --- one case at a time -------------------------------------------------------------------------------------------


def _make(
    wide: pl.DataFrame, sections: pl.DataFrame, kinds: pl.DataFrame, night: date, wording: Wording
) -> Iterator[CaseFacts]:
    by_number = {row["section"]: row for row in sections.iter_rows(named=True)}
    known = sorted({*kinds.select("partner", "category").iter_rows()})
    known += [(COUNCIL, name) for name in ("household", "identity", "risk_flag")]
    cache: dict[tuple[str, tuple[int, ...]], _Terms] = {}
    for row in wide.iter_rows(named=True):
        key = (row["team"], tuple(row["sections"] or ()))
        if key not in cache:
            cache[key] = _terms(key, by_number, known, wording)
        terms = cache[key]
        name = " ".join(row[part] for part in ("forename", "middle_names", "surname") if row[part])
        shown = [f"{COUNCIL}: {kind}" for kind, there in _own(row) if there]
        yield CaseFacts(
            team=row["team"],
            person_id=row["case"],
            name=name or "Name not shared with your team",
            night=say(night),
            since=say(row["since"]) if row["since"] else "a day that is not recorded",
            subject=_subject(row, name),
            disagreements=sorted({_ATTRIBUTES[each] for each in row["disagreements"] or () if each in _ATTRIBUTES}),
            previous=row["previous"],
            recalled=row["recalled"] or [],
            changes=row["changes"] or [],
            household=row["household"] or [],
            household_note=_HOME[row["crowd"] if "household" in terms.council else "withheld"],
            involved=row["involved"] or [],
            years=row["years"] or [],
            voice=row["voice"] or [],
            flags=[_flag(flag) for flag in row["flags"] or ()],
            agencies=row["agencies"] or [],
            refused=terms.refused,
            basis=terms.basis,
            agreements=terms.agreements,
            shared=sorted({*(row["shared"] or ()), *shown}),
            withheld=terms.withheld,
            objections=row["objections"] or [],
            disputed=[(ATTRIBUTES.get(one["item"], one["item"]), one["sentence"]) for one in row["disputed"] or ()],
        )


def _own(row: Row) -> list[tuple[str, bool]]:
    return [
        ("identity", bool(row["surname"])),
        ("household", bool(row["household"])),
        ("risk_flag", bool(row["flags"])),
    ]


def _subject(row: Row, name: str) -> list[tuple[str, str]]:
    """Who the summary is about, as label and value; what may not be shown, or is not known, has no line."""
    born, died = row["birth_date"], row["death_date"]
    lines = [
        ("Name", name),
        ("Date of birth", born and say(born)),
        ("Age", born and not died and row["age"]),
        ("Recorded as died on", died and say(died)),
        ("Address", ", ".join(part for part in (row["address"], row["postcode"]) if part)),
        ("Child id", row["la_child_id"]),
    ]
    return [(label, value) for label, value in lines if value]


def _flag(flag: Row) -> Row:
    """A flag with those of its reasons whose every row the team is shown; the others are only said to be there."""
    shown = {(each["type"], each["own"]): each["shown"] for each in flag["seen"] or ()}
    reasons = [reason for reason in flag["reasons"] or () if shown.get(rests_on(reason))]
    kept = {key: value for key, value in flag.items() if key != "seen"}
    return kept | {"reasons": [say_dates(r) for r in reasons], "hidden": len(reasons) < len(flag["reasons"] or ())}


def rests_on(reason: str) -> tuple[str, bool]:
    """Which type of events a reason counts ("" where that is not plain), and whether they are the person's own."""
    fact = reason.removeprefix("others in the household: ")
    if "of sessions missed" in fact:
        return "attendance", fact == reason
    counted = fact.partition(" ")[2]
    found = [(len(word), kind) for kind, words in WORDS.items() for word in words if counted.startswith(f"{word} in ")]
    return max(found)[1] if found else "", fact == reason


@dataclass(frozen=True)
class _Terms:
    """What is the same for every case of a team that meets the same sections."""

    basis: list[Row]
    refused: list[Row]
    agreements: list[str]
    withheld: list[str]
    council: frozenset[str]


def _terms(
    key: tuple[str, tuple[int, ...]], by_number: dict[int, Row], known: list[tuple[str, str]], wording: Wording
) -> _Terms:
    """What is shared and under which clause, and what is withheld and why."""
    team, met = key
    permitted = [by_number[number] for number in met]
    granted = {(row["partner"], row["category"]) for row in permitted}
    for_others = {(row["partner"], row["category"]) for row in by_number.values() if row["team"] == team} - granted
    own = {(row["agreement"], row["clause"], row["category"]) for row in permitted if row["partner"] == COUNCIL}
    clauses: dict[tuple[str, ...], list[str]] = {}
    for row in permitted:
        if row["partner"] != COUNCIL and (row["agreement"], row["clause"], row["category"]) in own:
            continue  # a department, under what the council as a whole shares
        back = f"since {say(row['since'])}" if row["since"] else "no limit"
        fields = "all" if row["fields"] is None else ", ".join(plain(name).lower() for name in row["fields"])
        cell = (
            wording.partners.get(row["partner"], plain(row["partner"])),
            back,
            fields,
            row["agreement"],
            row["clause"],
        )
        clauses.setdefault(cell, []).append(wording.category(row["category"]))
    withheld: dict[tuple[str, str], list[str]] = {}
    for partner, category in known:
        if (partner, category) not in granted:
            why = "This person does not meet the agreement’s condition." if (partner, category) in for_others else ""
            why = why or "No agreement shares this with your team for this reason."
            name = wording.partners.get(partner, plain(partner))
            withheld.setdefault((name, why), []).append(wording.category(category))
    columns = ("partner", "since", "fields", "agreement", "clause")
    return _Terms(
        basis=[dict(zip(columns, k, strict=True)) | {"categories": sorted(v)} for k, v in sorted(clauses.items())],
        refused=[{"partner": k[0], "why": k[1], "categories": sorted(v)} for k, v in sorted(withheld.items())],
        agreements=sorted({row["agreement"] for row in permitted}),
        withheld=sorted(f"{partner}: {category}" for partner, category in known if (partner, category) not in granted),
        council=frozenset(row["category"] for row in permitted if row["partner"] == COUNCIL),
    )
