"""A release of the marts is built beside the live one, checked, and swapped in whole; nothing identifies anybody."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from warehouse.marts import MartError, MartTable, build_release, prune, publish, verify
from warehouse.tables import EVENT, PERSON, PERSON_PROFILE, Column

STAMP = "2026-11-20"
PROFILES = pl.concat(
    [
        PERSON_PROFILE.empty(),
        pl.DataFrame({"person_id": ["c", "a", "b"], "lsoa21": ["E2", None, "E1"], "imd_decile": [1, 2, None]}).cast(
            {"imd_decile": pl.Int8}
        ),
    ],
    how="diagonal",
)


def a_mart(frame: pl.DataFrame | pl.LazyFrame = PROFILES, name: str = "people") -> MartTable:
    return MartTable.of(PERSON_PROFILE, frame, name)


def query(folder: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(folder / "current.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def published(folder: Path, *tables: MartTable, stamp: str = STAMP) -> Path:
    build_release(folder, stamp, tables or (a_mart(),), {"night": stamp})
    assert verify(folder, stamp) == []
    return publish(folder, stamp)


def test_analysts_open_sorted_tables_with_a_comment_on_each_table_and_column(tmp_path):
    published(tmp_path, a_mart(PROFILES.lazy()))
    assert query(tmp_path, "SELECT person_id FROM people") == [("a",), ("b",), ("c",)]
    assert query(tmp_path, "SELECT comment FROM duckdb_tables() WHERE table_name = 'people'") == [
        (PERSON_PROFILE.meaning,)
    ]
    comments = query(tmp_path, "SELECT comment FROM duckdb_columns() WHERE table_name = 'people' ORDER BY column_index")
    assert [c for (c,) in comments] == [c.meaning for c in PERSON_PROFILE.columns]
    assert query(tmp_path, "SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND comment IS NULL") == [(0,)]


def test_times_need_no_time_zone_and_lists_stay_lists(tmp_path):
    moment = datetime(2026, 11, 1, 9, 30)
    frame = pl.DataFrame({"event_id": ["e"], "known_from": [moment], "words": [["a", "b"]]})
    more = (Column("words", pl.List(pl.String), "it's a list"),)
    published(tmp_path, MartTable.of(EVENT, frame, "events", more))
    assert query(tmp_path, "SELECT known_from, words, typeof(known_from) FROM events") == [
        (moment, ["a", "b"], "TIMESTAMP")
    ]


def test_older_clients_can_open_a_release(tmp_path):
    published(tmp_path)
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{tmp_path / 'current.duckdb'}' AS marts (READ_ONLY)")
        tags = con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'marts'").fetchall()[0][0]
    assert tags["storage_version"].startswith("v1.4.0")


def test_the_same_tables_stand_beside_as_parquet(tmp_path):
    published(tmp_path)
    assert pl.read_parquet(tmp_path / "current/people.parquet").equals(PROFILES.sort("person_id"))


def test_a_release_cannot_be_written_to_and_leaves_no_loose_file(tmp_path):
    published(tmp_path)
    kept = sorted(p.name for p in (tmp_path / "current/").iterdir())
    assert kept == ["marts.duckdb", "people.parquet", "release.json"]
    assert {p.stat().st_mode & 0o222 for p in (tmp_path / "current/").iterdir()} == {0}


def test_what_a_release_was_made_from_stands_in_it(tmp_path):
    published(tmp_path)
    assert query(tmp_path, "FROM about") == [("stamp", STAMP), ("night", STAMP), ("rows in people", "3")]


@pytest.mark.parametrize("column", ["surname", "birth_date", "nhs_number", "address", "uprn", "provenance"])
def test_a_column_that_identifies_people_is_refused(tmp_path, column):
    frame = PROFILES.with_columns(pl.lit("x").alias(column))
    mart = MartTable.of(PERSON_PROFILE, frame, "people", more=(Column(column, pl.String, "something"),))
    with pytest.raises(MartError, match=f"{column} identifies people"):
        build_release(tmp_path, STAMP, [mart], {})
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_table_of_the_vault_is_refused():
    with pytest.raises(MartError, match="cannot be a mart"):
        MartTable.of(PERSON, PERSON.empty())


def test_a_column_without_a_meaning_is_refused():
    with pytest.raises(MartError, match="say what mystery means"):
        a_mart(PROFILES.with_columns(mystery=1))


@pytest.mark.parametrize("name", ["People", "about", "a b", "x;drop"])
def test_a_mart_needs_a_plain_name_of_its_own(tmp_path, name):
    with pytest.raises(MartError, match=r"about|cannot name"):
        build_release(tmp_path, STAMP, [a_mart(name=name)], {})


def test_keys_that_repeat_or_are_null_are_found_before_the_flip(tmp_path):
    frame = pl.concat([PROFILES, PROFILES.head(1), PROFILES.head(1).with_columns(person_id=pl.lit(None, pl.String))])
    build_release(tmp_path, STAMP, [a_mart(frame)], {})
    assert verify(tmp_path, STAMP) == [
        'mart people: 1 rows repeat the key "person_id" of another',
        'mart people: the key "person_id" is null in 1 rows',
    ]


def test_lost_rows_are_found_before_the_flip(tmp_path):
    build_release(tmp_path, STAMP, [a_mart()], {})
    path = next(tmp_path.rglob("people.parquet"))
    path.unlink()
    PROFILES.head(1).write_parquet(path)
    assert verify(tmp_path, STAMP) == ["mart people has 3 rows in DuckDB and 1 in Parquet, expected 3"]


def test_readers_keep_what_they_opened_and_new_readers_see_the_new_release(tmp_path):
    published(tmp_path)
    with duckdb.connect(str((tmp_path / "current.duckdb").resolve()), read_only=True) as old:
        published(tmp_path, a_mart(PROFILES.head(1)), stamp="2026-11-21")
        assert old.execute("SELECT count(*) FROM people").fetchall() == [(3,)]
    assert query(tmp_path, "SELECT count(*) FROM people") == [(1,)]
    assert (tmp_path / "releases/2026-11-20/marts.duckdb").exists()


def test_the_same_night_is_rebuilt_beside_and_swapped(tmp_path):
    published(tmp_path)
    build_release(tmp_path, STAMP, [a_mart(PROFILES.head(1))], {})
    assert query(tmp_path, "SELECT count(*) FROM people") == [(3,)]
    publish(tmp_path, STAMP)
    assert query(tmp_path, "SELECT count(*) FROM people") == [(1,)]
    assert len(list((tmp_path / "releases").iterdir())) == 2


def test_publishing_twice_changes_nothing(tmp_path):
    first = published(tmp_path).resolve()
    assert publish(tmp_path, STAMP).resolve() == first


def test_what_was_not_built_to_its_end_cannot_be_published(tmp_path):
    with pytest.raises(MartError, match="no release 2026-11-20 has been built"):
        publish(tmp_path, STAMP)


KILLED = """
import os, sys
from pathlib import Path
from tests.warehouse.test_marts import a_mart, build_release, publish, STAMP, PROFILES
real, Killer = os.replace, type("Killer", (), {"left": int(sys.argv[2])})
def dying(name):
    real = getattr(os, name)
    def die(*args, **more):
        Killer.left -= 1
        if Killer.left == 0:
            os._exit(9)
        return real(*args, **more)
    setattr(os, name, die)
for name in ("fsync", "chmod", "symlink", "rename", "replace"):
    dying(name)
build_release(Path(sys.argv[1]), STAMP, [a_mart(PROFILES.head(1))], {})
publish(Path(sys.argv[1]), STAMP)
"""


def test_a_build_killed_anywhere_leaves_the_old_or_the_new_and_a_rerun_the_same_tables(tmp_path):
    seen = set()
    for kill_at in (2, 5, 7, 9, 99):
        published(tmp_path)
        subprocess.run(
            [sys.executable, "-c", KILLED, tmp_path, str(kill_at)],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": "."},
        )
        seen.add(query(tmp_path, "SELECT count(*) FROM people")[0][0])
        published(tmp_path, a_mart(PROFILES.head(2)))
        assert query(tmp_path, "SELECT person_id FROM people") == [("a",), ("c",)]
        assert len(list((tmp_path / "releases").iterdir())) == 2
    assert seen == {1, 3}


def test_the_oldest_releases_go_and_the_live_one_stays(tmp_path):
    for day in range(20, 25):
        published(tmp_path, stamp=f"2026-11-{day}")
    publish(tmp_path, "2026-11-20")
    assert prune(tmp_path, 2) == ["2026-11-21", "2026-11-22"]
    assert query(tmp_path, "SELECT value FROM about WHERE item = 'stamp'") == [("2026-11-20",)]
    assert sorted(p.name for p in (tmp_path / "releases").iterdir() if p.is_symlink()) == [
        "2026-11-20",
        "2026-11-23",
        "2026-11-24",
    ]
    assert len(list((tmp_path / "releases").iterdir())) == 6
