"""The audit log as the night and its readers see it: looked at before anything leaves, counted at the end.

What belongs here: when it is looked at, and which tables its questions are asked of. How it is checked is said in
`governance.audit`, what is asked of it in `governance.audit_reading`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.monitoring import USED
from assets.sharing import GROUP, LOOKED_AT, audit_log
from governance import audit_reading as reading
from governance import outbox
from governance.audit import Entry, Verdict, login
from governance.pseudonyms import record_ids
from warehouse import marts
from warehouse.marts import MartTable
from warehouse.tables import (
    ACCESS_LOG,
    LINK_PAST,
    OUTPUT_USE,
    PERSON_LINEAGE,
    PERSON_LINK,
    RELEASE,
    Column,
    Table,
)  # fmt: skip

COUNTED = "audit_marts"
CHECK, AGAIN, OUTSIDE = "audit_log_is_whole", "audit_log_is_whole_still", "a_checkpoint_is_kept_outside"
VAULT, NIGHTLY = "vault", "kinfold night"  # what the log has each night of the vault, and by whom
MARTS = "marts-governance"  # below the data folder, beside the analysts' marts
KEEP = 3  # nights
NO_COPY = (
    "No checkpoint is kept where the keepers of this machine cannot change it: KINFOLD_AUDIT_COPY names no folder. "
    "Without one, nobody can tell if the whole log was put back to an earlier day or written anew."
)
_SAID = {
    "day": "the day, where the council is",
    "role": "in which role; empty where none is said",
    "team": "for which team; empty where none is said",
    "reason": "why, by its name in site.yaml; empty where none is said",
    "agreement": "the agreement and clause that answered; empty where none was asked",
    "entries": "entries of the audit log",
    "people": "different people whom they are about",
    "users": "different users who did it",
    "looks": "entries by which the user asked to see something",
    "usual": "people on a middling day of the user's last 90 days with looks; null where there was none",
    "outside": "looks at night, before 7 and from 20 o'clock, or at a weekend",
    "refused": "times that the user was refused",
    "unusual": "what is out of the ordinary, in words; empty for a day like others",
    "kind": "summary, export, share_back, report, recall or subject_access",
    "files": "files let out",
    "withheld": "kinds of record that these files say were withheld, summed",
    "last_expires": "the day by which the last of them must be gone",
}


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [looked_at, counted]


@dg.asset(
    name=LOOKED_AT,
    group_name=GROUP,
    deps=[USED],
    description="The audit log, looked at before anything of the night leaves; once a week all of it.",
    check_specs=[dg.AssetCheckSpec(CHECK, asset=LOOKED_AT, blocking=True)],
)
def looked_at(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Stop the night before anything leaves where the log cannot be trusted."""
    verdict = vault_held(council, audit_log(council).look(night_of(context, council)))
    yield made(LOOKED_AT, verdict.entries, more={"checked": verdict.checked, "checkpoints": verdict.against})
    yield _result(CHECK, LOOKED_AT, verdict)


@dg.asset(
    name=COUNTED,
    group_name=GROUP,
    deps=[RELEASE.name, ACCESS_LOG.name],
    description="What was looked at and let out, counted by day, team, user and reason, for information governance "
    "alone; and a signed checkpoint of the audit log outside.",
    check_specs=[
        dg.AssetCheckSpec(AGAIN, asset=COUNTED, blocking=True),
        dg.AssetCheckSpec(OUTSIDE, asset=COUNTED),
    ],
)
def counted(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> Iterator[object]:
    """Look at what the night logged, count it, and keep a checkpoint outside before anything is published."""
    tonight, log = night_of(context, council), audit_log(council)
    now = datetime.now(UTC).replace(tzinfo=None)
    log.append([Entry(now, NIGHTLY, None, VAULT, None, None, None, None, case=str(council.store.vault_changes()))])
    verdict = log.look(tonight)
    if log.copies and not verdict.problems:
        log.keep_copy(log.copies)
    rows = publish(council, tonight)
    yield made(COUNTED, sum(rows.values()), more=rows)
    yield _result(AGAIN, COUNTED, verdict)
    yield dg.AssetCheckResult(
        passed=log.copies is not None,
        check_name=OUTSIDE,
        asset_key=COUNTED,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if log.copies else NO_COPY,
    )


def vault_held(council: Council, verdict: Verdict) -> Verdict:
    """A verdict on the log, and whether the vault and its register are as new as the log says."""
    told = audit_log(council).frame().filter(pl.col("action") == VAULT)["case"].drop_nulls()
    if told.is_empty() or council.store.vault_changes() >= int(told[-1]):
        return verdict
    problem = (
        "vault/ and ledger/vault.log are older than the log says: somebody put back an earlier day's. Restore vault/, "
        "ledger/ and keys/ from one backup."
    )
    return replace(verdict, problems=(*verdict.problems, problem))


def publish(council: Council, night: date) -> dict[str, int]:
    """Build the marts of information governance and point at them; return the rows of each.

    They stand in a folder that its owner alone may open, and the unix group of the team that answers for information
    governance where site.yaml names one: who works when, and who was refused, is nothing for analysts. Whom anybody
    looked at is not in them.
    """
    team = council.organisation.quality_for
    outbox.folder(council.home, MARTS, council.organisation.teams[team].unix_group)
    folder, log = council.home / MARTS, council.store.read(ACCESS_LOG, night)
    zone, released = council.organisation.timezone, council.store.read(RELEASE, night)
    tables = [
        _mart("looks_by_day", "What was done with people's data on a day, counted.", reading.by_day(log, zone), 6),
        _mart("users_by_day", "What a user looked at on a day, beside their usual day.", reading.by_user(log, zone), 3),
        _mart("refusals", "What was asked for and refused.", reading.refusals(log), ["sequence"]),
        _mart("releases_by_day", "Files that were let out on a day, counted.", releases(released, zone), 5),
    ]
    rows = marts.build_release(folder, str(night), tables, {"night": str(night)})
    if wrong := marts.verify(folder, str(night)):
        raise marts.MartError(f"the marts of information governance: {'; '.join(wrong)}.")
    marts.publish(folder, str(night))
    marts.prune(folder, KEEP)
    return rows


def releases(released: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """RELEASE counted: day, team, kind, reason, agreement, files, people, withheld, last_expires."""
    by = ["day", "team", "kind", "reason", "agreement"]
    at = pl.col("released_at").dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
    return (
        released.with_columns(pl.col("team", "kind", "reason", "agreement").fill_null(""), day=at.dt.date())
        .group_by(by)
        .agg(
            files=pl.len(),
            people=pl.col("person_id").drop_nulls().n_unique(),
            withheld=pl.col("withheld").list.len().sum(),
            last_expires=pl.col("expires_on").max(),
        )
        .sort(by)
    )


def note(council: Council, who: str | None, person_id: str | None) -> None:
    """Put into the audit log that somebody asks it, about a person or about nobody in particular."""
    now, team = datetime.now(UTC).replace(tzinfo=None), council.organisation.teams[council.organisation.quality_for]
    entry = Entry(now, who or login(), None, "audit", None, person_id, team.reason, None)
    audit_log(council).append([entry])


def ids_of(council: Council, told: str) -> tuple[str, pl.DataFrame] | None:
    """Today's id of a person, and all ids under which they stood: `audit_reading.ids_of`. None for what nobody has.

    Args:
        told: the id of a person, today's or an earlier one, or of a record; or feed:key, by the feed's own key.
    """
    store = council.store
    links, lineage = store.read(PERSON_LINK), store.read(PERSON_LINEAGE)
    feed, colon, key = told.partition(":")
    if colon:
        contract = council.contracts.get(feed)
        if contract is None:
            return None
        told = str(record_ids(contract.keys_of, pl.Series([key]), council.ring).item())
    of_record = links.filter(pl.col("record_id") == told)["person_id"].to_list()
    person = of_record[0] if of_record else told
    if not of_record and person not in links["person_id"] and person not in lineage["person_id"]:
        return None
    past = store.read(LINK_PAST) if _has(council, LINK_PAST) else LINK_PAST.empty()
    return reading.ids_of(person, links, past, lineage)


def used(council: Council, people: pl.Series) -> pl.DataFrame:
    """OUTPUT_USE of every night that is kept, of these people."""
    nights = council.store.folders(OUTPUT_USE.zone, OUTPUT_USE.name)
    of = pl.col("about").is_in(people.implode())
    frames = [council.store.scan(OUTPUT_USE, date.fromisoformat(night)).filter(of) for night in nights]
    return pl.concat([OUTPUT_USE.empty().lazy(), *frames]).collect()


# -- inside ---------------------------------------------------------------------------------------------------------


def _result(check: str, asset: str, verdict: Verdict) -> dg.AssetCheckResult:
    told = "; ".join(verdict.problems)
    return dg.AssetCheckResult(
        passed=not verdict.problems,
        check_name=check,
        asset_key=asset,
        description=f"{told} Nothing more is released, and nothing published. Tell the Data Protection Officer; "
        "`kinfold audit verify` lists all that is wrong."
        if told
        else None,
        metadata={
            "entries": verdict.entries,
            "checked": verdict.checked,
            "problems": len(verdict.problems) + verdict.more,
        },
    )


def _mart(name: str, meaning: str, frame: pl.DataFrame, key: int | list[str]) -> MartTable:
    columns = tuple(
        Column(c, kind, _SAID.get(c) or next(k.meaning for k in ACCESS_LOG.columns if k.name == c))
        for c, kind in frame.schema.items()
    )
    return MartTable(name, meaning, frame, columns, tuple(frame.columns[:key] if isinstance(key, int) else key))


def _has(council: Council, table: Table) -> bool:
    night = council.store.published()
    return night is not None and str(night) in council.store.folders(table.zone, table.name)
