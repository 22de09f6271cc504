"""The stock client of OpenAI, with every exchange of JSON checked against the published description."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import openai
from published import described

_JSON = "application/json"
# Fields of requests that are no part of what is published.
_OURS = ("readers", "language", "strategy", "rewriting", "unsupported", "cache")


def _check(response: httpx2.Response) -> None:
    if not response.headers.get("content-type", "").startswith(_JSON):
        return
    request = response.request
    path = request.url.path
    if response.status_code == 200 and request.headers.get("content-type") == _JSON and request.content:
        sent = {name: value for name, value in json.loads(request.content).items() if name not in _OURS}
        described().check_request(request.method, path, sent)
    described().check_answer(request.method, path, response.status_code, response.json())


def _check_at_once(response: httpx2.Response) -> None:
    response.read()
    _check(response)


async def _check_soon(response: httpx2.Response) -> None:
    await response.aread()
    _check(response)


@contextmanager
def checked(address: str, key: str) -> Iterator[openai.OpenAI]:
    """The synchronous client."""
    with (
        httpx2.Client(event_hooks={"response": [_check_at_once]}, timeout=60) as http,
        openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, http_client=http) as client,
    ):
        yield client


@asynccontextmanager
async def checked_async(address: str, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client."""
    async with (
        httpx2.AsyncClient(event_hooks={"response": [_check_soon]}, timeout=60) as http,
        openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, http_client=http) as client,
    ):
        yield client
