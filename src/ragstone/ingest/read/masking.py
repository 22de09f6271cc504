"""Blanks out what is no text in a Markdown file, line by line, so that line numbers stay true.

Masked are front matter, HTML comments, lines of nothing but tags, imports and exports, and the fences of
admonitions (`:::note`, `!!! note`), whose title and content then parse as the Markdown that they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(?![ \t]*\n)(.*?)\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"[\"']?[\w.$@/-]+(?: [\w.-]+){0,3}[\"']?[ \t]*(?:=.*|:(?:[ \t].*)?)")
_BESIDE_KEYS = re.compile(r"[ \t#\[\]{}].*|-(?:[ \t].*)?")  # what is indented, comments, items, brackets
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_IMPORT = re.compile(r"import\s(?:[^'\"]*\sfrom)?\s*(['\"])[^'\"]+\1\s*;?\s*")  # in quotes: prose has none
_EXPORT = re.compile(r"export\s+(?:const|default|function|let)\s")
_TAG_LINE = re.compile(r"[ \t]*(?:</?[A-Za-z][\w.:-]*(?:\s[^<>]*)?/?>[ \t]*)+")
_TAG_BEGINS = re.compile(r"[ \t]*<[A-Z][\w.]*(?:\s[^<>]*)?$")
_NEXT_TAG = re.compile(r"<[A-Z][\w.]*[^<>]*$")
# Reference pages keep their text in attributes of components, one a line.
_SPEAKS = re.compile(r"[ \t]*(?:name|title|label|type|required|default|summary|description|text)=[\"'].*\w{2}")
_TAG_ENDS = re.compile(r"[ \t]*/?>[ \t]*")
# Behind the mark stand its type or attributes, if any, and then the title that a reader sees.
_DIRECTIVE = re.compile(r"([ \t]*):{3,}[ \t]*(?:[\w.-]+|\{[^{}]*\})?(.*)")
_ADMONITION = re.compile(r"([ \t]*)(?:(?:!!!|\?\?\?\+?)[ \t]+(?=\S)[^\s\"']*|===[ \t]+(?=\S))[ \t]*(.*)")
_ATTRIBUTES = re.compile(r"\{[^{}]*\}")
_TITLE = re.compile(r"\btitle=([\"'])(.+?)\1")
_BEGINS_BLOCK = re.compile(r"[^\s\-*+>\d]")  # no list, quotation or code goes on here
_INDENT = 4
_PART = 256 * 1024  # characters
_LONGEST_MARKUP = 4096  # characters; longer lines hold text


@dataclass(frozen=True, slots=True)
class Masked:
    """The lines of a text for the parser, as many as the original has."""

    lines: list[str]
    parts: list[int]  # numbers of lines where a block begins for certain, about a quarter of a million letters apart
    front_matter: str  # the lines between its marks; may be empty


def mask(text: str, *, mdx: bool) -> Masked:
    """What is left of a Markdown text when everything that is no text is blank."""
    front = _front_matter(text)
    front_matter = front.group(2) if front else ""
    if front:
        text = "\n" * front.group(0).count("\n") + text[front.end() :]
    lines = text.split("\n")
    last_end = max((number for number, line in enumerate(lines) if "-->" in line), default=-1)
    state = _Lines(mdx=mdx, last_end=last_end)
    masked: list[str] = []
    parts = [0]
    size = 0
    for line in lines:
        fresh = not state.in_code and bool(masked) and not masked[-1].strip()
        masked.append(state.masked(line))
        size += len(line) + 1
        if size > _PART and fresh and _BEGINS_BLOCK.match(masked[-1]):
            parts.append(len(masked) - 1)
            size = len(line)
    return Masked(masked, parts, front_matter)


def _front_matter(text: str) -> re.Match[str] | None:
    """The fields at the beginning; a text between two rules is none."""
    found = _FRONT_MATTER.match(text)
    lines = [line for line in found.group(2).split("\n") if line.strip()] if found else []
    others = [line for line in lines if not _KEY.fullmatch(line)]
    return found if len(others) < len(lines) and all(map(_BESIDE_KEYS.fullmatch, others)) else None


def _title(opening: re.Match[str]) -> str:
    """The title of an admonition as a line of text, as far in as its mark; empty if it has none."""
    indent, words = opening.groups()
    given = _TITLE.search(opening.group())
    title = given.group(2) if given else _ATTRIBUTES.sub("", words).strip("[]\"': \t")
    return indent + title if title else ""


class _Lines:
    """Goes from line to line and remembers what it is inside of."""

    def __init__(self, *, mdx: bool, last_end: int) -> None:
        self._mdx = mdx
        self._number = -1
        self._last_end = last_end  # number of the last line that ends a comment
        self._fence = ""  # the mark that opened the current code block
        self._comment = False
        self._tag = False  # inside a tag of several lines
        self._admonition: int | None = None  # indentation of the current one
        self._below_tag = False  # there, indentation is layout and not code

    @property
    def in_code(self) -> bool:
        """Whether the next line stands in a fenced code block."""
        return bool(self._fence)

    def masked(self, line: str) -> str:
        """The next line as the parser shall see it."""
        self._number += 1
        return self._line(self._dedented(line))

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
            self._tag = ">" not in line or bool(_NEXT_TAG.search(line[-_LONGEST_MARKUP:]))
            return line.strip() if _SPEAKS.match(line) else ""
        if line.lstrip().startswith("<!--") and self._number <= self._last_end:
            _, _, rest = line.partition("<!--")
            self._comment = True
            return self._in_comment(rest)
        if opening := _ADMONITION.fullmatch(line):
            self._admonition = len(opening.group(1))
            return _title(opening)
        if len(line) <= _LONGEST_MARKUP and (opening := _DIRECTIVE.fullmatch(line)):
            return _title(opening)
        if self._is_markup(line):
            self._below_tag = "<" in line
            return ""
        self._below_tag = self._below_tag and bool(line.strip())
        return line.lstrip() if self._below_tag else line

    def _is_markup(self, line: str) -> bool:
        if len(line) > _LONGEST_MARKUP:
            return False
        if _IMPORT.fullmatch(line):
            return True
        if self._mdx and (_EXPORT.match(line) or _TAG_ENDS.fullmatch(line)):
            return True
        if "<" not in line:
            return False
        if self._mdx and _TAG_BEGINS.match(line):
            self._tag = True
            return True
        return bool(_TAG_LINE.fullmatch(line))
