"""Versions of documents: a text, its chunks with their vectors, and what the lexical index keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pgvector import HalfVector
from psycopg import AsyncConnection, AsyncCursor
from psycopg.types.json import Jsonb

from ragstone.domain import Document, IndexedChunk
from ragstone.storage.contents import postings
from ragstone.storage.statements import statement

_SEPARATOR = "\x1f"  # between the titles of a heading path; readers drop control characters


async def add_version(connection: AsyncConnection, place: Mapping[str, object], document: Document) -> int:
    """Add the document's text as its newest version; returns the version's id.

    `place` says whose, where and which: tenant, shard, store, document, audience.
    """
    cursor = await connection.execute(
        statement("library", "add_version"),
        {
            **place,
            "content_hash": document.content_hash,
            "pipeline": document.pipeline,
            "size": document.size,
            "media_type": document.reading.media_type,
            "title": document.reading.title,
            "warnings": list(document.reading.warnings),
            "body": document.reading.text,
        },
    )
    (version_id,) = await _row(cursor)
    return int(version_id)


async def supersede(
    connection: AsyncConnection, place: Mapping[str, object], model_id: int, former: int | None
) -> None:
    """Make the version that `place` names the current one, and remove the former one."""
    await connection.execute(statement("library", "set_current_version"), place)
    if former is not None:
        await connection.execute(statement("library", "remove_version", model_id), {**place, "version": former})


async def add_batch(
    connection: AsyncConnection, place: Mapping[str, object], model_id: int, batch: Sequence[IndexedChunk]
) -> None:
    """Add chunks to the version that `place` names, with their vectors and as one lexical segment."""
    chunks = [indexed.chunk for indexed in batch]
    counts = [postings.term_count(indexed) for indexed in batch]
    cursor = await connection.execute(
        statement("library", "add_chunks"),
        {
            **place,
            "ordinals": [c.ordinal for c in chunks],
            "starts": [c.start for c in chunks],
            "ends": [c.end for c in chunks],
            "pages": [c.page for c in chunks],
            "headings": [_SEPARATOR.join(c.heading) for c in chunks],
            "turns": [Jsonb([(turn.start, turn.heading, turn.page) for turn in c.turns]) for c in chunks],
            "contexts": [c.context for c in chunks],
            "bodies": [c.text for c in chunks],
            "term_counts": counts,
        },
    )
    ids = [row[0] for row in await cursor.fetchall()]
    cursor = await connection.execute(
        statement("library", "add_segment"), {**place, "chunk_count": len(batch), "term_total": sum(counts)}
    )
    (segment,) = await _row(cursor)
    terms, entries = postings.pack(ids, batch)
    await connection.execute(
        statement("library", "add_postings"), {**place, "terms": terms, "entries": entries, "segment": segment}
    )
    await connection.execute(
        statement("library", "add_vectors", model_id),
        {**place, "ids": ids, "vectors": [HalfVector(indexed.vector) for indexed in batch]},
    )


async def _row(cursor: AsyncCursor) -> tuple[Any, ...]:
    row = await cursor.fetchone()
    assert row is not None
    return row
