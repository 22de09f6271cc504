"""One question on its way through a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field

from ragstone.answer.tally import Call, Tally
from ragstone.domain import ChatRequest, Ended, Finish, Message, Question, Results
from ragstone.errors import ModelUnavailableError
from ragstone.ports import ChatModel, Embedder, Index, Tokenizer
from ragstone.prompts import Prompts


@dataclass(frozen=True)
class Task:
    """What it takes to answer one question."""

    question: Question  # its options have no None any more, but for max_tokens and temperature
    results: Results  # of the first search
    llm: ChatModel
    embedder: Embedder
    index: Index
    tokenizer: Tokenizer  # of the embedder: what it counts is near to what the model counts
    prompts: Prompts
    search: Callable[[str], Awaitable[Results]]  # in the question's stores and under its filter
    deadline: float  # on the event loop's clock
    tally: Tally = field(default_factory=Tally)

    def request(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        json_schema: Mapping[str, object] | None = None,
    ) -> ChatRequest:
        """A call inside the time that is left.

        Raises:
            ModelUnavailableError: There is none left.
        """
        left = self.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise ModelUnavailableError("The time for the answer is over", remedy="Raise RAGSTONE_ANSWER_SECONDS")
        options = self.question.options
        return ChatRequest(
            tuple(messages),
            max_tokens=max_tokens or options.max_tokens,
            temperature=options.temperature if temperature is None else temperature,
            json_schema=json_schema,
            seconds=left,
        )

    def counting(self, request: ChatRequest) -> AbstractContextManager[Call]:
        """A call whose cost is counted however it ends."""
        return self.tally.counting(request, self.llm, self.tokenizer)


@dataclass(frozen=True, slots=True)
class Completion:
    """All that a model said."""

    text: str
    finish: Finish
    member: str


async def complete(task: Task, request: ChatRequest) -> Completion:
    """Ask and wait for the whole of it; what it took is counted.

    Raises:
        ModelUnavailableError: Nobody can be asked, or the one that was asked broke off.
        PromptTooLongError: It fits into no window.
        PromptRefusedError: The server does not take it.
    """
    with task.counting(request) as call:
        async with aclosing(task.llm.chat(request)) as events:
            async for event in events:
                call.hear(event)
                if isinstance(event, Ended):
                    return Completion(call.heard, event.finish, event.member)
    raise AssertionError("a chat ends with an Ended or an error")
