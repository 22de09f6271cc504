"""One call, in which the model reasons first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ragstone.answer.context import pack
from ragstone.answer.generate import speak
from ragstone.answer.task import Task
from ragstone.domain import AnswerEvent

_BEHIND = "ANSWER:"  # as the template asks for it


async def chain_of_thought(task: Task) -> AsyncGenerator[AnswerEvent, None]:
    """Let the model write down what follows from the passages, and show what it concludes; one call.

    Source: Wei et al., Chain-of-Thought Prompting Elicits Reasoning in Large Language Models, 2022.

    Raises:
        ModelUnavailableError: Before anything was written: no model can be asked.
        PromptTooLongError: Before anything was written: not even half of the passages fits.
        PromptRefusedError: Before anything was written: the server does not take it.
    """
    template = task.prompts["chain_of_thought"]
    async with aclosing(speak(task, template, pack(task, template), behind=_BEHIND)) as events:
        async for event in events:
            yield event
