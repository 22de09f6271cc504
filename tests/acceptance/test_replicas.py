"""Two services and two workers on one database, of which one each dies and comes back under load."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import openai
import pytest
from acceptance.balancer import Balancer
from acceptance.drill import Clients, Process, new_process, ready, service, wrong_rows
from acceptance.shipped import Ragstone
from clusters import until
from folders import open_folder

from ragstone.bootstrap import DATABASE
from ragstone.storage.embedded import EmbeddedServer


@pytest.fixture
def program() -> Iterator[Ragstone]:
    home = open_folder("ragstone-replicas-")
    yield Ragstone(home, {"RAGSTONE_EMBEDDER_THREADS": "1"})
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("ending", ["killed", "asked to end"])
def test_a_replica_that_goes_costs_no_client_anything_that_a_retry_does_not_mend(
    program: Ragstone, ending: str
) -> None:
    key = program("keys", "create", "--tenant", "default", "--scopes", "read,write", "--json").json["key"]
    replicas = [service(program) for _ in range(2)]
    workers = [new_process(program, "worker") for _ in range(2)]
    for _, address in replicas:
        until(lambda address=address: ready(address))
    ports = [int(address.rsplit(":", 1)[1]) for _, address in replicas]
    with Balancer(ports) as balancer:
        with openai.OpenAI(base_url=f"{balancer.address}/v1", api_key=key) as client:
            store = client.vector_stores.create(name="stones").id
        with Clients([balancer.address], key, store, retries=4) as clients:
            until(lambda: len(clients.acknowledged) >= 5)
            for process in (replicas[0][0], workers[0], replicas[1][0], workers[1]):
                gone(process, ending)
                time.sleep(0.7)
                process.start()
                for _, address in replicas:
                    until(lambda address=address: ready(address))
            before = len(clients.acknowledged)
            until(lambda: len(clients.acknowledged) >= before + 5)
        assert not clients.refused
        assert clients.halves == []
        with openai.OpenAI(base_url=f"{balancer.address}/v1", api_key=key) as client:

            def open_files() -> set[str]:
                listed = {file.id: file.status for file in client.vector_stores.files.list(store, limit=100)}
                return {file for file in clients.acknowledged if listed.get(file) != "completed"}

            until(lambda: not open_files(), seconds=90)
    for process in (*[process for process, _ in replicas], *workers):
        process.end()
    with EmbeddedServer(program.home) as server:
        assert wrong_rows(server.admin_dsn(DATABASE)) == {}


def gone(process: Process, ending: str) -> None:
    if ending == "killed":
        process.kill()
    else:
        process.end()
        assert process.running is not None
        assert process.running.returncode == 0
