from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.domain import Lexical, Postings
from ragstone.retrieve import bm25

WORDS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=8)


def _lexical(chunks: dict[int, list[str]], terms: set[str], rankable: list[int] | None = None) -> Lexical:
    counts = {chunk_id: Counter(words) for chunk_id, words in sorted(chunks.items())}
    postings = {}
    for term in sorted(terms):
        rows = [(key, found[term], found.total()) for key, found in counts.items() if term in found]
        if rows:
            postings[term] = Postings(*np.array(rows, np.int64).T)
    return Lexical(
        postings=postings,
        chunk_count=len(chunks),
        total_length=sum(len(words) for words in chunks.values()),
        rankable=None if rankable is None else np.array(rankable, np.int64),
    )


def _textbook(chunks: dict[int, list[str]], question: Counter[str]) -> dict[int, float]:
    """The formula chunk by chunk, as it stands in the paper, with Lucene's idf."""
    average = sum(map(len, chunks.values())) / len(chunks)
    scores = {}
    for chunk_id, words in chunks.items():
        score = 0.0
        for term, count in question.items():
            frequency = words.count(term)
            holders = sum(term in other for other in chunks.values())
            worth = math.log(1 + (len(chunks) - holders + 0.5) / (holders + 0.5))
            norm = bm25.K1 * (1 - bm25.B + bm25.B * len(words) / average)
            score += count * worth * frequency / (frequency + norm)
        if score:
            scores[chunk_id] = score
    return scores


@given(
    chunks=st.dictionaries(st.integers(1, 50) | st.integers(10**9, 10**12), WORDS, min_size=1, max_size=12),
    question=WORDS,
)
def test_the_vectorised_scores_are_those_of_the_textbook(chunks: dict[int, list[str]], question: list[str]) -> None:
    counts = Counter(question)
    ranking = bm25.rank(_lexical(chunks, set(counts)), counts)
    expected = _textbook(chunks, counts)
    assert ranking.chunk_ids.tolist() == sorted(expected)
    assert ranking.scores == pytest.approx([expected[key] for key in sorted(expected)])


def test_a_question_without_known_terms_ranks_nothing() -> None:
    ranking = bm25.rank(_lexical({1: ["a"]}, {"z"}), {"z": 1})
    assert ranking.best(10).tolist() == []
    assert ranking.of(np.array([1, 2])).tolist() == [0.0, 0.0]


def test_a_filter_takes_chunks_away_but_changes_no_score() -> None:
    chunks = {1: ["a", "b"], 2: ["a"], 3: ["a", "c"]}
    everything = bm25.rank(_lexical(chunks, {"a"}), {"a": 1})
    filtered = bm25.rank(_lexical(chunks, {"a"}, rankable=[1, 3]), {"a": 1})
    assert filtered.chunk_ids.tolist() == [1, 3]
    assert filtered.of(np.array([1, 3])) == pytest.approx(everything.of(np.array([1, 3])))


def test_the_best_are_ordered_by_score_and_then_by_id() -> None:
    ranking = bm25.Ranking(np.array([2, 3, 5, 8, 9]), np.array([1.0, 2.0, 1.0, 3.0, 1.0]))
    assert ranking.best(3).tolist() == [8, 3, 2]
    assert ranking.best(4).tolist() == [8, 3, 2, 5]
    assert ranking.best(99).tolist() == [8, 3, 2, 5, 9]


def test_scores_are_looked_up_by_id_and_are_zero_elsewhere() -> None:
    ranking = bm25.Ranking(np.array([2, 5]), np.array([1.5, 2.5]))
    assert ranking.of(np.array([1, 2, 3, 5, 9])).tolist() == [0.0, 1.5, 0.0, 2.5, 0.0]


def test_the_rarer_term_is_worth_more_and_none_is_worth_less_than_nothing() -> None:
    worths = [bm25.idf(frequency, 100) for frequency in (1, 10, 50, 99, 100)]
    assert worths == sorted(worths, reverse=True)
    assert worths[-1] > 0
