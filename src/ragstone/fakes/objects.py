"""Uploaded files in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ragstone.errors import ObjectNotFoundError

_PIECE = 2**20  # bytes that `read` hands out at once


class MemoryObjects:
    """The port `Objects` in a dictionary, for tests; everything is held in memory."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Store what the pieces make together."""
        content = bytearray()
        async for piece in pieces:
            content += piece
        self._contents[key] = bytes(content)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """`content[start:end]` piece by piece.

        Raises:
            ObjectNotFoundError: There is nothing under this key.
        """
        if key not in self._contents:
            raise ObjectNotFoundError(f"There is no file {key}")
        wanted = memoryview(self._contents[key])[start:end]
        for offset in range(0, len(wanted), _PIECE):
            yield bytes(wanted[offset : offset + _PIECE])

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove what lies under these keys."""
        for key in keys:
            self._contents.pop(key, None)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """All keys below the prefix."""
        for key in sorted(self._contents):
            if not prefix or key.startswith(f"{prefix.rstrip('/')}/"):
                yield key

    async def check(self) -> None:
        """Memory is always there."""
