"""Markdown and MDX: the file's own characters; headings, lists, tables and code are marked in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ragstone.domain import BlockKind, Reading
from ragstone.ingest.read.builder import Verbatim
from ragstone.ingest.read.masking import mask
from ragstone.ingest.read.plain import line_starts, mark_paragraphs, verbatim_text
from ragstone.ingest.read.source import MIB, Source

_STRUCTURED_UP_TO = 2 * MIB  # characters in one part; the parser needs 250 times as many bytes
_TITLE = re.compile(r"^title[ \t]*[:=][ \t]*(.+)$", re.MULTILINE)
_DELIMITER_ROW = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_ANCHOR = re.compile(r"\s*\{#[^{}]*\}\s*$")
_LONGEST_TITLE = 500  # characters
_LONGEST_ROW = 10_000  # characters of a row of dashes
_CONTAINERS = {
    "bullet_list_open": BlockKind.LIST,
    "ordered_list_open": BlockKind.LIST,
    "blockquote_open": BlockKind.PARAGRAPH,
}
_CODE = frozenset({"fence", "code_block"})


def read_markdown(source: Source) -> Reading:
    """CommonMark with pipe tables; front matter gives the title and is no block."""
    return _read(source, "text/markdown", mdx=False)


def read_mdx(source: Source) -> Reading:
    """Markdown with components: their tags, imports and exports stay in the text and are no blocks."""
    return _read(source, "text/mdx", mdx=True)


def _read(source: Source, media_type: str, *, mdx: bool) -> Reading:
    verbatim = verbatim_text(source, media_type)
    masked = mask(verbatim.text, mdx=mdx)
    if title := _TITLE.search(masked.front_matter):
        verbatim.title = title.group(1).strip().strip("'\"").strip()
    marker = _Marker(verbatim, masked.lines, mdx=mdx)
    for first, last in pairwise([*masked.parts, len(masked.lines)]):
        marker.mark(first, last)
    return verbatim.build()


class _Marker:
    """Turns the parser's tokens into blocks by the lines that they come from."""

    def __init__(self, verbatim: Verbatim, lines: Sequence[str], *, mdx: bool) -> None:
        self._verbatim = verbatim
        self._all = lines
        self._all_starts = line_starts(verbatim.text)
        # Cells and inline markup are not needed, and cost most of the time and memory.
        self._parser = MarkdownIt("commonmark")
        self._parser.core.ruler.disable("inline")
        self._inline = MarkdownIt("commonmark")
        if mdx:
            self._parser.disable("code")  # in components, indentation is layout

    def mark(self, first: int, last: int) -> None:
        """Mark the blocks in lines `first` to `last`, without the latter."""
        self._lines = self._all[first:last]
        self._starts = self._all_starts[first : last + 1]
        if self._starts[-1] - self._starts[0] > _STRUCTURED_UP_TO:
            self._verbatim.warnings.append("a part without any break is very long and was read as plain text")
            mark_paragraphs(self._verbatim, self._starts[0], self._starts[-1])
            return
        tokens = iter(self._parser.parse("\n".join(self._lines)))
        for token in tokens:
            if token.map is None:
                continue
            first, last = token.map
            if token.type == "heading_open":
                inline = next(tokens)
                self._verbatim.heading(
                    self._plain(inline.content), int(token.tag[1]), self._starts[first], self._starts[last]
                )
            elif token.type in _CONTAINERS:
                self._container(token, list(_inside(tokens, token)))
            elif token.type in _CODE:
                self._mark(BlockKind.CODE, first, last)
            elif token.type in ("paragraph_open", "html_block"):
                self._paragraph(first, last)

    def _mark(self, kind: BlockKind, first: int, last: int) -> None:
        """Mark lines `first` to `last`, without the latter; masked lines at either end are left out."""
        while first < last and not self._lines[first].strip():
            first += 1
        while first < last and not self._lines[last - 1].strip():
            last -= 1
        if first < last:
            self._verbatim.block(kind, self._starts[first], self._starts[last])

    def _paragraph(self, first: int, last: int) -> None:
        """A paragraph, or a table with the lines that stand in front of it."""
        for row in range(first + 1, last):
            line, above = self._lines[row], self._lines[row - 1]
            if "|" in above and len(line) < _LONGEST_ROW and _DELIMITER_ROW.fullmatch(line):
                self._mark(BlockKind.PARAGRAPH, first, row - 1)
                start, end = self._starts[row - 1], self._starts[last]
                self._verbatim.block(BlockKind.TABLE, start, end, header=above.strip())
                return
        self._mark(BlockKind.PARAGRAPH, first, last)

    def _container(self, token: Token, inside: Sequence[Token]) -> None:
        """A list or a quotation; code inside is cut out, so that it can be told from prose."""
        first, last = token.map or (0, 0)
        kind = _CONTAINERS[token.type]
        cuts = [item.map for item in inside if item.type in _CODE and item.map]
        edges = [first, *(line for cut in cuts for line in cut), last]
        for number, (start, end) in enumerate(pairwise(edges)):
            self._mark(BlockKind.CODE if number % 2 else kind, start, end)

    def _plain(self, inline: str) -> str:
        """A title without its markup."""
        inline = _ANCHOR.sub("", inline[:_LONGEST_TITLE])
        children = self._inline.parseInline(inline)[0].children or []
        return "".join(child.content or " " for child in children if _is_text(child))


def _is_text(token: Token) -> bool:
    return token.type in ("text", "code_inline", "softbreak", "hardbreak", "text_special")


def _inside(tokens: Iterator[Token], opening: Token) -> Iterator[Token]:
    """The tokens up to the one that closes a container."""
    for token in tokens:
        if token.nesting < 0 and token.level == opening.level and token.type == opening.type.replace("open", "close"):
            return
        yield token
