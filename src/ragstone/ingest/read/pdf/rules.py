"""The ruling lines of a page, straight from its drawing commands."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ragstone.ingest.read.pdf.lines import Frame

_THIN = 2.0  # points; what is thicker is an area
_SHORTEST = 4.0  # points; shorter strokes are dots and ticks
_MOST_OBJECTS = 20_000  # of a page; maps and plots have more, and no tables worth the time
_MOST_RULES = 1500  # in each direction
_MOST_SEGMENTS = 500  # of a path


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line in points from the upper left corner; `place` across it, `start` to `end` along it."""

    place: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The ruling lines of a page by direction."""

    across: list[Rule]  # horizontal
    down: list[Rule]  # vertical

    @property
    def enough(self) -> bool:
        """Whether they could make a table of two columns and two rows."""
        return len(self.across) >= 3 and len(self.down) >= 3  # noqa: PLR2004


def rules_of(page: Any, frame: Frame) -> Rules:  # noqa: ANN401  PDFium ships no types
    """Thin lines and the edges of framed boxes; filled areas are shading and rule nothing."""
    rules = Rules([], [])
    for left, top, right, bottom in _strokes(page, frame):
        if bottom - top <= _THIN and right - left >= _SHORTEST:
            rules.across.append(Rule((top + bottom) / 2, left, right))
        elif right - left <= _THIN and bottom - top >= _SHORTEST:
            rules.down.append(Rule((left + right) / 2, top, bottom))
    if max(len(rules.across), len(rules.down)) > _MOST_RULES:
        return Rules([], [])
    return rules


def _strokes(page: Any, frame: Frame) -> Iterator[tuple[float, float, float, float]]:  # noqa: ANN401
    import pypdfium2.raw as pdfium

    count = pdfium.FPDFPage_CountObjects(page.raw)
    if count > _MOST_OBJECTS:
        return
    box = [ctypes.c_float() for _ in range(4)]
    for index in range(count):
        item = pdfium.FPDFPage_GetObject(page.raw, index)
        if pdfium.FPDFPageObj_GetType(item) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        if not pdfium.FPDFPageObj_GetBounds(item, *box):
            continue
        left, bottom, right, top = (side.value for side in box)
        if right - left <= _THIN or top - bottom <= _THIN:
            yield frame.seen(left, bottom, right, top)
        elif _is_stroked(item):
            for edge in _segments(item):
                yield frame.seen(*edge)


def _is_stroked(item: Any) -> bool:  # noqa: ANN401
    import pypdfium2.raw as pdfium

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    return bool(pdfium.FPDFPath_GetDrawMode(item, fill, stroke)) and bool(stroke.value)


def _segments(item: Any) -> Iterator[tuple[float, float, float, float]]:  # noqa: ANN401
    """Straight pieces of a path as left, bottom, right, top."""
    import pypdfium2.raw as pdfium

    count = pdfium.FPDFPath_CountSegments(item)
    if count > _MOST_SEGMENTS:
        return
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(item, matrix)
    x, y = ctypes.c_float(), ctypes.c_float()
    here, begin = (0.0, 0.0), (0.0, 0.0)
    for index in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(item, index)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        there = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            begin = there
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield _box(here, there)
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield _box(there, begin)
        here = there


def _box(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float, float, float]:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])
