"""Tables of counts as a council declares them in `aggregates.yaml`.

What belongs here: reading and checking the declarations. How they become tables is said by `tables`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from governance.organisation import Organisation, load_organisation, unknown
from warehouse.site import Config, Document, SiteError, read_config, read_yaml

UNKNOWN, NONE = "unknown", "none"
DIMENSIONS = {
    "people": {"age_band", "sex", "lsoa11", "lsoa21", "imd_decile", "deceased", "service", "cohort", "indicator"},
    "households": {"kind", "lsoa21", "imd_decile", "lives_alone", "children", "cohort"},
    "events": {"month", "age_band", "sex", "lsoa11", "lsoa21", "imd_decile", "deceased"},
}
OF_MARTS = {"service", "cohort", "indicator"}  # made of many partners' facts, as the marts' readers may have them


class Aggregate(Config):
    """One table of counts.

    Attributes:
        name: lower case; the mart is named `agg_<name>`.
        plain_words: what the table shows.
        count: people, households or events.
        event: the type of event that is counted.
        by: dimensions; one with levels, coarse to fine, is a list, such as [ward, lsoa21].
        where: of which units alone, by dimension.
        months: how many whole months before the night's own, of events.
        audience: the team that gets it.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    plain_words: str
    count: Literal["people", "households", "events"]
    event: str | None = None
    by: tuple[str | tuple[str, ...], ...] = Field(min_length=1, max_length=4)
    where: dict[str, tuple[str, ...]] = Field(default={})
    months: int = Field(default=12, ge=1, le=60)
    audience: str

    @property
    def unit(self) -> str:
        """What is counted; tables of one unit are protected together."""
        return f"{self.count}:{self.event}" if self.event else self.count

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say which cell it is."""
        return tuple(c for levels in levels_of(self) for c in levels)


class Aggregates(Config):
    """`aggregates.yaml`.

    Attributes:
        groups: coarser areas, by name: of which attribute, and the values of each group.
        aggregates: the tables.
    """

    groups: dict[str, Group] = Field(default={})
    aggregates: tuple[Aggregate, ...] = ()


class Group(Config):
    """A coarser division of an attribute, such as wards of small areas."""

    of: str
    values: dict[str, tuple[str, ...]]

    def expression(self) -> pl.Expr:
        """The group of each value of the column that it divides; `unknown` where there is none."""
        of = {value: name for name, values in self.values.items() for value in values}
        return pl.col(self.of).replace_strict(of, default=UNKNOWN, return_dtype=pl.String)


Aggregates.model_rebuild()


def load_aggregates(site: Path) -> Aggregates:
    """Read `aggregates.yaml` of a council's folder; none, where it has none.

    Raises:
        SiteError: every mistake, each with its line and the nearest known name.
    """
    path = site / "aggregates.yaml"
    if not path.is_file():
        return Aggregates()
    made, council, document = read_config(path, Aggregates), load_organisation(site), read_yaml(path)
    wrong = list(_mistakes(made, council, document))
    if wrong:
        raise SiteError(wrong)
    return made


def _mistakes(made: Aggregates, council: Organisation, document: Document) -> Iterable[str]:
    names = [a.name for a in made.aggregates]
    for group, division in made.groups.items():
        if division.of not in set().union(*DIMENSIONS.values()) or division.of in OF_MARTS:
            yield document.mistake(("groups", group, "of"), unknown("dimension", division.of, DIMENSIONS["people"]))
        values = [v for of in division.values.values() for v in of]
        for value in sorted({v for v in values if values.count(v) > 1}):
            yield document.mistake(("groups", group), f"{value!r} stands in two groups. Leave it in one.")
    for n, table in enumerate(made.aggregates):
        at = ("aggregates", n)
        known = DIMENSIONS[table.count] | {g for g, d in made.groups.items() if d.of in DIMENSIONS[table.count]}
        if table.name in names[:n]:
            yield document.mistake((*at, "name"), f"{table.name!r} stands here twice. Rename one.")
        if table.audience not in council.teams:
            yield document.mistake((*at, "audience"), unknown("team", table.audience, council.teams))
        if (table.count == "events") != (table.event is not None):
            yield document.mistake(at, "`event` names the type that is counted, and stands with `count: events` alone.")
        elif table.event is not None and table.event not in council.known_categories:
            yield document.mistake((*at, "event"), unknown("category", table.event, council.known_categories))
        for name in (*table.columns, *table.where):
            if name not in known:
                yield document.mistake(at, unknown("dimension", name, known))
            elif name in OF_MARTS and table.audience != council.marts_for:
                yield document.mistake(at, f"{name!r} is for {council.marts_for!r} alone, whose marts hold it.")
        if len(set(table.columns)) < len(table.columns):
            yield document.mistake((*at, "by"), "a dimension stands here twice. Remove one.")
        for levels in (d for d in table.by if not isinstance(d, str)):
            chain = [made.groups[level].of if level in made.groups else None for level in levels[:-1]]
            if chain != list(levels[1:]):
                yield document.mistake((*at, "by"), f"each of {', '.join(levels[:-1])} must be a group of the next.")


def levels_of(table: Aggregate) -> tuple[tuple[str, ...], ...]:
    """The dimensions of a table, each as its levels, coarse to fine."""
    return tuple((d,) if isinstance(d, str) else d for d in table.by)
