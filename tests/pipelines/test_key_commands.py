"""`kinfold keys`: each command says what it did and what to do next, and never shows a key."""

from __future__ import annotations

import base64

import polars as pl
import pytest
from click.testing import CliRunner

from governance.keys import KeyRing
from governance.vault import Vault
from pipelines.cli import main
from warehouse.store import Store
from warehouse.tables import Zone


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE", "KINFOLD_KEY_COMMAND", "KINFOLD_NEW_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KINFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KINFOLD_STATE", str(tmp_path / "dagster"))
    return tmp_path / "home"


def say(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["keys", *words])
    return done.exit_code, done.output


def test_a_key_is_made_shown_by_status_rotated_and_retired(home):
    code, told = say("status")
    assert code == 1 and "kinfold keys init" in told
    code, told = say("init")
    assert code == 0 and "Copy it to a safe place" in told
    assert say("init")[0] == 1
    Store(home, Vault(KeyRing.load(home))).put(
        Zone.VAULT, "feed/a/2026-11-20", {"person": pl.DataFrame({"surname": ["A"]})}
    )
    code, told = say("status")
    assert code == 0 and "mode 600, outside the data" in told
    assert [line.split()[-1] for line in told.splitlines() if line.startswith("vault  ")] == ["1"]
    first = (home.parent / "home.key").read_text().strip()
    code, told = say("rotate", "master")
    assert code == 0 and "home.key.until-" in told
    code, told = say("rotate", "vault")
    assert code == 0 and "1 files brought under generation 2" in told
    code, told = say("retire", "1")
    assert code == 1 and "less than a day ago" in told
    code, told = say("status")
    assert code == 0 and "is an older one" in told and "`kinfold keys retire 1` once a day has passed" in told
    second = (home.parent / "home.key").read_text().strip()
    assert first != second and not any(key in told for key in (first, second))
    (home.parent / "home.key").chmod(0o644)
    code, told = say("status")
    assert code == 1 and "chmod 600" in told


def test_a_key_of_the_environment_is_rotated_by_a_file(home, tmp_path, monkeypatch):
    monkeypatch.setenv("KINFOLD_KEY", base64.b64encode(bytes(range(32))).decode())
    code, told = say("init")
    assert code == 0 and "the variable KINFOLD_KEY" in told and not (tmp_path / "home.key").exists()
    code, told = say("rotate", "master")
    assert code == 1 and "KINFOLD_NEW_KEY (base64) or --new-key-file" in told
    new = tmp_path / "new"
    new.write_bytes(base64.b64encode(bytes(range(1, 33))))
    code, told = say("rotate", "master", "--new-key-file", str(new))
    assert code == 1 and "chmod 600" in told
    new.chmod(0o600)
    code, told = say("rotate", "master", "--new-key-file", str(new))
    assert code == 0 and "restart Kinfold's services" in told
    assert say("status")[0] == 1
    monkeypatch.setenv("KINFOLD_KEY", new.read_text())
    code, told = say("status")
    assert code == 0 and "the variable KINFOLD_KEY" in told and new.read_text() not in told
