"""`/mcp` on the running service, driven by the official client library over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import openai
import pytest
from acceptance.conftest import HANDBOOK
from acceptance.shipped import Ragstone
from clusters import until
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

pytestmark = pytest.mark.anyio

KEYS = "How often is a key rotated?"
LONG = "".join(f"Line {number} of a long report about basalt.\n" for number in range(6000)) + "The summit is pink.\n"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@asynccontextmanager
async def agent(
    address: str, headers: Mapping[str, str], *, path: str = "/mcp", mode: str = "auto"
) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=dict(headers), timeout=30) as http:
        transport = streamable_http_client(f"{address}{path}", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def call(client: Client, name: str, **arguments: object) -> Any:
    """What a tool gives; both of its forms say the same."""
    result = await client.call_tool(name, arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    assert json.loads(content.text) == result.structured_content
    return result.structured_content


def words(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture(scope="module")
def shared(service: str, library: Ragstone) -> Iterator[str]:
    """A store with a document for everybody, one for alice, and a long one; its id."""
    with openai.OpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as client:
        store = client.vector_stores.create(name="agents").id
        for name, text, readers in (
            ("open.txt", "The porphyry lies in the yard.", None),
            ("secret.txt", "The porphyry was sold to the bishop for nine hundred crowns.", ["user:alice"]),
            ("report.txt", LONG, None),
        ):
            extra = {} if readers is None else {"readers": json.dumps(readers)}
            file = client.files.create(file=(name, text.encode()), purpose="assistants", extra_body=extra)
            client.vector_stores.files.create(store, file_id=file.id)
        until(lambda: client.vector_stores.retrieve(store).file_counts.completed == 3, seconds=60)
        yield store
        client.vector_stores.delete(store)


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_an_agent_finds_a_document_and_reads_it(service: str, library: Ragstone, mode: str) -> None:
    async with agent(service, library.headers, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "fetch"}
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
        found = await call(client, "search", query=KEYS)
        first = found["results"][0]
        assert first["title"] == "handbook.md: Handbook"
        assert first["url"].startswith(f"{service}/console/files/{first['id']}?start=")
        assert "ninety days" in first["text"]
        read = await call(client, "fetch", id=first["id"])
        assert read.keys() == {"id", "title", "text", "url", "metadata"}
        assert read["text"] == HANDBOOK
        assert (read["id"], read["title"]) == (first["id"], "Handbook")
        assert (
            read["metadata"].items() >= {"filename": "handbook.md", "year": 2026, "characters": len(HANDBOOK)}.items()
        )


async def test_each_document_is_found_once(service: str, library: Ragstone, shared: str) -> None:
    async with agent(service, library.headers, path=f"/mcp?store={shared}") as client:
        found = await call(client, "search", query="basalt porphyry")
        ids = [result["id"] for result in found["results"]]
        assert len(ids) == len(set(ids)) > 1


async def test_a_long_document_is_read_where_the_passage_is_and_in_parts(
    service: str, library: Ragstone, shared: str
) -> None:
    async with agent(service, {**library.headers, "x-ragstone-store": "agents"}) as client:
        found = await call(client, "search", query="What colour is the summit?")
        first = found["results"][0]
        assert "The summit is pink." in first["text"]
        read = await call(client, "fetch", id=first["id"])
        assert "The summit is pink." in read["text"]
        assert "next" not in read["metadata"]

        identifier, text = first["id"].partition("#")[0], ""
        while identifier:
            part = await call(client, "fetch", id=identifier)
            text += part["text"]
            identifier = part["metadata"].get("next", "")
        assert text == LONG


async def test_two_people_find_and_read_what_each_of_them_may(service: str, library: Ragstone, shared: str) -> None:
    alice, bob = ({**library.headers, "x-ragstone-on-behalf-of": name} for name in ("alice", "bob"))
    question = "For how much was the porphyry sold to the bishop?"
    async with agent(service, alice) as hers, agent(service, bob) as his:
        found = await call(hers, "search", query=question)
        secret = next(result for result in found["results"] if "bishop" in result["text"])
        assert "nine hundred" in (await call(hers, "fetch", id=secret["id"]))["text"]

        found = await call(his, "search", query=question)
        assert "bishop" not in json.dumps(found)
        assert "The porphyry lies in the yard." in json.dumps(found)
        refused = await his.call_tool("fetch", {"id": secret["id"]})
        unknown = await his.call_tool("fetch", {"id": "file-" + "0" * 24})
        assert refused.is_error
        assert words(refused).replace(secret["id"], "") == words(unknown).replace("file-" + "0" * 24, "")


async def test_only_the_named_stores_are_searched(service: str, library: Ragstone, shared: str) -> None:
    async with agent(service, library.headers, path="/mcp?store=default") as client:
        found = await call(client, "search", query="porphyry")
        assert "porphyry" not in json.dumps(found)
    async with agent(service, library.headers, path=f"/mcp?store=default&store={shared}") as client:
        assert "porphyry" in json.dumps(await call(client, "search", query="porphyry"))
        assert "ninety" in json.dumps(await call(client, "search", query=KEYS))


async def test_a_store_is_named_in_any_language(service: str, library: Ragstone) -> None:
    with openai.OpenAI(base_url=f"{service}/v1", api_key=library.key, max_retries=0) as client:
        store = client.vector_stores.create(name="Verträge 合同à").id
    try:
        for name, told in (("Verträge 合同à".encode(), ""), ("Verträge".encode("latin-1"), "is not UTF-8")):
            known = {key.encode(): value.encode() for key, value in {**library.headers, **ACCEPT}.items()}
            call = {"method": "tools/call", "params": {"name": "search", "arguments": {"query": KEYS}}}
            async with httpx.AsyncClient() as http:
                answer = await http.post(
                    f"{service}/mcp",
                    json={"jsonrpc": "2.0", "id": 1, **call},
                    headers={**known, b"x-ragstone-store": name},
                )
            result = answer.json()["result"]
            assert result.get("isError", False) is bool(told)
            assert told in result["content"][0]["text"]
    finally:
        httpx.delete(f"{service}/v1/vector_stores/{store}", headers=library.headers)


@pytest.mark.parametrize(
    ("path", "tool", "arguments", "told"),
    [
        ("/mcp", "search", {}, "query: Field required"),
        ("/mcp", "search", {"query": 7}, "query: "),
        ("/mcp", "search", {"query": " "}, "The question is empty"),
        ("/mcp?store=nowhere", "search", {"query": "x"}, "There is no store nowhere"),
        ("/mcp", "fetch", {"id": "file-unknown"}, "There is no document file-unknown"),
        ("/mcp", "fetch", {"id": "#"}, "There is no document #"),
        ("/mcp", "fetch", {"id": "file-a\0b"}, "There is no document"),
        ("/mcp", "fetch", {"id": ""}, "There is no document"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    service: str, library: Ragstone, path: str, tool: str, arguments: dict[str, object], told: str
) -> None:
    async with agent(service, library.headers, path=path) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert told in words(result)


async def test_a_document_beyond_its_end_is_empty(service: str, library: Ragstone) -> None:
    async with agent(service, library.headers) as client:
        found = await call(client, "search", query=KEYS)
        assert (await call(client, "fetch", id=f"{found['results'][0]['id']}#999999999"))["text"] == ""


async def test_a_tenant_without_stores_finds_nothing(fresh: Ragstone) -> None:
    with fresh.serving() as address:
        async with agent(address, fresh.headers) as client:
            assert await call(client, "search", query="x") == {"results": []}


def test_without_a_good_key_nothing_is_said(service: str) -> None:
    for headers in ({}, {"authorization": "Bearer rs-wrong"}):
        answer = httpx.post(f"{service}/mcp", json=LIST, headers={**ACCEPT, **headers})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "invalid_api_key"


def test_no_session_is_kept_that_a_replica_would_not_know(service: str, library: Ragstone) -> None:
    with httpx.Client(base_url=service, headers={**library.headers, **ACCEPT}) as http:
        asked = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        }
        begun = http.post("/mcp", json=asked)
        assert begun.status_code == 200
        assert "mcp-session-id" not in begun.headers
        assert http.post("/mcp", json=LIST).json()["result"]["tools"]
        for method in ("GET", "DELETE"):
            assert http.request(method, "/mcp").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:6274"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "ragstone.internal:8421"}, 200),
    ],
)
def test_pages_from_elsewhere_are_refused(
    service: str, library: Ragstone, headers: dict[str, str], status: int
) -> None:
    answer = httpx.post(f"{service}/mcp", json=LIST, headers={**library.headers, **ACCEPT, **headers})
    assert answer.status_code == status


def test_hosts_and_origins_can_be_named(library: Ragstone) -> None:
    configured = library.having(
        mcp_hosts="rag.example.com, rag.example.com:*",
        mcp_origins="https://desk.example.com",
        public_url="https://rag.example.com/base",
    )
    with configured.serving() as address:
        for headers, status in (
            ({}, 421),
            ({"host": "rag.example.com"}, 200),
            ({"host": "rag.example.com:8443"}, 200),
            ({"host": "rag.example.com", "origin": "https://rag.example.com"}, 200),
            ({"host": "rag.example.com", "origin": "https://desk.example.com"}, 200),
            ({"host": "rag.example.com", "origin": "https://evil.example"}, 403),
        ):
            answer = httpx.post(f"{address}/mcp", json=LIST, headers={**library.headers, **ACCEPT, **headers})
            assert answer.status_code == status, headers


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"jsonrpc": "2.0", "id": 1}', b"[" * 100_000])
def test_what_is_no_message_is_refused(service: str, library: Ragstone, body: bytes) -> None:
    headers = {**library.headers, **ACCEPT, "content-type": "application/json"}
    answer = httpx.post(f"{service}/mcp", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
