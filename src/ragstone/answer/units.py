"""What of a passage can be quoted on its own: sentences, list items, table rows, code, and what belongs with them.

Works on the text alone and in any language: it looks at line marks (Markdown, and what the readers write)
and at the punctuation at the end, not at words. The one list of words is English, and without it an answer
is only less smooth.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ragstone.text import sentences

MAX_QUOTE = 600  # characters: about what a reader takes in at one glance; what is longer is no quote but a page

# What is not cut at sentences: fenced code, a line of a table, the line that opens or closes a note.
_WHOLE = re.compile(
    r"^[ \t]*(?:(?P<fence>```|~~~)[^\n]*\n(?:(?![ \t]*(?P=fence))[^\n]*\n)*[ \t]*(?P=fence)[`~ \t]*$"
    r"|(?P<row>\|)[^\n]*$|(?::::|!!!|```|~~~)[^\n]*$)",
    re.MULTILINE,
)
_LINE_MARK = re.compile(r"[ \t]*(?:(?P<heading>#{1,6}[ \t])|[-*+•–▪◦][ \t]|\d{1,3}[.)][ \t])")  # noqa: RUF001  bullets
_RULE = re.compile(r"[\s|:=*_+`~-]+")  # of a table, or between sections
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|https?://\S+|<[^<>\s]+>")
_WORD = re.compile(r"\w+")
_CLOSING = "\"'”’»)]*_` \t"  # noqa: RUF001  may stand behind the mark that ends a sentence
_QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")  # Latin, full width, Arabic, Greek
_LEAD_MARKS = (":", "\uff1a")
_REFERS_BACK = frozenset({"this", "that", "these", "those", "it", "its", "they", "their", "he", "she", "his", "her"})
_LEADERS = "....."  # from a title to its page number
_MENU_LINES = 4  # so many short lines in a row without any punctuation are no sentence
_MENU_LINE = 60  # characters
_STUB_WORDS = 3  # a line with fewer words, links aside, says nothing by itself


class Kind(Enum):
    """What a stretch of text is by its looks."""

    SENTENCE = auto()
    QUESTION = auto()
    LEAD = auto()  # ends with a colon: announces what follows
    ITEM = auto()
    ROW = auto()
    CODE = auto()
    HEADING = auto()
    RULE = auto()


# What a part needs behind it to say something, and how many of them at most.
_FOLLOWED_BY = {
    Kind.QUESTION: ((Kind.SENTENCE, Kind.ITEM), 1),
    Kind.LEAD: ((Kind.ITEM, Kind.ROW, Kind.RULE, Kind.CODE), 50),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch that can be quoted: `text[start:end]` of its passage."""

    start: int
    end: int
    label: tuple[int, int] | None = None  # quoted before it: the header row of a table row, the lead-in of an item


@dataclass(frozen=True, slots=True)
class _Part:
    kind: Kind
    start: int
    end: int


def units(text: str, titles: Collection[str] = ()) -> list[Unit]:
    """Everything in a passage that could stand in an answer, in the order of the text.

    Headings (lines that repeat one of `titles`, or are marked), lone questions, rules, and lines of
    hardly a word but a link, as in a table of contents, are left out. A question comes with what
    follows it, a lead-in with its list, table or code, and a sentence that refers back ("It ...") with
    the one before, all within `MAX_QUOTE` characters.
    """
    parts = list(_parts(text, {_bare(title) for title in titles}))
    found = (_unit(text, parts, place) for place in range(len(parts)))
    return [unit for unit in found if unit is not None]


def stands_in_lines(quote: str) -> bool:
    """Whether a quote has to keep its lines: a list item, a table row, code, or several lines."""
    return "\n" in quote or quote.startswith("|") or _LINE_MARK.match(quote) is not None


def _parts(text: str, titles: Collection[str]) -> Iterator[_Part]:
    """The passage cut at its sentences and table rows, with each fenced code block in one piece."""
    behind = 0
    for whole in _WHOLE.finditer(text):
        yield from _prose(text, behind, whole.start(), titles)
        yield _Part(_whole_kind(whole), whole.start(), whole.end())
        behind = whole.end()
    yield from _prose(text, behind, len(text), titles)


def _whole_kind(whole: re.Match[str]) -> Kind:
    if whole["fence"]:
        return Kind.CODE
    return Kind.ROW if whole["row"] and not _RULE.fullmatch(whole[0]) else Kind.RULE


def _prose(text: str, start: int, end: int, titles: Collection[str]) -> Iterator[_Part]:
    for first, last in sentences.spans(text[start:end]):
        piece = text[start + first : start + last]
        yield _Part(_kind(piece, titles), start + first, start + last)


def _kind(piece: str, titles: Collection[str]) -> Kind:
    if _RULE.fullmatch(piece):
        return Kind.RULE
    mark = _LINE_MARK.match(piece)
    if _bare(piece) in titles or (mark and mark["heading"]):
        return Kind.HEADING
    ending = piece.rstrip(_CLOSING)
    if ending.endswith(_QUESTION_MARKS):
        return Kind.QUESTION
    if ending.endswith(_LEAD_MARKS):
        return Kind.LEAD
    return Kind.ITEM if mark else Kind.SENTENCE


def _unit(text: str, parts: Sequence[_Part], place: int) -> Unit | None:
    """What can be quoted from this part on; None when it cannot begin a quote."""
    part = parts[place]
    if part.kind in _FOLLOWED_BY:
        return _with_following(parts, place)
    if part.kind in (Kind.HEADING, Kind.RULE) or part.end - part.start > MAX_QUOTE:
        return None
    if part.kind is Kind.ROW:
        return _row(parts, place)
    if part.kind is not Kind.CODE and _is_stub(text[part.start : part.end]):
        return None
    if part.kind is Kind.ITEM:
        return Unit(part.start, part.end, _lead_of(parts, place))
    return Unit(_start_of_sense(text, parts, place), part.end)


def _with_following(parts: Sequence[_Part], place: int) -> Unit | None:
    """A question with its answer, or a lead-in with as much of what it announces as fits."""
    end = None
    kinds, at_most = _FOLLOWED_BY[parts[place].kind]
    for part in parts[place + 1 : place + 1 + at_most]:
        if part.kind not in kinds or part.end - parts[place].start > MAX_QUOTE:
            break
        end = part.end
    return None if end is None else Unit(parts[place].start, end)


def _row(parts: Sequence[_Part], place: int) -> Unit | None:
    """A row with the header row above it; the header row itself is no answer."""
    first = place
    while first and parts[first - 1].kind in (Kind.ROW, Kind.RULE):
        first -= 1
    header, row = parts[first], parts[place]
    if header.kind is not Kind.ROW or first + 1 >= len(parts) or parts[first + 1].kind is not Kind.RULE:
        return Unit(row.start, row.end)  # the header is in another passage, or there is none
    return None if place == first else Unit(row.start, row.end, (header.start, header.end))


def _lead_of(parts: Sequence[_Part], place: int) -> tuple[int, int] | None:
    while place and parts[place].kind is Kind.ITEM:
        place -= 1
    part = parts[place]
    fits = part.kind is Kind.LEAD and part.end - part.start <= MAX_QUOTE
    return (part.start, part.end) if fits else None


def _start_of_sense(text: str, parts: Sequence[_Part], place: int) -> int:
    """Where a sentence begins, or the one before it that it refers to."""
    part = parts[place]
    first = _WORD.search(text, part.start, part.end)
    if part.kind is not Kind.SENTENCE or first is None or first[0].lower() not in _REFERS_BACK or not place:
        return part.start
    before = parts[place - 1]
    near = "\n\n" not in text[before.end : part.start] and part.end - before.start <= MAX_QUOTE
    return before.start if before.kind is Kind.SENTENCE and near else part.start


def _is_stub(piece: str) -> bool:
    """Whether it says nothing by itself: a link, a label, a table of contents, a menu."""
    lines = [line.strip() for line in piece.splitlines()]
    menu = len(lines) >= _MENU_LINES and all(len(line) <= _MENU_LINE and line[-1:].isalnum() for line in lines)
    if menu or _LEADERS in piece.replace(" ", ""):
        return True
    # In a script without blanks, a run of signs holds several words.
    words = sum(1 if word.isascii() else len(word) for word in _WORD.findall(_LINK.sub(" ", piece)))
    return words < _STUB_WORDS


def _bare(line: str) -> str:
    """A line without marks and case, to compare headings."""
    return " ".join(_WORD.findall(line.casefold()))
