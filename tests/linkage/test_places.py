"""Deprivation by small area, where the postcode directory does not say."""

import polars as pl

from linkage.places import deprived
from warehouse.tables import AREA, PLACE

AREAS = pl.DataFrame(
    [
        ("E1", "lsoa11", "IMD 2019", None, 100, 2, None),
        ("E1", "lsoa11", "IMD 2015", None, 100, 9, None),
        ("E1", "lsoa21", "IMD 2025", None, 100, 3, None),
        ("W1", "lsoa11", "WIMD 2019", None, 7, 1, 60.0),
    ],
    schema=AREA.schema,
    orient="row",
)


def told(*rows: tuple[str | None, ...]) -> list[tuple[object, ...]]:
    places = pl.DataFrame([(f"A{i}", *row) for i, row in enumerate(rows)], schema=PLACE.schema, orient="row")
    return deprived(places, AREAS).select("imd_decile", "imd_index").rows()


def test_a_place_takes_the_decile_of_its_area_of_2021_and_else_of_2011_with_the_index_named() -> None:
    assert told(("E1", "E1", None, None), ("E1", "E2", None, None), ("W1", "W2", None, None)) == [
        (3, "IMD 2025"),
        (2, "IMD 2019"),
        (1, "WIMD 2019"),
    ]


def test_a_decile_that_the_postcode_directory_gives_stands() -> None:
    assert told(("E1", "E1", 8, None)) == [(8, None)]


def test_a_place_outside_the_index_has_no_decile_and_names_none() -> None:
    assert told(("S1", None, None, None)) == [(None, None)]
    assert deprived(PLACE.empty(), AREA.empty()).schema == PLACE.schema
