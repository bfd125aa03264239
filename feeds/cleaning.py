"""The normal form of dates, ids, contacts, addresses and codes, as expressions over columns of text.

What belongs here: what counts as the same value written in two ways, what only looks like a value, and the vocabulary
of transforms that a contract's column may name. Names belong in `names`; which column holds what is said by the
contract, and put together in `people` and `mapping`. An expression gives null where there is no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from feeds import names

NO_DATES = (date(1900, 1, 1), date(1901, 1, 1), date(1800, 1, 1), date(1899, 12, 30), date(1899, 12, 31))
POSTCODE = r"[A-Z]{1,2}[0-9][0-9A-Z]?[0-9][A-Z]{2}"
NO_ADDRESS = (
    r"^(?:NFA|NO FIXED (?:ABODE|ADDRESS)|UNKNOWN|NOT KNOWN|N/?A|(?:ADDRESS|WHEREABOUTS) (?:UNKNOWN|NOT KNOWN)|"
    r"HOMELESS|NONE|VARIOUS|(?:THE )?OCCUPIERS?)(?:,.*)?$"
)
NO_EMAIL = (
    r"^(?:none|no|na|n/a|nil|unknown|notknown|not\.known|noemail|no\.email|no-email|noreply|no-reply|donotreply|"
    r"test|x+|a)@|@(?:none|unknown|noemail|nomail)\.[^@]+$"
)
NO_VALUE = (
    r"^(?:|[-?.*#]+|N/?A|#N/?A|NULL|NONE|NIL|NK|N/?K|UNK|UNKNOWN|NOT (?:KNOWN|STATED|GIVEN|RECORDED|APPLICABLE|"
    r"AVAILABLE|PROVIDED)|NOT YET (?:KNOWN|OBTAINED)|TBC|TBA|REFUSED|NAN|9999)$"
    r"|^(?:0?1[/.-]0?1[/.-](?:1800|1900|1901)|(?:1800|1900|1901)-?01-?01|3[01][/.-]12[/.-](?:1899|9999)|"
    r"(?:1899|9999)-?12-?3[01])(?:[T ]0{1,2}:00(?::00(?:\.0+)?)?)?$"
)  # fmt: skip
UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"  # DfE: the check letters, in order of their remainder
EXCEL_DAY_0 = date(1899, 12, 30)
FEW = 10_000  # rows for which telling values apart costs more than it saves
PIVOT = 30  # two-digit years below it are of this century
YES = ("Y", "YES", "TRUE", "T", "1")
NO = ("N", "NO", "FALSE", "F", "0")


def given(text: pl.Expr) -> pl.Expr:
    """The text, or null where nothing is left of it."""
    return pl.when(text.str.len_bytes() > 0).then(text)


def kept(value: pl.Expr, test: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """The value, or null where a test of it does not hold; worked out once.

    Polars works out again, at each place where it stands, whatever holds a condition.
    """
    field = pl.field("value")
    one = pl.struct(value.alias("value")).struct.with_fields(pl.when(test(field)).then(field).alias("value"))
    return one.struct.field("value")


def sex(text: pl.Expr) -> pl.Expr:
    """M, F or null."""
    word = text.str.to_uppercase()
    return pl.when(word.is_in(["M", "MALE", "1", "BOY"])).then(pl.lit("M")).when(
        word.is_in(["F", "FEMALE", "2", "GIRL"])
    ).then(pl.lit("F"))  # fmt: skip


# -- ids ------------------------------------------------------------------------------------------------------------


def nhs_number(text: pl.Expr) -> pl.Expr:
    """Ten digits whose last is the modulus 11 check digit of the others (NHS Data Dictionary), else null.

    One digit ten times over keeps the sum and is nobody's. `stdnum.gb.nhs` says the same, value by value in Python,
    at many times the cost, so a test holds this to it.
    """
    digits = text.str.replace_all(r"[^0-9A-Za-z]", "")
    number = pl.when(digits.str.contains(r"^[0-9]{10}$")).then(digits).cast(pl.Int64)
    total = pl.sum_horizontal(number // 10**i % 10 * (i + 1) for i in range(10))
    return pl.when((total % 11 == 0) & (number % 1_111_111_111 != 0)).then(digits)


def no_nhs_number(text: pl.Expr) -> pl.Expr:
    """Whether an NHS number is one digit ten times over, as systems are given where there is none."""
    return text.str.replace_all(r"[^0-9A-Za-z]", "").str.contains(_repeated(10, 10))


def upn(text: pl.Expr) -> pl.Expr:
    """A unique pupil number whose first letter is the modulus 23 check letter of the rest (DfE UPN guide), else null.

    A temporary number ends in a letter, which counts by its place among the check letters. `stdnum.gb.upn` reckons
    the same letter, at many times the cost and with a list of authorities that ends in 2009, so a test holds this to
    its check letter and not to its list.
    """
    upper = text.str.replace_all(r"\s", "").str.to_uppercase()
    places = {letter: str(i) for i, letter in enumerate(UPN_LETTERS)}
    formed = upper.str.contains(rf"^[{UPN_LETTERS}][0-9]{{11}}[0-9{UPN_LETTERS}]$")
    number = pl.when(formed).then(upper.str.slice(1, 11)).cast(pl.Int64)
    first, last = (
        pl.when(formed).then(end).replace(places).cast(pl.Int64) for end in (upper.str.head(1), upper.str.tail(1))
    )
    total = pl.sum_horizontal(number // 10**i % 10 * (12 - i) for i in range(11)) + last * 13
    return pl.when(total % 23 == first).then(upper)


def ni_number(text: pl.Expr) -> pl.Expr:
    """A National Insurance number without spaces: two letters, six digits and, where given, a suffix.

    Temporary numbers (TN, then a birth date) are shared by people born on one day, and so are null.
    """
    upper = text.str.replace_all(r"[\s-]", "").str.to_uppercase()
    return pl.when(upper.str.contains(r"^[A-Z]{2}[0-9]{6}[A-D]?$") & ~no_ni_number(text)).then(upper)


def no_ni_number(text: pl.Expr) -> pl.Expr:
    """Whether a National Insurance number is a temporary or a made-up one."""
    upper = text.str.replace_all(r"[\s-]", "").str.to_uppercase()
    return upper.str.contains(r"^(?:TN[0-9]{6}|[A-Z]{2}(?:000000|999999)|(?:AB|ZZ)123456)[A-Z]?$")


def uprn(text: pl.Expr) -> pl.Expr:
    """Up to twelve digits without leading noughts; a spreadsheet's `.0` is taken off."""
    return text.str.extract(r"^0*([1-9][0-9]{0,11})(?:\.0)?$")


def no_uprn(text: pl.Expr) -> pl.Expr:
    """Whether a property reference is a nought, -1 or nines, which stand for none."""
    return text.str.contains(r"^(?:-1|0+|9{6,})(?:\.0)?$")


# -- contacts and addresses -----------------------------------------------------------------------------------------


def squeezed(text: pl.Expr) -> pl.Expr:
    """A postcode as written, letters and digits alone."""
    return text.str.to_uppercase().str.replace_all(r"[^A-Z0-9]", "")


def postcode(text: pl.Expr) -> pl.Expr:
    """A postcode with one space; null where it has not the form of one or is a placeholder such as ZZ99."""
    tight = squeezed(text)
    spaced = pl.concat_str(tight.str.head(-3), tight.str.tail(3), separator=" ")
    return pl.when(tight.str.contains(f"^{POSTCODE}$") & ~no_postcode(text)).then(spaced)


def no_postcode(text: pl.Expr) -> pl.Expr:
    """Whether a postcode is one of those that stand for no place: the NHS's ZZ99 codes, and what people make up."""
    return squeezed(text).str.contains(r"^(?:ZZ99|XX99|ZZ1ZZ|AA11AA|AA99|A11AA|NFA|XXX|UNKNOWN)")


def phone(text: pl.Expr) -> pl.Expr:
    """Digits of a British telephone number from its first 0; null for placeholders and what cannot be one."""
    return kept(_dialled(text), lambda digits: digits.str.contains(r"^0[1-9][0-9]{8,9}$") & ~_made_up(digits))


def no_phone(text: pl.Expr) -> pl.Expr:
    """Whether a telephone number is made up: one digit over and over after its beginning, or one to nine."""
    return _made_up(_dialled(text))


def _made_up(digits: pl.Expr) -> pl.Expr:
    again = "|".join(f"{d}{{7,}}" for d in range(10))
    return digits.str.contains(
        rf"^(?:0{{6,}}|0?[0-9]{{0,3}}?(?:{again})|0?[0-9]?123456789?[0-9]{{0,2}})$|^07[0-9]00000000$"
    )


def _dialled(text: pl.Expr) -> pl.Expr:
    plain = text.str.contains(r"^0[1-9][0-9]+$")
    other = pl.when(~plain).then(text).str.replace_all(r"[^0-9+]", "").str.replace(r"^(?:\+44|0044)0?", "0")
    return pl.when(plain).then(text).otherwise(other.str.replace_all("+", "", literal=True))


def email(text: pl.Expr) -> pl.Expr:
    """An address in lower case; null where it has not the form of one, or is a placeholder such as none@."""
    lower = text.str.replace_all(r"\s", "").str.to_lowercase()
    return pl.when(lower.str.contains(r"^[^@]+@[^@]+\.[^@.]+$") & ~lower.str.contains(NO_EMAIL)).then(lower)


def no_email(text: pl.Expr) -> pl.Expr:
    """Whether an email address stands for none."""
    return text.str.replace_all(r"\s", "").str.to_lowercase().str.contains(NO_EMAIL)


def address(text: pl.Expr) -> pl.Expr:
    """An address as text in upper case, a postcode at its end taken off; null for no fixed abode and unknown."""
    tidy = text.str.to_uppercase().str.replace_all(r"\s+", " ").str.replace_all(r" ?(?:, ?)+", ", ")
    ending = r"[ ,]*\b[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}$"
    bare = tidy.str.strip_chars(" ,.").str.replace(ending, "").str.strip_chars(" ,.")
    return pl.when(~bare.str.contains(NO_ADDRESS)).then(given(bare))


def postcode_within(text: pl.Expr) -> pl.Expr:
    """The postcode at the end of an address given as one text."""
    return postcode(text.str.to_uppercase().str.extract(r"\b([A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2})[ .,]*$"))


# -- the vocabulary of a contract's `clean` -------------------------------------------------------------------------


@dataclass(frozen=True)
class Transform:
    """One word of the vocabulary: what it does to a column of text, in a line, with examples of before and after."""

    to: Callable[[pl.Expr], pl.Expr]
    meaning: str
    examples: tuple[tuple[str, str | None], ...]


def squash_spaces(text: pl.Expr) -> pl.Expr:
    """No space, tab or line end at either end, and one between words."""
    return given(text.str.replace_all(r"[\s\x{A0}]+", " ").str.strip_chars(" "))


def null_if_placeholder(text: pl.Expr) -> pl.Expr:
    """Null for words, dates and numbers that stand for no value."""
    word = text.str.strip_chars().str.to_uppercase()
    return pl.when(~word.str.contains(NO_VALUE) & ~word.str.contains(_repeated(7)) & ~no_postcode(text)).then(text)


def thousands(text: pl.Expr) -> pl.Expr:
    """A number without pound sign, commas and spaces; one in brackets, or with CR or a minus behind it, is negative."""
    bare = text.str.to_uppercase().str.replace_all(r"[£,\s]", "").str.replace(r"DR$", "")
    number = bare.str.replace(r"^\((.*)\)$", "-$1").str.replace(r"^([0-9.]+)(?:CR|-)$", "-$1")
    return pl.when(number.str.contains(r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$")).then(number)


def yes_no(text: pl.Expr) -> pl.Expr:
    """Yes or no for the ways in which systems write them; null for anything else."""
    word = text.str.strip_chars().str.to_uppercase()
    return pl.when(word.is_in(YES)).then(pl.lit("yes")).when(word.is_in(NO)).then(pl.lit("no"))


def excel_date_number(text: pl.Expr) -> pl.Expr:
    """A spreadsheet's day number (1900 system, from 1950) as yyyy-MM-dd; other text as it stands."""
    days = text.str.extract(r"^\s*([0-9]{5})(?:\.[0-9]+)?\s*$").cast(pl.Int64, strict=False)
    day = pl.lit(EXCEL_DAY_0).dt.offset_by(pl.concat_str(days, pl.lit("d"))).dt.to_string("%Y-%m-%d")
    return pl.when(days.is_between(18_264, 73_050)).then(day).otherwise(text)


def two_digit_year(text: pl.Expr) -> pl.Expr:
    """dd/MM/yy as dd/MM/yyyy: 00 to 29 are 2000 to 2029, 30 to 99 are 1930 to 1999; other text as it stands."""
    start = text.str.extract(r"^\s*([0-9]{1,2}[/.-][0-9]{1,2}[/.-])[0-9]{2}\s*$")
    year = text.str.extract(r"([0-9]{2})\s*$").cast(pl.Int64, strict=False)
    century = pl.when(year < PIVOT).then(pl.lit(2000)).otherwise(pl.lit(1900))
    return pl.coalesce(pl.concat_str(start, (century + year).cast(pl.String)), text)


def clock_to_hours(text: pl.Expr) -> pl.Expr:
    """Hours and minutes as a number of hours; other text as it stands."""
    parts = text.str.extract_groups(r"^\s*([0-9]+):([0-5][0-9])(?::[0-5][0-9])?\s*$")
    hours = parts.struct.field("1").cast(pl.Float64) + parts.struct.field("2").cast(pl.Float64) / 60
    return pl.coalesce(hours.round(4).cast(pl.String), text)


def _times(factor: float, digits: int = 6) -> Callable[[pl.Expr], pl.Expr]:
    """A number in another unit; null where the text is none."""

    def scaled(text: pl.Expr) -> pl.Expr:
        value = (text.cast(pl.Float64, strict=False) * factor).round(digits)
        return pl.when(value.is_finite()).then(value.cast(pl.String).str.strip_suffix(".0"))

    return scaled


TRANSFORMS: dict[str, Transform] = {
    # text
    "trim": Transform(
        lambda t: given(t.str.strip_chars()),
        "spaces at either end are taken off; nothing left is null",
        (("  Ann ", "Ann"), ("  ", None)),
    ),
    "squash_spaces": Transform(
        squash_spaces,
        "spaces at either end are taken off, and one is left between words",
        ((" High   St ", "High St"),),
    ),
    "upper": Transform(lambda t: t.str.to_uppercase(), "capital letters", (("Smith", "SMITH"),)),
    "lower": Transform(lambda t: t.str.to_lowercase(), "small letters", (("A.B@C.UK", "a.b@c.uk"),)),
    "digits_only": Transform(
        lambda t: given(t.str.replace_all(r"[^0-9]", "")),
        "all but digits is taken out",
        (("CT/00-412", "00412"), ("none", None)),
    ),
    "strip_leading_zeros": Transform(
        lambda t: given(t.str.strip_chars_start("0")),
        "noughts at the beginning are taken off; nothing left is null",
        (("000412", "412"), ("000", None)),
    ),
    "strip_decimal": Transform(
        lambda t: t.str.replace(r"\.0+$", ""),
        "the .0 that a spreadsheet puts behind a whole number is taken off",
        (("412.0", "412"), ("412.5", "412.5")),
    ),
    "fold_accents": Transform(names.folded, "letters without accents", (("Siân Żółć", "Sian Zolc"),)),
    "null_if_placeholder": Transform(
        null_if_placeholder,
        "null for what stands for no value: unknown, N/A, ?, 1900-01-01, 31/12/9999, 0000000000, ZZ99 3VZ and such",
        (("N/A", None), ("01/01/1900", None), ("0000000000", None), ("ZZ99 3VZ", None), ("Nan Smith", "Nan Smith")),
    ),
    # names
    "name": Transform(
        names.name,
        "a name in capitals: title and accents off, one space between words",
        (("Mrs. Siân  O’Neill", "SIAN O'NEILL"),),
    ),
    "drop_title": Transform(
        names.untitled, "titles at the beginning are taken off", (("Mr. John Smith", "John Smith"), ("Dr", None))
    ),
    "drop_executors": Transform(
        names.unexecuted,
        "the words that say a name stands for an estate are taken off (`full_name.clean` drops the record instead)",
        (("Executors of Mr J Smith", "Mr J Smith"), ("Mr J Smith (Deceased)", "Mr J Smith")),
    ),
    # ids
    "nhs_number": Transform(
        nhs_number,
        "an NHS number as ten digits; null without a valid check digit, or one digit ten times over",
        (("943 476 5919", "9434765919"), ("9434765918", None), ("9999999999", None)),
    ),
    "upn": Transform(
        upn,
        "a unique pupil number in capitals; null without a valid check letter",
        (("b801200005001", "B801200005001"), ("A801200005001", None)),
    ),
    "ni_number": Transform(
        ni_number,
        "a National Insurance number in capitals without spaces; null without its form, and for temporary numbers",
        (("qq 12 34 56 c", "QQ123456C"), ("TN010101M", None), ("TN010101", None)),
    ),
    "uprn": Transform(
        uprn,
        "a property reference number without leading noughts and .0; null for 0, -1 and what is none",
        (("000100012.0", "100012"), ("0", None), ("-1", None)),
    ),
    # contacts and places
    "postcode": Transform(
        postcode,
        "a postcode in capitals with one space; null without its form, and for ZZ99 and other placeholders",
        (("ab12cd", "AB1 2CD"), ("ZZ99 3VZ", None), ("Leeds", None)),
    ),
    "postcode_within": Transform(
        postcode_within, "the postcode at the end of an address", (("1 High St, Leeds ls1 4ap", "LS1 4AP"),)
    ),
    "phone": Transform(
        phone,
        "the digits of a British telephone number; null for what is none and for 07000000000 and its like",
        (("+44 (0)7700 900123", "07700900123"), ("07777777777", None), ("12", None)),
    ),
    "email": Transform(
        email,
        "an email address in small letters; null for what is none and for none@, unknown@ and their like",
        ((" A.B@Leeds.gov.uk", "a.b@leeds.gov.uk"), ("unknown@council.gov.uk", None)),
    ),
    "address": Transform(
        address,
        "an address in capitals, a postcode at its end taken off; null for no fixed abode, The Occupier and unknown",
        (("1 High  St, , Leeds, LS1 4AP.", "1 HIGH ST, LEEDS"), ("No fixed abode", None)),
    ),
    # codes
    "code": Transform(
        lambda t: given(t.str.replace_all(r"\s", "").str.to_uppercase()),
        "a code in capitals without spaces",
        ((" wbri ", "WBRI"),),
    ),
    "code_before_dash": Transform(
        lambda t: t.str.extract(r"^\s*([^\s:–-]+)\s*(?:[-–:].*)?$"),
        "the code of a cell that holds code and label; null where it is not one word before a dash or colon",
        (("WBRI - White British", "WBRI"), ("N4: Neglect", "N4"), ("N4", "N4"), ("White British", None)),
    ),
    "label_after_dash": Transform(
        lambda t: t.str.extract(r"^[^\s:–-]+\s*[-–:]\s*(.*\S)\s*$"),
        "the label of a cell that holds code and label; null without either",
        (("WBRI - White British", "White British"), ("WBRI", None)),
    ),
    "yes_no": Transform(
        yes_no,
        "yes or no for y, yes, true, t, 1 and n, no, false, f, 0 in any case; null for the rest",
        (("Y", "yes"), ("False", "no"), ("maybe", None)),
    ),
    "sex": Transform(sex, "M or F for male, boy, 1 and female, girl, 2; null for the rest", (("Female", "F"),)),
    # dates
    "excel_date_number": Transform(
        excel_date_number,
        "a spreadsheet's day number as yyyy-MM-dd (1900 system, days of 1950 to 2099); other text as it stands",
        (("45981", "2025-11-20"), ("45981.75", "2025-11-20"), ("2025-11-20", "2025-11-20")),
    ),
    "two_digit_year": Transform(
        two_digit_year,
        "dd/MM/yy as dd/MM/yyyy: years 00 to 29 are 2000 to 2029, 30 to 99 are 1930 to 1999; other text as it stands",
        (("01/02/08", "01/02/2008"), ("1-2-31", "1-2-1931"), ("01/02/2008", "01/02/2008")),
    ),
    # numbers and units
    "thousands": Transform(
        thousands,
        "a number without £, commas and spaces; in brackets or with CR or - behind it, negative; null where it is none",
        (("£1,234.50", "1234.50"), ("(50.00)", "-50.00"), ("50.00 CR", "-50.00"), ("about 5", None)),
    ),
    "percent": Transform(
        lambda t: t.str.extract(r"^\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*%?\s*$"),
        "a percentage without its sign, still of a hundred; null where it is none",
        (("92.5 %", "92.5"), ("92.5", "92.5"), ("most", None)),
    ),
    "pence_to_pounds": Transform(_times(0.01), "pence as pounds", (("123450", "1234.5"), ("none", None))),
    "minutes_to_hours": Transform(_times(1 / 60), "minutes as hours", (("90", "1.5"),)),
    "clock_to_hours": Transform(
        clock_to_hours, "hours and minutes as hours; other text as it stands", (("7:30", "7.5"), ("7.5", "7.5"))
    ),
    "hours_to_days": Transform(_times(1 / 24), "hours as days of 24 hours", (("36", "1.5"),)),
    "sessions_to_days": Transform(_times(0.5), "school sessions, two a day, as days", (("7", "3.5"),)),
    "weeks_to_days": Transform(_times(7), "weeks as days", (("2", "14"),)),
}


def cleaned(text: pl.Expr, transforms: Iterable[str]) -> pl.Expr:
    """The text after each of the transforms named, in order."""
    for name in transforms:
        text = TRANSFORMS[name].to(text)
    return text


def each(text: pl.Series, clean: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """A column of text cleaned, each distinct value once where values repeat; the same as `clean` of the column."""
    rows = text.to_frame("text").lazy()  # lazily, for then what an expression says twice is worked out once
    if text.len() < FEW or rows.select(pl.col("text").approx_n_unique()).collect().item() > text.len() / 2:
        return rows.select(clean(pl.col("text")).alias(text.name)).collect().to_series()
    once = rows.unique().with_columns(clean(pl.col("text")).alias("clean"))
    made = rows.join(once, on="text", how="left", nulls_equal=True, maintain_order="left")
    return made.select(pl.col("clean").alias(text.name)).collect().to_series()


def _repeated(least: int, most: int | None = None) -> str:
    """A pattern for one digit over and over: the engine knows no back references."""
    times = f"{{{least},{most or ''}}}"
    return "^(?:" + "|".join(f"{d}{times}" for d in range(10)) + ")$"
