"""`/v1/vector_stores/{id}/files`: files in a store."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from ragstone.api.catalog_requests import AttachFile, UpdateStoreFile
from ragstone.api.door.identity import Reading, Writing
from ragstone.api.pages import ListPage, Paged, list_page
from ragstone.api.shapes.catalog import RemovedStoreFile
from ragstone.api.shapes.store_files import StoreFile
from ragstone.bootstrap import House
from ragstone.domain import Chunking
from ragstone.storage.catalog.documents import Status

router = APIRouter(prefix="/v1/vector_stores/{store_id}/files", tags=["vector stores"])

POLL_AFTER = {"openai-poll-after-ms": "500"}  # OpenAI's clients wait so long before they look again

StatusFilter = Annotated[Status | None, Query(alias="filter", description="Only files of this status.")]


def usual_chunking(request: Request) -> Chunking:
    """How files are cut for which nothing was asked."""
    house: House = request.app.state.house
    return Chunking(house.settings.chunk_tokens)


Usual = Annotated[Chunking, Depends(usual_chunking)]


class TextPart(BaseModel):
    """A page of a document, or all of one without pages."""

    type: Literal["text"] = "text"
    text: str


class TextPage(BaseModel):
    """What was read of a file."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[TextPart]
    has_more: bool
    next_page: str | None


@router.post("")
async def attach_file(store_id: str, body: AttachFile, session: Writing, usual: Usual) -> StoreFile:
    """Put a file into a store; it is read in the background."""
    return StoreFile.of(await session.documents.attach(store_id, body.attachment()), usual)


@router.get("")
async def list_store_files(
    store_id: str, excerpt: Paged, session: Reading, usual: Usual, status: StatusFilter = None
) -> ListPage[StoreFile]:
    """List the files of a store that the caller may read."""
    page = await session.documents.page(store_id, excerpt, status)
    return list_page(page, lambda document: StoreFile.of(document, usual))


@router.get("/{file_id}")
async def retrieve_store_file(
    store_id: str, file_id: str, response: Response, session: Reading, usual: Usual
) -> StoreFile:
    """Describe a file in a store, with what became of it."""
    document = await session.documents.find(store_id, file_id)
    if document.status == "in_progress":
        response.headers.update(POLL_AFTER)
    return StoreFile.of(document, usual)


@router.post("/{file_id}")
async def update_store_file(
    store_id: str, file_id: str, body: UpdateStoreFile, session: Writing, usual: Usual
) -> StoreFile:
    """Give a file in a store other attributes or readers; searches keep to them at once."""
    attributes = (body.attributes or {}) if "attributes" in body.model_fields_set else None
    readers = None if body.readers is None else sorted(set(body.readers))
    return StoreFile.of(await session.documents.change(store_id, file_id, attributes, readers), usual)


@router.delete("/{file_id}")
async def remove_store_file(store_id: str, file_id: str, session: Writing) -> RemovedStoreFile:
    """Take a file out of a store; the file itself stays."""
    await session.documents.remove(store_id, file_id)
    return RemovedStoreFile(id=file_id)


@router.get("/{file_id}/content")
async def store_file_content(
    store_id: str,
    file_id: str,
    session: Reading,
    page: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next_page` of the answer before.")] = 0,
) -> TextPage:
    """The text that was read of a file, by its pages."""
    text = await session.documents.text(store_id, file_id, page)
    return TextPage(
        data=[TextPart(text=part) for part in text.pages],
        has_more=text.next is not None,
        next_page=None if text.next is None else str(text.next),
    )
