"""Zip containers, inflated only as far as the limits allow: headers may lie, so the inflated bytes are counted."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from ragstone.errors import UnreadableFileError
from ragstone.ingest.read.source import MIB, Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE = 64 * 1024
_RATIO_COUNTS_FROM = 64 * MIB  # small files of blanks compress a thousandfold and harm nobody
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


class DamagedPartError(Exception):
    """A part of a container cannot be inflated; the others may be fine."""


class Archive:
    """The parts of a zip container by name.

    Raises:
        UnreadableFileError: It is no zip file, is cut off, has a password, or inflates beyond the limits.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._inflated = 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(source.data))
        except _DAMAGE as error:
            raise source.unreadable(
                "the file is damaged or cut off", "Get a complete copy, for example by downloading it again."
            ) from error
        self._parts = {info.filename: info for info in self._zip.infolist()}
        if len(self._zip.infolist()) > source.limits.entries:
            raise self._bomb(f"it holds {len(self._zip.infolist())} parts")
        self._check(sum(info.file_size for info in self._zip.infolist()))

    @property
    def names(self) -> list[str]:
        """Names of all parts, in the container's order."""
        return list(self._parts)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def read(self, name: str) -> bytes:
        """A part's bytes.

        Raises:
            KeyError: There is no such part.
            DamagedPartError: It cannot be inflated.
            UnreadableFileError: The limits are reached.
        """
        with self.open(name) as stream:
            return stream.read()

    def open(self, name: str) -> IO[bytes]:
        """A part as a stream that counts what it inflates; raises as `read` does, also while it is read."""
        info = self._parts[name]
        if info.flag_bits & 1:
            raise self._source.unreadable("it is protected by a password", "Remove the password and try again.")
        try:
            return io.BufferedReader(_Counted(self, self._zip.open(info)), _PIECE)
        except _DAMAGE as error:
            raise DamagedPartError(name) from error

    def count(self, size: int) -> None:
        """Take note of inflated bytes; raises UnreadableFileError beyond the limits."""
        self._inflated += size
        self._check(self._inflated)

    def _check(self, size: int) -> None:
        if size > self._source.limits.expanded_bytes:
            raise self._bomb(f"it grows beyond {self._source.limits.expanded_bytes // MIB} MiB")
        if size > max(_RATIO_COUNTS_FROM, self._source.limits.ratio * len(self._source.data)):
            raise self._bomb(f"it grows more than {self._source.limits.ratio} times")

    def _bomb(self, why: str) -> UnreadableFileError:
        return self._source.unreadable(
            f"{why} when it is unpacked", "If the file is trusted, raise the limits of ingestion or split the file."
        )


class _Counted(io.RawIOBase):
    """Reads in pieces, so that a lying size in the header cannot make one huge read."""

    def __init__(self, archive: Archive, stream: IO[bytes]) -> None:
        super().__init__()
        self._archive = archive
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        try:
            piece = self._stream.read(min(len(view), _PIECE))
        except _DAMAGE as error:
            raise DamagedPartError(str(error)) from error
        self._archive.count(len(piece))
        view[: len(piece)] = piece
        return len(piece)
