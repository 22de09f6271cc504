"""DOCX: headings by style or outline level, lists with their numbers, tables, text boxes and footnotes."""

from __future__ import annotations

from collections.abc import Iterator

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.charts import write_chart
from ragstone.ingest.read.office.numbering import Numbering
from ragstone.ingest.read.office.package import Package, name_of
from ragstone.ingest.read.office.runs import boxes_in, note_ids, paragraph_text
from ragstone.ingest.read.office.styles import Styles
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import has_header

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_P, _TBL, _TR, _TC = (name_of(f"w:{tag}") for tag in ("p", "tbl", "tr", "tc"))
_VAL = name_of("w:val")
_TRANSPARENT = frozenset(
    [name_of(f"w:{tag}") for tag in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag")]
    + [name_of("mc:AlternateContent"), name_of("mc:Choice")]
)
_WIDEST_SPAN = 200  # columns


def read_docx(source: Source) -> Reading:
    """A Word document; headers and footers of its pages are left out."""
    builder = Builder(_MEDIA_TYPE)
    package = Package(source, builder)
    name, root = package.main("word/document.xml")
    builder.title = package.title()
    document = _Document(builder, package, name)
    body = root.find(name_of("w:body"))
    document.write(root if body is None else body)
    document.write_notes()
    return builder.build()


class _Document:
    """Writes the body of a document."""

    def __init__(self, builder: Builder, package: Package, part: str) -> None:
        self._builder = builder
        self._package = package
        self._relations = package.relations(part)
        self._styles = Styles.of(package, part)
        self._numbering = Numbering.of(package, part)
        self._notes = list(_notes(package, part))
        self._items: list[str] = []
        self._code: list[str] = []

    def write(self, container: Element) -> None:
        """Write the paragraphs and tables in a container."""
        for element in _inside(container, _P, _TBL):
            if element.tag == _TBL:
                self._end_runs()
                self._table(element)
            else:
                self._paragraph(element)
        self._end_runs()

    def write_notes(self) -> None:
        """Write footnotes and endnotes behind the body."""
        for marker, note in self._notes:
            text = " ".join(paragraph_text(paragraph) for paragraph in note.iter(_P)).strip()
            if text:
                self._builder.paragraph(f"[{marker}] {text}")

    def _paragraph(self, element: Element) -> None:
        text = paragraph_text(element)
        style = self._styles.of_paragraph(element)
        number = self._numbering.next(style.numbering) if text.strip() and style.numbering else None
        if style.level is not None and text.strip():
            self._end_runs()
            self._builder.heading(f"{number.label} {text}" if number and number.label != "-" else text, style.level)
        elif number:
            self._end_code()
            self._items.append(f"{'  ' * number.depth}{number.label} {' '.join(text.split())}")
        elif style.code:
            self._end_list()
            self._code.append(text)
        elif text.strip():
            self._end_runs()
            self._builder.paragraph(text)
        for box in boxes_in(element):
            self._end_runs()
            self.write(box)
        for chart in element.iter(name_of("c:chart")):
            self._end_runs()
            self._chart(chart.get(name_of("r:id"), ""))

    def _chart(self, identifier: str) -> None:
        relation = self._relations.get(identifier)
        root = None if relation is None else self._package.part(relation.target)
        if root is not None:
            write_chart(self._builder, root, figures=True)

    def _end_runs(self) -> None:
        self._end_list()
        self._end_code()

    def _end_list(self) -> None:
        self._builder.listing(self._items)
        self._items.clear()

    def _end_code(self) -> None:
        self._builder.code("\n".join(self._code))
        self._code.clear()

    def _table(self, table: Element) -> None:
        rows: list[list[str]] = []
        for row in _inside(table, _TR):
            cells: list[str] = []
            for cell in _inside(row, _TC):
                across = min(_number(cell, "w:gridSpan"), _WIDEST_SPAN)
                merged = cell.find(f"{name_of('w:tcPr')}/{name_of('w:vMerge')}")
                continues = merged is not None and merged.get(_VAL, "continue") == "continue"
                above = rows[-1][len(cells)] if continues and rows and len(cells) < len(rows[-1]) else ""
                cells.extend([above if continues else self._cell(cell), *[""] * (across - 1)])
            rows.append(cells)
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            for cell in table.iter(_TC):
                self.write(cell)
                return
        self._builder.table(rows, header=has_header(rows))

    def _cell(self, cell: Element) -> str:
        """All text of a cell in one line, that of tables inside too."""
        pieces: list[str] = []
        for element in _inside(cell, _P, _TBL):
            if element.tag == _TBL:
                pieces.extend(self._cell(inner) for row in _inside(element, _TR) for inner in _inside(row, _TC))
                continue
            text = paragraph_text(element)
            style = self._styles.of_paragraph(element)
            number = self._numbering.next(style.numbering) if text.strip() and style.numbering else None
            pieces.append(f"{number.label} {text}" if number else text)
            pieces.extend(self._cell(box) for box in boxes_in(element))
        return " ".join(" ".join(pieces).split())


def _inside(container: Element, *tags: str) -> Iterator[Element]:
    """The children of these kinds in their order, through the wrappers around them."""
    for child in container:
        if child.tag in tags:
            yield child
        elif child.tag in _TRANSPARENT:
            yield from _inside(child, *tags)


def _number(cell: Element, name: str) -> int:
    element = cell.find(f"{name_of('w:tcPr')}/{name_of(name)}")
    value = "1" if element is None else element.get(_VAL, "1")
    return int(value) if value.isascii() and value.isdigit() and int(value) else 1


def _notes(package: Package, part: str) -> Iterator[tuple[str, Element]]:
    """Each note with the marker that stands in the text."""
    for kind in ("footnotes", "endnotes"):
        for name in package.related(part, kind):
            root = package.part(name)
            yield from [] if root is None else note_ids(root, kind)
