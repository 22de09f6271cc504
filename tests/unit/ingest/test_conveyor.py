"""Files on the belt between readers and writers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from ragstone.domain import Chunk, Chunking, Reading
from ragstone.errors import DatabaseUnavailableError, UnreadableFileError
from ragstone.fakes.models import HashingEmbedder
from ragstone.ingest import read
from ragstone.ingest.conveyor import Parcel, carry
from ragstone.ingest.prepare import Done, Job, Message, Opened, Piece
from ragstone.ingest.report import Report
from ragstone.ingest.sandbox import Sandbox
from ragstone.ingest.source import SourceFile

pytestmark = pytest.mark.anyio

FILES = [SourceFile(Path(f"/docs/{number}.txt"), Path("/docs")) for number in range(20)]


def pieces(*texts: str) -> list[Piece]:
    return [Piece(Chunk(ordinal, 0, len(text), text), {text: 1}) for ordinal, text in enumerate(texts)]


class Reader:
    """Prepares files without a process: three batches each, or what a test wants to be said."""

    def __init__(self, last: Message | None = None) -> None:
        self._last = last or Done()

    async def prepare(self, job: Job) -> AsyncGenerator[Message]:
        yield Opened(b"", 0, Reading(job.name, (), "text/plain"))
        for batch in range(3):
            yield pieces(f"{job.name} {batch}")
        yield self._last


def job(file: SourceFile) -> Job:
    return Job(str(file.path), file.relative, None, "english", Chunking(50), 1, read.Limits())


def readers(*found: Reader) -> Sequence[Sandbox]:
    return cast("Sequence[Sandbox]", found)


async def texts(parcel: Parcel, report: Report) -> list[str]:
    batches = [batch async for batch in parcel.indexed(HashingEmbedder(), report)]
    return [indexed.chunk.text for batch in batches for indexed in batch]


async def test_every_file_arrives_once_with_its_chunks_in_order() -> None:
    arrived: dict[str, list[str]] = {}
    report = Report()

    async def write(parcel: Parcel) -> None:
        assert parcel.file.relative not in arrived
        arrived[parcel.file.relative] = await texts(parcel, report)

    await carry(FILES, job, readers(Reader(), Reader()), write)
    assert arrived == {f"{n}.txt": [f"{n}.txt {batch}" for batch in range(3)] for n in range(20)}
    assert report.chunks == 60


async def test_what_a_writer_raises_comes_out_as_itself_and_ends_the_rest() -> None:
    written = 0

    async def write(parcel: Parcel) -> None:
        nonlocal written
        await texts(parcel, Report())
        written += 1
        if written == 3:
            raise DatabaseUnavailableError("The connection to the database broke")

    with pytest.raises(DatabaseUnavailableError):
        await asyncio.wait_for(carry(FILES, job, readers(Reader(), Reader()), write), 10)
    assert written < len(FILES)


async def test_a_writer_that_does_not_notice_its_cancellation_keeps_nobody_waiting() -> None:
    begun = asyncio.Event()

    async def write(parcel: Parcel) -> None:
        await texts(parcel, Report())
        if begun.is_set():
            raise DatabaseUnavailableError("The connection to the database broke")
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(DatabaseUnavailableError):
        await asyncio.wait_for(carry(FILES, job, readers(Reader(), Reader()), write), 10)


async def test_an_error_in_the_middle_of_a_file_reaches_its_writer_behind_no_batch_of_it_counted_twice() -> None:
    report, failed = Report(), []

    async def write(parcel: Parcel) -> None:
        try:
            await texts(parcel, report)
        except UnreadableFileError as error:
            failed.append(str(error))

    await carry(FILES[:4], job, readers(Reader(UnreadableFileError("page 3 is damaged"))), write)
    assert failed == ["page 3 is damaged"] * 4
    assert report.chunks == 8  # the batch that was being embedded is given up with the file
