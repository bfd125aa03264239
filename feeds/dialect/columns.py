"""A contract's columns: how each is found in the file, typed, cleaned, and the rules that it makes.

What belongs here: entries of a table's `properties`. What their rules say belongs in `rulebook`; tables in `dialect`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from feeds.contracts import CLASSES, LOGICAL_TYPES, SEVERITIES, Column, Names, Rule, as_text, strptime
from feeds.dialect.inheritance import Where
from feeds.dialect.odcs import COLUMN, COLUMN_PROPERTIES, OPTIONS, Custom, Walk, nearest
from feeds.dialect.rulebook import DATED, code_list, column_rules, regular


def headers(walk: Walk, columns: Iterable[Column], nested: bool, at: Where) -> None:
    """Report a header that two columns would answer to."""
    taken: dict[str, str] = {}
    for i, column in enumerate(columns):
        for header in {h.strip().casefold() for h in (column.physical, *column.aliases)}:
            if taken.setdefault(header, column.name) != column.name and not nested:
                what = f"columns {taken[header]!r} and {column.name!r} both answer to the header {header!r}."
                walk.wrong((*at, i), f"{what} Give each its own.")


def column(walk: Walk, entry: Any, form: str, owner: str, at: Where) -> tuple[Column | None, list[Rule]]:
    """A column of a file of a format, and the rules that its own attributes make; each mistake noted."""
    entry = walk.known(entry, COLUMN, at)
    name = entry.get("name")
    if not isinstance(name, str) or not name.replace(" ", "_").isidentifier():
        walk.wrong((*at, "name"), f"a column needs a name of letters, digits and underscores; found {name!r}.")
        return None, []
    if name.startswith("_"):
        walk.wrong((*at, "name"), f"{name!r}: names that begin with an underscore are kept for Kinfold's own.")
    kind = entry.get("logicalType")
    if not walk.choice(kind, LOGICAL_TYPES, (*at, "logicalType"), "a type that is read"):
        kind = "string"
    options = _options(walk, entry.get("logicalTypeOptions"), (*at, "logicalTypeOptions"))
    custom = walk.custom(entry, COLUMN_PROPERTIES, at)
    severity, where = custom.get("severity", ("quarantine", at))
    if not walk.choice(severity, SEVERITIES, where, "a severity"):
        severity = "quarantine"
    if "classification" in entry:
        walk.choice(entry["classification"], CLASSES, (*at, "classification"), "a classification")
    key = walk.truth(entry, "primaryKey", at)
    made = Column(
        name=name,
        physical=str(entry.get("physicalName", name)),
        type=kind,
        format=str(options["format"]) if kind in DATED and "format" in options else None,
        required=walk.truth(entry, "required", at) or key,
        unique=walk.truth(entry, "unique", at),
        key=key,
        classification=str(entry.get("classification", "identity")),
        values=_values(walk, entry.get("enum"), (*at, "enum")),
        description=str(entry.get("description", "")),
        **_as_it_comes(walk, name, custom, form, at),
    )
    update = {"severity": severity, "owner": owner}
    return made, [rule.model_copy(update=update) for rule in column_rules(made, options)]


def _options(walk: Walk, value: Any, at: Where) -> dict[str, Any]:
    """A column's `logicalTypeOptions`; those that are wrong are noted and left out."""
    options = dict(walk.known(value or {}, OPTIONS, at))
    if "format" in options:
        try:
            strptime(str(options["format"]))
        except ValueError as error:
            walk.wrong((*at, "format"), f"{error}. Write it like dd/MM/yyyy or yyyyMMdd.")
            del options["format"]
    if "pattern" in options:
        regular(walk, str(options["pattern"]), (*at, "pattern"))
    for name in ("minLength", "maxLength"):
        if name in options and (type(options[name]) is not int or options[name] < 0):
            walk.wrong((*at, name), f"{name} is a whole number of characters; found {options.pop(name)!r}.")
    for name in ("minimum", "maximum"):
        if name in options and (isinstance(options[name], bool) or not isinstance(options[name], int | float)):
            walk.wrong((*at, name), f"{name} is a number; found {options.pop(name)!r}. Correct it.")
    return options


def _values(walk: Walk, value: Any, at: Where) -> tuple[str, ...]:
    """The values that an `enum` lists, as text."""
    values: list[str] = []
    for i, entry in enumerate(walk.blocks(value, at)):
        try:
            values.append(as_text(entry.get("value") if isinstance(entry, dict) else entry))
        except ValueError as error:
            walk.wrong((*at, i), f"{error}.")
    return tuple(values)


def _as_it_comes(walk: Walk, name: str, custom: Custom, form: str, at: Where) -> dict[str, Any]:
    """How a column is found in the file, cleaned, and checked against a list of codes."""
    said: dict[str, Any] = {}
    for attribute in ("aliases", "clean"):
        if attribute in custom:
            said[attribute] = walk.model(Names, *custom[attribute]) or ()
    for transform in said.get("clean", ()):
        if transform not in _transforms():
            near = nearest(transform, _transforms())
            walk.wrong(custom["clean"][1], f"{transform!r} is not a transform{near}. See docs/transforms.md.")
    if "position" in custom:
        said["position"] = _position(walk, *custom["position"])
    if form == "fixed" and "position" not in custom:
        walk.wrong(at, f"column {name!r} of a fixed-width file needs the property position: [first, last].")
    elif form != "fixed" and "position" in custom:
        walk.wrong(custom["position"][1], "position is for fixed-width files; this format has headers. Remove it.")
    if "codes" in custom:
        said["code_list"] = code_list(walk, *custom["codes"])
    return said


def _position(walk: Walk, value: Any, where: Where) -> tuple[int, int] | None:
    well = isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)
    if well and 1 <= value[0] <= value[1]:
        return value[0], value[1]
    walk.wrong(where, f"position is [first, last], characters counted from 1, both included; found {value!r}.")
    return None


@cache
def _transforms() -> frozenset[str]:
    """Names of the transforms that a column's `clean` may use."""
    from feeds import cleaning

    return frozenset(cleaning.TRANSFORMS)
