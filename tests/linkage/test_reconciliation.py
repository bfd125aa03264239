"""The weekly proof finds what is wrong with the links that stand. (A night that is killed: tests/pipelines.)"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner
from test_linkage_night import churn
from village import START, village

from assets import linking
from assets.agreements import accept
from assets.context import NIGHT, Council
from assets.monitoring import USED
from governance.keys import KeyRing, create, key_file
from governance.vault import Vault
from linkage import decisions
from linkage.model import VERSION, Model
from linkage.settings import Settings
from pipelines.cli import main
from warehouse.site import PROJECT, site
from warehouse.store import Store
from warehouse.tables import MATCH_EDGE, PERSON_LINK, SOURCE_RECORD, Zone

NEXT = START + timedelta(days=1)


def run(asset: dg.AssetsDefinition, council: Council, night: object) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset], resources={"council": council}, tags={NIGHT: str(night)}, raise_on_error=False,
        instance=dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def council(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    """Two nights linked and published, with decisions by people in between; the records of a third have come."""
    home = tmp_path_factory.mktemp("council") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINFOLD_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(PROJECT))
        patch.setenv("KINFOLD_STATE", str(home.parent / "dagster"))
        patch.delenv("KINFOLD_KEY", raising=False)
        patch.delenv("KINFOLD_KEY_FILE", raising=False)
        create(key_file(home))
        accept(site(), home, "test")
        council = Council.open()
        in_force = pl.DataFrame({"model_id": [model.model_id]})
        council.store.put(Zone.VAULT, linking.MODEL, {"in_force": in_force, **model.frequencies})
        model.save(home / linking.FOLDER / model.model_id)
        records = village(200)[0]
        none = pl.DataFrame(schema={"feed": pl.String, "delivery": pl.String, "basis": pl.String})
        for step, rows in enumerate((records, churn(records, 71, 0.005), churn(records, 72, 0.005))):
            night = START + timedelta(days=step)
            council.store.put(Zone.LEDGER, f"{USED}/{night}", {USED: none})
            council.store.write(SOURCE_RECORD, night, rows)
            if step < 2:
                result = run(linking.link, council, night)
                assert result.success
                assert {c.check_name for c in result.get_asset_check_evaluations()} == {c.name for c in linking.CHECKS}
                council.store.publish(night, {})
                one, other = council.store.read(PERSON_LINK, night)["record_id"].head(2)
                said = {"record_l": one, "record_r": other, "verdict": "same", "who": "ann"}
                decisions.decide(council.store, pl.DataFrame([said | {"decided_at": datetime(2026, 11, 20, step)}]))
        yield council


def proof(council: Council) -> dg.AssetCheckEvaluation:
    (check,) = run(linking.linkage_reconciliation, council, NEXT).get_asset_check_evaluations()
    return check


def test_links_that_stand_as_they_were_made_pass_the_proof(council: Council) -> None:
    said = CliRunner().invoke(main, ["reconcile"])
    assert said.exit_code == 0 and "gave what linking everything gives" in said.output
    kept = council.store.get(Zone.LEDGER, f"{linking.RECONCILED}/{NEXT}", "differences").collect()
    assert kept.height > 5 and kept["count"].sum() == 0


def test_one_corrupted_edge_or_link_is_an_alarm_that_names_it_by_pseudonyms(council: Council) -> None:
    edges, links = council.store.read(MATCH_EDGE, NEXT), council.store.read(PERSON_LINK, NEXT)
    place = pl.int_range(pl.len()) == 17
    wrong = edges.with_columns(pl.when(place).then(99.0).otherwise("match_weight").alias("match_weight"))
    council.store.write(MATCH_EDGE, NEXT, wrong.filter(pl.int_range(pl.len()) != 40))
    moved = links.with_columns(pl.when(place).then(pl.lit("0" * 32)).otherwise("person_id").alias("person_id"))
    council.store.write(PERSON_LINK, NEXT, moved)
    try:
        check = proof(council)
        assert not check.passed and check.blocking and check.severity is dg.AssetCheckSeverity.ERROR
        counts = {what: value.value for what, value in check.metadata.items()}
        assert counts["weights"] == 1 and counts["people"] == 1
        assert counts["pairs of a full run that were not kept"] == 1
        assert counts["first of weights"] == edges["record_l"][17]
        assert counts["first of people"] == links["record_id"][17]
        kept = council.store.get(Zone.LEDGER, f"{linking.RECONCILED}/{NEXT}", "differences").collect()
        assert kept.filter(what="weights")["first"].to_list() == [[edges["record_l"][17]]]
    finally:
        council.store.write(MATCH_EDGE, NEXT, edges)
        council.store.write(PERSON_LINK, NEXT, links)


def test_a_night_after_an_upgrade_trains_anew_by_what_the_site_and_the_reviewers_say(
    council: Council, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    create(key_file(home))
    monkeypatch.setenv("KINFOLD_HOME", str(home))
    fresh = replace(Council.open(), linkage=Settings(caps={"telephone": 30}))
    rows = village(550, seed=3)[0]
    fresh.store.write(SOURCE_RECORD, START, rows)
    older = linking.load_model(council)
    text = older.text().replace(f'"version": {VERSION}', '"version": 1')
    assert text != older.text()
    (home / linking.FOLDER / older.model_id).mkdir(parents=True)
    (home / linking.FOLDER / older.model_id / "model.json").write_text(text)
    in_force = pl.DataFrame({"model_id": [older.model_id]})
    fresh.store.put(Zone.VAULT, linking.MODEL, {"in_force": in_force, **older.frequencies})
    assert "by another Kinfold" in CliRunner().invoke(main, ["check"]).output
    same = rows.drop_nulls("nhs_number").filter(pl.len().over("nhs_number") > 1).sort("nhs_number")["record_id"].head(2)
    said = {"record_l": same[0], "record_r": same[1], "verdict": "same", "who": "ann"}
    decisions.decide(fresh.store, pl.DataFrame([said | {"decided_at": datetime(2026, 11, 20)}]))

    first = run(linking.linkage_model, fresh, START)
    (check,) = first.get_asset_check_evaluations()
    assert first.success and check.passed
    model = linking.load_model(fresh)
    assert model.settings == fresh.linkage and model.facts["pairs_reviewed"] == 1

    other = replace(fresh, linkage=Settings(cut=5.0))
    (check,) = run(linking.linkage_model, other, START).get_asset_check_evaluations()
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert "cut, caps differ" in str(check.metadata["to do"].value)
    assert linking.load_model(other).model_id == model.model_id
    told = CliRunner().invoke(main, ["check"])  # the site itself has chosen nothing
    assert told.exit_code == 0 and "caps differ" in told.output and "kinfold retrain linkage" in told.output


def test_decisions_killed_while_they_are_written_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    code = """
import sys; from datetime import datetime; from pathlib import Path; import polars as pl
from governance.keys import KeyRing; from governance.vault import Vault; from linkage import decisions
from warehouse.store import Store
store = Store(Path(sys.argv[1]), Vault(KeyRing(b"k" * 32)))
for n in range(int(sys.argv[2]), 10**9):
    rows = {"record_l": [f"a{n}", f"b{n}"], "record_r": [f"x{n}"] * 2, "verdict": "same", "who": "ann"}
    decisions.decide(store, pl.DataFrame(rows).with_columns(decided_at=datetime(2026, 1, 1)))
    print(n, flush=True)
"""
    home, draw, sure = tmp_path / "home", random.Random(2), 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), str(sure)], cwd=PROJECT, stdout=subprocess.PIPE
        )
        assert process.stdout and process.stdout.readline()
        time.sleep(draw.uniform(0, 0.2))
        process.kill()
        said = process.communicate()[0].split()
        kept = decisions.read(Store(home, Vault(KeyRing(b"k" * 32))))
        assert kept.height % 2 == 0 and kept.height // 2 >= (int(said[-1]) + 1 if said else sure + 1)
        assert kept["record_l"].str.slice(1).cast(pl.Int64).to_list() == [
            n for n in range(kept.height // 2) for _ in "ab"
        ]
        sure = kept.height // 2
