"""Tables of counts that leave: made of the night's facts, protected together, into the marts and the outbox."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import groupby

import dagster as dg
import polars as pl

from assets.context import Council, made, night_of
from assets.history import standing
from assets.sharing import LOOKED_AT, logged, releaser
from governance import inert
from governance.disclosure import counted
from governance.disclosure.declared import Aggregate
from governance.disclosure.tables import AGGREGATE_STATE, Made, Population, publish
from governance.release import Item
from warehouse.marts import MartTable
from warehouse.store import Store
from warehouse.tables import (
    COHORT_MEMBER,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    PERSON_PROFILE,
    PLACE,
    RELEASE,
    Column,
    Zone,
)  # fmt: skip

GROUP = "sharing"
AGGREGATE = "aggregate"
STATE = "state"
KEEP = 3  # nights, as the marts
COLUMNS = (
    Column("count", pl.Int64, "how many, rounded; null where it is suppressed. It may be some nights old"),
    Column("suppressed", pl.Boolean, "whether the count is hidden: it is small, or would tell of one that is"),
    Column("why", pl.String, "disclosure where it is hidden; a small count and one that protects it look the same"),
)


def assets(accepted: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:  # noqa: ARG001 - every stage is given it
    """The assets of this stage."""
    return [aggregate]


def folder(night: date) -> str:
    """Where a night's tables, and what is remembered of them, lie in the ledger."""
    return f"{AGGREGATE}/{night}"


def tables(store: Store, night: date) -> dict[str, pl.DataFrame]:
    """The tables of a night as they left, by name."""
    if not store.has(Zone.LEDGER, folder(night)):
        return {}
    names = [n for n in store.names(Zone.LEDGER, folder(night)) if n != STATE]
    return {n: store.get(Zone.LEDGER, folder(night), n).collect() for n in names}


def marts(council: Council, night: date) -> Iterator[MartTable]:
    """The tables of a night that are for those who query the marts."""
    made_ = tables(council.store, night)
    for table in council.aggregates.aggregates:
        if table.audience == council.organisation.marts_for and table.name in made_:
            dimensions = [Column(c, pl.String, f"{c}, or all") for c in table.columns]
            yield MartTable(
                f"agg_{table.name}", table.plain_words, made_[table.name], (*dimensions, *COLUMNS), table.columns
            )


@dg.asset(
    group_name=GROUP,
    deps=[t.name for t in (PERSON_PROFILE, HOUSEHOLD, HOUSEHOLD_MEMBER, EVENT, INVOLVEMENT, INDICATOR, COHORT_MEMBER)]
    + [LOOKED_AT],
    description="Tables of counts: small ones hidden, the rest rounded, none to be worked out from another.",
)
def aggregate(context: dg.AssetExecutionContext, council: dg.ResourceParam[Council]) -> dg.MaterializeResult:
    """Count, protect, let out."""
    store, tonight = council.store, night_of(context, council)
    declared, disclosure = council.aggregates, council.disclosure
    before = store.published_before(tonight)
    known = before is not None and store.has(Zone.LEDGER, folder(before))
    last = store.get(Zone.LEDGER, folder(before), STATE).collect() if before and known else None
    given = {t.name: shared(council, t, tonight) for t in declared.aggregates}
    permitted = sorted((t for t in declared.aggregates if given[t.name] is not None), key=lambda t: t.unit)
    done: list[Made] = []
    states: list[pl.DataFrame] = []
    for unit, of in groupby(permitted, key=lambda t: t.unit):
        mine = [counted.windowed(t, tonight) for t in of]
        made_, state = publish(
            mine, declared.groups, _population(council, unit, mine, tonight), disclosure, tonight, last
        )
        done += made_
        states.append(state)
    units = {t.unit for t in permitted}
    if last is not None:  # what is not counted tonight may be again
        states.append(last.filter(~pl.col("key").str.split("\n").list.first().is_in(list(units))))
    rest = pl.concat([pl.DataFrame(schema=AGGREGATE_STATE), *states]).sort("key")
    store.put(Zone.LEDGER, folder(tonight), {STATE: rest, **{m.aggregate.name: m.frame for m in done}})
    for old in store.folders(Zone.LEDGER, AGGREGATE)[:-KEEP]:
        store.remove(Zone.LEDGER, folder(date.fromisoformat(old)))
    items = [_item(council, m, given[m.aggregate.name] or ()) for m in done]
    let_out = releaser(council).release_many(items, tonight, _now(), logged=logged(council, tonight))
    store.put(RELEASE.zone, f"released/{tonight}/{AGGREGATE}", {"released": let_out})
    causes = rest.filter(pl.col("hidden")).group_by("cause").len().sort("cause")
    told = {f"hidden: {cause}": count for cause, count in causes.iter_rows()}
    refused = [t.name for t in declared.aggregates if given[t.name] is None]
    return made(AGGREGATE, sum(m.frame.height for m in done), more={**told, "not permitted": refused})


def _population(council: Council, unit: str, tables_: Sequence[Aggregate], night: date) -> Population:
    """What tables of one unit count, from the night's facts."""
    store, places = council.store, council.store.read(PLACE, night)
    cohorts = store.read(COHORT_MEMBER, night)
    named = {u: [c.cohort for c in council.cohorts if c.unit == u] for u in ("person", "household")}
    if unit == "households":
        of = cohorts.filter(pl.col("unit") == "household")
        return counted.households(store.read(HOUSEHOLD, night), places, of, named["household"])
    if unit == "people":
        several = {
            "service": (_open(council, night), sorted(council.organisation.services)),
            "indicator": (store.read(INDICATOR, night), sorted(council.indicators)),
            "cohort": (
                cohorts.filter(pl.col("unit") == "person").rename({"unit_id": "person_id"}),
                named["person"],
            ),
        }
        return counted.people(store.read(PERSON_PROFILE, night), places, several)
    told = standing(council, EVENT, night).filter(pl.col("type") == tables_[0].event)
    givers = [_givers(council, t.audience, tables_[0].event or "", night) for t in tables_]
    told = told.filter(pl.col("partner").is_in(sorted(set.intersection(*map(set, givers))))).select(
        "person_id", "start"
    )
    members = store.read(HOUSEHOLD_MEMBER, night)
    return counted.events(told, store.read(PERSON_PROFILE, night), members, places, tables_, night)


def _open(council: Council, night: date) -> pl.DataFrame:
    """`person_id` and `service` of what works with people tonight, as far as those who query the marts may have it."""
    rows = standing(council, INVOLVEMENT, night)
    partners = _givers(council, council.organisation.marts_for, INVOLVEMENT.name, night)
    return rows.filter(pl.col("end").is_null() & pl.col("partner").is_in(partners)).select("person_id", "service")


def _givers(council: Council, team: str, category: str, night: date) -> list[str]:
    """The partners whose data of a category a team may have for its reason, on a day."""
    who = council.organisation.teams[team]
    sections = council.agreements.sections(team, who.roles[0], who.reason, night)
    return sections.filter(pl.col("category") == category)["partner"].unique().sort().to_list()


def shared(council: Council, table: Aggregate, night: date) -> tuple[str, ...] | None:
    """`partner: category` of all that a table is made of; None where its audience may not have it.

    Who lives where is the council's own `household`, whether people or households are counted.
    """
    asked = [table.event or HOUSEHOLD.name]
    if "service" in (*table.columns, *table.where):
        asked.append(INVOLVEMENT.name)
    given = {category: _givers(council, table.audience, category, night) for category in asked}
    if not all(given.values()):
        return None
    return tuple(f"{partner}: {category}" for category, partners in given.items() for partner in partners)


def _item(council: Council, table: Made, given: tuple[str, ...]) -> Item:
    who = council.organisation.teams[table.aggregate.audience]
    apart = pl.col(pl.String).str.replace(r"^(\d+)-(\d+)$", "$1 to $2")  # or a spreadsheet takes 5-10 for a date
    content = inert.spreadsheet(table.frame.with_columns(apart))
    return Item(
        "report",
        table.aggregate.audience,
        who.roles[0],
        who.reason,
        None,
        content,
        given,
        name=f"{AGGREGATE} {table.aggregate.name}",
        suffix=".csv",
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
