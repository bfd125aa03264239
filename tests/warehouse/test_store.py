"""The store swaps whole folders, refuses what does not belong, and never opens the future."""

import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.keys import KeyRing
from governance.vault import Vault, VaultError
from warehouse.store import Store, StoreError
from warehouse.tables import EVENT, FEATURE_SNAPSHOT, PERSON, PERSON_PROFILE, TABLES, Zone

NIGHT = date(2026, 11, 20)
NEXT = NIGHT + timedelta(days=1)


def a_store(folder: Path) -> Store:
    return Store(folder, Vault(KeyRing(bytes(range(32)))))


@pytest.fixture
def store(tmp_path) -> Store:
    return a_store(tmp_path / "home")


def events(*known: tuple[datetime, datetime | None, datetime]) -> pl.DataFrame:
    """Events by (known_from, known_to, start)."""
    made = pl.DataFrame(
        {
            "event_id": [f"{n:032x}" for n in range(len(known))],
            "known_from": [k[0] for k in known],
            "known_to": [k[1] for k in known],
            "start": [k[2] for k in known],
        },
        schema={n: EVENT.schema[n] for n in ("event_id", "known_from", "known_to", "start")},
    )
    return pl.concat([EVENT.empty(), made], how="diagonal").select(EVENT.schema.names())


def profiles(ids: list[str]) -> pl.DataFrame:
    return pl.concat([PERSON_PROFILE.empty(), pl.DataFrame({"person_id": ids})], how="diagonal")


def test_what_is_put_comes_back_in_the_order_given(store):
    frame = pl.DataFrame({"n": [3, 1, 2]})
    store.put(Zone.FACTS, "feed/police-missing/2026-11-20", {"event": frame})
    assert store.get(Zone.FACTS, "feed/police-missing/2026-11-20", "event").collect().equals(frame)
    assert store.has(Zone.FACTS, "feed/police-missing/2026-11-20")
    assert store.folders(Zone.FACTS, "feed") == ["police-missing"]
    assert store.folders(Zone.FACTS, "feed/police-missing") == ["2026-11-20"]
    assert store.names(Zone.FACTS, "feed/police-missing/2026-11-20") == ["event"]


def test_a_second_put_replaces_the_whole_folder_and_leaves_nothing_behind(store):
    store.put(Zone.VAULT, "feed/x/1", {"a": pl.DataFrame({"n": [1]}), "b": pl.DataFrame({"n": [1]})})
    store.put(Zone.VAULT, "feed/x/1", {"a": pl.DataFrame({"n": [2]})})
    assert store.get(Zone.VAULT, "feed/x/1", "a").collect().item() == 2
    assert store.names(Zone.VAULT, "feed/x/1") == ["a"]
    assert len(list((store.home / "vault/feed/x").iterdir())) == 2  # the link and the generation it points at


def test_deliveries_whose_names_begin_alike_do_not_sweep_each_other(store):
    for name in ("2026-11-20", "2026-11-20.2", "2026-11-20"):
        store.put(Zone.FACTS, f"feed/x/{name}", {"a": pl.DataFrame({"n": [1]})})
    assert store.get(Zone.FACTS, "feed/x/2026-11-20.2", "a").collect().height == 1


def test_what_is_not_there_is_named(store):
    with pytest.raises(StoreError, match="facts/feed/x holds no 'a'"):
        store.get(Zone.FACTS, "feed/x", "a")
    with pytest.raises(StoreError, match="kinfold night"):
        store.scan(PERSON_PROFILE)
    with pytest.raises(StoreError, match="no version of the night 2026-11-20"):
        store.scan(PERSON_PROFILE, NIGHT)
    assert store.folders(Zone.FACTS, "nowhere") == []


@pytest.mark.parametrize("folder", ["../x", "/etc", "a//b", "a/.b", "a~b", ""])
def test_a_folder_cannot_be_named_out_of_its_zone(store, folder):
    with pytest.raises(StoreError, match="cannot name a folder"):
        store.put(Zone.FACTS, folder, {})


def test_folders_and_files_are_for_their_owner_alone(store):
    store.put(Zone.FACTS, "feed/x", {"a": pl.DataFrame({"n": [1]})})
    store.write(PERSON, NIGHT, PERSON.empty())
    store.publish(NIGHT, {})
    for path in store.home.rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("column", ["surname", "nhs_number", "birth_date", "uprn"])
def test_identity_cannot_be_written_outside_the_vault(store, column):
    frame = pl.DataFrame({column: ["x"]})
    with pytest.raises(StoreError, match=f"{column} identifies"):
        store.put(Zone.FACTS, "feed/x", {"a": frame})
    store.put(Zone.VAULT, "feed/x", {"a": frame})


def test_no_definition_keeps_identity_outside_the_vault():
    assert all(t.zone is Zone.VAULT or not any(c.identity for c in t.columns) for t in TABLES.values())


def test_a_table_of_the_vault_is_encrypted_on_the_disk(store):
    frame = pl.concat([PERSON.empty(), pl.DataFrame({"person_id": ["1"], "surname": ["ARKWRIGHT"]})], how="diagonal")
    store.write(PERSON, NIGHT, frame)
    assert store.read(PERSON, NIGHT)["surname"].to_list() == ["ARKWRIGHT"]
    kept = b"".join(p.read_bytes() for p in store.home.rglob("*") if p.is_file())
    assert b"ARKWRIGHT" not in kept
    assert b"surname" not in kept


def test_last_nights_vault_file_in_tonights_place_is_refused(store):
    for night in (NIGHT, NEXT):
        store.write(PERSON, night, PERSON.empty())
    old, new = (next((store.home / "vault/person").glob(f".{n}~*")) for n in (NIGHT, NEXT))
    for file in old.iterdir():
        file.replace(new / file.name)
    with pytest.raises(VaultError, match="refused"):
        store.read(PERSON, NEXT)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (PERSON_PROFILE.empty().drop("sex"), "column sex is missing"),
        (PERSON_PROFILE.empty().with_columns(x=1), "column x is not in its definition"),
        (PERSON_PROFILE.empty().cast({"records": pl.Int64}), "column records is Int64, expected Int32"),
        (profiles(["a", "a"]), "1 rows repeat the key person_id"),
        (profiles(["a"]).with_columns(person_id=pl.lit(None, pl.String)), "person_id is null in 1 rows"),
    ],
)
def test_a_frame_that_is_not_as_defined_is_refused_in_words(store, frame, expected):
    with pytest.raises(StoreError, match=expected):
        store.write(PERSON_PROFILE, NIGHT, frame)
    assert not store.has(Zone.FACTS, f"person_profile/{NIGHT}")


def test_an_open_table_takes_declared_numbers_and_nothing_else(store):
    frame = pl.DataFrame({"calls": [1.5], "as_of": [NIGHT], "person_id": ["p"]})
    store.write(FEATURE_SNAPSHOT, NIGHT, frame)
    assert store.read(FEATURE_SNAPSHOT, NIGHT).columns == ["person_id", "as_of", "calls"]
    with pytest.raises(StoreError, match="column note is String"):
        store.write(FEATURE_SNAPSHOT, NIGHT, frame.with_columns(note=pl.lit("x")))


def test_months_that_did_not_change_share_their_file_with_the_night_before(store):
    first = events(*[(datetime(2026, m, 3), None, datetime(2026, m, 1)) for m in (1, 2, 3)])
    store.write(EVENT, NIGHT, first)
    second = first.with_columns(
        known_to=pl.when(pl.col("known_from").dt.month() == 2).then(datetime(2026, 11, 21)).otherwise(None)
    )
    store.write(EVENT, NEXT, second)
    inodes = [
        {p.stem: p.stat().st_ino for p in next((store.home / "facts/event").glob(f".{n}~*")).glob("*.parquet")}
        for n in (NIGHT, NEXT)
    ]
    assert {m for m in inodes[0] if inodes[0][m] == inodes[1][m]} == {"2026-01", "2026-03"}
    assert store.read(EVENT, NIGHT).equals(first)
    assert store.read(EVENT, NEXT).equals(second)


def test_a_rerun_of_a_night_replaces_its_version(store):
    store.write(EVENT, NIGHT, events((datetime(2026, 1, 1), None, datetime(2026, 1, 1))))
    store.write(EVENT, NIGHT, events((datetime(2026, 2, 1), None, datetime(2026, 1, 1))))
    assert store.read(EVENT, NIGHT)["known_from"].to_list() == [datetime(2026, 2, 1)]
    store.write(EVENT, NIGHT, EVENT.empty())
    assert store.read(EVENT, NIGHT).schema == EVENT.schema


def test_readers_see_the_published_night_until_the_next_is_published(store):
    assert store.published() is None
    store.write(PERSON_PROFILE, NIGHT, profiles(["a"]))
    store.publish(NIGHT, {"people": 1})
    store.write(PERSON_PROFILE, NEXT, profiles(["a", "b"]))
    assert store.read(PERSON_PROFILE).height == 1
    assert store.published_before(NIGHT) is None
    assert store.published_before(NEXT) == NIGHT
    store.publish(NEXT, {"people": 2})
    assert store.read(PERSON_PROFILE).height == 2
    assert store.published() == NEXT
    assert store.published_before(NEXT) == NIGHT
    assert store.manifest(NIGHT)["people"] == 1


def test_a_night_before_the_published_one_is_closed(store):
    store.publish(NEXT, {})
    with pytest.raises(StoreError, match="is closed"):
        store.write(PERSON_PROFILE, NIGHT, profiles([]))
    with pytest.raises(StoreError, match="cannot be published"):
        store.publish(NIGHT, {})


def test_a_manifest_without_its_pointer_is_not_a_published_night(store):
    store.publish(NIGHT, {})
    (store.home / f"ledger/nights/{NEXT}.json").write_text("{}")
    assert store.published_before(NEXT + timedelta(days=1)) == NIGHT


def test_old_nights_go_and_the_newest_stay(store):
    nights = [NIGHT + timedelta(days=n) for n in range(5)]
    for night in nights:
        store.write(PERSON_PROFILE, night, profiles(["a"]))
        store.write(TABLES["load"], night, TABLES["load"].empty())
        store.publish(night, {})
    assert store.prune(3) == [f"person_profile/{n}" for n in nights[:2]]
    assert store.folders(Zone.FACTS, "person_profile") == [str(n) for n in nights[2:]]
    assert len(store.folders(Zone.LEDGER, "load")) == 5
    assert len(list((store.home / "facts/person_profile").iterdir())) == 6


KILLED = """
import os, sys
from datetime import date
from pathlib import Path
import polars as pl
from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.store import Store
from warehouse.tables import Zone
store = Store(Path(sys.argv[1]), Vault(KeyRing(bytes(range(32)))))
class Killer:
    left = int(sys.argv[2])
def die(*args, _real=os.fsync):
    Killer.left -= 1
    if Killer.left == 0:
        os._exit(9)
    return _real(*args)
os.fsync = die
store.put(Zone.VAULT, "feed/x", {"a": pl.DataFrame({"n": [2]}), "b": pl.DataFrame({"n": [2]})})
"""


def test_a_write_killed_anywhere_leaves_the_old_or_the_new_and_the_next_write_cleans_up(store):
    seen = set()
    for kill_at in range(1, 8):
        store.put(Zone.VAULT, "feed/x", {"a": pl.DataFrame({"n": [1]}), "b": pl.DataFrame({"n": [1]})})
        subprocess.run([sys.executable, "-c", KILLED, store.home, str(kill_at)], cwd=Path(__file__).parents[2])
        values = {store.get(Zone.VAULT, "feed/x", name).collect().item() for name in "ab"}
        assert len(values) == 1
        seen |= values
    assert seen == {1, 2}
    store.put(Zone.VAULT, "feed/x", {"a": pl.DataFrame({"n": [3]})})
    assert len(list((store.home / "vault/feed").iterdir())) == 2


def test_a_write_that_fails_leaves_what_was_there(store):
    store.put(Zone.FACTS, "feed/x", {"a": pl.DataFrame({"n": [1]})})
    with pytest.raises(StoreError):
        store.put(Zone.FACTS, "feed/x", {"a": pl.DataFrame({"n": [2]}), "../b": pl.DataFrame({"n": [2]})})
    assert store.get(Zone.FACTS, "feed/x", "a").collect().item() == 1
    assert len(list((store.home / "facts/feed").iterdir())) == 2


MOMENTS = st.datetimes(datetime(2026, 6, 1), datetime(2026, 11, 19))
HISTORY = st.lists(st.tuples(MOMENTS, st.none() | MOMENTS, MOMENTS), max_size=12)


@settings(max_examples=40, deadline=None)
@given(history=HISTORY, day=st.dates(date(2026, 6, 1), date(2026, 12, 2)))
def test_as_of_is_the_filter_of_the_full_table_and_never_opens_the_future(history, day):
    with tempfile.TemporaryDirectory() as folder:
        store = a_store(Path(folder))
        store.write(EVENT, NIGHT, events(*history))
        start = datetime(day.year, day.month, day.day)
        expected = (
            store.read(EVENT, NIGHT)
            .filter(
                pl.col("known_from") < start,
                pl.col("start") < start,
                pl.col("known_to").is_null() | (pl.col("known_to") >= start),
            )
            .with_columns(known_to=pl.lit(None, pl.Datetime("us")))
        )
        for part in next((store.home / "facts/event").glob(".*~*")).glob("*.parquet"):
            if datetime.strptime(part.stem, "%Y-%m") >= start:
                part.write_bytes(b"poison")
        assert store.as_of(EVENT, NIGHT, day).collect().equals(expected)


def test_as_of_a_table_without_known_from_is_refused(store):
    with pytest.raises(StoreError, match="keeps no past"):
        store.as_of(PERSON_PROFILE, NIGHT, NIGHT)
