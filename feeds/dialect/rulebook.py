"""Rules out of a contract: those that a column's attributes make, and those that its `quality` entries say.

What belongs here: which rules there are, their sentences and arguments. How rows are judged by them belongs in `rules`.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from feeds.contracts import SEVERITIES, CodeList, Column, Rule, as_names
from feeds.dialect.inheritance import Where
from feeds.dialect.odcs import QUALITY, QUALITY_PROPERTIES, Walk, nearest

DATED = ("date", "timestamp")
COLUMN_ARGS = ("column", "column_A", "column_B", "column_list", "column_set")
REGEX_ARGS = ("regex", "regex_list")
# Kinfold's own expectations: the kind of rule that each makes, and what it may be told besides its column
OWN_EXPECTATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "column_values_to_be_nhs_number": ("valid", ()),
    "column_values_to_be_upn": ("valid", ()),
    "column_values_to_be_ni_number": ("valid", ()),
    "column_values_to_be_uk_postcode": ("valid", ()),
    "column_values_to_be_uprn": ("valid", ()),
    "column_values_to_be_uk_telephone": ("valid", ()),
    "column_values_to_be_plausible_birth_date": ("valid", ("oldest",)),
    "column_values_to_be_plausible_date": ("valid", ("earliest", "days_ahead")),
    "column_values_to_exist_in": ("member", ("column_list", "table", "to")),
    "column_values_to_be_as_before": ("before", ()),
    "column_values_to_be_in_code_list": ("listed_in", ("file", "code", "from", "to", "at")),
}


# Great Expectations' kinds of expectation, and the arguments that each brings; the columns among them must be named
KINDS_OF_EXPECTATION = {
    "ColumnMapExpectation": ("column", "mostly"),
    "ColumnAggregateExpectation": ("column",),
    "ColumnPairMapExpectation": ("column_A", "column_B", "mostly"),
    "MulticolumnMapExpectation": ("column_list", "mostly"),
}
UNHEARD = ("row_condition", "condition_parser")  # conditions in a language of their own: rules have none


@cache
def expectations() -> frozenset[str]:
    """Names of the expectations that Great Expectations has, without `expect_`; it is not imported (4 seconds)."""
    return frozenset(p.stem.removeprefix("expect_") for p in _core().glob("expect_*.py"))


@cache
def arguments(expect: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an expectation takes, read from its source, for it is not imported: what it must be told, and all."""
    source = (_core() / f"expect_{expect}.py").read_text(encoding="utf-8")
    said = re.search(r"^class Expect\w+\(([^)]*)\):(.*)", source, re.MULTILINE | re.DOTALL)
    if said is None:
        return (), ()
    kind = KINDS_OF_EXPECTATION.get(said[1], ())
    own = re.findall(r"^    ([a-z]\w*): (?!ClassVar)", said[2], re.MULTILINE)
    return tuple(a for a in kind if a != "mostly"), tuple(dict.fromkeys(a for a in (*kind, *own) if a not in UNHEARD))


@cache
def judges_rows(expect: str) -> bool:
    """Whether an expectation says which rows break it, and not only that a table does."""
    if expect in OWN_EXPECTATIONS:
        return True
    source = (_core() / f"expect_{expect}.py").read_text(encoding="utf-8")
    return re.search(r"^class Expect\w+\(\w*MapExpectation\):", source, re.MULTILINE) is not None


def _core() -> Path:
    spec = importlib.util.find_spec("great_expectations")
    return Path(str(spec.origin if spec else "")).parent / "expectations" / "core"


# -- out of a column ------------------------------------------------------------------------------------------------


def column_rules(column: Column, options: Mapping[str, Any]) -> list[Rule]:
    """The rules that a column's own attributes make, each with its sentence."""
    name = column.name
    rules: list[Rule] = []

    def add(sentence: str, kind: str, expect: str, **args: Any) -> None:
        rules.append(Rule(name=sentence, kind=kind, expect=expect, columns=(name,), args=args))

    if column.required:
        add(f"{name} is given", "given", "column_values_to_not_be_null")
    written = {"date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd HH:mm:ss"}
    if column.type in written:
        what = "date" if column.type == "date" else "time"
        sentence = f"{name} is a {what} written {column.format or written[column.type]}"
        add(sentence, "parsed", "column_values_to_not_be_null")
    elif column.type != "string":
        what = {"integer": "a whole number", "number": "a number", "boolean": "yes or no"}[column.type]
        add(f"{name} is {what}", "parsed", "column_values_to_not_be_null")
    if column.values:
        few = ", ".join(column.values) if len(column.values) <= 8 else f"the {len(column.values)} codes of the contract"
        add(f"{name} is one of {few}", "listed", "column_values_to_be_in_set", value_set=list(column.values))
    if column.code_list:
        codes = column.code_list
        when = f" in force on {codes.at}" if codes.at else ""
        sentence = f"{name} is a code of {codes.file.name}{when}"
        add(sentence, "listed_in", "column_values_to_be_in_code_list")
        rules[-1] = rules[-1].model_copy(update={"code_list": codes})
    if "pattern" in options:
        form = str(options["pattern"])
        whole = "^(?:" + form.removeprefix("^").removesuffix("$") + ")$"
        add(f"{name} has the form {form}", "form", "column_values_to_match_regex", regex=whole)
    if "minLength" in options or "maxLength" in options:
        low, high = options.get("minLength"), options.get("maxLength")
        add(
            f"{name} has {_between(low, high)} characters",
            "form", "column_value_lengths_to_be_between", min_value=low, max_value=high,
        )  # fmt: skip
    if "minimum" in options or "maximum" in options:
        low, high = options.get("minimum"), options.get("maximum")
        add(
            f"{name} is {_between(low, high)}",
            "custom", "column_values_to_be_between", column=name, min_value=low, max_value=high,
        )  # fmt: skip
    if column.unique and not column.key:
        rules.append(once((name,)))
    return rules


def once(columns: tuple[str, ...]) -> Rule:
    """The rule that what stands in these columns is given once."""
    first, last = columns[:-1], columns[-1]
    sentence = f"{', '.join(first)} and {last} together are given once" if first else f"{last} is given once"
    return Rule(name=sentence, kind="once", expect="column_values_to_be_unique", columns=columns)


def _between(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def code_list(walk: Walk, said: Any, where: Where) -> CodeList | None:
    """A list of codes in a file, if the file is there and has the columns that are named."""
    if not isinstance(said, dict) or "file" not in said:
        walk.wrong(where, "expected {file: <a CSV file>, code: <its column of codes>, from: , to: , at: }.")
        return None
    path = walk.beside(said["file"], (*where, "file"))
    if path is None:
        return None
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    read: CodeList | None = walk.model(CodeList, {**said, "file": path, "digest": digest}, where)
    if read is None:
        return None
    header = next(csv.reader(content.decode("utf-8-sig", errors="replace").splitlines()[:1]), [])
    for attribute, column in (("code", read.code), ("from", read.from_), ("to", read.to)):
        if column is not None and column not in header:
            near = nearest(column, header)
            walk.wrong((*where, attribute), f"{path.name} has no column {column!r}{near}. Name one of its columns.")
    return read


# -- out of a quality entry -----------------------------------------------------------------------------------------


class Rulebook:
    """The rules of one table: its columns, against which names are checked, and the names of all tables.

    Attributes:
        sought: columns of other tables that rules name: where, the table's name, and theirs. They can be checked once
            every table knows what it inherits.
    """

    def __init__(self, walk: Walk, columns: Iterable[Column], keyed: bool, tables: Iterable[str], owner: str) -> None:
        self.walk = walk
        self.columns = {c.name: c for c in columns}
        self.keyed, self.tables, self.owner = keyed, tables, owner
        self.sought: list[tuple[Where, str, tuple[str, ...]]] = []

    def column_exists(self, name: str, where: Where, dated: bool = False) -> None:
        """Report a column that is not there, or holds no dates where dates are needed."""
        if name not in self.columns:
            near = nearest(name, self.columns)
            self.walk.wrong(where, f"this table has no column {name!r}{near}. Name one of its columns.")
        elif dated and self.columns[name].type not in DATED:
            kind = self.columns[name].type
            self.walk.wrong(where, f"column {name!r} is a {kind}, and a date is needed here. Name a column of dates.")

    def rule(self, entry: Any, at: Where) -> Rule | None:
        """A quality entry as a rule; None where it is text alone, or wrong, which is noted."""
        entry = self.walk.known(entry, QUALITY, at)
        if entry.get("type") == "text":
            return None  # words for the reader; nothing to run
        wrong, body = self.walk.wrong, entry.get("implementation")
        severity = entry.get("severity", "quarantine")
        well = self.walk.choice(severity, SEVERITIES, (*at, "severity"), "a severity")
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            wrong(at, "a rule needs a name: the plain sentence that a partner reads when a row breaks it.")
        if entry.get("type") != "custom" or entry.get("engine") != "greatExpectations":
            wrong(at, "a rule needs type: custom and engine: greatExpectations, the one judge here.")
            return None
        at_body = (*at, "implementation")
        if not isinstance(body, dict) or "expect" not in body:
            wrong(at_body, "expected {expect: <name of an expectation>, column: ..., ...}.")
            return None
        expect, known = str(body["expect"]).removeprefix("expect_"), expectations() | set(OWN_EXPECTATIONS)
        if expect not in known:
            near = nearest(expect, known)
            what = f"{body['expect']!r} is no expectation that Great Expectations has{near}. Correct it."
            wrong((*at_body, "expect"), what)
            return None
        if severity == "quarantine" and not judges_rows(expect):
            what = f"{body['expect']!r} judges a table as a whole and points at no row: it can warn or reject only."
            wrong((*at, "severity") if "severity" in entry else at, what)
        if "mostly" in body and severity == "quarantine":
            wrong((*at_body, "mostly"), "a rule on a share of rows can warn or reject only.")
        custom = self.walk.custom(entry, QUALITY_PROPERTIES, at)
        owner = custom.get("owner", (self.owner, at))[0]
        make = self.own if expect in OWN_EXPECTATIONS else self.great
        more = make(expect, {k: v for k, v in body.items() if k != "expect"}, at_body)
        if not well:
            return None
        said = {"name": str(entry.get("name")), "expect": expect, "severity": severity, "owner": str(owner)}
        rule: Rule | None = self.walk.model(Rule, {**said, **more}, at)
        return rule

    def great(self, expect: str, body: dict[str, Any], at: Where) -> dict[str, Any]:
        """Columns and arguments of one of Great Expectations' own expectations."""
        needed, taken = arguments(expect)
        if taken:
            self.walk.known(body, (*taken, "ignore_row_if"), at, "an argument")
        for name in needed:
            if not body.get(name):
                self.walk.wrong(at, f"which column? Add {name}: <name>.")
        columns: list[str] = []
        for arg in COLUMN_ARGS:
            for name in self.names(body.get(arg), (*at, arg)):
                self.column_exists(name, (*at, arg))
                columns.append(name)
        for arg in REGEX_ARGS:
            for form in self.names(body.get(arg), (*at, arg)):
                regular(self.walk, form, (*at, arg))
        return {"kind": "custom", "columns": tuple(columns), "args": body}

    def names(self, value: Any, where: Where) -> tuple[str, ...]:
        said = as_names(value)
        if said is None:
            return ()
        if isinstance(said, list | tuple) and all(isinstance(s, str) for s in said):
            return tuple(said)
        self.walk.wrong(where, f"expected a name or a list of names; found {value!r}. Correct it.")
        return ()

    def own(self, expect: str, body: dict[str, Any], at: Where) -> dict[str, Any]:
        """Columns and arguments of one of Kinfold's own expectations."""
        kind, more = OWN_EXPECTATIONS[expect]
        self.walk.known(body, ("column", "mostly", *more), at, "an argument")
        by = "column_list" if "column_list" in body else "column"
        columns = self.names(body.get(by), (*at, by))
        if not columns:
            self.walk.wrong(at, "which column? Add column: <name>.")
        plausible = expect.startswith("column_values_to_be_plausible")
        for name in columns:
            self.column_exists(name, (*at, by), dated=plausible)
        said: dict[str, Any] = {"kind": kind, "columns": columns}
        args: dict[str, Any] = {
            k: body[k] for k in ("mostly", "oldest", "earliest", "days_ahead", "table") if k in body
        }
        if plausible:
            self.plausible(args, at)
        if kind == "before" and not self.keyed:
            self.walk.wrong(at, "to be as before, a row must be known again: give the table primaryKey columns.")
        if kind == "member":
            args["to"] = self.member(body, columns, at)
        if kind == "listed_in":
            listed = code_list(self.walk, {k: v for k, v in body.items() if k not in ("column", "mostly")}, at)
            if listed and listed.at:
                self.column_exists(listed.at, (*at, "at"), dated=True)
            said["code_list"] = listed
        return {**said, "args": args}

    def plausible(self, args: Mapping[str, Any], at: Where) -> None:
        if not isinstance(args.get("earliest", date.min), date):
            self.walk.wrong((*at, "earliest"), "earliest is a day, written like 1900-01-01 and without quotes.")
        for name in ("oldest", "days_ahead"):
            if type(args.get(name, 0)) is not int or args.get(name, 0) < 0:
                self.walk.wrong((*at, name), f"{name} is a whole number, none or more. Correct it.")

    def member(self, body: Mapping[str, Any], columns: tuple[str, ...], at: Where) -> tuple[str, ...]:
        """The columns of another table in which what stands in these is found."""
        table = str(body.get("table"))
        to = self.names(body.get("to"), (*at, "to")) or columns
        if table not in self.tables:
            near = nearest(table, self.tables)
            self.walk.wrong((*at, "table"), f"no table {table!r}{near}. Name another table of this contract.")
            return to
        self.sought.append(((*at, "to"), table, to))
        if len(to) != len(columns):
            self.walk.wrong(
                (*at, "to"), f"{len(columns)} columns cannot exist in {len(to)}. Name as many as there are."
            )
        return to


def regular(walk: Walk, form: str, where: Where) -> None:
    """Report a regular expression that is none."""
    try:
        re.compile(form)
    except (re.error, OverflowError, RecursionError) as error:
        walk.wrong(where, f"{form!r} is no regular expression: {error}. Correct it.")
