"""Workers as they are run: killed, stopped, asked to end, and without their database."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from acceptance.shipped import Ragstone
from folders import open_folder
from workload import Desk, open_desk, with_patience

from ragstone.bootstrap import DATABASE, everything
from ragstone.errors import DatabaseUnavailableError
from ragstone.models.minilm.embedder import MODEL
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer

pytestmark = pytest.mark.anyio

SECTIONS = 120
SMALL = b"# Quarry\n\nGranite is hard.\n"
_UNLIMITED = "Max address space         unlimited"
_tenants = count()


def large(sections: int = SECTIONS) -> bytes:
    """A file that takes a while: each section is a chunk."""
    words = "The stone of this quarry is cut in spring and polished in autumn. " * 8
    return "\n\n".join(f"# Section {number}\n\n{words}" for number in range(sections)).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    home = open_folder("ragstone-workers-")
    program = Ragstone(home, {})
    with EmbeddedServer(home) as running:
        assert program("status").status == 0  # brings it to this release's schema
        with psycopg.connect(running.admin_dsn(DATABASE), autocommit=True) as admin:
            admin.execute("SET search_path = ragstone, public")
            with_patience(admin, "0 seconds")
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def program(server: EmbeddedServer) -> Ragstone:
    return Ragstone(Path(server.log).parents[1], {"RAGSTONE_EMBEDDER_THREADS": "1"})


@pytest.fixture
async def desk(anyio_backend: str, server: EmbeddedServer, program: Ragstone) -> AsyncIterator[Desk]:

    def address() -> str:
        server.start()  # should it have been killed
        return server.dsn(DATABASE)

    database = Database(address, size=4)
    await database.open()
    tenant = await database.tenant(f"tenant {next(_tenants)}")
    yield await open_desk(database, everything(tenant, "test"), MODEL)
    await database.close()


@contextmanager
def worker(program: Ragstone, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A worker that has begun; it is killed in the end if it still runs."""
    process = program.having(**settings).start("worker")
    assert process.stderr is not None
    try:
        assert "works on uploaded files" in process.stderr.readline()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


async def at_work(desk: Desk) -> int:
    """The process that has the only task, once it is in the middle of it."""

    async def read() -> bool:
        rows = await desk.running()
        return bool(rows) and bool(children(process_of(rows[0])))

    await until(read)
    pid = process_of((await desk.running())[0])
    time.sleep(0.1)
    assert await desk.running(), "it was done too soon: make the file larger"
    return pid


def process_of(worker_name: str) -> int:
    found = re.search(r"-(\d+)-\w+$", worker_name)
    assert found
    return int(found[1])


def children(pid: int) -> list[int]:
    """The processes that read files for this one, once they have begun: by then their memory is limited."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [child for child in map(int, listed) if _UNLIMITED not in Path(f"/proc/{child}/limits").read_text()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    """Whether it runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def completed(desk: Desk, document: int, sections: int = SECTIONS) -> None:
    """Wait for a document, and see that every chunk is there once."""

    async def over() -> bool:
        return (await desk.status(document))[0] != "in_progress"

    await until(over)
    assert await desk.status(document) == ("completed", None, None)
    assert await desk.ordinals(document) == list(range(sections))
    assert await desk.tasks() == []


async def test_a_file_whose_worker_was_killed_is_completed_once_by_another(desk: Desk, program: Ragstone) -> None:
    with worker(program) as first, worker(program) as second:
        document = await desk.hand_in("stones.md", large())
        victim = await at_work(desk)
        readers = children(victim)
        assert readers
        os.kill(readers[0], signal.SIGSTOP)  # as one that hangs, and does not see the end of its input
        began = time.monotonic()
        (first if first.pid == victim else second).kill()

        async def freed() -> bool:
            rows = await desk.running()
            return bool(rows) and process_of(rows[0]) != victim

        await until(freed)
        assert time.monotonic() - began < 10, "only the end of its lease freed the file"
        await completed(desk, document)
        assert not any(alive(reader) for reader in readers)


async def test_a_worker_that_was_silent_for_too_long_writes_nothing_when_it_wakes(
    desk: Desk, program: Ragstone
) -> None:
    with worker(program, worker_lease_seconds="2") as first, worker(program, worker_lease_seconds="2"):
        document = await desk.hand_in("stones.md", large())
        stopped = await at_work(desk)
        os.kill(stopped, signal.SIGSTOP)

        async def taken() -> bool:
            rows = await desk.running()
            return bool(rows) and process_of(rows[0]) != stopped

        await until(taken)
        os.kill(stopped, signal.SIGCONT)
        await completed(desk, document)
        assert await desk.versions(document) == 1
        assert first.poll() is None


async def test_a_worker_that_is_asked_to_end_hands_back_what_it_cannot_finish(desk: Desk, program: Ragstone) -> None:
    with worker(program, worker_grace_seconds="0") as first:
        document = await desk.hand_in("stones.md", large())
        await at_work(desk)
        began = time.monotonic()
        first.terminate()
        _, err = first.communicate(timeout=30)
        assert first.returncode == 0
        assert "handed back" in err
        assert "Traceback" not in err
        assert time.monotonic() - began < 10
        assert await desk.tasks() == [("waiting", 1, 0, 0, None)]
    with worker(program) as second:
        await completed(desk, document)
        second.send_signal(signal.SIGINT)
        _, err = second.communicate(timeout=30)
        assert second.returncode == 0
        assert "completed" in err
        assert f"stones.md: {SECTIONS} chunks" in err


async def test_a_worker_goes_on_when_its_database_was_killed(desk: Desk, program: Ragstone) -> None:
    documents = [await desk.hand_in(f"{number}.md", large(5)) for number in range(16)]
    with worker(program):

        async def begun() -> bool:
            return "completed" in await desk.statuses()

        await until(begun)
        (pidfile,) = program.home.rglob("postmaster.pid")
        os.kill(int(pidfile.read_text().split()[0]), signal.SIGKILL)

        async def completed() -> bool:
            try:
                return set(await desk.statuses()) == {"completed"}
            except DatabaseUnavailableError:
                return False

        await until(completed)
    for document in documents:
        assert await desk.ordinals(document) == list(range(5))
    assert await desk.tasks() == []


async def test_a_file_that_ends_every_worker_is_given_up_and_can_be_asked_for_again(
    desk: Desk, program: Ragstone, server: EmbeddedServer
) -> None:
    poison = await desk.hand_in("poison.md", SMALL)
    await desk.count_deaths(2)
    died = subprocess.run(
        [sys.executable, Path(__file__).with_name("poisoned.py"), server.dsn(DATABASE)], timeout=60, check=False
    )
    assert died.returncode == -signal.SIGKILL
    with worker(program):
        healthy = await desk.hand_in("healthy.md", SMALL)

        async def over() -> bool:
            return (await desk.status(poison))[0] == "failed" and (await desk.status(healthy))[0] == "completed"

        await until(over)
        status, code, message = await desk.status(poison)
        assert (status, code) == ("failed", "server_error")
        assert "its worker ended 3 times" in str(message)
        tenant = desk.asker.tenant.name
        assert program("status", "--json").json["queue"] == [{"tenant": tenant, "state": "dead", "tasks": 1}]
        asked = program("requeue", "--tenant", tenant)
        assert (asked.status, asked.out) == (0, "1 documents wait again.\n")
        await completed(desk, poison, 1)
