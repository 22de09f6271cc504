"""Handing a document over to other readers.

Statistics of the lexical index belong to an audience, so a document cannot just change hands: its chunks come into the
world again for the new readers and end for the former ones, in one transaction. The vectors are copied; the terms are
made again from the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ragstone.domain import Asker, Chunk, IndexedChunk, Turn
from ragstone.storage.contents.versions import add_batch, supersede
from ragstone.storage.database import scope
from ragstone.storage.statements import statement
from ragstone.text import analyzer

_BATCH = 128  # chunks; as many as ingestion puts into a lexical segment


async def hand_over(connection: AsyncConnection, asker: Asker, document: int, audience: int) -> None:
    """Let this audience read a document, and nobody else, once the asker's transaction is committed."""
    place = {**scope(asker), "document": document, "audience": audience}
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("handover", "lock"), place)
    row = await cursor.fetchone()
    if row is None or row["audience_id"] == audience:
        return
    for name in ("document", "file", "batch_items"):
        await connection.execute(statement("handover", name), place)
    # Without a version there is nothing to be read yet; whoever makes one looks at the audience.
    if row["version_id"] is None:
        return
    place = {**place, "store": row["store_id"], "former": row["version_id"]}
    copied = await (await connection.execute(statement("handover", "copy_version"), place)).fetchone()
    assert copied is not None
    place["version"] = copied[0]
    async with connection.cursor("chunks_of_version", row_factory=dict_row) as chunks:
        await chunks.execute(statement("handover", "chunks", row["model_id"]), place)
        while found := await chunks.fetchmany(_BATCH):
            batch = await asyncio.to_thread(_indexed, found, row["language"])
            await add_batch(connection, place, row["model_id"], batch)
    await supersede(connection, place, row["model_id"], row["version_id"])


def _indexed(rows: Sequence[Mapping[str, Any]], language: str) -> list[IndexedChunk]:
    indexed = []
    for row in rows:
        chunk = Chunk(
            ordinal=row["ordinal"],
            start=row["start_offset"],
            end=row["end_offset"],
            text=row["body"],
            heading=tuple(row["heading"]),
            page=row["page"],
            turns=tuple(Turn(start, tuple(heading), page) for start, heading, page in row["turns"]),
            context=row["context"],
        )
        terms = analyzer.term_counts(chunk.searchable, language)
        indexed.append(IndexedChunk(chunk, row["vector"].to_numpy(), terms))
    return indexed
