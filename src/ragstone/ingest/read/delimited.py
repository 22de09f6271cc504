"""CSV and TSV: one table, a row a line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import has_header

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50
_SAMPLE = 256 * 1024  # characters
_LONGEST_CELL = 64 * 1024 * 1024


def read_delimited(source: Source) -> Reading:
    """A table whose delimiter is the one that cuts its first rows most evenly."""
    decoded = decode(source.data)
    tab = source.name.lower().endswith(".tsv")
    builder = Builder("text/tab-separated-values" if tab else "text/csv")
    if decoded.lossy:
        builder.warn(f"some bytes are not valid {decoded.encoding} and were replaced")
    csv.field_size_limit(_LONGEST_CELL)
    delimiter = "\t" if tab and "\t" in decoded.text[:_SAMPLE] else _delimiter(decoded.text[:_SAMPLE])
    table = _Table(decoded.text, delimiter)
    try:
        builder.table(table, header=has_header(table))
    except csv.Error as error:
        raise source.unreadable(f"it is no table ({error})", "Check its quotation marks.") from error
    return builder.build()


class _Table(Iterable[Sequence[str]]):
    """Rows that are cut anew each time they are asked for: a large file is never held as cells."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[Sequence[str]]:
        return filter(any, _cut(self._text, self._delimiter))


def _cut(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(_lines(text), delimiter=delimiter, skipinitialspace=True)


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends, one at a time."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _delimiter(sample: str) -> str:
    """The delimiter whose rows agree best on a width of at least two; a comma if none does."""
    return max(_DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))


def _evenness(sample: str, delimiter: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in islice(_cut(sample, delimiter), _SAMPLE_ROWS) if row]
    except csv.Error:
        return 0.0, 0
    usual = max(set(widths), key=lambda width: (widths.count(width), width), default=1)
    return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual
