"""A finished answer as the events in which it would have come about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragstone.domain import Answer, AnswerEvent, Cited, Found, Searching, Wrote

# A few words with the blanks around them: every character of a text is in exactly one piece.
_PIECE = re.compile(r"\s*(?:\S+\s*){1,4}|\s+")


def tell(answer: Answer, *, begin: type[Searching | Found] | None = Searching) -> Iterator[AnswerEvent]:
    """The answer from its search on, from what was found on, or (None) only what is written; it comes last itself.

    The text comes a few words at a time, and each citation right behind the sentence that it supports.
    """
    if begin is Searching:
        yield Searching(answer.queries)
    if begin is not None:
        yield Found(answer.nearest, answer.queries)
    told = 0
    for citation in answer.citations:
        yield from map(Wrote, _PIECE.findall(answer.text, told, citation.answer_index))
        told = max(told, citation.answer_index)
        yield Cited(citation)
    yield from map(Wrote, _PIECE.findall(answer.text, told))
    yield answer
