"""Who is who: from every feed's records to links, golden people and households."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from assets.context import Council, night_of
from assets.linking import FOLDER as FOLDER
from assets.linking import GROUP, link, linkage_model
from assets.linking import MODEL as MODEL
from assets.linking import STATE as STATE
from assets.linking import load_model as load_model
from assets.monitoring import USED, deliveries_of
from feeds import optouts
from feeds.ledger import current_all
from governance import rights
from linkage import decisions, golden, groups, households, occupancy, protection
from linkage.places import deprived
from warehouse.store import StoreError
from warehouse.tables import (
    AREA,
    CORRECTION,
    DWELLING,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_LINEAGE,
    HOUSEHOLD_MEMBER,
    OCCUPANCY,
    PERSON,
    PERSON_LINK,
    PERSON_PROFILE,
    PLACE,
    RELATIONSHIP,
    SOCIAL_GROUP,
    SOCIAL_GROUP_MEMBER,
    SOURCE_RECORD,
    Table,
)  # fmt: skip

LIVING = (OCCUPANCY, HOUSEHOLD, HOUSEHOLD_MEMBER, HOUSEHOLD_LINEAGE, SOCIAL_GROUP, SOCIAL_GROUP_MEMBER)


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
        opted = optouts.not_kept(council.store, used, council.contracts, council.rights, tonight)
        records = optouts.without(current_all(council.store, used, SOURCE_RECORD), opted)
        return council.write(SOURCE_RECORD, tonight, records, used)

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
    deps=[PERSON_LINK.name, SOURCE_RECORD.name, DWELLING.name],
    tags={"contains": "personal_data"},
    description=PERSON.meaning,
)
def person(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Choose each attribute by trust, recency and agreement."""
    store, tonight = council.store, night_of(context, council)
    trust = {feed: contract.trust for feed, contract in council.contracts.items()}
    records = store.scan(SOURCE_RECORD, tonight).select(golden.READ).collect()
    links = store.read(PERSON_LINK, tonight)
    frame = golden.people(records, links, trust, tonight)
    frame = protection.withhold(frame, protected_of(council, records, links, store.read(DWELLING, tonight)))
    frame = rights.annotated(frame, rights.of_people(store, CORRECTION, tonight))
    sources = [dg.TableColumnDep(SOURCE_RECORD.name, column) for column in ("record_id",)]
    lineage = dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(SOURCE_RECORD.name, column), *sources]
            for column in frame.columns
            if column in SOURCE_RECORD.schema
        }
    )
    told = {"in conflict": frame["conflicting"].list.len() > 0, "death in question": frame["death"] == "question"}
    counts = {name: int(rows.sum()) for name, rows in told.items()}
    return council.write(PERSON, tonight, frame, {"dagster/column_lineage": lineage, **counts})


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
            deps=[PERSON.name, PERSON_LINK.name, EVENT.name, RELATIONSHIP.name, DWELLING.name, PLACE.name],
            description=t.meaning,
        )
        for t in LIVING
    ]
)
def household(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Find who lives where and with whom, and who belongs together otherwise, from what all feeds say."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    people = store.scan(PERSON, tonight).select("person_id", "birth_date", "death_date").collect()
    read = sorted({*occupancy.RECORDS, *groups.RECORDS})
    records = store.scan(SOURCE_RECORD, tonight).select(read).collect()
    links, gazetteer = store.read(PERSON_LINK, tonight), store.read(DWELLING, tonight)
    events = store.as_of(EVENT, tonight, tonight)
    related = store.as_of(RELATIONSHIP, tonight, tonight).collect()
    hidden = protected_of(council, records, links, gazetteer)

    def last(first: Table, second: Table) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        try:
            return (store.read(first, before), store.read(second, before)) if before else None
        except StoreError:  # a night from before the table was kept
            return None

    trust = {feed: contract.trust for feed, contract in council.contracts.items()}
    key = council.ring.key("household")
    found = occupancy.find(
        people, records, links, related, occupancy.ceased(events, tonight), gazetteer, trust, hidden,
        last(OCCUPANCY, PERSON_LINK), tonight, key,
    )  # fmt: skip
    alone = households.discounted(events, links, tonight)
    homes = households.households(
        people, found.stays, alone, store.read(PLACE, tonight), last(HOUSEHOLD, HOUSEHOLD_MEMBER), tonight, key
    )
    met = groups.groups(
        records, links, related, events, found.stays, hidden, last(SOCIAL_GROUP, SOCIAL_GROUP_MEMBER), tonight, key
    )
    frames = (found.table(), homes.household, homes.member, homes.lineage, met.group, met.member)
    right = {f"right of {row['feed']}, {row['state']}": row["learnt"] for row in found.trust.iter_rows(named=True)}
    for table, frame in zip(LIVING, frames, strict=True):
        yield council.write(table, tonight, frame, right if table is OCCUPANCY else None)


def protected_of(
    council: Council, records: pl.DataFrame, links: pl.DataFrame, gazetteer: pl.DataFrame
) -> protection.Protected:
    """Whose address nothing may show tonight."""
    return protection.find(records, links, gazetteer, decisions.protected(council.store))
