"""Blanks out what is no text in a Markdown file, line by line, so that line numbers stay true.

Masked are front matter, HTML comments, lines of nothing but tags, imports and exports, and the fences of
admonitions (`:::note`, `!!! note`), whose content then parses as the Markdown that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_MODULE = re.compile(r"(?:import\s.*\sfrom\s|import\s+['\"]|export\s+(?:const|default|function|let)\s)")
_TAG_LINE = re.compile(r"[ \t]*(?:</?[A-Za-z][\w.:-]*(?:\s[^<>]*)?/?>[ \t]*)+")
_TAG_BEGINS = re.compile(r"[ \t]*<[A-Z][\w.]*(?:\s[^<>]*)?$")
_DIRECTIVE = re.compile(r"[ \t]*:{3,}.*")
_ADMONITION = re.compile(r"([ \t]*)(?:!!!|\?\?\?\+?|===)[ \t]+\S.*")
_INDENT = 4
_LONGEST_MARKUP = 4096  # characters; longer lines hold text


@dataclass(frozen=True, slots=True)
class Masked:
    """A text for the parser with as many lines as the original."""

    text: str
    front_matter: str  # the lines between its marks; may be empty


def mask(text: str, *, mdx: bool) -> Masked:
    """What is left of a Markdown text when everything that is no text is blank."""
    front = _FRONT_MATTER.match(text)
    front_matter = front.group(2) if front else ""
    if front:
        text = "\n" * front.group(0).count("\n") + text[front.end() :]
    return Masked("\n".join(_Lines(mdx=mdx).masked(text.split("\n"))), front_matter)


class _Lines:
    """Walks over lines and remembers what it is inside of."""

    def __init__(self, *, mdx: bool) -> None:
        self._mdx = mdx
        self._fence = ""  # the mark that opened the current code block
        self._comment = False
        self._tag = False  # inside a tag of several lines
        self._admonition: int | None = None  # indentation of the current one
        self._below_tag = False  # there, indentation is layout and not code

    def masked(self, lines: list[str]) -> Iterator[str]:
        """Each line as the parser shall see it."""
        for line in lines:
            yield self._line(self._dedented(line))

    def _dedented(self, line: str) -> str:
        """The content of an admonition stands four spaces in, which would make it code."""
        if self._admonition is None or not line.strip():
            return line
        indent = len(line) - len(line.lstrip())
        if indent >= self._admonition + _INDENT:
            return line[_INDENT:]
        if not self._fence:
            self._admonition = None
        return line

    def _line(self, line: str) -> str:
        if self._comment:
            return self._in_comment(line)
        if fence := _FENCE.match(line):
            self._toggle(fence.group(1), line)
            return line
        if self._fence:
            return line
        return self._prose(line)

    def _toggle(self, mark: str, line: str) -> None:
        if not self._fence:
            self._fence = mark
        elif mark.startswith(self._fence) and line.strip(" \t>") == mark:
            self._fence = ""

    def _in_comment(self, line: str) -> str:
        _, end, rest = line.partition("-->")
        if not end:
            return ""
        self._comment = False
        return rest

    def _prose(self, line: str) -> str:
        if self._tag:
            self._tag = ">" not in line
            return ""
        if line.lstrip().startswith("<!--"):
            _, _, rest = line.partition("<!--")
            self._comment = True
            return self._in_comment(rest)
        if opening := _ADMONITION.fullmatch(line):
            self._admonition = len(opening.group(1))
            return ""
        if self._is_markup(line):
            self._below_tag = "<" in line
            return ""
        self._below_tag = self._below_tag and bool(line.strip())
        return line.lstrip() if self._below_tag else line

    def _is_markup(self, line: str) -> bool:
        if len(line) > _LONGEST_MARKUP:
            return False
        if _DIRECTIVE.fullmatch(line) or _MODULE.match(line):
            return True
        if "<" not in line:
            return False
        if self._mdx and _TAG_BEGINS.fullmatch(line):
            self._tag = True
            return True
        return bool(_TAG_LINE.fullmatch(line))
