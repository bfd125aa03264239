"""The audit log stops a night, is counted for information governance alone, and answers who saw whom by command."""

from __future__ import annotations

import re
import shutil
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest
from click.testing import CliRunner, Result

from assets import audit
from assets.context import NIGHT, Council
from assets.sharing import LOOKED_AT, audit_log
from governance.audit import Entry, login
from governance.checkpoints import kept
from governance.keys import create, key_file
from governance.pseudonyms import record_ids
from pipelines.cli import main
from pipelines.definitions import build
from warehouse.site import PROJECT
from warehouse.tables import (
    ACCESS_LOG,
    LINK_PAST,
    OUTPUT_USE,
    PERSON_LINEAGE,
    PERSON_LINK,
    RELEASE,
    Table,
    Zone,
)

TONIGHT = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12)
AMY, EARLIER, SISTER = "a" * 32, "1" * 32, "5" * 32
SUMMARY = "f" * 32
LETS_OUT = ("case_summary", "quality_report", "recall_file", "aggregate")


def put(council: Council, table: Table, *rows: dict[str, object]) -> None:
    frame = pl.DataFrame([{name: row.get(name) for name in table.schema} for row in rows], schema=table.schema)
    council.store.write(table, TONIGHT, frame)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night on which one person's summary was let out, told of in her sister's too, and looked at under an old id."""
    home = tmp_path_factory.mktemp("audited") / "home"
    create(key_file(home))
    council = Council.open(PROJECT / "sites" / "harrowmere", home)
    (record,) = record_ids(council.contracts["council-tax"].keys_of, pl.Series(["K1"]), council.ring)
    put(council, PERSON_LINK, {"record_id": record, "person_id": AMY, "linked_from": TONIGHT})
    merged = {"person_id": EARLIER, "night": TONIGHT, "change": "merged_into", "other_person_id": AMY}
    put(council, PERSON_LINEAGE, merged)
    put(council, LINK_PAST)
    told = {"kind": "summary", "output_id": SUMMARY, "team": "mash", "person_id": SISTER, "about": AMY}
    put(council, OUTPUT_USE, told)
    released = {
        "release_id": SUMMARY, "kind": "summary", "team": "mash", "person_id": SISTER, "reason": "open_case",
        "agreement": "multi-agency-safeguarding v3", "file": f"mash/{SUMMARY}.html", "sha256": "0" * 64,
        "shared": ["schools: attendance"], "withheld": ["police: offence"], "released_at": NOON,
        "expires_on": date(2026, 12, 4),
    }  # fmt: skip
    put(council, RELEASE, released)
    cited = "multi-agency-safeguarding v3 shares[0]"
    log = audit_log(council)
    log.append(
        [
            Entry(NOON, "kinfold night", "social_worker", "release", "mash", SISTER, "open_case", cited, SUMMARY),
            Entry(NOON, "ann", "social_worker", "reveal", "mash", EARLIER, "section_47", cited, case="CS-1"),
            Entry(NOON, "<b>bob</b>", "social_worker", "refuse", "mash", AMY, "=CMD()", None),
            Entry(NOON, "carol", "social_worker", "reveal", "mash", "9" * 32, "section_47", cited),
        ]
    )
    council.store.write(ACCESS_LOG, TONIGHT, log.frame())
    council.store.publish(TONIGHT, {})
    return home


@pytest.fixture
def council(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Council:
    home = Path(shutil.copytree(made, tmp_path / "home", symlinks=True))
    shutil.copy(key_file(made), key_file(home))
    monkeypatch.setenv("KINFOLD_HOME", str(home))
    return Council.open(PROJECT / "sites" / "harrowmere", home)


def change(council: Council) -> None:
    path = audit_log(council).path
    path.write_bytes(path.read_bytes().replace(b'"carol"', b'"david"'))


def night(council: Council, *steps: dg.AssetsDefinition) -> tuple[dict[str, bool], set[str]]:
    """Run steps by Dagster itself: each check and whether it passed, and what was made."""
    beside = [dg.AssetSpec(key) for key in ("deliveries_used", RELEASE.name, ACCESS_LOG.name)]
    done = dg.materialize(
        [*beside, *steps],
        selection=[*steps],
        resources={"council": council},
        tags={NIGHT: str(TONIGHT)},
        raise_on_error=False,
    )
    checks = {one.check_name: one.passed for one in done.get_asset_check_evaluations()}
    return checks, {event.asset_key.to_user_string() for event in done.get_asset_materialization_events()}


@dg.asset(deps=[LOOKED_AT, audit.COUNTED])
def lets_out() -> None:
    """Stands for whatever waits for the look at the log."""


def test_a_night_whose_log_is_whole_is_counted_and_a_checkpoint_is_kept_outside(council, tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    monkeypatch.setenv("KINFOLD_AUDIT_COPY", str(tmp_path / "kept"))
    checks, done = night(council, audit.looked_at, audit.counted, lets_out)
    assert checks == {audit.CHECK: True, audit.AGAIN: True, audit.OUTSIDE: True}
    assert done == {LOOKED_AT, audit.COUNTED, "lets_out"}
    assert len(kept([tmp_path / "kept"])) == 1


def test_a_log_that_somebody_changed_stops_the_night_before_anything_leaves(council):
    change(council)
    checks, done = night(council, audit.looked_at, audit.counted, lets_out)
    assert checks[audit.CHECK] is checks[audit.AGAIN] is False and "lets_out" not in done


def test_whatever_lets_something_out_waits_for_the_look_and_publishing_for_the_second(council):
    graph = build(council).resolve_asset_graph()

    def waits_for(key: str) -> set[str]:
        return {k.to_user_string() for k in graph.get_ancestor_asset_keys(dg.AssetKey(key))}

    for key in LETS_OUT:
        assert LOOKED_AT in waits_for(key), key
    assert {audit.COUNTED, *LETS_OUT} <= waits_for("published")


def test_the_marts_of_information_governance_name_nobody_who_was_looked_at(council):
    rows = audit.publish(council, TONIGHT)
    assert rows == {"looks_by_day": 3, "users_by_day": 3, "refusals": 1, "releases_by_day": 1}
    path = (council.home / audit.MARTS / "current.duckdb").resolve()
    with duckdb.connect(str(path), read_only=True) as con:
        (files, people, withheld) = con.execute("SELECT files, people, withheld FROM releases_by_day").fetchall()[0]
        assert (files, people, withheld) == (1, 1, 1)
        undescribed = "SELECT column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
        assert con.execute(undescribed).fetchall() == []
    held = path.read_bytes()
    assert not any(one.encode() in held for one in (AMY, EARLIER, SISTER, SUMMARY, "CS-1")) and b"carol" in held
    assert (council.home / audit.MARTS).stat().st_mode & 0o777 == 0o700


def test_analysts_are_not_told_who_looked_at_whom():
    from assets import marts

    assert ACCESS_LOG not in marts.NAMES


# -- commands ----------------------------------------------------------------------------------------------------------


def kinfold(*told: str) -> Result:
    return CliRunner().invoke(main, ["audit", *told], catch_exceptions=False)


def test_who_saw_a_person_is_told_by_any_of_their_names_and_is_logged_itself(council, tmp_path):
    said = kinfold("who-saw", "council-tax:K1", "--who", "ivy")
    assert said.exit_code == 0, said.output
    assert "The audit log is whole" in said.output and f"Who saw this person: {AMY}" in said.output
    for told in ("ann [", "under an earlier id", "(case CS-1)", "in a file about somebody else", "School attendance"):
        assert told in said.output
    assert "carol" not in said.output and "The audit log was asked" in said.output
    last = audit_log(council).frame().row(-1, named=True)
    assert (last["actor"], last["action"], last["person_id"]) == ("ivy", "audit", AMY)
    page = tmp_path / "page.html"
    assert kinfold("who-saw", EARLIER, "--html", str(page)).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "<b>bob</b>" not in text and "&lt;b&gt;bob&lt;/b&gt;" in text and page.stat().st_mode & 0o777 == 0o600
    sheet = kinfold("who-saw", AMY, "--csv").stdout
    assert "'=CMD()" in sheet and not re.search(r"(^|,)=CMD", sheet)


def test_whoever_is_not_known_is_said_so_and_what_was_typed_is_not_kept(council):
    before = audit_log(council).frame().height
    for told in ("Amelia O'Brien", "council-tax:K2"):
        said = kinfold("who-saw", told)
        assert said.exit_code == 1 and "no person and no record" in said.output and told not in said.output
    assert audit_log(council).frame().height == before


def test_what_a_user_did_is_told_and_a_look_without_a_name_is_its_account_s(council):
    said = kinfold("what-did", "ann")
    assert f"about {EARLIER}" in said.output and "carol" not in said.output
    assert audit_log(council).frame().row(-1, named=True)["actor"] == login()
    assert "Did you mean carol" in kinfold("what-did", "carrol").output


def test_verify_says_where_and_ends_with_one(council, tmp_path):
    kept_in = tmp_path / "elsewhere"
    kept_in.mkdir()
    assert kinfold("checkpoint", "--to", str(kept_in)).exit_code == 0
    fine = kinfold("verify", "--kept", str(kept_in))
    assert fine.exit_code == 0 and "1 that was kept outside" in fine.output
    assert kinfold("checkpoint", "--to", str(council.home / "outbox")).exit_code != 0
    change(council)
    said = kinfold("verify", "--kept", str(kept_in))
    assert said.exit_code == 1 and "log.jsonl:4: entry 4 is not as it was written" in said.output
    assert "NOT whole" in said.output


def test_the_report_tells_what_is_refused_and_out_of_the_ordinary_and_whose_data_it_was_of_nobody(council, tmp_path):
    page = tmp_path / "report.html"
    said = kinfold("report", str(page), "--since", "2026-11-20", "--until", "2026-11-20")
    assert said.exit_code == 0 and "The audit log is whole" in said.output
    text = page.read_text(encoding="utf-8")
    for told in (
        "&lt;b&gt;bob&lt;/b&gt;",
        "Multi-Agency Safeguarding Hub",
        "multi-agency-safeguarding v3",
        "AUDIT_COPY",
    ):
        assert told in text
    assert not any(one in text for one in (AMY, EARLIER, SISTER, SUMMARY, "CS-1", "<b>bob"))


def test_an_attacker_cannot_put_back_yesterdays_vault_together_with_its_register(council: Council) -> None:
    def noted() -> None:
        changes = str(council.store.vault_changes())
        audit_log(council).append([Entry(NOON, audit.NIGHTLY, None, audit.VAULT, None, None, None, None, case=changes)])

    def verdict() -> Result:
        return CliRunner().invoke(main, ["audit", "verify"])

    council.store.put(Zone.VAULT, "names", {"names": pl.DataFrame({"name": ["of yesterday"]})})
    noted()
    yesterday = council.home.parent / "yesterday"
    shutil.copytree(council.home / "vault", yesterday / "vault", symlinks=True)
    shutil.copy(council.home / "ledger" / "vault.log", yesterday)
    council.store.put(Zone.VAULT, "names", {"names": pl.DataFrame({"name": ["of today"]})})
    noted()
    assert verdict().exit_code == 0
    shutil.rmtree(council.home / "vault")
    shutil.copytree(yesterday / "vault", council.home / "vault", symlinks=True)
    shutil.copy(yesterday / "vault.log", council.home / "ledger")
    again = Council.open(PROJECT / "sites" / "harrowmere", council.home)
    assert again.store.get(Zone.VAULT, "names", "names").collect()["name"].to_list() == ["of yesterday"]
    said = verdict()
    assert said.exit_code == 1 and "older than the log says" in said.output
    looked = dg.materialize(
        [audit.looked_at], resources={"council": again}, tags={NIGHT: str(TONIGHT)}, raise_on_error=False,
        instance=dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}),
    )  # fmt: skip
    assert not looked.success
