"""A language model's answer: its sentences as they come, each grounded in the passages that it was given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from ragstone.answer.attribute import Ground
from ragstone.answer.context import Context
from ragstone.answer.curtain import Curtain
from ragstone.answer.manuscript import Manuscript
from ragstone.answer.prompt import compose
from ragstone.answer.stream import Transcript
from ragstone.answer.task import Completion, Task, complete
from ragstone.domain import (
    Answer,
    AnswerEvent,
    Ended,
    Finish,
    Message,
    Provenance,
    Role,
)
from ragstone.errors import ModelBrokeOffError, ModelUnavailableError, PromptRefusedError, PromptTooLongError
from ragstone.prompts import Template

_CONTINUATIONS = 2  # how often another model goes on where one fell silent
_PATIENCE = 200  # characters behind a refusal until its end, which tells what it took, is not waited for any more

_Failure: TypeAlias = ModelUnavailableError | PromptTooLongError | PromptRefusedError


async def speak(
    task: Task, template: Template, context: Context, *, behind: str = "", **values: str
) -> AsyncGenerator[AnswerEvent, None]:
    """Ask the model with this template and tell what it says: Wrote and Cited as it goes, last the Answer.

    The template takes `passages`, `question`, `instructions` and the further values. With `behind` nothing is shown
    until the model has written these words at the beginning of a line (such as `ANSWER:`); if it never does, all of
    it is the answer, unless it begins with `REASONING:`: then nothing was said. A prompt that is too long is tried once
    more with half of the passages. Without passages the model is not asked.

    Raises:
        ModelUnavailableError: Before anything was written: nobody can be asked, or all broke off or said nothing.
        PromptTooLongError: Before anything was written: not even half of the passages fits.
        PromptRefusedError: Before anything was written: the server does not take it.
    """
    speech = _Speech(task, template, Manuscript(task.question.options.unsupported))
    if context.passages:
        async with aclosing(speech.listen(context, behind, values)) as events:
            async for event in events:
                yield event
    for event in speech.manuscript.end():
        yield event
    yield speech.answer(context)


async def recite(
    task: Task, template: Template, completion: Completion, context: Context
) -> AsyncGenerator[AnswerEvent, None]:
    """Tell a finished text of a model as `speak` does: its sentences grounded in these passages, last the Answer."""
    speech = _Speech(task, template, Manuscript(task.question.options.unsupported))
    speech.member, speech.finish = completion.member, completion.finish
    transcript = Transcript(_numbers(context))
    async with grounding(task, context) as ground:
        for parts in (transcript.feed(completion.text), transcript.end()):
            async for event in speech.manuscript.take(parts, ground):
                yield event
    for event in speech.manuscript.end():
        yield event
    yield speech.answer(context)


async def draft(
    task: Task, template: Template, context: Context, *, temperature: float | None = None, **values: str
) -> Completion:
    """Ask as `speak` does and wait for the whole text, which is not shown; what it took is counted.

    Raises:
        ModelUnavailableError: Nobody can be asked, or the one that was asked broke off.
        PromptTooLongError: Not even half of the passages fits.
        PromptRefusedError: The server does not take it.
    """
    for shown in (context, context.halved()):
        messages = compose(task, template, shown.text, **values)
        request = task.request(messages, max_tokens=shown.answer_tokens, temperature=temperature)
        try:
            return await complete(task, request)
        except PromptTooLongError as error:
            too_long = error
    raise too_long


@asynccontextmanager
async def grounding(task: Task, context: Context) -> AsyncIterator[asyncio.Task[Ground]]:
    """The passages as ground for sentences: made ready while the model reads."""
    making = asyncio.create_task(Ground.of(task, context))
    try:
        yield making
    finally:
        making.cancel()


@dataclass
class _Speech:
    """One answer on its way from the model to the reader."""

    task: Task
    template: Template
    manuscript: Manuscript
    member: str = ""
    finish: Finish = Finish.STOP
    degraded: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    async def listen(self, context: Context, behind: str, values: dict[str, str]) -> AsyncGenerator[AnswerEvent, None]:
        """Write what the model says; where it falls silent, let another one go on."""
        asked: Sequence[Message] = compose(self.task, self.template, context.text, **values)
        messages = asked
        broken = halved = 0
        async with grounding(self.task, context) as ground:
            while True:
                heard = self._heard(messages, context, Curtain(behind), ground)
                try:
                    async with aclosing(heard) as events:
                        async for event in events:
                            yield event
                except (ModelUnavailableError, PromptTooLongError, PromptRefusedError) as error:
                    broken += isinstance(error, ModelBrokeOffError)
                    halved += isinstance(error, PromptTooLongError)
                    if self._ends(error, broken, halved):
                        return
                    if isinstance(error, PromptTooLongError):
                        asked = compose(self.task, self.template, context.halved().text, **values)
                    messages = self._continued(asked)
                else:
                    return

    async def _heard(
        self, messages: Sequence[Message], context: Context, curtain: Curtain, ground: Awaitable[Ground]
    ) -> AsyncGenerator[AnswerEvent, None]:
        """What one call brings; what it took is counted, or estimated if it does not come to its end."""
        request = self.task.request(messages, max_tokens=context.answer_tokens)
        transcript = Transcript(_numbers(context))
        patience = _PATIENCE
        with self.task.counting(request) as call:
            async with aclosing(self.task.llm.chat(request)) as events:
                async for event in events:
                    call.hear(event)
                    if isinstance(event, Ended):
                        self.member, self.finish = event.member, event.finish
                        continue
                    self._note_first(event.text)
                    async for written in self.manuscript.take(transcript.feed(curtain.feed(event.text)), ground):
                        yield written
                    patience -= len(event.text) if self.manuscript.refused else 0
                    if patience < 0:
                        return
        for parts in (transcript.feed(curtain.end()), transcript.end()):
            async for written in self.manuscript.take(parts, ground):
                yield written
        if transcript.is_empty:
            raise ModelUnavailableError(
                "The model said nothing",
                why=f"it ended with {self.finish}",
                remedy="Raise RAGSTONE_ANSWER_MAX_TOKENS if it reasons before it answers",
            )

    def _note_first(self, text: str) -> None:
        if text:
            self.timings.setdefault("first_token", (time.perf_counter() - self.began) * 1000.0)

    def _ends(self, error: _Failure, broken: int, halved: int) -> bool:
        """Whether the answer ends where it is; if not, it is tried again, unless the error is raised."""
        written = bool(self.manuscript.text)
        if self.manuscript.refused:
            return True
        if isinstance(error, ModelBrokeOffError) and broken <= _CONTINUATIONS:
            return False
        if isinstance(error, PromptTooLongError) and halved == 1 and not written:
            return False
        if not written:
            raise error
        self.degraded = str(error)
        return True

    def _continued(self, asked: Sequence[Message]) -> Sequence[Message]:
        """What was asked, what was answered up to the last whole sentence, and the word to go on."""
        manuscript = self.manuscript
        manuscript.go_on()
        if not manuscript.whole:
            return asked
        nudge = self.task.prompts["go_on"].messages(begun=manuscript.fragment)
        return (*asked, Message(Role.ASSISTANT, manuscript.whole), *nudge)

    def answer(self, context: Context) -> Answer:
        """What was written, with all that is known of it."""
        manuscript = self.manuscript
        known = {hit.passage.chunk_id for hit in self.task.results.hits}
        further = tuple(hit for hit in context.hits if hit.passage.chunk_id not in known)
        self.timings["ground"] = manuscript.seconds * 1000.0
        self.timings["total"] = (time.perf_counter() - self.began) * 1000.0
        provenance = Provenance(
            model=self.member,
            strategy=self.task.question.options.strategy,
            prompt=self.template.identity,
            usage=self.task.tally.usage,
            finish=self.finish,
            degraded=self.degraded,
        )
        return Answer(
            manuscript.text,
            manuscript.status,
            tuple(manuscript.citations),
            (*self.task.results.hits, *further),
            self.timings,
            unsupported=tuple(manuscript.unsupported),
            provenance=provenance,
        )


def _numbers(context: Context) -> frozenset[int]:
    """Under which the model was shown passages."""
    return frozenset(numbered.id for numbered in context.passages)
