"""How long what is kept may be kept, and what stands against an erasure: a council's `retention.yaml`.

What belongs here: reading the rules, and which rows of facts their period has run out for. Where rows lie, and when
they are taken away, is said by the rooms above. A period ends with the month in which it runs out.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator, Field

from governance.organisation import Length, Organisation, Period, unknown
from warehouse.site import Config, SiteError, read_config, read_yaml
from warehouse.tables import EVENT, INVOLVEMENT, RELATIONSHIP, VOICE, Table

FILE = "retention.yaml"
TABLES = (EVENT, INVOLVEMENT, RELATIONSHIP, VOICE)
OWN = {INVOLVEMENT.name, RELATIONSHIP.name, VOICE.name}  # categories beside the types of events
OTHERWISE = "otherwise"
UNITS = {"d": "d", "m": "mo", "y": "y"}
BIRTHS = {"record_id": pl.String, "birth_date": pl.Date}
LASTING = {"feed": pl.String, "type": pl.String}


def _something(length: Length) -> Length:
    if length.count < 1:
        raise ValueError("a period of nothing would remove everything: give at least 1d, or leave the rule out")
    return length


Keep = Annotated[Period, AfterValidator(_something)]


class Rule(Config):
    """How long some categories of facts are kept.

    Attributes:
        categories: types of events, or involvement, relationship, voice.
        services: of involvements, those with these services alone.
        partners: what these told alone; without any, whoever told it.
        agreement: what is shared under this agreement alone.
        after: what the period is counted from: `end` of what is told (its start, where it has no length), the person's
            `birth`, or the `last` thing told of the person under this rule, as at the end of a case.
        statutory: whether the law asks for it, so that it stands against an erasure too.
        source: where the period comes from.
    """

    name: str = Field(pattern=r"[a-z][a-z0-9-]*$")
    categories: tuple[str, ...] = Field(min_length=1)
    services: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    agreement: str | None = None
    keep: Keep
    after: Literal["end", "birth", "last"] = "end"
    statutory: bool = False
    source: str = Field(min_length=1)


class Otherwise(Config):
    """How long what no rule names is kept."""

    keep: Keep
    source: str = Field(min_length=1)


class Zones(Config):
    """How long what is kept beside the facts is kept: from the day of a delivery, or of a release of the marts."""

    landing: Keep
    quarantine: Keep
    marts: Keep


class Hold(Config):
    """What has to be over before somebody is erased: an involvement of a service, or an event with a length."""

    name: str = Field(pattern=r"[a-z][a-z0-9-]*$")
    services: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    source: str = Field(min_length=1)


class Retention(Config):
    """A council's rules; the first that names a row counts."""

    rules: tuple[Rule, ...] = Field(min_length=1)
    otherwise: Otherwise
    zones: Zones
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True)
class Standing:
    """What stands against an erasure: the rule's name, why, and where it comes from."""

    name: str
    why: str
    source: str


def load_retention(
    site: Path, organisation: Organisation | None = None, types: Collection[str] = (), agreements: Collection[str] = ()
) -> Retention | None:
    """Read `retention.yaml` of a council's folder; None where there is none, and then nothing is removed.

    Args:
        organisation: whose services and partners it may name; None: they are not checked.
        types: the types of events that feeds yield.
        agreements: names of agreements.

    Raises:
        SiteError: every mistake, each with file, line and remedy.
    """
    path = site / FILE
    if not path.is_file():
        return None
    made, document = read_config(path, Retention), read_yaml(path)
    wrong: list[str] = []

    def check(where: tuple[str | int, ...], kind: str, names: Collection[str], known: Collection[str]) -> None:
        wrong.extend(document.mistake(where, unknown(kind, name, known)) for name in names if name not in known)

    categories = {*types, *OWN, *(organisation.known_categories if organisation else ())}
    names = [rule.name for rule in made.rules] + [hold.name for hold in made.holds]
    for kind in ("rules", "holds"):
        items: Sequence[Rule | Hold] = getattr(made, kind)
        for position, item in enumerate(items):
            at = (kind, position)
            check((*at, "categories"), "category", item.categories, categories)
            if organisation:
                check((*at, "services"), "service", item.services, list(organisation.services))
            if names.count(item.name) > 1 or item.name == OTHERWISE:
                wrong.append(document.mistake((*at, "name"), f"the name {item.name!r} is taken. Name it otherwise."))
    for position, rule in enumerate(made.rules):
        if organisation:
            check(("rules", position, "partners"), "party", rule.partners, [p.id for p in organisation.parties])
        if rule.agreement:
            check(("rules", position, "agreement"), "agreement", [rule.agreement], agreements)
        if rule.services and INVOLVEMENT.name not in rule.categories:
            wrong.append(document.mistake(("rules", position, "services"), "services are of involvements alone."))
    for position, hold in enumerate(made.holds):
        if not hold.services and not hold.categories:
            wrong.append(document.mistake(("holds", position), "a hold names services or categories. Name one."))
    if wrong:
        raise SiteError(wrong)
    return made


def month_of(night: date) -> date:
    """The first day of a night's month: what had run out before it goes on this night."""
    return night.replace(day=1)


def until(
    retention: Retention, table: Table, rows: pl.DataFrame, births: pl.DataFrame, lasting: pl.DataFrame,
    shared: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """By which rule, and up to which day, each row of a table of facts is kept; `until` is null while it lasts.

    What has a length and no end lasts for as long as its source tells it.

    Args:
        births: `record_id`, `birth_date`; where none is known, the period runs from the end of what is told.
        lasting: `feed`, `type` of events that have a length.
        shared: `agreement`, `partner`, `category` of what agreements share.

    Returns:
        `rule`, `until` (date), in the order of the rows.
    """
    if rows.is_empty():
        return pl.DataFrame(schema={"rule": pl.String, "until": pl.Date})
    category = pl.col("type") if table is EVENT else pl.lit(table.name)
    told = rows.with_columns(_category=category)
    ended = [pl.col(name) for name in ("end", "known_to") if name in rows.columns]
    over = pl.coalesce(ended) if ended else pl.lit(None, pl.Datetime("us"))
    if table is EVENT:
        told = told.join(
            lasting.with_columns(_lasts=pl.lit(True)), on=["feed", "type"], how="left", maintain_order="left"
        )
        over = pl.when("_lasts").then(over).otherwise(pl.coalesce("end", "start"))
    elif table is VOICE:
        over = pl.col("start")
    told = told.join(births, on="record_id", how="left", maintain_order="left")
    told = told.with_columns(_over=over.cast(pl.Date), _rule=_first(retention.rules, table, shared))
    anchors = {
        "end": pl.col("_over"),
        "birth": pl.coalesce("birth_date", "_over"),
        "last": pl.when(pl.col("_over").is_null().any().over("record_id", "_rule")).then(None).otherwise(
            pl.col("_over").max().over("record_id", "_rule")
        ),
    }  # fmt: skip
    kept = [(rule.name, rule.after, rule.keep) for rule in retention.rules]
    kept.append((OTHERWISE, "end", retention.otherwise.keep))
    days = [
        pl.when(pl.col("_rule") == name).then(anchors[after].dt.offset_by(_offset(keep))) for name, after, keep in kept
    ]
    return told.select(pl.col("_rule").alias("rule"), pl.coalesce(days).alias("until"))


def overdue(found: pl.DataFrame, night: date) -> pl.Series:
    """Which of the rows that `until` tells of are to be gone on a night."""
    return (found["until"] < month_of(night)).fill_null(False)


def against(
    retention: Retention, told: Collection[tuple[Table, pl.DataFrame, pl.DataFrame]], today: date
) -> list[Standing]:
    """What stands against erasing somebody today: what has to be over first, and what the law has the council keep.

    Args:
        told: for each table of facts its rows of the person that stand, and what `until` says of them.
    """
    found: list[Standing] = []
    for hold in retention.holds:
        if any(_open(hold, table, rows) for table, rows, _ in told):
            found.append(Standing(hold.name, "it is not over yet", hold.source))
    ends: dict[str, list[date | None]] = {}
    for _, _, kept in told:
        for name, day in kept.iter_rows():
            ends.setdefault(name, []).append(day)
    for rule in retention.rules:
        days = ends.get(rule.name, [])
        running = [day for day in days if day is None or day >= today]
        if rule.statutory and running:
            last = None if None in running else max(day for day in running if day)
            why = f"it is to be kept until {last}" if last else "it is to be kept while it lasts, and after"
            found.append(Standing(rule.name, why, rule.source))
    return found


def _open(hold: Hold, table: Table, rows: pl.DataFrame) -> bool:
    if table is INVOLVEMENT:
        mine = pl.col("service").is_in(list(hold.services))
    elif table is EVENT:
        mine = pl.col("type").is_in(list(hold.categories))
    else:
        return False
    return not rows.filter(mine & pl.col("end").is_null() & pl.col("known_to").is_null()).is_empty()


def _first(rules: tuple[Rule, ...], table: Table, shared: pl.DataFrame) -> pl.Expr:
    """The name of the first rule that a row falls under."""
    named = [pl.when(reduce(operator.and_, _tests(rule, table, shared))).then(pl.lit(rule.name)) for rule in rules]
    return pl.coalesce(*named, pl.lit(OTHERWISE))


def _tests(rule: Rule, table: Table, shared: pl.DataFrame) -> Iterator[pl.Expr]:
    yield pl.col("_category").is_in(list(rule.categories))
    if rule.services and table is INVOLVEMENT:
        yield pl.col("service").is_in(list(rule.services))
    if rule.partners:
        yield pl.col("partner").is_in(list(rule.partners))
    if rule.agreement:
        pairs = shared.filter(agreement=rule.agreement).select(pl.format("{}: {}", "partner", "category")).to_series()
        yield pl.format("{}: {}", "partner", "_category").is_in(pairs.implode())


def _offset(length: Length) -> str:
    return f"{length.count}{UNITS[length.unit]}"
