"""reStructuredText and AsciiDoc: the file's own characters, with headings and literal blocks marked in place."""

from __future__ import annotations

import re

from ragstone.domain import BlockKind, Reading
from ragstone.ingest.read.plain import line_starts, mark_paragraphs, verbatim_text
from ragstone.ingest.read.source import Source

_UNDERLINE = re.compile(r"([=\-~^\"'`#*+:.<>_])\1{2,}[ \t]*")
_EQUALS = re.compile(r"(={1,6})[ \t]+(\S.*)")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|`{3,})[ \t]*")


def read_rst(source: Source) -> Reading:
    """Titles are lines with an underline; the order in which underlines first occur gives their levels."""
    verbatim = verbatim_text(source, "text/x-rst")
    lines, starts = verbatim.text.split("\n"), line_starts(verbatim.text)
    levels: dict[tuple[str, bool], int] = {}
    position = 0
    for number in range(1, len(lines)):
        title, under = lines[number - 1].strip(), lines[number]
        if not title or not _UNDERLINE.fullmatch(under) or _UNDERLINE.fullmatch(title):
            continue
        over = number > 1 and lines[number - 2].strip() == under.strip()
        if len(under.strip()) < len(title) or (not over and number > 1 and lines[number - 2].strip()):
            continue
        level = levels.setdefault((under[0], over), len(levels) + 1)
        first = starts[number - 2] if over else starts[number - 1]
        mark_paragraphs(verbatim, position, first)
        verbatim.heading(title, level, starts[number - 1], starts[number + 1] if over else starts[number])
        position = starts[number + 1]
    mark_paragraphs(verbatim, position, len(verbatim.text))
    return verbatim.build()


def read_asciidoc(source: Source) -> Reading:
    """Titles begin with equals signs; listings stand between lines of dashes or dots."""
    verbatim = verbatim_text(source, "text/asciidoc")
    lines, starts = verbatim.text.split("\n"), line_starts(verbatim.text)
    last = {line.rstrip(): number for number, line in enumerate(lines) if _DELIMITER.fullmatch(line)}
    position, fence, opened = 0, "", 0
    for number, line in enumerate(lines):
        if fence:
            if line.rstrip() == fence:
                verbatim.block(BlockKind.CODE, opened, starts[number + 1])
                position, fence = starts[number + 1], ""
        elif last.get(line.rstrip(), 0) > number:
            mark_paragraphs(verbatim, position, starts[number])
            fence, opened = line.rstrip(), starts[number]
        elif title := _EQUALS.fullmatch(line):
            mark_paragraphs(verbatim, position, starts[number])
            verbatim.heading(title.group(2), len(title.group(1)), starts[number], starts[number + 1])
            position = starts[number + 1]
    mark_paragraphs(verbatim, position, len(verbatim.text))
    return verbatim.build()
