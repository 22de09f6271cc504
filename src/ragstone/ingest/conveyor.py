"""Carries files from the reading processes to the writers, a few at a time.

Reading, embedding and writing overlap, because each waits for something else: while one document's vectors are
computed another is parsed in a child process and a third is inserted by the database. What lies on the belt is
bounded, so memory does not grow with the folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from ragstone.domain import IndexedChunk
from ragstone.errors import RagstoneError
from ragstone.ingest.prepare import Done, Job, Message, Opened, Piece, Unchanged
from ragstone.ingest.report import Report
from ragstone.ingest.sandbox import Sandbox
from ragstone.ingest.source import SourceFile
from ragstone.ports import Embedder

WRITERS = 4  # documents in flight; more gained nothing on two cores
_AHEAD = 2  # messages of a document that wait for its writer


class Parcel:
    """A file on the belt: its first message, and its chunks as they come."""

    def __init__(self, file: SourceFile, first: Unchanged | Opened | RagstoneError) -> None:
        """The messages behind the first one are put on `belt` by the reader."""
        self.file = file
        self.first = first
        self.belt: asyncio.Queue[Message] = asyncio.Queue(_AHEAD)

    def indexed(self, embedder: Embedder, report: Report) -> AsyncIterator[Sequence[IndexedChunk]]:
        """The chunks with their vectors; see the function of that name."""
        return indexed(self._messages(), embedder, report)

    async def _messages(self) -> AsyncIterator[Message]:
        while True:
            yield await self.belt.get()


async def indexed(
    messages: AsyncIterator[Message], embedder: Embedder, report: Report
) -> AsyncIterator[Sequence[IndexedChunk]]:
    """The chunks of a file with their vectors, batch by batch up to `Done`; `report` counts them.

    Raises:
        RagstoneError: What the reader met in the middle of the file.
    """
    ahead: asyncio.Task[list[IndexedChunk]] | None = None
    try:
        async for message in messages:
            if isinstance(message, Done):
                break
            if isinstance(message, RagstoneError):
                raise message
            assert isinstance(message, list)
            # Embedded while the caller stores the batch before: a long document must not make either wait.
            ahead, ready = asyncio.create_task(embed(message, embedder)), ahead
            if ready is not None:
                yield await _counted(ready, report)
        if ahead is not None:
            yield await _counted(ahead, report)
    finally:
        if ahead is not None:
            ahead.cancel()


async def _counted(batch: asyncio.Task[list[IndexedChunk]], report: Report) -> list[IndexedChunk]:
    indexed = await batch
    report.chunks += len(indexed)
    return indexed


async def embed(pieces: Sequence[Piece], embedder: Embedder) -> list[IndexedChunk]:
    """The pieces with their vectors."""
    vectors = await embedder.embed_passages([piece.chunk.searchable for piece in pieces])
    return [IndexedChunk(piece.chunk, vector, piece.terms) for piece, vector in zip(pieces, vectors, strict=True)]


async def carry(
    files: Sequence[SourceFile],
    job: Callable[[SourceFile], Job],
    readers: Sequence[Sandbox],
    write: Callable[[Parcel], Awaitable[None]],
) -> None:
    """Read every file with one of the readers and hand it to `write`, several at a time.

    Raises:
        Exception: The first that `write` raised; the rest is abandoned.
    """
    try:
        await _carry(files, job, readers, write)
    except ExceptionGroup as group:
        raise _first(group) from None


async def _carry(
    files: Sequence[SourceFile],
    job: Callable[[SourceFile], Job],
    readers: Sequence[Sandbox],
    write: Callable[[Parcel], Awaitable[None]],
) -> None:
    waiting = iter(files)
    belt: asyncio.Queue[Parcel | None] = asyncio.Queue(1)
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(_write(belt, write))
        async with asyncio.TaskGroup() as reading:
            for reader in readers:
                reading.create_task(_read(waiting, job, reader, belt))
        for _ in range(WRITERS):
            await belt.put(None)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner


async def _read(
    files: Iterator[SourceFile], job: Callable[[SourceFile], Job], reader: Sandbox, belt: asyncio.Queue[Parcel | None]
) -> None:
    for file in files:
        parcel: Parcel | None = None
        async for message in reader.prepare(job(file)):
            if parcel is None:
                assert not isinstance(message, list | Done)
                parcel = Parcel(file, message)
                await belt.put(parcel)
            else:
                await parcel.belt.put(message)


async def _write(belt: asyncio.Queue[Parcel | None], write: Callable[[Parcel], Awaitable[None]]) -> None:
    task = asyncio.current_task()
    assert task is not None
    while (parcel := await belt.get()) is not None:
        await write(parcel)
        if task.cancelling():  # something further down has taken the cancellation for its own: nobody fills the belt
            raise asyncio.CancelledError
