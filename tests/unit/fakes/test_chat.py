from __future__ import annotations

from contextlib import aclosing

import pytest

from ragstone.domain import ChatEvent, ChatRequest, Ended, Finish, Message, Piece, Role
from ragstone.errors import ModelBrokeOffError, ModelUnavailableError, PromptRefusedError, PromptTooLongError
from ragstone.fakes.chat import Reply, ScriptedChat

pytestmark = pytest.mark.anyio


def request(text: str = "Well?", **options: object) -> ChatRequest:
    return ChatRequest((Message(Role.USER, text),), **options)  # type: ignore[arg-type]


async def heard(chat: ScriptedChat, asked: ChatRequest | None = None) -> list[ChatEvent]:
    async with aclosing(chat.chat(asked or request())) as events:
        return [event async for event in events]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece))


async def test_a_line_comes_in_pieces_and_ends_with_what_it_took() -> None:
    chat = ScriptedChat("Twelve EUR a month.", price=0.5)
    events = await heard(chat)
    assert len(events) > 2
    assert text_of(events) == "Twelve EUR a month."
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert (ended.finish, ended.usage.calls) == (Finish.STOP, 1)
    assert ended.usage.cost == 0.5 * (ended.usage.input_tokens + ended.usage.output_tokens)


async def test_lines_come_in_their_order_and_the_last_one_again_and_again() -> None:
    chat = ScriptedChat("one", "two")
    assert [text_of(await heard(chat)) for _ in range(3)] == ["one", "two", "two"]
    assert len(chat.requests) == 3


async def test_a_line_can_depend_on_the_request() -> None:
    chat = ScriptedChat(lambda asked: asked.messages[-1].text.upper())
    assert text_of(await heard(chat, request("louder"))) == "LOUDER"


async def test_reasoning_comes_before_the_text_and_is_counted_apart() -> None:
    events = await heard(ScriptedChat(Reply("four", reasoning="two and two")))
    assert events[0] == Piece(reasoning="two and")
    assert text_of(events) == "four"
    assert isinstance(events[-1], Ended)
    assert 0 < events[-1].usage.reasoning_tokens < events[-1].usage.output_tokens


async def test_an_error_is_raised_at_once_or_behind_what_was_said() -> None:
    with pytest.raises(ModelUnavailableError, match="gone"):
        await heard(ScriptedChat(ModelUnavailableError("gone")))
    said: list[ChatEvent] = []
    with pytest.raises(ModelBrokeOffError):
        async for event in ScriptedChat(Reply("half a sen", error=ModelBrokeOffError("silence"))).chat(request()):
            said.append(event)  # noqa: PERF401  what came before the error is looked at
    assert text_of(said) == "half a sen"


async def test_without_a_line_nobody_can_be_asked_and_a_schema_has_to_be_offered() -> None:
    with pytest.raises(ModelUnavailableError):
        await heard(ScriptedChat())
    with pytest.raises(PromptRefusedError):
        await heard(ScriptedChat("{}"), request(json_schema={"type": "object"}))
    assert text_of(await heard(ScriptedChat("{}", json_schema=True), request(json_schema={"type": "object"}))) == "{}"


async def test_a_prompt_that_leaves_no_room_for_the_answer_is_too_long() -> None:
    chat = ScriptedChat("yes", context_tokens=600)
    assert text_of(await heard(chat, request("x" * 400, max_tokens=500))) == "yes"
    with pytest.raises(PromptTooLongError):
        await heard(chat, request("x" * 401, max_tokens=500))


async def test_an_answer_that_nobody_hears_to_its_end_is_noticed() -> None:
    chat = ScriptedChat("a long answer that is not waited for")
    async with aclosing(chat.chat(request())) as events:
        await anext(events)
    assert chat.left == 1
    await heard(chat)
    assert chat.left == 1
