"""A council's folder to run `kinfold` commands in, a borough with people planted in it, and a search for them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

from assets.context import Council
from synthetic import borough, extracts
from synthetic.extracts.card import View
from synthetic.frames import Borough
from warehouse.site import PROJECT

PEOPLE = 700
FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)
CLOCK = {"released_at", "loaded_at", "at"}  # when it ran; everything else is the same every time
ROOTS = tuple("".join(reversed(word)) for word in ("jwxyqz", "uzkqjv", "zwjvqx"))  # no file has them as they are
SURNAME, FORENAME, STREET = (root.title() for root in ROOTS)
LETTERS = "abcdefghiklmnoprstuvwxyz"


class Starter:
    """The process whose children the commands are; see `starter.py`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("starter.py"))],
            cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def ask(self, asked: dict[str, object]) -> tuple[int, float]:
        assert self.process.stdin and self.process.stdout
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        told = json.loads(self.process.stdout.readline())
        return told["code"], told["seconds"]

    def stop(self) -> None:
        self.process.communicate()


@dataclass(frozen=True)
class Place:
    """A folder with everything that one council's run writes."""

    folder: Path
    starter: Starter

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def mart(self) -> Path:
        return self.home / "marts" / "current.duckdb"

    @property
    def night(self) -> date:
        """The night that is published."""
        return date.fromisoformat((self.home / "ledger" / "nights" / "current").readlink().stem)

    @property
    def said(self) -> Path:
        """All that the commands run here have said."""
        return self.folder / "said.txt"

    @property
    def council(self) -> Council:
        return Council.open(home=self.home)

    def start(self, what: str, given: object, kill: float | None = None) -> tuple[int, float]:
        """Run something of the starter's here; its exit code and how many seconds it took."""
        (self.folder / "temporary").mkdir(exist_ok=True)
        environment = {
            "KINFOLD_HOME": str(self.home), "KINFOLD_STATE": str(self.folder / "dagster"),
            "DAGSTER_HOME": str(PROJECT), "TMPDIR": str(self.folder / "temporary"),
        }  # fmt: skip
        return self.starter.ask(
            {"environment": environment, "said": str(self.said), "what": what, "given": given, "kill": kill}
        )

    def run(self, *command: str, ok: bool = True) -> str:
        """Run `kinfold COMMAND` here and return what it said."""
        before = len(self.said.read_text("utf-8")) if self.said.exists() else 0
        code, _ = self.start("command", command)
        said = self.said.read_text("utf-8")[before:]
        assert (code == 0) is ok, said
        return said

    def copy(self, folder: Path) -> Place:
        """The same data and key in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Place(folder, self.starter)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the published marts."""
        with duckdb.connect(str(self.mart.resolve()), read_only=True) as con:
            return con.execute(sql).fetchall()

    def tables(self) -> dict[str, pl.DataFrame]:
        """The published tables, without the columns that say when it ran."""
        with duckdb.connect(str(self.mart.resolve()), read_only=True) as con:
            names = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            found = {name: con.sql(f'FROM "{name}"').pl().drop(CLOCK, strict=False) for name in sorted(names)}
        # a paper tells how many entries the audit log had when it was written, those of a killed attempt among them
        paper = (pl.col("kind") == "report") & (pl.col("team") == "information-governance")
        content = pl.when(~paper).then("sha256").alias("sha256")
        return found | {"releases": found["releases"].with_columns(content)}


# -- people who are nowhere else -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """A borough in which some people, one at least of every feed that tells of people, are called as nobody is.

    Attributes:
        numbers: their NHS numbers, telephones and pupil numbers.
    """

    borough: Borough
    numbers: frozenset[str]


def plant(people: int = PEOPLE, seed: int = 1) -> Planted:
    """Invent a borough and give some of its people forenames, surnames, streets and addresses of their own."""
    made = borough.make(people, seed, FIRST)
    known = extracts.FEEDS.keys() - {"gazetteer", "postcode-directory"}
    view = View(made, FIRST, seed)
    told = [extracts.FEEDS[feed](view).records["person"].drop_nulls() for feed in sorted(known)]
    chosen = pl.concat([persons.unique().sort().head(2) for persons in told if len(persons)]).unique().sort()
    assert len(chosen) < len(LETTERS) ** 2
    mine = pl.col("person").is_in(chosen.implode())
    ends = pl.Series([a + b for a in LETTERS for b in LETTERS][: len(chosen)])
    names = pl.DataFrame(
        {
            "person": chosen,
            "forename": FORENAME + ends,
            "surname": SURNAME + ends,
            "email": (FORENAME + "." + ends + "@example.org").str.to_lowercase(),
        }
    )
    folk = made.people.update(names, on="person")
    homes = made.stays.filter(mine, pl.col("to").is_null())["dwelling"].unique()
    theirs, street = pl.col("dwelling").is_in(homes.implode()), pl.lit(f"{STREET} Lane")
    dwellings = made.dwellings.with_columns(
        pl.when(theirs).then(street).otherwise("street").alias("street"),
        pl.when(theirs).then(pl.concat_str("number", pl.lit(" "), street)).otherwise("line").alias("line"),
    )
    told = folk.filter(mine).select(pl.col("nhs_number", "phone", "landline", "upn").drop_nulls().implode())
    numbers = pl.Series([number for row in told.row(0) for number in row[:4]])
    told = made.name_changes.filter(~mine)
    planted = replace(made, people=folk, dwellings=dwellings, name_changes=told)
    return Planted(planted, frozenset(numbers.str.replace_all(r"\D", "")))


# -- the search ------------------------------------------------------------------------------------------------------


def _base64(word: str) -> Iterator[bytes]:
    """What stands in every base64 text that holds a word, wherever in it the word begins."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + word.encode())
        yield text[(0, 2, 3)[before] : len(text) - (0, 3, 2)[(before + len(word)) % 3] or None].rstrip(b"=")


_PLAIN = [word.encode() for word in ROOTS] + [word.encode("utf-16-le")[:-1] for word in ROOTS]
_CODED = sorted({code for w in ROOTS for form in (w, w.title(), w.upper()) for code in _base64(form)})


def holds(content: bytes, numbers: Iterable[str] = ()) -> bool:
    """Whether a planted name or number stands in bytes: in UTF-8, UTF-16 or base64, in capitals or not."""
    low = content.lower()
    if any(word in low for word in _PLAIN) or any(code in content for code in _CODED):
        return True
    return any(form in content for number in numbers for form in _written(number))


@cache
def _written(number: str) -> tuple[bytes, ...]:
    """A number as people write it: all together, or in two or three parts."""
    parted = (f"{number[:5]} {number[5:]}", f"{number[:3]} {number[3:6]} {number[6:]}")
    return tuple(form.encode() for form in (number, *parted))


def _of_sqlite(path: Path) -> Iterator[bytes]:
    with sqlite3.connect(path) as con:
        for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in con.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    if isinstance(cell, bytes):
                        yield cell
                        yield zlib.decompress(cell) if cell[:1] == b"\x78" else b""
                    elif cell is not None:
                        yield str(cell).encode()
    con.close()


def _of_duckdb(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as con:
        for (table,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            yield con.sql(f'FROM "{table}"').pl().write_ndjson().encode()


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they hold where they are a packed or columnar form that anybody can open."""
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    elif raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for member in archive.namelist():
                yield member.encode() + b"\n" + archive.read(member)
    elif raw[:4] == raw[-4:] == b"PAR1" and len(raw) > 12:
        yield pl.read_parquet(io.BytesIO(raw)).write_ndjson().encode()
    elif raw[:16] == b"SQLite format 3\x00":
        yield b"\n".join(_of_sqlite(path))
    elif raw[8:12] == b"DUCK":
        yield from _of_duckdb(path)


def searched(
    folder: Path, numbers: Iterable[str], skip: Callable[[Path], bool] = lambda _: False, known: Path | None = None
) -> list[str]:
    """Files below a folder, named from it, whose name or content holds what was planted.

    Args:
        known: a folder that was searched; a file that is there as it is here is left out.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if skip(name) or (known and _as_it_was(path, known / name)):
            continue
        if holds(str(name).encode(), numbers) or (
            path.is_file() and not path.is_symlink() and any(holds(part, numbers) for part in contents(path))
        ):
            found.append(str(name))
    return found


def _as_it_was(path: Path, other: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not other.is_file():
        return False
    here, there = path.stat(), other.stat()
    return (here.st_mtime_ns, here.st_size) == (there.st_mtime_ns, there.st_size)
