"""XML schemas (XSD): what is wrong in a record, on which line, in our own words.

What belongs here: libxml2's verdicts by their type. Its messages quote values and are never passed on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feeds.readers.frames import Rejected

TOLD = 4  # errors of one row that are told one by one
SAID = {
    "SCHEMAV_CVC_ENUMERATION_VALID": "a code that is not in the schema's list",
    "SCHEMAV_CVC_PATTERN_VALID": "a value that has not the schema's form",
    "SCHEMAV_CVC_LENGTH_VALID": "a value that is not as long as the schema says",
    "SCHEMAV_CVC_MINLENGTH_VALID": "a value that is too short",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "a value that is too long",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "a value that is too small",
    "SCHEMAV_CVC_MINEXCLUSIVE_VALID": "a value that is too small",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "a value that is too large",
    "SCHEMAV_CVC_MAXEXCLUSIVE_VALID": "a value that is too large",
    "SCHEMAV_CVC_TOTALDIGITS_VALID": "a number of too many digits",
    "SCHEMAV_CVC_FRACTIONDIGITS_VALID": "a number of too many decimals",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "a value that is not of the schema's type",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_2": "a value that is not of the schema's type",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_3": "a value that is not of the schema's type",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "content where the schema has none",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_2": "elements where the schema has a value",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "text that the schema does not allow",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_1": "an attribute whose value the schema does not allow",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "an attribute that the schema does not know",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2": "an attribute that the schema does not know",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "an attribute is missing",
    "SCHEMAV_CVC_ELT_1": "an element that the schema does not know",
    "SCHEMAV_CVC_IDC": "a key that is missing, or stands twice",
}
MISSING = "an element is missing within"
UNEXPECTED = "not expected there by the schema"
OTHER = "not as the schema says"


def valid(xsd: Path) -> str:
    """The sentence that holds of a record that the schema allows."""
    return f"the record is valid against {xsd.name}"


class Schema:
    """A schema, and what it says of the records of a tree that is still being read.

    Records are judged in batches, in their place in the tree, so that memory stays bounded: what the schema says of the
    file as a whole beyond them (a key that must be given once in all) is judged within a batch.
    """

    def __init__(self, xsd: Path) -> None:
        from lxml import etree

        parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
        try:
            tree = etree.parse(str(xsd), parser)
            self.schema = etree.XMLSchema(tree)
        except (etree.XMLSyntaxError, etree.XMLSchemaParseError, OSError):
            raise Rejected(
                xsd.name, "the contract's schema should be a valid XSD", "Correct the file beside the contract"
            ) from None
        self.names = {str(e.get("name") or "") for e in tree.iter("{http://www.w3.org/2001/XMLSchema}element")}
        self.beyond: list[str] = []  # what is wrong outside all records, found at the end

    def judge(self, root: Any, rows: dict[Any, Any], skipped: Any, final: bool) -> dict[Any, str]:
        """What is wrong, in words, by the row whose element encloses it most closely.

        Args:
            rows: elements that rows were made of, and their rows.
            skipped: an element that was judged before.
            final: whether the tree is whole, so that what stands outside the records can be judged.
        """
        tree = root.getroottree()
        found: dict[Any, dict[str, None]] = {}
        if self.schema.validate(tree):
            return {}
        seen: set[tuple[str, str]] = set()
        for error in self.schema.error_log:
            kind = error.type_name
            if (error.path, _first(kind)) in seen or not error.path:
                continue
            seen.add((error.path, _first(kind)))
            node = _node(tree, error.path)
            if node is None:
                continue
            words = self._words(node, kind, error.message)
            while node is not None and node not in rows and node is not skipped:
                node = node.getparent()
            if node is not None and node in rows:
                found.setdefault(rows[node], {})[words] = None
            elif node is None and final and _outside(tree, error.path, rows, skipped):
                self.beyond.append(words)
        return {row: _together(list(words)) for row, words in found.items()}

    def _words(self, node: Any, kind: str, message: str) -> str:
        name = node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
        shown = name if name in self.names else "an element of another name"
        if kind == "SCHEMAV_ELEMENT_CONTENT":
            said = MISSING if "Missing child element" in message.partition(":")[2][:30] else UNEXPECTED
        else:
            said = SAID.get(kind, OTHER)
        return f"line {node.sourceline}, {shown}: {said}"


def _first(kind: str) -> str:
    """A value that breaks a facet is told once, and not again for its type."""
    return "value" if kind.startswith(("SCHEMAV_CVC_DATATYPE", "SCHEMAV_CVC_ENUM", "SCHEMAV_CVC_PATTERN")) else kind


def _node(tree: Any, path: str) -> Any:
    from lxml import etree

    try:
        nodes = tree.xpath(path)
    except etree.XPathError:  # a prefix that the root does not declare
        return None
    return nodes[0] if nodes else None


def _outside(tree: Any, path: str, rows: dict[Any, Any], skipped: Any) -> bool:
    """Whether the place is outside all records, and not one that they were taken out of."""
    node = _node(tree, path)
    return not any(record is not None and node in record.iterancestors() for record in (skipped, *list(rows)[:1]))


def _together(words: list[str]) -> str:
    more = len(words) - TOLD
    return "; ".join(words[:TOLD]) + (f"; and {more} more" if more > 0 else "")
