"""Where an answer begins and ends (RFC 9112), without any I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

MOST_HEAD = 1 << 16  # bytes
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?")
_CONTINUES = range(100, 200)
_WITHOUT_BODY = {204, 304}


class MalformedError(Exception):
    """What comes is not HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a body."""

    status: int
    headers: dict[str, str]  # names in lower case; of several equal names all values, joined with commas
    keeps: bool  # whether the server says that it keeps the connection


class _State(Enum):
    HEAD = 1
    LENGTH = 2  # a declared number of bytes
    SIZE = 3  # the line before a chunk
    CHUNK = 4
    BEHIND = 5  # the line break behind a chunk
    TRAILER = 6
    UNTIL_CLOSE = 7
    DONE = 8


class Framing:
    """One answer after the other, out of whatever pieces the bytes come in."""

    def __init__(self) -> None:
        """At the beginning of the first answer."""
        self._raw = bytearray()
        self.again()

    def again(self) -> None:
        """At the beginning of the next answer."""
        self.head: Head | None = None
        self.body = bytearray()  # what has come and was not taken
        self._state = _State.HEAD
        self._left = 0  # bytes of the body or the chunk that are to come

    @property
    def done(self) -> bool:
        """Whether the answer has come to its end."""
        return self._state is _State.DONE

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on the same connection."""
        return self.done and self.head is not None and self.head.keeps and not self._raw

    def feed(self, content: bytes) -> None:
        """Go on with what has come.

        Raises:
            MalformedError: It is not HTTP/1.
        """
        self._raw += content
        while self._raw and self._step():
            pass

    def close(self) -> bool:
        """The connection has ended: whether the answer is whole."""
        if self._state is _State.UNTIL_CLOSE:
            self._state = _State.DONE
        return self.done

    def _step(self) -> bool:
        """Returns whether there may be more to read in what has come."""
        state = self._state
        if state is _State.CHUNK or state is _State.LENGTH:
            return self._take()
        if state is _State.SIZE:
            line = self._line()
            return line is not None and self._begin_chunk(line)
        if state is _State.BEHIND:
            line = self._line()
            if line:
                raise MalformedError("a chunk is longer than it says")
            self._state = state if line is None else _State.SIZE
            return line is not None
        if state is _State.HEAD:
            return self._read_head()
        return self._read_rest(state)

    def _take(self) -> bool:
        raw, left = self._raw, self._left
        if len(raw) < left:
            self.body += raw
            self._left = left - len(raw)
            raw.clear()
            return False
        self.body += raw[:left]
        del raw[:left]
        self._left = 0
        self._state = _State.BEHIND if self._state is _State.CHUNK else _State.DONE
        return True

    def _line(self) -> bytes | None:
        end = self._raw.find(b"\r\n")
        if end < 0:
            if len(self._raw) > MOST_HEAD:
                raise MalformedError("a line has no end")
            return None
        line = bytes(self._raw[:end])
        del self._raw[: end + 2]
        return line

    def _begin_chunk(self, line: bytes) -> bool:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise MalformedError("a chunk does not say how long it is")
        self._left = int(size[1], 16)
        self._state = _State.CHUNK if self._left else _State.TRAILER
        return True

    def _read_rest(self, state: _State) -> bool:
        if state is _State.UNTIL_CLOSE:
            self.body += self._raw
            self._raw.clear()
        elif state is _State.TRAILER:
            line = self._line()
            if line == b"":
                self._state = _State.DONE
            return bool(line)
        return False  # what comes behind the end belongs to nothing

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            if len(self._raw) > MOST_HEAD or not b"HTTP/1.".startswith(self._raw[:7]):
                raise MalformedError("it does not speak HTTP/1.1")
            return False
        lines = bytes(self._raw[:end]).split(b"\r\n")
        del self._raw[: end + 4]
        status = _STATUS.fullmatch(lines[0])
        if status is None:
            raise MalformedError("it does not speak HTTP/1.1")
        if int(status[2]) in _CONTINUES:
            return True
        headers = _headers(lines[1:])
        said = headers.get("connection", "").lower()
        keeps = "close" not in said if status[1] == b"1" else "keep-alive" in said
        self.head = Head(int(status[2]), headers, keeps)
        self._begin_body(self.head)
        return True

    def _begin_body(self, head: Head) -> None:
        coding, length = head.headers.get("transfer-encoding"), head.headers.get("content-length")
        if head.status in _WITHOUT_BODY:
            self._state = _State.DONE
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise MalformedError("it cannot be told where its answer ends")
            self._state = _State.SIZE
        elif length is None:
            self._state = _State.UNTIL_CLOSE
        elif length.isascii() and length.isdigit() and len(length) < 16:  # noqa: PLR2004 - digits; more is no length
            self._left = int(length)
            self._state = _State.LENGTH if self._left else _State.DONE
        else:
            raise MalformedError("it cannot be told where its answer ends")


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise MalformedError("its headers are malformed")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
