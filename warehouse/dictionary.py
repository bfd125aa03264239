"""The data dictionary, made from the definitions: every table, column, type and meaning.

What belongs here: how the definitions read. What they say belongs in `warehouse.tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from warehouse.tables import TABLES, Column, Table, Zone

ZONES = {
    Zone.VAULT: "Identity. Encrypted at rest; read only to link, and to release what an agreement permits.",
    Zone.FACTS: "Pseudonymous: ids that are keyed hashes, no names, no dates of birth, no addresses.",
    Zone.LEDGER: "What was loaded, what was released, who saw what.",
}


def markdown(more: Mapping[str, Sequence[Column]] | None = None) -> str:
    """The dictionary as Markdown; `more` gives the declared columns that stand beside those of an open table."""
    lines = [
        "# Data dictionary",
        "",
        "Made from `warehouse/tables.py` by `warehouse.dictionary.markdown()`; change it there. Times are UTC.",
        "",
    ]
    for zone, meaning in ZONES.items():
        lines += [f"## {zone.value}", "", meaning, ""]
        for table in TABLES.values():
            if table.zone is zone:
                lines += _table(table, (more or {}).get(table.name, ()))
    return "\n".join(lines).rstrip() + "\n"


def _table(table: Table, more: Sequence[Column]) -> list[str]:
    lines = [f"### {table.name}", "", table.meaning, "", f"Key: {', '.join(f'`{k}`' for k in table.key)}."]
    if table.by_month:
        lines += ["Kept in one part a month of `known_from`, so that it can be read as it was known on any day."]
    if table.open:
        lines += ["Declared features stand beside these columns."]
    lines += ["", "| column | type | identifies a person | meaning |", "|---|---|---|---|"]
    for column in (*table.columns, *more):
        identity = "yes" if column.identity else ""
        lines.append(f"| `{column.name}` | {_type(column.type)} | {identity} | {_cell(column.meaning)} |")
    return [*lines, ""]


def _type(kind: pl.DataType | type[pl.DataType]) -> str:
    """A column's type in words that need no polars."""
    if isinstance(kind, pl.List):
        return f"list of {_type(kind.inner)}"  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return "(" + ", ".join(f"{f.name}: {_type(f.dtype)}" for f in kind.fields) + ")"  # type: ignore[arg-type]
    if isinstance(kind, pl.Datetime):
        return "timestamp"
    words = {"String": "text", "Date": "date", "Boolean": "true or false", "Float64": "number"}
    return words.get(str(kind), "whole number" if kind.is_integer() else str(kind).lower())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
