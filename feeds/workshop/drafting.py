"""A contract to start from, written from a sample: types, keys, code lists, who is described, what may be wrong.

What belongs here: guesses that an engineer confirms or corrects. Nothing that identifies a person gets into the draft:
values stand in it as code lists alone, and never of a column that looks like identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import polars as pl
import yaml

from feeds import cleaning
from feeds.contracts import Column
from feeds.deliveries import DATE
from feeds.parsing import parsed
from feeds.workshop.sketches import VALUE, Sample, Sketch, identifier, sketch
from warehouse.site import SiteError

DATES = (
    "yyyy-MM-dd", "dd/MM/yyyy", "dd-MM-yyyy", "dd.MM.yyyy", "yyyyMMdd", "yyyy/MM/dd", "dd MMM yyyy", "dd-MMM-yyyy",
    "yyyy-MMM-dd", "MM/dd/yyyy", "dd/MM/yy",
)  # fmt: skip
TIMES = (" HH:mm", " HH:mm:ss", "'T'HH:mm:ss")
ENOUGH = 0.97  # share of the values that a type must read, and of the rows that a key must tell apart
KEYED = (
    "a name of a column or key looks like a number, day, postcode or address of somebody, and would stand in the "
    "contract. Ask for a sample whose names say what a value is, and whose values are none of them."
)
CODES = 30  # at most so many distinct values are a code list
IDENTITY: Mapping[str, str] = {
    "birth_date": r"^(.*_)?(dob|birth_?date|date_of_birth|born)$",
    "death_date": r"^(.*_)?(dod|death_?date|date_of_death|deceased_date)$",
    "nhs_number": r"nhs",
    "upn": r"^(.*_)?upn$|unique_?pupil",
    "ni_number": r"^(.*_)?(nino|ni_?no|ni_?number)$|national_insurance",
    "la_child_id": r"^la_?child_?id$",
    "former_surname": r"(former|maiden|previous|birth)_?(sur|last_?)name",
    "preferred_surname": r"preferred_?(sur|last_?)name",
    "preferred_forename": r"preferred_?(fore|first_?)?name",
    "alias": r"^(.*_)?(aka|alias|known_as)$",
    "middle_names": r"middle_?names?",
    "surname": r"surname|last_?name|^family(_?name)?$",
    "forenames": r"(fore|first_?|given_?)names$",
    "forename": r"(fore|first_?|given_?|christian_?)name$|^given$",
    "email": r"e_?mail",
    "phone": r"phone|mobile|^(.*_)?tel(_?no)?$",
    "uprn": r"uprn|unique_?property",
    "postcode": r"post_?code|^pcode$",
    "line": r"addr|street|house_?(no|name)",
    "sex": r"^(.*_)?(sex|gender)(_.*)?$",
    "ethnicity": r"ethnic",
    "full_name": r"^(.*_)?(full_?)?name$",
}
NOT_PEOPLE = r"school|organisation|team|worker|officer|company|provider|ward|area|street_?name|file|product"
CHECKED = {"nhs_number": cleaning.nhs_number, "upn": cleaning.upn, "postcode": cleaning.postcode,
           "email": cleaning.email}  # fmt: skip
TOLD = (
    r"nom|nam|person|client|customer|contact|mother|father|parent|carer|guardian|worker|officer|manager|applicant|"
    r"tenant|owner|lord|holder|claimant|victim|suspect|witness|child|pupil|student|patient|resident|teacher|doctor|"
    r"spouse|partner|sibling|relative|next_of_kin|nok|who|allocated|assigned|lead|born|birth|d_o_b|addr|surn|"
    r"note|comment|remark|detail|text|descr|by$"
)
KIND = r"(code|type|kind|status|role|reason|category|class|group|band|stage|flag|ind|indicator|relation\w*|yn|level)$"
WHOSE = r"person|client|customer|child|pupil|student|nominal|patient|resident|tenant|applicant|member|user|holder|party"
KEY = r"(^|_)(id|ref|reference|no|number|key|code)$"


@dataclass(frozen=True)
class Guess:
    """What a column looks like: how a contract would say it, and which attribute of a person it may hold."""

    column: Column
    attribute: str | None
    position: tuple[int, int] | None
    complete: bool
    distinct: bool


def draft(path: Path, feed: str, partner: str) -> str:
    """A contract, in the Open Data Contract Standard, to be edited before it is used.

    Args:
        path: a sample of the extract.
        feed: the contract's id.
        partner: who sends it.

    Raises:
        SiteError: the sample cannot be read; with what to do.
    """
    try:
        sample = sketch(path)
        tables = tuple(t for t in sample.tables if t.frame.columns)
        if not tables:
            raise SiteError([f"{path.name}: no column has a name and no record a value. Ask for a fuller sample."])
        for table in tables:
            if any(VALUE.search(step) for name in (table.physical, *table.frame.columns) for step in name.split("/")):
                raise SiteError([f"{path.name}: {KEYED}"])
        return written(replace(sample, tables=tables), feed, partner, f"{partner}/{DATE.sub('*', path.name, count=1)}")
    except SiteError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its words may quote a value
        kind = type(error).__name__
        raise SiteError([f"{path.name}: nothing can be drafted from it ({kind}). Ask for another sample."]) from None


def written(sample: Sample, feed: str, partner: str, place: str) -> str:
    """The draft of a contract for a sketched sample, its files arriving at `place` below the drop folder."""
    server = "".join(f", {{property: {k}, value: {_quoted(str(v))}}}" for k, v in sample.server.items())
    said = f", customProperties: [{server[2:]}]" if server else ""
    several = any("file" in t.custom for t in sample.tables)
    place = place if "*" in place else f"{place.rpartition('/')[0]}/*{Path(place).suffix}"
    lines = [
        "# Drafted from a sample. Look at every line: types and keys are guesses; what a row tells is for you to say.",
        "# Names of columns and lists of codes are the sample's own: take out what is about one person.",
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: {feed}",
        f"name: {feed.replace('-', ' ').capitalize()}",
        "version: 0.1.0",
        "status: draft",
        f"domain: {feed}",
        "description:",
        "  purpose: Say what this extract is for.",
        "  limitations: Say what it does not hold, and where it is known to be wrong.",
        "servers:",
        f"  - {{server: drop, type: local, path: {_quoted(place)}, format: {sample.format}{said}}}",
        "slaProperties:",
        "  - {property: frequency, value: 7, unit: d}",
        "customProperties:",
        f"  - {{property: partner, value: {partner}}}",
        "  - {property: delivery, value: snapshot}  # a row that is gone is withdrawn; else: delta, messages",
        "schema:",
    ]
    names: set[str] = set()
    for table in sample.tables:
        name = table.name
        while name in names:
            name += "_2"
        names.add(name)
        lines += _table(table, name, guesses(table), place if several else "")
    return "\n".join(lines) + "\n"


def guesses(table: Sketch) -> list[Guess]:
    """What each column of a sketched table looks like."""
    used: dict[str, int] = {}
    made = []
    for header in table.frame.columns:
        name = identifier(header.replace("/", "_")) if header != "." else "value"
        used[name] = used.get(name, 0) + 1
        name = name if used[name] == 1 else f"{name}_{used[name]}"
        made.append(_guess(table, header, name))
    return made


def _guess(table: Sketch, header: str, name: str) -> Guess:
    cells = table.frame[header]
    values = cells.drop_nulls()
    attribute = _attribute(name, values)
    kind, form = ("string", None) if attribute in CHECKED or attribute in ("phone", "uprn") else _type(name, values)
    if kind == "string" and attribute in ("birth_date", "death_date"):
        kind, form = _type(name, values, least=0.5)
    identity = attribute not in (None, "sex", "ethnicity") or bool(re.search(f"({WHOSE}).*{KEY}", name))
    codes: tuple[str, ...] = ()
    counts = values.value_counts(sort=True)
    if kind in ("string", "integer") and not identity and 1 <= counts.height <= CODES and values.len():
        short = values.str.len_chars().max()
        if values.len() >= 8 * counts.height and isinstance(short, int) and short <= 40 and _codes(name, counts):
            codes, kind = tuple(sorted(counts[values.name].to_list())), "string"
    column = Column(
        name=name,
        physical=header,
        type=kind,
        format=form,
        required=values.len() == cells.len() > 0,
        classification="identity" if identity or attribute == "sex" else "sensitive",
        values=codes,
    )
    distinct = values.len() == cells.len() > 1 and values.n_unique() >= ENOUGH * values.len()
    return Guess(column, attribute, table.positions.get(header), values.len() == cells.len() > 0, distinct)


def _codes(name: str, counts: pl.DataFrame) -> bool:
    """Whether the values of a column that does not look like identity may stand in a contract all the same.

    Not what somebody is called or has written, and nothing that hardly anybody shares unless it is as short as a code.
    """
    if re.search(TOLD, name) and not re.search(KIND, name):
        return False
    value, times = counts.to_series(0), counts.to_series(1)
    unknown = re.fullmatch(r"column(_\d+)?", name) is not None  # what a column is for that no header names
    long = value.str.len_chars() > 2 if unknown else (times < 3) & (value.str.len_chars() > 3)
    return not long.any() and not any(VALUE.search(v) or not v.isprintable() for v in value)


def _attribute(name: str, values: pl.Series) -> str | None:
    """Which attribute of a person a column may hold, by its header, else by values that check themselves."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower())
    if not re.search(NOT_PEOPLE, plain):
        for attribute, pattern in IDENTITY.items():
            if re.search(pattern, plain):
                return attribute
    some = values.head(500).to_frame("v")
    for attribute, clean in CHECKED.items():
        if some.height >= 3 and some.select(clean(pl.col("v")).is_not_null().mean()).item() >= ENOUGH:
            return attribute
    return None


def _type(name: str, values: pl.Series, least: float = ENOUGH) -> tuple[str, str | None]:
    """The logical type that reads nearly all values, and a date's format where it is not the usual one."""
    some = values.unique(maintain_order=True).head(3_000)
    if some.is_empty():
        return "string", None
    frame = some.to_frame(name)

    def share(kind: str, form: str | None) -> float:
        column = Column(name=name, physical=name, type=kind, format=form)
        value = frame.select(parsed(column).alias("v"))["v"]
        if kind in ("date", "timestamp"):
            value = value.filter(value.dt.year().is_between(1890, 2100) | (value.dt.year() == 9999))
        return value.drop_nulls().len() / frame.height

    if some.str.contains(r"\d").mean() == 1 and some.str.len_chars().min() >= 6:  # type: ignore[operator]
        forms = [("date", d) for d in DATES] + [("timestamp", d + t) for d in DATES for t in TIMES]
        best = max(((share(k, f), -i, k, f) for i, (k, f) in enumerate(forms)), default=None)
        if best and best[0] >= least:
            usual = (best[2], best[3]) in (("date", "yyyy-MM-dd"), ("timestamp", "yyyy-MM-dd'T'HH:mm:ss"))
            return best[2], None if usual else best[3]
    if some.len() == 2 and share("boolean", None) == 1 and not some.str.contains(r"\d").any():
        return "boolean", None
    id_like = re.search(KEY, name) or some.str.contains(r"^0\d").any()
    if not id_like and share("integer", None) == 1:
        return "integer", None
    if not id_like and share("number", None) == 1:
        return "number", None
    return "string", None


# -- writing ---------------------------------------------------------------------------------------------------------


def _table(table: Sketch, name: str, found: Sequence[Guess], place: str) -> list[str]:
    key = _key(table, found)
    lines = [f"  - name: {_quoted(name)}"]
    lines += [f"    physicalName: {_quoted(table.physical)}"] if table.physical else []
    lines += ["    properties:", *(f"      - {_property(g, key)}" for g in found)]
    rules = list(_rules(table, found))
    lines += ["    quality:", *(line for rule in rules for line in rule)] if rules else []
    custom = [f"      - {{property: {k}, value: {_value(v)}}}" for k, v in table.custom.items() if k != "file"]
    if place:
        file = DATE.sub("*", str(table.custom.get("file", "*")), count=1)
        custom.append(f"      - {{property: file, value: {_quoted(file)}}}")
    who = _person(found, key)
    if who:
        custom += ["      - property: person", f"        value: {{{who}}}"]
    starts = [_quoted(g.column.name) for g in found if g.column.type in ("date", "timestamp") and g.attribute is None]
    told = f"{{event: {name}, start: {starts[0]}}}" if starts else f"{{event: {name}, start: <a date column>}}"
    custom += [
        "      # What does a row tell? For instance:",
        "      # - property: yields",
        f"      #   value: [{told}]",
    ]
    return [*lines, "    customProperties:" if who or place or table.custom else "    # customProperties:", *custom]


def _property(guess: Guess, key: Sequence[Guess]) -> str:
    column = guess.column
    parts = [f"name: {_quoted(column.name)}"]
    if column.physical != column.name:
        parts.append(f"physicalName: {_quoted(column.physical)}")
    parts.append(f"logicalType: {column.type}")
    if column.format:
        parts.append(f"logicalTypeOptions: {{format: {_quoted(column.format)}}}")
    if guess in key:
        place = f", primaryKeyPosition: {key.index(guess) + 1}" if len(key) > 1 else ""
        parts.append(f"primaryKey: true{place}")
    elif column.required:
        parts.append("required: true")
    if column.values:
        parts.append(f"enum: [{', '.join(f'{{value: {_quoted(v)}}}' for v in column.values)}]")
    parts.append(f"classification: {column.classification}")
    if guess.position:
        parts.append(f"customProperties: [{{property: position, value: [{guess.position[0]}, {guess.position[1]}]}}]")
    return "{" + ", ".join(parts) + "}"


def _key(table: Sketch, found: Sequence[Guess]) -> list[Guess]:
    """The columns that are given once: one that is called like a key, else two that together tell rows apart."""
    once = [g for g in found if g.distinct and g.column.type in ("string", "integer")]
    called = [g for g in once if re.search(KEY, g.column.name)]
    first = [g for g in once if g is found[0] and g.column.type == "string"]
    checked = [g for g in once if g.attribute in ("upn", "nhs_number", "la_child_id", "uprn")]
    if called or checked or first or table.frame.height < 2:
        return (called or checked or first)[:1]
    parts = [g for g in found if g.complete and re.search(rf"{KEY}|(^|_)?(pos|seq|line|order|ref)$", g.column.name)]
    for pair in combinations(parts[:8], 2):
        if table.frame.select(g.column.physical for g in pair).n_unique() >= ENOUGH * table.frame.height:
            return list(pair)
    return []


def _person(found: Sequence[Guess], key: Sequence[Guess]) -> str:
    """The attributes of a person that the columns seem to hold, as a `person` block; empty where there is nobody."""
    first: dict[str, str] = {}
    lines: list[str] = []
    for guess in found:
        if guess.attribute == "line":
            lines.append(_quoted(guess.column.name))
        elif guess.attribute and guess.attribute not in first:
            first[guess.attribute] = _quoted(guess.column.name)
    if {"surname", "forename"} & first.keys():
        first.pop("full_name", None)
    whose = [g for g in found if re.search(f"({WHOSE}).*{KEY}", g.column.name) and g.complete][:1] or key
    named = [_quoted(g.column.name) for g in whose] or [
        first[k] for k in ("upn", "nhs_number", "la_child_id") if k in first
    ][:1]
    who = named[0] if len(named) == 1 else f"[{', '.join(named)}]"
    if not named or not first.keys() & {"surname", "full_name", "birth_date", "upn", "nhs_number", "la_child_id"}:
        return ""
    place = {k: first.pop(k) for k in ("uprn", "postcode") if k in first}
    parts = [f"key: {who}", *(f"{k}: {v}" for k, v in first.items())]
    if place or lines:
        line = [f"line: [{', '.join(lines)}]"] if lines else []
        parts.append(f"address: {{{', '.join([*line, *(f'{k}: {v}' for k, v in place.items())])}}}")
    return ", ".join(parts)


def _rules(table: Sketch, found: Sequence[Guess]) -> Iterable[list[str]]:
    """Neighbouring dates of which one never comes before the other in the sample."""
    dated = [g for g in found if g.column.type in ("date", "timestamp") and g.attribute is None]
    for a, b in pairwise(dated):
        first, last = (table.frame.select(parsed(_read(g)).alias("d"))["d"] for g in (a, b))
        both = first.is_not_null() & last.is_not_null()
        if both.sum() >= 20 and first.filter(both).n_unique() > 5:
            for start, end, well in ((a, b, (last >= first)), (b, a, (first >= last))):
                if well.filter(both).mean() == 1 and (first != last).filter(both).any():
                    begin, until = _quoted(start.column.name), _quoted(end.column.name)
                    yield [
                        f"      - name: {end.column.name} is on or after {start.column.name}",
                        "        type: custom",
                        "        engine: greatExpectations",
                        "        implementation: {expect: column_pair_values_a_to_be_greater_than_b, "
                        f"column_A: {until}, column_B: {begin}, or_equal: true}}",
                        "        severity: warn",
                    ]


def _read(guess: Guess) -> Column:
    return guess.column.model_copy(update={"name": guess.column.physical})


def _value(value: object) -> str:
    return str(value) if isinstance(value, int) else _quoted(str(value))


def _quoted(text: str) -> str:
    """A YAML scalar that stays the text that it is."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./@*'-]*( [A-Za-z0-9_./@*'-]+)*", text)
    loose = text.lower() in ("yes", "no", "on", "off", "true", "false", "y", "n", "null")
    return text if plain and not loose else yaml.dump(text, default_style='"', allow_unicode=True, width=10**9).strip()
