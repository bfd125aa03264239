"""Recall: what used a link that the night undid, who received it, and the notices in its place."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.monitoring import deliveries_of
from assets.sharing import GROUP, LOOKED_AT, USED, audit_log, let_out_beside, logged, looks, releaser
from assets.summaries import RECALL_FILE as FILE
from assets.summaries import RECALLED as STATE
from assets.summaries import SHOWN
from feeds.ledger import purged_since
from governance.organisation import Team
from governance.pseudonyms import hashed
from governance.release import RECALL as RECALLED
from governance.release import Item
from governance.sealing import ENDING
from linkage import decisions, dwellings, protection
from summaries import findings, recall
from warehouse.tables import (
    ALERT,
    DWELLING,
    HOUSEHOLD_MEMBER,
    LINK_PAST,
    MATCH_EDGE,
    OUTPUT_USE,
    PERSON_LINEAGE,
    PERSON_LINK,
    QUALITY_ISSUE,
    RECALL,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    Table,
    Zone,
)  # fmt: skip

CHECK = "recalls_reconcile"
RELEASED = "released"


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [recalls, recall_file, output_use]


@dg.multi_asset(
    name="recalls",
    specs=[
        dg.AssetSpec(
            t.name, group_name=GROUP, deps=[PERSON_LINK.name, PERSON_LINEAGE.name, DWELLING.name], description=t.meaning
        )
        for t in (LINK_PAST, RECALL)
    ],
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=RECALL.name,
            blocking=True,
            description="Every summary in the release ledger that used a link while it stood, and which is undone "
            "tonight, has been recalled; and every recall names a release that the ledger knows.",
        )
    ],
)
def recalls(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Find the links that the night undid, and all that was let out and used one of them while it stood."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    now, earlier = store.read(PERSON_LINK, tonight), _left(council, RECALL, before)
    withdrawn = purged_since(store, deliveries_of(council, tonight), before)["record_id"]
    was = _left(council, PERSON_LINK, before)
    kept, every = recall.past(_left(council, LINK_PAST, before), was, now, tonight, withdrawn)
    links = recall.undone(every, was, now, tonight, withdrawn)
    links = _caused(council, links, now, before, tonight)
    hidden, answered = _hidden(council, every, now, before, tonight)
    links = pl.concat([links, hidden])
    nights = [n for n in map(date.fromisoformat, store.folders(Zone.LEDGER, RELEASED)) if n < tonight]
    used = pl.concat([_used(council, links, nights), recall.in_marts(links, nights, council.organisation.marts_for)])
    key = council.ring.key("recall")
    new = recall.entries(
        recall.covered(used, links), earlier, nights, tonight, _kept_until(council), lambda texts: hashed(texts, key)
    )
    all_of_them = pl.concat([recall.standing(earlier, tonight), new])
    told = {"links": links, "notes": recall.notes(new, every, now, tonight), "answered": answered}
    store.put(Zone.LEDGER, f"{STATE}/{tonight}", told)
    yield council.write(LINK_PAST, tonight, kept)
    counts = {f"undone, {cause}": count for cause, count in _causes(links).items()}
    counts |= {f"recalled, {kind}": count for kind, count in new.group_by("kind").len().sort("kind").iter_rows()}
    yield council.write(RECALL, tonight, all_of_them, counts)
    released = _released(council, links, nights)
    wrong = recall.unaccounted(
        all_of_them, tonight, links, released, _ledger(council, before, _concerned(links, nights))
    )
    yield dg.AssetCheckResult(
        passed=not wrong,
        check_name=CHECK,
        asset_key=RECALL.name,
        metadata={"wrong": wrong, "releases": released["release_id"].n_unique(), "recalls": new.height},
    )


@dg.asset(
    name=FILE,
    group_name=GROUP,
    deps=[RECALL.name, LOOKED_AT],
    description="For each recipient what is recalled and what to do, a notice in the place of each file, and the "
    "register of all recalls for information governance.",
)
def recall_file(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Tell each recipient, and put notices where the files were."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    rows = store.read(RECALL, tonight)
    new = rows.filter(pl.col("night") == tonight)
    ledger = _ledger(council, before, new.filter(pl.col("file").is_not_null())["first"].unique().to_list())
    now, already = datetime.now(UTC).replace(tzinfo=None), logged(council, tonight)
    let_out, opened = (
        partial(releaser(council).release_many, night=tonight, now=now, logged=already),
        _opened(council, new),
    )
    sheets, pages = [RELEASE.empty()], [RELEASE.empty()]
    ask = council.organisation.teams[council.organisation.quality_for].name
    for (name,), mine in sorted(new.partition_by("team", as_dict=True).items()):
        team, until = str(name), recall.kept_until(mine)
        blocks = recall.told(mine, opened, council.wording.vocabulary.outcomes)
        sheet = let_out([_item(council, team, "sheet", recall.team_sheet(blocks), ".csv", until)])
        called, beside = council.organisation.teams[team].name, Path(sheet["file"].item()).name
        page = recall.team_page(called, blocks, tonight, ask, beside).encode()
        sheets.append(sheet)
        pages.append(let_out([_item(council, team, "page", page, ".html", until)]))
    told = pl.concat(pages)
    noticed = _put_notices(council, new, ledger, dict(told.select("team", "file").iter_rows()), now, tonight)
    registered = let_out(_register(council, rows, tonight))
    store.put(
        RELEASE.zone,
        f"{RELEASED}/{tonight}/{RECALLED}",
        {RELEASED: pl.concat([*sheets, told, registered]), "pages": told, "replaced": registered.select("file")},
    )
    _retire(council, before, registered["file"])
    return made(FILE, new.height, more={"recipients": told.height, "notices": noticed})


@dg.asset(
    name=OUTPUT_USE.name,
    group_name=GROUP,
    deps=["case_summary", RISK_FLAG.name, ALERT.name, "quality_report"],
    description=OUTPUT_USE.meaning,
)
def output_use(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Keep whose facts tonight's outputs used, for the night on which one of their links is undone."""
    tonight = night_of(context, council)
    return council.write(OUTPUT_USE, tonight, _uses_of(council, tonight))


# -- what was undone -------------------------------------------------------------------------------------------------


def _left(council: Council, table: Table, night: date | None) -> pl.DataFrame:
    """A table as a night left it; empty where there was none, or it had no such table yet."""
    there = night and str(night) in council.store.folders(table.zone, table.name)
    return council.store.read(table, night) if there else table.empty()


def _ledger(council: Council, before: date | None, nights: Sequence[date]) -> pl.DataFrame:
    """All that was released, also on these nights where one of them stopped before it was published."""
    parts = [
        _let_out(council, night, kind).select(RELEASE.schema.names())
        for night in nights
        for kind in ("summary", "report")
        if council.store.has(Zone.LEDGER, f"{RELEASED}/{night}/{kind}")
    ]
    every = pl.concat([_left(council, RELEASE, before).lazy(), let_out_beside(council).lazy(), *parts])
    return every.unique("release_id", keep="first", maintain_order=True).collect()


def _caused(
    council: Council, links: pl.DataFrame, now: pl.DataFrame, before: date | None, tonight: date
) -> pl.DataFrame:
    """The undone links with their causes; nothing more is read where there are none."""
    if links.is_empty() or before is None:
        return links.with_columns(because=pl.lit(None, pl.String)).clear()
    store = council.store
    parts = pl.concat([links["here"], links["there"]]).unique().implode()
    records = now.filter(pl.col("person_id").is_in(parts)).select("record_id")
    hashes = [
        store.scan(SOURCE_RECORD, night).select("record_id", "row_hash").join(records.lazy(), on="record_id").collect()
        for night in (before, tonight)
    ]
    corrected = hashes[1].join(hashes[0], on=["record_id", "row_hash"], how="anti").join(hashes[0], on="record_id")
    models = [
        set(store.scan(MATCH_EDGE, night).select("model_id").unique().collect()["model_id"])
        for night in (before, tonight)
    ]
    return recall.caused(
        links,
        now,
        decisions.in_force(decisions.read(store)),
        store.read(PERSON_LINEAGE, tonight).filter(pl.col("night") == tonight),
        corrected["record_id"],
        not models[1] <= models[0],
    )


def _hidden(
    council: Council, every: pl.DataFrame, now: pl.DataFrame, before: date | None, tonight: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Addresses protected since the last night, as undone links; and the protections that are answered for by now."""
    store, folder = council.store, f"{STATE}/{before}"
    asked = decisions.protections(store).filter(pl.col("withdrawn_at").is_null())
    asked = asked.select("veto_id", "record_id", "place")
    known = store.get(Zone.LEDGER, folder, "answered").collect() if store.has(Zone.LEDGER, folder) else None
    fresh = asked if known is None else asked.join(known, on="veto_id", how="anti")
    ids = asked.select("veto_id")
    answered = ids if known is None else pl.concat([known, ids]).unique()
    records = _at_their_homes(council, fresh, now, tonight) if fresh.height else fresh["record_id"]
    return recall.hidden(every, now, tonight, records), answered.sort("veto_id")


def _at_their_homes(council: Council, fresh: pl.DataFrame, now: pl.DataFrame, tonight: date) -> pl.Series:
    """The records of those who are newly protected, and of whoever a record places with them: it is one address."""
    store = council.store
    records = store.scan(SOURCE_RECORD, tonight).select("record_id", *protection.ADDRESS, "other_addresses").collect()
    gazetteer = store.read(DWELLING, tonight).filter(pl.col("kind").ne_missing(dwellings.REFUGE))  # protected before
    found = protection.find(records, now, gazetteer, fresh.select("record_id", "place"))
    beside = now.filter(pl.col("person_id").is_in(found.people.implode()))["record_id"]
    return pl.concat([fresh["record_id"].drop_nulls(), beside]).unique().sort()


def _causes(links: pl.DataFrame) -> dict[str, int]:
    """How many ids had a link undone, by cause."""
    counted = links.group_by("because").agg(pl.col("person_id").n_unique())
    return dict(counted.sort("because").iter_rows())


# -- what used it ----------------------------------------------------------------------------------------------------


def _used(council: Council, links: pl.DataFrame, nights: Sequence[date]) -> pl.DataFrame:
    """What was let out on the nights on which the links stood, and used one of the people concerned."""
    store, parts = council.store, [pl.DataFrame(schema=recall.USED).lazy()]
    kept = set(store.folders(OUTPUT_USE.zone, OUTPUT_USE.name))
    people = links["person_id"].unique().implode()
    for night in _concerned(links, nights):
        if str(night) in kept:
            frame = store.scan(OUTPUT_USE, night)
        elif store.has(Zone.LEDGER, f"{RELEASED}/{night}/summary"):
            frame = recall.used_by_releases(_let_out(council, night, "summary").collect()).lazy()
        else:
            continue
        parts.append(frame.filter(pl.col("about").is_in(people)).with_columns(night=pl.lit(night)))
    beside = pl.concat([let_out_beside(council, USED), looks(council, USED)]).lazy()
    return pl.concat([*parts, beside.filter(pl.col("about").is_in(people))]).collect()


def _concerned(links: pl.DataFrame, nights: Sequence[date]) -> list[date]:
    if links.is_empty():
        return []
    first, last = links["from"].min(), links["to"].max()
    return [night for night in nights if first <= night < last]  # type: ignore[operator]


def _let_out(council: Council, night: date, kind: str) -> pl.LazyFrame:
    return council.store.get(Zone.LEDGER, f"{RELEASED}/{night}/{kind}", RELEASED)


def _released(council: Council, links: pl.DataFrame, nights: Sequence[date]) -> pl.DataFrame:
    """Every summary about one of the people concerned, as the gate put it down: release_id, person_id, night."""
    people = links["person_id"].unique().implode()
    parts = [pl.DataFrame(schema={"release_id": pl.String, "person_id": pl.String, "night": pl.Date}).lazy()]
    for night in _concerned(links, nights):
        if council.store.has(Zone.LEDGER, f"{RELEASED}/{night}/summary"):
            mine = _let_out(council, night, "summary").filter(pl.col("person_id").is_in(people))
            parts.append(mine.select("release_id", "person_id", night=pl.lit(night)))
    return pl.concat(parts).collect()


def _uses_of(council: Council, tonight: date) -> pl.DataFrame:
    """Whose facts tonight's own outputs used."""
    store = council.store
    members = store.read(HOUSEHOLD_MEMBER, tonight)
    shown = store.get(Zone.FACTS, f"{SHOWN}/{tonight}", "shown").collect()
    listed = store.get(Zone.LEDGER, f"{RELEASED}/{tonight}/report", "records").collect()
    links = store.scan(PERSON_LINK, tonight).select("record_id", about="person_id")
    by_links = [f.name for f in findings.FINDINGS if f not in findings.OF_PLACES]
    issues = store.scan(QUALITY_ISSUE, tonight).filter(pl.col("rule").is_in(by_links))
    about = issues.join(links, on="record_id").select("feed", "about").unique().collect()
    return pl.concat(
        [
            recall.used_by_summaries(_let_out(council, tonight, "summary").collect(), shown, members),
            recall.used_by_reports(listed, about),
            recall.used_by_flags(store.read(RISK_FLAG, tonight), store.read(ALERT, tonight), members),
        ]
    )


def _kept_until(council: Council) -> Callable[[str, str, date], date | None]:
    """Until when copies of what is no file may be kept: as long as any agreement with the team allows."""

    def until(kind: str, team: str, day: date) -> date | None:
        who: Team = council.organisation.teams[team]
        sections = council.agreements.sections(team, who.roles[0], who.reason, day)
        as_file = "export" if kind == recall.MARTS else "summary"
        ends = [council.agreements.expires(name, as_file, day, team) for name in sections["agreement"].unique()]
        return max((end for end in ends if end), default=None)

    return until


# -- who is told -----------------------------------------------------------------------------------------------------


def _item(council: Council, team: str, name: str, content: bytes, suffix: str, until: date | None) -> Item:
    who = council.organisation.teams[team]
    return Item(
        RECALLED, team, who.roles[0], who.reason, None, content, name=f"{RECALLED} {name}", suffix=suffix, until=until
    )


def _opened(council: Council, new: pl.DataFrame) -> pl.DataFrame:
    """Who is known to have opened a file, or to have been shown something: release_id, opened (roles and days)."""
    empty = pl.DataFrame(schema={"release_id": pl.String, "opened": pl.String})
    if new.is_empty():
        return empty
    read = audit_log(council).frame().filter(pl.col("action").is_in(["read", "reveal"]))
    day = pl.col("at").dt.strftime("%-d %B %Y")
    files = read.select("release_id", "at", said=pl.format("{}, {}", pl.coalesce("role", "actor"), day))
    shown = looks(council).select(
        pl.col("output_id").alias("release_id"), "at", said=pl.format("{}, {}, for the case {}", "role", day, "case")
    )
    seen = pl.concat([files, shown]).join(new, left_on="release_id", right_on="output_id", how="semi").sort("at")
    return pl.concat(
        [
            empty,
            seen.group_by("release_id").agg(pl.col("said").unique(maintain_order=True).str.join("; ").alias("opened")),
        ]
    )


def _put_notices(
    council: Council, new: pl.DataFrame, ledger: pl.DataFrame, pages: Mapping[str, str], now: datetime, tonight: date
) -> int:
    """Take the content of recalled files away; whoever opens one is told so."""
    files = new.filter(pl.col("file").is_not_null()).select("output_id", "about", "because", "first")
    rows = ledger.join(files, left_on="release_id", right_on="output_id").sort("release_id")
    if rows.is_empty():
        return 0
    log = audit_log(council).frame()
    told = set(log.filter(pl.col("action") == RECALLED)["release_id"])

    beside = {team: Path(file).name for team, file in pages.items()}

    def notice(row: dict[str, Any]) -> bytes:
        own = row["person_id"] is None or row["person_id"] in row["about"]
        why = recall.why(row["because"], own)
        if row["file"].removesuffix(ENDING).endswith(".csv"):
            return recall.notice_sheet(tonight, why, beside[row["team"]])
        name = council.organisation.teams[row["team"]].name
        page = recall.notice(name, tonight, row["first"], why, row["release_id"], beside[row["team"]]).encode()
        return recall.notice_archive(page) if row["file"].removesuffix(ENDING).endswith(".zip") else page

    return releaser(council).recall(rows, notice, now, told)


def _register(council: Council, rows: pl.DataFrame, tonight: date) -> list[Item]:
    """The register of all recalls for those who answer for information governance; none while nothing was recalled."""
    if rows.is_empty():
        return []
    team = council.organisation.quality_for
    teams = {name: each.name for name, each in council.organisation.teams.items()}
    links = council.store.get(Zone.LEDGER, f"{STATE}/{tonight}", "links").collect()
    page = recall.register(rows, tonight, teams, _causes(links)).encode()
    return [
        _item(council, team, "register", page, ".html", None),
        _item(council, team, "register rows", recall.register_sheet(rows), ".csv", None),
    ]


def _retire(council: Council, before: date | None, now: pl.Series) -> None:
    """Take back the register that tonight's replaces."""
    folder = f"{RELEASED}/{before}/{RECALLED}"
    if before and council.store.has(Zone.LEDGER, folder):
        old = council.store.get(Zone.LEDGER, folder, "replaced").collect()["file"]
        releaser(council).retire(set(old) - set(now))
