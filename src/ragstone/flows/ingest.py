"""Ingest: walk the folders, read and split each file, embed its chunks, store it, remove what vanished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragstone.domain import Known, Store
from ragstone.errors import UnreadableFileError
from ragstone.ingest import read
from ragstone.ingest.conveyor import Parcel, carry
from ragstone.ingest.prepare import Opened, Unchanged
from ragstone.ingest.recipe import Recipe
from ragstone.ingest.report import Report
from ragstone.ingest.sandbox import Sandbox
from ragstone.ingest.source import walk
from ragstone.ports import Embedder, Library

_TIDY_EVERY = 64  # documents


@dataclass(frozen=True, slots=True)
class Ingestion:
    """How files become documents of a store."""

    library: Library
    embedder: Embedder
    readers: Sequence[Sandbox]
    store: Store
    recipe: Recipe

    async def run(self, paths: Sequence[Path], report: Report) -> None:
        """Bring the store to what the paths hold now; `report` grows meanwhile.

        Raises:
            DatabaseError: The database went away or is full; what the report counts is stored.
            ModelError: The embedder does not work.
        """
        found = walk(paths, read.supported)
        known = await self.library.known(self.store)
        report.files, report.skipped = len(found.files) + len(found.failed), found.skipped
        report.failed.extend(found.failed)
        await carry(
            found.files,
            lambda file: self.recipe.job(file, known.get(file.source), self.store.language),
            self.readers,
            lambda parcel: self._write(parcel, known, report),
        )
        report.removed = await self.library.remove(self.store, found.vanished(list(known)))
        await self.library.tidy(self.store)

    async def _write(self, parcel: Parcel, known: Mapping[str, Known], report: Report) -> None:
        file, first = parcel.file, parcel.first
        if isinstance(first, Unchanged):
            report.unchanged += 1
            return
        try:
            if not isinstance(first, Opened):
                raise first
            document = self.recipe.document(file, first, known.get(file.source))
            await self.library.put(self.store, document, parcel.indexed(self.embedder, report))
        except UnreadableFileError as error:
            report.failed.append((file.source, error))
            return
        report.warnings.extend((file.relative, warning) for warning in first.reading.warnings)
        if file.source in known:
            report.replaced += 1
        else:
            report.added += 1
        if (report.added + report.replaced) % _TIDY_EVERY == 0:
            await self.library.tidy(self.store)
