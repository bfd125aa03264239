"""A contract in plain words, for those who sign it.

What belongs here: sentences. What the words of a contract mean is said in `contracts`.
"""

from __future__ import annotations

from collections.abc import Iterator

from feeds.contracts import Column, Contract, Event, Involvement, Relationship, Table, Voice, Yield, constant

SEVERITY = {
    "warn": "is reported, and the row goes on",
    "quarantine": "sets the row aside",
    "reject": "rejects the whole delivery",
}
BRINGS = {
    "snapshot": "Each delivery is the whole: a row that is gone is withdrawn.",
    "delta": "Each delivery brings what is new or has changed; a row replaces the earlier one with its key.",
    "messages": "Each delivery brings messages: the last one about a case replaces all that was said of it before.",
}


def explain(contract: Contract) -> str:
    """What a feed brings, how it is judged and what is made of it, as text of at most 100 characters a line."""
    parts = [
        f"{contract.name} ({contract.id}, version {contract.version}), from {contract.partner}",
        "",
        *(f"{name}: {' '.join(words.split())}" for name, words in (
            ("Purpose", contract.purpose), ("Limitations", contract.limitations), ("Answers for it", contract.owner)
        ) if words),
        "",
        *_arrives(contract),
    ]  # fmt: skip
    for table in contract.tables:
        parts += ["", *_table(table)]
    return "\n".join(part for line in parts for part in _wrapped(line))


def _arrives(contract: Contract) -> Iterator[str]:
    days = contract.interval.days
    yield f"Arrives every {days} day{'s' * (days != 1)} as {', '.join(contract.globs)} ({contract.format})."
    yield BRINGS[contract.delivery]
    if contract.volume_band is not None:
        yield (
            f"A delivery that grows or shrinks by more than {contract.volume_band:.0%} is held until a person "
            "releases or rejects it."
        )
    if contract.lag:
        yield f"A fact is usually recorded {contract.lag} days after it happened."
    if contract.keys_of != contract.id:
        yield f"Its people are those of {contract.keys_of}, by the same keys."
    if contract.trust:
        trusted = ", ".join(f"{name} {value:g}" for name, value in sorted(contract.trust.items()))
        yield f"When sources disagree it is trusted (0 to 1): {trusted}."
    if contract.xsd:
        yield f"Each record is held against {contract.xsd.name}."


def _table(table: Table) -> Iterator[str]:
    where = table.file or table.sheet or table.path
    inside = f", nested in {table.parent}" if table.parent else ""
    yield f"{table.name.upper()}{f' ({where})' if where else ''}{inside}{', may be absent' if table.optional else ''}"
    if table.key:
        yield f"  One row for each {' and '.join(table.key)}."
    yield "  Columns:"
    yield from (f"    {_column(column)}" for column in table.columns)
    if table.rules:
        yield "  Rules, and what breaking one does:"
        yield from (f"    {rule.name}: {SEVERITY[rule.severity]}." for rule in table.rules)
    for person in table.person:
        said = person.model_dump(exclude_none=True, exclude_defaults=True)
        names = ", ".join(name.replace("_", " ") for name in said if name != "key")
        yield f"  Describes a person, known as {' and '.join(constant(k) or k for k in person.key)}: {names}."
    if table.yields:
        yield "  A row tells:"
        yield from (f"    {_told(entry)}" for entry in table.yields)
    if table.reference:
        kinds = ", ".join(table.reference.model_dump(exclude_none=True))
        yield f"  Is reference data: {kinds}."


def _column(column: Column) -> str:
    parts = [column.type if not column.format else f"{column.type} written {column.format}"]
    parts += ["always given"] if column.required else []
    if column.values:
        few = ", ".join(column.values[:8])
        parts.append(f"one of {few}" if len(column.values) <= 8 else f"one of {len(column.values)} codes")
    parts.append({"identity": "identifies a person", "public": "public"}.get(column.classification, "about a person"))
    header = f" ({column.physical})" if column.physical != column.name else ""
    described = f". {column.description}" if column.description else ""
    return f"{column.name}{header}: {', '.join(parts)}{described}"


def _told(entry: Yield) -> str:
    only = "; ".join(f"{name} is {' or '.join(values)}" for name, values in entry.when.items())
    condition = f", where {only}" if only else ""
    if isinstance(entry, Event):
        until = f" to {entry.end}" if entry.end else ""
        return f"the event {entry.event}, from {entry.start}{until}{condition}."
    if isinstance(entry, Involvement):
        until = f" to {entry.end}" if entry.end else ""
        return f"that {entry.involvement} works with the person, from {entry.start}{until}{condition}."
    if isinstance(entry, Relationship):
        kind = entry.relationship
        said = (kind.const or kind.column) if kind else "related"
        return f"that the person is {said} of {' and '.join(constant(k) or k for k in entry.other)}{condition}."
    assert isinstance(entry, Voice)
    return f"what was said, in {entry.voice.words}{condition}."


def _wrapped(line: str, width: int = 100) -> list[str]:
    """A line in as many as it takes, what follows indented a little more."""
    import textwrap

    indent = len(line) - len(line.lstrip())
    return textwrap.wrap(line, width, subsequent_indent=" " * (indent + 4), break_long_words=False) or [""]
