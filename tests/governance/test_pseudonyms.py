"""Ids are keyed hashes, of no use without the key and different for every recipient."""

import hashlib
import hmac

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from governance.keys import KeyRing
from governance.pseudonyms import hashed, joined, pseudonyms, record_ids

RING = KeyRing(bytes(range(32)))


@given(values=st.lists(st.none() | st.text()), key=st.binary(min_size=1, max_size=100))
def test_each_value_is_hashed_as_rfc_2104_says_and_null_stays_null(values, key):
    expected = [v if v is None else hmac.digest(key, v.encode(), hashlib.sha256)[:16].hex() for v in values]
    assert hashed(pl.Series("x", values, pl.String), key).to_list() == expected


def test_the_test_vector_of_rfc_4231_holds():
    made = hashed(pl.Series(["what do ya want for nothing?"]), b"Jefe")
    assert made.item() == "5bdcc146bf60754e6a042426089575c7"


def test_the_same_key_in_two_feeds_makes_two_records():
    keys = pl.Series("source_key", ["17", "18", None])
    first, second = record_ids("police-missing", keys, RING), record_ids("housing-benefit", keys, RING)
    assert first.name == "source_key"
    assert first.to_list()[:2] != second.to_list()[:2]
    assert first.null_count() == 1
    assert record_ids("police-missing", pl.Series([17]), RING).item() == first[0]


def test_parts_of_a_key_do_not_run_into_each_other():
    frame = pl.DataFrame({"a": ["1", "11"], "b": ["12", "2"]}).select(joined(pl.col("a"), pl.col("b"), "x"))
    assert frame.to_series().n_unique() == 2


def test_two_recipients_and_two_years_hold_nothing_that_joins():
    people = pl.Series([f"{n:032x}" for n in range(1000)])
    made = [
        set(pseudonyms(people, RING, r, e)) for r, e in (("police", "2026"), ("schools", "2026"), ("police", "2027"))
    ]
    assert len(set.union(*made)) == 3000
