"""The normal form of names, dates, ids, contacts and addresses, as expressions over columns of text.

What belongs here: what counts as the same value written in two ways, and what only looks like a value. Which column
holds what is said by the contract, and put together in `mapping`. An expression gives null where there is no value.
"""

from __future__ import annotations

from datetime import date

import polars as pl

TITLES = (
    "MR", "MRS", "MISS", "MS", "MX", "DR", "MASTER", "MSTR", "REV", "REVD", "SIR", "LADY", "LORD", "DAME", "PROF",
    "PROFESSOR", "CLLR", "FR",
)  # fmt: skip
NO_NAME = (
    "UNKNOWN", "UNK", "NOT KNOWN", "NK", "N A", "NONE", "NOT GIVEN", "NOT STATED", "NO NAME", "ANON", "ANONYMOUS",
    "TBC", "TBA", "X", "XX", "XXX", "REFUSED",
)  # fmt: skip
NO_FORENAME = (*NO_NAME, "BABY", "BABY GIRL", "BABY BOY", "INFANT", "UNBORN", "MALE", "FEMALE", "CHILD")
TEST = (
    r"^(?:[XZ]*TEST(?:ING|PATIENT|PERSON|RECORD|CHILD|CASE)?(?: (?:PATIENT|PERSON|RECORD|CHILD|CASE))?|"
    r"DUMMY|DO NOT USE)$"
)
EXECUTORS = (
    r"\b(?:EXECUTORS?|EXECUTRIX|EXORS?|EXECS?|ADMINISTRATORS? OF|PERSONAL REPS?|PERSONAL REPRESENTATIVES?|PERS REPS?|"
    r"ESTATE OF|TRUSTEES? OF)\b"
)
ORGANISATIONS = (
    r"\b(?:LTD|LIMITED|PLC|LLP|COUNCIL|HOUSING|ASSOCIATION|TRUST|PROPERTIES|LETTINGS|INVESTMENTS|HOLDINGS|"
    r"DEVELOPMENTS|MANAGEMENT|COMPANY|SOCIETY|UNIVERSITY|SERVICES|ESTATES|HOMES|NHS|DIOCESE|OCCUPIERS?)\b"
)
LATE = r"\b(?:DECEASED|DECD|DEC D|THE LATE)\b"
PARTICLES = r"(?:(?:VAN|VON|DE|DER|DEN|DI|DA|DEL|DOS|LA|LE|EL|AL|BIN|IBN|ST|MC|MAC|O|TEN|TER|AP|AB|UL|UR) )*"
NO_DATES = (date(1900, 1, 1), date(1901, 1, 1), date(1800, 1, 1), date(1899, 12, 30), date(1899, 12, 31))
POSTCODE = r"[A-Z]{1,2}[0-9][0-9A-Z]?[0-9][A-Z]{2}"
NO_ADDRESS = r"^(?:NFA|NO FIXED (?:ABODE|ADDRESS)|UNKNOWN|NOT KNOWN|N/?A|ADDRESS UNKNOWN|HOMELESS)(?:,.*)?$"
UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"  # DfE: the check letters, in order of their remainder
FOLDED = {"Ł": "L", "Ø": "O", "Đ": "D", "Æ": "AE", "Œ": "OE", "ẞ": "SS", "ß": "SS", "Þ": "TH", "Ð": "D", "ʼ": "'",
          "’": "'", "‘": "'", "`": "'", "´": "'", "–": "-", "—": "-", "İ": "I"}  # fmt: skip


def given(text: pl.Expr) -> pl.Expr:
    """The text, or null where nothing is left of it."""
    return pl.when(text.str.len_bytes() > 0).then(text)


def name(text: pl.Expr) -> pl.Expr:
    """A name in upper case: accents folded, titles off, letters, apostrophes and hyphens kept, one space between."""
    upper = text.str.to_uppercase().str.replace_many(list(FOLDED), list(FOLDED.values()))
    plain = upper.str.normalize("NFKD").str.replace_all(r"[\p{M}\x{2019}]", "")
    words = plain.str.replace_all(r"[^\p{L}' -]+", " ").str.replace_all(r" *([-']) *", "$1")
    single = words.str.replace_all(r" {2,}", " ").str.strip_chars(" -'")
    return given(single.str.replace(rf"^(?:(?:{'|'.join(TITLES)}) )+", ""))


def is_test(forename: pl.Expr, surname: pl.Expr) -> pl.Expr:
    """Whether a cleaned name is that of a record made to try a system out."""
    return (forename.str.contains(TEST) | surname.str.contains(TEST)).fill_null(False)


def is_joint(text: pl.Expr) -> pl.Expr:
    """Whether a name string names several people."""
    return text.str.to_uppercase().str.contains(r"\w *(?:&|\bAND\b) *\w")


def split_names(text: pl.Series, surname_first: bool) -> pl.DataFrame:
    """`forename`, `middle_names` and `surname` of names that are one string each.

    "SMITH, JOHN" has the surname first whatever the order. Of several people (MR J SMITH & MRS K SMITH, or MR J & MRS
    K SMITH) the first is taken. Worked in steps, each a column, for an expression of all of it is worked out many
    times over.
    """
    upper = pl.col("text").str.to_uppercase()
    comma, joint = pl.col("text").str.contains(","), is_joint(pl.col("text"))
    pattern = rf"^({PARTICLES}\S+)" if surname_first else rf"((?:^| ){PARTICLES}\S+)$"
    steps = (
        text.to_frame("text")
        .with_columns(
            first=pl.when(joint).then(name(upper.str.replace(r"(?:&|\bAND\b).*$", ""))),
            whole=name(upper.str.replace_all(LATE, " ")),
            before=pl.when(comma).then(name(upper.str.extract(r"^([^,]*),"))),
            after=pl.when(comma).then(name(upper.str.extract(r"^[^,]*,(.*)$"))),
        )
        .with_columns(
            one=pl.when(pl.col("first").str.contains(" "))
            .then("first")
            .when(pl.col("first").is_not_null())
            .then(pl.concat_str("first", pl.col("whole").str.extract(r"(\S+)$"), separator=" "))
            .otherwise("whole")
        )
        .with_columns(tail=pl.col("one").str.extract(pattern).str.strip_chars())
    )
    cut, long = pl.col("tail").str.len_chars(), pl.col("one").str.len_chars()
    rest = pl.col("one").str.slice(cut) if surname_first else pl.col("one").str.head((long - cut).cast(pl.Int64))
    steps = steps.with_columns(
        surname=pl.when(comma).then("before").otherwise("tail"),
        forenames=pl.when(comma).then("after").otherwise(given(rest.str.strip_chars())),
    )
    forenames = pl.col("forenames")
    return steps.select(forename=first_word(forenames), middle_names=later_words(forenames), surname="surname")


def first_word(text: pl.Expr) -> pl.Expr:
    """The text up to its first space."""
    return text.str.extract(r"^(\S+)")


def later_words(text: pl.Expr) -> pl.Expr:
    """The text after its first space; null where there is none."""
    return given(text.str.extract(r"^\S+ (.*)$"))


def sex(text: pl.Expr) -> pl.Expr:
    """M, F or null."""
    word = text.str.to_uppercase()
    return pl.when(word.is_in(["M", "MALE", "1", "BOY"])).then(pl.lit("M")).when(
        word.is_in(["F", "FEMALE", "2", "GIRL"])
    ).then(pl.lit("F"))  # fmt: skip


def nhs_number(text: pl.Expr) -> pl.Expr:
    """Ten digits whose last is the modulus 11 check digit of the others (NHS Data Dictionary), else null."""
    digits = text.str.replace_all(r"[^0-9A-Za-z]", "")
    total = pl.sum_horizontal(_digit(digits, i) * (10 - i) for i in range(9))
    check = (11 - total % 11) % 11
    same = digits.str.contains(r"^0+$")
    return pl.when(digits.str.contains(r"^[0-9]{10}$") & (check == _digit(digits, 9)) & ~same).then(digits)


def upn(text: pl.Expr) -> pl.Expr:
    """A unique pupil number whose first letter is the modulus 23 check letter of the rest (DfE UPN guide), else null.

    A temporary number ends in a letter, which counts by its place among the check letters.
    """
    upper = text.str.replace_all(r"\s", "").str.to_uppercase()
    places = {letter: str(i) for i, letter in enumerate(UPN_LETTERS)}
    last = upper.str.slice(12, 1).replace(places).cast(pl.Int64, strict=False)
    total = pl.sum_horizontal(_digit(upper, i) * (i + 1) for i in range(1, 12)) + last * 13
    letter = (total % 23).cast(pl.String).replace({v: k for k, v in places.items()})
    formed = upper.str.contains(rf"^[{UPN_LETTERS}][0-9]{{11}}[0-9{UPN_LETTERS}]$")
    return pl.when(formed & (letter == upper.str.slice(0, 1))).then(upper)


def ni_number(text: pl.Expr) -> pl.Expr:
    """A National Insurance number without spaces: two letters, six digits and, where given, a suffix."""
    upper = text.str.replace_all(r"[\s-]", "").str.to_uppercase()
    return pl.when(upper.str.contains(r"^[A-Z]{2}[0-9]{6}[A-D]?$")).then(upper)


def squeezed(text: pl.Expr) -> pl.Expr:
    """A postcode as written, letters and digits alone."""
    return text.str.to_uppercase().str.replace_all(r"[^A-Z0-9]", "")


def postcode(text: pl.Expr) -> pl.Expr:
    """A postcode with one space; null where it has not the form of one or is a placeholder such as ZZ99."""
    tight = squeezed(text)
    spaced = pl.concat_str(tight.str.head(-3), tight.str.tail(3), separator=" ")
    return pl.when(tight.str.contains(f"^{POSTCODE}$") & ~no_postcode(text)).then(spaced)


def no_postcode(text: pl.Expr) -> pl.Expr:
    """Whether a postcode is one of those that stand for no place."""
    return squeezed(text).str.contains(r"^(?:ZZ99|XX99|AA11AA|NFA|XXX)")


def phone(text: pl.Expr) -> pl.Expr:
    """Digits of a British telephone number from its first 0; null for placeholders and what cannot be one."""
    digits = _dialled(text)
    return pl.when(digits.str.contains(r"^0[1-9][0-9]{8,9}$") & ~no_phone(text)).then(digits)


def no_phone(text: pl.Expr) -> pl.Expr:
    """Whether a telephone number is made up: noughts, nines or ones after its beginning."""
    return _dialled(text).str.contains(
        r"^(?:0?7?0{6,}|0[0-9]?(?:0{8,}|1{8,}|9{8,})|[0-9]0{8,}|0?123456789[0-9]?)$|^07[0-9]00000000$"
    )


def _dialled(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"[^0-9+]", "").str.replace(r"^(?:\+44|0044)0?", "0").str.replace_all(r"\+", "")


def email(text: pl.Expr) -> pl.Expr:
    """An address in lower case; null where it has not the form of one."""
    lower = text.str.replace_all(r"\s", "").str.to_lowercase()
    return pl.when(lower.str.contains(r"^[^@]+@[^@]+\.[^@.]+$")).then(lower)


def uprn(text: pl.Expr) -> pl.Expr:
    """Up to twelve digits without leading noughts; a spreadsheet's `.0` is taken off."""
    return text.str.extract(r"^0*([1-9][0-9]{0,11})(?:\.0)?$")


def address(text: pl.Expr) -> pl.Expr:
    """An address as text in upper case, a postcode at its end taken off; null for no fixed abode and unknown."""
    tidy = text.str.to_uppercase().str.replace_all(r"\s+", " ").str.replace_all(r" ?(?:, ?)+", ", ")
    ending = r"[ ,]*\b[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}$"
    bare = tidy.str.strip_chars(" ,.").str.replace(ending, "").str.strip_chars(" ,.")
    return pl.when(~bare.str.contains(NO_ADDRESS)).then(given(bare))


def postcode_within(text: pl.Expr) -> pl.Expr:
    """The postcode at the end of an address given as one text."""
    return postcode(text.str.to_uppercase().str.extract(r"\b([A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2})[ .,]*$"))


def _digit(text: pl.Expr, place: int) -> pl.Expr:
    return text.str.slice(place, 1).cast(pl.Int64, strict=False)
