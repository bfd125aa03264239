"""Registers of opt-outs are feeds like any other; what they bar is found by number before anybody is linked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from feedhouse import HEAD, House
from library_shelf import SHELF

from feeds import optouts
from feeds.contracts import Contract
from feeds.dialect import load_contract
from feeds.ledger import current
from governance.rights import OptOut, Rights, load_rights
from warehouse.site import SiteError
from warehouse.tables import EVENT, SOURCE_RECORD

NIGHT = date(2026, 11, 20)
ON, OFF, NOBODY = "9434765919", "9434765870", "9434765838"
PATIENTS = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: nhs, logicalType: string}
      - {name: since, logicalType: date, required: true}
    customProperties:
      - property: person
        value: {key: ref, nhs_number: nhs}
      - property: yields
        value: [{event: offence, start: since}]
"""


@dataclass(frozen=True)
class Town:
    """A register that has come in, and a partner's feed."""

    house: House
    contracts: dict[str, Contract]

    @property
    def used(self) -> dict[str, str]:
        return {"opt-out-register": "2026-11-19", "one": "2026-11-19"}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    house, path = House(folder / "home"), folder / "one.odcs.yaml"
    path.write_text(HEAD.format(id="one", format="csv", server="", custom="", schema=PATIENTS), "utf-8")
    register, partner = load_contract(SHELF / "opt-out-register.odcs.yaml", strict=True), load_contract(path)
    rows = f"nhs_number,since,until\n{ON},2024-05-01,\n{OFF},2023-01-01,2025-01-01\n{NOBODY},2024-05-01,\n"
    house.load(register, "opt-outs/2026-11-19.csv", rows)
    house.load(partner, "in/2026-11-19.csv", f"ref,nhs,since\n1,{ON},2026-01-01\n2,{OFF},2026-01-01\n3,,2026-01-01\n")
    return Town(house, {"opt-out-register": register, "one": partner})


def said(rows: str, partner: str = "police") -> Rights:
    bars = ({"from": partner, "uses": ["marts"]},)
    return Rights(opt_outs=(OptOut(feed="opt-out-register", name="A register", bars=bars, rows=rows),))  # type: ignore[arg-type]


def test_whoever_opted_out_is_dropped_from_a_partners_rows_where_the_site_says_so(town: Town) -> None:
    store, used = town.house.store, town.used
    gone = optouts.not_kept(store, used, town.contracts, said("dropped"), NIGHT)
    records = optouts.without(current(store, "one", SOURCE_RECORD.name, used["one"]), gone)
    assert sorted(records["source_key"]) == ["2", "3"], "an opt-out that has ended counts no more"
    events = optouts.without(current(store, "one", EVENT.name, used["one"]), gone)
    assert events.height == 2
    whole = optouts.without(current(store, "opt-out-register", SOURCE_RECORD.name, used["opt-out-register"]), gone)
    assert whole.height == 3, "the register itself stays"


@pytest.mark.parametrize(("rows", "partner"), [("kept", "police"), ("dropped", "schools")])
def test_nobody_is_dropped_whose_rows_the_site_keeps_or_of_another_partner(town: Town, rows: str, partner: str) -> None:
    assert optouts.not_kept(town.house.store, town.used, town.contracts, said(rows, partner), NIGHT).is_empty()


def test_a_partners_feed_is_told_anew_when_the_register_changes_so_that_nobody_stays_or_is_missed(town: Town) -> None:
    assert optouts.anew(said("dropped"), town.contracts, town.used, {"opt-out-register"}) == {"opt-out-register", "one"}
    assert optouts.anew(said("kept"), town.contracts, town.used, {"opt-out-register"}) == {"opt-out-register"}
    assert optouts.anew(said("dropped"), town.contracts, town.used, set()) == set()


def test_a_register_that_is_misspelt_does_not_fail_open(tmp_path: Path) -> None:
    from warehouse.site import PROJECT

    folder = tmp_path / "sites" / "x"
    folder.mkdir(parents=True)
    (folder / "site.yaml").write_text((PROJECT / "sites/harrowmere/site.yaml").read_text("utf-8"), "utf-8")
    lines = [
        "by_consent: [food-bnak]",
        "opt_outs:",
        "  - {feed: ndo, name: X, bars: [{from: helth-trust, uses: [marts]}]}",
    ]
    (folder / "rights.yaml").write_text("\n".join(lines), "utf-8")
    with pytest.raises(SiteError) as wrong:
        load_rights(folder, {"hospital"})
    told = wrong.value.mistakes
    assert len(told) == 3 and "Did you mean 'food-bank'?" in told[0]
    assert "rights.yaml:3" in told[1] and "'ndo'" in told[1] and "Did you mean 'health-trust'?" in told[2]
    (folder / "rights.yaml").write_text("opt_outs: [{feed: x, name: X, bars: [{uses: [mart]}]}]", "utf-8")
    with pytest.raises(SiteError, match=r"rights\.yaml:1"):
        load_rights(folder)
