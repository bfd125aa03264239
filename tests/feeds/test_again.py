"""The same delivery gives the same frames in another process, on any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys

from feedhouse import HEADER, House, Make

from warehouse.site import PROJECT

ROWS = "".join(f"{i},Ann{i % 7},Bo{i % 11},{i % 28 + 1:02}/02/2010,F,2026-01-{i % 28 + 1:02}\n" for i in range(500))
CODE = """
import sys
from pathlib import Path
from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.store import Store
from feeds.dialect import load_contract
from feeds.deliveries import delivered, opened
from feeds.mapping import mapped
from feeds.readers import read
home = Path(sys.argv[1])
ring = KeyRing.load(home)
vault = Vault(ring)
contract = load_contract(Path(sys.argv[2]))
landed = delivered("one", "2026-11-20", Store(home, vault))
frames, _ = mapped(contract, landed.delivery, read(contract, landed.names, lambda f: opened(landed, f, vault)), ring)
print({name: frame.hash_rows().to_list() for name, frame in sorted(frames.items())})
"""


def test_the_same_delivery_maps_to_the_same_bytes_on_any_number_of_threads(make: Make, house: House) -> None:
    house.load(make(), "in/a_2026-11-20.csv", HEADER + ROWS)
    site = house.store.home.parent / "site" / "feeds" / "one.odcs.yaml"
    told = [
        subprocess.run(
            [sys.executable, "-c", CODE, str(house.store.home), str(site)],
            capture_output=True, text=True, cwd=PROJECT, check=True, env={**os.environ, "POLARS_MAX_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1] != ""
