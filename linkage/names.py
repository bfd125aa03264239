"""What a name may also be: nicknames, spellings across languages, family names by sex, and how a name sounds.

What belongs here: knowledge of names, one answer a distinct name. What it counts for belongs in `linkage.model`.

Sources: English nicknames from the package `nicknames` (hand-curated, Apache 2.0). `name_variants.csv` and
`surname_variants.csv` are our own, from what is commonly published: the Home Office's and the CPS's guides to naming
practices (Muslim, Sikh, Hindu, Somali and West African names), the Akan day names, the Polish declension of adjectival
family names (also Lithuanian, Czech, Slovak, Bulgarian and Russian), Morgan and Morgan's Welsh Surnames and the Oxford
Dictionary of Family Names in Britain and Ireland for the forms that one Welsh, Scottish, Irish or English name takes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

FORENAMES = Path(__file__).parent / "name_variants.csv"
SURNAMES = Path(__file__).parent / "surname_variants.csv"
HONORIFICS = frozenset(
    # Sikh; then of Muslim women and men; then Hindu: they go with sex or faith, not with the family
    {
        "KAUR", "SINGH", "BEGUM", "BEGAM", "BIBI", "BANO", "BANU", "BANOO", "KHATUN", "KHATOON", "KHANAM", "KHANUM",
        "KHANOM", "AKTER", "AKHTER", "AKTAR", "NESSA", "NISSA", "NISA", "UNNISA", "SULTANA", "PARVEEN", "PARVIN",
        "MIA", "MIAH", "MIYA", "UDDIN", "ULLAH", "KUMAR", "KUMARI", "DEVI", "RANI", "BEN", "BHAI", "LAL",
    }
)  # fmt: skip
PARTICLES = frozenset(
    {
        "O", "MC", "MAC", "FITZ", "AP", "AB", "VAN", "VON", "DER", "DEN", "DE", "DI", "DA", "DEL", "DOS", "DU", "LA",
        "LE", "EL", "AL", "BIN", "IBN", "BINT", "ST", "TER", "TEN",
    }
)  # fmt: skip
_ENDINGS = (  # what a woman's family name ends in, and a man's of the same family
    (re.compile(r"(?<=[SCZ])KA$"), ("KI",)),  # Polish: KOWALSKA, NOWICKA, ZAWADZKA
    (re.compile(r"(?<=.{3}[KNVTRLDSZ])OVA$"), ("", "OV")),  # NOVAKOVA of NOVAK, IVANOVA of IVANOV
    (re.compile(r"(?<=.{3})EVA$"), ("EV",)),
    (re.compile(r"(?<=.{3}SK)AYA$"), ("I", "Y")),
    (re.compile(r"(?<=.{4})(?:IENE|AITE|YTE|UTE|AS|IS|US|YS)$"), ("*",)),  # Lithuanian: KAZLAUSKAS, KAZLAUSKIENE
    (re.compile(r"^MAC(?=[B-DF-HJ-NP-TV-Z].)"), ("MC",)),
)


def _variants(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for variant in row["variants"].split():
                found.setdefault(variant, set()).add(row["canonical"])
    return found


@cache
def _canonicals() -> dict[str, set[str]]:
    """Every known nickname and spelling, upper case, and the names it may stand for."""
    from nicknames import name_triplets

    found = _variants(FORENAMES)
    for triplet in name_triplets():
        found.setdefault(triplet.name2.upper(), set()).add(triplet.name1.upper())
    return found


@cache
def _families() -> dict[str, set[str]]:
    return _variants(SURNAMES)


def _told(names: pl.Series, of: Callable[[str], set[str]]) -> pl.DataFrame:
    distinct = names.drop_nulls().unique().sort()
    forms = [sorted(of(name)) for name in distinct.to_list()]
    starts = np.cumsum([0, *map(len, forms)])
    every = pa.array(chain.from_iterable(forms), pa.large_string())
    return pl.DataFrame([distinct.alias("name"), pl.Series("canonical", pa.LargeListArray.from_arrays(starts, every))])


def canonical_names(names: pl.Series) -> pl.DataFrame:
    """What each distinct forename may stand for: `name`, and `canonical`, a sorted list that holds the name itself.

    Of a forename of several words the words and the whole written as one count too.
    """
    known = _canonicals()

    def of(name: str) -> set[str]:
        words = {name}
        if " " in name:
            words |= {word for word in name.split(" ") if len(word) > 2} | {name.replace(" ", "")}
        return words.union(*(known.get(word, ()) for word in words))

    return _told(names, of)


def family_names(names: pl.Series) -> pl.DataFrame:
    """What each distinct surname may also be: `name`, and `canonical`, a sorted list that holds the name itself.

    The parts of a double name, the name without its particles and as one word, spellings of one name, and what a man
    of the family is called; of several parts, those that are no family name (`HONORIFICS`) are left out.
    """
    known = _families()

    def of(name: str) -> set[str]:
        words = name.split(" ")
        found = {name}
        if len(words) > 1:
            found.add("".join(words))
            parts = {word for word in words if len(word) > 2 and word not in PARTICLES}
            found |= (parts - HONORIFICS) or parts
        for one in tuple(found):
            found |= known.get(one, set())
            for ending, others in _ENDINGS:
                found |= {ending.sub(other, one) for other in others if ending.search(one)}
        return found

    return _told(names, of)


def sounds(names: pl.Series) -> pl.DataFrame:
    """How each distinct name sounds: `name`, `sound` (double metaphone, first code), null where it has none."""
    from doublemetaphone import doublemetaphone

    distinct = names.drop_nulls().unique().sort()
    codes = [doublemetaphone(name)[0] or None for name in distinct]
    return pl.DataFrame({"name": distinct, "sound": codes}, schema={"name": pl.String, "sound": pl.String})
