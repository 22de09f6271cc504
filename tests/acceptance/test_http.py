"""The service, driven by the stock client of OpenAI and by plain HTTP."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from acceptance.conftest import HANDBOOK
from acceptance.shipped import Ragstone
from loopback import read_answer

DESCRIPTION = Path(__file__).parents[3] / "shared" / "openai-api" / "openapi.json.gz"


@pytest.fixture
def client(service: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as connected:
        yield connected


@pytest.fixture
def http(service: str, library: Ragstone) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers=library.headers, timeout=30) as connected:
        yield connected


@pytest.fixture(scope="session")
def description() -> dict[str, Any]:
    if not DESCRIPTION.exists():
        pytest.skip("the published API description is not there (../shared/openai-api)")
    with gzip.open(DESCRIPTION) as file:
        loaded: dict[str, Any] = json.load(file)
    return loaded


def search_tool(**more: object) -> dict[str, object]:
    return {"type": "file_search", "vector_store_ids": ["default"], **more}


def test_the_stock_client_searches_a_store_by_its_name(client: openai.OpenAI) -> None:
    page = client.vector_stores.search("default", query="How often is a key rotated?", max_num_results=2)
    assert len(page.data) == 2
    hit = page.data[0]
    assert hit.filename == "handbook.md"
    assert "ninety days" in hit.content[0].text
    assert 0 <= hit.score <= 1
    assert hit.attributes == {"path": "handbook.md", "type": "md", "year": 2026}
    assert hit.model_extra is not None
    assert hit.model_extra["scores"].keys() == {"dense", "lexical", "fused"}


def test_filters_and_thresholds_of_the_stock_client_are_kept(client: openai.OpenAI) -> None:
    page = client.vector_stores.search(
        "default",
        query="days",
        filters={
            "type": "and",
            "filters": [
                {"type": "in", "key": "type", "value": ["csv", "txt"]},
                {"type": "gte", "key": "year", "value": 2020},
            ],
        },
    )
    assert {hit.filename for hit in page.data} == {"travel.txt", "prices.csv"}
    assert client.vector_stores.search("default", query="x", ranking_options={"score_threshold": 1.0}).data == []


def test_options_that_change_nothing_here_are_accepted(client: openai.OpenAI) -> None:
    plain = client.vector_stores.search("default", query="key rotation")
    told = client.vector_stores.search(
        "default", query="key rotation", rewrite_query=True, ranking_options={"ranker": "default-2024-11-15"}
    )
    assert told.data == plain.data
    with pytest.raises(openai.BadRequestError, match="ranker"):
        client.vector_stores.search("default", query="x", ranking_options={"ranker": "best"})  # type: ignore[arg-type]


def test_several_queries_give_one_list_without_doubles(client: openai.OpenAI) -> None:
    page = client.vector_stores.search("default", query=["key rotation", "price of marble"])
    places = [(hit.file_id, hit.content[0].text) for hit in page.data]
    assert len(places) == len(set(places)) == 3


def test_a_response_cites_the_document_s_own_words(client: openai.OpenAI) -> None:
    answer = client.responses.create(
        model="ragstone",
        input="How often is a key rotated?",
        tools=[search_tool()],  # type: ignore[list-item]
        include=["file_search_call.results"],
    )
    assert "ninety days" in answer.output_text
    call, message = answer.output
    assert call.type == "file_search_call"
    assert call.results
    assert message.type == "message"
    content = message.content[0]
    assert content.type == "output_text"
    annotation = content.annotations[0]
    assert annotation.type == "file_citation"
    assert annotation.filename == "handbook.md"
    assert annotation.model_extra is not None
    cited = annotation.model_extra
    assert cited["verified"] is True
    assert HANDBOOK[cited["start_index"] : cited["end_index"]] == cited["quote"]
    assert content.text[: annotation.index].endswith(cited["quote"])


def test_insufficient_evidence_is_a_field_and_no_guess(http: httpx.Client) -> None:
    body = {"input": "Who won the football world cup in 1998?", "tools": [search_tool()]}
    answer = http.post("/v1/responses", json=body).json()
    assert answer["grounding"] == {"status": "insufficient_evidence"}
    assert answer["output"][1]["content"][0]["annotations"] == []


def test_the_last_user_message_is_the_question(http: httpx.Client) -> None:
    body = {
        "input": [
            {"role": "user", "content": "What does marble cost?"},
            {"role": "assistant", "content": "310"},
            {"role": "user", "content": [{"type": "input_text", "text": "How often is a key rotated?"}]},
        ],
        "tools": [search_tool()],
    }
    assert "ninety days" in http.post("/v1/responses", json=body).json()["output"][1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("path", "body", "schema"),
    [
        ("/v1/vector_stores/default/search", {"query": "key"}, "VectorStoreSearchResultsPage"),
        ("/v1/responses", {"model": "ragstone", "input": "key rotation", "tools": [search_tool()]}, "Response"),
    ],
)
def test_answers_fit_the_published_description(
    http: httpx.Client, description: dict[str, Any], path: str, body: dict[str, object], schema: str
) -> None:
    answer = http.post(path, json=body)
    assert answer.status_code == 200
    validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **description})
    # Fields of ours may stand beside the published ones.
    wrong = [error for error in validator.iter_errors(answer.json()) if error.validator != "additionalProperties"]
    assert [error.message for error in wrong] == []


def test_an_unknown_store_is_not_found_for_the_stock_client(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no store nowhere"):
        client.vector_stores.search("nowhere", query="x")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/vector_stores/default/search", b"{", 400),
        ("POST", "/v1/vector_stores/default/search", b"{}", 400),
        ("POST", "/v1/vector_stores/default/search", b'{"query": "x", "max_num_results": 51}', 400),
        ("POST", "/v1/vector_stores/default/search", b'{"query": "  "}', 400),
        ("POST", "/v1/vector_stores/default/search", b'{"query": ["x", 1]}', 400),
        ("POST", "/v1/vector_stores/default/search", b'{"query": "x", "filters": {"type": "near"}}', 400),
        ("POST", "/v1/vector_stores/default/search", b'{"query": "a\\u0000b"}', 400),
        ("POST", "/v1/vector_stores/nowhere/search", b'{"query": "x"}', 404),
        ("POST", "/v1/responses", b'{"tools": []}', 400),
        ("POST", "/v1/responses", b'{"input": " ", "stream": true}', 400),
        ("GET", "/v1/nothing", b"", 404),
        ("GET", "/v1/responses", b"", 405),
    ],
)
def test_every_error_has_openai_s_shape(
    http: httpx.Client, method: str, path: str, content: bytes, status: int
) -> None:
    answer = http.request(method, path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["x-request-id"]
    if status != 200:
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        assert answer.json()["error"]["message"]


def test_a_deeply_nested_filter_is_refused_and_the_service_lives_on(http: httpx.Client) -> None:
    part: dict[str, object] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(200):
        part = {"type": "and", "filters": [part]}
    answer = http.post("/v1/vector_stores/default/search", json={"query": "x", "filters": part})
    assert answer.status_code == 400
    assert http.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "filters",
    [
        {"type": "or", "filters": [{"type": "eq", "key": "a", "value": 1}] * 30_000},
        {"type": "and", "filters": [{"type": "or", "filters": [{"type": "eq", "key": "a", "value": 1}] * 150}] * 2},
        {"type": "in", "key": "a", "value": list(range(30_000))},
    ],
)
def test_a_filter_beyond_what_a_database_tries_is_refused(http: httpx.Client, filters: dict[str, object]) -> None:
    answer = http.post("/v1/vector_stores/default/search", json={"query": "x", "filters": filters})
    assert answer.status_code == 400


def test_what_is_no_http_is_refused_in_the_same_shape(service: str) -> None:
    host, port = service.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        head, body = read_answer(connection)
    assert head.startswith("http/1.1 400")
    assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}


def test_a_request_keeps_the_id_that_it_came_with(http: httpx.Client) -> None:
    assert http.get("/livez", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"


def test_the_probes_name_each_dependency(http: httpx.Client) -> None:
    assert http.get("/livez").json() == {"status": "alive"}
    assert http.get("/startupz").json() == {"status": "started"}
    ready = http.get("/readyz").json()
    assert ready["status"] == "ready"
    assert ready["checks"].keys() == {"database", "embedder"}


def test_what_the_command_line_ingests_is_found_by_the_running_service(
    library: Ragstone, http: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("The obelisk is polished with emery.")
    assert library("ingest", tmp_path, "--store", "beside").status == 0
    found = http.post("/v1/vector_stores/beside/search", json={"query": "obelisk"}).json()
    assert found["data"][0]["filename"] == "note.txt"
