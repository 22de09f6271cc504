"""What the steps need of the outside; each has a real implementation and an in-memory twin in `fakes`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ragstone.domain import (
    Candidates,
    Document,
    EmbeddingModel,
    Filter,
    IndexedChunk,
    Known,
    Matrix,
    Passage,
    Store,
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

    async def candidates(
        self, vector: Vector, terms: Sequence[str], limit: int, condition: Filter | None
    ) -> Candidates:
        """The nearest `limit` chunks by vector, and the postings of the terms."""
        ...

    async def passages(self, chunk_ids: Sequence[int], vector: Vector) -> Mapping[int, Passage]:
        """Bodies by chunk id, with the exact inner product; chunks that do not exist are absent."""
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

    async def quote(self, store: Store, file_id: str, start: int, end: int) -> str | None:
        """`text[start:end]` of a document's stored text; None when the document is gone."""
        ...
