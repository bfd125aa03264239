"""People's rights as an officer exercises them, and as those try who want somebody else's data."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from familyhouse import (
    AMELIA,
    CASE,
    FIRST,
    HIDDEN,
    KOFI,
    NIAMH,
    NOW,
    SECOND,
    STRANGER,
    council_at,
    fact,
    night,
    protect,
    records,
)

from assets.context import Council
from assets.history import known
from assets.marts import NAMES, mart_of
from assets.sharing import audit_log, releaser
from governance import inert, rights
from governance.audit import AuditError, Entry
from governance.keys import KeyRing
from governance.organisation import Post
from governance.release import SUBJECT, SUBJECT_ACCESS, Item, ReleaseRefused
from governance.rights import EXPORTS, MARTS, PROFILING, SAFEGUARDING, SHARING, UPHELD, OptOut, Rights
from governance.vault import Vault
from pipelines.cli import main
from pipelines.subject_desk import SubjectDesk, SubjectRefused
from summaries import findings
from summaries.asked import for_owner
from warehouse.store import StoreError
from warehouse.tables import (
    CORRECTION,
    EVENT,
    LINK_PAST,
    OBJECTION,
    OUTPUT_USE,
    PERSON,
    PERSON_LINK,
    RELEASE,
    SOURCE_RECORD,
)

SPOKEN = date(2026, 11, 3)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a council of which one night is published; one of the family's addresses is protected."""
    home = tmp_path_factory.mktemp("family") / "home"
    with pytest.MonkeyPatch.context() as patch:
        council = council_at(home, patch, make=True)
        night(council, FIRST)
        protect(council, "brother")
    return home


@pytest.fixture(scope="module")
def opened(published: Path) -> Iterator[Council]:
    """The same, to be read alone."""
    with pytest.MonkeyPatch.context() as patch:
        yield council_at(published, patch)


@pytest.fixture
def council(published: Path, opened: Council, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Council:
    """The same in a folder of its own."""
    shutil.copytree(published.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    home = tmp_path / "home"
    monkeypatch.setenv("KINFOLD_HOME", str(home))
    ring = KeyRing.load(home)
    vault = Vault(ring)
    return replace(opened, home=home, ring=ring, vault=vault, store=type(opened.store)(home, vault))


def desk(council: Council, case: str | None = CASE) -> SubjectDesk:
    return SubjectDesk(council, "A. Officer", case, clock=lambda: NOW)


def told(council: Council, person: str = AMELIA, language: str = "en") -> str:
    row = desk(council).pack(person, language).row(0, named=True)
    return (council.home / "outbox" / row["file"]).read_text("utf-8")


def actions(council: Council) -> list[tuple[str, str | None]]:
    """What the log has that an officer did."""
    return audit_log(council).frame().filter(team="information-rights").select("action", "person_id").rows()


def outside(council: Council) -> list[Path]:
    return [path for path in (council.home / "outbox").rglob("*") if path.is_file()]


def upheld(council: Council, *uses: str, person: str = AMELIA, partner: str | None = None) -> list[str]:
    return desk(council).object_to(person, uses, partner, "Leave me out", SPOKEN, UPHELD, "Nothing overrides it")


# -- the document ------------------------------------------------------------------------------------------------------


def test_a_person_is_told_what_is_held_from_whom_who_has_it_and_what_was_worked_out(council: Council) -> None:
    page = told(council)
    for words in (
        "Amelia O&#39;Brien", "3 September 2014", "9 March 2014", "Police incidents", "12 Linden Terrace",
        "Your parent", "Reported missing", "Child in need", "Children&#39;s social care", "A worker",
        "1 missing episode in 12 months", "Suspended or excluded from school", CASE, "UK GDPR Article 15",
        "Information Commissioner", "dataprotection@harrowmere.example",
    ):  # fmt: skip
        assert words in page, words
    assert "early-help" not in page and "Early Help" in page


def test_what_rests_on_the_records_of_others_is_said_to_be_there_and_not_what_it_is(council: Council) -> None:
    page = told(council)
    assert "domestic abuse" not in page.lower()
    assert "records about people who live with you" in page and "1 more rule is met" in page


def test_nobody_gets_somebodys_document_without_naming_the_request(council: Council) -> None:
    with pytest.raises(SubjectRefused, match="for which request"):
        desk(council, case=None).pack(AMELIA)
    with pytest.raises(SubjectRefused, match="never a name"):
        desk(council, case="for Amelia's aunt")
    assert actions(council)[-1] == ("refuse", AMELIA)
    assert not outside(council)


def test_nobody_but_the_team_that_answers_people_gets_a_document(council: Council) -> None:
    staff = {"somebody-else": (Post(team="information-rights", roles=("data_protection_officer",)),)}
    council = replace(council, organisation=council.organisation.model_copy(update={"staff": staff}))
    with pytest.raises(SubjectRefused, match="does not have this user"):
        desk(council)
    teams = {n: t for n, t in council.organisation.teams.items() if n != "information-rights"}
    none = replace(council, organisation=council.organisation.model_copy(update={"teams": teams, "staff": None}))
    with pytest.raises(SubjectRefused, match="no team of the council"):
        desk(none)
    assert actions(council)[-1] == ("refuse", None) and not outside(council)


@pytest.mark.parametrize(
    "change",
    [
        {"team": "mash", "role": "social_worker"},
        {"team": "police-data", "role": "data_owner"},
        {"reason": "open_case"},
        {"role": "social_worker"},
        {"until": None},
        {"person_id": None},
        {"shared": ()},
    ],
)
def test_a_team_that_wants_a_file_the_agreements_refuse_cannot_call_it_a_persons_own(
    council: Council, change: dict[str, Any]
) -> None:
    item = Item(
        SUBJECT, "information-rights", "data_protection_officer", SUBJECT_ACCESS, AMELIA, b"<p>all</p>",
        ("council: identity",), until=SECOND,
    )  # fmt: skip
    with pytest.raises(ReleaseRefused):
        releaser(council).release(replace(item, **change), FIRST, NOW)
    assert not outside(council)


def test_no_document_leaves_without_its_entry_in_the_log(council: Council) -> None:
    log = audit_log(council)
    log.append([Entry(NOW, "x", None, "read", None, None, None, None)])
    log.path.write_bytes(b"")
    with pytest.raises(AuditError):
        desk(council).pack(AMELIA)
    assert not outside(council)


def test_the_log_has_the_look_and_the_release_before_the_file_is_there(council: Council) -> None:
    row = desk(council).pack(AMELIA).row(0, named=True)
    assert actions(council)[-2:] == [("reveal", AMELIA), ("release", AMELIA)]
    entry = audit_log(council).frame().row(-1, named=True)
    assert entry["release_id"] == row["release_id"] and entry["agreement"] == "UK GDPR Article 15"
    assert row["expires_on"] == date(2027, 1, 19) and f"until_{row['expires_on']}" in row["file"]


def test_a_document_names_nobody_else(council: Council) -> None:
    for language, somebody in (("en", "[another person]"), ("cy", "[person arall]")):
        page = told(council, language=language)
        assert somebody in page
        for name in ("Niamh", "NIAMH", "Gallagher", "Stone"):
            assert name not in page
        assert "Amelia misses" in page, "their own name is theirs"


def test_a_document_shows_no_protected_address_wherever_it_stands(council: Council) -> None:
    protect(council, "case")
    made = desk(council)
    made.correct(AMELIA, "address", f"We live at {HIDDEN}", SPOKEN)
    made.object_to(AMELIA, [MARTS], None, "I moved to ZZ1 4QT", SPOKEN, UPHELD, "")
    for language in ("en", "cy"):
        page = told(council, language=language)
        for place in ("Linden", "LINDEN", "ZZ1 4QT", "Sanctuary", "SANCTUARY", "ZZ9 9ZZ", "E01000001"):
            assert place not in page, place


def test_the_protected_address_of_a_brother_is_not_told_through_what_somebody_said(council: Council) -> None:
    council.store.write(  # the brother is known to be hers through a relationship
        *_with_brother(council)
    )
    page = told(council)
    assert "Kofi" not in page and "Sanctuary" not in page
    assert "12 Linden Terrace" in page, "her own address is hers"


def _with_brother(council: Council) -> tuple[Any, date, pl.DataFrame]:
    from warehouse.tables import RELATIONSHIP

    kept, held = council.store.read(RELATIONSHIP, FIRST), records(council)
    row = kept.with_columns(
        relationship_id=pl.lit(fact(41)), record_id=pl.lit(held["brother"]["record_id"]), kind=pl.lit("sibling")
    )
    return RELATIONSHIP, FIRST, pl.concat([kept, row])


def test_what_is_withheld_stays_withheld_for_the_next_officer_and_unsaid_where_saying_it_would_harm(
    council: Council,
) -> None:
    made = desk(council)
    made.withhold(AMELIA, [fact(30)[:8]], True, "Dr B, paediatrician: it would harm her")
    page = told(council)
    assert "misses him" not in page and "left out of this document for that reason" not in page
    made.withhold(AMELIA, [fact(4)], False, "Dr B, paediatrician: it would harm her")
    again = told(council)
    assert "misses him" not in again and "Child in need" not in again
    assert "1 thing was left out of this document for that reason" in again
    assert "We cannot always say" in page, "the sentence that says it may be so stands in every document"
    with pytest.raises(StoreError, match="note"):
        made.withhold(AMELIA, [fact(2)], True, " ")
    with pytest.raises(SubjectRefused, match="reference"):
        made.withhold(AMELIA, [fact(3)], True, "an event of her mother's")


def test_who_looked_at_an_id_after_it_went_to_somebody_else_is_not_told_to_whom_it_was_before(council: Council) -> None:
    store, record = council.store, records(council)["school"]["record_id"]
    past = pl.DataFrame(
        [{"record_id": record, "person_id": STRANGER, "from": date(2026, 1, 1), "to": date(2026, 6, 1)}],
        schema=LINK_PAST.schema,
    )
    store.write(LINK_PAST, FIRST, past)
    for when, role in ((datetime(2026, 3, 1), "in_her_time"), (datetime(2026, 9, 1), "afterwards")):
        audit_log(council).append([Entry(when, "x", role, "reveal", "mash", STRANGER, "open_case", None)])
    page = told(council)
    assert "in her time" in page and "afterwards" not in page


def test_somebody_elses_case_is_not_told_to_whoever_stood_in_their_file(council: Council) -> None:
    store = council.store
    release = {"release_id": "r" * 32, "kind": "summary", "team": "adult-social-care", "person_id": NIAMH,
               "reason": "open_case", "file": "x", "sha256": "x", "shared": ["police: domestic_abuse"], "withheld": [],
               "released_at": NOW, "expires_on": SECOND}  # fmt: skip
    own = release | {"release_id": "s" * 32, "team": "mash", "person_id": AMELIA,
                     "shared": ["police: domestic_abuse", "police: missing_episode"]}  # fmt: skip
    store.write(RELEASE, FIRST, pl.DataFrame([release, own], schema=RELEASE.schema, orient="row"))
    use = {"kind": "summary", "output_id": "r" * 32, "team": "adult-social-care", "person_id": NIAMH, "about": AMELIA}
    store.write(OUTPUT_USE, FIRST, pl.DataFrame([use], schema=OUTPUT_USE.schema, orient="row"))
    page = told(council)
    assert "Adult Social Care" in page and "made about something or somebody else" in page
    assert "domestic" not in page.lower(), "what her mother's rows told of is her mother's"
    assert "Harrowmere Constabulary: Missing episodes" in page


# -- what it looks like ----------------------------------------------------------------------------------------------


class _Reader(HTMLParser):
    """What a screen reader would be given: languages, headings, tables, and text outside of English."""

    def __init__(self) -> None:
        super().__init__()
        self.languages: list[str | None] = []
        self.headings: list[int] = []
        self.heads: list[dict[str, str | None]] = []
        self.tables = self.captions = 0
        self.foreign: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("meta", "link", "br", "img", "input", "hr"):
            return
        self.languages.append(given.get("lang") or (self.languages[-1] if self.languages else None))
        self.headings += [int(tag[1])] if re.fullmatch(r"h[1-6]", tag) else []
        self.heads += [given] if tag == "th" else []
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.scripts += tag == "script" or any(name.startswith("on") for name in given)

    def handle_endtag(self, tag: str) -> None:
        self.languages.pop()

    def handle_data(self, data: str) -> None:
        if self.languages and self.languages[-1] == "cy-GB":
            self.foreign.append(data)


@pytest.mark.parametrize("language", ["en", "cy"])
def test_a_document_can_be_read_aloud_and_opens_offline(council: Council, language: str) -> None:
    page = told(council, language=language)
    reader = _Reader()
    reader.feed(page)
    assert reader.headings[0] == 1 and reader.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(reader.headings, reader.headings[1:], strict=False))
    assert reader.tables == reader.captions and all(head.get("scope") in ("col", "row") for head in reader.heads)
    assert not reader.scripts and "http" not in page.replace("http-equiv", "")
    assert f'<html lang="{language}-GB">' in page


def test_a_welsh_document_is_welsh_and_marks_what_exists_in_english_alone(council: Council) -> None:
    upheld(council, MARTS)
    desk(council).correct(AMELIA, "birth_date", "xyz", SPOKEN)
    page = told(council, language="cy")
    reader = _Reader()
    reader.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
    words = set(re.findall(r"[a-z]+", " ".join(reader.foreign).lower()))
    assert not words & {"the", "and", "of", "with", "your", "not", "since", "november", "september", "school"}
    for told_ in ("3 Medi 2014", "Eich rhiant", "Swyddfa’r Comisiynydd Gwybodaeth", "Rhif GIG"):
        assert told_ in page
    assert '<span lang="en" class="english">Reported missing</span>' in page


# -- who asks ---------------------------------------------------------------------------------------------------------


def test_an_officer_finds_a_person_by_what_is_typed_and_never_by_what_stands_on_a_command_line(
    council: Council, caplog: pytest.LogCaptureFixture
) -> None:
    command = ["subject", "find", "--who", "A. Officer"]
    done = CliRunner().invoke(main, command, input="amelia\nO Brien\n2014-09-03\n")
    assert done.exit_code == 0 and AMELIA in done.output and STRANGER not in done.output
    assert desk(council).person("school-census:S1") == AMELIA
    refused = CliRunner().invoke(main, [*command, "--surname", "O'Brien"])
    assert refused.exit_code == 2 and "No such option" in refused.output
    assert "O'Brien" not in caplog.text


def test_guessing_names_leaves_traces_whether_they_are_right_or_not(council: Council) -> None:
    made = desk(council, None)
    assert made.find("Nobody", "Atall", date(2014, 9, 3)) == []
    assert actions(council) == [("find", None)]
    (match,) = made.find("Millie", "O'Brien", date(2014, 3, 9))
    assert match.person_id == AMELIA
    assert actions(council)[1:] == [("find", None), ("find", AMELIA)]
    with pytest.raises(SubjectRefused, match="no such person"):
        made.person("f" * 32)
    assert actions(council)[-1] == ("refuse", None)
    text = audit_log(council).path.read_text()
    assert "Nobody" not in text and "Brien" not in text and "Millie" not in text


def test_whoever_is_found_is_told_apart_without_a_protected_address(council: Council) -> None:
    (match,) = desk(council).find("Kofi", "O'Brien", date(2009, 6, 21))
    assert match.person_id == KOFI and match.postcode == "protected"
    assert "Kofi" not in repr(match)


# -- objections --------------------------------------------------------------------------------------------------------


def test_an_objection_is_not_lost_when_ids_merge_split_or_are_made_anew(council: Council) -> None:
    upheld(council, PROFILING)
    assert rights.barred(council.store, FIRST, PROFILING, council.rights).to_list() == [AMELIA]
    merged = dict.fromkeys(("case", "school", "police", "stranger"), STRANGER)
    night(council, SECOND, merged)
    assert rights.barred(council.store, SECOND, PROFILING, council.rights).to_list() == [STRANGER]
    third = date(2026, 11, 22)
    night(council, third, {"case": "e" * 32, "school": "f" * 32, "police": "f" * 32})  # another model, all ids anew
    assert rights.barred(council.store, third, PROFILING, council.rights).to_list() == ["e" * 32, "f" * 32]


def test_an_objection_is_kept_once_however_often_a_killed_command_is_run_again(council: Council) -> None:
    first = upheld(council, PROFILING, MARTS)
    half = council.home / "vault" / "register" / ".objection~killed"
    half.mkdir()
    (half / "kept.parquet").write_bytes(b"half")
    assert upheld(council, PROFILING, MARTS) == first
    assert rights.read(council.store, OBJECTION)["objection_id"].n_unique() == 2
    assert rights.barred(council.store, FIRST, MARTS, council.rights).to_list() == [AMELIA]
    upheld(council, EXPORTS)
    assert not half.exists()


def test_an_objection_withdrawn_blocks_no_more_and_stays_on_record(council: Council) -> None:
    (made,) = upheld(council, MARTS)
    desk(council).withdraw([made])
    assert rights.barred(council.store, FIRST, MARTS, council.rights).is_empty()
    assert rights.read(council.store, OBJECTION)["withdrawn_by"].unique().to_list() == ["A. Officer"]
    with pytest.raises(StoreError, match="not known"):
        desk(council).withdraw(["f" * 32])


@pytest.mark.parametrize(
    ("use", "partner", "why"),
    [(SAFEGUARDING, None, "under a duty"), (SHARING, "police", "under a duty"), (SHARING, None, "names the partner")],
)
def test_nobody_can_have_the_law_set_aside_by_an_objection(
    council: Council, use: str, partner: str | None, why: str
) -> None:
    with pytest.raises(StoreError, match=why):
        upheld(council, use, partner=partner)
    assert rights.read(council.store, OBJECTION).is_empty()


def test_an_objection_that_is_refused_says_why(council: Council) -> None:
    made = desk(council)
    with pytest.raises(StoreError, match="says why"):
        made.object_to(AMELIA, [SAFEGUARDING], None, "Stop", SPOKEN, "refused", "")
    made.object_to(AMELIA, [SAFEGUARDING], None, "Stop", SPOKEN, "refused", "Children Act 2004, section 11")
    assert rights.bars(council.store, FIRST, council.rights).is_empty()


def test_nobody_who_objected_to_it_is_profiled_and_nobody_else_by_their_records(council: Council) -> None:
    before = known(council, FIRST).at(SECOND).events.collect()
    upheld(council, PROFILING)
    view = known(council, FIRST).at(SECOND)
    events = view.events.collect()
    assert before.height == 5 and set(events["person_id"]) == {NIAMH}
    assert AMELIA not in set(view.people["person_id"]) | set(view.members["person_id"])


def test_whoever_objected_to_planning_is_in_no_mart_not_even_as_evidence(council: Council) -> None:
    def found(table: Any) -> int:
        made = mart_of(council, table, FIRST).frame
        rows = made.lazy().collect()
        return sum(
            rows[c].cast(pl.String).str.contains(AMELIA).sum() for c in rows.columns if rows[c].dtype == pl.String
        )

    tables = [t for t in NAMES if str(FIRST) in council.store.folders(t.zone, t.name)]
    assert sum(map(found, tables)) > 5
    upheld(council, MARTS)
    assert {t.name: found(t) for t in tables if found(t)} == {}
    cohorts = mart_of(council, next(t for t in NAMES if t.name == "cohort_member"), FIRST).frame.lazy().collect()
    assert cohorts.is_empty(), "the household's cohort rests on an event of hers"


def test_what_a_barred_partner_told_is_in_no_mart_and_the_rest_stays(council: Council) -> None:
    listed = council.store.read(EVENT, FIRST).filter(event_id=fact(5)).with_columns(feed=pl.lit("ndoo"))
    both = pl.concat([council.store.read(EVENT, FIRST), listed.with_columns(event_id=pl.lit(fact(9)))])
    council.store.write(EVENT, FIRST, both)
    says = OptOut(feed="ndoo", name="National Data Opt-out", bars=({"from": "schools", "uses": [MARTS, EXPORTS]},))  # type: ignore[arg-type]
    council = replace(council, rights=Rights(opt_outs=(says,)))
    rows = mart_of(council, EVENT, FIRST).frame.lazy().collect()
    mine = rows.filter(person_id=AMELIA)
    assert "schools" not in set(mine["partner"]) and {"police", "childrens-services"} <= set(mine["partner"])
    assert rights.barred(council.store, FIRST, EXPORTS, council.rights).to_list() == [AMELIA]
    assert rights.barred(council.store, FIRST, EXPORTS, council.rights, "police").is_empty()
    assert rights.wholly_barred(council.store, FIRST, MARTS, council.rights).is_empty()
    ended = both.with_columns(end=pl.when(pl.col("event_id") == fact(9)).then(datetime(2026, 11, 1)).otherwise("end"))
    council.store.write(EVENT, FIRST, ended)
    assert rights.bars(council.store, FIRST, council.rights).is_empty()


# -- corrections -------------------------------------------------------------------------------------------------------

HOSTILE = '<script>alert(1)</script> =HYPERLINK("http://x") \u202egnp'


def test_what_somebody_writes_into_a_correction_runs_nowhere(council: Council) -> None:
    desk(council).correct(AMELIA, fact(1)[:8], HOSTILE, SPOKEN)
    page = told(council)
    assert "<script" not in page and "&lt;script&gt;" in page and "\u202e" not in page
    said = for_owner(rights.read(council.store, CORRECTION))
    sheet = inert.spreadsheet(said).decode("utf-8-sig")
    assert "'=HYPERLINK" in sheet and "\u202e" not in sheet
    assert not re.search(r'(^|[",;\s])=', sheet.replace("'=", "")), "no cell of it begins a formula"


def test_a_correction_changes_no_value_marks_it_and_goes_to_whoever_recorded_it(council: Council) -> None:
    made, feeds = desk(council).correct(AMELIA, "birth_date", "I was born on the 4th", SPOKEN)
    assert feeds == ["case-system", "school-census"], "the police hold another date"
    store, kept = council.store, rights.of_people(council.store, CORRECTION, FIRST)
    before = store.read(PERSON, FIRST)
    after = rights.annotated(before, kept)
    changed = ["conflicts", "conflicting"]
    assert after.drop(changed).equals(before.drop(changed))
    (mine,) = after.filter(person_id=AMELIA)["conflicts"].to_list()
    assert "disputed by the person: birth_date, on 2026-11-03" in mine
    links, held = store.read(PERSON_LINK, FIRST), store.read(SOURCE_RECORD, FIRST)
    said = for_owner(rights.read(store, CORRECTION))
    issues = pl.DataFrame(
        {"record_id": said["record_id"], "feed": "case-system", "rule": findings.DISPUTED.name, "since": FIRST}
    )
    told_ = findings.listed(issues, held, links, said)
    assert told_.filter(key="P1")["they_say"].item() == "date of birth: I was born on the 4th (3 November 2026)"
    desk(council).answer(made, "refused", "The birth certificate says the 3rd")
    assert for_owner(rights.read(store, CORRECTION)).is_empty()
    assert rights.annotated(before, rights.of_people(store, CORRECTION, FIRST)).equals(before)
    page = told(council)
    assert "The birth certificate says the 3rd" in page and "I was born on the 4th" in page


def test_a_correction_of_an_address_tells_its_owner_no_address(council: Council) -> None:
    desk(council).correct(AMELIA, "address", f"Now at {HIDDEN}", SPOKEN)
    said = for_owner(rights.read(council.store, CORRECTION))
    assert "SANCTUARY" not in said.write_csv().upper() and said["said"][0].startswith("address: ask the council")
    with pytest.raises(SubjectRefused, match="Shorten"):
        desk(council).correct(AMELIA, "address", "x" * 2000, SPOKEN)


def test_what_is_kept_is_listed_by_ids_alone(council: Council) -> None:
    desk(council).correct(AMELIA, "birth_date", "SECRETWORDS", SPOKEN)
    upheld(council, MARTS)
    done = CliRunner().invoke(main, ["subject", "list", AMELIA, "--who", "A. Officer"])
    assert done.exit_code == 0 and "marts, upheld" in done.output and "birth_date, open" in done.output
    assert "SECRETWORDS" not in done.output and "Leave me out" not in done.output


def test_a_person_objects_and_corrects_by_what_is_typed(council: Council) -> None:
    done = CliRunner().invoke(
        main, ["subject", "object", "case-system:P1", "--who", "A. Officer", "--use", "exports"], input="No\n\n"
    )
    assert done.exit_code == 0, done.output
    assert rights.barred(council.store, FIRST, EXPORTS, council.rights).to_list() == [AMELIA]
    command = ["subject", "pack", AMELIA, "--who", "A. Officer", "--case", CASE, "--withhold", fact(30)[:8]]
    done = CliRunner().invoke(main, command, input="Dr B: harm\n")
    assert done.exit_code == 0 and "to be gone by" in done.output, done.output
