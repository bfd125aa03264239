"""What somebody who can write to the data folder, and has no key, wants of the vault; and that none of it works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from time import process_time

import polars as pl
import pytest
from keyhouse import LANDED, MODEL, PEOPLE, VISITS, copied, files, killed_after, opened, unpacked

from feeds.sealed import sealed
from governance import roster as rosters
from governance.keys import KeyRing, create
from governance.keystore import VAULT, fitting, without
from governance.rotation import begin_vault, move_vault
from governance.vault import Vault, VaultError
from warehouse.store import Store, StoreError
from warehouse.tables import Zone

REGISTER = "decisions"
ALSO = "feed/visits/2026-11-21"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder of this version: two nights of a feed, a model, a register, a landed file."""
    folder = tmp_path_factory.mktemp("made")
    create(folder / "home.key")
    vault, store = opened(folder / "home")
    for name in (VISITS, ALSO):
        store.put(Zone.VAULT, name, {"person": PEOPLE, "counts": PEOPLE.head(3)})
    store.put(Zone.VAULT, MODEL, {"surname": PEOPLE.select("surname")})
    store.put(Zone.VAULT, REGISTER, {"never": PEOPLE.head(1)})
    landed = folder / "home" / "landing" / "visits" / "2026-11-20"
    landed.mkdir(parents=True)
    (folder / "plain").write_bytes(LANDED)
    for number, name in enumerate(("in/a.csv", "in/b.csv")):
        vault.seal(folder / "plain", landed / f"{number:03}.sealed", f"landing/visits/2026-11-20/{name}")
    said = [{"path": name, "size": 1, "sha256": "", "folder": False} for name in ("in/a.csv", "in/b.csv")]
    (landed / "delivery.json").write_text(json.dumps({"digest": "d", "files": said}))
    (folder / "plain").unlink()
    return folder / "home"


@pytest.fixture
def home(made, tmp_path):
    return copied(made, tmp_path / "copy")


def file_of(home: Path, folder: str = VISITS, name: str = "person") -> Path:
    link = home / "vault" / folder
    return link.parent / link.readlink() / f"{name}.parquet"


def read(home: Path, folder: str = VISITS, name: str = "person") -> pl.DataFrame:
    return opened(home)[1].get(Zone.VAULT, folder, name).collect()


def landed(home: Path) -> list[bytes]:
    vault, store = opened(home)
    return [vault.unseal(path, name) for path, name in sealed(store)]


def test_an_attacker_cannot_read_the_vault_without_the_key(home):
    with pytest.raises(StoreError, match=r"vault\.log:1 is not what Kinfold wrote"):
        Store(home, Vault(KeyRing(b"x" * 32))).get(Zone.VAULT, VISITS, "person")
    path = file_of(home)
    name = f"vault/{VISITS}/{path.parent.name}/person"
    with pytest.raises(VaultError, match="made for another file or under another key"):
        Vault(KeyRing(b"x" * 32)).scan(path, name)
    with pytest.raises(pl.exceptions.PolarsError):
        pl.read_parquet(path)
    assert not any(b"PLANTED" in p.read_bytes() for p in home.rglob("*") if p.is_file())


@pytest.mark.parametrize("region", [0, 0.01, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1])
def test_an_attacker_cannot_change_a_bit_anywhere_in_a_file(home, region):
    path = file_of(home)
    content = bytearray(path.read_bytes())
    content[min(int(region * len(content)), len(content) - 1)] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(VaultError, match=r"person\.parquet is refused"):
        read(home)


@pytest.mark.parametrize("field", ["tag", "seal", "wrapped_key", "generation", "format"])
def test_an_attacker_cannot_change_what_a_sidecar_says(home, field):
    beside = Path(f"{file_of(home)}.key")
    said = json.loads(beside.read_text())
    value = said[field]
    forged = value + 1 if isinstance(value, int) else ("0" if value[0] != "0" else "1") + value[1:]
    for changed in (forged, None, "", [], {"a": 1}, -1, True):
        beside.write_text(json.dumps({**said, field: changed}))
        with pytest.raises(VaultError, match=r"person\.parquet is refused"):
            read(home)


@pytest.mark.parametrize("size", [0, 1, 4, 100, -1, -4, -200])
def test_an_attacker_cannot_cut_a_file_or_its_sidecar(home, size):
    for path in (file_of(home), Path(f"{file_of(home, name='counts')}.key")):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(VaultError, match="is refused"):
            read(home, name=path.name.partition(".")[0])


@pytest.mark.parametrize("other", [(VISITS, "counts"), (ALSO, "person"), (MODEL, "surname")])
@pytest.mark.parametrize("with_sidecar", [True, False])
def test_an_attacker_cannot_put_one_file_in_the_place_of_another(home, other, with_sidecar):
    source = file_of(home, *other)
    shutil.copy(source, file_of(home))
    if with_sidecar:
        shutil.copy(f"{source}.key", f"{file_of(home)}.key")
    with pytest.raises(VaultError, match=r"person\.parquet is refused"):
        read(home)


def test_an_attacker_cannot_replay_yesterdays_file(home, tmp_path):
    before = shutil.copytree(file_of(home).parent, tmp_path / "yesterday")
    opened(home)[1].put(Zone.VAULT, VISITS, {"person": PEOPLE.head(2), "counts": PEOPLE.head(1)})
    for path in before.iterdir():
        shutil.copy(path, file_of(home).parent)
    with pytest.raises(VaultError, match="is refused"):
        read(home)


def put_back(home: Path, folder: str, kept: Path, name: str) -> None:
    """Put an older generation back, link and all."""
    link = home / "vault" / folder
    shutil.rmtree(link.parent / link.readlink())
    shutil.copytree(kept, link.parent / name)
    link.unlink()
    link.symlink_to(name)


def test_an_attacker_cannot_replay_yesterdays_folder_with_its_link(home, tmp_path):
    generation = file_of(home, REGISTER, "never").parent
    kept = shutil.copytree(generation, tmp_path / "yesterday")
    opened(home)[1].put(Zone.VAULT, REGISTER, {"never": PEOPLE.head(4)})
    put_back(home, REGISTER, kept, generation.name)
    with pytest.raises(StoreError, match="an older version of it was put back"):
        read(home, REGISTER, "never")


def test_an_attacker_cannot_make_a_register_forgotten_by_taking_it_away(home):
    (home / "vault" / REGISTER).unlink()
    store = opened(home)[1]
    with pytest.raises(StoreError, match="it was taken away"):
        store.has(Zone.VAULT, REGISTER)
    (home / "vault" / VISITS).unlink()
    with pytest.raises(StoreError, match="it was taken away"):
        store.folders(Zone.VAULT, "feed/visits")
    with pytest.raises(StoreError, match="it was taken away"):
        shutil.rmtree(home / "vault" / "feed")
        store.folders(Zone.VAULT, "feed/visits")


def test_an_attacker_cannot_bring_back_what_was_erased(home, tmp_path):
    generation = file_of(home).parent
    kept = shutil.copytree(generation, tmp_path / "kept")
    opened(home)[1].remove(Zone.VAULT, VISITS)
    shutil.copytree(kept, home / "vault" / "feed" / "visits" / generation.name)
    (home / "vault" / VISITS).symlink_to(generation.name)
    with pytest.raises(StoreError, match="an older version"):
        read(home)


@pytest.mark.parametrize("how", ["cut", "flipped", "line taken out", "lines swapped", "gone", "emptied", "older"])
def test_an_attacker_cannot_cover_a_replay_by_the_list_of_what_is_in_force(home, tmp_path, how):
    path = home / "ledger" / "vault.log"
    older, generation = path.read_bytes(), file_of(home, REGISTER, "never").parent
    kept = shutil.copytree(generation, tmp_path / "yesterday")
    store = opened(home)[1]
    store.put(Zone.VAULT, REGISTER, {"never": PEOPLE.head(4)})
    store.put(Zone.VAULT, MODEL, {"surname": PEOPLE.select("surname")})
    put_back(home, REGISTER, kept, generation.name)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    path.write_bytes(
        {
            "cut": b"".join(lines[:-3]),
            "flipped": content.replace(generation.name[-8:].encode(), b"00000000", 1),
            "line taken out": b"".join(lines[:-4] + lines[-2:]),
            "lines swapped": b"".join([*lines[:-2], lines[-1], lines[-2]]),
            "emptied": b"",
            "older": older,
        }.get(how, b"")
    )
    if how == "gone":
        path.unlink()
    with pytest.raises(StoreError, match=r"was put back|vault\.log"):
        store = opened(home)[1]
        store.get(Zone.VAULT, REGISTER, "never")
        store.get(Zone.VAULT, MODEL, "surname")


def test_a_half_line_of_a_killed_append_is_passed_over_and_written_over(home):
    with (home / "ledger" / "vault.log").open("ab") as file:
        file.write(b'{"folder": "feed/visits/2026')
    assert read(home).equals(PEOPLE)
    opened(home)[1].put(Zone.VAULT, VISITS, {"person": PEOPLE.head(2)})
    assert read(home).height == 2


def test_a_folder_that_was_taken_away_on_purpose_can_be_accepted(home):
    store = opened(home)[1]
    (home / "vault" / MODEL).unlink()
    shutil.rmtree(home / "vault" / "feed")
    assert store.accept(MODEL) == {MODEL: None}
    assert store.accept("feed") == {VISITS: None, ALSO: None}
    assert store.accept(REGISTER) == {}
    assert not opened(home)[1].has(Zone.VAULT, MODEL)
    assert opened(home)[1].folders(Zone.VAULT, "feed/visits") == []


def test_killed_while_a_folder_is_replaced_or_removed_it_is_the_old_or_the_new(made, tmp_path):
    def replace(store: Store) -> None:
        store.put(Zone.VAULT, VISITS, {"person": PEOPLE.head(2)})

    for number, (change, heights) in enumerate(
        [(replace, {20, 2}), (lambda store: store.remove(Zone.VAULT, VISITS), {20, None})]
    ):
        step, killed = 0, True
        while killed:
            home = copied(made, tmp_path / f"{number}-{step}")
            store = opened(home)[1]
            with killed_after(step) as was:
                change(store)
            killed = was[0]
            store = opened(home)[1]
            assert (read(home).height if store.has(Zone.VAULT, VISITS) else None) in heights
            change(store)
            assert (read(home).height if store.has(Zone.VAULT, VISITS) else None) in heights - {20}
            step += 1
        assert step > 2


def test_the_list_is_written_anew_before_it_grows_without_end(home, monkeypatch):
    monkeypatch.setattr(rosters, "ROOM", 10)
    vault = opened(home)[0]
    roster = vault.roster(home)
    for number in range(60):
        roster.promise("feed/x/a", f".a~{number}")
        roster.settle("feed/x/a", f".a~{number}")
    assert len((home / "ledger" / "vault.log").read_bytes().splitlines()) < 50
    assert vault.roster(home).holds("feed/x/a", ".a~59") and not vault.roster(home).holds("feed/x/a", ".a~58")
    assert read(home).equals(PEOPLE)


@pytest.mark.parametrize("which", ["sidecar", "envelope"])
def test_an_attacker_cannot_have_the_weaker_form_of_before_accepted(home, which):
    if which == "sidecar":
        beside = Path(f"{file_of(home)}.key")
        said = json.loads(beside.read_text())
        beside.write_text(json.dumps({**said, "format": 1, "sha256": said["tag"]}))
        with pytest.raises(VaultError, match="no longer written here"):
            read(home)
        return
    path = home / "landing" / "visits" / "2026-11-20" / "000.sealed"
    content = path.read_bytes()
    path.write_bytes(b"KINFOLD1" + content[12:])
    with pytest.raises(VaultError, match="no longer written here"):
        landed(home)


@pytest.mark.parametrize("spot", [0, 7, 8, 11, 12, 51, 52, -1])
def test_an_attacker_cannot_change_the_header_or_the_content_of_what_has_landed(home, spot):
    path = home / "landing" / "visits" / "2026-11-20" / "000.sealed"
    content = bytearray(path.read_bytes())
    content[spot] ^= 1
    path.write_bytes(content)
    with pytest.raises(VaultError, match=r"000\.sealed is refused"):
        landed(home)


def test_an_attacker_cannot_swap_what_two_partners_sent(home):
    one, other = sorted((home / "landing" / "visits" / "2026-11-20").glob("*.sealed"))
    one.rename(other.with_suffix(".x"))
    other.rename(one)
    other.with_suffix(".x").rename(other)
    with pytest.raises(VaultError, match=r"000\.sealed is refused"):
        landed(home)


def test_an_attacker_cannot_use_a_generation_that_was_retired(home):
    vault, store = opened(home)
    older = {path: path.read_bytes() for path, _ in files(store)} | {
        Path(f"{path}.key"): Path(f"{path}.key").read_bytes() for path, _ in store.files(Zone.VAULT)
    }
    book = begin_vault(home, files(store), vault, anew=True)
    assert move_vault(vault, files(store), book).moved == len(files(store))
    without(home, fitting(home), VAULT, 1)
    for path, content in older.items():
        path.write_bytes(content)
    with pytest.raises(VaultError, match="generation 1 of the vault's keys is not in the store"):
        read(home)
    with pytest.raises(VaultError, match="generation 1 of the vault's keys is not in the store"):
        landed(home)


def test_only_the_columns_that_are_asked_for_are_decrypted(tmp_path):
    """Told by the plan and by the work: what is not asked for is a hundred times as much."""
    ids = pl.DataFrame({"id": pl.int_range(10_000, eager=True)})
    wide = ids.with_columns(pl.col("id").hash(n).cast(pl.String).alias(f"c{n}") for n in range(100))
    vault, path = Vault(KeyRing(bytes(range(32)))), tmp_path / "a.parquet"
    vault.write(wide, path, "n")
    assert "PROJECT 1/101 COLUMNS" in vault.scan(path, "n").select("id").explain()
    assert vault.scan(path, "n").select("id").collect().equals(ids)

    def seconds(columns: list[str]) -> float:
        best = 9.0
        for _ in range(3):
            began = process_time()
            vault.scan(path, "n").select(columns).collect()
            best = min(best, process_time() - began)
        return best

    assert seconds(["id"]) < seconds(wide.columns) / 4


def test_a_folder_of_before_is_left_with_nothing_of_its_old_form_by_a_rotation(tmp_path):
    home = unpacked(tmp_path)
    vault, store = opened(home)
    assert {json.loads(Path(f"{path}.key").read_text())["format"] for path, _ in store.files(Zone.VAULT)} == {1}
    move_vault(vault, files(store), begin_vault(home, files(store), vault, anew=False))
    assert {json.loads(Path(f"{path}.key").read_text())["format"] for path, _ in store.files(Zone.VAULT)} == {2}
    assert all(path.read_bytes().startswith(b"KINFOLD2") for path, _ in sealed(store))
