"""The shelf of contracts that councils extend: one taken down, or extended for a test; and what became of a load."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from feedhouse import House

from feeds.contracts import Contract
from feeds.dialect import load_contract
from feeds.ledger import Load, current

SHELF = Path(__file__).parents[2] / "sites" / "library" / "feeds"
OWN = """\
apiVersion: v3.1.0
kind: DataContract
id: {id}
version: 1.0.0
status: active
customProperties:
  - {{property: extends, value: {base}}}
{rest}"""


@cache
def taken(name: str) -> Contract:
    """A contract of the library."""
    return load_contract(SHELF / f"{name}.odcs.yaml", strict=True)


def extended(folder: Path, base: str, rest: str) -> Contract:
    """A contract of the library as a council would extend it: `rest` goes on from its custom properties."""
    path = folder / f"own-{base}.odcs.yaml"
    where = os.path.relpath(SHELF / f"{base}.odcs.yaml", folder)
    path.write_text(OWN.format(id=f"own-{base}", base=where, rest=rest), encoding="utf-8")
    return load_contract(path, strict=True)


def broken(load: Load, severity: str) -> dict[str, int]:
    """How many rows broke each rule of a severity, by table and sentence; rules that nothing broke left out."""
    return {f"{r.table}: {r.rule}": r.rows for r in load.rules if r.rows and r.severity == severity}


def told(house: House, contract: Contract) -> dict[str, int]:
    """How many events of each kind are in force."""
    events = current(house.store, contract.id, "event")
    return dict(events.group_by("type").len().sort("type").rows())
