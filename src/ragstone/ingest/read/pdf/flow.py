"""From the lines of all pages to headings, paragraphs, lists, code and tables in reading order."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median

from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.pdf.columns import Table
from ragstone.ingest.read.pdf.headings import Headings
from ragstone.ingest.read.pdf.lines import HYPHEN, Line

Element = Line | tuple[int, Table]  # a line, or a table with its page

_BULLET = re.compile(r"([•▪●■◦‣∙·➢❖o*–—-])\s+(?=\S)")  # noqa: RUF001
_NUMBERED = re.compile(r"(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|\[\d{1,3}\])\s+\S")
_LEADERS = re.compile(r"\s*(?:\.[ \u00a0]?){5,}\s*")  # dots up to the page number in a table of contents
_ENDS = re.compile(r"[.!?:;。！？…][\"'”’)\]]*$")  # noqa: RUF001
_SAME_SIZE = 0.8  # points
_WIDER_GAP = 1.35  # times the usual distance of lines
_INDENT = 1.2  # of the font size
_SHORT = 0.8  # of the text's width


def write_flow(builder: Builder, elements: Sequence[Element]) -> None:
    """Write all elements of a document."""
    lines = [element for element in elements if isinstance(element, Line)]
    _Flow(builder, lines).write(elements)


class _Flow:
    """Collects lines until a block is complete."""

    def __init__(self, builder: Builder, lines: Sequence[Line]) -> None:
        self._builder = builder
        self._headings = Headings(lines)
        self._pitch = _pitches(lines)
        self._words = _vocabulary(lines)
        self._block: list[Line] = []
        self._items: list[str] = []

    def write(self, elements: Iterable[Element]) -> None:
        """Write headings, tables and what stands between them."""
        for element in elements:
            if not isinstance(element, Line):
                self._close()
                self._builder.page(element[0])
                self._builder.table(element[1].rows, header=element[1].header)
                continue
            if self._block and not self._continues(self._block[-1], element):
                self._end_block()
            self._block.append(element)
        self._close()

    def _continues(self, above: Line, line: Line) -> bool:
        """Whether a line belongs to the same block as the one before."""
        if self._headings.level(above) != self._headings.level(line) or above.style.mono != line.style.mono:
            return False
        if abs(above.style.size - line.style.size) > _SAME_SIZE or _begins_item(line):
            return False
        if self._headings.level(line) and above.style.bold != line.style.bold:
            return False
        if line.top < above.top or line.page != above.page:
            return self._flows_on(above, line)
        if line.top - above.top > self._pitch[_rounded(line)] * _WIDER_GAP:
            return False
        return not self._begins_paragraph(above, line)

    def _flows_on(self, above: Line, line: Line) -> bool:
        """Across a column or a page, a sentence goes on in the middle."""
        if self._headings.level(line) or line.page > above.page + 1:
            return False
        return not _ENDS.search(above.text) and line.text[:1].islower()

    def _begins_paragraph(self, above: Line, line: Line) -> bool:
        if self._headings.level(line) or line.style.mono:
            return False
        first = self._block[0]
        if line.top - above.top < 0.3 * line.style.size:
            return False
        indented = line.left - above.left > _INDENT * line.style.size
        if indented and not _begins_item(first) and len(self._block) > 1:
            return True
        width = max(other.right for other in self._block) - min(other.left for other in self._block)
        short = above.right < first.left + _SHORT * max(width, line.right - line.left)
        return short and bool(_ENDS.search(above.text))

    def _end_block(self) -> None:
        lines, self._block = self._block, []
        if not lines:
            return
        level = self._headings.level(lines[0])
        text = self._joined(lines)
        if _begins_item(lines[0]) and not level:
            if not self._items:
                self._builder.page(lines[0].page)
            text = _LEADERS.sub(" ... ", text)
            self._items.append(_BULLET.sub("- ", text, count=1) if _BULLET.match(text) else text)
            return
        self._end_list()
        self._builder.page(lines[0].page)
        if level:
            self._builder.heading(text, level)
        elif lines[0].style.mono:
            self._builder.code("\n".join(line.text for line in lines))
        else:
            self._builder.paragraph(text)

    def _end_list(self) -> None:
        self._builder.listing(self._items)
        self._items.clear()

    def _close(self) -> None:
        self._end_block()
        self._end_list()

    def _joined(self, lines: Sequence[Line]) -> str:
        text = ""
        for line in lines:
            text = _with_line(text, line.text, self._words)
        return text.replace(HYPHEN, "-")


def _with_line(text: str, line: str, words: Mapping[str, int]) -> str:
    """A text and its next line; a word that was divided becomes whole again."""
    if not text:
        return line
    if not text.endswith((HYPHEN, "-", "\u00ad")) or not line[:1].isalpha():
        return f"{text} {line}" if _needs_space(text[-1], line[0]) else text + line
    head, tail = text[:-1], line.split(" ", 1)[0]
    before = re.split(r"[\s(\[\"“]", head)[-1]
    whole, hyphened = (_plain(before + tail), _plain(f"{before}-{tail}"))
    keeps = not line[0].islower() or (words.get(hyphened, 0) > words.get(whole, 0)) or "-" in before
    return f"{head}-{line}" if keeps else head + line


def _needs_space(last: str, first: str) -> bool:
    """Chinese and Japanese lines join without a space."""
    return not (_is_cjk(last) and _is_cjk(first))


def _is_cjk(letter: str) -> bool:
    return "\u3000" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef"


def _plain(word: str) -> str:
    return word.strip(".,;:!?()[]\"'“”’").lower()  # noqa: RUF001


def _vocabulary(lines: Sequence[Line]) -> Counter[str]:
    """How often each word occurs inside of lines, to tell divided words from hyphened ones."""
    return Counter(_plain(word.text) for line in lines for word in line.words[:-1])


def _begins_item(line: Line) -> bool:
    return bool(_BULLET.match(line.text) or _NUMBERED.match(line.text) or _LEADERS.search(line.text))


def _rounded(line: Line) -> int:
    return round(line.style.size)


def _pitches(lines: Sequence[Line]) -> Mapping[int, float]:
    """The usual distance of lines by font size."""
    seen: dict[int, list[float]] = defaultdict(list)
    for above, line in pairwise(lines):
        distance = line.top - above.top
        size = _rounded(line)
        if above.page == line.page and size == _rounded(above) and 0.8 * size < distance < 2.6 * size:
            seen[size].append(distance)
    return defaultdict(lambda: 14.0, {size: median(distances) for size, distances in seen.items()})
