"""A recall as the night makes it: the file is taken back, its readers are told, and nobody's name is told to anyone."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner

from assets import marts, monitoring, recall, sharing
from assets.agreements import accept
from assets.context import NIGHT, Council
from assets.sharing import audit_log, releaser
from assets.summaries import SHOWN
from governance import exports
from governance.audit import Entry
from governance.keys import create, key_file
from governance.release import EXPORT, SUBJECT, SUBJECT_ACCESS, Item, ReleaseRefused
from governance.reveal import Asker
from linkage import decisions
from pipelines.cli import main
from summaries import changes
from warehouse.site import site
from warehouse.tables import (
    ACCESS_LOG,
    ALERT,
    DWELLING,
    HOUSEHOLD_MEMBER,
    LINK_PAST,
    MATCH_EDGE,
    OUTPUT_USE,
    PERSON_LINEAGE,
    PERSON_LINK,
    QUALITY_ISSUE,
    RECALL,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    Table,
    Zone,
)

FIRST, SECOND, THIRD, FOURTH = (date(2026, 11, day) for day in (20, 21, 22, 23))
NOW = datetime(2026, 11, 20, 2)
CANARY = "Zebedee Canaryson"
ALIKE, OTHER = "a" * 32, "b" * 32  # two records that stand as one, wrongly
MOTHER = "c" * 32
CHILD, PARENT, APART = "1" * 32, "2" * 32, "9" * 32
HOME = {MOTHER: "1", ALIKE: "1"}
Stands = dict[str, str]


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in table.schema} for row in rows], schema=table.schema)


def night(council: Council, tonight: date, stands: Stands) -> bool:
    """A night's links as linkage leaves them, a summary of each person, and the steps of recall by Dagster itself."""
    store, before = council.store, council.store.published_before(tonight)
    was = {}
    if before:
        last = store.read(PERSON_LINK, before).select("record_id", "person_id", "linked_from")
        was = {record: (person, day) for record, person, day in last.iter_rows()}
    links = [
        {"record_id": r, "person_id": p, "linked_from": was[r][1] if r in was and was[r][0] == p else tonight}
        for r, p in stands.items()
    ]
    people = sorted(set(stands.values()))
    at_home = [{"household_id": "h", "person_id": p} for p in people if p != APART]
    written: dict[Table, list[dict[str, Any]]] = {
        PERSON_LINK: links, PERSON_LINEAGE: [], MATCH_EDGE: [], HOUSEHOLD_MEMBER: at_home, ALERT: [], QUALITY_ISSUE: [],
        RISK_FLAG: [{"person_id": p, "outcome": "escalation", "team": "early-help"} for p in people],
        SOURCE_RECORD: [{"record_id": r, "row_hash": 1, "uprn": HOME.get(r)} for r in stands],
        DWELLING: [{"uprn": "1", "kind": "home"}],
    }  # fmt: skip
    for table, rows in written.items():
        store.write(table, tonight, frame(table, rows))
    store.put(Zone.LEDGER, f"{monitoring.USED}/{tonight}", {monitoring.USED: pl.DataFrame(schema=monitoring._USED)})
    shows = [(p, a) for p in people for a in people if p == a or APART not in (p, a)]
    shown = [{"team": "mash", "person_id": p, "about": a, "category": "any"} for p, a in shows]
    store.put(Zone.FACTS, f"{SHOWN}/{tonight}", {"shown": pl.DataFrame(shown, schema=changes.SHOWN)})
    subjects = pl.DataFrame(
        {"person_id": people, "age": [9] * len(people), "open_to": [[]] * len(people)},
        schema={"person_id": pl.String, "age": pl.Int32, "open_to": pl.List(pl.String)},
    )

    def summary(person: str) -> Item:
        page = f"<p>{CANARY} {tonight}</p>".encode()
        return Item("summary", "mash", "social_worker", "open_case", person, page, ("council: identity",))

    let_out = releaser(council).release_many([summary(p) for p in people], tonight, NOW, subjects)
    none, nothing = RELEASE.empty().with_columns(feed=pl.lit(None, pl.String)), pl.DataFrame(schema={"told": pl.String})
    store.put(Zone.LEDGER, f"released/{tonight}/summary", {"released": let_out})
    store.put(
        Zone.LEDGER, f"released/{tonight}/report", {"released": RELEASE.empty(), "records": none, "told": nothing}
    )
    for kind in ("aggregate", "paper"):
        store.put(Zone.LEDGER, f"released/{tonight}/{kind}", {"released": RELEASE.empty()})
    done = dg.materialize(
        [recall.recalls, recall.recall_file, recall.output_use, sharing.release],
        resources={"council": council},
        tags={NIGHT: str(tonight)},
        instance=dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}),
        raise_on_error=False,
    )
    if done.success:
        store.publish(tonight, {"deliveries": {}})
    return done.success


TOGETHER = {ALIKE: CHILD, OTHER: CHILD, MOTHER: PARENT}
PARTED = {ALIKE: CHILD, OTHER: APART, MOTHER: PARENT}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a council of which one night is published: two records stand as one, who lives with another."""
    home = tmp_path_factory.mktemp("first") / "home"
    with pytest.MonkeyPatch.context() as patch:
        assert night(council_at(home, patch, key=True), FIRST, TOGETHER)
    return home


@pytest.fixture
def council(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Council:
    """The same in a folder of its own."""
    shutil.copytree(published.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    return council_at(tmp_path / "home", monkeypatch)


def council_at(home: Path, patch: pytest.MonkeyPatch, key: bool = False) -> Council:
    patch.setenv("KINFOLD_HOME", str(home))
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        patch.delenv(name, raising=False)
    if key:
        create(key_file(home))
        accept(site(), home, "test")
    return replace(Council.open(), contracts={})


def different(council: Council) -> None:
    pair = {"record_l": ALIKE, "record_r": OTHER, "verdict": "different", "who": "steward", "decided_at": NOW}
    decisions.decide(council.store, pl.DataFrame([pair]))


def outbox(council: Council, team: str, holds: str) -> list[Path]:
    files = [p for p in sorted((council.home / "outbox" / team).glob("*")) if p.suffix != ".zip"]
    return [p for p in files if holds in p.read_text("utf-8-sig")]


def test_what_used_an_undone_link_is_taken_back_and_each_recipient_is_told(council: Council) -> None:
    first = council.store.get(Zone.LEDGER, f"released/{FIRST}/summary", "released").collect()
    different(council)
    assert night(council, SECOND, PARTED)
    rows = council.store.read(RECALL, SECOND)
    assert set(rows["because"]) == {"review"} and set(rows["state"]) == {"open"}
    counts = dict(rows.group_by("kind", "team").len().select(pl.format("{} to {}", "kind", "team"), "len").iter_rows())
    # the child's and the mother's summary and flag, each read both; the marts hold the child's wrong rows
    assert counts == {"summary to mash": 2, "flag to early-help": 2, "marts to analysts": 1}
    for file in first["file"]:
        there = (council.home / "outbox" / file).read_text()
        assert "RECALLED on 21 November 2026" in there and CANARY not in there
    for team in ("mash", "early-help", "analysts"):
        (page,) = outbox(council, team, "<h1>Recall of 21 November 2026</h1>")
        (sheet,) = outbox(council, team, '"what_was_wrong"')
        assert sheet.name in page.read_text() and "A reviewer found" in sheet.read_text("utf-8-sig")
    (told,) = outbox(council, "mash", "<h1>Recall of 21 November 2026</h1>")
    assert all(Path(file).name in told.read_text() for file in first["file"])
    assert told.name.endswith("_until_2026-12-04.html"), "it goes when the last file it tells of must be gone"
    (register,) = outbox(council, "information-governance", "Register of recalls")
    assert "5 outputs have been recalled, 5 of them tonight" in register.read_text()
    recalled = set(council.store.read(RELEASE, SECOND).filter(kind="recall")["team"])
    assert recalled == {"mash", "early-help", "analysts", "information-governance"}


def test_nothing_that_tells_of_a_recall_names_anybody_or_the_other_person(council: Council) -> None:
    different(council)
    assert night(council, SECOND, PARTED)
    files = [p for p in (council.home / "outbox").glob("*/*") if "ecall" in p.read_text("utf-8-sig")]
    assert len(files) == 2 + 3 * 4  # a page, a sheet and the stamp beside the sheet, for each of four teams
    for path in files:
        text = path.read_text("utf-8-sig")
        assert not [word for word in (*CANARY.split(), ALIKE, OTHER, MOTHER, APART) if word in text], path.parent.name
        if path.parent.name in ("mash", "early-help"):
            assert CHILD not in text and PARENT not in text


def test_the_log_has_each_recall_before_its_notice_and_stays_whole(council: Council) -> None:
    different(council)
    assert night(council, SECOND, PARTED)
    log = audit_log(council)
    taken_back = log.frame().filter(action="recall")
    first = council.store.get(Zone.LEDGER, f"released/{FIRST}/summary", "released").collect()
    assert sorted(taken_back["release_id"]) == sorted(first["release_id"]) and log.verify() == []


def test_a_night_that_is_run_again_recalls_the_same_and_nothing_is_recalled_twice(council: Council) -> None:
    def state() -> tuple[pl.DataFrame, dict[str, str]]:
        files = {str(p): p.read_text("utf-8-sig") for p in (council.home / "outbox").glob("*/*")}
        return council.store.read(RECALL, SECOND), files

    different(council)
    assert night(council, SECOND, PARTED)
    rows, files = state()
    assert night(council, SECOND, PARTED)
    again, files_again = state()
    assert rows.equals(again) and files == files_again
    assert audit_log(council).frame().filter(action="recall").height == 2
    assert night(council, THIRD, PARTED)
    assert council.store.read(RECALL, THIRD).equals(rows) and not outbox(council, "mash", "Recall of 22 November")


def test_a_recall_that_the_ledger_shows_to_be_missing_keeps_the_night_from_being_published(council: Council) -> None:
    council.store.write(OUTPUT_USE, FIRST, OUTPUT_USE.empty())
    assert not night(council, SECOND, PARTED)
    assert council.store.published() == FIRST and not outbox(council, "mash", "RECALLED")


def test_of_a_night_that_kept_no_uses_the_release_ledger_tells_whom_a_summary_was_about(council: Council) -> None:
    council.store.remove(Zone.LEDGER, f"{OUTPUT_USE.name}/{FIRST}")
    assert night(council, SECOND, PARTED)
    recalled = council.store.read(RECALL, SECOND).filter(kind="summary")
    assert recalled["person_id"].to_list() == [CHILD]


def test_what_a_night_let_out_that_was_never_published_is_recalled_too(council: Council) -> None:
    council.store.write(OUTPUT_USE, FIRST, OUTPUT_USE.empty())
    assert not night(council, SECOND, PARTED), "it stops on what is missing, after its summaries have left"
    council.store.remove(Zone.LEDGER, f"{OUTPUT_USE.name}/{FIRST}")
    assert night(council, THIRD, {ALIKE: CHILD, OTHER: CHILD}) and night(council, FOURTH, PARTED)
    ledger, rows = council.store.read(RELEASE, FOURTH), council.store.read(RECALL, FOURTH)
    left_out = council.store.get(Zone.LEDGER, f"released/{SECOND}/summary", "released").collect()
    assert left_out.join(ledger, on="release_id", how="semi").is_empty()
    child = left_out.filter(person_id=CHILD)
    assert set(child["release_id"]) <= set(rows["output_id"])
    assert "RECALLED" in (council.home / "outbox" / child["file"].item()).read_text()


def test_an_address_that_is_protected_takes_back_what_showed_it_once(council: Council) -> None:
    veto = {"record_id": MOTHER, "who": "steward", "decided_at": NOW}
    decisions.protect(council.store, pl.DataFrame([veto]))
    assert night(council, SECOND, TOGETHER)
    rows = council.store.read(RECALL, SECOND)
    assert rows.select("kind", "because").unique().rows() == [("summary", "address")] and rows.height == 2
    assert night(council, THIRD, TOGETHER) and council.store.read(RECALL, THIRD).equals(rows)


def test_who_opened_a_file_is_told_where_it_is_known(council: Council) -> None:
    release_id = council.store.read(RELEASE, FIRST).filter(person_id=CHILD)["release_id"].item()
    read = {name: None for name in ACCESS_LOG.schema if name not in ("sequence", "account")}
    read |= {"at": NOW, "actor": "kinfold room", "role": "social_worker", "action": "read", "release_id": release_id}
    audit_log(council).append([Entry(**read)])
    assert night(council, SECOND, PARTED)
    (page,) = outbox(council, "mash", "<h1>Recall of 21 November 2026</h1>")
    assert "social_worker, 20 November 2026" in page.read_text()


def test_a_recall_page_leaves_under_no_agreement_and_one_about_a_person_does_not_leave(council: Council) -> None:
    late = date(2040, 1, 1)
    item = Item("recall", "mash", "social_worker", "open_case", None, b"x", until=date(2040, 2, 1))
    assert releaser(council).release(item, late, NOW)["expires_on"].item() == date(2040, 2, 1)
    for more in ({"person_id": CHILD}, {"shared": ("council: identity",)}, {"kind": "summary"}):
        with pytest.raises(ReleaseRefused):
            releaser(council).release(replace(item, **more), late, NOW)  # type: ignore[arg-type]


def test_the_marts_have_the_recalls_without_the_paths_of_files(council: Council) -> None:
    assert night(council, SECOND, PARTED)
    mart = marts.mart_of(council, RECALL, SECOND)
    columns = {column.name for column in mart.columns}
    assert mart.name == "recalls" and {"recall_id", "person_id", "because", "first", "last"} <= columns
    assert "file" not in columns
    assert LINK_PAST not in marts.NAMES


def test_no_recipient_learns_from_a_recall_that_the_register_holds_somebody(council: Council) -> None:
    different(council)
    never = {"record_l": ALIKE, "record_r": OTHER, "verdict": "never", "who": "s", "decided_at": NOW, "note": "n"}
    decisions.decide(council.store, pl.DataFrame([never]))
    decisions.protect(council.store, pl.DataFrame([{"record_id": MOTHER, "who": "s", "decided_at": NOW}]))
    assert night(council, SECOND, PARTED)
    assert set(council.store.read(RECALL, SECOND)["because"]) == {"register"}
    secret = ("for good", "register", "protected", "address", "Where somebody lives", "do-not-link")
    notes = council.store.get(Zone.LEDGER, f"recalled/{SECOND}", "notes").collect()["recalled"].explode().to_list()
    assert notes
    for team in ("mash", "early-help", "analysts"):
        pages = [p.read_text("utf-8-sig") for p in outbox(council, team, "ecall")]
        assert pages and not [word for word in secret for text in (*pages, *notes) if word in text]


def test_an_address_that_is_protected_is_taken_back_from_the_summaries_of_all_who_live_there(council: Council) -> None:
    assert night(council, SECOND, {ALIKE: CHILD, OTHER: APART, MOTHER: PARENT})
    decisions.protect(council.store, pl.DataFrame([{"record_id": MOTHER, "who": "s", "decided_at": NOW}]))
    assert night(council, THIRD, PARTED)
    rows = council.store.read(RECALL, THIRD).filter(pl.col("night") == THIRD, pl.col("because") == "address")
    assert CHILD in rows["about"].explode().to_list() and APART not in rows["about"].explode().to_list()


def test_the_marts_tell_nobody_who_was_kept_apart_or_hidden_by_decision(council: Council) -> None:
    store = council.store
    split = {"night": SECOND, "change": "split_from", "other_person_id": CHILD}
    whose = {"register": ALIKE, "review": OTHER, "council": MOTHER, "model": PARENT}
    told = [{**split, "person_id": person, "cause": f"as {why}", "because": why} for why, person in whose.items()]
    store.write(PERSON_LINEAGE, SECOND, frame(PERSON_LINEAGE, told))
    lineage = marts.mart_of(council, PERSON_LINEAGE, SECOND).frame.lazy().collect()
    decided = lineage.filter(pl.col("person_id") != PARENT).select("because", "other_person_id", "cause")
    assert decided.height == 3 and decided.unique().row(0) == ("decision", None, "a decision about its records")
    assert lineage.filter(person_id=PARENT).select("other_person_id", "because").row(0) == (CHILD, "model")
    rows = [{"recall_id": why, "because": why} for why in ("register", "review", "address", "withdrawal")]
    store.write(RECALL, SECOND, frame(RECALL, rows))
    because = marts.mart_of(council, RECALL, SECOND).frame.lazy().collect()["because"]
    assert sorted(because) == ["decision"] * 2 + ["withdrawal"]
    assert ACCESS_LOG not in marts.NAMES  # who asked about whom is for information governance


@pytest.fixture
def kinfold(council: Council) -> Callable[..., str]:
    def run(*words: str) -> str:
        said = CliRunner().invoke(main, ["recall", *words])
        assert said.exit_code == 0, said.output
        return said.output

    return run


def test_the_command_lists_what_was_recalled_by_night_team_and_person(
    council: Council, kinfold: Callable[..., str]
) -> None:
    different(council)
    assert night(council, SECOND, PARTED)
    assert kinfold("--since", "2026-11-22").startswith("Nothing was recalled")
    said = kinfold("--since", "2026-11-20")
    assert "2026-11-21: A reviewer found" in said and "5 recalled for 3 recipients" in said
    assert "2 recalled for 1 recipients" in kinfold("--since", "2026-11-20", "--team", "mash")
    assert "2 recalled" in kinfold("--since", "2026-11-20", "--person", PARENT)
    lines = kinfold("--since", "2026-11-20", "--csv").splitlines()
    assert lines[0].split(",") == RECALL.schema.names() and len(lines) == 6
    wrong = CliRunner().invoke(main, ["recall", "--since", "2026-11-20", "--team", "nobody"])
    assert wrong.exit_code == 2 and "is no team here" in wrong.output


def test_an_export_a_persons_own_data_and_a_look_that_used_an_undone_link_are_recalled_once_and_no_other(
    council: Council,
) -> None:
    chosen = exports.choose(council.agreements, "council-analytics", "analysts", None, FIRST)
    schema = {"person_id": pl.String, "age": pl.Int32, "open_to": pl.List(pl.String), "meets": pl.List(pl.String)}
    subjects = pl.DataFrame([(who, 9, None, None) for who in (CHILD, PARENT)], schema=schema, orient="row")
    teams = council.organisation.teams
    (desk,) = (name for name, team in teams.items() if team.reason == SUBJECT_ACCESS)

    def export(*people: str) -> Item:
        return Item(
            EXPORT, "analysts", "analyst", chosen.terms.reason, None, b"".join(p.encode() for p in people),
            ("childrens-services: contact",), name=people[0], suffix=".zip", export=chosen, people=people,
        )  # fmt: skip

    def pack(person: str) -> Item:
        until = date(2027, 1, 31)
        return Item(
            SUBJECT,
            desk,
            teams[desk].roles[0],
            SUBJECT_ACCESS,
            person,
            b"<p>held</p>",
            ("council: identity",),
            until=until,
        )

    let = {
        (kind, whose): sharing.let_out(council, [item], FIRST, "A. Bell", subjects).row(0, named=True)
        for kind, whose, item in (
            ("export", "both", export(CHILD, PARENT)), ("export", "other", export(PARENT)),
            ("subject", "child", pack(CHILD)), ("subject", "parent", pack(PARENT)),
        )
    }  # fmt: skip
    asker = Asker("A. Khan", "mash", "social_worker", "open_case", "CSC-104")
    for person, case in ((CHILD, "CSC-104"), (PARENT, "CSC-105")):
        sharing.note_shown(council, replace(asker, case=case), person, FIRST, NOW)
    looks = sharing.looks(council)
    different(council)
    assert night(council, SECOND, PARTED)
    rows = council.store.read(RECALL, SECOND).filter(pl.col("kind").is_in(["export", "subject", "reveal"]))
    assert sorted(rows.select("kind", "output_id").iter_rows()) == [
        ("export", let["export", "both"]["release_id"]), ("reveal", looks.filter(case="CSC-104")["output_id"].item()),
        ("subject", let["subject", "child"]["release_id"]),
    ]  # fmt: skip
    (mash,) = outbox(council, "mash", "<h1>Recall of 21 November 2026</h1>")
    assert "social_worker, 20 November 2026, for the case CSC-104" in mash.read_text()
    assert "CSC-105" not in mash.read_text() and "Strike out what was written down" in mash.read_text()
    file = council.home / "outbox" / let["export", "both"]["file"]
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["recalled.html"] and b"RECALLED" in archive.read("recalled.html")
    assert b"RECALLED" in (council.home / "outbox" / let["subject", "child"]["file"]).read_bytes()
    assert (council.home / "outbox" / let["export", "other"]["file"]).read_bytes() == PARENT.encode()
    (told,) = outbox(council, "analysts", "<h1>Recall of 21 November 2026</h1>")
    assert "destroy every copy" in told.read_text() and Path(let["export", "both"]["file"]).name in told.read_text()
    (officer,) = outbox(council, desk, "<h1>Recall of 21 November 2026</h1>")
    assert "personal data breach" in officer.read_text()
    assert night(council, THIRD, PARTED)
    assert council.store.read(RECALL, THIRD).filter(pl.col("night") == THIRD).is_empty()
