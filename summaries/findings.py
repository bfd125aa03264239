"""What comparing sources finds wrong in one of them: the rules as data, and the records that break them.

What belongs here: errors that no delivery shows by itself. A finding says that another source differs, never which one
or what it holds. What a delivery shows by itself is judged in `feeds.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

import polars as pl

from linkage.golden import ALIVE_AFTER, OLDEST, impossible_birth, impossible_death
from warehouse.tables import QUALITY_ISSUE

RECORDS = (
    "record_id", "feed", "birth_date", "death_date", "sex", "nhs_number", "upn", "uprn", "postcode", "seen_on",
)  # fmt: skip


class Finding(NamedTuple):
    """A rule over several sources: what it is called, what is said to the record's owner, and what to do."""

    name: str
    sentence: str
    remedy: str


TWICE = Finding(
    "twice",
    "Two or more records of this feed are about the same person",
    "If your system is to hold a person once, merge them at the source; if they are different people, tell the council",
)
DIFFERS = {
    "birth_date": Finding(
        "birth_date_differs",
        "Another record of the person, trusted more for it, gives a different date of birth",
        "Check the date of birth with the person or a document, and correct it or tell us that it is right",
    ),
    "sex": Finding(
        "sex_differs",
        "Another record of the person, trusted more for it, gives a different sex",
        "Check it, and correct it or tell us that it is right",
    ),
    "nhs_number": Finding(
        "nhs_number_differs",
        "Another record of the person, trusted more for it, gives a different NHS number",
        "Trace the number on the Personal Demographics Service, and correct it",
    ),
    "upn": Finding(
        "upn_differs",
        "Another record of the pupil, trusted more for it, gives a different unique pupil number",
        "Look the pupil up in Get Information about Pupils, and correct the number",
    ),
}
SHARED = {
    "nhs_number": Finding(
        "nhs_number_shared",
        "People who are not the same have this NHS number",
        "Trace the number on the Personal Demographics Service, and take it off the record that it is not of",
    ),
    "upn": Finding(
        "upn_shared",
        "Pupils who are not the same have this unique pupil number",
        "Look the number up in Get Information about Pupils, and take it off the record that it is not of",
    ),
}
DEAD = Finding(
    "dead_elsewhere",
    "Another source has the person as dead; this record shows later contact, or something still open",
    "Before any letter or visit, check whether the person has died; then record it, and close what is open",
)
ALIVE = Finding(
    "alive_elsewhere",
    f"Another record shows contact with the person more than {ALIVE_AFTER} days after the date of death in this one",
    "Check the date of death, and whether it is this person's",
)
NEVER_BORN = Finding(
    "birth_date_impossible",
    f"By the date of birth in this record the person would be more than {OLDEST} years old, or is not to be born yet",
    "Check the date of birth with the person or a document, and correct it",
)
NEVER_DIED = Finding(
    "death_date_impossible",
    f"The date of death in this record is still to come, before birth, or past the age of {OLDEST}",
    "Check the date of death, or take it off the record if the person is alive",
)
NO_PROPERTY = Finding(
    "property_unknown",
    "The gazetteer has no property of this UPRN, though it has others in the postcode",
    "Look the address up in the gazetteer, and correct the UPRN",
)
OTHER_POSTCODE = Finding(
    "property_elsewhere",
    "The gazetteer has the property of this UPRN in another postcode",
    "Look the address up in the gazetteer, and correct the UPRN or the postcode",
)
NO_POSTCODE = Finding(
    "postcode_unknown",
    "The postcode directory has no such postcode, though it has others of the district",
    "Look the address up, and correct the postcode",
)
DISPUTED = Finding(
    "disputed_by_person",
    "The person says that something in this record is not right",
    "Check it with the person or a document, correct it or say why not, and tell the council, who answers the person",
)
OF_PLACES = (NO_PROPERTY, OTHER_POSTCODE, NO_POSTCODE)  # the others rest on who is who
FINDINGS = (
    TWICE, *DIFFERS.values(), *SHARED.values(), DEAD, ALIVE, NEVER_BORN, NEVER_DIED, *OF_PLACES, DISPUTED,
)  # fmt: skip
BY_NAME = {finding.name: finding for finding in FINDINGS}


def find(
    records: pl.DataFrame,
    links: pl.DataFrame,
    people: pl.DataFrame,
    events: pl.LazyFrame,
    involvements: pl.LazyFrame,
    dwellings: pl.DataFrame,
    places: pl.DataFrame,
    partners: Mapping[str, str],
    before: pl.DataFrame | None,
    night: date,
    apart: pl.Series | None = None,
    disputed: pl.Series | None = None,
) -> pl.DataFrame:
    """Find the records that do not agree with other sources or with reference data.

    Args:
        records: `source_record` rows; the columns `RECORDS` suffice.
        links: `person_link` rows: record_id, person_id.
        people: `person` rows: person_id and the attributes of `DIFFERS`.
        events, involvements: the facts that stand: record_id, start; involvements with end.
        dwellings, places: the gazetteer (uprn, postcode) and the postcode directory (postcode); an empty one is
            asked nothing.
        partners: the partner of each feed.
        before: the issues of the night before, so that an issue keeps the night on which it was first found.
        night: the night.
        apart: `record_id` of the records on the do-not-link register. Of an id that one of their people shares with
            somebody nothing is said: an owner who reads of it learns that there is another life.
        disputed: `record_id` of the records of which a person says that something is not right.

    Returns:
        `quality_issue` rows, sorted by record and rule: pseudonymous, and without a value.
    """
    held = records.select(RECORDS).join(links.select("record_id", "person_id"), on="record_id")
    found = [
        *_within(held),
        *_differing(held, people),
        *_shared(held, apart),
        *_impossible(held, people, night),
        *_deaths(_possible(held, people, night), events, involvements),
        *_places(held, dwellings, places),
        (
            DISPUTED,
            held.filter(
                pl.col("record_id").is_in((held["record_id"].clear() if disputed is None else disputed).implode())
            ),
        ),
    ]
    earlier = before if before is not None else QUALITY_ISSUE.empty()
    issues = pl.concat([rows.select("record_id", "feed", pl.lit(rule.name).alias("rule")) for rule, rows in found])
    return (
        issues.join(earlier.select("record_id", "rule", "since"), on=["record_id", "rule"], how="left")
        .with_columns(
            pl.col("since").fill_null(night),
            pl.col("feed").replace_strict(dict(partners), default=None, return_dtype=pl.String).alias("partner"),
        )
        .select(QUALITY_ISSUE.schema.names())
        .sort("record_id", "rule")
    )


Found = Iterator[tuple[Finding, pl.DataFrame]]


def _within(held: pl.DataFrame) -> Found:
    yield TWICE, held.filter(pl.len().over("feed", "person_id") > 1)


def _differing(held: pl.DataFrame, people: pl.DataFrame) -> Found:
    golden = people.select("person_id", pl.col(list(DIFFERS)).name.prefix("golden_"))
    compared = held.join(golden, on="person_id")
    for attribute, rule in DIFFERS.items():
        yield rule, compared.filter((pl.col(attribute) != pl.col(f"golden_{attribute}")).fill_null(False))


def _shared(held: pl.DataFrame, apart: pl.Series | None) -> Found:
    if apart is not None:
        theirs = held.filter(pl.col("record_id").is_in(apart.implode())).select("person_id").unique()
        held = held.join(theirs, on="person_id", how="anti")
    for attribute, rule in SHARED.items():
        told = held.filter(pl.col(attribute).is_not_null())
        yield rule, told.filter(pl.col("person_id").n_unique().over(attribute) > 1)


def _impossible(held: pl.DataFrame, people: pl.DataFrame, night: date) -> Found:
    yield NEVER_BORN, held.filter(impossible_birth(night))
    yield NEVER_DIED, _with_birth(held, people).filter(impossible_death(night, "born").is_not_null())


def _possible(held: pl.DataFrame, people: pl.DataFrame, night: date) -> pl.DataFrame:
    """Records without dates of death that cannot be any: they say nothing against other records."""
    told = _with_birth(held, people)
    died = pl.when(impossible_death(night, "born").is_null()).then("death_date").alias("death_date")
    return told.with_columns(died).drop("born")


def _with_birth(held: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    born = people.select("person_id", pl.col("birth_date").alias("born"))
    return held.join(born, on="person_id", how="left", maintain_order="left")


def _deaths(held: pl.DataFrame, events: pl.LazyFrame, involvements: pl.LazyFrame) -> Found:
    died = held.group_by("person_id").agg(pl.col("death_date").min().alias("died")).drop_nulls()
    concerned = held.join(died, on="person_id")
    mine = concerned.lazy().select("record_id")
    last = (
        events.select("record_id", "start").join(mine, on="record_id").group_by("record_id").agg(pl.col("start").max())
    )
    still = involvements.filter(pl.col("end").is_null()).select("record_id").join(mine, on="record_id").unique()
    living = (
        concerned.filter(pl.col("death_date").is_null())
        .join(last.collect(), on="record_id", how="left")
        .join(still.with_columns(still=True).collect(), on="record_id", how="left")
    )
    late = pl.col("died") + pl.duration(days=ALIVE_AFTER)
    active = (pl.max_horizontal("seen_on", pl.col("start").dt.date()) > late).fill_null(False)
    yield DEAD, living.filter(active | pl.col("still").fill_null(False))
    # a record that tells of the death is no contact
    contacts = held.filter(pl.col("death_date").is_null())
    seen = contacts.group_by("person_id").agg(pl.col("seen_on").max().alias("seen"))
    dead = held.filter(pl.col("death_date").is_not_null()).join(seen, on="person_id")
    yield ALIVE, dead.filter(pl.col("seen") > pl.col("death_date") + pl.duration(days=ALIVE_AFTER))


def _places(held: pl.DataFrame, dwellings: pl.DataFrame, places: pl.DataFrame) -> Found:
    there = held.filter(pl.col("uprn").is_not_null() & pl.col("postcode").is_not_null())
    covered = there.join(dwellings.select("postcode").unique(), on="postcode", how="semi")
    yield NO_PROPERTY, covered.join(dwellings, on="uprn", how="anti")
    known = there.join(dwellings.select("uprn", pl.col("postcode").alias("listed")), on="uprn")
    yield OTHER_POSTCODE, known.filter(pl.col("postcode") != pl.col("listed"))
    district = pl.col("postcode").str.split(" ").list.first().alias("district")
    strange = held.filter(pl.col("postcode").is_not_null()).join(places, on="postcode", how="anti")
    yield NO_POSTCODE, strange.with_columns(district).join(places.select(district).unique(), on="district", how="semi")


def counted(issues: pl.DataFrame, links: pl.DataFrame, night: date) -> pl.DataFrame:
    """How many records of each feed break each rule, and how many people they are about.

    Returns:
        feed, rule, sentence, remedy, records, people, new (found on this night for the first time).
    """
    return (
        issues.join(links.select("record_id", "person_id"), on="record_id")
        .group_by("feed", "rule")
        .agg(
            pl.len().alias("records"),
            pl.col("person_id").n_unique().alias("people"),
            (pl.col("since") == night).sum().alias("new"),
        )
        .with_columns(_said("sentence"), _said("remedy"))
        .select("feed", "rule", "sentence", "remedy", "records", "people", "new")
        .sort("feed", "records", "rule", descending=[False, True, False])
    )


def listed(
    issues: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame, said: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Issues by the feed's own keys, for its owner alone: key, same_person_as, rule, since, what_to_do.

    Args:
        issues: of one feed.
        records: that feed's records: record_id, source_key.
        links: record_id, person_id.
        said: record_id, said: what people say is not right; where there is any, it stands beside as they_say.
    """
    keyed = records.select("record_id", "source_key").join(links.select("record_id", "person_id"), on="record_id")
    same = keyed.group_by("person_id").agg(pl.col("source_key").sort().alias("keys"))
    beside = pl.col("keys").list.set_difference(pl.concat_list("source_key")).list.sort().list.join("; ")
    rows = issues.join(keyed, on="record_id").join(same, on="person_id")
    more = []
    if said is not None and (rows["rule"] == DISPUTED.name).any():
        rows = rows.join(said, on="record_id", how="left")
        more = [pl.when(pl.col("rule") == DISPUTED.name).then("said").alias("they_say")]
    return rows.select(
        pl.col("source_key").alias("key"),
        pl.when(pl.col("rule") == TWICE.name).then(beside).alias("same_person_as"),
        _said("sentence").alias("reason"),
        "since",
        _said("remedy").alias("what_to_do"),
        *more,
    ).sort("reason", "key")


def _said(part: str) -> pl.Expr:
    words = {finding.name: getattr(finding, part) for finding in FINDINGS}
    return pl.col("rule").replace_strict(words, default=pl.col("rule"), return_dtype=pl.String).alias(part)
