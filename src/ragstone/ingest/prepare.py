"""What happens to a file in the reading process: bytes, text, chunks, terms.

The process speaks pickled messages in frames, because the other end is this program itself. It is no security
boundary: it keeps a file that crashes, hangs or swallows memory from taking the ingestion with it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeAlias

from ragstone.domain import Chunk, Chunking, Reading
from ragstone.errors import RagstoneError, UnreadableFileError
from ragstone.ingest import read, split
from ragstone.ingest.source import unreadable
from ragstone.ports import Tokenizer
from ragstone.text import analyzer

BATCH = 128  # chunks in a message: a few seconds of embedding, and one lexical segment
FRAME = struct.Struct("<Q")


def pipeline(chunking: Chunking) -> str:
    """The version of everything that turns bytes into chunks; another one ingests unchanged files again."""
    size = f"{chunking.max_tokens}+{chunking.overlap_tokens}" if chunking.overlap_tokens else chunking.max_tokens
    return f"{read.READER_VERSION}/{split.SPLITTER_VERSION}/{analyzer.ANALYZER_VERSION}/{size}"


@dataclass(frozen=True, slots=True)
class Job:
    """A file to prepare."""

    path: str
    name: str  # for messages
    known_hash: bytes | None  # of the stored version made by the same pipeline
    language: str
    chunking: Chunking
    max_bytes: int
    limits: read.Limits


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The file is the one that is stored."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The file was read; its chunks follow."""

    content_hash: bytes
    size: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk with its terms."""

    chunk: Chunk
    terms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Done:
    """The file is complete."""


Message: TypeAlias = Unchanged | Opened | list[Piece] | Done | RagstoneError


def prepare(job: Job, tokenizer: Tokenizer) -> Iterator[Message]:
    """All that can be said of a file; an error is the last message instead of `Done`."""
    try:
        data = _bytes(job)
        content_hash = hashlib.sha256(data).digest()
        if content_hash == job.known_hash:
            yield Unchanged()
            return
        size = len(data)
        reading = read.read(Path(job.name), data, job.limits)
        del data
        yield Opened(content_hash, size, reading)
        chunks = split.split(reading, tokenizer, job.chunking.max_tokens, job.chunking.overlap_tokens)
        while batch := list(islice(chunks, BATCH)):
            yield [Piece(chunk, analyzer.term_counts(chunk.searchable, job.language)) for chunk in batch]
        yield Done()
    except RagstoneError as error:
        yield error
    except MemoryError:
        yield UnreadableFileError(
            f"{job.name} needs too much memory to read", remedy="Split it, or raise RAGSTONE_INGEST_MEMORY_MB"
        )
    except RecursionError:
        yield UnreadableFileError(f"{job.name} is nested too deeply", remedy="Flatten or split it")


def _bytes(job: Job) -> bytes:
    try:
        with Path(job.path).open("rb") as file:
            before = os.fstat(file.fileno())
            if before.st_size > job.max_bytes:
                raise UnreadableFileError(
                    f"{job.name} is too large",
                    why=f"{before.st_size / 2**20:,.0f} MiB, the limit is {job.max_bytes / 2**20:,.0f}",
                    remedy="Split it, or raise RAGSTONE_INGEST_MAX_FILE_MB",
                )
            # One byte more than there should be: a file that grows while it is read must not fill the memory.
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise unreadable(job.name, error) from None
    if len(data) != before.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise UnreadableFileError(
            f"{job.name} changed while it was read", remedy="Run the command again when it is complete"
        )
    return data


def serve(requests: BinaryIO, answers: BinaryIO, tokenizer: Tokenizer) -> None:
    """Answer jobs until the requests end."""
    while header := requests.read(FRAME.size):
        job = pickle.loads(requests.read(FRAME.unpack(header)[0]))  # noqa: S301  written by this program
        for message in prepare(job, tokenizer):
            frame = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            answers.write(FRAME.pack(len(frame)) + frame)
            answers.flush()
