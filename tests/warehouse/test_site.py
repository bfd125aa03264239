from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from warehouse.site import SiteError, read_yaml

SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates()
TREE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner),
    max_leaves=12,
)


@given(tree=TREE, flow=st.booleans())
def test_what_is_written_is_read_and_the_line_of_each_key_is_known(
    tmp_path_factory: pytest.TempPathFactory, tree: object, flow: bool
) -> None:
    path = tmp_path_factory.mktemp("site") / "one.yaml"
    path.write_text(yaml.safe_dump(tree, default_flow_style=flow), encoding="utf-8")
    found = read_yaml(path)
    assert found.data == tree
    text = path.read_text(encoding="utf-8").splitlines()
    for spot, line in found.lines.items():
        if spot and isinstance(spot[-1], str):
            assert spot[-1] in text[line - 1]


def test_a_merged_block_has_the_lines_on_which_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("a: &x\n  b: 1\nc:\n  <<: *x\n  d: 2\n", encoding="utf-8")
    found = read_yaml(path)
    assert found.data["c"] == {"b": 1, "d": 2}
    assert found.lines["a", "b"] == 2 and found.lines["c", "d"] == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: 'x\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: b: c\n", 1), ("a: 1\n[b]: 2\n", 2), ("a: *b", 1)],
)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SiteError, match=rf"one\.yaml:{line}: this is not YAML: "):
        read_yaml(tmp_path / "one.yaml")
