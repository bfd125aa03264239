"""XML and JSON: records within records become rows of tables, parents before what is nested in them.

What belongs here: walking trees. One record with all that is nested in it is held, and about a chunk of rows.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from json.decoder import JSONDecoder
from typing import Any

import polars as pl

from feeds.contracts import Contract
from feeds.readers import frames
from feeds.readers.archives import Source
from feeds.readers.frames import BAD_LINE, CHUNK, NO_JSON, PLACE, TWICE, Rejected
from feeds.readers.text import READ, Text, lines_of

DEPTH = 60  # of lists within lists
LONGEST = 128 << 20  # bytes of one record, or of what stands before the first
DOCUMENT = 128 << 20  # characters of a JSON document that is not a list of messages
FEED = 1 << 16
BATCH = 500  # records that a schema judges at once
BLANK = " \t\r\n"
Frames = Iterator[tuple[str, pl.DataFrame]]


@dataclass
class _Node:
    """A step of the contract's paths: what stands there, and the steps below it."""

    below: dict[str, _Node] = field(default_factory=dict)
    attributes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    leaves: list[tuple[int, int]] = field(default_factory=list)
    table: int | None = None


@dataclass
class _Filled:
    """A table's rows that have not been handed out."""

    cells: list[list[str | None]] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)  # places among the parent's rows here
    numbers: list[int] = field(default_factory=list)
    faults: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    given: int = 0  # rows opened so far


class Nest:
    """Tables being filled from trees: a record opens a row, a leaf fills a cell of the open row."""

    def __init__(self, contract: Contract, file: str) -> None:
        self.tables, self.file = contract.tables, file
        index = {t.name: i for i, t in enumerate(self.tables)}
        self.parents = [index[t.parent] if t.parent else None for t in self.tables]
        self.root = _Node()
        self.widths = [len(t.columns) for t in self.tables]
        for i, table in enumerate(self.tables):
            self._step(table.path).table = i
            for c, column in enumerate(table.columns):
                path = f"{table.path}/{column.physical}".lstrip("/") if column.physical != "." else table.path
                above, _, last = path.rpartition("/")
                if last.startswith("@"):
                    self._step(above).attributes.setdefault(last[1:], []).append((i, c))
                else:
                    self._step(path).leaves.append((i, c))
        self.filled = [_Filled() for _ in self.tables]
        self.rows = 0  # held
        self.line: int | None = None

    def _step(self, path: str) -> _Node:
        node = self.root
        for step in path.split("/") if path else ():
            node = node.below.setdefault(step, _Node())
        return node

    def open(self, i: int) -> int:
        """Begin a row of a table, and say its place."""
        mine, parent = self.filled[i], self.parents[i]
        mine.cells.append([None] * self.widths[i])
        mine.parents.append(-1 if parent is None else len(self.filled[parent].cells) - 1)
        mine.given += 1
        mine.numbers.append(self.line if self.line is not None and parent is None else mine.given)
        self.rows += 1
        return len(mine.cells) - 1

    def fill(self, leaves: list[tuple[int, int]], text: str) -> None:
        """Set a cell of the open row; a repeated leaf keeps all its values."""
        for i, c in leaves:
            cells = self.filled[i].cells
            if cells:
                before = cells[-1][c]
                cells[-1][c] = text if before is None else f"{before}; {text}"

    def fault(self, i: int, sentence: str, where: str | None = None, row: int | None = None) -> None:
        """Note why a row, the open one as a rule, could not be read as one; the first reason stands."""
        mine = self.filled[i]
        mine.faults.setdefault(len(mine.cells) - 1 if row is None else row, (sentence, where))

    def frames(self) -> Frames:
        """What is held, parents first, each row with its ancestors' keys; after it nothing is held."""
        made: list[pl.DataFrame] = []
        for i, table in enumerate(self.tables):
            mine, parent = self.filled[i], self.parents[i]
            names = [c.name for c in table.columns]
            columns = zip(*mine.cells, strict=True) if mine.cells else ([] for _ in names)
            own = {n: pl.Series(n, list(values), pl.String) for n, values in zip(names, columns, strict=True)}
            frame = pl.DataFrame(own).with_columns(_row=pl.Series(mine.numbers, dtype=pl.Int64))
            frame = frame.with_columns(
                _file=pl.lit(self.file, pl.String),
                _fault=_sparse([(r, s) for r, (s, _) in mine.faults.items()], frame.height),
                _where=_sparse([(r, w) for r, (_, w) in mine.faults.items()], frame.height),
            )
            if parent is None:
                frame = frame.with_columns(_parent=pl.lit(None, pl.Int64), _message=pl.col("_row"))
            else:
                above = made[parent][pl.Series(mine.parents, dtype=pl.Int64)]
                taken = [c.name for c in table.above]
                frame = frame.with_columns(
                    *(above[n] for n in taken), above["_row"].alias("_parent"), above["_message"]
                )
            columns_ = [c.name for c in table.all_columns]
            frame = frame.select(*PLACE, *columns_)
            made.append(frames.tidied(frame, columns_))
            given = mine.given
            self.filled[i] = _Filled(given=given)
        self.rows = 0
        for table, frame in zip(self.tables, made, strict=True):
            for part in frames.parts(frame):
                yield table.name, part


def _sparse(values: list[tuple[int, str | None]], height: int) -> pl.Series:
    series = pl.Series([None], dtype=pl.String).new_from_index(0, height)
    kept = [(row, value) for row, value in values if value is not None]
    return series.scatter([r for r, _ in kept], [v for _, v in kept]) if kept else series


# -- XML ------------------------------------------------------------------------------------------------------------


def read_xml(contract: Contract, source: Source, notes: dict[str, str]) -> Frames:
    """An XML file's records; `_row` is the how-manyth of its table, and `_where` names lines.

    Raises:
        Rejected: it is not well-formed, has a document type, holds no record, or one that cannot be held.
    """
    from lxml import etree

    nest = Nest(contract, source.name)
    records = _Records(contract, nest)
    parser = etree.XMLPullParser(
        events=("start", "end"),
        tag=records.tags,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    stream, since, head, number, root = source.open(), 0, b"", 0, None
    try:
        while data := stream.read(FEED):
            head = head or data
            since += len(data)
            parser.feed(data)
            for event, element in parser.read_events():
                if event == "start":
                    root = element.getroottree().getroot() if root is None else root
                    _plain(root, source.name)
                elif records.take(element):
                    number, since = number + 1, 0
                    if nest.rows >= CHUNK and not records.waiting:
                        yield from nest.frames()
            if since > LONGEST:
                raise Rejected(
                    source.name,
                    f"the file should hold records at {records.paths[0]}, each of at most {LONGEST >> 20} MB",
                    "Check that this is the extract of the contract and send it again",
                )
        if not head.strip():
            raise Rejected(source.name, "the file should hold rows and is empty", "Send it again")
        root = parser.close()
    except etree.XMLSyntaxError as error:
        if b"<!DOCTYPE" in head:
            raise _doctype(source.name) from None
        raise Rejected(
            source.name,
            f"the file should be whole, well-formed XML; it breaks off or is wrong at line {error.lineno or 1}",
            "Make the extract again and check that it was sent whole",
        ) from None
    _plain(root, source.name)
    records.judge(root, final=True)
    if not number:
        raise Rejected(
            source.name,
            f"the file should hold records at {records.paths[0]}",
            "Check that this is the extract of the contract and send it again",
        )
    yield from nest.frames()
    beyond = records.schema.beyond if records.schema else []
    notes[source.name] = f"XML, {root.getroottree().docinfo.encoding or 'utf-8'}" + (
        f"; outside its records: {'; '.join(beyond[:3])}" if beyond else ""
    )


def _plain(root: Any, file: str) -> None:
    if root is not None and root.getroottree().docinfo.doctype:
        raise _doctype(file)


def _doctype(file: str) -> Rejected:
    return Rejected(file, "the file should have no document type or entities", "Send it without them")


class _Records:
    """The records of an XML file, taken out of its tree as they end, and judged by its schema in batches."""

    def __init__(self, contract: Contract, nest: Nest) -> None:
        from feeds.readers.schema import Schema, valid

        self.nest = nest
        self.paths = sorted(t.path for t in contract.tables if not t.parent)
        self.nodes = {tuple(path.split("/")): nest._step(path) for path in self.paths}
        roots = {path.split("/")[0] for path in self.paths}
        self.tags = [f"{{*}}{name}" for name in {*roots, *(path.rpartition("/")[2] for path in self.paths)}]
        self.schema = Schema(contract.xsd) if contract.xsd else None
        self.sentence = valid(contract.xsd) if contract.xsd else ""
        self.waiting: list[Any] = []
        self.rows: dict[Any, tuple[int, int]] = {}
        self.last: Any = None
        self.local: dict[Any, str] = {}

    def take(self, element: Any) -> bool:
        """Fill rows from an element that has ended, where it is a record."""
        path = [self._name(element), *(self._name(a) for a in element.iterancestors())]
        node = self.nodes.get(tuple(reversed(path)))
        if node is None:
            return False
        self._walk(element, node)
        if self.schema:
            self.waiting.append(element)
            if len(self.waiting) >= BATCH:
                self.judge(element.getroottree().getroot(), final=False)
        else:
            element.clear(keep_tail=False)
            _drop_before(element)
        return True

    def judge(self, root: Any, final: bool) -> None:
        """Judge the records that wait, note what is wrong with their rows, and take them out of the tree."""
        if not self.schema:
            return
        for (i, row), words in self.schema.judge(root, self.rows, self.last, final).items():
            self.nest.fault(i, self.sentence, words, row)
        if self.waiting:
            self.last = self.waiting[-1]
            for element in self.waiting:
                parent = element.getparent()
                if element is not self.last and parent is not None:
                    parent.remove(element)
        self.waiting, self.rows = [], {}

    def _name(self, element: Any) -> str:
        tag = element.tag
        found = self.local.get(tag)
        if found is None:
            found = self.local[tag] = tag.rpartition("}")[2] if isinstance(tag, str) else ""
        return found

    def _walk(self, element: Any, node: _Node) -> None:
        nest = self.nest
        if node.table is not None:
            row = nest.open(node.table)
            if self.schema:
                self.rows[element] = (node.table, row)
        if node.attributes:
            for name, value in element.attrib.items():
                leaves = node.attributes.get(name.rpartition("}")[2])
                if leaves:
                    nest.fill(leaves, value)
        if node.leaves:
            text = element.text
            if text and text.strip():
                nest.fill(node.leaves, text)
        if node.below:
            for child in element:
                below = node.below.get(self._name(child))
                if below is not None:
                    self._walk(child, below)


def _drop_before(element: Any) -> None:
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


# -- JSON -----------------------------------------------------------------------------------------------------------


class _Twice(dict[str, Any]):
    """A record in which a key stands twice."""


class _No:
    """What is no JSON: NaN and the infinities."""


NO = _No()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    return record if len(record) == len(pairs) else _Twice(record)


def _constant(_: str) -> _No:
    return NO


# numbers stay as they are written
DECODER = JSONDecoder(object_pairs_hook=_pairs, parse_float=str, parse_int=str, parse_constant=_constant)


def _decoded(text: str, at: int = 0) -> tuple[Any, int]:
    """The value that begins at a place, and where it ends.

    Raises:
        ValueError: there is none, or it is nested too deep, or is text that cannot be written.
    """
    try:
        value, end = DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("too deep") from None
    if "\\u" in text[at:end]:
        try:  # half of a pair of escapes is no character
            json.dumps(value, ensure_ascii=False, default=str).encode()
        except (UnicodeEncodeError, RecursionError):
            raise ValueError("no text") from None
    return value, end


def _walk(nest: Nest, value: Any, node: _Node, inside: int, depth: int = 0) -> None:
    """Fill rows from a value.

    Args:
        inside: the table whose row is open.
    """
    if isinstance(value, list):
        if depth > DEPTH:
            nest.fault(inside, NO_JSON)
            return
        for item in value:
            _walk(nest, item, node, inside, depth + 1)
        return
    if value is None:
        return
    if node.table is not None:
        nest.open(node.table)
        inside = node.table
    if isinstance(value, dict):
        if type(value) is _Twice:
            nest.fault(inside, TWICE)
        below = node.below
        for key, item in value.items():
            step = below.get(key)
            if step is not None:
                _walk(nest, item, step, inside, 0)
        return
    if value is NO:
        nest.fault(inside, NO_JSON)
    elif node.leaves:
        nest.fill(node.leaves, value if isinstance(value, str) else str(value).lower())


def read_json(contract: Contract, source: Source, notes: dict[str, str]) -> Frames:
    """A JSON document: a list of messages, read one after the other, or one whole value up to a limit.

    Raises:
        Rejected: it is not one JSON document, or larger than can be held.
    """
    nest = Nest(contract, source.name)
    text = Text(source.open(), contract.encoding, source.name)
    document = _Document(text, source.name)
    top = nest.parents.index(None)
    for value in document.values():
        _walk(nest, value, nest.root, top)
        if nest.rows >= CHUNK:
            yield from nest.frames()
    yield from nest.frames()
    notes[source.name] = f"JSON, {text.words}"


class _Document:
    """A JSON document of which no more is held than one message of its list."""

    def __init__(self, text: Text, file: str) -> None:
        self.text, self.file = text, file
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.held, self.at, self.line, self.whole = "", 0, 1, False

    def values(self) -> Iterator[Any]:
        """The items of a list, or the one value that the document is."""
        first = self._next()
        if not first:
            raise Rejected(self.file, "the file should hold rows and is empty", "Send it again")
        if first != "[":
            yield self._value(alone=True)
            if self._next():
                raise self._wrong()
            return
        self.at += 1
        if self._next() == "]":
            self.at += 1
        else:
            while True:
                if not self._next():
                    raise self._wrong()
                yield self._value()
                mark = self._next()
                self.at += 1
                if mark == "]":
                    break
                if mark != ",":
                    raise self._wrong()
        if self._next():
            raise self._wrong()

    def _more(self, size: int) -> bool:
        """Read on, letting go of what was used."""
        if self.whole:
            return False
        data = self.text.take(size)
        self.whole = not data
        if b"\0" in data:
            raise Rejected(self.file, "the file should be JSON text and holds NUL characters", "Save it as plain text")
        try:
            more = self.decoder.decode(data, final=self.whole)
        except UnicodeDecodeError:
            raise Rejected(
                self.file, "the file should be in utf-8", "Save it as utf-8, or agree another encoding in the contract"
            ) from None
        self.line += self.held.count("\n", 0, self.at)
        self.held, self.at = self.held[self.at :] + more, 0
        return not self.whole

    def _next(self) -> str:
        """The next character that is not blank, not taken; empty at the end."""
        while True:
            while self.at < len(self.held) and self.held[self.at] in BLANK:
                self.at += 1
            if self.at < len(self.held):
                return self.held[self.at]
            if not self._more(READ):
                return ""

    def _value(self, alone: bool = False) -> Any:
        """The value that begins here; more is read until it is whole and what follows it is seen."""
        size = READ
        while True:
            if alone and not self.whole:
                end = 0
            else:
                try:
                    value, end = _decoded(self.held, self.at)
                except ValueError:
                    end = 0
                if end and (end < len(self.held) or self.whole):
                    self.at = end
                    return value
            if len(self.held) - self.at > DOCUMENT:
                raise Rejected(
                    self.file,
                    f"a JSON document, or a message in its list, should have at most {DOCUMENT >> 20} MB",
                    "Send the messages as JSON lines, or as one list",
                )
            if self.whole:
                raise self._wrong()
            self._more(size)
            size *= 2

    def _wrong(self) -> Rejected:
        line = self.line + self.held.count("\n", 0, self.at)
        try:
            DECODER.raw_decode(self.held, self.at)
        except json.JSONDecodeError as error:
            line = self.line + error.lineno - 1
        except (RecursionError, ValueError):
            pass
        return Rejected(
            self.file, f"the file should be one whole JSON document; it is not at line {line}", "Send it again"
        )


def read_lines(contract: Contract, source: Source, notes: dict[str, str]) -> Frames:
    """JSON lines: one message a line; `_row` of a message is its line. Empty, it says: nothing new.

    Raises:
        Rejected: no line is a message, or a snapshot is empty.
    """
    nest = Nest(contract, source.name)
    text = Text(source.open(), contract.encoding, source.name)
    if not text.head().strip() and contract.delivery == "snapshot":
        raise Rejected(source.name, "the file should hold rows and is empty", "Send it again")
    top, good, blank = nest.parents.index(None), False, True
    for number, line in enumerate(lines_of(b"", b"", text), 1):
        if not line.strip():
            continue
        nest.line, blank = number, False
        try:
            value, end = _decoded(line, len(line) - len(line.lstrip(BLANK)))
            if not isinstance(value, dict) or line[end:].strip(BLANK):
                raise ValueError("no message")
        except ValueError:
            nest.open(top)
            nest.fault(top, BAD_LINE)
            continue
        good = True
        _walk(nest, value, nest.root, top)
        if nest.rows >= CHUNK:
            yield from nest.frames()
    if not good and (not blank or contract.delivery == "snapshot"):
        raise Rejected(
            source.name, "the file should hold one JSON message a line, and no line is one", "Send it as JSON lines"
        )
    yield from nest.frames()
    notes[source.name] = f"JSON lines, {text.words}"


READERS: dict[str, Callable[[Contract, Source, dict[str, str]], Frames]] = {
    "xml": read_xml, "json": read_json, "jsonl": read_lines
}  # fmt: skip
