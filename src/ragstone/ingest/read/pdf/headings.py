"""Which lines of a PDF are headings: larger than the body text, or bold lines of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ragstone.ingest.read.pdf.lines import Line

_LARGER = 1.12  # times the body size
_MOST_LEVELS = 6  # of sizes; bold lines come below
_LONGEST = 160  # characters
_SAME = 0.6  # points between sizes that count as one
_MOST_BOLD = 0.35  # of the lines; in a document with more, bold means nothing
_SENTENCE_END = re.compile(r"[.,;]$")
_LETTERS = re.compile(r"[^\W\d_]{2,}")


class Headings:
    """Tells the level of each line, from 1; 0 for text."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._body = _body_size(lines)
        self._sizes = _levels(lines, self._body)
        bold = sum(1 for line in lines if line.style.bold)
        self._bold_counts = bool(lines) and bold < _MOST_BOLD * len(lines)
        self._right = _text_edge(lines)

    def level(self, line: Line) -> int:
        """The level of a heading; 0 when the line is no heading."""
        text = line.text
        if len(text) > _LONGEST or line.style.mono or not _LETTERS.search(text):
            return 0
        if line.style.size >= self._body * _LARGER:
            return self._level_of_size(line.style.size)
        if not self._bold_counts or not line.style.bold or line.style.size < self._body - _SAME:
            return 0
        if _SENTENCE_END.search(text) or line.right > self._right:
            return 0
        return len(self._sizes) + (1 if text.isupper() else 2)

    def _level_of_size(self, size: float) -> int:
        for level, known in enumerate(self._sizes, 1):
            if size >= known - _SAME:
                return level
        return len(self._sizes)


def _body_size(lines: Sequence[Line]) -> float:
    """The size in which most letters are set."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.style.size * 2) / 2] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def _levels(lines: Sequence[Line], body: float) -> list[float]:
    """Sizes of headings, largest first; sizes that are nearly the same are one level."""
    sizes = sorted({line.style.size for line in lines if line.style.size >= body * _LARGER}, reverse=True)
    levels: list[float] = []
    for size in sizes:
        if not levels or levels[-1] - size > _SAME:
            levels.append(size)
    return levels[:_MOST_LEVELS]


def _text_edge(lines: Sequence[Line]) -> float:
    """Where full lines end, less a little: a bold line that runs so far is part of a paragraph."""
    rights = sorted(line.right for line in lines)
    return rights[int(0.9 * len(rights))] * 0.97 if rights else 0.0
