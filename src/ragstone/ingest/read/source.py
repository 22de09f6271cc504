"""What a reader is given: a file's name, its bytes, and how far it may go."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ragstone.errors import FileSkippedError, UnreadableFileError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read, so that no file can take the machine down."""

    expanded_bytes: int = 512 * MIB  # all parts of a zip container together, inflated
    entries: int = 20_000  # parts of a zip container
    ratio: int = 200  # inflated bytes for each packed byte; counts from 64 MiB inflated on
    pages: int = 5_000  # of a PDF; the pages behind are left out with a warning
    ocr: bool = False  # read the text of scanned pages; needs the extra "ocr"
    depth: int = 2  # attachments of attachments: 2 reads the attachments of an attached message


@dataclass(frozen=True, slots=True)
class Source:
    """One file on its way into a reader."""

    name: str  # of the file, without its folder
    data: bytes
    limits: Limits = Limits()
    depth: int = 0  # 0: a file of its own; 1: attached to it

    def unreadable(self, why: str, remedy: str) -> UnreadableFileError:
        """The error that says why this file cannot be turned into text."""
        return UnreadableFileError(f"{self.name} cannot be read", why=why, remedy=remedy)

    def skipped(self, why: str, remedy: str) -> FileSkippedError:
        """The error that says that files of this kind are not read at all."""
        return FileSkippedError(f"{self.name} is left out", why=why, remedy=remedy)

    def attached(self, name: str, data: bytes) -> Source:
        """A file inside this one."""
        return replace(self, name=name, data=data, depth=self.depth + 1)
