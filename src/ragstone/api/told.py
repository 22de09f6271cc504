"""An answer told in events: while it is made here, or out of the database while it is made elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import chain, repeat
from typing import TypeVar

from ragstone.api.shapes import sse
from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.chat import ChatStream
from ragstone.api.shapes.ending import Ending
from ragstone.api.shapes.events import Event, ResponseStream, telling
from ragstone.api.shapes.response import Status
from ragstone.api.stored import ending_of, failure_of
from ragstone.domain import Answer, AnswerEvent, Wrote
from ragstone.observe.answers import count
from ragstone.storage.answers.kept import PostgresAnswers

T = TypeVar("T")

_UNDONE = frozenset({Status.QUEUED, Status.IN_PROGRESS})


async def begun(made: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same once its first item is there: what is refused before that can still be answered with a status.

    Raises:
        RagstoneError: There will be no first item.
    """
    first = await anext(made)

    async def all_of_it() -> AsyncGenerator[T, None]:
        async with aclosing(made):
            yield first
            async for item in made:
                yield item

    return all_of_it()


async def live(
    stream: ResponseStream,
    made: AsyncGenerator[AnswerEvent, None],
    conclude: Callable[[Answer], Awaitable[Ending]],
) -> AsyncGenerator[bytes, None]:
    """A response while it is made, as it goes over the wire; before its last event, `conclude` has its say."""
    yield sse.events([*stream.create(), *stream.start()])
    async with aclosing(made):
        async for event in made:
            if isinstance(event, Wrote):
                yield stream.written(event.text)
            elif isinstance(event, Answer):
                yield sse.events(stream.conclude(await conclude(event)))
            else:
                yield sse.events(stream.tell(event))


async def live_chat(stream: ChatStream, made: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[bytes, None]:
    """A chat completion while it is made, as it goes over the wire."""
    yield sse.chunks(stream.start())
    async with aclosing(made):
        async for event in made:
            if isinstance(event, Wrote):
                yield stream.written(event.text)
            elif isinstance(event, Answer):
                count(event)
                yield sse.chunks(stream.conclude(event))
            else:
                yield sse.chunks(stream.tell(event))


async def followed(answers: PostgresAnswers, asked: Asked, stream: ResponseStream) -> AsyncGenerator[Event, None]:
    """A stored response from its beginning, with pauses where it is not made yet; told again, it is the same.

    Raises:
        NotFoundError: It was deleted meanwhile.
    """
    for event in stream.create():
        yield event
    status = await _left(answers, asked.id, frozenset({Status.QUEUED}))
    for event in (*stream.start(), *stream.search()):
        yield event
    if status in _UNDONE:
        await _left(answers, asked.id, _UNDONE)
    made = await answers.find(asked.id)
    if made.answer is not None:
        for event in telling(stream, made.answer, ending_of(made)):
            yield event
    else:
        for event in stream.cancel() if made.status == Status.CANCELLED else stream.fail(failure_of(made)):
            yield event


async def _left(answers: PostgresAnswers, public_id: str, states: frozenset[Status]) -> str:
    """The first status beyond these; it is asked for less and less often."""
    for pause in chain((0.05, 0.1, 0.2, 0.4), repeat(0.8)):
        status = await answers.status(public_id)
        if status not in states:
            return status
        await asyncio.sleep(pause)
    raise AssertionError("it is asked for ever")
