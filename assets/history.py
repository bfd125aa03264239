"""What happened and when Kinfold learnt it: events, involvements, relationships and voice, and the rules over them."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
import polars as pl

from assets import retention
from assets.context import Council, learnt, night_of
from assets.monitoring import USED, deliveries_of
from feeds import optouts
from feeds.history import merge
from feeds.ledger import changed_since, current_all, grounds, purged_since, remember
from governance import rights
from governance.agreements import needs_met
from governance.erasure import erased_in
from models import rules
from models.views import AsOf, History, reader
from warehouse.tables import (
    COHORT_MEMBER,
    EVENT,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    PERSON_LINK,
    PERSON_PROFILE,
    RELATIONSHIP,
    VOICE,
    Table,
)  # fmt: skip

GROUP = "history"
TOLD = (EVENT, INVOLVEMENT, RELATIONSHIP, VOICE)


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets of this stage, reading what the feeds accepted."""

    @dg.multi_asset(
        name="history",
        specs=[dg.AssetSpec(t.name, group_name=GROUP, deps=[USED, *accepted], description=t.meaning) for t in TOLD],
    )
    def history(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
        store, tonight = council.store, night_of(context, council)
        before = store.published_before(tonight)
        used = deliveries_of(council, tonight)
        changed = optouts.anew(council.rights, council.contracts, used, changed_since(store, used, before))
        opted = optouts.not_kept(store, used, council.contracts, council.rights, tonight)
        lag = {feed: contract.lag for feed, contract in council.contracts.items()}
        held = set(store.manifest(before)["deliveries"]) if before else set()
        erased = erased_in(store, used)  # gone from every kept night; so is what a restored backup of one would bring
        purged = pl.concat([purged_since(store, used, before), erased, opted])
        telling, born = grounds(store, used), retention.births(council, used, before)
        remember(store, tonight, {})  # until all is told, the next night takes every feed as changed
        for table in TOLD:
            frame = merge(
                table,
                store.read(table, before) if before else None,
                optouts.without(current_all(store, used, table, only=changed), opted),
                changed,
                learnt(tonight),
                lag,
                held,
                purged,
            )
            yield council.write(table, tonight, retention.kept(council, table, frame, born, tonight))
        remember(store, tonight, telling)

    return [history, found_by_rules]


@dg.multi_asset(
    name="rules",
    specs=[
        dg.AssetSpec(
            t.name,
            group_name=GROUP,
            deps=[EVENT.name, PERSON_LINK.name, PERSON_PROFILE.name, HOUSEHOLD_MEMBER.name],
            description=t.meaning,
        )
        for t in (INDICATOR, COHORT_MEMBER)
    ],
)
def found_by_rules(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Hold the site's rules against what is known tonight."""
    tonight = night_of(context, council)
    view = known(council, tonight).at(tonight).held()
    cohorts = [rules.members(view, cohort) for cohort in council.cohorts]
    yield council.write(INDICATOR, tonight, rules.indicators(view, council.indicators))
    yield council.write(COHORT_MEMBER, tonight, pl.concat([COHORT_MEMBER.empty(), *cohorts]))


def known(council: Council, night: date, held: bool = False) -> History:
    """History as it was known on any day, out of a night's version, but for whom and what may not be used to profile.

    Rules, features and training are all made of it, so that an objection reaches the person's own flags and those of
    whom they live with.

    Args:
        held: read the facts once into memory, for those who look at many days.
    """
    store = council.store
    bars = rights.bars(store, night, council.rights).filter(pl.col("use") == rights.PROFILING)
    links = store.read(PERSON_LINK, night)
    parts = links.select("record_id", "person_id").join(bars.drop_nulls("partner"), on="person_id")
    parted = parts.select("record_id", "partner").lazy()
    allowed = ~pl.col("person_id").is_in(bars.filter(pl.col("partner").is_null())["person_id"].implode())

    def used(rows: pl.LazyFrame) -> pl.LazyFrame:
        return (
            rows
            if parts.is_empty()
            else rows.join(parted, on=["record_id", "partner"], how="anti", maintain_order="left")
        )

    def told(table: Table) -> AsOf:
        if held:
            return reader(used(store.scan(table, night)).join(mine, on="record_id", maintain_order="left").collect())
        return lambda day: used(store.as_of(table, night, day))

    mine = links.filter(allowed).select("record_id", "person_id").lazy()
    return History(
        events=told(EVENT),
        involvements=told(INVOLVEMENT),
        people=store.read(PERSON_PROFILE, night).filter(allowed),
        members=store.read(HOUSEHOLD_MEMBER, night).filter(allowed),
        links=links.filter(allowed),
    )


def standing(council: Council, table: Table, night: date) -> pl.DataFrame:
    """What feeds tell tonight, as told of golden people: `person_id` added, rows of unlinked records left out."""
    links = council.store.scan(PERSON_LINK, night).select("record_id", "person_id")
    return council.store.as_of(table, night, night).join(links, on="record_id", how="inner").collect()


def with_needs(council: Council, people: pl.DataFrame, night: date) -> pl.DataFrame:
    """People with the cohorts and indicators that each `meets`, where an agreement asks for any."""
    if not council.agreements.needs:
        return people
    indicators, cohorts, members = (council.store.read(t, night) for t in (INDICATOR, COHORT_MEMBER, HOUSEHOLD_MEMBER))
    return people.join(needs_met(indicators, cohorts, members), on="person_id", how="left", maintain_order="left")
