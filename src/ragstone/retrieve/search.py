"""The search: one question, one snapshot, both halves of the hybrid, one ranking."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

import numpy as np

from ragstone.domain import Hit, Passage, Question, Results, Scores, Vector
from ragstone.ports import Embedder, Index
from ragstone.retrieve import bm25, fuse
from ragstone.retrieve.check import check
from ragstone.retrieve.phrases import phrases, shares
from ragstone.text import analyzer

DEPTH = 50  # candidates of each half; docs/decisions/0003-hybrid-fusion.md


async def search(question: Question, index: Index, embedder: Embedder) -> Results:
    """The passages that answer the question best, from one state of its stores.

    Raises:
        InvalidQuestionError: The question, its filter or its weights do not fit, or its stores have
            another embedding model than `embedder`.
    """
    check(question, embedder.model)
    clock = _Clock()
    vector: Vector = (await embedder.embed_queries([question.text]))[0]
    clock.lap("embed")
    counts = _term_counts(question)
    limit = max(DEPTH, question.top_k)
    async with index.snapshot(question.stores) as snapshot:
        candidates = await snapshot.candidates(vector, list(counts), limit, question.filter)
        clock.lap("candidates")
        lexical = bm25.rank(candidates, counts)
        chosen = np.union1d([chunk_id for chunk_id, _ in candidates.dense], lexical.best(limit)).astype(np.int64)
        clock.lap("score")
        passages = await snapshot.passages(chosen.tolist(), vector)
        clock.lap("passages")
    hits = _ranked(question, passages, lexical)
    clock.lap("fuse")
    return Results(hits, clock.laps())


def _ranked(question: Question, passages: Mapping[int, Passage], lexical: bm25.Ranking) -> tuple[Hit, ...]:
    """The best passages, ordered by fused score and then by chunk id."""
    found = [passages[chunk_id] for chunk_id in sorted(passages)]
    dense_scores = np.array([passage.dense for passage in found])
    ids = np.array([passage.chunk_id for passage in found], np.int64)
    lexical_scores = lexical.of(ids)
    wording = shares(phrases(question.text, _languages(question)), [passage.text for passage in found])
    fused = fuse.convex(dense_scores, lexical.shares_of(ids), wording, question.fusion or fuse.weights_for(question))
    best = np.argsort(-fused, kind="stable")[: question.top_k]
    return tuple(
        Hit(found[place], Scores(float(dense_scores[place]), float(lexical_scores[place]), float(fused[place])))
        for place in best
        if fused[place] >= question.score_threshold
    )


def _term_counts(question: Question) -> Mapping[str, int]:
    """The question's terms under every language of its stores."""
    counts: Counter[str] = Counter()
    for language in _languages(question):
        counts |= Counter(analyzer.term_counts(question.text, language))
    return counts


def _languages(question: Question) -> list[str]:
    return sorted({store.language for store in question.stores})


class _Clock:
    """Milliseconds from hop to hop."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = (now - self._last) * 1000.0
        self._last = now

    def laps(self) -> Mapping[str, float]:
        return {**self._laps, "total": (self._last - self._start) * 1000.0}
