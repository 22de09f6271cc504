"""`/v1/vector_stores`: make, list, change and delete."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ragstone.api.catalog_requests import CreateStore, UpdateStore
from ragstone.api.door.identity import Reading, Writing
from ragstone.api.pages import ListPage, Paged, list_page
from ragstone.api.shapes.catalog import RemovedStore, VectorStore
from ragstone.bootstrap import House
from ragstone.storage.catalog.stores import DEFAULT_LANGUAGE

router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])


@router.post("")
async def create_vector_store(body: CreateStore, request: Request, session: Writing) -> VectorStore:
    """Make a store, with files on their way into it if some are named."""
    house: House = request.app.state.house
    language = body.language or DEFAULT_LANGUAGE
    made = await session.stores.create(body.label(), house.embedder.model, language, body.attachments())
    return VectorStore.of(made)


@router.get("")
async def list_vector_stores(excerpt: Paged, session: Reading) -> ListPage[VectorStore]:
    """List the stores of the tenant."""
    return list_page(await session.stores.page(excerpt), VectorStore.of)


@router.get("/{store_id}")
async def retrieve_vector_store(store_id: str, session: Reading) -> VectorStore:
    """Describe a store."""
    return VectorStore.of(await session.stores.find(store_id))


@router.post("/{store_id}")
async def update_vector_store(store_id: str, body: UpdateStore, session: Writing) -> VectorStore:
    """Change what is said of a store."""
    return VectorStore.of(await session.stores.change(store_id, body.changes()))


@router.delete("/{store_id}")
async def delete_vector_store(store_id: str, session: Writing) -> RemovedStore:
    """Delete a store with all that it holds; uploaded files stay."""
    await session.stores.delete(store_id)
    return RemovedStore(id=store_id)
