"""What a partner is told of one delivery: a page that opens offline, and spreadsheets of rows and records to correct.

What belongs here: choosing and wording what the page and its spreadsheets say. Whether a partner may have row numbers,
values or keys is asked of the agreements before anything of this is made, and is given here as `Shown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from feeds.contracts import Contract
from governance import inert
from summaries.findings import TWICE
from summaries.quality import freshness, until
from summaries.render import page
from summaries.words import say

TREND = 12  # deliveries
LINES = 100_000  # of a spreadsheet; a partner who has more to correct has one fault many times over
FOLLOWS = {"warn": "kept, and counted", "quarantine": "row set aside", "reject": "delivery rejected"}
WITHIN = "kept: no more than the rule allows"


@dataclass(frozen=True)
class Shown:
    """What of a feed's own rows its reader may have: nothing but counts, unless an agreement says more.

    Attributes:
        faults: whether row numbers and reasons may be shown; `values` whether what stood there, and record keys, too.
        by: the agreement and clauses that say so.
    """

    faults: bool = False
    values: bool = False
    by: str = ""


@dataclass(frozen=True)
class About:
    """A feed as its contract describes it, and who answers for quality at the council."""

    feed: str
    name: str
    partner: str
    owner: str
    version: str
    every: int
    rules: pl.DataFrame
    council: str = "the council's data quality team"

    @classmethod
    def of(cls, contract: Contract, partner: str, council: str) -> About:
        """What a contract says of its feed; `partner` and `council` are names as people know them."""
        return cls(
            contract.id, contract.name, partner, contract.owner, contract.version, contract.interval.days,
            rules_of(contract), council,
        )  # fmt: skip


def rules_of(contract: Contract) -> pl.DataFrame:
    """Every rule of a contract: table, rule, columns (as the file's headers have them), severity, owner."""
    rows = []
    for table in contract.tables:
        heading = {column.name: column.physical for column in table.all_columns}
        for rule in table.rules:
            columns = ", ".join(heading.get(name, name) for name in rule.columns)
            rows.append((table.name, rule.name, columns, rule.severity, rule.owner or contract.owner))
    schema = dict.fromkeys(("table", "rule", "columns", "severity", "owner"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row").unique(["table", "rule"], keep="first", maintain_order=True)


# -- spreadsheets ---------------------------------------------------------------------------------------------------


def set_aside(contract: Contract, frames: Mapping[str, pl.DataFrame], values: bool) -> pl.DataFrame:
    """The rows of a delivery that broke a rule, one line a row and rule, in the order of tables, files and rows.

    Args:
        contract: what the rows should have kept.
        frames: rows set aside by table, as the load keeps them: `_file`, `_row`, `failed_rules` and the columns.
        values: whether to say what stood in the columns that the rule looks at.

    Returns:
        file, row, where (more about the place, if there is more), table, columns, reason, what_follows, owner and, if
        they are asked for, values.
    """
    known = rules_of(contract)
    parts = [pl.DataFrame(schema=dict.fromkeys(_LINE, pl.String) | {"row": pl.Int64})]
    for table in contract.tables:
        if table.name not in frames:
            continue
        rows = frames[table.name]
        heading = {column.name: column.physical for column in table.all_columns}
        looks_at = {rule.name: rule.columns for rule in table.rules}
        broken = rows["failed_rules"].explode().drop_nulls().unique().sort()
        lines = [
            rows.filter(pl.col("failed_rules").list.contains(rule)).select(
                pl.col("_file").alias("file"),
                pl.col("_row").alias("row"),
                (pl.col("_where") if "_where" in rows.columns else pl.lit(None, pl.String)).alias("where"),
                pl.lit(table.name).alias("table"),
                pl.lit(rule).alias("rule"),
                _values(rows, looks_at.get(rule, ()), heading).alias("values"),
            )
            for rule in broken
        ]
        if lines:
            mine = known.filter(pl.col("table") == table.name).drop("table")
            told = pl.concat(lines).join(mine, on="rule", how="left")
            parts.append(
                told.sort("file", "row", "rule").select(
                    "file", "row", pl.col("where").fill_null(""), "table", pl.col("columns").fill_null(""),
                    pl.col("rule").alias("reason"),
                    pl.col("severity").fill_null("quarantine").replace(FOLLOWS).alias("what_follows"),
                    pl.col("owner").fill_null(contract.owner), "values",
                )
            )  # fmt: skip
    lines_of_all = pl.concat(parts)
    return lines_of_all if values else lines_of_all.drop("values")


_LINE = ("file", "row", "where", "table", "columns", "reason", "what_follows", "owner", "values")


def _values(rows: pl.DataFrame, columns: Sequence[str], heading: Mapping[str, str]) -> pl.Expr:
    """What stood in some columns, each under its header."""
    there = [name for name in columns if name in rows.columns]
    if not there:
        return pl.lit("")
    told = [pl.format("{}: {}", pl.lit(heading[name]), pl.col(name).fill_null("(empty)")) for name in there]
    return pl.concat_str(told, separator="; ")


def spreadsheet(frame: pl.DataFrame) -> bytes:
    """A frame as CSV that Excel opens in the right encoding; every cell quoted and inert; at most `LINES` lines."""
    return inert.spreadsheet(frame, LINES)


# -- the page -------------------------------------------------------------------------------------------------------


def report(
    loads: pl.DataFrame,
    load_rules: pl.DataFrame,
    about: About,
    night: date,
    found: pl.DataFrame | None = None,
    shown: Shown | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """One feed's quality report as a self-contained page.

    Args:
        loads, load_rules: LOAD and LOAD_RULE; other feeds' rows are ignored.
        about: what the contract says.
        night: the day on which it is told.
        found: what comparing sources found, from `findings.counted`; None where no night has compared this delivery.
        shown: what its reader may have beside counts.
        files: names of the spreadsheets beside the page: `rows`, `records`.

    Returns:
        HTML that holds counts and rules only, never a value.
    """
    mine = until(loads.filter(pl.col("feed") == about.feed), night).tail(TREND)
    known = pl.DataFrame({"feed": [about.feed], "partner": [about.partner], "every": [about.every]})
    fresh = freshness(mine, known, night).row(0, named=True)
    trend = [{"read_as": None} | row | {"when": say(row["day"])} for row in mine.iter_rows(named=True)]
    latest = trend[-1] if trend else None
    return page(
        "quality.html",
        about=about,
        night=say(night),
        latest=latest,
        trend=trend[::-1],
        chart=chart([(short(r["delivery"]), r["share"] if r["status"] == "accepted" else r["status"]) for r in trend]),
        rules=_rules(load_rules, about, trend) if trend else [],
        fresh=fresh | {key: say(fresh[key]) if fresh[key] else None for key in ("delivered", "due")},
        twice=_of(found, about, pl.col("rule") == TWICE.name),
        found=_of(found, about, pl.col("rule") != TWICE.name),
        shown=shown or Shown(),
        files={"rows": "", "records": ""} | dict(files or {}),
        follows=FOLLOWS | ({} if latest and latest["status"] == "rejected" else {"reject": WITHIN}),
    )


def _of(found: pl.DataFrame | None, about: About, which: pl.Expr) -> list[dict[str, Any]] | None:
    """What was found of the feed; None where no night has compared it."""
    return None if found is None else found.filter((pl.col("feed") == about.feed) & which).to_dicts()


def _rules(load_rules: pl.DataFrame, about: About, trend: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules that the latest delivery broke, worst first, with the delivery before it."""

    def of(delivery: str) -> pl.DataFrame:
        return load_rules.filter((pl.col("feed") == about.feed) & (pl.col("delivery") == delivery))

    earlier = of(trend[-2]["delivery"] if len(trend) > 1 else "").select("table", "rule", before="rows")
    said = about.rules.select("table", "rule", "columns", "owner")
    return (
        of(trend[-1]["delivery"])
        .filter(pl.col("rows") > 0)
        .join(earlier, on=["table", "rule"], how="left")
        .join(said, on=["table", "rule"], how="left")
        .with_columns(pl.col("owner").fill_null(about.owner), pl.col("columns").fill_null(""))
        .sort("rows", "table", "rule", descending=[True, False, False])
        .to_dicts()
    )


def short(delivery: str) -> str:
    """A delivery's key as the foot of a bar: 20 Nov, or 20 Nov no. 2."""
    day, _, number = delivery.partition(".")
    try:
        told = date.fromisoformat(day)
    except ValueError:
        return delivery
    return f"{told.day} {told:%b}" + (f" ({number})" if number else "")


def percent(value: float) -> str:
    """A per cent with one decimal; what is there and rounds to nothing is said to be less than 0.1%."""
    return "<0.1%" if 0 < value < 0.05 else f"{value:.1f}%"


def chart(points: Sequence[tuple[str, float | str]]) -> dict[str, Any]:
    """Where the bars of a chart stand: a per cent each or, instead of a bar, a word for what became of the delivery.

    Returns:
        width, height, base (y of the axis), top (the value at the upper end) and bars: x, y, height, label, value,
        word; units are those of the drawing.
    """
    width, height, base, head = 760, 170, 135, 24
    most = max((value for _, value in points if isinstance(value, float)), default=0.0)
    top = next((t for t in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if most <= t), 100.0)
    step = width / max(len(points), 1)
    bars = []
    for i, (label, value) in enumerate(points):
        tall = value / top * (base - head) if isinstance(value, float) else 0.0
        bars.append(
            {
                "x": round(i * step + step / 2, 1),
                "y": round(base - tall, 1),
                "height": round(tall, 1),
                "wide": round(min(step * 0.6, 48), 1),
                "label": label,
                "value": percent(value) if isinstance(value, float) else "",
                "word": value if isinstance(value, str) else "",
            }
        )
    return {"width": width, "height": height, "base": base, "top": top, "bars": bars}


def index(partner: str, feeds: Sequence[Mapping[str, Any]], day: date) -> str:
    """A partner's list of its feeds and their newest reports.

    Args:
        partner: its name.
        feeds: rows of `quality.states` with `files`: label and name of each file.
        day: the day on which it is told.
    """
    rows = [row | {key: say(row[key]) if row[key] else "" for key in ("delivered", "due")} for row in map(dict, feeds)]
    return page("returned.html", partner=partner, feeds=rows, day=say(day))
