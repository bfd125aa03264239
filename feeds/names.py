"""The normal form of names, and a whole name taken apart, as expressions over columns of text.

What belongs here: titles, particles, suffixes, and what only looks like a person's name. Other values belong in
`cleaning`.
"""

from __future__ import annotations

import polars as pl

TITLES = (
    "MR", "MRS", "MISS", "MS", "MX", "DR", "MASTER", "MSTR", "REV", "REVD", "REVEREND", "SIR", "LADY", "LORD", "DAME",
    "PROF", "PROFESSOR", "CLLR", "FR", "CAPT", "MESSRS",
)  # fmt: skip
AFTER = ("MR", "MRS", "MISS", "MS", "MX", "DR", "MASTER", "MSTR", "REV", "CLLR")  # titles put behind a name
SUFFIXES = ("JNR", "JR", "SNR", "SR", "II", "III", "IV", "ESQ", "ESQUIRE", "OBE", "MBE", "CBE")  # Senior is a surname
NO_NAME = (
    "UNKNOWN", "UNK", "NOT KNOWN", "NK", "N A", "NONE", "NOT GIVEN", "NOT STATED", "NO NAME", "ANON", "ANONYMOUS",
    "TBC", "TBA", "X", "XX", "XXX", "REFUSED", "VARIOUS", "SURNAME", "FORENAME", "MR", "MRS", "MISS", "MS",
)  # fmt: skip
NO_FORENAME = (
    *NO_NAME, "BABY", "BABY GIRL", "BABY BOY", "BABY OF", "INFANT", "UNBORN", "MALE", "FEMALE", "CHILD", "TWIN",
    "TWIN ONE", "TWIN TWO", "GIRL", "BOY",
)  # fmt: skip
TEST = (
    r"^(?:[XZ]*TEST(?:ING|PATIENT|PERSON|RECORD|CHILD|CASE)?(?: (?:PATIENT|PERSON|RECORD|CHILD|CASE))?|"
    r"DUMMY(?: (?:PATIENT|PERSON|RECORD|CHILD|CASE))?|DO NOT USE)$"
)
EXECUTORS = (
    r"\b(?:EXECUTORS?|EXECUTRIX|EXORS?|EXECS?|ADMINISTRATORS? OF|PERSONAL REPS?|PERSONAL REPRESENTATIVES?|PERS REPS?|"
    r"ESTATE OF|TRUSTEES? OF)\b"
)
ORGANISATIONS = (
    r"\b(?:LTD|LIMITED|PLC|LLP|COUNCIL|HOUSING|ASSOCIATION|TRUST|PROPERTIES|LETTINGS|INVESTMENTS|HOLDINGS|"
    r"DEVELOPMENTS|MANAGEMENT|COMPANY|SOCIETY|UNIVERSITY|SERVICES|ESTATES|HOMES|NHS|DIOCESE|OCCUPIERS?)\b"
)
NOBODY = (
    r"^\W*(?:THE )?(?:OCCUPIERS?|OCCUPANTS?|RESIDENTS?|HOUSEHOLDERS?|OWNERS?|TENANTS?|LANDLORDS?|VARIOUS|VACANT|"
    r"EMPTY|VOID)(?:\W+(?:OCCUPIERS?|OWNERS?|TENANTS?|PROPERTY))?\W*$"
)
LATE = r"\(?\b(?:DECEASED|DECD|DEC'?D|DEC D|THE LATE)\b\)?"
PARTICLES = r"(?:(?:VAN|VON|DE|DER|DEN|DI|DA|DEL|DOS|LA|LE|EL|AL|BIN|IBN|ST|MC|MAC|O|TEN|TER|AP|AB|UL|UR) )*"
FOLDED = {"Ł": "L", "Ø": "O", "Đ": "D", "Æ": "AE", "Œ": "OE", "ẞ": "SS", "ß": "SS", "Þ": "TH", "Ð": "D", "ʼ": "'",
          "’": "'", "‘": "'", "`": "'", "´": "'", "–": "-", "—": "-", "İ": "I",
          "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"}  # fmt: skip


def given(text: pl.Expr) -> pl.Expr:
    """The text, or null where nothing is left of it."""
    return pl.when(text.str.len_bytes() > 0).then(text)


def folded(text: pl.Expr) -> pl.Expr:
    """The text without accents, ligatures and typographers' quotes and dashes."""
    plain = text.str.replace_many(list(FOLDED), list(FOLDED.values())).str.normalize("NFKD")
    return plain.str.replace_all(r"[\p{M}\x{2019}]", "")


def untitled(text: pl.Expr) -> pl.Expr:
    """A name as written, without the titles that it begins with."""
    return given(text.str.replace(rf"(?i)^\s*(?:(?:{'|'.join(TITLES)})\b[. ]*)+", "").str.strip_chars())


def unexecuted(text: pl.Expr) -> pl.Expr:
    """A name as written, without the words that say it stands for someone's estate or that the person has died."""
    estate = rf"(?i)^.*{EXECUTORS}(?: OF)?(?: THE (?:ESTATE OF )?)?[ :,-]*"
    return given(text.str.replace(estate, "").str.replace_all(rf"(?i){LATE}", "").str.strip_chars(" ,-"))


def name(text: pl.Expr) -> pl.Expr:
    """A name in upper case: accents folded, titles and suffixes off, letters, apostrophes and hyphens kept."""
    words = folded(text.str.to_uppercase()).str.replace_all(r"[^\p{L}' -]+", " ").str.replace_all(r" *([-']) *", "$1")
    single = words.str.replace_all(r" {2,}", " ").str.strip_chars(" -'")
    bare = single.str.replace(rf"^(?:(?:{'|'.join(TITLES)}) )+", "")
    return given(bare.str.replace(rf"(?: (?:{'|'.join(SUFFIXES)}))+$", ""))


def is_test(text: pl.Expr) -> pl.Expr:
    """Whether a cleaned forename or surname is that of a record made to try a system out."""
    return text.str.contains(TEST)


def is_estate(text: pl.Expr) -> pl.Expr:
    """Whether a name as written stands for somebody's executors or trustees."""
    return text.str.to_uppercase().str.contains(EXECUTORS)


def is_organisation(text: pl.Expr) -> pl.Expr:
    """Whether a name as written is that of a company or a public body."""
    return text.str.to_uppercase().str.contains(ORGANISATIONS)


def is_nobody(text: pl.Expr) -> pl.Expr:
    """Whether a name as written stands for whoever it may be, or for several who are not named."""
    return text.str.to_uppercase().str.contains(NOBODY)


def is_joint(text: pl.Expr) -> pl.Expr:
    """Whether a name string names several people: J & K SMITH, or MR J SMITH, MRS K SMITH."""
    upper = text.str.to_uppercase()
    return upper.str.contains(rf"\w\W*(?:[&+]|\bAND\b)\W*\w|{_LISTED}")


_LISTED = rf"^\s*(?:{'|'.join(TITLES)})\b[. ]+[^ ,]+ [^,]+, *(?:{'|'.join(TITLES)})\b"


def split_names(text: pl.Series, surname_first: bool) -> pl.DataFrame:
    """`forename`, `middle_names` and `surname` of names that are one string each.

    "SMITH, JOHN" has the surname first whatever the order, and the O of "O SMITH" is an initial, though that of "J O
    BRIEN" belongs to the surname. Of several people (MR J SMITH & MRS K SMITH, or MR J & MRS
    K SMITH) the first is taken. Worked in steps, each a column, for an expression of all of it is worked out many
    times over.
    """
    first, last = rf"^({PARTICLES}\S+)", rf"((?:^| ){PARTICLES}\S+)$"
    behind = rf"(\S)(?: (?:{'|'.join(AFTER)}))+$"
    couple = rf"^\W*(?:{'|'.join(TITLES)})\W*(?:[&+]|\bAND\b)\W*(?:{'|'.join(TITLES)})\b\W*"
    between = rf"^([^ ,]+) (?:{'|'.join(AFTER)})\b[. ]*"  # SMITH MRS J
    steps = (
        text.str.to_uppercase().to_frame("text")
        .with_columns(whole=pl.col("text").str.replace_all(LATE, " ").str.strip_chars(" ,"))
        .with_columns(
            joint=is_joint(pl.col("whole")),
            one=pl.when(pl.col("whole").str.contains(_LISTED)).then(pl.col("whole").str.extract("^([^,]*)"))
            .otherwise(pl.col("whole").str.replace(couple, "").str.replace(r"\W*(?:[&+]|\bAND\b).*$", "")),
        )
        .with_columns(untitled(pl.col("one")).str.replace(between, "$1, ").alias("one"))
        .with_columns(comma=pl.col("one").str.contains(","))
        .with_columns(
            before=pl.when("comma").then(name(pl.col("one").str.extract("^([^,]*)"))),
            after=pl.when("comma").then(name(pl.col("one").str.extract(",(.*)$")).str.replace(behind, "$1")),
            one=pl.when(~pl.col("comma")).then(name(pl.col("one"))),
        )
        .with_columns(
            shared=pl.when(pl.col("joint") & ~pl.col("one").str.contains(" "))
            .then(name(pl.col("whole")).str.extract(last).str.strip_chars())
        )
        .with_columns(
            pl.when(pl.col("shared") != pl.col("one")).then(pl.concat_str("one", "shared", separator=" "))
            .otherwise(pl.col("one").str.replace(behind, "$1").str.replace(r"^(\S+ .*\S) JUNIOR$", "$1"))
            .alias("one")
        )
        .with_columns(tail=pl.col("one").str.extract(first if surname_first else last).str.strip_chars())
    )  # fmt: skip
    cut, long = pl.col("tail").str.len_chars(), pl.col("one").str.len_chars()
    rest = pl.col("one").str.slice(cut) if surname_first else pl.col("one").str.head((long - cut).cast(pl.Int64))
    steps = steps.with_columns(
        surname=pl.when("comma").then("before").otherwise("tail"),
        forenames=pl.when("comma").then("after").otherwise(given(rest.str.strip_chars())),
    )
    initial = pl.col("forenames").is_null() & pl.col("surname").str.contains(r"^O \S")  # O SMITH has no particle
    steps = steps.with_columns(
        forenames=pl.when(initial).then(pl.lit("O")).otherwise("forenames"),
        surname=pl.when(initial).then(pl.col("surname").str.slice(2)).otherwise("surname"),
    )
    forenames = pl.col("forenames")
    return steps.select(forename=first_word(forenames), middle_names=later_words(forenames), surname="surname")


def first_word(text: pl.Expr) -> pl.Expr:
    """The text up to its first space."""
    return text.str.extract(r"^(\S+)")


def later_words(text: pl.Expr) -> pl.Expr:
    """The text after its first space; null where there is none."""
    return given(text.str.extract(r"^\S+ (.*)$"))
