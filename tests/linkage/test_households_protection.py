"""Nobody may learn from what is made where a protected person is, or with whom."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from homes import CHILD, LATELY, LONG_AGO, NIGHT, ONCE, Lived, Village, filled
from village import finish

from linkage import golden, protection
from warehouse.tables import ADDRESS, DWELLING, PLACE


def told_of(lived: Lived, who: str) -> str:
    """All that the tables outside the vault say of a person, or of a household or group that the person is in."""
    frames = (lived.occupancy, lived.household, lived.member, lived.lineage, lived.groups.group, lived.groups.member)
    return " ".join(str(row) for frame in frames for row in frame.rows() if who in row)


def family(kind: str = "home") -> Village:
    """A mother and child at 7, with the mother's old home at 1, where the father still lives, and a neighbour."""
    v = Village(born={"child": CHILD}, kinds={"7": kind})
    v.says("council-tax", "father", "1", address_from=LONG_AGO, surname="OLDHAM")
    v.says("gp-register", "father", "1", surname="OLDHAM")
    v.says("council-tax", "mother", "1", address_from=LONG_AGO, address_to=ONCE, surname="OLDHAM")
    mother = v.says("gp-register", "mother", "7", surname="OLDHAM")
    child = v.says("gp-register", "child", "7", surname="OLDHAM")
    v.kin = [(mother, "parent", child)]
    v.says("gp-register", "neighbour", "8")
    return v


def test_of_whoever_lives_in_a_refuge_nothing_is_told_at_all() -> None:
    lived = family("refuge").night()
    assert lived.together() == {frozenset({"father"}), frozenset({"neighbour"})}
    assert told_of(lived, "mother") == told_of(lived, "child") == ""
    assert "refuge" not in str([frame.rows() for frame in (lived.occupancy, lived.household)])
    assert lived.home("mother") == lived.home("mother", "former") == []


def test_an_address_in_the_register_forms_no_household_for_anyone() -> None:
    v = family()
    v.register = [("gp-register/mother", "7")]
    v.says("hospital", "lodger", "7")
    lived = v.night()
    assert lived.together() == {frozenset({"father"}), frozenset({"neighbour"})}
    assert {told_of(lived, who) for who in ("mother", "child", "lodger")} == {""}


def test_a_refuge_in_the_register_shelters_whoever_lives_there_though_it_names_nobody() -> None:
    records = finish(pl.DataFrame({"record_id": ["r", "s"], "feed": ["gp-register"] * 2, "uprn": ["7", "8"]}))
    links = pl.DataFrame({"record_id": ["r", "s"], "person_id": ["P", "Q"]})
    register = pl.DataFrame({"record_id": [None], "place": ["7"]}, schema={"record_id": pl.String, "place": pl.String})
    found = protection.find(records, links, DWELLING.empty(), register)
    assert found.people.to_list() == ["P"] and found.dwellings.to_list() == ["7"]


def test_without_a_place_every_address_of_the_person_is_protected() -> None:
    v = family()
    v.register = [("gp-register/mother", None)]
    lived = v.night()
    assert lived.together() == {frozenset({"neighbour"})}
    assert {told_of(lived, who) for who in ("mother", "child", "father")} == {""}


def test_an_address_is_protected_even_if_its_record_stands_with_nobody() -> None:
    records = finish(pl.DataFrame({"record_id": ["r"], "feed": ["gp-register"], "uprn": ["7"]}))
    nobody = pl.DataFrame(schema={"record_id": pl.String, "person_id": pl.String})
    register = pl.DataFrame({"record_id": ["r"], "place": [None]}, schema_overrides={"place": pl.String})
    assert protection.find(records, nobody, DWELLING.empty(), register).dwellings.to_list() == ["7"]


def test_an_address_written_out_is_the_same_place_as_its_uprn() -> None:
    v = family()
    v.register = [("council-tax/mother", "7")]
    v.says("hospital", "lodger", address="7 High St.", postcode="QH1 1AA")
    lived = v.night()
    assert "lodger" in lived.protected.people.to_list()
    assert told_of(lived, "lodger") == ""


def test_an_earlier_night_tells_nothing_once_an_address_is_protected() -> None:
    v = family()
    before = v.night()
    assert told_of(before, "mother") != ""
    v.register = [("gp-register/mother", "7")]
    after = v.night(date(2026, 11, 21))
    gone = before.of("mother")["household_id"]
    assert told_of(after, "mother") == ""
    hidden = before.stays.filter(pl.col("dwelling") == "7")["home_id"].unique().item()
    assert hidden not in after.occupancy["home_id"].to_list()
    # that the household is no more is told, and nothing of where to
    assert after.lineage.filter(pl.col("household_id") == gone).select("change", "other_household_id").rows() == [
        ("retired", None)
    ]


def test_nobody_is_said_to_live_alone_because_a_protected_person_is_left_out() -> None:
    v = Village()
    for who in ("a", "b"):
        for feed in ("council-tax", "gp-register"):
            v.says(feed, who, "1", address_from=ONCE if feed == "council-tax" else None)
    v.register = [("gp-register/b", "1")]
    assert v.night().household.is_empty()


@pytest.mark.parametrize("place", ["7", None])
def test_a_protected_golden_record_has_no_trace_of_any_address(place: str | None) -> None:
    told: list[dict[str, Any]] = [
        {"record_id": "r1", "feed": "gp-register", "uprn": "7", "address": "7 SECRET LANE", "postcode": "QH9 9ZZ",
         "forename": "ANN", "seen_on": LATELY,
         "other_addresses": [{"uprn": "6", "text": "6 FORMER ROW", "postcode": "QH8 8YY", "from": None, "to": None}]},
        {"record_id": "r2", "feed": "hospital", "uprn": "5", "address": "5 THIRD STREET", "postcode": "QH7 7XX",
         "forename": "ANNE", "seen_on": LATELY},
        {"record_id": "r3", "feed": "hospital", "uprn": "8", "address": "8 OPEN ROAD", "postcode": "QH1 1AA",
         "forename": "BEA", "seen_on": LATELY},
    ]  # fmt: skip
    records = finish(pl.DataFrame(told, schema_overrides={"other_addresses": pl.List(ADDRESS)}))
    links = pl.DataFrame({"record_id": ["r1", "r2", "r3"], "person_id": ["ann", "ann", "bea"]})
    register = pl.DataFrame({"record_id": ["r1"], "place": [place]}, schema_overrides={"place": pl.String})
    hidden = protection.find(records, links, DWELLING.empty(), register)
    people = protection.withhold(golden.people(records, links, {}, NIGHT), hidden)
    ann = str(people.row(by_predicate=pl.col("person_id") == "ann", named=True))
    for word in ("LANE", "ROW", "STREET", "QH9", "QH8", "QH7", "'7'", "'6'", "'5'"):
        assert word not in ann
    assert people.row(by_predicate=pl.col("person_id") == "bea", named=True)["address"] == "8 OPEN ROAD"
    place_rows = [
        {"postcode": code, "lsoa11": "E1", "lsoa21": "E2", "imd_decile": 1} for code in ("QH9 9ZZ", "QH1 1AA")
    ]
    profiles = golden.profiles(people, filled(PLACE.schema, place_rows), NIGHT)
    areas = dict(zip(profiles["person_id"], profiles["lsoa21"], strict=True))
    assert areas == {"ann": None, "bea": "E2"}


def test_no_one_is_withheld_where_no_one_is_protected() -> None:
    records = finish(pl.DataFrame({"record_id": ["r"], "feed": ["x"], "uprn": ["1"]}))
    links = pl.DataFrame({"record_id": ["r"], "person_id": ["p"]})
    people = golden.people(records, links, {}, NIGHT)
    none = protection.find(records, links, DWELLING.empty(), pl.DataFrame(schema={"record_id": str, "place": str}))
    assert protection.withhold(people, none).equals(people)
