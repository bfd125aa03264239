"""Mistakes that sources make: in names, dates, numbers, addresses; each a pure function of seed, feed, key and field.

What belongs here: how one value goes wrong. How often it does in a source stands in `synthetic.extracts.card`.
The kinds and rates of typing errors follow Christen and Vatsalan, "Flexible and extensible generation and corruption
of personal data" (CIKM 2013): insert, delete, swap, substitute and phonetic, in equal parts.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import polars as pl

_NEAR = {
    "a": "s",
    "b": "v",
    "c": "x",
    "d": "f",
    "e": "r",
    "f": "g",
    "g": "h",
    "h": "j",
    "i": "o",
    "j": "k",
    "k": "l",
    "l": "k",
    "m": "n",
    "n": "m",
    "o": "p",
    "p": "o",
    "q": "w",
    "r": "t",
    "s": "d",
    "t": "y",
    "u": "i",
    "v": "b",
    "w": "e",
    "x": "z",
    "y": "u",
    "z": "x",
}
_SOUNDS = (
    ("ph", "f"),
    ("ck", "k"),
    ("ght", "t"),
    ("ee", "ea"),
    ("oo", "u"),
    ("th", "t"),
    ("sh", "ch"),
    ("tt", "t"),
    ("ll", "l"),
    ("nn", "n"),
    ("ss", "s"),
    ("rr", "r"),
    ("mm", "m"),
    ("ie", "y"),
    ("ey", "y"),
    ("wn", "n"),
    ("c", "k"),
    ("z", "s"),
    ("v", "w"),
    ("j", "y"),
    ("w", "v"),
    ("i", "y"),
    ("y", "i"),
    ("a", "e"),
    ("e", "a"),
)
_SHORT_STREETS = ((" Road", " Rd"), (" Street", " St"), (" Avenue", " Ave"), (" Lane", " Ln"), (" Close", " Cl"))


def mixed(keys: np.ndarray, salt: int) -> np.ndarray:
    """SplitMix64's finaliser over unsigned 64-bit keys: a hash that is the same on every machine and version."""
    with np.errstate(over="ignore"):
        x = keys.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def salt(*words: object) -> int:
    """A number for these words."""
    return zlib.crc32("/".join(map(str, words)).encode()) + 1


@dataclass(frozen=True)
class Dice:
    """Draws for a column of keys: the same key and field always fall the same way."""

    keys: np.ndarray

    @classmethod
    def of(cls, keys: pl.Series, *words: object) -> Dice:
        """Dice for integer keys under these words (seed, feed)."""
        return cls(mixed(keys.cast(pl.UInt64).to_numpy(), salt(*words)))

    def aged(self, day: int, period: int) -> Dice:
        """The same dice thrown anew every `period` days, each key on a day of its own: what makes a night's changes."""
        phase = mixed(self.keys, salt("phase")) % np.uint64(period)
        version = (phase + np.uint64(day)) // np.uint64(period)
        return Dice(mixed(self.keys ^ mixed(version, salt("version")), salt("aged")))

    def unit(self, field: str) -> pl.Series:
        """Uniform in [0, 1)."""
        return pl.Series(field, (mixed(self.keys, salt(field)) >> np.uint64(11)).astype(np.float64) / 2.0**53)

    def pick(self, field: str, count: int) -> pl.Series:
        """Uniform in 0 .. count - 1."""
        return pl.Series(field, (mixed(self.keys, salt(field)) >> np.uint64(8)).astype(np.int64) % count)

    def chance(self, field: str, share: float) -> pl.Series:
        """True for about this share of keys."""
        return self.unit(field) < share


def serial(numbers: pl.Series, seed: int, feed: str, digits: int) -> pl.Series:
    """Different numbers of so many digits for different non-negative integers, in no order that tells them.

    Raises:
        ValueError: more numbers than the digits hold.
    """
    prime = {6: 999_983, 7: 9_999_991, 8: 99_999_989, 9: 999_999_937}[digits]
    values = numbers.cast(pl.Int64).to_numpy()
    if len(values) and int(values.max()) >= prime:
        raise ValueError(f"{feed}: keys of {digits} digits cannot number {int(values.max())} people; make fewer people")
    step = 2 + salt(seed, feed, "step") % 2_000_000
    shift = salt(seed, feed, "shift") % prime
    return pl.Series((values * step + shift) % prime).cast(pl.String).str.zfill(digits)


def mistyped(names: pl.Series, dice: Dice, field: str) -> pl.Series:
    """Each of these names with one typing error; null stays null, and so does a name of one letter."""
    letter = pl.Series(list("abcdefghijklmnopqrstuvwxyz")).gather(dice.pick(field + "letter", 26))
    frame = pl.DataFrame(
        {"name": names, "kind": dice.pick(field + "kind", 5), "at": dice.unit(field + "at"), "letter": letter}
    )
    name, right = pl.col("name"), pl.col("right")
    frame = frame.with_columns(length=name.str.len_chars().fill_null(0))
    # the first letter is seldom wrong; a swap needs a letter behind it
    frame = frame.with_columns(
        place=(1 + (pl.col("at") * (pl.col("length") - 1).clip(1))).cast(pl.Int64).clip(0, pl.col("length") - 1)
    )
    frame = frame.with_columns(left=name.str.slice(0, pl.col("place")), right=name.str.slice(pl.col("place")))
    sounded = name
    for written, heard in reversed(_SOUNDS):
        sounded = (
            pl.when(name.str.slice(1).str.contains(written, literal=True))
            .then(name.str.slice(0, 1) + name.str.slice(1).str.replace(written, heard, literal=True))
            .otherwise(sounded)
        )
    first = right.str.slice(0, 1)
    near = first.str.to_lowercase().replace_strict(_NEAR, default=pl.col("letter"))
    before = pl.col("left").str.slice(pl.col("place") - 1, 1)
    frame = frame.with_columns(
        insert=pl.col("left") + pl.col("letter") + right,
        delete=pl.col("left") + right.str.slice(1),
        swap=pl.col("left").str.slice(0, pl.col("place") - 1) + first + before + right.str.slice(1),
        near=pl.col("left") + near + right.str.slice(1),
        sounded=sounded,
    )
    wrong = (
        pl.when(pl.col("kind") == 0)
        .then(pl.col("insert"))
        .when(pl.col("kind") == 1)
        .then(pl.col("delete"))
        .when((pl.col("kind") == 2) & (pl.col("swap") != name) & (pl.col("place") > 1))
        .then(pl.col("swap"))
        .when((pl.col("kind") == 3) & (pl.col("sounded") != name))
        .then(pl.col("sounded"))
        .otherwise(pl.col("near"))
    )
    return frame.select(pl.when(pl.col("length") > 1).then(wrong).otherwise(name)).to_series()


def sometimes(values: pl.Series, wrong: pl.Series, which: pl.Series) -> pl.Series:
    """`wrong` where `which`, else `values`."""
    return pl.select(pl.when(which).then(wrong).otherwise(values)).to_series().alias(values.name)


def misspelt(names: pl.Series, dice: Dice, field: str, share: float) -> pl.Series:
    """Names of which this share has a typing error."""
    which = dice.chance(field + "typo", share).arg_true()
    if which.is_empty():
        return names
    wrong = mistyped(names.gather(which), Dice(dice.keys[which.to_numpy()]), field)
    return names.clone().scatter(which, wrong)  # scatter writes in place


def misdated(dates: pl.Series, dice: Dice, share: float, day: int) -> pl.Series:
    """Birth dates of which this share is wrong: day and month swapped, a digit, a year off by one, or 1 January."""
    frame = pl.DataFrame({"date": dates, "kind": dice.pick("birthkind", 10), "by": dice.pick("birthby", 8)})
    date = pl.col("date")
    year, month, days = date.dt.year(), date.dt.month(), date.dt.day().clip(1, 28)
    wrong = (
        pl.when((pl.col("kind") < 4) & (date.dt.day() <= 12) & (date.dt.day() != month))
        .then(pl.date(year, date.dt.day(), month))
        .when(pl.col("kind") < 7)
        .then(pl.date(year, month, (days + 2 + pl.col("by") - 1) % 28 + 1))
        .when((pl.col("kind") < 9) | ((month == 1) & (date.dt.day() == 1)))
        .then(pl.date(year - 1 + 2 * (pl.col("by") % 2), month, days))
        .otherwise(pl.date(year, 1, 1))
    )
    frame = frame.with_columns(wrong=wrong)
    late = pl.col("wrong").to_physical() >= day
    fixed = frame.select(
        pl.when(late).then(pl.date(pl.col("wrong").dt.year() - 1, pl.col("wrong").dt.month(), 1)).otherwise("wrong")
    ).to_series()
    return sometimes(dates, fixed, dice.chance("birthwrong", share))


def misnumbered(numbers: pl.Series, dice: Dice, share: float) -> pl.Series:
    """Numbers of which this share is wrong: half another row's number, half with two digits that fail the check."""
    others = numbers.drop_nulls()
    if others.is_empty():
        return numbers
    theirs = others.gather(dice.pick("numberother", len(others)))
    last = pl.select(
        numbers.str.slice(0, 9) + ((numbers.str.slice(9, 1).cast(pl.Int64, strict=False) + 1) % 10).cast(pl.String)
    ).to_series()
    wrong = sometimes(last, theirs, dice.chance("numberkind", 0.5))
    which = dice.chance("numberwrong", share) & numbers.is_not_null()
    return sometimes(numbers, wrong, which)


def missing(values: pl.Series, dice: Dice, field: str, share: float) -> pl.Series:
    """Values of which this share is not there."""
    if share <= 0:
        return values
    none = pl.repeat(None, len(values), dtype=values.dtype, eager=True)
    return sometimes(values, none, dice.chance(field + "missing", share))


def rewritten(lines: pl.Series, dice: Dice, town: str, typo: float) -> pl.Series:
    """Address lines as people write them: short for Road, with or without the town, flat behind the number."""
    frame = pl.DataFrame({"line": misspelt(lines, dice, "line", typo), "short": dice.unit("lineshort")})
    frame = frame.with_columns(town=dice.unit("linetown"), flat=dice.unit("lineflat"))
    line = pl.col("line")
    flat = line.str.replace(r"^Flat (\w+), (\w+) ", "${2} Flat ${1}, ")
    short = pl.when(pl.col("flat") < 0.15).then(flat).otherwise(line)
    brief = short
    for long, abbreviated in _SHORT_STREETS:
        brief = brief.str.replace(long + r"\b", abbreviated)
    line = pl.when(pl.col("short") < 0.2).then(brief).otherwise(short)
    return frame.select(pl.when(pl.col("town") < 0.35).then(line + f", {town}").otherwise(line)).to_series()


def posted(postcodes: pl.Series, dice: Dice) -> pl.Series:
    """Postcodes as typed: some without the space, some small, some wrong by a letter, some the placeholder for none."""
    frame = pl.DataFrame({"code": postcodes, "form": dice.unit("postform")})
    code, form = pl.col("code"), pl.col("form")
    swapped = code.str.head(-2) + code.str.tail(1) + code.str.slice(-2, 1)
    return frame.select(
        pl.when(code.is_null())
        .then(None)
        .when(form < 0.015)
        .then(swapped)
        .when(form < 0.022)
        .then(pl.lit("ZZ99 3VZ"))
        .when(form < 0.08)
        .then(code.str.replace(" ", "", literal=True))
        .when(form < 0.11)
        .then(code.str.to_lowercase())
        .otherwise(code)
    ).to_series()


def spoilt(frame: pl.DataFrame, dice: Dice, share: float, **values: str | None) -> pl.DataFrame:
    """A frame of text of which this share of rows breaks a rule, each in one of the named columns.

    Args:
        values: what the column holds instead, such as `dob="31/02/2025"` or `gender="Q"`; None empties it.
    """
    broken = dice.chance("broken", share)
    which = dice.pick("brokenwhat", len(values))
    return frame.with_columns(
        sometimes(frame[name], pl.repeat(value, len(frame), dtype=pl.String, eager=True), broken & (which == i)).alias(
            name
        )
        for i, (name, value) in enumerate(values.items())
    )
