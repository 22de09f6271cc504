"""Clients that read streamed chat completions and note when the first word and the last came.

On bare sockets: a comfortable client costs more than what is measured here, and shares the cores with it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_WORDS = re.compile(rb'"content": ?"[^"]')
_TIMINGS = re.compile(rb'"timings_ms": ?(\{[^}]*\})')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD_ENDS = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 "
_STREAM_ENDS = b"0\r\n\r\n"
_TICKS = 100  # a second has so many, on every Linux of the last decades
_SEARCH = ("words", "embed", "dense", "passages", "fuse")  # hops of `timings_ms`
_numbers = itertools.count()


@dataclass(frozen=True)
class Target:
    """What is asked: its answer is a stream of words, or whole at once."""

    name: str
    address: str
    key: str
    body: Callable[[str], dict[str, object]]  # of a request with this question

    def request(self) -> bytes:
        """A request as it goes over the wire, with a question that nobody has asked before: no cache knows it."""
        place = urlsplit(self.address)
        question = f"When does the night shift of quarry number {next(_numbers)} begin?"
        body = json.dumps(self.body(question)).encode()
        head = (
            f"POST {place.path} HTTP/1.1\r\nhost: {place.netloc}\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def chat(name: str, address: str, key: str, model: str) -> Target:
    """Streamed chat completions at a base address with /v1."""

    def body(question: str) -> dict[str, object]:
        return {"model": model, "stream": True, "messages": [{"role": "user", "content": question}]}

    return Target(name, f"{address}/chat/completions", key, body)


@dataclass
class Times:
    """Of a number of answers, in milliseconds each."""

    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    searched: list[float] = field(default_factory=list)  # what the server says that its search took
    seconds: float = 0.0
    processor_seconds: float = 0.0

    def add(self, other: Times) -> None:
        """Those of a further round."""
        self.first += other.first
        self.last += other.last
        self.searched += other.searched
        self.seconds += other.seconds
        self.processor_seconds += other.processor_seconds


class Connection:
    """One connection, kept for the next request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over an open one."""
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes) -> tuple[float, float, bytes]:
        """Milliseconds to the first word and to the end, and what came.

        Raises:
            SystemExit: The server refuses, answers without words, or lets a fallback answer.
        """
        start = time.perf_counter()
        self._writer.write(request)
        received, first, size = bytearray(), 0.0, None
        while size is None or len(received) < size or (size == 0 and not received.endswith(_STREAM_ENDS)):
            data = await self._reader.read(65536)
            received += data
            if size is None:
                size = _size(received)
            if not first and _WORDS.search(received):
                first = time.perf_counter()
            if not data or not received.startswith(_OK[: len(received)]):
                raise SystemExit(f"no answer: {bytes(received[:2000])!r}")
        if b'"degraded"' in received:
            raise SystemExit(f"the model was not asked: {bytes(received[-2000:])!r}")
        end = time.perf_counter()
        return ((first or end) - start) * 1000, (end - start) * 1000, bytes(received)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def _size(received: bytearray) -> int | None:
    """Of the whole answer; 0: it is a stream; None: nobody knows yet."""
    head, found, _ = received.partition(_HEAD_ENDS)
    if not found:
        return None
    length = _LENGTH.search(head)
    return len(head) + len(found) + int(length[1]) if length else 0


async def load(target: Target, clients: int, seconds: float) -> Times:
    """So many requests at a time, each followed by the next, for so long."""
    times = Times()
    place = urlsplit(target.address)
    start = time.perf_counter()

    async def client() -> None:
        connection = Connection(*await asyncio.open_connection(place.hostname, place.port, limit=2**20))
        while time.perf_counter() - start < seconds:
            first, last, received = await connection.ask(target.request())
            times.first.append(first)
            times.last.append(last)
            if told := _TIMINGS.search(received):
                hops = json.loads(told[1])
                times.searched.append(sum(hops.get(hop, 0.0) for hop in _SEARCH))
        connection.close()

    await asyncio.gather(*[client() for _ in range(clients)])
    times.seconds = time.perf_counter() - start
    return times


def processor_seconds(process: int) -> float:
    """What a process and its children have used."""
    total, waiting = 0.0, [process]
    while waiting:
        current = waiting.pop()
        try:
            used = Path(f"/proc/{current}/stat").read_text().rpartition(")")[2].split()[11:15]
            children = [each.read_text() for each in Path(f"/proc/{current}/task").glob("*/children")]
        except OSError:
            continue
        total += sum(map(int, used)) / _TICKS
        waiting.extend(int(child) for line in children for child in line.split())
    return total
