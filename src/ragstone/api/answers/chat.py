"""Chat completions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from ragstone.api.answers.additions import Additions
from ragstone.api.answers.found import Cited


class Link(BaseModel):
    """The place in a chat message, and where the cited words can be read."""

    url: str
    title: str
    start_index: int
    end_index: int


class UrlCitation(Cited):
    """The annotation of a chat message."""

    type: Literal["url_citation"]
    url_citation: Link


class ChatAnswer(BaseModel):
    """What is said in a chat."""

    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[UrlCitation]


class Choice(BaseModel):
    """The one answer of a chat completion."""

    index: int
    message: ChatAnswer
    logprobs: None
    finish_reason: Literal["stop", "length", "content_filter"]


class ChatCompletion(Additions):
    """An answer in a chat."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: dict[str, Any]
