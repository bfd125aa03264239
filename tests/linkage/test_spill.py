"""A join that does not fit in memory spills into a folder of its own, and leaves nothing."""

from linkage.model import engine


def test_a_join_spills_into_a_folder_of_its_own_which_goes_with_it(tmp_path):
    with engine(tmp_path, memory="40MB", threads=1) as con:
        held = con.execute("from (select i, 'ARKWRIGHT' || i as name from range(1000000) t(i)) order by name desc")
        assert held.fetchone()
        folders = [p for p in tmp_path.iterdir() if p.is_dir()]
        assert [p.name.partition("-")[0] for p in folders] == ["join"]
        assert list(folders[0].iterdir()), "nothing was spilt, so that this test shows nothing"
        assert all(p.is_dir() or p.suffix == ".lock" for p in tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
