"""Stored answers in OpenAI's shapes."""

from __future__ import annotations

from collections.abc import Iterable

from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.ending import Ending, Failure, FailureCode
from ragstone.api.shapes.response import Draft, Status, concluded, output, response
from ragstone.storage.answers.kept import Item, StoredAnswer
from ragstone.storage.pages import Page

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


def item_page(page: Page[Item]) -> dict[str, object]:
    """Some of the items that an answer was made from."""
    return {
        "object": "list",
        "data": [_shown(item) for item in page.items],
        "first_id": page.items[0].public_id if page.items else None,
        "last_id": page.items[-1].public_id if page.items else None,
        "has_more": page.has_more,
    }


def _shown(item: Item) -> dict[str, object]:
    """As it was sent, or as an answer put it out."""
    if item.source is None or item.source.answer is None:
        return dict(item.given or {})
    asked = asked_of(item.source)
    made = output(asked, Status.COMPLETED, Draft.of(asked, item.source.answer))
    return next(shown for shown in made if shown["id"] == item.public_id)
