"""Plain text: the file's own characters, a block for each paragraph."""

from __future__ import annotations

import re
from itertools import accumulate

from ragstone.domain import BlockKind, Reading
from ragstone.ingest.read.builder import Verbatim
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.source import Source

_BLANK_LINES = re.compile(r"\n\s*\n")


def read_plain(source: Source) -> Reading:
    """A text without markup; paragraphs are what stands between blank lines."""
    verbatim = verbatim_text(source, "text/plain")
    mark_paragraphs(verbatim, 0, len(verbatim.text))
    return verbatim.build()


def verbatim_text(source: Source, media_type: str) -> Verbatim:
    """The file's decoded text without any block yet."""
    decoded = decode(source.data)
    verbatim = Verbatim(decoded.text, media_type)
    if decoded.lossy:
        verbatim.warnings.append(f"some bytes are not valid {decoded.encoding} and were replaced")
    return verbatim


def mark_paragraphs(verbatim: Verbatim, start: int, end: int) -> None:
    """Mark the paragraphs of `text[start:end]`."""
    position = start
    for gap in _BLANK_LINES.finditer(verbatim.text, start, end):
        verbatim.block(BlockKind.PARAGRAPH, position, gap.start())
        position = gap.end()
    verbatim.block(BlockKind.PARAGRAPH, position, end)


def line_starts(text: str) -> list[int]:
    r"""Offset of each line, and at last the offset behind the text; lines end with "\n" only."""
    lengths = (len(line) + 1 for line in text.split("\n"))
    starts = [0, *accumulate(lengths)]
    starts[-1] = len(text)
    return starts
