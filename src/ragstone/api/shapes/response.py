"""The response object, in each of its states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending, Failure
from ragstone.api.shapes.items import message, output_text, search_call
from ragstone.api.shapes.usage import of_response
from ragstone.domain import Answer, Citation, Hit


class Status(StrEnum):
    """How far a response is."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Draft:
    """What there is of an answer so far."""

    queries: tuple[str, ...] | None = None  # what is searched for; None: no search has begun
    hits: tuple[Hit, ...] | None = None  # None: nothing has been found yet
    text: str | None = None  # None: nothing has been said yet
    citations: tuple[Citation, ...] = ()

    @classmethod
    def of(cls, asked: Asked, answer: Answer) -> Draft:
        """All of a finished answer."""
        return cls(answer.queries or (asked.question,), answer.nearest, answer.text, answer.citations)


_NOTHING, _OPEN = Draft(), Ending()

# What the state of a response says of an item that it left unfinished.
_UNFINISHED_SEARCH = {Status.IN_PROGRESS: "searching", Status.FAILED: "failed"}
_MESSAGE = {Status.IN_PROGRESS: "in_progress", Status.COMPLETED: "completed"}


def queued(asked: Asked) -> dict[str, object]:
    """A response that waits for its turn."""
    return response(asked, Status.QUEUED)


def in_progress(asked: Asked, draft: Draft = _NOTHING) -> dict[str, object]:
    """A response that is being made, with what there is of it."""
    return response(asked, Status.IN_PROGRESS, draft)


def concluded(asked: Asked, ending: Ending) -> dict[str, object]:
    """A response with all that will ever be known of it."""
    draft = Draft() if ending.answer is None else Draft.of(asked, ending.answer)
    return response(asked, status_of(ending), draft, ending)


def status_of(ending: Ending) -> Status:
    """What a response is that ended so: an answer that had to stop before its end is not completed."""
    if ending.failure is not None:
        return Status.FAILED
    return Status.COMPLETED if ending.cut_short is None else Status.INCOMPLETE


def cancelled(asked: Asked, draft: Draft = _NOTHING) -> dict[str, object]:
    """A response that was called off, with what there was of it."""
    return response(asked, Status.CANCELLED, draft)


def failed(asked: Asked, failure: Failure, draft: Draft = _NOTHING) -> dict[str, object]:
    """A response that came to nothing, with the reason and with what there was of it."""
    return response(asked, Status.FAILED, draft, Ending(failure=failure))


def response(asked: Asked, status: Status, draft: Draft = _NOTHING, ending: Ending = _OPEN) -> dict[str, object]:
    """A response in any state.

    Tokens are absent until they are counted, since the published description knows no null there. The model is the one
    that was asked for, until it is known which one answered.
    """
    answer, failure, cut_short = ending.answer, ending.failure, ending.cut_short
    usage = {} if answer is None else {"usage": of_response(answer.provenance.usage)}
    return {
        "id": asked.id,
        "object": "response",
        "created_at": asked.created_at,
        "completed_at": ending.at if status is Status.COMPLETED else None,
        "status": status.value,
        "model": asked.model if answer is None else answer.provenance.model,
        "error": None if failure is None else {"code": failure.code.value, "message": failure.message},
        "incomplete_details": None if cut_short is None else {"reason": cut_short.value},
        "output": output(asked, status, draft),
        "conversation": None,
        **_settings(asked),
        **usage,
        **ending.additions(),
    }


def output(asked: Asked, status: Status, draft: Draft) -> list[dict[str, object]]:
    """The items that there are."""
    items = []
    if draft.queries is not None:
        found = "completed" if draft.hits is not None else _UNFINISHED_SEARCH.get(status, "incomplete")
        items.append(search_call(asked, found, draft.queries, draft.hits))
    if draft.text is not None:
        content = [output_text(draft.text, draft.citations)]
        items.append(message(asked, _MESSAGE.get(status, "incomplete"), content))
    return items


def _settings(asked: Asked) -> dict[str, object]:
    """What a response repeats of its request, and what it says where the request is silent."""
    defaults: dict[str, object] = {
        "background": False,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "parallel_tool_calls": False,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": None,
        "top_p": None,
        "truncation": "disabled",
    }
    return {name: asked.setting(name, default) for name, default in defaults.items()}
