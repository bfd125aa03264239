"""A delivery that does not fit in memory is worked on in parts, and comes out as it would have whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from feedhouse import NOW, House, Make
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from feeds import intake, readers, sifting
from feeds.contracts import Contract
from feeds.deliveries import delivered, find_deliveries, land, opened
from feeds.intake import IntakeError, check
from feeds.ledger import latest_accepted
from feeds.spool import Spool
from governance.keys import KeyRing
from warehouse.store import Store
from warehouse.tables import Zone

WHOLE = (1 << 30, 1 << 30)
PLAIN = {  # each example loads up to six deliveries: a failure is told as it is found
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),
}
TWO_IN_A_ROW = """\
  - name: visit
    properties:
      - {name: id, logicalType: string, primaryKey: true}
      - {name: child, logicalType: string, required: true}
      - {name: mother, logicalType: string}
      - {name: surname, logicalType: string, required: true}
      - {name: dob, logicalType: date}
      - {name: since, logicalType: date}
      - {name: code, logicalType: string, unique: true}
    quality:
      - name: most have a date of birth
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_not_be_null, column: dob, mostly: 0.05}
        severity: reject
      - name: the mother is in the file, too
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_exist_in, column: mother, table: visit, to: child}
        severity: warn
      - name: a date of birth does not change
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_be_as_before, column: dob}
        severity: quarantine
    customProperties:
      - property: person
        value: {key: child, surname: surname, birth_date: dob, alias: code}
      - property: yields
        value:
          - {event: offence, start: since, code: code}
          - {relationship: child, other: mother, start: since}
"""
ROW = st.tuples(
    st.sampled_from("123456789"),
    st.sampled_from("abcd"),
    st.sampled_from(["a", "b", "x", ""]),
    st.sampled_from(["Ash", "Oak", "Unknown", ""]),
    st.sampled_from(["2010-02-01", "1900-01-01", "2011-02-01", "soon", ""]),
    st.sampled_from(["2020-01-01", "2021-01-01", ""]),
    st.sampled_from(["p", "q", "r", "", "", ""]),
)
SENT = st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=3)


def kept(store: Store, delivery: str) -> dict[str, object]:
    """All that a load left behind; of tables the rows, whatever their order."""
    folder = f"feed/one/{delivery}"
    found: dict[str, object] = {}
    for name in store.names(Zone.VAULT, folder):
        if name != "terms":  # the code's digest, which is no part of the result
            rows = store.get(Zone.VAULT, folder, name).collect().rows()
            found[name] = rows if name == "load_rule" else sorted(rows, key=repr)
    return found


def told(
    contract: Contract, files: Sequence[tuple[str, str]], limits: tuple[int, int], chunk: int
) -> list[dict[str, object]]:
    """What comes of files loaded one after another, read in chunks of so many rows."""
    real = readers.read

    def chunks(*arguments: object) -> object:
        for name, frame in real(arguments[0], arguments[1].names, read).items():  # type: ignore[attr-defined, arg-type]
            for start in range(0, max(frame.height, 1), chunk):
                yield name, frame.slice(start, chunk)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        house = House(Path(folder) / "home", KeyRing(b"k" * 32))
        made = []
        for name, content in files:
            house.put(name, content)
            (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, NOW - NOW)
            landed = land(found, house.store, house.vault)

            def read(path: str, landed=landed) -> object:  # type: ignore[no-untyped-def]
                return opened(landed, path, house.vault, house.ring)

            patch.setattr(intake, "_chunks", chunks)
            check(contract, landed, house.store, house.vault, house.ring, NOW, limits)
            made.append(kept(house.store, found.delivery))
            assert not [p for p in (house.store.home / "tmp").iterdir() if p.name.startswith("spool")]
        return made


@settings(max_examples=5, **PLAIN)
@given(sent=SENT, chunk=st.integers(1, 5), delta=st.booleans(), size=st.sampled_from([400, 3000]))
def test_whatever_the_parts_and_chunks_the_ledger_and_the_tables_are_the_same(
    make: Make, sent: list[list[tuple[str, ...]]], chunk: int, delta: bool, size: int
) -> None:
    contract = make(TWO_IN_A_ROW, delivery="delta" if delta else "snapshot")
    head = "id,child,mother,surname,dob,since,code\n"
    files = [
        (f"in/a_2026-11-{20 + i}.csv", head + "".join(",".join(row) + "\n" for row in rows))
        for i, rows in enumerate(sent)
    ]
    assert told(contract, files, WHOLE, 100) == told(contract, files, (0, size), chunk)


CASES = """\
  - name: case
    physicalName: .
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: purge, logicalType: boolean}
      - {name: opened, logicalType: date, required: true}
    customProperties: [{property: messages, value: {key: ref, purge: purge}}]
  - name: person
    physicalName: people
    properties:
      - {name: number, logicalType: integer, primaryKey: true}
      - {name: surname, logicalType: string, required: true}
    customProperties: [{property: person, value: {key: [ref, number], surname: surname, household: ref}}]
"""
MESSAGE = st.tuples(st.sampled_from("ABC"), st.booleans(), st.sampled_from(["2026-01-01", "soon"]), st.integers(0, 3))


@settings(max_examples=3, **PLAIN)
@given(sent=st.lists(st.lists(MESSAGE, min_size=1, max_size=6), min_size=1, max_size=2))
def test_messages_in_parts_come_to_what_they_come_to_whole(
    make: Make, sent: list[list[tuple[str, bool, str, int]]]
) -> None:
    contract = make(CASES, "jsonl", delivery="messages")

    def line(ref: str, purge: bool, opened: str, people: int) -> str:
        nested = [{"number": i, "surname": "Ash"} for i in range(people)]
        return json.dumps({"ref": ref, "purge": purge, "opened": opened, "people": nested}) + "\n"

    files = [(f"in/a_2026-11-{20 + i}.jsonl", "".join(line(*m) for m in messages)) for i, messages in enumerate(sent)]
    assert told(contract, files, WHOLE, 100) == told(contract, files, (0, 300), 2)


def test_a_large_state_in_memory_is_mapped_in_parts_to_the_same_tables(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = make(TWO_IN_A_ROW)
    rows = "".join(f"{i},{i % 7},{i % 5},Ash,2010-02-01,2020-01-01,{i}\n" for i in range(40))
    files = [("in/a_2026-11-20.csv", "id,child,mother,surname,dob,since,code\n" + rows)]
    whole = told(contract, files, WHOLE, 100)
    monkeypatch.setattr(sifting, "APART", 9)
    assert told(contract, files, WHOLE, 100) == whole


def test_what_a_killed_run_set_down_goes_when_the_next_begins_and_no_sooner(house: House) -> None:
    tmp = house.store.home / "tmp"
    with Spool(house.store.home, house.vault, 0) as working:
        working.pile().add(pl.DataFrame({"name": ["QUIXOTE"] * 9}))
        working.grown(1)
        (folder,) = [p for p in tmp.iterdir() if p.is_dir()]
        assert not [p for p in folder.iterdir() if b"QUIXOTE" in p.read_bytes()]
        with Spool(house.store.home, house.vault):
            assert folder.is_dir()
    assert not list(tmp.glob("spool*"))
    (tmp / "spool-0123456789ab").mkdir()
    (tmp / "spool-0123456789ab.lock").touch()
    (tmp / "spool-0123456789ab" / "1.parquet").touch()
    with Spool(house.store.home, house.vault):
        assert not list(tmp.glob("spool*"))


def test_a_failure_that_nobody_foresaw_names_the_feed_the_step_and_no_value(
    make: Make, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = make()
    house.put("in/a_2026-11-20.csv", "ref,forename,surname,dob,sex,since\n1,Ann,QUIXOTE,,F,2026-01-01\n")
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, NOW - NOW)
    landed = land(found, house.store, house.vault)

    def fails(*arguments: object) -> None:
        raise pl.exceptions.ComputeError("could not read 'QUIXOTE'")

    with monkeypatch.context() as patch:
        patch.setattr(sifting, "concluded", fails)
        with pytest.raises(IntakeError, match="feed one, delivery 2026-11-20: judging its rows stopped on") as caught:
            check(contract, landed, house.store, house.vault, house.ring, NOW, (0, 100))
    assert "QUIXOTE" not in str(caught.value) and caught.value.__suppress_context__
    assert not list((house.store.home / "tmp").glob("spool*"))
    assert latest_accepted(house.store, "one") is None
    again = check(contract, delivered("one", "2026-11-20", house.store), house.store, house.vault, house.ring, NOW)
    assert again.status == "accepted"
