"""What a contract's `clean` and Kinfold's own cleaning make of accepted rows, and what is counted on the way."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from feedhouse import House, Make

from feeds.ledger import current, current_all, deliveries_in_force
from feeds.mapping import cleaning_counts, mapped
from warehouse.tables import AREA, DWELLING, PLACE

CASES = """\
  - name: case
    properties:
      - {name: ref, logicalType: string}
      - {name: who, logicalType: string, customProperties: [{property: clean, value: [null_if_placeholder]}]}
      - name: born
        logicalType: date
        logicalTypeOptions: {format: dd/MM/yyyy}
        customProperties: [{property: clean, value: [two_digit_year]}]
      - {name: flat, logicalType: string, customProperties: [{property: clean, value: [strip_decimal]}]}
      - {name: street, logicalType: string}
      - {name: need, logicalType: string, customProperties: [{property: clean, value: [code_before_dash]}]}
      - {name: owed, logicalType: number, customProperties: [{property: clean, value: [thousands]}]}
      - {name: since, logicalType: date, customProperties: [{property: clean, value: [excel_date_number]}]}
    customProperties:
      - {property: codes, value: {need: {N4: neglect}}}
      - property: person
        value: {key: ref, full_name: who, birth_date: born, address: {line: [flat, street]}}
      - property: yields
        value: [{event: offence, start: since, code: need, value: owed}]
"""
HEADER = "ref,who,born,flat,street,need,owed,since\n"


def load(make: Make, house: House, schema: str, content: str) -> dict[str, int]:
    (told,) = [house.load(make(schema), "in/a_2026-11-20.csv", content)]
    assert told.status == "accepted", told.reason
    return {rule.rule: rule.rows for rule in told.rules if rule.rows}


def test_transforms_are_applied_wherever_the_mapping_reads_and_the_text_stays_as_sent(make: Make, house: House) -> None:
    row = 'A1,Ann Bo,01/02/08,4.0,High St,N4 - Neglect,"£1,200.50",45981\n'
    assert load(make, house, CASES, HEADER + row) == {}
    person = current(house.store, "one", "source_record").row(0, named=True)
    assert (person["birth_date"], person["address"]) == (date(2008, 2, 1), "4, HIGH ST")
    event = current(house.store, "one", "event").row(0, named=True)
    assert (event["code"], event["value"], event["start"].date()) == ("neglect", 1200.5, date(2025, 11, 20))
    kept = current(house.store, "one", "accepted__case").row(0, named=True)
    assert [kept[c] for c in ("born", "flat", "need", "owed", "since")] == [
        "01/02/08", "4.0", "N4 - Neglect", "£1,200.50", "45981",
    ]  # fmt: skip


def test_a_key_is_read_as_sent_whatever_the_columns_transforms(make: Make, house: House) -> None:
    lower = "{name: ref, logicalType: string, customProperties: [{property: clean, value: [lower]}]}"
    schema = CASES.replace("{name: ref, logicalType: string}", lower)
    load(make, house, schema, HEADER + "A1,Ann Bo,,,,,,45981\n")
    assert current(house.store, "one", "source_record")["source_key"].to_list() == ["A1"]


def test_what_transforms_leave_nothing_of_is_counted(make: Make, house: House) -> None:
    counts = load(make, house, CASES, HEADER + "A1,N/A,,,,physical harm,,45981\nA2,Cy Di,,,,N4,,45981\n")
    assert counts == {
        "who holds a value that its transforms (null_if_placeholder) understand": 1,
        "need holds a value that its transforms (code_before_dash) understand": 1,
    }


def test_a_text_that_is_no_number_after_its_transforms_breaks_the_rule_of_its_type(make: Make, house: House) -> None:
    load(make, house, CASES, HEADER + "A1,Ann Bo,,,,,lots,45981\nA2,Cy Di,,,,,5,45981\n")
    assert current(house.store, "one", "quarantine__case")["ref"].to_list() == ["A1"]


def test_an_event_that_begins_on_a_placeholder_date_is_none_and_is_counted(make: Make, house: House) -> None:
    counts = load(make, house, CASES, HEADER + "A1,Ann Bo,,,,,,1900-01-01\nA2,Cy Di,,,,,,2026-01-01\n")
    assert counts == {"since is no placeholder such as 1900-01-01": 1}
    assert current(house.store, "one", "event").height == 1


def test_of_a_joint_name_the_first_is_kept_and_the_row_counted(make: Make, house: House) -> None:
    counts = load(make, house, CASES, HEADER + "A1,MR J & MRS K SMITH,,,,,,45981\n")
    assert counts == {"who is the name of one person": 1}
    assert current(house.store, "one", "source_record").select("forename", "surname").rows() == [("J", "SMITH")]


def test_the_occupier_makes_no_person_and_no_event(make: Make, house: House) -> None:
    counts = load(make, house, CASES, HEADER + "A1,The Occupier,,,,,,45981\nA2,Ann Bo,,,,,,45981\n")
    assert counts == {"who is a person, not The Occupier": 1}
    assert current(house.store, "one", "source_record").height == current(house.store, "one", "event").height == 1


IDS = """\
  - name: person
    properties: [{name: ref, logicalType: string}, {name: name, logicalType: string}, {name: nhs, logicalType: string},
      {name: upn, logicalType: string}, {name: ni, logicalType: string}, {name: mail, logicalType: string},
      {name: tel, logicalType: string}, {name: uprn, logicalType: string}, {name: pc, logicalType: string},
      {name: died, logicalType: date}]
    customProperties:
      - property: person
        value: {key: ref, forename: name, nhs_number: nhs, upn: upn, ni_number: ni, email: mail, phone: tel,
                death_date: died, address: {uprn: uprn, postcode: pc}}
"""
COLUMNS = ("name", "nhs", "upn", "ni", "mail", "tel", "uprn", "pc", "died")


@pytest.mark.parametrize(
    ("column", "text", "sentence"),
    [
        ("name", "BABY", "name is no placeholder such as BABY"),
        ("name", "Baby of Ann", "name is no placeholder such as BABY"),
        ("name", "ZZTEST", "the record is of a person, not a test"),
        ("nhs", "0000000000", "nhs is no placeholder such as 0000000000"),
        ("nhs", "999 999 9999", "nhs is no placeholder such as 0000000000"),
        ("nhs", "9434765918", "nhs has a valid check digit"),
        ("upn", "A801200005001", "upn has a valid check letter"),
        ("ni", "TN010101", "ni is no placeholder such as TN010101"),
        ("ni", "12", "ni has the form of a National Insurance number"),
        ("mail", "unknown@leeds.gov.uk", "mail is no placeholder such as none@"),
        ("mail", "at home", "mail has the form of an email address"),
        ("tel", "07777777777", "tel is a telephone number and no placeholder such as 07000000000"),
        ("uprn", "-1", "uprn is no placeholder such as 0"),
        ("uprn", "0", "uprn is no placeholder such as 0"),
        ("uprn", "x", "uprn is a property reference number"),
        ("pc", "ZZ99 3VZ", "pc is no placeholder such as ZZ99 3VZ"),
        ("pc", "here", "pc has the form of a postcode"),
        ("died", "1901-01-01", "died is no placeholder such as 1900-01-01"),
    ],
)
def test_each_placeholder_becomes_null_and_its_reason_is_counted_once(
    make: Make, house: House, column: str, text: str, sentence: str
) -> None:
    rows = pl.DataFrame({"ref": ["1"], **{c: [text if c == column else None] for c in COLUMNS}})
    contract = make(IDS)
    frames, counts = mapped(contract, "2026-11-20", {"person": rows.cast(pl.String)}, house.ring)
    assert counts.filter(pl.col("rows") > 0).select("rule", "severity", "rows").rows() == [(sentence, "warn", 1)]
    attributes = [
        c for c in frames["source_record"].columns if c not in ("record_id", "feed", "source_key", "delivery")
    ]
    told = frames["source_record"].drop("row_hash").select(c for c in attributes if c != "row_hash")
    assert told.select(pl.all_horizontal(pl.exclude(pl.List).is_null())).to_series().all()


def test_what_is_counted_alone_is_what_mapping_counts(make: Make, house: House) -> None:
    contract = make(CASES)
    first = {"ref": "1", "who": "BABY SMITH", "born": "01/01/1900", "flat": "x", "street": "NFA", "need": "a b",
             "owed": "1", "since": "1900-01-01"}  # fmt: skip
    rows = {"case": pl.DataFrame([first, {**dict.fromkeys(first), "ref": "2", "who": "-"}], schema=list(first))}
    assert cleaning_counts(contract, rows).equals(mapped(contract, "2026-11-20", rows, house.ring)[1])


# -- reference data ---------------------------------------------------------------------------------------------------


def area(columns: str, says: str) -> str:
    return f"""\
  - name: area
    properties: [{columns}]
    customProperties:
      - {{property: reference, value: {{area: {{{says}}}}}}}
"""


def areas(house: House) -> pl.DataFrame:
    return current_all(house.store, deliveries_in_force(house.store, ["one"]), AREA)


def test_areas_are_kept_with_their_index_and_a_decile_not_given_follows_from_the_rank_or_score(
    make: Make, house: House
) -> None:
    text, number = "logicalType: string", "logicalType: number"
    schema = area(
        f"{{name: code, {text}}}, {{name: score, {number}}}", "lsoa11: code, index: {const: WIMD 2019}, score: score"
    )
    rows = "".join(f"W{i:02},{90 - i}\n" for i in range(20))
    load(make, house, schema, "code,score\n" + rows)
    told = areas(house)
    assert told.select("area", "geography", "index", "decile").rows()[:3] == [
        ("W00", "lsoa11", "WIMD 2019", 1),
        ("W01", "lsoa11", "WIMD 2019", 1),
        ("W02", "lsoa11", "WIMD 2019", 2),
    ]
    assert told["decile"].value_counts()["count"].to_list() == [2] * 10


@pytest.mark.parametrize(
    ("file", "says", "count"),
    [
        (
            "imd2025_england_lsoa21",
            "lsoa21: lsoa21_code, index: {const: IMD 2025}, rank: IMD_rank, score: IMD_score",
            33_755,
        ),
        ("imd2019_england_lsoa11", "lsoa11: lsoa11_code, index: {const: IMD 2019}, rank: IMD_rank", 32_844),
    ],
)
def test_the_published_indices_load_and_their_ranks_give_the_published_deciles(
    make: Make, house: House, shared: Path, file: str, says: str, count: int
) -> None:
    data = (shared / "reference" / "deprivation" / f"{file}.csv").read_text(encoding="utf-8")
    header = data.splitlines()[0].split(",")
    columns = ", ".join(f"{{name: {h}, logicalType: {'string' if 'code' in h else 'number'}}}" for h in header)
    load(make, house, area(columns, says), data)
    told = areas(house)
    published = pl.read_csv(data.encode()).select(area=pl.col(header[0]), published=pl.col("IMD_decile"))
    both = told.join(published, on="area")
    assert both.height == told.height == count
    assert both.filter(pl.col("decile") != pl.col("published")).is_empty()


def test_transforms_are_applied_to_reference_data_too(make: Make, house: House) -> None:
    def cleaned(name: str, transform: str, kind: str = "string") -> str:
        return f"{{name: {name}, logicalType: {kind}, customProperties: [{{property: clean, value: [{transform}]}}]}}"

    schema = f"""\
  - name: place
    properties: [{cleaned("pc", "trim")}, {cleaned("lsoa", "code")}, {cleaned("imd", "strip_decimal", "integer")}]
    customProperties:
      - {{property: file, value: in/place.csv}}
      - {{property: reference, value: {{place: {{postcode: pc, lsoa21: lsoa, imd_decile: imd}}}}}}
  - name: dwelling
    properties: [{cleaned("ref", "digits_only")}, {cleaned("type", "lower")}]
    customProperties:
      - {{property: file, value: in/dwelling.csv}}
      - {{property: reference, value: {{dwelling: {{uprn: ref, kind: type}}}}}}
"""
    house.put("in/place.csv", "pc,lsoa,imd\nAB12CD,e01 000 001,3.0\n")
    house.put("in/dwelling.csv", "ref,type\nU-0412,HMO\n")
    (told,) = house.load_all(make(schema))
    assert told.status == "accepted", told.reason
    used = deliveries_in_force(house.store, ["one"])
    assert current_all(house.store, used, PLACE).select("postcode", "lsoa21", "imd_decile").rows() == [
        ("AB1 2CD", "E01000001", 3)
    ]
    assert current_all(house.store, used, DWELLING).select("uprn", "kind").rows() == [("412", "hmo")]
