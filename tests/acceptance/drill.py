"""Parts of the service that are killed and brought back while clients go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import openai
import psycopg
from acceptance.shipped import PROGRAM, Ragstone
from clusters import free_port

PARAGRAPHS = 3  # of a document; each becomes a chunk, for each has its own heading
TRANSIENT = (openai.APIConnectionError, openai.InternalServerError)


def document(number: int) -> bytes:
    sections = (f"# Part {part}\n\nThe stone token{number}x{part} is of granite.\n" for part in range(PARAGRAPHS))
    return "\n".join(sections).encode()


@dataclass
class Process:
    """One of the service's processes, which comes back when it was killed."""

    program: Ragstone
    arguments: tuple[str, ...]
    running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.running = subprocess.Popen(
            [*PROGRAM, *self.arguments],
            env=self.program.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()
        self.running.wait()

    def end(self) -> None:
        assert self.running is not None
        self.running.terminate()
        self.running.wait(60)


@dataclass
class Clients:
    """An uploader and a reader that keep on asking, as the stock client does."""

    addresses: list[str]
    key: str
    store: str
    acknowledged: dict[str, int] = field(default_factory=dict)  # number in the text by file id
    refused: Counter[str] = field(default_factory=Counter)
    halves: list[str] = field(default_factory=list)  # documents of which a search saw a part
    searches: int = 0
    retries: int = 0  # by the client itself, before a failure counts as refused

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._numbers = iter(range(10**9))
        self._threads = [threading.Thread(target=self._again, args=(work,)) for work in (self._upload, self._read)]

    def __enter__(self) -> Clients:  # noqa: PYI034
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _again(self, work: Callable[[openai.OpenAI], None]) -> None:
        turn = random.Random(0)
        while not self._stop.is_set():
            address = turn.choice(self.addresses)
            with openai.OpenAI(
                base_url=f"{address}/v1", api_key=self.key, max_retries=self.retries, timeout=15
            ) as client:
                try:
                    work(client)
                except TRANSIENT as error:
                    self.refused[type(error).__name__] += 1
                    time.sleep(0.05)

    def _upload(self, client: openai.OpenAI) -> None:
        number = next(self._numbers)
        uploaded = client.files.create(file=(f"stone-{number}.md", document(number)), purpose="assistants")
        attached = client.vector_stores.files.create(self.store, file_id=uploaded.id, attributes={"number": number})
        self.acknowledged[attached.id] = number
        time.sleep(0.02)

    def _read(self, client: openai.OpenAI) -> None:
        if not self.acknowledged:
            time.sleep(0.05)
            return
        number = random.choice(list(self.acknowledged.values()))
        page = client.vector_stores.search(
            self.store, query="granite", max_num_results=10, filters={"type": "eq", "key": "number", "value": number}
        )
        self.searches += 1
        if len(page.data) not in {0, PARAGRAPHS}:
            self.halves.append(f"{number}: {len(page.data)}")


def postmaster(program: Ragstone) -> int | None:
    """The process of the embedded server, if it runs."""
    with suppress(OSError, ValueError, IndexError):
        return int(next(program.home.rglob("postmaster.pid")).read_text().split()[0])
    return None


def kill_database(program: Ragstone) -> None:
    pid = postmaster(program)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def new_process(program: Ragstone, *arguments: str) -> Process:
    process = Process(program, arguments)
    process.start()
    return process


def service(program: Ragstone) -> tuple[Process, str]:
    port = free_port()
    process = new_process(program.having(port=str(port), serve_worker="false"), "serve")
    return process, f"http://127.0.0.1:{port}"


def ready(address: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    return False


# What must hold of the rows when all work is done; each counts what is wrong.
WRONG = {
    "chunks twice": "SELECT count(*) FROM (SELECT 1 FROM chunk GROUP BY tenant_id, document_id, ordinal"
    " HAVING count(*) > 1) t",
    "chunks of no current version": "SELECT count(*) FROM chunk c LEFT JOIN document d ON d.tenant_id = c.tenant_id"
    " AND d.id = c.document_id AND d.version_id = c.version_id WHERE d.id IS NULL",
    "versions of no document": "SELECT count(*) FROM document_version v LEFT JOIN document d"
    " ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.version_id = v.id WHERE d.id IS NULL",
    "chunks without a vector": "SELECT count(*) FROM chunk c LEFT JOIN embedding_1 e ON e.shard = c.shard"
    " AND e.tenant_id = c.tenant_id AND e.chunk_id = c.id WHERE e.chunk_id IS NULL",
    "vectors without a chunk": "SELECT count(*) FROM embedding_1 e LEFT JOIN chunk c ON c.shard = e.shard"
    " AND c.tenant_id = e.tenant_id AND c.id = e.chunk_id WHERE c.id IS NULL",
    "postings of no segment": "SELECT count(*) FROM posting p LEFT JOIN segment s ON s.tenant_id = p.tenant_id"
    " AND s.store_id = p.store_id AND s.id = p.segment_id WHERE s.id IS NULL",
    "miscounted segments": "SELECT abs((SELECT count(*) FROM chunk) + (SELECT count(*) FROM tombstone)"
    " - (SELECT COALESCE(sum(chunk_count), 0) FROM segment))",
    "parts of no file": "SELECT count(*) FROM file_part p LEFT JOIN file f ON f.tenant_id = p.tenant_id"
    " AND f.id = p.file_id WHERE f.id IS NULL",
    "files without their bytes": "SELECT count(*) FROM file f WHERE f.uploaded AND f.place = 'database' AND f.size <>"
    " (SELECT COALESCE(sum(length(content)), 0) FROM file_part p WHERE p.tenant_id = f.tenant_id AND p.file_id = f.id)",
    "tasks left": "SELECT count(*) FROM task",
    "documents without end": "SELECT count(*) FROM document WHERE status = 'in_progress'",
    "failures without a reason": "SELECT count(*) FROM document WHERE status = 'failed' AND error_message IS NULL",
}


def wrong_rows(dsn: str) -> dict[str, int]:
    """What is wrong with the rows, seen by a superuser."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = ragstone, public")
        found = {name: connection.execute(query.encode()).fetchone() for name, query in WRONG.items()}
    return {name: int(row[0]) for name, row in found.items() if row and row[0]}
