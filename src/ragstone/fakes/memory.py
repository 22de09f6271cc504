"""A library and its index in memory: the behaviour of the database without one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import count

import numpy as np
import numpy.typing as npt

from ragstone.domain import (
    Document,
    EmbeddingModel,
    Filter,
    IndexedChunk,
    Known,
    Lexical,
    Matrix,
    Passage,
    Postings,
    Span,
    Store,
    Vector,
)
from ragstone.errors import StoreNotFoundError
from ragstone.fakes.filters import matches


@dataclass(frozen=True, slots=True)
class _Filed:
    """A version of a document as it lies in a store."""

    file_id: str
    document: Document
    chunks: Mapping[int, IndexedChunk]  # by chunk id, ascending


@dataclass(frozen=True)
class _Shelf:
    """One state of a store: never changed, only replaced, so whoever holds it has a snapshot."""

    filed: Mapping[str, _Filed]  # by source

    @cached_property
    def places(self) -> Mapping[int, tuple[_Filed, IndexedChunk]]:
        """Every chunk with its document, ascending by id."""
        pairs = ((key, (filed, chunk)) for filed in self.filed.values() for key, chunk in filed.chunks.items())
        return dict(sorted(pairs, key=lambda pair: pair[0]))

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        """Of all chunks, in the order of `places`."""
        return np.array(list(self.places), np.int64)

    @cached_property
    def vectors(self) -> Matrix:
        """One row a chunk, in the order of `places`."""
        return np.array([chunk.vector for _, chunk in self.places.values()], np.float32)

    @cached_property
    def postings(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Rows of chunk id, frequency and length by term, ascending by chunk."""
        postings = defaultdict[str, list[tuple[int, int, int]]](list)
        for chunk_id, (_, chunk) in self.places.items():
            length = sum(chunk.terms.values())
            for term, frequency in chunk.terms.items():
                postings[term].append((chunk_id, frequency, length))
        return {term: np.array(rows, np.int64) for term, rows in postings.items()}

    @cached_property
    def total_length(self) -> int:
        """Terms of all chunks."""
        return sum(sum(chunk.terms.values()) for _, chunk in self.places.values())


@dataclass(slots=True)
class _Room:
    """What one tenant has."""

    stores: dict[str, Store] = field(default_factory=dict)  # by name
    shelves: dict[int, _Shelf] = field(default_factory=dict)  # by store id
    changes: Counter[int] = field(default_factory=Counter)  # of what can be found, by store id


class Memory:
    """What libraries and indexes share, as they would share a database."""

    def __init__(self) -> None:
        self.rooms = defaultdict[str, _Room](_Room)
        self.ids = count(1)


class MemoryLibrary:
    """The documents of one tenant, from the writing side."""

    def __init__(self, memory: Memory, tenant: str = "default") -> None:
        self._ids = memory.ids
        self._room = memory.rooms[tenant]

    async def open_store(self, name: str, model: EmbeddingModel) -> Store:
        """The store of that name; it is made if there is none."""
        if name not in self._room.stores:
            number = next(self._ids)
            store = Store(number, f"vs_{number:08x}", name, model, "english", datetime.now(UTC))
            self._room.stores[name] = store
            self._room.shelves[number] = _Shelf({})
        return self._room.stores[name]

    async def known(self, store: Store) -> Mapping[str, Known]:
        """What the store holds, by source."""
        return {
            source: Known(filed.document.content_hash, filed.document.pipeline, filed.document.attributes)
            for source, filed in self._shelf(store).filed.items()
        }

    async def put(self, store: Store, document: Document, chunks: AsyncIterator[Sequence[IndexedChunk]]) -> str:
        """Store a document, replacing its source's former version; returns the public file id."""
        self._shelf(store)
        indexed = [chunk async for batch in chunks for chunk in batch]
        filed = _Filed(f"file_{next(self._ids):08x}", document, {next(self._ids): chunk for chunk in indexed})
        self._room.shelves[store.id] = _Shelf({**self._shelf(store).filed, document.source: filed})
        self._room.changes[store.id] += 1
        return filed.file_id

    async def remove(self, store: Store, sources: Iterable[str]) -> int:
        """Remove documents; returns how many there were."""
        gone = set(sources)
        before = self._shelf(store).filed
        after = {source: filed for source, filed in before.items() if source not in gone}
        self._room.shelves[store.id] = _Shelf(after)
        self._room.changes[store.id] += len(before) - len(after)
        return len(before) - len(after)

    async def tidy(self, store: Store) -> None:
        """Nothing to merge here."""

    def _shelf(self, store: Store) -> _Shelf:
        if store.id not in self._room.shelves:
            raise _no_store(store.name)
        return self._room.shelves[store.id]


class MemoryIndex:
    """The documents of one tenant, from the reading side."""

    def __init__(self, memory: Memory, tenant: str = "default") -> None:
        self._room = memory.rooms[tenant]

    async def store(self, name_or_id: str) -> Store:
        """The store of that name or public id.

        Raises:
            StoreNotFoundError: There is none in this tenant.
        """
        for store in self._room.stores.values():
            if name_or_id in (store.name, store.public_id):
                return store
        raise _no_store(name_or_id)

    @asynccontextmanager
    async def snapshot(self, stores: Sequence[Store]) -> AsyncIterator[MemorySnapshot]:
        """A consistent view of these stores; another tenant's are empty."""
        shelves = {store.id: self._room.shelves[store.id] for store in stores if store.id in self._room.shelves}
        yield MemorySnapshot(tuple(shelves.values()))

    async def quotes(self, stores: Sequence[Store], spans: Sequence[Span]) -> Sequence[frozenset[str]]:
        """What the stored texts say at each span: a text for each of the stores that has the document."""
        shelves = [self._room.shelves.get(store.id, _Shelf({})) for store in stores]
        filed = [one for shelf in shelves for one in shelf.filed.values()]
        return [
            frozenset(one.document.reading.text[span.start : span.end] for one in filed if one.file_id == span.file_id)
            for span in spans
        ]


class MemorySnapshot:
    """One state of some stores."""

    def __init__(self, shelves: Sequence[_Shelf]) -> None:
        self._shelves = shelves

    async def lexical(self, terms: Sequence[str], condition: Filter | None) -> Lexical:
        """The postings of the terms, the size of the collection, and which chunks pass the filter."""
        ids, passing = self._ids(), self._passing(condition)
        return Lexical(
            postings=self._postings(terms),
            chunk_count=len(ids),
            total_length=sum(shelf.total_length for shelf in self._shelves),
            rankable=None if condition is None else np.sort(ids[passing]),
        )

    async def dense(
        self, vector: Vector, limit: int, condition: Filter | None, others: Sequence[int] = ()
    ) -> Mapping[int, float]:
        """Inner products by chunk id: of the nearest `limit` chunks that pass the filter, and of the others."""
        scores = np.concatenate([shelf.vectors @ vector for shelf in self._shelves if shelf.places] or [np.empty(0)])
        ids, passing = self._ids(), np.flatnonzero(self._passing(condition))
        nearest = passing[np.lexsort((ids[passing], -scores[passing]))[:limit]]
        wanted = np.union1d(nearest, np.flatnonzero(np.isin(ids, np.array(others, np.int64))))
        return {int(ids[place]): float(scores[place]) for place in wanted}

    async def passages(self, chunk_ids: Sequence[int]) -> Mapping[int, Passage]:
        """Bodies by chunk id; chunks that do not exist are absent."""
        places = [(key, shelf.places[key]) for shelf in self._shelves for key in chunk_ids if key in shelf.places]
        return {key: _passage(key, filed, chunk) for key, (filed, chunk) in places}

    def _ids(self) -> npt.NDArray[np.int64]:
        return np.array([chunk_id for shelf in self._shelves for chunk_id in shelf.places], np.int64)

    def _passing(self, condition: Filter | None) -> npt.NDArray[np.bool_]:
        return np.array([matches(condition, attributes) for attributes in self._attributes()], bool)

    def _attributes(self) -> Iterable[Mapping[str, str | float | bool]]:
        return (filed.document.attributes for shelf in self._shelves for filed, _ in shelf.places.values())

    def _postings(self, terms: Sequence[str]) -> Mapping[str, Postings]:
        found: dict[str, Postings] = {}
        for term in terms:
            rows = [shelf.postings[term] for shelf in self._shelves if term in shelf.postings]
            if rows:
                together = np.concatenate(rows)
                found[term] = Postings(*together[np.argsort(together[:, 0], kind="stable")].T)
        return found


def _passage(chunk_id: int, filed: _Filed, indexed: IndexedChunk) -> Passage:
    chunk, document = indexed.chunk, filed.document
    return Passage(
        chunk_id=chunk_id,
        file_id=filed.file_id,
        filename=document.filename,
        source=document.source,
        attributes=document.attributes,
        page=chunk.page,
        heading=chunk.heading,
        turns=chunk.turns,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
    )


def _no_store(name: str) -> StoreNotFoundError:
    return StoreNotFoundError(f"There is no store {name}", remedy="Ingest a file into it, or choose one that exists")
