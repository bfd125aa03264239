"""Exports: what the agreement says and no more, under pseudonyms of the recipient's own, and nobody told of alone."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import exports
from governance.agreements import Agreements, Outgoing, load_agreements
from governance.audit import AuditLog
from governance.exports import FEWEST, HIDDEN, ExportRefused, Made
from governance.keys import KeyRing
from governance.release import EXPORT, Item, Releaser, ReleaseRefused
from governance.terms import Export
from warehouse.tables import AREA, EVENT, INVOLVEMENT, PERSON_PROFILE, Table

SITE = Path(__file__).parents[2] / "sites/harrowmere"
NIGHT, NOW = date(2026, 11, 20), datetime(2026, 11, 20, 2)
RING = KeyRing(b"k" * 32)
PEOPLE = [f"{n:032x}" for n in range(40)]
FORMULA = '=HYPERLINK("http://x")'


def frame(table: Table, rows: list[dict[str, Any]], **extra: Any) -> pl.DataFrame:
    schema = dict(table.schema) | extra
    return pl.DataFrame([{n: row.get(n) for n in schema} for row in rows], schema=schema, orient="row")


def event(person: str, kind: str = "contact", **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{person}", "record_id": f"r{person}", "person_id": person, "partner": "childrens-services",
        "type": kind, "start": datetime(2026, 5, 17, 9), "code": "6", "recorded_at": NOW, **more,
    }  # fmt: skip


EVENTS = frame(
    EVENT,
    [event(p) for p in PEOPLE[:30]]
    + [event(p, "section_47") for p in PEOPLE[:30]]
    + [
        event(PEOPLE[0], start=datetime(2001, 1, 1)),
        event(PEOPLE[1], code=FORMULA),
        event(PEOPLE[39], partner="police"),
    ],
    person_id=pl.String,
)
PROFILE = frame(
    PERSON_PROFILE,
    [
        {"person_id": p, "age_band": "5-10" if n % 2 else "11-15", "sex": "F", "lsoa21": "E01000001",
         "ethnicity": "WBRI", "imd_decile": 3}
        for n, p in enumerate(PEOPLE)
    ],
)  # fmt: skip
SUBJECTS = pl.DataFrame(
    {"person_id": PEOPLE, "age": [9] * 39 + [40], "open_to": None, "meets": None},
    schema={"person_id": pl.String, "age": pl.Int32, "open_to": pl.List(pl.String), "meets": pl.List(pl.String)},
)
NOBODY = pl.DataFrame(schema={"person_id": pl.String, "partner": pl.String})
HOMES = pl.DataFrame(schema={"household_id": pl.String, "person_id": pl.String})


@pytest.fixture(scope="module")
def agreements() -> Agreements:
    return load_agreements(SITE)


@pytest.fixture
def outgoing(agreements: Agreements) -> Outgoing:
    return exports.choose(agreements, "council-analytics", "analysts", None, NIGHT)


def varied(agreements: Agreements, **changes: Any) -> tuple[Agreements, Outgoing]:
    """The same agreements, with other terms for the export."""
    made = []
    for one in agreements:
        terms = tuple(Export.model_validate(e.model_dump() | changes) for e in one.exports)
        made.append(one.model_copy(update={"exports": terms}))
    other = Agreements(made, agreements.council)
    return other, exports.choose(other, "council-analytics", "analysts", None, NIGHT)


def make(agreements: Agreements, outgoing: Outgoing, epoch: str = "council-analytics year 1", **more: Any) -> Made:
    given: dict[str, Any] = {
        "sections": agreements.export_sections(outgoing, "analyst", NIGHT),
        "whom": exports.covered(agreements, outgoing, SUBJECTS, HOMES),
        "profile": PROFILE,
        "told": {"event": EVENTS, "involvement": frame(INVOLVEMENT, [], person_id=pl.String)},
        "bars": NOBODY,
        "protected": [],
        "areas": AREA.empty(),
    }
    return exports.make(outgoing, **(given | more), ring=RING, epoch=epoch)


def test_an_export_holds_what_the_agreement_says_and_no_more(agreements: Agreements, outgoing: Outgoing) -> None:
    made = make(agreements, outgoing)
    events, people = made.frames["events"], made.frames["people"]
    assert events.columns == ["pseudonym", "partner", "category", "start", "end", "code"]
    assert set(events["category"]) == {"contact"} and set(events["start"]) == {"2026-05"}
    assert people.columns == ["pseudonym", "age_band", "sex", "area"]
    assert people.height == events["pseudonym"].n_unique() == 30  # what began before the look-back is left out
    assert made.shared == ("childrens-services: contact", "council: profile")
    everything = events.write_json() + people.write_json()
    assert not any(f"{word}{p}" in everything for p in PEOPLE for word in ("", "e", "r"))
    assert set(exports.columns(made.frames)) == {"events", "people"}


@pytest.mark.parametrize(("dates", "start"), [("day", "2026-05-17"), ("month", "2026-05"), ("year", "2026")])
def test_dates_are_told_as_exactly_as_the_agreement_says(agreements: Agreements, dates: str, start: str) -> None:
    other, outgoing = varied(agreements, dates=dates)
    assert set(make(other, outgoing).frames["events"]["start"]) == {start}


def test_places_are_told_as_exactly_as_the_agreement_says(agreements: Agreements, outgoing: Outgoing) -> None:
    areas = frame(AREA, [{"area": "E01000001", "geography": "lsoa21", "name": "Harrowmere 001A"}])
    assert set(make(agreements, outgoing, areas=areas).frames["people"]["area"]) == {"E01000001"}
    other, wide = varied(agreements, geography="msoa")
    assert set(make(other, wide, areas=areas).frames["people"]["area"]) == {"Harrowmere 001"}
    with pytest.raises(ExportRefused, match="no feed tells in which msoa"):
        make(other, wide)
    other, none = varied(agreements, geography="none")
    assert "area" not in make(other, none).frames["people"].columns
    away = make(agreements, outgoing, protected=PEOPLE[:9], areas=areas).frames["people"]
    assert away.filter(area=HIDDEN).height == 9  # nothing tells where those live who are protected


def test_whoever_objected_or_opted_out_is_left_out(agreements: Agreements, outgoing: Outgoing) -> None:
    wholly = pl.DataFrame({"person_id": [PEOPLE[3]], "partner": [None]}, schema=NOBODY.schema)
    assert PEOPLE[3] not in make(agreements, outgoing, bars=wholly).people
    of_partner = pl.DataFrame({"person_id": [PEOPLE[3]], "partner": ["childrens-services"]})
    assert PEOPLE[3] not in make(agreements, outgoing, bars=of_partner).people
    of_other = pl.DataFrame({"person_id": [PEOPLE[3]], "partner": ["police"]})
    assert PEOPLE[3] in make(agreements, outgoing, bars=of_other).people


def test_whom_an_export_does_not_cover_is_not_in_it(agreements: Agreements, outgoing: Outgoing) -> None:
    assert PEOPLE[39] not in exports.covered(agreements, outgoing, SUBJECTS, HOMES)["person_id"]
    other, _ = varied(agreements, people={"or": {"age_under": 10}, "and_household": True})
    outgoing = exports.choose(other, "council-analytics v1", "analysts", "early-help-demand", NIGHT)
    homes = pl.DataFrame({"household_id": ["h", "h"], "person_id": [PEOPLE[0], PEOPLE[39]]})
    whom = exports.covered(other, outgoing, SUBJECTS, homes)
    assert PEOPLE[39] in whom["person_id"]


def test_an_attacker_cannot_join_two_recipients_exports(agreements: Agreements, outgoing: Outgoing) -> None:
    police = Outgoing(outgoing.agreement, "police-data", outgoing.clause, outgoing.terms)
    given = agreements.export_sections(outgoing, "analyst", NIGHT)
    one = make(agreements, outgoing)
    for other in (
        make(agreements, police, sections=given),
        make(agreements, outgoing, epoch="council-analytics year 2"),
    ):
        held = [set(m.frames["people"]["pseudonym"]) for m in (one, other)]
        assert len(held[0]) == len(held[1]) == 30 and not held[0] & held[1]
        orders = [m.frames["events"]["pseudonym"].to_list() for m in (one, other)]
        assert all(order == sorted(order) for order in orders)  # nor does the order of rows tell who is who
    assert one.frames["people"].equals(make(agreements, outgoing).frames["people"])


def test_an_attacker_cannot_have_identity_or_words_put_into_an_export(agreements: Agreements) -> None:
    for category in ("identity", "voice", "household", "risk_flag"):
        other, outgoing = varied(agreements, categories=("contact", category))
        with pytest.raises(ExportRefused, match=f"{category} leaves in none"):
            make(other, outgoing)


def test_an_attacker_cannot_ask_for_so_few_that_they_are_known(agreements: Agreements, outgoing: Outgoing) -> None:
    few = SUBJECTS.head(FEWEST - 1)
    with pytest.raises(ExportRefused, match=f"fewer than {FEWEST} people"):
        make(agreements, outgoing, whom=few)


BANDS = ["0-4", "5-10", "11-15", "16-17", "18-24", "65-84", None]


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(BANDS),
            st.sampled_from(["F", "M", None]),
            st.sampled_from(["a1", "a2", "b1"]),
            st.sampled_from(["WBRI", "BAFR", "MWBC"]),
        ),
        max_size=80,
    )
)
def test_an_attacker_finds_nobody_who_is_alone_in_what_is_told_of_them(rows: list[tuple[Any, ...]]) -> None:
    people = pl.DataFrame(rows, schema=["age_band", "sex", "area", "ethnicity"], orient="row").cast(pl.String)
    people = people.with_columns(person_id=pl.int_range(pl.len()).cast(pl.String), wider=pl.col("area").str.head(1))
    told, alike, coarser, hidden = exports.rare(people)
    columns = ["age_band", "sex", "area", "ethnicity"]
    assert told.height == people.height and "wider" not in told.columns
    nothing = pl.all_horizontal(pl.col(columns) == HIDDEN)
    sizes = told.filter(~nothing).group_by(columns).len()["len"].to_list()
    assert all(size >= FEWEST for size in sizes) and alike == min(sizes, default=None)
    same = told.join(people, on="person_id")
    for column in columns:  # what is told is what was there, or wider, or nothing
        was = pl.col(f"{column}_right")
        wider = {"area": was.str.head(1), "age_band": was.replace(exports._AGES)}.get(column, was)
        assert same.filter((pl.col(column) != HIDDEN) & (pl.col(column) != was) & (pl.col(column) != wider)).is_empty()
    assert min(hidden, coarser) >= 0 and coarser + hidden <= people.height


# -- through the gate ------------------------------------------------------------------------------------------------


def item(made: Made, outgoing: Outgoing, **changes: Any) -> Item:
    given: dict[str, Any] = {
        "kind": EXPORT, "team": "analysts", "role": "analyst", "reason": "service_planning", "person_id": None,
        "content": exports.packed(made.frames, {"release": "x"}), "shared": made.shared, "name": "n", "suffix": ".zip",
        "about": {"columns": exports.columns(made.frames)}, "export": outgoing, "people": made.people,
    }  # fmt: skip
    return Item(**(given | changes))


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit", b"k" * 32)


def test_an_export_leaves_stamped_and_stands_in_the_log_of_everybody_in_it(
    agreements: Agreements, outgoing: Outgoing, log: AuditLog, tmp_path: Path
) -> None:
    made = make(agreements, outgoing)
    row = Releaser(tmp_path / "outbox", agreements, log, RING).release(item(made, outgoing), NIGHT, NOW, SUBJECTS)
    path = tmp_path / "outbox" / row["file"].item()
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {
            "about.json", "events.csv", "events.parquet", "people.csv", "people.parquet"
        }  # fmt: skip
        assert "'=HYPERLINK" in archive.read("events.csv").decode()
        assert pl.read_parquet(io.BytesIO(archive.read("people.parquet"))).equals(made.frames["people"])
    beside: Mapping[str, Any] = json.loads(path.with_name(path.name + ".about.json").read_text())
    assert beside["agreement"] == "council-analytics v1 exports[0], shares[0], shares[11]"
    assert beside["expires_on"] == "2027-02-18" and beside["columns"]["people"]["sex"]
    said = log.frame()
    assert set(said["person_id"].drop_nulls()) == set(made.people) and set(said["release_id"]) == {beside["release"]}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"export": None}, "no agreement in force has such an export"),
        ({"shared": ("police: missing_episode",)}, "does not share police: missing_episode"),
        ({"shared": ()}, "does not say what it shows"),
        ({"people": (PEOPLE[39],)}, "does not cover everybody"),
        ({"people": ("f" * 32,)}, "does not cover everybody"),
        ({"team": "mash", "role": "social_worker"}, "is not for this team and reason"),
        ({"reason": "open_case"}, "is not for this team and reason"),
        ({"role": "director"}, "does not share"),
    ],
)
def test_an_attacker_cannot_widen_an_export(
    agreements: Agreements, outgoing: Outgoing, log: AuditLog, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    made = make(agreements, outgoing)
    with pytest.raises(ReleaseRefused, match=why):
        Releaser(tmp_path / "outbox", agreements, log, RING).release(
            item(made, outgoing, **changes), NIGHT, NOW, SUBJECTS
        )
    assert not list((tmp_path / "outbox").rglob("*.zip")) and set(log.frame()["action"]) == {"refuse"}


def test_an_attacker_cannot_let_out_an_export_whose_terms_were_made_up(
    agreements: Agreements, log: AuditLog, tmp_path: Path
) -> None:
    _, finer = varied(agreements, dates="day", people=None)
    made = make(agreements, finer, whom=SUBJECTS.with_columns(household_covered=False))
    with pytest.raises(ReleaseRefused, match="no agreement in force has such an export"):
        Releaser(tmp_path / "outbox", agreements, log, RING).release(item(made, finer), NIGHT, NOW, SUBJECTS)
    with pytest.raises(ExportRefused, match="no agreement in force"):
        exports.choose(agreements, "council-analytics", "analysts", None, date(2027, 4, 1))


def sealed_for_the_team(agreements: Agreements) -> tuple[Agreements, Outgoing]:
    """The same agreements, of which one has all that its recipients are given encrypted."""
    to = [tuple(r.model_copy(update={"encrypt": r.team == "analysts"}) for r in one.recipients) for one in agreements]
    every = [one.model_copy(update={"recipients": whom}) for one, whom in zip(agreements, to, strict=True)]
    other = Agreements(every, agreements.council)
    return other, exports.choose(other, "council-analytics", "analysts", None, NIGHT)


@pytest.mark.parametrize("by", [lambda made: varied(made, encrypt=True), sealed_for_the_team])
def test_an_attacker_gets_no_export_in_plain_where_the_agreement_has_it_encrypted(
    agreements: Agreements, log: AuditLog, tmp_path: Path, by: Callable[[Agreements], tuple[Agreements, Outgoing]]
) -> None:
    other, outgoing = by(agreements)
    assert other.sealed_teams(NIGHT) == {"analysts"} and agreements.sealed_teams(NIGHT) == set()
    with pytest.raises(ReleaseRefused, match=r"keys/analysts\.asc"):
        Releaser(tmp_path / "outbox", other, log, RING).release(
            item(make(other, outgoing), outgoing), NIGHT, NOW, SUBJECTS
        )
    assert not [p for p in (tmp_path / "outbox").rglob("*") if p.is_file()] and log.frame().is_empty()
