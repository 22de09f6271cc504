"""How a file becomes a document: the same recipe makes the same chunks of the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

from ragstone.domain import Attributes, Chunking, Document, Known
from ragstone.ingest import read
from ragstone.ingest.prepare import Job, Opened, pipeline
from ragstone.ingest.source import SourceFile


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an ingestion does to each of its files."""

    attributes: Attributes  # given to every document, beside `path` and `type`
    chunking: Chunking
    max_bytes: int
    limits: read.Limits

    def job(self, file: SourceFile, stored: Known | None, language: str) -> Job:
        """What the reading process has to do; a file that is stored just as it is will not be read."""
        same = stored and stored.pipeline == self._pipeline and stored.attributes == self._attributes(file)
        return Job(
            path=str(file.path),
            name=file.relative,
            known_hash=stored.content_hash if stored and same else None,
            language=language,
            chunking=self.chunking,
            max_bytes=self.max_bytes,
            limits=self.limits,
        )

    def document(self, file: SourceFile, opened: Opened) -> Document:
        """The document that a file became."""
        return Document(
            source=file.source,
            filename=file.path.name,
            content_hash=opened.content_hash,
            pipeline=self._pipeline,
            size=opened.size,
            reading=opened.reading,
            attributes=self._attributes(file),
        )

    @property
    def _pipeline(self) -> str:
        return pipeline(self.chunking)

    def _attributes(self, file: SourceFile) -> Attributes:
        return {"path": file.relative, "type": file.path.suffix.lstrip(".").lower(), **self.attributes}
