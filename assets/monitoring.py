"""How good and fresh each feed is: the load ledger as tables, what comparing sources found, reports and the board."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from assets import erasure, returned
from assets.context import Council, made, night_of
from assets.feeds import heal
from assets.returned import Telling
from assets.sharing import LOOKED_AT, PAPER, logged, releaser
from feeds.ledger import deliveries_in_force, grounds, loads
from governance import rights
from governance.erasure import mark
from linkage import decisions
from summaries import board, findings, quality
from summaries.asked import for_owner
from warehouse.store import StoreError
from warehouse.tables import (
    CORRECTION,
    DWELLING,
    EVENT,
    FEED_FRESHNESS,
    FEED_QUALITY,
    INVOLVEMENT,
    LOAD,
    LOAD_RULE,
    PERSON,
    PERSON_LINK,
    PLACE,
    QUALITY_ISSUE,
    RELEASE,
    SOURCE_RECORD,
    Table,
    Zone,
)  # fmt: skip

GROUP = "monitoring"
USED = "deliveries_used"
_USED = {"feed": pl.String, "delivery": pl.String}
COMPARED = (SOURCE_RECORD, PERSON_LINK, PERSON, EVENT, INVOLVEMENT, DWELLING, PLACE)


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets of this stage, reading what became of every delivery."""

    @dg.asset(key=USED, group_name=GROUP, deps=accepted, description="Which delivery of each feed the night uses.")
    def used(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
        tonight = night_of(context, council)
        published = council.store.published()
        if published and tonight < published:
            why = f"The night of {published} is published, and what {tonight} would use may be dropped since. "
            raise dg.Failure(f"{why}Run {published} again, or a later night.", allow_retries=False)
        erasure.resume(council)
        heal(council)
        chosen = deliveries_in_force(council.store, council.contracts, tonight)
        rows = [(feed, *ground) for feed, ground in grounds(council.store, chosen).items()]
        frame = pl.DataFrame(rows, schema=_USED | {"basis": pl.String}, orient="row")
        erased = pl.DataFrame({"register": [mark(council.store)]})
        council.store.put(Zone.LEDGER, f"{USED}/{tonight}", {USED: frame, "erased": erased})
        return made(USED, frame.height, more=chosen)

    @dg.multi_asset(
        name="load_ledger",
        specs=[dg.AssetSpec(t.name, group_name=GROUP, deps=accepted, description=t.meaning) for t in (LOAD, LOAD_RULE)],
    )
    def load_ledger(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
        for table, frame in zip((LOAD, LOAD_RULE), loads(council.store, council.contracts), strict=True):
            yield council.write(table, night_of(context, council), frame)

    return [used, load_ledger, quality_tables, quality_report]


def deliveries_of(council: Council, day: date) -> dict[str, str]:
    """The delivery of each feed that the night of a day uses: chosen once, so that all of its steps read the same.

    Raises:
        StoreError: one of them has been checked anew since, as an earlier one came in late while the night ran.
    """
    store, folder = council.store, f"{USED}/{day}"
    chosen = store.get(Zone.LEDGER, folder, USED).collect()
    if "erased" in store.names(Zone.LEDGER, folder):
        erased: str = store.get(Zone.LEDGER, folder, "erased").collect().item()
        if erased != mark(store) and store.published() != day:
            raise StoreError(
                f"somebody was erased while the night of {day} ran. Nothing is published. Run the night again."
            )
    used = dict(chosen.select("feed", "delivery").rows())
    if "basis" in chosen.columns:
        now = {feed: basis for feed, (_, basis) in grounds(council.store, used).items()}
        moved = [feed for feed, basis in chosen.select("feed", "basis").rows() if now[feed] != basis]
        if moved:
            raise StoreError(
                f"{', '.join(moved)}: an earlier delivery came in late while the night of {day} ran, and what it "
                "uses was checked anew. Nothing is published. Run the night again."
            )
    return used


def every(council: Council) -> pl.DataFrame:
    """How often each feed is due: feed, name, partner, every (days)."""
    return returned.every(council.contracts.values())


@dg.multi_asset(
    name="quality",
    specs=[
        dg.AssetSpec(
            t.name,
            group_name=GROUP,
            deps=[USED, LOAD.name, LOAD_RULE.name, *(c.name for c in COMPARED)],
            description=t.meaning,
        )
        for t in (QUALITY_ISSUE, FEED_QUALITY, FEED_FRESHNESS)
    ],
)
def quality_tables(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Compare records with other sources, and count what was wrong by feed, rule and day."""
    store, tonight = council.store, night_of(context, council)
    feeds, used = every(council), deliveries_of(council, tonight)
    records = store.scan(SOURCE_RECORD, tonight).select(findings.RECORDS).collect()
    links = store.read(PERSON_LINK, tonight)
    issues = findings.find(
        records,
        links,
        store.scan(PERSON, tonight).select("person_id", *findings.DIFFERS).collect(),
        store.scan(EVENT, tonight).filter(pl.col("known_to").is_null()),
        store.scan(INVOLVEMENT, tonight).filter(pl.col("known_to").is_null()),
        store.read(DWELLING, tonight),
        store.read(PLACE, tonight),
        dict(feeds.select("feed", "partner").rows()),
        _before(council, QUALITY_ISSUE, tonight),
        tonight,
        decisions.kept_apart(store),
        for_owner(rights.read(store, CORRECTION))["record_id"],
    )
    yield council.write(QUALITY_ISSUE, tonight, issues)
    held = records.group_by("feed").agg(pl.len().alias("of"))
    in_use = pl.DataFrame(list(used.items()), {"feed": pl.String, "delivery": pl.String}, orient="row")
    in_use = in_use.join(held, on="feed")
    counted = findings.counted(issues, links, tonight)
    every_load, broken = store.read(LOAD, tonight), store.read(LOAD_RULE, tonight)
    partners, before = feeds.select("feed", "partner"), _before(council, FEED_QUALITY, tonight)
    by_day = quality.by_day(every_load, broken, counted, in_use, partners, before, tonight)
    yield council.write(FEED_QUALITY, tonight, by_day)
    states = quality.states(every_load, feeds, tonight)
    fresh = quality.by_night(states, _before(council, FEED_FRESHNESS, tonight), tonight)
    yield council.write(FEED_FRESHNESS, tonight, fresh)


def _before(council: Council, table: Table, night: date) -> pl.DataFrame | None:
    """A table as the published night before left it; None where there was none, or it had no such table yet."""
    before = council.store.published_before(night)
    there = before and str(before) in council.store.folders(table.zone, table.name)
    return council.store.read(table, before) if there else None


@dg.asset(
    group_name=GROUP,
    deps=[QUALITY_ISSUE.name, FEED_QUALITY.name, FEED_FRESHNESS.name, LOOKED_AT, "papers"],
    tags={"contains": "personal_data"},
    description="For each feed's partner: what came, what was wrong with it in plain words, whether it is late; and "
    "the board of all feeds. What of a partner's own rows it shows is what the agreements let that partner see.",
)
def quality_report(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """A report a feed for its partner and for those who answer for quality, and one board of all feeds for them."""
    store, tonight = council.store, night_of(context, council)
    now = datetime.now(UTC).replace(tzinfo=None)
    every_load, issues = store.read(LOAD, tonight), store.read(QUALITY_ISSUE, tonight)
    for feed, deliveries in returned.untold(council, every_load).items():
        returned.tell_deliveries(council, feed, deliveries, now)
    readers, gate, already = council.organisation.quality_for, releaser(council), logged(council, tonight)
    links = store.read(PERSON_LINK, tonight)
    states, counted = quality.states(every_load, every(council), tonight), findings.counted(issues, links, tonight)
    tellings = list(_tellings(council, tonight, readers, every_load, states, issues, counted, links))
    released = returned.tell(council, tellings, tonight, now, already)
    for partner in sorted({c.partner for c in council.contracts.values()}):
        returned.index(council, partner, tonight)

    mine = released.filter((pl.col("team") == readers) & (pl.col("piece") == "page"))
    files = {feed: Path(file).name for feed, file in mine.select("feed", "file").iter_rows()}
    gate.index(readers, _board(council, tonight, every_load, counted, files).encode())
    pages = released.select(RELEASE.schema.names())
    _settle(council, tonight, pages, released.filter(pl.col("piece") == "records").drop("name", "piece"))
    return made("quality_report", pages.height)


def _tellings(
    council: Council,
    tonight: date,
    readers: str,
    every_load: pl.DataFrame,
    states: pl.DataFrame,
    issues: pl.DataFrame,
    counted: pl.DataFrame,
    links: pl.DataFrame,
) -> Iterator[Telling]:
    """The night's reports: of every feed, for its partner's readers, then for those who read all of them."""
    broken = council.store.read(LOAD_RULE, tonight)
    keys = council.store.scan(SOURCE_RECORD, tonight).select("record_id", "feed", "source_key").collect()
    said = for_owner(rights.read(council.store, CORRECTION))
    for state in states.iter_rows(named=True):
        contract = council.contracts[state["feed"]]
        of_feed = pl.col("feed") == contract.id
        records = findings.listed(issues.filter(of_feed), keys.filter(of_feed), links, said)
        for team in (*council.organisation.readers(contract.partner), readers):
            yield Telling(
                contract, team, contract.id, tonight, state, every_load.filter(of_feed), broken.filter(of_feed),
                counted.filter(of_feed), records,
            )  # fmt: skip


def _board(
    council: Council, tonight: date, every_load: pl.DataFrame, counted: pl.DataFrame, files: dict[str, str]
) -> str:
    store = council.store
    known = store.scan(PERSON, tonight).select(
        pl.len().alias("people"), *(pl.col(name).is_not_null().mean() for name in board.ATTRIBUTES)
    )
    about = known.collect().row(0, named=True)
    people = about.pop("people")
    standing = store.scan(EVENT, tonight).filter(pl.col("known_to").is_null())
    latest = standing.group_by("type").agg(pl.col("start").max()).collect()
    gaps = board.gaps(council.organisation, council.contracts, about if people else {}, latest, tonight)
    partners = {party.id: party.name for party in council.organisation.parties}
    papers = _papers(council, tonight)
    return board.board(every_load, every(council), counted, gaps, tonight, files, partners, {"People": people}, papers)


def _papers(council: Council, night: date) -> list[tuple[str, str]]:
    """What the night's papers are called, and their files, which lie beside the board."""
    folder = f"released/{night}/{PAPER}"
    if not council.store.has(RELEASE.zone, folder):
        return []
    rows = council.store.get(RELEASE.zone, folder, "titles").select("title", "file").collect()
    return [(title, Path(file).name) for title, file in rows.iter_rows()]


def _settle(council: Council, tonight: date, pages: pl.DataFrame, records: pl.DataFrame) -> None:
    """Put down what left, with what was told since the last night, and take back the reports that tonight's replace.

    Those that name single records are put down by feed as well: a recall asks for them.
    """
    store, before = council.store, council.store.published_before(tonight)
    folder = f"released/{before}/report"
    earlier = store.names(RELEASE.zone, folder) if before else []
    known = set(store.get(RELEASE.zone, folder, "told").collect()["told"]) if "told" in earlier else set()
    since = [(name, rows()) for name, rows in returned.told(council) if name not in known]
    names = sorted(known | {name for name, _ in since})
    store.put(
        RELEASE.zone,
        f"released/{tonight}/report",
        {
            "released": pl.concat([*(rows for _, rows in since), pages]),
            "told": pl.DataFrame({"told": names}, schema={"told": pl.String}),
            "replaced": pages.select("file"),
            "records": records,
        },
    )
    if "replaced" in earlier:
        old = store.get(RELEASE.zone, folder, "replaced").collect()["file"]
        releaser(council).retire(set(old) - set(pages["file"]))
