"""A response that is made elsewhere, told out of the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from api_samples import STORED, UNDONE
from published import described
from shape_samples import ANSWER, CHAT, CUT, NOTHING, SPOKEN, link
from unit.api.test_streams import request_of

from ragstone.answer.tell import tell
from ragstone.api.door.drain import Drain
from ragstone.api.shapes.chat import ChatStream
from ragstone.api.shapes.chat import play as play_chat
from ragstone.api.shapes.ending import Ending
from ragstone.api.shapes.events import ResponseStream, play
from ragstone.api.stored import asked_of, ending_of
from ragstone.api.streams import unbroken
from ragstone.api.told import begun, followed, live, live_chat
from ragstone.domain import Answer, AnswerEvent, Found, Searching, Wrote
from ragstone.errors import NotFoundError, RateLimitedError
from ragstone.storage.answers.kept import PostgresAnswers, StoredAnswer

pytestmark = pytest.mark.anyio


class Row:
    """A stored answer that has another state each time it is looked at."""

    def __init__(self, *states: StoredAnswer) -> None:
        self.states = list(states)

    async def status(self, _: str) -> str:
        return (self.states.pop(0) if len(self.states) > 1 else self.states[0]).status

    async def find(self, public_id: str) -> StoredAnswer:
        if self.states[0].status == "deleted":
            raise NotFoundError(f"There is no response {public_id}")
        return self.states[0]


async def told(*states: StoredAnswer) -> list[dict[str, Any]]:
    asked = asked_of(STORED)
    stream = ResponseStream(asked)
    events = [event async for event in followed(cast("PostgresAnswers", Row(*states)), asked, stream)]
    for event in events:
        described().check_event(event)
    return events


QUEUED, BEGUN = replace(UNDONE, status="queued"), replace(UNDONE, status="in_progress")


@pytest.mark.parametrize("before", [(), (QUEUED,), (QUEUED, BEGUN), (QUEUED, QUEUED, BEGUN, BEGUN)])
async def test_whenever_it_is_asked_for_a_finished_answer_is_told_the_same(before: tuple[StoredAnswer, ...]) -> None:
    assert await told(*before, STORED) == list(play(asked_of(STORED), ANSWER, ending_of(STORED)))


@pytest.mark.parametrize("before", [(), (QUEUED,), (QUEUED, BEGUN)])
async def test_a_failed_answer_ends_with_the_reason(before: tuple[StoredAnswer, ...]) -> None:
    failed = replace(UNDONE, status="failed", error_code="invalid_prompt", error_message="There is no store")
    *_, last = await told(*before, failed)
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "invalid_prompt", "message": "There is no store"}


async def test_a_cancelled_answer_ends_as_such() -> None:
    *_, last = await told(QUEUED, replace(UNDONE, status="cancelled"))
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")


async def coming(*events: AnswerEvent) -> AsyncGenerator[AnswerEvent, None]:
    for event in events:
        yield event


async def ending(answer: Answer) -> Ending:
    return Ending(1, answer)


def parsed(told: bytes) -> list[dict[str, Any]]:
    """The events on the wire."""
    blocks = told.decode("ascii").strip().split("\n\n")
    return [json.loads(block.partition("data: ")[2]) for block in blocks]


@pytest.mark.parametrize("answer", [ANSWER, SPOKEN, CUT, NOTHING])
async def test_what_is_told_while_it_is_made_is_what_is_told_when_it_is_done(answer: Answer) -> None:
    asked = asked_of(STORED)
    told = [piece async for piece in live(ResponseStream(asked), coming(*tell(answer)), ending)]
    events = parsed(b"".join(told))
    for event in events:
        described().check_event(event)
    assert events == list(play(asked, answer, Ending(1, answer)))


async def test_words_are_told_one_by_one() -> None:
    events = (Searching(()), Found((), ()), Wrote("Keys"), Wrote(" rotate."))
    answer = replace(NOTHING, text="Keys rotate.")
    told = [piece async for piece in live(ResponseStream(asked_of(STORED)), coming(*events, answer), ending)]
    assert [parsed(piece)[-1].get("delta") for piece in told] == [None, None, None, "Keys", " rotate.", None]


async def test_a_chat_is_told_while_it_is_made_as_when_it_is_done() -> None:
    told = [piece async for piece in live_chat(ChatStream(CHAT, link), coming(*tell(SPOKEN)))]
    assert parsed(b"".join(told)) == list(play_chat(CHAT, SPOKEN, link))


async def test_what_is_refused_before_anything_is_told_is_raised() -> None:
    async def refused(events: Sequence[AnswerEvent] = ()) -> AsyncGenerator[AnswerEvent, None]:
        for event in events:
            yield event
        raise RateLimitedError("Enough for today")

    with pytest.raises(RateLimitedError):
        await begun(refused())
    assert [event async for event in await begun(coming(*tell(ANSWER)))] == list(tell(ANSWER))


async def test_who_leaves_ends_what_was_begun() -> None:
    ended = asyncio.Event()

    async def made() -> AsyncGenerator[AnswerEvent, None]:
        try:
            yield Searching(())
            await asyncio.sleep(60)
        finally:
            ended.set()

    told = live(ResponseStream(asked_of(STORED)), await begun(made()), ending)
    await anext(told)
    await anext(told)
    await told.aclose()
    assert ended.is_set()


async def test_what_keeps_it_from_being_told_says_nothing_of_the_answer_itself() -> None:
    asked = asked_of(STORED)
    stream = ResponseStream(asked)
    row = cast("PostgresAnswers", Row(QUEUED, replace(UNDONE, status="deleted")))
    request = request_of(Drain())
    *_, last = [event async for event in unbroken(followed(row, asked, stream), stream.break_off, request)]
    described().check_event(last)
    assert last["type"] == "error"
    assert last["message"] == "There is no response resp_1"
