"""The words of the dialect that came after the first: each read into the model, or told with its line when wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from feedhouse import PEOPLE, Make
from hypothesis import given
from hypothesis import strategies as st

from feeds.contracts import LookBack
from warehouse.site import SiteError

CODES = "code,since,until\nM,2000-01-01,\nF,,2020-12-31\n"
SEX = "{name: sex, logicalType: string, enum: [{value: M}, {value: F}]}"
LISTED = "{file: c.csv, code: code, from: since, to: until, at: since}"


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    folder = tmp_path / "site" / "feeds"
    folder.mkdir(parents=True)
    (folder / "c.csv").write_text(CODES)
    return folder


def column(text: str) -> str:
    return PEOPLE.replace(SEX, text)


def listed(said: str) -> str:
    return column(f"{{name: sex, logicalType: string, customProperties: [{{property: codes, value: {said}}}]}}")


def told(make: Make, said: str, **more: str) -> str:
    with pytest.raises(SiteError) as caught:
        make(**more)
    (mistake,) = [m for m in caught.value.mistakes if said in m]
    return mistake


def test_what_may_be_detected_is_none(make: Make) -> None:
    words = ("delimiter", "quote", "encoding", "headerRow")
    contract = make(server=", ".join(f"{{property: {word}, value: detect}}" for word in words))
    found = (contract.delimiter, contract.quote, contract.encoding, contract.tables[0].header_row)
    assert found == (None, None, None, None)
    plain = make(server="{property: headerRow, value: 0}, {property: shortRows, value: fill}")
    assert (plain.delimiter, plain.encoding, plain.tables[0].header_row, plain.short_rows) == (",", "utf-8", 0, "fill")


def test_columns_of_a_fixed_width_file_have_positions_and_no_header(make: Make) -> None:
    schema = """\
  - name: t
    properties:
      - {name: a, logicalType: string, customProperties: [{property: position, value: [1, 8]}]}
"""
    table = make(schema, format="fixed").tables[0]
    assert (table.header_row, table.columns[0].position) == (0, (1, 8))
    told(make, "position is [first, last]", schema=schema.replace("[1, 8]", "[8, 1]"), format="fixed")
    told(make, "needs the property position", schema=schema.replace("position, value: [1, 8]", "aliases, value: [b]"),
         format="fixed")  # fmt: skip
    told(make, "position is for fixed-width files", schema=schema)


def test_a_column_has_aliases_and_transforms_and_two_columns_never_one_header(make: Make) -> None:
    said = "[{property: aliases, value: [Gender]}, {property: clean, value: [trim, upper]}]"
    contract = make(column(f"{{name: sex, logicalType: string, customProperties: {said}}}"))
    found = next(c for c in contract.tables[0].columns if c.name == "sex")
    assert (found.aliases, found.clean) == (("Gender",), ("trim", "upper"))
    twice = "{name: sex, logicalType: string, customProperties: [{property: aliases, value: [Surname]}]}"
    told(make, "both answer to the header 'surname'", schema=column(twice))
    slip = "{name: sex, logicalType: string, customProperties: [{property: clean, value: [trimm]}]}"
    assert "did you mean 'trim'?" in told(make, "is not a transform", schema=column(slip))


def test_a_list_of_codes_makes_a_rule_and_belongs_to_what_the_contract_is(make: Make, codes: Path) -> None:
    contract = make(listed(LISTED))
    rule = next(r for r in contract.tables[0].rules if r.kind == "listed_in")
    assert (rule.name, rule.columns) == ("sex is a code of c.csv in force on since", ("sex",))
    assert rule.code_list is not None and rule.code_list.file == codes / "c.csv"
    before = contract.model_dump_json()
    assert str(codes) not in before, "a contract that moved is the same contract"
    (codes / "c.csv").write_text(CODES + "X,,\n")
    assert make(listed(LISTED)).model_dump_json() != before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("c.csv", "d.csv", "no file 'd.csv' beside the contract"),
        ("from: since", "from: sinse", "no column 'sinse': did you mean 'since'?"),
        ("at: since", "at: dobb", "no column 'dobb': did you mean 'dob'?"),
        ("at: since", "at: ref", "column 'ref' is a string, and a date is needed"),
        ("code: code", "cod: code", "did you mean 'code'?"),
    ],
)
def test_what_is_wrong_with_a_list_of_codes_is_told(make: Make, codes: Path, old: str, new: str, said: str) -> None:
    told(make, said, schema=listed(LISTED.replace(old, new)))


@pytest.mark.parametrize("value", ["5", "5w", "0d", "-1y", "[5y]", "five years", "1000d"])
def test_a_look_back_that_is_none_is_told(make: Make, value: str) -> None:
    told(make, "such as 90d, 18m or 5y", custom=f"  - {{property: lookBack, value: {value}}}\n")


def test_a_look_back_starts_on_the_same_day_of_an_earlier_month_or_its_last(make: Make) -> None:
    assert make(custom="  - {property: lookBack, value: 18m}\n").look_back == LookBack(count=18, unit="m")
    assert LookBack(count=18, unit="m").start(date(2026, 8, 31)) == date(2025, 2, 28)
    assert LookBack(count=5, unit="y").start(date(2024, 2, 29)) == date(2019, 2, 28)
    assert LookBack(count=90, unit="d").start(date(2026, 3, 1)) == date(2025, 12, 1)


@given(st.integers(1, 999), st.sampled_from("dmy"), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_longer_look_back_starts_no_later(count: int, unit: str, day: date) -> None:
    back = LookBack.model_validate({"count": count, "unit": unit})
    longer = LookBack.model_validate({"count": count + 1, "unit": unit})
    assert longer.start(day) < back.start(day) < day


def rule(body: str, more: str = "") -> str:
    said = f"type: custom, engine: greatExpectations, implementation: {{{body}}}{more}"
    return PEOPLE.replace(
        "    customProperties", f"    quality:\n      - {{name: a rule, {said}}}\n    customProperties"
    )


def test_rules_of_our_own_say_of_what_kind_they_are_and_who_answers_for_them(make: Make) -> None:
    for body, kind in (
        ("expect: column_values_to_be_nhs_number, column: ref", "valid"),
        ("expect: column_values_to_be_plausible_birth_date, column: dob, oldest: 110", "valid"),
        ("expect: column_values_to_exist_in, column: ref, table: person", "member"),
        ("expect: column_values_to_be_as_before, column: dob", "before"),
    ):
        made = make(rule(body, ", customProperties: [{property: owner, value: somebody}]")).tables[0].rules[-1]
        assert (made.kind, made.owner) == (kind, "somebody"), body
    assert {r.owner for r in make().tables[0].rules} == {"police"}, "the contract's owner, else the partner"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("expect: column_values_to_be_nhs_number", "which column?"),
        ("expect: column_values_to_be_nhs_number, column: reff", "did you mean 'ref'?"),
        ("expect: column_values_to_be_nhs_numbr, column: ref", "did you mean 'column_values_to_be_nhs_number'?"),
        ("expect: column_values_to_be_plausible_date, column: ref", "a date is needed here"),
        ("expect: column_values_to_be_plausible_date, column: dob, earliest: once", "earliest is a day"),
        ("expect: column_values_to_be_plausible_birth_date, column: dob, oldest: -1", "oldest is a whole number"),
        ("expect: column_values_to_exist_in, column: ref, table: persn", "did you mean 'person'?"),
        ("expect: column_values_to_exist_in, column: ref, table: person, to: reff", "no column 'reff'"),
        ("expect: column_values_to_exist_in, column: ref, table: person, to: [ref, dob]", "cannot exist in 2"),
        ("expect: column_values_to_match_regex, column: ref, regex: '['", "is no regular expression"),
        ("expect: column_values_to_be_in_code_list, column: sex, file: none.csv, code: c", "no file 'none.csv'"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(make: Make, body: str, said: str) -> None:
    told(make, said, schema=rule(body))


def test_small_areas_with_their_index_are_reference_data(make: Make) -> None:
    schema = """\
  - name: area
    properties: [{name: lsoa, logicalType: string, primaryKey: true}, {name: decile, logicalType: integer}]
    customProperties:
      - {property: reference, value: {area: {lsoa21: lsoa, decile: decile, index: {const: IMD 2025}}}}
"""
    area = make(schema).tables[0].reference
    assert area is not None and area.area is not None and area.area.index is not None
    assert (area.area.lsoa21, area.area.index.const) == ("lsoa", "IMD 2025")
    assert "did you mean 'lsoa'?" in told(
        make, "no column 'lsoaa'", schema=schema.replace("lsoa21: lsoa", "lsoa21: lsoaa")
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"custom": "  - {property: volumeBand, value: wide}\n"}, "volumeBand"),
        ({"custom": "  - {property: volumeBand, value: -0.1}\n"}, "nothing or more"),
        ({"custom": "  - {property: xsdSeverity, value: warm}\n"}, "did you mean 'warn'?"),
        ({"custom": "  - {property: xsd, value: no.xsd}\n"}, "no file 'no.xsd'"),
        ({"server": "{property: encoding, value: base64}"}, "encoding 'base64' is not known"),
        ({"server": "{property: delimiter, value: ;;}"}, "one character, or detect"),
        ({"server": "{property: shortRows, value: fil}"}, "did you mean 'fill'?"),
        ({"server": "{property: headerRow, value: -1}"}, "headerRow is a row's number"),
    ],
)
def test_what_is_wrong_with_a_property_is_told(make: Make, more: dict[str, str], said: str) -> None:
    with pytest.raises(SiteError, match=r"one\.odcs\.yaml:\d+: ") as caught:
        make(**more)
    assert any(said in mistake for mistake in caught.value.mistakes)
