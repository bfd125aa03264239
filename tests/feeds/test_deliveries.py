from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feedhouse import HEADER, NOW, House, Make

from feeds.contracts import Contract
from feeds.deliveries import (
    Found,
    delivered,
    deliveries,
    find_deliveries,
    fits,
    land,
    opened,
    plain_name,
    strangers,
)
from governance.vault import Vault
from warehouse.store import StoreError

ROW = "1,A,B,,,2026-01-01\n"


def test_a_file_is_left_alone_while_it_is_young_or_still_being_sent(make: Make, house: House) -> None:
    contracts = {"one": make()}
    path = house.put("in/a_2026-11-20.csv", HEADER)
    quiet = timedelta(seconds=30)
    os.utime(path, (NOW.timestamp() - 5,) * 2)
    assert find_deliveries(house.drop, contracts, house.store, NOW, quiet) == []
    os.utime(path, (NOW.timestamp() - 60,) * 2)
    assert [f.delivery for f in find_deliveries(house.drop, contracts, house.store, NOW, quiet)] == ["2026-11-20"]
    house.put("in/b_2026-11-20.csv.part", "ref")
    assert find_deliveries(house.drop, contracts, house.store, NOW, quiet) == []


def test_a_delivery_is_keyed_by_the_date_in_its_name_else_of_its_last_change(make: Make, house: House) -> None:
    contracts = {"one": make()}
    for name in ("a_20261119.csv", "b_2026_11_18.csv", "c.csv"):
        house.put(f"in/{name}", f"{name}")
    found = find_deliveries(house.drop, contracts, house.store, NOW, timedelta(0))
    assert [f.delivery for f in found] == ["2026-11-18", "2026-11-19", "2026-11-20"]


def test_the_same_content_lands_once_and_other_content_of_the_day_is_another_delivery(make: Make, house: House) -> None:
    contract = make()
    assert [x.delivery for x in (house.load(contract, "in/a_2026-11-20.csv", HEADER + ROW),)] == ["2026-11-20"]
    again = house.load(contract, "in/a_2026-11-20.csv", HEADER + ROW)
    assert again.delivery == "2026-11-20"
    assert not list((house.drop / "in").iterdir())
    assert house.load(contract, "in/a_2026-11-20.csv", HEADER + ROW.replace("A", "C")).delivery == "2026-11-20.2"
    assert house.load(contract, "in/a_2026-11-27.csv", HEADER + ROW).delivery == "2026-11-27"
    assert deliveries("one", house.store) == ["2026-11-20", "2026-11-20.2", "2026-11-27"]


def test_what_landed_is_sealed_and_can_be_opened_by_the_vault_alone(make: Make, house: House) -> None:
    house.put("in/a_2026-11-20.csv", HEADER + "1,GERTRUDE,B,,,2026-01-01\n")
    (found,) = find_deliveries(house.drop, {"one": make()}, house.store, NOW, timedelta(0))
    landed = land(found, house.store, house.vault)
    assert b"GERTRUDE" in opened(landed, "in/a_2026-11-20.csv", house.vault).read()
    kept = [p for p in landed.folder.rglob("*") if p.is_file()]
    assert kept and not any(b"GERTRUDE" in p.read_bytes() for p in kept)
    assert all(p.stat().st_mode & 0o077 == 0 for p in kept)


@pytest.mark.parametrize("when", ["sealing", "renaming", "removing"])
def test_killing_a_landing_at_any_point_and_running_it_again_lands_the_same(
    make: Make, house: House, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    files = [f"in/{x}_2026-11-20.csv" for x in "ab"]
    for name in files:
        house.put(name, HEADER + ROW + name)
    contracts = {"one": make()}
    (found,) = find_deliveries(house.drop, contracts, house.store, NOW, timedelta(0))

    class Killed(BaseException):
        pass

    def strike(*_: object, **__: object) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        if when == "sealing":
            seal, calls = Vault.seal, []

            def second(self: Vault, source: Path, target: Path, name: str) -> str:
                calls.append(1)
                return strike() if len(calls) == 2 else seal(self, source, target, name)

            patch.setattr(Vault, "seal", second)
        elif when == "renaming":
            patch.setattr(Path, "replace", strike)
        else:
            unlink = Path.unlink
            gone: list[Path] = []

            def first(self: Path, missing_ok: bool = False) -> None:
                if house.drop in self.parents:
                    strike() if gone else gone.append(self)
                unlink(self, missing_ok)

            patch.setattr(Path, "unlink", first)
        with pytest.raises(Killed):
            land(found, house.store, house.vault)
    (again,) = find_deliveries(house.drop, contracts, house.store, NOW, timedelta(0))
    landed = land(again, house.store, house.vault)
    assert (landed.delivery, landed.names) == ("2026-11-20", tuple(files))
    assert deliveries("one", house.store) == ["2026-11-20"]
    assert not list((house.drop / "in").iterdir())
    assert [
        opened(delivered("one", "2026-11-20", house.store), f, house.vault).read()[-len(f) :].decode() for f in files
    ] == files


def test_a_folder_where_a_file_should_be_is_kept_aside_and_refused(make: Make, house: House) -> None:
    house.put("in/a_2026-11-20.csv/inner.csv", HEADER + ROW)
    (load,) = house.load_all(make())
    assert load.status == "rejected"
    assert "a file should stand here, and a folder does" in (load.reason or "")
    assert not list((house.drop / "in").iterdir())
    assert list((house.store.home / "landing" / "one" / "2026-11-20").glob("*.sealed"))


def test_strangers_in_the_drop_folder_are_told_of_without_their_names(make: Make, house: House) -> None:
    house.put("elsewhere/JohnSmith.docx", "x")
    (house.drop / "in").mkdir()
    (house.drop / "in" / "link_2026-11-20.csv").symlink_to("/etc/hostname")
    told = strangers(house.drop, {"one": make()})
    assert len(told) == 2 and "JohnSmith" not in "".join(told)
    assert find_deliveries(house.drop, {"one": make()}, house.store, NOW, timedelta(0)) == []


NAMES = [
    ("in/x.csv", "in/x.csv", True),
    ("in/x.csv.pgp", "in/x.csv", True),
    ("in/x.csv.gz.pgp", "in/x.csv", True),
    ("in/x.csv.zip", "in/x.csv", True),
    ("in/x.zip", "in/x.csv", True),
    ("in/X.CSV", "in/X.csv", True),
    ("in/x.csv", "in/*.CSV", True),
    ("in/x.CSV.GPG", "in/*.csv", True),
    ("in/all_2026.zip", "in/all_*.zip", True),
    ("in/all_2026.zip.asc", "in/all_*.zip", True),
    ("in/x.csv.gpg", "in/*.gpg", True),
    ("in/[1].csv", "in/*.csv", True),
    ("in/x.xlsx", "in/x.csv", False),
    ("in/y.csv.pgp", "in/x.csv", False),
    ("in/sub/x.csv.pgp", "in/*.csv", False),
    ("out/x.csv.pgp", "in/x.csv", False),
    ("in/x.csv.exe", "in/x.csv", False),
]


@pytest.mark.parametrize(("name", "pattern", "fitting"), NAMES)
def test_a_name_fits_a_pattern_as_it_is_or_as_it_was_before_it_was_packed_or_encrypted(
    name: str, pattern: str, fitting: bool
) -> None:
    assert fits(name, pattern) is fitting


def test_the_plain_name_is_that_of_the_extract_itself() -> None:
    assert plain_name("in/x.CSV.gz.PGP") == "in/x.csv"
    assert plain_name("in.zip/x") == "in.zip/x"


def find(house: House, contract: Contract, seconds: int = 0, now: datetime = NOW) -> list[Found]:
    return find_deliveries(house.drop, {contract.id: contract}, house.store, now, timedelta(seconds=seconds))


def test_a_growing_or_resumed_upload_is_left_alone_until_it_has_been_quiet(make: Make, house: House) -> None:
    contract, start = make(), NOW.replace(tzinfo=UTC).timestamp()
    for second in range(0, 100, 20):  # parts, a pause shorter than the quiet period, more parts
        path = house.put("in/a_2026-11-20.csv", HEADER + ROW * (1 + second))
        os.utime(path, (start + second,) * 2)
        assert find(house, contract, 30, NOW + timedelta(seconds=second + 25)) == []
    (found,) = find(house, contract, 30, NOW + timedelta(seconds=111))
    assert found.files[0].size == path.stat().st_size


@pytest.mark.parametrize("ending", [".part", ".filepart", ".TMP", "~", ".partial"])
def test_a_file_that_is_renamed_when_it_is_whole_is_taken_then(make: Make, house: House, ending: str) -> None:
    contract = make()
    path = house.put(f"in/a_2026-11-20.csv.gpg{ending}", "x")
    house.put("in/.a_2026-11-20.csv.Xy12", "rsync sends to hidden names")
    assert find(house, contract) == [] and strangers(house.drop, {"one": contract}) == []
    path.rename(house.drop / "in/a_2026-11-20.csv.gpg")
    assert [f.files[0].path for f in find(house, contract)] == ["in/a_2026-11-20.csv.gpg"]


def test_a_file_whose_time_lies_in_the_future_is_taken_and_dated_today(make: Make, house: House) -> None:
    path = house.put("in/a.csv", HEADER + ROW)
    os.utime(path, ((NOW + timedelta(days=900)).timestamp(),) * 2)
    assert [f.delivery for f in find(house, make(), 60)] == ["2026-11-20"]


def test_several_files_of_one_date_are_one_delivery_and_so_is_an_archive(make: Make, house: House) -> None:
    contract = make()
    for name in ("a_2026-11-20.csv", "b_2026-11-20.csv.gz", "c_20261120.CSV.PGP", "all_2026-11-27.zip"):
        house.put(f"in/{name}", name)
    assert [(f.delivery, len(f.files)) for f in find(house, contract)] == [("2026-11-20", 3), ("2026-11-27", 1)]


def test_what_is_no_plain_file_is_told_and_never_opened(make: Make, house: House) -> None:
    contract = make()
    house.put("in/real_2026-11-20.csv", HEADER + ROW)
    os.mkfifo(house.drop / "in/pipe_2026-11-20.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(house.drop / "in/s.csv"))
        (house.drop / "in/link_2026-11-20.csv").symlink_to("/etc/hostname")
        (house.drop / "in/loop").symlink_to(house.drop)
        told = strangers(house.drop, {"one": contract})
        (found,) = find(house, contract)
    assert [f.path for f in found.files] == ["in/real_2026-11-20.csv"]
    assert any("2 pipes, sockets or devices" in t for t in told) and any("2 links" in t for t in told)


ODD = [b"in/a\n2026-11-20.csv", b"in/caf\xe9_2026-11-20.csv", b"in/\x1b[31mred_2026-11-20.csv", b"in/a\xe2\x80\xae.csv"]


@pytest.mark.parametrize("name", ODD)
def test_a_name_of_control_characters_or_not_in_utf8_is_told_and_the_file_stays(
    make: Make, house: House, name: bytes
) -> None:
    house.put("in/b_2026-11-20.csv", HEADER + ROW)
    path = house.put(os.fsdecode(name), "x")
    (told,) = strangers(house.drop, {"one": make()})
    assert "1 file with a name of control characters or not in UTF-8" in told and told.isprintable()
    assert [len(f.files) for f in find(house, make())] == [1]
    assert path.exists()


@pytest.mark.parametrize(
    "name", ["a;rm -rf $HOME `x` && 'q' \"d\" 2026-11-20.csv", "Ŵyn 2026-11-20.csv", "-rf 2026-11-20.csv", "a" * 251]
)
def test_an_unusual_but_printable_name_is_a_name_like_any_other(make: Make, house: House, name: str) -> None:
    load = house.load(make(), f"in/{name}", HEADER + ROW)
    assert (load.status, load.accepted) == ("accepted", 1)
    assert not list((house.drop / "in").iterdir())


@pytest.fixture
def become_a_mere_user() -> Iterator[Callable[[], Path]]:
    """Makes this process one of a user who may not read everything, where it runs as root; gives that user's folder."""
    folder, root = Path(tempfile.mkdtemp()), not os.geteuid()

    def become() -> Path:
        if root:
            os.chown(folder, 65534, 65534)
            os.setresuid(65534, 65534, 0)
        return folder

    try:
        yield become
    finally:
        if root:
            os.setresuid(0, 0, 0)
        for path in (p for p in folder.rglob("*") if p.is_dir()):
            path.chmod(0o700)
        shutil.rmtree(folder)


def test_what_may_not_be_read_is_told_and_its_delivery_waits(
    make: Make, become_a_mere_user: Callable[[], Path]
) -> None:
    contract = make()
    house = House(become_a_mere_user() / "home")
    for name in ("a_2026-11-19.csv", "a_2026-11-20.csv", "b_2026-11-20.csv", "folder.csv/c.csv", "../else/c.csv"):
        house.put(f"in/{name}", HEADER + ROW)
    for name in ("in/b_2026-11-20.csv", "in/folder.csv", "else"):
        (house.drop / name).chmod(0)
    assert [f.delivery for f in find(house, contract)] == ["2026-11-19"]
    told = strangers(house.drop, {"one": contract})
    assert [t.split(".")[0] for t in told] == [
        "drop/else: 1 file or folder that may not be read",
        "drop/in: 2 files or folders that may not be read",
    ]
    (house.drop / "in").chmod(0o500)
    (found,) = find(house, contract)
    landed = land(found, house.store, house.vault)
    assert opened(landed, landed.names[0], house.vault).read().decode() == HEADER + ROW
    assert "drop/in: 2 files that may not be taken away" in strangers(house.drop, {"one": contract})[-1]
    (again,) = find(house, contract)
    assert again.repeats


def test_a_file_that_changes_between_being_found_and_landing_does_not_land(make: Make, house: House) -> None:
    path = house.put("in/a_2026-11-20.csv", HEADER + ROW)
    (found,) = find(house, make())
    path.write_text(HEADER + ROW * 2)
    with pytest.raises(StoreError, match="one of its files changed since it was found"):
        land(found, house.store, house.vault)
    assert deliveries("one", house.store) == [] and path.exists()
    path.unlink()
    with pytest.raises(StoreError, match="went, or may not be read"):
        land(found, house.store, house.vault)


def test_a_file_that_comes_while_its_namesake_lands_is_not_taken_away(
    make: Make, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = house.put("in/a_2026-11-20.csv", HEADER + ROW)
    (found,) = find(house, make())
    replace = Path.replace

    def and_another_comes(self: Path, target: Path) -> Path:
        if target.name == "2026-11-20":
            path.write_text(HEADER + ROW * 3)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", and_another_comes)
    landed = land(found, house.store, house.vault)
    assert opened(landed, "in/a_2026-11-20.csv", house.vault).read().decode() == HEADER + ROW
    assert [f.delivery for f in find(house, make())] == ["2026-11-20.2"]
