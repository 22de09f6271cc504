"""Ask: search the stores, then answer in the words of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ragstone.answer.extract import extract
from ragstone.domain import Answer, GroundingStatus, Question
from ragstone.ports import Embedder, Index
from ragstone.retrieve.check import MAX_CHARACTERS
from ragstone.retrieve.search import search


async def ask(question: Question, index: Index, embedder: Embedder) -> Answer:
    """An answer whose every sentence is cited and checked, or the word that the evidence does not suffice.

    A question that goes on from an earlier one is searched by its own words first; only if they do not find enough,
    together with what was asked before. The answer names both searches then.

    Raises:
        InvalidQuestionError: The question cannot be searched.
        DatabaseError: The database went away.
    """
    alone = await _ask_once(question, index, embedder)
    whole = f"{question.earlier} {question.text}"
    if not question.earlier or _suffices(alone) or len(whole) > MAX_CHARACTERS:
        return alone
    together = await _ask_once(replace(question, text=whole), index, embedder)
    return replace(
        together if _suffices(together) else alone,
        queries=(question.text, whole),
        timings_ms=_sum(alone.timings_ms, together.timings_ms),
    )


async def _ask_once(question: Question, index: Index, embedder: Embedder) -> Answer:
    results = await search(question, index, embedder)
    answer = await extract(question, results.hits, embedder, index)
    return replace(answer, timings_ms=_sum(results.timings_ms, answer.timings_ms))


def _suffices(answer: Answer) -> bool:
    return answer.status is not GroundingStatus.INSUFFICIENT_EVIDENCE


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> Mapping[str, float]:
    """What each hop took, both times together; the total comes last."""
    hops = {hop: first.get(hop, 0.0) + second.get(hop, 0.0) for hop in (*first, *second)}
    total = hops.pop("total")
    return {**hops, "total": total}
