"""Public samples and reference data load with the library: what is valid is accepted, the rest set aside and why."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from feedhouse import House
from library_shelf import broken, extended, taken, told

from feeds.contracts import Contract
from feeds.ledger import Load, current

TWICE, FUTURE = 14, 68  # reviews of one child on one day, and reviews after the delivery


def sent(house: House, contract: Contract, files: dict[str, Path]) -> Load:
    """Send the files and load them; every row is accounted for."""
    for name, path in files.items():
        house.put(name, path.read_bytes())
    load = house.load_all(contract)[-1]
    assert load.received == load.accepted + load.quarantined + load.withdrawn
    assert load.accepted == sum(load.tables.values())
    return load


def aside(house: House, contract: Contract, table: str) -> list[tuple[int, list[str]]]:
    rows = current(house.store, contract.id, f"quarantine__{table}").sort("_row")
    return [(row, sorted(rules)) for row, rules in rows.select("_row", "failed_rules").rows()]


# -- children in need -------------------------------------------------------------------------------------------------


def census(shared: Path, name: str) -> dict[str, Path]:
    return {"childrens/cin_2026-11-20.xml": shared / f"samples/cin_census/{name}.xml"}


def test_the_census_of_2022_loads_whole_with_the_contract_of_its_year(shared: Path, house: House) -> None:
    contract = taken("cin-census-2022")
    load = sent(house, contract, census(shared, "BAR_cin_2022"))
    assert (load.status, load.received, load.quarantined) == ("accepted", 9, 0)
    assert broken(load, "warn") == {"child: upn has a valid check letter": 1}
    assert told(house, contract) == {
        "assessment": 1, "assessment_factor": 2, "child_in_need": 1, "child_in_need_plan": 1,
        "child_protection_conference": 2, "child_protection_plan": 1, "child_protection_review": 1, "referral": 1,
        "section_47": 1,
    }  # fmt: skip
    assert current(house.store, contract.id, "source_record")["sex"].to_list() == ["M"]


@pytest.mark.parametrize(("year", "rows"), [(2024, 13), (2026, 14)])
def test_of_the_census_samples_of_2024_and_2026_an_assessment_is_set_aside_that_ends_before_it_starts(
    shared: Path, house: House, year: int, rows: int
) -> None:
    contract = taken(f"cin-census-{year}")
    load = sent(house, contract, census(shared, f"CIN_Census_{year}"))
    assert (load.status, load.received, load.quarantined) == ("accepted", rows, 4)
    assert aside(house, contract, "assessment") == [(1, ["authorised on or after the start"])]
    parent = "the assessment that it belongs to was accepted"
    assert aside(house, contract, "assessment_factor") == [
        (1, [parent]), (2, ["factor is a code of cin-assessment-factor.csv", parent]), (3, [parent]),
    ]  # fmt: skip
    # Sex is 1 in the first child, as it was written before 2025: said, and no reason to lose a protection plan
    assert broken(load, "warn") == {"child: sex is one of M, F, U": 1, "child: upn has a valid check letter": 1}
    events = told(house, contract)
    assert events["child_protection_plan"] == events["section_47"] == events["assessment"] == 1
    assert events["child_in_need"] == events["referral"] == 2
    assert [events.get(kind, 0) for kind in ("pre_proceedings", "court_application")] == [int(year == 2026)] * 2


# -- looked-after children --------------------------------------------------------------------------------------------


def test_the_looked_after_sample_loads_and_reviews_given_twice_are_set_aside(shared: Path, house: House) -> None:
    contract = taken("ssda903")
    names = ("header", "episodes", "reviews", "oc2", "missing")
    load = sent(
        house, contract, {f"childrens/903_{n}_2026-11-20.csv": shared / f"samples/ssda903/{n}.csv" for n in names}
    )
    assert (load.status, load.received, load.quarantined) == ("accepted", 23_025, FUTURE + TWICE)
    assert {t: n for t, n in load.tables.items() if n} == {
        "header": 2675, "episodes": 5050, "reviews": 12_582 - FUTURE - TWICE, "oc2": 2675, "missing": 43,
    }  # fmt: skip
    assert broken(load, "quarantine") == {
        "reviews: CHILD and REVIEW together are given once": TWICE, "reviews: a review is not in the future": FUTURE
    }  # fmt: skip
    assert broken(load, "warn") == {
        "header: MOTHER is one of 0, 1": 1,  # written 1.0
        "header: UPN has a valid check letter": 2568,  # of 2,675 random ones; all of the right form
        "episodes: REC is a code of 903-episode-end.csv in force on DEC": 157,  # codes of 2018, used a year early
        "episodes: REASON_PLACE_CHANGE is a code of 903-placement-change.csv in force on DEC": 162,
    }
    assert told(house, contract)["looked_after"] == 5050
    people = current(house.store, contract.id, "source_record")
    assert people.height == 2675 and people["upn"].count() == 107
    assert people["birth_date"].null_count() == 0


# -- schools ----------------------------------------------------------------------------------------------------------


def test_the_school_sample_loads_as_an_autumn_return_and_a_leaver_of_two_schools_left_both(
    shared: Path, house: House, tmp_path: Path
) -> None:
    absent = "addresses, sessions, sessionsoffroll, exclusions, exclusionsoffroll, fsmperiod"  # not in the sample
    contract = extended(tmp_path, "school-census-autumn", f"  - {{property: without, value: [{absent}]}}\n")
    names = ("pupilonroll", "pupilnolongeronroll", "addressesoffroll")
    files = {f"schools/sc_{n}_2024-12-20.csv": shared / f"samples/school_census/2024_autumn_{n}.csv" for n in names}
    load = sent(house, contract, files)
    assert (load.status, load.received, load.quarantined) == ("accepted", 11_094, 0)
    assert load.tables == {"pupilonroll": 9088, "pupilnolongeronroll": 308, "addressesoffroll": 1698}
    warned = broken(load, "warn")
    assert warned["pupilonroll: upn has a valid check letter"] == 9088  # they are pieces of random text
    assert warned["pupilnolongeronroll: upn has a valid check letter"] == 308
    assert told(house, contract) == {"school_roll": 9088 + 308}
    people = current(house.store, contract.id, "source_record")
    assert people["upn"].null_count() == people.height
    assert people.filter(pl.col("birth_date").is_null() | pl.col("surname").is_null()).is_empty()


# -- reference --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "rows", "first"),
    [
        ("imd-2019", "imd2019_england_lsoa11", 32_844, ("E01000001", "lsoa11", "IMD 2019", 29_199, 9)),
        ("imd-2025", "imd2025_england_lsoa21", 33_755, ("E01000001", "lsoa21", "IMD 2025", 26_525, 8)),
        ("wimd-2019", "wimd2019_lsoa11", 1_909, ("W01000001", "lsoa11", "WIMD 2019", None, 5)),
    ],
)
def test_each_index_of_deprivation_loads_on_the_areas_of_its_census(
    shared: Path, house: House, name: str, file: str, rows: int, first: tuple[str | int | None, ...]
) -> None:
    contract = taken(name)
    path = f"reference/{name.replace('-', '_')}_2025-11-01.csv"
    load = sent(house, contract, {path: shared / f"reference/deprivation/{file}.csv"})
    assert (load.status, load.accepted, load.quarantined) == ("accepted", rows, 0)
    areas = current(house.store, contract.id, "area")
    assert areas.height == rows
    assert areas.sort("area").select("area", "geography", "index", "rank", "decile").row(0) == first


def test_the_look_up_of_small_areas_loads_whole(shared: Path, house: House) -> None:
    path = shared / "reference/geography/lsoa11_lsoa21_ltla22.csv"
    load = sent(house, taken("lsoa-2011-to-2021"), {"reference/lsoa_2011_to_2021_2025-11-01.csv": path})
    assert (load.status, load.accepted, load.quarantined) == ("accepted", 35_795, 0)
