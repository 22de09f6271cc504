"""The strategies that ask once: with examples, and with reasoning."""

from __future__ import annotations

import pytest
from strategy_tasks import PLANS, answer_of, stage

from ragstone.domain import Message, Role, Strategy
from ragstone.fakes.chat import ScriptedChat

pytestmark = pytest.mark.anyio

ASKED = "What does the large plan cost?"
LARGE = PLANS[1]


async def test_examples_come_before_the_conversation_and_the_question_comes_last() -> None:
    history = (Message(Role.USER, "Which plans are there?"), Message(Role.ASSISTANT, "Standard and large."))
    played = await stage(ScriptedChat(LARGE), ASKED, history=history)
    answer_of(await played.play(Strategy.FEW_SHOT))
    (request,) = played.chat.requests
    roles = [message.role for message in request.messages]
    assert roles == [Role.SYSTEM, *[Role.USER, Role.ASSISTANT] * 4, Role.USER]
    assert request.messages[-3:-1] == history
    assert request.messages[-1].text.endswith(f"Question: {ASKED}")
    assert "INSUFFICIENT EVIDENCE" in [message.text for message in request.messages]


async def test_reasoning_is_not_shown() -> None:
    said = f"REASONING: Passage 1 has the price, passage 2 that of another plan.\nANSWER: {LARGE} [1]"
    played = await stage(ScriptedChat(said), ASKED)
    answer = answer_of(await played.play(Strategy.CHAIN_OF_THOUGHT))
    assert answer.text == LARGE
    assert [citation.quote for citation in answer.citations] == [LARGE]


async def test_a_model_that_answers_without_reasoning_is_heard_as_well() -> None:
    answer = answer_of(await (await stage(ScriptedChat(f"{LARGE} [1]"), ASKED)).play(Strategy.CHAIN_OF_THOUGHT))
    assert answer.text == LARGE
