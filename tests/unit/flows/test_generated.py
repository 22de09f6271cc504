"""Answers of a language model: in its words if it has any, in the documents' own if not; and paid for either way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from shelves import TEXTS, Shelf

from ragstone.domain import (
    Answer,
    AnswerEvent,
    AnswerOptions,
    CacheOutcome,
    Cited,
    Found,
    GroundingStatus,
    Question,
    Rewriting,
    Searching,
    SpendingLimits,
    Wrote,
)
from ragstone.errors import (
    ModelBrokeOffError,
    ModelUnavailableError,
    PromptRefusedError,
    PromptTooLongError,
    RagstoneError,
    RateLimitedError,
)
from ragstone.fakes.answer_cache import Answers, MemoryAnswerCache
from ragstone.fakes.chat import Reply, ScriptedChat
from ragstone.fakes.meter import MemoryMeter
from ragstone.fakes.models import WordTokenizer
from ragstone.flows.ask import ask, asking
from ragstone.flows.kit import Kit

pytestmark = pytest.mark.anyio

ASKED = "When is the gearbox oil changed?"
SAID = "The gearbox oil is changed every year. [1]"
OPTIONS = AnswerOptions(rewriting=Rewriting.NONE)


async def case(*lines: str | Reply | RagstoneError, meter: MemoryMeter | None = None) -> tuple[Kit, Question]:
    shelf = Shelf()
    store = await shelf.store(TEXTS)
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), ScriptedChat(*lines, price=0.5), meter=meter)
    return kit, Question(ASKED, (store,), options=OPTIONS)


async def told(question: Question, kit: Kit) -> Sequence[AnswerEvent]:
    async with aclosing(asking(question, kit)) as events:
        return [event async for event in events]


async def test_the_events_of_an_answer_add_up_to_it() -> None:
    kit, question = await case(SAID)
    *before, answer = await told(question, kit)
    assert isinstance(answer, Answer)
    assert [type(event) for event in before[:2]] == [Searching, Found]
    assert "".join(event.text for event in before if isinstance(event, Wrote)) == answer.text == TEXTS[0]
    assert tuple(event.citation for event in before if isinstance(event, Cited)) == answer.citations
    assert [(cited.quote, cited.verified) for cited in answer.citations] == [(TEXTS[0], True)]
    assert answer.status is GroundingStatus.SUPPORTED
    assert (answer.provenance.model, answer.provenance.degraded) == ("scripted", "")
    assert answer.provenance.usage.calls == 1


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailableError("Nobody is there"),
        PromptTooLongError("Too long"),
        PromptRefusedError("No"),
        Reply("", error=ModelBrokeOffError("It fell silent")),
    ],
)
async def test_without_a_word_of_a_model_the_documents_answer_and_the_reason_is_said(
    error: RagstoneError | Reply,
) -> None:
    kit, question = await case(error)
    *before, answer = await told(question, kit)
    assert isinstance(answer, Answer)
    assert answer.text == TEXTS[0]
    assert answer.provenance.degraded
    assert sum(isinstance(event, Found) for event in before) == 1
    assert "".join(event.text for event in before if isinstance(event, Wrote)) == answer.text


async def test_an_answer_that_took_too_long_to_begin_is_given_by_the_documents() -> None:
    kit, question = await case(SAID)
    answer = await ask(question, Kit(**{**vars(kit), "seconds": -1.0}))
    assert (answer.text, answer.provenance.usage.calls) == (TEXTS[0], 0)
    assert "time for the answer is over" in answer.provenance.degraded


async def test_a_model_that_breaks_off_in_the_middle_is_gone_on_from() -> None:
    begun = Reply("The gearbox oil is changed every year. [1] Brakes are", error=ModelBrokeOffError("Gone"))
    kit, question = await case(begun, "tested each month. [2]")
    answer = await ask(question, kit)
    assert answer.text.startswith("The gearbox oil is changed every year.")
    assert "tested each month." in answer.text
    assert answer.provenance.degraded == ""


async def test_what_was_spent_is_settled_whatever_becomes_of_the_answer() -> None:
    meter = MemoryMeter()
    kit, question = await case(SAID, meter=meter)
    answer = await ask(question, kit)
    assert meter.spent == answer.provenance.usage
    assert meter.spent.cost > 0


async def test_an_asker_who_leaves_pays_for_what_was_said_until_then() -> None:
    meter = MemoryMeter()
    kit, question = await case(Reply(SAID * 20, size=5), meter=meter)
    async with aclosing(asking(question, kit)) as events:
        async for event in events:
            if isinstance(event, Wrote):
                break
    assert 0 < meter.spent.output_tokens < 100
    assert isinstance(kit.llm, ScriptedChat)
    assert kit.llm.left == 1


async def test_whoever_has_spent_everything_is_told_before_anything_is_searched() -> None:
    kit, question = await case(SAID, meter=MemoryMeter(SpendingLimits(tokens_per_day=10)))
    with pytest.raises(RateLimitedError):
        await told(question, kit)


async def test_a_degraded_answer_is_not_kept_for_the_next() -> None:
    shelf = Shelf()
    cache = MemoryAnswerCache(Answers(shelf.memory))
    question = Question(ASKED, (await shelf.store(TEXTS),), options=OPTIONS)
    llm = ScriptedChat(ModelUnavailableError("Nobody is there"), SAID)
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), llm, cache=cache)
    answers = [await ask(question, kit) for _ in range(3)]
    assert [bool(answer.provenance.degraded) for answer in answers] == [True, False, False]
    assert [answer.provenance.cache for answer in answers] == [CacheOutcome.MISS, CacheOutcome.MISS, CacheOutcome.HIT]


async def test_an_asker_who_leaves_before_the_first_word_pays_for_the_prompt() -> None:
    meter = MemoryMeter()
    kit, question = await case(Reply(SAID, delay=60), meter=meter)
    asking_it = asyncio.create_task(ask(question, kit))
    await asyncio.sleep(0.2)
    asking_it.cancel()
    await asyncio.gather(asking_it, return_exceptions=True)
    assert meter.spent.calls == 1
    assert meter.spent.input_tokens > 100
    assert meter.spent.output_tokens == 0
