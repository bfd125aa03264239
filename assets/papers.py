"""Papers for information governance, made anew each night from the configuration and the night's facts."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from assets import agreements
from assets.context import Council, made, night_of
from assets.risk import in_force
from assets.sharing import KINDS, LOOKED_AT, PAPER, audit_log, logged, releaser
from governance.release import Item
from summaries import matrix, papers
from summaries.papers import Facts, Model
from warehouse.tables import (
    CORRECTION,
    EVENT,
    HOUSEHOLD,
    OBJECTION,
    PERSON,
    PERSON_LINK,
    RECALL,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    Zone,
)  # fmt: skip

GROUP = "sharing"
NAME = "papers"
_BY = {
    "founder": "first record of a person", "bridge": "shared id", "probability": "likeness of names, dates and places",
    "council": "the council's own matching", "reviewer": "a reviewer",
}  # fmt: skip


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [paper]


def write(council: Council, night: date, counted_on: date | None) -> dict[str, str]:
    """Every paper of a night as a page, by name, the matrix first.

    Args:
        night: whose facts are told.
        counted_on: the last night whose files are all known.
    """
    digest = hashlib.sha256((council.site / "site.yaml").read_bytes()).hexdigest()
    configured = papers.Council(
        council.organisation, council.contracts, council.agreements, council.retention, council.rights
    )
    seen = matrix.html(matrix.build(council.agreements, night, digest))
    return {"matrix": seen, **papers.write(configured, facts(council, night, counted_on))}


def facts(council: Council, night: date, counted_on: date | None) -> Facts:
    """What the papers tell of a night: counts, and how things are set."""
    store, organisation = council.store, council.organisation
    people = store.scan(PERSON, night).select("birth_date").collect()["birth_date"]
    eighteen = night.replace(year=night.year - 18, day=28 if (night.month, night.day) == (2, 29) else night.day)
    records = store.scan(SOURCE_RECORD, night).select("feed").collect()["feed"].value_counts()
    links = store.scan(PERSON_LINK, night).select("by").collect()["by"].value_counts()
    recalled = store.scan(RECALL, night).group_by("kind").agg(pl.len(), (pl.col("state") == "open").sum().alias("open"))
    released = _released(council, counted_on)
    log = audit_log(council)
    tables = council.aggregates.aggregates
    profile = council.disclosure.of(tables[0].audience) if tables else None
    standing = pl.col("known_to").is_null()
    return Facts(
        night=night,
        people=people.len(),
        under_18=int((people > eighteen).sum()),
        households=_count(council, night, HOUSEHOLD),
        records=int(records["count"].sum()),
        events=store.scan(EVENT, night).filter(standing).select(pl.len()).collect().item(),
        records_of=dict(records.iter_rows()),
        links={_BY.get(by, by): count for by, count in links.sort("count", descending=True).iter_rows()},
        models=list(_models(council, night)),
        recalls={kind: (n, still) for kind, n, still in recalled.collect().sort("kind").iter_rows()},
        counted_on=counted_on,
        released={(k, t): n for k, t, n in released.group_by("kind", "team").len().sort("kind", "team").iter_rows()},
        withheld=int(released["withheld"].list.len().sum()),
        audit=dict(log.frame()["action"].value_counts().sort("action").iter_rows()),
        rights=_rights(council),
        encrypted=[
            t for t in organisation.teams if any(council.agreements.encrypts(a.name, t) for a in council.agreements)
        ],
        copied=log.copies is not None,
        amiss=agreements.amiss(council),
        minimum=profile.threshold if profile else None,
        base=profile.base if profile else None,
        staffed=organisation.staff is not None,
    )


def _count(council: Council, night: date, table) -> int:  # type: ignore[no-untyped-def]
    return int(council.store.scan(table, night).select(pl.len()).collect().item())


def _released(council: Council, night: date | None) -> pl.DataFrame:
    """RELEASE rows of all that a night let out."""
    folders = [f"released/{night}/{kind}" for kind in KINDS] if night else []
    there = [
        council.store.get(Zone.LEDGER, f, "released").collect() for f in folders if council.store.has(Zone.LEDGER, f)
    ]
    return pl.concat([RELEASE.empty(), *(rows.select(RELEASE.schema.names()) for rows in there)])


def _models(council: Council, night: date) -> Iterator[Model]:
    flags = dict(council.store.scan(RISK_FLAG, night).group_by("outcome").len().collect().iter_rows())
    held = in_force(council)
    for outcome in council.outcomes:
        model, gate = held.get(outcome.outcome, ("", "not trained yet"))
        team = (
            council.organisation.teams[outcome.team].name
            if outcome.team in council.organisation.teams
            else outcome.team
        )
        passed = bool(model) and "passed its gate" in gate
        yield Model(
            outcome.outcome,
            outcome.plain_words,
            team,
            outcome.capacity.a_week,
            gate,
            passed,
            flags.get(outcome.outcome, 0),
        )


def _rights(council: Council) -> dict[str, int]:
    from governance import rights

    tables = {"objections": OBJECTION, "corrections": CORRECTION}
    return {what: n for what, table in tables.items() if (n := rights.standing(council.store, table).height)}


@dg.asset(
    name=NAME,
    group_name=GROUP,
    deps=["case_summary", LOOKED_AT, SOURCE_RECORD.name, PERSON_LINK.name, RECALL.name, RISK_FLAG.name, EVENT.name],
    description="Who may see what, the impact assessment, the threat model, the record of processing activities and a "
    "Five Safes page for each agreement, to those who answer for information governance.",
)
def paper(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Write the papers, let them out, and take back those of the night before."""
    store, tonight = council.store, night_of(context, council)
    before, readers = store.published_before(tonight), council.organisation.quality_for
    team, gate = council.organisation.teams[readers], releaser(council)
    written = write(council, tonight, before)
    items = [
        Item("report", readers, team.roles[0], team.reason, None, content.encode(), name=f"{PAPER} {name}")
        for name, content in written.items()
    ]
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = gate.release_many(items, tonight, now, logged=logged(council, tonight))
    titles = pl.DataFrame({"file": rows["file"], "title": [papers.title(name) for name in written]})
    store.put(RELEASE.zone, f"released/{tonight}/{PAPER}", {"released": rows, "titles": titles})
    if before and store.has(RELEASE.zone, f"released/{before}/{PAPER}"):
        old = store.get(RELEASE.zone, f"released/{before}/{PAPER}", "released").collect()["file"]
        gate.retire(set(old) - set(rows["file"]))
    return made(NAME, rows.height, more={"agreements that do not count as written": len(council.agreements.unsettled)})
