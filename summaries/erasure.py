"""What is told of an erasure: what stands in the place of a file, what an erasure would reach, and the proof.

What belongs here: words and counts. Nothing here sees a name, and no page shows an id of anybody.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

import polars as pl

from summaries.render import page
from summaries.reports import spreadsheet
from summaries.words import say

LEFT = pl.Schema({"place": pl.String, "what": pl.String, "found": pl.Int64, "kept": pl.Boolean})
WHY = {
    True: "The data of the person whom it was about has been erased.",
    False: "It showed somebody whose data has been erased. A new file, without it, is made the next night.",
}
TOLD = "Do not rely on it, and destroy every printed and saved copy (UK GDPR, Article 19)."


def notice(day: date, about: bool, sheet: bool) -> bytes:
    """What stands in the place of a released file: nothing of what it showed, and not whose data was erased.

    Args:
        about: whether the file was about the person, and not about another whom it showed them beside.
        sheet: whether the file is a spreadsheet.
    """
    if sheet:
        return spreadsheet(pl.DataFrame({"withdrawn": [f"WITHDRAWN on {say(day)}. {WHY[about]} {TOLD}"]}))
    return page("erased.html", day=say(day), why=WHY[about], told=TOLD).encode()


def unlisted(index: str, files: Collection[str]) -> str:
    """A team's list without the lines that lead to some files."""
    gone = tuple(f'href="{file}"' for file in files)
    kept = [line for line in index.splitlines(keepends=True) if not any(link in line for link in gone)]
    return re.sub(r"(<caption>)\d+ (open cases)", r"\1\2", "".join(kept))


def proof(left: pl.DataFrame, day: date, erasure_id: str, state: str) -> str:
    """The page that proves an erasure: what was looked for, where, and how much was found.

    Args:
        left: schema `LEFT`, a row a place.
        day: of the proof.
        state: of the erasure, in words.
    """
    rows = left.sort("kept", "place", "what").to_dicts()
    found = int(left.filter(~pl.col("kept"))["found"].sum())
    return page("erasure.html", rows=rows, found=found, day=say(day), erasure_id=erasure_id, state=state)
