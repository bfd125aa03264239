"""The price of the gate: writing a night's summaries through it, beside writing the same pages without it.

What belongs here: the measurement. `python -m benchmarks.release [CASES]` prints it.

Both gather the same facts of invented children, render the same pages, and write each under another name first. The
gate asks the agreements, makes release ids, writes the audit log, stamps each page and takes its digest as well.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.linkage import Bar, show
from governance import outbox
from governance.agreements import load_agreements, subjects
from governance.audit import AuditLog
from governance.keys import KeyRing
from governance.release import Item, Releaser
from summaries import facts, quality, wording
from summaries.facts import CaseFacts
from summaries.render import Renderer
from warehouse.site import site
from warehouse.tables import (
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INVOLVEMENT,
    LOAD,
    PERSON,
    RELATIONSHIP,
    RISK_FLAG,
    VOICE,
    Table,
)

CASES, ROUNDS = 10_000, 3
OVER = 0.10  # share of the time of writing summaries that the gate may take
NIGHT, NOW = date(2026, 11, 20), datetime(2026, 11, 20, 2)
TOLD = {"missing_episode": "police", "attendance": "schools", "exclusion": "schools", "tenancy": "housing"}
FEEDS = pl.DataFrame(
    [("police-missing", "Missing person episodes", "police", 7), ("school-census", "School census", "schools", 90)],
    schema={"feed": pl.String, "name": pl.String, "partner": pl.String, "every": pl.Int64},
    orient="row",
)


def gate_cost(cases: int = CASES) -> list[Bar]:
    """Measure the gate against writing the same summaries without it; the least of several rounds that take turns."""
    words, agreements = wording.load(site()), load_agreements(site())
    team = words.teams["mash"]
    people, involvements, gather = _invented(cases, agreements.sections("mash", team.roles[0], team.reason, NIGHT))
    covered = subjects(people, involvements, NIGHT)
    times: dict[str, list[float]] = {"gather": [], "plain": [], "gate": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="kinfold-bench-") as folder:
            renderer, place = Renderer(words), Path(folder)
            gathered, seconds = _timed(lambda: list(gather()))
            times["gather"].append(seconds)
            _, seconds = _timed(lambda: _plain(gathered, renderer, place / "plain"))  # noqa: B023 - called at once
            times["plain"].append(seconds)
            log = AuditLog(place / "audit", b"benchmark" * 4)
            gate = Releaser(place / "outbox", agreements, log, KeyRing(b"benchmark" * 4))
            items = (_item(case, renderer, team) for case in gathered)
            _, seconds = _timed(lambda: gate.release_many(items, NIGHT, NOW, covered))  # noqa: B023 - as above
            times["gate"].append(seconds)
    least = {name: min(of) for name, of in times.items()}
    writing = least["gather"] + least["plain"]
    share = (least["gate"] - least["plain"]) / writing
    return [
        Bar(f"{cases:,} summaries gathered, rendered and written without the gate, seconds", f"{writing:.2f}"),
        Bar("the same through the gate, seconds", f"{least['gather'] + least['gate']:.2f}"),
        Bar("the gate's share of the time of writing summaries", f"{share:.1%}", f"< {OVER:.0%}"),
    ]


def _plain(gathered: list[CaseFacts], renderer: Renderer, place: Path) -> None:
    place.mkdir()
    for n, case in enumerate(gathered):
        outbox.write(place / f"{n}.html", renderer.summary(case, f"{n:032x}", NIGHT).encode())
    os.sync()


def _item(case: CaseFacts, renderer: Renderer, team: Any) -> Item:
    return Item(
        "summary", case.team, team.roles[0], team.reason, case.person_id,
        lambda release_id, expires: renderer.summary(case, release_id, expires).encode(),
        tuple(case.shared), tuple(case.withheld),
    )  # fmt: skip


def _invented(
    cases: int, sections: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, Callable[[], Iterator[CaseFacts]]]:
    """Children with an open case each and about twenty events, and how to gather what their summaries say."""
    random, words = np.random.default_rng(7), wording.load(site())
    ids = [f"{n:032x}" for n in range(1, cases + 1)]
    born = pl.Series(random.integers(0, 6000, cases)).cast(pl.Int32)
    people = _frame(
        PERSON,
        person_id=ids,
        forename=pl.Series(np.array(["AMELIA", "KOFI", "NIAMH", "LEO", "ZAINAB"])[random.integers(0, 5, cases)]),
        surname=pl.Series(np.array(["O'BRIEN", "KHAN", "ACHEAMPONG", "PATEL"])[random.integers(0, 4, cases)]),
        birth_date=pl.Series([NIGHT] * cases) - pl.Series(born).cast(pl.Duration("ms")) * 86_400_000,
        address=pl.Series(ids).str.slice(-3) + " LINDEN TERRACE, HARROWMERE",
        postcode=["ZZ1 4QT"] * cases,
    )
    begun = datetime(2026, 5, 1)
    known = {"known_from": begun, "delivery": "2026-11-19"}
    involvements = _frame(
        INVOLVEMENT, involvement_id=ids, record_id=ids, person_id=ids, feed="case-system",
        partner="childrens-services", service="childrens_social_care", team="Duty", worker_role="social_worker",
        start=begun, **known,
    )  # fmt: skip
    whose = np.repeat(np.arange(cases), 20)
    kinds = np.array(list(TOLD))[random.integers(0, len(TOLD), len(whose))]
    days = pl.Series(random.integers(0, 600, len(whose)))
    starts = pl.select(pl.lit(NOW) - pl.duration(days=days)).to_series()
    events = _frame(
        EVENT, event_id=[f"e{n}" for n in range(len(whose))], record_id=pl.Series(np.array(ids)[whose]),
        person_id=pl.Series(np.array(ids)[whose]), feed="school-census", domain="any", type=pl.Series(kinds),
        partner=pl.Series(kinds).replace_strict(TOLD), start=starts, **known,
    )  # fmt: skip
    fresh = quality.freshness(LOAD.empty(), FEEDS, NIGHT)
    of_people = [pl.lit(None, pl.String).alias(name) for name in ("person_id", "other_person_id")]
    nobody = RELATIONSHIP.empty().with_columns(of_people), HOUSEHOLD.empty(), HOUSEHOLD_MEMBER.empty()
    silent = VOICE.empty().with_columns(of_people[0]), RISK_FLAG.empty()
    sections = sections.select(facts.SECTIONS.names()).cast(facts.SECTIONS)

    def gather() -> Iterator[CaseFacts]:
        cases = facts.open_cases(involvements, words.teams, NIGHT)
        return iter(
            facts.gather(cases, people, events, involvements, *nobody, *silent, fresh, sections, NIGHT, None, words)
        )

    return people, involvements, gather


def _frame(table: Table, **columns: Any) -> pl.DataFrame:
    """Rows of a table; a value is every row's, a column that is not given is null."""
    schema = dict(table.schema) | {name: pl.String for name in columns if name not in table.schema}
    rows = next(len(v) for v in columns.values() if not isinstance(v, str) and hasattr(v, "__len__"))
    single = (str, datetime, date)
    made = {n: pl.repeat(v, rows, eager=True) if isinstance(v, single) else pl.Series(v) for n, v in columns.items()}
    frame = pl.DataFrame(made)
    frame = frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in made)
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


if __name__ == "__main__":
    show("The gate", gate_cost(int(sys.argv[1]) if len(sys.argv) > 1 else CASES))
