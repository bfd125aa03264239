"""The library's contracts for revenues, adults, housing, police, health and youth justice, each on a small delivery.

For every rule that sets a row aside there is one row that breaks it; the rest of the delivery is good.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

import pytest
import xlsxwriter
from feedhouse import House
from library_shelf import broken, taken, told

from feeds.contracts import Column, Contract, Rule, Table
from feeds.ledger import Load
from warehouse.tables import Zone

OURS = (
    "adult-social-care-cld", "core-lettings", "core-lettings-csv", "council-tax", "homelessness",
    "hospital-attendance", "housing-benefit", "police-missing", "police-pole", "social-housing", "youth-justice",
)  # fmt: skip
DAY = date(2026, 11, 20)
ROWS = 150
WELL = {
    "nhs": "9434765919", "nino": "JK203948B", "ni_number": "JK203948B", "uprn": "100023336956", "postcode": "SW1A 1AA",
    "post_code": "SW1A 1AA", "telephone": "020 7946 0958", "mobile": "07911 123456", "email": "ann.smith@example.org",
    "pnc_id": "2001/1234567X", "chief_complaint": "29857009", "liab_code": "12", "reason": "50",
    "event_outcome": "Progress to Assessment", "purge": "false", "hhmemb": "3", "gravity": "3", "age": "34",
    "admitted": "0", "person_no": "1",
}  # fmt: skip
Row = dict[str, str | None]


def text_of(column: Column, day: date) -> str:
    """A good value of a column; whatever ends something comes after what begins it."""
    name = column.name.lower()
    known = next((v for part, v in WELL.items() if part in name), None)
    if column.type in ("date", "timestamp"):
        born = any(part in name for part in ("birth", "dob"))
        ends = any(part in name for part in ("_to", "vacat", "end", "out", "traced", "created", "depart", "death"))
        day = day.replace(year=day.year - 40) if born else day + timedelta(days=2 * ends)
        form = column.format or ("yyyy-MM-dd" if column.type == "date" else "yyyy-MM-dd HH:mm:ss")
        marks = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "'T'": "T", "XXX": "+01:00"}
        for java, mark in marks.items():
            form = form.replace(java, mark)
        return datetime.combine(day, datetime.min.time()).strftime(form)
    if column.values:
        return column.values[0]
    if known is not None:
        return known
    return "7" if column.type in ("integer", "number") else "false" if column.type == "boolean" else "Abc"


def good(table: Table, number: int) -> Row:
    """A row that keeps every rule; its keys are its number."""
    row: Row = {c.name: text_of(c, DAY - timedelta(days=200)) for c in table.all_columns}
    keys = {*table.key[:1], *table.person_ref, *(part for person in table.person for part in person.key)}
    codes = {c.name for c in table.all_columns if c.values}
    return row | {part: f"{number}" for part in keys - codes - {"person_no"} if part in row}


def spoilt(table: Table, rule: Rule, row: Row, first: Row) -> Row | None:
    """The row, spoilt so that it breaks one rule; None for a rule that one cell cannot break."""
    columns = {c.name: c for c in table.all_columns}
    name = rule.columns[0] if rule.columns else ""
    old = date(1850, 1, 1)  # less the forty years of a birth date: 1810
    match rule.kind, rule.expect:
        case "given", _:
            return {**row, name: None}
        case "parsed", _:
            return {**row, name: "rubbish"}
        case (("listed" | "form" | "member" | "listed_in"), _):
            return {**row, name: "99" if columns[name].type == "integer" else "?!"}
        case "once", _:
            return {**row, **{part: first[part] for part in rule.columns}}
        case _, "column_pair_values_a_to_be_greater_than_b":
            return {**row, name: text_of(columns[name], old)}
        case _, "column_values_to_be_plausible_date":
            return {**row, name: text_of(columns[name], old)}
        case "valid", "column_values_to_be_plausible_birth_date":
            return {**row, name: text_of(columns[name], old)}
        case _, "column_values_to_be_between":
            return {**row, name: "9999999"}
        case "valid", _:
            return {**row, name: "1"}
    return None


def delivery(contract: Contract) -> tuple[dict[str, list[Row]], dict[str, list[tuple[int, Rule]]]]:
    """Rows of each table, and which of them (from 0) breaks which rule; the rest are good."""
    rows: dict[str, list[Row]] = {}
    bad: dict[str, list[tuple[int, Rule]]] = {}
    for table in contract.tables:
        mine = [good(table, n) for n in range(1, ROWS + 1)]
        rules = [r for r in table.rules if r.severity == "quarantine"]
        if contract.delivery == "messages":
            rules = [r for r in rules if r.kind != "once"]  # each row has a message of its own here
        made = [(rule, spoilt(table, rule, mine[-1 - at], mine[0])) for at, rule in enumerate(rules)]
        bad[table.name] = [(ROWS - 1 - at, rule) for at, (rule, row) in enumerate(made) if row]
        for at, (_, row) in enumerate(made):
            mine[-1 - at] = row or mine[-1 - at]
        rows[table.name] = mine
    return rows, bad


# -- one writer a format --------------------------------------------------------------------------------------------


def as_csv(contract: Contract, table: Table, rows: list[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=contract.delimiter or ",")
    writer.writerow([c.physical for c in table.columns])
    writer.writerows([[row[c.name] for c in table.columns] for row in rows])
    return out.getvalue().encode(contract.encoding or "utf-8")


def as_xml(table: Table, rows: list[Row]) -> bytes:
    outer, inner = table.path.split("/")
    cells = (
        "".join(f"<{c.physical}>{escape(row[c.name] or '')}</{c.physical}>" for c in table.columns) for row in rows
    )
    return f"<{outer}>{''.join(f'<{inner}>{c}</{inner}>' for c in cells)}</{outer}>".encode()


def as_workbook(contract: Contract, tables: Mapping[str, list[Row]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for name, rows in tables.items():
            table = contract.table(name)
            sheet = book.add_worksheet(table.sheet or name)
            sheet.write(0, 0, "As exported by the housing system")
            sheet.write_row(2, 0, [c.physical for c in table.columns])
            for i, row in enumerate(rows, 3):
                sheet.write_row(i, 0, [row[c.name] or "" for c in table.columns])
    return out.getvalue()


def as_messages(contract: Contract, tables: Mapping[str, list[Row]]) -> bytes:
    """One message for each row of the top table; the rows of the others stand in the message of their number."""
    top = contract.tables[0]
    out = []
    for i, row in enumerate(tables[top.name]):
        message: dict[str, Any] = {c.name: row[c.name] for c in top.columns}
        for table in contract.tables[1:]:
            inner = tables[table.name][i]
            message[table.path] = [{c.name: inner[c.name] for c in table.columns}]
        out.append(json.dumps(message))
    return "\n".join(out).encode()


def sent(house: House, contract: Contract, tables: Mapping[str, list[Row]]) -> Load:
    """The tables written as the contract says, put into the drop folder and loaded."""
    if contract.format in ("xlsx", "jsonl"):
        make = as_workbook if contract.format == "xlsx" else as_messages
        house.put(contract.globs[0].replace("*", "2026-11-20"), make(contract, tables))
    for table in contract.tables if contract.format in ("csv", "xml") else ():
        path = (table.file or contract.globs[0]).replace("*", "2026-11-20")
        rows = tables[table.name]
        house.put(path, as_csv(contract, table, rows) if contract.format == "csv" else as_xml(table, rows))
    return house.load_all(contract)[-1]


def set_aside(house: House, contract: Contract, table: str) -> Iterator[list[str]]:
    """The rules that each quarantined row of a table broke."""
    rows = house.store.get(Zone.VAULT, f"feed/{contract.id}/2026-11-20", f"quarantine__{table}").collect()
    yield from rows["failed_rules"].to_list()


# -- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_good_rows_are_accepted_and_each_bad_row_is_set_aside_for_what_is_wrong_with_it(
    house: House, name: str
) -> None:
    contract = taken(name)
    rows, bad = delivery(contract)
    load = sent(house, contract, rows)
    assert load.status == "accepted", load.reason
    assert load.received == sum(len(r) for r in rows.values()) == load.accepted + load.quarantined
    for table, spoils in bad.items():
        aside = [set(rules) for rules in set_aside(house, contract, table)]
        for _, rule in spoils:
            assert any(rule.name in rules for rules in aside), (table, rule.name)
        nested = contract.table(table).parent
        own = [rules for rules in aside if not (nested and all("it belongs to was accepted" in r for r in rules))]
        assert len(own) <= len(spoils) < ROWS // 2, "good rows were set aside"
    assert not [rule for rule, rows in broken(load, "warn").items() if rows > ROWS // 2], "good rows broke it"
    assert told(house, contract)
