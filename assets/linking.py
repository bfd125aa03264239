"""Who is who: the model, a night's links, the alarms about them, and the weekly proof."""

from collections.abc import Iterator
from datetime import date
from functools import partial

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.monitoring import deliveries_of
from feeds.ledger import purged_since
from linkage import conform, decisions, night
from linkage.cluster import LARGEST
from linkage.decisions import Told
from linkage.evaluation import estimates
from linkage.model import Model
from linkage.training import train
from warehouse.tables import MATCH_EDGE, PERSON_LINEAGE, PERSON_LINK, SOURCE_RECORD, Zone

GROUP = "people"
MODEL = "model/linkage"  # in the vault: what names are how frequent; the rest lies in FOLDER
FOLDER = "models/linkage"
RECONCILED = "linkage_reconciliation"  # also the folder of its outcomes in the ledger
EQUAL = "incremental_equals_full"
STATE = "linkage_state"  # in the vault: fingerprints of what was compared, and what people had said
LARGE = 60  # records of one person that deserve a look; as many as LARGEST are an alarm
MOVED = (0.02, 0.10)  # share of the records of both nights that changed person: worth a look, an alarm
VOLUME = (1.25, 2.0)  # edges a record against the night before, either way: worth a look, an alarm
LARGEST_CHECK, MOVED_CHECK, VOLUME_CHECK = "no_person_runs_away", "few_records_change_person", "as_many_edges_as_before"
BLOCKS_CHECK = "no_value_floods"
CHECKS = [
    dg.AssetCheckSpec(
        LARGEST_CHECK,
        asset=PERSON_LINK.name,
        description=f"The largest person has at most {LARGE} records; more than {LARGEST} are an error.",
    ),
    dg.AssetCheckSpec(
        MOVED_CHECK,
        asset=PERSON_LINK.name,
        description=f"At most {MOVED[0]:.0%} of the records of both nights changed person; over {MOVED[1]:.0%} are an "
        "error. A new model, or a new matching of the council's, may do so rightly.",
    ),
    dg.AssetCheckSpec(
        VOLUME_CHECK,
        asset=MATCH_EDGE.name,
        description=f"Edges a record are within a factor of {VOLUME[0]} of the night before; beyond {VOLUME[1]} is an "
        "error.",
    ),
    dg.AssetCheckSpec(
        BLOCKS_CHECK,
        asset=MATCH_EDGE.name,
        description="No value is shared by so many records that it brings none together.",
    ),
]


def left(council: Council, day: date) -> tuple[night.Linked, dict[str, pl.DataFrame]]:
    """What a night's linkage left, and all that it kept in the vault.

    A night whose state is gone, or was kept otherwise, is linked anew; ids last all the same.
    """
    store, folder = council.store, f"{STATE}/{day}"
    kept = {name: store.get(Zone.VAULT, folder, name).collect() for name in store.names(Zone.VAULT, folder)}
    edges, links, lineage = (store.read(table, day) for table in (MATCH_EDGE, PERSON_LINK, PERSON_LINEAGE))
    if not {"state", "keys", "ends", "absent"} <= set(kept):
        return night.Linked(edges, links, lineage), kept
    return night.Linked(edges, links, lineage, kept["state"], kept["keys"], kept["ends"], kept["absent"]), kept


def keep(council: Council, day: date, linked: night.Linked, told: Told, forgotten: pl.Series) -> None:
    """Keep what the next night, and whoever proves this one, needs beside the tables."""
    said = pl.DataFrame({"master": [told.master], "strength": [told.strength]})
    frames = {
        "state": linked.state, "keys": linked.keys, "ends": linked.ends, "absent": linked.absent,
        "told": told.pairs, "council": told.council, "said": said, "forgotten": forgotten.to_frame("record_id"),
    }  # fmt: skip
    council.store.put(Zone.VAULT, f"{STATE}/{day}", frames)


def told_then(kept: dict[str, pl.DataFrame]) -> tuple[Told, pl.Series]:
    """What people had said by a night, and whose records were withdrawn for good, as `keep` put them down."""
    ((master, strength),) = kept["said"].rows()
    return Told(kept["told"], kept["council"], master, strength), kept["forgotten"]["record_id"]


def told_now(council: Council) -> Told:
    """What people say now, the council's own matching used as its settings have it."""
    chosen = council.linkage.matching
    return (
        decisions.told(council.store, chosen.role, chosen.strength) if chosen else decisions.told(council.store, None)
    )


def last_seen(council: Council, before: date | None, ids: pl.Series) -> pl.DataFrame:
    """What `source_record` held of records on a night."""
    wanted = pl.col("record_id").is_in(ids.implode())
    return council.store.scan(SOURCE_RECORD, before).filter(wanted).collect()


def link_night(council: Council, tonight: date) -> night.Linked:
    """Link a night's records on top of the night published before it, and keep the state; tables are not written."""
    store, before = council.store, council.store.published_before(tonight)
    told, forgotten = told_now(council), purged_since(store, deliveries_of(council, tonight), before)["record_id"]
    linked = night.link(
        store.scan(SOURCE_RECORD, tonight).select(conform.READ).collect(),
        left(council, before)[0] if before else None,
        load_model(council),
        tonight,
        council.ring.key("person"),
        council.home / "tmp",
        told=told,
        vanished=partial(last_seen, council, before),
        forgotten=forgotten,
    )
    keep(council, tonight, linked, told, forgotten)
    return linked


def alarms(linked: night.Linked) -> Iterator[dg.AssetCheckResult]:
    """Whether a night's links went as those of other nights: counts and shares alone."""
    told = linked.figures
    yield _told(PERSON_LINK.name, LARGEST_CHECK, told["largest"], LARGE, LARGEST, {"largest": told["largest"]})
    moved = told.get("moved", 0.0)
    yield _told(PERSON_LINK.name, MOVED_CHECK, moved, *MOVED, {"moved": moved})
    now, then = told["edges_per_record"], told.get("edges_per_record_before", 0.0)
    factor = max(now / then, then / now) if now and then else 1.0
    of = {"edges_per_record": now, **({"before": then} if then else {})}
    yield _told(MATCH_EDGE.name, VOLUME_CHECK, factor, *VOLUME, of)
    floods = linked.blocked.warnings() if linked.blocked else []
    yield dg.AssetCheckResult(
        passed=not floods,
        asset_key=MATCH_EDGE.name,
        check_name=BLOCKS_CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={f"flood {number}": said for number, said in enumerate(floods, 1)},
    )


def _told(
    asset: str, check: str, found: float, look: float, alarm: float, metadata: dict[str, float]
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if found > alarm else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=found <= look, asset_key=asset, check_name=check, severity=severity, metadata=metadata
    )


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
    ],
    check_specs=CHECKS,
)
def link(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Score what changed, cluster what it touched, carry the ids over."""
    tonight = night_of(context, council)
    linked = link_night(council, tonight)
    shared = {f"shared {column}": count for column, count in linked.shared.items()}
    yield council.write(MATCH_EDGE, tonight, linked.edges, {**shared, **linked.figures})
    yield council.write(PERSON_LINK, tonight, linked.links, estimates(linked.edges, linked.links))
    yield council.write(PERSON_LINEAGE, tonight, linked.lineage)
    yield from alarms(linked)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            RECONCILED,
            group_name=GROUP,
            deps=[PERSON_LINEAGE.name],
            description="The weekly proof that linking only what changed gives what linking everything does.",
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            EQUAL,
            asset=RECONCILED,
            blocking=True,
            description="A full run over the last published night's records gives what the nights kept, to the edge.",
        )
    ],
)
def linkage_reconciliation(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Link the last published night's records all anew and compare, edge by edge, with what stands."""
    store = council.store
    day = store.published()
    if day is None:
        raise dg.Failure("No night has been published yet, so there is nothing to prove.", allow_retries=False)
    linked, kept = left(council, day)
    model = load_model(council)
    if linked.state.is_empty() or linked.state["model_id"][0] != model.model_id or "said" not in kept:
        why = f"The night of {day} was not linked with the model in force. Run a night, then prove that one."
        raise dg.Failure(why, allow_retries=False)
    before = store.published_before(day)
    there = before is not None and store.has(MATCH_EDGE.zone, f"{MATCH_EDGE.name}/{before}")
    told, forgotten = told_then(kept)
    anew = night.link(
        store.scan(SOURCE_RECORD, day).select(conform.READ).collect(),
        left(council, before)[0] if before and there else None,
        model,
        day,
        council.ring.key("person"),
        council.home / "tmp",
        full=True,
        told=told,
        vanished=partial(last_seen, council, before),
        forgotten=forgotten,
    )
    found = night.differences(linked, anew)
    store.put(Zone.LEDGER, f"{RECONCILED}/{day}", {"differences": found})
    counts = dict(found.select("what", "count").rows())
    wrong = found.filter(pl.col("count") > 0)
    first: dict[str, str] = {f"first of {what}": ", ".join(ids) for what, ids in wrong.select("what", "first").rows()}
    compared: dict[str, str | int] = {"night": str(day), "edges": anew.edges.height, "records": anew.links.height}
    context.log.info(f"Compared {anew.edges.height} edges of the night of {day}: {wrong.height} kinds of difference.")
    yield made(RECONCILED, found.height, more={**compared, **counts})
    yield dg.AssetCheckResult(
        passed=wrong.is_empty(), check_name=EQUAL, asset_key=RECONCILED, metadata={**compared, **counts, **first}
    )
