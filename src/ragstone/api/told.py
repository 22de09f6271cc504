"""A response told in events: while it is made here, or out of the database while it is made elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import chain, repeat

from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending
from ragstone.api.shapes.events import Event, ResponseStream, opening, telling
from ragstone.api.shapes.response import Status
from ragstone.api.stored import ending_of, failure_of
from ragstone.domain import Answer
from ragstone.storage.answers.kept import PostgresAnswers

_UNDONE = frozenset({Status.QUEUED, Status.IN_PROGRESS})


async def live(
    stream: ResponseStream, answering: Callable[[], Awaitable[tuple[Answer, Ending]]]
) -> AsyncGenerator[Event, None]:
    """Begin at once, and go on as soon as there is an answer."""
    for event in opening(stream):
        yield event
    answer, ending = await answering()
    for event in telling(stream, answer, ending):
        yield event


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
