"""Vectors that a model server computed are asked for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ragstone.domain import Asker, Matrix
from ragstone.fakes.models import HashingEmbedder
from ragstone.storage.answers.vectors import RememberingEmbedder
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio


class Counting(HashingEmbedder):
    """Counts the texts that it is asked for."""

    def __init__(self, name: str = "hashing") -> None:
        super().__init__(name=name)
        self.asked: list[str] = []

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        self.asked += texts
        return await super().embed_passages(texts)


async def test_a_text_is_embedded_once_and_its_vector_comes_back_to_the_bit(database: Database, asker: Asker) -> None:
    behind = Counting()
    embedder = RememberingEmbedder(behind, database, asker)
    texts = ["one", "two", "one", "three \0 \ud800"]
    first = await embedder.embed_passages(texts)
    assert behind.asked == ["one", "two", "three \0 \ud800"]
    second = await embedder.embed_passages([*texts, "four"])
    assert behind.asked[3:] == ["four"]
    expected = await HashingEmbedder().embed_passages([*texts, "four"])
    assert np.array_equal(first, expected[:4])
    assert np.array_equal(second, expected)
    assert (await embedder.embed_passages([])).shape == (0, 64)


async def test_vectors_cross_neither_tenants_nor_models_nor_what_they_are_for(database: Database, asker: Asker) -> None:
    other = replace(asker, tenant=await database.tenant(f"{asker.tenant.name} beside"))
    await RememberingEmbedder(Counting(), database, asker).embed_queries(["secret"])
    prefixed = Counting()
    prefixed.model = replace(prefixed.model, query_prefix="query: ")
    for behind, who in ((Counting(), other), (Counting("another"), asker), (prefixed, asker)):
        await RememberingEmbedder(behind, database, who).embed_queries(["secret"])
        assert behind.asked == ["secret"]
    passages = Counting()
    await RememberingEmbedder(passages, database, asker).embed_passages(["secret"])
    assert passages.asked == ["secret"]


async def test_a_database_that_is_away_costs_no_embedding(asker: Asker) -> None:
    away = Database(lambda: "host=127.0.0.1 port=1 dbname=none connect_timeout=1", timeout=0.2)
    vectors = await RememberingEmbedder(HashingEmbedder(), away, asker).embed_queries(["one"])
    assert np.array_equal(vectors, await HashingEmbedder().embed_queries(["one"]))
