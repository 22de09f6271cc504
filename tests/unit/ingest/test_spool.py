"""Chunks that are laid aside, and reading processes that are lent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from ragstone.domain import Chunk, Chunking, IndexedChunk
from ragstone.ingest import read, spool
from ragstone.ingest.prepare import Done, Job, Message
from ragstone.ingest.sandbox import Sandbox, Sandboxes
from ragstone.ingest.spool import Spool

pytestmark = pytest.mark.anyio

JOB = Job("", "a.txt", None, "english", Chunking(64), 2**20, read.Limits())


def batch(first: int) -> list[IndexedChunk]:
    vector = np.arange(4, dtype=np.float32)
    return [IndexedChunk(Chunk(n, n, n + 1, "x" * 500), vector, {"x": 1}) for n in range(first, first + 3)]


async def test_batches_come_back_in_the_order_in_which_they_were_laid_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The third goes to the disk.
    monkeypatch.setattr(spool, "_IN_MEMORY", 4000)
    with Spool() as laid:
        for first in (0, 3, 6):
            laid.add(batch(first))
        for _ in range(2):
            found = [[indexed.chunk.ordinal for indexed in batch] async for batch in laid.batches()]
            assert found == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
        again = [batch async for batch in laid.batches()]
    assert np.array_equal(again[0][0].vector, [0, 1, 2, 3])


async def test_an_empty_spool_has_no_batches() -> None:
    with Spool() as laid:
        assert [batch async for batch in laid.batches()] == []


class Slow(Sandbox):
    """Says one thing, and the last one when it is allowed to."""

    def __init__(self) -> None:
        super().__init__((), seconds=1)
        self.reading = self.left = 0
        self.go_on = asyncio.Event()

    async def prepare(self, job: Job) -> AsyncGenerator[Message]:  # noqa: ARG002
        self.reading += 1
        try:
            yield []
            await self.go_on.wait()
            yield Done()
        finally:
            self.reading -= 1
            self.left += 1


async def test_a_sandbox_is_lent_to_one_file_at_a_time() -> None:
    box = Slow()
    lent = Sandboxes([box])

    async def read_all() -> list[Message]:
        async with lent.reading(JOB) as messages:
            return [message async for message in messages]

    readings = [asyncio.create_task(read_all()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert box.reading == 1
    box.go_on.set()
    assert await asyncio.gather(*readings) == [[[], Done()]] * 3


async def test_whoever_leaves_early_ends_the_reading_and_gives_the_sandbox_back() -> None:
    box = Slow()
    lent = Sandboxes([box])
    for left in (1, 2):
        async with lent.reading(JOB) as messages:
            await anext(messages)
        assert (box.reading, box.left) == (0, left)
