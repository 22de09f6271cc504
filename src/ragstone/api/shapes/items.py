"""The items of a response's output."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone import wire
from ragstone.api.shapes.asked import Asked
from ragstone.api.shapes.citations import file_citation
from ragstone.domain import Citation, Hit


def search_call(asked: Asked, status: str, queries: Sequence[str], hits: Sequence[Hit] | None) -> dict[str, object]:
    """That the stores are or were searched, with the hits once they are there, if the request includes them."""
    shown = hits if asked.wants_results else None
    return {
        "id": asked.search_id,
        "type": "file_search_call",
        "status": status,
        "queries": list(queries),
        "results": None if shown is None else [wire.hit(hit) for hit in shown],
    }


def message(asked: Asked, status: str, content: Sequence[dict[str, object]]) -> dict[str, object]:
    """What is said."""
    return {
        "id": asked.message_id,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": list(content),
    }


def output_text(text: str, citations: Sequence[Citation]) -> dict[str, object]:
    """The words of a message with what they rest on."""
    annotations = [file_citation(cited) for cited in citations]
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
