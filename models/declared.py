"""How the files in which a council declares outcomes, indicators and cohorts are read.

What belongs here: spans of time, and mistakes with file, line and the nearest right spelling. What a file means
belongs in the module that uses it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError

from warehouse.site import Document, SiteError, read_yaml

Span = Annotated[str, Field(pattern=r"^[0-9]+(d|w|mo|y)$", description="a length of time: 14d, 6w, 9mo, 2y")]
Model = TypeVar("Model", bound=BaseModel)


def nearest(name: str, names: Collection[str]) -> str:
    """The nearest right spelling as a remedy in words, or the names there are."""
    close = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(sorted(names))}."


def read(path: Path, model: type[Model]) -> tuple[Model, Document]:
    """Read one YAML file into a model, together with the document, which knows on which line each value stands.

    Raises:
        SiteError: the file is absent, or every mistake in it with its line and the nearest right spelling.
    """
    if not path.is_file():
        raise SiteError([f"{path.name}: no such file in {path.parent.name}/. Add it, or remove what refers to it."])
    document = read_yaml(path)
    try:
        return model.model_validate(document.data), document
    except ValidationError as error:
        raise SiteError(document.mistake(e["loc"], _explain(e, model)) for e in error.errors()) from None


def check_types(document: Document, used: Iterable[tuple[tuple[str | int, ...], str]], types: Collection[str]) -> None:
    """Refuse types of events that no feed yields.

    Args:
        document: the file.
        used: where each type is named (keys and positions), and the type.
        types: the types there are.

    Raises:
        SiteError: each unknown type with its line and the nearest right spelling.
    """
    mistakes = [
        document.mistake(where, f"no feed tells of an event {name!r}. {nearest(name, types)}")
        for where, name in used
        if name not in types
    ]
    if mistakes:
        raise SiteError(mistakes)


def _explain(error: Any, model: type[BaseModel]) -> str:
    name = str(error["loc"][-1]) if error["loc"] else ""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name!r} is not an attribute here. {nearest(name, set(_fields(model)))}"
    if error["type"] == "missing":
        return f"{where!r} is missing. Add it."
    if error["type"] == "string_pattern_mismatch":
        return f"{where!r}: {error['input']!r} is no length of time. Write 14d, 6w, 9mo or 2y."
    said = error["msg"].removeprefix("Value error, ")
    found = "" if isinstance(error["input"], dict) else f"; found {error['input']!r}"
    return f"{where!r}: {said}{found}." if where else f"{said}."


def _fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
        for part in _models(field.annotation):
            yield from _fields(part)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
