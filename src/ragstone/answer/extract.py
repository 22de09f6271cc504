"""The extractive answer: sentences of the documents, word for word, or the admission that none fits."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ragstone.answer.calibration import Policy
from ragstone.answer.choose import choose, reading_order
from ragstone.answer.cite import Supported, compose, verify
from ragstone.answer.evidence import score
from ragstone.domain import Answer, GroundingStatus, Hit, Question
from ragstone.ports import Embedder, Index

NOTHING_FOUND = (
    "The documents do not seem to answer this. Try other words or a narrower question, "
    "look at the nearest passages, or add documents that cover it."
)


async def extract(
    question: Question,
    hits: Sequence[Hit],
    embedder: Embedder,
    index: Index,
    policy: Policy = Policy(),  # noqa: B008  frozen
) -> Answer:
    """One to three sentences of the hits that answer the question, each verified and cited.

    The status follows the probability of the best sentence. Below `policy.partial_from`, or when no
    sentence could be verified, the text is `NOTHING_FOUND` and there are no citations. The hits come
    back as `nearest`.
    """
    began = time.perf_counter()
    scored = await score(question, hits, embedder, policy)
    chosen = reading_order(choose(scored, policy))
    scored_at = time.perf_counter()
    supported = await verify(question, chosen, index)
    text, citations = compose(supported)
    ended = time.perf_counter()
    timings = {
        "sentences": (scored_at - began) * 1000.0,
        "verify": (ended - scored_at) * 1000.0,
        "total": (ended - began) * 1000.0,
    }
    return Answer(text or NOTHING_FOUND, _status(supported, policy), citations, tuple(hits), timings)


def _status(supported: Sequence[Supported], policy: Policy) -> GroundingStatus:
    best = max((sentence.probability for sentence in supported), default=0.0)
    if best >= policy.supported_from:
        return GroundingStatus.SUPPORTED
    return GroundingStatus.PARTIAL if best >= policy.partial_from else GroundingStatus.INSUFFICIENT_EVIDENCE
