"""Every reader writes its text and blocks through a builder, so that they agree on offsets, headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from ragstone.domain import Block, BlockKind, Reading
from ragstone.ingest.read.tables import Rows, one_line, table_text

# What no text needs and what PostgreSQL or UTF-8 refuse: control characters, lone surrogates, non-characters.
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c]")
_SURROUNDING = re.compile(r"\A\s*\n")
_GAP = "\n\n"


def clean(text: str) -> str:
    r"""Text as it is stored: lines end with "\n", without NUL and other characters that carry no text."""
    if _UNWANTED.search(text):
        text = _UNWANTED.sub("", text)
    if "\r" in text or "\x0b" in text or "\x0c" in text:
        text = _LINE_ENDS.sub("\n", text)
    return text


class Outline:
    """The titles above the current place."""

    def __init__(self) -> None:
        self._titles: list[tuple[int, str]] = []

    def enter(self, title: str, level: int) -> None:
        """Go below a title; titles of its level and deeper ones end."""
        while self._titles and self._titles[-1][0] >= level:
            self._titles.pop()
        self._titles.append((level, title))

    @property
    def path(self) -> tuple[str, ...]:
        """Titles from the outermost to the nearest."""
        return tuple(title for _, title in self._titles)


class Verbatim:
    """Marks blocks in a text that is stored as it stands in the file."""

    def __init__(self, text: str, media_type: str) -> None:
        self.text = text
        self.title = ""
        self.outline = Outline()
        self.warnings: list[str] = []
        self._media_type = media_type
        self._blocks: list[Block] = []

    def block(self, kind: BlockKind, start: int, end: int, header: str = "") -> None:
        """Mark `text[start:end]` without the blank lines around it; nothing is marked where only blanks are."""
        body = self.text[start:end]
        end = start + len(body.rstrip())
        blank = _SURROUNDING.match(body)
        start += blank.end() if blank else 0
        if start < end:
            self._blocks.append(Block(kind, start, end, self.outline.path, None, header))

    def heading(self, title: str, level: int, start: int, end: int) -> None:
        """Mark a heading; what follows stands below it."""
        if title := one_line(title):
            self.outline.enter(title, level)
            self.block(BlockKind.HEADING, start, end)
            self.title = self.title or title

    def build(self) -> Reading:
        """The finished reading."""
        return Reading(
            self.text, tuple(self._blocks), self._media_type, self.title, tuple(dict.fromkeys(self.warnings))
        )


class Builder:
    """Writes a clean text of its own, block by block."""

    def __init__(self, media_type: str) -> None:
        self.title = ""  # set by readers that find one in the metadata; else the first heading serves
        self._page: int | None = None
        self._media_type = media_type
        self._outline = Outline()
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._warnings: list[str] = []

    def page(self, number: int, *, apart: bool = False) -> None:
        """What follows stands on this page; a page that stands apart, such as a slide, is under no earlier title."""
        self._page = number
        if apart:
            self._outline = Outline()

    def heading(self, title: str, level: int) -> None:
        """Begin a section; 1 is the outermost level."""
        if title := one_line(title):
            self._outline.enter(title, level)
            self._add(BlockKind.HEADING, title)

    def paragraph(self, text: str) -> None:
        """Add a paragraph; its line breaks stay."""
        self._add(BlockKind.PARAGRAPH, text)

    def listing(self, items: Iterable[str]) -> None:
        """Add a list; each item comes with its marker and indentation."""
        self._add(BlockKind.LIST, "\n".join(item.rstrip() for item in items if item.strip()))

    def code(self, text: str) -> None:
        """Add lines whose spaces count."""
        self._add(BlockKind.CODE, text)

    def table(self, rows: Rows, *, header: bool) -> None:
        """Add a table, row by row; a single cell is a frame around a paragraph."""
        text, header_line = table_text(rows, header=header)
        if text.count("|") > 2 or "\n" in text:  # noqa: PLR2004  a cell stands between two bars
            self._add(BlockKind.TABLE, text, header_line)
        else:
            self.paragraph(text.strip("| "))

    def warn(self, warning: str) -> None:
        """Say what was left out; the same words are said once."""
        if warning not in self._warnings:
            self._warnings.append(warning)

    def include(self, reading: Reading) -> None:
        """Add all blocks of another reading below the current headings."""
        above = self._outline.path
        for block in reading.blocks:
            self._add(block.kind, reading.text[block.start : block.end], block.header)
            self._blocks[-1] = replace(self._blocks[-1], heading=above + block.heading)
        for warning in reading.warnings:
            self.warn(warning)

    @property
    def empty(self) -> bool:
        """Whether nothing was written so far."""
        return not self._blocks

    def build(self) -> Reading:
        """The finished reading."""
        headings = (block.heading[-1] for block in self._blocks if block.kind is BlockKind.HEADING)
        title = one_line(self.title) or next(headings, "")
        return Reading("".join(self._parts), tuple(self._blocks), self._media_type, title, tuple(self._warnings))

    def _add(self, kind: BlockKind, text: str, header: str = "") -> None:
        body = clean(text).rstrip()
        body = _SURROUNDING.sub("", body)
        if kind is not BlockKind.CODE and kind is not BlockKind.LIST:
            body = body.lstrip()
        if not body:
            return
        if self._parts:
            self._parts.append(_GAP)
            self._length += len(_GAP)
        self._parts.append(body)
        start, self._length = self._length, self._length + len(body)
        self._blocks.append(Block(kind, start, self._length, self._outline.path, self._page, header))
