"""What makes two requests the same one: all that decides how they are answered."""

from __future__ import annotations

import hashlib
from email.message import Message

from starlette.datastructures import Headers
from starlette.types import Scope

from ragstone.domain import Asker

HEAD_BYTES = 32  # of a fingerprint: all but the body; the rest is the body's

_DECIDING = ("x-ragstone-store", "mcp-")  # beginnings of headers: the stores that an agent asks, its protocol's own

_MARK = b"\x00boundary\x00"


class Fingerprint:
    """Grows with the body as that passes by, so that an upload is never held in memory."""

    def __init__(self, head: bytes, content_type: str = "") -> None:
        """Begin with the digest of all but the body."""
        self.head = head
        self._digest = hashlib.sha256()
        self._boundary = _boundary(content_type)
        self._kept = b""  # may be the beginning of a boundary

    def add(self, piece: bytes) -> None:
        """Take in the next piece of the body, however it is cut."""
        if not self._boundary:
            self._digest.update(piece)
            return
        # Each attempt of a client has a boundary of its own between the parts of the same upload.
        *before, last = (self._kept + piece).split(self._boundary)
        for part in before:
            self._digest.update(part + _MARK)
        cut = max(0, len(last) - len(self._boundary) + 1)
        self._digest.update(last[:cut])
        self._kept = last[cut:]

    def digest(self) -> bytes:
        """Of the whole request: SHA-256 of its head, then of its body."""
        whole = self._digest.copy()
        whole.update(self._kept)
        return self.head + whole.digest()


def head_of(scope: Scope, asker: Asker) -> bytes:
    """SHA-256 of what is known of an HTTP request before its body comes.

    Who asks with fewer rights than before makes another request: an answer is not repeated to who could not have it.
    """
    rights = (asker.tenant.id, asker.actor, asker.reads_all, asker.readers, sorted(asker.scopes))
    asked = (scope["method"], scope["path"], scope["query_string"], _deciding(Headers(scope=scope)))
    return hashlib.sha256(repr((asked, rights)).encode()).digest()


def _deciding(headers: Headers) -> list[tuple[str, str]]:
    """The headers that decide an answer; those of different names may come in another order again."""
    named = [(name, value) for name, value in headers.items() if name.startswith(_DECIDING)]
    return sorted(named, key=lambda header: header[0])


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["content-type"] = content_type
    if header.get_content_maintype() != "multipart":
        return b""
    written = header.get_param("boundary")
    return f"--{written}".encode("latin-1") if isinstance(written, str) and written else b""
