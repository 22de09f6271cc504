"""A language model that says what it was told to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TypeAlias

from ragstone.domain import ChatEvent, ChatRequest, Ended, Finish, Piece, Usage
from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError, RagstoneError

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said to one request."""

    text: str = ""
    reasoning: str = ""  # thought before it
    error: RagstoneError | None = None  # raised behind the last piece
    finish: Finish = Finish.STOP
    size: int = 7  # characters of a piece
    delay: float = 0.0  # seconds before each piece


Line: TypeAlias = str | Reply | RagstoneError


class ScriptedChat:
    """The port `ChatModel` with its lines learnt by heart; `requests` are those it was asked, in their order.

    A line is a text, a `Reply`, an error to raise at once, or a function that makes one of these from the request.
    The last line is said again for every further request.
    """

    identity = "scripted"

    def __init__(
        self,
        *lines: Line | Callable[[ChatRequest], Line],
        context_tokens: int = 8192,
        price: float = 0.0,
        json_schema: bool = False,
    ) -> None:
        """Say whether it keeps to JSON schemas, and what a token costs; without a line nobody can be asked."""
        self._lines = lines
        self._price = price
        self._json_schema = json_schema
        self.context_tokens = context_tokens
        self.requests: list[ChatRequest] = []
        self.left = 0  # answers that nobody heard to their end

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost."""
        return (input_tokens + output_tokens) * self._price

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The next line, piece by piece.

        Raises:
            ModelUnavailableError: There is no line.
            PromptRefusedError: A schema is wanted, and not offered.
            PromptTooLongError: The messages and the answer do not fit the window.
            RagstoneError: What the line says.
        """
        reply = self._reply(request)
        ended = False
        try:
            for piece in _pieces(reply):
                await asyncio.sleep(reply.delay)
                yield piece
            ended = True
        finally:
            self.left += not ended
        if reply.error is not None:
            raise reply.error
        yield Ended(reply.finish, self._usage(request, reply), "scripted", "scripted-1")

    def _reply(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        if not self._lines:
            raise ModelUnavailableError("No model can be asked", why="the script has no line")
        if request.json_schema is not None and not self._json_schema:
            raise PromptRefusedError("No model keeps to a JSON schema")
        if _tokens(*(message.text for message in request.messages)) + (request.max_tokens or 0) > self.context_tokens:
            raise PromptTooLongError("The prompt is too long", why=f"the window has {self.context_tokens:,} tokens")
        line = self._lines[min(len(self.requests), len(self._lines)) - 1]
        said = line(request) if callable(line) else line
        if isinstance(said, RagstoneError):
            raise said
        return Reply(said) if isinstance(said, str) else said

    def _usage(self, request: ChatRequest, reply: Reply) -> Usage:
        read = _tokens(*(message.text for message in request.messages))
        thought = _tokens(reply.reasoning)
        written = thought + _tokens(reply.text)
        return Usage(read, written, reasoning_tokens=thought, cost=self.price(read, written), calls=1)


def _pieces(reply: Reply) -> list[Piece]:
    thought, said = reply.reasoning, reply.text
    return [Piece(reasoning=thought[start : start + reply.size]) for start in range(0, len(thought), reply.size)] + [
        Piece(text=said[start : start + reply.size]) for start in range(0, len(said), reply.size)
    ]


def _tokens(*texts: str) -> int:
    """An estimate, rounded up for each text."""
    return sum(-(-len(text) // _CHARACTERS_PER_TOKEN) for text in texts)
