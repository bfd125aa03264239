"""Who is who: the model, a night's links, the alarms about them, and the weekly proof."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.monitoring import deliveries_of
from feeds.ledger import purged_since
from linkage import conform, decisions, night
from linkage.cluster import LARGEST, RUNAWAY
from linkage.decisions import Told
from linkage.evaluation import estimates
from linkage.model import REMEDY, Model, Outdated
from linkage.settings import FILE, Settings
from linkage.training import train
from warehouse.tables import MATCH_EDGE, PERSON_LINEAGE, PERSON_LINK, SOURCE_RECORD, Zone

GROUP = "people"
MODEL = "model/linkage"  # in the vault: what names are how frequent; the rest lies in FOLDER
FOLDER = "models/linkage"
RECONCILED = "linkage_reconciliation"  # also the folder of its outcomes in the ledger
EQUAL = "incremental_equals_full"
STATE = "linkage_state"  # in the vault: fingerprints of what was compared, and what people had said
FROZEN = "as_the_site_is_set"


@dataclass(frozen=True)
class Alarm:
    """A figure of a night that is worth a look beyond `look`, and an error beyond `wrong` (None: never one).

    Attributes:
        asset: the table that it is about.
        check: the name of its check.
        said: what is usual, with `{look}` and `{wrong}`.
        remedy: what to look at where it is not.
    """

    asset: str
    check: str
    look: float
    wrong: float | None
    said: str
    remedy: str

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """As Dagster knows it."""
        said = self.said.format(look=self.look, wrong=self.wrong)
        return dg.AssetCheckSpec(self.check, asset=self.asset, description=f"{said} {self.remedy}")

    def result(self, found: float, more: Mapping[str, Any] | None = None) -> dg.AssetCheckResult:
        """What a night's figure comes to."""
        wrong = self.wrong is not None and found > self.wrong
        return dg.AssetCheckResult(
            passed=found <= self.look,
            asset_key=self.asset,
            check_name=self.check,
            severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
            metadata={"found": found, **(more or {})},
        )


ALARMS = {
    "largest": Alarm(
        PERSON_LINK.name, "no_person_runs_away", 60, LARGEST,
        "The largest person has at most {look} records; more than {wrong} are an error.",
        "Look for an id, a telephone or an address that many share, and for a feed that repeats its rows.",
    ),
    "runaway": Alarm(
        MATCH_EDGE.name, "no_component_is_too_large_to_refine", 0, None,
        f"No more than {RUNAWAY} records hang together; those that do are parted at higher weights first.",
        "Look for a value that many records share.",
    ),
    "thin": Alarm(
        PERSON_LINK.name, "few_people_hang_together_by_one_pair", 0.05, None,
        "At most {look:.0%} of the people of three records or more would fall apart without one pair.",
        "`kinfold review` asks about these pairs: to undo one parts a person.",
    ),
    "moved": Alarm(
        PERSON_LINK.name, "few_records_change_person", 0.02, 0.10,
        "At most {look:.0%} of the records of both nights changed person; over {wrong:.0%} are an error.",
        "A new model, a new Kinfold or a new matching of the council's may do so rightly.",
    ),
    "volume": Alarm(
        MATCH_EDGE.name, "as_many_edges_as_before", 1.25, 2.0,
        "Edges a record are within a factor of {look} of the night before; beyond {wrong} is an error.",
        "Look at the sizes of blocks: a value that many records share finds floods of pairs.",
    ),
    "floods": Alarm(
        MATCH_EDGE.name, "no_value_floods", 0, None,
        "No value is shared by so many records that it brings none together.",
        "Look for a placeholder, a hostel or a contact of many people.",
    ),
}  # fmt: skip
CHECKS = [alarm.spec for alarm in ALARMS.values()]


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
    model = load_model(council)
    linked = night.link(
        rows_of(council, tonight, model.settings),
        left(council, before)[0] if before else None,
        model,
        tonight,
        council.ring.key("person"),
        council.home / "tmp",
        told=told,
        vanished=partial(last_seen, council, before),
        forgotten=forgotten,
    )
    keep(council, tonight, linked, told, forgotten)
    return linked


def alarms(linked: night.Linked, model: Model) -> Iterator[dg.AssetCheckResult]:
    """Whether a night's links went as those of other nights: counts, shares and the pseudonym of the largest person."""
    told = linked.figures
    now, then = told["edges_per_record"], told.get("edges_per_record_before", 0.0)
    largest = linked.links["person_id"].mode().sort().first() if linked.links.height else None
    floods = linked.blocked.warnings() if linked.blocked else []
    found: dict[str, tuple[float, dict[str, Any]]] = {
        "largest": (told["largest"], {"person": str(largest)} if largest else {}),
        "runaway": (told["runaway"], {}),
        "thin": (night.thin(linked, model), {}),
        "moved": (told.get("moved", 0.0), {}),
        "volume": (max(now / then, then / now) if now and then else 1.0, {"edges_per_record": now, "before": then}),
        "floods": (len(floods), {f"flood {number}": said for number, said in enumerate(floods, 1)}),
    }
    yield from (ALARMS[name].result(*of) for name, of in found.items())


def rows_of(council: Council, day: date | None, settings: Settings) -> pl.DataFrame:
    """What linkage reads of a night's records; with the columns that settings add."""
    return council.store.scan(SOURCE_RECORD, day).select(*conform.READ, *settings.further).collect()


@dg.asset(
    group_name=GROUP,
    deps=[SOURCE_RECORD.name],
    description="The frozen model that weighs how alike records are.",
    check_specs=[
        dg.AssetCheckSpec(
            FROZEN,
            asset="linkage_model",
            description="linkage.yaml says what the model in force was trained with. A change takes effect with "
            "`kinfold retrain linkage`.",
        )
    ],
)
def linkage_model(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Keep the model in force; train one where there is none yet, or none that this Kinfold can read.

    A night that stopped after an upgrade would leave everybody without one until somebody came in. Training anew is
    what they would do; ids last, and what moves is counted by the night's checks and told in lineage.
    """
    why = "" if council.store.has(Zone.VAULT, MODEL) else "There was none in force."
    if not why:
        try:
            load_model(council)
        except Outdated as outdated:
            why = f"{str(outdated).removesuffix(REMEDY)}This night trains another."
            context.log.warning(why)
    if why:
        records = rows_of(council, night_of(context, council), council.linkage)
        said = decisions.in_force(decisions.read(council.store))
        model = train(records, seed=1, folder=council.home / "tmp", settings=council.linkage, decisions=said)
        model.save(council.home / FOLDER / model.model_id)
        in_force = pl.DataFrame({"model_id": [model.model_id]})
        council.store.put(Zone.VAULT, MODEL, {"in_force": in_force, **model.frequencies})
    model = load_model(council)
    yield made("linkage_model", 1, more={"model_id": model.model_id, **({"trained anew": why} if why else {})})
    waiting = not_in_force(council, model)
    if waiting:
        context.log.warning(waiting)
    yield dg.AssetCheckResult(
        passed=not waiting,
        asset_key="linkage_model",
        check_name=FROZEN,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"to do": waiting} if waiting else {},
    )


def not_in_force(council: Council, model: Model | None = None) -> str:
    """What linkage.yaml says that the model in force was not trained with, and what to do; empty where nothing is so.

    Args:
        model: the one in force, where it is at hand.
    """
    if model is None:
        if not council.store.has(Zone.VAULT, MODEL):
            return ""
        try:
            model = load_model(council)
        except Outdated as outdated:
            return str(outdated)
    unlike = council.linkage.unlike(model.settings)
    if not unlike:
        return ""
    return (
        f"{FILE}: {', '.join(unlike)} differ from what the linkage model in force was trained with. "
        "Changes take effect with `kinfold retrain linkage`."
    )


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
    blocks = linked.blocked.report().rows(named=True) if linked.blocked else []
    sizes = dg.MetadataValue.table([dg.TableRecord(row) for row in blocks]) if blocks else "nothing was blocked"
    yield council.write(MATCH_EDGE, tonight, linked.edges, {**shared, **linked.figures, "blocks": sizes})
    yield council.write(PERSON_LINK, tonight, linked.links, estimates(linked.edges, linked.links))
    yield council.write(PERSON_LINEAGE, tonight, linked.lineage)
    yield from alarms(linked, load_model(council))


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
    if linked.state.is_empty() or not night.made_by(linked.state, model) or "said" not in kept:
        why = f"The night of {day} was not linked with the model and the Kinfold in force. Run a night, then prove it."
        raise dg.Failure(why, allow_retries=False)
    before = store.published_before(day)
    there = before is not None and store.has(MATCH_EDGE.zone, f"{MATCH_EDGE.name}/{before}")
    told, forgotten = told_then(kept)
    anew = night.link(
        rows_of(council, day, model.settings),
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
