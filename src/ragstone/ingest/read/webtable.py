"""HTML tables: those that hold data become rows, those that only arrange a page do not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ragstone.ingest.read.markup import Element

_LONGEST_CELL = 2000  # characters; more is a page arranged in columns
_WIDEST_SPAN = 200  # columns or rows; browsers allow 1000, and no table for readers needs them
_WIDEST_ROW = 500  # columns; cells behind span nothing
_NUMBER = re.compile(r"[0-9]{1,9}")  # Python itself refuses to convert thousands of digits
_GROUPS = ("thead", "tbody", "tfoot")
_INLINE = frozenset(
    """
    a abbr b bdi bdo cite code data del dfn em font i ins kbd label mark math q ruby s samp small span strike
    strong sub sup time tt u var wbr
    """.split()  # noqa: SIM905
)


def holds_data(table: Element) -> bool:
    """Whether a table is one to its reader, and not a frame for columns of text."""
    if table.get("role") in ("presentation", "none"):
        return False
    rows = _own_rows(table)
    cells = [cell for row in rows for cell in _own_cells(row)]
    named = any(cell.tag == "th" for cell in cells)
    if any(cell.find(".//table") is not None for cell in cells) and not named:
        return False
    if any(cell.find(f".//h{level}") is not None for cell in cells for level in range(1, 5)):
        return False
    return bool(cells) and (named or max(len(cell_text(cell)) for cell in cells) < _LONGEST_CELL)


def rows_of(table: Element) -> tuple[list[list[str]], bool]:
    """The rows, and whether the first one is a header; a cell that spans several rows is repeated in each."""
    hanging: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text
    rows: list[list[str]] = []
    own = _own_rows(table)
    for row in own:
        cells: list[str] = []
        for cell in _own_cells(row):
            _fill(cells, hanging)
            text = cell_text(cell)
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            if len(cells) > _WIDEST_ROW:
                across, down = 1, 1
            for _ in range(across):
                if down > 1:
                    hanging[len(cells)] = (down - 1, text)
                cells.append(text)
                text = text if cell.tag == "th" else ""  # a title over several columns names each of them
        _fill(cells, hanging)
        rows.append(cells)
    first = _own_cells(own[0]) if own else []
    in_head = bool(own) and next(own[0].iterancestors("thead", "table")).tag == "thead"
    header = in_head or (bool(first) and all(cell.tag == "th" for cell in first))
    return rows, header


def cell_text(cell: Element) -> str:
    """All text of a cell in one line."""
    pieces: list[str] = []
    for event, element in etree.iterwalk(cell, events=("start", "end")):
        if element.tag not in _INLINE:
            pieces.append(" ")
        if event == "start":
            pieces.append(element.text or "")
        elif element is not cell:
            pieces.append(element.tail or "")
    return " ".join("".join(pieces).split())


def _own_rows(table: Element) -> list[Element]:
    groups = [_parts(group) if group.tag in _GROUPS else [group] for group in _parts(table)]
    return [row for group in groups for row in group if row.tag == "tr"]


def _own_cells(row: Element) -> list[Element]:
    return [cell for cell in _parts(row) if cell.tag in ("td", "th")]


def _parts(element: Element) -> Iterator[Element]:
    """What stands directly in a table, a group or a row; a form around rows or cells is no part of a table."""
    waiting = list(reversed(element))
    while waiting:
        part = waiting.pop()
        if part.tag == "form":
            waiting.extend(reversed(part))
        else:
            yield part


def _fill(cells: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Repeat what hangs down from the rows above."""
    while len(cells) in hanging:
        rows_left, text = hanging.pop(len(cells))
        if rows_left > 1:
            hanging[len(cells)] = (rows_left - 1, text)
        cells.append(text)


def _span(cell: Element, name: str) -> int:
    value = cell.get(name) or "1"
    return min(int(value), _WIDEST_SPAN) or 1 if _NUMBER.fullmatch(value) else 1
