"""Who is who: from every feed's records to links, golden people and households."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.context import Council, night_of
from assets.linking import FOLDER as FOLDER
from assets.linking import GROUP, link, linkage_model
from assets.linking import MODEL as MODEL
from assets.linking import STATE as STATE
from assets.linking import load_model as load_model
from assets.monitoring import USED, deliveries_of
from feeds.ledger import current_all
from linkage import golden, households
from linkage.places import deprived
from warehouse.tables import (
    AREA,
    DWELLING,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    PERSON,
    PERSON_LINK,
    PERSON_PROFILE,
    PLACE,
    RELATIONSHIP,
    SOURCE_RECORD,
)  # fmt: skip


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets of this stage, reading what the feeds accepted."""

    @dg.asset(
        group_name=GROUP,
        deps=[USED, *accepted],
        tags={"contains": "personal_data"},
        description=SOURCE_RECORD.meaning,
    )
    def source_record(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
        tonight = night_of(context, council)
        used = deliveries_of(council, tonight)
        return council.write(SOURCE_RECORD, tonight, current_all(council.store, used, SOURCE_RECORD), used)

    @dg.multi_asset(
        name="reference",
        specs=[
            dg.AssetSpec(t.name, group_name=GROUP, deps=[USED, *accepted], description=t.meaning)
            for t in (AREA, PLACE, DWELLING)
        ],
    )
    def reference(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
        tonight = night_of(context, council)
        used = deliveries_of(council, tonight)
        area, place, dwelling = (current_all(council.store, used, table) for table in (AREA, PLACE, DWELLING))
        yield council.write(AREA, tonight, area)
        yield council.write(PLACE, tonight, deprived(place, area))
        yield council.write(DWELLING, tonight, dwelling)

    return [source_record, reference, linkage_model, link, person, person_profile, household]


@dg.asset(
    group_name=GROUP,
    deps=[PERSON_LINK.name, SOURCE_RECORD.name],
    tags={"contains": "personal_data"},
    description=PERSON.meaning,
)
def person(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Choose each attribute by trust, recency and agreement."""
    store, tonight = council.store, night_of(context, council)
    trust = {feed: contract.trust for feed, contract in council.contracts.items()}
    records = store.scan(SOURCE_RECORD, tonight).select(golden.READ).collect()
    frame = golden.people(records, store.read(PERSON_LINK, tonight), trust, tonight)
    sources = [dg.TableColumnDep(SOURCE_RECORD.name, column) for column in ("record_id",)]
    lineage = dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(SOURCE_RECORD.name, column), *sources]
            for column in frame.columns
            if column in SOURCE_RECORD.schema
        }
    )
    return council.write(PERSON, tonight, frame, {"dagster/column_lineage": lineage})


@dg.asset(group_name=GROUP, deps=[PERSON.name, PLACE.name], description=PERSON_PROFILE.meaning)
def person_profile(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Keep of each person what analysis may use."""
    store, tonight = council.store, night_of(context, council)
    frame = golden.profiles(store.read(PERSON, tonight), store.read(PLACE, tonight), tonight)
    return council.write(PERSON_PROFILE, tonight, frame)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            t.name,
            group_name=GROUP,
            deps=[PERSON.name, PERSON_LINK.name, RELATIONSHIP.name, DWELLING.name, PLACE.name],
            description=t.meaning,
        )
        for t in (HOUSEHOLD, HOUSEHOLD_MEMBER)
    ]
)
def household(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Find who lives with whom, from addresses and the feeds' own household keys."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    homes, members = households.households(
        store.scan(PERSON, tonight).select(households.PEOPLE).collect(),
        store.scan(SOURCE_RECORD, tonight).select(households.RECORDS).collect(),
        store.read(PERSON_LINK, tonight),
        store.read(RELATIONSHIP, tonight),
        store.read(DWELLING, tonight),
        store.read(PLACE, tonight),
        (store.read(HOUSEHOLD, before), store.read(HOUSEHOLD_MEMBER, before)) if before else None,
        tonight,
        council.ring.key("household"),
    )
    yield council.write(HOUSEHOLD, tonight, homes)
    yield council.write(HOUSEHOLD_MEMBER, tonight, members)
