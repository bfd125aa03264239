"""Tables of counts give nobody away: attacked with everything that was published, and every attack fails."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise, product
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from borough import DOMAINS, FIRST, SECOND, narrow, ranges, release, spread, table
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.disclosure import cells as control
from governance.disclosure.counted import events, windowed
from governance.disclosure.declared import Aggregate, load_aggregates
from governance.disclosure.profiles import PROFILES, Disclosure, Profile, load_disclosure
from governance.disclosure.tables import Population, publish
from warehouse import marts
from warehouse.marts import MartTable
from warehouse.site import SiteError
from warehouse.tables import Column

CELLS = 24
SMALL = st.one_of(st.integers(0, 7), st.integers(0, 60))
BOROUGHS = st.lists(SMALL, min_size=CELLS, max_size=CELLS).map(spread)
CUBE = (("ward", "area"), "age", "sex")
EVERY = spread([40] * CELLS)


def value(made, **cell: str):
    found = made.frame.filter(*(pl.col(c) == v for c, v in cell.items()))
    assert found.height == 1
    return found["count"][0]


# -- what is done --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 12, 13, 499])
def test_small_counts_are_hidden_and_the_rest_is_rounded(count: int) -> None:
    made, _ = release({**EVERY, **spread([count, 0, 0, 0, 0, 0])}, table("area"))
    shown = value(made[0], area="A1")
    assert (shown is None) == (count <= 7)
    assert shown is None or (shown % 5 == 0 and abs(shown - count) <= 2)


def test_a_hidden_cell_says_that_it_is_hidden_and_is_neither_zero_nor_a_bare_null() -> None:
    made, _ = release({**EVERY, ("A1", "child", "F"): 3}, table("area", "age", "sex"))
    rows = made[0].frame.filter("suppressed")
    assert rows.height
    assert rows["count"].null_count() == rows.height
    assert set(rows["why"]) == {"disclosure"}
    rest = made[0].frame.filter(~pl.col("suppressed"))
    assert rest["count"].null_count() == 0
    assert rest["why"].null_count() == rest.height


@pytest.mark.parametrize("profile", [PROFILES["opensafely"], PROFILES["opensafely-rates"], PROFILES["acro"]])
def test_a_value_stands_for_the_counts_that_round_to_it_and_no_others(profile: Profile) -> None:
    counts = np.arange(profile.threshold + 1, 400)
    shown = profile.shown(counts)
    assert (profile.least(shown) <= counts).all()
    assert (counts <= profile.most(shown)).all()
    for one in np.unique(shown)[:-1]:
        assert counts[shown == one].min() == profile.least(one)
        assert counts[shown == one].max() == profile.most(one)


def test_midpoint_six_moves_a_count_by_no_more_than_three_and_is_right_on_average() -> None:
    counts = np.arange(1, 601)
    shown = PROFILES["opensafely-rates"].shown(counts)
    assert set(np.unique(shown)[:3]) == {3, 9, 15}
    assert (counts - shown).min() == -2
    assert (counts - shown).max() == 3
    assert abs(float((counts - shown).mean())) <= 0.5


def test_without_a_file_the_rules_of_opensafely_hold() -> None:
    assert load_disclosure(Path("nowhere")).of("analysts") == Profile(threshold=7, rounding="nearest", base=5)


def test_a_profile_that_nobody_knows_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "disclosure.yaml").write_text("profile: opensafely\naudiences:\n  analysts: arco\n")
    with pytest.raises(SiteError, match=r"disclosure.yaml:3: there is no profile 'arco'. Known: acro"):
        load_disclosure(tmp_path)


def test_the_invented_council_declares_tables_that_hold_together() -> None:
    assert load_aggregates(Path("sites/harrowmere")).aggregates


def test_a_stricter_team_makes_the_cells_that_it_gets_stricter_for_all() -> None:
    disclosure = Disclosure(audiences={"analysts": "acro"})
    made, _ = release({**EVERY, ("A1", "child", "F"): 9}, table("area", "age", "sex"), disclosure=disclosure)
    assert value(made[0], area="A1", age="child", sex="F") is None


def test_without_effort_more_is_hidden_and_never_less_protected() -> None:
    counts = spread([3, 20, 31, 2, 9, 14] * 4)
    lazy, _ = release(counts, table(*CUBE), disclosure=Disclosure(effort=0))
    usual, _ = release(counts, table(*CUBE))
    assert lazy[0].frame["suppressed"].sum() > usual[0].frame["suppressed"].sum()
    assert not narrow(ranges(lazy))


def test_the_same_night_gives_the_same_tables() -> None:
    counts = spread([3, 20, 31, 2, 9, 14] * 4)
    (one,), state = release(counts, table(*CUBE))
    (other,), again = release(dict(reversed(counts.items())), table(*CUBE))
    assert one.frame.equals(other.frame)
    assert state.equals(again)


def test_what_is_remembered_holds_no_count_that_was_not_shown() -> None:
    made, state = release({**EVERY, ("A1", "child", "F"): 3}, table("area", "age", "sex"))
    assert state.filter("hidden")["value"].null_count() == state.filter("hidden").height
    assert set(state["value"].drop_nulls()) <= set(made[0].frame["count"].drop_nulls())


# -- attacks: everything that left is at hand ----------------------------------------------------------------------


@settings(max_examples=12)
@given(BOROUGHS)
def test_an_attacker_cannot_work_out_a_hidden_cell_from_the_totals(counts) -> None:
    made, _ = release(counts, table(*CUBE))
    assert not narrow(ranges(made))


def test_the_attack_would_find_a_cell_that_is_hidden_by_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack is worth something: without secondary suppression it succeeds."""
    counts = {**EVERY, ("A1", "child", "F"): 0, ("A1", "child", "M"): 0}
    monkeypatch.setattr(control, "_companions", lambda *_: None)
    monkeypatch.setattr(control, "_prove", lambda *_: np.array([], dtype=np.int64))
    made, _ = release(counts, table("area", "age"))
    assert made[0].frame["suppressed"].sum() == 1
    ((least, most),) = narrow(ranges(made))
    assert least == 0
    assert most <= 7


def test_an_attacker_cannot_tell_a_small_count_from_one_that_protects_it() -> None:
    made, state = release({**EVERY, ("A1", "child", "F"): 3}, table("area", "age", "sex"))
    assert set(state.filter("hidden")["cause"]) == {"primary", "secondary"}
    assert made[0].frame.filter("suppressed").select("count", "suppressed", "why").n_unique() == 1


def test_an_attacker_cannot_guess_a_person_from_an_aggregate() -> None:
    with_them, _ = release({**EVERY, ("A1", "child", "F"): 1}, table("area", "age", "sex"))
    without, _ = release({**EVERY, ("A1", "child", "F"): 0}, table("area", "age", "sex"))
    assert with_them[0].frame.equals(without[0].frame)


def test_an_attacker_cannot_learn_that_everyone_of_an_area_is_of_one_kind() -> None:
    counts = {**EVERY, **{("A1", age, "M"): 0 for age in DOMAINS["age"]}}
    made, _ = release(counts, table("area", "sex"))
    assert value(made[0], area="A1", sex="F") is None
    assert not narrow(ranges(made))


def test_an_attacker_cannot_take_small_areas_from_their_ward() -> None:
    counts = {**EVERY, **{("A1", age, sex): 1 for age in DOMAINS["age"] for sex in DOMAINS["sex"]}}
    made, _ = release(counts, table(("ward", "area")))
    assert value(made[0], ward="North", area="A1") is None
    assert value(made[0], ward="North", area="A2") is None
    assert value(made[0], ward="South", area="A3") == 240
    assert not narrow(ranges(made))


@pytest.mark.parametrize("few", [0, 1, 5, 7])
def test_an_attacker_cannot_subtract_two_tables_that_overlap(few: int) -> None:
    counts = {**EVERY, **{("A1", "old", sex): few for sex in ("F", "M")}, ("A1", "old", "M"): 0}
    everybody = table("area", name="everybody")
    younger = table("area", name="younger", where={"age": ("child", "adult")})
    made, _ = release(counts, everybody, younger)
    assert None in {value(m, area="A1") for m in made}
    assert not narrow(ranges(made))


@settings(max_examples=5)
@given(BOROUGHS)
def test_an_attacker_cannot_put_many_small_tables_together(counts) -> None:
    pairs = [("area", "age"), ("area", "sex"), ("age", "sex"), ("ward", "sex"), ("ward", "age")]
    made, _ = release(counts, *(table(*by, name="_".join(by)) for by in pairs))
    assert not narrow(ranges(made))


def test_an_attacker_cannot_have_one_count_rounded_in_two_ways(tmp_path: Path) -> None:
    (tmp_path / "disclosure.yaml").write_text("audiences: {analysts: opensafely-rates}")
    with pytest.raises(SiteError, match="two profiles in use round differently"):
        load_disclosure(tmp_path)


# -- attacks with the last release at hand -------------------------------------------------------------------------


@pytest.mark.parametrize("joined", [-7, -1, 1, 7])
def test_an_attacker_cannot_learn_of_a_newcomer_by_subtracting_two_nights(joined: int) -> None:
    for count in (23, 52, 137):
        cell = ("A1", "child", "F")
        first, state = release({**EVERY, cell: count}, table("area", "age", "sex"))
        second, _ = release({**EVERY, cell: count + joined}, table("area", "age", "sex"), last=state, night=SECOND)
        assert first[0].frame.equals(second[0].frame)


def test_a_value_moves_once_more_than_a_small_number_must_have_changed() -> None:
    cell, state, seen = ("A1", "child", "F"), None, []
    for night, count in enumerate(range(40, 62)):
        (made,), state = release({**EVERY, cell: count}, table("area"), last=state, night=FIRST + timedelta(days=night))
        seen.append(value(made, area="A1"))
    steps = [abs(b - a) for a, b in pairwise(seen) if a != b]
    assert steps
    assert min(steps) >= 8


def test_an_attacker_cannot_watch_a_count_cross_the_threshold() -> None:
    cell, by, state = ("A1", "child", "F"), table("area", "age", "sex"), None
    shown = []
    for night, count in enumerate([7, 8, 9, 14, 15, 40]):
        (made,), state = release({**EVERY, cell: count}, by, last=state, night=FIRST + timedelta(days=night))
        shown.append(value(made, area="A1", age="child", sex="F"))
    assert shown[:4] == [None] * 4
    (made,), _ = release({**EVERY, cell: 14}, by, last=state, night=FIRST + timedelta(days=200))
    assert value(made, area="A1", age="child", sex="F") is None
    (made,), _ = release({**EVERY, cell: 40}, by, last=state, night=FIRST + timedelta(days=200))
    assert value(made, area="A1", age="child", sex="F") == 40


def test_an_attacker_cannot_see_another_cell_hidden_each_night() -> None:
    """What protects a small cell stays the same, or two nights together would show all but the small one."""
    by, cell = table("area", "age", "sex"), ("A1", "child", "F")
    counts = {**EVERY, cell: 3, ("A1", "child", "M"): 38, ("A2", "child", "F"): 39}
    first, state = release(counts, by)
    second, _ = release({**counts, ("A1", "child", "M"): 41, ("A2", "child", "F"): 36}, by, last=state, night=SECOND)
    hidden = [set(m[0].frame.filter("suppressed").select("area", "age", "sex").rows()) for m in (first, second)]
    assert hidden[0] <= hidden[1]


@settings(max_examples=5)
@given(BOROUGHS, st.lists(st.integers(-3, 3), min_size=CELLS, max_size=CELLS))
def test_an_attacker_cannot_use_last_nights_table_against_tonights(counts, moved) -> None:
    tonight = {cell: max(count + by, 0) for (cell, count), by in zip(counts.items(), moved, strict=True)}
    first, state = release(counts, table("area", "age"), table("age", "sex", name="other"))
    second, _ = release(tonight, table("area", "age"), table("age", "sex", name="other"), last=state, night=SECOND)
    assert not narrow(ranges(second, first, tonight))


def test_an_attacker_cannot_ask_again_with_a_slightly_different_filter() -> None:
    counts = {**EVERY, ("A1", "old", "F"): 3, ("A1", "old", "M"): 2}
    _, state = release(counts, table("area", name="everybody"))
    younger = table("area", name="younger", where={"age": ("child", "adult")})
    made, _ = release(counts, younger, last=state, night=SECOND)
    assert value(made[0], area="A1") is None
    assert value(made[0], area="A3") == 160


# -- attacks on sums, and on files ---------------------------------------------------------------------------------


BY_MONTH = Aggregate(
    name="e", plain_words="Contacts by month.", count="events", event="contact", by=("month",), audience="analysts"
)


def happened(house_of: dict[str, str], times: dict[str, int]) -> Population:
    """Events in October 2026, so many of each person, by household; and two of each in the months before."""
    rows = [(person, house_of[person], "2026-10") for person, count in times.items() for _ in range(count)]
    rows += [(person, house_of[person], month) for person in times for month in ("2026-09", "2026-08") for _ in "12"]
    frame = pl.DataFrame(rows, schema={"person_id": pl.String, "house": pl.String, "month": pl.String}, orient="row")
    return Population(frame, {"month": ("2026-10", "2026-09", "2026-08")}, "person_id")


def counted(population: Population) -> int | None:
    made, _ = publish([BY_MONTH], {}, population, Disclosure(), FIRST)
    return value(made[0], month="2026-10")


def test_an_attacker_cannot_read_one_household_out_of_a_sum() -> None:
    alone = {f"p{n}": f"h{n}" for n in range(30)}
    assert counted(happened(alone, dict.fromkeys(alone, 2))) is not None
    assert counted(happened(alone, {**dict.fromkeys(alone, 1), "p0": 400})) is None
    family = {**alone, **{f"p{n}": "h0" for n in range(12)}}
    assert counted(happened(family, {p: 20 if h == "h0" else 1 for p, h in family.items()})) is None


def test_an_attacker_cannot_read_seven_people_out_of_many_events() -> None:
    few = {f"p{n}": f"h{n}" for n in range(7)}
    assert counted(happened(few, dict.fromkeys(few, 10))) is None


def test_an_attacker_cannot_read_this_months_events_as_they_come() -> None:
    assert windowed(BY_MONTH, FIRST).where["month"][0] == "2026-10"
    told = pl.DataFrame({"person_id": ["p"], "start": [FIRST]}).with_columns(pl.col("start").cast(pl.Datetime))
    nobody = pl.DataFrame(schema={"person_id": pl.String, "household_id": pl.String, "state": pl.String})
    profile = {"person_id": "p", "age_band": "0-4", "sex": "F", "lsoa11": "E1", "lsoa21": "E1", "imd_decile": 1}
    profiles = pl.DataFrame([{**profile, "deceased": False}])
    places = pl.DataFrame({"lsoa11": ["E1"], "lsoa21": ["E1"]})
    assert events(told, profiles, nobody, places, [BY_MONTH], FIRST).rows.is_empty()


def test_an_attacker_cannot_read_a_hidden_count_from_a_file(tmp_path: Path) -> None:
    """Three in a cell or six: Parquet, DuckDB and CSV are the same to the byte, statistics, order and size included."""
    files = []
    for few in (3, 6):
        made, _ = release({**EVERY, ("A1", "child", "F"): few}, table("area", "age", "sex"))
        columns = tuple(Column(c, t, c) for c, t in made[0].frame.schema.items())
        mart = MartTable("agg_t", "A test.", made[0].frame, columns, ("area", "age", "sex"))
        marts.build_release(tmp_path / str(few), str(FIRST), [mart], {})
        database = marts.publish(tmp_path / str(few), str(FIRST))
        with duckdb.connect(str(database), read_only=True) as con:
            stored = con.sql("SELECT * EXCLUDE (block_id, block_offset) FROM pragma_storage_info('agg_t')").fetchall()
        parquet = next((tmp_path / str(few)).glob("releases/*/agg_t.parquet"))
        files.append((stored, parquet.read_bytes(), database.stat().st_size, made[0].frame.write_csv()))
    assert files[0] == files[1]


def test_an_attacker_cannot_read_a_hidden_count_from_its_place() -> None:
    made, _ = release({**EVERY, ("A1", "child", "F"): 3}, table("area", "age", "sex"))
    frame = made[0].frame
    assert frame.equals(frame.sort("area", "age", "sex"))
    assert frame.height == len(list(product(*(("all", *d) for d in DOMAINS.values()))))
