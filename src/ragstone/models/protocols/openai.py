"""Chat Completions, as OpenAI, vLLM, KServe, KAITO, Ollama, llama-server and Azure OpenAI speak it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ragstone.domain import ChatRequest, Finish, Usage
from ragstone.models.protocols.heard import Heard, ToldError, UnfitError
from ragstone.settings.models import Model, Protocol

_END = b"[DONE]"
_FINISHES = {
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "model_length": Finish.LENGTH,
    "content_filter": Finish.FILTER,
}
_BREAKS = {"abort", "error"}  # vLLM and OpenRouter end so what they cannot finish
# These hosts refuse `max_tokens` for their newer models.
_COMPLETION_TOKENS = ("api.openai.com", ".openai.azure.com", ".azure.com")


class _Part(BaseModel):
    type: str = ""
    text: str | None = None
    thinking: list[_Part] | str | None = None


class _Said(BaseModel):
    """A delta, or a whole message."""

    content: str | list[_Part] | None = None
    reasoning_content: str | None = None  # vLLM, llama-server, DeepSeek
    reasoning: str | None = None  # Ollama, OpenRouter
    refusal: str | None = None


class _Choice(BaseModel):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Read(BaseModel):
    cached_tokens: int | None = None


class _Written(BaseModel):
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Read | None = None
    completion_tokens_details: _Written | None = None


class _Chunk(BaseModel):
    kind: str | None = Field(default=None, validation_alias="object")
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


_CHUNK = TypeAdapter(_Chunk)


def address(model: Model, name: str, what: str) -> str:
    """Path behind the base address, for `what` such as `chat/completions`."""
    if model.protocol is not Protocol.AZURE:
        return f"/{what}"
    base = urlsplit(model.url).path.rstrip("/")
    root = "" if "/openai" in base else "/openai"
    if model.api_version is None:
        return f"{root}/{what}" if base.endswith("/v1") else f"{root}/v1/{what}"
    return f"{root}/deployments/{quote(name, safe='')}/{what}?api-version={quote(model.api_version, safe='')}"


def chat_body(model: Model, name: str, request: ChatRequest) -> Mapping[str, object]:
    """The request as a document."""
    limits = [limit for limit in (request.max_tokens, model.max_output_tokens) if limit is not None]
    schema = request.json_schema
    body: dict[str, object] = {
        "model": name,
        "messages": [{"role": message.role.value, "content": message.text} for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        _limit_field(model): min(limits, default=None),
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "response_format": None
        if schema is None
        else {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}},
    }
    return without_gaps(model, body)


def without_gaps(model: Model, body: Mapping[str, object]) -> Mapping[str, object]:
    """The body with what its server wants beside it and without what it does not take."""
    whole = {**body, **model.extra_body}
    return {name: value for name, value in whole.items() if value is not None and name not in model.omit}


def hear(data: bytes, heard: Heard) -> None:
    """Take in one event of a stream, or a whole completion.

    Raises:
        UnfitError: It does not fit the protocol.
        ToldError: It is an error.
    """
    if data == _END:
        heard.is_over = True
        return
    try:
        chunk = _CHUNK.validate_json(data)
    except ValidationError as error:
        raise UnfitError(place_of(error)) from None
    if chunk.error or chunk.kind == "error":  # the latter as older vLLM has it
        raise ToldError(chunk.error or json.loads(data))
    if chunk.model:
        heard.model = chunk.model
    if chunk.usage and chunk.usage.prompt_tokens is not None:
        heard.usage = usage_of(chunk.usage)
    has_words = _hear_choices(chunk.choices or (), heard)
    # Some gateways tell finish and usage with every word, so that words end nothing.
    heard.is_over = heard.finish is not None and heard.usage is not None and not has_words


def _hear_choices(choices: Sequence[_Choice], heard: Heard) -> bool:
    """Take in what is said; returns whether that was any words."""
    before = heard.written
    for choice in choices:
        said = choice.delta or choice.message
        if said:
            _take(said, heard)
    has_words = heard.written > before
    if has_words:
        heard.said_more()
    for choice in choices:
        if choice.finish_reason in _BREAKS:
            raise ToldError({"message": f"it ends with the reason {choice.finish_reason}"})
        if choice.finish_reason:
            heard.finish = _FINISHES.get(choice.finish_reason, Finish.STOP)
    return has_words


def usage_of(usage: _Usage) -> Usage:
    """What the server counted, for one call."""
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=(read and read.cached_tokens) or 0,
        reasoning_tokens=(written and written.reasoning_tokens) or 0,
        calls=1,
    )


def place_of(error: ValidationError) -> str:
    """Where a document does not fit; not what stands there, which may be anybody's words."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place} is not what it should be" if place else "it is no JSON document of the right shape"


def _take(said: _Said, heard: Heard) -> None:
    content = said.content
    if isinstance(content, str):
        if content:
            heard.texts.append(content)
    elif content:
        _take_parts(content, heard)
    reasoning = said.reasoning_content or said.reasoning
    if reasoning:
        heard.reasonings.append(reasoning)
    if said.refusal:
        heard.texts.append(said.refusal)


def _take_parts(parts: list[_Part], heard: Heard) -> None:
    """Mistral tells its reasoning as parts of the content."""
    for part in parts:
        if part.text:
            heard.texts.append(part.text)
        if isinstance(part.thinking, str):
            heard.reasonings.append(part.thinking)
        elif part.thinking:
            heard.reasonings.extend(thought.text for thought in part.thinking if thought.text)


def _limit_field(model: Model) -> str:
    if model.max_tokens_field is not None:
        return model.max_tokens_field
    host = urlsplit(model.url).hostname or ""
    is_newer = model.protocol is Protocol.AZURE or host.endswith(_COMPLETION_TOKENS)
    return "max_completion_tokens" if is_newer else "max_tokens"
