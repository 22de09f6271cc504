"""What is said to a language model, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What language models read and wrote for an answer; nothing where it is in the documents' own words."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0  # of the input, that the model server had read before
    reasoning_tokens: int = 0  # of the output, that are not shown
    cost: float = 0.0  # in the currency of the models' prices
    calls: int = 0  # that reached a model, those that failed or were cut off included

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cost + other.cost,
            self.calls + other.calls,
        )


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"  # it ran into the limit of tokens
    FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a language model is asked to go on from."""

    messages: tuple[Message, ...]
    max_tokens: int | None = None  # of the answer; None: as many as the model takes
    temperature: float | None = None  # None: the model server's default
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, object] | None = None  # of the answer; only members that can keep to it are asked
    seconds: float | None = None  # that all attempts together may take; None: the pool's limits alone


@dataclass(frozen=True, slots=True)
class Piece:
    """The next words of a model, or of its reasoning, which is never shown."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A model has said all it has to say."""

    finish: Finish
    usage: Usage  # of all attempts that this took
    member: str  # name of the pool's member that answered
    model: str  # as the server calls it, versions included


ChatEvent: TypeAlias = Piece | Ended
