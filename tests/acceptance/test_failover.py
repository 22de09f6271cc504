"""The database's machine dies under load and its replica takes over."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from acceptance.shipped import Ragstone
from clusters import DATABASE, USER, Server, pair, until
from folders import open_folder


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
