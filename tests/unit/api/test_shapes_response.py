"""The response object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from published import Published, described
from shape_samples import (
    ANSWER,
    CITATIONS,
    CUT,
    ENDING,
    NOTHING,
    SENTENCES,
    SILENCE,
    SPOKEN,
    TEXT,
    answering,
    asked,
    having,
)

from ragstone.api.shapes.ending import Ending, Failure, FailureCode
from ragstone.api.shapes.response import (
    Draft,
    Status,
    cancelled,
    concluded,
    failed,
    in_progress,
    queued,
    response,
)
from ragstone.domain import Finish
from ragstone.errors import (
    DatabaseUnavailableError,
    InvalidQuestionError,
    RagstoneError,
    RateLimitedError,
    StoreNotFoundError,
)

FAILURE = Failure(FailureCode.SERVER_ERROR, "The database is away. Try again")
SEARCHING = Draft(("key rotation",))
SPEAKING = Draft(("key rotation",), ANSWER.nearest, SENTENCES[0], CITATIONS[:1])


@pytest.fixture
def description() -> Published:
    return described()


def items(made: dict[str, object]) -> list[dict[str, Any]]:
    """The output of a response."""
    output = made["output"]
    assert isinstance(output, list)
    return output


STATES: dict[str, dict[str, object]] = {
    "queued": queued(asked(background=True)),
    "in progress": in_progress(asked()),
    "searching": in_progress(asked(), SEARCHING),
    "speaking": in_progress(asked(), SPEAKING),
    "completed": concluded(asked(), ENDING),
    "completed by a fallback": concluded(asked(), Ending(1, having(degraded="The model is away"))),
    "completed without evidence": concluded(asked(), Ending(1, NOTHING)),
    "completed without a word": concluded(asked(), Ending(1, SILENCE)),
    "completed without a search": response(asked(), Status.COMPLETED, Draft(text="Hello."), Ending(1)),
    "cancelled": cancelled(asked()),
    "cancelled while searching": cancelled(asked(), SEARCHING),
    "failed": failed(asked(), FAILURE),
    "failed while searching": failed(asked(), FAILURE, SEARCHING),
    "failed while speaking": failed(asked(), FAILURE, SPEAKING),
    "completed by a model": concluded(asked(), Ending(1, SPOKEN)),
    "incomplete": concluded(asked(), Ending(1, CUT)),
    "filtered": concluded(asked(), Ending(1, having(CUT, finish=Finish.FILTER))),
}


@pytest.mark.parametrize("state", STATES)
def test_a_response_fits_the_published_description_in_every_state(description: Published, state: str) -> None:
    description.check_answer("POST", "/v1/responses", 200, STATES[state])
    description.check_answer("GET", "/v1/responses/resp_1a", 200, STATES[state])


@pytest.mark.parametrize("state", STATES)
def test_the_stock_client_reads_a_response_as_it_was_written(state: str) -> None:
    with answering(STATES[state]) as client:
        read = client.responses.retrieve("resp_1a")
    assert read.to_dict(mode="json") == STATES[state]


def test_a_completed_response_tells_of_the_search_and_then_the_answer() -> None:
    made = concluded(asked(), ENDING)
    search, message = items(made)
    assert (search["id"], search["status"]) == ("fs_1a", "completed")
    assert search["queries"] == ["How often is a key rotated?"]
    assert [found["text"] for found in search["results"]] == list(SENTENCES)
    assert (message["id"], message["status"]) == ("msg_1a", "completed")
    (content,) = message["content"]
    assert content["text"] == TEXT
    first = content["annotations"][0]
    assert first["index"] == len(SENTENCES[0])
    assert (
        first.items()
        >= {
            "type": "file_citation",
            "file_id": "file-1",
            "filename": "handbook.md",
            "chunk_id": "chunk_7",
            "page": 3,
            "quote": SENTENCES[0],
            "start_index": 100,
            "end_index": 100 + len(SENTENCES[0]),
            "score": 0.9,
            "verified": True,
        }.items()
    )


def test_a_completed_response_says_how_well_it_is_grounded_and_what_it_took() -> None:
    made = concluded(asked(), ENDING)
    assert made["grounding"] == {"status": "supported"}
    assert made["timings_ms"] == {"search": 2.0, "total": 3}
    assert made["completed_at"] == 1_790_000_003
    assert "degraded" not in made


def test_a_fallback_is_owned_up_to() -> None:
    made = STATES["completed by a fallback"]
    assert made["degraded"] is True
    assert made["degraded_reason"] == "The model is away"


def test_hits_are_shown_only_where_the_request_includes_them() -> None:
    for include in (None, [], ["message.output_text.logprobs"]):
        search, _ = items(concluded(asked(include=include), ENDING))
        assert search["results"] is None


def test_the_request_s_settings_come_back_and_its_silence_has_defaults() -> None:
    made = concluded(asked(), ENDING)
    assert made["instructions"] == "Be brief."
    assert made["metadata"] == {"team": "security"}
    assert made["previous_response_id"] == "resp_0"
    assert made["tools"] == [{"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3}]
    assert made["model"] == "ragstone-extractive"
    assert made["tool_choice"] == "auto"
    assert made["temperature"] is None
    assert made["conversation"] is None


def test_what_one_response_is_changed_to_leaves_the_next_alone() -> None:
    concluded(asked(metadata=None), ENDING)["metadata"]["stray"] = "x"  # type: ignore[index]
    assert concluded(asked(metadata=None), ENDING)["metadata"] == {}


def test_tokens_are_counted_when_a_model_read_them_and_absent_until_then() -> None:
    assert STATES["completed by a model"]["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }
    assert concluded(asked(), ENDING)["usage"]["total_tokens"] == 0  # type: ignore[index]
    assert "usage" not in queued(asked())


def test_a_model_s_answer_says_how_it_came_about() -> None:
    made = STATES["completed by a model"]
    assert (made["model"], made["answered_by"], made["cache"]) == ("big", "big", "miss")
    assert made["strategy"] == {"name": "direct", "calls": 2}
    assert made["prompt_template"] == "direct@1:0123456789ab"
    assert made["cost"] == 0.25
    stretch = {"start_index": 0, "end_index": len(SENTENCES[0])}
    assert made["grounding"] == {"status": "partial", "unsupported": [stretch]}
    # Until somebody has answered it is the model that was asked for.
    assert queued(replace(asked(), model="ragstone"))["model"] == "ragstone"


def test_the_documents_own_words_cost_nothing_and_have_no_strategy() -> None:
    made = concluded(asked(), ENDING)
    assert made["model"] == made["answered_by"] == "ragstone-extractive"
    assert not made.keys() & {"strategy", "prompt_template", "cost", "degraded"}


@pytest.mark.parametrize(
    ("state", "search", "message"),
    [
        ("searching", "searching", None),
        ("speaking", "completed", "in_progress"),
        ("cancelled while searching", "incomplete", None),
        ("failed while searching", "failed", None),
        ("failed while speaking", "completed", "incomplete"),
        ("incomplete", "completed", "incomplete"),
        ("completed without a search", None, "completed"),
    ],
)
def test_items_say_how_far_they_came(state: str, search: str | None, message: str | None) -> None:
    kinds = {item["type"]: item["status"] for item in items(STATES[state])}
    assert kinds.get("file_search_call") == search
    assert kinds.get("message") == message


def test_a_response_that_did_not_complete_says_why() -> None:
    assert STATES["failed"]["error"] == {"code": "server_error", "message": "The database is away. Try again"}
    assert STATES["incomplete"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert STATES["filtered"]["incomplete_details"] == {"reason": "content_filter"}
    assert STATES["incomplete"]["status"] == STATES["filtered"]["status"] == "incomplete"
    for state in ("failed", "incomplete", "cancelled", "queued"):
        assert STATES[state]["completed_at"] is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidQuestionError("The question is empty", remedy="Ask something"), "invalid_prompt"),
        (StoreNotFoundError("There is no store x", remedy="Ask something"), "invalid_prompt"),
        (RateLimitedError("Enough for now", remedy="Ask something"), "rate_limit_exceeded"),
        (DatabaseUnavailableError("The database is away", remedy="Ask something"), "server_error"),
    ],
)
def test_an_error_becomes_a_published_code_and_keeps_its_remedy(error: RagstoneError, code: str) -> None:
    failure = Failure.of(error)
    assert failure.code.value == code
    assert failure.message.endswith("Ask something")
