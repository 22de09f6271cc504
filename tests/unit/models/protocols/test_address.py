"""Where requests go, and under which names."""

from __future__ import annotations

import pytest
from unit.models.protocols.conftest import QUESTION, member

from ragstone.models.protocols import openai
from ragstone.models.protocols.http.address import Address


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "path"),
    [
        ("http://host", "host", 80, "host", ""),
        ("https://host/", "host", 443, "host", ""),
        ("https://host:8443/a/v1/", "host", 8443, "host:8443", "/a/v1"),
        ("http://host:80/v1", "host", 80, "host", "/v1"),
        ("http://[::1]:8000/v1", "::1", 8000, "[::1]:8000", "/v1"),
        ("http://Münster.example/ä", "xn--mnster-3ya.example", 80, "xn--mnster-3ya.example", "/%C3%A4"),
    ],
)
def test_an_address_has_its_parts(url: str, host: str, port: int, authority: str, path: str) -> None:
    found = Address.of(url)
    assert (found.host, found.port, found.authority, found.path) == (host, port, authority, path)
    assert found.is_tls is url.startswith("https")


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
