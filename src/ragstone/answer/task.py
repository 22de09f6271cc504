"""One question on its way through a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from ragstone.answer.length import length, tokens
from ragstone.domain import ChatEvent, ChatRequest, Ended, Finish, Message, Question, Results, Usage
from ragstone.errors import ModelUnavailableError
from ragstone.ports import ChatModel, Embedder, Index, Tokenizer
from ragstone.prompts import Prompts


@dataclass
class Tally:
    """What has been spent on an answer so far."""

    usage: Usage = field(default_factory=Usage)

    def add(self, usage: Usage) -> None:
        """Count a call."""
        self.usage += usage


@dataclass
class Call:
    """One call of a language model: what it took, or about what, if its end was not heard."""

    heard: str = ""
    usage: Usage | None = None  # None: it has not come to its end

    def hear(self, event: ChatEvent) -> None:
        """Take note of what was said."""
        if isinstance(event, Ended):
            self.usage = event.usage
        else:
            self.heard += event.text


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

    @contextmanager
    def counting(self, request: ChatRequest) -> Iterator[Call]:
        """A call whose cost is counted however it ends.

        Who leaves before a model has said a word has had it read the prompt; of a call that failed by then, nobody
        knows that anything was read.
        """
        call, left = Call(), False
        try:
            yield call
        except (asyncio.CancelledError, GeneratorExit):
            left = True
            raise
        finally:
            self.tally.add(call.usage or self._estimate(request, call.heard, left=left))

    def _estimate(self, request: ChatRequest, heard: str, *, left: bool) -> Usage:
        if not heard and not left:
            return Usage()
        read, written = length(self.tokenizer, request.messages), tokens(self.tokenizer, [heard])[0]
        return Usage(read, written, cost=self.llm.price(read, written), calls=1)


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
