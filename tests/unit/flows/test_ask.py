"""A question that goes on from an earlier one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256

import pytest

from ragstone.domain import (
    Answer,
    Block,
    BlockKind,
    Chunk,
    Document,
    GroundingStatus,
    IndexedChunk,
    Message,
    Question,
    Reading,
    Role,
)
from ragstone.fakes.memory import Memory, MemoryIndex, MemoryLibrary
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows.ask import ask
from ragstone.flows.kit import Kit
from ragstone.retrieve.check import MAX_CHARACTERS
from ragstone.text import analyzer

pytestmark = pytest.mark.anyio

TEXTS = ("The old signing key stays valid for one more week.", "Marble slabs cost three hundred crowns.")
BEFORE = "How long does the old signing key stay valid?"
VAGUE = "And for how much longer?"


async def answer(text: str, earlier: str = "") -> Answer:
    memory, embedder = Memory(), HashingEmbedder()
    library = MemoryLibrary(memory)
    store = await library.open_store("one", embedder.model)

    async def chunks(text: str) -> AsyncIterator[Sequence[IndexedChunk]]:
        (vector,) = await embedder.embed_passages([text])
        yield [IndexedChunk(Chunk(0, 0, len(text), text), vector, analyzer.term_counts(text))]

    for said in TEXTS:
        block = Block(BlockKind.PARAGRAPH, 0, len(said))
        reading = Reading(said, (block,), "text/plain")
        digest = sha256(said.encode()).digest()
        await library.put(store, Document(f"/{said}", "a.txt", digest, "test", len(said), reading), chunks(said))
    history = (Message(Role.USER, earlier),) if earlier else ()
    kit = Kit(MemoryIndex(memory), embedder, WordTokenizer())
    return await ask(Question(text, (store,), history=history), kit)


async def test_a_question_that_finds_enough_is_searched_alone() -> None:
    found = await answer(BEFORE, earlier="What does marble cost?")
    assert found.text == TEXTS[0]
    assert found.queries == ()


async def test_a_question_that_finds_too_little_is_searched_together_with_the_one_before() -> None:
    assert (await answer(VAGUE)).status is GroundingStatus.INSUFFICIENT_EVIDENCE
    found = await answer(VAGUE, earlier=BEFORE)
    assert found.text == TEXTS[0]
    assert found.queries == (VAGUE, f"{BEFORE} {VAGUE}")


async def test_if_both_together_find_too_little_the_question_s_own_passages_are_shown() -> None:
    alone = await answer(VAGUE)
    found = await answer(VAGUE, earlier="Who sang that?")
    assert found.status is GroundingStatus.INSUFFICIENT_EVIDENCE
    assert [hit.scores.lexical for hit in found.nearest] == [hit.scores.lexical for hit in alone.nearest]
    assert len(found.queries) == 2


async def test_the_times_of_both_searches_are_counted_and_the_total_comes_last() -> None:
    hops = (await answer(VAGUE, earlier=BEFORE)).timings_ms
    assert list(hops)[-1] == "total"
    assert hops["total"] == pytest.approx(sum(hops.values()) - hops["total"], rel=0.2)


async def test_what_is_too_long_together_is_searched_alone() -> None:
    found = await answer(VAGUE, earlier="x " * (MAX_CHARACTERS // 2))
    assert found.queries == ()
