"""Work: fetch an uploaded file, read and split it, embed its chunks, store it as a document, end the task."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ragstone.domain import Asker, Chunking, Document, Store
from ragstone.errors import ModelError, ObjectsUnavailableError, RagstoneError
from ragstone.ingest import read
from ragstone.ingest.conveyor import indexed
from ragstone.ingest.prepare import Job, Opened, pipeline
from ragstone.ingest.report import Report
from ragstone.ingest.sandbox import Sandboxes
from ragstone.ingest.spool import Spool
from ragstone.ports import Embedder, Objects
from ragstone.storage.contents.compaction import compact
from ragstone.storage.database import Database
from ragstone.storage.work.assignments import Assignment, assignment, fulfil
from ragstone.storage.work.queue import Claim

TIDY_EVERY = 64  # documents of a store
_AROUND = 2  # special tokens around a text, which the embedder's limit counts


@dataclass(frozen=True, slots=True)
class Ingesting:
    """How a claimed file becomes a document of its store."""

    database: Callable[[Asker], Database]  # where a tenant's rows are
    places: Callable[[Asker], Mapping[str, Objects]]  # where bytes lie, by the name of the place
    embedder: Callable[[Asker], Embedder]  # the same model for every tenant
    sandboxes: Sandboxes
    chunking: Chunking  # of documents that ask for none
    max_bytes: int
    limits: read.Limits
    untidy: Counter[tuple[Asker, Store]] = field(default_factory=Counter)  # documents since a store was tidied

    async def __call__(self, claim: Claim) -> str:
        """Do it; returns a line that says what was done.

        Raises:
            UnreadableFileError: The file cannot be turned into text, now or later.
            ClaimLostError: It was cancelled or taken away.
            RagstoneError: What may be better at another time: the database, the place of the files, the model.
        """
        database = self.database(claim.asker)
        wanted = await assignment(database, claim)
        embedder = self.embedder(claim.asker)
        if wanted.store.model.name != embedder.model.name:
            raise ModelError(
                f"The store {wanted.store.name} has vectors of {wanted.store.model.name}",
                why=f"this worker has {embedder.model.name}",
                remedy="Run a worker with that model",
            )
        report = Report()
        with Spool() as spool:
            document = await self._read(claim, wanted, spool, embedder, report)
            await fulfil(database, claim, wanted, document, spool.batches())
        await self._count(claim.asker, wanted.store)
        return f"{wanted.filename}: {report.chunks:,} chunks"

    async def tidy(self) -> None:
        """Merge what single documents have added to the index of their stores."""
        for asker, store in list(self.untidy):
            await self._tidy(asker, store)

    async def _tidy(self, asker: Asker, store: Store) -> None:
        self.untidy.pop((asker, store), None)
        await compact(self.database(asker), asker, store)

    async def _read(
        self, claim: Claim, wanted: Assignment, spool: Spool, embedder: Embedder, report: Report
    ) -> Document:
        chunking = self._chunking(wanted)
        async with self._fetched(claim, wanted) as path:
            job = Job(path, wanted.filename, None, wanted.store.language, chunking, self.max_bytes, self.limits)
            async with self.sandboxes.reading(job) as messages:
                opened = await anext(messages)
                if isinstance(opened, RagstoneError):
                    raise opened
                assert isinstance(opened, Opened)
                if wanted.content_hash not in {None, opened.content_hash}:
                    raise ObjectsUnavailableError(
                        f"The bytes of {wanted.filename} are not those that were uploaded",
                        remedy="Look after the place where the files lie, and upload it again",
                    )
                async for batch in indexed(messages, embedder, report):
                    await asyncio.to_thread(spool.add, batch)
        return Document(
            source=wanted.source,
            filename=wanted.filename,
            content_hash=opened.content_hash,
            pipeline=pipeline(chunking),
            size=opened.size,
            reading=opened.reading,
        )

    def _chunking(self, wanted: Assignment) -> Chunking:
        return (wanted.chunking or self.chunking).within(wanted.store.model.max_tokens - _AROUND)

    @asynccontextmanager
    async def _fetched(self, claim: Claim, wanted: Assignment) -> AsyncIterator[str]:
        """The path of a copy of the file, for as long as it is read."""
        objects = self.places(claim.asker).get(wanted.place)
        if objects is None:
            raise ObjectsUnavailableError(
                f"The bytes of {wanted.filename} lie in a {wanted.place}, which this worker does not know",
                remedy="Give it the settings of the service that took the upload",
            )
        with tempfile.NamedTemporaryFile(prefix="ragstone-") as copy:
            async for piece in objects.read(f"{claim.tenant.id}/{wanted.file}"):
                await asyncio.to_thread(copy.write, piece)
            copy.flush()
            yield copy.name

    async def _count(self, asker: Asker, store: Store) -> None:
        self.untidy[asker, store] += 1
        if self.untidy[asker, store] >= TIDY_EVERY:
            await self._tidy(asker, store)
