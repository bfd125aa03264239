from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from feedhouse import HEAD, PEOPLE, Make

from feeds.contracts import strptime
from feeds.dialect import expectations, load_contract, load_contracts
from warehouse.site import PROJECT, SiteError


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "wrong.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SiteError) as caught:
        load_contract(path)
    return caught.value.mistakes


def contract_text(schema: str = PEOPLE, custom: str = "") -> str:
    return HEAD.format(id="one", format="csv", server="", custom=custom, schema=schema)


def test_the_contracts_of_the_invented_council_are_valid_against_the_strict_standard() -> None:
    contracts = load_contracts(PROJECT / "sites" / "harrowmere", strict=True)
    assert len(contracts) >= 12
    assert len({c.partner for c in contracts.values()}) >= 8


def test_all_contracts_load_in_a_fraction_of_a_second_and_import_nothing_slow() -> None:
    began = time.process_time()
    load_contracts(PROJECT / "sites" / "harrowmere")
    assert time.process_time() - began < 1
    code = (
        "import sys, feeds.intake, feeds.history; from pathlib import Path; "
        "from feeds.dialect import load_contracts; "
        "load_contracts(Path('sites/harrowmere')); "
        "print([m for m in ('great_expectations', 'jsonschema', 'lxml', 'fastexcel', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("forename: forename", "fornames: forename", "did you mean 'forenames'"),
        ("birth_date: dob", "birth_date: dobb", "has no column 'dobb': did you mean 'dob'?"),
        ("start: since", "start: sinse", "did you mean 'since'?"),
        ("code: sex", "code: sx, when: {sux: M}", "has no column 'sux': did you mean 'sex'?"),
        ("{event: offence", "{evnt: offence", "did you mean 'event'?"),
        ("logicalType: date, required", "logicalType: dat, required", "did you mean 'date'?"),
        ("format: dd/MM/yyyy", "format: dd/MM/jjjj", "'j' in the format 'dd/MM/jjjj' is not understood"),
        ("required: true}", "requird: true}", "'requird' is not an attribute here: did you mean 'required'?"),
        ("property: yields", "property: yield", "did you mean 'yields'?"),
        ("{value: F}", "{value: no}", "put it in quotes"),
        ("name: since, ", "name: since, classification: publik, ", "did you mean 'public'?"),
    ],
)
def test_a_slip_in_a_contract_is_told_with_its_line_and_what_was_meant(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = contract_text()
    line = next(i for i, t in enumerate(text.splitlines(), 1) if old in t)
    found = mistakes(tmp_path, text.replace(old, new, 1))
    assert any(m.startswith(f"wrong.odcs.yaml:{line}:") and said in m for m in found), found


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = contract_text().replace("birth_date: dob", "birth_date: bod").replace("domain: police\n", "")
    found = mistakes(tmp_path, text.replace("value: police}", "value: police, extra: 1}"))
    assert len(found) == 3


def quality(body: str, severity: str = "quarantine") -> str:
    run = f"type: custom, engine: greatExpectations, implementation: {{{body}}}"
    rule = f"      - {{name: a rule, {run}, severity: {severity}}}"
    return contract_text(PEOPLE.replace("    customProperties", f"    quality:\n{rule}\n    customProperties"))


def test_an_expectation_that_does_not_exist_is_told_with_the_nearest(tmp_path: Path) -> None:
    assert "column_values_to_not_be_null" in expectations()
    (found,) = mistakes(tmp_path, quality("expect: column_values_to_not_be_nul, column: dob"))
    assert "did you mean 'column_values_to_not_be_null'" in found


def test_an_argument_that_an_expectation_does_not_take_or_lacks_is_told(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, quality("expect: column_values_to_be_between, column: dob, min_valu: 1"))
    assert "'min_valu' is not an argument here: did you mean 'min_value'?" in found
    (found,) = mistakes(tmp_path, quality("expect: column_pair_values_to_be_equal, column_A: dob"))
    assert "Add column_B" in found


def test_a_rule_on_a_column_that_does_not_exist_or_with_a_severity_that_does_not_is_refused(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, quality("expect: column_values_to_not_be_null, column: dobb"))
    assert "no column 'dobb'" in found
    (found,) = mistakes(tmp_path, quality("expect: column_values_to_not_be_null, column: dob", "quarentine"))
    assert "did you mean 'quarantine'" in found


def test_a_file_that_is_no_yaml_and_a_format_that_is_not_read_are_refused(tmp_path: Path) -> None:
    assert "not YAML" in mistakes(tmp_path, "a: [1\nb: 2")[0]
    assert "choose csv" in mistakes(tmp_path, contract_text().replace("format: csv", "format: cvs"))[0]


def test_nested_tables_inherit_the_keys_of_what_they_stand_in(make: Make) -> None:
    contract = make(
        """\
  - name: child
    physicalName: M/Child
    properties: [{name: id, logicalType: string, primaryKey: true}]
    customProperties: [{property: person, value: {key: id}}]
  - name: need
    physicalName: M/Child/Need
    properties: [{name: on, physicalName: Began, logicalType: date}]
    customProperties: [{property: yields, value: [{event: child_in_need, start: on}]}]
""".replace("name: on,", "name: began,").replace("start: on", "start: began"),
        "xml",
    )
    need = contract.table("need")
    assert (need.parent, [c.name for c in need.inherited], need.person_ref) == ("child", ["id"], ("id",))


def test_java_date_formats_are_understood() -> None:
    assert strptime("dd/MM/yyyy HH:mm") == "%d/%m/%Y %H:%M"
    assert strptime("yyyy-MM-dd'T'HH:mm:ss") == "%Y-%m-%dT%H:%M:%S"
    assert strptime("yyyyMMdd") == "%Y%m%d"
