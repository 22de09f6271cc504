"""PPTX: a page for each slide, with its title as heading, its text, tables, charts, diagrams and notes."""

from __future__ import annotations

from collections.abc import Iterator

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.charts import write_chart
from ragstone.ingest.read.office.package import Package, name_of
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import has_header, one_line

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_ID = name_of("r:id")
_TITLES = frozenset({"title", "ctrTitle"})
_MARGINS = frozenset({"dt", "ftr", "hdr", "sldNum"})  # placeholders that every slide repeats
_BULLETED = frozenset({"body", "obj", ""})  # placeholders whose layout puts a bullet before each paragraph


def read_pptx(source: Source) -> Reading:
    """A PowerPoint presentation, in the order in which its slides are shown."""
    builder = Builder(_MEDIA_TYPE)
    package = Package(source, builder)
    name, root = package.main("ppt/presentation.xml")
    builder.title = package.title()
    relations = package.relations(name)
    for number, entry in enumerate(root.iter(name_of("p:sldId")), 1):
        builder.page(number, apart=True)
        relation = relations.get(entry.get(_ID, ""))
        slide = None if relation is None else package.part(relation.target)
        if relation is None or slide is None:
            builder.warn(f"slide {number} cannot be read and was left out")
        else:
            _Slide(builder, package, relation.target).write(slide)
    return builder.build()


class _Slide:
    """Writes one slide."""

    def __init__(self, builder: Builder, package: Package, part: str) -> None:
        self._builder = builder
        self._package = package
        self._part = part
        self._relations = package.relations(part)

    def write(self, slide: Element) -> None:
        """Write title, shapes and notes."""
        shapes = [shape for tree in slide.iter(name_of("p:spTree")) for shape in _shapes(tree)]
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        for title in titles:
            self._builder.heading(" ".join(_text(paragraph) for paragraph in title.iter(name_of("a:p"))), 1)
        for shape in shapes:
            if shape not in titles:
                self._shape(shape)
        for name in self._package.related(self._part, "notesSlide"):
            notes = self._package.part(name)
            self._notes([] if notes is None else [*notes.iter(name_of("p:sp"))])

    def _notes(self, shapes: list[Element]) -> None:
        for shape in shapes:
            text = "\n".join(_text(paragraph) for paragraph in shape.iter(name_of("a:p")))
            if _placeholder(shape) == "body" and text.strip():
                self._builder.paragraph(f"Notes: {text.strip()}")

    def _shape(self, shape: Element) -> None:
        placeholder = _placeholder(shape)
        if placeholder in _MARGINS:
            return
        for table in shape.iter(name_of("a:tbl")):
            rows = list(_rows(table))
            self._builder.table(rows, header=has_header(rows) or _first_row_is_header(table))
            return
        for chart in shape.iter(name_of("c:chart")):
            root = self._target(chart.get(_ID, ""))
            if root is not None:
                write_chart(self._builder, root, figures=True)
        for diagram in shape.iter("{*}relIds"):
            root = self._target(diagram.get(name_of("r:dm"), ""))
            if root is not None:
                self._builder.listing(f"- {text}" for text in map(_text, root.iter(name_of("a:p"))) if text.strip())
        body = shape.find(name_of("p:txBody"))
        if body is not None:
            self._text(body, bulleted=placeholder in _BULLETED)

    def _target(self, identifier: str) -> Element | None:
        relation = self._relations.get(identifier)
        return None if relation is None else self._package.part(relation.target)

    def _text(self, body: Element, *, bulleted: bool) -> None:
        """Paragraphs of a shape; neighbours with bullets make one list."""
        paragraphs = [paragraph for paragraph in body.iter(name_of("a:p")) if _text(paragraph).strip()]
        items: list[str] = []
        counts: dict[int, int] = {}
        for paragraph in paragraphs:
            marker, depth = _marker(paragraph, bulleted=bulleted and len(paragraphs) > 1, counts=counts)
            if marker:
                items.append(f"{'  ' * depth}{marker} {one_line(_text(paragraph))}")
            else:
                self._builder.listing(items)
                items.clear()
                self._builder.paragraph(_text(paragraph))
        self._builder.listing(items)


def _shapes(tree: Element) -> Iterator[Element]:
    """Shapes in their order, those in groups too."""
    for child in tree:
        if child.tag in (name_of("p:sp"), name_of("p:graphicFrame")):
            yield child
        elif child.tag in (name_of("p:grpSp"), name_of("mc:AlternateContent"), name_of("mc:Choice")):
            yield from _shapes(child)


def _placeholder(shape: Element) -> str | None:
    """The role that the layout gives to a shape; None for a shape of its own."""
    for element in shape.iter(name_of("p:ph")):
        return str(element.get("type", ""))
    return None


def _text(paragraph: Element) -> str:
    pieces = (
        "\n" if element.tag == name_of("a:br") else element.text or ""
        for element in paragraph.iter(name_of("a:t"), name_of("a:br"))
    )
    return "".join(pieces)


def _marker(paragraph: Element, *, bulleted: bool, counts: dict[int, int]) -> tuple[str, int]:
    """Marker and depth of a list item; no marker for an ordinary paragraph."""
    properties = paragraph.find(name_of("a:pPr"))
    if properties is None:
        return ("-" if bulleted else ""), 0
    level = properties.get("lvl", "0")
    depth = int(level) if level.isascii() and level.isdigit() else 0
    if properties.find(name_of("a:buAutoNum")) is not None:
        counts[depth] = counts.get(depth, 0) + 1
        return f"{counts[depth]}.", depth
    counts.clear()
    if properties.find(name_of("a:buNone")) is not None:
        return "", 0
    return ("-" if bulleted or depth or properties.find(name_of("a:buChar")) is not None else ""), depth


def _first_row_is_header(table: Element) -> bool:
    properties = table.find(name_of("a:tblPr"))
    return properties is not None and properties.get("firstRow") in ("1", "true")


def _rows(table: Element) -> Iterator[list[str]]:
    """Cells by row; a cell that spans several rows is repeated in each."""
    above: list[str] = []
    for row in table.iter(name_of("a:tr")):
        cells: list[str] = []
        for cell in row.iter(name_of("a:tc")):
            if cell.get("vMerge") in ("1", "true") and len(cells) < len(above):
                cells.append(above[len(cells)])
            elif cell.get("hMerge") in ("1", "true"):
                cells.append(cells[-1] if cells and not above else "")
            else:
                cells.append(" ".join(_text(paragraph) for paragraph in cell.iter(name_of("a:p"))))
        yield cells
        above = cells
