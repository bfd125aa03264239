"""The page on contracts names every word that the code knows, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from feeds import contracts
from feeds.dialect import load_contract, odcs
from feeds.dialect.rulebook import OWN_EXPECTATIONS
from warehouse.site import PROJECT

PAGE = (PROJECT / "docs" / "contracts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS: tuple[type[BaseModel], ...] = (
    contracts.Person, contracts.FullName, contracts.Address, contracts.Event, contracts.Involvement,
    contracts.Relationship, contracts.Said, contracts.Place, contracts.Area, contracts.Dwelling, contracts.Messages,
    contracts.Reference,
)  # fmt: skip
WORDS = {
    *odcs.TOP, *odcs.SERVER, *odcs.TABLE, *odcs.COLUMN, *odcs.OPTIONS, *odcs.QUALITY, *odcs.CONTRACT_PROPERTIES,
    *odcs.SERVER_PROPERTIES, *odcs.TABLE_PROPERTIES, *odcs.COLUMN_PROPERTIES, *odcs.QUALITY_PROPERTIES,
    *contracts.FORMATS, *contracts.LOGICAL_TYPES, *contracts.DELIVERIES, *contracts.SEVERITIES, *contracts.YIELDS,
    *OWN_EXPECTATIONS, *(arg for _, args in OWN_EXPECTATIONS.values() for arg in args),
    *(info.alias or name for block in BLOCKS for name, info in block.model_fields.items()),
}  # fmt: skip


def test_the_page_names_every_word_that_a_contract_may_say() -> None:
    said = set(re.findall(r"[A-Za-z_]\w*", " ".join(re.findall(r"`([^`\n]+)`", PAGE)) + " ".join(EXAMPLES)))
    assert sorted(WORDS - said) == []
    plain = {*contracts.KINDS, *contracts.SPEAKERS, *contracts.JAVA}
    assert sorted(word for word in plain if not re.search(rf"\b{word}\b", PAGE)) == []


def test_the_whole_contract_of_the_page_loads(tmp_path: Path) -> None:
    path = tmp_path / "fire.odcs.yaml"
    path.write_text(EXAMPLES[0], encoding="utf-8")
    assert load_contract(path, strict=True).table("visit").person


def test_the_contract_of_the_page_that_extends_another_loads(tmp_path: Path) -> None:
    text = next(e for e in EXAMPLES if "extends" in e)
    path = tmp_path / "tax.odcs.yaml"
    path.write_text(text.replace("../../library", str(PROJECT / "sites/library")), encoding="utf-8")
    contract = load_contract(path, strict=True)
    assert [t.name for t in contract.tables] == ["liability"]
    assert contract.lag == 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_page_is_yaml(example: str) -> None:
    assert yaml.safe_load(example)


def test_links_within_the_page_and_to_its_neighbours_lead_somewhere() -> None:
    heads = {re.sub(r"[^a-z -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        if link.startswith("#"):
            assert link[1:] in heads, link
        elif not link.startswith("http"):
            assert (PROJECT / "docs" / link).is_file(), link
