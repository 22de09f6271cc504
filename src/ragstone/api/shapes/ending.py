"""How an answer ended, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ragstone import wire
from ragstone.domain import Answer, GroundingStatus
from ragstone.errors import InvalidRequestError, NotFoundError, RagstoneError, RateLimitedError


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a language model read and wrote: none where the answer is in the documents' own words."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0  # of the input, that the model server had read before
    reasoning_tokens: int = 0  # of the output, that are not shown

    def of_response(self) -> dict[str, object]:
        """As a response counts them."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }

    def of_chat(self) -> dict[str, object]:
        """As a chat completion counts them."""
        return {
            "prompt_tokens": self.input_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens": self.output_tokens,
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


class FailureCode(StrEnum):
    """Of the published codes, those that fit this service."""

    SERVER_ERROR = "server_error"
    INVALID_PROMPT = "invalid_prompt"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"

    @property
    def kind(self) -> str:
        """The type that an error of the interface has with this code."""
        return _KINDS[self]


_KINDS = {
    FailureCode.SERVER_ERROR: "server_error",
    FailureCode.INVALID_PROMPT: "invalid_request_error",
    FailureCode.RATE_LIMIT_EXCEEDED: "rate_limit_error",
}
_CODES: tuple[tuple[type[RagstoneError], FailureCode], ...] = (
    (InvalidRequestError, FailureCode.INVALID_PROMPT),
    (NotFoundError, FailureCode.INVALID_PROMPT),
    (RateLimitedError, FailureCode.RATE_LIMIT_EXCEEDED),
    (RagstoneError, FailureCode.SERVER_ERROR),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer."""

    code: FailureCode
    message: str  # for the asker, with what to do next

    @classmethod
    def of(cls, error: RagstoneError) -> Failure:
        """What went wrong, as the asker is told."""
        return cls(next(code for kind, code in _CODES if isinstance(error, kind)), str(error))


class CutShort(StrEnum):
    """Why an answer stops before its end."""

    MAX_OUTPUT_TOKENS = "max_output_tokens"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known once there is nothing more to come; all of it is unknown until then."""

    at: float | None = None  # seconds since 1970
    grounding: GroundingStatus | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)  # by hop
    usage: Usage | None = None
    degraded: str = ""  # why a fallback answered; empty: none did
    failure: Failure | None = None
    cut_short: CutShort | None = None

    @classmethod
    def of(cls, answer: Answer, at: float, usage: Usage = Usage(), degraded: str = "") -> Ending:
        """Of a finished answer."""
        return cls(at, answer.status, answer.timings_ms, usage, degraded)

    def additions(self) -> dict[str, object]:
        """What this service tells beyond the published fields, as far as it is known."""
        added: dict[str, object] = {}
        if self.grounding is not None:
            added["grounding"] = {"status": self.grounding.value}
        if self.timings_ms:
            added["timings_ms"] = wire.timings(self.timings_ms)
        if self.degraded:
            added |= {"degraded": True, "degraded_reason": self.degraded}
        return added
