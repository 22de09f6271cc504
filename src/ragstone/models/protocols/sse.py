"""Server-sent events as bytes: what a stream of tokens is made of (HTML Living Standard, 9.2)."""

from __future__ import annotations

MOST = 1 << 20  # bytes of an event


class TooLongError(Exception):
    """An event is longer than any that makes sense."""


class Events:
    """Finds the data of each event, in whatever pieces the bytes come. Names, ids and comments are left out."""

    def __init__(self) -> None:
        """At the beginning of a stream."""
        self._rest = b""  # a line that has not ended
        self._data: list[bytes] = []  # lines of an event that has not ended
        self._length = 0

    def feed(self, content: bytes) -> list[bytes]:
        """The data of the events that end in what has come.

        Raises:
            TooLongError: One is longer than 1 MiB.
        """
        if self._rest:
            content = self._rest + content
        if b"\r" in content:
            # A carriage return at the end may be half of a line break.
            held = content.endswith(b"\r")
            content = content.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            content = content + b"\r" if held else content
        lines = content.split(b"\n")
        self._rest = lines.pop()
        found: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                found.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
                self._length = 0
            elif line.startswith(b"error:"):  # llama-server has said it so
                self._add(b'{"error":' + line[6:] + b"}")
        if len(self._rest) > MOST:
            raise TooLongError
        return found

    def end(self) -> list[bytes]:
        """The data of an event that the stream ended in.

        Raises:
            TooLongError: It is longer than 1 MiB.
        """
        return self.feed(b"\n\n")

    def _add(self, line: bytes) -> None:
        self._data.append(line)
        self._length += len(line) + 1
        if self._length > MOST + 1:
            raise TooLongError
