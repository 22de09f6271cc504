"""Applications behind a real server on a port of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """A connection of bytes, for what no client library would send."""
        with socket.create_connection((self.host, self.port), timeout=10) as connection:
            yield connection


@contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[Address]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, **options))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    with listener:
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            server.should_exit = True
            thread.join()


def read_answer(connection: socket.socket) -> tuple[str, bytes]:
    """The head and the body of one answer that declares its length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
    while len(body) < length:
        body += _more(connection)
    assert len(body) == length, "more came than the answer"
    return head.decode().lower(), body


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, without another byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    assert received, "the connection was closed within an answer"
    return received
