"""The service under load: uploads until they are acknowledged and until they are found, workers, and memory.

    python benchmarks/service.py uploads --files 500
    python benchmarks/service.py workers --files 10000 --workers 1 2 4
    python benchmarks/service.py memory

Each starts `ragstone serve` and `ragstone worker` on a data folder of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from ingest import PROGRAM, own_memory

_WORDS = [
    "granite",
    "marble",
    "slate",
    "basalt",
    "gneiss",
    "quartz",
    "feldspar",
    "mica",
    "obsidian",
    "pumice",
    "limestone",
    "sandstone",
]


def text(number: int) -> bytes:
    """A small file that no other equals: one chunk of about a hundred words."""
    words = (_WORDS[(number * 7 + place * (1 + number % 11)) % len(_WORDS)] for place in range(100))
    return f"Stone {number}. {' '.join(words)}.\n".encode()


class Place:
    """A data folder with a key and free ports."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ragstone-service-"))
        self.home.chmod(0o755)
        self.environment = {**os.environ, "RAGSTONE_HOME": str(self.home)}
        self.key = ""

    @contextmanager
    def program(self, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
        """A command of the program that runs meanwhile."""
        named = {f"RAGSTONE_{name.upper()}": value for name, value in settings.items()}
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env={**self.environment, **named},
            stdout=subprocess.DEVNULL,
            # A worker says a line for each file; nobody would read them.
            stderr=subprocess.PIPE if "serve" in arguments else subprocess.DEVNULL,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)

    @contextmanager
    def service(self, **settings: str) -> Iterator[tuple[str, int]]:
        """The address and the process of a running service."""
        with self.program("serve", "--port", "0", **settings) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            while "listens on" not in line:
                if not line:
                    raise SystemExit("the service ended before it listened")
                self.key = line.split()[-1] if "first key" in line else self.key
                line = process.stderr.readline()
            yield next(word for word in line.split() if word.startswith("http://")), process.pid

    @asynccontextmanager
    async def client(self, address: str, clients: int) -> AsyncIterator[httpx.AsyncClient]:
        """A client that keeps so many connections."""
        limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
        headers = {"authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=120) as http:
            yield http


async def new_store(http: httpx.AsyncClient) -> str:
    """A store's id."""
    answer = await http.post("/v1/vector_stores", json={"name": "stones"})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def upload(http: httpx.AsyncClient, store: str, files: int, clients: int) -> float:
    """Upload and attach so many files; returns the seconds until all are acknowledged."""
    numbers = iter(range(files))

    async def one() -> None:
        for number in numbers:
            form = {"file": (f"stone-{number}.txt", text(number), "text/plain")}
            sent = await http.post("/v1/files", data={"purpose": "assistants"}, files=form)
            sent.raise_for_status()
            attached = await http.post(f"/v1/vector_stores/{store}/files", json={"file_id": sent.json()["id"]})
            attached.raise_for_status()

    start = time.perf_counter()
    await asyncio.gather(*[one() for _ in range(clients)])
    return time.perf_counter() - start


async def completed(http: httpx.AsyncClient, store: str, files: int) -> None:
    """Wait until all of the store's files are found."""
    while True:
        counts = (await http.get(f"/v1/vector_stores/{store}")).json()["file_counts"]
        if counts["completed"] == files:
            return
        if counts["failed"] or counts["cancelled"]:
            raise SystemExit(f"some files did not make it: {counts}")
        await asyncio.sleep(0.1)


async def uploads(files: int) -> dict[str, object]:
    """Files a second, from eight clients, with the worker inside the service."""
    place = Place()
    with place.service() as (address, _):
        async with place.client(address, 8) as http:
            store = await new_store(http)
            start = time.perf_counter()
            acknowledged = await upload(http, store, files, 8)
            await completed(http, store, files)
            found = time.perf_counter() - start
    shutil.rmtree(place.home, ignore_errors=True)
    return {
        "files": files,
        "acknowledged_per_s": round(files / acknowledged, 1),
        "searchable_per_s": round(files / found, 1),
    }


async def workers(files: int, counts: list[int]) -> list[dict[str, object]]:
    """Seconds until a queue of files is empty, by the number of workers."""
    rows: list[dict[str, object]] = []
    for count in counts:
        place = Place()
        with place.service(serve_worker="false") as (address, _):
            async with place.client(address, 8) as http:
                store = await new_store(http)
                await upload(http, store, files, 8)
                start = time.perf_counter()
                running = [place.program("worker", embedder_threads="1") for _ in range(count)]
                processes = [each.__enter__() for each in running]
                await completed(http, store, files)
                seconds = time.perf_counter() - start
                peak = max(own_memory(process.pid)[0] for process in processes)
                for each in running:
                    each.__exit__(None, None, None)
        shutil.rmtree(place.home, ignore_errors=True)
        row = {"workers": count, "files": files, "seconds": round(seconds, 1), "files_per_s": round(files / seconds, 1)}
        rows.append({**row, "worker_mib": round(peak / 2**20)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


async def memory() -> dict[str, object]:
    """MiB of the service: idle, with a thousand idle connections, and while a hundred streams run."""
    place = Place()
    with place.service() as (address, pid):
        async with place.client(address, 100) as http:
            store = await new_store(http)
            await upload(http, store, 50, 8)
            await completed(http, store, 50)
            idle = own_memory(pid)[0]
            held = [_idle_connection(address, place.key) for _ in range(1000)]
            await asyncio.sleep(2)
            connected = own_memory(pid)[0]
            for connection in held:
                connection.close()
            peak, done = 0, asyncio.Event()

            async def stream() -> int:
                body = {
                    "model": f"ragstone/{store}",
                    "stream": True,
                    "messages": [{"role": "user", "content": "Which stone has granite, marble and slate?"}],
                }
                count = 0
                while not done.is_set():
                    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                        answer.raise_for_status()
                        count += sum([1 async for _ in answer.aiter_lines()]) > 0
                return count

            streams = [asyncio.create_task(stream()) for _ in range(100)]
            start = time.perf_counter()
            while time.perf_counter() - start < 15:
                peak = max(peak, own_memory(pid)[0])
                await asyncio.sleep(0.1)
            done.set()
            answered = sum(await asyncio.gather(*streams))
    shutil.rmtree(place.home, ignore_errors=True)
    return {
        "idle_mib": round(idle / 2**20),
        "idle_connections_1000_mib": round(connected / 2**20),
        "streams_100_peak_mib": round(peak / 2**20),
        "streams_per_s": round(answered / (time.perf_counter() - start), 1),
    }


def _idle_connection(address: str, key: str) -> socket.socket:
    """A connection that was used once and is kept."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"GET /livez HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n".encode())
    assert b"200 OK" in connection.recv(65536)
    return connection


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["uploads", "workers", "memory"])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    match arguments.what:
        case "uploads":
            print(json.dumps(asyncio.run(uploads(arguments.files))))
        case "workers":
            asyncio.run(workers(arguments.files, arguments.workers))
        case _:
            print(json.dumps(asyncio.run(memory())))


if __name__ == "__main__":
    main()
