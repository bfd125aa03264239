"""Taking people out of feeds of messages and of deltas, and what partners take back out of the landing zone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from feedhouse import NOW, House
from test_delivery_order import arrive, as_csv, as_lines, contract_of

from feeds import ledger
from feeds.arrivals import erase, forget
from feeds.contracts import Contract
from feeds.deliveries import delivered, deliveries
from feeds.erasing import rows_of
from governance.erasure import register
from governance.pseudonyms import record_ids

FIRST = [("A", ["Ash", "Oak"]), ("B", ["Elm"])]
Told = dict[str, list[list[str | None]]]


def landed(house: House, contract: Contract) -> Told:
    """Every text that the landing zone holds, by delivery."""
    found: Told = {}
    for key in deliveries("one", house.store):
        rows = rows_of(contract, delivered("one", key, house.store), house.vault, house.ring, {})
        found[key] = [[str(cell) for cell in row if cell is not None] for _, frame in rows for row in frame.rows()]
    return found


def out(house: House, contract: Contract, key: str) -> None:
    ids = record_ids("one", pl.Series([key]), house.ring)
    register(house.store, pl.DataFrame({"record_id": ids, "keys_of": ["one"]}), "e" * 32, NOW)
    erase(contract, ids, house.store, house.vault, house.ring)


def says(told: Told, word: str) -> list[str]:
    return [key for key, rows in told.items() if any(word in row for row in rows)]


@pytest.mark.parametrize("kind", ["messages", "delta"])
def test_a_person_is_taken_out_of_what_stands_and_out_of_every_delivery_before(
    house: House, tmp_path: Path, kind: str
) -> None:
    contract = contract_of(tmp_path, kind)
    if kind == "messages":
        files = [("in/a_2026-11-18.jsonl", as_lines(FIRST)), ("in/a_2026-11-19.jsonl", as_lines([("B", ["Elm"])]))]
        key, word, table = "A|1", "Oak", "person"
    else:
        one, two = {"1": ("Ann", "F"), "2": ("Ben", "M")}, {"3": ("Cy", "F")}
        files = [("in/a_2026-11-18.csv", as_csv(one)), ("in/a_2026-11-19.csv", as_csv(two))]
        key, word, table = "1", "Ann", "person"
    arrive(house, contract, files)
    before = ledger.current(house.store, "one", f"accepted__{table}")
    assert says(landed(house, contract), word) == ["2026-11-18"]
    out(house, contract, key)
    after = ledger.current(house.store, "one", f"accepted__{table}")
    assert after.height == before.height - 1 and word not in str(after.rows())
    assert says(landed(house, contract), word) == []
    load = ledger.load_of(house.store, "one", "2026-11-18")
    assert load.withdrawn == 1 and load.received == load.accepted + load.quarantined + load.withdrawn
    again = [(name.replace("-19", "-20"), content) for name, content in files[:1]]
    (anew,) = arrive(house, contract, [(again[0][0].replace("-18", "-20"), again[0][1])])
    assert anew.withdrawn == 1 and says(landed(house, contract), word) == []
    assert word not in str(ledger.current(house.store, "one", f"accepted__{table}").rows())


def test_what_a_partner_takes_back_leaves_the_landing_zone_and_what_it_tells_later_stays(
    house: House, tmp_path: Path
) -> None:
    contract = contract_of(tmp_path, "messages")
    arrive(house, contract, [("in/a_2026-11-18.jsonl", as_lines(FIRST))])
    arrive(house, contract, [("in/a_2026-11-19.jsonl", as_lines([("A", None)]))])
    used = {"one": "2026-11-19"}
    forget(house.store, {"one": contract}, used, house.ring, house.vault)
    told = landed(house, contract)
    assert says(told, "Ash") == says(told, "Oak") == [] and says(told, "Elm") == ["2026-11-18"]
    folder = delivered("one", "2026-11-18", house.store).folder
    held = sorted(path.name for path in folder.iterdir())
    forget(house.store, {"one": contract}, used, house.ring, house.vault)
    assert sorted(path.name for path in folder.iterdir()) == held  # nothing is done twice
    arrive(house, contract, [("in/a_2026-11-20.jsonl", as_lines([("A", ["Ash"])]))])
    forget(house.store, {"one": contract}, {"one": "2026-11-20"}, house.ring, house.vault)
    assert says(landed(house, contract), "Ash") == ["2026-11-20"]


def test_an_attacker_cannot_bring_back_what_was_taken_back_by_a_late_delivery(house: House, tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "messages")
    arrive(house, contract, [("in/a_2026-11-18.jsonl", as_lines(FIRST))])
    arrive(house, contract, [("in/a_2026-11-20.jsonl", as_lines([("A", None)]))])
    forget(house.store, {"one": contract}, {"one": "2026-11-20"}, house.ring, house.vault)
    arrive(house, contract, [("in/a_2026-11-19.jsonl", as_lines([("A", ["Ash"])]))])
    assert "Ash" not in str(ledger.current(house.store, "one", "accepted__person").rows())
    forget(house.store, {"one": contract}, {"one": "2026-11-20"}, house.ring, house.vault)
    assert says(landed(house, contract), "Ash") == []


def test_a_landed_file_that_nobody_can_read_is_dropped_and_may_be_sent_again(house: House, tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "delta")
    good = as_csv({"1": ("Ann", "F"), "2": ("Ben", "M")})
    arrive(house, contract, [("in/a_2026-11-18.csv", good)])
    (bad,) = arrive(house, contract, [("in/a_2026-11-19.csv", "Ann;F\n")])
    assert bad.status == "rejected"
    out(house, contract, "1")
    assert delivered("one", "2026-11-19", house.store).gone
    (anew,) = arrive(house, contract, [("in/a_2026-11-19.csv", "Ann;F\n")])
    assert anew.status == "rejected" and anew.delivery == "2026-11-19.2"
