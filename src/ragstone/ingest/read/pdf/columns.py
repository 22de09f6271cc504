"""Tables without rules, such as those of financial reports: figures that stand in columns, a row a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ragstone.ingest.read.pdf.lines import Line, Word
from ragstone.ingest.read.tables import is_number

_WIDE_GAP = 1.5  # of the font size; wider than the spaces of justified text
_GAP_AT_FIGURE = 0.75  # figures of neighbouring columns may stand closer
_SIGNS = frozenset("$€£¥")
_CLOSING = frozenset({")", "%", ")%", "pts"})
_DASHES = frozenset({"—", "–", "-", "N/A", "n/a", "NM", "*", "n.m."})  # noqa: RUF001
_MARKER = re.compile(r"[•▪●■◦‣∙*–-]|\(?(?:\d{1,2}|[a-z]|[ivx]+)[.)]", re.IGNORECASE)  # noqa: RUF001
_YEAR = re.compile(r"(?:19|20)\d\d(?:\s*\(?[A-Za-z*]{0,3}\)?)?")
_UNIT = re.compile(r"\s+(?:years?|months?|days?|weeks?|bps|pts|x|million|billion)$")
_LEAST_ROWS = 2
_LABELS_BETWEEN = 3  # lines without figures between two rows, such as "Operating expenses:"
_HEADER_LINES = 12
_LABEL_WORDS = 10
_NEAR = 8.0  # points between a column and what stands above it
_LEAST_SHARE = 0.15  # of the width of the columns that a title stands over
_LEVEL = 4.0  # points; titles at the same height differ by less
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
    spans = _columns([cut[number] for number in range(first, end) if is_row(cut[number])])
    start = below = first
    if len(spans) < 2:  # noqa: PLR2004
        return start, below
    labels_end = spans[1][0] - _NEAR
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
    titles = _titles(lines[:heads], cut[:heads], spans)
    rows = _joined([_cells(row, spans) for row in body])
    header = any(titles)
    return Table([titles, *rows] if header else rows, header)


def _is_year_row(segments: Sequence[Segment]) -> bool:
    return len(segments) > 0 and all(_YEAR.fullmatch(segment.text) for segment in segments)


def _titles(lines: Sequence[Line], cut: Sequence[list[Segment]], spans: Sequence[Span]) -> list[str]:
    """What heads each column, from the top down; a title over several columns heads each of them."""
    titles: list[list[str]] = [[] for _ in spans]
    segments = [(lines[number].top, segment) for number in range(len(lines)) for segment in cut[number]]
    segments.sort(key=lambda pair: (round(pair[0] / _LEVEL), pair[1].left))
    for _, group in groupby(segments, key=lambda pair: round(pair[0] / _LEVEL)):
        level = [segment for _, segment in group]
        labels = [segment for segment in level if segment.right < spans[1][0] and not _distance(segment, spans[0])]
        titles[0].extend(segment.text for segment in labels)
        for segment, columns in _headed([segment for segment in level if segment not in labels], spans):
            for column in columns:
                titles[column].append(segment.text)
    return [" ".join(title) for title in titles]


def _headed(level: Sequence[Segment], spans: Sequence[Span]) -> Iterator[tuple[Segment, Iterable[int]]]:
    """The columns that each title of one level stands over: equally many for each if that fits their places."""
    figures = len(spans) - 1
    if level and figures % len(level) == 0:
        width = figures // len(level)
        groups = [range(1 + number * width, 1 + (number + 1) * width) for number in range(len(level))]
        if all(_stands_over(segment, group, spans) for segment, group in zip(level, groups, strict=True)):
            yield from zip(level, groups, strict=True)
            return
    for segment in level:
        near = [number for number in range(1, len(spans)) if _distance(segment, spans[number]) <= _NEAR]
        yield segment, near or [min(range(1, len(spans)), key=lambda number: _offset(segment, spans[number]))]


def _stands_over(segment: Segment, group: range, spans: Sequence[Span]) -> bool:
    middle = (segment.left + segment.right) / 2
    left, right = spans[group[0]][0], spans[group[-1]][1]
    wide_enough = len(group) == 1 or segment.right - segment.left > _LEAST_SHARE * (right - left)
    return wide_enough and left - _NEAR <= middle <= right + _NEAR


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
