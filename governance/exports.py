"""Exports: what an agreement lets leave in one file for one recipient, under pseudonyms of its own and made coarser.

What belongs here: which rows, which columns, how coarse, and what is too rare to be told. Whether the file may leave is
asked in `release`; where the rows come from is known by the rooms above.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from governance import inert
from governance.agreements import PROFILE, Agreements, Outgoing, limited
from governance.keys import KeyRing
from governance.organisation import OWN_CATEGORIES
from governance.pseudonyms import pseudonyms

FEWEST = 8  # people who are alike in all that the file tells of them: counts of 7 or fewer are held to identify
ID = "pseudonym"
HIDDEN = "not told"
_AGES = {
    "0-4": "0-17", "5-10": "0-17", "11-15": "0-17", "16-17": "0-17", "18-24": "18-64", "25-44": "18-64",
    "45-64": "18-64", "65-84": "65+", "85+": "65+",
}  # fmt: skip
_OPEN = ("age_band", "sex", "imd_decile")  # told where the agreement names no field; ethnicity has to be named
MEANINGS = {
    ID: "stands for the person in this recipient's files of one agreement year, and in no others",
    "age_band": "age in years on the night; rare bands are joined or not told",
    "sex": "M, F, or not told",
    "imd_decile": "decile of the index of multiple deprivation where the person lives; 1 is the most deprived",
    "ethnicity": "ethnicity code",
    "area": "the smallest area that the agreement lets be told; wider or not told where few people are alike",
    "partner": "who recorded it",
    "category": "what was recorded",
    "service": "the service that works with the person",
    "team": "the team of that service",
    "worker_role": "the role of the worker",
    "start": "when it began or happened",
    "end": "when it ended; empty while it is open, or where it has no length",
    "code": "the source's code for it",
    "value": "its size where it has one",
    "recorded_at": "when the source wrote it down",
}


class ExportRefused(Exception):
    """An export that cannot be made; says why and what to do, and quotes no value."""


@dataclass(frozen=True)
class Made:
    """An export as frames by name, whose they are, and what was done to them.

    Attributes:
        frames: people, events, involvements: those that the export has.
        people: the person_ids behind them, for the gate.
        shared: `partner: category` of everything in them.
        alike: the fewest people who are alike in all that is told of a person; None where nothing is.
        coarser, hidden: of how many people something is told more coarsely, or nothing at all, as too few were alike.
    """

    frames: dict[str, pl.DataFrame]
    people: tuple[str, ...]
    shared: tuple[str, ...]
    alike: int | None
    coarser: int
    hidden: int


def choose(agreements: Agreements, agreement: str, to: str, name: str | None, on: date) -> Outgoing:
    """The export that an agreement in force has for a recipient.

    Args:
        agreements: of the council.
        agreement: with its version (`council-analytics v1`) or without.
        to: the team, or the party whose people it is.
        name: which, where the agreement has several for that recipient.
        on: the day.

    Raises:
        ExportRefused: there is none, or more than one.
    """
    every = agreements.exports(on)
    mine = [e for e in every if agreement in (e.agreement, e.agreement.rpartition(" ")[0])]
    mine = [e for e in mine if to in (e.team, e.terms.to) and name in (None, e.terms.name)]
    if len(mine) == 1:
        return mine[0]
    known = "; ".join(f"{e.agreement}, to {e.terms.to}: {e.terms.name}" for e in every) or "none"
    if mine:
        names = ", ".join(e.terms.name for e in mine)
        raise ExportRefused(f"that agreement has {len(mine)} exports for this recipient. Say --name: {names}.")
    raise ExportRefused(f"no agreement in force on {on} has such an export for this recipient. Exports: {known}.")


def covered(agreements: Agreements, export: Outgoing, subjects: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The subjects whom an export may tell of, with `household_covered` beside, as the gate asks it.

    Args:
        agreements: of the council.
        export: from `choose`.
        subjects: as `agreements.subjects` makes them.
        members: household_id, person_id of those who live together on more than weak evidence.
    """
    alone = subjects.with_columns(household_covered=pl.lit(False))
    own = alone.filter(agreements.covering(export.agreement)).select("person_id")
    homes = members.join(own, on="person_id", how="semi").select("household_id").unique()
    beside = members.join(homes, on="household_id", how="semi").select("person_id").unique()
    asked = subjects.join(beside.with_columns(household_covered=True), on="person_id", how="left")
    asked = asked.with_columns(pl.col("household_covered").fill_null(False))
    terms = export.terms.people.expression() if export.terms.people else pl.lit(True)
    return asked.filter(agreements.covering(export.agreement) & terms)


def make(
    export: Outgoing,
    sections: pl.DataFrame,
    whom: pl.DataFrame,
    profile: pl.DataFrame,
    told: Mapping[str, pl.DataFrame],
    bars: pl.DataFrame,
    protected: Sequence[str],
    areas: pl.DataFrame,
    ring: KeyRing,
    epoch: str,
) -> Made:
    """Choose, limit, coarsen and rename.

    Args:
        export: from `choose`.
        sections: what it may hold, from `Agreements.export_sections`.
        whom: person_id of whom it may tell, from `covered`.
        profile: `person_profile` rows.
        told: `event` and `involvement` rows by golden person, by table name.
        bars: person_id, partner (null: whoever's) whose data may not be used for exports.
        protected: people of whose home nothing is told.
        areas: `area` rows of lsoa21, by whose names small areas are joined to wider ones.
        ring: the council's keys.
        epoch: the agreement year, such as `council-analytics v1 2026`.

    Raises:
        ExportRefused: it would tell of fewer than `FEWEST` people, or of areas that no feed tells.
    """
    wholly = bars.filter(pl.col("partner").is_null())["person_id"]
    people = whom.select("person_id").filter(~pl.col("person_id").is_in(wholly.implode()))
    if strange := sorted(set(export.terms.categories) & _NEVER):
        raise ExportRefused(
            f"an export holds events, involvements and profiles; {', '.join(strange)} leaves in none. Take it out of "
            f"{export.clause} of {export.agreement}."
        )
    if sections.is_empty():
        raise ExportRefused(f"{export.agreement} shares nothing of {export.clause} with its recipient.")
    events = _rows(told["event"], sections, people, bars, pl.col("type").alias("category"), export, _EVENT)
    involved = _rows(
        told["involvement"], sections, people, bars, pl.lit("involvement").alias("category"), export, _INVOLVED
    )
    with_rows = [f.select("person_id") for f in (events, involved) if f is not None]
    asks = sections.filter(pl.col("category") == "profile")
    if with_rows:
        people = pl.concat(with_rows).unique().join(people, on="person_id", how="semi")
    if people.height < FEWEST:
        raise ExportRefused(
            f"it would tell of fewer than {FEWEST} people, who could be told apart. Widen the export in the agreement."
        )
    described = _described(profile.join(people, on="person_id", how="semi"), asks, export, protected, areas)
    safe, alike, coarser, hidden = rare(described)
    frames = {"people": safe, "events": events, "involvements": involved}
    ids = people.sort("person_id")
    ids = ids.with_columns(pseudonyms(ids["person_id"], ring, export.team, epoch).alias(ID))
    given = {
        name: frame.join(ids, on="person_id").select(ID, pl.exclude(ID, "person_id")).sort(pl.all())
        for name, frame in frames.items()
        if frame is not None and (name != "people" or frame.width > 1)
    }
    pair = pl.format("{}: {}", "partner", "category").unique()
    shared = {one for f in (events, involved) if f is not None for one in f.select(pair).to_series()}
    shared |= {f"{row['partner']}: profile" for row in asks.iter_rows(named=True)}
    return Made(given, tuple(ids["person_id"]), tuple(sorted(shared)), alike, coarser, hidden)


def rare(people: pl.DataFrame) -> tuple[pl.DataFrame, int | None, int, int]:
    """Make coarser what few people share, until everyone is one of `FEWEST` alike or nothing is told of them.

    Step by step, of those alone who are too few: ethnicity is not told; a small area gives way to the wider one, and
    that to none; deprivation, which follows from the area, is not told; age bands are joined; age, then sex, is not
    told. (k-anonymity by local recoding: Samarati, 2001, doi:10.1109/69.971193.)

    Args:
        people: person_id, and any of age_band, sex, imd_decile, ethnicity, area and `wider` (the area around it).

    Returns:
        The same without `wider`; the fewest who are alike, those of whom nothing is told left aside; of how many
        people something is told more coarsely; of how many nothing.
    """
    columns = [name for name in people.columns if name not in ("person_id", "wider")]
    if not columns:
        return people.select("person_id"), None, 0, 0
    told = people.with_columns(pl.col(columns).cast(pl.String).fill_null(HIDDEN))
    before = told.select("person_id", *columns)
    for column, change in _STEPS:
        if column in columns and (column != "area" or change is None or "wider" in people.columns):
            few = pl.len().over(columns) < FEWEST
            less = pl.lit(HIDDEN) if change is None else change
            told = told.with_columns(pl.when(few).then(less).otherwise(pl.col(column)).alias(column))
    told = told.select("person_id", *columns)
    nothing = pl.all_horizontal(pl.col(columns) == HIDDEN)
    said = told.filter(~nothing)
    alike = said.group_by(columns).len()["len"].min() if said.height else None
    changed = told.join(before, on=told.columns, how="anti").height
    hidden = told.filter(nothing).join(before.filter(nothing), on="person_id", how="anti").height
    return told, None if alike is None else int(str(alike)), changed - hidden, hidden


def packed(frames: Mapping[str, pl.DataFrame], about: Mapping[str, Any]) -> bytes:
    """Frames as CSV and Parquet with about.json, in one archive: what it is for cannot be parted from what it holds.

    Args:
        frames: by name.
        about: the stamp, and what was done.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:

        def put(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED, 6)

        put("about.json", (json.dumps(dict(about), indent=1, ensure_ascii=False) + "\n").encode())
        for name, frame in frames.items():
            put(f"{name}.csv", inert.csv(frame).encode())
            parquet = io.BytesIO()
            frame.write_parquet(parquet, statistics=False)
            put(f"{name}.parquet", parquet.getvalue())
    return out.getvalue()


def columns(frames: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, str]]:
    """What each column of each frame means."""
    return {name: {column: MEANINGS[column] for column in frame.columns} for name, frame in frames.items()}


def epoch(agreement: str, starts: date, on: date) -> str:
    """The agreement year that a day falls in: pseudonyms do not outlast it."""
    years = on.year - starts.year - ((on.month, on.day) < (starts.month, starts.day))
    return f"{agreement} year {years + 1}"


# -- inside ---------------------------------------------------------------------------------------------------------

_NEVER = frozenset(OWN_CATEGORIES) - {"involvement", "profile"}
_EVENT = ("start", "end", "code", "value", "recorded_at")
_INVOLVED = ("service", "team", "worker_role", "start", "end", "recorded_at")
_STEPS: tuple[tuple[str, pl.Expr | None], ...] = (
    ("ethnicity", None),
    ("area", pl.col("wider")),
    ("area", None),
    ("imd_decile", None),
    ("age_band", pl.col("age_band").replace(_AGES)),
    ("age_band", None),
    ("sex", None),
)


def _rows(
    rows: pl.DataFrame,
    sections: pl.DataFrame,
    people: pl.DataFrame,
    bars: pl.DataFrame,
    category: pl.Expr,
    export: Outgoing,
    names: Sequence[str],
) -> pl.DataFrame | None:
    """Rows as the export may have them, with person_id; None where it names no such category."""
    here = rows.with_columns(category).join(people, on="person_id", how="semi")
    barred = bars.drop_nulls("partner").select("person_id", "partner")
    here = here.join(barred, on=["person_id", "partner"], how="anti")
    known = set(sections["category"])
    if not (known & {"involvement"} if "service" in rows.columns else known - {"involvement", "profile"}):
        return None
    given = limited(here.lazy(), sections, pl.col("category")).collect()
    asked = export.terms.fields
    kept = [name for name in names if asked is None or name in asked]
    may = sections.group_by("partner", "category").agg(
        whole=pl.col("fields").is_null().any(), fields=pl.col("fields").explode().drop_nulls()
    )
    given = given.join(may, on=["partner", "category"]).with_columns(
        pl.when(pl.col("whole") | pl.col("fields").list.contains(name)).then(name).alias(name) for name in kept
    )
    coarse = [_coarse(name, export.terms.dates) for name in kept if given.schema[name].is_temporal()]
    return given.select("person_id", "partner", "category", *kept).with_columns(coarse)


def _coarse(name: str, precision: str) -> pl.Expr:
    """A moment as the day, month or year that it lies in, as text."""
    return pl.col(name).dt.strftime({"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[precision]).alias(name)


def _described(
    profile: pl.DataFrame, asks: pl.DataFrame, export: Outgoing, protected: Sequence[str], areas: pl.DataFrame
) -> pl.DataFrame:
    """What the file tells of each person, and `wider`, the area around theirs, where it is known."""
    told: list[str] = []
    if asks.height:
        named = asks["fields"].explode().drop_nulls().to_list() if asks["fields"].null_count() == 0 else list(_OPEN)
        told = [name for name in PROFILE if name in named]
    made = profile.select("person_id", *told)
    if export.terms.geography == "none":
        return made
    place = profile.select("person_id", pl.col("lsoa21").alias("area"))
    wider = areas.filter(pl.col("geography") == "lsoa21").select(
        pl.col("area"), pl.col("name").str.extract(r"^(.+ \d{3})[A-Z]$").alias("wider")
    )
    wider = wider.drop_nulls().unique("area")
    if export.terms.geography != "lsoa" and (export.terms.geography == "ward" or wider.is_empty()):
        raise ExportRefused(
            f"no feed tells in which {export.terms.geography} a small area lies. Let the agreement say lsoa or none; "
            "for msoa, take in the names of small areas (lsoa-2011-to-2021 or an index of deprivation has them)."
        )
    place = place.join(wider, on="area", how="left", maintain_order="left")
    away = pl.col("person_id").is_in(list(protected))
    place = place.with_columns(pl.when(~away).then(pl.col("area", "wider")))
    if export.terms.geography == "msoa":
        place = place.select("person_id", pl.col("wider").alias("area"))
    elif wider.is_empty():
        place = place.drop("wider")
    if "imd_decile" in told:
        made = made.with_columns(pl.when(~away).then("imd_decile").alias("imd_decile"))
    return made.join(place, on="person_id", how="left", maintain_order="left")
