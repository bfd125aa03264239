"""A contract that was mangled loads, or is refused with its mistakes; it never crashes."""

from __future__ import annotations

import copy
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from feedhouse import HEAD, PEOPLE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.contracts import Contract
from feeds.dialect import load_contract
from warehouse.site import PROJECT, SiteError

CODES = "code,since,until\nM,2000-01-01,\n"
OWN = """\
  - name: second
    physicalName: M/x
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - name: nhs
        logicalType: string
        logicalTypeOptions: {pattern: "[0-9]+", minLength: 1, maxLength: 10}
        customProperties:
          - {property: aliases, value: [NHS No]}
          - {property: severity, value: warn}
          - {property: codes, value: {file: c.csv, code: code, from: since, to: until, at: seen}}
      - {name: seen, logicalType: date}
      - {name: size, logicalType: number, logicalTypeOptions: {minimum: 1, maximum: 9}}
    quality:
      - name: an NHS number has a valid check digit
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_be_nhs_number, column: nhs, mostly: 0.9}
        severity: reject
        customProperties: [{property: owner, value: somebody}]
      - name: a person stands in the first table
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_exist_in, column: ref, table: person, to: ref}
      - name: seen on a day that may be
        type: custom
        engine: greatExpectations
        implementation: {expect: column_values_to_be_plausible_date, column: seen, earliest: 1990-01-01, days_ahead: 3}
    customProperties:
      - {property: headerRow, value: detect}
      - {property: optional, value: true}
      - {property: codes, value: {nhs: {a: b}}}
      - property: person
        value:
          - {key: [ref, {const: "1"}], nhs_number: {column: nhs, when: {ref: [a, b]}}, seen_on: seen}
          - {key: ref, address: {line: [nhs, ref], from: seen}, full_name: {column: nhs, clean: [split_name]}}
      - property: yields
        value:
          - {relationship: child, other: [ref, {const: "1"}], person_ref: [ref, {const: "2"}], start: seen}
          - {voice: {topic: {const: x}, words: nhs, said_by: child, start: seen}}
          - {involvement: x, start: seen, team: nhs, when: {nhs: present}}
"""
CUSTOM = """\
  - {property: lookBack, value: 5y}
  - {property: volumeBand, value: 0.2}
  - {property: trust, value: {address: 0.5}}
slaProperties: [{property: frequency, value: 1, unit: d}]
description: {purpose: a, limitations: b}
team: {name: t}
"""
SERVER = "{property: delimiter, value: detect}, {property: encoding, value: utf-16}, {property: shortRows, value: fill}"
GOOD = HEAD.format(id="one", format="csv", server=SERVER, custom=CUSTOM, schema=PEOPLE + OWN)
NESTED = """\
  - name: case
    physicalName: .
    properties:
      - {name: id, physicalName: case/id, logicalType: string, primaryKey: true}
      - {name: seen, logicalType: date, required: true}
      - {name: gone, logicalType: boolean}
    customProperties: [{property: messages, value: {key: id, purge: gone}}, {property: person, value: {key: id}}]
  - name: need
    physicalName: needs/of
    properties: [{name: need, physicalName: ., logicalType: string}]
    customProperties:
      - {property: inherits, value: [seen]}
      - {property: yields, value: [{event: need, start: seen, code: need}]}
"""
MESSAGES = "  - {property: delivery, value: messages}\n"
BOTH = [GOOD, HEAD.format(id="one", format="jsonl", server="", custom=MESSAGES, schema=NESTED)]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.just(10**400), st.text(max_size=6),
    st.sampled_from(["ref", "seen", "dob", "detect", "snapshot", "delta", "xml", "fixed", "(", "*", "..", "/", "\0"]),
    st.just(date(2026, 1, 1)), st.just([]), st.just({}), st.just([[]]), st.just([{}]), st.just({"const": 1}),
    st.just({True: False}), st.just({1: {2: 3}}), st.just([None]), st.just({"column": {"column": "ref"}}),
)  # fmt: skip


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([here] if here else []), *(p for k, v in inner for p in places(v, (*here, k)))]


def load(folder: Path, data: Any) -> Contract | None:
    """The contract; None where it is refused, and every mistake says file, line, and what to do."""
    (folder / "c.csv").write_text(CODES)
    path = folder / "one.odcs.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    try:
        return load_contract(path)
    except SiteError as error:
        assert error.mistakes
        assert all(re.match(r"one\.odcs\.yaml:\d+: .+[.?]$", m, re.DOTALL) for m in error.mistakes), error.mistakes
        return None


@pytest.mark.parametrize("good", BOTH)
def test_a_contract_that_is_mangled_here_is_a_good_one(tmp_path: Path, good: str) -> None:
    assert load(tmp_path, good) is not None
    assert load_contract(tmp_path / "one.odcs.yaml", strict=True)


@pytest.mark.filterwarnings("ignore:Possible nested set")
@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_mangled_contract_loads_or_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    made = copy.deepcopy(yaml.safe_load(data.draw(st.sampled_from(BOTH))))
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(made)
        if not spots:
            break
        *way, last = data.draw(st.sampled_from(spots))
        holder = made
        for step in way:
            holder = holder[step]
        match data.draw(st.sampled_from(["change", "drop", "rename", "twice"])):
            case "drop":
                del holder[last]
            case "rename" if isinstance(holder, dict):
                holder[data.draw(st.sampled_from([True, None, 3, "x", "", str(last) + "s"]))] = holder.pop(last)
            case "twice" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case _:
                holder[last] = copy.deepcopy(data.draw(ODD))
    load(tmp_path, made)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD)), st.text("{}[]:-,|>&*!%@`'\" \n\tax1é#?", max_size=4), st.integers(0, 5))
def test_a_contract_with_a_slip_of_the_keyboard_loads_or_is_refused(
    tmp_path: Path, at: int, typed: str, lost: int
) -> None:
    load(tmp_path, GOOD[:at] + typed + GOOD[at + lost :])


@pytest.mark.parametrize("bare", ["on", "off", "yes", "no", "true"])
def test_a_bare_truth_value_as_a_name_is_told_wherever_it_stands(tmp_path: Path, bare: str) -> None:
    for old, new in (
        ("name: seen,", f"name: {bare},"),
        ("start: seen", f"start: {bare}"),
        ("{nhs: present}", f"{{{bare}: present}}"),
        ("{nhs: {a: b}}", f"{{{bare}: {{a: b}}}}"),
        ("column: nhs, mostly", f"column: {bare}, mostly"),
        ("at: seen", f"at: {bare}"),
        ("key: ref, address", f"key: {bare}, address"),
        ("domain: police", f"domain: {bare}"),
        ("name: A feed", f"name: {bare}"),
    ):
        assert old in GOOD
        text = GOOD.replace(old, new, 1)
        line = next(i for i, said in enumerate(text.splitlines(), 1) if new in said)
        path = tmp_path / "one.odcs.yaml"
        (tmp_path / "c.csv").write_text(CODES)
        path.write_text(text)
        with pytest.raises(SiteError) as caught:
            load_contract(path)
        here = [m for m in caught.value.mistakes if m.startswith(f"one.odcs.yaml:{line}:")]
        assert any("put it in quotes" in m.lower() for m in here), caught.value.mistakes


@pytest.mark.parametrize(("written", "read"), [("01", "1"), ("010", "8"), ("1_000", "1000"), ("12:30", "750")])
def test_a_code_that_yaml_would_read_as_another_number_is_told(tmp_path: Path, written: str, read: str) -> None:
    (tmp_path / "one.odcs.yaml").write_text(GOOD.replace("{value: F}", f"{{value: {written}}}"))
    with pytest.raises(SiteError, match=f"reads {written} as the number {read}: put it in quotes"):
        load_contract(tmp_path / "one.odcs.yaml")


def test_a_name_said_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "one.odcs.yaml").write_text(GOOD.replace("domain: police", "domain: police\ndomain: health"))
    with pytest.raises(SiteError, match="'domain' stands here twice"):
        load_contract(tmp_path / "one.odcs.yaml")


def test_aliases_are_followed_and_endless_ones_told(tmp_path: Path) -> None:
    assert load(
        tmp_path, GOOD.replace("team: {name: t}", "team: &t {name: t}").replace("{address: 0.5}", "{<<: {a: 1}}")
    )
    assert load(tmp_path, GOOD.replace("team: {name: t}", "team: &t {name: *t}")) is None


@pytest.mark.parametrize("path", sorted((PROJECT / "sites").glob("library/feeds/*.odcs.yaml")), ids=lambda p: p.stem)
def test_every_contract_of_the_library_keeps_the_strict_standard(path: Path) -> None:
    assert load_contract(path, strict=True).purpose
