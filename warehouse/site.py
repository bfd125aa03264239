"""Where Kinfold's data and one council's configuration lie, and how a configuration file is read.

What belongs here: the two folders, and reading YAML into a pydantic model so that a mistake names file, line and
remedy. What a file means belongs in the room that uses it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

PROJECT = Path(__file__).resolve().parent.parent
Model = TypeVar("Model", bound=BaseModel)


class SiteError(Exception):
    """One or more mistakes in a council's configuration, each with file, line and remedy."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


class Config(BaseModel):
    """Base of every configuration model: unknown attributes are refused, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def home() -> Path:
    """The folder that holds all data: `KINFOLD_HOME`, else `.kinfold` in the project."""
    return Path(os.environ.get("KINFOLD_HOME") or PROJECT / ".kinfold").absolute()


def site() -> Path:
    """The council's folder of configuration: `KINFOLD_SITE` (a path, or a name under `sites/`), else the invented one.

    Raises:
        SiteError: the folder does not exist.
    """
    named = os.environ.get("KINFOLD_SITE") or "harrowmere"
    folder = Path(named) if Path(named).is_dir() else PROJECT / "sites" / named
    if not folder.is_dir():
        raise SiteError([f"KINFOLD_SITE is {named!r}: no such folder, here or under sites/. Name one that exists."])
    return folder.absolute()


@dataclass(frozen=True)
class Document:
    """A YAML file as read: its data, and the line on which each value stands, by its path of keys and positions.

    `sha256` is the digest of the file's bytes as they were read.
    """

    path: Path
    data: Any
    lines: Mapping[tuple[str | int, ...], int]
    sha256: str

    def mistake(self, where: Iterable[str | int], what: str) -> str:
        """Say what is wrong as `file:line: what`, at the deepest known point of `where`."""
        spot = tuple(where)
        while spot and spot not in self.lines:
            spot = spot[:-1]
        return f"{short(self.path)}:{self.lines.get(spot, 1)}: {what}"


def short(path: Path) -> str:
    """The path as a person would name it: from `sites` on, where it lies below such a folder."""
    parts = path.parts
    return str(Path(*parts[parts.index("sites") :])) if "sites" in parts else path.name


def read_yaml(path: Path, plain: bool = False) -> Document:
    """Read one YAML file and remember its lines.

    Args:
        path: the file.
        plain: refuse anchors, aliases and merge keys, so that everything is said where it stands.

    Raises:
        SiteError: the file is not YAML, or says one thing twice, of which YAML would take the last without a word; the
            message names the line.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
        try:
            data, lines = _read(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader), plain)
        except yaml.YAMLError:
            data, lines = _read(text, yaml.SafeLoader, plain)  # ten times as slow, and says better what is wrong
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise SiteError(
            [f"{short(path)}:{line}: this is not YAML: {problem}. Check quotes, colons and indents."]
        ) from None
    except _Twice as error:
        raise SiteError([f"{short(path)}:{error.line}: {error}"]) from None
    return Document(path, data, lines, hashlib.sha256(content).hexdigest())


class _Twice(Exception):
    """Something in a YAML file that would be read otherwise than it looks."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(what)


def _read(text: str, kind: Any, plain: bool) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    """What a text of YAML holds, and on which line each value stands."""
    lines: dict[tuple[str | int, ...], int] = {}
    seen: set[int] = set()

    def walk(node: yaml.Node, spot: tuple[str | int, ...]) -> None:
        lines[spot] = node.start_mark.line + 1
        if plain and (id(node) in seen or node.tag == "tag:yaml.org,2002:merge"):
            raise _Twice(lines[spot], "an alias stands for something written elsewhere. Write it out in this place.")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):  # what else is a key is refused below
                    line = key.start_mark.line + 1
                    if plain and key.tag == "tag:yaml.org,2002:merge":
                        raise _Twice(line, "`<<` brings in what is written elsewhere. Write it out in this place.")
                    if key.value in first:
                        raise _Twice(
                            line, f"{key.value!r} stands here twice, first on line {first[key.value]}. Remove one."
                        )
                    first[key.value] = line
                    walk(value, (*spot, key.value))
                    lines[(*spot, key.value)] = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode):
            for position, value in enumerate(node.value):
                walk(value, (*spot, position))

    loader = kind(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, lines
        walk(root, ())  # before merge keys are resolved, which moves nodes
        return loader.construct_document(root), lines
    finally:
        loader.dispose()


def read_config(path: Path, model: type[Model]) -> Model:
    """Read one YAML file into a pydantic model.

    Raises:
        SiteError: every mistake in the file, each with its line and what was expected.
    """
    return configured(read_yaml(path), model)


def configured(document: Document, model: type[Model]) -> Model:
    """The same for a file that was read already."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise SiteError(document.mistake(e["loc"], _explain(e)) for e in error.errors()) from None


def _explain(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name!r} is not an attribute here. Remove it, or check its spelling."
    if error["type"] == "missing":
        return f"{name!r} is missing. Add it."
    return f"{name!r}: {error['msg']}; found {error['input']!r}."
