"""The checks against OpenAI's published description can fail, and fail for the right reason."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import published as module
import pytest
from published import DESCRIPTION, Published, described, published
from published_rules import EXCEPTIONS
from published_samples import ANSWERS, EVENT, EXEMPTED, FILE, HIT, PAGE, RESPONSE

Place: TypeAlias = tuple[str | int, ...]


@pytest.fixture
def description() -> Published:
    return described()


def fields(value: object, place: Place = ()) -> Iterator[Place]:
    """Every field of an object, at any depth."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        if isinstance(value, dict):
            yield (*place, key)
        yield from fields(part, (*place, key))


def without(value: object, place: Place) -> Any:
    changed: Any = copy.deepcopy(value)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    del parent[place[-1]]
    return changed


def path(place: Place) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)


@pytest.mark.parametrize(("method", "url", "status", "answer", "optional"), ANSWERS)
def test_every_required_field_is_missed_where_it_should_stand(
    description: Published, method: str, url: str, status: int, answer: dict[str, Any], optional: set[str]
) -> None:
    description.check_answer(method, url, status, answer)
    for place in fields(answer):
        lacking = without(answer, place)
        if path(place) in optional:
            description.check_answer(method, url, status, lacking)
            continue
        with pytest.raises(AssertionError) as raised:
            description.check_answer(method, url, status, lacking)
        assert f"\n  {path(place[:-1])}: '{place[-1]}' is a required property" in str(raised.value)


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("created_at",), "now", "$.created_at: 'now' is not of type 'number'"),
        (("status",), "done", "$.status: 'done' is not one of"),
        (("output", 1, "content", 0, "text"), None, "$.output[1].content[0].text: None is not of type 'string'"),
        (("output", 0, "type"), "guess", "$.output[0]: "),
        (("tools", 0, "filters", "filters", 1, "type"), "eq", "$.tools[0].filters.filters[1]"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(
    description: Published, place: Place, value: object, complaint: str
) -> None:
    wrong: Any = copy.deepcopy(RESPONSE)
    parent = wrong
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    with pytest.raises(AssertionError) as raised:
        description.check_answer("POST", "/v1/responses", 200, wrong)
    assert complaint in str(raised.value)


def test_all_that_is_wrong_is_named_at_once(description: Published) -> None:
    with pytest.raises(AssertionError) as raised:
        description.check_answer("GET", "/v1/files/file-1", 200, {**FILE, "bytes": "many", "object": "vile"})
    assert str(raised.value).splitlines()[0] == (
        "the answer 200 of GET /files/{file_id} does not fit the published description:"
    )
    assert [line.split(":")[0] for line in str(raised.value).splitlines()[1:]] == ["  $.bytes", "  $.object"]


def test_fields_of_ours_may_stand_in_answers_at_any_depth(description: Published) -> None:
    page = {"object": "vector_store.search_results.page", "search_query": ["x"], "has_more": False, "next_page": None}
    ours: dict[str, Any] = {**page, "timings_ms": {}, "data": [{**HIT, "chunk_id": "chunk_1"}]}
    description.check_answer("POST", "/v1/vector_stores/vs_1/search", 200, ours)


def test_requests_hold_nothing_but_what_is_published(description: Published) -> None:
    description.check_request("POST", "/v1/vector_stores/vs_1/search", {"query": ["x"], "max_num_results": 50})
    with pytest.raises(AssertionError, match=r"\$: Additional properties .*'tenant'"):
        description.check_request("POST", "/v1/vector_stores/vs_1/search", {"query": "x", "tenant": "other"})
    with pytest.raises(AssertionError, match=r"\$\.max_num_results: 51"):
        description.check_request("POST", "/v1/vector_stores/vs_1/search", {"query": "x", "max_num_results": 51})


def test_variants_that_overlap_are_both_right(description: Published) -> None:
    part = {"type": "input_text", "text": "x"}
    description.check_request("POST", "/v1/responses", {"input": [{"role": "user", "content": [part]}]})
    with pytest.raises(AssertionError, match=r"\$\.input\[0\]\.content\[0\]: 'text' is a required property"):
        description.check_request(
            "POST", "/v1/responses", {"input": [{"role": "user", "content": [without(part, ("text",))]}]}
        )


def test_what_is_called_nullable_may_be_null(description: Published) -> None:
    message = {"role": "user", "content": "x"}
    description.check_request("POST", "/v1/chat/completions", {"model": "m", "messages": [message], "stream": None})
    with pytest.raises(AssertionError, match=r"\$\.stream: 1 is not valid"):
        description.check_request("POST", "/v1/chat/completions", {"model": "m", "messages": [message], "stream": 1})


def test_the_most_literal_path_is_meant(description: Published) -> None:
    with pytest.raises(AssertionError, match="POST /organization/certificates/activate does not fit"):
        description.check_request("POST", "/v1/organization/certificates/activate", {})


def test_a_concrete_path_finds_its_template(description: Published) -> None:
    deleted = {"id": "f", "object": "vector_store.file.deleted", "deleted": True}
    description.check_answer("delete", "/v1/vector_stores/vs_1/files/f?x=1", 200, deleted)
    with pytest.raises(AssertionError, match=r"\$\.object: .*vector_store\.deleted"):
        description.check_answer("DELETE", "/v1/vector_stores/vs_1", 200, deleted)


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [("GET", "/v1/nothing", 200), ("PUT", "/v1/files", 200), ("GET", "/v1/files", 201), ("GET", "/v1/files/a/b", 200)],
)
def test_what_is_not_published_is_not_waved_through(description: Published, method: str, url: str, status: int) -> None:
    with pytest.raises(AssertionError, match=r"no published operation|answers no 201"):
        description.check_answer(method, url, status, {})


def test_a_route_without_a_json_body_takes_none(description: Published) -> None:
    with pytest.raises(AssertionError, match="GET /files takes no JSON"):
        description.check_request("GET", "/v1/files", {})


def test_events_are_checked_by_their_type(description: Published) -> None:
    description.check_event(EVENT)
    for field in EVENT:
        with pytest.raises(AssertionError, match=field):
            description.check_event(without(EVENT, (field,)))
    with pytest.raises(AssertionError, match="no published event"):
        description.check_event({**EVENT, "type": "response.output_text.guess"})
    # The name of another event does not make it one.
    with pytest.raises(AssertionError, match="'text' is a required property"):
        description.check_event({**EVENT, "type": "response.output_text.done"})


def test_chunks_are_checked(description: Published) -> None:
    choice = {"index": 0, "delta": {"content": "x"}, "logprobs": None, "finish_reason": None}
    chunk: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": None,
    }
    description.check_chunk(chunk)
    for place in fields(chunk):
        if place[-1] not in {"usage", "content", "logprobs"}:
            with pytest.raises(AssertionError, match=f"'{place[-1]}' is a required property"):
                description.check_chunk(without(chunk, place))


def test_every_exception_has_its_case() -> None:
    assert set(EXEMPTED) == {exemption.schema for exemption in EXCEPTIONS}


@pytest.mark.parametrize("schema", EXEMPTED)
def test_an_exception_is_still_needed(description: Published, schema: str) -> None:
    with gzip.open(DESCRIPTION) as file:
        literal = Published(json.load(file), exceptions=())
    description.check_schema(schema, EXEMPTED[schema], sent=True)
    with pytest.raises(AssertionError):
        literal.check_schema(schema, EXEMPTED[schema], sent=True)


def test_only_an_empty_page_has_no_first_and_last(description: Published) -> None:
    description.check_answer("GET", "/v1/files", 200, PAGE)
    with pytest.raises(AssertionError, match=r"\$\.data"):
        description.check_answer("GET", "/v1/files", 200, {**PAGE, "data": [FILE]})
    with pytest.raises(AssertionError, match=r"\$\.last_id"):
        description.check_answer("GET", "/v1/files", 200, {**PAGE, "last_id": "file-1"})


def test_without_the_description_a_test_is_skipped_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "DESCRIPTION", tmp_path / "openapi.json.gz")
    published.cache_clear()
    try:
        assert published() is None
        with pytest.raises(pytest.skip.Exception, match=r"\.\./shared/openai-api"):
            described()
    finally:
        published.cache_clear()
