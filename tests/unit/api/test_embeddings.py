"""Vectors over HTTP by a model that is asked over a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import pytest
from fastapi import Request
from fastapi.responses import Response

from ragstone.api.embeddings import EmbeddingRequest, create_embeddings
from ragstone.domain import Matrix, Usage
from ragstone.models.protocols import Client
from ragstone.models.protocols import embedder as embedder_module
from ragstone.models.protocols.embedder import EndpointEmbedder
from ragstone.settings.models import Model

pytestmark = pytest.mark.anyio

T = TypeVar("T")
MODEL = Model.model_validate({"name": "e", "url": "http://127.0.0.1:1/v1", "kind": "embedding", "dimension": 2})


class Hanging:
    """A team that never answers what begins with `hang`."""

    model = MODEL

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        monkeypatch.setattr(embedder_module, "embed", self._embed)

    async def call(self, ask: Callable[[Model, Client], Awaitable[tuple[T, Usage]]], tokens: int) -> T:
        assert tokens
        value, _ = await ask(MODEL, Client(MODEL))
        return value

    async def _embed(self, _: Model, texts: Sequence[str], __: Client) -> tuple[Matrix, Usage]:
        if texts[0].startswith("hang"):
            self.begun.set()
            try:
                await asyncio.sleep(60)  # not for ever, which would keep a thread
            finally:
                self.ended.set()
        return np.full((len(texts), 2), 0.5**0.5, np.float32), Usage(calls=1)


async def ask(team: Hanging, text: str, leaves: asyncio.Event) -> Response:
    """The answer, for a client that may leave."""

    async def receive() -> dict[str, object]:
        await leaves.wait()
        return {"type": "http.disconnect"}

    house = SimpleNamespace(embedder=EndpointEmbedder(team))
    app = SimpleNamespace(state=SimpleNamespace(house=house))
    request = Request({"type": "http", "app": app}, receive)
    return await create_embeddings(EmbeddingRequest(model="e", input=text), request, None)  # type: ignore[arg-type]


async def test_a_server_that_hangs_holds_up_one_caller_until_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    team, leaves = Hanging(monkeypatch), asyncio.Event()
    first = asyncio.create_task(ask(team, "hang", leaves))
    await team.begun.wait()
    async with asyncio.timeout(10):
        other = await ask(team, "another text", asyncio.Event())
    assert json.loads(bytes(other.body))["data"][0]["embedding"] == pytest.approx([0.5**0.5] * 2)
    assert not first.done()
    leaves.set()
    async with asyncio.timeout(10):
        await team.ended.wait()
        assert (await first).status_code == 499
