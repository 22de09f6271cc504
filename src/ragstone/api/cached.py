"""Whether an answer was there already, in a header: a stream's is sent before its answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ragstone.domain import Answer, CacheOutcome, Remembered, Store, Vector
from ragstone.flows.kit import Kit
from ragstone.ports import AnswerCache

HEADER = "x-ragstone-cache"
DESCRIBED: dict[str, Any] = {
    HEADER: {
        "description": "Whether the answer was there already.",
        "schema": {"type": "string", "enum": [outcome.value for outcome in CacheOutcome]},
    }
}


def header(outcome: CacheOutcome) -> dict[str, str]:
    """The header that says it."""
    return {HEADER: outcome.value}


class Watched:
    """A cache of answers that notes what was found; see `ports.AnswerCache`."""

    def __init__(self, cache: AnswerCache) -> None:
        """Nothing has been looked for yet."""
        self._cache = cache
        self.outcome = CacheOutcome.BYPASS

    async def find(self, key: bytes, stores: Sequence[Store], question: str, vector: Vector | None) -> Remembered:
        """The answer to this question, if it is known."""
        found = await self._cache.find(key, stores, question, vector)
        self.outcome = CacheOutcome.MISS if found.answer is None else found.answer.provenance.cache
        return found

    async def keep(
        self, key: bytes, versions: Sequence[tuple[int, int]], question: str, vector: Vector | None, answer: Answer
    ) -> None:
        """Let it be found from now on."""
        await self._cache.keep(key, versions, question, vector, answer)


def watched(kit: Kit) -> Kit:
    """The kit with a cache that notes what was found."""
    return kit if kit.cache is None else replace(kit, cache=Watched(kit.cache))


def outcome(kit: Kit) -> CacheOutcome:
    """What a watched cache has noted."""
    return kit.cache.outcome if isinstance(kit.cache, Watched) else CacheOutcome.BYPASS
