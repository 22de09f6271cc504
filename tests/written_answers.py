"""Questions with their passages, about to be answered by a scripted model, and what is told of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from answer_samples import EMBEDDER, Shelf, question, shelf_of

from ragstone.answer.task import Task
from ragstone.domain import (
    Answer,
    AnswerEvent,
    AnswerOptions,
    Cited,
    Hit,
    Message,
    Results,
    Strategy,
    Unsupported,
    Wrote,
)
from ragstone.fakes.chat import ScriptedChat
from ragstone.fakes.models import WordTokenizer
from ragstone.prompts import Prompts

Event = TypeVar("Event")


def task_of(
    hits: Sequence[Hit],
    chat: ScriptedChat,
    asked: str = "What is said about water?",
    *,
    policy: Unsupported = Unsupported.MARK,
    history: tuple[Message, ...] = (),
    max_tokens: int = 256,
    shelf: Shelf | None = None,
) -> Task:
    """Must be called inside the event loop."""

    async def search(text: str) -> Results:
        return Results((), {})

    options = AnswerOptions(Strategy.DIRECT, unsupported=policy, max_tokens=max_tokens)
    return Task(
        replace(question(asked), history=history, options=options),
        Results(tuple(hits), {}),
        chat,
        EMBEDDER,
        shelf_of(hits) if shelf is None else shelf,
        WordTokenizer(),
        Prompts(),
        search,
        asyncio.get_running_loop().time() + 30,
    )


async def told(events: AsyncGenerator[Event, None]) -> list[Event]:
    """All of them."""
    async with aclosing(events):
        return [event async for event in events]


def answer_in(events: Sequence[AnswerEvent]) -> Answer:
    """The last event, after it was seen that the others add up to it, each citation in its place."""
    answer = events[-1]
    assert isinstance(answer, Answer)
    written = ""
    citations = []
    for event in events[:-1]:
        if isinstance(event, Wrote):
            written += event.text
        elif isinstance(event, Cited):
            assert event.citation.answer_index == len(written)
            citations.append(event.citation)
    assert written == answer.text
    assert tuple(citations) == answer.citations
    return answer


def marked(answer: Answer) -> list[str]:
    """The stretches that no passage supports."""
    return [answer.text[start:end] for start, end in answer.unsupported]
