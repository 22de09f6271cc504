"""`/v1/responses` on the running service, driven by the stock client; every answer and event is as published."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from acceptance.conftest import HANDBOOK
from acceptance.shipped import Ragstone
from openai.types.responses import Response
from published import described

KEYS = "How often is a key rotated?"
TOOL: Any = {"type": "file_search", "vector_store_ids": ["default"]}
DONE = {"completed", "failed", "cancelled", "incomplete"}


@pytest.fixture
def client(service: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as connected:
        yield connected


@pytest.fixture
def http(service: str, library: Ragstone) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers=library.headers, timeout=30) as connected:
        yield connected


def create(http: httpx.Client, status: int = 200, **body: Any) -> Any:
    """What the service answers; both directions are checked."""
    if status == 200:
        described().check_request("POST", "/v1/responses", body)
    answer = http.post("/v1/responses", json=body)
    assert answer.status_code == status, answer.text
    described().check_answer("POST", "/v1/responses", status, answer.json())
    return answer.json()


def get(http: httpx.Client, path: str, **query: Any) -> Any:
    answer = http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    described().check_answer("GET", path, 200, answer.json())
    return answer.json()


def text_of(response: Any) -> str:
    return str(response["output"][-1]["content"][0]["text"])


def events_of(answer: httpx.Response) -> list[Any]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    told = []
    for block in answer.read().decode().strip().split("\n\n"):
        name, _, data = block.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        described().check_event(event)
        told.append(event)
    assert [event["sequence_number"] for event in told] == list(
        range(told[0]["sequence_number"], len(told) + told[0]["sequence_number"])
    )
    return told


def settled(http: httpx.Client, identifier: str) -> Any:
    """The response once nothing more happens to it."""
    for _ in range(200):
        found = get(http, f"/v1/responses/{identifier}")
        if found["status"] in DONE:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{identifier} is still {found['status']}")


def test_an_answer_is_stored_and_shown_again_as_it_was(http: httpx.Client) -> None:
    made = create(
        http, model="ragstone", input=KEYS, tools=[TOOL], metadata={"team": "security"}, instructions="Short."
    )
    assert "ninety days" in text_of(made)
    assert (made["store"], made["metadata"], made["instructions"]) == (True, {"team": "security"}, "Short.")
    found = get(http, f"/v1/responses/{made['id']}")
    for response in (made, found):
        del response["timings_ms"]  # the database keeps them in an order of its own
    assert found == made


def test_hits_are_shown_with_a_stored_answer_if_they_are_asked_for(client: openai.OpenAI) -> None:
    made = client.responses.create(model="ragstone", input=KEYS, tools=[TOOL])
    plain = client.responses.retrieve(made.id)
    full = client.responses.retrieve(made.id, include=["file_search_call.results"])
    assert [call.results for call in (made.output[0], plain.output[0]) if call.type == "file_search_call"] == [None] * 2
    assert full.output[0].type == "file_search_call"
    assert full.output[0].results
    assert (full.output[0].results[0].text or "nothing") in HANDBOOK


def test_what_is_not_to_be_stored_is_not(http: httpx.Client) -> None:
    made = create(http, model="ragstone", input=KEYS, store=False)
    assert made["store"] is False
    assert http.get(f"/v1/responses/{made['id']}").status_code == 404


def test_a_deleted_answer_is_gone(client: openai.OpenAI, http: httpx.Client) -> None:
    made = client.responses.create(model="ragstone", input=KEYS)
    answer = http.delete(f"/v1/responses/{made.id}")
    described().check_answer("DELETE", f"/v1/responses/{made.id}", 200, answer.json())
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(made.id)


def test_a_question_goes_on_from_an_earlier_response(client: openai.OpenAI) -> None:
    first = client.responses.create(model="ragstone", input=KEYS, tools=[TOOL])
    second = client.responses.create(
        model="ragstone", input="And the old one?", tools=[TOOL], previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    assert "one more week" in second.output_text
    assert second.output[0].type == "file_search_call"
    assert second.output[0].queries == ["And the old one?", f"{KEYS} And the old one?"]
    own = client.responses.create(
        model="ragstone", input="What does marble cost?", tools=[TOOL], previous_response_id=second.id
    )
    assert own.output[0].type == "file_search_call"
    assert own.output[0].queries == ["What does marble cost?"]
    assert "310" in own.output_text

    told = [(item.type, getattr(item, "role", "")) for item in client.responses.input_items.list(own.id, order="asc")]
    answered = [("file_search_call", ""), ("message", "assistant")]
    asked = [("message", "user")]
    assert told == [*asked, *answered, *asked, *answered, *asked]


def test_input_items_come_in_pages(client: openai.OpenAI, http: httpx.Client) -> None:
    said: Any = [{"role": "user", "content": f"{number}. {KEYS}"} for number in range(5)]
    made = client.responses.create(model="ragstone", input=said, tools=[TOOL])
    page = get(http, f"/v1/responses/{made.id}/input_items", limit=2)
    assert [item["content"][0]["text"][0] for item in page["data"]] == ["4", "3"]
    assert page["has_more"] is True
    page = get(http, f"/v1/responses/{made.id}/input_items", limit=2, after=page["last_id"])
    assert [item["content"][0]["text"][0] for item in page["data"]] == ["2", "1"]
    assert len(list(client.responses.input_items.list(made.id, limit=2))) == 5
    assert http.get(f"/v1/responses/{made.id}/input_items", params={"after": "msg_x"}).status_code == 400


def test_the_model_names_a_store_and_without_a_tool_the_default_one_answers(http: httpx.Client) -> None:
    for model in ("ragstone/default", "ragstone", "ragstone-extractive"):
        assert "ninety days" in text_of(create(http, model=model, input=KEYS))


def test_tools_are_searched_together_if_they_can_be(http: httpx.Client) -> None:
    assert "ninety days" in text_of(create(http, model="ragstone", input=KEYS, tools=[TOOL, TOOL]))
    refused = create(http, 400, model="ragstone", input=KEYS, tools=[TOOL, {**TOOL, "max_num_results": 1}])
    assert refused["error"]["param"] == "tools"


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"model": "gpt-5"}, 404, "model_not_found", "There is no model gpt-5"),
        ({"model": "ragstone/nowhere"}, 404, "model_not_found", "no model ragstone/nowhere"),
        ({"model": "all-MiniLM-L6-v2-int8"}, 404, "model_not_found", "GET /v1/models"),
        ({"tools": [{"type": "web_search"}]}, 400, "invalid_value", "file_search"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_x"]}]}, 404, "not_found", "no store vs_x"),
        ({"previous_response_id": "resp_x"}, 404, "not_found", "no response resp_x"),
        ({"include": ["all"]}, 400, "invalid_value", "include.0"),
        ({"input": "  "}, 400, "invalid_value", "The question is empty"),
        ({"input": "x" * 10_001}, 400, "invalid_value", "10,001 characters"),
        ({"input": []}, 400, "invalid_value", "input"),
        ({"input": [{"role": "assistant", "content": "x"}]}, 400, "invalid_value", "role user"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, 400, "invalid_value", "input_file"),
        ({"tool_choice": "none"}, 400, "invalid_value", "tool_choice"),
        ({"text": {"format": {"type": "json_object"}}}, 400, "invalid_value", "text.format"),
        ({"background": True, "store": False}, 400, "invalid_value", "has to be stored"),
        ({"metadata": {"a": 1}}, 400, "invalid_value", "metadata"),
        ({"stream": True, "input": "  "}, 400, "invalid_value", "The question is empty"),
    ],
)
def test_what_cannot_be_answered_is_said_before_anything_begins(
    http: httpx.Client, body: dict[str, Any], status: int, code: str, words: str
) -> None:
    error = create(http, status, **{"model": "ragstone", "input": KEYS, **body})["error"]
    assert error["code"] == code
    assert words in error["message"]


def test_without_a_store_to_answer_from_the_error_says_how_to_name_one(fresh: Ragstone) -> None:
    with fresh.serving() as address, httpx.Client(base_url=address, headers=fresh.headers) as http:
        error = create(http, 400, model="ragstone", input=KEYS)["error"]
        assert "there is no store default" in error["message"]
        assert "vector_store_ids" in error["message"]
        assert get(http, "/v1/models")["data"]


def test_the_stock_client_streams_an_answer_with_its_citations(client: openai.OpenAI) -> None:
    with client.responses.stream(model="ragstone", input=KEYS, tools=[TOOL]) as stream:
        text, kinds = "", []
        for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
        final = stream.get_final_response()
    assert text == final.output_text
    assert "ninety days" in text
    assert "response.output_text.annotation.added" in kinds
    assert kinds.index("response.file_search_call.searching") < kinds.index("response.output_text.delta")
    message = final.output[1]
    assert message.type == "message"
    assert message.content[0].type == "output_text"
    assert message.content[0].annotations[0].type == "file_citation"
    assert client.responses.retrieve(final.id).output_text == text


@pytest.mark.anyio
async def test_the_asynchronous_client_streams_many_at_once(service: str, library: Ragstone) -> None:
    async with openai.AsyncOpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as client:

        async def one() -> str:
            async with client.responses.stream(model="ragstone", input=KEYS, tools=[TOOL]) as stream:
                return (await stream.get_final_response()).output_text

        async with asyncio.timeout(60):
            texts = await asyncio.gather(*(one() for _ in range(30)))
    assert len(set(texts)) == 1


def test_each_event_of_a_stream_is_as_published(http: httpx.Client) -> None:
    body = {
        "model": "ragstone",
        "input": KEYS,
        "tools": [TOOL],
        "stream": True,
        "include": ["file_search_call.results"],
    }
    told = events_of(http.post("/v1/responses", json=body))
    assert [told[0]["type"], told[-1]["type"]] == ["response.created", "response.completed"]
    described().check_schema("Response", told[-1]["response"])


def test_a_stored_answer_is_told_again_from_any_event_on(http: httpx.Client) -> None:
    body = {"model": "ragstone", "input": KEYS, "tools": [TOOL], "stream": True}
    told = events_of(http.post("/v1/responses", json=body))
    identifier = told[0]["response"]["id"]
    again = events_of(http.get(f"/v1/responses/{identifier}", params={"stream": "true", "starting_after": 4}))
    assert [event["type"] for event in again] == [event["type"] for event in told[5:]]
    assert [event for event in again if "response" not in event] == [
        event for event in told[5:] if "response" not in event
    ]


def test_an_answer_in_the_background_is_fetched_when_it_is_there(client: openai.OpenAI, http: httpx.Client) -> None:
    made = create(http, model="ragstone", input=KEYS, tools=[TOOL], background=True)
    assert (made["status"], made["output"], made["background"]) == ("queued", [], True)
    assert "ninety days" in text_of(settled(http, made["id"]))
    answer: Response = client.responses.retrieve(made["id"])
    assert "ninety days" in answer.output_text


def test_an_answer_in_the_background_is_told_while_it_is_made_and_again(
    client: openai.OpenAI, http: httpx.Client
) -> None:
    body = {"model": "ragstone", "input": KEYS, "tools": [TOOL], "stream": True, "background": True}
    told = events_of(http.post("/v1/responses", json=body))
    assert [event["type"] for event in told[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert told[-1]["type"] == "response.completed"
    identifier = told[0]["response"]["id"]
    with client.responses.stream(response_id=identifier, starting_after=5) as stream:
        assert next(event.sequence_number for event in stream) == 6
    again = events_of(http.get(f"/v1/responses/{identifier}", params={"stream": "true"}))
    assert [event["type"] for event in again] == [event["type"] for event in told]


def test_only_an_answer_in_the_background_can_be_cancelled(client: openai.OpenAI) -> None:
    made = client.responses.create(model="ragstone", input=KEYS, background=True)
    assert client.responses.cancel(made.id).status in DONE
    plain = client.responses.create(model="ragstone", input=KEYS)
    with pytest.raises(openai.BadRequestError, match="not made in the background"):
        client.responses.cancel(plain.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_unknown")


def test_a_conversation_that_grows_too_long_is_refused_unless_it_may_be_cut(fresh: Ragstone) -> None:
    small = fresh.having(request_max_mb="1")
    with small.serving() as address, httpx.Client(base_url=address, headers=small.headers, timeout=30) as http:
        http.post("/v1/vector_stores", json={"name": "default"})
        said: Any = [{"role": "user", "content": "x " * 300_000}, {"role": "user", "content": KEYS}]
        first = create(http, model="ragstone", input=said)["id"]
        second = create(http, model="ragstone", input=said, previous_response_id=first)["id"]
        third = {"model": "ragstone", "input": KEYS, "previous_response_id": second}
        error = create(http, 400, **third)["error"]
        assert error["code"] == "context_length_exceeded"
        assert "truncation" in error["message"]
        cut = create(http, **third, truncation="auto")
        assert (cut["truncation"], cut["previous_response_id"]) == ("auto", second)
        items = get(http, f"/v1/responses/{cut['id']}/input_items", limit=100)["data"]
        assert len(items) == len(said) + 2 + 1


def test_who_is_asked_for_is_named_in_any_language(service: str, library: Ragstone) -> None:
    # The last byte of à in UTF-8 is a space in Latin-1.
    with httpx.Client(base_url=service, headers=library.headers) as http:
        assert http.put("/admin/users/张voilà", json={"groups": []}).status_code == 200
        key = http.post("/admin/keys", json={"user": "张voilà", "scopes": ["read"]}).json()["key"]
        behalf = [(b"x-ragstone-on-behalf-of", "张voilà".encode())]
        made = http.post("/v1/responses", json={"input": KEYS}, headers=behalf).json()["id"]
        own = {"authorization": f"Bearer {key}"}
        assert http.get(f"/v1/responses/{made}", headers=own).status_code == 200
        wrong = http.get(f"/v1/responses/{made}", headers=[(b"x-ragstone-on-behalf-of", "voilà".encode("latin-1"))])
        assert wrong.status_code == 400
        assert "UTF-8" in wrong.json()["error"]["message"]


def test_an_answer_is_its_asker_s_alone(service: str, library: Ragstone) -> None:
    alice, bob = ({**library.headers, "x-ragstone-on-behalf-of": name} for name in ("alice", "bob"))
    with httpx.Client(base_url=service) as http:
        made = http.post("/v1/responses", json={"input": KEYS}, headers=alice).json()["id"]
        unknown = "resp_" + "0" * 32
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
            for headers in (bob, library.headers):
                answers = [
                    http.request(method, f"/v1/responses/{name}{tail}", headers=headers) for name in (made, unknown)
                ]
                assert [answer.status_code for answer in answers] == [404, 404]
                assert answers[0].text.replace(made, "") == answers[1].text.replace(unknown, "")
        body = {"input": "And?", "previous_response_id": made}
        assert http.post("/v1/responses", json=body, headers=bob).status_code == 404
        assert http.get(f"/v1/responses/{made}", headers=alice).status_code == 200
