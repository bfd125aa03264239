from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from village import finish

from linkage.conform import conform, flooding, prepare
from linkage.names import canonical_names, family_names


def conformed(rows: list[dict[str, object]], extra: tuple[str, ...] = ()) -> pl.DataFrame:
    told = [{"record_id": f"{n:06}", "feed": "x", **row} for n, row in enumerate(rows)]
    frame = finish(pl.DataFrame(told, infer_schema_length=None))
    others = [name for name in ("birth_text", *extra) if name in told[0]]
    frame = frame.hstack(pl.DataFrame(told, infer_schema_length=None).select(others)) if others else frame
    return conform(prepare(frame, extra)[0])


def meet(column: str, one: dict[str, object], other: dict[str, object]) -> bool:
    sets = conformed([one, other])[column].to_list()
    return bool(set(sets[0] or ()) & set(sets[1] or ()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MOHAMMED", "MUHAMMAD"), ("MD", "MAMADOU"), ("SUKHVINDER", "SUKHI"), ("KASIA", "KATARZYNA"), ("TOMEK", "TOM"),
        ("DAFYDD", "DAVID"), ("GUTO", "GRUFFUDD"), ("KOJO", "KWADWO"), ("KWAMENA", "KWAME"), ("SEUN", "OLUWASEUN"),
        ("ANNE-MARIE", "ANNE MARIE"), ("ANNE-MARIE", "ANNEMARIE"), ("ŁUKASZ", "LUKE"), ("BOB", "ROBERT"),
    ],
)  # fmt: skip
def test_a_forename_meets_its_other_forms(one: str, other: str) -> None:
    assert meet("forenames", {"forename": one}, {"forename": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KOWALSKI", "KOWALSKA"), ("NOWICKI", "NOWICKA"), ("NOVAK", "NOVÁKOVÁ"), ("IVANOV", "IVANOVA"),
        ("KAZLAUSKAS", "KAZLAUSKIENE"), ("O'BRIEN", "O BRIEN"), ("MACDONALD", "MC DONALD"), ("GROSS", "GROẞ"),
        ("SMITH-JONES", "JONES"), ("VAN DER BERG", "BERG"), ("CHAUDHRY", "CHOWDHURY"), ("REES", "RHYS"),
        ("JALLOH", "DIALLO"),
    ],
)  # fmt: skip
def test_a_surname_meets_its_other_forms(one: str, other: str) -> None:
    assert meet("surnames", {"surname": one}, {"surname": other})


@pytest.mark.parametrize(("one", "other"), [("KAUR GILL", "KAUR"), ("BEGUM ALI", "BEGUM"), ("VAN DYK", "VAN DAM")])
def test_what_goes_with_sex_or_faith_and_particles_bring_no_two_families_together(one: str, other: str) -> None:
    assert not meet("surnames", {"surname": one}, {"surname": other})


def test_an_honorific_is_told_from_a_family_name_and_counts_where_it_stands_between_the_names() -> None:
    people = conformed([{"surname": "KAUR"}, {"surname": "GILL"}, {"surname": None}])
    assert people["honorific"].to_list() == [True, False, None]
    assert meet("surnames", {"surname": "GILL", "middle_names": "KAUR"}, {"surname": "KAUR"})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ABCDKOSVAI '", min_size=1, max_size=12), min_size=1, max_size=8))
def test_every_name_stands_for_itself_whatever_else_it_stands_for(names: list[str]) -> None:
    for told in (canonical_names(pl.Series(names)), family_names(pl.Series(names))):
        assert told["name"].to_list() == sorted(set(names))
        assert told.select(pl.col("canonical").list.contains(pl.col("name")).all()).item()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("10 HARROW GROVE", None), ("10 HARROW GROVE, HARROWMERE", "QH1 1DR")),
        (("9 PRIMROSE ROW", "QH4 8EB"), ("9 PRIMROSE ROW", "QH4 8BE")),
        (("39 INKERMAN LN", None), ("39 INKERMAN LANE", "QH4 6YP")),
        (("FLAT 2, 5 FELL AVENUE", None), ("FLAT 2 5 FELL AVE", "QH2 1HD")),
    ],
)
def test_an_address_is_known_again_without_its_postcode(
    one: tuple[str, str | None], other: tuple[str, str | None]
) -> None:
    assert meet("places", *({"address": address, "postcode": postcode} for address, postcode in (one, other)))


def test_two_doors_of_a_street_are_two_places() -> None:
    assert not meet("places", {"address": "10 HARROW GROVE"}, {"address": "12 HARROW GROVE"})
    assert not meet("places", {"address": "FLAT 1, 5 FELL AVENUE"}, {"address": "FLAT 2, 5 FELL AVENUE"})
    assert not meet("places", {"address": "HARROW GROVE"}, {"address": "HARROW GROVE"})


def test_a_former_address_is_a_place_too() -> None:
    past = [{"uprn": None, "text": "4 OLD LANE", "postcode": "ZZ1 1AA", "from": date(2020, 1, 1), "to": None}]
    assert meet("places", {"address": "4 OLD LANE", "postcode": "ZZ1 1AA"}, {"other_addresses": past})


def test_a_contact_that_people_of_several_initials_give_is_a_familys() -> None:
    rows = [("ANN", "1"), ("BEN", "1"), ("CAT", "2"), ("CAT", "2"), ("DOT", None)]
    people = conformed([{"forename": name, "phone": phone} for name, phone in rows])
    assert people["phone_shared"].to_list() == [True, True, False, False, None]


def test_a_contact_of_a_switchboard_counts_for_nothing_and_can_be_looked_up() -> None:
    rows = finish(
        pl.DataFrame({"record_id": [f"{n:02}" for n in range(20)], "feed": "x", "phone": ["1"] * 13 + ["2"] * 7})
    )
    told, shared = prepare(rows)
    assert shared == {"phone": 1} and told["phone"].to_list() == [None] * 13 + ["2"] * 7
    assert flooding(rows, "phone").to_list() == ["1"]


def test_parts_of_a_birth_date_are_read_where_the_whole_is_no_date() -> None:
    told = ["19450991", "19800000", "19801200", None]
    people = conformed([{"birth_text": text} for text in told] + [{"birth_date": date(1980, 2, 3), "birth_text": None}])
    assert people["born"].to_list() == ["19450991", None, None, None, "19800203"]
    assert people.select("year", "month", "day").rows()[:4] == [
        (1945, 9, 91), (1980, None, None), (1980, 12, None), (None, None, None)
    ]  # fmt: skip


def test_a_column_of_the_councils_own_is_carried_and_changes_the_row() -> None:
    one, other = (conformed([{"forename": "ANN", "colour": colour}], ("colour",)) for colour in ("red", "blue"))
    assert one["x_colour"].to_list() == ["red"]
    assert one["fingerprint"][0] != other["fingerprint"][0]


def test_what_one_record_says_does_not_rest_on_the_others(records: pl.DataFrame) -> None:
    rows, _ = prepare(records)
    half = rows.filter(pl.col("uid") % 2 == 0)
    assert conform(half).equals(conform(rows).filter(pl.col("uid") % 2 == 0))
