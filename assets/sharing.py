"""What has left and who saw it: the release gate, the ledger of releases and the audit log as tables."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from assets.context import Council, night_of
from governance.audit import AuditLog, Entry, login
from governance.checkpoints import outside
from governance.outbox import Swept
from governance.pseudonyms import hashed
from governance.release import RECALL, Item, Releaser
from governance.reveal import Asker
from linkage import decisions, protection
from summaries import recall
from warehouse.tables import ACCESS_LOG, DWELLING, OUTPUT_USE, PERSON_LINK, RELEASE, SOURCE_RECORD, Zone

GROUP = "sharing"
LOOKED_AT = "audit_log"  # the asset on which all waits that lets anything out
PAPER = "paper"
# what a night lets out; each is put down below released/<night>/
KINDS = ("summary", "report", "recall", "aggregate", PAPER)
TOLD = "told"  # what was let out after a delivery, by feed, delivery and what the load came to
BESIDE = "let_out"  # what somebody lets out beside the night, in the ledger by release
USED = "used"  # and whose facts it used
LOOKS = "looked_at"  # the same of what was shown on a screen alone, and to whom
LOOK = pl.Schema([*dict.fromkeys(("output_id", "role", "case"), pl.String()).items(), ("at", pl.Datetime("us"))])


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [release]


def audit_log(council: Council) -> AuditLog:
    """The council's audit log."""
    return AuditLog(council.home / "ledger" / "audit", council.ring.key("audit"), copies=outside(council.home))


def note_read(council: Council, who: str | None, people: Sequence[str | None]) -> None:
    """Put into the audit log that somebody asked about people, or with None about nobody in particular.

    Who says no name is named as who signed in to the machine.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    audit_log(council).append([Entry(now, who or login(), None, "read", None, person, None, None) for person in people])


def releaser(council: Council, actor: str = "kinfold night") -> Releaser:
    """The one gate through which files leave."""
    outbox, keys = council.home / "outbox", council.site / "keys"
    return Releaser(outbox, council.agreements, audit_log(council), council.ring, actor, keys)


def let_out(
    council: Council, items: Iterable[Item], on: date, actor: str, subjects: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Let files out beside the night, on somebody's word, and put them down for the ledger: RELEASE rows.

    Raises:
        ReleaseRefused, AuditError: see `Releaser.release_many`.
    """
    now, items = datetime.now(UTC).replace(tzinfo=None), list(items)
    told = {(item.kind, item.team, item.person_id): item.people or (item.person_id,) for item in items}
    rows = releaser(council, actor).release_many(items, on, now, subjects)
    for row in rows.iter_slices(1):
        people = told[row.select("kind", "team", "person_id").row(0)]
        about = pl.DataFrame({"about": people}, schema={"about": pl.String}).drop_nulls()
        used = row.select("kind", "team", "person_id", "file", "expires_on", output_id="release_id").join(
            about.with_columns(pl.lit(council.store.published(), pl.Date).alias("night")), how="cross"
        )
        frames = {"released": row, USED: used}
        council.store.put(Zone.LEDGER, f"{BESIDE}/{row['release_id'].item()}", frames)
    return rows


def note_shown(council: Council, asker: Asker, person_id: str, night: date, at: datetime) -> None:
    """Keep for a recall that a person, as a night had them, was shown on a screen; the audit log has it by then.

    Args:
        at: when, naive UTC.
    """
    text = "\x1f".join((recall.SCREEN, asker.team, person_id, at.isoformat()))
    output_id = hashed(pl.Series([text]), council.ring.key("recall")).item()
    row = {"kind": recall.SCREEN, "output_id": output_id, "team": asker.team, "person_id": person_id}
    used = pl.DataFrame([row | {"about": person_id, "file": None, "expires_on": None, "night": night}], recall.USED)
    look = pl.DataFrame([{"output_id": output_id, "role": asker.role, "at": at, "case": asker.case}], LOOK)
    council.store.put(Zone.LEDGER, f"{LOOKS}/{output_id}", {USED: used, "look": look})


def looks(council: Council, frame: str = "look") -> pl.DataFrame:
    """What was shown on a screen, as `LOOK`; or with `USED` who it was, as which night had them."""
    store, none = council.store, pl.DataFrame(schema=LOOK if frame == "look" else recall.USED)
    parts = [store.get(Zone.LEDGER, f"{LOOKS}/{i}", frame).collect() for i in store.folders(Zone.LEDGER, LOOKS)]
    return pl.concat([none, *parts])


def let_out_beside(council: Council, frame: str = "released") -> pl.DataFrame:
    """What was let out beside the nights: RELEASE rows, or with `USED` whose facts of which night each of them used."""
    store, none = council.store, RELEASE.empty() if frame == "released" else pl.DataFrame(schema=recall.USED)
    folders = [f"{BESIDE}/{release_id}" for release_id in store.folders(Zone.LEDGER, BESIDE)]
    parts = [store.get(Zone.LEDGER, f, frame).collect() for f in folders if frame in store.names(Zone.LEDGER, f)]
    return pl.concat([none, *(part.select(none.columns) for part in parts)])


def ever_released(council: Council) -> pl.DataFrame:
    """RELEASE rows of all that was ever let out, whether its night was published or not."""
    store, night = council.store, council.store.published()
    nights = store.folders(Zone.LEDGER, "released")
    folders = [f"released/{n}/{kind}" for n in nights for kind in KINDS]
    folders += [f"{BESIDE}/{release_id}" for release_id in store.folders(Zone.LEDGER, BESIDE)]
    report = f"released/{night}/report"
    taken = store.get(Zone.LEDGER, report, "told").collect()["told"] if store.has(Zone.LEDGER, report) else ()
    told = {
        f"{feed}/{n}" for feed in store.folders(Zone.LEDGER, TOLD) for n in store.folders(Zone.LEDGER, f"{TOLD}/{feed}")
    }
    folders += [f"{TOLD}/{name}" for name in sorted(told - set(taken))]
    parts = [store.get(Zone.LEDGER, f, "released").collect() for f in folders if store.has(Zone.LEDGER, f)]
    known = store.read(RELEASE, night) if night else RELEASE.empty()
    rows = pl.concat([known, *parts], how="diagonal").select(RELEASE.schema.names())
    return rows.unique(["release_id", "file", "sha256"], keep="first", maintain_order=True)


def sweep(council: Council, on: date) -> Swept:
    """Remove from the outbox what must be gone by a day, whatever it is called by now, and say what else is there.

    A clock that was set back keeps nothing: no day before the last published night is asked for.
    """
    last = council.store.published()
    recalled = audit_log(council).frame().filter(pl.col("action") == RECALL)["release_id"].drop_nulls().to_list()
    return releaser(council).sweep(max(on, last or on), ever_released(council), recalled)


def logged(council: Council, night: date) -> set[str]:
    """Releases of a night that was not published which the audit log has already: a killed attempt's."""
    if council.store.published() == night:
        return set()
    return set(audit_log(council).frame()["release_id"].drop_nulls().to_list())


def protected_people(council: Council) -> set[str]:
    """The people of the published night whose address nothing may show: those in refuges, and on the register."""
    store = council.store
    records = store.scan(SOURCE_RECORD).select("record_id", *protection.ADDRESS, "other_addresses").collect()
    links = store.scan(PERSON_LINK).select("record_id", "person_id").collect()
    return set(protection.find(records, links, store.read(DWELLING), decisions.protected(store)).people)


def hidden_people(council: Council, people: Sequence[str], known: Collection[str] | None = None) -> set[str]:
    """Which of these people no address is shown of; `known` are those found before, to whom the register may add."""
    listed = decisions.protected(council.store)["record_id"].drop_nulls()
    links = council.store.scan(PERSON_LINK).filter(pl.col("person_id").is_in(list(people)))
    newly = links.filter(pl.col("record_id").is_in(listed.implode())).select("person_id").collect()["person_id"]
    return {*(protected_people(council) if known is None else known), *newly} & set(people)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            t.name,
            group_name=GROUP,
            deps=["case_summary", "quality_report", "recall_file", "aggregate", "papers", OUTPUT_USE.name],
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
    fresh = let_out_beside(council).join(earlier, on="release_id", how="anti")
    swept = sweep(council, tonight)
    told = {"swept": swept.gone, "misplaced": swept.misplaced, "strange": len(swept.strange)}
    yield council.write(RELEASE, tonight, pl.concat([earlier, *now, fresh]), told)
    yield council.write(ACCESS_LOG, tonight, audit_log(council).frame())
