"""A master key from anywhere, data keys under it, and nothing lost when the master key changes."""

from __future__ import annotations

import base64
import json
import pickle
import resource
import shutil
import traceback
from datetime import date
from pathlib import Path

import pytest
from keyhouse import MASTER, PEOPLE, VISITS, copied, killed_after, opened, unpacked, whole, written

from governance import keystore, master
from governance.audit import AuditLog
from governance.keys import KeyProblem, KeyRing, create, delivery_keys
from governance.keystore import store_file
from governance.rotation import rotate_master
from warehouse.tables import Zone

TODAY = date(2026, 11, 29)
OTHER = bytes(range(1, 33))


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    for name in (master.KEY, master.FILE, master.COMMAND, master.NEW):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A data folder as it was before there was a key store."""
    return unpacked(tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def upgraded(before, tmp_path_factory):
    """The same, once this version has opened it."""
    home = copied(before, tmp_path_factory.mktemp("upgraded") / "here")
    opened(home)
    return home


@pytest.fixture
def home(upgraded, tmp_path):
    return copied(upgraded, tmp_path / "copy")


def put(monkeypatch, folder: Path, text: str) -> None:
    """A key command: a program that does what the text says."""
    program = folder / "fetch-key"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o700)
    monkeypatch.setenv(master.COMMAND, str(program))


# -- where the master key comes from ---------------------------------------------------------------------------------


def test_a_command_may_print_the_master_key(home, tmp_path, monkeypatch):
    expected = KeyRing.load(home).key("record")
    (home.parent / "home.key").rename(tmp_path / "elsewhere")
    put(monkeypatch, tmp_path, f"cat {tmp_path}/elsewhere")
    assert KeyRing.load(home).key("record") == expected


def test_the_command_is_not_read_by_a_shell(home, tmp_path, monkeypatch):
    monkeypatch.setenv(master.COMMAND, f"echo c2VjcmV0; touch {tmp_path}/made")
    with pytest.raises(KeyProblem, match="not base64"):
        KeyRing.load(home)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("echo SECRET >&2; echo SECRET; exit 3", "exit code 3"),
        ("sleep 60 & sleep 60", "gave no key within"),
        ("yes SECRET", "prints more than a key"),
        ("echo SECRET!", "not base64"),
        ("echo U0VDUkVU", "6 bytes"),
    ],
)
def test_a_command_that_gives_no_key_stops_with_a_remedy_and_its_words_are_not_repeated(
    home, tmp_path, monkeypatch, capfd, does, told
):
    monkeypatch.setattr(master, "PATIENCE", 0.3)
    put(monkeypatch, tmp_path, does)
    with pytest.raises(KeyProblem, match=told) as caught:
        KeyRing.load(home)
    printed = capfd.readouterr()
    assert "SECRET" not in str(caught.value) + printed.out + printed.err


def test_two_places_for_the_key_are_one_too_many(home, monkeypatch):
    monkeypatch.setenv(master.KEY, base64.b64encode(MASTER).decode())
    monkeypatch.setenv(master.COMMAND, "true")
    with pytest.raises(KeyProblem, match="both set"):
        KeyRing.load(home)


def test_a_key_inside_the_data_is_refused_for_a_copy_of_the_data_would_have_its_key(home, monkeypatch):
    (home.parent / "home.key").rename(home / "ledger" / "key")
    monkeypatch.setenv(master.FILE, str(home / "ledger" / "key"))
    with pytest.raises(KeyProblem, match="inside the data"):
        KeyRing.load(home)


def test_nothing_has_a_default_key(tmp_path):
    with pytest.raises(KeyProblem, match="kinfold keys init"):
        KeyRing.load(tmp_path / "home")
    assert not (tmp_path / "home").exists()


# -- data folders of before ------------------------------------------------------------------------------------------


def test_a_folder_of_before_the_key_store_opens_with_its_ids_its_files_and_its_log(home):
    ring = KeyRing.load(home)
    for purpose in ("record", "person", "audit", "event", "vault/wrap"):
        assert ring.key(purpose) == KeyRing(MASTER).key(purpose)
    assert whole(home)
    assert len(delivery_keys(home)) == 1
    assert AuditLog(home / "ledger" / "audit", ring.key("audit")).verify() == []


def test_upgrading_killed_anywhere_and_begun_again_comes_to_the_same(before, tmp_path):
    step, killed = 0, True
    while killed:
        home = copied(before, tmp_path / str(step))
        with killed_after(step) as was:
            KeyRing.load(home)
        killed = was[0]
        assert whole(home)
        assert KeyRing.load(home).key("record") == KeyRing(MASTER).key("record")
        step += 1
    assert step > 5


def test_a_folder_of_before_is_not_upgraded_under_a_wrong_key(before, tmp_path):
    home = copied(before, tmp_path / "copy")
    written(home.parent / "home.key", OTHER)
    with pytest.raises(KeyProblem, match="not the master key of this data folder"):
        KeyRing.load(home)
    assert not store_file(home).exists()


def test_a_new_folder_has_random_keys_that_last(tmp_path):
    create(tmp_path / "home.key")
    found = KeyRing.load(tmp_path / "home").key("record")
    assert found == KeyRing.load(tmp_path / "home").key("record")
    assert found != KeyRing(master.read(tmp_path / "home")).key("record")


def test_a_key_that_is_lacking_is_made_once_whoever_asks_first(home):
    one, other = KeyRing.load(home), KeyRing.load(home)
    assert one.key("pseudonym/police/2026") == other.key("pseudonym/police/2026")
    assert one.key("pseudonym/police/2026") != one.key("pseudonym/health/2026")
    assert one.key("pseudonym/police/2026") == KeyRing.load(home).key("pseudonym/police/2026")


def test_killed_while_a_lacking_key_is_made_it_is_made_once(upgraded, tmp_path):
    step, killed = 0, True
    while killed:
        home = copied(upgraded, tmp_path / str(step))
        ring = KeyRing.load(home)
        with killed_after(step) as was:
            ring.key("pseudonym/police/2026")
        killed = was[0]
        assert KeyRing.load(home).key("pseudonym/police/2026") == KeyRing.load(home).key("pseudonym/police/2026")
        step += 1


# -- another master key ----------------------------------------------------------------------------------------------


def test_rotating_the_master_key_changes_no_data_key_and_the_old_one_opens_nothing(home):
    before = {purpose: KeyRing.load(home).key(purpose) for purpose in ("record", "audit", "vault/wrap")}
    old = master.read(home)
    kept = rotate_master(home, TODAY)
    assert {purpose: KeyRing.load(home).key(purpose) for purpose in before} == before
    assert whole(home) and len(delivery_keys(home)) == 1
    assert master.read(home) != old and master.read_file(kept, home) == old
    assert {p.stat().st_mode & 0o777 for p in (kept, home.parent / "home.key")} == {0o600}
    shutil.copy(kept, home.parent / "home.key")
    with pytest.raises(KeyProblem, match="not the master key"):
        KeyRing.load(home)


def test_killed_at_any_step_of_a_rotation_the_folder_opens_and_the_rotation_can_be_begun_again(upgraded, tmp_path):
    step, killed = 0, True
    while killed:
        home = copied(upgraded, tmp_path / str(step))
        with killed_after(step) as was:
            rotate_master(home, TODAY)
        killed = was[0]
        assert whole(home), f"after {step} changes"
        rotate_master(home, TODAY)
        assert whole(home), f"rotated again, after {step} changes"
        assert not master.successor(home.parent / "home.key").exists()
        step += 1
    assert step > 6


def test_a_key_from_the_environment_is_rotated_to_the_one_that_is_supplied(home, monkeypatch):
    (home.parent / "home.key").unlink()
    monkeypatch.setenv(master.KEY, base64.b64encode(MASTER).decode())
    running = KeyRing.load(home)
    with pytest.raises(KeyProblem, match="--new-key-file"):
        rotate_master(home, TODAY)
    with pytest.raises(KeyProblem, match="present one"):
        rotate_master(home, TODAY, MASTER)
    with pytest.raises(KeyProblem, match="5 bytes"):
        rotate_master(home, TODAY, b"short")
    assert rotate_master(home, TODAY, OTHER) is None
    with pytest.raises(KeyProblem, match="not the master key"):
        running.key("record")
    monkeypatch.setenv(master.KEY, base64.b64encode(OTHER).decode())
    assert whole(home) and running.key("record") == KeyRing(MASTER).key("record")


def test_a_process_that_runs_through_a_rotation_goes_on(home):
    running = KeyRing.load(home)
    expected = running.key("record")
    rotate_master(home, TODAY)
    assert running.key("record") == expected
    assert running.key("pseudonym/police/2026") == KeyRing.load(home).key("pseudonym/police/2026")


# -- attacks ---------------------------------------------------------------------------------------------------------


def test_an_attacker_cannot_open_a_stolen_data_folder_whose_master_key_stayed_behind(home, tmp_path):
    stolen = tmp_path / "stolen" / "home"
    shutil.copytree(home, stolen, symlinks=True)
    with pytest.raises(KeyProblem, match="no key"):
        KeyRing.load(stolen)
    secrets = [KeyRing(MASTER).key(purpose) for purpose in ("record", "audit", "vault/wrap", "vault/seal")]
    for path in (p for p in stolen.rglob("*") if p.is_file()):
        kept = path.read_bytes()
        assert b"PLANTED" not in kept
        assert not any(s in kept or s.hex().encode() in kept or base64.b64encode(s) in kept for s in [MASTER, *secrets])


def test_an_attacker_cannot_open_it_with_the_key_of_another_council(home):
    written(home.parent / "home.key", OTHER)
    before = store_file(home).read_bytes()
    with pytest.raises(KeyProblem, match="not the master key of this data folder"):
        KeyRing.load(home)
    assert store_file(home).read_bytes() == before


def test_an_attacker_cannot_put_a_store_of_their_own_in_place_of_the_councils(home, tmp_path):
    written(tmp_path / "mine.key", OTHER)
    KeyRing.load(tmp_path / "mine")
    shutil.copy(store_file(tmp_path / "mine"), store_file(home))
    with pytest.raises(KeyProblem, match="not the master key"):
        KeyRing.load(home)


@pytest.mark.parametrize(
    "forge",
    ["cut", "empty", "nothing", "list", "swapped", "moved", "taken out", "flipped", "made generation 2", "unsealed"],
)
def test_an_attacker_cannot_forge_cut_or_rearrange_the_key_store(home, forge):
    path = store_file(home)
    said = json.loads(path.read_text())
    keys = {entry["purpose"]: entry for entry in said["keys"]}
    if forge == "swapped":
        keys["record"]["wrapped"], keys["person"]["wrapped"] = keys["person"]["wrapped"], keys["record"]["wrapped"]
    elif forge == "moved":
        keys["record"]["purpose"] = "pseudonym/police/2026"
    elif forge == "taken out":
        said["keys"].remove(keys["vault/roster"])
    elif forge == "flipped":
        keys["audit"]["wrapped"] = "0" + keys["audit"]["wrapped"][1:]
    elif forge == "made generation 2":
        keys["vault/wrap"]["generation"] = 2
    elif forge == "unsealed":
        del said["seal"]
    text = json.dumps(said)
    path.write_text({"cut": text[:-40], "empty": "", "nothing": "null", "list": "[]"}.get(forge, text))
    with pytest.raises(KeyProblem, match="damaged"):
        KeyRing.load(home)


def test_an_attacker_cannot_have_keys_derived_as_of_old_by_taking_the_store_away(tmp_path):
    create(tmp_path / "home.key")
    _, store = opened(tmp_path / "home")
    store.put(Zone.VAULT, VISITS, {"person": PEOPLE})
    store_file(tmp_path / "home").unlink()
    with pytest.raises(KeyProblem, match="is missing"):
        KeyRing.load(tmp_path / "home")


def test_an_attacker_cannot_bring_a_leaked_master_key_back_by_an_older_store(home):
    older = store_file(home).read_bytes()
    rotate_master(home, TODAY)
    store_file(home).write_bytes(older)
    with pytest.raises(KeyProblem, match="not the master key"):
        KeyRing.load(home)


def test_an_attacker_cannot_read_a_key_from_repr_vars_pickle_or_a_traceback(home):
    ring = KeyRing.load(home)
    secrets = [ring.key("record"), ring.key("audit"), MASTER]
    with pytest.raises(KeyProblem):
        pickle.dumps(ring)
    try:
        ring.key("vault/wrap", 7)
    except KeyProblem as error:
        told = "".join(traceback.format_exception(error)) + repr(error)
    shown = f"{ring!r} {ring} {vars(ring)} {told}"
    assert not any(repr(s)[2:-1] in shown or s.hex() in shown or base64.b64encode(s).decode() in shown for s in secrets)


def test_an_attacker_cannot_find_a_key_in_the_memory_image_of_a_crash(home):
    KeyRing.load(home)
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def test_an_attacker_cannot_read_a_key_from_the_list_of_processes(home, tmp_path, monkeypatch):
    from pipelines.key_commands import keys

    put(monkeypatch, tmp_path, f"tr '\\0' '\\n' < /proc/$$/environ > {tmp_path}/around; cat {home.parent}/home.key")
    monkeypatch.setenv(master.NEW, "TkVX" * 12)
    KeyRing.load(home)
    around = (tmp_path / "around").read_text()
    assert "PATH=" in around and master.NEW not in around and master.COMMAND not in around
    named = [o for group in (keys, keys.commands["rotate"]) for c in group.commands.values() for o in c.params]
    assert {o.name for o in named if "key" in o.name} == {"new_key_file"}, "a key itself is never an argument"


def test_an_attacker_cannot_plant_the_next_master_key(home):
    written(master.successor(home.parent / "home.key"), OTHER)
    assert whole(home)
    assert master.read(home) == MASTER


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o666])
def test_a_key_file_that_others_may_read_or_write_stops_every_start(home, mode):
    (home.parent / "home.key").chmod(mode)
    with pytest.raises(KeyProblem, match="chmod 600"):
        KeyRing.load(home)


def test_no_purpose_of_before_the_store_may_be_forgotten_for_every_id_of_it_would_change():
    ids = {"record", "person", "event", "involvement", "relationship", "voice", "household", "case", "council", "alert"}
    assert ids | {"audit", "release", "recall", "review", "terms"} <= set(keystore.FORMER)


def test_a_new_data_folder_is_its_owners_alone_from_the_first_key_on(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    create(tmp_path / "key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(master.FILE, str(tmp_path / "key"))
        KeyRing.load(home)
    assert [path.stat().st_mode & 0o777 for path in (home, store_file(home).parent)] == [0o700, 0o700]
