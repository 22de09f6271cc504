"""The lines of a PDF page with the place and style of their words, in the order in which the page was written."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

HYPHEN = "\x02"  # what PDFium makes of a hyphen that divides a word at the end of a line

_BOLD = re.compile(r"bold|black|heavy|semibold|demi|sfbx|cmbx|-bd\b", re.IGNORECASE)
_MONO = re.compile(r"mono|courier|consol|menlo|typewriter|cmtt|sftt|letter ?gothic|code", re.IGNORECASE)
_PICTOGRAMS = re.compile(r"wingdings|dingbats|webdings|symbol|sorts", re.IGNORECASE)
_HEAVY = 600  # font weight
_FIXED_PITCH = 1  # flag of a font
_WIDEST_LETTER = 1.15  # of the font size
_GAP = 0.6  # of the font size; letters farther apart are words
_SCRIPTS = re.compile("(?<=[\u0590-\u07ff\ufb1d-\ufeff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u0590-\u07ff\ufb1d-\ufeff])")
_LAM, _ALEFS = "ل", "اأإآ"
_FONT_NAME = 256  # bytes
_COMMON = 0.5  # of the height of the lower line
_TILTED = 20  # degrees; slightly skewed scans are upright


@dataclass(frozen=True, slots=True)
class Word:
    """Letters without a space between them; places in points from the left edge of the page."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is set."""

    size: float  # points
    bold: bool
    mono: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one base line; `top` and `bottom` in points from the upper edge of the page."""

    words: tuple[Word, ...]
    top: float
    bottom: float
    style: Style
    page: int  # from 1

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def left(self) -> float:
        """Left end of the line."""
        return min(word.left for word in self.words)

    @property
    def right(self) -> float:
        """Right end of the line."""
        return max(word.right for word in self.words)


@dataclass(frozen=True, slots=True)
class Frame:
    """How a page is turned: translates what PDFium measures into what a reader sees."""

    width: float
    height: float
    rotation: int  # degrees, clockwise

    def seen(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Left, top, right, bottom from the upper left corner of the page as it is shown."""
        if self.rotation == 90:  # noqa: PLR2004
            return bottom, left, top, right
        if self.rotation == 180:  # noqa: PLR2004
            return self.width - right, bottom, self.width - left, top
        if self.rotation == 270:  # noqa: PLR2004
            return self.width - top, self.height - right, self.width - bottom, self.height - left
        return left, self.height - top, right, self.height - bottom


def lines_of(textpage: Any, frame: Frame, page: int) -> list[Line]:  # noqa: ANN401  PDFium ships no types
    """All lines of a page; text that stands on its side makes a line of one word."""
    lines: list[Line] = []
    for line in _Page(textpage, frame, page).lines():
        if lines and _same_base(lines[-1], line):
            lines[-1] = _merged(lines[-1], line)
        else:
            lines.append(line)
    return lines


def _same_base(before: Line, line: Line) -> bool:
    """Whether a line goes on to the right of the one before: PDFium breaks lines at raised figures."""
    common = min(before.bottom, line.bottom) - max(before.top, line.top)
    lower = min(before.bottom - before.top, line.bottom - line.top)
    return common > _COMMON * lower and line.left > before.right - 1 and HYPHEN not in before.words[-1].text


def _merged(before: Line, line: Line) -> Line:
    larger = before if before.style.size * len(before.text) >= line.style.size * len(line.text) else line
    return replace(larger, words=before.words + line.words)


class _Page:
    """Reads characters through PDFium's own calls: the wrapper's are ten times slower."""

    def __init__(self, textpage: Any, frame: Frame, page: int) -> None:  # noqa: ANN401
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._raw = textpage.raw
        self._frame = frame
        self._number = page
        self._rect = pdfium.FS_RECTF()
        unicode = pdfium.FPDFText_GetUnicode
        self._codes = [unicode(self._raw, index) for index in range(textpage.count_chars())]

    def lines(self) -> Iterator[Line]:
        """Lines end where PDFium puts a line break, and behind the hyphen of a divided word."""
        start = 0
        for end, code in enumerate([*self._codes, 10]):
            if code in (10, 13) or code == ord(HYPHEN):
                behind = end + (code == ord(HYPHEN))
                if line := self._line(start, behind):
                    yield line
                start = end + 1

    def _line(self, start: int, end: int) -> Line | None:
        spans = list(self._spans(start, end))
        if not spans:
            return None
        upright, style = self._style(spans)
        if not upright:
            return self._standing(spans, style)
        words: list[Word] = []
        tops, bottoms = [], []
        for first, last in spans:
            left, top, right, bottom = self._box(first)
            left_of_last, _, right_of_last, _ = self._box(last)
            span = min(left, left_of_last), max(right, right_of_last)
            if span[1] - span[0] > (last - first + 1.5) * style.size * _WIDEST_LETTER:
                words.extend(self._apart(first, last, style.size))
            else:
                words.append(Word(self._text(first, last + 1), *span))
            tops.append(top)
            bottoms.append(bottom)
        if len(words[0].text) == 1 and _PICTOGRAMS.search(self._font(spans[0][0])[0]):
            words[0] = Word("•", words[0].left, words[0].right)
        middle = len(tops) // 2
        return Line(tuple(words), sorted(tops)[middle], sorted(bottoms)[middle], style, self._number)

    def _standing(self, spans: Sequence[tuple[int, int]], style: Style) -> Line:
        """Text that runs up or down the page: the heading of a narrow column, or a stamp at the edge."""
        boxes = [self._box(index) for index in (spans[0][0], spans[-1][1])]
        text = " ".join(self._text(first, last + 1) for first, last in spans)
        word = Word(text, min(box[0] for box in boxes), max(box[2] for box in boxes))
        return Line((word,), min(box[1] for box in boxes), max(box[3] for box in boxes), style, self._number)

    def _apart(self, first: int, last: int, size: float) -> Iterator[Word]:
        """Letters without a space between them that stand too far apart for a word."""
        begin = first
        for index in range(first, last + 1):
            here, following = self._box(index), self._box(min(index + 1, last))
            if index == last or max(following[0] - here[2], here[0] - following[2]) > _GAP * size:
                begin_box = self._box(begin)
                yield Word(self._text(begin, index + 1), min(begin_box[0], here[0]), max(begin_box[2], here[2]))
                begin = index + 1

    def _spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """First and last index of each word."""
        first = start
        for index in range(start, end + 1):
            if index == end or chr(self._codes[index]).isspace() or self._codes[index] in (0, 0xFFFE, 0xFFFF):
                if index > first:
                    yield first, index - 1
                first = index + 1

    def _text(self, first: int, behind: int) -> str:
        codes: Sequence[int] = self._codes[first:behind]
        text = "".join(map(chr, codes))
        if any(0xD800 <= code < 0xE000 for code in codes):  # noqa: PLR2004  halves of characters beyond 16 bits
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        elif _LAM in text:
            text = self._unreversed(text, first)
        return text if text.isascii() else _SCRIPTS.sub(" ", text)

    def _unreversed(self, text: str, first: int) -> str:
        """The Arabic ligature of lam and alef is one glyph, whose two letters PDFium gives in the wrong order."""
        letters = list(text)
        for index in range(len(letters) - 1):
            pair = letters[index] in _ALEFS and letters[index + 1] == _LAM
            if pair and self._box(first + index) == self._box(first + index + 1):
                letters[index], letters[index + 1] = letters[index + 1], letters[index]
        return "".join(letters)

    def _box(self, index: int) -> tuple[float, float, float, float]:
        self._pdfium.FPDFText_GetLooseCharBox(self._raw, index, self._rect)
        rect = self._rect
        return self._frame.seen(rect.left, rect.bottom, rect.right, rect.top)

    def _style(self, spans: Sequence[tuple[int, int]]) -> tuple[bool, Style]:
        """Whether a line is upright, and its size and weight, judged at both ends and in the middle."""
        matrix = self._pdfium.FS_MATRIX()
        samples = spans[0][0], spans[len(spans) // 2][0], spans[-1][1]
        sizes = []
        for index in samples:
            self._pdfium.FPDFText_GetMatrix(self._raw, index, matrix)
            scale = math.hypot(matrix.c, matrix.d) or 1.0
            sizes.append(self._pdfium.FPDFText_GetFontSize(self._raw, index) * scale)
        angle = (math.degrees(math.atan2(matrix.b, matrix.a)) - self._frame.rotation) % 360
        upright = not _TILTED < angle < 360 - _TILTED
        fonts = [self._font(index) for index in samples]
        weights = [self._pdfium.FPDFText_GetFontWeight(self._raw, index) for index in samples]
        bold = all(_BOLD.search(name) or weight >= _HEAVY for (name, _), weight in zip(fonts, weights, strict=True))
        mono = all(fixed or _MONO.search(name) for name, fixed in fonts)
        return upright, Style(round(sorted(sizes)[1], 1), bold, mono)

    def _font(self, index: int) -> tuple[str, bool]:
        """Name of a font, and whether all its letters are equally wide."""
        buffer = ctypes.create_string_buffer(_FONT_NAME)
        flags = ctypes.c_int()
        self._pdfium.FPDFText_GetFontInfo(self._raw, index, buffer, _FONT_NAME, flags)
        return buffer.value.decode("utf-8", "replace"), bool(flags.value & _FIXED_PITCH)
