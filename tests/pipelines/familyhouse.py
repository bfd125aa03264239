"""A family in a published night: a child, her mother, a brother whose address is protected, and a stranger."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.agreements import accept
from assets.context import Council
from governance.keys import create, key_file
from governance.pseudonyms import record_ids
from linkage import decisions, golden
from warehouse.site import site
from warehouse.tables import (
    ALERT,
    COHORT_MEMBER,
    DWELLING,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    LINK_PAST,
    OCCUPANCY,
    OUTPUT_USE,
    PERSON,
    PERSON_LINEAGE,
    PERSON_LINK,
    PERSON_PROFILE,
    PLACE,
    RELATIONSHIP,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    VOICE,
    Table,
)

FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)
NOW = datetime(2026, 11, 20, 9)
THEN = datetime(2026, 11, 19, 23)
AMELIA, NIAMH, KOFI, STRANGER = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
HIDDEN = "7 SANCTUARY MEWS"
CASE = "SAR/2026/17"


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{n: row.get(n) for n in table.schema} for row in rows], schema=table.schema, orient="row")


def council_at(home: Path, patch: pytest.MonkeyPatch, make: bool = False) -> Council:
    patch.setenv("KINFOLD_HOME", str(home))
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        patch.delenv(name, raising=False)
    if make:
        create(key_file(home))
        accept(site(), home, "test")
    return Council.open()


def ids(council: Council, feed: str, *keys: str) -> list[str]:
    return record_ids(feed, pl.Series(list(keys)), council.ring).to_list()


def records(council: Council) -> dict[str, dict[str, Any]]:
    """Records by a short name: the child's three, the mother's, the brother's and a stranger's."""
    case, school, police = (
        ids(council, feed, *keys)
        for feed, keys in (
            ("case-system", ("P1", "P2", "P3", "P9")),
            ("school-census", ("S1",)),
            ("police-incidents", ("N1",)),
        )
    )
    home = {"uprn": "100", "address": "12 LINDEN TERRACE, HARROWMERE", "postcode": "ZZ1 4QT"}
    child = {"surname": "O'BRIEN", "birth_date": date(2014, 9, 3), "sex": "F", **home}
    return {
        "case": {"record_id": case[0], "feed": "case-system", "source_key": "P1", "forename": "AMELIA",
                 "nhs_number": "9990001234", "seen_on": date(2026, 10, 1), **child},
        "school": {"record_id": school[0], "feed": "school-census", "source_key": "S1", "forename": "AMELIA", **child},
        "police": {"record_id": police[0], "feed": "police-incidents", "source_key": "N1", "forename": "MILLIE",
                   **child, "birth_date": date(2014, 3, 9)},
        "mother": {"record_id": case[1], "feed": "case-system", "source_key": "P2", "forename": "NIAMH",
                   "surname": "GALLAGHER", "birth_date": date(1990, 1, 30), "sex": "F", **home},
        "brother": {"record_id": case[2], "feed": "case-system", "source_key": "P3", "forename": "KOFI",
                    "surname": "O'BRIEN", "birth_date": date(2009, 6, 21), "uprn": "200",
                    "address": f"{HIDDEN}, HARROWMERE", "postcode": "ZZ9 9ZZ"},
        "stranger": {"record_id": case[3], "feed": "case-system", "source_key": "P9", "forename": "AMELIA",
                     "surname": "STONE", "birth_date": date(2014, 9, 3), "uprn": "300", "address": "1 MILL LANE",
                     "postcode": "ZZ2 2AB"},
    }  # fmt: skip


WHOSE = {"case": AMELIA, "school": AMELIA, "police": AMELIA, "mother": NIAMH, "brother": KOFI, "stranger": STRANGER}


def fact(number: int) -> str:
    return f"{number:08x}" + "0" * 24


def night(council: Council, tonight: date, whose: dict[str, str] | None = None) -> None:
    """Write the tables of a night as linkage, history and the rest leave them, and publish it."""
    store, held, stands = council.store, records(council), WHOSE | (whose or {})
    of = {name: row["record_id"] for name, row in held.items()}
    links = [{"record_id": of[n], "person_id": p, "linked_from": FIRST, "by": "bridge"} for n, p in stands.items()]
    known = {"known_from": THEN, "delivery": "2026-11-19"}

    def event(n: int, who: str, partner: str, kind: str, start: str, **more: Any) -> dict[str, Any]:
        at = datetime.fromisoformat(start)
        return {"event_id": fact(n), "record_id": of[who], "feed": held[who]["feed"], "partner": partner,
                "domain": "any", "type": kind, "start": at, **known, **more}  # fmt: skip

    child = stands["case"]
    said = {"voice_id": fact(30), "record_id": of["case"], "feed": "voice", "partner": "childrens-services",
            "said_by": "practitioner", "start": datetime(2026, 9, 1), "topic": "story",
            "words": f"Niamh Gallagher said Kofi is at {HIDDEN.title()} and Amelia misses him.", **known}  # fmt: skip
    written: dict[Table, list[dict[str, Any]]] = {
        SOURCE_RECORD: list(held.values()),
        PERSON_LINK: links,
        LINK_PAST: [],
        PERSON_LINEAGE: [],
        DWELLING: [{"uprn": "100", "address": "12 LINDEN TERRACE", "postcode": "ZZ1 4QT", "kind": "home"}],
        PLACE: [{"postcode": "ZZ1 4QT", "lsoa21": "E01000001", "imd_decile": 3}],
        EVENT: [
            event(1, "police", "police", "missing_episode", "2026-10-11", code="Medium"),
            event(2, "school", "schools", "exclusion", "2026-06-01", value=3.0, code="=HYPERLINK(1)"),
            event(3, "mother", "police", "domestic_abuse", "2026-09-30", code="VICTIM"),
            event(4, "case", "childrens-services", "child_in_need", "2026-03-02", code="N1"),
            event(5, "case", "food-bank", "food_voucher", "2026-10-20", code="Debt"),
        ],
        INVOLVEMENT: [
            {"involvement_id": fact(20), "record_id": of["case"], "feed": "case-system",
             "partner": "childrens-services", "service": "childrens_social_care", "start": datetime(2026, 3, 2),
             **known}
        ],
        VOICE: [said],
        RELATIONSHIP: [
            {"relationship_id": fact(40), "record_id": of["mother"], "other_record_id": of["case"], "kind": "parent",
             "feed": "case-system", "partner": "childrens-services", **known}
        ],
        OCCUPANCY: [],
        HOUSEHOLD: [{"household_id": "h1", "kind": "home", "people": 2, "adults": 1, "children": 1}],
        HOUSEHOLD_MEMBER: [
            {"household_id": "h1", "person_id": p, "certainty": "strong"} for p in dict.fromkeys([child, NIAMH])
        ],
        INDICATOR: [
            {"person_id": child, "indicator": "exclusion", "since": date(2026, 6, 1), "latest": date(2026, 6, 1),
             "times": 1, "evidence": [fact(2)]},
            {"person_id": child, "indicator": "domestic-abuse-in-household", "since": date(2026, 9, 30),
             "latest": date(2026, 9, 30), "times": 1, "evidence": [fact(3)]},
        ],
        COHORT_MEMBER: [
            {"cohort": "supporting-families", "unit": "household", "unit_id": "h1", "needs": ["x"],
             "evidence": [fact(2)]}
        ],
        RISK_FLAG: [
            {"person_id": child, "outcome": "escalation", "as_of": tonight, "team": "early-help", "probability": 0.4,
             "rank": 1, "band": "high", "evidence": [fact(1), fact(3)], "model_id": "m",
             "reasons": ["1 missing episode in 12 months",
                         "others in the household: 1 domestic abuse incident in 12 months"]}
        ],
        ALERT: [],
        OUTPUT_USE: [
            {"kind": "flag", "output_id": f"escalation/{child}", "team": "early-help", "person_id": child,
             "about": child}
        ],
        RELEASE: [],
    }  # fmt: skip
    for table, rows in written.items():
        store.write(table, tonight, frame(table, rows))
    trust = {feed: contract.trust for feed, contract in council.contracts.items()}
    people = golden.people(store.read(SOURCE_RECORD, tonight), store.read(PERSON_LINK, tonight), trust, tonight)
    store.write(PERSON, tonight, people)
    store.write(PERSON_PROFILE, tonight, golden.profiles(people, store.read(PLACE, tonight), tonight))
    store.publish(tonight, {"deliveries": {}})


def protect(council: Council, who: str) -> None:
    record = records(council)[who]["record_id"]
    row = {"record_id": record, "who": "steward", "decided_at": NOW}
    decisions.protect(council.store, pl.DataFrame([row]))
