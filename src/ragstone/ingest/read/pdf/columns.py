"""Tables without rules, such as those of financial reports: figures that stand in columns, a row a line."""

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
_YEAR = re.compile(r"(?:19|20)\d\d(?:\s*\(?[A-Za-z*]{0,3}\)?)?")
_LEAST_ROWS = 2
_LABELS_BETWEEN = 3  # lines without figures between two rows, such as "Operating expenses:"
_HEADER_LINES = 12
_NEAR = 8.0  # points between a column and what stands above it
_BRIDGED = 0.1  # of the rows may reach over the gap between two columns


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that stand together in one cell."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells that were found in some lines of a page."""

    rows: list[list[str]]
    header: bool


Span = tuple[float, float]  # left and right end of a column


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
    if before.text in _SIGNS and len(cell) == 1:
        return False  # a currency sign stands at the left of its column, the figure at the right
    if word.text in _CLOSING:
        return gap > _WIDE_GAP * size
    figures = is_figure(word.text) or word.text in _SIGNS or is_figure(before.text)
    return gap > (_GAP_AT_FIGURE if figures else _WIDE_GAP) * size


def is_figure(text: str) -> bool:
    """Whether a cell holds a figure or what stands for a missing one."""
    return text in _DASHES or is_number(text) or is_number(text.replace(" ", ""))


def is_row(segments: Sequence[Segment]) -> bool:
    """Whether a line looks like a row: a label and figures, or several figures."""
    if len(segments) < 2:  # noqa: PLR2004
        return False
    if len(segments) == 2 and _MARKER.fullmatch(segments[0].text):  # noqa: PLR2004
        return False
    return any(is_figure(segment.text) for segment in segments[1:])


def find_tables(lines: Sequence[Line]) -> dict[int, tuple[int, Table]]:
    """Tables among the lines of a page: index of the first line -> (index behind the last, table)."""
    cut = [segments_of(line) for line in lines]
    found: dict[int, tuple[int, Table]] = {}
    number = 0
    while number < len(lines):
        end = _run(lines, cut, number) if is_row(cut[number]) else number
        if end == number:
            number += 1
            continue
        start = max(_above(lines, cut, number, end), max((behind for behind, _ in found.values()), default=0))
        heads = number - start
        while heads and len(cut[start + heads - 1]) == 1 and lines[start + heads - 1].text.endswith(":"):
            heads -= 1
        table = _table(lines[start:end], cut[start:end], heads)
        if table is not None:
            found[start] = (end, table)
        number = end
    return found


def _run(lines: Sequence[Line], cut: Sequence[list[Segment]], first: int) -> int:
    """Index behind the last row of the table that begins at a row; `first` when it is no table."""
    rows, behind, labels = 1, first + 1, 0
    for number in range(first + 1, len(lines)):
        if not _follows(lines[number - 1], lines[number]):
            break
        if is_row(cut[number]):
            rows, behind, labels = rows + 1, number + 1, 0
        elif len(cut[number]) > 2 or labels == _LABELS_BETWEEN or _is_prose(lines[number], lines[first]):  # noqa: PLR2004
            break
        else:
            labels += 1
    return behind if rows >= _LEAST_ROWS else first


def _follows(above: Line, below: Line) -> bool:
    """Whether a line stands below another, near enough for the same table."""
    return above.top - 2 < below.top < above.bottom + 3.5 * max(above.style.size, below.style.size)


def _is_prose(line: Line, row: Line) -> bool:
    """A line of a paragraph runs on to where the figures stand."""
    return line.right > row.left + 0.75 * (row.right - row.left) and len(line.words) > 6  # noqa: PLR2004


def _above(lines: Sequence[Line], cut: Sequence[list[Segment]], first: int, end: int) -> int:
    """Index of the first line that heads the columns of a table."""
    spans = _columns([cut[number] for number in range(first, end) if is_row(cut[number])])
    if len(spans) < 2:  # noqa: PLR2004
        return first
    labels_end = spans[1][0] - _NEAR
    start = first
    for number in range(first - 1, max(-1, first - 1 - _HEADER_LINES), -1):
        line, below = lines[number], lines[number + 1]
        near = abs(below.top - line.bottom) < 3 * line.style.size or abs(below.top - line.top) < 3 * line.style.size
        if not near or _is_prose(line, lines[first]):
            break
        heads = line.left > labels_end or (len(cut[number]) > 1 and _in_columns(cut[number], spans))
        label = line.right < labels_end and (line.text.endswith(":") or _beside(line, lines[number - 1 : first]))
        if heads:
            start = number
        elif not label:
            break
    return start if start < first else _leading_labels(lines, first, labels_end)


def _leading_labels(lines: Sequence[Line], first: int, labels_end: float) -> int:
    """A line such as "Net sales:" directly above the first row belongs to the table."""
    above = first - 1
    if above >= 0 and lines[above].text.endswith(":") and lines[above].right < labels_end:
        return above if _follows(lines[above], lines[first]) else first
    return first


def _beside(line: Line, others: Sequence[Line]) -> bool:
    """Whether a line stands at the height of another one that heads columns."""
    return any(other is not line and abs(other.top - line.top) < line.style.size for other in others)


def _in_columns(segments: Sequence[Segment], spans: Sequence[Span]) -> bool:
    """Whether each segment stands above a column of its own."""
    over = [[number for number, span in enumerate(spans) if _distance(segment, span) == 0] for segment in segments]
    flat = [number for numbers in over for number in numbers]
    return all(over) and len(flat) == len(set(flat))


def _distance(segment: Segment, span: Span) -> float:
    """Points between a segment and a column; 0 when they overlap."""
    return max(0.0, segment.left - span[1], span[0] - segment.right)


def _columns(rows: Sequence[Sequence[Segment]]) -> list[Span]:
    """Where cells stand above each other; a gap that hardly any row reaches over divides two columns."""
    edges = sorted(
        [(segment.left, 1) for row in rows for segment in row]
        + [(max(segment.right, segment.left + 0.1), -1) for row in rows for segment in row]
    )
    tolerated = int(_BRIDGED * len(rows))
    spans: list[Span] = []
    depth, begin = 0, 0.0
    for place, step in edges:
        if step > 0 and depth == tolerated:
            begin = place
        depth += step
        if step < 0 and depth == tolerated and place > begin:
            spans.append((begin, place))
    return spans


def _table(lines: Sequence[Line], cut: Sequence[list[Segment]], heads: int) -> Table | None:
    """The cells of some lines, the first `heads` of which head the columns."""
    while heads < len(lines) and _is_year_row(cut[heads]):
        heads += 1
    body = list(cut[heads:])
    spans = _columns([row for row in body if is_row(row)])
    if len(spans) < 2 or len(body) < _LEAST_ROWS:  # noqa: PLR2004
        return None
    titles = [""] * len(spans)
    for segment in _from_top(lines[:heads], cut[:heads]):
        for number, span in enumerate(spans):
            if _distance(segment, span) <= (_NEAR if number else 0):
                titles[number] = f"{titles[number]} {segment.text}".strip()
    rows = _joined([_cells(row, spans) for row in body])
    header = any(titles)
    return Table([titles, *rows] if header else rows, header)


def _is_year_row(segments: Sequence[Segment]) -> bool:
    return len(segments) > 0 and all(_YEAR.fullmatch(segment.text) for segment in segments)


def _from_top(lines: Sequence[Line], cut: Sequence[list[Segment]]) -> list[Segment]:
    order = sorted(range(len(lines)), key=lambda number: (round(lines[number].top), lines[number].left))
    return [segment for number in order for segment in cut[number]]


def _cells(segments: Sequence[Segment], spans: Sequence[Span]) -> list[str]:
    cells = [""] * len(spans)
    for segment in segments:
        number = min(range(len(spans)), key=lambda candidate: _offset(segment, spans[candidate]))
        cells[number] = f"{cells[number]} {segment.text}".strip()
    return cells


def _offset(segment: Segment, span: Span) -> tuple[float, float]:
    return _distance(segment, span), abs(segment.left + segment.right - span[0] - span[1])


def _joined(rows: list[list[str]]) -> list[list[str]]:
    """A label that runs over two lines stands in front of the figures again."""
    joined: list[list[str]] = []
    for row in rows:
        above = joined[-1] if joined else None
        if above and above[0] and not any(above[1:]) and row[0][:1].islower():
            joined[-1] = [f"{above[0]} {row[0]}", *row[1:]]
        else:
            joined.append(row)
    return joined
