"""A second look at the best hits by a model that reads question and passage together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from ragstone.domain import Hit, Passage
from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError
from ragstone.ports import Reranker

_log = logging.getLogger(__name__)


async def rerank(query: str, hits: Sequence[Hit], reranker: Reranker, seconds: float) -> list[Hit]:
    """The hits with their relevance, most relevant first; as they were when the reranker fails or takes too long.

    Hits that are equally relevant stay in their order.
    """
    if not hits:
        return []
    try:
        async with asyncio.timeout(seconds):
            scores = await reranker.rerank(query, [_readable(hit.passage) for hit in hits])
    except (ModelUnavailableError, PromptRefusedError, PromptTooLongError, TimeoutError) as error:
        _log.warning(
            "Hits keep the order of the search, because they are not reranked: %s", str(error) or "no time is left"
        )
        return list(hits)
    seen = [replace(hit, scores=replace(hit.scores, rerank=score)) for hit, score in zip(hits, scores, strict=True)]
    return sorted(seen, key=lambda hit: -(hit.scores.rerank or 0.0))


def _readable(passage: Passage) -> str:
    """The passage under its headings: they often name what it is about."""
    return "\n".join(part for part in (" > ".join(passage.heading), passage.text) if part)
