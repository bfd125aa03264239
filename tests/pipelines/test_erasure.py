"""Erasing somebody from everything that a little council holds, and all the ways in which they might come back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets import erasure, monitoring, retention
from assets.agreements import accept
from assets.context import Council
from assets.sharing import audit_log, releaser
from feeds import arrivals, ledger
from feeds.deliveries import delivered, find_deliveries
from feeds.dialect import load_contract
from feeds.history import merge
from governance import erasure as register
from governance.keys import KeyRing, create, key_file
from governance.pseudonyms import record_ids
from governance.release import Item
from governance.vault import Vault
from linkage import decisions
from pipelines import erasure_commands
from warehouse import marts
from warehouse.marts import MartTable
from warehouse.site import site
from warehouse.store import Store
from warehouse.tables import (
    EVENT,
    HOUSEHOLD_MEMBER,
    INDICATOR,
    INVOLVEMENT,
    OUTPUT_USE,
    PERSON,
    PERSON_LINEAGE,
    PERSON_LINK,
    PERSON_PROFILE,
    RECALL,
    RELATIONSHIP,
    RELEASE,
    SOURCE_RECORD,
    VOICE,
    Column,
    Table,
    Zone,
)

FIRST, SECOND, THIRD = (date(2026, 11, day) for day in (20, 21, 22))
NOW = datetime(2026, 11, 20, 2)
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {id}
name: A feed
version: 1.0.0
status: active
domain: police
servers: [{{server: drop, type: local, path: "{id}/*", format: csv}}]
customProperties:
  - {{property: partner, value: police}}
  - {{property: delivery, value: {delivery}}}
schema:
{schema}
"""
PEOPLE = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: forename, logicalType: string}
      - {name: surname, logicalType: string, required: true}
      - {name: dob, logicalType: date}
      - {name: sex, logicalType: string, enum: [{value: M}, {value: F}]}
      - {name: phone, logicalType: string}
      - {name: since, logicalType: date, required: true}
    customProperties:
      - property: person
        value: {key: ref, forename: forename, surname: surname, birth_date: dob, sex: sex, phone: phone}
      - property: yields
        value: [{event: missing_episode, start: since, code: sex}]
"""
VOUCHERS = """\
  - name: voucher
    properties:
      - {name: voucher, logicalType: string, primaryKey: true}
      - {name: issued, logicalType: date, required: true}
      - {name: name_1, logicalType: string}
      - {name: name_2, logicalType: string}
    customProperties:
      - property: person
        value:
          - {key: [voucher, {const: 1}], surname: name_1, when: {name_1: present}}
          - {key: [voucher, {const: 2}], surname: name_2, when: {name_2: present}}
      - property: yields
        value:
          - event: food_voucher
            person_ref: [voucher, {const: 1}]
            key: voucher
            start: issued
            when: {name_1: present}
          - event: food_voucher
            person_ref: [voucher, {const: 2}]
            key: voucher
            start: issued
            when: {name_2: present}
"""
HEADER = "ref,forename,surname,dob,sex,phone,since\n"
ROWS = {
    "1": "1,Zebedee,Canaryson,2012-03-04,M,07700900001,2026-01-05",
    "2": "2,Ann,Canaryson,1980-05-06,F,07700900001,2026-01-06",
    "3": "3,Bob,Ray,1990-07-08,M,07700900003,2026-01-07",
    "4": "4,Cy,Orr,2001-09-10,F,07700900004,2026-01-08",
}
ZEBEDEE = "1"
PERSON_OF = {key: key * 32 for key in ROWS}


def sheet(*keys: str, sex: str | None = None) -> str:
    rows = [ROWS[key] for key in keys]
    return HEADER + "".join(f"{row if sex is None else row.replace(',M,', f',{sex},')}\n" for row in rows)


def put(council: Council, name: str, text: str) -> None:
    path = council.home / "drop" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def take_in(council: Council, now: datetime = NOW) -> list[ledger.Load]:
    found = find_deliveries(council.home / "drop", council.contracts, council.store, now, timedelta(0))
    made = []
    for feed, contract in council.contracts.items():
        mine = [one for one in found if one.feed == feed]
        made += list(arrivals.settle(contract, council.store, council.vault, council.ring, now, mine))
    return made


def frame(table: Table, rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in table.schema} for row in rows], schema=table.schema)


def night(council: Council, tonight: date) -> None:
    """A night as its stages leave it: a person for each record of the feed of people, the rest made of them."""
    store, before = council.store, council.store.published_before(tonight)
    erasure.resume(council)
    used = ledger.deliveries_in_force(store, council.contracts, tonight)
    mark = pl.DataFrame({"register": [register.mark(store)]})
    told = [(feed, delivery) for feed, delivery in used.items()]
    listed = pl.DataFrame(told, schema=monitoring._USED, orient="row")
    store.put(Zone.LEDGER, f"{monitoring.USED}/{tonight}", {monitoring.USED: listed, "erased": mark})
    records = ledger.current_all(store, used, SOURCE_RECORD)
    ids = {r: PERSON_OF.get(k, r) for r, k in records.select("record_id", "source_key").iter_rows()}
    events = merge(
        EVENT, store.read(EVENT, before) if before else None, ledger.current_all(store, used, EVENT), set(used),
        datetime(tonight.year, tonight.month, tonight.day), {}, set(),
        register.erased_in(store, used),
    )  # fmt: skip
    events = retention.kept(council, EVENT, events, retention.births(council, used, before), tonight)
    people = sorted(set(ids.values()))
    birth = dict(records.select("record_id", "birth_date").iter_rows())
    of = {person: record for record, person in ids.items()}
    named = {r: (f, s) for r, f, s in records.select("record_id", "forename", "surname").iter_rows()}
    stand = events.filter(pl.col("known_to").is_null())
    shown = stand.join(pl.DataFrame({"record_id": list(ids), "person_id": list(ids.values())}), on="record_id")
    evidence = shown.select("event_id", "person_id").rows()
    his = [(e, p) for e, p in evidence if p == PERSON_OF["1"] and PERSON_OF["2"] in people]
    written: dict[Table, pl.DataFrame] = {
        SOURCE_RECORD: records,
        EVENT: events,
        **{table: table.empty() for table in (INVOLVEMENT, RELATIONSHIP, VOICE)},
        PERSON_LINK: frame(
            PERSON_LINK,
            [{"record_id": r, "person_id": p, "linked_from": FIRST, "by": "founder"} for r, p in ids.items()],
        ),
        PERSON_LINEAGE: frame(
            PERSON_LINEAGE, [{"person_id": p, "night": FIRST, "change": "founded", "records": 1} for p in people]
        ),
        PERSON: frame(
            PERSON,
            [
                {"person_id": p, "forename": named[of[p]][0], "surname": named[of[p]][1], "birth_date": birth[of[p]]}
                for p in people
            ],
        ),
        PERSON_PROFILE: frame(PERSON_PROFILE, [{"person_id": p} for p in people]),
        HOUSEHOLD_MEMBER: frame(
            HOUSEHOLD_MEMBER, [{"household_id": "h" if p[0] in "12" else f"h{p[0]}", "person_id": p} for p in people]
        ),
        INDICATOR: frame(
            INDICATOR,
            [{"person_id": p, "indicator": "missing", "evidence": [e]} for e, p in evidence]
            # the mother's rests on her son's
            + [{"person_id": PERSON_OF["2"], "indicator": "family", "evidence": [e]} for e, _ in his],
        ),
    }  # fmt: skip
    for table, rows in written.items():
        store.write(table, tonight, rows)
    subjects = pl.DataFrame(
        {"person_id": people, "age": [9] * len(people), "open_to": [[]] * len(people)},
        schema={"person_id": pl.String, "age": pl.Int32, "open_to": pl.List(pl.String)},
    )

    def summary(person: str) -> Item:
        beside = [q for q in people if {q[0], person[0]} <= {"1", "2"}] or [person]
        lines = [f"<p>{named[of[q]][0]} {named[of[q]][1]}, born {birth[of[q]]}</p>" for q in beside]
        return Item(
            "summary", "mash", "social_worker", "open_case", person, "".join(lines).encode(), ("council: identity",)
        )

    let_out = releaser(council).release_many([summary(p) for p in people], tonight, NOW, subjects)
    lines = [
        f'<tr><th><a href="{Path(file).name}">{named[of[p]][0]} {named[of[p]][1]}</a></th></tr>\n'
        for p, file in let_out.select("person_id", "file").iter_rows()
    ]
    releaser(council).index("mash", "".join(lines).encode())
    uses = [
        {"kind": "summary", "output_id": i, "team": "mash", "person_id": p, "about": q}
        for i, p in let_out.select("release_id", "person_id").iter_rows()
        for q in people
        if q == p or {q[0], p[0]} <= {"1", "2"}
    ]
    store.put(Zone.LEDGER, f"released/{tonight}/summary", {"released": let_out})
    store.write(OUTPUT_USE, tonight, frame(OUTPUT_USE, uses))
    store.write(RELEASE, tonight, let_out if before is None else pl.concat([store.read(RELEASE, before), let_out]))
    store.write(RECALL, tonight, RECALL.empty())
    state = pl.DataFrame({"record_id": sorted(ids), "row": range(len(ids))})
    absent = pl.DataFrame(schema={"record_id": pl.String, "person_id": pl.String, "since": pl.Date})
    if before is not None and "absent" in store.names(Zone.VAULT, f"linkage_state/{before}"):
        was = store.read(PERSON_LINK, before).join(store.read(PERSON_LINK, tonight), on="record_id", how="anti")
        gone = was.select("record_id", "person_id", since=pl.lit(tonight))
        absent = pl.concat([store.get(Zone.VAULT, f"linkage_state/{before}", "absent").collect(), gone])
    store.put(Zone.VAULT, f"linkage_state/{tonight}", {"state": state, "absent": absent, "keys": state.select("row")})
    by_person = shown.drop("record_id").select("person_id", pl.exclude("person_id"))
    extra = [Column("person_id", pl.String, "whom it is about")]
    tables = [
        MartTable.of(PERSON_PROFILE, written[PERSON_PROFILE], "people"),
        MartTable.of(EVENT, by_person, "events", more=extra),
        MartTable.of(RELEASE, let_out.drop("file"), "releases"),
    ]
    marts.build_release(council.home / "marts", str(tonight), tables, {"night": str(tonight)})
    marts.publish(council.home / "marts", str(tonight))
    store.publish(tonight, {"deliveries": used})
    arrivals.forget(store, council.contracts, used, council.ring, council.vault)


def council_at(home: Path, patch: pytest.MonkeyPatch, key: bool = False) -> Council:
    patch.setenv("KINFOLD_HOME", str(home))
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        patch.delenv(name, raising=False)
    if key:
        create(key_file(home))
        accept(site(), home, "test")
    folder = home.parent / "feeds"
    folder.mkdir(exist_ok=True)
    contracts = {}
    for feed, schema in (("people", PEOPLE), ("vouchers", VOUCHERS)):
        path = folder / f"{feed}.odcs.yaml"
        path.write_text(CONTRACT.format(id=feed, delivery="snapshot", schema=schema))
        contracts[feed] = load_contract(path, strict=True)
    return replace(Council.open(), contracts=contracts)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Council:
    """A council of two nights: four people, a voucher for two of them, a row set aside, and a file that is no table."""
    home = tmp_path_factory.mktemp("erasure") / "home"
    with pytest.MonkeyPatch.context() as patch:
        council = council_at(home, patch, key=True)
        put(council, "people/p_2026-11-19.csv", sheet("1", "2", sex="X"))  # the boy's row is set aside
        put(council, "people/p_2026-11-20.csv", sheet("1", "2", "3"))
        put(council, "vouchers/v_2026-11-20.csv", "voucher,issued,name_1,name_2\nV1,2026-11-01,CANARYSON Z,RAY\n")
        take_in(council)
        night(council, FIRST)
        put(council, "people/p_2026-11-21.csv", sheet("1", "2", "3", "4"))
        take_in(council)
        night(council, SECOND)
    return council


@pytest.fixture
def council(begun: Council, tmp_path: Path) -> Council:
    """The same in a folder of its own."""
    return copied(begun, tmp_path)


def copied(begun: Council, place: Path) -> Council:
    shutil.copytree(begun.home.parent, place, symlinks=True, dirs_exist_ok=True)
    home = place / "home"
    ring = KeyRing.load(home)
    vault = Vault(ring)
    return replace(begun, home=home, ring=ring, vault=vault, store=Store(home, vault))


@pytest.fixture(scope="module")
def gone(begun: Council, tmp_path_factory: pytest.TempPathFactory) -> Council:
    """The same, once the boy is erased; to be looked at alone."""
    council = copied(begun, tmp_path_factory.mktemp("gone"))
    erased(council)
    return council


@pytest.fixture
def after(gone: Council, tmp_path: Path) -> Council:
    """The same once the boy is erased, in a folder of its own."""
    return copied(gone, tmp_path)


@pytest.fixture(scope="module")
def sent_again(gone: Council, tmp_path_factory: pytest.TempPathFactory) -> Council:
    """The same, once partners have sent him again in every way, and a night has gone by; to be looked at alone."""
    council = copied(gone, tmp_path_factory.mktemp("again"))
    put(council, "people/p_2026-11-18.csv", sheet("1", "2"))  # late: all others are checked anew
    put(council, "people/p_2026-11-21.csv", sheet("1", "2", "3", "4"))  # yesterday's file again
    put(council, "people/p_2026-11-22.csv", sheet("1", "2", "3", "4"))
    take_in(council)
    put(council, "people/p_2026-11-22.csv", sheet("1", "2", "3", "4", sex="X"))  # bad rows, to be set aside
    take_in(council)
    night(council, THIRD)
    return council


def case_of(council: Council, asked: str = PERSON_OF[ZEBEDEE]) -> erasure.Case:
    return erasure.asked_for(council, asked, "I. G. Lead", "request 7", datetime(2026, 11, 21, 9))


def erased(council: Council, asked: str = PERSON_OF[ZEBEDEE]) -> erasure.Case:
    case = case_of(council, asked)
    erasure.erase(council, case)
    return case


def left(council: Council, case: erasure.Case) -> dict[str, int]:
    found = erasure.prove(council, case).filter(~pl.col("kept") & (pl.col("found") > 0))
    return {f"{place}: {what}": count for place, what, count in found.select("place", "what", "found").iter_rows()}


def record(council: Council, key: str, feed: str = "people") -> str:
    made: str = record_ids(feed, pl.Series([key]), council.ring).item()
    return made


def everything(council: Council, but: erasure.Case) -> dict[str, list[object]]:
    """All rows of everybody else, from every place that holds rows."""
    held: dict[str, list[object]] = {}
    for zone in (Zone.VAULT, Zone.FACTS):
        for folder, rows in council.store.everything(zone):
            kind = folder.split("/")[0]
            if kind in ("linkage_state", "register", "erasure", "feed"):
                continue
            held.setdefault(f"{zone}/{folder}", []).extend(but.whom.without(kind, rows).rows())
    for feed in council.contracts:
        for delivery in ledger.loaded(council.store, feed):
            load = ledger.load_of(council.store, feed, delivery)
            assert load.received == load.accepted + load.quarantined + load.withdrawn
            held[f"{feed}/{delivery}"] = [load.received]
    for stamp in marts.releases(council.home / "marts"):
        for name, rows in marts.tables_of(council.home / "marts", stamp):
            held.setdefault(f"{stamp}/{name}", []).extend(
                but.whom.without(name, rows).rows() if name != "releases" else rows.rows()
            )
    return held


# -- what it reaches ---------------------------------------------------------------------------------------------------


def test_the_proof_finds_somebody_everywhere_before_they_are_erased_and_nowhere_after(
    begun: Council, gone: Council, sent_again: Council
) -> None:
    case = case_of(begun)
    places = {place.partition(":")[0] for place in left(begun, case)}
    assert places == {"facts", "vault", "landing", "marts", "outbox"}
    assert left(gone, case) == {} and left(sent_again, case) == {}


def test_every_row_received_is_still_accounted_for(gone: Council) -> None:
    of = {key: ledger.load_of(gone.store, "people", key) for key in ledger.loaded(gone.store, "people")}
    counts = {k: (one.received, one.accepted, one.quarantined, one.withdrawn) for k, one in of.items()}
    assert counts == {"2026-11-19": (2, 1, 0, 1), "2026-11-20": (3, 2, 0, 1), "2026-11-21": (4, 3, 0, 1)}
    assert [(r.rule, r.rows) for r in of["2026-11-21"].rules if r.severity == "withdraw"] == [
        ("nothing is told of who was erased or taken back for good", 1)
    ]


def test_files_about_them_or_that_show_them_are_withdrawn_and_others_stand(gone: Council) -> None:
    texts = {p.name: p.read_text() for p in (gone.home / "outbox" / "mash").glob("*.html")}
    assert not [name for name, text in texts.items() if "Zebedee" in text.title()]
    withdrawn = [name for name, text in texts.items() if "WITHDRAWN" in text]
    assert (
        4 <= len(withdrawn) < len(texts)
    )  # his and his mother's, of two nights, and of whom a night took to live there
    assert any("BOB" in text.upper() for text in texts.values())
    index = texts["index.html"].upper()
    assert "ZEBEDEE" not in index and "BOB" in index and "ANN" not in index  # hers is made anew tonight


def test_what_is_not_theirs_stays_row_for_row(council: Council) -> None:
    case = case_of(council)
    before = everything(council, case)
    erasure.erase(council, case)
    assert everything(council, case) == before


def test_current_opens_throughout_and_old_releases_have_lost_the_person(council: Council) -> None:
    path = council.home / "marts" / "current.duckdb"
    with duckdb.connect(str(path), read_only=True) as open_before:
        erased(council)
        assert open_before.sql("SELECT count(*) FROM people").fetchall() == [(6,)]
    for stamp in marts.releases(council.home / "marts"):
        rows = dict(marts.tables_of(council.home / "marts", stamp))
        assert PERSON_OF[ZEBEDEE] not in rows["people"]["person_id"] and rows["people"].height
    assert marts.verify(council.home / "marts", str(SECOND)) == []
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.sql("SELECT count(*) FROM people").fetchall() == [(5,)]
        (meaning,) = con.sql("SELECT comment FROM duckdb_tables() WHERE table_name = 'people'").fetchall()
    assert meaning == (PERSON_PROFILE.meaning,)


def test_a_row_that_tells_of_two_people_stays_without_the_one_who_is_erased(council: Council) -> None:
    told = ledger.current(council.store, "vouchers", "source_record")
    case = erased(council, told.filter(pl.col("source_key").str.ends_with("1"))["record_id"].item())
    rows = ledger.current(council.store, "vouchers", "accepted__voucher")
    assert rows.select("voucher", "name_1", "name_2").rows() == [("V1", None, "RAY")]
    assert ledger.current(council.store, "vouchers", "event").height == 1 and left(council, case) == {}
    load = ledger.load_of(council.store, "vouchers", "2026-11-20")
    assert (load.accepted, load.withdrawn) == (1, 0)


def test_one_record_of_a_person_goes_and_the_others_stay(council: Council) -> None:
    one, other = record(council, "3"), record(council, "4")
    for day in (FIRST, SECOND):  # both stand as one person
        links = council.store.read(PERSON_LINK, day)
        joined = pl.when(pl.col("record_id") == other).then(pl.lit(PERSON_OF["3"])).otherwise("person_id")
        council.store.amend(
            Zone.FACTS, f"person_link/{day}", lambda _, f, j=joined: f.with_columns(j.alias("person_id"))
        )
        assert links.height
    case = erased(council, one)
    assert set(case.whom.records) == {one} and set(case.whom.touched) == {PERSON_OF["3"]} and not case.whom.people.len()
    assert other in council.store.read(PERSON_LINK, SECOND)["record_id"]
    assert other in council.store.read(EVENT, SECOND)["record_id"]
    assert PERSON_OF["3"] not in council.store.read(PERSON, SECOND)["person_id"]  # made of both; anew tonight
    assert left(council, case) == {}


def test_whoever_is_remembered_for_coming_back_is_remembered_still(council: Council) -> None:
    kept = {"record_id": record(council, "9"), "person_id": "9" * 32, "since": FIRST}
    mine = {"record_id": record(council, ZEBEDEE), "person_id": PERSON_OF[ZEBEDEE], "since": FIRST}
    folder = f"linkage_state/{SECOND}"
    frames = {n: council.store.get(Zone.VAULT, folder, n).collect() for n in council.store.names(Zone.VAULT, folder)}
    council.store.put(Zone.VAULT, folder, frames | {"absent": pl.DataFrame([kept, mine])})
    erased(council)
    assert council.store.get(Zone.VAULT, folder, "absent").collect().to_dicts() == [kept]
    assert council.store.get(Zone.VAULT, folder, "state").collect().is_empty()  # so the next night links anew


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sets(st.sampled_from(sorted(ROWS)), min_size=1, max_size=3))
def test_whoever_is_erased_nothing_of_them_is_left_and_nothing_of_others_is_lost(
    begun: Council, tmp_path_factory: pytest.TempPathFactory, chosen: set[str]
) -> None:
    if chosen:
        council = copied(begun, tmp_path_factory.mktemp("any"))
        cases = [case_of(council, PERSON_OF[key]) for key in sorted(chosen)]
        everybody = cases[0].whom
        for case in cases[1:]:
            parts = {
                k: pl.concat([getattr(everybody, k), getattr(case.whom, k)])
                for k in ("records", "people", "told", "homes")
            }
            everybody = register.Whom(**parts)
        every = replace(cases[0], whom=everybody)
        before = everything(council, every)
        for key in sorted(chosen):
            erased(council, PERSON_OF[key])
        assert [left(council, case) for case in cases] == [{}] * len(cases)
        assert everything(council, every) == before
        rest = set(ROWS) - chosen
        assert set(ledger.current(council.store, "people", "source_record")["source_key"]) == rest


class Killed(BaseException):
    pass


STEPS = ("register", "feeds", "tables", "releases", "files")


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_killed_at_any_step_is_brought_to_its_end_by_the_next_night(
    council: Council, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    case = case_of(council)
    where = register if step == "register" else erasure

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(where, step, kill)
        with pytest.raises(Killed):
            erasure.erase(council, case)
    assert erasure.resume(council) == 1 and left(council, case) == {}  # as a night begins
    told = audit_log(council).frame().filter(action="erase")
    assert told["release_id"].to_list() == [case.erasure_id] and erasure.kept(council)[0].state == erasure.ERASED


def test_an_erasure_killed_within_a_feed_counts_every_row_once(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, real, calls = case_of(council), arrivals.from_load, []

    def dies(*given: object) -> bool:
        calls.append(given)
        if len(calls) == 2:
            raise Killed
        return real(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "from_load", dies)
        with pytest.raises(Killed):
            erasure.erase(council, case)
    erasure.resume(council)
    loads = [ledger.load_of(council.store, "people", key) for key in ledger.loaded(council.store, "people")]
    assert [one.withdrawn for one in loads] == [1, 1, 1] and left(council, case) == {}
    assert erasure.resume(council) == 0


# -- attacks: an erased person comes back ------------------------------------------------------------------------------


def loads_of(council: Council) -> dict[str, tuple[int, int, int, int]]:
    loads = {key: ledger.load_of(council.store, "people", key) for key in ledger.loaded(council.store, "people")}
    return {key: (one.received, one.accepted, one.quarantined, one.withdrawn) for key, one in loads.items()}


def test_an_erased_person_does_not_come_back_with_the_next_delivery(sent_again: Council) -> None:
    assert loads_of(sent_again)["2026-11-22"] == (4, 3, 0, 1)
    assert set(sent_again.store.read(SOURCE_RECORD, THIRD).filter(feed="people")["source_key"]) <= {"2", "3", "4"}


def test_an_erased_person_does_not_come_back_with_a_late_delivery_that_has_all_others_checked_anew(
    sent_again: Council,
) -> None:
    loads = loads_of(sent_again)
    assert loads["2026-11-18"] == (2, 1, 0, 1) and loads["2026-11-19"] == (2, 1, 0, 1)
    assert loads["2026-11-20"] == (3, 2, 0, 1) and loads["2026-11-21"] == (4, 3, 0, 1)


def test_an_erased_person_does_not_come_back_with_yesterdays_file_sent_again(sent_again: Council) -> None:
    assert list((sent_again.home / "drop" / "people").iterdir()) == []
    assert "2026-11-21.2" not in loads_of(sent_again)


def test_an_erased_person_does_not_come_back_through_the_quarantine_of_a_bad_row(sent_again: Council) -> None:
    assert loads_of(sent_again)["2026-11-22.2"] == (4, 2, 1, 1)  # Bob's alone is set aside


def test_an_erasure_does_not_rub_out_who_looked(begun: Council, gone: Council) -> None:
    before, log = audit_log(begun).frame().rows(), audit_log(gone)
    assert log.frame().rows()[: len(before)] == before and log.verify() == []
    assert log.frame().filter(action="erase", actor="I. G. Lead", reason="request 7").height == 1
    assert PERSON_OF[ZEBEDEE] in log.frame()["person_id"]


def test_what_an_erasure_keeps_for_its_proof_names_nobody_once_it_is_proven(
    begun: Council, gone: Council, sent_again: Council, tmp_path: Path
) -> None:
    assert not erasure.proven(gone, erasure.kept(gone)[0])  # a night has to come first
    council = copied(sent_again, tmp_path)
    assert erasure.proven(council, erasure.kept(council)[0]) and erasure.kept(council) == []
    traces = case_of(begun).traces
    for folder, rows in council.store.everything(Zone.VAULT):
        assert traces.in_frame(rows) == 0, folder


def test_an_erased_person_does_not_come_back_with_a_corrected_contract(begun: Council, after: Council) -> None:
    council, case = after, case_of(begun)
    wider = PEOPLE.replace("enum: [{value: M}, {value: F}]", "enum: [{value: M}, {value: F}, {value: X}]")
    path = council.home.parent / "feeds" / "people.odcs.yaml"
    path.write_text(CONTRACT.format(id="people", delivery="snapshot", schema=wider))
    council = replace(council, contracts={**council.contracts, "people": load_contract(path, strict=True)})
    for key in ledger.loaded(council.store, "people"):
        ledger.unsettle(council.store, "people", key)
    assert len(take_in(council)) == 3 and left(council, case) == {}


def test_an_erased_person_does_not_come_back_by_pointing_at_yesterdays_night_or_release(
    begun: Council, after: Council
) -> None:
    council, case = after, case_of(begun)
    current = council.home / "ledger" / "nights" / "current"
    current.unlink()
    current.symlink_to(f"{FIRST}.json")
    release = council.home / "marts" / "current"
    release.unlink()
    release.symlink_to(f"releases/{FIRST}")
    assert council.store.published() == FIRST and left(council, case) == {}


def test_an_erased_person_does_not_come_back_through_history_restored_from_a_backup(
    begun: Council, after: Council
) -> None:
    council, case = after, case_of(begun)
    link, saved = (one.home / "facts" / "event" / str(SECOND) for one in (council, begun))
    shutil.rmtree(link.parent / link.readlink())
    shutil.copytree(saved.parent / saved.readlink(), link.parent / link.readlink())
    assert left(council, case) != {}
    night(council, THIRD)
    assert case.whom.records.is_in(council.store.read(EVENT, THIRD)["record_id"].implode()).any() is False


def test_an_erased_person_does_not_come_back_through_an_older_register(after: Council) -> None:
    council = after
    assert erasure.proven(council, replace(erasure.kept(council)[0], at=datetime(2026, 11, 20)))
    council.store.remove(Zone.VAULT, register.REGISTER)
    with pytest.raises(erasure.ErasureRefused, match="does not know 1 erasures"):
        night(council, THIRD)
    assert council.store.published() == SECOND


def test_an_erased_person_does_not_come_back_through_a_reviewers_decision(council: Council) -> None:
    pair = {"record_l": record(council, ZEBEDEE), "record_r": record(council, "3"), "verdict": "same", "who": "steward"}
    other = {
        "record_l": record(council, "2"),
        "record_r": record(council, "3"),
        "verdict": "different",
        "who": "steward",
    }
    decisions.decide(
        council.store, pl.DataFrame([pair, other]).with_columns(decided_at=pl.lit(NOW), note=pl.lit("Zebedee?"))
    )
    case = erased(council)
    kept = decisions.read(council.store)
    assert kept.height == 1 and kept["verdict"].item() == "different" and left(council, case) == {}


def test_an_erased_person_does_not_stay_in_a_night_that_was_running(begun: Council, after: Council) -> None:
    council, store = after, after.store
    used = ledger.deliveries_in_force(store, council.contracts, THIRD)
    listed = pl.DataFrame(list(used.items()), schema=monitoring._USED, orient="row")
    mark = pl.DataFrame({"register": [register.mark(begun.store)]})  # as the night found it
    store.put(Zone.LEDGER, f"{monitoring.USED}/{THIRD}", {monitoring.USED: listed, "erased": mark})
    with pytest.raises(Exception, match="somebody was erased while the night of 2026-11-22 ran"):
        monitoring.deliveries_of(council, THIRD)


# -- attacks: what an erasure must not do ------------------------------------------------------------------------------


@pytest.mark.parametrize("alike", ["1" * 31, "1" * 33, "1" * 31 + "2", PERSON_OF["1"].upper() + " ", "", "*"])
def test_nobody_is_erased_by_an_id_that_is_merely_alike(begun: Council, alike: str) -> None:
    with pytest.raises(erasure.ErasureRefused, match="no person and no record"):
        case_of(begun, alike)
    assert begun.store.read(PERSON, SECOND).height == 6


def command(council: Council, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(Council, "open", classmethod(lambda cls: council))
    return lambda *words: CliRunner().invoke(
        erasure_commands.erase, [*words, "--who", "I. G. Lead", "--reason", "request 7"]
    )


def test_an_open_safeguarding_case_refuses_an_erasure_and_nobody_can_override_it_unnamed(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"involvement_id": "f" * 32, "record_id": record(council, ZEBEDEE), "feed": "people", "partner": "police",
         "service": "childrens_social_care", "start": NOW, "known_from": NOW}
    ]  # fmt: skip
    council.store.write(INVOLVEMENT, SECOND, frame(INVOLVEMENT, rows))
    erase = command(council, monkeypatch)
    refused = erase(PERSON_OF[ZEBEDEE])
    assert (
        refused.exit_code == 1 and "open-safeguarding-case" in refused.output and "nothing was erased" in refused.output
    )
    for words in (
        ("--override-reason", "court order"),
        ("--override-by", "  ", "--override-reason", "x"),
        ("--override-by", "DCS"),
    ):
        unnamed = erase(PERSON_OF[ZEBEDEE], *words)
        assert unnamed.exit_code == 1 and "says who decides and why" in unnamed.output
    assert council.store.read(PERSON, SECOND).height == 6 and erasure.kept(council) == []
    done = erase(PERSON_OF[ZEBEDEE], "--override-by", "Director", "--override-reason", "court order 12")
    assert done.exit_code == 0, done.output
    assert "Nothing is left" in done.output and "Zebedee" not in done.output.title()
    told = audit_log(council).frame().filter(action="override")
    assert told.select("actor", "reason").rows() == [("Director", "court order 12")]
    pages = [
        p
        for p in (council.home / "outbox" / "information-governance").glob("*.html")
        if "Proof of erasure" in p.read_text()
    ]
    assert len(pages) == 1 and "Zebedee" not in pages[0].read_text().title()


def test_a_preview_changes_nothing_and_is_in_the_log(council: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    erase, case = command(council, monkeypatch), case_of(council)
    before = left(council, case)
    shown = erase(PERSON_OF[ZEBEDEE], "--preview")
    assert shown.exit_code == 0 and "It would reach" in shown.output and left(council, case) == before
    assert register.erased(council.store).is_empty()
    assert audit_log(council).frame().filter(action="read", person_id=PERSON_OF[ZEBEDEE]).height == 1


# -- retention ---------------------------------------------------------------------------------------------------------


def ruled(council: Council, **more: str) -> Council:
    path = council.home.parent / "retention.yaml"
    periods = {"keep": "6m", "after": "end", "landing": "90d", "quarantine": "1y", "marts": "30d"} | more
    path.write_text(
        "rules: [{{name: police, categories: [missing_episode], keep: {keep}, after: {after}, source: example}}]\n"
        "otherwise: {{keep: 7y, source: example}}\n"
        "zones: {{landing: {landing}, quarantine: {quarantine}, marts: {marts}}}\n".format(**periods)
    )
    from governance.retention import load_retention

    return replace(council, retention=load_retention(path.parent, types=("missing_episode",)))


def test_what_has_run_out_leaves_history_altogether_and_does_not_come_back_with_its_feed(council: Council) -> None:
    short = ruled(council, keep="10m")  # what happened from 5 to 8 January ends with November
    assert retention.preview(short, date(2026, 12, 1)).filter(zone="facts")["rows"].to_list() == [4]
    night(short, date(2026, 11, 30))
    assert short.store.read(EVENT, date(2026, 11, 30)).filter(type="missing_episode").height == 4
    put(short, "people/p_2026-12-01.csv", sheet("1", "2", "3", "4"))
    assert [load.status for load in take_in(short, datetime(2026, 12, 1))] == ["accepted"]
    night(short, date(2026, 12, 1))
    assert short.store.read(EVENT, date(2026, 12, 1))["type"].to_list() == ["food_voucher"] * 2
    gone = retention.run(short, date(2026, 12, 1))
    assert gone["facts"] and gone["marts"] and gone["loads"]
    for day in (FIRST, SECOND, date(2026, 11, 30)):
        assert "missing_episode" not in short.store.read(EVENT, day)["type"]
    for stamp in marts.releases(short.home / "marts"):
        assert "missing_episode" not in dict(marts.tables_of(short.home / "marts", stamp))["events"]["type"]
    assert sum(retention.run(short, date(2026, 12, 1)).values()) == 0
    night(short, date(2026, 12, 2))
    assert "missing_episode" not in short.store.read(EVENT, date(2026, 12, 2))["type"]


def test_the_rows_by_which_a_feed_goes_on_telling_what_has_run_out_tell_it_no_more(council: Council) -> None:
    short = ruled(council, keep="10m")
    night(short, date(2026, 12, 1))
    assert retention.run(short, date(2026, 12, 1), all_nights=False)["loads"] == 1
    rows = ledger.current(short.store, "people", "accepted__person")
    assert rows["since"].drop_nulls().to_list() == [] and rows["surname"].null_count() == 0
    assert ledger.current(short.store, "vouchers", "accepted__voucher")["issued"].null_count() == 0
    put(short, "people/p_2026-12-02.csv", sheet("1", "2", "3", "4"))  # and is sent again
    (load,) = take_in(short, datetime(2026, 12, 2))
    assert (load.status, load.gone) == ("accepted", 0)
    night(short, date(2026, 12, 2))
    assert retention.run(short, date(2026, 12, 2), all_nights=False)["loads"] == 1
    assert retention.run(short, date(2026, 12, 2), all_nights=False)["loads"] == 0
    assert ledger.current(short.store, "people", "accepted__person")["since"].drop_nulls().to_list() == []


def test_a_period_that_was_made_shorter_counts_when_retention_is_run_by_hand(council: Council) -> None:
    short = ruled(council, keep="6m")
    assert short.store.read(EVENT, SECOND).filter(type="missing_episode").height
    gone = retention.run(short, SECOND)
    assert gone["facts"] and gone["marts"] and gone["loads"] == 1
    assert [short.store.read(EVENT, day).filter(type="missing_episode").height for day in (FIRST, SECOND)] == [0, 0]
    assert "missing_episode" not in ledger.current(short.store, "people", "event")["type"]


def test_what_is_kept_after_the_last_of_it_stays_where_an_earlier_night_did_not_know_of_the_last(
    council: Council,
) -> None:
    short = ruled(council, keep="6m", after="last")
    later = ROWS["1"].replace("2026-01-05", "2026-11-25")
    put(short, "people/p_2026-12-01.csv", HEADER + "".join(f"{row}\n" for row in [later, *list(ROWS.values())[1:]]))
    assert [load.status for load in take_in(short, datetime(2026, 12, 1))] == ["accepted"]
    night(short, date(2026, 12, 1))
    retention.run(short, date(2026, 12, 1))
    told = short.store.read(EVENT, date(2026, 12, 1)).filter(type="missing_episode").sort("start")
    assert told["start"].dt.date().to_list() == [date(2026, 1, 5), date(2026, 11, 25)]
    assert short.store.read(EVENT, FIRST).filter(type="missing_episode")["start"].dt.day().to_list() == [5]


def test_files_that_have_run_out_go_and_the_loads_that_they_became_stand(council: Council) -> None:
    short = ruled(council, keep="7y", landing="1d", quarantine="1d")
    gone = retention.run(short, date(2026, 11, 22))
    assert gone["landing"] == 2 and gone["quarantine"] == 1
    assert [delivered("people", key, short.store).gone for key in ("2026-11-19", "2026-11-20", "2026-11-21")] == [
        True,
        True,
        False,
    ]
    assert ledger.load_of(short.store, "people", "2026-11-19").quarantined == 1
    put(short, "people/p_2026-11-22.csv", sheet("2", "3", "4"))
    (load,) = take_in(short)
    assert load.status == "accepted" and load.gone == 1
    put(short, "people/p_2026-11-20.csv", sheet("1"))  # comes too late: what stands cannot be made anew
    late, anew = take_in(short)
    assert anew.status == "accepted"
    assert late.status == "rejected" and "later date" in str(late.reason)
    assert set(ledger.current(short.store, "people", "source_record")["source_key"]) == {"2", "3", "4"}
    assert take_in(short) == []


def test_old_releases_obey_retention_and_the_live_one_stays(council: Council) -> None:
    short = ruled(council, keep="7y", marts="1d")
    assert retention.run(short, date(2026, 11, 30))["marts"] == 1
    assert marts.releases(short.home / "marts") == [str(SECOND)]


def test_the_ledger_and_the_audit_log_outlast_retention(council: Council) -> None:
    short = ruled(council, keep="1d", landing="1d", quarantine="1d", marts="1d")
    before = (audit_log(short).frame().rows(), short.store.read(RELEASE, SECOND).rows())
    retention.run(short, datetime.now(UTC).date() + timedelta(days=4000))
    assert (audit_log(short).frame().rows(), short.store.read(RELEASE, SECOND).rows()) == before
