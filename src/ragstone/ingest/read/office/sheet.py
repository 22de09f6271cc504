"""The cells of one sheet, and how they fall into tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.tables import has_header

_LARGEST_MERGE = 1000  # cells; larger ones are layout


@dataclass(slots=True)
class Sheet:
    """Filled cells by row and column, from 1."""

    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)  # first row, column, last row, column


def write_sheet(builder: Builder, sheet: Sheet) -> None:
    """Add each block of rows as a table; rows of one cell above it are its title."""
    for group in _groups(sheet):
        while len(group) > 1 and len(group[0]) == 1 and any(len(row) > 1 for row in group):
            builder.paragraph(next(iter(group.pop(0).values())))
        columns = sorted({column for row in group for column in row})
        rows = [[row.get(column, "") for column in columns] for row in group]
        builder.table(rows, header=has_header(rows))


def _groups(sheet: Sheet) -> Iterator[list[dict[int, str]]]:
    """Rows without an empty one between them."""
    _spread(sheet)
    group: list[dict[int, str]] = []
    previous = 0
    for number in sorted(sheet.rows):
        if group and number != previous + 1:
            yield group
            group = []
        group.append(sheet.rows[number])
        previous = number
    if group:
        yield group


def _spread(sheet: Sheet) -> None:
    """A merged cell says its text in each row that it spans, and over each column if others stand beside it."""
    for top, left, bottom, right in sheet.merged:
        row = sheet.rows.get(top, {})
        text = row.get(left, "")
        if not text or (bottom - top + 1) * (right - left + 1) > _LARGEST_MERGE:
            continue
        last = right if len(row) > 1 else left
        for number in range(top, bottom + 1):
            for column in range(left, last + 1) if number in sheet.rows else ():
                sheet.rows[number].setdefault(column, text)
