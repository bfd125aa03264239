"""A small family, three teams and two agreements, as the canonical tables hold them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl

from governance.agreements import load_agreements
from summaries import facts, quality, wording
from warehouse.site import PROJECT
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

SITE = PROJECT / "sites" / "harrowmere"
NIGHT = date(2026, 11, 20)
KNOWN = datetime(2026, 11, 19, 9)


def frame(table: Table, rows: list[dict[str, Any]], **extra: Any) -> pl.DataFrame:
    """Rows as a canonical table; what a row does not say is null."""
    schema = table.schema.to_python() and dict(table.schema) | extra
    full = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(full, schema=schema, orient="row")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def event(number: int, person: str, feed: str, partner: str, kind: str, start: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number:03}", "record_id": f"r-{person}-{feed}", "person_id": person, "feed": feed,
         "partner": partner,
        "domain": "any", "type": kind, "start": at(start), "known_from": KNOWN, "delivery": "2026-11-19", **more,
    }  # fmt: skip


def sections(night: date) -> pl.DataFrame:
    """What the site's agreements share with each team with cases on a night."""
    agreements = load_agreements(SITE)
    teams = wording.load(SITE).teams
    return pl.concat(agreements.sections(name, t.roles[0], t.reason, night) for name, t in teams.items())


def borough() -> dict[str, Any]:
    """Everything `facts.gather` reads, but for the night and what came before."""
    people = frame(
        PERSON,
        [
            {"person_id": "amelia", "forename": "AMELIA", "middle_names": "ROSE", "surname": "O'BRIEN", "sex": "F",
             "birth_date": date(2014, 9, 3), "address": "12 LINDEN TERRACE, HARROWMERE", "postcode": "ZZ1 4QT",
             "la_child_id": "HM10442", "nhs_number": "9990001234", "ethnicity": "WBRI",
             "disagreements": [{"attribute": "middle_names", "value": "ROSIE", "feeds": ["hospital"]}],
             "conflicting": ["birth_date: gp-register | hospital", "death_date: hospital | police"]},
            {"person_id": "kofi", "forename": "KOFI", "surname": "O'BRIEN", "birth_date": date(2025, 6, 21)},
            {"person_id": "niamh", "forename": "NIAMH", "surname": "O'BRIEN", "birth_date": date(1990, 1, 30)},
            {"person_id": "lodger", "forename": "PIOTR", "surname": "WIŚNIEWSKI", "birth_date": date(1985, 5, 5)},
            {"person_id": "edwin", "forename": "EDWIN", "surname": "ACHEAMPONG", "birth_date": date(1941, 12, 2),
             "address": "LARCHFIELD HOUSE, MILL LANE, HARROWMERE", "postcode": "ZZ2 1AB"},
            {"person_id": "resident", "forename": "DOROTHY", "surname": "SECRET", "birth_date": date(1939, 1, 1)},
            {"person_id": "jo", "forename": "<SCRIPT>ALERT(1)</SCRIPT>", "surname": "=CMD|'/C CALC'!A1\x07\u202e",
             "death": "question", "conflicting": ["death_date: hospital | gp-register"],
             "birth_date": date(2011, 2, 28), "address": "1 \"QUOTE\" & <B>SONS</B>", "postcode": "ZZ9 9ZZ"},
        ],
    )  # fmt: skip
    events = frame(
        EVENT,
        [
            event(1, "amelia", "cin-census", "childrens-services", "child_in_need", "2026-03-02", code="N1"),
            event(2, "amelia", "police-missing", "police", "missing_episode",
             "2026-10-11T21:40", end=at("2026-10-12T06:05"),
                  code="Medium"),
            event(3, "amelia", "police-incidents", "police", "incident_suspect", "2026-06-01", code="SECRETTHEFT"),
            event(4, "amelia", "school-census", "schools", "attendance", "2026-04-20", value=0.1842, code="I"),
            event(5, "amelia", "school-census", "schools", "exclusion", "2025-11-24", value=3.0, code="DB"),
            event(6, "amelia", "hospital", "health-trust", "hospital_attendance", "2026-08-15", end=at("2026-08-17"),
                  code="S00-T98", value=7777.0),
            event(7, "amelia", "police-missing", "police", "missing_episode", "2023-01-01", code="Low"),
            event(8, "niamh", "police-incidents", "police", "domestic_abuse",
             "2026-09-30", code="VICTIM"),
            event(9, "niamh", "social-housing", "housing", "rent_arrears", "2026-11-01", value=1243.5),
            event(10, "lodger", "police-incidents", "police", "incident_victim", "2026-05-05", code="LODGERSECRET"),
            event(11, "edwin", "adult-social-care", "adult-services", "asc_service", "2025-02-10", code="Home support"),
            event(12, "resident", "adult-social-care", "adult-services", "asc_service",
             "2025-03-10", code="RESIDENTSECRET"),
            event(13, "jo", "school-census", "schools", "exclusion",
             "2026-05-11", value=2.0, code="<img src=x onerror=alert(1)>"),
        ],
        person_id=pl.String,
    )  # fmt: skip

    def involved(n: int, person: str, service: str, start: str, **more: Any) -> dict[str, Any]:
        feed = {"adult_social_care": "adult-social-care", "early_help": "early-help"}.get(service, "case-system")
        return {"involvement_id": f"i{n}", "person_id": person, "service": service, "feed": feed,
                "partner": "adult-services" if service == "adult_social_care" else "childrens-services",
                "start": at(start), "known_from": KNOWN, **more}  # fmt: skip

    involvements = frame(
        INVOLVEMENT,
        [
            involved(
                1, "amelia", "childrens_social_care", "2026-03-02", team="Assessment 2", worker_role="social_worker"
            ),
            involved(2, "amelia", "early_help", "2025-01-13", end=at("2026-02-27")),
            involved(3, "niamh", "adult_social_care", "2026-07-06", worker_role="social_worker"),
            involved(4, "edwin", "adult_social_care", "2025-02-10"),
            involved(5, "jo", "early_help", "2026-05-20", team="=HYPERLINK(1)"),
            involved(6, "jo", "childrens_social_care", "2024-01-01", end=at("2024-06-01")),
        ],
        person_id=pl.String,
    )
    relationships = frame(
        RELATIONSHIP,
        [
            {"relationship_id": "k1", "person_id": "niamh", "other_person_id": "amelia", "kind": "parent",
             "feed": "case-system", "partner": "childrens-services"},
            {"relationship_id": "k2", "person_id": "amelia", "other_person_id": "kofi", "kind": "sibling",
             "feed": "case-system", "partner": "childrens-services"},
        ],
        person_id=pl.String,
        other_person_id=pl.String,
    )  # fmt: skip
    households = frame(
        HOUSEHOLD,
        [
            {"household_id": "h1", "kind": "home", "people": 4},
            {"household_id": "h2", "kind": "institution", "people": 40},
        ],
    )
    members = frame(
        HOUSEHOLD_MEMBER,
        [
            {"household_id": "h1", "person_id": "amelia", "certainty": "strong", "from": date(2019, 8, 1)},
            {"household_id": "h1", "person_id": "niamh", "certainty": "strong", "from": date(2019, 8, 1)},
            {"household_id": "h1", "person_id": "kofi", "certainty": "some"},
            {"household_id": "h1", "person_id": "lodger", "certainty": "weak", "from": date(2016, 1, 1)},
            {"household_id": "h2", "person_id": "edwin", "certainty": "strong"},
            {"household_id": "h2", "person_id": "resident", "certainty": "strong"},
        ],
    )
    voice = frame(
        VOICE,
        [
            {"voice_id": "v1", "person_id": "amelia", "feed": "voice", "partner": "childrens-services",
             "said_by": "child",
             "start": at("2026-10-15"), "topic": "plan",
              "words": "I like my new bedroom.\nI don't like the shouting <3",
             "known_from": KNOWN},
        ],
        person_id=pl.String,
    )  # fmt: skip
    flags = frame(
        RISK_FLAG,
        [
            {"person_id": "amelia", "outcome": "escalation", "as_of": NIGHT, "team": "early-help", "probability": 0.21,
             "rank": 12, "band": "high", "reasons": ["1 missing episode in 12 months, latest 2026-10-11",
              "1 police incident as suspect in 12 months, latest 2026-06-01"],
             "evidence": ["e002", "e003"]},
            {"person_id": "jo", "outcome": "escalation", "as_of": NIGHT, "team": "early-help", "probability": 0.11,
             "rank": 40,
             "band": "raised", "reasons": ["HIDDENREASON in 12 months"], "evidence": ["e013", "e003"]},
        ],
    )  # fmt: skip
    feeds = [
        ("case-system", "childrens-services", 1), ("cin-census", "childrens-services", 1),
        ("early-help", "childrens-services", 7), ("voice", "childrens-services", 7), ("police-incidents", "police", 7),
        ("police-missing", "police", 7), ("school-census", "schools", 120), ("social-housing", "housing", 7),
        ("homelessness", "housing", 1), ("hospital", "health-trust", 7), ("adult-social-care", "adult-services", 90),
    ]  # fmt: skip
    last = {"hospital": "2026-10-02", "homelessness": None}
    loads = frame(
        LOAD,
        [
            {"feed": feed, "delivery": last.get(feed, "2026-11-19"), "partner": partner, "status": "accepted",
             "received": 100, "accepted": 98, "quarantined": 2, "withdrawn": 0, "gone": 0, "loaded_at": KNOWN}
            for feed, partner, _ in feeds
            if last.get(feed, "")  is not None
        ],
    )  # fmt: skip
    words = wording.load(SITE)
    return {
        "cases": facts.open_cases(involvements, words.teams, NIGHT),
        "people": people, "events": events, "involvements": involvements, "relationships": relationships,
        "households": households, "members": members, "voice": voice, "flags": flags,
        "freshness": quality.freshness(
            loads, pl.DataFrame(feeds, schema=["feed", "partner",
             "every"], orient="row").with_columns(name="feed"), NIGHT
        ),
        "sections": sections(NIGHT), "wording": words, "night": NIGHT, "previous": None,
    }  # fmt: skip
