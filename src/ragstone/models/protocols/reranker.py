"""Reranking by endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.models.protocols.members import Members
from ragstone.models.protocols.rerank import rerank
from ragstone.models.protocols.usage import tokens_of


class EndpointReranker:
    """A model behind one or several endpoints; implements `ports.Reranker`."""

    def __init__(self, members: Members) -> None:
        """Nothing is asked yet."""
        self._members = members

    @property
    def identity(self) -> str:
        """Of the model: two rankings of the same identity are comparable."""
        model = self._members.model
        return model.model or model.name

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """The relevance of each text, 0 to 1, in the order of the texts.

        Raises:
            ModelUnavailableError: No member can be asked.
        """
        if not texts:
            return ()
        tokens = tokens_of(len(texts) * len(query) + sum(map(len, texts)))
        return await self._members.call(lambda model, client: rerank(model, query, texts, client), tokens)
