"""kill -9 of the service, its worker and its database, again and again, at random points of ingestion."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator

import openai
import pytest
from acceptance.drill import Clients, kill_database, new_process, ready, service, wrong_rows
from acceptance.shipped import Ragstone
from clusters import until
from folders import open_folder

from ragstone.bootstrap import DATABASE
from ragstone.storage.embedded import EmbeddedServer

# The suite does a few; docs/figures.md has the outcome of 200: RAGSTONE_DRILL_ROUNDS=200 runs them again.
ROUNDS = int(os.environ.get("RAGSTONE_DRILL_ROUNDS", "8"))


@pytest.fixture
def program() -> Iterator[Ragstone]:
    home = open_folder("ragstone-drill-")
    yield Ragstone(home, {"RAGSTONE_EMBEDDER_THREADS": "1"})
    shutil.rmtree(home, ignore_errors=True)


def test_every_acknowledged_file_ends_complete_whatever_dies(program: Ragstone) -> None:
    chance = random.Random(7)
    outcome = program("keys", "create", "--tenant", "default", "--scopes", "read,write", "--json")
    assert outcome.status == 0, outcome.err
    key = outcome.json["key"]
    api, address = service(program)
    worker = new_process(program, "worker")
    until(lambda: ready(address))
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key) as client:
        store = client.vector_stores.create(name="stones").id
    with EmbeddedServer(program.home) as holder, Clients([address], key, store) as clients:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.05, 0.8))
            match chance.choice(["api", "worker", "database"]):
                case "api":
                    api.kill()
                    api.start()
                    until(lambda: ready(address))
                case "worker":
                    worker.kill()
                    worker.start()
                case _:
                    kill_database(program)
                    until(lambda: ready(address))
        # All parts live from here on.
        until(lambda: ready(address))
        dsn = holder.admin_dsn(DATABASE)
        before = len(clients.acknowledged)
        until(lambda: len(clients.acknowledged) > before)
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key) as client:

        def statuses() -> dict[str, str]:
            return {file.id: file.status for file in client.vector_stores.files.list(store, limit=100)}

        until(lambda: "in_progress" not in statuses().values(), seconds=180)
        found = statuses()
        lost = [file for file in clients.acknowledged if found.get(file) != "completed"]
        assert lost == []
        assert clients.halves == []
        for file, number in random.Random(1).sample(sorted(clients.acknowledged.items()), 5):
            page = client.vector_stores.search(store, query=f"token{number}x0 token{number}x1 token{number}x2")
            assert len({hit.content[0].text for hit in page.data if hit.file_id == file}) == 3
    api.end()
    worker.end()
    with EmbeddedServer(program.home):
        assert wrong_rows(dsn) == {}
    if ROUNDS > 100:
        counted = f"{len(clients.acknowledged)} files acknowledged, {clients.searches} searches"
        print(f"{ROUNDS} rounds: {counted}, refused {dict(clients.refused)}")  # noqa: T201  a figure, run by hand
