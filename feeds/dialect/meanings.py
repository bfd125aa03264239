"""What the rows of a table mean: whom they describe, what they tell, and every column that this names.

What belongs here: the properties `person`, `yields`, `reference`, `messages` and their like, read into their models.
How rows become people and events belongs in `mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from feeds.contracts import (
    COLUMN,
    KINDS,
    SPEAKERS,
    YIELDS,
    Column,
    Key,
    Messages,
    Person,
    Reference,
    Table,
    When,
    as_text,
    constant,
)
from feeds.dialect.inheritance import Where
from feeds.dialect.odcs import Custom, Walk, nearest
from feeds.dialect.rulebook import DATED

OF_TIME = ("start", "end", "recorded", "birth_date", "death_date", "seen_on", "from", "to")  # want a column of dates


def meaning(
    walk: Walk, table: str, custom: Custom, columns: Iterable[Column], made: Mapping[str, Table], at: Where
) -> dict[str, Any]:
    """What a table's properties say of its rows, as attributes of `Table`; each mistake noted."""
    reading = _Meaning(walk, table, {c.name: c.type for c in columns})
    said: dict[str, Any] = {}
    if "person" in custom:
        value, where = custom["person"]
        several = value if isinstance(value, list) else [value]
        places = [(*where, i) if several is value else where for i in range(len(several))]
        people = [walk.model(Person, p, spot) for p, spot in zip(several, places, strict=True)]
        for person, spot in zip(people, places, strict=True):
            reading.columns_exist(person, spot)
        said["person"] = tuple(p for p in people if p)
    if "yields" in custom:
        value, where = custom["yields"]
        told = [reading.told(entry, (*where, i)) for i, entry in enumerate(walk.blocks(value, where))]
        said["yields"] = tuple(y for y in told if y)
    for name, model in (("reference", Reference), ("messages", Messages)):
        if name in custom:
            said[name] = walk.model(model, *custom[name])
            reading.columns_exist(said[name], custom[name][1])
    for name, plain in (("withdrawn", When), ("person_ref", Key)):
        if name in custom:
            said[name] = walk.model(plain, *custom[name]) or ((), {})[name == "withdrawn"]
            for column in said[name]:
                reading.column_exists(column, custom[name][1])
    if "codes" in custom:
        said["codes"] = reading.codes(*custom["codes"])
    if not {"person", "person_ref"} & set(custom) and any(not told.person_ref for told in said.get("yields", ())):
        said["person_ref"] = _owner(walk, set(reading.columns), made, at)
    return said


def _owner(walk: Walk, names: set[str], made: Mapping[str, Table], at: Where) -> tuple[str, ...]:
    """The columns that say whose a row is: the key of an earlier table's person, if this table has it too."""
    for table in made.values():
        for person in table.person:
            if set(person.key) <= names:
                return person.key
    walk.wrong((*at, "customProperties"), "whose rows are these? Name the person's key column as 'person_ref'.")
    return ()


class _Meaning:
    """One table's meaning being read."""

    def __init__(self, walk: Walk, table: str, columns: Mapping[str, str]) -> None:
        self.walk, self.table, self.columns = walk, table, columns

    def told(self, entry: Any, at: Where) -> Any:
        """One entry of `yields`; None, and its mistakes noted, where it is not one."""
        kind = next((k for k in YIELDS if isinstance(entry, dict) and k in entry), None)
        if kind is None:
            known = ", ".join(YIELDS)
            near = nearest(next(iter(entry), ""), YIELDS) if isinstance(entry, dict) else ""
            self.walk.wrong(at, f"a row can tell one of {known}{near}. Begin the entry with one of them.")
            return None
        entry = dict(entry)
        if kind == "relationship":
            entry[kind] = self.constant(entry[kind], KINDS)
        if kind == "voice" and isinstance(entry["voice"], dict) and "said_by" in entry["voice"]:
            entry["voice"] = {**entry["voice"], "said_by": self.constant(entry["voice"]["said_by"], SPEAKERS)}
        told = self.walk.model(YIELDS[kind], entry, at)
        self.columns_exist(told, at)
        return told

    def constant(self, value: Any, words: tuple[str, ...]) -> Any:
        """A word of ours as a constant, unless a column is called so."""
        return {"const": value} if isinstance(value, str) and value in words and value not in self.columns else value

    def codes(self, value: Any, where: Where) -> dict[str, dict[str, str]]:
        """Codes by column, as text: what stands in the file, and what it is in the council's vocabulary."""
        said: dict[str, dict[str, str]] = {}
        for column, words in self.walk.known(value, self.columns, where, "a column").items():
            if not isinstance(words, dict):
                self.walk.wrong((*where, column), "expected {<code in the file>: <our word>} here. Check the indents.")
                continue
            said[str(column)] = {}
            for code, word in words.items():
                try:
                    said[str(column)][as_text(code)] = as_text(word)
                except ValueError as error:
                    self.walk.wrong((*where, column, code), f"{code!r}: {error}.")
        return said

    def columns_exist(self, block: Any, where: Where) -> None:
        """Report every column that a block names and the table has not, or that holds no dates where it should."""
        if not isinstance(block, BaseModel):
            return
        for field, info in type(block).model_fields.items():
            name = info.alias or field
            value, spot = getattr(block, field), (*where, name)
            if isinstance(value, BaseModel):
                self.columns_exist(value, spot)
                if name in OF_TIME and hasattr(value, "column"):
                    self.dated(value.column, spot)
            elif COLUMN in info.metadata and value:
                for column in (value,) if isinstance(value, str) else value:
                    self.column_exists(column, spot)
                if name in OF_TIME and isinstance(value, str):
                    self.dated(value, spot)

    def column_exists(self, column: str, where: Where) -> None:
        if column not in self.columns and constant(column) is None:
            near = nearest(column, self.columns)
            what = f"table {self.table!r} has no column {column!r}{near}. Name one of its columns."
            self.walk.wrong(where, what)

    def dated(self, column: str, where: Where) -> None:
        kind = self.columns.get(column)
        if kind is not None and kind not in DATED:
            self.walk.wrong(where, f"column {column!r} is a {kind}, and a date is needed here. Name a column of dates.")
