"""An erasure as it is carried out: whose records it reaches, every place that holds them, and the proof.

What belongs here: which places there are and in which order they are cleared. What is taken out of a frame is said by
`governance.erasure`, out of a feed's deliveries by `feeds.erasing`; what a reader is told, by `summaries.erasure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.context import Council
from assets.sharing import audit_log, ever_released, let_out, releaser
from feeds import arrivals
from feeds.deliveries import delivered, deliveries
from feeds.erasing import Taken, rows_of, without
from feeds.ledger import latest_accepted, purged_since
from feeds.readers import Rejected
from governance import erasure, outbox
from governance.audit import Entry
from governance.erasure import CASES, REGISTER, ErasureRefused, Whom
from governance.release import RECALL, Item
from governance.sealing import ENDING
from governance.traces import Traces, holding, traces_of
from summaries import erasure as pages
from warehouse import marts
from warehouse.tables import (
    EVENT,
    HOUSEHOLD_MEMBER,
    INVOLVEMENT,
    LINK_PAST,
    OUTPUT_USE,
    PERSON_LINEAGE,
    PERSON_LINK,
    RELATIONSHIP,
    SOURCE_RECORD,
    VOICE,
    Table,
    Zone,
)  # fmt: skip

ERASE, OVERRIDE = "erase", "override"  # what the audit log calls them
STATE, MODEL = "linkage_state", "model/linkage"  # of linkage, in the vault
PENDING, ERASED = "pending", "erased"
LEDGERS = ("releases", "recalls", "access_log")  # marts that are the ledger's: they keep ids, as it does
SAID = ("who", "reason", "at", "state", "override_by", "override_reason")
OF_PEOPLE = (EVENT, INVOLVEMENT, RELATIONSHIP, VOICE)


@dataclass(frozen=True)
class Case:
    """One erasure.

    Attributes:
        whom: ids of what goes.
        records: `record_id`, `keys_of`, of each record.
        traces: what tells of the person and of nobody else, by which the proof looks for them; never shown.
        who, reason: who asks for it and why, for the audit log.
        at: when it was begun (UTC, naive).
        state: pending, until every place has been cleared once; then erased.
        override_by, override_reason: who overrode what stands against it, and why; empty where nobody had to.
    """

    erasure_id: str
    whom: Whom
    records: pl.DataFrame
    traces: Traces
    who: str
    reason: str
    at: datetime
    state: str = PENDING
    override_by: str = ""
    override_reason: str = ""


# -- whom it reaches ---------------------------------------------------------------------------------------------------


def asked_for(council: Council, asked: str, who: str, reason: str, at: datetime) -> Case:
    """What erasing a person, or one record, would reach: a person with every record that belongs to them now.

    Args:
        asked: a `person_id` or a `record_id`, whole; nothing alike is taken for it.

    Raises:
        ErasureRefused: there is no such id; or it is one that has since merged into another.
    """
    store, night = council.store, council.store.published()
    if night is None:
        raise ErasureRefused("No night has been published yet, so nobody is known. Run one with `kinfold night`.")
    links, lineage = store.read(PERSON_LINK, night), store.read(PERSON_LINEAGE, night)
    heirs = lineage.filter(change="merged_into", person_id=asked)["other_person_id"]
    if (links["person_id"] == asked).any():
        records, ids = _records_of(council, asked, night, links), _former(lineage, asked)
        whom = Whom(records=records, people=ids)
    elif (links["record_id"] == asked).any():
        of = links.filter(record_id=asked)["person_id"].item()
        alone = (links["person_id"] == of).sum() == 1
        records = _records_of(council, of, night, links) if alone else pl.Series([asked])
        ids = _former(lineage, of) if alone else pl.Series([of])
        whom = Whom(records=records, people=ids) if alone else Whom(records=records, touched=ids)
    elif heirs.len():
        raise ErasureRefused(f"{asked} has since been found to be {heirs[0]}. Ask for that id, if it is they.")
    else:
        raise ErasureRefused(
            f"{asked} is no person and no record of the night of {night}. Give a whole person_id or record_id: "
            "nothing was done, and nobody alike was looked for."
        )
    whom = Whom(whom.records, whom.people, whom.touched, _told(council, whom.records), _homes(council, whom.people))
    known = store.scan(SOURCE_RECORD, night).collect()
    return Case(
        erasure.erasure_of(whom.records, council.ring),
        whom,
        _keyed(council, whom.records),
        traces_of(known.filter(pl.col("record_id").is_in(whom.records.implode())), known),
        who,
        reason,
        at,
    )


def _records_of(council: Council, person: str, night: date, links: pl.DataFrame) -> pl.Series:
    """A person's records: those linked now, and those that no feed tells of any more and were the person's last."""
    store = council.store
    mine = links.filter(person_id=person)["record_id"]
    past = store.read(LINK_PAST, night) if store.has(LINK_PAST.zone, f"{LINK_PAST.name}/{night}") else LINK_PAST.empty()
    ids = _former(store.read(PERSON_LINEAGE, night), person)
    last = past.sort("to").unique("record_id", keep="last").join(links, on="record_id", how="anti")
    gone = last.filter(pl.col("person_id").is_in(ids.implode()))["record_id"]
    return pl.concat([mine, gone]).unique().sort().alias("record_id")


def _former(lineage: pl.DataFrame, person: str) -> pl.Series:
    """A person's id, and those that merged into it, or into one that did."""
    merged = lineage.filter(change="merged_into").select("person_id", "other_person_id")
    ids = pl.Series("person_id", [person])
    while True:
        more = merged.filter(pl.col("other_person_id").is_in(ids.implode()))["person_id"]
        every = pl.concat([ids, more]).unique().sort()
        if every.len() == ids.len():
            return ids
        ids = every


def _versions(council: Council, table: Table) -> Iterator[pl.LazyFrame]:
    """Every kept version of a table, of nights that were not published too."""
    for night in council.store.folders(table.zone, table.name):
        yield council.store.scan(table, date.fromisoformat(night))


def _told(council: Council, records: pl.Series) -> pl.Series:
    ids = [pl.Series([], dtype=pl.String)]
    for table in OF_PEOPLE:
        sides = [c for c in ("record_id", "other_record_id") if c in table.schema]
        mine = pl.any_horizontal(*(pl.col(side).is_in(records.implode()) for side in sides))
        ids += [
            rows.filter(mine).select(table.key[0]).collect().to_series().rename("")
            for rows in _versions(council, table)
        ]
    return pl.concat(ids).unique().sort()


def _homes(council: Council, people: pl.Series) -> pl.Series:
    """Households in which nobody else lives, on any kept night."""
    found = [pl.Series("household_id", [], dtype=pl.String)]
    for rows in _versions(council, HOUSEHOLD_MEMBER):
        mine = pl.col("person_id").is_in(people.implode())
        alone = rows.group_by("household_id").agg(mine.all().alias("alone")).filter("alone")
        found.append(alone.select("household_id").collect().to_series())
    return pl.concat(found).unique().sort()


def _keyed(council: Council, records: pl.Series) -> pl.DataFrame:
    """`record_id`, `keys_of`: of which feed's keys each record is a hash, by what tells of it on any kept night."""
    told = [
        rows.filter(pl.col("record_id").is_in(records.implode())).select("record_id", "feed").unique().collect()
        for table in (SOURCE_RECORD, EVENT, INVOLVEMENT, VOICE)
        for rows in _versions(council, table)
    ]
    of = {feed: contract.keys_of for feed, contract in council.contracts.items()}
    feeds = pl.concat(told).unique("record_id", keep="first", maintain_order=True)
    keyed = feeds.with_columns(keys_of=pl.col("feed").replace(of))
    frame = pl.DataFrame({"record_id": records}).join(keyed, on="record_id", how="left")
    return frame.select("record_id", pl.col("keys_of").fill_null("")).sort("record_id")


# -- carrying it out ---------------------------------------------------------------------------------------------------


def erase(council: Council, case: Case) -> dict[str, int]:
    """Erase, everywhere; how many rows or files went, by place.

    The audit log is told before anything goes. From the moment at which the register knows the records nothing of them
    comes in, and what a kill leaves undone is done by `resume`, which the night begins with.
    """
    _keep(council, case)
    return _carry_out(council, case)


def resume(council: Council) -> int:
    """Carry out what was begun and not brought to its end; how many erasures that were.

    Raises:
        ErasureRefused: the audit log tells of an erasure that the register does not know: the register is an older one,
            and would let the erased come back.
    """
    told = audit_log(council).frame().filter(pl.col("action") == ERASE)["release_id"].drop_nulls().unique()
    known = {*erasure.erased(council.store)["erasure_id"], *council.store.folders(Zone.VAULT, CASES)}
    if lost := [one for one in told if one not in known]:
        raise ErasureRefused(
            f"the register of erasures does not know {len(lost)} erasures of which the audit log tells, first "
            f"{lost[0]}. Restore vault/{REGISTER} from the newest backup; nothing runs until then, for they would "
            "come back."
        )
    cases = [case for case in kept(council) if case.state == PENDING]
    for case in cases:
        _carry_out(council, case)
    return len(cases)


def kept(council: Council) -> list[Case]:
    """The erasures that are not proven yet, oldest first."""
    store = council.store
    found = []
    for erasure_id in store.folders(Zone.VAULT, CASES):
        folder = f"{CASES}/{erasure_id}"
        frames = {name: store.get(Zone.VAULT, folder, name).collect() for name in store.names(Zone.VAULT, folder)}
        said = frames["said"].row(0, named=True)
        ids = frames["ids"]
        whom = Whom(**{kind: ids.filter(kind=kind)["id"] for kind in Whom.__dataclass_fields__})
        found.append(Case(erasure_id, whom, frames["records"], Traces.of(frames["traces"]), **said))
    return sorted(found, key=lambda case: (case.at, case.erasure_id))


def again(council: Council, case: Case) -> None:
    """Carry an erasure out once more, as where something of it was brought back by a backup or a night that ran."""
    _carry_out(council, case)


def ids_of(case: Case) -> set[str]:
    """The ids by which somebody may ask for an erasure that was begun."""
    return {*case.whom.records, *case.whom.people, case.erasure_id}


def unpublished(council: Council) -> list[str]:
    """Feeds of which something was accepted since the last night, so that records of people may be unknown to it."""
    used = council.store.manifest().get("deliveries", {}) if council.store.published() else {}
    return [feed for feed in council.contracts if latest_accepted(council.store, feed) not in (None, used.get(feed))]


def page(council: Council, case: Case, left: pl.DataFrame, done: bool) -> str:
    """Let the page of a proof out to those who answer for information governance; its path below the outbox."""
    now, team = datetime.now(UTC).replace(tzinfo=None), council.organisation.quality_for
    who = council.organisation.teams[team]
    state = "carried out, and proven after a night" if done else "carried out"
    content = pages.proof(left, now.date(), case.erasure_id, state).encode()
    name = f"erasure {case.erasure_id} {now:%H%M%S}"
    item = Item("report", team, who.roles[0], who.reason, None, content, name=name)
    return str(let_out(council, [item], now.date(), case.who)["file"].item())


def _keep(council: Council, case: Case) -> None:
    ids = [
        pl.DataFrame({"kind": kind, "id": getattr(case.whom, kind)}, schema={"kind": pl.String, "id": pl.String})
        for kind in Whom.__dataclass_fields__
    ]
    said = pl.DataFrame([{name: getattr(case, name) for name in SAID}])
    frames = {"ids": pl.concat(ids), "records": case.records, "traces": case.traces.frame(), "said": said}
    council.store.put(Zone.VAULT, f"{CASES}/{case.erasure_id}", frames)


def _entry(case: Case, action: str, who: str, reason: str) -> Entry:
    people = [*case.whom.people, *case.whom.touched]
    return Entry(case.at, who, None, action, None, people[-1] if people else None, reason, None, case.erasure_id)


def _carry_out(council: Council, case: Case) -> dict[str, int]:
    log = audit_log(council)
    if not log.frame().filter(action=ERASE, release_id=case.erasure_id).height:
        override = [_entry(case, OVERRIDE, case.override_by, case.override_reason)] if case.override_by else []
        log.append([*override, _entry(case, ERASE, case.who, case.reason)])
    erasure.register(council.store, case.records, case.erasure_id, case.at)
    gone = feeds(council, case.whom.records) | tables(council, case.whom)
    gone["marts"] = releases(council, case.whom)
    gone["outbox"] = files(council, case)
    _keep(council, replace(case, state=ERASED))
    return gone


def feeds(council: Council, records: pl.Series) -> dict[str, int]:
    """Take records out of what every feed delivered: landed deliveries, quarantine, accepted states."""
    gone = {"landing": 0, "loads": 0}
    for contract in council.contracts.values():
        for place, count in arrivals.erase(contract, records, council.store, council.vault, council.ring).items():
            gone[place] += count
    return gone


def tables(council: Council, whom: Whom) -> dict[str, int]:
    """Take rows out of every kept version of every table of the vault and of the facts, registers among them.

    What linkage kept to score only what changed is dropped, if it holds any: the next night links all records anew,
    which comes to the same links. Who is remembered of those that are gone stays remembered.
    """
    store, gone = council.store, {"vault": 0, "facts": 0}
    for zone in (Zone.VAULT, Zone.FACTS):
        for folder in store.written(zone):
            name = folder.partition("/")[0]
            if name in ("feed", "model", CASES) or folder == REGISTER:
                continue
            if name == STATE:
                gone[zone.value] += _linked(council, folder, whom)
            else:
                gone[zone.value] += store.amend(zone, folder, *_named(name, whom))
    return gone


def _named(name: str, whom: Whom) -> tuple[Callable[[str, pl.DataFrame], pl.DataFrame], Callable[[pl.Schema], pl.Expr]]:
    """What is changed of the frames of a table, and in which rows."""
    return (
        lambda _, frame: whom.without(name, frame),
        lambda schema: (whom.bears(name, schema) | whom.names(name, schema)).fill_null(False),
    )


def _linked(council: Council, folder: str, whom: Whom) -> int:
    """Take them out of what linkage kept of a night; how many rows went, what is merely made anew not counted."""
    store, gone = council.store, 0
    names = store.names(Zone.VAULT, folder)
    state = store.get(Zone.VAULT, folder, "state").collect() if "state" in names else pl.DataFrame()
    held = "record_id" in state.columns and bool(state["record_id"].is_in(whom.records.implode()).any())

    def change(name: str, frame: pl.DataFrame) -> pl.DataFrame:
        nonlocal gone
        if name in ("state", "keys", "ends"):  # rows are places in one another
            return frame.clear() if held and frame.height else frame
        rest = whom.without(name, frame)
        gone += frame.height - rest.height
        return rest

    store.amend(Zone.VAULT, folder, change)
    return gone


def purged(council: Council, tonight: date) -> int:
    """Take out of earlier nights and releases whom partners have taken back altogether by a night; how many records.

    Tonight's tables do without them already, and what was let out has been recalled.
    """
    store = council.store
    before = store.published_before(tonight)
    if before is None:
        return 0
    taken_back = purged_since(store, deliveries_used(council, tonight), before)["record_id"].unique()
    still = store.scan(SOURCE_RECORD, tonight).select("record_id").collect()["record_id"]
    records = taken_back.filter(~taken_back.is_in(still.implode()))
    if records.is_empty():
        return 0
    links, now = store.read(PERSON_LINK, before), store.read(PERSON_LINK, tonight)
    theirs = links.filter(pl.col("record_id").is_in(records.implode()))["person_id"].unique()
    people = theirs.filter(~theirs.is_in(now["person_id"].implode()))
    whom = Whom(records, people, told=_told(council, records), homes=_homes(council, people))
    tables(council, whom)
    releases(council, whom)
    return records.len()


def deliveries_used(council: Council, night: date) -> dict[str, str]:
    """The delivery of each feed that a night uses."""
    frame = council.store.get(Zone.LEDGER, f"deliveries_used/{night}", "deliveries_used").collect()
    return dict(frame.select("feed", "delivery").iter_rows())


def releases(council: Council, whom: Whom) -> int:
    """Make every kept release of the marts anew without them; `current` is never without one."""
    folder = council.home / "marts"

    def change(name: str, frame: pl.DataFrame) -> pl.DataFrame:
        return frame if name in LEDGERS else whom.without(name, frame)

    return sum(marts.amend(folder, stamp, change) for stamp in marts.releases(folder))


def files(council: Council, case: Case) -> int:
    """Put notices in the place of released files about them, or that show them, and take them off the teams' lists."""
    now = datetime.now(UTC).replace(tzinfo=None)
    people = case.whom.derived
    released = ever_released(council)
    showing = [
        rows.filter(pl.col("about").is_in(people.implode())).select("output_id").collect()["output_id"]
        for rows in _versions(council, OUTPUT_USE)
    ]
    shows = pl.concat([pl.Series("output_id", [], dtype=pl.String), *showing])
    by_use = pl.col("person_id").is_in(people.implode()).fill_null(False) | pl.col("release_id").is_in(shows.implode())
    place = council.home / "outbox"
    holding = {
        path.relative_to(place).as_posix()
        for path in _plain(place)
        if path.name != outbox.INDEX and case.traces.in_text(_text(path))
    }
    rows = released.filter(by_use | pl.col("file").is_in(list(holding)))
    told = set(audit_log(council).frame().filter(pl.col("action") == RECALL)["release_id"].drop_nulls())

    def notice(row: dict[str, Any]) -> bytes:
        about = row["person_id"] in set(people)
        return pages.notice(case.at.date(), about, sheet=str(row["file"]).endswith(".csv"))

    count = releaser(council, case.who).recall(rows, notice, now, told)
    _unlist(place, set(rows["file"]))
    for path in _plain(place):  # what no ledger knows of, such as a file of a night that was killed
        if case.traces.in_text(_text(path)):
            path.unlink()
            count += 1
    return count


def _unlist(place: Path, files: set[str]) -> None:
    """Take recalled files off the lists beside them; a list that is encrypted goes: the next night makes another."""
    for team in {file.partition("/")[0] for file in files}:
        names = [file.partition("/")[2] for file in files if file.startswith(f"{team}/")]
        index = place / team / outbox.INDEX
        if index.is_file():
            kept = pages.unlisted(index.read_text(encoding="utf-8"), names)
            outbox.write(index, kept.encode(), index.stat().st_mode & 0o777)
        for left in (place / team).glob(f"{outbox.INDEX}{ENDING}*"):
            left.unlink()


def _plain(place: Path) -> Iterator[Path]:
    return (path for path in sorted(place.rglob("*")) if path.is_file() and not path.name.endswith(ENDING))


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def proven(council: Council, case: Case) -> bool:
    """Forget what an erasure kept for its proof, once nothing is left and a night has been published since.

    Whether it was forgotten. The register keeps the records' ids; the audit log, that they were erased.
    """
    published = council.store.published()
    if case.state != ERASED or published is None or published <= case.at.date():
        return False
    council.store.remove(Zone.VAULT, f"{CASES}/{case.erasure_id}")
    return True


# -- the proof ---------------------------------------------------------------------------------------------------------


def prove(council: Council, case: Case) -> pl.DataFrame:
    """Look through the whole data folder for what is left of an erased person: schema `summaries.erasure.LEFT`.

    Every dataset is decrypted and read, generations that a killed attempt left among them; so are landed deliveries,
    the marts, and every other file as text.
    """
    ids = [*case.whom.records, *case.whom.people, *case.whom.told]
    found: dict[tuple[str, str, bool], int] = {}

    def told(place: str, what: str, count: int, kept: bool = False) -> None:
        at = (place, what, kept)
        found[at] = found.get(at, 0) + count

    for zone in (Zone.VAULT, Zone.FACTS, Zone.LEDGER):
        for folder, frame in council.store.everything(zone):
            own = folder == REGISTER or folder.startswith(f"{CASES}/")
            held = zone is Zone.LEDGER or own
            place = "register of erasures" if own else zone.value
            told(place, IDS_SOUGHT, holding(frame, ids), kept=held)
            if not own and not folder.startswith("model/"):
                told(place, VALUES_SOUGHT, case.traces.in_frame(frame))
    told("linkage model", "names that nobody else has", _in_model(council, case), kept=True)
    _prove_landing(council, case, told)
    _prove_marts(council, case, ids, told)
    for path in sorted(council.home.rglob("*")):
        top = path.relative_to(council.home).parts[0]
        if path.is_symlink() or not path.is_file() or path.suffix in (".parquet", ".key", ".sealed", ".duckdb"):
            continue
        text = _text(path)
        told(_PLACES.get(top, top), VALUES_SOUGHT, int(case.traces.in_text(text)))
        told(_PLACES.get(top, top), IDS_SOUGHT, int(any(one in text for one in ids)), kept=top == "ledger")
    rows = [(place, what, count, kept) for (place, what, kept), count in found.items()]
    return pl.DataFrame(rows, schema=pages.LEFT, orient="row").sort("kept", "place", "what")


IDS_SOUGHT, VALUES_SOUGHT = "ids", "names with date of birth, ids of the person"
_PLACES = {"drop": "drop folder", "ledger": "ledger and audit log", "tmp": "temporary files"}
Tell = Callable[..., None]


def _in_model(council: Council, case: Case) -> int:
    """How many of their names, which nobody else has, the linkage model's tables of how frequent names are hold."""
    store, night = council.store, council.store.published()
    if not store.has(Zone.VAULT, MODEL) or night is None:
        return 0
    known, found = store.scan(SOURCE_RECORD, night).select("forename", "surname").collect(), 0
    for column in ("forename", "surname"):
        if column not in store.names(Zone.VAULT, MODEL):
            continue
        theirs = pl.Series([getattr(name, column) for name in case.traces.names], dtype=pl.String).unique()
        alone = theirs.filter(~theirs.is_in(known[column].drop_nulls().implode()))
        found += holding(store.get(Zone.VAULT, MODEL, column).collect(), alone)
    return found


def _prove_landing(council: Council, case: Case, told: Tell) -> None:
    """Rows in the landing zone that are of an erased record, by the keys that contracts name, or show the person."""
    for contract in council.contracts.values():
        for delivery in deliveries(contract.id, council.store):
            landed = delivered(contract.id, delivery, council.store)
            taken = Taken()
            try:
                for _, rows in rows_of(contract, landed, council.vault, council.ring, {}):
                    told("landing", VALUES_SOUGHT, case.traces.in_frame(rows))
                rows_kept = rows_of(contract, landed, council.vault, council.ring, {})
                for _ in without(contract, rows_kept, case.whom.records, council.ring, taken):
                    pass
            except Rejected:
                told("landing", "rejected files that cannot be read, and so not looked into", 1, kept=True)
            told("landing", IDS_SOUGHT, taken.rows.total() + taken.purging.total())


def _prove_marts(council: Council, case: Case, ids: list[str], told: Tell) -> None:
    folder = council.home / "marts"
    for stamp in marts.releases(folder):
        for name, frame in marts.tables_of(folder, stamp):
            ledger = name in LEDGERS
            told("marts, copies of the ledger" if ledger else "marts", IDS_SOUGHT, holding(frame, ids), kept=ledger)
            told("marts", VALUES_SOUGHT, case.traces.in_frame(frame))
