"""XLSX: a page for each sheet; blocks of rows between empty rows are tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from ragstone.domain import Reading
from ragstone.ingest.read.archive import DamagedPartError
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.markup import Element
from ragstone.ingest.read.office.cells import Format, format_of, shown
from ragstone.ingest.read.office.charts import write_chart
from ragstone.ingest.read.office.package import Package, name_of
from ragstone.ingest.read.office.sheet import Sheet, write_sheet
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import one_line

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_THREADED = "\nComment:\n"  # what follows is the text; before it Excel advertises newer versions
_ADDRESS = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_LETTERS = 26


def read_xlsx(source: Source) -> Reading:
    """An Excel workbook with the values that its formulas had when it was saved; hidden sheets are left out."""
    builder = Builder(_MEDIA_TYPE)
    package = Package(source, builder)
    name, root = package.main("xl/workbook.xml")
    builder.title = package.title()
    workbook = _Workbook.of(package, name, root)
    relations = package.relations(name)
    for number, entry in enumerate(root.iter("{*}sheet"), 1):
        title = entry.get("name", f"Sheet {number}")
        builder.page(number, apart=True)
        if entry.get("state") in ("hidden", "veryHidden"):
            builder.warn(f"sheet {title} is hidden and was left out")
            continue
        builder.heading(title, 1)
        relation = relations.get(entry.get(name_of("r:id"), ""))
        if relation is None or relation.target not in package.archive:
            builder.warn(f"sheet {title} cannot be read and was left out")
            continue
        if relation.kind == "worksheet":
            write_sheet(builder, _read_sheet(builder, package, relation.target, workbook))
        _write_around(builder, package, relation.target, figures=relation.kind != "worksheet")
    return builder.build()


@dataclass(frozen=True, slots=True)
class _Workbook:
    """What the cells of all sheets refer to."""

    strings: list[str] = field(default_factory=list)
    formats: list[Format] = field(default_factory=list)
    from_1904: bool = False

    @classmethod
    def of(cls, package: Package, part: str, root: Element) -> _Workbook:
        properties = root.find("{*}workbookPr")
        strings: list[str] = []
        for name in package.related(part, "sharedStrings"):
            table = package.part(name)
            strings.extend(_string(item) for item in ([] if table is None else table.iter("{*}si")))
        formats: list[Format] = []
        for name in package.related(part, "styles"):
            styles = package.part(name)
            formats.extend([] if styles is None else _formats(styles))
        return cls(strings, formats, properties is not None and properties.get("date1904") in ("1", "true"))

    def text(self, cell: Element) -> str:
        """What a cell shows."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find("{*}is")
            return "" if inline is None else _string(inline)
        value = str(cell.findtext("{*}v") or "")
        if kind == "s":
            return self.strings[int(value)] if value.isdigit() and int(value) < len(self.strings) else ""
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind != "n" or not value:
            return value
        style = cell.get("s", "")
        known = style.isdigit() and int(style) < len(self.formats)
        return shown(value, self.formats[int(style)] if known else Format(), from_1904=self.from_1904)


def _read_sheet(builder: Builder, package: Package, part: str, workbook: _Workbook) -> Sheet:
    """The filled cells of a sheet, row by row; what stands behind a damaged place is missing."""
    sheet = Sheet()
    try:
        with package.archive.open(part) as stream:
            _fill(sheet, stream, workbook)
    except (DamagedPartError, etree.XMLSyntaxError):
        builder.warn(f"the part {part} is damaged: rows behind the damage are missing")
    return sheet


def _fill(sheet: Sheet, stream: object, workbook: _Workbook) -> None:
    events = etree.iterparse(
        stream, events=("end",), tag=("{*}row", "{*}mergeCell"), resolve_entities=False, no_network=True
    )
    number = 0
    for _, element in events:
        if element.tag.endswith("mergeCell"):
            corners = [_position(corner) for corner in element.get("ref", "").split(":")]
            if len(corners) == 2 and corners[0] and corners[1]:  # noqa: PLR2004
                sheet.merged.append((*corners[0], *corners[1]))
            continue
        stated = element.get("r", "")
        number = int(stated) if re.fullmatch(r"\d{1,7}", stated) else number + 1
        cells = dict(_cells(element, workbook))
        if cells:
            sheet.rows[number] = cells
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _cells(row: Element, workbook: _Workbook) -> Iterator[tuple[int, str]]:
    column = 0
    for cell in row.iter("{*}c"):
        position = _position(cell.get("r", ""))
        column = position[1] if position else column + 1
        text = workbook.text(cell)
        if text.strip():
            yield column, text


def _position(address: str) -> tuple[int, int] | None:
    """Row and column of an address such as B3, from 1."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        return None
    column = 0
    for letter in found.group(1):
        column = column * _LETTERS + ord(letter) - ord("A") + 1
    return int(found.group(2)), column


def _string(item: Element) -> str:
    """Text of a string with its runs; the readings of Japanese words are left out."""
    return "".join(text.text or "" for text in item.iter("{*}t") if not text.getparent().tag.endswith("rPh"))


def _formats(styles: Element) -> Iterator[Format]:
    custom = {
        int(item.get("numFmtId")): item.get("formatCode", "")
        for item in styles.iter("{*}numFmt")
        if item.get("numFmtId", "").isdigit()
    }
    for group in styles.iter("{*}cellXfs"):
        for entry in group.iter("{*}xf"):
            number = entry.get("numFmtId", "")
            yield format_of(int(number) if number.isdigit() else 0, custom)


def _write_around(builder: Builder, package: Package, part: str, *, figures: bool) -> None:
    """Charts and notes on cells; the figures of charts beside cells stand in the cells anyway."""
    for drawing in package.related(part, "drawing"):
        for chart in package.related(drawing, "chart"):
            root = package.part(chart)
            if root is not None:
                write_chart(builder, root, figures=figures)
    for comments in package.related(part, "comments"):
        root = package.part(comments)
        if root is not None:
            _write_notes(builder, root)


def _write_notes(builder: Builder, root: Element) -> None:
    authors = [author.text or "" for author in root.iter("{*}author")]
    for comment in root.iter("{*}comment"):
        text = _string(comment)
        number = comment.get("authorId", "")
        author = authors[int(number)] if number.isdigit() and int(number) < len(authors) else ""
        by = f" by {author}" if author and not author.startswith("tc=") else ""
        builder.paragraph(f"Note on {comment.get('ref', '')}{by}: {one_line(text.partition(_THREADED)[2] or text)}")
