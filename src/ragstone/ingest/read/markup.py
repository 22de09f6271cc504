"""XML and HTML trees, parsed without entities, network or file access."""

from __future__ import annotations

import re
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element  # noqa: SLF001  lxml has no public name for it

# ISO 29500 "strict" files differ from the usual ones by these addresses only.
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/([A-Za-z]+)/([A-Za-z]+)")


def parse_xml(data: bytes) -> tuple[Element, bool]:
    """The root of an XML document, and whether it is sound.

    A malformed document yields what stands before the damage. Entities are never expanded, so neither an entity
    bomb nor a reference to a local file has any effect.

    Raises:
        etree.XMLSyntaxError: Nothing of it can be read.
    """
    try:
        return etree.fromstring(_transitional(data), _parser(recover=False)), True
    except etree.XMLSyntaxError:
        root = etree.fromstring(_transitional(data), _parser(recover=True))
        if root is None:
            raise
        return root, False


def parse_html(text: str) -> tuple[Element | None, bool]:
    """The root of an HTML page however malformed, None when it holds nothing; and whether all of it was read."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    return root, all(entry.type != etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log)


def local_name(element: Element) -> str:
    """An element's name without its namespace; empty for comments, instructions and entities."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=recover, remove_comments=True, remove_pis=True
    )


def _transitional(data: bytes) -> bytes:
    if b"purl.oclc.org/ooxml" not in data[:8192]:
        return data
    return _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/\2", data)
