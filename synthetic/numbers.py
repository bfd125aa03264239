"""Identifiers that are valid by their check digits and that no real person has.

NHS numbers of the range set aside for tests (999, then 998), pupil numbers of an authority that does not exist,
National Insurance numbers and telephone numbers with prefixes that are never issued.
"""

from __future__ import annotations

import numpy as np
import polars as pl

UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"


def nhs_numbers(rng: np.random.Generator, count: int) -> pl.Series:
    """`count` different NHS numbers with a valid check digit (modulus 11), ten digits.

    Raises:
        ValueError: more than the 1.8 million of both test ranges.
    """
    made: list[np.ndarray] = []
    for prefix in (999, 998):
        body = prefix * 1_000_000 + rng.permutation(1_000_000).astype(np.int64)
        total = sum(((body // 10 ** (8 - i)) % 10) * (10 - i) for i in range(9))
        check = (11 - total % 11) % 11
        made.append((body * 10 + check)[check != 10])
        if sum(map(len, made)) >= count:
            return pl.Series(np.concatenate(made)[:count]).cast(pl.String)
    raise ValueError(f"{count} people need more NHS numbers than the test ranges 999 and 998 hold; make fewer people")


def upns(establishment: np.ndarray, year: np.ndarray) -> pl.Series:
    """Pupil numbers: check letter (modulus 23), authority 990, establishment, two digits of a year, a serial number.

    Where an establishment admits over 999 pupils in a year, the next free establishment number (from 7000) is used.
    """
    key = establishment.astype(np.int64) * 100 + year % 100
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    first = np.searchsorted(ranked, ranked)
    serial = np.empty(len(key), dtype=np.int64)
    serial[order] = np.arange(len(key)) - first
    school = np.where(serial < 999, establishment, 6000 + establishment % 1000 + serial // 999 * 100)
    digits = (
        (990 * 10_000 + school.astype(np.int64)) * 100_000 + (year.astype(np.int64) % 100) * 1000 + serial % 999 + 1
    )
    total = sum(((digits // 10 ** (11 - i)) % 10) * (i + 2) for i in range(12))
    letter = pl.Series(list(UPN_LETTERS)).gather(total % 23)
    return letter + pl.Series(digits).cast(pl.String)


def ni_numbers(rng: np.random.Generator, count: int) -> pl.Series:
    """`count` different National Insurance numbers with the prefix QQ, which is never issued."""
    if count > 4_000_000:
        raise ValueError(f"{count} adults need more National Insurance numbers than the prefix QQ holds")
    drawn = rng.permutation(max(1_000_000, count * 2) if count < 2_000_000 else 4_000_000)[:count]
    letter = pl.Series(list("ABCD")).gather(drawn % 4)
    return "QQ" + pl.Series(drawn // 4).cast(pl.String).str.zfill(6) + letter


def serials(rng: np.random.Generator, count: int, digits: int) -> pl.Series:
    """`count` different numbers of so many digits, as text, in no order."""
    low = 10 ** (digits - 1)
    span = max(2 * count + 1000, 1000)
    step = max(1, (9 * low) // span)
    drawn = rng.permutation(span)[:count].astype(np.int64)
    return pl.Series(low + drawn * step + rng.integers(0, step, count)).cast(pl.String)


def telephones(rng: np.random.Generator, count: int, prefix: str) -> pl.Series:
    """`count` telephone numbers that begin with `prefix` (0999...), eleven digits."""
    width = 11 - len(prefix)
    return prefix + pl.Series(rng.integers(0, 10**width, count)).cast(pl.String).str.zfill(width)
