"""How good and fresh each feed is: the load ledger as tables, and a report a feed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.sharing import logged, releaser
from feeds.ledger import deliveries_in_force, loads
from governance.release import Item
from summaries import night, quality
from warehouse.tables import LOAD, LOAD_RULE, RELEASE, Zone

GROUP = "monitoring"
USED = "deliveries_used"
_USED = {"feed": pl.String, "delivery": pl.String}


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets of this stage, reading what became of every delivery."""

    @dg.asset(key=USED, group_name=GROUP, deps=accepted, description="Which delivery of each feed the night uses.")
    def used(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
        chosen = deliveries_in_force(council.store, council.contracts)
        frame = pl.DataFrame({"feed": list(chosen), "delivery": list(chosen.values())}, schema=_USED)
        council.store.put(Zone.LEDGER, f"{USED}/{night_of(context, council)}", {USED: frame})
        return made(USED, frame.height, more=chosen)

    @dg.multi_asset(
        name="load_ledger",
        specs=[dg.AssetSpec(t.name, group_name=GROUP, deps=accepted, description=t.meaning) for t in (LOAD, LOAD_RULE)],
    )
    def load_ledger(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
        for table, frame in zip((LOAD, LOAD_RULE), loads(council.store, council.contracts), strict=True):
            yield council.write(table, night_of(context, council), frame)

    return [used, load_ledger, quality_report]


def deliveries_of(council: Council, day: date) -> dict[str, str]:
    """The delivery of each feed that the night of a day uses: chosen once, so that all of its steps read the same."""
    return dict(council.store.get(Zone.LEDGER, f"{USED}/{day}", USED).collect().rows())


def every(council: Council) -> pl.DataFrame:
    """How often each feed is due: feed, name, partner, every (days)."""
    rows = [(c.id, c.name, c.partner, c.interval.days) for c in council.contracts.values()]
    return pl.DataFrame(
        rows, schema={"feed": pl.String, "name": pl.String, "partner": pl.String, "every": pl.Int64}, orient="row"
    )


@dg.asset(
    group_name=GROUP,
    deps=[USED, LOAD.name, LOAD_RULE.name],
    description="For each feed: what came, what was wrong with it in plain words, whether it is late. No values.",
)
def quality_report(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """One page a feed and one of all feeds, for those who govern information."""
    store, tonight = council.store, night_of(context, council)
    every_load, broken = store.read(LOAD, tonight), store.read(LOAD_RULE, tonight)
    readers, gate = council.organisation.quality_for, releaser(council)
    team = council.organisation.teams[readers]
    about: list[dict[str, Any]] = [
        {"feed": c.id, "name": c.name, "partner": c.partner, "owner": c.owner, "every": c.interval.days}
        | {"version": c.version}
        for c in council.contracts.values()
    ]
    pages = [
        Item("report", readers, team.roles[0], team.reason, None, page.encode(), name=feed["feed"])
        for feed in about
        for page in [quality.report(every_load, broken, feed, tonight)]
    ]
    now = datetime.now(UTC).replace(tzinfo=None)
    released = gate.release_many(pages, tonight, now, logged=logged(council, tonight))
    files = dict(zip((feed["feed"] for feed in about), (Path(f).name for f in released["file"]), strict=True))
    states = quality.states(every_load, every(council), tonight)
    totals = {name: states[name].sum() for name in ("received", "accepted", "quarantined", "withdrawn")}
    listed = [row | {"file": files[row["feed"]]} for row in states.iter_rows(named=True)]
    gate.index(readers, night.report({"night": tonight, **totals, "feeds": listed}).encode())
    store.put(RELEASE.zone, f"released/{tonight}/report", {"released": released})
    return made("quality_report", released.height)
