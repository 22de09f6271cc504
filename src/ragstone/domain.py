"""The nouns of the house: plain frozen records that flow from a file to a cited answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

AttributeValue: TypeAlias = str | float | bool
Attributes: TypeAlias = Mapping[str, AttributeValue]
Vector: TypeAlias = npt.NDArray[np.float32]  # shape (dimension,), unit length
Matrix: TypeAlias = npt.NDArray[np.float32]  # shape (n, dimension), rows of unit length


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the installation: its rows are kept apart from all others by the database."""

    id: int
    name: str  # unique in the installation
    shard: int  # partition of its contents: 0 to 15 are shared, a higher one is its own
    database: str | None = None  # name of its own database in the settings; None: the installation's


class Scope(StrEnum):
    """What a key or a token may be used for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"  # keys, users and the audit log of the tenant; without a user also every document
    IMPERSONATE = "impersonate"  # may name the user it acts for
    OPERATOR = "operator"  # tenants of the installation


class Priority(IntEnum):
    """Who goes first when there is more to do than can be done at once."""

    INTERACTIVE = 0
    BATCH = 1
    EVALUATION = 2


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf something is done, and so what can be seen of the documents."""

    tenant: Tenant
    actor: str  # user:alice, service, admin, worker or command line; the audit log names it
    readers: tuple[str, ...] = ()  # principals, such as user:alice and group:hr; a document names its readers so
    reads_all: bool = False  # every document of the tenant, whoever its readers are
    scopes: frozenset[Scope] = frozenset()
    key_id: str | None = None  # key_..., if a key was shown
    priority: Priority = Priority.INTERACTIVE  # the best class that may be claimed
    request: str = ""  # id of the HTTP request, for the audit log


class BlockKind(StrEnum):
    """What a stretch of a document is to its reader."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a document's stored text: `text[start:end]`."""

    kind: BlockKind
    start: int  # offset of the first character in the stored text
    end: int  # offset behind the last character
    heading: tuple[str, ...] = ()  # titles above this block, outermost first; a heading's own title comes last
    page: int | None = None  # counted from 1; a slide or a sheet counts as a page
    header: str = ""  # of a table: its header row as it stands in the text, repeated as context when rows split


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of one file: one text, and the blocks that cover it in order without overlap."""

    text: str  # what is stored, searched and quoted; never contains NUL
    blocks: tuple[Block, ...]
    media_type: str  # such as application/pdf
    title: str = ""  # from the document's metadata or its first heading; may be empty
    warnings: tuple[str, ...] = ()  # what was left out, in the reader's words, such as "page 3 has no text: try OCR"


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a chunk goes on under another heading or on another page."""

    start: int  # offset in the stored text from which on this holds
    heading: tuple[str, ...]
    page: int | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document that is found as a whole: `text == reading.text[start:end]`."""

    ordinal: int  # position in the document, from 0
    start: int
    end: int
    text: str
    heading: tuple[str, ...] = ()  # at its start
    page: int | None = None  # at its start
    context: str = ""  # title, heading path and table header: embedded and searched with the text, never quoted
    turns: tuple[Turn, ...] = ()  # further places inside it, ascending

    @property
    def searchable(self) -> str:
        """The text as the embedder and the lexical index see it."""
        return f"{self.context}\n{self.text}" if self.context else self.text


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


@dataclass(frozen=True, slots=True)
class Known:
    """What a store knows of a source: enough to tell whether a file has changed."""

    content_hash: bytes  # SHA-256 of the file's bytes
    pipeline: str  # version of reader, splitter and analyzer that made its chunks
    attributes: Attributes = field(default_factory=dict)
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A version of a source that is about to be stored."""

    source: str  # identity inside the store: an absolute path or a URL
    filename: str
    content_hash: bytes
    pipeline: str
    size: int  # bytes of the file
    reading: Reading
    attributes: Attributes = field(default_factory=dict)
    readers: tuple[str, ...] = ()  # principals, ascending; none: everybody in the tenant


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are cut into chunks."""

    max_tokens: int  # of a chunk with its context, as the embedder counts
    overlap_tokens: int = 0  # of a chunk's end that the next one repeats; at most half of max_tokens

    def within(self, limit: int) -> Chunking:
        """The same for a model that reads `limit` tokens at once, with as large a share that overlaps.

        Whoever asks for more gets this: what a model does not read of a chunk is not found by its meaning.
        """
        if self.max_tokens <= limit:
            return self
        return Chunking(limit, self.overlap_tokens * limit // self.max_tokens)


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
class Scores:
    """One score a stage."""

    dense: float  # cosine similarity
    lexical: float  # BM25
    fused: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage in its place of the ranking."""

    passage: Passage
    scores: Scores


class Comparison(StrEnum):
    """How a filter compares an attribute with its value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"


@dataclass(frozen=True, slots=True)
class Condition:
    """`key comparison value`, such as `year gte 2023`; a missing attribute satisfies only `ne` and `nin`."""

    comparison: Comparison
    key: str
    value: AttributeValue | tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """All (`and`) or any (`or`) of several filters."""

    every: bool
    filters: tuple[Filter, ...]


Filter: TypeAlias = Condition | Compound


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much each half of the hybrid search counts; they are normalised to a sum of 1."""

    dense: float
    lexical: float


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which stores."""

    text: str
    stores: tuple[Store, ...]
    top_k: int = 10
    filter: Filter | None = None
    fusion: Fusion | None = None  # None: the calibrated default
    score_threshold: float = 0.0  # hits with a lower fused score are left out
    earlier: str = ""  # what was asked before it: the two are searched together if it finds too little alone


@dataclass(frozen=True, slots=True)
class Results:
    """The hits for a question, best first, and what each hop took."""

    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]


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


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it rests on."""

    text: str
    status: GroundingStatus
    citations: tuple[Citation, ...]
    nearest: tuple[Hit, ...]  # the passages it was looked for in, best first
    timings_ms: Mapping[str, float]
    queries: tuple[str, ...] = ()  # what was searched for, in this order; none: the question alone
