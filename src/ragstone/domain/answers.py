"""What is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from ragstone.domain.chats import Finish, Usage
from ragstone.domain.index import Hit
from ragstone.domain.questions import Strategy

EXTRACTIVE = "ragstone-extractive"  # what answers without a language model


class GroundingStatus(StrEnum):
    """How well the documents support the answer."""

    SUPPORTED = "supported"
    PARTIAL = "partial"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"


@dataclass(frozen=True, slots=True)
class Citation:
    """The words of a document behind a stretch of the answer."""

    file_id: str
    filename: str
    chunk_id: int
    page: int | None
    heading: tuple[str, ...]
    quote: str  # verbatim
    start_index: int  # of the quote in the document's stored text
    end_index: int
    answer_index: int  # offset in the answer behind the sentence that it supports
    score: float  # 0 to 1
    verified: bool  # the stored text at this place was read again and equals the quote


class CacheOutcome(StrEnum):
    """Whether an answer was there already."""

    HIT = "hit"  # the same question was answered before
    SEMANTIC_HIT = "semantic_hit"  # one that means the same was
    MISS = "miss"
    BYPASS = "bypass"  # it was not looked for


@dataclass(frozen=True, slots=True)
class Provenance:
    """How an answer came about."""

    model: str = EXTRACTIVE  # the pool's member that wrote it
    strategy: Strategy | None = None  # None: no language model was asked
    prompt: str = ""  # name, version and hash of the template, such as direct@1:3f2a90c1d2e4
    usage: Usage = field(default_factory=Usage)
    finish: Finish = Finish.STOP
    degraded: str = ""  # why a fallback answered, or why the answer stops; empty: neither
    cache: CacheOutcome = CacheOutcome.BYPASS


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it rests on."""

    text: str
    status: GroundingStatus
    citations: tuple[Citation, ...]
    nearest: tuple[Hit, ...]  # the passages it was looked for in, best first
    timings_ms: Mapping[str, float]
    queries: tuple[str, ...] = ()  # what was searched for, in this order; none: the question alone
    unsupported: tuple[tuple[int, int], ...] = ()  # stretches of the text that no passage supports
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a cache knows of a question."""

    answer: Answer | None  # None: it was not answered before, or not from what the stores hold now
    versions: tuple[tuple[int, int], ...]  # id and version of each store at this moment


@dataclass(frozen=True, slots=True)
class Searching:
    """The stores are being searched."""

    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The search is over."""

    hits: tuple[Hit, ...]
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wrote:
    """The answer goes on with these words."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """What was written last rests on this."""

    citation: Citation


# An answer while it is made: Searching, Found (a strategy may search again), then Wrote and Cited as often as need be.
# The last one is the Answer; its text is all that was written, and its citations all that was cited, in that order.
AnswerEvent: TypeAlias = Searching | Found | Wrote | Cited | Answer
