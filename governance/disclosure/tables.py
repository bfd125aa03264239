"""All tables of one unit over the same base cells, made together, so that they are protected together.

What belongs here: which cells there are and what each holds, and what is remembered from one release to the next. What
may be shown in a cell is decided by `cells`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from governance.disclosure.cells import DISCLOSURE, DOMINANCE, GONE, PRIMARY, SHOWN, Cells, protect
from governance.disclosure.declared import NONE, UNKNOWN, Aggregate, Group, levels_of
from governance.disclosure.profiles import Disclosure, Profile
from warehouse.site import SiteError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALL = "all"
LARGEST = 20_000  # cells of one table; a finer one would be hidden almost whole
_AND, _OR = "\n", "\t"  # between the conditions of a cell's key, and between the values of a condition
AGGREGATE_STATE = pl.Schema(
    {
        "key": pl.String(),  # unit and conditions of a cell, whatever table it stands in
        "value": pl.Int64(),  # what was shown last; null where nothing was, or too long ago to matter
        "hidden": pl.Boolean(),  # whether it was hidden in this release
        "since": pl.Date(),  # since which night it has been hidden, or was last shown
        "cause": pl.String(),  # why, for the council's own eyes: primary, secondary, dominance, differencing
    }
)


@dataclass(frozen=True)
class Population:
    """What the tables of one unit count.

    Attributes:
        rows: one a unit: its attributes, as text or, where it may have several values, as a list of texts; never null.
        domains: the values that each attribute may have, whether or not anybody has them.
        who: the column that names who gives a row to a sum (a person), and `house` theirs; None where units are people
            or households themselves.
        groups: the attributes that are coarser divisions of others, each after the one that it divides.
    """

    rows: pl.DataFrame
    domains: Mapping[str, tuple[str, ...]]
    who: str | None = None
    groups: Mapping[str, Group] = field(default_factory=dict)

    def several(self, attribute: str) -> bool:
        """Whether a unit may have several values of an attribute."""
        return isinstance(self.rows.schema[attribute], pl.List)


@dataclass(frozen=True)
class Laid:
    """A table before anything is known of its counts: its dimensions, each with its levels, and all its cells."""

    dimensions: tuple[tuple[str, ...], ...]
    cells: pl.DataFrame


@dataclass(frozen=True)
class Made:
    """One table as it leaves: its dimensions, `count` (null where hidden), `suppressed`, `why`."""

    aggregate: Aggregate
    frame: pl.DataFrame


def publish(
    aggregates: Sequence[Aggregate],
    groups: Mapping[str, Group],
    population: Population,
    disclosure: Disclosure,
    night: date,
    last: pl.DataFrame | None = None,
) -> tuple[list[Made], pl.DataFrame]:
    """Make all tables of one unit, protected together and against the last release.

    Args:
        aggregates: tables of one unit.
        groups: coarser divisions of attributes.
        population: what they count.
        disclosure: what is done to them.
        night: tonight.
        last: AGGREGATE_STATE of the last release; other units may stand in it too.

    Returns:
        The tables, and AGGREGATE_STATE of this release for this unit.
    """
    unit = aggregates[0].unit
    population = _grouped(population, groups)
    tables = [Laid(levels_of(table), _cells_of(table, groups, population)) for table in aggregates]
    last = _recent(last, unit, night, disclosure)
    rows = _rows(tables, [disclosure.of(a.audience) for a in aggregates], last, population)
    member, base, combos = _members(rows, tables, population)
    strictest = _strictest([disclosure.of(a.audience) for a in aggregates])
    cells = _judged(rows, tables, member, base, combos, population, strictest, last, night, disclosure)
    done = protect(cells, strictest, disclosure.effort)
    shown = rows.select("key").with_columns(
        count=pl.Series(np.where(done.shown >= 0, done.shown, 0)),
        hidden=pl.Series(done.shown < 0),
        cause=pl.Series(done.cause.tolist(), dtype=pl.String),
    )
    made = [Made(a, _released(t.cells, shown)) for a, t in zip(aggregates, tables, strict=True)]
    return made, _state(shown.filter(~rows["gone"]), last, night)


def _grouped(population: Population, groups: Mapping[str, Group]) -> Population:
    """The population with its coarser areas beside, where it has what they divide."""
    rows, domains, known = population.rows, dict(population.domains), dict[str, Group]()
    waiting = dict(groups)
    while ready := {g: d for g, d in waiting.items() if d.of in domains and not isinstance(rows.schema[d.of], pl.List)}:
        for name, group in ready.items():
            rows = rows.with_columns(group.expression().alias(name))
            left = set(domains[group.of]) - {v for values in group.values.values() for v in values}
            domains[name] = (*group.values, *((UNKNOWN,) if left else ()))
            known[name] = waiting.pop(name)
    return Population(rows, domains, population.who, known)


def _cells_of(table: Aggregate, groups: Mapping[str, Group], population: Population) -> pl.DataFrame:
    """Every cell of a table: its dimensions, its `key`, and `depth`: how many dimensions are at their finest level.

    Two tables' cells have the same key where they are the same cell.
    """
    within = {
        a: tuple(v for v in values if v in population.domains[a])
        for a, values in table.where.items()
        if set(population.domains[a]) - set(values)
    }
    frames = []
    for levels in levels_of(table):
        finest = levels[-1]
        told = [v for v in population.domains[finest] if not (v == NONE and population.several(finest))]
        fine = pl.DataFrame({finest: within.get(finest, told)}, schema={finest: pl.String})
        for level in reversed(levels[:-1]):
            fine = fine.with_columns(groups[level].expression().alias(level))
        total = {**dict.fromkeys(levels, ALL), f"_{finest}": _any_of(finest, within, fine)}
        options = [pl.DataFrame(total, schema=dict.fromkeys(total, pl.String))]
        for position, level in enumerate(levels):
            parts = fine.group_by(levels[: position + 1], maintain_order=True).agg(pl.col(finest).alias("_parts"))
            alone = (pl.col("_parts").list.len() == 1) & pl.lit(level != finest)
            condition = (
                pl.when(alone)
                .then(pl.lit(f"{finest}=") + pl.col("_parts").list.first())
                .otherwise(pl.lit(f"{level}=") + pl.col(level))
            )
            below = [pl.lit(ALL).alias(finer) for finer in levels[position + 1 :]]
            options.append(parts.with_columns(*below, condition.alias(f"_{finest}")).select(*levels, f"_{finest}"))
        frames.append(pl.concat(options))
    cells = functools.reduce(lambda a, b: a.join(b, how="cross"), frames)
    if cells.height > LARGEST:
        raise SiteError(
            [f"aggregates.yaml: {table.name} has {cells.height:,} cells, more than {LARGEST:,}. Coarsen it."]
        )
    ends = [levels[-1] for levels in levels_of(table)]
    others = [pl.lit(f"{a}={_OR.join(sorted(v))}") for a, v in within.items() if a not in ends]
    conditions = pl.concat_list(*(f"_{e}" for e in ends), *others).list.drop_nulls().list.sort()
    fine_ = pl.sum_horizontal((pl.col(e) != ALL).cast(pl.Int32) for e in ends) == len(ends)
    return cells.with_columns(key=pl.concat_list(pl.lit(table.unit), conditions).list.join(_AND), finest=fine_).select(
        *table.columns, "key", "finest"
    )


def _any_of(attribute: str, within: Mapping[str, tuple[str, ...]], fine: pl.DataFrame) -> str | None:
    """The condition of a total: none, or the values that the table is about."""
    if fine.height == 1:
        return f"{attribute}={fine[attribute][0]}"
    return f"{attribute}={_OR.join(sorted(within[attribute]))}" if attribute in within else None


def _rows(
    tables: Sequence[Laid], profiles: Sequence[Profile], last: pl.DataFrame, population: Population
) -> pl.DataFrame:
    """Every cell once, coarse ones first, with those that were shown lately and are in no table any more (`gone`)."""
    tonight = pl.concat(
        t.cells.select("key", pl.lit(p.threshold).alias("threshold")) for t, p in zip(tables, profiles, strict=True)
    )
    tonight = tonight.group_by("key", maintain_order=True).agg(pl.col("threshold").max()).with_columns(gone=False)
    gone = last.filter(pl.col("value").is_not_null() & ~pl.col("key").is_in(tonight["key"].implode()))
    attributes = pl.element().str.split("=").list.first()
    asked = pl.col("key").str.split(_AND).list.slice(1).list.eval(attributes)
    gone = gone.filter(asked.list.set_difference(list(population.domains)).list.len() == 0)
    rows = pl.concat([tonight, gone.select("key", pl.lit(0, pl.Int32).alias("threshold"), pl.lit(True).alias("gone"))])
    return rows.sort(pl.col("key").str.count_matches(_AND), "key").with_row_index("row")


def _members(
    rows: pl.DataFrame, tables: Sequence[Laid], population: Population
) -> tuple[csr_array, np.ndarray[Any, Any], pl.DataFrame]:
    """Cells x base cells, the count of each base cell, and the base cells: the combinations of attributes that occur.

    A finest cell in which nobody is gets a base cell of nobody, for a reader does not know that nobody is there.
    """
    from scipy.sparse import csr_array

    asked = (
        rows.select("row", pl.col("key").str.split(_AND).list.slice(1).alias("condition"))
        .explode("condition", empty_as_null=False)
        .with_columns(
            attribute=pl.col("condition").str.split_exact("=", 1).struct[0],
            value=pl.col("condition").str.replace(r"^[^=]*=", "").str.split(_OR),
        )
    )
    attributes = set(asked["attribute"].unique())
    for group, division in list(population.groups.items())[::-1]:
        attributes |= {division.of} if group in attributes else set()
    used = sorted(attributes)
    base = population.rows.group_by(used).len("units") if used else population.rows.select(pl.len().alias("units"))
    base = base.sort("units", *used, descending=[True, *[False] * len(used)])
    base = _with_others(base, [a for a in used if population.several(a) and NONE in population.domains[a]])
    finest = pl.concat(t.cells.filter("finest").select("key") for t in tables).unique(maintain_order=True)
    pairs = _pairs(rows, asked, base.with_row_index("base"), population)
    empty = rows.join(finest, on="key").join(pairs, on="row", how="anti")
    if empty.height:
        base = pl.concat([base, _nobody(empty, asked, base, population)])
        pairs = _pairs(rows, asked, base.with_row_index("base"), population)
    counts = base["units"].cast(pl.Int64).to_numpy()
    ones = np.ones(pairs.height, dtype=np.int64)
    member = csr_array((ones, (pairs["row"].to_numpy(), pairs["base"].to_numpy())), shape=(rows.height, base.height))
    return member, counts, base


def _with_others(base: pl.DataFrame, attributes: Sequence[str]) -> pl.DataFrame:
    """The base cells, and those of nobody that are as one of them but for having no service, say, where it has one."""
    nothing = pl.lit(pl.Series([[NONE]], dtype=pl.List(pl.String))).first()
    for attribute in attributes:
        other = base.with_columns(nothing.alias(attribute), pl.lit(0, base.schema["units"]).alias("units"))
        base = pl.concat([base, other]).unique(base.columns[:-1], keep="first", maintain_order=True)
    return base


def _pairs(rows: pl.DataFrame, asked: pl.DataFrame, base: pl.DataFrame, population: Population) -> pl.DataFrame:
    """Which base cells meet all conditions of which cell; cells with conditions on the same attributes at one time."""
    kinds = asked.group_by("row").agg(pl.col("attribute").sort().alias("kind"))
    kinds = rows.select("row").join(kinds, on="row", how="left").with_columns(pl.col("kind").fill_null([]))
    found = []
    for (kind,), of in kinds.group_by("kind", maintain_order=True):
        these, combos = of.select("row"), base.select("base", *kind)
        for attribute in kind:
            values = asked.filter(pl.col("attribute") == attribute).select("row", pl.col("value").alias(attribute))
            these = these.join(values, on="row").explode(attribute)
            if population.several(attribute):
                combos = combos.explode(attribute)
        joined = these.join(combos, on=list(kind)) if len(kind) else these.join(combos, how="cross")
        found.append(joined.select("row", "base").unique())
    return pl.concat(found).with_columns(pl.col("row", "base").cast(pl.Int64)).sort("row", "base")


def _nobody(empty: pl.DataFrame, asked: pl.DataFrame, base: pl.DataFrame, population: Population) -> pl.DataFrame:
    """A base cell of nobody for each empty cell: what is asked of it, and in all else what is most common.

    An area is one of the wider area that is asked for, and a wider area the one that the area lies in.
    """
    wanted = asked.filter(pl.col("row").is_in(empty["row"].implode())).with_columns(pl.col("value").list.first())
    wide = wanted.pivot("attribute", index="row", values="value", maintain_order=True)
    names = base.columns[:-1]
    wide = wide.with_columns(pl.lit(None, pl.String).alias(a) for a in names if a not in wide.columns)
    divided = [(g, d) for g, d in population.groups.items() if g in names]
    for group, division in reversed(divided):
        held = pl.DataFrame({division.of: population.domains[division.of]}).select(
            division.expression().alias(group), division.of
        )
        firsts = dict(reversed(held.rows()))
        within = pl.col(group).replace_strict(firsts, default=None, return_dtype=pl.String)
        wide = wide.with_columns(pl.coalesce(division.of, within).alias(division.of))
    for attribute in names:
        usual = pl.lit(base[attribute][0] if base.height else population.domains[attribute][0])
        given = pl.col(attribute)
        if population.several(attribute):
            usual = pl.concat_list(usual) if not base.height else pl.lit(base[attribute].head(1)).first()
            given = pl.when(given.is_not_null()).then(pl.concat_list(attribute))
        given = pl.coalesce(given, usual)
        wide = wide.with_columns(given.alias(attribute))
    for group, division in divided:
        wide = wide.with_columns(division.expression().alias(group))
    return wide.select(*names, pl.lit(0, base.schema["units"]).alias("units")).unique(maintain_order=True)


# -- what is risky, and what was shown before ----------------------------------------------------------------------


def _strictest(profiles: Sequence[Profile]) -> Profile:
    """One profile for tables that are protected together: `load_disclosure` sees to it that all round alike."""
    return max(profiles, key=lambda p: p.threshold)


def _recent(last: pl.DataFrame | None, unit: str, night: date, disclosure: Disclosure) -> pl.DataFrame:
    """Of the last release, this unit's cells; what was shown too long ago to be held against tonight is left out."""
    if last is None:
        return pl.DataFrame(schema=AGGREGATE_STATE)
    old = pl.col("since").dt.offset_by(f"{disclosure.stays}d") < night
    mine = pl.col("key").str.split(_AND).list.first() == unit
    return last.filter(mine).with_columns(pl.when(~(pl.col("hidden") & old)).then("value"))


def _judged(
    rows: pl.DataFrame,
    tables: Sequence[Laid],
    member: csr_array,
    base: np.ndarray[Any, Any],
    combos: pl.DataFrame,
    population: Population,
    profile: Profile,
    last: pl.DataFrame,
    night: date,
    disclosure: Disclosure,
) -> Cells:
    """All that `protect` asks."""
    counts = pl.Series("count", np.asarray(member @ base), dtype=pl.Int64)
    gives = _givers(member, combos, population)
    rules = profile.dominance
    judged = (
        rows.with_columns(counts)
        .join(gives, on="row", how="left", maintain_order="left")
        .join(last.select("key", "value", "hidden", "since"), on="key", how="left", maintain_order="left")
        .with_columns(
            few=pl.col("people") <= pl.col("threshold"),
            dominated=(pl.col("greatest") > rules.k * pl.col("count"))
            | (pl.col("count") - pl.col("first") - pl.col("second") < rules.p * pl.col("first")),
            young=pl.col("since").dt.offset_by(f"{disclosure.stays}d") >= night,
        )
        .with_columns(
            risky=pl.when("gone").then(pl.lit(GONE))
            .when("few").then(pl.lit(PRIMARY))
            .when("dominated").then(pl.lit(DOMINANCE))
            .otherwise(pl.lit(SHOWN)),
            need=pl.when("gone").then(0).otherwise(
                pl.max_horizontal(pl.col("threshold") + 1, (pl.col("first") * rules.p).ceil().cast(pl.Int64))
            ),
            stays=pl.col("hidden").fill_null(False) & ~pl.col("gone")
            & (pl.col("young") | (pl.col("count") <= 2 * pl.col("threshold"))),
        )
    )  # fmt: skip
    lines, totals = _lines(tables, rows, population)
    return Cells(
        base=base,
        member=member,
        threshold=judged["threshold"].cast(pl.Int64).to_numpy(),
        risky=judged["risky"].to_numpy().astype("<U16"),
        need=judged["need"].cast(pl.Int64).to_numpy(),
        lines=lines,
        totals=totals,
        before=judged["value"].fill_null(-1).to_numpy(),
        stays=judged["stays"].to_numpy(),
    )


def _givers(member: csr_array, combos: pl.DataFrame, population: Population) -> pl.DataFrame:
    """How many people give to each cell, and what the households that give most give to it; nothing for people."""
    schema = {"row": pl.UInt32, "people": pl.Int64, "first": pl.Int64, "second": pl.Int64, "greatest": pl.Int64}
    if population.who is None:
        return pl.DataFrame(schema=schema)
    used = [c for c in combos.columns if c != "units"]
    numbered = combos.with_row_index("base")
    rows = population.rows.join(numbered, on=used) if used else population.rows.join(numbered, how="cross")
    given = rows.group_by("base", "house", population.who).len("times")
    coordinates = member.tocoo()
    pairs = pl.DataFrame({"row": coordinates.coords[0], "base": coordinates.coords[1]}).cast(pl.UInt32)
    held = (
        pairs.join(given, on="base")
        .group_by("row", "house")
        .agg(pl.col(population.who).unique().alias("who"), pl.col("times").sum().cast(pl.Int64))
    )
    most = pl.col("times").sort(descending=True)
    return held.group_by("row").agg(
        people=pl.col("who").explode().n_unique().cast(pl.Int64),
        first=most.get(0),
        second=most.get(1, null_on_oob=True).fill_null(0),
        greatest=most.head(2).sum(),
    )


def _lines(
    tables: Sequence[Laid], rows: pl.DataFrame, population: Population
) -> tuple[tuple[Any, Any], np.ndarray[Any, Any]]:
    """Every total with its parts in one direction: pairs of line and cell, and of each line the cell that is its total.

    Where units may have several values, parts do not add up to the total, which is -1 then.
    """
    found: list[pl.DataFrame] = []
    for laid in tables:
        cells = laid.cells
        for levels in laid.dimensions:
            others = [c for c in cells.columns if c not in (*levels, "key", "finest")]
            above = _above(levels)
            parts = cells.filter(pl.col(levels[0]) != ALL).with_columns(**above)
            totals = cells.select(*others, *(pl.col(c).alias(f"_{c}") for c in levels), pl.col("key").alias("total"))
            pairs = parts.join(totals, on=[*others, *above], how="inner").filter(pl.col("key") != pl.col("total"))
            adds_up = not population.several(levels[-1])
            line = pl.concat_str(pl.lit(str(len(found))), "total", separator=_OR).alias("line")
            found.append(pairs.select(line, "key", "total", pl.lit(adds_up).alias("adds_up")))
    pairs = pl.concat(found).join(rows.select("key", "row"), on="key", maintain_order="left")
    pairs = pairs.join(
        rows.select(pl.col("key").alias("total"), pl.col("row").alias("of")), on="total", maintain_order="left"
    )
    lines = pairs.group_by("line", maintain_order=True).agg(pl.col("of").first(), pl.col("adds_up").first())
    lines = lines.with_row_index("n")
    members = pl.concat(
        [
            pairs.join(lines.select("line", "n"), on="line", maintain_order="left").select("n", "row"),
            lines.select("n", pl.col("of").alias("row")),
        ]
    )
    totals_ = lines.select(pl.when("adds_up").then(pl.col("of").cast(pl.Int64)).otherwise(-1)).to_series().to_numpy()
    return (members["n"].cast(pl.Int64).to_numpy(), members["row"].cast(pl.Int64).to_numpy()), totals_


def _above(levels: Sequence[str]) -> dict[str, pl.Expr]:
    """The place above one in a dimension, a column a level: the finest level that is named becomes `all`."""
    named = [pl.col(level) != ALL for level in levels]
    last = [here & ~after for here, after in zip(named, [*named[1:], pl.lit(False)], strict=True)]
    return {
        f"_{level}": pl.when(is_last).then(pl.lit(ALL)).otherwise(pl.col(level))
        for level, is_last in zip(levels, last, strict=True)
    }


# -- what leaves, and what is remembered ---------------------------------------------------------------------------


def _released(cells: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """A table as readers get it: nothing of a hidden cell but that it is hidden, and all hidden for the same reason."""
    dimensions = [c for c in cells.columns if c not in ("key", "finest")]
    return (
        cells.join(shown, on="key", how="left", maintain_order="left")
        .select(
            *dimensions,
            pl.when(~pl.col("hidden")).then("count").alias("count"),
            pl.col("hidden").alias("suppressed"),
            pl.when("hidden").then(pl.lit(DISCLOSURE)).alias("why"),
        )
        .sort(dimensions)
    )


def _state(shown: pl.DataFrame, last: pl.DataFrame, night: date) -> pl.DataFrame:
    """What is remembered of this release: nothing that was not shown, but the cause."""
    before = last.select("key", pl.col("value").alias("old"), pl.col("hidden").alias("was"), pl.col("since"))
    tonight = shown.join(before, on="key", how="left").select(
        "key",
        pl.when("hidden").then("old").otherwise("count").cast(pl.Int64).alias("value"),
        "hidden",
        pl.when(pl.col("hidden") & pl.col("was")).then("since").otherwise(pl.lit(night)).alias("since"),
        "cause",
    )
    carried = last.join(tonight, on="key", how="anti")
    return pl.concat([tonight, carried.select(AGGREGATE_STATE.names())]).cast(AGGREGATE_STATE).sort("key")
