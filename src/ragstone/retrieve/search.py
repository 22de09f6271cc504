"""The search: one question, one snapshot, both halves of the hybrid, one ranking."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ragstone.domain import Hit, Passage, Question, Results, Scores
from ragstone.ports import Embedder, Index, Snapshot
from ragstone.retrieve import bm25, fuse
from ragstone.retrieve.check import check
from ragstone.retrieve.clock import Clock
from ragstone.retrieve.phrases import phrases, shares
from ragstone.text import analyzer

DEPTH = 50  # candidates of each half; docs/decisions/0003-hybrid-fusion.md

_LONG = 50_000  # postings: more take longer to rank than others should wait, milliseconds


async def search(question: Question, index: Index, embedder: Embedder) -> Results:
    """The passages that answer the question best, from one state of its stores.

    Raises:
        InvalidQuestionError: The question, its filter or its weights do not fit, or its stores have
            another embedding model than `embedder`.
    """
    check(question, embedder.model)
    clock = Clock()
    limit = max(DEPTH, question.top_k)
    async with index.snapshot(question.stores) as snapshot:
        # The words are looked up and scored while the model reads the question on another core.
        embedding = asyncio.ensure_future(embedder.embed_queries([question.text]))
        try:
            words = await _words(question, snapshot)
            clock.lap("words")
            (vector,) = await embedding
        finally:
            embedding.cancel()
        clock.lap("embed")
        dense = await snapshot.dense(vector, limit, question.filter, words.best(limit).tolist())
        clock.lap("dense")
        candidates = _Candidates(question, np.array(sorted(dense), np.int64), dense, words)
        passages = await snapshot.passages(candidates.contenders())
        clock.lap("passages")
    hits = candidates.hits(passages)
    clock.lap("fuse")
    return Results(hits, clock.laps())


async def _words(question: Question, snapshot: Snapshot) -> bm25.Ranking:
    """The ranking by words alone."""
    counts = _term_counts(question)
    lexical = await snapshot.lexical(list(counts), question.filter)
    if sum(len(found.chunk_ids) for found in lexical.postings.values()) > _LONG:
        return await asyncio.to_thread(bm25.rank, lexical, counts)
    return bm25.rank(lexical, counts)


class _Candidates:
    """The best of both halves, with all that can be said of them without their texts."""

    def __init__(
        self, question: Question, ids: npt.NDArray[np.int64], dense: Mapping[int, float], lexical: bm25.Ranking
    ) -> None:
        self._question = question
        self._ids = ids
        self._dense = np.array([dense[chunk_id] for chunk_id in ids.tolist()], np.float64)
        self._lexical, self._words = lexical.of(ids), lexical.shares_of(ids)
        self._weights = question.fusion or fuse.weights_for(question)

    def contenders(self) -> list[int]:
        """The chunks that can be among the hits, whatever phrases their texts have."""
        near = fuse.contenders(self._fused(np.zeros(len(self._ids))), self._question.top_k, self._weights)
        chunk_ids: list[int] = self._ids[near].tolist()
        return chunk_ids

    def hits(self, passages: Mapping[int, Passage]) -> tuple[Hit, ...]:
        """The best passages, ordered by fused score and then by chunk id."""
        places = [place for place, chunk_id in enumerate(self._ids.tolist()) if chunk_id in passages]
        found = [passages[chunk_id] for chunk_id in self._ids[places].tolist()]
        wording = np.zeros(len(self._ids))
        wording[places] = shares(phrases(self._question.text, _languages(self._question)), [p.text for p in found])
        fused = self._fused(wording)
        best = np.argsort(-fused[places], kind="stable")[: self._question.top_k]
        return tuple(
            Hit(found[rank], Scores(float(self._dense[place]), float(self._lexical[place]), float(fused[place])))
            for rank, place in ((rank, places[rank]) for rank in best)
            if fused[place] >= self._question.score_threshold
        )

    def _fused(self, wording: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return fuse.convex(self._dense, self._words, wording, self._weights)


def _term_counts(question: Question) -> Mapping[str, int]:
    """The question's terms under every language of its stores."""
    counts: Counter[str] = Counter()
    for language in _languages(question):
        counts |= Counter(analyzer.term_counts(question.text, language))
    return counts


def _languages(question: Question) -> list[str]:
    return sorted({store.language for store in question.stores})
