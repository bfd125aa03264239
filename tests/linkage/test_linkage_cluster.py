import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.cluster import LARGEST, RUNAWAY, bridges, components, refine
from linkage.decisions import SETTLED

Pair = tuple[int, int, float, bool]


def edges(pairs: list[Pair]) -> pl.DataFrame:
    schema = {"uid_l": pl.Int64, "uid_r": pl.Int64, "weight": pl.Float64, "never": pl.Boolean}
    return pl.DataFrame(pairs, schema=schema, orient="row").with_columns(pl.lit(False).alias("silent"))


def clustered(height: int, pairs: list[Pair], otherwise: float = -8.0, cut: float = 0.0) -> list[int]:
    found = edges(pairs)
    component = components(height, found, cut)

    def score(more: pl.DataFrame) -> pl.DataFrame:
        blank = pl.lit(False)
        return more.with_columns(pl.lit(otherwise).alias("weight"), never=blank, silent=blank)

    return refine(component, found, cut, np.ones(height, dtype=bool), score).tolist()


def test_two_people_whom_one_weak_pair_joins_are_parted() -> None:
    first, second = [(0, 1, 9.0, False), (0, 2, 9.0, False), (1, 2, 9.0, False)], [(3, 4, 9.0, False)]
    assert clustered(5, [*first, *second, (2, 3, 1.0, False)]) == [0, 0, 0, 3, 3]


def test_twins_stay_apart_although_records_of_both_are_like_a_third() -> None:
    never = [(a, b, 4.0, True) for a in (0, 1) for b in (2, 3)]
    own = [(0, 1, 20.0, False), (2, 3, 20.0, False)]
    third = [(a, 4, 3.0 if a < 2 else 2.0, False) for a in range(4)]
    assert clustered(5, [*own, *never, *third]) == [0, 0, 2, 2, 0]


def test_one_wrong_record_does_not_part_a_person_though_a_rule_forbids_one_of_its_pairs() -> None:
    pairs = [(a, b, 15.0, False) for a in range(5) for b in range(a + 1, 5)]
    pairs = [(a, b, 4.0, True) if (a, b) == (0, 4) else (a, b, w, n) for a, b, w, n in pairs]
    assert clustered(5, pairs) == [0, 0, 0, 0, 0]


def test_what_people_forbid_is_not_put_to_a_vote() -> None:
    pairs = [(a, b, 15.0, False) for a in range(5) for b in range(a + 1, 5) if (a, b) != (0, 4)]
    found = clustered(5, [*pairs, (0, 4, -SETTLED, True)])
    assert found[0] != found[4]


def test_what_people_join_is_not_drowned_by_the_other_pairs() -> None:
    assert clustered(3, [(0, 1, SETTLED, False), (0, 2, 9.0, False)], otherwise=-9.0)[:2] == [0, 0]


def test_a_chain_longer_than_any_family_is_parted_where_it_is_weakest() -> None:
    height = RUNAWAY + 60
    chain = [(n, n + 1, 1.0 if n == RUNAWAY // 2 else 19.0, False) for n in range(height - 1)]
    found = np.array(clustered(height, chain))
    assert found[RUNAWAY // 2] != found[RUNAWAY // 2 + 1]
    assert LARGEST < RUNAWAY


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30))
def test_a_bridge_is_a_pair_without_which_a_person_falls_apart(drawn: list[tuple[int, int]]) -> None:
    pairs = sorted({(min(p), max(p)) for p in drawn if p[0] != p[1]})
    every = [(a, b, 5.0, False) for a, b in pairs]
    group = components(12, edges(every), 0.0)
    apart = {}
    for a, b, *_ in every:
        rest = components(12, edges([p for p in every if p[:2] != (a, b)]), 0.0)
        if rest[a] != rest[b] and (group == group[a]).sum() > 2:
            apart[a, b] = min((rest == rest[a]).sum(), (rest == rest[b]).sum())
    found = bridges(group, edges(every), 0.0)
    assert {(a, b): moved for a, b, moved in found.select("uid_l", "uid_r", "moved").rows()} == apart


@pytest.mark.parametrize("seed", range(3))
def test_a_component_is_parted_alike_whichever_components_are_looked_at_beside_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(a, b, float(rng.normal(2, 6)), bool(rng.random() < 0.1)) for a in range(20) for b in range(a + 1, 20)]
    alone = clustered(20, pairs)
    beside = [(a + 20, b + 20, float(rng.normal(2, 6)), False) for a, b, *_ in pairs]
    assert clustered(40, [*pairs, *beside])[:20] == alone


def _told(pairs: list[tuple[int, int, float, bool, bool]]) -> pl.DataFrame:
    names = ["uid_l", "uid_r", "weight", "never", "silent"]
    return pl.DataFrame(pairs, schema=names, orient="row").cast({"uid_l": pl.Int64, "uid_r": pl.Int64})


def _fed(pairs: list[tuple[int, int, float, bool, bool]], feed: list[int], again: float = 0.0) -> list[int]:
    edges, every = _told(pairs), np.ones(len(feed), dtype=bool)
    component = components(len(feed), edges, -2.0)
    none = _told([])
    return refine(component, edges, 0.0, every, lambda _: none, np.array(feed), np.full(max(feed) + 1, again)).tolist()


ONE_PERSON = [(0, 1, 12.0, False, True), (0, 2, -1.5, False, False), (1, 2, -4.0, False, False)]


def test_a_record_left_alone_joins_the_only_group_that_it_can_belong_to_a_little_below_the_cut() -> None:
    assert _fed(ONE_PERSON, [0, 1, 2]) == [0, 0, 0]


def test_it_stays_alone_where_its_feed_is_there_already() -> None:
    assert _fed(ONE_PERSON, [0, 1, 1]) == [0, 0, 2]


def test_it_stays_alone_where_another_group_comes_near() -> None:
    other = [(2, 3, -1.0, False, False), (0, 3, -20.0, True, False), (1, 3, -20.0, True, False)]
    assert _fed([*ONE_PERSON, *other], [0, 1, 2, 3]) == [0, 0, 2, 3]


def test_two_records_of_a_feed_that_knows_each_person_once_need_more_to_be_one() -> None:
    assert _fed([(0, 1, 3.0, False, True)], [0, 0], -4.0) == [0, 1]
    assert _fed([(0, 1, 3.0, False, True)], [0, 1], -4.0) == [0, 0]
    assert _fed([(0, 1, 9.0, False, True)], [0, 0], -4.0) == [0, 0]


def test_groups_that_share_several_such_feeds_need_more_for_each_of_them_and_once_for_each() -> None:
    across = [(0, 2, 6.0, False, True), (0, 3, 6.0, False, True), (1, 2, 6.0, False, True), (1, 3, -1.0, False, True)]
    twins = [(0, 1, 15.0, False, True), (2, 3, 15.0, False, True), *across]
    assert _fed(twins, [0, 1, 0, 2], -4.0) == [0, 0, 0, 0]
    assert _fed(twins, [0, 1, 0, 1], -4.0) == [0, 0, 2, 2]
    assert _fed(twins, [0, 0, 0, 0], -4.0) == [0, 0, 0, 0], "one feed, however many records of it"


def test_a_record_that_could_be_either_of_two_people_whom_a_rule_keeps_apart_stands_alone() -> None:
    father_and_son = [(0, 1, -9.0, True, False), (0, 2, 6.0, False, True), (1, 2, 5.5, False, True)]
    assert _fed(father_and_son, [0, 0, 1]) == [0, 1, 2]
    assert _fed([*father_and_son[:2], (1, 2, 2.0, False, True)], [0, 0, 1]) == [0, 1, 0]


def test_a_record_that_is_much_likelier_the_one_does_not_stand_alone_however_strong_both_pairs_are() -> None:
    one_misspelt = [(0, 1, 27.0, False, True), (0, 2, 21.5, False, True), (1, 2, -9.0, True, False)]
    assert _fed(one_misspelt, [0, 1, 1]) == [0, 0, 2]
