"""The body of a response, as far as it is read; unknown fields are ignored, as OpenAI's clients expect."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from ragstone.api.requests import AnyFilter, RankingOptions, Steered
from ragstone.domain import AnswerOptions

# Of what can be included, only the first exists here; the others are of tools that are never called.
Includable: TypeAlias = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class FileSearchTool(BaseModel):
    """The tool of a response that searches stores."""

    type: Literal["file_search"]
    vector_store_ids: list[str] = Field(min_length=1, max_length=100, fail_fast=True)
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: AnyFilter | None = None
    ranking_options: RankingOptions | None = None


class InputItem(BaseModel):
    """A message of the conversation, or what an earlier response put out beside its message."""

    model_config = ConfigDict(extra="allow")

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | Annotated[list[dict[str, object]], Field(fail_fast=True)] | None = None


class ResponseRequest(Steered):
    """The body of a response."""

    model: str = "ragstone"
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=1000, fail_fast=True)]
    tools: list[FileSearchTool] = Field(default=[], max_length=16, fail_fast=True)
    include: list[Includable] = Field(default=[], fail_fast=True)
    store: bool = True
    stream: bool = False
    background: bool = False
    previous_response_id: str | None = None
    truncation: Literal["auto", "disabled"] = Field(
        default="disabled", description="Of a conversation that is too long: auto leaves its oldest turns out."
    )
    metadata: Metadata = Field(default={})
    instructions: str | None = Field(default=None, description="For the language model, beside the prompt's own.")
    max_tool_calls: int | None = Field(default=None, ge=1)
    max_output_tokens: int | None = Field(default=None, ge=16, description="Of the language model.")
    tool_choice: str | dict[str, object] = "auto"
    parallel_tool_calls: bool = True
    text: dict[str, object] | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = Field(default=None, max_length=64)
    conversation: str | dict[str, object] | None = None
    prompt: dict[str, object] | None = None

    def options(self, instructions: str) -> AnswerOptions:
        """How it is to be answered, with the instructions of the conversation behind its own."""
        own = self.instructions or ""
        return self.steered("\n\n".join(filter(None, (own, instructions))), self.max_output_tokens)

    def settings(self) -> dict[str, object]:
        """What an answer repeats of its request, in JSON's types."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"input", "stream"})
