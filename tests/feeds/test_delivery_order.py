"""Deliveries come out the same in whatever order they arrive, killed in between or not."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from feedhouse import HEAD, HEADER, NOW, PEOPLE, House
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feeds import ledger
from feeds.arrivals import forget, settle, unsettled
from feeds.contracts import Contract
from feeds.deliveries import find_deliveries, land
from feeds.dialect import load_contract
from feeds.ledger import Load, deliveries_in_force, loads
from warehouse.store import Store, StoreError
from warehouse.tables import Zone

GONE = PEOPLE.replace("{value: M}, {value: F}]", "{value: M}, {value: F}, {value: GONE}]").replace(
    "    customProperties:\n", "    customProperties:\n      - {property: withdrawn, value: {sex: GONE}}\n"
)
CASES = """\
  - name: case
    physicalName: .
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: purge, logicalType: boolean}
    customProperties: [{property: messages, value: {key: ref, purge: purge}}]
  - name: person
    physicalName: people
    properties:
      - {name: number, logicalType: integer, primaryKey: true}
      - {name: surname, logicalType: string, required: true}
      - {name: since, logicalType: date}
    customProperties:
      - {property: person, value: {key: [ref, number], surname: surname}}
      - {property: yields, value: [{event: duty, start: since}]}
"""
BAND = "  - {property: volumeBand, value: 0.5}\n"


def contract_of(folder: Path, kind: str) -> Contract:
    path = folder / "one.odcs.yaml"
    schema, form = (CASES, "jsonl") if kind == "messages" else (GONE if kind == "delta" else PEOPLE, "csv")
    custom = f"  - {{property: delivery, value: {kind}}}\n" + (BAND if kind == "snapshot" else "")
    path.write_text(HEAD.format(id="one", format=form, server="", custom=custom, schema=schema), encoding="utf-8")
    return load_contract(path)


def twin(house: House, home: Path) -> House:
    """Another empty house under the same keys."""
    made = copy.copy(house)
    made.store, made.drop = Store(home, house.vault), home / "drop"
    return made


def arrive(house: House, contract: Contract, files: Sequence[tuple[str, str]]) -> list[Load]:
    """Files that lie in the drop folder together are taken in."""
    for name, content in files:
        house.put(name, content)
    found = find_deliveries(house.drop, {contract.id: contract}, house.store, NOW, timedelta(0))
    return list(settle(contract, house.store, house.vault, house.ring, NOW, found))


def kept(house: House) -> dict[str, pl.DataFrame]:
    """Everything that is kept of every load, without when it was loaded."""
    made: dict[str, pl.DataFrame] = {}
    for delivery in ledger.loaded(house.store, "one"):
        folder = f"feed/one/{delivery}"
        for name in house.store.names(Zone.VAULT, folder):
            frame = house.store.get(Zone.VAULT, folder, name).collect()
            made[f"{delivery}/{name}"] = frame.drop("loaded_at", strict=False)
    return made


def assert_same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert_frame_equal(one[name], other[name])


ROW = st.tuples(st.sampled_from(["Ann", "Ben", ""]), st.sampled_from(["F", "M", "X", "GONE"]))
TABLE = st.dictionaries(st.sampled_from("1234"), ROW, max_size=4)
MESSAGE = st.tuples(st.sampled_from("AB"), st.one_of(st.none(), st.lists(st.sampled_from(["Ash", "Oak"]), max_size=2)))


def as_csv(rows: dict[str, tuple[str, str]]) -> str:
    return HEADER + "".join(f"{ref},x,{name},,{sex},2026-01-01\n" for ref, (name, sex) in rows.items())


def as_lines(messages: list[tuple[str, list[str] | None]]) -> str:
    told = [
        {"ref": ref, "purge": True}
        if names is None
        else {"ref": ref, "people": [{"number": n, "surname": s, "since": "2026-01-01"} for n, s in enumerate(names)]}
        for ref, names in messages
    ]
    return "".join(json.dumps(one) + "\n" for one in told)


DAYS = [(date(2026, 11, 18) + timedelta(days=n)) for n in range(4)]


@st.composite
def deliveries(draw: st.DrawFn, kind: str) -> tuple[list[tuple[str, str]], list[list[int]]]:
    """Files, one of which corrects another of its day; and an order of arrival, some together, one of them twice."""
    ending = "jsonl" if kind == "messages" else "csv"
    made = draw(
        st.lists(st.lists(MESSAGE, min_size=1, max_size=4) if kind == "messages" else TABLE, min_size=3, max_size=3)
    )
    files = [
        (f"in/a_{DAYS[n]}.{ending}", as_lines(told) if kind == "messages" else as_csv(told))
        for n, told in enumerate(made)
    ]
    order = draw(st.permutations(range(len(files))))
    order = [*order, draw(st.sampled_from(order))]  # the same content again
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=len(order) - 1)))
    groups = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return files, groups


@pytest.mark.parametrize("kind", ["snapshot", "delta", "messages"])
def test_loads_are_the_same_whatever_the_order_in_which_deliveries_arrive(kind: str) -> None:
    @settings(max_examples=3, deadline=None)
    @given(drawn=deliveries(kind))
    def holds(drawn: tuple[list[tuple[str, str]], list[list[int]]]) -> None:
        files, groups = drawn
        with tempfile.TemporaryDirectory() as folder:
            contract = contract_of(Path(folder), kind)
            in_order = House(Path(folder) / "a")
            mixed = twin(in_order, Path(folder) / "b")
            for file in files:
                arrive(in_order, contract, [file])
            for group in groups:
                arrive(mixed, contract, [files[n] for n in group])
            assert_same(kept(in_order), kept(mixed))

    holds()


SNAPSHOTS = [
    ("in/a_2026-11-18.csv", HEADER + "1,x,Ann,,F,2026-01-01\n2,x,Bea,,F,2026-01-01\n"),
    ("in/a_2026-11-19.csv", HEADER + "1,x,Ann,,F,2026-01-01\n3,x,Cat,,F,2026-01-01\n"),
    ("in/a_2026-11-20.csv", HEADER + "3,x,Cat,,F,2026-01-01\n4,x,Dot,,F,2026-01-01\n"),
]


def test_a_late_delivery_has_the_later_ones_checked_anew(house: House, tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "snapshot")
    arrive(house, contract, SNAPSHOTS[2:])
    assert [load.delivery for load in arrive(house, contract, SNAPSHOTS[:1])] == ["2026-11-18", "2026-11-20"]
    assert ledger.load_of(house.store, "one", "2026-11-20").gone == 2
    assert [load.delivery for load in arrive(house, contract, SNAPSHOTS[1:2])] == ["2026-11-19", "2026-11-20"]
    assert ledger.load_of(house.store, "one", "2026-11-20").gone == 1


def test_a_correction_of_a_day_wins_over_what_it_corrects(house: House, tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "snapshot")
    arrive(house, contract, [SNAPSHOTS[0]])
    corrected = (SNAPSHOTS[0][0], SNAPSHOTS[0][1].replace("Bea", "Bee"))
    assert [load.delivery for load in arrive(house, contract, [corrected])] == ["2026-11-18.2"]
    assert deliveries_in_force(house.store, ["one"]) == {"one": "2026-11-18.2"}


def test_the_same_content_twice_loads_once(house: House, tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "snapshot")
    arrive(house, contract, SNAPSHOTS)
    before = kept(house)
    assert arrive(house, contract, SNAPSHOTS[1:2]) == []
    assert_same(before, kept(house))


def test_a_night_does_not_use_what_is_dated_after_it(house: House, tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "snapshot")
    arrive(house, contract, SNAPSHOTS)
    assert deliveries_in_force(house.store, ["one"], date(2026, 11, 19)) == {"one": "2026-11-19"}
    assert deliveries_in_force(house.store, ["one"], date(2026, 11, 17)) == {}


def test_no_night_uses_a_load_whose_ground_has_changed(house: House, tmp_path: Path) -> None:
    """A late delivery landed, and a kill kept all from being checked."""
    contract = contract_of(tmp_path, "snapshot")
    arrive(house, contract, SNAPSHOTS[1:])
    house.put(*SNAPSHOTS[0])
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
    land(found, house.store, house.vault)
    assert unsettled(house.store, "one") == ["2026-11-18", "2026-11-19", "2026-11-20"]
    with pytest.raises(StoreError, match="kinfold ingest"):
        deliveries_in_force(house.store, ["one"])
    assert len(arrive(house, contract, [])) == 3 and unsettled(house.store, "one") == []
    assert deliveries_in_force(house.store, ["one"]) == {"one": "2026-11-20"}


def test_what_no_night_needs_is_dropped_and_made_again_when_an_earlier_delivery_comes_late(
    house: House, tmp_path: Path
) -> None:
    contract = contract_of(tmp_path, "snapshot")
    other = twin(house, tmp_path / "other")
    arrive(other, contract, SNAPSHOTS)
    arrive(house, contract, SNAPSHOTS[:1])
    arrive(house, contract, SNAPSHOTS[2:])
    ledger_before = loads(house.store, ["one"])
    assert forget(house.store, {"one": contract}, {"one": "2026-11-20"}, house.ring) == 1
    assert not ledger.whole(house.store, "one", "2026-11-18") and ledger.whole(house.store, "one", "2026-11-20")
    for before, after in zip(ledger_before, loads(house.store, ["one"]), strict=True):
        assert_frame_equal(before, after)
    anew = arrive(house, contract, SNAPSHOTS[1:2])
    assert [load.delivery for load in anew] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert_same(kept(house), kept(other))
