"""Tables as Markdown: a row a line, so that a row can be quoted and searched on its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

Rows = Iterable[Sequence[str]]  # must bear several iterations, so that a long table need not be held as cells

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")
_IRREGULAR = re.compile(r"\s\s|[^\S ]|" + _UNPRINTABLE.pattern)
_NUMBER = re.compile(r"[-+(]?[$€£¥]?[-+(]?\d[\d.,'\u00a0\u202f ]*\)?[%‰]?")
_LONGEST_NUMBER = 40  # characters
_HEADER_LOOKS_AT = 50  # rows


def one_line(text: str) -> str:
    """The words of a title or a cell with single spaces between them."""
    if not _IRREGULAR.search(text):
        return text.strip()
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def table_text(rows: Rows, *, header: bool) -> tuple[str, str]:
    """A Markdown pipe table and its header line; rows and columns without any text are left out."""
    used: set[int] = set()
    for row in rows:
        used.update(column for column, cell in enumerate(row) if column not in used and _says_something(cell))
    columns = sorted(used)
    lines = [_line(row, columns) for row in rows if any(map(_says_something, row))]
    first_has_text = any(map(_says_something, next(iter(rows), ())))
    if not header or not first_has_text or len(lines) == 1:
        return "\n".join(lines), ""
    lines.insert(1, "|" + " --- |" * len(columns))
    return "\n".join(lines), lines[0]


def has_header(rows: Rows) -> bool:
    """Whether the first row names columns: it holds no figure, or no row does."""
    first, *others = islice(rows, _HEADER_LOOKS_AT) if any(True for _ in rows) else [()]
    named = [cell for cell in first if _says_something(cell)]
    if not others or not named:
        return False
    return not any(map(is_number, named)) or not any(is_number(cell) for row in others for cell in row)


def is_number(cell: str) -> bool:
    """Whether a cell holds a figure, such as 1,234.5, (12), $7 or 8 %."""
    return len(cell) <= _LONGEST_NUMBER and bool(_NUMBER.fullmatch(cell.strip().replace(" %", "%")))


def _says_something(cell: str) -> bool:
    return bool(cell) and not cell.isspace() and (len(cell) > 1 or bool(one_line(cell)))


def _line(row: Sequence[str], columns: Sequence[int]) -> str:
    cells = (one_line(row[column]).replace("|", r"\|") if column < len(row) else "" for column in columns)
    return "| " + " | ".join(cells) + " |"
