"""Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, TypeAdapter, ValidationError

from ragstone.domain import ChatRequest, Finish, Message, Role, Usage
from ragstone.models.protocols.heard import Heard, ToldError, UnfitError
from ragstone.models.protocols.openai import place_of, without_gaps
from ragstone.settings.models import Model

PATH = "/messages"
_MAX_TOKENS = 4096  # which the protocol wants named, for requests that name none
_FINISHES = {
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.FILTER,
}


class _Usage(BaseModel):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Block(BaseModel):
    """A content block, or a delta of one."""

    text: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None  # of the message, told by a delta


class _Message(BaseModel):
    model: str | None = None
    usage: _Usage | None = None


class _Event(_Message):
    """An event of a stream, or a whole message, which has content instead."""

    type: str = ""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    error: object = None


_EVENT = TypeAdapter(_Event)


def chat_body(model: Model, name: str, request: ChatRequest) -> Mapping[str, object]:
    """The request as a document."""
    limits = [limit for limit in (request.max_tokens, model.max_output_tokens) if limit is not None]
    system = "\n\n".join(message.text for message in request.messages if message.role is Role.SYSTEM)
    schema = request.json_schema
    body = {
        "model": name,
        "system": system or None,
        "messages": _turns(request.messages),
        "stream": True,
        "max_tokens": min(limits, default=_MAX_TOKENS),
        "temperature": request.temperature,
        "stop_sequences": list(request.stop) or None,
        "output_config": schema and {"format": {"type": "json_schema", "schema": schema}},
    }
    return without_gaps(model, body)


def hear(data: bytes, heard: Heard) -> None:
    """Take in one event of a stream, or a whole message.

    Raises:
        UnfitError: It does not fit the protocol.
        ToldError: It is an error.
    """
    try:
        event = _EVENT.validate_json(data)
    except ValidationError as error:
        raise UnfitError(place_of(error)) from None
    if event.error or event.type == "error":
        raise ToldError(event.error)
    for message in (event, event.message):
        if message and message.model:
            heard.model = message.model
        if message and message.usage:
            heard.usage = _counted(message.usage, heard.usage)
    for block in (event.content_block, event.delta, *(event.content or ())):
        if block and block.text:
            heard.texts.append(block.text)
        if block and block.thinking:
            heard.reasonings.append(block.thinking)
    reason = event.stop_reason or (event.delta and event.delta.stop_reason)
    if reason:
        heard.finish = _FINISHES.get(reason, Finish.STOP)
    heard.is_over = event.type == "message_stop"


def _counted(usage: _Usage, former: Usage | None) -> Usage:
    """The last word on each count; what was read from or written to the cache is not in `input_tokens`."""
    former = former or Usage(calls=1)
    read = former.input_tokens
    if usage.input_tokens is not None:
        kept = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        read = usage.input_tokens + kept
    cached = usage.cache_read_input_tokens
    return Usage(
        input_tokens=read,
        output_tokens=former.output_tokens if usage.output_tokens is None else usage.output_tokens,
        cached_tokens=former.cached_tokens if cached is None else cached,
        calls=1,
    )


def _turns(messages: Sequence[Message]) -> Sequence[Mapping[str, str]]:
    """User and assistant in turn, beginning with the user, as the protocol wants it."""
    turns: list[dict[str, str]] = []
    for message in messages:
        text = message.text.strip()
        if message.role is Role.SYSTEM or not text:
            continue
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{text}"
        else:
            turns.append({"role": message.role.value, "content": text})
    if turns and turns[0]["role"] == Role.ASSISTANT:
        turns.insert(0, {"role": Role.USER.value, "content": "Go on."})
    return turns
