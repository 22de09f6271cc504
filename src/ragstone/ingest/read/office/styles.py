"""Word styles: which of them are headings, lists or code, whatever they are called in the user's language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.package import Package, name_of

_VAL = name_of("w:val")
_HEADING = re.compile(r"(?:heading|title|titre|überschrift|titolo|título|kop|rubrik|nagłówek)\s*([1-9])", re.IGNORECASE)
_CODE = re.compile(r"\b(?:code|verbatim|macro text|(?:html |)preformatted)\b", re.IGNORECASE)
_DEEPEST = 9  # outline level; 9 stands for body text
_CHAIN = 20  # styles that a style may be based on


@dataclass(frozen=True, slots=True)
class NumberingRef:
    """Which list a paragraph belongs to, and how deep it stands in it."""

    list_id: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph is by its style."""

    level: int | None = None  # of a heading, from 1; a document's title has 0
    numbering: NumberingRef | None = None
    code: bool = False


@dataclass(frozen=True, slots=True)
class Styles:
    """The styles of a document by their id."""

    by_id: dict[str, Style] = field(default_factory=dict)
    default: Style = Style()

    @classmethod
    def of(cls, package: Package, part: str) -> Styles:
        """The styles that a document uses; none when their part is missing or damaged."""
        elements: dict[str, Element] = {}
        for name in package.related(part, "styles"):
            root = package.part(name)
            for element in [] if root is None else root.iter(name_of("w:style")):
                elements[element.get(name_of("w:styleId"), "")] = element
        return cls({identifier: _resolved(identifier, elements, _CHAIN) for identifier in elements})

    def of_paragraph(self, paragraph: Element) -> Style:
        """Its style, with what the paragraph itself says of outline level and numbering."""
        properties = paragraph.find(name_of("w:pPr"))
        if properties is None:
            return self.default
        named = properties.find(name_of("w:pStyle"))
        identifier = "" if named is None else named.get(_VAL, "")
        style = self.by_id.get(identifier, _by_name(identifier))
        return _with_own(style, properties)


def _resolved(identifier: str, elements: dict[str, Element], chain: int) -> Style:
    element = elements.get(identifier)
    if element is None or not chain:
        return Style()
    based_on = element.find(name_of("w:basedOn"))
    style = Style() if based_on is None else _resolved(based_on.get(_VAL, ""), elements, chain - 1)
    named = element.find(name_of("w:name"))
    by_name = _by_name("" if named is None else named.get(_VAL, ""))
    if by_name.level is not None:
        style = replace(style, level=by_name.level)
    style = replace(style, code=style.code or by_name.code)
    properties = element.find(name_of("w:pPr"))
    return style if properties is None else _with_own(style, properties)


def _by_name(name: str) -> Style:
    """Built-in styles keep their English name in the file; ids carry a translation."""
    if heading := _HEADING.fullmatch(name.strip()):
        return Style(level=int(heading.group(1)))
    if name.strip().lower() == "title":
        return Style(level=0)
    return Style(code=bool(_CODE.search(name)))


def _with_own(style: Style, properties: Element) -> Style:
    outline = properties.find(name_of("w:outlineLvl"))
    if outline is not None and outline.get(_VAL, "").isdigit():
        level = int(outline.get(_VAL))
        style = replace(style, level=level + 1 if level < _DEEPEST else None)
    numbering = properties.find(name_of("w:numPr"))
    if numbering is None:
        return style
    list_id, depth = (numbering.find(name_of(f"w:{tag}")) for tag in ("numId", "ilvl"))
    known = style.numbering or NumberingRef("")
    found = NumberingRef(
        known.list_id if list_id is None else list_id.get(_VAL, ""),
        known.depth if depth is None or not depth.get(_VAL, "").isdigit() else int(depth.get(_VAL)),
    )
    return replace(style, numbering=None if found.list_id in ("", "0") else found)
