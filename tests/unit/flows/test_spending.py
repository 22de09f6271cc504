"""Answers at their asker's expense."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest
from shelves import Shelf

from ragstone.domain import (
    Answer,
    AnswerOptions,
    EmbeddingModel,
    Matrix,
    Question,
    Rewriting,
    SpendingLimits,
    Strategy,
    Wrote,
)
from ragstone.errors import ModelBrokeOffError, ModelUnavailableError, RateLimitedError
from ragstone.fakes.chat import Line, Reply, ScriptedChat
from ragstone.fakes.meter import MemoryMeter
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows.ask import ask, asking
from ragstone.flows.kit import Kit
from ragstone.flows.look import look

pytestmark = pytest.mark.anyio

TEXT = "The old signing key stays valid for one more week."
ASKED = "How long does the old signing key stay valid?"
SAID = f"{TEXT[:-1]} [1]."
AT_MOST = 3000 + 1024  # tokens of an answer


async def made(
    meter: MemoryMeter, *lines: Line, strategy: Strategy = Strategy.DIRECT, rewriting: Rewriting = Rewriting.NONE
) -> tuple[Question, Kit]:
    shelf = Shelf()
    store = await shelf.store((TEXT,))
    options = AnswerOptions(strategy, rewriting, max_tokens=1024)
    llm = ScriptedChat(*lines, price=0.001)
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), llm=llm, meter=meter)
    return Question(ASKED, (store,), options=options), kit


async def test_an_answer_is_settled_with_what_its_provenance_says() -> None:
    meter = MemoryMeter(SpendingLimits(tokens_per_day=AT_MOST))
    question, kit = await made(meter, SAID)
    answer = await ask(question, kit)
    assert meter.spent == answer.provenance.usage
    assert meter.spent.calls == 1
    assert meter.spent.cost > 0
    with pytest.raises(RateLimitedError, match="would be passed"):
        await ask(question, kit)


async def test_what_cannot_be_paid_is_refused_before_anything_is_said_or_asked() -> None:
    meter = MemoryMeter(SpendingLimits(cost_per_month=AT_MOST * 0.001 * 5 - 0.01))
    question, kit = await made(meter, SAID, strategy=Strategy.SELF_CONSISTENCY)
    events = asking(question, kit)
    with pytest.raises(RateLimitedError, match=r"too low for this: an answer may take 20\.12"):
        await anext(events)
    assert isinstance(kit.llm, ScriptedChat)
    assert kit.llm.requests == []


async def test_a_degraded_answer_costs_what_was_tried_and_frees_what_was_reserved() -> None:
    meter = MemoryMeter(SpendingLimits(tokens_per_day=AT_MOST))
    question, kit = await made(meter, ModelUnavailableError("nobody is there"))
    for _ in range(3):
        assert (await ask(question, kit)).provenance.degraded
    assert meter.spent.input_tokens == 0


async def test_who_leaves_in_the_middle_pays_for_what_was_said() -> None:
    meter = MemoryMeter(SpendingLimits(tokens_per_day=AT_MOST * 2))
    question, kit = await made(meter, Reply(f"{SAID} " * 20))
    async with aclosing(asking(question, kit)) as events:
        async for event in events:
            if isinstance(event, Wrote):
                break
    assert meter.spent.calls == 1
    assert 0 < meter.spent.input_tokens + meter.spent.output_tokens < AT_MOST
    # What was reserved beyond that is free again.
    await meter.reserve(meter.spent)


async def test_a_cancelled_answer_is_settled() -> None:
    meter = MemoryMeter(SpendingLimits(tokens_per_day=AT_MOST))
    question, kit = await made(meter, Reply(SAID, delay=0.05))
    answering = asyncio.create_task(ask(question, kit))
    await asyncio.sleep(0.12)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await asyncio.sleep(0)
    assert meter.spent.calls == 1
    with pytest.raises(RateLimitedError, match=f"{meter.spent.input_tokens + meter.spent.output_tokens} are used"):
        await ask(question, kit)


class Endless(HashingEmbedder):
    """An embedder that never comes to an end with a question."""

    def __init__(self, model: EmbeddingModel) -> None:
        super().__init__(model.dimension, model.name)
        self.begun = asyncio.Event()

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        self.begun.set()
        await asyncio.Event().wait()
        raise AssertionError(texts)


@pytest.mark.parametrize("asked_for", ["an answer", "a search"])
@pytest.mark.parametrize("when", ["while it is rewritten", "while it is searched"])
async def test_rewriting_is_paid_for_by_who_leaves_before_there_is_an_answer(asked_for: str, when: str) -> None:
    meter, rewritten = MemoryMeter(), when == "while it is searched"
    line = Reply("validity of the old signing key", delay=0 if rewritten else 600)
    question, kit = await made(meter, line, rewriting=Rewriting.MULTI_QUERY)
    embedder = Endless(kit.embedder.model)
    kit = replace(kit, embedder=embedder)
    assert isinstance(kit.llm, ScriptedChat)
    asking = asyncio.ensure_future(look((question,), kit) if asked_for == "a search" else ask(question, kit))
    while not (embedder.begun.is_set() if rewritten else kit.llm.requests):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)
    assert meter.spent.calls == 1
    assert meter.spent.input_tokens > 0


async def test_rewriting_that_broke_off_is_paid_for_as_far_as_it_came() -> None:
    meter = MemoryMeter()
    broken = Reply("validity of the old", error=ModelBrokeOffError("silence"))
    question, kit = await made(meter, broken, SAID, rewriting=Rewriting.MULTI_QUERY)
    answer = await ask(question, kit)
    assert answer.queries == ()
    assert meter.spent == answer.provenance.usage
    assert meter.spent.calls == 2


async def test_without_a_meter_nothing_is_counted() -> None:
    question, kit = await made(MemoryMeter(), SAID)
    free = Kit(kit.index, kit.embedder, kit.tokenizer, llm=kit.llm)
    assert isinstance(await ask(question, free), Answer)
