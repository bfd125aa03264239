"""Quality back to the partner, from a delivery in the drop folder to a file in the partner's own folder."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from assets import returned
from assets.agreements import accept
from assets.context import Council
from assets.sharing import audit_log
from feeds.deliveries import find_deliveries, land
from feeds.intake import check
from feeds.ledger import loads
from governance.agreements import Agreements
from governance.keys import create, key_file
from warehouse.site import site

NOW = datetime(2026, 11, 20, 1)
FEED = "police-missing"
HEADER = (
    "misperid,nominal_ref,forenames,surname,aka,dob,gender,home_address,postcode,missing_since,when_traced,"
    "initial_risk_level\n"
)
GOOD = "M1,N1,Amelia,Canary,,03/09/2014,F,,,11/10/2026 21:40,12/10/2026 06:05,Medium\n"
BAD = "M2,N2,Jo,Canarybird,,03/09/2014,=Q,,,11/10/2026 21:40,12/10/2026 06:05,Medium\n"


@pytest.fixture
def council(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Council:
    home = tmp_path / "home"
    monkeypatch.setenv("KINFOLD_HOME", str(home))
    monkeypatch.delenv("KINFOLD_KEY", raising=False)
    create(key_file(home))
    accept(site(), home, "test")
    return Council.open()


def deliver(council: Council, day: str, *rows: str, tell: bool = True) -> None:
    """Send one file of the feed, load it, and tell the partner."""
    path = council.home / "drop" / "police" / f"missing_{day}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(rows))
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    contract = council.contracts[FEED]
    for one in find_deliveries(council.home / "drop", {FEED: contract}, council.store, NOW, timedelta(0)):
        files = land(one, council.store, council.vault)
        check(contract, files, council.store, council.vault, council.ring, NOW)
        if tell:
            returned.tell_deliveries(council, FEED, [one.delivery], NOW)


def outbox(council: Council, ending: str) -> list[str]:
    """What stands in the police's own files of an ending, and nobody else's."""
    folder = council.home / "outbox"
    assert [p.name for p in folder.iterdir()] == ["police-data"]
    return sorted(p.read_text("utf-8-sig") for p in (folder / "police-data").glob(f"*_until_*{ending}"))


def without(council: Council, *categories: str) -> Council:
    """The same council with an agreement on data quality that gives less."""
    made = []
    for agreement in council.agreements:
        shares = [
            share.model_copy(update={"categories": kept})
            for share in agreement.shares
            if (kept := tuple(c for c in share.categories if c not in categories))
        ]
        made.append(agreement.model_copy(update={"shares": tuple(shares)}))
    return replace(council, agreements=Agreements(made, council.organisation))


def test_a_partner_is_told_of_each_delivery_at_once_with_its_own_rows_and_values(council: Council) -> None:
    deliver(council, "2026-11-20", GOOD, BAD)
    (rows,) = outbox(council, ".csv")
    assert (
        '"police/missing_2026-11-20.csv","3","","episode","gender"' in rows and "gender: '=Q" not in rows.split("\n")[0]
    )
    assert "=Q" not in re.sub("'=Q", "", rows), "a formula is set out of action"
    assert "Canary" not in rows, "a value that the rule does not look at is not shown"
    (page,) = outbox(council, ".html")
    assert "data-quality v1, shares[0]" in page and re.search(r'href="\w+_until_2026-12-20\.csv"', page)
    assert "Canary" not in page
    index = (council.home / "outbox" / "police-data" / "index.html").read_text()
    assert (
        "Missing person episodes" in index and len(re.findall(r'href="\w+_until_2026-12-20\.(?:html|csv)"', index)) == 2
    )
    said = audit_log(council).frame().filter(team="police-data")
    assert said["action"].to_list() == ["release"] * 2 and set(said["agreement"]) == {"data-quality v1 shares[0]"}


def test_without_leave_to_see_values_a_partner_has_row_numbers_and_reasons_alone(council: Council) -> None:
    deliver(without(council, "row_values"), "2026-11-20", GOOD, BAD)
    (rows,) = outbox(council, ".csv")
    assert '"3","","episode","gender"' in rows and "Q" not in rows.replace("CSV", "") and "values" not in rows
    assert "No agreement gives its reader what stood in the rows" in outbox(council, ".html")[0]


def test_without_any_leave_a_partner_has_counts_alone(council: Council) -> None:
    deliver(without(council, "row_values", "row_faults"), "2026-11-20", GOOD, BAD)
    folder = council.home / "outbox" / "police-data"
    assert not list(folder.glob("*.csv"))
    (page,) = [p.read_text() for p in folder.glob("*.html") if p.name != "index.html"]
    assert "Counts alone." in page and "gender is one of" in page


def test_a_partner_with_no_reader_is_told_nothing(council: Council) -> None:
    teams = {name: team for name, team in council.organisation.teams.items() if team.party != "police"}
    organisation = council.organisation.model_copy(update={"teams": teams})
    deliver(replace(council, organisation=organisation), "2026-11-20", GOOD, BAD)
    assert not list((council.home / "outbox").iterdir())


def test_the_same_delivery_is_told_of_once_and_a_killed_run_is_made_good(council: Council) -> None:
    deliver(council, "2026-11-20", GOOD, BAD, tell=False)
    assert returned.untold(council, loads(council.store, council.contracts)[0]) == {FEED: ["2026-11-20"]}
    assert returned.tell_deliveries(council, FEED, ["2026-11-20"], NOW) == 1
    assert returned.tell_deliveries(council, FEED, ["2026-11-20"], NOW) == 0
    assert returned.untold(council, loads(council.store, council.contracts)[0]) == {}
    assert len(outbox(council, ".html")) == 1 and audit_log(council).frame().filter(action="release").height == 2


def test_a_rejected_delivery_is_told_of_too_and_the_trend_remembers_the_one_before(council: Council) -> None:
    deliver(council, "2026-11-13", GOOD, BAD)
    path = council.home / "drop" / "police" / "missing_2026-11-20.csv"
    path.write_text("not,the,header\n1,2,3\n")
    deliver(council, "2026-11-21", GOOD)
    rejected = [page for page in outbox(council, ".html") if "was rejected: none of it is in use" in page]
    assert len(rejected) == 1 and "the delivery of 13 November 2026 stays in use" in rejected[0]
    index = (council.home / "outbox" / "police-data" / "index.html").read_text()
    assert "2026-11-21" in index and "rejected" not in index.split("</style>")[1]


def test_deliveries_told_of_together_read_as_if_told_of_one_by_one(council: Council, tmp_path: Path) -> None:
    for day in ("2026-11-06", "2026-11-13", "2026-11-20"):
        deliver(council, day, GOOD, BAD, tell=False)
    assert returned.tell_deliveries(council, FEED, ["2026-11-06", "2026-11-13", "2026-11-20"], NOW) == 3
    trends = sorted(page.count('<th scope="row">') for page in outbox(council, ".html"))
    assert len(set(trends)) == 3, "each knows the deliveries before it, and none after"
