"""Stored answers as they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_samples import MESSAGE, STORED, UNDONE
from published import described

from ragstone.api.stored import input_items, item_page, stored_response
from ragstone.errors import InvalidRequestError
from ragstone.storage.answers.kept import StoredAnswer


@pytest.mark.parametrize(
    "stored",
    [
        STORED,
        replace(UNDONE, status="queued"),
        replace(UNDONE, status="in_progress"),
        replace(UNDONE, status="cancelled"),
        replace(UNDONE, status="failed", error_code="invalid_prompt", error_message="There is no store"),
        replace(UNDONE, status="failed"),
        replace(UNDONE, status="failed", error_code="of another time"),
    ],
)
def test_every_state_fits_the_published_description(stored: StoredAnswer) -> None:
    shown = stored_response(stored)
    described().check_schema("Response", shown)
    assert shown["status"] == stored.status
    assert (shown["error"] is not None) is (stored.status == "failed")
    assert shown["metadata"] == {"a": "b"}


def test_hits_are_shown_only_if_they_were_or_are_asked_for() -> None:
    def results(stored: StoredAnswer, *include: str) -> Any:
        output: Any = stored_response(stored, include)["output"]
        return output[0]["results"]

    assert results(STORED) is None
    assert len(results(STORED, "file_search_call.results")) == 2
    included = replace(STORED, settings={**STORED.settings, "include": ["file_search_call.results"]})
    assert len(results(included)) == 2


def test_the_input_is_the_whole_conversation_without_the_last_answer() -> None:
    second = replace(STORED, id=2, public_id="resp_2", items=({**MESSAGE, "id": "msg_9"},))
    items = input_items([STORED, second])
    assert [item["type"] for item in items] == ["message", "file_search_call", "message", "message"]
    assert [item["id"] for item in items] == ["msg_0", "fs_1", "msg_1", "msg_9"]
    for item in items:
        described().check_schema("ItemResource", item)
    assert len(input_items([UNDONE, second])) == 2


def ids(page: dict[str, object]) -> list[str]:
    data: Any = page["data"]
    return [item["id"] for item in data]


def test_pages_of_items_follow_each_other_in_both_orders() -> None:
    items: list[dict[str, object]] = [{**MESSAGE, "id": f"msg_{number}"} for number in range(5)]
    first = item_page(items, 2, newest_first=True, after=None)
    assert ids(first) == ["msg_4", "msg_3"]
    assert (first["first_id"], first["last_id"], first["has_more"]) == ("msg_4", "msg_3", True)
    second = item_page(items, 3, newest_first=True, after="msg_3")
    assert ids(second) == ["msg_2", "msg_1", "msg_0"]
    assert second["has_more"] is False
    assert ids(item_page(items, 2, newest_first=False, after="msg_0")) == ["msg_1", "msg_2"]
    empty = item_page(items, 2, newest_first=False, after="msg_4")
    assert (empty["data"], empty["first_id"], empty["has_more"]) == ([], None, False)
    for page in (first, empty):
        described().check_schema("ResponseItemList", page)


def test_an_item_of_another_list_is_no_place_to_go_on_from() -> None:
    with pytest.raises(InvalidRequestError, match="There is no item msg_7"):
        item_page([], 2, newest_first=True, after="msg_7")
