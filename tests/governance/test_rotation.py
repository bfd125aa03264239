"""The vault's key is replaced file by file; killed anywhere it goes on, and nothing is ever lost."""

from __future__ import annotations

import base64
import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from keyhouse import MASTER, PEOPLE, VISITS, copied, files, killed_after, opened, unpacked, whole

from feeds.sealed import sealed
from governance import keystore
from governance.keys import KeyProblem, KeyRing
from governance.keystore import VAULT, WRAP
from governance.rotation import Moved, begin_vault, move_vault, retire, under
from warehouse.tables import Zone

TOMORROW = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1, hours=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder of before the key store, upgraded."""
    home = unpacked(tmp_path_factory.mktemp("made"))
    opened(home)
    return home


@pytest.fixture
def home(made, tmp_path):
    return copied(made, tmp_path / "copy")


def rotate(home: Path, anew: bool = False) -> Moved:
    vault, store = opened(home)
    return move_vault(vault, files(store), begin_vault(home, files(store), vault, anew))


def counts(home: Path) -> Counter[int]:
    vault, store = opened(home)
    return under(vault, files(store))


def data_key(home: Path) -> bytes:
    path, _ = next(opened(home)[1].files(Zone.VAULT))
    said = json.loads(Path(f"{path}.key").read_text())
    ring = KeyRing.load(home)
    return aes_key_unwrap(ring.key(WRAP, said.get("generation", 1)), base64.b64decode(said["wrapped_key"]))


def test_everything_comes_under_a_key_that_the_master_key_of_before_does_not_yield(home):
    assert counts(home) == {1: 4}
    assert rotate(home) == Moved(2, 4, 0, ())
    assert counts(home) == {2: 4} and whole(home)
    assert KeyRing.load(home).key(WRAP) != KeyRing(MASTER).key(WRAP)
    assert KeyRing.load(home).key("record") == KeyRing(MASTER).key("record"), "ids stay"


def test_by_plan_the_keys_of_files_stay_and_on_suspicion_each_gets_a_new_one(home):
    first, content = data_key(home), next(opened(home)[1].files(Zone.VAULT))[0].read_bytes()
    rotate(home)
    assert data_key(home) == first and next(opened(home)[1].files(Zone.VAULT))[0].read_bytes() == content
    rotate(home, anew=True)
    assert data_key(home) != first and next(opened(home)[1].files(Zone.VAULT))[0].read_bytes() != content
    assert counts(home) == {3: 4} and whole(home)


def test_what_has_landed_is_always_encrypted_anew(home):
    path, _ = next(sealed(opened(home)[1]))
    before = path.read_bytes()
    rotate(home)
    assert before[60:] != path.read_bytes()[60:]


@pytest.mark.parametrize("anew", [False, True])
def test_killed_at_any_step_everything_opens_and_the_next_call_goes_on_where_it_stopped(made, tmp_path, anew):
    step, killed = 0, True
    while killed:
        home = copied(made, tmp_path / str(step))
        with killed_after(step) as was:
            rotate(home, anew)
        killed = was[0]
        assert whole(home), f"after {step} changes"
        if counts(home) != {2: 4}:
            assert rotate(home, anew).generation == 2, "no generation more than is needed"
        assert whole(home) and counts(home) == {2: 4}
        left = [p.name for p in home.rglob("*~*") if not p.is_dir() and not p.is_symlink()]
        assert left == [], f"after {step} changes"
        step += 2
    assert step > 20


def test_a_rotation_by_plan_that_was_killed_can_go_on_as_one_on_suspicion(home):
    vault, store = opened(home)
    book = begin_vault(home, files(store), vault, anew=False)
    move_vault(vault, files(store)[:1], book)
    assert rotate(home, anew=True) == Moved(3, 4, 0, ())
    assert whole(home)


def test_a_damaged_file_is_named_left_as_it_is_and_keeps_its_generation_from_being_retired(home):
    vault, store = opened(home)
    path, _ = files(store)[0]
    path.write_bytes(path.read_bytes()[:-1])
    came = rotate(home)
    assert came.moved == 3 and len(came.refused) == 1 and path.name in came.refused[0]
    with pytest.raises(KeyProblem, match="1 files are under generation 1"):
        retire(home, 1, vault, files(store), TOMORROW)


def test_a_generation_is_destroyed_only_when_it_is_old_and_nothing_is_left_under_it(home):
    vault, store = opened(home)
    with pytest.raises(KeyProblem, match="in use"):
        retire(home, 1, vault, files(store), TOMORROW)
    begin_vault(home, files(store), vault, anew=False)
    with pytest.raises(KeyProblem, match="4 files are under generation 1"):
        retire(home, 1, vault, files(store), TOMORROW)
    rotate(home)
    with pytest.raises(KeyProblem, match="less than a day ago"):
        retire(home, 1, vault, files(store), TOMORROW - timedelta(hours=2))
    with pytest.raises(KeyProblem, match="no generation 9"):
        retire(home, 9, vault, files(store), TOMORROW)
    retire(home, 1, vault, files(store), TOMORROW)
    book = keystore.read(home, keystore.fitting(home))
    assert [e.generation for e in book.keys if e.purpose in VAULT] == [2, 2]
    assert {(r.purpose, r.generation) for r in book.retired} == {(purpose, 1) for purpose in VAULT}
    assert whole(home) and rotate(home).generation == 3


def test_what_a_process_writes_that_was_there_before_the_rotation_goes_under_the_new_key(home):
    _, store = opened(home)
    rotate(home)
    store.put(Zone.VAULT, VISITS, {"person": PEOPLE, "counts": PEOPLE.head(3)})
    assert counts(home) == {2: 4} and whole(home)


def test_a_file_that_is_replaced_meanwhile_is_passed_over(home):
    vault, store = opened(home)
    listed = files(store)
    book = begin_vault(home, listed, vault, anew=False)
    shutil.rmtree(listed[0][0].parent)
    came = move_vault(vault, listed, book)
    assert came.refused == () and came.moved == 2
