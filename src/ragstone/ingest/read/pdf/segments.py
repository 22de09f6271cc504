"""The cells of a line of a PDF, told apart by the gaps between its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragstone.ingest.read.pdf.lines import Line, Word
from ragstone.ingest.read.tables import is_number

_WIDE_GAP = 1.5  # of the font size; wider than the spaces of justified text
_GAP_AT_FIGURE = 0.75  # figures of neighbouring columns may stand closer
_SIGNS = frozenset("$€£¥")
_CLOSING = frozenset({")", "%", ")%", "pts"})
_DASHES = frozenset({"—", "–", "-", "N/A", "n/a", "NM", "*", "n.m."})  # noqa: RUF001
_MARKER = re.compile(r"[•▪●■◦‣∙*–-]|\(?(?:\d{1,2}|[a-z]|[ivx]+)[.)]", re.IGNORECASE)  # noqa: RUF001
_UNIT = re.compile(r"\s+(?:years?|months?|days?|weeks?|bps|pts|x|million|billion)$")


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that stand together in one cell."""

    text: str
    left: float
    right: float


def segments_of(line: Line) -> list[Segment]:
    """The cells of a line: words are apart where the gap is wide, figures where it is wider than a space."""
    cells: list[list[Word]] = []
    for word in line.words:
        if cells and not _apart(cells[-1], word, line.style.size):
            cells[-1].append(word)
        else:
            cells.append([word])
    return [Segment(" ".join(word.text for word in cell), cell[0].left, cell[-1].right) for cell in cells]


def _apart(cell: Sequence[Word], word: Word, size: float) -> bool:
    before = cell[-1]
    gap = word.left - before.right
    if before.text in _SIGNS:
        return False  # a currency sign stands at the left of its column, the figure at the right
    if word.text in _SIGNS and is_figure(before.text):
        return True
    if word.text in _CLOSING:
        return gap > _WIDE_GAP * size
    figures = is_figure(word.text) or word.text in _SIGNS or is_figure(before.text)
    return gap > (_GAP_AT_FIGURE if figures else _WIDE_GAP) * size


def is_figure(text: str) -> bool:
    """Whether a cell holds a figure or what stands for a missing one."""
    return text in _DASHES or is_number(_UNIT.sub("", text).replace(" ", ""))


def is_row(segments: Sequence[Segment]) -> bool:
    """Whether a line looks like a row: a label and figures, or several figures."""
    if len(segments) < 2:  # noqa: PLR2004
        return False
    if len(segments) == 2 and _MARKER.fullmatch(segments[0].text):  # noqa: PLR2004
        return False
    return any(is_figure(segment.text) for segment in segments[1:])
