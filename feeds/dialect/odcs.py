"""The Open Data Contract Standard as far as a contract uses it: what may stand where, and how a mistake is told.

What belongs here: the names of attributes and properties, and walking over blocks of them. What each means belongs in
the modules that read them: `dialect`, `rulebook` and `meanings`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from feeds.dialect.inheritance import OWN, Part, Where
from warehouse.site import SiteError

TOP = (
    "apiVersion", "kind", "id", "name", "version", "status", "domain", "description", "tenant", "tags", "servers",
    "team", "slaProperties", "customProperties", "schema", "authoritativeDefinitions", "support", "roles",
    "contractCreatedTs", "dataProduct", "price",
)  # fmt: skip
SERVER = ("server", "id", "type", "path", "format", "description", "environment", "roles", "customProperties")
TABLE = (
    "id", "name", "physicalName", "physicalType", "logicalType", "description", "businessName", "tags", "properties",
    "quality", "customProperties", "authoritativeDefinitions", "dataGranularityDescription", "relationships",
)  # fmt: skip
COLUMN = (
    "id", "name", "physicalName", "physicalType", "logicalType", "logicalTypeOptions", "required", "unique",
    "primaryKey", "primaryKeyPosition", "classification", "enum", "description", "businessName", "examples", "tags",
    "customProperties", "criticalDataElement", "authoritativeDefinitions", "transformDescription", "transformLogic",
)  # fmt: skip
OPTIONS = ("format", "pattern", "minLength", "maxLength", "minimum", "maximum")
QUALITY = (
    "id", "name", "description", "type", "engine", "implementation", "severity", "dimension", "tags",
    "businessImpact", "customProperties",
)  # fmt: skip

# custom properties, which are Kinfold's own words
CONTRACT_PROPERTIES = (
    "partner", "delivery", "lag", "trust", "volumeBand", "lookBack", "xsd", "xsdSeverity", "keysOf", "keys_of", *OWN,
)  # fmt: skip
SERVER_PROPERTIES = ("delimiter", "quote", "encoding", "extraColumns", "sheet", "headerRow", "shortRows")
TABLE_PROPERTIES = (
    "file", "sheet", "headerRow", "optional", "inherits", "person", "yields", "person_ref", "reference", "messages",
    "codes", "withdrawn",
)  # fmt: skip
COLUMN_PROPERTIES = ("severity", "aliases", "position", "clean", "codes")
QUALITY_PROPERTIES = ("owner",)

BARE = "YAML reads a bare yes, no, on or off as a truth value: put it in quotes"

Custom = dict[str, tuple[Any, Where]]


class Walk:
    """A contract being read: the whole, and every mistake found so far with the place where it stands."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.mistakes: dict[tuple[str, int, str], None] = {}

    def wrong(self, where: Where, what: str) -> None:
        """Note a mistake; where a bare yes or no is what stands there, say so too."""
        spot = self.part.at(where)
        if isinstance(spot.value, bool) and where and self.part.at(where[:-1]).has(where[-1]) and "YAML" not in what:
            what = f"{what} {BARE}."
        said = spot.mistake((), what)
        self.mistakes[str(spot.path), spot.line, said] = None

    def told(self) -> list[str]:
        """Every mistake, in order of file and line."""
        return [said for _, _, said in sorted(self.mistakes)]

    def folder(self, where: Where) -> Path:
        """The folder of the file in which a place stands; names of files are relative to it."""
        return self.part.at(where).path.parent

    def beside(self, name: Any, where: Where) -> Path | None:
        """A file that is named by its path from the folder of the file that names it."""
        if isinstance(name, str) and name and "\0" not in name and (self.folder(where) / name).is_file():
            return self.folder(where) / name
        self.wrong(where, f"no file {name!r} beside the contract. Put it there, or correct the name.")
        return None

    def known(self, block: Any, names: Iterable[str], where: Where, what: str = "an attribute") -> dict[str, Any]:
        """The block as a mapping, unknown names reported with the nearest known one."""
        if not isinstance(block, dict):
            self.wrong(where, "expected names and values here. Check the indents.")
            return {}
        for name in block:
            if name not in names:
                self.wrong((*where, name), f"{name!r} is not {what} here{nearest(name, names)}. Correct or remove it.")
        return block

    def blocks(self, value: Any, where: Where) -> list[Any]:
        """The value as a list."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(where, "expected a list here: begin each entry with a dash.")
            return []
        return value

    def custom(self, holder: Mapping[str, Any], names: Iterable[str], where: Where) -> Custom:
        """The custom properties of a block: value and place by name."""
        found: Custom = {}
        at = (*where, "customProperties")
        for i, entry in enumerate(self.blocks(holder.get("customProperties"), at)):
            entry = self.known(entry, ("property", "value", "description", "id", "vendor"), (*at, i))
            name = str(entry.get("property"))
            if name not in names:
                near = nearest(name, names)
                self.wrong(
                    (*at, i, "property"),
                    f"{name!r} is not a property that is understood here{near}. Correct or remove it.",
                )
            elif name in found:
                self.wrong((*at, i, "property"), f"property {name!r} stands here twice. Remove one.")
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
            for e in error.errors(include_url=False):
                spot = (*where, *e["loc"])
                name = str(e["loc"][-1]) if e["loc"] else self.called(where)
                if e["type"] == "extra_forbidden":
                    near = nearest(name, _fields(model, e["loc"][:-1]))
                    self.wrong(spot, f"{name!r} is not an attribute here{near}. Correct or remove it.")
                elif e["type"] == "missing":
                    self.wrong(spot, f"{name!r} is missing. Add it.")
                else:
                    self.wrong(spot, f"{name!r}: {e['msg'].removeprefix('Value error, ')}. Correct it.")
            return None

    def called(self, where: Where) -> str:
        """What a place is called: the property whose value stands there, or the last step to it."""
        above = self.part.at(where[:-1])
        return str(above.value["property"].value if above.has("property") else where[-1] if where else "this")

    def choice(self, value: Any, among: tuple[str, ...], where: Where, what: str) -> bool:
        """Whether the value is one of those that may be said here."""
        if isinstance(value, str) and value in among:
            return True
        self.wrong(where, f"{value!r} is not {what}: choose {', '.join(among)}{nearest(str(value), among)}.")
        return False

    def truth(self, block: Mapping[str, Any], name: str, where: Where) -> bool:
        """An attribute that is true or false, and false where nothing is said."""
        value = block.get(name, False)
        if isinstance(value, bool):
            return value
        self.wrong((*where, name), f"{name} is true or false; found {value!r}. Correct it.")
        return False


def against_the_standard(part: Part) -> list[str]:
    """Where a contract departs from the strict JSON schema of the Open Data Contract Standard."""
    from jsonschema.exceptions import best_match

    mistakes = []
    for error in _standard().iter_errors(part.plain()):
        found = best_match([error])
        where = tuple(found.absolute_path)
        what = f"not valid against the Open Data Contract Standard: {found.message[:160]}. See its documentation."
        mistakes.append(part.mistake(where, what))
    return mistakes


@cache
def _standard() -> Any:
    """The validator of the strict ODCS schema, which the package `open-data-contract-standard` brings."""
    from jsonschema import Draft201909Validator

    spec = importlib.util.find_spec("open_data_contract_standard")
    if spec is None or spec.origin is None:
        raise SiteError(["the package open-data-contract-standard is not installed. Run `make install`."])
    return Draft201909Validator(json.loads((Path(spec.origin).parent / "schema.json").read_text(encoding="utf-8")))


def nearest(name: Any, known: Iterable[str]) -> str:
    """A question that names what was meant, if anything is near."""
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def _fields(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Names of the attributes of the model at a place within a model."""
    for step in loc:
        info = getattr(model, "model_fields", {}).get(step)
        args = getattr(info.annotation, "__args__", (info.annotation,)) if info else ()
        model = next((a for a in args if isinstance(a, type) and issubclass(a, BaseModel)), None)
    return [f.alias or n for n, f in getattr(model, "model_fields", {}).items()]
