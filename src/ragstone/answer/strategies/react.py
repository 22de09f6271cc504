"""Search and think in turns, until the passages suffice."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from ragstone.answer.context import Context, pack
from ragstone.answer.generate import draft, recite, speak
from ragstone.answer.length import tokens
from ragstone.answer.strategies.further import after_searching
from ragstone.answer.task import Task
from ragstone.domain import AnswerEvent
from ragstone.prompts.quoting import defused
from ragstone.prompts.replies import spoken

STEPS = 4  # of the model, each a search or the answer
_HITS = 5  # of a search that are shown: the best, so that there is room for the next
_LONGEST = 300  # characters of what is searched for

_MARK = re.compile(r"^[ \t>*#_-]*(THOUGHT|SEARCH|ANSWER)[ \t*_]*:[ \t*_]*", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Step:
    """What the model does next: it searches, or it answers, or (neither) it does not know how to go on."""

    thought: str = ""
    search: str = ""
    answer: str = ""


async def react(task: Task) -> AsyncGenerator[AnswerEvent, None]:
    """Let the model search for what is missing before it answers; from one call to five.

    After four steps without an answer, or a search that finds nothing new, it is asked to answer from what there is.
    Source: Yao et al., ReAct: Synergizing Reasoning and Acting in Language Models, 2022; the one action here is a
    search, and what is observed are passages whose numbers go on.

    Raises:
        ModelUnavailableError: Before anything was written: no model can be asked.
        PromptTooLongError: Before anything was written: not even half of the passages fits.
        PromptRefusedError: Before anything was written: the server does not take it.
    """
    trail = Trail(task)
    events = await trail.walk()
    async with aclosing(after_searching(events, task, trail.queries)) as told:
        async for event in told:
            yield event


class Trail:
    """The model's steps to an answer, and what was found on the way."""

    def __init__(self, task: Task) -> None:
        """Begin with what the question itself has found."""
        self._task = task
        self._template = task.prompts["react"]
        self._first = self.ground = _leaving_room(task, pack(task, self._template, steps=""))
        self._steps = ""  # as the model reads them
        self.queries: list[str] = []

    async def walk(self) -> AsyncGenerator[AnswerEvent, None]:
        """Step by step to the answer, which is about to be told.

        Raises:
            ModelUnavailableError: No model can be asked.
            PromptTooLongError: Not even half of the passages fits.
            PromptRefusedError: The server does not take it.
        """
        task = self._task
        for _ in range(STEPS):
            said = await draft(task, self._template, self._first, steps=self._steps)
            step = read_step(said.text)
            if step.answer:
                return recite(task, self._template, replace(said, text=step.answer), self.ground)
            if not step.search or not await self._search(step):
                break
        direct = task.prompts["direct"]
        return speak(task, direct, pack(task, direct, self.ground.hits))

    async def _search(self, step: Step) -> bool:
        """Whether there is anything new; the model reads it before its next step."""
        results = await self._task.search(step.search)
        self.queries.append(step.search)
        known = {hit.passage.chunk_id for hit in self.ground.hits}
        hits = [hit for hit in results.hits if hit.passage.chunk_id not in known][:_HITS]
        before = f"{self._first.text}\n{self._steps}"  # takes its room in the window, too
        found = pack(self._task, self._template, hits, first=self.ground.following, steps=before)
        thought = f"THOUGHT: {defused(step.thought)}\n" if step.thought else ""
        self._steps += f"\n{thought}SEARCH: {defused(step.search)}\n{found.text}\n"
        self.ground += found
        return bool(hits)


def _leaving_room(task: Task, context: Context) -> Context:
    """The passages, or the better half of them if they took so much that further ones would not fit."""
    taken = tokens(task.tokenizer, [context.text])[0]
    return context.halved() if 2 * taken > task.llm.context_tokens else context


def read_step(said: str) -> Step:
    """What a model wrote as a step; a text without any of the marks is an answer.

    In capitals they are marks wherever a line begins with them, otherwise only in a text that begins with one: answers
    have lines such as "Search: finds parts", too. So nothing ends an answer, and what stands before all marks is
    thought.
    """
    text = spoken(said)
    marks = list(_MARK.finditer(text))
    if marks and marks[0].start() > 0:
        marks = [mark for mark in marks if mark[1].isupper()]
    if not marks:
        return Step(answer=text)
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    parts = [
        (mark[1].upper(), mark.end(), text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)
    ]
    first = next((words for name, _, words in parts if name == "THOUGHT"), "")
    thought = f"{text[: marks[0].start()]}{first}".strip()
    for name, start, words in parts:
        if name == "SEARCH" and words:
            return Step(thought, search=words.splitlines()[0].strip("\"'` ")[:_LONGEST])
        if name == "ANSWER" and words:
            return Step(thought, answer=text[start:].strip())
    return Step(thought)
