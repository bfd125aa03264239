"""What has left and who saw it: the release gate, the ledger of releases and the audit log as tables."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from assets.context import Council, night_of
from governance.audit import AuditLog, Entry
from governance.release import Releaser
from warehouse.tables import ACCESS_LOG, OUTPUT_USE, RELEASE

GROUP = "sharing"
KINDS = ("summary", "report", "recall")  # what a night lets out; each is put down below released/<night>/


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [release]


def audit_log(council: Council) -> AuditLog:
    """The council's audit log."""
    return AuditLog(council.home / "ledger" / "audit", council.ring.key("audit"))


def note_read(council: Council, who: str, people: Sequence[str | None]) -> None:
    """Put into the audit log that somebody asked about people, or with None about nobody in particular."""
    now = datetime.now(UTC).replace(tzinfo=None)
    audit_log(council).append([Entry(now, who, None, "read", None, person, None, None) for person in people])


def releaser(council: Council) -> Releaser:
    """The one gate through which files leave."""
    return Releaser(council.home / "outbox", council.agreements, audit_log(council), council.ring)


def logged(council: Council, night: date) -> set[str]:
    """Releases of a night that was not published which the audit log has already: a killed attempt's."""
    if council.store.published() == night:
        return set()
    return set(audit_log(council).frame()["release_id"].drop_nulls().to_list())


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            t.name,
            group_name=GROUP,
            deps=["case_summary", "quality_report", "recall_file", OUTPUT_USE.name],
            description=t.meaning,
        )
        for t in (RELEASE, ACCESS_LOG)
    ]
)
def release(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Everything released up to tonight, and the audit log as far as it has come; expired files are swept away."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    earlier = store.read(RELEASE, before) if before else RELEASE.empty()
    now = [store.get(RELEASE.zone, f"released/{tonight}/{kind}", "released").collect() for kind in KINDS]
    releaser(council).sweep(tonight)
    yield council.write(RELEASE, tonight, pl.concat([earlier, *now]))
    yield council.write(ACCESS_LOG, tonight, audit_log(council).frame())
