from datetime import date, datetime

import polars as pl
import pytest
from homes import CHILD, LATELY, LONG_AGO, NIGHT, ONCE, Village
from hypothesis import given, settings
from hypothesis import strategies as st


def test_people_of_one_home_are_one_household() -> None:
    v = Village()
    v.says("gp-register", "a", "1")
    v.says("gp-register", "b", "1")
    v.says("gp-register", "c", "2")
    assert v.night().together() == {frozenset("ab"), frozenset("c")}


def test_a_house_of_many_tenants_is_told_apart_and_nobody_there_lives_alone() -> None:
    v = Village(kinds={"1": "hmo", "2": "hmo"})
    v.says("gp-register", "a", "1")
    v.says("gp-register", "b", "1")
    v.says("gp-register", "c", "2")
    lived = v.night()
    assert lived.together() == {frozenset("ab"), frozenset("c")}
    assert set(lived.household["kind"]) == {"hmo"}
    assert set(lived.household["lives_alone"]) == {"none"}


def test_a_home_of_more_people_than_a_household_has_is_a_house_of_many_tenants() -> None:
    v = Village()
    for n in range(13):
        v.says("gp-register", f"p{n}", "1", surname=f"NAME{n:c}" if n > 64 else f"NAME{'ABCDEFGHIJKLM'[n]}")
    assert set(v.night().household["kind"]) == {"hmo"}


def test_someone_of_no_address_joins_those_with_whom_a_feed_places_them() -> None:
    v = Village()
    v.says("housing-benefit", "a", "1", household_key="k")
    v.says("housing-benefit", "b", None, household_key="k")
    lived = v.night()
    assert lived.together() == {frozenset("ab")}
    assert lived.member.filter(pl.col("person_id") == "b")["certainty"].item() == "weak"


def test_a_household_keeps_its_id_when_it_moves_or_grows() -> None:
    v = Village()
    v.says("gp-register", "a", "1")
    v.says("gp-register", "b", "1")
    before = v.night()
    for who in "abc":
        v.says("gp-register", who, "2")
    after = v.night(date(2026, 11, 21))
    assert after.household["household_id"].to_list() == before.household["household_id"].to_list()
    assert after.household["founded"].to_list() == [NIGHT]
    assert after.lineage.is_empty()


def test_what_became_of_a_household_is_written_down() -> None:
    v = Village()
    for who, home in (("a", "1"), ("b", "1"), ("c", "1"), ("d", "2"), ("e", "3"), ("f", "3")):
        v.says("gp-register", who, home)
    first = v.night()
    assert set(first.lineage["change"]) == {"founded"}
    of = {who: first.of(who)["household_id"] for who in "ace d".replace(" ", "")}
    v.says("gp-register", "c", "4")
    v.says("gp-register", "d", "1")
    v.gone = {"e", "f"}
    second = v.night(date(2026, 11, 21))
    told = {(row["household_id"], row["change"]): row["other_household_id"] for row in second.lineage.to_dicts()}
    assert told == {
        (second.of("c")["household_id"], "split_from"): of["a"],
        (of["d"], "merged_into"): of["a"],
        (of["e"], "retired"): None,
    }


def test_the_old_home_is_left_when_a_feed_that_would_know_has_a_newer_one() -> None:
    v = Village()
    v.says("council-tax", "a", "2", address_from=ONCE)
    v.says("gp-register", "a", "1", seen=LONG_AGO)
    v.says("housing-benefit", "a", "1", address_from=LONG_AGO)
    lived = v.night()
    assert lived.home("a") == ["2"]
    old = lived.occupancy.filter(pl.col("state") == "former").row(0, named=True)
    assert (old["from"], old["to"]) == (LONG_AGO, ONCE)
    assert old["evidence"] == ["gp-register", "housing-benefit"]
    assert lived.occupancy.filter(pl.col("state") == "main")["from"].item() == ONCE


def test_an_account_that_was_closed_places_nobody_there_any_longer() -> None:
    v = Village()
    v.says("council-tax", "a", "1", address_from=LONG_AGO, address_to=ONCE)
    v.says("gp-register", "a", "1", seen=LONG_AGO)
    v.says("hospital", "a", "2")
    lived = v.night()
    assert lived.home("a") == ["2"]
    assert lived.occupancy.filter(pl.col("state") == "former")["to"].item() == ONCE


def test_a_family_moves_as_one() -> None:
    v = Village(born={"child": CHILD})
    for feed, who, home in (
        ("council-tax", "mother", "2"), ("gp-register", "mother", "1"), ("gp-register", "child", "1"),
        ("school-census", "child", "2"), ("council-tax", "new", "1"),
    ):  # fmt: skip
        dated = {"address_from": ONCE} if feed == "council-tax" else {}
        v.says(feed, who, home, surname="NEWMAN" if who == "new" else "OLDHAM", **dated)
    assert v.night().together() == {frozenset({"mother", "child"}), frozenset({"new"})}


def test_a_child_of_whom_feeds_know_only_the_old_address_went_with_the_family() -> None:
    v = Village(born={"child": CHILD})
    for who in ("mother", "father"):
        v.says("council-tax", who, "2", address_from=ONCE, surname="OLDHAM")
        v.says("gp-register", who, "1", seen=LONG_AGO, surname="OLDHAM")
    v.says("gp-register", "child", "1", seen=LONG_AGO, surname="OLDHAM")
    lived = v.night()
    assert lived.home("child") == ["2"]
    assert lived.home("child", "former") == ["1"]
    assert lived.member.filter(pl.col("person_id") == "child")["certainty"].item() == "weak"


def test_whoever_has_nothing_in_common_with_the_new_tenants_has_left() -> None:
    v = Village()
    for who in ("x", "y"):
        v.says("council-tax", who, "1", address_from=ONCE, surname="NEWMAN")
        v.says("gp-register", who, "1", surname="NEWMAN")
    v.says("gp-register", "old", "1", seen=LONG_AGO, surname="OLDHAM")
    lived = v.night()
    assert lived.together() == {frozenset("xy")}
    assert lived.home("old", "former") == ["1"]


def test_a_child_with_a_parent_at_each_of_two_homes_lives_in_both() -> None:
    v = Village(born={"child": CHILD})
    v.says("council-tax", "mother", "1", address_from=ONCE)
    v.says("council-tax", "father", "2", address_from=ONCE)
    mother, father = v.says("case-system", "mother"), v.says("case-system", "father")
    child = v.says("case-system", "child")
    v.kin = [(mother, "parent", child), (father, "parent", child)]
    v.says("gp-register", "child", "1")
    v.says("school-census", "child", "2")
    lived = v.night()
    assert lived.together() == {frozenset({"mother", "child"}), frozenset({"father", "child"})}
    assert sorted(lived.member.filter(pl.col("person_id") == "child")["state"]) == ["main", "second"]
    v.says("school-census", "child", "2", seen=LONG_AGO)
    assert len(v.night().together()) == 2
    assert v.night().home("child", "second") == []


def test_a_home_is_remembered_when_its_feed_writes_over_it() -> None:
    v = Village()
    v.says("gp-register", "a", "1")
    v.says("hospital", "a")
    v.night()
    v.says("gp-register", "a", "2")
    lived = v.night(date(2026, 11, 21))
    assert lived.home("a") == ["2"]
    former = lived.occupancy.filter(pl.col("state") == "former").row(0, named=True)
    assert (former["to"], former["evidence"]) == (date(2026, 11, 21), ["gp-register"])


def test_a_home_that_a_record_brought_goes_with_the_record() -> None:
    v = Village()
    v.says("gp-register", "a", "1")
    v.says("hospital", "a", "2")
    v.night()
    v.rows = [row for row in v.rows if row["feed"] == "hospital"]
    assert v.night(date(2026, 11, 21)).occupancy["state"].to_list() == ["main"]


# -- living alone ------------------------------------------------------------------------------------------------------


def test_living_alone_is_strong_where_two_feeds_know_it_and_only_some_where_one_does() -> None:
    v = Village()
    v.says("gp-register", "a", "1")
    v.says("council-tax", "a", "1", address_from=ONCE)
    v.says("gp-register", "b", "2")
    lived = v.night()
    assert [lived.of(who)["lives_alone"] for who in "ab"] == ["strong", "some"]
    assert lived.of("a")["lives_alone_evidence"] == [
        "known at this address to council-tax, gp-register, last on 2026-06-01",
        "no feed places anyone else here now",
    ]
    assert lived.of("a")["lives_alone_on"] == LATELY


def test_a_discount_for_a_single_person_is_evidence_for() -> None:
    v = Village()
    record = v.says("council-tax", "a", "1", seen=None, address_from=LONG_AGO)
    v.happens(record, "single_person_discount", datetime(2026, 7, 1))
    lived = v.night()
    assert lived.of("a")["lives_alone"] == "strong"
    assert "council-tax: single person discount since 2026-07-01" in lived.of("a")["lives_alone_evidence"]
    assert lived.of("a")["lives_alone_on"] == date(2026, 7, 1)


def test_a_discount_that_has_ended_says_nothing() -> None:
    v = Village()
    record = v.says("council-tax", "a", "1", address_from=LONG_AGO)
    v.happens(record, "single_person_discount", datetime(2020, 7, 1), datetime(2021, 7, 1))
    assert v.night().of("a")["lives_alone"] == "some"


def test_a_record_of_another_adult_there_speaks_against_living_alone() -> None:
    v = Village()
    for feed in ("gp-register", "council-tax"):
        v.says(feed, "a", "1", surname="STAYS", address_from=ONCE if feed == "council-tax" else None)
    v.says("hospital", "b", "1", seen=LONG_AGO, surname="OTHER")
    lived = v.night()
    assert lived.together() == {frozenset("a")}
    assert lived.of("a")["lives_alone"] == "none"
    assert "another adult is known at this address to hospital, 2015-03-01" in lived.of("a")["lives_alone_evidence"]


def test_a_discount_against_which_another_adults_record_speaks_is_some_evidence() -> None:
    v = Village()
    record = v.says("council-tax", "a", "1", address_from=ONCE, surname="STAYS")
    v.happens(record, "single_person_discount", datetime(2026, 7, 1))
    v.says("gp-register", "a", "1", surname="STAYS")
    v.says("hospital", "b", "1", seen=LONG_AGO, surname="OTHER")
    assert v.night().of("a")["lives_alone"] == "some"


def test_someone_well_known_to_live_elsewhere_is_not_held_against_living_alone() -> None:
    v = Village()
    for feed in ("gp-register", "council-tax"):
        v.says(feed, "a", "1", address_from=ONCE if feed == "council-tax" else None)
    v.says("hospital", "b", "1", seen=LONG_AGO)
    v.says("council-tax", "b", "2", address_from=ONCE)
    assert v.night().of("a")["lives_alone"] == "strong"


def test_a_parent_with_a_child_does_not_live_alone_and_a_child_alone_is_never_said_to() -> None:
    v = Village(born={"child": CHILD, "stray": CHILD})
    for feed in ("gp-register", "hospital"):
        v.says(feed, "parent", "1", surname="ONE")
        v.says(feed, "child", "1", surname="ONE")
        v.says(feed, "stray", "2", surname="TWO")
    assert set(v.night().household["lives_alone"]) == {"none"}


# -- what does not matter ----------------------------------------------------------------------------------------------

PEOPLE = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.sampled_from(["council-tax", "gp-register", "hospital", "school-census"]),
        st.sampled_from(["1", "2", "3", None]), st.sampled_from([LATELY, ONCE, LONG_AGO, None]),
        st.sampled_from([None, ONCE, LONG_AGO]), st.sampled_from(["ADAMS", "BAKER", None]),
        st.sampled_from(["k", "l", None]), st.booleans(),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(PEOPLE, st.integers(1, 1000))
def test_the_order_of_rows_does_not_matter_and_nobody_has_two_main_homes(
    told: list[tuple[str, str, str | None, date | None, date | None, str | None, str | None, bool]], seed: int
) -> None:
    def village() -> Village:
        v = Village()
        for who, feed, home, seen, since, name, key, young in told:
            v.says(feed, who, home, seen, address_from=since, surname=name, household_key=key)
            v.born[who] = CHILD if young else date(1980, 1, 1)
        return v

    one, other = village().night(), village().night(seed=seed)
    for name in ("occupancy", "household", "member", "lineage"):
        assert getattr(one, name).equals(getattr(other, name))
    assert one.groups.group.equals(other.groups.group)
    assert one.groups.member.equals(other.groups.member)
    main = one.occupancy.filter(pl.col("state") == "main")
    assert not main["person_id"].is_duplicated().any()
    assert set(main["person_id"]) == set(one.member.filter(pl.col("state") == "main")["person_id"])
    assert one.household["people"].sum() == one.member.height
    assert one.household.filter(pl.col("lives_alone") != "none")["people"].eq(1).all()


def test_feeds_that_are_mostly_right_are_found_out_from_their_disagreements() -> None:
    v = Village()
    for n in range(80):
        v.says("council-tax", f"p{n}", f"{n}", address_from=ONCE)
        v.says("school-census", f"p{n}", f"{n}", seen=LONG_AGO)
        v.says("hospital", f"p{n}", f"{n if n % 4 == 0 else n + 1000}")
    trust = {row["feed"]: row["learnt"] for row in v.night().trust.to_dicts()}
    assert trust["council-tax"] > 0.9
    assert trust["hospital"] < 0.3


@pytest.mark.parametrize("kind", ["institution", "hostel"])
def test_residents_of_an_institution_or_hostel_do_not_push_each_other_out(kind: str) -> None:
    v = Village(kinds={"1": kind})
    for n in range(5):
        v.says("gp-register", f"p{n}", "1", surname=f"NAME{'ABCDE'[n]}")
    lived = v.night()
    assert lived.household["people"].to_list() == [5]
    assert lived.household["kind"].to_list() == [kind]
