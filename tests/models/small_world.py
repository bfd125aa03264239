"""A small world with a seed, for the tests of `models`: households, services, and an outcome that has causes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from models.views import History, reader
from warehouse.tables import EVENT, HOUSEHOLD_MEMBER, INVOLVEMENT, PERSON_PROFILE

SITE = Path(__file__).parents[2] / "sites" / "harrowmere"
START = date(2021, 11, 1)
UNTIL = date(2026, 11, 20)
MONTHS = 60
RATES = {"contact": 0.03, "domestic_abuse": 0.03, "missing_episode": 0.015, "exclusion": 0.03, "incident_victim": 0.02,
         "hospital_attendance": 0.04, "early_help_episode": 0.008}  # fmt: skip


def facts(rows: pl.DataFrame, table: object = EVENT) -> pl.DataFrame:
    """Rows with person_id, type, start and any other columns as full rows of a table; the rest is filled in."""
    usual = pl.col("start") + pl.duration(days=7)
    full = rows.with_columns(known_from=pl.coalesce("known_from", usual) if "known_from" in rows.columns else usual)
    wanted = table.schema  # type: ignore[attr-defined]
    empty = [pl.lit(None, kind).alias(name) for name, kind in wanted.items() if name not in full.columns]
    return full.with_columns(empty).select("person_id", *(pl.col(n).cast(t) for n, t in wanted.items()))


def happened(person: str, kind: str, day: date, **more: object) -> dict[str, object]:
    """One event in the shape that `facts` takes."""
    start = datetime(day.year, day.month, day.day)
    return {"event_id": f"{person}-{kind}-{day}", "person_id": person, "type": kind, "start": start, "end": None,
            "code": None, "value": None, **more}  # fmt: skip


def people(rows: list[tuple[str, str, date]], **more: object) -> pl.DataFrame:
    """PERSON_PROFILE of (person_id, sex, birth month)."""
    frame = pl.DataFrame(rows, schema=["person_id", "sex", "birth_month"], orient="row")
    filled = {"imd_decile": 3, "ethnicity": "WBRI", "deceased": False, **more}
    frame = frame.with_columns(**{name: pl.lit(value) for name, value in filled.items()})
    empty = [pl.lit(None, kind).alias(n) for n, kind in PERSON_PROFILE.schema.items() if n not in frame.columns]
    return frame.with_columns(empty).select(PERSON_PROFILE.schema.names()).cast(PERSON_PROFILE.schema)


def homes(rows: list[tuple[str, str]]) -> pl.DataFrame:
    """HOUSEHOLD_MEMBER of (household_id, person_id)."""
    frame = pl.DataFrame(rows, schema=["household_id", "person_id"], orient="row")
    empty = [pl.lit(None, kind).alias(n) for n, kind in HOUSEHOLD_MEMBER.schema.items() if n not in frame.columns]
    return frame.with_columns(empty).select(HOUSEHOLD_MEMBER.schema.names()).cast(HOUSEHOLD_MEMBER.schema)


def history(events: list[dict[str, object]], profile: pl.DataFrame, members: pl.DataFrame) -> History:
    """A history of a few events."""
    shape = {"event_id": pl.String, "person_id": pl.String, "type": pl.String, "start": pl.Datetime("us"),
             "end": pl.Datetime("us"), "code": pl.String, "value": pl.Float64}  # fmt: skip
    extra = {"known_from": pl.Datetime("us")} if any("known_from" in e for e in events) else {}
    rows = facts(pl.DataFrame(events, schema={**shape, **extra}))
    nobody = facts(pl.DataFrame(schema={"person_id": pl.String, "start": pl.Datetime("us")}), INVOLVEMENT)
    return History(reader(rows), reader(nobody), profile, members)


def make(families: int, seed: int, signal: float = 1.0) -> tuple[History, pl.DataFrame]:
    """A world of families with two children and a parent each; the true need; the outcome follows need, lagged."""
    rng = np.random.default_rng(seed)
    size = families * 3
    ids = np.array([f"{n:08x}" for n in rng.permutation(size)])
    family = np.repeat(np.arange(families), 3)
    child = np.tile([True, True, False], families)
    age_at_start = np.where(child, rng.uniform(2, 15, size), rng.uniform(25, 50, size))
    born = [START.replace(day=1) - timedelta(days=int(a * 365.25)) for a in age_at_start]
    frail = np.repeat(rng.normal(0, 0.9, families), 3)
    need = np.zeros((MONTHS + 1, size))
    need[0] = rng.normal(0, 0.8, size)
    for month in range(1, MONTHS + 1):
        need[month] = 0.93 * need[month - 1] + rng.normal(0, 0.32, size)
    need += frail
    first = [
        date(START.year + (START.month - 1 + m) // 12, (START.month - 1 + m) % 12 + 1, 1) for m in range(MONTHS + 1)
    ]
    columns: dict[str, list[np.ndarray]] = {"person": [], "type": [], "start": []}
    starts = np.array([np.datetime64(day, "us") for day in first])

    def add(kind: str, month: np.ndarray, person: np.ndarray) -> None:
        columns["person"].append(ids[person])
        columns["type"].append(np.full(len(person), kind))
        days = rng.integers(0, 27 if kind != "school_roll" else 1, len(person)).astype("timedelta64[D]")
        columns["start"].append(starts[month] + days)

    for kind, rate in RATES.items():
        times = rng.poisson(rate * np.exp(signal * need - 0.5))
        add(kind, *np.nonzero(times))
    add("gp_registration", np.zeros(size, int), np.arange(size))
    hazard = 0.0022 * np.exp(signal * (1.2 * need + 0.8 * (need > 1.2)))
    case_month, case_person = np.nonzero((rng.random(need.shape) < hazard) & child)
    add("child_in_need", case_month, case_person)
    events = pl.DataFrame({k: np.concatenate(v) for k, v in columns.items()}).rename({"person": "person_id"})
    events = events.with_columns(pl.col("start").cast(pl.Datetime("us")), value=pl.lit(1.0)).sort(
        "person_id", "type", "start"
    )
    case = pl.col("type") == "child_in_need"
    events = events.with_columns(
        pl.concat_str("person_id", "type", pl.int_range(pl.len())).alias("event_id"),
        pl.when(case).then(pl.col("start") + pl.duration(days=200)).alias("end"),
    )
    events = events.filter(pl.col("start") < datetime(UNTIL.year, UNTIL.month, UNTIL.day))
    open_cases = events.filter(case).select("person_id", "start", "end", service=pl.lit("childrens_social_care"))
    profile = people(
        list(zip(ids.tolist(), rng.choice(["M", "F"], size).tolist(), [b.replace(day=1) for b in born], strict=True))
    ).with_columns(
        imd_decile=pl.Series(np.clip((5 - 2 * frail).round(), 1, 10)).cast(pl.Int8),
        ethnicity=pl.Series(np.repeat(rng.choice(["WBRI", "APKN", "BCRB"], families, p=[0.8, 0.12, 0.08]), 3)),
    )
    members = homes([(f"{f:06x}", i) for f, i in zip(family, ids, strict=True)])
    lives = History(reader(facts(events)), reader(facts(open_cases, INVOLVEMENT)), profile, members)
    truth = pl.DataFrame(
        {"person_id": np.tile(ids, MONTHS + 1), "month": np.repeat(first, size), "hazard": hazard.ravel()}
    )
    return lives, truth
