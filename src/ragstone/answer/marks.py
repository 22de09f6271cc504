"""What a language model writes that is not for the reader: ids of passages, and thoughts between tags."""

# ruff: noqa: RUF001 - the brackets and dashes that models use

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import Enum, auto

TAGS = "think|thinking|thought|reasoning|reflection"  # that models put around their thoughts

# Every pattern here has a greatest length: what can still become one of them is held back, and searched again with
# each piece. `_WINDOW` is more than the longest of them.
_WINDOW = 640
_NAME = r"(?:(?:passages?|sources?|ids?|refs?|doc(?:ument)?s?)[\s:=#.]{0,4})"
_ID = rf'{_NAME}?"?[1-9]\d{{0,2}}"?'
_IDS = rf"\^?{_ID}(?:(?:\s{{0,4}}(?:[,;&](?:\s{{0,4}}and)?|and|to|[-–])\s{{0,4}}|\s{{1,4}}){_ID})*"
_LINK = r"\(\#?[^()\s]{0,200}"
_TOKEN = re.compile(
    rf"""(?P<fence>(?:^[ \t]{{0,16}}(?P<marks>`{{3,16}}|~{{3,16}})[^`\n]{{0,100}}(?:\n|\Z)
        |(?<!`)(?P<late>`{{3,16}})[\w+-]{{0,16}}[ \t]{{0,4}}\n))
    |(?P<code>(?<!`)(?P<ticks>`{{1,8}})[^`\n]{{1,200}}
        (?:(?!(?P=ticks)(?!`))`{{1,8}}[^`\n]{{1,100}}){{0,2}}(?P=ticks)(?!`))
    |<(?P<tag>{TAGS})>
    |(?P<stray></(?:{TAGS})>|</?passage\b[^<>\n]{{0,500}}>)
    |(?P<ids>[ \t]{{0,8}}(?:\[(?=[^\[\]]{{0,400}}\]){_IDS}\](?:{_LINK}\))?
        |【(?=[^【】]{{0,400}}】){_IDS}(?:†[^】\n]*)?】
        |\((?=[a-z]{{2,9}}[:=\#.]{{0,2}}\s)(?=[^()]{{0,400}}\)){_IDS}\)))""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
# What the next words could make a token of, or a longer one: a little more than that, since it only has to wait.
_SEVERAL = r'(?:[\s\d,;&^"“:=\#.–-]|passages?|sources?|ids?|refs?|doc(?:ument)?s?|and|to)*'
_BEGUN = re.compile(
    rf"""(?:[ \t]{{1,8}}|^[ \t]{{1,16}}
    |^[ \t]{{0,16}}(?:`{{1,2}}|~{{1,2}}|(?:`{{3,16}}|~{{3,16}})[^`\n]{{0,100}})
    |(?<!`)`{{1,16}}(?:(?!`)[^\n]{{0,432}})?
    |</?(?:[a-z]{{0,10}}|passage\b[^<>\n]{{0,500}})
    |[ \t]{{0,8}}(?:\[{_SEVERAL}(?:[a-z]{{0,9}}|\](?:{_LINK})?)
        |【{_SEVERAL}(?:[a-z]{{0,9}}|†[^】\n]*)
        |\((?:(?=[a-z]){_SEVERAL}[a-z]{{0,9}})?))\Z""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_TAG_BEGUN = re.compile(r"<[^<>]{0,16}\Z")
_ENDS_THOUGHT = {tag: re.compile(rf"</{tag}>", re.IGNORECASE) for tag in TAGS.split("|")}
_NUMBERS = re.compile(r"(\d+)(?:\s*(?:[-–]|to)\s*(\d+))?")
_MOST = 20  # passages that one range names: more is no citation but a span of something else
_LEADS_TO = re.compile(r"\b(?:according to|in|by|from|per|see|of|to)\s*\Z", re.IGNORECASE)
_CERTAIN = re.compile(rf"[\^†【]|{_NAME}", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…。！？][)\]\"'”’»*_]*[ \t]*\Z")
_KEPT = 24  # characters that were given back, for what has to be known of what stands before


@dataclass(frozen=True, slots=True)
class Mark:
    """Here the model named these passages."""

    ids: frozenset[int]


class Block(Enum):
    """A block of code, in which everything stands for itself; its fences belong to it."""

    BEGINS = auto()
    ENDS = auto()


@dataclass(frozen=True, slots=True)
class _State:
    """What is looked for, and what could become it."""

    wanted: re.Pattern[str]
    begun: re.Pattern[str]
    is_thought: bool = False


_PROSE = _State(_TOKEN, _BEGUN)


class Cleaner:
    """Takes what a model writes, piece by piece, and gives back what the reader is to see, and the marks in it.

    A number in square brackets is the id of a passage if such a passage was `given`, or if it stands where ids stand:
    behind a sentence, or behind other ids. With a word such as *passage*, or in brackets that nobody else writes, it is
    one in any case, whether the passage exists or not. Any other, such as the error [404], is the answer's own.
    """

    def __init__(self, given: Container[int] = range(1, 1000)) -> None:
        self._given = given
        self._state = _PROSE
        self._held = ""
        self._behind = ""  # the last characters that were given back
        self._named = False  # passages were named, and nothing was said since

    def feed(self, piece: str) -> Iterator[str | Mark | Block]:
        """What is certain with this piece."""
        self._held += piece
        yield from self._read(last=False)

    def end(self) -> Iterator[str | Mark | Block]:
        """The rest, when no more comes."""
        yield from self._read(last=True)

    def _read(self, *, last: bool) -> Iterator[str | Mark | Block]:
        while self._held:
            text, start = self._behind + self._held, len(self._behind)
            token = self._state.wanted.search(text, start)
            settled = len(text) if token is None else token.start()
            reach = max(start, len(text) - _WINDOW)  # from here on something may still grow
            begun = None if last or settled < reach else self._state.begun.search(text, reach)
            if begun is not None and begun.start() <= settled:
                token, settled = None, begun.start()
            if not self._state.is_thought:
                yield from self._say(text[start:settled])
            if token is None:
                self._held = text[settled:]
                return
            self._held = text[token.end() :]
            yield from self._take(token)

    def _take(self, token: re.Match[str]) -> Iterator[str | Mark | Block]:
        if self._state is not _PROSE:
            if not self._state.is_thought:
                yield from self._say(token[0])
                yield Block.ENDS
            self._state = _PROSE
        elif token["fence"]:
            self._state = _code(token["marks"] or token["late"])
            yield Block.BEGINS
            yield from self._say(token[0])
        elif token["tag"]:
            self._state = _State(_ENDS_THOUGHT[token["tag"].lower()], _TAG_BEGUN, is_thought=True)
        elif token["ids"]:
            yield from self._name(token[0])
        elif not token["stray"]:
            yield from self._say(token[0])

    def _name(self, mark: str) -> Iterator[str | Mark]:
        ids = _ids(mark)
        likely = self._named or _CERTAIN.search(mark.partition("](")[0]) or _SENTENCE_END.search(self._behind)
        if not ids or not (likely or any(one in self._given for one in ids)):
            yield from self._say(mark)
            return
        if _LEADS_TO.search(self._behind):
            yield from self._say(" the passage")
        self._named = True
        yield Mark(ids)

    def _say(self, text: str) -> Iterator[str]:
        if text:
            self._named = False
            self._behind = (self._behind + text)[-_KEPT:]
            yield text


def _code(marks: str) -> _State:
    """Inside a block that these marks opened: a line of as many of them, or more, ends it, with or without ids."""
    ends = rf"^[ \t]{{0,16}}{marks}{marks[0]}{{0,13}}(?=[ \t]{{0,16}}(?:$|[\[【][1-9]))"
    begun = rf"^[ \t]{{0,16}}{marks[0]}{{0,29}}[ \t]{{0,16}}[\[【]?\Z"
    return _State(re.compile(ends, re.MULTILINE), re.compile(begun, re.MULTILINE))


def _ids(mark: str) -> frozenset[int]:
    """The ids in a mark; none when it is no mark but a range of something else."""
    found: set[int] = set()
    for first, last in _NUMBERS.findall(mark.partition("†")[0].partition("](")[0]):
        begin, end = int(first), int(last or first)
        if not 0 <= end - begin < _MOST:
            return frozenset()
        found.update(range(begin, end + 1))
    return frozenset(found)
