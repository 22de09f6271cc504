"""One call with the passages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ragstone.answer.context import pack
from ragstone.answer.generate import speak
from ragstone.answer.task import Task
from ragstone.domain import AnswerEvent


async def direct(task: Task) -> AsyncGenerator[AnswerEvent, None]:
    """Show the model the passages and the question, and ground what it says.

    Raises:
        ModelUnavailableError: Before anything was written: no model can be asked.
        PromptTooLongError: Before anything was written: not even half of the passages fits.
        PromptRefusedError: Before anything was written: the server does not take it.
    """
    template = task.prompts["direct"]
    async with aclosing(speak(task, template, pack(task, template))) as events:
        async for event in events:
            yield event
