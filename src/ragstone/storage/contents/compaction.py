"""Merging of lexical segments, so that a term is read from few rows however many documents were added.

Log-structured: each document's commit adds a segment; segments of a like size are merged once there are eight of
them, so a posting is rewritten once for each eightfold growth of the store. Removed chunks stay in the postings as
tombstones until they are a fifth of the store; then everything is rewritten without them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from psycopg import AsyncConnection

from ragstone.domain import Asker, Store
from ragstone.storage.contents.postings import ENTRY
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement

FANOUT = 8
DEAD_SHARE = 0.2
_BATCH = 5000  # terms that are rewritten at a time


def plan(segments: Sequence[tuple[int, int]]) -> list[int]:
    """The segments to merge next, of (id, chunks) each; empty when there is nothing to do.

    The smallest tier that is full comes first: its merge may fill the next one.
    """
    tiers: dict[int, list[int]] = {}
    for segment_id, chunks in segments:
        tiers.setdefault(int(math.log(max(chunks, 1), FANOUT)), []).append(segment_id)
    full = [tier for tier, members in tiers.items() if len(members) >= FANOUT]
    return tiers[min(full)] if full else []


async def compact(database: Database, asker: Asker, store: Store) -> int:
    """Merge until no tier is full; returns the number of merges.

    Segments are merged among those of one audience. Does nothing while another process merges the same store.
    Searches and writers go on meanwhile.
    """
    merges = 0
    place = {**scope(asker), "store": store.id}
    async with database.transaction(asker) as connection:
        cursor = await connection.execute(statement("compaction", "audiences"), place)
        audiences = [row[0] for row in await cursor.fetchall()]
    for audience in audiences:
        while await _step(database, asker, {**place, "audience": audience}):
            merges += 1
    return merges


async def _step(database: Database, asker: Asker, place: dict[str, object]) -> bool:
    async with database.transaction(asker) as connection:
        # Segments lock their store when they are made: who removes it waits for the merge, or is waited for.
        there = await (await connection.execute(statement("stores", "stay"), place)).fetchone()
        if there is None or not await _value(connection, "lock_store", place):
            return False
        dead = await _value(connection, "count_dead_chunks", place)
        segments = await _segments(connection, place)
        if dead and dead >= DEAD_SHARE * sum(chunks for _, chunks in segments):
            await _purge(connection, place)
            return True
        chosen = plan(segments)
        if chosen:
            await _merge(connection, place, chosen)
        return bool(chosen)


async def _merge(connection: AsyncConnection, place: dict[str, object], chosen: list[int]) -> None:
    parts = {**place, "segments": chosen}
    merged = await _value(connection, "merge_segments", parts)
    await connection.execute(statement("compaction", "merge_postings"), {**parts, "merged": merged})
    await connection.execute(statement("compaction", "drop_postings"), parts)


async def _purge(connection: AsyncConnection, place: dict[str, object]) -> None:
    """Rewrite all segments as one, without the chunks that are gone."""
    cursor = await connection.execute(statement("compaction", "take_dead_chunks"), place)
    dead = await cursor.fetchall()
    # Listed after the tombstones were taken: the segment of each of them is among these.
    parts = {**place, "segments": [segment_id for segment_id, _ in await _segments(connection, place)]}
    merged = await _value(connection, "merge_segments", parts)
    gone = np.array([chunk_id for chunk_id, _ in dead], np.int64)
    async with connection.cursor("postings_by_term", binary=True) as reader:
        await reader.execute(statement("compaction", "postings_by_term"), parts)
        while rows := await reader.fetchmany(_BATCH):
            kept = [(term, _without(entries, gone)) for term, entries in rows]
            terms = [term for term, entries in kept if entries]
            await connection.execute(
                statement("library", "add_postings"),
                {**place, "segment": merged, "terms": terms, "entries": [entries for _, entries in kept if entries]},
            )
    await connection.execute(statement("compaction", "drop_postings"), parts)
    shrink = {**place, "segment": merged, "chunks": len(dead), "terms": sum(count for _, count in dead)}
    await connection.execute(statement("compaction", "shrink_segment"), shrink)
    await connection.execute(statement("compaction", "drop_empty_segment"), shrink)


def _without(entries: bytes, gone: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bytes:
    packed = np.frombuffer(entries, ENTRY)
    return packed[~np.isin(packed["chunk_id"], gone)].tobytes()


async def _segments(connection: AsyncConnection, place: dict[str, object]) -> list[tuple[int, int]]:
    cursor = await connection.execute(statement("compaction", "segments"), place)
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def _value(connection: AsyncConnection, name: str, parameters: dict[str, object]) -> int:
    cursor = await connection.execute(statement("compaction", name), parameters)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
