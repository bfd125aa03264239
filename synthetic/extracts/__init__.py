"""The extracts of the invented borough: every feed in its partner's own layout, with that source's own mistakes.

What belongs here: which feed is written by what, and when a file comes late or spoilt. What stands in a file is said
in the module of its partner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from synthetic.extracts import adults, childrens, gis, health, housing, others, police, revenues, schools, yjs
from synthetic.extracts.card import View
from synthetic.extracts.files import Extract, File, Fixed, Lines, Text, save
from synthetic.frames import Borough

FEEDS: dict[str, Callable[[View], Extract]] = {
    "cin-census": childrens.cin_census,
    "ssda903": childrens.ssda903,
    "case-system": childrens.case_system,
    "early-help": childrens.early_help,
    "voice": childrens.voice,
    "school-census": schools.school_census,
    "police-incidents": police.incidents,
    "police-missing": police.missing,
    "council-tax": revenues.council_tax,
    "housing-benefit": revenues.housing_benefit,
    "social-housing": housing.social_housing,
    "homelessness": housing.homelessness,
    "adult-social-care": adults.adult_social_care,
    "gp-register": health.gp_register,
    "hospital": health.hospital,
    "youth-justice": yjs.youth_justice,
    "parking-permits": others.parking_permits,
    "fire-visits": others.fire_visits,
    "food-vouchers": others.food_vouchers,
    "gazetteer": gis.gazetteer,
    "postcode-directory": gis.postcode_directory,
}
CHANGES = ("gp-register", "hospital", "homelessness")  # those that send what changed since their last extract


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        rows: rows (of XML, records; of JSON, messages) by path below the drop folder.
        records: feed, source_key and person: the truth of who stands behind each key of a feed on that day.
    """

    rows: dict[str, int]
    records: pl.DataFrame


def write(
    borough: Borough,
    drop: Path,
    day: date,
    seed: int,
    feeds: Collection[str] | None = None,
    bad: Collection[str] = (),
    late: Collection[str] = (),
    short: Collection[str] = (),
    since: date | None = None,
) -> Written:
    """Write the extracts that partners draw as `day` begins, showing only what was recorded before it.

    Args:
        drop: the drop folder; files go below it as `police/missing_2026-11-20.csv`.
        day: not before the borough's start and at most 35 days after its `until`.
        seed: of the mistakes; the same seed, feed and key give the same ones on every day.
        feeds: which feeds; None is all.
        bad: feeds whose (first) file is spoilt: cut off, or with columns that no contract knows.
        late: feeds that send nothing.
        short: feeds whose text files break off half-way, between two rows.
        since: the day of the last extracts. Feeds that send changes write what is new since; None: everything.

    Raises:
        ValueError: a feed that does not exist, or a day outside the borough's time.
    """
    asked = list(FEEDS) if feeds is None else list(feeds)
    unknown = sorted({*asked, *bad, *late, *short} - set(FEEDS))
    if unknown:
        raise ValueError(f"no feed {', '.join(unknown)}; the borough has {', '.join(FEEDS)}")
    if not borough.start <= day or (day - borough.until).days > 35:
        raise ValueError(f"the borough lives from {borough.start} to 35 days after {borough.until}; {day} is outside")
    view = View(borough, day, seed)
    before = View(borough, since, seed) if since else None
    rows: dict[str, int] = {}
    records = [pl.DataFrame(schema={"feed": pl.String, "source_key": pl.String, "person": pl.Int64})]
    for feed in FEEDS:
        if feed not in asked:
            continue
        extract = FEEDS[feed](view)
        records.append(extract.records.select(pl.lit(feed).alias("feed"), "source_key", "person"))
        if feed in late:
            continue
        if feed in CHANGES and before:
            extract = _changed(extract, FEEDS[feed](before))
            if not any(file.rows for file in extract.files.values()):
                continue  # nothing has changed, so nothing is sent
        for number, (name, file) in enumerate(extract.files.items()):
            path = name.format(day=day)
            if feed in short and isinstance(file, Text | Fixed):
                file = replace(file, frame=file.frame.head(file.rows // 2))
            rows[path] = save(file, drop / path, bad=feed in bad and number == 0)
    return Written(rows, pl.concat(records))


def _changed(now: Extract, before: Extract) -> Extract:
    """The rows that were not there, or not so, in the extract before."""
    files: dict[str, File] = {}
    for name, file in now.files.items():
        old = before.files[name]
        if isinstance(file, Text | Lines) and isinstance(old, Text | Lines):
            sent = file.frame.columns if isinstance(file, Text) else ["case_ref", "updated_at"]
            fresh = file.frame.join(old.frame, on=sent, how="anti", nulls_equal=True, maintain_order="left")
            files[name] = replace(file, frame=fresh)
    return Extract(files, now.records)


__all__ = ["FEEDS", "Written", "write"]
