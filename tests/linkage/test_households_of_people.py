from datetime import date

import polars as pl
from village import finish

from linkage import golden
from linkage.households import households
from warehouse.tables import DWELLING, HOUSEHOLD, HOUSEHOLD_MEMBER, PLACE, RELATIONSHIP

NIGHT = date(2026, 11, 20)
KEY = b"k" * 32


def live(
    homes: list[tuple[str, str | None, str | None]],
    kinds: dict[str, str],
    night: date = NIGHT,
    previous: tuple[pl.DataFrame, pl.DataFrame] | None = None,
    feeds: list[str] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Households of people given as (person, uprn, household key)."""
    records = finish(
        pl.DataFrame(
            {
                "record_id": [f"r{n}" for n in range(len(homes))],
                "feed": feeds or ["gp-register"] * len(homes),
                "uprn": [uprn for _, uprn, _ in homes],
                "household_key": [household for _, _, household in homes],
                "birth_date": [date(1980, 1, 1)] * len(homes),
                "seen_on": [date(2026, 6, 1)] * len(homes),
            },
            schema_overrides={"uprn": pl.String, "household_key": pl.String},
        )
    )
    links = pl.DataFrame({"record_id": records["record_id"], "person_id": [person for person, _, _ in homes]})
    rows = [(uprn, None, "ZZ1 1AA", kind) for uprn, kind in kinds.items()]
    dwelling = pl.DataFrame(rows, schema=DWELLING.schema, orient="row")
    people = golden.people(records, links, {}, night)
    found = households(people, records, links, RELATIONSHIP.empty(), dwelling, PLACE.empty(), previous, night, KEY)
    assert found[0].schema == HOUSEHOLD.schema
    assert found[1].schema == HOUSEHOLD_MEMBER.schema
    return found


def together(member: pl.DataFrame) -> set[frozenset[str]]:
    return {frozenset(group) for group in member.group_by("household_id").agg("person_id")["person_id"].to_list()}


def test_people_of_one_home_are_one_household() -> None:
    _, member = live([("a", "1", None), ("b", "1", None), ("c", "2", None)], {"1": "home", "2": "home"})
    assert together(member) == {frozenset("ab"), frozenset("c")}


def test_a_house_of_many_tenants_is_told_apart_and_nobody_there_lives_alone() -> None:
    household, member = live([("a", "1", "k"), ("b", "1", None), ("c", "2", None)], {"1": "hmo", "2": "hmo"})
    assert together(member) == {frozenset("ab"), frozenset("c")}
    assert set(household["kind"]) == {"hmo"}
    assert set(household["lives_alone"]) == {"none"}


def test_someone_of_no_address_joins_those_with_whom_a_feed_places_them() -> None:
    _, member = live([("a", "1", "k"), ("b", None, "k")], {"1": "home"})
    assert together(member) == {frozenset("ab")}


def test_living_alone_is_graded_by_how_many_feeds_know_it() -> None:
    household, _ = live(
        [("a", "1", None), ("a", "1", None), ("b", "2", None)],
        {"1": "home", "2": "home"},
        feeds=["gp-register", "council-tax", "gp-register"],
    )
    assert sorted(household["lives_alone"]) == ["some", "strong"]


def test_a_household_keeps_its_id_when_it_moves_or_grows() -> None:
    kinds = {"1": "home", "2": "home"}
    before = live([("a", "1", None), ("b", "1", None)], kinds)
    after = live([("a", "2", None), ("b", "2", None), ("c", "2", None)], kinds, date(2026, 11, 21), before)
    assert after[0]["household_id"].to_list() == before[0]["household_id"].to_list()
    assert after[0]["founded"].to_list() == [NIGHT]
