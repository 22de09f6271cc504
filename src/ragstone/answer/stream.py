"""The sentences of an answer while it is written: each word as soon as it is certain where it belongs."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import pairwise

from ragstone.answer.marks import Block, Cleaner, Mark
from ragstone.text import sentences

REFUSAL = "INSUFFICIENT EVIDENCE"  # what the templates ask for when the passages do not answer
MOST_BLANKS = 100  # in a row outside of code; a model that writes more has lost its way, and the rest is dropped
LONGEST = 2 * sentences.LONGEST  # characters of a sentence; one that has no blank by then is cut anywhere

# A mark that may end a sentence, and behind it less than it takes to know.
_UNDECIDED = re.compile(r"(?:[.!?…]+(?P<stop>)[^\w\s]{0,3}|(?P<line>)\n)\s*(?:\S{0,12})\Z")
_WINDOW = MOST_BLANKS + 24  # characters in which all of that lies
_BLANKS = re.compile(rf"(?<!\s)\s{{{MOST_BLANKS},}}")
_BLANK = re.compile(r"\s+")
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

    Ids of passages (`given` are those that there are), thoughts between tags, and blanks beyond `MOST_BLANKS` are taken
    out. Together the words are the sentences: nothing is shown that could still become something else, which holds
    back a word or two at the end of a sentence. Only a block of code is longer than `LONGEST`.
    """

    def __init__(self, given: Container[int] = range(1, 1000)) -> None:
        self.is_empty = True  # nothing was given back yet
        self._cleaner = Cleaner(given)
        self._open = ""  # the sentence that is being written, and what may belong to the next
        self._shown = 0  # characters of it that were given back
        self._marks: list[tuple[int, frozenset[int]]] = []  # place in the open sentence, and the ids
        self._refused = False
        self._is_code = False  # the open sentence is a block of code
        self._code = 0  # characters of it, once it has ended

    def feed(self, piece: str) -> Iterator[str | Sentence | Refusal]:
        """What is certain with this piece."""
        yield from self._take(self._cleaner.feed(piece))
        yield from self._go_on(last=False)

    def end(self) -> Iterator[str | Sentence | Refusal]:
        """The rest, when no more comes."""
        yield from self._take(self._cleaner.end())
        yield from self._finish()

    def _take(self, parts: Iterator[str | Mark | Block]) -> Iterator[str | Sentence | Refusal]:
        for part in parts:
            if isinstance(part, Mark):
                self._marks.append((len(self._open), part.ids))
            elif part is Block.BEGINS:
                yield from self._finish()
                self._is_code = True
            elif part is Block.ENDS:
                self._code = len(self._open.rstrip())
            else:
                self._open += part if self._is_code and not self._code else self._without_blanks(part)

    def _without_blanks(self, text: str) -> str:
        before = len(self._open) - len(self._open.rstrip())
        run = self._open[len(self._open) - before :] + text
        return _BLANKS.sub(lambda blanks: blanks[0][:MOST_BLANKS], run)[before:]

    def _finish(self) -> Iterator[str | Sentence | Refusal]:
        """End the open sentence, whatever it was to become."""
        yield from self._go_on(last=True)
        if self._open.strip() and not self._refused:
            yield from self._close(len(self._open.rstrip()), len(self._open))

    def _go_on(self, *, last: bool) -> Iterator[str | Sentence | Refusal]:
        while not self._refused:
            refusal = _refusal(self._open, last=last) if not self._shown else False
            if refusal:
                self._refused, self.is_empty = True, False
                yield Refusal()
            settled = len(self._open) if last or self._is_code else _settled(self._open)
            boundary = None if refusal is not False else self._boundary(settled)
            if boundary is None:
                yield from self._show(settled) if refusal is False else ()
                return
            yield from self._close(*boundary)

    def _boundary(self, settled: int) -> tuple[int, int] | None:
        """The end of the open sentence and the beginning of the next, once they are certain."""
        if self._is_code:
            following = len(self._open) - len(self._open[self._code :].lstrip())
            return (self._code, following) if self._code and following < len(self._open) else None
        spans = sentences.each(self._open, 0, min(len(self._open), sentences.LONGEST))
        for (_, end), (following, _) in pairwise(spans):
            if following > settled:
                return None
            if end >= self._shown:
                return end, following
        return self._cut(settled)

    def _cut(self, settled: int) -> tuple[int, int] | None:
        """Where a sentence that has grown too long is cut: at its next blank."""
        blank = _BLANK.search(self._open, sentences.LONGEST, LONGEST)
        if blank is None:
            return (LONGEST, LONGEST) if settled >= LONGEST else None
        end = len(self._open[: blank.start()].rstrip())
        return (end, blank.end()) if blank.end() < settled else None

    def _show(self, settled: int) -> Iterator[str]:
        end = len(self._open[:settled].rstrip())
        if end > self._shown:
            self.is_empty = False
            yield self._open[self._shown : end]
            self._shown = end

    def _close(self, end: int, following: int) -> Iterator[str | Sentence]:
        yield from self._show(end)
        cited = frozenset[int]().union(*(ids for place, ids in self._marks if place <= following))
        yield Sentence(self._open[:end], cited)
        self._marks = [(place - end, ids) for place, ids in self._marks if place > following]
        self._open = self._open[end:]
        self._shown = self._code = 0
        self._is_code = False


def _settled(text: str) -> int:
    """How much of the text lies before an end of a sentence that is not certain yet."""
    undecided = _UNDECIDED.search(text, max(len(text) - _WINDOW, 0))
    if undecided is None:
        return len(text)
    return undecided.end("stop") if undecided["stop"] is not None else undecided.start()


def _refusal(text: str, *, last: bool) -> bool | None:
    """Whether an open sentence refuses to answer; None: that is not certain yet."""
    head = text.lstrip(_ORNAMENT)
    if len(text) - len(head) > _WINDOW:
        return False
    if head.startswith(REFUSAL):
        return True
    upper = head[: len(REFUSAL)].upper()
    if len(head) <= len(REFUSAL):
        return upper == REFUSAL if last else None if REFUSAL.startswith(upper) else False
    return upper == REFUSAL and head[len(REFUSAL)] in _ENDS_REFUSAL
