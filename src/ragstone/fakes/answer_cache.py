"""A cache of answers in memory: as careful as the one in the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ragstone.domain import Answer, CacheOutcome, Remembered, Store, Vector
from ragstone.fakes.memory import Memory
from ragstone.text.sameness import may_ask_the_same, plain

_Place: TypeAlias = tuple[frozenset[str], bytes, tuple[tuple[int, int], ...]]  # readers, key, versions


@dataclass(frozen=True, slots=True)
class _Kept:
    question: str
    vector: Vector | None
    answer: Answer
    until: float


class Answers:
    """What caches share, as they would share a database."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.kept: dict[tuple[str, _Place], dict[str, _Kept]] = {}  # by tenant and place, then by question


class MemoryAnswerCache:
    """The answers that one asker may be given again: those that were made for exactly these readers."""

    def __init__(
        self,
        answers: Answers,
        tenant: str = "default",
        readers: Sequence[str] = (),
        *,
        seconds: float = 86_400.0,
        similarity: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember for so many seconds; from the cosine `similarity` on, two questions may be the same."""
        self._answers = answers
        self._tenant = tenant
        self._readers = frozenset(readers)
        self._seconds = seconds
        self._similarity = similarity
        self._clock = clock

    async def find(self, key: bytes, stores: Sequence[Store], question: str, vector: Vector | None) -> Remembered:
        """The answer to this question, or with a vector to one that means the same, from the stores as they are now."""
        versions = self._versions({store.id for store in stores})
        kept = self._answers.kept.get((self._tenant, (self._readers, key, versions)), {})
        current = {asked: one for asked, one in kept.items() if one.until > self._clock()}
        if same := current.get(plain(question)):
            return Remembered(_marked(same.answer, CacheOutcome.HIT), versions)
        if near := self._nearest(list(current.values()), question, vector):
            return Remembered(_marked(near.answer, CacheOutcome.SEMANTIC_HIT), versions)
        return Remembered(None, versions)

    async def keep(
        self, key: bytes, versions: Sequence[tuple[int, int]], question: str, vector: Vector | None, answer: Answer
    ) -> None:
        """Let it be found from now on until it is too old, or one of the stores is not as it was before the search."""
        place = (self._tenant, (self._readers, key, tuple(versions)))
        kept = _Kept(question, vector, answer, self._clock() + self._seconds)
        self._answers.kept.setdefault(place, {})[plain(question)] = kept

    def _versions(self, stores: set[int]) -> tuple[tuple[int, int], ...]:
        changes = self._answers.memory.rooms[self._tenant].changes
        return tuple((number, changes[number]) for number in sorted(stores))

    def _nearest(self, kept: Sequence[_Kept], question: str, vector: Vector | None) -> _Kept | None:
        if vector is None or self._similarity is None:
            return None
        near = [(float(one.vector @ vector), one) for one in kept if one.vector is not None]
        near = [(cosine, one) for cosine, one in near if cosine >= self._similarity]
        near.sort(key=lambda pair: -pair[0])
        return next((one for _, one in near if may_ask_the_same(question, one.question)), None)


def _marked(answer: Answer, outcome: CacheOutcome) -> Answer:
    return replace(answer, provenance=replace(answer.provenance, cache=outcome))
