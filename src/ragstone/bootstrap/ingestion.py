"""Ingestion by a command, and by a worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ragstone.bootstrap.house import House
from ragstone.bootstrap.session import Session
from ragstone.domain import Attributes, Chunking
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.flows.ingest import Ingestion
    from ragstone.flows.work import Ingesting
    from ragstone.ingest.read import Limits
    from ragstone.ingest.sandbox import Sandbox

READER_COMMAND = (sys.executable, "-m", "ragstone.worker.reader")


@asynccontextmanager
async def open_ingestion(
    house: House,
    session: Session,
    store_name: str,
    attributes: Attributes,
    readers: tuple[str, ...] | None = None,
) -> AsyncIterator[Ingestion]:
    """An ingestion into a store, which is made if there is none, with its reading processes.

    Args:
        house: How files are read and embedded.
        session: On whose behalf.
        store_name: Of the store.
        attributes: Given to every document.
        readers: Principals who may read the documents; None: who may already, everybody if they are new.

    Raises:
        ModelError: The store has vectors of another model.
    """
    from ragstone.flows.ingest import Ingestion
    from ragstone.ingest.recipe import Recipe

    settings, model = house.settings, house.passage_embedder
    store = await session.library.open_store(store_name, model.model)
    async with _sandboxes(settings) as sandboxes:
        yield Ingestion(
            library=session.library,
            embedder=house.remembering(session, model),
            readers=sandboxes,
            store=store,
            recipe=Recipe(
                attributes=attributes,
                readers=readers,
                chunking=Chunking(settings.chunk_tokens),
                max_bytes=settings.ingest_max_file_mb * 2**20,
                limits=_limits(settings),
            ),
        )


@asynccontextmanager
async def open_work(house: House) -> AsyncIterator[Ingesting]:
    """What a worker does with uploaded files, with its reading processes.

    Raises:
        ModelError: The embedding model is missing.
    """
    from ragstone.flows.work import Ingesting
    from ragstone.ingest.sandbox import Sandboxes

    settings = house.settings
    async with _sandboxes(settings) as readers:
        model = await asyncio.to_thread(lambda: house.passage_embedder)
        yield Ingesting(
            database=lambda asker: house.session(asker).database,
            places=lambda asker: house.session(asker).places,
            embedder=lambda asker: house.remembering(house.session(asker), model),
            sandboxes=Sandboxes(readers),
            chunking=Chunking(settings.chunk_tokens),
            max_bytes=settings.ingest_max_file_mb * 2**20,
            limits=_limits(settings),
        )


@asynccontextmanager
async def _sandboxes(settings: Settings) -> AsyncIterator[list[Sandbox]]:
    from ragstone.ingest.sandbox import sandbox

    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(sandbox(READER_COMMAND, seconds=settings.ingest_file_seconds))
            for _ in range(settings.ingest_readers)
        ]


def _limits(settings: Settings) -> Limits:
    from ragstone.ingest.read import Limits

    return Limits(expanded_bytes=settings.ingest_expanded_mb * 2**20, ocr=settings.ingest_ocr)
