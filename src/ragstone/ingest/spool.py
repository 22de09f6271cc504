"""Chunks of a document, laid aside until all of them are embedded: a transaction must not wait for a model."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from ragstone.domain import IndexedChunk

_IN_MEMORY = 16 * 2**20  # bytes, some thousand chunks; what is beyond goes to a temporary file


class Spool:
    """Batches in the order in which they were added; they are gone with it."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  closed by __exit__
        self._batches = 0

    def __enter__(self) -> Self:
        """Begin empty."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Forget the batches."""
        self._file.close()

    def add(self, batch: Sequence[IndexedChunk]) -> None:
        """Lay a batch aside.

        Raises:
            OSError: The place for temporary files is full.
        """
        pickle.dump(batch, self._file, pickle.HIGHEST_PROTOCOL)
        self._batches += 1

    async def batches(self) -> AsyncIterator[Sequence[IndexedChunk]]:
        """Every batch from the first on."""
        self._file.seek(0)
        for _ in range(self._batches):
            yield pickle.load(self._file)  # noqa: S301  written above
