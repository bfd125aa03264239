"""What the commands about linkage say, what they refuse, and that neither quotes what the data hold."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from assets.agreements import accept
from assets.context import Council
from assets.people import MODEL
from assets.sharing import audit_log
from governance.keys import create, key_file
from governance.pseudonyms import record_ids
from linkage import decisions, golden, review
from linkage.comparisons import COMPARISONS
from linkage.model import Model
from linkage.night import link
from pipelines.cli import main
from pipelines.review_desk import SAMPLES
from warehouse.site import PROJECT
from warehouse.tables import MATCH_EDGE, PERSON, PERSON_LINK, PERSON_PROFILE, PLACE, SOURCE_RECORD, Table, Zone

NIGHT = date(2026, 11, 20)
NAMES = ("ROSALIND", "EDMUND", "WINIFRED", "CORDELIA", "HORATIO", "PERDITA", "TIBALT", "ORLANDO", "VIOLETA", "LAERTES")
FEEDS = ("gp-register", "council-tax", "hospital")
CANARY = "QUIXOTELBY"  # part of every family name, that stands nowhere else


def put(council: Council, table: Table, frame: pl.DataFrame) -> None:
    none = [pl.lit(None, kind).alias(name) for name, kind in table.schema.items() if name not in frame.columns]
    rows = frame.with_columns(none).select(pl.col(name).cast(kind) for name, kind in table.schema.items())
    council.store.write(table, NIGHT, rows)


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Council:
    """A night of forty people, whom three feeds know; the third has half of the birth dates wrong."""
    place = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(PROJECT / "sites", place / "sites")
    home, site = place / "home", place / "sites" / "harrowmere"
    for file in (*(site / "feeds").iterdir(), *(site / "agreements").iterdir()):
        if file.name.partition(".")[0] not in FEEDS:
            file.unlink()  # every command reads what is there
    for file in ("retention.yaml", "rights.yaml", "aggregates.yaml"):  # they name agreements and feeds that went
        (site / file).unlink(missing_ok=True)
    create(key_file(home))
    accept(site, home, "test")
    council = Council.open(site, home)
    rows = []
    for n in range(40):
        name, born = NAMES[n % 10], date(1950 + n, 1 + n % 12, 1 + n % 28)
        surname = f"{CANARY}{'ABCDEFGHIJKLMNOPQRST'[n // 2] * 3}"
        for feed in FEEDS:
            day = born if feed != "hospital" or n % 2 else date(1950 + n, 1 + n % 12, 28 - n % 20)
            rows.append((feed, f"K{n}", n, name, surname, "MF"[n % 2], day, f"{n} MILL LANE", "QH1 1AA"))
    columns = ["feed", "source_key", "person", "forename", "surname", "sex", "birth_date", "address", "postcode"]
    told = pl.DataFrame(rows, schema=columns, orient="row")
    parts = told.partition_by("feed", as_dict=True)
    records = pl.concat(
        part.with_columns(record_ids(str(feed), part["source_key"], council.ring).alias("record_id"))
        for (feed,), part in parts.items()
    )
    truth = home.parent / "home-borough" / "truth"
    truth.mkdir(parents=True)
    told.select("feed", "source_key", "person").write_parquet(truth / "record.parquet")
    put(council, SOURCE_RECORD, records.with_columns(pl.struct(pl.all()).hash(1).alias("row_hash"), seen_on=NIGHT))
    even = {c.name: tuple(1 / len(c.levels) for _ in c.levels) for c in COMPARISONS}
    model = Model(0.05, {c.name: tuple(level.m for level in c.levels) for c in COMPARISONS}, even, 0.0, 3.0)
    model.save(home / "models" / "linkage" / model.model_id)
    council.store.put(Zone.VAULT, MODEL, {"in_force": pl.DataFrame({"model_id": [model.model_id]})})
    kept = council.store.read(SOURCE_RECORD, NIGHT)
    made = link(kept, None, model, NIGHT, council.ring.key("person"))
    people = golden.people(kept, made.links, {}, NIGHT)
    put(council, MATCH_EDGE, made.edges)
    put(council, PERSON_LINK, made.links)
    put(council, PERSON, people)
    put(council, PLACE, PLACE.empty())
    put(council, PERSON_PROFILE, golden.profiles(people, PLACE.empty(), NIGHT))
    council.store.publish(NIGHT, {})
    return council


@pytest.fixture
def kinfold(council: Council, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("KINFOLD_HOME", str(council.home))
    monkeypatch.setenv("KINFOLD_SITE", str(council.site))
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, ok: bool = True) -> Result:
        done = CliRunner().invoke(main, words)
        assert (done.exit_code == 0) is ok, done.output
        assert CANARY not in done.output.upper()
        return done

    return run


def written(council: Council) -> str:
    (path,) = (council.home / "models" / "linkage").glob("*/report.html")
    assert path.stat().st_mode & 0o077 == 0
    return path.read_text("utf-8")


def test_the_report_opens_offline_and_names_nobody(council: Council, kinfold: Callable[..., Result]) -> None:
    kinfold("linkage", "report")
    page = written(council)
    assert "default-src 'none'" in page and not re.search(r"<(script|link)[^>]+(src|href)=", page)
    assert CANARY not in page.upper() and "MILL LANE" not in page and "ROSALIND" not in page.upper()
    for said in ("The truth, pairs", "By sex", "Model card", "What each outcome of a comparison is worth"):
        assert said in page
    assert page.count("vegaEmbed(&#34;#c") + page.count('vegaEmbed("#c') == 4


def test_reviewers_decisions_on_the_sample_come_into_the_report(
    council: Council, kinfold: Callable[..., Result]
) -> None:
    store = council.store
    model_id = store.get(Zone.VAULT, MODEL, "in_force").collect().item()
    model = Model.load(council.home / "models" / "linkage" / model_id, {})
    sample = review.sample(store.read(MATCH_EDGE), store.read(PERSON_LINK), model, 5, 1)
    store.put(Zone.FACTS, f"{SAMPLES}/{NIGHT}", {"sample": sample})
    said = sample.select("record_l", "record_r", verdict=pl.lit("same"), who=pl.lit("ann"))
    decisions.decide(store, said.with_columns(pl.lit(datetime(2026, 11, 21)).alias("decided_at")))
    kinfold("linkage", "report")
    page = written(council)
    assert "Reviewers, on a random sample" in page and "What reviewers decided of a random sample" in page


def test_a_released_report_went_through_the_gate(council: Council, kinfold: Callable[..., Result]) -> None:
    done = kinfold("linkage", "report", "--release")
    assert "Let out to information-governance" in done.output
    last = audit_log(council).frame().row(-1, named=True)
    assert (last["action"], last["team"], last["person_id"]) == ("release", "information-governance", None)


def test_the_truth_is_found_beside_a_demonstration_and_refused_where_it_is_not_one(
    kinfold: Callable[..., Result], tmp_path: Path
) -> None:
    said = kinfold("linkage", "evaluate").output
    assert re.search(r"pairs: precision \d\.\d{4}, recall \d\.\d{4}", said)
    assert "By age" in said and "council-tax, gp-register" in said
    assert "there is no record.parquet" in kinfold("linkage", "evaluate", "--truth", str(tmp_path), ok=False).output
    pl.DataFrame({"feed": ["x"]}).write_parquet(tmp_path / "record.parquet")
    assert "lacks person, source_key" in kinfold("linkage", "evaluate", "--truth", str(tmp_path), ok=False).output


def test_why_two_records_are_one_person_is_told_in_words_and_bits(
    council: Council, kinfold: Callable[..., Result], tmp_path: Path
) -> None:
    chart = tmp_path / "why.html"
    said = kinfold("why", "gp-register:K3", "council-tax:K3", "--html", str(chart)).output
    assert said.startswith("Yes: ")
    assert re.search(r"birth date +the same +\+\d", said)
    assert chart.stat().st_mode & 0o077 == 0
    assert CANARY not in chart.read_text("utf-8") and "vegaEmbed" in chart.read_text("utf-8")
    assert kinfold("why", "gp-register:K3", "council-tax:K4").output.startswith("No: ")


def test_why_tells_what_holds_a_person_together_by_id_or_by_one_of_their_records(
    council: Council, kinfold: Callable[..., Result]
) -> None:
    by_record = kinfold("why", "gp-register:K3").output
    record = record_ids("gp-register", pl.Series(["K3"]), council.ring).item()
    links = council.store.read(PERSON_LINK)
    person = links.filter(pl.col("record_id") == record)["person_id"].item()
    assert kinfold("why", person).output == by_record
    assert "The weakest link that holds them together weighs" in by_record


def test_whoever_asks_why_is_in_the_audit_log_with_whom_they_asked_about(
    council: Council, kinfold: Callable[..., Result]
) -> None:
    kinfold("why", "gp-register:K1", "council-tax:K1")
    stands = council.store.read(PERSON_LINK)
    record = record_ids("gp-register", pl.Series(["K1"]), council.ring).item()
    entry = audit_log(council).frame().row(-1, named=True)
    assert (entry["action"], entry["person_id"]) == ("read", stands.filter(record_id=record)["person_id"].item())


def test_why_says_which_record_is_not_there_without_repeating_its_key(kinfold: Callable[..., Result]) -> None:
    done = kinfold("why", "gp-register:K3", f"hospital:{CANARY}", ok=False)
    assert "the second that you name" in done.output
    assert "There are: " in kinfold("why", "gp:K3", "hospital:K3", ok=False).output
    assert "nobody has this id tonight" in kinfold("why", "0" * 32, ok=False).output
    assert "this is one" in kinfold("why", "gp-register:K3", "gp-register:K3", ok=False).output
