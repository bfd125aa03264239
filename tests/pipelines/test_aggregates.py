"""Tables of counts leave by the agreements alone, and `kinfold aggregate` prints what left."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from assets import aggregates
from assets.agreements import accept
from assets.context import Council
from governance.disclosure.declared import Aggregate, load_aggregates
from governance.keys import create, key_file
from pipelines.cli import main
from warehouse.site import PROJECT, SiteError
from warehouse.tables import Zone

NIGHT = date(2026, 11, 20)
SITE = PROJECT / "sites" / "harrowmere"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINFOLD_HOME", str(tmp_path / "home"))
    create(key_file(tmp_path / "home"))
    return tmp_path / "home"


def asked(**more: object) -> Aggregate:
    told = {"name": "t", "plain_words": "T.", "count": "people", "by": ("sex",), "audience": "analysts"}
    return Aggregate.model_validate({**told, **more})


def test_an_attacker_cannot_have_a_table_made_of_what_no_agreement_shares(home: Path) -> None:
    council = Council.open(SITE, home)
    assert aggregates.shared(council, asked(), NIGHT) is None
    accept(SITE, home, "a test")
    council = Council.open(SITE, home)
    assert aggregates.shared(council, asked(), NIGHT) == ("council: household",)
    told = aggregates.shared(council, asked(count="events", event="hospital_attendance", by=("month",)), NIGHT)
    assert told == ("health-trust: hospital_attendance",)
    assert aggregates.shared(council, asked(audience="police-data"), NIGHT) is None
    assert aggregates.shared(council, asked(), date(2030, 1, 1)) is None


def test_the_command_prints_what_left_and_nothing_else(home: Path) -> None:
    council = Council.open(SITE, home)
    frame = pl.DataFrame(
        {"sex": ["F", "M"], "count": [40, None], "suppressed": [False, True], "why": [None, "disclosure"]}
    )
    council.store.put(Zone.LEDGER, aggregates.folder(NIGHT), {"state": pl.DataFrame(), "by_sex": frame})
    council.store.publish(NIGHT, {})
    said = CliRunner().invoke(main, ["aggregate", "by_sex"])
    assert said.exit_code == 0, said.output
    assert "suppressed" in said.output
    assert "40" in said.output
    listed = CliRunner().invoke(main, ["aggregate"]).output
    assert "2 cells" in listed
    assert CliRunner().invoke(main, ["aggregate", "state"]).exit_code != 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("by: [sax]", "there is no dimension 'sax'. Did you mean 'sex'"),
        ("by: [sex]\n    event: contact", "`event` names the type"),
        ("by: [service]", "is for 'analysts' alone"),
    ],
)
def test_a_mistake_in_a_declaration_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "site.yaml").write_text((SITE / "site.yaml").read_text())
    (tmp_path / "aggregates.yaml").write_text(
        f"aggregates:\n  - name: t\n    plain_words: T.\n    count: people\n    audience: mash\n    {line}\n"
    )
    with pytest.raises(SiteError, match=r"aggregates.yaml:\d+: ") as error:
        load_aggregates(tmp_path)
    assert said in str(error.value)
