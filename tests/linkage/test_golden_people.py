from datetime import date

import polars as pl
from village import finish

from linkage import golden
from warehouse.tables import PERSON, PERSON_PROFILE, PLACE

NIGHT = date(2026, 11, 20)


def records(**columns: list[object]) -> pl.DataFrame:
    many = len(next(iter(columns.values())))
    given = {"record_id": [f"r{n}" for n in range(many)], "feed": [f"feed{n}" for n in range(many)], **columns}
    return finish(pl.DataFrame(given))


def links(many: int) -> pl.DataFrame:
    return pl.DataFrame({"record_id": [f"r{n}" for n in range(many)], "person_id": ["p"] * many})


def one(rows: pl.DataFrame, trust: dict[str, dict[str, float]] | None = None) -> dict[str, object]:
    found = golden.people(rows, links(rows.height), trust or {}, NIGHT)
    assert found.schema == PERSON.schema
    return found.row(0, named=True)


def test_what_two_feeds_say_outweighs_what_one_says() -> None:
    person = one(records(surname=["SMITH", "SMYTHE", "SMITH"]))
    assert person["surname"] == "SMITH"
    assert person["disagreements"] == [{"attribute": "surname", "value": "SMYTHE", "feeds": ["feed1"]}]


def test_a_trusted_feed_outweighs_another() -> None:
    rows = records(birth_date=[date(2000, 1, 2), date(2000, 2, 1)])
    assert one(rows, {"feed1": {"person.birth_date": 0.9}})["birth_date"] == date(2000, 2, 1)


def test_the_address_seen_last_wins_and_comes_whole() -> None:
    rows = records(
        uprn=["1", None, "3"],
        address=["1 OLD STREET", "2 NEW STREET", "9 ODD STREET"],
        postcode=["ZZ1 1AA", "ZZ2 2AA", "ZZ3 3AA"],
        seen_on=[date(2023, 1, 1), date(2026, 11, 1), date(2024, 1, 1)],
    )
    person = one(rows)
    assert (person["uprn"], person["address"], person["postcode"]) == (None, "2 NEW STREET", "ZZ2 2AA")
    assert {"attribute": "address", "record_id": "r1", "feed": "feed1"} in person["provenance"]  # type: ignore[operator]


def test_the_earliest_plausible_death_wins() -> None:
    rows = records(
        birth_date=[date(1950, 1, 1)] * 3,
        death_date=[date(1949, 1, 1), date(2025, 5, 1), date(2025, 6, 1)],
        seen_on=[date(2025, 4, 1)] * 3,
    )
    assert one(rows)["death_date"] == date(2025, 5, 1)


def test_a_death_with_later_contact_is_not_believed() -> None:
    rows = records(death_date=[date(2025, 5, 1), None], seen_on=[date(2025, 4, 1), date(2025, 9, 1)])
    assert one(rows)["death_date"] is None


def test_a_profile_tells_age_in_whole_months_and_no_identity() -> None:
    rows = records(birth_date=[date(2010, 11, 21)], postcode=["ZZ1 1AA"], address=["1 A STREET"])
    place = pl.DataFrame(
        {"postcode": ["ZZ1 1AA"], "lsoa11": ["E1"], "lsoa21": ["E2"], "imd_decile": [3], "imd_index": [None]},
        schema=PLACE.schema,
    )
    profile = golden.profiles(golden.people(rows, links(1), {}, NIGHT), place, NIGHT)
    assert profile.schema == PERSON_PROFILE.schema
    told = profile.row(0, named=True)
    assert (told["age_months"], told["age_band"], told["imd_decile"]) == (191, "11-15", 3)
    assert told["birth_month"] == date(2010, 11, 1)
