"""What the calls of language models for one answer have taken, also those that did not come to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from ragstone.answer.length import length, tokens
from ragstone.domain import ChatEvent, ChatRequest, Ended, Usage
from ragstone.ports import ChatModel, Tokenizer


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


@dataclass
class Tally:
    """What has been spent on an answer so far."""

    usage: Usage = field(default_factory=Usage)

    @contextmanager
    def counting(self, request: ChatRequest, llm: ChatModel, tokenizer: Tokenizer) -> Iterator[Call]:
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
            if call.usage is not None:
                self.usage += call.usage
            elif call.heard or left:
                self.usage += _estimate(request, call.heard, llm, tokenizer)


@dataclass(frozen=True)
class Counted:
    """The port `ChatModel`: a language model whose calls are counted however they end."""

    llm: ChatModel
    tokenizer: Tokenizer
    tally: Tally

    @property
    def identity(self) -> str:
        """The model's own."""
        return self.llm.identity

    @property
    def context_tokens(self) -> int:
        """The model's own."""
        return self.llm.context_tokens

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """The model's own."""
        return self.llm.price(input_tokens, output_tokens)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """What the model says; raises what it raises."""
        with self.tally.counting(request, self.llm, self.tokenizer) as call:
            async with aclosing(self.llm.chat(request)) as events:
                async for event in events:
                    call.hear(event)
                    yield event


def _estimate(request: ChatRequest, heard: str, llm: ChatModel, tokenizer: Tokenizer) -> Usage:
    read, written = length(tokenizer, request.messages), tokens(tokenizer, [heard])[0]
    return Usage(read, written, cost=llm.price(read, written), calls=1)
