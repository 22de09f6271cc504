"""PDF files, read with PDFium."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.pdf.columns import Table, find_tables
from ragstone.ingest.read.pdf.flow import Element, write_flow
from ragstone.ingest.read.pdf.grids import Grid, fill, grids_of
from ragstone.ingest.read.pdf.lines import Frame, Line, lines_of
from ragstone.ingest.read.pdf.margins import without_margins
from ragstone.ingest.read.pdf.rules import Rules, rules_of
from ragstone.ingest.read.pdf.scans import Scans
from ragstone.ingest.read.source import Source

_TRAILER_WITHIN = 2048  # bytes from the end
_NO_PAGES = re.compile(rb"/Count\s+0\b")
_A_PAGE = re.compile(rb"/Type\s*/Page\b|/ObjStm\b")
_USEFUL_TITLE = re.compile(r"[^\W\d_]{2,}[\s_-]+[^\W\d_]{2,}")
_MACHINE_TITLE = re.compile(r"\.(?:docx?|pptx?|xlsx?|indd|tex|pdf|html?)$|^microsoft |^untitled", re.IGNORECASE)


def read_pdf(source: Source) -> Reading:
    """A PDF with its text layer; scanned pages are read by OCR if the limits say so."""
    builder = Builder("application/pdf")
    document = _opened(source)
    try:
        builder.title = _title(document)
        if b"%%EOF" not in source.data[-_TRAILER_WITHIN:]:
            builder.warn("the file seems to be cut off: pages may be missing")
        count = min(len(document), source.limits.pages)
        if count < len(document):
            builder.warn(f"only the first {count} of {len(document)} pages were read")
        scans = Scans(ocr=source.limits.ocr)
        lines, rules, heights = _pages(document, count, scans)
    finally:
        document.close()
    write_flow(builder, [element for page in _elements(without_margins(lines, heights), rules) for element in page])
    for warning in scans.warnings():
        builder.warn(warning)
    return builder.build()


def _opened(source: Source) -> Any:  # noqa: ANN401  PDFium ships no types
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        return pypdfium2.PdfDocument(source.data)
    except pypdfium2.PdfiumError as error:
        # PDFium opens no document without pages, and leaves the error of an earlier document standing.
        if _NO_PAGES.search(source.data) and not _A_PAGE.search(source.data):
            raise source.unreadable("it has no pages", "Get a complete copy, or export it again.") from error
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise source.unreadable("it is protected by a password", "Remove the password and try again.") from error
        raise source.unreadable(
            "the PDF is damaged or cut off", "Get a complete copy, for example by downloading it again."
        ) from error


def _title(document: Any) -> str:  # noqa: ANN401
    """The title of the metadata, if a person wrote it."""
    title = str(document.get_metadata_value("Title")).strip()
    return title if _USEFUL_TITLE.search(title) and not _MACHINE_TITLE.search(title) else ""


def _pages(document: Any, count: int, scans: Scans) -> tuple[list[list[Line]], list[Rules], list[float]]:  # noqa: ANN401
    import pypdfium2

    lines: list[list[Line]] = []
    rules: list[Rules] = []
    heights: list[float] = []
    for number in range(1, count + 1):
        try:
            page = document[number - 1]
        except pypdfium2.PdfiumError:
            scans.damaged.append(number)
            continue
        rotation = page.get_rotation()
        width, height = page.get_size()
        turned = rotation in (90, 270)
        frame = Frame(height, width, rotation) if turned else Frame(width, height, rotation)
        textpage = page.get_textpage()
        found = lines_of(textpage, frame, number)
        lines.append(found or scans.read(page, number))
        rules.append(rules_of(page, frame) if found else Rules([], []))
        heights.append(height)
        textpage.close()
        page.close()
    return lines, rules, heights


def _elements(pages: Sequence[list[Line]], rules: Sequence[Rules]) -> Iterator[list[Element]]:
    for lines, ruled in zip(pages, rules, strict=True):
        elements: list[Element] = list(lines)
        for grid in grids_of(ruled):
            inside = [element for element in elements if isinstance(element, Line) and grid.holds(element)]
            table = fill(grid, inside) if inside else None
            if table is not None:
                elements = _with_table(elements, inside, table, grid)
        yield _with_columns(elements)


def _with_table(elements: Sequence[Element], inside: Sequence[Line], table: Table, grid: Grid) -> list[Element]:
    """The table in front of what stands below it; rules and their text are often drawn last."""
    taken = set(map(id, inside))
    others = [element for element in elements if id(element) not in taken]
    place = next((number for number, element in enumerate(others) if _is_below(element, grid)), len(others))
    return [*others[:place], (inside[0].page, table), *others[place:]]


def _is_below(element: Element, grid: Grid) -> bool:
    return (
        isinstance(element, Line)
        and element.top >= grid.ys[-1] - 1
        and element.left < grid.xs[-1]
        and element.right > grid.xs[0]
    )


def _with_columns(elements: Sequence[Element]) -> list[Element]:
    """Tables without rules among the lines between ruled ones."""
    replaced: list[Element] = []
    lines: list[Line] = []
    for element in [*elements, None]:
        if isinstance(element, Line):
            lines.append(element)
            continue
        tables = find_tables(lines)
        number = 0
        while number < len(lines):
            if number in tables:
                behind, table = tables[number]
                replaced.append((lines[number].page, table))
                number = behind
            else:
                replaced.append(lines[number])
                number += 1
        lines = []
        if element is not None:
            replaced.append(element)
    return replaced
