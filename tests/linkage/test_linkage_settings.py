from pathlib import Path

import pytest

from linkage.comparisons import COMPARISONS
from linkage.settings import Matching, Settings, load
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
    found = load(written(tmp_path, "extra:\n  - {name: own key, column: source_key, kind: code}\n"))
    assert found.further == ["source_key"]
    levels = found.comparisons[-1].levels
    assert [level.sql for level in levels] == ["x_source_key_l = x_source_key_r", ""]
    assert levels[0].frequency_of == "x_source_key"


def test_settings_say_in_what_they_are_unlike_those_of_a_model_but_for_what_needs_no_training() -> None:
    other = Settings(cut=3, grey=(1, 4), caps={"telephone": 40}, engine="spark", matching=Matching(role="master"))
    assert other.unlike(Settings()) == ["engine", "cut", "grey", "caps"]
    assert not Settings(matching=Matching()).unlike(Settings())


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("cut: 3\nleave_out:\n  - sex\n  - shoe size\n", 4, "there is no comparison of this name"),
        ("caps:\n  telephone: 40\n  shoe size: 40\n", 3, "there is no blocking rule of this name"),
        ("engine: duckdb\nextra:\n  - name: a\n    column: a\n    kind: colour\n", 5, "kind"),
        ("cut: 3\ngrey: [8, 4]\n", 1, "Write the lower weight first"),
        ("cut: 9\ngrey: [1, 4]\n", 1, "Put the band around it"),
        ("extra:\n  - {name: sex, column: gender, kind: code}\n", 1, "two comparisons are called sex"),
        ("\nmatching:\n  file: ours.csv\n", 3, "'matching.file' is not an attribute here"),
        ("extra:\n  - name: shoe\n    column: shoe_size\n    kind: text\n", 3, "There are: source_key."),
        ("extra:\n  - {name: a, column: death_date, kind: text}\n", 2, "no column that can be compared as text"),
        (
            "extra:\n  - {name: a, column: source_key, kind: code}\n  - {name: b, column: ethnicity, kind: code}\n",
            3,
            "ethnicity",
        ),
        ("engine: duckdb\nshoes: 4\n", 2, "'shoes' is not an attribute here"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(SiteError, match=rf"linkage\.yaml:{line}: ") as caught:
        load(written(tmp_path, text))
    assert said in str(caught.value)
