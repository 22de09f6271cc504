"""Merging of segments changes nothing that a search can see."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from contract.samples import MODEL, Found, Piece, document, indexed, look, one_by_one

from ragstone.domain import Asker, Store
from ragstone.storage.contents.compaction import FANOUT, compact, plan
from ragstone.storage.contents.index import PostgresIndex
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

TERMS = ["common", "odd", "even", *[f"only{n}" for n in range(30)]]


async def put(library: PostgresLibrary, store: Store, number: int, words: str = "") -> None:
    pieces = [Piece(f"common {'odd' if number % 2 else 'even'} only{number} {words}", angle=number)]
    await library.put(store, document(f"/{number}", pieces), one_by_one(indexed(pieces)))


async def see(database: Database, asker: Asker, store: Store) -> Found:
    async with PostgresIndex(database, asker).snapshot([store]) as snapshot:
        return await look(snapshot, TERMS, 100)


def same(one: Found, other: Found) -> bool:
    first, second = one.lexical, other.lexical
    return (
        one.nearest == other.nearest
        and (first.chunk_count, first.total_length) == (second.chunk_count, second.total_length)
        and first.postings.keys() == second.postings.keys()
        and all(
            np.array_equal(getattr(first.postings[term], part), getattr(second.postings[term], part))
            for term in first.postings
            for part in ("chunk_ids", "frequencies", "lengths")
        )
    )


async def segments(database: Database, asker: Asker, store: Store) -> int:
    async with database.transaction(asker) as connection:
        cursor = await connection.execute(
            "SELECT count(DISTINCT segment_id) FROM posting WHERE store_id = %s", (store.id,)
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def dead(database: Database, asker: Asker, store: Store) -> int:
    async with database.transaction(asker) as connection:
        cursor = await connection.execute("SELECT count(*) FROM tombstone WHERE store_id = %s", (store.id,))
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_merge_keeps_every_posting(database: Database, asker: Asker) -> None:
    library = PostgresLibrary(database, asker)
    store = await library.open_store("merged", MODEL)
    for number in range(FANOUT + 2):
        await put(library, store, number)
    before = await see(database, asker, store)
    assert await compact(database, asker, store) == 1
    assert await segments(database, asker, store) == 1
    assert same(before, await see(database, asker, store))


async def test_a_purge_removes_what_is_gone_and_nothing_else(database: Database, asker: Asker) -> None:
    library = PostgresLibrary(database, asker)
    store = await library.open_store("purged", MODEL)
    for number in range(10):
        await put(library, store, number)
    await library.remove(store, [f"/{number}" for number in range(5)])
    before = await see(database, asker, store)
    assert before.lexical.chunk_count == 5
    assert await dead(database, asker, store) == 5
    await compact(database, asker, store)
    assert await dead(database, asker, store) == 0
    assert same(before, await see(database, asker, store))


async def test_a_store_that_lost_everything_is_empty_after_a_purge(database: Database, asker: Asker) -> None:
    library = PostgresLibrary(database, asker)
    store = await library.open_store("emptied", MODEL)
    await put(library, store, 1)
    await library.remove(store, ["/1"])
    await compact(database, asker, store)
    assert await segments(database, asker, store) == 0
    assert (await see(database, asker, store)).lexical.chunk_count == 0


async def test_writers_and_mergers_at_once_lose_nothing(database: Database, asker: Asker) -> None:
    library = PostgresLibrary(database, asker)
    store = await library.open_store("busy", MODEL)

    async def write(first: int) -> None:
        for number in range(first, 30, 3):
            await put(library, store, number)
            await put(library, store, number, words="again")  # replaced at once: a tombstone each

    async def merge() -> None:
        for _ in range(10):
            await compact(database, asker, store)

    await asyncio.gather(write(0), write(1), write(2), merge())
    await compact(database, asker, store)
    found = await see(database, asker, store)
    assert found.lexical.chunk_count == 30
    assert len(found.lexical.postings["common"].chunk_ids) == 30
    assert all(len(found.lexical.postings[f"only{number}"].chunk_ids) == 1 for number in range(30))
    # Each of them says "again" once: no former version counts.
    assert found.lexical.total_length == int(found.lexical.postings["common"].lengths.sum())


def test_the_smallest_full_tier_is_merged_first() -> None:
    small, large = [(n, 1) for n in range(FANOUT)], [(100 + n, FANOUT**2) for n in range(FANOUT)]
    assert plan([*large, *small]) == [n for n, _ in small]
    assert plan(large) == [n for n, _ in large]
    assert plan([*small[1:], *large[1:]]) == []
    assert plan([]) == []


def test_a_large_segment_is_not_rewritten_for_a_few_small_ones() -> None:
    assert 1 not in plan([(1, 10_000), *[(n, 1) for n in range(2, 2 + FANOUT)]])
