"""Ingestion: for each feed `landed -> accepted + quarantined`, made by one factory from the feed's contract.

A delivery is one partition of its feed. What a file must be, and what becomes of its rows, is decided in `feeds`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets.context import Council
from assets.returned import tell_deliveries
from feeds.arrivals import settle
from feeds.contracts import Contract
from feeds.deliveries import delivered, find_deliveries
from feeds.ledger import HELD, Load, decide, load_of

BATCH = "kinfold/deliveries"  # run tag: the deliveries that a run takes in, where they are several
AS_CONTRACTED = "is_what_the_contract_says"
RECONCILED = "every_row_is_accounted_for"
CLEAN = "no_row_is_quarantined"
TO_DO = (
    "Ask the partner whether this is right. Then run the job decide_delivery from its Launchpad with the feed, the "
    "delivery, the verdict (release or reject), who you are and why; or type: kinfold delivery release {feed} "
    "{delivery}, or reject."
)


def partitions(feed: str) -> dg.DynamicPartitionsDefinition:
    """The deliveries of one feed."""
    return dg.DynamicPartitionsDefinition(name=f"deliveries_{feed}")


def accepted(feed: str) -> dg.AssetKey:
    """The asset that downstream stages read of a feed."""
    return dg.AssetKey([feed, "accepted"])


def job_name(feed: str) -> str:
    """The name of the job that ingests one delivery of a feed."""
    return "ingest_" + feed.replace("-", "_")


def ingestion(contract: Contract) -> list[dg.AssetsDefinition]:
    """The assets of one feed: what landed, what was accepted and what was set aside, with their checks."""
    feed, deliveries = contract.id, partitions(contract.id)
    name = feed.replace("-", "_")
    about: dict[str, Any] = {
        "group_name": "feeds",
        "partitions_def": deliveries,
        "owners": [f"team:{contract.partner}"],
        "tags": {"contains": "personal_data", "partner": contract.partner},
    }
    due = contract.interval
    fresh = dg.FreshnessPolicy.time_window(fail_window=due * 2, warn_window=due * 1.25)

    @dg.multi_asset(
        name=f"take_in_{name}",  # one step: a step of its own for each asset costs more than small feeds' whole work
        specs=[
            dg.AssetSpec(
                [feed, "landed"],
                description=f"{contract.name}: deliveries as received, sealed.",
                **about,
            ),
            dg.AssetSpec(
                [feed, "accepted"],
                description=f"{contract.name}: rows that keep the contract.",
                deps=[dg.AssetKey([feed, "landed"])],
                freshness_policy=fresh,
                skippable=True,
                **about,
            ),
            dg.AssetSpec(
                [feed, "quarantined"],
                description=f"{contract.name}: rows set aside, each with the rules that it broke.",
                deps=[dg.AssetKey([feed, "landed"])],
                skippable=True,
                **about,
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                AS_CONTRACTED,
                asset=accepted(feed),
                blocking=True,
                description="The files can be read, have the columns agreed and break no rule that rejects them.",
            ),
            dg.AssetCheckSpec(
                RECONCILED,
                asset=accepted(feed),
                blocking=True,
                description="Rows received = accepted + quarantined + withdrawn.",
            ),
            dg.AssetCheckSpec(
                CLEAN, asset=accepted(feed), description="Every row keeps the contract; else how many break which rule."
            ),
        ],
    )
    def ingested(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
        mine = {context.partition_key, *context.run.tags.get(BATCH, context.partition_key).split(",")}
        loads = take_in(council, contract, mine)
        own = loads.pop(context.partition_key)
        for load in loads.values():
            for event in _short(told(council, contract, load)):
                context.log_event(event)
        yield from (_result(event) for event in told(council, contract, own))
        refused = [load for load in (*loads.values(), own) if load.status != "accepted"]
        if refused:
            whole = len(loads) > 0
            reasons = [f"{load.delivery}: {load.reason}" if whole else str(load.reason) for load in refused]
            raise dg.Failure("\n".join(reasons), allow_retries=False)

    return [ingested]


def take_in(council: Council, contract: Contract, mine: Iterable[str]) -> dict[str, Load]:
    """Land and check deliveries of a feed, and check anew what rests on them; the loads of all those, by delivery.

    The partner is told of each.
    """
    now, mine = datetime.now(UTC).replace(tzinfo=None), set(mine)
    # what is to be taken in was chosen when it was found, by its age and date
    every = find_deliveries(council.home / "drop", {contract.id: contract}, council.store, now, timedelta(0), None)
    found = [one for one in every if one.feed == contract.id and one.delivery in mine]
    made = settle(contract, council.store, council.vault, council.ring, now, found)
    loads = {load.delivery: load for load in made}
    for delivery in mine - loads.keys():
        delivered(contract.id, delivery, council.store)  # says so where there is none
        loads[delivery] = load_of(council.store, contract.id, delivery)
    tell_deliveries(council, contract.id, loads, now)
    return dict(sorted(loads.items()))


def heal(council: Council) -> None:
    """Check what has landed of any feed and was left unchecked, or no longer holds, as after a kill."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for contract in council.contracts.values():
        for _ in settle(contract, council.store, council.vault, council.ring, now):
            pass


def told(
    council: Council, contract: Contract, load: Load
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """What Dagster is told of a load: counts and reasons, never values."""
    feed, status = contract.id, load.status
    landed = delivered(feed, load.delivery, council.store)

    def made_of(name: str, rows: int, **more: Any) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            dg.AssetKey([feed, name]), partition=load.delivery, metadata={"dagster/row_count": rows, **more}
        )

    def verdict(name: str, passed: bool, **more: Any) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(
            asset_key=accepted(feed),
            check_name=name,
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN if name == CLEAN else dg.AssetCheckSeverity.ERROR,
            metadata={"delivery": load.delivery, **more},
            blocking=name != CLEAN,
            partition=load.delivery,
        )

    counts = {name: getattr(load, name) for name in ("received", "accepted", "quarantined", "withdrawn")}
    yield made_of("landed", len(landed.names), bytes=landed.bytes, status=status)
    if status == "accepted":
        yield made_of("accepted", load.accepted, gone=load.gone, status=status, **counts)
        yield made_of("quarantined", load.quarantined)
    more = {"reason": load.reason, "what to do": TO_DO.format(feed=feed, delivery=load.delivery)}
    shown = more if status == HELD else {"reason": load.reason} if load.reason else {}
    decided = {"decided by": load.decided_by, "because": load.decided_reason} if load.decided_by else {}
    yield verdict(AS_CONTRACTED, status == "accepted", status=status, **shown, **decided)
    yield verdict(RECONCILED, load.received == load.accepted + load.quarantined + load.withdrawn, **counts)
    broken = {rule.rule: rule.rows for rule in load.rules if rule.rows}
    yield verdict(CLEAN, load.quarantined == 0 and status != "rejected", **broken)


def _short(
    events: Iterable[dg.AssetMaterialization | dg.AssetCheckEvaluation],
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Of a delivery that came in with others: what was accepted; else that it landed, and which check it failed.

    To tell Dagster one thing takes some 20 ms, a tenth of all the work on a small delivery.
    """
    every = list(events)
    taken = [e for e in every if isinstance(e, dg.AssetMaterialization) and e.asset_key.path[-1] == "accepted"]
    yield from taken or (e for e in every if isinstance(e, dg.AssetMaterialization) or (e.blocking and not e.passed))


def _result(event: dg.AssetMaterialization | dg.AssetCheckEvaluation) -> dg.MaterializeResult | dg.AssetCheckResult:
    """The event as the step yields it for the partition that it is run for."""
    if isinstance(event, dg.AssetMaterialization):
        return dg.MaterializeResult(asset_key=event.asset_key, metadata=event.metadata)
    return dg.AssetCheckResult(
        asset_key=event.asset_key,
        check_name=event.check_name,
        passed=event.passed,
        severity=event.severity,
        metadata=event.metadata,
    )


class Decision(dg.Config):
    """What a person decides about a delivery that is held."""

    feed: str
    delivery: str
    verdict: str
    by: str
    why: str


@dg.op(description="Keep who released or rejected a held delivery and why, and check it again accordingly.")
def decide_and_check(context: dg.OpExecutionContext, council: dg.ResourceParam[Council], config: Decision) -> None:
    """Carry out a decision."""
    contract = council.contracts.get(config.feed)
    if contract is None:
        raise dg.Failure(f"{config.feed!r} is no feed here. Feeds: {', '.join(sorted(council.contracts))}.")
    now = datetime.now(UTC).replace(tzinfo=None)
    decide(council.store, config.feed, config.delivery, config.verdict, config.by, config.why, now)
    for load in take_in(council, contract, {config.delivery}).values():
        for event in told(council, contract, load):
            context.log_event(event)  # type: ignore[arg-type]  # it takes the evaluation of a check too


@dg.job(description="Release or reject a delivery that is held: fill in the five fields and launch.")
def decide_delivery() -> None:
    """One step."""
    decide_and_check()
