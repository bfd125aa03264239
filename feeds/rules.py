"""Judging the rows of a table by the contract's rules: Great Expectations decides, polars carries out the split.

What belongs here: which rows broke which rule. Only row positions and counts leave this module: what Great
Expectations returns holds cell values, and is dropped here. It is imported on first use, for it takes four seconds.

What a rule on one row says of a row depends on nothing but the cells that it looks at, so Great Expectations is shown
each distinct value (or pair of values) once, and its verdict is carried to every row that has it. Of what must be given
once it is shown the rows that may share it: those whose hash another row has too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from feeds import readers
from feeds.contracts import CodeList, Column, Contract, Rule, Table
from feeds.parsing import dated, parsed

FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False, "partial_unexpected_count": 0}
OF_ONE_COLUMN = (
    "column_values_to_not_be_null", "column_values_to_be_null", "column_values_to_be_in_set",
    "column_values_to_not_be_in_set", "column_values_to_match_regex", "column_values_to_not_match_regex",
    "column_values_to_be_between", "column_value_lengths_to_be_between", "column_value_lengths_to_equal",
)  # fmt: skip
OF_ONE_ROW = (
    *OF_ONE_COLUMN, "column_pair_values_a_to_be_greater_than_b", "column_pair_values_to_be_equal",
)  # fmt: skip
NOT_NULL = "column_values_to_not_be_null"
OF_NULLS = ("column_values_to_not_be_null", "column_values_to_be_null")
MARKED = ("read", "nested", "given", "parsed", "valid", "member", "before", "listed_in")
NAMING = ("column", "column_A", "column_B", "column_list")
FEW = 10_000  # distinct values: rules that look at fewer are judged together
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


@dataclass(frozen=True)
class Beside:
    """What rules may look at beside the rows themselves.

    Attributes:
        day: of the delivery.
        tables: rows of other tables of the delivery that were accepted, with the columns that rules look up.
        before: rows of the table that stood after the delivery before, with its key; None where there is none.
    """

    day: date | None = None
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    before: pl.DataFrame | None = None


def judge(
    contract: Contract,
    table: Table,
    rows: pl.DataFrame,
    orphans: pl.Series | None = None,
    known: pl.Series | None = None,
    beside: Beside | None = None,
) -> Verdict:
    """Judge every row of a table as read.

    Of rows that share what should be given once, all but the first break the rule. A rule on two columns looks at
    rows that have both, unless it says otherwise.

    Args:
        rows: as `readers.read` made it.
        orphans: where the table is nested, whether each row's parent was set aside.
        known: rows that these rules have judged before and set none of aside. Rules that set rows aside for what
            stands in each look at the others alone; the verdict is the same.
        beside: what else rules look at.

    Raises:
        RuleError: a rule cannot be run; it names contract, table and rule.
    """
    rules = rules_of(contract, table)
    fresh = None
    if known is not None and known.any():
        fresh = (~known if orphans is None else ~known | orphans).arg_true()
    broken: dict[int, pl.Series] = {}
    for chosen, skips in ((fresh, True), (None, False)):
        picked = {
            i: r for i, r in enumerate(rules) if of_one_row(r) and (fresh is not None and skips_known(r)) is skips
        }
        if picked:
            part = rows if chosen is None else rows[chosen]
            above = orphans if chosen is None or orphans is None else orphans[chosen]
            found = judged_alone(contract, table, picked, part, above, beside or Beside())
            broken |= {i: index if chosen is None else chosen.gather(index) for i, index in found.items()}
    return concluded(contract, table, broken, evidence(contract, table, rows, broken))


def rules_of(contract: Contract, table: Table) -> list[Rule]:
    """Every rule on a table: those that its format brings, then the contract's."""
    return [*_reading_rules(contract, table), *table.rules]


def of_one_row(rule: Rule) -> bool:
    """Whether a rule's verdict on a row rests on that row (and what stands beside the table) alone."""
    return (
        rule.kind != "once" and (rule.kind != "custom" or rule.expect in OF_ONE_ROW) and not _by_share(rule, wide=True)
    )


def skips_known(rule: Rule) -> bool:
    """Whether a row that stood by this rule before stands by it now: nothing but the row has a part in it."""
    beside = rule.kind in ("member", "before") or (rule.kind == "valid" and "plausible" in rule.expect)
    return rule.severity == "quarantine" and not beside


def judged_alone(
    contract: Contract, table: Table, rules: Mapping[int, Rule], rows: pl.DataFrame, orphans: pl.Series | None,
    beside: Beside,
) -> dict[int, pl.Series]:  # fmt: skip
    """For each rule on one row its number, and the positions of rows that broke it, in order.

    Raises:
        RuleError: a rule cannot be run.
    """
    if rows.is_empty() or not rules:
        return {i: pl.Series("index", [], pl.UInt32) for i in rules}
    shown = _shown(table, rules, rows, orphans, beside)
    groups: dict[tuple[str, ...], list[int]] = {}
    asked: dict[int, _Asked] = {}
    for i, rule in rules.items():
        name, arguments = _arguments(table, i, rule)
        arguments.pop("mostly", None)  # what share may break it is judged at the end: see `evidence`
        asked[i] = _Asked(rule, name, arguments)
        groups.setdefault(tuple(_looked_at(arguments)), []).append(i)
    distinct = pl.collect_all(shown.lazy().select(columns).unique(maintain_order=True) for columns in groups)
    values = {columns: (frame, groups[columns]) for columns, frame in zip(groups, distinct, strict=True)}
    # marks are all alike, or differ in which of two values came first: of those that are the same, one is asked
    marks = {
        columns: tuple(values[columns][0].to_series()) for columns in groups if rules[groups[columns][0]].kind in MARKED
    }
    first = {columns: next(c for c in marks if marks[c] == told) for columns, told in marks.items()}
    found = _judged_all(contract, table, asked, {c: group for c, group in values.items() if first.get(c, c) == c})
    broken: dict[int, pl.Series] = {}
    for columns, numbers in groups.items():
        for i in numbers:
            positions, _ = found[groups[first[columns]][0] if columns in first else i]
            broken[i] = _carried(shown.select(columns), values[columns][0][positions])
    return broken


def _carried(shown: pl.DataFrame, values: pl.DataFrame) -> pl.Series:
    """Positions of the rows that have one of the values, in order."""
    if values.is_empty():
        return pl.Series("index", [], pl.UInt32)
    (first, *more) = shown.columns
    if not more and values[first].null_count() == 0:
        return shown[first].is_in(values[first].implode()).fill_null(False).arg_true()
    if not more and values.height == 1:
        return shown[first].is_null().arg_true()
    found = shown.with_row_index("_index").join(values, on=shown.columns, how="semi", nulls_equal=True)["_index"]
    return found.sort()


def evidence(
    contract: Contract,
    table: Table,
    rows: pl.DataFrame,
    broken: Mapping[int, pl.Series],
    over: pl.Series | None = None,
) -> pl.DataFrame:
    """What the rules on a whole table look at, a row each: hashes of what is given once, marks, columns as they are.

    Args:
        broken: what `judged_alone` found of these rows.
        over: which rows the delivery itself takes back further on: they repeat nothing, and nothing repeats them.
    """
    counts = pl.lit(True) if over is None else ~pl.lit(over)
    shown: dict[str, pl.Expr] = {}
    typed = {c.name: c for c in table.all_columns}
    for i, rule in enumerate(rules_of(contract, table)):
        if rule.kind == "once":
            key, given = pl.struct(once_columns(contract, table, rule)), pl.any_horizontal(_given(rule)) & counts
            shown |= {
                name: pl.when(given).then(key.hash(seed)) for seed, name in ((1, f"{i} once"), (2, f"{i} once more"))
            }
        elif of_one_row(rule) and _by_share(rule):
            at = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(broken[i].implode())
            absent = pl.lit(False) if rule.expect in OF_NULLS else pl.col(rule.columns[0]).is_null()
            shown[f"{i} mark"] = pl.when(at).then(0).when(~absent).then(1).cast(pl.Int8)
        elif not of_one_row(rule):
            shown |= {f"{i} {name}": _typed(typed[name]) for name in rule.columns}
    return rows.select(pl.repeat(True, pl.len()).alias("row"), *(e.alias(name) for name, e in shown.items()))


def concluded(contract: Contract, table: Table, broken: Mapping[int, pl.Series], seen: pl.DataFrame) -> Verdict:
    """The verdict on a table, once all its rows were judged alone.

    Args:
        broken: positions of the rows that broke each rule on one row.
        seen: `evidence` of all its rows.

    Raises:
        RuleError: a rule cannot be run.
    """
    rules = rules_of(contract, table)
    found = {i: (index, index.is_empty()) for i, index in broken.items()}
    asked: dict[int, _Asked] = {}
    frames: dict[tuple[str, ...], tuple[pl.DataFrame, list[int]]] = {}
    where: dict[int, pl.Series] = {}
    for i, rule in enumerate(rules):
        if not seen.height and (rule.kind != "custom" or rule.columns):
            continue  # of a table without rows only their number can be asked
        if rule.kind == "once":
            digest = [f"{i} once", f"{i} once more"]
            where[i] = (seen[digest[0]].is_duplicated() & seen[digest[0]].is_not_null()).arg_true()
            asked[i] = _Asked(rule, "compound_columns_to_be_unique", {"column_list": digest})
            frames[tuple(digest)] = (seen.select(digest)[where[i]], [i])
        elif of_one_row(rule) and _by_share(rule):
            share = {"column": f"{i} mark", "value_set": [1], "mostly": rule.args.get("mostly", 1)}
            asked[i] = _Asked(rule, "column_values_to_be_in_set", share)
            frames[(f"{i} mark",)] = (seen.select(pl.col(f"{i} mark").cast(pl.Float64)), [i])
        elif not of_one_row(rule):
            name, arguments = _arguments(table, i, rule)
            asked[i] = _Asked(rule, name, arguments)
            columns = tuple(_looked_at(arguments)) or ("row",)
            frames.setdefault(columns, (seen.select(columns), []))[1].append(i)
    frames = {columns: part for columns, part in frames.items() if part[0].height or columns == ("row",)}
    for i, (positions, well) in _judged_all(contract, table, asked, frames).items():
        index = pl.Series("index", positions, pl.UInt32)
        if i in where:
            twice, digest = where[i].gather(index.sort()), [f"{i} once", f"{i} once more"]
            first = pl.struct(digest).is_first_distinct().alias("first")
            index = twice.filter(~seen.select(digest)[twice].select(first)["first"])
        found[i] = (broken.get(i, index), well)
    failed: list[pl.DataFrame] = [pl.DataFrame(schema=FAILED)]
    counts: list[tuple[str, str, str, int]] = []
    refused: list[str] = []
    for i, rule in enumerate(rules):
        index, well = found.get(i, (pl.Series("index", [], pl.UInt32), True))
        counts.append((table.name, rule.name, rule.severity, index.len() or int(not well)))
        if rule.severity == "quarantine" and index.len():
            failed.append(index.alias("index").cast(pl.UInt32).to_frame().with_columns(pl.lit(rule.name).alias("rule")))
        if rule.severity == "reject" and not well:
            refused.append(rule.name)
    return Verdict(pl.concat(failed), pl.DataFrame(counts, schema=COUNTED, orient="row"), tuple(refused))


def _by_share(rule: Rule, wide: bool = False) -> bool:
    """Whether a rule allows for a share of rows that break it; `wide`, on more than one column."""
    return "mostly" in rule.args and (not wide or (rule.kind == "custom" and rule.expect not in OF_ONE_COLUMN))


def _reading_rules(contract: Contract, table: Table) -> list[Rule]:
    """Rules that the format brings: that a row could be read as one, and that what it is nested in was accepted."""
    rules = [
        Rule.model_validate({"name": sentence, "kind": "read", "expect": NOT_NULL, "columns": (), "severity": severity})
        for sentence, severity in readers.faults(contract)
        if sentence != readers.BAD_LINE or not table.parent
    ]
    if table.parent:
        name = f"the {table.parent.replace('_', ' ')} that it belongs to was accepted"
        rules.append(Rule(name=name, kind="nested", expect="column_values_to_not_be_null", columns=()))
    return rules


def _given(rule: Rule) -> list[pl.Expr]:
    """What stands in a rule's columns: rows that have nothing there repeat nothing."""
    return [pl.col(name).is_not_null() for name in rule.columns]


def once_columns(contract: Contract, table: Table, rule: Rule) -> list[str]:
    """What is given once: within its parent where the table is nested, and within its message."""
    above = [c.name for c in table.inherited]
    return [*(["_file", "_message"] if contract.delivery == "messages" else []), *above, *rule.columns]


# -- what the judge is shown ------------------------------------------------------------------------------------------


def _shown(
    table: Table, rules: Mapping[int, Rule], rows: pl.DataFrame, orphans: pl.Series | None, beside: Beside
) -> pl.DataFrame:
    """The columns that the rules look at: text as written, typed values under a custom rule, marks for the rest.

    A mark is 1 where all is well and null where it is not, since what does not parse has no value to be judged.
    """
    columns = {c.name: c for c in table.all_columns}
    shown: dict[str, pl.Expr] = {}
    for i, rule in rules.items():
        if rule.kind in MARKED:
            shown[f"{i} mark"] = pl.when(_well(table, rule, rows, orphans, beside)).then(1.0)
        elif rule.kind == "custom":
            shown |= {name: _typed(columns[name]) for name in rule.columns}
        else:
            shown |= {_written(table, name): pl.col(name) for name in rule.columns}
    # lazily, for what two rules look at is then worked out once
    return rows.lazy().select(e.alias(name) for name, e in shown.items()).collect()


def _well(table: Table, rule: Rule, rows: pl.DataFrame, orphans: pl.Series | None, beside: Beside) -> pl.Expr:
    """Whether all is well with each row, by a rule that is shown a mark."""
    if rule.kind == "read":
        return pl.col("_fault").is_null() | (pl.col("_fault") != rule.name)
    if rule.kind == "nested":
        return pl.lit(True) if orphans is None else ~pl.lit(orphans)
    if rule.kind == "given":
        return pl.col(rule.columns[0]).is_not_null()
    if rule.kind == "member":
        return pl.lit(_is_in(rows.select(rule.columns), beside.tables.get(str(rule.args["table"])), rule.args["to"]))
    if rule.kind == "before":
        return pl.lit(_as_before(table, rule, rows, beside.before))
    column = next(c for c in table.all_columns if c.name == rule.columns[0])
    if rule.kind == "listed_in":
        assert rule.code_list is not None
        return pl.lit(_in_force(table, column, rule.code_list, rows))
    if rule.kind == "valid":
        from feeds.checks import mark

        well = mark(rule.expect, rows, column, rule.args, beside.day)
        return pl.lit(well) if isinstance(well, pl.Series) else well
    return pl.col(column.name).is_null() | parsed(column).is_not_null()


def _is_in(rows: pl.DataFrame, other: pl.DataFrame | None, to: Sequence[str]) -> pl.Series:
    """Whether each row's values stand together in another table; a row that lacks one of them names nobody."""
    there = rows.select(pl.any_horizontal(pl.all().is_null()).alias("well"))["well"]
    if other is None:
        return there
    told = other.select(pl.col(list(to)).name.map(str)).rename(dict(zip(to, rows.columns, strict=True)))
    numbered = rows.with_row_index("_index")
    found = numbered.join(told, on=rows.columns, how="semi")["_index"]
    return there | pl.int_range(rows.height, dtype=pl.UInt32, eager=True).is_in(found.implode())


def _as_before(table: Table, rule: Rule, rows: pl.DataFrame, before: pl.DataFrame | None) -> pl.Series:
    """Whether a value that stood before under the row's key is the same now; what is new or left out passes."""
    well = pl.repeat(True, rows.height, eager=True)
    if before is None:
        return well
    key, name = [*(c.name for c in table.inherited), *table.key], rule.columns[0]
    if name in key:
        return well
    then = before.select(*key, pl.col(name).alias("_then")).unique(key, keep="last")
    both = rows.select(*key, name).join(then, on=key, how="left", maintain_order="left")
    return both.select((pl.col(name) == pl.col("_then")).fill_null(True).alias("well"))["well"]


def _in_force(table: Table, column: Column, codes: CodeList, rows: pl.DataFrame) -> pl.Series:
    """Whether each code stands in the list and was in force on the row's day; without a day, whether it ever was."""
    day = next((dated(c, pl.Date) for c in table.all_columns if c.name == codes.at), pl.lit(None, pl.Date))
    told = rows.select(pl.col(column.name).alias("code"), day.alias("at")).with_row_index("_index")
    distinct = told.select("code", "at").unique().drop_nulls("code")
    listed = distinct.join(_listed(codes), on="code")
    within = (pl.col("from") <= pl.col("at")).fill_null(True) & (pl.col("at") <= pl.col("to")).fill_null(True)
    right = listed.filter(within).select("code", "at").unique()
    well = told.join(right, on=["code", "at"], how="semi", nulls_equal=True)["_index"]
    return told["code"].is_null() | told["_index"].is_in(well.implode())


@cache
def _listed(codes: CodeList) -> pl.DataFrame:
    """A file of codes: `code`, `from`, `to`.

    Raises:
        RuleError: it cannot be read as the contract says.
    """
    try:
        rows = pl.read_csv(codes.file, infer_schema=False)
        rows = rows.rename({name: name.strip().strip("\ufeff") for name in rows.columns})
        days = {"from": codes.from_, "to": codes.to}
        return rows.select(
            pl.col(codes.code).str.strip_chars().alias("code"),
            *(
                pl.lit(None, pl.Date).alias(end)
                if name is None
                else pl.col(name).str.strip_chars().replace("", None).str.to_date("%Y-%m-%d").alias(end)
                for end, name in days.items()
            ),
        )  # fmt: skip
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RuleError(
            f"the code list {codes.file.name} cannot be read ({type(error).__name__}): it should be a CSV file "
            f"with the column {codes.code}, and dates written yyyy-MM-dd. Correct the file beside the contract."
        ) from None


def _written(table: Table, name: str) -> str:
    """What a column's text is shown as; a column of text has no other value, and is shown once."""
    typed = any(c.name == name and c.type != "string" for c in table.all_columns)
    return f"{name} as written" if typed else name


def _typed(column: Column) -> pl.Expr:
    """The typed value as pandas compares it fast: times as datetimes, numbers and truth values as floats."""
    value = parsed(column)
    return value.cast(pl.Float64) if column.type in ("integer", "number", "boolean") else value


def _arguments(table: Table, number: int, rule: Rule) -> tuple[str, dict[str, Any]]:
    """The expectation's name and arguments, with columns as `_shown` and `evidence` name them."""
    if rule.kind in MARKED:
        return "column_values_to_not_be_null", {"column": f"{number} mark"}
    if rule.kind == "custom":
        pair = {"ignore_row_if": "either_value_is_missing"} if rule.expect.startswith("column_pair_") else {}
        arguments = {**pair, **rule.args}
        return rule.expect, arguments if of_one_row(rule) else _renamed(arguments, lambda name: f"{number} {name}")
    return rule.expect, {"column": _written(table, rule.columns[0]), **rule.args}


def _looked_at(arguments: Mapping[str, Any]) -> list[str]:
    """The columns that an expectation's arguments name."""
    told = [arguments[name] for name in NAMING if name in arguments]
    return list(dict.fromkeys(c for one in told for c in ([one] if isinstance(one, str) else one)))


def _renamed(arguments: Mapping[str, Any], new: Any) -> dict[str, Any]:
    """The arguments with other names for the columns."""
    return {
        k: v if k not in NAMING else new(v) if isinstance(v, str) else [new(name) for name in v]
        for k, v in arguments.items()
    }


# -- the judge --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """A rule as Great Expectations is asked it."""

    rule: Rule
    expect: str
    arguments: dict[str, Any]


_Group = tuple[pl.DataFrame, list[int]]  # what rules look at, and the rules' numbers


def _judged_all(
    contract: Contract, table: Table, asked: Mapping[int, _Asked], groups: Mapping[tuple[str, ...], _Group]
) -> dict[int, tuple[list[int], bool]]:
    """`_judged` of every group: those of few rows together, for a batch has its price, and the others each alone."""
    few = {columns: group for columns, group in groups.items() if group[0].height <= FEW}
    many = [{columns: group} for columns, group in groups.items() if columns not in few]
    found: dict[int, tuple[list[int], bool]] = {}
    for batch in (few, *many):
        found |= _judged(contract, table, asked, batch)
    return found


def _judged(
    contract: Contract,
    table: Table,
    asked: Mapping[int, _Asked],
    groups: Mapping[tuple[str, ...], _Group],
) -> dict[int, tuple[list[int], bool]]:
    """For each rule, the positions in its group's frame that broke it, and whether the expectation was met.

    Args:
        groups: by the columns that rules look at, the values of these and the numbers of the rules. They are judged
            side by side, the last row of each repeated to the length of the longest.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    import great_expectations.expectations as gxe

    where = f"contract {contract.id}, table {table.name}, rule"
    expected: list[Any] = []
    parts: list[pl.DataFrame] = []
    heights: dict[int, int] = {}
    longest = max((frame.height for frame, _ in groups.values()), default=0)
    for number, (frame, rules) in enumerate(groups.values()):
        heights |= dict.fromkeys(rules, frame.height)
        if 0 < frame.height < longest:
            frame = frame[pl.int_range(longest, eager=True).clip(upper_bound=frame.height - 1)]
        parts.append(frame.rename({name: f"{number}/{name}" for name in frame.columns}))
        for i in rules:
            one = asked[i]
            kind = getattr(gxe, "Expect" + "".join(part.capitalize() for part in one.expect.split("_")))
            try:
                arguments = _renamed(one.arguments, lambda name, number=number: f"{number}/{name}")
                expected.append(kind(**arguments, meta={"rule": i}))
            except Exception as error:  # noqa: BLE001 - each expectation refuses arguments in its own way
                raise RuleError(
                    f"{where} {one.rule.name!r}: expect_{one.expect} does not take {sorted(one.arguments)} "
                    f"({type(error).__name__}). Look up its arguments in the gallery of Great Expectations."
                ) from None
    found: dict[int, tuple[list[int], bool]] = {}
    if not expected:
        return found
    with _quiet():
        batch = _batches().get_batch({"dataframe": pl.concat(parts, how="horizontal").to_pandas()})
        # whether a rule is kept costs a third of which rows break it, and most are kept
        for kind_of_result in ("BOOLEAN_ONLY", "COMPLETE"):
            left = [e for e in expected if e.meta["rule"] not in found]
            suite = gx.ExpectationSuite(name="rules", expectations=left)
            results = (
                batch.validate(suite, result_format={**FORMAT, "result_format": kind_of_result}).results if left else []
            )
            for result in results:
                i = result.expectation_config.meta["rule"]
                if kind_of_result == "BOOLEAN_ONLY" and (not result.success or "mostly" in asked[i].arguments):
                    continue
                if not result.success and not result.result:
                    raise RuleError(
                        f"{where} {asked[i].rule.name!r}: it could not be judged. "
                        "Check that the types of its columns suit it."
                    )
                positions = result.result.get("unexpected_index_list") or []
                found[i] = ([p for p in positions if p < heights[i]], bool(result.success))
    return found


@cache
def _batches() -> Any:
    """What makes a batch of a frame: made once, for every change of a context is written out as YAML."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
    from great_expectations.execution_engine import pandas_execution_engine

    # no batch is compared with another, so none needs the fingerprint that costs as much as judging it
    pandas_execution_engine.HASH_THRESHOLD = 0
    _look_up_once()
    # without pages of documentation, which leave a folder behind
    config = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults())
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    asset = context.data_sources.add_pandas("feed").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


def _look_up_once() -> None:
    """Have Great Expectations make an expectation's configuration once for all its arguments, and not for each anew.

    It made some twenty for each expectation, and wrote its name in small letters for each of them.
    """
    from great_expectations.expectations import expectation

    def told(self: Any, keys: Iterable[str]) -> dict[str, Any]:
        given = self.configuration.kwargs
        return {key: given.get(key, self._get_default_value(key)) for key in keys}

    def domain(self: Any) -> dict[str, Any]:
        return told(self, self.domain_keys)

    def success(self: Any) -> dict[str, Any]:
        return told(self, (*self.success_keys, *self.domain_keys))

    def runtime(self: Any, runtime_configuration: Mapping[str, Any] | None = None) -> dict[str, Any]:
        asked, lasting = runtime_configuration or {}, {*self.success_keys, *self.domain_keys}
        known = told(self, dict.fromkeys((*self.runtime_keys, *lasting)))
        known |= {key: asked[key] for key in self.runtime_keys if key in asked and key not in lasting}
        return known | {"result_format": expectation.parse_result_format(known["result_format"])}

    for name, once in (
        ("_get_domain_kwargs", domain),
        ("_get_success_kwargs", success),
        ("_get_runtime_kwargs", runtime),
    ):
        setattr(expectation.Expectation, name, once)
    expectation.camel_to_snake = cache(expectation.camel_to_snake)


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
