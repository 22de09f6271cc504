"""An answer to show in OpenAI's shapes, and the stock client at the other end of a wire without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import openai
from answer_samples import hit

from ragstone.api.shapes.asked import Asked, ChatAsked
from ragstone.api.shapes.ending import Ending
from ragstone.domain import Answer, CacheOutcome, Citation, Finish, GroundingStatus, Strategy, Usage

SENTENCES = ("Keys are rotated every ninety days.", "The old key works for\u2028another hour.")
TEXT = " ".join(SENTENCES)
SETTINGS: dict[str, object] = {
    "model": "ragstone",
    "input": "How often is a key rotated?",
    "include": ["file_search_call.results"],
    "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3}],
    "instructions": "Be brief.",
    "metadata": {"team": "security"},
    "previous_response_id": "resp_0",
    "temperature": None,
}


def citation(quote: str, answer_index: int, file_id: str = "file-1") -> Citation:
    return Citation(
        file_id=file_id,
        filename="handbook.md",
        chunk_id=7,
        page=3,
        heading=("Security", "Keys"),
        quote=quote,
        start_index=100,
        end_index=100 + len(quote),
        answer_index=answer_index,
        score=0.9,
        verified=True,
    )


# The second sentence rests on two documents.
CITATIONS = (
    citation(SENTENCES[0], len(SENTENCES[0])),
    citation(SENTENCES[1], len(TEXT)),
    citation(SENTENCES[1], len(TEXT), "file-2"),
)
ANSWER = Answer(
    TEXT, GroundingStatus.SUPPORTED, CITATIONS, (hit(SENTENCES[0]), hit(SENTENCES[1])), {"search": 2.00049, "total": 3}
)
NOTHING = Answer("Nothing is known of it.", GroundingStatus.INSUFFICIENT_EVIDENCE, (), (), {"total": 1.0})
SILENCE = Answer("", GroundingStatus.PARTIAL, (), (), {"total": 1.0})
ENDING = Ending(1_790_000_003, ANSWER)


def having(answer: Answer = ANSWER, **provenance: Any) -> Answer:
    """An answer that came about in another way."""
    return replace(answer, provenance=replace(answer.provenance, **provenance))


# As a language model gives it: not all of it is in the documents, and it was paid for.
SPENT = Usage(100, 20, cached_tokens=60, reasoning_tokens=5, cost=0.25, calls=2)
SPOKEN = having(
    replace(ANSWER, status=GroundingStatus.PARTIAL, unsupported=((0, len(SENTENCES[0])),)),
    model="big",
    strategy=Strategy.DIRECT,
    prompt="direct@1:0123456789ab",
    usage=SPENT,
    cache=CacheOutcome.MISS,
)
CUT = having(SPOKEN, finish=Finish.LENGTH)


def asked(**settings: object) -> Asked:
    body = {**SETTINGS, **settings}
    return Asked("resp_1a", 1_790_000_000, "ragstone-extractive", "How often is a key rotated?", body)


CHAT = ChatAsked("chatcmpl-1a", 1_790_000_000, "ragstone/handbook", include_usage=True)


def link(cited: Citation) -> str:
    return f"https://rag.example/console/{cited.file_id}?start={cited.start_index}"


def client(answer: Callable[[httpx2.Request], httpx2.Response]) -> openai.OpenAI:
    """The stock client, whose requests are answered by a function."""
    transport = httpx2.MockTransport(answer)
    connected = httpx2.Client(transport=transport)
    return openai.OpenAI(base_url="http://ragstone/v1", api_key="unused", max_retries=0, http_client=connected)


def streaming(lines: Iterable[bytes]) -> openai.OpenAI:
    """The stock client of a server that answers with these events."""
    body = b"".join(lines)
    return client(lambda _: httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"}))


def answering(body: Mapping[str, object]) -> openai.OpenAI:
    """The stock client of a server that answers with this object."""
    return client(lambda _: httpx2.Response(200, json=json.loads(json.dumps(body))))


def without_nulls(value: object) -> object:
    """What remains of an object when nulls are as good as nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value
