"""OpenDocument: texts, sheets and presentations (ODT, ODS, ODP)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import repeat

from lxml import etree

from ragstone.domain import Reading
from ragstone.ingest.read.archive import Archive, DamagedPartError
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.markup import Element, local_name, parse_xml
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import has_header, one_line

_MOST_REPEATED = 100  # cells or rows that stand for several; more is the empty rest of a sheet
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_TRANSPARENT = frozenset({"section", "frame", "g", "a", "index-body", "body", "text", "soft-page-break"})
_BOXES = frozenset(
    """
    text-box custom-shape rect circle ellipse polygon polyline regular-polygon path line connector measure caption
    """.split()  # noqa: SIM905
)
_BOX_TAGS = tuple(f"{{*}}{name}" for name in sorted(_BOXES))
_SKIPPED = frozenset(
    {"tracked-changes", "annotation", "note-citation", "ruby-text", "image", "object", "sequence-decls", "forms"}
)


def read_odf(source: Source) -> Reading:
    """A document, workbook or presentation of LibreOffice and its relatives."""
    archive = Archive(source)
    kind = {"ods": "spreadsheet", "odp": "presentation"}.get(source.name.lower().rpartition(".")[2], "text")
    builder = Builder(f"application/vnd.oasis.opendocument.{kind}")
    try:
        root, sound = parse_xml(archive.read("content.xml"))
    except (DamagedPartError, etree.XMLSyntaxError) as error:
        raise source.unreadable(
            "its main part content.xml is damaged or encrypted", "Open it in its program and save it again."
        ) from error
    if not sound:
        builder.warn("the part content.xml is damaged: text behind the damage is missing")
    body = root.find("{*}body")
    for content in [] if body is None else body:
        _write_content(builder, content)
    return builder.build()


def _write_content(builder: Builder, content: Element) -> None:
    page = 0
    for child in content:
        name = local_name(child)
        if name == "page":
            page += 1
            builder.page(page, apart=True)
            _write(builder, child)
        elif name == "table" and local_name(content) == "spreadsheet":
            page += 1
            builder.page(page, apart=True)
            builder.heading(_attribute(child, "name"), 1)
            _write_sheet(builder, child)
        else:
            _write_element(builder, child)


def _write(builder: Builder, parent: Element) -> None:
    for child in parent:
        _write_element(builder, child)


def _write_element(builder: Builder, element: Element) -> None:
    name = local_name(element)
    if name == "h":
        builder.heading(_text(element), _count(element, "outline-level"))
        _write_boxes(builder, element)
    elif name == "p":
        builder.paragraph(_text(element))
        _write_boxes(builder, element)
    elif name == "list":
        builder.listing(_items(element, 0))
        _write_boxes(builder, element)
    elif name == "table":
        rows = list(_rows(element))
        builder.table(rows, header=has_header(rows))
    elif name == "frame" and _attribute(element, "class") == "title":
        builder.heading(one_line(" ".join(_paragraphs(element))), 1)
    elif name == "notes":
        text = "\n".join(_paragraphs(element)).strip()
        builder.paragraph(f"Notes: {text}" if text else "")
    elif name in _TRANSPARENT or name in _BOXES or name.endswith("-index") or name == "table-of-content":
        _write(builder, element)


def _write_boxes(builder: Builder, element: Element) -> None:
    """Text boxes and drawn shapes that are anchored in a paragraph or a list; each writes those inside it."""
    around = next(element.iterancestors(*_BOX_TAGS), None)
    for box in element.iter(*_BOX_TAGS):
        if next(box.iterancestors(*_BOX_TAGS), None) is around:
            _write(builder, box)


def _items(element: Element, depth: int) -> Iterator[str]:
    for item in element:
        marker = "- "
        for child in item:
            if local_name(child) == "list":
                yield from _items(child, depth + 1)
            elif text := one_line(_text(child)):
                yield "  " * depth + marker + text
                marker = "  "


def _text(element: Element) -> str:
    """Text of a paragraph, without notes on it and boxes in it."""
    pieces = [element.text or ""]
    for child in element:
        name = local_name(child)
        if name == "s":
            pieces.append(" " * min(_count(child, "c"), _MOST_REPEATED))
        elif name == "tab":
            pieces.append("\t")
        elif name == "line-break":
            pieces.append("\n")
        elif name == "note":
            pieces.append(f" [{' '.join(one_line(_text(paragraph)) for paragraph in child.iter('{*}p'))}]")
        elif name not in _SKIPPED and name not in _BOXES and name not in ("frame", "g"):
            pieces.append(_text(child))
        pieces.append(child.tail or "")
    return "".join(pieces)


def _paragraphs(element: Element) -> Iterator[str]:
    """The text of each paragraph, also of those in boxes; comments are left out, and notes stand where they belong."""
    for paragraph in element.iter("{*}p"):
        if next(paragraph.iterancestors("{*}annotation", "{*}note"), None) is None:
            yield _text(paragraph)


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table.iter("{*}table-row"):
        if next(row.iterancestors("{*}table"), None) is not table:
            continue
        cells: list[str] = []
        for cell in row:
            if local_name(cell) not in ("table-cell", "covered-table-cell"):
                continue
            text = " ".join(_paragraphs(cell))
            times = _count(cell, "number-columns-repeated")
            cells.extend([text] * (times if times <= _MOST_REPEATED else 1))
        times = min(_count(row, "number-rows-repeated"), _MOST_REPEATED) if any(cells) else 1
        yield from repeat(cells, times)


def _write_sheet(builder: Builder, table: Element) -> None:
    """Rows between empty ones are tables; rows of one cell above a table are its title."""
    group: list[list[str]] = []
    for row in [*_rows(table), []]:
        if any(cell.strip() for cell in row):
            group.append(row)
            continue
        while len(group) > 1 and sum(bool(cell.strip()) for cell in group[0]) == 1:
            builder.paragraph(" ".join(group.pop(0)))
        builder.table(group, header=has_header(group))
        group = []


def _count(element: Element, name: str) -> int:
    """A positive number of few digits, else 1."""
    value = _attribute(element, name)
    return int(value) if _NUMBER.fullmatch(value) else 1


def _attribute(element: Element, name: str) -> str:
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""
