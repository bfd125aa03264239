"""The house's own rules: who imports whom, what is imported late, where identity may stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.site import PROJECT
from warehouse.tables import TABLES, Column, Table, Zone

ROOMS = ["pipelines", "assets", "summaries", "models", "linkage", "feeds", "governance", "warehouse"]
MODULES = sorted(path for room in [*ROOMS, "synthetic"] for path in (PROJECT / room).rglob("*.py"))
SLOW = {"great_expectations", "lightgbm", "sklearn", "splink", "pandas", "scipy", "lxml"}


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """First names of what a module imports; `top_only` leaves out imports inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PROJECT)))
def test_a_room_imports_only_from_rooms_further_down(path: Path) -> None:
    room = path.relative_to(PROJECT).parts[0]
    used = set(imports(path))
    if room == "synthetic":
        assert not used & set(ROOMS), "the invented borough knows nothing of the pipeline"
        return
    assert not used & set(ROOMS[: ROOMS.index(room)])
    if room not in ("pipelines", "assets"):
        assert "dagster" not in used
    if path.name not in ("demo.py", "cli.py"):
        assert "synthetic" not in used, "only the demonstration may know the invented borough and its truth"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PROJECT)))
def test_what_is_slow_to_import_is_imported_where_it_is_used(path: Path) -> None:
    assert not SLOW & set(imports(path, top_only=True))


def test_loading_the_definitions_imports_nothing_slow() -> None:
    code = f"import sys, pipelines.definitions; print(sorted({SLOW!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PROJECT)))
def test_every_module_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_identity_columns_stand_in_the_vault_alone() -> None:
    for table in TABLES.values():
        assert table.zone is Zone.VAULT or not any(column.identity for column in table.columns)
    with pytest.raises(ValueError, match="belong in the vault"):
        Table("leak", Zone.FACTS, "A leak.", ("surname",), (Column("surname", str, "family name", identity=True),))


def test_every_column_says_what_it_means() -> None:
    for table in TABLES.values():
        assert all(column.meaning for column in table.columns)
        assert len({column.name for column in table.columns}) == len(table.columns)
