"""The night end to end on a small borough: reconciled, published whole or not at all, the same after a kill."""

import json
import re
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
from polars.testing import assert_frame_equal
from townhall import FIRST, SECOND, Place, Starter

from assets.monitoring import deliveries_of
from feeds.contracts import Contract
from feeds.expiry import cut
from feeds.ledger import ACCEPTED, whole
from feeds.mapping import AT, facts_of, mapped
from feeds.people import words
from governance.keys import KeyRing
from warehouse.site import PROJECT
from warehouse.tables import PERSON, TABLES, Table, Zone


def standing_of(place: Place, night: date, ids: set[str]) -> dict[str, int]:
    """In which tables of the vault and of facts, and in how many rows, one of these ids stands."""
    store, found = place.council.store, {}
    for table in TABLES.values():
        if table.zone in (Zone.VAULT, Zone.FACTS) and str(night) in store.folders(table.zone, table.name):
            frame = store.read(table, night)
            texts = [name for name, kind in frame.schema.items() if kind == pl.String]
            lists = [name for name, kind in frame.schema.items() if kind == pl.List(pl.String)]
            held = [pl.col(name).is_in(list(ids)) for name in texts]
            held += [pl.col(name).list.eval(pl.element().is_in(list(ids))).list.any() for name in lists]
            hits = frame.filter(pl.any_horizontal(pl.lit(False), *held).fill_null(False))
            if hits.height:
                found[table.name] = hits.height
    return found


def test_what_a_partner_takes_back_is_in_no_table_of_the_next_night(published: Place, second: Place) -> None:
    place = second
    purged = set(json.loads((place.folder / "purged.json").read_text()))
    before = standing_of(published, FIRST, purged)
    assert {"source_record", "event", "person_link"} <= before.keys() and standing_of(place, SECOND, purged) == {}
    store = place.council.store
    for feed in ("homelessness", "council-tax"):
        assert not whole(store, feed, str(FIRST)) and whole(store, feed, str(SECOND))


def test_every_row_is_accounted_for(published: Place) -> None:
    loads = published.query("SELECT feed, status, received, accepted + quarantined + withdrawn FROM feed_loads")
    assert len(loads) == 21
    for feed, status, received, accounted in loads:
        assert status == "accepted" and received == accounted, feed
    assert published.query("SELECT sum(quarantined) > 0 FROM feed_loads") == [(True,)]


def test_the_ten_questions_are_answered(published: Place) -> None:
    text = (PROJECT / "docs" / "questions.md").read_text(encoding="utf-8")
    questions = re.findall(r"```sql\n(.*?)```", text, flags=re.DOTALL)
    assert len(questions) >= 10
    with duckdb.connect(str(published.mart.resolve()), read_only=True) as con:
        for question in questions:
            assert con.sql(question).columns


def test_every_table_and_column_of_the_marts_says_what_it_means(published: Place) -> None:
    assert published.query("SELECT table_name FROM duckdb_tables() WHERE comment IS NULL AND NOT internal") == []
    assert (
        published.query("SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal")
        == []
    )


def test_summaries_are_written_for_the_open_cases_of_three_teams(published: Place) -> None:
    teams = dict(published.query("SELECT team, count(*) FROM releases WHERE kind = 'summary' GROUP BY team"))  # type: ignore[arg-type]
    assert set(teams) == {"mash", "early-help", "adult-social-care"}
    for team, count in teams.items():
        files = [p for p in (published.home / "outbox" / str(team)).iterdir() if p.name != "index.html"]
        assert len(files) == count
        page = files[0].read_text(encoding="utf-8")
        assert "withheld" in page.lower() and files[0].name.split("_")[0] in page
    assert published.run("audit", "verify").startswith("The audit log is whole: ")


def test_no_flag_is_raised_by_a_model_that_misses_its_gate(published: Place) -> None:
    manifest = json.loads((published.home / "ledger" / "nights" / f"{FIRST}.json").read_text())
    (verdict,) = manifest["risk"].values()
    flags = published.query("SELECT count(*) FROM risk_flags")[0][0]
    assert (flags == 0) if verdict.startswith("no ") else (flags or 0) > 0  # type: ignore[operator]


def test_no_name_leaves_the_vault_but_in_released_files(published: Place) -> None:
    """Everything outside the vault, landing and outbox is searched for the names of people whom it knows."""
    people = published.council.store.read(PERSON, FIRST)
    surnames = people.filter(pl.col("surname").str.len_chars() >= 7)["surname"].value_counts()
    canaries = set(surnames.filter(pl.col("count") <= 3)["surname"].to_list())
    canaries |= set(people["nhs_number"].drop_nulls().to_list()) | set(people["phone"].drop_nulls().to_list())
    canaries |= set(people["address"].drop_nulls().filter(people["address"].drop_nulls().str.len_chars() > 9).to_list())
    assert len(canaries) > 500
    searched = 0
    for path in sorted(published.folder.rglob("*")):
        inside = path.relative_to(published.folder).parts
        if not path.is_file() or inside[:2] in {("home", "vault"), ("home", "landing"), ("home", "outbox")}:
            continue
        searched += 1
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            words = {w for c, t in frame.schema.items() if t == pl.String for w in frame[c].drop_nulls().unique()}
            for column, kind in frame.schema.items():
                if kind == pl.List(pl.String):
                    words |= set(frame[column].explode().drop_nulls().unique())
        elif path.suffix == ".duckdb":
            continue  # the same tables as the Parquet beside it
        else:
            words = set(re.findall(r"[A-Z][A-Z'-]{6,}|\d{9,12}", path.read_bytes().decode("utf-8", errors="ignore")))
        assert not {word.upper() for word in words} & canaries, f"{path.relative_to(published.folder)} holds a name"
    assert searched > 50


def test_the_vault_and_landing_hold_no_readable_name(published: Place) -> None:
    for zone in ("vault", "landing"):
        for path in (published.home / zone).rglob("*"):
            if path.is_file() and path.suffix in (".parquet", ".sealed"):
                assert b"Kowalsk" not in path.read_bytes() and b"SMITH" not in path.read_bytes()


def test_another_night_goes_on_without_a_late_feed_and_a_bad_file(again: tuple[Place, str], second: Place) -> None:
    place, said = second, again[1]
    assert "REJECTED  school-census" in said
    status = dict(place.query(f"SELECT feed, status FROM feed_loads WHERE delivery = '{SECOND}'"))  # type: ignore[arg-type]
    assert status["school-census"] == "rejected" and "police-missing" not in status
    assert status["parking-permits"] == "held" and "HELD      parking-permits" in said
    assert sorted(set(status.values())) == ["accepted", "held", "rejected"] and len(status) == 7
    reason = place.query(f"SELECT reason FROM feed_loads WHERE delivery = '{SECOND}' AND status = 'rejected'")
    assert "sc_" in str(reason[0][0])
    used = json.loads((place.home / "ledger" / "nights" / f"{SECOND}.json").read_text())["deliveries"]
    assert used["school-census"] == used["police-missing"] == used["parking-permits"] == str(FIRST)
    assert used["council-tax"] == str(SECOND)


def test_ids_last_from_night_to_night(published: Place, second: Place) -> None:
    before = {row[0] for row in published.query("SELECT person_id FROM people")}
    after = {row[0] for row in second.query("SELECT person_id FROM people")}
    assert len(before & after) > 0.98 * len(before)
    told = second.query(f"SELECT person_id FROM person_lineage WHERE night = DATE '{SECOND}'")
    assert before ^ after <= {row[0] for row in told}


def test_without_a_key_nothing_starts(starter: Starter, tmp_path: Path) -> None:
    said = Place(tmp_path, starter).run("night", "--date", str(FIRST), ok=False)
    assert "kinfold keys init" in said and "Traceback" not in said


def test_rows_tell_nothing_any_more_that_has_run_out_and_everything_else_as_before(published: Place) -> None:
    council, gone = published.council, 0
    stays = (pl.col("start") >= datetime(2025, 6, 1)).fill_null(True)

    def expired(_: Table, rows: pl.DataFrame) -> pl.Series:
        return rows.select(~stays).to_series()

    for feed, delivery in deliveries_of(council, FIRST).items():
        contract, folder = council.contracts[feed], f"feed/{feed}/{delivery}"
        frames = {
            n: council.store.get(Zone.VAULT, folder, n).collect() for n in council.store.names(Zone.VAULT, folder)
        }
        before, people = told(contract, frames, council.ring)
        after = cut(contract, frames, expired, council.ring)
        facts, same = told(contract, after, council.ring)
        for name, rows in before.items():
            kept = rows.filter(stays)
            assert_frame_equal(facts[name].filter(stays), kept, check_row_order=False)
            assert name in tied(contract) or facts[name].height == kept.height
            gone += rows.height - kept.height
        assert_frame_equal(people, same)
        again = cut(contract, after, expired, council.ring)
        assert [name for name in after if again[name] is not after[name]] == []
    assert gone > 1000


def tied(contract: Contract) -> set[str]:
    """Entries whose start is also said of the person: since when somebody lives somewhere."""
    return {
        f"{table.name} {i}"
        for table in contract.tables
        for i, entry in enumerate(table.yields)
        if getattr(entry, "start", None) in words([who.model_dump(exclude={"seen_on"}) for who in table.person])
    }


def told(
    contract: Contract, frames: dict[str, pl.DataFrame], ring: KeyRing
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """What accepted rows tell, by table and entry; and who they say that people are, but for when they were seen."""
    rows = {table.name: frames[f"{ACCEPTED}{table.name}"] for table in contract.tables}
    facts = {
        f"{table.name} {i}": frame.drop(AT)
        for table in contract.tables
        for i, (_, _, frame) in enumerate(facts_of(contract, table, rows[table.name], ring))
    }
    people = mapped(contract, "", rows, ring)[0].get("source_record", pl.DataFrame({"record_id": []}))
    return facts, people.select(pl.exclude("seen_on", "row_hash"))
