"""What people asked about their own data, as those who work with them read it: objections and corrections in words.

What belongs here: the sentences, and which lines they stand beside. What is kept and what it blocks is said by
`governance.rights`; what the person themself reads, by `summaries.subject`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from governance.rights import EXPORTS, MARTS, PROFILING, REFUSED, SAFEGUARDING, SHARING, UPHELD
from summaries.words import called, day, tidy

USES = {
    PROFILING: "flags and other profiling",
    MARTS: "planning by analysts",
    EXPORTS: "research",
    SHARING: "the sharing of what was told by",
    SAFEGUARDING: "sharing to keep people safe",
}
DECIDED = {UPHELD: "agreed, so that it is blocked", REFUSED: "not agreed, so that it goes on"}
STATUS = {"open": "not answered yet", "accepted": "accepted by its owner", "refused": "refused by its owner"}
ATTRIBUTES = {
    "forename": "forename", "middle_names": "other forenames", "surname": "surname", "birth_date": "date of birth",
    "death_date": "date of death", "sex": "sex", "ethnicity": "ethnicity", "nhs_number": "NHS number",
    "upn": "unique pupil number", "ni_number": "National Insurance number", "la_child_id": "child id",
    "phone": "telephone number", "email": "email address", "address": "address", "postcode": "postcode",
    "uprn": "property number",
}  # fmt: skip
WHERE = ("address", "postcode", "uprn", "phone", "email")  # of these the person's own words could tell where they are
_SAID: dict[str, Any] = {"person_id": pl.String, "sentence": pl.String}
_DISPUTED: dict[str, Any] = {"person_id": pl.String, "kind": pl.String, "item": pl.String, "sentence": pl.String}


@dataclass(frozen=True)
class Asked:
    """What people asked about their own data, for a night's summaries.

    Attributes:
        objections: person_id, sentence.
        disputes: person_id, kind, item (an attribute, or the id of something recorded), sentence.
        kept_back: person_id, partner: what this partner told of the person is not shared, as they objected.
    """

    objections: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SAID))
    disputes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_DISPUTED))
    kept_back: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"person_id": pl.String, "partner": pl.String})
    )


def asked(objections: pl.DataFrame, corrections: pl.DataFrame, partners: Mapping[str, str]) -> Asked:
    """Put what stands into words.

    Args:
        objections, corrections: OBJECTION, CORRECTION with `person_id` (`governance.rights.of_people`).
        partners: what partners are called.
    """
    whose = pl.when(pl.col("use") == SHARING).then(pl.format(" {}", called("partner", partners)))
    said = objections.unique(["person_id", "objection_id"], maintain_order=True).sort("asked_on", "objection_id")
    objected = said.select(
        "person_id",
        sentence=pl.format(
            "On {} objected to {}{}. Decision of {}: {} ({}){}.",
            day("asked_on"),
            pl.col("use").replace_strict(USES, default=pl.col("use")),
            whose.otherwise(pl.lit("")),
            day("decided_at"),
            pl.col("decision").replace_strict(DECIDED, default=pl.col("decision")),
            tidy("who"),
            _because("note"),
        ),
    )
    shared = (pl.col("use") == SHARING) & (pl.col("decision") == UPHELD)
    return Asked(objected, disputed(corrections), said.filter(shared).select("person_id", "partner").unique())


def disputed(corrections: pl.DataFrame) -> pl.DataFrame:
    """What people say is not right, a sentence an item: person_id, kind, item, sentence.

    Of an address, a telephone number or an email it is not told what they say: it could tell where they are.
    """
    once = corrections.unique(["person_id", "correction_id"], maintain_order=True).sort("asked_on", "correction_id")
    words = pl.when(pl.col("item").is_in(WHERE)).then(pl.lit("")).otherwise(pl.format(": “{}”", tidy("their_words")))
    each = once.select(
        "person_id", "kind", "item",
        sentence=pl.format(
            "The person said on {} that this is not right{} ({}{})", day("asked_on"), words,
            pl.col("status").replace_strict(STATUS, default=pl.col("status")), _because("note"),
        ),
    )  # fmt: skip
    return each.group_by("person_id", "kind", "item", maintain_order=True).agg(pl.col("sentence").str.join("; "))


def for_owner(corrections: pl.DataFrame) -> pl.DataFrame:
    """Open corrections by record, for whoever answers for it: record_id, said."""
    still = corrections.filter(pl.col("status") == "open").sort("asked_on", "correction_id")
    what = pl.when(pl.col("kind") == "attribute").then(called("item", ATTRIBUTES)).otherwise(_reference())
    words = pl.when(pl.col("item").is_in(WHERE)).then(pl.lit("ask the council")).otherwise(tidy("their_words"))
    each = still.select("record_id", said=pl.format("{}: {} ({})", what, words, day("asked_on")))
    return each.group_by("record_id", maintain_order=True).agg(pl.col("said").str.join("; "))


def _because(column: str) -> pl.Expr:
    note = tidy(column)
    return pl.when(note.fill_null("") == "").then(pl.lit("")).otherwise(pl.format(": {}", note))


def _reference() -> pl.Expr:
    return pl.format("{} {}", pl.col("kind"), pl.col("item").str.head(8).str.to_uppercase())
