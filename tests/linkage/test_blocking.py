from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from village import finish

from linkage.blocking import RULES, Blocks, Rule, blocks, plausible
from linkage.conform import conform, prepare


@pytest.fixture(scope="module")
def conformed(records: pl.DataFrame) -> pl.DataFrame:
    return conform(prepare(records)[0])


def settled(found: Blocks) -> pl.DataFrame:
    return found.keys.sort("key", "uid")


def test_nearly_every_true_pair_meets_under_some_key(conformed: pl.DataFrame, truth: pl.DataFrame) -> None:
    who = conformed.select("uid", "record_id").join(truth, on="record_id").select("uid", "person")
    true = who.join(who, on="person", suffix="_r").filter(pl.col("uid") < pl.col("uid_r"))
    met = true.join(blocks(conformed).pairs(), left_on=["uid", "uid_r"], right_on=["uid_l", "uid_r"])
    assert met.height / true.height > 0.97


def test_names_the_wrong_way_round_meet_at_their_place_and_in_their_neighbourhood() -> None:
    rows = [("AYAAN", "KHANAM", "ZZ1 1AA", "1 HIGH STREET"), ("KHANAM", "AYASN", "ZZ1 1AA", "1 HIGH STREET")]
    frame = finish(
        pl.DataFrame(rows, schema=["forename", "surname", "postcode", "address"], orient="row").with_columns(
            pl.Series("record_id", ["a", "b"]), pl.lit("x").alias("feed")
        )
    )
    assert blocks(conform(prepare(frame)[0])).pairs().height == 1


@pytest.mark.parametrize("budget", [40.0, 6.0, 0.5])
def test_what_changed_gives_the_keys_and_pairs_of_all_records_at_once(conformed: pl.DataFrame, budget: float) -> None:
    old = blocks(conformed.filter(pl.col("uid") % 50 != 3), budget=budget)
    fresh = conformed.filter(pl.col("uid") % 50 < 2)  # 0 and 1 are changed or new, 3 was not there and comes
    fresh = pl.concat([fresh, conformed.filter(pl.col("uid") % 50 == 3)]).sort("uid")
    gone = old.keys["uid"].is_in(fresh["uid"].cast(pl.UInt32).implode())
    again = blocks(fresh, old.keys.filter(~gone), budget=budget)
    full = blocks(conformed, budget=budget)
    assert settled(again).equals(settled(full))
    changed = fresh["uid"].implode()
    told = full.pairs().filter(pl.col("uid_l").is_in(changed) | pl.col("uid_r").is_in(changed))
    assert again.pairs(fresh["uid"]).equals(told)


def test_the_budget_is_kept_by_leaving_out_the_least_productive_keys(conformed: pl.DataFrame) -> None:
    free, tight = blocks(conformed), blocks(conformed, budget=4.0)
    assert tight.report()["pairs"].sum() <= 4.0 * conformed.height < free.report()["pairs"].sum()
    left = tight.report().with_columns((pl.col("for_budget") / pl.col("keys").clip(1)).alias("share"))
    by = dict(left.select("rule", "share").rows())
    assert by["UPN"] == 0 and by["birth date and postcode"] < by["names, either way round"]
    assert any("budget" in sentence for sentence in tight.warnings())


def test_a_value_that_floods_is_capped_told_by_rule_and_number_and_can_be_looked_up() -> None:
    many = 70
    rows = finish(
        pl.DataFrame(
            {
                "record_id": [f"{n:03}" for n in range(many)],
                "feed": "hostel",
                "forename": ["ALEX"] * many,
                "surname": [f"{chr(65 + n % 26)}{chr(65 + n // 26)}SON" for n in range(many)],
                "uprn": "100",
            }
        )
    )
    found = blocks(conform(prepare(rows)[0]))
    row = found.report().filter(pl.col("rule") == "place and initial").row(0, named=True)
    assert (row["capped_keys"], row["capped_records"], row["largest"], row["pairs"]) == (1, many, many, 0)
    (told,) = [sentence for sentence in found.warnings() if sentence.startswith("place and initial:")]
    assert "1 values" in told and "70" in told and "100" not in told and "ALEX" not in told
    held = found.flooded(rows["record_id"]).filter(pl.col("rule") == "place and initial")
    assert held["record_id"].sort().to_list() == rows["record_id"].to_list() and held["group"].n_unique() == 1


def test_common_names_are_left_out_without_a_warning() -> None:
    rows = finish(
        pl.DataFrame({"record_id": [f"{n:03}" for n in range(50)], "feed": "x", "forename": "JOHN", "surname": "SMITH"})
    )
    found = blocks(conform(prepare(rows)[0]))
    assert found.pairs().is_empty() and found.report()["capped_keys"].sum() == 1
    assert found.warnings() == []


def test_a_council_may_cap_a_rule_lower(conformed: pl.DataFrame) -> None:
    def row(found: Blocks) -> tuple[int, int]:
        return found.report().filter(pl.col("rule") == "telephone").select("largest", "capped_keys").row(0)

    largest, capped = row(blocks(conformed))
    assert capped == 0 and row(blocks(conformed, caps={"telephone": largest - 1}))[1] > 0


def test_a_report_names_every_rule_and_holds_counts_alone(conformed: pl.DataFrame) -> None:
    told = blocks(conformed).report()
    assert told["rule"].to_list() == list(RULES)
    assert all(kind.is_integer() for name, kind in told.schema.items() if name != "rule")
    assert blocks(conformed.clear()).report()["keys"].sum() == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40), st.floats(0, 12))
def test_pairs_are_those_that_share_a_key_that_counts(values: list[tuple[int, int]], budget: float) -> None:
    same = {"forename": "A", "surname": "B", "forename_sound": "A", "surname_sound": "B", "initial": "A"}
    told = pl.DataFrame(values, schema=["one", "two"], orient="row").with_row_index("uid")
    people = told.with_columns(pl.lit(value).alias(name) for name, value in same.items())
    people = people.with_columns(pl.lit([1]).alias("forenames"), pl.lit([2]).alias("surnames"))
    rules = {"one": Rule(("one",), 9), "two": Rule(("two", "one"), 3, worth=0.5)}
    found = blocks(people, budget=budget, rules=rules)
    counts = [keys for (over,), keys in found.keys.group_by("over") if not over]
    by_key = counts[0].group_by("key").agg("uid")["uid"].to_list() if counts else []
    wanted = {(a, b) for uids in by_key for a in uids for b in uids if a < b}
    assert set(found.pairs().rows()) == wanted
    assert found.pairs().rows() == sorted(wanted)
    assert found.report()["pairs"].sum() <= budget * len(values)


@pytest.mark.parametrize(
    ("shared", "kept"),
    [
        ({}, False),
        ({"birth_date": date(1990, 5, 6)}, True),  # nothing contradicts
        ({"birth_date": date(1991, 8, 9)}, True),  # one year may be a slip
        ({"birth_date": date(2012, 5, 6)}, True),  # so may a year mistyped
        ({"phone": "01632960001"}, True),
        ({"nhs_number": "9434765919"}, True),
        ({"uprn": "7"}, True),  # the same initial at the same place: father and son, whom rules tell apart
        ({"uprn": "7", "forename": "MARIA"}, False),
        ({"uprn": "7", "forename": "HILL", "surname": "ANN"}, True),  # turned round
    ],
)
def test_whose_birth_dates_are_far_apart_is_compared_only_for_a_reason(shared: dict[str, object], kept: bool) -> None:
    one = {"forename": "ANN", "surname": "HILL", "birth_date": date(1990, 5, 6), "phone": None, "nhs_number": None}
    one |= {"uprn": None, "record_id": "a", "feed": "x"}
    other = one | {"birth_date": date(2012, 8, 9), "record_id": "b"} | shared
    same = {name: value for name, value in shared.items() if name in ("phone", "nhs_number", "uprn")}
    people = conform(prepare(finish(pl.DataFrame([one | same, other], infer_schema_length=None)))[0])
    pair = pl.DataFrame({"uid_l": [0], "uid_r": [1]})
    assert plausible(people, pair).height == kept
