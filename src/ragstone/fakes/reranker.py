"""A reranker without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragstone.errors import RagstoneError

_WORD = re.compile(r"\w+")


class OverlapReranker:
    """The port `Reranker`: a text is as relevant as the share of the query's words that it has.

    With an `error` it fails; `queries` are those it was asked, in their order.
    """

    identity = "overlap"

    def __init__(self, error: RagstoneError | None = None) -> None:
        """Say what is raised instead, if anything."""
        self._error = error
        self.queries: list[str] = []

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """The relevance of each text, 0 to 1, in the order of the texts.

        Raises:
            RagstoneError: The one that was given.
        """
        self.queries.append(query)
        if self._error is not None:
            raise self._error
        asked = _words(query)
        return [len(asked & _words(text)) / len(asked) if asked else 0.0 for text in texts]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
