"""Files in stores, and batches of them, as they are answered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ragstone.api.catalog_requests import StaticSizes, StaticStrategy
from ragstone.api.pages import Listed
from ragstone.api.shapes.catalog import FileCounts, seconds
from ragstone.domain import Chunking
from ragstone.storage.catalog.batches import StoredBatch
from ragstone.storage.catalog.documents import Status, StoredDocument

_SMALLEST_STATIC = 100  # tokens; what is published knows no smaller chunks


class LastError(BaseModel):
    """Why a file could not be read."""

    code: str
    message: str


class OtherStrategy(BaseModel):
    """Chunks as the service cuts them, smaller than the published interface can say."""

    type: Literal["other"] = "other"


class StoreFile(Listed):
    """A file in a store."""

    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int = Field(description="When it was attached, in seconds since 1970.")
    vector_store_id: str
    status: Status
    last_error: LastError | None
    usage_bytes: int
    chunking_strategy: StaticStrategy | OtherStrategy
    attributes: dict[str, bool | int | float | str]
    readers: list[str] = Field(description="Who may read it; nobody named: the whole tenant.")

    @classmethod
    def of(cls, document: StoredDocument, usual: Chunking) -> StoreFile:
        """This file; `usual` is how files are cut for which nothing was asked."""
        code, message = document.error_code, document.error_message or ""
        return cls(
            id=document.file_id,
            created_at=seconds(document.created_at),
            vector_store_id=document.store_id,
            status=document.status,
            last_error=None if code is None else LastError(code=code, message=message),
            usage_bytes=document.usage_bytes,
            chunking_strategy=_strategy(document.chunking or usual),
            attributes=dict(document.attributes),
            readers=list(document.readers),
        )


class FileBatch(Listed):
    """Files that were attached together."""

    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int = Field(description="Seconds since 1970.")
    vector_store_id: str
    status: Status
    file_counts: FileCounts

    @classmethod
    def of(cls, batch: StoredBatch) -> FileBatch:
        """This batch."""
        return cls(
            id=batch.public_id,
            created_at=seconds(batch.created_at),
            vector_store_id=batch.store_id,
            status=batch.status,
            file_counts=FileCounts.of(batch.counts),
        )


def _strategy(chunking: Chunking) -> StaticStrategy | OtherStrategy:
    if chunking.max_tokens < _SMALLEST_STATIC:
        return OtherStrategy()
    sizes = StaticSizes(max_chunk_size_tokens=chunking.max_tokens, chunk_overlap_tokens=chunking.overlap_tokens)
    return StaticStrategy(type="static", static=sizes)
