"""Where the sentences of a text lie.

Rules instead of a model: they are the same every time, read 5 MB in about a second, and hold for all languages that
end a sentence with a mark. What ends no sentence by a mark, such as a table's row, a bullet or a heading, ends with
its line.
"""

# ruff: noqa: RUF001 - marks of all scripts, and some look like others

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

LONGEST = 600  # characters of a span; a sentence beyond that is cut at a blank

# Every match is taken, whatever follows, and judged afterwards: so a run of a million dots is read once.
_MARK = re.compile(
    r"""(?P<line>\n\s*)
    |(?P<full>[。！？｡।॥؟۔։።។။]+[」』”’）)\]]*)         # ends a sentence whatever follows
    |(?P<stop>[.!?…]+)(?:[)\]"'”’»]|\[\d{1,3}\])*""",  # does so before a blank: brackets, quotes, footnotes
    re.VERBOSE,
)
_ITEM = re.compile(r"(?:[-*+•▪◦‣·–—]|\(?\d{1,3}[.)]|\(?[A-Za-z]\))[ \t]|[|#>]")  # a line of its own begins so
_LABEL = re.compile(r"\W*(?:\d{1,3}|[A-Za-z]|[IVXivx]{1,5})(?:\.\d{1,3})*\W*")  # "1.", "a.", "IV."
_LAST_WORD = re.compile(r"[^\s(\[\"“‘'/]*\Z")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # "U.S" of "U.S."
_LAST_BLANK = re.compile(r"\s\S*\Z")
_BODY = re.compile(r"\S(?:.*\S)?", re.DOTALL)
_BLANKS = re.compile(r"\s*")
_LOOK_BACK = 24  # characters, more than an abbreviation has

_ABBREVIATIONS = frozenset(
    """
    adm al approx apr art assn asst aug ave bros ca capt cf ch co col corp dec dept diff dr ed eds eq eqs esp est etc
    feb fig figs fri gen gov inc incl jan jr jul jun lt ltd maj mar max messrs min mon mr mrs ms mt nov oct op para
    pres prof pt pvt ref refs rep resp rev sat sec sen sep sept sgt sr st sun tab thu tue univ viz vol vols vs wed
    bspw bzgl bzw evtl ggf inkl nr sog str tel usw vgl zzt
    """.split()  # noqa: SIM905 - a list of 100 strings reads worse
)
_BEFORE_A_NUMBER = frozenset({"no", "nos", "p", "pp", "s", "ss", "bd", "kap", "abb", "n", "v"})
_OPENERS = frozenset(
    """
    A All An And As At But By For From He Her His However I If In It Its No On Our She So That The Their There These
    They This Those Thus To We What When While With You
    """.split()  # noqa: SIM905 - as above
)
_FIRST_WORD = re.compile(r"\w+")


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, in order; together they hold all that is not blank.

    No span is longer than `LONGEST` characters, begins or ends with a blank, or holds an empty line. Takes time in
    proportion to the text, whatever stands in it.
    """
    return list(each(text, 0, len(text)))


def each(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentences of `text[start:end]` one by one, as offsets into the whole text; as `spans` otherwise."""
    for boundary in chain(_boundaries(text, start, end), (end,)):
        yield from pieces(text, start, boundary)
        start = boundary


def pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """`text[start:end]` without the blanks around it, cut at blanks where it is longer than `LONGEST`."""
    body = _BODY.search(text, start, end)
    if body is None:
        return
    start, end = body.span()
    while end - start > LONGEST:
        blank = _LAST_BLANK.search(text, start, start + LONGEST + 1)
        cut = start + LONGEST if blank is None else blank.start()
        yield start, start + len(text[start:cut].rstrip())
        start = _after_blanks(text, cut)
    yield start, end


def _boundaries(text: str, start: int, stop: int) -> Iterator[int]:
    """Positions between two sentences, ascending."""
    line = sentence = start
    for mark in _MARK.finditer(text, start, stop):
        end = mark.end()
        if mark["line"] is not None:
            ends = mark["line"].count("\n") > 1 or _stands_alone(text, line, end)
            line = end
        else:
            ends = mark["full"] is not None or _is_stop(text, sentence, mark)
        if ends:
            yield end
            sentence = end


def _stands_alone(text: str, line: int, after: int) -> bool:
    """Whether the line that ends before `after`, or the one that begins there, is no part of a paragraph."""
    return text[line : line + 1] in {"|", "#"} or _ITEM.match(text, after) is not None


def _is_stop(text: str, sentence: int, mark: re.Match[str]) -> bool:
    """Whether this mark ends the sentence that began at `sentence`."""
    end = mark.end()
    following = _after_blanks(text, end)
    if following == end < len(text) or text[following : following + 1].islower():
        return False
    start = mark.start()
    if start - sentence <= _LOOK_BACK and _LABEL.fullmatch(text, sentence, start):
        return False
    return mark["stop"] != "." or not _is_abbreviated(text, max(sentence, start - _LOOK_BACK), start, following)


def _is_abbreviated(text: str, start: int, end: int, following: int) -> bool:
    """Whether the full stop at `end` belongs to the word before it."""
    last = _LAST_WORD.search(text, start, end)
    word = last.group() if last is not None else ""
    if _INITIALS.fullmatch(word):
        opener = _FIRST_WORD.match(text, following)
        return len(word) == 1 or opener is None or opener.group() not in _OPENERS
    if word.lower() in _BEFORE_A_NUMBER:
        return text[following : following + 1].isdigit()
    return word.lower() in _ABBREVIATIONS


def _after_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return position if match is None else match.end()
