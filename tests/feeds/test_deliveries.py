from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from feedhouse import HEADER, NOW, House, Make

from feeds.deliveries import delivered, deliveries, find_deliveries, land, opened, strangers
from governance.vault import Vault

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

    def strike(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if when == "sealing":
            seal, calls = Vault.seal, []

            def second(self: Vault, source: Path, target: Path, name: str) -> str | None:
                calls.append(1)
                return strike() if len(calls) == 2 else seal(self, source, target, name)

            patch.setattr(Vault, "seal", second)
        elif when == "renaming":
            patch.setattr(Path, "replace", strike)
        else:
            unlink, gone = Path.unlink, []

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
