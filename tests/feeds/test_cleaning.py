from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import cleaning, names
from warehouse.site import PROJECT


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
        (cleaning.phone, "07777777777", None),
        (cleaning.phone, "00000000000", None),
        (cleaning.phone, "01234567890", None),
        (cleaning.phone, "0044 20 7946 0018", "02079460018"),
        (cleaning.nhs_number, "9999999999", None),
        (cleaning.nhs_number, "4444444444", None),
        (cleaning.ni_number, "TN010101", None),
        (cleaning.ni_number, "AB000000A", None),
        (cleaning.email, "unknown@leeds.gov.uk", None),
        (cleaning.email, "none@none.com", None),
        (cleaning.email, "noone@leeds.gov.uk", "noone@leeds.gov.uk"),
        (cleaning.uprn, "0", None),
        (cleaning.postcode, "ZZ99 9ZZ", None),
        (cleaning.address, "The Occupier, 1 High St", None),
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
        ("SMITH, J & K", ("J", None, "SMITH")),
        ("MR J & MRS K VAN DER BERG", ("J", None, "VAN DER BERG")),
        ("MR J SMITH, MRS K SMITH", ("J", None, "SMITH")),
        ("Mr & Mrs J Smith", ("J", None, "SMITH")),
        ("MR & MRS SMITH", (None, None, "SMITH")),
        ("SMITH, JOHN, MR", ("JOHN", None, "SMITH")),
        ("Smith Mrs J", ("J", None, "SMITH")),
        ("SMITH, MRS J A", ("J", "A", "SMITH")),
        ("John Smith, deceased", ("JOHN", None, "SMITH")),
        ("The late John Smith", ("JOHN", None, "SMITH")),
        ("JOHN SMITH JNR", ("JOHN", None, "SMITH")),
        ("JOHN SMITH JUNIOR", ("JOHN", None, "SMITH")),
        ("DOROTHY SENIOR", ("DOROTHY", None, "SENIOR")),
        ("Dr A. B. de la Cruz III", ("A", "B", "DE LA CRUZ")),
        ("J. R. O'Brien", ("J", "R", "O'BRIEN")),
        ("MR J O BRIEN", ("J", None, "O BRIEN")),
        ("MR O SMITH", ("O", None, "SMITH")),
        ("MR", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_one_string_is_taken_apart_into_names(text: str, expected: tuple[str | None, ...]) -> None:
    assert names.split_names(pl.Series([text]), surname_first=False).row(0) == expected


def test_a_string_with_the_surname_first_is_taken_apart_so() -> None:
    texts = ["SMITH JOHN ALAN", "Smith, John", "SMITH JOHN MR", "VAN DER BERG ANNA", "SMITH J & K"]
    assert names.split_names(pl.Series(texts), surname_first=True).rows() == [
        ("JOHN", "ALAN", "SMITH"),
        ("JOHN", None, "SMITH"),
        ("JOHN", None, "SMITH"),
        ("ANNA", None, "VAN DER BERG"),
        ("J", None, "SMITH"),
    ]


@pytest.mark.parametrize(
    "text", ["MR J & MRS K SMITH", "J SMITH AND K JONES", "MR J SMITH, MRS K SMITH", "J + K SMITH"]
)
def test_a_string_that_names_two_people_is_known_by_it(text: str) -> None:
    assert one(names.is_joint, text)
    assert not one(names.is_joint, "SMITH, MR ANDREW")


@pytest.mark.parametrize("text", ["The Occupier", "OWNER/OCCUPIER", "Various", "VACANT", "the landlord"])
def test_a_string_that_names_whoever_it_may_be_names_nobody(text: str) -> None:
    assert one(names.is_nobody, text)
    assert not one(names.is_nobody, "MR J TENANT")


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


@pytest.mark.parametrize("word", cleaning.TRANSFORMS)
def test_every_transform_does_what_its_examples_say_and_leaves_null_alone(word: str) -> None:
    transform = cleaning.TRANSFORMS[word]
    for before, after in transform.examples:
        assert one(transform.to, before) == after
    assert one(transform.to, None) is None


@pytest.mark.parametrize("word", cleaning.TRANSFORMS)
def test_every_transform_is_documented_with_its_examples(word: str) -> None:
    transform = cleaning.TRANSFORMS[word]
    text = (PROJECT / "docs" / "transforms.md").read_text(encoding="utf-8")
    assert f"| `{word}` | {transform.meaning} |" in text
    for before, after in transform.examples:
        assert f"| `{before}` | {'null' if after is None else f'`{after}`'} |" in text


def test_transforms_are_applied_in_order() -> None:
    rows = pl.DataFrame({"x": [" 1,200p "]})
    assert rows.select(cleaning.cleaned(pl.col("x"), ["digits_only", "pence_to_pounds"])).item() == "12"
    assert rows.select(cleaning.cleaned(pl.col("x"), ["pence_to_pounds", "digits_only"])).item() is None


@given(
    texts=st.lists(
        st.none() | st.text() | st.sampled_from([b for t in cleaning.TRANSFORMS.values() for b, _ in t.examples])
    ),
    word=st.sampled_from(sorted(cleaning.TRANSFORMS)),
)
def test_each_distinct_value_cleaned_once_is_the_column_cleaned(texts: list[str | None], word: str) -> None:
    column, to = pl.Series("x", texts, pl.String), cleaning.TRANSFORMS[word].to
    repeated = pl.concat([column] * 4)
    direct = repeated.to_frame().select(to(pl.col("x"))).to_series()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "FEW", 0)
        assert cleaning.each(repeated, to).equals(direct.rename("x"), null_equal=True)


@given(words=st.lists(st.sampled_from(["MR", "Ann", "o'neill", "van", "-", "JR", "é", "Smith-Jones", "."]), max_size=6))
def test_a_cleaned_name_stays_as_it_is(words: list[str]) -> None:
    once = one(names.name, " ".join(words))
    assert one(names.name, once) == once
