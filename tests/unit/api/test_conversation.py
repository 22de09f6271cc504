"""What is read out of what a client says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from published import described
from pydantic import ValidationError

from ragstone.api.chat_request import ChatMessage, ChatRequest
from ragstone.api.conversation import gone_on, said, said_in_chat
from ragstone.api.response_request import InputItem, ResponseRequest
from ragstone.domain import AnswerOptions, Message, Rewriting, Role, Strategy, Unsupported
from ragstone.errors import InvalidRequestError
from ragstone.storage.answers.kept import Past


def items(*given: dict[str, Any]) -> list[InputItem]:
    return [InputItem.model_validate(item) for item in given]


def test_a_text_is_the_question_and_one_message() -> None:
    heard = said("Why?")
    assert (heard.question, heard.history, heard.instructions) == ("Why?", (), "")
    assert [(item["role"], item["content"]) for item in heard.items] == [
        ("user", [{"type": "input_text", "text": "Why?"}])
    ]


def test_the_user_s_last_message_is_the_question_and_what_was_said_before_is_its_history() -> None:
    heard = said(
        items(
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "First?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [{"type": "input_text", "text": "Second"}, {"type": "text", "text": "part?"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Two.", "annotations": []}]},
        )
    )
    assert heard.question == "Second\npart?"
    assert heard.history == (Message(Role.USER, "First?"), Message(Role.ASSISTANT, "One."))
    assert heard.instructions == "Be brief."
    assert [item["role"] for item in heard.items] == ["system", "user", "assistant", "user", "assistant"]


def test_what_an_earlier_response_put_out_can_be_sent_back() -> None:
    call = {"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["x"], "results": None}
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    heard = said(
        items({"role": "user", "content": "x"}, {**call, "ours": 1}, refusal, {"role": "user", "content": "y"})
    )
    assert heard.items[1] == call


def test_kept_items_fit_the_published_description() -> None:
    published = described()
    heard = said(
        items(
            {"role": "developer", "content": "a"},
            {"type": "message", "role": "user", "content": "b"},
            {"type": "file_search_call"},
            {"role": "assistant", "content": "c"},
        )
    )
    for item in heard.items:
        published.check_schema("ItemResource", item)
    assert len({item["id"] for item in heard.items}) == 4


@pytest.mark.parametrize(
    ("item", "param", "remedy"),
    [
        ({"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}, "input.1.content.0", "uploaded"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input.1.content.0", "Leave it out"),
        ({"role": "user", "content": [{}]}, "input.1.content.0", "Leave it out"),
        ({"type": "item_reference", "id": "msg_1"}, "input.1", "previous_response_id"),
        ({"type": "function_call_output", "output": "x"}, "input.1", "Send messages"),
        ({"content": "x"}, "input.1", "Give it a role"),
    ],
)
def test_what_is_no_text_is_named_with_its_place(item: dict[str, Any], param: str, remedy: str) -> None:
    with pytest.raises(InvalidRequestError, match=remedy) as caught:
        said(items({"role": "user", "content": "x"}, item))
    assert caught.value.param == param


def test_what_is_said_goes_on_from_the_whole_stored_conversation() -> None:
    first = said(items({"role": "developer", "content": "Be brief."}, {"role": "user", "content": "First?"}))
    turns = [
        Past(1, first.items, "One."),
        Past(2, said("Unanswered?").items, None),
        Past(3, said("Second?").items, "Two."),
    ]
    now = said(items({"role": "system", "content": "In verse."}, {"role": "user", "content": "Third?"}))
    heard = gone_on(turns, now)
    assert (heard.question, heard.items) == ("Third?", now.items)
    assert heard.instructions == "Be brief.\n\nIn verse."
    assert heard.history == (
        Message(Role.USER, "First?"),
        Message(Role.ASSISTANT, "One."),
        Message(Role.USER, "Unanswered?"),
        Message(Role.USER, "Second?"),
        Message(Role.ASSISTANT, "Two."),
    )


def test_how_a_question_is_to_be_answered_is_read_from_both_bodies() -> None:
    steered = {"strategy": "react", "rewriting": "none", "unsupported": "remove", "cache": "bypass", "temperature": 0.5}
    body = ResponseRequest.model_validate({"input": "x", "instructions": "a", "max_output_tokens": 16, **steered})
    how = (Strategy.REACT, Rewriting.NONE, Unsupported.REMOVE)
    expected = AnswerOptions(*how, instructions="a\n\nb", max_tokens=16, temperature=0.5, cached=False)
    assert body.options("b") == expected
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 7, **steered}
    assert ChatRequest.model_validate(asked).options("b") == replace(expected, instructions="b", max_tokens=7)
    longer = ChatRequest.model_validate({**asked, "max_completion_tokens": 8})
    assert longer.options("").max_tokens == 8
    assert ResponseRequest.model_validate({"input": "x"}).options("") == AnswerOptions()


def test_without_a_user_there_is_no_question() -> None:
    with pytest.raises(InvalidRequestError, match="Ask with the role user"):
        said(items({"role": "assistant", "content": "x"}))
    with pytest.raises(InvalidRequestError, match="Ask with the role user"):
        said_in_chat([ChatMessage(role="system", content="x")])


def test_what_tools_say_in_a_chat_is_not_read() -> None:
    image: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": "x"}}]
    messages = [
        ChatMessage(role="user", content="First?"),
        ChatMessage(role="assistant", content=None),
        ChatMessage(role="tool", content=image),
        ChatMessage(role="user", content=[{"type": "text", "text": "Second?"}]),
    ]
    heard = said_in_chat(messages)
    assert (heard.question, heard.history) == ("Second?", (Message(Role.USER, "First?"),))
    with pytest.raises(InvalidRequestError, match=r"messages\.0\.content\.0 is no text but image_url"):
        said_in_chat([ChatMessage(role="user", content=image)])


def test_null_is_as_good_as_nothing_in_a_request() -> None:
    body = ResponseRequest.model_validate({"input": "x", "stream": None, "tools": None, "store": None})
    assert (body.stream, body.tools, body.store) == (False, [], True)


def test_a_request_s_settings_are_repeated_without_its_input() -> None:
    body = ResponseRequest.model_validate({"input": "x", "stream": True, "metadata": {"a": "b"}, "temperature": 0.1})
    assert body.settings().keys() & {"input", "stream", "instructions"} == set()
    assert body.settings()["metadata"] == {"a": "b"}
    assert body.settings()["temperature"] == 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata": {str(number): "" for number in range(17)}},
        {"metadata": {"x" * 65: ""}},
        {"metadata": {"x": "y" * 513}},
        {"metadata": {"x": 1}},
        {"include": ["everything"]},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": []}]},
        {"max_tool_calls": 0},
        {"max_output_tokens": 1},
        {"truncation": "newest"},
        {"temperature": 2.1},
        {"strategy": "guess"},
        {"rewriting": "all"},
        {"unsupported": "keep"},
        {"cache": "forget"},
        {"input": []},
        {"input": None},
        [],
    ],
)
def test_what_does_not_fit_the_interface_is_refused(wrong: Any) -> None:
    body = {"input": "x", **wrong} if isinstance(wrong, dict) else wrong
    with pytest.raises(ValidationError):
        ResponseRequest.model_validate(body)
