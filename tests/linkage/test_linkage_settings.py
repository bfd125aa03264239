from pathlib import Path

import pytest

from linkage.comparisons import COMPARISONS
from linkage.settings import Settings, load
from warehouse.site import PROJECT, SiteError


def written(folder: Path, text: str) -> Path:
    (folder / "linkage.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_council_that_writes_nothing_has_the_default(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()
    assert Settings().comparisons == COMPARISONS


def test_the_invented_council_shows_a_file_that_changes_nothing() -> None:
    assert load(PROJECT / "sites" / "harrowmere") == Settings()


def test_a_comparison_left_out_is_never_made_and_keeps_the_places_of_the_others(tmp_path: Path) -> None:
    found = load(written(tmp_path, "leave_out: [sex]\n")).comparisons
    assert [c.name for c in found] == [c.name for c in COMPARISONS]
    assert {c.name: c.missing for c in found}["sex"] == "true"


def test_a_further_column_is_compared_by_the_levels_of_its_kind(tmp_path: Path) -> None:
    found = load(written(tmp_path, "extra:\n  - {name: tenancy number, column: tenancy, kind: code}\n")).comparisons
    assert [level.sql for level in found[-1].levels] == ["x_tenancy_l = x_tenancy_r", ""]
    assert found[-1].levels[0].frequency_of == "x_tenancy"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("cut: 3\nleave_out:\n  - sex\n  - shoe size\n", 4, "there is no comparison of this name"),
        ("caps:\n  telephone: 40\n  shoe size: 40\n", 3, "there is no blocking rule of this name"),
        ("engine: duckdb\nextra:\n  - name: a\n    column: a\n    kind: colour\n", 5, "kind"),
        ("cut: 3\ngrey: [8, 4]\n", 1, "Write the lower weight first"),
        ("cut: 9\ngrey: [1, 4]\n", 1, "Put the band around it"),
        ("extra:\n  - {name: sex, column: gender, kind: code}\n", 1, "two comparisons are called sex"),
        ("\nmatching:\n  file: ../secret.csv\n", 3, "matching.file"),
        ("engine: duckdb\nshoes: 4\n", 2, "'shoes' is not an attribute here"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(SiteError, match=rf"linkage\.yaml:{line}: ") as caught:
        load(written(tmp_path, text))
    assert said in str(caught.value)
