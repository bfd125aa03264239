"""Whatever a delivery holds, in cells, headers, sheets, elements, keys and names of files: none of it is told."""

from __future__ import annotations

import io
import json
import logging
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from click.testing import CliRunner
from feedhouse import HEADER, PEOPLE, House, Make

from feeds.contracts import Contract
from feeds.ledger import loads
from pipelines.cli import main
from warehouse.tables import Zone

CANARIES = ("Quetzalqx", "0000424242", "07700 900424", "ZQ9 9ZQ", "1911-11-13", "13/11/1911")
ANN = "1,Ann Quetzalqx,Quetzalqx,13/11/1911,F,2026-01-01\n"
BEN = "2,0000424242,07700 900424,31/02/1911,ZQ9 9ZQ,Quetzalqx\n"
ROWS = HEADER + ANN + BEN
PERSON = {"ref": "1", "forename": "Quetzalqx", "surname": "0000424242", "dob": "1911-11-13", "sex": "ZQ9 9ZQ"}
WIDTHS = dict(zip(HEADER.strip().split(","), ((1, 2), (3, 12), (13, 22), (23, 32), (33, 33), (34, 43)), strict=True))


def book(sheet: str, *rows: list[str]) -> bytes:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as workbook:
        page = workbook.add_worksheet(sheet)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
    return made.getvalue()


def packed(name: str, text: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, text)
    return made.getvalue()


def parquet(**columns: object) -> bytes:
    made = io.BytesIO()
    pl.DataFrame(columns).write_parquet(made)
    return made.getvalue()


def xml(inside: str) -> str:
    return f'<list>{inside}<Quetzalqx at="0000424242">ZQ9 9ZQ</Quetzalqx></list>'


CELLS = [line.split(",") for line in ROWS.splitlines()]
GIVEN = "".join(f"<{k}>{v}</{k}>" for k, v in PERSON.items()) + "<since>Quetzalqx</since>"
WELL = GIVEN.replace("<ref>1", "<ref>2").replace("ZQ9 9ZQ", "F").replace("<since>Quetzalqx", "<since>2026-01-01")
DELIVERIES: dict[str, tuple[str, str, str | bytes]] = {
    "cells of which some are wrong": ("csv", "a.csv", ROWS),
    "no row is right": ("csv", "a.csv", HEADER + BEN),
    "a header of another name": ("csv", "a.csv", ROWS.replace("surname", "Ann Quetzalqx", 1)),
    "a column that was not agreed": ("csv", "a.csv", "Quetzalqx," + "0000424242,".join(ROWS.splitlines(True))),
    "a title over the header": ("csv", "a.csv", "Cases of Ann Quetzalqx,0000424242\n" + ROWS),
    "no header": ("csv", "a.csv", ANN + BEN),
    "a quotation mark left open": ("csv", "a.csv", ROWS + '3,"Quetzalqx'),
    "an encoding that is none": ("csv", "a.csv", (ROWS + "3,Quetzalq").encode() + b"\xff\xfe\x81"),
    "a name of the file": ("csv", "Ann Quetzalqx 0000424242_2026-11-20.csv", ROWS),
    "a name of a refused file": ("csv", "Ann Quetzalqx 0000424242_2026-11-20.csv", "Quetzalqx\n"),
    "a member of an archive": ("csv", "a.csv.zip", packed("Ann Quetzalqx 0000424242.csv", ROWS)),
    "a refused member of an archive": ("csv", "a.csv.zip", packed("Ann Quetzalqx 0000424242.csv", "Quetzalqx")),
    "an archive within": ("csv", "a.csv.zip", packed("Ann Quetzalqx 0000424242.zip", "Quetzalqx")),
    "a sheet": ("xlsx", "a.xlsx", book("Ann Quetzalqx", *CELLS)),
    "a refused sheet": ("xlsx", "a.xlsx", book("Ann Quetzalqx", ["Quetzalqx"], *CELLS)),
    "elements of other names": ("xml", "a.xml", xml(f"<person>{GIVEN}</person><person>{WELL}</person>")),
    "broken xml": ("xml", "a.xml", f"<list><person>{GIVEN}</Quetzalqx></list>"),
    "an entity": ("xml", "a.xml", '<!DOCTYPE list [<!ENTITY Quetzalqx "0000424242">]><list>&Quetzalqx;</list>'),
    "keys of other names": ("json", "a.json", json.dumps([PERSON, {"Quetzalqx": PERSON, "0000424242": 1}])),
    "a key that stands twice": ("jsonl", "a.jsonl", '{"ref": "0000424242", "ref": "Quetzalqx"}\n{"Quetzalqx\n'),
    "broken json": ("json", "a.json", '[{"ref": "0000424242", Quetzalqx}]'),
    "a title line of fixed width": ("fixed", "a.txt", "Ann Quetzalqx 0000424242\n1 Ann       Quetzalqx\n"),
    "columns of bytes": ("parquet", "a.parquet", parquet(Quetzalqx=[b"Quetzalqx"], ref=["0000424242"])),
    "wrong values in parquet": ("parquet", "a.parquet", parquet(**{k: [v] for k, v in PERSON.items()}, since=["x"])),
    "broken parquet": ("parquet", "a.parquet", b"PAR1 Quetzalqx 0000424242 PAR1"),
}
# a draft names columns as the sample does: its engineer is told to look at them
NAMED = (
    "a header of another name", "a column that was not agreed", "a name of a refused file", "a sheet",
    "a refused sheet", "an archive within",
    "a member of an archive", "a refused member of an archive", "elements of other names", "keys of other names",
    "a key that stands twice", "columns of bytes",
)  # fmt: skip


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("KINFOLD_HOME", str(tmp_path / "home"))
    yield folder
    assert list(folder.iterdir()) == []


def contract_of(make: Make, form: str) -> Contract:
    schema = PEOPLE if form in ("csv", "xlsx") else PEOPLE.replace("dd/MM/yyyy", "yyyy-MM-dd")
    if form in ("xml", "json", "jsonl"):
        path = "list/person" if form == "xml" else "."
        schema = schema.replace("name: person\n", f"name: person\n    physicalName: {path}\n", 1)
    for name, (first, last) in WIDTHS.items() if form == "fixed" else ():
        at = f", customProperties: [{{property: position, value: [{first}, {last}]}}]}}"
        line = next(line for line in schema.splitlines() if f"{{name: {name}," in line)
        schema = schema.replace(line, line.removesuffix("}") + at)
    return make(schema, form, server="{property: headerRow, value: detect}" if form == "xlsx" else "")


def silent(what: str) -> None:
    told = [canary for canary in CANARIES if canary.casefold() in what.casefold()]
    assert not told, f"{told} in {what[:300]}"


@pytest.mark.parametrize("case", DELIVERIES)
def test_nothing_of_a_delivery_is_told(
    case: str, make: Make, house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    form, name, content = DELIVERIES[case]
    contract = contract_of(make, form)
    load = house.load(contract, f"in/{name}", content)
    assert load.received or load.status == "rejected"
    for frame in loads(house.store, [contract.id]):
        silent(json.dumps(frame.rows(), default=str))
    for path in house.store.home.rglob("*"):
        silent(str(path.relative_to(house.store.home)))
        if path.is_file() and path.name != "delivery.json":
            silent(path.read_bytes().decode("latin-1"))
    out, err = capfd.readouterr()
    silent(out + err + caplog.text)
    assert house.store.names(Zone.VAULT, f"feed/{contract.id}/{load.delivery}")


@pytest.mark.parametrize("case", DELIVERIES)
def test_nothing_of_a_sample_that_is_tried_is_told(
    case: str, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    form, _, content = DELIVERIES[case]
    contract_of(make, form)
    file = tmp_path / f"sample.{form}{'.zip' if str(DELIVERIES[case][1]).endswith('.zip') else ''}"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    said = CliRunner().invoke(main, ["feed", "try", str(tmp_path / "site" / "feeds" / "one.odcs.yaml"), str(file)])
    assert said.exit_code == 0, said.output
    silent(said.output + caplog.text)
    assert list((tmp_path / "home" / "tmp").iterdir()) == []


@pytest.mark.parametrize("case", [case for case in DELIVERIES if case not in NAMED])
def test_nothing_of_a_sample_that_is_drafted_from_is_told(
    case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, name, content = DELIVERIES[case]
    file = tmp_path / f"sample.{name.partition('.')[2]}"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    said = CliRunner().invoke(main, ["feed", "draft", str(file)])
    assert said.exception is None or isinstance(said.exception, SystemExit)
    silent(said.output + caplog.text)
