"""What a contract may say and what each part means: one frozen model a feed.

What belongs here: the words of a contract. Reading its file belongs in `dialect`; reading what partners send, judging
rows and mapping them in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from warehouse.site import Config

Severity = Literal["warn", "quarantine", "reject"]

FORMATS = ("csv", "xlsx", "xml", "jsonl", "json")
LOGICAL_TYPES = ("string", "integer", "number", "date", "timestamp", "boolean")
DELIVERIES = ("snapshot", "delta", "messages")
SEVERITIES = ("warn", "quarantine", "reject")
KINDS = (
    "parent", "child", "sibling", "partner", "carer", "step_parent", "foster_carer", "grandparent", "other_relative",
)  # fmt: skip
SPEAKERS = ("child", "family", "practitioner")
JAVA = ("yyyy", "MMM", "SSS", "yy", "MM", "dd", "HH", "mm", "ss", "M", "d", "H")  # longest first
SEPARATOR = "|"  # between the parts of a source key made of several columns

COLUMN = object()  # marks a field that names a column, or several


# -- what a contract's blocks say -----------------------------------------------------------------------------------


def as_names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def as_text(value: Any) -> str:
    """A YAML scalar as the text that a file holds; a bare yes, no, true or false would have lost its spelling."""
    if isinstance(value, bool):
        raise ValueError("YAML reads a bare yes, no, on, off, true or false as a truth value: put it in quotes")
    if not isinstance(value, str | int | float):
        raise ValueError("expected a text or a number")
    return str(value)


def _conditions(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {k: tuple(as_text(v) for v in (vs if isinstance(vs, list) else [vs])) for k, vs in value.items()}


def _attribute(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return {"column": value}
    if isinstance(value, Mapping) and set(value) == {"const"}:
        return {"const": as_text(value["const"])}
    return value


Name = Annotated[str, COLUMN]
OptionalName = Annotated[str | None, COLUMN]
Names = Annotated[tuple[str, ...], BeforeValidator(as_names), COLUMN]
When = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_conditions), COLUMN]


class Attribute(Config):
    """A person's attribute: the column that holds it and, in long tables, the rows in which it does."""

    column: Name
    when: When = Field(default_factory=dict)


class FullName(Attribute):
    """One string that holds a whole name, and how to take it apart."""

    clean: tuple[Literal["split_name", "drop_executors", "drop_organisations"], ...] = ("split_name",)
    order: Literal["forename_first", "surname_first"] = "forename_first"


class Value(Config):
    """A column's value, or a constant."""

    column: OptionalName = None
    const: str | None = None


Attr = Annotated[Attribute | None, BeforeValidator(_attribute)]
Val = Annotated[Value | None, BeforeValidator(_value)]


class Address(Config):
    """Where a person lives: parts of a line, or one text; and since when and until when."""

    uprn: OptionalName = None
    line: Names = ()
    text: OptionalName = None
    postcode: OptionalName = None
    from_: OptionalName = Field(None, alias="from")
    to: OptionalName = None


class Person(Config):
    """Which columns of a table say who somebody is."""

    key: Names
    forename: Attr = None
    forenames: Attr = None
    middle_names: Attr = None
    surname: Attr = None
    full_name: Annotated[FullName | None, BeforeValidator(_attribute)] = None
    alias: Attr = None
    former_forename: Attr = None
    former_surname: Attr = None
    preferred_forename: Attr = None
    preferred_surname: Attr = None
    birth_date: Attr = None
    death_date: Attr = None
    sex: Attr = None
    ethnicity: Attr = None
    nhs_number: Attr = None
    upn: Attr = None
    ni_number: Attr = None
    la_child_id: Attr = None
    email: Attr = None
    phone: Attr = None
    household: Names = ()
    seen_on: Attr = None
    address: Address | None = None


class Event(Config):
    """An event that a row tells."""

    event: str
    domain: str | None = None
    key: Names = ()
    start: Name
    end: OptionalName = None
    code: Val = None
    value: OptionalName = None
    recorded: OptionalName = None
    when: When = Field(default_factory=dict)


class Involvement(Config):
    """A service working with the person of a row."""

    involvement: str
    start: Name
    end: OptionalName = None
    team: Val = None
    role: Val = None
    when: When = Field(default_factory=dict)


class Relationship(Config):
    """What the person of a row is to another person that the same feed knows."""

    relationship: Val
    other: Names
    start: OptionalName = None
    end: OptionalName = None
    when: When = Field(default_factory=dict)


class Said(Config):
    """What was said, by whom, about what."""

    topic: Val
    words: Name
    said_by: Val = None
    start: Name


class Voice(Config):
    """Something said that a row tells."""

    voice: Said
    when: When = Field(default_factory=dict)


Yield = Event | Involvement | Relationship | Voice
YIELDS: dict[str, type[Config]] = {
    "event": Event, "involvement": Involvement, "relationship": Relationship, "voice": Voice
}  # fmt: skip


class Place(Config):
    """A postcode and its small areas."""

    postcode: Name
    lsoa11: OptionalName = None
    lsoa21: OptionalName = None
    imd_decile: OptionalName = None


class Dwelling(Config):
    """A property of the gazetteer."""

    uprn: Name
    address: Names = ()
    postcode: OptionalName = None
    kind: OptionalName = None


class Reference(Config):
    """What a table of reference data describes."""

    place: Place | None = None
    dwelling: Dwelling | None = None


class Messages(Config):
    """Which case a message is about, and which flag withdraws it."""

    key: Name
    purge: OptionalName = None


class Column(Config):
    """One column: its name, its header in the file, its type and how it is written."""

    name: str
    physical: str
    type: str = "string"
    format: str | None = None
    required: bool = False
    unique: bool = False
    key: bool = False
    classification: str = "identity"
    values: tuple[str, ...] = ()
    description: str = ""


class Rule(Config):
    """One rule on a table: a plain sentence, the expectation that judges it, and what happens to a row that breaks it.

    `kind` is parsed, given, listed, form, once, range or custom; it says what is shown to the expectation.
    """

    name: str
    kind: str
    expect: str
    columns: tuple[str, ...]
    args: dict[str, Any] = Field(default_factory=dict)
    severity: Severity = "quarantine"


class Table(Config):
    """One table of a feed.

    Attributes:
        path: record path in XML or JSON, without the root's slash; empty for tables that are files or sheets.
        parent: the table that this one is nested in; `inherited` are the columns it takes from its ancestors.
    """

    name: str
    path: str = ""
    file: str | None = None
    sheet: str | None = None
    header_row: int = 1
    optional: bool = False
    columns: tuple[Column, ...]
    parent: str | None = None
    inherited: tuple[Column, ...] = ()
    person: tuple[Person, ...] = ()
    person_ref: tuple[str, ...] = ()
    yields: tuple[Yield, ...] = ()
    reference: Reference | None = None
    messages: Messages | None = None
    withdrawn: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns, in order; ancestors' keys are not among them."""
        return tuple(c.name for c in self.columns if c.key)

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Inherited columns, then its own."""
        return (*self.inherited, *self.columns)


class Contract(Config):
    """What one feed brings, how it is judged, and what it tells.

    Attributes:
        interval: how often a delivery is due.
        lag: days from an event to its record, as a rule; dates history before the first delivery.
        keys_of: the feed whose person keys these are; its own, as a rule.
        globs: patterns of the files below the drop folder.
    """

    id: str
    name: str
    version: str
    partner: str
    domain: str
    owner: str
    purpose: str = ""
    limitations: str = ""
    interval: timedelta = timedelta(days=7)
    lag: int = 0
    delivery: Literal["snapshot", "delta", "messages"] = "snapshot"
    trust: dict[str, float] = Field(default_factory=dict)
    volume_band: float | None = None
    look_back: str | None = None
    keys_of: str
    xsd: Path | None = None
    format: str
    globs: tuple[str, ...]
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    extra_columns: Literal["reject", "ignore"] = "reject"
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        """The table of that name."""
        return next(t for t in self.tables if t.name == name)


def strptime(form: str) -> str:
    """A Java date format, such as dd/MM/yyyy or yyyy-MM-dd'T'HH:mm, as chrono and Python write it.

    Raises:
        ValueError: it holds letters that mean nothing here.
    """
    meaning = {
        "yyyy": "%Y", "yy": "%y", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d", "HH": "%H", "H": "%H",
        "mm": "%M", "ss": "%S", "SSS": "%3f",
    }  # fmt: skip
    out, rest = "", form
    while rest:
        token = next((t for t in JAVA if rest.startswith(t)), None)
        if token:
            out, rest = out + meaning[token], rest[len(token) :]
        elif rest[0] == "'" and "'" in rest[1:]:
            quoted, _, rest = rest[1:].partition("'")
            out += quoted.replace("%", "%%")
        elif rest[0].isalpha() and rest[0] != "T":
            raise ValueError(f"{rest[0]!r} in the format {form!r} is not understood")
        else:
            out, rest = out + rest[0].replace("%", "%%"), rest[1:]
    return out
