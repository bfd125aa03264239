"""What analysts open: the marts, checked and then published by one pointer swap, the last thing of a night."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
import polars as pl

from assets import aggregates, audit, erasure, people, retention, summaries
from assets.context import Council, made, night_of
from assets.monitoring import deliveries_of
from assets.risk import in_force
from feeds.arrivals import forget
from governance import rights
from governance.agreements import limited
from governance.retention import month_of
from warehouse import marts
from warehouse.marts import MartTable
from warehouse.tables import (
    ALERT,
    COHORT_MEMBER,
    EVENT,
    FEATURE_SNAPSHOT,
    FEED_FRESHNESS,
    FEED_QUALITY,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    LOAD,
    LOAD_RULE,
    PERSON,
    PERSON_LINEAGE,
    PERSON_LINK,
    PERSON_PROFILE,
    RECALL,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    TABLES,
    Column,
    Table,
    Zone,
)  # fmt: skip

GROUP = "marts"
KEEP = 3  # nights
NAMES = {
    PERSON_PROFILE: "people",
    HOUSEHOLD: "households",
    HOUSEHOLD_MEMBER: "household_members",
    EVENT: "events",
    INVOLVEMENT: "involvements",
    INDICATOR: "indicators",
    COHORT_MEMBER: "cohort_members",
    RISK_FLAG: "risk_flags",
    ALERT: "alerts",
    PERSON_LINEAGE: "person_lineage",
    LOAD: "feed_loads",
    LOAD_RULE: "feed_rules",
    FEED_QUALITY: "feed_quality",
    FEED_FRESHNESS: "feed_freshness",
    RELEASE: "releases",
    RECALL: "recalls",
}
OF_PEOPLE = Column("person_id", pl.String, "the person whom it is about, by the links of this night")
BECAUSE = Column(
    "because", pl.String, "why: decision (of people, whatever it was), correction, withdrawal, model or evidence"
)
CHECK = "marts_are_whole"
# what people decide of two records or of an address: which of it was the do-not-link register, and whom it is about,
# would tell analysts who was adopted and who is in hiding
BY_DECISION = ("register", "review", "council")
HIDDEN = "address"  # a recall for which no mart is recalled: to tell of it at all would tell whose it is
DECIDED = "decision"


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [mart, published]


def mart_of(council: Council, table: Table, night: date) -> MartTable:
    """One canonical table as analysts see it: events and involvements by person, without the record's id.

    Whoever has objected or opted out is not in it.
    """
    bars = rights.bars(council.store, night, council.rights).filter(pl.col("use") == rights.MARTS)
    resting = rights.kept_out(council.store, night, bars) if "evidence" in table.schema else pl.Series(dtype=pl.String)
    frame = discreet(table, council.store.scan(table, night))
    if "record_id" not in table.schema:
        frame = rights.without(frame, bars, resting)
        told = [BECAUSE] if table in (PERSON_LINEAGE, RECALL) else []
        return MartTable.of(table, frame.drop("file", strict=False), NAMES[table], more=told)
    links = council.store.scan(PERSON_LINK, night).select("record_id", "person_id")
    linked = frame.join(links, on="record_id").drop("record_id").select("person_id", pl.exclude("person_id"))
    linked = rights.without(linked, bars, resting)
    readers = council.organisation.marts_for
    team = council.organisation.teams[readers]
    sections = council.agreements.sections(readers, team.roles[0], team.reason, night)
    category = pl.col("type") if table is EVENT else pl.lit(INVOLVEMENT.name)
    permitted = limited(linked, sections, category)
    return MartTable.of(table, permitted, NAMES[table], more=[OF_PEOPLE], order_by=("person_id", "start", *table.key))


def discreet(table: Table, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Rows as analysts may have them: what was decided of people's links and addresses is told as one kind of decision.

    The id from which somebody was parted by decision is left out.
    """
    if table is RECALL:
        frame = frame.filter(pl.col("because").ne_missing(HIDDEN))
    if table in (PERSON_LINEAGE, RECALL):
        decided = pl.col("because").is_in(BY_DECISION).fill_null(False)
        frame = frame.with_columns(pl.when(decided).then(pl.lit(DECIDED)).otherwise("because").alias("because"))
        if table is PERSON_LINEAGE:
            decided = pl.col("because") == DECIDED
            frame = frame.with_columns(
                pl.when(decided).then(None).otherwise("other_person_id").alias("other_person_id"),
                pl.when(decided).then(pl.lit("a decision about its records")).otherwise("cause").alias("cause"),
            )
    return frame


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "mart",
            group_name=GROUP,
            deps=[*(t.name for t in NAMES), aggregates.AGGREGATE, audit.COUNTED],
            description="The night's release: one DuckDB file and the same tables in Parquet, beside the live one.",
        )
    ],
    check_specs=[dg.AssetCheckSpec(CHECK, asset="mart", blocking=True)],
)
def mart(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Build tonight's release and look whether it is whole."""
    tonight, folder = night_of(context, council), council.home / "marts"
    tables = [*(mart_of(council, table, tonight) for table in NAMES), *aggregates.marts(council, tonight)]
    used = deliveries_of(council, tonight)
    rows = marts.build_release(folder, str(tonight), tables, {"night": str(tonight), "deliveries": used})
    wrong = marts.verify(folder, str(tonight))
    yield made("mart", sum(rows.values()), more=rows)
    yield dg.AssetCheckResult(passed=not wrong, check_name=CHECK, asset_key="mart", metadata={"wrong": wrong})


@dg.asset(
    group_name=GROUP,
    deps=["mart"],
    description="The pointer to the night that people see; swapped last, or not at all.",
)
def published(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Publish the night, then drop what no later one needs, and what is older than the nights kept."""
    store, tonight = council.store, night_of(context, council)
    counted = (SOURCE_RECORD, PERSON, HOUSEHOLD, EVENT, INDICATOR, COHORT_MEMBER, FEATURE_SNAPSHOT, RISK_FLAG)
    used = deliveries_of(council, tonight)
    facts = {
        "rows": {t.name: store.scan(t, tonight).select(pl.len()).collect().item() for t in counted},
        "deliveries": used,
        "summaries": summaries.released(council, tonight).height,
        "risk": {outcome: gate for outcome, (_, gate) in in_force(council).items()},
    }
    marts.publish(council.home / "marts", str(tonight))
    store.publish(tonight, facts)
    forget(store, council.contracts, used, council.ring, council.vault)
    erasure.purged(council, tonight)
    store.prune(KEEP)
    marts.prune(council.home / "marts", KEEP)
    _prune_state(council)
    before = store.published_before(tonight)
    retention.run(council, tonight, before is None or month_of(before) != month_of(tonight))
    return made("published", len(TABLES), more={"night": str(tonight)})


def _prune_state(council: Council) -> None:
    """Drop what linkage and summaries kept of nights that are no longer kept."""
    for zone, state in ((Zone.VAULT, people.STATE), (Zone.FACTS, summaries.SHOWN)):
        for night in council.store.folders(zone, state)[:-KEEP]:
            council.store.remove(zone, f"{state}/{night}")
