"""Answers at their asker's expense."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from shelves import Shelf

from ragstone.domain import (
    Answer,
    AnswerOptions,
    Question,
    Rewriting,
    SpendingLimits,
    Strategy,
    Wrote,
)
from ragstone.errors import ModelUnavailableError, RateLimitedError
from ragstone.fakes.chat import Line, Reply, ScriptedChat
from ragstone.fakes.meter import MemoryMeter
from ragstone.fakes.models import WordTokenizer
from ragstone.flows.ask import ask, asking
from ragstone.flows.kit import Kit

pytestmark = pytest.mark.anyio

TEXT = "The old signing key stays valid for one more week."
ASKED = "How long does the old signing key stay valid?"
SAID = f"{TEXT[:-1]} [1]."
AT_MOST = 3000 + 1024  # tokens of an answer


async def made(meter: MemoryMeter, *lines: Line, strategy: Strategy = Strategy.DIRECT) -> tuple[Question, Kit]:
    shelf = Shelf()
    store = await shelf.store((TEXT,))
    options = AnswerOptions(strategy, Rewriting.NONE, max_tokens=1024)
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


async def test_without_a_meter_nothing_is_counted() -> None:
    question, kit = await made(MemoryMeter(), SAID)
    free = Kit(kit.index, kit.embedder, kit.tokenizer, llm=kit.llm)
    assert isinstance(await ask(question, free), Answer)
