"""How an answer ended, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ragstone import wire
from ragstone.domain import Answer, Finish
from ragstone.errors import InvalidRequestError, NotFoundError, RagstoneError, RateLimitedError


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


_CUTS = {Finish.LENGTH: CutShort.MAX_OUTPUT_TOKENS, Finish.FILTER: CutShort.CONTENT_FILTER}


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known once there is nothing more to come; all of it is unknown until then."""

    at: float | None = None  # seconds since 1970
    answer: Answer | None = None
    failure: Failure | None = None

    @property
    def cut_short(self) -> CutShort | None:
        """Why the answer stops before its end, if it does."""
        return None if self.answer is None else _CUTS.get(self.answer.provenance.finish)

    def additions(self) -> dict[str, object]:
        """What this service tells beyond the published fields, as far as it is known."""
        return {} if self.answer is None else wire.account(self.answer)
