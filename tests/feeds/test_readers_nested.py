"""XML with its schema, and JSON: lines of errors, depth, doubled keys, what is no JSON."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from feedhouse import Make

from feeds.contracts import Contract
from feeds.readers import Rejected, faults, nested, read, stream

CENSUS = """\
  - name: child
    physicalName: Message/Children/Child
    properties:
      - {name: id, physicalName: ChildIdentifiers/LAchildID, logicalType: string, primaryKey: true}
      - {name: upn, physicalName: ChildIdentifiers/UPN, logicalType: string}
  - name: disability
    physicalName: Message/Children/Child/ChildCharacteristics/Disabilities/Disability
    properties: [{name: code, physicalName: ".", logicalType: string}]
  - name: assessment
    physicalName: Message/Children/Child/CINdetails/Assessments
    properties:
      - {name: began, physicalName: AssessmentActualStartDate, logicalType: date}
"""
CASES = """\
  - name: case
    physicalName: .
    properties:
      - {name: ref, logicalType: string, primaryKey: true}
      - {name: purge, logicalType: boolean}
      - {name: note, logicalType: string}
    customProperties: [{property: messages, value: {key: ref, purge: purge}}]
  - name: factor
    physicalName: people/factors
    properties: [{name: code, physicalName: ".", logicalType: string}]
"""


def tables(contract: Contract, data: bytes, notes: dict[str, str] | None = None) -> dict[str, pl.DataFrame]:
    return read(contract, ["in/a"], lambda _: io.BytesIO(data), notes)


def refusal(contract: Contract, data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        tables(contract, data)
    return str(caught.value)


@pytest.fixture
def census(make: Make, shared: Path, tmp_path: Path) -> Contract:
    xsd = tmp_path / "site" / "feeds" / "CIN_schema_2024.xsd"
    xsd.parent.mkdir(parents=True, exist_ok=True)
    xsd.write_bytes((shared / "reference/cin_census_xsd/CIN_schema_2024.xsd").read_bytes())
    return make(CENSUS, "xml", custom=f"  - {{property: xsd, value: {xsd.name}}}\n")


@pytest.fixture
def sample(shared: Path) -> bytes:
    return (shared / "samples/cin_census/CIN_Census_2024.xml").read_bytes()


def test_an_error_of_the_schema_is_told_with_its_line_on_the_row_that_holds_it(census: Contract, sample: bytes) -> None:
    found = tables(census, sample)
    children, assessments = found["child"], found["assessment"]
    sentence = "the record is valid against CIN_schema_2024.xsd"
    assert children["id"].to_list() == ["DfEX0000001", "child_fails_assessments"]
    assert children["_fault"].to_list() == [sentence] * 2
    assert children["_where"][0].startswith(
        "line 19, ChildIdentifiers: text that the schema does not allow; "
        "line 25, an element of another name: not expected there by the schema"
    )
    assert "line 46, AssessmentFactors: a code that is not in the schema's list" in str(assessments["_where"].to_list())
    assert (sentence, "quarantine") in faults(census)
    said = str([frame["_where"].to_list() for frame in found.values()])
    assert not re.search("RB|false|WBRI|DfEX", said)


def test_a_valid_record_has_no_fault_wherever_batches_end(
    census: Contract, sample: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = sample.replace(b"</UPNunknown>PersonBirthDate", b"</UPNunknown>").replace(b"<Sex>", b"<GenderCurrent>")
    good = good.replace(b"</Sex>", b"</GenderCurrent>").replace(b">false<", b">0<").replace(b">RB<", b">1A<")
    head, rest = good.split(b"<Children>")
    child = rest[: rest.index(b"</Child>") + 8]
    many = head + b"<Children>" + child * 7 + b"</Children></Message>"
    monkeypatch.setattr(nested, "FEED", 100)
    whole = tables(census, many)
    monkeypatch.setattr(nested, "BATCH", 2)
    cut = tables(census, many)
    assert whole["child"]["_where"].to_list() == [None] * 7
    assert all(whole[name].equals(cut[name]) for name in whole)
    bad = many.replace(b"<UPN>", b"<UPN>x", 1)
    assert tables(census, bad)["child"]["_fault"].is_not_null().to_list() == [True] + [False] * 6


def test_what_is_wrong_outside_all_records_is_noted(census: Contract, sample: bytes) -> None:
    notes: dict[str, str] = {}
    tables(census, sample.replace(b"<LEA>201</LEA>", b"<LEA>SECRET</LEA>"), notes)
    assert "outside its records: line 10, LEA: a" in notes["in/a"]
    assert "SECRET" not in notes["in/a"]


def test_depth_and_size_of_xml_are_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = make(CENSUS, "xml")
    assert "well-formed XML" in refusal(contract, b"<Message>" + b"<a>" * 100_000)
    monkeypatch.setattr(nested, "LONGEST", 1 << 20)
    monkeypatch.setattr(nested, "FEED", 1 << 16)
    assert "each of at most 1 MB" in refusal(contract, b"<Message>" + b"<a/>" * 500_000 + b"</Message>")


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"\xff\xfe<", b"<a", b"<?xml version='1.0' encoding='klingon'?><Message/>",
        b"<Message>&e;</Message>",
        b"<!DOCTYPE Message SYSTEM 'http://127.0.0.1:9/x.dtd'><Message/>", b"<Message>\0</Message>",
        b"<x:Message><Children/></x:Message>", b"<Message/><Message/>", b"PK\x03\x04",
        b"<!DOCTYPE m [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;'>"
        b"]><Message x='&c;'><Children><Child/></Children></Message>",
    ],
)  # fmt: skip
def test_what_is_no_plain_xml_is_refused(make: Make, data: bytes) -> None:
    refusal(make(CENSUS, "xml"), data)


def test_xml_in_other_encodings_and_namespaces_is_read(make: Make) -> None:
    text = (
        "<?xml version='1.0' encoding='{}'?><m:Message xmlns:m='urn:m'><m:Children><m:Child><ChildIdentifiers>"
        "<LAchildID><!-- x -->Zo\xeb</LAchildID></ChildIdentifiers></m:Child></m:Children></m:Message>"
    )
    for encoding in ("utf-8", "windows-1252", "utf-16"):
        assert tables(make(CENSUS, "xml"), text.format(encoding).encode(encoding))["child"]["id"].to_list() == [
            "Zo\xeb"
        ]


def test_many_records_come_in_chunks_parents_first(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "CHUNK", 50)
    child = (
        "<Child><CINdetails><Assessments/><Assessments/></CINdetails><ChildIdentifiers><LAchildID>{}</LAchildID>"
        "</ChildIdentifiers></Child>"
    )
    data = f"<Message><Children>{''.join(child.format(i) for i in range(300))}</Children></Message>".encode()
    parts = list(stream(make(CENSUS, "xml"), ["in/a"], lambda _: io.BytesIO(data)))
    assert len(parts) > 6
    known: set[int] = set()
    for name, frame in parts:
        if name == "child":
            known |= set(frame["_row"])
        else:
            assert set(frame["_parent"]) <= known
    below = pl.concat([frame for name, frame in parts if name == "assessment"])
    assert below["id"].to_list() == [str(i) for i in range(300) for _ in range(2)]
    assert below["_row"].to_list() == list(range(1, 601))


# -- JSON


def lines(make: Make) -> Contract:
    return make(CASES, "jsonl", delivery="messages")


def test_doubled_keys_and_nan_set_their_message_aside(make: Make) -> None:
    data = (
        b'{"ref":"A","ref":"B"}\n{"ref":"C","note":NaN}\n'
        b'{"ref":"D","people":[{"factors":["1A",Infinity]}]}\n{"ref":"E"}'
    )
    found = tables(lines(make), data)
    assert found["case"].select("ref", "_fault").rows() == [
        ("B", "no key stands twice in one record"),
        ("C", "each value is one that JSON knows, and not NaN or Infinity"),
        ("D", None),
        ("E", None),
    ]
    assert found["factor"].select("ref", "code").rows() == [("D", "1A"), ("D", None)]
    assert found["factor"]["_fault"].is_not_null().to_list() == [False, True]
    assert {f for f in found["case"]["_fault"] if f} <= {s for s, _ in faults(lines(make))}


def test_numbers_stay_as_written_however_large(make: Make) -> None:
    huge = "9" * 5000
    found = tables(lines(make), f'{{"ref":{huge},"note":1.50}}'.encode())
    assert found["case"].select("ref", "note").rows() == [(huge, "1.50")]


@pytest.mark.parametrize(
    "line",
    [
        b'{"note":"\\ud800"}', b'{"ref":' + b"[" * 5000 + b"]" * 5000 + b"}", b"[]", b"5", b'"text"', b"null", b"{}{}",
        b'{"ref":"A"} x', b'{"ref":"A"', b"{'ref':1}", b"\xc2\xa0",
    ],
)  # fmt: skip
def test_a_line_that_is_no_message_is_a_row_set_aside(make: Make, line: bytes) -> None:
    found = tables(lines(make), line + b'\n{"ref":"Z"}')
    assert found["case"].select("_row", "ref").rows()[-1] == (2, "Z")
    if line.strip() != b"\xc2\xa0":
        assert found["case"].select("_row", "_fault").row(0) == (1, "the line is one whole JSON message")


def test_lists_in_lists_beyond_all_measure_are_a_fault(make: Make) -> None:
    data = b'{"ref":' + b"[" * 200 + b"1" + b"]" * 200 + b"}"
    assert tables(lines(make), data)["case"]["_fault"].to_list() == [
        "each value is one that JSON knows, and not NaN or Infinity"
    ]


def test_a_list_of_messages_is_read_one_by_one_however_it_is_cut(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [{"ref": str(i), "note": "é]},{" * (i % 3), "people": [{"factors": ["x", "y"]}]} for i in range(50)]
    contract = make(CASES, "json", delivery="messages")
    whole = tables(contract, json.dumps(messages, indent=1, ensure_ascii=False).encode())
    monkeypatch.setattr(nested, "READ", 5)
    cut = tables(contract, json.dumps(messages, indent=1, ensure_ascii=False).encode())
    assert whole["case"]["ref"].to_list() == [str(i) for i in range(50)]
    assert whole["factor"].height == 100
    assert all(whole[name].equals(cut[name]) for name in whole)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"[", b"[{}", b"[{},", b"[{},]", b"[,{}]", b"{}{}", b"[{}] x", b'{"ref":', b"[1 2]", b"\xff",
        b"[{}\0]",
        b"[" * 100_000, b'{"a":' * 100_000, b'[{"ref":"\\ud800"}]',
    ],
)  # fmt: skip
def test_what_is_no_json_document_is_refused(make: Make, data: bytes) -> None:
    refusal(make(CASES, "json", delivery="messages"), data)


def test_a_message_larger_than_can_be_held_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "DOCUMENT", 1 << 16)
    monkeypatch.setattr(nested, "READ", 1 << 12)
    data = b'[{"ref":"' + b"x" * (1 << 18) + b'"}]'
    assert "as JSON lines" in refusal(make(CASES, "json", delivery="messages"), data)
