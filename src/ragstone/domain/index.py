"""What is searched, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ragstone.domain.documents import Attributes, Chunk, Turn

Vector: TypeAlias = npt.NDArray[np.float32]  # shape (dimension,), unit length
Matrix: TypeAlias = npt.NDArray[np.float32]  # shape (n, dimension), rows of unit length


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk with what the index keeps of it."""

    chunk: Chunk
    vector: Vector
    terms: Mapping[str, int]  # how often each term occurs in the searchable text


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What has to be known of a model before its vectors can be stored or asked."""

    name: str  # unique in the database, such as all-MiniLM-L6-v2-int8
    dimension: int
    max_tokens: int  # longer passages are cut by the model
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """A named collection of documents, searched with one embedding model."""

    id: int  # inside the database
    public_id: str  # vs_..., what the interface shows
    name: str  # unique inside the tenant
    model: EmbeddingModel
    language: str  # of the stemmer for Latin script, a Snowball name such as english
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)  # of its owner; some keys steer answers


@dataclass(frozen=True, slots=True)
class Postings:
    """Occurrences of one term: three parallel arrays, ascending by chunk."""

    chunk_ids: npt.NDArray[np.int64]
    frequencies: npt.NDArray[np.int64]  # of the term in the chunk
    lengths: npt.NDArray[np.int64]  # terms in the chunk


@dataclass(frozen=True, slots=True)
class Lexical:
    """What one snapshot of the index knows of a question's terms: all that BM25 needs."""

    postings: Mapping[str, Postings]  # by term of the question; terms that do not occur are absent
    chunk_count: int  # chunks of the searched stores
    total_length: int  # terms of all of them
    rankable: npt.NDArray[np.int64] | None = None  # ids that pass the filter, ascending; None: no filter


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as it is found, with the document that it comes from."""

    chunk_id: int
    file_id: str
    filename: str
    source: str
    attributes: Attributes
    page: int | None  # at its start
    heading: tuple[str, ...]  # at its start
    turns: tuple[Turn, ...]  # further places inside it, ascending
    text: str
    start: int
    end: int

    def place_at(self, offset: int) -> tuple[tuple[str, ...], int | None]:
        """Heading path and page of this offset in the stored text."""
        passed = [turn for turn in self.turns if turn.start <= offset]
        return (passed[-1].heading, passed[-1].page) if passed else (self.heading, self.page)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document's stored text: `text[start:end]`."""

    file_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scores:
    """One score a stage."""

    dense: float  # cosine similarity
    lexical: float  # BM25
    fused: float  # 0 to 1
    rerank: float | None = None  # relevance as a reranker sees it, 0 to 1; None: none was asked


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage in its place of the ranking."""

    passage: Passage
    scores: Scores
