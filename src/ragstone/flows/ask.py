"""Ask: what was answered before, else search, let a model or the documents themselves answer, and check it all."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ragstone.answer.strategies import STRATEGIES
from ragstone.answer.task import Task
from ragstone.answer.tell import tell
from ragstone.domain import Answer, AnswerEvent, Found, Question, Searching
from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError
from ragstone.flows.degrade import complete, stand_in
from ragstone.flows.kit import Kit
from ragstone.flows.quote import quote, summed
from ragstone.flows.recall import recall
from ragstone.flows.spending import spending
from ragstone.retrieve.find import find


async def ask(question: Question, kit: Kit) -> Answer:
    """An answer whose every sentence is cited and checked, or the word that the evidence does not suffice.

    Raises:
        InvalidQuestionError: The question cannot be searched.
        RateLimitedError: The asker has spent what there is to spend.
        DatabaseError: The database went away.
    """
    async with aclosing(asking(question, kit)) as events:
        async for event in events:
            if isinstance(event, Answer):
                return event
    raise AssertionError("asking ends with an answer or an error")


async def asking(question: Question, kit: Kit) -> AsyncGenerator[AnswerEvent, None]:
    """The same as it comes about; what the events say adds up to the answer, which is the last of them."""
    question = kit.settled(question)
    memory = await recall(question, kit)
    if memory.answer is not None:
        for event in tell(memory.answer):
            yield event
        return
    making = _quoted(question, kit) if kit.llm is None else _generated(question, kit)
    async with aclosing(making) as events:
        async for event in events:
            yield await memory.keep(event) if isinstance(event, Answer) else event


async def _quoted(question: Question, kit: Kit) -> AsyncGenerator[AnswerEvent, None]:
    """In the documents' own words."""
    yield Searching((question.text,))
    for event in tell(await quote(question, kit), begin=Found):
        yield event


async def _generated(question: Question, kit: Kit) -> AsyncGenerator[AnswerEvent, None]:
    """In a language model's words; if none can be had, in the documents' own."""
    deadline = kit.deadline()
    async with spending(question, kit) as tally:
        yield Searching((question.text,))
        results = await find(question, kit.rewriting(tally))
        yield Found(results.hits, results.queries)
        task = kit.task(question, results, deadline, tally)
        async with aclosing(_answered(task)) as events:
            async for event in events:
                yield event


async def _answered(task: Task) -> AsyncGenerator[AnswerEvent, None]:
    strategy = task.question.options.strategy
    assert strategy is not None
    try:
        async with aclosing(STRATEGIES[strategy](task)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    async for last in complete(task, event):
                        yield _whole(last, task) if isinstance(last, Answer) else last
                else:
                    yield event
    except (ModelUnavailableError, PromptRefusedError, PromptTooLongError) as error:
        # A strategy raises these only as long as it has not written anything.
        for event in tell(_whole(await stand_in(task, error), task), begin=None):
            yield event


def _whole(answer: Answer, task: Task) -> Answer:
    """With what the search took and looked for."""
    results = task.results
    return replace(
        answer,
        queries=answer.queries or results.queries,
        timings_ms=summed(results.timings_ms, answer.timings_ms),
        provenance=replace(answer.provenance, usage=task.tally.usage),
    )
