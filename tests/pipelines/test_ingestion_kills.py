"""Ingestion killed at random moments and run again comes to what an undisturbed one does, nothing twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.feeds35 import deliver, site
from governance.keys import KeyRing, create, key_file
from governance.vault import Vault
from warehouse.site import PROJECT
from warehouse.store import Store
from warehouse.tables import Zone

FEEDS, DELIVERIES, HOMES, KILLS = 3, 2, 4, 5
# What is slow to import and starts no threads is imported once; each ingestion is a child, killed some time after it
# says that it is about to begin. It does what the step of each feed does.
CODE = """
import os, random, signal, sys, time
from datetime import datetime, timedelta
from pathlib import Path
import great_expectations, pydantic, polars

def ingest(home):
    said, say = os.pipe()
    child = os.fork()
    if child:
        os.close(say)
        assert os.read(said, 1) == b"!"
        os.close(said)
        return child
    from feeds.arrivals import settle
    from feeds.deliveries import find_deliveries
    from feeds.dialect import load_contracts
    from governance.keys import KeyRing
    from governance.vault import Vault
    from warehouse.store import Store
    ring = KeyRing.load(home)
    vault, contracts, now = Vault(ring), load_contracts(Path(sys.argv[1])), datetime(2026, 11, 20)
    store = Store(home, vault)
    os.write(say, b"!")
    found = find_deliveries(home / "drop", contracts, store, now, timedelta(0))
    for feed, contract in contracts.items():
        list(settle(contract, store, vault, ring, now, [one for one in found if one.feed == feed]))
    os._exit(0)

undisturbed, *homes = map(Path, sys.argv[3:])
child, began = ingest(undisturbed), time.perf_counter()
assert os.waitpid(child, 0)[1] == 0
whole, draw, met = time.perf_counter() - began, random.Random(11), 0
for home in homes:
    for _ in range(int(sys.argv[2])):
        child = ingest(home)
        time.sleep(draw.uniform(0, 0.6) * whole)
        os.kill(child, signal.SIGKILL)
        met += os.waitpid(child, 0)[1] == signal.SIGKILL
    assert os.waitpid(ingest(home), 0)[1] == 0
print(met)
"""


def kept(home: Path) -> dict[str, object]:
    """Every frame of every load but when it was loaded; and what lies in the landing zone and in the drop folder."""
    store = Store(home, Vault(KeyRing.load(home)))
    made: dict[str, object] = {}
    for feed in store.folders(Zone.VAULT, "feed"):
        for delivery in store.folders(Zone.VAULT, f"feed/{feed}"):
            for name in store.names(Zone.VAULT, f"feed/{feed}/{delivery}"):
                frame = store.get(Zone.VAULT, f"feed/{feed}/{delivery}", name).collect()
                made[f"{feed}/{delivery}/{name}"] = frame.drop("loaded_at", strict=False).rows()
    for zone in ("landing", "drop"):
        made[zone] = sorted(str(p.relative_to(home)) for p in (home / zone).rglob("*") if p.is_file())
    return made


def test_ingestion_killed_at_twenty_moments_and_run_again_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = site(tmp_path, FEEDS)
    homes = [tmp_path / f"home{n}" for n in range(HOMES + 1)]
    for home in homes:
        if home is homes[0]:
            create(key_file(home))
            KeyRing.load(home)
        else:
            shutil.copy(key_file(homes[0]), key_file(home))
            shutil.copytree(homes[0] / "keys", home / "keys")
        deliver(home / "drop", FEEDS, DELIVERIES, 30)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder), str(KILLS), *map(str, homes)],
        capture_output=True, text=True, cwd=PROJECT, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= HOMES * KILLS // 2, "most were killed before they were done"
    expected = kept(homes[0])
    assert len([name for name in expected if name.endswith("/load")]) == FEEDS * DELIVERIES
    for home in homes[1:]:
        assert kept(home) == expected
