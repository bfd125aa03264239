"""The invented borough: the same by seed, plausible, and with nothing in it that could be real."""

from __future__ import annotations

import ast
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from synthetic import frames, truth
from synthetic.borough import AHEAD, make
from synthetic.frames import Borough
from synthetic.numbers import UPN_LETTERS

UNTIL = date(2026, 11, 20)
PEOPLE = 8_000
FRAMES = [f.name for f in fields(Borough) if f.name not in ("start", "until", "seed")]
ROOMS = ("pipelines", "assets", "summaries", "models", "linkage", "feeds", "governance", "warehouse", "dagster")


@pytest.fixture(scope="module")
def borough() -> Borough:
    return make(PEOPLE, 7, UNTIL)


def _auc(happened: np.ndarray, score: np.ndarray) -> float:
    order = np.argsort(score, kind="stable")
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    yes = int(happened.sum())
    return float((rank[happened].sum() - yes * (yes + 1) / 2) / (yes * (len(score) - yes)))


def test_the_same_seed_gives_the_same_borough_and_another_seed_another() -> None:
    one, again, other = make(1_500, 3, UNTIL), make(1_500, 3, UNTIL), make(1_500, 4, UNTIL)
    for name in FRAMES:
        assert_frame_equal(getattr(one, name), getattr(again, name))
        assert not getattr(one, name).equals(getattr(other, name))


def test_every_frame_has_the_columns_that_the_extracts_rely_on(borough: Borough) -> None:
    for name in FRAMES:
        assert getattr(borough, name).schema == getattr(frames, name.upper()), name


def test_a_borough_has_as_many_people_as_were_asked_for_and_five_years_of_happenings(borough: Borough) -> None:
    assert len(borough.people) == PEOPLE
    assert borough.people["person"].to_list() == list(range(PEOPLE))
    assert borough.start == date(2021, 12, 1)
    assert len(borough.happenings) >= 12 * PEOPLE
    assert borough.happenings["type"].n_unique() == 33


def test_too_small_a_borough_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="at least 500 people"):
        make(100, 1, UNTIL)


def test_nobody_lives_in_two_dwellings_at_once_or_outside_their_life(borough: Borough) -> None:
    stays = borough.stays.sort("person", "from").with_columns(before=pl.col("to").shift(1).over("person"))
    again = stays.filter(pl.col("person") == pl.col("person").shift(1))
    assert again["before"].null_count() == 0
    assert (again["before"] <= again["from"]).all()
    lived = stays.join(borough.people.select("person", "birth_date", "death_date"), on="person")
    assert (lived["from"] >= lived["birth_date"]).all()
    assert lived.filter(pl.col("from") >= pl.col("to")).is_empty()
    died = lived.filter(pl.col("death_date").is_not_null() & (pl.col("death_date") <= UNTIL))
    assert (died["to"].is_not_null() & (died["to"] <= died["death_date"])).all()


def test_a_home_holds_one_household_at_a_time(borough: Borough) -> None:
    homes = borough.dwellings.filter(kind="home").select("dwelling")
    by_household = (
        borough.stays.join(homes, on="dwelling")
        .group_by("dwelling", "household")
        .agg(pl.col("from").min(), pl.col("to").fill_null(date(9999, 1, 1)).max())
        .sort("dwelling", "from")
    )
    fostering = borough.happenings.filter(type="looked_after")["person"].unique()
    left_behind = by_household.filter(
        (pl.col("dwelling") == pl.col("dwelling").shift(1)) & (pl.col("from") < pl.col("to").shift(1))
    )
    assert len(left_behind) <= len(fostering)


def test_happenings_lie_within_a_life_and_are_written_down_after_they_begin(borough: Borough) -> None:
    rows = borough.happenings.join(borough.people.select("person", "birth_date", "death_date"), on="person")
    assert (rows["recorded_at"] >= rows["start"]).all()
    assert rows.filter(pl.col("end") < pl.col("start")).is_empty()
    assert rows.filter(pl.col("start").dt.date() < pl.col("birth_date")).is_empty()
    assert rows.filter(pl.col("start").dt.date() > pl.col("death_date")).is_empty()
    assert rows["start"].dt.date().max() <= UNTIL + timedelta(days=AHEAD)
    assert rows["happening"].is_sorted()
    assert set(rows["other"].drop_nulls()) <= set(borough.people["person"])


def test_parents_are_older_than_their_children_and_twins_share_a_birthday(borough: Borough) -> None:
    born = borough.people.select("person", "birth_date")
    kin = borough.relationships.filter(kind="parent")
    kin = kin.join(born, on="person").join(born, left_on="other", right_on="person", suffix="_child")
    years = (kin["birth_date_child"] - kin["birth_date"]).dt.total_days() / 365.25
    assert years.min() > 14
    assert years.max() < 70
    twins = borough.people.filter(pl.col("twin_of").is_not_null()).join(
        born, left_on="twin_of", right_on="person", suffix="_2"
    )
    assert len(twins) > 0
    assert (twins["birth_date"] == twins["birth_date_2"]).all()
    assert (
        twins["forename"] == twins.join(borough.people, left_on="twin_of", right_on="person")["forename_right"]
    ).sum() == 0


def test_identifiers_are_valid_different_and_never_issued(borough: Borough) -> None:
    people = borough.people
    nhs = people["nhs_number"]
    assert nhs.n_unique() == PEOPLE
    assert nhs.str.starts_with("999").all()
    digits = np.array([[int(c) for c in n] for n in nhs])
    assert ((11 - (digits[:, :9] * np.arange(10, 1, -1)).sum(axis=1) % 11) % 11 == digits[:, 9]).all()
    upn = people["upn"].drop_nulls()
    assert len(upn) > 1_000
    assert upn.n_unique() == len(upn)
    assert upn.str.slice(1, 3).unique().to_list() == ["990"]
    body = np.array([[int(c) for c in u[1:]] for u in upn])
    assert all(UPN_LETTERS[k] == u[0] for k, u in zip((body * np.arange(2, 14)).sum(axis=1) % 23, upn, strict=True))
    for column, pattern in (
        ("ni_number", r"^QQ\d{6}[A-D]$"),
        ("phone", r"^0999\d{7}$"),
        ("landline", r"^0999\d{7}$"),
        ("email", r"^[a-z0-9.]+@example\.(org|com)$"),
    ):
        values = people[column].drop_nulls()
        assert len(values) > 1_000
        assert values.str.contains(pattern).all(), column
    assert people["ni_number"].drop_nulls().is_unique().all()
    assert people["la_child_id"].drop_nulls().is_unique().all()


def test_addresses_are_of_no_real_place(borough: Borough) -> None:
    assert borough.places["postcode"].is_unique().all()
    assert borough.places["postcode"].str.contains(r"^QH\d{1,2} [1-9][ABD-HJLNP-UW-Z]{2}$").all()
    assert borough.places["lsoa21"].str.contains(r"^E0199\d{4}$").all()
    assert (borough.places["lsoa21"] != borough.places["lsoa11"]).any()
    assert set(borough.dwellings["postcode"]) <= set(borough.places["postcode"])
    assert borough.dwellings["uprn"].is_unique().all()
    assert borough.dwellings["uprn"].str.contains(r"^99\d{10}$").all()
    assert borough.dwellings.filter(kind="home").select("line", "postcode").is_unique().all()


def test_neighbouring_areas_are_alike_in_deprivation(borough: Borough) -> None:
    by_area = borough.places.group_by("lsoa21").agg(pl.col("imd_decile").first().cast(pl.Float64)).sort("lsoa21")
    decile = by_area["imd_decile"].to_numpy()
    assert decile.min() <= 2
    assert decile.max() >= 9
    assert np.abs(np.diff(decile)).mean() < np.abs(decile[:, None] - decile[None, :]).mean()


def test_names_change_as_the_frames_say(borough: Borough) -> None:
    latest = borough.name_changes.group_by("person", maintain_order=True).agg(pl.all().last())
    now = latest.join(borough.people, on="person", suffix="_now")
    assert (now["surname"] == now["surname_now"]).all()
    assert (now["forename"] == now["forename_now"]).all()
    first = borough.name_changes.group_by("person", maintain_order=True).agg(pl.all().first())
    first = first.join(borough.people, on="person", suffix="_now")
    assert (first["was_surname"] == first["birth_surname"]).all()
    never = borough.people.join(borough.name_changes, on="person", how="anti")
    assert (never["surname"] == never["birth_surname"]).all()
    assert {"marriage", "divorce"} <= set(borough.name_changes["kind"])


def test_an_adopted_child_has_two_identities_that_the_truth_alone_joins() -> None:
    borough = make(20_000, 11, UNTIL, months=36)
    adopted = borough.name_changes.filter(kind="adoption")
    assert len(adopted) > 0
    assert (adopted["surname"] != adopted["was_surname"]).any()
    parents = borough.relationships.filter(kind="parent").join(
        adopted.select("person", "on"), left_on="other", right_on="person"
    )
    assert (parents.filter(pl.col("from") == pl.col("on")).group_by("other").len()["len"] >= 1).all()
    home = borough.stays.filter(pl.col("person").is_in(adopted["person"].to_list()))
    assert home.group_by("person").agg(pl.col("household").n_unique())["household"].min() >= 2


def test_rates_are_those_of_a_borough(borough: Borough) -> None:
    rows = borough.happenings.filter(pl.col("start") >= pl.lit(borough.start).cast(pl.Datetime("us")))
    attended = rows.filter(type="hospital_attendance")["person"].n_unique() / PEOPLE
    assert 0.38 < attended < 0.52
    assert 0.15 < (borough.dwellings["tenure"] == "social").mean() < 0.26
    day = pl.lit(UNTIL).cast(pl.Datetime("us"))
    claims = borough.happenings.filter(
        pl.col("type") == "housing_benefit_claim",
        pl.col("code") == "claimant",
        pl.col("start") <= day,
        pl.col("end").is_null() | (pl.col("end") > day),
    )
    households = truth.households(borough)["household"].n_unique()
    assert 0.08 < len(claims) / households < 0.24
    pupils = borough.latent.join(borough.people.select("person", "birth_date"), on="person").filter(
        (pl.col("month") - pl.col("birth_date")).dt.total_days() > 5 * 365.25, ~pl.col("open")
    )
    assert 0.03 < 12 * pupils["escalated"].mean() < 0.06


def test_the_true_hazard_is_the_best_a_model_can_do_and_far_better_than_counting_contacts(borough: Borough) -> None:
    months = borough.latent["month"].unique().sort().to_list()
    born = borough.people.select("person", "birth_date")
    happened, hazard, contacts = [], [], []
    for index in (14, 24, 34, 44):
        day = pl.lit(months[index]).cast(pl.Datetime("us"))
        window = borough.latent.filter(pl.col("month").is_in(months[index : index + 9]))
        outcome = window.group_by("person").agg(pl.col("escalated").any().alias("happened"))
        seen = (
            borough.happenings.filter(
                pl.col("type") == "contact",
                pl.col("recorded_at") < day,
                pl.col("recorded_at") > day - pl.duration(days=365),
            )
            .group_by("person")
            .agg(pl.len().alias("contacts"))
        )
        pupils = (
            borough.latent.filter(pl.col("month") == months[index], ~pl.col("open"))
            .join(born, on="person")
            .filter((pl.col("month") - pl.col("birth_date")).dt.total_days() > 5 * 365.25)
            .join(outcome, on="person")
            .join(seen, on="person", how="left")
        )
        happened.append(pupils["happened"].to_numpy())
        hazard.append(pupils["hazard"].to_numpy())
        contacts.append(pupils["contacts"].fill_null(0).to_numpy() + pupils["person"].to_numpy() * 1e-9)
    y = np.concatenate(happened)
    assert y.sum() > 60
    best, simple = _auc(y, np.concatenate(hazard)), _auc(y, np.concatenate(contacts))
    assert 0.83 < best < 0.93
    assert 0.5 < simple < best - 0.1


def test_hazards_are_probabilities_and_add_up_over_nine_months(borough: Borough) -> None:
    latent = borough.latent.sort("person", "month")
    assert latent["hazard"].is_between(0, 1).all()
    one = latent.filter(pl.col("within_9_months").is_not_null())
    assert (one["within_9_months"] >= one["hazard"] - 1e-6).all()
    full = latent.group_by("person", maintain_order=True).agg(pl.all().head(9)).filter(pl.col("month").list.len() == 9)
    first = full.select(
        pl.col("within_9_months").list.first().alias("stated"),
        pl.col("hazard").list.eval((1 - (1 - pl.element()).product()).cast(pl.Float64)).list.first().alias("made"),
    ).drop_nulls()
    assert np.allclose(first["stated"], first["made"], atol=1e-6)


def test_the_truth_is_written_apart_and_whole(borough: Borough, tmp_path: Path) -> None:
    records = pl.DataFrame({"feed": ["a", "a"], "source_key": ["2", "1"], "person": [1, None]})
    truth.write(borough, records, tmp_path / "truth")
    assert sorted(f.name for f in (tmp_path / "truth").iterdir()) == [
        "hazard.parquet",
        "household.parquet",
        "people.parquet",
        "record.parquet",
    ]
    assert pl.read_parquet(tmp_path / "truth" / "record.parquet")["source_key"].to_list() == ["1", "2"]
    assert pl.read_parquet(tmp_path / "truth" / "household.parquet")["person"].is_unique().all()
    with pytest.raises(ValueError, match="source_key"):
        truth.write(borough, pl.DataFrame({"feed": ["a"]}), tmp_path)


def test_the_borough_knows_nothing_of_the_pipeline() -> None:
    for path in sorted((Path(__file__).parents[2] / "synthetic").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                assert not {n.split(".")[0] for n in names} & set(ROOMS), path.name
