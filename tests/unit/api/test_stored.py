"""Stored answers as they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_samples import STORED, UNDONE
from published import described

from ragstone.api.stored import item_page, stored_response
from ragstone.storage.answers.kept import Item, StoredAnswer
from ragstone.storage.pages import Page


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


def test_items_are_shown_as_they_were_sent_and_as_an_answer_put_them_out() -> None:
    message = {"id": "msg_0", "type": "message", "role": "user", "status": "completed", "content": []}
    items = (Item("msg_0", message, None), Item("fs_1", None, STORED), Item("msg_1", None, STORED))
    shown: Any = item_page(Page(items, has_more=True))
    described().check_schema("ResponseItemList", shown)
    assert [(item["id"], item["type"]) for item in shown["data"]] == [
        ("msg_0", "message"),
        ("fs_1", "file_search_call"),
        ("msg_1", "message"),
    ]
    assert (shown["first_id"], shown["last_id"], shown["has_more"]) == ("msg_0", "msg_1", True)


def test_a_page_without_items_has_no_ids() -> None:
    empty = item_page(Page((), has_more=False))
    described().check_schema("ResponseItemList", empty)
    assert (empty["data"], empty["first_id"], empty["has_more"]) == ([], None, False)
