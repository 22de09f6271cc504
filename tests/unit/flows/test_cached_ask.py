"""A question that was answered by a language model is answered again without it, as long as it is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from hashlib import sha256

import pytest

from ragstone.domain import (
    Answer,
    AnswerOptions,
    Block,
    BlockKind,
    CacheOutcome,
    Chunk,
    Cited,
    Document,
    IndexedChunk,
    Question,
    Reading,
    Store,
    Wrote,
)
from ragstone.fakes.answer_cache import Answers, MemoryAnswerCache
from ragstone.fakes.chat import ScriptedChat
from ragstone.fakes.memory import Memory, MemoryIndex, MemoryLibrary
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows.ask import ask, asking
from ragstone.flows.kit import Kit
from ragstone.text import analyzer

pytestmark = pytest.mark.anyio

SAID = "The old signing key stays valid for one more week."
ASKED = "How long does the old signing key stay valid?"


class Home:
    """A document, a language model that was told what to say, and a cache."""

    def __init__(self) -> None:
        self.memory, self.embedder = Memory(), HashingEmbedder()
        self.chat = ScriptedChat(f"{SAID} [1]")
        self.answers = Answers(self.memory)
        index, cache = MemoryIndex(self.memory), MemoryAnswerCache(self.answers)
        self.kit = Kit(index, self.embedder, WordTokenizer(), llm=self.chat, cache=cache)

    async def store(self) -> Store:
        return await MemoryLibrary(self.memory).open_store("docs", self.embedder.model)

    async def put(self, text: str) -> Store:
        store = await self.store()
        (vector,) = await self.embedder.embed_passages([text])
        indexed = IndexedChunk(Chunk(0, 0, len(text), text), vector, analyzer.term_counts(text))

        async def chunks() -> AsyncIterator[Sequence[IndexedChunk]]:
            yield [indexed]

        reading = Reading(text, (Block(BlockKind.PARAGRAPH, 0, len(text)),), "text/plain")
        made = Document("/a", "a.txt", sha256(text.encode()).digest(), "test", len(text), reading)
        await MemoryLibrary(self.memory).put(store, made, chunks())
        return store


async def test_the_second_time_no_model_is_asked_and_the_answer_is_the_same() -> None:
    home = Home()
    store = await home.put(SAID)
    first = await ask(Question(ASKED, (store,)), home.kit)
    assert (first.text, first.provenance.cache) == (SAID, CacheOutcome.MISS)
    asked = len(home.chat.requests)
    second = await ask(Question(ASKED, (store,)), home.kit)
    assert second.provenance.cache is CacheOutcome.HIT
    assert (second.text, second.citations, second.status) == (first.text, first.citations, first.status)
    assert len(home.chat.requests) == asked
    assert second.provenance.usage.calls == 0


async def test_a_remembered_answer_is_told_in_the_same_events_as_a_new_one() -> None:
    home = Home()
    store = await home.put(SAID)
    await ask(Question(ASKED, (store,)), home.kit)
    events = [event async for event in asking(Question(ASKED, (store,)), home.kit)]
    (answer,) = [event for event in events if isinstance(event, Answer)]
    assert answer.provenance.cache is CacheOutcome.HIT
    assert events[-1] is answer
    assert "".join(event.text for event in events if isinstance(event, Wrote)) == answer.text
    assert tuple(event.citation for event in events if isinstance(event, Cited)) == answer.citations


async def test_another_text_of_the_document_another_model_or_another_wish_is_answered_anew() -> None:
    home = Home()
    question = Question(ASKED, (await home.put(SAID),))
    await ask(question, home.kit)
    other = ScriptedChat(f"{SAID} [1]")
    other.identity = "another"
    assert (await ask(question, replace(home.kit, llm=other))).provenance.cache is CacheOutcome.MISS
    brief = replace(question, options=AnswerOptions(instructions="Be brief."))
    assert (await ask(brief, home.kit)).provenance.cache is CacheOutcome.MISS
    refusing = replace(question, options=AnswerOptions(cached=False))
    assert (await ask(refusing, home.kit)).provenance.cache is CacheOutcome.BYPASS
    await home.put("The old signing key stays valid for one more day.")
    assert (await ask(question, home.kit)).provenance.cache is CacheOutcome.MISS


async def test_the_documents_own_words_are_remembered_too_but_not_where_they_stand_in() -> None:
    home = Home()
    question = Question(ASKED, (await home.put(SAID),))
    quoting = replace(home.kit, llm=None)
    assert (await ask(question, quoting)).provenance.cache is CacheOutcome.MISS
    assert (await ask(question, quoting)).provenance.cache is CacheOutcome.HIT
    silent = replace(home.kit, llm=ScriptedChat())
    for _ in range(2):
        found = await ask(question, silent)
        assert found.provenance.degraded
        assert found.provenance.cache is CacheOutcome.MISS
