from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import cleaning, names


def one(clean: Callable[[pl.Expr], pl.Expr], text: str | None) -> str | None:
    value: str | None = pl.DataFrame({"x": [text]}, schema={"x": pl.String}).select(clean(pl.col("x"))).item()
    return value


@pytest.mark.parametrize(
    ("clean", "text", "expected"),
    [
        (names.name, "Mr. John", "JOHN"),
        (names.name, "o’neill", "O'NEILL"),
        (names.name, "Anne - Marie", "ANNE-MARIE"),
        (names.name, "Łukasz Żółć", "LUKASZ ZOLC"),
        (names.name, "Siân", "SIAN"),
        (names.name, " - ", None),
        (cleaning.nhs_number, "943 476 5919", "9434765919"),
        (cleaning.nhs_number, "9434765918", None),
        (cleaning.nhs_number, "0000000000", None),
        (cleaning.ni_number, "qq 12 34 56 c", "QQ123456C"),
        (cleaning.postcode, "ab12cd", "AB1 2CD"),
        (cleaning.postcode, "ZZ99 3VZ", None),
        (cleaning.postcode, "somewhere", None),
        (cleaning.phone, "+44 (0)7700 900123", "07700900123"),
        (cleaning.phone, "07000000000", None),
        (cleaning.phone, "12", None),
        (cleaning.email, " A.B@Example.ORG", "a.b@example.org"),
        (cleaning.email, "a.b", None),
        (cleaning.uprn, "000100012.0", "100012"),
        (cleaning.uprn, "-1.0", None),
        (cleaning.address, "1 High  St, , Town,  AB1 2CD.", "1 HIGH ST, TOWN"),
        (cleaning.address, "No fixed abode", None),
        (cleaning.postcode_within, "1 High St, Town ab1 2cd", "AB1 2CD"),
        (cleaning.sex, "female", "F"),
        (cleaning.sex, "Not known", None),
    ],
)
def test_values_take_their_normal_form(clean: Callable[[pl.Expr], pl.Expr], text: str, expected: str | None) -> None:
    assert one(clean, text) == expected
    assert one(clean, None) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MR JOHN ALAN SMITH", ("JOHN", "ALAN", "SMITH")),
        ("Smith, John A", ("JOHN", "A", "SMITH")),
        ("Ms Anna van der Berg", ("ANNA", None, "VAN DER BERG")),
        ("MR J & MRS K SMITH", ("J", None, "SMITH")),
        ("Mr J Smith and Mrs K Jones", ("J", None, "SMITH")),
        ("JOHN SMITH (DECEASED)", ("JOHN", None, "SMITH")),
        ("Cher", (None, None, "CHER")),
        ("", (None, None, None)),
    ],
)
def test_one_string_is_taken_apart_into_names(text: str, expected: tuple[str | None, ...]) -> None:
    assert names.split_names(pl.Series([text]), surname_first=False).row(0) == expected


def test_a_string_with_the_surname_first_is_taken_apart_so() -> None:
    made = names.split_names(pl.Series(["SMITH JOHN ALAN", "Smith, John"]), surname_first=True)
    assert made.rows() == [("JOHN", "ALAN", "SMITH"), ("JOHN", None, "SMITH")]


@given(digits=st.text("0123456789", min_size=9, max_size=9))
def test_an_nhs_number_is_valid_for_one_check_digit_at_most(digits: str) -> None:
    tried = pl.DataFrame({"x": [digits + last for last in "0123456789"]})
    check = (11 - sum(int(d) * w for d, w in zip(digits, range(10, 1, -1), strict=True)) % 11) % 11
    valid = tried.select(cleaning.nhs_number(pl.col("x"))).to_series().drop_nulls().to_list()
    assert valid == ([] if check == 10 or (digits + str(check)).strip("0") == "" else [digits + str(check)])


@given(digits=st.text("0123456789", min_size=12, max_size=12))
def test_a_upn_is_valid_for_one_check_letter(digits: str) -> None:
    tried = pl.DataFrame({"x": [letter + digits for letter in cleaning.UPN_LETTERS]})
    expected = cleaning.UPN_LETTERS[sum(int(d) * w for d, w in zip(digits, range(2, 14), strict=True)) % 23]
    assert tried.select(cleaning.upn(pl.col("x"))).to_series().drop_nulls().to_list() == [expected + digits]
