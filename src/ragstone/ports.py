"""What the steps need of the outside; each has a real implementation and an in-memory twin in `fakes`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ragstone.domain import (
    Answer,
    ChatEvent,
    ChatRequest,
    Document,
    EmbeddingModel,
    Filter,
    IndexedChunk,
    Known,
    Lexical,
    Matrix,
    Passage,
    Remembered,
    Span,
    Store,
    Usage,
    Vector,
)


class Tokenizer(Protocol):
    """Counts the way the embedder reads."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without the special tokens around it and without any limit."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors of one model."""

    @property
    def model(self) -> EmbeddingModel:
        """What is stored beside the vectors."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts that will be found, shape (len(texts), dimension)."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of questions, shape (len(texts), dimension)."""
        ...


class ChatModel(Protocol):
    """Language models behind one door: which of them answers is not the caller's concern."""

    @property
    def identity(self) -> str:
        """Names everything that may answer; two answers of the same identity are of the same models.

        It may grow while models answer: what they say of themselves is put behind what was known before.
        """
        ...

    @property
    def context_tokens(self) -> int:
        """The largest window that can be asked for: prompt and answer together, as the models count."""
        ...

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost at most, in the currency of the prices."""
        ...

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """What the model says, piece by piece; the last event is an `Ended`. Closing it early cancels upstream.

        Raises:
            ModelUnavailableError: Nothing was said, and nobody is left to ask.
            ModelBrokeOffError: A member fell silent behind its first piece.
            PromptTooLongError: It fits into no member's window.
            PromptRefusedError: A server does not take the request as it is.
        """
        ...


class Reranker(Protocol):
    """Says how well texts answer a question."""

    @property
    def identity(self) -> str:
        """Of the model: two rankings of the same identity are comparable."""
        ...

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """The relevance of each text, 0 to 1, in the order of the texts.

        Raises:
            ModelUnavailableError: No member can be asked.
        """
        ...


class Classifier(Protocol):
    """Puts texts into categories."""

    async def classify(self, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """For each text the probability of each label, 0 to 1.

        Raises:
            ModelUnavailableError: No member can be asked.
        """
        ...


class AnswerCache(Protocol):
    """Answers that were given before, of one asker: nothing in it is from another tenant or for other readers."""

    async def find(self, key: bytes, stores: Sequence[Store], question: str, vector: Vector | None) -> Remembered:
        """The answer to this question, or with a vector to one that means the same, from these stores as they are now.

        `key` is the digest of everything else that decides the answer. The answer's provenance says which it was.
        """
        ...

    async def keep(
        self, key: bytes, versions: Sequence[tuple[int, int]], question: str, vector: Vector | None, answer: Answer
    ) -> None:
        """Let it be found from now on until it is too old, or one of the stores is not as it was before the search.

        `versions` is what `find` returned.
        """
        ...


class Meter(Protocol):
    """What one asker may spend."""

    async def reserve(self, estimate: Usage) -> object:
        """Count what is about to be spent at most; returns what `settle` takes.

        Raises:
            RateLimitedError: A limit of the key or the tenant would be passed; it says which and when there is more.
        """
        ...

    async def settle(self, reservation: object, spent: Usage) -> None:
        """Count what was spent instead."""
        ...


class Library(Protocol):
    """The documents of one tenant, from the writing side."""

    async def open_store(self, name: str, model: EmbeddingModel) -> Store:
        """The store of that name; it is made if there is none."""
        ...

    async def known(self, store: Store) -> Mapping[str, Known]:
        """What the store holds, by source."""
        ...

    async def put(self, store: Store, document: Document, chunks: AsyncIterator[Sequence[IndexedChunk]]) -> str:
        """Store a document, replacing its source's former version; returns the public file id.

        Readers see the former version until this returns, and the new one from then on.
        """
        ...

    async def remove(self, store: Store, sources: Iterable[str]) -> int:
        """Remove documents; returns how many there were."""
        ...

    async def tidy(self, store: Store) -> None:
        """Merge what single documents have added to the index; cheap when there is little to do."""
        ...


class Snapshot(Protocol):
    """One state of the index: all calls see the same documents."""

    async def lexical(self, terms: Sequence[str], condition: Filter | None) -> Lexical:
        """The postings of the terms, the size of the collection, and which chunks pass the filter."""
        ...

    async def dense(
        self, vector: Vector, limit: int, condition: Filter | None, others: Sequence[int] = ()
    ) -> Mapping[int, float]:
        """Inner products by chunk id: of the nearest `limit` chunks that pass the filter, and of the others.

        All are exact, although the nearest may be found through an approximate index. Of the others, those that do
        not exist are absent.
        """
        ...

    async def passages(self, chunk_ids: Sequence[int]) -> Mapping[int, Passage]:
        """Bodies by chunk id; chunks that do not exist are absent."""
        ...


class Index(Protocol):
    """The documents of one tenant, from the reading side."""

    async def store(self, name_or_id: str) -> Store:
        """The store of that name or public id.

        Raises:
            StoreNotFoundError: There is none in this tenant.
        """
        ...

    def snapshot(self, stores: Sequence[Store]) -> AbstractAsyncContextManager[Snapshot]:
        """A consistent view of these stores, which share one embedding model."""
        ...

    async def quotes(self, stores: Sequence[Store], spans: Sequence[Span]) -> Sequence[frozenset[str]]:
        """What the stored texts say at each span: a text for each of the stores that has the document.

        Most often these are equal; none: the document is gone.
        """
        ...


class Objects(Protocol):
    """Where the bytes of uploaded files lie, each under a key: the tenant's id, a slash, the file's public id.

    Keys consist of ASCII letters, digits, `-`, `_` and `.`, in segments between slashes.

    Every method raises:
        ObjectsUnavailableError: The place cannot be reached or refuses.
        DatabaseError: The same, where the place is the database.
    """

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Store what the pieces make together; it can be read from the moment this returns.

        A write that does not come to its end, because `pieces` raises or the task is cancelled, leaves nothing to be
        read. Holds a few pieces in memory, never the whole.
        """
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """`content[start:end]` piece by piece, each of some MiB at most; nothing is held open between two pieces.

        Raises:
            ObjectNotFoundError: There is nothing under this key, or it was removed while it was read.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove what lies under these keys; those that are unknown are no error."""
        ...

    def keys(self, prefix: str) -> AsyncIterator[str]:
        """All keys whose first segments are those of `prefix`, in any order: `7` finds `7/file-1`, not `70/file-1`.

        The empty prefix finds every key.
        """
        ...

    async def check(self) -> None:
        """Return soon if the place can be reached and written to."""
        ...
