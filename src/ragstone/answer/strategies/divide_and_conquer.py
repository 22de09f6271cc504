"""The questions that a question is made of, each searched and answered, and the answers put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import reduce
from operator import add

from ragstone.answer.context import Context, pack
from ragstone.answer.generate import draft, speak
from ragstone.answer.strategies.direct import direct
from ragstone.answer.strategies.further import after_searching
from ragstone.answer.strategies.together import together
from ragstone.answer.task import Task, complete
from ragstone.domain import AnswerEvent, Rewriting
from ragstone.prompts.quoting import conversation, defused, quoted
from ragstone.prompts.replies import listed, spoken

PARTS = 3

_PART = "direct"  # the template by which a part is answered
_UNKNOWN = "INSUFFICIENT EVIDENCE"  # as that template has it
_MAX_TOKENS = 512  # of the list of parts
_LONGEST = 500  # characters of a part
_MOST = 6  # parts that are taken from the model's list: a longer one is no list of parts


async def divide_and_conquer(task: Task) -> AsyncGenerator[AnswerEvent, None]:
    """Let the model split the question, answer up to three parts at once and join them; five calls at most.

    A question that cannot be split is answered directly, with two calls. When the search has already split it, its
    parts are taken, which saves a call.

    Raises:
        ModelUnavailableError: Before anything was written: no model can be asked.
        PromptTooLongError: Before anything was written: not even half of the passages fits.
        PromptRefusedError: Before anything was written: the server does not take it.
    """
    parts = await _parts(task)
    if not parts[1:]:
        async with aclosing(direct(task)) as events:
            async for event in events:
                yield event
        return
    asked = [await _part(task, part) for part in parts]
    contexts = _packed(asked)
    answers = await _answers(asked, contexts)
    told = [quoted("part", f"Question: {part}\nAnswer: {said}") for part, said in zip(parts, answers, strict=True)]
    joining = speak(task, task.prompts["divide_and_conquer"], reduce(add, contexts), parts="\n".join(told))
    async with aclosing(after_searching(joining, task, parts)) as events:
        async for event in events:
            yield event


async def _parts(task: Task) -> Sequence[str]:
    """What to ask instead; a single one or none, when the model finds nothing to divide."""
    if len(task.results.queries) > 1 and task.question.options.rewriting is Rewriting.DECOMPOSE:
        return _fitted(task.results.queries)
    asked = task.prompts["decompose"].messages(
        conversation=defused(conversation(task.question.history)), question=defused(task.question.text)
    )
    said = await complete(task, task.request(asked, max_tokens=_MAX_TOKENS, temperature=0.0))
    return _fitted([part for part in listed(said.text) if len(part) <= _LONGEST][:_MOST])


def _fitted(parts: Sequence[str]) -> Sequence[str]:
    """As many as there are calls for; the last ones are asked together."""
    return parts if len(parts) <= PARTS else (*parts[: PARTS - 1], " ".join(parts[PARTS - 1 :]))


async def _part(task: Task, part: str) -> Task:
    """The part as a task of its own, with what is found for it."""
    return replace(task, question=replace(task.question, text=part, history=()), results=await task.search(part))


def _packed(asked: Sequence[Task]) -> list[Context]:
    """The passages for each part; their numbers go on from part to part."""
    contexts: list[Context] = []
    for task in asked:
        first = contexts[-1].following if contexts else 1
        contexts.append(pack(task, task.prompts[_PART], first=first))
    return contexts


async def _answers(asked: Sequence[Task], contexts: Sequence[Context]) -> list[str]:
    """What the model says to each part; a part without passages is not asked, and one that fails has no answer."""
    known = [place for place, context in enumerate(contexts) if context.passages]
    calls = [draft(asked[place], asked[place].prompts[_PART], contexts[place]) for place in known]
    said = dict(zip(known, await together(calls) if calls else [], strict=True))
    answers = [said.get(place) for place in range(len(asked))]
    return [_UNKNOWN if answer is None else spoken(answer.text) or _UNKNOWN for answer in answers]
