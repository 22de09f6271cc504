from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest
from answer_samples import hit

from ragstone.domain import Hit
from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError, RagstoneError
from ragstone.fakes.reranker import OverlapReranker
from ragstone.retrieve.rerank import rerank

pytestmark = pytest.mark.anyio

HITS = [hit("The hall opens at nine."), hit("Oil of the gearbox.", "file_2"), hit("The great hall.", "file_3")]


def texts(hits: Sequence[Hit]) -> list[str]:
    return [one.passage.text for one in hits]


async def test_the_most_relevant_hit_comes_first_and_says_how_relevant_it_is() -> None:
    found = await rerank("gearbox oil", HITS, OverlapReranker(), seconds=5)
    assert texts(found) == [texts(HITS)[1], texts(HITS)[0], texts(HITS)[2]]
    assert [one.scores.rerank for one in found] == [1.0, 0.0, 0.0]
    assert [one.scores.fused for one in found] == [HITS[1].scores.fused, HITS[0].scores.fused, HITS[2].scores.fused]


async def test_a_passage_is_judged_with_its_headings() -> None:
    found = await rerank(
        "opening hours",
        [*HITS, hit("Nine to five.", "file_4", heading=("Opening hours",))],
        OverlapReranker(),
        seconds=5,
    )
    assert found[0].passage.text == "Nine to five."


@pytest.mark.parametrize("error", [ModelUnavailableError("down"), PromptTooLongError("long"), PromptRefusedError("no")])
async def test_hits_stay_in_their_order_when_the_reranker_fails(
    error: RagstoneError, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert await rerank("gearbox oil", HITS, OverlapReranker(error), seconds=5) == HITS
    assert "not reranked" in caplog.text


async def test_a_reranker_that_takes_too_long_is_not_waited_for() -> None:
    class Slow(OverlapReranker):
        async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
            await asyncio.sleep(30)
            return await super().rerank(query, texts)

    assert await rerank("gearbox oil", HITS, Slow(), seconds=0.01) == HITS


async def test_without_hits_the_reranker_is_not_asked() -> None:
    reranker = OverlapReranker()
    assert await rerank("gearbox oil", [], reranker, seconds=5) == []
    assert reranker.queries == []
