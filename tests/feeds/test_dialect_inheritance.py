"""One contract laid over another."""

from __future__ import annotations

from pathlib import Path

import pytest
from feedhouse import HEAD, PEOPLE

from feeds.contracts import Contract
from feeds.dialect import load_contract, load_contracts
from warehouse.site import SiteError

SMALL = """\
apiVersion: v3.1.0
kind: DataContract
id: {id}
version: 2.0.0
status: active
customProperties:
  - {{property: extends, value: {base}}}
{rest}"""
BASE = HEAD.format(id="base", format="csv", server="", custom="", schema=PEOPLE)
MORE = """\
schema:
  - name: person
    properties:
      - {name: dob, logicalType: date, logicalTypeOptions: {format: yyyyMMdd}}
      - {name: middle, logicalType: string}
    customProperties:
      - {property: person, value: {middle_names: middle, sex: null}}
  - name: dog
    properties: [{name: tag, logicalType: string, primaryKey: true}]
"""


class Files:
    """A folder of contracts, and what is wrong with one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("base.odcs.yaml", BASE)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def small(self, rest: str = "", base: str = "base.odcs.yaml", id: str = "one") -> Path:
        return self.write(f"{id}.odcs.yaml", SMALL.format(id=id, base=base, rest=rest))

    def load(self, rest: str = "", base: str = "base.odcs.yaml", strict: bool = True) -> Contract:
        return load_contract(self.small(rest, base), strict)

    def wrong(self, rest: str = "", base: str = "base.odcs.yaml") -> list[str]:
        with pytest.raises(SiteError) as caught:
            self.load(rest, base)
        return caught.value.mistakes


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "feeds")


def test_a_contract_that_says_nothing_of_its_own_is_its_base_under_another_id(files: Files) -> None:
    base, one = load_contract(files.folder / "base.odcs.yaml"), files.load()
    assert (one.id, one.version, one.keys_of) == ("one", "2.0.0", "one")
    assert one.model_copy(update={"id": "base", "version": "1.0.0", "keys_of": "base"}) == base


def test_what_a_contract_says_is_laid_over_its_base_by_name(files: Files) -> None:
    one = files.load(MORE)
    person = one.table("person")
    assert [t.name for t in one.tables] == ["person", "dog"]
    assert [c.name for c in person.columns] == ["ref", "forename", "surname", "dob", "sex", "since", "middle"]
    assert next(c for c in person.columns if c.name == "dob").format == "yyyyMMdd"
    who = person.person[0]
    assert who.middle_names is not None and who.middle_names.column == "middle"
    assert who.forename is not None
    assert who.sex is None, "what is said to be null goes"


def test_servers_and_properties_of_the_base_can_be_changed_one_by_one(files: Files) -> None:
    rest = """\
  - {property: lag, value: 9}
servers:
  - {server: drop, type: local, path: "else/*.txt", format: csv, customProperties: [{property: delimiter, value: ;}]}
"""
    one = files.load(
        rest,
    )
    assert (one.lag, one.partner, one.globs, one.delimiter, one.format) == (9, "police", ("else/*.txt",), ";", "csv")


def test_a_property_that_is_said_to_be_null_is_no_longer_said(files: Files) -> None:
    assert load_contract(files.folder / "base.odcs.yaml").lag == 2
    assert files.load("  - {property: lag, value: null}\n").lag == 0


def test_tables_columns_and_rules_of_the_base_can_be_dropped(files: Files) -> None:
    files.small(MORE, id="two")
    rest = (
        "  - {property: without, value: [dog, person.sex]}\n"
        "schema: [{name: person, customProperties: [{property: yields, value: [{event: offence, start: since}]}]}]\n"
    )
    one = files.load(rest, base="two.odcs.yaml")
    assert [t.name for t in one.tables] == ["person"]
    assert "sex" not in [c.name for c in one.table("person").columns]


@pytest.mark.parametrize(
    ("rest", "line", "said"),
    [
        ("  - {property: without, value: [persn]}\n", 8, "no table 'persn': did you mean 'person'?"),
        ("  - {property: without, value: [person.dobb]}\n", 8, "no column or rule 'dobb': did you mean 'dob'?"),
        ("  - {property: without, value: person}\n", 8, "expected a list"),
        (MORE.replace("middle_names: middle", "middle_name: middle"), 14, "did you mean 'middle_names'?"),
        (MORE.replace("middle_names: middle", "middle_names: midle"), 14, "no column 'midle': did you mean 'middle'?"),
    ],
)
def test_a_mistake_is_told_where_it_stands(files: Files, rest: str, line: int, said: str) -> None:
    (found,) = files.wrong(rest)
    assert found.startswith(f"one.odcs.yaml:{line}:") and said in found


def test_a_mistake_of_the_base_is_told_in_the_base(files: Files) -> None:
    files.write("base.odcs.yaml", BASE.replace("birth_date: dob", "birth_date: dobb"))
    line = next(i for i, text in enumerate(BASE.splitlines(), 1) if "birth_date: dob" in text)
    (found,) = files.wrong()
    assert found.startswith(f"base.odcs.yaml:{line}:") and "did you mean 'dob'?" in found


def test_a_base_whose_words_still_name_a_dropped_column_is_told_where_they_stand(files: Files) -> None:
    found = files.wrong("  - {property: without, value: [person.sex]}\n")
    assert len(found) == 2 and all("base.odcs.yaml:" in f and "no column 'sex'" in f for f in found)


def test_a_missing_base_and_a_loop_are_told(files: Files) -> None:
    (found,) = files.wrong(base="bsae.odcs.yaml")
    assert found.startswith("one.odcs.yaml:7:") and "did you mean 'base.odcs.yaml'" in found
    files.small(base="one.odcs.yaml", id="two")
    (found,) = files.wrong(base="two.odcs.yaml")
    assert found.startswith("two.odcs.yaml:7:") and "Break the loop" in found
    (found,) = files.wrong(base="one.odcs.yaml")
    assert "Break the loop" in found


def test_dropping_without_a_base_is_told(files: Files) -> None:
    files.write("base.odcs.yaml", BASE.replace("schema:", "  - {property: without, value: [person]}\nschema:"))
    (found,) = files.wrong()
    assert "there is none" in found


def test_files_that_a_base_names_lie_beside_the_base(files: Files) -> None:
    plain = "{name: sex, logicalType: string, enum: [{value: M}, {value: F}]}"
    codes = "customProperties: [{property: codes, value: {file: c.csv, code: c}}]"
    listed_in = f"{{name: sex, logicalType: string, {codes}}}"
    files.write("../library/sexes.odcs.yaml", BASE.replace(plain, listed_in))
    files.write("../library/c.csv", "c\nM\n")
    one = files.load(base="../library/sexes.odcs.yaml")
    listed = next(c.code_list for c in one.table("person").columns if c.name == "sex")
    assert listed is not None and listed.file.read_text() == "c\nM\n"
    rules = [r.name for r in one.table("person").rules]
    assert "sex is a code of c.csv" in rules


def test_a_base_outside_the_sites_folder_is_no_feed_of_its_own(files: Files) -> None:
    files.write("../library/base.odcs.yaml", BASE)
    (files.folder / "base.odcs.yaml").unlink()
    files.small(base="../library/base.odcs.yaml")
    assert list(load_contracts(files.folder.parent, strict=True)) == ["one"]


def test_the_small_file_must_keep_the_standard_too(files: Files) -> None:
    files.write(
        "one.odcs.yaml", SMALL.format(id="one", base="base.odcs.yaml", rest="").replace("status: active", "tags: 7")
    )
    with pytest.raises(SiteError, match="Open Data Contract Standard"):
        load_contract(files.folder / "one.odcs.yaml", strict=True)
