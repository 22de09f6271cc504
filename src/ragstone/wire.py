"""How hits and citations look outside the program, on the command line's JSON and over HTTP alike."""

from __future__ import annotations

from collections.abc import Mapping

from ragstone.domain import Citation, Hit, Passage, Scores


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
    """Every stage's score."""
    return {"dense": found.dense, "lexical": found.lexical, "fused": found.fused}


def hit(found: Hit) -> dict[str, object]:
    """A passage with its text and every score."""
    return {
        **place(found.passage),
        "text": found.passage.text,
        "attributes": dict(found.passage.attributes),
        "score": found.scores.fused,
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


def timings(found: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds of each hop, to the microsecond."""
    return {hop: round(milliseconds, 3) for hop, milliseconds in found.items()}


def chunk_id(number: int) -> str:
    """A chunk's id as it is shown."""
    return f"chunk_{number}"
