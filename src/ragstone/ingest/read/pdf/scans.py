"""Pages without a text layer: read by OCR when it is wanted and installed, else reported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ragstone.ingest.read.ocr import OcrMissingError, load_ocr
from ragstone.ingest.read.pdf.lines import Line, Style, Word

_DPI = 200
_POINTS = 72  # an inch
_MOST_PIXELS = 25_000_000  # of a picture; posters are rendered coarser


class Scans:
    """Keeps account of the pages of one document that have no text."""

    def __init__(self, *, ocr: bool) -> None:
        self.damaged: list[int] = []
        self._without_text: list[int] = []
        self._read: list[int] = []
        self._wanted = ocr
        self._missing = False

    def read(self, page: Any, number: int) -> list[Line]:  # noqa: ANN401  PDFium ships no types
        """The lines of a scanned page; none when OCR is off, not installed or finds nothing."""
        if not _shows_anything(page):
            return []
        lines = self._recognised(page, number) if self._wanted and not self._missing else []
        (self._read if lines else self._without_text).append(number)
        return lines

    def warnings(self) -> Iterator[str]:
        """What to tell the user."""
        if self.damaged:
            yield f"{_named(self.damaged)} damaged and left out"
        if self._read:
            yield f"{_named(self._read)} scanned: the text is recognised and may have errors"
        if self._without_text:
            remedy = "" if self._wanted and not self._missing else "; install ragstone[ocr] and switch OCR on"
            yield f"{_named(self._without_text, verb='has')} no text{remedy}"

    def _recognised(self, page: Any, number: int) -> list[Line]:  # noqa: ANN401
        try:
            recognise = load_ocr()
        except OcrMissingError:
            self._missing = True
            return []
        width, height = page.get_size()
        scale = min(_DPI / _POINTS, math.sqrt(_MOST_PIXELS / max(1.0, width * height)))
        bitmap = page.render(scale=scale)
        lines = []
        for text, (left, top, right, bottom) in recognise(bitmap.to_numpy()):
            words = (Word(text, left / scale, right / scale),)
            size = round((bottom - top) / scale * 0.8, 1)  # the box is a little higher than the letters
            lines.append(Line(words, top / scale, bottom / scale, Style(size, bold=False, mono=False), number))
        return lines


def _shows_anything(page: Any) -> bool:  # noqa: ANN401
    import pypdfium2.raw as pdfium

    return bool(pdfium.FPDFPage_CountObjects(page.raw))


def _named(pages: Sequence[int], verb: str = "is") -> str:
    """Such as "page 3 is" or "pages 1, 4-9 have"."""
    runs = []
    for _, group in groupby(enumerate(pages), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in group]
        runs.append(f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0]))
    plural = {"is": "are", "has": "have"}[verb]
    return f"page {runs[0]} {verb}" if len(pages) == 1 else f"pages {', '.join(runs)} {plural}"
