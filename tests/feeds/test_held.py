"""A snapshot out of its band waits for a person; what it need not restate stands; what is purged is forgotten."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from feedhouse import HEADER, NOW, PEOPLE, House, Make
from test_delivery_order import CASES, arrive, as_lines, assert_same, kept, twin

from feeds import ledger
from feeds.arrivals import forget, settle
from feeds.contracts import Contract
from feeds.history import merge
from feeds.ledger import changed_since, current, current_all, deliveries_in_force, grounds, purged_since, remember
from governance.pseudonyms import record_ids
from warehouse.store import StoreError
from warehouse.tables import EVENT, Zone

BAND = "  - {property: volumeBand, value: 0.2}\n"
BACK = "  - {property: lookBack, value: 1y}\n"


def rows(count: int, since: str = "2026-01-01") -> str:
    return HEADER + "".join(f"{n},x,Ann,,F,{since}\n" for n in range(count))


def file(day: int, content: str) -> tuple[str, str]:
    return f"in/a_2026-11-{day:02}.csv", content


def status(house: House) -> dict[str, str]:
    frame = ledger.loads(house.store, ["one"])[0]
    return dict(zip(frame["delivery"], frame["status"], strict=True))


# -- held ------------------------------------------------------------------------------------------------------------


def test_a_snapshot_within_the_band_is_accepted_and_one_without_is_held_in_words(make: Make, house: House) -> None:
    contract = make(custom=BAND)
    arrive(house, contract, [file(1, rows(10)), file(2, rows(12)), file(3, rows(9)), file(4, rows(12))])
    assert list(status(house).values()) == ["accepted", "accepted", "held", "accepted"]
    load = ledger.load_of(house.store, "one", "2026-11-03")
    assert (load.status, load.received, load.accepted, load.quarantined) == ("held", 9, 9, 0)
    assert "person had 12 accepted rows in 2026-11-02 and has 9 now (-25%)" in (load.reason or "")
    assert "band is 20%" in (load.reason or "")


def test_nothing_of_a_held_delivery_is_used_and_the_next_is_compared_with_the_last_accepted(
    make: Make, house: House
) -> None:
    contract = make(custom=BAND)
    arrive(house, contract, [file(1, rows(10)), file(2, rows(20)), file(3, rows(20)), file(4, rows(11))])
    assert list(status(house).values()) == ["accepted", "held", "held", "accepted"]
    assert not ledger.whole(house.store, "one", "2026-11-02")
    assert deliveries_in_force(house.store, ["one"]) == {"one": "2026-11-04"}
    assert deliveries_in_force(house.store, ["one"], date(2026, 11, 3)) == {"one": "2026-11-01"}


def test_without_a_band_and_for_deltas_nothing_is_held(make: Make, house: House) -> None:
    arrive(house, make(), [file(1, rows(10)), file(2, rows(1))])
    assert set(status(house).values()) == {"accepted"}
    delta = make(custom=BAND, delivery="delta", id="two")
    assert ledger.held(delta, house.store, "2026-11-01", {"person": 1}) is None


DUTIES = """\
  - name: person
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
    customProperties: [{property: person, value: {key: ref}}, {property: file, value: "in/p*"}]
  - name: duty
    properties:
      - {name: ref, logicalType: string}
      - {name: since, logicalType: date, required: true}
    customProperties:
      - {property: yields, value: [{event: duty, start: since, person_ref: ref}]}
      - {property: file, value: "in/d*"}
      - {property: optional, value: true}
"""


@pytest.mark.parametrize(
    ("duties", "words"),
    [
        (
            "ref,since\n1,02/01/2026\n2,02/01/2026\n",
            "all 2 that came were set aside (Most rows break the rule: since is",
        ),
        ("ref,since\n", "none came"),
        (None, "none came"),
    ],
)
def test_a_snapshot_in_which_a_table_falls_to_nothing_is_held_without_a_band_too(
    make: Make, house: House, duties: str | None, words: str
) -> None:
    contract, people = make(DUTIES), "ref\n1\n2\n"
    arrive(house, contract, [("in/p_2026-11-01.csv", people), ("in/d_2026-11-01.csv", "ref,since\n1,2026-01-01\n")])
    tonight = [("in/d_2026-11-02.csv", duties)] if duties else []
    (load,) = arrive(house, contract, [("in/p_2026-11-02.csv", people + "3\n"), *tonight])
    assert load.status == "held" and load.received == load.accepted + load.quarantined + load.withdrawn
    assert f"duty had 1 accepted row in 2026-11-01 and has none now: {words}" in (load.reason or "")
    assert "band" not in (load.reason or "") and deliveries_in_force(house.store, ["one"]) == {"one": "2026-11-01"}
    ledger.decide(house.store, "one", "2026-11-02", "release", "me", "the service has ended", NOW)
    (load,) = arrive(house, contract, [])
    assert (load.status, load.gone) == ("accepted", 1) and current(house.store, "one", "event").is_empty()
    (load,) = arrive(house, contract, [("in/p_2026-11-03.csv", people)])
    assert load.status == "accepted"


def test_a_first_delivery_is_never_held(make: Make, house: House) -> None:
    (load,) = arrive(house, make(DUTIES), [("in/p_2026-11-01.csv", "ref\n1\n"), ("in/d_2026-11-01.csv", "ref,since\n")])
    assert load.status == "accepted"


def test_a_person_releases_a_held_delivery_and_the_later_ones_follow(make: Make, house: House) -> None:
    contract = make(custom=BAND)
    arrive(house, contract, [file(1, rows(10)), file(2, rows(20)), file(3, rows(21))])
    ledger.decide(house.store, "one", "2026-11-02", "release", "J. Bell", "the schools merged", NOW)
    loads = list(settle(contract, house.store, house.vault, house.ring, NOW))
    assert [(load.delivery, load.status) for load in loads] == [("2026-11-02", "accepted"), ("2026-11-03", "accepted")]
    row = ledger.loads(house.store, ["one"])[0].row(1, named=True)
    assert (row["decided_by"], row["decided_reason"]) == ("J. Bell", "the schools merged")
    assert current(house.store, "one", "source_record").height == 21


def test_a_person_rejects_a_held_delivery_and_it_stays_rejected_when_checked_anew(make: Make, house: House) -> None:
    contract = make(custom=BAND)
    arrive(house, contract, [file(2, rows(10)), file(4, rows(20))])
    ledger.decide(house.store, "one", "2026-11-04", "reject", "J. Bell", "half of it is test data", NOW)
    arrive(house, contract, [file(3, rows(11))])
    load = ledger.load_of(house.store, "one", "2026-11-04")
    assert (load.status, load.received, load.quarantined) == ("rejected", 20, 20)
    assert load.reason == "J. Bell rejected it: half of it is test data"
    assert deliveries_in_force(house.store, ["one"]) == {"one": "2026-11-03"}


def test_a_decision_says_what_who_and_why_about_a_delivery_that_is_held(make: Make, house: House) -> None:
    contract = make(custom=BAND)
    arrive(house, contract, [file(1, rows(10)), file(2, rows(20))])
    for delivery, verdict, by, why, words in (
        ("2026-11-01", "release", "me", "so", "not held: it is accepted"),
        ("2026-11-09", "release", "me", "so", "no landed delivery"),
        ("2026-11-02", "maybe", "me", "so", "say release or reject"),
        ("2026-11-02", "reject", "me", " ", "Give both"),
    ):
        with pytest.raises(StoreError, match=words):
            ledger.decide(house.store, "one", delivery, verdict, by, why, NOW)


def test_decisions_and_holds_come_out_the_same_in_another_order(make: Make, house: House, tmp_path: Path) -> None:
    contract = make(custom=BAND)
    files = [file(1, rows(10)), file(2, rows(20)), file(3, rows(21))]
    other = twin(house, tmp_path / "other")
    arrive(house, contract, files)
    arrive(other, contract, [files[0], files[1]])
    for one in (house, other):
        ledger.decide(one.store, "one", "2026-11-02", "release", "me", "it is right", NOW)
        arrive(one, contract, [])
    arrive(other, contract, [files[2]])
    assert_same(kept(house), kept(other))


# -- looking back ----------------------------------------------------------------------------------------------------


def test_what_is_older_than_the_window_stands_as_last_told(make: Make, house: House) -> None:
    contract = make(custom=BACK)
    first = HEADER + "1,x,Old,,F,2020-01-01\n2,x,New,,F,2026-01-01\n3,x,Stays,,F,2026-01-01\n4,x,Edge,,F,2025-11-08\n"
    second = HEADER + "3,x,Stays,,F,2026-01-01\n"
    _, load = arrive(house, contract, [file(1, first), file(8, second)])
    assert sorted(current(house.store, "one", "source_record")["source_key"]) == ["1", "3"]
    assert (load.accepted, load.gone) == (1, 2)
    assert current(house.store, "one", "event").height == 2


TWO = """\
  - name: person
    properties: [{name: ref, logicalType: string, primaryKey: true}, {name: surname, logicalType: string}]
    customProperties:
      - {property: file, value: "in/person_*"}
      - {property: person, value: {key: ref, surname: surname}}
  - name: stay
    properties:
      - {name: ref, logicalType: string}
      - {name: from, logicalType: date}
      - {name: to, logicalType: date}
    customProperties:
      - {property: file, value: "in/stay_*"}
      - {property: person_ref, value: ref}
      - {property: yields, value: [{event: stay, start: from, end: to}]}
"""


def test_somebody_stands_while_something_old_that_is_told_of_them_does(make: Make, house: House) -> None:
    contract = make(TWO, custom=BACK)
    day = ["in/person_2026-11-01.csv", "in/stay_2026-11-01.csv", "in/person_2026-11-08.csv", "in/stay_2026-11-08.csv"]
    stays = "ref,from,to\nA,2020-01-01,2020-02-01\nB,2020-01-01,2026-02-01\nC,2026-01-01,\nC,2026-01-01,\n"
    told = ["ref,surname\nA,Ash\nB,Elm\nC,Oak\nD,Fir\n", stays, "ref,surname\nC,Oak\n", "ref,from,to\nC,2026-01-01,\n"]
    arrive(house, contract, list(zip(day, told, strict=True)))
    assert sorted(current(house.store, "one", "source_record")["source_key"]) == ["A", "C"]
    assert sorted(current(house.store, "one", "accepted__stay")["ref"]) == ["A", "C"]
    assert ledger.load_of(house.store, "one", "2026-11-08").gone == 2 + 1 + 1  # B, D; B's stay; one of C's two


# -- withdrawn and purged --------------------------------------------------------------------------------------------


def night(house: House, contract: Contract, day: date, before: date | None) -> pl.DataFrame:
    """What the night makes of events, as `assets.history` does."""
    used = deliveries_in_force(house.store, ["one"], day)
    telling, changed = grounds(house.store, used), changed_since(house.store, used, before)
    purged = purged_since(house.store, used, before)
    table = merge(
        EVENT,
        house.store.read(EVENT, before) if before else None,
        current_all(house.store, used, EVENT, only=changed),
        changed,
        datetime(day.year, day.month, day.day),
        {},
        purged=purged,
    )
    house.store.write(EVENT, day, table)
    remember(house.store, day, telling)
    house.store.publish(day, {"deliveries": used})
    forget(house.store, {"one": contract}, used, house.ring)
    return table


def everywhere(house: House, records: set[str], words: set[str]) -> dict[str, int]:
    """In which frames of the vault's feeds, and how often, a record or one of these words stands; quarantine too."""
    found = {}
    for delivery in ledger.loaded(house.store, "one"):
        folder = f"feed/one/{delivery}"
        for name in house.store.names(Zone.VAULT, folder):
            frame = house.store.get(Zone.VAULT, folder, name).collect()
            texts = [c for c, kind in frame.schema.items() if kind == pl.String and name != "purged"]
            hits = frame.select(pl.any_horizontal(pl.lit(False), pl.col(texts).is_in([*records, *words])).sum()).item()
            if hits:
                found[f"{delivery}/{name}"] = hits
    return found


def test_a_purged_case_leaves_history_states_and_quarantine_by_the_next_night(make: Make, house: House) -> None:
    contract = make(CASES, "jsonl", delivery="messages")
    first = as_lines([("A", ["Ash", "Oak"]), ("A", ["Ash"]), ("B", ["Elm"])]) + as_lines([("A", [""])]).replace(
        '""', "null"
    )
    days = [date(2026, 11, day) for day in (1, 2, 3)]
    theirs = set(record_ids("one", pl.Series(["A|0", "A|1"]), house.ring))
    arrive(house, contract, [("in/a_2026-11-01.jsonl", as_lines([("A", ["Ash", "Oak"]), ("B", ["Elm"])]))])
    night(house, contract, days[0], None)
    arrive(house, contract, [("in/a_2026-11-02.jsonl", first)])
    closed = night(house, contract, days[1], days[0])
    assert closed.filter(pl.col("record_id").is_in(theirs))["known_to"].null_count() < 2  # Oak's is closed
    assert everywhere(house, theirs, {"Ash", "A"})
    arrive(house, contract, [("in/a_2026-11-03.jsonl", as_lines([("A", None), ("C", ["Fir"])]))])
    after = night(house, contract, days[2], days[1])
    assert after.filter(pl.col("record_id").is_in(theirs)).height == 0
    assert after.height == 2 and after["known_to"].null_count() == 2
    assert everywhere(house, theirs, {"Ash", "Oak", "A"}) == {}
    loads = ledger.loads(house.store, ["one"])[0]
    assert loads["received"].to_list() == (loads["accepted"] + loads["quarantined"] + loads["withdrawn"]).to_list()
    assert loads["quarantined"].sum() > 0


def test_a_case_told_again_after_its_purge_is_known_from_then_alone(make: Make, house: House) -> None:
    contract = make(CASES, "jsonl", delivery="messages")
    arrive(house, contract, [("in/a_2026-11-01.jsonl", as_lines([("A", ["Ash", "Oak"])]))])
    night(house, contract, date(2026, 11, 1), None)
    arrive(house, contract, [("in/a_2026-11-02.jsonl", as_lines([("A", None), ("A", ["Ash"])]))])
    after = night(house, contract, date(2026, 11, 2), date(2026, 11, 1))
    assert after.height == 1 and after["known_to"].null_count() == 1
    arrive(house, contract, [("in/a_2026-11-03.jsonl", as_lines([("A", [])]))])
    later = night(house, contract, date(2026, 11, 3), date(2026, 11, 2))
    assert later["known_to"].to_list() == [datetime(2026, 11, 3)]  # closed, not purged once more


def test_a_purge_that_comes_late_is_still_obeyed(make: Make, house: House) -> None:
    contract = make(CASES, "jsonl", delivery="messages")
    arrive(house, contract, [("in/a_2026-11-01.jsonl", as_lines([("A", ["Ash"]), ("B", ["Elm"])]))])
    arrive(house, contract, [("in/a_2026-11-03.jsonl", as_lines([("B", ["Elm", "Yew"])]))])
    assert night(house, contract, date(2026, 11, 4), None).height == 3
    arrive(house, contract, [("in/a_2026-11-02.jsonl", as_lines([("A", None)]))])
    after = night(house, contract, date(2026, 11, 5), date(2026, 11, 4))
    assert after.height == 2 and after["known_to"].null_count() == 2


def test_what_a_snapshot_withdraws_is_closed_and_gone_from_what_stands(make: Make, house: House) -> None:
    contract = make(PEOPLE)
    arrive(house, contract, [file(1, rows(3))])
    night(house, contract, date(2026, 11, 1), None)
    arrive(house, contract, [file(2, rows(2))])
    after = night(house, contract, date(2026, 11, 2), date(2026, 11, 1))
    assert after["known_to"].null_count() == 2 and after.height == 3
    assert everywhere(house, set(), {"2"}) == {}


def test_a_used_delivery_that_was_checked_anew_has_changed(make: Make, house: House) -> None:
    contract = make(PEOPLE, delivery="delta")
    arrive(house, contract, [file(1, rows(1)), file(3, rows(2))])
    used = deliveries_in_force(house.store, ["one"])
    remember(house.store, date(2026, 11, 4), grounds(house.store, used))
    assert changed_since(house.store, used, date(2026, 11, 4)) == set()
    arrive(house, contract, [file(2, rows(5))])
    assert deliveries_in_force(house.store, ["one"]) == used
    assert changed_since(house.store, used, date(2026, 11, 4)) == {"one"}
    assert changed_since(house.store, {}, date(2026, 11, 4)) == {"one"}
