"""A site of one contract, and a council's empty house, made afresh for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from feedhouse import HEAD, PEOPLE, House, Make

from feeds.contracts import Contract
from feeds.dialect import load_contract


@pytest.fixture(scope="session")
def standing() -> set[str]:
    """Contracts that were held to the letter of the standard, which takes as long as all else about them."""
    return set()


@pytest.fixture
def make(tmp_path: Path, standing: set[str]) -> Make:
    """Makes a contract of a format from its schema."""

    def made(
        schema: str = PEOPLE,
        format: str = "csv",
        server: str = "",
        delivery: str = "snapshot",
        custom: str = "",
        id: str = "one",
    ) -> Contract:
        folder = tmp_path / "site" / "feeds"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{id}.odcs.yaml"
        custom = f"  - {{property: delivery, value: {delivery}}}\n{custom}"
        text = HEAD.format(id=id, format=format, server=server, custom=custom, schema=schema)
        path.write_text(text, encoding="utf-8")
        contract = load_contract(path, strict=text not in standing)
        standing.add(text)
        return contract

    return made


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return House(tmp_path / "home")
