"""A contract's file, in the Open Data Contract Standard, read into its model or refused with every mistake it holds.

What belongs here: where each word stands in the YAML, and how a mistake is told. What the words mean belongs in
`contracts`.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from feeds.contracts import (
    COLUMN,
    DELIVERIES,
    DETECT,
    FORMATS,
    KINDS,
    LOGICAL_TYPES,
    NESTED,
    SEVERITIES,
    SPEAKERS,
    YIELDS,
    CodeList,
    Column,
    Contract,
    LookBack,
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
_CUSTOM = {"partner", "delivery", "lag", "trust", "volumeBand", "lookBack", "xsd", "xsdSeverity", "keysOf", "keys_of"}
_SERVER_CUSTOM = {"delimiter", "quote", "encoding", "extraColumns", "sheet", "headerRow", "shortRows"}
_TABLE_CUSTOM = {
    "file", "sheet", "headerRow", "optional", "person", "yields", "person_ref", "reference", "messages", "codes",
    "withdrawn",
}  # fmt: skip
_COLUMN_CUSTOM = {"severity", "aliases", "position", "clean", "codes"}
_QUALITY_CUSTOM = {"owner"}
_DATED = ("date", "timestamp")
# Kinfold's own expectations: the kind of rule that each makes, and what else each may be told
_OWN = {
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
_COLUMN_ARGS = ("column", "column_A", "column_B", "column_list", "column_set")


class _Reading:
    """One file being read: what it says so far, and every mistake with the place it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[tuple[Where, str]] = []
        self.sheet: tuple[str | None, int | None] = (None, 1)
        self.owner_name = ""
        self.others: dict[str, set[str]] = {}

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
        team = data.get("team")
        owner = team.get("name", "") if isinstance(team, dict) else ""
        self.owner_name = str(owner or custom.get("partner", ("", ()))[0])
        tables = self.tables(data, server["format"], delivery)
        description = data.get("description")
        description = description if isinstance(description, dict) else {"purpose": str(description or "")}
        xsd = self.beside(*custom["xsd"]) if "xsd" in custom else None
        if "xsdSeverity" in custom:
            self.choice(custom["xsdSeverity"][0], SEVERITIES, custom["xsdSeverity"][1], "a severity")
        said: dict[str, Any] = {
            "id": data.get("id"),
            "name": data.get("name"),
            "version": str(data.get("version")),
            "domain": data.get("domain"),
            "partner": custom.get("partner", ("?", ()))[0],
            "owner": self.owner_name,
            "purpose": str(description.get("purpose") or "").strip(),
            "limitations": str(description.get("limitations") or "").strip(),
            "interval": self.interval(data),
            "delivery": delivery if delivery in DELIVERIES else "snapshot",
            "keys_of": (custom.get("keysOf") or custom.get("keys_of") or (data.get("id"), ()))[0],
            "xsd": xsd,
            "tables": tables,
            **server,
        }
        for name, attribute in (
            ("lag", "lag"), ("trust", "trust"), ("volumeBand", "volume_band"), ("xsdSeverity", "xsd_severity")
        ):  # fmt: skip
            if name in custom:
                said[attribute] = custom[name][0]
        if "lookBack" in custom:
            said["look_back"] = self.look_back(*custom["lookBack"])
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

    def look_back(self, value: Any, where: Where) -> LookBack | None:
        said = re.fullmatch(r"([1-9][0-9]{0,4})([dmy])", str(value))
        if not said:
            self.wrong(where, f"lookBack is how far back a delivery restates, such as 90d, 18m or 5y; found {value!r}.")
            return None
        return LookBack(count=int(said[1]), unit=said[2])  # type: ignore[arg-type]

    def beside(self, name: Any, where: Where) -> Path | None:
        """A file that the contract names by its path from the contract's own folder."""
        path = self.path.parent / str(name)
        if isinstance(name, str) and name and path.is_file():
            return path
        self.wrong(where, f"no file {name!r} beside the contract. Put it there, or correct the name.")
        return None

    def code_list(self, said: Any, where: Where) -> CodeList | None:
        """A list of codes in a file: the file is there and has the columns that are named."""
        if not isinstance(said, dict) or "file" not in said:
            self.wrong(where, "expected {file: <a CSV file>, code: <its column of codes>, from: , to: , at: }.")
            return None
        path = self.beside(said["file"], (*where, "file"))
        if path is None:
            return None
        content = path.read_bytes()
        read: CodeList | None = self.model(
            CodeList, {**said, "file": path, "digest": hashlib.sha256(content).hexdigest()}, where
        )
        if read is None:
            return None
        header = next(csv.reader(content.decode("utf-8-sig", errors="replace").splitlines()[:1]), [])
        for attribute, column in (("code", read.code), ("from", read.from_), ("to", read.to)):
            if column is not None and column not in header:
                self.wrong(
                    (*where, attribute),
                    f"{path.name} has no column {column!r}{_nearest(column, header)}. Its header: {', '.join(header)}.",
                )
        return read

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
        said_of_it = self.custom(server, _SERVER_CUSTOM, at)
        custom = {k: v[0] for k, v in said_of_it.items()}
        form = server.get("format", "csv")
        if server:
            self.choice(form, FORMATS, (*at, "format"), "a format that is read")
        spots = {k: v[1] for k, v in said_of_it.items()}
        encoding = str(custom.get("encoding", "utf-8"))
        try:
            codecs.lookup("utf-8" if encoding == DETECT else encoding)
        except (LookupError, ValueError):
            self.wrong(spots["encoding"], f"encoding {encoding!r} is not known. Try utf-8, windows-1252 or detect.")
        for name in ("delimiter", "quote"):
            if (
                name in custom
                and custom[name] != DETECT
                and (not isinstance(custom[name], str) or len(custom[name]) != 1)
            ):
                self.wrong(spots[name], f'{name} is one character, or detect; write a tab as "\\t".')
        first = self.header_row(custom["headerRow"], spots["headerRow"]) if "headerRow" in custom else 1
        self.sheet = custom.get("sheet"), 0 if form == "fixed" and "headerRow" not in custom else first
        said: dict[str, Any] = {"format": form, "globs": (str(server.get("path", "")),)}
        said["encoding"] = None if encoding == DETECT else encoding
        said |= {k: None if custom[k] == DETECT else custom[k] for k in ("delimiter", "quote") if k in custom}
        for name, attribute, among in (
            ("extraColumns", "extra_columns", ("reject", "ignore")),
            ("shortRows", "short_rows", ("fault", "fill")),
        ):
            if name in custom and self.choice(custom[name], among, spots[name], "what to do with them"):
                said[attribute] = custom[name]
        return said

    def header_row(self, value: Any, where: Where) -> int | None:
        if value == DETECT:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.wrong(where, f"headerRow is a row's number from 1, 0 for none, or detect; found {value!r}.")
        return 1

    def tables(self, data: dict[str, Any], form: str, delivery: str) -> tuple[Table, ...]:
        nested = form in NESTED
        blocks = self.blocks(data.get("schema"), ("schema",))
        drafts = [self.table(block, ("schema", i), form) for i, block in enumerate(blocks)]
        self.others = {d["name"]: {c.name for c in d["columns"]} for d in drafts if d}
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
            column = self.column(entry, (*at, "properties", i), rules, form)
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
            sentence = f"{what} {'is' if len(keys) == 1 else 'are'} given once"
            rules.append(_once(sentence, tuple(keys)).model_copy(update={"owner": self.owner_name}))
        nested = form in NESTED
        path = str(block.get("physicalName", "")).strip("/") if nested else ""
        return {
            "name": name,
            "path": "" if path == "." else path,
            "columns": tuple(columns),
            "rules": rules,
            "custom": custom,
            "quality": self.blocks(block.get("quality"), (*at, "quality")),
        }

    def column(self, entry: Any, at: Where, rules: list[Rule], format_: str) -> Column | None:
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
        more: dict[str, Any] = {}
        for attribute in ("aliases", "clean"):
            if attribute in custom:
                more[attribute] = self.model(Names, *custom[attribute]) or ()
        for transform in more.get("clean", ()):
            if transform not in _transforms():
                near = _nearest(transform, _transforms())
                self.wrong(custom["clean"][1], f"{transform!r} is not a transform{near}. See docs/transforms.md.")
        if "position" in custom:
            more["position"] = self.position(*custom["position"])
        if format_ == "fixed" and "position" not in custom:
            self.wrong(at, f"column {name!r} of a fixed-width file needs the property position: [first, last].")
        elif format_ != "fixed" and "position" in custom:
            self.wrong(custom["position"][1], "position is for fixed-width files; this format has headers. Remove it.")
        if "codes" in custom:
            more["code_list"] = self.code_list(*custom["codes"])
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
            **more,
        )
        update = {"severity": severity[0], "owner": self.owner_name}
        rules += [rule.model_copy(update=update) for rule in _column_rules(column, options)]
        return column

    def position(self, value: Any, where: Where) -> tuple[int, int] | None:
        if (
            isinstance(value, list)
            and len(value) == 2
            and all(type(v) is int for v in value)
            and 1 <= value[0] <= value[1]
        ):
            return value[0], value[1]
        self.wrong(where, f"position is [first, last], characters counted from 1, both included; found {value!r}.")
        return None

    def meaning(self, draft: dict[str, Any], at: Where, made: Mapping[str, Table]) -> Table | None:
        """The finished table: what its rows mean and the rules on them, every column that they name checked."""
        custom: dict[str, tuple[Any, Where]] = draft.pop("custom")
        quality = draft.pop("quality")
        names = {c.name for c in (*draft.get("inherited", ()), *draft["columns"])}
        rules: list[Rule] = [*draft.pop("rules")]
        for i, entry in enumerate(quality):
            rule = self.quality(entry, (*at, "quality", i), names, draft["columns"])
            if rule:
                rules.append(rule)
        for i, column in enumerate(draft["columns"]):
            if column.code_list and column.code_list.at:
                spot = (*at, "properties", i, "customProperties")
                self.dated_column(column.code_list.at, (*draft.get("inherited", ()), *draft["columns"]), spot)
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                self.wrong((*at, "quality"), f"two rules are called {rule.name!r}. Give each its own sentence.")
            seen.add(rule.name)
        said: dict[str, Any] = {**draft, "rules": tuple(rules)}
        sheet, header = self.sheet
        said["sheet"] = custom["sheet"][0] if "sheet" in custom else sheet
        said["header_row"] = self.header_row(*custom["headerRow"]) if "headerRow" in custom else header
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

    def dated_column(self, name: str, columns: Iterable[Column], where: Where) -> None:
        """Report a column that is not there, or holds no dates."""
        found = {c.name: c.type for c in columns}
        if name not in found:
            self.column_exists(name, set(found), where, "")
        elif found[name] not in _DATED:
            self.wrong(where, f"column {name!r} is a {found[name]}; a date is needed here. Name a column of dates.")

    def own(
        self, expect: str, body: dict[str, Any], at: Where, columns: tuple[Column, ...]
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Columns and arguments of one of Kinfold's own expectations, each mistake noted."""
        kind, more = _OWN[expect]
        self.known(body, ("expect", "column", "mostly", *more), at, "an argument")
        told = [str(c) for c in as_names(body.get("column_list") or body.get("column")) or ()]
        if not told:
            self.wrong(at, "which column? Add column: <name>.")
        args: dict[str, Any] = {k: body[k] for k in more if k in body and k != "column_list"}
        if "mostly" in body:
            args["mostly"] = body["mostly"]
        if expect.startswith("column_values_to_be_plausible"):
            for name in told:
                if any(c.name == name for c in columns):
                    self.dated_column(name, columns, (*at, "column"))
            if not isinstance(args.get("earliest", date.min), date):
                self.wrong((*at, "earliest"), "earliest is a day, written as 1900-01-01 without quotes.")
            for name in ("oldest", "days_ahead"):
                if type(args.get(name, 0)) is not int or args.get(name, 0) < 0:
                    self.wrong((*at, name), f"{name} is a whole number, none or more.")
        if kind == "before" and not any(c.key for c in columns):
            self.wrong(at, "to be as before, a row must be known again: give the table primaryKey columns.")
        if kind == "member":
            args["table"] = table = str(body.get("table"))
            args["to"] = to = tuple(str(c) for c in as_names(body.get("to", told)))
            if table not in self.others:
                self.wrong((*at, "table"), f"no table {table!r}{_nearest(table, self.others)}. Name another table.")
            for name in to if table in self.others else ():
                self.column_exists(name, self.others[table], (*at, "to"), table)
            if len(to) != len(told):
                self.wrong(at, f"{len(told)} columns cannot exist in {len(to)}. Name as many as there are.")
        return tuple(told), args

    def quality(self, entry: Any, at: Where, names: set[str], table_columns: tuple[Column, ...]) -> Rule | None:
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
        known = expectations() | set(_OWN)
        if expect not in known:
            self.wrong(
                (*at, "implementation", "expect"),
                f"{body['expect']!r} is no expectation that Great Expectations has{_nearest(expect, known)}.",
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
        kind, code_list = "custom", None
        if expect in _OWN:
            kind = _OWN[expect][0]
            told, args = self.own(expect, body, (*at, "implementation"), table_columns)
            columns = list(told)
            if kind == "listed_in":
                said = {k: v for k, v in body.items() if k not in ("expect", "column", "mostly")}
                code_list = self.code_list(said, (*at, "implementation"))
                if code_list and code_list.at:
                    self.dated_column(code_list.at, table_columns, (*at, "implementation", "at"))
        owner = self.custom(entry, _QUALITY_CUSTOM, at).get("owner", (self.owner_name, at))[0]
        if severity not in SEVERITIES:
            return None
        return Rule(
            name=str(entry.get("name")), kind=kind, expect=expect, columns=tuple(columns), args=args,
            severity=severity, owner=str(owner), code_list=code_list,
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
def _transforms() -> frozenset[str]:
    """Names of the transforms that a column's `clean` may use."""
    from feeds import cleaning

    return frozenset(getattr(cleaning, "TRANSFORMS", ()))


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
    if column.code_list:
        codes = column.code_list
        when = f" in force on {codes.at}" if codes.at else ""
        rules.append(
            Rule(
                name=f"{name} is a code of {codes.file.name}{when}", kind="listed_in",
                expect="column_values_to_be_in_code_list", columns=(name,), code_list=codes,
            )
        )  # fmt: skip
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
