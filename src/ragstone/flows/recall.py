"""Recall: whether a question was answered before, and that its answer is there for the next."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from ragstone import __version__
from ragstone.domain import Answer, CacheOutcome, Finish, Question, Remembered, Store, Usage, Vector
from ragstone.errors import RagstoneError
from ragstone.flows.kit import Kit
from ragstone.observe import metrics
from ragstone.ports import AnswerCache
from ragstone.storage.answers.written import question_object

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Memory:
    """What is remembered of a question, and the place for its answer."""

    answer: Answer | None = None  # as it is told now; None: it has to be made
    place: Place | None = None  # None: it is not looked for, and not kept

    async def keep(self, answer: Answer) -> Answer:
        """The answer as it is told, with what the cache knew of it; kept if it is whole and nothing stood in for it.

        An answer that cannot be kept is told all the same.
        """
        if self.place is None:
            return answer
        answer = replace(answer, provenance=replace(answer.provenance, cache=CacheOutcome.MISS))
        if answer.provenance.finish is Finish.STOP and not answer.provenance.degraded:
            try:
                await self.place.keep(answer)
            except RagstoneError as error:
                _log.warning("an answer is not kept for the next: %s", error)
        return answer


@dataclass(frozen=True)
class Place:
    """Where an answer is kept."""

    cache: AnswerCache
    question: Question
    kit: Kit
    llm: str | None  # identity of the models that were to answer
    key: bytes
    versions: Sequence[tuple[int, int]]  # of the stores before they were searched
    vector: Vector | None

    async def keep(self, answer: Answer) -> None:
        """Let it be found there, unless other models have come than were to answer."""
        key, llm = self.key, _llm(self.kit)
        if self.llm is not None and llm is not None and llm != self.llm:
            if not llm.startswith(self.llm):
                return
            key = decided(self.question, self.kit)  # one has told its name when it was asked for the first time
        await self.cache.keep(key, self.versions, self.question.text, self.vector, answer)


async def recall(question: Question, kit: Kit) -> Memory:
    """What was answered to a settled question before, from what its stores hold now and this asker may read.

    A cache that cannot be read does not keep a question from being answered.
    """
    if kit.cache is None or not question.options.cached or not question.text.strip():
        _count(CacheOutcome.BYPASS)
        return Memory()
    began = time.perf_counter()
    key, llm = decided(question, kit), _llm(kit)
    try:
        found, vector = await _found(key, question, kit, kit.cache)
    except RagstoneError as error:
        _log.warning("answers cannot be looked up in the cache: %s", error)
        _count(CacheOutcome.BYPASS)
        return Memory()
    place = Place(kit.cache, question, kit, llm, key, found.versions, vector)
    if found.answer is None:
        _count(CacheOutcome.MISS)
        return Memory(place=place)
    _count(found.answer.provenance.cache)
    taken = (time.perf_counter() - began) * 1000.0
    provenance = replace(found.answer.provenance, usage=Usage())  # this time, nothing was spent
    told = replace(found.answer, timings_ms={"cache": taken, "total": taken}, provenance=provenance)
    return Memory(told, place)


async def _found(key: bytes, question: Question, kit: Kit, cache: AnswerCache) -> tuple[Remembered, Vector | None]:
    """What the cache has, and the question's vector if it took that to look."""
    found = await cache.find(key, question.stores, question.text, None)
    if found.answer is not None or kit.similarity is None:
        return found, None
    (vector,) = await kit.embedder.embed_queries([question.text])
    return await cache.find(key, question.stores, question.text, vector), vector


def decided(question: Question, kit: Kit) -> bytes:
    """A digest of all that decides an answer, but for the question's words, what its stores hold, and who may read it.

    Whatever is to change answers has to change this: the release, what the request asks for, what went before in the
    conversation, the prompts, and every model that has a part in it.
    """
    # The words are compared by the cache, the stores by their versions; how the cache is used changes nothing.
    apart = replace(question, text="", stores=(), options=replace(question.options, cached=True))
    parts = {
        "release": __version__,
        "question": question_object(apart),
        "searched": [_searched(store) for store in sorted(question.stores, key=lambda store: store.id)],
        "prompts": kit.prompts.identity,
        "llm": _llm(kit),
        "reranker": None if kit.reranker is None else [kit.reranker.identity, kit.candidates],
    }
    return sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def _llm(kit: Kit) -> str | None:
    return None if kit.llm is None else kit.llm.identity


def _searched(store: Store) -> list[object]:
    model = store.model
    return [store.id, store.language, model.name, model.dimension, model.query_prefix, model.passage_prefix]


def _count(outcome: CacheOutcome) -> None:
    metrics.CACHE.labels("answers", outcome.value).inc()
