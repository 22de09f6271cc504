"""From a file's bytes to one text with its blocks: the first step of ingestion.

The only things to use from outside are `read`, `supported`, `Limits` and `READER_VERSION`.
"""

from __future__ import annotations

from pathlib import Path

from ragstone.domain import Reading
from ragstone.ingest.read.document import read_source
from ragstone.ingest.read.kinds import EXTENSIONS, LEGACY
from ragstone.ingest.read.source import Limits, Source

__all__ = ["READER_VERSION", "Limits", "read", "supported"]

READER_VERSION = "2"  # raise it when a reader yields another text or other blocks: documents are then read again


def read(path: Path, data: bytes, limits: Limits = Limits()) -> Reading:  # noqa: B008  frozen
    """The text and blocks of a file, from its bytes alone; the path only gives its name.

    Raises:
        FileSkippedError: It is a picture or another kind of file that is not read at all.
        UnreadableFileError: It is empty, damaged, encrypted, in a legacy format, or goes beyond the limits.
    """
    return read_source(Source(path.name, data, limits))


def supported(path: Path) -> bool:
    """Whether a folder walk picks this file up, by its extension; `read` itself looks at the content.

    Legacy office files are picked up to be reported: their owner takes them for documents.
    """
    return path.suffix.lower() in EXTENSIONS or path.suffix.lower() in LEGACY
