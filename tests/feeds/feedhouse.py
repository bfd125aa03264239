"""A contract's text to start from, and a council's empty house with a drop folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from feeds.contracts import Contract
from feeds.deliveries import find_deliveries, land
from feeds.intake import check
from feeds.ledger import Load
from governance import keys
from governance.vault import Vault
from warehouse.store import Store

NOW = datetime(2026, 11, 20, 2)
HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: {id}
name: A feed
version: 1.0.0
status: active
domain: police
servers: [{{server: drop, type: local, path: "in/*", format: {format}, customProperties: [{server}]}}]
customProperties:
  - {{property: partner, value: police}}
  - {{property: lag, value: 2}}
{custom}
schema:
{schema}
"""
PEOPLE = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: forename, logicalType: string}
      - {name: surname, logicalType: string, required: true}
      - {name: dob, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: sex, logicalType: string, enum: [{value: M}, {value: F}]}
      - {name: since, logicalType: date, required: true}
    customProperties:
      - property: person
        value: {key: ref, forename: forename, surname: surname, birth_date: dob, sex: sex}
      - property: yields
        value: [{event: offence, start: since, code: sex}]
"""
HEADER = "ref,forename,surname,dob,sex,since\n"


Make = Callable[..., Contract]


class House:
    """A council's store and keys, and a drop folder to put files into."""

    def __init__(self, home: Path, ring: keys.KeyRing | None = None) -> None:
        if ring is None:
            keys.create(home.with_name(home.name + ".key"))
        self.ring = ring or keys.KeyRing.load(home)
        self.vault = Vault(self.ring)
        self.store = Store(home, self.vault)
        self.drop = home / "drop"

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.drop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (NOW.timestamp() - 3600, NOW.timestamp() - 3600))
        return path

    def load(self, contract: Contract, name: str, content: str | bytes) -> Load:
        """Send one file and load it."""
        self.put(name, content)
        return self.load_all(contract)[-1]

    def load_all(self, contract: Contract) -> list[Load]:
        found = find_deliveries(self.drop, {contract.id: contract}, self.store, NOW, timedelta(0))
        return [
            check(contract, land(one, self.store, self.vault), self.store, self.vault, self.ring, NOW) for one in found
        ]
