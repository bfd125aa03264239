"""What intake promises where contracts change, rows stand unchanged, tables are empty, or dates are wrong."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from feedhouse import HEADER, NOW, PEOPLE, House, Make
from test_delivery_order import CASES, as_lines

from feeds.arrivals import forget, settle
from feeds.contracts import Contract
from feeds.deliveries import find_deliveries, land, strangers
from feeds.intake import check
from feeds.ledger import current, current_all, deliveries_in_force, grounds
from feeds.repeats import terms
from feeds.spool import BUDGET, PIECE
from warehouse.site import SiteError
from warehouse.store import StoreError
from warehouse.tables import SOURCE_RECORD

ANN = "A1,Ann,Fox,01/02/1990,F,2024-01-01\n"
BOB = "B1,Bob,Fox,01/02/1991,M,2024-01-01\n"
OLD = "O1,Old,Fox,01/02/1990,F,2020-01-01\n"
COUNT = """\
    quality:
      - name: the table holds rows
        type: custom
        engine: greatExpectations
        severity: {severity}
        implementation: {{expect: table_row_count_to_be_between, min_value: 1}}
"""
TIES = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: house, logicalType: string}
    customProperties: [{property: person, value: {key: ref}}, {property: file, value: "in/p*"}]
  - name: tie
    properties:
      - {name: ref, logicalType: string, required: true}
      - {name: house, logicalType: string}
    customProperties: [{property: file, value: "in/t*"}]
"""

KEY = "{name: ref, logicalType: string, primaryKey: true}"
AREAS = """\
  - name: lsoa
    properties:
      - {name: code, logicalType: string, primaryKey: true}
      - {name: score, logicalType: number}
    customProperties:
      - {property: reference, value: {area: {lsoa21: code, index: {const: IMD}, score: score}}}
"""

FAMILIES = """\
  - name: family
    physicalName: .
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: status, logicalType: string}
    customProperties: [{property: withdrawn, value: {status: [gone]}}]
  - name: person
    physicalName: people
    properties:
      - {name: number, logicalType: integer, primaryKey: true}
    customProperties: [{property: person, value: {key: [ref, number]}}]
"""


def test_a_table_without_rows_is_held_to_how_many_it_should_have(make: Make, house: House) -> None:
    contract = make(TIES + COUNT.format(severity="reject"))
    house.put("in/p_2026-11-01.csv", "ref,house\n1,h\n")
    house.put("in/t_2026-11-01.csv", "ref,house\n")
    (load,) = house.load_all(contract)
    assert load.status == "rejected" and "the table holds rows" in (load.reason or "")
    assert [(r.table, r.rows) for r in load.rules if r.rule == "the table holds rows"] == [("tie", 1)]
    assert load.received == load.accepted + load.quarantined + load.withdrawn == 1


def test_rows_are_counted_in_a_table_that_has_no_other_rule_of_its_own(make: Make, house: House) -> None:
    contract = make(TIES + COUNT.format(severity="reject").replace("min_value: 1", "min_value: 2, max_value: 2"))
    house.put("in/p_2026-11-01.csv", "ref,house\n1,h\n")
    house.put("in/t_2026-11-01.csv", "ref,house\n1,h\n1,h\n")
    (load,) = house.load_all(contract)
    assert (load.status, load.tables) == ("accepted", {"person": 1, "tie": 2})


def test_a_rule_that_points_at_no_row_cannot_set_rows_aside(make: Make) -> None:
    make(TIES + COUNT.format(severity="warn"))
    with pytest.raises(SiteError, match="points at no row: it can warn or reject only"):
        make(TIES + COUNT.format(severity="quarantine"))


def test_what_is_not_given_repeats_nothing(make: Make, house: House) -> None:
    unique = "{name: forename, logicalType: string, unique: true}"
    contract = make(PEOPLE.replace("{name: forename, logicalType: string}", unique))
    rows = [ANN, BOB, *(row.replace("Ann", "").replace("A1", ref) for row in (ANN,) for ref in ("C1", "D1"))]
    load = house.load(contract, "in/p_2026-11-01.csv", HEADER + "".join(rows) + ANN.replace("A1", "E1"))
    assert (load.received, load.accepted, load.quarantined) == (5, 4, 1)
    assert [(r.rule, r.rows) for r in load.rules if r.rows] == [("forename is given once", 1)]


def test_a_table_may_look_up_several_columns_of_another(make: Make, house: House) -> None:
    looks = "".join(
        f"      - {{name: {to} is there, type: custom, engine: greatExpectations, implementation: "
        f"{{expect: column_values_to_exist_in, column: {to}, table: person}}}}\n"
        for to in ("ref", "house")
    )
    contract = make(f"{TIES}    quality:\n{looks}")
    house.put("in/p_2026-11-01.csv", "ref,house\n1,h\n")
    house.put("in/t_2026-11-01.csv", "ref,house\n1,h\n2,h\n1,x\n1,\n")
    (load,) = house.load_all(contract)
    assert load.tables == {"person": 1, "tie": 2}
    assert {r.rule: r.rows for r in load.rules if r.rows} == {"ref is there": 1, "house is there": 1}


@pytest.mark.parametrize("limits", [(BUDGET, PIECE), (400, 200)])
def test_a_delta_finds_what_its_rows_look_up_in_what_stands_beside_it(
    make: Make, house: House, limits: tuple[int, int]
) -> None:
    looks = (
        "    quality:\n      - {name: somebody's house, type: custom, engine: greatExpectations, implementation: "
        "{expect: column_values_to_exist_in, column: house, table: person}}\n"
    )
    gone = TIES.replace("[{property: person,", "[{property: withdrawn, value: {house: GONE}}, {property: person,")
    gone = gone.replace("{name: ref, logicalType: string, required: true}", KEY)
    contract = make(gone + looks, delivery="delta")
    house.put("in/p_2026-11-01.csv", "ref,house\n1,a\n2,b\n3,c\n4,d\n")
    house.put("in/t_2026-11-01.csv", "ref,house\n1,a\n")
    assert house.load_all(contract)[0].tables == {"person": 4, "tie": 1}
    house.put("in/p_2026-11-02.csv", "ref,house\n2,GONE\n3,x\n")  # 2 goes, 3 has moved
    house.put("in/t_2026-11-02.csv", "ref,house\n2,a\n3,b\n4,c\n5,d\n6,x\n7,y\n")
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
    landed = land(found, house.store, house.vault)
    load = check(contract, landed, house.store, house.vault, house.ring, NOW, limits)
    assert (load.tables, load.quarantined, load.withdrawn) == ({"person": 1, "tie": 3}, 3, 1)
    assert sorted(current(house.store, "one", "accepted__tie")["house"]) == ["a", "a", "d", "x"]


def test_a_row_that_stood_for_its_age_is_judged_when_it_is_told_again(make: Make, house: House) -> None:
    back = "  - {property: lookBack, value: 1y}\n"
    house.load(make(PEOPLE, custom=back), "in/p_2026-11-01.csv", HEADER + ANN + OLD)
    stricter = PEOPLE.replace("forename, logicalType: string}", "forename, logicalType: string, enum: [{value: Ann}]}")
    contract = make(stricter, custom=back)
    house.load(contract, "in/p_2026-11-02.csv", HEADER + ANN)
    load = house.load(contract, "in/p_2026-11-03.csv", HEADER + ANN + OLD)
    assert (load.accepted, load.quarantined) == (1, 1)


def test_a_schema_that_changed_under_its_name_makes_other_terms(make: Make, house: House, tmp_path: Path) -> None:
    beside = tmp_path / "site" / "feeds"
    contract = make()
    assert terms(contract, house.ring) == terms(contract, house.ring)
    contract = contract.model_copy(update={"xsd": beside / "a.xsd"})
    told = set()
    for schema, included in (("one", "one"), ("two", "one"), ("two", "two")):
        (beside / "a.xsd").write_text(schema)
        (beside / "included.xsd").write_text(included)
        told.add(terms(contract, house.ring))
    assert len(told) == 3


def test_a_delivery_dated_far_ahead_waits_and_is_told_of(make: Make, house: House) -> None:
    contract = make()
    house.put("in/p_2062-01-01.csv", HEADER + ANN)
    house.put("in/p_2026-11-27.csv", HEADER + BOB)

    def found(now: datetime) -> list[str]:
        return [one.delivery for one in find_deliveries(house.drop, {"one": contract}, house.store, now, timedelta(0))]

    assert found(NOW) == ["2026-11-27"]
    (told,) = strangers(house.drop, {"one": contract}, NOW)
    assert told.startswith("drop/in: 1 file whose name gives a date more than 7 days ahead") and "2062" not in told
    assert found(datetime(2061, 12, 25)) == ["2026-11-27", "2062-01-01"]
    assert strangers(house.drop, {"one": contract}, datetime(2061, 12, 25)) == []


def test_a_delivery_waits_half_a_day_for_the_files_that_its_contract_asks_for(make: Make, house: House) -> None:
    contract, quiet = make(TIES), timedelta(seconds=60)

    def found(hours: int = 0, quiet: timedelta = quiet) -> list[int]:
        now = NOW + timedelta(hours=hours)
        return [len(one.files) for one in find_deliveries(house.drop, {"one": contract}, house.store, now, quiet)]

    def told(hours: int = 0) -> list[str]:
        return strangers(house.drop, {"one": contract}, NOW + timedelta(hours=hours), quiet)

    house.put("in/p_2026-11-01.csv", "ref,house\n1,h\n")
    assert found() == found(10) == [] and found(0, timedelta(0)) == found(12) == [1]
    assert told()[0].startswith("feed one, delivery 2026-11-01: waiting for in/t*. 12 hours") and told(12) == []
    assert strangers(house.drop, {"one": contract}, NOW) == []
    late = house.put("in/t_2026-11-01.csv.part", "ref,house\n1,h\n")
    assert found(12) == [] and told() == []
    late.rename(late.with_suffix(""))
    assert found() == [2] and told() == []
    house.load_all(contract)
    house.put("in/p_2026-11-01.csv", "ref,house\n1,h\n")  # as a landing that was killed leaves it
    assert found() == [1]
    house.put("in/p_2026-11-01.csv", "ref,house\n2,h\n")
    assert found() == []
    house.put("in/t_2026-11-02.csv.zip", "one extract, packed")
    house.put("in/p_2026-11-03.zip", "it may hold both")
    assert found() == [1]


def test_a_rejected_delivery_is_judged_again_when_sent_again_after_its_contract_was_put_right(
    make: Make, house: House
) -> None:
    def arrive(contract: Contract, *files: tuple[str, str]) -> list[tuple[str, str, int]]:
        for name, content in files:
            house.put(name, content)
        found = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
        made = list(settle(contract, house.store, house.vault, house.ring, NOW, found))
        return [(load.delivery, load.status, load.accepted) for load in made]

    wrong = make(PEOPLE.replace("dd/MM/yyyy", "yyyy/MM/dd"), delivery="delta")
    first, second = (
        ("in/p_2026-11-01.csv", HEADER + ANN),
        ("in/p_2026-11-02.csv", HEADER + "B1,Bob,Fox,,M,2024-01-01\n"),
    )
    assert arrive(wrong, first, second) == [("2026-11-01", "rejected", 0), ("2026-11-02", "accepted", 1)]
    then = grounds(house.store, {"one": "2026-11-02"})
    assert arrive(wrong, first) == []
    right = make(PEOPLE, delivery="delta")
    assert arrive(right) == []
    assert arrive(right, first) == [("2026-11-01", "accepted", 1), ("2026-11-02", "accepted", 1)]
    assert current(house.store, "one", "source_record").height == 2
    assert grounds(house.store, {"one": "2026-11-02"}) != then
    assert arrive(right, first) == [] and not list((house.drop / "in").iterdir())


def test_deciles_are_of_all_areas_however_large_the_delivery_is(make: Make, house: House) -> None:
    contract = make(AREAS)
    house.put("in/p_2026-11-01.csv", "code,score\n" + "".join(f"E{n:04},{n}\n" for n in range(200)))
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
    landed = land(found, house.store, house.vault)
    check(contract, landed, house.store, house.vault, house.ring, NOW, (2000, 1000))
    areas = current(house.store, "one", "area")
    assert sorted(areas["decile"].value_counts().rows()) == [(decile, 20) for decile in range(1, 11)]


def test_a_row_that_could_not_be_read_as_one_withdraws_nobody(make: Make, house: House) -> None:
    gone = PEOPLE.replace("{value: F}]", "{value: F}, {value: GONE}]")
    gone = gone.replace("customProperties:", "customProperties:\n      - {property: withdrawn, value: {sex: GONE}}")
    contract = make(gone, delivery="delta")
    house.load(contract, "in/p_2026-11-01.csv", HEADER + ANN + BOB + OLD)
    bad = "A1,Fox,Ann,01/02/1990,GONE,2024-01-01,too many\nB1,Bob,,,GONE\n"
    load = house.load(contract, "in/p_2026-11-02.csv", HEADER + bad + "O1,,,,GONE,\n")
    assert (load.received, load.accepted, load.quarantined, load.withdrawn, load.gone) == (3, 0, 2, 1, 1)
    assert sorted(current(house.store, "one", "source_record")["source_key"]) == ["A1", "B1"]


@pytest.mark.parametrize("limits", [(BUDGET, PIECE), (400, 200)])
def test_of_a_key_that_a_delta_gives_and_withdraws_by_turns_the_last_word_counts(
    make: Make, house: House, limits: tuple[int, int]
) -> None:
    contract = make(FAMILIES, format="jsonl", delivery="delta")
    house.load(contract, "in/m_2026-11-01.jsonl", '{"ref": "1", "people": [{"number": 1}, {"number": 2}]}\n')
    give, gone = '{"ref": "%s", "people": [{"number": 3}]}\n', '{"ref": "%s", "status": "gone"}\n'
    turns = give % 1 + gone % 1 + give % 1 + give % 2 + gone % 2 + give % 2 + gone % 2 + give % 3 + give % 3
    house.put("in/m_2026-11-02.jsonl", turns)
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
    landed = land(found, house.store, house.vault)
    load = check(contract, landed, house.store, house.vault, house.ring, NOW, limits)
    assert (load.received, load.accepted, load.quarantined, load.withdrawn, load.gone) == (15, 10, 2, 3, 2)
    assert current(house.store, "one", "accepted__family")["ref"].sort().to_list() == ["1", "3"]
    assert sorted(current(house.store, "one", "source_record")["source_key"]) == ["1|3", "3|3"]


@pytest.mark.parametrize("limits", [(BUDGET, PIECE), (400, 200)])
def test_what_is_nested_in_a_row_withdrawn_further_on_goes_with_it(
    make: Make, house: House, limits: tuple[int, int]
) -> None:
    contract = make(FAMILIES, format="jsonl", delivery="delta")
    house.load(contract, "in/m_2026-11-01.jsonl", '{"ref": "1", "people": [{"number": 1}, {"number": 2}]}\n')
    again = '{"ref": "1", "people": [{"number": 3}]}\n{"ref": "2", "people": [{"number": 1}]}\n'
    house.put("in/m_2026-11-02.jsonl", again + '{"ref": "1", "status": "gone"}\n')
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
    landed = land(found, house.store, house.vault)
    load = check(contract, landed, house.store, house.vault, house.ring, NOW, limits)
    assert (load.received, load.accepted, load.withdrawn, load.gone) == (5, 4, 1, 3)
    assert current(house.store, "one", "accepted__person")["ref"].to_list() == ["2"]
    assert current(house.store, "one", "source_record")["source_key"].to_list() == ["2|1"]


@pytest.mark.parametrize(
    ("form", "nothing"), [("jsonl", ""), ("jsonl", "\n \r\n"), ("jsonl", "\n" * 99_999), ("json", "[]")]
)
def test_a_day_without_messages_changes_nothing(make: Make, house: House, form: str, nothing: str) -> None:
    contract = make(CASES, format=form, delivery="messages")
    house.load(contract, f"in/m_2026-11-01.{form}", as_lines([("A", ["Ash"])]))
    load = house.load(contract, f"in/m_2026-11-02.{form}", nothing)
    assert (load.status, load.received, load.gone) == ("accepted", 0, 0)
    assert current(house.store, "one", "source_record")["source_key"].to_list() == ["A|0"]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_key_that_is_typed_in_two_ways_is_one_key(make: Make, house: House, form: str) -> None:
    contract = make(PEOPLE, format=form, delivery="delta")
    for day, key in ((1, "Zo\u00e9"), (2, "Zoe\u0301")):
        rows = pl.DataFrame([[key, "x", "Ann", None, "F", "2026-01-01"]], HEADER.strip().split(","), orient="row")
        made = io.BytesIO()
        getattr(rows, f"write_{form}")(made)
        load = house.load(contract, f"in/p_2026-11-0{day}.{form}", made.getvalue())
        assert (load.accepted, load.gone) == (1, 0)
    assert current(house.store, "one", "source_record")["source_key"].to_list() == ["Zo\u00e9"]


def test_a_delta_of_a_header_alone_changes_nothing(make: Make, house: House) -> None:
    contract = make(delivery="delta")
    house.load(contract, "in/p_2026-11-01.csv", HEADER + ANN)
    load = house.load(contract, "in/p_2026-11-02.csv", HEADER)
    assert (load.status, load.received, load.gone) == ("accepted", 0, 0)
    assert current(house.store, "one", "source_record").height == 1


def test_rows_that_are_no_longer_kept_are_not_read_as_none(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/p_2026-11-01.csv", HEADER + ANN)
    house.load(contract, "in/p_2026-11-05.csv", HEADER + ANN + BOB)
    used = deliveries_in_force(house.store, ["one"])
    forget(house.store, {"one": contract}, used, house.ring)
    assert current_all(house.store, used, SOURCE_RECORD).height == 2
    earlier = deliveries_in_force(house.store, ["one"], date(2026, 11, 2))
    assert earlier == {"one": "2026-11-01"}
    with pytest.raises(StoreError, match="no longer kept"):
        current_all(house.store, earlier, SOURCE_RECORD)
