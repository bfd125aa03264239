"""The review page and the steward's commands: for one person, by right, on record, and leaving nothing behind."""

from __future__ import annotations

import csv
import http.client
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import polars as pl
import pytest
from click.testing import CliRunner, Result

from assets.context import Council
from assets.people import MODEL
from assets.sharing import audit_log
from governance.acceptance import accept
from governance.agreements import load_agreements
from governance.keys import KeyRing, create, key_file
from governance.pseudonyms import record_ids
from linkage import decisions, review
from linkage.comparisons import COMPARISONS
from linkage.model import Model
from linkage.night import link
from pipelines.cli import main
from pipelines.review_desk import PROTECTED, TEAM, Desk, ReviewRefused
from pipelines.review_page import HEADERS, LARGEST, Sitting, serving
from warehouse.site import PROJECT
from warehouse.store import Store
from warehouse.tables import (
    DWELLING,
    MATCH_EDGE,
    PERSON_LINEAGE,
    PERSON_LINK,
    RELEASE,
    RISK_FLAG,
    SOURCE_RECORD,
    Table,
    Zone,
)

NIGHT = date(2026, 11, 20)
NOW = datetime(2026, 11, 23, 10)
CANARY = "QUIXOTELBY"  # a family name that stands nowhere else
NOTE = "Seen with the Vorpalstein file"
ROWS = [  # feed, key, forename, surname, birth date, address, postcode
    ("gp-register", "G1", "ROSALIND", CANARY, "1984-03-05", "4 MILL LANE", "QH1 1AA"),
    ("social-housing", "H1", "ROSALIND", CANARY, "1984-03-05", "4 MILL LANE", "QH1 1AA"),
    ("council-tax", "C1", "R", CANARY, None, "9 ABBEY ROAD", "QH2 2BB"),
    ("police-incidents", "P1", "<b>ROSA</b>\u202e", CANARY, "1984-05-03", "4 MILL LANE", "QH1 1AA"),
    ("gp-register", "G2", "EDMUND", "TRELAWNEY", "1951-07-19", "2 QUAY STREET", "QH3 3CC"),
    ("adult-social-care", "A1", "EDMUND", "TRELAWNY", "1951-07-19", "8 HIGH STREET", "QH4 4DD"),
    ("food-vouchers", "F1", "EDMUND", "TRELAWNEY", None, "2 QUAY STREET", "QH3 3CC"),
    ("school-census", "S1", "WINIFRED", "OKONKWO", "2014-01-30", "7 PARK VIEW", "QH5 5EE"),
    ("gp-register", "G3", "WINNIE", "OKONKWO", "2014-01-30", "1 STATION ROAD", "QH6 6FF"),
]


def put(council: Council, table: Table, frame: pl.DataFrame) -> None:
    none = [pl.lit(None, kind).alias(name) for name, kind in table.schema.items() if name not in frame.columns]
    rows = frame.with_columns(none).select(pl.col(name).cast(kind) for name, kind in table.schema.items())
    council.store.write(table, NIGHT, rows)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Council:
    """A council's folder and data after a night of nine records, linked by a model that was told its weights."""
    place = tmp_path_factory.mktemp("steward")
    shutil.copytree(PROJECT / "sites", place / "sites")
    site = place / "sites" / "harrowmere"
    wanted = {"record-review", *(feed for feed, *_ in ROWS)}
    for file in (*(site / "feeds").iterdir(), *(site / "agreements").iterdir()):
        if file.name.partition(".")[0] not in wanted:
            file.unlink()  # every command reads what is there
    for file in ("retention.yaml", "rights.yaml", "aggregates.yaml"):  # they name agreements and feeds that went
        (site / file).unlink(missing_ok=True)
    agreement = site / "agreements" / "record-review.agreement.yaml"
    text = agreement.read_text("utf-8").replace("until: 2027-03-31", "until: 2099-03-31")
    agreement.write_text(re.sub(r".*from: food-bank.*\n", "", text), "utf-8")  # its trustees did not agree
    home = place / "home"
    create(key_file(home))
    accept(home, KeyRing.load(home), load_agreements(site), ["record-review v1"], "test", NOW, lambda said: None)
    council = Council.open(site, home)
    ids = [record_ids(feed, pl.Series([key]), council.ring).item() for feed, key, *_ in ROWS]
    names = ["feed", "source_key", "forename", "surname", "birth_date", "address", "postcode"]
    records = pl.DataFrame(ROWS, schema=names, orient="row").with_columns(
        pl.Series("record_id", ids), pl.col("birth_date").str.to_date(), pl.lit(NIGHT).alias("seen_on")
    )
    records = records.with_columns(pl.struct(pl.all()).hash(1).alias("row_hash"))
    put(council, SOURCE_RECORD, records)
    even = {c.name: tuple(1 / len(c.levels) for _ in c.levels) for c in COMPARISONS}
    model = Model(0.25, {c.name: tuple(level.m for level in c.levels) for c in COMPARISONS}, even, 0.0, 3.0)
    model.save(home / "models" / "linkage" / model.model_id)
    council.store.put(Zone.VAULT, MODEL, {"in_force": pl.DataFrame({"model_id": [model.model_id]})})
    made = link(council.store.read(SOURCE_RECORD, NIGHT), None, model, NIGHT, council.ring.key("person"))
    put(council, MATCH_EDGE, made.edges)
    put(council, PERSON_LINK, made.links)
    put(council, PERSON_LINEAGE, made.lineage)
    flagged = made.links.filter(pl.col("record_id") == ids[0]).select("person_id", pl.lit("x").alias("outcome"))
    put(council, RISK_FLAG, flagged)
    refuge = {"uprn": "100000000001", "address": "7 PARK VIEW", "postcode": "QH5 5EE", "kind": "refuge"}
    put(council, DWELLING, pl.DataFrame([refuge]))
    council.store.put(RELEASE.zone, f"released/{NIGHT}/summary", {"released": RELEASE.empty()})
    council.store.publish(NIGHT, {})
    return council


@pytest.fixture
def council(built: Council, tmp_path: Path) -> Council:
    home = tmp_path / "it" / "home"
    shutil.copytree(built.home, home, symlinks=True)
    shutil.copy(key_file(built.home), key_file(home))
    return replace(built, home=home, store=Store(home, built.vault))


def record(council: Council, name: str) -> str:
    """The id of the record with that key."""
    (feed,) = (feed for feed, key, *_ in ROWS if key == name)
    return str(record_ids(feed, pl.Series([name]), council.ring).item())


def desk(council: Council, who: str = "ann", clock: Callable[[], datetime] = lambda: NOW) -> Desk:
    return Desk(council, who, "record_review", clock=clock)


class Read(HTMLParser):
    """A page's tags, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def value(self, name: str) -> str:
        return next(a["value"] or "" for t, a in self.tags if t == "input" and a.get("name") == name)


@dataclass
class Browser:
    """A browser that does as it is told: it holds one cookie, and sends the headers that it is given."""

    sitting: Sitting
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.sitting.port, timeout=5)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        told = answer.status, dict(answer.getheaders()), answer.read().decode()
        connection.close()
        return told

    def enter(self) -> Browser:
        status, headers, _ = self.ask("GET", self.sitting.address.partition(str(self.sitting.port))[2])
        assert status == 303
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        return self

    def get(self, path: str = "/") -> Read:
        status, headers, text = self.ask("GET", path)
        assert status == 200, text
        assert {name: headers[name] for name in HEADERS} == HEADERS
        return Read(text)

    def send(self, path: str, **fields: str) -> tuple[int, dict[str, str], str]:
        body = urlencode({"form": self.sitting.form, **fields}).encode()
        return self.ask("POST", path, body, Content_Type="application/x-www-form-urlencoded")

    def decide(self, verdict: str, note: str = "") -> str:
        pair = self.get().value("pair")
        status, headers, text = self.send("/decide", pair=pair, verdict=verdict, note=note)
        assert (status, headers.get("Location")) == (303, "/"), text
        return pair


@pytest.fixture
def browser(council: Council) -> Iterator[Browser]:
    with serving(Sitting(desk(council))) as sitting:
        yield Browser(sitting)


def kept(council: Council) -> list[tuple[str, str, str]]:
    said = decisions.read(council.store).filter(pl.col("withdrawn_at").is_null())
    return said.select("who", "verdict", pl.concat_str("record_l", "record_r", separator=".")).rows()


# -- working through pairs -------------------------------------------------------------------------------------------


def test_a_pair_is_shown_side_by_side_in_plain_words(council: Council, browser: Browser) -> None:
    shown = browser.enter().get("/")
    text = shown.text
    assert "Are these two records about one person?" in text
    assert "≈ in part" in text or "≠ differs" in text
    assert re.search(r"\d\.\d bits (above|below) the line", text)
    assert re.search(r"(strongly|clearly|somewhat|hardly) for (one person|two people)", text)
    assert "19 July 1951" in text and "1951-07-19" not in text
    left, right = sorted((record(council, "C1"), record(council, "G1")))
    desk(council).decide([{"record_l": left, "record_r": right, "verdict": "unsure"}])
    assert "with 1 risk flag" in browser.get(f"/pair?of={left}.{right}").text


def test_every_pair_is_in_the_audit_log_before_it_is_shown(council: Council, browser: Browser) -> None:
    log = audit_log(council)
    assert log.frame().height == 0
    pair = browser.enter().get("/").value("pair").split(".")
    stands = dict(council.store.read(PERSON_LINK).select("record_id", "person_id").iter_rows())
    told = log.frame()
    assert set(told["person_id"]) == {stands[record] for record in pair}
    assert told.select("actor", "role", "team", "action", "reason").unique().rows() == [
        ("ann", "data_steward", TEAM, "reveal", "record_review")
    ]
    assert all("record-review v1 shares[" in cited for cited in told["agreement"])
    log.checkpoint.write_text("{}")  # the log can no longer be trusted
    status, _, text = browser.ask("GET", "/")
    assert status == 403 and "audit" in text and CANARY not in text


def test_decisions_are_kept_and_the_next_pair_comes_until_nothing_waits(council: Council, browser: Browser) -> None:
    browser.enter()
    many = len(browser.sitting.waiting)
    pairs = [browser.decide("different" if n % 2 else "same") for n in range(many)]
    assert len(set(pairs)) == many >= 2
    assert [pair for _, _, pair in kept(council)] == pairs
    assert "No pair waits" in browser.get().text
    assert desk(council).queue().height == 0
    assert audit_log(council).frame()["action"].to_list().count("decide") >= many
    assert audit_log(council).verify() == []


def test_skip_puts_a_pair_last_and_keeps_nothing(council: Council, browser: Browser) -> None:
    first = browser.enter().decide("skip")
    assert kept(council) == []
    assert browser.get().value("pair") != first
    assert browser.sitting.waiting[-1] == tuple(first.split("."))


def test_the_last_decision_can_be_undone_and_comes_again(council: Council, browser: Browser) -> None:
    pair = browser.enter().decide("same")
    after = browser.get()
    assert "Kept: the same person" in after.text and after.value("pair") != pair
    assert browser.send("/withdraw", decision=after.value("decision"))[0] == 303
    assert kept(council) == [] and decisions.read(council.store).height == 1
    again = browser.get()
    assert again.value("pair") == pair and "Taken back" in again.text


def test_never_link_needs_a_reason_and_stands_on_the_register(council: Council, browser: Browser) -> None:
    pair = browser.enter().get().value("pair")
    status, _, text = browser.send("/decide", pair=pair, verdict="never", note="  ")
    assert status == 422 and "Say in the note why" in text and 'aria-invalid="true"' in text
    assert kept(council) == []
    browser.decide("never", NOTE)
    (standing,) = decisions.in_force(decisions.read(council.store)).rows(named=True)
    assert (standing["verdict"], standing["by"]) == ("never", "register")


def test_the_list_of_my_decisions_names_nobody_and_leads_back_to_each_pair(council: Council, browser: Browser) -> None:
    pair = browser.enter().decide("unsure", NOTE)
    text = browser.get("/mine").text
    assert "unsure" in text and CANARY not in text and NOTE not in text
    before = audit_log(council).frame().height
    again = browser.get(f"/pair?of={pair}")
    assert NOTE in again.text and audit_log(council).frame().height > before
    assert Browser(browser.sitting, browser.cookie).ask("GET", "/pair?of=" + "0" * 32 + "." + "1" * 32)[0] == 404


def test_a_conflict_shows_both_reviewers_with_their_notes(council: Council, browser: Browser) -> None:
    pair = browser.enter().decide("same", "Same landlord")
    with serving(Sitting(desk(council, "bob"))) as sitting:
        bob = Browser(sitting).enter()
        assert tuple(pair.split(".")) not in sitting.waiting  # it is decided
        left, right = pair.split(".")
        desk(council, "bob").decide(
            [{"record_l": right, "record_r": left, "verdict": "different", "note": "Two people in one flat"}]
        )
        listed = bob.get("/conflicts")
        assert "ann" in listed.text and "bob" in listed.text and CANARY not in listed.text
        both = bob.get(f"/pair?of={pair}").text
        assert "Same landlord" in both and "Two people in one flat" in both
    with serving(Sitting(desk(council, "cat"))) as sitting:
        third = Browser(sitting).enter().get()
        assert third.value("pair") == pair and "reviewers disagree about them" in third.text


def test_a_second_opinion_is_asked_of_another_and_of_the_same_once_a_record_changes(council: Council) -> None:
    (first, *_) = desk(council).queue().select("record_l", "record_r").rows()
    desk(council).decide([{"record_l": first[0], "record_r": first[1], "verdict": "unsure"}])
    assert first not in desk(council).queue().select("record_l", "record_r").rows()
    assert desk(council, "bob").queue().filter(pl.col("kind") == "second").select(*review.PAIR).rows() == [first]
    records = council.store.read(SOURCE_RECORD)
    changed = pl.when(pl.col("record_id") == first[0]).then(pl.lit("07700900123")).otherwise("phone").alias("phone")
    council.store.write(SOURCE_RECORD, NIGHT, records.with_columns(changed))
    assert desk(council).queue().filter(pl.col("kind") == "changed").select(*review.PAIR).rows() == [first]


def test_hostile_names_are_shown_and_do_nothing(council: Council, browser: Browser) -> None:
    browser.enter()
    left, right = sorted((record(council, "P1"), record(council, "G1")))
    desk(council).decide([{"record_l": left, "record_r": right, "verdict": "unsure", "note": "<script>1</script>"}])
    status, _, text = browser.ask("GET", f"/pair?of={left}.{right}")
    assert status == 200 and "&lt;b&gt;ROSA&lt;/b&gt;" in text and "&lt;script&gt;" in text
    assert "<b>" not in text and "<script>1" not in text and "\u202e" not in text


def test_a_protected_address_is_not_shown_of_any_record_of_that_person(council: Council, browser: Browser) -> None:
    browser.enter()
    left, right = sorted((record(council, "C1"), record(council, "G1")))
    desk(council).decide([{"record_l": left, "record_r": right, "verdict": "unsure"}])
    assert "MILL LANE" in browser.get(f"/pair?of={left}.{right}").text
    desk(council).protect([record(council, "G1")], [None], NOTE)
    text = browser.get(f"/pair?of={left}.{right}").text
    assert "MILL LANE" not in text and "QH1 1AA" not in text and "Protected: not shown" in text


def test_the_address_of_a_refuge_is_never_shown(council: Council) -> None:
    shown = desk(council).show(tuple(sorted((record(council, "S1"), record(council, "G3")))))
    assert "PARK VIEW" not in repr(shown.rows) and "QH5" not in repr(shown.rows) and PROTECTED in repr(shown.rows)
    assert "PARK VIEW" not in repr(shown) and "OKONKWO" not in repr(shown)


def test_the_page_works_without_scripts_and_says_what_each_part_is(browser: Browser) -> None:
    page = browser.enter().get()
    assert [a for t, a in page.tags if t == "html"] == [{"lang": "en-GB"}]
    assert len([1 for t, _ in page.tags if t == "h1"]) == 1
    tags = [t for t, _ in page.tags]
    assert tags.count("caption") == tags.count("table")
    assert all(a.get("scope") in ("col", "row") for t, a in page.tags if t == "th")
    labelled = {a["for"] for t, a in page.tags if t == "label" and "for" in a}
    assert {a["id"] for t, a in page.tags if t == "textarea"} <= labelled
    assert not [a for _, a in page.tags for name in a if name.startswith("on") or name == "style"]
    assert {a["src"] for t, a in page.tags if t == "script"} == {"/keys.js"}
    reached = {a.get("href") or a.get("src") or "/" for t, a in page.tags if t in ("a", "link", "script")}
    assert all(where.startswith(("/", "#")) and not where.startswith("//") for where in reached)
    keys = {a["value"]: a["data-key"] for t, a in page.tags if t == "button" and "value" in a}
    assert set(keys) == {"same", "different", "unsure", "skip", "never"} and len(set(keys.values())) == 5
    for path in ("/review.css", "/keys.js"):
        assert browser.ask("GET", path)[0] == 200


# -- who is kept out -------------------------------------------------------------------------------------------------


def test_nobody_is_let_in_without_the_address_which_works_once(council: Council, browser: Browser) -> None:
    stranger = Browser(browser.sitting)
    for path in ("/", "/mine", "/conflicts", "/pair?of=x.y", "/keys.js", "/?token=", "/?token=guess", "/nothing"):
        status, headers, text = stranger.ask("GET", path)
        assert status == 403 and "Set-Cookie" not in headers and CANARY not in text
    stranger.cookie = f"kinfold_review_{browser.sitting.port}=guess"
    assert stranger.ask("GET", "/")[0] == 403
    address = browser.sitting.address.partition(str(browser.sitting.port))[2]
    cookie = browser.ask("GET", address)[1]["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert Browser(browser.sitting).ask("GET", address)[0] == 403
    assert audit_log(council).frame().height == 0


def test_another_host_name_is_refused_so_that_no_name_can_be_rebound_to_this_machine(browser: Browser) -> None:
    browser.enter()
    port = browser.sitting.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", ""):
        status, _, text = browser.ask("GET", "/", Host=host)
        assert status == 421 and CANARY not in text
    assert browser.ask("GET", "/", Host=f"localhost:{port}")[0] == 200


def test_a_form_of_another_site_decides_nothing(council: Council, browser: Browser) -> None:
    pair = browser.enter().get().value("pair")
    good = {"form": browser.sitting.form, "pair": pair, "verdict": "same"}
    kind = "application/x-www-form-urlencoded"
    here = f"http://127.0.0.1:{browser.sitting.port}"

    def post(fields: dict[str, str] | bytes, **headers: str) -> int:
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        return browser.ask("POST", "/decide", body, **({"Content_Type": kind} | headers))[0]

    assert post(good, Origin="https://evil.example") == 403
    assert post(good, Origin="null") == 403
    assert post(good, Sec_Fetch_Site="cross-site") == post(good, Sec_Fetch_Site="same-site") == 403
    assert post({**good, "form": "guess"}) == post({"pair": pair, "verdict": "same"}) == 403
    assert post(good, Content_Type="text/plain") == post(b"{}", Content_Type="application/json") == 415
    assert post(urlencode(good).encode() + b"&verdict=never") == 400
    assert post(b"&".join(b"a%d=1" % n for n in range(50))) == 400
    assert post(b"\xff\xfe=1") == 400
    assert post({**good, "verdict": "maybe"}) == 400
    assert post({**good, "pair": "0" * 32 + "." + "1" * 32}) == 409
    assert browser.ask("GET", f"/?token={browser.sitting.cookie}", Sec_Fetch_Site="cross-site")[0] == 403
    assert kept(council) == []
    assert post(good, Origin=here, Sec_Fetch_Site="same-origin") == 303
    assert len(kept(council)) == 1


def test_reading_an_address_never_decides_and_no_path_leads_to_a_file(council: Council, browser: Browser) -> None:
    pair = browser.enter().get().value("pair")
    asked = urlencode({"form": browser.sitting.form, "pair": pair, "verdict": "same"})
    assert browser.ask("GET", f"/decide?{asked}")[0] == 405
    assert browser.ask("POST", "/", b"", Content_Length="0")[0] == 405
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert browser.ask(method, "/decide")[0] == 501
    for path in (
        "/../site.yaml",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/review.css/../keys.js",
        "/style.css",
        "/.",
    ):
        assert browser.ask("GET", path)[0] == 404
    assert kept(council) == []


def test_a_form_that_is_too_long_or_does_not_say_how_long_is_refused_unread(council: Council, browser: Browser) -> None:
    browser.enter()
    kind = "application/x-www-form-urlencoded"
    assert browser.ask("POST", "/decide", b"x" * (LARGEST + 1), Content_Type=kind)[0] == 413
    assert browser.ask("POST", "/decide", None, Content_Type=kind, Content_Length="9" * 40)[0] == 413
    assert browser.ask("POST", "/decide", None, Content_Type=kind, Content_Length="-1")[0] == 411
    assert browser.ask("POST", "/decide", None, Content_Type=kind, Transfer_Encoding="chunked")[0] == 411
    assert kept(council) == []


def test_nothing_shown_or_noted_is_left_in_a_file_or_said_aloud(
    council: Council, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Sitting(desk(council))) as sitting:
        browser = Browser(sitting).enter()
        assert "TRELAWNEY" in browser.get().text
        browser.decide("never", NOTE)
        browser.ask("GET", f"/{CANARY}")
        browser.ask("POST", "/decide", f"note={CANARY}".encode(), Content_Type="text/plain")
        browser.ask("BREW", f"/{CANARY}")
        assert browser.send("/finish")[0] == 200 and sitting.finished.is_set()
    assert capfd.readouterr() == ("", "")
    wanted = [word.encode() for word in (CANARY, NOTE, "TRELAWNEY", "QUAY STREET")]
    files = [path for path in council.home.parent.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [p.name for p in files if any(word in p.read_bytes() for word in wanted)] == []


# -- by right --------------------------------------------------------------------------------------------------------


def test_without_an_agreement_nobody_is_shown_anything_and_the_log_has_it(council: Council) -> None:
    for team, reason in ((TEAM, "open_case"), ("analysts", "record_review"), ("nobody", "record_review")):
        with pytest.raises(ReviewRefused, match="no agreement lets the team"):
            Desk(council, "ann", reason, team, clock=lambda: NOW)
    with pytest.raises(ReviewRefused, match="no agreement lets the team"):
        desk(council, clock=lambda: datetime(2100, 1, 1))
    with pytest.raises(ReviewRefused, match="--who"):
        desk(council, " ")
    assert audit_log(council).frame()["action"].to_list() == ["refuse"] * 4


def test_records_of_a_partner_that_does_not_share_are_neither_asked_about_nor_shown(council: Council) -> None:
    mine, voucher = desk(council), record(council, "F1")
    pairs = mine.queue().select("record_l", "record_r").rows()
    assert pairs and all(voucher not in pair for pair in pairs)
    edges = council.store.read(MATCH_EDGE)
    (scored, *_) = edges.filter((pl.col("record_l") == voucher) | (pl.col("record_r") == voucher)).rows()
    with pytest.raises(ReviewRefused, match="Harrowmere Food Bank"):
        mine.show(scored[:2])
    assert audit_log(council).frame()["action"].to_list()[-1] == "refuse"
    stands = dict(council.store.read(PERSON_LINK).select("record_id", "person_id").iter_rows())
    beside = record(council, "G2")
    assert stands[beside] == stands[voucher]
    shown = mine.show(tuple(sorted((beside, record(council, "A1")))))
    assert shown.withheld == ["Harrowmere Food Bank"]
    assert all(row["record_id"] != voucher for row in shown.others)


def test_a_pair_on_the_do_not_link_register_is_asked_of_nobody_again(council: Council) -> None:
    pairs = desk(council).queue().select(*review.PAIR).rows()
    desk(council).draw(1000, 1)
    assert set(pairs) <= set(desk(council, "bob").drawn().select(*review.PAIR).rows())
    left, right = pairs[0]
    pair = {"record_l": left, "record_r": right}
    desk(council).decide([{**pair, "verdict": "never", "note": NOTE}])
    desk(council, "cat").decide([{**pair, "verdict": "same"}])
    records = council.store.read(SOURCE_RECORD)
    changed = pl.when(pl.col("record_id") == left).then(pl.lit("07700900123")).otherwise("phone").alias("phone")
    council.store.write(SOURCE_RECORD, NIGHT, records.with_columns(changed))
    for who in ("ann", "bob", "cat"):
        assert pairs[0] not in desk(council, who).queue().select(*review.PAIR).rows()
        assert pairs[0] not in desk(council, who).drawn().select(*review.PAIR).rows()


def test_an_agreement_that_ends_while_the_page_is_open_closes_it(council: Council) -> None:
    days = [NOW]
    with serving(Sitting(desk(council, clock=lambda: days[-1]))) as sitting:
        browser = Browser(sitting).enter()
        assert browser.ask("GET", "/")[0] == 200
        days.append(datetime(2100, 1, 1))
        status, _, text = browser.ask("GET", "/")
        assert status == 403 and "no agreement" in text
        assert "TRELAWN" not in text and CANARY not in text
    assert audit_log(council).frame()["action"].to_list()[-1] == "refuse"


# -- without a browser -----------------------------------------------------------------------------------------------


@pytest.fixture
def kinfold(council: Council, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("KINFOLD_HOME", str(council.home))
    monkeypatch.setenv("KINFOLD_SITE", str(council.site))
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, ok: bool = True) -> Result:
        done = CliRunner().invoke(main, words)
        assert (done.exit_code == 0) is ok, done.output
        assert CANARY not in done.output and "ROSALIND" not in done.output
        return done

    return run


def test_the_commands_decide_by_id_or_by_feed_and_key(council: Council, kinfold: Callable[..., Result]) -> None:
    listed = kinfold("review", "list", "--who", "ann").output
    assert re.search(r"\d  grey ", listed) and "Decisions in force: none." in listed
    done = kinfold("review", "decide", "gp-register:G1", record(council, "C1"), "different", "--who", "ann")
    (made,) = re.findall(r"Kept as (\w{32})\.", done.output)
    assert "next night" in done.output
    pair = sorted((record(council, "G1"), record(council, "C1")))
    assert kept(council) == [("ann", "different", ".".join(pair))]
    kinfold("review", "decide", "gp-register:G1", "council-tax:C1", "same", "--who", "bob")
    assert "1 pairs" in kinfold("review", "conflicts", "--who", "ann").output
    assert "Taken back: 1" in kinfold("review", "withdraw", made, "--who", "ann").output
    assert [who for who, *_ in kept(council)] == ["bob"]
    kinfold("review", "decide", "gp-register:G1", "gp-register:G9", "same", "--who", "ann", ok=False)
    kinfold("review", "decide", "gp-register:G1", "gp-register:G9", "same", "--who", "ann", "--unknown")
    kinfold("review", "decide", "gp-register:G1", "nothing", "same", "--who", "ann", ok=False)
    kinfold("review", "decide", "gp-register:G1", "council-tax:C1", "never", "--who", "ann", ok=False)
    assert audit_log(council).verify() == []


def test_registers_hold_pairs_and_addresses_and_list_them_by_ids(
    council: Council, kinfold: Callable[..., Result], tmp_path: Path
) -> None:
    kinfold("register", "add", "gp-register:G1", "council-tax:C1", "--who", "ann", "--note", NOTE)
    kinfold("register", "address", "gp-register:G1", "--uprn", "100012345678", "--who", "ann", "--note", NOTE)
    kinfold("register", "address", "gp-register:G1", "--uprn", "4 Mill Lane", "--who", "ann", ok=False)
    own = tmp_path / "own.csv"
    own.write_text("feed,source_key,council_id\ngp-register,G1,77\ncouncil-tax,C1,77\n")
    assert "ids of 2 records" in kinfold("register", "matching", str(own), "--who", "ann").output
    own.write_text("feed,source_key\ngp-register,G1\n")
    kinfold("register", "matching", str(own), "--who", "ann", ok=False)
    listed = kinfold("register", "list", "--who", "ann").output
    assert NOTE not in listed and "100012345678" not in listed and "knows 2 records" in listed
    ids = re.findall(r"^(?:never link|protected) +(\w{32})", listed, re.MULTILINE)
    assert len(ids) == 2
    kinfold("register", "remove", *ids, "--who", "ann")
    assert not re.findall(r"^(never link|protected)", kinfold("register", "list", "--who", "ann").output, re.MULTILINE)
    assert decisions.protected(council.store).height == 0 and decisions.protections(council.store).height == 1


def test_decisions_leave_without_notes_and_come_back_whole_or_not_at_all(
    council: Council, kinfold: Callable[..., Result], tmp_path: Path
) -> None:
    kinfold("register", "add", "gp-register:G1", "council-tax:C1", "--who", "ann", "--note", NOTE)
    out = tmp_path / "decisions.csv"
    kinfold("review", "export", str(out), "--who", "ann")
    assert NOTE not in out.read_text() and "never" in out.read_text()
    assert "Took 0 new of 1" in kinfold("review", "import", str(out), "--who", "bob").output
    with out.open("a", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "gp-register:G3", "school-census:S1", "same", "", "zoe", "2026-11-21T09:00:00", "", ""])
        writer.writerow(["", "gp-register:G3", CANARY, "same", "", "zoe", "2026-11-21T09:00:00", "", ""])
    refused = kinfold("review", "import", str(out), "--who", "bob", ok=False).output
    assert "decisions.csv:4: a record is named by" in refused and "Nothing was taken" in refused
    assert len(kept(council)) == 1
    out.write_text("\n".join(out.read_text().splitlines()[:3]) + "\n")
    assert "Took 1 new of 2" in kinfold("review", "import", str(out), "--who", "bob").output
    assert "Took 0 new of 2" in kinfold("review", "import", str(out), "--who", "bob").output
    assert sorted(who for who, *_ in kept(council)) == ["ann", "zoe"]


def test_an_export_is_its_owners_alone_follows_no_link_and_holds_no_formula(
    council: Council, kinfold: Callable[..., Result], tmp_path: Path
) -> None:
    kinfold("review", "decide", "gp-register:G1", "council-tax:C1", "same", "--who", "=cmd|'/c calc'!A1", ok=False)
    given = tmp_path / "given.csv"
    given.write_text("record_l,record_r,verdict,who\ngp-register:G1,council-tax:C1,same,=1+1\n")
    assert "who is to be" in kinfold("review", "import", str(given), "--who", "ann", ok=False).output
    other, out = tmp_path / "other", tmp_path / "decisions.csv"
    other.write_text("untouched")
    out.symlink_to(other)
    kinfold("review", "export", str(out), "--who", "ann")
    assert other.read_text() == "untouched" and not out.is_symlink() and out.stat().st_mode & 0o077 == 0


def test_what_others_may_not_read_need_not_stand_on_the_command_line(
    council: Council, kinfold: Callable[..., Result]
) -> None:
    def asked(words: str, answers: str) -> Result:
        done = CliRunner().invoke(main, words.split(), input=answers)
        assert done.exit_code == 0, done.output
        return done

    asked("register add gp-register:G1 council-tax:C1 --who ann", f"{NOTE}\n")
    asked("register address gp-register:G1 --who ann --uprn --note", f"100012345678\n{NOTE}\n")
    assert decisions.read(council.store)["note"].to_list() == [NOTE]
    assert decisions.protections(council.store).select("place", "note").row(0) == ("100012345678", NOTE)


def test_a_sample_is_drawn_kept_and_worked_through(council: Council, kinfold: Callable[..., Result]) -> None:
    kinfold("review", "sample", "--who", "ann", "--per-stratum", "2")
    with serving(Sitting(desk(council), sample=True)) as sitting:
        many = len(sitting.waiting)
        shown = Browser(sitting).enter()
        assert "to measure how right the links are" in shown.get().text
        shown.decide("same")
    assert desk(council).drawn().height == many - 1


def test_a_persons_history_is_told_in_words_and_ids(council: Council, kinfold: Callable[..., Result]) -> None:
    stands = council.store.read(PERSON_LINK).filter(pl.col("record_id") == record(council, "G1"))["person_id"].item()
    told = kinfold("person", "history", record(council, "G1"), "--who", "ann").output
    assert f"{NIGHT}  {stands} was founded with" in told and "social-housing" in told
    assert kinfold("person", "history", stands).output in told
    kinfold("person", "history", "0" * 32, ok=False)
    entry = audit_log(council).frame().filter(pl.col("actor") == "ann").row(-1, named=True)
    assert (entry["action"], entry["person_id"]) == ("read", stands)


def test_what_is_said_in_refusals_is_ours(browser: Browser) -> None:
    assert unescape(browser.ask("GET", "/")[2]).startswith("This page is for the one who started it")
