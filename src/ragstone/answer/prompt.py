"""What a language model is told: a template, the conversation so far, the passages, and the question."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.answer.length import EACH, tokens
from ragstone.answer.task import Task
from ragstone.domain import Message, Role
from ragstone.prompts import Template

_CONVERSATION = 4  # the share of the window that the conversation may take is one in so many
_DROPPED = 8  # so many turns are dropped at a time: what a model server has read before then stays the same for a while


def compose(task: Task, template: Template, passages: str, **values: str) -> tuple[Message, ...]:
    """The template's messages with these passages, and before the last question the conversation.

    The template takes `passages`, `question`, `instructions` and the further values. What stays the same from one
    question to the next comes first, so that a model server needs not read it again.

    Raises:
        TemplateError: The template takes a value that is not there.
    """
    question = task.question
    asked = {"passages": passages, "question": question.text, "instructions": question.options.instructions}
    messages = [Message(message.role, message.text.strip()) for message in template.messages(**(asked | values))]
    last = max((place for place, message in enumerate(messages) if message.role is Role.USER), default=len(messages))
    return (*messages[:last], *_conversation(task), *messages[last:])


def _conversation(task: Task) -> Sequence[Message]:
    """The newest turns, as many as their share of the window holds."""
    turns = task.question.history
    costs = [cost + EACH for cost in tokens(task.tokenizer, [turn.text for turn in turns])]
    dropped = 0
    while sum(costs[dropped:]) * _CONVERSATION > task.llm.context_tokens:
        dropped += _DROPPED
    return turns[dropped:]
