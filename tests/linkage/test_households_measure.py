"""What the benchmark counts as living together, and as living alone."""

import polars as pl

from benchmarks.households import measure


def tables(homes: dict[str, str], alone: dict[str, str]) -> dict[str, pl.DataFrame]:
    """People by household; a household's grade of living alone. The record of a person is the person's name."""
    people = list(homes)
    grades = [(home, alone.get(home, "none")) for home in sorted(set(homes.values()))]
    return {
        "person": pl.DataFrame(
            {"person_id": people, "death_date": None, "address": [homes[p] for p in people], "postcode": "QH1 1AA"}
        ),
        "person_link": pl.DataFrame({"record_id": people, "person_id": people}),
        "household": pl.DataFrame(grades, schema=["household_id", "lives_alone"], orient="row"),
        "household_member": pl.DataFrame({"household_id": list(homes.values()), "person_id": people}),
    }


def truth(numbers: dict[str, int], lives: list[tuple[int, int, str]]) -> dict[str, pl.DataFrame]:
    return {
        "record": pl.DataFrame({"record_id": list(numbers), "person": list(numbers.values())}),
        "household": pl.DataFrame(lives, schema=["person", "household", "kind"], orient="row"),
    }


def told(rows: pl.DataFrame, what: str, of: str) -> tuple[int, int, int]:
    row = rows.row(by_predicate=(pl.col("measure") == what) & (pl.col("of") == of), named=True)
    return row["found"], row["true"], row["right"]


def test_pairs_are_of_true_people_and_those_who_are_gone_count_among_everyone_alone() -> None:
    found = tables({"a": "1", "b": "1", "gone": "1", "c": "2"}, {})
    true = truth(
        {"a": 1, "b": 2, "gone": 9, "c": 3}, [(1, 10, "home"), (2, 10, "home"), (3, 10, "home"), (4, 10, "home")]
    )
    rows = measure(found, true)
    assert told(rows, "lives with, today", "residents") == (1, 3, 1)  # 4 has no record; 9 lives nowhere
    assert told(rows, "lives with, today", "everyone") == (3, 3, 1)


def test_two_golden_people_who_are_one_do_not_live_together() -> None:
    rows = measure(tables({"a": "1", "twice": "1"}, {}), truth({"a": 1, "twice": 1}, [(1, 10, "home")]))
    assert told(rows, "lives with, today", "everyone") == (0, 0, 0)


def test_living_alone_is_right_only_for_the_one_resident_of_a_home() -> None:
    found = tables({"a": "1", "b": "2", "gone": "3"}, {"1": "strong", "2": "strong", "3": "strong"})
    true = truth({"a": 1, "b": 2, "gone": 9}, [(1, 10, "home"), (2, 20, "home"), (3, 20, "home")])
    assert told(measure(found, true), "lives alone", "strong") == (3, 1, 1)
