"""How a file becomes a document: the same recipe makes the same chunks of the same bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath

from ragstone.domain import Attributes, Chunking, Document, Known
from ragstone.ingest import read
from ragstone.ingest.prepare import Job, Opened, pipeline
from ragstone.ingest.source import SourceFile


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an ingestion does to each of its files."""

    attributes: Attributes  # given to every document, beside `path` and `type`
    readers: tuple[str, ...] | None  # of every document; None: those that it has, everybody if it is new
    chunking: Chunking
    max_bytes: int
    limits: read.Limits

    def job(self, file: SourceFile, stored: Known | None, language: str) -> Job:
        """What the reading process has to do; a file that is stored just as it is will not be read."""
        same = (
            stored
            and stored.pipeline == self._pipeline
            and _exactly(stored.attributes) == _exactly(self._attributes(file))
            and stored.readers == self._readers(stored)
        )
        return Job(
            path=str(file.path),
            name=file.relative,
            known_hash=stored.content_hash if stored and same else None,
            language=language,
            chunking=self.chunking,
            max_bytes=self.max_bytes,
            limits=self.limits,
        )

    def document(self, file: SourceFile, opened: Opened, stored: Known | None) -> Document:
        """The document that a file became."""
        return Document(
            source=file.source,
            filename=PurePath(file.source).name,  # which can be written, unlike some names of files
            content_hash=opened.content_hash,
            pipeline=self._pipeline,
            size=opened.size,
            reading=opened.reading,
            attributes=self._attributes(file),
            readers=self._readers(stored),
        )

    @property
    def _pipeline(self) -> str:
        return pipeline(self.chunking)

    def _readers(self, stored: Known | None) -> tuple[str, ...]:
        # Whoever restricted a document does not find it open again because its file has changed.
        if self.readers is None:
            return stored.readers if stored else ()
        return tuple(sorted(set(self.readers)))

    def _attributes(self, file: SourceFile) -> Attributes:
        return {"path": file.relative, "type": PurePath(file.source).suffix.lstrip(".").lower(), **self.attributes}


def _exactly(attributes: Attributes) -> str:
    """What tells attributes apart that Python takes for equal, such as 1 and true."""
    return json.dumps(attributes, sort_keys=True)
