from datetime import date, datetime

import polars as pl
from homes import CHILD, KEY, NIGHT, Village, filled
from hypothesis import given, settings
from hypothesis import strategies as st
from village import finish

from linkage.dwellings import named
from linkage.groups import Groups, groups
from linkage.protection import Protected
from warehouse.tables import DWELLING, RELATIONSHIP


def of_kind(found: Groups, kind: str) -> set[frozenset[str]]:
    rows = found.member.join(found.group.filter(pl.col("kind") == kind), on="group_id")
    return {frozenset(one) for one in rows.group_by("group_id").agg("person_id")["person_id"].to_list()}


def test_a_family_is_those_whom_a_feed_calls_kin_wherever_they_live() -> None:
    v = Village(born={"child": CHILD})
    grandmother, mother, child = (
        v.says("case-system", who, home) for who, home in (("g", "1"), ("m", "2"), ("c", "2"))
    )
    v.kin = [(mother, "parent", child), (grandmother, "parent", mother)]
    v.says("gp-register", "stranger", "2")
    assert of_kind(v.night().groups, "family") == {frozenset("gmc")}


def test_a_sources_own_household_is_a_group_with_its_dates() -> None:
    v = Village()
    v.says("housing-benefit", "a", "1", household_key="k", address_from=date(2020, 1, 1), address_to=date(2021, 1, 1))
    v.says("housing-benefit", "b", "1", household_key="k", address_from=date(2020, 6, 1))
    for n in range(14):
        v.says("social-housing", f"p{n}", "9", household_key="hostel")
    found = v.night().groups
    assert of_kind(found, "source_household") == {frozenset("ab")}
    dates = {row["person_id"]: (row["from"], row["to"]) for row in found.member.to_dicts()}
    assert dates == {"a": (date(2020, 1, 1), date(2021, 1, 1)), "b": (date(2020, 6, 1), None)}


def test_associates_are_suspects_of_one_thing_and_never_its_victims() -> None:
    v = Village()
    for who, kind, at in (
        ("a", "incident_suspect", datetime(2026, 1, 1, 22, 10)),
        ("b", "incident_suspect", datetime(2026, 1, 1, 22, 10)),
        ("victim", "incident_victim", datetime(2026, 1, 1, 22, 10)),
        ("late", "incident_suspect", datetime(2026, 1, 1, 22, 11)),
    ):  # fmt: skip
        v.happens(v.says("police-incidents", who, who), kind, at, code="theft")
    found = v.night().groups
    assert of_kind(found, "associates") == {frozenset("ab")}
    assert set(found.member["to"]) == {date(2026, 1, 1)}


def test_a_telephone_makes_associates_of_neither_family_housemates_nor_an_offices_callers() -> None:
    v = Village(born={"child": CHILD})
    for who, home, phone, name in (
        ("a", "1", "1", "ADAMS"), ("b", "2", "1", "BAKER"),  # friends
        ("c", "3", "2", "COLE"), ("d", "3", "2", "DYER"),  # of one home
        ("e", "5", "3", "EAST"), ("f", "6", "3", "EAST"),  # of one name
        *((f"o{n}", f"7{n}", "4", f"NAME{'ABCDE'[n]}") for n in range(5)),  # an office
    ):  # fmt: skip
        v.says("gp-register", who, home, phone=phone, surname=name)
    assert of_kind(v.night().groups, "associates") == {frozenset("ab")}


def test_a_group_keeps_its_id_while_most_of_it_stays() -> None:
    v = Village(born={"child": CHILD})
    a, b, c = (v.says("case-system", who) for who in "abc")
    v.kin = [(a, "partner", b)]
    records = finish(pl.DataFrame({"record_id": [a, b, c], "feed": ["case-system"] * 3}))
    links = pl.DataFrame({"record_id": [a, b, c], "person_id": ["a", "b", "c"]})

    def met(kin: list[tuple[str, str]], before: Groups | None, night: date) -> Groups:
        rows = [{"relationship_id": f"{x}{y}", "record_id": x, "other_record_id": y, "kind": "sibling"} for x, y in kin]
        related = filled(RELATIONSHIP.schema, [{**row, "feed": "case-system"} for row in rows])
        last = (before.group, before.member) if before else None
        stays = pl.DataFrame(schema={"person_id": pl.String, "home_id": pl.String})
        events = pl.LazyFrame(
            schema={
                "record_id": pl.String,
                "feed": pl.String,
                "type": pl.String,
                "start": pl.Datetime,
                "code": pl.String,
            }
        )
        return groups(records, links, related, events, stays, Protected.nobody(), last, night, KEY)

    first = met([(a, b)], None, NIGHT)
    second = met([(a, b), (b, c)], first, date(2026, 11, 21))
    assert second.group["group_id"].to_list() == first.group["group_id"].to_list()
    assert second.group.select("people", "founded").rows() == [(3, NIGHT)]


# -- dwellings ---------------------------------------------------------------------------------------------------------

GAZETTEER = pl.DataFrame(
    [
        ("1", "12 KILN WALK, TOWN", "QH1 1AA", "home"), ("2", "14 KILN WALK, TOWN", "QH1 1AA", "home"),
        ("31", "FLAT 1, 3 MILL ROAD, TOWN", "QH1 2BB", "home"), ("32", "FLAT 2, 3 MILL ROAD, TOWN", "QH1 2BB", "home"),
        ("4", "ROSE COTTAGE, FERRY LANE, TOWN", "QH1 3CC", "home"), ("5", "2 FLAT STREET, TOWN", "QH1 2BB", "home"),
    ],
    schema=DWELLING.schema, orient="row",
)  # fmt: skip


def of(address: str | None, postcode: str | None, uprn: str | None = None) -> str | None:
    row = pl.DataFrame(
        {"uprn": [uprn], "address": [address], "postcode": [postcode]}, schema_overrides={"uprn": pl.String}
    )
    answer: str | None = named(row, GAZETTEER).item()
    return answer


def test_one_dwelling_is_known_however_it_is_written() -> None:
    for address, postcode in (
        ("12 KILN WALK", "QH1 1AA"), ("12 Kiln Walk, Town", "QH1 1AA"), ("12 KILN WK", "QH1 1AA"),
        ("12 KILN WALK", None), ("12 KILN WALK", "QH1 9ZZ"), ("12 KILM WALK", "QH1 1AA"),
    ):  # fmt: skip
        assert of(address, postcode) == "1"
    assert of("3 MILL RD FLAT 2", "QH1 2BB") == of("FLAT 2, 3 MILL ROAD", None) == "32"
    assert of("ROSE COTTAGE", "QH1 3CC") == "4"


def test_flats_are_homes_and_the_address_of_their_building_is_none() -> None:
    assert of("FLAT 1, 3 MILL ROAD", "QH1 2BB") == "31"
    assert of("3 MILL ROAD", "QH1 2BB") is None


def test_an_address_elsewhere_is_not_taken_for_a_namesake_here() -> None:
    assert of("12 KILN WALK", "LS1 1AA") == "LS1 1AA|12|KILN WK"


def test_a_uprn_that_belongs_to_another_door_loses_to_an_address_that_fits_in_full() -> None:
    assert of("12 KILN WALK", "QH1 1AA", "2") == "1"
    assert of("12 KILM WALK", "QH1 1AA", "2") == "2"


def test_people_of_no_fixed_abode_share_no_home() -> None:
    for address, postcode in (("NO FIXED ABODE", "ZZ99 3VZ"), ("NFA", None), ("HOMELESS", "QH1 1AA")):
        assert of(address, postcode) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["12 KILN WALK", "9 NEW ROW", "3 MILL ROAD", None]), min_size=1, max_size=8))
def test_the_dwelling_of_a_row_does_not_depend_on_the_other_rows_order(addresses: list[str | None]) -> None:
    rows = pl.DataFrame(
        {"uprn": [None] * len(addresses), "address": addresses, "postcode": ["QH1 1AA"] * len(addresses)},
        schema_overrides={"uprn": pl.String, "address": pl.String},
    )
    assert named(rows, GAZETTEER).to_list() == named(rows.reverse(), GAZETTEER).reverse().to_list()
