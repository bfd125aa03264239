from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from village import finish

from linkage import golden
from warehouse.tables import PERSON, PERSON_PROFILE, PLACE, SOURCE_RECORD

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
    person = one(rows)
    assert (person["death_date"], person["death"], person["death_feeds"]) == (None, "question", ["feed0"])
    assert person["conflicts"] == ["Date of death: 1 May 2025 (feed0), but seen on 1 September 2025 (feed1)"]
    assert person["conflicting"] == ["death_date: feed0 | feed1"]


def test_a_record_that_tells_of_a_death_is_no_contact_with_the_living() -> None:
    rows = records(death_date=[date(2025, 5, 1)], seen_on=[date(2025, 9, 1)])
    assert (one(rows)["death"], one(rows)["death_date"]) == ("dead", date(2025, 5, 1))


def test_a_death_before_birth_or_to_come_is_a_question() -> None:
    for died, why in ((date(1949, 1, 1), "before birth"), (date(2027, 1, 1), "still to come")):
        person = one(records(birth_date=[date(1950, 1, 1)], death_date=[died]))
        assert (person["death"], person["death_date"]) == ("question", None)
        assert person["conflicts"] == [f"Date of death: {died.strftime('%-d %B %Y')} (feed0), which is {why}"]


def test_a_death_past_every_age_is_not_believed_beside_one_that_can_be() -> None:
    person = one(records(birth_date=[date(1890, 1, 1), None], death_date=[date(1990, 1, 1), date(2020, 1, 1)]))
    assert (person["death"], person["death_date"]) == ("dead", date(1990, 1, 1))
    assert person["conflicting"] == ["death_date: feed0 | feed1 | impossible"]


def test_a_birth_date_that_nobody_can_have_is_told_and_not_used() -> None:
    rows = records(birth_date=[date(1890, 6, 1), None, None], seen_on=[date(2026, 1, 1)] * 3)
    person = one(rows)
    assert person["birth_date"] is None
    assert person["conflicts"] == ["Date of birth: 1 June 1890 (feed0) is not possible"]
    assert person["conflicting"] == ["birth_date: feed0 | impossible"]
    assert one(records(birth_date=[date(2027, 3, 1)]))["birth_date"] == date(2027, 3, 1)  # expected, not yet born
    assert one(records(birth_date=[date(2031, 3, 1)]))["birth_date"] is None


def test_conflicts_name_values_and_feeds_and_their_short_form_feeds_alone() -> None:
    person = one(records(birth_date=[date(2000, 2, 1), date(2000, 1, 2), date(2000, 2, 1)], sex=["F", "F", "M"]))
    assert person["conflicts"] == [
        "Date of birth: 1 February 2000 (feed0, feed2) or 2 January 2000 (feed1)",
        "Sex: female (feed0, feed1) or male (feed2)",
    ]
    assert person["conflicting"] == ["birth_date: feed0, feed2 | feed1", "sex: feed0, feed1 | feed2"]


def test_a_nickname_an_initial_a_slip_and_a_former_name_are_no_conflict() -> None:
    former = [{"kind": "former", "forename": "ELIZABETH", "middle_names": None, "surname": "BARTON"}]
    rows = records(
        forename=["ELIZABETH", "LIZ", "E", "ELIZABTEH", "MARTHA"],
        surname=["DONLEY", "BARTON", "DONLEY", "DONLEY", "DONLEY"],
        other_names=[former, None, None, None, None],
    )
    assert [text.split(":")[0] for text in one(rows)["conflicts"]] == ["Forename"]  # type: ignore[attr-defined]
    assert "Martha (feed4)" in one(rows)["conflicts"][0]  # type: ignore[index]


def test_two_addresses_are_a_conflict_only_while_both_seem_to_stand() -> None:
    def at(seen: date, left: date | None) -> object:
        rows = records(
            address=["1 OLD STREET", "2 NEW STREET"],
            postcode=["ZZ1 1AA", "ZZ2 2AA"],
            seen_on=[seen, date(2026, 11, 1)],
            address_to=[left, None],
        )
        return one(rows)["conflicting"]

    assert at(date(2026, 6, 1), None) == ["address: feed1 | feed0"]
    assert at(date(2022, 6, 1), None) == []
    assert at(date(2026, 6, 1), date(2026, 6, 1)) == []


def test_every_name_is_kept_with_its_kind_its_days_and_its_feeds() -> None:
    former = [{"kind": "former", "forename": "ANN", "middle_names": None, "surname": "BARTON"}]
    rows = records(
        forename=["ANN", "ANN", "ANN"],
        surname=["DONLEY", "BARTON", "DONLEY"],
        other_names=[former, None, None],
        seen_on=[date(2026, 5, 1), date(2019, 5, 1), date(2024, 5, 1)],
    )
    day = {"from": date(2024, 5, 1), "to": None}
    assert one(rows)["names"] == [
        {"forename": "ANN", "surname": "DONLEY", "kind": "current", **day, "feeds": ["feed0", "feed2"]},
        {"forename": "ANN", "surname": "BARTON", "kind": "former", "from": date(2019, 5, 1), "to": date(2019, 5, 1),
         "feeds": ["feed0", "feed1"]},
    ]  # fmt: skip


def test_every_address_is_kept_with_the_days_that_records_put_the_person_there() -> None:
    past = {"uprn": "7", "text": "7 GONE ROAD", "postcode": "ZZ7 7AA", "from": date(2010, 1, 1), "to": date(2012, 1, 1)}
    absurd = past | {"uprn": "8", "text": "8 ODD ROAD", "from": date(2015, 1, 1), "to": date(2013, 1, 1)}
    rows = records(
        birth_date=[date(1990, 1, 1)] * 3,
        uprn=["1", None, "3"],
        address=["1 A STREET", "1 A STREET", "3 B STREET"],
        postcode=["ZZ1 1AA", "ZZ1 1AA", "ZZ3 3AA"],
        address_from=[date(2020, 1, 1), None, date(1950, 1, 1)],
        address_to=[None, None, date(2019, 12, 1)],
        seen_on=[date(2026, 5, 1), date(2026, 11, 1), date(2018, 1, 1)],
        other_addresses=[[past], [absurd], None],
    )
    held = [(h["uprn"], h["from"], h["to"], h["feeds"]) for h in one(rows)["addresses"]]  # type: ignore[attr-defined]
    assert held == [
        ("1", date(2020, 1, 1), None, ["feed0", "feed1"]),
        ("3", date(2018, 1, 1), date(2019, 12, 1), ["feed2"]),
        ("7", date(2010, 1, 1), date(2012, 1, 1), ["feed0"]),
        ("8", None, None, ["feed1"]),
    ]


_DAYS = st.none() | st.dates(date(1880, 1, 1), date(2028, 1, 1))
_RECORD = st.fixed_dictionaries(
    {
        "person_id": st.sampled_from("pq"),
        "feed": st.sampled_from(["a", "b", "c"]),
        "forename": st.sampled_from([None, "ANN", "A", "ANNE", "MARTHA", "BOB"]),
        "surname": st.sampled_from([None, "DONLEY", "BARTON", "DONLY"]),
        "birth_date": _DAYS,
        "death_date": _DAYS,
        "seen_on": _DAYS,
        "address_from": _DAYS,
        "address_to": _DAYS,
        "uprn": st.sampled_from([None, "1", "2"]),
        "address": st.sampled_from([None, "1 A STREET", "2 B STREET"]),
        "postcode": st.sampled_from([None, "ZZ1 1AA"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(_RECORD, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_and_what_is_told_hangs_together(rows: list[dict[str, object]], dice) -> None:  # type: ignore[no-untyped-def]
    told = [{"record_id": f"r{n}"} | row for n, row in enumerate(rows)]
    shuffled = dice.sample(told, len(told))
    schema = {"person_id": pl.String} | {name: kind for name, kind in SOURCE_RECORD.schema.items() if name in told[0]}
    first, second = (
        golden.people(finish(frame.drop("person_id")), frame.select("record_id", "person_id"), {}, NIGHT)
        for frame in (pl.DataFrame(told, schema), pl.DataFrame(shuffled, schema))
    )
    assert first.equals(second)
    for person in first.iter_rows(named=True):
        assert (person["death"] == "dead") == (person["death_date"] is not None)
        assert (person["death"] == "none") == (not person["death_feeds"])
        assert len(person["conflicts"]) == len(person["conflicting"])
        for held in (*person["names"], *person["addresses"]):
            assert held["from"] is None or held["to"] is None or held["from"] <= held["to"]
        known = person["birth_date"]
        assert known is None or known <= NIGHT + timedelta(days=golden.UNBORN)


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
