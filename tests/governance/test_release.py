"""Nothing leaves but what an agreement permits, logged before it is there, and gone on its day."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from governance.agreements import Agreements, load_agreements
from governance.audit import AuditError, AuditLog
from governance.keys import KeyRing
from governance.release import Item, Releaser, ReleaseRefused
from governance.stamp import PLACE
from warehouse.tables import RELEASE

SITE = Path(__file__).parents[2] / "sites/harrowmere"
NIGHT = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 2)
PERSON, ADULT = f"{7:032x}", f"{8:032x}"
SUBJECTS = pl.DataFrame(
    {"person_id": [PERSON, ADULT], "age": [9, 40], "open_to": [None, None]},
    schema={"person_id": pl.String, "age": pl.Int32, "open_to": pl.List(pl.String)},
)
SUMMARY = Item(
    kind="summary",
    team="mash",
    role="social_worker",
    reason="open_case",
    person_id=PERSON,
    content=b"<p>Secret Name</p>",
    shared=("council: identity", "police: missing_episode", "police: domestic_abuse", "schools: exclusion"),
    withheld=("police: incident_suspect",),
)


@pytest.fixture
def log(tmp_path) -> AuditLog:
    return AuditLog(tmp_path / "audit", b"k" * 32)


@pytest.fixture
def releaser(tmp_path, log) -> Releaser:
    return Releaser(tmp_path / "outbox", load_agreements(SITE), log, KeyRing(b"k" * 32))


def files(tmp_path: Path) -> list[Path]:
    return sorted(p for p in (tmp_path / "outbox").rglob("*") if p.is_file())


def test_a_summary_leaves_with_its_row_its_file_and_its_log_entry(releaser, log, tmp_path):
    frame = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert frame.schema == RELEASE.schema
    row = frame.row(0, named=True)
    path = tmp_path / "outbox" / row["file"]
    assert path.read_bytes().startswith(SUMMARY.content)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert row["agreement"] == "multi-agency-safeguarding v3"
    assert row["expires_on"] == date(2026, 12, 4)
    assert path.name == f"{row['release_id']}_until_2026-12-04.html"
    entry = log.frame().row(0, named=True)
    assert entry["agreement"] == "multi-agency-safeguarding v3 shares[0], shares[3], shares[11]"
    assert (entry["action"], entry["person_id"], entry["release_id"]) == ("release", PERSON, row["release_id"])
    assert log.verify() == []


def test_a_person_stands_in_no_file_name(releaser, tmp_path):
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert PERSON not in str(files(tmp_path))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shared": ("police: incident_suspect",)}, "no agreement shares police: incident_suspect"),
        ({"team": "early-help", "role": "early_help_worker"}, "no agreement shares police: domestic_abuse"),
        ({"role": "receptionist"}, "no agreement shares council: identity"),
        ({"reason": "curiosity"}, "no agreement shares council: identity"),
        ({"person_id": ADULT}, "council: identity is not shared about this person"),
        ({"person_id": f"{9:032x}"}, "council: identity is not shared about this person"),
        ({"person_id": None}, "council: identity is not shared about this person"),
        ({"shared": ()}, "does not say what it shows"),
        ({"shared": (), "person_id": None}, "does not say what it shows"),
        ({"shared": (), "kind": "report"}, "does not say what it shows"),
        ({"shared": (), "kind": "report", "person_id": None, "role": "analyst"}, "the team has no such role"),
        ({"team": "../elsewhere"}, "cannot be part of a file name"),
        ({"suffix": "/../x"}, "cannot be part of a file name"),
    ],
)
def test_what_is_not_permitted_stays_inside_and_the_refusal_is_logged(releaser, log, tmp_path, changes, why):
    with pytest.raises(ReleaseRefused, match="1 of 2 files may not leave") as caught:
        releaser.release_many([SUMMARY, replace(SUMMARY, **changes)], NIGHT, NOW, SUBJECTS)
    assert why in str(caught.value)
    assert files(tmp_path) == []
    assert log.frame()["action"].to_list() == ["refuse"]


def test_an_expired_agreement_lets_nothing_out(releaser, tmp_path):
    with pytest.raises(ReleaseRefused):
        releaser.release(SUMMARY, date(2027, 4, 1), NOW, SUBJECTS)
    assert files(tmp_path) == []


def test_nobody_is_covered_where_no_subjects_are_given(releaser):
    with pytest.raises(ReleaseRefused, match="not shared about this person"):
        releaser.release(SUMMARY, NIGHT, NOW)


def test_whoever_lives_with_a_covered_person_is_covered(releaser):
    at_home = SUBJECTS.with_columns(household_covered=pl.lit(True))
    assert releaser.release(replace(SUMMARY, person_id=ADULT), NIGHT, NOW, at_home).height == 1


def test_a_kind_of_file_that_the_agreement_does_not_keep_stays_inside(releaser):
    item = Item("summary", "analysts", "analyst", "service_planning", None, b"x", ("schools: exclusion",))
    with pytest.raises(ReleaseRefused, match="allows no summary to be kept"):
        releaser.release(item, NIGHT, NOW)
    with pytest.raises(ReleaseRefused, match="no agreement in force has such an export"):
        releaser.release(replace(item, kind="export"), NIGHT, NOW)
    assert releaser.release(replace(item, kind="report"), NIGHT, NOW)["expires_on"].item() == date(2027, 2, 18)


def test_a_report_about_no_person_needs_no_agreement_but_is_logged(releaser, log):
    item = Item("report", "mash", "mash_manager", "open_case", None, b"counts", name="quality")
    row = releaser.release(item, NIGHT, NOW).row(0, named=True)
    assert (row["agreement"], row["expires_on"]) == (None, None)
    assert log.frame().height == 1


def test_a_recall_says_until_when_copies_may_be_about_and_a_report_about_nobody_does_not(releaser):
    item = Item("recall", "mash", "mash_manager", "open_case", None, b"counts", name="a", until=date(2027, 1, 1))
    assert releaser.release(item, NIGHT, NOW)["expires_on"].item() == item.until
    assert releaser.release(replace(item, kind="report"), NIGHT, NOW)["expires_on"].item() is None


def test_no_export_leaves_that_nothing_says_how_long_to_keep(tmp_path, log):
    made = load_agreements(SITE)
    (outgoing,) = made.exports(NIGHT)
    item = Item(
        "export", outgoing.team, "analyst", "service_planning", None, b"x", ("childrens-services: contact",),
        name=outgoing.terms.name, export=outgoing,
    )  # fmt: skip
    for kept in (True, False):
        terms = [
            each if kept else each.model_copy(update={"retention": each.retention.model_copy(update={"export": None})})
            for each in made
        ]
        gate = Releaser(tmp_path / "outbox", Agreements(terms, made.council), log, KeyRing(b"k" * 32))
        if kept:
            assert gate.release(item, NIGHT, NOW)["expires_on"].item() > NIGHT
        else:
            with pytest.raises(ReleaseRefused, match="allows no export to be kept"):
                gate.release(item, NIGHT, NOW)


def test_a_night_run_again_leaves_one_copy_and_the_same_rows(releaser, log, tmp_path):
    first = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    (files(tmp_path)[0].parent / ".half-written~0a").write_bytes(b"Secret")
    second = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert first.equals(second)
    assert [p.name for p in files(tmp_path)] == [Path(first["file"].item()).name]
    assert log.frame().height == 2


def test_a_copy_with_another_day_of_expiry_is_replaced(releaser, tmp_path):
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS).row(0, named=True)
    path = tmp_path / "outbox" / row["file"]
    path.rename(path.with_name(f"{row['release_id']}_until_2027-01-01.html"))
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert files(tmp_path) == [path]


def test_two_nights_two_kinds_and_two_reports_are_different_releases(releaser):
    report = Item("report", "mash", "mash_manager", "open_case", None, b"", name="a")
    made = [
        *releaser.release_many([SUMMARY, report, replace(report, name="b")], NIGHT, NOW, SUBJECTS)["release_id"],
        *releaser.release(SUMMARY, NIGHT + timedelta(days=1), NOW, SUBJECTS)["release_id"],
    ]
    assert len(set(made)) == 4


def test_nothing_leaves_where_the_log_cannot_be_trusted(releaser, log, tmp_path):
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    log.path.write_bytes(b"")
    for path in files(tmp_path):
        path.unlink()
    with pytest.raises(AuditError):
        releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert files(tmp_path) == []


def test_files_go_on_their_day_and_not_before(releaser, tmp_path):
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert releaser.sweep(date(2026, 12, 3)).gone == 0
    assert len(files(tmp_path)) == 1
    assert releaser.sweep(date(2026, 12, 4)).gone == 1
    assert files(tmp_path) == []


def test_thousands_leave_in_batches_from_a_generator(releaser, log):
    people = [f"{n:032x}" for n in range(4500)]
    subjects = SUBJECTS.clear().vstack(
        pl.DataFrame({"person_id": people, "age": 3, "open_to": None}, schema=SUBJECTS.schema)
    )
    items = (replace(SUMMARY, person_id=p) for p in people)
    made = releaser.release_many(items, NIGHT, NOW, subjects)
    assert made["person_id"].to_list() == people
    assert log.frame()["release_id"].to_list() == made["release_id"].to_list()
    assert log.verify() == []


def test_an_item_does_not_show_its_content():
    assert "Secret" not in repr(SUMMARY)


def test_a_file_that_another_process_is_writing_is_left_alone_and_a_dead_ones_goes(releaser, tmp_path):
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    folder = files(tmp_path)[0].parent
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    alive, dead = folder / f".a.html~{os.getppid()}-0a", folder / f".b.html~{done.pid}-0b"
    for path in (alive, dead):
        path.write_bytes(b"half")
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert alive.exists() and not dead.exists()


def test_a_report_that_a_newer_one_replaces_is_taken_back_and_nothing_else_can_be(releaser, tmp_path):
    file = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)["file"].item()
    team, name = file.split("/")
    outside = [tmp_path / "kept.html", tmp_path / name]  # beside the outbox, one of them called as a release is
    for path in outside:
        path.write_bytes(b"x")
    listing = tmp_path / "outbox" / team / "index.html"
    listing.write_bytes(b"x")
    other = tmp_path / "outbox" / "other-team" / name
    other.parent.mkdir()
    other.write_bytes(b"x")
    away = [
        "../kept.html",
        f"../{name}",
        f"{team}/../../kept.html",
        f"{team}/../other-team/{name}",
        f"{team}/../../{name}",
    ]
    releaser.retire([*away, f"{team}/index.html"])
    assert listing.exists() and all(path.exists() for path in (*outside, other))
    other.unlink()
    listing.unlink()
    for path in outside:
        path.unlink()
    releaser.retire([file, file])
    assert not files(tmp_path)


def test_what_a_caller_made_up_is_no_word_of_the_log(releaser, log):
    made_up = "Gertrude Pemberton"
    for changes in ({"role": made_up}, {"reason": made_up}, {"team": made_up.lower().replace(" ", "-")}):
        with pytest.raises(ReleaseRefused):
            releaser.release(replace(SUMMARY, **changes), NIGHT, NOW, SUBJECTS)
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    told = log.frame().select("team", "role", "reason").rows()
    assert told == [
        ("mash", "unknown", "open_case"), ("mash", "social_worker", "unknown"), ("unknown", "unknown", "open_case"),
        ("mash", "social_worker", "open_case"),
    ]  # fmt: skip


OWN = Item(
    "subject", "information-rights", "data_protection_officer", "subject_access", PERSON, b"<p>Secret Name</p>",
    ("council: identity",), until=date(2027, 1, 19),
)  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"team": "mash", "role": "social_worker"},
        {"team": "police-data", "role": "data_owner"},
        {"role": "social_worker"},
        {"reason": "open_case"},
        {"person_id": None},
        {"until": None},
        {"shared": ()},
    ],
    ids=str,
)
def test_a_persons_own_data_goes_to_those_who_answer_them_and_says_until_when(releaser, tmp_path, changes):
    row = releaser.release(OWN, NIGHT, NOW, SUBJECTS).row(0, named=True)
    assert row["expires_on"] == OWN.until and len(files(tmp_path)) == 1
    with pytest.raises(ReleaseRefused):
        releaser.release(replace(OWN, **changes), NIGHT, NOW, SUBJECTS)
    assert len(files(tmp_path)) == 1


def test_no_team_of_a_partner_is_given_anybodys_own_data_whatever_reason_it_has(tmp_path, log):
    made = load_agreements(SITE)
    team = made.council.teams["information-rights"].model_copy(update={"party": "police"})
    council = made.council.model_copy(update={"teams": made.council.teams | {"information-rights": team}})
    with pytest.raises(ReleaseRefused, match="a team of the council alone"):
        gate = Releaser(tmp_path / "outbox", Agreements(made, council), log, KeyRing(b"k" * 32))
        gate.release(OWN, NIGHT, NOW, SUBJECTS)


def test_a_page_that_has_a_place_for_the_stamp_has_it_there_once(releaser, tmp_path):
    page = f"<html><body><p>first</p>{PLACE}<p>last</p></body></html>".encode()
    releaser.release(replace(SUMMARY, content=page), NIGHT, NOW, SUBJECTS)
    (path,) = files(tmp_path)
    text = path.read_text()
    assert text.startswith("<html><body><p>first</p>") and text.endswith("<p>last</p></body></html>")
    assert PLACE not in text and text.count("Purpose") == 1
