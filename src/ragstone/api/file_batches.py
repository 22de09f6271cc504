"""`/v1/vector_stores/{id}/file_batches`: files that are attached together."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ragstone.api.catalog_requests import AttachFiles
from ragstone.api.door.identity import Reading, Writing
from ragstone.api.pages import ListPage, Paged, list_page
from ragstone.api.shapes.store_files import FileBatch, StoreFile
from ragstone.api.store_files import POLL_AFTER, StatusFilter, Usual

router = APIRouter(prefix="/v1/vector_stores/{store_id}/file_batches", tags=["vector stores"])


@router.post("")
async def create_file_batch(store_id: str, body: AttachFiles, session: Writing) -> FileBatch:
    """Put several files into a store, all or none; they are read in the background."""
    return FileBatch.of(await session.batches.create(store_id, body.attachments()))


@router.get("/{batch_id}")
async def retrieve_file_batch(store_id: str, batch_id: str, response: Response, session: Reading) -> FileBatch:
    """Describe a batch, with what became of its files."""
    batch = await session.batches.find(store_id, batch_id)
    if batch.status == "in_progress":
        response.headers.update(POLL_AFTER)
    return FileBatch.of(batch)


@router.post("/{batch_id}/cancel")
async def cancel_file_batch(store_id: str, batch_id: str, session: Writing) -> FileBatch:
    """Give up those of its files that are not read yet."""
    return FileBatch.of(await session.batches.cancel(store_id, batch_id))


@router.get("/{batch_id}/files")
async def list_batch_files(
    store_id: str, batch_id: str, excerpt: Paged, session: Reading, usual: Usual, status: StatusFilter = None
) -> ListPage[StoreFile]:
    """List the files of a batch that the caller may read."""
    page = await session.batches.page(store_id, batch_id, excerpt, status)
    return list_page(page, lambda document: StoreFile.of(document, usual))
