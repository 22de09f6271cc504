"""The sentences of an answer while it is written: each word as soon as it is certain where it belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ragstone.answer.marks import Cleaner, Mark
from ragstone.text import sentences

REFUSAL = "INSUFFICIENT EVIDENCE"  # what the templates ask for when the passages do not answer

# A mark that may end a sentence, and behind it less than it takes to know.
_UNDECIDED = re.compile(r"(?:[.!?…]+(?P<stop>)[^\w\s]{0,3}|(?P<line>)\n)\s*(?:\S{0,12})\Z")
_FENCE = re.compile(r"^[ \t]*(?P<marks>```|~~~)", re.MULTILINE)
_ORNAMENT = " \t\r\n*_\"'#>-"
_ENDS_REFUSAL = frozenset(".!:;,*_\"'\n")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A whole sentence, list item, table row or block of code, with the blanks before it."""

    text: str
    cited: frozenset[int]  # ids of passages that the model named for it, whether they exist or not


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model says that the passages do not answer; what it says beside that is not to be read."""


class Transcript:
    """Takes what a model writes, piece by piece; gives back its words, and behind the words of a sentence the sentence.

    Ids of passages and thoughts between tags are taken out. Together the words are the sentences: nothing is shown
    that could still become something else, which holds back a word or two at the end of a sentence.
    """

    def __init__(self) -> None:
        self._cleaner = Cleaner()
        self._open = ""  # the sentence that is being written, and what may belong to the next
        self._shown = 0  # characters of it that were given back
        self._marks: list[tuple[int, frozenset[int]]] = []  # place in the open sentence, and the ids
        self._refused = False

    @property
    def fragment(self) -> str:
        """What was given back of a sentence that has no end yet."""
        return self._open[: self._shown]

    def feed(self, piece: str) -> Iterator[str | Sentence | Refusal]:
        """What is certain with this piece."""
        self._append(self._cleaner.feed(piece))
        yield from self._go_on(last=False)

    def end(self) -> Iterator[str | Sentence | Refusal]:
        """The rest, when no more comes."""
        self._append(self._cleaner.end())
        yield from self._go_on(last=True)
        if self._open.strip() and not self._refused:
            yield from self._close(len(self._open.rstrip()), len(self._open))

    def _append(self, cleaned: Iterator[str | Mark]) -> None:
        for one in cleaned:
            if isinstance(one, Mark):
                self._marks.append((len(self._open), one.ids))
            else:
                self._open += one

    def _go_on(self, *, last: bool) -> Iterator[str | Sentence | Refusal]:
        while not self._refused:
            refusal = _refusal(self._open, last=last) if not self._shown else False
            if refusal:
                self._refused = True
                yield Refusal()
            settled = len(self._open) if last else _settled(self._open)
            boundary = None if refusal is not False else self._boundary(settled)
            if boundary is None:
                yield from self._show(settled) if refusal is False else ()
                return
            yield from self._close(*boundary)

    def _boundary(self, settled: int) -> tuple[int, int] | None:
        """The end of the open sentence and the beginning of the next, once they are certain."""
        for end, following in _boundaries(self._open):
            if following > settled or following == len(self._open):
                return None
            if end >= self._shown:
                return end, following
        longest = max(self._shown, sentences.LONGEST)
        blank = self._open.find(" ", longest, settled) if not _FENCE.search(self._open) else -1
        return (blank, blank + 1) if blank >= 0 else None

    def _show(self, settled: int) -> Iterator[str]:
        end = len(self._open[:settled].rstrip())
        if end > self._shown:
            yield self._open[self._shown : end]
            self._shown = end

    def _close(self, end: int, following: int) -> Iterator[str | Sentence]:
        yield from self._show(end)
        cited = frozenset[int]().union(*(ids for place, ids in self._marks if place <= following))
        yield Sentence(self._open[:end], cited)
        self._marks = [(place - end, ids) for place, ids in self._marks if place > following]
        self._open = self._open[end:]
        self._shown = 0


def _settled(text: str) -> int:
    """How much of the text lies before an end of a sentence that is not certain yet."""
    undecided = _UNDECIDED.search(text)
    if undecided is None:
        return len(text)
    return undecided.end("stop") if undecided["stop"] is not None else undecided.start()


def _boundaries(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence ends and the next begins; a block of code is one sentence."""
    fence = _FENCE.search(text)
    prose = len(text) if fence is None else fence.start()
    spans = list(sentences.each(text, 0, prose))
    if fence is not None and spans:
        spans.append((fence.start(), fence.start()))
    elif fence is not None:
        ending = re.compile(rf"^[ \t]*{fence['marks']}[ \t]*$", re.MULTILINE).search(text, fence.end())
        behind = "" if ending is None else text[ending.end() :].lstrip()
        if ending is not None and behind:
            yield ending.end(), len(text) - len(behind)
        return
    for (_, end), (following, _) in pairwise(spans):
        yield end, following


def _refusal(text: str, *, last: bool) -> bool | None:
    """Whether an open sentence refuses to answer; None: that is not certain yet."""
    head = text.lstrip(_ORNAMENT)
    if head.startswith(REFUSAL):
        return True
    upper = head[: len(REFUSAL)].upper()
    if len(head) <= len(REFUSAL):
        return upper == REFUSAL if last else None if REFUSAL.startswith(upper) else False
    return upper == REFUSAL and head[len(REFUSAL)] in _ENDS_REFUSAL


class Curtain:
    """Hides what comes before certain words; if they never come, nothing was hidden."""

    def __init__(self, words: str) -> None:
        pattern = r"\s*".join(map(re.escape, words.split()))
        self._words = re.compile(rf"^[ \t>#*_]*{pattern}[*_]*[ \t]*", re.MULTILINE | re.IGNORECASE)
        self._sign = words
        self._held = ""
        self._open = not words

    def feed(self, piece: str) -> str:
        """What is to be seen of this piece and those before it."""
        if self._open:
            return piece
        self._held += piece
        found = self._words.search(self._held)
        if found is None or found.end() == len(self._held):  # blanks and marks may follow
            return ""
        self._open = True
        return self._held[found.end() :]

    def end(self) -> str:
        """The rest, when no more comes."""
        if self._open:
            return ""
        found = self._words.search(self._held)
        inside = self._held.rfind(self._sign)  # a small model may forget the new line
        behind = found.end() if found else inside + len(self._sign) if inside >= 0 else 0
        return self._held[behind:]
