"""A contract tried on a file shows what would become of each row, names nobody and leaves nothing."""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path

import pytest
from feedhouse import HEADER, NOW, Make

from feeds.workshop.explaining import explain
from feeds.workshop.trial import attempt, told
from warehouse.site import SiteError

ROWS = "1,Gertrude,Bocanegra,01/02/2010,F,2026-01-01\n2,Ben,Oxenbould,31/02/2010,M,2026-01-02\n"


def sample(tmp_path: Path, text: str = HEADER + ROWS) -> Path:
    file = tmp_path / "sample.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_trial_says_what_would_be_accepted_and_which_rows_break_which_rule(make: Make, tmp_path: Path) -> None:
    trial = attempt(make(), [sample(tmp_path)], tmp_path / "protected", NOW)
    assert (trial.load.received, trial.load.accepted, trial.load.quarantined) == (2, 1, 1)
    assert trial.quarantined.rows() == [("person", "dob is a date written dd/MM/yyyy", 1, [3])]
    assert trial.made["event"].height == 1
    assert "set aside" in told(trial)


def test_a_trial_names_nobody_and_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    file = sample(tmp_path)
    text = told(attempt(make(), [file], tmp_path / "protected", NOW))
    assert not any(value in text for value in ("Gertrude", "GERTRUDE", "Bocanegra", "BOCANEGRA", "2010-02-01"))
    assert "forename G**; surname B**; birth_date 2010" in text
    assert list((tmp_path / "protected").iterdir()) == []
    assert file.is_file()


def test_what_a_killed_trial_left_behind_goes_with_the_next(make: Make, tmp_path: Path) -> None:
    left, running = tmp_path / "protected" / "trial-old", tmp_path / "protected" / "trial-now"
    for folder, age in ((left, 24 * 3600), (running, 60)):
        folder.mkdir(parents=True)
        os.utime(folder, (NOW.replace(tzinfo=UTC).timestamp() - age,) * 2)
    attempt(make(), [sample(tmp_path)], tmp_path / "protected", NOW)
    assert list((tmp_path / "protected").iterdir()) == [running]


def test_a_file_that_is_refused_whole_says_why(make: Make, tmp_path: Path) -> None:
    trial = attempt(make(), [sample(tmp_path, "a,b\n1,2\n")], tmp_path / "protected", NOW)
    assert trial.load.status == "rejected"
    assert (trial.load.reason or "") in told(trial)
    assert list((tmp_path / "protected").iterdir()) == []


def test_a_missing_file_is_told(make: Make, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="no such file"):
        attempt(make(), [tmp_path / "gone.csv"], tmp_path / "protected", NOW)


def test_a_contract_is_explained_in_plain_words(make: Make) -> None:
    text = explain(make())
    assert "One row for each ref." in text
    assert "dob: date written dd/MM/yyyy" in text
    assert "sex is one of M, F: sets the row aside." in text
    assert "Describes a person, known as ref: forename, surname, birth date, sex." in text
    assert "the event offence, from since." in text
    assert max(map(len, text.splitlines())) <= 100
