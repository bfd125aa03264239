"""A contract's file, in the Open Data Contract Standard, read into its model or refused with every mistake it holds.

What belongs here: the feed, its server and its tables. What it takes from its base belongs in `inheritance`, columns in
`columns`, rules in `rulebook`, what rows mean in `meanings`, and what the words mean in `contracts`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from feeds.contracts import (
    DELIVERIES,
    DETECT,
    FORMATS,
    NESTED,
    SEVERITIES,
    Column,
    Contract,
    LookBack,
    Names,
    Rule,
    Table,
)
from feeds.dialect.columns import column as read_column
from feeds.dialect.columns import headers
from feeds.dialect.inheritance import Where, Whole, read_whole
from feeds.dialect.meanings import meaning
from feeds.dialect.odcs import (
    CONTRACT_PROPERTIES,
    SERVER,
    SERVER_PROPERTIES,
    TABLE,
    TABLE_PROPERTIES,
    TOP,
    Custom,
    Walk,
    against_the_standard,
    nearest,
)
from feeds.dialect.rulebook import Rulebook, expectations, once
from warehouse.site import SiteError, short

__all__ = ["expectations", "load_contract", "load_contracts"]

DAYS = {"d": 1, "day": 1, "days": 1, "w": 7, "m": 30, "mo": 30, "q": 91, "y": 365, "yr": 365, "years": 365}
LONGEST = 40 * 365  # days between two deliveries

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
                f"contract{nearest(contract.keys_of, known)}. Name the feed whose keys it uses."
            )
    if mistakes:
        raise SiteError(dict.fromkeys(mistakes))
    return dict(sorted(contracts.items()))


def load_contract(path: Path, strict: bool = False) -> Contract:
    """Read one contract, with all that it takes from those that it extends.

    Raises:
        SiteError: every mistake in it, each with the file and line in which it stands.
    """
    whole = read_whole(path)
    reading = _Reading(whole)
    contract = reading.contract(whole.part.plain())
    mistakes = [*whole.mistakes, *reading.told()]
    if strict:
        for part in (*whole.files, whole.part)[: None if len(whole.files) > 1 else 1]:
            mistakes += against_the_standard(part)
    if mistakes or contract is None:
        raise SiteError(dict.fromkeys(mistakes))
    return contract


class _Reading(Walk):
    """One contract being read: what it says so far."""

    def __init__(self, whole: Whole) -> None:
        super().__init__(whole.part)
        self.format = "csv"
        self.sheet: tuple[Any, int | None] = (None, 1)
        self.owner = ""
        self.sought: list[tuple[Where, str, tuple[str, ...]]] = []

    def contract(self, data: dict[str, Any]) -> Contract | None:
        """The contract, or None where mistakes stand in its way; all of them are noted either way."""
        self.known(data, TOP, ())
        for name in ("apiVersion", "kind", "id", "name", "version", "domain", "servers", "schema"):
            if not data.get(name):
                self.wrong((name,), f"{name!r} is missing. Add it.")
        for name in ("id", "name", "domain"):
            if data.get(name) and not isinstance(data[name], str):
                self.wrong((name,), f"{name} is a text; found {data[name]!r}. Put it in quotes.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", str(data.get("id") or "x")):
            self.wrong(("id",), "the id names folders: letters, digits, hyphens and underscores only. Correct it.")
        custom = self.custom(data, CONTRACT_PROPERTIES, ())
        if "partner" not in custom:
            self.wrong(("customProperties",), "property 'partner' is missing: the party to the agreements. Add it.")
        team = data.get("team")
        self.owner = str((team.get("name") if isinstance(team, dict) else "") or custom.get("partner", ("", ()))[0])
        said = self.said_of_all(data, custom) | self.server(data)
        said["tables"] = tables = self.tables(data, said["delivery"])
        files = tuple(t.file for t in tables if t.file)
        said["globs"] = files or said["globs"]
        if not tables or self.mistakes:
            return None
        contract: Contract | None = self.model(Contract, said, ())
        return contract

    def said_of_all(self, data: dict[str, Any], custom: Custom) -> dict[str, Any]:
        """What a contract says of the whole feed."""
        description = data.get("description")
        description = description if isinstance(description, dict) else {"purpose": description}
        said: dict[str, Any] = {
            **{name: data.get(name) for name in ("id", "name", "domain")},
            "version": str(data.get("version")),
            "owner": self.owner,
            "purpose": str(description.get("purpose") or "").strip(),
            "limitations": str(description.get("limitations") or "").strip(),
            "interval": self.interval(data),
            "keys_of": (custom.get("keysOf") or custom.get("keys_of") or (data.get("id"), ()))[0],
            "delivery": "snapshot",
        }
        for name, among, what in (
            ("delivery", DELIVERIES, "a kind of delivery"), ("xsdSeverity", SEVERITIES, "a severity")
        ):  # fmt: skip
            if name in custom and self.choice(custom[name][0], among, custom[name][1], what):
                said[_attribute(name)] = custom[name][0]
        for name in ("partner", "lag", "trust", "volumeBand"):
            if name in custom:
                value = self.model(Contract.model_fields[_attribute(name)].annotation, *custom[name])
                said[_attribute(name)] = value
                if isinstance(value, int | float) and value < 0:
                    self.wrong(custom[name][1], f"{name} is nothing or more; found {value}. Correct it.")
        if "lookBack" in custom:
            said["look_back"] = self.look_back(*custom["lookBack"])
        if "xsd" in custom:
            said["xsd"] = self.beside(*custom["xsd"])
        return said

    def look_back(self, value: Any, where: Where) -> LookBack | None:
        said = re.fullmatch(r"([1-9][0-9]{0,2})([dmy])", str(value), re.ASCII)
        if not said:
            self.wrong(where, f"lookBack is how far back a delivery restates, such as 90d, 18m or 5y; found {value!r}.")
            return None
        look_back: LookBack | None = self.model(LookBack, {"count": int(said[1]), "unit": said[2]}, where)
        return look_back

    def interval(self, data: dict[str, Any]) -> timedelta:
        """How often a delivery is due: a week where nothing is said."""
        for i, entry in enumerate(self.blocks(data.get("slaProperties"), ("slaProperties",))):
            entry = entry if isinstance(entry, dict) else {}
            if entry.get("property") == "frequency":
                days, value = DAYS.get(str(entry.get("unit", "d"))), entry.get("value")
                if days and isinstance(value, int | float) and 0 < value * days <= LONGEST:
                    return timedelta(days=max(1, round(value * days)))
                self.wrong(("slaProperties", i), "frequency needs a value and a unit of d, w, m, q or y. Correct it.")
        return timedelta(days=7)

    def server(self, data: dict[str, Any]) -> dict[str, Any]:
        """Where the files lie and how they are written."""
        servers = self.blocks(data.get("servers"), ("servers",))
        at: Where = ("servers", 0)
        server = self.known(servers[0], SERVER, at) if servers else {}
        custom = self.custom(server, SERVER_PROPERTIES, at)
        if server and self.choice(server.get("format", "csv"), FORMATS, (*at, "format"), "a format that is read"):
            self.format = server.get("format", "csv")
        said: dict[str, Any] = {"format": self.format, "globs": (self.glob(server.get("path"), (*at, "path")),)}
        if "encoding" in custom:
            said["encoding"] = self.encoding(*custom["encoding"])
        for name in ("delimiter", "quote"):
            if name in custom:
                value, where = custom[name]
                said[name] = None if value == DETECT else value
                if value != DETECT and not (isinstance(value, str) and len(value) == 1 and value.isascii()):
                    self.wrong(where, f'{name} is one character, or detect; write a tab as "\\t".')
        for name, among in (("extraColumns", ("reject", "ignore")), ("shortRows", ("fault", "fill"))):
            if name in custom and self.choice(custom[name][0], among, custom[name][1], "what to do with them"):
                said[_attribute(name)] = custom[name][0]
        first = self.header_row(*custom["headerRow"]) if "headerRow" in custom else int(self.format != "fixed")
        self.sheet = custom.get("sheet", (None, ()))[0], first
        return said

    def glob(self, value: Any, where: Where) -> str:
        """A pattern of files below the drop folder."""
        parts = PurePosixPath(value).parts if isinstance(value, str) and value and "\0" not in value else ("..",)
        if ".." in parts or parts[0] == "/":
            self.wrong(where, f"expected a path below the drop folder, such as police/missing_*.csv; found {value!r}.")
        return str(value)

    def encoding(self, value: Any, where: Where) -> str | None:
        if value == DETECT:
            return None
        try:
            # bytes-to-bytes codecs such as base64 are known too, and are no encodings of text
            if codecs.lookup(str(value))._is_text_encoding:
                return str(value)
        except (LookupError, ValueError):
            pass
        self.wrong(where, f"encoding {value!r} is not known. Try utf-8, utf-16, windows-1252 or detect.")
        return None

    def header_row(self, value: Any, where: Where) -> int | None:
        if value == DETECT:
            return None
        if type(value) is int and 0 <= value < 10_000:
            return value
        self.wrong(where, f"headerRow is a row's number from 1, 0 for none, or detect; found {value!r}.")
        return 1

    # -- tables and columns -----------------------------------------------------------------------------------------

    def tables(self, data: dict[str, Any], delivery: str) -> tuple[Table, ...]:
        """The tables, in the contract's order: a table after those that it may stand in."""
        drafts = [
            self.table(block, ("schema", i)) for i, block in enumerate(self.blocks(data.get("schema"), ("schema",)))
        ]
        names = [d["name"] for d in drafts if d]
        made: dict[str, Table] = {}
        for i, draft in enumerate(drafts):
            if draft is None:
                continue
            name, at = draft["name"], ("schema", i)
            if name in made:
                self.wrong((*at, "name"), f"another table is called {name!r} too. Give each its own name.")
                continue
            parent = _parent(draft["path"], made) if self.format in NESTED else None
            draft["parent"], draft["inherited"] = parent, _inherited(draft["columns"], made[parent]) if parent else ()
            draft["carried"] = self.carried(draft, made[parent] if parent else None)
            table = self.finished(draft, at, made, names)
            if table is None:
                continue
            made[name] = table
            if delivery == "delta" and not table.key:
                self.wrong(at, f"table {name!r} of a delta needs primaryKey columns, to know which row is meant.")
            if delivery == "messages" and not parent and not table.messages:
                self.wrong(at, f"table {name!r} of messages needs the property 'messages', with the case's key.")
        for where, name, columns in self.sought:
            known = [c.name for c in made[name].all_columns] if name in made else columns
            for column in columns:
                if column not in known:
                    near = nearest(column, known)
                    self.wrong(where, f"table {name!r} has no column {column!r}{near}. Name one of its columns.")
        return tuple(made.values())

    def table(self, block: Any, at: Where) -> dict[str, Any] | None:
        """A table's columns and place in the file; what they mean comes after, once its parent is known."""
        block = self.known(block, TABLE, at)
        name = block.get("name")
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
            self.wrong((*at, "name"), f"a table needs a name of letters, digits and underscores; found {name!r}.")
            return None
        columns: list[Column] = []
        rules: list[Rule] = []
        positions: dict[str, int] = {}
        for i, entry in enumerate(self.blocks(block.get("properties"), (*at, "properties"))):
            column, made = read_column(self, entry, self.format, self.owner, (*at, "properties", i))
            rules += made
            if column and column.name in positions:
                self.wrong((*at, "properties", i), f"column {column.name!r} stands here twice. Remove one.")
            elif column:
                columns.append(column)
                place = entry.get("primaryKeyPosition", len(columns))
                positions[column.name] = place if type(place) is int else 0
                if type(place) is not int:
                    self.wrong((*at, "properties", i, "primaryKeyPosition"), "expected a whole number. Correct it.")
        if not columns:
            self.wrong((*at, "properties"), f"table {name!r} has no columns. Name those that it brings.")
            return None
        headers(self, columns, self.format in NESTED, (*at, "properties"))
        keys = sorted((c.name for c in columns if c.key), key=lambda n: positions[n])
        if keys:
            rules.append(once(tuple(keys)).model_copy(update={"owner": self.owner}))
        path = str(block.get("physicalName", "")).strip("/") if self.format in NESTED else ""
        return {
            "name": name,
            "path": "" if path == "." else path,
            "columns": tuple(columns),
            "rules": rules,
            "custom": self.custom(block, TABLE_PROPERTIES, at),
            "quality": self.blocks(block.get("quality"), (*at, "quality")),
        }

    def carried(self, draft: dict[str, Any], parent: Table | None) -> tuple[Column, ...]:
        """Columns of the tables above that a nested table's rows take along besides the keys."""
        value, where = draft["custom"].pop("inherits", ((), ()))
        names = self.model(Names, value, where) or ()
        above = {c.name: c for c in parent.all_columns} if parent else {}
        own = {c.name for c in (*draft["inherited"], *draft["columns"])}
        taken = []
        for name in names:
            if name in above and name not in own:
                taken.append(above[name])
            elif name not in own:
                near = nearest(str(name), above)
                self.wrong(where, f"no table above has a column {name!r}{near}. Name columns that it stands in.")
        return tuple(taken)

    def finished(
        self, draft: dict[str, Any], at: Where, made: Mapping[str, Table], tables: Iterable[str]
    ) -> Table | None:
        """The finished table: what its rows mean and the rules on them, every column that they name checked."""
        custom: Custom = draft.pop("custom")
        columns = (*draft["inherited"], *draft["carried"], *draft["columns"])
        rules: list[Rule] = draft.pop("rules")
        book = Rulebook(self, columns, any(c.key for c in draft["columns"]), tables, self.owner)
        rules += [r for i, q in enumerate(draft.pop("quality")) if (r := book.rule(q, (*at, "quality", i)))]
        self.sought += book.sought
        for i, column in enumerate(draft["columns"]):
            if column.code_list and column.code_list.at:
                book.column_exists(column.code_list.at, (*at, "properties", i, "customProperties"), dated=True)
        seen: set[str] = set()
        for rule in rules:
            if rule.name in seen:
                self.wrong((*at, "quality"), f"two rules are called {rule.name!r}. Give each its own sentence.")
            seen.add(rule.name)
        said: dict[str, Any] = {**draft, "rules": tuple(rules)}
        sheet, header = self.sheet
        said["sheet"] = custom["sheet"][0] if "sheet" in custom else sheet
        said["header_row"] = self.header_row(*custom["headerRow"]) if "headerRow" in custom else header
        if "file" in custom:
            said["file"] = self.glob(*custom["file"])
        if "optional" in custom:
            said["optional"] = self.model(bool, *custom["optional"])
        said |= meaning(self, draft["name"], custom, columns, made, at)
        table: Table | None = self.model(
            Table, {k: v for k, v in said.items() if v is not None or k == "header_row"}, at
        )
        return table


# -- small things ---------------------------------------------------------------------------------------------------


def _attribute(name: str) -> str:
    """A property's name as the model's attribute: volumeBand is volume_band."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def _parent(path: str, made: Mapping[str, Table]) -> str | None:
    """The table with the longest path that is a true prefix of this one; the message itself has the empty path."""
    above = [t for t in made.values() if t.path != path and (not t.path or path.startswith(t.path + "/"))]
    return max(above, key=lambda t: len(t.path)).name if above else None


def _inherited(columns: Iterable[Column], up: Table) -> tuple[Column, ...]:
    """What a nested table takes from the one that it stands in: its person's key, its primary key, its message's."""
    own = {c.name for c in columns}
    keys = {*up.key, *(k for p in up.person[:1] for k in p.key)} | ({up.messages.key} if up.messages else set())
    taken = tuple(c for c in up.columns if c.name in keys)
    return tuple(c for c in (*up.inherited, *taken) if c.name not in own)
