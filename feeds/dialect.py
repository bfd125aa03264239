"""A contract's file, in the Open Data Contract Standard, read into its model or refused with every mistake it holds.

What belongs here: where each word stands in the YAML, and how a mistake is told. What the words mean belongs in
`contracts`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from feeds.contracts import (
    COLUMN,
    DELIVERIES,
    FORMATS,
    KINDS,
    LOGICAL_TYPES,
    SEVERITIES,
    SPEAKERS,
    YIELDS,
    Column,
    Contract,
    Messages,
    Names,
    Person,
    Reference,
    Rule,
    Table,
    When,
    as_names,
    as_text,
    strptime,
)
from warehouse.site import Document, SiteError, read_yaml, short

Where = tuple[str | int, ...]

# -- reading --------------------------------------------------------------------------------------------------------


def load_contracts(site: Path, strict: bool = False) -> dict[str, Contract]:
    """Read every contract under `<site>/feeds/`, by id, in order of id.

    Args:
        site: the council's folder.
        strict: also validate each against the JSON schema of the Open Data Contract Standard (about 20 ms a file).

    Raises:
        SiteError: every mistake in every file, each with file, line, what was meant and what to do.
    """
    mistakes: list[str] = []
    contracts: dict[str, Contract] = {}
    for path in sorted((site / "feeds").glob("*.odcs.yaml")):
        try:
            contract = load_contract(path, strict)
        except SiteError as error:
            mistakes += error.mistakes
            continue
        if contract.id in contracts:
            mistakes.append(f"{short(path)}:1: another contract has the id {contract.id!r} too. Give each its own.")
        contracts[contract.id] = contract
    known = set(contracts)
    for contract in contracts.values():
        if contract.keys_of not in known and not mistakes:
            mistakes.append(
                f"{short(site / 'feeds')}: contract {contract.id!r}: keysOf names {contract.keys_of!r}, which is no "
                f"contract{_nearest(contract.keys_of, known)}. Name the feed whose keys it uses."
            )
    if mistakes:
        raise SiteError(mistakes)
    return dict(sorted(contracts.items()))


def load_contract(path: Path, strict: bool = False) -> Contract:
    """Read one contract.

    Raises:
        SiteError: every mistake in it.
    """
    try:
        data = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError):
        data = read_yaml(path).data  # says where
    if not isinstance(data, dict):
        raise SiteError([f"{short(path)}:1: this is not a contract. Start from another one in the same folder."])
    reading = _Reading(path)
    contract = reading.contract(data)
    if strict:
        reading.against_the_standard(data)
    if reading.mistakes or contract is None:
        document = read_yaml(path)
        raise SiteError(_in_words(document, reading.mistakes))
    return contract


def _in_words(document: Document, mistakes: Iterable[tuple[Where, str]]) -> list[str]:
    said = dict.fromkeys(document.mistake(where, what) for where, what in mistakes)
    return sorted(said, key=lambda text: int(text.split(":", 2)[1]))


_TOP = {
    "apiVersion", "kind", "id", "name", "version", "status", "domain", "description", "tenant", "tags", "servers",
    "team", "slaProperties", "customProperties", "schema", "authoritativeDefinitions", "support", "roles",
    "contractCreatedTs", "dataProduct", "price",
}  # fmt: skip
_SERVER = {"server", "id", "type", "path", "format", "description", "environment", "roles", "customProperties"}
_TABLE = {
    "id", "name", "physicalName", "physicalType", "logicalType", "description", "businessName", "tags", "properties",
    "quality", "customProperties", "authoritativeDefinitions", "dataGranularityDescription", "relationships",
}  # fmt: skip
_COLUMNS = {
    "id", "name", "physicalName", "physicalType", "logicalType", "logicalTypeOptions", "required", "unique",
    "primaryKey", "primaryKeyPosition", "classification", "enum", "description", "businessName", "examples", "tags",
    "customProperties", "criticalDataElement", "authoritativeDefinitions", "transformDescription", "transformLogic",
}  # fmt: skip
_OPTIONS = {"format", "pattern", "minLength", "maxLength", "minimum", "maximum"}
_QUALITY = {
    "id", "name", "description", "type", "engine", "implementation", "severity", "dimension", "tags",
    "businessImpact", "customProperties",
}  # fmt: skip
_CUSTOM = {"partner", "delivery", "lag", "trust", "volumeBand", "lookBack", "xsd", "keysOf", "keys_of"}
_SERVER_CUSTOM = {"delimiter", "quote", "encoding", "extraColumns", "sheet", "headerRow"}
_TABLE_CUSTOM = {
    "file", "sheet", "headerRow", "optional", "person", "yields", "person_ref", "reference", "messages", "codes",
    "withdrawn",
}  # fmt: skip
_COLUMN_CUSTOM = {"severity"}
_COLUMN_ARGS = ("column", "column_A", "column_B", "column_list", "column_set")


class _Reading:
    """One file being read: what it says so far, and every mistake with the place it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[tuple[Where, str]] = []

    def wrong(self, where: Where, what: str) -> None:
        self.mistakes.append((where, what))

    def known(self, block: Any, names: Iterable[str], where: Where, what: str = "an attribute") -> dict[str, Any]:
        """The block as a mapping, unknown names reported with the nearest known one."""
        if not isinstance(block, dict):
            self.wrong(where, "expected names and values here. Check the indents.")
            return {}
        for name in block:
            if name not in names:
                self.wrong(
                    (*where, name),
                    f"{name!r} is not {what} here{_nearest(name, names)}. Correct or remove it.",
                )
        return block

    def blocks(self, value: Any, where: Where) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(where, "expected a list here: begin each entry with a dash.")
            return []
        return value

    def custom(self, holder: dict[str, Any], names: Iterable[str], where: Where) -> dict[str, tuple[Any, Where]]:
        """The custom properties of a block: value and place by name."""
        found: dict[str, tuple[Any, Where]] = {}
        at = (*where, "customProperties")
        for i, entry in enumerate(self.blocks(holder.get("customProperties"), at)):
            entry = self.known(entry, ("property", "value", "description", "id", "vendor"), (*at, i))
            name = str(entry.get("property"))
            if name not in names:
                self.wrong(
                    (*at, i, "property"),
                    f"{name!r} is not a property that is understood here{_nearest(name, names)}. Correct or remove it.",
                )
            elif "value" not in entry:
                self.wrong((*at, i), f"property {name!r} has no value. Add one.")
            else:
                found[name] = (entry["value"], (*at, i, "value"))
        return found

    def model(self, model: Any, value: Any, where: Where) -> Any:
        """A block as its model; None, and its mistakes noted, where it is not one."""
        try:
            return TypeAdapter(model).validate_python(value)
        except ValidationError as error:
            for e in error.errors():
                spot = (*where, *e["loc"])
                name = str(e["loc"][-1]) if e["loc"] else ""
                if e["type"] == "extra_forbidden":
                    near = _nearest(name, _fields(model, e["loc"][:-1]))
                    self.wrong(spot, f"{name!r} is not an attribute here{near}. Correct or remove it.")
                elif e["type"] == "missing":
                    self.wrong(spot, f"{name!r} is missing. Add it.")
                else:
                    self.wrong(spot, f"{name!r}: {e['msg']}. Correct it.")
            return None

    def choice(self, value: Any, among: tuple[str, ...], where: Where, what: str) -> bool:
        if value in among:
            return True
        self.wrong(where, f"{value!r} is not {what}: choose {', '.join(among)}{_nearest(str(value), among)}.")
        return False

    def contract(self, data: dict[str, Any]) -> Contract | None:
        """The contract, or None where mistakes stand in its way; all of them are noted either way."""
        self.known(data, _TOP, ())
        for name in ("apiVersion", "kind", "id", "name", "version", "domain", "servers", "schema"):
            if not data.get(name):
                self.wrong((name,), f"{name!r} is missing. Add it.")
        custom = self.custom(data, _CUSTOM, ())
        if "partner" not in custom:
            self.wrong(("customProperties",), "property 'partner' is missing: the party to the agreements. Add it.")
        delivery, at = custom.get("delivery", ("snapshot", ()))
        self.choice(delivery, DELIVERIES, at, "a kind of delivery")
        server = self.server(data)
        tables = self.tables(data, server["format"], delivery)
        description = data.get("description")
        description = description if isinstance(description, dict) else {"purpose": str(description or "")}
        team = data.get("team")
        owner = team.get("name", "") if isinstance(team, dict) else ""
        xsd = custom["xsd"][0] if "xsd" in custom else None
        if xsd and not (self.path.parent / xsd).is_file():
            self.wrong(custom["xsd"][1], f"no file {xsd!r} beside the contract. Put the schema there, or correct it.")
        said: dict[str, Any] = {
            "id": data.get("id"),
            "name": data.get("name"),
            "version": str(data.get("version")),
            "domain": data.get("domain"),
            "partner": custom.get("partner", ("?", ()))[0],
            "owner": owner or custom.get("partner", ("", ()))[0],
            "purpose": str(description.get("purpose") or "").strip(),
            "limitations": str(description.get("limitations") or "").strip(),
            "interval": self.interval(data),
            "delivery": delivery if delivery in DELIVERIES else "snapshot",
            "keys_of": (custom.get("keysOf") or custom.get("keys_of") or (data.get("id"), ()))[0],
            "xsd": self.path.parent / xsd if xsd else None,
            "tables": tables,
            **server,
        }
        for name, attribute in (
            ("lag", "lag"), ("trust", "trust"), ("volumeBand", "volume_band"), ("lookBack", "look_back")
        ):  # fmt: skip
            if name in custom:
                said[attribute] = custom[name][0]
        said["globs"] = server["globs"] if not any(t.file for t in tables) else tuple(t.file for t in tables if t.file)
        if not tables or self.mistakes:
            return None
        for name, attribute in (("lag", "lag"), ("trust", "trust"), ("volumeBand", "volume_band")):
            if name in custom:
                self.model(Contract.model_fields[attribute].annotation, *custom[name])
        if self.mistakes:
            return None
        contract: Contract | None = self.model(Contract, said, ())
        return contract

    def interval(self, data: dict[str, Any]) -> timedelta:
        days = {"d": 1, "day": 1, "days": 1, "w": 7, "m": 30, "mo": 30, "q": 91, "y": 365, "yr": 365, "years": 365}
        for i, entry in enumerate(self.blocks(data.get("slaProperties"), ("slaProperties",))):
            entry = entry if isinstance(entry, dict) else {}
            if entry.get("property") == "frequency":
                unit, value = entry.get("unit", "d"), entry.get("value")
                if unit not in days or not isinstance(value, int | float) or value <= 0:
                    self.wrong(("slaProperties", i), "frequency needs a value and a unit of d, w, m, q or y.")
                    return timedelta(days=7)
                return timedelta(days=max(1, round(value * days[unit])))
        return timedelta(days=7)

    def server(self, data: dict[str, Any]) -> dict[str, Any]:
        servers = self.blocks(data.get("servers"), ("servers",))
        at: Where = ("servers", 0)
        server = self.known(servers[0], _SERVER, at) if servers else {}
        custom = {k: v[0] for k, v in self.custom(server, _SERVER_CUSTOM, at).items()}
        form = server.get("format", "csv")
        if server:
            self.choice(form, FORMATS, (*at, "format"), "a format that is read")
        encoding = str(custom.get("encoding", "utf-8"))
        try:
            "".encode(encoding)
        except LookupError:
            self.wrong((*at, "customProperties"), f"encoding {encoding!r} is not known. Try utf-8 or windows-1252.")
        for name in ("delimiter", "quote"):
            if name in custom and len(str(custom[name])) != 1:
                self.wrong((*at, "customProperties"), f'{name} is one character; write a tab as "\\t".')
        self.sheet = custom.get("sheet"), custom.get("headerRow", 1)
        said: dict[str, Any] = {"format": form, "globs": (str(server.get("path", "")),), "encoding": encoding}
        said |= {k: custom[k] for k in ("delimiter", "quote") if k in custom}
        if "extraColumns" in custom:
            said["extra_columns"] = custom["extraColumns"]
            self.choice(custom["extraColumns"], ("reject", "ignore"), (*at, "customProperties"), "what to do with them")
        return said

    def tables(self, data: dict[str, Any], form: str, delivery: str) -> tuple[Table, ...]:
        nested = form in ("xml", "json", "jsonl")
        blocks = self.blocks(data.get("schema"), ("schema",))
        drafts = [self.table(block, ("schema", i), form) for i, block in enumerate(blocks)]
        made: dict[str, Table] = {}
        for i, draft in enumerate(drafts):
            if draft is None:
                continue
            name, at = draft["name"], ("schema", i)
            if name in made:
                self.wrong(at, f"another table is called {name!r} too. Give each its own name.")
                continue
            parent = _parent(draft["path"], made) if nested else None
            if parent:
                up = made[parent]
                own = {c.name for c in draft["columns"]}
                keys = {*up.key, *(k for p in up.person[:1] for k in p.key)}
                keys |= {up.messages.key} if up.messages else set()
                taken = tuple(c for c in up.columns if c.name in keys)
                draft["parent"] = parent
                draft["inherited"] = tuple(c for c in (*up.inherited, *taken) if c.name not in own)
            table = self.meaning(draft, at, made)
            if table:
                made[name] = table
                if delivery == "delta" and not table.key:
                    self.wrong(at, f"table {name!r} of a delta needs primaryKey columns, to know which row is meant.")
                if delivery == "messages" and not parent and not table.messages:
                    self.wrong(at, f"table {name!r} of messages needs the property 'messages', with the case's key.")
        return tuple(made.values())

    def table(self, block: Any, at: Where, form: str) -> dict[str, Any] | None:
        """A table's columns and place in the file; what they mean comes after, once its parent is known."""
        block = self.known(block, _TABLE, at)
        name = block.get("name")
        if not isinstance(name, str) or not name.isidentifier():
            self.wrong((*at, "name"), f"a table needs a name of letters, digits and underscores; found {name!r}.")
            return None
        custom = self.custom(block, _TABLE_CUSTOM, at)
        columns: list[Column] = []
        rules: list[Rule] = []
        positions: dict[str, int] = {}
        for i, entry in enumerate(self.blocks(block.get("properties"), (*at, "properties"))):
            column = self.column(entry, (*at, "properties", i), rules)
            if column and any(c.name == column.name for c in columns):
                self.wrong((*at, "properties", i), f"column {column.name!r} stands here twice. Remove one.")
            elif column:
                columns.append(column)
                positions[column.name] = entry.get("primaryKeyPosition", len(columns))
        if not columns:
            self.wrong((*at, "properties"), f"table {name!r} has no columns. Name those that it brings.")
            return None
        keys = sorted((c.name for c in columns if c.key), key=lambda n: positions[n])
        if keys:
            what = keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]} together"
            rules.append(_once(f"{what} {'is' if len(keys) == 1 else 'are'} given once", tuple(keys)))
        nested = form in ("xml", "json", "jsonl")
        path = str(block.get("physicalName", "")).strip("/") if nested else ""
        return {
            "name": name,
            "path": "" if path == "." else path,
            "columns": tuple(columns),
            "rules": rules,
            "custom": custom,
            "quality": self.blocks(block.get("quality"), (*at, "quality")),
        }

    def column(self, entry: Any, at: Where, rules: list[Rule]) -> Column | None:
        entry = self.known(entry, _COLUMNS, at)
        name = entry.get("name")
        if not isinstance(name, str) or not name.replace(" ", "_").isidentifier():
            self.wrong((*at, "name"), f"a column needs a name of letters, digits and underscores; found {name!r}.")
            return None
        if name.startswith("_"):
            self.wrong((*at, "name"), f"{name!r}: names that begin with an underscore are kept for Kinfold's own.")
        kind = entry.get("logicalType")
        self.choice(kind, LOGICAL_TYPES, (*at, "logicalType"), "a type that is read")
        options = self.known(entry.get("logicalTypeOptions") or {}, _OPTIONS, (*at, "logicalTypeOptions"))
        custom = self.custom(entry, _COLUMN_CUSTOM, at)
        severity = custom.get("severity", ("quarantine", at))
        if not self.choice(severity[0], SEVERITIES, severity[1], "a severity"):
            return None
        form = options.get("format")
        if form is not None and kind in ("date", "timestamp"):
            try:
                strptime(str(form))
            except ValueError as error:
                self.wrong((*at, "logicalTypeOptions", "format"), f"{error}. Write it like dd/MM/yyyy or yyyyMMdd.")
                form = None
        values: list[str] = []
        for i, value in enumerate(self.blocks(entry.get("enum"), (*at, "enum"))):
            try:
                values.append(as_text(value.get("value") if isinstance(value, dict) else value))
            except ValueError as error:
                self.wrong((*at, "enum", i), f"{error}.")
        column = Column(
            name=name,
            physical=str(entry.get("physicalName", name)),
            type=kind if kind in LOGICAL_TYPES else "string",
            format=form,
            required=bool(entry.get("required") or entry.get("primaryKey")),
            unique=bool(entry.get("unique")),
            key=bool(entry.get("primaryKey")),
            classification=str(entry.get("classification", "identity")),
            values=tuple(values),
            description=str(entry.get("description", "")),
        )
        rules += [rule.model_copy(update={"severity": severity[0]}) for rule in _column_rules(column, options)]
        return column

    def meaning(self, draft: dict[str, Any], at: Where, made: Mapping[str, Table]) -> Table | None:
        """The finished table: what its rows mean and the rules on them, every column that they name checked."""
        custom: dict[str, tuple[Any, Where]] = draft.pop("custom")
        quality = draft.pop("quality")
        names = {c.name for c in (*draft.get("inherited", ()), *draft["columns"])}
        rules: list[Rule] = [*draft.pop("rules")]
        for i, entry in enumerate(quality):
            rule = self.quality(entry, (*at, "quality", i), names)
            if rule:
                rules.append(rule)
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                self.wrong((*at, "quality"), f"two rules are called {rule.name!r}. Give each its own sentence.")
            seen.add(rule.name)
        said: dict[str, Any] = {**draft, "rules": tuple(rules)}
        sheet, header = self.sheet
        said["sheet"] = custom["sheet"][0] if "sheet" in custom else sheet
        said["header_row"] = custom["headerRow"][0] if "headerRow" in custom else header
        for name in ("file", "optional"):
            if name in custom:
                said[name] = custom[name][0]
        if "person" in custom:
            value, where = custom["person"]
            several = value if isinstance(value, list) else [value]
            people = [self.model(Person, p, (*where, i) if several is value else where) for i, p in enumerate(several)]
            said["person"] = tuple(p for p in people if p)
        if "yields" in custom:
            value, where = custom["yields"]
            told = [self.told(entry, (*where, i), names) for i, entry in enumerate(self.blocks(value, where))]
            said["yields"] = tuple(y for y in told if y)
        plain: dict[str, Any] = {"withdrawn": When, "person_ref": Names, "codes": dict[str, dict[str, Any]]}
        for name, model in {"reference": Reference, "messages": Messages, **plain}.items():
            if name in custom:
                read = self.model(model, *custom[name])
                said[name] = read if read is not None or name not in plain else {}
        try:
            codes = said.get("codes") or {}
            said["codes"] = {c: {as_text(k): as_text(v) for k, v in m.items()} for c, m in codes.items()}
        except ValueError as error:
            self.wrong(custom["codes"][1], f"{error}.")
            said["codes"] = {}
        for name in ("person", "yields", "reference", "messages"):
            if name in custom and said.get(name):
                self.columns_exist(said[name], names, custom[name][1], draft["name"])
        for name in ("person_ref", "withdrawn", "codes"):
            for column in said.get(name) or ():
                self.column_exists(column, names, custom[name][1], draft["name"])
        if said.get("yields") and not said.get("person") and not said.get("person_ref"):
            said["person_ref"] = self.owner(names, made, at)
        if self.mistakes:
            return None if not all(isinstance(c, Column) for c in said["columns"]) else self.model(Table, said, at)
        table: Table | None = self.model(Table, said, at)
        return table

    def owner(self, names: set[str], made: Mapping[str, Table], at: Where) -> tuple[str, ...]:
        """The columns that say whose a row is: the key of an earlier table's person, if this table has it too."""
        for table in made.values():
            for person in table.person:
                if set(person.key) <= names:
                    return person.key
        self.wrong((*at, "customProperties"), "whose rows are these? Name the person's key column as 'person_ref'.")
        return ()

    def told(self, entry: Any, at: Where, names: set[str]) -> Any:
        kind = next((k for k in YIELDS if isinstance(entry, dict) and k in entry), None)
        if kind is None:
            known = ", ".join(YIELDS)
            near = _nearest(next(iter(entry), ""), YIELDS) if isinstance(entry, dict) else ""
            self.wrong(at, f"a row can tell one of {known}{near}. Begin the entry with one of them.")
            return None
        entry = dict(entry)
        if kind == "relationship" and entry[kind] not in names and entry[kind] in KINDS:
            entry[kind] = {"const": entry[kind]}
        said = entry.get("voice")
        if isinstance(said, dict) and said.get("said_by") in SPEAKERS and said["said_by"] not in names:
            entry["voice"] = {**said, "said_by": {"const": said["said_by"]}}
        return self.model(YIELDS[kind], entry, at)

    def columns_exist(self, block: Any, names: set[str], where: Where, table: str) -> None:
        """Report every column that a block names and the table has not."""
        if isinstance(block, tuple):
            for i, entry in enumerate(block):
                self.columns_exist(entry, names, (*where, i), table)
            return
        for field, info in type(block).model_fields.items():
            value, spot = getattr(block, field), (*where, info.alias or field)
            if isinstance(value, BaseModel):
                self.columns_exist(value, names, spot, table)
            elif COLUMN in info.metadata and value:
                for column in (value,) if isinstance(value, str) else value:
                    self.column_exists(column, names, spot, table)

    def column_exists(self, column: str, names: set[str], where: Where, table: str) -> None:
        if column not in names:
            self.wrong(
                where,
                f"table {table!r} has no column {column!r}{_nearest(column, names)}. Name one of its columns.",
            )

    def quality(self, entry: Any, at: Where, names: set[str]) -> Rule | None:
        entry = self.known(entry, _QUALITY, at)
        if entry.get("type") == "text":
            return None  # words for the reader; nothing to run
        severity = entry.get("severity", "quarantine")
        self.choice(severity, SEVERITIES, (*at, "severity"), "a severity")
        if not entry.get("name"):
            self.wrong(at, "a rule needs a name: the plain sentence that a partner reads when a row breaks it.")
        if entry.get("type") != "custom" or entry.get("engine") != "greatExpectations":
            self.wrong(at, "a rule needs type: custom and engine: greatExpectations, the one judge here.")
            return None
        body = entry.get("implementation")
        if not isinstance(body, dict) or "expect" not in body:
            self.wrong((*at, "implementation"), "expected {expect: <name of an expectation>, column: ..., ...}.")
            return None
        expect = str(body["expect"]).removeprefix("expect_")
        if expect not in expectations():
            self.wrong(
                (*at, "implementation", "expect"),
                f"{body['expect']!r} is no expectation that Great Expectations has{_nearest(expect, expectations())}.",
            )
            return None
        args = {k: v for k, v in body.items() if k != "expect"}
        columns: list[str] = []
        for arg in _COLUMN_ARGS:
            for column in as_names(args.get(arg)) or ():
                self.column_exists(str(column), names, (*at, "implementation", arg), "")
                columns.append(str(column))
        if "mostly" in args and severity == "quarantine":
            self.wrong((*at, "implementation", "mostly"), "a rule on a share of rows can warn or reject only.")
        if severity not in SEVERITIES:
            return None
        return Rule(
            name=str(entry.get("name")), kind="custom", expect=expect, columns=tuple(columns), args=args,
            severity=severity,
        )  # fmt: skip

    def against_the_standard(self, data: dict[str, Any]) -> None:
        """Note where the file departs from the JSON schema of the Open Data Contract Standard."""
        from jsonschema.exceptions import best_match

        for error in _standard().iter_errors(data):
            found = best_match([error])
            self.wrong(
                tuple(found.absolute_path),
                f"not valid against the Open Data Contract Standard: {found.message[:160]}. See its documentation.",
            )


# -- small things ---------------------------------------------------------------------------------------------------


@cache
def expectations() -> frozenset[str]:
    """Names of the expectations that Great Expectations has, without `expect_`; it is not imported (4 seconds)."""
    spec = importlib.util.find_spec("great_expectations")
    if spec is None or spec.origin is None:
        return frozenset()
    core = Path(spec.origin).parent / "expectations" / "core"
    return frozenset(p.stem.removeprefix("expect_") for p in core.glob("expect_*.py"))


@cache
def _standard() -> Any:
    """The validator of the strict ODCS schema, which the package `open-data-contract-standard` brings."""
    from jsonschema import Draft201909Validator

    spec = importlib.util.find_spec("open_data_contract_standard")
    if spec is None or spec.origin is None:
        raise SiteError(["the package open-data-contract-standard is not installed. Run `make install`."])
    return Draft201909Validator(json.loads((Path(spec.origin).parent / "schema.json").read_text(encoding="utf-8")))


def _column_rules(column: Column, options: Mapping[str, Any]) -> list[Rule]:
    """The rules that a column's own attributes make."""
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
        rules.append(_once(f"{name} is given once", (name,)))
    return rules


def _once(sentence: str, columns: tuple[str, ...]) -> Rule:
    return Rule(name=sentence, kind="once", expect="column_values_to_be_unique", columns=columns)


def _between(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _parent(path: str, made: Mapping[str, Table]) -> str | None:
    """The table with the longest path that is a true prefix of this one; the message itself has the empty path."""
    above = [t for t in made.values() if t.path != path and (not t.path or path.startswith(t.path + "/"))]
    return max(above, key=lambda t: len(t.path)).name if above else None


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def _fields(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Names of the attributes of the model at a place within a model."""
    for step in loc:
        info = getattr(model, "model_fields", {}).get(step)
        args = getattr(info.annotation, "__args__", (info.annotation,)) if info else ()
        model = next((a for a in args if isinstance(a, type) and issubclass(a, BaseModel)), None)
    return [f.alias or n for n, f in getattr(model, "model_fields", {}).items()]
