"""Who is who: from every feed's records to links, golden people and households."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.monitoring import USED, deliveries_of
from feeds.ledger import current_all
from linkage import conform, golden, households, night
from linkage.model import Model
from linkage.places import deprived
from linkage.training import train
from warehouse.tables import (
    AREA,
    DWELLING,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    MATCH_EDGE,
    PERSON,
    PERSON_LINEAGE,
    PERSON_LINK,
    PERSON_PROFILE,
    PLACE,
    RELATIONSHIP,
    SOURCE_RECORD,
    Zone,
)  # fmt: skip

GROUP = "people"
MODEL = "model/linkage"  # in the vault: what names are how frequent; the rest lies in FOLDER
FOLDER = "models/linkage"
STATE = "linkage_state"  # in the vault: fingerprints of what was compared


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
    group_name=GROUP, deps=[SOURCE_RECORD.name], description="The frozen model that weighs how alike records are."
)
def linkage_model(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Keep the model in force; train one where there is none yet."""
    if not council.store.has(Zone.VAULT, MODEL):
        records = council.store.scan(SOURCE_RECORD, night_of(context, council)).select(conform.READ).collect()
        model = train(records, seed=1, folder=council.home / "tmp")
        model.save(council.home / FOLDER / model.model_id)
        in_force = pl.DataFrame({"model_id": [model.model_id]})
        council.store.put(Zone.VAULT, MODEL, {"in_force": in_force, **model.frequencies})
    return made("linkage_model", 1, more={"model_id": load_model(council).model_id})


def load_model(council: Council) -> Model:
    """The linkage model in force."""
    names = council.store.names(Zone.VAULT, MODEL)
    frames = {name: council.store.get(Zone.VAULT, MODEL, name).collect() for name in names}
    return Model.load(council.home / FOLDER / frames.pop("in_force").item(), frames)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(t.name, group_name=GROUP, deps=["linkage_model", SOURCE_RECORD.name], description=t.meaning)
        for t in (MATCH_EDGE, PERSON_LINK, PERSON_LINEAGE)
    ]
)
def link(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Score what changed, cluster what it touched, carry the ids over."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    previous = None
    if before:
        # a night whose state is gone, or was kept otherwise, is linked anew; ids last all the same
        folder = f"{STATE}/{before}"
        kept = {name: store.get(Zone.VAULT, folder, name).collect() for name in store.names(Zone.VAULT, folder)}
        none = pl.DataFrame()
        previous = night.Linked(
            edges=store.read(MATCH_EDGE, before),
            links=store.read(PERSON_LINK, before),
            lineage=store.read(PERSON_LINEAGE, before),
            state=kept.get("state", none),
            keys=kept.get("keys", none),
        )
    records, key = store.scan(SOURCE_RECORD, tonight).select(conform.READ).collect(), council.ring.key("person")
    linked = night.link(records, previous, load_model(council), tonight, key, council.home / "tmp")
    store.put(Zone.VAULT, f"{STATE}/{tonight}", {"state": linked.state, "keys": linked.keys})
    shared = {f"shared {column}": count for column, count in linked.shared.items()}
    yield council.write(MATCH_EDGE, tonight, linked.edges, shared)
    yield council.write(PERSON_LINK, tonight, linked.links)
    yield council.write(PERSON_LINEAGE, tonight, linked.lineage)


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
