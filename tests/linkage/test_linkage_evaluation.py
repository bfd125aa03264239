import polars as pl
import pytest

from linkage.evaluation import scores


def test_pairs_and_b_cubed_are_counted_by_hand() -> None:
    links = pl.DataFrame({"record_id": list("abcdef"), "person_id": ["1", "1", "1", "2", "2", "3"]})
    truth = pl.DataFrame({"record_id": list("abcdef"), "person": [1, 1, 2, 2, 2, 3]})
    found = scores(links, truth)
    assert found["pair_precision"] == pytest.approx(2 / 4)
    assert found["pair_recall"] == pytest.approx(2 / 4)
    assert found["bcubed_precision"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1) / 6)
    assert found["bcubed_recall"] == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3 + 1) / 6)
    assert found["largest"] == 3
