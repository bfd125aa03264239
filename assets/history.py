"""What happened and when Kinfold learnt it: events, involvements, relationships and voice, and the rules over them."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from assets.context import Council, midnight, night_of
from feeds.history import merge
from feeds.intake import changed_since, current_all
from models import rules
from warehouse.tables import (
    COHORT_MEMBER, EVENT, HOUSEHOLD_MEMBER, INDICATOR, INVOLVEMENT, PERSON_LINK, PERSON_PROFILE, RELATIONSHIP, VOICE,
)  # fmt: skip

GROUP = "history"
TOLD = (EVENT, INVOLVEMENT, RELATIONSHIP, VOICE)


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets of this stage, reading what the feeds accepted."""

    @dg.multi_asset(
        name="history",
        specs=[dg.AssetSpec(t.name, group_name=GROUP, deps=accepted, description=t.meaning) for t in TOLD],
    )
    def history(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
        store, tonight = council.store, night_of(context, council)
        before = store.published_before(tonight)
        changed = changed_since(store, council.contracts, before)
        lag = {feed: contract.lag for feed, contract in council.contracts.items()}
        for table in TOLD:
            frame = merge(
                table,
                store.read(table, before) if before else None,
                current_all(store, council.contracts, table, only=changed),
                changed,
                midnight(tonight),
                lag,
            )
            yield council.write(table, tonight, frame)

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
    store, tonight = council.store, night_of(context, council)
    events = of_people(store.as_of(EVENT, tonight, tonight), store.scan(PERSON_LINK, tonight))
    people, members = store.read(PERSON_PROFILE, tonight), store.read(HOUSEHOLD_MEMBER, tonight)
    ruled = rules.load_rules(council.site)
    yield council.write(INDICATOR, tonight, rules.indicators(ruled, events, people, members, tonight))
    yield council.write(COHORT_MEMBER, tonight, rules.cohorts(ruled, events, people, members, tonight))


def of_people(told: pl.LazyFrame, links: pl.LazyFrame) -> pl.LazyFrame:
    """What feeds told of records, as told of golden people: `person_id` added, rows of unlinked records dropped."""
    return told.join(links.select("record_id", "person_id"), on="record_id", how="inner")
