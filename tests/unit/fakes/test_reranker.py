from __future__ import annotations

import pytest

from ragstone.errors import ModelUnavailableError
from ragstone.fakes.reranker import OverlapReranker

pytestmark = pytest.mark.anyio


async def test_a_text_is_as_relevant_as_the_share_of_the_query_s_words_it_has() -> None:
    reranker = OverlapReranker()
    assert await reranker.rerank("gearbox oil", ["The Oil", "oil of the gearbox", "hall"]) == [0.5, 1.0, 0.0]
    assert await reranker.rerank("?", ["hall"]) == [0.0]
    assert reranker.queries == ["gearbox oil", "?"]


async def test_it_fails_as_it_is_told() -> None:
    with pytest.raises(ModelUnavailableError, match="down"):
        await OverlapReranker(ModelUnavailableError("down")).rerank("oil", ["oil"])
