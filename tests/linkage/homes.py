"""A small village for tests of homes: people, and what feeds say of where they live."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl
from village import finish

from linkage import households, occupancy, protection
from linkage.groups import Groups, groups
from warehouse.tables import (
    ADDRESS,
    DWELLING,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_LINEAGE,
    HOUSEHOLD_MEMBER,
    NAME,
    OCCUPANCY,
    PLACE,
    RELATIONSHIP,
)

NIGHT = date(2026, 11, 20)
KEY = b"k" * 32
LATELY, ONCE, LONG_AGO = date(2026, 6, 1), date(2024, 3, 1), date(2015, 3, 1)
TRUST = {"council-tax": {"address": 0.9}, "gp-register": {"address": 0.6}, "school-census": {"address": 0.7}}
ADULT, CHILD = date(1985, 5, 5), date(2016, 5, 5)


@dataclass
class Village:
    """Rows as they are told; `night` makes homes of them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    born: dict[str, date | None] = field(default_factory=dict)
    kin: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    register: list[tuple[str, str | None]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.last: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame] | None = None

    def says(self, feed: str, who: str, uprn: str | None = None, seen: date | None = LATELY, **more: Any) -> str:
        """A feed's record of a person; gives its id. A record of this feed and person is written over."""
        record = f"{feed}/{who}"
        self.rows = [row for row in self.rows if row["record_id"] != record]
        self.rows.append({"record_id": record, "feed": feed, "person": who, "uprn": uprn, "seen_on": seen, **more})
        self.born.setdefault(who, ADULT)
        if uprn:
            self.kinds.setdefault(uprn, "home")
        return record

    def happens(self, record: str, kind: str, start: datetime, end: datetime | None = None, code: str = "") -> None:
        self.events.append(
            {"event_id": f"{record}{kind}{start}", "record_id": record, "feed": record.split("/")[0], "type": kind,
             "start": start, "end": end, "code": code, "known_from": start}
        )  # fmt: skip

    def night(self, night: date = NIGHT, seed: int | None = None) -> Lived:
        records = pl.DataFrame(
            [{k: v for k, v in row.items() if k != "person"} for row in self.rows],
            schema_overrides={
                "uprn": pl.String, "seen_on": pl.Date, "address_from": pl.Date, "address_to": pl.Date,
                "other_addresses": pl.List(ADDRESS), "other_names": pl.List(NAME), "household_key": pl.String,
                "address": pl.String, "postcode": pl.String, "surname": pl.String,
            },
            infer_schema_length=None,
        )  # fmt: skip
        records = finish(records)
        links = pl.DataFrame(
            {"record_id": [r["record_id"] for r in self.rows], "person_id": [r["person"] for r in self.rows]}
        )
        people = pl.DataFrame({"person_id": list(self.born), "birth_date": list(self.born.values())})
        dead = pl.when(pl.col("person_id").is_in(list(self.gone))).then(pl.lit(LATELY)).alias("death_date")
        people = people.with_columns(dead).join(links, on="person_id", how="semi")
        gazetteer = pl.DataFrame(
            [(uprn, f"{uprn} HIGH STREET", "QH1 1AA", kind) for uprn, kind in self.kinds.items()],
            schema=DWELLING.schema, orient="row",
        )  # fmt: skip
        related = filled(
            RELATIONSHIP.schema,
            [{"relationship_id": f"{a}{b}", "record_id": a, "other_record_id": b, "kind": kind, "feed": a.split("/")[0]}
             for a, kind, b in self.kin],
        )  # fmt: skip
        events = filled(EVENT.schema, self.events).lazy()
        register = pl.DataFrame(self.register, schema={"record_id": pl.String, "place": pl.String}, orient="row")
        if seed is not None:
            records, links, people, related, gazetteer = (
                frame.sample(fraction=1, shuffle=True, seed=seed)
                for frame in (records, links, people, related, gazetteer)
            )
        place = filled(PLACE.schema, [{"postcode": "QH1 1AA", "lsoa21": "E01", "imd_decile": 3}])
        hidden = protection.find(records, links, gazetteer, register)
        last = self.last
        found = occupancy.find(
            people, records, links, related, occupancy.ceased(events, night), gazetteer, TRUST, hidden,
            (last[0], last[1]) if last else None, night, KEY,
        )  # fmt: skip
        homes = households.households(
            people, found.stays, households.discounted(events, links, night), place,
            (last[2], last[3]) if last else None, night, KEY,
        )  # fmt: skip
        table = found.table()
        assert table.schema == OCCUPANCY.schema
        assert homes.household.schema == HOUSEHOLD.schema
        assert homes.member.schema == HOUSEHOLD_MEMBER.schema
        assert homes.lineage.schema == HOUSEHOLD_LINEAGE.schema
        met = groups(records, links, related, events, found.stays, hidden, None, night, KEY)
        self.last = (table, links, homes.household, homes.member)
        return Lived(table, found.stays, homes.household, homes.member, homes.lineage, met, hidden, found.trust)


@dataclass(frozen=True)
class Lived:
    """What a night made."""

    occupancy: pl.DataFrame
    stays: pl.DataFrame
    household: pl.DataFrame
    member: pl.DataFrame
    lineage: pl.DataFrame
    groups: Groups
    protected: protection.Protected
    trust: pl.DataFrame

    def together(self) -> set[frozenset[str]]:
        sets = self.member.group_by("household_id").agg("person_id")["person_id"].to_list()
        return {frozenset(one) for one in sets}

    def home(self, who: str, state: str = "main") -> list[str]:
        rows = self.stays.filter((pl.col("person_id") == who) & (pl.col("state") == state)).sort("dwelling")
        return rows["dwelling"].to_list()

    def of(self, who: str) -> dict[str, Any]:
        """The household of a person."""
        return self.household.join(self.member.filter(pl.col("person_id") == who), on="household_id").row(0, named=True)


def filled(schema: pl.Schema, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with null where they say nothing."""
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
