"""One ranking out of the hits of several queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragstone.domain import Hit


def merge(found: Sequence[Sequence[Hit]], weights: Sequence[float] | None = None) -> list[Hit]:
    """Each passage once, with the scores of the query that it answers best; ordered by what the hits are ranked by.

    That is a reranker's score where there is one, else the fused score, which counts its query's weight (None: all
    count alike). Adding up scores or ranks instead finds less (benchmarks/rewriting.py).
    """
    best: dict[int, Hit] = {}
    for hits, weight in zip(found, weights or [1.0] * len(found), strict=True):
        for hit in hits if weight == 1.0 else [_weighed(hit, weight) for hit in hits]:
            known = best.get(hit.passage.chunk_id)
            if known is None or _rank(hit) > _rank(known):
                best[hit.passage.chunk_id] = hit
    return sorted(best.values(), key=lambda hit: (-_rank(hit), hit.passage.chunk_id))


def evening(found: Sequence[Sequence[Hit]]) -> list[float]:
    """Weights by which the best hits of all queries count the same, as much as the weakest of them.

    What one query finds easily then does not crowd out what another one finds at all.
    """
    best = [max((hit.scores.fused for hit in hits), default=0.0) for hits in found]
    least = min((score for score in best if score > 0), default=0.0)
    return [least / score if score > 0 else 1.0 for score in best]


def _weighed(hit: Hit, weight: float) -> Hit:
    return replace(hit, scores=replace(hit.scores, fused=hit.scores.fused * weight))


def _rank(hit: Hit) -> float:
    scores = hit.scores
    return scores.fused if scores.rerank is None else scores.rerank
