"""The body of a chat completion, as far as it is read; unknown fields are ignored, as OpenAI's clients expect."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ragstone.api.requests import Steered
from ragstone.domain import AnswerOptions


class ChatMessage(BaseModel):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[dict[str, object]], Field(fail_fast=True)] | None = None


class StreamOptions(BaseModel):
    """How a stream is told."""

    include_usage: bool = False


class ChatRequest(Steered):
    """The body of a chat completion."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000, fail_fast=True)]
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: int = Field(default=1, ge=1, le=128)
    response_format: dict[str, object] | None = None
    tool_choice: str | dict[str, object] = "auto"
    modalities: list[str] = Field(default=["text"], fail_fast=True)
    logprobs: bool = False
    max_completion_tokens: int | None = Field(default=None, ge=1, description="Of the language model.")
    max_tokens: int | None = Field(default=None, ge=1, description="Its former name.")

    def options(self, instructions: str) -> AnswerOptions:
        """How it is to be answered, with what system and developer messages say."""
        return self.steered(instructions, self.max_completion_tokens or self.max_tokens)
