"""A frame that is too large to be written at once is written in parts and read as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from governance import keys
from governance.vault import Vault
from warehouse.store import Store, StoreError
from warehouse.tables import Zone

PARTS = [pl.DataFrame({"a": [2 * i, 2 * i + 1]}) for i in range(12)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    keys.create(tmp_path / "home.key")
    return Store(tmp_path / "home", Vault(keys.KeyRing.load(tmp_path / "home")))


@pytest.mark.parametrize("zone", [Zone.VAULT, Zone.LEDGER])
def test_parts_of_a_frame_are_read_as_one_in_their_order(store: Store, zone: Zone) -> None:
    told = (("a" if i % 3 else "b", part) for i, part in enumerate(PARTS))
    store.put(zone, "f/x", told)
    assert store.names(zone, "f/x") == ["a", "b"]
    assert len(store.parts(zone, "f/x", "b")) == 4
    assert store.get(zone, "f/x", "b").collect()["a"].to_list() == [0, 1, 6, 7, 12, 13, 18, 19]
    assert store.get(zone, "f/x", "a").collect().height == 16


def test_a_frame_written_anew_in_fewer_parts_keeps_none_of_the_others(store: Store) -> None:
    store.put(Zone.VAULT, "f", [("a", part) for part in PARTS])
    store.put(Zone.VAULT, "f", {"a": PARTS[3]})
    assert store.get(Zone.VAULT, "f", "a").collect().equals(PARTS[3])


def test_what_fails_between_two_parts_leaves_the_folder_as_it_was(store: Store) -> None:
    store.put(Zone.VAULT, "f", {"a": PARTS[0]})

    def cut() -> Iterator[tuple[str, pl.DataFrame]]:
        yield "a", PARTS[1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(Zone.VAULT, "f", cut())
    assert store.get(Zone.VAULT, "f", "a").collect().equals(PARTS[0])
    assert len(list((store.home / "vault").iterdir())) == 2  # the folder, and the one generation that it points at


def test_a_name_that_would_read_as_a_part_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="is a part of one"):
        store.put(Zone.VAULT, "f", {"a.1": PARTS[0]})
