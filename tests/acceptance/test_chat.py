"""Chat completions, models and embeddings on the running service, driven by the stock client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import openai
import pytest
from acceptance.conftest import HANDBOOK
from acceptance.shipped import Ragstone
from published import described

MODEL = "ragstone/default"
EMBEDDER = "all-MiniLM-L6-v2-int8"
KEYS = "How often is a key rotated?"
ASKED: Any = [{"role": "user", "content": KEYS}]
CHAT = "/v1/chat/completions"


@pytest.fixture
def client(service: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as connected:
        yield connected


@pytest.fixture
def http(service: str, library: Ragstone) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers=library.headers, timeout=60) as connected:
        yield connected


def post(http: httpx.Client, path: str, status: int = 200, **body: Any) -> Any:
    if status == 200:
        described().check_request("POST", path, body)
    answer = http.post(path, json=body)
    assert answer.status_code == status, answer.text
    described().check_answer("POST", path, status, answer.json())
    return answer.json()


def test_a_store_answers_as_a_model_with_links_to_what_it_cites(http: httpx.Client, service: str) -> None:
    made = post(http, CHAT, model=MODEL, messages=ASKED)
    message = made["choices"][0]["message"]
    assert "ninety days" in message["content"]
    cited = message["annotations"][0]
    url = urlsplit(cited["url_citation"]["url"])
    assert url.geturl().startswith(f"{service}/console/files/{cited['file_id']}?")
    start, end = (int(parse_qs(url.query)[name][0]) for name in ("start", "end"))
    assert HANDBOOK[start:end] == cited["quote"]
    place = cited["url_citation"]
    assert message["content"][place["start_index"] : place["end_index"]] == cited["quote"]
    assert made["grounding"] == {"status": "supported"}


def test_links_lead_to_where_people_reach_the_service(library: Ragstone) -> None:
    with (
        library.having(public_url="https://rag.example.com/team/").serving() as address,
        httpx.Client(base_url=address, headers=library.headers) as http,
    ):
        made = post(http, CHAT, model=MODEL, messages=ASKED)
    url = made["choices"][0]["message"]["annotations"][0]["url_citation"]["url"]
    assert url.startswith("https://rag.example.com/team/console/files/file-")


def test_a_chat_goes_on_from_its_earlier_questions(client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "system", "content": "You are terse."},
        *ASKED,
        {"role": "assistant", "content": "Every ninety days."},
        {"role": "user", "content": [{"type": "text", "text": "And the old one?"}]},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, temperature=0.2, max_tokens=50)
    assert "one more week" in (answer.choices[0].message.content or "")


def test_a_stream_adds_up_to_the_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=ASKED)
    with client.chat.completions.stream(model=MODEL, messages=ASKED, stream_options={"include_usage": True}) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"
    assert final.usage == whole.usage
    annotations = final.choices[0].message.annotations
    assert annotations
    assert annotations[0].url_citation.title == "handbook.md"


def test_each_chunk_of_a_stream_is_as_published(http: httpx.Client) -> None:
    body = {"model": MODEL, "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    described().check_request("POST", CHAT, body)
    answer = http.post(CHAT, json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, last = answer.text.strip().split("\n\n")
    assert last == "data: [DONE]"
    for chunk in chunks:
        described().check_chunk(json.loads(chunk.removeprefix("data: ")))


@pytest.mark.anyio
async def test_the_asynchronous_client_chats_with_many_at_once(service: str, library: Ragstone) -> None:
    async with openai.AsyncOpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as client:

        async def one() -> str:
            text = ""
            async for chunk in await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            return text

        async with asyncio.timeout(60):
            texts = await asyncio.gather(*(one() for _ in range(30)))
    assert len(set(texts)) == 1
    assert "ninety days" in texts[0]


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"model": "gpt-5"}, 404, "model_not_found", "There is no model gpt-5"),
        ({"model": "ragstone/nowhere"}, 404, "model_not_found", "no model ragstone/nowhere"),
        ({"model": EMBEDDER}, 404, "model_not_found", "that answers"),
        ({"n": 2}, 400, "invalid_value", "n as it was given"),
        ({"response_format": {"type": "json_object"}}, 400, "invalid_value", "response_format"),
        ({"tool_choice": "required", "tools": []}, 400, "invalid_value", "tool_choice"),
        ({"modalities": ["text", "audio"]}, 400, "invalid_value", "modalities"),
        ({"logprobs": True}, 400, "invalid_value", "logprobs"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "invalid_value", "role user"),
        ({"messages": [{"role": "user", "content": ""}], "stream": True}, 400, "invalid_value", "empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            400,
            "invalid_value",
            "image_url",
        ),
    ],
)
def test_what_cannot_be_answered_is_said(
    http: httpx.Client, body: dict[str, Any], status: int, code: str, words: str
) -> None:
    error = post(http, CHAT, status, **{"model": MODEL, "messages": ASKED, **body})["error"]
    assert error["code"] == code
    assert words in error["message"]


def test_tools_and_knobs_that_change_nothing_are_ignored(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=ASKED,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        tool_choice="auto",
        seed=1,
        stop=["x"],
        user="somebody",
    )
    assert "ninety days" in (answer.choices[0].message.content or "")


def test_the_models_are_the_stores_and_the_embedder(client: openai.OpenAI, http: httpx.Client) -> None:
    answer = http.get("/v1/models").json()
    described().check_answer("GET", "/v1/models", 200, answer)
    names = [model.id for model in client.models.list()]
    assert {MODEL, "ragstone", EMBEDDER} <= set(names)
    for name in names:
        assert client.models.retrieve(name).id == name
        described().check_answer("GET", f"/v1/models/{name}", 200, http.get(f"/v1/models/{name}").json())
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("ragstone/nowhere")


def test_a_store_is_a_model_by_its_name_or_its_id(client: openai.OpenAI) -> None:
    made = [client.vector_stores.create(name=name) for name in ("with a / slash", "twice", "twice", "")]
    try:
        names = {model.id for model in client.models.list()}
        expected = {"ragstone/with a / slash", "ragstone/twice"} | {f"ragstone/{made[n].id}" for n in (2, 3)}
        assert expected <= names
        for name in expected:
            assert client.models.retrieve(name).id == name
            answer = client.chat.completions.create(model=name, messages=ASKED)
            assert answer.model_extra
            assert answer.model_extra["grounding"] == {"status": "insufficient_evidence"}
    finally:
        for store in made:
            client.vector_stores.delete(store.id)


def test_embeddings_are_those_that_the_stores_are_searched_with(client: openai.OpenAI, http: httpx.Client) -> None:
    texts = ["How often is a key rotated?", "A key is rotated every ninety days.", "Marble slab, 310"]
    packed = client.embeddings.create(model=EMBEDDER, input=texts)
    plain = post(http, "/v1/embeddings", model=EMBEDDER, input=texts, encoding_format="float")
    vectors = np.array([one.embedding for one in packed.data])
    np.testing.assert_allclose(vectors, [one["embedding"] for one in plain["data"]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.6 > vectors[0] @ vectors[2]
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > 15
    assert "degraded" not in plain


def test_what_the_model_does_not_read_of_a_text_is_said(http: httpx.Client) -> None:
    made = post(http, "/v1/embeddings", model=EMBEDDER, input=["key " * 300, "key"])
    assert made["degraded"] is True
    assert made["degraded_reason"].startswith("1 of the texts have more than 254 tokens")
    assert made["usage"]["prompt_tokens"] == 301


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"input": ""}, 400, "Text 0 of the input is empty"),
        ({"input": ["x", "  "]}, 400, "Text 1 of the input is empty"),
        ({"input": []}, 400, "empty"),
        ({"input": [1, 2]}, 400, "tokens"),
        ({"input": [[1, 2], [3]]}, 400, "tokens"),
        ({"input": ["x"] * 2049}, 400, "2,049 texts: at most 2,048"),
        ({"input": "x", "dimensions": 100}, 400, "384"),
        ({"input": "x", "encoding_format": "int8"}, 400, "encoding_format"),
        ({"input": "x", "model": "text-embedding-3-small"}, 404, f"Ask for {EMBEDDER}"),
    ],
)
def test_what_cannot_be_embedded_is_said(http: httpx.Client, body: dict[str, Any], status: int, words: str) -> None:
    error = post(http, "/v1/embeddings", status, **{"model": EMBEDDER, **body})["error"]
    assert words in error["message"]


def test_hundreds_of_texts_do_not_hold_others_up(service: str, library: Ragstone) -> None:
    async def slowest_probe() -> float:
        slowest, texts = 0.0, [f"granite {number}" for number in range(512)]
        async with httpx.AsyncClient(base_url=service, headers=library.headers, timeout=120) as http:
            body = {"model": EMBEDDER, "input": texts, "encoding_format": "float"}
            embedding = asyncio.create_task(http.post("/v1/embeddings", json=body))
            await asyncio.sleep(0.2)
            while not embedding.done():
                began = asyncio.get_running_loop().time()
                assert (await http.get("/livez")).status_code == 200
                slowest = max(slowest, asyncio.get_running_loop().time() - began)
            answer = await embedding
        assert len(answer.json()["data"]) == 512
        return slowest

    assert asyncio.run(slowest_probe()) < 1.0  # on the event loop it would be some seconds
