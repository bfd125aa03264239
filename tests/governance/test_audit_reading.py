"""Who saw a person is told under every id that they had, what a user did under every name, and counts name nobody."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from governance import audit_reading as reading
from warehouse.tables import ACCESS_LOG, LINK_PAST, OUTPUT_USE, PERSON_LINEAGE, PERSON_LINK, Table

LONDON = "Europe/London"
NOON = datetime(2026, 11, 20, 12)
AMY, EARLIER, OLDEST, SHARED, SISTER, STRANGER = (letter * 32 for letter in "a12359")
LISTED, SUMMARY = "e" * 32, "f" * 32


def day(number: int) -> date:
    return date(2026, 11, 20) + timedelta(days=number)


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in table.schema} for row in rows], schema=table.schema)


def log(*rows: dict[str, Any]) -> pl.DataFrame:
    """Entries, of Ann on the first day where nothing else is said."""
    plain = {
        "at": NOON,
        "actor": "ann",
        "account": "asmith",
        "action": "reveal",
        "team": "mash",
        "reason": "section_47",
    }
    return frame(ACCESS_LOG, [plain | {"sequence": n} | row for n, row in enumerate(rows, 1)])


LINKS = frame(
    PERSON_LINK,
    [
        {"record_id": "r1", "person_id": AMY},
        {"record_id": "r2", "person_id": AMY},
        {"record_id": "r3", "person_id": SHARED},
        {"record_id": "r4", "person_id": STRANGER},
    ],
)
PAST = frame(
    LINK_PAST,
    [
        {"record_id": "r2", "person_id": SHARED, "from": day(0), "to": day(4)},
        {"record_id": "r1", "person_id": EARLIER, "from": day(0), "to": day(2)},
        {"record_id": "r4", "person_id": SHARED, "from": day(0), "to": day(9)},
    ],
)
LINEAGE = frame(
    PERSON_LINEAGE,
    [
        {"person_id": EARLIER, "night": day(2), "change": "merged_into", "other_person_id": AMY},
        {"person_id": OLDEST, "night": day(1), "change": "merged_into", "other_person_id": EARLIER},
        {"person_id": AMY, "night": day(4), "change": "split_from", "other_person_id": SHARED},
        {"person_id": STRANGER, "night": day(9), "change": "split_from", "other_person_id": SHARED},
    ],
)
USED = frame(
    OUTPUT_USE,
    [
        {"kind": "summary", "output_id": SUMMARY, "person_id": SISTER, "about": AMY},
        {"kind": "summary", "output_id": SUMMARY, "person_id": SISTER, "about": SISTER},
        {"kind": "report", "output_id": LISTED, "about": AMY},
        {"kind": "summary", "output_id": "0" * 32, "person_id": SISTER, "about": STRANGER},
    ],
)


def seen(person: str, entries: pl.DataFrame) -> dict[int, str]:
    now, ids = reading.ids_of(person, LINKS, PAST, LINEAGE)
    found = reading.who_saw(entries, now, ids, USED, LONDON)
    assert found.columns == [*ACCESS_LOG.schema, "how"]
    return dict(found.select("sequence", "how").iter_rows())


def test_looks_under_ids_that_were_merged_are_the_persons():
    entries = log({"person_id": AMY}, {"person_id": EARLIER}, {"person_id": OLDEST}, {"person_id": STRANGER})
    assert seen(AMY, entries) == {1: "own", 2: "earlier", 3: "earlier"}


@pytest.mark.parametrize("asked", [AMY, EARLIER, OLDEST])
def test_an_earlier_id_asks_about_the_person_of_today(asked):
    assert reading.ids_of(asked, LINKS, PAST, LINEAGE)[0] == AMY
    assert seen(asked, log({"person_id": OLDEST}, {"person_id": AMY})) == {1: "earlier", 2: "own"}


def test_looks_at_somebody_from_whom_a_person_was_parted_count_until_that_night():
    entries = log(*({"person_id": SHARED, "at": NOON + timedelta(days=n)} for n in (0, 3, 4, 5, 8)))
    assert list(seen(AMY, entries)) == [1, 2, 3]
    assert list(seen(STRANGER, entries)) == [1, 2, 3, 4, 5]
    assert list(seen(SHARED, entries)) == [1, 2, 3, 4, 5]


def test_a_file_about_a_sister_and_a_list_that_told_of_the_person_are_found():
    entries = log(
        {"person_id": SISTER, "release_id": SUMMARY, "action": "release"},
        {"release_id": LISTED, "action": "release"},
        {"person_id": SISTER, "release_id": "0" * 32, "action": "release"},
        {"person_id": SISTER},
    )
    assert seen(AMY, entries) == {1: "beside", 2: "listed"}


def test_an_entry_that_is_about_the_person_twice_over_is_told_once():
    assert seen(SISTER, log({"person_id": SISTER, "release_id": SUMMARY})) == {1: "own"}


def test_ids_that_merge_in_a_circle_come_to_an_end():
    circle = frame(
        PERSON_LINEAGE,
        [
            {"person_id": EARLIER, "night": day(1), "change": "merged_into", "other_person_id": OLDEST},
            {"person_id": OLDEST, "night": day(2), "change": "merged_into", "other_person_id": EARLIER},
        ],
    )
    now, ids = reading.ids_of(EARLIER, LINKS, PAST, circle)
    assert now in (EARLIER, OLDEST) and set(ids["person_id"]) >= {EARLIER, OLDEST}


def test_a_user_is_found_by_name_and_by_account_and_by_days_of_the_council():
    entries = log(
        {},
        {"actor": "Ann (asmith)"},
        {"actor": "boss", "account": "asmith as root"},
        {"actor": "annabel", "account": "asmithers"},
        {"actor": "carol", "account": None},
        {"at": datetime(2026, 6, 30, 23, 30)},  # the first of July in London
    )

    def did(user: str, since: date | None = None, until: date | None = None) -> list[int]:
        return reading.what_did(entries, user, LONDON, since, until)["sequence"].to_list()

    assert did("ANN") == [1, 2, 6]
    assert did("asmith") == [1, 2, 3, 6]
    assert did("boss") == [3]
    assert did("an") == did("") == did(".*") == []
    assert did("ann", until=date(2026, 6, 30)) == []
    assert did("ann", date(2026, 7, 1), date(2026, 7, 1)) == [6]


def test_a_day_is_counted_by_team_role_action_reason_and_agreement_and_names_nobody():
    counted = reading.by_day(log({"person_id": AMY}, {"person_id": AMY, "actor": "bob"}, {"team": None}), LONDON)
    assert counted.select("day", "team", "entries", "people", "users").rows() == [
        (day(0), "", 1, 0, 1),
        (day(0), "mash", 2, 1, 2),
    ]
    assert not {"person_id", "release_id", "case"} & set(counted.columns)
    assert not {"person_id", "release_id", "case"} & set(reading.refusals(log({"action": "refuse"})).columns)


def test_a_user_out_of_the_ordinary_is_marked_and_one_like_always_is_not():
    def looks(many: int, on: int, **more: Any) -> list[dict[str, Any]]:
        return [{"person_id": f"{n:032x}", "at": NOON + timedelta(days=on), **more} for n in range(many)]

    busy = [look for on in range(5) for look in looks(30, on - 10, actor="clerk", account="c")]
    night = [{"person_id": AMY, "at": NOON.replace(hour=3), "actor": "owl", "account": "o"}] * 5
    entries = log(
        *busy, *looks(40, 0, actor="clerk", account="c"),
        *looks(4, -3), *looks(6, -4), *looks(21, 0),
        *night,
        *[{"action": "refuse", "actor": "nosy", "account": "n"}] * 3,
        *(look for name in "xyz" for look in looks(1, 0, actor=name, account="shared")),
        *looks(500, 0, actor="kinfold night", action="release"),
    )  # fmt: skip
    rows = {row["actor"]: row for row in reading.by_user(entries, LONDON).filter(day=day(0)).iter_rows(named=True)}
    assert rows["clerk"]["usual"] == 30 and rows["clerk"]["unusual"] == ""
    assert rows["ann"]["usual"] == 5 and rows["ann"]["unusual"] == "21 people"
    assert rows["owl"]["unusual"] == "5 looks at night or at a weekend"
    assert rows["nosy"]["unusual"] == "refused 3 times" and rows["nosy"]["looks"] == 0
    assert {rows[name]["unusual"] for name in "xyz"} == {"one of 3 names under this account"}
    assert "kinfold night" not in rows


def test_an_empty_log_gives_empty_answers():
    empty = ACCESS_LOG.empty()
    assert reading.by_day(empty, LONDON).is_empty() and reading.by_user(empty, LONDON).is_empty()
    assert reading.refusals(empty).is_empty() and seen(AMY, empty) == {}
