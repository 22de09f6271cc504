"""The columns of a table without rules: where they stand, and what heads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from ragstone.ingest.read.pdf.lines import Line
from ragstone.ingest.read.pdf.segments import Segment

Span: TypeAlias = tuple[float, float]  # left and right end of a column

NEAR = 8.0  # points between a column and what stands above it
_BRIDGED = 0.1  # of the rows may reach over the gap between two columns
_LEAST_SHARE = 0.15  # of the width of the columns that a title stands over
_LEVEL = 4.0  # points; titles at the same height differ by less


def columns_of(rows: Sequence[Sequence[Segment]]) -> list[Span]:
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


def distance(segment: Segment, span: Span) -> float:
    """Points between a segment and a column; 0 when they overlap."""
    return max(0.0, segment.left - span[1], span[0] - segment.right)


def offset(segment: Segment, span: Span) -> tuple[float, float]:
    """How far a segment is from a column; among those that it overlaps, the one with the nearest middle is first."""
    return distance(segment, span), abs(segment.left + segment.right - span[0] - span[1])


def titles_of(lines: Sequence[Line], cut: Sequence[list[Segment]], spans: Sequence[Span]) -> list[str]:
    """What heads each column, from the top down; a title over several columns heads each of them."""
    titles: list[list[str]] = [[] for _ in spans]
    segments = [(lines[number].top, segment) for number in range(len(lines)) for segment in cut[number]]
    segments.sort(key=lambda pair: (round(pair[0] / _LEVEL), pair[1].left))
    for _, group in groupby(segments, key=lambda pair: round(pair[0] / _LEVEL)):
        level = [segment for _, segment in group]
        labels = [segment for segment in level if segment.right < spans[1][0] and not distance(segment, spans[0])]
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
        near = [number for number in range(1, len(spans)) if distance(segment, spans[number]) <= NEAR]
        yield segment, near or [min(range(1, len(spans)), key=lambda number: offset(segment, spans[number]))]


def _stands_over(segment: Segment, group: range, spans: Sequence[Span]) -> bool:
    middle = (segment.left + segment.right) / 2
    left, right = spans[group[0]][0], spans[group[-1]][1]
    wide_enough = len(group) == 1 or segment.right - segment.left > _LEAST_SHARE * (right - left)
    return wide_enough and left - NEAR <= middle <= right + NEAR
