"""Degrade: where no model answers, or none says anything to the end, the documents do in their own words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from ragstone.answer.extract import extract
from ragstone.answer.task import Task
from ragstone.answer.tell import tell
from ragstone.domain import Answer, AnswerEvent, Cited, GroundingStatus, Wrote
from ragstone.errors import RagstoneError

_GAP = "\n\n"  # between what a model began and what the documents say


async def stand_in(task: Task, error: RagstoneError) -> Answer:
    """What the documents say, with the reason why no model does."""
    answer = await _quoted(task)
    provenance = replace(answer.provenance, degraded=str(error))
    return replace(answer, provenance=provenance)


async def complete(task: Task, answer: Answer) -> AsyncGenerator[AnswerEvent, None]:
    """The end of an answer that a model has written; if it broke off with nothing that holds, the documents go on.

    What was written is on the reader's screen, so it stays, marked as unsupported.
    """
    if not answer.provenance.degraded or answer.citations:
        yield answer
        return
    quoted = await _quoted(task)
    if not quoted.citations:
        yield answer
        return
    yield Wrote(_GAP)
    begins = len(answer.text) + len(_GAP)
    citations = [replace(cited, answer_index=cited.answer_index + begins) for cited in quoted.citations]
    moved = iter(citations)
    for event in tell(quoted, begin=None):
        if isinstance(event, Wrote):
            yield event
        elif isinstance(event, Cited):
            yield Cited(next(moved))
    yield replace(
        answer,
        text=f"{answer.text}{_GAP}{quoted.text}",
        citations=tuple(citations),
        status=GroundingStatus.PARTIAL,
    )


async def _quoted(task: Task) -> Answer:
    return await extract(task.question, task.results.hits, task.embedder, task.index)
