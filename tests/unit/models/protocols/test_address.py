"""Where requests go, and under which names."""

from __future__ import annotations

import pytest
from misbehaving import Misbehaving
from unit.models.protocols.conftest import QUESTION, Talking, member

from ragstone.models.protocols import openai


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://host", "host", "http://host/chat/completions"),
        ("http://host:80/v1/", "host", "http://host/v1/chat/completions"),
        ("http://host:8443/a/v1/", "host:8443", "http://host:8443/a/v1/chat/completions"),
        ("http://[2001:db8::1]:8000/v1", "[2001:db8::1]:8000", "http://[2001:db8::1]:8000/v1/chat/completions"),
        ("http://Münster.example/ä", "xn--mnster-3ya.example", "http://xn--mnster-3ya.example/%C3%A4/chat/completions"),
    ],
)
async def test_requests_go_where_the_address_says(
    server: Misbehaving, talk: Talking, monkeypatch: pytest.MonkeyPatch, url: str, host: str, target: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.host)  # which hears of any host
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await talk(member(url))).ended
    assert (server.requests[0].path, server.requests[0].headers["host"]) == (target, host)


@pytest.mark.parametrize(
    ("url", "fields", "name"),
    [
        ("https://api.openai.com/v1", {}, "max_completion_tokens"),
        ("https://acme.openai.azure.com", {"protocol": "azure"}, "max_completion_tokens"),
        ("https://acme.services.ai.azure.com/openai/v1", {}, "max_completion_tokens"),
        ("http://127.0.0.1:8000/v1", {}, "max_tokens"),
        ("https://api.openai.com/v1", {"max_tokens_field": "max_tokens"}, "max_tokens"),
    ],
)
def test_the_limit_of_tokens_has_the_name_that_the_host_wants(url: str, fields: dict[str, str], name: str) -> None:
    model = member(url, max_output_tokens=9, **fields)  # type: ignore[arg-type]
    body = openai.chat_body(model, "m", QUESTION)
    assert {"max_tokens", "max_completion_tokens"} & set(body) == {name}


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("", "2024-10-21", "/openai/deployments/a%2Fb/embeddings?api-version=2024-10-21"),
        ("/openai", "2024-10-21", "/deployments/a%2Fb/embeddings?api-version=2024-10-21"),
        ("", None, "/openai/v1/embeddings"),
        ("/openai", None, "/v1/embeddings"),
        ("/gateway/openai/v1", None, "/embeddings"),
    ],
)
def test_azures_paths_follow_the_version(path: str, version: str | None, expected: str) -> None:
    model = member(f"https://acme.example{path}", protocol="azure", api_version=version)
    assert openai.address(model, "a/b", "embeddings") == expected
