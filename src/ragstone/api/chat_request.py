"""The body of a chat completion, as far as it is read; unknown fields are ignored, as OpenAI's clients expect."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ragstone.api.requests import Body


class ChatMessage(BaseModel):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, object]] | None = None


class StreamOptions(BaseModel):
    """How a stream is told."""

    include_usage: bool = False


class ChatRequest(Body):
    """The body of a chat completion."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: int = Field(default=1, ge=1, le=128)
    response_format: dict[str, object] | None = None
    tool_choice: str | dict[str, object] = "auto"
    modalities: list[str] = Field(default=["text"])
    logprobs: bool = False
