"""Every strategy on its way through the whole flow: rewriting, searching, answering, and what stands in for it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

import pytest
from shelves import Shelf
from strategy_tasks import PLANS, answer_of

from ragstone.domain import (
    EXTRACTIVE,
    AnswerEvent,
    AnswerOptions,
    Found,
    GroundingStatus,
    Message,
    Question,
    Rewriting,
    Role,
    Searching,
    Strategy,
)
from ragstone.errors import ModelUnavailableError
from ragstone.fakes.chat import Line, Reply, ScriptedChat
from ragstone.fakes.models import WordTokenizer
from ragstone.flows.ask import asking
from ragstone.flows.kit import Kit
from ragstone.ports import ChatModel

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("strategy", list(Strategy))]

ASKED = "And the large one?"
WORDED = "What does the large plan cost?"
BEFORE = (Message(Role.USER, "What does the standard plan cost?"), Message(Role.ASSISTANT, "12 EUR a month."))
LARGE = PLANS[1]


async def told(llm: ChatModel, strategy: Strategy, **metadata: str) -> list[AnswerEvent]:
    shelf = Shelf()
    store = replace(await shelf.store(PLANS), metadata=metadata)
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), llm=llm)
    options = AnswerOptions(strategy=None if metadata else strategy)
    question = Question(ASKED, (store,), top_k=2, history=BEFORE, options=options)
    async with aclosing(asking(question, kit)) as events:
        return [event async for event in events]


def writer() -> ScriptedChat:
    """Condenses the follow-up, and answers with the passage."""
    return ScriptedChat(WORDED, LARGE)


async def test_a_follow_up_is_condensed_found_and_answered(strategy: Strategy) -> None:
    chat = writer()
    events = await told(chat, strategy)
    answer = answer_of(events)
    assert answer.text == LARGE
    assert answer.status is GroundingStatus.SUPPORTED
    assert answer.queries == (WORDED,)
    assert answer.provenance.strategy is strategy
    assert answer.provenance.usage.calls == len(chat.requests)
    assert list(answer.timings_ms)[-1] == "total"
    assert [type(event) for event in events[:2]] == [Searching, Found]
    assert sum(isinstance(event, (Searching, Found)) for event in events) == 2


async def test_a_store_says_how_questions_to_it_are_answered(strategy: Strategy) -> None:
    chat = writer()
    metadata = {"ragstone_strategy": strategy.value, "ragstone_rewriting": Rewriting.NONE.value}
    answer = answer_of(await told(chat, Strategy.DIRECT, **metadata))
    assert answer.provenance.strategy is strategy
    assert answer.queries == ()


async def test_with_every_model_down_the_documents_answer_from_what_the_follow_up_means(strategy: Strategy) -> None:
    answer = answer_of(await told(ScriptedChat(ModelUnavailableError("all down")), strategy))
    assert answer.provenance.model == EXTRACTIVE
    assert "all down" in answer.provenance.degraded
    assert answer.queries == (ASKED, f"{BEFORE[0].text} {ASKED}")
    assert answer.nearest


async def test_a_model_that_fails_after_the_first_calls_does_not_cost_the_answer(strategy: Strategy) -> None:
    lines: list[Line] = [WORDED, "SEARCH: notice period\nWhat is a plan?", ModelUnavailableError("gone")]
    answer = answer_of(await told(ScriptedChat(*lines), strategy))
    assert answer.text
    assert answer.provenance.usage.calls >= 1


async def test_a_model_that_only_thinks_does_not_cost_the_answer(strategy: Strategy) -> None:
    answer = answer_of(await told(ScriptedChat(WORDED, Reply("", reasoning="hm " * 50)), strategy))
    assert answer.text
    assert answer.nearest
