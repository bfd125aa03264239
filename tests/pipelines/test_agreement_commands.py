"""What whoever keeps the agreements types: check, explain, matrix, diff and accept."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from governance.acceptance import register_file
from governance.keys import create, key_file
from pipelines.cli import main
from warehouse.site import PROJECT

KEPT = ("adult-support", "data-quality")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A council with two agreements and no feeds, and a key."""
    folder = tmp_path_factory.mktemp("agreed")
    site = folder / "sites" / "harrowmere"
    shutil.copytree(PROJECT / "sites" / "harrowmere", site)
    for file in (*(site / "feeds").iterdir(), *(site / "agreements").iterdir()):
        if file.name.partition(".")[0] not in KEPT:
            file.unlink()
    for file in ("retention.yaml", "aggregates.yaml"):
        (site / file).unlink(missing_ok=True)
    create(key_file(folder / "home"))
    return folder


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE", "KINFOLD_AUDIT_COPY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KINFOLD_HOME", str(place / "home"))
    monkeypatch.setenv("KINFOLD_SITE", str(place / "sites" / "harrowmere"))


def run(*arguments: str, ok: bool = True, answer: str | None = None) -> Result:
    done = CliRunner().invoke(main, ["agreements", *arguments], input=answer)
    assert (done.exit_code == 0) == ok, done.output
    return done


def test_a_new_council_is_told_what_to_run_sees_what_it_opens_and_accepts_it_in_two_commands(place: Path) -> None:
    told = run("check", "--date", "2026-11-20", ok=False).output
    assert "gives nothing" in told and "kinfold agreements accept adult-support --who NAME" in told
    assert "opens   Adult Social Care receives" in run("diff", "adult-support").output
    refused = run("accept", "--all", "--who", "A. Guardian", ok=False, answer="n\n")
    assert "Accept adult-support v2, data-quality v1 in the name of A. Guardian?" in refused.output
    assert not register_file(place / "home").exists()
    assert "Accepted adult-support v2" in run("accept", "--all", "--who", "A. Guardian", answer="y\n").output
    assert "adult-support v2: in force" in run("check", "--date", "2026-11-20", ok=False).output
    assert "Every agreement stands as it was accepted" in run("diff").output
    assert register_file(place / "home").stat().st_mode & 0o077 == 0


def test_a_changed_agreement_is_shown_and_needs_a_newer_signature(place: Path) -> None:
    file = place / "sites/harrowmere/agreements/adult-support.agreement.yaml"
    kept = file.read_text()
    file.write_text(kept.replace("domestic_abuse], look_back: 1y", "domestic_abuse], look_back: 5y"))
    told = run("diff").output
    assert "adult-support v2 against adult-support v2, accepted by A. Guardian" in told
    assert (
        "opens   Adult Social Care, victim in an incident, domestic abuse incidents of police: everything, 5y" in told
    )
    assert "gives nothing new until it is accepted" in run("check", "--date", "2026-11-20", ok=False).output
    of_all = CliRunner().invoke(main, ["check"]).output
    assert "adult-support v2: what was changed since it was accepted by A. Guardian" in of_all
    refused = run("accept", "adult-support", "--who", "A. Guardian", "--yes", ok=False)
    assert "Let it be signed again" in refused.output
    file.write_text(kept)


def test_the_matrix_and_an_explanation_are_written_for_people(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "matrix.html"
    told = run("matrix", "--date", "2026-11-20", "--team", "adult-social-care", "--html", str(page)).output
    assert "Unpaid carers" in told and "Signature" in page.read_text()
    assert page.stat().st_mode & 0o077 == 0
    assert "It was accepted by A. Guardian" in run("explain", "adult-support", "--date", "2026-11-20").output


@pytest.mark.parametrize("arguments", [("explain", "adult-suport"), ("accept", "adult-suport", "--who", "x", "--yes")])
def test_a_name_that_is_not_there_is_answered_with_the_nearest(arguments: tuple[str, ...]) -> None:
    assert "Did you mean 'adult-support'?" in run(*arguments, ok=False).output


@pytest.mark.parametrize("who", ["", "  ", "A\nB", "A\u202eB"])
def test_an_attacker_cannot_accept_under_no_name_or_one_that_reads_otherwise(who: str) -> None:
    assert "say in one line who accepts" in run("accept", "--all", "--who", who, "--yes", ok=False).output


def test_a_forged_register_stops_everything_in_words(place: Path) -> None:
    path = register_file(place / "home")
    kept = path.read_text()
    path.write_text(kept.replace("A. Guardian", "B. Guardian"))
    assert "changed by hand, or sealed under another key" in run("check", ok=False).output
    path.write_text(kept)
