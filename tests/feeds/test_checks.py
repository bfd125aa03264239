"""British values and plausible dates, held to the libraries and the published rules that they come from."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import phonenumbers
import polars as pl
import pytest
import stdnum.gb.nhs
import stdnum.gb.upn
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import cleaning
from feeds.checks import VALID, mark
from feeds.contracts import Column

DAY = date(2026, 11, 20)


def well(name: str, *values: str | None, column: Column | None = None, **args: Any) -> list[bool]:
    rows = pl.DataFrame({"x": values}, schema={"x": pl.String})
    found = mark(f"column_values_to_be_{name}", rows, column or Column(name="x", physical="x"), args, DAY)
    return rows.with_columns(found.alias("well"))["well"].to_list()


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("nhs_number", ("943 476 5919", "943-476-5919", "9434765919"), ("9434765918", "0000000000", "1111111111", "x")),
        ("upn", ("B801200005001", "b801200005001"), ("A801200005001", "B80120000500", "")),
        ("ni_number", ("AB123456C", "ab 12 34 56 c"), ("QQ123456C", "AO123456C", "GB123456A", "TN010101M", "AB123456")),
        ("uk_postcode", ("SW1A 1AA", "m11ae", "GIR 0AA", "QH1 1AB"), ("ZZ99 3VZ", "SW1A", "12 3AB", "M1 1AE now")),
        ("uprn", ("100012345678", "1", "000412"), ("0", "-1", "1234567890123", "12a", "12.0")),
        ("uk_telephone", ("0113 222 4444", "+44 (0)113 222 4444", "07400 123456", "01481 712345", "0800 1111"),
         ("07000000000", "0113 222", "0999 999 9999", "none", "07400 1234567")),
    ],
)  # fmt: skip
def test_a_value_is_well_where_the_published_rule_says_so(name: str, right: tuple, wrong: tuple) -> None:
    assert well(name, *right) == [True] * len(right)
    assert well(name, *wrong) == [False] * len(wrong)
    assert well(name, None) == [True]
    assert well(name) == []


@given(st.lists(st.text("0123456789 -", max_size=14) | st.from_regex(r"[0-9]{3} ?[0-9]{3} ?[0-9]{4}", fullmatch=True)))
def test_nhs_numbers_are_judged_as_by_stdnum_but_for_one_digit_over_and_over(values: list[str]) -> None:
    right = [v + str(d) for v in values for d in range(10)] + values
    expected = [stdnum.gb.nhs.is_valid(v) and len(set(re.sub(r"\D", "", v))) > 1 for v in right]
    assert well("nhs_number", *right) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(stdnum.gb.upn._la_numbers)),
            st.text("0123456789", min_size=8, max_size=8),
            st.sampled_from(stdnum.gb.upn._alphabet),
        ),
        max_size=5,
    )
)
def test_upns_of_authorities_that_stdnum_lists_are_judged_as_by_stdnum(parts: list[tuple[int, str, str]]) -> None:
    values = [f"{letter}{la}{digits}{last}" for la, digits, last in parts for letter in cleaning.UPN_LETTERS + "IOS"]
    assert well("upn", *values) == [stdnum.gb.upn.is_valid(v) for v in values]


def test_the_upn_of_an_authority_newer_than_the_librarys_list_is_well() -> None:
    number = stdnum.gb.upn.calc_check_digit("838200005001") + "838200005001"  # Dorset, since 2019
    assert not stdnum.gb.upn.is_valid(number)
    assert well("upn", number) == [True]


NATIONAL = st.one_of(
    st.from_regex(r"[1-9][0-9]{6,9}", fullmatch=True),
    st.from_regex(r"(?:7[0-9]|1[0-9]|2[0-9]|3[03]|5[56]|8[047]|9[018])[0-9]{8}", fullmatch=True),
    st.from_regex(r"(?:1481|1534|1624|7781|7839|7911|7509|7797|7700|7457|7624|7924|7524)[0-9]{6}", fullmatch=True),
)
DIALLED = st.builds(
    lambda start, number, breaks: start + "".join(d + (" " if i in breaks else "") for i, d in enumerate(number)),
    st.sampled_from(["0", "+44", "+44 ", "0044 ", "+44(0)", "(0)", ""]),
    NATIONAL,
    st.sets(st.integers(0, 8), max_size=3),
)


def in_use(number: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, "GB"))
    except phonenumbers.NumberParseException:
        return False


@settings(max_examples=30)
@given(st.lists(DIALLED, min_size=20, max_size=60))
def test_telephone_numbers_are_judged_as_by_phonenumbers_but_for_placeholders(numbers: list[str]) -> None:
    judged = dict(zip(numbers, well("uk_telephone", *numbers), strict=True))
    placeholder = dict(
        zip(numbers, pl.DataFrame({"x": numbers}).select(cleaning.no_phone(pl.col("x")))["x"], strict=True)
    )
    assert judged == {number: in_use(number) and not placeholder[number] for number in numbers}


def test_the_examples_that_phonenumbers_gives_of_each_kind_are_well() -> None:
    for region in ("GB", "GG", "JE", "IM"):
        for kind in range(10):
            example = phonenumbers.example_number_for_type(region, kind)
            if example:
                written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
                assert well("uk_telephone", written) == [True], written


PUBLISHED = (
    r"([Gg][Ii][Rr] 0[Aa]{2})|((([A-Za-z][0-9]{1,2})|(([A-Za-z][A-Ha-hJ-Yj-y][0-9]{1,2})|(([A-Za-z][0-9][A-Za-z])|"
    r"([A-Za-z][A-Ha-hJ-Yj-y][0-9]?[A-Za-z])))) [0-9][A-Za-z]{2})"
)


@given(st.lists(st.from_regex(r"[A-Za-z]{1,2}[0-9]{0,2}[A-Za-z]? [0-9][A-Za-z]{2,3}", fullmatch=True), max_size=20))
def test_postcodes_are_judged_by_the_published_pattern_the_space_left_out_or_not(values: list[str]) -> None:
    expected = [bool(re.fullmatch(PUBLISHED, v)) for v in values]
    assert well("uk_postcode", *values) == expected
    tight = [v.replace(" ", "") for v in values]
    assert all(there for there, wanted in zip(well("uk_postcode", *tight), expected, strict=True) if wanted)


def test_a_birth_date_is_plausible_up_to_the_day_of_the_delivery_and_within_a_life() -> None:
    column = Column(name="x", physical="x", type="date", format="dd/MM/yyyy")
    values = ("20/11/2026", "21/11/2026", "20/11/1906", "19/11/1906", "31/12/9999", "soon", None)
    assert well("plausible_birth_date", *values, column=column) == [True, False, True, False, False, True, True]
    assert well("plausible_birth_date", "20/11/1906", column=column, oldest=110) == [False]


def test_a_date_is_plausible_from_the_earliest_to_so_many_days_ahead_and_no_end_is_none() -> None:
    column = Column(name="x", physical="x", type="date")
    values = ("1899-12-31", "1900-01-01", "2026-11-20", "2026-11-21", "9999-12-31", None)
    assert well("plausible_date", *values, column=column) == [False, True, True, False, True, True]
    assert well("plausible_date", "2026-11-21", column=column, days_ahead=1) == [True]
    assert well("plausible_date", "1999-12-31", column=column, earliest="2000-01-01") == [False]


def test_a_value_is_judged_after_its_columns_transforms_and_as_written_where_they_leave_nothing() -> None:
    uprn = Column(name="x", physical="x", clean=("strip_decimal",))
    assert well("uprn", "412.0", column=uprn) == [True]
    nhs = Column(name="x", physical="x", clean=("nhs_number",))
    assert well("nhs_number", "9434765918", column=nhs) == [False]


@pytest.mark.parametrize("name", VALID)
def test_every_check_gives_one_answer_a_row_whether_values_repeat_or_not(name: str) -> None:
    values = ["9434765919", "B801200005001", "x", None, ""] * 3_000
    assert well(name, *values) == well(name, *values[:5]) * 3_000
