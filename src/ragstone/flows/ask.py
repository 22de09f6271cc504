"""Ask: search the stores, then answer in the words of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ragstone.answer.extract import extract
from ragstone.domain import Answer, Question
from ragstone.ports import Embedder, Index
from ragstone.retrieve.search import search


async def ask(question: Question, index: Index, embedder: Embedder) -> Answer:
    """An answer whose every sentence is cited and checked, or the word that the evidence does not suffice.

    Raises:
        InvalidQuestionError: The question cannot be searched.
        DatabaseError: The database went away.
    """
    results = await search(question, index, embedder)
    answer = await extract(question, results.hits, embedder, index)
    return replace(answer, timings_ms=_both(results.timings_ms, answer.timings_ms))


def _both(search_hops: Mapping[str, float], answer_hops: Mapping[str, float]) -> Mapping[str, float]:
    return {**search_hops, **answer_hops, "total": search_hops["total"] + answer_hops["total"]}
