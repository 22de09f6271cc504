"""A file on its way through the reading process, and through the sandbox around it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ragstone.domain import Chunk, Chunking
from ragstone.errors import RagstoneError, UnreadableFileError
from ragstone.fakes.models import WordTokenizer
from ragstone.ingest import read
from ragstone.ingest.prepare import Done, Job, Message, Opened, Unchanged, pipeline, prepare
from ragstone.ingest.sandbox import Sandbox, sandbox

pytestmark = pytest.mark.anyio


def job(
    path: Path,
    known: bytes | None = None,
    max_bytes: int = 10_000,
    chunking: Chunking = Chunking(50),  # noqa: B008  frozen
) -> Job:
    return Job(
        path=str(path),
        name=path.name,
        known_hash=known,
        language="english",
        chunking=chunking,
        max_bytes=max_bytes,
        limits=read.Limits(),
    )


def messages(path: Path, known: bytes | None = None) -> list[Message]:
    return list(prepare(job(path, known), WordTokenizer()))


def test_a_file_becomes_its_reading_its_chunks_with_their_terms_and_an_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Granite is hard.\n\n" * 60)
    opened, *batches, done = messages(path)
    assert isinstance(opened, Opened)
    assert isinstance(done, Done)
    assert opened.content_hash == hashlib.sha256(path.read_bytes()).digest()
    pieces = [piece for batch in batches if isinstance(batch, list) for piece in batch]
    assert len(pieces) > 1
    assert all(piece.terms["granit"] for piece in pieces)


def test_chunks_overlap_as_the_job_says(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" ".join(f"Stone number {number} lies here." for number in range(60)))

    def cut(chunking: Chunking) -> list[Chunk]:
        found = prepare(job(path, chunking=chunking), WordTokenizer())
        return [piece.chunk for message in found if isinstance(message, list) for piece in message]

    assert all(one.end < other.start for one, other in pairwise(cut(Chunking(50))))
    assert all(other.start < one.end < other.end for one, other in pairwise(cut(Chunking(50, 20))))


def test_another_chunking_is_another_pipeline_and_none_with_overlap_is_one_without() -> None:
    found = {pipeline(Chunking(*sizes)) for sizes in ((50, 0), (50, 5), (50, 25), (505, 0), (5, 0))}
    assert len(found) == 5
    assert pipeline(Chunking(200)).endswith("/200")  # as it was before chunks could overlap


@pytest.mark.parametrize(
    ("asked", "limit", "given"),
    [
        ((200, 50), 256, (200, 50)),
        ((256, 128), 256, (256, 128)),
        ((800, 400), 256, (256, 128)),
        ((4096, 400), 256, (256, 25)),
    ],
)
def test_a_chunking_beyond_what_the_model_reads_is_capped(
    asked: tuple[int, int], limit: int, given: tuple[int, int]
) -> None:
    assert Chunking(*asked).within(limit) == Chunking(*given)


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Granite")
    known = hashlib.sha256(b"Granite").digest()
    assert messages(path, known) == [Unchanged()]
    path.write_text("Marble")
    assert isinstance(messages(path, known)[0], Opened)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 10_001)
    (error,) = messages(path)
    assert "too large" in str(error)
    assert "RAGSTONE_INGEST_MAX_FILE_MB" in str(error)


def test_a_file_that_changes_while_it_is_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Granite")
    before = os.fstat

    def later(descriptor: int) -> os.stat_result:
        found = before(descriptor)
        with path.open("a") as file:  # somebody goes on writing
            file.write("!")
        return found

    monkeypatch.setattr(os, "fstat", later)
    (error,) = messages(path)
    assert "changed while it was read" in str(error)


def test_a_file_that_is_gone_is_reported(tmp_path: Path) -> None:
    (error,) = messages(tmp_path / "gone.txt")
    assert "cannot be opened" in str(error)


# A child that does as the name of its file says, instead of reading it.
CHILD = """
import os, pickle, struct, sys, time
FRAME = struct.Struct("<Q")
from ragstone.ingest.prepare import Done
while header := sys.stdin.buffer.read(FRAME.size):
    job = pickle.loads(sys.stdin.buffer.read(FRAME.unpack(header)[0]))
    if job.name == "hang": time.sleep(600)
    if job.name == "crash": os.kill(os.getpid(), 11)
    if job.name == "leave": sys.exit(3)
    frame = pickle.dumps(Done())
    sys.stdout.buffer.write(FRAME.pack(len(frame)) + frame)
    sys.stdout.buffer.flush()
"""


async def only(box: Sandbox, name: str) -> Message:
    (message,) = [message async for message in box.prepare(job(Path(name)))]
    return message


@pytest.mark.parametrize(
    ("name", "said"), [("crash", "crashed its reader"), ("leave", "exit status 3"), ("hang", "took too long")]
)
async def test_a_child_that_dies_or_hangs_costs_its_file_and_is_replaced(name: str, said: str) -> None:
    async with sandbox([sys.executable, "-c", CHILD], seconds=3) as box:
        assert isinstance(await only(box, "good"), Done)
        start = time.monotonic()
        message = await only(box, name)
        assert isinstance(message, UnreadableFileError)
        assert said in str(message)
        assert message.remedy
        assert time.monotonic() - start < 20
        assert isinstance(await only(box, "good"), Done)


async def test_leaving_a_file_in_the_middle_leaves_no_child_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Granite is hard.\n\n" * 200)
    async with sandbox([sys.executable, "-m", "ragstone.worker.reader"], seconds=60) as box:
        reading = box.prepare(job(path))
        assert isinstance(await anext(reading), Opened)
        child = box._process
        assert child is not None
        await reading.aclose()
        assert child.returncode is not None
        last = [message async for message in box.prepare(job(path))][-1]
        assert isinstance(last, Done)
        await asyncio.sleep(0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_that_asks_everyone_to_end_does_not_spoil_the_file_that_is_being_read(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Granite is hard.\n\n" * 500)
    async with sandbox([sys.executable, "-m", "ragstone.worker.reader"], seconds=60) as box:
        reading = box.prepare(job(path))
        assert isinstance(await anext(reading), Opened)
        child = box._process
        assert child is not None
        child.send_signal(number)
        assert isinstance([message async for message in reading][-1], Done)
        # It may have been done with that file before the signal came.
        assert isinstance([message async for message in box.prepare(job(path))][-1], Done)
        assert box._process is child


async def test_a_file_that_needs_too_much_memory_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGSTONE_INGEST_MEMORY_MB", "256")
    large, small = tmp_path / "large.txt", tmp_path / "small.txt"
    large.write_bytes(b"Granite is hard. " * 6_000_000)
    small.write_text("Granite is hard.")
    async with sandbox([sys.executable, "-m", "ragstone.worker.reader"], seconds=60) as box:
        found = [message async for message in box.prepare(job(large, max_bytes=2**30))]
        assert isinstance(found[-1], RagstoneError)
        assert "memory" in str(found[-1]) or "crashed" in str(found[-1])
        assert isinstance([message async for message in box.prepare(job(small))][-1], Done)
