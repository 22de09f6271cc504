"""A load balancer as small as one can be: connections go in turn to whichever backend accepts them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from itertools import count

_PIECE = 65536


class Balancer:
    """Forwards connections made to `address`; a backend that refuses is passed over."""

    def __init__(self, backends: list[int]) -> None:
        """`backends` are ports on this machine."""
        self._backends = backends
        self._turn = count()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Balancer:  # noqa: PYI034
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        backend = self._connected()
        if backend is None:
            client.close()
            return
        with client, backend:
            there = threading.Thread(target=_forward, args=(client, backend), daemon=True)
            there.start()
            _forward(backend, client)
            there.join()

    def _connected(self) -> socket.socket | None:
        first = next(self._turn)
        for step in range(len(self._backends)):
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", self._backends[(first + step) % len(self._backends)]), 1)
        return None


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
