"""BM25 over whole posting lists, without a loop over chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ragstone.domain import Lexical, Postings

K1 = 1.2  # how soon a further occurrence of a term stops counting
B = 0.75  # how much a long chunk is held against its occurrences

# Chunk ids that lie this close together are summed by address; the others are sorted first.
_ADDRESSES_PER_POSTING = 16


@dataclass(frozen=True, slots=True)
class Ranking:
    """Chunks with their score: two parallel arrays, ascending by chunk."""

    chunk_ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    bound: float = 0.0  # no chunk can score higher: all terms that occur at all, each as often as one likes

    def best(self, count: int) -> npt.NDArray[np.int64]:
        """The ids of the `count` best chunks, best first; equal scores in the order of their ids."""
        scores, ids = self.scores, self.chunk_ids
        if len(scores) > count:
            near = scores >= np.partition(scores, -count)[-count]
            scores, ids = scores[near], ids[near]
        return ids[np.argsort(-scores, kind="stable")[:count]]

    def of(self, chunk_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The scores of these chunks; a chunk without any term of the question has 0."""
        if not len(self.chunk_ids):
            return np.zeros(len(chunk_ids))
        places = np.minimum(np.searchsorted(self.chunk_ids, chunk_ids), len(self.chunk_ids) - 1)
        return np.where(self.chunk_ids[places] == chunk_ids, self.scores[places], 0.0)

    def shares_of(self, chunk_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The scores of these chunks as shares of the bound, from 0 to 1.

        Terms that occur nowhere do not count: a question in another language than the documents is
        judged by the names and numbers that both have.
        """
        return self.of(chunk_ids) / self.bound if self.bound else np.zeros(len(chunk_ids))


def rank(lexical: Lexical, counts: Mapping[str, int]) -> Ranking:
    """Score every chunk that contains a term of the question and passes its filter.

    `counts` says how often the question has each term. The statistics are those of all searched
    chunks, so that a filter does not change what a term is worth. The formula is Lucene's
    (BM25Similarity, without the constant factor k1 + 1):
    sum over terms of count * idf * tf / (tf + k1 * (1 - b + b * length / average length)).
    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
    """
    if not lexical.postings:
        return Ranking(np.empty(0, np.int64), np.empty(0))
    average = lexical.total_length / max(lexical.chunk_count, 1)
    lists = lexical.postings.values()
    weights = [
        counts[term] * idf(len(found.chunk_ids), lexical.chunk_count) for term, found in lexical.postings.items()
    ]
    parts = [_contributions(found, weight, average) for found, weight in zip(lists, weights, strict=True)]
    ids = np.concatenate([found.chunk_ids for found in lists])
    ids, scores = _summed(ids, np.concatenate(parts))
    if lexical.rankable is not None:
        passing = np.isin(ids, lexical.rankable, assume_unique=True)
        ids, scores = ids[passing], scores[passing]
    return Ranking(ids, scores, sum(weights))


def idf(frequency: int, chunk_count: int) -> float:
    """What a term is worth that occurs in `frequency` of `chunk_count` chunks; never negative (Lucene)."""
    return float(np.log1p((chunk_count - frequency + 0.5) / (frequency + 0.5)))


def _contributions(found: Postings, weight: float, average: float) -> npt.NDArray[np.float64]:
    saturation: npt.NDArray[np.float64] = found.lengths * np.float64(K1 * B / average)
    saturation += K1 * (1.0 - B)
    saturation += found.frequencies
    np.divide(found.frequencies, saturation, out=saturation)
    saturation *= weight
    return saturation


def _summed(
    ids: npt.NDArray[np.int64], contributions: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Each chunk once, ascending, with its score: by address where the ids lie close together, else by sorting."""
    if not len(ids):
        return ids, contributions
    first, last = int(np.min(ids)), int(np.max(ids))
    if last - first < _ADDRESSES_PER_POSTING * len(ids):
        sums = np.bincount(ids - first, weights=contributions).astype(np.float64, copy=False)
        places = np.flatnonzero(sums)
        return places + first, sums[places]
    order = np.argsort(ids, kind="stable")  # the lists are sorted already, so this merges them
    ids, contributions = ids[order], contributions[order]
    starts = np.flatnonzero(np.diff(ids, prepend=first - 1))
    return ids[starts], np.add.reduceat(contributions, starts)
