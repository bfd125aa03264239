"""What a contract may say and what each part means: one frozen model a feed.

What belongs here: the words of a contract. Reading its file belongs in `dialect`; reading what partners send, judging
rows and mapping them in the modules beside this one.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from warehouse.site import Config

Severity = Literal["warn", "quarantine", "reject"]

FORMATS = ("csv", "fixed", "xlsx", "xls", "ods", "xml", "json", "jsonl", "parquet")
NESTED = ("xml", "json", "jsonl")  # formats whose tables are paths into one another
WORKBOOKS = ("xlsx", "xls", "ods")
DETECT = "detect"  # what a contract says where the reader is to find out for itself
LOGICAL_TYPES = ("string", "integer", "number", "date", "timestamp", "boolean")
DELIVERIES = ("snapshot", "delta", "messages")
SEVERITIES = ("warn", "quarantine", "reject")
CLASSES = ("identity", "sensitive", "public")
KINDS = (
    "parent", "child", "sibling", "partner", "carer", "step_parent", "foster_carer", "grandparent", "other_relative",
)  # fmt: skip
SPEAKERS = ("child", "family", "practitioner")
JAVA = ("yyyy", "MMM", "SSS", "XXX", "yy", "MM", "dd", "HH", "mm", "ss", "M", "d", "H")  # longest first
SEPARATOR = "|"  # between the parts of a source key made of several columns

CONSTANT = "="  # before a part of a key that is no column, as no column's name begins

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


def _key_parts(value: Any) -> Any:
    if isinstance(value, Mapping) or not isinstance(value, str | list | tuple):
        raise ValueError("a key is a column, or a list of columns; a part may be {const: <text>}")
    parts = [value] if isinstance(value, str) else value
    if not any(isinstance(p, str) for p in parts):
        raise ValueError("a key needs a column, or everyone would share it")
    constant = (isinstance(p, Mapping) and set(p) == {"const"} for p in parts)
    return tuple(CONSTANT + as_text(p["const"]) if c else p for p, c in zip(parts, constant, strict=True))


def constant(part: str) -> str | None:
    """The text of a part of a key that is a constant; None where the part is a column."""
    return part.removeprefix(CONSTANT) if part.startswith(CONSTANT) else None


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
Key = Annotated[tuple[str, ...], BeforeValidator(_key_parts), COLUMN]
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
    """Which columns of a table say who somebody is; several of them where a row holds several people."""

    key: Key
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
    when: When = Field(default_factory=dict)


class Event(Config):
    """An event that a row tells, of the table's person or of another that `person_ref` keys, as in all yields."""

    event: str
    domain: str | None = None
    key: Names = ()
    start: Name
    end: OptionalName = None
    code: Val = None
    value: OptionalName = None
    recorded: OptionalName = None
    person_ref: Key = ()
    when: When = Field(default_factory=dict)


class Involvement(Config):
    """A service working with the person of a row."""

    involvement: str
    start: Name
    end: OptionalName = None
    team: Val = None
    role: Val = None
    person_ref: Key = ()
    when: When = Field(default_factory=dict)


class Relationship(Config):
    """What the person of a row is to another person that the same feed knows."""

    relationship: Val
    other: Key
    start: OptionalName = None
    end: OptionalName = None
    person_ref: Key = ()
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
    person_ref: Key = ()
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


class Area(Config):
    """A small area and how deprived it is by one index; the area's code is of one LSOA vintage."""

    lsoa11: OptionalName = None
    lsoa21: OptionalName = None
    name: OptionalName = None
    index: Val = None
    rank: OptionalName = None
    decile: OptionalName = None
    score: OptionalName = None


class Dwelling(Config):
    """A property of the gazetteer."""

    uprn: Name
    address: Names = ()
    postcode: OptionalName = None
    kind: OptionalName = None


class Reference(Config):
    """What a table of reference data describes."""

    place: Place | None = None
    area: Area | None = None
    dwelling: Dwelling | None = None


class Messages(Config):
    """Which case a message is about, and which flag withdraws it."""

    key: Name
    purge: OptionalName = None


class CodeList(Config):
    """A file of codes, and since when and until when each is in force.

    Attributes:
        file: a CSV file; `digest` is of its content, so that a contract whose codes changed is another contract.
        code, from_, to: its columns; dates in it are written yyyy-MM-dd, and an empty one is open.
        at: the date column of the table whose day counts; without it every code counts that was ever in force.
    """

    file: Annotated[Path, PlainSerializer(lambda path: path.name)]
    digest: str = ""
    code: str
    from_: str | None = Field(None, alias="from")
    to: str | None = None
    at: OptionalName = None


class LookBack(Config):
    """How far back each delivery restates what it told before."""

    count: int = Field(gt=0)
    unit: Literal["d", "m", "y"]

    def start(self, day: date) -> date:
        """The first day that a delivery of that day restates; the last of a month that has no such day."""
        if self.unit == "d":
            return day - timedelta(days=self.count)
        months = day.year * 12 + day.month - 1 - self.count * (12 if self.unit == "y" else 1)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class Column(Config):
    """One column: its name, its header in the file, its type and how it is written.

    Attributes:
        aliases: other headers under which it may come.
        position: first and last character of a fixed-width line, counted from 1.
        clean: transforms applied when mapping, in order; the accepted text stays as it came.
    """

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
    aliases: tuple[str, ...] = ()
    position: tuple[int, int] | None = None
    clean: tuple[str, ...] = ()
    code_list: CodeList | None = None


class Rule(Config):
    """One rule on a table: a plain sentence, the expectation that judges it, and what happens to a row that breaks it.

    `kind` says what is shown to the expectation: parsed, given, listed, form, once, custom; or, for Kinfold's own
    expectations, valid, member, before or listed_in: a mark that says whether all is well. `args` are the expectation's
    own; of a member rule `table` and `to`, the columns there. `code_list` is the list of a listed_in rule.
    """

    name: str
    kind: str
    expect: str
    columns: tuple[str, ...]
    args: dict[str, Any] = Field(default_factory=dict)
    severity: Severity = "quarantine"
    owner: str = ""
    code_list: CodeList | None = None


class Table(Config):
    """One table of a feed.

    Attributes:
        path: record path in XML or JSON, without the root's slash; empty for tables that are files or sheets.
        header_row: from 1; 0 where there is none and columns come in the contract's order; None: to be detected.
        parent: the table that this one is nested in; `inherited` are the keys that it takes from its ancestors, and
            `carried` further columns of theirs that its rows take along.
    """

    name: str
    path: str = ""
    file: str | None = None
    sheet: str | None = None
    header_row: int | None = 1
    optional: bool = False
    columns: tuple[Column, ...]
    parent: str | None = None
    inherited: tuple[Column, ...] = ()
    carried: tuple[Column, ...] = ()
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
        """Those of its ancestors, then its own."""
        return (*self.above, *self.columns)

    @property
    def above(self) -> tuple[Column, ...]:
        """The columns that its rows have of the rows that they are nested in."""
        return (*self.inherited, *self.carried)


class Contract(Config):
    """What one feed brings, how it is judged, and what it tells.

    Attributes:
        interval: how often a delivery is due.
        lag: days from an event to its record, as a rule; dates history before the first delivery.
        volume_band: the share by which a snapshot may differ from the last one without being held.
        look_back: how far back each snapshot restates; what is older and absent stands as last told.
        keys_of: the feed whose person keys these are; its own, as a rule.
        delimiter, quote, encoding: None where they are to be detected.
        short_rows: whether a row with fewer cells than its header is a fault, or filled with nothing.
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
    look_back: LookBack | None = None
    keys_of: str
    xsd: Path | None = None
    xsd_severity: Severity = "quarantine"
    format: str
    globs: tuple[str, ...]
    delimiter: str | None = ","
    quote: str | None = '"'
    encoding: str | None = "utf-8"
    extra_columns: Literal["reject", "ignore"] = "reject"
    short_rows: Literal["fault", "fill"] = "fault"
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
        "mm": "%M", "ss": "%S", "SSS": "%3f", "XXX": "",
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
