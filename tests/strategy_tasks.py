"""Questions on their way through a scripted model, with a store in memory to search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from shelves import Shelf

from ragstone.answer.strategies import STRATEGIES
from ragstone.answer.task import Task
from ragstone.domain import (
    Answer,
    AnswerEvent,
    AnswerOptions,
    Cited,
    Message,
    Question,
    Results,
    Rewriting,
    Strategy,
    Unsupported,
    Wrote,
)
from ragstone.fakes.chat import ScriptedChat
from ragstone.fakes.models import WordTokenizer
from ragstone.prompts import Prompts
from ragstone.retrieve.find import Finding, find

PLANS = [
    "The standard plan costs 12 EUR a month.",
    "The large plan costs 20 EUR a month.",
    "The large plan has a notice period of 3 months.",
    "The canteen opens at 11:30.",
]


@dataclass
class Stage:
    """Where a strategy is played."""

    chat: ScriptedChat
    shelf: Shelf
    searched: list[str]
    task: Task

    async def play(self, strategy: Strategy) -> list[AnswerEvent]:
        """All that comes of it."""
        options = replace(self.task.question.options, strategy=strategy)
        task = replace(self.task, question=replace(self.task.question, options=options))
        async with aclosing(STRATEGIES[strategy](task)) as events:
            return [event async for event in events]

    def prompts(self) -> list[str]:
        """What the model was asked, each call as one text."""
        return ["\n".join(message.text for message in request.messages) for request in self.chat.requests]


async def stage(
    chat: ScriptedChat,
    text: str,
    *,
    texts: Sequence[str] = PLANS,
    top_k: int = 2,
    history: tuple[Message, ...] = (),
    rewriting: Rewriting = Rewriting.NONE,
    queries: tuple[str, ...] = (),
) -> Stage:
    """A question that was searched for once, about to be answered by this model."""
    shelf = Shelf()
    store = await shelf.store(texts)
    options = AnswerOptions(Strategy.DIRECT, rewriting, Unsupported.MARK, max_tokens=256)
    question = Question(text, (store,), top_k=top_k, history=history, options=options)
    finding = Finding(shelf.index, shelf.embedder, Prompts(), None, None, 30, 60)
    searched: list[str] = []

    async def search(text: str) -> Results:
        searched.append(text)
        return await find(replace(question, text=text, history=()), finding)

    first = replace(await find(replace(question, options=AnswerOptions()), finding), queries=queries)
    deadline = asyncio.get_running_loop().time() + 30
    task = Task(question, first, chat, shelf.embedder, shelf.index, WordTokenizer(), Prompts(), search, deadline)
    return Stage(chat, shelf, searched, task)


def answer_of(events: Sequence[AnswerEvent]) -> Answer:
    """The last event, after the others were seen to add up to it."""
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert "".join(event.text for event in events if isinstance(event, Wrote)) == answer.text
    assert tuple(event.citation for event in events if isinstance(event, Cited)) == answer.citations
    return answer
