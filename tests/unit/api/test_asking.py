"""From a request to a question, as far as no store is needed for it."""

from __future__ import annotations

from typing import Any

import pytest

from ragstone.api.asking import one_tool, refuse_unsupported
from ragstone.api.response_request import FileSearchTool, ResponseRequest
from ragstone.errors import InvalidRequestError


def tool(*stores: str, **more: Any) -> FileSearchTool:
    return FileSearchTool(type="file_search", vector_store_ids=list(stores), **more)


def test_tools_that_differ_in_their_stores_alone_are_one() -> None:
    merged = one_tool([tool("a", "b", max_num_results=3), tool("b", "c", max_num_results=3)])
    assert merged == tool("a", "b", "c", max_num_results=3)
    assert one_tool([]) is None


def test_tools_that_differ_otherwise_cannot_be_one() -> None:
    with pytest.raises(InvalidRequestError, match="differ in more than their stores"):
        one_tool([tool("a"), tool("b", max_num_results=3)])


@pytest.mark.parametrize(
    "fine",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "file_search"}},
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "file_search"}]}},
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        {"store": False},
        {"background": True},
    ],
)
def test_what_changes_nothing_is_taken(fine: dict[str, Any]) -> None:
    refuse_unsupported(ResponseRequest(input="x", **fine))


@pytest.mark.parametrize(
    ("unfit", "param"),
    [
        ({"tool_choice": "none"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}, 1]}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "tools": "all"}}, "tool_choice"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"text": {"format": "text"}}, "text.format"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True, "store": False}, "background"),
    ],
)
def test_what_would_change_the_answer_and_cannot_is_refused(unfit: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        refuse_unsupported(ResponseRequest(input="x", **unfit))
    assert caught.value.param == param
    assert caught.value.remedy
