"""Classifying by endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragstone.models.protocols.classify import classify
from ragstone.models.protocols.members import Members
from ragstone.models.protocols.usage import tokens_of


class EndpointClassifier:
    """A model behind one or several endpoints; implements `ports.Classifier`."""

    def __init__(self, members: Members) -> None:
        """Nothing is asked yet."""
        self._members = members

    async def classify(self, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """For each text the probability of each label, 0 to 1.

        Raises:
            ModelUnavailableError: No member can be asked.
        """
        if not texts:
            return ()
        tokens = tokens_of(sum(map(len, texts)))
        return await self._members.call(lambda model, client: classify(model, texts, client), tokens)
