"""What is learned of a file while its bytes pass through."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from ragstone.ingest.read import sniff


class Count:
    """Counts and hashes bytes, and keeps both ends of them."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._head = bytearray()
        self._tail = bytearray()

    async def through(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces."""
        async for piece in pieces:
            self.size += len(piece)
            self._hash.update(piece)
            self._head += piece[: max(0, sniff.SAMPLE - len(self._head))]
            self._tail += piece[-sniff.SAMPLE :]
            if len(self._tail) > 2 * sniff.SAMPLE:
                del self._tail[: -sniff.SAMPLE]
            yield piece

    @property
    def hash(self) -> bytes:
        """SHA-256."""
        return self._hash.digest()

    def media_type(self, name: str) -> str:
        """What the bytes are, with the name's help where they do not say."""
        return sniff.media_type(name, bytes(self._head), bytes(self._tail[-sniff.SAMPLE :]))
