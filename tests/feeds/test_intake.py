from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from feedhouse import HEADER, NOW, PEOPLE, House, Make

from feeds.contracts import Contract
from feeds.deliveries import delivered, find_deliveries, land
from feeds.intake import check
from feeds.ledger import changed_since, current, current_all, deliveries_in_force, latest_accepted, loads
from governance.pseudonyms import record_ids
from warehouse.store import Store
from warehouse.tables import EVENT, LOAD, PLACE, RELATIONSHIP, SOURCE_RECORD, Zone

GOOD = "1,Ann,Bo,01/02/2010,F,2026-01-01\n2,Ben,Cox,,M,2026-01-02\n"
BAD = "3,Dan,Eve,31/02/2010,,2026-01-03\n"


def people(house: House, feed: str = "one") -> pl.DataFrame:
    return current(house.store, feed, "source_record").sort("source_key")


# -- the ledger -------------------------------------------------------------------------------------------------------


def test_a_delivery_becomes_accepted_rows_quarantined_rows_and_a_ledger(make: Make, house: House) -> None:
    load = house.load(make(), "in/a_2026-11-20.csv", HEADER + GOOD + BAD)
    assert (load.status, load.received, load.accepted, load.quarantined) == ("accepted", 3, 2, 1)
    assert people(house)["source_key"].to_list() == ["1", "2"]
    aside = current(house.store, "one", "quarantine__person")
    assert aside.select("_row", "failed_rules").rows() == [(4, ["dob is a date written dd/MM/yyyy"])]
    ledger, rules = loads(house.store, ["one"])
    assert ledger.schema == LOAD.schema
    assert ledger.select("received", "accepted", "quarantined", "withdrawn").row(0) == (3, 2, 1, 0)
    assert rules.filter(rows=1)["rule"].to_list() == ["dob is a date written dd/MM/yyyy"]


def test_a_rejected_delivery_is_kept_with_its_reason_and_the_last_good_one_stands(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    load = house.load(contract, "in/a_2026-11-27.csv", "ref,forename\n1,A\n")
    assert (load.status, load.received) == ("rejected", 0)
    assert "should name the columns surname, dob, sex, since" in (load.reason or "")
    assert latest_accepted(house.store, "one") == "2026-11-20"
    assert people(house).height == 2
    assert delivered("one", "2026-11-27", house.store).bytes > 0


def test_a_delivery_of_which_no_row_keeps_the_contract_is_rejected_whole(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    load = house.load(contract, "in/a_2026-11-27.csv", HEADER + BAD)
    assert (load.status, load.received, load.quarantined) == ("rejected", 1, 1)
    assert "none does. Most rows break the rule: dob is a date written dd/MM/yyyy" in (load.reason or "")


def test_what_is_checked_twice_loads_once(make: Make, house: House) -> None:
    contract = make()
    load = house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    later = check(
        contract,
        delivered("one", "2026-11-20", house.store),
        house.store,
        house.vault,
        house.ring,
        NOW + timedelta(days=1),
    )
    assert later == load
    assert loads(house.store, ["one"])[0]["loaded_at"].to_list() == [NOW]


def test_a_run_killed_between_landing_and_checking_goes_on_from_there(
    make: Make, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = make()
    house.put("in/a_2026-11-20.csv", HEADER + GOOD)
    (found,) = find_deliveries(house.drop, {"one": contract}, house.store, NOW, timedelta(0))
    landed = land(found, house.store, house.vault)

    def strike(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write", strike)
        with pytest.raises(KeyboardInterrupt):
            check(contract, landed, house.store, house.vault, house.ring, NOW)
    assert latest_accepted(house.store, "one") is None
    load = check(contract, delivered("one", "2026-11-20", house.store), house.store, house.vault, house.ring, NOW)
    assert (load.status, load.accepted) == ("accepted", 2)


def test_no_name_stands_in_the_ledger_the_landing_zone_or_any_file_name(make: Make, house: House) -> None:
    house.load(make(), "in/a_2026-11-20.csv", HEADER + "77,GERTRUDE,QUIXOTE,31/02/2010,,2026-01-01\n" + GOOD)
    for path in house.store.home.rglob("*"):
        assert b"QUIXOTE" not in (path.read_bytes() if path.is_file() else str(path).encode())
    assert "QUIXOTE" not in "".join(str(f.rows()) for f in loads(house.store, ["one"]))


# -- snapshots, changes, messages ------------------------------------------------------------------------------------


def test_a_snapshot_replaces_what_stood_and_counts_who_is_gone(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    load = house.load(contract, "in/a_2026-11-27.csv", HEADER + "2,Ben,Cox,,M,2026-01-02\n4,Fay,Gee,,F,2026-02-02\n")
    assert (load.accepted, load.gone) == (2, 1)
    assert people(house)["source_key"].to_list() == ["2", "4"]


def test_records_that_stand_keep_the_delivery_that_told_them_first(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    house.load(contract, "in/a_2026-11-27.csv", HEADER + GOOD.replace("Ben", "Benjamin"))
    assert people(house)["delivery"].to_list() == ["2026-11-20", "2026-11-27"]


def test_a_delta_changes_what_it_names_and_withdraws_what_it_says(make: Make, house: House) -> None:
    schema = PEOPLE.replace("{value: M}, {value: F}]", "{value: M}, {value: F}, {value: GONE}]").replace(
        "    customProperties:\n", "    customProperties:\n      - {property: withdrawn, value: {sex: GONE}}\n"
    )
    contract = make(schema, delivery="delta")
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    changes = "2,Benjamin,Cox,,M,2026-01-02\n4,Fay,Gee,,F,2026-02-02\n1,,,,GONE,\n"
    load = house.load(contract, "in/a_2026-11-27.csv", HEADER + changes)
    assert (load.received, load.accepted, load.withdrawn, load.gone) == (3, 2, 1, 1)
    assert people(house).select("source_key", "forename").rows() == [("2", "BENJAMIN"), ("4", "FAY")]


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


def message(ref: str, *surnames: str, **more: object) -> str:
    people = [{"number": i, "surname": name} for i, name in enumerate(surnames, 1)]
    return json.dumps({"ref": ref, "opened": "2026-01-01", "people": people, **more}) + "\n"


def test_messages_are_taken_in_order_the_last_of_a_case_standing(make: Make, house: House) -> None:
    contract = make(CASES, "jsonl", delivery="messages")
    purge = json.dumps({"ref": "B", "purge": True}) + "\n"
    first = message("A", "Ash", "Oak") + message("B", "Elm") + message("A", "Ash") + message("C", "Fir") + purge
    load = house.load(contract, "in/a_2026-11-20.jsonl", first)
    assert (load.received, load.accepted, load.withdrawn) == (10, 9, 1)
    assert people(house)["source_key"].to_list() == ["A|1", "C|1"]
    second = json.dumps({"ref": "C", "purge": True}) + "\n" + message("B", "Elm", "Yew")
    load = house.load(contract, "in/a_2026-11-27.jsonl", second)
    assert load.gone == 2  # the case and its person
    assert people(house).select("source_key", "household_key").rows() == [("A|1", "A"), ("B|1", "B"), ("B|2", "B")]


def test_what_hangs_on_a_quarantined_parent_is_quarantined_with_it(make: Make, house: House) -> None:
    contract = make(CASES, "jsonl", delivery="messages")
    load = house.load(
        contract, "in/a_2026-11-20.jsonl", message("A", "Ash", opened="soon") + message("B", "Elm") + "{cut"
    )
    assert (load.received, load.accepted, load.quarantined) == (5, 2, 3)
    aside = current(house.store, "one", "quarantine__person")
    assert aside["failed_rules"].to_list() == [["the case that it belongs to was accepted"]]


# -- the mapping ------------------------------------------------------------------------------------------------------


def test_rows_become_people_and_events_under_keyed_ids(make: Make, house: House) -> None:
    house.load(make(), "in/a_2026-11-20.csv", HEADER + GOOD)
    first = people(house).row(0, named=True)
    assert (first["forename"], first["surname"], first["birth_date"], first["sex"]) == (
        "ANN",
        "BO",
        date(2010, 2, 1),
        "F",
    )
    assert first["record_id"] == record_ids("one", pl.Series(["1"]), house.ring).item()
    told = current(house.store, "one", "event").sort("start").row(0, named=True)
    assert (told["record_id"], told["type"], told["start"]) == (first["record_id"], "offence", datetime(2026, 1, 1))
    assert (told["domain"], told["partner"], told["code"]) == ("police", "police", "F")
    assert current(house.store, "one", "place").is_empty()
    assert current_all(house.store, deliveries_in_force(house.store, ["one"]), EVENT).height == 2


def test_the_row_hash_changes_when_the_row_does_and_not_otherwise(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    before = people(house)["row_hash"]
    house.load(contract, "in/a_2026-11-27.csv", HEADER + GOOD.replace("Cox", "Cocks"))
    assert (people(house)["row_hash"] == before).to_list() == [True, False]


WIDE = """\
  - name: seen
    properties:
      - {name: id, logicalType: string, primaryKey: true}
      - {name: ref, logicalType: string, required: true}
      - {name: name, logicalType: string}
      - {name: aka, logicalType: string}
      - {name: dob, logicalType: date}
      - {name: address, logicalType: string}
      - {name: postcode, logicalType: string}
      - {name: phone, logicalType: string}
      - {name: nhs, logicalType: string}
      - {name: on, logicalType: timestamp, required: true}
      - {name: kind, logicalType: string}
    customProperties:
      - property: codes
        value: {kind: {V: victim}}
      - property: person
        value:
          key: ref
          full_name: {column: name, clean: [split_name, drop_executors, drop_organisations]}
          alias: aka
          birth_date: dob
          phone: phone
          nhs_number: nhs
          seen_on: "on"
          address: {text: address, postcode: postcode}
      - property: yields
        value:
          - {event: offence, key: id, start: "on", when: {kind: S}}
          - {event: incident_victim, key: id, start: "on", code: kind, when: {kind: V}}
""".replace("name: on,", 'name: "on",')
WIDE_HEADER = "id,ref,name,aka,dob,address,postcode,phone,nhs,on,kind\n"


def wide(house: House, make: Make, *rows: str) -> dict[str, int]:
    load = house.load(make(WIDE), "in/a_2026-11-20.csv", WIDE_HEADER + "\n".join(rows) + "\n")
    assert load.quarantined == 0
    return {rule.rule: rule.rows for rule in load.rules if rule.rows}


def test_several_rows_of_a_person_are_one_record_with_the_other_names_and_addresses_beside(
    make: Make, house: House
) -> None:
    wide(
        house,
        make,
        "1,P,Mr John Smith,,2000-05-06,2 New Rd,AB1 2CD,,,2026-02-01 10:00:00,S",
        "2,P,Jon Smyth,Jonny Smith,,1 Old Rd,AB1 2CE,07700 900123,,2025-02-01 10:00:00,V",
    )
    record = people(house).row(0, named=True)
    assert (record["forename"], record["surname"], record["phone"]) == ("JOHN", "SMITH", "07700900123")
    assert (record["address"], record["postcode"], record["seen_on"]) == ("2 NEW RD", "AB1 2CD", date(2026, 2, 1))
    assert [a["text"] for a in record["other_addresses"]] == ["1 OLD RD"]
    assert {(n["forename"], n["surname"]) for n in record["other_names"]} == {("JON", "SMYTH"), ("JONNY", "SMITH")}
    assert current(house.store, "one", "event").sort("start").select("type", "code").rows() == [
        ("incident_victim", "victim"),
        ("offence", None),
    ]


def test_placeholders_become_null_and_each_reason_is_counted(make: Make, house: House) -> None:
    counts = wide(
        house,
        make,
        "1,P,Baby Smith,,1900-01-01,NFA,ZZ99 3VZ,07000000000,9434765918,2026-01-01 00:00:00,S",
        "2,Q,Unknown,,2000-01-01,1 High St,nowhere,,943 476 5919,2026-01-01 00:00:00,S",
    )
    assert counts == {
        "dob is no placeholder such as 1900-01-01": 1,
        "address is an address": 1,
        "postcode is no placeholder such as ZZ99 3VZ": 1,
        "postcode has the form of a postcode": 1,
        "phone is a telephone number and no placeholder such as 07000000000": 1,
        "nhs has a valid check digit": 1,
        "name is no placeholder such as UNKNOWN": 1,
        "name is no placeholder such as BABY": 1,
    }
    first, second = people(house).rows(named=True)
    assert (first["forename"], first["surname"], first["birth_date"], first["postcode"]) == (None, "SMITH", None, None)
    assert (second["surname"], second["nhs_number"]) == (None, "9434765919")


def test_estates_organisations_and_test_records_make_no_person_and_no_event(make: Make, house: House) -> None:
    counts = wide(
        house,
        make,
        "1,P,Executors of Mr J Smith,,,,,,,2026-01-01 00:00:00,S",
        "2,Q,Harrow Lettings Ltd,,,,,,,2026-01-01 00:00:00,S",
        "3,R,Test Patient,,,,,,,2026-01-01 00:00:00,S",
        "4,S,Jo Smith,,,,,,,2026-01-01 00:00:00,S",
    )
    assert sum(counts.values()) == 3
    assert people(house)["source_key"].to_list() == ["S"]
    assert current(house.store, "one", "event").height == 1


def test_rows_that_share_an_id_and_differ_are_all_kept(make: Make, house: House) -> None:
    schema = PEOPLE.replace("string, primaryKey: true", "string").replace(", code: sex", "")
    rows = "1,Ann,Bo,,F,2026-01-01\n1,Ann,Bo,,M,2026-01-01\n1,Ann,Bo,,M,2026-01-01\n"
    house.load(make(schema.replace("start: since", "start: since, end: dob")), "in/a_2026-11-20.csv",
               HEADER + rows + "1,Ann,Bo,01/01/2027,,2026-01-01\n")  # fmt: skip
    events = current(house.store, "one", "event")
    assert events.height == 2 and events["event_id"].is_unique().all()


def test_a_second_table_adds_ids_and_relationships_in_the_keys_of_the_first(make: Make, house: House) -> None:
    def files(*tables: tuple[str, str, str]) -> str:
        text = "{{name: {0}, logicalType: string}}"
        return "".join(
            f"  - name: {name}\n    properties: [{', '.join(map(text.format, columns.split()))}]\n"
            f"    customProperties:\n      - {{property: file, value: 'in/{name}_*.csv'}}\n{meaning}"
            for name, columns, meaning in tables
        )

    contract = make(
        files(
            ("person", "id surname", "      - {property: person, value: {key: id, surname: surname}}\n"),
            (
                "link",
                "of type value",
                "      - {property: person, value: {key: of, nhs_number: {column: value, when: {type: NHS}}}}\n",
            ),
            (
                "mother",
                "mum child",
                "      - {property: person_ref, value: mum}\n"
                "      - {property: yields, value: [{relationship: parent, other: child}]}\n",
            ),
        )
    )
    house.put("in/person_2026-11-20.csv", "id,surname\n1,Smith\n2,Jones\n")
    house.put("in/link_2026-11-20.csv", "of,type,value\n1,UPN,9434765919\n2,NHS,9434765919\n")
    house.put("in/mother_2026-11-20.csv", "mum,child\n2,1\n2,2\n")
    (load,) = house.load_all(contract)
    assert load.status == "accepted", load.reason
    assert people(house).select("source_key", "surname", "nhs_number").rows() == [
        ("1", "SMITH", None),
        ("2", "JONES", "9434765919"),
    ]
    ids = dict(people(house).select("source_key", "record_id").rows())
    related = (
        current_all(house.store, deliveries_in_force(house.store, ["one"]), RELATIONSHIP)
        .select("record_id", "other_record_id", "kind")
        .rows()
    )
    assert related == [(ids["2"], ids["1"], "parent")]


def test_reference_data_becomes_places(make: Make, house: House) -> None:
    contract = make(
        """\
  - name: postcode
    properties:
      - {name: pcd, logicalType: string, primaryKey: true}
      - {name: lsoa, logicalType: string}
      - {name: decile, logicalType: integer}
    customProperties:
      - {property: reference, value: {place: {postcode: pcd, lsoa21: lsoa, imd_decile: decile}}}
"""
    )
    house.load(contract, "in/a_2026-11-20.csv", "pcd,lsoa,decile\nAB12CD,E1,3\n")
    assert current_all(house.store, deliveries_in_force(house.store, ["one"]), PLACE).rows() == [
        ("AB1 2CD", None, "E1", 3, None)
    ]
    assert current_all(house.store, deliveries_in_force(house.store, ["one"]), SOURCE_RECORD).is_empty()


def test_the_frames_of_a_delivery_have_the_canonical_columns(make: Make, house: House) -> None:
    house.load(make(), "in/a_2026-11-20.csv", HEADER + GOOD)
    assert people(house).schema == SOURCE_RECORD.schema
    assert house.store.write(SOURCE_RECORD, date(2026, 11, 20), people(house)) == 2
    expected = [c for c in EVENT.schema if c not in ("known_from", "known_to")]
    assert current(house.store, "one", "event").columns == expected


def test_feeds_changed_since_a_night_are_those_whose_delivery_in_force_it_did_not_use(make: Make, house: House) -> None:
    contract = make()
    house.load(contract, "in/a_2026-11-20.csv", HEADER + GOOD)
    used = deliveries_in_force(house.store, ["one"])
    assert used == {"one": "2026-11-20"}
    assert changed_since(house.store, deliveries_in_force(house.store, ["one"]), None) == {"one"}
    house.store.publish(date(2026, 11, 20), {"deliveries": used})
    assert changed_since(house.store, deliveries_in_force(house.store, ["one"]), date(2026, 11, 20)) == set()
    house.load(contract, "in/a_2026-11-27.csv", HEADER + GOOD)
    assert changed_since(house.store, deliveries_in_force(house.store, ["one"]), date(2026, 11, 20)) == {"one"}


# -- real layouts -----------------------------------------------------------------------------------------------------


def sample(make: Make, shared: Path, *tables: tuple[str, str]) -> Contract:
    """A contract of CSV files that others made, with `id` columns as they need."""
    schema = "".join(
        f"  - name: {name}\n    properties: [{columns}]\n"
        f"    customProperties:\n      - {{property: file, value: 'in/{name}_*.csv'}}\n"
        f"      - {{property: person, value: {{key: CHILD}}}}\n"
        for name, columns in tables
    )
    return make(schema, server="{property: extraColumns, value: ignore}")


def test_the_sample_of_the_ssda903_return_loads(make: Make, house: House, shared: Path) -> None:
    day = "logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}"
    contract = sample(
        make,
        shared,
        ("header", f"{{name: CHILD, logicalType: string, primaryKey: true}}, {{name: DOB, {day}, required: true}}"),
        ("episodes", f"{{name: CHILD, logicalType: string}}, {{name: DECOM, {day}, required: true}}"),
    )
    for name in ("header", "episodes"):
        house.put(f"in/{name}_2026-11-20.csv", (shared / "samples" / "ssda903" / f"{name}.csv").read_bytes())
    (load,) = house.load_all(contract)
    assert load.status == "accepted", load.reason
    assert load.received > 7_000 and load.accepted + load.quarantined == load.received
    assert people(house).height > 2_500


def test_the_sample_of_the_cin_census_loads(make: Make, house: House, shared: Path) -> None:
    schema = """\
  - name: child
    physicalName: Message/Children/Child
    properties:
      - {name: la_child_id, physicalName: ChildIdentifiers/LAchildID, logicalType: string, primaryKey: true}
      - {name: birth_date, physicalName: ChildIdentifiers/PersonBirthDate, logicalType: date}
    customProperties: [{property: person, value: {key: la_child_id, la_child_id: la_child_id, birth_date: birth_date}}]
  - name: need
    physicalName: Message/Children/Child/CINdetails
    properties: [{name: referral_date, physicalName: CINreferralDate, logicalType: date, required: true}]
    customProperties: [{property: yields, value: [{event: child_in_need, start: referral_date}]}]
"""
    data = (shared / "samples" / "cin_census" / "CIN_Census_2026.xml").read_bytes()
    load = house.load(make(schema, "xml"), "in/cin_2026-11-20.xml", data)
    assert load.status == "accepted", load.reason
    assert people(house).height >= 1
    assert current(house.store, "one", "event").height >= 1
    assert house.store.names(Zone.VAULT, "feed/one/2026-11-20")
