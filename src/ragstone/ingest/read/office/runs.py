"""The words inside a Word paragraph: runs, breaks, formulas, note marks and text boxes."""

from __future__ import annotations

from collections.abc import Iterator

from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.formula import formula_text
from ragstone.ingest.read.office.package import name_of

_W = name_of("w:t").removesuffix("t")
_M = name_of("m:t").removesuffix("t")
_LITERAL = {
    f"{_W}tab": "\t",
    f"{_W}br": "\n",
    f"{_W}cr": "\n",
    f"{_W}noBreakHyphen": "-",
}
_BOX = f"{_W}txbxContent"
# Deleted text, properties, and the older twin of what stands in mc:Choice.
_SKIPPED = frozenset(
    {f"{_W}pPr", f"{_W}rPr", f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", _BOX, name_of("mc:Fallback")}
)
_NOTE_PREFIX = {"footnotes": "", "endnotes": "e"}
_FORMULA = f"{_M}oMath"


def paragraph_text(paragraph: Element) -> str:
    """The visible text of a paragraph without that of its text boxes; note marks become [1]."""
    return "".join(_pieces(paragraph))


def boxes_in(paragraph: Element) -> Iterator[Element]:
    """Text boxes anchored in a paragraph; the older twin of each is left out."""
    for box in paragraph.iter(_BOX):
        anchored = next(box.iterancestors(f"{_W}p"), None) is paragraph
        if anchored and next(box.iterancestors(name_of("mc:Fallback")), None) is None:
            yield box


def note_ids(root: Element, kind: str) -> Iterator[tuple[str, Element]]:
    """The notes of a part, each with its mark; separators are left out."""
    for note in root:
        identifier = note.get(f"{_W}id", "")
        if identifier and note.get(f"{_W}type") in (None, "normal"):
            yield _NOTE_PREFIX[kind] + identifier, note


def _pieces(element: Element) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag == f"{_W}t":
            yield child.text or ""
        elif tag == _FORMULA:
            yield formula_text(child)
            if child.getnext() is not None and child.getnext().tag == _FORMULA:
                yield " "
        elif tag in _SKIPPED:
            continue
        elif tag == f"{_W}footnoteReference":
            yield f"[{child.get(f'{_W}id', '')}]"
        elif tag == f"{_W}endnoteReference":
            yield f"[e{child.get(f'{_W}id', '')}]"
        elif tag in _LITERAL:
            yield _LITERAL[tag]
        else:
            yield from _pieces(child)
