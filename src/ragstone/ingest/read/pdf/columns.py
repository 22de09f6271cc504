"""Tables without rules, such as those of financial reports: figures that stand in columns, a row a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragstone.ingest.read.pdf.lines import Line
from ragstone.ingest.read.pdf.segments import Segment, is_row, segments_of
from ragstone.ingest.read.pdf.spans import NEAR, Span, columns_of, distance, offset, titles_of

_YEAR = re.compile(r"(?:19|20)\d\d(?:\s*\(?[A-Za-z*]{0,3}\)?)?")
_LEAST_ROWS = 2
_LABELS_BETWEEN = 3  # lines without figures between two rows, such as "Operating expenses:"
_HEADER_LINES = 12
_LABEL_WORDS = 10


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells that were found in some lines of a page."""

    rows: list[list[str]]
    header: bool


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
        start, below = _above(lines, cut, number, end)
        start = max(start, max((behind for behind, _ in found.values()), default=0))
        table = _table(lines[start:end], cut[start:end], max(0, below - start))
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
        elif len(cut[number]) > 2 or labels == _LABELS_BETWEEN or _is_prose(lines[number], cut[number], lines[first]):  # noqa: PLR2004
            break
        else:
            labels += 1
    return behind if rows >= _LEAST_ROWS else first


def _follows(above: Line, below: Line) -> bool:
    """Whether a line stands below another, near enough for the same table."""
    return above.top - 2 < below.top < above.bottom + 3.5 * max(above.style.size, below.style.size)


def _is_prose(line: Line, segments: Sequence[Segment], row: Line) -> bool:
    """A line of a paragraph runs on to where the figures stand."""
    return len(segments) == 1 and len(line.words) > 6 and line.right > row.left + 0.75 * (row.right - row.left)  # noqa: PLR2004


def _above(lines: Sequence[Line], cut: Sequence[list[Segment]], first: int, end: int) -> tuple[int, int]:
    """Indices of the first line that heads the columns of a table, and of the first line below those."""
    spans = columns_of([cut[number] for number in range(first, end) if is_row(cut[number])])
    start = below = first
    if len(spans) < 2:  # noqa: PLR2004
        return start, below
    labels_end = spans[1][0] - NEAR
    for number in range(first - 1, max(-1, first - 1 - _HEADER_LINES), -1):
        line = lines[number]
        if not _is_near(line, lines[number + 1]) or _is_prose(line, cut[number], lines[first]):
            break
        if line.left > labels_end or (len(cut[number]) > 1 and _in_columns(cut[number], spans)):
            below = number + 1 if start == first else below
            start = number
        elif not _is_label(line, spans[0], labels_end) or not _beside(line, lines[start:first]):
            break
    if start == first and first and _leads(lines[first - 1], lines[first], labels_end):
        start = below = first - 1
    return start, below


def _is_near(line: Line, below: Line) -> bool:
    """Whether two neighbours in the page's order are near each other, above or beside."""
    limit = 3 * line.style.size
    return abs(below.top - line.bottom) < limit or abs(below.top - line.top) < limit


def _beside(line: Line, heads: Sequence[Line]) -> bool:
    """Whether a label stands at the height of the titles, or below all of them."""
    return not heads or any(abs(head.top - line.top) < line.style.size for head in heads)


def _is_label(line: Line, labels: Span, labels_end: float) -> bool:
    """Whether a line stands in the column of the labels, such as "(in millions)" or "Assets"."""
    at_left = line.left < labels[0] + 3 * line.style.size or line.text.endswith(":")
    return at_left and line.right < labels_end and len(line.words) <= _LABEL_WORDS


def _leads(line: Line, row: Line, labels_end: float) -> bool:
    """A line such as "Net sales:" directly above the first row belongs to the table."""
    begins = line.text.endswith(":") and line.text[:1].isupper()
    return begins and line.right < labels_end and _follows(line, row)


def _in_columns(segments: Sequence[Segment], spans: Sequence[Span]) -> bool:
    """Whether each segment stands above a column of its own."""
    over = [[number for number, span in enumerate(spans) if distance(segment, span) == 0] for segment in segments]
    flat = [number for numbers in over for number in numbers]
    return all(over) and len(flat) == len(set(flat))


def _table(lines: Sequence[Line], cut: Sequence[list[Segment]], heads: int) -> Table | None:
    """The cells of some lines, the first `heads` of which head the columns."""
    while heads < len(lines) and _is_year_row(cut[heads]):
        heads += 1
    body = list(cut[heads:])
    spans = columns_of([row for row in body if is_row(row)])
    if len(spans) < 2 or len(body) < _LEAST_ROWS:  # noqa: PLR2004
        return None
    titles = titles_of(lines[:heads], cut[:heads], spans)
    rows = _joined([_cells(row, spans) for row in body])
    header = any(titles)
    return Table([titles, *rows] if header else rows, header)


def _is_year_row(segments: Sequence[Segment]) -> bool:
    return len(segments) > 0 and all(_YEAR.fullmatch(segment.text) for segment in segments)


def _cells(segments: Sequence[Segment], spans: Sequence[Span]) -> list[str]:
    cells = [""] * len(spans)
    for segment in segments:
        number = min(range(len(spans)), key=lambda candidate: offset(segment, spans[candidate]))
        cells[number] = f"{cells[number]} {segment.text}".strip()
    return cells


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
