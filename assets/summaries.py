"""Case summaries: one a case that a team has open, through the agreements, into the team's folder of the outbox."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.history import standing, with_needs
from assets.monitoring import every
from assets.sharing import LOOKED_AT, logged, releaser
from governance import rights
from governance.agreements import subjects
from governance.release import Item
from summaries import facts, quality
from summaries.asked import asked
from summaries.facts import CaseFacts
from summaries.render import Renderer
from warehouse.tables import (
    COHORT_MEMBER,
    CORRECTION,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    LOAD,
    OBJECTION,
    PERSON,
    PERSON_LINK,
    RECALL,
    RELATIONSHIP,
    RELEASE,
    RISK_FLAG,
    VOICE,
    Zone,
)  # fmt: skip

GROUP = "summaries"
RECALL_FILE = "recall_file"
RECALLED = "recalled"  # of a night, in the ledger: links undone, what summaries say of it, addresses answered for
SHOWN = "summary_shown"  # what each summary told, so that the next says what changed


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [case_summary]


def released(council: Council, night: date) -> pl.DataFrame:
    """The releases of a night's summaries."""
    return council.store.get(RELEASE.zone, f"released/{night}/summary", "released").collect()


def open_recalls(council: Council, team: str, night: date) -> list[tuple[date, str]]:
    """The nights whose recalls are open for a team, the newest first, and the name of the page that tells of each."""
    store = council.store
    waiting = store.scan(RECALL, night).filter(pl.col("team") == team, pl.col("state") == "open")
    found = []
    for of in sorted(waiting.select("night").unique().collect()["night"], reverse=True):
        pages = store.get(RELEASE.zone, f"released/{of}/recall", "pages").filter(pl.col("team") == team)
        found += [(of, Path(file).name) for file in pages.collect()["file"]]
    return found


@dg.asset(
    group_name=GROUP,
    deps=[t.name for t in (PERSON, HOUSEHOLD, HOUSEHOLD_MEMBER, EVENT, INVOLVEMENT, VOICE, RISK_FLAG, LOAD)]
    + [RECALL_FILE, LOOKED_AT, INDICATOR.name, COHORT_MEMBER.name],
    tags={"contains": "personal_data"},
    description="A summary for each open case of each team: facts, from whom, and what was withheld.",
)
def case_summary(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Gather what each team may read, render it, let it out."""
    store, tonight = council.store, night_of(context, council)
    before = store.published_before(tonight)
    people = with_needs(council, store.read(PERSON, tonight), tonight)
    involvements = standing(council, INVOLVEMENT, tonight)
    links = store.scan(PERSON_LINK, tonight).select(pl.col("record_id").alias("other_record_id"), "person_id")
    related = (
        standing(council, RELATIONSHIP, tonight)
        .lazy()
        .join(links.rename({"person_id": "other_person_id"}), on="other_record_id")
        .collect()
    )
    words, with_cases = council.wording, council.wording.teams
    sections = pl.concat(
        council.agreements.sections(name, team.roles[0], team.reason, tonight) for name, team in with_cases.items()
    )
    gathered = facts.gather(
        facts.open_cases(involvements, with_cases, tonight),
        people,
        standing(council, EVENT, tonight),
        involvements,
        related,
        store.read(HOUSEHOLD, tonight),
        store.read(HOUSEHOLD_MEMBER, tonight),
        standing(council, VOICE, tonight),
        store.read(RISK_FLAG, tonight),
        quality.freshness(store.read(LOAD, tonight), every(council), tonight),
        sections.select(facts.SECTIONS.names()).cast(facts.SECTIONS),
        tonight,
        store.get(Zone.FACTS, f"{SHOWN}/{before}", "shown").collect() if before else None,
        words,
        store.get(Zone.LEDGER, f"{RECALLED}/{tonight}", "notes").collect(),
        asked(
            rights.of_people(store, OBJECTION, tonight), rights.of_people(store, CORRECTION, tonight), words.partners
        ),
    )
    gate, renderer = releaser(council), Renderer(words)
    cases = list(gathered)

    def page(case: CaseFacts) -> Callable[[str, date | None], bytes]:
        return lambda release_id, expires: renderer.summary(case, release_id, expires).encode()

    items = (
        Item(
            "summary",
            case.team,
            with_cases[case.team].roles[0],
            with_cases[case.team].reason,
            case.person_id,
            page(case),
            tuple(case.shared),
            tuple(case.withheld),
        )
        for case in cases
    )
    now, covered = datetime.now(UTC).replace(tzinfo=None), subjects(people, involvements, tonight)
    let_out = gate.release_many(items, tonight, now, covered, logged(council, tonight))
    files = {(row["team"], row["person_id"]): Path(row["file"]).name for row in let_out.iter_rows(named=True)}
    for team in let_out["team"].unique():
        mine = [{"facts": case, "file": files[team, case.person_id]} for case in cases if case.team == team]
        gate.index(team, renderer.index(team, mine, tonight, open_recalls(council, team, tonight)).encode())
    store.put(Zone.FACTS, f"{SHOWN}/{tonight}", {"shown": gathered.shown})
    store.put(RELEASE.zone, f"released/{tonight}/summary", {"released": let_out})
    counts = {row["team"]: row["len"] for row in let_out.group_by("team").len().iter_rows(named=True)}
    return made("case_summary", let_out.height, more=counts)
