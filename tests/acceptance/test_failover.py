"""The database's machine dies under load and its replica takes over."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import psycopg
import pytest
from acceptance.shipped import Ragstone
from clusters import DATABASE, USER, Server, pair, until
from folders import open_folder
from workload import with_patience

from ragstone.storage.migrate import migrate


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    folder = open_folder("ragstone-failover-")
    with pair(folder) as both:
        yield both
    shutil.rmtree(folder, ignore_errors=True)


class Load:
    """Clients that upload, attach and search until they are told to stop."""

    def __init__(self, client: openai.OpenAI, store: str) -> None:
        self.client, self.store = client, store
        self.acknowledged: list[str] = []
        self.searched_at: list[float] = []
        self.refused: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._again, args=(work,)) for work in (self._write, self._search)]

    def __enter__(self) -> Load:  # noqa: PYI034
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _again(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except (openai.InternalServerError, openai.APIConnectionError) as error:
                self.refused.append(str(error))
                time.sleep(0.1)

    def _write(self) -> None:
        number = len(self.acknowledged)
        content = f"The stone number {number} is of granite.".encode()
        uploaded = self.client.files.create(file=(f"stone-{number}.txt", content), purpose="assistants")
        self.client.vector_stores.files.create(self.store, file_id=uploaded.id)
        self.acknowledged.append(uploaded.id)
        time.sleep(0.05)

    def _search(self) -> None:
        self.client.vector_stores.search(self.store, query="Which stone is of granite?")
        self.searched_at.append(time.monotonic())
        time.sleep(0.02)


def test_a_promoted_replica_is_found_and_has_all_that_was_confirmed(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    home = open_folder("ragstone-failover-home-")
    url = (
        f"postgresql://{USER}@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/{DATABASE}"
        "?target_session_attrs=read-write&connect_timeout=3"
    )
    program = Ragstone(home, {"RAGSTONE_DATABASE_URL": url})
    with (
        program.serving() as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key=program.key, max_retries=0, timeout=20) as client,
    ):
        store = client.vector_stores.create(name="stones")
        with Load(client, store.id) as load:
            until(lambda: len(load.acknowledged) >= 10 and len(load.searched_at) >= 10)
            primary.kill()
            before, searched = len(load.acknowledged), len(load.searched_at)
            replica.execute("SELECT pg_promote()")
            until(lambda: len(load.acknowledged) >= before + 10 and len(load.searched_at) >= searched + 10)

        def statuses() -> list[str]:
            listed = {file.id: file.status for file in client.vector_stores.files.list(store.id, limit=100)}
            return [listed.get(file_id, "lost") for file_id in load.acknowledged]

        until(lambda: "in_progress" not in statuses())
        assert set(statuses()) == {"completed"}
    shutil.rmtree(Path(home), ignore_errors=True)


def test_a_promoted_replica_takes_no_task_away_before_its_worker_could_come_back(
    servers: tuple[Server, Server],
) -> None:
    primary, replica = servers
    take = "SELECT id FROM ragstone.take_tasks('another', '{ingest}', 1, '30 seconds')"
    asyncio.run(migrate(primary.dsn))
    primary.execute("SELECT ragstone.add_tenant('team')")
    primary.execute(
        "INSERT INTO ragstone.task (tenant_id, kind, subject_id, state, worker, lease_until)"
        " SELECT tenant_id, 'ingest', 1, 'running', 'worker', now() + interval '1 hour' FROM ragstone.tenant"
    )
    assert primary.execute(take) == []
    primary.execute("UPDATE ragstone.lock_witness SET since = now() - interval '1 hour'")
    primary.kill()
    replica.execute("SELECT pg_promote()")
    with psycopg.connect(replica.dsn, autocommit=True) as admin:
        admin.execute("SET search_path = ragstone, public")
        # The replica itself has been up for longer than this.
        up = admin.execute("SELECT (clock_timestamp() - pg_postmaster_start_time()) * 0.9").fetchone()
        assert up is not None
        with_patience(admin, f"{up[0].total_seconds()} seconds")
        assert admin.execute(take.encode()).fetchall() == []
        admin.execute("UPDATE lock_witness SET since = pg_postmaster_start_time()")
        assert len(admin.execute(take.encode()).fetchall()) == 1
