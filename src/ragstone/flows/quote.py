"""Answer in the documents' own words: what is done without a language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ragstone.answer.extract import extract
from ragstone.domain import Answer, GroundingStatus, Question
from ragstone.flows.kit import Kit
from ragstone.retrieve.check import MAX_CHARACTERS
from ragstone.retrieve.find import find


async def quote(question: Question, kit: Kit) -> Answer:
    """Sentences of the documents, or the word that the evidence does not suffice.

    A question that goes on from an earlier one is searched by its own words first; only if they do not find enough,
    together with what was asked before. The answer names both searches then.

    Raises:
        InvalidQuestionError: The question cannot be searched.
        DatabaseError: The database went away.
    """
    alone = await _once(question, kit)
    whole = f"{question.earlier} {question.text}"
    if not question.earlier or _suffices(alone) or len(whole) > MAX_CHARACTERS:
        return alone
    together = await _once(replace(question, text=whole), kit)
    return replace(
        together if _suffices(together) else alone,
        queries=(question.text, whole),
        timings_ms=summed(alone.timings_ms, together.timings_ms),
    )


async def _once(question: Question, kit: Kit) -> Answer:
    results = await find(replace(question, history=()), kit.finding)
    answer = await extract(question, results.hits, kit.embedder, kit.index)
    return replace(answer, timings_ms=summed(results.timings_ms, answer.timings_ms))


def summed(first: Mapping[str, float], second: Mapping[str, float]) -> Mapping[str, float]:
    """What each hop took, both times together; the total comes last."""
    hops = {hop: first.get(hop, 0.0) + second.get(hop, 0.0) for hop in (*first, *second)}
    total = hops.pop("total", 0.0)
    return {**hops, "total": total}


def _suffices(answer: Answer) -> bool:
    return answer.status is not GroundingStatus.INSUFFICIENT_EVIDENCE
