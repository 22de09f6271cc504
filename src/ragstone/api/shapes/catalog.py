"""Files and stores as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from ragstone.api.catalog_requests import StoreExpiry
from ragstone.api.pages import Listed
from ragstone.storage.catalog.store_catalog import Counts, StoredStore
from ragstone.storage.catalog.uploading import StoredFile


def _absent(value: object) -> bool:
    return value is None


class FileObject(Listed):
    """A file."""

    object: Literal["file"] = "file"
    bytes: int
    created_at: int = Field(description="Seconds since 1970.")
    expires_at: int | None = Field(
        default=None, exclude_if=_absent, description="Absent when it stays until it is deleted."
    )
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    media_type: str = Field(description="By its content.")
    readers: list[str] = Field(description="Who may read it; nobody named: the whole tenant.")

    @classmethod
    def of(cls, file: StoredFile) -> FileObject:
        """This file."""
        return cls(
            id=file.public_id,
            bytes=file.size,
            created_at=seconds(file.created_at),
            expires_at=None if file.expires_at is None else seconds(file.expires_at),
            filename=file.filename,
            purpose=file.purpose,
            media_type=file.media_type,
            readers=list(file.readers),
        )


class FileCounts(BaseModel):
    """Files by what has become of them, as far as the caller may see them."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int

    @classmethod
    def of(cls, counts: Counts) -> FileCounts:
        """These counts."""
        return cls(
            in_progress=counts.in_progress,
            completed=counts.completed,
            failed=counts.failed,
            cancelled=counts.cancelled,
            total=counts.total,
        )


class VectorStore(Listed):
    """A store."""

    object: Literal["vector_store"] = "vector_store"
    created_at: int = Field(description="Seconds since 1970.")
    name: str
    description: str
    language: str = Field(description="Of the stemmer for Latin script.")
    usage_bytes: int = Field(description="Of the files in it that the caller may read.")
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: StoreExpiry | None = Field(default=None, exclude_if=_absent, description="Absent when it stays.")
    expires_at: int | None
    last_active_at: int = Field(description="To the minute.")
    metadata: dict[str, str]

    @classmethod
    def of(cls, store: StoredStore) -> VectorStore:
        """This store."""
        days = store.label.expires_after_days
        return cls(
            id=store.public_id,
            created_at=seconds(store.created_at),
            name=store.label.name,
            description=store.label.description,
            language=store.language,
            usage_bytes=store.usage_bytes,
            file_counts=FileCounts.of(store.counts),
            status="expired" if store.expired else "in_progress" if store.counts.in_progress else "completed",
            expires_after=None if days is None else StoreExpiry(anchor="last_active_at", days=days),
            expires_at=None if store.expires_at is None else seconds(store.expires_at),
            last_active_at=seconds(store.last_active_at),
            metadata=dict(store.label.metadata),
        )


def seconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp())


class Removed(BaseModel):
    """Something is gone."""

    id: str
    deleted: Literal[True] = True


class RemovedFile(Removed):
    """A file is gone, and with it what was made from it."""

    object: Literal["file"] = "file"


class RemovedStore(Removed):
    """A store is gone with all that it held."""

    object: Literal["vector_store.deleted"] = "vector_store.deleted"


class RemovedStoreFile(Removed):
    """A file is no longer in the store."""

    object: Literal["vector_store.file.deleted"] = "vector_store.file.deleted"
