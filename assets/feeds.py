"""Ingestion: for each feed `landed -> accepted + quarantined`, made by one factory from the feed's contract.

A delivery is one partition of its feed. What a file must be, and what becomes of its rows, is decided in `feeds`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets.context import Council, made
from feeds.contracts import Contract
from feeds.deliveries import delivered, find_deliveries, land
from feeds.intake import check

AS_CONTRACTED = "is_what_the_contract_says"
RECONCILED = "every_row_is_accounted_for"
CLEAN = "no_row_is_quarantined"


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
        name=f"ingest_{name}",  # one step: a step of its own for each asset costs more than small feeds' whole work
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
        now = datetime.now(UTC).replace(tzinfo=None)
        found = find_deliveries(council.home / "drop", {feed: contract}, council.store, now, quiet=timedelta(0))
        mine = [one for one in found if one.feed == feed and one.delivery == context.partition_key]
        if mine:
            files = land(mine[0], council.store, council.vault)
        else:
            files = delivered(feed, context.partition_key, council.store)
        yield made([feed, "landed"], len(files.names), more={"bytes": files.bytes})
        load = check(contract, files, council.store, council.vault, council.ring, now)
        rejected = load.status != "accepted"
        if not rejected:
            yield made(accepted(feed).path, load.accepted, more={"gone": load.gone, "withdrawn": load.withdrawn})
            yield made([feed, "quarantined"], load.quarantined)

        def verdict(name: str, passed: bool, **told: Any) -> dg.AssetCheckResult:
            severity = dg.AssetCheckSeverity.WARN if name == CLEAN else dg.AssetCheckSeverity.ERROR
            return dg.AssetCheckResult(
                asset_key=accepted(feed), check_name=name, passed=passed, severity=severity, metadata=told
            )

        counts = {
            "received": load.received,
            "accepted": load.accepted,
            "quarantined": load.quarantined,
            "withdrawn": load.withdrawn,
        }
        yield verdict(AS_CONTRACTED, not rejected, **({"reason": load.reason} if load.reason else {}))
        yield verdict(RECONCILED, load.received == load.accepted + load.quarantined + load.withdrawn, **counts)
        yield verdict(
            CLEAN, load.quarantined == 0 and not rejected, **{rule.rule: rule.rows for rule in load.rules if rule.rows}
        )
        if rejected:
            raise dg.Failure(load.reason, allow_retries=False)

    return [ingested]
