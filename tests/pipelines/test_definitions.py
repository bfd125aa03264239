"""What Dagster is given: a job a feed, the schedule, the sensor, stages as groups; and what the command says."""

import os
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from assets.context import NIGHT, Council
from governance.keys import create, key_file
from pipelines.cli import main
from pipelines.definitions import build
from pipelines.guard import StepFailed
from warehouse.site import PROJECT, SiteError


@pytest.fixture
def council(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Council:
    home = tmp_path / "home"
    monkeypatch.setenv("KINFOLD_HOME", str(home))
    monkeypatch.delenv("KINFOLD_KEY", raising=False)
    create(key_file(home))
    return Council.open()


def test_each_feed_has_a_job_its_assets_and_a_freshness_policy(council: Council) -> None:
    defs = build(council)
    graph = defs.resolve_asset_graph()
    for feed in council.contracts:
        assert defs.resolve_job_def("ingest_" + feed.replace("-", "_"))
        spec = graph.get(dg.AssetKey([feed, "accepted"]))
        assert spec.freshness_policy is not None and spec.group_name == "feeds"
        assert graph.get(dg.AssetKey([feed, "quarantined"])) and graph.get(dg.AssetKey([feed, "landed"]))
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == {"feeds", "people", "history", "risk", "summaries", "sharing", "marts", "monitoring"}


def test_the_code_location_loads_as_the_web_server_loads_it(council: Council) -> None:
    repository = build(council).get_repository_def()
    repository.load_all_definitions()  # refuses what single jobs do not: two things of one name
    assert repository.has_job("nightly") and repository.has_job("decide_delivery")


def test_the_night_waits_for_no_feed_and_publishes_last(council: Council) -> None:
    nightly = build(council).resolve_job_def("nightly")
    names = [node.name for node in nightly.nodes_in_topological_order]
    assert names[-1] == "published"
    assert not any(name.startswith("ingest_") for name in names)


def test_the_schedule_names_the_night_that_it_starts(council: Council) -> None:
    defs = build(council)
    schedule = defs.resolve_schedule_def("every_night")
    at = datetime(2026, 11, 21, 2, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.tags[NIGHT] == "2026-11-21" and schedule.execution_timezone == "Europe/London"


def test_the_sensor_asks_for_a_run_for_each_delivery_that_has_been_quiet(council: Council) -> None:
    import os
    import time

    defs = build(council)
    sensor = defs.resolve_sensor_def("drop_folder")
    drop = council.home / "drop" / "police"
    drop.mkdir(parents=True)
    for name, age in (
        ("missing_2026-11-20.csv", 600),
        ("incidents_2026-11-20.csv", 1),
        ("missing_2026-11-21.csv.part", 600),
    ):
        (drop / name).write_text("x")
        os.utime(drop / name, (time.time() - age,) * 2)
    result = sensor()
    assert isinstance(result, dg.SensorResult)
    requests = result.run_requests or []
    assert [p.partition_keys for p in result.dynamic_partitions_requests or []] == [["2026-11-20"]]
    assert [(r.job_name, r.partition_key) for r in requests] == [("ingest_police_missing", "2026-11-20")]


def test_a_look_at_the_drop_folder_that_fails_repeats_nothing_of_what_lies_there(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = council.home / "drop" / "police"
    drop.mkdir(parents=True)
    (drop / "missing_Quetzalqx_2026-11-20.csv").write_text("x")
    landed = council.home / "landing" / "police-missing" / "2026-11-20"
    landed.mkdir(parents=True)
    (landed / "delivery.json").write_text('{"digest": "", "files": [{"Quetzalqx": 1}]}')
    monkeypatch.setattr("pipelines.definitions.QUIET", timedelta(0))
    with pytest.raises(StepFailed, match=r"drop_folder stopped on TypeError at feeds/deliveries\.py") as told:
        build(council).resolve_sensor_def("drop_folder")()
    assert "Quetzalqx" not in "".join(traceback.format_exception(told.value))


def test_a_mistake_in_a_contract_stops_loading_with_file_line_and_remedy(
    council: Council, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    site = shutil.copytree(council.site.parent, tmp_path / "sites") / council.site.name  # contracts extend the library
    contract = site / "feeds" / "police-incidents.odcs.yaml"
    contract.write_text(contract.read_text().replace("surname: surname", "surnme: surname", 1))
    monkeypatch.setenv("KINFOLD_SITE", str(site))
    with pytest.raises(SiteError, match=r"police-incidents\.odcs\.yaml:\d+: .*surnme"):
        Council.open()
    said = CliRunner().invoke(main, ["check"])
    assert said.exit_code == 1 and "police-incidents.odcs.yaml" in said.output and "Traceback" not in said.output


def test_a_team_that_does_not_exist_is_refused_before_anything_runs(council: Council, tmp_path: Path) -> None:
    import shutil

    from governance.organisation import load_organisation

    site = shutil.copytree(council.site.parent, tmp_path / "sites") / council.site.name
    file = site / "site.yaml"
    file.write_text(file.read_text().replace("marts_for: analysts", "marts_for: analyst"))
    with pytest.raises(SiteError, match=r"site\.yaml:\d+: .*analyst"):
        load_organisation(site)


def test_the_data_dictionary_is_as_the_definitions_say() -> None:
    said = CliRunner().invoke(main, ["dictionary"])
    assert (PROJECT / "docs" / "data-dictionary.md").read_text(encoding="utf-8") == said.output, (
        "run `kinfold dictionary > docs/data-dictionary.md`"
    )


def test_every_command_helps() -> None:
    for command in ("demo", "generate", "ingest", "night", "check", "retrain", "serve", "keys", "audit", "dictionary"):
        said = CliRunner().invoke(main, [command, "--help"])
        assert said.exit_code == 0 and len(said.output.splitlines()) > 3


def test_a_command_whose_reader_has_seen_enough_ends_quietly() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "pipelines.cli", "dictionary"]
    with os.fdopen(writes, "wb") as out:
        done = subprocess.run(command, cwd=PROJECT, stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b""


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_and_place_alone(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    (council.home / "ledger" / "nights").mkdir(parents=True, exist_ok=True)
    (council.home / "ledger" / "nights" / "current").symlink_to("Quetzalqx.json")  # no date, so no night
    said = CliRunner().invoke(main, ["night", "--date", "2026-11-20"])
    assert said.exit_code == 1 and "Quetzalqx" not in said.output and "Traceback" not in said.output
