"""Small documents with vectors that are easy to reason about."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ragstone.domain import (
    Attributes,
    Block,
    BlockKind,
    Chunk,
    Document,
    EmbeddingModel,
    Filter,
    IndexedChunk,
    Lexical,
    Passage,
    Reading,
    Store,
    Turn,
    Vector,
)
from ragstone.ports import Index, Library, Snapshot

MODEL = EmbeddingModel(name="contract", dimension=384, max_tokens=256)


@dataclass(frozen=True)
class LibraryAndIndex:
    """Both sides of one fresh tenant."""

    library: Library
    index: Index


@dataclass(frozen=True)
class Piece:
    """A chunk to be: its words, and the angle in degrees between its vector and the question's."""

    text: str
    angle: float = 90.0


def direction(angle: float) -> Vector:
    """A unit vector at this angle to `direction(0)`."""
    vector = np.zeros(MODEL.dimension, np.float32)
    vector[0], vector[1] = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return vector


QUESTION = direction(0)


def document(source: str, pieces: Sequence[Piece], attributes: Attributes | None = None) -> Document:
    text = "\n".join(piece.text for piece in pieces)
    return Document(
        source=source,
        filename=source.rsplit("/", 1)[-1],
        content_hash=sha256(text.encode()).digest(),
        pipeline="contract-1",
        size=len(text.encode()),
        reading=Reading(text, (Block(BlockKind.PARAGRAPH, 0, len(text)),), "text/plain"),
        attributes=attributes or {},
    )


def indexed(pieces: Sequence[Piece]) -> list[IndexedChunk]:
    chunks, start = [], 0
    for ordinal, piece in enumerate(pieces):
        chunk = Chunk(
            ordinal,
            start,
            start + len(piece.text),
            piece.text,
            heading=("Guide", piece.text[:5]),
            page=3,
            turns=(Turn(start + 1, ("Guide", "inside"), None),),
        )
        chunks.append(IndexedChunk(chunk, direction(piece.angle), Counter(piece.text.split())))
        start = chunk.end + 1
    return chunks


async def one_by_one(chunks: Sequence[IndexedChunk]) -> AsyncIterator[Sequence[IndexedChunk]]:
    for chunk in chunks:
        yield [chunk]


async def put(
    tenant: LibraryAndIndex, store: Store, source: str, *pieces: Piece, attributes: Attributes | None = None
) -> str:
    return await tenant.library.put(store, document(source, pieces, attributes), one_by_one(indexed(pieces)))


@dataclass(frozen=True)
class Found:
    """Both halves of a search."""

    nearest: Sequence[int]  # nearest first
    dense: Mapping[int, float]
    lexical: Lexical


async def look(snapshot: Snapshot, terms: Sequence[str], limit: int = 10, condition: Filter | None = None) -> Found:
    lexical = await snapshot.lexical(terms, condition)
    dense = await snapshot.dense(QUESTION, limit, condition)
    return Found(sorted(dense, key=lambda chunk_id: (-dense[chunk_id], chunk_id)), dense, lexical)


async def candidates(
    tenant: LibraryAndIndex, stores: Sequence[Store], *terms: str, limit: int = 10, condition: Filter | None = None
) -> Found:
    async with tenant.index.snapshot(stores) as snapshot:
        return await look(snapshot, terms, limit, condition)


async def passages(tenant: LibraryAndIndex, stores: Sequence[Store], found: Found) -> list[Passage]:
    """What the dense candidates say, in their order."""
    async with tenant.index.snapshot(stores) as snapshot:
        bodies = await snapshot.passages(found.nearest)
    return [bodies[chunk_id] for chunk_id in found.nearest]


async def texts(
    tenant: LibraryAndIndex, stores: Sequence[Store], limit: int = 10, condition: Filter | None = None
) -> list[str]:
    """The texts of the nearest chunks, nearest first."""
    found = await candidates(tenant, stores, limit=limit, condition=condition)
    return [passage.text for passage in await passages(tenant, stores, found)]
