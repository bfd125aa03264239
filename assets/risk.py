"""What history says may happen: features, the model behind its gate, flags and alerts."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.history import known
from governance.pseudonyms import hashed
from models import features, outcomes, risk
from models.outcomes import Outcome
from models.training import TooLittleHistory, first_month, train
from warehouse.tables import ALERT, EVENT, FEATURE_SNAPSHOT, HOUSEHOLD_MEMBER, RECALL, RISK_FLAG, Zone

GROUP = "risk"
FOLDER = "models/risk"
IN_FORCE = "model/risk"
FACTS = [EVENT.name, HOUSEHOLD_MEMBER.name]


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [risk_model, flags]


@dg.asset(group_name=GROUP, deps=FACTS, description="For each outcome the model in force, and how it did at its gate.")
def risk_model(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Keep the models in force; train those that are missing."""
    told, kept = {}, in_force(council)
    for outcome in council.outcomes:
        if kept.get(outcome.outcome, ("", ""))[0]:
            continue
        told[outcome.outcome] = _train(council, outcome, night_of(context, council))
    kept |= told
    if told:
        rows = [(outcome, *of) for outcome, of in sorted(kept.items())]
        frame = pl.DataFrame(rows, schema=["outcome", "model_id", "gate"], orient="row")
        council.store.put(Zone.FACTS, IN_FORCE, {"in_force": frame})
    return made("risk_model", len(kept), more={outcome: gate for outcome, (_, gate) in kept.items()})


def in_force(council: Council) -> dict[str, tuple[str, str]]:
    """For each outcome, the id of the model in force (empty where there is none) and its gate in words."""
    if not council.store.has(Zone.FACTS, IN_FORCE):
        return {}
    rows = council.store.get(Zone.FACTS, IN_FORCE, "in_force").collect().rows()
    return {outcome: (model_id, gate) for outcome, model_id, gate in rows}


def _train(council: Council, outcome: Outcome, night: date) -> tuple[str, str]:
    history = known(council, night, held=True)
    try:
        start = first_month(outcome, history, night)
        rule = next((c for c in council.cohorts if c.unit == "household"), None)
        model = train(outcome, history, start, night, seed=1, rule=rule)
    except TooLittleHistory as why:
        return "", f"no model: {why}"
    model.save(council.home / FOLDER)
    missed = [f"{line.threshold} is {line.found}, asked {line.asked}" for line in model.gate if not line.passed]
    passed = f"{model.kind}, passed its gate of {len(model.gate)} thresholds"
    return model.model_id, passed if model.passed else f"no flags: {'; '.join(missed)}"


@dg.multi_asset(
    name="flags",
    specs=[
        dg.AssetSpec(t.name, group_name=GROUP, deps=["risk_model", *FACTS, RECALL.name], description=t.meaning)
        for t in (FEATURE_SNAPSHOT, RISK_FLAG, ALERT)
    ],
)
def flags(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Features of those that an outcome looks at, flags up to the team's capacity, and what changed."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    previous = store.read(RISK_FLAG, before) if before else None
    if previous is not None:  # a flag that was recalled keeps nobody on the list, and is new if it is raised again
        recalled = store.scan(RECALL, tonight).filter(pl.col("night") == tonight, pl.col("kind") == "flag")
        taken_back = recalled.select(pl.col("output_id").str.split("/").list.to_struct(fields=["outcome", "person_id"]))
        previous = previous.join(taken_back.unnest("output_id").collect(), on=["outcome", "person_id"], how="anti")
    view, models = known(council, tonight).at(tonight).held(), in_force(council)
    snapshots, raised = [], []
    for outcome in council.outcomes:
        frame = features.build(view, outcomes.population(view, outcome))
        snapshots.append(frame)
        model_id = models[outcome.outcome][0]
        if model_id:
            model = risk.load(council.home / FOLDER / outcome.outcome / model_id)
            raised.append(risk.score(model, outcome, frame, view, previous))
    listed = pl.concat([RISK_FLAG.empty(), *raised])
    snapshot = pl.concat(snapshots).unique("person_id", keep="first", maintain_order=True)
    yield council.write(FEATURE_SNAPSHOT, tonight, snapshot)
    yield council.write(RISK_FLAG, tonight, listed)
    told = risk.alerts(listed, previous, tonight, lambda text: hashed(text, council.ring.key("alert")))
    yield council.write(ALERT, tonight, told)
