"""Judging the rows of a table by the contract's rules: Great Expectations decides, polars carries out the split.

What belongs here: which rows broke which rule. Only row positions and counts leave this module: what Great
Expectations returns holds cell values, and is dropped here. It is imported on first use, for it takes four seconds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from feeds.contracts import Column, Contract, Rule, Table
from feeds.parsing import parsed
from feeds.readers import BAD_LINE, LONG_ROW

FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False, "partial_unexpected_count": 0}
OF_ONE_ROW = (
    "column_values_to_not_be_null", "column_values_to_be_null", "column_values_to_be_in_set",
    "column_values_to_not_be_in_set", "column_values_to_match_regex", "column_values_to_not_match_regex",
    "column_values_to_be_between", "column_value_lengths_to_be_between", "column_value_lengths_to_equal",
    "column_pair_values_a_to_be_greater_than_b", "column_pair_values_to_be_equal",
)  # fmt: skip
FAILED = pl.Schema({"index": pl.UInt32, "rule": pl.String})
COUNTED = pl.Schema({"table": pl.String, "rule": pl.String, "severity": pl.String, "rows": pl.Int64})


class RuleError(Exception):
    """A rule could not be run at all: the contract asks of an expectation what it cannot do."""


@dataclass(frozen=True)
class Verdict:
    """What the rules say of one table.

    Attributes:
        failed: row positions (`index`, from 0) and the sentence of each quarantine rule that the row broke.
        counts: every rule of the table with its severity and how many rows broke it.
        refused: the sentences of the reject rules that the table broke.
    """

    failed: pl.DataFrame
    counts: pl.DataFrame
    refused: tuple[str, ...]


def judge(
    contract: Contract,
    table: Table,
    rows: pl.DataFrame,
    orphans: pl.Series | None = None,
    known: pl.Series | None = None,
) -> Verdict:
    """Judge every row of a table as read.

    Of rows that share what should be given once, all but the first break the rule. A rule on two columns looks at
    rows that have both, unless it says otherwise.

    Args:
        rows: as `readers.read` made it.
        orphans: where the table is nested, whether each row's parent was set aside.
        known: rows that these rules have judged before, each and all together, and set none of aside. Rules that set
            rows aside look at the others alone, and at rows that share with one of them what is given once; the
            verdict is the same.

    Raises:
        RuleError: a rule cannot be run; it names contract, table and rule.
    """
    rules = [*_reading_rules(contract, table), *table.rules]
    everything = pl.int_range(rows.height, dtype=pl.UInt32, eager=True)
    some = everything if known is None else _to_judge(contract, table, rules, rows, orphans, known)
    indices: dict[int, tuple[list[int] | pl.Series, bool]] = dict.fromkeys(range(len(rules)), ([], True))
    for chosen, of_one_row in ((some, True), (everything, False)):
        mine = [i for i, rule in enumerate(rules) if (some.len() < rows.height and _sets_aside(rule)) is of_one_row]
        if mine and chosen.len():
            picked = [rules[i] for i in mine]
            part = rows[chosen] if of_one_row else rows
            above = orphans[chosen] if of_one_row and orphans is not None else orphans
            found = _judged(contract, table, picked, _shown(contract, table, picked, part, above))
            indices |= {i: (chosen.gather(index), well) for i, (index, well) in zip(mine, found, strict=True)}
    failed: list[pl.DataFrame] = [pl.DataFrame(schema=FAILED)]
    counts: list[tuple[str, str, str, int]] = []
    refused: list[str] = []
    for i, rule in enumerate(rules):
        broken, passed = indices[i]
        index = pl.Series("index", broken, pl.UInt32)
        if rule.kind == "once":
            index = index.sort()
            index = index.filter(~_first(rows[index].select(_once_columns(contract, table, rule))))
        counts.append((table.name, rule.name, rule.severity, index.len() or int(not passed)))
        if rule.severity == "quarantine" and index.len():
            failed.append(index.to_frame().with_columns(pl.lit(rule.name).alias("rule")))
        if rule.severity == "reject" and not passed:
            refused.append(rule.name)
    return Verdict(pl.concat(failed), pl.DataFrame(counts, schema=COUNTED, orient="row"), tuple(refused))


def _sets_aside(rule: Rule) -> bool:
    """Whether a rule sets aside rows for what stands in each, or for what is given once."""
    return rule.severity == "quarantine" and (rule.kind != "custom" or rule.expect in OF_ONE_ROW)


def _to_judge(
    contract: Contract,
    table: Table,
    rules: list[Rule],
    rows: pl.DataFrame,
    orphans: pl.Series | None,
    known: pl.Series,
) -> pl.Series:
    """Positions of the rows that are not known, and of those that share with one of them what is given once."""
    fresh = ~known if orphans is None else ~known | orphans
    chosen = [fresh.arg_true()]
    new = rows.filter(fresh)
    numbered = rows.with_row_index("_index")
    for rule in rules:
        if rule.kind == "once":
            key = _once_columns(contract, table, rule)
            chosen.append(numbered.join(new.select(key), on=key, how="semi", nulls_equal=True)["_index"])
    return pl.concat(chosen).unique().sort()


def _first(keys: pl.DataFrame) -> pl.Series:
    """Whether each row is the first of its key."""
    return keys.select(pl.struct(pl.all()).is_first_distinct().alias("first"))["first"]


def _reading_rules(contract: Contract, table: Table) -> list[Rule]:
    """Rules that the format brings: that a row could be read as one, and that what it is nested in was accepted."""
    sentence = {"csv": LONG_ROW, "jsonl": BAD_LINE}.get(contract.format)
    rules = []
    if sentence and not table.parent:
        rules.append(Rule(name=sentence, kind="read", expect="column_values_to_be_null", columns=()))
    if table.parent:
        name = f"the {table.parent.replace('_', ' ')} that it belongs to was accepted"
        rules.append(Rule(name=name, kind="nested", expect="column_values_to_not_be_null", columns=()))
    return rules


def _once_columns(contract: Contract, table: Table, rule: Rule) -> list[str]:
    """What is given once: within its parent where the table is nested, and within its message."""
    above = [c.name for c in table.inherited]
    return [*(["_file", "_message"] if contract.delivery == "messages" else []), *above, *rule.columns]


def _shown(
    contract: Contract, table: Table, rules: list[Rule], rows: pl.DataFrame, orphans: pl.Series | None
) -> pl.DataFrame:
    """The columns that the rules look at: text as written, typed values under a custom rule, marks for the rest.

    A mark is 1 where all is well and null where it is not, since what does not parse has no value to be judged.
    """
    columns = {c.name: c for c in table.all_columns}
    shown: dict[str, pl.Expr] = {}
    for rule in rules:
        if rule.kind == "read":
            shown["_fault"] = pl.col("_fault")
        elif rule.kind == "nested":
            kept = pl.lit(True) if orphans is None else ~pl.lit(orphans)
            shown["_kept"] = pl.when(kept).then(1.0)
        elif rule.kind == "parsed":
            column = columns[rule.columns[0]]
            well = pl.col(column.name).is_null() | parsed(column).is_not_null()
            shown[_mark(column)] = pl.when(well).then(1.0)
        elif rule.kind == "once":
            shown |= {_written(table, name): pl.col(name) for name in _once_columns(contract, table, rule)}
        elif rule.kind == "custom":
            shown |= {name: _value(columns[name]) for name in rule.columns}
        else:
            shown |= {_written(table, name): pl.col(name) for name in rule.columns}
    return rows.select(e.alias(name) for name, e in shown.items()) if shown else rows.select("_row")


def _mark(column: Column) -> str:
    return f"{column.name} as {column.type}"


def _written(table: Table, name: str) -> str:
    """What a column's text is shown as; a column of text has no other value, and is shown once."""
    typed = any(c.name == name and c.type != "string" for c in table.all_columns)
    return f"{name} as written" if typed else name


def _value(column: Column) -> pl.Expr:
    """The typed value as pandas compares it fast: times as datetimes, numbers and truth values as floats."""
    value = parsed(column)
    return value.cast(pl.Float64) if column.type in ("integer", "number", "boolean") else value


def _arguments(contract: Contract, table: Table, rule: Rule) -> tuple[str, dict[str, Any]]:
    """The expectation's name and arguments, with columns as `_shown` names them."""
    if rule.kind == "read":
        return rule.expect, {"column": "_fault"}
    if rule.kind == "nested":
        return rule.expect, {"column": "_kept"}
    if rule.kind == "parsed":
        column = next(c for c in table.all_columns if c.name == rule.columns[0])
        return rule.expect, {"column": _mark(column)}
    if rule.kind == "once":
        columns = [_written(table, name) for name in _once_columns(contract, table, rule)]
        if len(columns) == 1:
            return rule.expect, {"column": columns[0]}
        return "compound_columns_to_be_unique", {"column_list": columns}
    if rule.kind == "custom":
        pair = {"ignore_row_if": "either_value_is_missing"} if rule.expect.startswith("column_pair_") else {}
        return rule.expect, {**pair, **rule.args}
    return rule.expect, {"column": _written(table, rule.columns[0]), **rule.args}


def _judged(contract: Contract, table: Table, rules: list[Rule], shown: pl.DataFrame) -> list[tuple[list[int], bool]]:
    """For each rule, the positions of the rows that broke it, and whether the expectation as a whole was met."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    import great_expectations.expectations as gxe

    where = f"contract {contract.id}, table {table.name}, rule"
    expected = []
    for i, rule in enumerate(rules):
        name, arguments = _arguments(contract, table, rule)
        kind = getattr(gxe, "Expect" + "".join(part.capitalize() for part in name.split("_")))
        try:
            expected.append(kind(**arguments, meta={"rule": i}))
        except Exception as error:  # noqa: BLE001 - each expectation refuses arguments in its own way
            wrong = type(error).__name__
            raise RuleError(
                f"{where} {rule.name!r}: expect_{name} does not take {sorted(arguments)} ({wrong}). "
                "Look up its arguments in the gallery of Great Expectations."
            ) from None
    found: dict[int, tuple[list[int], bool]] = {}
    with _quiet():
        batch = _batches().get_batch({"dataframe": shown.to_pandas()})
        # whether a rule is kept costs a third of which rows break it, and most are kept
        for asked in ("BOOLEAN_ONLY", "COMPLETE"):
            left = [e for e in expected if e.meta["rule"] not in found]
            suite = gx.ExpectationSuite(name="rules", expectations=left)
            results = batch.validate(suite, result_format={**FORMAT, "result_format": asked}).results if left else []
            for result in results:
                i = result.expectation_config.meta["rule"]
                if asked == "BOOLEAN_ONLY" and (not result.success or "mostly" in rules[i].args):
                    continue
                if not result.success and not result.result:
                    raise RuleError(
                        f"{where} {rules[i].name!r}: it could not be judged. "
                        "Check that the types of its columns suit it."
                    )
                found[i] = (result.result.get("unexpected_index_list") or [], bool(result.success))
    return [found[i] for i in range(len(rules))]


@cache
def _batches() -> Any:
    """What makes a batch of a frame: made once, for every change of a context is written out as YAML."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    asset = context.data_sources.add_pandas("feed").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the judge's own logging, which may quote values, out of the logs while it works."""
    logger = logging.getLogger("great_expectations")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
