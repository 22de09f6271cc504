"""Stored answers in OpenAI's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending, Failure, FailureCode
from ragstone.api.shapes.response import Draft, Status, concluded, output, response
from ragstone.errors import InvalidRequestError
from ragstone.storage.answers.kept import StoredAnswer

_FAILED = "The answer could not be made"  # where nothing more is known


def asked_of(stored: StoredAnswer, include: Iterable[str] = ()) -> Asked:
    """What it repeats of its request, and what is to be shown of it beside that."""
    settings = dict(stored.settings)
    included = settings.get("include")
    if include:
        settings["include"] = [*(included if isinstance(included, list) else ()), *include]
    model = str(settings.get("model", "ragstone"))
    return Asked(stored.public_id, int(stored.created_at.timestamp()), model, stored.asked, settings)


def ending_of(stored: StoredAnswer) -> Ending:
    """How it ended, as far as it has."""
    if stored.status == Status.FAILED:
        return Ending(failure=failure_of(stored))
    if stored.answer is None or stored.completed_at is None:
        return Ending()
    return Ending(int(stored.completed_at.timestamp()), stored.answer)


def failure_of(stored: StoredAnswer) -> Failure:
    """Why there is no answer."""
    known = {code.value: code for code in FailureCode}
    return Failure(known.get(stored.error_code or "", FailureCode.SERVER_ERROR), stored.error_message or _FAILED)


def stored_response(stored: StoredAnswer, include: Iterable[str] = ()) -> dict[str, object]:
    """The response as it is now."""
    asked, ending = asked_of(stored, include), ending_of(stored)
    if stored.answer is not None:
        return concluded(asked, ending)
    return response(asked, Status(stored.status), ending=ending)


def input_items(conversation: Sequence[StoredAnswer]) -> list[dict[str, object]]:
    """What the last response was made from: what was said and answered before it, and its own input; oldest first."""
    items: list[dict[str, object]] = []
    for turn in conversation:
        items += (dict(item) for item in turn.items)
        if turn is not conversation[-1] and turn.answer is not None:
            asked = asked_of(turn)
            items += output(asked, Status.COMPLETED, Draft.of(asked, turn.answer))
    return items


def item_page(
    items: Sequence[dict[str, object]], limit: int, *, newest_first: bool, after: str | None
) -> dict[str, object]:
    """A page of items, which come oldest first.

    Raises:
        InvalidRequestError: `after` is the id of none of them.
    """
    ordered = list(reversed(items)) if newest_first else list(items)
    start = 0
    if after is not None:
        places = [place for place, item in enumerate(ordered) if item["id"] == after]
        if not places:
            raise InvalidRequestError(
                f"There is no item {after} to go on from", remedy="Take it from an answer of this list", param="after"
            )
        start = places[0] + 1
    page = ordered[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(ordered),
    }
