"""A contract's YAML, each piece with the file and line where it stands, and one contract laid over another.

What belongs here: reading the text, and `extends` and `without`. What the words mean belongs in the modules that read
the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from warehouse.site import SiteError, read_yaml, short

Where = tuple[str | int, ...]

# what tells one entry of a list from another, where a contract lays its own list over that of its base
NAMED = {
    "servers": "server", "schema": "name", "properties": "name", "quality": "name", "customProperties": "property",
    "slaProperties": "property",
}  # fmt: skip
OWN = ("extends", "without")  # what a contract says of its base, and does not hand on
LARGEST = 500_000  # pieces of YAML; aliases can make a small file a large contract


@dataclass(frozen=True)
class Part:
    """A piece of YAML: parts by name, a list of parts, or a plain value; and where it stands."""

    value: Any
    path: Path
    line: int

    def plain(self) -> Any:
        """The piece as YAML reads it."""
        if isinstance(self.value, dict):
            return {name: part.plain() for name, part in self.value.items()}
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        return self.value

    def at(self, where: Iterable[str | int]) -> Part:
        """The deepest part that there is on the way to a place."""
        found = self
        for step in where:
            if not found.has(step):
                break
            found = found.value[step]
        return found

    def has(self, step: str | int) -> bool:
        """Whether there is a part of that name or position."""
        if isinstance(self.value, list):
            return isinstance(step, int) and 0 <= step < len(self.value)
        return isinstance(self.value, dict) and step in self.value

    def mistake(self, where: Iterable[str | int], what: str) -> str:
        """Say what is wrong at a place as `file:line: what`."""
        spot = self.at(where)
        return f"{short(spot.path)}:{spot.line}: {what}"


@dataclass(frozen=True)
class Whole:
    """A contract with all that it takes from its bases.

    Attributes:
        part: the merged whole.
        files: each file of the chain as it stands, the contract's own first.
        mistakes: what is wrong with the YAML itself, and with `extends` and `without`.
    """

    part: Part
    files: tuple[Part, ...]
    mistakes: tuple[str, ...]


def read_whole(path: Path) -> Whole:
    """Read a contract's file and those that it extends, and lay each over its base.

    Raises:
        SiteError: a file of the chain is missing or no YAML, or the chain has no end.
    """
    return _whole(path, ())


def _whole(path: Path, below: tuple[Path, ...]) -> Whole:
    own, mistakes = read_part(path)
    if not isinstance(own.value, dict):
        raise SiteError([f"{short(path)}:1: this is not a contract. Start from another one in the same folder."])
    extends = _custom(own, "extends")
    without = _custom(own, "without")
    if extends is None:
        if without is not None:
            mistakes.append(
                own.mistake((), "'without' drops from a base, and there is none. Add 'extends', or remove it.")
            )
        return Whole(_handed_on(own), (own,), tuple(mistakes))
    base_path = path.parent / extends.value if isinstance(extends.value, str) and extends.value else None
    said = f"{short(extends.path)}:{extends.line}:"
    if base_path is None or not base_path.is_file():
        near = _near(Path(str(extends.value)).name, _beside(base_path))
        raise SiteError(
            [
                *mistakes,
                f"{said} no contract {extends.value!r}, looked for from this file's folder{near}. Correct it.",
            ]
        )
    if base_path.resolve() in (p.resolve() for p in (path, *below)):
        raise SiteError([*mistakes, f"{said} {extends.value!r} extends this contract in turn. Break the loop."])
    base = _whole(base_path, (path, *below))
    kept = _less(base.part, without, mistakes)
    merged = _merged(kept, _handed_on(own))
    return Whole(merged, (own, *base.files), (*mistakes, *base.mistakes))


def _beside(path: Path | None) -> list[str]:
    return [p.name for p in path.parent.glob("*.odcs.yaml")] if path and path.parent.is_dir() else []


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def _custom(part: Part, name: str) -> Part | None:
    """The value of a custom property of a contract; None where it has none."""
    for entry in _entries(part, "customProperties"):
        if _plain_name(entry, "property") == name and "value" in entry.value:
            found: Part = entry.value["value"]
            return found
    return None


def _entries(part: Part, name: str) -> list[Part]:
    held = part.value.get(name) if isinstance(part.value, dict) else None
    return [e for e in held.value if isinstance(e.value, dict)] if held and isinstance(held.value, list) else []


def _plain_name(entry: Part, by: str) -> str | None:
    """What an entry of a list is called; None where it is not."""
    part = entry.value.get(by) if isinstance(entry.value, dict) else None
    return part.value if part and isinstance(part.value, str) else None


def _handed_on(part: Part) -> Part:
    """The part without what it says of its own base."""
    held = part.value.get("customProperties")
    if held is None or not isinstance(held.value, list):
        return part
    rest = [e for e in held.value if _plain_name(e, "property") not in OWN]
    value = {**part.value, "customProperties": Part(rest, held.path, held.line)}
    return Part(value, part.path, part.line)


def _less(base: Part, without: Part | None, mistakes: list[str]) -> Part:
    """The base without the tables, columns and rules that a contract drops; an unknown one is a mistake."""
    if without is None:
        return base
    if not isinstance(without.value, list):
        mistakes.append(without.mistake((), "expected a list of tables, and of columns as table.column, here."))
        return base
    for name in without.value:
        table, dot, inner = str(name.value).partition(".")
        held, tables = base.value.get("schema"), {_plain_name(t, "name"): t for t in _entries(base, "schema")}
        if table not in tables:
            near = _near(table, [t for t in tables if t])
            mistakes.append(name.mistake((), f"the base has no table {table!r}{near}. Name one that it has."))
            continue
        less = _less_inner(tables[table], inner) if dot else None
        if dot and less is None:
            near = _near(inner, _names_in(tables[table]))
            what = f"table {table!r} of the base has no column or rule {inner!r}{near}. Name one that it has."
            mistakes.append(name.mistake((), what))
            continue
        rest = [less if t is tables[table] else t for t in held.value if less or t is not tables[table]]
        base = Part({**base.value, "schema": Part(rest, held.path, held.line)}, base.path, base.line)
    return base


def _names_in(table: Part) -> list[str]:
    entries = [*_entries(table, "properties"), *_entries(table, "quality")]
    return [name for e in entries if (name := _plain_name(e, "name"))]


def _less_inner(table: Part, name: str) -> Part | None:
    """The table without a column or rule; None where it has none of that name."""
    for of in ("properties", "quality"):
        entries = _entries(table, of)
        rest = [e for e in entries if _plain_name(e, "name") != name]
        if len(rest) < len(entries):
            held = table.value[of]
            return Part({**table.value, of: Part(rest, held.path, held.line)}, table.path, table.line)
    return None


def _merged(base: Part, own: Part, name: str | int = "") -> Part:
    """One part laid over another: mappings merge, lists of named things by name, all else is replaced."""
    if isinstance(base.value, dict) and isinstance(own.value, dict):
        value = {**base.value}
        for key, part in own.value.items():
            if part.value is None and key in value:
                del value[key]  # said to be nothing: what the base says of it goes
            else:
                value[key] = _merged(value[key], part, key) if key in value else part
        return Part(value, own.path, own.line)
    by = NAMED.get(str(name))
    if by and isinstance(base.value, list) and isinstance(own.value, list):
        mine = {n: e for e in own.value if (n := _plain_name(e, by)) is not None}
        theirs = [_plain_name(e, by) for e in base.value]
        over = [_merged(e, mine[n]) if n in mine else e for e, n in zip(base.value, theirs, strict=True)]
        over = [e for e, n in zip(over, theirs, strict=True) if not (n in mine and _nothing(mine[n]))]
        more = [e for e in own.value if (n := _plain_name(e, by)) is None or n not in theirs]
        return Part([*over, *more], own.path, own.line)
    return own


def _nothing(entry: Part) -> bool:
    """Whether a property is said to be nothing: what the base says of it goes."""
    value = entry.value.get("value")
    return "property" in entry.value and value is not None and value.value is None


# -- the text -------------------------------------------------------------------------------------------------------


def read_part(path: Path) -> tuple[Part, list[str]]:
    """A file's YAML as parts, and what it says that YAML would read as something else.

    Raises:
        SiteError: it cannot be read or is no YAML; the message names the line.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_text(encoding="utf-8"))
        try:
            root = loader.get_single_node()
            mistakes: list[str] = []
            part = Part(None, path, 1) if root is None else _Text(path, loader, mistakes).part(root, 1, ())
        finally:
            loader.dispose()
    except OSError:
        raise SiteError(
            [f"{short(path)}:1: this file cannot be read. Check that it is there, and its permissions."]
        ) from None
    except RecursionError:
        raise SiteError([f"{short(path)}:1: this is nested too deeply for a contract. Check its brackets."]) from None
    except (yaml.YAMLError, ValueError):
        read_yaml(path)  # says where
        raise SiteError([f"{short(path)}:1: this is not YAML. Check quotes, colons and indents."]) from None
    return part, mistakes


class _Text:
    """One file's nodes being made into parts."""

    def __init__(self, path: Path, loader: Any, mistakes: list[str]) -> None:
        self.path, self.loader, self.mistakes = path, loader, mistakes
        self.made = 0

    def wrong(self, line: int, what: str) -> None:
        self.mistakes.append(f"{short(self.path)}:{line}: {what}")

    def part(self, node: yaml.Node, line: int, above: tuple[int, ...]) -> Part:
        self.made += 1
        if id(node) in above or self.made > LARGEST:
            raise SiteError([f"{short(self.path)}:{line}: an alias here repeats itself without end. Write it out."])
        if isinstance(node, yaml.MappingNode):
            value: Any = self.mapping(node, (*above, id(node)))
        elif isinstance(node, yaml.SequenceNode):
            value = [self.part(n, n.start_mark.line + 1, (*above, id(node))) for n in node.value]
        else:
            value = self.scalar(node, line)
        return Part(value, self.path, line)

    def mapping(self, node: yaml.MappingNode, above: tuple[int, ...]) -> dict[Any, Part]:
        said = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and said.count(key.value) > 1:
                self.wrong(
                    key.start_mark.line + 1, f"{key.value!r} stands here twice, and YAML keeps the last. Remove one."
                )
        self.loader.flatten_mapping(node)
        value: dict[Any, Part] = {}
        for key, inner in node.value:
            line = key.start_mark.line + 1
            name = self.scalar(key, line) if isinstance(key, yaml.ScalarNode) else None
            if isinstance(name, bool) or not isinstance(name, str | int | float):
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                self.wrong(line, f"YAML does not read {name!r} as a name here: put it in quotes.")
            value[name] = self.part(inner, line, above)
        return value

    def scalar(self, node: yaml.Node, line: int) -> Any:
        try:
            value = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            self.wrong(line, f"YAML cannot read {node.value!r} as what it looks like: put it in quotes.")
            return str(node.value)
        if isinstance(value, int) and not isinstance(value, bool) and str(value) != node.value.lstrip("+"):
            self.wrong(line, f"YAML reads {node.value} as the number {value}: put it in quotes to keep it as written.")
        return value
