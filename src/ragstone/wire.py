"""How hits, citations and answers look outside the program, on the command line's JSON and over HTTP alike."""

from __future__ import annotations

from collections.abc import Mapping

from ragstone.domain import Answer, Citation, Hit, Passage, Scores


def place(passage: Passage) -> dict[str, object]:
    """Where a passage stands."""
    return {
        "file_id": passage.file_id,
        "filename": passage.filename,
        "chunk_id": chunk_id(passage.chunk_id),
        "page": passage.page,
        "heading": list(passage.heading),
        "start": passage.start,
        "end": passage.end,
    }


def scores(found: Scores) -> dict[str, float]:
    """Every stage's score; that of a reranker only where one was asked."""
    reranked = {} if found.rerank is None else {"rerank": found.rerank}
    return {"dense": found.dense, "lexical": found.lexical, "fused": found.fused, **reranked}


def score(found: Scores) -> float:
    """What the hits are ranked by, 0 to 1: the last stage's score."""
    return found.fused if found.rerank is None else found.rerank


def hit(found: Hit) -> dict[str, object]:
    """A passage with its text and every score."""
    return {
        **place(found.passage),
        "text": found.passage.text,
        "attributes": dict(found.passage.attributes),
        "score": score(found.scores),
        "scores": scores(found.scores),
    }


def citation(cited: Citation) -> dict[str, object]:
    """A citation with all that is needed to check it."""
    return {
        "file_id": cited.file_id,
        "filename": cited.filename,
        "chunk_id": chunk_id(cited.chunk_id),
        "page": cited.page,
        "heading": list(cited.heading),
        "quote": cited.quote,
        "start_index": cited.start_index,
        "end_index": cited.end_index,
        "score": cited.score,
        "verified": cited.verified,
    }


def grounding(answer: Answer) -> dict[str, object]:
    """How well the documents support the answer, and which of its stretches they do not."""
    told: dict[str, object] = {"status": answer.status.value}
    if answer.unsupported:
        told["unsupported"] = [{"start_index": start, "end_index": end} for start, end in answer.unsupported]
    return told


def account(answer: Answer) -> dict[str, object]:
    """How the answer came about: who wrote it, at which cost, and what stood in for what."""
    came = answer.provenance
    told: dict[str, object] = {
        "grounding": grounding(answer),
        "timings_ms": timings(answer.timings_ms),
        "answered_by": came.model,
        "cache": came.cache.value,
    }
    if came.strategy is not None:
        told["strategy"] = {"name": came.strategy.value, "calls": came.usage.calls}
    if came.prompt:
        told["prompt_template"] = came.prompt
    if came.usage.calls:
        told["cost"] = came.usage.cost
    if came.degraded:
        told |= {"degraded": True, "degraded_reason": came.degraded}
    return told


def timings(found: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds of each hop, to the microsecond."""
    return {hop: round(milliseconds, 3) for hop, milliseconds in found.items()}


def chunk_id(number: int) -> str:
    """A chunk's id as it is shown."""
    return f"chunk_{number}"
