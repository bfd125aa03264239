"""Planted people are searched for after a night that went well, was killed, met hostile files, or failed in a step.

Their names, streets, telephones and numbers may stand in what an agreement let out, and nowhere else that can be read.
"""

from __future__ import annotations

import base64
import gzip
import random
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from townhall import FIRST, FORENAME, SECOND, STREET, SURNAME, Place, Planted, searched

from synthetic import extracts
from warehouse.site import PROJECT

BEGAN = time.time()
KILLS = 10
WHO = f"{FORENAME}aa {SURNAME}aa"


def leaks(place: Place, planted: Planted, known: Place | None = None) -> list[str]:
    """Where a planted person can be read, but in the drop folder and in what is lawfully let out."""
    council, lawful = place.council, set()
    for team, told in council.organisation.teams.items():
        sections = council.agreements.sections(team, told.roles[0], told.reason, SECOND)
        if "identity" in sections["category"]:
            lawful.add(f"home/outbox/{team}")
    base = known.folder if known else None
    found = searched(place.folder, planted.numbers, lambda name: name.is_relative_to("home/drop"), base)
    return [name for name in found if not any(Path(name).is_relative_to(folder) for folder in lawful)]


def test_the_planted_people_stand_in_every_feed_that_tells_of_people(planted: Planted, tmp_path: Path) -> None:
    written = extracts.write(planted.borough, tmp_path, FIRST, seed=1)
    feeds = {Path(name).parts[0] for name in searched(tmp_path, ())}
    assert feeds == {Path(name).parts[0] for name in written.rows}
    assert len(planted.numbers) >= 12


def test_an_ordinary_night_leaves_nobody_readable_but_where_an_agreement_lets_them_be(
    second: Place, planted: Planted
) -> None:
    assert searched(second.home / "outbox", planted.numbers), "the search finds those who were let out"
    assert leaks(second, planted) == []


@pytest.fixture(scope="module")
def killed(again: tuple[Place, str], second: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The second night, killed at ten moments of the time that it takes undisturbed."""
    folder = tmp_path_factory.mktemp("killed")
    draw, whole = random.Random(7), float((second.folder / "seconds.txt").read_text())
    place, killed, left = again[0].copy(folder / "0"), 0, None
    for n in range(KILLS):
        killed += place.start("command", ("night", "--date", str(SECOND)), kill=draw.uniform(0, 0.9) * whole)[0] < 0
        if place.night == FIRST:
            left = place
        else:  # it had published, and there is nothing to run again
            place = again[0].copy(folder / str(n + 1))
    assert left and killed >= KILLS // 2, "most were killed while they worked"
    return left


def test_a_night_killed_at_ten_moments_leaves_nobody_readable(killed: Place, second: Place, planted: Planted) -> None:
    at_work = Path("home/tmp")  # on the protected disk, and emptied by the next start
    found = [name for name in leaks(killed, planted, second) if not Path(name).is_relative_to(at_work)]
    assert found == []


def test_a_killed_night_that_is_run_again_publishes_what_an_undisturbed_one_does_and_leaves_nobody_readable(
    killed: Place, second: Place, planted: Planted
) -> None:
    killed.run("night", "--date", str(SECOND))
    expected, found = second.tables(), killed.tables()
    assert expected.keys() == found.keys()
    for name in expected:
        assert expected[name].equals(found[name]), name
    assert not list((killed.home / "tmp").iterdir())
    assert not list((killed.folder / "temporary").iterdir())
    assert leaks(killed, planted, second) == []


def test_a_hostile_delivery_tells_nobody_who_stood_in_it(
    again: tuple[Place, str], second: Place, planted: Planted, tmp_path: Path
) -> None:
    place = again[0].copy(tmp_path / "hostile")
    drop, day = place.home / "drop", "2026-11-22"
    text = f"{WHO},0000424242,31/02/1911,{STREET} Lane\n"
    sent = {
        f"police/missing_{WHO}_{day}.csv": text * 3,
        f"police/incidents_{day}.csv": f'incident_ref,{WHO},"{text}',
        f"childrens/cin_{day}.xml": f"<Message><{SURNAME} at='{FORENAME}'>{STREET}</{FORENAME}></Message>",
        f"fire/visits_{day}.xml": f"<!DOCTYPE a [<!ENTITY {SURNAME} '{WHO}'>]><a>&{SURNAME};</a>",
        f"housing/homelessness_{day}.jsonl": f'{{"case_ref": "{WHO}", "{SURNAME}": {{"{FORENAME}": 1}}}}\n{{"{WHO}\n',
        f"parking/permits_{day}.dat": text,
        f"adults/cld_{day}.csv": f"{WHO}\n{text}",
        f"health/gp_{day}.csv": f"\xff\xfe{text}",
        f"nowhere/{WHO}.docx": text,
    }
    for name, content in sent.items():
        (drop / name).parent.mkdir(parents=True, exist_ok=True)
        (drop / name).write_text(content, "latin-1")
    with zipfile.ZipFile(drop / "revenues" / f"hb_claims_{day}.csv.zip", "w") as archive:
        archive.writestr(f"{WHO}/../../{SURNAME}.csv", text)
    said = place.run("ingest", ok=False)
    assert said.count("REJECTED") >= 6, said
    # what a partner called its file is known where it landed, so that it is known again; nowhere else
    manifest = "home/landing/police-missing/2026-11-22/delivery.json"
    assert set(leaks(place, planted, second)) <= {manifest}


def test_a_step_that_fails_with_an_error_that_quotes_somebody_tells_nobody_who(
    again: tuple[Place, str], second: Place, planted: Planted, tmp_path: Path
) -> None:
    place = again[0].copy(tmp_path / "broken")
    place.start("fail", f"{WHO}, 4 {STREET} Lane")
    said = place.said.read_text("utf-8")
    ended = [line.split() for line in said.splitlines() if line.startswith(("failed ", "succeeded "))]
    assert len(ended) > 20 and "stopped on ValueError at " in said
    others = [told for told in ended if told[0] != "failed" or told[2:] != ["StepFailed"]]
    assert others in ([], [["succeeded", "audit_log"]]), "all but a step that reads nothing of the store"
    assert leaks(place, planted, second) == []


def test_no_command_wrote_anything_into_the_project(killed: Place, second: Place, planted: Planted) -> None:
    rooms = [path for path in PROJECT.iterdir() if path.name not in (".git", ".venv")]
    files = [file for room in rooms for file in ([room] if room.is_file() else room.rglob("*")) if file.is_file()]
    late = [file for file in files if file.stat().st_mtime >= BEGAN]
    assert [file for file in late if searched(file.parent, planted.numbers, lambda name: name.name != file.name)] == []  # noqa: B023


def _sqlite(path: Path, cell: bytes) -> None:
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE snapshots (body BLOB)")
        con.execute("INSERT INTO snapshots VALUES (?)", (zlib.compress(cell),))
    con.close()


def _duckdb(path: Path, cell: str) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE people AS SELECT unnest([?, ?]) AS name", [cell, "nobody"])


def _zip(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "nothing")


PLACES: dict[str, Callable[[Path], object]] = {
    "a log": lambda p: p.write_text(f"2026-11-20 ERROR cannot read {WHO.upper()}\n"),
    "UTF-16": lambda p: p.write_text(WHO, "utf-16"),
    "base64": lambda p: p.write_bytes(base64.b64encode(f"x{WHO}".encode())),
    "gzip": lambda p: p.write_bytes(gzip.compress(WHO.encode())),
    "a name in an archive": lambda p: _zip(p, f"{WHO}.csv"),
    "Parquet": lambda p: pl.DataFrame({"a": [[WHO]] * 9}).write_parquet(p),
    "Dagster's database": lambda p: _sqlite(p, WHO.encode()),
    "marts": lambda p: _duckdb(p, WHO),
    "a telephone number": lambda p: p.write_text("call 09997 907787 back"),
    "the name of a file": lambda p: p.with_name(f"{p.name} {WHO}").touch(),
}


@pytest.mark.parametrize("where", PLACES)
def test_the_search_finds_somebody_in(where: str, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert searched(tmp_path, {"09997907787"}) == []
    PLACES[where](tmp_path / "a" / "b" / "file")
    assert len(searched(tmp_path, {"09997907787"})) == 1
