"""What a worker does with what it takes, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import psycopg
import pytest
from contract.samples import MODEL
from workload import Desk, make_database, open_desk, with_patience

from ragstone.bootstrap import READER_COMMAND
from ragstone.domain import Asker, Chunking
from ragstone.errors import ObjectsUnavailableError
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows import work
from ragstone.flows.work import Ingesting
from ragstone.ingest import read
from ragstone.ingest.prepare import Job, Message, prepare
from ragstone.ingest.sandbox import Sandbox, Sandboxes
from ragstone.storage.contents.compaction import plan
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.objects.parts import PartsObjects
from ragstone.storage.work.queue import Claim, Kind, cancel
from ragstone.worker.housekeeping import Housekeeping
from ragstone.worker.loop import ATTEMPTS, Handler, Pace, Worker, delay

pytestmark = pytest.mark.anyio

EMBEDDER = HashingEmbedder(MODEL.dimension, MODEL.name)
NOTE = b"# Quarry\n\nGranite is hard.\n\n# Workshop\n\nMarble is soft.\n"


class Inline(Sandbox):
    """Reads in this process: no time is lost with starting another."""

    def __init__(self) -> None:
        super().__init__((), seconds=60)

    async def prepare(self, job: Job) -> AsyncGenerator[Message]:
        for message in prepare(job, WordTokenizer()):
            yield message


@pytest.fixture(scope="module")
def worker_database(server: EmbeddedServer, database_name: str) -> str:
    make_database(server, "worker_tests")
    return "worker_tests"


@pytest.fixture
async def database(anyio_backend: str, server: EmbeddedServer, worker_database: str) -> AsyncIterator[Database]:
    pool = Database(lambda: server.dsn(worker_database), size=10)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
def admin(server: EmbeddedServer, worker_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.admin_dsn(worker_database), autocommit=True) as connection:
        connection.execute("SET search_path = ragstone, public")
        with_patience(connection, "0 seconds")
        yield connection
        connection.execute("TRUNCATE task")


@pytest.fixture
async def desk(anyio_backend: str, database: Database, asker: Asker, admin: psycopg.Connection) -> Desk:
    return await open_desk(database, asker, EMBEDDER.model)


def ingesting(database: Database, *sandboxes: Sandbox) -> Ingesting:
    return Ingesting(
        database=lambda _: database,
        places=lambda asker: {"database": PartsObjects(database, asker)},
        embedder=lambda _: EMBEDDER,
        sandboxes=Sandboxes(sandboxes or (Inline(), Inline())),
        chunking=Chunking(64),
        max_bytes=2**20,
        limits=read.Limits(),
    )


@asynccontextmanager
async def working(
    desk: Desk, handler: Handler | None = None, *, grace: float = 5, lease: float = 30
) -> AsyncIterator[Worker]:
    """A worker that runs meanwhile and is asked to stop in the end."""
    worker = Worker(
        desk.database,
        {Kind.INGEST: handler or ingesting(desk.database)},
        Pace(lease=timedelta(seconds=lease), grace=timedelta(seconds=grace)),
        Housekeeping([], []),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < seconds, "it never came true"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def ended(desk: Desk, document: int) -> tuple[str, str | None, str | None]:
    """How a document ended."""

    async def over() -> bool:
        return (await desk.status(document))[0] != "in_progress"

    await until(over)
    return await desk.status(document)


async def test_an_uploaded_file_becomes_a_document(desk: Desk) -> None:
    async with working(desk):
        document = await desk.hand_in("note.md", NOTE)
        assert await ended(desk, document) == ("completed", None, None)
    assert await desk.ordinals(document) == [0, 1]
    assert await desk.tasks() == []


async def test_an_idle_worker_begins_as_soon_as_the_file_is_attached(desk: Desk) -> None:
    begun: list[float] = []

    async def note(claim: Claim) -> str:
        begun.append(time.monotonic())
        return ""

    async with working(desk, note):
        await asyncio.sleep(0.5)
        document = await desk.attach(await desk.upload("note.md", NOTE))
        attached = time.monotonic()
        await desk.enqueue(document)
        await until(lambda: _true(bool(begun)))
    assert begun[0] - attached < 0.5, "it was found by looking around, not by listening"


async def _true(value: bool) -> bool:
    return value


async def test_two_workers_do_two_hundred_files_once_each(desk: Desk) -> None:
    done: Counter[int] = Counter()
    ingest = ingesting(desk.database)

    async def counted(claim: Claim) -> str:
        done[claim.subject_id] += 1
        return await ingest(claim)

    documents = [await desk.hand_in(f"{number}.md", NOTE) for number in range(200)]

    async def over() -> bool:
        return set(await desk.statuses()) == {"completed"}

    async with working(desk, counted), working(desk, counted):
        await until(over)
    assert done == dict.fromkeys(documents, 1)
    for document in documents:
        assert await desk.ordinals(document) == [0, 1]
    assert await desk.tasks() == []


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "unsupported_file"),
        ("empty.txt", b"", "invalid_file"),
        ("large.txt", b"x" * (2**20 + 1), "invalid_file"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_at_once_with_its_reason(
    desk: Desk, name: str, content: bytes, code: str
) -> None:
    async with working(desk):
        document = await desk.hand_in(name, content)
        status, shown, message = await ended(desk, document)
    assert (status, shown) == ("failed", code)
    assert message is not None
    assert name in message
    assert await desk.tasks() == []


async def test_what_may_pass_is_tried_again_after_a_while(desk: Desk) -> None:
    ingest, tried = ingesting(desk.database), []

    async def away_at_first(claim: Claim) -> str:
        tried.append(time.monotonic())
        if len(tried) == 1:
            raise ObjectsUnavailableError("The bucket is away")
        return await ingest(claim)

    async with working(desk, away_at_first):
        document = await desk.hand_in("note.md", NOTE)
        assert await ended(desk, document) == ("completed", None, None)
    assert 0.4 < tried[1] - tried[0] < 3


async def test_a_defect_costs_neither_the_worker_nor_the_file(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    ingest, tried = ingesting(desk.database), []

    async def broken_at_first(claim: Claim) -> str:
        tried.append(claim)
        if len(tried) == 1:
            raise ZeroDivisionError
        return await ingest(claim)

    async with working(desk, broken_at_first):
        document = await desk.hand_in("note.md", NOTE)
        assert await ended(desk, document) == ("completed", None, None)
    assert "ZeroDivisionError" in caplog.text


async def test_a_file_is_given_up_after_six_failures_with_its_last_reason(
    desk: Desk, admin: psycopg.Connection
) -> None:
    async def away(claim: Claim) -> str:
        raise ObjectsUnavailableError("The bucket is away")

    document = await desk.hand_in("note.md", NOTE)
    admin.execute("UPDATE task SET failures = %s", (ATTEMPTS - 1,))
    async with working(desk, away):
        assert await ended(desk, document) == ("failed", "server_error", "The bucket is away")
    assert await desk.tasks() == [("dead", 1, ATTEMPTS, 0, "The bucket is away")]


def test_the_delay_grows_from_a_second_to_five_minutes() -> None:
    for failures, expected in enumerate((1, 4, 16, 64, 256), start=1):
        delays = [delay(failures) for _ in range(200)]
        assert min(delays) >= expected / 2
        assert max(delays) <= min(300, expected * 1.5)
        assert max(delays) > min(delays) * 1.5, "all come back at the same moment"


async def test_a_worker_whose_event_loop_is_busy_keeps_its_lease(desk: Desk) -> None:
    ingest, tried = ingesting(desk.database), []

    async def busy(claim: Claim) -> str:
        tried.append(claim)
        time.sleep(2)
        return await ingest(claim)

    async with working(desk, busy, lease=0.9):
        document = await desk.hand_in("note.md", NOTE)
        assert await ended(desk, document) == ("completed", None, None)
    assert len(tried) == 1


async def test_a_cancelled_file_is_left_in_the_middle_and_its_reader_ends(desk: Desk) -> None:
    class Busy(Sandbox):
        """Holds on to a process that never answers."""

        async def prepare(self, job: Job) -> AsyncGenerator[Message]:
            reading.set()
            async for message in super().prepare(job):
                yield message

    reading, busy = asyncio.Event(), Busy(("sleep", "600"), seconds=600)
    async with working(desk, ingesting(desk.database, busy)) as worker:
        document = await desk.hand_in("note.md", NOTE)
        await reading.wait()
        await until(lambda: _true(busy._process is not None))
        process = cast("asyncio.subprocess.Process", busy._process)
        began = time.monotonic()
        async with desk.database.transaction(desk.asker) as connection:
            assert await cancel(connection, desk.asker, [document]) == [document]
        await asyncio.wait_for(process.wait(), 10)
        assert time.monotonic() - began < 3, "it was noticed by the next heartbeat only"
        await until(lambda: _true(not worker._running))
    assert (await desk.status(document))[0] == "cancelled"
    assert await desk.ordinals(document) == []


async def test_what_is_not_done_in_the_grace_time_is_handed_back(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ragstone.worker")
    begun = asyncio.Event()

    async def endless(claim: Claim) -> str:
        begun.set()
        await asyncio.sleep(600)
        return ""

    document = await desk.hand_in("note.md", NOTE)
    async with working(desk, endless, grace=0.2):
        await begun.wait()
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert await desk.tasks() == [("waiting", 1, 0, 0, None)]
    assert (await desk.status(document))[0] == "in_progress"
    assert "handed back" in caplog.text


async def test_what_is_done_in_the_grace_time_is_finished_and_nothing_new_begun(desk: Desk) -> None:
    ingest, begun = ingesting(desk.database), asyncio.Event()

    async def slow(claim: Claim) -> str:
        begun.set()
        await asyncio.sleep(0.5)
        return await ingest(claim)

    documents = [await desk.hand_in(f"{number}.md", NOTE) for number in range(8)]
    async with working(desk, slow):
        await begun.wait()
    assert (
        sorted([(await desk.status(document))[0] for document in documents]) == ["completed"] * 4 + ["in_progress"] * 4
    )
    assert [task[0] for task in await desk.tasks()] == ["waiting"] * 4


async def test_a_worker_whose_connections_break_goes_on(desk: Desk, admin: psycopg.Connection) -> None:
    documents = [await desk.hand_in(f"{number}.md", NOTE) for number in range(30)]

    async def over() -> bool:
        return set(await desk.statuses()) == {"completed"}

    async with working(desk):
        await asyncio.sleep(0.3)
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ragstone_app'"
            " AND datname = current_database()"
        )
        await until(over, 40)
    for document in documents:
        assert await desk.ordinals(document) == [0, 1]


async def test_segments_of_a_store_are_merged_while_many_documents_come(
    desk: Desk, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "TIDY_EVERY", 10)
    for number in range(28):
        await desk.hand_in(f"{number}.md", NOTE)
    ingest = ingesting(desk.database)

    async def over() -> bool:
        return set(await desk.statuses()) == {"completed"}

    async with working(desk, ingest):
        await until(over)
    assert len(segments(desk, admin)) < 28
    await ingest.tidy()
    assert plan(segments(desk, admin)) == []
    assert not ingest.untidy


def segments(desk: Desk, admin: psycopg.Connection) -> list[tuple[int, int]]:
    """Of (id, chunks) each."""
    return [
        (row[0], row[1])
        for row in admin.execute("SELECT id, chunk_count FROM segment WHERE tenant_id = %s", (desk.asker.tenant.id,))
    ]


async def test_chores_go_on_after_one_that_fails_and_common_ones_wait_for_the_lead() -> None:
    done: list[str] = []

    async def failing() -> None:
        done.append("failing")
        raise ObjectsUnavailableError("The bucket is away")

    async def own() -> None:
        done.append("own")

    async def common() -> None:
        done.append("common")

    leads = False
    chores = asyncio.create_task(Housekeeping([failing, own], [common], period=0.01).run(lambda: leads))
    await until(lambda: _true(len(done) >= 6))
    assert set(done) == {"failing", "own"}
    leads = True
    await until(lambda: _true("common" in done))
    chores.cancel()


async def test_a_real_reading_process_serves_one_file_after_the_other(desk: Desk) -> None:
    box = Sandbox(READER_COMMAND, seconds=60)
    try:
        async with working(desk, ingesting(desk.database, box)):
            documents = [await desk.hand_in(f"{number}.md", NOTE) for number in range(3)]
            for document in documents:
                assert (await ended(desk, document))[0] == "completed"
    finally:
        await box.close()
