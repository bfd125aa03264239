"""Quality back to the partner: which reports are made of which delivery, for whom, and their way through the gate.

What belongs here: reading what a report needs, asking the agreements what it may show, letting it out, and listing it.
What a report says is made in `summaries.reports`. `monitoring` calls this each night, and ingestion after a delivery.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from assets.context import Council
from assets.sharing import TOLD, releaser
from feeds.contracts import Contract
from feeds.ledger import QUARANTINE, loaded
from governance.agreements import Question
from governance.organisation import RETURNED
from governance.release import Item
from summaries import quality, reports
from summaries.reports import About, Shown
from warehouse.tables import LOAD, LOAD_RULE, RELEASE, Table, Zone

NEWEST = "reports"  # each reader's newest report of each feed
PIECES = {"page": "report", "rows": "rows to correct", "records": "records to check"}
_FILES = pl.Schema({"piece": pl.String, "file": pl.String})


@dataclass(frozen=True)
class Telling:
    """One report to make: of a feed's delivery, for one team, with what is known of it.

    Attributes:
        name: tells this report apart from all others of the day.
        day: on which freshness is judged; `state` is the feed's row of `quality.states` on it.
        loads, load_rules: LOAD and LOAD_RULE of the feed, up to the delivery.
        found: what comparing sources found of the feed, counted; None where no night has compared it yet.
        records: the same by the feed's own keys; read only where an agreement lets the reader have them.
        newest: whether no later delivery of the feed has been told of, so that the list leads to this report.
    """

    contract: Contract
    team: str
    name: str
    day: date
    state: Mapping[str, Any]
    loads: pl.DataFrame
    load_rules: pl.DataFrame
    found: pl.DataFrame | None = None
    records: pl.DataFrame | None = field(default=None, repr=False)
    newest: bool = True


def shown(council: Council, team: str, partner: str, on: date) -> Shown:
    """What of a partner's own rows a team may be shown on a day: what the agreements answer, and nothing else."""
    who = council.organisation.teams[team]
    told = []
    for category in RETURNED:
        answer = council.agreements.permits(Question(team, who.roles[0], who.reason, partner, category, on))
        keeps = answer.agreement and council.agreements.expires(answer.agreement, "report", on, team)
        told.append(answer if answer.allowed and keeps else None)
    faults, values = told
    by = "; ".join(dict.fromkeys(f"{a.agreement}, {a.clause}" for a in told if a and faults))
    return Shown(faults is not None, faults is not None and values is not None, by)


def tell(
    council: Council, tellings: Iterable[Telling], night: date, now: datetime, logged: Collection[str] = ()
) -> pl.DataFrame:
    """Make reports and let them out: RELEASE rows, with feed, name and piece (page, rows, records) beside them.

    Raises:
        ReleaseRefused, AuditError: see `Releaser.release_many`.
    """
    gate, tellings = releaser(council), list(tellings)
    may = [shown(council, telling.team, telling.contract.partner, night) for telling in tellings]
    sheets = [
        (i, piece, _item(council, telling, may[i], piece, content, ".csv"))
        for i, telling in enumerate(tellings)
        for piece, content in _sheets(council, telling, may[i])
    ]
    let_out = gate.release_many([item for *_, item in sheets], night, now, logged=logged)
    files: list[dict[str, str]] = [{} for _ in tellings]
    for (i, piece, _), file in zip(sheets, let_out["file"], strict=True):
        files[i][piece] = Path(file).name
    pages = [
        _item(council, telling, may[i], "page", _page(council, telling, may[i], files[i]), ".html")
        for i, telling in enumerate(tellings)
    ]
    paged = gate.release_many(pages, night, now, logged=logged)
    for i, (telling, file) in enumerate(zip(tellings, paged["file"], strict=True)):
        if telling.newest:
            _keep(council, telling, files[i] | {"page": Path(file).name})
    of = [(i, piece) for i, piece, _ in sheets] + [(i, "page") for i in range(len(tellings))]
    about = pl.DataFrame(
        [(tellings[i].contract.id, tellings[i].name, piece) for i, piece in of],
        schema={"feed": pl.String, "name": pl.String, "piece": pl.String},
        orient="row",
    )
    return pl.concat([let_out, paged]).hstack(about)


def tell_deliveries(council: Council, feed: str, deliveries: Collection[str], now: datetime) -> int:
    """Tell a partner of deliveries that have their loads, each once for what it came to; return how many were told.

    What a killed run left untold is told by the next night, which asks for all that is `untold`.
    """
    contract, store = council.contracts[feed], council.store
    teams, known = council.organisation.readers(contract.partner), loaded(store, feed)
    asked = [key for key in known if key in deliveries]
    if not teams or not asked:
        return 0
    since = known[max(known.index(asked[0]) + 1 - reports.TREND, 0) : known.index(asked[-1]) + 1]
    loads = _read(council, feed, since, LOAD)
    mark = dict(zip(since, marks(loads), strict=True))
    waiting = [key for key in asked if not store.has(Zone.LEDGER, f"{TOLD}/{mark[key]}")]
    ruled = {key: place for place, key in enumerate(since)}
    rules = {key: _read(council, feed, since[max(ruled[key] - 1, 0) : ruled[key] + 1], LOAD_RULE) for key in waiting}
    tellings = []
    for key in waiting:
        upto = loads[: ruled[key] + 1]
        last: date = upto.select(quality.delivered().max()).item()
        day = max(now.date(), last)  # a delivery may be named by the day that begins
        state = quality.states(upto, every([contract]), day).row(0, named=True)
        newest = key == known[-1]
        tellings += [Telling(contract, t, mark[key], day, state, upto, rules[key], newest=newest) for t in teams]
    if not tellings:
        return 0
    released = tell(council, tellings, now.date(), now)
    for key in waiting:
        mine = released.filter(name=mark[key]).select(RELEASE.schema.names())
        store.put(Zone.LEDGER, f"{TOLD}/{mark[key]}", {"released": mine})
    index(council, contract.partner, now.date())
    return len(waiting)


def marks(loads: pl.DataFrame) -> list[str]:
    """What each load is told under: its feed and delivery, and a digest of what it came to."""
    came_to = ("sha256", "status", "received", "accepted", "quarantined", "withdrawn", "reason")
    return [
        f"{feed}/{delivery}={blake2b(repr(rest).encode(), digest_size=8).hexdigest()}"
        for feed, delivery, *rest in loads.select("feed", "delivery", *came_to).iter_rows()
    ]


def untold(council: Council, loads: pl.DataFrame) -> dict[str, list[str]]:
    """Deliveries by feed that nobody was told of yet as they now stand, such as those of a killed run."""
    waiting: dict[str, list[str]] = {}
    there = {name for name, _ in told(council)}
    for (feed, delivery), mark in zip(loads.select("feed", "delivery").rows(), marks(loads), strict=True):
        if mark not in there:
            waiting.setdefault(feed, []).append(delivery)
    return waiting


def told(council: Council) -> Iterator[tuple[str, Callable[[], pl.DataFrame]]]:
    """What was let out after deliveries: the name that it is kept under, and how to read its RELEASE rows."""
    for feed in sorted(council.contracts):
        for name in council.store.folders(Zone.LEDGER, f"{TOLD}/{feed}"):
            yield f"{feed}/{name}", partial(_told, council, f"{TOLD}/{feed}/{name}")


def _told(council: Council, folder: str) -> pl.DataFrame:
    return council.store.get(Zone.LEDGER, folder, "released").collect()


def index(council: Council, partner: str, day: date) -> None:
    """List, in each reader's folder, the newest report of each of the partner's feeds."""
    store, name = council.store, council.organisation.party(partner).name
    feeds = [feed for feed, contract in sorted(council.contracts.items()) if contract.partner == partner]
    for team in council.organisation.readers(partner):
        rows = []
        for feed in (f for f in feeds if store.has(Zone.LEDGER, f"{NEWEST}/{team}/{f}")):
            folder = f"{NEWEST}/{team}/{feed}"
            files = dict(store.get(Zone.LEDGER, folder, "files").collect().rows())
            state = store.get(Zone.LEDGER, folder, "state").collect().row(0, named=True)
            rows.append(state | {"files": [(PIECES[piece], files[piece]) for piece in PIECES if piece in files]})
        if rows:
            releaser(council).index(team, reports.index(name, rows, day).encode())


def every(contracts: Iterable[Contract]) -> pl.DataFrame:
    """How often each feed is due: feed, name, partner, every (days)."""
    rows = [(c.id, c.name, c.partner, c.interval.days) for c in contracts]
    schema = {"feed": pl.String, "name": pl.String, "partner": pl.String, "every": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


# -- inside ---------------------------------------------------------------------------------------------------------


def _sheets(council: Council, telling: Telling, may: Shown) -> Iterator[tuple[str, bytes]]:
    feed, delivery = telling.contract.id, telling.state["delivery"]
    if may.faults and delivery and telling.state["quarantined"]:
        folder = f"feed/{feed}/{delivery}"
        frames = {
            name.removeprefix(QUARANTINE): council.store.get(Zone.VAULT, folder, name).head(reports.LINES).collect()
            for name in council.store.names(Zone.VAULT, folder)
            if name.startswith(QUARANTINE)
        }
        lines = reports.set_aside(telling.contract, frames, may.values)
        if lines.height:
            yield "rows", reports.spreadsheet(lines)
    if may.values and telling.records is not None and telling.records.height:
        yield "records", reports.spreadsheet(telling.records)


def _page(council: Council, telling: Telling, may: Shown, files: Mapping[str, str]) -> bytes:
    partner = council.organisation.party(telling.contract.partner).name
    council_team = council.organisation.teams[council.organisation.quality_for].name
    about = About.of(telling.contract, partner, council_team)
    inside = telling.team == council.organisation.quality_for
    found = telling.found if inside or may.faults else None  # what other sources say is no count of a partner's own
    return reports.report(telling.loads, telling.load_rules, about, telling.day, found, may, files).encode()


def _item(council: Council, telling: Telling, may: Shown, piece: str, content: bytes, suffix: str) -> Item:
    team = council.organisation.teams[telling.team]
    given = {"row_faults": may.faults, "row_values": may.values}
    shares = tuple(f"{telling.contract.partner}: {category}" for category, yes in given.items() if yes)
    return Item(
        "report", telling.team, team.roles[0], team.reason, None, content, shares, name=f"{telling.name} {piece}",
        suffix=suffix,
    )  # fmt: skip


def _keep(council: Council, telling: Telling, files: Mapping[str, str]) -> None:
    """Remember a reader's newest report of a feed, for the list."""
    state = pl.DataFrame([dict(telling.state)])
    listed = pl.DataFrame(list(files.items()), schema=_FILES, orient="row")
    council.store.put(Zone.LEDGER, f"{NEWEST}/{telling.team}/{telling.contract.id}", {"files": listed, "state": state})


def _read(council: Council, feed: str, deliveries: Iterable[str], table: Table) -> pl.DataFrame:
    parts = [council.store.get(Zone.VAULT, f"feed/{feed}/{key}", table.name).collect() for key in deliveries]
    return pl.concat([table.empty(), *parts], how="diagonal").select(table.schema.names())
