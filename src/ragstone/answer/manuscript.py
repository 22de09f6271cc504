"""An answer while it is written: every sentence is grounded before the next one is shown."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import replace

from ragstone.answer.attribute import Ground, Support
from ragstone.answer.extract import NOTHING_FOUND
from ragstone.answer.stream import Refusal, Sentence
from ragstone.answer.units import stands_in_lines
from ragstone.domain import AnswerEvent, Citation, Cited, GroundingStatus, Unsupported, Wrote

_BROKEN_OFF = " … "


class Manuscript:
    """What has been written so far, and what it rests on.

    Where unsupported sentences are marked, words are shown as they come. Where they are removed, a sentence is shown
    when it is known to be supported, and what leads to it, such as a heading, only with it.
    """

    def __init__(self, policy: Unsupported | None) -> None:
        self.text = ""
        self.citations: list[Citation] = []
        self.unsupported: list[tuple[int, int]] = []
        self.refused = False
        self.seconds = 0.0  # that grounding took
        self._removes = policy is Unsupported.REMOVE
        self._supported = 0  # sentences
        self._open = 0  # where the sentence that is being written begins
        self._leading: list[str] = []  # sentences that claim nothing, and wait for one that does
        self._hollow = False  # all that followed the leading ones was removed
        self._line = ""  # the last line of what was said, which tells a table's first row from the others
        self._again: list[str] = []  # what may be said for the second time, and is not to be shown again
        self._grounded = 0  # characters at the beginning of the last of them that are grounded
        self._heard = ""  # of these
        self._joins = False  # what comes next has to be set apart

    @property
    def whole(self) -> str:
        """What was written up to the end of the last whole sentence."""
        return self.text[: self._open].rstrip()

    @property
    def fragment(self) -> str:
        """What was written of a sentence that has no end."""
        return self.text[self._open :].strip()

    @property
    def status(self) -> GroundingStatus:
        """How well the passages support what was written."""
        if not self._supported:
            return GroundingStatus.INSUFFICIENT_EVIDENCE
        whole = not self.unsupported and not self.refused
        return GroundingStatus.SUPPORTED if whole else GroundingStatus.PARTIAL

    async def take(
        self, parts: Iterator[str | Sentence | Refusal], ground: Awaitable[Ground]
    ) -> AsyncIterator[AnswerEvent]:
        """Write and ground what a transcript gives; the ground is waited for when the first sentence is whole."""
        for part in parts:
            if isinstance(part, Refusal):
                self.refused = True
            elif isinstance(part, str):
                for event in self._say(part):
                    yield event
            else:
                async for event in self._close(part, ground):
                    yield event

    def go_on(self) -> None:
        """Another model goes on: it may say again what was shown of the last sentence, or all from the beginning."""
        self._again = [text for text in (self.fragment, self.text) if text and not self._removes]
        self._heard, self._grounded = "", self._open
        self._joins = bool(self.text)
        self._leading.clear()

    def end(self) -> Iterator[AnswerEvent]:
        """Write what is left to be written."""
        if self.fragment:
            self._mark()
        if not self.text:
            self.text = NOTHING_FOUND
            yield Wrote(self.text)

    def _say(self, words: str) -> Iterator[AnswerEvent]:
        if not self._removes:
            yield from self._write(self._new(words))

    def _write(self, words: str) -> Iterator[AnswerEvent]:
        words = words if self.text else words.lstrip()
        if words and self._joins:
            gap = "" if words[0].isspace() else "\n" if stands_in_lines(words) else " "
            words, self._joins = gap + words, False
        if words:
            self.text += words
            yield Wrote(words)

    def _new(self, words: str) -> str:
        """The words without those that are said for the second time."""
        if not self._again:
            return words
        self._heard += words
        heard = self._heard.lstrip()
        if any(again.startswith(heard) for again in self._again):
            return ""
        known = max((again for again in self._again if heard.startswith(again)), key=len, default="")
        self._again = []
        if known:
            self._joins = False
            return heard[len(known) :]
        if not self.fragment:
            return heard
        self._mark()
        self._open += len(_BROKEN_OFF)
        self._joins = False
        return _BROKEN_OFF + heard

    def _mark(self) -> None:
        """Nothing supports the last sentence, or it has no end; what is written next is another one."""
        self.unsupported.append((len(self.text) - len(self.fragment), len(self.text)))
        self._open = len(self.text)

    def _skips(self, sentence: Sentence) -> bool:
        """Whether a sentence is one that was written, and grounded, before; or what was written of it does not end."""
        if not self._again:
            return False
        said = sentence.text.strip()
        if not self._again[-1].startswith(said) or self._grounded < len(said):
            self._again = []
            if said == self.fragment:
                return False
            if self.fragment:
                self._mark()
            return True
        further = self._again[-1][len(said) :].lstrip()
        self._grounded -= len(self._again[-1]) - len(further)
        self._again, self._heard = [further] if further else [], ""
        return True

    async def _close(self, sentence: Sentence, ground: Awaitable[Ground]) -> AsyncIterator[AnswerEvent]:
        if self._skips(sentence):
            return
        began = time.perf_counter()
        support = await (await ground).support(sentence, self._line)
        self.seconds += time.perf_counter() - began
        self._line = (self._line + sentence.text).rstrip().rpartition("\n")[2]
        if self._removes:
            for event in self._keep(sentence, support):
                yield event
        elif support.claims and not support.supported:
            self._mark()
        self._open = len(self.text)
        self._supported += support.supported
        for event in self._cite(support.citations):
            yield event

    def _keep(self, sentence: Sentence, support: Support) -> Iterator[AnswerEvent]:
        """Show the sentence behind those that lead to it, drop it, or let it wait for one that it leads to."""
        if support.supported:
            for text in (*self._leading, sentence.text):
                yield from self._write(text)
            self._leading.clear()
        elif not support.claims:
            if self._hollow:
                self._leading.clear()
            self._leading.append(sentence.text)
        self._hollow = support.claims and not support.supported

    def _cite(self, citations: Sequence[Citation]) -> Iterator[AnswerEvent]:
        for citation in citations:
            self.citations.append(replace(citation, answer_index=len(self.text)))
            yield Cited(self.citations[-1])
