"""A finished text in the pieces in which it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragstone.domain import Answer, Citation

# A few words with the blanks around them: every character of a text is in exactly one piece.
_PIECE = re.compile(r"\s*(?:\S+\s*){1,4}|\s+")


def pieces(answer: Answer) -> Iterator[str | Citation]:
    """The answer's text a few words at a time, and each citation right behind the sentence that it supports."""
    told = 0
    for citation in answer.citations:
        yield from _PIECE.findall(answer.text, told, citation.answer_index)
        told = max(told, citation.answer_index)
        yield citation
    yield from _PIECE.findall(answer.text, told)
