"""Chat with one member."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from ragstone.domain import ChatEvent, ChatRequest, Ended, Finish, Usage
from ragstone.models.faults import MemberError
from ragstone.models.protocols import anthropic, openai
from ragstone.models.protocols.answer import Answer
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.discovery import named
from ragstone.models.protocols.heard import Heard, ToldError, UnfitError
from ragstone.models.protocols.sse import Events, TooLongError
from ragstone.models.protocols.trouble import cut, garbage, stream_error, too_slow
from ragstone.models.protocols.usage import estimated, priced
from ragstone.settings.models import Model, Protocol

_MOST_WHOLE = 8 << 20  # bytes of an answer that is not a stream
_STREAM, _DOCUMENT = "text/event-stream", "application/json"


async def open_chat(model: Model, request: ChatRequest, client: Client) -> AsyncGenerator[ChatEvent, None]:
    """What the member says, piece by piece; the last event is an `Ended`. Closing it early hangs up on the server.

    Raises:
        MemberError: It does not answer, or not to the end; a key that cannot be read counts as unauthorized.
    """
    heard = Heard()
    try:
        deadlines = Deadlines(model.timeouts, request.seconds)
        name = await named(model, client, deadlines)
        async with await _opened(model, name, request, client, deadlines) as answer:
            listening = _Listening(model, answer, heard)
            while not heard.is_over:
                await listening.go_on()
                piece = heard.piece()
                if piece is not None:
                    yield piece
                    deadlines.said()
                elif deadlines.over and not heard.is_over:  # signs of life are no tokens
                    raise too_slow(answer.speaker, deadlines)
            answer.known()
    except MemberError as error:
        error.said = heard.characters > 0
        error.usage = _usage(model, request, heard)
        raise
    yield Ended(heard.finish or Finish.STOP, _usage(model, request, heard), model.name, heard.model or name)


async def _opened(model: Model, name: str, request: ChatRequest, client: Client, deadlines: Deadlines) -> Answer:
    prompt = "\n".join(message.text for message in request.messages)
    if model.protocol is Protocol.ANTHROPIC:
        return await client.post(anthropic.PATH, anthropic.chat_body(model, name, request), deadlines, prompt)
    path = openai.address(model, name, "chat/completions")
    return await client.post(path, openai.chat_body(model, name, request), deadlines, prompt)


@dataclass
class _Listening:
    """Turns what comes into what was heard."""

    model: Model
    answer: Answer
    heard: Heard

    def __post_init__(self) -> None:
        self._hear: Callable[[bytes, Heard], None] = openai.hear
        if self.model.protocol is Protocol.ANTHROPIC:
            self._hear = anthropic.hear
        self._events = Events()
        self._is_stream = self.answer.kind == _STREAM

    async def go_on(self) -> None:
        """Wait for what comes next, and take it in.

        Raises:
            MemberError: It does not come, or is not what the protocol says.
        """
        try:
            if self._is_stream:
                self._take(await self.answer.read())
            elif self.answer.kind == _DOCUMENT:
                self._hear(await self.answer.whole(_MOST_WHOLE), self.heard)
                self._end()
            else:
                why = f"it sends {self.answer.kind[:60] or 'nothing that has a type'}, not a stream of tokens"
                raise garbage(self.answer.speaker, why)
        except MemberError:
            if self.heard.finish is None or self.heard.is_early:
                raise
            self.heard.is_over = True  # all was said; only the formalities are missing
        except ToldError as error:
            raise stream_error(self.answer.speaker, error.error) from None
        except UnfitError as error:
            raise garbage(self.answer.speaker, error.what) from None
        except TooLongError:
            raise garbage(self.answer.speaker, "a single event of its stream is longer than any token") from None

    def _take(self, content: bytes) -> None:
        heard = self.heard
        events: Sequence[bytes] = self._events.feed(content) if content else self._events.end()
        for data in events:
            self._hear(data, heard)
            if heard.is_over:
                break
        if not content or heard.is_over:
            self._end()

    def _end(self) -> None:
        """There is no more: either it has said why it stopped, or it did not come to its end."""
        heard = self.heard
        if heard.finish is None and not heard.is_over:
            raise cut(self.answer.speaker)
        if heard.finish is None and not heard.written:
            raise garbage(self.answer.speaker, "its answer is empty")
        heard.is_over = True


def _usage(model: Model, request: ChatRequest, heard: Heard) -> Usage:
    """What the server told, else about what it was."""
    if heard.usage is None or not heard.is_over:
        return estimated(model, request, heard.written)
    return priced(model, heard.usage)
