"""Responses."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from ragstone.api.answers.additions import Absent, Additions
from ragstone.api.answers.found import Cited, FoundPassage

Status: TypeAlias = Literal["queued", "in_progress", "completed", "cancelled", "failed", "incomplete"]


class ListedHit(FoundPassage):
    """A hit as a response lists it."""

    text: str


class FileCitation(Cited):
    """The annotation of a response."""

    type: Literal["file_citation"]
    index: int = Field(description="Offset in the answer behind the sentence that it supports.")


class OutputText(BaseModel):
    """The words of an answer."""

    type: Literal["output_text"]
    text: str
    annotations: list[FileCitation]
    logprobs: list[Any]


class OutputMessage(BaseModel):
    """What is said."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Literal["in_progress", "completed", "incomplete"]
    content: list[OutputText]


class FileSearchCall(BaseModel):
    """That the stores were searched."""

    id: str
    type: Literal["file_search_call"]
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"]
    queries: list[str]
    results: list[ListedHit] | None = Field(description="With `include`: what was found.")


class ResponseError(BaseModel):
    """Why there is no answer."""

    code: Literal["server_error", "invalid_prompt", "rate_limit_exceeded"]
    message: str


class IncompleteDetails(BaseModel):
    """Why an answer stops before its end."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseObject(Additions):
    """A response, in any state; what it repeats of its request stands beside these fields."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Status
    model: str
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    output: list[FileSearchCall | OutputMessage]
    metadata: dict[str, str]
    previous_response_id: str | None
    usage: Absent[dict[str, Any]] = Field(default=None, description="Tokens, once they are counted.")


class InputItems(BaseModel):
    """What a response was made from."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class RemovedResponse(BaseModel):
    """A response is gone."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]
