"""The extracts of the invented borough: true layouts, repeatable, and as hard to link as real ones."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from feeds.dialect import load_contracts
from synthetic import borough, extracts
from synthetic.extracts import Written
from synthetic.extracts.noise import Dice, misspelt, serial

SITE = Path(__file__).parents[2] / "sites" / "harrowmere"
SCHEMA = Path(__file__).parents[2].parent / "shared/reference/cin_census_xsd/CIN_schema_2026.xsd"
DAY = date(2026, 11, 20)
PEOPLE, SEED = 6000, 7

# feed: file, key, forename, surname, birth date and its form, postcode
NAMED = {
    "case-system": (
        "childrens/ssd_person", "pers_person_id", "pers_forename", "pers_surname", "pers_dob", "%Y-%m-%d", None,
    ),
    "early-help": (
        "earlyhelp/eh", "earl_person_id", "earl_forename", "earl_surname", "earl_dob", "%d/%m/%Y", "earl_postcode",
    ),
    "school-census": (
        "schools/sc_pupilonroll", "pupilonrolltableid", "forename", "surname", "dob", "%Y-%b-%d 00:00:00", None,
    ),
    "police-incidents": (
        "police/incidents", "nominal_ref", "given_name", "surname", "dob", "%d/%m/%Y", "postcode",
    ),
    "adult-social-care": (
        "adults/cld", "LA_Person_Unique_Identifier", "Given_Name", "Family_Name", "Date_of_Birth", "%d/%m/%Y",
        "Postcode",
    ),
    "gp-register": (
        "health/gp", "registration_id", "forename", "surname", "date_of_birth", "%Y%m%d", "postcode",
    ),
    "hospital": ("health/attendances", "local_patient_id", "forename", "surname", "dob", "%Y-%m-%d", "postcode"),
}  # fmt: skip


@pytest.fixture(scope="module")
def town() -> borough.Borough:
    return borough.make(PEOPLE, SEED, DAY)


@pytest.fixture(scope="module")
def drop(town: borough.Borough, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    folder = tmp_path_factory.mktemp("drop")
    return folder, extracts.write(town, folder, DAY, SEED)


@pytest.fixture(scope="module")
def rows(town: borough.Borough, drop: tuple[Path, Written]) -> pl.DataFrame:
    """What the named feeds hold beside the truth: one row a key, `w_` written, `t_` true."""
    folder, written = drop
    frames = []
    for feed, (path, key, forename, surname, birth, form, postcode) in NAMED.items():
        frame = _read(folder / f"{path}_{DAY}.csv").unique(key, keep="first", maintain_order=True)
        frames.append(
            frame.select(
                feed=pl.lit(feed),
                source_key=key,
                w_forename=pl.col(forename).str.to_lowercase(),
                w_surname=pl.col(surname).str.to_lowercase(),
                w_birth=pl.col(birth).str.to_date(form, strict=False),
                w_postcode=(pl.col(postcode) if postcode else pl.lit(None, dtype=pl.String))
                .str.to_uppercase()
                .str.replace(" ", ""),
            )
        )
    truth = town.people.select(
        "person",
        t_forename=pl.col("forename").str.to_lowercase(),
        t_surname=pl.col("surname").str.to_lowercase(),
        t_birth="birth_date",
        t_known_as=pl.col("known_as").str.to_lowercase(),
    )
    return pl.concat(frames).join(written.records, on=["feed", "source_key"]).join(truth, on="person")


def _read(path: Path) -> pl.DataFrame:
    text = path.read_bytes()
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        decoded = text.decode("windows-1252")
    separator = "|" if path.suffix == ".txt" else ","
    return pl.read_csv(decoded.encode(), separator=separator, infer_schema=False)


def _ever(town: borough.Borough, which: str) -> pl.DataFrame:
    """person and every forename or surname that they truly had, small letters."""
    own = town.people.select("person", pl.col(which).alias("name"))
    before = town.name_changes.select("person", pl.col(f"was_{which}").alias("name"))
    return pl.concat([own, before]).with_columns(pl.col("name").str.to_lowercase()).unique()


def _digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_every_contract_keeps_the_standard_and_has_its_feed() -> None:
    assert set(load_contracts(SITE, strict=True)) == set(extracts.FEEDS)


def test_every_file_has_the_columns_that_its_contract_names(drop: tuple[Path, Written]) -> None:
    folder, _ = drop
    for contract in load_contracts(SITE).values():
        for table in contract.tables:
            (path,) = folder.glob(table.file or contract.globs[0])
            if contract.format == "csv":
                first = path.read_text(encoding=contract.encoding).splitlines()[0]
                assert first.split(contract.delimiter) == [c.physical for c in table.columns], (contract.id, table.name)


def test_the_same_seed_writes_the_same_bytes(town: borough.Borough, drop: tuple[Path, Written], tmp_path: Path) -> None:
    folder, _ = drop
    some = ["social-housing", "gp-register", "cin-census", "homelessness", "council-tax"]
    extracts.write(town, tmp_path, DAY, SEED, feeds=some)
    before = _digests(folder)
    again = _digests(tmp_path)
    assert again and all(before[path] == digest for path, digest in again.items())


def test_another_seed_makes_other_mistakes(town: borough.Borough, drop: tuple[Path, Written], tmp_path: Path) -> None:
    extracts.write(town, tmp_path, DAY, SEED + 1, feeds=["gp-register"])
    ((path, digest),) = _digests(tmp_path).items()
    assert _digests(drop[0])[path] != digest


def test_there_are_more_than_two_and_a_third_person_rows_a_person(drop: tuple[Path, Written]) -> None:
    records = drop[1].records
    assert len(records) > 2.331 * PEOPLE
    assert records.select(pl.struct("feed", "source_key").is_duplicated().sum()).item() == 0


def test_the_general_practice_register_covers_nine_in_ten_residents(
    town: borough.Borough, drop: tuple[Path, Written]
) -> None:
    residents = town.stays.filter((pl.col("from") < DAY) & (pl.col("to").is_null() | (pl.col("to") > DAY)))[
        "person"
    ].unique()
    registered = drop[1].records.filter(pl.col("feed") == "gp-register")["person"].unique()
    assert 0.87 < residents.is_in(registered.implode()).mean() < 0.97


def test_names_are_wrong_at_least_as_often_as_in_real_sources(town: borough.Borough, rows: pl.DataFrame) -> None:
    for which, other in (("forename", "surname"), ("surname", "forename")):
        names = _ever(town, which).group_by("person").agg(ever="name")
        swapped = _ever(town, other).group_by("person").agg(other="name")
        known = rows.join(names, on="person").join(swapped, on="person").filter(pl.col(f"w_{which}").is_not_null())
        written = pl.col(f"w_{which}")
        wrong = (
            ~written.is_in(pl.col("ever"))
            & (written != pl.col("t_known_as").fill_null(""))
            & ~written.is_in(pl.col("other"))
        )
        share = known.select(wrong.mean()).item()
        assert 0.045 < share < 0.12, (which, share)
        reversed_ = known.select((~written.is_in(pl.col("ever")) & written.is_in(pl.col("other"))).mean()).item()
        assert reversed_ > 0.008, (which, reversed_)


def test_some_are_known_by_a_nickname_or_a_former_name(town: borough.Borough, rows: pl.DataFrame) -> None:
    nickname = (pl.col("w_forename") == pl.col("t_known_as")) & (pl.col("w_forename") != pl.col("t_forename"))
    assert rows.select(nickname.fill_null(False).mean()).item() > 0.06
    changed = rows.filter(
        pl.col("person").is_in(town.name_changes.filter(pl.col("on").is_between(town.start, DAY))["person"].implode())
    )
    former = (
        _ever(town, "surname")
        .join(changed, on="person")
        .filter((pl.col("w_surname") == pl.col("name")) & (pl.col("name") != pl.col("t_surname")))
    )
    assert len(former) > 0.03 * len(changed)


def test_birth_dates_are_wrong_or_missing(rows: pl.DataFrame) -> None:
    given = rows.filter(pl.col("w_birth").is_not_null())
    assert 0.04 < given.select((pl.col("w_birth") != pl.col("t_birth")).mean()).item() < 0.08
    assert given.select((pl.col("w_birth") < DAY).all()).item()
    for feed, share in rows.group_by("feed").agg(pl.col("w_birth").is_null().mean()).rows():
        assert 0.025 < share < 0.45, (feed, share)


def test_a_third_of_movers_stand_at_an_old_address(town: borough.Borough, rows: pl.DataFrame) -> None:
    stays = (
        town.stays.filter(pl.col("from") < DAY)
        .sort("person", "from")
        .join(town.dwellings.select("dwelling", code=pl.col("postcode").str.replace(" ", "")), on="dwelling")
        .sort("person", "from")
    )
    last = stays.group_by("person").agg(now=pl.col("code").last(), before=pl.col("code").get(-2, null_on_oob=True))
    moved = rows.join(last.filter(pl.col("before").is_not_null() & (pl.col("before") != pl.col("now"))), on="person")
    moved = moved.filter(
        pl.col("w_postcode").is_in(["now", "before"])
        | (pl.col("w_postcode") == pl.col("now"))
        | (pl.col("w_postcode") == pl.col("before"))
    )
    assert moved.select((pl.col("w_postcode") == pl.col("before")).mean()).item() > 0.35


def test_one_in_twenty_five_stands_twice_in_a_source(drop: tuple[Path, Written]) -> None:
    keys = drop[1].records.group_by("feed", "person").len()
    for feed, twice, people in keys.group_by("feed").agg((pl.col("len") > 1).mean(), people=pl.len()).rows():
        assert people < 400 or twice > 0.035, (feed, twice)


def test_nhs_numbers_are_on_few_rows_and_a_few_are_wrong(town: borough.Borough, drop: tuple[Path, Written]) -> None:
    folder, written = drop
    frame = (
        _read(folder / f"health/gp_{DAY}.csv")
        .join(written.records.filter(pl.col("feed") == "gp-register"), left_on="registration_id", right_on="source_key")
        .join(town.people.select("person", true="nhs_number"), on="person")
    )
    assert 0.5 < frame["nhs_number"].is_not_null().mean() <= 0.6
    wrong = (
        frame.filter(pl.col("nhs_number").is_not_null()).select((pl.col("nhs_number") != pl.col("true")).mean()).item()
    )
    assert 0.0015 < wrong < 0.01


def test_the_usual_rubbish_is_there(drop: tuple[Path, Written]) -> None:
    folder, _ = drop
    texts = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert b"TEST,," in texts[f"health/gp_{DAY}.csv"] or b"PATIENT,TEST" in texts[f"health/gp_{DAY}.csv"]
    assert b"|EXECUTORS OF M" in texts[f"revenues/ctax_{DAY}.txt"]
    assert b"1900-01-01" in texts[f"revenues/hb_claims_{DAY}.csv"]
    assert sum(b"ZZ99 3VZ" in text for text in texts.values()) > 5
    assert b"31/02/" in texts[f"police/incidents_{DAY}.csv"]
    tax = _read(folder / f"revenues/ctax_{DAY}.txt")
    assert 0.3 < tax["telephone"].is_null().mean() < 0.6


def test_rows_that_break_a_rule_are_few(drop: tuple[Path, Written]) -> None:
    folder, _ = drop
    frame = _read(folder / f"health/gp_{DAY}.csv")
    broken = (pl.col("sex") == "7") | (pl.col("date_of_birth") == "19870231") | pl.col("registered").is_null()
    assert 0.001 < frame.select(broken.mean()).item() < 0.006


def test_the_census_and_the_903_carry_no_names(town: borough.Borough, drop: tuple[Path, Written]) -> None:
    folder, _ = drop
    names = {n.lower() for c in ("forename", "surname") for n in town.people[c].unique() if len(n) > 3}
    for path in [*folder.glob("childrens/903_*.csv"), *folder.glob("childrens/cin_*.xml")]:
        words = set(path.read_text().lower().replace("<", ",").replace(">", ",").replace("\n", ",").split(","))
        # the schema's own words are not names
        assert not (words & names) - {"child", "reviews", "source", "release", "year", "mother"}, path.name


def test_the_census_is_valid_against_the_schema_of_2026(drop: tuple[Path, Written]) -> None:
    if not SCHEMA.exists():
        pytest.skip("the department's schema lies beside the checkout in ../shared/reference, and is not there")
    from lxml import etree

    schema = etree.XMLSchema(etree.parse(SCHEMA))
    (path,) = drop[0].glob("childrens/cin_*.xml")
    assert schema.validate(etree.parse(path)), [str(e) for e in schema.error_log][:3]


def test_homelessness_messages_tell_a_case_again_and_withdraw_some(drop: tuple[Path, Written]) -> None:
    (path,) = drop[0].glob("housing/homelessness_*.jsonl")
    messages = [json.loads(line) for line in path.read_text().splitlines()]
    refs = [m["case_ref"] for m in messages]
    assert len(set(refs)) < len(refs)
    assert [m["updated_at"] for m in messages] == sorted(m["updated_at"] for m in messages)
    assert all(m["people"] and m["duties"] for m in messages if not m["purge"])


def test_a_later_night_changes_about_one_row_in_a_hundred(
    town: borough.Borough, drop: tuple[Path, Written], tmp_path: Path
) -> None:
    whole = ["case-system", "school-census", "police-incidents", "council-tax", "housing-benefit", "cin-census"]
    extracts.write(town, tmp_path, DAY + timedelta(days=1), SEED, feeds=whole)
    for path in sorted(tmp_path.rglob("*")):
        if not path.is_file() or not any(
            w in path.name for w in ("person", "pupilonroll", "incidents", "ctax_", "hb_claims", "cin_")
        ):
            continue
        before = (drop[0] / path.relative_to(tmp_path)).with_name(
            path.name.replace(str(DAY + timedelta(days=1)), str(DAY))
        )
        old, new = (set(p.read_bytes().split(b"\n")) for p in (before, path))
        changed = len(new - old) / len(new)
        assert 0 < changed < 0.03, (path.name, changed)


def test_feeds_of_changes_send_only_what_is_new(
    town: borough.Borough, drop: tuple[Path, Written], tmp_path: Path
) -> None:
    written = extracts.write(
        town, tmp_path, DAY + timedelta(days=7), SEED, feeds=["gp-register", "hospital"], since=DAY
    )
    for path, rows in written.rows.items():
        first = drop[1].rows[path.replace(str(DAY + timedelta(days=7)), str(DAY))]
        assert 0 < rows < 0.15 * first
    assert len(written.records) > len(drop[1].records.filter(pl.col("feed").is_in(["gp-register", "hospital"]))) * 0.99


def test_a_bad_feed_is_spoilt_and_a_late_one_sends_nothing(town: borough.Borough, tmp_path: Path) -> None:
    feeds = ["cin-census", "police-missing", "youth-justice"]
    written = extracts.write(
        town, tmp_path, DAY, SEED, feeds=feeds, bad=["cin-census", "police-missing"], late=["youth-justice"]
    )
    assert not (tmp_path / "yjs").exists()
    assert not (tmp_path / f"childrens/cin_{DAY}.xml").read_text().rstrip().endswith("</Message>")
    assert (tmp_path / f"police/missing_{DAY}.csv").read_text(encoding="windows-1252").startswith("column1,")
    assert "youth-justice" in set(written.records["feed"])


def test_a_feed_that_does_not_exist_or_a_day_outside_the_borough_is_refused(
    town: borough.Borough, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no feed parking"):
        extracts.write(town, tmp_path, DAY, SEED, feeds=["parking"])
    with pytest.raises(ValueError, match="outside"):
        extracts.write(town, tmp_path, DAY + timedelta(days=90), SEED)


@cache
def _dice() -> Dice:
    return Dice.of(pl.int_range(20000, eager=True), "test")


def test_a_mistake_never_depends_on_the_other_rows() -> None:
    names = pl.Series(["Margaret", "Oluwaseun"] * 10000)
    some = misspelt(names.head(100), Dice(_dice().keys[:100]), "name", 0.3)
    assert some.to_list() == misspelt(names, _dice(), "name", 0.3).head(100).to_list()


def test_every_typing_error_makes_another_name() -> None:
    names = pl.Series(["Catherine", "Mohammed", "Li", "Ng", "Aaron", "Smith"] * 3000)
    wrong = misspelt(names, Dice(_dice().keys[: len(names)]), "name", 1.0)
    assert (wrong != names).mean() > 0.97
    assert wrong.str.len_chars().min() >= 1


def test_serial_numbers_are_different_and_tell_no_order() -> None:
    made = serial(pl.int_range(50000, eager=True), 3, "test", 7)
    assert made.n_unique() == 50000 and set(made.str.len_chars()) == {7}
    assert not made.is_sorted()
