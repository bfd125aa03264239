"""One person on a terminal: what is permitted, nothing that a terminal would obey, and nothing kept."""

import shutil
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from assets.agreements import accept
from assets.context import Council
from assets.sharing import USED, audit_log, ever_released, let_out, looks, sweep
from governance.audit import AuditError
from governance.keys import create, key_file
from governance.pseudonyms import record_ids
from governance.release import Item
from governance.reveal import Asker, RevealRefused
from linkage import decisions
from pipelines.cli import main
from pipelines.look import lines, look
from pipelines.review_desk import PROTECTED
from warehouse.site import PROJECT
from warehouse.store import Store
from warehouse.tables import (
    DWELLING,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INVOLVEMENT,
    PERSON,
    PERSON_LINK,
    RELEASE,
    SOURCE_RECORD,
    Table,
)

NIGHT, WHEN = date(2026, 11, 20), datetime(2026, 11, 20, 9)
EVE, OTHER = "a" * 32, "b" * 32
ASKER = Asker("ann", "data-stewards", "data_steward", "record_review", "REV-7")
ROWS = [  # feed, key, forename, surname, address, postcode, person
    ("gp-register", "G3", "EVE\x1b[2J\u202e", "=HOSTILE", "1 STATION ROAD", "QH6 6FF", "a" * 32),
    ("school-census", "S1", "EVE", "HOSTILE", "1 STATION ROAD", "QH6 6FF", "a" * 32),
    ("council-tax", "C1", "WINIFRED", "OKONKWO", "7 PARK VIEW", "QH5 5EE", "b" * 32),
]


def put(council: Council, table: Table, frame: pl.DataFrame) -> None:
    none = [pl.lit(None, kind).alias(name) for name, kind in table.schema.items() if name not in frame.columns]
    rows = frame.with_columns(none).select(pl.col(name).cast(kind) for name, kind in table.schema.items())
    council.store.write(table, NIGHT, rows)


def record(council: Council, feed: str, key: str) -> str:
    return str(record_ids(council.contracts[feed].keys_of, pl.Series([key]), council.ring).item())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Council:
    """A published night of three records and two people, one of them with a name that a terminal would obey."""
    home = tmp_path_factory.mktemp("look") / "home"
    site = PROJECT / "sites" / "harrowmere"
    create(key_file(home))
    accept(site, home, "test")
    council = Council.open(site, home)
    names = ["feed", "source_key", "forename", "surname", "address", "postcode", "person_id"]
    rows = pl.DataFrame(ROWS, schema=names, orient="row").with_columns(
        pl.Series("record_id", [record(council, feed, key) for feed, key, *_ in ROWS]), birth_date=date(2014, 1, 30)
    )
    put(council, SOURCE_RECORD, rows)
    put(council, PERSON_LINK, rows)
    put(council, PERSON, rows.unique("person_id", keep="first", maintain_order=True))
    for table in (HOUSEHOLD, HOUSEHOLD_MEMBER, INVOLVEMENT, DWELLING, RELEASE):
        put(council, table, table.empty())
    council.store.publish(NIGHT, {})
    return council


@pytest.fixture
def council(built: Council, tmp_path: Path) -> Council:
    home = tmp_path / "home"
    shutil.copytree(built.home, home, symlinks=True)
    shutil.copy(key_file(built.home), key_file(home))
    return replace(built, home=home, store=Store(home, built.vault))


def told(council: Council, person: str, asker: Asker = ASKER) -> str:
    return "\n".join(lines(look(council, asker, person, lambda: WHEN), asker))


def test_who_somebody_is_stands_on_the_terminal_alone_and_the_ledger_keeps_that_it_was_shown(council: Council) -> None:
    before = {p for p in council.home.rglob("*") if "audit" not in p.parts}
    said = told(council, EVE)
    assert "=HOSTILE" in said and "30 January 2014" in said and "for the case REV-7, by record-review v1" in said
    added = {p for p in council.home.rglob("*") if "audit" not in p.parts} - before
    assert {p.relative_to(council.home).parts[:2] for p in added} == {("ledger", "looked_at")}
    (used,) = looks(council, USED).rows(named=True)
    assert (used["about"], used["night"], used["team"], used["kind"]) == (EVE, NIGHT, "data-stewards", "reveal")
    kept = str(used) + str(looks(council).rows())
    assert not [word for word in ("EVE", "HOSTILE", "STATION") if word in kept] and "REV-7" in kept
    entry = audit_log(council).frame().row(-1, named=True)
    assert (entry["action"], entry["person_id"], entry["case"]) == ("reveal", EVE, "REV-7")


def test_an_attacker_cannot_drive_a_terminal_by_a_name(council: Council) -> None:
    said = told(council, EVE)
    assert "\x1b" not in said and "\u202e" not in said and "EVE" in said


def test_whoever_shares_no_identity_is_withheld_whether_or_not_they_hold_anything(council: Council) -> None:
    asker = replace(ASKER, team="mash", role="social_worker", reason="open_case")
    withheld = [told(council, person, asker).partition("Withheld,")[2] for person in (EVE, OTHER)]
    assert "Community Health" in withheld[0] and withheld[0] == withheld[1]


def test_an_attacker_cannot_find_out_where_somebody_lives_who_is_protected(council: Council) -> None:
    assert "QH6 6FF" in told(council, EVE)
    row = {
        "record_id": record(council, "gp-register", "G3"),
        "place": None,
        "who": "ann",
        "decided_at": WHEN,
        "note": None,
    }
    schema = {"record_id": pl.String, "place": pl.String, "who": pl.String, "decided_at": pl.Datetime("us")}
    decisions.protect(council.store, pl.DataFrame([row], schema=schema | {"note": pl.String}))
    said = told(council, EVE)
    assert PROTECTED in said and "QH6 6FF" not in said and "PARK VIEW" not in said and "STATION" not in said


def test_an_attacker_cannot_look_where_the_log_is_broken_and_nothing_is_opened(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = EVE
    told(council, person)
    audit_log(council).path.write_bytes(b"")
    opened: list[object] = []
    scan = council.store.scan
    monkeypatch.setattr(council.store, "scan", lambda t, *a: (opened.append(t), scan(t, *a))[1])
    with pytest.raises(AuditError):
        look(council, ASKER, person, lambda: WHEN)
    assert SOURCE_RECORD not in opened


def test_a_look_that_is_refused_is_in_the_log_and_an_unknown_id_is_no_word_of_it(council: Council) -> None:
    with pytest.raises(RevealRefused, match="no such reason"):
        look(council, replace(ASKER, reason="curiosity"), EVE, lambda: WHEN)
    with pytest.raises(RevealRefused, match="no person of the published night has this id"):
        look(council, ASKER, "Jane Smith", lambda: WHEN)
    assert audit_log(council).frame()["action"].to_list()[-2:] == ["refuse", "refuse"]
    assert audit_log(council).frame()["person_id"].to_list()[-1] is None


def test_an_attacker_cannot_send_what_is_shown_into_a_file(council: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINFOLD_HOME", str(council.home))
    monkeypatch.setenv("KINFOLD_SITE", str(council.site))
    words = ["reveal", EVE, "--who", "ann", "--team", "data-stewards", "--role", "data_steward"]
    done = CliRunner().invoke(main, [*words, "--reason", "record_review", "--case", "REV-7"])
    assert done.exit_code == 1 and "on a terminal alone" in done.output and "HOSTILE" not in done.output


def test_an_attacker_who_sets_the_clock_back_keeps_no_file(council: Council) -> None:
    item = Item("recall", "data-stewards", "data_steward", "record_review", None, b"x", name="a", until=NIGHT)
    row = let_out(council, [item], date(2026, 11, 1), "ann")
    path = council.home / "outbox" / row["file"].item()
    assert path.exists() and ever_released(council)["release_id"].to_list() == row["release_id"].to_list()
    path.rename(path.with_name("kept.html"))
    assert sweep(council, date(2026, 11, 2)).gone == 1  # NIGHT is published, so that it cannot be earlier
